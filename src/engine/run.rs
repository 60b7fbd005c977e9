//! Running steps, top to bottom. A [`Run`] holds what one call would do so far: records as
//! they would be, jobs, enrolments, the answer. It reads only its view; whatever is missing
//! there ends the run with the need for it.

use std::collections::{BTreeMap, HashMap};

use serde_json::{Map, Value};

use super::ending::Ended;
use super::fill::{fill_all, holds, text};
use super::refusal::{Halt, Reply};
use super::world::{Need, View, Way, World};
use crate::base::{Id, time};
use crate::guard::Guard;
use crate::model::commit::{Assumption, Write};
use crate::model::queue::{Job, Level, LogLine, Record, Task};
use crate::model::rules::{Action, Event, Step, Trigger};
use crate::model::{Call, Context, Enrolment};

/// How deep records and events may set each other off.
const MAX_DEPTH: usize = 8;

/// What the log says of a record that was written.
const REMEMBERED: &str = "remembered ";

/// The name and id of the record that a line of an execution's log says was written.
#[must_use]
pub fn remembered(line: &LogLine) -> Option<(&str, &str)> {
    let name = line.task.as_deref()?;
    let rest = line.message.strip_prefix(REMEMBERED)?.strip_prefix(name)?;
    Some((name, rest.strip_prefix(' ')?))
}

/// A record while a call is being decided.
struct Working {
    seen: u64,
    fields: Option<Map<String, Value>>,
    dirty: bool,
}

/// What one call would do so far.
pub(super) struct Run<'a> {
    pub(super) world: &'a World<'a>,
    pub(super) call: &'a Call,
    pub(super) view: &'a View,
    pub(super) reply: Option<Reply>,
    /// Why a call is refused without a word.
    pub(super) unsaid: Option<String>,
    pub(super) logs: Vec<LogLine>,
    pub(super) writes: Vec<Write>,
    pub(super) assumes: Vec<Assumption>,
    /// Enrolments as this call would leave them, each with how much it had ended before that.
    pub(super) enrolled: HashMap<(String, String), (Enrolment, usize)>,
    /// What this call has ended so far.
    pub(super) ended: Vec<Ended>,
    records: BTreeMap<(String, String), Working>,
    sent: u32,
}

impl<'a> Run<'a> {
    pub(super) fn new(world: &'a World<'a>, call: &'a Call, view: &'a View) -> Self {
        Self {
            world,
            call,
            view,
            reply: None,
            unsaid: None,
            logs: Vec::new(),
            writes: Vec::new(),
            assumes: Vec::new(),
            enrolled: HashMap::new(),
            ended: Vec::new(),
            records: BTreeMap::new(),
            sent: 0,
        }
    }

    /// Forgets everything that would be done; what was seen stays irrelevant too.
    pub(super) fn drop_effects(&mut self) {
        self.writes.clear();
        self.assumes.clear();
        self.records.clear();
        self.logs.clear();
    }

    /// Everything that is to be assumed, written and logged.
    pub(super) fn finish(self) -> (Vec<Assumption>, Vec<Write>, Vec<LogLine>) {
        let Self { mut assumes, writes, records, call, logs, .. } = self;
        let mut all = Vec::with_capacity(writes.len() + records.len());
        for ((name, id), record) in records {
            assumes.push(Assumption::Record {
                name: name.clone(),
                id: id.clone(),
                version: record.seen,
            });
            if let (true, Some(fields)) = (record.dirty, record.fields) {
                all.push(Write::Record(Record {
                    name,
                    id,
                    fields: Value::Object(fields).to_string(),
                    version: record.seen + 1,
                    updated: time::millis(call.at),
                }));
            }
        }
        all.extend(writes);
        (assumes, all, logs)
    }

