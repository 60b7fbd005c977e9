//! `rulerun openapi`: the OpenAPI 3.1 document of the endpoints and of rulerun's own API.

use clap::{Args, ValueEnum};

use super::environment::Environment;
use super::outcome::{Exit, Outcome};
use super::{Global, out, rules};
use crate::serve::api::openapi;

const EXAMPLES: &str = "\
Examples:
  rulerun openapi > openapi.json
  rulerun --rules examples/hello.kdl openapi

A running server gives the same document at /api/v1/openapi.json.";

/// What `openapi` is told.
#[derive(Args, Debug)]
#[command(after_help = EXAMPLES)]
pub(super) struct OpenapiArgs {
    /// How to print.
    #[arg(long, value_enum, default_value_t)]
    format: Shape,
}

#[derive(Clone, Copy, Debug, Default, ValueEnum)]
enum Shape {
    /// JSON, which every tool reads.
    #[default]
    Json,
}

pub(super) fn run(global: &Global, args: &OpenapiArgs) -> Outcome {
    let rules = rules::sound(global)?;
    let base = rules::public_url(&rules, &Environment::load()?)?;
    match args.format {
        Shape::Json => out::json(&openapi::document(&rules, &base))?,
    }
    Ok(Exit::Fine)
}
