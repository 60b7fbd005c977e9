//! `webhooks` and their endpoints: the addresses at which calls arrive.

use std::sync::Arc;

use super::access;
use super::codes;
use super::names::Thing;
use super::reading::Reading;
use super::schema;
use super::situation::Situation;
use super::steps::{self, Surroundings};
use super::tree::{Node, Value};
use super::vocabulary::{self, Place};
use crate::base::diagnostic::closest;
use crate::base::{Diagnostic, Secret};
use crate::model::rules::{Access, Endpoint, Schema, Trigger, Webhooks};
use crate::model::setting::Setting;

/// Words of an endpoint that are not steps.
const NOT_STEPS: &[&str] = &["about", "access", "key", "payload"];

/// What the payload of an endpoint is known to be.
pub(super) struct Payload {
    /// Its schema, if it is checked.
    pub(super) schema: Option<Arc<Schema>>,
    /// The names that it brings into scope.
    pub(super) situation: Situation,
}

/// Decodes a `webhooks` node and its endpoints.
pub(super) fn webhooks(
    reading: &mut Reading<'_>,
    node: &Node,
) -> Option<(Arc<Webhooks>, Vec<Arc<Endpoint>>)> {
    let name = node.title()?;
    for value in node.all("path").flat_map(|path| &path.args) {
        if value.text().is_some_and(|path| path.contains(['{', '}', '*'])) {
            reading.push(
                Diagnostic::error(
                    codes::TAG_NOT_ALLOWED,
                    "the path of webhooks is written out, without tags or stars",
                    value.span,
                )
                .help("what changes from call to call belongs in the body, or in `key=`"),
            );
        }
    }
    let paths: Vec<String> = node
        .all("path")
        .flat_map(|path| path.args.iter().filter_map(Value::text))
        .map(|path| format!("/{}", path.trim_matches('/')))
        .map(|path| if path == "/" { String::new() } else { path })
        .collect();
    if paths.is_empty() {
        reading.push(
            Diagnostic::error(
                codes::MISSING,
                format!("webhooks `{name}` have no address"),
                node.title_span(),
            )
            .label("`path` is missing")
            .help(format!("write path \"/{name}\" in the block")),
        );
    }
    let group = Arc::new(Webhooks {
        name: name.to_owned(),
        paths,
        health: node.child_text("health").map(str::to_owned),
        span: node.title_span(),
    });
    let endpoints = node
        .all("endpoint")
        .filter_map(|child| endpoint(reading, node, child, &group))
        .map(Arc::new)
        .collect();
    Some((group, endpoints))
}

fn endpoint(
    reading: &mut Reading<'_>,
    group_node: &Node,
    node: &Node,
    group: &Arc<Webhooks>,
) -> Option<Endpoint> {
    let name = node.title()?;
    if !super::addresses::is_segment(name) {
        reading.push(
            Diagnostic::error(
                codes::BAD_NAME,
                format!("`{name}` cannot be part of an address"),
                node.title_span(),
            )
            .help("use letters, digits, `-` and `_`"),
        );
    }
    let mut rules = Access::default();
    access::add(reading, group_node, &mut rules);
    access::add(reading, node, &mut rules);
    let owner = format!("{}/{name}", group.name);
    let payload = payload(reading, node);
    payload_first(reading, node);
    reading.triggers.insert(Trigger::Endpoint(owner.clone()), payload.situation.clone());
    let mut around =
        Surroundings { owner, situation: payload.situation.clone(), payload: payload.situation };
    let nodes: Vec<Node> = node.nodes().iter().filter(|child| is_step(child)).cloned().collect();
    let steps = steps::steps(reading, &nodes, &mut around);
    Some(Endpoint {
        group: Arc::clone(group),
        name: name.to_owned(),
        keys: keys(reading, node),
        env: node.prop_text("env").map(str::to_owned),
        methods: methods(node),
        enabled: reading
            .prop_setting(node, "enabled", false)
            .unwrap_or_else(|| Setting::given(true)),
        repeats: node.prop_text("repeats") == Some("allow"),
        about: node.child_text("about").map(str::to_owned),
        access: rules,
        payload: payload.schema,
        steps,
        source: reading.sources.text(node.span).to_owned(),
        span: node.title_span(),
    })
}

fn is_step(node: &Node) -> bool {
    !NOT_STEPS.contains(&node.name.as_str())
}

/// The schema of an endpoint's payload and the names in scope with it.
pub(super) fn payload(reading: &mut Reading<'_>, node: &Node) -> Payload {
    let Some(payload) = node.child("payload") else {
        if let Some(meant) = node.nodes().iter().find(|child| is_misspelt_payload(child)) {
            // One mistake: what it would have brought is unknown.
            return Payload { schema: None, situation: Situation::open(meant.name_span) };
        }
        return Payload { schema: None, situation: Situation::of_schema(None, node.title_span()) };
    };
    let schema = match payload.first() {
        Some(name) => {
            reading.resolve(Thing::Schema, name).and_then(|name| reading.schemas.get(name).cloned())
        }
        None => schema::from_fields(reading, "", payload).map(Arc::new),
    };
    if let (Some(name), Some(field)) = (payload.first(), payload.nodes().first()) {
        reading.push(
            Diagnostic::error(
                codes::TOO_MANY,
                "this payload has a schema and fields",
                field.name_span,
            )
            .also(name.span, "the schema")
            .help("keep one of them"),
        );
    }
    let situation = match &schema {
        Some(schema) => Situation::of_schema(Some(schema), payload.name_span),
        // The mistake is reported; what it would have brought is unknown.
        None => Situation::open(payload.name_span),
    };
    Payload { schema, situation }
}

/// Whether an unknown word is meant for `payload`.
fn is_misspelt_payload(node: &Node) -> bool {
    let words = || vocabulary::at(Place::Endpoint).map(|word| word.name);
    words().all(|word| word != node.name) && closest(&node.name, words()) == Some("payload")
}

/// The body is checked before anything else happens, so it stands there.
fn payload_first(reading: &mut Reading<'_>, node: &Node) {
    let steps = || node.nodes().iter().filter(|child| is_step(child) || child.name == "payload");
    let Some(first) = steps().next() else { return };
    if let Some(payload) = steps().find(|step| step.name == "payload")
        && first.name != "payload"
    {
        reading.push(
            Diagnostic::error(
                codes::STEP_ORDER,
                "`payload` is the first step: the body is checked before anything else",
                payload.name_span,
            )
            .also(first.name_span, "this stands before it")
            .help("move it up"),
        );
    }
}

fn keys(reading: &mut Reading<'_>, node: &Node) -> Vec<Setting<Secret>> {
    let mut keys: Vec<Setting<Secret>> = Vec::new();
    keys.extend(reading.prop_setting(node, "key", true));
    for child in node.all("key") {
        keys.push(reading.setting(child, &child.args, true));
    }
    keys
}

fn methods(node: &Node) -> Vec<String> {
    let given: Vec<String> = node
        .prop_text("methods")
        .unwrap_or("POST")
        .split([' ', ','])
        .filter(|method| !method.is_empty())
        .map(str::to_owned)
        .collect();
    if given.is_empty() { vec![String::from("POST")] } else { given }
}
