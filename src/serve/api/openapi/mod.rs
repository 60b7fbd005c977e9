//! The OpenAPI 3.1 document: the endpoints of the rules, the events that they send, and the
//! fixed API. It is made of the rule set and the table of calls alone, so that `rulerun
//! openapi` and a running server give the same one. Keys and secrets are named in it, never
//! shown.

mod endpoints;
mod fixed;
mod nouns;
mod parameters;
mod replies;
mod security;
pub(in crate::serve::api) mod words;

use std::sync::Arc;

use axum::extract::State;
use serde_json::{Map, Value, json};

use self::words::{named, text};
use super::answer::{Answer, ok};
use crate::model::rules::RuleSet;
use crate::serve::app::App;

/// The noun that lists the names of all events.
pub(super) const EVENT_NAME: &str = "EventName";
/// What calls of the fixed API need where the rules set an `api-token`.
const TOKEN: &str = "apiToken";
/// Why a call of the fixed API is answered 401.
const WITHOUT_TOKEN: &str =
    "The API token is missing or wrong; without one in the rules, the call came from outside.";

/// `GET /api/v1/openapi.json`.
pub(super) async fn serve(State(app): State<Arc<App>>) -> Answer {
    let live = app.live.load_full();
    ok(&document(&live.rules, &live.public_url))
}

/// The document of a rule set. `base` is the address under which the outside reaches the
/// server, without a trailing slash.
#[must_use]
pub fn document(rules: &RuleSet, base: &str) -> Value {
    let mut document = Document::default();
    endpoints::add(rules, &mut document);
    fixed::add(rules, &mut document);
    let mut schemas = nouns::all();
    schemas.insert(EVENT_NAME.to_owned(), event_name(rules));
    let answers: Map<String, Value> = (0..document.answers.len())
        .map(|index| (document.answer_name(index), document.answers[index].1.clone()))
        .collect();
    schemas.extend(document.schemas);
    json!({
        "openapi": "3.1.0",
        "info": {
            "title": title(rules),
            "version": format!("{}+{}", env!("CARGO_PKG_VERSION"), rules.hash),
            "description": ABOUT,
        },
        "servers": [{ "url": base }],
        "tags": document.tags,
        "paths": document.paths,
        "webhooks": document.webhooks,
        "components": {
            "schemas": schemas,
            "responses": answers,
            "securitySchemes": document.security,
        },
    })
}

const ABOUT: &str = "\
The endpoints that the rules declare, the events that they send, and rulerun's own API.\n\n\
An error is JSON with `message` and `detail`, which say the same. 429 and 503 carry \
`Retry-After`. An empty parameter counts as absent. A call with an `Idempotency-Key` that was accepted before gets its first answer \
again, with `Idempotent-Replay: true`. A body is UTF-8 JSON with at most 32 levels and 10,000 \
values, no field twice, no character NUL and no whole number of more than 64 bits. \
`/api/v1/main/…` is another spelling of `/api/v1/…`.";

fn title(rules: &RuleSet) -> String {
    let groups: Vec<&str> = rules.webhooks.iter().map(|group| group.name.as_str()).collect();
    if groups.is_empty() {
        return String::from("rulerun");
    }
    format!("rulerun: {}", groups.join(", "))
}

fn event_name(rules: &RuleSet) -> Value {
    let names = rules.events.keys().map(String::as_str);
    if rules.events.is_empty() { text() } else { words::word(names) }
}

/// The parts of the document, as far as they are gathered.
#[derive(Default)]
struct Document {
    tags: Vec<Value>,
    paths: Map<String, Value>,
    webhooks: Map<String, Value>,
    schemas: Map<String, Value>,
    security: Map<String, Value>,
    answers: Vec<(u16, Value)>,
}

impl Document {
    /// Adds what a method of an address does.
    fn operation(&mut self, path: &str, method: &str, operation: Value) {
        let method = method.to_ascii_lowercase();
        let mut operation = operation;
        operation["operationId"] = Value::from(identifier(&format!("{method}{path}")));
        let of_path = self.paths.entry(path).or_insert_with(|| json!({}));
        of_path[method] = operation;
    }

    fn tag(&mut self, name: &str, about: &str) {
        if !self.tags.iter().any(|tag| tag["name"] == name) {
            self.tags.push(json!({ "name": name, "description": about }));
        }
    }

