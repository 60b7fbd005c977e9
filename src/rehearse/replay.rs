//! Recorded calls, once more: each at the moment at which it came, on one clock, with time
//! running in between. What each of them leads to is kept in brief, so that two rule sets can
//! be compared over ten thousand calls.

use std::collections::BTreeMap;
use std::hash::{DefaultHasher, Hash as _, Hasher as _};
use std::sync::Arc;

use serde_json::{Map, Value};

use super::{Happened, Rehearsal, RehearsalError, What};
use crate::base::time;
use crate::engine::Reply;
use crate::model::Record;
use crate::model::commit::{Commit, Write};
use crate::serve::app::Options;
use crate::serve::people::{Recorded, Remembered};
use crate::serve::settings::Live;

/// How often what is over is forgotten, in milliseconds of the clock of the rehearsal.
const DAY: i64 = 86_400_000;

/// What became of a call.
#[derive(Clone, Debug, PartialEq)]
pub enum Came {
    /// The rules have no such endpoint, event or record.
    Nowhere,
    /// It was answered.
    Answered(Reply),
}

/// Everything that a call has led to.
#[derive(Clone, Debug)]
pub struct Outcome {
    /// Its answer.
    pub came: Came,
    /// What was sent and written, in order.
    pub done: Vec<Done>,
    /// E-mails and sequences that were left out or failed, each with why.
    pub left: Vec<(String, String)>,
}

/// Something that was sent or written.
#[derive(Clone, Debug)]
pub struct Done {
    /// What it is.
    pub kind: Kind,
    /// Its name.
    pub name: String,
    /// To whom, to which service, or the id of the record.
    pub to: String,
    /// When it was to happen, in milliseconds since 1970.
    pub planned: i64,
    /// The subject of an e-mail.
    pub subject: String,
    /// What stands for the text of an e-mail; none where it is not known.
    pub text: Option<u64>,
    /// The fields of an event or record, each with what stands for its value.
    pub fields: BTreeMap<String, u64>,
}

/// What is sent or written.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub enum Kind {
    /// An e-mail.
    Email,
    /// An event.
    Event,
    /// A record.
    Record,
    /// The copy of a record in a service.
    Copy,
}

/// Has the calls, which must be in the order of their ids, come again under these rules, in a world that knows nothing
/// but these records (each with its name). After the last one time goes on until nothing is
/// due any more. Every service answers 200. An outcome for each call, in their order.
///
/// # Errors
/// The rehearsal cannot begin or go on.
pub fn replay(
    live: &Arc<Live>,
    calls: &[Recorded],
    known: &[(String, Remembered)],
) -> Result<Vec<Outcome>, RehearsalError> {
    let Some(first) = calls.first() else { return Ok(Vec::new()) };
    let options = Options { jitter: false, plain: true, ..Options::default() };
    let mut stage = Rehearsal::with(live, time::from_millis(first.at), options)?;
    for (name, record) in known {
        stage.remember(name, record)?;
    }
    let mut outcomes: Vec<Outcome> = Vec::with_capacity(calls.len());
    let mut tidied = first.at;
    for call in calls {
        stage.work(Some(call.at.max(stage.now())))?;
        let came = stage.come_again(call)?;
        outcomes.push(Outcome { came, done: Vec::new(), left: Vec::new() });
        stage.tell(calls, &mut outcomes);
        if stage.now() > tidied + DAY {
            tidied = stage.now();
            stage.runtime.block_on(stage.app.store.purge(tidied, tidied))?;
        }
    }
    stage.run_out()?;
    stage.tell(calls, &mut outcomes);
    Ok(outcomes)
}

impl Rehearsal {
    /// Puts a record there, without anything that its rules would set off.
    fn remember(&mut self, name: &str, record: &Remembered) -> Result<(), RehearsalError> {
        let record = Record {
            name: name.to_owned(),
            id: record.id.clone(),
            fields: Value::Object(record.fields.clone()).to_string(),
            version: 1,
            updated: record.updated,
        };
        let writes = vec![Write::Record(record)];
        let commit = Commit { now: self.now(), writes, ..Commit::default() };
        self.runtime.block_on(self.app.store.commit(commit))?;
        Ok(())
    }

