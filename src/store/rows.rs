//! What each row holds. Values are postcard, a compact binary form that cannot hold free
//! JSON; JSON is therefore kept as text.

use serde::de::DeserializeOwned;
use serde::{Deserialize, Serialize};

use super::kv::{Batch, Kv, Way, payload};
use super::{Stat, StoreError, keys};
use crate::base::Id;
use crate::model::commit::NextStep;
use crate::model::queue::{
    Enrolment, Execution, ExecutionState, Job, JobState, PAUSED, Progress, Task,
};

/// Longest body that lies in the row of its execution.
const INLINE: usize = 8 * 1024;

/// An execution as it was accepted. A short body follows it in the same row.
#[derive(Clone, Debug, Serialize, Deserialize)]
pub(super) struct Head {
    pub(super) execution: Execution,
    /// Sequence and key of each enrolment that it started.
    pub(super) enrolled: Vec<(String, String)>,
    /// Jobs and enrolments that it left open.
    pub(super) open: u32,
    /// Whether all of them were due later.
    pub(super) waits: bool,
    /// Whether the body follows.
    pub(super) inline: bool,
}

impl Head {
    /// Progress while nothing has happened since.
    pub(super) fn progress(&self) -> Progress {
        let mut history = vec![(self.execution.state, self.execution.at)];
        if self.waits {
            history.push((ExecutionState::Paused, self.execution.at));
        }
        Progress { open: self.open, history, ..Progress::default() }
    }
}

/// A job that exists as such.
#[derive(Clone, Debug, Serialize, Deserialize)]
pub(super) struct StoredJob {
    pub(super) job: Job,
    /// The enrolment that it came from.
    pub(super) enrolment: Option<Id>,
    /// Set while it could not be called back: it ends for this reason instead of being
    /// tried again.
    pub(super) cancel: Option<String>,
    /// Whether its execution counts it as open. The next step of an enrolment is not: the
    /// enrolment is.
    pub(super) counted: bool,
    /// Its newest attempts, oldest first.
    pub(super) tries: Vec<Id>,
}

impl StoredJob {
    /// A job that is queued by itself.
    pub(super) fn new(job: Job) -> Self {
        Self { job, enrolment: None, cancel: None, counted: true, tries: Vec::new() }
    }

    /// Whether it is held aside because its sequence is paused.
    pub(super) fn is_held(&self) -> bool {
        self.job.state == JobState::Pending && self.job.reason.as_deref() == Some(PAUSED)
    }

    /// Where its due row lies, or the row that stands for it while it is held aside.
    pub(super) fn due_key(&self) -> Vec<u8> {
        let job = &self.job;
        if let (true, Some((sequence, _))) = (self.is_held(), &job.enrolment) {
            return keys::held(sequence, job.due, job.id);
        }
        // What was put off before it was ever tried still has its first try before it.
        let retry = job.due > job.planned && (job.attempts > 0 || job.by_hand);
        keys::due(&job.lane, retry, job.priority, job.due, job.id)
    }

    /// The jobs with which it goes one at a time.
    pub(super) fn group(&self) -> Option<Vec<u8>> {
        match (&self.job.task, &self.job.order) {
            (Task::Mirror { record, id }, _) => {
                Some(keys::group(&self.job.lane, &format!("mirror {record} {id}")))
            }
            (_, Some(order)) => Some(keys::group(&self.job.lane, &format!("order {order}"))),
            _ => None,
        }
    }

    /// Whether it is a step that has not become anything yet.
    pub(super) fn is_step(&self) -> bool {
        matches!(self.job.task, Task::Step { .. })
    }
}

/// An enrolment with how its next step is queued.
#[derive(Clone, Debug, Serialize, Deserialize)]
pub(super) struct StoredEnrolment {
    pub(super) enrolment: Enrolment,
    pub(super) lane: String,
    pub(super) priority: i64,
    /// When the next step is due: as planned, or later.
    pub(super) due: i64,
}

impl StoredEnrolment {
    /// An enrolment whose next step goes there.
    pub(super) fn new(enrolment: Enrolment, next: NextStep) -> Self {
        let due = enrolment.upcoming().map_or(0, |(_, due)| *due);
        Self { enrolment, lane: next.lane, priority: next.priority, due }
    }

    /// How the next step is queued.
    pub(super) fn next(&self) -> NextStep {
        NextStep { lane: self.lane.clone(), priority: self.priority }
    }

