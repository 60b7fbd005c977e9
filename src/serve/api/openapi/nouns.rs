//! What the API's answers are made of, as JSON Schemas: the looks that `shapes` gives to
//! stored things, told to other programs. A test lets a foreign program hold the answers of
//! a running server against them.

use serde_json::{Map, Value, json};

use super::words::{
    any, count, fields, flag, id, list, named, number, object, or_null, text, time, word,
};
use crate::model::queue::suppression::REASONS;
use crate::model::queue::{ExecutionState, Level};
use crate::model::{AttemptError, JobState};
use crate::serve::api::parameters::DIRECTIONS;

/// Every noun under its name.
pub(super) fn all() -> Map<String, Value> {
    let nouns = [faults(), executions(), jobs(), people(), health()];
    nouns.into_iter().flatten().map(|(name, noun)| (name.to_owned(), noun)).collect()
}

type Nouns = Vec<(&'static str, Value)>;

fn faults() -> Nouns {
    let problem = object([("path", text()), ("message", text())]);
    let mut error = object([
        ("message", text()),
        ("detail", text()),
        ("errors?", list(problem)),
        ("guard?", text()),
        ("seen?", fields()),
    ]);
    error["description"] = json!(
        "What is wrong, as a sentence; `detail` says the same. `errors` lists what does not fit in a payload, `guard` and `seen` what a `require` asked for and saw."
    );
    let accepted = object([("id", id()), ("state", json!({ "const": "CREATED" }))]);
    vec![("Error", error), ("Accepted", accepted)]
}

fn executions() -> Nouns {
    let state = || word(ExecutionState::ALL.map(ExecutionState::word));
    let history = object([("state", state()), ("date", time())]);
    let states = object([
        ("current", state()),
        ("histories", list(history)),
        ("startDate", time()),
        ("endDate?", time()),
        ("duration?", text()),
    ]);
    let label = object([("key", text()), ("value", text())]);
    let trigger = || object([("id", text()), ("type", text())]);
    let answer = object([("status", count()), ("body", any())]);
    let jobs =
        object([("open", count()), ("done", count()), ("failed", count()), ("cancelled", count())]);
    let execution = object([
        ("id", id()),
        ("namespace", text()),
        ("flowId", text()),
        ("flowRevision", count()),
        ("state", states),
        ("labels", list(label)),
        ("trigger", trigger()),
        ("person", or_null(text())),
        ("answer", answer),
        ("jobs", jobs),
        ("rules", text()),
        ("inputs?", any()),
    ]);
    let line = object([
        ("timestamp", time()),
        ("level", word(Level::ALL.map(Level::word))),
        ("message", text()),
        ("namespace", text()),
        ("flowId", text()),
        ("executionId", id()),
        ("taskId", or_null(text())),
    ]);
    let flow = object([
        ("id", text()),
        ("namespace", text()),
        ("revision", count()),
        ("disabled", flag()),
        ("description", or_null(text())),
        ("source", text()),
        ("triggers", list(trigger())),
        ("methods", list(text())),
        ("paths", list(text())),
        ("keyed", flag()),
        ("rules", text()),
    ]);
    vec![("Execution", execution), ("Call", recorded_call()), ("LogLine", line), ("Flow", flow)]
}

fn jobs() -> Nouns {
    let attempt = object([
        ("id", id()),
        ("attempted_at", time()),
        ("webhook_url", text()),
        ("response_status", or_null(count())),
        ("duration_ms", count()),
        ("error", or_null(word(AttemptError::ALL.map(AttemptError::word)))),
        ("error_message", or_null(text())),
        ("response_body", text()),
    ]);
    let job = object([
        ("id", id()),
        ("event_type", text()),
        ("entity_type", or_null(text())),
        ("entity_id", or_null(text())),
        ("webhook_url", text()),
        ("payload", any()),
        ("priority", json!({ "type": "integer" })),
        ("status", word(JobState::ALL.map(JobState::word))),
        ("retry_count", count()),
        ("max_retries", count()),
        ("attempts", count()),
        ("last_error", or_null(text())),
        ("last_status", or_null(count())),
        ("next_attempt_at", or_null(time())),
        ("created_at", time()),
        ("updated_at", time()),
        ("reason", or_null(text())),
        ("service", text()),
        ("execution_id", id()),
        ("retry_history?", list(named("Attempt"))),
    ]);
    let log = object([
        ("id", id()),
        ("direction", word(DIRECTIONS.iter().copied())),
        ("event_type", text()),
        ("created_at", time()),
        ("url", text()),
        ("response_status", or_null(count())),
        ("duration_ms", or_null(count())),
        ("error_message", or_null(text())),
        ("execution_id", or_null(id())),
        ("remote?", or_null(text())),
        ("job_id?", id()),
    ]);
    vec![("Attempt", attempt), ("Job", job), ("WebhookLog", log), ("Counts", counts())]
}

/// Rows that were counted together, under the columns that were asked for.
fn counts() -> Value {
    let column = || or_null(json!({ "type": ["string", "integer"] }));
    let row = object([
        ("status?", column()),
        ("event_type?", column()),
        ("url?", column()),
        ("service?", column()),
        ("reason?", column()),
        ("direction?", column()),
        ("response_status?", column()),
        ("count", count()),
        ("avg_retries?", or_null(number())),
        ("max_retries?", or_null(count())),
        ("avg_duration_ms?", or_null(number())),
        ("max_duration_ms?", or_null(count())),
        ("last_error", or_null(text())),
    ]);
    object([("results", list(row)), ("counted", count()), ("complete", flag())])
}

fn people() -> Nouns {
    let record = object([
        ("name", text()),
        ("id", text()),
        ("fields", fields()),
        ("version", count()),
        ("updated_at", time()),
        ("execution_id?", id()),
    ]);
    let step = || object([("step", text()), ("due", time())]);
    let enrolment = object([
        ("id", id()),
        ("sequence", text()),
        ("key", text()),
        ("person", text()),
        ("state", word(["active", "finished", "stopped", "converted"])),
        ("reason", or_null(text())),
        ("converted_by", or_null(text())),
        ("started_at", time()),
        ("updated_at", time()),
        ("zone", text()),
        ("version", version()),
        ("execution_id", id()),
        ("next", or_null(step())),
        ("reached", list(step())),
        ("plan", list(step())),
    ]);
    let suppression = object([
        ("sha256", text()),
        ("reason", word(REASONS)),
        ("sequence", or_null(text())),
        ("note", text()),
        ("since", time()),
    ]);
    let contact = object([
        ("email", text()),
        ("contact", or_null(fields())),
        ("suppressions", list(named("Suppression"))),
        ("enrolments", list(named("Enrolment"))),
        ("executions", count()),
    ]);
    let email = object([
        ("id", id()),
        ("captured_at", time()),
        ("sequence", text()),
        ("name", text()),
        ("variant", or_null(text())),
        ("from", text()),
        ("to", text()),
        ("subject", text()),
        ("text", text()),
        ("marketing", flag()),
        ("execution_id", id()),
        ("html?", or_null(text())),
    ]);
    let pause = object([
        ("sequence", text()),
        ("person", or_null(text())),
        ("paused_at", time()),
        ("held", count()),
        ("too_late", count()),
    ]);
    let due = object([
        ("id", id()),
        ("due", time()),
        ("event_type", text()),
        ("sequence", or_null(text())),
        ("to", text()),
        ("service", text()),
        ("attempts", count()),
        ("execution_id", id()),
        ("subject", or_null(text())),
        ("variant", or_null(text())),
        ("when", or_null(text())),
        ("stop_when", or_null(text())),
        ("version", or_null(version())),
        ("note", or_null(text())),
    ]);
    let record_name = object([("name", text()), ("schema", or_null(text())), ("total", count())]);
    let file = object([("path", text()), ("text", text())]);
    let rules = object([("hash", text()), ("speed", count()), ("files", list(file))]);
    vec![
        ("Record", record),
        ("RecordName", record_name),
        ("Enrolment", enrolment),
        ("Contact", contact),
        ("Suppression", suppression),
        ("Moment", moment()),
        ("Email", email),
        ("Due", due),
        ("Pause", pause),
        ("Midway", midway()),
        ("Rules", rules),
    ]
}

/// The version of a sequence that somebody follows.
fn version() -> Value {
    object([("hash", text()), ("since", or_null(time())), ("live", flag())])
}

/// An entry of a person's timeline: a call, a line of a log, or a job.
fn moment() -> Value {
    object([
        ("timestamp", time()),
        ("kind", text()),
        ("message", text()),
        ("flowId?", text()),
        ("executionId?", id()),
        ("namespace?", text()),
        ("state?", word(ExecutionState::ALL.map(ExecutionState::word))),
        ("level?", word(Level::ALL.map(Level::word))),
        ("taskId?", or_null(text())),
        ("status?", or_null(count())),
        ("refused?", or_null(fields())),
        ("jobId?", id()),
        ("what?", word(["email", "step", "event", "mirror"])),
        ("sequence?", or_null(text())),
        ("subject?", or_null(text())),
        ("variant?", or_null(text())),
        ("to?", text()),
        ("attempts?", count()),
        ("error?", or_null(text())),
        ("reason?", or_null(text())),
        ("note?", or_null(text())),
    ])
}

/// Somebody in the middle of a sequence, with the payload that they began with.
fn midway() -> Value {
    object([
        ("id", id()),
        ("sequence", text()),
        ("key", text()),
        ("person", text()),
        ("to", text()),
        ("zone", text()),
        ("started_at", time()),
        ("execution_id", id()),
        ("rules", text()),
        ("reached", count()),
        ("plan", list(object([("step", text()), ("due", time())]))),
        ("payload", fields()),
    ])
}

fn health() -> Nouns {
    let config =
        object([("enabled", flag()), ("base_url", or_null(text())), ("security_enabled", flag())]);
    let health = object([
        ("status", word(["healthy", "unhealthy"])),
        ("service", text()),
        ("timestamp", time()),
        ("webhook_config", config),
    ]);
    let ready = object([
        ("status", word(["ready", "not ready"])),
        ("reasons", list(text())),
        ("store", text()),
        ("rules", text()),
        ("queue", word(["running", "paused", "unknown"])),
        ("closed_services", list(text())),
        ("full_services", list(text())),
    ]);
    let rules = object([
        ("state", text()),
        ("hash", text()),
        ("revision", count()),
        ("loaded", time()),
        ("problems", list(fields())),
    ]);
    let service = object([
        ("enabled", flag()),
        ("base_url", or_null(text())),
        ("accepting", flag()),
        ("closed", or_null(text())),
        ("dkim", or_null(object([("name", text()), ("text", text())]))),
    ]);
    let status = object([
        ("rules", rules),
        ("queue", word(["running", "paused"])),
        ("paused_since", or_null(time())),
        ("store", text()),
        ("services", json!({ "type": "object", "additionalProperties": service })),
    ]);
    vec![("Health", health), ("Ready", ready), ("Status", status)]
}

/// A call as it came, with what it was answered and the e-mails that it led to.
fn recorded_call() -> Value {
    let sent = object([("name", text()), ("to", text()), ("subject", text()), ("planned", time())]);
    object([
        ("id", id()),
        ("at", time()),
        ("namespace", text()),
        ("flowId", text()),
        ("record", or_null(text())),
        ("person", or_null(text())),
        ("rules", text()),
        ("answer", object([("status", count()), ("body", any())])),
        ("body", text()),
        ("sent", list(sent)),
    ])
}
