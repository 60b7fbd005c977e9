//! Files that change while rulerun runs: what tells that they have changed, and who rings
//! when they may have. Folders are watched, not files, because editors save by renaming. The
//! server listens to the bell beside everything else ([`super::reload`]); verbs that do their
//! work anew each time wait for it here ([`FileWatch`]).

use std::collections::BTreeSet;
use std::path::{Path, PathBuf};
use std::sync::mpsc::{Receiver, RecvTimeoutError, SyncSender, sync_channel};
use std::time::Duration;

use notify::{RecommendedWatcher, RecursiveMode, Watcher as _};

use super::sources;

/// Files are read when nothing has changed for this long: saves come in bursts.
pub(super) const QUIET: Duration = Duration::from_millis(40);
/// However many changes come in a burst, a verb looks at the files after so many.
const BURST: usize = 50;
/// File systems that report no changes (network mounts) are looked at this often while a
/// person waits.
const SWEEP: Duration = Duration::from_secs(2);

/// Files with what tells that one has changed: path, size, time and identity.
pub type Fingerprint = Vec<(PathBuf, u64, Option<std::time::SystemTime>, u64)>;

/// The fingerprint of the rule set below these paths. A folder that cannot be read shows as
/// nothing, and so as a change.
#[must_use]
pub(super) fn fingerprint(paths: &[PathBuf]) -> Fingerprint {
    fingerprint_of(sources::files(&sources::roots(paths)).unwrap_or_default())
}

fn fingerprint_of(files: Vec<PathBuf>) -> Fingerprint {
    use std::os::unix::fs::MetadataExt as _;
    let look = |path: PathBuf| {
        let meta = std::fs::metadata(&path).ok();
        let time = meta.as_ref().and_then(|meta| meta.modified().ok());
        let (size, inode) = meta.map_or((0, 0), |meta| (meta.len(), meta.ino()));
        (path, size, time, inode)
    };
    files.into_iter().map(look).collect()
}

/// Rings for every change below the rule paths and in the folders of `more` files, for as
/// long as the watcher lives; none where the system watches no files.
pub(super) fn watch(
    paths: &[PathBuf],
    more: &[PathBuf],
    ring: impl Fn() + Send + 'static,
) -> Option<RecommendedWatcher> {
    let mut watcher = notify::recommended_watcher(move |_| ring()).ok()?;
    let roots = sources::roots(paths);
    // A folder that is itself a link is swapped in its parent.
    let beside: BTreeSet<PathBuf> = roots.iter().chain(more).map(|path| parent(path)).collect();
    for folder in beside {
        let _ = watcher.watch(&folder, RecursiveMode::NonRecursive);
    }
    // These come last: a folder that is watched twice is watched as the last one says.
    for root in roots {
        let folder = if root.is_file() { parent(&root) } else { root };
        let _ = watcher.watch(&folder, RecursiveMode::Recursive);
    }
    Some(watcher)
}

/// The folder that a file or folder stands in.
fn parent(path: &Path) -> PathBuf {
    match path.parent() {
        Some(parent) if !parent.as_os_str().is_empty() => parent.to_owned(),
        _ => PathBuf::from("."),
    }
}

/// Waits for changes of a rule set, and of the tests that go with it.
#[derive(Debug)]
pub struct FileWatch {
    paths: Vec<PathBuf>,
    tests: Vec<PathBuf>,
    seen: Fingerprint,
    bell: SyncSender<()>,
    rings: Receiver<()>,
    watcher: Option<RecommendedWatcher>,
}

impl FileWatch {
    /// Watches the rule set below `paths` (the default ones if there are none), and the files
    /// of tests below `tests`. Make it before the files are read for the first time.
    #[must_use]
    pub fn new(paths: &[PathBuf], tests: &[PathBuf]) -> Self {
        let (bell, rings) = sync_channel(1);
        let (paths, tests) = (paths.to_vec(), tests.to_vec());
        let mut watch = Self { paths, tests, seen: Vec::new(), bell, rings, watcher: None };
        watch.seen = watch.fingerprint();
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
            let fresh = self.fingerprint();
            let changed = difference(&self.seen, &fresh);
            if !changed.is_empty() {
                self.seen = fresh;
                self.settle();
                return changed;
            }
        }
    }

    fn fingerprint(&self) -> Fingerprint {
        let mut seen = fingerprint(&self.paths);
        seen.extend(fingerprint_of(sources::tests(&self.tests).unwrap_or_default()));
        seen
    }

    /// Watches the folders that there are now: some may have come, gone or been swapped.
    fn settle(&mut self) {
        let files: Vec<PathBuf> = self.seen.iter().map(|file| file.0.clone()).collect();
        let bell = self.bell.clone();
        let fresh = watch(&self.paths, &files, move || {
            // A full channel means that a change is noted already.
            let _ = bell.try_send(());
        });
        // Without a watcher every change is seen all the same, a little later.
        self.watcher = fresh.or(self.watcher.take());
    }
}

/// The files that are not the same in both.
fn difference(before: &Fingerprint, after: &Fingerprint) -> Vec<PathBuf> {
    let gone = before.iter().filter(|file| !after.contains(file));
    let come = after.iter().filter(|file| !before.contains(file));
    let paths: BTreeSet<&PathBuf> = gone.chain(come).map(|file| &file.0).collect();
    paths.into_iter().cloned().collect()
}
