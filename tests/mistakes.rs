//! What `rulerun explain` says is true: every wrong example has exactly its mistake, every
//! right one has none, and no code is left out.

#![allow(clippy::expect_used, reason = "a test that cannot read its files has failed")]

use std::collections::BTreeSet;
use std::path::Path;
use std::process::Command;
use std::sync::Arc;

use rulerun::base::report::{Style, human};
use rulerun::base::{Diagnostic, SourceMap};
use rulerun::language::mistakes::{self, Around, Mistake};
use rulerun::language::{self, analyze, codes};
use rulerun::model::Lookup;
use rulerun::rehearse::{self, Fault};
use rulerun::review;
use rulerun::serve::settings;

const PLAIN: Style = Style { colour: false, width: 100 };

fn all() -> impl Iterator<Item = &'static Mistake> {
    mistakes::groups().flat_map(|(_, own)| own)
}

/// The codes of what is wrong, and how it is told. A test that has no mistake is run.
fn wrong_with(sources: &SourceMap) -> (BTreeSet<&'static str>, String) {
    let study = review::study(sources);
    let mut found = study.found;
    if found.is_empty() {
        let rules = Arc::new(study.rules);
        for test in language::tests(sources, &rules).0 {
            let live = rehearse::prepare(Arc::clone(&rules)).expect("rules that can be tried");
            let verdict = rehearse::judge(&live, &test, None).expect("a test that can be run");
            found.extend(verdict.faults.iter().map(Fault::diagnostic));
        }
    }
    (found.iter().map(|found| found.code).collect(), human(sources, &found, PLAIN))
}

#[test]
fn every_code_is_explained_once() {
    let known: BTreeSet<&str> = codes::all().map(|(code, _)| code).collect();
    let told: Vec<&str> = all().map(|mistake| mistake.code).collect();
    assert_eq!(told.iter().copied().collect::<BTreeSet<_>>(), known);
    assert_eq!(told.len(), known.len(), "one is explained twice");
}

#[test]
fn every_wrong_example_has_exactly_its_mistake_and_every_right_one_has_none() {
    let mut untrue = Vec::new();
    for mistake in all() {
        let Some(sources) = mistake.around.sources(mistake.wrong) else { continue };
        let (found, drawn) = wrong_with(&sources);
        let mut expected = BTreeSet::from([mistake.code]);
        if mistake.code == codes::NOT_ALL_CHECKED {
            // It is told only beside the mistake that keeps a file from being read.
            expected.insert(codes::SYNTAX);
        }
        if found != expected {
            untrue.push(format!("{} (wrong) has {found:?}\n{drawn}", mistake.code));
        }
        let sources = mistake.around.sources(mistake.right).expect("as the wrong one");
        let (found, drawn) = wrong_with(&sources);
        if !found.is_empty() {
            untrue.push(format!("{} (right) has {found:?}\n{drawn}", mistake.code));
        }
    }
    assert!(untrue.is_empty(), "{}", untrue.join("\n"));
}

/// Rules that name a key and a mail service.
const RULES: &str = "service \"smtp\" {\n    url (env)\"SMTP_URL\" optional=#true\n}\n\
                     sender \"The Shop <hello@shop.internal>\"\nwebhooks \"hello\" {\n    path \"/hello\"\n    \
                     endpoint \"signup\" key=(env)\"SIGNUP_KEY\"\n}\n";

