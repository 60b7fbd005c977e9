//! `rulerun call ENDPOINT`: calls an endpoint of a running server as its real caller would,
//! with key, headers and signature, and prints the answer.

use std::path::Path;

use clap::Args;
use serde_json::Value;

use super::client::{Client, Remote};
use super::data::Data;
use super::environment::Environment;
use super::outcome::{Exit, Failure, Outcome};
use super::{Format, Global, out, rules};
use crate::base::Clock as _;
use crate::serve::clock::SystemClock;
use crate::serve::curl;

const EXAMPLES: &str = "\
Examples:
  rulerun call signup --example
  rulerun call christmas/signup-handler --data @payload.json
  rulerun call n8n/demo-approval --data '{\"demo_id\": 456, \"approved\": true}'

The key and the signature come from the variables that the rules name; set them as the
server has them. What `serve --dev` has made up is found in the data folder. The body is sent byte for byte. Ends with 1 when the answer is not 2xx.";

/// What `call` is told.
#[derive(Args, Debug)]
#[command(after_help = EXAMPLES)]
pub(super) struct CallArgs {
    /// The endpoint: GROUP/NAME, or NAME where only one group has it.
    endpoint: String,
    #[command(flatten)]
    data: Data,
    #[command(flatten)]
    remote: Remote,
}

pub(super) fn run(global: &Global, args: &CallArgs) -> Outcome {
    let given = args.data.given()?;
    let rules = rules::sound(global)?;
    let environment = Environment::load()?;
    let data = rules::setting(&rules.data, &environment)?.unwrap_or_default();
    let environment = environment.or_made_up(Path::new(&data))?;
    let endpoint = rules::endpoint(&rules, &args.endpoint)?;
    let client = Client::beside(&rules, &args.remote, &environment)?;
    let now = SystemClock.now();
    let body =
        given.unwrap_or_else(|| curl::example(&rules, endpoint, now).to_string().into_bytes());
    let call = curl::ready(endpoint, &client.base, &environment, body, now);
    if !call.missing.is_empty() {
        return Err(Failure::new(format!("{} is not set", call.missing.join(" and ")))
            .help("set it in the environment or in .env, as the server has it"));
    }
    let answer = client.exchange(&call.method, &call.url, &call.headers, call.body)?;
    if args.remote.format == Format::Human {
        out::note(&format!("{} answered {}", endpoint.full_name(), answer.status));
    }
    match &answer.body {
        Value::Null => {}
        Value::String(text) => out::data(&format!("{text}\n"))?,
        body => out::json(body)?,
    }
    Ok(Exit::problems_if(!answer.is_good()))
}
