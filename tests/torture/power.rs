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
/// Large bodies: each cut makes this many at most.
const LARGE: usize = 40;

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

pub(crate) fn run(job: &Job) -> Tally {
    let cuts = job.count(4, 50);
    let mut tally = Tally::default();
    let mut dice = job.dice();
    let mut opened = Vec::new();
    let mut done = 0;
    while done < cuts {
        let round = (cuts - done).min(CUTS);
        let inner = Job { folder: job.folder.join(format!("round-{done}")), ..job.clone() };
        std::fs::create_dir(&inner.folder).unwrap();
        match Disk::new(&inner, 0) {
            Ok(disk) => rounds(&inner, disk, round, &mut dice, &mut opened, &mut tally),
            Err(why) if done == 0 => {
                return Tally::all_skipped(cuts, format!("no image can be mounted: {why}"));
            }
            Err(why) => tally.wrong(why),
        }
        std::fs::remove_dir_all(&inner.folder).unwrap();
        done += round;
    }
    tally.figure("open_p99_ms", percentile(&mut opened, 99));
    tally.figure("slowest_open_ms", percentile(&mut opened, 100));
    tally
}

/// Several cuts, one after another, on what each has left.
fn rounds(
    job: &Job,
    mut disk: Disk,
    cuts: usize,
    dice: &mut Dice,
    opened: &mut Vec<u128>,
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
        opened.push(ms(up.opened));
        world.repeat(&up, tally);
        world.look(&up, tally);
        let plan = Plan::small(8, Duration::from_millis(dice.within(0..5)));
        let large = Plan { length: 65_536..262_144, most: LARGE, ..plan.clone() };
        let load = world.load(&up, if cut % 2 == 1 { &large } else { &plan });
        std::thread::sleep(Duration::from_millis(dice.within(50..600)));
        let outcome = disk.cut(up, job);
        load.end();
        tally.cases += 1;
        if let Err(why) = outcome {
            return tally.wrong(why);
        }
        // The power comes back for a moment only: every fifth cut hits the start as well.
        if cut % 5 == 4 || (!job.full && cut == 1) {
            world.data = disk.folder();
            let process = crate::binary::Running::start(world.command());
            std::thread::sleep(Duration::from_millis(dice.within(1..60)));
            let starting =
                Up { process, address: ([127, 0, 0, 1], 0).into(), opened: Duration::ZERO };
            tally.cases += 1;
            if let Err(why) = disk.cut(starting, job) {
                return tally.wrong(why);
            }
        }
    }
    world.data = disk.folder();
    let up = world.up();
    opened.push(ms(up.opened));
    world.repeat(&up, tally);
    world.settle(&up, tally);
    up.kill();
}
