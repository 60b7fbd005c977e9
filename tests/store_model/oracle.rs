//! What a store promises, written down once more as plainly as possible: maps, loops and
//! recounts, and nothing of the code under test. It keeps no counters, no indexes and no
//! cursors; whatever the store counts is counted here by looking at everything.

mod queue;

use std::collections::{BTreeMap, BTreeSet};

use rulerun::base::Id;
use rulerun::model::commit::{Assumption, Commit, NextStep, Write};
use rulerun::model::queue::{
    Enrolment, EnrolmentState, ExecutionState, Job, JobState, KILLED, Lease, Record, Task,
};

const DAY: i64 = 86_400_000;

/// A job, or the next step of an enrolment, which is one too.
#[derive(Clone, Debug)]
pub(crate) struct Item {
    pub(crate) job: Job,
    /// The enrolment that it came from.
    enrolment: Option<Id>,
    /// Why it must not be tried again.
    cancel: Option<String>,
    /// Whether its execution waits for it: for a step it waits for the enrolment instead.
    counted: bool,
}

/// An execution: how often what has happened, and where it stands since when.
#[derive(Clone, Debug, Default)]
pub(crate) struct Call {
    pub(crate) counts: [usize; 4],
    pub(crate) state: Option<ExecutionState>,
    since: i64,
    killed: bool,
}

/// A lease that was given.
#[derive(Clone, Debug)]
pub(crate) struct Held {
    lease: Lease,
    since: i64,
}

/// What a commit answers.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) enum Said {
    Done(BTreeSet<Id>),
    Replayed(Id),
    KeyReused,
    Conflict,
}

/// Everything.
#[derive(Clone, Debug, Default)]
pub(crate) struct Oracle {
    pub(crate) jobs: BTreeMap<Id, Item>,
    pub(crate) calls: BTreeMap<Id, Call>,
    pub(crate) enrolments: BTreeMap<(String, String), (Enrolment, NextStep)>,
    pub(crate) held: BTreeMap<Id, Held>,
    pub(crate) records: BTreeMap<(String, String), Record>,
    pub(crate) flags: BTreeMap<String, String>,
    pub(crate) suppressed: BTreeMap<String, BTreeSet<String>>,
    /// Who has their turn, of each group that goes one at a time.
    turns: BTreeMap<String, Id>,
    keys: BTreeMap<(String, String), (Id, [u8; 32], i64)>,
    /// Most retries and last error of each kind of job, which are never taken back.
    pub(crate) worst: BTreeMap<(String, String), (u32, Option<String>)>,
    /// The newest fence of each job.
    fences: BTreeMap<Id, u64>,
}

fn is_open(job: &Job) -> bool {
    job.state == JobState::Pending
}

fn is_step(job: &Job) -> bool {
    matches!(job.task, Task::Step { .. })
}

/// What goes one at a time with this job.
fn group(job: &Job) -> Option<String> {
    match (&job.task, &job.order) {
        (Task::Mirror { record, id }, _) => Some(format!("{} mirror {record} {id}", job.lane)),
        (_, Some(order)) => Some(format!("{} order {order}", job.lane)),
        _ => None,
    }
}

impl Oracle {
    /// A commit: the keys first, then the assumptions, then all of it or nothing.
    pub(crate) fn commit(&mut self, commit: &Commit) -> Said {
        for key in &commit.keys {
            let known = self.keys.get(&(key.endpoint.clone(), key.key.clone()));
            match known.filter(|(_, _, expires)| *expires > commit.now) {
                None => {}
                Some((id, body, _)) if *body == key.body && self.calls.contains_key(id) => {
                    return Said::Replayed(*id);
                }
                Some(_) => return Said::KeyReused,
            }
        }
        let before = self.clone();
        let mut in_flight = BTreeSet::new();
        let fits = commit.assumes.iter().all(|assumed| self.holds(assumed))
            && commit.writes.iter().all(|write| self.write(write, commit.now, &mut in_flight));
        if !fits {
            *self = before;
            return Said::Conflict;
        }
        if let Some((execution, _)) = &commit.execution {
            for key in &commit.keys {
                let place = (key.endpoint.clone(), key.key.clone());
                self.keys.insert(place, (execution.id, key.body, key.expires));
            }
            self.begin(execution.id, commit.now);
        }
        self.settle(commit.now);
        Said::Done(in_flight)
    }

