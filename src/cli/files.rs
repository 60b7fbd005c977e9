//! Files that verbs write. Nobody ever sees half of one: it is written beside its name and
//! put in the place of the old one when it is whole.

use std::fs::{self, File};
use std::io::{self, Write as _};
use std::path::{Path, PathBuf};

use super::outcome::Failure;

/// What stands behind the name of a file that is being written. Nobody reads such files.
const BESIDE: &str = ".rulerun~";

/// Makes a folder, and those that it lies in.
///
/// # Errors
/// It cannot be made, or something else has its name.
pub(super) fn folder(path: &Path) -> Result<(), Failure> {
    fs::create_dir_all(path).map_err(|why| trouble(path, &why))
}

/// Writes a file, in the place of an old one if there is one.
///
/// # Errors
/// It cannot be written; an old one is as it was.
pub(super) fn write(path: &Path, bytes: impl AsRef<[u8]>) -> Result<(), Failure> {
    place(path, bytes.as_ref(), None).map_err(|why| trouble(path, &why))
}

/// Writes a file that held `before` when it was read. What somebody else has saved meanwhile
/// stays.
///
/// # Errors
/// It cannot be written, or has changed in between; then it is as it was.
pub(super) fn replace(path: &Path, before: &str, text: &str) -> io::Result<()> {
    is_as_read(path, before)?;
    place(path, text.as_bytes(), Some(before))
}

/// Whether a file still holds what was read and may be written.
///
/// # Errors
/// Why not.
pub(super) fn is_as_read(path: &Path, before: &str) -> io::Result<()> {
    if fs::metadata(path)?.permissions().readonly() {
        return Err(io::Error::other("it is write-protected"));
    }
    if fs::read(path)? != before.as_bytes() {
        return Err(io::Error::other("it has changed in between; run the command once more"));
    }
    Ok(())
}

/// Writes a file that must not be there yet, and makes its folder.
///
/// # Errors
/// It cannot be written, or there is one by now.
pub(super) fn write_new(path: &Path, text: &str) -> Result<(), Failure> {
    if let Some(parent) = path.parent() {
        folder(parent)?;
    }
    let written = File::create_new(path).and_then(|mut file| file.write_all(text.as_bytes()));
    written.map_err(|why| trouble(path, &why))
}

fn place(path: &Path, bytes: &[u8], before: Option<&str>) -> io::Result<()> {
    let (path, permissions) = match fs::metadata(path) {
        // A pipe or a device is written to.
        Ok(old) if !old.is_file() => return fs::write(path, bytes),
        // A link stays a link, and the file that it leads to keeps its permissions.
        Ok(old) => (path.canonicalize()?, Some(old.permissions())),
        Err(_) => (path.to_owned(), None),
    };
    let mut beside = path.clone().into_os_string();
    beside.push(BESIDE);
    let beside = PathBuf::from(beside);
    // What was left there by a crash goes; a link there is never written through.
    let _ = fs::remove_file(&beside);
    let written = File::create_new(&beside).and_then(|mut file| {
        if let Some(permissions) = permissions {
            file.set_permissions(permissions)?;
        }
        file.write_all(bytes)?;
        file.sync_all()
    });
    let checked = written.and_then(|()| before.map_or(Ok(()), |text| is_as_read(&path, text)));
    let placed = checked.and_then(|()| fs::rename(&beside, &path));
    if placed.is_err() {
        // What is left of it is of no use.
        let _ = fs::remove_file(&beside);
    }
    placed
}

fn trouble(path: &Path, why: &io::Error) -> Failure {
    Failure::io(format!("cannot write {}", path.display()), why)
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::os::unix::fs::{PermissionsExt as _, symlink};

    #[test]
    fn a_link_stays_a_link_and_a_file_keeps_its_permissions() {
        let folder = tempfile::tempdir().expect("a folder");
        let (file, link) = (folder.path().join("a"), folder.path().join("b"));
        write(&file, "old").expect("written");
        fs::set_permissions(&file, fs::Permissions::from_mode(0o640)).expect("permissions");
        symlink(&file, &link).expect("a link");
        write(&link, "new").expect("written");
        assert_eq!(fs::read_to_string(&file).expect("a file"), "new");
        let mode = fs::metadata(&file).expect("a file").permissions().mode();
        assert_eq!(mode & 0o777, 0o640);
        assert!(fs::symlink_metadata(&link).expect("a link").is_symlink());
        assert_eq!(fs::read_dir(folder.path()).expect("a folder").count(), 2, "nothing else");
    }

    #[test]
    fn what_is_no_file_is_written_to_and_a_new_file_is_never_written_over() {
        write(Path::new("/dev/null"), "gone").expect("written");
        let folder = tempfile::tempdir().expect("a folder");
        let path = folder.path().join("deep/a");
        write_new(&path, "first").expect("written");
        assert!(write_new(&path, "second").is_err());
        assert_eq!(fs::read_to_string(&path).expect("a file"), "first");
    }
}
