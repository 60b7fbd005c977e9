//! One person: what is known of them, which sequences they are in, and everything that was
//! received, decided, scheduled, sent or left out because of them.

use std::sync::Arc;

use axum::extract::State;
use serde_json::{Value, json};

use super::answer::{Answer, At, Fault, ok};
use super::openapi::words::{self, count, list, text};
use super::{calendar, shapes};
use crate::base::address;
use crate::model::Record;
use crate::serve::app::{App, object};
use crate::serve::journal::Kind;
use crate::serve::people;
use crate::store::{ExecutionFilter, StoreError};

/// The record that holds a person, under their address.
const CONTACT: &str = "contact";

/// `GET /contacts/{email}`.
pub(super) async fn one(State(app): State<Arc<App>>, At(email): At<String>) -> Answer {
    let person = address::person(&email);
    let contact = contact(&app, &person, email.trim()).await?;
    let suppressions = app.store.suppressions(&person).await?;
    let filter = ExecutionFilter { person: Some(person.clone()), ..ExecutionFilter::default() };
    let executions = app.store.executions(filter, 0, 0).await?.total;
    let mut enrolments = app.store.enrolments_of(&person).await?;
    enrolments.sort_by_key(|enrolment| enrolment.id);
    if contact.is_none() && suppressions.is_empty() && executions == 0 && enrolments.is_empty() {
        return Err(unknown(&person));
    }
    let enrolments = calendar::enrolments(&app, &app.live.load_full(), &enrolments).await?;
    ok(&json!({
        "email": person,
        "contact": contact.map(|record| Value::Object(object(&record.fields))),
        "suppressions": suppressions.iter().map(shapes::suppression).collect::<Value>(),
        "enrolments": enrolments,
        "executions": executions,
    }))
}

/// `GET /contacts/{email}/timeline`: oldest first. What is still to come stands at the end.
pub(super) async fn timeline(State(app): State<Arc<App>>, At(email): At<String>) -> Answer {
    let live = app.live.load_full();
    match people::timeline(&*app.store, &live.rules, &email, app.millis()).await? {
        Some(body) => ok(&body),
        None => Err(unknown(&address::person(&email))),
    }
}

/// `DELETE /contacts/{email}`: forgets a person.
pub(super) async fn forget(State(app): State<Arc<App>>, At(email): At<String>) -> Answer {
    if !email.contains('@') {
        return Err(Fault::missing(format!(
            "`{email}` is no e-mail address: nobody is known by it."
        )));
    }
    let gone = people::forget(&*app.store, &email, || app.millis()).await?;
    if !gone.in_flight.is_empty() {
        return Err(Fault::conflict(
            "Something to this person is being sent at this moment. What could be removed is \
             gone; ask again in a minute for the rest.",
        ));
    }
    app.journal.say(Kind::Step, "a person was forgotten");
    let live = app.live.load();
    ok(&json!({
        "removed": {
            "executions": gone.executions,
            "enrolments": gone.enrolments,
            "deliveries": gone.jobs,
            "records": gone.records,
            "mentions": gone.mentions,
        },
        "suppressions": app.store.suppressions(&email).await?.len(),
        "out_of_reach": people::out_of_reach(&live.rules),
    }))
}

/// What that answers, as a JSON Schema.
pub(super) fn forgotten_shape() -> Value {
    let removed = words::object([
        ("executions", count()),
        ("enrolments", count()),
        ("deliveries", count()),
        ("records", count()),
        ("mentions", count()),
    ]);
    words::object([("removed", removed), ("suppressions", count()), ("out_of_reach", list(text()))])
}

fn unknown(person: &str) -> Fault {
    Fault::missing(people::nobody(person))
}

/// The contact of an address; rules may have kept it as it was typed, or as e-mails write it.
async fn contact(app: &App, person: &str, typed: &str) -> Result<Option<Record>, StoreError> {
    let mut names = address::spellings(person);
    if typed != person {
        names.push(typed.to_owned());
    }
    for name in names {
        if let Some(found) = app.store.record(CONTACT, &name).await? {
            return Ok(Some(found));
        }
    }
    Ok(None)
}
