//! `rulerun list`: what the rules declare, and where it is reached.

use clap::Args;
use serde_json::{Value, json};

use super::environment::Environment;
use super::out::{self, Ink};
use super::outcome::{Exit, Failure, Outcome};
use super::{Format, Global, rules, table};
use crate::model::Lookup;
use crate::model::rules::{Endpoint, Feedback, RuleSet, Sequence, SequenceAction};
use crate::serve::curl;
use crate::serve::deliver::address;

const EXAMPLES: &str = "\
Examples:
  rulerun list                            ./rules and ./schemas
  rulerun list --rules examples/hello.kdl
  rulerun list --format json | jq '.endpoints[].addresses'

Keys are named, never shown: `rulerun urls` prints whole addresses.";

/// What `list` is told.
#[derive(Args, Debug)]
#[command(after_help = EXAMPLES)]
pub(super) struct ListArgs {
    /// How to print.
    #[arg(long, value_enum, default_value_t)]
    format: Format,
}

pub(super) fn run(global: &Global, args: &ListArgs) -> Outcome {
    let rules = rules::sound(global)?;
    let environment = Environment::load()?;
    let page = Page { rules: &rules, base: rules::public_url(&rules, &environment)? };
    match args.format {
        Format::Human => out::data(&page.human(&environment)?)?,
        Format::Json => out::json(&page.json(&environment)?)?,
    }
    Ok(Exit::Fine)
}

/// One thing that is declared: its name, what it is, and lines of detail.
type Item = (String, Option<String>, Vec<String>);

struct Page<'a> {
    rules: &'a RuleSet,
    base: String,
}

