//! How sequences do: who entered and how they left, and what became of each step, as it was
//! counted since the beginning. Nobody walks through the people for that.

use std::collections::BTreeMap;
use std::sync::Arc;

use axum::extract::State;
use serde_json::{Map, Value, json};

use super::answer::{Answer, At, ok};
use super::calendar::known_sequence;
use super::calls::Call;
use super::openapi::words::{count, fields, flag, list, number, object, or_null, text, word};
use super::query::Asked;
use super::{parameters, shapes};
use crate::engine::{Comparison, Counts, Numbers, RATES, StepNumbers, numbers};
use crate::model::queue::{Counted, Tally};
use crate::serve::app::App;

/// What is told of each step and each of its texts, in this order.
const TOLD: [Tally; 9] = [
    Tally::Skipped,
    Tally::Sent,
    Tally::Failed,
    Tally::Delivered,
    Tally::Bounced,
    Tally::Complained,
    Tally::Unsubscribed,
    Tally::Clicked,
    Tally::Converted,
];

/// `GET /sequences/stats`: every sequence in a line.
pub(super) async fn all(State(app): State<Arc<App>>, asked: Asked) -> Answer {
    asked.only(parameters::NONE)?;
    let live = app.live.load_full();
    let mut found: BTreeMap<String, (Vec<(Counted, u64)>, u64)> = BTreeMap::new();
    for name in live.rules.sequences.keys() {
        found.entry(name.clone()).or_default();
    }
    for (counted, count) in app.store.tallies(None).await? {
        found.entry(counted.sequence.clone()).or_default().0.push((counted, count));
    }
    for edition in app.store.midway(None).await? {
        found.entry(edition.sequence).or_default().1 += edition.people;
    }
    let total = found.len();
    let rows = found.iter().map(|(name, (tallies, active))| {
        let rule = live.rules.sequences.get(name).map(|rule| &**rule);
        Value::Object(people(name, rule.is_some(), &numbers(rule, tallies, *active)))
    });
    ok(&shapes::page(rows, total))
}

/// `GET /sequences/{name}/stats`: a sequence with its steps and their texts.
pub(super) async fn one(State(app): State<Arc<App>>, At(name): At<String>, asked: Asked) -> Answer {
    asked.only(parameters::NONE)?;
    let live = app.live.load_full();
    let tallies = app.store.tallies(Some(name.clone())).await?;
    if tallies.is_empty() {
        known_sequence(&app, &live, &name).await?;
    }
    let midway = app.store.midway(Some(name.clone())).await?;
    let rule = live.rules.sequences.get(&name).map(|rule| &**rule);
    let found = numbers(rule, &tallies, midway.iter().map(|one| one.people).sum());
    let mut body = people(&name, rule.is_some(), &found);
    body.insert("tracks_clicks".into(), json!(rule.is_some_and(|rule| rule.tracks_clicks)));
    body.insert("steps".into(), found.steps.iter().map(step).collect());
    ok(&Value::Object(body))
}

/// Who entered a sequence, and how they left.
fn people(name: &str, in_rules: bool, found: &Numbers) -> Map<String, Value> {
    let sent: u64 = found.steps.iter().map(|step| step.all.of(Tally::Sent)).sum();
    let rate = share(found.converted, found.entered);
    let body = json!({
        "sequence": name,
        "in_rules": in_rules,
        "entered": found.entered,
        "active": found.active,
        "finished": found.finished,
        "stopped": found.stopped,
        "converted": found.converted,
        "conversion_rate": rate,
        "sent": sent,
    });
    if let Value::Object(body) = body { body } else { Map::new() }
}

#[expect(clippy::cast_precision_loss, reason = "a rate for people, to a hundredth of a percent")]
fn share(part: u64, whole: u64) -> Option<f64> {
    (whole > 0).then(|| (part as f64 / whole as f64 * 10_000.0).round() / 10_000.0)
}

fn step(step: &StepNumbers) -> Value {
    let mut body = counts(&step.all);
    body.insert("step".into(), json!(step.name));
    body.insert("in_rules".into(), json!(step.in_rules));
    body.insert("scheduled".into(), json!(step.all.of(Tally::Waiting)));
    let variants = step.variants.iter().map(|(name, found)| {
        let mut body = counts(found);
        body.insert("variant".into(), json!(name));
        Value::Object(body)
    });
    body.insert("variants".into(), variants.collect());
    body.insert("comparison".into(), json!(step.comparison.as_ref().map(comparison)));
    Value::Object(body)
}

fn counts(found: &Counts) -> Map<String, Value> {
    let mut body = Map::new();
    for what in TOLD {
        body.insert(what.word().into(), json!(found.of(what)));
    }
    let rates: Map<String, Value> =
        RATES.iter().map(|what| (what.word().to_owned(), json!(found.rate(*what)))).collect();
    body.insert("rates".into(), Value::Object(rates));
    body.insert("skipped_because".into(), json!(found.skipped_because));
    body.insert("failed_because".into(), json!(found.failed_because));
    body
}

fn comparison(found: &Comparison) -> Value {
    json!({
        "measure": found.measure.word(),
        "p": found.p,
        "better": found.better,
        "sentence": found.sentence,
    })
}

/// The calls of this file.
pub(super) fn calls() -> Vec<Call> {
    const GROUP: &str = "People";
    let line = |more: Vec<(&'static str, Value)>| {
        let mut shape = object([
            ("sequence", text()),
            ("in_rules", flag()),
            ("entered", count()),
            ("active", count()),
            ("finished", count()),
            ("stopped", count()),
            ("converted", count()),
            ("conversion_rate", or_null(number())),
            ("sent", count()),
        ]);
        add(&mut shape, more);
        shape
    };
    let all = object([("results", list(line(Vec::new()))), ("total", count())]);
    let one = line(vec![("tracks_clicks", flag()), ("steps", list(step_shape()))]);
    vec![
        Call::get(
            "/api/v1/sequences/stats",
            self::all,
            (GROUP, "How many entered each sequence, and how they left it, since the beginning."),
            all,
        ),
        Call::get(
            "/api/v1/sequences/{name}/stats",
            self::one,
            (GROUP, "The same of one sequence, with what became of each step and each text."),
            one,
        )
        .also(&[(404, "There is no such sequence.")]),
    ]
}

fn step_shape() -> Value {
    let counts = || {
        let mut shape = object([]);
        add(&mut shape, TOLD.map(|what| (what.word(), count())).into());
        let mut rates = object([]);
        add(&mut rates, RATES.map(|what| (what.word(), or_null(number()))).into());
        let because = [("skipped_because", fields()), ("failed_because", fields())];
        add(&mut shape, [("rates", rates)].into_iter().chain(because).collect());
        shape
    };
    let mut variant = counts();
    add(&mut variant, vec![("variant", text())]);
    let comparison = object([
        ("measure", word([Tally::Converted.word(), Tally::Clicked.word()])),
        ("p", or_null(number())),
        ("better", or_null(text())),
        ("sentence", text()),
    ]);
    let mut shape = counts();
    let more = vec![
        ("step", text()),
        ("in_rules", flag()),
        ("scheduled", count()),
        ("variants", list(variant)),
        ("comparison", or_null(comparison)),
    ];
    add(&mut shape, more);
    shape
}

/// Adds fields that are always there to the shape of an object.
fn add(shape: &mut Value, more: Vec<(&'static str, Value)>) {
    for (name, field) in more {
        shape["properties"][name] = field;
        if let Some(required) = shape["required"].as_array_mut() {
            required.push(json!(name));
        }
    }
}
