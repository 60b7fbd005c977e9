//! kill -9 under load, again and again on one store. Calls with an idempotency key whose
//! answer was lost are made again after the crash, as careful callers do.

use std::time::Duration;

use crate::load::Plan;
use crate::sink::Sink;
use crate::tally::{Job, Tally, percentile};
use crate::world::{IN_FLIGHT, RULES, Up, World, ms};

/// Callers at once.
const CALLERS: usize = 8;
/// Nearly every start has listened by then, in milliseconds.
const OPEN: u128 = 2_000;
/// The doctor looks after every so many cycles.
const EXAMINED: usize = 40;

pub(crate) fn run(job: &Job) -> Tally {
    let mut tally = Tally::default();
    let mut dice = job.dice();
    let mut world = World::new(job, RULES, Sink::start());
    let mut opened = Vec::new();
    let cycles = job.count(6, 200);
    for cycle in 0..cycles {
        let up = world.up();
        opened.push(ms(up.opened));
        world.repeat(&up, &mut tally);
        // Some crashes meet a busy committer, some an idle one.
        let rest = Duration::from_millis(dice.within(0..16));
        let load = world.load(&up, &Plan::small(CALLERS, rest));
        std::thread::sleep(Duration::from_millis(dice.within(20..800)));
        up.kill();
        load.end();
        tally.cases += 1;
        if cycle % EXAMINED == 2 {
            crate::doctor::look(&world, &mut tally);
        }
    }
    let up = world.up();
    opened.push(ms(up.opened));
    world.repeat(&up, &mut tally);
    world.settle(&up, &mut tally);
    let allowed = cycles * IN_FLIGHT;
    let duplicated = tally.duplicated;
    tally.must(duplicated <= allowed, || {
        format!("{duplicated} deliveries came twice; {allowed} could have been under way")
    });
    recount(&up, &mut tally);
    up.kill();
    crate::doctor::look(&world, &mut tally);
    let p99 = percentile(&mut opened, 99);
    tally.figure("open_p50_ms", percentile(&mut opened, 50));
    tally.figure("open_p99_ms", p99);
    tally.figure("slowest_open_ms", percentile(&mut opened, 100));
    tally.must(p99 <= OPEN, || format!("a start took {p99} ms (p99)"));
    tally
}

/// The counters say what a list of all jobs says.
fn recount(up: &Up, tally: &mut Tally) {
    let stats = up.get("/api/v1/queue/stats").json();
    let mut total = 0;
    for state in ["pending", "sending", "sent", "failed", "cancelled"] {
        // A page far behind the end makes the list count everything.
        let path = format!("/api/v1/queue?status={state}&size=200&page=1000");
        let listed = up.get(&path).json()["total"].as_u64().unwrap_or(u64::MAX);
        tally.must(stats[state] == listed, || {
            format!("the queue counts {} {state} and lists {listed}", stats[state])
        });
        total += listed;
    }
    tally.must(stats["total"] == total, || format!("the sum {} is not {total}", stats["total"]));
    tally.figure("recounted", total);
}
