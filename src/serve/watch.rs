//! Waiting for files to change, for verbs that do their work anew each time. The folders of
//! the files are watched, because editors save by renaming; file systems that report no
//! changes are looked at every few seconds.

use std::path::PathBuf;
use std::sync::mpsc::{Receiver, RecvTimeoutError, SyncSender, sync_channel};
use std::time::Duration;

use notify::{RecursiveMode, Watcher as _};

use super::reload::{Fingerprint, fingerprint_of, parent};

/// Files are looked at when nothing has changed for this long: saves come in bursts.
const QUIET: Duration = Duration::from_millis(40);
/// However many changes come in a burst, files are looked at after so many.
const BURST: usize = 50;
/// How often one looks where nothing is reported.
const SWEEP: Duration = Duration::from_secs(2);

/// Watches files.
pub struct FileWatch {
    list: Box<dyn Fn() -> Vec<PathBuf>>,
    seen: Fingerprint,
    bell: SyncSender<()>,
    rings: Receiver<()>,
    watcher: Option<notify::RecommendedWatcher>,
}

impl std::fmt::Debug for FileWatch {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("FileWatch").field("files", &self.seen.len()).finish_non_exhaustive()
    }
}

impl FileWatch {
    /// Watches the files that `list` names, and names anew after every change. Make it before
    /// the files are read for the first time.
    #[must_use]
    pub fn new(list: impl Fn() -> Vec<PathBuf> + 'static) -> Self {
        let (bell, rings) = sync_channel(1);
        let seen = fingerprint_of(list());
        let mut watch = Self { list: Box::new(list), seen, bell, rings, watcher: None };
        watch.settle();
        watch
    }

    /// Comes back when a file has changed, appeared or gone; says which.
    pub fn wait(&mut self) -> Vec<PathBuf> {
        loop {
            if self.rings.recv_timeout(SWEEP) == Err(RecvTimeoutError::Disconnected) {
                return Vec::new();
            }
            for _ in 0..BURST {
                if self.rings.recv_timeout(QUIET).is_err() {
                    break;
                }
            }
            let fresh = fingerprint_of((self.list)());
            let changed = difference(&self.seen, &fresh);
            if !changed.is_empty() {
                self.seen = fresh;
                self.settle();
                return changed;
            }
        }
    }

    /// Watches the folders of the files that there are now.
    fn settle(&mut self) {
        let bell = self.bell.clone();
        let watcher = notify::recommended_watcher(move |_| {
            // A full channel means that a change is noted already.
            let _ = bell.try_send(());
        });
        let mut folders: Vec<PathBuf> = self.seen.iter().map(|file| parent(&file.0)).collect();
        folders.sort();
        folders.dedup();
        // Without it every change is seen all the same, a little later.
        self.watcher = watcher.ok().map(|mut watcher| {
            for folder in folders {
                let _ = watcher.watch(&folder, RecursiveMode::NonRecursive);
            }
            watcher
        });
    }
}

/// The files that are not the same in both.
fn difference(before: &Fingerprint, after: &Fingerprint) -> Vec<PathBuf> {
    let gone = before.iter().filter(|file| !after.contains(file));
    let come = after.iter().filter(|file| !before.contains(file));
    let mut paths: Vec<PathBuf> = gone.chain(come).map(|file| file.0.clone()).collect();
    paths.sort();
    paths.dedup();
    paths
}
