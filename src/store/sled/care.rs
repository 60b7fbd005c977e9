//! What is done with a folder that no server uses: copying it into a backup, putting a
//! backup in its place, looking whether its rows agree. Nothing here deletes a store: one
//! that is replaced is moved aside.

use std::fs::{self, File, OpenOptions, TryLockError};
use std::io::{self, BufReader, Write};
use std::path::{Path, PathBuf};

use super::open::{self, Disk, OpenError};
use super::trouble;
use crate::base::time;
use crate::model::queue::PAUSED_FLAG;
use crate::store::care::Backup;
use crate::store::care::format::{self, Contents, Unfit};
use crate::store::doctor::{self, Finding};
use crate::store::kv::{Batch, Change};
use crate::store::{StoreError, keys, rows};

/// Bytes that are written at once.
const BATCH: usize = 1024 * 1024;
/// Rounds of mending: what the first one mends may show more.
const ROUNDS: usize = 4;

/// Why a folder or a backup could not be taken care of.
#[derive(Debug, thiserror::Error)]
pub enum CareError {
    /// The folder's store does not open.
    #[error(transparent)]
    Open(#[from] OpenError),
    /// Its rows cannot be read or written.
    #[error("{0}")]
    Store(#[from] StoreError),
    /// A file or folder cannot be used: what was tried, where, and the system's words.
    #[error("cannot {0} {1}: {2}")]
    Io(&'static str, PathBuf, io::Error),
    /// A file is no backup, or not a whole one.
    #[error("{0} cannot be used: {1}")]
    Unfit(PathBuf, Unfit),
    /// A server uses the folder.
    #[error("the store in {0} is in use by a running server")]
    InUse(PathBuf),
    /// There is a store already.
    #[error("{0} already holds a store; nothing was changed")]
    Occupied(PathBuf),
    /// There is no store.
    #[error("{0} holds no store")]
    Missing(PathBuf),
}

/// What a restore did.
#[derive(Debug)]
pub struct Restored {
    /// What the backup held.
    pub contents: Contents,
    /// Where the store that was there before lies now.
    pub aside: Option<PathBuf>,
}

/// What an examination found.
#[derive(Debug)]
pub struct Examined {
    /// What did not agree, worst first.
    pub found: Vec<Finding>,
    /// What still does not agree: the same, unless it was mended.
    pub left: Vec<Finding>,
    /// E-mails that may or may not have arrived: a person has to say.
    pub undecided: u64,
}

/// Whether a folder holds a store.
#[must_use]
pub fn is_store(folder: &Path) -> bool {
    folder.join("db").exists()
}

/// Whether another process has the folder's store open.
///
/// # Errors
/// The folder cannot be looked at.
pub fn is_used(folder: &Path) -> Result<bool, CareError> {
    Ok(is_store(folder) && lock(folder)?.is_none())
}

/// The lock that an open store holds, taken for a while; none when somebody has it.
fn lock(folder: &Path) -> Result<Option<File>, CareError> {
    let path = folder.join("db");
    let fault = |error| CareError::Io("open", path.clone(), error);
    let file = OpenOptions::new().read(true).write(true).open(&path).map_err(fault)?;
    match file.try_lock() {
        Ok(()) => Ok(Some(file)),
        Err(TryLockError::WouldBlock) => Ok(None),
        Err(TryLockError::Error(error)) => Err(fault(error)),
    }
}

/// Opens a store that must be there already.
pub(super) fn open_existing(folder: &Path) -> Result<Disk, CareError> {
    if !is_store(folder) {
        return Err(CareError::Missing(folder.to_owned()));
    }
    if is_used(folder)? {
        return Err(CareError::InUse(folder.to_owned()));
    }
    Ok(open::open(folder)?.0)
}

/// Writes a backup of a store that no server uses. `taken` is now, in milliseconds since
/// 1970.
///
/// # Errors
/// There is no store, it is in use or damaged, or the backup cannot be written.
pub fn back_up_folder(
    folder: &Path,
    taken: i64,
    out: &mut dyn Write,
) -> Result<Contents, CareError> {
    let disk = open_existing(folder)?;
    let mut backup = Backup::new(taken);
    loop {
        let slice = backup.slice(&*disk.db)?;
        backup.absorb(slice)?;
        out.write_all(&backup.take())
            .map_err(|error| CareError::Io("write", PathBuf::from("the backup"), error))?;
        if let Some(contents) = backup.contents() {
            disk.seal();
            return Ok(contents);
        }
    }
}

/// Puts a backup where a store belongs, after all of it was checked. A store that is there
/// is moved aside if `replace` says so. With `paused` nothing is sent from it until the queue
/// is resumed. `now` is in milliseconds since 1970.
///
/// # Errors
/// The file is not a whole backup, a server uses the folder, a store is there that may not be
/// replaced, or something cannot be written. Then the folder is as it was.
pub fn restore(
    file: &Path,
    folder: &Path,
    now: i64,
    replace: bool,
    paused: bool,
) -> Result<Restored, CareError> {
    check(file)?;
    let there = holds_anything(folder)?;
    if there && !replace {
        return Err(CareError::Occupied(folder.to_owned()));
    }
    // Held until the new store is in its place, so that no server starts meanwhile.
    let lock = if is_store(folder) { Some(lock(folder)?) } else { None };
    if matches!(lock, Some(None)) {
        return Err(CareError::InUse(folder.to_owned()));
    }
    // While it is there and the store is not, no server starts either.
    let fresh = open::beside(folder, open::RESTORING);
    let contents = unpack(file, &fresh, paused.then_some(now))?;
    let aside = if there {
        let moment = time::format_millis(now).replace(':', "-");
        let aside = open::beside(folder, &format!("before-{moment}"));
        rename(folder, &aside)?;
        Some(aside)
    } else {
        None
    };
    rename(&fresh, folder)?;
    if let Some(parent) = fresh.parent() {
        sync(parent)?;
    }
    Ok(Restored { contents, aside })
}

/// Compares all rows of a store that no server uses, and mends what can be mended safely if
/// that is wanted. `now` is in milliseconds since 1970.
///
/// # Errors
/// There is no store, it is in use, or it cannot be read or written.
pub fn examine_folder(folder: &Path, now: i64, mend: bool) -> Result<Examined, CareError> {
    let disk = open_existing(folder)?;
    let first = doctor::examine(&*disk.db, now)?;
    let (found, undecided) = (first.findings(), first.undecided);
    let (mut left, mut fixes) = (found.clone(), first.into_fixes());
    for _ in 0..ROUNDS {
        if !mend || fixes.is_empty() {
            break;
        }
        let mut writer = Writer::new(&disk);
        for (key, change) in fixes {
            writer.add(key, change)?;
        }
        writer.end()?;
        let again = doctor::examine(&*disk.db, now)?;
        left = again.findings();
        fixes = again.into_fixes();
    }
    disk.seal();
    Ok(Examined { found, left, undecided })
}

/// Checks a backup and compares its rows, which are unpacked beside it for a while.
///
/// # Errors
/// The file is not a whole backup, or there is no room beside it.
pub fn examine_backup(file: &Path, now: i64) -> Result<(Contents, Examined), CareError> {
    check(file)?;
    let fresh = open::beside(file, "doctor");
    let contents = unpack(file, &fresh, None)?;
    let examined = examine_folder(&fresh, now, false);
    fs::remove_dir_all(&fresh).map_err(|error| CareError::Io("remove", fresh, error))?;
    Ok((contents, examined?))
}

/// Whether there is a store, or what is left of one.
fn holds_anything(folder: &Path) -> Result<bool, CareError> {
    match fs::read_dir(folder) {
        Ok(mut entries) => Ok(entries.next().is_some()),
        Err(error) if error.kind() == io::ErrorKind::NotFound => Ok(false),
        Err(error) => Err(CareError::Io("read", folder.to_owned(), error)),
    }
}

fn rename(from: &Path, to: &Path) -> Result<(), CareError> {
    fs::rename(from, to).map_err(|error| CareError::Io("move the store to", to.to_owned(), error))
}

fn sync(path: &Path) -> Result<(), CareError> {
    let path = if path.as_os_str().is_empty() { Path::new(".") } else { path };
    File::open(path)
        .and_then(|file| file.sync_all())
        .map_err(|error| CareError::Io("sync", path.to_owned(), error))
}

fn check(path: &Path) -> Result<Contents, CareError> {
    let mut file = open_file(path)?;
    format::check(&mut file).map_err(|unfit| CareError::Unfit(path.to_owned(), unfit))
}

fn open_file(path: &Path) -> Result<BufReader<File>, CareError> {
    let file = File::open(path).map_err(|error| CareError::Io("read", path.to_owned(), error))?;
    Ok(BufReader::with_capacity(BATCH, file))
}

/// A fault while entries are read and written.
struct Fault(Result<StoreError, Unfit>);

impl From<Unfit> for Fault {
    fn from(unfit: Unfit) -> Self {
        Self(Err(unfit))
    }
}

impl From<StoreError> for Fault {
    fn from(error: StoreError) -> Self {
        Self(Ok(error))
    }
}

/// Makes a new store of a backup, durably; what an earlier try left there goes, and so does
/// this one if it fails.
fn unpack(path: &Path, fresh: &Path, paused: Option<i64>) -> Result<Contents, CareError> {
    let unpacked = unpack_into(path, fresh, paused);
    if unpacked.is_err() {
        // If this fails too, the next try removes it.
        let _ = fs::remove_dir_all(fresh);
    }
    unpacked
}

fn unpack_into(path: &Path, fresh: &Path, paused: Option<i64>) -> Result<Contents, CareError> {
    if fresh.exists() {
        fs::remove_dir_all(fresh)
            .map_err(|error| CareError::Io("remove", fresh.to_owned(), error))?;
    }
    if let Some(parent) = fresh.parent() {
        fs::create_dir_all(parent)
            .map_err(|error| CareError::Io("make", parent.to_owned(), error))?;
    }
    let mut file = open_file(path)?;
    let (disk, _) = open::open(fresh)?;
    let mut writer = Writer::new(&disk);
    let read = format::read(&mut file, &mut |key, change| Ok(writer.add(key, change)?));
    let contents = read.map_err(|Fault(fault)| match fault {
        Ok(error) => CareError::Store(error),
        Err(unfit) => CareError::Unfit(path.to_owned(), unfit),
    })?;
    if let Some(now) = paused {
        let mut batch = Batch::over(&*disk.db);
        let since = time::format_millis(now);
        rows::write(&mut batch, keys::flag(PAUSED_FLAG), &since)?;
        for (key, change) in batch.into_changes() {
            writer.add(key, change)?;
        }
    }
    writer.end()?;
    // sled writes a little more when it closes, and holds its lock until then.
    disk.seal();
    let entries =
        fs::read_dir(fresh).map_err(|error| CareError::Io("read", fresh.to_owned(), error))?;
    for entry in entries {
        let entry = entry.map_err(|error| CareError::Io("read", fresh.to_owned(), error))?;
        sync(&entry.path())?;
    }
    sync(fresh)?;
    Ok(contents)
}

/// Writes rows in batches of a bounded size.
struct Writer<'d> {
    disk: &'d Disk,
    batch: sled::Batch,
    bytes: usize,
}

impl<'d> Writer<'d> {
    fn new(disk: &'d Disk) -> Self {
        Self { disk, batch: sled::Batch::default(), bytes: 0 }
    }

    fn add(&mut self, key: Vec<u8>, change: Change) -> Result<(), StoreError> {
        self.bytes += key.len() + change.as_ref().map_or(0, Vec::len);
        match change {
            Some(value) => self.batch.insert(key, value),
            None => self.batch.remove(key),
        }
        if self.bytes < BATCH {
            return Ok(());
        }
        self.apply()
    }

    fn apply(&mut self) -> Result<(), StoreError> {
        self.bytes = 0;
        let batch = std::mem::take(&mut self.batch);
        self.disk.db.apply_batch(batch).map_err(|error| trouble(&error))
    }

    /// Writes the rest and makes all of it durable.
    fn end(mut self) -> Result<(), StoreError> {
        self.apply()?;
        self.disk.db.flush().map_err(|error| trouble(&error))?;
        self.disk.log.sync_all().map_err(|error| StoreError::Io(error.to_string()))
    }
}
