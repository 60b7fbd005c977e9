//! The things that rules declare, and what leads from one to another.

use std::collections::BTreeSet;

use serde_json::{Value, json};

use crate::guard::Guard;
use crate::model::rules::{Action, RuleSet, Sequence, SequenceAction, Step};

/// A guard is cut to so many letters where it stands at an arrow.
const LABEL: usize = 40;

/// When a record's steps run, with the guard that they share.
type On<'a> = Option<(&'static str, Option<&'a str>)>;
/// When a record sets an arrow off, and the guard that must hold.
type When = (Option<&'static str>, String);

const ALWAYS: &When = &(None, String::new());

/// What a thing is.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub(in crate::cli) enum Kind {
    Endpoint,
    Record,
    Sequence,
    Event,
    Service,
}

impl Kind {
    /// The word that rule files use.
    pub(in crate::cli) fn word(self) -> &'static str {
        match self {
            Self::Endpoint => "endpoint",
            Self::Record => "record",
            Self::Sequence => "sequence",
            Self::Event => "event",
            Self::Service => "service",
        }
    }
}

/// One thing.
#[derive(Clone, Debug)]
pub(in crate::cli) struct Node {
    pub(in crate::cli) kind: Kind,
    /// Its name, with its group before it where it has one.
    pub(in crate::cli) name: String,
    /// The group of an endpoint.
    pub(in crate::cli) group: Option<String>,
    /// What stands below its name: the steps of a sequence, the type of a service.
    pub(in crate::cli) lines: Vec<String>,
}

/// What an arrow means.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub(in crate::cli) enum Link {
    Start,
    Stop,
    Save,
    Find,
    Send,
    Mirror,
    Deliver,
}

impl Link {
    /// One word for it.
    pub(in crate::cli) fn word(self) -> &'static str {
        match self {
            Self::Start => "starts",
            Self::Stop => "stops",
            Self::Save => "saves",
            Self::Find => "finds",
            Self::Send => "sends",
            Self::Mirror => "mirrored",
            Self::Deliver => "delivered",
        }
    }
}

/// One arrow, between two nodes by their places.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(in crate::cli) struct Edge {
    pub(in crate::cli) from: usize,
    pub(in crate::cli) to: usize,
    pub(in crate::cli) link: Link,
    /// When a record sets it off: `new` or `changed`.
    pub(in crate::cli) on: Option<&'static str>,
    /// The guard that must hold.
    pub(in crate::cli) when: Option<String>,
}

impl Edge {
    /// What stands at the arrow: nothing where the things at its ends say it all.
    pub(in crate::cli) fn label(&self) -> String {
        let word = match self.link {
            Link::Start | Link::Send | Link::Deliver | Link::Mirror => None,
            link => Some(link.word().to_owned()),
        };
        let when = self.when.as_ref().map(|guard| format!("if {}", shortened(guard)));
        let parts = [word, self.on.map(str::to_owned), when];
        parts.into_iter().flatten().collect::<Vec<_>>().join(", ")
    }
}

/// A guard on one line of bounded length.
fn shortened(guard: &str) -> String {
    let line = guard.split_whitespace().collect::<Vec<_>>().join(" ");
    if line.chars().count() <= LABEL {
        return line;
    }
    let kept: String = line.chars().take(LABEL - 1).collect();
    format!("{}…", kept.trim_end())
}

/// Things and arrows.
#[derive(Clone, Debug, Default)]
pub(in crate::cli) struct Graph {
    pub(in crate::cli) nodes: Vec<Node>,
    pub(in crate::cli) edges: Vec<Edge>,
}

