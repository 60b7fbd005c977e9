//! Answers of the ingress: JSON bodies, errors in the one shape that both replaced systems'
//! callers read, and CORS headers.

use bytes::Bytes;
use http_body_util::{Either, Full};
use hyper::header::{
    ACCESS_CONTROL_ALLOW_HEADERS, ACCESS_CONTROL_ALLOW_METHODS, ACCESS_CONTROL_ALLOW_ORIGIN,
    ACCESS_CONTROL_MAX_AGE, ALLOW, CONTENT_TYPE, HeaderName, HeaderValue, ORIGIN, RETRY_AFTER,
    VARY,
};
use hyper::{HeaderMap, Response, StatusCode};
use serde_json::{Value, json};

use crate::engine::Reply;
use crate::model::rules::Endpoint;

/// The body of every answer: a short text, or whatever the API streams.
pub type Body = Either<Full<Bytes>, axum::body::Body>;
/// An answer.
pub type Answer = Response<Body>;

/// Seconds that a refused caller is asked to wait when the server is full.
const RETRY_SECONDS: u32 = 2;
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
    json_answer(status, &json!({ "message": text, "detail": text }))
}

/// The one answer for unknown addresses and wrong keys.
#[must_use]
pub fn not_found() -> Answer {
    error(404, "Not Found: Webhook not found")
}

/// Too much, or not now.
#[must_use]
pub fn busy(status: u16, text: &str) -> Answer {
    let mut answer = error(status, text);
    answer.headers_mut().insert(RETRY_AFTER, HeaderValue::from(RETRY_SECONDS));
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
    let errors: Vec<Value> = problems
        .iter()
        .map(|problem| json!({ "path": problem.path, "message": problem.message }))
        .collect();
    let text = match problems {
        [one] => format!("The payload does not fit: {}", one.message),
        more => format!("The payload does not fit, for {} reasons: {}", more.len(), list(more)),
    };
    json_answer(422, &json!({ "message": text, "detail": text, "errors": errors }))
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
