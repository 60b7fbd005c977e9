//! How long it takes to look a large rule set over: 1,000 endpoints in 10,000 lines, and half
//! of that, so that work that grows faster than the rules shows. Both in this process and as
//! the command that people run: `cargo bench --bench validate`.

#![expect(clippy::disallowed_methods, reason = "a benchmark measures with the clock")]
#![allow(
    missing_docs,
    clippy::expect_used,
    clippy::print_stdout,
    reason = "a benchmark is a program for its own developers"
)]

mod rules;

use std::path::Path;
use std::process::{Command, Stdio};
use std::time::{Duration, Instant};

use rulerun::base::SourceMap;
use rulerun::language::{analyze, is_rule_file};

/// The size that `validate` has to look over in a second.
const ENDPOINTS: usize = 1_000;
/// The longest that may take in a release build.
const LIMIT: Duration = Duration::from_secs(1);
/// The shortest of so many runs counts: what is slower was disturbed.
const RUNS: usize = 5;

fn main() {
    println!("{:<11} {:<7} {:>10} {:>10}", "endpoints", "lines", "analyze", "validate");
    let half = measured(ENDPOINTS / 2);
    let whole = measured(ENDPOINTS);
    println!(
        "twice the rules take {:.2} times as long to analyze, and {:.2} times to validate",
        whole.0.as_secs_f64() / half.0.as_secs_f64(),
        whole.1.as_secs_f64() / half.1.as_secs_f64()
    );
    let enough = whole.1 < LIMIT;
    println!("validate in under {LIMIT:?}: {}", if enough { "yes" } else { "NO" });
}

/// How long `analyze` and `validate` take over so many endpoints.
fn measured(endpoints: usize) -> (Duration, Duration) {
    let files = rules::files(endpoints);
    let lines = files.iter().filter(|(path, _)| is_rule_file(path));
    let lines: usize = lines.map(|(_, text)| text.lines().count()).sum();
    let analyzed = (0..RUNS).map(|_| analyzed(&files)).min().unwrap_or_default();
    let folder = tempfile::tempdir().expect("a folder");
    write(folder.path(), &files);
    let validated = (0..RUNS).map(|_| validated(folder.path())).min().unwrap_or_default();
    println!("{endpoints:<11} {lines:<7} {analyzed:>10.3?} {validated:>10.3?}");
    (analyzed, validated)
}

fn analyzed(files: &[(String, String)]) -> Duration {
    let mut sources = SourceMap::new();
    for (path, text) in files {
        sources.add(path.clone(), text.clone());
    }
    let began = Instant::now();
    let (rules, found) = analyze(&sources);
    let took = began.elapsed();
    assert!(rules.is_some(), "{:?}", found.first());
    took
}

fn write(folder: &Path, files: &[(String, String)]) {
    for (path, text) in files {
        let path = folder.join(path);
        std::fs::create_dir_all(path.parent().expect("a folder around it")).expect("a folder");
        std::fs::write(path, text).expect("a file");
    }
}

fn validated(folder: &Path) -> Duration {
    let began = Instant::now();
    let status = Command::new(env!("CARGO_BIN_EXE_rulerun"))
        .arg("validate")
        .current_dir(folder)
        .stdout(Stdio::null())
        .stderr(Stdio::null())
        .status()
        .expect("the program runs");
    let took = began.elapsed();
    assert!(status.success(), "the rules are correct");
    took
}
