//! A due step of a sequence, looked at right before it happens: is it still wanted, is it
//! too late, and if neither, what exactly is to be sent.

use std::sync::Arc;

use serde_json::{Map, Value};

use super::content;
use super::fill::fill_all;
use super::refusal::Halt;
use super::world::{Way, World};
use crate::base::{Id, Timestamp, Zone, time};
use crate::guard::Guard;
use crate::model::rules::{Event, MailKind, Sequence, SequenceAction, SequenceStep};
use crate::model::{Content, Context, Enrolment};

/// The id of the call by which a timed step sends its event.
#[must_use]
pub fn timed_event(step: Id) -> Id {
    step.derive("event")
}

/// A step whose time has come.
#[derive(Clone, Copy, Debug)]
pub struct Due<'a> {
    /// The person's place in the sequence.
    pub enrolment: &'a Enrolment,
    /// Name of the step.
    pub step: &'a str,
    /// When it was due.
    pub planned: i64,
    /// The payload as it was at the start.
    pub payload: &'a Map<String, Value>,
    /// The record "contact" of the person, if there is one.
    pub contact: Option<&'a Map<String, Value>>,
    /// Reasons on the suppression list.
    pub suppressed: &'a [String],
    /// Where this person leaves the list, for texts that print it.
    pub unsubscribe_url: &'a str,
    /// Whether a person asked for it by hand: then it is never too late.
    pub forced: bool,
    /// Now.
    pub now: Timestamp,
}

/// What a due step means.
#[must_use]
#[derive(Debug)]
pub enum StepDecision {
    /// Do not do it, for this reason; the sequence goes on.
    Skip(String),
    /// Do not do it, and end the sequence, for this reason.
    Stop(String),
    /// Not now, for this reason: look at it again at that moment, in milliseconds.
    Later(i64, String),
    /// Send this e-mail.
    Email {
        /// Rendered subject.
        subject: String,
        /// What it says and brings along, filled in.
        content: Content,
        /// Marketing or transactional.
        kind: MailKind,
        /// The service that sends it.
        via: Option<String>,
        /// After that it is too late.
        expires: i64,
    },
    /// Queue this event with this payload.
    Event(Arc<Event>, Map<String, Value>),
}

/// Decides a due step.
pub fn step(world: &World<'_>, due: &Due<'_>) -> StepDecision {
    let enrolment = due.enrolment;
    let Some(sequence) = world.rules.sequences.get(&enrolment.sequence) else {
        return StepDecision::Stop(format!(
            "the rules no longer have a sequence {}",
            enrolment.sequence
        ));
    };
    let Some(step) = sequence.steps.iter().find(|step| step.name == due.step) else {
        return StepDecision::Skip(format!("the sequence no longer has a step {}", due.step));
    };
    let context = context(world, due);
    wanted(world, sequence, step, due, &context).unwrap_or_else(|| {
        let done = action(world, sequence, step, due, &context);
        if done.is_ok() {
            world.went(step.span, Way::Done);
        }
        done.unwrap_or_else(|why| StepDecision::Skip(format!("could not be made: {why}")))
    })
}

/// What a step would do if nothing stood against it: no guard, no suppression, no lateness.
/// Previews and checks of texts ask this; what happens to a person is for [`step`] to say.
///
/// # Errors
/// Why it could not be made, as [`step`] would skip it for.
pub fn draft(world: &World<'_>, due: &Due<'_>) -> Result<StepDecision, String> {
    let sequence = world.rules.sequences.get(&due.enrolment.sequence);
    let found = sequence.and_then(|sequence| {
        Some((sequence, sequence.steps.iter().find(|step| step.name == due.step)?))
    });
    let (sequence, step) = found.ok_or_else(|| format!("there is no step {}", due.step))?;
    action(world, sequence, step, due, &context(world, due))
}

