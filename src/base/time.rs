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
    from_millis(millis(at)).strftime("%Y-%m-%dT%H:%M:%S%.fZ").to_string()
}
