//! Outgoing events, reported by the backend or set off by hand for a test.

use std::sync::Arc;

use axum::extract::State;
use axum::http::{HeaderValue, StatusCode};
use axum::response::Response;
use bytes::Bytes;
use serde_json::{Map, Value, json};
use sha2::{Digest as _, Sha256};

use super::answer::{Answer, At, Caller, Fault, Sent, did_you_mean, json_response, reply};
use super::parameters;
use super::query::Asked;
use crate::model::commit::IdempotencyKey;
use crate::model::rules::Event;
use crate::model::{Call, Origin};
use crate::serve::app::{Accepted, App};
use crate::serve::journal::Kind;
use crate::serve::settings::Live;

/// How long an idempotency key binds, in milliseconds: a day.
const KEY_BINDS: i64 = 86_400_000;
/// What the guide's test call may carry.
const TEST_FIELDS: [&str; 3] = ["event_type", "lead_id", "data"];

/// `POST /events/{name}`: queues an event once its payload fits its schema.
pub(super) async fn send(
    State(app): State<Arc<App>>,
    At(name): At<String>,
    asked: Asked,
    caller: Caller,
    sent: Sent,
) -> Answer {
    asked.only(parameters::NONE)?;
    let live = app.live.load_full();
    let event = find(&live, &name)?;
    let note = json!({ "event": name });
    let payload = match check(&event, sent.fields) {
        Ok(payload) => payload,
        // It may have been taken before its schema became narrower.
        Err(refusal) => {
            let keys = keys(&app, &name, caller.key, &sent.raw);
            return match app.known(app.millis(), keys).await? {
                Some(before) => told(&app, before, note),
                None => Err(refusal),
            };
        }
    };
    let origin = Origin::Event { event };
    queue(&app, &live, origin, payload, sent.raw, caller, note).await
}

/// `POST /test/trigger-webhook`: the guide's test call. Its `data` is sent as it is, with the
/// `lead_id`, and no schema is looked at.
pub(super) async fn test(
    State(app): State<Arc<App>>,
    asked: Asked,
    caller: Caller,
    sent: Sent,
) -> Answer {
    asked.only(parameters::NONE)?;
    let live = app.live.load_full();
    let (name, payload) = test_payload(sent.fields)?;
    let event = find(&live, &name)?;
    let body = Bytes::from(Value::Object(payload.clone()).to_string());
    let note = json!({
        "event": name,
        "payload": payload,
        "message": format!("Queued `{name}` for a test; its payload was not checked against a schema."),
    });
    let origin = Origin::Event { event };
    queue(&app, &live, origin, payload, body, caller, note).await
}

fn find(live: &Live, name: &str) -> Result<Arc<Event>, Fault> {
    let known = live.rules.events.keys().map(String::as_str);
    live.rules.events.get(name).cloned().ok_or_else(|| Fault::unknown("event", name, known))
}

fn check(event: &Event, fields: Map<String, Value>) -> Result<Map<String, Value>, Fault> {
    let Some(schema) = &event.schema else { return Ok(fields) };
    let payload = Value::Object(fields);
    let problems = schema.checker.check(&payload);
    match payload {
        Value::Object(fields) if problems.is_empty() => Ok(fields),
        _ => Err(Fault::unfit(&schema.name, problems)),
    }
}

/// The event and the payload of a test call: `data` laid over the `lead_id`.
fn test_payload(mut fields: Map<String, Value>) -> Result<(String, Map<String, Value>), Fault> {
    if let Some(other) = fields.keys().find(|name| !TEST_FIELDS.contains(&name.as_str())) {
        let hint = did_you_mean(other, TEST_FIELDS);
        return Err(Fault::bad(format!("The field `{other}` is not known here. {hint}")));
    }
    let Some(Value::String(name)) = fields.remove("event_type") else {
        return Err(Fault::bad(
            "`event_type` must name the event to send, such as \"lead_scraped\".",
        ));
    };
    let mut payload = Map::new();
    payload.extend(fields.remove_entry("lead_id"));
    match fields.remove("data") {
        Some(Value::Object(data)) => payload.extend(data),
        None | Some(Value::Null) => {}
        Some(_) => return Err(Fault::bad("`data` must be a JSON object.")),
    }
    Ok((name, payload))
}

