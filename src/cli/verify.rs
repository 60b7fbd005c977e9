//! `rulerun verify`: checks a signature as the server does. When it does not match, likely
//! causes are tried one after the other, and the one that would have matched is named.

use clap::Args;
use serde_json::json;

use super::outcome::{Exit, Failure, Outcome};
use super::sign::{Body, Scheme, Secrets};
use super::{Format, out, variants};
use crate::base::{Clock as _, Delay, Secret};
use crate::serve::clock::SystemClock;
use crate::signature::{self, Presented};

const EXAMPLES: &str = "\
Examples:
  rulerun verify --secret-env N8N_WEBHOOK_SECRET -H 'X-N8N-Signature: 5f2b…' payload.json
  rulerun verify --secret-env WEBHOOK_SECRET -H 'webhook-id: msg_1' \\
      -H 'webhook-timestamp: 1764583800' -H 'webhook-signature: v1,K5oZ…' payload.json

Give the body exactly as it arrived, byte for byte. Ends with 1 when the server would refuse.";

/// What a mismatch without a cause is answered with.
const TRIED: &str = "tried without success: the body with and without a newline at its end, with other line ends, as compact, spaced and indented JSON, the secret without spaces around it, and every other scheme. Most likely the secret is another one, or the body was changed on its way";

/// What `verify` is told.
#[derive(Args, Debug)]
#[command(after_help = EXAMPLES)]
pub(super) struct VerifyArgs {
    #[command(flatten)]
    secrets: Secrets,
    #[command(flatten)]
    body: Body,
    /// A header as it arrived; give the signature's, and those of time and id if there are any.
    #[arg(long, short = 'H', value_name = "NAME: VALUE", required = true)]
    header: Vec<String>,
    /// What was signed [default: what the headers look like].
    #[arg(long, value_enum)]
    scheme: Option<Scheme>,
    /// How old the time may be.
    #[arg(long, value_name = "WAIT", default_value = "5min", value_parser = Delay::parse)]
    max_age: Delay,
    /// How to print.
    #[arg(long, value_enum, default_value_t)]
    format: Format,
}

/// What came of it.
struct Finding {
    matches: bool,
    message: String,
    help: Option<String>,
}

impl Finding {
    fn bad(message: impl Into<String>, help: impl Into<String>) -> Self {
        Self { matches: false, message: message.into(), help: Some(help.into()) }
    }
}

pub(super) fn run(args: &VerifyArgs) -> Outcome {
    let secrets = args.secrets.read()?;
    let body = args.body.bytes()?;
    let headers = Headers::read(&args.header)?;
    let scheme = args.scheme.unwrap_or_else(|| headers.scheme());
    let check =
        Check { secrets, presented: headers.presented(), body, now: SystemClock.now().as_second() };
    let max_age = i64::try_from(args.max_age.to_duration().as_secs()).unwrap_or(i64::MAX);
    let finding = check.finding(scheme, max_age, args.max_age);
    match args.format {
        Format::Json => out::json(&json!({
            "matches": finding.matches, "scheme": scheme.word(),
            "message": finding.message, "help": finding.help,
        }))?,
        Format::Human => {
            let help = finding.help.map(|help| format!("help: {help}\n")).unwrap_or_default();
            out::data(&format!("{}\n{help}", finding.message))?;
        }
    }
    Ok(Exit::problems_if(!finding.matches))
}

/// The headers that matter, by what they carry.
struct Headers {
    all: Vec<(String, String)>,
}

impl Headers {
    fn read(given: &[String]) -> Result<Self, Failure> {
        let split = |line: &String| {
            let (name, value) = line.split_once(':')?;
            Some((name.trim().to_ascii_lowercase(), value.trim().to_owned()))
        };
        let all = given
            .iter()
            .map(|line| {
                split(line).ok_or_else(|| {
                    Failure::new(format!("`{line}` is not a header"))
                        .help("write -H 'X-Webhook-Signature-256: 5f2b…'")
                })
            })
            .collect::<Result<_, _>>()?;
        Ok(Self { all })
    }

    fn about(&self, word: &str) -> Option<&str> {
        let mut fitting = self.all.iter().filter(|(name, _)| name.contains(word));
        fitting.next().map(|(_, value)| value.as_str())
    }

