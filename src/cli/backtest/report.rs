//! What `rulerun backtest` shows: one line that sums it up, then every kind of difference with
//! a few of its calls.

use std::collections::{BTreeMap, BTreeSet};
use std::fmt::Write as _;

use serde_json::{Value, json};

use super::Tested;
use super::compare::{Change, Difference};
use crate::base::time;
use crate::cli::out::{self, Ink};
use crate::cli::table;
use crate::rehearse::Kind;

/// For people: of each difference at most so many calls.
pub(super) fn human(tested: &Tested, examples: usize) -> String {
    let ink = Ink::for_data();
    let mut text = format!("{}\n", ink.bold(&summary(tested)));
    for ((_, what), calls) in groups(tested) {
        let count = out::count(calls.len(), "call");
        let _ = write!(text, "\n{} {}\n", out::clean(what), ink.dim(&format!("({count})")));
        for line in shown(tested, &calls, examples).lines() {
            let _ = writeln!(text, "  {line}");
        }
        if calls.len() > examples && examples > 0 {
            let _ = writeln!(text, "  and {} more", calls.len() - examples);
        }
    }
    let seconds = tested.took / 1000;
    let _ = writeln!(text, "\nTook {seconds}.{} s.", tested.took % 1000 / 100);
    text
}

/// The calls to which the same happens, in the order in which they came.
fn groups(tested: &Tested) -> BTreeMap<(Change, &str), Vec<(usize, &Difference)>> {
    let mut groups: BTreeMap<(Change, &str), Vec<(usize, &Difference)>> = BTreeMap::new();
    for (place, one) in &tested.differences {
        groups.entry((one.change, &one.what)).or_default().push((*place, one));
    }
    groups
}

fn shown(tested: &Tested, calls: &[(usize, &Difference)], examples: usize) -> String {
    if examples == 0 {
        return String::new();
    }
    let when = format!("WHEN ({})", tested.local.name);
    let mut headings = vec!["CALL", "ENDPOINT", "PERSON", when.as_str(), "NOTE"];
    let row = |(place, one): &(usize, &Difference)| {
        let call = &tested.tape.calls[*place];
        vec![
            call.id.to_string(),
            call.name(),
            call.person.clone().unwrap_or_default(),
            tested.local.moment(time::from_millis(call.at)),
            one.note.clone(),
        ]
    };
    let mut rows: Vec<Vec<String>> = calls.iter().take(examples).map(row).collect();
    if rows.iter().all(|row| row.last().is_some_and(String::is_empty)) {
        headings.pop();
        for row in &mut rows {
            row.pop();
        }
    }
    table::draw(&headings, &rows)
}

/// `312 calls since Thu 23 Oct 2025: 296 alike, 9 answered differently, 4 e-mails more`.
fn summary(tested: &Tested) -> String {
    let all = tested.tape.calls.len();
    let since = tested.local.day(time::from_millis(tested.tape.since));
    let mut text = format!("{} since {since}", out::count(all, "call"));
    let alike = alike(tested);
    if all > 0 && alike == all {
        text.push_str(": all alike");
    } else if all > 0 {
        let _ = write!(text, ": {alike} alike");
    }
    let counts = counts(tested);
    for (change, count) in &counts {
        let _ = write!(text, ", {}", counted(*change, *count));
    }
    text
}

fn alike(tested: &Tested) -> usize {
    let differ: BTreeSet<usize> = tested.differences.iter().map(|(place, _)| *place).collect();
    tested.tape.calls.len() - differ.len()
}

fn counts(tested: &Tested) -> BTreeMap<Change, usize> {
    let mut counts = BTreeMap::new();
    for (_, one) in &tested.differences {
        *counts.entry(one.change).or_default() += 1;
    }
    counts
}

fn counted(change: Change, count: usize) -> String {
    let things = |kind: Kind| match kind {
        Kind::Copy if count == 1 => String::from("1 copy of a record"),
        Kind::Copy => format!("{count} copies of records"),
        kind => out::count(count, noun(kind)),
    };
    match change {
        Change::Answer => format!("{count} answered differently"),
        Change::More(kind) => format!("{} more", things(kind)),
        Change::Fewer(kind) => format!("{} fewer", things(kind)),
        Change::Moved(kind) => format!("{} at another time", things(kind)),
        Change::Other(kind) => format!("{} with other contents", things(kind)),
    }
}

fn noun(kind: Kind) -> &'static str {
    match kind {
        Kind::Email => "e-mail",
        Kind::Event => "event",
        Kind::Record => "record",
        Kind::Copy => "copy",
    }
}

/// What has to be known to trust the comparison.
pub(super) fn notes(tested: &Tested) -> Vec<String> {
    let mut notes = Vec::new();
    let tape = &tested.tape;
    if tape.calls.is_empty() {
        notes.push(String::from("no call of this time was recorded; --since says how far back"));
    }
    if tape.more {
        let first = tape.calls.first().map(|call| tested.local.moment(time::from_millis(call.at)));
        notes.push(format!(
            "these are the newest {}, from {} on; --limit N takes more",
            tape.calls.len(),
            first.unwrap_or_default()
        ));
    }
    if tape.left_out > 0 {
        notes.push(format!(
            "{} left out: not everything that came with it was kept",
            out::count(tape.left_out, "call")
        ));
    }
    if !tested.rehearsed {
        notes.push(String::from(
            "what ran then is not known, so answers and e-mails are compared with what was \
             written down; --against PATH compares with other rules",
        ));
    } else if tested.otherwise > 0 {
        let one = tested.otherwise == 1;
        let it = if one { "it" } else { "they" };
        notes.push(format!(
            "{} got another answer when {it} came than from the old rules here: other rules \
             ran then, or {it} looked up what has changed since",
            out::count(tested.otherwise, "call")
        ));
    }
    notes
}

/// For programs.
pub(super) fn json(tested: &Tested) -> Value {
    let at = |millis: i64| time::format_time(time::from_millis(millis));
    let differences = tested.differences.iter().map(|(place, one)| {
        let call = &tested.tape.calls[*place];
        let (change, kind) = words(one.change);
        json!({
            "change": change, "kind": kind, "what": one.what, "note": one.note,
            "call": call.id.to_string(), "endpoint": call.name(), "person": call.person,
            "at": at(call.at),
        })
    });
    json!({
        "since": at(tested.tape.since),
        "calls": tested.tape.calls.len(),
        "alike": alike(tested),
        "more_calls": tested.tape.more,
        "left_out": tested.tape.left_out,
        "answered_otherwise_then": tested.otherwise,
        "rehearsed": tested.rehearsed,
        "zone": tested.local.name,
        "took_ms": tested.took,
        "differences": differences.collect::<Value>(),
    })
}

fn words(change: Change) -> (&'static str, &'static str) {
    match change {
        Change::Answer => ("changed", "answer"),
        Change::More(kind) => ("added", noun(kind)),
        Change::Fewer(kind) => ("dropped", noun(kind)),
        Change::Moved(kind) => ("moved", noun(kind)),
        Change::Other(kind) => ("changed", noun(kind)),
    }
}
