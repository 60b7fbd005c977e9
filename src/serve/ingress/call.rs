//! One call of one endpoint, from its headers to its answer. The order is fixed: what costs
//! little and tells little is checked first, the signature before the body is understood,
//! and nothing is answered with success before it is durable.

use std::net::IpAddr;
use std::sync::Arc;
use std::time::Duration;

use axum::extract::Query;
use bytes::{Bytes, BytesMut};
use http_body_util::BodyExt as _;
use hyper::body::{Body as _, Incoming};
use hyper::header::{CONTENT_ENCODING, CONTENT_TYPE, EXPECT, HeaderValue};
use hyper::http::request::Parts;
use hyper::{HeaderMap, Method, Request, StatusCode, Uri};
use serde_json::{Map, Value};
use sha2::{Digest as _, Sha256};

use super::Ingress;
use super::access::{self, Proofs};
use super::answer::{self, Answer};
use super::body::Arriving;
use super::key;
use super::load::{Share, room_for_bodies, weight};
use crate::model::commit::IdempotencyKey;
use crate::model::queue::LogLine;
use crate::model::{Call, Origin};
use crate::payload;
use crate::serve::app::{Accepted, App};
use crate::serve::settings::{Live, LiveEndpoint};
use crate::signature::Scheme;
use crate::store::StoreError;

/// So much of a refused body is read and thrown away, in bytes, and so long.
const DISCARDED: usize = 4 * 1024 * 1024;
const DISCARD_TIME: Duration = Duration::from_secs(1);
/// How long an idempotency key binds.
const KEY_BINDS: i64 = 24 * 3_600_000;

/// A call that is being answered.
pub(super) struct Incall<'a> {
    pub(super) app: &'a App,
    pub(super) live: &'a Live,
    pub(super) endpoint: &'a Arc<LiveEndpoint>,
    pub(super) ingress: &'a Ingress,
    pub(super) client: IpAddr,
    /// Whether proxies name another caller too.
    pub(super) contested: bool,
}

/// How a call ended, for logs and metrics.
pub(super) struct Ended {
    pub(super) answer: Answer,
    /// What to tell people about it: the id and state, or why it was turned away.
    pub(super) note: String,
    /// Whether it was a repetition.
    pub(super) repeated: bool,
    /// Whether a rule refused it; then it is kept as an execution.
    pub(super) by_rule: bool,
    /// What an accepted call set off, for the journal.
    pub(super) set_off: Vec<LogLine>,
}

impl Ended {
    /// An answer with what to tell about it.
    pub(super) fn of(answer: Answer, note: impl Into<String>) -> Self {
        Self { answer, note: note.into(), repeated: false, by_rule: false, set_off: Vec::new() }
    }

    pub(super) fn error(status: u16, text: &str) -> Self {
        Self::of(answer::error(status, text), text)
    }
}

