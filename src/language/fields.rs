//! Fields that rules fill: of replies, records and events; and whether an event gets the
//! fields that its schema asks for.

use std::collections::BTreeMap;

use super::codes;
use super::reading::Reading;
use super::shape::with_article;
use super::situation::{Situation, fits, kind_of_text};
use super::tree::{Data, Node, Value};
use crate::base::Diagnostic;
use crate::base::diagnostic::closest;
use crate::model::rules::Fill;
use crate::model::{Kind, Scope, Shape};

/// What an event is filled with.
pub(super) enum Sent<'a> {
    /// The fields of a block, in these situations.
    Fields(&'a [Node], &'a [&'a Situation]),
    /// The payload as it is.
    Payload(&'a [&'a Situation]),
}

/// Decodes the fields of a block.
pub(super) fn fills(
    reading: &mut Reading<'_>,
    nodes: &[Node],
    situations: &[&Situation],
) -> Vec<(String, Fill)> {
    nodes
        .iter()
        .filter_map(|node| Some((node.name.clone(), fill(reading, node, situations)?)))
        .collect()
}

fn fill(reading: &mut Reading<'_>, node: &Node, situations: &[&Situation]) -> Option<Fill> {
    if node.children.is_some() {
        return Some(Fill::Object(fills(reading, node.nodes(), situations)));
    }
    match node.args.as_slice() {
        [] => None,
        [one] => value(reading, one, situations),
        several => Some(Fill::List(
            several.iter().filter_map(|one| value(reading, one, situations)).collect(),
        )),
    }
}

fn value(reading: &mut Reading<'_>, value: &Value, situations: &[&Situation]) -> Option<Fill> {
    match &value.data {
        Data::Text(text) if text.contains("{{") || text.contains("{%") => {
            reading.template(value, situations, true).map(Fill::Tag)
        }
        _ => Some(Fill::Constant(value.json())),
    }
}

/// The kind of a field as it is filled.
pub(super) fn kind_of(node: &Node, scope: &Scope) -> Kind {
    if node.children.is_some() {
        let fields = node
            .nodes()
            .iter()
            .map(|child| (child.name.clone(), Shape::optional(kind_of(child, scope))));
        return Kind::Object(fields.collect());
    }
    match node.args.as_slice() {
        [one] => match &one.data {
            Data::Text(text) => kind_of_text(text, scope),
            Data::Integer(_) => Kind::Integer,
            Data::Float(_) => Kind::Number,
            Data::Boolean(_) => Kind::Boolean,
            Data::Null => Kind::Any,
        },
        _ => Kind::Any,
    }
}

/// Adds the kinds that a `save` gives to the fields of its record; a field that is filled
/// with different kinds may be anything.
pub(super) fn merge_kinds(record: &mut Scope, nodes: &[Node], scope: &Scope) {
    for node in nodes {
        let kind = kind_of(node, scope);
        record
            .names
            .entry(node.name.clone())
            .and_modify(|known| {
                if known.kind != kind {
                    known.kind = Kind::Any;
                }
            })
            .or_insert(Shape::optional(kind));
    }
}

/// Checks what is saved against the fields of a record: their types, and whether one that no
/// step above has found may come to be without a field that its schema asks for.
pub(super) fn check_saved(reading: &mut Reading<'_>, node: &Node, scope: &Scope, record: &Scope) {
    for child in node.nodes() {
        let Some(wanted) = record.names.get(&child.name) else { continue };
        wrong_kind(reading, child, &kind_of(child, scope), &wanted.kind, "the record");
    }
    let name = node.title().unwrap_or_default();
    if scope.names.get(name).is_some_and(|shape| !shape.optional) {
        return;
    }
    let given: Vec<&str> = node.nodes().iter().map(|child| child.name.as_str()).collect();
    let needed = record.names.iter().filter(|(_, shape)| !shape.optional);
    for (field, _) in needed.filter(|(field, _)| !given.contains(&field.as_str())) {
        let strangers = given.iter().copied().filter(|given| !record.names.contains_key(*given));
        let help = closest(field, strangers).map_or_else(
            || {
                format!(
                    "add a line: {field} …; or, if it is surely there already, find \"{name}\" first"
                )
            },
            |near| format!("did you mean `{field}` where `{near}` stands?"),
        );
        reading.push(
            Diagnostic::error(
                codes::MISSING_FIELD,
                format!("a new `{name}` needs the field `{field}`"),
                node.head(),
            )
            .label(format!("`{field}` is not filled"))
            .help(help),
        );
    }
}

