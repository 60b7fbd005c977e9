//! Completions: what becomes of a claimed job. The fence of its lease decides whether the
//! one who reports still holds it.

use super::Ledger;
use crate::base::Id;
use crate::model::Lease;
use crate::model::commit::Finished;
use crate::model::queue::{Attempt, Job, JobState, Task, Transition};
use crate::store::claims::Held;
use crate::store::kv::Batch;
use crate::store::rows::{self, Due, StoredJob};
use crate::store::{Finish, StoreError, keys};

/// Most attempts that are listed with a job; older ones are found by time.
const TRIES: usize = 50;

impl Ledger {
    /// Ends, postpones or transforms claimed jobs, in order.
    pub(in crate::store) fn finish(
        &mut self,
        batch: &mut Batch<'_>,
        finished: Vec<Finished>,
    ) -> Result<Vec<Finish>, StoreError> {
        finished.into_iter().map(|one| self.finish_one(batch, one)).collect()
    }

    fn finish_one(
        &mut self,
        batch: &mut Batch<'_>,
        finished: Finished,
    ) -> Result<Finish, StoreError> {
        let Finished { lease, transition, attempt, writes } = finished;
        let Some(held) = self.current(lease) else {
            return lost(batch, lease.job, &transition);
        };
        if let Transition::Become(_) = transition
            && let Some(free) = Self::capped(batch, &writes)?
        {
            return Ok(Finish::Capped(free));
        }
        let found = rows::due(batch, lease.job, &held.due)?;
        let Some(mut stored) = found.filter(|stored| stored.job.state == JobState::Pending) else {
            self.effects.push((lease.job, None));
            return lost(batch, lease.job, &transition);
        };
        // A completion brings no clock: it happens when its attempt ended, and decisions
        // without an attempt are taken right after the claim.
        let now = attempt.as_ref().map_or(held.since, |attempt| {
            let took = i64::try_from(attempt.duration_ms).unwrap_or(0);
            held.since.max(attempt.id.millis().saturating_add(took))
        });
        if let Some(attempt) = attempt {
            note(batch, &mut stored, &attempt)?;
            // A job that was put off before its first try has become a retry by it.
            if stored.due_key() != held.key {
                batch.delete_small(held.key.clone());
            }
        }
        let answer = self.apply(batch, stored, held, transition, now)?;
        if answer == Finish::Done {
            for write in writes {
                // What does not fit any more is left out: the attempt has happened.
                self.write(batch, write, now, &mut Vec::new())?;
            }
        }
        self.settle(batch, now)?;
        Ok(answer)
    }

    fn apply(
        &mut self,
        batch: &mut Batch<'_>,
        mut stored: StoredJob,
        held: Held,
        transition: Transition,
        now: i64,
    ) -> Result<Finish, StoreError> {
        match transition {
            Transition::Sent => self.end(batch, stored, JobState::Sent, None, now)?,
            Transition::Failed(why) => {
                self.end(batch, stored, JobState::Failed, Some(why), now)?;
            }
            Transition::Cancelled(why) => {
                self.end(batch, stored, JobState::Cancelled, Some(why), now)?;
            }
            Transition::Retry { .. } | Transition::Later { .. } | Transition::Hold
                if stored.cancel.is_some() =>
            {
                let why = stored.cancel.take();
                self.end(batch, stored, JobState::Cancelled, why, now)?;
            }
            Transition::Retry { due, spend } => {
                stored.job.retries += u32::from(spend);
                stored.job.reason = None;
                stored.job.updated = now;
                self.postpone(batch, stored, due)?;
            }
            Transition::Later { due, why } => {
                stored.job.reason = Some(why);
                stored.job.updated = now;
                self.postpone(batch, stored, due)?;
            }
            Transition::Hold => self.hold(batch, stored, &held)?,
            Transition::Become(job) => {
                if let Some(why) = called_back(batch, &stored)? {
                    self.end(batch, stored, JobState::Cancelled, Some(why), now)?;
                    self.settle(batch, now)?;
                    return Ok(Finish::Stopped);
                }
                self.turn_into(batch, stored, held, *job, now)?;
            }
        }
        Ok(Finish::Done)
    }

    /// Moves a job to another time and ends its claim, if it has one.
    pub(super) fn postpone(
        &mut self,
        batch: &mut Batch<'_>,
        mut stored: StoredJob,
        due: i64,
    ) -> Result<(), StoreError> {
        batch.delete_small(stored.due_key());
        stored.job.due = due;
        rows::write(batch, keys::by_id(keys::JOB, stored.job.id), &stored)?;
        self.effects.push((stored.job.id, None));
        self.make_due(batch, stored.due_key(), &Due::Job)
    }

