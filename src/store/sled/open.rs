//! Opening the folder, and closing it. sled 0.34 needs some help: half-written snapshots make
//! it refuse to open, a dying process still holds its lock, long leaves go to files that
//! nobody syncs unless its segments are large, a full disk keeps it from opening at all, and
//! some damage makes it panic, wait for ever, or open with fewer rows.

use std::fs::{DirBuilder, File, OpenOptions, TryLockError};
use std::io;
use std::os::unix::fs::DirBuilderExt as _;
use std::panic::{AssertUnwindSafe, catch_unwind};
use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::sync::mpsc::{RecvTimeoutError, sync_channel};
use std::time::Duration;

use super::fatal::MEND;
use super::space::{self, Space};
use super::{flight, mark, scrub};
use crate::store::StoreError;

/// Memory for pages. sled's own default is 1 GiB.
const CACHE: u64 = 32 * 1024 * 1024;
/// Leaves up to a quarter of this stay within the log file.
const SEGMENT: usize = 8 * 1024 * 1024;
/// sled's cleaning runs this often; durability does not depend on it.
const CLEAN_EVERY_MS: u64 = 1_000;
/// How often, and at what distance, an open is tried while the folder is locked: 4 s.
const TRIES: u32 = 40;
const BETWEEN: Duration = Duration::from_millis(100);
/// How often a clean end waits so long until sled's last thread has let go: 2 s.
const LETTING_GO: u32 = 20;
/// How long sled may take to open an empty log, and how many bytes of it may take one second
/// more. Damage can make it wait for ever.
const PATIENCE: Duration = Duration::from_secs(4);
const BYTES_A_SECOND: u64 = 32 * 1024 * 1024;
/// The log.
const LOG: &str = "db";
/// A backup that is being put in the place of a store is unpacked beside it, under its name and
/// this.
pub(super) const RESTORING: &str = "restoring";

/// The format of the rows. It grows with every change after which older rows would be misread.
/// 2: caps, pauses, goals, versions of sequences, variants and handed-over e-mails.
pub(in crate::store) const FORMAT: u8 = 2;
/// Where the format is written: a key that sorts before every row.
const FORMAT_KEY: &[u8] = b"\0format";

/// Why a store could not be opened.
#[derive(Debug, thiserror::Error)]
pub enum OpenError {
    /// Another process has it open.
    #[error(
        "the data folder {0} is in use by another process; stop that one first, or choose \
         another folder"
    )]
    InUse(PathBuf),
    /// It cannot be read or written.
    #[error("the data folder {0} cannot be used: {1}")]
    Io(PathBuf, String),
    /// The disk is full, and the reserve for opening is used up.
    #[error(
        "the data folder {0} cannot be opened because its disk is full: make 32 MiB of room there \
         and start again; nothing is lost"
    )]
    NoSpace(PathBuf),
    /// Its files are damaged.
    #[error("the data folder {0} is damaged and is not opened: {1}; {MEND}")]
    Damaged(PathBuf, String),
    /// A restore was cut off before its store was in its place.
    #[error(
        "the data folder {0} holds no store, because a `rulerun restore` was cut off: run it again; \
         a store that it was to replace is kept beside it. To begin with nothing instead, remove {1}"
    )]
    HalfRestored(PathBuf, PathBuf),
    /// It was written by a newer version.
    #[error(
        "the data folder {0} was written by a newer version (row format {1}); use that version \
         or a newer one"
    )]
    Newer(PathBuf, u8),
    /// It was written by an older version whose rows this one cannot read.
    #[error(
        "the data folder {0} was written by an older version (row format {1}, this one has \
         {FORMAT}) and is left as it is; run that version until its queue is empty, then start \
         this one with another folder"
    )]
    Older(PathBuf, u8),
}

impl OpenError {
    /// A failure of the file system.
    pub(super) fn io(folder: &Path, error: &io::Error) -> Self {
        if error.kind() == io::ErrorKind::StorageFull {
            return Self::NoSpace(folder.to_owned());
        }
        Self::Io(folder.to_owned(), error.to_string())
    }

    /// A failure with one of its files.
    fn file(folder: &Path, file: &str, error: &io::Error) -> Self {
        Self::Io(folder.to_owned(), format!("its file `{file}`: {error}"))
    }

    fn damaged(folder: &Path, why: &str) -> Self {
        Self::Damaged(folder.to_owned(), why.to_owned())
    }
}

/// An open store.
pub(super) struct Disk {
    folder: PathBuf,
    pub(super) db: sled::Db,
    /// sled's log, for syncing it: its own flush does not.
    pub(super) log: File,
    pub(super) space: Arc<Space>,
}

impl Disk {
    /// Marks a clean end, as far as that is possible: without a mark the next start is like one
    /// after a crash, which loses nothing either.
    pub(super) fn seal(self) {
        let Self { folder, db, log, space: _ } = self;
        // sled panics when its last write fails: then there is no clean end to mark.
        let closing = std::thread::Builder::new().name("store".into()).spawn(move || drop(db));
        if !closing.is_ok_and(|closing| closing.join().is_ok()) {
            return;
        }
        // The lock is free once nobody within this process writes the log any more.
        for _ in 0..LETTING_GO {
            match log.try_lock() {
                Ok(()) => {
                    let _ = log.sync_all().and_then(|()| mark::set(&folder, &log));
                    return;
                }
                Err(TryLockError::WouldBlock) => wait(),
                Err(TryLockError::Error(_)) => return,
            }
        }
    }
}