    /// A new execution waits when all that it has opened is due later.
    fn begin(&mut self, id: Id, now: i64) {
        let counts = self.recount(id);
        let due = self.jobs.values().filter(|item| item.job.execution == id);
        let waits = due.map(|item| item.job.due).min().is_some_and(|due| due > now);
        let state = match counts {
            _ if self.enrolments.values().any(|(one, _)| {
                one.execution == id && one.state == EnrolmentState::Stopped(KILLED.to_owned())
            }) =>
            {
                ExecutionState::Killed
            }
            [0, ..] => ending(counts),
            [_, 0, 0, 0] if !waits => ExecutionState::Created,
            _ => ExecutionState::Paused,
        };
        self.calls.insert(id, Call { counts, state: Some(state), since: now, killed: false });
    }

    fn holds(&self, assumed: &Assumption) -> bool {
        match assumed {
            Assumption::Record { name, id, version } => {
                let found = self.records.get(&(name.clone(), id.clone()));
                found.map_or(0, |record| record.version) == *version
            }
            Assumption::Enrolment { sequence, key, seen } => {
                let found = self.enrolments.get(&(sequence.clone(), key.clone()));
                found.map(|(one, _)| (one.id, one.state == EnrolmentState::Active)) == *seen
            }
            Assumption::Flag { name, seen } => self.flags.get(name) == seen.as_ref(),
        }
    }

    fn write(&mut self, write: &Write, now: i64, in_flight: &mut BTreeSet<Id>) -> bool {
        match write {
            Write::Record(record) => {
                let place = (record.name.clone(), record.id.clone());
                let version = self.records.get(&place).map_or(0, |record| record.version);
                if version + 1 != record.version {
                    return false;
                }
                self.records.insert(place, record.clone());
            }
            Write::DeleteRecord { name, id } => {
                self.records.remove(&(name.clone(), id.clone()));
            }
            Write::Enrol { enrolment, step } => {
                let place = (enrolment.sequence.clone(), enrolment.key.clone());
                if let Some((old, _)) = self.enrolments.get(&place)
                    && old.state == EnrolmentState::Active
                {
                    return false;
                }
                self.enrolments.insert(place.clone(), (enrolment.clone(), step.clone()));
                self.queue_step(&place);
                self.touch(&place, now);
            }
            Write::Advance { sequence, key, enrolment, from, step } => {
                let place = (sequence.clone(), key.clone());
                if self.enrolments.get(&place).is_some_and(|(one, _)| one.id == *enrolment) {
                    self.advance(&place, *from, step.clone(), now);
                }
            }
            Write::Replan { sequence, key, enrolment, from, rules, left, step } => {
                let place = (sequence.clone(), key.clone());
                let done = self.replan(&place, *enrolment, *from, left, step.clone(), now);
                if let Some((one, _)) = self.enrolments.get_mut(&place).filter(|_| done) {
                    one.rules.clone_from(rules);
                }
                return done;
            }
            Write::Stop { sequence, person, key, reason } => {
                let found: Vec<_> = self
                    .enrolments
                    .iter()
                    .filter(|((in_sequence, _), (one, _))| {
                        in_sequence == sequence
                            && one.person == *person
                            && one.state == EnrolmentState::Active
                            && key.as_ref().is_none_or(|key| one.key == *key)
                    })
                    .map(|(place, _)| place.clone())
                    .collect();
                for place in found {
                    self.stop(&place, reason, now, in_flight);
                }
            }
            Write::Enqueue(job) => self.enqueue(job),
            Write::Mirror(job) => {
                let group = group(job);
                let waits = self.jobs.values().any(|item| {
                    is_open(&item.job)
                        && self::group(&item.job) == group
                        && !self.held.contains_key(&item.job.id)
                });
                if !waits {
                    self.enqueue(job);
                }
            }
            Write::Convert { .. } => panic!("no history here reaches a goal: tests/leaving does"),
            Write::Log { .. }
            | Write::Tally(_)
            | Write::File { .. }
            | Write::Edition { .. }
            | Write::TallyOnce { .. }
            | Write::TakePlace { .. }
            | Write::Suppression(_)
            | Write::Unsuppress { .. } => {}
            Write::Suppress { address, reason, .. } => {
                self.suppressed.entry(address.clone()).or_default().insert(reason.clone());
            }
            Write::Flag { name, value: Some(value) } => {
                self.flags.insert(name.clone(), value.clone());
            }
            Write::Flag { name, value: None } => drop(self.flags.remove(name)),
        }
        true
    }

