//! Ids of calls, jobs and enrolments: 16 bytes that begin with the time (UUID version 7),
//! so that newer ones sort last and a store can walk them in order. People see them as
//! 22 letters and digits, the shape of Kestra's ids.

use serde::{Deserialize, Serialize};
use sha2::{Digest as _, Sha256};

const ALPHABET: &[u8; 62] = b"0123456789ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz";

/// A time-ordered id.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, PartialOrd, Ord, Serialize, Deserialize)]
pub struct Id(pub [u8; 16]);

impl Id {
    /// An id of the given moment and ten bytes of randomness.
    #[must_use]
    pub fn new(millis: i64, random: &[u8; 10]) -> Self {
        let millis = u64::try_from(millis).unwrap_or(0);
        Self(*uuid::Builder::from_unix_timestamp_millis(millis, random).as_uuid().as_bytes())
    }

    /// The id that follows from this one and a label: the same both times it is asked, with
    /// the time of its parent. Jobs and enrolments get theirs from the call, so deciding a
    /// call again never makes a second set.
    #[must_use]
    pub fn derive(&self, label: &str) -> Self {
        let mut hash = Sha256::new();
        hash.update(self.0);
        hash.update(label.as_bytes());
        let digest = hash.finalize();
        let mut random = [0; 10];
        random.copy_from_slice(&digest[..10]);
        Self::new(self.millis(), &random)
    }

    /// Milliseconds since 1970 when it was made.
    #[must_use]
    pub fn millis(&self) -> i64 {
        self.0[..6].iter().fold(0, |millis, byte| millis << 8 | i64::from(*byte))
    }

    /// The smallest id of a moment, for walking a stretch of time.
    #[must_use]
    pub fn floor(millis: i64) -> Self {
        let mut bytes = [0; 16];
        bytes[..6].copy_from_slice(&u64::try_from(millis).unwrap_or(0).to_be_bytes()[2..]);
        Self(bytes)
    }
}

impl std::fmt::Display for Id {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        let mut number = u128::from_be_bytes(self.0);
        let mut text = [b'0'; 22];
        for digit in text.iter_mut().rev() {
            *digit = ALPHABET[(number % 62) as usize];
            number /= 62;
        }
        f.write_str(std::str::from_utf8(&text).unwrap_or_default())
    }
}

impl std::str::FromStr for Id {
    type Err = ();

    fn from_str(text: &str) -> Result<Self, ()> {
        if text.len() != 22 {
            return Err(());
        }
        text.bytes()
            .try_fold(0_u128, |number, byte| {
                let digit = ALPHABET.iter().position(|letter| *letter == byte)?;
                number.checked_mul(62)?.checked_add(digit as u128)
            })
            .map(|number| Self(number.to_be_bytes()))
            .ok_or(())
    }
}

#[cfg(test)]
mod tests {
    use super::Id;

    #[test]
    fn an_id_reads_back_and_keeps_its_time() {
        let id = Id::new(1_764_583_800_123, &[7; 10]);
        assert_eq!(id.to_string().len(), 22);
        assert_eq!(id.to_string().parse(), Ok(id));
        assert_eq!(id.millis(), 1_764_583_800_123);
        assert!(Id::floor(1_764_583_800_123) <= id);
        assert_eq!(id.derive("a"), id.derive("a"));
        assert_ne!(id.derive("a"), id.derive("b"));
    }
}
