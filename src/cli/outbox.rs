//! `rulerun outbox`: the e-mails that were captured because no mail service is set up.

use clap::{Args, Subcommand};
use serde_json::Value;

use super::client::{self, Client, Remote};
use super::outcome::{Failure, Outcome};
use super::{Format, Global, out, table};

const EXAMPLES: &str = "\
Examples:
  rulerun outbox
  rulerun outbox show ID        the e-mail as the person would have got it";

/// What `outbox` is told.
#[derive(Args, Debug)]
#[command(after_help = EXAMPLES)]
pub(super) struct OutboxArgs {
    #[command(subcommand)]
    action: Option<Action>,
    #[command(flatten)]
    remote: Remote,
}

#[derive(Debug, Subcommand)]
enum Action {
    /// List them, newest first.
    List,
    /// Show one with its text.
    Show {
        /// Its id.
        id: String,
    },
}

pub(super) fn run(global: &Global, args: &OutboxArgs) -> Outcome {
    let client = Client::open(global, &args.remote)?;
    let format = args.remote.format;
    let answer = client.get("/outbox")?;
    match &args.action {
        Some(Action::Show { id }) if answer.is_good() => {
            let mail = client::results(&answer.body).iter().find(|mail| mail["id"] == id.as_str());
            let mail = mail.ok_or_else(|| {
                Failure::new(format!("the outbox has no e-mail `{id}`"))
                    .help("`rulerun outbox` lists them with their ids")
            })?;
            match format {
                Format::Json => out::json(mail)?,
                Format::Human => out::data(&letter(mail))?,
            }
            Ok(super::Exit::Fine)
        }
        _ => answer.print(format, |body| {
            let headings = ["ID", "TO", "SUBJECT", "STEP", "AT"];
            client::listing(body, &headings, "the outbox is empty", row)
        }),
    }
}

fn row(mail: &Value) -> Vec<String> {
    let text = |name: &str| table::cell(&mail[name]);
    let step = format!("{}/{}", text("sequence"), text("name"));
    vec![text("id"), text("to"), text("subject"), step, table::moment(&mail["at"])]
}

/// The e-mail as a reader knows one: who, what, text.
fn letter(mail: &Value) -> String {
    let text = |name: &str| table::cell(&mail[name]);
    let words = mail["text"].as_str().unwrap_or_default();
    let body: Vec<String> = words.lines().map(out::clean).collect();
    format!(
        "To:      {}\nSubject: {}\nDate:    {}\n\n{}\n",
        text("to"),
        text("subject"),
        table::moment(&mail["at"]),
        body.join("\n")
    )
}
