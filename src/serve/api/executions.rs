//! Executions: listing, reading, their logs, and ending one before its time.

use std::collections::BTreeSet;
use std::sync::Arc;

use axum::extract::State;
use axum::http::StatusCode;
use serde_json::Value;

use super::answer::{Answer, At, Fault, did_you_mean, json_response, ok};
use super::flows;
use super::parameters::{self, NEWEST_FIRST};
use super::query::{Asked, Query};
use super::shapes;
use crate::base::Id;
use crate::model::commit::{Assumption, Commit, Write};
use crate::model::queue::{EnrolmentState, KILLED, Level, LogLine};
use crate::model::{Enrolment, ExecutionState, Job};
use crate::serve::app::App;
use crate::serve::people::{self, Cursor};
use crate::serve::settings::Live;
use crate::store::{Committed, ExecutionFilter, ExecutionRow, StoreError};

/// Most jobs of one execution that are looked at.
/// An execution is killed again so often at most when something of it moves meanwhile.
const MAX_TRIES: usize = 16;

/// `GET /executions` and `/executions/search`: newest first. The payloads are left out; one
/// execution by its id has them.
pub(super) async fn list(State(app): State<Arc<App>>, asked: Asked) -> Answer {
    let query = asked.only(parameters::EXECUTIONS)?;
    if let Some(sort) = query.get("sort").filter(|sort| *sort != NEWEST_FIRST) {
        return Err(Fault::bad(format!(
            "`sort={sort}` is not possible: executions come newest first (`{NEWEST_FIRST}`)."
        )));
    }
    let rows = query.rows(parameters::MANY)?;
    let filter = filter(&query, &app.live.load())?;
    let page = app.store.executions(filter, rows.skip, rows.take).await?;
    ok(&shapes::page(page.rows.iter().map(shapes::execution), page.total))
}

fn filter(query: &Query, live: &Live) -> Result<ExecutionFilter, Fault> {
    let mut namespace = query.get("namespace").map(|given| flows::namespace(live, given));
    let mut flow = query.text("flowId");
    if let Some((group, name)) = flow.as_deref().and_then(|given| dotted(live, given)) {
        if namespace.as_ref().is_some_and(|given| *given != group) {
            return Err(Fault::bad(format!(
                "`flowId` names the namespace `{group}`, and `namespace` another one; give it once."
            )));
        }
        (namespace, flow) = (Some(group), Some(name));
    }
    Ok(ExecutionFilter {
        namespace,
        flow,
        states: query.all("state").map(state).collect::<Result<_, _>>()?,
        labels: query.all("labels").map(label).collect::<Result<_, _>>()?,
        person: None,
        text: query.text("q"),
        since: query.time("startDate")?,
        until: query.time("endDate")?,
    })
}

/// Namespace and flow of `christmas.handlers.signup-handler`; nothing for a plain flow id.
fn dotted(live: &Live, given: &str) -> Option<(String, String)> {
    if live.endpoints.iter().any(|endpoint| endpoint.rule.name == given) {
        return None;
    }
    let (group, name) = given.rsplit_once(['.', '/'])?;
    Some((flows::namespace(live, group), name.to_owned()))
}

fn state(word: &str) -> Result<ExecutionState, Fault> {
    let known = ExecutionState::ALL;
    known.into_iter().find(|state| state.word().eq_ignore_ascii_case(word)).ok_or_else(|| {
        let hint = did_you_mean(&word.to_uppercase(), known.map(ExecutionState::word));
        Fault::bad(format!("`{word}` is not a state of executions. {hint}"))
    })
}

fn label(text: &str) -> Result<(String, String), Fault> {
    text.split_once(':')
        .map(|(key, value)| (key.trim().to_owned(), value.trim().to_owned()))
        .ok_or_else(|| Fault::bad(format!("`labels` must be `key:value`, not `{text}`.")))
}

/// `GET /executions/{id}`.
pub(super) async fn one(State(app): State<Arc<App>>, At(id): At<String>) -> Answer {
    let row = find(&app, &id).await?;
    let body = app.store.body(row.execution.id).await?;
    let mut shape = shapes::execution(&row);
    shape["inputs"] = shapes::inputs(body);
    ok(&shape)
}

