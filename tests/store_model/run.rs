//! Does the same to a store in memory, a store on disk and the oracle, and compares what they
//! answer and what they show after every step.

use std::collections::{BTreeMap, BTreeSet};
use std::path::Path;

use bytes::Bytes;
use rulerun::base::Id;
use rulerun::model::commit::{Assumption, Commit, Finished, IdempotencyKey, NextStep, Write};
use rulerun::model::queue::{
    Attempt, AttemptError, Enrolment, EnrolmentState, Execution, ExecutionState, Job, JobState,
    KILLED, Leased, Progress, Record, Task, Transition,
};
use rulerun::store::{
    Claim, Committed, ExecutionFilter, JobFilter, MemoryStore, SledStore, Stat, Store,
};

use super::ops::{How, Op, What};
use super::oracle::{Oracle, Said};

const NOW: i64 = 1_764_583_800_000;
const LEASE: i64 = 60_000;
const HOUR: i64 = 3_600_000;
const LANES: [&str; 2] = ["n8n", "shop"];
const MAIL: &str = "mail";
const SEQUENCES: [&str; 2] = ["reminder", "welcome"];
const PEOPLE: [&str; 2] = ["ann@example.com", "bob@example.com"];
/// More than there ever is.
const ALL: usize = 10_000;

/// Everything that a store shows.
#[derive(Debug, PartialEq)]
struct Shown {
    jobs: Vec<Job>,
    calls: Vec<(Execution, Progress)>,
    enrolments: Vec<Enrolment>,
    stats: Vec<((String, String), Stat)>,
    records: Vec<Record>,
    flags: Vec<(String, String)>,
    suppressed: Vec<Vec<String>>,
}

/// The three, and what a caller keeps between two steps.
struct World<'d> {
    now: i64,
    calls: u32,
    oracle: Oracle,
    memory: MemoryStore,
    disk: Option<SledStore>,
    folder: Option<&'d Path>,
    /// Every lease that was given since the store was opened.
    leases: Vec<Leased>,
}

/// Does these things in order; the error says which one went wrong, and how.
pub(crate) async fn run(ops: &[Op], folder: Option<&Path>) -> Result<(), String> {
    let mut world = World {
        now: NOW,
        calls: 0,
        oracle: Oracle::default(),
        memory: MemoryStore::new(NOW),
        disk: folder.map(|folder| open(folder, NOW)),
        folder,
        leases: Vec::new(),
    };
    for (number, op) in ops.iter().enumerate() {
        world.step(op).await.map_err(|why| format!("step {number}, {op:?}: {why}"))?;
    }
    world.is_sound().await
}

fn open(folder: &Path, now: i64) -> SledStore {
    SledStore::open(folder, now, Box::new(|why| panic!("{why}"))).unwrap()
}

/// Asks the store in memory and the one on disk the same; they must answer the same.
macro_rules! ask {
    ($world:expr, $store:ident => $question:expr) => {{
        let $store: &dyn Store = &$world.memory;
        let answer = $question;
        if let Some(disk) = &$world.disk {
            let $store: &dyn Store = disk;
            let other = $question;
            same("in memory and on disk", &format!("{answer:?}"), &format!("{other:?}"))?;
        }
        answer
    }};
}

fn same<T: PartialEq + std::fmt::Debug>(what: &str, one: &T, other: &T) -> Result<(), String> {
    if one == other { Ok(()) } else { Err(format!("{what}:\n  {one:?}\n  {other:?}")) }
}

