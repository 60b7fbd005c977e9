//! `rulerun why EMAIL`: everything that happened to one person, and what is still to come.

use std::fmt::Write as _;

use clap::Args;
use serde_json::Value;

use super::out::{self, Ink};
use super::outcome::Outcome;
use super::people::{Local, Where};
use super::{Format, Global, client, table};
use crate::base::time;
use crate::model::queue::suppression;

/// Columns of the word that says what happened.
const WORD: usize = 10;

const EXAMPLES: &str = "\
Examples:
  rulerun why sarah@example.com                 asks the running server
  rulerun why sarah@example.com --data data     reads the folder of one that does not run";

/// What `why` is told.
#[derive(Args, Debug)]
#[command(after_help = EXAMPLES)]
pub(super) struct WhyArgs {
    /// The person's address.
    #[arg(value_name = "EMAIL")]
    person: String,
    #[command(flatten)]
    place: Where,
    /// How to print.
    #[arg(long, value_enum, default_value_t)]
    format: Format,
}

pub(super) fn run(global: &Global, args: &WhyArgs) -> Outcome {
    let source = args.place.open(global, None)?;
    source.timeline(&args.person)?.print(args.format, story)
}

/// The whole story, by days.
fn story(body: &Value) -> String {
    let (local, ink, width) = (Local::of(body), Ink::for_data(), out::page_width());
    let mut text = format!(
        "{} {}\n",
        ink.bold(&table::cell(&body["email"])),
        ink.dim(&format!("(times in {})", local.name))
    );
    if body["complete"] == false {
        out::note("only the newest calls are shown; what happened before is left out");
    }
    let mut day = String::new();
    for entry in client::results(body) {
        let Some((word, what)) = told(entry) else { continue };
        let at = time::parse_time(entry["timestamp"].as_str().unwrap_or_default());
        let (date, hour) = at.map(|at| (local.day(at), local.hour(at))).unwrap_or_default();
        if date != day {
            let _ = write!(text, "\n{}\n", ink.bold(&date));
            day = date;
        }
        let lead = format!("  {hour:5}  {word:WORD$} ");
        text.push_str(&table::hanging(&lead, &local.within(&out::clean(&what)), width));
    }
    let coming = body["upcoming"].as_array().map_or(&[][..], Vec::as_slice);
    let _ = write!(text, "\n{}\n", ink.bold("Still to come"));
    for entry in coming {
        let due = time::parse_time(entry["due"].as_str().unwrap_or_default());
        let due = due.map(|due| local.moment(due)).unwrap_or_default();
        let lead = format!("  {due:21}  ");
        text.push_str(&table::hanging(&lead, &local.within(&out::clean(&to_come(entry))), width));
    }
    if coming.is_empty() {
        text.push_str("  nothing\n");
    }
    text
}

/// The step, its subject, and what may still keep it from being sent.
fn to_come(entry: &Value) -> String {
    let mut text = named(&entry["event_type"], &entry["subject"]);
    for change in changes(entry) {
        let _ = write!(text, "; {change}");
    }
    text
}

/// What may still change something that is to come.
pub(super) fn changes(entry: &Value) -> Vec<String> {
    let text = |name: &str| entry[name].as_str().filter(|text| !text.is_empty());
    let mut changes = Vec::new();
    changes.extend(text("note").map(str::to_owned));
    changes.extend(text("when").map(|guard| format!("only when `{guard}`")));
    changes.extend(text("stop_when").map(|guard| format!("stops when `{guard}`")));
    changes.extend(version(&entry["version"]));
    changes
}

/// By which version of its sequence somebody is judged, where that is not the present one:
/// "by the version of 2025-12-01T10:30:00Z (9f86d081)".
fn version(version: &Value) -> Option<String> {
    let hash = version["hash"].as_str().filter(|_| version["live"] == false)?;
    let since = version["since"].as_str()?;
    Some(format!("by the version of {since} ({})", out::short(hash)))
}

/// `noshow-1 "Sorry we missed you"`.
fn named(name: &Value, subject: &Value) -> String {
    match subject.as_str() {
        Some(subject) => format!("{} \"{subject}\"", table::cell(name)),
        None => table::cell(name),
    }
}

/// What an entry of the timeline says, and the word for it; none where another entry says it.
fn told(entry: &Value) -> Option<(&'static str, String)> {
    let text = |name: &str| table::cell(&entry[name]);
    match entry["kind"].as_str()? {
        "received" => Some(received(entry)),
        "log" => noted(&text("taskId"), &text("message")),
        "suppressed" => {
            let note = entry["note"].as_str().filter(|note| !note.is_empty());
            let note = note.map(|note| format!(" ({note})")).unwrap_or_default();
            Some(("suppressed", format!("{}{note}", suppression::because(&text("reason")))))
        }
        kind => job(kind, entry),
    }
}

