//! `schema NAME file="x.json"`: a JSON Schema that somebody else wrote. What it says about
//! its fields plainly becomes the scope; where it is too clever to see through, any name
//! is let pass.

use std::collections::BTreeMap;

use serde_json::{Map, Value as Json, json};

use super::reading::Reading;
use super::tree::{Node, Value};
use super::{codes, mends};
use crate::base::diagnostic::{did_you_mean, only_close};
use crate::base::{Diagnostic, SourceMap, Span};
use crate::model::rules::Schema;
use crate::model::{Kind, Scope, Shape};
use crate::payload::Checker;

/// The deepest level that is looked into.
const MAX_DEPTH: usize = 16;

/// The one file of the same folder that can be meant, as the value names it.
fn beside_meant(path: &str, file: &Value, known: &[String]) -> Option<String> {
    let near = only_close(path, known.iter().map(String::as_str))?;
    let folder = path.strip_suffix(file.text()?)?;
    mends::instead_of(file, near.strip_prefix(folder)?)
}

/// Reads the schema from the file beside the rule file.
pub(super) fn from_file(
    reading: &mut Reading<'_>,
    name: &str,
    node: &Node,
    file: &Value,
) -> Option<Schema> {
    let path = beside(reading.sources, node, file.text()?);
    let Some(id) = reading.sources.find(&path) else {
        let known: Vec<String> = reading
            .sources
            .iter()
            .map(|(_, source)| source.path.clone())
            .filter(|path| super::has_ending(path, "json"))
            .collect();
        let help = did_you_mean(&path, known.iter().map(String::as_str));
        reading.push(
            Diagnostic::error(codes::UNKNOWN_FILE, format!("there is no file {path}"), file.span)
                .label("looked for beside this file")
                .help(help.unwrap_or_else(|| format!("create {path}, or mend the name")))
                .mend(beside_meant(&path, file, &known)),
        );
        return None;
    };
    let text = &reading.sources.file(id).text;
    let json: Json = match serde_json::from_str(text) {
        Ok(json) => json,
        Err(error) => {
            let at = offset(text, error.line(), error.column());
            let at = if error.is_eof() { text.trim_end().len() } else { at };
            let start = text[..at].char_indices().next_back().map_or(0, |(index, _)| index);
            let span = Span::new(id, start..at);
            reading.push(
                Diagnostic::error(codes::BAD_JSON_SCHEMA, not_json(&error), span)
                    .also(file.span, "used here")
                    .help("every { [ and \" needs its partner, and commas stand between entries"),
            );
            return None;
        }
    };
    let checker = match Checker::compile(&json) {
        Ok(checker) => checker,
        Err(why) => {
            reading.push(
                Diagnostic::error(
                    codes::BAD_JSON_SCHEMA,
                    format!("{path} cannot be used as a schema: {why}"),
                    file.span,
                )
                .help("it must be a JSON Schema (2020-12) that refers to nothing outside itself"),
            );
            return None;
        }
    };
    let example = json
        .get("examples")
        .and_then(|examples| examples.get(0))
        .cloned()
        .unwrap_or_else(|| example(&json, 0));
    Some(Schema {
        name: name.to_owned(),
        scope: scope(&json),
        json,
        checker,
        example,
        span: node.title_span(),
    })
}

/// What the reader of JSON found, without the place, which is shown.
fn not_json(error: &serde_json::Error) -> String {
    if error.is_eof() {
        return String::from("this is not JSON: the file ends too early");
    }
    let told = error.to_string();
    let what = told.split(" at line ").next().unwrap_or_default();
    let what = match what {
        "expected value" => "a value is missing here",
        "key must be a string" => "a name in quotation marks is missing here",
        "trailing comma" => "the comma before this is one too many",
        "trailing characters" => "nothing may follow here",
        other => other,
    };
    format!("this is not JSON: {what}")
}

