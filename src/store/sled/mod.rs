//! The store on disk: one process, one folder, sled 0.34. Requests go to one thread that
//! writes many of them at once and answers when they are durable; readers look at the tree
//! themselves. `open` knows how to open the folder after a crash, `committer` is the thread,
//! `care` works on a folder that no server uses, and `reader` only looks at it.
//! `space` watches the room on the disk; `mark` and `scrub` find damage, at the opening and
//! soon after it; `fatal` is the end when files cannot be trusted any more; `flight` tells the
//! next process what was under way when this one died.

mod bell;
pub(super) mod care;
mod committer;
mod fatal;
mod flight;
mod mark;
mod open;
mod reader;
mod scrub;
mod space;

use std::any::Any;
use std::fmt;
use std::panic::{AssertUnwindSafe, catch_unwind, resume_unwind};
use std::path::Path;
use std::sync::Arc;

use tokio::sync::Notify;

use self::committer::{Committer, as_sled};
use self::fatal::Fatal;
use self::flight::Flight;
pub(super) use self::open::FORMAT;
pub use self::open::OpenError;
pub use self::reader::FolderStore;
use self::scrub::Scrub;
use super::care::tap::Tap;
use super::claims::Claims;
use super::kv::{Batch, Kv, Pair, Rows, Way};
use super::ledger::Ledger;
use super::runner::Runner;
use super::{Answer, StoreError};

/// What is called when the disk has failed or damage is found, with a sentence that names the
/// folder and says what to do. The process should end: what sled holds in memory is no longer
/// what the disk holds.
pub type OnFatal = Box<dyn Fn(&str) + Send + Sync>;

/// A store in a folder.
pub struct SledStore {
    // They go in this order: the committer, last, marks a clean end once nobody else holds
    // sled any more.
    tree: sled::Tree,
    _scrub: Option<Scrub>,
    committer: Committer,
    claims: Arc<Claims>,
    bell: Arc<Notify>,
    tap: Arc<Tap>,
}

impl fmt::Debug for SledStore {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("SledStore").finish_non_exhaustive()
    }
}

impl SledStore {
    /// Opens the store in a folder, or makes it. Blocks, up to four seconds while another
    /// process that is going away still holds it. `now` is in milliseconds since 1970. Damage
    /// that an opening cannot find at once is told to `on_fatal` later.
    ///
    /// # Errors
    /// When another process uses the folder, it cannot be read or written, its disk is full,
    /// or its files are damaged.
    pub fn open(folder: &Path, now: i64, on_fatal: OnFatal) -> Result<Self, OpenError> {
        let (disk, unread) = open::open(folder)?;
        let fatal = Arc::new(Fatal::new(folder, on_fatal));
        let (claims, bell) = (Arc::<Claims>::default(), Arc::<Notify>::default());
        let mut ledger = Ledger::new(Arc::clone(&claims), Arc::clone(&bell), now);
        let flight = after_a_death(folder, &disk.db, &mut ledger)?;
        let tree = sled::Tree::clone(&disk.db);
        let failed = |error: std::io::Error| OpenError::io(folder, &error);
        let scrub = match unread {
            Some(from) => {
                let fatal = Arc::clone(&fatal);
                let found = move |error: &StoreError| fatal.fail(error);
                Some(Scrub::start(tree.clone(), from, found).map_err(failed)?)
            }
            None => None,
        };
        let tap = Arc::<Tap>::default();
        let committer =
            Committer::start(disk, flight, ledger, Arc::clone(&tap), fatal).map_err(failed)?;
        Ok(Self { tree, _scrub: scrub, committer, claims, bell, tap })
    }
}

/// Tells the ledger which jobs were under way when the last process died, if it did, and
/// begins a new note of them.
fn after_a_death(folder: &Path, db: &sled::Db, ledger: &mut Ledger) -> Result<Flight, OpenError> {
    let (mut flight, fell) = Flight::open(folder).map_err(|error| OpenError::io(folder, &error))?;
    let mut batch = Batch::over(&**db);
    let written =
        ledger.accuse(&mut batch, fell).and_then(|()| match as_sled(batch.into_changes()) {
            // It must survive this process: only then the old note may go.
            Some(changes) => {
                db.apply_batch(changes).and_then(|()| db.flush().map(drop)).map_err(|e| trouble(&e))
            }
            None => Ok(()),
        });
    written.map_err(|error| match error {
        StoreError::Damaged(why) => OpenError::Damaged(folder.to_owned(), why),
        error => OpenError::Io(folder.to_owned(), error.to_string()),
    })?;
    flight.note(&[]);
    Ok(flight)
}

