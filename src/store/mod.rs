//! State. The [`Store`] trait speaks of executions, jobs, enrolments and records, never of
//! keys and values. `memory` keeps everything in a map, `sled` on disk; both run the same
//! ledger and pass the same contract tests. Nothing is answered before `commit` says it is
//! durable, and nothing is sent that was not first written down.

mod care;
mod claims;
mod doctor;
mod keys;
mod kv;
mod ledger;
mod memory;
mod read;
mod rows;
mod runner;
mod sled;
#[cfg(test)]
mod tests;

use std::future::Future;
use std::pin::Pin;
use std::sync::Arc;

use tokio::sync::Notify;

use crate::base::Id;
use crate::model::commit::{Commit, Finished};
use crate::model::queue::{
    Attempt, Counted, Enrolment, Execution, ExecutionState, Fingerprint, Job, JobState, Leased,
    LogLine, Places, Progress, Record, Refusal, Suppression,
};
use crate::model::rules::Edition;

pub use self::care::{Backup, Contents, Unfit, check as check_backup};
pub use self::doctor::{Finding, Flaw};
pub use self::memory::MemoryStore;
pub use self::sled::care::{
    CareError, Examined, Restored, back_up_folder, examine_backup, examine_folder, is_store,
    is_used, restore,
};
pub use self::sled::{FolderStore, OnFatal, OpenError, SledStore};

/// A boxed future, so that `dyn Store` can be shared.
pub type Answer<'a, T> = Pin<Box<dyn Future<Output = Result<T, StoreError>> + Send + 'a>>;

/// Why the store could not do what was asked.
#[derive(Debug, thiserror::Error)]
pub enum StoreError {
    /// Too much is waiting: try again in a moment.
    #[error("the store is busy")]
    Full,
    /// There is too little room on the disk to accept anything from outside. What is accepted
    /// already goes on.
    #[error("there is too little space on the disk: {free} MiB are free, {wanted} MiB are needed")]
    NoSpace {
        /// MiB that are free.
        free: u64,
        /// MiB from which on calls are accepted again.
        wanted: u64,
    },
    /// The store has stopped, after an error or while shutting down.
    #[error("the store has stopped: {0}")]
    Stopped(String),
    /// The disk or file system failed.
    #[error("the store cannot write: {0}")]
    Io(String),
    /// A row cannot be read.
    #[error("the store is damaged: {0}")]
    Damaged(String),
    /// A backup cannot be made or finished.
    #[error("no backup can be made: {0}")]
    Backup(String),
}

/// A wall clock that was set. Times are in milliseconds.
#[derive(Clone, Copy, Debug)]
pub struct ClockSet {
    /// By how much; back, where it is negative.
    pub by: i64,
    /// When it was last seen to be right, in the time of now: whatever was written earlier was
    /// written before it was set.
    pub since: i64,
    /// What it says now.
    pub now: i64,
    /// What was written in the time before it was set has been moved; now this is about calls
    /// that came in so many milliseconds before that and have been written since.
    pub latecomers: Option<i64>,
}

/// What became of a commit.
#[derive(Debug)]
pub enum Committed {
    /// Durable. `in_flight` lists jobs that a `Stop` in it could not call back because they
    /// are being sent at this moment; see [`Store::settled`].
    Done {
        /// Jobs under a lease that belong to a stopped enrolment.
        in_flight: Vec<Id>,
    },
    /// The same call was accepted before; this is its execution.
    Replayed(Box<Execution>),
    /// An idempotency key was used before with another body, or so long ago that the first
    /// call's answer has been forgotten.
    KeyReused,
    /// Something that the commit assumed is no longer so: decide again.
    Conflict,
    /// More than the commit's `backlog` would wait in a lane: nothing was written.
    Crowded {
        /// The lane.
        lane: String,
    },
}

/// What became of a finished job.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Finish {
    /// Written.
    Done,
    /// The lease was not the current one: nothing was written.
    Stale,
    /// Only for `Become`: the enrolment was stopped meanwhile. The job is cancelled and must
    /// not be sent.
    Stopped,
    /// Only for `Become`: a cap leaves no place before this moment (in milliseconds since
    /// 1970). Nothing was written.
    Capped(i64),
}

