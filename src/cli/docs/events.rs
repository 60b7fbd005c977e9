//! The events: what is sent where, and what sets it off.

use super::markdown::{and, code, text, wait};
use super::{Book, heading, payload};
use crate::model::rules::{Action, Event, SequenceAction, Service, ServiceType, Step};

/// The page; none without events.
pub(super) fn page(book: &Book<'_>) -> Option<String> {
    if book.rules.events.is_empty() {
        return None;
    }
    let mut parts = vec![
        String::from("## Events"),
        String::from(
            "Sent with POST as JSON. The same event keeps its `webhook-id` when it is tried again, so that a receiver can tell. 2xx is success.",
        ),
    ];
    for event in book.rules.events.values() {
        parts.extend(one(book, event));
    }
    Some(parts.join("\n\n") + "\n")
}

fn one(book: &Book<'_>, event: &Event) -> Vec<String> {
    let mut parts = vec![heading(&event.name)];
    parts.extend(event.about.as_deref().map(text));
    let mut told = vec![format!("To {} at {}.", code(&event.service), code(&event.path))];
    if let Some(service) = book.rules.services.get(&event.service) {
        told.extend(delivery(service));
    }
    if event.priority != 0 {
        told.push(format!("Priority {}: higher ones leave first.", event.priority));
    }
    if let Some(order) = &event.ordered_by {
        told.push(format!("One at a time for each {}, in order.", code(order.source())));
    }
    if event.enveloped {
        let shape = code("{\"event\", \"timestamp\", \"data\"}");
        told.push(format!("The payload is the `data` of {shape}."));
    }
    let senders = senders(book, event);
    let reported =
        format!("reported with {}", code(&format!("POST /api/v1/events/{}", event.name)));
    told.push(if senders.is_empty() {
        format!("It is {reported}.")
    } else {
        format!("Sent by {}, or {reported}.", and(&senders))
    });
    parts.push(told.join(" "));
    match &event.schema {
        Some(schema) => parts.extend(payload::fields(&schema.json)),
        None => parts.push(String::from("The payload is not checked.")),
    }
    parts
}

/// How a service gets what is sent to it.
fn delivery(service: &Service) -> Vec<String> {
    let mut told = Vec::new();
    if service.kind == ServiceType::N8n || service.sign.is_some() {
        told.push(String::from("Signed."));
    }
    let waits = service.retry.fallback.as_deref().unwrap_or_default();
    if !waits.is_empty() {
        let waits: Vec<String> = waits.iter().map(|delay| wait(*delay)).collect();
        told.push(format!("Tried again after {}.", and(&waits)));
    }
    told
}

/// What sends an event.
fn senders(book: &Book<'_>, event: &Event) -> Vec<String> {
    let rules = book.rules;
    let sends = |steps: &[Step]| {
        steps.iter().any(
            |step| matches!(&step.action, Action::Send { event: name, .. } if *name == event.name),
        )
    };
    let mut found: Vec<String> = rules
        .endpoints
        .iter()
        .filter(|endpoint| sends(&endpoint.steps))
        .map(|endpoint| book.links.to("endpoints.md", &endpoint.full_name()))
        .collect();
    for (name, record) in &rules.records {
        if sends(&record.on_create) {
            found.push(format!("a new record {}", code(name)));
        }
        if record.on_change.iter().any(|(_, steps)| sends(steps)) {
            found.push(format!("a change of the record {}", code(name)));
        }
    }
    for sequence in rules.sequences.values() {
        let timed = sequence.steps.iter().any(
            |step| matches!(&step.action, SequenceAction::Send { event: name, .. } if *name == event.name),
        );
        if timed {
            found.push(book.links.to("sequences.md", &sequence.name));
        }
    }
    for other in rules.events.values().filter(|other| sends(&other.steps)) {
        found.push(book.links.to("events.md", &other.name));
    }
    found
}
