//! Whom an edit meets mid-way in one sequence: what it would move, drop or add, and what
//! happens to them at once.

use std::collections::BTreeMap;
use std::fmt::Write as _;

use serde_json::{Value, json};

use super::difference;
use crate::base::time;
use crate::cli::out;
use crate::cli::outcome::Failure;
use crate::cli::people::{Local, Source};
use crate::engine::{self, Change, Started, World};
use crate::model::rules::{RuleSet, Sequence, SequenceStep};

/// People who are named.
const NAMED: usize = 5;

/// Two rule sets, and how fast time passes.
#[derive(Clone, Copy, Debug)]
pub(super) struct Edit<'a> {
    /// What runs; none when that is not known.
    pub(super) old: Option<&'a RuleSet>,
    /// The edited files.
    pub(super) new: &'a RuleSet,
    /// How many times faster the waits of sequences pass.
    pub(super) speed: u32,
}

/// The people in the middle of one sequence.
#[derive(Debug, Default)]
pub(super) struct Midway {
    /// The sequence.
    pub(super) name: String,
    /// How many they are.
    pub(super) people: usize,
    /// How many wait for each step.
    waiting: BTreeMap<String, usize>,
    /// How many have each step still before them.
    ahead: BTreeMap<String, usize>,
    /// How many follow each version of the sequence, by its hash, and since when it is known.
    versions: BTreeMap<String, (usize, Option<i64>)>,
    /// E-mails and steps whose time would change, be dropped or be added.
    counts: [usize; 3],
    /// People to whom one of these happens.
    reached: usize,
    /// Those whose moments cannot be worked out.
    left_alone: usize,
    /// The first of them, with what happens to each.
    named: Vec<(String, Vec<Change>)>,
}

/// Who is mid-way in a sequence, measured against an edit.
pub(super) fn look(source: &Source, edit: &Edit<'_>, name: &str) -> Result<Midway, Failure> {
    let mut found = Midway { name: name.to_owned(), ..Midway::default() };
    source.each_active(name, |part| {
        for started in &part.people {
            found.meet(edit, started);
            let hash = &started.enrolment.rules;
            let (people, since) = found.versions.entry(hash.clone()).or_default();
            *people += 1;
            *since = part.since.get(hash).copied();
        }
    })?;
    Ok(found)
}

impl Midway {
    fn meet(&mut self, edit: &Edit<'_>, started: &Started) {
        let world = World::alone(edit.new, edit.speed);
        let one = &started.enrolment;
        self.people += 1;
        if let Some((step, _)) = one.upcoming() {
            *self.waiting.entry(step.clone()).or_default() += 1;
        }
        for (step, _) in one.plan.iter().skip(one.next as usize) {
            *self.ahead.entry(step.clone()).or_default() += 1;
        }
        let Ok(replan) = engine::replan(&world, started) else {
            self.left_alone += 1;
            return;
        };
        let changes = replan.map(|replan| replan.changes).unwrap_or_default();
        for change in &changes {
            let kind = match change {
                Change::Moved { .. } => 0,
                Change::Dropped { .. } => 1,
                Change::Added { .. } => 2,
            };
            self.counts[kind] += 1;
        }
        if !changes.is_empty() {
            self.reached += 1;
            if self.named.len() < NAMED {
                self.named.push((one.to.clone(), changes));
            }
        }
    }

    /// What happens to them when the edit goes live, whatever their plan.
    fn at_once(&self, edit: &Edit<'_>) -> Vec<String> {
        let Some(new) = edit.new.sequences.get(&self.name) else {
            return vec![format!(
                "the sequence is gone: it stops for {} when their next step is due",
                out::count_people(self.people)
            )];
        };
        let old = edit.old.and_then(|old| old.sequences.get(&self.name));
        let mut told = Vec::new();
        for (step, people) in &self.ahead {
            let people = out::count_people(*people);
            let Some(now) = find(new, step) else {
                if !new.everyone {
                    told.push(format!("{step} is gone: it is skipped for {people} when it is due"));
                }
                continue;
            };
            let Some(was) = old.and_then(|old| find(old, step)) else { continue };
            if difference::text_changes(was, now) {
                told.push(format!("the new text of {step} goes to {people}"));
            }
            let changed = changed(was, now, new.everyone);
            if !changed.is_empty() {
                let counts = if changed.len() == 1 { "counts" } else { "count" };
                let changed = changed.join(" and ");
                told.push(format!("the new {changed} of {step} {counts} for {people}"));
            }
        }
        let source = |one: &Sequence| one.stop_when.as_ref().map(|guard| guard.source().to_owned());
        if new.everyone && old.is_some_and(|old| source(old) != source(new)) {
            told.push(String::from("the new stop-when is looked at before every further send"));
        }
        told
    }

