//! Claims: what is due goes out under a lease, lane by lane. A lane's backlog is never
//! walked: each of its priorities has a cursor, and only as many rows are read as there are
//! free places.

use std::collections::HashMap;

use super::Ledger;
use crate::model::Lease;
use crate::model::queue::{JobState, Leased};
use crate::store::claims::Held;
use crate::store::kv::{Batch, Kv as _, Pair, Way};
use crate::store::rows::{self, Due};
use crate::store::{Claim, Claimed, StoreError, keys};

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
        // Of each lane the highest priority comes first.
        let mut classes = rows::classes(batch)?;
        if let Some(turn) = self.turn.take() {
            let behind = classes.partition_point(|class| keys::lane_of(class) <= &turn[..]);
            classes.rotate_left(behind);
        }
        let mut jobs = Vec::new();
        for class in classes {
            let lane = keys::lane_of(&class);
            for row in self.take(batch, lane, &class, &mut places, claim.now)? {
                let key = row.0.clone();
                match self.lease(batch, row, claim) {
                    Ok(Some(leased)) => jobs.push(leased),
                    Ok(None) => places.next_due = claim.now,
                    Err(_) if !jobs.is_empty() => {
                        // The next claim finds it first and reports it.
                        self.cursors.remove(&class);
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
                self.turn = Some(lane.to_vec());
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

    /// The due rows of a lane's priority for which there are places.
    fn take(
        &mut self,
        batch: &Batch<'_>,
        lane: &[u8],
        class: &[u8],
        places: &mut Places,
        now: i64,
    ) -> Result<Vec<Pair>, StoreError> {
        let end = keys::end(class);
        let from = self.cursors.get(class).cloned().unwrap_or_else(|| class.to_vec());
        let mut cursor = end.clone();
        let mut taken = Vec::new();
        let in_flight =
            |ledger: &Self, id| ledger.held(id).is_some_and(|held| held.lease.until > now);
        for row in batch.scan(&from, &end, Way::Up) {
            let (key, raw) = row?;
            let id = keys::id_of(&key);
            if in_flight(self, id) || self.runs_alone(id) || self.unreadable.contains(&key) {
                continue;
            }
            let due = keys::split_due(&key).map_or(i64::MAX, |(_, due)| due);
            let free = *places.of(lane);
            if due > now || free == 0 || places.limit == 0 {
                if free > 0 {
                    places.next_due = places.next_due.min(due);
                }
                cursor = key;
                break;
            }
            *places.of(lane) -= 1;
            places.limit -= 1;
            taken.push((key, raw));
        }
        self.cursors.insert(class.to_vec(), cursor);
        Ok(taken)
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
            Ok((Some(stored), due)) if stored.job.state == JobState::Pending => (stored, due),
            Ok(_) => {
                // A due row without its job or enrolment, or whose job is over: nothing is left
                // to do.
                batch.delete_small(key);
                return Ok(None);
            }
            Err(error) => return Err(error),
        };
        if let Some(reason) = stored.cancel.clone() {
            self.end(batch, stored, JobState::Cancelled, Some(reason), claim.now)?;
            return Ok(None);
        }
        self.fence += 1;
        let lease = Lease { job: id, fence: self.fence, until: claim.now + claim.lease };
        let mut job = stored.job;
        job.state = JobState::Sending;
        let held = Held {
            lease,
            since: claim.now,
            key,
            due,
            lane: job.lane.clone(),
            event_type: job.event_type.clone(),
            execution: job.execution,
        };
        self.effects.push((id, Some(held)));
        Ok(Some(Leased { job, lease, deaths: self.deaths(id) }))
    }
}
