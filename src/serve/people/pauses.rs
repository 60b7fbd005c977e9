//! Pauses of sequences: what is paused since when, how much is held aside, and what becomes of
//! it once the pause ends.

use serde_json::{Value, json};

use crate::base::{address, time};
use crate::engine;
use crate::model::commit::{Commit, Write};
use crate::model::queue::{PAUSES, Task, pause_flag, paused_by};
use crate::model::{Job, RuleSet};
use crate::store::{Committed, Store, StoreError};

/// Jobs that are looked at in one go: none of it holds a call up.
const PART: usize = 500;

/// A sequence that is paused, for everybody or for one person.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Pause {
    /// The sequence.
    pub sequence: String,
    /// The person's address; none means everybody.
    pub person: Option<String>,
    /// Since when, as a time with its offset.
    pub since: String,
}

impl Pause {
    /// The same as a sentence, for what it holds up.
    #[must_use]
    pub fn note(&self) -> String {
        let whom = if self.person.is_some() { " for this person" } else { "" };
        format!("waits: the sequence is paused{whom}")
    }
}

/// What a pause holds aside.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Holding {
    /// E-mails and steps.
    pub held: usize,
    /// Those of them that would be left out now, because they may not be so late.
    pub too_late: usize,
}

/// Every pause, by sequence and person.
///
/// # Errors
/// The store cannot be read.
pub async fn pauses(store: &dyn Store) -> Result<Vec<Pause>, StoreError> {
    let flags = store.flags(PAUSES).await?;
    let pause = |(flag, since): (String, String)| {
        let (sequence, person) = paused_by(&flag)?;
        Some(Pause { sequence: sequence.to_owned(), person: person.map(str::to_owned), since })
    };
    Ok(flags.into_iter().filter_map(pause).collect())
}

/// The pause that holds up what a person would get from a sequence, if one does.
///
/// # Errors
/// The store cannot be read.
pub async fn pause_of(
    store: &dyn Store,
    sequence: &str,
    person: &str,
) -> Result<Option<Pause>, StoreError> {
    for person in [None, Some(address::person(person))] {
        if let Some(since) = store.flag(&pause_flag(sequence, person.as_deref())).await? {
            return Ok(Some(Pause { sequence: sequence.to_owned(), person, since }));
        }
    }
    Ok(None)
}

/// Pauses a sequence, for everybody or for one person; one that is paused stays so since when
/// it was. Answers since when.
///
/// # Errors
/// The store does not accept it at the moment.
pub async fn pause(
    store: &dyn Store,
    sequence: &str,
    person: Option<&str>,
    now: i64,
) -> Result<String, StoreError> {
    let flag = pause_flag(sequence, person);
    if let Some(since) = store.flag(&flag).await? {
        return Ok(since);
    }
    let since = time::format_millis(now);
    set(store, flag, Some(since.clone()), now).await?;
    Ok(since)
}

/// Ends a pause: what it held is due again, unless another pause holds it too.
///
/// # Errors
/// The store does not accept it at the moment. What could not be put back then is put back
/// when the server starts the next time.
pub async fn resume(
    store: &dyn Store,
    sequence: &str,
    person: Option<&str>,
    now: i64,
) -> Result<usize, StoreError> {
    set(store, pause_flag(sequence, person), None, now).await?;
    let_go(store).await
}

/// Makes everything due again that no pause holds any more; answers how much. It is done in
/// small parts, and what a crash cuts off is done at the next start.
///
/// # Errors
/// The store cannot be read or written.
pub async fn let_go(store: &dyn Store) -> Result<usize, StoreError> {
    let (mut from, mut moved) = (Some(Vec::new()), 0);
    while let Some(place) = from {
        let part = store.let_go(place, PART).await?;
        moved += part.moved;
        from = part.next;
    }
    Ok(moved)
}

async fn set(
    store: &dyn Store,
    name: String,
    value: Option<String>,
    now: i64,
) -> Result<(), StoreError> {
    let commit =
        Commit { now, writes: vec![Write::Flag { name, value }], own: true, ..Commit::default() };
    match store.commit(commit).await? {
        Committed::Done { .. } => Ok(()),
        // It assumes nothing and has no key, so nothing can be in its way.
        _ => Err(StoreError::Full),
    }
}

/// What is held aside of a sequence, for everybody or for one person, and how much of it
/// would be too late now.
///
/// # Errors
/// The store cannot be read.
pub async fn holding(
    store: &dyn Store,
    rules: &RuleSet,
    sequence: &str,
    person: Option<&str>,
    now: i64,
) -> Result<Holding, StoreError> {
    let person = person.map(address::person);
    let (mut from, mut holding) = (Some(Vec::new()), Holding::default());
    while let Some(place) = from {
        let (jobs, next) = store.held(sequence, place, PART).await?;
        for job in jobs {
            if person.as_ref().is_none_or(|person| address::person(&job.target) == *person) {
                holding.held += 1;
                holding.too_late += usize::from(is_too_late(rules, &job, now));
            }
        }
        from = next;
    }
    Ok(holding)
}

/// Whether a job that is held would be left out if it were due now.
fn is_too_late(rules: &RuleSet, job: &Job, now: i64) -> bool {
    if let Some(expires) = job.expires {
        return now > expires;
    }
    let Task::Step { sequence, step, .. } = &job.task else { return false };
    let found = rules.sequences.get(sequence);
    let found = found.and_then(|found| found.steps.iter().find(|known| known.name == *step));
    !job.by_hand && found.is_some_and(|step| now > engine::latest(step, job.planned))
}

/// A pause with what it holds, for the API.
#[must_use]
pub fn shape(pause: &Pause, holding: Holding) -> Value {
    json!({
        "sequence": pause.sequence,
        "person": pause.person,
        "paused_at": pause.since,
        "held": holding.held,
        "too_late": holding.too_late,
    })
}
