//! Rule files that change while a server runs. A good edit is swapped in as a whole; a bad
//! one changes nothing, is told once, and shows in `/readyz` until it is mended.

use std::path::PathBuf;
use std::sync::Arc;
use std::time::Duration;

use tokio::sync::{mpsc, watch};

use super::app::{App, RulesState};
use super::journal::Kind;
use super::settings::{self, Live};
use super::sources;
use super::watch::{self as files, Fingerprint, QUIET, fingerprint};
use crate::base::report::{self, Style};
use crate::base::{Diagnostic, Severity, SourceMap};
use crate::model::rules::RuleSet;
use crate::model::{Lookup, Source};
use crate::review;

/// However long a burst lasts, files are read after this.
const PATIENCE: Duration = Duration::from_millis(200);
/// A file that has just become empty is about to be written: it is waited for so long.
const EMPTY: Duration = Duration::from_secs(1);
/// File systems that report no changes (network mounts) are looked at this often.
const SWEEP: Duration = Duration::from_secs(5);

/// Looks variables up; shared by the first load and every reload.
pub type SharedLookup = Arc<dyn Lookup + Send + Sync>;
/// Checks that need resolved settings: mistakes with a place in the files.
pub type Check = Arc<dyn Fn(&Live) -> Vec<Diagnostic> + Send + Sync>;
/// Says why rules would be unsafe to serve, if so.
pub type Refuse = Arc<dyn Fn(&Live) -> Option<String> + Send + Sync>;

/// What reading the files came to.
#[derive(Debug)]
pub struct Loaded {
    /// The files as they were right before they were read.
    pub seen: Fingerprint,
    /// The files, for showing diagnostics.
    pub sources: SourceMap,
    /// Warnings, or the errors that refused them.
    pub found: Vec<Diagnostic>,
    /// The rules, unless they were refused.
    pub live: Option<Live>,
}

/// Reads, analyses and resolves the files under these paths.
///
/// # Errors
/// Files that cannot be read at all.
pub fn load(
    paths: &[PathBuf],
    lookup: &dyn Lookup,
    revision: u32,
    check: &dyn Fn(&Live) -> Vec<Diagnostic>,
) -> Result<Loaded, sources::SourceError> {
    let seen = fingerprint(paths);
    let sources = sources::load(paths)?;
    Ok(compile(seen, sources, lookup, revision, check))
}

fn compile(
    seen: Fingerprint,
    sources: SourceMap,
    lookup: &dyn Lookup,
    revision: u32,
    check: &dyn Fn(&Live) -> Vec<Diagnostic>,
) -> Loaded {
    let (rules, mut found) = review::read(&sources);
    let mut live = None;
    if let Some(rules) = rules {
        match settings::resolve(Arc::new(rules), lookup, revision) {
            Ok(resolved) => {
                let more = check(&resolved);
                let refused = more.iter().any(|found| found.severity == Severity::Error);
                review::add(&mut found, more);
                let sources = Arc::new(sources.clone());
                live = (!refused).then_some(Live { sources, ..resolved });
            }
            Err(faults) => found.extend(faults),
        }
    }
    Loaded { seen, sources, found, live }
}

/// Why the reloader looks at the files.
enum Woken {
    Stop,
    Change,
    Asked,
    Sweep,
}

/// Watches rule files and swaps them in.
#[derive(Clone)]
pub struct Reloader {
    /// The server.
    pub app: Arc<App>,
    /// The paths given on the command line.
    pub paths: Vec<PathBuf>,
    /// The files as they were before the rules that run were read.
    pub seen: Fingerprint,
    /// Settings.
    pub lookup: SharedLookup,
    /// Checks that need resolved settings.
    pub check: Check,
    /// Why rules would be unsafe to serve, if so.
    pub refuse: Refuse,
    /// How diagnostics are drawn.
    pub style: Style,
    /// Rings when other rules are live.
    pub swapped: Arc<tokio::sync::Notify>,
}

impl std::fmt::Debug for Reloader {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Reloader").field("paths", &self.paths).finish_non_exhaustive()
    }
}

impl Reloader {
    /// Watches until `stop` turns true. `now` rings for an immediate reload (SIGHUP).
    pub async fn run(mut self, mut stop: watch::Receiver<bool>, now: Arc<tokio::sync::Notify>) {
        let (bell, mut changes) = mpsc::channel::<()>(1);
        let mut watcher = self.watch(bell.clone());
        let mut seen = std::mem::take(&mut self.seen);
        // What has changed before anybody watched is seen by looking once.
        let _ = bell.try_send(());
        loop {
            let woken = tokio::select! {
                _ = stop.wait_for(|stop| *stop) => Woken::Stop,
                _ = changes.recv() => Woken::Change,
                () = now.notified() => Woken::Asked,
                () = tokio::time::sleep(SWEEP) => Woken::Sweep,
            };
            let asked = matches!(woken, Woken::Asked);
            match woken {
                Woken::Stop => return,
                Woken::Change => settle(&mut changes).await,
                Woken::Asked | Woken::Sweep => {}
            }
            let fresh = self.written(&seen, &mut changes).await;
            if fresh == seen && !asked {
                continue;
            }
            seen = fresh;
            let job = self.clone();
            // Reading and compiling is work for a thread of its own.
            if tokio::task::spawn_blocking(move || job.reload()).await.is_err() {
                let text =
                    "the rule files could not be read: a fault inside; the rules from before go on";
                self.app.journal.say(Kind::Warning, text);
            }
            // Folders may have come, gone or been swapped: watch what is there now.
            watcher = self.watch(bell.clone()).or(watcher);
            let _ = bell.try_send(());
        }
    }

