//! Room on the disk. sled cannot live through a full one: its first write that fails ends the
//! process, and it cannot even be opened while there is no room. So calls from outside are
//! refused long before, at the low-water mark, and a file of nothing, the ballast, keeps room
//! for an opening in reserve.
//!
//! What the low-water mark must hold: one group with what sled writes around it (a group takes
//! an eighth of what is free at most), the segment that sled is filling, and its snapshot.

use std::fs::{File, OpenOptions};
use std::io::{self, Write as _};
use std::path::{Path, PathBuf};
use std::sync::atomic::{AtomicBool, AtomicU64, Ordering};
use std::time::Instant;

use rustix::fs::{FallocateFlags, fallocate, statvfs};

use crate::store::StoreError;

const MIB: u64 = 1024 * 1024;
/// The low-water mark of a large volume. A smaller one has an eighth of itself.
const LOW: u64 = 256 * MIB;
/// The low-water mark of a small volume, unless that is more than a quarter of it.
const LOW_SMALL: u64 = 24 * MIB;
/// Length of the ballast on a large volume. A smaller one has an eighth of itself.
const BALLAST: u64 = 32 * MIB;
/// Length of the ballast on a small volume, unless that is more than a quarter of it: sled
/// fills its last segment when it opens, and writes a snapshot.
const BALLAST_SMALL: u64 = 12 * MIB;
/// With less than this an opening may fail: the ballast goes first.
const OPENING: u64 = 16 * MIB;
/// The file of nothing.
const BALLAST_FILE: &str = "ballast";
/// What was seen so many milliseconds ago is looked at again.
const OLD_MS: u64 = 100;
/// Fewest bytes of changes that a group may hold, however little room there is.
const SMALLEST_GROUP: u64 = 64 * 1024;

/// A file system.
#[derive(Clone, Copy, Debug)]
struct Volume {
    /// Bytes that may still be written.
    free: u64,
    /// Bytes in all.
    total: u64,
}

impl Volume {
    /// The one that holds a folder; none when the system does not say.
    fn of(folder: &Path) -> Option<Self> {
        let seen = statvfs(folder).ok()?;
        let unit = seen.f_frsize;
        Some(Self {
            free: seen.f_bavail.saturating_mul(unit),
            total: seen.f_blocks.saturating_mul(unit),
        })
    }

    /// Below so many free bytes calls are refused.
    fn low(self) -> u64 {
        self.share(LOW, LOW_SMALL)
    }

    /// Length of the ballast.
    fn ballast(self) -> u64 {
        self.share(BALLAST, BALLAST_SMALL)
    }

    /// An eighth, but not more than `most`; on a small volume `least` or a quarter of it.
    fn share(self, most: u64, least: u64) -> u64 {
        (self.total / 8).max(least.min(self.total / 4)).min(most)
    }
}

/// The room of one store, as it was seen last.
#[derive(Debug)]
pub(super) struct Space {
    folder: PathBuf,
    free: AtomicU64,
    low: AtomicU64,
    /// When it was seen, in milliseconds since `began`.
    seen: AtomicU64,
    began: Instant,
    /// Whether the ballast lies there, or cannot be laid.
    ballast: AtomicBool,
}

impl Space {
    /// Looks at the room of a store that has just been opened.
    #[expect(clippy::disallowed_methods, reason = "only how long ago it looked; nothing is stored")]
    pub(super) fn new(folder: &Path) -> Self {
        let space = Self {
            folder: folder.to_owned(),
            free: AtomicU64::new(u64::MAX),
            low: AtomicU64::new(0),
            seen: AtomicU64::new(0),
            began: Instant::now(),
            ballast: AtomicBool::new(false),
        };
        space.before_group();
        space
    }

    /// Looks, and lays the ballast again once there is room for it.
    pub(super) fn before_group(&self) {
        let Some(volume) = self.look() else { return };
        if self.ballast.load(Ordering::Relaxed) {
            return;
        }
        let (length, file) = (volume.ballast(), self.folder.join(BALLAST_FILE));
        let lies = file.metadata().map_or(0, |file| file.len());
        if lies < length {
            if volume.free < volume.low().saturating_add(length) {
                return;
            }
            if lay(&file, length).is_err() {
                // Part of a ballast is of no use, and its room is missed elsewhere.
                let _ = std::fs::remove_file(&file);
            }
        }
        self.ballast.store(true, Ordering::Relaxed);
    }

