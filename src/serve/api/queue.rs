//! The queue: what waits, what left, what failed; and trying again, cancelling, tidying up,
//! stopping and starting it as a whole.

use std::collections::HashSet;
use std::sync::Arc;

use axum::extract::State;
use serde_json::{Map, Value, json};

use super::answer::{Answer, At, Fault, did_you_mean, ok};
use super::groups::Groups;
use super::parameters;
use super::query::{Asked, Query};
use super::shapes;
use crate::base::Id;
use crate::model::commit::{Commit, Write};
use crate::model::queue::PAUSED_FLAG;
use crate::model::{Attempt, Job, JobState};
use crate::serve::app::App;
use crate::serve::deliver::gate::{Held, LaneState};
use crate::serve::journal::Kind;
use crate::store::{Committed, JobFilter, Store, StoreError};

/// What is overdue or in flight for longer than this counts as stuck, in milliseconds; the
/// guide asks for five minutes.
const STUCK: i64 = 5 * 60 * 1000;
/// Rows that are read at a time when many are looked at.
const CHUNK: usize = 2_000;
/// Rows that `stats?by=` looks at.
const MAX_COUNTED: usize = 10_000;
/// Rounds of `queue/retry`, each of one chunk.
const MAX_ROUNDS: usize = 1_000;
/// Milliseconds of a day.
const DAY: u128 = 86_400_000;
/// The reason of a job that somebody cancelled here.
const BY_HAND: &str = "cancelled through the API";

fn filter(query: &Query, now: i64) -> Result<JobFilter, Fault> {
    let execution = query.get("execution").map(|text| {
        text.parse().map_err(|()| Fault::bad(format!("`{text}` is not the id of an execution.")))
    });
    Ok(JobFilter {
        state: query.get("status").map(status).transpose()?,
        event_type: query.text("event_type"),
        target: query.text("url"),
        execution: execution.transpose()?,
        stuck: query.span("stuck", STUCK)?,
        now,
        reason: query.text("reason"),
    })
}

fn status(word: &str) -> Result<JobState, Fault> {
    JobState::from_word(word).ok_or_else(|| {
        let hint = did_you_mean(word, JobState::ALL.map(JobState::word));
        Fault::bad(format!("`{word}` is not a status of the queue. {hint}"))
    })
}

/// `GET /queue`: what is open by due time, then what has ended, newest first.
pub(super) async fn list(State(app): State<Arc<App>>, asked: Asked) -> Answer {
    let query = asked.only(parameters::QUEUE)?;
    let rows = query.rows(parameters::FEW)?;
    let page = app.store.jobs(filter(&query, app.millis())?, rows.skip, rows.take).await?;
    let live = app.live.load_full();
    ok(&shapes::page(page.rows.iter().map(|job| shapes::job(job, &live)), page.total))
}

/// `GET /queue/{id}`: a job with its attempts, oldest first.
pub(super) async fn one(State(app): State<Arc<App>>, At(id): At<String>) -> Answer {
    let (job, attempts) = find(&*app.store, &id).await?;
    let mut shape = shapes::job(&job, &app.live.load());
    shape["retry_history"] = attempts.iter().map(shapes::attempt).collect();
    ok(&shape)
}

async fn find(store: &dyn Store, id: &str) -> Result<(Job, Vec<Attempt>), Fault> {
    let missing = || Fault::missing(format!("There is no job `{id}` in the queue."));
    let id: Id = id.parse().map_err(|()| missing())?;
    store.job(id).await?.ok_or_else(missing)
}

/// `GET /queue/stats`: the guide's counts; with `by=` one line per group, with average and
/// maximum retries and the last error.
pub(super) async fn stats(State(app): State<Arc<App>>, asked: Asked) -> Answer {
    let query = asked.only(parameters::STATS)?;
    let columns = query.columns(parameters::QUEUE_COLUMNS)?;
    if !columns.is_empty() {
        return grouped(&*app.store, filter(&query, app.millis())?, columns).await;
    }
    if !query.is_empty() {
        return Err(Fault::bad(
            "`queue/stats` counts everything; add `by=status` (or event_type, url, service) to filter.",
        ));
    }
    let mut counts = [0_u64; JobState::ALL.len()];
    for (_, stat) in app.store.stats().await? {
        for (sum, count) in counts.iter_mut().zip(stat.counts) {
            *sum += count;
        }
    }
    let mut body: Map<String, Value> = JobState::ALL
        .iter()
        .zip(counts)
        .map(|(state, count)| (state.word().to_owned(), json!(count)))
        .collect();
    body.insert("total".into(), json!(counts.iter().sum::<u64>()));
    let held: Vec<Value> = app.gates.all_held().into_iter().map(held).collect();
    if !held.is_empty() {
        body.insert("held".into(), Value::Array(held));
    }
    ok(&Value::Object(body))
}

