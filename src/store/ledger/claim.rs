//! Claims: what is due goes out under a lease, lane by lane. A lane's backlog is never
//! walked: each of its classes (first tries or retries of one priority) has a cursor, and
//! only as many rows are read as there are free places.
//!
//! **Who goes first.** First tries go before retries, so that what has just come in does not
//! stand behind what failed a thousand times; but while both wait every fourth place of the
//! lane is a retry's, so that neither starves. Among each the higher priority goes first,
//! and then the older.

use std::collections::{BTreeMap, HashMap};

use super::Ledger;
use crate::base::Id;
use crate::model::Lease;
use crate::model::queue::{Job, JobState, Leased};
use crate::store::claims::Held;
use crate::store::kv::{Batch, Kv as _, Pair, Way};
use crate::store::rows::{self, Due};
use crate::store::{Claim, Claimed, StoreError, keys};

/// So many first tries go before a retry while both wait.
const FIRST_TRIES: u8 = 3;

/// What is left to give away while a claim is served.
pub(super) struct Places {
    /// In all.
    limit: usize,
    /// In each lane.
    lanes: HashMap<Vec<u8>, usize>,
    /// In a lane that was not named.
    default: usize,
    pub(super) next_due: i64,
}

impl Places {
    /// The free places of a lane.
    pub(super) fn of(&mut self, lane: &[u8]) -> &mut usize {
        self.lanes.entry(lane.to_vec()).or_insert(self.default)
    }
}

/// The classes of a lane, each kind by priority.
#[derive(Default)]
struct Classes {
    first_tries: Vec<Vec<u8>>,
    retries: Vec<Vec<u8>>,
}

/// What is due in a class, as far as it was looked at.
struct Found {
    class: Vec<u8>,
    rows: Vec<Pair>,
    /// Where looking ended, and when the row there is due if there is one.
    stop: (Vec<u8>, Option<i64>),
}

impl Ledger {
    /// Takes due jobs.
    pub(in crate::store) fn claim(
        &mut self,
        batch: &mut Batch<'_>,
        claim: &Claim,
    ) -> Result<Claimed, StoreError> {
        self.expire(claim.now);
        let mut places = Places {
            limit: claim.limit,
            lanes: claim.free.iter().map(|(lane, free)| (keys::lane(lane), *free)).collect(),
            default: claim.default,
            next_due: i64::MAX,
        };
        if let Some(claimed) = self.suspect_turn(batch, claim, &mut places)? {
            return Ok(claimed);
        }
        let mut jobs = Vec::new();
        for (lane, classes) in self.lanes(batch)? {
            for row in self.take(batch, &lane, &classes, &mut places, claim.now)? {
                let key = row.0.clone();
                match self.lease(batch, row, claim) {
                    Ok(Some(leased)) => jobs.push(leased),
                    Ok(None) => places.next_due = claim.now,
                    Err(_) if !jobs.is_empty() => {
                        // The next claim finds it first and reports it.
                        self.cursors.retain(|class, _| keys::lane_of(class).0 != lane);
                        places.next_due = claim.now;
                        break;
                    }
                    Err(error) => {
                        self.unreadable.insert(key);
                        return Err(error);
                    }
                }
            }
            if places.limit == 0 && self.turn.is_none() {
                self.turn = Some(lane);
            }
        }
        self.settle(batch, claim.now)?;
        let all = self.claims.all();
        for held in all.values().chain(self.effects.iter().filter_map(|(_, held)| held.as_ref())) {
            // Its job is due again when its lease runs out.
            if held.lease.until > claim.now && *places.of(&keys::lane(&held.lane)) > 0 {
                places.next_due = places.next_due.min(held.lease.until);
            }
        }
        drop(all);
        self.reported = places.next_due;
        // Whoever claims need not be told what the answer says.
        self.ring = false;
        let next_due = (places.next_due < i64::MAX).then_some(places.next_due);
        Ok(Claimed { jobs, next_due })
    }

    /// Every lane that has due rows, the one whose turn it is first.
    fn lanes(&mut self, batch: &Batch<'_>) -> Result<Vec<(Vec<u8>, Classes)>, StoreError> {
        let mut lanes = BTreeMap::<Vec<u8>, Classes>::new();
        for class in rows::classes(batch, keys::DUE)? {
            let (lane, is_retry) = keys::lane_of(&class);
            let classes = lanes.entry(lane.to_vec()).or_default();
            let kind = if is_retry { &mut classes.retries } else { &mut classes.first_tries };
            kind.push(class);
        }
        let mut lanes: Vec<_> = lanes.into_iter().collect();
        if let Some(turn) = self.turn.take() {
            let behind = lanes.partition_point(|(lane, _)| *lane <= turn);
            lanes.rotate_left(behind);
        }
        Ok(lanes)
    }