impl World<'_> {
    async fn step(&mut self, op: &Op) -> Result<(), String> {
        self.now += 1;
        let now = self.now;
        match op {
            Op::Call { writes, key, stale } => self.call(writes, *key, *stale).await?,
            Op::Claim { limit, free } => self.claim(*limit, *free).await?,
            Op::Finish { lease, how, attempt } => self.finish(*lease, *how, *attempt).await?,
            Op::Release { lease, rest } => {
                if let Some(leased) = self.leased(*lease) {
                    let due = now + rest;
                    ask!(self, store => store.release(vec![(leased.lease, due)]).await.unwrap());
                    self.oracle.release(leased.lease, due);
                }
            }
            Op::Renew { lease } => {
                if let Some(leased) = self.leased(*lease) {
                    let until = now + LEASE;
                    let held =
                        ask!(self, store => store.renew(vec![leased.lease], until).await.unwrap());
                    same("renewed", &held, &vec![self.oracle.renew(leased.lease, until)])?;
                }
            }
            Op::Retry { job } => {
                if let Some(id) = self.job(*job) {
                    let count = ask!(self, store => store.retry(vec![id], now).await.unwrap());
                    same("retried", &count, &self.oracle.retry(id, now))?;
                }
            }
            Op::Cancel { job, kill } => {
                if let Some(id) = self.job(*job) {
                    let why = if *kill { KILLED } else { "called off" };
                    let count =
                        ask!(self, store => store.cancel(vec![id], why, now).await.unwrap());
                    same("cancelled", &count, &self.oracle.cancel(id, why, now))?;
                }
            }
            Op::Purge { hours } => {
                let before = now - hours * HOUR;
                let gone = ask!(self, store => store.purge(before, now).await.unwrap());
                same("purged", &gone, &self.oracle.purge(before, now))?;
            }
            Op::Wait { millis } => self.now += millis,
            Op::Reopen { closed } => self.reopen(*closed).await,
        }
        self.compare().await
    }

    /// All rows agree with each other.
    async fn is_sound(&self) -> Result<(), String> {
        let found = ask!(self, store => store.examine(self.now).await.unwrap());
        same("what the doctor finds", &found, &Vec::new())
    }

    fn leased(&self, number: usize) -> Option<Leased> {
        let count = self.leases.len();
        // Younger ones more often.
        (count > 0).then(|| self.leases[count - 1 - number * number / 64 % count].clone())
    }

    fn job(&self, number: usize) -> Option<Id> {
        self.oracle.jobs.keys().nth(number % self.oracle.jobs.len().max(1)).copied()
    }

    async fn call(
        &mut self,
        writes: &[What],
        key: Option<(u8, bool)>,
        stale: bool,
    ) -> Result<(), String> {
        self.calls += 1;
        let mut random = [0; 10];
        random[..4].copy_from_slice(&self.calls.to_be_bytes());
        let id = Id::new(self.now, &random);
        let mut commit = Commit { now: self.now, ..Commit::default() };
        for (number, what) in writes.iter().enumerate() {
            self.write(id, number, what, &mut commit);
        }
        if stale && let Some(Assumption::Record { version, .. }) = commit.assumes.first_mut() {
            *version += 7;
        }
        let execution = Execution {
            id,
            namespace: "website".into(),
            flow: "booking".into(),
            at: self.now,
            rules: "r1".into(),
            person: Some(PEOPLE[self.calls as usize % 2].into()),
            labels: vec![],
            reply_status: 200,
            reply: "{}".into(),
            logs: vec![],
            state: ExecutionState::Created,
            remote: None,
        };
        commit.execution = Some((execution, Bytes::from_static(b"{}")));
        commit.keys.extend(key.map(|(key, body)| IdempotencyKey {
            endpoint: "website/booking".into(),
            key: format!("key:{key}"),
            body: [u8::from(body); 32],
            expires: self.now + 24 * HOUR,
        }));
        let answer = ask!(self, store => store.commit(commit.clone()).await.unwrap());
        let said = match answer {
            Committed::Done { in_flight } => Said::Done(in_flight.into_iter().collect()),
            Committed::Replayed(first) => Said::Replayed(first.id),
            Committed::KeyReused => Said::KeyReused,
            Committed::Conflict => Said::Conflict,
            Committed::Crowded { .. } => return Err("no backlog was asked for".into()),
        };
        same("committed", &said, &self.oracle.commit(&commit))
    }

    /// Adds one write to a commit, with what it assumes.
    fn write(&self, call: Id, number: usize, what: &What, commit: &mut Commit) {
        let now = self.now;
        let name = format!("event-{number}");
        let job = |lane: &str, task: Task, due: i64| Job {
            event_type: "event".into(),
            target: format!("https://{lane}.example.com"),
            ..Job::new(call.derive(&name), call, lane.into(), task, due)
        };
        match *what {
            What::Queue { lane, after, priority, order } => {
                let task = Task::Event { event: "event".into(), path: "/".into(), body: vec![1] };
                let order = order.map(|order| order.to_string());
                let job = Job { priority, order, ..job(LANES[lane], task, now + after) };
                commit.writes.push(Write::Enqueue(job));
            }
            What::Mirror { record } => {
                let task = Task::Mirror { record: "lead".into(), id: record.to_string() };
                commit.writes.push(Write::Mirror(job("notion", task, now)));
            }
            What::Enrol { sequence, person, steps, gap } => {
                let enrolment = enrolment(call, number, sequence, person, now, steps, gap);
                let (sequence, key) = (enrolment.sequence.clone(), enrolment.key.clone());
                let seen = self.oracle.enrolments.get(&(sequence.clone(), key.clone()));
                let seen = seen.map(|(one, _)| (one.id, one.state == EnrolmentState::Active));
                commit.assumes.push(Assumption::Enrolment { sequence, key, seen });
                commit.writes.push(Write::Enrol { enrolment, step: mail() });
            }
            What::Replan { sequence, person, steps, gap } => {
                let place = (String::from(SEQUENCES[sequence]), String::from(PEOPLE[person]));
                let Some((one, _)) = self.oracle.enrolments.get(&place) else { return };
                // The first that is left keeps its name, as a step does that an edit moves.
                let name = |step: i64| match one.plan.get(one.next as usize) {
                    Some((name, _)) if step == 0 => name.clone(),
                    _ => format!("edited-{call}-{step}"),
                };
                commit.writes.push(Write::Replan {
                    sequence: place.0.clone(),
                    key: place.1.clone(),
                    enrolment: one.id,
                    from: one.next,
                    rules: format!("edited-{call}"),
                    left: (0..steps).map(|step| (name(step), now + step * gap)).collect(),
                    step: (steps > 0).then(mail),
                });
            }
            What::Stop { sequence, person, kill } => commit.writes.push(Write::Stop {
                sequence: SEQUENCES[sequence].into(),
                person: PEOPLE[person].into(),
                key: None,
                reason: if kill { KILLED } else { "booked" }.into(),
            }),
            What::Record { id, keep } => {
                let (name, id) = (String::from("lead"), id.to_string());
                let found = self.oracle.records.get(&(name.clone(), id.clone()));
                let version = found.map_or(0, |record| record.version);
                let assumed = Assumption::Record { name: name.clone(), id: id.clone(), version };
                commit.assumes.insert(0, assumed);
                let fields = String::from("{}");
                commit.writes.push(if keep {
                    Write::Record(Record { name, id, fields, version: version + 1, updated: now })
                } else {
                    Write::DeleteRecord { name, id }
                });
            }
            What::Flag { name, set } => commit.writes.push(Write::Flag {
                name: format!("flag {name}"),
                value: set.then(|| now.to_string()),
            }),
            What::Suppress { person } => commit.writes.push(Write::Suppress {
                address: PEOPLE[person].into(),
                reason: if now % 2 == 0 { "bounced" } else { "manual" }.into(),
                note: String::new(),
            }),
        }
    }

    async fn claim(&mut self, limit: usize, free: usize) -> Result<(), String> {
        let lanes = vec![(LANES[0].to_owned(), free), (MAIL.to_owned(), free + 1)];
        let claim = Claim { now: self.now, lease: LEASE, limit, free: lanes, default: 2 };
        let claimed = ask!(self, store => store.claim(claim.clone()).await.unwrap());
        // What was called off and comes due again is ended instead of handed out.
        let open = jobs(&self.memory, Some(JobState::Cancelled)).await;
        let ended = open.iter().map(|job| job.id);
        let ended: BTreeSet<Id> =
            ended.filter(|id| self.oracle.jobs[id].job.state == JobState::Pending).collect();
        self.oracle.claimed(&claim, &claimed.jobs, &ended, claimed.next_due)?;
        self.leases.extend(claimed.jobs);
        Ok(())
    }

    async fn finish(&mut self, lease: usize, how: How, attempt: bool) -> Result<(), String> {
        let Some(Leased { job, lease, .. }) = self.leased(lease) else { return Ok(()) };
        let now = self.now;
        let attempt = attempt.then(|| {
            let error = (!matches!(how, How::Sent)).then_some(AttemptError::Status);
            let id = Id::new(now - 20, &[u8::try_from(self.leases.len() % 256).unwrap(); 10]);
            Attempt {
                id,
                job: job.id,
                execution: job.execution,
                event_type: job.event_type.clone(),
                target: job.target.clone(),
                duration_ms: 20,
                status: Some(500),
                error,
                message: Some(format!("at {now}")),
                reply: String::new(),
            }
        });
        let is_step = matches!(job.task, Task::Step { .. });
        let transition = match how {
            How::Sent | How::Retry { .. } if is_step => {
                let task = Task::Event { event: "mail".into(), path: "/".into(), body: vec![2] };
                Transition::Become(Box::new(Job { task, ..job.clone() }))
            }
            How::Sent => Transition::Sent,
            How::Retry { rest, spend } => Transition::Retry { due: now + rest, spend },
            How::Failed => Transition::Failed("refused".into()),
            How::Cancelled => Transition::Cancelled("too late".into()),
        };
        let writes = if is_step { self.past(&job) } else { vec![] };
        let finished = Finished { lease, transition, attempt, writes };
        let answer = ask!(self, store => store.finish(vec![finished.clone()]).await.unwrap());
        same("finished", &answer[0], &self.oracle.finish(&finished))?;
        if let (Transition::Become(fresh), rulerun::store::Finish::Done) =
            (finished.transition, answer[0])
            && let Some(known) = self.leases.iter_mut().find(|known| known.lease == lease)
        {
            known.job = *fresh;
        }
        Ok(())
    }

    /// What moves the enrolment of a step past it.
    fn past(&self, job: &Job) -> Vec<Write> {
        let Task::Step { sequence, key, enrolment, step } = &job.task else { return vec![] };
        let found = self.oracle.enrolments.get(&(sequence.clone(), key.clone()));
        let found = found.map(|(one, _)| one).filter(|one| one.id == *enrolment);
        let Some(one) = found.filter(|one| one.upcoming().is_some_and(|(name, _)| name == step))
        else {
            return vec![];
        };
        let more = one.plan.len() > one.next as usize + 1;
        vec![Write::Advance {
            sequence: sequence.clone(),
            key: key.clone(),
            enrolment: *enrolment,
            from: one.next,
            step: more.then(mail),
        }]
    }

    async fn reopen(&mut self, closed: bool) {
        if closed {
            self.memory.close().await.unwrap();
        }
        self.memory = self.memory.reopened(self.now);
        if let (Some(disk), Some(folder)) = (self.disk.take(), self.folder) {
            if closed {
                disk.close().await.unwrap();
            }
            drop(disk);
            self.disk = Some(open(folder, self.now));
        }
        self.leases.clear();
        self.oracle.reopen();
    }

    /// Compares everything that can be seen.
    async fn compare(&self) -> Result<(), String> {
        let shown = shown(&self.memory).await;
        if let Some(disk) = &self.disk {
            same("in memory and on disk", &shown, &self::shown(disk).await)?;
        }
        self.compare_jobs(&shown)?;
        for (execution, progress) in &shown.calls {
            let id = execution.id;
            let [open, done, failed, cancelled] =
                [progress.open, progress.done, progress.failed, progress.cancelled]
                    .map(|count| count as usize);
            let call = self.oracle.calls.get(&id).ok_or(format!("{id} was forgotten"))?;
            same(&format!("counts of {id}"), &[open, done, failed, cancelled], &call.counts)?;
            let state = progress.history.last().map(|(state, _)| *state);
            same(&format!("state of {id}"), &state, &self.oracle.shown(id))?;
        }
        same("calls", &shown.calls.len(), &self.oracle.calls.len())?;
        let enrolments: Vec<_> =
            self.oracle.enrolments.values().map(|(one, _)| one.clone()).collect();
        same("enrolments", &shown.enrolments, &enrolments)?;
        let records: Vec<_> = self.oracle.records.values().cloned().collect();
        same("records", &shown.records, &records)?;
        let flags: Vec<_> = self.oracle.flags.clone().into_iter().collect();
        same("flags", &shown.flags, &flags)?;
        let suppressed = PEOPLE.map(|person| self.oracle.suppressed.get(person));
        let suppressed = suppressed.map(|found| found.into_iter().flatten().cloned().collect());
        same("suppressed", &shown.suppressed, &suppressed.to_vec())
    }

    /// Each job, and the counters against a recount.
    fn compare_jobs(&self, shown: &Shown) -> Result<(), String> {
        let mut stats: BTreeMap<(String, String), Stat> = BTreeMap::new();
        same("jobs", &shown.jobs.len(), &self.oracle.jobs.len())?;
        for job in &shown.jobs {
            let id = job.id;
            let mut known =
                self.oracle.jobs.get(&id).ok_or(format!("{id} was forgotten"))?.job.clone();
            if known.state == JobState::Pending && self.oracle.held.contains_key(&id) {
                known.state = JobState::Sending;
            }
            // A step shows when its enrolment changed last.
            if matches!(known.task, Task::Step { .. }) {
                known.updated = job.updated;
            }
            same("job", job, &known)?;
            let stat = stats.entry((job.event_type.clone(), job.lane.clone())).or_default();
            stat.counts[job.state as usize] += 1;
            if !matches!(job.state, JobState::Pending | JobState::Sending) {
                stat.retries += u64::from(job.retries);
            }
        }
        for (kind, stat) in &shown.stats {
            let mut counted = stats.remove(kind).unwrap_or_default();
            let worst = self.oracle.worst.get(kind).cloned().unwrap_or_default();
            (counted.max_retries, counted.last_error) = worst;
            same(&format!("counters of {kind:?}"), stat, &counted)?;
        }
        if stats.is_empty() { Ok(()) } else { Err(format!("not counted: {stats:?}")) }
    }
}

