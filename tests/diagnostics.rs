//! Every mistake has a folder in `tests/diagnostics/`: rule files with the mistake, and
//! `case.stderr`, what a person sees. `UPDATE=1 cargo test --test diagnostics` writes the
//! expected texts anew; read the difference before you commit it.
//!
//! Besides: every code of the language is shown by some case, files that are broken at
//! random never hurt, and many mistakes take no long time.

#![allow(clippy::expect_used, reason = "a test that cannot read its files has failed")]

use std::collections::BTreeSet;
use std::fs;
use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::time::{Duration, Instant};

use proptest::prelude::*;
use proptest::test_runner::{Config, RngAlgorithm, TestRng, TestRunner};
use rulerun::base::report::{Style, human, json};
use rulerun::base::{Diagnostic, Severity, SourceMap};
use rulerun::language::{codes, tests};
use rulerun::model::Lookup;
use rulerun::review::read as analyze;
use rulerun::serve::settings;

const PLAIN: Style = Style { colour: false, width: 100 };
/// The endings of files that can be part of a rule set.
const ENDINGS: &[&str] = &["kdl", "md", "json", "html", "mjml", "txt"];
/// Codes that no folder can show, and where they are tested.
const ELSEWHERE: &[(&str, &str)] = &[
    (codes::WEAK_KEY, "only the environment holds keys: tests/cli.rs"),
    (codes::MISSING_SETTING, "only a start looks values up: tests/cli.rs"),
    (codes::NO_EFFECT, "it is about the environment: tests/cli.rs"),
    (codes::NOT_MET, "only a test that is run can fail: tests/it/test_verb.rs"),
    (codes::UNEXPECTED, "only a test that is run can fail: tests/it/test_verb.rs"),
    (codes::LARGE_ATTACHMENT, "such large files are not kept here: tests/it/content.rs"),
    (codes::REAL_MAIL, "only the environment says that real mail leaves: tests/cli.rs"),
];

/// Every file below a folder that can be part of a rule set, with paths relative to it.
fn read(folder: &Path) -> SourceMap {
    let mut paths = Vec::new();
    let mut folders = vec![folder.to_owned()];
    while let Some(next) = folders.pop() {
        for entry in fs::read_dir(&next).expect("a readable folder") {
            let path = entry.expect("an entry").path();
            if path.is_dir() {
                folders.push(path);
            } else if path.extension().is_some_and(|end| ENDINGS.iter().any(|one| end == *one)) {
                paths.push(path);
            }
        }
    }
    paths.sort();
    let mut sources = SourceMap::new();
    for path in paths {
        let name = path.strip_prefix(folder).expect("below the folder").to_string_lossy();
        // The project's own `rulerun test` must not find them.
        let name = if name == "tests.kdl" { "case.test.kdl".into() } else { name };
        sources.add(name.replace('\\', "/"), fs::read_to_string(&path).expect("a text"));
    }
    sources
}

fn root() -> &'static Path {
    Path::new(env!("CARGO_MANIFEST_DIR"))
}

/// Folders of the project as one rule set, with paths relative to the project.
fn shipped(folders: &[&str]) -> SourceMap {
    let mut sources = SourceMap::new();
    for folder in folders {
        for (_, file) in read(&root().join(folder)).iter() {
            sources.add(format!("{folder}/{}", file.path), file.text.clone());
        }
    }
    sources
}

fn one_file(text: &str) -> SourceMap {
    let mut sources = SourceMap::new();
    sources.add("case.kdl", text);
    sources
}

fn cases() -> Vec<PathBuf> {
    let mut cases: Vec<PathBuf> = fs::read_dir(root().join("tests/diagnostics"))
        .expect("the folder of cases")
        .map(|entry| entry.expect("an entry").path())
        .filter(|path| path.is_dir())
        .collect();
    cases.sort();
    cases
}

/// Every mistake of these rules and, if they can be read, of the tests beside them.
fn mistakes(sources: &SourceMap) -> Vec<Diagnostic> {
    let (rules, mut found) = analyze(sources);
    let sound = found.iter().all(|found| found.severity != Severity::Error);
    assert_eq!(rules.is_some(), sound, "rules are there exactly when there is no error: {found:?}");
    if let Some(rules) = &rules {
        found.extend(tests(sources, rules).1);
    }
    found
}

