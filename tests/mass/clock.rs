//! The clock that the test turns by hand, and never back.

use std::sync::atomic::{AtomicI64, Ordering};

use rulerun::base::{Clock, Timestamp, time};

#[derive(Debug)]
pub(crate) struct HandClock(AtomicI64);

impl HandClock {
    pub(crate) fn new(at: i64) -> Self {
        Self(AtomicI64::new(at))
    }

    pub(crate) fn millis(&self) -> i64 {
        self.0.load(Ordering::SeqCst)
    }

    /// Turns it to a moment that is not earlier.
    pub(crate) fn turn_to(&self, at: i64) {
        self.0.fetch_max(at, Ordering::SeqCst);
    }
}

impl Clock for HandClock {
    fn now(&self) -> Timestamp {
        time::from_millis(self.millis())
    }
}
