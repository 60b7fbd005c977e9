//! Text that must never be printed: keys, tokens, passwords.

use sha2::{Digest as _, Sha256};
use subtle::ConstantTimeEq as _;

/// A secret. Printing it in any way shows `***`; only [`Secret::expose`] gives the text.
#[derive(Clone, PartialEq, Eq, Hash)]
pub struct Secret {
    text: String,
    /// SHA-256 of the text, so that a comparison hashes only what was given.
    digest: [u8; 32],
}

impl Secret {
    /// Wraps a text.
    pub fn new(text: impl Into<String>) -> Self {
        let text = text.into();
        let digest = Sha256::digest(text.as_bytes()).into();
        Self { text, digest }
    }

    /// The text itself, for the one place that signs or sends it.
    #[must_use]
    pub fn expose(&self) -> &str {
        &self.text
    }

    /// Whether `given` is this secret, in time that does not tell how much of it fits.
    /// Digests of equal length are compared, so the length stays hidden as well.
    #[must_use]
    pub fn matches(&self, given: &str) -> bool {
        let given = Sha256::digest(given.as_bytes());
        self.digest.ct_eq(given.as_slice()).into()
    }
}

impl std::fmt::Debug for Secret {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str("***")
    }
}

impl std::fmt::Display for Secret {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str("***")
    }
}