    fn enqueue(&mut self, job: &Job) {
        let item = Item { job: job.clone(), enrolment: None, cancel: None, counted: true };
        self.place(item);
    }

    /// Puts a job into the queue; the first of a group has its turn.
    fn place(&mut self, item: Item) {
        if let Some(group) = group(&item.job) {
            self.turns.entry(group).or_insert(item.job.id);
        }
        self.jobs.insert(item.job.id, item);
    }

    /// The next step of an enrolment is a job.
    fn queue_step(&mut self, place: &(String, String)) {
        let Some((one, next)) = self.enrolments.get(place) else { return };
        let Some((step, due)) = one.upcoming() else { return };
        let task = Task::Step {
            sequence: one.sequence.clone(),
            key: one.key.clone(),
            enrolment: one.id,
            step: step.clone(),
        };
        let job = Job {
            priority: next.priority,
            created: one.started,
            event_type: step.clone(),
            target: one.to.clone(),
            enrolment: Some(place.clone()),
            ..Job::new(one.job_id(step), one.execution, next.lane.clone(), task, *due)
        };
        let item = Item { enrolment: Some(one.id), job, cancel: None, counted: false };
        self.place(item);
    }

    fn advance(&mut self, place: &(String, String), from: u32, step: Option<NextStep>, now: i64) {
        let Some((one, next)) = self.enrolments.get_mut(place) else { return };
        if one.next != from || one.upcoming().is_none() {
            return;
        }
        one.next = if step.is_some() { from + 1 } else { u32::try_from(one.plan.len()).unwrap() };
        *next = step.unwrap_or(NextStep { lane: String::new(), priority: 0 });
        self.queue_step(place);
        self.touch(place, now);
    }

    /// What is left of an active enrolment gets another plan, unless its next step is under a
    /// lease.
    fn replan(
        &mut self,
        place: &(String, String),
        id: Id,
        from: u32,
        left: &[(String, i64)],
        step: Option<NextStep>,
        now: i64,
    ) -> bool {
        let Some((one, next)) = self.enrolments.get_mut(place) else { return false };
        if one.id != id || one.state != EnrolmentState::Active || one.next != from {
            return false;
        }
        if let Some((name, _)) = one.upcoming() {
            let job = one.job_id(name);
            if self.held.contains_key(&job) {
                return false;
            }
            self.jobs.remove(&job);
        }
        one.plan.truncate(from as usize);
        one.plan.extend(left.iter().cloned());
        *next = step.unwrap_or(NextStep { lane: String::new(), priority: 0 });
        self.queue_step(place);
        self.touch(place, now);
        true
    }

    /// An enrolment of which nothing is left is finished.
    fn touch(&mut self, place: &(String, String), now: i64) {
        let Some((one, _)) = self.enrolments.get_mut(place) else { return };
        one.updated = now;
        if one.upcoming().is_none() && one.live.is_empty() && one.state == EnrolmentState::Active {
            one.state = EnrolmentState::Finished;
        }
    }

    fn stop(
        &mut self,
        place: &(String, String),
        reason: &str,
        now: i64,
        in_flight: &mut BTreeSet<Id>,
    ) {
        let Some((one, _)) = self.enrolments.get_mut(place) else { return };
        let step = one.upcoming().map(|(step, _)| one.job_id(step));
        let live = one.live.clone();
        let execution = one.execution;
        one.state = EnrolmentState::Stopped(reason.to_owned());
        one.updated = now;
        if reason == KILLED {
            self.kill(execution);
        }
        let why = format!("stopped: {reason}");
        for id in step.into_iter().chain(live) {
            let Some(item) = self.jobs.get_mut(&id).filter(|item| is_open(&item.job)) else {
                continue;
            };
            if self.held.contains_key(&id) && !is_step(&item.job) {
                item.cancel = Some(why.clone());
                in_flight.insert(id);
            } else {
                self.end(id, JobState::Cancelled, Some(&*why), now);
            }
        }
    }

    fn kill(&mut self, execution: Id) {
        if let Some(call) = self.calls.get_mut(&execution) {
            call.killed = true;
        }
    }

