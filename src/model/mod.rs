//! The nouns. [`rules`] holds what marketers declare, compiled and immutable; [`queue`]
//! holds what happens because of it: executions, jobs, attempts, enrolments, records.
//! Nothing here reads files, asks the time or talks to anyone.

pub mod call;
pub mod commit;
pub mod content;
pub mod context;
pub mod queue;
pub mod rules;
pub mod scope;
pub mod setting;
pub mod test;

pub use call::{Call, Origin};
pub use content::{Attachment, Body, Content, in_language};
pub use context::Context;
pub use queue::{
    Attempt, AttemptError, Enrolment, EnrolmentState, Execution, ExecutionState, Job, JobState,
    Lease, Leased, LogLine, Record, Task, Tried,
};
pub use rules::RuleSet;
pub use scope::{Kind, Scope, Shape};
pub use setting::{FromText, Lookup, Setting, Source};
