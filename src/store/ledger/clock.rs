//! A wall clock that was set. Rows say when they are due by the wall clock, so what was queued
//! or put off a moment ago would stall for as long as the clock went back, or leave too early
//! by as much as it went ahead. They are moved a few at a time, so that no call waits for it.
//!
//! A row says when it was last written, and so by which clock: what was written since the
//! clock was last seen to be right, in the time of now, goes by the new one already. What is
//! moved is written now, and is therefore never moved twice.

use super::Ledger;
use super::queue::is_active;
use crate::base::Id;
use crate::model::queue::Task;
use crate::store::kv::{Batch, Kv as _, Pair, Way};
use crate::store::rows::{self, Due};
use crate::store::{ClockSet, StoreError, keys};

/// Rows that one step looks at.
const STEP: usize = 200;
/// A step ends when it has written so many bytes.
const STEP_BYTES: usize = 256 * 1024;

/// Where jobs wait: for their time, behind others of their group, and for the end of a pause.
const KINDS: [u8; 3] = [keys::DUE, keys::GROUP, keys::HELD];

/// How far moving has come.
#[derive(Clone, Debug)]
pub(in crate::store) struct Moving {
    set: ClockSet,
    kind: usize,
    from: Vec<u8>,
    /// Jobs that were moved.
    pub(in crate::store) moved: usize,
}

impl Moving {
    /// Nothing has been moved yet.
    pub(in crate::store) fn new(set: ClockSet) -> Self {
        Self { set, kind: 0, from: vec![KINDS[0]], moved: 0 }
    }
}

impl ClockSet {
    /// What the clock would say now if it had not been set.
    fn before(self) -> i64 {
        self.now.saturating_sub(self.by)
    }

    /// Whether a row that was written then goes by the clock of now.
    fn knew(self, written: i64) -> bool {
        let after = written >= self.since;
        if let Some(before) = self.latecomers {
            // By the old clock it came before that was set, and not long before.
            let came = self.since.saturating_sub(self.by).saturating_sub(before);
            return written <= self.now.max(came);
        }
        if self.by > 0 { after && written > self.before() } else { after && written <= self.now }
    }
}

impl Ledger {
    /// Takes one step in moving every delivery that waits for time to pass; true when it was
    /// the last. A step of a sequence is planned for a moment and stays; work under way is
    /// due when it ends.
    pub(in crate::store) fn clock_was_set(
        &mut self,
        batch: &mut Batch<'_>,
        mut moving: Moving,
    ) -> Result<(Moving, bool), StoreError> {
        let Some(&kind) = KINDS.get(moving.kind) else { return Ok((moving, true)) };
        let rows: Vec<Pair> = batch
            .scan(&moving.from, &keys::end(&[kind]), Way::Up)
            .take(STEP)
            .collect::<Result<_, StoreError>>()?;
        let mut whole = rows.len() < STEP;
        let most = batch.bytes().saturating_add(STEP_BYTES);
        for (key, raw) in rows {
            if batch.bytes() > most {
                whole = false;
                break;
            }
            moving.from = [&key[..], &[0]].concat();
            if may_wait(batch, moving.set, &key, &raw)?
                && self.move_along(batch, moving.set, keys::id_of(&key), kind)?
            {
                moving.moved += 1;
            }
        }
        if whole {
            moving.kind += 1;
            moving.from = KINDS.get(moving.kind).map(|kind| vec![*kind]).unwrap_or_default();
        }
        let last = moving.kind == KINDS.len();
        Ok((moving, last))
    }

    /// Moves a job, if it waits by the clock of before; answers whether it did.
    fn move_along(
        &mut self,
        batch: &mut Batch<'_>,
        set: ClockSet,
        id: Id,
        kind: u8,
    ) -> Result<bool, StoreError> {
        if self.held(id).is_some() {
            return Ok(false);
        }
        let Some(mut stored) = rows::job(batch, id)? else { return Ok(false) };
        // A step that was put off is decided anew when it is due: better too early than too late.
        // One that is held aside came due, and waits for its moment.
        let is_step = matches!(stored.job.task, Task::Step { .. });
        let mut stays = is_step && (set.by > 0 || kind == keys::HELD);
        // What is tried again was put off by the clock of then, whatever it says of its attempt.
        let fresh = stored.job.attempts == 0 && stored.job.updated == stored.job.created;
        stays |= set.latecomers.is_some() && (is_step || !fresh);
        if stays || stored.job.due <= waiting_from(set) || set.knew(stored.job.updated) {
            return Ok(false);
        }
        let due = stored.job.due.saturating_add(set.by).max(set.now);
        stored.job.updated = set.now;
        if kind == keys::DUE {
            self.postpone(batch, stored, due)?;
            return Ok(true);
        }
        if kind == keys::HELD {
            batch.delete_small(stored.due_key());
        }
        stored.job.due = due;
        if kind == keys::HELD {
            batch.put_small(stored.due_key(), &rows::encode(&Due::Job)?);
        }
        rows::write(batch, keys::by_id(keys::JOB, id), &stored)?;
        Ok(true)
    }
}

/// What is due later than this waits: what was due before the clock went ahead is due, and
/// what was due before it went back is due at once.
fn waiting_from(set: ClockSet) -> i64 {
    set.now.min(set.before())
}

