//! `rulerun forget`: removes what a running server knows of a person.

use clap::Args;
use serde_json::Value;

use super::client::{Client, Remote};
use super::outcome::{Failure, Outcome};
use super::{Global, out};
use crate::serve::curl::escape;

const EXAMPLES: &str = "\
Examples:
  rulerun forget sarah@example.com

Their sequences end, and their calls, e-mails and records are removed. That they unsubscribed
is kept, as a hash of the address, so that they stay unsubscribed; what was counted stays, too.";

/// What `forget` is told.
#[derive(Args, Debug)]
#[command(after_help = EXAMPLES)]
pub(super) struct ForgetArgs {
    /// The person's address.
    email: String,
    #[command(flatten)]
    remote: Remote,
}

pub(super) fn run(global: &Global, args: &ForgetArgs) -> Outcome {
    let email = args.email.trim();
    if !email.contains('@') {
        return Err(Failure::new(format!("`{email}` is no e-mail address"))
            .help("write the whole address, such as sarah@example.com"));
    }
    let client = Client::open(global, &args.remote)?;
    let answer = client.delete_slowly(&format!("/contacts/{}", escape(email)))?;
    answer.print(args.remote.format, |body| told(email, body))
}

/// What was removed, what was kept, and what is left to do.
fn told(email: &str, body: &Value) -> String {
    let removed = &body["removed"];
    let count = |name: &str| {
        removed[name].as_u64().and_then(|count| usize::try_from(count).ok()).unwrap_or_default()
    };
    let parts: Vec<String> = [
        ("executions", "call"),
        ("enrolments", "place in a sequence"),
        ("deliveries", "e-mail or delivery"),
        ("records", "record"),
        ("mentions", "mention elsewhere"),
    ]
    .into_iter()
    .filter(|(name, _)| count(name) > 0)
    .map(|(name, word)| counted(count(name), word))
    .collect();
    let email = out::clean(email);
    let mut text = if parts.is_empty() {
        format!("Nothing was known of {email}.\n")
    } else {
        format!("{email} is forgotten. Removed: {}.\n", parts.join(", "))
    };
    if body["suppressions"].as_u64().is_some_and(|kept| kept > 0) {
        text.push_str("Kept: the hash of the address on the suppression list.\n");
    }
    let beyond = body["out_of_reach"].as_array().into_iter().flatten().filter_map(Value::as_str);
    let beyond: Vec<String> = beyond.map(|line| format!("  {}\n", out::clean(line))).collect();
    if !beyond.is_empty() {
        text.push_str("Out of reach, for you to see to:\n");
        text.extend(beyond);
    }
    text
}

/// "1 call", "2 calls"; of several words the one that counts gets its ending.
fn counted(number: usize, one: &str) -> String {
    match (number, one) {
        (1, _) => format!("1 {one}"),
        (_, "place in a sequence") => format!("{number} places in sequences"),
        (_, "e-mail or delivery") => format!("{number} e-mails and deliveries"),
        (_, "mention elsewhere") => format!("{number} mentions elsewhere"),
        _ => out::count(number, one),
    }
}
