//! What an edit means for somebody who is mid-way: the steps that are left of an enrolment,
//! planned anew from its own start and payload by the rules of now. Steps that were reached
//! are never planned again.

use std::sync::Arc;

use serde_json::{Map, Value};

use super::timing;
use super::world::World;
use crate::base::time;
use crate::model::commit::{NextStep, Write};
use crate::model::queue::{Enrolment, Level, LogLine};
use crate::model::rules::Sequence;

/// Somebody who is mid-way, with what they began with.
#[derive(Clone, Debug)]
pub struct Started {
    /// The person's place in the sequence.
    pub enrolment: Enrolment,
    /// The payload as it was at the start.
    pub payload: Map<String, Value>,
}

/// One difference between an enrolment's plan and what the rules say now. Times are
/// milliseconds since 1970.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Change {
    /// A step is due at another time.
    Moved {
        /// Its name.
        step: String,
        /// When it was due.
        from: i64,
        /// When it is due now.
        to: i64,
    },
    /// A step is no longer in the sequence.
    Dropped {
        /// Its name.
        step: String,
        /// When it was due.
        due: i64,
    },
    /// A step is new.
    Added {
        /// Its name.
        step: String,
        /// When it is due.
        due: i64,
    },
}

impl Change {
    /// The step that it is about.
    #[must_use]
    pub fn step(&self) -> &str {
        match self {
            Self::Moved { step, .. } | Self::Dropped { step, .. } | Self::Added { step, .. } => {
                step
            }
        }
    }

    /// What happened, as a sentence for the execution's log.
    fn sentence(&self) -> String {
        let at = |millis: &i64| time::format_millis(*millis);
        match self {
            Self::Moved { from, to, .. } => {
                format!("moved from {} to {} by an edit", at(from), at(to))
            }
            Self::Dropped { due, .. } => format!("dropped by an edit; it was due {}", at(due)),
            Self::Added { due, .. } => format!("added by an edit, due {}", at(due)),
        }
    }
}

/// What is left of an enrolment by the rules of now.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Replan {
    /// The steps that are left with their due moments, earliest first.
    pub left: Vec<(String, i64)>,
    /// How that differs from its plan; empty where only another edition counts from now on.
    pub changes: Vec<Change>,
}

/// Plans what is left of an enrolment anew; none when it follows the edition of now and the
/// rules say the same as its plan.
/// Somebody who is not mid-way (or whose sequence is gone) has nothing left to plan.
///
/// # Errors
/// A sentence that says why the moments cannot be worked out, such as a time that the payload
/// of then does not have.
pub fn replan(world: &World<'_>, started: &Started) -> Result<Option<Replan>, String> {
    let Started { enrolment, .. } = started;
    let Some(sequence) = world.rules.sequences.get(&enrolment.sequence) else { return Ok(None) };
    let plan = timing::planned(world, started)?;
    let reached = enrolment.next as usize;
    let (done, before) = enrolment.plan.split_at(reached.min(enrolment.plan.len()));
    let is_done = |name: &String| done.iter().any(|(reached, _)| reached == name);
    let left = plan.into_iter().map(|planned| (planned.step, planned.due));
    let left: Vec<_> = left.filter(|(name, _)| !is_done(name)).collect();
    let changes = changes(before, &left);
    let follows = enrolment.rules == sequence.edition.hash;
    Ok((!changes.is_empty() || !follows).then_some(Replan { left, changes }))
}

fn changes(before: &[(String, i64)], left: &[(String, i64)]) -> Vec<Change> {
    let due = |plan: &[(String, i64)], name: &String| {
        plan.iter().find(|(step, _)| step == name).map(|(_, due)| *due)
    };
    let mut changes = Vec::new();
    for (step, to) in left {
        match due(before, step) {
            None => changes.push(Change::Added { step: step.clone(), due: *to }),
            Some(from) if from != *to => {
                changes.push(Change::Moved { step: step.clone(), from, to: *to });
            }
            Some(_) => {}
        }
    }
    let gone = before.iter().filter(|(step, _)| due(left, step).is_none());
    changes.extend(gone.map(|(step, due)| Change::Dropped { step: step.clone(), due: *due }));
    changes
}

impl Replan {
    /// What makes it so, at `now`: the edition, the plan, and a line for each change in the log of the
    /// execution that began it all.
    #[must_use]
    pub fn into_writes(self, world: &World<'_>, enrolment: &Enrolment, now: i64) -> Vec<Write> {
        let Some(sequence) = world.rules.sequences.get(&enrolment.sequence) else {
            return Vec::new();
        };
        let step = self.left.first().map(|(name, _)| next_step(world, sequence, name));
        let log = |change: &Change| Write::Log {
            execution: enrolment.execution,
            line: LogLine {
                at: now,
                level: Level::Info,
                task: Some(change.step().to_owned()),
                message: change.sentence(),
            },
        };
        let logs: Vec<Write> = self.changes.iter().map(log).collect();
        let edition = Write::Edition {
            sequence: enrolment.sequence.clone(),
            edition: Arc::clone(&sequence.edition),
        };
        let plan = Write::Replan {
            sequence: enrolment.sequence.clone(),
            key: enrolment.key.clone(),
            enrolment: enrolment.id,
            from: enrolment.next,
            rules: sequence.edition.hash.clone(),
            left: self.left,
            step,
        };
        [edition, plan].into_iter().chain(logs).collect()
    }
}

fn next_step(world: &World<'_>, sequence: &Sequence, name: &str) -> NextStep {
    let step = sequence.steps.iter().find(|step| step.name == name);
    let (lane, priority) =
        step.map_or_else(|| (super::OUTBOX.to_owned(), 0), |step| world.lane(step));
    NextStep { lane, priority }
}
