//! Schemas as other programs are given them. What our own checker knows without being told
//! stands in them as a pattern: that a web address begins with `http`, and that the domain
//! of an e-mail address has a dot. The standard's `uri` is no web address with letters beyond
//! ASCII, which people type and we take, so the pattern stands in its place.

use serde_json::{Map, Value, json};

use crate::model::{Kind, Scope, Shape};

/// `http://` or `https://`, then a host.
const WEB_ADDRESS: &str = r#"^[Hh][Tt][Tt][Pp][Ss]?://[^\s<>"\\/?#:][^\s<>"\\]*$"#;
/// Dotted words before the `@`, at least two after it. Letters beyond ASCII may stand in both.
const EMAIL: &str = r#"^[^\s"(),.:;<>@\[\\\]]+(\.[^\s"(),.:;<>@\[\\\]]+)*@([0-9A-Za-z\u00a1-\uffff]([0-9A-Za-z\u00a1-\uffff-]*[0-9A-Za-z\u00a1-\uffff])?\.)+[0-9A-Za-z\u00a1-\uffff]([0-9A-Za-z\u00a1-\uffff-]*[0-9A-Za-z\u00a1-\uffff])?$"#;

/// What [`super::published`] promises.
pub(super) fn published(schema: &Value) -> Value {
    match schema {
        Value::Object(fields) => {
            let mut told: Map<String, Value> =
                fields.iter().map(|(name, value)| (name.clone(), published(value))).collect();
            if let Some(pattern) = pattern(fields) {
                if told.contains_key("pattern") {
                    let all = told.entry("allOf").or_insert_with(|| json!([]));
                    if let Value::Array(all) = all {
                        all.push(json!({ "pattern": pattern }));
                    }
                } else {
                    told.insert(String::from("pattern"), Value::from(pattern));
                }
                if pattern == WEB_ADDRESS {
                    told.shift_remove("format");
                }
            }
            Value::Object(told)
        }
        Value::Array(values) => values.iter().map(published).collect(),
        other => other.clone(),
    }
}

/// What a format means here. A field that happens to be called `format` has an object there.
fn pattern(schema: &Map<String, Value>) -> Option<&'static str> {
    match schema.get("format").and_then(Value::as_str)? {
        "email" => Some(EMAIL),
        "uri" => Some(WEB_ADDRESS),
        _ => None,
    }
}

/// What [`super::described`] promises.
pub(super) fn described(scope: &Scope) -> Value {
    object(scope.names.iter())
}

/// What [`super::kind`] promises.
pub(super) fn kind(kind: &Kind) -> Value {
    match kind {
        Kind::Text => json!({ "type": "string" }),
        Kind::Integer => json!({ "type": "integer" }),
        Kind::Number => json!({ "type": "number" }),
        Kind::Boolean => json!({ "type": "boolean" }),
        Kind::Time => json!({ "type": "string", "format": "date-time" }),
        Kind::Date => json!({ "type": "string", "format": "date" }),
        Kind::List(item) => json!({ "type": "array", "items": self::kind(item) }),
        Kind::Object(fields) => object(fields.iter()),
        Kind::Any => json!({}),
    }
}

fn object<'a>(fields: impl Iterator<Item = (&'a String, &'a Shape)>) -> Value {
    let (mut properties, mut required) = (Map::new(), Vec::new());
    for (name, shape) in fields {
        let mut value = kind(&shape.kind);
        if !shape.optional {
            required.push(Value::from(name.as_str()));
        } else if let Some(word) = value.get("type").cloned() {
            value["type"] = json!([word, "null"]);
        }
        properties.insert(name.clone(), value);
    }
    json!({ "type": "object", "properties": properties, "required": required })
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::payload::Checker;

    /// Whether the pattern alone, and our own checker, take a text.
    fn both(format: &str, text: &str) -> (bool, bool) {
        let own = json!({ "type": "string", "format": format });
        let pattern = json!({ "type": "string", "pattern": published(&own)["pattern"] });
        let takes = |schema| {
            let checker = Checker::compile(&schema).expect("a schema");
            checker.check(&json!(text)).is_empty()
        };
        (takes(pattern), takes(own))
    }

    #[test]
    fn what_others_read_is_what_we_check() {
        for (format, text) in [
            ("email", "sarah@example.com"),
            ("email", "o'neil+x.y@mail.example.co.uk"),
            ("email", "zoë@müller.example"),
            ("email", "sarah@example"),
            ("email", "sarah@@example.com"),
            ("email", "sa rah@example.com"),
            ("email", "\"a\"@example.com"),
            ("email", ".a@example.com"),
            ("email", "a..b@example.com"),
            ("email", "a@-example.com"),
            ("email", "a@example..com"),
            ("email", "Sarah <sarah@example.com>"),
            ("email", "a@[127.0.0.1]"),
            ("email", ""),
            ("uri", "https://www.example.com"),
            ("uri", "HTTP://example.com:8080/a?b=c#d"),
            ("uri", "https://müller.example/ü"),
            ("uri", "javascript:alert(1)"),
            ("uri", "ftp://example.com"),
            ("uri", "https://"),
            ("uri", "https://:80/"),
            ("uri", "https:///x"),
            ("uri", "https://a b"),
            ("uri", "https://a/\"x"),
            ("uri", "www.example.com"),
        ] {
            let (pattern, own) = both(format, text);
            assert_eq!(pattern, own, "{format} {text}");
        }
    }

    #[test]
    fn a_pattern_of_the_author_stays_beside_ours() {
        let own = json!({ "type": "string", "format": "uri", "pattern": "^https://www[.]" });
        let told = published(&own);
        assert_eq!(told["pattern"], own["pattern"]);
        assert_eq!(told["allOf"], json!([{ "pattern": WEB_ADDRESS }]));
        let field = json!({ "properties": { "format": { "type": "string" } } });
        assert_eq!(published(&field), field);
    }
}
