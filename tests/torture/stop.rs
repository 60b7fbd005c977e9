//! SIGTERM under load: what was let in is answered, what was accepted is kept, and the
//! process ends in time; also while a receiver hangs, or callers stop in the middle of a body.

use std::io::Write as _;
use std::net::TcpStream;
use std::time::Duration;

use crate::load::Plan;
use crate::sink::Sink;
use crate::tally::{Job, Tally, percentile};
use crate::world::{RULES, Up, World, ms};

/// The end has come by then.
const IN_TIME: Duration = Duration::from_secs(10);
/// So much of that is left over here, for stores that take longer to close.
const SPARE: Duration = Duration::from_secs(1);
/// Callers who never send the rest of their body or head.
const HALVES: usize = 8;

pub(crate) fn run(job: &Job) -> Tally {
    let mut tally = Tally::default();
    let mut dice = job.dice();
    let mut world = World::new(job, RULES, Sink::start());
    let (mut took, mut long, mut open) = (Vec::new(), Vec::new(), Vec::new());
    // Of so many stops one has to wait for a receiver that takes connections and never answers,
    // and one for callers who never end; in the short form the same one, as each takes its time.
    let every = job.count(3, 12);
    for case in 0..job.count(3, 50) {
        let hangs = case % every == 1;
        let dawdle = case % every == job.count(1, 2);
        world.sink.hang(hangs);
        let up = world.up();
        let plan = Plan::small(32, Duration::from_millis(dice.within(0..20)));
        let load = world.load(&up, &plan);
        std::thread::sleep(Duration::from_millis(dice.within(100..700)));
        let halves = if dawdle { half_calls(&up) } else { Vec::new() };
        let (code, time) = up.stop();
        load.end();
        drop(halves);
        open.append(&mut world.book.pages().open);
        if hangs || dawdle { &mut long } else { &mut took }.push(ms(time));
        tally.must(code == Some(0), || format!("it ended with {code:?}"));
        tally.must(time + SPARE <= IN_TIME, || format!("the stop took {time:?}"));
        tally.cases += 1;
    }
    world.sink.hang(false);
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
    tally.figure("hindered", long.len());
    tally.figure("slowest_hindered_ms", percentile(&mut long, 100));
    tally
}

/// Calls of which half has been sent: half of them stop in the body, the others in the head.
fn half_calls(up: &Up) -> Vec<TcpStream> {
    let half = |number: usize| {
        let mut stream = TcpStream::connect(up.address).unwrap();
        let head = "POST /t/note HTTP/1.1\r\nhost: a\r\ncontent-type: application/json\r\n";
        let rest = "content-length: 5000\r\n\r\n{\"n\":1,";
        let rest = if number.is_multiple_of(2) { rest } else { "content-" };
        write!(stream, "{head}{rest}").unwrap();
        stream
    };
    let halves = (0..HALVES).map(half).collect();
    // They are there before the server is asked to stop.
    std::thread::sleep(Duration::from_millis(50));
    halves
}
