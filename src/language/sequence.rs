//! `sequence`: timed e-mails and events for one person. Every tag in it must resolve for
//! every step that starts it.

use std::sync::Arc;

use serde_json::json;

use super::cap;
use super::codes;
use super::edition;
use super::email;
use super::ending;
use super::locales;
use super::reading::Reading;
use super::settings::delay;
use super::shape::with_article;
use super::situation::{Fault, Faults, Situation, all_optional, lone_tag};
use super::steps;
use super::tree::{Node, Value};
use super::vocabulary::Type;
use super::{values, window};
use crate::base::{Delay, Diagnostic};
use crate::model::rules::{
    Again, CountsFrom, MailKind, Sequence, SequenceAction, SequenceStep, Window, locale,
};
use crate::model::scope::example_of_fields;
use crate::model::{Kind, Shape};
use crate::template::Template;

/// What guards of a sequence always know about the contact.
pub(super) const CONTACT_FLAGS: [&str; 2] = ["unsubscribed", "bounced"];

/// Decodes a `sequence` node. Everything that starts it must have been read before.
pub(super) fn sequence(reading: &mut Reading<'_>, node: &Node) -> Option<Arc<Sequence>> {
    let name = node.title()?;
    let starts = starts(reading, node, name);
    let payload: Vec<&Situation> = starts.iter().collect();
    let with_contact: Vec<Situation> =
        starts.iter().map(|start| add_contact(reading, start.clone())).collect();
    let asked: Vec<&Situation> = with_contact.iter().collect();

    let to = node.prop("to").and_then(|value| {
        an_address(reading, value, &payload);
        reading.template(value, &payload, false)
    });
    let contact_zone = knows_zone(reading);
    // What is written out is known before anybody comes.
    let fixed = |word: &str| {
        node.prop(word).filter(|value| !value.text().is_some_and(|it| it.contains("{{")))
    };
    if let Some(zone) = fixed("zone") {
        values::check(zone, Type::Zone, &mut reading.sink);
    }
    if let Some(language) = fixed("locale").filter(|it| it.text().and_then(locale).is_none()) {
        reading.push(locales::no_language(language));
    }
    let zone = node.prop("zone").and_then(|value| reading.template(value, &payload, false));
    // Who has said nothing gets the plain text, so a field that may be missing is fine.
    let locale = node.prop("locale").and_then(|value| reading.template(value, &asked, true));
    let counts_from = node.prop("counts-from").and_then(|value| moment(reading, value, &payload));
    let once = node.child("once-per");
    let once_per =
        once.and_then(Node::first).and_then(|value| reading.template(value, &payload, false));
    let again = again(reading, once);
    let stop_when = node
        .child("stop-when")
        .and_then(Node::first)
        .and_then(|value| reading.guard(value, &asked));
    let endings = ending::endings(reading, node);
    let kind = match node.prop_text("kind") {
        Some("transactional") => MailKind::Transactional,
        _ => MailKind::Marketing,
    };
    let everyone = node.prop_text("apply") == Some("everyone");
    let window = window::window(reading, node);
    let usual = reading.layout.clone();
    super::layout::choose(reading, Some(node), usual.clone());
    let steps = steps_of(reading, node, window.as_ref(), &payload, &asked);
    reading.layout = usual;
    if let Some(window) = &window {
        window::lints(reading, node, window, zone.is_some() || contact_zone);
    }
    super::lints::sequence(reading, node, kind, &steps);
    super::lints::languages(reading, &steps);
    let edition = edition::edition(node, stop_when.as_ref(), &steps);
    let caps = cap::caps(reading, node);
    cap::only_marketing(reading, node, kind);
    Some(Arc::new(Sequence {
        name: name.to_owned(),
        about: node.child_text("about").map(str::to_owned),
        to: to?,
        zone,
        locale,
        contact_zone,
        window,
        counts_from,
        kind,
        once_per,
        again,
        caps,
        stop_when,
        endings,
        tracks_clicks: node.child_text("track") == Some("clicks"),
        everyone,
        steps,
        edition: Arc::new(edition),
        span: node.title_span(),
    }))
}

