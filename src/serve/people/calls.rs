//! Calls as they came: with the payload that they brought, what they were answered, and which
//! e-mails they have led to so far. Whoever edits the rules tries them again on these.

use serde_json::{Map, Value, json};

use super::{at, jobs_of};
use crate::base::{Id, time};
use crate::engine;
use crate::model::queue::{CAPTURED, Task};
use crate::model::{Job, JobState, Record};
use crate::payload;
use crate::serve::app::object;
use crate::store::{ExecutionFilter, ExecutionRow, Store, StoreError};

/// So many bytes of payloads are told at a time, and one call more.
const MAX_BYTES: usize = 8 * 1024 * 1024;

/// Where a part of the recorded calls begins. They are walked from the newest to the oldest.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Cursor {
    /// Not before, in milliseconds since 1970.
    pub since: i64,
    /// Before this, in milliseconds since 1970.
    pub until: i64,
    /// So many of the newest of these are left out.
    pub skip: usize,
}

/// A part of the recorded calls, newest first.
#[derive(Debug)]
pub struct Recording {
    /// The calls.
    pub calls: Vec<Recorded>,
    /// Where the next part begins; none when this was the last.
    pub next: Option<Cursor>,
}

/// A call as it came.
#[derive(Clone, Debug)]
pub struct Recorded {
    /// The execution's id.
    pub id: Id,
    /// When it came, in milliseconds since 1970.
    pub at: i64,
    /// The webhook group, or `events`, or `records`.
    pub namespace: String,
    /// The endpoint, event or record name.
    pub flow: String,
    /// Of a record that was written, its id.
    pub record: Option<String>,
    /// The person it is about, lower-cased.
    pub person: Option<String>,
    /// Hash of the rules that decided it.
    pub rules: String,
    /// Status of its answer.
    pub status: u16,
    /// Body of its answer.
    pub reply: Value,
    /// The payload as it was sent; empty where the call had no body.
    pub body: String,
    /// The e-mails that it has led to so far.
    pub sent: Vec<Sent>,
}

/// An e-mail that was sent, or kept in the outbox.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Sent {
    /// Its name.
    pub name: String,
    /// To whom.
    pub to: String,
    /// Its subject.
    pub subject: String,
    /// When it was to be sent, in milliseconds since 1970.
    pub planned: i64,
}

/// A record, as it is now.
#[derive(Clone, Debug)]
pub struct Remembered {
    /// Its id.
    pub id: String,
    /// Its fields.
    pub fields: Map<String, Value>,
    /// When it changed last, in milliseconds since 1970.
    pub updated: i64,
}

/// Recorded calls from there on, at most so many. What a sequence has sent by itself is no
/// call.
///
/// # Errors
/// The store cannot be read.
pub async fn calls(store: &dyn Store, from: Cursor, size: usize) -> Result<Recording, StoreError> {
    let filter = ExecutionFilter {
        since: Some(from.since),
        until: (from.until < i64::MAX).then_some(from.until),
        ..ExecutionFilter::default()
    };
    let rows = store.executions(filter, from.skip, size).await?.rows;
    let full = rows.len() == size;
    let (mut calls, mut bytes, mut end, mut cut) = (Vec::new(), 0, from, false);
    for row in &rows {
        if bytes > MAX_BYTES {
            cut = true;
            break;
        }
        end = end.past(row.execution.id.millis());
        // What a sequence sends by itself comes from nobody.
        if row.execution.namespace == "events" && row.execution.remote.is_none() {
            continue;
        }
        let call = recorded(store, row).await?;
        bytes += call.body.len();
        calls.push(call);
    }
    Ok(Recording { calls, next: (full || cut).then_some(end) })
}

async fn recorded(store: &dyn Store, row: &ExecutionRow) -> Result<Recorded, StoreError> {
    let one = &row.execution;
    let body = store.body(one.id).await?.unwrap_or_default();
    let jobs = jobs_of(store, one.id).await?;
    let written = one.logs.iter().filter_map(engine::remembered);
    let record = written.filter(|(name, _)| *name == one.flow).map(|(_, id)| id.to_owned()).next();
    Ok(Recorded {
        id: one.id,
        at: one.at,
        namespace: one.namespace.clone(),
        flow: one.flow.clone(),
        record: record.filter(|_| one.namespace == "records"),
        person: one.person.clone(),
        rules: one.rules.clone(),
        status: one.reply_status,
        reply: serde_json::from_str(&one.reply).unwrap_or(Value::Null),
        body: String::from_utf8(body).unwrap_or_default(),
        sent: jobs.iter().filter_map(sent).collect(),
    })
}

fn sent(job: &Job) -> Option<Sent> {
    let Task::Email(email) = &job.task else { return None };
    let captured = job.reason.as_deref() == Some(CAPTURED);
    (captured || job.state == JobState::Sent).then(|| Sent {
        name: email.name.clone(),
        to: email.to.clone(),
        subject: email.subject.clone(),
        planned: job.planned,
    })
}

