//! `rulerun suppressions`: who gets no more e-mail, shown, changed, and carried from one
//! server to another.

use std::fs::File;
use std::io::{BufRead, BufReader};

use clap::{Args, Subcommand};
use serde_json::{Value, json};

use super::client::{self, Client, Remote};
use super::data::whole;
use super::outcome::{Exit, Failure, Outcome};
use super::{Format, Global, out, table};
use crate::model::queue::suppression::REASONS;
use crate::serve::curl::escape;
use crate::serve::suppression_csv::{Columns, Records};

/// Entries of one answer.
const PART: u32 = 1000;
/// Bytes of a file that are sent at once; a server takes twice as many.
const PIECE: usize = 128 * 1024;
/// Bad lines that are shown.
const SHOWN: usize = 50;
/// Letters of a hash that tables show.
const SHORT: usize = 12;

const EXAMPLES: &str = "\
Examples:
  rulerun suppressions                                   who gets no more e-mail
  rulerun suppressions list --email sarah@example.com    whether one of them does, and why
  rulerun suppressions add sarah@example.com --note \"asked by phone\"
  rulerun suppressions remove sarah@example.com
  rulerun suppressions import leavers.csv                columns: email (or sha256), reason, …
  rulerun suppressions export > list.csv

Addresses are kept as SHA-256 hashes, so a list shows hashes; ask with --email for a person.";

/// What `suppressions` is told.
#[derive(Args, Debug)]
#[command(after_help = EXAMPLES)]
pub(super) struct SuppressionsArgs {
    #[command(subcommand)]
    action: Option<Action>,
    #[command(flatten)]
    remote: Remote,
}

#[derive(Args, Debug, Default)]
struct List {
    /// Only entries of this address.
    #[arg(long, value_name = "EMAIL")]
    email: Option<String>,
    /// How many at most [default: all].
    #[arg(long, value_name = "N", value_parser = whole::<u32>(1..=u64::from(u32::MAX)))]
    size: Option<u32>,
}

#[derive(Debug, Subcommand)]
enum Action {
    /// List them.
    List(List),
    /// Put an address on the list.
    Add {
        /// The address.
        email: String,
        /// Why.
        #[arg(long, value_name = "REASON", default_value = "manual", value_parser = REASONS)]
        reason: String,
        /// Only e-mails of this sequence.
        #[arg(long, value_name = "NAME")]
        sequence: Option<String>,
        /// Where it came from.
        #[arg(long, value_name = "TEXT")]
        note: Option<String>,
    },
    /// Take an address off the list.
    Remove {
        /// The address, or its SHA-256.
        who: String,
        /// Only the entry with this reason.
        #[arg(long, value_name = "REASON", value_parser = REASONS)]
        reason: Option<String>,
        /// Only the entries for this sequence.
        #[arg(long, value_name = "NAME")]
        sequence: Option<String>,
        /// The person has agreed: needed where they unsubscribed or complained themselves.
        #[arg(long)]
        confirm: bool,
    },
    /// Add what stands in a CSV file (- for the pipe).
    Import {
        /// The file.
        file: String,
    },
    /// Print the list as CSV.
    Export,
}

pub(super) fn run(global: &Global, args: &SuppressionsArgs) -> Outcome {
    let client = Client::open(global, &args.remote)?;
    let format = args.remote.format;
    match &args.action {
        None => list(&client, format, &List::default()),
        Some(Action::List(wanted)) => list(&client, format, wanted),
        Some(Action::Add { email, reason, sequence, note }) => {
            let body = json!({
                "email": email, "reason": reason, "sequence": sequence, "note": note,
            });
            let answer = client.post("/suppressions", Some(body.to_string().into_bytes()))?;
            answer.print(format, |body| {
                let known = body["added"] == false;
                let state = if known { "was on the list already" } else { "is on the list" };
                format!("{} {state}\n", out::clean(email))
            })
        }
        Some(Action::Remove { who, reason, sequence, confirm }) => {
            let query = client::query([
                ("reason", reason.clone()),
                ("sequence", sequence.clone()),
                ("confirm", confirm.then(|| String::from("true"))),
            ]);
            let answer = client.delete(&format!("/suppressions/{}{query}", escape(who)))?;
            let ended = answer.print(format, |_| format!("{} is off the list\n", out::clean(who)));
            if answer.status == 409 {
                out::note("help:  say --confirm when they have agreed");
            }
            ended
        }
        Some(Action::Import { file }) => import(&client, format, file),
        Some(Action::Export) => export(&client),
    }
}

/// Goes through the parts of the list until there are enough.
fn list(client: &Client, format: Format, wanted: &List) -> Outcome {
    let most = wanted.size.map_or(usize::MAX, |size| size as usize);
    let (mut rows, mut after) = (Vec::<Value>::new(), None);
    loop {
        let query = client::query([
            ("email", wanted.email.clone()),
            ("after", after),
            ("size", Some(PART.min(u32::try_from(most - rows.len()).unwrap_or(PART)).to_string())),
        ]);
        let answer = client.get(&format!("/suppressions{query}"))?;
        if !answer.is_good() {
            return answer.print(format, |_| String::new());
        }
        rows.extend(client::results(&answer.body).iter().cloned());
        after = answer.body["next"].as_str().map(str::to_owned);
        if after.is_none() || rows.len() >= most {
            break;
        }
    }
    rows.truncate(most);
    match format {
        Format::Json => out::json(&Value::Array(rows))?,
        Format::Human if rows.is_empty() => out::note(match &wanted.email {
            Some(_) => "the address is not on the suppression list",
            None => "nobody is on the suppression list",
        }),
        Format::Human => {
            let rows: Vec<Vec<String>> = rows.iter().map(row).collect();
            let headings = ["SHA-256", "REASON", "SEQUENCE", "SINCE", "NOTE"];
            out::data(&table::draw(&headings, &rows))?;
        }
    }
    Ok(Exit::Fine)
}

