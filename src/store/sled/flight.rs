//! Which jobs are under a lease, noted in a small file beside the store. It is read after the
//! process has died: a job that was under way at one death after another may be what kills
//! it. The note outlives the process, not the machine: nothing is synced, one write to the
//! page cache per group is all that it costs, and what a power cut leaves of it is only
//! believed where it names rows that exist.

use std::fs::{File, OpenOptions};
use std::io;
use std::os::unix::fs::FileExt as _;
use std::path::Path;

/// The file's name within the store's folder.
const NAME: &str = "in-flight";
/// Longest note that is written or believed, in bytes: far more jobs than have places.
const LONGEST: usize = 1024 * 1024;

/// Whether there is a note. It is made once the log beside it is on the disk.
pub(super) fn is_there(folder: &Path) -> bool {
    folder.join(NAME).exists()
}

/// The note.
pub(super) struct Flight {
    file: File,
    text: Vec<u8>,
}

impl Flight {
    /// Opens the note and reads what the last process left: the due rows of the jobs that
    /// were under way when it died, none after a clean end.
    pub(super) fn open(folder: &Path) -> io::Result<(Self, Vec<Vec<u8>>)> {
        let mut options = OpenOptions::new();
        options.read(true).write(true).create(true).truncate(false);
        let file = options.open(folder.join(NAME))?;
        let mut text =
            vec![0; usize::try_from(file.metadata()?.len()).map_or(0, |n| n.min(LONGEST))];
        file.read_exact_at(&mut text, 0)?;
        let keys = read(&text);
        Ok((Self { file, text }, keys))
    }

    /// Notes the due rows of everything under way. A note that cannot be written costs only
    /// what it is for, so nothing fails with it.
    pub(super) fn note(&mut self, keys: &[Vec<u8>]) {
        self.text.clear();
        self.text.extend([0; 4]);
        for key in keys {
            let Ok(length) = u16::try_from(key.len()) else { continue };
            self.text.extend(length.to_le_bytes());
            self.text.extend(key);
        }
        let length = self.text.len() - 4;
        if let Some(length) = u32::try_from(length).ok().filter(|_| length <= LONGEST) {
            self.text[..4].copy_from_slice(&length.to_le_bytes());
            let _ = self.file.write_all_at(&self.text, 0);
        }
    }
}

/// The keys of a note; what cannot be one is left out.
fn read(text: &[u8]) -> Vec<Vec<u8>> {
    let Some((length, rest)) = text.split_first_chunk::<4>() else { return Vec::new() };
    let length = usize::try_from(u32::from_le_bytes(*length)).unwrap_or(0);
    let mut rest = rest.get(..length).unwrap_or_default();
    let mut keys = Vec::new();
    while let Some((length, tail)) = rest.split_first_chunk::<2>() {
        let Some((key, tail)) = tail.split_at_checked(u16::from_le_bytes(*length).into()) else {
            break;
        };
        keys.push(key.to_vec());
        rest = tail;
    }
    keys
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_newest_note_is_read_again_and_nonsense_is_no_note() {
        let folder = tempfile::tempdir().unwrap();
        let (mut flight, keys) = Flight::open(folder.path()).unwrap();
        assert!(keys.is_empty());
        let many: Vec<_> = (0..300_u32).map(|n| n.to_be_bytes().to_vec()).collect();
        for keys in [&many[..], &many[..2], &[]] {
            flight.note(keys);
            assert_eq!(Flight::open(folder.path()).unwrap().1, keys);
        }
        for nonsense in [&b""[..], b"\x01", b"\xff\xff\xff\xff123", b"\x03\0\0\0\xff\xff1"] {
            std::fs::write(folder.path().join(NAME), nonsense).unwrap();
            assert!(Flight::open(folder.path()).unwrap().1.is_empty());
        }
    }
}
