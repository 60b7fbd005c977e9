//! `rulerun test`: tries the rules out as `*.test.kdl` files say, on a simulated clock and
//! with services that answer what they are told. Nothing is sent, and the environment is not
//! read.

mod junit;
mod report;

use std::path::{Path, PathBuf};
use std::sync::Arc;

use clap::Args;

use super::outcome::{Exit, Failure, Outcome};
use super::rules::Loaded;
use super::{Format, Global, out};
use crate::base::report::{self as drawing, Style};
use crate::base::{Clock as _, Diagnostic, FileId, Severity, SourceMap, Zone};
use crate::engine::Watch;
use crate::language;
use crate::model::test::Test;
use crate::rehearse::{self, Coverage, Fault, Reached, Verdict};
use crate::serve::clock::SystemClock;
use crate::serve::settings::Live;
use crate::serve::sources;
use crate::serve::watch::FileWatch;

const EXAMPLES: &str = "\
Examples:
  rulerun test                              every *.test.kdl file below this folder
  rulerun test examples/christmas.test.kdl  one file
  rulerun test --filter no-show             the tests whose names contain this
  rulerun test --coverage                   and what of the rules no test has tried
  rulerun test --watch                      again whenever a file is saved

Ends with 0 when every test passes and 1 when one fails.";

/// What `test` is told.
#[derive(Args, Debug)]
#[command(after_help = EXAMPLES)]
pub(super) struct TestArgs {
    /// Files of tests, or folders with such files [default: every *.test.kdl below this folder].
    #[arg(value_name = "PATH")]
    paths: Vec<PathBuf>,
    /// Only tests whose names contain this text, in any case.
    #[arg(long, value_name = "TEXT")]
    filter: Option<String>,
    /// Show which endpoints, steps, conditions, e-mails and events no test has tried.
    #[arg(long)]
    coverage: bool,
    /// Write a report for build servers as well, as XML in the form of junit.
    #[arg(long, value_name = "FILE")]
    junit: Option<PathBuf>,
    /// How to print.
    #[arg(long, value_enum, default_value_t)]
    format: Format,
    /// Run again whenever a rule, schema, text or test is saved.
    #[arg(long)]
    watch: bool,
}

/// What a run of tests came to.
struct Ran {
    sources: SourceMap,
    /// Mistakes in the files of tests.
    found: Vec<Diagnostic>,
    tests: Vec<Tried>,
    coverage: Option<Coverage>,
    /// How long it all took, reading included, in milliseconds.
    took: i64,
}

/// A test that was run.
struct Tried {
    test: Test,
    verdict: Verdict,
    /// How long it took, in milliseconds.
    took: i64,
}

impl Tried {
    fn passed(&self) -> bool {
        self.verdict.faults.is_empty()
    }
}

impl Ran {
    fn failed(&self) -> usize {
        self.tests.iter().filter(|tried| !tried.passed()).count()
    }

    fn mistakes(&self) -> usize {
        self.found.iter().filter(|found| found.severity == Severity::Error).count()
    }
}

/// Runs the tests.
///
/// # Errors
/// The rules have mistakes, a file cannot be read, or there is no test.
pub(super) fn run(global: &Global, args: &TestArgs) -> Outcome {
    if !args.watch {
        return once(global, args);
    }
    let (rules, tests) = (global.rules.clone(), args.paths.clone());
    let mut watch = FileWatch::new(move || {
        let mut files = sources::files(&sources::roots(&rules)).unwrap_or_default();
        files.extend(sources::tests(&places(&tests)).unwrap_or_default());
        files
    });
    loop {
        if let Err(failure) = once(global, args) {
            let _ = failure.report();
        }
        out::note("\nWaiting for a change; Ctrl-C ends.");
        let changed = watch.wait();
        let names: Vec<String> = changed.iter().map(|path| path.display().to_string()).collect();
        out::note(&format!("\nChanged: {}\n", names.join(", ")));
    }
}

fn once(global: &Global, args: &TestArgs) -> Outcome {
    let ran = try_all(global, args)?;
    if !ran.found.is_empty() {
        let style = Style { colour: out::Ink::for_notes().on, width: out::notes_width() };
        out::note(drawing::human(&ran.sources, &ran.found, style).trim_end());
    }
    match args.format {
        Format::Human => out::data(&report::human(&ran))?,
        Format::Json => out::json(&report::json(&ran))?,
    }
    if let Some(path) = &args.junit {
        std::fs::write(path, junit::xml(&ran))
            .map_err(|why| Failure::io(format!("cannot write {}", path.display()), &why))?;
    }
    Ok(Exit::problems_if(ran.failed() > 0 || ran.mistakes() > 0))
}

