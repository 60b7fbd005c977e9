//! Who starts a sequence, and with which payload: the example of its schema with every field
//! there, and the same with every optional field missing. What reads well with both reads
//! well with everything between.

use std::collections::BTreeMap;
use std::sync::Arc;

use serde_json::{Map, Value};

use crate::model::rules::{Action, RuleSet, Schema, Step};
use crate::model::scope::example_of_fields;
use crate::model::{Kind, Scope, Shape};

/// One thing that starts a sequence.
#[derive(Clone, Debug)]
pub struct Start {
    /// What it is: `christmas/signup-handler`, `event lead_won`, `record lead`.
    pub by: String,
    /// The shape of its payload, if that is checked.
    pub schema: Option<Arc<Schema>>,
    /// A payload with every field.
    pub full: Map<String, Value>,
    /// The same without the optional ones.
    pub bare: Map<String, Value>,
    /// Whether a payload may hold fields that nobody can know beforehand.
    pub open: bool,
}

/// Everything that starts a sequence, each thing once, in the order of the rules.
#[must_use]
pub fn starts(rules: &RuleSet, sequence: &str) -> Vec<Start> {
    let begins = |steps: &[Step]| {
        steps.iter().any(
            |step| matches!(&step.action, Action::Start { sequence: name } if name == sequence),
        )
    };
    let mut found = Vec::new();
    for endpoint in rules.endpoints.iter().filter(|endpoint| begins(&endpoint.steps)) {
        found.push(with_schema(endpoint.full_name(), endpoint.payload.clone()));
    }
    for event in rules.events.values().filter(|event| begins(&event.steps)) {
        found.push(with_schema(format!("event {}", event.name), event.schema.clone()));
    }
    for record in rules.records.values() {
        let changes = record.on_change.iter().any(|(_, steps)| begins(steps));
        if changes || begins(&record.on_create) {
            let example = record.schema.as_ref().map(|schema| &schema.example);
            found.push(of_scope(format!("record {}", record.name), None, &record.scope, example));
        }
    }
    found
}

fn with_schema(by: String, schema: Option<Arc<Schema>>) -> Start {
    match schema {
        Some(schema) => {
            of_scope(by, Some(Arc::clone(&schema)), &schema.scope, Some(&schema.example))
        }
        None => of_scope(by, None, &Scope { open: true, ..Scope::default() }, None),
    }
}

fn of_scope(
    by: String,
    schema: Option<Arc<Schema>>,
    scope: &Scope,
    example: Option<&Value>,
) -> Start {
    let mut full = example.and_then(Value::as_object).cloned().unwrap_or_default();
    complete(&mut full, &scope.names);
    let mut bare = full.clone();
    strip(&mut bare, &scope.names);
    Start { by, schema, full, bare, open: scope.open }
}

/// Makes up the fields that an example leaves out.
fn complete(fields: &mut Map<String, Value>, shapes: &BTreeMap<String, Shape>) {
    for (name, made_up) in example_of_fields(shapes) {
        let value = fields.entry(name.as_str()).or_insert(made_up);
        if let (Value::Object(inner), Some(Kind::Object(known))) =
            (value, shapes.get(&name).map(|shape| &shape.kind))
        {
            complete(inner, known);
        }
    }
}

/// Takes away the fields that may be missing.
fn strip(fields: &mut Map<String, Value>, shapes: &BTreeMap<String, Shape>) {
    fields.retain(|name, _| shapes.get(name).is_none_or(|shape| !shape.optional));
    for (name, value) in fields.iter_mut() {
        if let (Value::Object(inner), Some(Kind::Object(known))) =
            (value, shapes.get(name).map(|shape| &shape.kind))
        {
            strip(inner, known);
        }
    }
}