/// Whether a row may stand for a job that waits for time to pass, as far as it says itself.
fn may_wait(batch: &Batch<'_>, set: ClockSet, key: &[u8], raw: &[u8]) -> Result<bool, StoreError> {
    if key.starts_with(&[keys::GROUP]) {
        return Ok(!is_active(raw));
    }
    let waits = keys::split_due(key).is_some_and(|(_, due)| due > waiting_from(set));
    Ok(waits && rows::decode::<Due>(batch, key, raw)? == Due::Job)
}

#[cfg(test)]
mod tests {
    use std::sync::Arc;

    use super::*;
    use crate::model::queue::Job;
    use crate::store::claims::Claims;
    use crate::store::kv::Map;
    use crate::store::rows::StoredJob;

    const NOW: i64 = 1_764_583_800_000;
    const HOUR: i64 = 3_600_000;

    /// A retry that was put off at a moment, and is due a minute later.
    fn put_off(number: u32, at: i64, body: usize) -> Job {
        let task = Task::Event { event: "ping".into(), path: "/".into(), body: vec![7; body] };
        let mut id = [0; 16];
        id[..4].copy_from_slice(&number.to_be_bytes());
        Job {
            due: at + 60_000,
            updated: at,
            attempts: 1,
            ..Job::new(Id(id), Id([9; 16]), "n8n".into(), task, at - 1_000)
        }
    }

    fn apply(map: &mut Map, batch: impl FnOnce(&mut Batch<'_>)) -> usize {
        let mut fresh = Batch::over(map);
        batch(&mut fresh);
        let bytes = fresh.bytes();
        for (key, change) in fresh.into_changes() {
            match change {
                Some(value) => map.insert(key, value),
                None => map.remove(&key),
            };
        }
        bytes
    }

    fn queued(jobs: Vec<Job>) -> (Ledger, Map) {
        let mut ledger = Ledger::new(Arc::new(Claims::default()), Arc::default(), 0);
        let mut map = Map::new();
        apply(&mut map, |batch| {
            for job in jobs {
                ledger.place(batch, &StoredJob::new(job)).unwrap();
            }
        });
        (ledger, map)
    }

    /// Moves everything; answers how many were moved, and the bytes of the largest step.
    fn set(ledger: &mut Ledger, map: &mut Map, set: ClockSet) -> (usize, usize) {
        let (mut moving, mut largest) = (Some(Moving::new(set)), 0);
        let mut moved = 0;
        while let Some(step) = moving.take() {
            let bytes = apply(map, |batch| {
                let (after, last) = ledger.clock_was_set(batch, step).unwrap();
                moved = after.moved;
                moving = (!last).then_some(after);
            });
            largest = largest.max(bytes);
        }
        (moved, largest)
    }

    fn due(map: &Map, job: &Job) -> i64 {
        rows::job(&Batch::over(map), job.id).unwrap().unwrap().job.due
    }

    #[test]
    fn a_large_backlog_moves_in_small_steps() {
        for by in [HOUR, -HOUR] {
            let body = |number: u32| if number.is_multiple_of(8) { 20_000 } else { 9 };
            let jobs: Vec<_> =
                (0..320).map(|number| put_off(number, NOW - 500, body(number))).collect();
            let (mut ledger, mut map) = queued(jobs.clone());
            let clock = ClockSet { by, since: NOW - 1_000 + by, now: NOW + by, latecomers: None };
            let (moved, largest) = set(&mut ledger, &mut map, clock);
            assert_eq!(moved, jobs.len());
            assert!(largest < STEP_BYTES + 50_000, "{largest} bytes at once");
            assert!(jobs.iter().all(|job| due(&map, job) == job.due + by));
            // What was moved goes by the new clock; asked once more, it stays.
            assert_eq!(set(&mut ledger, &mut map, clock).0, 0);
        }
    }

    #[test]
    fn what_was_written_by_the_new_clock_stays() {
        for by in [HOUR, -HOUR, 3_650 * 24 * HOUR, -3_650 * 24 * HOUR] {
            let now = NOW + by;
            // The clock was looked at a second ago, and set in the middle of that second.
            let before = put_off(1, NOW - 600, 9);
            let after = put_off(2, now - 400, 9);
            let (mut ledger, mut map) = queued(vec![before.clone(), after.clone()]);
            let clock = ClockSet { by, since: now - 1_000, now, latecomers: None };
            assert_eq!(set(&mut ledger, &mut map, clock).0, 1, "by {by}");
            assert_eq!(due(&map, &before), before.due + by);
            assert_eq!(due(&map, &after), after.due);
        }
    }

    #[test]
    fn of_latecomers_only_calls_by_the_old_clock_are_moved() {
        let (by, now) = (-HOUR, NOW - HOUR + 2_000);
        let fresh = |number: u32, at: i64| Job {
            attempts: 0,
            updated: at - 1_000,
            ..put_off(number, at, 9)
        };
        let before = fresh(1, NOW - 30_000);
        let after = Job { due: now + HOUR, ..fresh(2, now + 1_500) };
        let retry = Job { due: now + HOUR, ..put_off(3, NOW + 500, 9) };
        let (mut ledger, mut map) = queued(vec![before.clone(), after.clone(), retry.clone()]);
        let clock = ClockSet { by, since: NOW - HOUR - 1_000, now, latecomers: Some(64_000) };
        assert_eq!(set(&mut ledger, &mut map, clock).0, 1);
        assert_eq!(due(&map, &before), before.due + by);
        assert_eq!((due(&map, &after), due(&map, &retry)), (after.due, retry.due));
    }
}