impl Incall<'_> {
    /// Answers the call.
    pub(super) async fn answer(&self, request: Request<Incoming>) -> Ended {
        let (parts, body) = request.into_parts();
        let mut body = Arriving::new(body, &self.ingress.bodies, self.room());
        let mut ended = match self.before_body(&parts.method, &parts.headers) {
            Err(ended) => *ended,
            Ok(()) => match read(self.live.rules.server.limits.body, &mut body).await {
                Err(ended) => {
                    let (rest, share) = body.into_parts();
                    drop(share);
                    let late = ended.answer.status() == StatusCode::REQUEST_TIMEOUT;
                    // Who waits to be asked for the body is not asked.
                    if !late && !parts.headers.contains_key(EXPECT) {
                        discard(rest).await;
                    }
                    *ended
                }
                Ok(whole) => self.with_body(&parts, whole, body.into_parts().1).await,
            },
        };
        answer::allow_origin(&self.endpoint.rule, &parts.headers, &mut ended.answer);
        ended
    }

    /// The memory that all bodies together may take, in bytes.
    fn room(&self) -> usize {
        room_for_bodies(self.live.rules.server.limits.body)
    }

    /// Everything that is known without the body.
    fn before_body(&self, method: &Method, headers: &HeaderMap) -> Result<(), Box<Ended>> {
        let rule = &self.endpoint.rule;
        if method == Method::OPTIONS {
            return Err(Box::new(Ended::of(answer::preflight(rule, headers), "preflight")));
        }
        if !rule.methods.iter().any(|allowed| allowed == method.as_str()) {
            let answer = answer::wrong_method(&rule.methods);
            return Err(Box::new(Ended::of(answer, format!("{method} is not declared"))));
        }
        if !self.endpoint.enabled {
            return Err(Box::new(Ended::error(409, "This endpoint is switched off.")));
        }
        if let Some(trouble) = self.app.trouble() {
            return Err(Box::new(Ended::of(answer::error(503, trouble), trouble)));
        }
        self.within_rates()?;
        access::check_caller(self.endpoint, self.client, self.contested, headers)
            .map_err(|denied| Box::new(Ended::error(denied.status, &denied.message)))?;
        content_fits(method, headers).map_err(|(status, text)| Box::new(Ended::error(status, text)))
    }

    fn within_rates(&self) -> Result<(), Box<Ended>> {
        let rule = &self.endpoint.rule;
        let name = rule.full_name();
        for (rate, per_client) in &rule.access.rates {
            let client = per_client.then_some(self.client);
            if let Some(seconds) = self.ingress.rates.take(&name, *rate, client, self.app.millis())
            {
                let text = format!("Too many calls: this endpoint takes {rate}.");
                return Err(Box::new(Ended::of(answer::too_many(&text, seconds), text)));
            }
        }
        Ok(())
    }

    /// Answers a call whose body is there; `share` is the memory that it takes.
    async fn with_body(&self, parts: &Parts, body: Bytes, mut share: Share) -> Ended {
        let Some(_place) = self.ingress.calls.take(1, self.live.rules.server.limits.in_flight)
        else {
            drop((body, share));
            return self.ingress.no_place().await;
        };
        let now = self.app.now();
        let proofs =
            match access::check_signatures(self.endpoint, &parts.headers, &body, now.as_second()) {
                Ok(proofs) => proofs,
                Err(denied) => return Ended::error(denied.status, &denied.message),
            };
        if !share.grow(weight(&body), self.room()) {
            return Ended::error(503, answer::BUSY);
        }
        let payload = match self.payload(parts, &body) {
            Ok(payload) => payload,
            Err(ended) => return self.before_or(parts, &proofs, &body, *ended).await,
        };
        let keys = match self.keys(parts, &proofs, &body) {
            Ok(keys) => keys,
            Err(ended) => return *ended,
        };
        let call = Call {
            id: self.app.new_id(),
            at: now,
            origin: Origin::Endpoint(Arc::clone(&self.endpoint.rule)),
            payload,
        };
        let remote = Some(self.client.to_string());
        match self.app.accept(self.live, &call, body, keys, remote).await {
            Ok(accepted) => settled(accepted),
            Err(error) => unavailable(&error),
        }
    }

    /// What a call whose payload does not fit gets: the first answer, if it was accepted before
    /// its schema became narrower; otherwise its refusal.
    async fn before_or(
        &self,
        parts: &Parts,
        proofs: &Proofs<'_>,
        body: &[u8],
        refusal: Ended,
    ) -> Ended {
        let Ok(keys) = self.keys(parts, proofs, body) else { return refusal };
        match self.app.known(self.app.millis(), keys).await {
            Ok(Some(before)) => settled(before),
            Ok(None) => refusal,
            Err(error) => unavailable(&error),
        }
    }

    /// The payload, checked against the endpoint's schema.
    fn payload(&self, parts: &Parts, body: &[u8]) -> Result<Map<String, Value>, Box<Ended>> {
        let asked = parts.uri.query().unwrap_or_default();
        let value = if speaks(parts, body) {
            if !asked.is_empty() && !self.endpoint.signatures.is_empty() {
                let text = "A signature covers the body alone, so the data must stand in the body, not after the question mark.";
                return Err(Box::new(Ended::error(400, text)));
            }
            Value::Object(query(&parts.uri).map_err(|text| Box::new(Ended::error(400, text)))?)
        } else {
            payload::parse(body).map_err(|fault| Box::new(Ended::error(400, &fault.message)))?
        };
        if let Some(schema) = &self.endpoint.rule.payload {
            let problems = schema.checker.check(&value);
            if !problems.is_empty() {
                let note = problems.iter().map(|problem| problem.message.as_str());
                let note = note.collect::<Vec<_>>().join("; ");
                return Err(Box::new(Ended::of(answer::misfit(&problems), note)));
            }
        }
        match value {
            Value::Object(payload) => Ok(payload),
            _ => Err(Box::new(Ended::error(
                400,
                "The body must be a JSON object, such as {\"email\": \"sarah@example.com\"}.",
            ))),
        }
    }

    /// What would make another call the same as this one.
    fn keys(
        &self,
        parts: &Parts,
        proofs: &Proofs<'_>,
        body: &[u8],
    ) -> Result<Vec<IdempotencyKey>, Box<Ended>> {
        let now = self.app.millis();
        let given = key::given(&parts.headers).map_err(|text| Box::new(Ended::error(400, text)))?;
        let given = given.map(|given| format!("key:{given}"));
        // Most calls bring no key: then the body need not be hashed.
        let key = |key: String, body: [u8; 32], expires: i64| IdempotencyKey {
            endpoint: self.endpoint.rule.full_name(),
            key,
            body,
            expires,
        };
        let mut keys = Vec::new();
        if let Some(given) = &given {
            keys.push(key(given.clone(), content(parts, body), now + KEY_BINDS));
        }
        for (rule, proof) in proofs {
            let bound = proof.time_signed || rule.scheme == Scheme::Standard;
            let age = i64::try_from(rule.max_age.to_duration().as_millis()).unwrap_or(KEY_BINDS);
            if bound {
                // A time so far ahead holds for twice its age.
                let binds = KEY_BINDS.max(age.saturating_mul(2));
                let hash = content(parts, body);
                keys.push(key(proof.identity.clone(), hash, now.saturating_add(binds)));
            } else if !self.endpoint.rule.repeats {
                // No key is signed: whoever has seen a call could send it again under another.
                // So a signature stays with the key that it came with, and whoever sends it
                // again without any means the same call.
                let until = now.saturating_add(age);
                if let Some(given) = &given {
                    let hash = Sha256::digest(given).into();
                    keys.push(key(format!("{} key", proof.identity), hash, until));
                }
                keys.push(key(proof.identity.clone(), content(parts, body), until));
            }
        }
        Ok(keys)
    }
}