/// Where a claim may take from.
#[derive(Clone, Debug)]
pub struct Claim {
    /// The present, in milliseconds.
    pub now: i64,
    /// Milliseconds until a lease runs out.
    pub lease: i64,
    /// At most so many jobs in all.
    pub limit: usize,
    /// Free places per lane; a lane that is not named has `default` places.
    pub free: Vec<(String, usize)>,
    /// Free places of a lane that is not named.
    pub default: usize,
}

/// What a claim took.
#[derive(Debug, Default)]
pub struct Claimed {
    /// The jobs, most urgent first within each lane.
    pub jobs: Vec<Leased>,
    /// When the next job of a lane with free places is due; none when there is none.
    pub next_due: Option<i64>,
}

/// Which executions to list.
#[derive(Clone, Debug, Default)]
pub struct ExecutionFilter {
    /// Namespace.
    pub namespace: Option<String>,
    /// Flow id.
    pub flow: Option<String>,
    /// Any of these states; empty means all.
    pub states: Vec<ExecutionState>,
    /// Label key and value.
    pub labels: Vec<(String, String)>,
    /// Person, lower-cased.
    pub person: Option<String>,
    /// Text within id, namespace, flow or person.
    pub text: Option<String>,
    /// Not before.
    pub since: Option<i64>,
    /// Before.
    pub until: Option<i64>,
}

/// Which jobs to list.
#[derive(Clone, Debug, Default)]
pub struct JobFilter {
    /// State.
    pub state: Option<JobState>,
    /// The guide's `event_type`.
    pub event_type: Option<String>,
    /// Text within the target.
    pub target: Option<String>,
    /// Of this execution.
    pub execution: Option<Id>,
    /// Overdue (pending) or leased (sending) for longer than this many milliseconds.
    pub stuck: Option<i64>,
    /// The present, in milliseconds; needed with `stuck`.
    pub now: i64,
    /// Exactly this end reason.
    pub reason: Option<String>,
}

/// One page of a list, newest first.
#[derive(Debug)]
pub struct Page<T> {
    /// The rows.
    pub rows: Vec<T>,
    /// How many rows match in all, counted up to a bound.
    pub total: usize,
}

/// An execution with how far it has come.
#[derive(Clone, Debug)]
pub struct ExecutionRow {
    /// As it was accepted.
    pub execution: Execution,
    /// What happened since.
    pub progress: Progress,
}

/// Counts of one kind of job: one line of `queue/stats?by=…`.
#[derive(Clone, Debug, Default, PartialEq, Eq, serde::Serialize, serde::Deserialize)]
pub struct Stat {
    /// Jobs in each state, in the order of [`JobState::ALL`].
    pub counts: [u64; 5],
    /// Retries of all finished jobs together.
    pub retries: u64,
    /// Most retries of one job.
    pub max_retries: u32,
    /// The last error.
    pub last_error: Option<String>,
}

/// A line of `GET /webhook-logs`.
#[derive(Clone, Debug)]
pub enum WebhookLog {
    /// A call that was accepted or refused by a rule.
    Accepted(Box<Execution>),
    /// A call that was turned away.
    Refused(Refusal),
    /// A try to deliver.
    Attempt(Attempt),
}

/// People who are mid-way in one edition of a sequence.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Following {
    /// The sequence.
    pub sequence: String,
    /// Hash of the edition.
    pub edition: String,
    /// How many; at least 1.
    pub people: u64,
}

/// What was removed of a person, see [`Store::forget`].
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Forgotten {
    /// Calls that were theirs, with their bodies and logs.
    pub executions: u64,
    /// Places in sequences.
    pub enrolments: u64,
    /// E-mails and deliveries that were about them, with every attempt.
    pub jobs: u64,
    /// Records under their address.
    pub records: u64,
    /// Other rows in which their address was replaced or for whose sake a row went.
    pub mentions: u64,
    /// Deliveries that are under way: when they are settled, forgetting must be asked for again.
    pub in_flight: Vec<Id>,
}

/// What became of a look at the jobs that are held aside.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct LetGo {
    /// How many are due again.
    pub moved: usize,
    /// Where the next look begins; none when this was the last.
    pub next: Option<Vec<u8>>,
}

