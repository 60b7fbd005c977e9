//! `rulerun executions`: the calls that a running server has accepted and refused.

use clap::{Args, Subcommand};
use serde_json::Value;

use super::client::{self, Client, Page, Remote};
use super::outcome::Outcome;
use super::{Global, out, table};
use crate::serve::curl::escape;

const EXAMPLES: &str = "\
Examples:
  rulerun executions                              the newest ones
  rulerun executions list --flow signup-handler --state FAILED
  rulerun executions show 0Hk3mPq7sXy2bVn5cT8dRw
  rulerun executions logs 0Hk3mPq7sXy2bVn5cT8dRw  why it did what it did";

/// What `executions` is told.
#[derive(Args, Debug)]
#[command(after_help = EXAMPLES)]
pub(super) struct ExecutionsArgs {
    #[command(subcommand)]
    action: Option<Action>,
    #[command(flatten)]
    remote: Remote,
}

#[derive(Debug, Subcommand)]
enum Action {
    /// List them, newest first.
    List(ListArgs),
    /// Show one with everything that is known of it.
    Show {
        /// Its id.
        id: String,
    },
    /// Show what it did and why, line by line.
    Logs {
        /// Its id.
        id: String,
    },
}

#[derive(Args, Debug, Default)]
struct ListArgs {
    /// Only those of this endpoint.
    #[arg(long, value_name = "NAME")]
    flow: Option<String>,
    /// Only those in this state, such as SUCCESS, PAUSED, FAILED or CANCELLED.
    #[arg(long, value_name = "STATE")]
    state: Option<String>,
    /// Only those that mention this, such as an e-mail address.
    #[arg(long, short = 'q', value_name = "TEXT")]
    search: Option<String>,
    #[command(flatten)]
    page: Page,
}

pub(super) fn run(global: &Global, args: &ExecutionsArgs) -> Outcome {
    let client = Client::open(global, &args.remote)?;
    let format = args.remote.format;
    match &args.action {
        None => list(&client, &args.remote, &ListArgs::default()),
        Some(Action::List(filter)) => list(&client, &args.remote, filter),
        Some(Action::Show { id }) => {
            client.get(&format!("/executions/{}", escape(id)))?.print_facts(format)
        }
        Some(Action::Logs { id }) => {
            client.get(&format!("/executions/{}/logs", escape(id)))?.print(format, logs)
        }
    }
}

fn list(client: &Client, remote: &Remote, filter: &ListArgs) -> Outcome {
    let filters = [
        // Endpoints are `group/name` here and `group.name` there.
        ("flowId", filter.flow.as_ref().map(|flow| flow.replace('/', "."))),
        ("state", filter.state.as_ref().map(|state| state.to_uppercase())),
        ("q", filter.search.clone()),
    ];
    let query = client::query(filters.into_iter().chain(filter.page.parameters()));
    client.get(&format!("/executions{query}"))?.print(remote.format, |body| {
        client::listing(body, &["ID", "FLOW", "STATE", "STARTED"], "no executions", row)
    })
}

fn row(execution: &Value) -> Vec<String> {
    let text = |name: &str| table::cell(&execution[name]);
    let state = &execution["state"];
    vec![
        text("id"),
        format!("{}/{}", text("namespace"), text("flowId")),
        table::cell(state.get("current").unwrap_or(state)),
        table::moment(&state["startDate"]),
    ]
}

fn logs(body: &Value) -> String {
    let lines = client::results(body);
    if lines.is_empty() {
        out::note("no log lines");
    }
    let shown: Vec<String> = lines.iter().map(log_line).collect();
    shown.concat()
}

fn log_line(line: &Value) -> String {
    let text = |name: &str| table::cell(&line[name]);
    let task = match text("taskId") {
        task if task.is_empty() => task,
        task => format!("{task}: "),
    };
    let at = table::moment(&line["timestamp"]);
    format!("{at}  {:5}  {task}{}\n", text("level"), text("message"))
}