    /// Runs steps in order.
    pub(super) fn steps(
        &mut self,
        steps: &[Step],
        context: &mut Context<'_>,
        depth: usize,
    ) -> Result<(), Halt> {
        if depth > MAX_DEPTH {
            return Err(Halt::refuse(
                422,
                "The rules set each other off more than eight times in a row; nothing was done.",
            ));
        }
        for step in steps {
            // A reply below the one that was given is not asked for.
            let answered = matches!(step.action, Action::Reply { .. }) && self.reply.is_some();
            if let Some(guard) = &step.when
                && !holds(guard, context)?
            {
                if !answered {
                    self.world.went(step.span, Way::LeftOut);
                }
                continue;
            }
            let done = self.action(&step.action, context, depth);
            match &done {
                Ok(()) if !answered => self.world.went(step.span, Way::Done),
                Err(Halt::Refuse(_)) => self.world.went(step.span, Way::Refused),
                _ => {}
            }
            done?;
        }
        Ok(())
    }

    fn action(
        &mut self,
        action: &Action,
        context: &mut Context<'_>,
        depth: usize,
    ) -> Result<(), Halt> {
        match action {
            Action::Require { guard, otherwise, status } => {
                if !holds(guard, context)? {
                    if *status == 204 {
                        self.unsaid = Some(unmet(guard, context));
                    }
                    let text = otherwise.as_deref();
                    return Err(Halt::requirement(*status, text, guard, context));
                }
            }
            Action::Find { record, id, otherwise } => {
                let id = text(id, context)?;
                let Some(fields) = self.record(record, &id)?.fields.clone() else {
                    let message = otherwise.clone();
                    return Err(Halt::refuse(
                        404,
                        message.unwrap_or_else(|| format!("There is no {record} {id}.")),
                    ));
                };
                context.set(record, Value::Object(fields));
            }
            Action::Save { record, id, also_in, fields } => {
                let id = text(id, context)?;
                let fields = fill_all(fields, context)?;
                let saved = self.write_record(record, &id, fields, true, depth)?;
                context.set(record, Value::Object(saved));
                if let Some(service) = also_in {
                    self.mirror(record, &id, service);
                }
            }
            Action::Start { sequence } => self.start(sequence, context)?,
            Action::Stop { sequences, person } => {
                let person = text(person, context)?;
                self.stop(sequences, &person);
            }
            Action::Send { event, fields } => {
                let payload = match fields {
                    Some(fields) => fill_all(fields, context)?,
                    None => context.payload().clone(),
                };
                if let Some(event) = self.world.rules.events.get(event).cloned() {
                    self.send(&event, payload, depth + 1)?;
                }
            }
            Action::Reply { status, fields } => {
                if self.reply.is_none() {
                    let body = Value::Object(fill_all(fields, context)?);
                    self.reply = Some(Reply { status: *status, body });
                }
            }
        }
        Ok(())
    }

    /// The record as this call would leave it, fetched from the view on first touch.
    fn record(&mut self, name: &str, id: &str) -> Result<&mut Working, Halt> {
        let key = (name.to_owned(), id.to_owned());
        if !self.records.contains_key(&key) {
            let Some(seen) = self.view.records.get(&key) else {
                return Err(Halt::Need(Need::Record(key.0, key.1)));
            };
            let working = match seen {
                Some((fields, version)) => {
                    Working { seen: *version, fields: Some(fields.clone()), dirty: false }
                }
                None => Working { seen: 0, fields: None, dirty: false },
            };
            self.records.insert(key.clone(), working);
        }
        self.records.get_mut(&key).ok_or_else(|| Halt::Need(Need::Record(key.0, key.1)))
    }

    /// The fields of a record as this call would leave it, if there is one.
    pub(super) fn fields_of(
        &mut self,
        name: &str,
        id: &str,
    ) -> Result<Option<&Map<String, Value>>, Halt> {
        Ok(self.record(name, id)?.fields.as_ref())
    }

