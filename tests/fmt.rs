//! `rulerun fmt` over every rule file of the project and over hundreds of untidy ones:
//! same meaning, same comments, and a second time changes nothing.
#![expect(clippy::unwrap_used, reason = "a test stops where something is wrong")]

use std::path::{Path, PathBuf};
use std::process::{Command, Output, Stdio};

use proptest::prelude::*;
use proptest::test_runner::{Config, RngAlgorithm, TestRng, TestRunner};
use rulerun::language::format::{FormatError, format};

fn root() -> &'static Path {
    Path::new(env!("CARGO_MANIFEST_DIR"))
}

fn rule_files(folder: &Path, into: &mut Vec<PathBuf>) {
    for entry in std::fs::read_dir(folder).unwrap() {
        let path = entry.unwrap().path();
        if path.is_dir() {
            rule_files(&path, into);
        } else if path.extension().is_some_and(|ending| ending == "kdl") {
            into.push(path);
        }
    }
}

/// Every rule file of the project that is meant to be read, and those of the diagnostics.
fn texts() -> Vec<(PathBuf, String)> {
    let mut files = Vec::new();
    for folder in ["rules", "schemas", "examples", "src/cli/init", "tests/diagnostics"] {
        rule_files(&root().join(folder), &mut files);
    }
    files.sort();
    let text = |path: PathBuf| (path.clone(), std::fs::read_to_string(path).unwrap_or_default());
    files.into_iter().map(text).collect()
}

#[test]
fn every_rule_file_of_the_project_is_formatted_as_it_stands() {
    for (path, text) in texts().iter().filter(|(path, _)| !path.starts_with(root().join("tests"))) {
        assert_eq!(format(text).as_ref(), Ok(text), "{}", path.display());
    }
}

#[test]
fn a_file_that_can_be_read_is_formatted_once_and_for_all() {
    let mut formatted = 0;
    for (path, text) in texts() {
        match format(&text) {
            Ok(once) => {
                assert_eq!(format(&once).as_ref(), Ok(&once), "{}", path.display());
                formatted += 1;
            }
            Err(why) => assert_eq!(why, FormatError::Unreadable, "{}", path.display()),
        }
    }
    assert!(formatted > 200, "{formatted}");
}

/// How a line is spoiled: blanks before it, blanks behind it, empty lines above it.
type Spoil = (String, String, usize);

fn spoil() -> impl Strategy<Value = Spoil> {
    ("[ \t]{0,9}", "[ \t]{0,3}", 0..4_usize)
}

#[test]
fn whatever_is_done_to_the_blanks_of_a_file_it_comes_out_the_same() {
    // Where a line begins in a text of several lines, its blanks mean something; and an empty
    // line between two lines stays one.
    let (_, text) = texts().into_iter().find(|(path, _)| path.ends_with("init/rules.kdl")).unwrap();
    let lines: Vec<&str> = text.lines().filter(|line| !line.is_empty()).collect();
    assert!(!text.contains("\"\"\"") && lines.len() > 30);
    let without_empty =
        |text: &str| text.lines().filter(|l| !l.is_empty()).collect::<Vec<_>>().join("\n");
    let seed = TestRng::deterministic_rng(RngAlgorithm::ChaCha);
    let mut runner = TestRunner::new_with_rng(Config::with_cases(200), seed);
    let strategy = proptest::collection::vec(spoil(), lines.len());
    let tried = runner.run(&strategy, |spoils| {
        let mut untidy = String::new();
        for (line, (before, behind, empty)) in lines.iter().zip(spoils) {
            untidy.push_str(&"  \n".repeat(empty));
            untidy.push_str(&before);
            untidy.push_str(line.trim());
            // Behind a `\` there may be blanks, and behind a comment they belong to nobody.
            untidy.push_str(&behind);
            untidy.push('\n');
        }
        let tidy = format(&untidy).expect("it can be read");
        prop_assert_eq!(without_empty(&tidy), without_empty(&text));
        prop_assert_eq!(format(&tidy).expect("it can be read"), tidy);
        Ok(())
    });
    tried.unwrap();
}

fn fmt(folder: &Path, arguments: &[&str], input: &str) -> Output {
    let file = folder.join("input");
    std::fs::write(&file, input).unwrap();
    let stdin = std::fs::File::open(file).unwrap();
    Command::new(env!("CARGO_BIN_EXE_rulerun"))
        .current_dir(folder)
        .env_clear()
        .arg("fmt")
        .args(arguments)
        .stdin(Stdio::from(stdin))
        .output()
        .unwrap()
}

fn said(output: &Output) -> (i32, String, String) {
    let text = |bytes: &[u8]| String::from_utf8_lossy(bytes).into_owned();
    (output.status.code().unwrap(), text(&output.stdout), text(&output.stderr))
}