impl Graph {
    /// Everything of a rule set, always in the same order.
    pub(in crate::cli) fn of(rules: &RuleSet) -> Self {
        let mut graph = Self::default();
        graph.declare(rules);
        for endpoint in &rules.endpoints {
            graph.steps(Kind::Endpoint, &endpoint.full_name(), &endpoint.steps, None);
        }
        for (name, record) in &rules.records {
            graph.steps(Kind::Record, name, &record.on_create, Some(("new", None)));
            for (guard, steps) in &record.on_change {
                let on = ("changed", guard.as_ref().map(Guard::source));
                graph.steps(Kind::Record, name, steps, Some(on));
            }
        }
        for sequence in rules.sequences.values() {
            graph.sequence(sequence);
        }
        for event in rules.events.values() {
            graph.steps(Kind::Event, &event.name, &event.steps, None);
            let (from, to) =
                ((Kind::Event, event.name.as_str()), (Kind::Service, event.service.as_str()));
            graph.link(from, to, Link::Deliver, ALWAYS);
        }
        graph
    }

    fn declare(&mut self, rules: &RuleSet) {
        for endpoint in &rules.endpoints {
            let group = Some(endpoint.group.name.clone());
            self.nodes.push(Node {
                kind: Kind::Endpoint,
                name: endpoint.full_name(),
                group,
                lines: Vec::new(),
            });
        }
        let mut add = |kind, name: &str, lines| {
            self.nodes.push(Node { kind, name: name.to_owned(), group: None, lines });
        };
        for name in rules.records.keys() {
            add(Kind::Record, name, Vec::new());
        }
        for sequence in rules.sequences.values() {
            add(Kind::Sequence, &sequence.name, times(sequence));
        }
        for event in rules.events.values() {
            add(Kind::Event, &event.name, Vec::new());
        }
        for service in rules.services.values() {
            let kind = service.kind.word();
            let lines = if kind == service.name { Vec::new() } else { vec![kind.to_owned()] };
            add(Kind::Service, &service.name, lines);
        }
    }

    /// The arrows of an endpoint's, event's or record's steps. `on` is when a record's run, with
    /// the guard that they share.
    fn steps(&mut self, kind: Kind, name: &str, steps: &[Step], on: On<'_>) {
        let from = (kind, name);
        for step in steps {
            let own = step.when.as_ref().map(Guard::source);
            let shared = on.and_then(|(_, guard)| guard);
            let guards: Vec<&str> = shared.into_iter().chain(own).collect();
            let when = (on.map(|(on, _)| on), guards.join(" && "));
            match &step.action {
                Action::Find { record, .. } => {
                    self.link(from, (Kind::Record, record), Link::Find, &when);
                }
                Action::Save { record, also_in, .. } => {
                    self.link(from, (Kind::Record, record), Link::Save, &when);
                    if let Some(service) = also_in {
                        let record = (Kind::Record, record.as_str());
                        self.link(record, (Kind::Service, service), Link::Mirror, ALWAYS);
                    }
                }
                Action::Start { sequence } => {
                    self.link(from, (Kind::Sequence, sequence), Link::Start, &when);
                }
                Action::Stop { sequences, .. } => {
                    for sequence in sequences {
                        self.link(from, (Kind::Sequence, sequence), Link::Stop, &when);
                    }
                }
                Action::Send { event, .. } => {
                    self.link(from, (Kind::Event, event), Link::Send, &when);
                }
                Action::Require { .. } | Action::Reply { .. } => {}
            }
        }
    }

    fn sequence(&mut self, sequence: &Sequence) {
        let from = (Kind::Sequence, sequence.name.as_str());
        for step in &sequence.steps {
            match &step.action {
                SequenceAction::Email { via: Some(via), .. } => {
                    self.link(from, (Kind::Service, via), Link::Deliver, ALWAYS);
                }
                SequenceAction::Email { via: None, .. } => {}
                SequenceAction::Send { event, .. } => {
                    let guard = step.when.as_ref().map(Guard::source).unwrap_or_default();
                    self.link(from, (Kind::Event, event), Link::Send, &(None, guard.to_owned()));
                }
            }
        }
    }

    /// Draws an arrow, once.
    fn link(&mut self, from: (Kind, &str), to: (Kind, &str), link: Link, when: &When) {
        let (Some(from), Some(to)) = (self.find(from), self.find(to)) else { return };
        let (on, guard) = when.clone();
        let edge = Edge { from, to, link, on, when: (!guard.is_empty()).then_some(guard) };
        if !self.edges.contains(&edge) {
            self.edges.push(edge);
        }
    }

