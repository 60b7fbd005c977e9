//! What can happen to a store, as lists that chance makes up and that can be made smaller.
//! Numbers in them choose among what there is at that moment, so every list makes sense.

use proptest::collection::vec;
use proptest::prelude::*;

/// One thing that is asked of a store, or that happens to it.
#[derive(Clone, Debug)]
pub(crate) enum Op {
    /// A call with what it writes. `key` is an idempotency key with one of two bodies; a
    /// `stale` call has seen the world as it is not.
    Call { writes: Vec<What>, key: Option<(u8, bool)>, stale: bool },
    /// Takes what is due, at most `limit`, and `free` of each lane.
    Claim { limit: usize, free: usize },
    /// Ends (or postpones, or makes an e-mail of) a job under one of the leases ever given.
    Finish { lease: usize, how: How, attempt: bool },
    /// Hands a job back for so many milliseconds.
    Release { lease: usize, rest: i64 },
    /// Prolongs a lease.
    Renew { lease: usize },
    /// Tries a job again by hand.
    Retry { job: usize },
    /// Calls a job off, or kills it.
    Cancel { job: usize, kill: bool },
    /// Forgets what is older than so many hours.
    Purge { hours: i64 },
    /// Time passes, in milliseconds.
    Wait { millis: i64 },
    /// The store is opened anew, after it was closed or was cut off.
    Reopen { closed: bool },
}

/// One write of a call.
#[derive(Clone, Debug)]
pub(crate) enum What {
    /// Queues a job, `after` milliseconds from now; those with the same `order` go one at a
    /// time.
    Queue { lane: usize, after: i64, priority: i64, order: Option<u8> },
    /// Mirrors a record.
    Mirror { record: u8 },
    /// Puts a person into a sequence of so many steps, `gap` milliseconds apart.
    Enrol { sequence: usize, person: usize, steps: i64, gap: i64 },
    /// Plans what is left of a person's sequence anew: so many steps, `gap` apart from now.
    Replan { sequence: usize, person: usize, steps: i64, gap: i64 },
    /// Stops a sequence of a person.
    Stop { sequence: usize, person: usize, kill: bool },
    /// Writes or removes a record.
    Record { id: u8, keep: bool },
    /// Sets or clears a flag.
    Flag { name: u8, set: bool },
    /// Puts an address on the suppression list.
    Suppress { person: usize },
}

/// What becomes of a job.
#[derive(Clone, Copy, Debug)]
pub(crate) enum How {
    Sent,
    Failed,
    Cancelled,
    Retry { rest: i64, spend: bool },
}

/// Waits that matter: none, some moments, longer than a lease, longer than a purge.
fn stretch() -> impl Strategy<Value = i64> {
    prop_oneof![Just(0), Just(1), Just(50), Just(5_000), Just(70_000)]
}

fn what() -> impl Strategy<Value = What> {
    let order = proptest::option::weighted(0.3, 0..2_u8);
    prop_oneof![
        4 => (0..2_usize, stretch(), 0..2_i64, order)
            .prop_map(|(lane, after, priority, order)| What::Queue { lane, after, priority, order }),
        1 => (0..2_u8).prop_map(|record| What::Mirror { record }),
        3 => (0..2_usize, 0..2_usize, 1..4_i64, stretch())
            .prop_map(|(sequence, person, steps, gap)| What::Enrol { sequence, person, steps, gap }),
        2 => (0..2_usize, 0..2_usize, 0..3_i64, stretch())
            .prop_map(|(sequence, person, steps, gap)| What::Replan { sequence, person, steps, gap }),
        2 => (0..2_usize, 0..2_usize, proptest::bool::weighted(0.2))
            .prop_map(|(sequence, person, kill)| What::Stop { sequence, person, kill }),
        1 => (0..2_u8, proptest::bool::weighted(0.8)).prop_map(|(id, keep)| What::Record { id, keep }),
        1 => (0..2_u8, any::<bool>()).prop_map(|(name, set)| What::Flag { name, set }),
        1 => (0..2_usize).prop_map(|person| What::Suppress { person }),
    ]
}

fn how() -> impl Strategy<Value = How> {
    prop_oneof![
        4 => Just(How::Sent),
        1 => Just(How::Failed),
        1 => Just(How::Cancelled),
        3 => (stretch(), any::<bool>()).prop_map(|(rest, spend)| How::Retry { rest, spend }),
    ]
}

/// No call both kills what an execution left and begins something: the two would contradict
/// each other in one execution, and nobody can ask for that.
fn no_kill_and_start(mut writes: Vec<What>) -> Vec<What> {
    if writes.iter().any(|what| matches!(what, What::Enrol { .. })) {
        for what in &mut writes {
            if let What::Stop { kill, .. } = what {
                *kill = false;
            }
        }
    }
    writes
}

fn op() -> impl Strategy<Value = Op> {
    let which = 0..64_usize;
    let key = proptest::option::weighted(0.3, (0..3_u8, proptest::bool::weighted(0.8)));
    prop_oneof![
        8 => (vec(what(), 0..4), key, proptest::bool::weighted(0.1))
            .prop_map(|(writes, key, stale)| Op::Call { writes: no_kill_and_start(writes), key, stale }),
        8 => (0..6_usize, 0..4_usize).prop_map(|(limit, free)| Op::Claim { limit, free }),
        10 => (which.clone(), how(), any::<bool>())
            .prop_map(|(lease, how, attempt)| Op::Finish { lease, how, attempt }),
        1 => (which.clone(), stretch()).prop_map(|(lease, rest)| Op::Release { lease, rest }),
        1 => which.clone().prop_map(|lease| Op::Renew { lease }),
        3 => which.clone().prop_map(|job| Op::Retry { job }),
        3 => (which, proptest::bool::weighted(0.3)).prop_map(|(job, kill)| Op::Cancel { job, kill }),
        1 => (0..40_i64).prop_map(|hours| Op::Purge { hours }),
        7 => prop_oneof![4 => stretch(), 1 => Just(100_000_000_i64)]
            .prop_map(|millis| Op::Wait { millis }),
        1 => any::<bool>().prop_map(|closed| Op::Reopen { closed }),
    ]
}

/// Some things that happen one after the other: fifty on average.
pub(crate) fn ops() -> impl Strategy<Value = Vec<Op>> {
    vec(op(), 1..100)
}
