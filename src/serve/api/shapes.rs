//! How the stored nouns look from outside: executions and flows in Kestra's shape, jobs in
//! the columns of the guide's `webhook_queue`, everything else as close to what is stored as
//! JSON allows. Times are UTC with `Z`.

use serde_json::{Map, Value, json};

use crate::model::queue::{EnrolmentState, ExecutionState, LogLine, Suppression, Task};
use crate::model::{Attempt, Enrolment, Execution, Job, JobState, Record};
use crate::serve::app::object;
use crate::serve::settings::{Live, LiveEndpoint};
use crate::store::{ExecutionRow, WebhookLog};

/// The type that Kestra gives a webhook trigger.
const WEBHOOK_TRIGGER: &str = "io.kestra.plugin.core.trigger.Webhook";

pub(super) use crate::base::time::format_millis as at;

/// A number that stands for a rule set: equal numbers mean equal rules. Kestra's revisions
/// are whole numbers, so it is made of the first 28 bits of the rule set's hash.
pub(super) fn revision(hash: &str) -> u32 {
    hash.get(..7).and_then(|digits| u32::from_str_radix(digits, 16).ok()).unwrap_or(0)
}

/// The state an execution is in.
pub(super) fn current(row: &ExecutionRow) -> ExecutionState {
    row.progress.history.last().map_or(row.execution.state, |(state, _)| *state)
}

/// An execution, without the payload it was called with.
pub(super) fn execution(row: &ExecutionRow) -> Value {
    let Execution { id, namespace, flow, rules, labels, reply, .. } = &row.execution;
    let label = |(key, value): &(String, String)| json!({ "key": key, "value": value });
    json!({
        "id": id.to_string(),
        "namespace": namespace,
        "flowId": flow,
        "flowRevision": revision(rules),
        "state": state(row),
        "labels": labels.iter().map(label).collect::<Value>(),
        "trigger": trigger(namespace),
        "person": row.execution.person,
        "answer": {
            "status": row.execution.reply_status,
            "body": serde_json::from_str::<Value>(reply).unwrap_or(Value::Null),
        },
        "jobs": {
            "open": row.progress.open,
            "done": row.progress.done,
            "failed": row.progress.failed,
            "cancelled": row.progress.cancelled,
        },
        "rules": rules,
    })
}

/// What set an execution off. The caller's headers are never repeated here: they may hold
/// credentials.
fn trigger(namespace: &str) -> Value {
    match namespace {
        "events" => json!({ "id": "event", "type": "rulerun.event" }),
        "records" => json!({ "id": "record", "type": "rulerun.record" }),
        _ => json!({ "id": "webhook", "type": WEBHOOK_TRIGGER }),
    }
}

/// Every state that an execution went through. It always begins as CREATED, even when
/// nothing was left to do.
fn state(row: &ExecutionRow) -> Value {
    let began = row.execution.at;
    let mut histories = vec![(ExecutionState::Created, began), (row.execution.state, began)];
    histories.extend(&row.progress.history);
    histories.dedup_by_key(|(state, _)| *state);
    let entry = |(state, since): &(ExecutionState, i64)| json!({ "state": state.word(), "date": at(*since) });
    let mut value = json!({
        "current": current(row).word(),
        "histories": histories.iter().map(entry).collect::<Value>(),
        "startDate": at(began),
    });
    if let Some((_, ended)) = histories.last().filter(|(state, _)| state.is_end()) {
        value["endDate"] = Value::String(at(*ended));
        let lasted = jiff::SignedDuration::from_millis(ended.saturating_sub(began).max(0));
        value["duration"] = Value::String(lasted.to_string());
    }
    value
}

/// A line of an execution's log.
pub(super) fn log(line: &LogLine, execution: &Execution) -> Value {
    json!({
        "timestamp": at(line.at),
        "level": line.level.word(),
        "message": line.message,
        "namespace": execution.namespace,
        "flowId": execution.flow,
        "executionId": execution.id.to_string(),
        "taskId": line.task,
    })
}

/// An endpoint as a flow.
pub(super) fn flow(endpoint: &LiveEndpoint, live: &Live) -> Value {
    let rule = &endpoint.rule;
    json!({
        "id": rule.name,
        "namespace": rule.group.name,
        "revision": revision(&live.rules.hash),
        "disabled": !endpoint.enabled,
        "description": rule.about,
        "source": rule.source,
        "triggers": [{ "id": "webhook", "type": WEBHOOK_TRIGGER }],
        "methods": rule.methods,
        "paths": rule.group.paths,
        "keyed": !endpoint.keys.is_empty(),
        "rules": live.rules.hash,
    })
}

