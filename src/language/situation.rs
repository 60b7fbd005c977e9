//! A situation is one way in which a guard or text may be used: the names in scope, and
//! example values for them, so that both can be tried before the first real call.

use std::collections::BTreeMap;

use serde_json::{Map, Value, json};

use crate::base::Span;
use crate::model::rules::Schema;
use crate::model::{Kind, Scope, Shape};

/// The moment that examples pretend to be "now".
const NOW: &str = "2025-12-01T10:30:00Z";

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
}

impl Situation {
    /// The payload of a schema, and `now`.
    pub(super) fn of_schema(schema: Option<&Schema>, span: Span) -> Self {
        let scope = schema.map(|schema| schema.scope.clone()).unwrap_or_default();
        let example = match schema.map(|schema| &schema.example) {
            Some(Value::Object(fields)) => fields.clone(),
            _ => Map::new(),
        };
        Self { label: String::new(), span, scope, example }.with(
            "now",
            Shape::required(Kind::Time),
            json!(NOW),
        )
    }

    /// A payload about which nothing can be known.
    pub(super) fn open(span: Span) -> Self {
        let mut open = Self::of_schema(None, span);
        open.scope.open = true;
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

    /// A message that names who is asking, where that is not plain from its place.
    pub(super) fn told(&self, message: &str) -> String {
        if self.label.is_empty() {
            message.to_owned()
        } else {
            format!("{message} (when `{}` starts it)", self.label)
        }
    }
}

/// The same fields, each of which may be missing.
pub(super) fn all_optional(fields: &BTreeMap<String, Shape>) -> BTreeMap<String, Shape> {
    fields.iter().map(|(name, shape)| (name.clone(), Shape::optional(shape.kind.clone()))).collect()
}

/// A value for each field, as far as one can be made up.
pub(super) fn example_of_fields(fields: &BTreeMap<String, Shape>) -> Map<String, Value> {
    fields
        .iter()
        .filter_map(|(name, shape)| example_of(&shape.kind).map(|value| (name.clone(), value)))
        .collect()
}

/// A value of a kind; none where anything may stand.
pub(super) fn example_of(kind: &Kind) -> Option<Value> {
    Some(match kind {
        Kind::Text => json!("text"),
        Kind::Integer => json!(1),
        Kind::Number => json!(1.0),
        Kind::Boolean => json!(true),
        Kind::Time => json!(NOW),
        Kind::Date => json!("2025-12-01"),
        Kind::List(of) => Value::Array(example_of(of).into_iter().collect()),
        Kind::Object(fields) => Value::Object(example_of_fields(fields)),
        Kind::Any => return None,
    })
}

/// The dotted path of a text that is exactly one `{{tag}}` without filters.
pub(super) fn lone_tag(text: &str) -> Option<Vec<&str>> {
    let inner = text.trim().strip_prefix("{{")?.strip_suffix("}}")?.trim();
    let path: Vec<&str> = inner.split('.').collect();
    path.iter().all(|part| super::values::is_identifier(part)).then_some(path)
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
    match (given, wanted) {
        (Kind::Any, _) | (_, Kind::Any) | (Kind::Integer, Kind::Number) => true,
        // A number may be whole, and a text may hold a time: only the value can tell.
        (Kind::Number, Kind::Integer) | (Kind::Text, Kind::Time | Kind::Date) => true,
        (Kind::Time | Kind::Date, Kind::Text) => true,
        (Kind::List(given), Kind::List(wanted)) => fits(given, wanted),
        (Kind::Object(_), Kind::Object(_)) => true,
        (given, wanted) => given == wanted,
    }
}