/// Opens or makes the store in a folder; answers as well from which row on the scrub has still
/// to read, if it is not done.
pub(super) fn open(folder: &Path) -> Result<(Disk, Option<Vec<u8>>), OpenError> {
    let failed = |error: io::Error| OpenError::io(folder, &error);
    DirBuilder::new().recursive(true).mode(0o700).create(folder).map_err(failed)?;
    let found = examine(folder)?;
    let patience = PATIENCE + Duration::from_secs(found.length / BYTES_A_SECOND);
    // sled gets a thread of its own: where damage makes it hang, that one is left behind.
    let (tell, opened) = sync_channel(1);
    let path = folder.to_owned();
    std::thread::Builder::new()
        .name("open store".into())
        .spawn(move || drop(tell.send(with_room(&path, found.used))))
        .map_err(failed)?;
    let late = || {
        let seconds = patience.as_secs();
        let why = format!("reading its file `{LOG}` does not come to an end within {seconds} s");
        OpenError::Damaged(folder.to_owned(), why)
    };
    match opened.recv_timeout(patience) {
        Ok(opened) => opened,
        Err(RecvTimeoutError::Timeout) => Err(late()),
        Err(RecvTimeoutError::Disconnected) => {
            Err(OpenError::Io(folder.to_owned(), "rulerun failed inside over it".into()))
        }
    }
}

/// A log before sled has touched it.
struct Found {
    length: u64,
    /// Whether a store was kept in it.
    used: bool,
}

/// Looks at the files before sled may touch them.
fn examine(folder: &Path) -> Result<Found, OpenError> {
    if let Some(why) = mark::damage(folder) {
        return Err(OpenError::Damaged(folder.to_owned(), why));
    }
    let failed = |error: io::Error| OpenError::file(folder, LOG, &error);
    let log = match OpenOptions::new().read(true).write(true).open(folder.join(LOG)) {
        Ok(log) => Some(log),
        Err(error) if error.kind() == io::ErrorKind::NotFound => None,
        Err(error) => return Err(failed(error)),
    };
    if let Some(log) = &log {
        lock(folder, log)?;
    }
    let failed_here = |error: io::Error| OpenError::io(folder, &error);
    remove_half_snapshots(folder).map_err(failed_here)?;
    let length = log.as_ref().map_or(Ok(0), |log| log.metadata().map(|log| log.len()));
    let length = length.map_err(failed)?;
    let was_used = || -> io::Result<bool> {
        Ok(mark::is_set(folder) || flight::is_there(folder) || has_snapshot(folder)?)
    };
    if length == 0 && was_used().map_err(failed_here)? {
        let what = if log.is_some() { "is empty" } else { "is missing" };
        return Err(OpenError::Damaged(folder.to_owned(), format!("its file `{LOG}` {what}")));
    }
    let Some(log) = log else {
        let unpacked = beside(folder, RESTORING);
        if unpacked.exists() {
            return Err(OpenError::HalfRestored(folder.to_owned(), unpacked));
        }
        return Ok(Found { length, used: false });
    };
    if let Some(wrong) = mark::check(folder, &log).map_err(failed)? {
        return Err(OpenError::damaged(folder, wrong));
    }
    let used = mark::is_used(&log).map_err(failed)?;
    mark::clear(folder).map_err(failed_here)?;
    Ok(Found { length, used })
}

/// Waits for a process that is going away. The lock goes with the file: sled takes its own.
fn lock(folder: &Path, log: &File) -> Result<(), OpenError> {
    for _ in 0..TRIES {
        match log.try_lock() {
            Ok(()) => return Ok(()),
            Err(TryLockError::WouldBlock) => wait(),
            Err(TryLockError::Error(error)) => return Err(OpenError::file(folder, LOG, &error)),
        }
    }
    Err(OpenError::InUse(folder.to_owned()))
}

/// Opens, if need be in the room that the ballast took.
fn with_room(folder: &Path, used: bool) -> Result<(Disk, Option<Vec<u8>>), OpenError> {
    space::make_room(folder);
    let opened = start(folder, used);
    match &opened {
        // A full disk shows as all kinds of trouble within sled.
        Err(OpenError::Io(..) | OpenError::Damaged(..)) if space::is_full(folder) => {
            return Err(OpenError::NoSpace(folder.to_owned()));
        }
        Err(OpenError::Damaged(_, why)) => mark::note_damage(folder, why),
        _ => {}
    }
    opened
}

