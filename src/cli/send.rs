//! `rulerun send EVENT`: hands an event to a running server, which checks it, writes it
//! down and delivers it.

use clap::Args;

use super::client::{Client, Remote};
use super::data::Data;
use super::environment::Environment;
use super::outcome::{Failure, Outcome};
use super::{Format, Global, out, rules};

const EXAMPLES: &str = "\
Examples:
  rulerun send lead_scraped --example
  rulerun send demo_completed --data '{\"demo_site_id\": 456, \"url\": \"https://demo.example.com\", \"lead_id\": 123}'

`rulerun queue list` shows how far the delivery is.";

/// What `send` is told.
#[derive(Args, Debug)]
#[command(after_help = EXAMPLES)]
pub(super) struct SendArgs {
    /// The event's name.
    event: String,
    #[command(flatten)]
    data: Data,
    #[command(flatten)]
    remote: Remote,
}

pub(super) fn run(global: &Global, args: &SendArgs) -> Outcome {
    let given = args.data.given()?;
    let rules = rules::sound(global)?;
    let Some(event) = rules.events.get(&args.event) else {
        let names: Vec<String> = rules.events.keys().cloned().collect();
        return Err(rules::unknown("event", &args.event, &names));
    };
    let body = match (given, &event.schema) {
        (Some(body), _) => body,
        (None, Some(schema)) => schema.example.to_string().into_bytes(),
        (None, None) => {
            return Err(Failure::new(format!(
                "`{}` has no schema to make an example of",
                event.name
            ))
            .help("give the payload with --data"));
        }
    };
    let client = Client::beside(&rules, &args.remote, &Environment::load()?)?;
    let answer = client.post(&format!("/events/{}", event.name), Some(body))?;
    if answer.is_good() && args.remote.format == Format::Human {
        out::note(&format!("{} is queued", event.name));
    }
    answer.print_facts(args.remote.format)
}