/// A path beside the file in which a node stands.
pub(super) fn beside(sources: &SourceMap, node: &Node, name: &str) -> String {
    let here = &sources.file(node.file()).path;
    let mut parts: Vec<&str> = here.split('/').collect();
    parts.pop();
    for part in name.split('/') {
        match part {
            "." | "" => {}
            ".." if parts.last().is_some_and(|last| *last != "..") => {
                parts.pop();
            }
            part => parts.push(part),
        }
    }
    parts.join("/")
}

fn offset(text: &str, line: usize, column: usize) -> usize {
    let start: usize = text.split_inclusive('\n').take(line.saturating_sub(1)).map(str::len).sum();
    let mut at = (start + column).min(text.len());
    while !text.is_char_boundary(at) {
        at += 1;
    }
    at
}

fn scope(json: &Json) -> Scope {
    let clever = ["$ref", "allOf", "anyOf", "oneOf", "if", "patternProperties"];
    let names = fields(json, 0);
    Scope { open: names.is_empty() || clever.iter().any(|key| json.get(key).is_some()), names }
}

fn fields(json: &Json, depth: usize) -> BTreeMap<String, Shape> {
    let required: Vec<&str> = json
        .get("required")
        .and_then(Json::as_array)
        .map(|names| names.iter().filter_map(Json::as_str).collect())
        .unwrap_or_default();
    let Some(properties) = json.get("properties").and_then(Json::as_object) else {
        return BTreeMap::new();
    };
    properties
        .iter()
        .map(|(name, property)| {
            let (kind, nullable) = kind(property, depth);
            let optional = nullable || !required.contains(&name.as_str());
            (name.clone(), Shape { kind, optional })
        })
        .collect()
}

/// The kind of a property, and whether null is fine.
fn kind(json: &Json, depth: usize) -> (Kind, bool) {
    let types: Vec<&str> = match json.get("type") {
        Some(Json::String(one)) => vec![one],
        Some(Json::Array(several)) => several.iter().filter_map(Json::as_str).collect(),
        _ => Vec::new(),
    };
    let nullable = types.contains(&"null");
    let mut others = types.into_iter().filter(|word| *word != "null");
    let (Some(word), None) = (others.next(), others.next()) else { return (Kind::Any, nullable) };
    let kind = match (word, json.get("format").and_then(Json::as_str)) {
        ("string", Some("date-time")) => Kind::Time,
        ("string", Some("date")) => Kind::Date,
        ("string", _) => Kind::Text,
        ("integer", _) => Kind::Integer,
        ("number", _) => Kind::Number,
        ("boolean", _) => Kind::Boolean,
        ("array", _) if depth < MAX_DEPTH => Kind::List(Box::new(
            json.get("items").map_or(Kind::Any, |items| self::kind(items, depth + 1).0),
        )),
        ("object", _) if depth < MAX_DEPTH && json.get("properties").is_some() => {
            Kind::Object(fields(json, depth + 1))
        }
        _ => Kind::Any,
    };
    (kind, nullable)
}

/// A payload made of the schema's own examples, or made up.
fn example(json: &Json, depth: usize) -> Json {
    let own = json
        .get("examples")
        .and_then(|examples| examples.get(0))
        .or_else(|| json.get("default"))
        .or_else(|| json.get("const"))
        .or_else(|| json.get("enum").and_then(|choices| choices.get(0)));
    if let Some(own) = own {
        return own.clone();
    }
    let properties = json.get("properties").and_then(Json::as_object);
    if let Some(properties) = properties.filter(|_| depth < MAX_DEPTH) {
        let required = json.get("required").and_then(Json::as_array);
        let needed = |name: &String| required.is_some_and(|names| names.contains(&json!(name)));
        let made: Map<String, Json> = properties
            .iter()
            .filter(|(name, _)| needed(name))
            .map(|(name, property)| (name.clone(), example(property, depth + 1)))
            .collect();
        return Json::Object(made);
    }
    match (json.get("format").and_then(Json::as_str), kind(json, depth).0) {
        (Some("email"), Kind::Text) => json!("sarah@example.com"),
        (Some("uri"), Kind::Text) => json!("https://www.example.com"),
        (_, kind) => kind.example().unwrap_or_else(|| json!("anything")),
    }
}
