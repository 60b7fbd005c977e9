//! One write or sync of the store fails, as a dying disk's do. Nobody can tell then what the
//! disk holds: the process must stop at once with its own exit code, and never sync again.

use std::time::{Duration, Instant};

use crate::load::Plan;
use crate::shim::{EIO, ENOSPC, HALF, Shim};
use crate::sink::Sink;
use crate::tally::{Job, Tally, percentile};
use crate::world::{Down, RULES, Up, World, ms};

/// The exit code of a server whose disk has failed.
const EXIT: i32 = 74;
/// It has stopped by then.
const IN_TIME: Duration = Duration::from_secs(5);
/// How long a plan may wait for a call of its kind.
const WAIT: Duration = Duration::from_secs(4);

/// What a failed call has to lead to.
#[derive(Clone, Copy, PartialEq)]
enum Then {
    /// The process stops.
    Stops,
    /// It goes on, and ends as usual when it is asked to.
    GoesOn,
    /// It is being closed, all is on the disk: it ends, in words or well.
    Ends,
}

/// Calls, errors and what follows. sled's own fsync now and then is not what a group waits
/// for: each is synced on a handle of the store's own, to which the kernel reports a failed
/// write as well.
const KINDS: [(&str, i32, Then); 7] = [
    ("fdatasync", EIO, Then::Stops),
    ("pwrite", EIO, Then::Stops),
    ("pwrite", ENOSPC, Then::Stops),
    ("pwrite", HALF, Then::GoesOn),
    ("sync_file_range", EIO, Then::Stops),
    ("fsync", EIO, Then::GoesOn),
    ("fsync", EIO, Then::Ends),
];

pub(crate) fn run(job: &Job) -> Tally {
    let numbers = job.count(1, 6);
    let shim = match Shim::build(&job.folder) {
        Ok(shim) => shim,
        Err(why) => return Tally::all_skipped(KINDS.len() * numbers, why),
    };
    let mut test = Test {
        world: World::new(job, RULES, Sink::start()),
        shim,
        tally: Tally::default(),
        took: Vec::new(),
    };
    for (call, error, then) in KINDS {
        // sled syncs by itself once a second at most.
        for number in 1..=if call == "fsync" { numbers.min(2) } else { numbers } {
            test.case(call, number, error, then);
        }
    }
    let Test { mut world, mut tally, mut took, .. } = test;
    let up = world.up();
    world.repeat(&up, &mut tally);
    world.settle(&up, &mut tally);
    tally.figure("slowest_end_ms", percentile(&mut took, 100));
    tally
}

struct Test {
    world: World,
    shim: Shim,
    tally: Tally,
    took: Vec<u128>,
}

impl Test {
    fn case(&mut self, call: &str, number: usize, error: i32, then: Then) {
        let Self { world, shim, tally, took } = self;
        let case = format!("{call} number {number} fails with {error}");
        let mut command = world.command();
        shim.load(&mut command);
        let up = crate::world::up(command);
        world.repeat(&up, tally);
        let load = world.load(&up, &Plan::small(4, Duration::from_millis(2)));
        std::thread::sleep(Duration::from_millis(100));
        shim.fail(call, number, error);
        let ended = match then {
            Then::Stops => end(up, shim),
            Then::GoesOn => {
                await_strike(shim);
                Some(stop(up))
            }
            Then::Ends => Some(stop(up)),
        };
        load.end();
        let (ended, Some(syncs)) = (ended, shim.struck()) else {
            return tally.wrong(format!("no such call in time: {case}"));
        };
        tally.cases += 1;
        let Some(Down { code, said, took: time }) = ended else {
            return tally.wrong(format!("{case}: the server goes on"));
        };
        took.push(ms(time));
        let right = match then {
            Then::Stops => code == Some(EXIT) && syncs == 0,
            Then::GoesOn => code == Some(0),
            Then::Ends => code == Some(0) || code == Some(EXIT),
        };
        tally.must(right, || format!("{case}: {code:?}, {syncs} syncs after it, {said:?}"));
        tally.must(time <= IN_TIME, || format!("{case}: it took {time:?}"));
        tally.must(!said.contains("panicked"), || format!("{case}: it panicked"));
    }
}

/// Waits for the end after the plan; nothing when it does not come.
fn end(mut up: Up, shim: &Shim) -> Option<Down> {
    await_strike(shim);
    let struck = Instant::now();
    while up.process.runs() {
        if struck.elapsed() > IN_TIME || !shim.has_struck() {
            up.kill();
            return None;
        }
        std::thread::sleep(Duration::from_millis(2));
    }
    let took = struck.elapsed();
    let (status, said, _) = up.process.end();
    Some(Down { code: status.code(), said, took })
}

/// Asks it to stop, and waits for its end.
fn stop(mut up: Up) -> Down {
    up.process.signal("TERM");
    let (status, said, took) = up.process.end();
    Down { code: status.code(), said, took }
}

fn await_strike(shim: &Shim) {
    let began = Instant::now();
    while !shim.has_struck() && began.elapsed() < WAIT {
        std::thread::sleep(Duration::from_millis(1));
    }
}
