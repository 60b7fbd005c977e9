//! What is written together. A [`Commit`] names what it assumed; the store checks that
//! against itself and against everything else that is being written, and answers
//! `Conflict` when the world has moved on: then the caller decides again.

use std::sync::Arc;

use bytes::Bytes;

use super::queue::{
    Attempt, Counted, Enrolment, Execution, Fingerprint, Job, Lease, Limit, LogLine, Record,
    Suppression, Transition,
};
use super::rules::Edition;
use crate::base::Id;

/// Everything that one call, or one finished job, writes: all of it or nothing.
#[derive(Clone, Debug, Default)]
pub struct Commit {
    /// When it was decided.
    pub now: i64,
    /// The call itself, with its raw body.
    pub execution: Option<(Execution, Bytes)>,
    /// What makes a second call the same as this one.
    pub keys: Vec<IdempotencyKey>,
    /// What the decision saw.
    pub assumes: Vec<Assumption>,
    /// What it writes.
    pub writes: Vec<Write>,
    /// The most jobs that may wait in a lane to which this adds one; with more, nothing is
    /// written. Steps of sequences whose time has not come do not count. None: no limit,
    /// for what was accepted already.
    pub backlog: Option<u64>,
    /// What rulerun does by itself about what was accepted already, and what ends or holds
    /// it up: that goes on while calls are turned away.
    pub own: bool,
}

/// What tells two calls apart.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct IdempotencyKey {
    /// `group/endpoint`.
    pub endpoint: String,
    /// Kind and value, such as `key:abc` or `webhook-id:msg_1`.
    pub key: String,
    /// SHA-256 of the raw body: the same key with another body is refused.
    pub body: [u8; 32],
    /// Until when it binds.
    pub expires: i64,
}

/// Something that must still be so when the commit happens.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Assumption {
    /// The record has this version; 0 means that it does not exist.
    Record {
        /// Record name.
        name: String,
        /// Its id.
        id: String,
        /// The version seen.
        version: u64,
    },
    /// The newest enrolment of a key is this one, with this many changes.
    Enrolment {
        /// The sequence.
        sequence: String,
        /// The key.
        key: String,
        /// Its id and whether it was active; none means that there was none.
        seen: Option<(Id, bool)>,
    },
    /// A flag has this value; none means that it is not set.
    Flag {
        /// Its name.
        name: String,
        /// The value seen.
        seen: Option<String>,
    },
}

/// One thing to write.
#[derive(Clone, Debug)]
pub enum Write {
    /// Put a record. Its version must be the one seen plus one.
    Record(Record),
    /// Remove a record.
    DeleteRecord {
        /// Record name.
        name: String,
        /// Its id.
        id: String,
    },
    /// Put a person into a sequence, replacing an ended enrolment of the same key; its next
    /// step becomes due. `lane` is the lane of that step and `priority` its priority.
    Enrol {
        /// The enrolment.
        enrolment: Enrolment,
        /// How its next step is queued.
        step: NextStep,
    },
    /// Keep an edition of a sequence, unless it is kept already.
    Edition {
        /// The sequence.
        sequence: String,
        /// The edition.
        edition: Arc<Edition>,
    },
    /// Move an enrolment past its current step: `from` must still be its next step.
    Advance {
        /// The sequence.
        sequence: String,
        /// The key.
        key: String,
        /// The enrolment.
        enrolment: Id,
        /// Index of the step that was reached.
        from: u32,
        /// How the step after it is queued; none when it was the last.
        step: Option<NextStep>,
    },
    /// Give an active enrolment another plan for what is left of it: `from` must still be
    /// its next step, and nobody may be at that step at this moment, or nothing is written.
    Replan {
        /// The sequence.
        sequence: String,
        /// The key.
        key: String,
        /// The enrolment.
        enrolment: Id,
        /// Index of its next step; what lies before it was reached and stays.
        from: u32,
        /// Hash of the edition of the sequence that it follows from now on.
        rules: String,
        /// The steps that are left with their due moments, earliest first. None of them may
        /// be one that was reached.
        left: Vec<(String, i64)>,
        /// How the first of them is queued; none when nothing is left.
        step: Option<NextStep>,
    },
    /// End a person's active enrolments in a sequence and cancel what they have queued.
    Stop {
        /// The sequence.
        sequence: String,
        /// The address, lower-cased.
        person: String,
        /// Only the enrolment of this key; none means all of them.
        key: Option<String>,
        /// Why.
        reason: String,
    },
    /// A person did what a sequence is for: end their active enrolments in it as converted,
    /// and count it for the last step that was sent. Those who finished at most so long ago
    /// count too, each once.
    Convert {
        /// The sequence.
        sequence: String,
        /// The address, lower-cased.
        person: String,
        /// Only the enrolment of this key; none means all of them.
        key: Option<String>,
        /// How it is known, in words.
        reason: String,
        /// Who finished before this moment does not count any more.
        since: i64,
    },
    /// Queue a job.
    Enqueue(Job),
    /// Queue a mirror job, unless one that has not begun is queued already.
    Mirror(Job),
    /// Add a line to an execution's log.
    Log {
        /// The execution.
        execution: Id,
        /// The line.
        line: LogLine,
    },
    /// Keep a file that an e-mail names, for as long as that job is kept. Its bytes are written
    /// once, however many e-mails name it.
    File {
        /// The e-mail's job.
        job: Id,
        /// SHA-256 over the file, in hex.
        hash: String,
        /// The file in base64, as it goes into a message.
        coded: Arc<str>,
    },
    /// Put an address on the suppression list, for all sequences.
    Suppress {
        /// The address, lower-cased.
        address: String,
        /// `unsubscribed`, `bounced`, `soft-bounced`, `complained` or `manual`.
        reason: String,
        /// Where it came from, for people.
        note: String,
    },
    /// Put an entry on the suppression list, unless it is there: the first one stays.
    Suppression(Suppression),
    /// Take an entry off the suppression list.
    Unsuppress {
        /// Whose.
        who: Fingerprint,
        /// Its reason.
        reason: String,
        /// Its sequence; none is the entry for all of them.
        sequence: Option<String>,
    },
    /// Let a marketing e-mail take one of the places that caps leave its person. Together with
    /// [`Transition::Become`] nothing is written when there is none.
    TakePlace {
        /// The person.
        who: Fingerprint,
        /// The e-mail's job.
        job: Id,
        /// When, in milliseconds since 1970.
        at: i64,
        /// The caps that may hold it back.
        limits: Vec<Limit>,
        /// For how many milliseconds it counts: as long as the longest cap of all looks back.
        keep: i64,
    },
    /// Count one more of these.
    Tally(Counted),
    /// Count one more of these, unless that was counted for this job before.
    TallyOnce {
        /// The job.
        job: Id,
        /// What is counted.
        counted: Counted,
    },
    /// Set or clear a small durable flag, such as a paused queue.
    Flag {
        /// Its name.
        name: String,
        /// Its value; none clears it.
        value: Option<String>,
    },
}

/// How the next step of an enrolment stands in the queue.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct NextStep {
    /// The service it goes to.
    pub lane: String,
    /// Its priority.
    pub priority: i64,
}

/// A claimed job that was tried (or found not worth trying).
#[derive(Clone, Debug)]
pub struct Finished {
    /// The lease under which it was done.
    pub lease: Lease,
    /// What becomes of it.
    pub transition: Transition,
    /// The attempt, if one was made.
    pub attempt: Option<Attempt>,
    /// What else is written with it.
    pub writes: Vec<Write>,
}
