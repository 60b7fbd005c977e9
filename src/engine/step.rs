//! A due step of a sequence, looked at right before it happens: is it still wanted, is it
//! too late, and if neither, what exactly is to be sent.

use std::sync::Arc;

use serde_json::{Map, Value};

use super::choice::{self, Pick};
use super::fill::fill_all;
use super::refusal::Halt;
use super::timing;
use super::world::{Way, World};
use super::{cap, content};
use crate::base::{Id, Timestamp, Zone, time};
use crate::guard::Guard;
use crate::model::queue::{Places, suppression};
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
    /// The sequence as its edition of then has it, whose guards and limits count for this
    /// person; none where that is the one of now.
    pub began_with: Option<&'a Sequence>,
    /// Name of the step.
    pub step: &'a str,
    /// When it was due.
    pub planned: i64,
    /// The payload as it was at the start.
    pub payload: &'a Map<String, Value>,
    /// The record "contact" of the person, if there is one.
    pub contact: Option<&'a Map<String, Value>>,
    /// Reasons on the suppression list, as far as they are about this sequence.
    pub suppressed: &'a [String],
    /// The marketing e-mails to the person, as far as caps look back.
    pub places: &'a Places,
    /// The step's job.
    pub job: Id,
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

/// Decides a due step. Its guards and limits are those of the edition that the person follows;
/// what it says, to whom and through which service is as the rules say now.
pub fn step(world: &World<'_>, due: &Due<'_>) -> StepDecision {
    let enrolment = due.enrolment;
    let Some(sequence) = world.rules.sequences.get(&enrolment.sequence) else {
        return StepDecision::Stop(format!(
            "the rules no longer have a sequence {}",
            enrolment.sequence
        ));
    };
    let Some(now) = Terms::of(sequence, due.step) else {
        return StepDecision::Skip(format!("the sequence no longer has a step {}", due.step));
    };
    let context = context(world, due);
    // A step that the edition does not know cannot be judged by it.
    let terms = due.began_with.and_then(|then| Terms::of(then, due.step)).unwrap_or(now);
    wanted(world, now, terms, due, &context).unwrap_or_else(|| {
        let done = action(world, now, terms, due, &context, None);
        if done.is_ok() {
            world.went(now.step.span, Way::Done);
        }
        done.unwrap_or_else(|why| StepDecision::Skip(format!("could not be made: {why}")))
    })
}

/// A sequence and one of its steps, as one edition has them.
#[derive(Clone, Copy)]
struct Terms<'a> {
    sequence: &'a Sequence,
    step: &'a SequenceStep,
}

impl<'a> Terms<'a> {
    fn of(sequence: &'a Sequence, name: &str) -> Option<Self> {
        let step = sequence.steps.iter().find(|step| step.name == name)?;
        Some(Self { sequence, step })
    }
}

/// What a step would do if nothing stood against it: no guard, no suppression, no lateness.
/// Previews and checks of texts ask this, each for the wording that they name; what happens to
/// a person is for [`step`] to say.
///
/// # Errors
/// Why it could not be made, as [`step`] would skip it for.
pub fn draft(world: &World<'_>, due: &Due<'_>, pick: &Pick) -> Result<StepDecision, String> {
    let sequence = world.rules.sequences.get(&due.enrolment.sequence);
    let found = sequence.and_then(|sequence| Terms::of(sequence, due.step));
    let terms = found.ok_or_else(|| format!("there is no step {}", due.step))?;
    action(world, terms, terms, due, &context(world, due), Some(pick))
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

/// The reason why the step must not happen, if there is one: `then` is what counts for this
/// person, `now` what the rules say to everyone.
fn wanted(
    world: &World<'_>,
    now: Terms<'_>,
    then: Terms<'_>,
    due: &Due<'_>,
    context: &Context<'_>,
) -> Option<StepDecision> {
    if let Some(guard) = &then.sequence.stop_when {
        match guard.holds(context) {
            Ok(true) => {
                world.went(now.sequence.span, Way::Refused);
                return Some(StepDecision::Stop(because("stop-when", guard, context)));
            }
            Ok(false) => {}
            Err(why) => return Some(unanswered(guard, &why)),
        }
    }
    if let Some(reason) = barred(now.sequence, now.step, due.suppressed) {
        return Some(StepDecision::Skip(format!("suppressed: {}", suppression::because(reason))));
    }
    let late = latest(then.step, due.planned);
    if !due.forced && time::millis(due.now) > late {
        return Some(StepDecision::Skip(format!(
            "too late: it was due {} and may be {} late",
            time::format_millis(due.planned),
            then.step.max_late
        )));
    }
    if let Some(decision) = closed(world, then, due) {
        return Some(decision);
    }
    if let Some(guard) = &then.step.when {
        match guard.holds(context) {
            Ok(true) => {}
            Ok(false) => {
                world.went(now.step.span, Way::LeftOut);
                return Some(StepDecision::Skip(because("when", guard, context)));
            }
            Err(why) => return Some(unanswered(guard, &why)),
        }
    }
    cap::capped(world, (now.sequence, now.step), (then.sequence, then.step), due, late)
}

/// What to do while the window is closed; none while it is open. What a person asks for by
/// hand does not wait for it.
fn closed(world: &World<'_>, then: Terms<'_>, due: &Due<'_>) -> Option<StepDecision> {
    if due.forced {
        return None;
    }
    match timing::closed_until(world, then.sequence, then.step, due) {
        Ok(None) => None,
        Ok(Some(open)) if open > latest(then.step, due.planned) => {
            Some(StepDecision::Skip(format!(
                "too late: it was due {} and may be {} late, and its window opens again at {}",
                time::format_millis(due.planned),
                then.step.max_late,
                time::format_millis(open)
            )))
        }
        Ok(Some(open)) => Some(StepDecision::Later(open, String::from("the window is closed"))),
        Err(why) => Some(StepDecision::Skip(why)),
    }
}

fn action(
    world: &World<'_>,
    now: Terms<'_>,
    then: Terms<'_>,
    due: &Due<'_>,
    context: &Context<'_>,
    pick: Option<&Pick>,
) -> Result<StepDecision, String> {
    match &now.step.action {
        SequenceAction::Email { via, .. } => {
            let (sequence, person) = (now.sequence, &due.enrolment.person);
            let said = choice::said(sequence, now.step, person, context, pick);
            let (said, locale) = said.ok_or("it is no e-mail")?;
            let spoken = choice::spoken(sequence, said, locale.as_deref(), context);
            Ok(StepDecision::Email {
                subject: said.subject.text(&spoken)?,
                content: content::fill(world, said, locale, due.unsubscribe_url, &spoken)?,
                kind: sequence.kind,
                via: via.clone(),
                expires: if due.forced { i64::MAX } else { latest(then.step, due.planned) },
            })
        }
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
    suppressed.iter().find(|reason| {
        sequence.kind == MailKind::Marketing || reason.as_str() == suppression::BOUNCED
    })
}

/// The last moment at which a step that was planned for then may still happen.
#[must_use]
pub fn latest(step: &SequenceStep, planned: i64) -> i64 {
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
