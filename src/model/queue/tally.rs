//! Tallies: how often something happened to a step of a sequence, counted when it happens
//! and kept for good. A sequence's numbers are read from these, never by walking through its
//! people.

use serde::{Deserialize, Serialize};

use super::{CAPTURED, KILLED};

/// What can happen to a step.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, PartialOrd, Ord, Serialize, Deserialize)]
pub enum Tally {
    /// It was done: the e-mail was handed over, the event queued.
    Sent,
    /// It was left out.
    Skipped,
    /// It was given up.
    Failed,
    /// The receiving server reported that it arrived.
    Delivered,
    /// It came back for good.
    Bounced,
    /// The person reported it as spam.
    Complained,
    /// The person left by a link in it.
    Unsubscribed,
    /// The person clicked a link in it (the first click counts).
    Clicked,
    /// The person reached the sequence's goal after it; counted for a whole sequence: reached
    /// its goal, after whichever step.
    Converted,
    /// It is the next one of somebody, or is being sent or tried again.
    Waiting,
    /// Somebody began the sequence.
    Entered,
    /// Somebody was led through the whole sequence.
    Finished,
    /// Somebody was taken out of the sequence before its end.
    Stopped,
}

impl Tally {
    /// Every kind.
    pub const ALL: [Self; 13] = [
        Self::Sent,
        Self::Skipped,
        Self::Failed,
        Self::Delivered,
        Self::Bounced,
        Self::Complained,
        Self::Unsubscribed,
        Self::Clicked,
        Self::Converted,
        Self::Waiting,
        Self::Entered,
        Self::Finished,
        Self::Stopped,
    ];

    /// The word for it.
    #[must_use]
    pub fn word(self) -> &'static str {
        match self {
            Self::Sent => "sent",
            Self::Skipped => "skipped",
            Self::Failed => "failed",
            Self::Delivered => "delivered",
            Self::Bounced => "bounced",
            Self::Complained => "complained",
            Self::Unsubscribed => "unsubscribed",
            Self::Clicked => "clicked",
            Self::Converted => "converted",
            Self::Waiting => "waiting",
            Self::Entered => "entered",
            Self::Finished => "finished",
            Self::Stopped => "stopped",
        }
    }
}

/// What is counted, and where.
#[derive(Clone, Debug, PartialEq, Eq, Hash, PartialOrd, Ord, Serialize, Deserialize)]
pub struct Counted {
    /// The sequence.
    pub sequence: String,
    /// The step; empty where it is about the sequence as a whole.
    pub step: String,
    /// The variant of the e-mail; none where it has only one text.
    pub variant: Option<String>,
    /// What happened.
    pub what: Tally,
    /// Why, in one or two fixed words: skips are told apart by it. Never a text with values in
    /// it, because each reason is a row of its own.
    pub reason: Option<String>,
}

impl Counted {
    /// Something that happened in a sequence as a whole.
    #[must_use]
    pub fn whole(sequence: &str, what: Tally) -> Self {
        let (sequence, step) = (sequence.to_owned(), String::new());
        Self { sequence, step, variant: None, what, reason: None }
    }
}

/// The reason of a bounce that was the answer to the attempt itself; others are reported later,
/// about e-mails that were sent.
pub const AT_ONCE: &str = "at once";

/// How the reason of a job that has ended begins, and the words under which it is counted.
const WHY: [(&str, &str); 26] = [
    ("suppressed: ", "suppressed"),
    ("too late", "too late"),
    ("when `", "condition not met"),
    ("the rule `", "condition unanswered"),
    ("capped: ", "capped"),
    ("stopped: goal reached", "goal reached"),
    ("stopped: killed", "killed"),
    ("stopped: forgotten", "forgotten"),
    ("stopped: ", "stopped"),
    ("stop-when `", "stopped"),
    ("the person has begun", "stopped"),
    ("the rules no longer", "rules changed"),
    ("the sequence no longer", "rules changed"),
    ("the service ", "switched off"),
    ("could not be made", "could not be made"),
    ("cancelled", "cancelled by hand"),
    ("skipped", "cancelled by hand"),
    ("forgotten", "forgotten"),
    (KILLED, "killed"),
    (CAPTURED, "captured"),
    ("unknown", "unknown"),
    ("retries used up", "retries used up"),
    ("refused: ", "refused"),
    ("gone: ", "gone"),
    ("quarantined", "quarantined"),
    ("it was queued before", "queued before"),
];

/// The fixed words for the reason of a job that has ended: never a text with values in it.
#[must_use]
pub fn why_ended(reason: &str) -> &'static str {
    let found = WHY.iter().find(|(begins, _)| reason.starts_with(begins));
    found.map_or("other", |(_, words)| words)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn reasons_are_counted_under_a_few_fixed_words() {
        for (reason, words) in [
            ("suppressed: the address is unsubscribed", "suppressed"),
            ("too late: it was due 2026-11-22T09:00:00Z and may be 1d late", "too late"),
            ("when `tier == \"premium\"`, with tier = basic", "condition not met"),
            ("stopped: stopped by onboarding-handler", "stopped"),
            ("stopped: goal reached: paid", "goal reached"),
            ("stop-when `contact.unsubscribed`, with contact.unsubscribed = true", "stopped"),
            ("captured", "captured"),
            ("killed", "killed"),
            ("unknown: the connection broke after the message", "unknown"),
            ("sarah@example.com wrote this", "other"),
            ("", "other"),
        ] {
            assert_eq!(why_ended(reason), words, "{reason}");
        }
    }

    #[test]
    fn no_beginning_hides_a_longer_one_behind_it() {
        for (at, (begins, words)) in WHY.iter().enumerate() {
            assert_eq!(why_ended(begins), *words, "the {at}th");
        }
    }
}
