//! `GET /executions/follow`: every line of the journal as it is written, as server-sent events,
//! for `rulerun tail` and whoever watches from afar. Nothing is polled: a line goes out when
//! it happens. A comment now and then finds out whether the follower is still there.

use std::sync::Arc;
use std::sync::atomic::Ordering;
use std::time::Duration;

use axum::body::Body;
use axum::extract::State;
use axum::http::{HeaderValue, StatusCode, header};
use axum::response::Response;
use bytes::Bytes;
use http_body_util::channel::{Channel, Sender};
use serde_json::{Value, json};
use tokio::sync::broadcast::Receiver;
use tokio::sync::broadcast::error::RecvError;

use super::answer::{Answer, Fault};
use super::parameters;
use super::query::Asked;
use crate::base::time;
use crate::serve::app::App;
use crate::serve::journal::Heard;
use crate::store::StoreError;

/// Followers at once.
const MOST: usize = 16;
/// Events that wait for the connection; more wait in the journal's own ring.
const WAITING: usize = 16;
/// How long it is quiet at most.
const QUIET: Duration = Duration::from_secs(15);
/// A follower who takes nothing for so long is given up.
const PATIENCE: Duration = Duration::from_mins(1);

/// Begins to follow.
pub(super) async fn begin(State(app): State<Arc<App>>, asked: Asked) -> Answer {
    asked.only(parameters::NONE)?;
    let lines = app.journal.follow();
    if app.journal.followers() > MOST {
        return Err(Fault::new(
            StatusCode::SERVICE_UNAVAILABLE,
            format!("{MOST} others follow already; end one of them."),
        ));
    }
    // From here on the end would be heard; before, it was told to others.
    if app.draining.load(Ordering::Relaxed) {
        return Err(Fault::new(StatusCode::SERVICE_UNAVAILABLE, "The server is stopping."));
    }
    let (sender, body) = Channel::new(WAITING);
    tokio::spawn(follow(lines, sender));
    let mut response = Response::new(Body::new(body));
    let headers = response.headers_mut();
    headers.insert(header::CONTENT_TYPE, HeaderValue::from_static("text/event-stream"));
    headers.insert(header::CACHE_CONTROL, HeaderValue::from_static("no-store"));
    Ok(response)
}

/// Sends what is heard until the server stops or the follower goes.
async fn follow(mut lines: Receiver<Heard>, mut sender: Sender<Bytes, StoreError>) {
    let mut next = String::from(": it begins\n\n");
    loop {
        let sent = tokio::time::timeout(PATIENCE, sender.send_data(Bytes::from(next))).await;
        if !matches!(sent, Ok(Ok(()))) {
            return;
        }
        next = match tokio::time::timeout(QUIET, lines.recv()).await {
            Err(_) => String::from(": still here\n\n"),
            Ok(Ok(Heard::Line(at, kind, text))) => event(
                "line",
                &json!({ "timestamp": time::format_time(at), "kind": kind.word(), "message": *text }),
            ),
            Ok(Err(RecvError::Lagged(lines))) => event("missed", &json!({ "lines": lines })),
            Ok(Ok(Heard::End) | Err(RecvError::Closed)) => {
                // It goes if it can; the end of the answer says the same.
                let _ = tokio::time::timeout(
                    PATIENCE,
                    sender.send_data(event("end", &json!({})).into()),
                )
                .await;
                return;
            }
        };
    }
}

fn event(name: &str, data: &Value) -> String {
    format!("event: {name}\ndata: {data}\n\n")
}