    /// The files as they are once none of them has just been emptied: many programs save in
    /// two steps, and an empty file is no mistake but means that its rules are gone.
    async fn written(&self, seen: &Fingerprint, changes: &mut mpsc::Receiver<()>) -> Fingerprint {
        let until = tokio::time::Instant::now() + EMPTY;
        loop {
            let fresh = fingerprint(&self.paths);
            let emptied = fresh.iter().any(|file| file.1 == 0 && !seen.contains(file));
            if !emptied || tokio::time::Instant::now() >= until {
                return fresh;
            }
            let _ = tokio::time::timeout(QUIET, changes.recv()).await;
            settle(changes).await;
        }
    }

    fn watch(&self, bell: mpsc::Sender<()>) -> Option<impl Sized + use<>> {
        // A full channel means that a change is noted already.
        files::watch(&self.paths, &[], move || {
            let _ = bell.try_send(());
        })
    }

    /// Reads the files and swaps them in if they are good.
    pub fn reload(&self) {
        let live = self.app.live.load_full();
        let revision = live.revision + 1;
        let loaded = match load(&self.paths, &*self.lookup, revision, &*self.check) {
            Ok(loaded) => loaded,
            Err(error) => return self.refuse_for("unreadable", &error.to_string()),
        };
        // The socket stays where it is until the next start, whatever the files say now.
        let fresh = loaded.live.map(|fresh| Live { listen: live.listen.clone(), ..fresh });
        if let Some(why) = fresh.as_ref().and_then(|fresh| (self.refuse)(fresh)) {
            return self.refuse_for("unsafe", &why);
        }
        match fresh {
            Some(fresh) if fresh.rules.hash == live.rules.hash => {
                // Back to what is live: a bad edit was taken back.
                if !self.app.rules_state.load().problems.is_empty() {
                    self.accept_state();
                    self.app.journal.say(Kind::Rules, "the files are back to the rules that run");
                }
            }
            Some(fresh) => self.swap(&live, fresh),
            None => {
                let problems =
                    loaded.found.iter().map(|found| report::json(&loaded.sources, found)).collect();
                self.refuse_edit(
                    problems,
                    &report::human(&loaded.sources, &loaded.found, self.style),
                );
            }
        }
    }

    fn swap(&self, old: &Live, fresh: Live) {
        if written_listen(&fresh.rules) != written_listen(&old.rules) {
            self.app
                .journal
                .say(Kind::Warning, "a changed `listen` address takes effect at the next start");
        }
        let text = format!("live: {} (revision {})", counts(&fresh.rules), fresh.revision);
        self.app.live.store(Arc::new(fresh));
        self.accept_state();
        self.app.metrics.reload();
        self.app.journal.say(Kind::Rules, &text);
        self.swapped.notify_one();
        // Lanes may have opened.
        self.app.store.bell().notify_one();
    }

    fn accept_state(&self) {
        let state = RulesState { problems: Vec::new(), loaded: self.app.millis() };
        self.app.rules_state.store(Arc::new(state));
    }

    /// Refuses an edit for a reason that has no place in the files.
    fn refuse_for(&self, code: &str, why: &str) {
        let problem = serde_json::json!({ "code": code, "severity": "error", "message": why });
        self.refuse_edit(vec![problem], &format!("{why}\n"));
    }

    fn refuse_edit(&self, problems: Vec<serde_json::Value>, drawn: &str) {
        let state = self.app.rules_state.load_full();
        if state.problems == problems {
            return;
        }
        let count = problems.len();
        self.app.rules_state.store(Arc::new(RulesState { problems, loaded: state.loaded }));
        self.app.journal.print(drawn);
        let noun = if count == 1 { "problem" } else { "problems" };
        let text = format!("the edit is not used ({count} {noun}); the rules from before go on");
        self.app.journal.say(Kind::Rules, &text);
    }
}

/// The address to listen on as the files have it.
fn written_listen(rules: &RuleSet) -> (&[Source], Option<&String>) {
    (&rules.server.listen.sources, rules.server.listen.fallback.as_ref())
}

/// "10 endpoints, 4 sequences, 11 events".
#[must_use]
pub fn counts(rules: &RuleSet) -> String {
    let plural =
        |count: usize, noun: &str| format!("{count} {noun}{}", if count == 1 { "" } else { "s" });
    [
        plural(rules.endpoints.len(), "endpoint"),
        plural(rules.sequences.len(), "sequence"),
        plural(rules.events.len(), "event"),
    ]
    .join(", ")
}

/// Waits until a burst of changes is over.
async fn settle(changes: &mut mpsc::Receiver<()>) {
    let burst = async { while tokio::time::timeout(QUIET, changes.recv()).await.is_ok() {} };
    let _ = tokio::time::timeout(PATIENCE, burst).await;
}
