//! What the command line asks for. `cargo test` hands its own options and filters to every
//! test program, so options of the usual test harness are understood or passed over.

use std::time::{SystemTime, UNIX_EPOCH};

use crate::{FAULTS, Fault};

/// Options of the usual harness that take the next word.
const WITH_VALUE: [&str; 6] =
    ["--test-threads", "--skip", "--format", "--color", "--logfile", "--shuffle-seed"];

/// What to do.
pub(crate) enum Asked {
    /// Say what there is.
    List,
    /// A name that no fault has.
    Unknown(String),
    /// Run these.
    Run { faults: Vec<&'static Fault>, full: bool, seed: u64 },
}

/// Reads the words. `by_name` says that this program was asked for by its name, so that a
/// word names a fault and is no filter for all tests.
pub(crate) fn read(arguments: &[String], by_name: bool) -> Asked {
    let (mut names, mut skipped) = (Vec::new(), Vec::new());
    let mut seed = None;
    let mut words = arguments.iter();
    while let Some(word) = words.next() {
        match word.as_str() {
            "--list" => return Asked::List,
            // No fault is marked to be left out usually.
            "--ignored" => return Asked::Run { faults: Vec::new(), full: false, seed: 0 },
            "--skip" => skipped.extend(words.next()),
            option if WITH_VALUE.contains(&option) => drop(words.next()),
            option if option.starts_with('-') => {
                seed = seed.or(option.strip_prefix("--seed=").and_then(|text| text.parse().ok()));
            }
            _ => names.push(word.as_str()),
        }
    }
    let seed = seed.unwrap_or_else(|| {
        let now = SystemTime::now().duration_since(UNIX_EPOCH).unwrap_or_default();
        now.as_secs() % 1_000_000
    });
    if by_name && let Some(unknown) = names.iter().find(|name| !is_known(name)) {
        return Asked::Unknown((*unknown).to_owned());
    }
    let short = arguments.iter().any(|word| word == "--short");
    let full = by_name && !names.is_empty() && !short;
    let wanted = |fault: &&Fault| {
        let named = |name: &&str| {
            if by_name { *name == "all" || fault.name == *name } else { fault.name.contains(*name) }
        };
        (names.is_empty() || names.iter().any(named))
            && !skipped.iter().any(|skip| fault.name.contains(skip.as_str()))
    };
    Asked::Run { faults: FAULTS.iter().filter(wanted).collect(), full, seed }
}

fn is_known(name: &str) -> bool {
    name == "all" || FAULTS.iter().any(|fault| fault.name == name)
}
