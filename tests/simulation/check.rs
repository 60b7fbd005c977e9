//! What must be so at every moment, and what at the end.

use std::collections::{BTreeMap, BTreeSet};

use rulerun::base::Id;
use rulerun::model::queue::{EnrolmentState, Job, JobState, Task};
use rulerun::store::{ExecutionFilter, ExecutionRow, JobFilter, MemoryStore, Store as _};

use super::book::Shared;

/// More than there ever is.
const ALL: usize = 100_000;

/// Everything in the store.
pub(crate) struct Seen {
    pub(crate) executions: Vec<ExecutionRow>,
    pub(crate) jobs: BTreeMap<Id, Job>,
}

impl Seen {
    pub(crate) async fn of(store: &MemoryStore) -> Self {
        let executions = store.executions(ExecutionFilter::default(), 0, ALL).await.unwrap();
        let jobs = store.jobs(JobFilter::default(), 0, ALL).await.unwrap().rows;
        let jobs = jobs.into_iter().map(|job| (job.id, job)).collect();
        Self { executions: executions.rows, jobs }
    }

    /// Whether anything is left to do.
    pub(crate) fn is_quiet(&self) -> bool {
        self.executions.iter().all(has_ended) && !self.jobs.values().any(is_open)
    }
}

fn is_open(job: &Job) -> bool {
    matches!(job.state, JobState::Pending | JobState::Sending)
}

fn has_ended(row: &ExecutionRow) -> bool {
    row.progress.history.last().is_some_and(|(state, _)| state.is_end())
}

/// Checks what must hold at every moment.
pub(crate) async fn now(shared: &Shared) {
    let store = shared.store();
    let seen = Seen::of(&store).await;
    let mut wrong = Vec::new();
    unfinished(shared, &seen, &mut wrong);
    counted(&store, &seen, &mut wrong).await;
    sent(shared, &seen, &mut wrong);
    for text in wrong {
        shared.broken(&text);
    }
}

/// I1: what was answered is there. I2: what has not ended has something to do.
fn unfinished(shared: &Shared, seen: &Seen, wrong: &mut Vec<String>) {
    let busy: BTreeSet<Id> =
        seen.jobs.values().filter(|job| is_open(job)).map(|job| job.execution).collect();
    for row in &seen.executions {
        let (id, ended) = (row.execution.id, has_ended(row));
        if ended == busy.contains(&id) {
            wrong.push(format!("I2: {id} has ended: {ended}, and has open jobs: {}", !ended));
        }
    }
    let there: BTreeSet<Id> = seen.executions.iter().map(|row| row.execution.id).collect();
    for id in shared.book().acked.keys().filter(|id| !there.contains(id)) {
        wrong.push(format!("I1: the call {id} was answered and is gone"));
    }
}

/// I6: the counters are what a recount says.
async fn counted(store: &MemoryStore, seen: &Seen, wrong: &mut Vec<String>) {
    let mut recount: BTreeMap<(&str, &str), [u64; 5]> = BTreeMap::new();
    for job in seen.jobs.values() {
        recount.entry((&job.event_type, &job.lane)).or_default()[job.state as usize] += 1;
    }
    let stats = store.stats().await.unwrap();
    for ((event_type, lane), stat) in &stats {
        let counted = recount.remove(&(&**event_type, &**lane)).unwrap_or_default();
        if counted != stat.counts {
            let counts = stat.counts;
            wrong.push(format!("I6: {event_type} in {lane}: {counts:?}, recount {counted:?}"));
        }
    }
    if !recount.is_empty() {
        wrong.push(format!("I6: not counted at all: {recount:?}"));
    }
}

/// I4: every request that a receiver has seen is an attempt that was written down, or is under
/// way, or its outcome was swallowed by a crash.
fn sent(shared: &Shared, seen: &Seen, wrong: &mut Vec<String>) {
    let book = shared.book();
    for (id, delivery) in &book.deliveries {
        let Some(job) = seen.jobs.get(id) else { continue };
        let under_way = u32::from(job.state == JobState::Sending);
        if delivery.seen > job.attempts + delivery.excused + under_way {
            wrong.push(format!(
                "I4: {id} arrived {} times, {} attempts are known, {} are excused",
                delivery.seen, job.attempts, delivery.excused
            ));
        }
    }
}

/// Checks what must hold when everything is done.
pub(crate) async fn finally(shared: &Shared) {
    let store = shared.store();
    let seen = Seen::of(&store).await;
    let enrolments = store.enrolments(None, 0, ALL).await.unwrap().rows;
    let found = store.examine(shared.clock.millis()).await.unwrap();
    let book = shared.book();
    let mut wrong: Vec<_> =
        found.iter().map(|found| format!("the doctor finds: {found:?}")).collect();
    if !seen.is_quiet() {
        wrong.push(String::from("work was left when everything was well for weeks"));
    }
    // A timed event of a sequence is an execution that nobody has called for.
    let there = seen.executions.iter().filter(|row| row.execution.namespace != "events").count();
    if there > book.acked.len() + book.unanswered {
        let (acked, none) = (book.acked.len(), book.unanswered);
        wrong.push(format!("{there} calls are stored, {acked} answered, {none} without answer"));
    }
    for job in seen.jobs.values().filter(|job| job.state == JobState::Sent) {
        let arrived = match job.task {
            Task::Event { .. } => book.deliveries.get(&job.id).is_some_and(|found| found.taken > 0),
            Task::Email(_) => book.letters.get(&job.id).is_some_and(|found| found.taken > 0),
            Task::Step { .. } | Task::Mirror { .. } => true,
        };
        if !arrived {
            wrong.push(format!("{} counts as sent and never arrived", job.id));
        }
    }
    for (id, endpoint) in &book.acked {
        let events = seen.jobs.values().filter(|job| job.execution == *id && is_event(job)).count();
        let fits = match *endpoint {
            "order" => (1..=2).contains(&events),
            _ => events == 0,
        };
        if !fits {
            wrong.push(format!("the {endpoint} {id} has queued {events} events"));
        }
    }
    for enrolment in enrolments {
        let done =
            |step: &str| seen.jobs.get(&enrolment.job_id(step)).is_some_and(|job| !is_open(job));
        if enrolment.state == EnrolmentState::Finished
            && let Some((step, _)) = enrolment.plan.iter().find(|(step, _)| !done(step))
        {
            wrong.push(format!("{} is finished without its step {step}", enrolment.id));
        }
    }
    drop(book);
    for text in wrong {
        shared.broken(&text);
    }
}

fn is_event(job: &Job) -> bool {
    matches!(job.task, Task::Event { .. })
}
