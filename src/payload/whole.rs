//! Whole numbers that keep their digits. The standard's `integer` takes every number without a
//! fraction; what is larger than 64 signed bits, or was written as a decimal and has more than
//! 53 bits, has lost digits on the way or would lose them in a guard. Schemas say nothing about
//! that, so that what other programs are given stays as its author wrote it: a keyword is put
//! into the copy that is compiled.

use jsonschema::paths::Location;
use jsonschema::{Keyword, ValidationError};
use serde_json::{Map, Value};

/// Stands beside `type` in the compiled copy. No schema can mean it: it has a blank.
pub(super) const KEYWORD: &str = "whole number";
/// From here on a number that was written as a decimal may not be the one that was meant.
const EXACT: f64 = 9_007_199_254_740_992.0;
/// What is wrong with a number that is refused.
const WHY: &str = "must be a whole number from -9223372036854775808 to 9223372036854775807, and \
                   beyond 9007199254740991 be written without a point or exponent; send larger \
                   ones as text";

/// Keywords that hold data: an object there is a payload's, not a schema.
const DATA: &[&str] = &["const", "default", "dependentRequired", "enum", "examples", "required"];
/// Keywords that hold schemas by name: a field may be called as a keyword is.
const BY_NAME: &[&str] = &[
    "$defs",
    "definitions",
    "dependencies",
    "dependentSchemas",
    "patternProperties",
    "properties",
];

/// The schema with the keyword at every `integer`.
pub(super) fn marked(schema: &Value) -> Value {
    match schema {
        Value::Object(fields) => {
            let part = |(name, value): (&String, &Value)| {
                let value = match (name.as_str(), value) {
                    (name, value) if DATA.contains(&name) => value.clone(),
                    (name, Value::Object(schemas)) if BY_NAME.contains(&name) => schemas
                        .iter()
                        .map(|(name, schema)| (name.clone(), marked(schema)))
                        .collect(),
                    (_, value) => marked(value),
                };
                (name.clone(), value)
            };
            let mut all: Map<String, Value> = fields.iter().map(part).collect();
            if fields.get("type").is_some_and(is_integer) {
                all.insert(KEYWORD.to_owned(), Value::Bool(true));
            }
            Value::Object(all)
        }
        Value::Array(values) => values.iter().map(marked).collect(),
        other => other.clone(),
    }
}

/// Whether a `type` takes whole numbers and no others.
fn is_integer(kind: &Value) -> bool {
    match kind {
        Value::Array(kinds) => {
            kinds.iter().any(is_integer) && !kinds.iter().any(|kind| kind == "number")
        }
        kind => kind == "integer",
    }
}

/// What the keyword asks for.
struct Whole;

/// Makes it; `jsonschema` asks for this form.
#[expect(clippy::unnecessary_wraps, reason = "a keyword may be refused, this one never is")]
pub(super) fn keyword<'a>(
    _: &'a Map<String, Value>,
    _: &'a Value,
    _: Location,
) -> Result<Box<dyn for<'i> Keyword<'i>>, ValidationError<'a>> {
    Ok(Box::new(Whole))
}

impl<'i> Keyword<'i> for Whole {
    fn validate(&self, value: &'i Value) -> Result<(), ValidationError<'i>> {
        if self.is_valid(value) { Ok(()) } else { Err(ValidationError::custom(WHY)) }
    }

    fn is_valid(&self, value: &'i Value) -> bool {
        let Value::Number(number) = value else { return true };
        match number.as_i64() {
            Some(_) => true,
            None => number.is_f64() && number.as_f64().is_some_and(|float| float.abs() < EXACT),
        }
    }
}
