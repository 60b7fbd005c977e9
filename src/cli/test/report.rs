//! What `rulerun test` shows: a line for each test, every fault with its line of the test, what
//! was expected and what came, and the timeline around it.

use std::fmt::Write as _;

use serde_json::{Value, json};

use super::super::out::{self, Ink};
use super::super::table;
use super::{Ran, Tried, place};
use crate::base::report::{self as drawing, Style};
use crate::base::{SourceMap, Zone, time};
use crate::rehearse::{Coverage, Fault, Happened, What, clock, gap, line};

/// Of a long timeline the beginning and the end are shown, so many lines each.
const SHOWN: usize = 25;

/// For people.
pub(super) fn human(ran: &Ran) -> String {
    let ink = Ink::for_data();
    let mut text = String::new();
    let mut file = "";
    for tried in &ran.tests {
        let (path, _) = place(&ran.sources, &tried.test);
        if path != file {
            file = path;
            let _ = writeln!(text, "{}", ink.bold(path));
        }
        let mark = if tried.passed() { ink.green("ok  ") } else { ink.red("FAIL") };
        let _ = writeln!(text, "  {mark}  {}", out::clean(&tried.test.name));
    }
    for tried in ran.tests.iter().filter(|tried| !tried.passed()) {
        text.push('\n');
        text.push_str(&failure(&ran.sources, tried));
    }
    if let Some(coverage) = &ran.coverage {
        text.push('\n');
        text.push_str(&covered(&ran.sources, coverage));
    }
    let _ = writeln!(text, "\n{}", summary(ran));
    text
}

fn summary(ran: &Ran) -> String {
    let ink = Ink::for_data();
    let (all, failed) = (ran.tests.len(), ran.failed());
    let count = out::count(all, "test");
    let so = match failed {
        0 if all == 0 => String::from("none was run"),
        0 => ink.green(if all == 1 { "passed" } else { "all passed" }),
        _ => ink.red(&format!("{failed} failed")),
    };
    let mistakes = match ran.mistakes() {
        0 => String::new(),
        number => format!(" ({} in the tests, see above)", out::count(number, "mistake")),
    };
    format!("{count}, {so}, in {} ms{mistakes}", ran.took)
}

fn failure(sources: &SourceMap, tried: &Tried) -> String {
    let ink = Ink::for_data();
    let mut text = format!("{}\n\n", ink.bold(&out::clean(&tried.test.name)));
    let style = Style { colour: ink.on, width: out::page_width() };
    for fault in &tried.verdict.faults {
        text.push_str(&drawing::human(sources, &[fault.diagnostic()], style));
        for (title, words) in [("expected", &fault.expected), ("got", &fault.got)] {
            if !words.is_empty() {
                let _ =
                    writeln!(text, "  {}  {}", ink.dim(&format!("{title:8}")), out::clean(words));
            }
        }
        text.push('\n');
    }
    if !tried.verdict.happened.is_empty() {
        text.push_str(&timeline(&tried.verdict.happened, &tried.verdict.zone));
    }
    text
}

fn timeline(happened: &[Happened], zone: &Zone) -> String {
    let mut called = None;
    let mut rows: Vec<Vec<String>> = Vec::with_capacity(happened.len());
    for one in happened {
        let after = match one.what {
            What::Reply { .. } => {
                called = Some(one.at);
                String::new()
            }
            _ => called.map(|called| gap(called, one.at, zone)).unwrap_or_default(),
        };
        let after = if after == "0s" { String::from("at once") } else { after };
        rows.push(vec![clock(one.at, zone), after, line(&one.what)]);
    }
    let all = rows.len();
    if all > 2 * SHOWN {
        let left_out = format!("… {} more …", all - 2 * SHOWN);
        rows.splice(SHOWN..all - SHOWN, [vec![String::new(), String::new(), left_out]]);
    }
    let zone = zone.iana_name().unwrap_or("UTC");
    let title = format!("What happened, by the clocks of {zone}; AFTER counts from the last call:");
    format!("{title}\n{}", table::draw(&["WHEN", "AFTER", "WHAT"], &rows))
}

fn covered(sources: &SourceMap, coverage: &Coverage) -> String {
    let (reached, all) = (coverage.reached, coverage.all);
    let ink = Ink::for_data();
    if coverage.missed.is_empty() {
        return format!(
            "Coverage: {}, {all} of {all}\n",
            ink.green("the tests have tried everything")
        );
    }
    let rows: Vec<Vec<String>> = coverage
        .missed
        .iter()
        .map(|missed| {
            let (line, _) = sources.line_column(missed.span.file, missed.span.start as usize);
            let path = &sources.file(missed.span.file).path;
            vec![format!("{path}:{line}"), missed.owner.clone(), missed.what.clone()]
        })
        .collect();
    let title = format!("Coverage: the tests have tried {reached} of {all} ways through the rules");
    format!("{title}\n{}", table::draw(&["WHERE", "OF", "NOT TRIED"], &rows))
}

/// For programs.
pub(super) fn json(ran: &Ran) -> Value {
    let tests: Vec<Value> = ran.tests.iter().map(|tried| one(&ran.sources, tried)).collect();
    let found: Vec<Value> =
        ran.found.iter().map(|found| drawing::json(&ran.sources, found)).collect();
    let mut whole = json!({
        "tests": tests,
        "diagnostics": found,
        "summary": {
            "tests": ran.tests.len(),
            "passed": ran.tests.len() - ran.failed(),
            "failed": ran.failed(),
            "took_ms": ran.took,
        },
    });
    if let Some(coverage) = &ran.coverage {
        let missed = coverage.missed.iter().map(|missed| {
            let (line, _) = ran.sources.line_column(missed.span.file, missed.span.start as usize);
            json!({
                "file": ran.sources.file(missed.span.file).path, "line": line,
                "of": missed.owner, "not_tried": missed.what,
            })
        });
        whole["coverage"] = json!({
            "reached": coverage.reached, "all": coverage.all,
            "missed": missed.collect::<Vec<Value>>(),
        });
    }
    whole
}

fn one(sources: &SourceMap, tried: &Tried) -> Value {
    let (file, line_number) = place(sources, &tried.test);
    let faults = tried.verdict.faults.iter().map(|fault| {
        let mut value = drawing::json(sources, &fault.diagnostic());
        value["expected"] = json!(fault.expected);
        value["got"] = json!(fault.got);
        value
    });
    let happened = tried
        .verdict
        .happened
        .iter()
        .map(|one| json!({ "at": time::format_millis(one.at), "what": line(&one.what) }));
    json!({
        "name": tried.test.name, "file": file, "line": line_number,
        "passed": tried.passed(), "took_ms": tried.took,
        "faults": faults.collect::<Vec<Value>>(),
        "happened": happened.collect::<Vec<Value>>(),
    })
}

/// A fault as plain text of a few lines.
pub(super) fn plain(sources: &SourceMap, fault: &Fault) -> String {
    let (line, column) = sources.line_column(fault.span.file, fault.span.start as usize);
    let path = &sources.file(fault.span.file).path;
    let mut text = format!("{path}:{line}:{column}: {}\n", fault.message);
    for (title, words) in [("expected", &fault.expected), ("got", &fault.got)] {
        if !words.is_empty() {
            let _ = writeln!(text, "{title}: {words}");
        }
    }
    for line in &fault.would_expect {
        let _ = writeln!(text, "would expect it: {line}");
    }
    text
}