    /// Those who follow neither the version that runs nor the edited one, newest first: since
    /// when it is known, its hash, and how many they are.
    fn older(&self, edit: &Edit<'_>) -> Vec<(i64, &str, usize)> {
        let hash = |rules: &RuleSet| Some(rules.sequences.get(&self.name)?.edition.hash.clone());
        let current = [edit.old.and_then(hash), hash(edit.new)];
        // With an edit for everyone nobody stays behind, and where it is gone nothing counts.
        if self.reaches(edit) || current[1].is_none() {
            return Vec::new();
        }
        let is_older = |known: &str| !current.iter().flatten().any(|current| current == known);
        let versions = self.versions.iter().filter(|(hash, _)| is_older(hash));
        let mut older: Vec<_> = versions
            .filter_map(|(hash, (people, since))| Some(((*since)?, hash.as_str(), *people)))
            .collect();
        older.sort_unstable_by(|one, other| other.cmp(one));
        older
    }

    /// "2 people are judged by the version of Mon 1 Dec 2025 11:30 (9f86d081)".
    fn by_versions(&self, edit: &Edit<'_>, local: &Local) -> Vec<String> {
        let older = self.older(edit);
        let told = |(since, hash, people): &(i64, &str, usize)| {
            let is = if *people == 1 { "is" } else { "are" };
            let since = local.moment(time::from_millis(*since));
            let people = out::count_people(*people);
            format!("{people} {is} judged by the version of {since} ({})", out::short(hash))
        };
        let mut lines: Vec<String> = older.iter().take(NAMED).map(told).collect();
        let rest: usize = older.iter().skip(NAMED).map(|(.., people)| people).sum();
        if rest > 0 {
            lines.push(format!("{} by still older ones", out::count_people(rest)));
        }
        lines
    }

    /// For programs.
    pub(super) fn shape(&self, edit: &Edit<'_>) -> Value {
        let [moved, dropped, added] = self.counts;
        let at = |millis: &i64| time::format_millis(*millis);
        let change = |change: &Change| match change {
            Change::Moved { step, from, to } => {
                json!({ "step": step, "change": "moved", "from": at(from), "to": at(to) })
            }
            Change::Dropped { step, due } => {
                json!({ "step": step, "change": "dropped", "from": at(due), "to": null })
            }
            Change::Added { step, due } => {
                json!({ "step": step, "change": "added", "from": null, "to": at(due) })
            }
        };
        let version = |(hash, (people, since)): (&String, &(usize, Option<i64>))| json!({ "hash": hash, "since": since.map(time::format_millis), "people": people });
        let person = |(to, changes): &(String, Vec<Change>)| json!({ "to": to, "changes": changes.iter().map(change).collect::<Value>() });
        json!({
            "sequence": self.name,
            "people": self.people,
            "waiting": self.waiting,
            "applies": self.reaches(edit),
            "reached": self.reached,
            "moved": moved, "dropped": dropped, "added": added,
            "left_alone": self.left_alone,
            "such_as": self.named.iter().map(person).collect::<Value>(),
            "at_once": self.at_once(edit),
            "versions": self.versions.iter().map(version).collect::<Value>(),
        })
    }

    /// Whether the edit reaches those who are mid-way.
    fn reaches(&self, edit: &Edit<'_>) -> bool {
        edit.new.sequences.get(&self.name).is_some_and(|sequence| sequence.everyone)
    }

