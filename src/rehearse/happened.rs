//! What happens in a rehearsal, as people speak of it: replies, e-mails, events, retries.

use serde_json::{Map, Value};

use crate::base::Id;
use crate::engine::Reply;
use crate::model::queue::CAPTURED;
use crate::model::{Job, JobState, Task};

/// Something that has happened.
#[derive(Clone, Debug)]
pub struct Happened {
    /// When, in milliseconds since 1970.
    pub at: i64,
    /// When it was to happen: the same, unless a rate or a retry put it off.
    pub planned: i64,
    /// When it was to happen before the window of its sequence moved it, if it did.
    pub moved_from: Option<i64>,
    /// The call that set it off.
    pub call: Id,
    /// What.
    pub what: What,
}

/// What has happened.
#[derive(Clone, Debug)]
pub enum What {
    /// A call was answered.
    Reply {
        /// The call, such as `post christmas/signup-handler`.
        call: String,
        /// The answer.
        reply: Reply,
    },
    /// A call has written a record.
    Saved {
        /// Its name.
        record: String,
        /// Its id.
        id: String,
        /// Its fields afterwards.
        fields: Map<String, Value>,
    },
    /// An e-mail was sent, or tried to.
    Email {
        /// Its name.
        name: String,
        /// The sequence.
        sequence: String,
        /// To whom.
        to: String,
        /// Its subject.
        subject: String,
        /// Its variant; none where it has only one.
        variant: Option<String>,
        /// Its plain text.
        text: String,
    },
    /// An event was sent for the first time, or tried to.
    Event {
        /// Its name.
        name: String,
        /// The service.
        to: String,
        /// Its body.
        body: Value,
    },
    /// A record was mirrored to a service for the first time, or tried to.
    Mirrored {
        /// Its name.
        record: String,
        /// Its id.
        id: String,
        /// The service.
        to: String,
    },
    /// An event, e-mail or record was tried again.
    Retry {
        /// Its name.
        name: String,
        /// The service.
        to: String,
        /// How many retries there were with this one.
        number: u32,
    },
    /// An event, e-mail or record was given up.
    Failed {
        /// Its name.
        name: String,
        /// Why.
        why: String,
    },
    /// An e-mail or event was left out, or a sequence not started.
    Skipped {
        /// Its name.
        name: String,
        /// To whom it would have gone.
        to: Option<String>,
        /// Why.
        why: String,
    },
}

/// What became of a job that was due: it was so before, and is so now.
pub(super) fn of(before: &Job, after: &Job) -> Vec<What> {
    let name = after.event_type.clone();
    let captured = after.reason.as_deref() == Some(CAPTURED);
    let mut found = Vec::new();
    if after.attempts > before.attempts && before.attempts > 0 {
        let to = after.lane.clone();
        found.push(What::Retry { name: name.clone(), to, number: before.attempts });
    } else if after.attempts > before.attempts || captured {
        found.extend(first(after));
    }
    match (after.state, &after.reason) {
        (JobState::Failed, why) => {
            found.push(What::Failed { name, why: why.clone().unwrap_or_default() });
        }
        (JobState::Cancelled, why) if !captured => {
            let to = Some(after.target.clone()).filter(|to| !to.is_empty());
            found.push(What::Skipped { name, to, why: why.clone().unwrap_or_default() });
        }
        _ => {}
    }
    found
}

/// The first attempt at a job.
fn first(job: &Job) -> Option<What> {
    Some(match &job.task {
        Task::Email(email) => What::Email {
            name: email.name.clone(),
            sequence: email.sequence.clone(),
            to: email.to.clone(),
            subject: email.subject.clone(),
            variant: email.variant.clone(),
            text: email.text.clone(),
        },
        Task::Event { event, body, .. } => What::Event {
            name: event.clone(),
            to: job.lane.clone(),
            body: serde_json::from_slice(body).unwrap_or_default(),
        },
        Task::Mirror { record, id } => {
            What::Mirrored { record: record.clone(), id: id.clone(), to: job.lane.clone() }
        }
        Task::Step { .. } => return None,
    })
}
