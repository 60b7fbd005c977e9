//! Short ways to say what the examples need.

use std::path::Path;

use bytes::Bytes;
use rulerun::base::Id;
use rulerun::model::commit::{Commit, Finished, IdempotencyKey, NextStep, Write};
use rulerun::model::queue::{
    Attempt, AttemptError, Email, Enrolment, EnrolmentState, Execution, ExecutionState, Job,
    JobState, Leased, Task, Transition,
};
use rulerun::store::{Claim, Committed, Finish, JobFilter, SledStore, Store};

/// When the examples happen.
pub(crate) const NOW: i64 = 1_764_583_800_000;
pub(crate) const DAY: i64 = 86_400_000;

pub(crate) fn on_disk(folder: &Path) -> SledStore {
    SledStore::open(folder, NOW, Box::new(|why| panic!("{why}"))).unwrap()
}

/// The id of the call with this number; later numbers are later calls.
pub(crate) fn id(number: u32) -> Id {
    let mut random = [0; 10];
    random[..4].copy_from_slice(&number.to_be_bytes());
    Id::new(NOW + i64::from(number), &random)
}

pub(crate) fn execution(number: u32) -> Execution {
    Execution {
        id: id(number),
        namespace: "website".into(),
        flow: "booking".into(),
        at: NOW + i64::from(number),
        rules: "r1".into(),
        person: Some("ann@example.com".into()),
        labels: vec![],
        reply_status: 200,
        reply: format!("{{\"id\":\"{}\"}}", id(number)),
        logs: vec![],
        state: ExecutionState::Created,
        remote: None,
    }
}

/// A job of call `number` in a lane.
pub(crate) fn job(number: u32, name: &str, lane: &str, due: i64) -> Job {
    let task = Task::Event { event: name.into(), path: "/".into(), body: vec![1, 2, 3] };
    Job {
        created: NOW,
        updated: NOW,
        event_type: name.into(),
        target: format!("https://{lane}.example.com"),
        ..Job::new(id(number).derive(name), id(number), lane.into(), task, due)
    }
}

/// A mirror job for a record.
pub(crate) fn mirror(number: u32, record: &str) -> Job {
    Job {
        task: Task::Mirror { record: "lead".into(), id: record.into() },
        ..job(number, "mirror", "notion", NOW)
    }
}

/// Ann's enrolment by call `number`, with steps at the given times.
pub(crate) fn enrolment(number: u32, sequence: &str, steps: &[(&str, i64)]) -> Enrolment {
    Enrolment {
        id: id(number).derive(sequence),
        sequence: sequence.into(),
        key: "ann@example.com".into(),
        person: "ann@example.com".into(),
        to: "Ann@example.com".into(),
        zone: "Europe/Berlin".into(),
        execution: id(number),
        payload: None,
        started: NOW,
        rules: "r1".into(),
        plan: steps.iter().map(|(name, due)| ((*name).into(), *due)).collect(),
        next: 0,
        live: vec![],
        state: EnrolmentState::Active,
        updated: NOW,
    }
}

pub(crate) fn mail() -> NextStep {
    NextStep { lane: "mail".into(), priority: 0 }
}

pub(crate) fn enrol(enrolment: Enrolment) -> Write {
    Write::Enrol { enrolment, step: mail() }
}

/// Past step `from` of an enrolment; `more` says whether a step follows.
pub(crate) fn advance(enrolment: &Enrolment, from: u32, more: bool) -> Write {
    Write::Advance {
        sequence: enrolment.sequence.clone(),
        key: enrolment.key.clone(),
        enrolment: enrolment.id,
        from,
        step: more.then(mail),
    }
}

pub(crate) fn stop(sequence: &str) -> Write {
    Write::Stop {
        sequence: sequence.into(),
        person: "ann@example.com".into(),
        key: None,
        reason: "booked".into(),
    }
}

/// Call `number` with what it writes.
pub(crate) fn call(number: u32, writes: Vec<Write>) -> Commit {
    let body = Bytes::from_static(b"{}");
    Commit {
        now: NOW + i64::from(number),
        execution: Some((execution(number), body)),
        keys: vec![],
        assumes: vec![],
        writes,
        backlog: None,
        own: false,
    }
}

pub(crate) fn key(value: &str, body: u8, expires: i64) -> IdempotencyKey {
    let endpoint = "website/booking".into();
    IdempotencyKey { endpoint, key: format!("key:{value}"), body: [body; 32], expires }
}

