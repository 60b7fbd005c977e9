//! Text to rules.
use crate::base::{Diagnostic, SourceMap};
use crate::model::RuleSet;

/// Reads every file of a rule set.
#[must_use]
pub fn analyze(sources: &SourceMap) -> (Option<RuleSet>, Vec<Diagnostic>) {
    let _ = sources;
    (None, Vec::new())
}
