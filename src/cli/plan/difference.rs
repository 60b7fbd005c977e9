//! How two rule sets differ, thing by thing, in words.

use std::collections::BTreeMap;

use serde_json::{Value, json};

use super::facts::{self, Facts};
use crate::model::rules::{RuleSet, Said, Sequence, SequenceAction, SequenceStep};

/// What became of a thing.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Fate {
    Added,
    Removed,
    Changed,
}

impl Fate {
    /// The word for it.
    pub(super) fn word(self) -> &'static str {
        match self {
            Self::Added => "added",
            Self::Removed => "removed",
            Self::Changed => "changed",
        }
    }

    /// The sign before a line about it.
    pub(super) fn sign(self) -> &'static str {
        match self {
            Self::Added => "+",
            Self::Removed => "-",
            Self::Changed => "~",
        }
    }
}

/// One line of a difference.
pub(super) type Line = (Fate, String);

/// One thing that an edit adds, removes or changes.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) struct Difference {
    /// What it is: `endpoint`, `sequence`, …
    pub(super) what: &'static str,
    /// Its name; empty where there is one of it.
    pub(super) name: String,
    /// What became of it.
    pub(super) fate: Fate,
    /// How, where it has changed.
    pub(super) lines: Vec<Line>,
}

impl Difference {
    /// For programs.
    pub(super) fn shape(&self) -> Value {
        let line = |(fate, text): &Line| json!({ "change": fate.word(), "text": text });
        json!({
            "what": self.what, "name": self.name, "change": self.fate.word(),
            "details": self.lines.iter().map(line).collect::<Value>(),
        })
    }
}

/// Everything in which two rule sets differ.
pub(super) fn between(old: &RuleSet, new: &RuleSet) -> Vec<Difference> {
    let mut found = Vec::new();
    for (what, facts) in facts::KINDS {
        compare(&mut found, what, &facts(old), &facts(new));
    }
    for (name, sequence) in &old.sequences {
        let lines = match new.sequences.get(name) {
            None => {
                found.push(thing("sequence", name, Fate::Removed));
                continue;
            }
            Some(now) => sequence_lines(sequence, now),
        };
        if !lines.is_empty() {
            found.push(Difference { lines, ..thing("sequence", name, Fate::Changed) });
        }
    }
    let fresh = new.sequences.iter().filter(|(name, _)| !old.sequences.contains_key(*name));
    for (name, sequence) in fresh {
        let lines = sequence.steps.iter().map(|step| (Fate::Added, introduced(step))).collect();
        found.push(Difference { lines, ..thing("sequence", name, Fate::Added) });
    }
    found
}

fn thing(what: &'static str, name: &str, fate: Fate) -> Difference {
    Difference { what, name: name.to_owned(), fate, lines: Vec::new() }
}

fn compare(
    found: &mut Vec<Difference>,
    what: &'static str,
    old: &BTreeMap<String, Facts>,
    new: &BTreeMap<String, Facts>,
) {
    for (name, facts) in old {
        match new.get(name) {
            None => found.push(thing(what, name, Fate::Removed)),
            Some(now) if now != facts => {
                let lines = lines(facts, now);
                found.push(Difference { lines, ..thing(what, name, Fate::Changed) });
            }
            Some(_) => {}
        }
    }
    let fresh = new.keys().filter(|name| !old.contains_key(*name));
    found.extend(fresh.map(|name| thing(what, name, Fate::Added)));
}

/// What is said of one thing, before and after.
fn lines(old: &Facts, new: &Facts) -> Vec<Line> {
    let mut lines = Vec::new();
    for (label, before) in &old.said {
        match new.get(label) {
            Some(after) if after == before => {}
            Some(after) => lines.push((Fate::Changed, format!("{label}: {before} → {after}"))),
            None => lines.push((Fate::Removed, format!("{label}: {before}"))),
        }
    }
    for (label, after) in &new.said {
        if old.get(label).is_none() {
            lines.push((Fate::Added, format!("{label}: {after}")));
        }
    }
    let gone = lacking(&old.steps, &new.steps);
    let come = lacking(&new.steps, &old.steps);
    if gone.is_empty() && come.is_empty() && old.steps != new.steps {
        lines.push((Fate::Changed, String::from("its steps stand in another order")));
    }
    lines.extend(gone.into_iter().map(|step| (Fate::Removed, step)));
    lines.extend(come.into_iter().map(|step| (Fate::Added, step)));
    lines
}

/// The steps that the other list lacks, as often as it lacks them.
fn lacking(steps: &[String], other: &[String]) -> Vec<String> {
    let mut rest: Vec<&String> = other.iter().collect();
    let mut lacking = Vec::new();
    for step in steps {
        match rest.iter().position(|known| *known == step) {
            Some(at) => drop(rest.swap_remove(at)),
            None => lacking.push(step.clone()),
        }
    }
    lacking
}

fn sequence_lines(old: &Sequence, new: &Sequence) -> Vec<Line> {
    let mut found = lines(&facts::sequence(old), &facts::sequence(new));
    for step in &old.steps {
        let Some(now) = new.steps.iter().find(|now| now.name == step.name) else {
            found.push((Fate::Removed, introduced(step)));
            continue;
        };
        let changed = lines(&facts::step(step), &facts::step(now));
        let word = word(now);
        found.extend(
            changed.into_iter().map(|(fate, line)| (fate, format!("{word} {}: {line}", now.name))),
        );
        for path in changed_texts(step, now) {
            found.push((Fate::Changed, format!("{word} {}: its text, {path}", now.name)));
        }
    }
    let known = |step: &&SequenceStep| !old.steps.iter().any(|was| was.name == step.name);
    found.extend(new.steps.iter().filter(known).map(|step| (Fate::Added, introduced(step))));
    found
}

/// Whether an e-mail says something else.
pub(super) fn text_changes(old: &SequenceStep, new: &SequenceStep) -> bool {
    !changed_texts(old, new).is_empty()
}

/// The texts of an e-mail that say something that it did not say before, to anybody.
fn changed_texts<'a>(old: &SequenceStep, new: &'a SequenceStep) -> Vec<&'a str> {
    let before: Vec<_> = old.action.wordings().collect();
    let is_new = |said: &Said<'a>| {
        let same = |was: &&Said<'_>| (was.variant, was.locale) == (said.variant, said.locale);
        let plain = |was: &&Said<'_>| was.locale.is_none() && said.locale.is_none();
        // The first variant has made the e-mail itself one.
        let was = before.iter().find(same).or(before.iter().find(plain));
        was.map(|was| facts::said(was.body)) != Some(facts::said(said.body))
    };
    let mut paths: Vec<&str> =
        new.action.wordings().filter(is_new).map(|said| said.body.path.as_str()).collect();
    paths.dedup();
    paths
}

fn word(step: &SequenceStep) -> &'static str {
    match step.action {
        SequenceAction::Email { .. } => "email",
        SequenceAction::Send { .. } => "send",
    }
}

/// `email noshow-3 after 48h "One last try"`.
fn introduced(step: &SequenceStep) -> String {
    let subject = match &step.action {
        SequenceAction::Email { subject, .. } => format!(" \"{}\"", subject.source()),
        SequenceAction::Send { .. } => String::new(),
    };
    format!("{} {} after {}{subject}", word(step), step.name, step.after)
}