    /// Whether the edit means anything for them.
    pub(super) fn is_met(&self, edit: &Edit<'_>) -> bool {
        self.reached + self.left_alone > 0
            || !self.at_once(edit).is_empty()
            || !self.older(edit).is_empty()
    }

    /// For people.
    pub(super) fn lines(&self, edit: &Edit<'_>, local: &Local) -> Vec<String> {
        let mut lines = vec![self.whereabouts()];
        let at_once = self.at_once(edit);
        lines.extend(self.by_versions(edit, local));
        if !at_once.is_empty() {
            let lives = edit.old.is_some_and(|old| old.hash == edit.new.hash);
            let when = if lives { "As the rules stand:" } else { "When this goes live:" };
            lines.push(String::from(when));
            lines.extend(at_once.into_iter().map(|line| format!("  {line}")));
        }
        let known = edit.new.sequences.contains_key(&self.name);
        if self.reached > 0 && known {
            lines.push(self.verdict(edit));
            for (to, changes) in &self.named {
                for change in changes {
                    lines.push(format!("  {to}  {}", told(change, local)));
                }
            }
            let rest = self.reached.saturating_sub(self.named.len());
            if rest > 0 {
                lines.push(format!("  … and {} more", out::count_people(rest)));
            }
        }
        if self.left_alone > 0 {
            lines.push(format!(
                "{} keep their plan whatever the rules say: their payload does not tell from when \
                 to count.",
                out::count_people(self.left_alone)
            ));
        }
        lines
    }

    /// "12 people are mid-way: 7 wait for noshow-2, 5 for noshow-3".
    fn whereabouts(&self) -> String {
        let is = if self.people == 1 { "is" } else { "are" };
        let mut text = format!("{} {is} mid-way", out::count_people(self.people));
        for (index, (step, people)) in self.waiting.iter().enumerate() {
            let wait = if *people == 1 { "waits" } else { "wait" };
            let joint = if index == 0 { ":" } else { "," };
            let _ = write!(text, "{joint} {people} {wait} for {step}");
        }
        text
    }

    fn verdict(&self, edit: &Edit<'_>) -> String {
        let [moved, dropped, added] = self.counts;
        let parts = [(moved, "moved"), (dropped, "dropped"), (added, "added")];
        let parts: Vec<String> = parts
            .into_iter()
            .filter(|(count, _)| *count > 0)
            .map(|(count, word)| format!("{count} {word}"))
            .collect();
        let what =
            format!("{} ({})", out::count(moved + dropped + added, "step"), parts.join(", "));
        let whom = out::count_people(self.reached);
        if self.reaches(edit) {
            format!("It says apply=\"everyone\", so this changes {what} for {whom}:")
        } else {
            format!(
                "They keep the times and conditions that they began with: nothing moves until apply=\"everyone\".\n\
                 With it, this would change {what} for {whom}:"
            )
        }
    }
}

/// What changes of a step for those who are mid-way, besides its text: what is read live, and
/// with an edit for everyone its condition and limit too.
fn changed(was: &SequenceStep, now: &SequenceStep, everyone: bool) -> Vec<&'static str> {
    let (was, now) = (super::facts::step(was), super::facts::step(now));
    let pinned = |label: &&str| everyone || !matches!(*label, "when" | "max-late");
    let labels = ["subject", "when", "max-late", "via", "fields"].into_iter().filter(pinned);
    labels.filter(|label| was.get(label) != now.get(label)).collect()
}

fn find<'a>(sequence: &'a Sequence, step: &str) -> Option<&'a SequenceStep> {
    sequence.steps.iter().find(|found| found.name == step)
}

fn told(change: &Change, local: &Local) -> String {
    let at = |millis: &i64| local.moment(time::from_millis(*millis));
    match change {
        Change::Moved { step, from, to } => format!("{step} from {} to {}", at(from), at(to)),
        Change::Dropped { step, due } => format!("{step} dropped, was due {}", at(due)),
        Change::Added { step, due } => format!("{step} added, due {}", at(due)),
    }
}