fn row(entry: &Value) -> Vec<String> {
    let text = |name: &str| table::cell(&entry[name]);
    let hash: String = text("sha256").chars().take(SHORT).collect();
    let sequence = if entry["sequence"].is_null() { "all".to_owned() } else { text("sequence") };
    vec![format!("{hash}…"), text("reason"), sequence, table::moment(&entry["since"]), text("note")]
}

/// What an import came to.
#[derive(Default)]
struct Imported {
    added: u64,
    known: u64,
    refused: u64,
    problems: Vec<Value>,
}

/// Sends a file piece by piece, cut between records; the heading goes before each.
fn import(client: &Client, format: Format, file: &str) -> Outcome {
    let fault = |error: std::io::Error| Failure::io(format!("cannot read {file}"), &error);
    let source: Box<dyn BufRead> = if file == "-" {
        Box::new(BufReader::new(std::io::stdin()))
    } else {
        Box::new(BufReader::new(File::open(file).map_err(fault)?))
    };
    let mut records = Records::new(source, 1);
    let name = if file == "-" { "the pipe" } else { file };
    let bad = |why: String| Failure::new(format!("{name} holds no list: {why}"));
    let (_, heading) =
        records.read().map_err(fault)?.ok_or_else(|| bad(String::from("it is empty")))?;
    let heading = heading.map_err(bad)?;
    Columns::read(&heading)
        .map_err(|why| bad(why).help("a list begins with a line such as: email,reason"))?;
    let mut all = Imported::default();
    let (mut piece, mut first) = (String::new(), 2);
    loop {
        let next = records.read().map_err(fault)?;
        if !piece.is_empty() && (next.is_none() || piece.len() > PIECE) {
            if let Some(exit) = hand_over(client, format, &heading, &piece, first, &mut all)? {
                return Ok(exit);
            }
            piece.clear();
        }
        match next {
            None => break,
            Some((line, Err(message))) => {
                all.refused += 1;
                all.problems.push(json!({ "line": line, "message": message }));
            }
            Some((line, Ok(record))) => {
                if piece.is_empty() {
                    first = line;
                }
                // Lines that were passed over keep their numbers.
                let here = first + piece.matches('\n').count();
                piece.push_str(&"\n".repeat(line.saturating_sub(here)));
                piece.push_str(&record);
                piece.push('\n');
            }
        }
    }
    tell(format, file, &all)
}

/// Sends one piece; answers how the verb ends when the server does not take it.
fn hand_over(
    client: &Client,
    format: Format,
    heading: &str,
    piece: &str,
    first: usize,
    all: &mut Imported,
) -> Result<Option<Exit>, Failure> {
    let body = format!("{}\n{piece}", heading.replace('\n', " ")).into_bytes();
    let answer =
        client.post_text(&format!("/suppressions/import?line={first}"), "text/csv", body)?;
    if !answer.is_good() {
        return answer.print(format, |_| String::new()).map(Some);
    }
    let count = |name: &str| answer.body[name].as_u64().unwrap_or_default();
    all.added += count("added");
    all.known += count("known");
    all.refused += count("refused");
    all.problems.extend(answer.body["problems"].as_array().into_iter().flatten().cloned());
    Ok(None)
}

fn tell(format: Format, file: &str, all: &Imported) -> Outcome {
    let Imported { added, known, refused, problems } = all;
    if format == Format::Json {
        out::json(&json!({
            "added": added, "known": known, "refused": refused, "problems": problems,
        }))?;
        return Ok(Exit::problems_if(*refused > 0));
    }
    let mut told: Vec<&Value> = problems.iter().collect();
    told.sort_by_key(|problem| problem["line"].as_u64());
    for problem in told.iter().take(SHOWN) {
        let message = out::clean(problem["message"].as_str().unwrap_or_default());
        out::note(&format!("{file}:{}: {message}", problem["line"]));
    }
    let more = refused.saturating_sub(told.len().min(SHOWN) as u64);
    if more > 0 {
        out::note(&format!("… and {more} more lines"));
    }
    let left = match refused {
        0 => String::new(),
        1 => String::from("; 1 line was left out: mend it and import the file again"),
        many => format!("; {many} lines were left out: mend them and import the file again"),
    };
    out::data(&format!("{added} added, {known} on the list already{left}\n"))?;
    Ok(Exit::problems_if(*refused > 0))
}

fn export(client: &Client) -> Outcome {
    let mut list = BufReader::new(client.fetch("/suppressions/export")?);
    let fault = |error: std::io::Error| Failure::io("the list broke off", &error);
    let mut line = String::new();
    while list.read_line(&mut line).map_err(fault)? > 0 && out::more(&line)? {
        line.clear();
    }
    Ok(Exit::Fine)
}
