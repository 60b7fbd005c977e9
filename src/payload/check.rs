//! Checking a payload: whether it fits is asked first and quickly; only when it does not
//! is every problem collected and put into words.

use jsonschema::{PatternOptions, Validator};
use serde_json::Value;

use super::{Problem, explain, formats, whole};

/// At most so many problems are told of one payload.
const MAX_PROBLEMS: usize = 100;

/// A validator and the schema that it was made of.
#[derive(Debug)]
pub(super) struct Compiled {
    validator: Validator,
    schema: Value,
}

impl Compiled {
    pub(super) fn new(schema: &Value) -> Result<Self, String> {
        let validator = jsonschema::options()
            .offline()
            .should_validate_formats(true)
            .with_pattern_options(PatternOptions::regex())
            .with_format("email", formats::email)
            .with_format("uri", formats::web_address)
            .with_format("date-time", formats::time)
            .with_format("date", formats::date)
            .with_keyword(whole::KEYWORD, whole::keyword)
            .build(&whole::marked(schema))
            .map_err(|error| schema_fault(&error))?;
        Ok(Self { validator, schema: schema.clone() })
    }

    pub(super) fn check(&self, payload: &Value) -> Vec<Problem> {
        if self.validator.is_valid(payload) {
            return Vec::new();
        }
        let problems = self.problems(payload, payload);
        if !has_null_field(payload) {
            return problems;
        }
        // Null counts as missing. A schema file may take nulls though, so the reading
        // that leaves fewer problems is the one that its author meant.
        let without = without_nulls(payload);
        if self.validator.is_valid(&without) {
            return Vec::new();
        }
        let other = self.problems(&without, payload);
        if other.len() <= problems.len() { other } else { problems }
    }

    fn problems(&self, checked: &Value, original: &Value) -> Vec<Problem> {
        let mut found = Vec::new();
        for error in self.validator.iter_errors(checked) {
            explain::explain(&error, &self.schema, original, &mut found);
            if found.len() >= MAX_PROBLEMS {
                found.truncate(MAX_PROBLEMS);
                break;
            }
        }
        found.dedup();
        found
    }
}

/// Why a schema cannot be used. What does not fit the form of schemas is told by its place:
/// the rules of that form are of no help to its reader.
fn schema_fault(error: &jsonschema::ValidationError<'_>) -> String {
    let place = error.instance_path().to_string();
    if place.is_empty() {
        error.to_string()
    } else {
        format!("{} stands at {place}", error.instance())
    }
}

fn has_null_field(value: &Value) -> bool {
    match value {
        Value::Object(fields) => {
            fields.values().any(|field| field.is_null() || has_null_field(field))
        }
        Value::Array(values) => values.iter().any(has_null_field),
        _ => false,
    }
}

/// What [`super::without_nulls`] promises.
pub(super) fn without_nulls(value: &Value) -> Value {
    match value {
        Value::Object(fields) => fields
            .iter()
            .filter(|(_, field)| !field.is_null())
            .map(|(name, field)| (name.clone(), without_nulls(field)))
            .collect(),
        Value::Array(values) => values.iter().map(without_nulls).collect(),
        other => other.clone(),
    }
}
