//! The fixed API: one description for each row of the table of calls, and where a name of
//! the rules stands in the address, one for each of those names.

use serde_json::{Value, json};

use super::super::calls::{Call, Carries, Each, Holds};
use super::words::text;
use super::{Document, TOKEN, WITHOUT_TOKEN, idempotency_key, json_content, parameters, replayed};
use crate::model::rules::RuleSet;
use crate::serve::api::table;

/// Adds every call.
pub(super) fn add(rules: &RuleSet, document: &mut Document) {
    if rules.server.api_token.is_some() {
        document.security.insert(
            TOKEN.to_owned(),
            json!({
                "type": "http", "scheme": "bearer",
                "description": "The value of `api-token` in the server block of the rules.",
            }),
        );
    }
    for call in table::all() {
        document.tag(call.group, "rulerun's own API.");
        match call.each {
            Each::Once => one(rules, document, &call, None),
            Each::Event => {
                for (name, event) in &rules.events {
                    let whole = document.schema(&format!("event.{name}"), event.published());
                    let example = event.schema.as_ref().map(|schema| schema.example.clone());
                    one(rules, document, &call, Some(Named { name, whole, example }));
                }
            }
            Each::Record => {
                for (name, record) in &rules.records {
                    // Without a schema of its own nothing of it is checked.
                    let whole = match &record.schema {
                        Some(schema) => {
                            document.schema(&format!("record.{name}"), schema.published())
                        }
                        None => json!({ "type": "object" }),
                    };
                    let example = record.schema.as_ref().map(|schema| schema.example.clone());
                    one(rules, document, &call, Some(Named { name, whole, example }));
                }
            }
        }
    }
}

/// An event or record that stands in an address.
struct Named<'a> {
    name: &'a str,
    /// A reference to its schema.
    whole: Value,
    example: Option<Value>,
}

fn one(rules: &RuleSet, document: &mut Document, call: &Call, named: Option<Named<'_>>) {
    let path = match &named {
        Some(named) => call.path.replace("{name}", named.name),
        None => call.path.to_owned(),
    };
    let mut given = parameters::of_path(&path);
    given.extend(call.query.iter().map(parameters::query));
    if call.once {
        given.push(idempotency_key());
    }
    let mut operation = json!({
        "tags": [call.group],
        "summary": call.about,
        "parameters": given,
        "responses": answers(document, call, path.contains('{')),
    });
    if let Some(body) = body(document, call, named) {
        operation["requestBody"] = body;
    }
    if rules.server.api_token.is_some() && !call.open {
        operation["security"] = json!([{ TOKEN: [] }]);
    }
    document.operation(&path, call.method.as_str(), operation);
}

fn body(document: &Document, call: &Call, named: Option<Named<'_>>) -> Option<Value> {
    let mut content = match (&call.carries, &named) {
        (Carries::Nothing, _) => return None,
        (Carries::Media(kind), _) => json!({ *kind: { "schema": text() } }),
        (Carries::Json(schema), _) => json_content(schema),
        (Carries::Whole, Some(named)) => json_content(&named.whole),
        (Carries::Part, Some(named)) => json_content(&part(document, named)),
        (Carries::Whole | Carries::Part, None) => json_content(&json!({ "type": "object" })),
    };
    if let Some(example) = named.and_then(|named| named.example) {
        content["application/json"]["example"] = example;
    }
    Some(json!({ "required": true, "content": content }))
}

/// The schema of a record without what must be there: the rest is kept as it was.
fn part(document: &Document, named: &Named<'_>) -> Value {
    let key = named.whole["$ref"].as_str().and_then(|at| at.rsplit('/').next());
    let whole = key.and_then(|key| document.schemas.get(key)).cloned();
    let mut part = whole.unwrap_or_else(|| json!({ "type": "object" }));
    if let Value::Object(fields) = &mut part {
        fields.shift_remove("required");
        fields.shift_remove("title");
    }
    part
}

fn answers(document: &mut Document, call: &Call, in_path: bool) -> Value {
    let (status, holds) = &call.answer;
    let mut good = json!({ "description": "Done." });
    match holds {
        Holds::Nothing => {}
        Holds::Json(schema) => good["content"] = json_content(schema),
        Holds::Media(kind) => good["content"] = json!({ *kind: { "schema": {} } }),
    }
    let mut answers = json!({});
    if call.open {
        let mut unwell = good.clone();
        unwell["description"] = json!("Not now; what is wrong stands in the answer.");
        answers["503"] = unwell;
    }
    if call.once {
        good["headers"] = replayed();
    }
    answers[status.to_string()] = good;
    if !call.open {
        for (status, about) in [
            (400, "A parameter, the address or the body cannot be understood."),
            (401, WITHOUT_TOKEN),
            (403, "The call came from a web page of another site."),
            (503, "The store does not take or give anything at the moment."),
        ] {
            answers[status.to_string()] = document.fault(status, about);
        }
    }
    if in_path {
        answers["404"] = document.fault(404, "Nothing has that name or id.");
    }
    if !matches!(call.carries, Carries::Nothing) {
        answers["408"] = document.fault(408, "The body took too long to arrive.");
        answers["413"] = document.fault(413, "The body is larger than 256 KiB.");
        answers["404"] = document.fault(404, "Nothing has that name.");
    }
    for (status, about) in call.also {
        answers[status.to_string()] = document.fault(*status, about);
    }
    sorted(&answers)
}

/// Answers by status.
pub(super) fn sorted(answers: &Value) -> Value {
    let mut all: Vec<_> = answers.as_object().into_iter().flatten().collect();
    all.sort_by_key(|(status, _)| *status);
    all.into_iter().map(|(status, answer)| (status.clone(), answer.clone())).collect()
}