impl Cursor {
    /// Behind one more row, which came at this moment.
    fn past(self, millis: i64) -> Self {
        if self.until == millis.saturating_add(1) {
            return Self { skip: self.skip + 1, ..self };
        }
        Self { until: millis.saturating_add(1), skip: 1, ..self }
    }
}

impl Recording {
    /// For the API.
    #[must_use]
    pub fn shape(&self) -> Value {
        let next = self.next.map(
            |next| json!({ "since": at(next.since), "until": at(next.until), "skip": next.skip }),
        );
        json!({ "results": self.calls.iter().map(Recorded::shape).collect::<Value>(), "next": next })
    }

    /// Reads [`shape`](Self::shape) back; none when it is none.
    #[must_use]
    pub fn read(shape: &Value) -> Option<Self> {
        let calls =
            shape["results"].as_array()?.iter().map(Recorded::read).collect::<Option<_>>()?;
        let next = match &shape["next"] {
            Value::Null => None,
            next => Some(Cursor {
                since: millis(&next["since"])?,
                until: millis(&next["until"])?,
                skip: next["skip"].as_u64()?.try_into().ok()?,
            }),
        };
        Some(Self { calls, next })
    }
}

impl Recorded {
    /// `group/endpoint`.
    #[must_use]
    pub fn name(&self) -> String {
        format!("{}/{}", self.namespace, self.flow)
    }

    /// The payload as the rules read it; none where it is no JSON object.
    #[must_use]
    pub fn payload(&self) -> Option<Map<String, Value>> {
        if self.body.is_empty() {
            return Some(Map::new());
        }
        match payload::parse(self.body.as_bytes()) {
            Ok(Value::Object(payload)) => Some(payload),
            _ => None,
        }
    }

    fn shape(&self) -> Value {
        let mail = |mail: &Sent| {
            json!({
                "name": mail.name, "to": mail.to, "subject": mail.subject,
                "planned": at(mail.planned),
            })
        };
        json!({
            "id": self.id.to_string(),
            "at": at(self.at),
            "namespace": self.namespace,
            "flowId": self.flow,
            "record": self.record,
            "person": self.person,
            "rules": self.rules,
            "answer": { "status": self.status, "body": self.reply },
            "body": self.body,
            "sent": self.sent.iter().map(mail).collect::<Value>(),
        })
    }

    fn read(shape: &Value) -> Option<Self> {
        let text = |name: &str| shape[name].as_str().map(str::to_owned);
        let mail = |mail: &Value| {
            Some(Sent {
                name: mail["name"].as_str()?.to_owned(),
                to: mail["to"].as_str()?.to_owned(),
                subject: mail["subject"].as_str()?.to_owned(),
                planned: millis(&mail["planned"])?,
            })
        };
        Some(Self {
            id: shape["id"].as_str()?.parse().ok()?,
            at: millis(&shape["at"])?,
            namespace: text("namespace")?,
            flow: text("flowId")?,
            record: text("record"),
            person: text("person"),
            rules: text("rules")?,
            status: shape["answer"]["status"].as_u64()?.try_into().ok()?,
            reply: shape["answer"]["body"].clone(),
            body: text("body")?,
            sent: shape["sent"].as_array()?.iter().map(mail).collect::<Option<_>>()?,
        })
    }
}

impl Remembered {
    pub(super) fn of(record: Record) -> Self {
        Self { fields: object(&record.fields), id: record.id, updated: record.updated }
    }

    /// Reads what the API says of a record; none when it is none.
    #[must_use]
    pub fn read(shape: &Value) -> Option<Self> {
        Some(Self {
            id: shape["id"].as_str()?.to_owned(),
            fields: shape["fields"].as_object()?.clone(),
            updated: millis(&shape["updated_at"])?,
        })
    }
}

fn millis(value: &Value) -> Option<i64> {
    time::parse_time(value.as_str()?).ok().map(time::millis)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_cursor_counts_those_of_the_same_moment() {
        let start = Cursor { since: 0, until: i64::MAX, skip: 0 };
        let one = start.past(500);
        assert_eq!(one, Cursor { since: 0, until: 501, skip: 1 });
        assert_eq!(one.past(500), Cursor { since: 0, until: 501, skip: 2 });
        assert_eq!(one.past(400), Cursor { since: 0, until: 401, skip: 1 });
    }

    #[test]
    fn a_recording_reads_back() {
        let shape = json!({
            "results": [{
                "id": "0351i6epvoVvxuT3p5f7Wf", "at": "2025-12-01T10:30:00.25Z",
                "namespace": "shop", "flowId": "signup", "record": null,
                "person": "sarah@example.com", "rules": "abc",
                "answer": { "status": 200, "body": { "ok": true } },
                "body": "{\"email\": \"sarah@example.com\"}",
                "sent": [{
                    "name": "welcome-1", "to": "sarah@example.com", "subject": "Hello",
                    "planned": "2025-12-01T10:35:00Z",
                }],
            }],
            "next": { "since": "2025-11-01T00:00:00Z", "until": "2025-12-01T10:30:00Z", "skip": 1 },
        });
        assert_eq!(Recording::read(&shape).map(|read| read.shape()), Some(shape));
    }
}
