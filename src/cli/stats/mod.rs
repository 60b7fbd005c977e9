//! `rulerun stats`: how much came in, what became of it, and who is on the way, in three short
//! tables; or how one sequence does (`sequence`). Everything is counted by the server; here it
//! is only laid out.

mod sequence;

use std::collections::BTreeMap;

use clap::Args;
use serde_json::{Value, json};

use super::client::{self, Answer, Client, Remote};
use super::outcome::{Exit, Failure, Outcome};
use super::{Format, Global, out, pause, table};
use crate::model::queue::CAPTURED;
use crate::serve::curl::escape;

const EXAMPLES: &str = "\
Examples:
  rulerun stats                  calls of the last 24 hours, deliveries, sequences
  rulerun stats welcome          one sequence: each step, each text, and why what was left out
  rulerun stats --since 7d
  rulerun stats --since 2026-11-01 --format json";

/// What `stats` is told.
#[derive(Args, Debug)]
#[command(after_help = EXAMPLES)]
pub(super) struct StatsArgs {
    /// Only this sequence, step by step, since its beginning.
    sequence: Option<String>,
    /// From when on calls and attempts are counted: a time span such as 7d, or a date.
    #[arg(long, value_name = "WHEN", default_value = "24h", conflicts_with = "sequence")]
    since: String,
    #[command(flatten)]
    remote: Remote,
}

pub(super) fn run(global: &Global, args: &StatsArgs) -> Outcome {
    let client = Client::open(global, &args.remote)?;
    if let Some(name) = &args.sequence {
        return sequence::run(&client, &args.remote, name);
    }
    let since = escape(&args.since);
    let mut answers = Vec::new();
    for path in [
        format!("/webhook-logs?direction=incoming&by=url,status&since={since}"),
        format!("/webhook-logs?direction=outgoing&by=event_type&since={since}"),
        String::from("/queue/stats?by=event_type,service,status,reason"),
        String::from("/sequences/paused"),
        String::from("/sequences/stats"),
    ] {
        let answer = client.get(&path)?;
        if !answer.is_good() {
            return answer.print(args.remote.format, |_| String::new());
        }
        answers.push(answer);
    }
    let [calls, attempts, jobs, paused, sequences] = answers.as_slice() else {
        return Err(Failure::new("the server did not answer everything"));
    };
    let complete = answers.iter().all(|answer| answer.body["complete"] != false);
    let stats = json!({
        "since": args.since,
        "calls": counted_calls(calls),
        "deliveries": deliveries(jobs, attempts),
        "sequences": client::results(&sequences.body),
        "paused": client::results(&paused.body),
        "complete": complete,
    });
    match args.remote.format {
        Format::Json => out::json(&stats)?,
        Format::Human => out::data(&human(&stats))?,
    }
    if args.remote.format == Format::Human {
        pause::tell(client::results(&paused.body));
    }
    if !complete {
        out::note("There is more than was counted; the newest were. --since narrows it.");
    }
    Ok(Exit::Fine)
}

/// A table of sums by a name, in the order of the names.
type Sums = BTreeMap<String, BTreeMap<&'static str, Value>>;

fn add(sums: &mut Sums, name: String, column: &'static str, count: &Value) {
    let sum = sums.entry(name).or_default().entry(column).or_insert(json!(0));
    *sum = json!(sum.as_u64().unwrap_or(0) + count.as_u64().unwrap_or(0));
}

fn rows(sums: Sums, name: &str, columns: &[&'static str]) -> Value {
    let row = |(title, mut values): (String, BTreeMap<&'static str, Value>)| {
        let mut row = json!({ name: title });
        for column in columns {
            row[*column] = values.remove(column).unwrap_or(json!(0));
        }
        row
    };
    sums.into_iter().map(row).collect()
}

/// How many calls each endpoint has accepted and refused, and why it refused the last one.
fn counted_calls(answer: &Answer) -> Value {
    let mut sums = Sums::new();
    for group in client::results(&answer.body) {
        let name = table::cell(&group["url"]);
        let good = group["status"].as_u64().is_some_and(|status| (200..300).contains(&status));
        let column = if good { "accepted" } else { "refused" };
        add(&mut sums, name.clone(), column, &group["count"]);
        if !good && let Some(known) = sums.get_mut(&name) {
            known.entry("last_refusal").or_insert(group["last_error"].clone());
        }
    }
    let mut rows = rows(sums, "endpoint", &["accepted", "refused", "last_refusal"]);
    for row in rows.as_array_mut().into_iter().flatten() {
        if row["last_refusal"] == 0 {
            row["last_refusal"] = Value::Null;
        }
    }
    rows
}

/// What became of each event and e-mail, with averages.
fn deliveries(jobs: &Answer, attempts: &Answer) -> Value {
    let mut sums = Sums::new();
    let mut retries: BTreeMap<String, f64> = BTreeMap::new();
    for group in client::results(&jobs.body) {
        let name = table::cell(&group["event_type"]);
        let column = match group["status"].as_str().unwrap_or_default() {
            "sent" => "sent",
            "failed" => "failed",
            "cancelled" if group["reason"] == CAPTURED => "captured",
            "cancelled" => "skipped",
            _ => "waiting",
        };
        add(&mut sums, name.clone(), column, &group["count"]);
        let weight = group["count"].as_f64().unwrap_or(0.0);
        let average = group["avg_retries"].as_f64().unwrap_or(0.0);
        *retries.entry(name).or_default() += average * weight;
    }
    let columns = ["sent", "failed", "skipped", "captured", "waiting"];
    let mut rows = rows(sums, "name", &columns);
    for row in rows.as_array_mut().into_iter().flatten() {
        let name = table::cell(&row["name"]);
        let of_name = |group: &&Value| group["event_type"] == name.as_str();
        let tried = client::results(&attempts.body).iter().find(of_name);
        let jobs: f64 = columns.iter().filter_map(|column| row[*column].as_f64()).sum();
        let sum = retries.get(&name).copied().unwrap_or_default();
        row["avg_retries"] = json!((sum / jobs.max(1.0) * 100.0).round() / 100.0);
        row["avg_ms"] = tried.map_or(Value::Null, |group| group["avg_duration_ms"].clone());
    }
    rows
}

fn human(stats: &Value) -> String {
    let since = table::cell(&stats["since"]);
    let parts = [
        section(
            &stats["calls"],
            &["endpoint", "accepted", "refused", "last_refusal"],
            &["CALLS", "ACCEPTED", "REFUSED", "LAST REFUSAL"],
            &format!("no calls since {since}"),
        ),
        section(
            &stats["deliveries"],
            &["name", "sent", "failed", "skipped", "captured", "waiting", "avg_retries", "avg_ms"],
            &[
                "DELIVERIES",
                "SENT",
                "FAILED",
                "SKIPPED",
                "CAPTURED",
                "WAITING",
                "AVG RETRIES",
                "AVG MS",
            ],
            "no deliveries yet",
        ),
        section(
            &stats["sequences"],
            &["sequence", "entered", "active", "finished", "converted", "stopped", "sent"],
            &["SEQUENCES", "ENTERED", "ACTIVE", "FINISHED", "CONVERTED", "STOPPED", "SENT"],
            "the rules declare no sequences",
        ),
    ];
    let shown: Vec<String> = parts.into_iter().filter(|part| !part.is_empty()).collect();
    shown.join("\n")
}

fn section(rows: &Value, fields: &[&str], headings: &[&str], none: &str) -> String {
    client::listing(rows, headings, none, |row| {
        fields.iter().map(|field| table::cell(&row[*field])).collect()
    })
}
