//! Remembered data. A write goes the same way as every call: decided by the rules, so that
//! `on-create` and `on-change` run, and durable before the answer.

use std::sync::Arc;

use axum::extract::State;
use axum::http::StatusCode;
use axum::response::IntoResponse as _;
use serde_json::{Map, Value, json};

use super::answer::{Answer, At, Caller, Fault, Sent, ok, reply};
use super::parameters;
use super::query::Asked;
use super::shapes;
use crate::model::commit::{Assumption, Commit, Write};
use crate::model::rules::RecordRules;
use crate::model::{Call, Origin, Record};
use crate::serve::app::{Accepted, App, object};
use crate::serve::journal::Kind;
use crate::serve::settings::Live;
use crate::store::{Committed, StoreError};

/// Longest id, in bytes.
const MAX_ID: usize = 512;
/// A record is deleted again so often at most when somebody writes it meanwhile.
const MAX_TRIES: usize = 16;

/// `GET /records`: the names that the rules know, with how many of each are remembered.
pub(super) async fn names(State(app): State<Arc<App>>, asked: Asked) -> Answer {
    asked.only(parameters::NONE)?;
    let live = app.live.load_full();
    let mut rows = Vec::new();
    for (name, rules) in &live.rules.records {
        let schema = rules.schema.as_ref().map(|schema| &schema.name);
        let total = app.store.records(name, 0, 0).await?.total;
        rows.push(json!({ "name": name, "schema": schema, "total": total }));
    }
    let total = rows.len();
    ok(&shapes::page(rows, total))
}

/// `GET /records/{name}`, by id.
pub(super) async fn list(
    State(app): State<Arc<App>>,
    At(name): At<String>,
    asked: Asked,
) -> Answer {
    let query = asked.only(parameters::RECORDS)?;
    let rows = query.rows(parameters::FEW)?;
    rules(&app.live.load(), &name)?;
    let page = app.store.records(&name, rows.skip, rows.take).await?;
    ok(&shapes::page(page.rows.iter().map(shapes::record), page.total))
}

/// `GET /records/{name}/{id}`.
pub(super) async fn one(
    State(app): State<Arc<App>>,
    At((name, id)): At<(String, String)>,
) -> Answer {
    rules(&app.live.load(), &name)?;
    ok(&shapes::record(&find(&app, &name, &id).await?))
}

/// `PUT /records/{name}/{id}`: replaces it, or makes it.
pub(super) async fn put(
    State(app): State<Arc<App>>,
    At((name, id)): At<(String, String)>,
    asked: Asked,
    caller: Caller,
    sent: Sent,
) -> Answer {
    asked.only(parameters::NONE)?;
    write(&app, (name, id), false, sent, caller).await
}

/// `PATCH /records/{name}/{id}`: lays fields over it, or makes it.
pub(super) async fn patch(
    State(app): State<Arc<App>>,
    At((name, id)): At<(String, String)>,
    asked: Asked,
    caller: Caller,
    sent: Sent,
) -> Answer {
    asked.only(parameters::NONE)?;
    write(&app, (name, id), true, sent, caller).await
}

/// `DELETE /records/{name}/{id}`. No rule runs; 204.
pub(super) async fn delete(
    State(app): State<Arc<App>>,
    At((name, id)): At<(String, String)>,
    asked: Asked,
) -> Answer {
    asked.only(parameters::NONE)?;
    rules(&app.live.load(), &name)?;
    for _ in 0..MAX_TRIES {
        let version = find(&app, &name, &id).await?.version;
        let commit = Commit {
            now: app.millis(),
            assumes: vec![Assumption::Record { name: name.clone(), id: id.clone(), version }],
            writes: vec![Write::DeleteRecord { name: name.clone(), id: id.clone() }],
            ..Commit::default()
        };
        if !matches!(app.store.commit(commit).await?, Committed::Conflict) {
            return Ok(StatusCode::NO_CONTENT.into_response());
        }
    }
    Err(StoreError::Full.into())
}

/// What the rules say of a record name.
fn rules(live: &Live, name: &str) -> Result<Arc<RecordRules>, Fault> {
    let known = live.rules.records.keys().map(String::as_str);
    live.rules.records.get(name).cloned().ok_or_else(|| Fault::unknown("record", name, known))
}

async fn find(app: &App, name: &str, id: &str) -> Result<Record, Fault> {
    let found = app.store.record(name, id).await?;
    found.ok_or_else(|| Fault::missing(format!("There is no {name} `{id}`.")))
}

/// Checks a write against the record's schema, has it decided, and answers with the record
/// as it is then.
async fn write(
    app: &App,
    (name, id): (String, String),
    merge: bool,
    sent: Sent,
    caller: Caller,
) -> Answer {
    if id.is_empty() || id.len() > MAX_ID {
        return Err(Fault::bad(format!("The id of a record has 1 to {MAX_ID} bytes.")));
    }
    let live = app.live.load_full();
    let rules = rules(&live, &name)?;
    let before = if merge { app.store.record(&name, &id).await? } else { None };
    check(&rules, before.as_ref(), &sent.fields)?;
    let origin = Origin::Record { name: name.clone(), id: id.clone(), merge };
    let call = Call { id: app.new_id(), at: app.now(), origin, payload: sent.fields };
    match app.accept(&live, &call, sent.raw, Vec::new(), caller.remote).await? {
        Accepted::Refused(refusal) => return Ok(reply(&refusal)),
        Accepted::Crowded(service) => return Err(Fault::crowded(&service)),
        Accepted::Done(_, _, set_off) => {
            app.journal.say(Kind::Accepted, &format!("record {name} {id}"));
            app.journal.steps(&set_off);
        }
        Accepted::Replayed(..) | Accepted::KeyReused => {}
    }
    let mut shape = shapes::record(&find(app, &name, &id).await?);
    shape["execution_id"] = Value::String(call.id.to_string());
    ok(&shape)
}

/// The record as it would be must fit its schema.
fn check(
    rules: &RecordRules,
    before: Option<&Record>,
    fields: &Map<String, Value>,
) -> Result<(), Fault> {
    let Some(schema) = &rules.schema else { return Ok(()) };
    let mut after = before.map(|record| object(&record.fields)).unwrap_or_default();
    after.extend(fields.iter().map(|(name, value)| (name.clone(), value.clone())));
    let problems = schema.checker.check(&Value::Object(after));
    if problems.is_empty() {
        return Ok(());
    }
    Err(Fault::unfit(&schema.name, problems))
}
