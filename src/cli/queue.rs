//! `rulerun queue`: what a running server is delivering, and the levers for it.

use clap::{Args, Subcommand};
use serde_json::Value;

use super::client::{self, Client, Page, Remote};
use super::outcome::Outcome;
use super::{Format, Global, out, table};
use crate::model::queue::UNKNOWN;
use crate::serve::curl::escape;

const EXAMPLES: &str = "\
Examples:
  rulerun queue                           what waits and what was sent
  rulerun queue list --status failed      what was given up, and why
  rulerun queue show ID                   one delivery with every attempt
  rulerun queue retry ID                  try that one again
  rulerun queue retry --status failed     try all of them again
  rulerun queue settle ID                 it arrived after all: count it as sent
  rulerun queue pause                     send nothing until `rulerun queue resume`";

/// What `queue` is told.
#[derive(Args, Debug)]
#[command(after_help = EXAMPLES)]
pub(super) struct QueueArgs {
    #[command(subcommand)]
    action: Option<Action>,
    #[command(flatten)]
    remote: Remote,
}

#[derive(Debug, Subcommand)]
enum Action {
    /// List deliveries.
    List {
        #[command(flatten)]
        filter: Filter,
        #[command(flatten)]
        page: Page,
    },
    /// Show one with its attempts.
    Show {
        /// Its id.
        id: String,
    },
    /// Count them by status.
    Stats,
    /// Try one again, or all that match.
    Retry {
        /// Its id.
        #[arg(conflicts_with_all = ["status", "event", "url"], required_unless_present_any = ["status", "event", "url"])]
        id: Option<String>,
        #[command(flatten)]
        filter: Filter,
    },
    /// Give one up.
    Cancel {
        /// Its id.
        id: String,
    },
    /// Remove finished work that is older than some days.
    Cleanup {
        /// How many days to keep.
        #[arg(long, value_name = "N", default_value_t = 30)]
        days: u32,
    },
    /// Stop sending; calls are still accepted.
    Pause,
    /// Send again: everything, or through a mail service that was held.
    Resume {
        /// The service that was held because of bounces or complaints.
        service: Option<String>,
    },
    /// Count an e-mail of unknown fate as sent.
    Settle {
        /// Its id.
        id: String,
    },
}

#[derive(Args, Debug, Default)]
struct Filter {
    /// Only in this status: pending, sending, sent, failed or cancelled.
    #[arg(long, value_name = "STATUS")]
    status: Option<String>,
    /// Only of this event.
    #[arg(long, value_name = "NAME")]
    event: Option<String>,
    /// Only to this address.
    #[arg(long, value_name = "URL")]
    url: Option<String>,
}

impl Filter {
    fn parameters(&self) -> [(&'static str, Option<String>); 3] {
        [
            ("status", self.status.clone()),
            ("event_type", self.event.clone()),
            ("url", self.url.clone()),
        ]
    }
}

pub(super) fn run(global: &Global, args: &QueueArgs) -> Outcome {
    let client = Client::open(global, &args.remote)?;
    let format = args.remote.format;
    let Some(action) = &args.action else {
        return list(&client, format, &Filter::default(), &Page::default());
    };
    let answer = match action {
        Action::List { filter, page } => return list(&client, format, filter, page),
        Action::Show { id } => client.get(&format!("/queue/{}", escape(id)))?,
        Action::Stats => return client.get("/queue/stats")?.print(format, counts),
        Action::Retry { id: Some(id), .. } => {
            client.post(&format!("/queue/{}/retry", escape(id)), None)?
        }
        Action::Retry { id: None, filter } => {
            client.post(&format!("/queue/retry{}", client::query(filter.parameters())), None)?
        }
        Action::Cancel { id } => client.delete(&format!("/queue/{}", escape(id)))?,
        Action::Cleanup { days } => client.post(&format!("/queue/cleanup?days={days}"), None)?,
        Action::Pause => client.post("/queue/pause", None)?,
        Action::Resume { service } => {
            let query = client::query([("service", service.clone())]);
            client.post(&format!("/queue/resume{query}"), None)?
        }
        Action::Settle { id } => client.post(&format!("/queue/{}/settle", escape(id)), None)?,
    };
    answer.print_facts(format)
}

/// The counts, and which mail services are held.
fn counts(body: &Value) -> String {
    let mut body = body.clone();
    let held = body["held"].as_array().cloned().unwrap_or_default();
    if !held.is_empty() {
        let names: Vec<String> = held.iter().map(|one| table::cell(&one["service"])).collect();
        body["held"] = Value::from(names.join(", "));
    }
    for one in &held {
        out::note(&format!("{}: {}", table::cell(&one["service"]), table::cell(&one["message"])));
    }
    table::facts(&body)
}

fn list(client: &Client, format: Format, filter: &Filter, page: &Page) -> Outcome {
    let query = client::query(filter.parameters().into_iter().chain(page.parameters()));
    client.get(&format!("/queue{query}"))?.print(format, |body| {
        note_unknown(body);
        client::listing(body, &HEADINGS, "the queue holds nothing that matches", row)
    })
}

/// Says what to do about e-mails of unknown fate.
fn note_unknown(body: &Value) {
    let unknown = |job: &&Value| {
        job["status"] == "failed"
            && job["reason"].as_str().is_some_and(|reason| reason.starts_with(UNKNOWN))
    };
    let held = client::results(body).iter().filter(unknown).count();
    if held > 0 {
        out::note(&format!(
            "{held} of these may or may not have arrived, so nothing is sent again by itself: ask \
             the recipient or look into the mail server's log, then `rulerun queue settle ID` (it \
             arrived) or `rulerun queue retry ID` (send it again)"
        ));
    }
}

const HEADINGS: [&str; 7] = ["ID", "EVENT", "ABOUT", "STATUS", "RETRIES", "NEXT ATTEMPT", "WHY"];

fn row(job: &Value) -> Vec<String> {
    let text = |name: &str| table::cell(&job[name]);
    let about = match (text("entity_type"), text("entity_id")) {
        (kind, id) if kind.is_empty() || id.is_empty() => format!("{kind}{id}"),
        (kind, id) => format!("{kind} {id}"),
    };
    let why = [text("reason"), text("last_error")];
    let why: Vec<&str> = why.iter().map(String::as_str).filter(|why| !why.is_empty()).collect();
    vec![
        text("id"),
        text("event_type"),
        about,
        text("status"),
        format!("{}/{}", text("retry_count"), text("max_retries")),
        table::moment(&job["next_attempt_at"]),
        why.join(": "),
    ]
}
