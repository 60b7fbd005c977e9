//! `rulerun tail`: what a running server does, as it does it. The server sends each line of
//! its journal (server-sent events); nothing is polled.

use std::io::{BufRead as _, BufReader, Read};

use clap::Args;
use serde_json::Value;

use super::client::{Client, Remote};
use super::outcome::{Exit, Failure, Outcome};
use super::{Format, Global, out, table};
use crate::base::time;
use crate::serve::journal::{self, Kind};

/// The longest line that a server sends, in bytes.
const MAX_LINE: u64 = 64 * 1024;

const EXAMPLES: &str = "\
Examples:
  rulerun tail                           calls, deliveries and e-mails, as they happen
  rulerun tail | grep signup
  rulerun tail --format json             one JSON object a line

It ends with Ctrl-C, or when the server stops.";

/// What `tail` is told.
#[derive(Args, Debug)]
#[command(after_help = EXAMPLES)]
pub(super) struct TailArgs {
    #[command(flatten)]
    remote: Remote,
}

pub(super) fn run(global: &Global, args: &TailArgs) -> Outcome {
    let client = Client::open(global, &args.remote)?;
    let format = args.remote.format;
    let runtime = tokio::runtime::Builder::new_current_thread()
        .enable_all()
        .build()
        .map_err(|error| Failure::new(format!("cannot start: {error}")))?;
    let outcome = runtime.block_on(async {
        tokio::select! {
            // Whoever ends it has seen enough.
            _ = tokio::signal::ctrl_c() => Ok(Exit::Fine),
            ended = tokio::task::spawn_blocking(move || follow(&client, format)) => {
                ended.unwrap_or_else(|error| Err(Failure::new(error.to_string())))
            }
        }
    });
    // The reader may be waiting for a line that nobody wants any more.
    runtime.shutdown_background();
    outcome
}

fn follow(client: &Client, format: Format) -> Outcome {
    let mut events = Events { from: BufReader::new(client.follow("/executions/follow")?) };
    out::note(&format!("Following {}. Ctrl-C ends.", client.base));
    loop {
        let text = match events.next() {
            Ok(Some((name, data))) if name == "line" => match format {
                Format::Json => format!("{data}\n"),
                Format::Human => line(&data),
            },
            Ok(Some((name, data))) if name == "missed" => {
                let lines = table::cell(&data["lines"]);
                out::note(&format!("{lines} lines came too fast and are not shown"));
                continue;
            }
            Ok(Some((name, _))) if name == "end" => {
                out::note("The server has stopped.");
                return Ok(Exit::Fine);
            }
            Ok(Some(_)) => continue,
            Ok(None) => return Err(lost(client, "it closed the connection")),
            Err(why) => return Err(lost(client, &why.to_string())),
        };
        if !out::more(&text)? {
            return Ok(Exit::Fine);
        }
    }
}

fn lost(client: &Client, why: &str) -> Failure {
    Failure::new(format!("{} is gone: {why}", client.base))
        .help("`rulerun tail` follows again once the server runs")
}

/// A line as the server itself would show it.
fn line(data: &Value) -> String {
    let text = |name: &str| data[name].as_str().unwrap_or_default();
    let at = time::parse_time(text("timestamp"));
    match (at, Kind::from_word(text("kind"))) {
        (Ok(at), Some(kind)) => journal::line(at, kind, text("message"), out::Ink::for_data().on),
        // A newer server may say things that this program does not know.
        _ => format!("{}  {}\n", table::cell(&data["kind"]), table::cell(&data["message"])),
    }
}

/// Server-sent events, as they arrive.
struct Events<R> {
    from: BufReader<R>,
}

impl<R: Read> Events<R> {
    /// The next event's name and data; none when there are no more.
    fn next(&mut self) -> std::io::Result<Option<(String, Value)>> {
        let (mut name, mut data) = (String::new(), Value::Null);
        loop {
            let mut line = Vec::new();
            if (&mut self.from).take(MAX_LINE).read_until(b'\n', &mut line)? == 0 {
                return Ok(None);
            }
            let line = String::from_utf8_lossy(&line);
            match line.trim_end_matches(['\n', '\r']).split_once(": ") {
                Some(("event", given)) => given.clone_into(&mut name),
                Some(("data", given)) => data = serde_json::from_str(given).unwrap_or_default(),
                None if !name.is_empty() => return Ok(Some((name, data))),
                _ => {}
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn events_are_read_and_comments_are_passed_over() {
        let text = ": it begins\n\nevent: line\ndata: {\"kind\":\"sent\"}\n\n: still here\n\nevent: end\ndata: {}\n\n";
        let mut events = Events { from: BufReader::new(text.as_bytes()) };
        let (name, data) = events.next().expect("readable").expect("an event");
        assert_eq!((name.as_str(), data["kind"].as_str()), ("line", Some("sent")));
        assert_eq!(events.next().expect("readable").expect("an event").0, "end");
        assert!(events.next().expect("readable").is_none());
    }

    #[test]
    fn what_a_newer_server_says_is_shown_all_the_same() {
        let data = serde_json::json!({ "kind": "new\u{1b}[2J", "message": "x" });
        assert_eq!(line(&data), "new [2J  x\n");
    }
}
