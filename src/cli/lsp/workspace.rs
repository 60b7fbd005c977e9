//! What the editor has open, the rule sets that it belongs to, and what is known about each.
//! A rule set is studied anew when something in it has changed and somebody asks.

use std::collections::BTreeMap;
use std::path::{Path, PathBuf};

use super::uri;
use crate::base::{FileId, SourceMap};
use crate::language::{self, Study};
use crate::review;
use crate::serve::sources::{self, DEFAULT_PATHS, Open};

/// A file that is open.
#[derive(Debug)]
pub(super) struct Document {
    /// Its address, as the editor writes it.
    pub(super) uri: String,
    /// Its version, which the editor counts.
    pub(super) version: i64,
    /// Its whole text.
    pub(super) text: String,
}

/// Files that are open, by path.
pub(super) type Documents = BTreeMap<PathBuf, Document>;

/// A rule set, and its texts at one moment.
#[derive(Debug)]
pub(super) struct Known {
    /// Every file.
    pub(super) sources: SourceMap,
    /// What was found out about them.
    pub(super) study: Study,
}

/// A rule set.
#[derive(Debug)]
pub(super) struct Project {
    /// The folder from which its paths are told.
    pub(super) base: PathBuf,
    /// What its files are read from, absolute.
    roots: Vec<PathBuf>,
    /// The saved files of its tests, as far as they were looked for.
    tests: Option<Vec<PathBuf>>,
    /// Whether it stays when none of its files is open.
    kept: bool,
    /// What is known; none when something has changed since.
    now: Option<Result<Known, String>>,
    /// The last text of each file that could be read, by its path in the project.
    readable: BTreeMap<String, String>,
    /// The same rule set with those texts, where the present ones cannot be read.
    before: Option<Known>,
}

impl Project {
    /// What is known for a person who is typing: where a file cannot be read at this moment,
    /// what it said before. [`Self::remember`] comes first.
    pub(super) fn known(&self) -> Option<&Known> {
        self.before.as_ref().or(self.now.as_ref()?.as_ref().ok())
    }

    /// Studies what files said before that cannot be read now.
    pub(super) fn remember(&mut self) {
        let Some(Ok(now)) = &self.now else { return };
        let lost = |id: FileId, path: &str| {
            is_rules(Path::new(path)) && !now.study.has_read(id) && self.readable.contains_key(path)
        };
        if self.before.is_some() || !now.sources.iter().any(|(id, file)| lost(id, &file.path)) {
            return;
        }
        let mut sources = SourceMap::new();
        for (id, file) in now.sources.iter() {
            let before = self.readable.get(&file.path).filter(|_| lost(id, &file.path));
            sources.add(file.path.clone(), before.unwrap_or(&file.text).clone());
        }
        let mut study = language::study(&sources);
        // Their mistakes are told of the texts as they are.
        let _ = study.read_tests(&sources);
        self.before = Some(Known { sources, study });
    }

    /// What is known about the texts as they are; why that is nothing otherwise.
    pub(super) fn present(&self) -> Option<&Result<Known, String>> {
        self.now.as_ref()
    }

    /// The absolute path of a file.
    pub(super) fn path(&self, shown: &str) -> PathBuf {
        self.base.join(shown)
    }

    fn holds(&self, path: &Path) -> bool {
        // A rule file that is a rule set by itself has its e-mails beside it.
        let beside = |root: &Path| {
            root.is_file()
                && root.parent().is_some_and(|folder| path.starts_with(folder.join("emails")))
        };
        self.roots.iter().any(|root| path.starts_with(root) || beside(root))
            || self.tests_hold(path)
    }

    /// Whether a file holds tests of these rules: beside a single rule file the one of its
    /// name, otherwise those below the project that are nearer to no other rules.
    fn tests_hold(&self, path: &Path) -> bool {
        if !language::is_test_file(&path.to_string_lossy()) {
            return false;
        }
        match self.roots.as_slice() {
            [rules] if rules.is_file() => path == rules.with_extension("test.kdl"),
            _ => path.starts_with(&self.base) && nearest(path).is_none_or(|it| it == self.base),
        }
    }

    /// The rules and the tests, saved or open.
    fn all_roots(&mut self, documents: &Documents) -> Vec<PathBuf> {
        let saved = match self.tests.take() {
            Some(known) => known,
            None if self.roots.iter().any(|root| root.is_file()) => {
                sources::tests_of(&self.roots).unwrap_or_default()
            }
            None => sources::tests(std::slice::from_ref(&self.base)).unwrap_or_default(),
        };
        let mut roots = self.roots.clone();
        roots.extend(saved.iter().filter(|path| self.tests_hold(path)).cloned());
        roots.extend(documents.keys().filter(|path| self.tests_hold(path)).cloned());
        self.tests = Some(saved);
        roots
    }

    fn study(&mut self, documents: &Documents) {
        if self.now.is_some() {
            return;
        }
        let roots = self.all_roots(documents);
        let texts = documents.iter().map(|(path, open)| (path.as_path(), open.text.as_str()));
        let open = Open { base: &self.base, texts: texts.collect() };
        self.before = None;
        self.now =
            Some(sources::load_open(&roots, &open).map_err(|why| why.to_string()).map(|sources| {
                let study = review::study(&sources);
                Known { sources, study }
            }));
        if let Some(Ok(known)) = &self.now {
            for (_, file) in known.sources.iter().filter(|(id, _)| known.study.has_read(*id)) {
                self.readable.insert(file.path.clone(), file.text.clone());
            }
        }
    }
}

/// The address of a file: as the editor writes it, where it is open.
pub(super) fn address(documents: &Documents, path: &Path) -> String {
    documents.get(path).map_or_else(|| uri::of(path), |document| document.uri.clone())
}

