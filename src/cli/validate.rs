//! `rulerun validate`: every mistake in the rules, then what they declare and what they
//! need from the environment.

use std::path::PathBuf;

use clap::{Args, ValueEnum};
use serde_json::{Value, json};

use super::environment::Environment;
use super::outcome::{Exit, Failure, Outcome};
use super::rules::Loaded;
use super::summary::Summary;
use super::surroundings::{self, Remark};
use super::{Global, out};
use crate::base::report;
use crate::review;
use crate::serve::checks;

const EXAMPLES: &str = "\
Examples:
  rulerun validate                          ./rules and ./schemas
  rulerun validate examples/hello.kdl       one file
  rulerun validate --deny-warnings          for a build: warnings count as well
  rulerun validate --format json | jq '.diagnostics[].message'

Ends with 0 when the rules are fine, 1 when they have mistakes. A variable that is not set
is shown and is no mistake of the rules.";

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
    /// Comes later.
    #[arg(long, hide = true)]
    fix: bool,
    /// Comes later.
    #[arg(long, hide = true)]
    watch: bool,
}

#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, ValueEnum)]
enum Report {
    /// For people.
    #[default]
    Human,
    /// For programs.
    Json,
    /// Comes later.
    #[value(hide = true)]
    Short,
    /// Comes later.
    #[value(hide = true)]
    Github,
}

pub(super) fn run(global: &Global, args: &ValidateArgs) -> Outcome {
    refuse_later(args)?;
    let paths = if args.paths.is_empty() { &global.rules } else { &args.paths };
    let mut loaded = Loaded::read(paths)?;
    let environment = Environment::load()?;
    let summary = loaded.rules.as_ref().map(|rules| Summary::of(rules, &environment));
    let mut remarks = Vec::new();
    if let Some(rules) = &loaded.rules {
        let mut around = surroundings::weak_keys(rules, &environment);
        around.extend(checks::real_mail_of(rules, &environment));
        review::add(&mut loaded.found, around);
        remarks = surroundings::without_effect(rules, &environment);
    }
    let (errors, warnings) = loaded.counts();
    let warnings = warnings + remarks.len();
    if args.format == Report::Json {
        out::json(&as_json(&loaded, &remarks, summary.as_ref(), warnings))?;
    } else {
        loaded.show();
        for remark in &remarks {
            out::note(remark.human().trim_end());
        }
        if let Some(summary) = summary.filter(|_| errors == 0) {
            out::data(&summary.human())?;
        }
        tell(errors, warnings, !remarks.is_empty());
    }
    Ok(Exit::problems_if(errors > 0 || (args.deny_warnings && warnings > 0)))
}

fn refuse_later(args: &ValidateArgs) -> Result<(), Failure> {
    let later = match args {
        _ if args.fix => "`--fix`",
        _ if args.watch => "`--watch`",
        _ if args.format == Report::Short => "`--format short`",
        _ if args.format == Report::Github => "`--format github`",
        _ => return Ok(()),
    };
    Err(Failure::later(later))
}

/// How many mistakes there are, after they were drawn.
fn tell(errors: usize, warnings: usize, around: bool) {
    let parts: Vec<String> = [(errors, "error"), (warnings, "warning")]
        .into_iter()
        .filter(|(number, _)| *number > 0)
        .map(|(number, word)| out::count(number, word))
        .collect();
    if !parts.is_empty() {
        let place = if around { "in the rules and the environment" } else { "in the rules" };
        out::note(&format!("{} {place}", parts.join(" and ")));
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
    json!({"diagnostics": diagnostics, "summary": counts})
}
