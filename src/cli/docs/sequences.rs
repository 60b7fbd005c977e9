//! The sequences: what goes out when, to whom, and what ends it.

use super::markdown::{and, code, table, text, wait};
use super::{Book, heading};
use crate::model::rules::{
    Action, Again, CountsFrom, MailKind, Sequence, SequenceAction, SequenceStep, Trigger,
};

/// The page; none without sequences.
pub(super) fn page(book: &Book<'_>) -> Option<String> {
    if book.rules.sequences.is_empty() {
        return None;
    }
    let mut parts = vec![String::from("## Sequences")];
    for sequence in book.rules.sequences.values() {
        parts.extend(one(book, sequence));
    }
    Some(parts.join("\n\n") + "\n")
}

fn one(book: &Book<'_>, sequence: &Sequence) -> Vec<String> {
    let mut parts = vec![heading(&sequence.name), about(book, sequence)];
    let rows: Vec<Vec<String>> = sequence
        .steps
        .iter()
        .map(|step| {
            let what = match &step.action {
                SequenceAction::Email { subject, .. } => code(subject.source()),
                SequenceAction::Send { event, .. } => {
                    format!("sends the event {}", book.links.to("events.md", event))
                }
            };
            let when = step.when.as_ref().map(|guard| code(guard.source())).unwrap_or_default();
            vec![text(&step.name), moment(sequence, step), what, when, wait(step.max_late)]
        })
        .collect();
    parts.push(table(&["Step", "When", "Subject", "Only if", "Skipped if later by"], &rows));
    parts.push(ends(book, sequence));
    parts
}

/// "5 minutes after the start".
fn moment(sequence: &Sequence, step: &SequenceStep) -> String {
    let from = match (&step.counts_from, &sequence.counts_from) {
        (CountsFrom::Previous, _) => String::from("the step before"),
        (CountsFrom::Field(field), _) | (CountsFrom::Sequence, Some(field)) => {
            field_name(field.source())
        }
        (CountsFrom::Sequence, None) => String::from("the start"),
    };
    let any = if step.any_time { ", at any time" } else { "" };
    if step.after == crate::base::Delay::default() {
        return format!("at {from}{any}");
    }
    format!("{} after {from}{any}", wait(step.after))
}

/// The field that a lone tag names.
fn field_name(tag: &str) -> String {
    code(tag.trim_start_matches('{').trim_end_matches('}').trim())
}

fn about(book: &Book<'_>, sequence: &Sequence) -> String {
    let mut told = Vec::new();
    let kind = match sequence.kind {
        MailKind::Marketing => "Marketing e-mail, with a link to unsubscribe,",
        MailKind::Transactional => "Transactional e-mail",
    };
    told.push(format!("{kind} to {}.", code(sequence.to.source())));
    let starts = |action: &Action| matches!(action, Action::Start { sequence: name } if *name == sequence.name);
    let starters = whose(book, starts);
    if !starters.is_empty() {
        told.push(format!("Started by {}.", and(&starters)));
    }
    let key = sequence.once_per.as_ref().unwrap_or(&sequence.to);
    let key = code(key.source());
    told.push(match sequence.again {
        Again::Never => format!("Once per {key}, ever."),
        Again::AfterFinish => format!("Nobody is in it twice at a time ({key})."),
        Again::After(delay) => {
            format!("Again for the same {key} after {} at the earliest.", wait(delay))
        }
        Again::Restart => format!("A new start for the same {key} ends the running one."),
    });
    if let Some(zone) = &sequence.zone {
        told.push(format!("Days are counted in the time zone {}.", code(zone.source())));
    } else if let (Some(sender), true) =
        (&book.rules.sender, sequence.steps.iter().any(|step| step.after.days > 0))
    {
        let zone = sender.zone.iana_name().unwrap_or("UTC");
        told.push(format!("A day later is the same time of day in {}.", text(zone)));
    }
    if let Some(window) = &sequence.window {
        let sender = book.rules.sender.as_ref().and_then(|sender| sender.zone.iana_name());
        let place = if sequence.zone.is_some() || sequence.contact_zone {
            String::from("where the person lives")
        } else {
            format!("in the time zone {}", text(sender.unwrap_or("UTC")))
        };
        let window = text(&window.to_string());
        told.push(format!(
            "Sent only {window}, {place}; what falls outside waits for the next opening."
        ));
    }
    told.join(" ")
}

/// What ends it before its last step.
fn ends(book: &Book<'_>, sequence: &Sequence) -> String {
    let mut told = Vec::new();
    if let Some(guard) = &sequence.stop_when {
        told.push(format!("{} holds right before a step", code(guard.source())));
    }
    for ending in &sequence.endings {
        let name = match &ending.on {
            Trigger::Endpoint(name) => format!("{} is called", book.links.to("endpoints.md", name)),
            Trigger::Event(name) => format!("{} is sent", book.links.to("events.md", name)),
        };
        let run = ending.key.as_ref().map(|key| format!(" with its {}", code(key.source())));
        let goal = if ending.goal.is_some() { ", which is its goal" } else { "" };
        told.push(format!("{name} for the same person{}{goal}", run.unwrap_or_default()));
    }
    let stops = |action: &Action| matches!(action, Action::Stop { sequences, .. } if sequences.contains(&sequence.name));
    for name in whose(book, stops) {
        told.push(format!("{name} is called for the same person"));
    }
    if sequence.kind == MailKind::Marketing {
        told.push(String::from("the person unsubscribes"));
    }
    told.push(String::from("the address bounces"));
    let list: Vec<String> = told.iter().map(|line| format!("- {line}")).collect();
    format!("It ends early when\n\n{}", list.join("\n"))
}

/// Links to the endpoints that have such a step.
fn whose(book: &Book<'_>, is_meant: impl Fn(&Action) -> bool) -> Vec<String> {
    let endpoints = book.rules.endpoints.iter();
    endpoints
        .filter(|endpoint| endpoint.steps.iter().any(|step| is_meant(&step.action)))
        .map(|endpoint| book.links.to("endpoints.md", &endpoint.full_name()))
        .collect()
}
