//! Breaks every correct rule file of the repository in many small ways, as people do who edit
//! them, and looks at what becomes of it: reading never fails and never hangs, what is accepted
//! also works while serving, and who misspelt a word is told the word that was meant.
//!
//! `MUTATIONS=1000 cargo test --test mutation` breaks each file in a thousand ways; `SEED=7`
//! begins with another seed, which every complaint names; `MISSED=20` shows so many slips that
//! were not answered with the right word.
#![expect(clippy::unwrap_used, reason = "a test that cannot read its files has failed")]

mod damage;
#[path = "../simulation/dice.rs"]
mod dice;
mod projects;
mod trial;
mod words;

use std::collections::BTreeMap;
use std::panic::{AssertUnwindSafe, catch_unwind};
use std::sync::atomic::{AtomicUsize, Ordering};
use std::sync::{Arc, Mutex, mpsc};
use std::time::Duration;

use dice::Dice;
use projects::Project;
use rulerun::base::{Diagnostic, SourceMap};
use rulerun::language::analyze;
use words::Kind;

/// Ways in which each file is broken in a usual run.
const MUTATIONS: u64 = 6;
/// So long may one way take until it counts as a hang, with the serving of what is accepted.
const PATIENCE: Duration = Duration::from_mins(1);
/// So many complaints are shown.
const SHOWN: usize = 20;

#[expect(clippy::disallowed_methods, reason = "tests are told by the environment")]
fn number(name: &str) -> Option<u64> {
    std::env::var(name).ok().map(|text| text.parse().unwrap())
}

/// What came of all the ways.
#[derive(Debug, Default)]
struct Tally {
    broken: u64,
    /// Those that were accepted, and so served for a trial.
    served: u64,
    complaints: Vec<String>,
    /// For each kind of word: how many were misspelt and noticed, and how many of those were
    /// answered with the word that was meant.
    typos: BTreeMap<Kind, (u64, u64)>,
    missed: Vec<String>,
}

/// One file that is broken in many ways.
struct Work {
    project: Arc<Project>,
    file: usize,
}

#[test]
#[expect(clippy::print_stderr, reason = "figures that nobody sees prove nothing")]
fn a_broken_file_is_refused_or_works_and_a_slip_is_answered_with_the_word_that_was_meant() {
    let count = number("MUTATIONS").unwrap_or(MUTATIONS);
    let seed = number("SEED").unwrap_or(1);
    let work: Vec<Work> = projects::all()
        .into_iter()
        .map(Arc::new)
        .flat_map(|project| {
            let files = 0..project.files.len();
            files.map(move |file| Work { project: Arc::clone(&project), file })
        })
        .collect();
    let files = work.len();
    let tally = run(work, count, seed);
    eprintln!(
        "mutation: seed={seed} files={files} broken={} served={} complaints={}",
        tally.broken,
        tally.served,
        tally.complaints.len()
    );
    let (mut noticed, mut answered) = (0, 0);
    for (kind, (all, right)) in &tally.typos {
        eprintln!("  {kind:<24} {right:>6} of {all:>6}  {:>5.1} %", percent(*right, *all));
        (noticed, answered) = (noticed + all, answered + right);
    }
    eprintln!(
        "  {:<24} {answered:>6} of {noticed:>6}  {:>5.1} %",
        "all",
        percent(answered, noticed)
    );
    let asked = number("MISSED").and_then(|count| usize::try_from(count).ok()).unwrap_or(0);
    for missed in tally.missed.iter().take(asked) {
        eprintln!("  missed: {missed}");
    }
    let shown: Vec<&String> = tally.complaints.iter().take(SHOWN).collect();
    assert!(tally.complaints.is_empty(), "{} complaints: {shown:#?}", tally.complaints.len());
    assert!(tally.served > 0 && noticed > 0, "little has happened");
    assert!(percent(answered, noticed) >= 95.0, "the word that was meant is told too rarely");
}

#[expect(clippy::cast_precision_loss, reason = "a share of a small count")]
fn percent(part: u64, whole: u64) -> f64 {
    100.0 * part as f64 / whole.max(1) as f64
}