/// State that survives. All times are milliseconds since 1970.
pub trait Store: Send + Sync + std::fmt::Debug {
    /// Writes everything of a commit, durably, or nothing.
    fn commit(&self, commit: Commit) -> Answer<'_, Committed>;

    /// A record.
    fn record(&self, name: &str, id: &str) -> Answer<'_, Option<Record>>;
    /// The newest enrolment of a key.
    fn enrolment(&self, sequence: &str, key: &str) -> Answer<'_, Option<Enrolment>>;
    /// Why an address gets no (marketing) e-mail.
    fn suppressions(&self, address: &str) -> Answer<'_, Vec<Suppression>>;
    /// The same by the hash of the address.
    fn suppressions_of(&self, who: Fingerprint) -> Answer<'_, Vec<Suppression>>;
    /// The suppression list in the order of the hashes, from behind this entry on, at most so
    /// many.
    fn suppression_list(
        &self,
        after: Option<Suppression>,
        take: usize,
    ) -> Answer<'_, Vec<Suppression>>;
    /// The marketing e-mails to an address, as far as caps look back.
    fn places(&self, address: &str) -> Answer<'_, Places>;
    /// A flag.
    fn flag(&self, name: &str) -> Answer<'_, Option<String>>;
    /// Every flag whose name begins so.
    fn flags(&self, prefix: &str) -> Answer<'_, Vec<(String, String)>>;

    /// A file that e-mails name, in base64, by the SHA-256 over its bytes in hex.
    fn file(&self, hash: &str) -> Answer<'_, Option<Vec<u8>>>;

    /// Takes due jobs under a lease: lane by lane, first tries before retries (of which every
    /// fourth place is one all the same), higher priority first, then older.
    fn claim(&self, claim: Claim) -> Answer<'_, Claimed>;
    /// Takes these jobs under a new lease, as far as they have not ended, whether they are due
    /// or not and whoever held them: for attempts that have happened already and only have to
    /// be written down.
    fn reclaim(&self, jobs: Vec<Id>, now: i64, until: i64) -> Answer<'_, Vec<Leased>>;
    /// Ends, postpones or transforms claimed jobs, in order; stale completions are refused.
    fn finish(&self, finished: Vec<Finished>) -> Answer<'_, Vec<Finish>>;
    /// Hands claimed jobs back untouched, not to be claimed before `due`.
    fn release(&self, leases: Vec<(crate::model::Lease, i64)>) -> Answer<'_, ()>;
    /// Prolongs leases to `until`; answers which are still held.
    fn renew(&self, leases: Vec<crate::model::Lease>, until: i64) -> Answer<'_, Vec<bool>>;
    /// Resolves when none of these jobs is under a lease any more.
    fn settled(&self, jobs: Vec<Id>) -> Answer<'_, ()>;
    /// Rings when work may have become due earlier than the last claim said.
    fn bell(&self) -> Arc<Notify>;

