//! `rulerun restore`: puts a backup where the store belongs.

use std::path::PathBuf;

use clap::Args;
use serde_json::json;

use super::outcome::{Exit, Outcome};
use super::place::{self, Place};
use super::{Format, Global, out, progress};
use crate::store::{self, Restored};

const EXAMPLES: &str = "\
Examples:
  rulerun restore /backups/rulerun.backup                      into an empty data folder
  rulerun restore /backups/rulerun.backup --replace --paused   instead of a damaged store, to look first";

/// What `restore` is told.
#[derive(Args, Debug)]
#[command(after_help = EXAMPLES)]
pub(super) struct RestoreArgs {
    /// The backup.
    #[arg(value_name = "FILE")]
    file: PathBuf,
    #[command(flatten)]
    place: Place,
    /// Move a store that is there aside first.
    #[arg(long)]
    replace: bool,
    /// Let the queue be paused: nothing is sent until `rulerun queue resume`.
    #[arg(long)]
    paused: bool,
    /// How to print.
    #[arg(long, value_enum, default_value_t)]
    format: Format,
}

pub(super) fn run(global: &Global, args: &RestoreArgs) -> Outcome {
    let folder = args.place.store(global)?;
    let restored = progress::during("restoring", |_| {
        store::restore(&args.file, &folder, place::now(), args.replace, args.paused)
    });
    let Restored { contents, aside } = restored.map_err(|error| place::failure(&error))?;
    let (shown, moment) = (folder.display(), place::moment(contents.taken));
    match args.format {
        Format::Human => out::data(&format!("{shown} now holds {}\n", place::holds(&contents)))?,
        Format::Json => {
            let mut shape = place::shape(&contents);
            shape["store"] = json!(folder);
            shape["aside"] = json!(aside);
            shape["paused"] = json!(args.paused);
            out::json(&shape)?;
        }
    }
    if let Some(aside) = aside {
        out::note(&format!("The store that was there is kept as {}.", aside.display()));
    }
    out::note(&format!(
        "The backup was begun {moment}. What was accepted after it is not in it, and what was\n\
         sent after it will be sent again: the backup does not know of it.",
    ));
    out::note(if args.paused {
        "The queue is paused. `rulerun serve` sends nothing until `rulerun queue resume`;\n\
         `rulerun queue list --status pending` shows what would leave, `rulerun queue cancel ID` drops it."
    } else {
        "`rulerun serve` begins to send at once. To look first, restore with --replace --paused."
    });
    Ok(Exit::Fine)
}
