//! Pauses: a sequence that stands still for everybody, or for one person. A pause is a flag;
//! what comes due meanwhile is held aside with all that it is, and goes on when the last
//! pause that holds it has ended.

use crate::base::address;

/// The reason of a waiting job that is held aside because its sequence is paused.
pub const PAUSED: &str = "paused";

/// What the flags of all pauses begin with.
pub const PAUSES: &str = "paused\n";

/// The flag that pauses a sequence: for everybody, or for the person with this address. Its
/// value is the time since when.
#[must_use]
pub fn pause_flag(sequence: &str, person: Option<&str>) -> String {
    match person {
        None => format!("{PAUSES}{sequence}"),
        Some(person) => format!("{PAUSES}{sequence}\n{}", address::person(person)),
    }
}

/// The sequence and the person of a flag made by [`pause_flag`].
#[must_use]
pub fn paused_by(flag: &str) -> Option<(&str, Option<&str>)> {
    let rest = flag.strip_prefix(PAUSES)?;
    Some(match rest.split_once('\n') {
        Some((sequence, person)) => (sequence, Some(person)),
        None => (rest, None),
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_flag_says_what_it_pauses() {
        assert_eq!(paused_by(&pause_flag("welcome", None)), Some(("welcome", None)));
        let one = pause_flag("welcome", Some(" Ann@Example.com "));
        assert_eq!(paused_by(&one), Some(("welcome", Some("ann@example.com"))));
        assert_eq!(paused_by("queue-paused"), None);
    }
}
