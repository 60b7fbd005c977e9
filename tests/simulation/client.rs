//! Callers: one HTTP call over a connection within the process, and what its answer promises.

use std::sync::Arc;

use rulerun::base::Id;
use rulerun::model::queue::EnrolmentState;
use rulerun::store::Store as _;
use serde_json::{Value, json};
use tokio::io::{AsyncReadExt as _, AsyncWriteExt as _, DuplexStream};

use super::book::Shared;

const HOUR: i64 = 3_600_000;

/// A call.
#[derive(Clone, Debug)]
pub(crate) struct Call {
    pub(crate) endpoint: &'static str,
    pub(crate) person: &'static str,
    pub(crate) number: u64,
    /// Its idempotency key.
    pub(crate) key: Option<String>,
}

/// Makes a call and remembers what its answer promises.
pub(crate) async fn call(shared: Arc<Shared>, mut stream: DuplexStream, call: Call) {
    let body = json!({ "email": call.person, "number": call.number }).to_string();
    let key = call.key.as_ref().map(|key| format!("idempotency-key: {key}\r\n"));
    let request = format!(
        "POST /t/{} HTTP/1.1\r\nhost: a\r\ncontent-type: application/json\r\n\
         content-length: {}\r\nconnection: close\r\n{}\r\n{body}",
        call.endpoint,
        body.len(),
        key.unwrap_or_default(),
    );
    let mut answer = String::new();
    let sent = stream.write_all(request.as_bytes()).await.is_ok();
    let whole = sent && stream.read_to_string(&mut answer).await.is_ok();
    let parsed = answer.split_once("\r\n\r\n").filter(|_| whole);
    let name = format!("{} {} {:?}", call.endpoint, call.number, call.key);
    let Some((head, body)) = parsed else {
        shared.note(&format!("{name}: no answer"));
        shared.book().unanswered += 1;
        return;
    };
    let status: u16 = head.split(' ').nth(1).and_then(|status| status.parse().ok()).unwrap();
    shared.note(&format!("{name}: {status} {body}"));
    match status {
        200..=299 => accepted(&shared, &call, body).await,
        503 if head.contains("retry-after: ") => {}
        409 if call.key.is_some() => {}
        _ => shared.broken(&format!("{name} was answered with {status}")),
    }
}

async fn accepted(shared: &Shared, call: &Call, body: &str) {
    let body: Value = serde_json::from_str(body).unwrap();
    let id: Id = body["id"].as_str().unwrap().parse().unwrap();
    let store = shared.store();
    if store.execution(id).await.unwrap().is_none() {
        shared.broken(&format!("I1: the call {id} was answered and is not stored"));
    }
    let now = shared.clock.millis();
    let mut twice = false;
    {
        let mut book = shared.book();
        book.acked.insert(id, call.endpoint);
        if let Some(key) = &call.key {
            // A key binds for a day from the call on that an id tells the time of.
            match book.keys.get(key).copied() {
                Some(known) if now - known.millis() < 23 * HOUR => twice = known != id,
                _ => drop(book.keys.insert(key.clone(), id)),
            }
        }
    }
    if twice {
        shared.broken(&format!("I3: {:?} was accepted twice, last as {id}", call.key));
    }
    if call.endpoint == "leave" {
        left(shared, call.person).await;
    }
}

/// From the answer to a stop on, nobody begins to send what it has stopped.
async fn left(shared: &Shared, person: &str) {
    let enrolments = shared.store().enrolments_of(person).await.unwrap();
    let now = shared.clock.elapsed();
    let mut book = shared.book();
    for enrolment in enrolments {
        if matches!(enrolment.state, EnrolmentState::Stopped(_)) {
            for (step, _) in &enrolment.plan {
                let letter = book.letters.entry(enrolment.job_id(step)).or_default();
                letter.over.get_or_insert(now);
            }
        }
    }
}
