//! The names that a rule set declares, gathered from all files before anything is read
//! in depth, so that the order of files and blocks never matters.

use std::collections::{BTreeMap, BTreeSet};

use super::codes;
use super::tree::{Node, Value};
use crate::base::{Diagnostic, Sink, Span};

/// Kinds of things that are referred to by name.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Thing {
    Schema,
    Record,
    Service,
    Webhooks,
    Event,
    Sequence,
}

impl Thing {
    /// The word that declares it.
    pub(super) fn word(self) -> &'static str {
        match self {
            Self::Schema => "schema",
            Self::Record => "record",
            Self::Service => "service",
            Self::Webhooks => "webhooks",
            Self::Event => "event",
            Self::Sequence => "sequence",
        }
    }

    /// The code for a name that nobody declares.
    pub(super) fn unknown(self) -> &'static str {
        match self {
            Self::Schema => codes::UNKNOWN_SCHEMA,
            Self::Record => codes::UNKNOWN_RECORD,
            Self::Service => codes::UNKNOWN_SERVICE,
            Self::Event => codes::UNKNOWN_EVENT,
            Self::Sequence => codes::UNKNOWN_SEQUENCE,
            Self::Webhooks => codes::MISSING,
        }
    }
}

/// Every declared name with its place.
#[derive(Default)]
pub(super) struct Names<'a> {
    schemas: BTreeMap<&'a str, Span>,
    records: BTreeMap<&'a str, Span>,
    services: BTreeMap<&'a str, Span>,
    webhooks: BTreeMap<&'a str, Span>,
    events: BTreeMap<&'a str, Span>,
    sequences: BTreeMap<&'a str, Span>,
    /// The texts that e-mails name.
    texts: BTreeSet<&'a str>,
    /// Words that stand once in the whole rule set: `server`, `store`, `queue`, `sender`.
    singles: BTreeMap<&'a str, Span>,
}

impl<'a> Names<'a> {
    /// The names of one kind.
    pub(super) fn of(&self, thing: Thing) -> &BTreeMap<&'a str, Span> {
        match thing {
            Thing::Schema => &self.schemas,
            Thing::Record => &self.records,
            Thing::Service => &self.services,
            Thing::Webhooks => &self.webhooks,
            Thing::Event => &self.events,
            Thing::Sequence => &self.sequences,
        }
    }

    /// Whether an e-mail has the text of this name.
    pub(super) fn uses_text(&self, name: &str) -> bool {
        self.texts.contains(name)
    }

    fn of_mut(&mut self, thing: Thing) -> &mut BTreeMap<&'a str, Span> {
        match thing {
            Thing::Schema => &mut self.schemas,
            Thing::Record => &mut self.records,
            Thing::Service => &mut self.services,
            Thing::Webhooks => &mut self.webhooks,
            Thing::Event => &mut self.events,
            Thing::Sequence => &mut self.sequences,
        }
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
                    self.records.entry(name).or_insert(node.title_span());
                }
            } else if !matches!(node.name.as_str(), "schema" | "payload" | "reply" | "send") {
                self.gather_saved(node.nodes());
            }
        }
    }

    fn declare(&mut self, thing: Thing, node: &'a Node, sink: &mut Sink) {
        let Some(name) = node.first().and_then(Value::text) else { return };
        let span = node.title_span();
        let first = *self.of_mut(thing).entry(name).or_insert(span);
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
