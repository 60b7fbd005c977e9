//! What the oracle knows of claims and completions, and of what people do to the queue.

use std::collections::BTreeSet;

use rulerun::base::Id;
use rulerun::model::commit::Finished;
use rulerun::model::queue::{
    EnrolmentState, ExecutionState, Job, JobState, KILLED, Lease, Leased, Task, Transition,
};
use rulerun::store::{Claim, Finish};

use super::{DAY, Held, Oracle, group, is_open};

impl Oracle {
    /// What may be claimed in a lane, in the order in which it must be: first tries, or
    /// retries.
    fn ready(&self, lane: &str, now: i64, retries: bool) -> Vec<Id> {
        let is_retry = |job: &Job| job.due > job.planned && (job.attempts > 0 || job.by_hand);
        let mut ready: Vec<&Job> = self
            .jobs
            .values()
            .map(|item| &item.job)
            .filter(|job| job.lane == lane && job.due <= now && self.waits(job, now))
            .filter(|job| is_retry(job) == retries)
            .collect();
        ready.sort_by_key(|job| (-job.priority, job.due, job.id));
        ready.into_iter().map(|job| job.id).collect()
    }

    /// Whether a job is neither over nor under a lease nor behind others.
    fn waits(&self, job: &Job, now: i64) -> bool {
        let turn = group(job).is_none_or(|group| self.turns.get(&group) == Some(&job.id));
        let in_flight = self.held.get(&job.id).is_some_and(|held| held.lease.until > now);
        is_open(job) && turn && !in_flight
    }

    /// Takes over what a store has claimed, if it was allowed to claim that. `ended` are marked
    /// jobs that it found and ended instead.
    pub(crate) fn claimed(
        &mut self,
        claim: &Claim,
        jobs: &[Leased],
        ended: &BTreeSet<Id>,
        next_due: Option<i64>,
    ) -> Result<(), String> {
        let lanes: BTreeSet<String> =
            self.jobs.values().map(|item| item.job.lane.clone()).collect();
        let free = |lane: &str| {
            let named = claim.free.iter().find(|(name, _)| name == lane);
            named.map_or(claim.default, |(_, free)| *free)
        };
        let taken: Vec<Id> =
            jobs.iter().map(|leased| leased.job.id).chain(ended.iter().copied()).collect();
        let mut soonest: Option<i64> = None;
        for lane in &lanes {
            let here: BTreeSet<Id> =
                taken.iter().filter(|id| self.jobs[id].job.lane == *lane).copied().collect();
            let [tries, retries] = [false, true].map(|again| self.ready(lane, claim.now, again));
            let [some, more] =
                [&tries, &retries].map(|ready| ready.iter().filter(|id| here.contains(id)).count());
            let first: BTreeSet<Id> =
                tries[..some].iter().chain(&retries[..more]).copied().collect();
            if here != first {
                return Err(format!("of {lane} {here:?} were taken, the first are {first:?}"));
            }
            // While both wait, three first tries go before each retry.
            if (some < tries.len() && more > (some + 3) / 3)
                || (more < retries.len() && some > 3 * (more + 1))
            {
                return Err(format!("of {lane} {some} first tries and {more} retries were taken"));
            }
            let most = free(lane).min(tries.len() + retries.len());
            let full = taken.len() >= claim.limit;
            if here.len() > free(lane) || (here.len() < most && !full) {
                return Err(format!("{} of {most} were taken of {lane}", here.len()));
            }
            if free(lane) > here.len() {
                let rest = self.jobs.values().map(|item| &item.job).filter(|job| {
                    job.lane == *lane && self.waits(job, claim.now) && !here.contains(&job.id)
                });
                soonest = soonest.into_iter().chain(rest.map(|job| job.due)).min();
            }
        }
        if taken.len() > claim.limit {
            return Err(format!("{} were taken, {} asked for", taken.len(), claim.limit));
        }
        if soonest.is_some_and(|soonest| next_due.is_none_or(|told| told > soonest.max(claim.now)))
        {
            return Err(format!("the next is due at {soonest:?}, it says {next_due:?}"));
        }
        for leased in jobs {
            self.lease(claim, leased)?;
        }
        for id in ended {
            let why = self.jobs[id].cancel.clone();
            if why.is_none() {
                return Err(format!("{id} was ended for no reason"));
            }
            self.end(*id, JobState::Cancelled, why.as_deref(), claim.now);
        }
        self.settle(claim.now);
        Ok(())
    }

