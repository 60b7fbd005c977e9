//! `rulerun stats SEQUENCE`: how a sequence does, a line for each step and each of its texts.
//! Percentages stand beside what happens to e-mails that were sent, and are of those.

use std::fmt::Write as _;

use serde_json::Value;

use crate::cli::client::{Client, Remote};
use crate::cli::outcome::Outcome;
use crate::cli::{out, table};
use crate::serve::curl::escape;

/// Columns, and the field of a step that each shows.
const COLUMNS: [(&str, &str); 9] = [
    ("SCHEDULED", "scheduled"),
    ("SENT", "sent"),
    ("SKIPPED", "skipped"),
    ("FAILED", "failed"),
    ("BOUNCED", "bounced"),
    ("COMPLAINED", "complained"),
    ("UNSUBSCRIBED", "unsubscribed"),
    ("CLICKED", "clicked"),
    ("CONVERTED", "converted"),
];
/// So many of them always stand there; the others only where there is something to tell.
const ALWAYS: usize = 3;

pub(super) fn run(client: &Client, remote: &Remote, name: &str) -> Outcome {
    let answer = client.get(&format!("/sequences/{}/stats", escape(name)))?;
    answer.print(remote.format, human)
}

fn human(body: &Value) -> String {
    let mut text = people(body);
    let steps: Vec<&Value> = body["steps"].as_array().into_iter().flatten().collect();
    let is_told = |field: &str| {
        let tracked = field == "clicked" && body["tracks_clicks"] == true;
        tracked || steps.iter().any(|step| number(step, field) > 0)
    };
    let shown: Vec<&(&str, &str)> = COLUMNS
        .iter()
        .enumerate()
        .filter(|(at, (_, field))| *at < ALWAYS || is_told(field))
        .map(|(_, column)| column)
        .collect();
    let mut headings = vec!["STEP"];
    headings.extend(shown.iter().map(|(heading, _)| *heading));
    let mut rows = Vec::new();
    for step in &steps {
        let gone = if step["in_rules"] == false { " (no longer in the rules)" } else { "" };
        let name = format!("{}{gone}", table::cell(&step["step"]));
        rows.push(row(name, step, &shown));
        for variant in step["variants"].as_array().into_iter().flatten() {
            rows.push(row(format!("  {}", table::cell(&variant["variant"])), variant, &shown));
        }
    }
    text.push('\n');
    text.push_str(&table::draw(&headings, &rows));
    let because = because(&steps);
    if !because.is_empty() {
        let _ = write!(text, "\n{because}");
    }
    for step in &steps {
        if let Some(sentence) = step["comparison"]["sentence"].as_str() {
            let _ = write!(text, "\n{}: {}\n", table::cell(&step["step"]), out::clean(sentence));
        }
    }
    text
}

/// Who entered, and how they left, as a sentence.
fn people(body: &Value) -> String {
    let count = |field: &str| number(body, field);
    let rate = body["conversion_rate"].as_f64().map(percent);
    let rate = rate.filter(|_| count("converted") > 0).map(|rate| format!(" ({rate})"));
    format!(
        "{}: {} entered; {} active, {} finished, {} converted{}, {} stopped\n",
        table::cell(&body["sequence"]),
        count("entered"),
        count("active"),
        count("finished"),
        count("converted"),
        rate.unwrap_or_default(),
        count("stopped"),
    )
}

fn row(name: String, step: &Value, shown: &[&(&str, &str)]) -> Vec<String> {
    let mut cells = vec![name];
    cells.extend(shown.iter().map(|(_, field)| cell(step, field)));
    cells
}

/// A count, with what that is of the e-mails that were sent where it is about those.
fn cell(step: &Value, field: &str) -> String {
    if step[field].is_null() {
        return String::new();
    }
    let count = number(step, field);
    match step["rates"][field].as_f64() {
        Some(rate) if count > 0 => format!("{count} ({})", percent(rate)),
        _ => count.to_string(),
    }
}

/// Why steps were left out or given up, a line for each.
fn because(steps: &[&Value]) -> String {
    let mut rows = Vec::new();
    for (field, word) in [("skipped_because", "skipped"), ("failed_because", "failed")] {
        for step in steps {
            let mut reasons: Vec<(u64, &String)> = step[field]
                .as_object()
                .into_iter()
                .flatten()
                .map(|(reason, count)| (count.as_u64().unwrap_or_default(), reason))
                .collect();
            reasons.sort_by_key(|(count, _)| std::cmp::Reverse(*count));
            let told: Vec<String> = reasons
                .into_iter()
                .map(|(count, reason)| format!("{count} {}", out::clean(reason)))
                .collect();
            if !told.is_empty() {
                let step = table::cell(&step["step"]);
                rows.push(vec![step, word.to_owned(), told.join(", ")]);
            }
        }
    }
    if rows.is_empty() { String::new() } else { table::draw(&["STEP", "", "WHY"], &rows) }
}

fn number(value: &Value, field: &str) -> u64 {
    value[field].as_u64().unwrap_or_default()
}

fn percent(rate: f64) -> String {
    format!("{:.1} %", rate * 100.0)
}