fn start(folder: &Path, used: bool) -> Result<(Disk, Option<Vec<u8>>), OpenError> {
    let failed = |error: io::Error| OpenError::io(folder, &error);
    let is_new = !folder.join(LOG).exists();
    let db = open_when_free(folder)?;
    let log = OpenOptions::new().read(true).write(true).open(folder.join(LOG)).map_err(failed)?;
    let broken = |error: &sled::Error| sled_failed(folder, error);
    match db.get(FORMAT_KEY).map_err(|error| broken(&error))?.as_deref() {
        Some([FORMAT]) => {}
        Some([older, ..]) if *older < FORMAT => {
            return Err(OpenError::Older(folder.to_owned(), *older));
        }
        Some([newer, ..]) => return Err(OpenError::Newer(folder.to_owned(), *newer)),
        _ if used => return Err(OpenError::damaged(folder, "its file `db` cannot be understood")),
        _ => {
            db.insert(FORMAT_KEY, &[FORMAT]).map_err(|error| broken(&error))?;
            db.flush().map_err(|error| broken(&error))?;
        }
    }
    log.sync_all().map_err(failed)?;
    if is_new {
        // The names of new files are durable once their folders are.
        let parent = folder.canonicalize().map_err(failed)?;
        for folder in [Some(&*parent), parent.parent()].into_iter().flatten() {
            mark::sync_folder(folder).map_err(failed)?;
        }
    }
    let unread = scrub::at_open(&db).map_err(|error| match error {
        StoreError::Damaged(why) => OpenError::Damaged(folder.to_owned(), why),
        error => OpenError::Io(folder.to_owned(), error.to_string()),
    })?;
    let space = Arc::new(Space::new(folder));
    Ok((Disk { folder: folder.to_owned(), db, log, space }, unread))
}

fn sled_failed(folder: &Path, error: &sled::Error) -> OpenError {
    match (super::trouble(error), error) {
        (StoreError::Damaged(why), _) => OpenError::Damaged(folder.to_owned(), why),
        (_, sled::Error::Io(error)) => OpenError::io(folder, error),
        _ => OpenError::Damaged(folder.to_owned(), error.to_string()),
    }
}

/// `store.what` beside `store`.
pub(super) fn beside(path: &Path, what: &str) -> PathBuf {
    let mut name = path.file_name().unwrap_or_default().to_owned();
    name.push(".");
    name.push(what);
    path.with_file_name(name)
}

/// Whether there is a snapshot, which tells of a log.
fn has_snapshot(folder: &Path) -> io::Result<bool> {
    for entry in std::fs::read_dir(folder)? {
        if entry?.file_name().to_string_lossy().starts_with("snap.") {
            return Ok(true);
        }
    }
    Ok(false)
}

/// Removes snapshots that a crash left half-written: sled would read them as whole. Without
/// them it reads its log.
fn remove_half_snapshots(folder: &Path) -> io::Result<()> {
    for entry in std::fs::read_dir(folder)? {
        let entry = entry?;
        let name = entry.file_name();
        let name = name.to_string_lossy();
        if name.starts_with("snap.") && name.ends_with(".generating") {
            std::fs::remove_file(entry.path())?;
        }
    }
    Ok(())
}

fn open_when_free(folder: &Path) -> Result<sled::Db, OpenError> {
    let config = sled::Config::new()
        .path(folder)
        .cache_capacity(CACHE)
        .segment_size(SEGMENT)
        .flush_every_ms(Some(CLEAN_EVERY_MS));
    // The lock was free a moment ago.
    for _ in 0..TRIES / 2 {
        // sled panics on some damage where it should answer an error.
        match catch_unwind(AssertUnwindSafe(|| config.open())) {
            Ok(Ok(db)) => return Ok(db),
            Ok(Err(error)) if is_locked(&error) => wait(),
            Ok(Err(error)) => return Err(sled_failed(folder, &error)),
            Err(_) => {
                return Err(OpenError::damaged(folder, "its file `db` cannot be understood"));
            }
        }
    }
    Err(OpenError::InUse(folder.to_owned()))
}

/// sled has no error of its own for a lock that is held.
fn is_locked(error: &sled::Error) -> bool {
    matches!(error, sled::Error::Io(error) if error.to_string().contains("could not acquire lock"))
}

#[expect(clippy::disallowed_methods, reason = "nothing runs yet that could wait for a timer")]
fn wait() {
    std::thread::sleep(BETWEEN);
}

#[cfg(test)]
mod tests {
    use super::{FORMAT, FORMAT_KEY, OpenError, open, open_when_free};

    #[test]
    fn rows_of_another_format_are_never_read() {
        for (format, words) in [
            (1, "was written by an older version (row format 1"),
            (FORMAT + 1, "was written by a newer version (row format"),
        ] {
            let folder = tempfile::tempdir().unwrap();
            let db = open_when_free(folder.path()).unwrap();
            db.insert(FORMAT_KEY, &[format]).unwrap();
            db.insert(b"e row", b"of another kind").unwrap();
            db.flush().unwrap();
            drop(db);
            let refused = open(folder.path()).err().unwrap();
            assert!(matches!(refused, OpenError::Older(..) | OpenError::Newer(..)), "{refused}");
            assert!(refused.to_string().contains(words), "{refused}");
            let db = open_when_free(folder.path()).unwrap();
            assert_eq!(db.get(b"e row").unwrap().unwrap(), b"of another kind");
        }
    }
}
