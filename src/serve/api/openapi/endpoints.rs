//! The endpoints of the rules, their health pages, and the events that they send.

use std::collections::BTreeMap;

use serde_json::{Map, Value, json};

use super::fixed::sorted;
use super::words::named;
use super::{Document, idempotency_key, json_content, parameters, replayed, replies, security};
use crate::model::rules::{Action, Endpoint, Event, RuleSet, ServiceType, Webhooks};
use crate::serve::curl;

/// Methods whose data stands after the question mark.
const WITHOUT_BODY: [&str; 3] = ["GET", "HEAD", "DELETE"];

/// Adds every endpoint, health page and event.
pub(super) fn add(rules: &RuleSet, document: &mut Document) {
    for group in &rules.webhooks {
        let tag = tag(group);
        document.tag(&tag, &format!("Endpoints of the group `{}`.", group.name));
        for endpoint in rules.endpoints.iter().filter(|found| found.group.name == group.name) {
            for method in &endpoint.methods {
                let operation = operation(rules, document, endpoint, method, &tag);
                document.operation(&address(endpoint), method, operation);
            }
        }
        if let (Some(_), Some(path)) = (&group.health, group.paths.first()) {
            let answer = json!({
                "description": "How the endpoints are.", "content": json_content(&named("Health")),
            });
            let page = json!({
                "tags": [tag],
                "summary": "Whether the endpoints and the service of that name are well.",
                "responses": { "200": answer },
                "security": [],
            });
            document.operation(&escape(&format!("{path}/health")), "GET", page);
        }
    }
    for event in rules.events.values() {
        let operation = delivery(rules, document, event);
        document.webhooks.insert(event.name.clone(), json!({ "post": operation }));
    }
}

fn tag(group: &Webhooks) -> String {
    format!("Endpoints: {}", group.name)
}

/// The first address of an endpoint.
fn address(endpoint: &Endpoint) -> String {
    let path = endpoint.group.paths.first().map_or("", String::as_str);
    let key = (!endpoint.keys.is_empty()).then_some("{key}");
    curl::address("", &escape(path), &escape(&endpoint.name), key)
}

/// Braces of an address, which mean parameters here.
fn escape(path: &str) -> String {
    path.replace('{', "%7B").replace('}', "%7D")
}

fn operation(
    rules: &RuleSet,
    document: &mut Document,
    endpoint: &Endpoint,
    method: &str,
    tag: &str,
) -> Value {
    let bodiless = WITHOUT_BODY.contains(&method);
    let mut given = parameters::of_path(&address(endpoint));
    if let (Some(given), Some(key)) = (given.first_mut(), endpoint.keys.first()) {
        given["description"] = json!(format!("The value of {}.", curl::source_name(key)));
    }
    given.extend(security::headers(endpoint));
    if bodiless {
        given.extend(asked(endpoint));
    }
    given.push(idempotency_key());
    let mut operation = json!({
        "tags": [tag],
        "summary": endpoint.about.as_deref().unwrap_or(&endpoint.name),
        "description": about(endpoint),
        "parameters": given,
        "responses": answers(rules, document, endpoint, !bodiless),
        "security": security::of(endpoint, document),
    });
    if !bodiless {
        let mut content = json_content(&json!({ "type": "object" }));
        if let Some(schema) = &endpoint.payload {
            let name =
                if schema.name.is_empty() { endpoint.full_name() } else { schema.name.clone() };
            let payload = document.schema(&format!("payload.{name}"), schema.published());
            content =
                json!({ "application/json": { "schema": payload, "example": schema.example } });
        }
        operation["requestBody"] = json!({ "required": true, "content": content });
    }
    operation
}

/// The other addresses, and what the call sets off.
fn about(endpoint: &Endpoint) -> String {
    let mut told = Vec::new();
    let others: Vec<String> = endpoint
        .group
        .paths
        .iter()
        .skip(1)
        .map(|path| format!("`{}`", curl::address("", path, &endpoint.name, None)))
        .collect();
    if !others.is_empty() {
        told.push(format!("Also reached at {}.", others.join(", ")));
    }
    for step in &endpoint.steps {
        let what = match &step.action {
            Action::Start { sequence } => format!("Starts the sequence `{sequence}`"),
            Action::Stop { sequences, .. } => format!("Stops `{}`", sequences.join("`, `")),
            Action::Send { event, .. } => format!("Sends the event `{event}`"),
            Action::Save { record, .. } => format!("Remembers the record `{record}`"),
            _ => continue,
        };
        let when = step.when.as_ref().map(|guard| format!(" when `{}`", guard.source()));
        told.push(format!("{what}{}.", when.unwrap_or_default()));
    }
    told.join(" ")
}

