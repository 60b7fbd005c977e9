//! `rulerun completions SHELL`: what a shell needs to complete commands.

use clap::Args;
use clap_complete::Shell;

use super::outcome::{Exit, Outcome};
use super::{help, out};

const EXAMPLES: &str = "\
Examples:
  rulerun completions bash > ~/.local/share/bash-completion/completions/rulerun
  rulerun completions zsh > \"${fpath[1]}/_rulerun\"
  rulerun completions fish > ~/.config/fish/completions/rulerun.fish";

/// What `completions` is told.
#[derive(Args, Debug)]
#[command(after_help = EXAMPLES)]
pub(super) struct CompletionsArgs {
    /// The shell.
    #[arg(value_enum)]
    shell: Shell,
}

pub(super) fn run(args: &CompletionsArgs) -> Outcome {
    // Into memory first: the generator panics when the pipe is closed.
    let mut script = Vec::new();
    clap_complete::generate(args.shell, &mut help::command(), "rulerun", &mut script);
    out::data(&String::from_utf8_lossy(&script))?;
    Ok(Exit::Fine)
}
