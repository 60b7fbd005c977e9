//! The real clock and real randomness: the only module that asks the machine for either.

use std::sync::LazyLock;
use std::sync::atomic::{AtomicU64, Ordering};
use std::time::Instant;

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

    #[expect(clippy::disallowed_methods, reason = "this is the one clock that may ask")]
    fn passing(&self) -> i64 {
        static BEGAN: LazyLock<Instant> = LazyLock::new(Instant::now);
        i64::try_from(BEGAN.elapsed().as_millis()).unwrap_or(i64::MAX)
    }
}

/// Makes ids. Their tails are as good as random: a hash over a secret and a count, so that one
/// costs no system call.
#[derive(Debug)]
pub struct Ids {
    secret: [u8; 16],
    count: AtomicU64,
}

impl Ids {
    /// Ids that follow from this secret: the same secret makes the same ids in the same order,
    /// which is for simulations alone.
    #[must_use]
    pub fn of(secret: [u8; 16]) -> Self {
        Self { secret, count: AtomicU64::new(0) }
    }

    /// A new id of that moment.
    pub fn next(&self, at: Timestamp) -> Id {
        let mut hash = Sha256::new();
        hash.update(self.secret);
        hash.update(self.count.fetch_add(1, Ordering::Relaxed).to_be_bytes());
        let mut tail = [0; 10];
        tail.copy_from_slice(&hash.finalize()[..10]);
        Id::new(time::millis(at), &tail)
    }
}

impl Default for Ids {
    /// Ids that nobody can foresee.
    fn default() -> Self {
        Self::of(*Uuid::new_v4().as_bytes())
    }
}

/// A new id of that moment that nobody can foresee.
#[must_use]
pub fn new_id(at: Timestamp) -> Id {
    static IDS: LazyLock<Ids> = LazyLock::new(Ids::default);
    IDS.next(at)
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
