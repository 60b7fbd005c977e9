//! Signatures over raw bytes: making ours, checking theirs. A signature is an HMAC-SHA256
//! that only someone who knows a shared secret can make. Five schemes are spoken; they
//! differ in what is signed and in which headers it travels. Every secret of a list is
//! tried on every call, so the time taken does not tell which one fits.

mod key;
mod sign;
pub mod sns;
mod verify;

#[cfg(test)]
mod tests;

use crate::base::Secret;

/// What is signed, and in which headers it travels.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum Scheme {
    /// `X-Webhook-Signature-256`: hex HMAC-SHA256 of the body; the time header is not signed.
    Body,
    /// The same headers; HMAC over `timestamp.body`.
    Timestamped,
    /// Standard Webhooks: `webhook-id`, `webhook-timestamp`, `webhook-signature: v1,…`.
    Standard,
    /// `X-Hub-Signature-256: sha256=…` over the body.
    Github,
    /// `Stripe-Signature: t=…,v1=…` over `timestamp.body`.
    Stripe,
}

impl Scheme {
    /// Every scheme.
    const ALL: [Self; 5] =
        [Self::Body, Self::Timestamped, Self::Standard, Self::Github, Self::Stripe];

    /// The word that rule files and commands use.
    #[must_use]
    pub fn word(self) -> &'static str {
        match self {
            Self::Body => "body",
            Self::Timestamped => "timestamped",
            Self::Standard => "standard",
            Self::Github => "github",
            Self::Stripe => "stripe",
        }
    }

    /// The scheme of that word, if there is one.
    #[must_use]
    pub fn from_word(word: &str) -> Option<Self> {
        Self::ALL.into_iter().find(|scheme| scheme.word() == word)
    }
}

/// Headers of one signed request.
pub type Headers = Vec<(&'static str, String)>;

/// The headers that sign this attempt. `standard` carries one signature per secret, the
/// current one first; the other schemes sign with the first secret alone. No secret, no
/// headers.
#[must_use]
pub fn sign(scheme: Scheme, secrets: &[Secret], id: &str, seconds: i64, body: &[u8]) -> Headers {
    sign::headers(scheme, secrets, id, seconds, body)
}

/// What a call presented.
#[derive(Clone, Debug, Default)]
pub struct Presented<'a> {
    /// The signature header's value.
    pub signature: Option<&'a str>,
    /// The time header's value.
    pub timestamp: Option<&'a str>,
    /// The id header's value.
    pub id: Option<&'a str>,
}

/// A signature that holds.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Verified {
    /// What tells this call apart from others: the kind and value of an idempotency key
    /// (`webhook-id:…`, `signature:…`), from signed material only.
    pub identity: String,
    /// Whether the time was covered by the signature.
    pub time_signed: bool,
}

/// Why a signature does not hold; the text names the check, never the expected value.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct SignatureFault {
    /// For the caller.
    pub message: String,
}

/// Checks a signature against every secret, without leaving early.
///
/// `now_seconds` is the present, `max_age_seconds` how far a timestamp may lie from it in
/// either direction; both count in seconds. `time_optional` lets a call without a time
/// header pass where the time is not signed anyway ([`Scheme::Body`]); a time that is
/// there is always checked.
///
/// # Errors
/// What is missing, malformed, too old or wrong.
pub fn verify(
    scheme: Scheme,
    secrets: &[Secret],
    presented: &Presented<'_>,
    body: &[u8],
    now_seconds: i64,
    max_age_seconds: i64,
    time_optional: bool,
) -> Result<Verified, SignatureFault> {
    let window = verify::Window { now: now_seconds, max_age: max_age_seconds };
    verify::check(scheme, secrets, presented, body, window, time_optional)
}
