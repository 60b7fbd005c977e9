//! Decisions. [`decide()`] says what a call means, [`step()`] what a due step of a sequence
//! means, [`outcome()`] what becomes of a job after an attempt. All three are pure: they see
//! rules, values and a time, and answer with what is to be written. The same input gives the
//! same answer, ids and all, so a decision can be made again whenever the store says that
//! the world has moved on.

mod cap;
mod chance;
mod choice;
mod content;
mod decide;
mod ending;
mod enrol;
pub mod feedback;
mod fill;
mod numbers;
mod outcome;
mod refusal;
mod replan;
mod run;
mod step;
mod timing;
mod world;

pub use cap::{place, put_off};
pub use chance::{Comparison, ENOUGH};
pub use choice::{Pick, position, said, spoken, variant};
pub use decide::{Decided, Decision, decide};
pub use numbers::{Counts, Numbers, RATES, StepNumbers, numbers};
pub use outcome::{Retries, failed_inside, gone_flag, outcome};
pub use refusal::Reply;
pub use replan::{Change, Replan, Started, replan};
pub use run::remembered;
pub use step::{Due, StepDecision, draft, latest, step, timed_event};
pub use timing::{Planned, planned};
pub use world::{Need, OUTBOX, Outlet, Seen, View, Watch, Way, World};