#[test]
fn every_mistake_is_told_as_written_down() {
    #[expect(clippy::disallowed_methods, reason = "the person who runs the tests decides")]
    let update = std::env::var_os("UPDATE").is_some();
    let mut different = Vec::new();
    for case in cases() {
        let sources = read(&case);
        let found = mistakes(&sources);
        let told = human(&sources, &found, PLAIN);
        let told = told.lines().flat_map(|line| [line.trim_end(), "\n"]).collect::<String>();
        assert!(!told.is_empty(), "{}: no mistake is found", case.display());
        let expected = case.join("case.stderr");
        if update {
            fs::write(&expected, &told).expect("a writable folder");
        } else if fs::read_to_string(&expected).unwrap_or_default() != told {
            different.push(format!("--- {}\n{told}", case.display()));
        }
    }
    assert!(different.is_empty(), "{}", different.join("\n"));
}

#[test]
fn every_code_is_shown_by_a_case() {
    let mut shown = BTreeSet::new();
    for case in cases() {
        let told = fs::read_to_string(case.join("case.stderr")).expect("what the case tells");
        let is_code = |line: &&str| {
            line.starts_with(|letter: char| letter.is_ascii_lowercase()) && !line.contains(' ')
        };
        shown.extend(told.lines().filter(is_code).map(str::to_owned));
    }
    let elsewhere = |code: &str| ELSEWHERE.iter().any(|(name, _)| *name == code);
    let known: BTreeSet<String> = codes::all()
        .map(|(code, _)| code)
        .filter(|code| !elsewhere(code))
        .map(str::to_owned)
        .collect();
    assert_eq!(shown, known);
}

#[test]
fn no_message_speaks_to_programmers() {
    let jargon = [
        "KDL",
        "Rhai",
        "minijinja",
        "jsonschema",
        "serde",
        "node",
        "regex",
        "parse",
        "token",
        "identifier",
        "boolean",
        "null",
        "string",
        "EOF",
        "anyOf",
        "Option",
        "unwrap",
        "expr",
    ];
    for case in cases() {
        let found = mistakes(&read(&case));
        for one in found {
            let told = format!("{} / {} / {:?}", one.message, one.label, one.help);
            let own: String = told.split('`').step_by(2).collect();
            let own: String = own.split('"').step_by(2).collect();
            for word in own.split(|letter: char| !letter.is_alphanumeric()) {
                assert!(!jargon.contains(&word), "{}: {told}", case.display());
            }
            assert!(one.help.is_some(), "{}: how is it mended? {told}", case.display());
            assert!(!one.message.ends_with('.'), "{}: {told}", case.display());
        }
    }
}

#[test]
fn a_case_of_six_mistakes_shows_six() {
    let (_, found) = analyze(&read(&root().join("tests/diagnostics/six-mistakes")));
    let kinds: BTreeSet<&str> = found.iter().map(|found| found.code).collect();
    assert_eq!((found.len(), kinds.len()), (6, 6));
}

#[test]
fn the_shipped_rules_have_nothing_to_complain_about() {
    for folders in [&["rules", "schemas"][..], &["examples"]] {
        let sources = shipped(folders);
        let (rules, found) = analyze(&sources);
        assert!(found.is_empty(), "{}", human(&sources, &found, PLAIN));
        let rules = rules.expect("no mistakes, so rules");
        assert!(!rules.endpoints.is_empty() && !rules.sequences.is_empty());
    }
}

#[test]
fn a_file_that_is_too_long_is_told_and_not_read() {
    let sources = one_file(&"// a remark\n".repeat(30_000));
    let (rules, found) = analyze(&sources);
    assert!(rules.is_none());
    assert_eq!(found.iter().map(|found| found.code).collect::<Vec<_>>(), [codes::LIMIT]);
    assert!(human(&sources, &found, PLAIN).contains("the file is longer than 256 KiB"));
}

/// An environment in which everything is set.
struct AllSet;

impl Lookup for AllSet {
    fn env(&self, name: &str) -> Option<String> {
        let value = match name {
            _ if name.contains("URL") => "http://localhost:9",
            _ if name.contains("ENABLED") => "true",
            _ => "0123456789abcdef",
        };
        Some(String::from(value))
    }

    fn file(&self, _: &str) -> Result<String, String> {
        Ok(String::from("0123456789abcdef"))
    }
}

/// A small accident: which file, what happens, and where.
type Accident = (prop::sample::Index, u8, prop::sample::Index, prop::sample::Index);

