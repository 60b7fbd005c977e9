//! The suppression list: who gets no more (marketing) e-mail, and why. An address stands in it
//! as its SHA-256, so that a person who was forgotten stays suppressed without being known.
//! The hash has no key of its own: a list that is carried to another server must still name
//! the same people, and a key would lie in the same store, beside what it should protect.

use serde::{Deserialize, Serialize};
use sha2::{Digest as _, Sha256};

use crate::base::address;

/// The SHA-256 of an address, spelt as the person is known.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, PartialOrd, Ord, Serialize, Deserialize)]
pub struct Fingerprint(pub [u8; 32]);

impl Fingerprint {
    /// Of an address.
    #[must_use]
    pub fn of(address: &str) -> Self {
        Self(Sha256::digest(address::person(address)).into())
    }

    /// Reads 64 hexadecimal digits; none where it is something else.
    #[must_use]
    pub fn parse(text: &str) -> Option<Self> {
        let mut bytes = [0; 32];
        hex::decode_to_slice(text.trim(), &mut bytes).ok()?;
        Some(Self(bytes))
    }
}

impl std::fmt::Display for Fingerprint {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str(&hex::encode(self.0))
    }
}

/// The person asked for it.
pub const UNSUBSCRIBED: &str = "unsubscribed";
/// A message came back for good.
pub const BOUNCED: &str = "bounced";
/// The person reported a message as spam.
pub const COMPLAINED: &str = "complained";
/// Somebody put the address on the list by hand.
pub const MANUAL: &str = "manual";
/// Messages came back for now, too often: marketing rests for [`REST`].
pub const SOFT_BOUNCED: &str = "soft-bounced";
/// Every reason.
pub const REASONS: [&str; 5] = [UNSUBSCRIBED, BOUNCED, COMPLAINED, MANUAL, SOFT_BOUNCED];

/// How long soft bounces keep marketing from an address, in milliseconds.
pub const REST: i64 = 7 * 86_400_000;

/// A reason as a sentence without its full stop.
#[must_use]
pub fn because(reason: &str) -> &str {
    match reason {
        UNSUBSCRIBED => "the address is unsubscribed",
        BOUNCED => "the address is bounced",
        SOFT_BOUNCED => "too many e-mails to the address came back lately",
        COMPLAINED => "the person has reported an e-mail as spam",
        _ => "the address was put on the suppression list by hand",
    }
}

/// One reason why an address gets no (marketing) e-mail.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Suppression {
    /// Whose address.
    pub who: Fingerprint,
    /// One of [`REASONS`].
    pub reason: String,
    /// The one sequence that it is about; none means all of them.
    pub sequence: Option<String>,
    /// Where it came from, for people.
    pub note: String,
    /// When, in milliseconds since 1970.
    pub at: i64,
}

impl Suppression {
    /// Whether e-mails of this sequence are meant.
    #[must_use]
    pub fn covers(&self, sequence: &str) -> bool {
        self.sequence.as_deref().is_none_or(|only| only == sequence)
    }

    /// Whether it has served its time at that moment, in milliseconds.
    #[must_use]
    pub fn is_over(&self, now: i64) -> bool {
        !self.is_lasting() && self.at.saturating_add(REST) <= now
    }

    /// Whether it stays until somebody lifts it.
    #[must_use]
    pub fn is_lasting(&self) -> bool {
        self.reason != SOFT_BOUNCED
    }

    /// Whether a person has to agree before it is lifted: it was their own word.
    #[must_use]
    pub fn was_asked_for(&self) -> bool {
        matches!(&*self.reason, UNSUBSCRIBED | COMPLAINED)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_address_is_the_same_however_it_is_typed() {
        let sarah = Fingerprint::of("sarah@example.com");
        assert_eq!(Fingerprint::of(" Sarah@Example.com "), sarah);
        let own = Fingerprint::of("sarah@müller.example");
        assert_eq!(Fingerprint::of("sarah@xn--mller-kva.example"), own);
        assert_eq!(Fingerprint::parse(&sarah.to_string()), Some(sarah));
        assert_eq!(Fingerprint::parse("sarah@example.com"), None);
        // What `printf %s sarah@example.com | sha256sum` prints.
        let known = "1b0df3084513e398249e55cd6fe2b41dda58e0d835f78c6b8d33c08909c3df9e";
        assert_eq!(sarah.to_string(), known);
    }
}
