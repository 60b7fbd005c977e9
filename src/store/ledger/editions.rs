//! Editions of sequences: each is kept once, with the first person that follows it, and
//! forgotten when nobody has followed it for a while. How many do is counted as they come and
//! go, so that nobody has to walk through the people to know.

use super::Ledger;
use crate::model::queue::Enrolment;
use crate::model::rules::Edition;
use crate::store::kv::{Batch, Kv as _};
use crate::store::rows::{self, Followers, StoredEdition};
use crate::store::{StoreError, keys};

impl Ledger {
    /// Keeps an edition, unless it is there.
    pub(super) fn keep_edition(
        batch: &mut Batch<'_>,
        sequence: &str,
        edition: &Edition,
        now: i64,
    ) -> Result<(), StoreError> {
        let key = keys::edition(sequence, &edition.hash);
        if batch.get(&key)?.is_some() {
            return Ok(());
        }
        rows::write(batch, key, &StoredEdition { text: edition.text.clone(), since: now })
    }

    /// Counts an active enrolment that comes to its edition, or leaves it.
    pub(super) fn follows(
        batch: &mut Batch<'_>,
        one: &Enrolment,
        comes: bool,
        now: i64,
    ) -> Result<(), StoreError> {
        let key = keys::followers(&one.sequence, &one.rules);
        let before: Option<Followers> = rows::read(batch, &key)?;
        let people = before.map_or(0, |before| before.people);
        let people = if comes { people + 1 } else { people.saturating_sub(1) };
        if people == 0 && batch.get(&keys::edition(&one.sequence, &one.rules))?.is_none() {
            return batch.delete(key);
        }
        let (sequence, edition) = (one.sequence.clone(), one.rules.clone());
        rows::write(batch, key, &Followers { sequence, edition, people, updated: now })
    }

    /// Forgets an edition that nobody has followed since then; answers whether it did.
    pub(super) fn forget_edition(
        batch: &mut Batch<'_>,
        key: Vec<u8>,
        edition: &StoredEdition,
        before: i64,
    ) -> Result<bool, StoreError> {
        let count = keys::followers_of(&key);
        let followers: Option<Followers> = rows::read(batch, &count)?;
        let left = followers.map_or(edition.since, |row| match row.people {
            0 => row.updated,
            _ => i64::MAX,
        });
        if left >= before {
            return Ok(false);
        }
        batch.delete(count)?;
        batch.delete(key)?;
        Ok(true)
    }
}
