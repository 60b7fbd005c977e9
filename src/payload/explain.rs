//! A validator's error in plain words: which field, what was expected, what stood there.

use jsonschema::error::{TypeKind, ValidationErrorKind as Kind};
use jsonschema::paths::{Location, LocationSegment};
use jsonschema::{JsonType, ValidationError};
use serde_json::Value;

use super::{Problem, formats};
use crate::base::diagnostic::{closest, did_you_mean};

/// Adds the problem (or problems) that one error means.
pub(super) fn explain(
    error: &ValidationError<'_>,
    schema: &Value,
    original: &Value,
    found: &mut Vec<Problem>,
) {
    let path = dotted(error.instance_path());
    match error.kind() {
        Kind::Required { property } => {
            let name = property.as_str().unwrap_or_default();
            found.push(missing(error, &path, name, schema, original));
        }
        Kind::AdditionalProperties { unexpected } | Kind::UnevaluatedProperties { unexpected } => {
            let known = known_fields(error, schema);
            for name in unexpected {
                let hint = did_you_mean(name, known.iter().copied())
                    .map_or(String::new(), |near| format!("; {near}"));
                let path = join(&path, name);
                let message = format!("`{path}` is not a field of this payload{hint}");
                found.push(Problem { path, message });
            }
        }
        Kind::PropertyNames { error } => {
            let what = sentence(error).unwrap_or_else(|| "is not allowed".to_owned());
            let message = format!("a field name of {}: {what}", subject(&path));
            found.push(Problem { path, message });
        }
        _ => {
            let what = sentence(error).unwrap_or_else(|| format!("is not allowed: {error}"));
            let message = format!("{} {what}", subject(&path));
            found.push(Problem { path, message });
        }
    }
}

/// A missing field, and the misspelt one that stands in its place.
fn missing(
    error: &ValidationError<'_>,
    path: &str,
    name: &str,
    schema: &Value,
    original: &Value,
) -> Problem {
    let pointer =
        format!("{}/{}", error.instance_path(), name.replace('~', "~0").replace('/', "~1"));
    let field = join(path, name);
    let mut message = format!("`{field}` is missing");
    if original.pointer(&pointer).is_some_and(Value::is_null) {
        message.push_str(" (null counts as missing)");
        return Problem { path: field, message };
    }
    let known = known_fields(error, schema);
    let strangers = error
        .instance()
        .as_object()
        .into_iter()
        .flat_map(|fields| fields.keys())
        .map(String::as_str)
        .filter(|key| !known.contains(key));
    if let Some(near) = closest(name, strangers) {
        message = format!("{message}; `{near}` looks like it: did you mean `{name}`?");
    }
    Problem { path: field, message }
}

/// The fields that the schema names where the error arose.
fn known_fields<'s>(error: &ValidationError<'_>, schema: &'s Value) -> Vec<&'s str> {
    let place = error.schema_path().to_string();
    let object = place.rsplit_once('/').map_or("", |(before, _)| before);
    schema
        .pointer(object)
        .and_then(|schema| schema.get("properties"))
        .and_then(Value::as_object)
        .map(|fields| fields.keys().map(String::as_str).collect())
        .unwrap_or_default()
}