/// A job in the guide's columns.
pub(super) fn job(job: &Job, live: &Live) -> Value {
    let retries = live.services.get(&job.lane).map_or(0, |service| service.retry.len());
    json!({
        "id": job.id.to_string(),
        "event_type": job.event_type,
        "entity_type": job.entity_type,
        "entity_id": job.entity_id,
        "webhook_url": job.target,
        "payload": payload(&job.task),
        "priority": job.priority,
        "status": job.state.word(),
        "retry_count": job.retries,
        "max_retries": retries,
        "attempts": job.attempts,
        "last_error": job.last_error,
        "last_status": job.last_status,
        "next_attempt_at": (job.state == JobState::Pending).then(|| at(job.due)),
        "created_at": at(job.created),
        "updated_at": at(job.updated),
        "reason": job.reason,
        "service": job.lane,
        "execution_id": job.execution.to_string(),
    })
}

/// What a job carries, in brief.
fn payload(task: &Task) -> Value {
    match task {
        Task::Event { body, .. } => serde_json::from_slice(body).unwrap_or(Value::Null),
        Task::Email(email) => json!({ "to": email.to, "subject": email.subject }),
        Task::Step { sequence, key, step, .. } => {
            json!({ "sequence": sequence, "key": key, "step": step })
        }
        Task::Mirror { record, id } => json!({ "record": record, "id": id }),
    }
}

/// One try to do a job.
pub(super) fn attempt(attempt: &Attempt) -> Value {
    json!({
        "id": attempt.id.to_string(),
        "attempted_at": at(attempt.id.millis()),
        "webhook_url": attempt.target,
        "response_status": attempt.status,
        "duration_ms": attempt.duration_ms,
        "error": attempt.error.map(crate::model::AttemptError::word),
        "error_message": attempt.message,
        "response_body": attempt.reply,
    })
}

/// A call or a try, in the columns of the guide's `webhook_logs`.
pub(super) fn webhook_log(log: &WebhookLog) -> Value {
    let (id, direction, event_type) = match log {
        WebhookLog::Accepted(call) => (call.id, "incoming", call.flow.as_str()),
        WebhookLog::Refused(call) => {
            let name = call.endpoint.rsplit('/').next().unwrap_or_default();
            (call.id, "incoming", name)
        }
        WebhookLog::Attempt(tried) => (tried.id, "outgoing", tried.event_type.as_str()),
    };
    let mut row = json!({
        "id": id.to_string(),
        "direction": direction,
        "event_type": event_type,
        "created_at": at(id.millis()),
    });
    let rest = match log {
        WebhookLog::Accepted(call) => json!({
            "url": format!("{}/{}", call.namespace, call.flow),
            "response_status": call.reply_status,
            "duration_ms": null,
            "error_message": refusal(call),
            "execution_id": call.id.to_string(),
            "remote": call.remote,
        }),
        WebhookLog::Refused(call) => json!({
            "url": call.endpoint,
            "response_status": call.status,
            "duration_ms": call.duration_ms,
            "error_message": call.message,
            "execution_id": null,
            "remote": call.remote,
        }),
        WebhookLog::Attempt(tried) => json!({
            "url": tried.target,
            "response_status": tried.status,
            "duration_ms": tried.duration_ms,
            "error_message": tried.message,
            "execution_id": tried.execution.to_string(),
            "job_id": tried.job.to_string(),
        }),
    };
    if let (Value::Object(row), Value::Object(rest)) = (&mut row, rest) {
        row.extend(rest);
    }
    row
}

/// Why a rule refused a call, if one did.
fn refusal(call: &Execution) -> Option<String> {
    let reply = object(&call.reply);
    let text = reply.get("message").and_then(Value::as_str).map(str::to_owned);
    (call.state == ExecutionState::Cancelled).then_some(text).flatten()
}

/// Remembered data.
pub(super) fn record(record: &Record) -> Value {
    json!({
        "name": record.name,
        "id": record.id,
        "fields": Value::Object(object(&record.fields)),
        "version": record.version,
        "updated_at": at(record.updated),
    })
}