/// Breaks every file in so many ways, on two threads that are watched.
fn run(work: Vec<Work>, count: u64, seed: u64) -> Tally {
    let (work, next) = (Arc::new(work), Arc::new(AtomicUsize::new(0)));
    let tally = Arc::new(Mutex::new(Tally::default()));
    let (beat, beats) = mpsc::sync_channel::<String>(0);
    for _ in 0..2 {
        let (work, next, tally) = (Arc::clone(&work), Arc::clone(&next), Arc::clone(&tally));
        let beat = beat.clone();
        std::thread::spawn(move || {
            while let Some(one) = work.get(next.fetch_add(1, Ordering::Relaxed)) {
                file(one, count, seed, &tally, &beat);
            }
        });
    }
    drop(beat);
    let mut last = [String::new(), String::new()];
    loop {
        match beats.recv_timeout(PATIENCE) {
            Ok(begun) => last = [last[1].clone(), begun],
            Err(mpsc::RecvTimeoutError::Disconnected) => break,
            Err(mpsc::RecvTimeoutError::Timeout) => panic!("hangs: {last:#?}"),
        }
    }
    let mut tally = tally.lock().unwrap();
    std::mem::take(&mut *tally)
}

fn file(work: &Work, count: u64, seed: u64, tally: &Mutex<Tally>, beat: &mpsc::SyncSender<String>) {
    let (path, text) = &work.project.files[work.file];
    let words = words::of(path, text);
    for number in 0..count {
        let dice = Dice::new((seed << 32) + ((work.file as u64) << 20) + number);
        let damage = damage::damage(&dice, text, &words);
        let name =
            format!("{}/{path} ({number} of seed {seed}): {}", work.project.name, damage.what);
        beat.send(name.clone()).unwrap();
        let sources = work.project.with(work.file, damage.text.as_deref());
        let looked = catch_unwind(AssertUnwindSafe(|| look(&sources)));
        let mut tally = tally.lock().unwrap();
        tally.broken += 1;
        match looked {
            Ok((found, served)) => {
                tally.served += u64::from(served.is_some());
                tally
                    .complaints
                    .extend(served.into_iter().flatten().map(|why| format!("{name}: {why}")));
                if let Some((kind, old, new)) = &damage.typo {
                    note_typo(&mut tally, &name, *kind, old, new, &found);
                }
            }
            Err(_) => tally.complaints.push(format!("{name}: panics")),
        }
    }
}

/// Reads a rule set and, if it is accepted, serves it; tells what failed while serving.
fn look(sources: &SourceMap) -> (Vec<Diagnostic>, Option<Vec<String>>) {
    let (rules, found) = analyze(sources);
    (found, rules.map(trial::serve))
}

/// Counts a misspelt word, unless it happens to be right as well.
fn note_typo(
    tally: &mut Tally,
    name: &str,
    kind: Kind,
    old: &str,
    new: &str,
    found: &[Diagnostic],
) {
    if found.is_empty() {
        return;
    }
    let told = found.iter().any(|found| {
        // A name that is declared otherwise than it is used: whoever uses it is told both.
        let both = |text: &str| names(text, old) && names(text, new);
        let help = found.help.as_deref().unwrap_or_default();
        meant(found) == Some(old)
            || kind == Kind::Declaration && both(&format!("{} {help}", found.message))
    });
    let (all, right) = tally.typos.entry(kind).or_default();
    *all += 1;
    *right += u64::from(told);
    if !told {
        let first = &found[0];
        let help = first.help.as_deref().unwrap_or_default();
        tally.missed.push(format!("{name}: {} [{help}]", first.message));
    }
}

/// The word that a diagnostic takes for the one that was meant.
fn meant(found: &Diagnostic) -> Option<&str> {
    if let Some(fix) = &found.fix {
        return Some(fix.text.trim_matches(['"', '#']));
    }
    found.help.as_deref()?.split('`').nth(1)
}

fn names(message: &str, word: &str) -> bool {
    message.split('`').skip(1).step_by(2).any(|named| named == word)
}