    /// Ends a job; the next of its group has its turn.
    fn end(&mut self, id: Id, state: JobState, reason: Option<&str>, now: i64) {
        let Some(item) = self.jobs.get_mut(&id) else { return };
        item.job.state = state;
        item.job.updated = now;
        item.job.reason = reason.map(str::to_owned);
        item.cancel = None;
        let (counted, item) = (std::mem::take(&mut item.counted), item.clone());
        let job = item.job;
        let worst = self.worst.entry((job.event_type.clone(), job.lane.clone())).or_default();
        worst.0 = worst.0.max(job.retries);
        if state == JobState::Failed {
            worst.1.clone_from(&job.last_error);
        }
        if reason == Some(KILLED) {
            self.kill(job.execution);
        }
        self.held.remove(&id);
        if let Some(group) = group(&job) {
            if self.turns.get(&group) == Some(&id) {
                self.turns.remove(&group);
            }
            let waiting = self.jobs.values().filter(|item| is_open(&item.job));
            let next = waiting.filter(|item| self::group(&item.job).as_ref() == Some(&group));
            if let Some(next) = next.map(|item| item.job.id).min() {
                self.turns.entry(group).or_insert(next);
            }
        }
        let place = job.enrolment.filter(|_| counted);
        if let Some(place) = place.filter(|place| self.is_of(place, item.enrolment)) {
            if let Some((one, _)) = self.enrolments.get_mut(&place) {
                one.live.retain(|live| *live != id);
            }
            self.touch(&place, now);
        }
    }

    /// Whether the newest enrolment in this place is this one.
    fn is_of(&self, place: &(String, String), id: Option<Id>) -> bool {
        self.enrolments.get(place).is_some_and(|(one, _)| Some(one.id) == id)
    }

    /// Makes an enrolment wait for a job, even if it was finished.
    fn join(&mut self, id: Id, now: i64) {
        let Some(item) = self.jobs.get_mut(&id).filter(|item| !item.counted) else { return };
        item.counted = true;
        let (place, enrolment) = (item.job.enrolment.clone(), item.enrolment);
        let Some(place) = place.filter(|place| self.is_of(place, enrolment)) else { return };
        if let Some((one, _)) = self.enrolments.get_mut(&place) {
            one.live.push(id);
            if one.state == EnrolmentState::Finished {
                one.state = EnrolmentState::Active;
            }
        }
        self.touch(&place, now);
    }

    /// Open, done, failed and cancelled, by looking at everything.
    fn recount(&self, execution: Id) -> [usize; 4] {
        let of = |item: &&Item| item.job.execution == execution;
        let count = |state: JobState| {
            self.jobs.values().filter(of).filter(|item| item.job.state == state).count()
        };
        let jobs = self.jobs.values().filter(of).filter(|item| is_open(&item.job) && item.counted);
        let enrolments = self
            .enrolments
            .values()
            .filter(|(one, _)| one.execution == execution && one.state == EnrolmentState::Active);
        [
            jobs.count() + enrolments.count(),
            count(JobState::Sent),
            count(JobState::Failed),
            count(JobState::Cancelled),
        ]
    }

    /// Where executions stand after a request.
    fn settle(&mut self, now: i64) {
        let ids: Vec<Id> = self.calls.keys().copied().collect();
        for id in ids {
            let counts = self.recount(id);
            let Some(call) = self.calls.get_mut(&id) else { continue };
            let killed = std::mem::take(&mut call.killed);
            if counts == call.counts && !killed {
                continue;
            }
            let was_killed = call.state == Some(ExecutionState::Killed);
            let state = match counts {
                _ if killed || (was_killed && counts[0] <= call.counts[0]) => {
                    ExecutionState::Killed
                }
                [open, ..] if open > 0 => ExecutionState::Paused,
                _ => ending(counts),
            };
            call.counts = counts;
            if call.state != Some(state) {
                call.state = Some(state);
                call.since = now;
            }
        }
    }

    /// The state of an execution as it is shown.
    pub(crate) fn shown(&self, id: Id) -> Option<ExecutionState> {
        let state = self.calls.get(&id)?.state?;
        let busy = self.held.keys().any(|held| self.jobs[held].job.execution == id);
        Some(if busy && !state.is_end() { ExecutionState::Running } else { state })
    }
}

/// The state of an execution with nothing open.
fn ending([_, _, failed, cancelled]: [usize; 4]) -> ExecutionState {
    match (failed, cancelled) {
        (1.., _) => ExecutionState::Failed,
        (0, 1..) => ExecutionState::Warning,
        _ => ExecutionState::Success,
    }
}
