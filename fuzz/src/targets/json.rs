//! The bodies of calls: JSON within limits. What is taken is exactly what `serde_json` reads
//! and within every limit; what is refused is refused for a reason that has a name.

use std::path::Path;

use rulerun::payload::{parse, without_nulls};
use serde_json::Value;

use super::{FITTING, Target, seeds};

/// The target.
pub const TARGET: Target = Target { name: "json", run, seeds: begin, words: WORDS };

const WORDS: &[&str] = &[
    "{",
    "}",
    "[",
    "]",
    ":",
    ",",
    "\"\"",
    "\"a\":",
    "null",
    "true",
    "false",
    "1e400",
    "-0",
    "0.1",
    "18446744073709551616",
    "9223372036854775808",
    "-9223372036854775809",
    "1e308",
    "\\u0000",
    "\\ud800",
    "\\udc00",
    "\\n",
    "[[[[[[[[[[[[[[[[",
    "]]]]]]]]]]]]]]]]",
    "{\"a\":{\"a\":",
    "\u{feff}",
    "\u{2028}",
];

/// Why a body may be refused that `serde_json` reads.
const REASONS: [&str; 7] = [
    "stands twice",
    "levels deep",
    "10000 values",
    "longer than 4096 bytes",
    "NUL",
    "more than 64 bits",
    "byte order mark",
];

fn run(data: &[u8]) {
    let plain = serde_json::from_slice::<Value>(data);
    match parse(data) {
        Ok(value) => {
            assert_eq!(plain.ok().as_ref(), Some(&value), "what is taken is what was sent");
            let mut nodes = 0;
            within(&value, 0, &mut nodes);
            assert!(nodes <= 10_000, "{nodes} values were taken");
            let written = value.to_string();
            assert_eq!(parse(written.as_bytes()).as_ref(), Ok(&value), "{written}");
            let without = without_nulls(&value);
            assert_eq!(without_nulls(&without), without);
        }
        Err(fault) => {
            let message = fault.message;
            assert!(message.len() < 1024, "{message}");
            let place = message.rsplit_once(" (line ").expect("a place").1;
            let numbers = place.trim_end_matches(')').split_once(", column ").expect("a column");
            let number = |text: &str| text.parse::<usize>().expect("a number");
            assert!(number(numbers.0) <= data.len() + 1 && number(numbers.1) <= data.len() + 1);
            if plain.is_ok() {
                assert!(REASONS.iter().any(|reason| message.contains(reason)), "{message}");
            }
        }
    }
}

fn within(value: &Value, depth: usize, nodes: &mut usize) {
    *nodes += 1;
    assert!(depth <= 32, "{depth} levels were taken");
    match value {
        Value::String(text) => assert!(!text.contains('\0')),
        Value::Array(values) => values.iter().for_each(|value| within(value, depth + 1, nodes)),
        Value::Object(fields) => {
            for (name, value) in fields {
                assert!(name.len() <= 4096 && !name.contains('\0'));
                within(value, depth + 1, nodes);
            }
        }
        Value::Null | Value::Bool(_) | Value::Number(_) => {}
    }
}

fn begin(root: &Path) -> Vec<Vec<u8>> {
    let deep = |depth: usize| format!("{}1{}", "[".repeat(depth), "]".repeat(depth));
    let mut found = vec![
        FITTING.to_owned(),
        deep(32),
        deep(33),
        format!("[{}1]", "1,".repeat(9_998)),
        format!("{{\"{}\":1}}", "a".repeat(4096)),
    ];
    let json = |text: &str| text.trim_start().starts_with(['{', '[']);
    found.extend(seeds::quoted(root, "src/payload/tests.rs", json));
    found.into_iter().map(String::into_bytes).collect()
}
