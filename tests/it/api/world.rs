//! A server without sockets: the real rules, a store in memory, a clock that stands still,
//! and requests that seem to come from this machine.

use std::net::SocketAddr;
use std::sync::Arc;

use axum::Router;
use axum::body::Body;
use axum::http::{HeaderMap, Request, StatusCode};
use bytes::Bytes;
use rulerun::base::{Clock, Secret, Timestamp};
use rulerun::model::{Call, Lookup, Origin};
use rulerun::serve::api::Peer;
use rulerun::serve::app::{Accepted, App, Options};
use rulerun::serve::journal::Voice;
use rulerun::serve::{settings, sources};
use rulerun::store::MemoryStore;
use serde_json::{Map, Value, json};
use tower::ServiceExt as _;

pub const NOW: &str = "2025-12-01T10:30:00Z";

/// A clock that stands still.
#[derive(Debug)]
struct Still(Timestamp);

impl Clock for Still {
    fn now(&self) -> Timestamp {
        self.0
    }
}

/// An environment in which every secret is set and nothing else.
struct Secrets;

impl Lookup for Secrets {
    fn env(&self, name: &str) -> Option<String> {
        let set = name.ends_with("_WEBHOOK_KEY") || name.ends_with("WEBHOOK_SECRET");
        set.then(|| format!("a long enough value for {name}"))
    }

    fn file(&self, path: &str) -> Result<String, String> {
        Err(format!("{path} is not there"))
    }
}

pub fn app_with(token: Option<&str>) -> Arc<App> {
    let files = sources::load(&["rules".into(), "schemas".into()]).expect("the rule files");
    let (rules, problems) = rulerun::language::analyze(&files);
    let rules = rules.unwrap_or_else(|| panic!("rules that load: {problems:?}"));
    let mut live = settings::resolve(Arc::new(rules), &Secrets, 1).expect("settings");
    live.api_token = token.map(Secret::new);
    let clock: Arc<dyn Clock> = Arc::new(Still(NOW.parse().expect("a time")));
    Arc::new(App::new(
        Arc::new(MemoryStore::new(clock.now().as_millisecond())),
        Arc::new(live),
        clock,
        Voice::silent(),
        Options::default(),
    ))
}

pub fn app() -> Arc<App> {
    app_with(None)
}

pub struct Reply {
    pub status: StatusCode,
    pub headers: HeaderMap,
    pub body: Value,
    pub text: String,
}

pub async fn send(router: &Router, request: Request<Body>) -> Reply {
    let response = router.clone().oneshot(request).await.expect("an answer");
    let (parts, body) = response.into_parts();
    let bytes = axum::body::to_bytes(body, usize::MAX).await.expect("a body");
    let text = String::from_utf8(bytes.to_vec()).expect("text");
    let body = serde_json::from_str(&text).unwrap_or(Value::Null);
    Reply { status: parts.status, headers: parts.headers, body, text }
}

/// A request from this machine to itself.
pub fn request(
    method: &str,
    path: &str,
    headers: &[(&str, &str)],
    body: Option<Value>,
) -> Request<Body> {
    let mut request = Request::builder().method(method).uri(path);
    if !headers.iter().any(|(name, _)| *name == "host") {
        request = request.header("host", "localhost:8080");
    }
    for (name, value) in headers {
        request = request.header(*name, *value);
    }
    let peer: SocketAddr = "127.0.0.1:50000".parse().expect("an address");
    let body = body.map_or_else(Body::empty, |body| Body::from(body.to_string()));
    request.extension(Peer(peer)).body(body).expect("a request")
}

pub async fn get(router: &Router, path: &str) -> Reply {
    send(router, request("GET", path, &[], None)).await
}

pub async fn call(router: &Router, method: &str, path: &str, body: Value) -> Reply {
    let body = (!body.is_null()).then_some(body);
    send(router, request(method, path, &[], body)).await
}

/// What the ingress does once a call has passed its checks.
pub async fn webhook(app: &App, endpoint: &str, payload: Value) -> String {
    let live = app.live.load_full();
    let found = live.endpoints.iter().find(|found| found.rule.full_name() == endpoint);
    let origin = Origin::Endpoint(Arc::clone(&found.expect("an endpoint").rule));
    let body = Bytes::from(payload.to_string());
    let payload: Map<String, Value> = payload.as_object().expect("an object").clone();
    let call = Call { id: app.new_id(), at: app.now(), origin, payload };
    match app.accept(&live, &call, body, Vec::new(), None).await {
        Ok(Accepted::Done(_, id, _)) => id.to_string(),
        other => panic!("the call was not accepted: {other:?}"),
    }
}

pub fn noshow() -> Value {
    json!({
        "email": "Sarah@example.com", "first_name": "Sarah",
        "calendly_event_id": "evt_123abc", "scheduled_time": "2025-12-10T14:00:00Z",
    })
}

pub fn lead() -> Value {
    json!({ "lead_id": 123, "business_name": "Acme Inc" })
}
