//! Goals that people reach: an enrolment ends as converted, once, and that is counted for the
//! last e-mail that was sent.

use super::Ledger;
use super::commit::enrolments_of;
use crate::base::Id;
use crate::model::commit::Write;
use crate::model::queue::{
    CAPTURED, Counted, Enrolment, EnrolmentState, Job, JobState, Level, LogLine, Tally, Task,
};
use crate::store::StoreError;
use crate::store::kv::Batch;
use crate::store::rows::{self, StoredEnrolment};

/// Whose goal is reached, and how that is known.
pub(super) struct Reached<'a> {
    pub(super) sequence: &'a str,
    /// Lower-cased.
    pub(super) person: &'a str,
    /// Only the enrolment of this key.
    pub(super) key: Option<&'a str>,
    pub(super) reason: &'a str,
    /// Who finished before does not count any more.
    pub(super) since: i64,
}

impl Ledger {
    /// Converts a person's enrolments; answers which of their jobs are being sent at this
    /// moment.
    pub(super) fn convert(
        &mut self,
        batch: &mut Batch<'_>,
        reached: &Reached<'_>,
        now: i64,
    ) -> Result<Vec<Id>, StoreError> {
        let counts = |one: &Enrolment| match one.state {
            EnrolmentState::Active => true,
            EnrolmentState::Finished => one.updated >= reached.since,
            EnrolmentState::Stopped(_) | EnrolmentState::Converted { .. } => false,
        };
        let Reached { sequence, person, key, reason, .. } = *reached;
        let mut in_flight = Vec::new();
        for stored in enrolments_of(batch, sequence, person, key, counts)? {
            let last = last_sent(batch, &stored.enrolment)?;
            let step = last.as_ref().map(|counted| counted.step.clone());
            let state = EnrolmentState::Converted { reason: reason.to_owned(), step };
            if let Some(counted) = last {
                self.write(batch, Write::Tally(counted), now, &mut Vec::new())?;
            }
            if stored.enrolment.state == EnrolmentState::Active {
                in_flight.extend(self.stop(batch, stored, state, now)?);
            } else {
                self.convert_finished(batch, stored, state, now)?;
            }
        }
        Ok(in_flight)
    }

    /// Marks somebody who had been through the whole sequence before.
    fn convert_finished(
        &mut self,
        batch: &mut Batch<'_>,
        mut stored: StoredEnrolment,
        state: EnrolmentState,
        now: i64,
    ) -> Result<(), StoreError> {
        let enrolment = &mut stored.enrolment;
        let line = LogLine {
            at: now,
            level: Level::Info,
            task: Some(enrolment.sequence.clone()),
            message: ended(&enrolment.sequence, &state),
        };
        let execution = enrolment.execution;
        Self::tally_people(batch, &enrolment.sequence, Tally::Finished, -1)?;
        Self::tally_people(batch, &enrolment.sequence, Tally::Converted, 1)?;
        enrolment.state = state;
        self.write_enrolment(batch, stored, now)?;
        // Of an execution that has been forgotten there is no log to add to.
        if rows::head(batch, execution)?.is_some() {
            self.log(batch, execution, &line)?;
        }
        Ok(())
    }
}

/// What the log says of an enrolment that ends in this state before its last step, or after.
pub(super) fn ended(sequence: &str, state: &EnrolmentState) -> String {
    match state {
        EnrolmentState::Converted { reason, step: Some(step) } => {
            format!("the sequence `{sequence}` was converted by `{step}`: {reason}")
        }
        EnrolmentState::Converted { reason, step: None } => {
            format!("the sequence `{sequence}` was converted before its first step: {reason}")
        }
        EnrolmentState::Stopped(reason) => {
            format!("the sequence `{sequence}` was stopped: {reason}")
        }
        EnrolmentState::Active | EnrolmentState::Finished => String::new(),
    }
}

/// The last e-mail that was sent, as it is counted. A captured e-mail was as good as sent.
fn last_sent(batch: &Batch<'_>, enrolment: &Enrolment) -> Result<Option<Counted>, StoreError> {
    let was_sent = |job: &Job| match job.state {
        JobState::Sent => true,
        JobState::Cancelled => job.reason.as_deref() == Some(CAPTURED),
        JobState::Pending | JobState::Sending | JobState::Failed => false,
    };
    for (step, _) in enrolment.plan.iter().rev() {
        let found = rows::job(batch, enrolment.job_id(step))?.map(|stored| stored.job);
        let Some(job) = found.filter(was_sent) else { continue };
        // What a step sends to a service is nothing that a person reads.
        let Task::Email(email) = job.task else { continue };
        return Ok(Some(Counted {
            sequence: enrolment.sequence.clone(),
            step: step.clone(),
            variant: email.variant,
            what: Tally::Converted,
            reason: None,
        }));
    }
    Ok(None)
}