/// A hash of what a call says: its body, or the query where that is the payload. No JSON begins
/// with a question mark.
fn content(parts: &Parts, body: &[u8]) -> [u8; 32] {
    match parts.uri.query().filter(|query| speaks(parts, body) && !query.is_empty()) {
        Some(query) => Sha256::digest(format!("?{query}")).into(),
        None => Sha256::digest(body).into(),
    }
}

/// Whether the query speaks for a call, because it has no body.
fn speaks(parts: &Parts, body: &[u8]) -> bool {
    body.is_empty() && has_no_body(&parts.method)
}

/// Reads a body of at most `limit` bytes.
pub(super) async fn read(limit: usize, body: &mut Arriving) -> Result<Bytes, Box<Ended>> {
    let too_large =
        || Box::new(Ended::error(413, &format!("The body is larger than {limit} bytes.")));
    if body.size_hint().lower() > limit as u64 {
        return Err(too_large());
    }
    let mut whole = BytesMut::new();
    while let Some(frame) = body.frame().await {
        let frame = frame.map_err(|fault| Ended::error(fault.status(), &fault.to_string()))?;
        if let Ok(data) = frame.into_data() {
            if whole.len() + data.len() > limit {
                return Err(too_large());
            }
            whole.extend_from_slice(&data);
        }
    }
    Ok(whole.freeze())
}

