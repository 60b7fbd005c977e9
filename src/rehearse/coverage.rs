//! What of the rules the tests have reached: every endpoint, step, condition, timed step and
//! event, and which of them no test has tried.

use std::collections::BTreeSet;
use std::sync::{Mutex, PoisonError};

use crate::base::Span;
use crate::engine::{Watch, Way};
use crate::model::rules::{Action, Endpoint, Event, RuleSet, Sequence, SequenceAction, Step};

/// Collects which way decisions went, over any number of rehearsals.
#[derive(Debug, Default)]
pub struct Reached(Mutex<BTreeSet<(Span, Way)>>);

impl Watch for Reached {
    fn went(&self, place: Span, way: Way) {
        self.0.lock().unwrap_or_else(PoisonError::into_inner).insert((place, way));
    }
}

impl Reached {
    fn has(&self, place: Span, way: Way) -> bool {
        self.0.lock().unwrap_or_else(PoisonError::into_inner).contains(&(place, way))
    }
}

/// How much of the rules was reached.
#[derive(Debug, Default)]
pub struct Coverage {
    /// Places and ways that were reached.
    pub reached: usize,
    /// All of them.
    pub all: usize,
    /// What was not, in the order of the rules. Of an endpoint that was never called, or a step
    /// that was never reached, only that is told.
    pub missed: Vec<Missed>,
}

/// Something that no test has tried.
#[derive(Debug)]
pub struct Missed {
    /// To what it belongs: `endpoint christmas/signup-handler`.
    pub owner: String,
    /// What was not tried, in words.
    pub what: String,
    /// Where it is written.
    pub span: Span,
}

impl Coverage {
    /// Compares what was reached with the rules.
    #[must_use]
    pub fn of(rules: &RuleSet, reached: &Reached) -> Self {
        let mut sum = Sum { reached, coverage: Self::default() };
        rules.endpoints.iter().for_each(|endpoint| sum.endpoint(endpoint));
        rules.events.values().for_each(|event| sum.event(event));
        for record in rules.records.values() {
            let owner = format!("record {}", record.name);
            sum.steps(&owner, &record.on_create);
            record.on_change.iter().for_each(|(_, steps)| sum.steps(&owner, steps));
        }
        rules.sequences.values().for_each(|sequence| sum.sequence(sequence));
        let mut coverage = sum.coverage;
        coverage.missed.sort_by_key(|missed| missed.span);
        coverage
    }
}

struct Sum<'a> {
    reached: &'a Reached,
    coverage: Coverage,
}

impl Sum<'_> {
    /// Counts a way; tells it when it was not gone.
    fn way(&mut self, owner: &str, span: Span, way: Way, missing: &str) {
        self.coverage.all += 1;
        if self.reached.has(span, way) {
            self.coverage.reached += 1;
        } else {
            let (owner, what) = (owner.to_owned(), missing.to_owned());
            self.coverage.missed.push(Missed { owner, what, span });
        }
    }

    /// Counts a thing with its steps; of one that was never reached only that is told.
    fn whole(&mut self, owner: &str, span: Span, missing: &str, steps: &[Step]) {
        self.way(owner, span, Way::Done, missing);
        let told = self.coverage.missed.len();
        self.steps(owner, steps);
        if !self.reached.has(span, Way::Done) {
            self.coverage.missed.truncate(told);
        }
    }

    /// Counts the way past a step whose `when` does not hold; of a step that was never reached
    /// that has been told.
    fn left_out(&mut self, owner: &str, span: Span, word: &str) {
        let told = self.coverage.missed.len();
        self.way(owner, span, Way::LeftOut, &format!("{word} is never left out by its `when`"));
        if !self.reached.has(span, Way::Done) {
            self.coverage.missed.truncate(told);
        }
    }

    fn endpoint(&mut self, endpoint: &Endpoint) {
        let owner = format!("endpoint {}", endpoint.full_name());
        self.whole(&owner, endpoint.span, "is never called", &endpoint.steps);
    }

    fn event(&mut self, event: &Event) {
        let owner = format!("event {}", event.name);
        self.whole(&owner, event.span, "is never sent", &event.steps);
    }

    fn steps(&mut self, owner: &str, steps: &[Step]) {
        for step in steps {
            let (word, undone) = words(&step.action);
            self.way(owner, step.span, Way::Done, &format!("{word} {undone}"));
            if step.when.is_some() {
                self.left_out(owner, step.span, &word);
            }
            match &step.action {
                Action::Require { .. } => {
                    let missing = format!("{word} never refuses a call");
                    self.way(owner, step.span, Way::Refused, &missing);
                }
                Action::Find { .. } => {
                    self.way(owner, step.span, Way::Refused, &format!("{word} always finds it"));
                }
                _ => {}
            }
        }
    }

    fn sequence(&mut self, sequence: &Sequence) {
        let owner = format!("sequence {}", sequence.name);
        if sequence.stop_when.is_some() {
            self.way(&owner, sequence.span, Way::Refused, "its `stop-when` never ends it");
        }
        for ending in &sequence.endings {
            let missing = format!("{} {} never comes", ending.word(), ending.on.source());
            self.way(&owner, ending.span, Way::Done, &missing);
        }
        for step in &sequence.steps {
            let word = match step.action {
                SequenceAction::Email { .. } => format!("e-mail {}", step.name),
                SequenceAction::Send { .. } => format!("send {}", step.name),
            };
            self.way(&owner, step.span, Way::Done, &format!("{word} is never sent"));
            if step.when.is_some() {
                self.left_out(&owner, step.span, &word);
            }
        }
    }
}

/// What a step is called, and what is said of one that was never done.
fn words(action: &Action) -> (String, &'static str) {
    match action {
        Action::Require { guard, .. } => (format!("require {}", guard.source()), "never holds"),
        Action::Find { record, .. } => (format!("find {record}"), "never finds it"),
        Action::Save { record, .. } => (format!("save {record}"), "is never done"),
        Action::Start { sequence } => (format!("start {sequence}"), "is never done"),
        Action::Stop { sequences, .. } => {
            (format!("stop {}", sequences.join(" ")), "is never done")
        }
        Action::Send { event, .. } => (format!("send {event}"), "is never done"),
        Action::Reply { status, .. } => (format!("reply {status}"), "is never given"),
    }
}
