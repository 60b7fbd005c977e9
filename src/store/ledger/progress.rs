//! How executions and counters move. A request collects what it changes about each
//! execution and writes it once, at its end.

use super::Ledger;
use crate::base::Id;
use crate::model::queue::{ExecutionState, Job, JobState, Progress};
use crate::store::kv::Batch;
use crate::store::rows::{self, Counter, Head};
use crate::store::{Stat, StoreError, keys};

/// What a request changes about an execution.
#[derive(Debug, Default)]
pub(in crate::store) struct Delta {
    pub(super) open: i64,
    pub(super) done: i64,
    pub(super) failed: i64,
    pub(super) cancelled: i64,
    /// Whether a person killed it: it is KILLED from then on, even if something of it is
    /// being sent at that moment.
    pub(super) killed: bool,
    /// When the first thing that it opened is due.
    pub(super) first_due: Option<i64>,
    /// Sequence and key of enrolments that it started.
    pub(super) enrolled: Vec<(String, String)>,
}

impl Delta {
    /// Counts a job's end, or takes it back.
    pub(super) fn ended(&mut self, state: JobState, by: i64) {
        match state {
            JobState::Sent => self.done += by,
            JobState::Failed => self.failed += by,
            JobState::Cancelled => self.cancelled += by,
            JobState::Pending | JobState::Sending => {}
        }
    }

    /// Counts something that was opened.
    pub(super) fn opened(&mut self, due: Option<i64>) {
        self.open += 1;
        let due = due.unwrap_or(i64::MAX);
        self.first_due = Some(self.first_due.map_or(due, |first| first.min(due)));
    }
}

impl Ledger {
    /// What the present request changes about an execution.
    pub(super) fn delta(&mut self, execution: Id) -> &mut Delta {
        self.deltas.entry(execution).or_default()
    }

    /// Writes what the request changed about executions that stood before.
    pub(super) fn settle(&mut self, batch: &mut Batch<'_>, now: i64) -> Result<(), StoreError> {
        for (id, delta) in std::mem::take(&mut self.deltas) {
            let changed = [delta.open, delta.done, delta.failed, delta.cancelled] != [0; 4];
            if !changed && !delta.killed && delta.enrolled.is_empty() {
                continue;
            }
            // Jobs may belong to no execution that is kept.
            let Some(mut head) = rows::head(batch, id)? else { continue };
            if !delta.enrolled.is_empty() {
                let body = rows::body(batch, id)?.unwrap_or_default();
                head.enrolled.extend(delta.enrolled.iter().cloned());
                rows::write_head(batch, head.clone(), &body, false)?;
            }
            let mut progress = rows::progress(batch, &head)?;
            advance(&mut progress, &delta, now);
            rows::write(batch, keys::progress(id), &progress)?;
        }
        Ok(())
    }

    /// Writes a new execution with what its commit opened.
    pub(super) fn begin(
        &mut self,
        batch: &mut Batch<'_>,
        mut execution: crate::model::Execution,
        body: &[u8],
        now: i64,
    ) -> Result<(), StoreError> {
        let id = execution.id;
        let mut delta = self.deltas.remove(&id).unwrap_or_default();
        // A call may stop what it has just started.
        let ended = [delta.done, delta.failed, delta.cancelled] != [0; 3];
        if delta.open <= 0 && !ended && execution.state == ExecutionState::Created {
            execution.state = ExecutionState::Success;
        }
        if let Some(person) = &execution.person {
            batch.put_small(keys::person_execution(person, id), &[]);
        }
        let head = Head {
            execution,
            enrolled: std::mem::take(&mut delta.enrolled),
            open: u32::try_from(delta.open).unwrap_or(0),
            waits: delta.open > 0 && delta.first_due.is_some_and(|due| due > now),
            inline: true,
        };
        if ended {
            let mut progress = head.progress();
            delta.open = 0;
            advance(&mut progress, &delta, now);
            rows::write(batch, keys::progress(id), &progress)?;
        }
        rows::write_head(batch, head, body, true)
    }

    /// Moves a job from one state to another in the counters of its kind and lane; none
    /// means that it was or is not there. `change` is what else changes with it.
    pub(super) fn count(
        batch: &mut Batch<'_>,
        job: &Job,
        from: Option<JobState>,
        to: Option<JobState>,
        change: impl FnOnce(&mut Stat),
    ) -> Result<(), StoreError> {
        let pending = |state: Option<JobState>| state == Some(JobState::Pending);
        if pending(from) != pending(to) && rows::waits(job) {
            let waiting = rows::backlog(batch, &job.lane)?;
            let waiting = if pending(to) { waiting + 1 } else { waiting.saturating_sub(1) };
            batch.put_small(keys::backlog(&job.lane), &rows::encode(&waiting)?);
        }
        let key = keys::counter(&job.event_type, &job.lane);
        let row: Option<Counter> = rows::read(batch, &key)?;
        let mut row = row.unwrap_or_else(|| Counter {
            event_type: job.event_type.clone(),
            lane: job.lane.clone(),
            stat: Stat::default(),
        });
        shift(&mut row.stat, from, to);
        change(&mut row.stat);
        rows::write(batch, key, &row)
    }
}

/// Moves a job between two states of a counter; none means that it was or is not there.
pub(in crate::store) fn shift(stat: &mut Stat, from: Option<JobState>, to: Option<JobState>) {
    if let Some(from) = from {
        let count = &mut stat.counts[from as usize];
        *count = count.saturating_sub(1);
    }
    if let Some(to) = to {
        stat.counts[to as usize] += 1;
    }
}

/// Adds what a request changed, and moves to the state that follows from the counts.
pub(in crate::store) fn advance(progress: &mut Progress, delta: &Delta, now: i64) {
    let add = |count: u32, by: i64| u32::try_from(i64::from(count) + by).unwrap_or(0);
    progress.open = add(progress.open, delta.open);
    progress.done = add(progress.done, delta.done);
    progress.failed = add(progress.failed, delta.failed);
    progress.cancelled = add(progress.cancelled, delta.cancelled);
    let current = progress.history.last().map(|(state, _)| *state);
    let killed = delta.killed || (current == Some(ExecutionState::Killed) && delta.open <= 0);
    let state = if killed {
        ExecutionState::Killed
    } else if progress.open > 0 {
        ExecutionState::Paused
    } else if progress.failed > 0 {
        ExecutionState::Failed
    } else if progress.cancelled > 0 {
        ExecutionState::Warning
    } else {
        ExecutionState::Success
    };
    if current != Some(state) {
        progress.history.push((state, now));
    }
}
