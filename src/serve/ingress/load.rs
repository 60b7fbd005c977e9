//! How much is going on at once. A [`Gauge`] counts something that is bounded (calls, bytes of
//! bodies); whoever wants some of it takes a [`Share`] and gives it back by dropping it. The
//! bound is told with every taking, so an edit of the rules takes effect at once.

use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};

/// So much memory, in bytes, all bodies together may take that are being read, understood and
/// answered; more where the rules allow single bodies that would not fit.
const BODIES: usize = 64 * 1024 * 1024;
/// What one value of a JSON text takes in memory once it is read, in bytes: `{"a":[]}` takes
/// 324 for each of its two values, and rules look at a copy.
const VALUE: usize = 512;
/// Reading stops after so many values.
const MOST_VALUES: usize = 10_000;

/// Counts what is taken.
#[derive(Debug, Default)]
pub(super) struct Gauge {
    taken: AtomicUsize,
}

impl Gauge {
    /// A share of nothing yet.
    pub(super) fn share(self: &Arc<Self>) -> Share {
        Share { gauge: Arc::clone(self), amount: 0 }
    }

    /// Takes so much, unless all together would then be more than `limit`.
    pub(super) fn take(self: &Arc<Self>, amount: usize, limit: usize) -> Option<Share> {
        let mut share = self.share();
        share.grow(amount, limit).then_some(share)
    }
}

/// What somebody has taken; it is given back when this is dropped.
#[derive(Debug)]
pub(super) struct Share {
    gauge: Arc<Gauge>,
    amount: usize,
}

impl Share {
    /// Takes more; false when all together would then be more than `limit`.
    pub(super) fn grow(&mut self, more: usize, limit: usize) -> bool {
        let fits = |taken: usize| taken.checked_add(more).filter(|sum| *sum <= limit);
        let grown =
            self.gauge.taken.fetch_update(Ordering::Relaxed, Ordering::Relaxed, fits).is_ok();
        if grown {
            self.amount += more;
        }
        grown
    }
}

impl Drop for Share {
    fn drop(&mut self) {
        self.gauge.taken.fetch_sub(self.amount, Ordering::Relaxed);
    }
}

/// The memory for all bodies together, in bytes, where a single one may have `body` bytes.
pub(super) fn room_for_bodies(body: usize) -> usize {
    BODIES.max(body.saturating_mul(2).saturating_add(MOST_VALUES * VALUE))
}

/// What a JSON text will take in memory beside its own bytes, at most. Each value but the first
/// follows a comma, or opens a list or object.
pub(super) fn weight(json: &[u8]) -> usize {
    let values = 1 + json.iter().filter(|byte| matches!(byte, b',' | b'[' | b'{')).count();
    values.min(MOST_VALUES) * VALUE
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn nobody_takes_more_than_there_is_and_what_is_dropped_is_there_again() {
        let gauge = Arc::<Gauge>::default();
        let mut first = gauge.take(6, 10).expect("room");
        assert!(gauge.take(5, 10).is_none());
        assert!(first.grow(4, 10));
        assert!(!first.grow(1, 10) && !first.grow(usize::MAX, 10));
        assert!(gauge.take(1, 11).is_some(), "a limit may be raised while shares are out");
        drop(first);
        assert!(gauge.take(10, 10).is_some());
    }

    #[test]
    fn a_text_of_brackets_weighs_what_it_costs_and_any_declared_body_fits() {
        assert_eq!(weight(br#"{"email":"a@example.com","n":1}"#), 3 * VALUE);
        assert_eq!(weight("[[]".repeat(100_000).as_bytes()), MOST_VALUES * VALUE);
        for body in [1, 256 * 1024, 64 * 1024 * 1024] {
            assert!(body + MOST_VALUES * VALUE <= room_for_bodies(body));
        }
    }
}
