//! Every mistake has a folder in `tests/diagnostics/`: rule files with the mistake, and
//! `case.stderr`, what a person sees. `UPDATE=1 cargo test --test diagnostics` writes the
//! expected texts anew; read the difference before you commit it.

#![allow(clippy::expect_used, reason = "a test that cannot read its files has failed")]

use std::fs;
use std::path::{Path, PathBuf};

use rulerun::base::report::{Style, human};
use rulerun::base::{Severity, SourceMap};
use rulerun::language::analyze;

/// Every file below a folder that can be part of a rule set, with paths relative to it.
fn read(folder: &Path) -> SourceMap {
    let mut paths = Vec::new();
    let mut folders = vec![folder.to_owned()];
    while let Some(next) = folders.pop() {
        for entry in fs::read_dir(&next).expect("a readable folder") {
            let path = entry.expect("an entry").path();
            if path.is_dir() {
                folders.push(path);
            } else if path
                .extension()
                .is_some_and(|end| end == "kdl" || end == "md" || end == "json")
            {
                paths.push(path);
            }
        }
    }
    paths.sort();
    let mut sources = SourceMap::new();
    for path in paths {
        let name = path.strip_prefix(folder).expect("below the folder").to_string_lossy();
        sources.add(name.replace('\\', "/"), fs::read_to_string(&path).expect("a text"));
    }
    sources
}

fn cases() -> Vec<PathBuf> {
    let folder = Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/diagnostics");
    let mut cases: Vec<PathBuf> = fs::read_dir(folder)
        .expect("the folder of cases")
        .map(|entry| entry.expect("an entry").path())
        .filter(|path| path.is_dir())
        .collect();
    cases.sort();
    cases
}

#[test]
fn every_mistake_is_told_as_written_down() {
    #[expect(clippy::disallowed_methods, reason = "the person who runs the tests decides")]
    let update = std::env::var_os("UPDATE").is_some();
    let mut different = Vec::new();
    for case in cases() {
        let sources = read(&case);
        let (rules, found) = analyze(&sources);
        let told = human(&sources, &found, Style { colour: false, width: 100 });
        let told = told.lines().flat_map(|line| [line.trim_end(), "\n"]).collect::<String>();
        assert_eq!(
            rules.is_some(),
            found.iter().all(|found| found.severity != Severity::Error),
            "{}: rules are there exactly when there is no error",
            case.display()
        );
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
fn the_shipped_rules_have_nothing_to_complain_about() {
    let root = Path::new(env!("CARGO_MANIFEST_DIR"));
    for folders in [&["rules", "schemas"][..], &["examples"]] {
        let mut sources = SourceMap::new();
        for folder in folders {
            for (_, file) in read(&root.join(folder)).iter() {
                sources.add(format!("{folder}/{}", file.path), file.text.clone());
            }
        }
        let (rules, found) = analyze(&sources);
        let told = human(&sources, &found, Style { colour: false, width: 100 });
        assert!(found.is_empty(), "{told}");
        let rules = rules.expect("no mistakes, so rules");
        assert!(!rules.endpoints.is_empty() && !rules.sequences.is_empty());
    }
}