/// Where tests are looked for.
fn places(given: &[PathBuf]) -> Vec<PathBuf> {
    if given.is_empty() { vec![PathBuf::from(".")] } else { given.to_vec() }
}

/// Reads the rules and the tests, and runs those that were asked for.
fn try_all(global: &Global, args: &TestArgs) -> Result<Ran, Failure> {
    let began = SystemClock.passing();
    let mut loaded = Loaded::read(&global.rules)?;
    let (Some(rules), 0) = (loaded.rules.take(), loaded.counts().0) else {
        loaded.show();
        return Err(Failure::Rules);
    };
    let rules = Arc::new(rules);
    let mut sources = loaded.sources;
    let files = test_files(&mut sources, &args.paths)?;
    let (tests, mut found) = language::tests(&sources, &rules);
    found.retain(|found| files.contains(&found.span.file));
    let wanted = args.filter.as_ref().map(|text| text.to_lowercase());
    let fits = |name: &str| wanted.as_ref().is_none_or(|text| name.to_lowercase().contains(text));
    let tests: Vec<Test> = tests
        .into_iter()
        .filter(|test| files.contains(&test.span.file) && fits(&test.name))
        .collect();
    if tests.is_empty() && found.is_empty() {
        return Err(none(args));
    }
    let live = rehearse::prepare(Arc::clone(&rules)).map_err(|faults| {
        let style = Style { colour: out::Ink::for_notes().on, width: out::notes_width() };
        out::note(drawing::human(&sources, &faults, style).trim_end());
        Failure::Rules
    })?;
    let reached = Arc::new(Reached::default());
    let tests = tests.into_iter().map(|test| tried(&live, test, &reached)).collect();
    let coverage = args.coverage.then(|| Coverage::of(&rules, &reached));
    Ok(Ran { sources, found, tests, coverage, took: SystemClock.passing() - began })
}

/// Reads the files of tests into the map, and answers which they are.
fn test_files(sources: &mut SourceMap, given: &[PathBuf]) -> Result<Vec<FileId>, Failure> {
    for path in given {
        if !path.exists() {
            return Err(Failure::new(format!("{} does not exist", path.display())));
        }
        if !path.is_dir() && !language::is_test_file(&path.to_string_lossy()) {
            return Err(Failure::new(format!("{} is no file of tests", path.display()))
                .help("tests stand in files whose names end in .test.kdl; the rules that they are about are named with --rules"));
        }
    }
    let trouble = |error: sources::SourceError| Failure::new(error.to_string());
    let files = sources::tests(&places(given)).map_err(trouble)?;
    sources::add(sources, &files).map_err(trouble)
}

fn none(args: &TestArgs) -> Failure {
    match &args.filter {
        Some(text) => Failure::new(format!("no test has `{text}` in its name")),
        None => Failure::new("there is no test here").help(
            "write one in a file whose name ends in .test.kdl; `rulerun init` makes an example",
        ),
    }
}

/// Runs one test. One that cannot go on has failed.
fn tried(live: &Arc<Live>, test: Test, reached: &Arc<Reached>) -> Tried {
    let began = SystemClock.passing();
    let watch: Arc<dyn Watch> = Arc::<Reached>::clone(reached);
    let verdict = rehearse::judge(live, &test, Some(watch)).unwrap_or_else(|error| Verdict {
        faults: vec![Fault {
            span: test.span,
            message: error.to_string(),
            label: "this test",
            expected: String::new(),
            got: String::new(),
            would_expect: Vec::new(),
        }],
        happened: Vec::new(),
        zone: Zone::UTC,
    });
    Tried { test, verdict, took: SystemClock.passing() - began }
}

/// The file and line of a test.
fn place<'a>(sources: &'a SourceMap, test: &Test) -> (&'a str, usize) {
    let file = test.span.file;
    let (line, _) = sources.line_column(file, test.span.start as usize);
    (Path::new(&sources.file(file).path).to_str().unwrap_or_default(), line)
}
