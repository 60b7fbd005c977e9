//! Finding and reading the files of a rule set: every `*.kdl` under the given paths, with
//! the e-mail texts and JSON Schemas that lie beside them.

use std::path::{Path, PathBuf};

use crate::base::SourceMap;

/// The largest file that is read; larger ones are left for `analyze` to refuse by size.
const MAX_FILE: u64 = 1024 * 1024;
/// Deepest folder below a rule path.
const MAX_DEPTH: usize = 16;

/// Where the rules stand when no path is given.
pub const DEFAULT_PATHS: [&str; 2] = ["rules", "schemas"];

/// A path that cannot be read.
#[derive(Debug, thiserror::Error)]
pub enum SourceError {
    /// Nothing is there.
    #[error(
        "{0} does not exist; give the folder or file that holds your rules, or run `rulerun init` to make one"
    )]
    Missing(String),
    /// It is there and cannot be read.
    #[error("cannot read {path}: {why}")]
    Unreadable {
        /// The file or folder.
        path: String,
        /// The system's words.
        why: String,
    },
    /// No rule file at all.
    #[error("there is no .kdl file under {0}")]
    Empty(String),
}

/// The paths to read: those given, or the defaults that exist.
#[must_use]
pub fn roots(given: &[PathBuf]) -> Vec<PathBuf> {
    if !given.is_empty() {
        return given.to_vec();
    }
    DEFAULT_PATHS.iter().map(PathBuf::from).filter(|path| path.exists()).collect()
}

/// Reads every file of a rule set, in a stable order.
///
/// # Errors
/// A path that does not exist or cannot be read; no rule file at all.
pub fn load(given: &[PathBuf]) -> Result<SourceMap, SourceError> {
    let roots = roots(given);
    let named =
        if roots.is_empty() { DEFAULT_PATHS.map(PathBuf::from).to_vec() } else { roots.clone() };
    let mut files = Vec::new();
    for root in &roots {
        if !root.exists() {
            return Err(SourceError::Missing(shown(root)));
        }
        if root.is_file() {
            files.push(root.clone());
            // A single rule file brings the e-mail texts beside it.
            if let Some(emails) =
                root.parent().map(|parent| parent.join("emails")).filter(|p| p.is_dir())
            {
                collect(&emails, 0, &mut files)?;
            }
        } else {
            collect(root, 0, &mut files)?;
        }
    }
    files.sort();
    files.dedup();
    let mut sources = SourceMap::new();
    for file in files {
        let text = read(&file)?;
        sources.add(shown(&file), text);
    }
    if !sources.iter().any(|(_, file)| is_rule_file(&file.path)) {
        let names: Vec<String> = named.iter().map(|path| shown(path)).collect();
        return Err(SourceError::Empty(names.join(" or ")));
    }
    Ok(sources)
}

/// The files of a rule set. Texts in HTML and MJML come later; they are found all the same,
/// so that the person who wrote one is told.
const ENDINGS: &[&str] = &[".kdl", ".md", ".json", ".html", ".mjml"];

/// Whether a path is a rule file (tests are not).
fn is_rule_file(path: &str) -> bool {
    path.ends_with(".kdl") && !path.ends_with(".test.kdl")
}

fn collect(folder: &Path, depth: usize, files: &mut Vec<PathBuf>) -> Result<(), SourceError> {
    let fault = |why: std::io::Error| unreadable(folder, &why);
    if depth > MAX_DEPTH {
        return Ok(());
    }
    for entry in std::fs::read_dir(folder).map_err(fault)? {
        let path = entry.map_err(fault)?.path();
        let name = path.file_name().and_then(|name| name.to_str()).unwrap_or_default();
        // Editors leave swap and backup files; a leading dot hides a file here as elsewhere.
        if name.starts_with('.') || name.ends_with('~') {
            continue;
        }
        if path.is_dir() {
            collect(&path, depth + 1, files)?;
        } else if ENDINGS.iter().any(|ending| name.ends_with(ending)) {
            files.push(path);
        }
    }
    Ok(())
}

fn read(path: &Path) -> Result<String, SourceError> {
    let length = std::fs::metadata(path).map_err(|why| unreadable(path, &why))?.len();
    if length > MAX_FILE {
        return Err(SourceError::Unreadable {
            path: shown(path),
            why: format!("it has {length} bytes; a rule file may have 256 KiB"),
        });
    }
    let bytes = std::fs::read(path).map_err(|why| unreadable(path, &why))?;
    String::from_utf8(bytes).map_err(|error| SourceError::Unreadable {
        path: shown(path),
        why: format!(
            "it is not UTF-8 text (byte {}); save it as UTF-8",
            error.utf8_error().valid_up_to() + 1
        ),
    })
}

fn unreadable(path: &Path, why: &std::io::Error) -> SourceError {
    SourceError::Unreadable { path: shown(path), why: why.to_string() }
}

/// A path as people write it.
fn shown(path: &Path) -> String {
    let text = path.to_string_lossy();
    text.strip_prefix("./").unwrap_or(&text).to_owned()
}
