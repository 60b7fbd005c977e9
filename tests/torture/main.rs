//! The real program under real faults: killed, cut off from its power, its disk damaged,
//! full or failing, its clock turned, its rules edited, overrun and stopped, always under
//! load over real sockets. Each fault is a process of its own with a folder of its own, so
//! that nothing is left behind whatever happens, and prints one line:
//!
//! ```text
//! NAME cases= acked= lost= duplicated= skipped= …
//! ```
//!
//! `cargo test --release --test torture -- all` runs the full form of every fault, a name
//! instead of `all` that one; without a name (as in `cargo test`) or with `--short` each runs
//! a few cases. `--seed=N` repeats the choices of an earlier run.
#![allow(
    missing_docs,
    clippy::unwrap_used,
    clippy::expect_used,
    clippy::print_stdout,
    clippy::print_stderr,
    clippy::exit,
    clippy::disallowed_methods,
    reason = "a test program: it may stop at the first surprise, speaks on the terminal and lives in real time"
)]

mod asked;
#[path = "../it/support/binary.rs"]
#[allow(dead_code, reason = "other tests use the rest")]
mod binary;
mod clock;
mod crowd;
mod damage;
mod doctor;
mod eio;
mod engine;
mod full;
mod kill;
mod lanes;
mod load;
#[path = "../store_model/model.rs"]
mod model;
mod overload;
mod power;
mod reload;
mod shim;
#[path = "../simulation/sim.rs"]
#[allow(dead_code, reason = "its own test uses the rest")]
mod sim;
mod sink;
#[path = "../it/support/smtp_server.rs"]
#[allow(dead_code, reason = "other tests use the rest")]
mod smtp_server;
mod stop;
mod supervise;
mod tally;
mod volume;
mod world;

use std::process::exit;
use std::time::{Duration, Instant};

use asked::Asked;
use supervise::Ended;
use tally::{Job, Tally};

/// A kind of fault.
pub(crate) struct Fault {
    /// Its name on the command line.
    pub(crate) name: &'static str,
    /// What is done, in one sentence.
    about: &'static str,
    /// Injects it and counts.
    run: fn(&Job) -> Tally,
    /// The full form may take so many seconds.
    limit: u64,
}

/// Every fault. What `all` runs, in this order.
const FAULTS: &[Fault] = &[
    Fault { name: "kill", about: "kill -9 under load", run: kill::run, limit: 300 },
    Fault { name: "power", about: "the power goes under load", run: power::run, limit: 240 },
    Fault { name: "damage", about: "the closed store is damaged", run: damage::run, limit: 180 },
    Fault { name: "full", about: "the disk fills up", run: full::run, limit: 180 },
    Fault { name: "eio", about: "a write or sync fails", run: eio::run, limit: 120 },
    Fault {
        name: "clock",
        about: "the clock jumps, the process sleeps",
        run: clock::run,
        limit: 150,
    },
    Fault {
        name: "reload",
        about: "rule files are edited under load",
        run: reload::run,
        limit: 180,
    },
    Fault { name: "stop", about: "SIGTERM under load", run: stop::run, limit: 200 },
    Fault {
        name: "overload",
        about: "five times as many calls as it can serve",
        run: overload::run,
        limit: 380,
    },
    Fault {
        name: "lanes",
        about: "one receiver hangs, another must not notice",
        run: lanes::run,
        limit: 90,
    },
    Fault {
        name: "model",
        about: "random operations: an oracle, memory and disk agree",
        run: engine::model,
        limit: 900,
    },
    Fault {
        name: "simulation",
        about: "whole histories on a simulated clock and network",
        run: engine::simulation,
        limit: 900,
    },
];

/// The whole short form is meant to take no longer where the machine does nothing else.
const SHORT: Duration = Duration::from_mins(2);
/// Nothing of a short form takes longer.
const SHORT_LIMIT: Duration = Duration::from_secs(90);

fn main() {
    let arguments: Vec<String> = std::env::args().skip(1).collect();
    if let Some(job) = Job::from_arguments(&arguments) {
        return supervise::within(&job);
    }
    match asked::read(&arguments, supervise::asked_by_name()) {
        Asked::List => {
            for fault in FAULTS {
                println!("{}: test", fault.name);
            }
        }
        Asked::Unknown(name) => {
            eprintln!("error: there is no fault `{name}`. These exist:\n");
            for fault in FAULTS {
                eprintln!("  {:<10} {}", fault.name, fault.about);
            }
            eprintln!("  {:<10} every one of them", "all");
            exit(2);
        }
        Asked::Run { faults, full, seed } => exit(run_all(&faults, full, seed)),
    }
}

/// Runs faults one after another; answers the exit code.
fn run_all(faults: &[&Fault], full: bool, seed: u64) -> i32 {
    let began = Instant::now();
    let form = if full { "full" } else { "short" };
    println!("\nrunning {} of {} faults, {form} form, --seed={seed}", faults.len(), FAULTS.len());
    let (mut passed, mut failed, mut ignored) = (0, Vec::new(), 0);
    for fault in faults {
        let limit = if full { Duration::from_secs(fault.limit) } else { SHORT_LIMIT };
        match supervise::run(fault, full, seed, limit) {
            Ended::Passed => passed += 1,
            Ended::Skipped => ignored += 1,
            Ended::Failed => failed.push(fault.name),
        }
    }
    let word = if failed.is_empty() { "ok" } else { "FAILED" };
    if !failed.is_empty() {
        println!("\nfailures: {}", failed.join(", "));
    }
    if !full && faults.len() == FAULTS.len() {
        let (took, meant) = (began.elapsed().as_secs(), SHORT.as_secs());
        let slow = if took > meant { "SLOW: " } else { "" };
        println!("\n{slow}the short form took {took} s; it is meant to take {meant} at most");
    }
    println!(
        "\ntest result: {word}. {passed} passed; {} failed; {ignored} ignored; 0 measured; {} filtered out; finished in {:.2}s\n",
        failed.len(),
        FAULTS.len() - faults.len(),
        began.elapsed().as_secs_f64()
    );
    i32::from(!failed.is_empty()) * 101
}
