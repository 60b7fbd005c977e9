//! The sequences of before: whoever is mid-way is judged by the edition of their sequence that
//! they follow. Editions lie in the store as text; the ones that were asked for last are kept
//! compiled.

use std::collections::HashMap;
use std::sync::{Arc, Mutex, PoisonError};

use serde_json::{Value, json};

use super::at;
use crate::language;
use crate::model::rules::Sequence;
use crate::model::{Enrolment, RuleSet};
use crate::store::{Store, StoreError};

/// Editions that are kept compiled; of each sequence few are in use at a time.
const MOST: usize = 256;

/// An edition that was looked up.
#[derive(Clone, Debug)]
struct Known {
    /// Since when the store has it, in milliseconds since 1970.
    since: i64,
    /// The sequence of then; none when this program does not understand it any more.
    sequence: Option<Arc<Sequence>>,
}

/// Editions of sequences, compiled.
#[derive(Debug, Default)]
pub struct Editions(Mutex<HashMap<(String, String), Known>>);

impl Editions {
    /// The sequence that an enrolment follows; none where that is the sequence of now, or the
    /// store does not have it any more, so that the one of now counts.
    ///
    /// # Errors
    /// The store cannot be read.
    pub async fn followed(
        &self,
        store: &dyn Store,
        rules: &RuleSet,
        one: &Enrolment,
    ) -> Result<Option<Arc<Sequence>>, StoreError> {
        Ok(self.known(store, rules, one).await?.and_then(|known| known.sequence))
    }

    /// Which edition an enrolment follows, for the API: its hash, since when it is known, and
    /// whether it is the one of now.
    ///
    /// # Errors
    /// The store cannot be read.
    pub async fn told(
        &self,
        store: &dyn Store,
        rules: &RuleSet,
        one: &Enrolment,
    ) -> Result<Value, StoreError> {
        let is_live = is_live(rules, one);
        let known = self.known(store, rules, one).await?;
        let since = known.as_ref().map(|known| at(known.since));
        Ok(json!({ "hash": one.rules, "since": since, "live": is_live }))
    }

    async fn known(
        &self,
        store: &dyn Store,
        rules: &RuleSet,
        one: &Enrolment,
    ) -> Result<Option<Known>, StoreError> {
        if is_live(rules, one) {
            return Ok(None);
        }
        let place = (one.sequence.clone(), one.rules.clone());
        let found = self.0.lock().unwrap_or_else(PoisonError::into_inner).get(&place).cloned();
        if found.is_some() {
            return Ok(found);
        }
        let Some((edition, since)) = store.edition(&one.sequence, &one.rules).await? else {
            return Ok(None);
        };
        let known = Known { since, sequence: language::sequence_of(&edition).map(Arc::new) };
        let mut all = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        if all.len() >= MOST {
            all.clear();
        }
        all.insert(place, known.clone());
        Ok(Some(known))
    }
}

/// Whether an enrolment follows its sequence as it is now.
fn is_live(rules: &RuleSet, one: &Enrolment) -> bool {
    rules.sequences.get(&one.sequence).is_some_and(|now| now.edition.hash == one.rules)
}
