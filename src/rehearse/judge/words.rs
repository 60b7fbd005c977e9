//! What happens, in words: one line for each thing, and times as people say them.

use serde_json::Value;

use super::super::{Happened, What};
use crate::base::{Delay, Zone, time};

/// Of a body so many characters are shown.
const SHOWN: usize = 160;

/// One thing as a line of a timeline, without its time.
#[must_use]
pub fn line(what: &What) -> String {
    match what {
        What::Reply { call, reply } if reply.body.is_null() => format!("{call} → {}", reply.status),
        What::Reply { call, reply } => {
            // Of the usual answer only the status tells anything.
            let usual = reply.body["state"] == "CREATED";
            let body = if usual { String::new() } else { format!(" {}", short(&reply.body)) };
            format!("{call} → {}{body}", reply.status)
        }
        What::Saved { record, id, fields } => {
            format!("record {record} {id}: {}", short(&Value::Object(fields.clone())))
        }
        What::Email { name, to, subject, .. } => format!("e-mail {name} to {to}: {subject}"),
        What::Event { name, to, body } => format!("event {name} to {to}: {}", short(body)),
        What::Mirrored { record, id, to } => format!("record {record} {id} mirrored to {to}"),
        What::Retry { name, to, number } => format!("retry {number} of {name} to {to}"),
        What::Failed { name, why } => format!("{name} failed: {why}"),
        What::Skipped { name, to: Some(to), why } => format!("{name} to {to} skipped: {why}"),
        What::Skipped { name, to: None, why } => format!("{name}: {why}"),
    }
}

/// A value on one line of bounded length.
pub(super) fn short(value: &Value) -> String {
    let text = value.to_string();
    if text.chars().count() <= SHOWN {
        return text;
    }
    text.chars().take(SHOWN).chain(['…']).collect()
}

/// A moment with its weekday, in this zone: "Mon 1 Dec 10:35:00".
#[must_use]
pub fn clock(at: i64, zone: &Zone) -> String {
    time::from_millis(at).to_zoned(zone.clone()).strftime("%a %-d %b %H:%M:%S").to_string()
}

/// How much later one moment is than another, as waits are written: "5min", "24h", "3d". From
/// three days on, whole days by the calendar are days.
#[must_use]
pub fn gap(from: i64, to: i64, zone: &Zone) -> String {
    let (began, ended) = (time::from_millis(from), time::from_millis(to));
    let local = |at: crate::base::Timestamp| at.to_zoned(zone.clone());
    let days = local(began).date().until(local(ended).date()).map_or(0, |span| span.get_days());
    if let (Ok(days), true) = (u32::try_from(days), days >= 3) {
        let whole = Delay { days, millis: 0 };
        if whole.after(began, zone) == ended {
            return whole.to_string();
        }
    }
    let millis = u64::try_from(to - from).unwrap_or(0);
    Delay { days: 0, millis }.to_string()
}

/// Lines of a test that would expect these things.
pub(super) fn lines_for(found: &[&Happened], called: i64, zone: &Zone) -> Vec<String> {
    let line = |happened: &&Happened| {
        let after = gap(called, happened.at, zone);
        let after = if after == "0s" { String::new() } else { format!(" after=\"{after}\"") };
        match &happened.what {
            What::Email { name, .. } => Some(format!("expect email=\"{name}\"{after}")),
            What::Event { name, to, .. } => {
                Some(format!("expect event=\"{name}\" to=\"{to}\"{after}"))
            }
            What::Failed { name, .. } => Some(format!("expect failed=\"{name}\"{after}")),
            _ => None,
        }
    };
    found.iter().filter_map(line).collect()
}
