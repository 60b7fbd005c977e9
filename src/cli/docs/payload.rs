//! The fields of a payload as a table, from its JSON Schema: what a schema file of somebody
//! else says plainly is told in the same words.

use serde_json::{Map, Value};

use super::markdown::{code, table, text};

/// Objects and lists are followed so deep.
const MAX_DEPTH: usize = 8;

/// The table; none when the schema names no fields.
pub(super) fn fields(schema: &Value) -> Option<String> {
    let mut rows = Vec::new();
    walk(schema, "", 0, &mut rows);
    (!rows.is_empty()).then(|| table(&["Field", "Type", "Required", "Limits", "About"], &rows))
}

fn walk(schema: &Value, prefix: &str, depth: usize, rows: &mut Vec<Vec<String>>) {
    let required = schema["required"].as_array();
    let needed = |name: &str| required.is_some_and(|names| names.iter().any(|one| one == name));
    let none = Map::new();
    for (name, field) in schema["properties"].as_object().unwrap_or(&none) {
        let path = format!("{prefix}{name}");
        let about = field["description"].as_str().map(text).unwrap_or_default();
        let yes = if needed(name) { "yes" } else { "" };
        rows.push(vec![code(&path), word(field), yes.to_owned(), limits(field), about]);
        if depth < MAX_DEPTH {
            walk(field, &format!("{path}."), depth + 1, rows);
            walk(&field["items"], &format!("{path}[]."), depth + 1, rows);
        }
    }
}

/// The type, as rule files call it.
fn word(field: &Value) -> String {
    let kinds: Vec<&str> = match &field["type"] {
        Value::String(kind) => vec![kind],
        Value::Array(kinds) => kinds.iter().filter_map(Value::as_str).collect(),
        _ => Vec::new(),
    };
    let told: Vec<String> = kinds
        .into_iter()
        .filter(|kind| *kind != "null")
        .map(|kind| match (kind, field["format"].as_str()) {
            ("string", Some("email")) => String::from("email"),
            ("string", Some("uri")) => String::from("url"),
            ("string", Some("date-time")) => String::from("time"),
            ("string", Some("date")) => String::from("date"),
            ("string", _) => String::from("text"),
            ("array", _) => format!("list of {}", word(&field["items"])),
            (kind, _) => kind.to_owned(),
        })
        .collect();
    if told.is_empty() { String::from("any") } else { told.join(" or ") }
}

fn limits(field: &Value) -> String {
    let mut told = Vec::new();
    if let Some(choices) = field["enum"].as_array() {
        let choices: Vec<String> = choices
            .iter()
            .filter(|choice| !choice.is_null())
            .map(|choice| code(&choice.to_string()))
            .collect();
        told.push(format!("one of {}", choices.join(", ")));
    }
    let bound = |low: &str, high: &str| match (&field[low], &field[high]) {
        (Value::Null, Value::Null) => None,
        (low, Value::Null) => Some(format!("at least {low}")),
        (Value::Null, high) => Some(format!("at most {high}")),
        (low, high) => Some(format!("{low} to {high}")),
    };
    told.extend(bound("minimum", "maximum"));
    told.extend(bound("minLength", "maxLength").map(|bound| format!("{bound} letters")));
    told.extend(bound("minItems", "maxItems").map(|bound| format!("{bound} entries")));
    if let Some(pattern) = field["pattern"].as_str() {
        told.push(format!("fits {}", code(pattern)));
    }
    if field["format"] == "date-time" {
        told.push(String::from("with an offset"));
    }
    told.join("; ")
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    #[test]
    fn every_field_is_a_line_also_within_objects_and_lists() {
        let schema = json!({
            "required": ["email", "items"],
            "properties": {
                "email": { "type": "string", "format": "email" },
                "kind": { "type": ["string", "null"], "enum": ["demo", "video", null] },
                "items": { "type": "array", "items": {
                    "type": "object", "required": ["sku"], "properties": {
                        "sku": { "type": "string", "minLength": 3 },
                        "count": { "type": "integer", "minimum": 1, "maximum": 9 }
                    }
                } }
            }
        });
        let expected = "\
| Field | Type | Required | Limits |
|---|---|---|---|
| `email` | email | yes |  |
| `kind` | text |  | one of `\"demo\"`, `\"video\"` |
| `items` | list of object | yes |  |
| `items[].sku` | text | yes | at least 3 letters |
| `items[].count` | integer |  | 1 to 9 |";
        assert_eq!(super::fields(&schema).as_deref(), Some(expected));
    }
}
