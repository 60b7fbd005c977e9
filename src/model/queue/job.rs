//! Jobs: one thing to do at one time, and the lease under which it is done.

use serde::{Deserialize, Serialize};

use crate::base::Id;

/// States of a job, in the guide's words.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, PartialOrd, Ord, Serialize, Deserialize)]
pub enum JobState {
    /// Waiting for its time, its first or its next attempt.
    Pending,
    /// Under a lease.
    Sending,
    /// Done.
    Sent,
    /// Refused for good, retries used up, bounced or unknown.
    Failed,
    /// Stopped, skipped, captured or cancelled by a person.
    Cancelled,
}

impl JobState {
    /// Every state.
    pub const ALL: [Self; 5] =
        [Self::Pending, Self::Sending, Self::Sent, Self::Failed, Self::Cancelled];

    /// The guide's spelling.
    #[must_use]
    pub fn word(self) -> &'static str {
        match self {
            Self::Pending => "pending",
            Self::Sending => "sending",
            Self::Sent => "sent",
            Self::Failed => "failed",
            Self::Cancelled => "cancelled",
        }
    }

    /// The state of that spelling.
    #[must_use]
    pub fn from_word(word: &str) -> Option<Self> {
        Self::ALL.into_iter().find(|state| state.word() == word)
    }
}

/// What a job does.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub enum Task {
    /// Deliver an event: these bytes, on every attempt.
    Event {
        /// The event's name.
        event: String,
        /// Path on the service.
        path: String,
        /// The body, serialised once.
        body: Vec<u8>,
    },
    /// Send an e-mail that has been rendered.
    Email(Email),
    /// A step of a sequence that is not due yet; it becomes one of the other tasks (under
    /// the same id and lease) right before it happens.
    Step {
        /// The sequence.
        sequence: String,
        /// The enrolment's key within it.
        key: String,
        /// The enrolment.
        enrolment: Id,
        /// Name of the step.
        step: String,
    },
    /// Mirror a record to a service. The record is read when the attempt begins, so the
    /// newest value wins.
    Mirror {
        /// Record name.
        record: String,
        /// Its id.
        id: String,
    },
}

/// A rendered e-mail: the same on every attempt.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Email {
    /// The sequence.
    pub sequence: String,
    /// The step's name.
    pub name: String,
    /// Which of its texts; none where it has only one.
    pub variant: Option<String>,
    /// Envelope sender.
    pub from: String,
    /// The one recipient.
    pub to: String,
    /// Subject, for lists.
    pub subject: String,
    /// Plain text, for lists and the outbox.
    pub text: String,
    /// Whether it obeys unsubscribes.
    pub marketing: bool,
    /// The whole message as it goes over the wire: RFC 5322 for a mail server, the JSON body
    /// for a mail provider.
    pub message: Vec<u8>,
    /// Since when a mail provider may have it, in milliseconds: written down before it is
    /// handed over, because the answer may be lost. None where nobody can be asked.
    pub handed: Option<i64>,
}

/// One thing to do at one time.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Job {
    /// Its id: the `webhook-id` of a delivery, the source of a `Message-ID`.
    pub id: Id,
    /// The execution it belongs to.
    pub execution: Id,
    /// The service it goes to: its lane in the queue.
    pub lane: String,
    /// Higher leaves first.
    pub priority: i64,
    /// When it was first due.
    pub planned: i64,
    /// When it is due now (after a retry, later than planned).
    pub due: i64,
    /// Not after this: then it is skipped.
    pub expires: Option<i64>,
    /// When it was queued.
    pub created: i64,
    /// When it last changed.
    pub updated: i64,
    /// Its state. Stored rows never say `Sending`: claims live in memory.
    pub state: JobState,
    /// Why it ended the way it did, or why it waits although it has been due.
    pub reason: Option<String>,
    /// What it does.
    pub task: Task,
    /// The event's or e-mail's name: the guide's `event_type`.
    pub event_type: String,
    /// What it is about: the guide's `entity_type`.
    pub entity_type: Option<String>,
    /// The guide's `entity_id`.
    pub entity_id: Option<String>,
    /// Where it goes, for people: an address or a recipient.
    pub target: String,
    /// The enrolment it belongs to: sequence and key.
    pub enrolment: Option<(String, String)>,
    /// Whether a person asked for it again by hand: then it is never too late.
    pub by_hand: bool,
    /// One at a time per value of this within the lane, in order of id.
    pub order: Option<String>,
    /// Attempts made.
    pub attempts: u32,
    /// Retries spent: attempts that failed through the receiver's fault.
    pub retries: u32,
    /// The last error.
    pub last_error: Option<String>,
    /// The last status.
    pub last_status: Option<u16>,
}

/// What the copy of an e-mail for one of the sender's own mailboxes is about.
pub const SEED: &str = "seed";

impl Job {
    /// Whether it is a copy of an e-mail for one of the sender's own mailboxes. Nothing is
    /// counted for it, and nobody is suppressed by it.
    #[must_use]
    pub fn is_seed(&self) -> bool {
        self.entity_type.as_deref() == Some(SEED) && matches!(self.task, Task::Email(_))
    }

    /// Whether it is an e-mail that may or may not have arrived, and waits for a person.
    #[must_use]
    pub fn is_unknown(&self) -> bool {
        let unknown = |reason: &String| reason.starts_with(super::UNKNOWN);
        self.state == JobState::Failed && self.reason.as_ref().is_some_and(unknown)
    }

    /// A job that is due then and made then, not tried yet, with nothing to order it by. Its
    /// event type and target are empty, for the caller to fill in.
    #[must_use]
    pub fn new(id: Id, execution: Id, lane: String, task: Task, due: i64) -> Self {
        Self {
            id,
            execution,
            lane,
            priority: 0,
            planned: due,
            due,
            expires: None,
            created: due,
            updated: due,
            state: JobState::Pending,
            reason: None,
            task,
            event_type: String::new(),
            entity_type: None,
            entity_id: None,
            target: String::new(),
            enrolment: None,
            by_hand: false,
            order: None,
            attempts: 0,
            retries: 0,
            last_error: None,
            last_status: None,
        }
    }
}

/// The right to do a job for a while.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Lease {
    /// The job.
    pub job: Id,
    /// Grows with every claim; a completion with an older one is refused.
    pub fence: u64,
    /// When the lease runs out.
    pub until: i64,
}

/// A claimed job.
#[derive(Clone, Debug)]
pub struct Leased {
    /// The job.
    pub job: Job,
    /// The lease on it.
    pub lease: Lease,
    /// At how many deaths of the process this job alone was under way.
    pub deaths: u8,
}

/// A job that alone was under way at so many deaths of the process is not tried again by
/// itself.
pub const QUARANTINE_AFTER: u8 = 3;

/// What becomes of a job after an attempt, as the engine decides it.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Transition {
    /// Done.
    Sent,
    /// Try again then; `spend` counts it against the service's retries.
    Retry {
        /// When.
        due: i64,
        /// Whether the receiver's fault spent a retry.
        spend: bool,
    },
    /// Not yet: look at it again then, for this reason. Nothing was tried.
    Later {
        /// When.
        due: i64,
        /// Why, for people.
        why: String,
    },
    /// Hold it aside while its sequence is paused; it stays due when it was.
    Hold,
    /// Given up, for this reason.
    Failed(String),
    /// Not done, for this reason.
    Cancelled(String),
    /// The job becomes this one and stays under its lease: a due step that has been
    /// rendered and is about to be sent.
    Become(Box<Job>),
}