/// Makes the event durable and answers 202 with the execution's id, followed by `note`.
async fn queue(
    app: &App,
    live: &Live,
    origin: Origin,
    payload: Map<String, Value>,
    body: Bytes,
    caller: Caller,
    note: Value,
) -> Answer {
    let call = Call { id: app.new_id(), at: app.now(), origin, payload };
    let name = note["event"].as_str().unwrap_or_default();
    let keys = keys(app, name, caller.key, &body);
    told(app, app.accept(live, &call, body, keys, caller.remote).await?, note)
}

/// What would make another call the same as this one.
fn keys(app: &App, event: &str, key: Option<String>, body: &[u8]) -> Vec<IdempotencyKey> {
    let key = key.map(|key| IdempotencyKey {
        endpoint: format!("api/events/{event}"),
        key: format!("key:{key}"),
        body: Sha256::digest(body).into(),
        expires: app.millis().saturating_add(KEY_BINDS),
    });
    key.into_iter().collect()
}

/// Answers what became of an event, followed by `note`, and tells the journal.
fn told(app: &App, accepted: Accepted, note: Value) -> Answer {
    let name = note["event"].as_str().unwrap_or_default();
    match accepted {
        Accepted::Done(_, id, set_off) => {
            app.journal.say(Kind::Accepted, &format!("event {name}"));
            app.journal.steps(&set_off);
            Ok(queued(&id.to_string(), note))
        }
        Accepted::Replayed(_, id) => {
            app.journal.say(Kind::Repeated, &format!("event {name}"));
            let mut response = queued(&id.to_string(), note);
            let yes = HeaderValue::from_static("true");
            response.headers_mut().insert("idempotent-replay", yes);
            Ok(response)
        }
        Accepted::Refused(refusal) => Ok(reply(&refusal)),
        Accepted::KeyReused => Err(Fault::conflict(
            "This Idempotency-Key was used before with another body; use a new one.",
        )),
        Accepted::Crowded(service) => Err(Fault::crowded(&service)),
    }
}

fn queued(id: &str, note: Value) -> Response {
    let mut body = json!({ "id": id, "state": "CREATED" });
    if let (Value::Object(body), Value::Object(note)) = (&mut body, note) {
        body.extend(note);
    }
    json_response(StatusCode::ACCEPTED, &body)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn read(body: Value) -> Result<(String, Value), Fault> {
        let Value::Object(fields) = body else { panic!("an object") };
        test_payload(fields).map(|(name, payload)| (name, Value::Object(payload)))
    }

    #[test]
    fn the_guides_test_body_becomes_a_payload() {
        let body = json!({ "event_type": "lead_scraped", "lead_id": 123, "data": { "name": "Test Lead" } });
        let expected =
            (String::from("lead_scraped"), json!({ "lead_id": 123, "name": "Test Lead" }));
        assert_eq!(read(body).ok(), Some(expected));
        let over = json!({ "event_type": "x", "lead_id": 1, "data": { "lead_id": 2 } });
        assert_eq!(read(over).ok().map(|(_, payload)| payload), Some(json!({ "lead_id": 2 })));
        assert!(read(json!({ "event_type": "x" })).is_ok());
    }

    #[test]
    fn a_test_body_that_would_be_half_ignored_is_refused() {
        for body in [
            json!({}),
            json!({ "event_type": 5 }),
            json!({ "event_type": "x", "data": "text" }),
            json!({ "event_type": "x", "date": {} }),
        ] {
            assert!(read(body.clone()).is_err(), "{body}");
        }
    }
}
