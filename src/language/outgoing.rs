//! `events` and `record`: what goes out, and what a change of remembered data triggers.

use std::sync::Arc;

use serde_json::Value as Json;

use super::codes;
use super::names::Thing;
use super::reading::Reading;
use super::situation::{Situation, all_optional};
use super::steps::{self, Surroundings};
use super::tree::{Node, Value};
use crate::base::diagnostic::{closest, did_you_mean};
use crate::base::{Diagnostic, Span};
use crate::model::rules::{Event, RecordRules, ServiceType, Trigger};
use crate::model::scope::example_of_fields;
use crate::model::{Kind, Shape};

/// Decodes the events of an `events` node.
pub(super) fn events(reading: &mut Reading<'_>, node: &Node) -> Vec<Arc<Event>> {
    let service = node.prop("to").and_then(|to| receiver(reading, to));
    node.all("event")
        .filter_map(|child| event(reading, node, child, service.as_deref()))
        .map(Arc::new)
        .collect()
}

/// The service that events go to.
fn receiver(reading: &mut Reading<'_>, value: &Value) -> Option<String> {
    let name = reading.resolve(Thing::Service, value)?;
    let service = reading.services.get(name)?;
    if !matches!(service.kind, ServiceType::N8n | ServiceType::Http) {
        let span = service.span;
        reading.push(
            Diagnostic::error(
                codes::WRONG_SERVICE,
                format!("`{name}` cannot receive events"),
                value.span,
            )
            .also(span, "declared here")
            .help("name a service of type \"n8n\" or \"http\""),
        );
        return None;
    }
    Some(name.to_owned())
}

fn event(
    reading: &mut Reading<'_>,
    group: &Node,
    node: &Node,
    service: Option<&str>,
) -> Option<Event> {
    let name = node.title()?;
    if name.contains("{{") {
        reading.push(
            Diagnostic::error(
                codes::TAG_NOT_ALLOWED,
                "the name of an event is never a template",
                node.title_span(),
            )
            .help("write the name out; declare one event for each"),
        );
    }
    let schema = reading.schemas.get(name).cloned();
    let situation = if schema.is_none() && reading.names.of(Thing::Schema).contains_key(name) {
        Situation::open(node.title_span())
    } else {
        let instead = schema.is_none().then(|| schema_meant(reading, name)).flatten();
        Situation { instead, ..Situation::of_schema(schema.as_deref(), node.title_span()) }
    };
    reading.triggers.insert(Trigger::Event(name.to_owned()), situation.clone());
    let either = |key: &str| node.prop(key).or_else(|| group.prop(key));
    let path = either("path").and_then(|value| path(reading, value, name)).unwrap_or_default();
    let id = node.prop("id").and_then(|value| reading.template(value, &[&situation], false));
    let ordered_by =
        either("ordered-by").and_then(|value| reading.template(value, &[&situation], false));
    let mut around = Surroundings {
        owner: format!("event {name}"),
        situation: situation.clone(),
        payload: situation,
    };
    let steps = steps::steps(reading, node.nodes(), &mut around);
    Some(Event {
        name: name.to_owned(),
        service: service.unwrap_or_default().to_owned(),
        path,
        entity: node.prop_text("entity").map(str::to_owned),
        id,
        priority: node.prop("priority").and_then(Value::whole).unwrap_or(0),
        about: node.prop_text("about").or_else(|| node.child_text("about")).map(str::to_owned),
        enveloped: either("envelope").and_then(Value::text) == Some("event"),
        ordered_by,
        schema,
        steps,
        span: node.title_span(),
    })
}

/// The schema that an event without one was probably meant to have: one whose name is near,
/// and that no other event has.
fn schema_meant(reading: &Reading<'_>, event: &str) -> Option<String> {
    let events = reading.names.of(Thing::Event);
    let schemas = reading.names.of(Thing::Schema).keys().copied();
    let free = schemas.filter(|name| !events.contains_key(name)).take(reading.sink.suggested());
    closest(event, free).map(|near| {
        format!(
            "there is no schema `{event}`, but one named `{near}`: an event and its schema have \
             the same name"
        )
    })
}

/// The path of an event: only its own name is filled in.
fn path(reading: &mut Reading<'_>, value: &Value, name: &str) -> Option<String> {
    let mut path = String::new();
    let mut rest = value.text()?;
    while let Some((before, after)) = rest.split_once("{{") {
        let Some((tag, after)) = after.split_once("}}") else { break };
        path.push_str(before);
        match tag.trim() {
            "event.slug" => path.push_str(&name.replace('_', "-")),
            "event.name" => path.push_str(name),
            other => reading.push(
                Diagnostic::error(
                    codes::TAG_NOT_ALLOWED,
                    format!("`{other}` cannot be part of an event's path"),
                    value.span,
                )
                .help(
                    did_you_mean(other, ["event.slug", "event.name"]).unwrap_or_else(|| {
                        String::from("only {{event.slug}} and {{event.name}} are filled in here")
                    }),
                ),
            ),
        }
        rest = after;
    }
    path.push_str(rest);
    Some(path)
}

/// Decodes a `record` node: the steps of `on-create` and `on-change`.
pub(super) fn record(reading: &mut Reading<'_>, node: &Node) -> Option<RecordRules> {
    let name = node.title()?.to_owned();
    let schema = node
        .prop("schema")
        .and_then(Value::text)
        .and_then(|schema| reading.schemas.get(schema).cloned());
    let scope = reading.records.get(&name).cloned().unwrap_or_default();
    let mut rules =
        RecordRules { name: name.clone(), schema, scope: scope.clone(), ..RecordRules::default() };
    let mut example = example_of_fields(&scope.names);
    if let Some(Json::Object(written)) = rules.schema.as_ref().map(|schema| &schema.example) {
        example.extend(written.clone());
    }
    let alone = |span: Span| {
        let mut alone = Situation::of_schema(None, span).with_record(&name, &scope, false);
        alone.example.insert(name.clone(), Json::Object(example.clone()));
        alone
    };
    for child in node.nodes() {
        let span = child.name_span;
        let mut payload = Situation::of_schema(None, span);
        payload.scope.names.extend(scope.names.clone());
        payload.scope.open = scope.open;
        payload.example.extend(example.clone());
        let mut situation = alone(span);
        if child.name == "on-change" {
            let before = Kind::Object(all_optional(&scope.names));
            let before = if scope.open { Kind::Any } else { before };
            situation =
                situation.with("before", Shape::required(before), Json::Object(example.clone()));
        }
        let when = reading.when(child, &[&situation]);
        let mut around = Surroundings { owner: format!("record {name}"), situation, payload };
        let steps = steps::steps(reading, child.nodes(), &mut around);
        match child.name.as_str() {
            "on-create" => rules.on_create = steps,
            "on-change" => rules.on_change.push((when, steps)),
            _ => {}
        }
    }
    Some(rules)
}