    fn lease(&mut self, claim: &Claim, leased: &Leased) -> Result<(), String> {
        let Leased { job, lease, .. } = leased;
        let before = self.fences.insert(job.id, lease.fence).unwrap_or(0);
        if lease.fence <= before || lease.until != claim.now + claim.lease || lease.job != job.id {
            return Err(format!("{lease:?} was given after the fence {before}"));
        }
        if self.jobs[&job.id].cancel.is_some() {
            return Err(format!("{} was called off and is handed out", job.id));
        }
        self.held.insert(job.id, Held { lease: *lease, since: claim.now });
        Ok(())
    }

    /// Whether a lease is the newest on its job.
    fn current(&self, lease: Lease) -> Option<Held> {
        self.held.get(&lease.job).filter(|held| held.lease.fence == lease.fence).cloned()
    }

    /// A completion counts only under the newest lease.
    pub(crate) fn finish(&mut self, finished: &Finished) -> Finish {
        let id = finished.lease.job;
        let becomes = matches!(finished.transition, Transition::Become(_));
        let Some(held) = self.current(finished.lease) else {
            let ended = self.jobs.get(&id).map(|item| item.job.state);
            let stopped = becomes && ended == Some(JobState::Cancelled);
            return if stopped { Finish::Stopped } else { Finish::Stale };
        };
        let mut now = held.since;
        let Some(item) = self.jobs.get_mut(&id) else { return Finish::Stale };
        if let Some(attempt) = &finished.attempt {
            let took = i64::try_from(attempt.duration_ms).unwrap();
            now = now.max(attempt.id.millis() + took);
            item.job.attempts += 1;
            item.job.last_status = attempt.status;
            if attempt.error.is_some() {
                item.job.last_error.clone_from(&attempt.message);
            }
        }
        let answer = self.apply(id, &finished.transition, now);
        if answer == Finish::Done {
            for write in &finished.writes {
                self.write(write, now, &mut BTreeSet::new());
            }
        }
        self.settle(now);
        answer
    }

    fn apply(&mut self, id: Id, transition: &Transition, now: i64) -> Finish {
        let cancel = self.jobs[&id].cancel.clone();
        match transition {
            Transition::Hold => panic!("no history here is paused: tests/leaving pauses"),
            Transition::Sent => self.end(id, JobState::Sent, None, now),
            Transition::Failed(why) => self.end(id, JobState::Failed, Some(&**why), now),
            Transition::Cancelled(why) => self.end(id, JobState::Cancelled, Some(&**why), now),
            Transition::Retry { .. } | Transition::Later { .. } if cancel.is_some() => {
                self.end(id, JobState::Cancelled, cancel.as_deref(), now);
            }
            Transition::Retry { due, spend } => {
                self.held.remove(&id);
                if let Some(item) = self.jobs.get_mut(&id) {
                    item.job.retries += u32::from(*spend);
                    item.job.reason = None;
                    item.job.updated = now;
                    item.job.due = *due;
                }
            }
            Transition::Later { due, why } => {
                self.held.remove(&id);
                if let Some(item) = self.jobs.get_mut(&id) {
                    item.job.reason = Some(why.clone());
                    item.job.updated = now;
                    item.job.due = *due;
                }
            }
            Transition::Become(fresh) => {
                if let Some(why) = cancel.or_else(|| self.called_back(id)) {
                    self.end(id, JobState::Cancelled, Some(&*why), now);
                    return Finish::Stopped;
                }
                if let Some(item) = self.jobs.get_mut(&id) {
                    item.job.task = fresh.task.clone();
                    item.job.lane.clone_from(&fresh.lane);
                    item.job.reason = None;
                    item.job.updated = now;
                }
                self.join(id, now);
            }
        }
        Finish::Done
    }

