//! How what became of a call differs between two rule sets, in words. Values of payloads are
//! never told, only the names of their fields.

use std::collections::BTreeMap;

use serde_json::Value;

use crate::base::{Zone, time};
use crate::engine::Reply;
use crate::rehearse::{Came, Done, Kind, Outcome, gap};
use crate::serve::people::Recorded;

/// Of an answer's text so many characters are told.
const SHOWN: usize = 120;

/// What kind of difference it is.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub(super) enum Change {
    /// Another answer.
    Answer,
    /// Something more is sent or written.
    More(Kind),
    /// Something is not any more.
    Fewer(Kind),
    /// At another time.
    Moved(Kind),
    /// With another subject, text or fields.
    Other(Kind),
}

/// One difference of one call.
#[derive(Clone, Debug)]
pub(super) struct Difference {
    /// Its kind.
    pub(super) change: Change,
    /// What is different, the same for every call to which the same happens.
    pub(super) what: String,
    /// What is of this call alone.
    pub(super) note: String,
}

/// Every difference between what became of a call before and what becomes of it after the
/// edit. What is planned for later than `upto` is not compared.
pub(super) fn differences(
    call: &Recorded,
    before: &Outcome,
    after: &Outcome,
    upto: i64,
    zone: &Zone,
) -> Vec<Difference> {
    let mut found: Vec<Difference> = answer(call, &before.came, &after.came).into_iter().collect();
    // Of what was only written down, nothing but e-mails is known.
    let compared =
        |done: &&Done| done.planned <= upto && (upto == i64::MAX || done.kind == Kind::Email);
    let mut rest: Vec<&Done> = after.done.iter().filter(compared).collect();
    for old in before.done.iter().filter(compared) {
        let same = |new: &&Done| (new.kind, &new.name, &new.to) == (old.kind, &old.name, &old.to);
        match rest.iter().position(same) {
            Some(place) => found.extend(between(old, rest.remove(place), zone)),
            None => found.push(gone(old, after)),
        }
    }
    found.extend(rest.into_iter().map(|new| added(call, new, before, zone)));
    found
}

fn answer(call: &Recorded, before: &Came, after: &Came) -> Option<Difference> {
    let what = match (before, after) {
        (before, after) if before == after => return None,
        (Came::Answered(_), Came::Nowhere) => {
            format!("{} is gone: the rules no longer have it", call.name())
        }
        (Came::Nowhere, _) => format!("{} is there again", call.name()),
        (Came::Answered(before), Came::Answered(after)) => {
            let (old, new) = (shown(before), shown(after));
            if old == new {
                let fields = changed(&names(&before.body), &names(&after.body));
                format!("answer {old} with other fields: {fields}")
            } else {
                format!("answer {old} → {new}")
            }
        }
    };
    Some(Difference { change: Change::Answer, what, note: String::new() })
}

/// Status and text of an answer.
fn shown(reply: &Reply) -> String {
    let Some(text) = reply.body["message"].as_str() else { return reply.status.to_string() };
    let mut text = text.to_owned();
    if text.chars().count() > SHOWN {
        text = text.chars().take(SHOWN).chain(['…']).collect();
    }
    format!("{} \"{text}\"", reply.status)
}

fn names(body: &Value) -> BTreeMap<String, String> {
    let fields = body.as_object().into_iter().flatten();
    fields.map(|(name, value)| (name.clone(), value.to_string())).collect()
}

/// `+ added, - removed, ~ changed`, by their names.
fn changed<T: PartialEq>(before: &BTreeMap<String, T>, after: &BTreeMap<String, T>) -> String {
    let mut parts = Vec::new();
    for name in after.keys().filter(|name| !before.contains_key(*name)) {
        parts.push(format!("+ {name}"));
    }
    for name in before.keys().filter(|name| !after.contains_key(*name)) {
        parts.push(format!("- {name}"));
    }
    for (name, old) in before {
        if after.get(name).is_some_and(|new| new != old) {
            parts.push(format!("~ {name}"));
        }
    }
    parts.join(", ")
}

/// What the same thing has come to under both.
fn between(old: &Done, new: &Done, zone: &Zone) -> Vec<Difference> {
    let name = called(old);
    let mut found = Vec::new();
    let mut add = |change: Change, what: String, note: String| {
        found.push(Difference { change, what, note });
    };
    if old.planned != new.planned {
        let (first, last) = (old.planned.min(new.planned), old.planned.max(new.planned));
        let way = if new.planned < old.planned { "earlier" } else { "later" };
        let note = format!("{} → {}", moment(old.planned, zone), moment(new.planned, zone));
        let what = format!("{name} comes {} {way}", gap(first, last, zone));
        add(Change::Moved(old.kind), what, note);
    }
    if old.subject != new.subject {
        let note = format!("\"{}\" → \"{}\"", old.subject, new.subject);
        add(Change::Other(old.kind), format!("{name} has another subject"), note);
    }
    if old.text.zip(new.text).is_some_and(|(old, new)| old != new) {
        add(Change::Other(old.kind), format!("{name} has another text"), String::new());
    }
    let fields = changed(&fields(old, new), &fields(new, old));
    if !fields.is_empty() {
        add(Change::Other(old.kind), format!("{name} has other fields: {fields}"), String::new());
    }
    found
}

/// The fields of a thing. The envelope of an event tells its moment, which is no news of one
/// that has moved.
fn fields(one: &Done, other: &Done) -> BTreeMap<String, u64> {
    let mut fields = one.fields.clone();
    if one.planned != other.planned {
        fields.remove("timestamp");
    }
    fields
}

fn gone(old: &Done, after: &Outcome) -> Difference {
    let done = if matches!(old.kind, Kind::Email | Kind::Event) { "sent" } else { "written" };
    let why = match &after.came {
        Came::Answered(reply) if reply.status < 300 => left(after, &old.name),
        _ => Some(String::from("the call is refused")),
    };
    Difference {
        change: Change::Fewer(old.kind),
        what: format!("{} is not {done} any more", called(old)),
        note: why.unwrap_or_default(),
    }
}

fn added(call: &Recorded, new: &Done, before: &Outcome, zone: &Zone) -> Difference {
    let done = if matches!(new.kind, Kind::Email | Kind::Event) { "sent" } else { "written" };
    let mut note = match new.kind {
        Kind::Email => format!("{} \"{}\"", moment(new.planned, zone), new.subject),
        Kind::Event if new.planned != call.at => moment(new.planned, zone),
        Kind::Event | Kind::Record | Kind::Copy => String::new(),
    };
    if let Some(why) = left(before, &new.name) {
        let gap = if note.is_empty() { "" } else { "; " };
        note = format!("{note}{gap}before: {why}");
    }
    Difference {
        change: Change::More(new.kind),
        what: format!("{} is {done} as well", called(new)),
        note,
    }
}

/// Why something was left out.
fn left(outcome: &Outcome, name: &str) -> Option<String> {
    outcome.left.iter().find(|(left, _)| left == name).map(|(_, why)| why.clone())
}

fn called(done: &Done) -> String {
    match done.kind {
        Kind::Email => format!("e-mail {}", done.name),
        Kind::Event => format!("event {} to {}", done.name, done.to),
        Kind::Record => format!("record {}", done.name),
        Kind::Copy => format!("record {} in {}", done.name, done.to),
    }
}

fn moment(at: i64, zone: &Zone) -> String {
    time::from_millis(at).to_zoned(zone.clone()).strftime("%a %-d %b %Y %H:%M").to_string()
}
