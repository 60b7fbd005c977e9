//! The file of a backup: a head that names the format, entries with their lengths, and a
//! foot with the counts and a SHA-256 over everything before it. A file that was cut off or
//! altered anywhere is known as such before anything of it is used.

use std::io::{self, ErrorKind, Read};

use serde::Serialize;
use sha2::{Digest as _, Sha256};

use crate::store::kv::Change;
use crate::store::sled::FORMAT;

/// How a backup begins. The end of line shows when somebody has treated it as text.
const MAGIC: &[u8; 16] = b"rulerun backup\r\n";
/// The format of the file.
const VERSION: u8 = 1;

const FOOT: u8 = 0;
const PUT: u8 = 1;
const REMOVE: u8 = 2;

/// No key is longer, in bytes.
const LONGEST_KEY: u32 = 64 * 1024;
/// No value is longer, in bytes: long ones lie in pieces of 15 KiB.
const LONGEST_VALUE: u32 = 16 * 1024 * 1024;

/// What a backup holds.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize)]
pub struct Contents {
    /// When it was begun, in milliseconds since 1970.
    pub taken: i64,
    /// Accepted calls.
    pub executions: u64,
    /// Deliveries, whatever became of them. The next step of each enrolment is part of the
    /// enrolment.
    pub jobs: u64,
    /// Persons in sequences, also those who have left them.
    pub enrolments: u64,
    /// Remembered data.
    pub records: u64,
    /// Its size in bytes.
    pub bytes: u64,
}

/// Why a file is not a backup that can be used.
#[derive(Debug, thiserror::Error)]
pub enum Unfit {
    /// It is something else.
    #[error("it is not a backup made by `rulerun backup`")]
    Foreign,
    /// It was written by a newer version.
    #[error("it was made by a newer version of rulerun; use that version or a newer one")]
    Newer,
    /// It was written by an older version whose rows this one cannot read.
    #[error("it was made by an older version of rulerun; restore it with that version")]
    Older,
    /// Its end is missing.
    #[error("it was cut off after {0} bytes; take another backup")]
    Cut(u64),
    /// Its bytes are not those that were written.
    #[error("it was altered or damaged: {0}; take another backup")]
    Altered(&'static str),
    /// It cannot be read.
    #[error("it cannot be read: {0}")]
    Io(io::Error),
}

/// Writes entries behind each other.
#[derive(Debug, Default)]
pub(super) struct Encoder {
    out: Vec<u8>,
    hash: Sha256,
    bytes: u64,
}

impl Encoder {
    /// The head of a backup that is begun at this moment.
    pub(super) fn head(&mut self, taken: i64) {
        self.out.extend(MAGIC);
        self.out.extend([VERSION, FORMAT]);
        self.out.extend(taken.to_be_bytes());
    }

    /// What becomes of a row.
    pub(super) fn entry(&mut self, key: &[u8], value: Option<&[u8]>) {
        let length = |bytes: &[u8]| u32::try_from(bytes.len()).unwrap_or(u32::MAX).to_be_bytes();
        self.out.push(if value.is_some() { PUT } else { REMOVE });
        self.out.extend(length(key));
        self.out.extend(key);
        if let Some(value) = value {
            self.out.extend(length(value));
            self.out.extend(value);
        }
    }

    /// The foot; the size is filled in.
    pub(super) fn foot(&mut self, contents: &mut Contents) {
        self.out.push(FOOT);
        let Contents { executions, jobs, enrolments, records, .. } = *contents;
        for count in [executions, jobs, enrolments, records] {
            self.out.extend(count.to_be_bytes());
        }
        self.hash.update(&self.out);
        let digest = std::mem::take(&mut self.hash).finalize();
        self.out.extend(&digest[..]);
        self.bytes += self.out.len() as u64;
        contents.bytes = self.bytes;
    }

    /// What was written since the last time, before the foot.
    pub(super) fn take(&mut self) -> Vec<u8> {
        self.hash.update(&self.out);
        self.bytes += self.out.len() as u64;
        std::mem::take(&mut self.out)
    }

