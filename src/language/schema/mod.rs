//! Schemas: the lines of a `schema` or `payload` block become a JSON Schema, the scope
//! that guards and tags are checked against, and an example payload.

mod options;

use std::collections::BTreeMap;
use std::sync::Arc;

use serde_json::{Map, Value as Json, json};

use self::options::{allow_null, one_of, options};
use super::codes;
use super::json_schema;
use super::reading::Reading;
use super::tree::{Node, Value};
use crate::base::{Diagnostic, Span};
use crate::model::rules::Schema;
use crate::model::{Kind, Scope, Shape};
use crate::payload::Checker;

/// A field that has been read.
struct Field {
    json: Json,
    shape: Shape,
    /// The example, and whether a person wrote it.
    example: Json,
    written: bool,
    required: bool,
}

impl Field {
    /// A field whose type cannot be read, which is told already: it may hold anything.
    fn unknown(node: &Node) -> Self {
        Self {
            json: json!({}),
            shape: Shape::required(Kind::Any),
            example: node.prop("example").map_or_else(|| json!("anything"), Value::json),
            written: false,
            required: true,
        }
    }
}

/// Decodes a `schema` node.
pub(super) fn schema(reading: &mut Reading<'_>, node: &Node) -> Option<Arc<Schema>> {
    let name = node.title()?;
    let decoded = match node.prop("file") {
        Some(file) => {
            if let Some(child) = node.nodes().first() {
                reading.push(
                    Diagnostic::error(
                        codes::MISPLACED,
                        format!("schema `{name}` has a file and fields"),
                        child.name_span,
                    )
                    .also(file.span, "the file")
                    .help("keep one of them"),
                );
            }
            json_schema::from_file(reading, name, node, file)
        }
        None => from_fields(reading, name, node),
    };
    decoded.map(Arc::new)
}

/// Decodes the fields in the block of a `schema` or `payload`.
pub(super) fn from_fields(reading: &mut Reading<'_>, name: &str, node: &Node) -> Option<Schema> {
    if node.nodes().is_empty() {
        reading.push(
            Diagnostic::error(codes::MISSING, "this schema has no fields", node.head())
                .label("nothing follows")
                .help("write one line per field: email email example=\"sarah@example.com\""),
        );
        return None;
    }
    let object = object(reading, node);
    let mut json = object.json;
    json["$schema"] = json!("https://json-schema.org/draft/2020-12/schema");
    if !name.is_empty() {
        json["title"] = json!(name);
    }
    let checker = match Checker::compile(&json) {
        Ok(checker) => checker,
        Err(why) => {
            reading.push(
                Diagnostic::error(
                    codes::FIELD_OPTION,
                    format!("this schema cannot be used: {why}"),
                    node.head(),
                )
                .help("look at what its fields say"),
            );
            return None;
        }
    };
    if object.written {
        for problem in checker.check(&object.example) {
            let span = example_span(node, &problem.path);
            let (code, help) = if span.is_some() {
                (codes::EXAMPLE_REFUSED, "mend the example, or the type in front of it")
            } else {
                (codes::EXAMPLE_REFUSED, "give the field an `example=` that fits")
            };
            let refused = format!("the example is refused by its own schema: {}", problem.message);
            reading.push(Diagnostic::error(code, refused, span.unwrap_or(node.head())).help(help));
        }
    }
    Some(Schema {
        name: name.to_owned(),
        scope: Scope {
            names: match object.shape.kind {
                Kind::Object(fields) => fields,
                _ => BTreeMap::new(),
            },
            open: false,
        },
        json,
        checker,
        example: object.example,
        span: node.title_span(),
    })
}

/// The place of the example of a dotted field.
fn example_span(node: &Node, path: &str) -> Option<Span> {
    let mut at = node;
    for part in path.split('.') {
        let (name, items) = part.split_once('[').unwrap_or((part, ""));
        at = at.child(name)?;
        for _ in items.split('[').filter(|item| !item.is_empty()) {
            at = at.child("of")?;
        }
    }
    at.prop("example").map(|value| value.span)
}

fn object(reading: &mut Reading<'_>, node: &Node) -> Field {
    let mut properties = Map::new();
    let mut names = BTreeMap::new();
    let mut required = Vec::new();
    let mut example = Map::new();
    let mut written = false;
    for child in node.nodes().iter().filter(|child| child.name != "one-of") {
        if names.contains_key(&child.name) {
            continue;
        }
        let field = field(reading, child);
        if field.required {
            required.push(json!(child.name));
        }
        if field.required || field.written {
            example.insert(child.name.clone(), field.example);
        }
        written |= field.written;
        properties.insert(child.name.clone(), field.json);
        names.insert(child.name.clone(), field.shape);
    }
    let mut json = json!({ "type": "object", "properties": properties, "required": required });
    if node.prop("closed").and_then(Value::boolean) == Some(true) {
        json["additionalProperties"] = json!(false);
    }
    Field {
        json,
        shape: Shape::required(Kind::Object(names)),
        example: Json::Object(example),
        written,
        required: true,
    }
}

