//! `file://` addresses, by which editors name files, and paths.

use std::ffi::OsString;
use std::fmt::Write as _;
use std::os::unix::ffi::{OsStrExt as _, OsStringExt as _};
use std::path::{Path, PathBuf};

/// The path of an address; none where it names no file of this machine.
pub(super) fn path(uri: &str) -> Option<PathBuf> {
    let rest = uri.strip_prefix("file://")?;
    let rest = rest.strip_prefix("localhost").unwrap_or(rest);
    if !rest.starts_with('/') {
        return None;
    }
    let mut bytes = Vec::with_capacity(rest.len());
    let mut letters = rest.bytes();
    while let Some(letter) = letters.next() {
        match letter {
            b'%' => {
                let digits = [letters.next()?, letters.next()?];
                bytes.push(u8::from_str_radix(std::str::from_utf8(&digits).ok()?, 16).ok()?);
            }
            b'?' | b'#' => break,
            other => bytes.push(other),
        }
    }
    Some(PathBuf::from(OsString::from_vec(bytes)))
}

/// The address of an absolute path.
pub(super) fn of(path: &Path) -> String {
    let mut uri = String::from("file://");
    for byte in path.as_os_str().as_bytes() {
        if byte.is_ascii_alphanumeric() || b"/-._~".contains(byte) {
            uri.push(char::from(*byte));
        } else {
            // Writing to a string cannot fail.
            let _ = write!(uri, "%{byte:02X}");
        }
    }
    uri
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_address_leads_to_its_path_and_back() {
        let odd = Path::new("/home/Jo Ann/räuber & co/100%.kdl");
        assert_eq!(path(&of(odd)).as_deref(), Some(odd));
        assert_eq!(path("file:///c%3A/x.kdl"), Some(PathBuf::from("/c:/x.kdl")));
        for foreign in
            ["untitled:Untitled-1", "file://host/x", "http://example.com/x", "file:///%zz"]
        {
            assert_eq!(path(foreign), None, "{foreign}");
        }
    }
}
