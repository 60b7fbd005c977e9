//! A report in the XML form that `junit` made common and build servers read: a suite for each
//! file, a case for each test.

use std::fmt::Write as _;

use super::report::plain;
use super::{Ran, Tried, place};

/// The whole document.
pub(super) fn xml(ran: &Ran) -> String {
    let mut files: Vec<(&str, Vec<&Tried>)> = Vec::new();
    for tried in &ran.tests {
        let (path, _) = place(&ran.sources, &tried.test);
        match files.last_mut() {
            Some((file, tests)) if *file == path => tests.push(tried),
            _ => files.push((path, vec![tried])),
        }
    }
    let mut text = String::from("<?xml version=\"1.0\" encoding=\"UTF-8\"?>\n");
    let all: Vec<&Tried> = ran.tests.iter().collect();
    let _ = writeln!(text, "<testsuites name=\"rulerun\" {}>", counts(&all));
    for (path, tests) in files {
        let _ = writeln!(text, "  <testsuite name=\"{}\" {}>", escape(path), counts(&tests));
        for tried in tests {
            case(&mut text, ran, tried);
        }
        text.push_str("  </testsuite>\n");
    }
    text.push_str("</testsuites>\n");
    text
}

fn counts(tests: &[&Tried]) -> String {
    let failed = tests.iter().filter(|tried| !tried.passed()).count();
    let took: i64 = tests.iter().map(|tried| tried.took).sum();
    format!(
        "tests=\"{}\" failures=\"{failed}\" errors=\"0\" skipped=\"0\" time=\"{}\"",
        tests.len(),
        seconds(took)
    )
}

fn case(text: &mut String, ran: &Ran, tried: &Tried) {
    let (path, line) = place(&ran.sources, &tried.test);
    let (name, path) = (escape(&tried.test.name), escape(path));
    let time = seconds(tried.took);
    let head = format!(
        "    <testcase name=\"{name}\" classname=\"{path}\" file=\"{path}\" line=\"{line}\" time=\"{time}\""
    );
    if tried.passed() {
        let _ = writeln!(text, "{head}/>");
        return;
    }
    let _ = writeln!(text, "{head}>");
    for fault in &tried.verdict.faults {
        let message = escape(&fault.message);
        let told = escape(&plain(&ran.sources, fault));
        let _ =
            writeln!(text, "      <failure message=\"{message}\" type=\"fault\">{told}</failure>");
    }
    text.push_str("    </testcase>\n");
}

/// Milliseconds as seconds.
fn seconds(millis: i64) -> String {
    format!("{}.{:03}", millis / 1_000, millis % 1_000)
}

/// Text as XML has it, within quotation marks too. What XML cannot hold at all becomes a mark.
fn escape(text: &str) -> String {
    let mut escaped = String::with_capacity(text.len());
    for letter in text.chars() {
        match letter {
            '&' => escaped.push_str("&amp;"),
            '<' => escaped.push_str("&lt;"),
            '>' => escaped.push_str("&gt;"),
            '"' => escaped.push_str("&quot;"),
            '\n' | '\t' => {
                let _ = write!(escaped, "&#{};", u32::from(letter));
            }
            '\0'..='\u{1f}' | '\u{fffe}' | '\u{ffff}' => escaped.push('\u{fffd}'),
            other => escaped.push(other),
        }
    }
    escaped
}
