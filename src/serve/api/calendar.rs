//! Who is in what, what will happen when, and which e-mails were captured.

use std::sync::Arc;

use axum::extract::State;
use serde_json::{Value, json};

use super::answer::{Answer, Fault, ok};
use super::parameters;
use super::query::Asked;
use super::shapes;
use crate::model::queue::{CAPTURED, Task};
use crate::model::{Job, JobState};
use crate::serve::app::App;
use crate::store::{JobFilter, StoreError};

/// Pending jobs that a schedule looks at, the earliest first.
const MAX_LOOKED_AT: usize = 5_000;
/// Jobs that are read at a time.
const CHUNK: usize = 1_000;

/// `GET /outbox`: e-mails that were captured because no mail service is set up. The store
/// lists jobs by when their execution came; within a page, what was captured last is first.
pub(super) async fn outbox(State(app): State<Arc<App>>, asked: Asked) -> Answer {
    let query = asked.only(parameters::OUTBOX)?;
    let rows = query.rows(parameters::FEW)?;
    let filter = JobFilter {
        state: Some(JobState::Cancelled),
        reason: Some(CAPTURED.to_owned()),
        ..JobFilter::default()
    };
    let mut page = app.store.jobs(filter, rows.skip, rows.take).await?;
    page.rows.sort_by_key(|job| std::cmp::Reverse(job.updated));
    ok(&shapes::page(page.rows.iter().filter_map(shapes::captured), page.total))
}

/// `GET /sequences?sequence=`: who is in what.
pub(super) async fn sequences(State(app): State<Arc<App>>, asked: Asked) -> Answer {
    let query = asked.only(parameters::SEQUENCES)?;
    let rows = query.rows(parameters::MANY)?;
    let sequence = query.text("sequence");
    let page = app.store.enrolments(sequence.clone(), rows.skip, rows.take).await?;
    let live = app.live.load_full();
    if let Some(name) = sequence.filter(|name| !live.rules.sequences.contains_key(name)) {
        // Sequences that the rules no longer have may still have had people in them.
        if page.total == 0 {
            let known = live.rules.sequences.keys().map(String::as_str);
            return Err(Fault::unknown("sequence", &name, known));
        }
    }
    ok(&shapes::page(page.rows.iter().map(shapes::enrolment), page.total))
}

/// `GET /schedule?from=&to=`: everything that is due in between, the earliest first, with
/// the later steps of every sequence that somebody is in.
pub(super) async fn schedule(State(app): State<Arc<App>>, asked: Asked) -> Answer {
    let query = asked.only(parameters::SCHEDULE)?;
    let from = query.time("from")?.unwrap_or(i64::MIN);
    let to = query.time("to")?.unwrap_or(i64::MAX);
    let size = query.number("size", 1, parameters::MANY)?.unwrap_or(parameters::DEFAULT_ENTRIES);
    if from > to {
        return Err(Fault::bad("`from` must not be later than `to`."));
    }
    let (mut entries, mut complete) = upcoming(&app, from, to).await?;
    entries.sort_by_key(|(due, _)| *due);
    complete &= entries.len() <= size;
    let results: Vec<Value> = entries.into_iter().take(size).map(|(_, entry)| entry).collect();
    ok(&json!({ "total": results.len(), "results": results, "complete": complete }))
}

/// What is due between two moments, and whether that is all of it. A sequence has one
/// pending job, its next step, and that one is never later than the steps after it.
async fn upcoming(app: &App, from: i64, to: i64) -> Result<(Vec<(i64, Value)>, bool), StoreError> {
    let filter = JobFilter { state: Some(JobState::Pending), ..JobFilter::default() };
    let mut entries = Vec::new();
    for skip in (0..MAX_LOOKED_AT).step_by(CHUNK) {
        let jobs = app.store.jobs(filter.clone(), skip, CHUNK).await?.rows;
        let last = jobs.len() < CHUNK || jobs.last().is_some_and(|job| job.due > to);
        for job in jobs.iter().filter(|job| job.due <= to) {
            entries.push((job.due, entry(job, &job.event_type, job.due)));
            entries.extend(later_steps(app, job).await?);
        }
        if last {
            entries.retain(|(due, _)| (from..=to).contains(due));
            return Ok((entries, true));
        }
    }
    entries.retain(|(due, _)| (from..=to).contains(due));
    Ok((entries, false))
}

/// The steps that follow a pending step.
async fn later_steps(app: &App, job: &Job) -> Result<Vec<(i64, Value)>, StoreError> {
    let Task::Step { sequence, key, enrolment: id, .. } = &job.task else { return Ok(Vec::new()) };
    let found = app.store.enrolment(sequence, key).await?;
    let Some(enrolment) = found.filter(|found| found.id == *id) else { return Ok(Vec::new()) };
    let following = enrolment.plan.iter().skip(enrolment.next as usize + 1);
    Ok(following.map(|(step, due)| (*due, entry(job, step, *due))).collect())
}

fn entry(job: &Job, name: &str, due: i64) -> Value {
    let sequence = job.enrolment.as_ref().map(|(sequence, _)| sequence);
    json!({
        "due": shapes::at(due),
        "event_type": name,
        "sequence": sequence,
        "to": job.target,
        "service": job.lane,
        "attempts": if due == job.due { job.attempts } else { 0 },
        "execution_id": job.execution.to_string(),
    })
}