    /// An execution.
    fn execution(&self, id: Id) -> Answer<'_, Option<ExecutionRow>>;
    /// The raw body of an execution's call.
    fn body(&self, id: Id) -> Answer<'_, Option<Vec<u8>>>;
    /// Executions, newest first; `skip` and `take` page through them.
    fn executions(
        &self,
        filter: ExecutionFilter,
        skip: usize,
        take: usize,
    ) -> Answer<'_, Page<ExecutionRow>>;
    /// An execution's log, oldest first.
    fn logs(&self, execution: Id) -> Answer<'_, Vec<LogLine>>;
    /// A job with its attempts, oldest first.
    fn job(&self, id: Id) -> Answer<'_, Option<(Job, Vec<Attempt>)>>;
    /// Jobs, newest first; pending ones by due time.
    fn jobs(&self, filter: JobFilter, skip: usize, take: usize) -> Answer<'_, Page<Job>>;
    /// Counts by event type and lane.
    fn stats(&self) -> Answer<'_, Vec<((String, String), Stat)>>;
    /// What was counted about steps, of one sequence or all.
    fn tallies(&self, sequence: Option<String>) -> Answer<'_, Vec<(Counted, u64)>>;
    /// Calls and attempts since then, newest first.
    fn webhook_logs(&self, since: i64, take: usize) -> Answer<'_, Vec<WebhookLog>>;
    /// Records of a name, by id.
    fn records(&self, name: &str, skip: usize, take: usize) -> Answer<'_, Page<Record>>;
    /// Enrolments, of one sequence or all.
    fn enrolments(
        &self,
        sequence: Option<String>,
        skip: usize,
        take: usize,
    ) -> Answer<'_, Page<Enrolment>>;
    /// Enrolments of one sequence by key, from just behind this key on (from the first one
    /// where there is none), at most so many.
    fn enrolments_behind(
        &self,
        sequence: &str,
        after: Option<String>,
        take: usize,
    ) -> Answer<'_, Vec<Enrolment>>;
    /// An edition of a sequence that somebody has begun, and since when it is kept.
    fn edition(&self, sequence: &str, hash: &str) -> Answer<'_, Option<(Edition, i64)>>;
    /// How many people are mid-way by each edition, of one sequence or all.
    fn midway(&self, sequence: Option<String>) -> Answer<'_, Vec<Following>>;
    /// A person's newest enrolment of each sequence and key, by sequence and key.
    fn enrolments_of(&self, person: &str) -> Answer<'_, Vec<Enrolment>>;

    /// Queues failed or cancelled jobs again at `now`, with their retries back; answers how
    /// many.
    fn retry(&self, jobs: Vec<Id>, now: i64) -> Answer<'_, usize>;
    /// Counts failed e-mails of unknown fate as sent; answers how many.
    fn settle(&self, jobs: Vec<Id>, now: i64) -> Answer<'_, usize>;
    /// Cancels pending jobs (a job under a lease is cancelled when its attempt fails);
    /// answers how many.
    fn cancel(&self, jobs: Vec<Id>, reason: &str, now: i64) -> Answer<'_, usize>;
    /// What is held aside of a paused sequence, the earliest due first, and where the next part
    /// begins; none when this was the last.
    fn held(
        &self,
        sequence: &str,
        from: Vec<u8>,
        take: usize,
    ) -> Answer<'_, (Vec<Job>, Option<Vec<u8>>)>;
    /// Looks at so many of the jobs that are held aside while sequences are paused, from a
    /// place on (the beginning is empty), and makes those due again that no pause holds.
    fn let_go(&self, from: Vec<u8>, most: usize) -> Answer<'_, LetGo>;
    /// The clock was set: deliveries that wait for time to pass (queued ones, retries) are
    /// moved along, a few at a time; steps that are planned for a moment keep it, and what was
    /// written by the clock of now stays. Answers how many were moved.
    fn clock_was_set(&self, set: ClockSet) -> Answer<'_, usize>;
    /// Notes calls that were turned away. Not waited for, and bounded.
    fn note_refusals(&self, refusals: Vec<Refusal>);
    /// Removes finished executions, jobs, attempts and expired keys older than `before`;
    /// answers how many jobs and executions went.
    fn purge(&self, before: i64, now: i64) -> Answer<'_, usize>;

    /// Removes what is known of a person, a little at a time; what the suppression list says
    /// of them, and what was counted, stays. It can be asked for again and then goes on. `now`
    /// is in milliseconds since 1970.
    fn forget(&self, person: &str, now: i64) -> Answer<'_, Forgotten>;

    /// The next part of a backup, which is a copy of everything as it is when its last part
    /// is drawn. Calls go on meanwhile. One backup at a time; one that is fetched so slowly
    /// that 32 MiB of changes have piled up fails.
    fn backup(&self, backup: Backup) -> Answer<'_, Backup>;
    /// Compares all rows with each other; what does not agree is listed with how often. Only
    /// meaningful while nothing else uses the store. Reads every row once and looks most of
    /// them up once more, with about a hundred bytes of memory per execution with work left.
    fn examine(&self, now: i64) -> Answer<'_, Vec<Finding>>;

    /// Writes everything out and stops accepting.
    fn close(&self) -> Answer<'_, ()>;
    /// Why the store cannot accept work at the moment, if so.
    fn trouble(&self) -> Option<String>;
}
