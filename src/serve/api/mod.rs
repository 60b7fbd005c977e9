//! Reading and steering: what operators, the command line, Kestra's clients and monitoring
//! ask of a running server. [`router`] serves every fixed address; the ingress strips the
//! `/main` of Kestra's tenants and inserts the [`Peer`] before it hands a request over.
//!
//! Each file is one subject. Handlers read the store, take the live rules once, and leave
//! the looks of an answer to `shapes`. All but `/livez` and `/readyz` need credentials.

mod answer;
mod backup;
mod calendar;
mod contacts;
mod credentials;
mod events;
mod executions;
mod flows;
mod groups;
mod health;
mod query;
mod queue;
mod records;
mod shapes;
mod webhook_logs;

use std::net::SocketAddr;
use std::sync::Arc;

use axum::Router;
use axum::body::Body;
use axum::http::{Method, StatusCode, Uri};
use axum::middleware;
use axum::response::Response;
use axum::routing::{delete, get, post};

use self::answer::Fault;
use super::app::App;
use super::ingress::answer::not_found;

pub use self::health::health;

/// Who is at the other end of the connection; the ingress puts it into each request's
/// extensions. Without it no request counts as local.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Peer(pub SocketAddr);

/// Serves the API. What is not under one of its addresses gets a 404 in JSON.
pub fn router(app: Arc<App>) -> Router {
    let guarded = steering()
        .merge(reading())
        .merge(later())
        .route_layer(middleware::from_fn_with_state(Arc::clone(&app), credentials::guard));
    Router::new()
        .route("/livez", get(health::livez))
        .route("/readyz", get(health::readyz))
        .merge(guarded)
        .fallback(nothing_here)
        .method_not_allowed_fallback(wrong_method)
        .with_state(app)
}

/// Addresses that only tell.
fn reading() -> Router<Arc<App>> {
    Router::new()
        .route("/metrics", get(health::metrics))
        .route("/api/v1/status", get(health::status))
        .route("/api/v1/executions", get(executions::list))
        .route("/api/v1/executions/search", get(executions::list))
        .route("/api/v1/executions/{id}", get(executions::one))
        .route("/api/v1/executions/{id}/logs", get(executions::logs))
        .route("/api/v1/logs/{id}", get(executions::logs))
        .route("/api/v1/flows", get(flows::all))
        .route("/api/v1/flows/search", get(flows::search))
        .route("/api/v1/flows/{*name}", get(flows::named))
        .route("/api/v1/queue", get(queue::list))
        .route("/api/v1/queue/stats", get(queue::stats))
        .route("/api/v1/webhook-logs", get(webhook_logs::list))
        .route("/api/v1/records/{name}", get(records::list))
        .route("/api/v1/contacts/{email}/timeline", get(contacts::timeline))
        .route("/api/v1/outbox", get(calendar::outbox))
        .route("/api/v1/sequences", get(calendar::sequences))
        .route("/api/v1/sequences/{name}/active", get(calendar::active))
        .route("/api/v1/schedule", get(calendar::schedule))
        .route("/api/v1/rules", get(flows::rules))
        .route("/api/v1/calls", get(executions::calls))
}

/// Addresses that do something.
fn steering() -> Router<Arc<App>> {
    Router::new()
        .route("/api/v1/executions/{id}/kill", delete(executions::kill))
        .route("/api/v1/backup", post(backup::make))
        .route("/api/v1/queue/pause", post(queue::pause))
        .route("/api/v1/queue/resume", post(queue::resume))
        .route("/api/v1/queue/cleanup", post(queue::cleanup))
        .route("/api/v1/queue/retry", post(queue::retry_all))
        .route("/api/v1/queue/{id}", get(queue::one).delete(queue::cancel))
        .route("/api/v1/queue/{id}/retry", post(queue::retry))
        .route("/api/v1/events/{name}", post(events::send))
        .route("/api/v1/test/trigger-webhook", post(events::test))
        .route(
            "/api/v1/records/{name}/{id}",
            get(records::one).put(records::put).patch(records::patch).delete(records::delete),
        )
}

/// Addresses that are promised and not built yet: they say so.
fn later() -> Router<Arc<App>> {
    Router::new()
        .route("/api/v1/executions/{id}/replay", post(comes_later))
        .route("/api/v1/executions/{id}/restart", post(comes_later))
        .route("/api/v1/executions/{id}/follow", get(comes_later))
        .route("/api/v1/openapi.json", get(comes_later))
        .route("/api/v1/contacts/{email}", get(contacts::one).delete(comes_later))
}

async fn comes_later(method: Method, uri: Uri) -> Fault {
    let message = format!("{method} {} comes later: this version does not do it yet.", uri.path());
    Fault::new(StatusCode::NOT_IMPLEMENTED, message)
}

/// The same answer, to the byte, as the ingress gives to a wrong key: webhooks lie below
/// `/api/v1` as well, and nobody may find out which of them exist.
async fn nothing_here() -> Response {
    not_found().map(Body::new)
}

async fn wrong_method(method: Method, uri: Uri) -> Fault {
    let message = format!("{} does not answer {method}; see the Allow header.", uri.path());
    Fault::new(StatusCode::METHOD_NOT_ALLOWED, message)
}