    /// What was written last, with the foot.
    pub(super) fn take_last(&mut self) -> Vec<u8> {
        std::mem::take(&mut self.out)
    }
}

/// Reads a backup to its end and makes sure that it is whole; nothing is kept.
///
/// # Errors
/// It cannot be read, or is not what was written.
pub fn check(file: &mut dyn Read) -> Result<Contents, Unfit> {
    read(file, &mut |_, _| Ok(()))
}

/// Reads a backup entry by entry; the answer says whether all of it was what was written.
pub(in crate::store) fn read<E: From<Unfit>>(
    file: &mut dyn Read,
    each: &mut dyn FnMut(Vec<u8>, Change) -> Result<(), E>,
) -> Result<Contents, E> {
    let mut decoder = Decoder { file, hash: Sha256::new(), bytes: 0 };
    let mut contents = Contents { taken: decoder.head()?, ..Contents::default() };
    loop {
        let [kind] = decoder.array()?;
        match kind {
            PUT => {
                let key = decoder.text(LONGEST_KEY)?;
                let value = decoder.text(LONGEST_VALUE)?;
                each(key, Some(value))?;
            }
            REMOVE => each(decoder.text(LONGEST_KEY)?, None)?,
            FOOT => break,
            _ => return Err(Unfit::Altered("there is an entry of no known kind").into()),
        }
    }
    let mut count = || decoder.array().map(u64::from_be_bytes);
    contents.executions = count()?;
    contents.jobs = count()?;
    contents.enrolments = count()?;
    contents.records = count()?;
    contents.bytes = decoder.end()?;
    Ok(contents)
}

struct Decoder<'f> {
    file: &'f mut dyn Read,
    hash: Sha256,
    bytes: u64,
}

impl Decoder<'_> {
    /// The moment in the head.
    fn head(&mut self) -> Result<i64, Unfit> {
        let magic: [u8; 16] = self.array().map_err(|error| match error {
            Unfit::Cut(_) => Unfit::Foreign,
            error => error,
        })?;
        if magic != *MAGIC {
            return Err(Unfit::Foreign);
        }
        let [version, rows] = self.array()?;
        if version > VERSION || rows > FORMAT {
            return Err(Unfit::Newer);
        }
        if rows < FORMAT {
            return Err(Unfit::Older);
        }
        self.array().map(i64::from_be_bytes)
    }

    /// The checksum, after which nothing may follow; answers how many bytes there were.
    fn end(&mut self) -> Result<u64, Unfit> {
        let digest = std::mem::take(&mut self.hash).finalize();
        let written: [u8; 32] = self.array()?;
        if written != digest[..] {
            return Err(Unfit::Altered("its checksum does not fit"));
        }
        let mut more = [0];
        match self.file.read(&mut more) {
            Ok(0) => Ok(self.bytes),
            Ok(_) => Err(Unfit::Altered("something follows its end")),
            Err(error) => Err(Unfit::Io(error)),
        }
    }

    fn array<const N: usize>(&mut self) -> Result<[u8; N], Unfit> {
        let mut bytes = [0; N];
        self.file.read_exact(&mut bytes).map_err(|error| self.fault(error))?;
        self.hash.update(bytes);
        self.bytes += N as u64;
        Ok(bytes)
    }

    /// Bytes behind their length. No more is set aside than there really is.
    fn text(&mut self, longest: u32) -> Result<Vec<u8>, Unfit> {
        let length = u32::from_be_bytes(self.array()?);
        if length > longest {
            return Err(Unfit::Altered("an entry is longer than any can be"));
        }
        let mut bytes = Vec::new();
        let read = (&mut *self.file).take(length.into()).read_to_end(&mut bytes);
        read.map_err(|error| self.fault(error))?;
        self.hash.update(&bytes);
        self.bytes += bytes.len() as u64;
        if bytes.len() < length as usize {
            return Err(Unfit::Cut(self.bytes));
        }
        Ok(bytes)
    }

    fn fault(&self, error: io::Error) -> Unfit {
        match error.kind() {
            ErrorKind::UnexpectedEof => Unfit::Cut(self.bytes),
            _ => Unfit::Io(error),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::{Contents, Encoder, FORMAT, MAGIC, Unfit, check};

    #[test]
    fn a_backup_of_other_rows_is_refused() {
        let mut encoder = Encoder::default();
        encoder.head(0);
        encoder.foot(&mut Contents::default());
        let whole = encoder.take_last();
        assert!(check(&mut &whole[..]).is_ok());
        let of = |format| {
            let mut other = whole.clone();
            other[MAGIC.len() + 1] = format;
            check(&mut &other[..]).unwrap_err()
        };
        assert!(matches!(of(FORMAT - 1), Unfit::Older), "{}", of(FORMAT - 1));
        assert!(matches!(of(FORMAT + 1), Unfit::Newer), "{}", of(FORMAT + 1));
    }
}