    fn presented(&self) -> Presented<'_> {
        Presented {
            signature: self.about("signature"),
            timestamp: self.about("timestamp"),
            id: self.about("webhook-id"),
        }
    }

    /// The scheme whose headers these are.
    fn scheme(&self) -> Scheme {
        let has = |wanted: &str| self.all.iter().any(|(name, _)| name == wanted);
        if has("webhook-signature") {
            Scheme::Standard
        } else if has("x-hub-signature-256") {
            Scheme::Github
        } else if has("stripe-signature") {
            Scheme::Stripe
        } else {
            Scheme::Body
        }
    }
}

/// One signature with everything that it is checked against.
struct Check<'a> {
    secrets: Vec<Secret>,
    presented: Presented<'a>,
    body: Vec<u8>,
    now: i64,
}

impl Check<'_> {
    /// Whether the signature itself fits, whatever its age.
    fn fits(&self, scheme: Scheme, secrets: &[Secret], body: &[u8]) -> Result<(), String> {
        self.within(scheme, secrets, body, i64::MAX)
    }

    fn within(
        &self,
        scheme: Scheme,
        secrets: &[Secret],
        body: &[u8],
        max_age: i64,
    ) -> Result<(), String> {
        let presented = &self.presented;
        signature::verify(scheme.known(), secrets, presented, body, self.now, max_age, true)
            .map(|_| ())
            .map_err(|fault| fault.message)
    }

    fn finding(&self, scheme: Scheme, max_age: i64, shown_age: Delay) -> Finding {
        match self.fits(scheme, &self.secrets, &self.body) {
            Ok(()) => match self.within(scheme, &self.secrets, &self.body, max_age) {
                Ok(()) => Finding {
                    matches: true,
                    message: String::from("the signature matches"),
                    help: None,
                },
                Err(why) => Finding::bad(
                    format!("the signature matches, and the call would be refused: {why}"),
                    format!(
                        "more than {shown_age} lie between its time and this machine's; compare the clocks, or sign again right before sending"
                    ),
                ),
            },
            Err(why) => self.cause(scheme).unwrap_or_else(|| Finding {
                matches: false,
                help: why.contains("does not match").then(|| String::from(TRIED)),
                message: why,
            }),
        }
    }

    /// The first likely cause that explains the signature.
    fn cause(&self, scheme: Scheme) -> Option<Finding> {
        let body = variants::of(&self.body)
            .into_iter()
            .find(|variant| self.fits(scheme, &self.secrets, &variant.body).is_ok());
        if let Some(variant) = body {
            return Some(Finding::bad(
                format!("the signature does not match this body: {}", variant.difference),
                "sign and send the same bytes: write the JSON to a text once, sign that text, send that text",
            ));
        }
        let trimmed: Vec<Secret> =
            self.secrets.iter().map(|secret| Secret::new(secret.expose().trim())).collect();
        if self.fits(scheme, &trimmed, &self.body).is_ok() {
            return Some(Finding::bad(
                "the signature was made with this secret without the spaces or line end around it",
                "take them away: `echo` adds a line end, `printf %s` does not",
            ));
        }
        let with_end: Vec<Secret> = self
            .secrets
            .iter()
            .map(|secret| Secret::new(format!("{}\n", secret.expose())))
            .collect();
        if self.fits(scheme, &with_end, &self.body).is_ok() {
            return Some(Finding::bad(
                "the signature was made with this secret and a line end after it",
                "take the line end away on the sender's side: `printf %s` writes none",
            ));
        }
        let others =
            [Scheme::Body, Scheme::Timestamped, Scheme::Standard, Scheme::Github, Scheme::Stripe];
        let other = others.into_iter().find(|other| {
            *other != scheme && self.fits(*other, &self.secrets, &self.body).is_ok()
        })?;
        Some(Finding::bad(
            format!(
                "the signature does not match with the scheme `{}`; it matches with `{}`",
                scheme.word(),
                other.word()
            ),
            format!(
                "write scheme=\"{}\" in the rules, or change what the sender signs",
                other.word()
            ),
        ))
    }
}