fn field(reading: &mut Reading<'_>, node: &Node) -> Field {
    let Some(word) = node.title() else { return Field::unknown(node) };
    let optional = node.args.get(1).and_then(Value::text) == Some("optional");
    let Some((mut json, kind, made_up, mut written)) = base(reading, node, word) else {
        return Field::unknown(node);
    };
    options(reading, node, word, &mut json);
    let choices = one_of(reading, node, word);
    let mut example = choices.first().cloned().unwrap_or(made_up);
    if !choices.is_empty() {
        json["enum"] = Json::Array(choices);
    }
    if let Some(given) = node.prop("example") {
        if matches!(word, "list" | "object") {
            reading.push(
                Diagnostic::error(
                    codes::FIELD_OPTION,
                    format!(
                        "the example of {} is made of the examples within",
                        super::shape::with_article(word)
                    ),
                    given.span,
                )
                .help("put `example=` on the fields in the block"),
            );
        } else {
            example = given.json();
            written = true;
            json["examples"] = json!([example]);
        }
    }
    if let Some(about) = node.prop_text("about") {
        json["description"] = json!(about);
    }
    let default = node.prop("default");
    if let Some(default) = default {
        json["default"] = default.json();
    }
    // A field with a default may be left out; nobody fills it in, so rules see it as optional.
    let optional = optional || default.is_some();
    if optional {
        allow_null(&mut json);
    }
    Field { json, shape: Shape { kind, optional }, example, written, required: !optional }
}

fn base(reading: &mut Reading<'_>, node: &Node, word: &str) -> Option<(Json, Kind, Json, bool)> {
    let simple = |json: Json, kind: Kind, example: Json| Some((json, kind, example, false));
    let least = node.prop("min").map(Value::json);
    match word {
        "text" => {
            let length = node.prop("min-length").and_then(Value::whole::<usize>).unwrap_or(0);
            let filler = "text".repeat(length.min(1000) / 4 + 1);
            simple(json!({ "type": "string" }), Kind::Text, json!(filler))
        }
        "email" => simple(
            json!({ "type": "string", "format": "email" }),
            Kind::Text,
            json!("sarah@example.com"),
        ),
        "url" => simple(
            json!({ "type": "string", "format": "uri" }),
            Kind::Text,
            json!("https://www.example.com"),
        ),
        "integer" => simple(json!({ "type": "integer" }), Kind::Integer, least.unwrap_or(json!(1))),
        "number" => simple(json!({ "type": "number" }), Kind::Number, least.unwrap_or(json!(1))),
        "boolean" => simple(json!({ "type": "boolean" }), Kind::Boolean, json!(true)),
        "time" => simple(
            json!({ "type": "string", "format": "date-time" }),
            Kind::Time,
            json!("2025-12-01T10:30:00Z"),
        ),
        "date" => {
            simple(json!({ "type": "string", "format": "date" }), Kind::Date, json!("2025-12-01"))
        }
        "any" => simple(json!({}), Kind::Any, json!("anything")),
        "object" => {
            let inner = object(reading, node);
            Some((inner.json, inner.shape.kind, inner.example, inner.written))
        }
        "list" => list(reading, node),
        _ => None,
    }
}

fn list(reading: &mut Reading<'_>, node: &Node) -> Option<(Json, Kind, Json, bool)> {
    let Some(of) = node.child("of") else {
        reading.push(
            Diagnostic::error(
                codes::MISSING,
                format!("the list `{}` does not say of what", node.name),
                node.head(),
            )
            .help(format!("write {} list {{ of text }}", node.name)),
        );
        return None;
    };
    for other in node.nodes().iter().filter(|child| !matches!(child.name.as_str(), "of" | "one-of"))
    {
        reading.push(
            Diagnostic::error(codes::MISPLACED, "a list holds one `of` line", other.name_span)
                .help("write `of object { … }` for a list of things with fields"),
        );
    }
    let item = field(reading, of);
    Some((
        json!({ "type": "array", "items": item.json }),
        Kind::List(Box::new(item.shape.kind)),
        json!([item.example]),
        item.written,
    ))
}
