//! One person, oldest first: every call that was about them and why it was answered so, what
//! was remembered, scheduled, sent and left out, and what is still to come.

use std::collections::BTreeSet;

use serde_json::{Value, json};

use super::schedule::{Wanted, schedule};
use super::{at, jobs_of, log_lines, zone};
use crate::base::address;
use crate::model::queue::{CAPTURED, Task};
use crate::model::{Job, JobState, RuleSet};
use crate::serve::app::object;
use crate::store::{ExecutionFilter, ExecutionRow, Store, StoreError};

/// Executions of one person that are looked at, newest first.
const MAX_EXECUTIONS: usize = 200;
/// Coming steps of one person.
const MAX_COMING: usize = 200;

/// A person's timeline as it is `now`; none when nothing is known of them. `results` is oldest first, with
/// what waits at its moment; `upcoming` is every step that is left, as a schedule.
///
/// # Errors
/// The store cannot be read.
pub async fn timeline(
    store: &dyn Store,
    rules: &RuleSet,
    person: &str,
    now: i64,
) -> Result<Option<Value>, StoreError> {
    let person = address::person(person);
    let (executions, total) = executions(store, &person).await?;
    let suppressions = store.suppressions(&person).await?;
    if executions.is_empty() && suppressions.is_empty() {
        return Ok(None);
    }
    let mut entries = Vec::new();
    for row in &executions {
        entries.push((row.execution.at, received(row)));
        for line in log_lines(store, row).await? {
            let entry = json!({
                "timestamp": at(line.at),
                "kind": "log",
                "level": line.level.word(),
                "message": line.message,
                "namespace": row.execution.namespace,
                "flowId": row.execution.flow,
                "executionId": row.execution.id.to_string(),
                "taskId": line.task,
            });
            entries.push((line.at, entry));
        }
        for job in jobs_of(store, row.execution.id).await? {
            entries.push(job_entry(&job, &row.execution.flow));
        }
    }
    for one in suppressions {
        let entry = json!({
            "timestamp": at(one.at),
            "kind": "suppressed",
            "reason": one.reason,
            "message": format!("the address is on the suppression list: {}", one.reason),
            "note": one.note,
        });
        entries.push((one.at, entry));
    }
    // Of what has the same time, the call comes before what it set off; otherwise the order
    // in which it happened stays.
    let rank = |entry: &Value| match entry["kind"].as_str() {
        Some("received") => 0,
        Some("log") => 1,
        _ => 2,
    };
    entries.sort_by_key(|(at, entry)| (*at, rank(entry)));
    let coming = Wanted { person: Some(person.clone()), ..Wanted::all(MAX_COMING) };
    let coming = schedule(store, rules, &coming, now).await?;
    Ok(Some(json!({
        "results": entries.into_iter().map(|(_, entry)| entry).collect::<Value>(),
        "total": total,
        "email": person,
        "zone": zone(rules),
        "complete": executions.len() >= total,
        "upcoming": coming["results"],
    })))
}

/// A person's executions, oldest first, and how many there are in all: those whose payload
/// names them, and those that put them into a sequence.
async fn executions(
    store: &dyn Store,
    person: &str,
) -> Result<(Vec<ExecutionRow>, usize), StoreError> {
    let filter = ExecutionFilter { person: Some(person.to_owned()), ..ExecutionFilter::default() };
    let page = store.executions(filter, 0, MAX_EXECUTIONS).await?;
    let (mut rows, mut total) = (page.rows, page.total);
    let known: BTreeSet<_> = rows.iter().map(|row| row.execution.id).collect();
    for one in store.enrolments_of(person).await? {
        if known.contains(&one.execution) {
            continue;
        }
        if let Some(row) = store.execution(one.execution).await?
            && row.execution.person.as_deref() != Some(person)
            && !rows.iter().any(|found| found.execution.id == one.execution)
        {
            rows.push(row);
            total += 1;
        }
    }
    rows.sort_by_key(|row| row.execution.id);
    Ok((rows, total))
}

fn received(row: &ExecutionRow) -> Value {
    let execution = &row.execution;
    let state = row.progress.history.last().map_or(execution.state, |(state, _)| *state);
    let refused = execution.labels.iter().any(|(key, _)| key == "refused");
    let reply = object(&execution.reply);
    let part = |name: &str| reply.get(name).cloned().unwrap_or(Value::Null);
    let mut entry = json!({
        "timestamp": at(execution.at),
        "kind": "received",
        "message": format!(
            "{}/{} was called and answered {}",
            execution.namespace, execution.flow, execution.reply_status
        ),
        "namespace": execution.namespace,
        "flowId": execution.flow,
        "executionId": execution.id.to_string(),
        "state": state.word(),
        "status": execution.reply_status,
        "refused": null,
    });
    if refused {
        entry["refused"] = json!({
            "message": part("message"), "guard": part("guard"), "seen": part("seen"),
        });
    }
    entry
}

/// A job at the moment that matters: when it is due, or when it ended.
fn job_entry(job: &Job, flow: &str) -> (i64, Value) {
    let open = matches!(job.state, JobState::Pending | JobState::Sending);
    let at = if open { job.due } else { job.updated };
    let kind = match (job.state, job.reason.as_deref()) {
        (JobState::Pending, _) => "scheduled",
        (JobState::Cancelled, Some(CAPTURED)) => CAPTURED,
        (state, _) => state.word(),
    };
    let why = job.reason.as_ref().filter(|_| kind != CAPTURED);
    let why = why.map(|reason| format!(": {reason}")).unwrap_or_default();
    let what = match &job.task {
        Task::Email(_) => "email",
        Task::Step { .. } => "step",
        Task::Event { .. } => "event",
        Task::Mirror { .. } => "mirror",
    };
    let email = match &job.task {
        Task::Email(email) => Some(email),
        _ => None,
    };
    let entry = json!({
        "timestamp": super::at(at),
        "kind": kind,
        "message": format!("{} to {} {kind}{why}", job.event_type, job.target),
        "flowId": flow,
        "executionId": job.execution.to_string(),
        "taskId": job.event_type,
        "jobId": job.id.to_string(),
        "what": what,
        "sequence": job.enrolment.as_ref().map(|(sequence, _)| sequence),
        "subject": email.map(|email| &email.subject),
        "variant": email.and_then(|email| email.variant.as_ref()),
        "to": job.target,
        "attempts": job.attempts,
        "status": job.last_status,
        "error": job.last_error,
        "reason": job.reason,
    });
    (at, entry)
}
