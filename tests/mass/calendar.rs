//! When an e-mail may come, worked out by hand: calendar days and office hours where the person
//! lives, on both sides of the days on which clocks change. Nothing here asks rulerun.

use jiff::civil::{DateTime, Weekday};
use jiff::tz::TimeZone;
use jiff::{Timestamp, ToSpan as _};

const MINUTE: i64 = 60_000;
const HOUR: i64 = 60 * MINUTE;
/// Over so long everybody is spread who waited for the office to open.
const SPREAD: i64 = 15 * MINUTE;

/// Where people live.
pub(crate) const ZONES: [&str; 5] = [
    "America/New_York",
    "America/Los_Angeles",
    "Europe/Berlin",
    "Asia/Kolkata",
    "Australia/Sydney",
];

/// A moment with how much later it may be.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Between {
    pub(crate) first: i64,
    pub(crate) last: i64,
}

/// How long after its start a step comes.
#[derive(Clone, Copy, Debug)]
pub(crate) enum After {
    Minutes(i64),
    /// The same time of day, so many days on.
    Days(i64),
}

/// The calendars of [`ZONES`].
pub(crate) struct Calendar(Vec<TimeZone>);

impl Calendar {
    pub(crate) fn new() -> Self {
        Self(ZONES.iter().map(|name| TimeZone::get(name).unwrap()).collect())
    }

    fn local(&self, zone: usize, at: i64) -> DateTime {
        self.0[zone].to_datetime(Timestamp::from_millisecond(at).unwrap())
    }

    /// Monday to Friday, nine to five.
    pub(crate) fn is_open(&self, zone: usize, at: i64) -> bool {
        let local = self.local(zone, at);
        !matches!(local.weekday(), Weekday::Saturday | Weekday::Sunday)
            && (9..17).contains(&local.hour())
    }

    /// From when to when somebody is let in who waits at this moment.
    pub(crate) fn let_in(&self, zone: usize, at: i64) -> Between {
        if self.is_open(zone, at) {
            return Between { first: at, last: at };
        }
        let local = self.local(zone, at);
        let mut day = local.date();
        loop {
            let nine = self.0[zone].to_timestamp(day.at(9, 0, 0, 0)).unwrap().as_millisecond();
            if nine >= at && self.is_open(zone, nine) {
                return Between { first: nine, last: nine + SPREAD };
            }
            day = day.tomorrow().unwrap();
        }
    }

    /// From when to when a step is planned of somebody who began then.
    pub(crate) fn planned(&self, zone: usize, began: i64, after: After) -> Between {
        let over = match after {
            After::Minutes(minutes) => began + minutes * MINUTE,
            After::Days(days) => {
                let then = Timestamp::from_millisecond(began).unwrap();
                let then = then.to_zoned(self.0[zone].clone());
                then.checked_add(days.days()).unwrap().timestamp().as_millisecond()
            }
        };
        self.let_in(zone, over)
    }

    /// The last moment at which something comes that may come from `at` on, by a clock that
    /// passes in leaps: one that ends after closing time means the next opening.
    pub(crate) fn by(&self, zone: usize, at: i64, leap: i64) -> i64 {
        let open = self.let_in(zone, at).last + leap;
        if self.is_open(zone, open) { open } else { self.let_in(zone, open).last + leap }
    }

    /// Whether clocks are set within this time where somebody lives.
    pub(crate) fn clocks_change(&self, zone: usize, from: i64, to: i64) -> bool {
        let offset = |at| self.0[zone].to_offset(Timestamp::from_millisecond(at).unwrap());
        offset(from) != offset(to)
    }
}

/// A day in milliseconds.
pub(crate) const DAY: i64 = 24 * HOUR;