fn mail() -> NextStep {
    NextStep { lane: MAIL.into(), priority: 0 }
}

fn enrolment(
    call: Id,
    number: usize,
    sequence: usize,
    person: usize,
    now: i64,
    steps: i64,
    gap: i64,
) -> Enrolment {
    let person = PEOPLE[person].to_owned();
    Enrolment {
        id: call.derive(&format!("enrolment {number}")),
        sequence: SEQUENCES[sequence].into(),
        key: person.clone(),
        to: person.clone(),
        person,
        zone: "UTC".into(),
        execution: call,
        payload: None,
        started: now,
        rules: "r1".into(),
        plan: (0..steps).map(|step| (format!("step-{step}"), now + step * gap)).collect(),
        next: 0,
        live: vec![],
        state: EnrolmentState::Active,
        updated: now,
    }
}

async fn jobs(store: &dyn Store, state: Option<JobState>) -> Vec<Job> {
    store.jobs(JobFilter { state, ..JobFilter::default() }, 0, ALL).await.unwrap().rows
}

async fn shown(store: &dyn Store) -> Shown {
    let calls = store.executions(ExecutionFilter::default(), 0, ALL).await.unwrap().rows;
    let mut suppressed = vec![];
    for person in PEOPLE {
        let found = store.suppressions(person).await.unwrap();
        suppressed.push(found.into_iter().map(|one| one.reason).collect());
    }
    Shown {
        jobs: jobs(store, None).await,
        calls: calls.into_iter().map(|row| (row.execution, row.progress)).collect(),
        enrolments: store.enrolments(None, 0, ALL).await.unwrap().rows,
        stats: store.stats().await.unwrap(),
        records: store.records("lead", 0, ALL).await.unwrap().rows,
        flags: store.flags("flag").await.unwrap(),
        suppressed,
    }
}
