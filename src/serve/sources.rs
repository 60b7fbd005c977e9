//! Finding and reading the files of a rule set: every `*.kdl` under the given paths, with
//! the e-mail texts and JSON Schemas that lie beside them, and the files that come with
//! e-mails.

use std::collections::{BTreeMap, HashSet};
use std::fs::File;
use std::io::Read as _;
use std::os::unix::fs::MetadataExt as _;
use std::path::{Path, PathBuf};

use crate::base::{FileId, SourceMap};
use crate::language;

mod assets;

/// The largest file that is read; larger ones are left for `analyze` to refuse by size.
const MAX_FILE: u64 = 1024 * 1024;
/// Deepest folder below a rule path.
const MAX_DEPTH: usize = 16;
/// Most files of a rule set; more than that is a wrong path, such as a home folder.
const MAX_FILES: usize = 10_000;

/// Most folders that are looked into.
const MAX_FOLDERS: usize = 20_000;

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
    for root in &roots {
        if !root.exists() {
            return Err(SourceError::Missing(shown(root)));
        }
    }
    let mut sources = SourceMap::new();
    let (texts, others): (Vec<_>, Vec<_>) =
        files(&roots)?.into_iter().partition(|file| is_read(file));
    for file in texts {
        let text = read(&file)?;
        sources.add(shown(&file), text);
    }
    assets::add(&mut sources, &others, shown)?;
    if !sources.iter().any(|(_, file)| language::is_rule_file(&file.path)) {
        let names: Vec<String> = named.iter().map(|path| shown(path)).collect();
        return Err(SourceError::Empty(names.join(" or ")));
    }
    Ok(sources)
}

/// Files as an editor has them, which may not be saved yet.
#[derive(Debug)]
pub struct Open<'a> {
    /// The project's folder; paths are told from here.
    pub base: &'a Path,
    /// The texts by absolute path.
    pub texts: BTreeMap<&'a Path, &'a str>,
}

/// Reads every file of a rule set, in a stable order, with what is open in the place of what
/// is saved. The paths are absolute; one that does not exist holds nothing.
///
/// # Errors
/// A file that cannot be read.
pub fn load_open(roots: &[PathBuf], open: &Open<'_>) -> Result<SourceMap, SourceError> {
    let there: Vec<PathBuf> = roots.iter().filter(|root| root.exists()).cloned().collect();
    let mut found = files(&there)?;
    let within = |path: &Path| roots.iter().any(|root| path.starts_with(root));
    found.extend(open.texts.keys().filter(|path| within(path) && is_read(path)).map(PathBuf::from));
    found.sort();
    found.dedup();
    let mut sources = SourceMap::new();
    let (texts, others): (Vec<_>, Vec<_>) = found.into_iter().partition(|file| is_read(file));
    let told = |file: &Path| shown(file.strip_prefix(open.base).unwrap_or(file));
    for file in texts {
        let path = told(&file);
        match open.texts.get(file.as_path()) {
            Some(text) => sources.add(path, *text),
            None => sources.add(path, read(&file)?),
        };
    }
    assets::add(&mut sources, &others, told)?;
    Ok(sources)
}

/// The files of a rule set, in a stable order: what is read, and what is watched for changes.
///
/// # Errors
/// A folder that cannot be read; too many files.
pub fn files(roots: &[PathBuf]) -> Result<Vec<PathBuf>, SourceError> {
    let mut walk = Walk::for_files(|path| is_read(path) || assets::is_among_emails(path), &[]);
    for root in roots {
        if root.is_dir() {
            walk.folder(root, 0)?;
            continue;
        }
        walk.files.push(root.clone());
        // A single rule file brings the e-mail texts beside it.
        if let Some(emails) =
            root.parent().map(|parent| parent.join("emails")).filter(|path| path.is_dir())
        {
            walk.folder(&emails, 0)?;
        }
    }
    Ok(walk.found())
}

