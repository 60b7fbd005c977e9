//! `rulerun doctor`: looks whether a store or a backup is sound, and mends what is safe.

use std::path::PathBuf;

use clap::Args;
use serde_json::{Value, json};

use super::outcome::{Exit, Failure, Outcome};
use super::place::{self, Place};
use super::{Format, Global, out, progress};
use crate::store::{self, CareError, Examined, Finding};

const EXAMPLES: &str = "\
Examples:
  rulerun doctor                            the data folder, while no server uses it
  rulerun doctor --mend                     and mend what can be derived from the rest
  rulerun doctor /backups/rulerun.backup    a backup; needs as much room beside it";

/// What `doctor` is told.
#[derive(Args, Debug)]
#[command(after_help = EXAMPLES)]
pub(super) struct DoctorArgs {
    /// A backup, instead of the data folder.
    #[arg(value_name = "FILE", conflicts_with_all = ["data", "mend"])]
    file: Option<PathBuf>,
    #[command(flatten)]
    place: Place,
    /// Mend what is safe to mend: counters, indexes, what is due.
    #[arg(long)]
    mend: bool,
    /// How to print.
    #[arg(long, value_enum, default_value_t)]
    format: Format,
}

pub(super) fn run(global: &Global, args: &DoctorArgs) -> Outcome {
    let (name, examined) = if let Some(file) = &args.file {
        let examine = |_: &_| store::examine_backup(file, place::now());
        let examined = progress::during("looking at every row", examine);
        (file.clone(), examined.map_err(|error| place::failure(&error))?.1)
    } else {
        let folder = args.place.store(global)?;
        let examine = |_: &_| store::examine_folder(&folder, place::now(), args.mend);
        let examined = progress::during("looking at every row", examine);
        (folder, examined.map_err(|error| failure(&error))?)
    };
    let Examined { found, left, undecided } = &examined;
    match args.format {
        Format::Json => out::json(&json!({
            "examined": name,
            "sound": left.is_empty(),
            "undecided": undecided,
            "found": found.iter().map(|one| shape(one, left)).collect::<Vec<_>>(),
        }))?,
        Format::Human if found.is_empty() => {
            out::data(&format!("{} is sound: all rows agree\n", name.display()))?;
        }
        Format::Human => {
            let lines: Vec<String> =
                found.iter().map(|one| line(one, left, args.file.is_some())).collect();
            out::data(&lines.concat())?;
        }
    }
    if let (Format::Human, 1..) = (args.format, *undecided) {
        let (emails, wait) =
            if *undecided == 1 { ("e-mail", "waits") } else { ("e-mails", "wait") };
        out::data(&format!(
            "{undecided} {emails} of unknown fate {wait} for a decision: start the server, then \
             `rulerun queue list --status failed`\n"
        ))?;
    }
    Ok(Exit::problems_if(!left.is_empty()))
}

fn failure(error: &CareError) -> Failure {
    match error {
        CareError::InUse(_) => place::failure(error).help(
            "stop the server first, or look at a backup of it: `rulerun backup FILE`, `rulerun doctor FILE`",
        ),
        _ => place::failure(error),
    }
}

/// Whether it was there and is no more.
fn is_mended(one: &Finding, left: &[Finding]) -> bool {
    !left.iter().any(|other| other.flaw == one.flaw)
}

fn line(one: &Finding, left: &[Finding], backup: bool) -> String {
    let Finding { flaw, count, example } = one;
    let then = match flaw.mend() {
        Some(what) if is_mended(one, left) => format!("mended: {what}"),
        _ if is_mended(one, left) => String::from("gone with what was mended"),
        Some(what) if backup => format!("restore it, then `rulerun doctor --mend`: {what}"),
        Some(what) => format!("--mend: {what}"),
        None => String::from("cannot be mended here; an earlier backup may have them"),
    };
    format!("{count} {} (such as {}); {then}\n", flaw.what(), out::clean(example))
}

fn shape(one: &Finding, left: &[Finding]) -> Value {
    json!({
        "flaw": one.flaw.word(),
        "what": one.flaw.what(),
        "count": one.count,
        "example": one.example,
        "mend": one.flaw.mend(),
        "mended": is_mended(one, left),
    })
}
