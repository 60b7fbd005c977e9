//! Answers of the ingress: JSON bodies, errors in the one shape that both replaced systems'
//! callers read, and CORS headers.

use std::sync::atomic::{AtomicU64, Ordering};

use bytes::Bytes;
use http_body_util::{Either, Full};
use hyper::header::{
    ACCESS_CONTROL_ALLOW_HEADERS, ACCESS_CONTROL_ALLOW_METHODS, ACCESS_CONTROL_ALLOW_ORIGIN,
    ACCESS_CONTROL_MAX_AGE, ALLOW, CONNECTION, CONTENT_TYPE, HeaderName, HeaderValue, ORIGIN,
    RETRY_AFTER, VARY,
};
use hyper::{HeaderMap, Response, StatusCode};
use serde_json::{Value, json};

use crate::engine::Reply;
use crate::model::rules::Endpoint;

/// The body of every answer: a short text, or whatever the API streams.
pub type Body = Either<Full<Bytes>, axum::body::Body>;
/// An answer.
pub type Answer = Response<Body>;

/// Too much is going on at once.
pub const BUSY: &str = "The server is busy; please try again.";
/// The store does not take anything at the moment.
pub const CANNOT_STORE: &str = "The server cannot store this at the moment; please try again.";
/// Waits of refused callers are spread over so many seconds.
const SPREAD: u64 = 5;

/// Sees to it that whoever is refused for the moment knows when to come again, and that not
/// all of them come at once. Every answer of the server passes here.
#[derive(Debug, Default)]
pub struct Spread {
    given: AtomicU64,
}

impl Spread {
    /// So many seconds from now, or up to four more: callers take turns.
    #[must_use]
    pub fn seconds(&self, least: u64) -> u64 {
        least.saturating_add(self.given.fetch_add(1, Ordering::Relaxed) % SPREAD)
    }

    /// Puts `Retry-After` on every 429 and 503, not before what it says already. A server that
    /// stops asks the caller to connect anew, to whoever serves then.
    pub fn finish(&self, answer: &mut Answer, draining: bool) {
        if draining {
            answer.headers_mut().insert(CONNECTION, HeaderValue::from_static("close"));
        }
        if matches!(answer.status().as_u16(), 429 | 503) {
            let said = answer.headers().get(RETRY_AFTER).and_then(|said| said.to_str().ok());
            let least = said.and_then(|said| said.parse().ok()).unwrap_or(1);
            let seconds = self.seconds(least.max(1));
            answer.headers_mut().insert(RETRY_AFTER, HeaderValue::from(seconds));
        }
    }
}

/// Seconds that a caller is asked to wait when too much waits for a service.
pub const CROWDED_SECONDS: &str = "30";

/// A JSON answer; null is an empty body.
#[must_use]
pub fn json_answer(status: u16, body: &Value) -> Answer {
    let text = if body.is_null() { String::new() } else { body.to_string() };
    let empty = text.is_empty();
    let mut answer = Response::new(Either::Left(Full::new(Bytes::from(text))));
    *answer.status_mut() =
        StatusCode::from_u16(status).unwrap_or(StatusCode::INTERNAL_SERVER_ERROR);
    if !empty {
        answer.headers_mut().insert(CONTENT_TYPE, HeaderValue::from_static("application/json"));
    }
    answer
}

/// What a rule answers.
#[must_use]
pub fn reply(reply: &Reply) -> Answer {
    json_answer(reply.status, &reply.body)
}

/// An error in the shape that Kestra's callers (`message`) and n8n's (`detail`) read.
#[must_use]
pub fn error(status: u16, text: &str) -> Answer {
    json_answer(status, &error_body(text))
}

/// The body of such an error.
#[must_use]
pub fn error_text(text: &str) -> String {
    error_body(text).to_string()
}

fn error_body(text: &str) -> Value {
    json!({ "message": text, "detail": text })
}

/// The one answer for unknown addresses and wrong keys.
#[must_use]
pub fn not_found() -> Answer {
    error(404, "Not Found: Webhook not found")
}

