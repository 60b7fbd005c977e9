//! What a call means: its steps are run over a view of the store, and everything that they
//! would do is gathered into one commit. Nothing is done here.

use serde_json::{Map, Value, json};

use super::refusal::{Halt, Reply};
use super::run::Run;
use super::world::{Need, View, Way, World};
use crate::base::{address, time};
use crate::model::commit::{Assumption, Commit, Write};
use crate::model::queue::{Execution, ExecutionState, Level, LogLine};
use crate::model::rules::Trigger;
use crate::model::{Call, Context, Origin};

/// What a call means.
#[must_use = "a decision does nothing until it is committed"]
#[derive(Clone, Debug)]
pub struct Decision {
    /// The answer.
    pub reply: Reply,
    /// Whether a rule refused the call; then nothing but the execution is written.
    pub refused: bool,
    /// The call as it will be stored.
    pub execution: Execution,
    /// What the decision saw.
    pub assumes: Vec<Assumption>,
    /// What it writes.
    pub writes: Vec<Write>,
}

impl Decision {
    /// The commit that makes it so, with the call's raw body.
    #[must_use]
    pub fn into_commit(
        self,
        body: bytes::Bytes,
        keys: Vec<crate::model::commit::IdempotencyKey>,
    ) -> Commit {
        Commit {
            now: self.execution.at,
            execution: Some((self.execution, body)),
            keys,
            assumes: self.assumes,
            writes: self.writes,
            backlog: None,
            own: false,
        }
    }
}

/// A decision, or what it still has to see.
#[derive(Debug)]
pub enum Decided {
    /// Fetch this into the view and ask again.
    Needs(Need),
    /// Decided.
    Done(Box<Decision>),
}

/// Decides a call. Ask again with a fuller view while it answers [`Decided::Needs`]; every
/// answer asks for something new, so this ends.
#[must_use]
pub fn decide(world: &World<'_>, call: &Call, view: &View) -> Decided {
    let mut run = Run::new(world, call, view);
    let outcome = origin(&mut run, call);
    let refusal = match outcome {
        Err(Halt::Need(need)) => return Decided::Needs(need),
        Err(Halt::Refuse(reply)) => Some(reply),
        Ok(()) => None,
    };
    let (namespace, flow) = address(&call.origin);
    let refused = refusal.is_some();
    let reply = refusal.unwrap_or_else(|| run.reply.take().unwrap_or_else(|| accepted(call)));
    if refused {
        run.forget(&reply);
    }
    let (assumes, writes, logs) = run.finish();
    let state = match (refused, opens_work(&writes)) {
        (true, _) => ExecutionState::Cancelled,
        (false, true) => ExecutionState::Created,
        (false, false) => ExecutionState::Success,
    };
    let labels =
        if refused { vec![("refused".into(), reply.status.to_string())] } else { Vec::new() };
    let execution = Execution {
        id: call.id,
        namespace,
        flow,
        at: time::millis(call.at),
        rules: world.rules.hash.clone(),
        person: person(&call.payload).or_else(|| whom(&writes)),
        labels,
        reply_status: reply.status,
        reply: if reply.body.is_null() { String::new() } else { reply.body.to_string() },
        logs,
        state,
        remote: None,
    };
    Decided::Done(Box::new(Decision { reply, refused, execution, assumes, writes }))
}

fn origin(run: &mut Run<'_>, call: &Call) -> Result<(), Halt> {
    match &call.origin {
        Origin::Endpoint(endpoint) => {
            run.world.went(endpoint.span, Way::Done);
            let mut context = run.context(&call.payload);
            run.endings(&Trigger::Endpoint(endpoint.full_name()), &context);
            run.steps(&endpoint.steps, &mut context, 0)
        }
        Origin::Event { event, .. } => run.send(event, call.payload.clone(), 0),
        Origin::Record { name, id, merge } => {
            let fields = call.payload.clone();
            run.write_record(name, id, fields, *merge, 0).map(|_| ())
        }
    }
}

/// Kestra's namespace and flow id of what was called.
fn address(origin: &Origin) -> (String, String) {
    match origin {
        Origin::Endpoint(endpoint) => (endpoint.group.name.clone(), endpoint.name.clone()),
        Origin::Event { event, .. } => ("events".into(), event.name.clone()),
        Origin::Record { name, .. } => ("records".into(), name.clone()),
    }
}

/// The answer where no rule gives one. The API answers 202 to a backend's event: it is queued,
/// and nothing of it has been done yet.
fn accepted(call: &Call) -> Reply {
    let status = if matches!(call.origin, Origin::Event { .. }) { 202 } else { 200 };
    Reply { status, body: json!({ "id": call.id.to_string(), "state": "CREATED" }) }
}

fn opens_work(writes: &[Write]) -> bool {
    writes
        .iter()
        .any(|write| matches!(write, Write::Enqueue(_) | Write::Mirror(_) | Write::Enrol { .. }))
}

/// The person that a payload is about: its `email`.
fn person(payload: &Map<String, Value>) -> Option<String> {
    payload.get("email").and_then(Value::as_str).map(address::person)
}

/// Whom a call is about that names them in another field: the first who begins a sequence.
fn whom(writes: &[Write]) -> Option<String> {
    writes.iter().find_map(|write| match write {
        Write::Enrol { enrolment, .. } => Some(enrolment.person.clone()),
        _ => None,
    })
}

impl Run<'_> {
    /// A refused call does nothing: only the reason stays.
    fn forget(&mut self, reply: &Reply) {
        self.drop_effects();
        let unsaid = self.unsaid.as_deref().unwrap_or("refused silently");
        let why = reply.body.get("message").and_then(Value::as_str).unwrap_or(unsaid);
        self.logs.push(LogLine {
            at: time::millis(self.call.at),
            level: Level::Warn,
            task: None,
            message: format!("refused with {}: {why}", reply.status),
        });
    }

    /// A fresh context over a payload, with `now`.
    pub(super) fn context<'p>(&self, payload: &'p Map<String, Value>) -> Context<'p> {
        let mut context = Context::new(payload, self.world.zone());
        context.set("now", Value::String(time::format_time(self.call.at)));
        context
    }
}
