//! Templates: bounded in work and output whatever the values, and in Markdown no value ever
//! brings a mark of its own.

use std::path::Path;

use rulerun::template::{Format, Template, TemplateFault};

use super::{
    FITTING, Target, assert_place, context, joined, open_scope, parts, payload, scope, seeds,
};

/// The target.
pub const TARGET: Target = Target { name: "template", run, seeds: begin, words: WORDS };

const WORDS: &[&str] = &[
    "{{",
    "}}",
    "{{ first_name }}",
    "{{ lead.score }}",
    "{{ tags }}",
    "{%",
    "%}",
    "{#",
    "#}",
    "{%-",
    "{% if ",
    "{% elif ",
    "{% else %}",
    "{% endif %}",
    "{% for x in ",
    "{% endfor %}",
    "{% set x = ",
    "{% raw %}",
    "{% endraw %}",
    "{% macro m() %}",
    "{% block b %}",
    "{% include ",
    " | ",
    "|default(",
    "|number",
    "|number(2)",
    "|date",
    "|time",
    "|date(\"%Y\")",
    "%100d",
    "|replace(\"\", ",
    "|join(",
    "|upper",
    "|split(\"\")",
    "|batch(",
    "|slice(",
    "|list",
    "|sort",
    "|groupby(",
    "|map(",
    "|tojson",
    "|dictsort",
    "|chain(",
    "|zip(",
    "|sum",
    "range(",
    "range(100000)",
    "dict(",
    "loop.index",
    " ~ ",
    " * ",
    " ** ",
    " // ",
    " % ",
    "'x' * 100000000",
    "[1,2]",
    "{'a': 1}",
    "[::-1]",
    " is defined",
    " is divisibleby(",
    " in ",
    " not ",
    " and ",
    " if ",
    " else ",
    "first_name",
    "red_systems",
    "leak",
    "approved",
    "nickname",
    "sent_at",
    "day",
    "tags",
    "extra",
    "lead",
    "contact",
    "now",
    "<b>",
    "](https://x)",
    "<script>",
];

/// Longest output in bytes.
const LONGEST: usize = 256 * 1024;

fn run(data: &[u8]) {
    let [source, given] = parts(data);
    let Ok(source) = std::str::from_utf8(source) else { return };
    let fitting = payload(FITTING.as_bytes()).expect("an object");
    let given = payload(given);
    for format in [Format::Text, Format::Markdown] {
        let template = match Template::compile(source, format) {
            Ok(template) => template,
            Err(faults) => {
                assert!(!faults.is_empty(), "`{source}` is refused without a word");
                told(source, &faults);
                continue;
            }
        };
        for keeps_type in [false, true] {
            told(source, &template.check(&scope(), keeps_type));
            told(source, &template.check(&open_scope(), keeps_type));
        }
        for payload in [Some(&fitting), given.as_ref()].into_iter().flatten() {
            let context = context(payload);
            let text = template.text(&context);
            assert_eq!(text, template.text(&context), "a template is filled alike each time");
            if let Ok(text) = text {
                assert!(text.len() <= LONGEST.max(source.len()), "{} bytes", text.len());
                if format == Format::Markdown {
                    unmarked(source, &text);
                }
            }
            let _ = template.value(&context);
        }
    }
}

/// Marks in a text stand in its template already: no value brought them.
fn unmarked(source: &str, text: &str) {
    // What is asked behind the `?` of a link to write to somebody is spelt instead.
    let spelt = if text.to_ascii_lowercase().contains("mailto") { "-.%" } else { "" };
    let marks = "<>[]()*_`!\"'\\|~=:/@+-.{}$%^?,".chars();
    for mark in marks.filter(|mark| !source.contains(*mark) && !spelt.contains(*mark)) {
        assert!(!text.contains(mark), "a value brought {mark:?} into {text:?}");
    }
}

fn told(source: &str, faults: &[TemplateFault]) {
    for fault in faults {
        assert_place(source, &fault.range, fault.code);
        assert!(!fault.message.is_empty());
    }
}

fn begin(root: &Path) -> Vec<Vec<u8>> {
    let mut found = seeds::quoted(root, "src/template/tests.rs", |text| text.contains("{{"));
    found.extend(seeds::files(&root.join("rules"), &["md"]).into_iter().map(|(_, text)| text));
    found.iter().map(|text| joined(&[text.as_bytes(), FITTING.as_bytes()])).collect()
}