/// A mail service that is held.
fn held((service, why): (String, Held)) -> Value {
    let (word, sentence) = (LaneState::Held(why).word(), why.sentence(&service));
    json!({ "service": service, "reason": word, "message": sentence })
}

async fn grouped(store: &dyn Store, filter: JobFilter, columns: Vec<&'static str>) -> Answer {
    let mut groups = Groups::new(columns, "retries");
    let mut counted = 0;
    loop {
        let page = store.jobs(filter.clone(), counted, CHUNK).await?;
        for job in &page.rows {
            let column = |column: &&'static str| match *column {
                "status" => job.state.word(),
                "event_type" => &job.event_type,
                "url" => &job.target,
                "reason" => job.reason.as_deref().unwrap_or_default(),
                _ => &job.lane,
            };
            let values = groups.columns().iter().map(column).map(Value::from).collect();
            groups.add(values, Some(job.retries.into()), job.last_error.as_deref());
        }
        counted += page.rows.len();
        if page.rows.len() < CHUNK || counted >= MAX_COUNTED {
            let complete = page.rows.len() < CHUNK;
            return ok(&json!({
                "results": groups.finish(), "counted": counted, "complete": complete,
            }));
        }
    }
}

/// `POST /queue/{id}/retry`.
pub(super) async fn retry(State(app): State<Arc<App>>, At(id): At<String>, asked: Asked) -> Answer {
    asked.only(parameters::NONE)?;
    let (job, _) = find(&*app.store, &id).await?;
    if app.store.retry(vec![job.id], app.millis()).await? == 0 {
        return Err(Fault::conflict(format!(
            "Only a failed or cancelled job can be tried again; this one is {}.",
            job.state.word()
        )));
    }
    ok(&json!({ "id": id, "retried": 1 }))
}

/// `POST /queue/retry?…`: all that match. A filter is required, and failed jobs are meant
/// unless `status=cancelled` is said: captured e-mails are among those, and never leave
/// by accident.
pub(super) async fn retry_all(State(app): State<Arc<App>>, asked: Asked) -> Answer {
    let query = asked.only(parameters::RETRY)?;
    if query.is_empty() {
        return Err(Fault::bad(
            "Say which jobs to try again, such as `?status=failed` for every failed one or `?event_type=lead_scraped`.",
        ));
    }
    let mut filter = filter(&query, app.millis())?;
    let state = *filter.state.get_or_insert(JobState::Failed);
    if !matches!(state, JobState::Failed | JobState::Cancelled) {
        return Err(Fault::bad(format!(
            "Only failed or cancelled jobs can be tried again, not `status={}`.",
            state.word()
        )));
    }
    ok(&json!({ "retried": retry_matching(&app, filter).await? }))
}

/// Retries the first rows that match until none is left. One that fails again meanwhile is
/// not retried a second time.
async fn retry_matching(app: &App, filter: JobFilter) -> Result<usize, StoreError> {
    let mut seen = HashSet::new();
    let mut retried = 0;
    for _ in 0..MAX_ROUNDS {
        let page = app.store.jobs(filter.clone(), 0, CHUNK).await?;
        let fresh: Vec<Id> =
            page.rows.iter().map(|job| job.id).filter(|id| seen.insert(*id)).collect();
        if fresh.is_empty() {
            break;
        }
        retried += app.store.retry(fresh, app.millis()).await?;
    }
    Ok(retried)
}

