//! The endpoints: where they are, who may call them, what they want, what happens then and
//! what is answered.

use serde_json::{Map, Value};

use super::markdown::{and, code, table, text, wait};
use super::{Book, heading, payload};
use crate::base::time;
use crate::model::Lookup;
use crate::model::rules::{Action, Endpoint, Fill, SignatureRule, Step};
use crate::serve::curl;
use crate::serve::ingress::access::{signature_headers, time_header};
use crate::signature::Scheme;

/// The page; none without endpoints.
pub(super) fn page(book: &Book<'_>) -> Option<String> {
    if book.rules.endpoints.is_empty() {
        return None;
    }
    let mut parts = vec![String::from("## Endpoints")];
    for endpoint in &book.rules.endpoints {
        parts.extend(one(book, endpoint));
    }
    parts.push(EVERYWHERE.to_owned());
    Some(parts.join("\n\n") + "\n")
}

/// What may be answered by every endpoint.
const EVERYWHERE: &str = "\
### Answers of every endpoint

| Status | When |
|---|---|
| 400 | the body is no JSON object, too deep, or has a field twice |
| 404 | no such address, or a wrong key: nobody can tell which |
| 405 | another method; see `Allow` |
| 409 | the endpoint is switched off, or the `Idempotency-Key` had another body before |
| 413, 415 | the body is too large, or not `application/json` |
| 422 | the payload does not fit; `errors` lists every problem with its `path` and `message` |
| 429, 503 | too much at the moment; call again after `Retry-After` seconds |

An error has `message` and `detail` with the same text. A repeated call (the same
`Idempotency-Key`, or the same signed id) gets the first answer again and does nothing.";

fn one(book: &Book<'_>, endpoint: &Endpoint) -> Vec<String> {
    let mut parts = vec![heading(&endpoint.full_name())];
    parts.extend(endpoint.about.as_deref().map(text));
    let key = endpoint.keys.first().map(|key| format!("<{}>", curl::source_name(key)));
    let methods = endpoint.methods.join(", ");
    let addresses: Vec<String> = endpoint
        .group
        .paths
        .iter()
        .map(|path| curl::address(&book.base, path, &endpoint.name, key.as_deref()))
        .map(|address| format!("- {methods} {}", code(&address)))
        .collect();
    parts.push(addresses.join("\n"));
    parts.push(access(endpoint));
    parts.push(format!("```sh\n{}\n```", call(book, endpoint)));
    parts.extend(fresh(book, endpoint));
    match &endpoint.payload {
        Some(schema) => parts.extend(payload::fields(&schema.json)),
        None => parts.push(String::from("The payload is any JSON object; it is not checked.")),
    }
    let steps: Vec<String> = endpoint.steps.iter().filter_map(|step| told(book, step)).collect();
    if !steps.is_empty() {
        let steps: Vec<String> =
            steps.iter().enumerate().map(|(at, step)| format!("{}. {step}", at + 1)).collect();
        parts.push(format!("What happens:\n\n{}", steps.join("\n")));
    }
    parts.push(answers(endpoint));
    parts
}

/// Who may call.
fn access(endpoint: &Endpoint) -> String {
    let access = &endpoint.access;
    let mut told = Vec::new();
    if !endpoint.keys.is_empty() {
        let names: Vec<String> =
            endpoint.keys.iter().map(|key| code(&curl::source_name(key))).collect();
        told.push(format!("The address ends with the key, the value of {}.", names.join(" or ")));
    }
    for (header, value) in &access.headers {
        let name = code(&curl::source_name(value));
        told.push(format!("The header {} must hold the value of {name}.", code(header)));
    }
    told.extend(access.signatures.iter().map(signature));
    if !access.networks.is_empty() {
        told.push(String::from("Only certain addresses (`ip`) may call."));
    }
    if !access.origins.is_empty() {
        let origins: Vec<String> = access.origins.iter().map(|origin| code(origin)).collect();
        told.push(format!("Web pages of {} may call.", and(&origins)));
    }
    for (rate, per_client) in &access.rates {
        let whom = if *per_client { "from one address" } else { "in all" };
        told.push(format!("At most {} {whom}.", code(&rate.to_string())));
    }
    if told.is_empty() { String::from("Anyone may call.") } else { told.join(" ") }
}

