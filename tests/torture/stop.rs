//! SIGTERM under load: what was let in is answered, what was accepted is kept, and the
//! process ends in time.

use std::time::Duration;

use crate::load::Plan;
use crate::sink::Sink;
use crate::tally::{Job, Tally, percentile};
use crate::world::{RULES, World, ms};

/// The end has come by then.
const IN_TIME: Duration = Duration::from_secs(10);

pub(crate) fn run(job: &Job) -> Tally {
    let mut tally = Tally::default();
    let mut dice = job.dice();
    let mut world = World::new(job, RULES, Sink::start());
    let (mut took, mut open) = (Vec::new(), Vec::new());
    for _ in 0..job.count(4, 50) {
        let up = world.up();
        let plan = Plan::small(32, Duration::from_millis(dice.within(0..20)));
        let load = world.load(&up, &plan);
        std::thread::sleep(Duration::from_millis(dice.within(100..700)));
        let (code, time) = up.stop();
        load.end();
        open.append(&mut world.book.pages().open);
        took.push(ms(time));
        tally.must(code == Some(0), || format!("it ended with {code:?}"));
        tally.must(time <= IN_TIME, || format!("the stop took {time:?}"));
        tally.cases += 1;
    }
    let up = world.up();
    world.settle(&up, &mut tally);
    // A caller may write on a connection that is just being closed; but a call that was
    // let in, and so has left an event, must have been answered.
    let came = world.sink.came();
    let reset: Vec<u64> =
        open.iter().map(|(n, _)| *n).filter(|n| came.numbers.contains_key(n)).collect();
    tally.must(reset.is_empty(), || {
        format!("{} calls were let in and got no answer, such as call {}", reset.len(), reset[0])
    });
    tally.figure("resets_of_admitted", reset.len());
    tally.figure("stop_p50_ms", percentile(&mut took, 50));
    tally.figure("slowest_stop_ms", percentile(&mut took, 100));
    tally
}
