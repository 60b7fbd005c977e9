//! Tallies: how often something happened to a step of a sequence, counted when it happens
//! and kept for good. A sequence's numbers are read from these, never by walking through its
//! people.

use serde::{Deserialize, Serialize};

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
    /// The person reached the sequence's goal after it.
    Converted,
}

impl Tally {
    /// Every kind.
    pub const ALL: [Self; 9] = [
        Self::Sent,
        Self::Skipped,
        Self::Failed,
        Self::Delivered,
        Self::Bounced,
        Self::Complained,
        Self::Unsubscribed,
        Self::Clicked,
        Self::Converted,
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
        }
    }
}

/// What is counted, and where.
#[derive(Clone, Debug, PartialEq, Eq, Hash, PartialOrd, Ord, Serialize, Deserialize)]
pub struct Counted {
    /// The sequence.
    pub sequence: String,
    /// The step.
    pub step: String,
    /// The variant of the e-mail; none where it has only one text.
    pub variant: Option<String>,
    /// What happened.
    pub what: Tally,
    /// Why, in one or two fixed words: skips are told apart by it. Never a text with values in
    /// it, because each reason is a row of its own.
    pub reason: Option<String>,
}