fn received(entry: &Value) -> (&'static str, String) {
    let text = |name: &str| table::cell(&entry[name]);
    let (status, refused) = (text("status"), &entry["refused"]);
    let what = match text("namespace").as_str() {
        "events" => format!("the event {}", text("flowId")),
        "records" => format!("the record {}", text("flowId")),
        "feedback" => format!("a report by {}", text("flowId")),
        group => format!("{group}/{}", text("flowId")),
    };
    if refused.is_null() {
        return ("received", format!("{what}, answered {status}"));
    }
    let mut told = format!("{what}, answered {status}");
    if let Some(message) = refused["message"].as_str() {
        let _ = write!(told, ": {message}");
    }
    if let Some(guard) = refused["guard"].as_str() {
        let seen = refused["seen"].as_object().into_iter().flatten();
        let seen: Vec<String> = seen.map(|(name, value)| format!("{name} = {value}")).collect();
        let _ = write!(told, " It needs `{guard}` and saw {}", seen.join(", "));
    }
    ("refused", told)
}

/// A line of an execution's log.
fn noted(task: &str, message: &str) -> Option<(&'static str, String)> {
    if let Some((_, at)) =
        message.strip_prefix("scheduled for ").and_then(|m| m.rsplit_once(" at "))
    {
        return Some(("scheduled", format!("{task} for {at}")));
    }
    if let Some(what) = message.strip_prefix("remembered ") {
        return Some(("saved", format!("the record {what}")));
    }
    if let Some(target) = message.strip_prefix("queued for ") {
        return Some(("queued", format!("{task} for {target}")));
    }
    if let Some(unmet) = message.strip_prefix("refused with 204: ") {
        return Some(("refused", format!("without a word: {unmet}")));
    }
    // Told by the call itself, by what it stopped, or by the end of the delivery.
    let is_retry = message.contains("; again at ");
    if message.starts_with("refused with ")
        || message.starts_with("stops for ")
        || (message.starts_with("to ") && !is_retry)
    {
        return None;
    }
    if let Some((name, why)) =
        message.strip_prefix("the sequence `").and_then(|rest| rest.split_once("` was stopped: "))
    {
        return Some(("stopped", format!("the sequence {name}{}", by(why))));
    }
    let word = match message.split(' ').next() {
        Some("moved" | "dropped" | "added") => "edited",
        Some("not") => "skipped",
        Some("to") => "failed",
        _ => "noted",
    };
    let task = if task.is_empty() { String::new() } else { format!("{task} ") };
    Some((word, format!("{task}{message}")))
}

/// A step, an e-mail or a delivery.
fn job(kind: &str, entry: &Value) -> Option<(&'static str, String)> {
    let text = |name: &str| table::cell(&entry[name]);
    let is_step = matches!(entry["what"].as_str(), Some("email" | "step"));
    let mut what = named(&entry["taskId"], &entry["subject"]);
    if !is_step {
        let _ = write!(what, " to {}", text("to"));
    }
    let attempts = match entry["attempts"].as_u64() {
        Some(tries) if tries > 1 => format!(" at attempt {tries}"),
        _ => String::new(),
    };
    let reason = text("reason");
    let word = match kind {
        // The steps that are left are told at the end.
        "scheduled" | "sending" if is_step => return None,
        "scheduled" | "sending" => {
            let error = text("error");
            let error = if error.is_empty() { error } else { format!(", after an error: {error}") };
            return Some(("waiting", format!("{what}{error}")));
        }
        "sent" => return Some(("sent", format!("{what}{attempts}"))),
        "captured" => return Some(("captured", format!("{what}, in the outbox"))),
        "failed" => "failed",
        _ if reason.starts_with("stopped: ") => "stopped",
        _ => "skipped",
    };
    let reason = by(reason.strip_prefix("stopped: ").unwrap_or(&reason));
    Some((word, format!("{what}{attempts}{reason}")))
}

/// Why, as it follows on what: who stopped it, or a reason of its own.
fn by(reason: &str) -> String {
    match reason.strip_prefix("stopped by ") {
        Some(who) => format!(", by {who}"),
        None => format!(": {reason}"),
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use serde_json::json;

    #[test]
    fn a_refusal_is_told_with_the_guard_and_what_it_saw() {
        let entry = json!({
            "kind": "received", "namespace": "shop", "flowId": "paid", "status": 422,
            "refused": {
                "message": "Not paid yet.", "guard": "status == \"paid\"",
                "seen": { "status": "open" },
            },
        });
        let told = told(&entry).map(|(word, what)| format!("{word} {what}"));
        assert_eq!(
            told.as_deref(),
            Some(
                "refused shop/paid, answered 422: Not paid yet. It needs `status == \"paid\"` and \
                 saw status = \"open\""
            )
        );
    }

    #[test]
    fn what_another_line_tells_is_told_once() {
        assert_eq!(noted("welcome", "stops for a@example.com, if it runs"), None);
        assert_eq!(told(&json!({ "kind": "scheduled", "what": "step" })), None);
        assert_eq!(noted("welcome-1", "to a@example.com: kept in the outbox, not sent"), None);
        let again = "to https://n8n.example.com (503): busy; again at 2025-12-01T10:35:00Z";
        assert_eq!(noted("paid", again), Some(("failed", format!("paid {again}"))));
        assert_eq!(
            noted("welcome-1", "scheduled for a@example.com at 2025-12-01T10:35:00Z"),
            Some(("scheduled", "welcome-1 for 2025-12-01T10:35:00Z".into()))
        );
    }
}
