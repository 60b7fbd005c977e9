//! Rule text, through the whole front door: limits, parser, mends, every check. Each mistake
//! points at a place that exists, rules are there exactly when there is no error, and what a
//! mistake proposes as its mend can be read on.

use std::path::Path;
use std::sync::Arc;

use rulerun::base::report::{Style, human, json};
use rulerun::base::{Diagnostic, Severity, SourceMap, Span};
use rulerun::model::Lookup;
use rulerun::review::read as analyze;
use rulerun::serve::settings;

use super::{Target, seeds};

/// The target.
pub const TARGET: Target = Target { name: "rules", run, seeds: begin, words: WORDS };

const WORDS: &[&str] = &[
    "{",
    "}",
    "/-",
    "/- {",
    "/*",
    "*/",
    "//",
    "\\\n",
    ";",
    "\"",
    "\"\"\"",
    "#\"",
    "\"#",
    "##\"",
    "#true",
    "#false",
    "#null",
    "#inf",
    "=",
    "(",
    ")",
    "(env)\"NAME\"",
    "(file)\"/run/x\"",
    "default=",
    "\u{feff}",
    "\u{2028}",
    "\u{202e}",
    "“",
    "”",
    "server ",
    "listen=",
    "store ",
    "queue ",
    "sender ",
    "service ",
    "schema ",
    "webhooks ",
    "path ",
    "endpoint ",
    "access ",
    "signature ",
    "key ",
    "rate ",
    "networks ",
    "header ",
    "payload ",
    "when ",
    "refuse ",
    "save ",
    "find ",
    "start ",
    "stop ",
    "send ",
    "sequence ",
    "email ",
    "after ",
    "at ",
    "events ",
    "event ",
    "record ",
    "on ",
    "answer ",
    "once-per ",
    "origin ",
    "{{ first_name }}",
    "\"5min\"",
    "1d",
    "0x1f",
    "1_000",
    "-1",
    "1.5e9",
    " text",
    " optional",
    " file=",
    "a /-{\n",
    "\u{0}case.json\n{}",
    "template=",
];

/// An environment in which everything is set.
struct AllSet;

impl Lookup for AllSet {
    fn env(&self, name: &str) -> Option<String> {
        let value = if name.contains("URL") { "http://localhost:9" } else { "0123456789abcdef" };
        Some(String::from(value))
    }

    fn file(&self, _: &str) -> Result<String, String> {
        Ok(String::from("0123456789abcdef"))
    }
}

/// The first file is `case.kdl`. Each further one begins with NUL, its path and a line break.
fn run(data: &[u8]) {
    let text = String::from_utf8_lossy(data);
    let sources = sources(&text);
    let (rules, found) = analyze(&sources);
    let errors = found.iter().any(|found| found.severity == Severity::Error);
    assert_eq!(rules.is_none(), errors, "rules are there exactly when there is no error");
    for one in &found {
        points_somewhere(&sources, one);
    }
    let drawn = human(&sources, &found[..found.len().min(5)], Style { colour: false, width: 100 });
    assert_eq!(drawn.is_empty(), found.is_empty());
    assert!(found.iter().take(20).all(|one| json(&sources, one).is_object()));
    if let Some(rules) = rules {
        drop(settings::resolve(Arc::new(rules), &AllSet, 1));
    }
    if data.len() > 2048 {
        return;
    }
    assert_eq!(analyze(&sources).1, found, "the same rules have the same mistakes");
    if let Some(mended) = found.iter().find_map(|one| mended(&sources, one)) {
        drop(analyze(&mended));
    }
}

fn sources(text: &str) -> SourceMap {
    let mut sources = SourceMap::new();
    let mut files = text.split('\0');
    sources.add("case.kdl", files.next().unwrap_or_default());
    for file in files.take(8) {
        let (path, text) = file.split_once('\n').unwrap_or((file, ""));
        sources.add(path, text);
    }
    sources
}

fn points_somewhere(sources: &SourceMap, found: &Diagnostic) {
    assert!(!found.message.is_empty() && !found.code.is_empty());
    let fix = found.fix.as_ref().map(|fix| fix.span);
    for span in
        [found.span].into_iter().chain(found.related.iter().map(|(span, _)| *span)).chain(fix)
    {
        let text = &sources.file(span.file).text;
        assert!(text.get(span.range()).is_some(), "{span:?} is no place: {found:?}");
    }
}

/// The files with the mend of one mistake.
fn mended(sources: &SourceMap, found: &Diagnostic) -> Option<SourceMap> {
    let fix = found.fix.as_ref()?;
    let Span { file: broken, .. } = fix.span;
    let mut mended = SourceMap::new();
    for (id, file) in sources.iter() {
        let mut text = file.text.clone();
        if id == broken {
            text.replace_range(fix.span.range(), &fix.text);
        }
        mended.add(file.path.clone(), text);
    }
    Some(mended)
}

/// The shipped files one by one, and each folder of mistakes as a whole.
fn begin(root: &Path) -> Vec<Vec<u8>> {
    let mut found: Vec<String> = ["rules", "schemas", "examples"]
        .iter()
        .flat_map(|folder| seeds::files(&root.join(folder), &["kdl"]))
        .map(|(_, text)| text)
        .collect();
    let mut last = String::new();
    let cases =
        seeds::files(&root.join("tests/diagnostics"), &["kdl", "md", "json", "html", "mjml"]);
    for (path, text) in cases {
        let (case, name) = path.split_once('/').unwrap_or(("", &path));
        // A case begins with its first rule file.
        if case != last {
            found.push(String::new());
            case.clone_into(&mut last);
        }
        let Some(whole) = found.last_mut() else { continue };
        if whole.is_empty() && rulerun::language::is_rule_file(name) {
            *whole = text;
        } else {
            whole.extend(["\0", name, "\n", text.as_str()]);
        }
    }
    let example =
        |name: &str| std::fs::read_to_string(root.join("examples").join(name)).unwrap_or_default();
    let whole = ["emails/welcome-1.md", "emails/welcome-2.md"]
        .iter()
        .fold(example("hello.kdl"), |whole, name| format!("{whole}\0{name}\n{}", example(name)));
    found.push(whole);
    found.push(format!("{}a{}", "a {".repeat(32), "}".repeat(32)));
    found.push("a /-{\n".repeat(18));
    found.into_iter().map(String::into_bytes).collect()
}
