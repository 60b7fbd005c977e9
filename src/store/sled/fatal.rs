//! The end of a store that cannot be trusted any more: said once, with what to do, and then
//! nothing is accepted.

use std::path::{Path, PathBuf};
use std::sync::{Mutex, PoisonError};

use super::{OnFatal, mark};
use crate::store::StoreError;

/// What to do about damage.
pub(super) const MEND: &str = "put a backup in its place with `rulerun restore FILE --replace`";

/// Whether a store has stopped, why, and whom to tell.
pub(super) struct Fatal {
    folder: PathBuf,
    stopped: Mutex<Option<String>>,
    tell: OnFatal,
}

impl Fatal {
    /// A store that works.
    pub(super) fn new(folder: &Path, tell: OnFatal) -> Self {
        Self { folder: folder.to_owned(), stopped: Mutex::default(), tell }
    }

    /// Notes why nothing is accepted from now on; the first reason stays.
    pub(super) fn note(&self, why: &str) {
        let mut stopped = self.stopped.lock().unwrap_or_else(PoisonError::into_inner);
        stopped.get_or_insert_with(|| why.to_owned());
    }

    /// Why nothing is accepted, if so.
    pub(super) fn stopped(&self) -> Option<String> {
        self.stopped.lock().unwrap_or_else(PoisonError::into_inner).clone()
    }

    /// The store has failed: nothing more is accepted, and whoever runs it is told.
    pub(super) fn fail(&self, error: &StoreError) {
        let folder = self.folder.display();
        let text = match error {
            StoreError::Damaged(why) => {
                mark::note_damage(&self.folder, why);
                format!("the data folder {folder} is damaged: {why}; {MEND}")
            }
            _ => format!(
                "the data folder {folder} cannot be written any more: {error}; make room or mend \
                 its disk, then start again: everything that was answered is kept"
            ),
        };
        // The store may have been closed before; a failure is told all the same.
        self.note(&text);
        (self.tell)(&text);
    }
}
