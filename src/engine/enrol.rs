//! Beginning and ending sequences: who may enter, and when each step will be due. The whole
//! plan is fixed at the start, so a later edit of the waits moves nobody who is mid-way unless
//! the sequence says `apply="everyone"` (see [`replan`](super::replan)).

use jiff::tz::TimeZone;

use super::ending::Ended;
use super::fill::text;
use super::refusal::Halt;
use super::run::Run;
use super::world::{Need, World};
use crate::base::{Timestamp, time};
use crate::model::commit::{Assumption, NextStep, Write};
use crate::model::queue::{Enrolment, EnrolmentState, Level};
use crate::model::rules::{Again, CountsFrom, Sequence};
use crate::model::{Context, Origin};

impl Run<'_> {
    /// Puts the person of this context into a sequence, if its rules let them in.
    pub(super) fn start(&mut self, name: &str, context: &Context<'_>) -> Result<(), Halt> {
        let Some(sequence) = self.world.rules.sequences.get(name).cloned() else { return Ok(()) };
        let to = text(&sequence.to, context)?;
        // An empty key would be one key for everybody.
        let key = match &sequence.once_per {
            Some(template) => Some(normalise(&text(template, context)?)),
            None => None,
        };
        let key = key.filter(|key| !key.is_empty()).unwrap_or_else(|| normalise(&to));
        let seen = self.newest(name, &key)?;
        if let Some(why) = seen.as_ref().and_then(|seen| self.barred(&sequence, seen)) {
            self.log(Level::Warn, name, format!("not started for {to}: {why}"));
            return Ok(());
        }
        if !email_address::EmailAddress::is_valid(&to) {
            self.log(Level::Warn, name, format!("not started: `{to}` is not an e-mail address"));
            return Ok(());
        }
        let enrolment = self.enrolment(&sequence, to, key, context)?;
        self.admit(&sequence, enrolment, seen);
        Ok(())
    }

    /// Ends sequences of a person.
    pub(super) fn stop(&mut self, sequences: &[String], person: &str) {
        let person = normalise(person);
        let by = match &self.call.origin {
            Origin::Endpoint(endpoint) => endpoint.full_name(),
            Origin::Event { event, .. } => event.name.clone(),
            Origin::Record { name, .. } => name.clone(),
        };
        for sequence in sequences {
            self.ended.push(Ended::all(sequence, &person));
            self.writes.push(Write::Stop {
                sequence: sequence.clone(),
                person: person.clone(),
                key: None,
                reason: format!("stopped by {by}"),
            });
            self.log(Level::Info, sequence, format!("stops for {person}, if it runs"));
        }
    }

    /// The newest enrolment of a key as this call would leave it.
    fn newest(&mut self, sequence: &str, key: &str) -> Result<Option<Enrolment>, Halt> {
        let place = (sequence.to_owned(), key.to_owned());
        let mut found = match self.enrolled.get(&place) {
            Some(enrolment) => Some(enrolment.clone()),
            None => match self.view.enrolments.get(&place) {
                None => return Err(Halt::Need(Need::Enrolment(place.0, place.1))),
                Some(seen) => {
                    self.assumes.push(Assumption::Enrolment {
                        sequence: place.0,
                        key: place.1,
                        seen: seen.as_ref().map(|seen| (seen.id, is_active(seen))),
                    });
                    seen.clone()
                }
            },
        };
        if let Some(one) = &mut found
            && self.ended.iter().any(|ended| ended.holds(sequence, &one.person, key))
            && is_active(one)
        {
            one.state = EnrolmentState::Stopped(String::from("by this call"));
        }
        Ok(found)
    }

    /// Why somebody who was in the sequence before may not enter now.
    fn barred(&self, sequence: &Sequence, seen: &Enrolment) -> Option<String> {
        let since = time::format_millis(seen.started);
        let active = is_active(seen);
        match sequence.again {
            Again::Restart => None,
            _ if active => Some(format!("already in it since {since}")),
            Again::Never => {
                Some(format!("was in it before (started {since}), and it is once only"))
            }
            Again::AfterFinish => None,
            Again::After(pause) => {
                let again = pause.after(time::from_millis(seen.started), &self.world.zone());
                (self.call.at < again)
                    .then(|| format!("was in it {since}; again after {}", time::format_time(again)))
            }
        }
    }

    fn enrolment(
        &mut self,
        sequence: &Sequence,
        to: String,
        key: String,
        context: &Context<'_>,
    ) -> Result<Enrolment, Halt> {
        let zone = self.zone(sequence, context)?;
        let plan = plan(self.world, sequence, self.call.at, &zone, context)?;
        let whole_call = matches!(self.call.origin, Origin::Endpoint(_))
            && std::ptr::eq(context.payload(), &raw const self.call.payload);
        Ok(Enrolment {
            id: self.call.id.derive(&format!("enrolment {} {key}", sequence.name)),
            sequence: sequence.name.clone(),
            key,
            person: to.to_lowercase(),
            to,
            zone: zone.iana_name().unwrap_or("UTC").to_owned(),
            execution: self.call.id,
            payload: (!whole_call)
                .then(|| serde_json::Value::Object(context.payload().clone()).to_string()),
            started: time::millis(self.call.at),
            rules: self.world.rules.hash.clone(),
            plan,
            next: 0,
            live: Vec::new(),
            state: EnrolmentState::Active,
            updated: time::millis(self.call.at),
        })
    }

    /// The person's zone, or the sender's where the payload names none that exists.
    fn zone(&mut self, sequence: &Sequence, context: &Context<'_>) -> Result<TimeZone, Halt> {
        let Some(template) = &sequence.zone else { return Ok(self.world.zone()) };
        let name = text(template, context)?;
        Ok(TimeZone::get(&name).unwrap_or_else(|_| {
            self.log(
                Level::Warn,
                &sequence.name,
                format!("`{name}` is no time zone; using the sender's"),
            );
            self.world.zone()
        }))
    }

    fn admit(&mut self, sequence: &Sequence, enrolment: Enrolment, seen: Option<Enrolment>) {
        if let Some(seen) = seen.filter(is_active) {
            self.writes.push(Write::Stop {
                sequence: seen.sequence,
                person: seen.person,
                key: Some(seen.key),
                reason: String::from("restarted"),
            });
        }
        for (step, due) in &enrolment.plan {
            let due = time::format_millis(*due);
            self.log(Level::Info, step, format!("scheduled for {} at {due}", enrolment.to));
        }
        if let Some(step) = next_step(self, sequence, &enrolment) {
            self.enrolled
                .insert((enrolment.sequence.clone(), enrolment.key.clone()), enrolment.clone());
            self.writes.push(Write::Enrol { enrolment, step });
        }
    }
}

