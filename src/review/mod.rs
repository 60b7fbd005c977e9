//! E-mails read before anybody gets them, as people and mail providers will read them. Each
//! one is filled in and drawn by the code that also sends (`engine`, `mail`), with the
//! examples of whatever starts its sequence; [`letter`] shows the result, [`read`] and
//! [`leaving`] say what is wrong with it and where that is written. Nothing here knows
//! files, sockets or the environment.

mod hosts;
mod leaving;
mod letter;
mod lint;
mod starts;
#[cfg(test)]
mod tests;

pub use leaving::{Outside, leaving};
pub use letter::{Draft, Letter, Scene};
pub use starts::{Start, starts};

use crate::base::{Diagnostic, Severity, SourceMap};
use crate::language::{self, codes};
use crate::model::RuleSet;

/// Reads the files of a rule set as [`language::analyze`] does, and then every e-mail in it.
/// The rule set is there unless there is an error.
#[must_use]
pub fn read(sources: &SourceMap) -> (Option<RuleSet>, Vec<Diagnostic>) {
    let (rules, mut found) = language::analyze(sources);
    let Some(rules) = rules else { return (None, found) };
    let more = lint::lint(&rules);
    // The language tries examples too; what is told here says more.
    let told = |one: &Diagnostic| {
        let same = |other: &Diagnostic| (other.code, other.span) == (codes::EMAIL_FAILS, one.span);
        one.code == codes::EXAMPLE_FAILS && more.iter().any(same)
    };
    found.retain(|one| !told(one));
    add(&mut found, more);
    let sound = found.iter().all(|one| one.severity != Severity::Error);
    (sound.then_some(rules), found)
}

/// Adds findings to others, in the order of the files. What is an error now is no longer
/// told as a warning.
pub fn add(found: &mut Vec<Diagnostic>, more: Vec<Diagnostic>) {
    let raised = |one: &Diagnostic| {
        one.severity == Severity::Warning
            && more.iter().any(|other| {
                other.severity == Severity::Error
                    && (other.code, other.span) == (one.code, one.span)
            })
    };
    found.retain(|one| !raised(one));
    found.extend(more);
    found.sort_by_key(|one| (one.span, one.severity, one.code));
    found.dedup();
}
