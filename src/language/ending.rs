//! `stop-on` and `goal`: other calls and events that end a sequence. Their tags are over the
//! payload of that call or event, so they are checked against its schema.

use super::codes;
use super::names::Thing;
use super::reading::Reading;
use super::sequence::an_address;
use super::settings::delay;
use super::situation::Situation;
use super::tree::{Node, Value};
use crate::base::diagnostic::did_you_mean;
use crate::base::{Delay, Diagnostic};
use crate::model::rules::{Ending, Trigger};

/// How long after its last step a goal still counts, when the rules do not say it.
const WITHIN: Delay = Delay { days: 7, millis: 0 };

/// Decodes every `stop-on` and `goal` of a sequence.
pub(super) fn endings(reading: &mut Reading<'_>, sequence: &Node) -> Vec<Ending> {
    let is_ending = |node: &&Node| matches!(node.name.as_str(), "stop-on" | "goal");
    let nodes = sequence.nodes().iter().filter(is_ending);
    nodes.filter_map(|node| ending(reading, sequence, node)).collect()
}

fn ending(reading: &mut Reading<'_>, sequence: &Node, node: &Node) -> Option<Ending> {
    let on = trigger(reading, node);
    let situation = on.as_ref().and_then(|on| reading.triggers.get(on).cloned());
    let situation = situation.unwrap_or_else(|| Situation::open(node.head()));
    let payload = [&situation];
    let person = node.prop("for").and_then(|value| {
        an_address(reading, value, &payload);
        reading.template(value, &payload, false)
    });
    let key = node.prop("key").and_then(|value| {
        keyed(reading, sequence, node, value);
        reading.template(value, &payload, false)
    });
    let within = delay(node, "within").unwrap_or(WITHIN);
    outlasts(reading, node, within);
    Some(Ending {
        on: on?,
        person: person?,
        key,
        goal: (node.name == "goal").then_some(within),
        span: node.head(),
    })
}

/// A goal counts for an e-mail as long as that is kept; later nobody knows which one it was.
fn outlasts(reading: &mut Reading<'_>, node: &Node, within: Delay) {
    let keep = reading.keep;
    let Some(value) = node.prop("within") else { return };
    if within.to_duration() <= keep.to_duration() {
        return;
    }
    reading.push(
        Diagnostic::warning(
            codes::GOAL_OUTLASTS,
            format!("this goal counts for {within}, and e-mails are kept for {keep}"),
            value.span,
        )
        .label("later than that it converts people, and no e-mail")
        .help(format!("write queue keep=\"{within}\", or a shorter within")),
    );
}

/// What is called or sent: an endpoint by its full name, or an event.
fn trigger(reading: &mut Reading<'_>, node: &Node) -> Option<Trigger> {
    match (node.first(), node.prop("event")) {
        (Some(endpoint), None) => known_endpoint(reading, endpoint),
        (None, Some(event)) => {
            reading.resolve(Thing::Event, event).map(|name| Trigger::Event(name.to_owned()))
        }
        (Some(endpoint), Some(event)) => {
            let word = &node.name;
            reading.push(
                Diagnostic::error(
                    codes::TOO_MANY,
                    format!("this `{word}` names an endpoint and an event"),
                    event.span,
                )
                .also(endpoint.span, "the endpoint")
                .help(format!("write a `{word}` line for each of them")),
            );
            None
        }
        (None, None) => {
            let word = &node.name;
            reading.push(
                Diagnostic::error(
                    codes::MISSING,
                    format!("this `{word}` does not say what ends the sequence"),
                    node.name_span,
                )
                .label("on which call or event?")
                .help(format!(
                    "name an endpoint, {word} \"GROUP/ENDPOINT\" for=\"{{{{email}}}}\", or an \
                     event, {word} event=\"NAME\" for=\"{{{{email}}}}\""
                )),
            );
            None
        }
    }
}

fn known_endpoint(reading: &mut Reading<'_>, value: &Value) -> Option<Trigger> {
    let name = value.text().filter(|name| !name.trim().is_empty())?;
    let trigger = Trigger::Endpoint(name.to_owned());
    if reading.triggers.contains_key(&trigger) {
        return Some(trigger);
    }
    if reading.unread.is_some() {
        reading.let_pass = true;
        return None;
    }
    let names: Vec<&str> = reading
        .triggers
        .keys()
        .filter_map(|known| match known {
            Trigger::Endpoint(name) => Some(name.as_str()),
            Trigger::Event(_) => None,
        })
        .collect();
    // Whoever leaves the group out means the endpoint that has this name.
    let short = names.iter().copied().find(|full| full.rsplit('/').next() == Some(name));
    let guess = short.map(|short| format!("did you mean `{short}`?"));
    let help = guess.or_else(|| did_you_mean(name, names.iter().copied())).unwrap_or_else(|| {
        let listed: Vec<&str> = names.into_iter().take(12).collect();
        if listed.is_empty() {
            String::from("the rules declare no endpoint")
        } else {
            format!("declared are: {}", listed.join(", "))
        }
    });
    reading.push(
        Diagnostic::error(
            codes::UNKNOWN_ENDPOINT,
            format!("there is no endpoint `{name}`"),
            value.span,
        )
        .label("not declared anywhere")
        .help(help),
    );
    None
}

/// `key=` picks one of several runs, which only `once-per` tells apart.
fn keyed(reading: &mut Reading<'_>, sequence: &Node, node: &Node, value: &Value) {
    if sequence.child("once-per").is_some() {
        return;
    }
    let word = &node.name;
    reading.push(
        Diagnostic::error(
            codes::MISSING,
            format!("`key=` of this `{word}` is compared with nothing"),
            value.span,
        )
        .label("which run of the person?")
        .also(sequence.title_span(), "it has no `once-per`")
        .help(
            "write once-per \"{{FIELD}}\" in the sequence, with the field that tells its runs \
             apart, or take `key=` away",
        ),
    );
}
