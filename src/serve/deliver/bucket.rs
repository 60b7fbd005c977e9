//! The rate of a lane. What it has used up survives a restart: a moment is written down before
//! attempts begin, a little ahead of them, so that one write serves for a while and a process
//! that dies can only have sent less than was written, never more.

use crate::model::setting::Rate;

/// What may be sent at one moment is what the rate brings in so many milliseconds.
const BURST_MILLIS: u64 = 50;
/// How far ahead the written moment is, in milliseconds: a lane that always sends writes once
/// in this time, and waits so much longer after a restart at most.
const AHEAD: i64 = 1_000;

/// A token bucket that keeps its promise exactly: in no stretch of one period do more than
/// `count` attempts begin. A plain bucket of size `burst` would let `count + burst` through;
/// so this one fills a little slower, at `count - burst + 1` per period. The burst is what
/// the rate brings in 50 ms and at least 1, so a rate of up to 20 a second is evenly spaced
/// and loses nothing, and a higher one loses at most a twentieth.
#[derive(Debug)]
pub(super) struct Bucket {
    /// Tokens per period.
    fill: i128,
    period: i128,
    burst: i128,
    /// The moment (times `fill`, to keep fractions of milliseconds) from which the bucket
    /// has filled up completely.
    full_at: i128,
    /// Up to where a restart would find it used up, in milliseconds.
    kept: i64,
}

impl Bucket {
    /// A full one.
    pub(super) fn new(rate: Rate) -> Self {
        let count = u64::from(rate.count.max(1));
        let period = rate.per_millis.max(1);
        let burst = (count.saturating_mul(BURST_MILLIS) / period).clamp(1, count);
        let fill = i128::from(count - burst + 1);
        Self {
            fill,
            period: period.into(),
            burst: burst.into(),
            full_at: i128::MIN,
            kept: i64::MIN,
        }
    }

    /// How many tokens there are.
    pub(super) fn free(&self, now: i64) -> usize {
        let missing = self.full_at.saturating_sub(i128::from(now) * self.fill).max(0);
        let tokens = self.burst - (missing + self.period - 1).div_euclid(self.period);
        usize::try_from(tokens.max(0)).unwrap_or(usize::MAX)
    }

    /// When there is a token, `now` at the earliest.
    pub(super) fn next(&self, now: i64) -> i64 {
        let missing_may_be = (self.burst - 1) * self.period;
        let at = self.full_at.saturating_sub(missing_may_be);
        let at = at.saturating_add(self.fill - 1).div_euclid(self.fill);
        i64::try_from(at.max(now.into())).unwrap_or(i64::MAX)
    }

    /// Takes one.
    pub(super) fn take(&mut self, now: i64) {
        self.full_at = self.full_at.max(i128::from(now) * self.fill) + self.period;
    }

    /// Puts one back.
    pub(super) fn put_back(&mut self) {
        self.full_at = self.full_at.saturating_sub(self.period);
    }

    /// When it will have filled up, in milliseconds.
    pub(super) fn full_at(&self) -> i64 {
        let at = self.full_at.saturating_add(self.fill - 1).div_euclid(self.fill);
        i64::try_from(at).unwrap_or(i64::MIN)
    }

    /// Goes on where another one was that will have filled up then. A clock that was set back
    /// meanwhile does not make it wait longer than an empty bucket would.
    pub(super) fn resume(&mut self, full_at: i64, now: i64) {
        let empty = (self.burst * self.period).div_euclid(self.fill);
        let most = i128::from(now).saturating_add(empty + i128::from(AHEAD));
        self.full_at = self.full_at.max(most.min(full_at.into()).saturating_mul(self.fill));
        self.kept = self.kept.max(self.full_at());
    }

    /// What has to be durable now, if that is more than what is.
    pub(super) fn keep_ahead(&mut self) -> Option<i64> {
        let full_at = self.full_at();
        if full_at <= self.kept {
            return None;
        }
        self.kept = full_at.saturating_add(AHEAD);
        Some(self.kept)
    }

    /// What is durable does not count any more.
    pub(super) fn keep_anew(&mut self) {
        self.kept = i64::MIN;
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::Bucket;
    use crate::model::setting::Rate;

    proptest! {
        #[test]
        fn a_process_that_dies_and_comes_back_keeps_the_rate(
            count in 1_u32..200,
            per_millis in prop::sample::select(vec![1_000_u64, 60_000, 86_400_000]),
            script in prop::collection::vec((0_i64..3_000, any::<bool>()), 1..200),
        ) {
            let rate = Rate { count, per_millis };
            let mut now = 1_764_583_800_000;
            let mut bucket = Bucket::new(rate);
            let (mut durable, mut writes) = (i64::MIN, 0_i64);
            let (began, mut begun) = (now, Vec::new());
            for (step, dies) in script {
                now += step;
                if dies {
                    bucket = Bucket::new(rate);
                    bucket.resume(durable, now);
                }
                while bucket.free(now) > 0 {
                    bucket.take(now);
                    begun.push(now);
                }
                if let Some(keep) = bucket.keep_ahead() {
                    durable = keep;
                    writes += 1;
                }
            }
            let period = i64::try_from(per_millis).unwrap();
            for (index, start) in begun.iter().enumerate() {
                let within = begun[index..].iter().take_while(|at| **at < start + period).count();
                prop_assert!(within <= count as usize, "{} in a period of {}", within, count);
            }
            let seldom = (now - began) / 1_000 + 2;
            prop_assert!(writes <= seldom, "{} writes in {} ms", writes, now - began);
        }
    }

    #[test]
    fn a_moment_from_a_clock_that_was_set_back_does_not_stop_the_lane() {
        let mut bucket = Bucket::new(Rate { count: 14, per_millis: 1_000 });
        bucket.resume(1_000_000_000, 0);
        assert!(bucket.next(0) <= 1_100, "{}", bucket.next(0));
    }
}