/// The files of tests (`*.test.kdl`) among these files and folders and below them, in a stable
/// order.
///
/// # Errors
/// A folder that cannot be read; too many files.
pub fn tests(paths: &[PathBuf]) -> Result<Vec<PathBuf>, SourceError> {
    let is_test = |path: &Path| language::is_test_file(&path.to_string_lossy());
    // Nobody keeps tests among what tools have made, and there is much of it.
    let mut walk = Walk::for_files(is_test, &["target", "node_modules"]);
    for path in paths {
        if path.is_dir() { walk.folder(path, 0)? } else { walk.files.push(path.clone()) }
    }
    Ok(walk.found())
}

/// The files of tests that belong to the rules at these paths: below folders, and beside a
/// single file the one of its name, as `shop.test.kdl` is beside `shop.kdl`. For the default
/// paths they are those below the folder in which rulerun runs.
///
/// # Errors
/// A folder that cannot be read; too many files.
pub fn tests_of(given: &[PathBuf]) -> Result<Vec<PathBuf>, SourceError> {
    tests(&test_places(given))
}

/// Where [`tests_of`] looks.
#[must_use]
pub fn test_places(given: &[PathBuf]) -> Vec<PathBuf> {
    if given.is_empty() {
        return vec![PathBuf::from(".")];
    }
    let place = |path: &PathBuf| {
        if path.is_dir() { path.clone() } else { path.with_extension("test.kdl") }
    };
    given.iter().map(place).filter(|path| path.exists()).collect()
}

/// Adds files to a map, each once, and answers their ids.
///
/// # Errors
/// A file that cannot be read.
pub fn add(sources: &mut SourceMap, files: &[PathBuf]) -> Result<Vec<FileId>, SourceError> {
    let mut ids = Vec::with_capacity(files.len());
    for file in files {
        let path = shown(file);
        let id = match sources.find(&path) {
            Some(id) => id,
            None => sources.add(path, read(file)?),
        };
        ids.push(id);
    }
    Ok(ids)
}

/// A walk through folders. Each is entered once, so links that lead in a circle end.
struct Walk {
    wanted: fn(&Path) -> bool,
    avoided: &'static [&'static str],
    entered: HashSet<(u64, u64)>,
    files: Vec<PathBuf>,
}

impl Walk {
    fn for_files(wanted: fn(&Path) -> bool, avoided: &'static [&'static str]) -> Self {
        Self { wanted, avoided, entered: HashSet::new(), files: Vec::new() }
    }

    /// What was found, each file once.
    fn found(mut self) -> Vec<PathBuf> {
        self.files.sort();
        self.files.dedup();
        self.files
    }

    fn folder(&mut self, folder: &Path, depth: usize) -> Result<(), SourceError> {
        let fault = |why: std::io::Error| unreadable(folder, &why);
        let meta = std::fs::metadata(folder).map_err(fault)?;
        if depth > MAX_DEPTH || !self.entered.insert((meta.dev(), meta.ino())) {
            return Ok(());
        }
        if self.entered.len() > MAX_FOLDERS {
            let why =
                format!("there are more than {MAX_FOLDERS} folders; name the ones that are meant");
            return Err(SourceError::Unreadable { path: shown(folder), why });
        }
        let mut paths = Vec::new();
        for entry in std::fs::read_dir(folder).map_err(fault)? {
            paths.push(entry.map_err(fault)?.path());
        }
        // Whichever of two names of a folder comes first is always the same one.
        paths.sort();
        for path in paths {
            let name = path.file_name().and_then(|name| name.to_str()).unwrap_or_default();
            // Editors leave swap and backup files; a leading dot hides a file here as elsewhere.
            if name.starts_with('.') || name.ends_with('~') {
                continue;
            }
            if path.is_dir() {
                if !self.avoided.contains(&name) {
                    self.folder(&path, depth + 1)?;
                }
            } else if (self.wanted)(&path) {
                self.files.push(path);
            }
            if self.files.len() > MAX_FILES {
                return Err(SourceError::Unreadable {
                    path: shown(folder),
                    why: format!(
                        "there are more than {MAX_FILES} files; give the rules a folder of their own"
                    ),
                });
            }
        }
        Ok(())
    }
}