    /// Merges (or replaces) a record and runs what its change sets off.
    pub(super) fn write_record(
        &mut self,
        name: &str,
        id: &str,
        fields: Map<String, Value>,
        merge: bool,
        depth: usize,
    ) -> Result<Map<String, Value>, Halt> {
        let working = self.record(name, id)?;
        let before = working.fields.clone();
        let mut after = if merge { before.clone().unwrap_or_default() } else { Map::new() };
        after.extend(fields);
        if before.as_ref() == Some(&after) {
            return Ok(after);
        }
        working.fields = Some(after.clone());
        working.dirty = true;
        self.log(Level::Info, name, format!("{REMEMBERED}{name} {id}"));
        let Some(rules) = self.world.rules.records.get(name).cloned() else {
            return Ok(after);
        };
        let mut context = self.context(&after);
        context.set(name, Value::Object(after.clone()));
        match before {
            None => self.steps(&rules.on_create, &mut context, depth + 1)?,
            Some(before) => {
                context.set("before", Value::Object(before));
                for (guard, steps) in &rules.on_change {
                    if guard.as_ref().map_or(Ok(true), |guard| holds(guard, &context))? {
                        self.steps(steps, &mut context, depth + 1)?;
                    }
                }
            }
        }
        Ok(after)
    }

    /// Queues an outgoing event and runs its own steps.
    pub(super) fn send(
        &mut self,
        event: &Event,
        payload: Map<String, Value>,
        depth: usize,
    ) -> Result<(), Halt> {
        let mut context = self.context(&payload);
        self.endings(&Trigger::Event(event.name.clone()), &context);
        self.steps(&event.steps, &mut context, depth)?;
        self.world.went(event.span, Way::Done);
        let number = self.sent;
        self.sent += 1;
        let id = self.call.id.derive(&format!("event {number} {}", event.name));
        let entity_id = event.id.as_ref().map(|id| text(id, &context)).transpose()?;
        let order = event.ordered_by.as_ref().map(|key| text(key, &context)).transpose()?;
        let target = self.world.address(&event.service, &event.path);
        self.log(Level::Info, &event.name, format!("queued for {target}"));
        let body = if event.enveloped {
            self.envelope(&event.name, payload)
        } else {
            Value::Object(payload)
        };
        let task = Task::Event {
            event: event.name.clone(),
            path: event.path.clone(),
            body: body.to_string().into_bytes(),
        };
        let job = self.job(id, &event.service, &event.name, target, task);
        self.writes.push(Write::Enqueue(Job {
            priority: event.priority,
            entity_type: event.entity.clone(),
            entity_id,
            order,
            ..job
        }));
        Ok(())
    }

    fn envelope(&self, name: &str, payload: Map<String, Value>) -> Value {
        let mut whole = Map::new();
        whole.insert("event".into(), name.into());
        whole.insert("timestamp".into(), time::format_time(self.call.at).into());
        whole.insert("data".into(), Value::Object(payload));
        Value::Object(whole)
    }

    fn mirror(&mut self, record: &str, id: &str, service: &str) {
        if !self.world.outlets.get(service).is_some_and(|outlet| outlet.ready) {
            return;
        }
        let task = Task::Mirror { record: record.to_owned(), id: id.to_owned() };
        let job_id = self.call.id.derive(&format!("mirror {record} {id}"));
        let mut job = self.job(job_id, service, record, format!("{service}: {record} {id}"), task);
        job.entity_type = Some(record.to_owned());
        job.entity_id = Some(id.to_owned());
        job.order = Some(format!("{record} {id}"));
        self.writes.push(Write::Mirror(job));
    }

    /// A job of this call that is due at once.
    fn job(&self, id: Id, lane: &str, event: &str, target: String, task: Task) -> Job {
        let now = time::millis(self.call.at);
        Job {
            event_type: event.to_owned(),
            target,
            ..Job::new(id, self.call.id, lane.to_owned(), task, now)
        }
    }

    /// Adds a log line.
    pub(super) fn log(&mut self, level: Level, task: &str, message: impl Into<String>) {
        self.logs.push(LogLine {
            at: time::millis(self.call.at),
            level,
            task: Some(task.to_owned()),
            message: message.into(),
        });
    }
}

/// What a guard needed, and what it saw.
fn unmet(guard: &Guard, context: &Context<'_>) -> String {
    let seen: Vec<String> =
        guard.seen(context).into_iter().map(|(name, value)| format!("{name} = {value}")).collect();
    format!("it needs `{}` and saw {}", guard.source(), seen.join(", "))
}