/// Commits what must be accepted; answers what it could not call back.
pub(crate) async fn accept(store: &dyn Store, commit: Commit) -> Vec<Id> {
    match store.commit(commit).await.unwrap() {
        Committed::Done { in_flight } => in_flight,
        other => panic!("not accepted: {other:?}"),
    }
}

pub(crate) async fn queue(store: &dyn Store, number: u32, job: Job) -> Id {
    let id = job.id;
    accept(store, call(number, vec![Write::Enqueue(job)])).await;
    id
}

pub(crate) fn claim_at(now: i64, limit: usize) -> Claim {
    Claim { now, lease: 60_000, limit, free: vec![], default: 8 }
}

pub(crate) async fn claim(store: &dyn Store, now: i64) -> Vec<Leased> {
    store.claim(claim_at(now, 64)).await.unwrap().jobs
}

/// Claims the one job that is due.
pub(crate) async fn claim_one(store: &dyn Store, now: i64) -> Leased {
    let mut jobs = claim(store, now).await;
    assert_eq!(jobs.len(), 1, "{jobs:?}");
    jobs.remove(0)
}

pub(crate) async fn finish(store: &dyn Store, leased: &Leased, transition: Transition) -> Finish {
    finish_with(store, leased, transition, vec![]).await
}

pub(crate) async fn finish_with(
    store: &dyn Store,
    leased: &Leased,
    transition: Transition,
    writes: Vec<Write>,
) -> Finish {
    let finished = Finished { lease: leased.lease, transition, attempt: None, writes };
    store.finish(vec![finished]).await.unwrap()[0]
}

/// What a due step becomes: the e-mail that is about to be sent.
pub(crate) fn rendered(step: &Job) -> Transition {
    let task = Task::Event { event: "mail".into(), path: "/".into(), body: vec![0; 40] };
    Transition::Become(Box::new(Job { task, ..step.clone() }))
}

/// What a due step becomes when it is an e-mail.
pub(crate) fn mailed(step: &Job) -> Transition {
    let Task::Step { sequence, step: name, .. } = &step.task else { panic!("{step:?}") };
    let task = Task::Email(Email {
        sequence: sequence.clone(),
        name: name.clone(),
        variant: None,
        from: "hello@example.com".into(),
        to: step.target.clone(),
        subject: "Hello".into(),
        text: "Hello.".into(),
        marketing: false,
        message: vec![0; 40],
        handed: None,
    });
    Transition::Become(Box::new(Job { task, ..step.clone() }))
}

/// An attempt on a job that ended at `at`.
pub(crate) fn attempt(job: &Job, at: i64, error: Option<AttemptError>) -> Attempt {
    Attempt {
        id: Id::new(at - 20, &[9; 10]),
        job: job.id,
        execution: job.execution,
        event_type: job.event_type.clone(),
        target: job.target.clone(),
        duration_ms: 20,
        status: Some(if error.is_some() { 500 } else { 200 }),
        error,
        message: None,
        reply: "ok".into(),
    }
}

pub(crate) async fn state(store: &dyn Store, id: Id) -> (JobState, Option<String>) {
    let (job, _) = store.job(id).await.unwrap().unwrap();
    (job.state, job.reason)
}

/// The present state of call `number`'s execution.
pub(crate) async fn execution_state(store: &dyn Store, number: u32) -> ExecutionState {
    let row = store.execution(id(number)).await.unwrap().unwrap();
    row.progress.history.last().unwrap().0
}

/// Counts the jobs themselves and compares with the counters.
pub(crate) async fn check_stats(store: &dyn Store) {
    let jobs = store.jobs(JobFilter::default(), 0, 10_000).await.unwrap().rows;
    for ((event_type, lane), stat) in store.stats().await.unwrap() {
        for (state, count) in JobState::ALL.into_iter().zip(stat.counts) {
            let fits =
                |job: &&Job| job.event_type == event_type && job.lane == lane && job.state == state;
            let counted = jobs.iter().filter(fits).count() as u64;
            assert_eq!(count, counted, "{event_type} in {lane}, {}", state.word());
        }
    }
    let all: u64 =
        store.stats().await.unwrap().iter().map(|(_, stat)| stat.counts.iter().sum::<u64>()).sum();
    assert_eq!(all, jobs.len() as u64);
}
