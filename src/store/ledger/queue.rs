//! Queueing: due rows, jobs that go one at a time, and the end of a job.

use super::Ledger;
use crate::model::queue::{EnrolmentState, JobState, KILLED, Tally};
use crate::store::kv::{Batch, Kv as _, Way};
use crate::store::rows::{self, Due, StoredEnrolment, StoredJob};
use crate::store::{StoreError, keys};

/// A job of a group that has its turn.
pub(in crate::store) const ACTIVE: &[u8] = &[1];
/// A job of a group that waits for the ones before it and has no due row.
pub(in crate::store) const PARKED: &[u8] = &[0];

/// Whether the row of a job in its group says that it has its turn.
pub(in crate::store) fn is_active(raw: &[u8]) -> bool {
    raw.ends_with(ACTIVE) && raw.len() == 2
}

impl Ledger {
    /// Puts a job in the queue that was not there.
    pub(super) fn enqueue(
        &mut self,
        batch: &mut Batch<'_>,
        stored: &StoredJob,
    ) -> Result<(), StoreError> {
        self.place(batch, stored)?;
        Self::count(batch, &stored.job, None, Some(JobState::Pending), |_| ())?;
        self.delta(stored.job.execution).opened(Some(stored.job.due));
        Ok(())
    }

    /// Writes a pending job: with a due row, or parked behind others of its group.
    pub(super) fn place(
        &mut self,
        batch: &mut Batch<'_>,
        stored: &StoredJob,
    ) -> Result<(), StoreError> {
        rows::write(batch, keys::by_id(keys::JOB, stored.job.id), stored)?;
        if let Some(group) = stored.group() {
            let parked = batch.prefix(&group, Way::Up).next().transpose()?.is_some();
            let mark = if parked { PARKED } else { ACTIVE };
            batch.put_small(keys::in_group(&group, stored.job.id), mark);
            if parked {
                return Ok(());
            }
        }
        self.make_due(batch, stored.due_key(), &Due::Job)
    }

    /// Puts the next step of an enrolment in the queue.
    pub(super) fn queue_step(
        &mut self,
        batch: &mut Batch<'_>,
        stored: &StoredEnrolment,
    ) -> Result<(), StoreError> {
        let Some(step) = stored.step() else { return Ok(()) };
        Self::count(batch, &step.job, None, Some(JobState::Pending), |_| ())?;
        Self::tally_waiting(batch, &step, 1)?;
        self.make_due(batch, step.due_key(), &Due::Step(stored.key()))
    }

    /// Writes a due row that can be claimed from its time on.
    pub(super) fn make_due(
        &mut self,
        batch: &mut Batch<'_>,
        key: Vec<u8>,
        due: &Due,
    ) -> Result<(), StoreError> {
        self.touch(&key);
        batch.put_small(key, &rows::encode(due)?);
        Ok(())
    }

    /// Notes that a due row may be claimed (again).
    pub(super) fn touch(&mut self, key: &[u8]) {
        let Some((class, due)) = keys::split_due(key) else { return };
        if let Some(cursor) = self.cursors.get_mut(class)
            && key < &cursor[..]
        {
            *cursor = key.to_vec();
        }
        if due < self.reported {
            self.reported = due;
            self.ring = true;
        }
    }

    /// Marks a job of a group as having its turn: it is about to be sent whatever waits.
    pub(super) fn activate(batch: &mut Batch<'_>, stored: &StoredJob) {
        if let Some(group) = stored.group() {
            batch.put_small(keys::in_group(&group, stored.job.id), ACTIVE);
        }
    }

    /// Gives the next job of a group its turn, unless another has it.
    fn promote(&mut self, batch: &mut Batch<'_>, group: &[u8]) -> Result<(), StoreError> {
        let mut next = None;
        for row in batch.prefix(group, Way::Up) {
            let (key, raw) = row?;
            if is_active(&raw) {
                return Ok(());
            }
            next.get_or_insert(key);
        }
        let Some(key) = next else { return Ok(()) };
        match rows::job(batch, keys::id_of(&key))? {
            Some(stored) => {
                batch.put_small(key, ACTIVE);
                self.make_due(batch, stored.due_key(), &Due::Job)
            }
            None => Err(StoreError::Damaged("a job that waits for its turn is missing".into())),
        }
    }

    /// Whether a pending job of this group could still see the newest value: one that has
    /// not begun.
    pub(super) fn waits_in(&self, batch: &Batch<'_>, group: &[u8]) -> Result<bool, StoreError> {
        for row in batch.prefix(group, Way::Up) {
            if self.held(keys::id_of(&row?.0)).is_none() {
                return Ok(true);
            }
        }
        Ok(false)
    }

