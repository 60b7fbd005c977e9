//! The store for tests and trials: everything in a map, gone with the process. What it is
//! asked, it has done before it answers, so a test that asks in the same order always sees
//! the same.

use std::fmt;
use std::sync::{Arc, Mutex, PoisonError};

use tokio::sync::Notify;

use super::care::tap::Tap;
use super::claims::Claims;
use super::kv::{Batch, Kv, Map};
use super::ledger::Ledger;
use super::runner::Runner;
use super::{Answer, StoreError};

/// A store that forgets everything when it goes.
pub struct MemoryStore {
    inner: Mutex<Inner>,
    claims: Arc<Claims>,
    bell: Arc<Notify>,
    tap: Arc<Tap>,
}

struct Inner {
    ledger: Ledger,
    rows: Map,
    closed: bool,
}

impl fmt::Debug for MemoryStore {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("MemoryStore").finish_non_exhaustive()
    }
}

impl MemoryStore {
    /// An empty store, made at `now` (milliseconds since 1970).
    #[must_use]
    pub fn new(now: i64) -> Self {
        let (claims, bell) = (Arc::<Claims>::default(), Arc::<Notify>::default());
        let ledger = Ledger::new(Arc::clone(&claims), Arc::clone(&bell), now);
        let inner = Mutex::new(Inner { ledger, rows: Map::new(), closed: false });
        Self { inner, claims, bell, tap: Arc::default() }
    }

    /// The same rows as a process finds them that opens the store at `now`, after this one was
    /// cut off in the middle of its work: what was claimed is due again. This one is closed.
    #[must_use]
    pub fn reopened(&self, now: i64) -> Self {
        let fresh = Self::new(now);
        let rows = self.with(|inner| {
            inner.closed = true;
            std::mem::take(&mut inner.rows)
        });
        fresh.with(|inner| inner.rows = rows);
        fresh
    }

    fn with<T>(&self, work: impl FnOnce(&mut Inner) -> T) -> T {
        work(&mut self.inner.lock().unwrap_or_else(PoisonError::into_inner))
    }
}

fn ready<T: Send + 'static>(result: Result<T, StoreError>) -> Answer<'static, T> {
    Box::pin(std::future::ready(result))
}

impl Runner for MemoryStore {
    fn write<T: Send + 'static>(
        &self,
        _outside: bool,
        work: impl FnOnce(&mut Ledger, &mut Batch<'_>) -> Result<T, StoreError> + Send + 'static,
    ) -> Answer<'static, T> {
        ready(self.with(|inner| {
            if inner.closed {
                return Err(StoreError::Stopped("it was closed".into()));
            }
            let mut batch = Batch::over(&inner.rows);
            let result = inner.ledger.run(&mut batch, work);
            let changes = batch.into_changes();
            self.tap.stage(&changes, &inner.rows);
            for (key, change) in changes {
                match change {
                    Some(value) => inner.rows.insert(key, value),
                    None => inner.rows.remove(&key),
                };
            }
            self.tap.publish();
            result
        }))
    }

    fn look<T: Send + 'static>(
        &self,
        work: impl FnOnce(&dyn Kv, &Claims) -> Result<T, StoreError>,
    ) -> Answer<'static, T> {
        ready(self.with(|inner| work(&inner.rows, &self.claims)))
    }

    fn walk<T: Send + 'static>(
        &self,
        work: impl FnOnce(&dyn Kv, &Claims) -> Result<T, StoreError> + Send + 'static,
    ) -> Answer<'static, T> {
        self.look(work)
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
        self.with(|inner| inner.closed = true);
        ready(Ok(()))
    }

    fn stopped(&self) -> Option<String> {
        self.with(|inner| inner.closed).then(|| "it was closed".to_owned())
    }
}
