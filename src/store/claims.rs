//! Who is doing what at this moment. One process owns the store, so claims live in memory:
//! after a crash there are none, and every job that was in flight is due again.

use std::collections::HashMap;
use std::sync::{Mutex, MutexGuard, PoisonError};

use tokio::sync::Notify;

use super::rows::Due;
use crate::base::Id;
use crate::model::Lease;

/// A job under a lease.
#[derive(Clone, Debug)]
pub(super) struct Held {
    pub(super) lease: Lease,
    /// When it was claimed.
    pub(super) since: i64,
    /// Where its due row lies.
    pub(super) key: Vec<u8>,
    /// What its due row stands for.
    pub(super) due: Due,
    pub(super) lane: String,
    pub(super) event_type: String,
    pub(super) execution: Id,
}

/// Every claim. Only the ledger changes it; readers look.
#[derive(Debug, Default)]
pub(super) struct Claims {
    held: Mutex<HashMap<Id, Held>>,
    /// Rings when a claim ends.
    ended: Notify,
}

impl Claims {
    /// The claims, locked: hold it for a moment only.
    pub(super) fn all(&self) -> MutexGuard<'_, HashMap<Id, Held>> {
        self.held.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Whether a job is under a lease.
    pub(super) fn holds(&self, id: Id) -> bool {
        self.all().contains_key(&id)
    }

    /// Makes changes visible: a claim, or none where it ended.
    pub(super) fn apply(&self, changes: impl Iterator<Item = (Id, Option<Held>)>) {
        let mut ended = false;
        let mut held = self.all();
        for (id, change) in changes {
            match change {
                Some(claim) => drop(held.insert(id, claim)),
                None => ended |= held.remove(&id).is_some(),
            }
        }
        drop(held);
        if ended {
            self.ended.notify_waiters();
        }
    }

    /// Resolves when none of these is held.
    pub(super) async fn settled(&self, jobs: &[Id]) {
        loop {
            let ended = self.ended.notified();
            if !jobs.iter().any(|id| self.holds(*id)) {
                return;
            }
            ended.await;
        }
    }
}
