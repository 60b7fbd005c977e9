//! The ear of a backup: while one is under way, the writer leaves here a copy of each group
//! of changes once it is on the disk. Bounded: a backup that does not come for them in time
//! is given up, so that no call waits for it and no memory is filled.

use std::collections::BTreeMap;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use crate::store::kv::{Change, Kv};
use crate::store::{StoreError, keys};

/// Bytes of changes that wait for a backup.
const ROOM: usize = 32 * 1024 * 1024;

/// Where the writer leaves its changes; nothing is kept while nobody listens.
#[derive(Debug, Default)]
pub(in crate::store) struct Tap(Mutex<Option<Flow>>);

/// A change that was made.
#[derive(Debug)]
pub(in crate::store) struct Heard {
    pub(super) key: Vec<u8>,
    pub(super) change: Change,
    /// Whether the row was there before; only known of rows that a backup counts.
    pub(super) existed: bool,
}

#[derive(Debug, Default)]
struct Flow {
    /// Of the group that is being written.
    staged: Vec<Heard>,
    /// Of groups that are on the disk, oldest first.
    ready: Vec<Heard>,
    bytes: usize,
    /// Why changes are missing.
    lost: Option<String>,
}

impl Flow {
    fn give_up(&mut self, why: String) {
        *self = Self { lost: Some(why), ..Self::default() };
    }
}

impl Tap {
    fn flow(&self) -> MutexGuard<'_, Option<Flow>> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Begins to listen; none while somebody else does.
    pub(super) fn open(self: &Arc<Self>) -> Option<Listener> {
        let mut flow = self.flow();
        if flow.is_some() {
            return None;
        }
        *flow = Some(Flow::default());
        Some(Listener(Arc::clone(self)))
    }

    /// Takes a copy of a group that is about to be written over these rows.
    pub(in crate::store) fn stage(&self, changes: &BTreeMap<Vec<u8>, Change>, rows: &dyn Kv) {
        let mut flow = self.flow();
        let Some(flow) = flow.as_mut().filter(|flow| flow.lost.is_none()) else { return };
        for (key, change) in changes {
            let existed = match keys::is_counted(key).then(|| rows.get(key)) {
                Some(Err(error)) => return flow.give_up(error.to_string()),
                Some(Ok(row)) => row.is_some(),
                None => false,
            };
            flow.bytes += key.len() + change.as_ref().map_or(0, Vec::len);
            if flow.bytes > ROOM {
                return flow.give_up(format!(
                    "it is fetched more slowly than calls change the store ({} MiB behind); try \
                     again when there is less to do, or nearer to the server",
                    ROOM / 1024 / 1024
                ));
            }
            flow.staged.push(Heard { key: key.clone(), change: change.clone(), existed });
        }
    }

    /// Hands the staged group over: it is on the disk.
    pub(in crate::store) fn publish(&self) {
        if let Some(flow) = self.flow().as_mut() {
            let staged = std::mem::take(&mut flow.staged);
            flow.ready.extend(staged);
        }
    }
}

/// Somebody who listens, until it is dropped.
#[derive(Debug)]
pub(in crate::store) struct Listener(Arc<Tap>);

impl Listener {
    /// The changes since the last time, oldest first.
    pub(super) fn hear(&self) -> Result<Vec<Heard>, StoreError> {
        let mut flow = self.0.flow();
        let Some(flow) = flow.as_mut() else { return Ok(Vec::new()) };
        if let Some(why) = &flow.lost {
            return Err(StoreError::Backup(why.clone()));
        }
        let bytes = |heard: &Heard| heard.key.len() + heard.change.as_ref().map_or(0, Vec::len);
        flow.bytes = flow.staged.iter().map(bytes).sum();
        Ok(std::mem::take(&mut flow.ready))
    }
}

impl Drop for Listener {
    fn drop(&mut self) {
        *self.0.flow() = None;
    }
}