    /// Makes jobs visible again whose lease ran out. The claim stays, so that a late
    /// completion counts unless someone else has taken the job.
    fn expire(&mut self, now: i64) {
        let expired: Vec<_> = self
            .claims
            .all()
            .values()
            .filter(|held| held.lease.until <= now)
            .map(|held| held.key.clone())
            .collect();
        for key in expired {
            self.touch(&key);
        }
    }

    /// The due rows of a lane for which there are places.
    fn take(
        &mut self,
        batch: &Batch<'_>,
        lane: &[u8],
        classes: &Classes,
        places: &mut Places,
        now: i64,
    ) -> Result<Vec<Pair>, StoreError> {
        let room = places.limit.min(*places.of(lane));
        let first_tries = self.find(batch, &classes.first_tries, room, now)?;
        let retries = self.find(batch, &classes.retries, room, now)?;
        let count = |found: &[Found]| found.iter().map(|found| found.rows.len()).sum();
        let shares = self.share(lane, count(&first_tries), count(&retries), room);

        let mut taken = Vec::new();
        let mut next_due = i64::MAX;
        for (found, mut share) in [(first_tries, shares.0), (retries, shares.1)] {
            for mut found in found {
                let rest = found.rows.split_off(share.min(found.rows.len()));
                share -= found.rows.len();
                taken.extend(found.rows);
                let (cursor, due) = match rest.into_iter().next() {
                    Some((key, _)) => (key, Some(now)),
                    None => found.stop,
                };
                next_due = next_due.min(due.unwrap_or(i64::MAX));
                self.cursors.insert(found.class, cursor);
            }
        }
        places.limit -= taken.len();
        let free = places.of(lane);
        *free -= taken.len();
        if *free > 0 {
            places.next_due = places.next_due.min(next_due);
        }
        Ok(taken)
    }

    /// At most so many due rows of these classes that nobody holds, in order.
    fn find(
        &self,
        batch: &Batch<'_>,
        classes: &[Vec<u8>],
        mut most: usize,
        now: i64,
    ) -> Result<Vec<Found>, StoreError> {
        let passed_over = |key: &[u8]| {
            let id = keys::id_of(key);
            let in_flight = self.held(id).is_some_and(|held| held.lease.until > now);
            in_flight || self.runs_alone(id) || self.unreadable.contains(key)
        };
        let mut all = Vec::new();
        for class in classes {
            let end = keys::end(class);
            let from = self.cursors.get(class).cloned().unwrap_or_else(|| class.clone());
            let mut found =
                Found { class: class.clone(), rows: Vec::new(), stop: (end.clone(), None) };
            for row in batch.scan(&from, &end, Way::Up) {
                let (key, raw) = row?;
                if passed_over(&key) {
                    continue;
                }
                let due = keys::split_due(&key).map_or(i64::MAX, |(_, due)| due);
                if due > now || most == 0 {
                    found.stop = (key, Some(due));
                    break;
                }
                most -= 1;
                found.rows.push((key, raw));
            }
            all.push(found);
        }
        Ok(all)
    }

    /// How a lane's places are shared between first tries and retries that wait.
    fn share(
        &mut self,
        lane: &[u8],
        first_tries: usize,
        retries: usize,
        room: usize,
    ) -> (usize, usize) {
        if first_tries + retries <= room {
            self.shares.remove(lane);
            return (first_tries, retries);
        }
        let since = self.shares.entry(lane.to_vec()).or_default();
        let (mut first, mut again) = (0, 0);
        while first + again < room {
            if again < retries && (first == first_tries || *since == FIRST_TRIES) {
                again += 1;
                *since = 0;
            } else {
                first += 1;
                *since = FIRST_TRIES.min(*since + 1);
            }
        }
        (first, again)
    }