    /// Bytes of changes that a group may hold, `most` when there is room enough.
    pub(super) fn group(&self, most: usize) -> usize {
        let share = (self.free.load(Ordering::Relaxed) / 8).max(SMALLEST_GROUP);
        usize::try_from(share).map_or(most, |share| share.min(most))
    }

    /// Why nothing from outside is accepted for want of room, if so. Looks again while there
    /// is none, and when it has not looked for a while.
    pub(super) fn refusal(&self) -> Option<StoreError> {
        let age = self.now().saturating_sub(self.seen.load(Ordering::Relaxed));
        if age >= OLD_MS || self.short().is_some() {
            self.look();
        }
        self.short()
    }

    /// The same, as it was seen last.
    pub(super) fn short(&self) -> Option<StoreError> {
        let (free, low) = (self.free.load(Ordering::Relaxed), self.low.load(Ordering::Relaxed));
        (free < low).then(|| StoreError::NoSpace { free: free / MIB, wanted: low.div_ceil(MIB) })
    }

    fn look(&self) -> Option<Volume> {
        let volume = Volume::of(&self.folder)?;
        self.low.store(volume.low(), Ordering::Relaxed);
        self.free.store(volume.free, Ordering::Relaxed);
        self.seen.store(self.now(), Ordering::Relaxed);
        Some(volume)
    }

    fn now(&self) -> u64 {
        u64::try_from(self.began.elapsed().as_millis()).unwrap_or(u64::MAX)
    }
}

/// Makes room for an opening by giving the ballast up, if there is little.
pub(super) fn make_room(folder: &Path) {
    if Volume::of(folder).is_some_and(|volume| volume.free < OPENING) {
        // There may be none any more.
        let _ = std::fs::remove_file(folder.join(BALLAST_FILE));
    }
}

/// Whether the disk is so full that everything fails.
pub(super) fn is_full(folder: &Path) -> bool {
    Volume::of(folder).is_some_and(|volume| volume.free < MIB)
}

fn lay(path: &Path, length: u64) -> io::Result<()> {
    let file = OpenOptions::new().create(true).append(true).open(path)?;
    if fallocate(&file, FallocateFlags::empty(), 0, length).is_ok() {
        return Ok(());
    }
    fill(&file, length)
}

/// Writes zeros where the file system cannot reserve room.
fn fill(mut file: &File, length: u64) -> io::Result<()> {
    file.set_len(0)?;
    let zeros = vec![0; 1024 * 1024];
    for _ in 0..length / MIB {
        file.write_all(&zeros)?;
    }
    file.sync_data()
}

#[cfg(test)]
mod tests {
    use super::*;

    fn marks(mib: u64) -> (u64, u64) {
        let volume = Volume { free: 0, total: mib * MIB };
        (volume.low() / MIB, volume.ballast() / MIB)
    }

    #[test]
    fn the_marks_fit_the_volume() {
        assert_eq!(marks(1_000_000), (256, 32));
        assert_eq!(marks(1_024), (128, 32));
        assert_eq!(marks(64), (16, 12));
        assert_eq!(marks(16), (4, 4));
    }

    #[test]
    fn the_ballast_is_real_and_is_given_up_only_when_room_is_short() {
        let folder = tempfile::tempdir().unwrap();
        let space = Space::new(folder.path());
        assert!(space.refusal().is_none(), "this test needs 256 MiB of free space");
        let file = folder.path().join(BALLAST_FILE).metadata().unwrap();
        assert_eq!(file.len() % MIB, 0);
        assert!(std::os::unix::fs::MetadataExt::blocks(&file) * 512 >= file.len(), "it is sparse");
        make_room(folder.path());
        assert!(folder.path().join(BALLAST_FILE).exists(), "there is room");
    }

    #[test]
    fn a_group_is_smaller_where_there_is_little_room() {
        let folder = tempfile::tempdir().unwrap();
        let space = Space::new(folder.path());
        for (free, group) in [(u64::MAX, 4096), (16 * 1024, 4096), (80 * MIB, 10 * 1024 * 1024)] {
            space.free.store(free, Ordering::Relaxed);
            assert!(space.group(group) <= group.max(64 * 1024));
        }
        space.free.store(16 * MIB, Ordering::Relaxed);
        assert_eq!(space.group(4 * 1024 * 1024), 2 * 1024 * 1024);
    }
}