impl Page<'_> {
    fn human(&self, lookup: &dyn Lookup) -> Result<String, Failure> {
        let ink = Ink::for_data();
        let mut lines: Vec<String> = Vec::new();
        for (title, items) in [
            ("Endpoints", self.endpoints()),
            ("Sequences", self.sequences()),
            ("Events", self.events(lookup)?),
            ("Records", self.records()),
            ("Services", self.services(lookup)?),
            ("Feedback", self.feedback()),
        ] {
            if items.is_empty() {
                continue;
            }
            if !lines.is_empty() {
                lines.push(String::new());
            }
            lines.push(ink.bold(title));
            for (name, about, details) in items {
                let width = out::page_width();
                let about = about.unwrap_or_default();
                if name.chars().count() + about.chars().count() + 4 <= width {
                    let about =
                        if about.is_empty() { about } else { format!("  {}", ink.dim(&about)) };
                    lines.push(format!("  {name}{about}"));
                } else {
                    lines.push(format!("  {name}"));
                    let about = table::paragraph(&about, width.saturating_sub(6));
                    lines.extend(about.iter().map(|line| format!("      {}", ink.dim(line))));
                }
                lines.extend(details.into_iter().map(|detail| format!("      {detail}")));
            }
        }
        if lines.is_empty() {
            out::note("the rules declare nothing yet");
            return Ok(String::new());
        }
        Ok(lines.join("\n") + "\n")
    }

    fn endpoints(&self) -> Vec<Item> {
        let item = |endpoint: &Endpoint| {
            let methods = methods(endpoint);
            let lines = self.addresses(endpoint);
            let lines = lines.into_iter().map(|address| format!("{methods} {address}")).collect();
            (endpoint.full_name(), endpoint.about.clone(), lines)
        };
        self.rules.endpoints.iter().map(|endpoint| item(endpoint)).collect()
    }

    /// Every address of an endpoint. Its key is named, not shown.
    fn addresses(&self, endpoint: &Endpoint) -> Vec<String> {
        let key = endpoint.keys.first().map(|key| format!("<{}>", curl::source_name(key)));
        let path = |path: &String| curl::address(&self.base, path, &endpoint.name, key.as_deref());
        endpoint.group.paths.iter().map(path).collect()
    }

    fn sequences(&self) -> Vec<Item> {
        let item = |sequence: &Sequence| (sequence.name.clone(), None, steps(sequence));
        self.rules.sequences.values().map(|sequence| item(sequence)).collect()
    }

    fn events(&self, lookup: &dyn Lookup) -> Result<Vec<Item>, Failure> {
        let mut items = Vec::new();
        for event in self.rules.events.values() {
            let to = self.service_url(&event.service, lookup)?;
            let first = if event.priority == 0 {
                String::new()
            } else {
                format!(" (priority {})", event.priority)
            };
            let line = format!("to {} at {to}{}{first}", event.service, event.path);
            items.push((event.name.clone(), event.about.clone(), vec![line]));
        }
        Ok(items)
    }

    /// Where a service is, as far as that may be shown.
    fn service_url(&self, name: &str, lookup: &dyn Lookup) -> Result<String, Failure> {
        let Some(service) = self.rules.services.get(name) else { return Ok(String::new()) };
        let url = rules::setting(&service.url, lookup)?.unwrap_or_default();
        Ok(address::shown(&url))
    }

    fn records(&self) -> Vec<Item> {
        let item = |name: &String| (name.clone(), None, Vec::new());
        self.rules.records.keys().map(item).collect()
    }

    fn services(&self, lookup: &dyn Lookup) -> Result<Vec<Item>, Failure> {
        let mut items = Vec::new();
        for service in self.rules.services.values() {
            let url = self.service_url(&service.name, lookup)?;
            let url = if url.is_empty() { String::from("no address set") } else { url };
            let line = format!("{}, {url}", service.kind.word());
            items.push((service.name.clone(), service.about.clone(), vec![line]));
        }
        Ok(items)
    }

    fn feedback(&self) -> Vec<Item> {
        let item = |one: &Feedback| {
            let line = format!("{}, POST {}{}", one.kind.word(), self.base, one.path);
            (one.name.clone(), one.about.clone(), vec![line])
        };
        self.rules.feedback.iter().map(|one| item(one)).collect()
    }

    fn json(&self, lookup: &dyn Lookup) -> Result<Value, Failure> {
        let endpoints: Vec<Value> = self
            .rules
            .endpoints
            .iter()
            .map(|endpoint| {
                json!({
                    "name": endpoint.full_name(), "about": endpoint.about,
                    "methods": endpoint.methods, "addresses": self.addresses(endpoint),
                    "env": endpoint.env,
                    "schema": endpoint.payload.as_ref().map(|schema| &schema.name),
                    "signed": !endpoint.access.signatures.is_empty(),
                })
            })
            .collect();
        let sequences: Vec<Value> = self
            .rules
            .sequences
            .values()
            .map(|sequence| json!({"name": sequence.name, "steps": steps(sequence)}))
            .collect();
        let mut events = Vec::new();
        for event in self.rules.events.values() {
            let url = format!("{}{}", self.service_url(&event.service, lookup)?, event.path);
            events.push(json!({
                "name": event.name, "about": event.about, "service": event.service,
                "url": url, "priority": event.priority,
            }));
        }
        let mut services = Vec::new();
        for service in self.rules.services.values() {
            services.push(json!({
                "name": service.name, "type": service.kind.word(),
                "about": service.about,
                "url": self.service_url(&service.name, lookup)?,
            }));
        }
        let records: Vec<&String> = self.rules.records.keys().collect();
        let feedback = self.rules.feedback.iter().map(|one| {
            let address = format!("{}{}", self.base, one.path);
            json!({
                "name": one.name, "type": one.kind.word(), "about": one.about, "address": address,
            })
        });
        Ok(json!({
            "endpoints": endpoints, "sequences": sequences, "events": events,
            "records": records, "services": services, "feedback": feedback.collect::<Value>(),
        }))
    }
}

fn methods(endpoint: &Endpoint) -> String {
    if endpoint.methods.is_empty() { String::from("POST") } else { endpoint.methods.join(" ") }
}

/// "noshow-1 after 5min: Sorry we missed you".
fn steps(sequence: &Sequence) -> Vec<String> {
    sequence
        .steps
        .iter()
        .map(|step| {
            let what = match &step.action {
                SequenceAction::Email { subject, .. } => subject.source().to_owned(),
                SequenceAction::Send { event, .. } => format!("send {event}"),
            };
            format!("{} after {}: {what}", step.name, step.after)
        })
        .collect()
}
