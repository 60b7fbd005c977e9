//! How long to wait, as people write it: `"5min"`, `"24h"`, `"1d"`, `"1h 30min"`.
//! Hours are exact; a day is the same local time tomorrow, so it needs a time zone to
//! become a point in time (it is 23 or 25 hours when clocks change).

use std::time::Duration;

use jiff::{Span, ToSpan as _, Unit};
use serde::{Deserialize, Serialize};

use super::time::{Timestamp, Zone};

/// Longest wait that is accepted: about ten years.
const MAX_DAYS: i64 = 3660;
/// The same in milliseconds.
const MAX_MILLIS: u64 = 3660 * 86_400_000;
const TOO_LONG: &str = "that is longer than ten years";

/// A wait of whole calendar days plus an exact rest. Never negative.
#[derive(
    Clone, Copy, Debug, Default, PartialEq, Eq, Hash, PartialOrd, Ord, Serialize, Deserialize,
)]
pub struct Delay {
    /// Calendar days (weeks count seven).
    pub days: u32,
    /// The exact rest in milliseconds.
    pub millis: u64,
}

impl Delay {
    /// Reads what a person wrote.
    ///
    /// # Errors
    /// A sentence that says how to write it instead.
    pub fn parse(text: &str) -> Result<Self, String> {
        const HOW: &str =
            "write a number and a unit, such as \"5min\", \"24h\", \"3d\" or \"1h 30min\"";
        let text = text.trim();
        if text.starts_with(['-', '+']) || text.contains("ago") {
            return Err(String::from(
                "a wait cannot be negative or signed; write \"5min\", not \"-5min\"",
            ));
        }
        if text.contains(',') || text.starts_with(['P', 'p']) {
            return Err(String::from(HOW));
        }
        if text.chars().all(|c| c.is_ascii_digit()) && !text.is_empty() {
            return Err(format!(
                "the unit is missing: write \"{text}min\", \"{text}h\" or \"{text}d\""
            ));
        }
        let span: Span = text.parse().map_err(|_| unread(text, HOW))?;
        if span.get_years() != 0 || span.get_months() != 0 {
            return Err(String::from(
                "months and years differ in length; count in days (\"30d\") or weeks (\"4w\")",
            ));
        }
        let days = i64::from(span.get_weeks()) * 7 + i64::from(span.get_days());
        let rest = span.weeks(0).days(0).total(Unit::Millisecond).map_err(|_| String::from(HOW))?;
        #[expect(
            clippy::cast_possible_truncation,
            clippy::cast_sign_loss,
            reason = "never negative, and what is too large stays too large"
        )]
        let millis = rest as u64;
        match u32::try_from(days) {
            Ok(whole) if days <= MAX_DAYS && millis <= MAX_MILLIS => {
                Ok(Self { days: whole, millis })
            }
            _ => Err(String::from(TOO_LONG)),
        }
    }

    /// So many exact seconds.
    ///
    /// # Errors
    /// More than ten years of them.
    pub fn from_seconds(seconds: u64) -> Result<Self, String> {
        match seconds.saturating_mul(1000) {
            millis @ ..=MAX_MILLIS => Ok(Self { days: 0, millis }),
            _ => Err(String::from(TOO_LONG)),
        }
    }

    /// The moment that lies this wait after `start`, with days counted in `zone`.
    #[must_use]
    pub fn after(&self, start: Timestamp, zone: &Zone) -> Timestamp {
        let exact = i64::try_from(self.millis).unwrap_or(i64::MAX);
        start
            .to_zoned(zone.clone())
            .checked_add(i64::from(self.days).days())
            .and_then(|moved| moved.checked_add(exact.milliseconds()))
            .map_or(Timestamp::MAX, |moved| moved.timestamp())
    }

    /// The same wait with a day taken as 24 hours: for timeouts, ages and retries.
    #[must_use]
    pub fn to_duration(self) -> Duration {
        Duration::from_millis(self.millis) + Duration::from_secs(u64::from(self.days) * 86_400)
    }

    /// Whether this is no wait at all.
    #[must_use]
    pub fn is_zero(self) -> bool {
        self == Self::default()
    }
}

impl std::fmt::Display for Delay {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        let mut parts = Vec::new();
        let mut rest = self.millis;
        let mut take = |size: u64, unit: &str| {
            if rest >= size {
                parts.push(format!("{}{unit}", rest / size));
                rest %= size;
            }
        };
        take(3_600_000, "h");
        take(60_000, "min");
        take(1_000, "s");
        take(1, "ms");
        if self.days > 0 {
            parts.insert(0, format!("{}d", self.days));
        }
        f.write_str(if parts.is_empty() { "0s" } else { "" })?;
        f.write_str(&parts.join(" "))
    }
}

/// Why a text is no wait: it is too long where it would be one with small numbers.
fn unread(text: &str, how: &str) -> String {
    let mut small = String::with_capacity(text.len());
    for letter in text.chars() {
        if !letter.is_ascii_digit() {
            small.push(letter);
        } else if !small.ends_with('1') {
            small.push('1');
        }
    }
    String::from(if small.parse::<Span>().is_ok() { TOO_LONG } else { how })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn people_write_waits_in_many_ways() {
        for (text, days, millis) in [
            ("5min", 0, 300_000),
            ("24h", 0, 86_400_000),
            ("1d", 1, 0),
            ("2w", 14, 0),
            ("1h 30min", 0, 5_400_000),
            ("3 days", 3, 0),
            ("500ms", 0, 500),
        ] {
            assert_eq!(Delay::parse(text), Ok(Delay { days, millis }), "{text}");
        }
        for text in ["", "5", "five", "-5min", "1 month", "5,5min", "PT5M", "5min ago", "9000d"] {
            assert!(Delay::parse(text).is_err(), "{text}");
        }
        for text in ["9999999d", "99999999999999999999h", "1d 999999999999min"] {
            assert_eq!(Delay::parse(text), Err(TOO_LONG.into()), "{text}");
        }
    }

    #[test]
    fn a_day_is_the_same_local_time_tomorrow() {
        let zone = Zone::get("America/New_York").expect("a bundled zone");
        let start: Timestamp = "2026-03-07T12:00:00Z".parse().expect("a time");
        let day = Delay::parse("1d").expect("a delay").after(start, &zone);
        let hours = Delay::parse("24h").expect("a delay").after(start, &zone);
        assert_eq!(day.to_string(), "2026-03-08T11:00:00Z");
        assert_eq!(hours.to_string(), "2026-03-08T12:00:00Z");
    }
}
