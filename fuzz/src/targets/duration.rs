//! Waits, rates and times, as people and other programs write them: what is read is written
//! so that it reads the same again, and none is longer than what is promised.

use std::path::Path;
use std::time::Duration;

use rulerun::base::time::{format_time, from_millis, millis, parse_time};
use rulerun::base::{Delay, Timestamp, Zone};
use rulerun::model::FromText as _;
use rulerun::model::setting::{Network, Rate};

use super::{Target, seeds};

/// The target.
pub const TARGET: Target = Target { name: "duration", run, seeds: begin, words: WORDS };

const WORDS: &[&str] = &[
    "5min",
    "24h",
    "1d",
    "2w",
    "500ms",
    "1h 30min",
    "ms",
    "us",
    "ns",
    "s",
    "sec",
    "m",
    "min",
    "h",
    "hrs",
    "d",
    "days",
    "w",
    "weeks",
    "mo",
    "months",
    "y",
    " ",
    ".5",
    "-",
    "+",
    "ago",
    "P1D",
    "PT5M",
    "3660d",
    "87840h",
    "9999999999999999999",
    "14/s",
    "60/min",
    "1000/h",
    "1/d",
    "10.0.0.0/8",
    "::/0",
    "2025-12-01T10:30:00Z",
    "+02:00",
    "[Europe/Berlin]",
    "-009999-01-01T00:00:00Z",
    "9999-12-30T22:00:00.999999999Z",
    "T24:00:00",
    ":60Z",
];

/// No wait is longer: ten years of days, and as much again in exact time.
const LONGEST: Duration = Duration::from_hours(2 * 3660 * 24);

fn run(data: &[u8]) {
    let Ok(text) = std::str::from_utf8(data) else { return };
    match Delay::parse(text) {
        Ok(delay) => wait(delay),
        Err(how) => assert!(!how.is_empty()),
    }
    if let Ok(delay) = Delay::from_text(text) {
        wait(delay);
    }
    if let Ok(rate) = Rate::from_text(text) {
        assert!(rate.count > 0 && rate.per_millis > 0);
        assert_eq!(Rate::from_text(&rate.to_string()), Ok(rate));
    }
    if let Ok(network) = Network::from_text(text) {
        assert!(
            network.contains(network.0.addr())
                || network.0.addr().to_canonical() != network.0.addr()
        );
    }
    if let Ok(at) = parse_time(text) {
        let written = format_time(at);
        let read = parse_time(&written).map(millis).expect("a time that reads again");
        // What is smaller than a millisecond is left out: before 1970 that is the next one.
        let early = read - millis(at);
        assert!(early == 0 || at < Timestamp::UNIX_EPOCH && early == -1, "{text}: {written}");
        // Of the calendar's last second no fraction can be asked for.
        if at.as_second() < Timestamp::MAX.as_second() {
            assert_eq!(millis(from_millis(millis(at))), millis(at));
        }
    }
}

fn wait(delay: Delay) {
    assert_eq!(Delay::parse(&delay.to_string()), Ok(delay), "{delay}");
    assert!(delay.to_duration() <= LONGEST, "{delay}");
    let start: Timestamp = "2025-12-01T10:30:00Z".parse().expect("a time");
    for zone in ["UTC", "America/New_York", "Australia/Lord_Howe"] {
        let zone = Zone::get(zone).expect("a bundled zone");
        let end = delay.after(start, &zone);
        assert!(end >= start && end < Timestamp::MAX, "{delay} after {start} is {end}");
        assert!(delay.after(Timestamp::MAX, &zone) <= Timestamp::MAX);
    }
}

fn begin(root: &Path) -> Vec<Vec<u8>> {
    let short = |text: &str| text.len() < 40 && text.contains(|c: char| c.is_ascii_digit());
    let found = seeds::quoted(root, "src/base/delay.rs", short);
    found.into_iter().map(String::into_bytes).collect()
}
