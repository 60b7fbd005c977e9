//! The suppression list: shown part by part, added to, taken from, carried to and from other
//! servers. Addresses stand in it as hashes.

use std::collections::HashSet;
use std::sync::Arc;
use std::time::Duration;

use axum::body::{Body, Bytes};
use axum::extract::State;
use axum::http::{HeaderValue, Method, StatusCode, header};
use axum::response::Response;
use http_body_util::channel::{Channel, Sender};
use serde_json::{Value, json};

use super::answer::{Answer, At, Fault, Sent, Text, ok};
use super::calls::{Call, Carries, Holds};
use super::openapi::words::{count, flag, list, named, object, or_null, text, word};
use super::parameters::{self, DEFAULT_ENTRIES, MANY};
use super::query::Asked;
use super::shapes;
use crate::model::commit::{Commit, Write};
use crate::model::queue::suppression::REASONS;
use crate::model::queue::{Fingerprint, Suppression};
use crate::serve::app::App;
use crate::serve::journal::Kind;
use crate::serve::suppression_csv::{self as csv, Columns, Records};
use crate::store::StoreError;

/// Entries that are written at once.
const AT_ONCE: usize = 500;
/// Bad lines that are told of one part.
const TOLD: usize = 100;
/// Parts of an export that wait for the connection.
const WAITING: usize = 2;
/// A caller who takes nothing for so long is given up.
const PATIENCE: Duration = Duration::from_mins(1);

/// What there is to be said of these calls.
pub(super) fn calls() -> Vec<Call> {
    const GROUP: &str = "Suppressions";
    let results = object([("results", list(named("Suppression"))), ("next", or_null(text()))]);
    let mut entry = object([
        ("email?", text()),
        ("sha256?", text()),
        ("reason?", word(REASONS)),
        ("sequence?", or_null(text())),
        ("note?", text()),
    ]);
    entry["additionalProperties"] = json!(false);
    let problem = object([("line", count()), ("message", text())]);
    let imported = object([
        ("added", count()),
        ("known", count()),
        ("refused", count()),
        ("problems", list(problem)),
    ]);
    vec![
        Call::get(
            "/api/v1/suppressions",
            page,
            (GROUP, "Who gets no more e-mail, and why, part by part; addresses are hashed."),
            results,
        )
        .query(parameters::SUPPRESSIONS),
        Call::post(
            "/api/v1/suppressions",
            add,
            (GROUP, "Puts an address on the list; one that is on it stays as it is."),
            object([("added", flag()), ("entry", named("Suppression"))]),
        )
        .carries(Carries::Json(entry)),
        Call::get(
            "/api/v1/suppressions/export",
            export,
            (GROUP, "The whole list as CSV, which another server can import."),
            json!({}),
        )
        .answers(200, Holds::Media("text/csv")),
        Call::post(
            "/api/v1/suppressions/import",
            import,
            (GROUP, "Adds the entries of a CSV file, or of a part of one; twice is like once."),
            imported,
        )
        .carries(Carries::Media("text/csv"))
        .query(parameters::IMPORT),
        Call::new(
            Method::DELETE,
            "/api/v1/suppressions/{who}",
            remove,
            (GROUP, "Takes an address (or its hash) off the list."),
            (200, Holds::Json(object([("removed", count())]))),
        )
        .query(parameters::UNSUPPRESS)
        .also(&[(409, "The person asked for it themselves, and `confirm=true` is missing.")]),
    ]
}

/// `GET /suppressions`.
async fn page(State(app): State<Arc<App>>, asked: Asked) -> Answer {
    let query = asked.only(parameters::SUPPRESSIONS)?;
    let size = query.number("size", 1, MANY)?.unwrap_or(DEFAULT_ENTRIES);
    let rows = if let Some(email) = query.get("email") {
        app.store.suppressions_of(whom(email)?).await?
    } else {
        let after = query.get("after").map(cursor).transpose()?;
        app.store.suppression_list(after, size).await?
    };
    let more = query.get("email").is_none() && rows.len() == size;
    let next = rows.last().filter(|_| more).map(|last| {
        format!("{}-{}-{}", last.who, last.reason, last.sequence.as_deref().unwrap_or_default())
    });
    ok(&json!({ "results": rows.iter().map(shapes::suppression).collect::<Value>(), "next": next }))
}

