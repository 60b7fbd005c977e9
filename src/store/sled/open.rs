//! Opening the folder. sled 0.34 needs some help: half-written snapshots make it refuse to
//! open, a dying process still holds its lock, and long leaves go to files that nobody
//! syncs unless its segments are large.

use std::fs::{DirBuilder, File, OpenOptions};
use std::io;
use std::os::unix::fs::DirBuilderExt as _;
use std::panic::{AssertUnwindSafe, catch_unwind};
use std::path::{Path, PathBuf};
use std::time::Duration;

/// Memory for pages. sled's own default is 1 GiB.
const CACHE: u64 = 64 * 1024 * 1024;
/// Leaves up to a quarter of this stay within the log file.
const SEGMENT: usize = 8 * 1024 * 1024;
/// sled's cleaning runs this often; durability does not depend on it.
const CLEAN_EVERY_MS: u64 = 1_000;
/// How often, and at what distance, an open is tried while the folder is locked: 5 s.
const TRIES: u32 = 50;
const BETWEEN: Duration = Duration::from_millis(100);

/// The format of the rows. A later program that changes it will know what to convert.
pub(in crate::store) const FORMAT: u8 = 1;
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
    /// Its files are damaged.
    #[error(
        "the data folder {0} is damaged and cannot be opened: {1}; move it away and restore a \
         backup"
    )]
    Damaged(PathBuf, String),
    /// It was written by a newer version.
    #[error(
        "the data folder {0} was written by a newer version (row format {1}); use that version \
         or a newer one"
    )]
    Newer(PathBuf, u8),
}

impl OpenError {
    /// A failure of the file system.
    pub(super) fn io(folder: &Path, error: &io::Error) -> Self {
        Self::Io(folder.to_owned(), error.to_string())
    }
}

/// An open store.
pub(super) struct Disk {
    pub(super) db: sled::Db,
    /// sled's log, for syncing it: its own flush does not.
    pub(super) log: File,
}

/// Opens or makes the store in a folder.
pub(super) fn open(folder: &Path) -> Result<Disk, OpenError> {
    let failed = |error: io::Error| OpenError::io(folder, &error);
    let is_new = !folder.join("db").exists();
    DirBuilder::new().recursive(true).mode(0o700).create(folder).map_err(failed)?;
    remove_half_snapshots(folder).map_err(failed)?;
    let db = open_when_free(folder)?;
    let log = OpenOptions::new().read(true).write(true).open(folder.join("db")).map_err(failed)?;
    let broken = |error: sled::Error| OpenError::Damaged(folder.to_owned(), error.to_string());
    match db.get(FORMAT_KEY).map_err(broken)?.as_deref() {
        Some([FORMAT]) => {}
        Some([newer, ..]) => return Err(OpenError::Newer(folder.to_owned(), *newer)),
        _ => {
            db.insert(FORMAT_KEY, &[FORMAT]).map_err(broken)?;
            db.flush().map_err(broken)?;
        }
    }
    log.sync_all().map_err(failed)?;
    if is_new {
        // The names of new files are durable once their folders are.
        let parent = folder.canonicalize().map_err(failed)?;
        for folder in [Some(&*parent), parent.parent()].into_iter().flatten() {
            File::open(folder).and_then(|folder| folder.sync_all()).map_err(failed)?;
        }
    }
    Ok(Disk { db, log })
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
    for _ in 0..TRIES {
        // sled panics on some damage where it should answer an error.
        match catch_unwind(AssertUnwindSafe(|| config.open())) {
            Ok(Ok(db)) => return Ok(db),
            Ok(Err(error)) if is_locked(&error) => wait(),
            Ok(Err(sled::Error::Io(error))) => return Err(OpenError::io(folder, &error)),
            Ok(Err(error)) => {
                return Err(OpenError::Damaged(folder.to_owned(), error.to_string()));
            }
            Err(_) => {
                let why = "its log cannot be read".to_owned();
                return Err(OpenError::Damaged(folder.to_owned(), why));
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
