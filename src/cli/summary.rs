//! What a rule set declares and what it needs from the environment, in one calm page.

use std::collections::BTreeMap;

use serde_json::{Value, json};

use super::out::{self, Ink};
use super::table;
use crate::model::Lookup;
use crate::model::rules::{RuleSet, Sequence, SequenceAction, ServiceType};

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
}

/// An environment name and how it stands.
#[derive(Debug)]
struct Variable {
    name: String,
    required: bool,
    secret: bool,
    set: bool,
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
                .map(|service| (service.name.clone(), service_type(service.kind)))
                .collect(),
            environment: variables(rules, lookup),
        }
    }

    /// For people: one friendly line, what is declared, what is needed.
    pub(super) fn human(&self) -> String {
        let ink = Ink::for_data();
        let mut text = format!("{} {}\n", ink.green("Rules are fine:"), self.counts());
        let mut sections: Vec<(&str, Vec<String>)> = Vec::new();
        for (group, names) in &self.endpoints {
            let names = names.iter().map(|name| format!("{group}/{name}")).collect();
            sections.push(("endpoints", names));
        }
        let sequences = self.sequences.iter();
        sections.push((
            "sequences",
            sequences
                .map(|(name, emails)| format!("{name} ({})", out::count(*emails, "e-mail")))
                .collect(),
        ));
        sections.push(("events", self.events.clone()));
        sections.push(("schemas", self.schemas.clone()));
        sections.push(("records", self.records.clone()));
        let services = self.services.iter();
        sections.push((
            "services",
            services
                .map(
                    |(name, kind)| {
                        if name == kind { name.clone() } else { format!("{name} ({kind})") }
                    },
                )
                .collect(),
        ));
        text.push('\n');
        let mut before = "";
        for (title, names) in sections.iter().filter(|(_, names)| !names.is_empty()) {
            let lines = table::wrap(names, out::page_width() - 13);
            for line in lines {
                let shown = if *title == before { "" } else { title };
                text.push_str(&format!("  {}  {line}\n", ink.dim(&format!("{shown:9}"))));
                before = title;
            }
        }
        text.push_str(&self.needs(ink));
        text
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

    /// The environment names, those that are missing first.
    fn needs(&self, ink: Ink) -> String {
        let missing = |variable: &&Variable| variable.required && !variable.set;
        let mut text = String::new();
        let mut section = |title: String, chosen: Vec<&Variable>| {
            let names: Vec<String> = chosen.iter().map(|found| found.name.clone()).collect();
            for (index, line) in table::wrap(&names, out::page_width() - 13).into_iter().enumerate()
            {
                let title = if index == 0 { title.clone() } else { " ".repeat(9) };
                text.push_str(&format!("  {title}  {line}\n"));
            }
        };
        let all = || self.environment.iter();
        section(ink.red("missing  "), all().filter(missing).collect());
        section(ink.dim("set      "), all().filter(|found| found.set).collect());
        let open = |found: &&Variable| !found.set && !found.required;
        section(ink.dim("optional "), all().filter(open).collect());
        if text.is_empty() {
            return text;
        }
        let mut page = format!("\n{}\n{text}", ink.bold("Environment"));
        let number = all().filter(missing).count();
        if number > 0 {
            let are = if number == 1 { "variable is" } else { "variables are" };
            page.push_str(&format!(
                "\n{number} {are} missing, and `rulerun serve` starts only with them: set them in the environment\nor in .env. `rulerun secret` makes a secret; `rulerun serve --dev` makes up the missing ones.\n"
            ));
        }
        page
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
        });
        entry.required |= needed.required;
        entry.secret |= needed.secret;
    }
    found.into_values().collect()
}

/// How many e-mails a sequence sends.
fn emails(sequence: &Sequence) -> usize {
    let is_email = |action: &SequenceAction| matches!(action, SequenceAction::Email { .. });
    sequence.steps.iter().filter(|step| is_email(&step.action)).count()
}

/// The word that rule files use.
pub(super) fn service_type(kind: ServiceType) -> &'static str {
    match kind {
        ServiceType::N8n => "n8n",
        ServiceType::Http => "http",
        ServiceType::Notion => "notion",
        ServiceType::Smtp => "smtp",
    }
}
