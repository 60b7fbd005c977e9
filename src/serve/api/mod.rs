//! placeholder until the API lands
use crate::serve::app::App;
use std::sync::Arc;
/// Peer.
#[derive(Clone, Copy, Debug)]
pub struct Peer(pub std::net::SocketAddr);
/// Router.
pub fn router(_app: Arc<App>) -> axum::Router {
    axum::Router::new()
}
/// Health.
pub fn health(_app: &App, _group: &crate::model::rules::Webhooks) -> serde_json::Value {
    serde_json::Value::Null
}
