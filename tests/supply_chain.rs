//! What `deny.toml` lets pass is let pass for a time. Each advisory that is ignored there names
//! the day until which its reason was judged to hold; after it these tests fail, so that
//! somebody looks again.
#![allow(clippy::expect_used, reason = "a test that cannot read its files has failed")]

use jiff::civil::Date;

const DENY: &str = include_str!("../deny.toml");
const CLIPPY: &str = include_str!("../.clippy.toml");
/// No judgement holds longer than so many days.
const LONGEST: i32 = 366;

/// The lines that ignore an advisory.
fn ignored() -> Vec<&'static str> {
    DENY.lines().map(str::trim).filter(|line| line.starts_with("{ id = ")).collect()
}

/// The day in `…; until 2027-06-30"`.
fn until(line: &str) -> Option<Date> {
    let (_, rest) = line.split_once("; until ")?;
    rest.get(..10)?.parse().ok()
}

/// What is wrong with one line on a day, and what to do about it.
fn fault(line: &str, today: Date) -> Option<String> {
    let id = line.split('"').nth(1).unwrap_or(line);
    let Some(day) = until(line) else {
        return Some(format!("{id} has no last day: end its reason with \"; until 2027-06-30\""));
    };
    if day < today {
        return Some(format!(
            "{id} was ignored until {day}. Look at https://rustsec.org/advisories/{id}.html and at \
             the crate that brings it in (`cargo tree --invert CRATE`): update or replace it and \
             take the line out, or write why it is still harmless and a day within a year"
        ));
    }
    let far = (day - today).get_days() > LONGEST;
    far.then(|| format!("{id} is ignored until {day}: a judgement holds a year at most"))
}

#[test]
fn every_ignored_advisory_is_looked_at_again() {
    #[expect(clippy::disallowed_methods, reason = "whether a day is over is the question here")]
    let today = jiff::Timestamp::now().to_zoned(jiff::tz::TimeZone::UTC).date();
    let faults: Vec<String> = ignored().iter().filter_map(|line| fault(line, today)).collect();
    assert!(faults.is_empty(), "deny.toml:\n{}", faults.join("\n"));
}

#[test]
fn no_advisory_hides_from_that() {
    let named = DENY.matches("RUSTSEC-").count();
    assert_eq!(named, ignored().len(), "write each advisory on one line: {{ id = …, reason = … }}");
    let known = ["RUSTSEC-2025-0057", "RUSTSEC-2024-0384", "RUSTSEC-2026-0249"];
    let now: Vec<&str> = ignored().iter().filter_map(|line| line.split('"').nth(1)).collect();
    assert_eq!(now, known, "whoever ignores another advisory adds it here too");
}

#[test]
fn a_day_that_is_over_is_told_with_what_to_do() {
    let line = r#"{ id = "RUSTSEC-2025-0057", reason = "harmless; until 2027-06-30" },"#;
    let on = |day: &str| fault(line, day.parse().expect("a day"));
    assert_eq!(on("2027-06-30"), None);
    let told = on("2027-07-01").expect("a fault");
    assert!(told.contains("RUSTSEC-2025-0057") && told.contains("update or replace"), "{told}");
    assert!(on("2026-01-01").is_some_and(|told| told.contains("a year at most")));
    let endless = r#"{ id = "RUSTSEC-2025-0057", reason = "harmless" },"#;
    assert!(fault(endless, "2026-01-01".parse().expect("a day")).is_some());
}

#[test]
fn queues_without_a_bound_stay_forbidden() {
    for path in ["tokio::sync::mpsc::unbounded_channel", "std::sync::mpsc::channel"] {
        assert!(CLIPPY.contains(&format!("path = \"{path}\"")), ".clippy.toml lets {path} pass");
    }
}
