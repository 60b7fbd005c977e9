//! The two faults without a process: random operations on the store against a naive oracle,
//! and whole histories of the engine on a simulated clock and network. Both live beside this
//! program as tests of their own; here they run at length.

use crate::tally::{Job, Tally};
use crate::{model as oracle, sim};

/// Lists of random operations: the oracle, the store in memory and the one on disk agree.
pub(crate) fn model(job: &Job) -> Tally {
    let mut tally = Tally::default();
    tally.cases = job.count(20, 2_000);
    let cases = u32::try_from(tally.cases).unwrap();
    if let Err(why) = oracle::both(job.seed, cases) {
        tally.wrong(why);
    }
    tally
}

/// Histories: the promises hold after every step.
pub(crate) fn simulation(job: &Job) -> Tally {
    let first = job.seed % 1_000_000;
    let summary = sim::many(first..first + job.count(4, 1_000) as u64);
    let mut tally = Tally::default();
    tally.cases = usize::try_from(summary.cases).unwrap();
    (tally.acked, tally.duplicated) = (summary.acked, summary.duplicated);
    tally.figure("delivered", summary.delivered);
    tally.figure("first_seed", first);
    for story in summary.failed {
        tally.wrong(story);
    }
    tally
}
