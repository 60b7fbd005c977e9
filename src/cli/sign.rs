//! `rulerun sign`: signs a body as a webhook sender does, and prints the headers.

use clap::{Args, ValueEnum};
use serde_json::{Map, Value};

use super::environment::Environment;
use super::outcome::{Exit, Failure, Outcome};
use super::{Format, data, out};
use crate::base::{Clock as _, Secret};
use crate::model::Lookup as _;
use crate::serve::clock::{self, SystemClock};
use crate::serve::curl;
use crate::signature;

const EXAMPLES: &str = "\
Examples:
  rulerun sign --secret-env N8N_WEBHOOK_SECRET --data '{\"demo_id\": 456, \"approved\": true}'
  rulerun sign --secret-env WEBHOOK_SECRET --scheme standard payload.json
  cat payload.json | rulerun sign --secret-env WEBHOOK_SECRET -

The bytes are signed as they are, a newline at the end of a file included: send a file with
curl --data-binary @FILE, because -d takes its newlines away.";

/// A body, as bytes that nothing touches.
#[derive(Args, Debug)]
#[group(required = true, multiple = false)]
pub(super) struct Body {
    /// The body itself.
    #[arg(long, short, value_name = "TEXT")]
    data: Option<String>,
    /// The file that holds the body, or - for the pipe.
    #[arg(value_name = "FILE|-", value_hint = clap::ValueHint::FilePath)]
    file: Option<String>,
}

impl Body {
    pub(super) fn bytes(&self) -> Result<Vec<u8>, Failure> {
        match &self.data {
            Some(text) => Ok(text.clone().into_bytes()),
            None => data::file_or_pipe(self.file.as_deref().unwrap_or("-")),
        }
    }
}

/// Secrets, given or named.
#[derive(Args, Debug)]
#[group(required = true, multiple = true)]
pub(super) struct Secrets {
    /// A secret. Other users of this machine may see it; --secret-env hides it.
    #[arg(long, value_name = "SECRET")]
    secret: Vec<String>,
    /// The variable that holds a secret, in the environment or in .env.
    #[arg(long, value_name = "NAME")]
    secret_env: Vec<String>,
}

impl Secrets {
    pub(super) fn read(&self) -> Result<Vec<Secret>, Failure> {
        let mut secrets: Vec<Secret> = self.secret.iter().map(Secret::new).collect();
        if !self.secret_env.is_empty() {
            let environment = Environment::load()?;
            for name in &self.secret_env {
                let found = environment.env(name).ok_or_else(|| {
                    Failure::new(format!("{name} is not set in the environment or in .env"))
                })?;
                secrets.push(Secret::new(found));
            }
        }
        Ok(secrets)
    }
}

/// The ways to sign.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, ValueEnum)]
pub(super) enum Scheme {
    /// X-Webhook-Signature-256 over the body; the time is not signed.
    #[default]
    Body,
    /// X-Webhook-Signature-256 over time and body.
    Timestamped,
    /// Standard Webhooks.
    Standard,
    /// GitHub's X-Hub-Signature-256.
    Github,
    /// Stripe's Stripe-Signature.
    Stripe,
}

impl Scheme {
    pub(super) fn known(self) -> signature::Scheme {
        match self {
            Self::Body => signature::Scheme::Body,
            Self::Timestamped => signature::Scheme::Timestamped,
            Self::Standard => signature::Scheme::Standard,
            Self::Github => signature::Scheme::Github,
            Self::Stripe => signature::Scheme::Stripe,
        }
    }

    pub(super) fn word(self) -> &'static str {
        self.known().word()
    }
}

/// What `sign` is told.
#[derive(Args, Debug)]
#[command(after_help = EXAMPLES)]
pub(super) struct SignArgs {
    #[command(flatten)]
    secrets: Secrets,
    #[command(flatten)]
    body: Body,
    /// What is signed, and in which headers.
    #[arg(long, value_enum, default_value_t)]
    scheme: Scheme,
    /// The webhook-id of the standard scheme [default: a new one].
    #[arg(long, value_name = "ID")]
    id: Option<String>,
    /// The time of signing, in seconds since 1970 [default: now].
    #[arg(long, value_name = "SECONDS")]
    timestamp: Option<i64>,
    /// How to print: arguments for curl, or a JSON object.
    #[arg(long, value_enum, default_value_t)]
    format: Format,
}

pub(super) fn run(args: &SignArgs) -> Outcome {
    let secrets = args.secrets.read()?;
    let body = args.body.bytes()?;
    let now = SystemClock.now();
    let id = args.id.clone().unwrap_or_else(|| format!("msg_{}", clock::new_id(now)));
    let seconds = args.timestamp.unwrap_or_else(|| now.as_second());
    let headers = signature::sign(args.scheme.known(), &secrets, &id, seconds, &body);
    match args.format {
        Format::Json => {
            let fields: Map<String, Value> =
                headers.into_iter().map(|(name, value)| (name.to_owned(), value.into())).collect();
            out::json(&Value::Object(fields))?;
        }
        Format::Human => {
            let lines: Vec<String> = headers
                .iter()
                .map(|(name, value)| format!("-H {}", curl::quote(&format!("{name}: {value}"))))
                .collect();
            out::data(&format!("{}\n", lines.join(" \\\n")))?;
        }
    }
    if body.ends_with(b"\n") {
        out::note("the body ends with a newline, which is signed as well");
    }
    Ok(Exit::Fine)
}
