//! What ends a sequence from outside: other calls and events, as a plain end (`stop-on`) or
//! as what the sequence was for (`goal`).

use crate::base::{Delay, Span};
use crate::template::Template;

/// What is called or sent when a sequence ends.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub enum Trigger {
    /// A call to this endpoint (`group/name`) was accepted.
    Endpoint(String),
    /// This outgoing event was queued, by whichever way.
    Event(String),
}

impl Trigger {
    /// How it stands in the rules: `"group/endpoint"` or `event="name"`.
    #[must_use]
    pub fn source(&self) -> String {
        match self {
            Self::Endpoint(name) => format!("{name:?}"),
            Self::Event(name) => format!("event={name:?}"),
        }
    }

    /// Its name alone, for sentences.
    #[must_use]
    pub fn name(&self) -> &str {
        match self {
            Self::Endpoint(name) | Self::Event(name) => name,
        }
    }
}

/// `stop-on` or `goal`: what else ends a sequence for a person.
#[derive(Debug)]
pub struct Ending {
    /// What ends it.
    pub on: Trigger,
    /// The person's address, over the payload of that call or event.
    pub person: Template,
    /// Only the run of this `once-per` value; none means every run of the person.
    pub key: Option<Template>,
    /// For a `goal`: how long after its last step the goal still counts for a person who has
    /// finished the sequence. None for a `stop-on`.
    pub goal: Option<Delay>,
    /// Where it is written.
    pub span: Span,
}

impl Ending {
    /// The word of the rules for it.
    #[must_use]
    pub fn word(&self) -> &'static str {
        if self.goal.is_some() { "goal" } else { "stop-on" }
    }
}
