//! Executions: one accepted call each, how far it has come, and what is told of it. Also the
//! calls that were turned away.

use serde::{Deserialize, Serialize};

use crate::base::Id;

/// States of an execution, in Kestra's words.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, PartialOrd, Ord, Serialize, Deserialize)]
pub enum ExecutionState {
    /// Accepted and durable.
    Created,
    /// A job of it is being done.
    Running,
    /// Waiting for a due step or retry.
    Paused,
    /// Everything was done.
    Success,
    /// Done, but something was skipped or cancelled.
    Warning,
    /// A job failed for good.
    Failed,
    /// Ended by a person.
    Killed,
    /// Refused by a rule; nothing was started.
    Cancelled,
}

impl ExecutionState {
    /// Every state.
    pub const ALL: [Self; 8] = [
        Self::Created,
        Self::Running,
        Self::Paused,
        Self::Success,
        Self::Warning,
        Self::Failed,
        Self::Killed,
        Self::Cancelled,
    ];

    /// Kestra's spelling.
    #[must_use]
    pub fn word(self) -> &'static str {
        match self {
            Self::Created => "CREATED",
            Self::Running => "RUNNING",
            Self::Paused => "PAUSED",
            Self::Success => "SUCCESS",
            Self::Warning => "WARNING",
            Self::Failed => "FAILED",
            Self::Killed => "KILLED",
            Self::Cancelled => "CANCELLED",
        }
    }

    /// Whether nothing more will happen.
    #[must_use]
    pub fn is_end(self) -> bool {
        !matches!(self, Self::Created | Self::Running | Self::Paused)
    }
}

/// One accepted call (or one that a `require` refused). Written once; what happens later
/// is in its [`Progress`].
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Execution {
    /// Its id.
    pub id: Id,
    /// The webhook group, or `events`, or `records`.
    pub namespace: String,
    /// The endpoint, event or record name: Kestra's flow id.
    pub flow: String,
    /// When it arrived.
    pub at: i64,
    /// Hash of the rule set that decided it.
    pub rules: String,
    /// The person it is about, lower-cased, if it names one.
    pub person: Option<String>,
    /// Labels such as `refused`.
    pub labels: Vec<(String, String)>,
    /// Status of the answer.
    pub reply_status: u16,
    /// The answer's JSON text.
    pub reply: String,
    /// What the decision did, in sentences.
    pub logs: Vec<LogLine>,
    /// State right after the decision: `Created`, `Success` when nothing is left to do,
    /// `Cancelled` when refused.
    pub state: ExecutionState,
    /// Address of the caller, if known.
    pub remote: Option<String>,
}

/// How far an execution has come.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct Progress {
    /// Jobs and enrolment steps that are not finished.
    pub open: u32,
    /// Jobs that were done.
    pub done: u32,
    /// Jobs that failed for good.
    pub failed: u32,
    /// Jobs that were skipped or cancelled.
    pub cancelled: u32,
    /// Each change of state with its time, oldest first; the last one is current.
    pub history: Vec<(ExecutionState, i64)>,
}

/// How loud a log line is.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub enum Level {
    /// Went as planned.
    Info,
    /// Skipped, retried, cancelled.
    Warn,
    /// Failed.
    Error,
}

impl Level {
    /// Every level.
    pub const ALL: [Self; 3] = [Self::Info, Self::Warn, Self::Error];

    /// Kestra's spelling.
    #[must_use]
    pub fn word(self) -> &'static str {
        match self {
            Self::Info => "INFO",
            Self::Warn => "WARN",
            Self::Error => "ERROR",
        }
    }
}

/// One line of an execution's log.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct LogLine {
    /// When.
    pub at: i64,
    /// How loud.
    pub level: Level,
    /// The step, event or e-mail it is about.
    pub task: Option<String>,
    /// What happened, as a sentence.
    pub message: String,
}

/// A call that was not accepted, for `GET /webhook-logs`.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Refusal {
    /// Its id, of the time it came.
    pub id: Id,
    /// `group/endpoint`, or nothing where no endpoint was reached.
    pub endpoint: String,
    /// The status it got.
    pub status: u16,
    /// Why.
    pub message: String,
    /// How long it took.
    pub duration_ms: u64,
    /// The caller.
    pub remote: Option<String>,
}
