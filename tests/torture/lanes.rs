//! One receiver takes connections and never answers; deliveries to another must come as
//! soon as they come without it.

use std::net::TcpListener;
use std::time::{Duration, Instant};

use crate::load::{Load, Plan};
use crate::sink::Sink;
use crate::tally::{Job, Tally, percentile};
use crate::world::{Up, World};

/// Two services; a call goes to one of them.
const RULES: &str = r#"
queue batch=64 every="5s" keep="30d"
service "live" type="http" {
    url (env)"CRM_URL"
    retry "1s" "1s" "1s"
    in-flight 16
}
service "dead" type="http" {
    url (env)"DEAD_URL"
    retry "1s" "1s" "1s"
    timeout "5s"
    in-flight 16
}
events to="live" path="/in" {
    event "noted"
}
events to="dead" path="/in" {
    event "shouted"
}
webhooks "t" {
    path "/t"
    endpoint "note" {
        payload { n integer; text text optional; }
        send "noted"
    }
    endpoint "shout" {
        payload { n integer; text text optional; }
        send "shouted"
    }
}
"#;

/// What a hanging neighbour may add, beside the ratio: the machine is shared.
const NOISE: Duration = Duration::from_millis(50);

pub(crate) fn run(job: &Job) -> Tally {
    let mut tally = Tally::default();
    tally.cases = 1;
    let dead = TcpListener::bind("127.0.0.1:0").unwrap();
    let dead_url = format!("http://{}", dead.local_addr().unwrap());
    std::thread::spawn(move || {
        // Each connection is kept open and never read.
        let mut open: Vec<_> = Vec::new();
        open.extend(dead.incoming());
    });
    let mut world = World::new(job, RULES, Sink::start());
    let mut command = world.command();
    command.env("DEAD_URL", dead_url);
    let up = crate::world::up(command);
    let time = job.seconds(2, 12);
    let alone = waits(&world, &up, time, &mut tally);
    let shouts = std::sync::Arc::default();
    let shout = Plan { path: "/t/shout", ..Plan::small(4, Duration::from_millis(2)) };
    let load = Load::on(up.address, &shouts, &shout);
    // Its places are all taken before the other is measured.
    std::thread::sleep(Duration::from_millis(500));
    let beside = waits(&world, &up, time, &mut tally);
    load.end();
    tally.figure("p95_alone_ms", alone.as_millis());
    tally.figure("p95_beside_hanging_ms", beside.as_millis());
    tally.figure("hanging_queued", shouts.acked());
    tally.must(beside <= 2 * alone + NOISE, || {
        format!("a hanging neighbour slows deliveries from {alone:?} to {beside:?} (p95)")
    });
    world.settle(&up, &mut tally);
    up.kill();
    tally
}

/// Calls for a while; how long after its call an event has arrived (p95).
fn waits(world: &World, up: &Up, time: Duration, tally: &mut Tally) -> Duration {
    let began = Instant::now();
    let load = world.load(up, &Plan::small(4, Duration::from_millis(15)));
    std::thread::sleep(time);
    load.end();
    let absent = world.arrive();
    tally.must(absent == 0, || format!("{absent} events are stuck"));
    let pages = world.book.pages();
    let came = world.sink.came();
    let fresh = pages.acked.iter().filter(|(_, acked)| acked.sent >= began);
    let mut waits: Vec<Duration> = fresh
        .filter_map(|(n, acked)| Some(came.numbers.get(n)?.saturating_duration_since(acked.sent)))
        .collect();
    percentile(&mut waits, 95)
}