/// What the sequence is started with. One that nobody starts is checked against anything.
fn starts(reading: &mut Reading<'_>, node: &Node, name: &str) -> Vec<Situation> {
    let starts = reading.starts.get(name).cloned().unwrap_or_default();
    if !starts.is_empty() {
        return starts;
    }
    if reading.unread.is_none() && !reading.lost_sequence {
        reading.push(
            Diagnostic::warning(
                codes::UNUSED_SEQUENCE,
                format!("nothing starts the sequence `{name}`"),
                node.title_span(),
            )
            .label("never started")
            .help(format!("write start \"{name}\" in an endpoint, or switch it off with `/-`")),
        );
    }
    vec![Situation::open(node.title_span())]
}

/// `contact`: the record of that name, and what is known about the address.
fn add_contact(reading: &Reading<'_>, situation: Situation) -> Situation {
    let record = reading.records.get("contact").cloned().unwrap_or_default();
    let mut example = example_of_fields(&record.names);
    let mut fields = all_optional(&record.names);
    for flag in CONTACT_FLAGS {
        fields.insert(String::from(flag), Shape::required(Kind::Boolean));
        example.insert(String::from(flag), json!(false));
    }
    let kind = if record.open { Kind::Any } else { Kind::Object(fields) };
    situation.with("contact", Shape::required(kind), json!(example))
}

/// Whether the record of that name has a field `zone`.
fn knows_zone(reading: &Reading<'_>) -> bool {
    let record = reading.records.get("contact");
    record.is_some_and(|record| record.open || record.names.contains_key("zone"))
}

fn again(reading: &mut Reading<'_>, once: Option<&Node>) -> Again {
    let Some(once) = once else { return Again::AfterFinish };
    let Some(value) = once.prop("again") else { return Again::Never };
    match value.text() {
        Some("after-finish") => Again::AfterFinish,
        Some("restart") => Again::Restart,
        Some(text) if text.starts_with(|letter: char| letter.is_ascii_digit()) => {
            match Delay::parse(text) {
                Ok(delay) => Again::After(delay),
                Err(help) => {
                    reading.push(
                        Diagnostic::error(
                            codes::BAD_DURATION,
                            format!("`{text}` is not a wait"),
                            value.span,
                        )
                        .help(help),
                    );
                    Again::Never
                }
            }
        }
        Some("never") | None => Again::Never,
        Some(other) => {
            let words = ["never", "after-finish", "restart"];
            reading.push(
                Diagnostic::error(
                    codes::UNKNOWN_CHOICE,
                    format!("`{other}` does not say who may be in the sequence again"),
                    value.span,
                )
                .help(crate::base::diagnostic::did_you_mean(other, words).unwrap_or_else(|| {
                    String::from("write never, after-finish, restart or a wait such as \"30d\"")
                }))
                .mend(super::mends::name(value, words)),
            );
            Again::Never
        }
    }
}

/// A lone tag whose field must hold an e-mail address, as far as can be told.
pub(super) fn an_address(reading: &mut Reading<'_>, value: &Value, situations: &[&Situation]) {
    let why = "name the field that holds the e-mail address";
    of_kind(reading, value, situations, "an e-mail address", why, |kind| {
        matches!(kind, Kind::Text | Kind::Any)
    });
}

/// A lone tag whose field must be of some kind, in every situation.
fn of_kind(
    reading: &mut Reading<'_>,
    value: &Value,
    situations: &[&Situation],
    wanted: &str,
    help: &str,
    fits: impl Fn(&Kind) -> bool,
) {
    let Some(path) = value.text().and_then(lone_tag) else { return };
    let mut faults = Faults::default();
    for situation in situations {
        if let Ok(shape) = situation.scope.resolve(&path)
            && !fits(&shape.kind)
        {
            let kind = with_article(shape.kind.word());
            let message = format!("`{}` is not {wanted} but {kind}", path.join("."));
            let help = Some(help.to_owned());
            faults.add(
                situation,
                Fault { code: codes::FIELD_TYPE, message, range: 0..0, help, fix: None },
            );
        }
    }
    for found in faults.told(|_| value.span) {
        reading.push(found);
    }
}

/// A template that gives a point in time: one tag, of type time, that is always there.
fn moment(reading: &mut Reading<'_>, value: &Value, situations: &[&Situation]) -> Option<Template> {
    let text = value.text()?;
    if lone_tag(text).is_none() {
        reading.push(
            Diagnostic::error(
                codes::FIELD_TYPE,
                "a moment is one field of the payload",
                value.span,
            )
            .help("write it like counts-from=\"{{email_1_sent_at}}\""),
        );
        return None;
    }
    let why = "give the field the type `time` in the schema, or name another";
    of_kind(reading, value, situations, "a time", why, |kind| {
        matches!(kind, Kind::Time | Kind::Any)
    });
    reading.template(value, situations, false)
}

