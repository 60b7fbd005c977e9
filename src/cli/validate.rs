//! `rulerun validate`: every mistake in the rules and in the files of their tests, then what
//! the rules declare and what they need from the environment. It may mend them first, and look again after every change.

use std::path::PathBuf;

use clap::{Args, ValueEnum};
use serde_json::{Value, json};

use super::environment::Environment;
use super::fix::{self, Mended};
use super::outcome::{Exit, Outcome};
use super::rules::Loaded;
use super::summary::Summary;
use super::surroundings::{self, Remark};
use super::{Global, out, watch};
use crate::base::report;
use crate::review;
use crate::serve::{checks, secrets, settings, sources};

const EXAMPLES: &str = "\
Examples:
  rulerun validate                          ./rules and ./schemas
  rulerun validate examples/hello.kdl       one file
  rulerun validate --deny-warnings          for a build: warnings count as well
  rulerun validate --fix                    mend what has exactly one right mend
  rulerun validate --watch                  again after every change of a file
  rulerun validate --format json | jq '.diagnostics[].message'
  rulerun validate --format github          annotations for a GitHub workflow

Ends with 0 when the rules are fine, 1 when they have mistakes. A variable or a file that is
missing is shown and is no mistake of the rules.";

/// What `validate` is told.
#[derive(Args, Debug)]
#[command(after_help = EXAMPLES)]
pub(super) struct ValidateArgs {
    /// Rule files or folders [default: --rules, else rules and schemas].
    #[arg(value_name = "PATH")]
    paths: Vec<PathBuf>,
    /// How to print.
    #[arg(long, value_enum, default_value_t)]
    format: Report,
    /// End with 1 when there are warnings.
    #[arg(long)]
    deny_warnings: bool,
    /// Mend what has exactly one right mend, and write the files.
    #[arg(long)]
    fix: bool,
    /// Validate again whenever a file changes.
    #[arg(long)]
    watch: bool,
}

#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, ValueEnum)]
enum Report {
    /// For people.
    #[default]
    Human,
    /// For programs.
    Json,
    /// One line for each mistake.
    Short,
    /// Annotations of a GitHub workflow.
    Github,
}

pub(super) fn run(global: &Global, args: &ValidateArgs) -> Outcome {
    let paths = if args.paths.is_empty() { &global.rules } else { &args.paths };
    if args.watch {
        return watch::again_and_again(paths, &sources::test_places(paths), || once(paths, args));
    }
    once(paths, args)
}

/// Validates, and mends before that where it is asked to.
fn once(paths: &[PathBuf], args: &ValidateArgs) -> Outcome {
    let mut loaded = Loaded::with_tests(paths)?;
    let mut mended = Mended::default();
    if args.fix {
        mended = fix::mend(&loaded.sources)?;
        if mended.files > 0 {
            loaded = Loaded::with_tests(paths)?;
        }
    }
    let environment = Environment::load()?;
    let summary = loaded.rules.as_ref().map(|rules| Summary::of(rules, &environment));
    let mut remarks = Vec::new();
    if let Some(rules) = &loaded.rules {
        let mut around = secrets::weak(rules, &environment);
        around.extend(settings::bad_addresses(rules, &environment));
        around.extend(checks::real_mail_of(rules, &environment));
        review::add(&mut loaded.found, around);
        remarks = surroundings::without_effect(rules, &environment);
    }
    let (errors, warnings) = loaded.counts();
    let warnings = warnings + remarks.len();
    if args.fix && args.format != Report::Json {
        tell_mended(&mended);
    }
    match args.format {
        Report::Json => {
            let mut report = as_json(&loaded, &remarks, summary.as_ref(), warnings);
            if args.fix {
                report["mended"] = json!(mended.lines);
            }
            out::json(&report)?;
        }
        Report::Human => {
            loaded.show();
            for remark in &remarks {
                out::note(remark.human().trim_end());
            }
            if let Some(summary) = summary.filter(|_| errors == 0) {
                out::data(&summary.human())?;
            }
            tell(errors, warnings, loaded.has_mistaken_tests(), !remarks.is_empty());
            if !args.fix {
                offer_fix(&loaded, &args.paths);
            }
        }
        Report::Short => {
            let found = loaded.found.iter().map(|found| report::short(&loaded.sources, found));
            out::data(&lines(found.chain(remarks.iter().map(Remark::short))))?;
        }
        Report::Github => {
            let found = loaded.found.iter().map(|found| report::github(&loaded.sources, found));
            out::data(&lines(found.chain(remarks.iter().map(Remark::github))))?;
        }
    }
    Ok(Exit::problems_if(errors > 0 || (args.deny_warnings && warnings > 0)))
}

fn lines(lines: impl Iterator<Item = String>) -> String {
    lines.map(|line| line + "\n").collect()
}

/// What `--fix` has changed.
fn tell_mended(mended: &Mended) {
    for line in &mended.lines {
        out::note(line);
    }
    out::note(&match mended.lines.len() {
        0 => String::from("nothing could be mended without a decision of yours"),
        number => {
            format!("{} in {}", out::count(number, "mend"), out::count(mended.files, "file"))
        }
    });
}

/// Says that there are mistakes which `--fix` can mend.
fn offer_fix(loaded: &Loaded, paths: &[PathBuf]) {
    let number = fix::count(&loaded.found);
    if number == 0 {
        return;
    }
    let mut command = vec![String::from("rulerun validate")];
    command.extend(paths.iter().map(|path| path.display().to_string()));
    let which = match (number, loaded.found.len()) {
        (1, 1) => String::from("it"),
        (number, all) if number == all => String::from("all of these"),
        (number, _) => format!("{number} of these"),
    };
    out::note(&format!("{which} can be mended by `{} --fix`", command.join(" ")));
}

/// How many mistakes there are, after they were drawn.
fn tell(errors: usize, warnings: usize, tests: bool, around: bool) {
    let parts: Vec<String> = [(errors, "error"), (warnings, "warning")]
        .into_iter()
        .filter(|(number, _)| *number > 0)
        .map(|(number, word)| out::count(number, word))
        .collect();
    if !parts.is_empty() {
        let place = match (tests, around) {
            (false, false) => "the rules",
            (true, false) => "the rules and the tests",
            (false, true) => "the rules and the environment",
            (true, true) => "the rules, the tests and the environment",
        };
        let gap = if errors > 0 { "\n" } else { "" };
        out::note(&format!("{gap}{} in {place}", parts.join(" and ")));
    }
}

fn as_json(
    loaded: &Loaded,
    remarks: &[Remark],
    summary: Option<&Summary>,
    warnings: usize,
) -> Value {
    let in_files = loaded.found.iter().map(|found| report::json(&loaded.sources, found));
    let diagnostics: Vec<Value> = in_files.chain(remarks.iter().map(Remark::json)).collect();
    let (errors, _) = loaded.counts();
    let mut counts = json!({"errors": errors, "warnings": warnings});
    counts["declared"] = summary.map_or(Value::Null, Summary::declared);
    counts["environment"] = summary.map_or(Value::Null, Summary::environment);
    counts["files"] = summary.map_or(Value::Null, Summary::files);
    json!({"diagnostics": diagnostics, "summary": counts})
}
