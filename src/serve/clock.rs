//! The real clock and real randomness: the only module that asks the machine for either.

use sha2::{Digest as _, Sha256};

use crate::base::{Clock, Id, Timestamp, time};

/// The wall clock.
#[derive(Clone, Copy, Debug, Default)]
pub struct SystemClock;

impl Clock for SystemClock {
    #[expect(clippy::disallowed_methods, reason = "this is the one clock that may ask")]
    fn now(&self) -> Timestamp {
        Timestamp::now()
    }
}

/// A new id of that moment.
#[must_use]
pub fn new_id(at: Timestamp) -> Id {
    let random = uuid::Uuid::new_v4();
    let mut ten = [0; 10];
    ten.copy_from_slice(&random.as_bytes()[..10]);
    // Bytes 6 and 8 of a version 4 UUID hold fixed bits; the tail is random throughout.
    ten[6..].copy_from_slice(&random.as_bytes()[12..]);
    Id::new(time::millis(at), &ten)
}

/// A new secret: 32 random bytes as 64 hex digits, the guide's form.
#[must_use]
pub fn new_secret() -> String {
    let random = [uuid::Uuid::new_v4(), uuid::Uuid::new_v4(), uuid::Uuid::new_v4()];
    // Three version 4 UUIDs hold 366 random bits; hashing them leaves 256 even ones.
    let mut hash = Sha256::new();
    for part in &random {
        hash.update(part.as_bytes());
    }
    hex::encode(hash.finalize())
}