    /// The next step as a job.
    pub(super) fn step(&self) -> Option<StoredJob> {
        let enrolment = &self.enrolment;
        let (step, planned) = enrolment.upcoming()?;
        let task = Task::Step {
            sequence: enrolment.sequence.clone(),
            key: enrolment.key.clone(),
            enrolment: enrolment.id,
            step: step.clone(),
        };
        let (id, lane) = (enrolment.job_id(step), self.lane.clone());
        let job = Job {
            priority: self.priority,
            planned: *planned,
            created: enrolment.started,
            updated: enrolment.updated,
            event_type: step.clone(),
            target: enrolment.to.clone(),
            enrolment: Some((enrolment.sequence.clone(), enrolment.key.clone())),
            ..Job::new(id, enrolment.execution, lane, task, self.due)
        };
        Some(StoredJob { enrolment: Some(enrolment.id), counted: false, ..StoredJob::new(job) })
    }

    /// Why it ended early, if it did.
    pub(super) fn stop_reason(&self) -> Option<&str> {
        self.enrolment.state.ended_by()
    }

    /// Where it lies.
    pub(super) fn key(&self) -> Vec<u8> {
        keys::enrolment(&self.enrolment.sequence, &self.enrolment.key)
    }
}

/// An edition of a sequence that somebody has begun.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub(super) struct StoredEdition {
    pub(super) text: String,
    /// When it was kept: somebody began with it, or was moved to it, for the first time.
    pub(super) since: i64,
}

/// How many people follow an edition.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub(super) struct Followers {
    pub(super) sequence: String,
    /// Hash of the edition.
    pub(super) edition: String,
    /// Active enrolments.
    pub(super) people: u64,
    /// When that last changed.
    pub(super) updated: i64,
}

/// What a due row stands for; the id is in its key.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub(super) enum Due {
    /// A job with a row of its own.
    Job,
    /// The next step of the enrolment in this row.
    Step(Vec<u8>),
}

/// An idempotency key that was used.
#[derive(Debug, Serialize, Deserialize)]
pub(super) struct UsedKey {
    pub(super) execution: Id,
    pub(super) body: [u8; 32],
    pub(super) expires: i64,
}

/// Counts of one kind of job.
#[derive(Debug, Serialize, Deserialize)]
pub(super) struct Counter {
    pub(super) event_type: String,
    pub(super) lane: String,
    pub(super) stat: Stat,
}

/// How much work waits in a lane: see [`waits`].
pub(super) fn backlog(kv: &dyn Kv, lane: &str) -> Result<u64, StoreError> {
    Ok(read(kv, &keys::backlog(lane))?.unwrap_or(0))
}

/// Whether a pending job is work that waits, as opposed to work for which its time has not
/// come: a step of a sequence that was due when the sequence began, and everything that is
/// no step any more (or never was one).
pub(super) fn waits(job: &Job) -> bool {
    !matches!(job.task, Task::Step { .. }) || job.planned <= job.created
}

/// What most rows fit into.
const USUAL: usize = 512;

/// A row as bytes.
pub(super) fn encode<T: Serialize>(row: &T) -> Result<Vec<u8>, StoreError> {
    postcard::to_extend(row, Vec::with_capacity(USUAL))
        .map_err(|error| StoreError::Damaged(error.to_string()))
}

/// The row behind a raw value.
pub(super) fn decode<T: DeserializeOwned>(
    kv: &dyn Kv,
    key: &[u8],
    raw: &[u8],
) -> Result<T, StoreError> {
    payload(kv, key, raw)?
        .and_then(|bytes| postcard::from_bytes(&bytes).ok())
        .ok_or_else(|| unreadable(key))
}

pub(super) fn unreadable(key: &[u8]) -> StoreError {
    StoreError::Damaged(format!("{} cannot be read (row {})", keys::kind(key), hex::encode(key)))
}

/// The whole value of a row. A reader may come between two writes of a long row: then it
/// looks again.
pub(super) fn bytes(kv: &dyn Kv, key: &[u8]) -> Result<Option<Vec<u8>>, StoreError> {
    for _ in 0..3 {
        let Some(raw) = kv.get(key)? else { return Ok(None) };
        if let Some(bytes) = payload(kv, key, &raw)? {
            return Ok(Some(bytes));
        }
    }
    Err(unreadable(key))
}

/// The row of a key.
pub(super) fn read<T: DeserializeOwned>(kv: &dyn Kv, key: &[u8]) -> Result<Option<T>, StoreError> {
    bytes(kv, key)?
        .map(|bytes| postcard::from_bytes(&bytes).map_err(|_| unreadable(key)))
        .transpose()
}

