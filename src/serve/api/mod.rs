//! Reading and steering: what operators, the command line, Kestra's clients and monitoring
//! ask of a running server. [`router`] serves every fixed address; the ingress strips the
//! `/main` of Kestra's tenants and inserts the [`Peer`] before it hands a request over.
//!
//! `table` lists every call with its description. Each file is one subject. Handlers read the store, take the live rules once, and leave
//! the looks of an answer to `shapes`. All but `/livez` and `/readyz` need credentials.

mod answer;
mod backup;
mod calendar;
mod calls;
mod contacts;
mod credentials;
mod events;
mod executions;
mod flows;
mod follow;
mod groups;
mod health;
mod numbers;
pub mod openapi;
mod parameters;
mod pauses;
mod query;
mod queue;
mod records;
mod shapes;
mod suppressions;
mod table;
mod webhook_logs;

use std::net::SocketAddr;
use std::sync::Arc;

use axum::Router;
use axum::body::Body;
use axum::http::{Method, StatusCode, Uri};
use axum::middleware;
use axum::response::Response;
use axum::routing::{get, post};

use self::answer::Fault;
use self::calls::Call;
use super::app::App;
use super::ingress::answer::not_found;

pub use self::health::health;

/// Who is at the other end of the connection; the ingress puts it into each request's
/// extensions. Without it no request counts as local.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Peer(pub SocketAddr);

/// Serves the API. What is not under one of its addresses gets a 404 in JSON.
pub fn router(app: Arc<App>) -> Router {
    let (open, guarded): (Vec<_>, Vec<_>) = table::all().into_iter().partition(|call| call.open);
    let guarded = routes(guarded)
        .merge(later())
        .route_layer(middleware::from_fn_with_state(Arc::clone(&app), credentials::guard));
    routes(open)
        .merge(guarded)
        .fallback(nothing_here)
        .method_not_allowed_fallback(wrong_method)
        .with_state(app)
}

fn routes(calls: Vec<Call>) -> Router<Arc<App>> {
    let routes = calls.into_iter().filter_map(Call::into_route);
    routes.fold(Router::new(), |router, (path, handler)| router.route(path, handler))
}

/// Addresses that are promised and not built yet: they say so.
fn later() -> Router<Arc<App>> {
    Router::new()
        .route("/api/v1/executions/{id}/replay", post(comes_later))
        .route("/api/v1/executions/{id}/restart", post(comes_later))
        .route("/api/v1/executions/{id}/follow", get(comes_later))
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
