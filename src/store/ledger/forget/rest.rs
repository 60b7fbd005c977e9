//! Everything else that may hold an address: what is remembered, logs, attempts, keys.

use serde::Serialize;
use serde::de::DeserializeOwned;

use super::Forget;
use crate::model::queue::{Attempt, LogLine, Record, Suppression};
use crate::store::kv::Batch;
use crate::store::rows::{self, Counter, UsedKey};
use crate::store::{StoreError, keys};

/// Removes a row that is about the person, or takes the address out of it.
pub(super) fn forget(
    batch: &mut Batch<'_>,
    forget: &mut Forget,
    kind: u8,
    key: Vec<u8>,
    holds: bool,
) -> Result<(), StoreError> {
    let words = forget.words.clone();
    match kind {
        keys::RECORD => record(batch, forget, key),
        keys::ATTEMPT => scrub(batch, forget, key, |one: &mut Attempt| {
            let message = words.scrub_some(&mut one.message);
            words.scrub(&mut one.target) | words.scrub(&mut one.reply) | message
        }),
        keys::LOG => scrub(batch, forget, key, |one: &mut LogLine| words.scrub(&mut one.message)),
        keys::COUNTER => scrub(batch, forget, key, |one: &mut Counter| {
            words.scrub_some(&mut one.stat.last_error)
        }),
        keys::SUPPRESSION => {
            scrub(batch, forget, key, |one: &mut Suppression| words.scrub(&mut one.note))
        }
        keys::BODY => {
            let Some(body) = rows::bytes(batch, &key)? else { return Ok(()) };
            let Some(text) = words.without(&String::from_utf8_lossy(&body)) else { return Ok(()) };
            forget.done.mentions += 1;
            batch.put(key, text.as_bytes())
        }
        // A key leads to its call: without that one it would be a riddle.
        keys::IDEMPOTENCY if !holds => {
            let used: Option<UsedKey> = rows::read(batch, &key)?;
            let gone = used.is_some_and(|used| forget.calls.contains(&used.execution));
            if gone { batch.delete(key) } else { Ok(()) }
        }
        // The rules themselves lie in a flag; what they say is nobody's data.
        keys::FLAG if !words.are_in(&String::from_utf8_lossy(&key[1..])) => Ok(()),
        keys::PERSON_ENROLMENT | keys::PERSON_EXECUTION => {
            // Normally gone with what they lead to.
            let theirs =
                [keys::person_enrolments(&forget.person), keys::person_executions(&forget.person)];
            let stale = theirs.iter().any(|begin| key.starts_with(begin));
            if stale && forget.done.in_flight.is_empty() { batch.delete(key) } else { Ok(()) }
        }
        _ => {
            forget.done.mentions += 1;
            batch.delete(key)
        }
    }
}

/// What is remembered under the address goes; in other records it is replaced.
fn record(batch: &mut Batch<'_>, forget: &mut Forget, key: Vec<u8>) -> Result<(), StoreError> {
    let Some(mut record) = rows::read::<Record>(batch, &key)? else { return Ok(()) };
    if forget.words.are_in(&record.id) {
        forget.done.records += 1;
        return batch.delete(key);
    }
    if forget.words.scrub(&mut record.fields) {
        forget.done.mentions += 1;
        record.version += 1;
        record.updated = forget.now;
        rows::write(batch, key, &record)?;
    }
    Ok(())
}

fn scrub<T: Serialize + DeserializeOwned>(
    batch: &mut Batch<'_>,
    forget: &mut Forget,
    key: Vec<u8>,
    clean: impl FnOnce(&mut T) -> bool,
) -> Result<(), StoreError> {
    let Some(mut row) = rows::read::<T>(batch, &key)? else { return Ok(()) };
    if clean(&mut row) {
        forget.done.mentions += 1;
        rows::write(batch, key, &row)?;
    }
    Ok(())
}