/// One person in one sequence.
pub(super) fn enrolment(enrolment: &Enrolment, version: &Value) -> Value {
    let (state, reason) = match &enrolment.state {
        EnrolmentState::Active => ("active", None),
        EnrolmentState::Finished => ("finished", None),
        EnrolmentState::Stopped(reason) => ("stopped", Some(reason)),
        EnrolmentState::Converted { reason, .. } => ("converted", Some(reason)),
    };
    let converted_by = match &enrolment.state {
        EnrolmentState::Converted { step, .. } => step.as_ref(),
        _ => None,
    };
    let step = |(name, due): &(String, i64)| json!({ "step": name, "due": at(*due) });
    let reached = enrolment.next as usize;
    json!({
        "id": enrolment.id.to_string(),
        "sequence": enrolment.sequence,
        "key": enrolment.key,
        "person": enrolment.person,
        "state": state,
        "reason": reason,
        "converted_by": converted_by,
        "started_at": at(enrolment.started),
        "updated_at": at(enrolment.updated),
        "zone": enrolment.zone,
        "version": version,
        "execution_id": enrolment.execution.to_string(),
        "next": enrolment.upcoming().map(step),
        "reached": enrolment.plan.iter().take(reached).map(step).collect::<Value>(),
        "plan": enrolment.plan.iter().map(step).collect::<Value>(),
    })
}

/// Why an address gets no (marketing) e-mail.
pub(super) fn suppression(entry: &Suppression) -> Value {
    json!({
        "sha256": entry.who.to_string(),
        "reason": entry.reason,
        "sequence": entry.sequence,
        "note": entry.note,
        "since": at(entry.at),
    })
}

/// An e-mail that was captured instead of sent; nothing for any other job.
pub(super) fn captured(job: &Job) -> Option<Value> {
    let Task::Email(email) = &job.task else { return None };
    Some(json!({
        "id": job.id.to_string(),
        "captured_at": at(job.updated),
        "sequence": email.sequence,
        "name": email.name,
        "variant": email.variant,
        "from": email.from,
        "to": email.to,
        "subject": email.subject,
        "text": email.text,
        "marketing": email.marketing,
        "execution_id": job.execution.to_string(),
    }))
}

/// A list with how many there are in all.
pub(super) fn page(results: impl IntoIterator<Item = Value>, total: usize) -> Value {
    json!({ "results": results.into_iter().collect::<Value>(), "total": total })
}

/// The stored body of a call as the inputs of its execution.
pub(super) fn inputs(body: Option<Vec<u8>>) -> Value {
    let parsed = body.and_then(|body| serde_json::from_slice(&body).ok());
    parsed.unwrap_or_else(|| Value::Object(Map::new()))
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::base::Id;
    use crate::model::queue::Progress;

    fn row(state: ExecutionState, history: &[(ExecutionState, i64)]) -> ExecutionRow {
        ExecutionRow {
            execution: Execution {
                id: Id::new(1_000, &[1; 10]),
                namespace: "christmas".into(),
                flow: "signup-handler".into(),
                at: 1_000,
                rules: "0123456789abcdef".into(),
                person: None,
                labels: vec![("refused".into(), "422".into())],
                reply_status: 200,
                reply: String::new(),
                logs: Vec::new(),
                state,
                remote: None,
            },
            progress: Progress { history: history.to_vec(), ..Progress::default() },
        }
    }

    #[test]
    fn an_execution_has_kestras_state_object() {
        let shape = execution(&row(
            ExecutionState::Created,
            &[(ExecutionState::Running, 1_500), (ExecutionState::Success, 63_500)],
        ));
        assert_eq!(shape["flowId"], "signup-handler");
        assert_eq!(shape["labels"], json!([{ "key": "refused", "value": "422" }]));
        assert_eq!(
            shape["state"],
            json!({
                "current": "SUCCESS",
                "histories": [
                    { "state": "CREATED", "date": "1970-01-01T00:00:01Z" },
                    { "state": "RUNNING", "date": "1970-01-01T00:00:01.5Z" },
                    { "state": "SUCCESS", "date": "1970-01-01T00:01:03.5Z" },
                ],
                "startDate": "1970-01-01T00:00:01Z",
                "endDate": "1970-01-01T00:01:03.5Z",
                "duration": "PT1M2.5S",
            })
        );
    }

    #[test]
    fn an_execution_that_waits_has_no_end() {
        let state = &execution(&row(ExecutionState::Created, &[]))["state"];
        assert_eq!(state["current"], "CREATED");
        assert!(state.get("endDate").is_none() && state.get("duration").is_none());
        let done = &execution(&row(ExecutionState::Success, &[]))["state"];
        assert_eq!(done["histories"].as_array().map(Vec::len), Some(2));
        assert_eq!(done["duration"], "PT0S");
    }

    #[test]
    fn equal_rules_have_equal_revisions() {
        assert_eq!(revision("0123456789abcdef"), 0x0012_3456);
        assert_eq!(revision("short"), 0);
        assert_eq!(revision(""), 0);
    }
}