/// The payload with `now` and `contact`.
fn context<'a>(world: &World<'_>, due: &Due<'a>) -> Context<'a> {
    let zone = Zone::get(&due.enrolment.zone).unwrap_or_else(|_| world.zone());
    let mut context = Context::new(due.payload, zone);
    context.set("now", Value::String(time::format_time(due.now)));
    let mut contact = due.contact.cloned().unwrap_or_default();
    let on_list = |reason: &str| Value::Bool(due.suppressed.iter().any(|given| given == reason));
    contact.insert("unsubscribed".into(), on_list("unsubscribed"));
    contact.insert("bounced".into(), on_list("bounced"));
    context.set("contact", Value::Object(contact));
    context
}

/// The reason why the step must not happen, if there is one.
fn wanted(
    world: &World<'_>,
    sequence: &Sequence,
    step: &SequenceStep,
    due: &Due<'_>,
    context: &Context<'_>,
) -> Option<StepDecision> {
    if let Some(guard) = &sequence.stop_when {
        match guard.holds(context) {
            Ok(true) => {
                world.went(sequence.span, Way::Refused);
                return Some(StepDecision::Stop(because("stop-when", guard, context)));
            }
            Ok(false) => {}
            Err(why) => return Some(unanswered(guard, &why)),
        }
    }
    if let Some(reason) = barred(sequence, step, due.suppressed) {
        return Some(StepDecision::Skip(format!("suppressed: the address is {reason}")));
    }
    let late = latest(step, due.planned);
    if !due.forced && time::millis(due.now) > late {
        return Some(StepDecision::Skip(format!(
            "too late: it was due {} and may be {} late",
            time::format_millis(due.planned),
            step.max_late
        )));
    }
    let guard = step.when.as_ref()?;
    match guard.holds(context) {
        Ok(true) => None,
        Ok(false) => {
            world.went(step.span, Way::LeftOut);
            Some(StepDecision::Skip(because("when", guard, context)))
        }
        Err(why) => Some(unanswered(guard, &why)),
    }
}

fn action(
    world: &World<'_>,
    sequence: &Sequence,
    step: &SequenceStep,
    due: &Due<'_>,
    context: &Context<'_>,
) -> Result<StepDecision, String> {
    match &step.action {
        SequenceAction::Email { subject, via, body } => Ok(StepDecision::Email {
            subject: subject.text(context)?,
            content: content::fill(world, body, due.unsubscribe_url, context)?,
            kind: sequence.kind,
            via: via.clone(),
            expires: if due.forced { i64::MAX } else { latest(step, due.planned) },
        }),
        SequenceAction::Send { event, fields } => {
            let payload = match fields {
                None => due.payload.clone(),
                Some(fields) => fill_all(fields, context).map_err(|halt| match halt {
                    Halt::Refuse(reply) => reply.body["message"].as_str().unwrap_or("").to_owned(),
                    Halt::Need(_) => String::new(),
                })?,
            };
            let event = world.rules.events.get(event).cloned();
            event
                .map(|event| StepDecision::Event(event, payload))
                .ok_or_else(|| String::from("the rules no longer have its event"))
        }
    }
}

/// A bounced address gets no e-mail; one that unsubscribed or complained gets no marketing.
fn barred<'a>(
    sequence: &Sequence,
    step: &SequenceStep,
    suppressed: &'a [String],
) -> Option<&'a String> {
    let SequenceAction::Email { .. } = step.action else { return None };
    suppressed
        .iter()
        .find(|reason| sequence.kind == MailKind::Marketing || reason.as_str() == "bounced")
}

fn latest(step: &SequenceStep, planned: i64) -> i64 {
    let allowed = i64::try_from(step.max_late.to_duration().as_millis()).unwrap_or(i64::MAX);
    planned.saturating_add(allowed)
}

fn because(word: &str, guard: &Guard, context: &Context<'_>) -> String {
    let seen: Vec<String> =
        guard.seen(context).into_iter().map(|(name, value)| format!("{name} = {value}")).collect();
    format!("{word} `{}`, with {}", guard.source(), seen.join(", "))
}

fn unanswered(guard: &Guard, why: &str) -> StepDecision {
    StepDecision::Skip(format!("the rule `{}` could not be answered: {why}", guard.source()))
}
