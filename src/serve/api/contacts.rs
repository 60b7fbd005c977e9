//! One person: what is known of them, which sequences they are in, and everything that was
//! received, decided, scheduled, sent or left out because of them.

use std::sync::Arc;

use axum::extract::State;
use serde_json::{Value, json};

use super::answer::{Answer, At, Fault, ok};
use super::executions::{jobs_of, log_lines};
use super::shapes;
use crate::model::{Job, JobState, Record};
use crate::serve::app::{App, object};
use crate::store::{ExecutionFilter, ExecutionRow, StoreError};

/// The record that holds a person, under their address.
const CONTACT: &str = "contact";
/// Executions of one person that are looked at, newest first.
const MAX_EXECUTIONS: usize = 200;

/// `GET /contacts/{email}`.
pub(super) async fn one(State(app): State<Arc<App>>, At(email): At<String>) -> Answer {
    let person = email.trim().to_lowercase();
    let contact = contact(&app, &person, email.trim()).await?;
    let suppressions = app.store.suppressions(&person).await?;
    let filter = ExecutionFilter { person: Some(person.clone()), ..ExecutionFilter::default() };
    let executions = app.store.executions(filter, 0, 0).await?.total;
    let mut enrolments = app.store.enrolments_of(&person).await?;
    enrolments.sort_by_key(|enrolment| enrolment.id);
    if contact.is_none() && suppressions.is_empty() && executions == 0 && enrolments.is_empty() {
        return Err(unknown(&person));
    }
    ok(&json!({
        "email": person,
        "contact": contact.map(|record| Value::Object(object(&record.fields))),
        "suppressions": suppressions.iter().map(shapes::suppression).collect::<Value>(),
        "enrolments": enrolments.iter().map(shapes::enrolment).collect::<Value>(),
        "executions": executions,
    }))
}

/// `GET /contacts/{email}/timeline`: oldest first. What is still to come stands at the end.
pub(super) async fn timeline(State(app): State<Arc<App>>, At(email): At<String>) -> Answer {
    let person = email.trim().to_lowercase();
    let (executions, total) = executions(&app, &person).await?;
    if executions.is_empty() {
        return Err(unknown(&person));
    }
    let mut entries = Vec::new();
    for row in &executions {
        entries.push((row.execution.at, received(row)));
        for line in log_lines(&app, row).await? {
            let mut entry = shapes::log(&line, &row.execution);
            entry["kind"] = Value::from("log");
            entries.push((line.at, entry));
        }
        for job in jobs_of(&app, row.execution.id).await? {
            entries.push(job_entry(&job, &row.execution.flow));
        }
    }
    // A stable sort: what has the same time stays in the order in which it happened.
    entries.sort_by_key(|(at, _)| *at);
    let mut body = shapes::page(entries.into_iter().map(|(_, entry)| entry), total);
    body["email"] = Value::from(person);
    body["complete"] = Value::Bool(executions.len() == total);
    ok(&body)
}

fn unknown(person: &str) -> Fault {
    Fault::missing(format!("Nothing is known of `{person}`."))
}

/// The contact of an address; rules may have kept it as it was typed.
async fn contact(app: &App, person: &str, typed: &str) -> Result<Option<Record>, StoreError> {
    match app.store.record(CONTACT, person).await? {
        None if typed != person => app.store.record(CONTACT, typed).await,
        found => Ok(found),
    }
}

/// A person's executions, oldest first, and how many there are in all.
async fn executions(app: &App, person: &str) -> Result<(Vec<ExecutionRow>, usize), StoreError> {
    let filter = ExecutionFilter { person: Some(person.to_owned()), ..ExecutionFilter::default() };
    let mut page = app.store.executions(filter, 0, MAX_EXECUTIONS).await?;
    page.rows.reverse();
    Ok((page.rows, page.total))
}

fn received(row: &ExecutionRow) -> Value {
    let execution = &row.execution;
    json!({
        "timestamp": shapes::at(execution.at),
        "kind": "received",
        "message": format!(
            "{}/{} was called and answered {}",
            execution.namespace, execution.flow, execution.reply_status
        ),
        "flowId": execution.flow,
        "executionId": execution.id.to_string(),
        "state": shapes::current(row).word(),
    })
}

/// A job at the moment that matters: when it is due, or when it ended.
fn job_entry(job: &Job, flow: &str) -> (i64, Value) {
    let open = matches!(job.state, JobState::Pending | JobState::Sending);
    let at = if open { job.due } else { job.updated };
    let kind = if job.state == JobState::Pending { "scheduled" } else { job.state.word() };
    let why = job.reason.as_ref().map(|reason| format!(": {reason}")).unwrap_or_default();
    let entry = json!({
        "timestamp": shapes::at(at),
        "kind": kind,
        "message": format!("{} to {} {kind}{why}", job.event_type, job.target),
        "flowId": flow,
        "executionId": job.execution.to_string(),
        "taskId": job.event_type,
        "jobId": job.id.to_string(),
    });
    (at, entry)
}