/// Reads a `next` back.
fn cursor(text: &str) -> Result<Suppression, Fault> {
    let parts = || {
        let (who, rest) = text.split_once('-')?;
        let (reason, sequence) = rest.split_once('-')?;
        let sequence = Some(sequence.to_owned()).filter(|sequence| !sequence.is_empty());
        let (who, reason) = (Fingerprint::parse(who)?, reason.to_owned());
        Some(Suppression { who, reason, sequence, note: String::new(), at: 0 })
    };
    parts().ok_or_else(|| Fault::bad("`after` is the `next` of the part before."))
}

/// `POST /suppressions`.
async fn add(State(app): State<Arc<App>>, asked: Asked, sent: Sent) -> Answer {
    asked.only(parameters::NONE)?;
    let known = ["email", "sha256", "reason", "sequence", "note"];
    for (name, value) in &sent.fields {
        if !known.contains(&&**name) || !(value.is_string() || value.is_null()) {
            return Err(Fault::bad(format!(
                "`{name}` is not understood; an entry has the texts {}.",
                known.join(", ")
            )));
        }
    }
    let get = |name: &str| sent.fields.get(name).and_then(Value::as_str);
    let sequence = get("sequence").filter(|name| !name.is_empty());
    if let Some(name) = sequence {
        let live = app.live.load();
        let sequences = &live.rules.sequences;
        if !sequences.contains_key(name) {
            return Err(Fault::unknown("sequence", name, sequences.keys().map(String::as_str)));
        }
    }
    let entry = Suppression {
        who: csv::who(get("sha256"), get("email")).map_err(sentence)?,
        reason: csv::reason(get("reason")).map_err(sentence)?,
        sequence: sequence.map(str::to_owned),
        note: csv::short(get("note").unwrap_or_default()).map_err(sentence)?,
        at: app.millis(),
    };
    let before = find(&app, &entry).await?;
    let added = before.is_none();
    if added {
        write(&app, vec![Write::Suppression(entry.clone())]).await?;
    }
    let entry = before.unwrap_or(entry);
    ok(&json!({ "added": added, "entry": shapes::suppression(&entry) }))
}

fn sentence(why: impl std::fmt::Display) -> Fault {
    Fault::bad(format!("{why}."))
}

/// `DELETE /suppressions/{who}`.
async fn remove(State(app): State<Arc<App>>, At(who): At<String>, asked: Asked) -> Answer {
    let query = asked.only(parameters::UNSUPPRESS)?;
    let reason = query.get("reason").map(|reason| csv::reason(Some(reason)).map_err(sentence));
    let reason = reason.transpose()?;
    let sequence = query.text("sequence");
    let whom = whom(&who).map_err(|_| {
        Fault::missing(format!(
            "`{who}` is neither an e-mail address nor its SHA-256: nobody is on the list by it."
        ))
    })?;
    let mut found = app.store.suppressions_of(whom).await?;
    found.retain(|entry| {
        reason.as_ref().is_none_or(|reason| *reason == entry.reason)
            && (sequence.is_none() || sequence == entry.sequence)
    });
    if found.is_empty() {
        return Err(Fault::missing("The suppression list has no such entry."));
    }
    let asked_for = found.iter().find(|entry| entry.was_asked_for());
    if let Some(entry) = asked_for
        && query.flag("confirm")? != Some(true)
    {
        let what = &entry.reason;
        return Err(Fault::conflict(format!(
            "The person {what}: only they can take that back; `confirm=true` says that they have \
             agreed."
        )));
    }
    let writes = found.iter().map(|entry| Write::Unsuppress {
        who: entry.who,
        reason: entry.reason.clone(),
        sequence: entry.sequence.clone(),
    });
    write(&app, writes.collect()).await?;
    app.journal.say(Kind::Step, "an address was taken off the suppression list");
    ok(&json!({ "removed": found.len() }))
}

