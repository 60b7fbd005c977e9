//! What the API answers: JSON, one way to say that something is wrong, and the wrappers
//! through which handlers see a request, so that even a broken address or body gets an
//! answer in the same shape.

use axum::body::Body;
use axum::extract::{FromRequest, FromRequestParts, Path, Request};
use axum::http::request::Parts;
use axum::http::{HeaderName, HeaderValue, StatusCode, header};
use axum::response::{IntoResponse, Response};
use bytes::Bytes;
use serde::de::DeserializeOwned;
use serde_json::{Map, Value, json};

use super::Peer;
use crate::base::diagnostic::closest;
use crate::engine::Reply;
use crate::payload::{self, Problem};
use crate::serve::ingress::answer as ingress;
use crate::serve::ingress::body::BodyFault;
use crate::serve::ingress::key;
use crate::store::StoreError;

/// Largest body that is read, in bytes.
const MAX_BODY: usize = 256 * 1024;
/// So many known names are listed when none is close to an unknown one.
const NAMES_SHOWN: usize = 12;

/// What every handler answers.
pub(super) type Answer = Result<Response, Fault>;

/// Something is wrong: a status, a sentence for its reader, and what goes with it.
#[derive(Debug)]
pub(super) struct Fault {
    status: StatusCode,
    message: String,
    errors: Vec<Problem>,
    header: Option<(HeaderName, &'static str)>,
}

impl Fault {
    pub(super) fn new(status: StatusCode, message: impl Into<String>) -> Self {
        Self { status, message: message.into(), errors: Vec::new(), header: None }
    }

    /// 400.
    pub(super) fn bad(message: impl Into<String>) -> Self {
        Self::new(StatusCode::BAD_REQUEST, message)
    }

    /// 404.
    pub(super) fn missing(message: impl Into<String>) -> Self {
        Self::new(StatusCode::NOT_FOUND, message)
    }

    /// 409.
    pub(super) fn conflict(message: impl Into<String>) -> Self {
        Self::new(StatusCode::CONFLICT, message)
    }

    /// 404 for a name that is not declared, with the name that was probably meant.
    pub(super) fn unknown<'a>(
        kind: &str,
        given: &str,
        known: impl IntoIterator<Item = &'a str>,
    ) -> Self {
        Self::missing(format!("There is no {kind} `{given}`. {}", did_you_mean(given, known)))
    }

    /// 422 with every problem of a payload.
    pub(super) fn unfit(schema: &str, errors: Vec<Problem>) -> Self {
        let count = match errors.len() {
            1 => String::from("one problem"),
            many => format!("{many} problems"),
        };
        let message = format!("The payload does not fit the schema `{schema}`: {count}.");
        Self { errors, ..Self::new(StatusCode::UNPROCESSABLE_ENTITY, message) }
    }

    /// 429: too much waits for a service.
    pub(super) fn crowded(service: &str) -> Self {
        Self::new(StatusCode::TOO_MANY_REQUESTS, ingress::crowded_text(service))
            .with(header::RETRY_AFTER, ingress::CROWDED_SECONDS)
    }

    /// The same with a header.
    pub(super) fn with(mut self, name: HeaderName, value: &'static str) -> Self {
        self.header = Some((name, value));
        self
    }
}

impl IntoResponse for Fault {
    fn into_response(self) -> Response {
        let mut body = json!({ "message": self.message, "detail": self.message });
        if !self.errors.is_empty() {
            body["errors"] = problems(&self.errors);
        }
        let mut response = json_response(self.status, &body);
        if let Some((name, value)) = self.header {
            response.headers_mut().insert(name, HeaderValue::from_static(value));
        }
        response
    }
}

impl From<StoreError> for Fault {
    fn from(error: StoreError) -> Self {
        match error {
            StoreError::Damaged(_) => {
                Self::new(StatusCode::INTERNAL_SERVER_ERROR, sentence(&error.to_string()))
            }
            StoreError::Backup(_) => Self::conflict(sentence(&error.to_string())),
            _ => Self::new(
                StatusCode::SERVICE_UNAVAILABLE,
                format!("{} Try again in a moment.", sentence(&error.to_string())),
            ),
        }
    }
}

fn sentence(text: &str) -> String {
    let mut letters = text.chars();
    let first = letters.next().map(|first| first.to_uppercase().to_string());
    format!("{}{}.", first.unwrap_or_default(), letters.as_str())
}

fn problems(found: &[Problem]) -> Value {
    let one = |problem: &Problem| json!({ "path": problem.path, "message": problem.message });
    found.iter().map(one).collect()
}

/// "Did you mean …?", or the names that there are.
pub(super) fn did_you_mean<'a>(given: &str, known: impl IntoIterator<Item = &'a str>) -> String {
    let known: Vec<&str> = known.into_iter().collect();
    if let Some(meant) = closest(given, known.iter().copied()) {
        return format!("Did you mean `{meant}`?");
    }
    if known.is_empty() {
        return String::from("None is declared.");
    }
    let more = if known.len() > NAMES_SHOWN { ", …" } else { "" };
    let shown: Vec<String> =
        known.iter().take(NAMES_SHOWN).map(|name| format!("`{name}`")).collect();
    format!("There is {}{more}.", shown.join(", "))
}