    fn come_again(&mut self, call: &Recorded) -> Result<Came, RehearsalError> {
        let payload = call.payload().unwrap_or_default();
        let reply = match (call.namespace.as_str(), &call.record) {
            ("events", _) => self.send_as(call.id, &call.flow, payload),
            ("records", Some(record)) => self.save_as(call.id, &call.flow, record, payload),
            ("feedback", _) => self.report_again(call.id, &call.name(), &payload),
            _ => self.post_as(call.id, &call.name(), payload),
        };
        match reply {
            Ok(reply) => Ok(Came::Answered(reply)),
            Err(RehearsalError::Unknown(_)) => Ok(Came::Nowhere),
            Err(error) => Err(error),
        }
    }

    /// Hands what has happened over to the calls that set it off, and forgets it.
    fn tell(&mut self, calls: &[Recorded], outcomes: &mut [Outcome]) {
        for happened in self.happened.drain(..) {
            let place = calls.binary_search_by_key(&happened.call, |call| call.id);
            if let Some(outcome) = place.ok().and_then(|place| outcomes.get_mut(place)) {
                outcome.add(happened);
            }
        }
    }
}

impl Outcome {
    /// What was written down of a call at its time. Nothing is known of its events.
    #[must_use]
    pub fn recorded(call: &Recorded) -> Self {
        let done = call.sent.iter().map(|sent| Done {
            subject: sent.subject.clone(),
            ..Done::new(Kind::Email, sent.name.clone(), sent.to.clone(), sent.planned)
        });
        let reply = Reply { status: call.status, body: call.reply.clone() };
        Self { came: Came::Answered(reply), done: done.collect(), left: Vec::new() }
    }

    fn add(&mut self, happened: Happened) {
        let planned = happened.planned;
        match happened.what {
            What::Email { name, to, subject, text, .. } => {
                let text = Some(mark(&text));
                self.done.push(Done { subject, text, ..Done::new(Kind::Email, name, to, planned) });
            }
            What::Event { name, to, body } => {
                let fields = marks(body.as_object());
                self.done.push(Done { fields, ..Done::new(Kind::Event, name, to, planned) });
            }
            What::Saved { record, id, fields } => {
                let fields = marks(Some(&fields));
                self.done.push(Done { fields, ..Done::new(Kind::Record, record, id, planned) });
            }
            What::Mirrored { record, to, .. } => {
                self.done.push(Done::new(Kind::Copy, record, to, planned));
            }
            What::Skipped { name, why, .. } | What::Failed { name, why } => {
                self.left.push((name, why));
            }
            What::Reply { .. } | What::Retry { .. } => {}
        }
    }
}

impl Done {
    fn new(kind: Kind, name: String, to: String, planned: i64) -> Self {
        let (subject, text, fields) = (String::new(), None, BTreeMap::new());
        Self { kind, name, to, planned, subject, text, fields }
    }
}

/// How deep fields within fields are told apart.
const DEPTH: usize = 4;

/// Every field, those within others as `data.name`.
fn marks(fields: Option<&Map<String, Value>>) -> BTreeMap<String, u64> {
    let mut marks = BTreeMap::new();
    for (name, value) in fields.into_iter().flatten() {
        mark_all(&mut marks, name.clone(), value, DEPTH);
    }
    marks
}

fn mark_all(marks: &mut BTreeMap<String, u64>, name: String, value: &Value, depth: usize) {
    match value {
        Value::Object(fields) if depth > 0 && !fields.is_empty() => {
            for (within, value) in fields {
                mark_all(marks, format!("{name}.{within}"), value, depth - 1);
            }
        }
        value => {
            marks.insert(name, mark(&value.to_string()));
        }
    }
}

/// Stands for a text: equal for equal ones.
fn mark(text: &str) -> u64 {
    let mut hasher = DefaultHasher::new();
    text.hash(&mut hasher);
    hasher.finish()
}