    /// Puts a job under a lease; none when it turned out to be over.
    pub(super) fn lease(
        &mut self,
        batch: &mut Batch<'_>,
        (key, raw): Pair,
        claim: &Claim,
    ) -> Result<Option<Leased>, StoreError> {
        let id = keys::id_of(&key);
        let found = rows::decode::<Due>(batch, &key, &raw)
            .and_then(|due| Ok((rows::due(batch, id, &due)?, due)));
        let (stored, due) = match found {
            Ok((Some(stored), due)) => (stored, due),
            Ok((None, _)) => {
                // A due row without its job or enrolment: nothing is left to do.
                batch.delete_small(key);
                return Ok(None);
            }
            Err(error) => return Err(error),
        };
        // Rows of before retries lay apart, or of a job that has ended since, which must not
        // be done a second time.
        let place = stored.due_key();
        if stored.job.state != JobState::Pending || place != key {
            batch.delete_small(key);
            if stored.job.state == JobState::Pending {
                self.make_due(batch, place, &due)?;
            }
            return Ok(None);
        }
        if let Some(reason) = stored.cancel.clone() {
            self.end(batch, stored, JobState::Cancelled, Some(reason), claim.now)?;
            return Ok(None);
        }
        Ok(Some(self.hand_out(stored.job, (key, due), claim.now, claim.now + claim.lease)))
    }

    fn hand_out(
        &mut self,
        mut job: Job,
        (key, due): (Vec<u8>, Due),
        now: i64,
        until: i64,
    ) -> Leased {
        self.fence += 1;
        let lease = Lease { job: job.id, fence: self.fence, until };
        job.state = JobState::Sending;
        let held = Held {
            lease,
            since: now,
            key,
            due,
            lane: job.lane.clone(),
            event_type: job.event_type.clone(),
            execution: job.execution,
        };
        self.effects.push((job.id, Some(held)));
        let deaths = self.deaths(job.id);
        Leased { job, lease, deaths }
    }

    /// Takes these jobs under a new lease, as far as they have not ended. That somebody called
    /// one off comes too late: its attempt has happened.
    pub(in crate::store) fn reclaim(
        &mut self,
        batch: &mut Batch<'_>,
        jobs: &[Id],
        now: i64,
        until: i64,
    ) -> Result<Vec<Leased>, StoreError> {
        let mut taken = Vec::with_capacity(jobs.len());
        for id in jobs {
            let stored = rows::job(batch, *id)?;
            let Some(stored) = stored.filter(|one| one.job.state == JobState::Pending) else {
                continue;
            };
            let key = stored.due_key();
            taken.push(self.hand_out(stored.job, (key, Due::Job), now, until));
        }
        Ok(taken)
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::base::Id;
    use crate::model::queue::{Job, Task};
    use crate::store::claims::Claims;
    use crate::store::kv::Map;
    use crate::store::rows::StoredJob;

    /// A store of before retries lay apart: the due row stands where first tries stand.
    fn stored_before(job: Job) -> Map {
        let stored = StoredJob::new(job);
        let key = keys::due(&stored.job.lane, false, 0, stored.job.due, stored.job.id);
        let map = Map::new();
        let mut batch = Batch::over(&map);
        rows::write(&mut batch, keys::by_id(keys::JOB, stored.job.id), &stored).unwrap();
        batch.put_small(key, &rows::encode(&Due::Job).unwrap());
        let changes = batch.into_changes();
        changes.into_iter().filter_map(|(key, value)| Some((key, value?))).collect()
    }

    fn claimed(map: &Map) -> Vec<Id> {
        let mut ledger =
            Ledger::new(std::sync::Arc::new(Claims::default()), std::sync::Arc::default(), 0);
        let claim = Claim { now: 900, lease: 60_000, limit: 9, free: Vec::new(), default: 9 };
        let mut batch = Batch::over(map);
        let mut ids = Vec::new();
        for _ in 0..3 {
            let taken =
                ledger.run(&mut batch, |ledger, batch| ledger.claim(batch, &claim)).unwrap();
            ids.extend(taken.jobs.iter().map(|leased| leased.job.id));
        }
        ids
    }

    #[test]
    fn a_due_row_of_an_older_store_is_claimed_once_and_never_for_a_job_that_has_ended() {
        let task = Task::Event { event: "ping".into(), path: "/".into(), body: Vec::new() };
        let fresh = Job::new(Id([1; 16]), Id([2; 16]), "n8n".into(), task, 100);
        let retry = Job { due: 500, attempts: 1, ..fresh.clone() };
        let ended = Job { state: JobState::Sent, ..retry.clone() };
        assert_eq!(claimed(&stored_before(fresh)), [Id([1; 16])]);
        assert_eq!(claimed(&stored_before(retry)), [Id([1; 16])]);
        assert_eq!(claimed(&stored_before(ended)), []);
    }
}
