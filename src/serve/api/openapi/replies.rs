//! What a rule's `reply` answers, as a JSON Schema: constants as they stand in the rule, tags
//! with the type of what they insert.

use std::collections::BTreeMap;

use serde_json::{Map, Value, json};

use super::words::{any, named, text};
use crate::model::rules::{Action, Endpoint, Fill, RuleSet};
use crate::model::{Kind, Scope, Shape};
use crate::payload;
use crate::template::Template;

/// The answers of an endpoint that accepts a call: each status with its schemas.
pub(super) fn of(rules: &RuleSet, endpoint: &Endpoint) -> BTreeMap<u16, Vec<Value>> {
    let scope = scope(rules, endpoint);
    let mut answers: BTreeMap<u16, Vec<Value>> = BTreeMap::new();
    let mut surely = false;
    for step in &endpoint.steps {
        let Action::Reply { status, fields } = &step.action else { continue };
        // Nothing is reached below one that always holds.
        if surely {
            break;
        }
        surely = step.when.is_none();
        answers.entry(*status).or_default().push(object(fields, &scope));
    }
    if !surely {
        answers.entry(200).or_default().push(named("Accepted"));
    }
    answers
}

/// The names that a reply may use. What a record without a schema holds is anybody's guess.
fn scope(rules: &RuleSet, endpoint: &Endpoint) -> Scope {
    let mut scope = match &endpoint.payload {
        Some(schema) => schema.scope.clone(),
        None => Scope { open: true, ..Scope::default() },
    };
    scope = scope.with("now", Shape::required(Kind::Time));
    for step in &endpoint.steps {
        let (Action::Find { record, .. } | Action::Save { record, .. }) = &step.action else {
            continue;
        };
        let known = rules.records.get(record).and_then(|rules| rules.schema.as_ref());
        let kind = known.map_or(Kind::Any, |schema| Kind::Object(schema.scope.names.clone()));
        scope = scope.with(record, Shape::optional(kind));
    }
    scope
}

fn object(fields: &[(String, Fill)], scope: &Scope) -> Value {
    let (mut properties, mut required) = (Map::new(), Vec::new());
    for (name, fill) in fields {
        let (schema, there) = filled(fill, scope);
        if there {
            required.push(Value::from(name.as_str()));
        }
        properties.insert(name.clone(), schema);
    }
    json!({ "type": "object", "properties": properties, "required": required })
}

/// What a field holds, and whether it is always there.
fn filled(fill: &Fill, scope: &Scope) -> (Value, bool) {
    match fill {
        Fill::Constant(value) => (json!({ "const": value }), true),
        Fill::Object(fields) => (object(fields, scope), true),
        Fill::List(items) => {
            let items: Vec<Value> = items.iter().map(|item| filled(item, scope).0).collect();
            let item = if items.is_empty() { any() } else { json!({ "anyOf": items }) };
            (json!({ "type": "array", "items": item }), true)
        }
        Fill::Tag(template) => tag(template, scope),
    }
}

fn tag(template: &Template, scope: &Scope) -> (Value, bool) {
    let source = template.source().trim();
    let alone = source.strip_prefix("{{").and_then(|rest| rest.strip_suffix("}}"));
    let Some(expression) = alone.filter(|inner| !inner.contains("{{")) else {
        return (text(), true);
    };
    let path: Vec<&str> = expression.trim().split('.').collect();
    match scope.resolve(&path) {
        // A list may hold nulls, which only its own schema tells.
        Ok(Shape { kind: Kind::List(_), optional }) => (json!({ "type": "array" }), !optional),
        Ok(shape) => (payload::kind(&shape.kind), !shape.optional),
        Err(_) => (any(), false),
    }
}
