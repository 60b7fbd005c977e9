//! The final dots of e-mails over SMTP. Once its dot has left, nobody can take a message back,
//! and a process that is killed before it has written down what the server said to it would
//! send the message again. So a small file beside the store notes each dot before it leaves
//! and the server's word as soon as it is there, and the next process knows which e-mails
//! were taken, which may have been, and which surely were not. Like the note of what is under
//! way, it outlives the process, not the machine: nothing is synced, and a dot costs two
//! writes to the page cache. A note counts for one attempt at one job only, so an old one that
//! stands there still says nothing about a later attempt. Within a process it serves, too: an
//! attempt that ended without its outcome being written down, because rulerun failed inside
//! or the store did, leaves its dot to whoever does the job next.

use std::collections::HashMap;
use std::fs::{File, OpenOptions};
use std::io;
use std::os::unix::fs::FileExt as _;
use std::path::Path;
use std::sync::atomic::{AtomicU8, Ordering};
use std::sync::{Mutex, MutexGuard, OnceLock, PoisonError};

use crate::base::Id;
use crate::model::queue::{AttemptError, Job, Transition, Tried};

/// The file's name within the data folder.
const NAME: &str = "final-dots";
/// Length of a note in bytes: the job's id, its attempts before this one, the dot; the rest is
/// left over.
const NOTE: usize = 32;
/// Most notes that are believed: far more than e-mails can be under way.
const MOST: usize = 16 * 1024;

/// What is known of a dot.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Dot {
    /// It may have left; the server's word on it is not known.
    Left = 1,
    /// The server has taken the message.
    Taken = 2,
}

impl Dot {
    /// What came of the attempt that rulerun could not write down: it was killed, or failed.
    pub(super) fn tried(self) -> Tried {
        match self {
            Self::Taken => Tried {
                status: Some(250),
                message: Some(String::from(
                    "the mail server had taken it right before rulerun was killed or failed",
                )),
                ..Tried::default()
            },
            Self::Left => Tried {
                error: Some(AttemptError::Unknown),
                message: Some(String::from(
                    "rulerun was killed or failed while it waited for the server's word on the \
                     message; whether the e-mail was taken is not known",
                )),
                ..Tried::default()
            },
        }
    }

    /// What becomes of the job if nothing else can be worked out.
    pub(super) fn end(self) -> Transition {
        match self {
            Self::Taken => Transition::Sent,
            Self::Left => Transition::Failed(String::from("unknown: rulerun failed over it")),
        }
    }
}

/// The notes about all e-mails that are at their final dot. Without a file nothing is noted.
#[derive(Debug, Default)]
pub struct FinalDots {
    file: Option<File>,
    slots: Mutex<Slots>,
}

#[derive(Debug, Default)]
struct Slots {
    /// How many there are, in use or free.
    made: u64,
    free: Vec<u64>,
    /// What is not written down: of the last process, and of this one's broken attempts.
    found: HashMap<Id, Found>,
}

#[derive(Debug)]
struct Found {
    slot: u64,
    attempts: u32,
    dot: Dot,
}

impl Slots {
    /// Of several notes about a job the one about its latest attempt counts.
    fn find(&mut self, job: Id, note: Found) {
        let newer = self.found.get(&job).is_none_or(|known| known.attempts < note.attempts);
        let older = if newer { self.found.insert(job, note) } else { Some(note) };
        self.free.extend(older.map(|older| older.slot));
    }
}

