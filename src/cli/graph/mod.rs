//! placeholder
use super::Global;
use super::outcome::{Exit, Outcome};
use clap::Args;
#[derive(Args, Debug)]
pub(super) struct GraphArgs {}
pub(super) fn run(_: &Global, _: &GraphArgs) -> Outcome {
    Ok(Exit::Fine)
}
