//! Steps: what happens in an endpoint, an event or a reaction of a record, from top to
//! bottom. Each step may use the names that the steps above it have brought into scope.

use super::codes;
use super::fields::{self, Sent};
use super::names::Thing;
use super::reading::Reading;
use super::situation::Situation;
use super::tree::{Node, Value};
use crate::base::{Diagnostic, Span};
use crate::model::rules::{Action, Fill, ServiceType, Step};

/// Fields with what fills them.
type Filled = Vec<(String, Fill)>;

/// What surrounds the steps.
pub(super) struct Surroundings {
    /// Who these steps belong to, for messages: `christmas/signup-handler`.
    pub(super) owner: String,
    /// Names in scope; grows from step to step.
    pub(super) situation: Situation,
    /// What `send` without a block sends, and what a sequence is started with.
    pub(super) payload: Situation,
}

/// Decodes the steps among the nodes of a block.
pub(super) fn steps(
    reading: &mut Reading<'_>,
    nodes: &[Node],
    around: &mut Surroundings,
) -> Vec<Step> {
    let mut steps = Vec::new();
    let mut answered: Option<Span> = None;
    for node in nodes {
        if node.name == "reply" {
            unreachable(reading, node, &mut answered);
        }
        let action = action(reading, node, around);
        let when = reading.when(node, &[&around.situation]);
        if let ("find" | "save", Some(record)) = (node.name.as_str(), node.title()) {
            bring(reading, around, record, node.prop("when").is_some());
        }
        steps.extend(action.map(|action| Step { when, action, span: node.head() }));
    }
    steps
}

/// Brings a record into scope for the steps below; `maybe` says that its step has a `when`.
fn bring(reading: &Reading<'_>, around: &mut Surroundings, record: &str, maybe: bool) {
    match reading.records.get(record) {
        Some(scope) if !maybe || !around.situation.scope.names.contains_key(record) => {
            around.situation = around.situation.clone().with_record(record, scope, maybe);
        }
        Some(_) => {}
        // The mistake is reported; what the record would have brought is unknown.
        None => around.situation.unknown = true,
    }
}

/// A reply below one that always answers is never given.
fn unreachable(reading: &mut Reading<'_>, node: &Node, answered: &mut Option<Span>) {
    if let Some(first) = *answered {
        reading.push(
            Diagnostic::error(codes::UNREACHABLE, "this reply is never given", node.head())
                .label("never reached")
                .also(first, "this one answers every call")
                .help("give the one above a `when=`, or take this one away"),
        );
    } else if node.prop("when").is_none() {
        *answered = Some(node.head());
    }
}

fn action(reading: &mut Reading<'_>, node: &Node, around: &mut Surroundings) -> Option<Action> {
    match node.name.as_str() {
        "require" => {
            let guard = reading.guard(node.first()?, &[&around.situation])?;
            Some(Action::Require {
                guard,
                otherwise: node.prop_text("else").map(str::to_owned),
                status: node.prop("status").and_then(Value::whole).unwrap_or(422),
            })
        }
        "find" => {
            let record = reading.resolve(Thing::Record, node.first()?).map(str::to_owned);
            let id = reading.template(node.prop("id")?, &[&around.situation], false);
            Some(Action::Find {
                record: record?,
                id: id?,
                otherwise: node.prop_text("else").map(str::to_owned),
            })
        }
        "save" => save(reading, node, around),
        "start" => start(reading, node, around),
        "stop" => stop(reading, node, around),
        "send" => {
            let (event, fields) =
                send(reading, node, &[&around.situation], &[&around.payload], &around.owner)?;
            Some(Action::Send { event, fields })
        }
        "reply" => {
            let fields = fields::fills(reading, node.nodes(), &[&around.situation]);
            Some(Action::Reply {
                status: node.first().and_then(Value::whole).unwrap_or(200),
                fields,
            })
        }
        _ => None,
    }
}

fn save(reading: &mut Reading<'_>, node: &Node, around: &Surroundings) -> Option<Action> {
    let record = node.title().filter(|name| super::forms::is_identifier(name))?;
    let id = reading.template(node.prop("id")?, &[&around.situation], false);
    let fields = fields::fills(reading, node.nodes(), &[&around.situation]);
    let scope = reading.records.get(record).cloned().unwrap_or_default();
    let typed = reading.names.of(Thing::Record).contains_key(record);
    if typed {
        fields::check_saved(reading, node, &around.situation.scope, &scope);
    }
    let also_in = node.prop("also-in").and_then(|value| mirror(reading, value));
    Some(Action::Save { record: record.to_owned(), id: id?, also_in, fields })
}

/// The service that mirrors a record.
fn mirror(reading: &mut Reading<'_>, value: &Value) -> Option<String> {
    let name = reading.resolve(Thing::Service, value)?;
    let service = reading.services.get(name)?;
    if service.kind != ServiceType::Notion {
        let span = service.span;
        reading.push(
            Diagnostic::error(
                codes::WRONG_SERVICE,
                format!("`{name}` cannot mirror records"),
                value.span,
            )
            .also(span, "declared here")
            .help("name a service of type \"notion\""),
        );
        return None;
    }
    Some(name.to_owned())
}

fn start(reading: &mut Reading<'_>, node: &Node, around: &Surroundings) -> Option<Action> {
    let value = node.first()?;
    let sequence = reading.resolve(Thing::Sequence, value)?;
    let payload = if around.payload.is_empty() {
        reading.push(
            Diagnostic::error(
                codes::MISSING,
                format!("`{}` starts a sequence and has no `payload`", around.owner),
                value.span,
            )
            .label("started with nothing")
            .also(around.payload.span, "`payload` is missing here")
            .help("write payload \"SCHEMA\" as the first line of its block"),
        );
        // One mistake: what the sequence asks for is not held against it.
        Situation::open(value.span)
    } else {
        around.payload.clone()
    };
    let with = payload.labelled(around.owner.clone(), value.span);
    reading.starts.entry(sequence.to_owned()).or_default().push(with);
    Some(Action::Start { sequence: sequence.to_owned() })
}

fn stop(reading: &mut Reading<'_>, node: &Node, around: &Surroundings) -> Option<Action> {
    let mut sequences = Vec::new();
    for value in &node.args {
        if let Some(name) = reading.resolve(Thing::Sequence, value) {
            sequences.push(name.to_owned());
            reading.stopped.insert(name.to_owned());
        }
    }
    let person = reading.template(node.prop("for")?, &[&around.situation], false)?;
    Some(Action::Stop { sequences, person })
}

/// Name and fields of an event that is sent; without a block the payloads are sent.
pub(super) fn send(
    reading: &mut Reading<'_>,
    node: &Node,
    situations: &[&Situation],
    payloads: &[&Situation],
    owner: &str,
) -> Option<(String, Option<Filled>)> {
    let event = reading.resolve(Thing::Event, node.first()?)?.to_owned();
    let fields =
        node.children.as_ref().map(|children| fields::fills(reading, children, situations));
    let sent = match &node.children {
        Some(children) => Sent::Fields(children, situations),
        None => Sent::Payload(payloads),
    };
    fields::check_sent(reading, node, &event, &sent, owner);
    Some((event, fields))
}