/// `DELETE /queue/{id}`: a pending job is cancelled; one that is being sent is cancelled
/// when this attempt fails.
pub(super) async fn cancel(
    State(app): State<Arc<App>>,
    At(id): At<String>,
    asked: Asked,
) -> Answer {
    asked.only(parameters::NONE)?;
    let (job, _) = find(&*app.store, &id).await?;
    if app.store.cancel(vec![job.id], BY_HAND, app.millis()).await? == 0 {
        return Err(Fault::conflict(format!(
            "Only a pending job can be cancelled; this one is {}.",
            job.state.word()
        )));
    }
    ok(&json!({ "id": id, "cancelled": 1 }))
}

/// `POST /queue/cleanup?days=30`: removes finished work older than that; without `days`
/// older than the rules' `queue keep=`.
pub(super) async fn cleanup(State(app): State<Arc<App>>, asked: Asked) -> Answer {
    let query = asked.only(parameters::CLEANUP)?;
    let keep = query.number("days", 1, parameters::MAX_DAYS)?.map_or_else(
        || app.live.load().rules.queue.keep.to_duration().as_millis(),
        |days| days as u128 * DAY,
    );
    let keep = i64::try_from(keep).unwrap_or(i64::MAX);
    let now = app.millis();
    let before = now.saturating_sub(keep);
    let removed = app.store.purge(before, now).await?;
    ok(&json!({ "removed": removed, "before": shapes::at(before) }))
}

/// `POST /queue/pause`: calls are accepted, nothing is sent, also after a restart.
pub(super) async fn pause(State(app): State<Arc<App>>, asked: Asked) -> Answer {
    asked.only(parameters::NONE)?;
    set_paused(&app, Some(shapes::at(app.millis()))).await?;
    app.journal.say(Kind::Warning, "the queue is paused: nothing is sent until it is resumed");
    ok(&json!({ "queue": "paused" }))
}

/// `POST /queue/resume`: the queue as a whole, or with `service=` the one mail service that
/// was held because of bounces or complaints.
pub(super) async fn resume(State(app): State<Arc<App>>, asked: Asked) -> Answer {
    let query = asked.only(parameters::RESUME)?;
    let Some(service) = query.text("service") else {
        set_paused(&app, None).await?;
        app.store.bell().notify_one();
        app.journal.say(Kind::Warning, "the queue is running again");
        return ok(&json!({ "queue": "running" }));
    };
    let live = app.live.load_full();
    if !live.services.contains_key(&service) {
        let hint = did_you_mean(&service, live.services.keys().map(String::as_str));
        return Err(Fault::missing(format!("The rules have no service `{service}`. {hint}")));
    }
    let Some(write) = app.gates.release(&service) else {
        return Err(Fault::conflict(format!(
            "The service `{service}` is not held because of bounces or complaints."
        )));
    };
    write_one(&app, write).await?;
    app.store.bell().notify_one();
    app.journal.say(Kind::Warning, &format!("{service}: e-mails are sent again"));
    ok(&json!({ "service": service, "state": "sending" }))
}

/// `POST /queue/{id}/settle`: an e-mail of unknown fate has arrived, as its recipient or the
/// mail server's log says; it counts as sent.
pub(super) async fn settle(
    State(app): State<Arc<App>>,
    At(id): At<String>,
    asked: Asked,
) -> Answer {
    asked.only(parameters::NONE)?;
    let (job, _) = find(&*app.store, &id).await?;
    if app.store.settle(vec![job.id], app.millis()).await? == 0 {
        return Err(Fault::conflict(format!(
            "Only an e-mail that is held because its fate is unknown can be settled; this job is \
             {}.",
            job.state.word()
        )));
    }
    ok(&json!({ "id": id, "settled": 1 }))
}

async fn set_paused(app: &App, since: Option<String>) -> Result<(), StoreError> {
    write_one(app, Write::Flag { name: PAUSED_FLAG.to_owned(), value: since }).await
}

async fn write_one(app: &App, write: Write) -> Result<(), StoreError> {
    let commit = Commit { now: app.millis(), writes: vec![write], own: true, ..Commit::default() };
    match app.store.commit(commit).await? {
        Committed::Done { .. } => Ok(()),
        // It assumes nothing and has no key, so nothing can be in its way.
        _ => Err(StoreError::Full),
    }
}
