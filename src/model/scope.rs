//! What names a guard or a `{{tag}}` may use at a place, and what type each has. The
//! language builds scopes from schemas; guards and templates are checked against them.

use std::collections::BTreeMap;

use serde_json::{Map, Value, json};

/// The moment that examples pretend to be "now".
pub const EXAMPLE_TIME: &str = "2025-12-01T10:30:00Z";

/// The type of a value, as the schema language names them.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Kind {
    /// `text`, `email`, `url`: a string.
    Text,
    /// A whole number of at most 64 bits.
    Integer,
    /// Any number.
    Number,
    /// Yes or no.
    Boolean,
    /// A point in time with an offset; a string on the wire.
    Time,
    /// A calendar date; a string on the wire.
    Date,
    /// A list of one type.
    List(Box<Kind>),
    /// An object with known fields.
    Object(BTreeMap<String, Shape>),
    /// Anything: nothing can be checked before it arrives.
    Any,
}

impl Kind {
    /// The word that people know it by.
    #[must_use]
    pub fn word(&self) -> &'static str {
        match self {
            Self::Text => "text",
            Self::Integer => "integer",
            Self::Number => "number",
            Self::Boolean => "boolean",
            Self::Time => "time",
            Self::Date => "date",
            Self::List(_) => "list",
            Self::Object(_) => "object",
            Self::Any => "any",
        }
    }

    /// A made-up value, where nobody wrote an example; none where anything may stand.
    #[must_use]
    pub fn example(&self) -> Option<Value> {
        Some(match self {
            Self::Text => json!("text"),
            Self::Integer => json!(1),
            Self::Number => json!(1.0),
            Self::Boolean => json!(true),
            Self::Time => json!(EXAMPLE_TIME),
            Self::Date => json!("2025-12-01"),
            Self::List(of) => Value::Array(of.example().into_iter().collect()),
            Self::Object(fields) => Value::Object(example_of_fields(fields)),
            Self::Any => return None,
        })
    }
}

/// A value for each field, as far as one can be made up.
#[must_use]
pub fn example_of_fields(fields: &BTreeMap<String, Shape>) -> Map<String, Value> {
    fields
        .iter()
        .filter_map(|(name, shape)| shape.kind.example().map(|value| (name.clone(), value)))
        .collect()
}

/// A type, and whether the value may be missing.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Shape {
    /// The type.
    pub kind: Kind,
    /// Whether it may be missing (or null, which counts as missing).
    pub optional: bool,
}

impl Shape {
    /// A value that is always there.
    #[must_use]
    pub fn required(kind: Kind) -> Self {
        Self { kind, optional: false }
    }

    /// A value that may be missing.
    #[must_use]
    pub fn optional(kind: Kind) -> Self {
        Self { kind, optional: true }
    }
}

/// The names in scope at one place.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Scope {
    /// Each name with its type.
    pub names: BTreeMap<String, Shape>,
    /// Whether names that are not listed may exist too (a JSON Schema file that rulerun
    /// cannot see through).
    pub open: bool,
}

impl Scope {
    /// The same scope with one more name.
    #[must_use]
    pub fn with(mut self, name: impl Into<String>, shape: Shape) -> Self {
        self.names.insert(name.into(), shape);
        self
    }

    /// The dotted path to a field that exactly one record in scope has.
    #[must_use]
    pub fn only_record_with(&self, field: &str) -> Option<String> {
        let mut found = self.names.iter().filter(
            |(_, shape)| matches!(&shape.kind, Kind::Object(fields) if fields.contains_key(field)),
        );
        let (name, _) = found.next()?;
        found.next().is_none().then(|| format!("{name}.{field}"))
    }

    /// The shape that a dotted path leads to; `Err` carries the part that is unknown and the
    /// names that exist there. A path through `any`, or in an open scope, leads to `any`.
    ///
    /// # Errors
    /// The index of the first unknown part and the names known at that level.
    pub fn resolve(&self, path: &[&str]) -> Result<Shape, (usize, Vec<String>)> {
        let mut known = &self.names;
        let mut optional = false;
        for (index, part) in path.iter().enumerate() {
            let Some(shape) = known.get(*part) else {
                if self.open && index == 0 {
                    return Ok(Shape::optional(Kind::Any));
                }
                return Err((index, known.keys().cloned().collect()));
            };
            optional |= shape.optional;
            match &shape.kind {
                Kind::Object(fields) if index + 1 < path.len() => known = fields,
                Kind::Any if index + 1 < path.len() => return Ok(Shape::optional(Kind::Any)),
                _ if index + 1 < path.len() => return Err((index + 1, Vec::new())),
                kind => return Ok(Shape { kind: kind.clone(), optional }),
            }
        }
        Err((0, known.keys().cloned().collect()))
    }

    /// The lengths of those beginnings of a path that may be missing by themselves: for
    /// `lead.score` with a required `lead` and an optional `score`, only 2. What lies
    /// beyond `any`, or outside a list of known names, may always be missing.
    #[must_use]
    pub fn optional_prefixes(&self, path: &[&str]) -> Vec<usize> {
        let mut known = &self.names;
        let mut found = Vec::new();
        for (index, part) in path.iter().enumerate() {
            let Some(shape) = known.get(*part) else {
                found.push(path.len());
                break;
            };
            if shape.optional {
                found.push(index + 1);
            }
            match &shape.kind {
                Kind::Object(fields) => known = fields,
                _ if index + 1 < path.len() => {
                    found.push(path.len());
                    break;
                }
                _ => {}
            }
        }
        found
    }
}
