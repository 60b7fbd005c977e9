//! `rulerun pause` and `rulerun resume`: a sequence of a running server stands still, for
//! everybody or for one person, and goes on.

use clap::Args;
use serde_json::Value;

use super::client::{self, Client, Remote};
use super::outcome::Outcome;
use super::{Format, Global, out, table};
use crate::serve::curl::escape;

const EXAMPLES: &str = "\
Examples:
  rulerun pause welcome                            hold what comes due in it, for everybody
  rulerun pause welcome --person ann@example.com   hold it for her alone
  rulerun pause                                    what is paused, and how much that holds

Calls are accepted and people enter meanwhile. `rulerun resume` lets it go on.";

const RESUME_EXAMPLES: &str = "\
Examples:
  rulerun resume welcome
  rulerun resume welcome --person ann@example.com

What was held is sent now, unless it is later than its `max-late` allows: that is left out,
and `rulerun why` tells each person's.";

/// What `pause` is told.
#[derive(Args, Debug)]
#[command(after_help = EXAMPLES)]
pub(super) struct PauseArgs {
    /// The sequence; without it, what is paused is listed.
    sequence: Option<String>,
    #[command(flatten)]
    whom: Whom,
    #[command(flatten)]
    remote: Remote,
}

/// What `resume` is told.
#[derive(Args, Debug)]
#[command(after_help = RESUME_EXAMPLES)]
pub(super) struct ResumeArgs {
    /// The sequence.
    sequence: String,
    #[command(flatten)]
    whom: Whom,
    #[command(flatten)]
    remote: Remote,
}

#[derive(Args, Debug)]
struct Whom {
    /// Only for the person with this address.
    #[arg(long, value_name = "EMAIL", requires = "sequence")]
    person: Option<String>,
}

pub(super) fn pause(global: &Global, args: &PauseArgs) -> Outcome {
    let client = Client::open(global, &args.remote)?;
    let format = args.remote.format;
    let Some(sequence) = &args.sequence else {
        return client
            .get("/sequences/paused")?
            .print(format, |body| client::listing(body, &HEADINGS, "no sequence is paused", row));
    };
    let answer = client.post(&address(sequence, "pause", &args.whom), None)?;
    let outcome = answer.print(format, |body| {
        format!("{} is paused since {}\n", named(body), table::moment(&body["paused_at"]))
    });
    if answer.is_good() && format == Format::Human {
        let resume = format!("rulerun resume {sequence}{}", flag(&args.whom));
        out::note(&format!("what comes due is held; `{resume}` lets it go on"));
    }
    outcome
}

pub(super) fn resume(global: &Global, args: &ResumeArgs) -> Outcome {
    let client = Client::open(global, &args.remote)?;
    let answer = client.post(&address(&args.sequence, "resume", &args.whom), None)?;
    answer.print(args.remote.format, |body| {
        if body["paused_at"].is_null() {
            return format!("{} was not paused\n", named(body));
        }
        let count = |name: &str| body[name].as_u64().unwrap_or_default();
        let held = match (count("held"), count("too_late")) {
            (0, _) => String::from("nothing was held"),
            (held, 0) => format!("{held} held, all in time"),
            (held, late) => format!("{held} held, {late} of them too late and left out"),
        };
        let still = if count("resumed") < count("held") {
            "; another pause still holds some of it (`rulerun pause` lists them)"
        } else {
            ""
        };
        format!("{} goes on: {held}{still}\n", named(body))
    })
}

/// Says which sequences stand still, beside numbers that would look odd without it.
pub(super) fn tell(pauses: &[Value]) {
    for pause in pauses {
        let (since, held) = (table::moment(&pause["paused_at"]), table::cell(&pause["held"]));
        out::note(&format!("{} is paused since {since}; {held} held", named(pause)));
    }
}

const HEADINGS: [&str; 5] = ["SEQUENCE", "PERSON", "PAUSED SINCE", "HELD", "TOO LATE NOW"];

fn row(pause: &Value) -> Vec<String> {
    let person = pause["person"].as_str().unwrap_or("everybody");
    vec![
        table::cell(&pause["sequence"]),
        out::clean(person),
        table::moment(&pause["paused_at"]),
        table::cell(&pause["held"]),
        table::cell(&pause["too_late"]),
    ]
}

/// The sequence of an answer, with the person who is meant.
fn named(body: &Value) -> String {
    let sequence = table::cell(&body["sequence"]);
    match body["person"].as_str() {
        Some(person) => format!("{sequence} for {}", out::clean(person)),
        None => sequence,
    }
}

fn flag(whom: &Whom) -> String {
    whom.person.as_ref().map(|person| format!(" --person {person}")).unwrap_or_default()
}

fn address(sequence: &str, what: &str, whom: &Whom) -> String {
    let query = client::query([("person", whom.person.clone())]);
    format!("/sequences/{}/{what}{query}", escape(sequence))
}
