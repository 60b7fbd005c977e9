//! Tests of rules, as `*.test.kdl` files declare them: calls on a simulated clock, and what
//! has to come of them.

use std::sync::Arc;

use serde_json::{Map, Value};

use super::rules::{Endpoint, Event, Feedback};
use crate::base::{Delay, Span, Timestamp};

/// `test`: an example of what rules do, step by step.
#[derive(Debug)]
pub struct Test {
    /// Its name: what is promised, as a sentence.
    pub name: String,
    /// The moment at which it begins.
    pub at: Timestamp,
    /// What happens and what is expected, from top to bottom.
    pub steps: Vec<TestStep>,
    /// Where its name is written.
    pub span: Span,
}

/// One line of a test.
#[derive(Debug)]
pub struct TestStep {
    /// What to do or to expect.
    pub action: TestAction,
    /// Where it is written.
    pub span: Span,
}

/// What a line of a test does.
#[derive(Debug)]
pub enum TestAction {
    /// Call an endpoint.
    Post {
        /// The endpoint.
        endpoint: Arc<Endpoint>,
        /// The payload.
        body: Map<String, Value>,
    },
    /// Report what became of an e-mail, in the form of `generic`.
    Report {
        /// Where.
        feedback: Arc<Feedback>,
        /// The report.
        body: Map<String, Value>,
    },
    /// Report an event.
    Send {
        /// The event.
        event: Arc<Event>,
        /// The payload.
        body: Map<String, Value>,
    },
    /// Write a record, as `PATCH /api/v1/records/NAME/ID` does.
    Save {
        /// Record name.
        record: String,
        /// Its id.
        id: String,
        /// The fields that are merged into it.
        fields: Map<String, Value>,
    },
    /// Let time pass.
    Advance(Delay),
    /// From now on a service answers with this status.
    Service {
        /// The service.
        name: String,
        /// The status.
        answers: u16,
    },
    /// Something must happen, or must not.
    Expect(Expectation),
}

/// Something that must happen.
#[derive(Clone, Debug)]
pub struct Expectation {
    /// What.
    pub what: Expected,
    /// How long after the last call above it; at any time where it does not say.
    pub after: Option<Delay>,
}

/// What must happen. What is none may be anything.
#[derive(Clone, Debug)]
pub enum Expected {
    /// A call above is answered so.
    Reply {
        /// The status.
        status: u16,
        /// Fields that the answer has, among others.
        fields: Map<String, Value>,
    },
    /// An e-mail is sent.
    Email {
        /// Its name.
        name: String,
        /// To whom.
        to: Option<String>,
        /// Its subject, with its tags filled in.
        subject: Option<String>,
        /// Its variant.
        variant: Option<String>,
    },
    /// An event is sent for the first time.
    Event {
        /// Its name.
        name: String,
        /// The service.
        to: Option<String>,
        /// Fields that it has, among others.
        fields: Map<String, Value>,
    },
    /// A record is written.
    Save {
        /// Its name.
        record: String,
        /// Its id.
        id: Option<String>,
        /// Fields that it has afterwards, among others.
        fields: Map<String, Value>,
    },
    /// An event, e-mail or mirrored record is tried again.
    Retry(String),
    /// An event, e-mail or mirrored record is given up.
    Failed(String),
    /// An e-mail or event is left out, or a sequence not started.
    Skipped(String),
    /// No e-mail, event or failure, for so long after the last call; for ever where it does
    /// not say.
    Nothing(Option<Delay>),
}

impl Expected {
    /// What it is about, as it stands in a sentence.
    #[must_use]
    pub fn noun(&self) -> String {
        match self {
            Self::Reply { status, .. } => format!("an answer with status {status}"),
            Self::Email { name, .. } => format!("the e-mail `{name}`"),
            Self::Event { name, .. } => format!("the event `{name}`"),
            Self::Save { record, id: Some(id), .. } => format!("the record {record} `{id}`"),
            Self::Save { record, .. } => format!("a record `{record}`"),
            Self::Retry(name) => format!("another attempt at `{name}`"),
            Self::Failed(name) => format!("the failure of `{name}`"),
            Self::Skipped(name) => format!("that `{name}` is skipped"),
            Self::Nothing(_) => String::from("nothing"),
        }
    }
}