/// `GET /calls?since=&until=&skip=&size=`: recorded calls as they came, newest first, with
/// what they were answered. They are read part by part; `next` says where the next one begins.
pub(super) async fn calls(State(app): State<Arc<App>>, asked: Asked) -> Answer {
    let query = asked.only(parameters::CALLS)?;
    let from = Cursor {
        since: query.since("since", app.millis())?.unwrap_or(0),
        until: query.time("until")?.unwrap_or(i64::MAX),
        skip: query.number("skip", 0, usize::MAX)?.unwrap_or(0),
    };
    let size = query.number("size", 1, parameters::MANY)?.unwrap_or(parameters::MANY);
    ok(&people::calls(&*app.store, from, size).await?.shape())
}

/// `GET /executions/{id}/logs` and `/logs/{id}`.
pub(super) async fn logs(State(app): State<Arc<App>>, At(id): At<String>) -> Answer {
    let row = find(&app, &id).await?;
    let lines = people::log_lines(&*app.store, &row).await?;
    ok(&lines.iter().map(|line| shapes::log(line, &row.execution)).collect::<Value>())
}

async fn find(app: &App, id: &str) -> Result<ExecutionRow, Fault> {
    let missing = || Fault::missing(format!("There is no execution `{id}`."));
    let id: Id = id.parse().map_err(|()| missing())?;
    app.store.execution(id).await?.ok_or_else(missing)
}

/// `DELETE /executions/{id}/kill`: stops the sequences that it started and cancels what it
/// has queued. As in Kestra, killing a finished one changes nothing and is fine, unless
/// `isOnKillCascade=false` asks for a 409.
pub(super) async fn kill(State(app): State<Arc<App>>, At(id): At<String>, asked: Asked) -> Answer {
    let cascade = asked.only(parameters::KILL)?.flag("isOnKillCascade")?.unwrap_or(true);
    let row = find(&app, &id).await?;
    let ended = shapes::current(&row).is_end();
    if ended && !cascade {
        return Err(Fault::conflict(format!("The execution `{id}` is already finished.")));
    }
    if !ended {
        stop_all(&app, row.execution.id).await?;
    }
    let row = find(&app, &id).await?;
    Ok(json_response(StatusCode::ACCEPTED, &shapes::execution(&row)))
}

/// Ends everything that an execution still has to do.
async fn stop_all(app: &App, id: Id) -> Result<(), Fault> {
    for _ in 0..MAX_TRIES {
        let jobs = people::jobs_of(&*app.store, id).await?;
        let enrolled = enrolments_of(app, &jobs).await?;
        let active = enrolled.iter().filter(|enrolment| enrolment.state == EnrolmentState::Active);
        let mut commit = Commit { now: app.millis(), own: true, ..Commit::default() };
        for enrolment in active.filter(|enrolment| enrolment.execution == id) {
            commit.assumes.push(Assumption::Enrolment {
                sequence: enrolment.sequence.clone(),
                key: enrolment.key.clone(),
                seen: Some((enrolment.id, true)),
            });
            commit.writes.push(Write::Stop {
                sequence: enrolment.sequence.clone(),
                person: enrolment.person.clone(),
                key: Some(enrolment.key.clone()),
                reason: KILLED.to_owned(),
            });
        }
        commit.writes.push(Write::Log {
            execution: id,
            line: LogLine {
                at: commit.now,
                level: Level::Warn,
                task: None,
                message: String::from("killed through the API"),
            },
        });
        if matches!(app.store.commit(commit).await?, Committed::Conflict) {
            continue;
        }
        let ids = jobs.iter().filter(|job| is_open(job)).map(|job| job.id).collect();
        app.store.cancel(ids, KILLED, app.millis()).await?;
        return Ok(());
    }
    Err(StoreError::Full.into())
}

fn is_open(job: &Job) -> bool {
    use crate::model::JobState::{Pending, Sending};
    matches!(job.state, Pending | Sending)
}

/// The enrolments that jobs belong to. An active one always has a job: its next step, or an
/// e-mail that is not sent yet.
async fn enrolments_of(app: &App, jobs: &[Job]) -> Result<Vec<Enrolment>, StoreError> {
    let keys: BTreeSet<_> = jobs.iter().filter_map(|job| job.enrolment.clone()).collect();
    let mut found = Vec::new();
    for (sequence, key) in keys {
        found.extend(app.store.enrolment(&sequence, &key).await?);
    }
    Ok(found)
}