/// The environment that these lines of a `.env` file make.
struct Lines(&'static str);

impl Lookup for Lines {
    fn env(&self, name: &str) -> Option<String> {
        let mut pairs = self.0.lines().filter_map(|line| line.split_once('='));
        pairs.find(|(known, _)| *known == name).map(|(_, value)| value.to_owned())
    }

    fn file(&self, _: &str) -> Result<String, String> {
        Err(String::from("no files here"))
    }
}

/// What keeps the rules from being served in this environment.
fn start_with(env: &'static str) -> Option<Diagnostic> {
    let mut sources = SourceMap::new();
    sources.add("a.kdl", RULES);
    let rules = analyze(&sources).0.expect("rules");
    settings::resolve(Arc::new(rules), &Lines(env), 1).err()?.pop()
}

/// A project whose rules name a key, with these lines in its `.env`; what a verb says there.
fn said_with(env: &str, args: &[&str]) -> String {
    let folder = tempfile::tempdir().expect("a folder");
    std::fs::write(folder.path().join("a.kdl"), RULES).expect("a file");
    std::fs::write(folder.path().join(".env"), format!("{env}\n")).expect("a file");
    let output = Command::new(env!("CARGO_BIN_EXE_rulerun"))
        .env_clear()
        .current_dir(folder.path())
        .args(["--rules", "a.kdl"])
        .args(args)
        .output()
        .expect("rulerun runs");
    let text = [output.stdout, output.stderr].concat();
    String::from_utf8(text).expect("text")
}

#[test]
fn the_examples_of_the_environment_are_as_they_say() {
    let mut seen = 0;
    for mistake in all().filter(|mistake| mistake.around == Around::Environment) {
        seen += 1;
        let says = |env| match mistake.code {
            // Rules are fine without values; a start is not.
            codes::MISSING_SETTING => start_with(env).map(|found| found.code),
            _ => said_with(env, &["validate", "--format", "short"])
                .contains(&format!("warning[{}]", mistake.code))
                .then_some(mistake.code),
        };
        assert_eq!(says(mistake.wrong), Some(mistake.code));
        assert_eq!(says(mistake.right), None, "{}", mistake.code);
    }
    assert_eq!(seen, 4);
}

#[test]
fn explanations_are_short_and_in_plain_words() {
    for mistake in all() {
        let code = mistake.code;
        assert!(mistake.why.ends_with('.') && mistake.why.len() > 40, "{code}: {}", mistake.why);
        assert!(mistake.why.len() < 260, "{code}: {}", mistake.why);
        assert_ne!(mistake.wrong, mistake.right, "{code}");
        for word in ["parse", "token", "node", "string", "boolean", "null", "KDL", "Rhai"] {
            let words = |text: &str| text.split(|c: char| !c.is_alphanumeric()).any(|w| w == word);
            assert!(!words(mistake.why), "{code} says {word}");
        }
    }
}

fn explain(args: &[&str]) -> (i32, String, String) {
    let output = Command::new(env!("CARGO_BIN_EXE_rulerun"))
        .env_clear()
        .current_dir(Path::new(env!("CARGO_MANIFEST_DIR")))
        .arg("explain")
        .args(args)
        .output()
        .expect("rulerun runs");
    let text = |bytes: Vec<u8>| String::from_utf8(bytes).expect("text");
    (output.status.code().expect("a code"), text(output.stdout), text(output.stderr))
}

#[test]
fn explain_shows_both_examples_and_what_is_said_about_the_wrong_one() {
    let (code, page, notes) = explain(&["unquoted-url"]);
    assert_eq!((code, notes.as_str()), (0, ""));
    for line in [
        "unquoted-url",
        "Wrong, in the block of a service:",
        "    url https://n8n.example.com",
        "    rulerun says: an address needs quotation marks — write \"https://n8n.example.com\"",
        "Right:",
        "    url \"https://n8n.example.com\"",
    ] {
        assert!(page.lines().any(|found| found == line), "{line} is missing in\n{page}");
    }
}

#[test]
fn explain_says_how_a_failing_test_is_told() {
    let (_, page, _) = explain(&["not-met"]);
    let said = "rulerun says: the e-mail `welcome-1` comes 24h after the call, not 1h";
    assert!(page.contains(said), "{page}");
    let (_, page, _) = explain(&["unexpected"]);
    assert!(page.contains("the e-mail `welcome-1` comes, and no line expects it"), "{page}");
}

#[test]
fn explain_lists_every_code_in_groups() {
    let (code, list, _) = explain(&[]);
    assert_eq!(code, 0);
    for (title, own) in mistakes::groups() {
        assert!(list.contains(&format!("{title}\n")), "{title}");
        assert!(own.iter().all(|mistake| list.contains(&format!("\n  {} ", mistake.code))));
    }
    assert!(list.lines().all(|line| line.chars().count() <= 100), "{list}");
    let (_, json, _) = explain(&["--format", "json"]);
    let json: serde_json::Value = serde_json::from_str(&json).expect("JSON");
    assert_eq!(json.as_array().map(Vec::len), Some(all().count()));
}

#[test]
fn a_misspelt_code_finds_its_way() {
    let (code, page, notes) = explain(&["unquoted-ulr"]);
    assert_eq!((code, page.as_str()), (2, ""));
    assert!(notes.contains("did you mean `unquoted-url`?"), "{notes}");
    // As it is copied from a log.
    assert!(explain(&["error[Unknown_Word]"]).1.starts_with("unknown-word\n"));
}
