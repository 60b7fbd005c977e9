//! Attempts: one try to do a job, as the transport reports it and as it is kept.

use serde::{Deserialize, Serialize};

use crate::base::Id;

/// Why an attempt failed, by whose fault it was.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, Serialize, Deserialize)]
pub enum AttemptError {
    /// The name did not resolve.
    Dns,
    /// No connection, or it broke.
    Connection,
    /// TLS could not be agreed.
    Tls,
    /// The deadline passed.
    Timeout,
    /// The receiver answered with a status that is not success.
    Status,
    /// The receiver sent a redirect.
    Redirect,
    /// A private address that is not allowed: our configuration.
    Blocked,
    /// SMTP login or session trouble: our configuration.
    Login,
    /// The mailbox refused the message for good.
    Bounce,
    /// The mailbox asked to try later.
    Deferred,
    /// Nobody can know whether it arrived.
    Unknown,
    /// Our own fault otherwise.
    Internal,
}

impl AttemptError {
    /// Every one, in the order of their declaration.
    pub const ALL: [Self; 12] = [
        Self::Dns,
        Self::Connection,
        Self::Tls,
        Self::Timeout,
        Self::Status,
        Self::Redirect,
        Self::Blocked,
        Self::Login,
        Self::Bounce,
        Self::Deferred,
        Self::Unknown,
        Self::Internal,
    ];

    /// The stable word in logs and the API.
    #[must_use]
    pub fn word(self) -> &'static str {
        match self {
            Self::Dns => "dns",
            Self::Connection => "connection",
            Self::Tls => "tls",
            Self::Timeout => "timeout",
            Self::Status => "status",
            Self::Redirect => "redirect",
            Self::Blocked => "blocked",
            Self::Login => "login",
            Self::Bounce => "bounce",
            Self::Deferred => "deferred",
            Self::Unknown => "unknown",
            Self::Internal => "internal",
        }
    }
}

/// One try to do a job.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Attempt {
    /// Its id, of the time it began.
    pub id: Id,
    /// The job.
    pub job: Id,
    /// The job's execution.
    pub execution: Id,
    /// The guide's `event_type`.
    pub event_type: String,
    /// Where it went.
    pub target: String,
    /// How long it took.
    pub duration_ms: u64,
    /// The status that came back.
    pub status: Option<u16>,
    /// Why it failed; none is success.
    pub error: Option<AttemptError>,
    /// The error as a sentence.
    pub message: Option<String>,
    /// The first 4 KiB of the reply.
    pub reply: String,
}

/// What one try came to, as a transport reports it.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Tried {
    /// How long it took.
    pub duration: std::time::Duration,
    /// The status that came back: HTTP's, or SMTP's.
    pub status: Option<u16>,
    /// Why it failed; none is success.
    pub error: Option<AttemptError>,
    /// The error (or a note on the success) as a sentence.
    pub message: Option<String>,
    /// How long the receiver asked us to wait.
    pub retry_after: Option<std::time::Duration>,
    /// The first 4 KiB of the reply, as text.
    pub reply: String,
    /// Whether the request may have left when it failed without an answer, so that the
    /// receiver may have acted on it.
    pub unanswered: bool,
}
