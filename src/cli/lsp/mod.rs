//! `rulerun lsp`: the language server. An editor starts it and talks to it over standard
//! input and output (the Language Server Protocol 3.17): mistakes while somebody types,
//! completion, help, jumps to where a name is declared, renaming, quick fixes and formatting.
//!
//! One thread reads, so that what the editor has sent since is known; another one answers,
//! one message after the other. Mistakes are published when nothing is left to read, so a
//! fast typist is answered once and never with what is old.

mod complete;
mod edits;
mod hover;
mod mistakes;
mod navigate;
mod position;
mod rename;
mod server;
mod symbols;
mod uri;
mod values;
mod wire;
mod workspace;

use std::io::BufReader;
use std::sync::mpsc;

use clap::Args;

use super::Global;
use super::outcome::{Failure, Outcome};
use server::Server;

const EXAMPLES: &str = "\
An editor starts this; docs/editors.md has the lines for VS Code, Neovim, Zed and Helix.
It talks over standard input and output until the editor says good-bye.";

/// So many messages are read ahead of what is answered.
const READ_AHEAD: usize = 64;

/// What `lsp` is told.
#[derive(Args, Debug)]
#[command(after_help = EXAMPLES)]
pub(super) struct LspArgs {
    /// Talk over standard input and output, which it always does.
    #[arg(long, hide = true)]
    stdio: bool,
}

pub(super) fn run(global: &Global, args: &LspArgs) -> Outcome {
    let LspArgs { stdio: _ } = args;
    let here = std::env::current_dir()
        .map_err(|why| Failure::new(format!("cannot tell the folder that it runs in: {why}")))?;
    let (sender, inbox) = mpsc::sync_channel(READ_AHEAD);
    std::thread::spawn(move || {
        let mut input = BufReader::new(std::io::stdin().lock());
        // The end of input, a broken one too, is the end of the channel.
        while let Ok(Some(message)) = wire::read(&mut input) {
            if sender.send(message).is_err() {
                return;
            }
        }
    });
    Ok(Server::new(&global.rules, here, inbox, std::io::stdout().lock()).run())
}
