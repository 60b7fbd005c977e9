//! Forgetting a person, a little at a time, so that no call waits for it. Everything that was
//! theirs goes: their calls, their places in sequences, what was sent to them, what is
//! remembered under their address. In what belongs to others and only names them, the address
//! is replaced. What the suppression list says and what was counted stays.
//!
//! Every step reads some rows in their order and acts on those that hold the address, so that
//! nothing has to be found through an index; one that was cut off begins anew and finds less.

mod people;
mod rest;
mod words;

use std::collections::HashSet;

use self::words::Words;
use super::Ledger;
use crate::base::{Id, address};
use crate::model::queue::Fingerprint;
use crate::store::kv::{self, Batch, Kv as _, Pair, Way, payload};
use crate::store::{Forgotten, StoreError, keys};

/// Rows that one step looks at.
const STEP: usize = 200;
/// Bytes after which a step ends.
const BYTES: usize = 1024 * 1024;

/// The kinds of rows that hold addresses, in the order in which they are gone through: what
/// leads to other rows before those.
const KINDS: [u8; 14] = [
    keys::ENROLMENT,
    keys::EXECUTION,
    keys::JOB,
    keys::ATTEMPT,
    keys::RECORD,
    keys::BODY,
    keys::LOG,
    keys::IDEMPOTENCY,
    keys::REFUSAL,
    keys::FLAG,
    keys::COUNTER,
    keys::SUPPRESSION,
    keys::PERSON_ENROLMENT,
    keys::PERSON_EXECUTION,
];

/// How far forgetting has come.
#[derive(Clone, Debug)]
pub(in crate::store) struct Forget {
    /// The address, spelt as the person is known.
    person: String,
    words: Words,
    now: i64,
    kind: usize,
    from: Vec<u8>,
    /// Calls that went, whose jobs go too.
    calls: HashSet<Id>,
    /// Calls of others that put the person into a sequence: copies for the sender's own
    /// mailboxes hold what the person's e-mail said.
    began: HashSet<Id>,
    /// What has gone.
    pub(in crate::store) done: Forgotten,
}

impl Forget {
    /// Of an address, spelt as the person is known; nothing has been looked at.
    pub(in crate::store) fn new(person: String, now: i64) -> Self {
        let words = Words::of(&person);
        let (calls, began, done) = (HashSet::new(), HashSet::new(), Forgotten::default());
        Self { person, words, now, kind: 0, from: vec![KINDS[0]], calls, began, done }
    }

    /// Whether a text is the person's address, however it is typed.
    fn is_theirs(&self, text: &str) -> bool {
        address::person(text) == self.person
    }
}

impl Ledger {
    /// Takes one step; true when it was the last.
    pub(in crate::store) fn forget(
        &mut self,
        batch: &mut Batch<'_>,
        mut forget: Forget,
    ) -> Result<(Forget, bool), StoreError> {
        let Some(&kind) = KINDS.get(forget.kind) else { return Ok((forget, true)) };
        let (rows, full) = part(batch, &forget.from, kind)?;
        for (key, raw) in rows {
            forget.from = [&key[..], &[0]].concat();
            // What a row before it has taken along is gone.
            if batch.get(&key)?.as_ref() != Some(&raw) {
                continue;
            }
            // What goes as a whole, without being read, must not go for a quick look.
            let hold = match kind {
                keys::IDEMPOTENCY | keys::REFUSAL => Words::are_within,
                _ => Words::may_be_in,
            };
            let holds = hold(&forget.words, &key)
                || payload(batch, &key, &raw)?.is_some_and(|row| hold(&forget.words, &row));
            if holds || matches!(kind, keys::JOB | keys::IDEMPOTENCY) {
                self.forget_row(batch, &mut forget, kind, key, holds)?;
            }
        }
        if !full {
            forget.kind += 1;
            forget.from = KINDS.get(forget.kind).map(|kind| vec![*kind]).unwrap_or_default();
        }
        let last = forget.kind == KINDS.len();
        if last {
            batch.delete(keys::places(Fingerprint::of(&forget.person)))?;
        }
        self.settle(batch, forget.now)?;
        Ok((forget, last))
    }

    fn forget_row(
        &mut self,
        batch: &mut Batch<'_>,
        forget: &mut Forget,
        kind: u8,
        key: Vec<u8>,
        holds: bool,
    ) -> Result<(), StoreError> {
        match kind {
            keys::ENROLMENT => self.forget_enrolment(batch, forget, &key),
            keys::EXECUTION => self.forget_call(batch, forget, &key),
            keys::JOB => self.forget_job(batch, forget, &key, holds),
            _ => rest::forget(batch, forget, kind, key, holds),
        }
    }
}

/// The next rows of a kind, and whether more may follow.
fn part(batch: &Batch<'_>, from: &[u8], kind: u8) -> Result<(Vec<Pair>, bool), StoreError> {
    let (mut rows, mut bytes) = (Vec::new(), 0);
    for row in batch.scan(from, &keys::end(&[kind]), Way::Up) {
        let (key, raw) = row?;
        // A long row is looked through whole.
        bytes += kv::chunks(&raw).map_or(raw.len(), |count| count as usize * kv::CHUNK);
        rows.push((key, raw));
        if rows.len() == STEP || bytes > BYTES {
            return Ok((rows, true));
        }
    }
    Ok((rows, false))
}
