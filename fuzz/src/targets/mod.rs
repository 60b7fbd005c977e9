//! The bodies of the fuzz targets. Each takes any bytes, hands them to one of the places
//! where text from outside comes in, and asserts what must hold whatever they are: not only
//! that nothing panics. Each also knows its seeds, taken from rulerun's own files, and the
//! words from which a mutation may be made.

pub mod address;
pub mod duration;
pub mod forwarded;
pub mod guard;
pub mod json;
pub mod mail;
pub mod rules;
pub mod schema;
pub mod signature;
pub mod template;

mod seeds;

use std::ops::Range;
use std::path::Path;

use rulerun::base::Zone;
use rulerun::model::{Context, Kind, Scope, Shape};
use serde_json::{Map, Value};

/// One fuzz target.
pub struct Target {
    /// Its name: of the binary, of the folder of its corpus.
    pub name: &'static str,
    /// Takes one input; a broken promise is a panic.
    pub run: fn(&[u8]),
    /// The inputs to begin with, from the project's folder.
    pub seeds: fn(&Path) -> Vec<Vec<u8>>,
    /// Words that mean something to what is tested.
    pub words: &'static [&'static str],
}

/// Every target.
pub const ALL: [&Target; 10] = [
    &address::TARGET,
    &duration::TARGET,
    &forwarded::TARGET,
    &guard::TARGET,
    &json::TARGET,
    &mail::TARGET,
    &rules::TARGET,
    &schema::TARGET,
    &signature::TARGET,
    &template::TARGET,
];

/// Cuts an input into at most `N` parts at its NUL bytes; what is missing is empty.
fn parts<const N: usize>(data: &[u8]) -> [&[u8]; N] {
    let mut found = data.splitn(N, |byte| *byte == 0);
    [(); N].map(|()| found.next().unwrap_or_default())
}

/// Joins parts as [`parts`] cuts them.
fn joined(parts: &[&[u8]]) -> Vec<u8> {
    parts.join(&0)
}

/// An object from an input's part, read as the body of a call is read; none if it is none.
fn payload(part: &[u8]) -> Option<Map<String, Value>> {
    match rulerun::payload::parse(part) {
        Ok(Value::Object(fields)) => Some(fields),
        _ => None,
    }
}

/// An object that fits [`scope`].
const FITTING: &str = r#"{
    "email_1_status": "sent", "first_name": "Sarah", "red_systems": 2, "leak": 14700.5,
    "approved": true, "sent_at": "2025-12-01T12:30:00+02:00", "day": "2025-12-10",
    "tags": ["hot", "new"], "extra": {"deep": 3}, "nickname": null,
    "lead": {"lead_id": 1, "score": 0.8, "seen_at": "2025-12-01T10:30:00Z"}
}"#;

/// Names of every type, required and optional.
fn scope() -> Scope {
    let lead = Kind::Object(
        [
            (String::from("lead_id"), Shape::required(Kind::Integer)),
            (String::from("score"), Shape::optional(Kind::Number)),
            (String::from("seen_at"), Shape::optional(Kind::Time)),
        ]
        .into(),
    );
    Scope::default()
        .with("email_1_status", Shape::required(Kind::Text))
        .with("first_name", Shape::required(Kind::Text))
        .with("red_systems", Shape::required(Kind::Integer))
        .with("leak", Shape::required(Kind::Number))
        .with("approved", Shape::required(Kind::Boolean))
        .with("maybe", Shape::optional(Kind::Boolean))
        .with("nickname", Shape::optional(Kind::Text))
        .with("sent_at", Shape::required(Kind::Time))
        .with("day", Shape::required(Kind::Date))
        .with("tags", Shape::required(Kind::List(Box::new(Kind::Text))))
        .with("extra", Shape::required(Kind::Any))
        .with("lead", Shape::required(lead.clone()))
        .with("contact", Shape::optional(lead))
}

/// The same names, where others may exist too.
fn open_scope() -> Scope {
    Scope { open: true, ..scope() }
}

/// A context as a decision has it.
fn context(payload: &Map<String, Value>) -> Context<'_> {
    let mut context = Context::new(payload, Zone::get("America/New_York").unwrap_or(Zone::UTC));
    context.set("now", Value::from("2025-12-03T10:30:00Z"));
    context
}

/// A fault's place must lie in its text, between characters.
fn assert_place(source: &str, range: &Range<usize>, about: &str) {
    assert!(source.get(range.clone()).is_some(), "{about}: {range:?} is no place in {source:?}");
}
