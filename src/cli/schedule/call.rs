//! `rulerun schedule --call`: what one call would set off under the rules in these files, in a
//! rehearsal. Nothing is sent and no server is asked.

use clap::Args;
use serde_json::{Map, Value, json};

use super::{ScheduleArgs, Shape, draw, ics};
use crate::base::{Timestamp, time};
use crate::cli::outcome::{Exit, Failure, Outcome};
use crate::cli::people::Local;
use crate::cli::{Global, data, out, place, rules};
use crate::model::rules::RuleSet;
use crate::payload;
use crate::rehearse::{Happened, Rehearsal, What, gap, line};
use crate::serve::curl;

/// Which call.
#[derive(Args, Debug)]
pub(super) struct CallArgs {
    /// Show what a call of this endpoint would set off; the payload comes from --example or
    /// --data.
    #[arg(long, value_name = "ENDPOINT", conflicts_with_all = ELSE)]
    call: Option<String>,
    /// The same for an event that is handed to the server.
    #[arg(long, value_name = "EVENT", conflicts_with_all = ELSE, conflicts_with = "call")]
    event: Option<String>,
    /// With --call: the example payload that the schema describes. (--data is the payload
    /// then, as JSON, @FILE, or - for the pipe.)
    #[arg(long, conflicts_with = "data")]
    example: bool,
    /// With --call: when it comes, such as 2025-12-01T10:30:00Z [default: now].
    #[arg(long, value_name = "TIME", conflicts_with_all = ELSE)]
    at: Option<String>,
}

/// What belongs to a real schedule.
const ELSE: [&str; 6] = ["server", "from", "to", "days", "sequence", "person"];

impl CallArgs {
    /// Whether a call is asked for.
    pub(super) fn is_given(&self) -> bool {
        self.call.is_some() || self.event.is_some() || self.example || self.at.is_some()
    }
}

/// What is called.
struct Called<'a> {
    endpoint: Option<String>,
    event: Option<&'a str>,
    example: Option<Value>,
}

pub(super) fn run(global: &Global, args: &ScheduleArgs) -> Outcome {
    let live = rules::prepared(&global.rules)?;
    let zone = live.rules.sender.as_ref().and_then(|sender| sender.zone.iana_name());
    let local = Local::named(zone.unwrap_or("UTC"));
    let at = moment(&args.call, &local)?;
    let called = called(&args.call, &live.rules, at)?;
    let payload = payload_of(args, &called)?;
    let fault = |error: crate::rehearse::RehearsalError| Failure::new(error.to_string());
    let mut stage = Rehearsal::new(&live, at, None).map_err(fault)?;
    let reply = match (&called.endpoint, called.event) {
        (Some(endpoint), _) => stage.post(endpoint, payload),
        (None, event) => stage.send(event.unwrap_or_default(), payload),
    };
    let reply = reply.map_err(fault)?;
    stage.run_out().map_err(fault)?;
    let entries = entries(stage.happened(), &live.rules, time::millis(at), &stage.zone());
    let answer = match (stage.happened().first(), reply.body["message"].as_str()) {
        (Some(Happened { what: What::Reply { call, .. }, .. }), Some(message)) => {
            format!("{call} → {} {message}", reply.status)
        }
        (Some(first), _) => line(&first.what),
        (None, _) => reply.status.to_string(),
    };
    let body = json!({
        "call": called.endpoint.as_deref().or(called.event),
        "at": time::format_time(at),
        "zone": local.name,
        "answer": { "status": reply.status, "body": reply.body },
        "total": entries.len(),
        "results": entries,
    });
    match args.format {
        Shape::Json => out::json(&body)?,
        Shape::Ics => {
            // What is left out has no place in a calendar.
            let sent: Vec<Value> =
                entries.iter().filter(|entry| entry["skipped"] != true).cloned().collect();
            out::data(&ics::calendar(&sent, place::now()))?;
        }
        Shape::Table => {
            let gap = if entries.is_empty() { "" } else { "\n" };
            let when = local.moment(at);
            out::data(&format!("{when}  {}\n{gap}{}", out::clean(&answer), draw(&body)))?;
        }
    }
    let is_good = (200..300).contains(&reply.status);
    if entries.is_empty() && is_good {
        out::note("nothing would be sent");
    }
    Ok(Exit::problems_if(!is_good))
}

fn moment(args: &CallArgs, local: &Local) -> Result<Timestamp, Failure> {
    let Some(text) = &args.at else { return Ok(time::from_millis(place::now())) };
    local.parse(text).ok_or_else(|| {
        Failure::new(format!("--at `{text}` is not a time"))
            .help("write a time such as 2025-12-01T10:30:00Z")
    })
}