impl FinalDots {
    /// Opens the file in a data folder and reads what the last process left there. On a full
    /// disk, which may have no room for the first one, nothing is noted.
    ///
    /// # Errors
    /// The file cannot be opened or read.
    pub fn open(folder: &Path) -> io::Result<Self> {
        let mut options = OpenOptions::new();
        options.read(true).write(true).create(true).truncate(false);
        let file = match options.open(folder.join(NAME)) {
            Ok(file) => file,
            Err(error) if error.kind() == io::ErrorKind::StorageFull => return Ok(Self::default()),
            Err(error) => return Err(error),
        };
        let length = usize::try_from(file.metadata()?.len()).map_or(0, |n| n.min(NOTE * MOST));
        let mut text = vec![0; length - length % NOTE];
        file.read_exact_at(&mut text, 0)?;
        let mut slots = Slots::default();
        for (slot, note) in (0..).zip(text.chunks_exact(NOTE)) {
            match read(note) {
                Some((job, attempts, dot)) => slots.find(job, Found { slot, attempts, dot }),
                None => slots.free.push(slot),
            }
            slots.made = slot + 1;
        }
        Ok(Self { file: Some(file), slots: Mutex::new(slots) })
    }

    /// Jobs about which something is known.
    pub(super) fn all(&self) -> Vec<Id> {
        self.slots().found.keys().copied().collect()
    }

    /// What is known of the latest attempt at this job, if nothing was written down of it.
    pub(super) fn found(&self, job: &Job) -> Option<Dot> {
        let slots = self.slots();
        let found = slots.found.get(&job.id)?;
        (found.attempts == job.attempts).then_some(found.dot)
    }

    /// Drops what was known of a job: it is written down now.
    pub(super) fn forget(&self, job: Id) {
        let found = self.slots().found.remove(&job);
        if let Some(Found { slot, .. }) = found {
            self.write(slot, &[0; NOTE]);
            self.slots().free.push(slot);
        }
    }

    /// The dot of the next attempt at a job.
    pub(super) fn of(&self, job: &Job) -> FinalDot<'_> {
        FinalDot {
            dots: self,
            job: job.id,
            attempts: job.attempts,
            slot: OnceLock::new(),
            dot: AtomicU8::new(0),
        }
    }

    fn slots(&self) -> MutexGuard<'_, Slots> {
        self.slots.lock().unwrap_or_else(PoisonError::into_inner)
    }

    fn slot(&self) -> u64 {
        let mut slots = self.slots();
        slots.free.pop().unwrap_or_else(|| {
            slots.made += 1;
            slots.made - 1
        })
    }

    /// A note that cannot be written costs only what it is for, so nothing fails with it.
    fn write(&self, slot: u64, note: &[u8; NOTE]) {
        if let Some(file) = &self.file {
            let _ = file.write_all_at(note, slot * NOTE as u64);
        }
    }
}

/// The final dot of one attempt. One that has left and is not settled is found by the next
/// attempt.
#[derive(Debug)]
pub(super) struct FinalDot<'a> {
    dots: &'a FinalDots,
    job: Id,
    attempts: u32,
    slot: OnceLock<u64>,
    /// As noted.
    dot: AtomicU8,
}

impl FinalDot<'_> {
    /// It leaves now.
    pub(super) fn leaves(&self) {
        self.note(Dot::Left as u8);
    }

    /// The server has taken the message.
    pub(super) fn is_taken(&self) {
        self.note(Dot::Taken as u8);
    }

    /// The server has refused the message: it may be sent again.
    pub(super) fn is_refused(&self) {
        self.note(0);
    }

    /// What came of the attempt is written down: others may have the place of its note.
    pub(super) fn settle(self) {
        self.dot.store(0, Ordering::Relaxed);
    }

    fn note(&self, dot: u8) {
        self.dot.store(dot, Ordering::Relaxed);
        let note = noted(self.job, self.attempts, dot);
        self.dots.write(*self.slot.get_or_init(|| self.dots.slot()), &note);
    }
}

impl Drop for FinalDot<'_> {
    fn drop(&mut self) {
        let Some(slot) = self.slot.take() else { return };
        let mut slots = self.dots.slots();
        match read(&noted(self.job, self.attempts, *self.dot.get_mut())) {
            Some((job, attempts, dot)) => slots.find(job, Found { slot, attempts, dot }),
            None => slots.free.push(slot),
        }
    }
}

