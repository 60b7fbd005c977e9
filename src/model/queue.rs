//! What happens because of the rules, as it is stored: executions (one accepted call
//! each), jobs (one thing to do at one time), attempts, enrolments (one person in one
//! sequence) and records. Times are milliseconds since 1970, JSON is kept as text.

use serde::{Deserialize, Serialize};

use crate::base::Id;

/// The reason of jobs and enrolments that ended because a person killed their execution: it
/// ends KILLED.
pub const KILLED: &str = "killed";
/// The reason of an e-mail that was captured in the outbox instead of sent.
pub const CAPTURED: &str = "captured";
/// The flag that stops all sending; its value is the time since when.
pub const PAUSED_FLAG: &str = "queue-paused";

/// States of an execution, in Kestra's words.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, PartialOrd, Ord, Serialize, Deserialize)]
pub enum ExecutionState {
    /// Accepted and durable.
    Created,
    /// A job of it is being done.
    Running,
    /// Waiting for a due step or retry.
    Paused,
    /// Everything was done.
    Success,
    /// Done, but something was skipped or cancelled.
    Warning,
    /// A job failed for good.
    Failed,
    /// Ended by a person.
    Killed,
    /// Refused by a rule; nothing was started.
    Cancelled,
}

impl ExecutionState {
    /// Every state.
    pub const ALL: [Self; 8] = [
        Self::Created,
        Self::Running,
        Self::Paused,
        Self::Success,
        Self::Warning,
        Self::Failed,
        Self::Killed,
        Self::Cancelled,
    ];

    /// Kestra's spelling.
    #[must_use]
    pub fn word(self) -> &'static str {
        match self {
            Self::Created => "CREATED",
            Self::Running => "RUNNING",
            Self::Paused => "PAUSED",
            Self::Success => "SUCCESS",
            Self::Warning => "WARNING",
            Self::Failed => "FAILED",
            Self::Killed => "KILLED",
            Self::Cancelled => "CANCELLED",
        }
    }

    /// Whether nothing more will happen.
    #[must_use]
    pub fn is_end(self) -> bool {
        !matches!(self, Self::Created | Self::Running | Self::Paused)
    }
}

/// One accepted call (or one that a `require` refused). Written once; what happens later
/// is in its [`Progress`].
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Execution {
    /// Its id.
    pub id: Id,
    /// The webhook group, or `events`, or `records`.
    pub namespace: String,
    /// The endpoint, event or record name: Kestra's flow id.
    pub flow: String,
    /// When it arrived.
    pub at: i64,
    /// Hash of the rule set that decided it.
    pub rules: String,
    /// The person it is about, lower-cased, if it names one.
    pub person: Option<String>,
    /// Labels such as `refused`.
    pub labels: Vec<(String, String)>,
    /// Status of the answer.
    pub reply_status: u16,
    /// The answer's JSON text.
    pub reply: String,
    /// What the decision did, in sentences.
    pub logs: Vec<LogLine>,
    /// State right after the decision: `Created`, `Success` when nothing is left to do,
    /// `Cancelled` when refused.
    pub state: ExecutionState,
    /// Address of the caller, if known.
    pub remote: Option<String>,
}

/// How far an execution has come.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct Progress {
    /// Jobs and enrolment steps that are not finished.
    pub open: u32,
    /// Jobs that were done.
    pub done: u32,
    /// Jobs that failed for good.
    pub failed: u32,
    /// Jobs that were skipped or cancelled.
    pub cancelled: u32,
    /// Each change of state with its time, oldest first; the last one is current.
    pub history: Vec<(ExecutionState, i64)>,
}

/// How loud a log line is.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub enum Level {
    /// Went as planned.
    Info,
    /// Skipped, retried, cancelled.
    Warn,
    /// Failed.
    Error,
}

/// One line of an execution's log.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct LogLine {
    /// When.
    pub at: i64,
    /// How loud.
    pub level: Level,
    /// The step, event or e-mail it is about.
    pub task: Option<String>,
    /// What happened, as a sentence.
    pub message: String,
}

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
    /// The whole message as it goes over the wire (RFC 5322).
    pub message: Vec<u8>,
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
    /// Why it ended the way it did.
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

