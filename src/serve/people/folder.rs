//! A data folder that no server uses, read as a running server would tell it: nothing in it
//! is changed.

use std::path::Path;

use serde_json::Value;
use tokio::runtime::Runtime;

use super::{
    Cursor, Midway, Recording, Remembered, Version, Wanted, active, calls, schedule, timeline,
};
use crate::model::RuleSet;
use crate::store::{CareError, FolderStore, Store, StoreError};

/// Now, in a folder that nobody works on: time stands still, so nothing becomes too late. Whether
/// it is depends on when a server starts.
const STANDS: i64 = i64::MIN;

/// An open data folder.
#[derive(Debug)]
pub struct Folder {
    store: FolderStore,
    version: Option<Version>,
    rules: RuleSet,
    runtime: Runtime,
}

impl Folder {
    /// Opens the store in a folder, which must be there. What it says of the future follows
    /// the rules that its server ran with.
    ///
    /// # Errors
    /// There is no store, a server uses it, or it is damaged.
    pub fn open(folder: &Path) -> Result<Self, CareError> {
        let runtime = tokio::runtime::Builder::new_current_thread()
            .build()
            .map_err(|error| CareError::Io("begin to read", folder.to_owned(), error))?;
        let store = FolderStore::open(folder)?;
        let version = runtime.block_on(Version::kept(&store))?;
        let rules = version.as_ref().and_then(Version::rules);
        let rules = rules.or_else(|| Version::default().rules());
        let unread = || StoreError::Damaged(String::from("its rules cannot be read"));
        Ok(Self { rules: rules.ok_or_else(unread)?, store, version, runtime })
    }

    /// The rules that its server ran with last, if it kept them.
    #[must_use]
    pub fn version(&self) -> Option<&Version> {
        self.version.as_ref()
    }

    /// A person's timeline; none when nothing is known of them.
    ///
    /// # Errors
    /// The store cannot be read.
    pub fn timeline(&self, person: &str) -> Result<Option<Value>, StoreError> {
        self.runtime.block_on(timeline(self.store(), &self.rules, person, STANDS))
    }

    /// What will be sent when.
    ///
    /// # Errors
    /// The store cannot be read.
    pub fn schedule(&self, wanted: &Wanted) -> Result<Value, StoreError> {
        self.runtime.block_on(schedule(self.store(), &self.rules, wanted, STANDS))
    }

    /// Who is mid-way, a part of all of them.
    ///
    /// # Errors
    /// The store cannot be read.
    pub fn active(
        &self,
        sequence: &str,
        after: Option<String>,
        size: usize,
    ) -> Result<Midway, StoreError> {
        self.runtime.block_on(active(self.store(), sequence, after, size))
    }

    /// Recorded calls, a part of all of them.
    ///
    /// # Errors
    /// The store cannot be read.
    pub fn calls(&self, from: Cursor, size: usize) -> Result<Recording, StoreError> {
        self.runtime.block_on(calls(self.store(), from, size))
    }

    /// Records of a name, a part of all of them.
    ///
    /// # Errors
    /// The store cannot be read.
    pub fn records(
        &self,
        name: &str,
        skip: usize,
        take: usize,
    ) -> Result<Vec<Remembered>, StoreError> {
        let page = self.runtime.block_on(self.store().records(name, skip, take))?;
        Ok(page.rows.into_iter().map(Remembered::of).collect())
    }

    fn store(&self) -> &dyn Store {
        &self.store
    }
}
