//! E-mails read before anybody gets them, as people and mail providers will read them. Each
//! one is filled in and drawn by the code that also sends (`engine`, `mail`), with the
//! examples of whatever starts its sequence; `letter` shows the result, [`read`] and
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
use crate::language::{self, Study, codes};
use crate::model::RuleSet;

/// Reads the files of a rule set as [`language::analyze`] does, and then every e-mail in it.
/// The rule set is there unless there is an error.
#[must_use]
pub fn read(sources: &SourceMap) -> (Option<RuleSet>, Vec<Diagnostic>) {
    let study = with_emails(sources);
    (is_sound(&study.found).then_some(study.rules), study.found)
}

/// Everything that is found out about the files of a rule set: in the rules, in the e-mails
/// and in the tests. While the rules have errors, tests are only read as far as they stand
/// for themselves.
#[must_use]
pub fn study(sources: &SourceMap) -> Study {
    let mut study = with_emails(sources);
    let tests = study.read_tests(sources);
    add(&mut study.found, tests);
    study
}

/// Reads the files of a rule set as [`read`] does, and the files of tests among them. The
/// rule set is there unless the rules themselves have an error.
#[must_use]
pub fn read_with_tests(sources: &SourceMap) -> (Option<RuleSet>, Vec<Diagnostic>) {
    let mut study = with_emails(sources);
    let sound = is_sound(&study.found);
    let tests = study.read_tests(sources);
    add(&mut study.found, tests);
    (sound.then_some(study.rules), study.found)
}

fn with_emails(sources: &SourceMap) -> Study {
    let mut study = language::study(sources);
    if !is_sound(&study.found) {
        return study;
    }
    let more = lint::lint(&study.rules);
    // The language tries examples too; what is told here says more.
    let told = |one: &Diagnostic| {
        let same = |other: &Diagnostic| (other.code, other.span) == (codes::EMAIL_FAILS, one.span);
        one.code == codes::EXAMPLE_FAILS && more.iter().any(same)
    };
    study.found.retain(|one| !told(one));
    add(&mut study.found, more);
    study
}

fn is_sound(found: &[Diagnostic]) -> bool {
    found.iter().all(|one| one.severity != Severity::Error)
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