#[test]
fn the_command_says_what_it_changed_and_leaves_what_it_cannot_read() {
    let folder = tempfile::tempdir().unwrap();
    let rules = folder.path().join("rules");
    std::fs::create_dir(&rules).unwrap();
    let (untidy, broken) = (rules.join("a.kdl"), rules.join("b.kdl"));
    std::fs::write(&untidy, "server {  // ours\n  api-token \"x\"\n\n}\n").unwrap();
    std::fs::write(&broken, "server {\n").unwrap();
    let check = said(&fmt(folder.path(), &["--check"], ""));
    let unreadable = "rules/b.kdl: it cannot be read; `rulerun validate` says why\n";
    let summary = "2 files, 1 not formatted, 1 not readable\n";
    assert_eq!(check, (1, "rules/a.kdl\n".into(), format!("{unreadable}{summary}")));
    let done = said(&fmt(folder.path(), &[], ""));
    assert_eq!((done.0, done.1.as_str()), (1, "rules/a.kdl\n"));
    let tidy = "server {  // ours\n    api-token \"x\"\n}\n";
    assert_eq!(std::fs::read_to_string(&untidy).unwrap(), tidy);
    assert_eq!(std::fs::read_to_string(&broken).unwrap(), "server {\n");
    std::fs::remove_file(broken).unwrap();
    let again = said(&fmt(folder.path(), &[], ""));
    assert_eq!(again, (0, String::new(), "1 file, nothing to change\n".into()));
    assert_eq!(std::fs::read_dir(&rules).unwrap().count(), 1, "nothing is left beside it");
    let piped = said(&fmt(folder.path(), &["-"], "server {\napi-token \"x\"\n}\n"));
    assert_eq!(piped, (0, "server {\n    api-token \"x\"\n}\n".into(), String::new()));
    let (code, kept, _) = said(&fmt(folder.path(), &["-"], "server {\n"));
    assert_eq!((code, kept.as_str()), (1, "server {\n"), "an editor keeps its text");
    let (code, _, why) = said(&fmt(folder.path(), &["nowhere"], ""));
    assert_eq!(code, 2, "{why}");
}

#[cfg(unix)]
#[test]
fn links_stay_links_and_nothing_is_written_through_a_strange_one() {
    use std::os::unix::fs::symlink;

    let folder = tempfile::tempdir().unwrap();
    let (shared, secret) = (folder.path().join("shared"), folder.path().join("secret"));
    std::fs::write(&shared, "server {\napi-token \"x\"\n}\n").unwrap();
    std::fs::write(&secret, "mine\n").unwrap();
    let rules = folder.path().join("rules");
    std::fs::create_dir(&rules).unwrap();
    symlink(&shared, rules.join("a.kdl")).unwrap();
    // Somebody has laid a link where the new text is written before it takes its place.
    symlink(&secret, folder.path().join("shared.rulerun-fmt~")).unwrap();
    assert_eq!(said(&fmt(folder.path(), &["rules"], "")).0, 0);
    assert!(std::fs::symlink_metadata(rules.join("a.kdl")).unwrap().is_symlink());
    let tidy = "server {\n    api-token \"x\"\n}\n";
    assert_eq!(std::fs::read_to_string(&shared).unwrap(), tidy);
    assert_eq!(std::fs::read_to_string(&secret).unwrap(), "mine\n");
}

#[test]
fn a_file_that_is_write_protected_stays() {
    let folder = tempfile::tempdir().unwrap();
    let file = folder.path().join("a.kdl");
    let untidy = "server {\napi-token \"x\"\n}\n";
    std::fs::write(&file, untidy).unwrap();
    let mut rights = std::fs::metadata(&file).unwrap().permissions();
    rights.set_readonly(true);
    std::fs::set_permissions(&file, rights).unwrap();
    let (code, _, why) = said(&fmt(folder.path(), &["a.kdl"], ""));
    assert_eq!((code, why.as_str()), (2, "error: cannot write a.kdl: it is write-protected\n"));
    assert_eq!(std::fs::read_to_string(&file).unwrap(), untidy);
}

/// What may break a file: marks of the language and letters of one to four bytes.
const SHARDS: [&str; 16] = [
    "{", "}", "\"", "\"\"\"", "#\"", "\"#", "//", "/*", "*/", "/-", "\\", ";", "\n", "é", "🎄",
    "\u{a0}",
];

#[test]
fn a_broken_file_is_refused_or_comes_out_with_the_same_meaning_and_every_comment() {
    let all: Vec<String> = texts().into_iter().map(|(_, text)| text).collect();
    let seed = TestRng::deterministic_rng(RngAlgorithm::ChaCha);
    let mut runner = TestRunner::new_with_rng(Config::with_cases(600), seed);
    let place = any::<proptest::sample::Index>();
    let damage = (0..SHARDS.len(), place.clone(), 0..12_usize);
    let strategy = (place, proptest::collection::vec(damage, 1..4));
    let tried = runner.run(&strategy, |(which, damages)| {
        let mut text = all[which.index(all.len())].clone();
        for (shard, place, gone) in damages {
            let floor = |at: usize| (0..=at).rev().find(|at| text.is_char_boundary(*at)).unwrap();
            let from = floor(place.index(text.len() + 1));
            let to = floor((from + gone).min(text.len()));
            text.replace_range(from..to.max(from), SHARDS[shard]);
        }
        let once = match format(&text) {
            Err(why) => {
                prop_assert_eq!(why, FormatError::Unreadable);
                return Ok(());
            }
            Ok(once) => once,
        };
        let twice = format(&once);
        prop_assert_eq!(twice.as_ref(), Ok(&once));
        // Only blanks at the edges of lines and empty lines may differ; what stands within is
        // the same, comments included. Several steps on one line may be given lines.
        let letters = |text: &str| text.chars().filter(|c| !c.is_whitespace()).collect::<String>();
        prop_assert_eq!(letters(&once), letters(text.trim_start_matches('\u{feff}')));
        Ok(())
    });
    tried.unwrap();
}