/// Too many calls in a time; the endpoint takes one again in so many seconds.
#[must_use]
pub fn too_many(text: &str, seconds: u64) -> Answer {
    let mut answer = error(429, text);
    answer.headers_mut().insert(RETRY_AFTER, HeaderValue::from(seconds));
    answer
}

/// Too much waits for a service to which the call would send something. What is said names
/// the service, so that its owner knows where to look.
#[must_use]
pub fn crowded(service: &str) -> Answer {
    let mut answer = error(429, &crowded_text(service));
    answer.headers_mut().insert(RETRY_AFTER, HeaderValue::from_static(CROWDED_SECONDS));
    answer
}

/// The same as a sentence.
#[must_use]
pub fn crowded_text(service: &str) -> String {
    format!(
        "Too much waits to be sent to `{service}`; nothing of this call was kept, so please send \
         it again later."
    )
}

/// A method that the endpoint does not answer.
#[must_use]
pub fn wrong_method(methods: &[String]) -> Answer {
    let allowed = methods.join(", ");
    let mut answer = error(405, &format!("This address answers {allowed} only."));
    if let Ok(value) = HeaderValue::from_str(&allowed) {
        answer.headers_mut().insert(ALLOW, value);
    }
    answer
}

/// A payload that does not fit, with every problem.
#[must_use]
pub fn misfit(problems: &[crate::payload::Problem]) -> Answer {
    json_answer(422, &misfit_body(problems))
}

/// The body of that answer.
#[must_use]
pub fn misfit_body(problems: &[crate::payload::Problem]) -> Value {
    let errors: Vec<Value> = problems
        .iter()
        .map(|problem| json!({ "path": problem.path, "message": problem.message }))
        .collect();
    let text = match problems {
        [one] => format!("The payload does not fit: {}", one.message),
        more => format!("The payload does not fit, for {} reasons: {}", more.len(), list(more)),
    };
    json!({ "message": text, "detail": text, "errors": errors })
}

fn list(problems: &[crate::payload::Problem]) -> String {
    let texts: Vec<&str> =
        problems.iter().take(5).map(|problem| problem.message.as_str()).collect();
    texts.join("; ")
}

/// Answers a browser's question whether it may call. Nothing runs.
#[must_use]
pub fn preflight(endpoint: &Endpoint, headers: &HeaderMap) -> Answer {
    let mut answer = json_answer(204, &Value::Null);
    allow_origin(endpoint, headers, &mut answer);
    if answer.headers().contains_key(ACCESS_CONTROL_ALLOW_ORIGIN) {
        let mut named = vec!["content-type".to_owned(), "idempotency-key".to_owned()];
        named.extend(endpoint.access.headers.iter().map(|(name, _)| name.to_ascii_lowercase()));
        set(&mut answer, ACCESS_CONTROL_ALLOW_METHODS, &endpoint.methods.join(", "));
        set(&mut answer, ACCESS_CONTROL_ALLOW_HEADERS, &named.join(", "));
        set(&mut answer, ACCESS_CONTROL_MAX_AGE, "600");
    }
    answer
}

/// Lets a listed origin read the answer.
pub fn allow_origin(endpoint: &Endpoint, headers: &HeaderMap, answer: &mut Answer) {
    if endpoint.access.origins.is_empty() {
        return;
    }
    answer.headers_mut().insert(VARY, HeaderValue::from_static("Origin"));
    let Some(origin) = headers.get(ORIGIN) else { return };
    if endpoint.access.origins.iter().any(|allowed| allowed.as_bytes() == origin.as_bytes()) {
        answer.headers_mut().insert(ACCESS_CONTROL_ALLOW_ORIGIN, origin.clone());
    }
}

fn set(answer: &mut Answer, name: HeaderName, value: &str) {
    if let Ok(value) = HeaderValue::from_str(value) {
        answer.headers_mut().insert(name, value);
    }
}