fn steps_of(
    reading: &mut Reading<'_>,
    node: &Node,
    window: Option<&Window>,
    payload: &[&Situation],
    asked: &[&Situation],
) -> Vec<SequenceStep> {
    let sequence = node.title().unwrap_or_default();
    let mut steps: Vec<SequenceStep> = Vec::new();
    let mut found = false;
    for child in node.nodes() {
        let is_email = child.name == "email";
        if !is_email && child.name != "send" {
            continue;
        }
        found = true;
        doubled(reading, &steps, child);
        let counts_from = counts_from(reading, child, payload);
        let when = reading.when(child, asked);
        let action = if reading.kept.is_some() {
            // What a step does is read live, and not in an edition: something stands for it.
            child.title().map(|name| SequenceAction::Send { event: name.to_owned(), fields: None })
        } else if is_email {
            email::email(reading, child, node, payload)
        } else {
            steps::send(reading, child, payload, payload, &format!("sequence {sequence}"))
                .map(|(event, fields)| SequenceAction::Send { event, fields })
        };
        let (Some(action), Some(name)) = (action, child.title()) else { continue };
        let step = SequenceStep {
            name: name.to_owned(),
            after: delay(child, "after").unwrap_or_default(),
            counts_from,
            when,
            max_late: delay(child, "max-late").unwrap_or_else(|| window::max_late(window, child)),
            any_time: window::is_any(child),
            action,
            span: child.title_span(),
        };
        // A wait that cannot be read is told already, and says nothing about the order.
        if child.prop("after").is_none() || delay(child, "after").is_some() {
            in_order(reading, &steps, &step, child);
        }
        steps.push(step);
    }
    if !found {
        reading.push(
            Diagnostic::error(
                codes::MISSING,
                format!("the sequence `{sequence}` does nothing"),
                node.title_span(),
            )
            .label("no `email` in it")
            .help("write email \"NAME\" after=\"1d\" subject=\"…\" in its block"),
        );
    }
    steps
}

fn doubled(reading: &mut Reading<'_>, steps: &[SequenceStep], node: &Node) {
    let Some(name) = node.title() else { return };
    if let Some(first) = steps.iter().find(|step| step.name == name) {
        reading.push(
            Diagnostic::error(
                codes::DUPLICATE,
                format!("two steps of this sequence are called `{name}`"),
                node.title_span(),
            )
            .label("once more")
            .also(first.span, "first here")
            .help("steps are told apart by name; the same text can stand behind template=\"…\""),
        );
    }
}

fn counts_from(reading: &mut Reading<'_>, node: &Node, situations: &[&Situation]) -> CountsFrom {
    match node.prop("counts-from") {
        None => CountsFrom::Sequence,
        Some(value) if value.text() == Some("previous") => CountsFrom::Previous,
        Some(value) => {
            moment(reading, value, situations).map_or(CountsFrom::Sequence, CountsFrom::Field)
        }
    }
}

/// Steps that count from the same moment stand in the order in which they happen.
fn in_order(reading: &mut Reading<'_>, steps: &[SequenceStep], step: &SequenceStep, node: &Node) {
    let same = |other: &CountsFrom| match (other, &step.counts_from) {
        (CountsFrom::Sequence, CountsFrom::Sequence) => true,
        (CountsFrom::Field(one), CountsFrom::Field(two)) => one.source() == two.source(),
        _ => false,
    };
    let Some(last) = steps.last().filter(|last| same(&last.counts_from)) else { return };
    if step.after.to_duration() < last.after.to_duration() {
        reading.push(
            Diagnostic::warning(
                codes::OUT_OF_ORDER,
                format!("`{}` comes before the step above it", step.name),
                node.prop("after").map_or(node.head(), |value| value.span),
            )
            .label(format!("after {}", step.after))
            .also(last.span, format!("after {}", last.after))
            .help(
                "`after` counts from the start; write counts-from=\"previous\" to count from \
                 the step above",
            ),
        );
    }
}
