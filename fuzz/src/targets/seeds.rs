//! Inputs to begin with, taken from rulerun's own files: rules, schemas, e-mails, and the
//! texts in quotes that stand in rules and tests.

use std::fs;
use std::path::Path;

/// Longest file that is a seed; a fuzzer learns more from small ones.
const LONGEST: usize = 16 * 1024;

/// Every file below a folder with one of the endings, in order: its path within the folder,
/// and its text.
pub(super) fn files(folder: &Path, endings: &[&str]) -> Vec<(String, String)> {
    let mut paths = Vec::new();
    let mut folders = vec![folder.to_owned()];
    while let Some(next) = folders.pop() {
        for entry in fs::read_dir(&next).expect("a folder of rulerun") {
            let path = entry.expect("an entry").path();
            if path.is_dir() {
                folders.push(path);
            } else if path.extension().is_some_and(|end| endings.iter().any(|one| end == *one)) {
                paths.push(path);
            }
        }
    }
    paths.sort();
    let read = |path: std::path::PathBuf| {
        let name = path.strip_prefix(folder).unwrap_or(&path).to_string_lossy().replace('\\', "/");
        let text = fs::read_to_string(&path).ok().filter(|text| text.len() <= LONGEST)?;
        Some((name, text))
    };
    paths.into_iter().filter_map(read).collect()
}

/// The texts in quotes of all rule files and of one file of tests, each once, that `fit`.
pub(super) fn quoted(root: &Path, tests: &str, fit: fn(&str) -> bool) -> Vec<String> {
    let mut found: Vec<String> = ["rules", "schemas", "examples", "tests/diagnostics"]
        .iter()
        .flat_map(|folder| files(&root.join(folder), &["kdl"]))
        .map(|(_, text)| text)
        .chain(fs::read_to_string(root.join(tests)))
        .flat_map(|text| strings(&text))
        .filter(|text| !text.is_empty() && text.len() < 2000 && fit(text))
        .collect();
    assert!(!found.is_empty(), "no seeds in the rules and in {tests}");
    found.sort();
    found.dedup();
    found
}

/// What stands in quotes, in KDL as in Rust: `"…"` and `#"…"#`.
fn strings(text: &str) -> Vec<String> {
    let mut found = Vec::new();
    let mut rest = text;
    while let Some(at) = rest.find('"') {
        let raw = rest[..at].ends_with('#');
        rest = &rest[at + 1..];
        if raw {
            let Some((inside, after)) = rest.split_once("\"#") else { break };
            found.push(inside.to_owned());
            rest = after;
            continue;
        }
        let mut inside = String::new();
        let mut letters = rest.char_indices();
        while let Some((at, letter)) = letters.next() {
            match letter {
                '"' => {
                    rest = &rest[at + 1..];
                    break;
                }
                '\\' => inside.extend(letters.next().map(|(_, letter)| match letter {
                    'n' => '\n',
                    other => other,
                })),
                other => inside.push(other),
            }
        }
        found.push(inside);
        if letters.as_str().is_empty() {
            break;
        }
    }
    found
}
