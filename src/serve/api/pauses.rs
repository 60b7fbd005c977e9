//! Sequences that stand still: for everybody, or for one person. Calls are accepted and people
//! enter meanwhile; what comes due is held, and goes on when the pause ends.

use std::sync::Arc;

use axum::extract::State;
use serde_json::json;

use super::answer::{Answer, At, Fault, ok};
use super::calendar::known_sequence;
use super::calls::Call;
use super::openapi::words::{count, object, or_null, page, text, time};
use super::parameters;
use super::query::{Asked, Query};
use super::shapes;
use crate::base::address;
use crate::model::queue::pause_flag;
use crate::serve::app::App;
use crate::serve::journal::Kind;
use crate::serve::people::pauses::{self, Holding};

/// `GET /sequences/paused`: what is paused, and how much that holds.
pub(super) async fn all(State(app): State<Arc<App>>, asked: Asked) -> Answer {
    asked.only(parameters::NONE)?;
    let live = app.live.load_full();
    let (store, now) = (&*app.store, app.millis());
    let mut results = Vec::new();
    for pause in pauses::pauses(store).await? {
        let person = pause.person.as_deref();
        let holding = pauses::holding(store, &live.rules, &pause.sequence, person, now).await?;
        results.push(pauses::shape(&pause, holding));
    }
    let total = results.len();
    ok(&shapes::page(results, total))
}

/// `POST /sequences/{name}/pause?person=`.
pub(super) async fn pause(
    State(app): State<Arc<App>>,
    At(name): At<String>,
    asked: Asked,
) -> Answer {
    let query = asked.only(parameters::PAUSE)?;
    let person = whom(&app, &name, &query).await?;
    let since = pauses::pause(&*app.store, &name, person.as_deref(), app.millis()).await?;
    app.journal.say(Kind::Warning, &format!("{name}{} is paused", told(person.as_deref())));
    ok(&json!({ "sequence": name, "person": person, "paused_at": since }))
}

/// `POST /sequences/{name}/resume?person=`: says how much was held, and how much of that will
/// be left out because it is too late now.
pub(super) async fn resume(
    State(app): State<Arc<App>>,
    At(name): At<String>,
    asked: Asked,
) -> Answer {
    let query = asked.only(parameters::PAUSE)?;
    let person = whom(&app, &name, &query).await?;
    let live = app.live.load_full();
    let since = app.store.flag(&pause_flag(&name, person.as_deref())).await?;
    // What was begun is done to the end, even if the caller does not wait for it.
    let (worker, whose, sequence) = (Arc::clone(&app), person.clone(), name.clone());
    let work = tokio::spawn(async move {
        let (store, now) = (&*worker.store, worker.millis());
        let person = whose.as_deref();
        let holding = pauses::holding(store, &live.rules, &sequence, person, now).await?;
        pauses::resume(store, &sequence, person, now).await.map(|moved| (holding, moved))
    });
    let stopped = |error: tokio::task::JoinError| {
        Fault::from(crate::store::StoreError::Stopped(error.to_string()))
    };
    let (holding, resumed) = work.await.map_err(stopped)??;
    if since.is_some() {
        let whom = told(person.as_deref());
        let Holding { held, too_late } = holding;
        // What another pause holds as well does not go on.
        let goes = if resumed < held { format!("{resumed} of {held}") } else { held.to_string() };
        let text = format!("{name}{whom} goes on; {goes} held, of which {too_late} are too late");
        app.journal.say(Kind::Warning, &text);
    }
    ok(&json!({
        "sequence": name,
        "person": person,
        "paused_at": since,
        "held": holding.held,
        "too_late": holding.too_late,
        "resumed": resumed,
    }))
}

fn told(person: Option<&str>) -> String {
    person.map(|person| format!(" for {person}")).unwrap_or_default()
}

/// The person who is meant, if one is. A sequence or a person that nobody knows is a slip of
/// the keyboard: pausing nothing would look as if it had worked.
async fn whom(app: &App, sequence: &str, query: &Query) -> Result<Option<String>, Fault> {
    known_sequence(app, &app.live.load_full(), sequence).await?;
    let Some(person) = query.get("person").map(address::person) else {
        return Ok(None);
    };
    let enrolments = app.store.enrolments_of(&person).await?;
    if enrolments.iter().any(|one| one.sequence == sequence) {
        return Ok(Some(person));
    }
    Err(Fault::missing(format!("`{person}` was never in the sequence `{sequence}`.")))
}

/// The calls about pauses.
pub(super) fn calls() -> Vec<Call> {
    const GROUP: &str = "People";
    let paused = object([("sequence", text()), ("person", or_null(text())), ("paused_at", time())]);
    let resumed = object([
        ("sequence", text()),
        ("person", or_null(text())),
        ("paused_at", or_null(time())),
        ("held", count()),
        ("too_late", count()),
        ("resumed", count()),
    ]);
    vec![
        Call::get(
            "/api/v1/sequences/paused",
            all,
            (GROUP, "Which sequences are paused, for whom, and how much that holds."),
            page("Pause"),
        ),
        Call::post(
            "/api/v1/sequences/{name}/pause",
            pause,
            (GROUP, "Holds what comes due in a sequence, for everybody or for one person."),
            paused,
        )
        .query(parameters::PAUSE)
        .also(&[(404, "There is no such sequence, or the person was never in it.")]),
        Call::post(
            "/api/v1/sequences/{name}/resume",
            resume,
            (GROUP, "Lets a paused sequence go on; says how much was held and is too late now."),
            resumed,
        )
        .query(parameters::PAUSE)
        .also(&[(404, "There is no such sequence, or the person was never in it.")]),
    ]
}
