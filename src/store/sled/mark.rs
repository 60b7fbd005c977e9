//! The mark of a clean end. sled takes a log that was cut, zeroed or flipped somewhere for one
//! that ended there, and opens with fewer rows. So once sled is gone at a clean end, a small
//! file next to its log says how long the log is and what its bytes add up to. The next
//! opening compares before it lets sled touch anything, and takes the mark away. After a
//! crash there is no mark: then the log may end anywhere, and sled's own recovery counts.
//!
//! Damage that was found only after sled had opened is written down in a second file: sled may
//! have tidied its log meanwhile, and the next opening must not take what is left for all.

use std::fs::{File, OpenOptions};
use std::io::{self, Read as _, Seek as _, SeekFrom, Write as _};
use std::path::Path;

/// The mark.
const FILE: &str = "closed";
/// The mark while it is being written.
const PART: &str = "closed.part";
/// What damage was found.
const DAMAGE: &str = "damaged";
/// How the mark begins.
const HEAD: &str = "rulerun closed 1";
/// Of a longer log only its first and its last half of this are added up, so that neither
/// end nor start takes long.
const SUMMED: u64 = 256 * 1024 * 1024;
/// A log without a row of ours is no longer than this (115 bytes, with the first one)…
const UNUSED: u64 = 128;
/// …and of a longer one so many bytes are looked at.
const STARTS: u64 = 1024 * 1024;
/// Read at once.
const BLOCK: usize = 256 * 1024;

/// What a log and the files beside it look like.
#[derive(Debug, PartialEq, Eq)]
struct Look {
    length: u64,
    sum: u32,
    /// sled's files of long values: their number and length. There should be none.
    blobs: (u64, u64),
}

/// Writes the mark, durably. `log` must be durable itself, and nobody may write it any more.
///
/// # Errors
/// The files cannot be read or written; then there is no mark.
pub(super) fn set(folder: &Path, log: &File) -> io::Result<()> {
    let Look { length, sum, blobs } = look(folder, log)?;
    let text = format!("{HEAD}\n{length} {sum} {} {}\n", blobs.0, blobs.1);
    let part = folder.join(PART);
    let mut file = OpenOptions::new().write(true).create(true).truncate(true).open(&part)?;
    file.write_all(text.as_bytes())?;
    file.sync_all()?;
    std::fs::rename(part, folder.join(FILE))?;
    sync_folder(folder)
}

/// What is wrong with a log according to its mark; none when it is as it was left, or when
/// there is no mark.
///
/// # Errors
/// The files cannot be read.
pub(super) fn check(folder: &Path, log: &File) -> io::Result<Option<&'static str>> {
    let text = match std::fs::read_to_string(folder.join(FILE)) {
        Ok(text) => text,
        Err(error) if error.kind() == io::ErrorKind::NotFound => return Ok(None),
        Err(error) if error.kind() == io::ErrorKind::InvalidData => String::new(),
        Err(error) => return Err(error),
    };
    let Some(left) = parse(&text) else {
        return Ok(Some("its file `closed`, which tells how it was left, is damaged"));
    };
    let found = look(folder, log)?;
    Ok(if found.length < left.length {
        Some("its file `db` is shorter than it was left")
    } else if found.length > left.length {
        Some("its file `db` is longer than it was left")
    } else if found.sum != left.sum {
        Some("its file `db` is not as it was left")
    } else if found.blobs != left.blobs {
        Some("files below `blobs` are not as they were left")
    } else {
        None
    })
}

/// Whether there is a mark.
pub(super) fn is_set(folder: &Path) -> bool {
    folder.join(FILE).exists()
}

/// Takes the mark away, durably: from now on the log changes.
///
/// # Errors
/// The folder cannot be written.
pub(super) fn clear(folder: &Path) -> io::Result<()> {
    match std::fs::remove_file(folder.join(FILE)) {
        Ok(()) => sync_folder(folder),
        Err(error) if error.kind() == io::ErrorKind::NotFound => Ok(()),
        Err(error) => Err(error),
    }
}

/// Writes down what damage was found, as far as that is possible.
pub(super) fn note_damage(folder: &Path, why: &str) {
    let note = || -> io::Result<()> {
        let mut file = File::create(folder.join(DAMAGE))?;
        file.write_all(why.as_bytes())?;
        file.sync_all()?;
        sync_folder(folder)
    };
    // Whoever opened is told in any case.
    let _ = note();
}

