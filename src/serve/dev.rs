//! `serve --dev`: a server that starts on a fresh clone with an empty environment. Secrets
//! that the rules need and nobody has set are made once and kept in the data folder, so that
//! the printed `curl` lines stay valid.

use std::collections::{BTreeMap, BTreeSet};
use std::fmt::Write as _;
use std::path::{Path, PathBuf};

use super::clock;
use super::reload::SharedLookup;
use crate::base::SourceMap;
use crate::language;
use crate::mail::EXAMPLE_KEY;
use crate::model::{Lookup, Source};

/// The file in the data folder that keeps made-up secrets.
pub const FILE: &str = "dev-secrets.env";

/// Looks variables up, and falls back to secrets that were made up.
pub struct DevLookup {
    real: SharedLookup,
    made: BTreeMap<String, String>,
    /// Variables and files with keys that sign e-mails.
    keys: BTreeSet<String>,
}

impl std::fmt::Debug for DevLookup {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("DevLookup").field("made", &self.made.len()).finish_non_exhaustive()
    }
}

impl Lookup for DevLookup {
    fn env(&self, name: &str) -> Option<String> {
        let made = || self.made.get(name).cloned().or_else(|| self.key(name));
        self.real.env(name).or_else(made)
    }

    fn file(&self, path: &str) -> Result<String, String> {
        self.real.file(path).or_else(|why| self.key(path).ok_or(why))
    }

    fn is_open(&self, path: &str) -> bool {
        self.real.is_open(path)
    }
}

impl DevLookup {
    /// A key that signs e-mails cannot be made up; one that everybody knows does while they go
    /// nowhere else.
    fn key(&self, name: &str) -> Option<String> {
        self.keys.contains(name).then(|| EXAMPLE_KEY.to_owned())
    }
}

/// A lookup in which every secret that these rules need has a value; answers the names that
/// are made up, too.
///
/// # Errors
/// The data folder cannot be written.
pub fn lookup(
    real: SharedLookup,
    sources: &SourceMap,
    data: &Path,
) -> std::io::Result<(DevLookup, Vec<String>)> {
    let file = data.join(FILE);
    let mut made: BTreeMap<String, String> =
        std::fs::read_to_string(&file).map(|text| read(&text)).unwrap_or_default();
    let before = made.len();
    let (rules, _) = language::analyze(sources);
    let dkim =
        rules.iter().flat_map(|rules| rules.services.values()).filter_map(|one| one.dkim.as_ref());
    let keys: BTreeSet<String> = dkim
        .flat_map(|dkim| &dkim.key.sources)
        .map(|(Source::Env(name) | Source::File(name))| name.clone())
        .collect();
    let needed = rules.map(|rules| rules.environment).unwrap_or_default();
    for name in needed.iter().filter(|name| name.required && name.secret) {
        if !keys.contains(&name.name) && real.env(&name.name).is_none() {
            made.entry(name.name.clone()).or_insert_with(clock::new_secret);
        }
    }
    if made.len() > before {
        std::fs::create_dir_all(data)?;
        write(&file, &made)?;
    }
    let names = made.keys().filter(|name| real.env(name).is_none()).cloned().collect();
    Ok((DevLookup { real, made, keys }, names))
}

fn read(text: &str) -> BTreeMap<String, String> {
    text.lines()
        .filter(|line| !line.starts_with('#'))
        .filter_map(|line| line.split_once('='))
        .map(|(name, value)| (name.trim().to_owned(), value.trim().to_owned()))
        .collect()
}

fn write(file: &PathBuf, made: &BTreeMap<String, String>) -> std::io::Result<()> {
    use std::io::Write as _;
    use std::os::unix::fs::OpenOptionsExt as _;
    let mut text =
        String::from("# Made by `rulerun serve --dev`. Delete this file to get new ones.\n");
    for (name, value) in made {
        let _ = writeln!(text, "{name}={value}");
    }
    let mut options = std::fs::OpenOptions::new();
    options
        .write(true)
        .create(true)
        .truncate(true)
        .mode(0o600)
        .open(file)?
        .write_all(text.as_bytes())
}