/// Everything that is open.
#[derive(Debug, Default)]
pub(super) struct Workspace {
    /// The paths of `--rules`, absolute; they hold for every file.
    given: Vec<PathBuf>,
    /// The folder that the server runs in.
    here: PathBuf,
    /// Files that are open, by path.
    pub(super) documents: Documents,
    /// Rule sets by their roots.
    pub(super) projects: BTreeMap<Vec<PathBuf>, Project>,
}

impl Workspace {
    /// Nothing open yet.
    pub(super) fn new(given: &[PathBuf], here: PathBuf) -> Self {
        let given = given.iter().map(|path| plain(&here.join(path))).collect();
        Self { given, here, ..Self::default() }
    }

    /// A folder that is open in the editor: its rules are read if it has some.
    pub(super) fn folder(&mut self, folder: &Path) {
        let roots = self.given.clone();
        let roots = if roots.is_empty() { default_roots(folder) } else { roots };
        if !roots.is_empty() {
            let base = if self.given.is_empty() { folder } else { &self.here.clone() };
            self.project(base.to_owned(), roots).kept = true;
        }
    }

    /// A file is open, or has another text.
    pub(super) fn open(&mut self, path: &Path, document: Document) {
        self.documents.insert(path.to_owned(), document);
        if let Some((base, roots)) = self.home(path) {
            self.project(base, roots);
        }
        self.changed(path);
    }

    /// A file is no longer open.
    pub(super) fn close(&mut self, path: &Path) {
        self.documents.remove(path);
        self.changed(path);
        let open = &self.documents;
        self.projects
            .retain(|_, project| project.kept || open.keys().any(|path| project.holds(path)));
    }

    /// A file has changed: what is known about its rule sets is old.
    pub(super) fn changed(&mut self, path: &Path) {
        for project in self.projects.values_mut().filter(|project| project.holds(path)) {
            project.now = None;
        }
    }

    /// Files may have changed: everything is read anew.
    pub(super) fn all_changed(&mut self) {
        for project in self.projects.values_mut() {
            project.now = None;
            project.tests = None;
        }
    }

    /// Studies every rule set that has changed.
    pub(super) fn study(&mut self) {
        for project in self.projects.values_mut() {
            project.study(&self.documents);
        }
    }

    /// The rule set of an open file, studied, and what is open.
    pub(super) fn of(&mut self, path: &Path) -> Option<(&mut Project, &Documents)> {
        let project = self.projects.values_mut().find(|project| project.holds(path))?;
        project.study(&self.documents);
        Some((project, &self.documents))
    }

    fn project(&mut self, base: PathBuf, roots: Vec<PathBuf>) -> &mut Project {
        self.projects.entry(roots.clone()).or_insert(Project {
            base,
            roots,
            tests: None,
            kept: false,
            now: None,
            readable: BTreeMap::new(),
            before: None,
        })
    }

    /// Where the rule set of a file stands: its folder and its roots. A text that belongs to
    /// no rules has none.
    fn home(&self, path: &Path) -> Option<(PathBuf, Vec<PathBuf>)> {
        if !self.given.is_empty() {
            return Some((self.here.clone(), self.given.clone()));
        }
        if let Some(project) = self.projects.values().find(|project| project.holds(path)) {
            return Some((project.base.clone(), project.roots.clone()));
        }
        for folder in path.ancestors().skip(1) {
            let roots = default_roots(folder);
            if roots.iter().any(|root| path.starts_with(root)) {
                return Some((folder.to_owned(), roots));
            }
        }
        let is_test = language::is_test_file(&path.to_string_lossy());
        if let Some(folder) = nearest(path).filter(|_| is_test) {
            return Some((folder.to_owned(), default_roots(folder)));
        }
        let folder = path.parent()?;
        let named = path.to_string_lossy();
        let own = named.strip_suffix(".test.kdl").map(|stem| PathBuf::from(format!("{stem}.kdl")));
        if let Some(rules) = own.filter(|rules| rules.is_file()) {
            return Some((folder.to_owned(), vec![rules]));
        }
        if is_rules(path) {
            return Some((folder.to_owned(), vec![path.to_owned()]));
        }
        // The text of an e-mail belongs to the rule files beside its folder.
        let folder = folder.parent().filter(|_| folder.ends_with("emails"))?;
        let files = std::fs::read_dir(folder).ok()?.flatten().map(|entry| entry.path());
        let mut rules: Vec<PathBuf> = files.filter(|path| is_rules(path)).collect();
        rules.sort();
        (!rules.is_empty()).then(|| (folder.to_owned(), rules))
    }
}

/// Whether a file holds rules, and not the text of an e-mail.
pub(super) fn is_rules(path: &Path) -> bool {
    path.extension().is_some_and(|ending| ending == "kdl")
}

/// The folders of rules that a project has.
fn default_roots(folder: &Path) -> Vec<PathBuf> {
    DEFAULT_PATHS.iter().map(|name| folder.join(name)).filter(|path| path.is_dir()).collect()
}

/// The folder with rules that a file of tests lies below, the nearest of several.
fn nearest(test: &Path) -> Option<&Path> {
    let mut folders = test.ancestors().skip(1);
    folders.find(|folder| !default_roots(folder).is_empty())
}

/// A path without `.` and `..`, as editors write them.
fn plain(path: &Path) -> PathBuf {
    let mut plain = PathBuf::new();
    for part in path.components() {
        match part {
            std::path::Component::ParentDir => {
                plain.pop();
            }
            std::path::Component::CurDir => {}
            part => plain.push(part),
        }
    }
    plain
}
