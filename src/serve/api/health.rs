//! How the server is: for load balancers (`/livez`, `/readyz`), for Prometheus
//! (`/metrics`), for operators (`/api/v1/status`) and for n8n's own health check.

use std::fmt::Write as _;
use std::sync::Arc;
use std::sync::atomic::Ordering;

use axum::body::Body;
use axum::extract::State;
use axum::http::{HeaderValue, StatusCode, Uri, header};
use axum::response::Response;
use serde_json::{Map, Value, json};

use super::answer::{Answer, json_response, ok};
use super::shapes;
use crate::base::time;
use crate::model::JobState;
use crate::model::queue::PAUSED_FLAG;
use crate::model::rules::Webhooks;
use crate::serve::app::App;
use crate::serve::deliver::gate::LaneState;
use crate::serve::settings::LiveService;

/// The format of what Prometheus reads.
const OPEN_METRICS: &str = "application/openmetrics-text; version=1.0.0; charset=utf-8";

/// `GET PATH/health` of a group that declares `health`, in the guide's shape: who answers,
/// and how the service that has the group's name is set up. The answer is open to everyone,
/// so user names and passwords within the address are left out.
#[must_use]
pub fn health(app: &App, group: &Webhooks) -> Value {
    let live = app.live.load();
    let service = live.services.get(&group.name);
    let mut of_group = live.endpoints.iter().filter(|found| found.rule.group.name == group.name);
    let secured = of_group.all(|found| {
        let access = &found.rule.access;
        !access.signatures.is_empty() || !access.headers.is_empty() || !found.keys.is_empty()
    });
    let well = app.store.trouble().is_none() && !app.draining.load(Ordering::Relaxed);
    json!({
        "status": if well { "healthy" } else { "unhealthy" },
        "service": group.health.as_deref().unwrap_or(&group.name),
        "timestamp": time::format_time(app.now()),
        "webhook_config": {
            "enabled": service.is_some_and(|service| service.enabled),
            "base_url": service.and_then(|service| public_base(service)),
            "security_enabled": secured,
        },
    })
}

/// A service's address without a user name and password.
fn public_base(service: &LiveService) -> Option<String> {
    let uri: Uri = service.url.as_ref()?.parse().ok()?;
    let authority = uri.authority()?.as_str();
    let host = authority.rsplit('@').next().unwrap_or_default();
    let path = uri.path().trim_end_matches('/');
    Some(format!("{}://{host}{path}", uri.scheme_str().unwrap_or("http")))
}

/// `GET /livez`: the process answers.
pub(super) async fn livez() -> Answer {
    ok(&json!({ "status": "alive" }))
}

/// `GET /readyz`: whether calls should be sent here. A queue that is paused, a service that
/// is down or an edit of the rules that was refused are shown, but calls are still accepted
/// and durable, so they are no reason for a 503.
pub(super) async fn readyz(State(app): State<Arc<App>>) -> Response {
    let mut reasons = Vec::new();
    if app.draining.load(Ordering::Relaxed) {
        reasons.push(String::from("shutting down"));
    }
    let trouble = app.store_trouble();
    let store = trouble.as_deref().unwrap_or("ok").to_owned();
    if trouble.is_some() {
        reasons.push(format!("store: {store}"));
    }
    let queue = match app.store.flag(PAUSED_FLAG).await {
        Ok(paused) => queue_word(paused.is_some()),
        Err(error) => {
            if trouble.is_none() {
                reasons.push(error.to_string());
            }
            "unknown"
        }
    };
    // Why a service is closed may name addresses; that is told to operators alone.
    let closed: Vec<String> =
        app.gates.closed(app.moment()).into_iter().map(|(name, _)| name).collect();
    let ready = reasons.is_empty();
    let body = json!({
        "status": if ready { "ready" } else { "not ready" },
        "reasons": reasons,
        "store": store,
        "rules": rules_word(&app),
        "queue": queue,
        "closed_services": closed,
        "full_services": app.metrics.full_services(app.millis()),
    });
    let status = if ready { StatusCode::OK } else { StatusCode::SERVICE_UNAVAILABLE };
    json_response(status, &body)
}