fn happen(texts: &mut [String], (file, what, place, other): &Accident) {
    let text = file.get_mut(texts);
    let at = |index: &prop::sample::Index, text: &str| {
        let mut at = index.index(text.len() + 1);
        while !text.is_char_boundary(at) {
            at -= 1;
        }
        at
    };
    let start = at(place, text);
    let line = text[..start].rfind('\n').map_or(0, |newline| newline + 1);
    let line_end = text[start..].find('\n').map_or(text.len(), |newline| start + newline + 1);
    let nearest = |sign: char| text[start..].find(sign).map(|found| start + found);
    match what {
        // A letter is lost, two change places, one is typed in.
        0 => drop((start < text.len()).then(|| text.remove(start))),
        1 => {
            if let Some(letter) = (start < text.len()).then(|| text.remove(start)) {
                let next = text[start..].chars().next().map_or(0, char::len_utf8);
                text.insert(start + next, letter);
            }
        }
        2 => {
            let typed = ["{", "}", "\"", "#", "/-", "=", "{{", "'", " ", "\n", "é", "\\", "0", ")"];
            text.insert_str(start, typed[other.index(typed.len())]);
        }
        // A line stands twice, is lost, or loses its end.
        3 => *text = format!("{}{}", &text[..line_end], &text[line..]),
        4 => drop(text.drain(line..line_end)),
        5 => drop(text.drain(start..line_end)),
        // A quotation mark or a bracket is lost.
        6 => drop(nearest('"').map(|mark| text.remove(mark))),
        7 => drop(nearest('}').map(|mark| text.remove(mark))),
        // A word is written in the place of another.
        _ => {
            let words: Vec<&str> = text.split_whitespace().collect();
            if words.len() > 1 {
                let (old, new) = (place.get(&words).to_string(), other.get(&words).to_string());
                *text = text.replacen(&old, &new, 1);
            }
        }
    }
}

#[test]
fn rules_that_are_broken_at_random_never_hurt() {
    let whole = shipped(&["rules", "schemas"]);
    let accident = any::<(prop::sample::Index, u8, prop::sample::Index, prop::sample::Index)>()
        .prop_map(|(file, what, place, other)| (file, what % 9, place, other));
    let config = Config { cases: 48, failure_persistence: None, ..Config::default() };
    let rng = TestRng::deterministic_rng(RngAlgorithm::ChaCha);
    let run = TestRunner::new_with_rng(config, rng).run(
        &prop::collection::vec(accident, 1..4),
        |accidents| {
            let mut texts: Vec<String> = whole.iter().map(|(_, file)| file.text.clone()).collect();
            for accident in &accidents {
                happen(&mut texts, accident);
            }
            let mut sources = SourceMap::new();
            for ((_, file), text) in whole.iter().zip(texts) {
                sources.add(file.path.clone(), text);
            }
            let begun = now();
            let (rules, found) = analyze(&sources);
            prop_assert!(begun.elapsed() < Duration::from_secs(2));
            let drawn = human(&sources, &found[..found.len().min(3)], PLAIN);
            prop_assert!(found.iter().all(|one| json(&sources, one).is_object()));
            prop_assert_eq!(drawn.is_empty(), found.is_empty());
            if let Some(rules) = rules {
                drop(settings::resolve(Arc::new(rules), &AllSet, 1));
            }
            Ok(())
        },
    );
    assert!(run.is_ok(), "{run:?}");
}

fn many(count: usize, line: impl Fn(usize) -> String) -> String {
    (0..count).map(line).collect()
}

/// As many misspelt names as names that they could mean.
fn lost_names(count: usize) -> String {
    let sequences = many(count, |number| format!("sequence \"name{number}\" to=\"a\" {{}}\n"));
    let starts = many(count, |number| format!("start \"nmae{number}\"\n"));
    format!("webhooks \"w\" {{\npath \"/w\"\nendpoint \"e\" {{\n{starts}}}\n}}\n{sequences}")
}

#[test]
fn thousands_of_mistakes_take_no_long_time() {
    // Held against the mere parsing of as long a file, so that a busy machine is no fault.
    let begun = now();
    let off = one_file(&many(10_000, |number| format!("/-endpiont{number} \"a\"\n")));
    assert!(analyze(&off).1.is_empty());
    let parsing = begun.elapsed();
    for text in [
        many(10_000, |number| format!("endpiont{number} \"a\"\n")),
        lost_names(3_000),
        many(20_000, |_| String::from("a 5min\n")),
        // One endless line: what looks for its ends from every word never comes to one.
        many(20_000, |_| String::from("a ")),
        many(10_000, |_| String::from("a b=1 ")),
        many(10_000, |_| String::from("a;")),
        many(20_000, |_| String::from("a=\"")),
        many(10_000, |_| String::from("\u{2028}a")),
    ] {
        let sources = one_file(&text);
        let begun = now();
        let (rules, found) = analyze(&sources);
        let drawn = human(&sources, &found, PLAIN);
        let taken = begun.elapsed();
        assert!(rules.is_none() && (drawn.contains("more") || found.len() <= 50));
        assert!(taken < parsing * 5, "{taken:?}, and parsing alone takes {parsing:?}");
    }
}

#[expect(clippy::disallowed_methods, reason = "what is measured here is the time itself")]
fn now() -> Instant {
    Instant::now()
}
