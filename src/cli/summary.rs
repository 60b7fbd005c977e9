//! What a rule set declares and what it needs from the environment, in one calm page.

use std::collections::BTreeMap;

use serde_json::{Value, json};

use super::out::{self, Ink};
use super::table;
use crate::model::Lookup;
use crate::model::rules::{Needed, RuleSet, Sequence, SequenceAction};

/// The summary of one rule set.
#[derive(Debug)]
pub(super) struct Summary {
    /// Endpoint names by group, in the order of the rules.
    endpoints: Vec<(String, Vec<String>)>,
    /// Sequences with the number of their e-mails.
    sequences: Vec<(String, usize)>,
    events: Vec<String>,
    schemas: Vec<String>,
    records: Vec<String>,
    /// Services with their types.
    services: Vec<(String, &'static str)>,
    environment: Vec<Variable>,
    files: Vec<Variable>,
}

/// A name of the environment or a file that a setting is read from, and how it stands.
#[derive(Debug)]
struct Variable {
    name: String,
    required: bool,
    secret: bool,
    set: bool,
    /// Why a file cannot be read.
    why: Option<String>,
}

impl Variable {
    /// Whether it keeps the server from starting.
    fn is_missing(&self) -> bool {
        self.required && !self.set
    }
}

impl Summary {
    /// Sums the rules up.
    pub(super) fn of(rules: &RuleSet, lookup: &dyn Lookup) -> Self {
        let names = |names: Vec<&String>| names.into_iter().cloned().collect();
        let mut endpoints: Vec<(String, Vec<String>)> = Vec::new();
        for endpoint in &rules.endpoints {
            match endpoints.iter_mut().find(|(group, _)| *group == endpoint.group.name) {
                Some((_, names)) => names.push(endpoint.name.clone()),
                None => endpoints.push((endpoint.group.name.clone(), vec![endpoint.name.clone()])),
            }
        }
        Self {
            endpoints,
            sequences: rules.sequences.values().map(|s| (s.name.clone(), emails(s))).collect(),
            events: names(rules.events.keys().collect()),
            // A schema written inside a `payload` step has no name to show.
            schemas: names(rules.schemas.keys().filter(|name| !name.is_empty()).collect()),
            records: names(rules.records.keys().collect()),
            services: rules
                .services
                .values()
                .map(|service| (service.name.clone(), service.kind.word()))
                .collect(),
            environment: variables(rules, lookup),
            files: files(rules, lookup),
        }
    }

    /// For people: one friendly line, what is declared, what is needed.
    pub(super) fn human(&self) -> String {
        const FINE: &str = "Rules are fine:";
        let ink = Ink::for_data();
        let first = table::paragraph(
            &format!("{FINE} {}", self.counts()),
            out::terminal_width().unwrap_or(usize::MAX),
        );
        let first = first.join("\n  ").replacen(FINE, &ink.green(FINE), 1);
        let mut lines = vec![first];
        let mut title = "endpoints";
        if !self.is_empty() {
            lines.push(String::new());
        }
        for (group, names) in &self.endpoints {
            let names: Vec<String> = names.iter().map(|name| format!("{group}/{name}")).collect();
            lines.extend(section(&ink.dim(&format!("{title:9}")), &names));
            title = "";
        }
        let with_emails = |(name, emails): &(String, usize)| {
            if *emails == 0 {
                return name.clone();
            }
            format!("{name} ({})", out::count(*emails, "e-mail"))
        };
        let with_type = |(name, kind): &(String, &'static str)| {
            if name == kind { name.clone() } else { format!("{name} ({kind})") }
        };
        for (title, names) in [
            ("sequences", self.sequences.iter().map(with_emails).collect()),
            ("events", self.events.clone()),
            ("schemas", self.schemas.clone()),
            ("records", self.records.clone()),
            ("services", self.services.iter().map(with_type).collect::<Vec<String>>()),
        ] {
            lines.extend(section(&ink.dim(&format!("{title:9}")), &names));
        }
        lines.extend(self.needs(ink));
        lines.join("\n") + "\n"
    }

    /// Whether the rules declare nothing at all.
    fn is_empty(&self) -> bool {
        self.endpoints.is_empty()
            && self.sequences.is_empty()
            && self.events.is_empty()
            && self.schemas.is_empty()
            && self.records.is_empty()
            && self.services.is_empty()
    }

    /// "10 endpoints, 23 schemas, 4 sequences with 13 e-mails".
    fn counts(&self) -> String {
        let endpoints = self.endpoints.iter().map(|(_, names)| names.len()).sum();
        let emails = self.sequences.iter().map(|(_, emails)| emails).sum();
        let sequences = format!(
            "{} with {}",
            out::count(self.sequences.len(), "sequence"),
            out::count(emails, "e-mail")
        );
        let parts = [
            (endpoints, out::count(endpoints, "endpoint")),
            (self.sequences.len(), sequences),
            (self.events.len(), out::count(self.events.len(), "event")),
            (self.schemas.len(), out::count(self.schemas.len(), "schema")),
            (self.records.len(), out::count(self.records.len(), "record")),
            (self.services.len(), out::count(self.services.len(), "service")),
        ];
        let parts: Vec<String> =
            parts.into_iter().filter(|(number, _)| *number > 0).map(|(_, text)| text).collect();
        if parts.is_empty() { String::from("they declare nothing yet") } else { parts.join(", ") }
    }

