//! A store that is only looked at: the folder of a server that does not run. Everything that
//! would write is refused.

use std::fmt;
use std::path::Path;
use std::sync::Arc;

use tokio::sync::Notify;

use super::care::{self, CareError};
use super::open::Disk;
use crate::store::care::tap::Tap;
use crate::store::claims::Claims;
use crate::store::kv::{Batch, Kv};
use crate::store::ledger::Ledger;
use crate::store::runner::Runner;
use crate::store::{Answer, StoreError};

/// What is said to whoever wants to write.
const READ_ONLY: &str = "it is open for reading alone";

/// The store of a folder that no server uses, for reading.
pub struct FolderStore {
    /// There until this is dropped.
    disk: Option<Disk>,
    claims: Arc<Claims>,
    bell: Arc<Notify>,
    tap: Arc<Tap>,
}

impl fmt::Debug for FolderStore {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("FolderStore").finish_non_exhaustive()
    }
}

impl FolderStore {
    /// Opens the store in a folder, which must be there.
    ///
    /// # Errors
    /// There is no store, a server uses it, or it does not open.
    pub fn open(folder: &Path) -> Result<Self, CareError> {
        let disk = Some(care::open_existing(folder)?);
        Ok(Self { disk, claims: Arc::default(), bell: Arc::default(), tap: Arc::default() })
    }

    fn read<T>(
        &self,
        work: impl FnOnce(&dyn Kv, &Claims) -> Result<T, StoreError>,
    ) -> Result<T, StoreError> {
        match &self.disk {
            Some(disk) => work(&*disk.db, &self.claims),
            None => Err(StoreError::Stopped("it was closed".into())),
        }
    }
}

impl Drop for FolderStore {
    fn drop(&mut self) {
        if let Some(disk) = self.disk.take() {
            disk.seal();
        }
    }
}

fn ready<T: Send + 'static>(result: Result<T, StoreError>) -> Answer<'static, T> {
    Box::pin(std::future::ready(result))
}

impl Runner for FolderStore {
    fn write<T: Send + 'static>(
        &self,
        _outside: bool,
        _work: impl FnOnce(&mut Ledger, &mut Batch<'_>) -> Result<T, StoreError> + Send + 'static,
    ) -> Answer<'static, T> {
        ready(Err(StoreError::Stopped(READ_ONLY.into())))
    }

    fn look<T: Send + 'static>(
        &self,
        work: impl FnOnce(&dyn Kv, &Claims) -> Result<T, StoreError>,
    ) -> Answer<'static, T> {
        ready(self.read(work))
    }

    fn walk<T: Send + 'static>(
        &self,
        work: impl FnOnce(&dyn Kv, &Claims) -> Result<T, StoreError> + Send + 'static,
    ) -> Answer<'static, T> {
        ready(self.read(work))
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
        ready(Ok(()))
    }

    fn stopped(&self) -> Option<String> {
        Some(READ_ONLY.to_owned())
    }
}
