//! `window`: the days and hours in which a sequence may send, by the clock on the wall where
//! the person lives. A moment is in the window when the local clock shows one of its hours on
//! one of its days, and the date is no holiday. That also settles what happens when clocks
//! change: an hour that is left out never shows, and one that comes twice counts twice.

use super::{Days, Holiday, Hours};
use crate::base::{Delay, Timestamp, Zone, time};
use jiff::civil::{Date, DateTime};

/// An opening further away than so many days is none: about ten years.
const HORIZON: usize = 3660;
/// Minutes of a week.
const WEEK: usize = 7 * 1440;

/// Days with their hours.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Opening {
    /// On which days it begins.
    pub days: Days,
    /// When it begins and ends.
    pub hours: Hours,
    /// Over how long after its beginning those are spread who waited for it.
    pub spread: Delay,
}

/// When a sequence may send.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Window {
    /// Any of these, at least one.
    pub openings: Vec<Opening>,
    /// Never on these dates.
    pub holidays: Vec<Holiday>,
}

impl Window {
    /// Whether a moment is in the window, where the person lives.
    #[must_use]
    pub fn is_open(&self, at: Timestamp, zone: &Zone) -> bool {
        self.opening(zone.to_datetime(at)).is_some()
    }

    /// The first moment that is in the window, `at` itself included; none when that is more
    /// than ten years away.
    #[must_use]
    pub fn next(&self, at: Timestamp, zone: &Zone) -> Option<Timestamp> {
        if self.is_open(at, zone) {
            return Some(at);
        }
        let mut date = zone.to_datetime(at).date();
        for _ in 0..HORIZON {
            let begins = self.begins(date, zone).into_iter();
            if let Some(found) = begins.filter(|begin| *begin >= at).min() {
                // The hand of the clock may be set into the window before that.
                let mut set = zone.following(at).map(|set| set.timestamp());
                return set
                    .by_ref()
                    .take_while(|set| *set < found)
                    .find(|set| self.is_open(*set, zone))
                    .or(Some(found));
            }
            date = date.tomorrow().ok()?;
        }
        None
    }

    /// When somebody who waits at `at` is let in: at the next opening, and with `place` (any
    /// number that stays the same for that person) spread over its first minutes.
    #[must_use]
    pub fn admit(&self, at: Timestamp, zone: &Zone, place: Option<u64>) -> Option<Timestamp> {
        let open = self.next(at, zone)?;
        if open == at {
            return Some(at);
        }
        let spread = self.opening(zone.to_datetime(open)).map_or(0, Opening::spread_seconds);
        let mut offset = place.and_then(|place| place.checked_rem(spread)).unwrap_or_default();
        // Where clocks change an opening may be shorter than it says.
        loop {
            let moment = time::from_millis(
                time::millis(open)
                    .saturating_add(i64::try_from(offset).unwrap_or_default().saturating_mul(1000)),
            );
            if offset == 0 || self.is_open(moment, zone) {
                return Some(moment);
            }
            offset /= 2;
        }
    }

    /// The longest time in a week in which it is closed; holidays come on top.
    #[must_use]
    pub fn longest_closed(&self) -> Delay {
        let mut open = [false; WEEK];
        for opening in &self.openings {
            for day in opening.days.iter() {
                for minute in opening.hours.minutes() {
                    if let Some(slot) = open.get_mut((day * 1440 + minute) % WEEK) {
                        *slot = true;
                    }
                }
            }
        }
        let (mut longest, mut run) = (0_usize, 0_usize);
        // Twice round, because a closed time may go over the end of the week.
        for is_open in open.iter().chain(&open) {
            run = if *is_open { 0 } else { (run + 1).min(WEEK) };
            longest = longest.max(run);
        }
        let minutes = u64::try_from(longest).unwrap_or_default();
        let days = u32::try_from(minutes / 1440).unwrap_or_default();
        Delay { days, millis: minutes % 1440 * 60_000 }
    }

    /// The opening that a local moment lies in.
    fn opening(&self, local: DateTime) -> Option<&Opening> {
        let date = local.date();
        if self.is_holiday(date) {
            return None;
        }
        let minute = minute_of(local);
        let before = date.yesterday().ok().filter(|before| !self.is_holiday(*before));
        self.openings.iter().find(|opening| {
            let today = opening.days.has(date) && opening.hours.has(minute);
            // After midnight it is still the evening before.
            today
                || before.is_some_and(|before| {
                    opening.days.has(before) && opening.hours.has(minute + 1440)
                })
        })
    }

    /// The moments at which openings of a date begin: two of each where the clock shows that
    /// time twice, none where it leaves it out.
    fn begins(&self, date: Date, zone: &Zone) -> Vec<Timestamp> {
        use jiff::tz::AmbiguousOffset::{Fold, Gap, Unambiguous};
        if self.is_holiday(date) {
            return Vec::new();
        }
        let mut found = Vec::new();
        for opening in self.openings.iter().filter(|opening| opening.days.has(date)) {
            let (hour, minute) = opening.hours.begin();
            let local = date.at(hour, minute, 0, 0);
            let offsets = match zone.to_ambiguous_timestamp(local).offset() {
                Unambiguous { offset } => [Some(offset), None],
                Gap { .. } => [None, None],
                Fold { before, after } => [Some(before), Some(after)],
            };
            let moments = offsets.into_iter().flatten();
            found.extend(moments.filter_map(|offset| offset.to_timestamp(local).ok()));
        }
        found
    }

    fn is_holiday(&self, date: Date) -> bool {
        self.holidays.iter().any(|holiday| holiday.has(date))
    }
}

impl Opening {
    fn spread_seconds(&self) -> u64 {
        self.spread.to_duration().as_secs()
    }
}

/// The minute of the day.
fn minute_of(local: DateTime) -> usize {
    usize::from(local.hour().unsigned_abs()) * 60 + usize::from(local.minute().unsigned_abs())
}

impl std::fmt::Display for Window {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        let opening = |one: &Opening| {
            let spread = if one.spread.is_zero() {
                String::new()
            } else {
                format!(" (spread over {})", one.spread)
            };
            format!("{} {}{spread}", one.days, one.hours)
        };
        let openings: Vec<String> = self.openings.iter().map(opening).collect();
        f.write_str(&openings.join(" or "))?;
        if !self.holidays.is_empty() {
            let dates: Vec<String> = self.holidays.iter().map(Holiday::to_string).collect();
            write!(f, ", not on {}", dates.join(", "))?;
        }
        Ok(())
    }
}
