//! What is known about people: what happened to one of them, what is still to come for all
//! of them, and who is in the middle of what. The API tells it of a running server and the
//! command line of a data folder, both through these functions, which need only a store and
//! the rules.

mod calls;
mod editions;
mod folder;
mod forget;
mod midway;
pub mod pauses;
mod schedule;
mod telling;
mod timeline;
mod versions;

use serde_json::{Map, Value};

use super::app::object;
use crate::base::Id;
use crate::base::time::format_millis as at;
use crate::model::queue::LogLine;
use crate::model::{Enrolment, Job, RuleSet};
use crate::store::{ExecutionRow, JobFilter, Store, StoreError};

pub use calls::{Cursor, Recorded, Recording, Remembered, Sent, calls};
pub use editions::Editions;
pub use folder::Folder;
pub use forget::{forget, out_of_reach};
pub use midway::{Midway, active};
pub use schedule::{Wanted, schedule};
pub use timeline::timeline;
pub use versions::{Version, keep};

/// Most jobs of one execution.
const MAX_JOBS: usize = 1000;

/// The jobs of an execution.
///
/// # Errors
/// The store cannot be read.
pub async fn jobs_of(store: &dyn Store, execution: Id) -> Result<Vec<Job>, StoreError> {
    let filter = JobFilter { execution: Some(execution), ..JobFilter::default() };
    Ok(store.jobs(filter, 0, MAX_JOBS).await?.rows)
}

/// What the decision of an execution said, and what was noted since, oldest first.
///
/// # Errors
/// The store cannot be read.
pub async fn log_lines(store: &dyn Store, row: &ExecutionRow) -> Result<Vec<LogLine>, StoreError> {
    let stored = store.logs(row.execution.id).await?;
    let first = &row.execution.logs;
    if stored.starts_with(first) {
        return Ok(stored);
    }
    Ok(first.iter().cloned().chain(stored).collect())
}

/// The payload with which a person began.
///
/// # Errors
/// The store cannot be read.
pub async fn payload(store: &dyn Store, one: &Enrolment) -> Result<Map<String, Value>, StoreError> {
    if let Some(payload) = &one.payload {
        return Ok(object(payload));
    }
    let body = store.body(one.execution).await?.unwrap_or_default();
    Ok(object(&String::from_utf8_lossy(&body)))
}

/// Says what was looked at for a person of whom nothing is known.
#[must_use]
pub fn nobody(person: &str) -> String {
    format!(
        "Nothing is known of `{person}`: no call has named this address in its field `email`, no \
         sequence was started for it, and it is on no suppression list."
    )
}

/// The name of the zone in which the rules count days.
fn zone(rules: &RuleSet) -> &str {
    rules.sender.as_ref().and_then(|sender| sender.zone.iana_name()).unwrap_or("UTC")
}
