//! Another plan for what is left of an enrolment, after an edit of its sequence. What was
//! reached stays reached; a step that somebody is at keeps its plan until that is over.

use super::Ledger;
use crate::model::commit::NextStep;
use crate::model::queue::{EnrolmentState, JobState};
use crate::store::kv::Batch;
use crate::store::rows::{self, StoredEnrolment};
use crate::store::{StoreError, keys};

impl Ledger {
    /// Replaces the steps from `from` on, and the edition by which they are judged; false when that is not the next step of an active
    /// enrolment any more, or is under a lease.
    pub(super) fn replan(
        &mut self,
        batch: &mut Batch<'_>,
        stored: StoredEnrolment,
        (from, rules, left): (u32, String, Vec<(String, i64)>),
        step: Option<NextStep>,
        now: i64,
    ) -> Result<bool, StoreError> {
        let before = &stored.enrolment;
        if before.state != EnrolmentState::Active || before.next != from {
            return Ok(false);
        }
        if !self.take_off(batch, &stored)? {
            return Ok(false);
        }
        let mut enrolment = stored.enrolment;
        enrolment.plan.truncate(from as usize);
        enrolment.plan.extend(left);
        if enrolment.rules != rules {
            Self::follows(batch, &enrolment, false, now)?;
            enrolment.rules = rules;
            Self::follows(batch, &enrolment, true, now)?;
        }
        let next = step.unwrap_or(NextStep { lane: String::new(), priority: 0 });
        let stored = StoredEnrolment::new(enrolment, next);
        self.queue_step(batch, &stored)?;
        self.write_enrolment(batch, stored, now)?;
        Ok(true)
    }

    /// Takes the next step of an enrolment out of the queue as if it had never been in it;
    /// false when somebody is at it.
    fn take_off(
        &mut self,
        batch: &mut Batch<'_>,
        stored: &StoredEnrolment,
    ) -> Result<bool, StoreError> {
        let Some(step) = stored.step() else { return Ok(true) };
        let id = step.job.id;
        if self.held(id).is_some() {
            return Ok(false);
        }
        // A step that was put off has a row of its own.
        let step = rows::job(batch, id)?.unwrap_or(step);
        if step.job.state != JobState::Pending || step.counted {
            return Ok(false);
        }
        batch.delete_small(step.due_key());
        batch.delete(keys::by_id(keys::JOB, id))?;
        Self::count(batch, &step.job, Some(JobState::Pending), None, |_| ())?;
        Self::tally_waiting(batch, &step, -1)?;
        // Whatever was held against it as a suspect is forgotten with it.
        self.effects.push((id, None));
        Ok(true)
    }
}
