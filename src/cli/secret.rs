//! `rulerun secret`: makes a secret that nobody can guess.

use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use clap::Args;
use serde_json::json;

use super::outcome::{Exit, Failure, Outcome};
use super::{Format, out};
use crate::serve::clock;

/// Bytes of a Standard Webhooks secret.
const STANDARD_BYTES: usize = 24;

const EXAMPLES: &str = "\
Examples:
  rulerun secret                                   for a key, a token or a signature
  echo \"WEBHOOK_SECRET=$(rulerun secret)\" >> .env
  rulerun secret --standard                        whsec_…, for Standard Webhooks";

/// What `secret` is told.
#[derive(Args, Debug)]
#[command(after_help = EXAMPLES)]
pub(super) struct SecretArgs {
    /// Make it in the form of Standard Webhooks.
    #[arg(long)]
    standard: bool,
    /// How to print.
    #[arg(long, value_enum, default_value_t)]
    format: Format,
}

pub(super) fn run(args: &SecretArgs) -> Outcome {
    let digits = clock::new_secret();
    let secret = if args.standard {
        let bytes = hex::decode(&digits).unwrap_or_default();
        let bytes = bytes.get(..STANDARD_BYTES).ok_or_else(|| Failure::new("no randomness"))?;
        format!("whsec_{}", STANDARD.encode(bytes))
    } else {
        digits
    };
    match args.format {
        Format::Human => out::data(&format!("{secret}\n"))?,
        Format::Json => out::json(&json!({ "secret": secret }))?,
    }
    Ok(Exit::Fine)
}
