//! A situation is one way in which a guard or text may be used: the names in scope, and
//! example values for them, so that both can be tried before the first real call.

use std::collections::BTreeMap;
use std::ops::Range;

use serde_json::{Map, Value, json};

use crate::base::{Diagnostic, Span};
use crate::model::rules::Schema;
use crate::model::scope::{EXAMPLE_TIME, example_of_fields};
use crate::model::{Kind, Scope, Shape};

/// Names and example values at one place.
#[derive(Clone, Debug)]
pub(super) struct Situation {
    /// Who is asking, for messages: `christmas/signup-handler`. Empty where the place says it.
    pub(super) label: String,
    /// Where that stands.
    pub(super) span: Span,
    /// The names.
    pub(super) scope: Scope,
    /// A value for each name.
    pub(super) example: Map<String, Value>,
    /// Whether a mistake elsewhere hides what the names are: nothing is held against them.
    pub(super) unknown: bool,
    /// What was probably meant where there is no field at all.
    pub(super) instead: Option<String>,
}

impl Situation {
    /// The payload of a schema, and `now`.
    pub(super) fn of_schema(schema: Option<&Schema>, span: Span) -> Self {
        let scope = schema.map(|schema| schema.scope.clone()).unwrap_or_default();
        let example = match schema.map(|schema| &schema.example) {
            Some(Value::Object(fields)) => fields.clone(),
            _ => Map::new(),
        };
        Self { label: String::new(), span, scope, example, unknown: false, instead: None }.with(
            "now",
            Shape::required(Kind::Time),
            json!(EXAMPLE_TIME),
        )
    }

    /// A payload about which nothing can be known.
    pub(super) fn open(span: Span) -> Self {
        let mut open = Self::of_schema(None, span);
        open.scope.open = true;
        open.unknown = true;
        open
    }

    /// The same situation with one more name.
    pub(super) fn with(mut self, name: &str, shape: Shape, example: Value) -> Self {
        self.scope = self.scope.with(name, shape);
        self.example.insert(name.to_owned(), example);
        self
    }

    /// The same situation with a record under its name.
    pub(super) fn with_record(self, name: &str, record: &Scope, optional: bool) -> Self {
        let example = example_of_fields(&record.names);
        let kind = if record.open { Kind::Any } else { Kind::Object(record.names.clone()) };
        self.with(name, Shape { kind, optional }, Value::Object(example))
    }

    /// The same situation under another label.
    pub(super) fn labelled(mut self, label: impl Into<String>, span: Span) -> Self {
        self.label = label.into();
        self.span = span;
        self
    }

    /// Whether there is nothing but `now`.
    pub(super) fn is_empty(&self) -> bool {
        !self.scope.open && self.scope.names.keys().all(|name| name == "now")
    }

    /// The help of a mistake; where no field is known at all, that is the mistake.
    pub(super) fn help(&self, help: Option<String>) -> Option<String> {
        if self.is_empty() {
            return self.instead.clone().or_else(|| {
                Some(String::from(
                    "no fields are known here: an endpoint needs a `payload`, an event a schema \
                     that has its name",
                ))
            });
        }
        help
    }
}

/// One mistake as several situations have it.
pub(super) struct Fault {
    /// Its code.
    pub(super) code: &'static str,
    /// What is wrong.
    pub(super) message: String,
    /// Where, in bytes of the guard's or template's own text.
    pub(super) range: Range<usize>,
    /// How to mend it.
    pub(super) help: Option<String>,
    /// What to write in that range instead, when that is certain.
    pub(super) fix: Option<String>,
}

/// The mistakes of a guard or text over all its situations, each told once, with the names
/// of those who are asking where there are such names.
#[derive(Default)]
pub(super) struct Faults {
    found: Vec<(Fault, Vec<String>)>,
}

impl Faults {
    /// Adds a mistake that one situation has.
    pub(super) fn add(&mut self, situation: &Situation, fault: Fault) {
        let same = self.found.iter_mut().find(|(known, _)| {
            known.code == fault.code && known.message == fault.message && known.range == fault.range
        });
        if let Some((known, askers)) = same {
            askers.push(situation.label.clone());
            // What is right for one asker may be wrong for another.
            known.fix = known.fix.take().filter(|fix| Some(fix) == fault.fix.as_ref());
        } else {
            let help = situation.help(fault.help);
            self.found.push((Fault { help, ..fault }, vec![situation.label.clone()]));
        }
    }

    /// Whether there is none.
    pub(super) fn is_empty(&self) -> bool {
        self.found.is_empty()
    }

    /// The mistakes at their places.
    pub(super) fn told(self, place: impl Fn(&Range<usize>) -> Span) -> Vec<Diagnostic> {
        self.found
            .into_iter()
            .map(|(fault, askers)| {
                let message = told(&fault.message, &askers);
                Diagnostic::error(fault.code, message, place(&fault.range))
                    .maybe_help(fault.help)
                    .mend(fault.fix)
            })
            .collect()
    }
}

/// A message that names who is asking, where that is not plain from its place.
pub(super) fn told(message: &str, askers: &[String]) -> String {
    let mut names: Vec<String> =
        askers.iter().filter(|name| !name.is_empty()).map(|name| format!("`{name}`")).collect();
    names.dedup();
    if names.is_empty() {
        return message.to_owned();
    }
    format!("{message} (when {} starts it)", names.join(" or "))
}

/// The same fields, each of which may be missing.
pub(super) fn all_optional(fields: &BTreeMap<String, Shape>) -> BTreeMap<String, Shape> {
    fields.iter().map(|(name, shape)| (name.clone(), Shape::optional(shape.kind.clone()))).collect()
}

/// The dotted path of a text that is exactly one `{{tag}}` without filters.
pub(super) fn lone_tag(text: &str) -> Option<Vec<&str>> {
    let inner = text.trim().strip_prefix("{{")?.strip_suffix("}}")?.trim();
    let path: Vec<&str> = inner.split('.').collect();
    path.iter().all(|part| super::forms::is_identifier(part)).then_some(path)
}

/// The kind that a text becomes in a field.
pub(super) fn kind_of_text(text: &str, scope: &Scope) -> Kind {
    if !text.contains("{{") {
        return Kind::Text;
    }
    match lone_tag(text) {
        Some(path) => scope.resolve(&path).map_or(Kind::Any, |shape| shape.kind),
        None if text.trim().starts_with("{{") && text.trim().ends_with("}}") => Kind::Any,
        None => Kind::Text,
    }
}

/// Whether a value of one kind can stand where another is wanted, as far as can be told.
pub(super) fn fits(given: &Kind, wanted: &Kind) -> bool {
    use Kind::{Any, Date, Integer, List, Number, Object, Text, Time};
    match (given, wanted) {
        // A number may be whole, and a text may hold a time: only the value can tell.
        (Any, _)
        | (_, Any)
        | (Integer | Number, Integer | Number)
        | (Text | Time | Date, Text | Time | Date)
        | (Object(_), Object(_)) => true,
        (List(given), List(wanted)) => fits(given, wanted),
        (given, wanted) => given == wanted,
    }
}
