//! The names that a rule set declares, gathered from all files before anything is read
//! in depth, so that the order of files and blocks never matters.

use std::collections::{BTreeMap, BTreeSet};

use super::codes;
use super::tree::{Node, Value};
pub(super) use super::vocabulary::Thing;
use crate::base::{Diagnostic, Sink, Span};

impl Thing {
    /// The code for a name that nobody declares.
    pub(super) fn unknown(self) -> &'static str {
        match self {
            Self::Schema => codes::UNKNOWN_SCHEMA,
            Self::Record => codes::UNKNOWN_RECORD,
            Self::Service => codes::UNKNOWN_SERVICE,
            Self::Event => codes::UNKNOWN_EVENT,
            Self::Sequence => codes::UNKNOWN_SEQUENCE,
            Self::Text => codes::UNKNOWN_FILE,
            Self::Webhooks | Self::Endpoint | Self::Email => codes::MISSING,
        }
    }
}

/// Every declared name with its place.
#[derive(Default)]
pub(super) struct Names<'a> {
    things: BTreeMap<Thing, BTreeMap<&'a str, Span>>,
    /// The texts that e-mails name.
    texts: BTreeSet<&'a str>,
    /// Words that stand once in the whole rule set: `server`, `store`, `queue`, `sender`.
    singles: BTreeMap<&'a str, Span>,
}

impl<'a> Names<'a> {
    /// The names of one kind.
    pub(super) fn of(&self, thing: Thing) -> &BTreeMap<&'a str, Span> {
        const NONE: &BTreeMap<&str, Span> = &BTreeMap::new();
        self.things.get(&thing).unwrap_or(NONE)
    }

    /// Whether an e-mail has the text of this name.
    pub(super) fn uses_text(&self, name: &str) -> bool {
        self.texts.contains(name)
    }

    /// Gathers the names of a file.
    pub(super) fn gather(&mut self, nodes: &'a [Node], sink: &mut Sink) {
        for node in nodes {
            match node.name.as_str() {
                "schema" => self.declare(Thing::Schema, node, sink),
                "record" => self.declare(Thing::Record, node, sink),
                "service" => self.declare(Thing::Service, node, sink),
                "webhooks" => self.declare(Thing::Webhooks, node, sink),
                "sequence" => {
                    self.declare(Thing::Sequence, node, sink);
                    let named = |email: &'a Node| email.prop_text("template").or(email.title());
                    self.texts.extend(node.all("email").filter_map(named));
                    let variants = node.all("email").flat_map(|email| email.all("variant"));
                    self.texts.extend(variants.filter_map(|one| one.prop_text("template")));
                }
                "events" => {
                    for event in node.all("event") {
                        self.declare(Thing::Event, event, sink);
                    }
                }
                "server" | "store" | "queue" | "sender" => self.single(node, sink),
                _ => {}
            }
        }
    }

    /// Adds the records that are only saved, and so declared by being saved.
    pub(super) fn gather_saved(&mut self, nodes: &'a [Node]) {
        for node in nodes {
            if node.name == "save" {
                if let Some(name) = node.title() {
                    let records = self.things.entry(Thing::Record).or_default();
                    records.entry(name).or_insert(node.title_span());
                }
            } else if !matches!(node.name.as_str(), "schema" | "payload" | "reply" | "send") {
                self.gather_saved(node.nodes());
            }
        }
    }

    fn declare(&mut self, thing: Thing, node: &'a Node, sink: &mut Sink) {
        let Some(name) = node.first().and_then(Value::text) else { return };
        let span = node.title_span();
        let first = *self.things.entry(thing).or_default().entry(name).or_insert(span);
        if first != span {
            sink.push(
                Diagnostic::error(
                    codes::DUPLICATE,
                    format!("{} `{name}` is declared twice", thing.word()),
                    span,
                )
                .label("declared again")
                .also(first, "first declared here")
                .help("give one of them another name, or take it away"),
            );
        }
    }

    fn single(&mut self, node: &'a Node, sink: &mut Sink) {
        let first = *self.singles.entry(&node.name).or_insert(node.name_span);
        if first != node.name_span {
            sink.push(
                Diagnostic::error(
                    codes::DUPLICATE,
                    format!("`{}` stands twice in this rule set", node.name),
                    node.name_span,
                )
                .label("once more")
                .also(first, "first here")
                .help("all files together form one rule set; keep one of them"),
            );
        }
    }
}
