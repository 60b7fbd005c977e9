//! `POST /backup`: a copy of everything, drawn while the server goes on working and sent as
//! it is drawn. Its last bytes are a checksum, so whoever keeps it knows whether all of it
//! has arrived.

use std::sync::Arc;
use std::time::Duration;

use axum::body::Body;
use axum::extract::State;
use axum::http::{HeaderValue, header};
use axum::response::Response;
use bytes::Bytes;
use http_body_util::channel::{Channel, Sender};

use super::answer::Answer;
use super::parameters;
use super::query::Asked;
use crate::base::time;
use crate::serve::app::App;
use crate::serve::journal::Kind;
use crate::store::{Backup, StoreError};

/// Parts that wait for the connection; each has about half a MiB.
const WAITING: usize = 2;
/// A caller who takes nothing for so long is given up.
const PATIENCE: Duration = Duration::from_mins(1);

/// Begins a backup and answers with it.
pub(super) async fn make(State(app): State<Arc<App>>, asked: Asked) -> Answer {
    asked.only(parameters::NONE)?;
    let now = app.now();
    // What stands in its way is told before the answer begins.
    let backup = app.store.backup(Backup::new(time::millis(now))).await?;
    let (sender, body) = Channel::new(WAITING);
    tokio::spawn(send(app, backup, sender));
    let mut response = Response::new(Body::new(body));
    let headers = response.headers_mut();
    headers.insert(header::CONTENT_TYPE, HeaderValue::from_static("application/octet-stream"));
    headers.insert(header::CACHE_CONTROL, HeaderValue::from_static("no-store"));
    let moment = time::format_time(now).replace(':', "-");
    let name = format!("attachment; filename=\"rulerun-{moment}.backup\"");
    if let Ok(name) = HeaderValue::try_from(name) {
        headers.insert(header::CONTENT_DISPOSITION, name);
    }
    Ok(response)
}

async fn send(app: Arc<App>, mut backup: Backup, mut sender: Sender<Bytes, StoreError>) {
    let failed = |why: &str| {
        app.journal.say(Kind::Warning, &format!("a backup was given up: {why}"));
    };
    loop {
        match tokio::time::timeout(PATIENCE, sender.send_data(backup.take().into())).await {
            Ok(Ok(())) => {}
            Ok(Err(_)) => return failed("whoever asked for it has gone away"),
            Err(_) => {
                failed("whoever asked for it takes nothing any more");
                return sender.abort(StoreError::Backup(String::from("it was not fetched")));
            }
        }
        if let Some(contents) = backup.contents() {
            let (executions, bytes) = (contents.executions, contents.bytes);
            let plural = if executions == 1 { "" } else { "s" };
            let line = format!("a backup was made: {executions} execution{plural}, {bytes} bytes");
            return app.journal.say(Kind::Rules, &line);
        }
        backup = match app.store.backup(backup).await {
            Ok(backup) => backup,
            Err(error) => {
                failed(&error.to_string());
                return sender.abort(error);
            }
        };
    }
}