/// The fields of a payload that stands after the question mark; each is a text there.
fn asked(endpoint: &Endpoint) -> Vec<Value> {
    let Some(schema) = &endpoint.payload else { return Vec::new() };
    let told = schema.published();
    let fields = told["properties"].as_object().cloned().unwrap_or_default();
    let needed = |name: &str| {
        told["required"].as_array().is_some_and(|names| names.iter().any(|one| one == name))
    };
    let parameter = |(name, schema): (&String, &Value)| json!({ "name": name, "in": "query", "required": needed(name), "schema": schema });
    fields.iter().map(parameter).collect()
}

fn answers(rules: &RuleSet, document: &mut Document, endpoint: &Endpoint, has_body: bool) -> Value {
    let mut answers = Map::new();
    for (status, schemas) in replies::of(rules, endpoint) {
        let schema = match schemas.as_slice() {
            [one] => one.clone(),
            several => json!({ "anyOf": several }),
        };
        let answer = json!({
            "description": "Accepted, and kept safely.",
            "headers": replayed(),
            "content": json_content(&schema),
        });
        answers.insert(status.to_string(), answer);
    }
    for (status, reasons) in refusals(endpoint, has_body) {
        let answer = if status == 204 {
            json!({ "description": reasons.join(" ") })
        } else {
            document.fault(status, &reasons.join(" "))
        };
        answers.entry(status.to_string()).or_insert(answer);
    }
    sorted(&Value::Object(answers))
}

/// Every status with which a call may be refused, and why.
fn refusals(endpoint: &Endpoint, has_body: bool) -> BTreeMap<u16, Vec<String>> {
    let mut told: BTreeMap<u16, Vec<String>> = BTreeMap::new();
    let mut add = |status: u16, why: &str| told.entry(status).or_default().push(why.to_owned());
    let access = &endpoint.access;
    add(400, "The data is not a JSON object within bounds.");
    if !access.headers.is_empty() || !access.signatures.is_empty() {
        add(401, "A header or signature is missing, wrong or too old.");
    }
    if !access.networks.is_empty() {
        add(403, "The caller's address is not among those that may call.");
    }
    if !endpoint.keys.is_empty() {
        add(404, "The key is wrong.");
    }
    if has_body {
        add(408, "The body took too long to arrive.");
        add(413, "The body is too large.");
    }
    add(409, "The endpoint is switched off, or the idempotency key had other content before.");
    add(415, "The body is not sent as `application/json`, or it is compressed.");
    add(422, "The payload does not fit; `errors` says where.");
    add(429, "Too many calls, or too much waits for a service that this would send to.");
    add(503, "The server is busy, stopping, or cannot store anything.");
    for step in &endpoint.steps {
        match &step.action {
            Action::Require { guard, otherwise, status } => {
                let text = otherwise.as_deref().unwrap_or("This call is refused.");
                add(*status, &format!("{text} (needs `{}`)", guard.source()));
            }
            Action::Find { record, otherwise, .. } => {
                let text = otherwise.clone();
                add(404, &text.unwrap_or_else(|| format!("There is no such {record}.")));
            }
            _ => {}
        }
    }
    told
}

/// An event as its receiver sees it.
fn delivery(rules: &RuleSet, document: &mut Document, event: &Event) -> Value {
    let payload = document.schema(&format!("event.{}", event.name), event.published());
    let schema = if event.enveloped {
        json!({
            "type": "object", "required": ["event", "timestamp", "data"],
            "properties": {
                "event": { "const": event.name },
                "timestamp": { "type": "string", "format": "date-time" },
                "data": payload,
            },
        })
    } else {
        payload
    };
    let signed = rules
        .services
        .get(&event.service)
        .is_some_and(|service| service.kind == ServiceType::N8n || service.sign.is_some());
    let how = if signed { "signed, and " } else { "" };
    json!({
        "summary": event.about.as_deref().unwrap_or(&event.name),
        "description": format!(
            "Sent to the service `{}` at `{}`, {how}tried again until it is answered with 2xx or the service's retries are used up; `webhook-id` stays the same.",
            event.service, event.path
        ),
        "requestBody": { "required": true, "content": json_content(&schema) },
        "responses": { "2XX": { "description": "Taken." } },
    })
}