/// Files that rules may be made of.
fn is_read(path: &Path) -> bool {
    let ending = path.extension().and_then(|ending| ending.to_str());
    matches!(ending, Some("kdl" | "md" | "json" | "html" | "mjml"))
        || ending == Some("txt") && assets::is_among_emails(path)
}

fn read(path: &Path) -> Result<String, SourceError> {
    let refuse = |why: String| SourceError::Unreadable { path: shown(path), why };
    let meta = std::fs::metadata(path).map_err(|why| unreadable(path, &why))?;
    // A pipe would keep us waiting for ever, and a device never ends.
    if !meta.is_file() {
        return Err(refuse(String::from("it is a pipe, a socket or a device, not a file")));
    }
    let mut bytes = Vec::new();
    // It may grow while it is read.
    let text = File::open(path).and_then(|file| file.take(MAX_FILE + 1).read_to_end(&mut bytes));
    text.map_err(|why| unreadable(path, &why))?;
    if bytes.len() as u64 > MAX_FILE {
        let length = meta.len().max(MAX_FILE + 1);
        return Err(refuse(format!("it has {length} bytes; a rule file may have 256 KiB")));
    }
    String::from_utf8(bytes).map_err(|error| {
        let read = &error.as_bytes()[..error.utf8_error().valid_up_to()];
        let line = read.split(|byte| *byte == b'\n').count();
        refuse(if matches!(error.as_bytes(), [0xff, 0xfe, ..] | [0xfe, 0xff, ..]) {
            String::from("it is saved as UTF-16; save it as UTF-8")
        } else {
            format!("line {line} has letters that are not UTF-8; save the file as UTF-8")
        })
    })
}

fn unreadable(path: &Path, why: &std::io::Error) -> SourceError {
    SourceError::Unreadable { path: shown(path), why: plain(why) }
}

/// What the system says, without its number and in the middle of a sentence.
#[must_use]
pub fn plain(error: &std::io::Error) -> String {
    let text = error.to_string();
    let words = text.split(" (os error").next().unwrap_or_default();
    let mut letters = words.chars();
    letters.next().map_or_else(String::new, |first| first.to_lowercase().chain(letters).collect())
}

/// A path as people write it.
fn shown(path: &Path) -> String {
    let text = path.to_string_lossy();
    text.strip_prefix("./").unwrap_or(&text).to_owned()
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::os::unix::fs::symlink;

    fn folder(rule: &str) -> tempfile::TempDir {
        let folder = tempfile::tempdir().unwrap();
        std::fs::write(folder.path().join("a.kdl"), rule).unwrap();
        folder
    }

    #[test]
    fn links_that_lead_in_a_circle_end_and_no_file_is_read_twice() {
        let folder = folder("");
        for name in ["b", "c", "d", "e", "f"] {
            symlink(folder.path(), folder.path().join(name)).unwrap();
        }
        let found = files(&[folder.path().to_owned()]).unwrap();
        assert_eq!(found, [folder.path().join("a.kdl")]);
    }

    #[test]
    fn what_is_no_text_file_is_refused_and_never_waited_for() {
        let folder = folder("");
        let odd = folder.path().join("odd.kdl");
        let refused = |what: &str| {
            let error = load(&[folder.path().to_owned()]).expect_err(what).to_string();
            std::fs::remove_file(&odd).unwrap();
            assert!(error.contains("odd.kdl"), "{what}: {error}");
        };
        assert!(std::process::Command::new("mkfifo").arg(&odd).status().unwrap().success());
        refused("a pipe");
        symlink("/dev/zero", &odd).unwrap();
        refused("a device");
        symlink("nowhere", &odd).unwrap();
        refused("a link to nowhere");
        std::fs::write(&odd, b"caf\xe9").unwrap();
        refused("not UTF-8");
        std::fs::File::create(&odd).unwrap().set_len(1 << 30).unwrap();
        refused("a gigabyte");
    }
}