/// Why an attempt failed, by whose fault it was.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, Serialize, Deserialize)]
pub enum AttemptError {
    /// The name did not resolve.
    Dns,
    /// No connection, or it broke.
    Connection,
    /// TLS could not be agreed.
    Tls,
    /// The deadline passed.
    Timeout,
    /// The receiver answered with a status that is not success.
    Status,
    /// The receiver sent a redirect.
    Redirect,
    /// A private address that is not allowed: our configuration.
    Blocked,
    /// SMTP login or session trouble: our configuration.
    Login,
    /// The mailbox refused the message for good.
    Bounce,
    /// The mailbox asked to try later.
    Deferred,
    /// Nobody can know whether it arrived.
    Unknown,
    /// Our own fault otherwise.
    Internal,
}

impl AttemptError {
    /// The stable word in logs and the API.
    #[must_use]
    pub fn word(self) -> &'static str {
        match self {
            Self::Dns => "dns",
            Self::Connection => "connection",
            Self::Tls => "tls",
            Self::Timeout => "timeout",
            Self::Status => "status",
            Self::Redirect => "redirect",
            Self::Blocked => "blocked",
            Self::Login => "login",
            Self::Bounce => "bounce",
            Self::Deferred => "deferred",
            Self::Unknown => "unknown",
            Self::Internal => "internal",
        }
    }
}

/// One try to do a job.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Attempt {
    /// Its id, of the time it began.
    pub id: Id,
    /// The job.
    pub job: Id,
    /// The job's execution.
    pub execution: Id,
    /// The guide's `event_type`.
    pub event_type: String,
    /// Where it went.
    pub target: String,
    /// How long it took.
    pub duration_ms: u64,
    /// The status that came back.
    pub status: Option<u16>,
    /// Why it failed; none is success.
    pub error: Option<AttemptError>,
    /// The error as a sentence.
    pub message: Option<String>,
    /// The first 4 KiB of the reply.
    pub reply: String,
}

/// A call that was not accepted, for `GET /webhook-logs`.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Refusal {
    /// Its id, of the time it came.
    pub id: Id,
    /// `group/endpoint`, or nothing where no endpoint was reached.
    pub endpoint: String,
    /// The status it got.
    pub status: u16,
    /// Why.
    pub message: String,
    /// How long it took.
    pub duration_ms: u64,
    /// The caller.
    pub remote: Option<String>,
}

/// Where an enrolment stands.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub enum EnrolmentState {
    /// Steps are left.
    Active,
    /// Every step was reached.
    Finished,
    /// Ended early, for this reason.
    Stopped(String),
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
    /// Hash of the rule set that started it.
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

    /// The id of a step's job.
    #[must_use]
    pub fn job_id(&self, step: &str) -> Id {
        self.id.derive(step)
    }
}

/// Remembered data.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Record {
    /// Record name.
    pub name: String,
    /// Its id.
    pub id: String,
    /// The fields as JSON text (an object).
    pub fields: String,
    /// Counts writes, from 1.
    pub version: u64,
    /// When it last changed.
    pub updated: i64,
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
}

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
    /// Given up, for this reason.
    Failed(String),
    /// Not done, for this reason.
    Cancelled(String),
    /// The job becomes this one and stays under its lease: a due step that has been
    /// rendered and is about to be sent.
    Become(Box<Job>),
}

/// What one try came to, as a transport reports it.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Tried {
    /// How long it took.
    pub duration: std::time::Duration,
    /// The status that came back: HTTP's, or SMTP's.
    pub status: Option<u16>,
    /// Why it failed; none is success.
    pub error: Option<AttemptError>,
    /// The error (or a note on the success) as a sentence.
    pub message: Option<String>,
    /// How long the receiver asked us to wait.
    pub retry_after: Option<std::time::Duration>,
    /// The first 4 KiB of the reply, as text.
    pub reply: String,
}
