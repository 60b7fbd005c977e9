//! An e-mail as files: the HTML, the text, and the whole message, which mail programs open.

use std::path::{Path, PathBuf};

use super::versions::Version;
use crate::cli::outcome::Failure;

/// Writes each version; the second and later ones have a number in their names.
///
/// # Errors
/// The folder or a file cannot be written.
pub(super) fn write(
    folder: &Path,
    name: &str,
    versions: &[Version],
) -> Result<Vec<PathBuf>, Failure> {
    let trouble = |path: &Path, why: &std::io::Error| {
        Failure::io(format!("cannot write {}", path.display()), why)
    };
    std::fs::create_dir_all(folder).map_err(|why| trouble(folder, &why))?;
    let name = file_name(name);
    let mut written = Vec::new();
    for (index, version) in versions.iter().enumerate() {
        let number = if index == 0 { String::new() } else { format!("-{}", index + 1) };
        let letter = &version.letter;
        for (ending, bytes) in [
            ("html", letter.html.as_bytes()),
            ("txt", letter.email.text.as_bytes()),
            ("eml", letter.email.message.as_slice()),
        ] {
            let path = folder.join(format!("{name}{number}.{ending}"));
            std::fs::write(&path, bytes).map_err(|why| trouble(&path, &why))?;
            written.push(path);
        }
    }
    Ok(written)
}

/// The name of a step as the name of a file: it never leads out of the folder.
fn file_name(name: &str) -> String {
    let safe = |letter: char| letter.is_alphanumeric() || matches!(letter, '-' | '_');
    name.chars().map(|letter| if safe(letter) { letter } else { '-' }).collect()
}
