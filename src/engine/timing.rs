//! When the steps of a sequence are due. Every moment is worked out at the start: the wait,
//! counted from where the rules say, and then the sequence's window, which moves what falls
//! outside it to the next opening. Right before a step happens the window is looked at once
//! more, because an outage may have lasted until it was closed.

use jiff::tz::TimeZone;

use super::fill::text;
use super::refusal::Halt;
use super::replan::Started;
use super::step::Due;
use super::world::World;
use crate::base::{Id, Timestamp, Zone, time};
use crate::model::Context;
use crate::model::rules::{CountsFrom, Sequence, SequenceStep};

/// When a step is due. Times are milliseconds since 1970.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Planned {
    /// Its name.
    pub step: String,
    /// When it is due.
    pub due: i64,
    /// When it would be due without the window; none where the window moves nothing.
    pub moved_from: Option<i64>,
    /// The moment from which its time passes: with `--speed` it passes faster.
    anchor: Timestamp,
}

/// Who a plan is for.
pub(super) struct Person<'a> {
    /// The enrolment, which gives the person's place within an opening.
    pub(super) enrolment: Id,
    /// When it was started.
    pub(super) began: Timestamp,
    /// Where the person lives.
    pub(super) zone: &'a TimeZone,
}

/// Each step, earliest first, for somebody who is mid-way or was: as the rules of now would
/// have planned it at the start. Empty when the sequence is gone.
///
/// # Errors
/// A sentence that says why the moments cannot be worked out, such as a time that the payload
/// of then does not have.
pub fn planned(world: &World<'_>, started: &Started) -> Result<Vec<Planned>, String> {
    let Started { enrolment, payload } = started;
    let Some(sequence) = world.rules.sequences.get(&enrolment.sequence) else {
        return Ok(Vec::new());
    };
    let zone = Zone::get(&enrolment.zone).unwrap_or_else(|_| world.zone());
    let began = time::from_millis(enrolment.started);
    let mut context = Context::new(payload, world.zone());
    context.set("now", serde_json::Value::String(time::format_time(began)));
    let person = Person { enrolment: enrolment.id, began, zone: &zone };
    plan(world, sequence, &person, &context).map_err(|halt| match halt {
        Halt::Refuse(reply) => reply.body["message"].as_str().unwrap_or_default().to_owned(),
        Halt::Need(_) => String::new(),
    })
}

/// Each step, earliest first, for somebody who begins.
pub(super) fn plan(
    world: &World<'_>,
    sequence: &Sequence,
    person: &Person<'_>,
    context: &Context<'_>,
) -> Result<Vec<Planned>, Halt> {
    let start = match &sequence.counts_from {
        Some(template) => moment(template, context)?,
        None => person.began,
    };
    let mut previous = (start, start);
    let mut plan = Vec::with_capacity(sequence.steps.len());
    for step in &sequence.steps {
        let (anchor, from) = match &step.counts_from {
            CountsFrom::Sequence => (start, start),
            CountsFrom::Previous => previous,
            CountsFrom::Field(template) => {
                let field = moment(template, context)?;
                (field, field)
            }
        };
        let wait_over = step.after.after(from, person.zone);
        let window = sequence.window.as_ref().filter(|_| !step.any_time);
        let place = place(world, person.enrolment);
        let due = window
            .and_then(|window| window.admit(wait_over, person.zone, place))
            .unwrap_or(wait_over);
        previous = (anchor, due);
        plan.push(Planned {
            step: step.name.clone(),
            due: hasten(world, anchor, due),
            moved_from: (due != wait_over).then(|| hasten(world, anchor, wait_over)),
            anchor,
        });
    }
    plan.sort_by_key(|planned| planned.due);
    Ok(plan)
}

/// When a step that has come due now may happen, in milliseconds, if it may not happen now.
///
/// # Errors
/// The window never opens again.
pub(super) fn closed_until(
    world: &World<'_>,
    sequence: &Sequence,
    step: &SequenceStep,
    due: &Due<'_>,
) -> Result<Option<i64>, String> {
    let Some(window) = sequence.window.as_ref().filter(|_| !step.any_time) else {
        return Ok(None);
    };
    let zone = Zone::get(&due.enrolment.zone).unwrap_or_else(|_| world.zone());
    let anchor = anchor(world, step, due);
    let now = slow_down(world, anchor, due.now);
    let open = window
        .admit(now, &zone, place(world, due.enrolment.id))
        .ok_or_else(|| String::from("its window does not open in the next ten years"))?;
    let open = hasten(world, anchor, open);
    Ok(Some(open).filter(|open| *open > time::millis(due.now)))
}

/// From which moment the time of a step passes: it only matters where it passes faster.
fn anchor(world: &World<'_>, step: &SequenceStep, due: &Due<'_>) -> Timestamp {
    if world.speed <= 1 {
        return due.now;
    }
    let started = Started { enrolment: due.enrolment.clone(), payload: due.payload.clone() };
    let plan = planned(world, &started).unwrap_or_default();
    plan.iter()
        .find(|planned| planned.step == step.name)
        .map_or(time::from_millis(due.enrolment.started), |planned| planned.anchor)
}

/// A number that stays the same for this enrolment, so that people keep their order and every
/// step comes at the same minute of its opening; none where nobody is spread.
fn place(world: &World<'_>, enrolment: Id) -> Option<u64> {
    let derived = enrolment.derive("place in a window");
    let (_, random) = derived.0.split_at(8);
    let number = random.iter().fold(0, |number, byte| number << 8 | u64::from(*byte));
    world.spread.then_some(number)
}

/// A moment moved towards the one from which its time passes, by the speed.
fn hasten(world: &World<'_>, anchor: Timestamp, moment: Timestamp) -> i64 {
    let (anchor, moment) = (time::millis(anchor), time::millis(moment));
    anchor + (moment - anchor) / i64::from(world.speed.max(1))
}

/// The opposite: what the calendar shows at a moment.
fn slow_down(world: &World<'_>, anchor: Timestamp, moment: Timestamp) -> Timestamp {
    let (anchor, moment) = (time::millis(anchor), time::millis(moment));
    let passed = (moment - anchor).saturating_mul(i64::from(world.speed.max(1)));
    time::from_millis(anchor.saturating_add(passed))
}

/// A time field. One that does not parse refuses the call: it never means "now".
fn moment(template: &crate::template::Template, context: &Context<'_>) -> Result<Timestamp, Halt> {
    let written = text(template, context)?;
    time::parse_time(&written)
        .map_err(|why| Halt::refuse(422, format!("{}: {why}", template.source())))
}
