//! Who is in what, what will happen when, and which e-mails were captured.

use std::sync::Arc;

use axum::extract::State;
use serde_json::Value;

use super::answer::{Answer, At, Fault, ok};
use super::parameters;
use super::query::Asked;
use super::shapes;
use crate::base::{Id, address};
use crate::mail;
use crate::model::queue::CAPTURED;
use crate::model::{Enrolment, JobState, Task};
use crate::serve::app::App;
use crate::serve::people::{self, Wanted};
use crate::serve::settings::Live;
use crate::store::{JobFilter, StoreError};

/// `GET /outbox`: e-mails that were captured because no mail service is set up. The store
/// lists jobs by when their execution came; within a page, what was captured last is first.
pub(super) async fn outbox(State(app): State<Arc<App>>, asked: Asked) -> Answer {
    let query = asked.only(parameters::OUTBOX)?;
    let rows = query.rows(parameters::FEW)?;
    let filter = JobFilter {
        state: Some(JobState::Cancelled),
        reason: Some(CAPTURED.to_owned()),
        ..JobFilter::default()
    };
    let mut page = app.store.jobs(filter, rows.skip, rows.take).await?;
    page.rows.sort_by_key(|job| std::cmp::Reverse(job.updated));
    ok(&shapes::page(page.rows.iter().filter_map(shapes::captured), page.total))
}

/// `GET /outbox/{id}`: one of them, with its HTML.
pub(super) async fn captured(State(app): State<Arc<App>>, At(id): At<String>) -> Answer {
    let missing = || Fault::missing(format!("There is no e-mail `{id}` in the outbox."));
    let known: Id = id.parse().map_err(|()| missing())?;
    let (job, _) = app.store.job(known).await?.ok_or_else(missing)?;
    let is_captured = job.reason.as_deref() == Some(CAPTURED);
    let Task::Email(email) = &job.task else { return Err(missing()) };
    let mut shape = shapes::captured(&job).filter(|_| is_captured).ok_or_else(missing)?;
    shape["html"] = mail::page_of(&email.message).into();
    ok(&shape)
}

/// `GET /sequences?sequence=`: who is in what.
pub(super) async fn sequences(State(app): State<Arc<App>>, asked: Asked) -> Answer {
    let query = asked.only(parameters::SEQUENCES)?;
    let rows = query.rows(parameters::MANY)?;
    let sequence = query.text("sequence");
    let page = app.store.enrolments(sequence.clone(), rows.skip, rows.take).await?;
    let live = app.live.load_full();
    if let Some(name) = sequence.filter(|_| page.total == 0) {
        known_sequence(&app, &live, &name).await?;
    }
    ok(&shapes::page(enrolments(&app, &live, &page.rows).await?, page.total))
}

/// Enrolments, each with the version of its sequence that it follows.
pub(super) async fn enrolments(
    app: &App,
    live: &Live,
    rows: &[Enrolment],
) -> Result<Vec<Value>, StoreError> {
    let mut told = Vec::with_capacity(rows.len());
    for one in rows {
        let version = app.editions.told(&*app.store, &live.rules, one).await?;
        told.push(shapes::enrolment(one, &version));
    }
    Ok(told)
}

/// `GET /sequences/{name}/active?after=&size=`: who is mid-way, with what they began with. It
/// is read part by part; `next` is the `after` of the next one.
pub(super) async fn active(
    State(app): State<Arc<App>>,
    At(name): At<String>,
    asked: Asked,
) -> Answer {
    let query = asked.only(parameters::ACTIVE)?;
    let size = query.number("size", 1, parameters::MANY)?.unwrap_or(parameters::MANY);
    ok(&people::active(&*app.store, &name, query.text("after"), size).await?.shape())
}

/// `GET /schedule?from=&to=&sequence=&person=`: everything that is due in between, the
/// earliest first, with the later steps of every sequence that somebody is in.
pub(super) async fn schedule(State(app): State<Arc<App>>, asked: Asked) -> Answer {
    let query = asked.only(parameters::SCHEDULE)?;
    let wanted = Wanted {
        from: query.time("from")?.unwrap_or(i64::MIN),
        to: query.time("to")?.unwrap_or(i64::MAX),
        sequence: query.text("sequence"),
        person: query.get("person").map(address::person),
        size: query.number("size", 1, parameters::MANY)?.unwrap_or(parameters::DEFAULT_ENTRIES),
    };
    if wanted.from > wanted.to {
        return Err(Fault::bad("`from` must not be later than `to`."));
    }
    let live = app.live.load_full();
    let body = people::schedule(&*app.store, &live.rules, &wanted, app.millis()).await?;
    if let Some(name) = wanted.sequence.filter(|_| body["total"] == 0) {
        known_sequence(&app, &live, &name).await?;
    }
    ok(&body)
}

/// Refuses the name of a sequence that neither the rules have nor anybody was ever in.
pub(super) async fn known_sequence(app: &App, live: &Live, name: &str) -> Result<(), Fault> {
    // Sequences that the rules no longer have may still have had people in them.
    let is_known = live.rules.sequences.contains_key(name)
        || app.store.enrolments(Some(name.to_owned()), 0, 1).await?.total > 0;
    let known = live.rules.sequences.keys().map(String::as_str);
    if is_known { Ok(()) } else { Err(Fault::unknown("sequence", name, known)) }
}
