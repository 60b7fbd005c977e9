//! Points in time and the clock. The clock is a trait because nothing below the serving
//! storey may ask what time it is: rules are decided for a time that is handed in.

/// A point in time, from jiff: UTC with nanoseconds.
pub use jiff::Timestamp;
/// A time zone, from jiff's bundled IANA database.
pub use jiff::tz::TimeZone as Zone;

/// Tells the time. The real one lives in `serve`; tests use one that they turn by hand.
pub trait Clock: Send + Sync + std::fmt::Debug {
    /// Now.
    fn now(&self) -> Timestamp;

    /// Milliseconds since some moment, by a clock that nobody sets: the difference of two
    /// answers is how much time has passed. A clock that is never set has no other.
    fn passing(&self) -> i64 {
        millis(self.now())
    }
}

/// One moment by the clock on the wall and by the one that nobody sets, in milliseconds.
#[derive(Clone, Copy, Debug)]
pub struct Moment {
    /// Since 1970.
    pub wall: i64,
    /// As [`Clock::passing`] says it.
    pub passing: i64,
}

impl Moment {
    /// Now.
    #[must_use]
    pub fn of(clock: &dyn Clock) -> Self {
        Self { wall: millis(clock.now()), passing: clock.passing() }
    }

    /// By how much the clock on the wall was set since then; back, where it is negative.
    #[must_use]
    pub fn set_since(self, then: Self) -> i64 {
        let passed = self.passing.saturating_sub(then.passing);
        self.wall.saturating_sub(then.wall).saturating_sub(passed)
    }

    /// What the clock on the wall says, as it is set now, when the other one says this.
    #[must_use]
    pub fn on_the_wall(self, passing: i64) -> i64 {
        self.wall.saturating_add(passing.saturating_sub(self.passing))
    }

    /// What the other clock says when the one on the wall, as it is set now, says this.
    #[must_use]
    pub fn in_passing(self, wall: i64) -> i64 {
        self.passing.saturating_add(wall.saturating_sub(self.wall))
    }
}

/// Milliseconds since 1970, the resolution of everything that is stored.
#[must_use]
pub fn millis(at: Timestamp) -> i64 {
    at.as_millisecond()
}

/// The timestamp of so many milliseconds; what lies outside the calendar is clamped.
#[must_use]
pub fn from_millis(millis: i64) -> Timestamp {
    Timestamp::from_millisecond(millis).unwrap_or(if millis < 0 {
        Timestamp::MIN
    } else {
        Timestamp::MAX
    })
}

/// Reads a time as payloads write it: ISO 8601 with an offset or `Z`.
///
/// # Errors
/// A sentence that says what is missing, usually the offset.
pub fn parse_time(text: &str) -> Result<Timestamp, String> {
    text.trim()
        .parse::<Timestamp>()
        .map_err(|_| format!("`{text}` is not a time with an offset, such as 2025-12-01T10:30:00Z"))
}

/// How times are written outwards: UTC, whole milliseconds, `Z`.
#[must_use]
pub fn format_time(at: Timestamp) -> String {
    use std::fmt::Write as _;
    let civil = Zone::UTC.to_datetime(at);
    let (date, time) = (civil.date(), civil.time());
    let mut text = String::with_capacity(24);
    // Written by hand because every call does it several times; writing to a string cannot
    // fail.
    let _ = match date.year() {
        year @ 0.. => write!(text, "{year:04}-"),
        // Before the year 0 a year has a sign and six digits, or nobody reads it back.
        year => write!(text, "-{:06}-", year.unsigned_abs()),
    };
    for (number, after) in [
        (date.month(), '-'),
        (date.day(), 'T'),
        (time.hour(), ':'),
        (time.minute(), ':'),
        (time.second(), '.'),
    ] {
        let number = number.unsigned_abs();
        text.extend([char::from(b'0' + number / 10), char::from(b'0' + number % 10), after]);
    }
    match time.millisecond() {
        0 => {
            text.pop();
        }
        millis => {
            let _ = write!(text, "{millis:03}");
            text.truncate(text.trim_end_matches('0').len());
        }
    }
    text.push('Z');
    text
}

/// The same of milliseconds since 1970.
#[must_use]
pub fn format_millis(at: i64) -> String {
    format_time(from_millis(at))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn times_are_written_in_utc_with_milliseconds_where_there_are_any() {
        for (given, written) in [
            ("2025-12-01T10:30:00Z", "2025-12-01T10:30:00Z"),
            ("2025-12-01T10:30:05.120999+01:00", "2025-12-01T09:30:05.12Z"),
            ("0099-01-02T03:04:05.007Z", "0099-01-02T03:04:05.007Z"),
            ("2025-12-01T10:30:00.0009Z", "2025-12-01T10:30:00Z"),
            ("-009999-11-01T00:00:00Z", "-009999-11-01T00:00:00Z"),
        ] {
            let at = parse_time(given).expect("a time");
            assert_eq!(format_time(at), written);
            assert_eq!(millis(parse_time(written).expect("a time")), millis(at));
        }
    }
}
