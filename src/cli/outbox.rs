//! `rulerun outbox`: the e-mails that were captured because no mail service is set up.

use clap::{Args, Subcommand};
use serde_json::Value;

use super::client::{self, Answer, Client, Page, Remote};
use super::outcome::{Exit, Failure, Outcome};
use super::{Format, Global, out, table};

/// E-mails that are asked for at a time.
const PAGE_SIZE: u32 = 200;
/// Pages that are looked through for one e-mail.
const MAX_PAGES: u32 = 100;

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
    List(Page),
    /// Show one with its text.
    Show {
        /// Its id.
        id: String,
    },
}

pub(super) fn run(global: &Global, args: &OutboxArgs) -> Outcome {
    let client = Client::open(global, &args.remote)?;
    let format = args.remote.format;
    let answer = match &args.action {
        None => list(&client, &Page::default())?,
        Some(Action::List(page)) => list(&client, page)?,
        Some(Action::Show { id }) => return show(&client, id, format),
    };
    answer.print(format, |body| {
        let headings = ["ID", "TO", "SUBJECT", "STEP", "AT"];
        client::listing(body, &headings, "the outbox is empty", row)
    })
}

fn list(client: &Client, page: &Page) -> Result<Answer, Failure> {
    client.get(&format!("/outbox{}", client::query(page.parameters())))
}

/// Goes through the pages until the e-mail is found.
fn show(client: &Client, id: &str, format: Format) -> Outcome {
    for page in 1..=MAX_PAGES {
        let answer = list(client, &Page { size: Some(PAGE_SIZE), page: Some(page) })?;
        if !answer.is_good() {
            return answer.print(format, |_| String::new());
        }
        let mails = client::results(&answer.body);
        if let Some(mail) = mails.iter().find(|mail| mail["id"] == id) {
            match format {
                Format::Json => out::json(mail)?,
                Format::Human => out::data(&letter(mail))?,
            }
            return Ok(Exit::Fine);
        }
        if mails.len() < PAGE_SIZE as usize {
            break;
        }
    }
    out::note(&format!("the outbox has no e-mail `{id}`; `rulerun outbox` lists them"));
    Ok(Exit::Problems)
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
