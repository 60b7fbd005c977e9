//! What happens because of the rules, as it is stored: executions (one accepted call
//! each), jobs (one thing to do at one time), attempts, enrolments (one person in one
//! sequence) and records. Times are milliseconds since 1970, JSON is kept as text.

mod attempt;
mod enrolment;
mod execution;
mod job;
mod pause;
mod places;
pub mod suppression;
mod tally;

use serde::{Deserialize, Serialize};

pub use self::attempt::{Attempt, AttemptError, Tried};
pub use self::enrolment::{Enrolment, EnrolmentState};
pub use self::execution::{Execution, ExecutionState, Level, LogLine, Progress, Refusal};
pub use self::job::{
    Email, Job, JobState, Lease, Leased, QUARANTINE_AFTER, SEED, Task, Transition,
};
pub use self::pause::{PAUSED, PAUSES, pause_flag, paused_by};
pub use self::places::{Limit, Place, Places};
pub use self::suppression::{Fingerprint, Suppression};
pub use self::tally::{AT_ONCE, Counted, Tally, why_ended};

/// The reason of jobs and enrolments that ended because a person killed their execution: it
/// ends KILLED.
pub const KILLED: &str = "killed";
/// The reason of an e-mail that was captured in the outbox instead of sent.
pub const CAPTURED: &str = "captured";
/// The reason of an e-mail of unknown fate begins so.
pub const UNKNOWN: &str = "unknown: ";
/// The reason of an e-mail of unknown fate that a person counted as sent.
pub const SETTLED: &str = "its fate was unknown; settled by hand";
/// The flag that stops all sending; its value is the time since when.
pub const PAUSED_FLAG: &str = "queue-paused";

/// Remembered data.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Record {
    /// Record name.
    pub name: String,
    /// Its id.
    pub id: String,
    /// The fields as JSON text (an object).
    pub fields: String,
    /// Counts writes, from 1.
    pub version: u64,
    /// When it last changed.
    pub updated: i64,
}
