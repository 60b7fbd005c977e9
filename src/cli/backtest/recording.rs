//! The calls that a backtest tries again, read part by part, and the records that were there
//! before the first of them.

use std::collections::BTreeSet;

use crate::cli::outcome::Failure;
use crate::cli::people::Source;
use crate::serve::people::{Cursor, Recorded, Remembered};
use crate::serve::settings::Live;

/// Most bytes of payloads that are held.
const MAX_BYTES: usize = 256 * 1024 * 1024;
/// Most records that a backtest begins with.
const MAX_RECORDS: usize = 100_000;

/// Calls and what was known before them.
#[derive(Debug)]
pub(super) struct Tape {
    /// The calls, in the order of their ids: as they came.
    pub(super) calls: Vec<Recorded>,
    /// Records that have not changed since before the first call, with their names.
    pub(super) known: Vec<(String, Remembered)>,
    /// From when on calls were asked for, in milliseconds since 1970.
    pub(super) since: i64,
    /// Calls that cannot come again: not everything that they brought was kept.
    pub(super) left_out: usize,
    /// Whether older calls of this time were not read.
    pub(super) more: bool,
}

/// The records of either rule set.
pub(super) fn records_of(old: Option<&Live>, new: &Live) -> BTreeSet<String> {
    let old = old.into_iter().flat_map(|old| old.rules.records.keys());
    old.chain(new.rules.records.keys()).cloned().collect()
}

impl Tape {
    /// Reads the newest calls since then, at most so many, and the records of these names.
    pub(super) fn read(
        source: &Source,
        new: &Live,
        since: i64,
        limit: usize,
        records: &BTreeSet<String>,
    ) -> Result<Self, Failure> {
        let mut tape =
            Self { calls: Vec::new(), known: Vec::new(), since, left_out: 0, more: false };
        let mut next = Some(Cursor { since, until: i64::MAX, skip: 0 });
        let mut bytes = 0;
        while let Some(from) = next {
            let part = source.calls(from)?;
            next = part.next;
            for call in part.calls {
                if tape.calls.len() >= limit || bytes > MAX_BYTES {
                    tape.more = true;
                    next = None;
                    break;
                }
                if is_whole(&call, new) {
                    bytes += call.body.len();
                    tape.calls.push(call);
                } else {
                    tape.left_out += 1;
                }
            }
        }
        tape.calls.sort_by_key(|call| call.id);
        tape.calls.dedup_by_key(|call| call.id);
        if let Some(first) = tape.calls.first() {
            tape.known = known(source, first.at, records)?;
        }
        Ok(tape)
    }
}

/// Whether everything that the call brought was kept. What stood in its address was not, nor
/// which record was written where nothing of it changed.
fn is_whole(call: &Recorded, new: &Live) -> bool {
    let takes_payload = || {
        let mut endpoints = new.endpoints.iter();
        endpoints.any(|one| one.rule.full_name() == call.name() && one.rule.payload.is_some())
    };
    match call.namespace.as_str() {
        "records" => call.record.is_some(),
        _ => call.payload().is_some() && !(call.body.is_empty() && takes_payload()),
    }
}

/// The records of these names that have not changed since then.
fn known(
    source: &Source,
    before: i64,
    names: &BTreeSet<String>,
) -> Result<Vec<(String, Remembered)>, Failure> {
    let mut known = Vec::new();
    for name in names {
        for part in 0.. {
            let rows = source.records(name, part)?;
            if rows.is_empty() || known.len() >= MAX_RECORDS {
                break;
            }
            let unchanged = rows.into_iter().filter(|record| record.updated < before);
            known.extend(unchanged.map(|record| (name.clone(), record)));
        }
    }
    Ok(known)
}