/// What a panic of sled's says, once it has left sled.
const LOST: &str = "a page of its file `db` is lost";

/// Calls sled, which panics on some damage where it should answer an error. Such a panic is
/// told by its words from one of our own, which says nothing about the files.
fn in_sled<T>(call: impl FnOnce() -> T) -> T {
    catch_unwind(AssertUnwindSafe(call)).unwrap_or_else(|_| resume_unwind(Box::new(LOST)))
}

/// The damage of which a panic tells; the panic itself if it is one of our own.
fn damage(panic: Box<dyn Any + Send>) -> Result<StoreError, Box<dyn Any + Send>> {
    match panic.downcast_ref::<&str>() {
        Some(words) if *words == LOST => Ok(StoreError::Damaged(LOST.into())),
        _ => Err(panic),
    }
}

/// The answer of a reader that has panicked over damage; a panic of our own goes on.
fn lost<T>(panic: Box<dyn Any + Send>) -> Result<T, StoreError> {
    damage(panic).map_or_else(|panic| resume_unwind(panic), Err)
}

/// A walk through sled's rows.
fn walk(mut rows: sled::Iter, way: Way) -> impl Iterator<Item = Result<Pair, StoreError>> {
    std::iter::from_fn(move || {
        let row = in_sled(|| match way {
            Way::Up => rows.next(),
            Way::Down => rows.next_back(),
        });
        let pair = |(key, value): (sled::IVec, sled::IVec)| (key.to_vec(), value.to_vec());
        row.map(|row| row.map(pair).map_err(|error| trouble(&error)))
    })
}

/// sled's errors in the store's words.
fn trouble(error: &sled::Error) -> StoreError {
    match error {
        sled::Error::Corruption { at: Some(at), .. } => {
            StoreError::Damaged(format!("its file `db` cannot be read at byte {}", at.lid()))
        }
        sled::Error::Corruption { .. } => {
            StoreError::Damaged("its file `db`, or its file `snap.…`, cannot be read".into())
        }
        sled::Error::Io(error) if error.kind() == std::io::ErrorKind::UnexpectedEof => {
            StoreError::Damaged("its file `db` ends too early".into())
        }
        _ => StoreError::Io(error.to_string()),
    }
}

impl Kv for sled::Tree {
    fn get(&self, key: &[u8]) -> Result<Option<Vec<u8>>, StoreError> {
        let value = in_sled(|| sled::Tree::get(self, key)).map_err(|error| trouble(&error))?;
        Ok(value.map(|value| value.to_vec()))
    }

    fn scan<'a>(&'a self, from: &[u8], to: &[u8], way: Way) -> Rows<'a> {
        if from >= to {
            return Box::new(std::iter::empty());
        }
        Box::new(walk(self.range(from..to), way))
    }
}

impl Runner for SledStore {
    fn write<T: Send + 'static>(
        &self,
        outside: bool,
        work: impl FnOnce(&mut Ledger, &mut Batch<'_>) -> Result<T, StoreError> + Send + 'static,
    ) -> Answer<'static, T> {
        self.committer.submit(outside, work)
    }

    fn look<T: Send + 'static>(
        &self,
        work: impl FnOnce(&dyn Kv, &Claims) -> Result<T, StoreError>,
    ) -> Answer<'static, T> {
        let done = catch_unwind(AssertUnwindSafe(|| work(&self.tree, &self.claims)));
        Box::pin(std::future::ready(done.unwrap_or_else(lost)))
    }

    fn walk<T: Send + 'static>(
        &self,
        work: impl FnOnce(&dyn Kv, &Claims) -> Result<T, StoreError> + Send + 'static,
    ) -> Answer<'static, T> {
        let (tree, claims) = (self.tree.clone(), Arc::clone(&self.claims));
        Box::pin(async move {
            let done = tokio::task::spawn_blocking(move || work(&tree, &claims)).await;
            done.unwrap_or_else(|ended| match ended.try_into_panic() {
                Ok(panic) => lost(panic),
                Err(_) => Err(StoreError::Stopped("it was closed".into())),
            })
        })
    }

    fn claims(&self) -> &Arc<Claims> {
        &self.claims
    }

    fn alarm(&self) -> &Arc<Notify> {
        &self.bell
    }

    fn tap(&self) -> &Arc<Tap> {
        &self.tap
    }

    fn shut(&self) -> Answer<'static, ()> {
        self.committer.close()
    }

    fn stopped(&self) -> Option<String> {
        self.committer.stopped()
    }
}