/// Each step's name and due moment, earliest first, for somebody who began at `began`.
pub(super) fn plan(
    world: &World<'_>,
    sequence: &Sequence,
    began: Timestamp,
    zone: &TimeZone,
    context: &Context<'_>,
) -> Result<Vec<(String, i64)>, Halt> {
    let start = match &sequence.counts_from {
        Some(template) => moment(template, context)?,
        None => began,
    };
    let mut previous = start;
    let mut plan = Vec::with_capacity(sequence.steps.len());
    for step in &sequence.steps {
        let from = match &step.counts_from {
            CountsFrom::Sequence => start,
            CountsFrom::Previous => previous,
            CountsFrom::Field(template) => moment(template, context)?,
        };
        let due = world.hasten(from, step.after.after(from, zone));
        previous = time::from_millis(due);
        plan.push((step.name.clone(), due));
    }
    plan.sort_by_key(|(_, due)| *due);
    Ok(plan)
}

/// How the enrolment's next step is queued.
fn next_step(run: &Run<'_>, sequence: &Sequence, enrolment: &Enrolment) -> Option<NextStep> {
    let (name, _) = enrolment.upcoming()?;
    let step = sequence.steps.iter().find(|step| step.name == *name)?;
    let (lane, priority) = run.world.lane(step);
    Some(NextStep { lane, priority })
}

fn is_active(enrolment: &Enrolment) -> bool {
    enrolment.state == EnrolmentState::Active
}

/// A time field. One that does not parse refuses the call: it never means "now".
fn moment(template: &crate::template::Template, context: &Context<'_>) -> Result<Timestamp, Halt> {
    let written = text(template, context)?;
    time::parse_time(&written)
        .map_err(|why| Halt::refuse(422, format!("{}: {why}", template.source())))
}

/// Keys are trimmed, and e-mail addresses compare without regard to case.
pub(super) fn normalise(key: &str) -> String {
    let key = key.trim();
    if key.contains('@') { key.to_lowercase() } else { key.to_owned() }
}
