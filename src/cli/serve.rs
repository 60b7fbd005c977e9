//! `rulerun serve`: runs the rules.

use std::path::PathBuf;

use clap::Args;

use super::Global;
use super::outcome::{Failure, Outcome};

const EXAMPLES: &str = "\
Examples:
  rulerun serve                             ./rules and ./schemas
  rulerun serve --dev                       try things out: secrets are made up, e-mail is captured
  rulerun serve --dev --speed 1440          a day passes in a minute
  rulerun serve --listen 0.0.0.0:8080 --data /var/lib/rulerun";

/// What `serve` is told.
#[derive(Args, Debug)]
#[command(after_help = EXAMPLES)]
pub(super) struct ServeArgs {
    /// Rule files or folders [default: --rules, else rules and schemas].
    #[arg(value_name = "PATH")]
    pub(super) paths: Vec<PathBuf>,
    /// Address and port to listen on, instead of the rules' own.
    #[arg(long, value_name = "ADDRESS:PORT")]
    pub(super) listen: Option<String>,
    /// Folder that keeps the state, instead of the rules' own.
    #[arg(long, value_name = "FOLDER")]
    pub(super) data: Option<String>,
    /// Make up missing secrets and keep them in the data folder, print ready curl lines, and
    /// capture e-mail instead of sending it.
    #[arg(long)]
    pub(super) dev: bool,
    /// Let the waits of sequences pass so many times faster.
    #[arg(long, value_name = "N", default_value_t = 1, value_parser = clap::value_parser!(u32).range(1..=1_000_000))]
    pub(super) speed: u32,
    /// With --speed: reach services on other machines all the same.
    #[arg(long, requires = "speed")]
    pub(super) yes_really_send: bool,
}

/// Runs until it is told to stop.
///
/// # Errors
/// The rules cannot be read, a setting is missing, or the address or data folder is taken.
pub(super) fn run(global: &Global, args: &ServeArgs) -> Outcome {
    let _ = (global, args);
    Err(Failure::new("`rulerun serve` is not built in yet"))
}