    /// What rules read from outside, what is missing first.
    fn needs(&self, ink: Ink) -> Vec<String> {
        let mut lines = standing(ink, "Environment", "set      ", &self.environment);
        let missing = self.environment.iter().filter(|found| found.is_missing()).count();
        if missing > 0 {
            let are = if missing == 1 { "variable is" } else { "variables are" };
            lines.extend(remark(&format!(
                "{missing} {are} missing, and `rulerun serve` starts only with them: set them in \
                 the environment or in .env. `rulerun secret` makes a secret, and `rulerun serve \
                 --dev` makes up the missing ones."
            )));
        }
        lines.extend(standing(ink, "Files", "there    ", &self.files));
        let missing: Vec<String> = self
            .files
            .iter()
            .filter(|file| file.is_missing())
            .map(|file| format!("{}: {}", file.name, file.why.as_deref().unwrap_or_default()))
            .collect();
        if !missing.is_empty() {
            lines.extend(remark(&format!(
                "`rulerun serve` starts only with what is missing ({}). A path counts from the \
                 folder in which rulerun is started.",
                missing.join("; ")
            )));
        }
        lines
    }

    /// What is declared, for programs.
    pub(super) fn declared(&self) -> Value {
        let endpoints: Vec<String> = self
            .endpoints
            .iter()
            .flat_map(|(group, names)| names.iter().map(move |name| format!("{group}/{name}")))
            .collect();
        let sequences: Vec<Value> = self
            .sequences
            .iter()
            .map(|(name, emails)| json!({"name": name, "emails": emails}))
            .collect();
        let services: Vec<Value> =
            self.services.iter().map(|(name, kind)| json!({"name": name, "type": kind})).collect();
        json!({
            "endpoints": endpoints, "sequences": sequences, "events": self.events,
            "schemas": self.schemas, "records": self.records, "services": services,
        })
    }

    /// The environment names, for programs.
    pub(super) fn environment(&self) -> Value {
        self.environment
            .iter()
            .map(|found| {
                json!({
                    "name": found.name, "required": found.required,
                    "secret": found.secret, "set": found.set,
                })
            })
            .collect()
    }

    /// The files of settings, for programs.
    pub(super) fn files(&self) -> Value {
        let file = |found: &Variable| json!({"path": found.name, "required": found.required, "problem": found.why});
        self.files.iter().map(file).collect()
    }
}

/// How names stand, under a title; `there` says what it means that one can be read.
fn standing(ink: Ink, title: &str, there: &str, all: &[Variable]) -> Vec<String> {
    let names = |chosen: &dyn Fn(&Variable) -> bool| -> Vec<String> {
        all.iter().filter(|found| chosen(found)).map(|found| found.name.clone()).collect()
    };
    let mut lines = section(&ink.red("missing  "), &names(&Variable::is_missing));
    lines.extend(section(&ink.dim(there), &names(&|found| found.set)));
    let open = names(&|found| !found.set && !found.required);
    lines.extend(section(&ink.dim("optional "), &open));
    if !lines.is_empty() {
        lines.splice(..0, [String::new(), ink.bold(title)]);
    }
    lines
}

/// A sentence below what it is about.
fn remark(text: &str) -> Vec<String> {
    let mut lines = vec![String::new()];
    lines.extend(table::paragraph(text, out::page_width().min(85)));
    lines
}

/// Names behind a title of nine columns, wrapped; no names, no lines.
fn section(title: &str, names: &[String]) -> Vec<String> {
    let lines = table::wrap(names, out::page_width() - 13).into_iter().enumerate();
    lines
        .map(
            |(index, line)| {
                if index == 0 { format!("  {title}  {line}") } else { format!("{:13}{line}", "") }
            },
        )
        .collect()
}

/// Each name once; it is required when any place requires it.
fn variables(rules: &RuleSet, lookup: &dyn Lookup) -> Vec<Variable> {
    let mut found: BTreeMap<&str, Variable> = BTreeMap::new();
    for needed in &rules.environment {
        let entry = found.entry(&needed.name).or_insert_with(|| Variable {
            name: needed.name.clone(),
            required: false,
            secret: false,
            set: lookup.env(&needed.name).is_some(),
            why: None,
        });
        entry.required |= needed.required;
        entry.secret |= needed.secret;
    }
    found.into_values().collect()
}

/// Each file, tried as a start would read it.
fn files(rules: &RuleSet, lookup: &dyn Lookup) -> Vec<Variable> {
    let file = |needed: &Needed| {
        let why = lookup.file(&needed.name).err();
        Variable {
            name: needed.name.clone(),
            required: needed.required,
            secret: needed.secret,
            set: why.is_none(),
            why,
        }
    };
    let mut found: Vec<Variable> = rules.files.iter().map(file).collect();
    found.sort_by(|one, other| one.name.cmp(&other.name));
    found
}

/// How many e-mails a sequence sends.
fn emails(sequence: &Sequence) -> usize {
    let is_email = |action: &SequenceAction| matches!(action, SequenceAction::Email { .. });
    sequence.steps.iter().filter(|step| is_email(&step.action)).count()
}