fn called<'a>(args: &CallArgs, rules: &'a RuleSet, at: Timestamp) -> Result<Called<'a>, Failure> {
    if let Some(name) = &args.call {
        let endpoint = rules::endpoint(rules, name)?;
        let example = curl::example(rules, endpoint, at);
        let endpoint = Some(endpoint.full_name());
        return Ok(Called { endpoint, event: None, example: Some(example) });
    }
    let Some(name) = &args.event else {
        return Err(Failure::new("it is not said what is called")
            .help("name the endpoint: `rulerun schedule --call ENDPOINT --example`"));
    };
    let Some((name, event)) = rules.events.get_key_value(name) else {
        let names: Vec<String> = rules.events.keys().cloned().collect();
        return Err(rules::unknown("event", name, &names));
    };
    let example = event.schema.as_ref().map(|schema| schema.example.clone());
    Ok(Called { endpoint: None, event: Some(name), example })
}

fn payload_of(args: &ScheduleArgs, called: &Called<'_>) -> Result<Map<String, Value>, Failure> {
    let given = args.place.data.as_ref().map(|data| data.to_string_lossy().into_owned());
    let value = match given {
        Some(given) => payload::parse(&data::payload(&given)?).map_err(|fault| {
            Failure::new(format!("the payload cannot be used: {}", fault.message))
        })?,
        None if args.call.example => called.example.clone().ok_or_else(|| {
            Failure::new("there is no schema to make an example of")
                .help("give the payload with --data")
        })?,
        None => {
            return Err(Failure::new("the call has no payload")
                .help("add --example, or --data with JSON, @FILE, or - for the pipe"));
        }
    };
    match value {
        Value::Object(payload) => Ok(payload),
        _ => Err(Failure::new(
            "the payload must be a JSON object, such as {\"email\": \"sarah@example.com\"}",
        )),
    }
}

/// What would be sent and left out, in the form of the schedule's entries.
fn entries(
    happened: &[Happened],
    rules: &RuleSet,
    called: i64,
    zone: &crate::base::Zone,
) -> Vec<Value> {
    let mut entries = Vec::new();
    for one in happened {
        let Some(mut entry) = entry(&one.what, rules) else { continue };
        let after = gap(called, one.at, zone);
        entry["id"] = format!("{}-{}", one.call, entries.len()).into();
        entry["due"] = time::format_time(time::from_millis(one.at)).into();
        if let (Some(from), true) = (one.moved_from, entry["note"].is_null()) {
            let from = time::format_time(time::from_millis(from));
            entry["note"] = format!("moved by the window from {from}").into();
        }
        entry["after"] = if after == "0s" { "at once".into() } else { after.into() };
        entries.push(entry);
    }
    entries
}

fn entry(what: &What, rules: &RuleSet) -> Option<Value> {
    let blank = |name: &str, to: &str| {
        json!({
            "event_type": name, "to": to, "sequence": null, "subject": null, "when": null,
            "stop_when": null, "note": null, "skipped": false,
        })
    };
    Some(match what {
        What::Email { name, sequence, to, subject, .. } => {
            let mut entry = blank(name, to);
            entry["sequence"] = sequence.as_str().into();
            entry["subject"] = subject.as_str().into();
            let known = rules.sequences.get(sequence);
            let step = known.and_then(|known| known.steps.iter().find(|step| step.name == *name));
            let source = |guard: &Option<crate::guard::Guard>| {
                guard.as_ref().map(|guard| guard.source().to_owned())
            };
            entry["when"] = step.and_then(|step| source(&step.when)).into();
            entry["stop_when"] = known.and_then(|known| source(&known.stop_when)).into();
            entry
        }
        What::Event { name, to, .. } => blank(name, to),
        What::Mirrored { record, id, to } => {
            let mut entry = blank(record, to);
            entry["note"] = format!("a copy of the record {record} {id}").into();
            entry
        }
        What::Skipped { name, to, why } => {
            let mut entry = blank(name, to.as_deref().unwrap_or_default());
            entry["note"] = format!("skipped: {why}").into();
            entry["skipped"] = true.into();
            entry
        }
        What::Failed { name, why } => {
            let mut entry = blank(name, "");
            entry["note"] = format!("failed: {why}").into();
            entry["skipped"] = true.into();
            entry
        }
        What::Reply { .. } | What::Saved { .. } | What::Retry { .. } => return None,
    })
}