    /// Why a step must not happen any more.
    fn called_back(&self, id: Id) -> Option<String> {
        let item = &self.jobs[&id];
        let Task::Step { sequence, key, .. } = &item.job.task else { return None };
        let place = (sequence.clone(), key.clone());
        if !self.is_of(&place, item.enrolment) {
            return Some(format!("stopped: the sequence `{sequence}` was started anew"));
        }
        match &self.enrolments[&place].0.state {
            EnrolmentState::Stopped(why) => Some(format!("stopped: {why}")),
            _ => None,
        }
    }

    pub(crate) fn release(&mut self, lease: Lease, due: i64) {
        let Some(held) = self.current(lease) else { return };
        let Some(item) = self.jobs.get_mut(&lease.job) else { return };
        if let Some(why) = item.cancel.clone() {
            let now = held.since.max(due);
            self.end(lease.job, JobState::Cancelled, Some(&*why), now);
            self.settle(now);
            return;
        }
        item.job.due = item.job.due.max(due);
        self.held.remove(&lease.job);
    }

    pub(crate) fn renew(&mut self, lease: Lease, until: i64) -> bool {
        if self.current(lease).is_none() {
            return false;
        }
        let held = self.held.get_mut(&lease.job).unwrap();
        held.lease.until = held.lease.until.max(until);
        true
    }

    /// What has failed or was cancelled is tried again, unless its enrolment was stopped or
    /// started anew.
    pub(crate) fn retry(&mut self, id: Id, now: i64) -> usize {
        let Some(item) = self.jobs.get(&id) else { return 0 };
        let over = matches!(item.job.state, JobState::Failed | JobState::Cancelled);
        let place = item.job.enrolment.clone();
        let barred = item.enrolment.is_some()
            && place.is_none_or(|place| {
                !self.is_of(&place, item.enrolment)
                    || matches!(self.enrolments[&place].0.state, EnrolmentState::Stopped(_))
            });
        if !over || barred {
            return 0;
        }
        let mut item = item.clone();
        item.job.state = JobState::Pending;
        item.job.reason = None;
        item.job.retries = 0;
        item.job.expires = None;
        item.job.by_hand = true;
        item.job.due = now;
        item.job.updated = now;
        self.place(item);
        self.join(id, now);
        self.settle(now);
        1
    }

    /// What waits is called off; what is under way is marked, and a step under way left alone.
    pub(crate) fn cancel(&mut self, id: Id, reason: &str, now: i64) -> usize {
        let held = self.held.contains_key(&id);
        let Some(item) = self.jobs.get_mut(&id).filter(|item| is_open(&item.job)) else { return 0 };
        let (counted, place) = (item.counted, item.job.enrolment.clone());
        let ends = !held;
        if held && counted {
            item.cancel = Some(reason.to_owned());
            let execution = item.job.execution;
            if reason == KILLED {
                self.kill(execution);
            }
        } else if ends {
            self.end(id, JobState::Cancelled, Some(reason), now);
            if let Some(place) = place.filter(|_| !counted) {
                let (one, next) = self.enrolments[&place].clone();
                self.advance(&place, one.next, Some(next), now);
            }
        }
        self.settle(now);
        usize::from(ends)
    }

    /// Forgets what has ended; answers how many calls and jobs.
    pub(crate) fn purge(&mut self, before: i64, now: i64) -> usize {
        let before = before.min(now - DAY);
        let all = self.calls.len() + self.jobs.len();
        self.calls.retain(|id, call| {
            let ended = call.counts[0] == 0 && call.state.is_some_and(ExecutionState::is_end);
            !(id.millis() < before && ended && call.since < before)
        });
        self.jobs.retain(|id, item| {
            let job = &item.job;
            let over = !is_open(job) && job.updated < before && id.millis() < before;
            !over || self.calls.contains_key(&job.execution)
        });
        self.keys.retain(|_, (_, _, expires)| *expires > now);
        all - self.calls.len() - self.jobs.len()
    }

    /// The process died: nothing is under a lease.
    pub(crate) fn reopen(&mut self) {
        self.held.clear();
    }
}
