//! placeholder
use super::Global;
use super::outcome::{Exit, Outcome};
use clap::Args;
#[derive(Args, Debug)]
pub(super) struct DocsArgs {}
pub(super) fn run(_: &Global, _: &DocsArgs) -> Outcome {
    Ok(Exit::Fine)
}