/// Writes a row of any length.
pub(super) fn write<T: Serialize>(
    batch: &mut Batch<'_>,
    key: Vec<u8>,
    row: &T,
) -> Result<(), StoreError> {
    batch.put(key, &encode(row)?)
}

/// A job's own row.
pub(super) fn job(kv: &dyn Kv, id: Id) -> Result<Option<StoredJob>, StoreError> {
    read(kv, &keys::by_id(keys::JOB, id))
}

/// The newest enrolment of a key.
pub(super) fn enrolment(
    kv: &dyn Kv,
    sequence: &str,
    key: &str,
) -> Result<Option<StoredEnrolment>, StoreError> {
    read(kv, &keys::enrolment(sequence, key))
}

/// An execution as it was accepted. What follows in its row does not disturb.
pub(super) fn head(kv: &dyn Kv, id: Id) -> Result<Option<Head>, StoreError> {
    read(kv, &keys::by_id(keys::EXECUTION, id))
}

/// Writes an execution with its body. `fresh` says that it was never written before.
pub(super) fn write_head(
    batch: &mut Batch<'_>,
    mut head: Head,
    body: &[u8],
    fresh: bool,
) -> Result<(), StoreError> {
    let id = head.execution.id;
    head.inline = body.len() <= INLINE;
    let mut row = encode(&head)?;
    if head.inline {
        row.reserve_exact(body.len());
        row.extend(body);
    } else {
        batch.put(keys::body(id), body)?;
    }
    let key = keys::by_id(keys::EXECUTION, id);
    if fresh {
        batch.put_new(key, &row);
        return Ok(());
    }
    batch.put(key, &row)
}

/// The raw body of an execution's call.
pub(super) fn body(kv: &dyn Kv, id: Id) -> Result<Option<Vec<u8>>, StoreError> {
    let key = keys::by_id(keys::EXECUTION, id);
    let Some(row) = bytes(kv, &key)? else { return Ok(None) };
    let (head, tail): (Head, _) = postcard::take_from_bytes(&row).map_err(|_| unreadable(&key))?;
    if head.inline { Ok(Some(tail.to_vec())) } else { bytes(kv, &keys::body(id)) }
}

/// How far an execution has come, without what is in flight.
pub(super) fn progress(kv: &dyn Kv, head: &Head) -> Result<Progress, StoreError> {
    let row = read(kv, &keys::progress(head.execution.id))?;
    Ok(row.unwrap_or_else(|| head.progress()))
}

/// The enrolment whose next step has this id. Ids of steps carry the time of the call that
/// started them, so only the calls of that millisecond are looked at.
pub(super) fn enrolment_of_step(
    kv: &dyn Kv,
    id: Id,
) -> Result<Option<StoredEnrolment>, StoreError> {
    let from = keys::by_id(keys::EXECUTION, Id::floor(id.millis()));
    let to = keys::by_id(keys::EXECUTION, Id::floor(id.millis() + 1));
    for row in kv.scan(&from, &to, Way::Up) {
        let (key, raw) = row?;
        let head: Head = decode(kv, &key, &raw)?;
        for (sequence, key) in &head.enrolled {
            let found = enrolment(kv, sequence, key)?;
            if let Some(found) = found
                && found.step().is_some_and(|step| step.job.id == id)
            {
                return Ok(Some(found));
            }
        }
    }
    Ok(None)
}

/// The job that a due row stands for: its own row, or the next step of an enrolment.
pub(super) fn due(kv: &dyn Kv, id: Id, due: &Due) -> Result<Option<StoredJob>, StoreError> {
    let own = job(kv, id)?;
    match due {
        Due::Step(row) if own.is_none() => {
            let enrolment: Option<StoredEnrolment> = read(kv, row)?;
            let step = enrolment.and_then(|enrolment| enrolment.step());
            Ok(step.filter(|step| step.job.id == id))
        }
        _ => Ok(own),
    }
}

/// The prefix of each lane's priorities that have due rows, or of each sequence that has rows
/// held aside, in order. It leaps from one to the next: a look for each, whatever lies in them.
pub(super) fn classes(kv: &dyn Kv, kind: u8) -> Result<Vec<Vec<u8>>, StoreError> {
    let mut classes = Vec::new();
    let mut from = vec![kind];
    let end = keys::end(&from);
    while let Some(row) = kv.scan(&from, &end, Way::Up).next() {
        let key = row?.0;
        let (class, _) = keys::split_due(&key).ok_or_else(|| unreadable(&key))?;
        from = keys::end(class);
        classes.push(class.to_vec());
    }
    Ok(classes)
}
