//! Forgetting what is over, a little at a time, so that no call waits for it.

use super::Ledger;
use crate::base::Id;
use crate::model::queue::{Attempt, JobState, Places};
use crate::store::kv::{Batch, Kv as _, Pair, Way};
use crate::store::rows::{self, Head, StoredEdition, StoredJob, UsedKey};
use crate::store::{StoreError, keys};

/// No call is forgotten earlier: so long a repetition gets its answer.
pub(in crate::store) const KEPT: i64 = 24 * 3_600_000;
/// Rows that one step looks at.
const STEP: usize = 200;

/// The kinds of rows that a purge walks, in this order: jobs go after their executions,
/// attempts after their jobs, files after what names them.
const KINDS: [u8; 10] = [
    keys::EXECUTION,
    keys::JOB,
    keys::ATTEMPT,
    keys::ONCE,
    keys::REFUSAL,
    keys::IDEMPOTENCY,
    keys::PLACES,
    keys::EDITION,
    keys::FILE_OF,
    keys::FILE,
];

/// How far a purge has come.
#[derive(Clone, Debug)]
pub(in crate::store) struct Purge {
    before: i64,
    now: i64,
    kind: usize,
    from: Vec<u8>,
    /// Jobs and executions that went.
    pub(in crate::store) gone: usize,
}

impl Purge {
    /// A purge that has not begun.
    pub(in crate::store) fn new(before: i64, now: i64) -> Self {
        let before = before.min(now.saturating_sub(KEPT));
        Self { before, now, kind: 0, from: vec![KINDS[0]], gone: 0 }
    }
}

impl Ledger {
    /// Takes one step of a purge; true when it was the last.
    pub(in crate::store) fn purge(
        batch: &mut Batch<'_>,
        mut purge: Purge,
    ) -> Result<(Purge, bool), StoreError> {
        let Some(&kind) = KINDS.get(purge.kind) else { return Ok((purge, true)) };
        let end = match kind {
            keys::IDEMPOTENCY | keys::EDITION | keys::PLACES | keys::FILE_OF | keys::FILE => {
                keys::end(&[kind])
            }
            _ => keys::by_id(kind, Id::floor(purge.before)),
        };
        let rows: Vec<Pair> =
            batch.scan(&purge.from, &end, Way::Up).take(STEP).collect::<Result<_, StoreError>>()?;
        let full = rows.len() == STEP;
        for (key, raw) in rows {
            purge.from = [&key[..], &[0]].concat();
            if forget(batch, &purge, kind, key, &raw)? {
                purge.gone += usize::from(matches!(kind, keys::EXECUTION | keys::JOB));
            }
        }
        if !full {
            purge.kind += 1;
            purge.from = KINDS.get(purge.kind).map(|kind| vec![*kind]).unwrap_or_default();
        }
        let last = purge.kind == KINDS.len();
        Ok((purge, last))
    }
}

/// Removes a row with what hangs on it, if it is over; answers whether it did.
fn forget(
    batch: &mut Batch<'_>,
    purge: &Purge,
    kind: u8,
    key: Vec<u8>,
    raw: &[u8],
) -> Result<bool, StoreError> {
    let over = match kind {
        keys::EXECUTION => {
            let head: Head = rows::decode(batch, &key, raw)?;
            return forget_execution(batch, purge, &head);
        }
        keys::JOB => {
            let stored: StoredJob = rows::decode(batch, &key, raw)?;
            let ended = stored.job.state != JobState::Pending && stored.job.updated < purge.before;
            let over = ended && rows::head(batch, stored.job.execution)?.is_none();
            if over {
                Ledger::count(batch, &stored.job, Some(stored.job.state), None, |stat| {
                    let retries = u64::from(stored.job.retries);
                    stat.retries = stat.retries.saturating_sub(retries);
                })?;
            }
            over
        }
        keys::ATTEMPT => {
            let attempt: Attempt = rows::decode(batch, &key, raw)?;
            rows::job(batch, attempt.job)?.is_none()
        }
        keys::IDEMPOTENCY => {
            let used: UsedKey = rows::decode(batch, &key, raw)?;
            used.expires <= purge.now
        }
        keys::EDITION => {
            let edition: StoredEdition = rows::decode(batch, &key, raw)?;
            return Ledger::forget_edition(batch, key, &edition, purge.before);
        }
        keys::FILE_OF => rows::job(batch, keys::id_of(&key))?.is_none(),
        keys::FILE => {
            let named = keys::jobs_of_file(&key);
            batch.prefix(&named, Way::Up).next().transpose()?.is_none()
        }
        keys::ONCE => rows::job(batch, keys::job_of_once(&key))?.is_none(),
        keys::PLACES => rows::decode::<Places>(batch, &key, raw)?.are_over(purge.now),
        _ => true,
    };
    if over {
        batch.delete(key)?;
    }
    Ok(over)
}

fn forget_execution(batch: &mut Batch<'_>, purge: &Purge, head: &Head) -> Result<bool, StoreError> {
    let id = head.execution.id;
    let progress = rows::progress(batch, head)?;
    let ended =
        progress.history.last().is_some_and(|(state, at)| state.is_end() && *at < purge.before);
    // A killed one has ended before what was under way: that is found through it until then.
    if !ended || progress.open > 0 {
        return Ok(false);
    }
    let logs: Vec<Pair> =
        batch.prefix(&keys::logs(id), Way::Up).collect::<Result<_, StoreError>>()?;
    for (key, _) in logs {
        batch.delete(key)?;
    }
    if let Some(person) = &head.execution.person {
        batch.delete_small(keys::person_execution(person, id));
    }
    batch.delete(keys::progress(id))?;
    batch.delete(keys::body(id))?;
    batch.delete(keys::by_id(keys::EXECUTION, id))?;
    Ok(true)
}
