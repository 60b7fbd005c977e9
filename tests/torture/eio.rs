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

/// Calls, errors, and whether the process has to stop. sled's own fsync now and then is not
/// what a group waits for: each is synced on a handle of the store's own, to which the
/// kernel reports a failed write as well.
const KINDS: [(&str, i32, bool); 6] = [
    ("fdatasync", EIO, true),
    ("pwrite", EIO, true),
    ("pwrite", ENOSPC, true),
    ("pwrite", HALF, false),
    ("sync_file_range", EIO, true),
    ("fsync", EIO, false),
];

pub(crate) fn run(job: &Job) -> Tally {
    let numbers = job.count(1, 6);
    let shim = match Shim::build(&job.folder) {
        Ok(shim) => shim,
        Err(why) => return Tally::all_skipped(KINDS.len() * numbers, why),
    };
    let mut tally = Tally::default();
    let mut took = Vec::new();
    let mut world = World::new(job, RULES, Sink::start());
    for (call, error, stops) in KINDS {
        for number in 1..=numbers {
            let case = format!("{call} number {number} fails with {error}");
            let mut command = world.command();
            shim.load(&mut command);
            let up = crate::world::up(command);
            world.repeat(&up, &mut tally);
            let load = world.load(&up, &Plan::small(4, Duration::from_millis(2)));
            std::thread::sleep(Duration::from_millis(100));
            shim.fail(call, number, error);
            let ended = if stops { end(up, &shim) } else { Some(go_on(up, &shim)) };
            load.end();
            tally.cases += 1;
            match (ended, shim.struck()) {
                (_, None) => {
                    tally.cases -= 1;
                    tally.skip(1, format!("no such call within {WAIT:?}: {case}"));
                }
                (Some(Down { code, said, took: time }), Some(syncs)) => {
                    took.push(ms(time));
                    let wanted = if stops { EXIT } else { 0 };
                    tally.must(code == Some(wanted), || format!("{case}: {code:?} {said:?}"));
                    tally.must(time <= IN_TIME, || format!("{case}: it took {time:?}"));
                    tally.must(!stops || syncs == 0, || format!("{case}: {syncs} syncs after it"));
                }
                (None, Some(_)) => tally.wrong(format!("{case}: the server goes on")),
            }
        }
    }
    let up = world.up();
    world.repeat(&up, &mut tally);
    world.settle(&up, &mut tally);
    tally.figure("slowest_end_ms", percentile(&mut took, 100));
    tally
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

/// It goes on, and ends as usual.
fn go_on(mut up: Up, shim: &Shim) -> Down {
    await_strike(shim);
    std::thread::sleep(Duration::from_millis(100));
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
