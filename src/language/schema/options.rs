//! What a field may be besides its type: bounds, patterns, choices, null.

use serde_json::{Value as Json, json};

use super::super::codes;
use super::super::reading::Reading;
use super::super::tree::{Data, Node, Value};
use crate::base::Diagnostic;
use crate::base::diagnostic::did_you_mean;
use crate::payload::Checker;

/// `min=`, `max=` and their like, each for the types that have it.
pub(super) fn options(reading: &mut Reading<'_>, node: &Node, word: &str, json: &mut Json) {
    let list = word == "list";
    for (name, key, types) in [
        ("min", "minimum", &["integer", "number"][..]),
        ("max", "maximum", &["integer", "number"]),
        (
            "min-length",
            if list { "minItems" } else { "minLength" },
            &["text", "email", "url", "list"],
        ),
        (
            "max-length",
            if list { "maxItems" } else { "maxLength" },
            &["text", "email", "url", "list"],
        ),
        ("pattern", "pattern", &["text", "email", "url"]),
        ("closed", "additionalProperties", &["object"]),
    ] {
        let Some(value) = node.prop(name) else { continue };
        if !types.contains(&word) {
            reading.push(
                Diagnostic::error(
                    codes::FIELD_OPTION,
                    format!("`{name}=` does not fit the type `{word}`"),
                    value.span,
                )
                .help(format!("it fits {}", types.join(", "))),
            );
        } else if name == "pattern" {
            pattern(reading, value, json);
        } else if name != "closed" {
            json[key] = value.json();
        }
    }
    for (low, high) in [("min", "max"), ("min-length", "max-length")] {
        let number = |name| match node.prop(name).map(|value| &value.data) {
            #[expect(clippy::cast_precision_loss, reason = "only compared")]
            Some(Data::Integer(value)) => Some(*value as f64),
            Some(Data::Float(value)) => Some(*value),
            _ => None,
        };
        if let (Some(least), Some(most), Some(value)) = (number(low), number(high), node.prop(high))
            && least > most
        {
            reading.push(
                Diagnostic::error(
                    codes::FIELD_OPTION,
                    format!("no value fits: `{low}=` is larger than `{high}=`"),
                    value.span,
                )
                .help("exchange them"),
            );
        }
    }
}

/// A regular expression; one that cannot be used is left out, so that the rest is checked.
fn pattern(reading: &mut Reading<'_>, value: &Value, json: &mut Json) {
    let alone = json!({ "type": "string", "pattern": value.json() });
    if value.text().is_none() || Checker::compile(&alone).is_ok() {
        json["pattern"] = value.json();
        return;
    }
    reading.push(
        Diagnostic::error(
            codes::FIELD_OPTION,
            "this pattern is not a regular expression that can be used",
            value.span,
        )
        .label("not a pattern")
        .help("close every bracket, write `\\` twice or use #\"…\"#, and do without look-around"),
    );
}

/// The values of `one-of`.
pub(super) fn one_of(reading: &mut Reading<'_>, node: &Node, word: &str) -> Vec<Json> {
    let Some(choices) = node.child("one-of") else {
        if !matches!(word, "object" | "list") {
            for child in node.nodes() {
                let help = did_you_mean(&child.name, ["one-of"])
                    .unwrap_or_else(|| String::from("fields within stand in the type `object`"));
                reading.push(
                    Diagnostic::error(
                        codes::MISPLACED,
                        format!("`{}` does not stand in a field of type `{word}`", child.name),
                        child.name_span,
                    )
                    .help(help),
                );
            }
        }
        return Vec::new();
    };
    if choices.args.is_empty() {
        reading.push(
            Diagnostic::error(
                codes::MISSING,
                "`one-of` needs at least one value",
                choices.name_span,
            )
            .help("write one-of \"demo\" \"video\""),
        );
    }
    choices.args.iter().map(Value::json).collect()
}

/// A null counts as missing, so an optional field may be null.
pub(super) fn allow_null(json: &mut Json) {
    if let Some(kind) = json.get("type").cloned() {
        json["type"] = json!([kind, "null"]);
    }
    if let Some(choices) = json.get_mut("enum").and_then(Json::as_array_mut) {
        choices.push(Json::Null);
    }
}
