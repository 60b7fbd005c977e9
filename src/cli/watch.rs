//! `--watch`: a verb that runs again whenever the rule files change, until it is ended.

use std::io::{IsTerminal as _, Write as _};
use std::path::PathBuf;
use std::sync::mpsc;
use std::time::Duration;

use super::out;
use super::outcome::Outcome;
use crate::serve::reload;
use crate::serve::sources;

/// Files are read when nothing has changed for this long: saves come in bursts.
const QUIET: Duration = Duration::from_millis(60);
/// File systems that report no changes (network mounts) are looked at this often.
const SWEEP: Duration = Duration::from_secs(2);
/// Takes everything off the terminal and begins at its top.
const CLEAR: &str = "\u{1b}[2J\u{1b}[3J\u{1b}[H";

/// Runs `once` now and after every change of the files below these paths and of their tests. It comes back only
/// when the first run cannot do its work at all: a wrong path is no reason to wait.
///
/// # Errors
/// What the first run could not do.
pub(super) fn again_and_again(paths: &[PathBuf], once: impl Fn() -> Outcome) -> Outcome {
    let (bell, changes) = mpsc::sync_channel::<()>(1);
    let look = || {
        let mut files = sources::files(&sources::roots(paths)).unwrap_or_default();
        files.extend(sources::tests_of(paths).unwrap_or_default());
        reload::fingerprint_of(files)
    };
    let mut seen = look();
    let mut watcher = reload::watch(paths, ring(&bell));
    clear();
    once()?;
    loop {
        waiting(paths);
        loop {
            let _ = changes.recv_timeout(SWEEP);
            while changes.recv_timeout(QUIET).is_ok() {}
            let now = look();
            if now != seen {
                seen = now;
                break;
            }
        }
        // Folders may have come, gone or been swapped: watch what is there now.
        watcher = reload::watch(paths, ring(&bell)).or(watcher);
        clear();
        if let Err(failure) = once() {
            // Files that cannot be read just now may be there with the next change.
            let _ = failure.report();
        }
    }
}

/// Rings once however many changes there are: a full channel means that one is noted already.
fn ring(bell: &mpsc::SyncSender<()>) -> impl Fn() + Send + 'static {
    let bell = bell.clone();
    move || {
        let _ = bell.try_send(());
    }
}

/// A fresh page, where a terminal shows both kinds of output; a file keeps everything.
fn clear() {
    if std::io::stdout().is_terminal() && std::io::stderr().is_terminal() {
        let _ = write!(std::io::stderr().lock(), "{CLEAR}");
    }
}

fn waiting(paths: &[PathBuf]) {
    let ink = out::Ink::for_notes();
    let names: Vec<String> =
        sources::roots(paths).iter().map(|path| path.display().to_string()).collect();
    let names = names.join(" and ");
    out::note(&ink.dim(&format!("\nwaiting for a change in {names}; Ctrl-C ends it")));
}
