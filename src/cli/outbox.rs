//! `rulerun outbox`: the e-mails that were captured because no mail service is set up.

use clap::{Args, Subcommand};
use serde_json::Value;

use super::client::{self, Answer, Client, Page, Remote};
use super::outcome::{Exit, Failure, Outcome};
use super::{Format, Global, out, table};
use crate::serve::curl;

const EXAMPLES: &str = "\
Examples:
  rulerun outbox
  rulerun outbox show ID                      the e-mail as the person would have got it
  rulerun outbox show ID --html > mail.html   its HTML, with the links that count clicks";

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
    List(Page),
    /// Show one with its text.
    Show {
        /// Its id.
        id: String,
        /// Print its HTML alone, to open in a browser.
        #[arg(long)]
        html: bool,
    },
}

pub(super) fn run(global: &Global, args: &OutboxArgs) -> Outcome {
    let client = Client::open(global, &args.remote)?;
    let format = args.remote.format;
    let answer = match &args.action {
        None => list(&client, &Page::default())?,
        Some(Action::List(page)) => list(&client, page)?,
        Some(Action::Show { id, html }) => return show(&client, id, *html, format),
    };
    answer.print(format, |body| {
        let headings = ["ID", "TO", "SUBJECT", "STEP", "AT"];
        client::listing(body, &headings, "the outbox is empty", row)
    })
}

fn list(client: &Client, page: &Page) -> Result<Answer, Failure> {
    client.get(&format!("/outbox{}", client::query(page.parameters())))
}

/// One e-mail, or its HTML alone.
fn show(client: &Client, id: &str, html: bool, format: Format) -> Outcome {
    let answer = client.get(&format!("/outbox/{}", curl::escape(id)))?;
    match answer.body["html"].as_str().filter(|_| html && answer.is_good()) {
        Some(page) => {
            out::data(page)?;
            Ok(Exit::Fine)
        }
        None => answer.print(format, letter),
    }
}

fn row(mail: &Value) -> Vec<String> {
    let text = |name: &str| table::cell(&mail[name]);
    let step = format!("{}/{}", text("sequence"), text("name"));
    vec![text("id"), text("to"), text("subject"), step, table::moment(&mail["captured_at"])]
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
        table::moment(&mail["captured_at"]),
        body.join("\n")
    )
}
