//! A calendar without jiff: days are counted by hand, and the changes of five zones in 2026
//! and early 2027 are written down here, as their governments have decided them.

/// A zone.
pub(super) struct Place {
    /// Its name.
    pub(super) name: &'static str,
    /// Seconds east of Greenwich before the first change below.
    first: i64,
    /// When clocks change (seconds since 1970), and the offset from then on.
    pub(super) changes: &'static [(i64, i64)],
}

const HOUR: i64 = 3600;

/// Seconds since 1970 of a moment in UTC.
const fn utc(year: i64, month: i64, day: i64, hour: i64, minute: i64) -> i64 {
    number(year, month, day) * 86_400 + hour * HOUR + minute * 60
}

/// Both hemispheres, an hour and half an hour, at night and at midnight, and no change.
pub(super) const PLACES: [Place; 5] = [
    Place {
        name: "America/New_York",
        first: -5 * HOUR,
        changes: &[
            (utc(2026, 3, 8, 7, 0), -4 * HOUR),
            (utc(2026, 11, 1, 6, 0), -5 * HOUR),
            (utc(2027, 3, 14, 7, 0), -4 * HOUR),
        ],
    },
    Place {
        name: "Europe/Berlin",
        first: HOUR,
        changes: &[
            (utc(2026, 3, 29, 1, 0), 2 * HOUR),
            (utc(2026, 10, 25, 1, 0), HOUR),
            (utc(2027, 3, 28, 1, 0), 2 * HOUR),
        ],
    },
    Place {
        name: "Australia/Lord_Howe",
        first: 11 * HOUR,
        changes: &[
            (utc(2026, 4, 4, 15, 0), 10 * HOUR + HOUR / 2),
            (utc(2026, 10, 3, 15, 30), 11 * HOUR),
            (utc(2027, 4, 3, 15, 0), 10 * HOUR + HOUR / 2),
        ],
    },
    Place { name: "Asia/Kolkata", first: 5 * HOUR + HOUR / 2, changes: &[] },
    Place {
        name: "America/Santiago",
        first: -3 * HOUR,
        changes: &[
            (utc(2026, 4, 5, 3, 0), -4 * HOUR),
            (utc(2026, 9, 6, 4, 0), -3 * HOUR),
            (utc(2027, 4, 4, 3, 0), -4 * HOUR),
        ],
    },
];

impl Place {
    fn offset(&self, at: i64) -> i64 {
        let passed = self.changes.iter().rev().find(|(change, _)| *change <= at);
        passed.map_or(self.first, |(_, offset)| *offset)
    }

    /// The change that leaves a local time out: its moment, the offsets before and after.
    pub(super) fn gap(&self, local: i64) -> (i64, i64, i64) {
        let mut before = self.first;
        for (change, after) in self.changes {
            if (change + before..change + after).contains(&local) {
                return (*change, before, *after);
            }
            before = *after;
        }
        panic!("the clocks of {} show this time", self.name)
    }
}

/// What the clock on the wall shows, as seconds since the local first of January 1970.
pub(super) fn civil(place: &Place, at: i64) -> i64 {
    at + place.offset(at)
}

/// The moments at which the clock shows a local time: none, one or two.
pub(super) fn moments(place: &Place, local: i64) -> Vec<i64> {
    let mut offsets: Vec<i64> = place.changes.iter().map(|(_, offset)| *offset).collect();
    offsets.push(place.first);
    offsets.sort_unstable();
    offsets.dedup();
    // The greater the offset the earlier the moment.
    let found = offsets.into_iter().rev().map(|offset| local - offset);
    found.filter(|at| civil(place, *at) == local).collect()
}

/// The number of a day since 1970; until 2099 every fourth year is a leap year.
pub(super) const fn number(year: i64, month: i64, day: i64) -> i64 {
    let mut days = (year - 1970) * 365 + (year - 1969) / 4 + day - 1;
    let mut one = 1;
    while one < month {
        days += length(year, one);
        one += 1;
    }
    days
}

/// Year, month and day of the number of a day, for days since 2026 began.
pub(super) fn date_of(day: i64) -> (i64, i64, i64) {
    let (mut year, mut left) = (2026, day - number(2026, 1, 1));
    assert!(left >= 0, "before the calendar begins");
    while left >= if is_leap(year) { 366 } else { 365 } {
        left -= if is_leap(year) { 366 } else { 365 };
        year += 1;
    }
    let mut month = 1;
    while left >= length(year, month) {
        left -= length(year, month);
        month += 1;
    }
    (year, month, left + 1)
}

/// The day of the week; Monday is 0. The first of January 1970 was a Thursday.
pub(super) fn weekday(day: i64) -> i64 {
    (day + 3).rem_euclid(7)
}

/// The minute of the day of a local time.
pub(super) fn minute_of(local: i64) -> i64 {
    local.rem_euclid(86_400) / 60
}

const fn is_leap(year: i64) -> bool {
    year % 4 == 0
}

const fn length(year: i64, month: i64) -> i64 {
    match month {
        2 if is_leap(year) => 29,
        2 => 28,
        4 | 6 | 9 | 11 => 30,
        _ => 31,
    }
}
