//! The power goes under load. The data folder lies on an image behind a loop device: the
//! server is stopped in the middle of its work, the image is copied as it is on its disk
//! (what the system had not written yet is lost), and the next server starts on the copy.

use std::path::PathBuf;
use std::time::Duration;

use crate::load::Plan;
use crate::sink::Sink;
use crate::tally::{Dice, Job, Tally, percentile};
use crate::volume::{Volume, copy_image, new_image};
use crate::world::{RULES, Up, World, ms};

/// The size of an image; it is sparse.
const MIB: u64 = 1_024;
/// A new image after so many cuts, so that copies stay small.
const CUTS: usize = 10;
/// Callers with large bodies rest so long after each, so that the image does not fill up.
const LARGE_REST: Duration = Duration::from_millis(20);
/// A start that is cut is cut before so many milliseconds, or before the last one listened.
const START: u64 = 400;

/// Fewer than this are few.
const FEW: usize = 10;

/// An image, mounted.
struct Disk {
    image: PathBuf,
    volume: Option<Volume>,
    number: usize,
}

impl Disk {
    fn new(job: &Job, number: usize) -> Result<Self, String> {
        let image = job.folder.join(format!("disk-{number}.img"));
        new_image(&image, MIB)?;
        let volume = Volume::image(&image, job.folder.join(format!("mount-{number}")))?;
        Ok(Self { image, volume: Some(volume), number })
    }

    /// What the disk holds at this moment becomes the disk.
    fn cut(&mut self, up: Up, job: &Job) -> Result<(), String> {
        up.freeze();
        self.number += 1;
        let copy = job.folder.join(format!("disk-{}.img", self.number));
        copy_image(&self.image, &copy);
        up.kill();
        drop(self.volume.take());
        std::fs::remove_file(&self.image).unwrap();
        self.image = copy;
        let at = job.folder.join(format!("mount-{}", self.number));
        self.volume = Some(Volume::image(&self.image, at)?);
        Ok(())
    }

    fn folder(&self) -> PathBuf {
        self.volume.as_ref().unwrap().at.join("data")
    }
}

/// What was going on at the cuts.
#[derive(Default)]
struct Met {
    /// How long each start took that was let be, in milliseconds.
    opened: Vec<u128>,
    /// Calls without an answer at each cut under small bodies, and under large ones.
    open: [Vec<usize>; 2],
    /// Whether each cut start had not listened yet.
    starting: Vec<bool>,
}

impl Met {
    /// Most of the cuts must have met something, where there are enough to say so.
    fn tell(mut self, tally: &mut Tally) {
        tally.figure("open_p99_ms", percentile(&mut self.opened, 99));
        tally.figure("slowest_open_ms", percentile(&mut self.opened, 100));
        for (kind, open) in ["small", "large"].into_iter().zip(&mut self.open) {
            let busy = open.iter().filter(|calls| **calls > 0).count();
            tally.figure(&format!("cuts_amid_{kind}_calls"), format!("{busy}/{}", open.len()));
            tally.figure(&format!("{kind}_calls_open_p50"), percentile(open, 50));
            tally.must(is_most(busy, open.len()), || {
                format!("only {busy} of {} cuts met {kind} calls without an answer", open.len())
            });
        }
        let starting = self.starting.iter().filter(|starting| **starting).count();
        tally.figure("cuts_before_it_listened", format!("{starting}/{}", self.starting.len()));
        tally.must(is_most(starting, self.starting.len()), || {
            format!("only {starting} of {} starts were cut", self.starting.len())
        });
    }
}

/// Whether so many are most of all; of a few cuts chance alone decides that.
fn is_most(some: usize, all: usize) -> bool {
    all < FEW || some * 2 > all
}

pub(crate) fn run(job: &Job) -> Tally {
    let cuts = job.count(4, 50);
    let mut tally = Tally::default();
    let mut dice = job.dice();
    let mut met = Met::default();
    let mut done = 0;
    while done < cuts {
        let round = (cuts - done).min(CUTS);
        let inner = Job { folder: job.folder.join(format!("round-{done}")), ..job.clone() };
        std::fs::create_dir(&inner.folder).unwrap();
        match Disk::new(&inner, 0) {
            Ok(disk) => rounds(&inner, disk, round, &mut dice, &mut met, &mut tally),
            Err(why) if done == 0 => {
                return Tally::all_skipped(cuts, format!("no image can be mounted: {why}"));
            }
            Err(why) => tally.wrong(why),
        }
        std::fs::remove_dir_all(&inner.folder).unwrap();
        done += round;
    }
    met.tell(&mut tally);
    tally
}

/// Several cuts, one after another, on what each has left.
fn rounds(
    job: &Job,
    mut disk: Disk,
    cuts: usize,
    dice: &mut Dice,
    met: &mut Met,
    tally: &mut Tally,
) {
    let mut world = World::new(job, RULES, Sink::start());
    for cut in 0..cuts {
        world.data = disk.folder();
        let up = match crate::world::start(world.command()) {
            Ok(up) => up,
            Err(down) => {
                tally.lost += world.book.acked();
                return tally.wrong(format!("cut {cut}: it does not start: {down:?}"));
            }
        };
        met.opened.push(ms(up.opened));
        world.repeat(&up, tally);
        world.look(&up, tally);
        let small = Plan::small(8, Duration::from_millis(dice.within(0..5)));
        let large = Plan { length: 65_536..262_144, rest: LARGE_REST, ..small.clone() };
        let load = world.load(&up, [&small, &large][cut % 2]);
        std::thread::sleep(Duration::from_millis(dice.within(50..600)));
        met.open[cut % 2].push(load.open());
        let outcome = disk.cut(up, job);
        load.end();
        tally.cases += 1;
        if let Err(why) = outcome {
            return tally.wrong(why);
        }
        // The power comes back for a moment only: every fifth cut hits the start as well.
        if cut % 5 == 4 || (!job.full && cut == 1) {
            world.data = disk.folder();
            tally.cases += 1;
            if let Err(why) = cut_start(job, &mut disk, &world, dice, met) {
                return tally.wrong(why);
            }
        }
    }
    world.data = disk.folder();
    let up = world.up();
    met.opened.push(ms(up.opened));
    world.repeat(&up, tally);
    world.settle(&up, tally);
    up.kill();
    crate::doctor::look(&world, tally);
}

/// The power goes again before the server listens, early or late in its start.
fn cut_start(
    job: &Job,
    disk: &mut Disk,
    world: &World,
    dice: &mut Dice,
    met: &mut Met,
) -> Result<(), String> {
    let last = met.opened.last().map_or(START, |last| u64::try_from(*last).unwrap());
    let process = crate::binary::Running::start(world.command());
    std::thread::sleep(Duration::from_millis(dice.within(1..last.clamp(2, START))));
    met.starting.push(!process.said().contains(" at http://"));
    disk.cut(Up { process, address: ([127, 0, 0, 1], 0).into(), opened: Duration::ZERO }, job)
}
