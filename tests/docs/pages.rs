//! Markdown, as far as these tests need it: code blocks, headings and links.

use std::fs;
use std::path::{Path, PathBuf};

/// A code block.
#[derive(Clone, Debug)]
pub(crate) struct Block {
    /// The words after the opening fence.
    pub(crate) info: String,
    /// The line of the fence, from 1.
    pub(crate) line: usize,
    /// What is between the fences.
    pub(crate) text: String,
}

impl Block {
    /// Whether its language is this one.
    pub(crate) fn is(&self, language: &str) -> bool {
        self.info.split(' ').next() == Some(language)
    }
}

/// A page.
#[derive(Debug)]
pub(crate) struct Page {
    /// Its path within the project.
    pub(crate) name: String,
    /// Its code blocks, in order.
    pub(crate) blocks: Vec<Block>,
    /// Everything else, line by line with its number.
    prose: Vec<(usize, String)>,
}

/// The project's folder.
pub(crate) fn root() -> &'static Path {
    Path::new(env!("CARGO_MANIFEST_DIR"))
}

/// `README.md` and every page in `docs/`.
pub(crate) fn all() -> Vec<Page> {
    let mut paths = vec![PathBuf::from("README.md")];
    for entry in fs::read_dir(root().join("docs")).expect("the folder docs") {
        let path = entry.expect("an entry").path();
        if path.extension().is_some_and(|end| end == "md") {
            paths.push(path.strip_prefix(root()).expect("below the project").to_owned());
        }
    }
    paths.sort();
    paths.iter().map(|path| read(path)).collect()
}

fn read(path: &Path) -> Page {
    let text = fs::read_to_string(root().join(path)).expect("a page");
    let name = path.to_string_lossy().into_owned();
    let (mut blocks, mut prose) = (Vec::new(), Vec::new());
    let mut open: Option<Block> = None;
    for (at, line) in text.lines().enumerate() {
        match (&mut open, line.strip_prefix("```")) {
            (Some(_), Some("")) => blocks.extend(open.take()),
            (Some(block), _) => block.text.extend([line, "\n"]),
            (None, Some(info)) => {
                open = Some(Block { info: info.to_owned(), line: at + 1, text: String::new() });
            }
            (None, None) => prose.push((at + 1, line.to_owned())),
        }
    }
    assert!(open.is_none(), "{name}: a code block is never closed");
    Page { name, blocks, prose }
}

/// A command and what it answers.
#[derive(Debug)]
pub(crate) struct Run {
    /// The command, which may have several lines.
    pub(crate) command: String,
    /// The lines after it.
    pub(crate) output: String,
}

/// The commands of a `console` block.
pub(crate) fn runs(text: &str) -> Vec<Run> {
    let mut runs: Vec<Run> = Vec::new();
    let mut goes_on = false;
    for line in text.lines() {
        if let Some(command) = line.strip_prefix("$ ") {
            runs.push(Run { command: command.to_owned(), output: String::new() });
        } else {
            let run = runs.last_mut().expect("a console block begins with a command");
            if goes_on {
                run.command.extend(["\n", line]);
            } else {
                run.output.extend([line, "\n"]);
                continue;
            }
        }
        goes_on = line.ends_with('\\');
    }
    runs
}

/// Links of a page that lead to nothing within the project.
pub(crate) fn broken_links(page: &Page, pages: &[Page]) -> Vec<String> {
    let folder = Path::new(&page.name).parent().unwrap_or(Path::new(""));
    let mut broken = Vec::new();
    for (line, text) in &page.prose {
        for target in text.split("](").skip(1).filter_map(|rest| rest.split(')').next()) {
            if target.contains("://") {
                continue;
            }
            let (path, heading) = target.split_once('#').unwrap_or((target, ""));
            let path = if path.is_empty() { PathBuf::from(&page.name) } else { folder.join(path) };
            let path = plain(&path);
            let found = root().join(&path).exists();
            let there = pages.iter().find(|page| Path::new(&page.name) == path);
            let named = heading.is_empty() || there.is_some_and(|page| has_heading(page, heading));
            if !found || !named {
                broken.push(format!("{}:{line}: {target} does not exist", page.name));
            }
        }
    }
    broken
}

/// The path without `..`.
fn plain(path: &Path) -> PathBuf {
    let mut plain = PathBuf::new();
    for part in path.components() {
        match part {
            std::path::Component::ParentDir => {
                plain.pop();
            }
            part => plain.push(part),
        }
    }
    plain
}

/// Whether a heading has this name in links: lower case, dashes for blanks, no other signs.
fn has_heading(page: &Page, anchor: &str) -> bool {
    page.prose.iter().filter_map(|(_, line)| line.strip_prefix('#')).any(|heading| {
        let name = heading.trim_start_matches('#').trim().to_lowercase();
        let name: String = name
            .chars()
            .filter(|c| c.is_alphanumeric() || *c == ' ' || *c == '-' || *c == '_')
            .map(|c| if c == ' ' { '-' } else { c })
            .collect();
        name == anchor
    })
}
