//! A deterministic simulation of the whole server: the real app, ingress, deliveries and
//! store logic in one thread, on a clock that only passes when nothing else can happen, with
//! a network and callers that follow from a seed. Several days pass in a fraction of a second;
//! the same seed always gives the same history.
//!
//! `world` makes the history, `peers` answer what is delivered, `slow` lets the store take its
//! time, `check` looks whether the promises hold.

mod book;
mod check;
mod client;
mod dice;
mod peers;
mod rules;
mod slow;
mod world;

use std::ops::Range;
use std::sync::Mutex;
use std::sync::atomic::{AtomicU64, Ordering};

/// What came of one seed.
#[derive(Debug)]
pub(crate) struct Outcome {
    /// What happened, one line each.
    pub(crate) trace: Vec<String>,
    /// The promises that did not hold.
    pub(crate) violations: Vec<String>,
    /// Calls that were answered with success.
    pub(crate) acked: usize,
    /// Jobs and e-mails that reached their receiver.
    pub(crate) delivered: usize,
    /// Those that reached it once more because a crash had swallowed the outcome.
    pub(crate) duplicated: usize,
}

/// What came of many seeds.
#[derive(Debug, Default)]
pub(crate) struct Summary {
    /// Seeds that were run.
    pub(crate) cases: u64,
    /// Calls that were answered with success.
    pub(crate) acked: usize,
    /// Jobs and e-mails that reached their receiver.
    pub(crate) delivered: usize,
    /// Those that reached it once more because a crash had swallowed the outcome.
    pub(crate) duplicated: usize,
    /// The first seeds that broke a promise, with the end of their history.
    pub(crate) failed: Vec<String>,
}

/// After so many failures the rest is not run.
const ENOUGH: usize = 3;

/// Runs one seed.
pub(crate) fn one(seed: u64) -> Outcome {
    tokio::runtime::Builder::new_current_thread()
        .enable_time()
        .start_paused(true)
        .build()
        .unwrap()
        .block_on(world::live_through(seed))
}

/// Runs seeds on two threads.
pub(crate) fn many(seeds: Range<u64>) -> Summary {
    let next = AtomicU64::new(seeds.start);
    let summary = Mutex::new(Summary::default());
    let work = || {
        loop {
            let seed = next.fetch_add(1, Ordering::Relaxed);
            if seed >= seeds.end || summary.lock().unwrap().failed.len() >= ENOUGH {
                return;
            }
            let outcome = one(seed);
            let mut all = summary.lock().unwrap();
            all.cases += 1;
            all.acked += outcome.acked;
            all.delivered += outcome.delivered;
            all.duplicated += outcome.duplicated;
            if !outcome.violations.is_empty() {
                all.failed.push(story(seed, &outcome));
            }
        }
    };
    std::thread::scope(|scope| {
        scope.spawn(work);
        scope.spawn(work);
    });
    summary.into_inner().unwrap()
}

/// A failure with what led to it.
pub(crate) fn story(seed: u64, outcome: &Outcome) -> String {
    format!(
        "seed {seed} (again with: SEED={seed} cargo test --test simulation)\n{}\n\n{}\n",
        outcome.trace.join("\n"),
        outcome.violations.join("\n")
    )
}
