//! Guards: what passes the check at load can be answered for every payload that fits, twice
//! alike, and for any other payload it is an answer or an error, never more.

use std::path::Path;

use rulerun::guard::{Guard, GuardFault};

use super::{
    FITTING, Target, assert_place, context, joined, open_scope, parts, payload, scope, seeds,
};

/// The target.
pub const TARGET: Target = Target { name: "guard", run, seeds: begin, words: WORDS };

const WORDS: &[&str] = &[
    "email_1_status",
    "first_name",
    "red_systems",
    "leak",
    "approved",
    "maybe",
    "nickname",
    "sent_at",
    "day",
    "tags",
    "extra",
    "extra.deep",
    "lead",
    "lead.score",
    "lead.seen_at",
    "contact",
    "contact.score",
    "now",
    " == ",
    " != ",
    " && ",
    " || ",
    " ?? ",
    " >= ",
    " < ",
    "!",
    "()",
    "(",
    ")",
    "[",
    "]",
    "\"sent\"",
    "true",
    "9223372036854775807",
    "-1",
    "0.5",
    "1e308",
    "contains(",
    "starts_with(",
    "ends_with(",
    "one_of(",
    "len(",
    "lower(",
    "days_since(",
    "hours_since(",
    "// ",
    "/*",
    "*/",
    "`",
    "${",
    "if ",
    "|x|",
    " in ",
    " + ",
    " - ",
    " * ",
    " / ",
    " % ",
    " ** ",
    " << ",
    "#{",
    "\"2025-12-01T10:30:00Z\"",
    ".",
    "?.",
    "1 / 0",
];

/// Why a guard that passed may have no answer for a payload that fits: numbers run over.
const NO_ANSWER: [&str; 3] = ["has no result", "too much work", "too large"];

fn run(data: &[u8]) {
    let [source, given] = parts(data);
    let Ok(source) = std::str::from_utf8(source) else { return };
    let given = payload(given);
    let fitting = payload(FITTING.as_bytes()).expect("an object");
    match Guard::compile(source, &scope()) {
        Err(faults) => told(source, &faults),
        Ok(guard) => {
            assert_eq!(guard.source(), source);
            let answer = guard.holds(&context(&fitting));
            assert_eq!(answer, guard.holds(&context(&fitting)));
            if let Err(why) = answer {
                // What lies in `extra` has no type, and a text may not be a time.
                let untyped = source.contains("extra") || source.contains("_since");
                let known = NO_ANSWER.iter().any(|reason| why.contains(reason));
                assert!(untyped || known, "`{source}` passed and has no answer: {why}");
            }
            if let Some(given) = &given {
                let _ = guard.holds(&context(given));
            }
            for (path, _) in guard.seen(&context(&fitting)) {
                assert!(!path.is_empty());
            }
        }
    }
    match (Guard::compile(source, &open_scope()), given) {
        (Err(faults), _) => told(source, &faults),
        (Ok(guard), Some(given)) => drop(guard.holds(&context(&given))),
        (Ok(_), None) => {}
    }
}

fn told(source: &str, faults: &[GuardFault]) {
    assert!(!faults.is_empty(), "`{source}` is refused without a word");
    for fault in faults {
        assert_place(source, &fault.range, fault.code);
        assert!(!fault.message.is_empty());
    }
}

fn begin(root: &Path) -> Vec<Vec<u8>> {
    let guard = |text: &str| text.len() < 200 && text.contains([' ', '(', '!']);
    let found = seeds::quoted(root, "src/guard/tests.rs", guard);
    found.iter().map(|text| joined(&[text.as_bytes(), FITTING.as_bytes()])).collect()
}
