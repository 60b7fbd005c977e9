//! The store on disk: one process, one folder, sled 0.34. Requests go to one thread that
//! writes many of them at once and answers when they are durable; readers look at the tree
//! themselves. `open` knows how to open the folder after a crash, `committer` is the thread,
//! `care` works on a folder that no server uses.

pub(super) mod care;
mod committer;
mod open;

use std::fmt;
use std::path::Path;
use std::sync::Arc;

use tokio::sync::Notify;

use self::committer::Committer;
pub(super) use self::open::FORMAT;
pub use self::open::OpenError;
use super::care::tap::Tap;
use super::claims::Claims;
use super::kv::{Batch, Kv, Pair, Rows, Way};
use super::ledger::Ledger;
use super::runner::Runner;
use super::{Answer, StoreError};

/// What is called, once, when the disk has failed and nothing can be written any more. The
/// process should end: what sled holds in memory is no longer what the disk holds.
pub type OnFatal = Box<dyn Fn(&str) + Send + Sync>;

/// A store in a folder.
pub struct SledStore {
    tree: sled::Tree,
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
    /// Opens the store in a folder, or makes it. Blocks, up to five seconds while another
    /// process that is going away still holds it. `now` is in milliseconds since 1970.
    ///
    /// # Errors
    /// When another process uses the folder, it cannot be read or written, or its files are
    /// damaged.
    pub fn open(folder: &Path, now: i64, on_fatal: OnFatal) -> Result<Self, OpenError> {
        let disk = open::open(folder)?;
        let (claims, bell) = (Arc::<Claims>::default(), Arc::<Notify>::default());
        let ledger = Ledger::new(Arc::clone(&claims), Arc::clone(&bell), now);
        let tree = sled::Tree::clone(&disk.db);
        let tap = Arc::<Tap>::default();
        let committer = Committer::start(disk, ledger, Arc::clone(&tap), on_fatal)
            .map_err(|error| OpenError::io(folder, &error))?;
        Ok(Self { tree, committer, claims, bell, tap })
    }
}

/// sled's errors in the store's words.
fn trouble(error: &sled::Error) -> StoreError {
    match error {
        sled::Error::Corruption { .. } => StoreError::Damaged(error.to_string()),
        _ => StoreError::Io(error.to_string()),
    }
}

impl Kv for sled::Tree {
    fn get(&self, key: &[u8]) -> Result<Option<Vec<u8>>, StoreError> {
        let value = sled::Tree::get(self, key).map_err(|error| trouble(&error))?;
        Ok(value.map(|value| value.to_vec()))
    }

    fn scan<'a>(&'a self, from: &[u8], to: &[u8], way: Way) -> Rows<'a> {
        if from >= to {
            return Box::new(std::iter::empty());
        }
        let row = |row: sled::Result<(sled::IVec, sled::IVec)>| -> Result<Pair, StoreError> {
            let (key, value) = row.map_err(|error| trouble(&error))?;
            Ok((key.to_vec(), value.to_vec()))
        };
        let rows = self.range(from..to);
        match way {
            Way::Up => Box::new(rows.map(row)),
            Way::Down => Box::new(rows.rev().map(row)),
        }
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
        Box::pin(std::future::ready(work(&self.tree, &self.claims)))
    }

    fn walk<T: Send + 'static>(
        &self,
        work: impl FnOnce(&dyn Kv, &Claims) -> Result<T, StoreError> + Send + 'static,
    ) -> Answer<'static, T> {
        let (tree, claims) = (self.tree.clone(), Arc::clone(&self.claims));
        Box::pin(async move {
            let done = tokio::task::spawn_blocking(move || work(&tree, &claims)).await;
            done.unwrap_or_else(|error| Err(StoreError::Damaged(error.to_string())))
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