fn noted(job: Id, attempts: u32, dot: u8) -> [u8; NOTE] {
    let mut note = [0; NOTE];
    note[..16].copy_from_slice(&job.0);
    note[16..20].copy_from_slice(&attempts.to_le_bytes());
    note[20] = dot;
    note
}

/// A note; none where nothing is known of a dot.
fn read(note: &[u8]) -> Option<(Id, u32, Dot)> {
    let (id, rest) = note.split_first_chunk::<16>()?;
    let (attempts, rest) = rest.split_first_chunk::<4>()?;
    let dot = match rest.first()? {
        1 => Dot::Left,
        2 => Dot::Taken,
        _ => return None,
    };
    Some((Id(*id), u32::from_le_bytes(*attempts), dot))
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::model::queue::Task;

    fn job(number: u8, attempts: u32) -> Job {
        let task = Task::Event { event: "x".into(), path: "/".into(), body: Vec::new() };
        let job = Job::new(Id([number; 16]), Id([0; 16]), "mail".into(), task, 0);
        Job { attempts, ..job }
    }

    #[test]
    fn the_next_process_knows_what_was_said_to_each_dot() {
        let folder = tempfile::tempdir().unwrap();
        let dots = FinalDots::open(folder.path()).unwrap();
        let attempts: Vec<_> = (0..5).map(|number| dots.of(&job(number, 1))).collect();
        let [before, left, taken, refused, settled] = attempts.try_into().unwrap();
        for dot in [&left, &taken, &refused, &settled] {
            dot.leaves();
        }
        taken.is_taken();
        refused.is_refused();
        settled.is_taken();
        settled.settle();
        drop((before, left));

        let next = FinalDots::open(folder.path()).unwrap();
        let found = |number, attempts| next.found(&job(number, attempts));
        assert_eq!(
            (found(0, 1), found(1, 1), found(2, 1)),
            (None, Some(Dot::Left), Some(Dot::Taken))
        );
        assert_eq!(found(3, 1), None, "it may be sent again");
        assert_eq!((found(1, 2), found(4, 2)), (None, None), "these are later attempts");

        // What is forgotten gives its place to others; what is not stays for another process.
        next.forget(Id([1; 16]));
        let other = next.of(&job(7, 0));
        other.leaves();
        let last = FinalDots::open(folder.path()).unwrap();
        let found = |number, attempts| last.found(&job(number, attempts));
        assert_eq!(
            (found(1, 1), found(2, 1), found(7, 0)),
            (None, Some(Dot::Taken), Some(Dot::Left))
        );
        let length = std::fs::metadata(folder.path().join(NAME)).unwrap().len();
        assert_eq!(length, 4 * NOTE as u64, "four were under way at once");
    }

    #[test]
    fn a_dot_of_which_nothing_was_written_down_is_found_by_the_next_attempt() {
        let dots = FinalDots::default();
        let attempts: Vec<_> = (0..4).map(|number| dots.of(&job(number, 1))).collect();
        let [left, refused, settled, before] = attempts.try_into().unwrap();
        for dot in [&left, &refused, &settled] {
            dot.leaves();
        }
        refused.is_refused();
        settled.settle();
        drop((left, refused, before));
        let found: Vec<_> = (0..4).map(|number| dots.found(&job(number, 1))).collect();
        assert_eq!(found, [Some(Dot::Left), None, None, None]);
        assert_eq!(dots.found(&job(0, 2)), None, "that is a later attempt");
        dots.forget(Id([0; 16]));
        assert_eq!(dots.slots().free.len(), 3, "all places are free again");
    }

    #[test]
    fn nonsense_is_no_note() {
        let folder = tempfile::tempdir().unwrap();
        for nonsense in [&b""[..], b"\x01", &[9; 100], &[0; 64]] {
            std::fs::write(folder.path().join(NAME), nonsense).unwrap();
            let dots = FinalDots::open(folder.path()).unwrap();
            assert!(dots.slots().found.is_empty());
        }
    }
}