    fn find(&self, (kind, name): (Kind, &str)) -> Option<usize> {
        self.nodes.iter().position(|node| node.kind == kind && node.name == name)
    }

    /// Every name that [`Graph::around`] knows.
    pub(in crate::cli) fn names(&self) -> Vec<String> {
        let names = self.nodes.iter().map(|node| node.name.clone());
        let groups = self.nodes.iter().filter_map(|node| node.group.clone());
        names.chain(groups).collect::<BTreeSet<_>>().into_iter().collect()
    }

    /// What leads to the things of a name, and what follows from them. An endpoint may be
    /// named without its group. Services end every path, so nothing beyond them is shown.
    pub(in crate::cli) fn around(&self, name: &str) -> Option<Self> {
        let last = |full: &str| full.rsplit('/').next() == Some(name);
        let is_meant = |node: &Node| {
            node.name == name
                || node.group.as_deref() == Some(name)
                || (node.kind == Kind::Endpoint && last(&node.name))
        };
        let meant: BTreeSet<usize> =
            (0..self.nodes.len()).filter(|index| is_meant(&self.nodes[*index])).collect();
        if meant.is_empty() {
            return None;
        }
        let after = self.reached(&meant, |edge| (edge.from, edge.to));
        let before = self.reached(&meant, |edge| (edge.to, edge.from));
        let shown: Vec<usize> = after.union(&before).copied().collect();
        let place = |index: usize| shown.iter().position(|one| *one == index);
        let edges = self.edges.iter().filter(|edge| {
            // Arrows between what comes before and what follows, not between two neighbours.
            (after.contains(&edge.from) && after.contains(&edge.to))
                || (before.contains(&edge.from) && before.contains(&edge.to))
        });
        let edges = edges.filter_map(|edge| {
            Some(Edge { from: place(edge.from)?, to: place(edge.to)?, ..edge.clone() })
        });
        Some(Self {
            edges: edges.collect(),
            nodes: shown.iter().map(|index| self.nodes[*index].clone()).collect(),
        })
    }

    fn reached(
        &self,
        meant: &BTreeSet<usize>,
        ends: impl Fn(&Edge) -> (usize, usize),
    ) -> BTreeSet<usize> {
        let mut reached = meant.clone();
        let mut fresh: Vec<usize> = meant.iter().copied().collect();
        while let Some(at) = fresh.pop() {
            for edge in &self.edges {
                let (here, there) = ends(edge);
                if here == at && reached.insert(there) {
                    fresh.push(there);
                }
            }
        }
        reached
    }

    /// For programs.
    pub(in crate::cli) fn json(&self) -> Value {
        let name = |index: usize| {
            let node = &self.nodes[index];
            json!({ "kind": node.kind.word(), "name": node.name })
        };
        let nodes: Vec<Value> = self
            .nodes
            .iter()
            .map(|node| {
                json!({
                    "kind": node.kind.word(), "name": node.name, "group": node.group,
                    "lines": node.lines,
                })
            })
            .collect();
        let edges: Vec<Value> = self
            .edges
            .iter()
            .map(|edge| {
                json!({
                    "from": name(edge.from), "to": name(edge.to), "is": edge.link.word(),
                    "on": edge.on, "when": edge.when,
                })
            })
            .collect();
        json!({ "nodes": nodes, "edges": edges })
    }
}

/// "noshow-1 after 5min", a line for each step.
fn times(sequence: &Sequence) -> Vec<String> {
    let line = |step: &crate::model::rules::SequenceStep| {
        let what = match &step.action {
            SequenceAction::Email { .. } => step.name.clone(),
            SequenceAction::Send { event, .. } => format!("send {event}"),
        };
        let when = step.when.as_ref().map(|guard| format!(", if {}", shortened(guard.source())));
        format!("{what} after {}{}", step.after, when.unwrap_or_default())
    };
    sequence.steps.iter().map(line).collect()
}
