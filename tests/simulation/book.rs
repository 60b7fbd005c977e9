//! What the simulated world remembers by itself, to hold the server to it: what was promised
//! to callers, and what arrived at receivers.

use std::collections::BTreeMap;
use std::sync::atomic::{AtomicI64, AtomicU32, Ordering};
use std::sync::{Arc, Mutex, MutexGuard};

use rulerun::base::{Clock, Id, Timestamp, time};
use rulerun::model::queue::Lease;
use rulerun::store::MemoryStore;
use tokio::time::Instant;

use super::dice::Dice;

/// When the world begins: a Monday.
const BEGINNING: i64 = 1_764_583_800_000;

/// A clock that follows tokio's, and can be set.
#[derive(Debug)]
pub(crate) struct WorldClock {
    began: Instant,
    set_by: AtomicI64,
    /// When it was set last, in milliseconds of the world.
    set_at: AtomicI64,
}

impl WorldClock {
    /// Milliseconds since the world began, whatever the clock says.
    pub(crate) fn elapsed(&self) -> i64 {
        i64::try_from(self.began.elapsed().as_millis()).unwrap()
    }

    pub(crate) fn millis(&self) -> i64 {
        BEGINNING + self.elapsed() + self.set_by.load(Ordering::Relaxed)
    }

    /// Sets it forward or back.
    pub(crate) fn jump(&self, by: i64) {
        self.set_by.fetch_add(by, Ordering::Relaxed);
        self.set_at.store(self.elapsed(), Ordering::Relaxed);
    }

    /// Whether it was set within so many milliseconds.
    pub(crate) fn was_set_within(&self, millis: i64) -> bool {
        self.elapsed() - self.set_at.load(Ordering::Relaxed) <= millis
    }
}

impl Clock for WorldClock {
    fn now(&self) -> Timestamp {
        time::from_millis(self.millis())
    }

    fn passing(&self) -> i64 {
        self.elapsed()
    }
}

/// What a receiver knows of one delivery.
#[derive(Debug, Default)]
pub(crate) struct Delivery {
    /// Whole requests that it has read.
    pub(crate) seen: u32,
    /// Those of them whose outcome a crash has swallowed.
    pub(crate) excused: u32,
    /// How many attempts were written down when the last one arrived.
    pub(crate) attempts: u32,
    /// How many of them it has answered with success.
    pub(crate) taken: u32,
    /// The bytes, the same each time.
    pub(crate) body: Vec<u8>,
    /// It must not be called before, in milliseconds of the world: the wall clock may be set
    /// meanwhile, and that changes nothing.
    pub(crate) not_before: i64,
    /// When an attempt has failed last, in milliseconds of the world.
    pub(crate) failed: Option<i64>,
}

impl Delivery {
    /// Nothing is known any more of when its next attempt is due.
    pub(crate) fn comes_when_it_will(&mut self) {
        (self.not_before, self.failed) = (0, None);
    }
}

/// What the mail server knows of one e-mail.
#[derive(Debug, Default)]
pub(crate) struct Letter {
    /// How often it has taken the whole message.
    pub(crate) taken: u32,
    /// Those of them that may come once more: a crash has swallowed the outcome, or a person
    /// asked for it.
    pub(crate) excused: u32,
    /// Since when nobody may begin to send it any more, in milliseconds of the world.
    pub(crate) over: Option<i64>,
    /// The message, the same each time.
    pub(crate) message: String,
}

/// Everything that is remembered.
#[derive(Debug, Default)]
pub(crate) struct Book {
    pub(crate) trace: Vec<String>,
    pub(crate) violations: Vec<String>,
    /// Accepted calls, each with the endpoint that it called.
    pub(crate) acked: BTreeMap<Id, &'static str>,
    /// Calls that got no answer: nobody knows whether they count.
    pub(crate) unanswered: usize,
    /// The call that each idempotency key was answered with last.
    pub(crate) keys: BTreeMap<String, Id>,
    pub(crate) deliveries: BTreeMap<Id, Delivery>,
    pub(crate) letters: BTreeMap<Id, Letter>,
    /// The newest fence of each job, with the life of the server that gave it.
    pub(crate) fences: BTreeMap<Id, (u32, u64)>,
    /// Every lease that was given, with the life of the server in which it was.
    pub(crate) leases: Vec<(Lease, u32)>,
}

/// How a receiver feels.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Mood {
    /// Takes everything.
    Well,
    /// Does anything that receivers do.
    Shaky,
    /// Takes nothing.
    Down,
}

/// What everybody in the world shares.
#[derive(Debug)]
pub(crate) struct Shared {
    pub(crate) dice: Dice,
    pub(crate) clock: Arc<WorldClock>,
    /// The present rows; a crash replaces them.
    pub(crate) store: Mutex<Arc<MemoryStore>>,
    /// Counts the processes that have lived.
    pub(crate) life: AtomicU32,
    pub(crate) mood: Mutex<Mood>,
    /// From when on all was well for good, in milliseconds of the world.
    pub(crate) well: Mutex<Option<i64>>,
    book: Mutex<Book>,
}

impl Shared {
    pub(crate) fn new(seed: u64) -> Arc<Self> {
        let clock = Arc::new(WorldClock {
            began: Instant::now(),
            set_by: AtomicI64::new(0),
            set_at: AtomicI64::new(i64::MIN / 2),
        });
        Arc::new(Self {
            dice: Dice::new(seed),
            store: Mutex::new(Arc::new(MemoryStore::new(clock.millis()))),
            clock,
            life: AtomicU32::new(0),
            mood: Mutex::new(Mood::Well),
            well: Mutex::new(None),
            book: Mutex::default(),
        })
    }

    pub(crate) fn book(&self) -> MutexGuard<'_, Book> {
        self.book.lock().unwrap()
    }

    pub(crate) fn store(&self) -> Arc<MemoryStore> {
        Arc::clone(&self.store.lock().unwrap())
    }

    pub(crate) fn life(&self) -> u32 {
        self.life.load(Ordering::Relaxed)
    }

    pub(crate) fn mood(&self) -> Mood {
        *self.mood.lock().unwrap()
    }

    /// Adds a line to the history.
    pub(crate) fn note(&self, text: &str) {
        let at = self.clock.elapsed();
        self.book().trace.push(format!("{:>11}.{:03}  {text}", at / 1_000, at % 1_000));
    }

    /// Notes that a promise was broken.
    pub(crate) fn broken(&self, text: &str) {
        self.note(&format!("BROKEN: {text}"));
        self.book().violations.push(text.to_owned());
    }
}