/// What damage was found before.
pub(super) fn damage(folder: &Path) -> Option<String> {
    let noted = folder.join(DAMAGE);
    noted.exists().then(|| std::fs::read_to_string(noted).unwrap_or_default())
}

/// Whether a log holds more than the few bytes of a store that was never used.
///
/// # Errors
/// It cannot be read.
pub(super) fn is_used(log: &File) -> io::Result<bool> {
    let mut start = Vec::new();
    let mut log = log;
    log.seek(SeekFrom::Start(UNUSED))?;
    log.take(STARTS).read_to_end(&mut start)?;
    Ok(start.iter().any(|byte| *byte != 0))
}

fn parse(text: &str) -> Option<Look> {
    let mut words = text.strip_prefix(HEAD)?.split_ascii_whitespace();
    let mut next = || words.next()?.parse::<u64>().ok();
    let (length, sum) = (next()?, u32::try_from(next()?).ok()?);
    Some(Look { length, sum, blobs: (next()?, next()?) })
}

fn look(folder: &Path, log: &File) -> io::Result<Look> {
    let length = log.metadata()?.len();
    let mut sum = crc32fast::Hasher::new();
    if length <= SUMMED {
        add(&mut sum, log, 0, length)?;
    } else {
        add(&mut sum, log, 0, SUMMED / 2)?;
        add(&mut sum, log, length - SUMMED / 2, SUMMED / 2)?;
    }
    Ok(Look { length, sum: sum.finalize(), blobs: blobs(folder)? })
}

fn add(sum: &mut crc32fast::Hasher, mut log: &File, from: u64, length: u64) -> io::Result<()> {
    log.seek(SeekFrom::Start(from))?;
    let mut part = log.take(length);
    let mut block = vec![0; BLOCK];
    loop {
        match part.read(&mut block) {
            Ok(0) => return Ok(()),
            Ok(read) => sum.update(&block[..read]),
            Err(error) if error.kind() == io::ErrorKind::Interrupted => {}
            Err(error) => return Err(error),
        }
    }
}

fn blobs(folder: &Path) -> io::Result<(u64, u64)> {
    let folder = match std::fs::read_dir(folder.join("blobs")) {
        Err(error) if error.kind() == io::ErrorKind::NotFound => return Ok((0, 0)),
        folder => folder?,
    };
    let mut blobs = (0, 0);
    for entry in folder {
        blobs = (blobs.0 + 1, blobs.1 + entry?.metadata()?.len());
    }
    Ok(blobs)
}

/// Makes the names within a folder durable.
pub(super) fn sync_folder(folder: &Path) -> io::Result<()> {
    File::open(folder)?.sync_all()
}

#[cfg(test)]
mod tests {
    use super::*;

    fn wrong(folder: &Path) -> Option<&'static str> {
        check(folder, &File::open(folder.join("db")).unwrap()).unwrap()
    }

    #[test]
    fn a_mark_tells_every_change_of_the_log() {
        let folder = tempfile::tempdir().unwrap();
        let (folder, db) = (folder.path(), folder.path().join("db"));
        std::fs::write(&db, vec![7; 100_000]).unwrap();
        assert_eq!(wrong(folder), None, "no mark, no opinion");
        set(folder, &File::open(&db).unwrap()).unwrap();
        assert!(is_set(folder));
        assert_eq!(wrong(folder), None);
        let mut flipped = vec![7; 100_000];
        flipped[50_000] ^= 1;
        std::fs::write(&db, &flipped).unwrap();
        assert!(wrong(folder).unwrap().contains("not as it was left"));
        std::fs::write(&db, vec![7; 99_999]).unwrap();
        assert!(wrong(folder).unwrap().contains("shorter"));
        std::fs::write(&db, vec![7; 100_001]).unwrap();
        assert!(wrong(folder).unwrap().contains("longer"));
        std::fs::write(&db, vec![7; 100_000]).unwrap();
        std::fs::create_dir(folder.join("blobs")).unwrap();
        std::fs::write(folder.join("blobs/1"), "x").unwrap();
        assert!(wrong(folder).unwrap().contains("blobs"));
        std::fs::write(folder.join(FILE), "rulerun closed 1\n12").unwrap();
        assert!(wrong(folder).unwrap().contains("`closed`"));
        clear(folder).unwrap();
        clear(folder).unwrap();
        assert_eq!(wrong(folder), None);
    }
}