    /// Ends a job for good, whether it had a row or was the step of an enrolment. Its claim
    /// ends with it.
    pub(super) fn end(
        &mut self,
        batch: &mut Batch<'_>,
        mut stored: StoredJob,
        state: JobState,
        reason: Option<String>,
        now: i64,
    ) -> Result<(), StoreError> {
        let id = stored.job.id;
        batch.delete_small(stored.due_key());
        if let Some(group) = stored.group() {
            batch.delete_small(keys::in_group(&group, id));
            self.promote(batch, &group)?;
        }
        self.delta(stored.job.execution).killed |= reason.as_deref() == Some(KILLED);
        stored.job.state = state;
        stored.job.reason = reason;
        stored.job.updated = now;
        stored.cancel = None;
        Self::count(batch, &stored.job, Some(JobState::Pending), Some(state), |stat| {
            stat.retries += u64::from(stored.job.retries);
            stat.max_retries = stat.max_retries.max(stored.job.retries);
            if state == JobState::Failed {
                stat.last_error.clone_from(&stored.job.last_error);
            }
        })?;
        if stored.counted {
            self.leave(batch, &stored, now)?;
            self.delta(stored.job.execution).open -= 1;
            stored.counted = false;
        }
        Self::leave_place(batch, &stored.job, now)?;
        Self::tally_waiting(batch, &stored, -1)?;
        Self::tally_end(batch, &stored, 1)?;
        self.delta(stored.job.execution).ended(state, 1);
        self.effects.push((id, None));
        rows::write(batch, keys::by_id(keys::JOB, id), &stored)
    }

    /// The enrolment of a job, if it is still the one that the job came from.
    pub(super) fn enrolment_of(
        batch: &Batch<'_>,
        stored: &StoredJob,
    ) -> Result<Option<StoredEnrolment>, StoreError> {
        let Some((sequence, key)) = &stored.job.enrolment else { return Ok(None) };
        let found = rows::enrolment(batch, sequence, key)?;
        Ok(found.filter(|found| Some(found.enrolment.id) == stored.enrolment))
    }

    /// Takes an ended job off its enrolment's list.
    fn leave(
        &mut self,
        batch: &mut Batch<'_>,
        stored: &StoredJob,
        now: i64,
    ) -> Result<(), StoreError> {
        if let Some(mut enrolment) = Self::enrolment_of(batch, stored)? {
            enrolment.enrolment.live.retain(|id| *id != stored.job.id);
            self.write_enrolment(batch, enrolment, now)?;
        }
        Ok(())
    }

    /// Counts a job as something that its enrolment and execution still have to do.
    pub(super) fn join(
        &mut self,
        batch: &mut Batch<'_>,
        stored: &mut StoredJob,
        now: i64,
    ) -> Result<(), StoreError> {
        if std::mem::replace(&mut stored.counted, true) {
            return Ok(());
        }
        self.delta(stored.job.execution).opened(Some(stored.job.due));
        if let Some(mut enrolment) = Self::enrolment_of(batch, stored)? {
            enrolment.enrolment.live.push(stored.job.id);
            if enrolment.enrolment.state == EnrolmentState::Finished {
                enrolment.enrolment.state = EnrolmentState::Active;
                self.delta(enrolment.enrolment.execution).open += 1;
                Self::follows(batch, &enrolment.enrolment, true, now)?;
                Self::tally_people(batch, &enrolment.enrolment.sequence, Tally::Finished, -1)?;
            }
            self.write_enrolment(batch, enrolment, now)?;
        }
        Ok(())
    }

    /// Writes an enrolment; it is finished when nothing of it is left.
    pub(super) fn write_enrolment(
        &mut self,
        batch: &mut Batch<'_>,
        mut stored: StoredEnrolment,
        now: i64,
    ) -> Result<(), StoreError> {
        let enrolment = &mut stored.enrolment;
        enrolment.updated = now;
        let active = enrolment.state == EnrolmentState::Active;
        if active && enrolment.upcoming().is_none() && enrolment.live.is_empty() {
            enrolment.state = EnrolmentState::Finished;
            let execution = enrolment.execution;
            self.delta(execution).open -= 1;
            Self::follows(batch, enrolment, false, now)?;
            Self::tally_people(batch, &enrolment.sequence, Tally::Finished, 1)?;
        }
        rows::write(batch, stored.key(), &stored)
    }
}
