//! One receiver takes connections and never answers; deliveries to another must come as
//! soon as they come without it. And what is to be tried again at a moment is tried then.

use std::collections::BTreeMap;
use std::net::TcpListener;
use std::time::{Duration, Instant};

use jiff::Timestamp;

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

/// The first try of some deliveries is refused; the second is due at a moment of its own.
const AGAIN: &str = r#"
service "live" type="http" {
    url (env)"CRM_URL"
    retry "4s" "4s"
    in-flight 16
}
events to="live" path="/in" {
    event "noted"
}
webhooks "t" {
    path "/t"
    endpoint "note" {
        payload { n integer; text text optional; }
        send "noted"
    }
}
"#;
/// How late a second try may come (p99), in milliseconds; without optimisation nobody promises
/// speed.
const LATE: i64 = if cfg!(debug_assertions) { 1_000 } else { 50 };
/// One in so many deliveries is refused once; more in a row, and its service is given a rest.
const REFUSED: u64 = 2;
/// How often they are measured at most.
const MEASURED: usize = 3;
/// Second tries that are looked at, at least.
const TRIES: usize = 100;

pub(crate) fn run(job: &Job) -> Tally {
    let mut tally = Tally::default();
    tally.cases = 2;
    beside_hanging(job, &mut tally);
    // The machine may have other work at one of these moments: then it is measured again.
    for measured in 1..=MEASURED {
        let late = late(job, measured, &mut tally);
        if late < LATE {
            break;
        }
        tally.must(measured < MEASURED, || format!("second tries come {late} ms late (p99)"));
    }
    tally
}

fn beside_hanging(job: &Job, tally: &mut Tally) {
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
    let alone = waits(&world, &up, time, tally);
    let shouts = std::sync::Arc::default();
    let shout = Plan { path: "/t/shout", ..Plan::small(4, Duration::from_millis(2)) };
    let load = Load::on(up.address, &shouts, &shout);
    // Its places are all taken before the other is measured.
    std::thread::sleep(Duration::from_millis(500));
    let beside = waits(&world, &up, time, tally);
    load.end();
    tally.figure("p95_alone_ms", alone.as_millis());
    tally.figure("p95_beside_hanging_ms", beside.as_millis());
    tally.figure("hanging_queued", shouts.acked());
    tally.must(beside <= 2 * alone + NOISE, || {
        format!("a hanging neighbour slows deliveries from {alone:?} to {beside:?} (p95)")
    });
    world.settle(&up, tally);
    up.kill();
}

/// How many milliseconds after the moment for which it was planned a second try arrives (p99).
fn late(job: &Job, measured: usize, tally: &mut Tally) -> i64 {
    let inner = Job { folder: job.folder.join(format!("again-{measured}")), ..job.clone() };
    let mut world = World::new(&inner, AGAIN, Sink::refusing_one_in(REFUSED));
    let up = world.up();
    let load = world.load(&up, &Plan::small(4, Duration::from_millis(5)));
    std::thread::sleep(Duration::from_secs(2));
    load.end();
    crate::binary::until("all first tries were refused", || {
        world.sink.came().deliveries.len() == world.book.acked()
    });
    let due = planned(&up);
    tally.must(due.len() >= TRIES, || format!("only {} second tries are planned", due.len()));
    world.settle(&up, tally);
    let (now, wall) = (Instant::now(), Timestamp::now().as_millisecond());
    let came = world.sink.came();
    let mut late: Vec<i64> = due
        .iter()
        .filter_map(|(id, due)| {
            let second = came.deliveries.get(id)?.tries.get(1)?;
            Some(wall - i64::try_from(now.duration_since(*second).as_millis()).unwrap() - due)
        })
        .collect();
    let p99 = percentile(&mut late, 99);
    tally.figure("second_tries", late.len());
    tally.figure("late_p50_ms", percentile(&mut late, 50));
    tally.figure("late_p99_ms", p99);
    tally.must(late.len() == due.len(), || format!("only {} second tries came", late.len()));
    // Both clocks are cut to milliseconds.
    let early = late.first().copied().unwrap_or_default();
    tally.must(early >= -1, || format!("a second try came {} ms early", -early));
    drop(came);
    up.kill();
    p99
}

/// When each delivery that waits is due, by its id, in milliseconds since 1970.
fn planned(up: &Up) -> BTreeMap<String, i64> {
    let mut due = BTreeMap::new();
    for page in 1.. {
        let listed = up.get(&format!("/api/v1/queue?status=pending&size=200&page={page}")).json();
        let Some(jobs) = listed["results"].as_array().filter(|jobs| !jobs.is_empty()) else {
            break;
        };
        for job in jobs.iter().filter(|job| job["attempts"] == 1) {
            let at: Timestamp = job["next_attempt_at"].as_str().unwrap().parse().unwrap();
            due.insert(job["id"].as_str().unwrap().to_owned(), at.as_millisecond());
        }
    }
    due
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
