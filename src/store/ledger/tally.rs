//! What is counted about sequences: who entered and how they left, how many wait at each step,
//! and how each step ended. It is counted here, in the write in which it happens and nowhere
//! else, so a retry, a stale completion or the death of the process counts nothing twice. What
//! a person takes back (a failed e-mail is tried again, one of unknown fate counts as sent) is
//! taken back in the numbers too.

use super::Ledger;
use crate::model::queue::{AT_ONCE, Counted, JobState, Tally, Task, why_ended};
use crate::store::kv::{Batch, Kv as _};
use crate::store::rows::{self, StoredJob};
use crate::store::{StoreError, keys};

/// The reason of an e-mail that the mail server refused for good begins so.
const BOUNCED: &str = "bounced: ";

impl Ledger {
    /// Counts so many more, or less, of what happened to a step or to a sequence as a whole.
    pub(super) fn tally(
        batch: &mut Batch<'_>,
        counted: Counted,
        by: i64,
    ) -> Result<(), StoreError> {
        let key = keys::tally(&counted);
        let before: Option<(Counted, u64)> = rows::read(batch, &key)?;
        let count = before.map_or(0, |(_, count)| count).saturating_add_signed(by);
        rows::write(batch, key, &(counted, count))
    }

    /// Counts somebody who enters or leaves a sequence.
    pub(super) fn tally_people(
        batch: &mut Batch<'_>,
        sequence: &str,
        what: Tally,
        by: i64,
    ) -> Result<(), StoreError> {
        Self::tally(batch, Counted::whole(sequence, what), by)
    }

    /// Counts somebody who waits at a step, or waits no longer. What is no step counts nothing.
    pub(super) fn tally_waiting(
        batch: &mut Batch<'_>,
        stored: &StoredJob,
        by: i64,
    ) -> Result<(), StoreError> {
        match step(stored, Tally::Waiting, None) {
            // The text is chosen later: whoever waits, waits for the step.
            Some(counted) => Self::tally(batch, Counted { variant: None, ..counted }, by),
            None => Ok(()),
        }
    }

    /// Counts how a step has ended, or takes it back. What is no step counts nothing.
    pub(super) fn tally_end(
        batch: &mut Batch<'_>,
        stored: &StoredJob,
        by: i64,
    ) -> Result<(), StoreError> {
        let reason = stored.job.reason.as_deref().unwrap_or_default();
        let (what, why) = match stored.job.state {
            JobState::Sent => (Tally::Sent, None),
            JobState::Failed if reason.starts_with(BOUNCED) => (Tally::Bounced, Some(AT_ONCE)),
            JobState::Failed => (Tally::Failed, Some(why_ended(reason))),
            JobState::Cancelled => (Tally::Skipped, Some(why_ended(reason))),
            JobState::Pending | JobState::Sending => return Ok(()),
        };
        let Some(counted) = step(stored, what, why) else { return Ok(()) };
        if what == Tally::Bounced {
            // The mail provider may report the same bounce once more.
            let mark = keys::once(stored.job.id, what);
            if by > 0 {
                batch.put_small(mark, &[]);
            } else {
                batch.delete_small(mark);
            }
        }
        Self::tally(batch, counted, by)
    }

    /// Counts something about a job, unless that was counted for it before.
    pub(super) fn tally_once(
        batch: &mut Batch<'_>,
        job: crate::base::Id,
        counted: Counted,
    ) -> Result<(), StoreError> {
        let mark = keys::once(job, counted.what);
        if batch.get(&mark)?.is_some() {
            return Ok(());
        }
        batch.put_small(mark, &[]);
        Self::tally(batch, counted, 1)
    }
}

/// The step that a job is, or has become; none where it belongs to no enrolment.
fn step(stored: &StoredJob, what: Tally, why: Option<&str>) -> Option<Counted> {
    stored.enrolment?;
    let (sequence, _) = stored.job.enrolment.as_ref()?;
    let (step, variant) = match &stored.job.task {
        Task::Step { step, .. } => (step, None),
        Task::Email(email) => (&email.name, email.variant.clone()),
        Task::Event { .. } | Task::Mirror { .. } => return None,
    };
    let (sequence, step) = (sequence.clone(), step.clone());
    Some(Counted { sequence, step, variant, what, reason: why.map(str::to_owned) })
}
