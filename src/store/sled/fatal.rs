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
        self.stop(&text);
    }

    /// rulerun itself has failed over a request, which says nothing about the files: nothing
    /// more is accepted, and the next start goes on with what they hold.
    pub(super) fn fail_inside(&self, why: &str) {
        self.stop(&format!(
            "it failed inside over the data folder {}: {why}; start again: everything that was \
             answered is kept, and its files are not damaged by this",
            self.folder.display()
        ));
    }

    fn stop(&self, why: &str) {
        // The store may have been closed before; a failure is told all the same.
        self.note(why);
        (self.tell)(why);
    }
}

#[cfg(test)]
mod tests {
    use std::panic::catch_unwind;
    use std::sync::mpsc::sync_channel;

    use super::*;
    use crate::store::runner::Runner as _;
    use crate::store::sled::{SledStore, damage, in_sled};

    /// Has the thread that writes do this, which panics; answers what whoever runs it is told.
    async fn told(folder: &Path, slip: fn()) -> String {
        let (tell, told) = sync_channel(1);
        let tell = Box::new(move |why: &str| tell.send(why.to_owned()).unwrap());
        let store = SledStore::open(folder, 0, tell).unwrap();
        let work = store.write(false, move |_, _| {
            slip();
            Ok(())
        });
        assert!(work.await.is_err());
        let text = told.recv().unwrap();
        assert_eq!(store.stopped().as_deref(), Some(&*text));
        text
    }

    #[tokio::test]
    async fn a_panic_of_our_own_condemns_no_store() {
        let folder = tempfile::tempdir().unwrap();
        let text = told(folder.path(), || panic!("a slip of ours")).await;
        assert!(text.contains("a slip of ours; start again"), "{text}");
        assert_eq!(mark::damage(folder.path()), None);
        SledStore::open(folder.path(), 0, Box::new(|why| panic!("{why}"))).unwrap();
    }

    #[tokio::test]
    async fn a_panic_within_sled_is_damage() {
        let panic = catch_unwind(|| in_sled(|| panic!("no such page"))).unwrap_err();
        assert!(matches!(damage(panic), Ok(StoreError::Damaged(_))));
        let folder = tempfile::tempdir().unwrap();
        let text = told(folder.path(), || in_sled(|| panic!("no such page"))).await;
        assert!(text.contains("is damaged") && text.contains(MEND), "{text}");
        assert!(mark::damage(folder.path()).is_some());
    }
}