/// How a call is signed, in words.
fn signature(rule: &SignatureRule) -> String {
    let headers: Vec<String> = signature_headers(rule).iter().map(|name| code(name)).collect();
    let secrets: Vec<String> =
        rule.secrets.iter().map(|secret| code(&curl::source_name(secret))).collect();
    let (headers, secrets) = (headers.join(" or "), secrets.join(" or "));
    let what = match rule.scheme {
        Scheme::Body => "the HMAC-SHA256 of the body in hexadecimal digits",
        Scheme::Timestamped => "the HMAC-SHA256 of `TIME.BODY` in hexadecimal digits",
        Scheme::Standard => "a signature of Standard Webhooks",
        Scheme::Github => "a signature as GitHub makes it",
        Scheme::Stripe => "a signature as Stripe makes it",
    };
    let time = match rule.scheme {
        Scheme::Github | Scheme::Stripe => String::new(),
        _ => {
            let name = code(time_header(rule));
            let must = if rule.time_optional { "may" } else { "must" };
            format!(
                " {name} {must} hold the time in seconds since 1970, at most {} off.",
                wait(rule.max_age)
            )
        }
    };
    format!("The call is signed: {headers} holds {what}, made with {secrets}.{time}")
}

/// An environment in which no secret is set: its name then stands in its place.
struct Nothing;

impl Lookup for Nothing {
    fn env(&self, _: &str) -> Option<String> {
        None
    }

    fn file(&self, _: &str) -> Result<String, String> {
        Err(String::from("not read for a reference"))
    }
}

/// A ready call with the schema's example.
fn call(book: &Book<'_>, endpoint: &Endpoint) -> String {
    let example = endpoint.payload.as_ref().map(|schema| schema.example.clone());
    let example = example.unwrap_or_else(|| Value::Object(Map::new()));
    // The moment matters to signatures alone, and there is no secret to sign with.
    let moment = time::from_millis(0);
    let body = example.to_string().into_bytes();
    let mut call = curl::ready(endpoint, &book.base, &Nothing, body, moment);
    let signed: Vec<&str> = endpoint.access.signatures.iter().flat_map(signature_headers).collect();
    for (name, value) in &mut call.headers {
        if signed.iter().any(|header| header.eq_ignore_ascii_case(name)) {
            *value = format!("<signature with {}>", value.trim_matches(['<', '>']));
        }
    }
    call.line()
}

/// Fields of the example that should be of now: e-mails that count from an old one are too
/// late.
fn fresh(book: &Book<'_>, endpoint: &Endpoint) -> Option<String> {
    let fields: Vec<String> =
        curl::counted_from(book.rules, endpoint).iter().map(|field| code(field)).collect();
    (!fields.is_empty()).then(|| {
        format!(
            "Put the present into {} when you try it: e-mails count from there, and those of long ago are skipped.",
            and(&fields)
        )
    })
}

