//! The mends of `rulerun validate --fix`: changes of the text that mistakes bring along are
//! made where there is exactly one, as long as fewer mistakes are left than before.

use std::collections::BTreeMap;
use std::path::Path;

use super::outcome::Failure;
use super::{files, out};
use crate::base::source::SourceFile;
use crate::base::{Diagnostic, FileId, Fix, Severity, SourceMap};
use crate::review;

/// A mend may uncover another mistake, which may have a mend: so many rounds at most.
const ROUNDS: usize = 10;
/// Where all mends together make it no better they are tried one by one, so many at most.
const TRIED: usize = 50;
/// Longest text, in letters, that is shown of a mend.
const SHOWN: usize = 40;

/// What was mended.
#[derive(Debug, Default)]
pub(super) struct Mended {
    /// One line for each mend: where it is, what stood there, what stands there now.
    pub(super) lines: Vec<String>,
    /// The files that were written.
    pub(super) files: usize,
}

/// A rule set in memory with its mistakes.
struct State {
    sources: SourceMap,
    found: Vec<Diagnostic>,
}

impl State {
    fn of(sources: SourceMap) -> Self {
        let found = review::study(&sources).found;
        Self { sources, found }
    }

    fn errors(&self) -> usize {
        self.found.iter().filter(|found| found.severity == Severity::Error).count()
    }

    /// Whether fewer mistakes are left than in another state, and no more errors.
    fn is_better_than(&self, other: &Self) -> bool {
        self.found.len() < other.found.len() && self.errors() <= other.errors()
    }

    /// The mends that do not touch each other, by place.
    fn mends(&self) -> Vec<Fix> {
        let mut all: Vec<&Fix> = self.found.iter().filter_map(|found| found.fix.as_ref()).collect();
        all.sort_by_key(|fix| fix.span);
        let mut apart: Vec<Fix> = Vec::new();
        for fix in all {
            let free = apart.last().is_none_or(|last| {
                last.span.file != fix.span.file
                    || (fix.span.start >= last.span.end && fix.span.start > last.span.start)
            });
            if free {
                apart.push(fix.clone());
            }
        }
        apart
    }

    fn with(&self, mends: &[Fix]) -> Self {
        let mut sources = SourceMap::with_assets_of(&self.sources);
        for (id, file) in self.sources.iter() {
            sources.add(file.path.clone(), replaced(&file.text, id, mends));
        }
        Self::of(sources)
    }

    /// The mends that make it better, and what is left behind them; none when nothing does.
    fn next(&self) -> Option<(Vec<Fix>, Self)> {
        let mends = self.mends();
        if mends.is_empty() {
            return None;
        }
        let all = self.with(&mends);
        if all.is_better_than(self) {
            return Some((mends, all));
        }
        mends.into_iter().take(TRIED).find_map(|mend| {
            let one = self.with(std::slice::from_ref(&mend));
            // A mend may uncover what it hid, as long as that can be mended as well.
            let uncovered = || one.with(&one.mends()).is_better_than(self);
            (one.is_better_than(self) || uncovered()).then(|| (vec![mend], one))
        })
    }
}

/// Mends what can be mended in these files, and writes those that have changed.
pub(super) fn mend(sources: &SourceMap) -> Result<Mended, Failure> {
    let begun = State::of(sources.clone());
    let mut lines = Vec::new();
    let mut state = State::of(sources.clone());
    for _ in 0..ROUNDS {
        let Some((mends, next)) = state.next() else { break };
        lines.extend(mends.iter().map(|mend| told(&state.sources, mend)));
        state = next;
    }
    if !state.is_better_than(&begun) {
        return Ok(Mended::default());
    }
    let pairs = sources.iter().zip(state.sources.iter());
    let changed: Vec<(&SourceFile, &SourceFile)> = pairs
        .map(|((_, old), (_, new))| (old, new))
        .filter(|(old, new)| old.text != new.text)
        .collect();
    let trouble =
        |path: &str, why: &std::io::Error| Failure::new(format!("cannot mend {path}: {why}"));
    // All or none: a mend in one file may need the one in another.
    for (old, _) in &changed {
        files::is_as_read(Path::new(&old.path), &old.text)
            .map_err(|why| trouble(&old.path, &why))?;
    }
    for (old, new) in &changed {
        files::replace(Path::new(&old.path), &old.text, &new.text)
            .map_err(|why| trouble(&old.path, &why))?;
    }
    Ok(Mended { lines, files: changed.len() })
}

/// A text with its mends, which are sorted by place.
fn replaced(text: &str, file: FileId, mends: &[Fix]) -> String {
    let mut out = String::with_capacity(text.len());
    let mut from = 0;
    for fix in mends.iter().filter(|fix| fix.span.file == file) {
        let range = fix.span.range();
        let Some(kept) = text.get(from..range.start) else { continue };
        out.extend([kept, fix.text.as_str()]);
        from = range.end;
    }
    out.push_str(text.get(from..).unwrap_or_default());
    out
}

/// "rules/shop.kdl:3: endpiont becomes endpoint".
fn told(sources: &SourceMap, fix: &Fix) -> String {
    let (line, _) = sources.line_column(fix.span.file, fix.span.start as usize);
    let file = sources.file(fix.span.file);
    let old = short(file.text.get(fix.span.range()).unwrap_or_default());
    let new = short(&fix.text);
    let change = match (old.is_empty(), new.is_empty()) {
        (true, _) => format!("{new} is put in"),
        (false, true) => format!("{old} is taken away"),
        (false, false) => format!("{old} becomes {new}"),
    };
    format!("{}:{line}: {change}", file.path)
}

/// A text in one short line.
fn short(text: &str) -> String {
    let line = out::clean(text).split_whitespace().collect::<Vec<_>>().join(" ");
    if line.chars().count() <= SHOWN {
        return line;
    }
    line.chars().take(SHOWN - 1).chain(['…']).collect()
}

/// How many of the mistakes can be mended this way, as far as can be told beforehand.
pub(super) fn count(found: &[Diagnostic]) -> usize {
    let mut by_place: BTreeMap<_, &Fix> = BTreeMap::new();
    for fix in found.iter().filter_map(|found| found.fix.as_ref()) {
        by_place.entry(fix.span).or_insert(fix);
    }
    by_place.len()
}