/// A JSON answer.
pub(super) fn json_response(status: StatusCode, body: &Value) -> Response {
    let mut response = Response::new(Body::from(body.to_string()));
    *response.status_mut() = status;
    let kind = HeaderValue::from_static("application/json");
    response.headers_mut().insert(header::CONTENT_TYPE, kind);
    // What is in here is about persons: nothing on the way may keep it.
    response.headers_mut().insert(header::CACHE_CONTROL, HeaderValue::from_static("no-store"));
    response
}

/// 200 with JSON, as the last line of a handler.
#[expect(clippy::unnecessary_wraps, reason = "a handler ends with it")]
pub(super) fn ok(body: &Value) -> Answer {
    Ok(json_response(StatusCode::OK, body))
}

/// What the rules themselves answer.
pub(super) fn reply(reply: &Reply) -> Response {
    let status = StatusCode::from_u16(reply.status).unwrap_or(StatusCode::OK);
    if reply.body.is_null() {
        return status.into_response();
    }
    json_response(status, &reply.body)
}

/// The values in an address, decoded.
#[derive(Debug)]
pub(super) struct At<T>(pub(super) T);

impl<S: Send + Sync, T: DeserializeOwned + Send> FromRequestParts<S> for At<T> {
    type Rejection = Fault;

    async fn from_request_parts(parts: &mut Parts, state: &S) -> Result<Self, Fault> {
        let Path(values) = Path::<T>::from_request_parts(parts, state)
            .await
            .map_err(|_| Fault::bad("The address is not UTF-8 text once it is decoded."))?;
        Ok(Self(values))
    }
}

/// A JSON object that was sent, with its bytes as they came.
#[derive(Debug)]
pub(super) struct Sent {
    /// The object.
    pub(super) fields: Map<String, Value>,
    /// Its text.
    pub(super) raw: Bytes,
}

impl<S: Send + Sync> FromRequest<S> for Sent {
    type Rejection = Fault;

    async fn from_request(request: Request, _: &S) -> Result<Self, Fault> {
        let raw = axum::body::to_bytes(request.into_body(), MAX_BODY).await.map_err(unread)?;
        let value = payload::parse(&raw).map_err(|fault| {
            Fault::bad(format!("The body is not usable JSON: {}", fault.message))
        })?;
        match value {
            Value::Object(fields) => Ok(Self { fields, raw }),
            _ => Err(Fault::bad(
                "The body must be a JSON object, such as {\"email\": \"customer@example.com\"}.",
            )),
        }
    }
}

/// A text that was sent.
#[derive(Debug)]
pub(super) struct Text(pub(super) Bytes);

impl<S: Send + Sync> FromRequest<S> for Text {
    type Rejection = Fault;

    async fn from_request(request: Request, _: &S) -> Result<Self, Fault> {
        let raw = axum::body::to_bytes(request.into_body(), MAX_BODY).await.map_err(unread)?;
        Ok(Self(raw))
    }
}

/// Who calls, and under which idempotency key.
#[derive(Debug)]
pub(super) struct Caller {
    /// The peer's address, without its port.
    pub(super) remote: Option<String>,
    /// The `Idempotency-Key`, if one was sent.
    pub(super) key: Option<String>,
}

impl<S: Send + Sync> FromRequestParts<S> for Caller {
    type Rejection = Fault;

    async fn from_request_parts(parts: &mut Parts, _: &S) -> Result<Self, Fault> {
        let key = key::given(&parts.headers).map_err(Fault::bad)?;
        let peer = parts.extensions.get::<Peer>();
        Ok(Self {
            remote: peer.map(|Peer(address)| address.ip().to_canonical().to_string()),
            key: key.map(str::to_owned),
        })
    }
}

fn unread(error: axum::Error) -> Fault {
    let error = error.into_inner();
    if error.is::<http_body_util::LengthLimitError>() {
        return Fault::new(
            StatusCode::PAYLOAD_TOO_LARGE,
            "The body is larger than 256 KiB; send less.",
        );
    }
    let mut cause: Option<&(dyn std::error::Error + 'static)> = Some(&*error);
    while let Some(error) = cause {
        if let Some(fault) = error.downcast_ref::<BodyFault>() {
            let status = StatusCode::from_u16(fault.status()).unwrap_or(StatusCode::BAD_REQUEST);
            return Fault::new(status, fault.to_string());
        }
        cause = error.source();
    }
    Fault::bad(BodyFault::Broken.to_string())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_unknown_name_is_told_with_the_one_that_was_meant() {
        let known = ["lead_scraped", "demo_completed"];
        assert_eq!(did_you_mean("lead_scrapd", known), "Did you mean `lead_scraped`?");
        assert_eq!(did_you_mean("x", known), "There is `lead_scraped`, `demo_completed`.");
        assert_eq!(did_you_mean("x", []), "None is declared.");
    }
}
