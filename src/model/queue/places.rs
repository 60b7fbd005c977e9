//! Places under a cap: each marketing e-mail to a person takes one when it is made, and has it
//! until the cap's time is over. One row per person; its length is bounded by the caps.

use serde::{Deserialize, Serialize};

use crate::base::Id;

/// Most places that are remembered of one person.
const MOST: usize = 1000;

/// At most so many e-mails in a time.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Limit {
    /// How many, at least 1.
    pub count: usize,
    /// In how many milliseconds.
    pub millis: i64,
}

/// An e-mail that has a place.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Place {
    /// Its job.
    pub job: Id,
    /// When it was made, or sent, in milliseconds since 1970.
    pub at: i64,
    /// Whether it is still to be sent: until then its time does not begin to pass.
    pub open: bool,
}

/// The marketing e-mails of one person, as far as caps look back.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct Places {
    /// How long the longest cap looks back, in milliseconds.
    pub keep: i64,
    /// The e-mails, in the order in which they took their places.
    pub taken: Vec<Place>,
}

impl Places {
    /// Whether a job has its place already.
    #[must_use]
    pub fn has(&self, job: Id) -> bool {
        self.taken.iter().any(|place| place.job == job)
    }

    /// The first moment at which another e-mail may be sent; none when that is now.
    #[must_use]
    pub fn free_from(&self, limits: &[Limit], now: i64) -> Option<i64> {
        limits.iter().filter_map(|limit| self.free_under(*limit, now)).max()
    }

    fn free_under(&self, limit: Limit, now: i64) -> Option<i64> {
        let moment = |place: &Place| if place.open { place.at.max(now) } else { place.at };
        let mut ends: Vec<i64> =
            self.taken.iter().map(|place| moment(place).saturating_add(limit.millis)).collect();
        ends.retain(|end| *end > now);
        ends.sort_unstable_by(|a, b| b.cmp(a));
        // With so many newest ones gone there is room again.
        ends.get(limit.count.max(1) - 1).copied()
    }

    /// Gives a job a place that counts for so many milliseconds after it was sent.
    pub fn take(&mut self, job: Id, keep: i64, now: i64) {
        // Rules whose longest cap is shorter now do not forget what was counted under the old ones.
        self.keep = self.keep.max(keep);
        if !self.has(job) {
            self.taken.push(Place { job, at: now, open: true });
        }
        self.trim(now);
    }

    /// Its e-mail was sent: its time begins to pass.
    pub fn sent(&mut self, job: Id, now: i64) {
        self.taken.retain(|place| place.job != job);
        self.taken.push(Place { job, at: now, open: false });
        self.trim(now);
    }

    /// Its e-mail was captured, which is no attempt and is said to have been when it was claimed:
    /// the machine may have slept since, and its time does not begin before it took its place.
    pub fn captured(&mut self, job: Id, now: i64) {
        let taken = self.taken.iter().find(|place| place.job == job);
        self.sent(job, taken.map_or(now, |place| place.at.max(now)));
    }

    /// Its e-mail will not be sent: others may have the place.
    pub fn give_back(&mut self, job: Id) {
        self.taken.retain(|place| place.job != job);
    }

    /// Whether no cap looks at any of them any more.
    #[must_use]
    pub fn are_over(&self, now: i64) -> bool {
        self.taken.iter().all(|place| self.is_over(place, now))
    }

    fn is_over(&self, place: &Place, now: i64) -> bool {
        !place.open && place.at.saturating_add(self.keep) <= now
    }

    fn trim(&mut self, now: i64) {
        let mut taken = std::mem::take(&mut self.taken);
        taken.retain(|place| !self.is_over(place, now));
        let surplus = taken.len().saturating_sub(MOST);
        taken.drain(..surplus);
        self.taken = taken;
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const HOUR: i64 = 3_600_000;

    fn id(number: u8) -> Id {
        Id([number; 16])
    }

    #[test]
    fn a_place_is_free_again_when_its_time_is_over_and_not_a_moment_earlier() {
        let limits = [Limit { count: 1, millis: 12 * HOUR }];
        let mut places = Places::default();
        assert_eq!(places.free_from(&limits, 0), None);
        places.take(id(1), limits[0].millis, 0);
        places.sent(id(1), 5);
        assert_eq!(places.free_from(&limits, 6), Some(12 * HOUR + 5));
        assert_eq!(places.free_from(&limits, 12 * HOUR + 4), Some(12 * HOUR + 5));
        assert_eq!(places.free_from(&limits, 12 * HOUR + 5), None);
    }

    #[test]
    fn what_slept_between_its_claim_and_its_place_counts_from_its_place() {
        let limits = [Limit { count: 1, millis: 12 * HOUR }];
        let mut places = Places::default();
        places.take(id(1), limits[0].millis, 9 * HOUR);
        places.captured(id(1), 0);
        assert_eq!(places.free_from(&limits, 12 * HOUR), Some(21 * HOUR));
    }

    #[test]
    fn while_an_email_is_under_way_its_time_does_not_pass() {
        let limits = [Limit { count: 1, millis: HOUR }];
        let mut places = Places::default();
        places.take(id(1), limits[0].millis, 0);
        assert_eq!(places.free_from(&limits, 9 * HOUR), Some(10 * HOUR));
        places.give_back(id(1));
        assert_eq!(places.free_from(&limits, 9 * HOUR), None);
    }

    #[test]
    fn what_a_long_cap_counts_is_not_forgotten_under_a_shorter_one() {
        let (day, week) = (24 * HOUR, 7 * 24 * HOUR);
        let both = [Limit { count: 1, millis: day }, Limit { count: 2, millis: week }];
        let mut places = Places::default();
        for (number, at, keep) in [(1, 0, week), (2, 24, week), (3, 72, day)] {
            places.take(id(number), keep, at * HOUR);
            places.sent(id(number), at * HOUR);
        }
        assert_eq!(places.free_from(&both, 96 * HOUR), Some(24 * HOUR + week));
    }

    #[test]
    fn of_several_caps_the_one_that_holds_longest_counts() {
        let limits = [Limit { count: 1, millis: HOUR }, Limit { count: 3, millis: 24 * HOUR }];
        let mut places = Places::default();
        for number in 0..3_u8 {
            let now = i64::from(number) * 2 * HOUR;
            assert_eq!(places.free_from(&limits, now), None);
            places.take(id(number), 24 * HOUR, now);
            places.sent(id(number), now);
        }
        assert_eq!(places.free_from(&limits, 4 * HOUR + 1), Some(24 * HOUR));
        assert_eq!(places.free_from(&limits, 24 * HOUR), None);
        assert!(!places.are_over(24 * HOUR) && places.are_over(28 * HOUR));
    }
}