/// Reads a little more of a body that is refused: who is cut off while writing never sees why.
pub(super) async fn discard(mut body: Incoming) {
    let reading = async {
        let mut read = 0;
        while let Some(Ok(frame)) = body.frame().await {
            read += frame.data_ref().map_or(0, Bytes::len);
            if read > DISCARDED {
                return;
            }
        }
    };
    let _ = tokio::time::timeout(DISCARD_TIME, reading).await;
}

/// The answer to a call that was decided.
fn settled(accepted: Accepted) -> Ended {
    match accepted {
        Accepted::Done(reply, id, set_off) => {
            Ended { set_off, ..Ended::of(answer::reply(&reply), id.to_string()) }
        }
        Accepted::Refused(reply) => {
            let why = reply.body["message"].as_str().unwrap_or("refused silently").to_owned();
            Ended { by_rule: true, ..Ended::of(answer::reply(&reply), why) }
        }
        Accepted::Replayed(reply, id) => {
            let mut answer = answer::reply(&reply);
            answer.headers_mut().insert("idempotent-replay", HeaderValue::from_static("true"));
            Ended { repeated: true, ..Ended::of(answer, id.to_string()) }
        }
        Accepted::KeyReused => Ended::error(
            409,
            "This idempotency key was used before, with other content or too long ago, or this \
             signed call came before under another key.",
        ),
        Accepted::Crowded(service) => {
            Ended::of(answer::crowded(&service), format!("too much waits for {service}"))
        }
    }
}

/// The store did not take it; the caller may try again.
pub(super) fn unavailable(error: &StoreError) -> Ended {
    let text = match error {
        StoreError::Full => answer::BUSY,
        _ => answer::CANNOT_STORE,
    };
    Ended::of(answer::error(503, text), error.to_string())
}

fn has_no_body(method: &Method) -> bool {
    matches!(*method, Method::GET | Method::DELETE | Method::HEAD)
}

/// JSON only, and not compressed: the signature is over the bytes that are understood.
fn content_fits(method: &Method, headers: &HeaderMap) -> Result<(), (u16, &'static str)> {
    if headers.contains_key(CONTENT_ENCODING) {
        return Err((415, "Send the body without Content-Encoding."));
    }
    if has_no_body(method) && !headers.contains_key(CONTENT_TYPE) {
        return Ok(());
    }
    if is_json(headers) {
        Ok(())
    } else {
        Err((415, "Send JSON, with one header Content-Type: application/json."))
    }
}

/// Whether the one content type is `application/json` or `application/NAME+json`.
fn is_json(headers: &HeaderMap) -> bool {
    let mut given = headers.get_all(CONTENT_TYPE).iter();
    let (Some(given), None) = (given.next(), given.next()) else { return false };
    let essence = given.to_str().unwrap_or_default().split(';').next().unwrap_or_default();
    let essence = essence.trim().to_ascii_lowercase();
    let Some(kind) = essence.strip_prefix("application/") else { return false };
    let name = kind.strip_suffix("+json");
    kind == "json"
        || name.is_some_and(|name| {
            let plain = |byte: u8| byte.is_ascii_alphanumeric() || b"!#$&^_.+-".contains(&byte);
            !name.is_empty() && name.bytes().all(plain)
        })
}

/// The query string as a payload of texts, for endpoints that declare GET. What a JSON body
/// may not hold, it may not hold either.
fn query(uri: &Uri) -> Result<Map<String, Value>, &'static str> {
    let pairs = Query::<Vec<(String, String)>>::try_from_uri(uri);
    let Query(pairs) = pairs.map_err(|_| "What stands after the question mark cannot be read.")?;
    let mut payload = Map::new();
    for (name, value) in pairs {
        if name.contains('\0') || value.contains('\0') {
            return Err("A text after the question mark contains the character NUL (%00).");
        }
        if payload.insert(name, Value::String(value)).is_some() {
            return Err("A name stands twice after the question mark.");
        }
    }
    Ok(payload)
}
