//! The real clock and real randomness: the only module that asks the machine for either.

use std::sync::LazyLock;
use std::sync::atomic::{AtomicU64, Ordering};

use sha2::{Digest as _, Sha256};
use uuid::Uuid;

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

/// A new id of that moment. Its tail is as good as random: a hash over a secret of this
/// process and a count, so that it costs no system call.
#[must_use]
pub fn new_id(at: Timestamp) -> Id {
    static SEED: LazyLock<Uuid> = LazyLock::new(Uuid::new_v4);
    static COUNT: AtomicU64 = AtomicU64::new(0);
    let mut hash = Sha256::new();
    hash.update(SEED.as_bytes());
    hash.update(COUNT.fetch_add(1, Ordering::Relaxed).to_be_bytes());
    let mut tail = [0; 10];
    tail.copy_from_slice(&hash.finalize()[..10]);
    Id::new(time::millis(at), &tail)
}

/// A new secret: 32 random bytes as 64 hex digits, the guide's form.
#[must_use]
pub fn new_secret() -> String {
    let random = [Uuid::new_v4(), Uuid::new_v4(), Uuid::new_v4()];
    // Three version 4 UUIDs hold 366 random bits; hashing them leaves 256 even ones.
    let mut hash = Sha256::new();
    for part in &random {
        hash.update(part.as_bytes());
    }
    hex::encode(hash.finalize())
}
