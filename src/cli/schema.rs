//! `rulerun schema`: the JSON Schema of a payload, an event or a record, for whoever calls
//! the endpoints or receives the events; without a name, what there is.

use std::collections::BTreeMap;

use clap::Args;
use serde_json::{Value, json};

use super::outcome::{Exit, Outcome};
use super::{Format, Global, out, rules, table};
use crate::model::rules::{Endpoint, RuleSet};

const EXAMPLES: &str = "\
Examples:
  rulerun schema                          what has a schema
  rulerun schema signup > signup.json
  rulerun schema christmas/signup-handler the payload of an endpoint";

/// What `schema` is told.
#[derive(Args, Debug)]
#[command(after_help = EXAMPLES)]
pub(super) struct SchemaArgs {
    /// A schema, event, record or endpoint [default: list them].
    #[arg(value_name = "NAME")]
    name: Option<String>,
    /// How to print the list; a schema is always JSON.
    #[arg(long, value_enum, default_value_t)]
    format: Format,
}

pub(super) fn run(global: &Global, args: &SchemaArgs) -> Outcome {
    let rules = rules::sound(global)?;
    let Some(name) = &args.name else {
        list(&rules, args.format)?;
        return Ok(Exit::Fine);
    };
    let Some(schema) = find(&rules, name) else {
        let known: Vec<String> = known(&rules).into_keys().collect();
        return Err(rules::unknown("schema, event, record or endpoint", name, &known));
    };
    out::json(&whole(name, schema))?;
    Ok(Exit::Fine)
}

/// The schema of a name. A schema comes before an event or record that is called the same:
/// they have that very schema, or none.
fn find(rules: &RuleSet, name: &str) -> Option<Value> {
    let payload = |endpoint: &Endpoint| match &endpoint.payload {
        Some(schema) => schema.published(),
        None => json!({ "type": "object" }),
    };
    let named = rules.schemas.get(name).map(|schema| schema.published());
    named
        .or_else(|| rules.events.get(name).map(|event| event.published()))
        .or_else(|| rules.records.get(name).map(|record| record.published()))
        .or_else(|| rules::endpoint(rules, name).ok().map(payload))
}

/// A schema that stands alone: it says what it is written in and what it is called.
fn whole(name: &str, schema: Value) -> Value {
    let mut whole = json!({
        "$schema": "https://json-schema.org/draft/2020-12/schema", "title": name,
    });
    if let (Value::Object(whole), Value::Object(schema)) = (&mut whole, schema) {
        whole.extend(schema);
    }
    whole
}

/// Every name that has a schema, with what it is.
fn known(rules: &RuleSet) -> BTreeMap<String, Vec<&'static str>> {
    let mut known: BTreeMap<String, Vec<&'static str>> = BTreeMap::new();
    let mut add = |name: &str, what| known.entry(name.to_owned()).or_default().push(what);
    for name in rules.schemas.keys() {
        add(name, "schema");
    }
    for name in rules.events.keys() {
        add(name, "event");
    }
    for name in rules.records.keys() {
        add(name, "record");
    }
    for endpoint in rules.endpoints.iter().filter(|endpoint| endpoint.payload.is_some()) {
        add(&endpoint.full_name(), "endpoint");
    }
    known
}

fn list(rules: &RuleSet, format: Format) -> Result<(), super::Failure> {
    let known = known(rules);
    if format == Format::Json {
        let rows = known.iter().map(|(name, what)| json!({ "name": name, "is": what }));
        return out::json(&rows.collect());
    }
    if known.is_empty() {
        out::note("the rules declare nothing that has a schema");
        return Ok(());
    }
    let rows: Vec<Vec<String>> = known
        .into_iter()
        .map(|(name, what)| {
            let fields = find(rules, &name).map(|schema| fields(&schema)).unwrap_or_default();
            vec![name, what.join(", "), fields]
        })
        .collect();
    out::data(&table::draw(&["NAME", "IS", "FIELDS"], &rows))
}

/// The names of the fields, those that may be missing with a question mark.
fn fields(schema: &Value) -> String {
    let required = schema["required"].as_array().cloned().unwrap_or_default();
    let names = schema["properties"].as_object().into_iter().flat_map(|fields| fields.keys());
    let shown = names.map(|name| {
        let mark = if required.iter().any(|one| one == name) { "" } else { "?" };
        format!("{name}{mark}")
    });
    shown.collect::<Vec<_>>().join(" ")
}