fn queue_word(paused: bool) -> &'static str {
    if paused { "paused" } else { "running" }
}

/// Whether the files on disk are what runs.
fn rules_word(app: &App) -> String {
    match app.rules_state.load().problems.len() {
        0 => String::from("live"),
        1 => String::from("stale (1 problem)"),
        many => format!("stale ({many} problems)"),
    }
}

/// `GET /api/v1/status`: the rules that run, what is wrong with a newer edit of them, the
/// queue and every service.
pub(super) async fn status(State(app): State<Arc<App>>) -> Answer {
    let paused = app.store.flag(PAUSED_FLAG).await?;
    let live = app.live.load_full();
    let rules = app.rules_state.load_full();
    let closed = app.gates.closed(app.moment());
    let service = |(name, service): (&String, &Arc<LiveService>)| {
        let why = closed.iter().find(|(closed, _)| closed == name).map(|(_, why)| why);
        let shape = json!({
            "enabled": service.enabled,
            "base_url": public_base(service),
            "accepting": why.is_none(),
            "closed": why,
            "dkim": service.dkim.as_ref().map(|dkim| {
                let (name, text) = dkim.record();
                json!({ "name": name, "text": text })
            }),
        });
        (name.clone(), shape)
    };
    ok(&json!({
        "rules": {
            "state": rules_word(&app),
            "hash": live.rules.hash,
            "revision": shapes::revision(&live.rules.hash),
            "loaded": shapes::at(rules.loaded),
            "problems": rules.problems,
        },
        "queue": queue_word(paused.is_some()),
        "paused_since": paused,
        "store": app.store_trouble().unwrap_or_else(|| String::from("ok")),
        "services": live.services.iter().map(service).collect::<Map<String, Value>>(),
    }))
}

/// `GET /metrics`.
pub(super) async fn metrics(State(app): State<Arc<App>>) -> Answer {
    // The scrape looks at the store as it is now.
    drop(app.store_trouble());
    let text = app.metrics.text();
    let mut text = text.trim_end().strip_suffix("# EOF").unwrap_or(&text).to_owned();
    text.push_str("# HELP rulerun_queue_jobs Jobs by service, event and state.\n");
    text.push_str("# TYPE rulerun_queue_jobs gauge\n");
    for ((event_type, service), stat) in app.store.stats().await? {
        for (state, count) in JobState::ALL.iter().zip(stat.counts) {
            // Writing to a string cannot fail.
            let _ = writeln!(
                text,
                "rulerun_queue_jobs{{service=\"{}\",event_type=\"{}\",state=\"{}\"}} {count}",
                escaped(&service),
                escaped(&event_type),
                state.word()
            );
        }
    }
    text.push_str("# HELP rulerun_service_stopped Services that take no work now, and why.\n");
    text.push_str("# TYPE rulerun_service_stopped gauge\n");
    for (service, state, _) in app.gates.states(app.clock.passing()) {
        if state != LaneState::Closed {
            let (service, why) = (escaped(&service), state.word());
            let _ =
                writeln!(text, "rulerun_service_stopped{{service=\"{service}\",why=\"{why}\"}} 1");
        }
    }
    text.push_str("# EOF\n");
    let mut response = Response::new(Body::from(text));
    let kind = HeaderValue::from_static(OPEN_METRICS);
    response.headers_mut().insert(header::CONTENT_TYPE, kind);
    Ok(response)
}

/// A label's value as the format wants it.
fn escaped(text: &str) -> String {
    text.replace('\\', "\\\\").replace('"', "\\\"").replace('\n', "\\n")
}

#[cfg(test)]
mod tests {
    #[test]
    fn a_label_cannot_break_the_format() {
        assert_eq!(super::escaped("a\"b\\c\nd"), "a\\\"b\\\\c\\nd");
    }
}
