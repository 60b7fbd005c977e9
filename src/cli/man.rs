//! `rulerun man`: manual pages, made from the same words as `--help`.

use std::path::{Path, PathBuf};

use clap::{Args, Command};
use clap_mangen::Man;

use super::outcome::{Exit, Failure, Outcome};
use super::{files, help, out};

const EXAMPLES: &str = "\
Examples:
  rulerun man | man -l -                          the page of rulerun itself
  rulerun man --out ~/.local/share/man/man1       a page for every verb, for `man rulerun-serve`";

/// What `man` is told.
#[derive(Args, Debug)]
#[command(after_help = EXAMPLES)]
pub(super) struct ManArgs {
    /// Write a page for every verb into this folder, which is made if it is not there.
    #[arg(long, value_name = "DIR", value_hint = clap::ValueHint::DirPath)]
    out: Option<PathBuf>,
}

pub(super) fn run(args: &ManArgs) -> Outcome {
    let mut command = help::command().disable_help_subcommand(true);
    command.build();
    let Some(folder) = &args.out else {
        out::data(&String::from_utf8_lossy(&page(command)?))?;
        return Ok(Exit::Fine);
    };
    files::folder(folder)?;
    let mut names = Vec::new();
    write(folder, command, "rulerun", &mut names)?;
    out::data(&(names.join("\n") + "\n"))?;
    Ok(Exit::Fine)
}

/// Writes the page of a command and of every command below it.
fn write(
    folder: &Path,
    command: Command,
    name: &str,
    names: &mut Vec<String>,
) -> Result<(), Failure> {
    let below: Vec<Command> =
        command.get_subcommands().filter(|below| !below.is_hide_set()).cloned().collect();
    let path = folder.join(format!("{name}.1"));
    // The page's title is the command's display name, which for a verb is rulerun-VERB.
    files::write(&path, page(command)?)?;
    names.push(path.display().to_string());
    for command in below {
        let name = format!("{name}-{}", command.get_name());
        write(folder, command, &name, names)?;
    }
    Ok(())
}

fn page(command: Command) -> Result<Vec<u8>, Failure> {
    let mut text = Vec::new();
    Man::new(command)
        .render(&mut text)
        .map_err(|why| Failure::new(format!("the page cannot be made: {why}")))?;
    Ok(text)
}