    /// An answer that says what is wrong. Most calls share them, so they stand among the
    /// components.
    fn fault(&mut self, status: u16, about: &str) -> Value {
        let mut answer = json!({ "description": about, "content": json_content(&named("Error")) });
        if matches!(status, 429 | 503) {
            let seconds = json!({ "type": "integer", "minimum": 1 });
            let about = "So many seconds later the call may be made again.";
            answer["headers"] = json!({ "Retry-After": header(about, &seconds, true) });
        }
        if status == 401 && about == WITHOUT_TOKEN {
            let scheme = header("How to prove oneself.", &json!({ "const": "Bearer" }), true);
            answer["headers"] = json!({ "WWW-Authenticate": scheme });
        }
        let known = self.answers.iter().position(|known| *known == (status, answer.clone()));
        let index = known.unwrap_or_else(|| {
            self.answers.push((status, answer));
            self.answers.len() - 1
        });
        json!({ "$ref": format!("#/components/responses/{}", self.answer_name(index)) })
    }

    /// The status, and from the second of its answers on a number.
    fn answer_name(&self, index: usize) -> String {
        let (status, _) = self.answers[index];
        match self.answers[..index].iter().filter(|(other, _)| *other == status).count() {
            0 => status.to_string(),
            before => format!("{status}-{}", before + 1),
        }
    }

    /// Puts a schema among the components and answers a reference to it. References within
    /// it then begin at the document instead of the schema.
    fn schema(&mut self, name: &str, mut schema: Value) -> Value {
        let name = identifier(name);
        if let Value::Object(fields) = &mut schema {
            fields.shift_remove("$schema");
        }
        if !self.schemas.contains_key(&name) {
            refer(&mut schema, &format!("#/components/schemas/{name}"));
            self.schemas.insert(name.clone(), schema);
        }
        named(&name)
    }
}

/// Lets references within a schema begin at its new place.
fn refer(schema: &mut Value, place: &str) {
    match schema {
        Value::Object(fields) => {
            for (name, value) in fields {
                match value {
                    Value::String(text) if name == "$ref" && text.starts_with('#') => {
                        *text = format!("{place}{}", &text[1..]);
                    }
                    _ => refer(value, place),
                }
            }
        }
        Value::Array(values) => values.iter_mut().for_each(|value| refer(value, place)),
        _ => {}
    }
}

/// A text as a name of the document: letters, digits, dots, dashes.
fn identifier(text: &str) -> String {
    let plain = |c: char| if c.is_ascii_alphanumeric() || ".-_".contains(c) { c } else { '-' };
    let name: String = text.chars().map(plain).collect();
    let parts: Vec<&str> = name.split('-').filter(|part| !part.is_empty()).collect();
    parts.join("-")
}

/// A header of an answer.
fn header(about: &str, schema: &Value, required: bool) -> Value {
    json!({ "description": about, "required": required, "schema": schema })
}

fn json_content(schema: &Value) -> Value {
    json!({ "application/json": { "schema": schema } })
}

/// The parameter under which a call is done once only.
fn idempotency_key() -> Value {
    json!({
        "name": "Idempotency-Key", "in": "header", "required": false,
        "description": "Calls with the same key are one call: what was accepted is answered again and not done again.",
        "schema": { "type": "string", "minLength": 1, "maxLength": 255, "pattern": "^[\\t -~]+$" },
    })
}

/// The header of an answer that was given before.
fn replayed() -> Value {
    let about = "Whether this is the answer to an earlier call with the same key.";
    json!({ "Idempotent-Replay": header(about, &json!({ "const": "true" }), false) })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_reference_within_a_schema_still_leads_somewhere() {
        let mut document = Document::default();
        let schema = json!({
            "$schema": "x", "$ref": "#/$defs/a", "$defs": { "a": { "items": { "$ref": "#" } } }
        });
        let reference = document.schema("payload.my shop", schema);
        assert_eq!(reference["$ref"], "#/components/schemas/payload.my-shop");
        let placed = &document.schemas["payload.my-shop"];
        assert_eq!(placed["$ref"], "#/components/schemas/payload.my-shop/$defs/a");
        assert_eq!(placed["$defs"]["a"]["items"]["$ref"], "#/components/schemas/payload.my-shop");
        assert!(placed.get("$schema").is_none());
    }

    #[test]
    fn an_identifier_is_made_of_an_address() {
        assert_eq!(identifier("get/api/v1/queue/{id}"), "get-api-v1-queue-id");
    }
}
