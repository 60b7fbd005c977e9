//! `rulerun fmt`: puts the lines of rule files where their blocks say. What stands within a
//! line stays as its author wrote it, comments included.

use std::path::{Path, PathBuf};

use clap::Args;
use serde_json::json;

use super::outcome::{Exit, Failure, Outcome};
use super::{Format, Global, data, files, out};
use crate::language::format::{FormatError, format};
use crate::serve::sources;

const EXAMPLES: &str = "\
Examples:
  rulerun fmt                    every .kdl file in ./rules and ./schemas
  rulerun fmt --check            for a build: changes nothing, ends with 1 when it would
  rulerun fmt - < shop.kdl       standard input to standard output, for an editor

It indents, takes trailing blanks and surplus empty lines away, and nothing else: comments,
quotation marks and aligned columns stay.";

/// What `fmt` is told.
#[derive(Args, Debug)]
#[command(after_help = EXAMPLES)]
pub(super) struct FmtArgs {
    /// Rule files or folders; - is standard input [default: --rules, else rules and schemas].
    #[arg(value_name = "PATH")]
    paths: Vec<PathBuf>,
    /// Change nothing; end with 1 when a file is not formatted.
    #[arg(long)]
    check: bool,
    /// How to print which files were (or would be) changed.
    #[arg(long, value_enum, default_value_t)]
    format: Format,
}

/// What became of a file.
enum Done {
    Fine,
    Changed,
    Refused(FormatError),
}

pub(super) fn run(global: &Global, args: &FmtArgs) -> Outcome {
    if args.paths == [Path::new("-")] {
        return standard_input(args.check);
    }
    let given = if args.paths.is_empty() { &global.rules } else { &args.paths };
    let all = rule_files(given)?;
    let (mut changed, mut refused) = (0, 0);
    let (mut names, mut faults) = (Vec::new(), Vec::new());
    for path in &all {
        match one(path, args.check)? {
            Done::Fine => {}
            Done::Changed => {
                changed += 1;
                match args.format {
                    Format::Human => out::data(&format!("{}\n", path.display()))?,
                    Format::Json => names.push(path),
                }
            }
            Done::Refused(why) => {
                refused += 1;
                out::note(&format!("{}: {why}", path.display()));
                faults.push(json!({ "file": path, "why": why.to_string() }));
            }
        }
    }
    if args.format == Format::Json {
        out::json(&json!({ "files": all.len(), "changed": names, "unreadable": faults }))?;
    }
    let all = out::count(all.len(), "file");
    out::note(&match (changed, refused, args.check) {
        (0, 0, _) => format!("{all}, nothing to change"),
        (_, _, true) => format!("{all}, {changed} not formatted, {refused} not readable"),
        (_, _, false) => format!("{all}, {changed} formatted, {refused} left alone"),
    });
    Ok(Exit::problems_if(refused > 0 || (args.check && changed > 0)))
}

fn rule_files(given: &[PathBuf]) -> Result<Vec<PathBuf>, Failure> {
    let roots = sources::roots(given);
    for root in &roots {
        if !root.exists() {
            return Err(Failure::new(format!("{} does not exist", root.display())));
        }
    }
    let mut files = sources::files(&roots).map_err(|error| Failure::new(error.to_string()))?;
    files.retain(|path| path.extension().is_some_and(|ending| ending == "kdl"));
    if files.is_empty() {
        return Err(Failure::new("there is no .kdl file to format")
            .help("give the folder or file: rulerun fmt PATH"));
    }
    Ok(files)
}

fn one(path: &Path, check: bool) -> Result<Done, Failure> {
    let before = std::fs::read_to_string(path)
        .map_err(|why| Failure::new(format!("cannot read {}: {why}", path.display())))?;
    Ok(match format(&before) {
        Err(why) => Done::Refused(why),
        Ok(after) if after == before => Done::Fine,
        Ok(_) if check => Done::Changed,
        Ok(after) => {
            files::replace(path, &before, &after)
                .map_err(|why| Failure::new(format!("cannot write {}: {why}", path.display())))?;
            Done::Changed
        }
    })
}

fn standard_input(check: bool) -> Outcome {
    let before = String::from_utf8(data::pipe()?)
        .map_err(|why| Failure::new(format!("cannot read standard input: {why}")))?;
    match format(&before) {
        Ok(after) => {
            if !check {
                out::data(&after)?;
            }
            Ok(Exit::problems_if(check && after != before))
        }
        Err(why) => {
            // An editor puts the output in the place of its text.
            if !check {
                out::data(&before)?;
            }
            out::note(&format!("standard input: {why}"));
            Ok(Exit::Problems)
        }
    }
}