/// What is wrong, to be read after the name of the field.
fn sentence(error: &ValidationError<'_>) -> Option<String> {
    let value = error.instance().as_ref();
    let got = got(value);
    Some(match error.kind() {
        Kind::Type { kind } => format!("must be {}, got {got}", wanted_types(kind)),
        Kind::Format { format } => format!("must be {}, got {got}", formats::wanted(format)),
        Kind::Minimum { limit } => format!("must be at least {limit}, got {got}"),
        Kind::Maximum { limit } => format!("must be at most {limit}, got {got}"),
        Kind::ExclusiveMinimum { limit } => format!("must be more than {limit}, got {got}"),
        Kind::ExclusiveMaximum { limit } => format!("must be less than {limit}, got {got}"),
        Kind::MultipleOf { multiple_of } => {
            format!("must be a multiple of {multiple_of}, got {got}")
        }
        Kind::MinLength { limit } => {
            format!("must have at least {}, got {got}", counted(*limit, "character"))
        }
        Kind::MaxLength { limit } => {
            format!("must have at most {}, got {got}", counted(*limit, "character"))
        }
        Kind::MinItems { limit } => {
            format!("must have at least {}, got {got}", counted(*limit, "entry"))
        }
        Kind::MaxItems { limit } => {
            format!("must have at most {}, got {got}", counted(*limit, "entry"))
        }
        Kind::AdditionalItems { limit } => {
            format!("must have at most {}, got {got}", counted(*limit as u64, "entry"))
        }
        Kind::MinProperties { limit } => {
            format!("must have at least {}", counted(*limit, "field"))
        }
        Kind::MaxProperties { limit } => {
            format!("must have at most {}", counted(*limit, "field"))
        }
        Kind::UniqueItems => "must not hold the same entry twice".to_owned(),
        Kind::Enum { options } => {
            let all = options.as_array().map_or(&[][..], Vec::as_slice);
            let near = value
                .as_str()
                .and_then(|text| closest(text, all.iter().filter_map(Value::as_str)))
                .map_or(String::new(), |near| format!("; did you mean \"{near}\"?"));
            let listed: Vec<String> = all.iter().map(Value::to_string).collect();
            format!("must be one of {}, got {got}{near}", listed.join(", "))
        }
        Kind::Constant { expected_value } => format!("must be {expected_value}, got {got}"),
        Kind::Pattern { pattern } => {
            format!("does not have the form that is expected ({pattern}), got {got}")
        }
        Kind::FalseSchema => "must not be there".to_owned(),
        Kind::Contains => "does not hold an entry that is needed".to_owned(),
        Kind::UnevaluatedItems { .. } => "holds entries that are not expected".to_owned(),
        Kind::AnyOf { .. } | Kind::OneOfNotValid { .. } => {
            format!("has none of the forms that are allowed, got {got}")
        }
        Kind::OneOfMultipleValid { .. } => {
            "has several of the allowed forms at once; exactly one is expected".to_owned()
        }
        Kind::Custom { message, .. } => format!("{message}, got {got}"),
        Kind::Not { .. } => format!("has a form that is not allowed, got {got}"),
        Kind::BacktrackLimitExceeded { .. } | Kind::RegexEngineFailure { .. } => {
            "could not be compared with the form that is expected".to_owned()
        }
        _ => return None,
    })
}

fn wanted_types(kind: &TypeKind) -> String {
    match kind {
        TypeKind::Single(one) => type_word(*one).to_owned(),
        TypeKind::Multiple(set) => {
            let words: Vec<&str> = set.iter().map(type_word).collect();
            words.join(" or ")
        }
    }
}

fn type_word(kind: JsonType) -> &'static str {
    match kind {
        JsonType::Null => "null",
        JsonType::Boolean => "true or false",
        JsonType::Integer => "a whole number",
        JsonType::Number => "a number",
        JsonType::String => "text",
        JsonType::Array => "a list",
        JsonType::Object => "an object",
    }
}

/// A value as a message shows it, cut short.
fn got(value: &Value) -> String {
    const SHOWN: usize = 40;
    match value {
        Value::Null => "null".to_owned(),
        Value::Bool(flag) => flag.to_string(),
        Value::Number(number) => format!("the number {number}"),
        Value::String(text) if text.is_empty() => "an empty text".to_owned(),
        Value::String(text) => {
            let mut shown: String = text.chars().take(SHOWN).collect();
            if text.chars().nth(SHOWN).is_some() {
                shown.push('…');
            }
            format!("text {shown:?}")
        }
        Value::Array(values) => format!("a list of {}", values.len()),
        Value::Object(_) => "an object".to_owned(),
    }
}

fn counted(count: u64, noun: &str) -> String {
    match (count, noun) {
        (1, _) => format!("1 {noun}"),
        (_, "entry") => format!("{count} entries"),
        _ => format!("{count} {noun}s"),
    }
}

fn subject(path: &str) -> String {
    if path.is_empty() { "the payload".to_owned() } else { format!("`{path}`") }
}

fn join(path: &str, name: &str) -> String {
    if path.is_empty() { name.to_owned() } else { format!("{path}.{name}") }
}

/// A place as people write it: `items[0].name`.
fn dotted(location: &Location) -> String {
    let mut path = String::new();
    for segment in location {
        match segment {
            LocationSegment::Property(name) => path = join(&path, &name),
            LocationSegment::Index(index) => path = format!("{path}[{index}]"),
        }
    }
    path
}