    /// Turns a step into what it sends, under the same id and lease.
    fn turn_into(
        &mut self,
        batch: &mut Batch<'_>,
        mut stored: StoredJob,
        mut held: Held,
        job: Job,
        now: i64,
    ) -> Result<(), StoreError> {
        let before = stored.job;
        batch.delete_small(held.key);
        Self::count(batch, &before, Some(JobState::Pending), None, |_| ())?;
        stored.job = Job {
            id: before.id,
            execution: before.execution,
            enrolment: before.enrolment,
            created: before.created,
            attempts: before.attempts,
            retries: before.retries,
            last_error: before.last_error,
            last_status: before.last_status,
            state: JobState::Pending,
            reason: None,
            updated: now,
            ..job
        };
        Self::count(batch, &stored.job, None, Some(JobState::Pending), |_| ())?;
        self.join(batch, &mut stored, now)?;
        Self::activate(batch, &stored);
        rows::write(batch, keys::by_id(keys::JOB, stored.job.id), &stored)?;
        held.key = stored.due_key();
        held.due = Due::Job;
        held.lane.clone_from(&stored.job.lane);
        held.event_type.clone_from(&stored.job.event_type);
        batch.put_small(held.key.clone(), &rows::encode(&held.due)?);
        self.effects.push((stored.job.id, Some(held)));
        Ok(())
    }

    /// Hands claimed jobs back, each not before its time.
    pub(in crate::store) fn release(
        &mut self,
        batch: &mut Batch<'_>,
        leases: &[(Lease, i64)],
    ) -> Result<(), StoreError> {
        for (lease, due) in leases {
            let Some(held) = self.current(*lease) else { continue };
            let found = rows::due(batch, lease.job, &held.due)?;
            match found {
                Some(mut stored) if stored.cancel.is_some() => {
                    let why = stored.cancel.take();
                    self.end(batch, stored, JobState::Cancelled, why, held.since.max(*due))?;
                    self.settle(batch, held.since.max(*due))?;
                }
                Some(stored) if *due > stored.job.due => self.postpone(batch, stored, *due)?,
                _ => {
                    self.effects.push((lease.job, None));
                    self.touch(&held.key);
                }
            }
        }
        Ok(())
    }

    /// Prolongs leases that are still held.
    pub(in crate::store) fn renew(&mut self, leases: &[Lease], until: i64) -> Vec<bool> {
        let mut prolong = |lease: &Lease| {
            let held = self.current(*lease)?;
            let lease = Lease { until: held.lease.until.max(until), ..held.lease };
            self.effects.push((lease.job, Some(Held { lease, ..held })));
            Some(())
        };
        leases.iter().map(|lease| prolong(lease).is_some()).collect()
    }

    /// The claim that a lease stands for, if it is the newest on its job.
    fn current(&self, lease: Lease) -> Option<Held> {
        self.held(lease.job).filter(|held| held.lease.fence == lease.fence)
    }
}

/// The answer for a lease that is not held any more. One whose job was stopped meanwhile is
/// told so.
fn lost(batch: &Batch<'_>, id: Id, transition: &Transition) -> Result<Finish, StoreError> {
    let stopped = matches!(transition, Transition::Become(_))
        && rows::job(batch, id)?.is_some_and(|stored| stored.job.state == JobState::Cancelled);
    Ok(if stopped { Finish::Stopped } else { Finish::Stale })
}

/// Why a job must not be sent any more, if so.
fn called_back(batch: &Batch<'_>, stored: &StoredJob) -> Result<Option<String>, StoreError> {
    if stored.cancel.is_some() || !stored.is_step() {
        return Ok(stored.cancel.clone());
    }
    let Task::Step { sequence, .. } = &stored.job.task else { return Ok(None) };
    Ok(match Ledger::enrolment_of(batch, stored)? {
        Some(enrolment) => enrolment.stop_reason().map(|why| format!("stopped: {why}")),
        None => Some(format!("stopped: the sequence `{sequence}` was started anew")),
    })
}

/// Writes an attempt down.
fn note(
    batch: &mut Batch<'_>,
    stored: &mut StoredJob,
    attempt: &Attempt,
) -> Result<(), StoreError> {
    let job = &mut stored.job;
    job.attempts += 1;
    job.last_status = attempt.status;
    if let Some(error) = attempt.error {
        let message = attempt.message.clone();
        job.last_error = Some(message.unwrap_or_else(|| error.word().to_owned()));
    }
    if stored.tries.len() == TRIES {
        stored.tries.remove(0);
    }
    stored.tries.push(attempt.id);
    rows::write(batch, keys::by_id(keys::ATTEMPT, attempt.id), attempt)
}
