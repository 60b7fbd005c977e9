//! Enrolments: one person in one sequence.

use serde::{Deserialize, Serialize};

use crate::base::Id;

/// Where an enrolment stands.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub enum EnrolmentState {
    /// Steps are left.
    Active,
    /// Every step was reached.
    Finished,
    /// Ended early, for this reason.
    Stopped(String),
    /// The person did what the sequence is for. Steps that were left do not happen.
    Converted {
        /// How it is known, in words.
        reason: String,
        /// The last e-mail that was sent before, for which it counts; none where nothing was.
        step: Option<String>,
    },
}

impl EnrolmentState {
    /// Why nothing more happens, where it ended early or for good by a goal.
    #[must_use]
    pub fn ended_by(&self) -> Option<&str> {
        match self {
            Self::Active | Self::Finished => None,
            Self::Stopped(reason) | Self::Converted { reason, .. } => Some(reason),
        }
    }
}

/// One person in one sequence.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Enrolment {
    /// Its id.
    pub id: Id,
    /// The sequence.
    pub sequence: String,
    /// What makes two starts the same: `once-per`, or the address; trimmed, addresses
    /// lower-cased.
    pub key: String,
    /// The address, lower-cased.
    pub person: String,
    /// The address as it came.
    pub to: String,
    /// Time zone name.
    pub zone: String,
    /// The execution that started it.
    pub execution: Id,
    /// The frozen payload as JSON text; none means the execution's body.
    pub payload: Option<String>,
    /// When it was started.
    pub started: i64,
    /// Hash of the edition of the sequence that it follows: the one that it was started with,
    /// or that an edit for everyone has moved it to.
    pub rules: String,
    /// Each step's name with the moment it is due, fixed at the start.
    pub plan: Vec<(String, i64)>,
    /// Index of the next step in the plan.
    pub next: u32,
    /// Jobs of earlier steps that are not finished.
    pub live: Vec<Id>,
    /// Where it stands.
    pub state: EnrolmentState,
    /// When it last changed.
    pub updated: i64,
}

impl Enrolment {
    /// The next step's name and due time while it is active.
    #[must_use]
    pub fn upcoming(&self) -> Option<&(String, i64)> {
        match self.state {
            EnrolmentState::Active => self.plan.get(self.next as usize),
            _ => None,
        }
    }

    /// Whether its next step was due when it was started.
    #[must_use]
    pub fn is_due_at_once(&self) -> bool {
        self.upcoming().is_some_and(|(_, due)| *due <= self.started)
    }

    /// The id of a step's job.
    #[must_use]
    pub fn job_id(&self, step: &str) -> Id {
        self.id.derive(step)
    }
}