/// `POST /suppressions/import`. Bad lines are told and left out; all others are taken.
async fn import(State(app): State<Arc<App>>, asked: Asked, sent: Text) -> Answer {
    let query = asked.only(parameters::IMPORT)?;
    let first = query.number("line", 2, usize::MAX)?.unwrap_or(2);
    // The heading stands before each part.
    let mut records = Records::new(&sent.0[..], first - 1);
    let unread = |_| Fault::bad("The file cannot be read.");
    let heading = records.read().map_err(unread)?;
    let heading = heading.ok_or_else(|| Fault::bad("The file is empty."))?.1.map_err(sentence)?;
    let columns = Columns::read(&heading).map_err(sentence)?;
    let (mut added, mut known, mut refused) = (0_usize, 0_usize, 0_usize);
    let (mut problems, mut writes, mut waiting) = (Vec::new(), Vec::new(), HashSet::new());
    while let Some((line, record)) = records.read().map_err(unread)? {
        match record.and_then(|record| columns.entry(&record, app.millis())) {
            Err(message) => {
                refused += 1;
                if problems.len() < TOLD {
                    problems.push(json!({ "line": line, "message": message }));
                }
            }
            Ok(entry) => {
                let twice =
                    !waiting.insert((entry.who, entry.reason.clone(), entry.sequence.clone()));
                if twice || find(&app, &entry).await?.is_some() {
                    known += 1;
                } else {
                    added += 1;
                    writes.push(Write::Suppression(entry));
                }
            }
        }
        if writes.len() == AT_ONCE {
            write(&app, std::mem::take(&mut writes)).await?;
            waiting.clear();
        }
    }
    write(&app, writes).await?;
    ok(&json!({ "added": added, "known": known, "refused": refused, "problems": problems }))
}

/// `GET /suppressions/export`.
async fn export(State(app): State<Arc<App>>, asked: Asked) -> Answer {
    asked.only(parameters::NONE)?;
    let first = app.store.suppression_list(None, AT_ONCE).await?;
    let (sender, body) = Channel::new(WAITING);
    tokio::spawn(send(app, first, sender));
    let mut response = Response::new(Body::new(body));
    let headers = response.headers_mut();
    headers.insert(header::CONTENT_TYPE, HeaderValue::from_static("text/csv; charset=utf-8"));
    headers.insert(header::CACHE_CONTROL, HeaderValue::from_static("no-store"));
    let name = HeaderValue::from_static("attachment; filename=\"suppressions.csv\"");
    headers.insert(header::CONTENT_DISPOSITION, name);
    *response.status_mut() = StatusCode::OK;
    Ok(response)
}

async fn send(app: Arc<App>, mut rows: Vec<Suppression>, mut sender: Sender<Bytes, StoreError>) {
    let mut text = String::from(csv::HEADING);
    loop {
        text.extend(rows.iter().map(csv::line));
        let part = Bytes::from(std::mem::take(&mut text));
        if !matches!(tokio::time::timeout(PATIENCE, sender.send_data(part)).await, Ok(Ok(()))) {
            return;
        }
        let Some(last) = rows.pop().filter(|_| rows.len() + 1 == AT_ONCE) else { return };
        rows = match app.store.suppression_list(Some(last), AT_ONCE).await {
            Ok(rows) => rows,
            Err(error) => return sender.abort(error),
        };
        if rows.is_empty() {
            return;
        }
    }
}

/// Whom an address or a hash means.
fn whom(text: &str) -> Result<Fingerprint, Fault> {
    match Fingerprint::parse(text) {
        Some(who) => Ok(who),
        None => csv::who(None, Some(text)).map_err(sentence),
    }
}

/// The entry of the list that is like this one.
async fn find(app: &App, entry: &Suppression) -> Result<Option<Suppression>, StoreError> {
    let mut found = app.store.suppressions_of(entry.who).await?.into_iter();
    let same =
        |known: &Suppression| known.reason == entry.reason && known.sequence == entry.sequence;
    Ok(found.find(same))
}

async fn write(app: &App, writes: Vec<Write>) -> Result<(), StoreError> {
    let commit = Commit { now: app.millis(), writes, ..Commit::default() };
    app.store.commit(commit).await.map(drop)
}