fn wrong_kind(reading: &mut Reading<'_>, node: &Node, given: &Kind, wanted: &Kind, receiver: &str) {
    if !fits(given, wanted) {
        reading.push(
            Diagnostic::error(
                codes::FIELD_TYPE,
                format!(
                    "`{}` is {}, and {receiver} wants {}",
                    node.name,
                    with_article(given.word()),
                    with_article(wanted.word())
                ),
                node.first().map_or(node.name_span, |value| value.span),
            )
            .label(with_article(given.word()))
            .help("fill it with a field of that type, or change the schema"),
        );
    }
}

/// Checks that an event gets every field that its schema needs.
pub(super) fn check_sent(
    reading: &mut Reading<'_>,
    node: &Node,
    event: &str,
    sent: &Sent<'_>,
    owner: &str,
) {
    let Some(schema) = reading.schemas.get(event).cloned() else { return };
    match sent {
        Sent::Payload(payloads) => {
            for payload in payloads.iter().filter(|payload| !payload.scope.open) {
                check_payload(reading, node, event, &schema.scope, payload, owner);
            }
        }
        Sent::Fields(children, situations) => {
            let given: BTreeMap<&str, &Node> =
                children.iter().map(|child| (child.name.as_str(), child)).collect();
            for (name, shape) in &schema.scope.names {
                match (given.get(name.as_str()), situations.first()) {
                    (Some(child), Some(situation)) => {
                        let kind = kind_of(child, &situation.scope);
                        wrong_kind(reading, child, &kind, &shape.kind, &format!("event `{event}`"));
                    }
                    (None, _) if !shape.optional => {
                        let strangers = given.keys().copied();
                        let known = |name: &&str| schema.scope.names.contains_key(*name);
                        let near = closest(name, strangers.filter(|name| !known(name)));
                        let help = near.map_or_else(
                            || format!("add a line: {name} …"),
                            |near| format!("did you mean `{name}` where `{near}` stands?"),
                        );
                        let mut found = Diagnostic::error(
                            codes::MISSING_FIELD,
                            format!("event `{event}` needs the field `{name}`"),
                            node.head(),
                        )
                        .label(format!("`{name}` is not filled"))
                        .also(schema.span, "its schema")
                        .help(help);
                        let stray = near.filter(|near| !schema.scope.names.contains_key(*near));
                        if let Some(child) = stray.and_then(|near| given.get(near)) {
                            found = found.fix(child.name_span, name);
                        }
                        reading.push(found);
                    }
                    _ => {}
                }
            }
        }
    }
}

fn check_payload(
    reading: &mut Reading<'_>,
    node: &Node,
    event: &str,
    wanted: &Scope,
    payload: &Situation,
    owner: &str,
) {
    for (name, shape) in &wanted.names {
        let mut near = None;
        let problem = match payload.scope.names.get(name) {
            None if !shape.optional => {
                let strangers = payload.scope.names.keys().map(String::as_str);
                near = closest(name, strangers.filter(|name| !wanted.names.contains_key(*name)));
                format!("event `{event}` needs `{name}`, which {owner} does not have")
            }
            Some(given) if !fits(&given.kind, &shape.kind) => format!(
                "event `{event}` wants {} in `{name}`, and {owner} has {}",
                with_article(shape.kind.word()),
                with_article(given.kind.word())
            ),
            _ => continue,
        };
        reading.push(
            Diagnostic::error(codes::MISSING_FIELD, problem, node.head())
                .label("sends the payload as it is")
                .help(near.map_or_else(
                    || String::from("fill the event's fields in a block: send \"…\" { field \"{{…}}\" }"),
                    |near| format!("is `{name}` what is called `{near}` here? Give both one name, or fill it in a block: send \"{event}\" {{ {name} \"{{{{{near}}}}}\" }}"),
                )),
        );
    }
}
