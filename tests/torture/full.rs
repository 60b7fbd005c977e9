//! The disk fills up: a small tmpfs under load. Calls are refused before it is full, nothing
//! that was accepted is lost, a start on the full disk works, and space is noticed.

use std::io::Write as _;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::thread::JoinHandle;
use std::time::{Duration, Instant};

use crate::load::Plan;
use crate::sink::Sink;
use crate::tally::{Job, Tally};
use crate::volume::Volume;
use crate::world::{RULES, Up, World, ms};

/// The size of the volume, and what it is enlarged to.
const MIB: (u32, u32) = (256, 768);
/// Low water: this part of the volume (a volume of this size comes to no other bound).
const LOW_WATER: u64 = 8;
/// What the store grows by at a time, in bytes.
const SEGMENT: u64 = 8 << 20;
/// A refusal comes so soon; the watch itself looks every few milliseconds.
const SOON: Duration = Duration::from_millis(if cfg!(debug_assertions) { 250 } else { 100 });
/// Space is noticed within this time.
const NOTICED: Duration = Duration::from_secs(5);

pub(crate) fn run(job: &Job) -> Tally {
    let cases = job.count(1, 3);
    let mut tally = Tally::default();
    for case in 0..cases {
        let inner = Job { folder: job.folder.join(case.to_string()), ..job.clone() };
        let volume = match Volume::memory(inner.folder.join("volume"), MIB.0) {
            Ok(volume) => Arc::new(volume),
            Err(why) => {
                return Tally::all_skipped(cases, format!("no tmpfs can be mounted: {why}"));
            }
        };
        one(&inner, &volume, case, &mut tally);
        tally.cases += 1;
    }
    tally
}

fn one(job: &Job, volume: &Arc<Volume>, case: usize, tally: &mut Tally) {
    let mut world = World::new(job, RULES, Sink::start());
    world.data = volume.at.join("data");
    let up = world.up();
    let watch = Watch::on(volume);
    let plan = Plan { length: 100_000..200_000, ..Plan::small(4, Duration::from_millis(1)) };
    let load = world.load(&up, &plan);
    let began = Instant::now();
    while world.book.pages().refused.len() < 20 && began.elapsed() < Duration::from_secs(30) {
        std::thread::sleep(Duration::from_millis(10));
    }
    load.end();
    let (low, lowest) = watch.end();
    let (_, whole) = volume.space();
    let refused = world.book.pages().refused.first().copied();
    match (low, refused) {
        (Some(low), Some(refused)) => {
            let late = refused.saturating_duration_since(low);
            tally.figure("refused_after_ms", ms(late));
            tally.must(late <= SOON, || format!("the first 503 came {late:?} after low water"));
        }
        (_, None) => tally.wrong(format!("nothing was refused: {}", up.process.said())),
        // The watch looks now and then: the very moment may be missed, a segment not.
        (None, Some(_)) => tally.must(lowest < whole / LOW_WATER + SEGMENT, || {
            format!("calls were refused with {lowest} of {whole} bytes free")
        }),
    }
    let slowest = world.book.pages().slowest_refusal;
    tally.figure("slowest_503_ms", ms(slowest));
    health(&up, tally, "full");
    // Others fill the rest of the disk.
    fill(volume);
    last_byte(up, tally);
    let up = match crate::world::start(world.command()) {
        Ok(up) => up,
        Err(down) => {
            tally.lost += world.book.acked();
            return tally.wrong(format!("no start on the full disk: {down:?}"));
        }
    };
    tally.figure("cold_start_ms", ms(up.opened));
    health(&up, tally, "started on the full disk");
    world.look(&up, tally);
    volume.enlarge(MIB.1);
    let before = world.book.acked();
    let load = world.load(&up, &Plan::small(2, Duration::from_millis(5)));
    let began = Instant::now();
    while world.book.acked() == before && began.elapsed() < 2 * NOTICED {
        std::thread::sleep(Duration::from_millis(5));
    }
    let back = began.elapsed();
    std::thread::sleep(Duration::from_millis(200));
    load.end();
    tally.figure("accepts_again_ms", ms(back));
    tally.must(back <= NOTICED, || format!("case {case}: space was noticed after {back:?}"));
    tally.must(up.get("/readyz").status == 200, || "not ready with space".into());
    world.settle(&up, tally);
    up.kill();
}

/// Without room for what is under way the server may stop, in words; else it stays alive.
/// Then it is killed.
fn last_byte(mut up: Up, tally: &mut Tally) {
    std::thread::sleep(Duration::from_millis(300));
    if up.process.runs() {
        health(&up, tally, "filled to the last byte");
        return up.kill();
    }
    let (status, said, _) = up.process.end();
    tally.must(status.code() == Some(74), || format!("it ended with {status}: {said}"));
}

/// Not ready, and alive.
fn health(up: &Up, tally: &mut Tally, when: &str) {
    let ready = up.get("/readyz").status;
    tally.must(ready == 503, || format!("/readyz is {ready} when {when}"));
    let alive = up.get("/livez").status;
    tally.must(alive == 200, || format!("/livez is {alive} when {when}"));
}

/// Writes until nothing more fits.
fn fill(volume: &Volume) {
    let mut file = std::fs::File::create(volume.at.join("others")).unwrap();
    let zeros = vec![0; 4_096];
    while file.write_all(&zeros).is_ok() {}
}

/// Notes when the volume falls below low water, and the least that was free.
struct Watch {
    stop: Arc<AtomicBool>,
    thread: JoinHandle<(Option<Instant>, u64)>,
}

impl Watch {
    fn on(volume: &Arc<Volume>) -> Self {
        let stop = Arc::new(AtomicBool::new(false));
        let (stopped, volume) = (Arc::clone(&stop), Arc::clone(volume));
        let thread = std::thread::spawn(move || {
            let (mut low, mut lowest) = (None, u64::MAX);
            while !stopped.load(Ordering::Relaxed) {
                let (free, whole) = volume.space();
                if free < whole / LOW_WATER {
                    low.get_or_insert_with(Instant::now);
                }
                lowest = lowest.min(free);
                std::thread::sleep(Duration::from_millis(2));
            }
            (low, lowest)
        });
        Self { stop, thread }
    }

    /// When it was low first, and the least that was free.
    fn end(self) -> (Option<Instant>, u64) {
        self.stop.store(true, Ordering::Relaxed);
        self.thread.join().unwrap()
    }
}
