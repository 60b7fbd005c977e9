//! What people do to the queue: try again, settle, call off.

use super::Ledger;
use crate::base::Id;
use crate::model::queue::{JobState, KILLED, SETTLED};
use crate::store::kv::Batch;
use crate::store::rows::{self, StoredJob};
use crate::store::{StoreError, keys};

impl Ledger {
    /// Queues failed and cancelled jobs again; answers how many. What belongs to a stopped
    /// enrolment, or to one that was started anew, stays as it is: nothing is sent after
    /// its stop.
    pub(in crate::store) fn retry(
        &mut self,
        batch: &mut Batch<'_>,
        jobs: &[Id],
        now: i64,
    ) -> Result<usize, StoreError> {
        let mut count = 0;
        for id in jobs {
            let Some(stored) = rows::job(batch, *id)? else { continue };
            let over = matches!(stored.job.state, JobState::Failed | JobState::Cancelled);
            if over && !belongs_to_ended(batch, &stored)? {
                self.reopen(batch, stored, now)?;
                count += 1;
            }
        }
        self.settle(batch, now)?;
        Ok(count)
    }

    /// Counts failed e-mails of unknown fate as sent; answers how many.
    pub(in crate::store) fn settle_unknown(
        &mut self,
        batch: &mut Batch<'_>,
        jobs: &[Id],
        now: i64,
    ) -> Result<usize, StoreError> {
        let mut count = 0;
        for id in jobs {
            let Some(mut stored) = rows::job(batch, *id)? else { continue };
            if !stored.job.is_unknown() {
                continue;
            }
            Self::tally_end(batch, &stored, -1)?;
            let (from, to) = (JobState::Failed, JobState::Sent);
            Self::count(batch, &stored.job, Some(from), Some(to), |_| ())?;
            self.delta(stored.job.execution).ended(from, -1);
            self.delta(stored.job.execution).ended(to, 1);
            stored.job.state = to;
            stored.job.reason = Some(SETTLED.to_owned());
            stored.job.updated = now;
            Self::tally_end(batch, &stored, 1)?;
            rows::write(batch, keys::by_id(keys::JOB, *id), &stored)?;
            count += 1;
        }
        self.settle(batch, now)?;
        Ok(count)
    }

    fn reopen(
        &mut self,
        batch: &mut Batch<'_>,
        mut stored: StoredJob,
        now: i64,
    ) -> Result<(), StoreError> {
        let (state, retries) = (stored.job.state, stored.job.retries);
        Self::count(batch, &stored.job, Some(state), Some(JobState::Pending), |stat| {
            stat.retries = stat.retries.saturating_sub(u64::from(retries));
        })?;
        self.delta(stored.job.execution).ended(state, -1);
        Self::tally_end(batch, &stored, -1)?;
        Self::tally_waiting(batch, &stored, 1)?;
        stored.job.state = JobState::Pending;
        stored.job.reason = None;
        stored.job.retries = 0;
        stored.job.expires = None;
        stored.job.by_hand = true;
        stored.job.due = now;
        stored.job.updated = now;
        self.join(batch, &mut stored, now)?;
        self.place(batch, &stored)
    }

    /// Calls pending jobs off; answers how many. A job that is being sent is marked, and
    /// ends when its attempt fails. The next step of an enrolment is skipped, and the step
    /// after it is queued in the same lane.
    pub(in crate::store) fn cancel(
        &mut self,
        batch: &mut Batch<'_>,
        jobs: &[Id],
        reason: &str,
        now: i64,
    ) -> Result<usize, StoreError> {
        let mut count = 0;
        for id in jobs {
            let held = self.held(*id).is_some();
            match rows::job(batch, *id)? {
                Some(stored) if stored.job.state != JobState::Pending => {}
                Some(stored) if !stored.counted => {
                    count += usize::from(!held && self.skip(batch, *id, reason, now)?);
                }
                Some(mut stored) if held => {
                    self.delta(stored.job.execution).killed |= reason == KILLED;
                    stored.cancel = Some(reason.to_owned());
                    rows::write(batch, keys::by_id(keys::JOB, *id), &stored)?;
                }
                Some(stored) => {
                    self.end(batch, stored, JobState::Cancelled, Some(reason.into()), now)?;
                    count += 1;
                }
                None => count += usize::from(!held && self.skip(batch, *id, reason, now)?),
            }
        }
        self.settle(batch, now)?;
        Ok(count)
    }

    /// Skips the next step of an enrolment.
    fn skip(
        &mut self,
        batch: &mut Batch<'_>,
        id: Id,
        reason: &str,
        now: i64,
    ) -> Result<bool, StoreError> {
        let Some(found) = rows::enrolment_of_step(batch, id)? else { return Ok(false) };
        let Some(step) = found.step() else { return Ok(false) };
        let step = rows::job(batch, id)?.unwrap_or(step);
        self.end(batch, step, JobState::Cancelled, Some(reason.into()), now)?;
        let (from, next) = (found.enrolment.next, found.next());
        self.advance(batch, found, from, Some(next), now)?;
        Ok(true)
    }
}

fn belongs_to_ended(batch: &Batch<'_>, stored: &StoredJob) -> Result<bool, StoreError> {
    if stored.enrolment.is_none() {
        return Ok(false);
    }
    let enrolment = Ledger::enrolment_of(batch, stored)?;
    Ok(enrolment.is_none_or(|enrolment| enrolment.stop_reason().is_some()))
}
