//! `rulerun records`: the data that rules remember, shown and changed through a running server.

use clap::{Args, Subcommand};
use serde_json::Value;

use super::client::{self, Client, Page, Remote};
use super::outcome::{Failure, Outcome};
use super::{Format, Global, data, out, table};
use crate::serve::curl::escape;

const EXAMPLES: &str = "\
Examples:
  rulerun records                                      what is remembered, and how much of it
  rulerun records lead                                 every lead
  rulerun records lead 7                               one lead
  rulerun records set lead 7 --data '{\"score\": 0.9}'   change some fields, or make it
  rulerun records delete lead 7

`set` runs the rules' on-create and on-change as any other change does; `delete` runs none.";

/// What `records` is told.
#[derive(Args, Debug)]
#[command(after_help = EXAMPLES, args_conflicts_with_subcommands = true)]
pub(super) struct RecordsArgs {
    #[command(subcommand)]
    action: Option<Action>,
    /// The record, such as lead.
    name: Option<String>,
    /// Which one.
    id: Option<String>,
    #[command(flatten)]
    page: Page,
    #[command(flatten)]
    remote: Remote,
}

#[derive(Debug, Subcommand)]
enum Action {
    /// Change the fields that are given, or make the record.
    Set {
        /// The record, such as lead.
        name: String,
        /// Which one.
        id: String,
        /// The fields as JSON, @FILE to read them from a file, or - for the pipe.
        #[arg(long, short, value_name = "JSON|@FILE|-")]
        data: String,
        /// Forget the fields that are not given.
        #[arg(long)]
        replace: bool,
    },
    /// Forget one.
    Delete {
        /// The record, such as lead.
        name: String,
        /// Which one.
        id: String,
    },
}

pub(super) fn run(global: &Global, args: &RecordsArgs) -> Outcome {
    let client = Client::open(global, &args.remote)?;
    let format = args.remote.format;
    match (&args.action, &args.name, &args.id) {
        (Some(Action::Set { name, id, data, replace }), ..) => {
            let body = data::payload(data)?;
            let method = if *replace { "PUT" } else { "PATCH" };
            client.write(method, &address(name, id), body)?.print_facts(format)
        }
        (Some(Action::Delete { name, id }), ..) => {
            let answer = client.delete(&address(name, id))?;
            if answer.is_good() && format == Format::Human {
                out::note(&format!("{name} {id} is forgotten"));
            }
            answer.print_facts(format)
        }
        (None, Some(name), Some(id)) => client.get(&address(name, id))?.print_facts(format),
        (None, Some(name), None) => list(&client, format, name, &args.page),
        (None, None, _) => names(&client, format),
    }
}

fn address(name: &str, id: &str) -> String {
    format!("/records/{}/{}", escape(name), escape(id))
}

fn names(client: &Client, format: Format) -> Outcome {
    client.get("/records")?.print(format, |body| {
        client::listing(
            body,
            &["RECORD", "SCHEMA", "REMEMBERED"],
            "the rules know no records",
            |row| ["name", "schema", "total"].map(|name| table::cell(&row[name])).to_vec(),
        )
    })
}

fn list(client: &Client, format: Format, name: &str, page: &Page) -> Result<super::Exit, Failure> {
    let query = client::query(page.parameters());
    client.get(&format!("/records/{}{query}", escape(name)))?.print(format, |body| {
        let none = format!("no {name} is remembered");
        client::listing(body, &["ID", "FIELDS", "VERSION", "CHANGED"], &none, row)
    })
}

fn row(record: &Value) -> Vec<String> {
    let fields = record["fields"].as_object().into_iter().flatten();
    let fields: Vec<String> = fields
        .filter(|(_, value)| !value.is_null())
        .map(|(name, value)| format!("{name}: {}", table::cell(value)))
        .collect();
    vec![
        table::cell(&record["id"]),
        fields.join(", "),
        table::cell(&record["version"]),
        table::moment(&record["updated_at"]),
    ]
}
