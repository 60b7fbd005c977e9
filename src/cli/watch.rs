//! `--watch`: a verb that runs again whenever files change, until it is ended.

use std::io::{IsTerminal as _, Write as _};
use std::path::{Path, PathBuf};

use super::out;
use super::outcome::{Failure, Outcome};
use crate::serve::sources;
use crate::serve::watch::FileWatch;

/// Takes everything off the terminal and begins at its top.
const CLEAR: &str = "\u{1b}[2J\u{1b}[3J\u{1b}[H";

/// Runs `once` now and after every change of the rule set below `paths`, and of the tests
/// below `tests`. It comes back only when the first run cannot do its work at all: a wrong
/// path is no reason to wait.
///
/// # Errors
/// What the first run could not do.
pub(super) fn again_and_again(
    paths: &[PathBuf],
    tests: &[PathBuf],
    once: impl Fn() -> Outcome,
) -> Outcome {
    let mut watch = FileWatch::new(paths, tests);
    clear();
    match once() {
        // Its mistakes are shown, and are what one edits now.
        Ok(_) | Err(Failure::Rules) => {}
        trouble => return trouble,
    }
    loop {
        waiting(paths, tests);
        let changed = watch.wait();
        clear();
        let names: Vec<String> = changed.iter().map(|path| shown(path)).collect();
        out::note(&format!("changed: {}\n", names.join(", ")));
        if let Err(failure) = once() {
            // Files that cannot be read just now may be there with the next change.
            let _ = failure.report();
        }
    }
}

/// A fresh page, where a terminal shows both kinds of output; a file keeps everything.
fn clear() {
    if std::io::stdout().is_terminal() && std::io::stderr().is_terminal() {
        let _ = write!(std::io::stderr().lock(), "{CLEAR}");
    }
}

fn waiting(paths: &[PathBuf], tests: &[PathBuf]) {
    let mut names: Vec<String> = sources::roots(paths).iter().map(|path| shown(path)).collect();
    if !tests.is_empty() {
        names.push(String::from("the tests"));
    }
    let last = names.pop().unwrap_or_default();
    let names = if names.is_empty() { last } else { format!("{} and {last}", names.join(", ")) };
    let ink = out::Ink::for_notes();
    out::note(&ink.dim(&format!("\nwaiting for a change in {names}; Ctrl-C ends it")));
}

/// A path as people write it.
fn shown(path: &Path) -> String {
    path.strip_prefix(".").unwrap_or(path).display().to_string()
}
