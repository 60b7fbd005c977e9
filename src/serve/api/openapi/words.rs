//! The few words of JSON Schema of which answers are described.

use serde_json::{Map, Value, json};

/// An object with these fields. One whose name ends with `?` may be missing; fields that are
/// not named here may come with a later version.
pub(in crate::serve::api) fn object<const N: usize>(fields: [(&str, Value); N]) -> Value {
    let (mut properties, mut required) = (Map::new(), Vec::new());
    for (name, value) in fields {
        let bare = name.trim_end_matches('?');
        if bare == name {
            required.push(Value::from(bare));
        }
        properties.insert(bare.to_owned(), value);
    }
    json!({ "type": "object", "properties": properties, "required": required })
}

/// A text.
pub(in crate::serve::api) fn text() -> Value {
    json!({ "type": "string" })
}

/// A whole number that is never negative.
pub(in crate::serve::api) fn count() -> Value {
    json!({ "type": "integer", "minimum": 0 })
}

/// Any number.
pub(in crate::serve::api) fn number() -> Value {
    json!({ "type": "number" })
}

/// Yes or no.
pub(in crate::serve::api) fn flag() -> Value {
    json!({ "type": "boolean" })
}

/// A point in time, in UTC.
pub(in crate::serve::api) fn time() -> Value {
    json!({ "type": "string", "format": "date-time" })
}

/// An id.
pub(in crate::serve::api) fn id() -> Value {
    json!({ "type": "string", "pattern": "^[0-9A-Za-z]{22}$", "examples": ["0351i8xVxirrQPZcv2nXmV"] })
}

/// Any JSON at all.
pub(in crate::serve::api) fn any() -> Value {
    json!({})
}

/// An object whose fields depend on the rules.
pub(in crate::serve::api) fn fields() -> Value {
    json!({ "type": "object" })
}

/// One of these words.
pub(in crate::serve::api) fn word<'a>(words: impl IntoIterator<Item = &'a str>) -> Value {
    let words: Vec<&str> = words.into_iter().collect();
    json!({ "type": "string", "enum": words })
}

/// A list.
#[expect(clippy::needless_pass_by_value, reason = "words are put into each other")]
pub(in crate::serve::api) fn list(item: Value) -> Value {
    json!({ "type": "array", "items": item })
}

/// The same, or null.
#[expect(clippy::needless_pass_by_value, reason = "words are put into each other")]
pub(in crate::serve::api) fn or_null(value: Value) -> Value {
    json!({ "anyOf": [value, { "type": "null" }] })
}

/// What is described among the components.
pub(in crate::serve::api) fn named(name: &str) -> Value {
    json!({ "$ref": format!("#/components/schemas/{name}") })
}

/// A page of a list.
pub(in crate::serve::api) fn page(item: &str) -> Value {
    object([("results", list(named(item))), ("total", count())])
}