/// A step in words; answers have their own table.
fn told(book: &Book<'_>, step: &Step) -> Option<String> {
    let sequence = |name: &str| book.links.to("sequences.md", name);
    let what = match &step.action {
        Action::Require { guard, status, .. } => {
            format!("Goes on only if {}; otherwise {status}.", code(guard.source()))
        }
        Action::Find { record, id, .. } => {
            let (record, id) = (code(record), code(id.source()));
            format!("Looks up the record {record} with the id {id}; none is 404.")
        }
        Action::Save { record, id, also_in, fields } => {
            let names: Vec<String> = fields.iter().map(|(name, _)| code(name)).collect();
            let fields =
                if names.is_empty() { String::new() } else { format!(": {}", and(&names)) };
            let mirror =
                also_in.as_ref().map(|service| format!(" and mirrors it to {}", code(service)));
            let (record, id) = (code(record), code(id.source()));
            let mirror = mirror.unwrap_or_default();
            format!("Remembers in the record {record} with the id {id}{fields}{mirror}.")
        }
        Action::Start { sequence: name } => format!("Starts the sequence {}.", sequence(name)),
        Action::Stop { sequences, person } => {
            let names: Vec<String> = sequences.iter().map(|name| sequence(name)).collect();
            format!("Stops {} for {}.", and(&names), code(person.source()))
        }
        Action::Send { event, fields } => {
            let with = if fields.is_some() { " with fields of its own" } else { "" };
            format!("Sends the event {}{with}.", book.links.to("events.md", event))
        }
        Action::Reply { .. } => return None,
    };
    Some(match &step.when {
        Some(guard) => format!("If {}: {what}", code(guard.source())),
        None => what,
    })
}

/// Answers that only this endpoint gives.
fn answers(endpoint: &Endpoint) -> String {
    let mut rows: Vec<Vec<String>> = Vec::new();
    let mut always = false;
    for step in &endpoint.steps {
        let when = step.when.as_ref().map(|guard| format!("if {}", code(guard.source())));
        match &step.action {
            Action::Reply { status, fields } if !always => {
                always = step.when.is_none();
                let when = when.unwrap_or_else(|| otherwise(&rows));
                rows.push(vec![status.to_string(), when, code(&body(fields))]);
            }
            Action::Require { guard, otherwise, status } => {
                let needs = format!("unless {}", code(guard.source()));
                let needs = when.map(|when| format!("{when}, {needs}")).unwrap_or(needs);
                let answer = if *status == 204 {
                    String::from("nothing")
                } else {
                    otherwise.as_deref().map(text).unwrap_or_default()
                };
                rows.push(vec![status.to_string(), needs, answer]);
            }
            Action::Find { record, otherwise, .. } => {
                let missing = format!("no such {}", text(record));
                let answer = otherwise.as_deref().map(text).unwrap_or_default();
                rows.push(vec![String::from("404"), missing, answer]);
            }
            _ => {}
        }
    }
    if !always {
        let when = otherwise(&rows);
        let body = code("{\"id\":\"…\",\"state\":\"CREATED\"}");
        rows.push(vec![String::from("200"), when, body]);
    }
    if !endpoint.access.signatures.is_empty() || !endpoint.access.headers.is_empty() {
        let when = String::from("a header or signature is missing, wrong or too old");
        rows.push(vec![String::from("401"), when, String::new()]);
    }
    if !endpoint.access.networks.is_empty() {
        let when = String::from("the caller's address is not among those that may call");
        rows.push(vec![String::from("403"), when, String::new()]);
    }
    rows.sort_by(|one, two| one[0].cmp(&two[0]));
    table(&["Status", "When", "Answer"], &rows)
}

/// What stands beside an answer that is given when no other is.
fn otherwise(rows: &[Vec<String>]) -> String {
    let among_others = rows.iter().any(|row| row[1].starts_with("if "));
    String::from(if among_others { "otherwise" } else { "" })
}

/// What a reply says, with its tags as they are written.
fn body(fields: &[(String, Fill)]) -> String {
    let told = fields.iter().map(|(name, fill)| (name.clone(), filled(fill)));
    Value::Object(told.collect()).to_string()
}

fn filled(fill: &Fill) -> Value {
    match fill {
        Fill::Constant(value) => value.clone(),
        Fill::Tag(template) => Value::from(template.source()),
        Fill::Object(fields) => {
            fields.iter().map(|(name, fill)| (name.clone(), filled(fill))).collect()
        }
        Fill::List(items) => items.iter().map(filled).collect(),
    }
}
