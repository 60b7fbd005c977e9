//! Files that are no texts: images and attachments in the folders `emails`. Only those that a
//! rule or a text names are read, and no more than fits.

use std::fs::File;
use std::io::Read as _;
use std::path::{Path, PathBuf};
use std::sync::Arc;

use sha2::{Digest as _, Sha256};

use super::{SourceError, shown, unreadable};
use crate::base::{Asset, SourceMap};

/// The largest file that is read; a larger one may come with no e-mail.
const LARGEST: u64 = 10 * 1024 * 1024;
/// Most bytes of all of them together.
const MOST: u64 = 64 * 1024 * 1024;

/// Whether a file stands in a folder `emails`.
pub(super) fn is_among_emails(path: &Path) -> bool {
    path.parent().is_some_and(|folder| folder.components().any(|part| part.as_os_str() == "emails"))
}

/// Adds files to a map: all by name, those that its texts name with their bytes.
///
/// # Errors
/// A file that cannot be read; too many bytes.
pub(super) fn add(
    sources: &mut SourceMap,
    files: &[PathBuf],
    told: impl Fn(&Path) -> String,
) -> Result<(), SourceError> {
    let mut total = 0;
    let mut found = Vec::new();
    for file in files {
        let meta = std::fs::metadata(file).map_err(|why| unreadable(file, &why))?;
        let name = file.file_name().and_then(|name| name.to_str()).unwrap_or_default();
        let named = || sources.iter().any(|(_, source)| source.text.contains(name));
        let path = told(file);
        if !meta.is_file() || meta.len() > LARGEST || name.is_empty() || !named() {
            found.push(Asset { path, size: meta.len(), hash: String::new(), bytes: None });
            continue;
        }
        let bytes = read(file)?;
        total += bytes.len() as u64;
        if total > MOST {
            let why = format!(
                "files that come with e-mails have more than {} MB together",
                MOST / 1024 / 1024
            );
            return Err(SourceError::Unreadable { path: shown(file), why });
        }
        let hash = hex::encode(Sha256::digest(&bytes));
        found.push(Asset { path, size: bytes.len() as u64, hash, bytes: Some(Arc::from(bytes)) });
    }
    for asset in found {
        sources.add_asset(asset);
    }
    Ok(())
}

/// The bytes of a file, which may grow while it is read.
fn read(path: &Path) -> Result<Vec<u8>, SourceError> {
    let mut bytes = Vec::new();
    let file = File::open(path).and_then(|file| file.take(LARGEST).read_to_end(&mut bytes));
    file.map_err(|why| unreadable(path, &why))?;
    Ok(bytes)
}
