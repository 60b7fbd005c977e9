//! Beginning and ending sequences: who may enter, and with which plan (see
//! [`timing`](super::timing)). The whole plan is fixed at the start, so a later edit of the waits moves nobody who is mid-way unless
//! the sequence says `apply="everyone"` (see [`replan`](super::replan)).

use std::sync::Arc;

use jiff::tz::TimeZone;
use serde_json::Value;

use super::ending::Ended;
use super::fill::text;
use super::refusal::Halt;
use super::run::Run;
use super::timing::{Person, Planned, plan};
use super::world::Need;
use crate::base::{Id, Zone, address, time};
use crate::model::commit::{Assumption, NextStep, Write};
use crate::model::queue::{Enrolment, EnrolmentState, Level};
use crate::model::rules::{Again, Sequence};
use crate::model::{Context, Origin};
use crate::template::Template;

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
        let zone = self.person_zone(&sequence, &to, context)?;
        let id = self.next_run(name, &key);
        let person = Person { enrolment: id, began: self.call.at, zone: &zone };
        let plan = plan(self.world, &sequence, &person, context)?;
        let enrolment = self.enrolment(&sequence, to, key, &person, context);
        self.admit(&sequence, enrolment, &plan, seen);
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
        let (mut found, already) = match self.enrolled.get(&place) {
            Some((enrolment, already)) => (Some(enrolment.clone()), *already),
            None => match self.view.enrolments.get(&place) {
                None => return Err(Halt::Need(Need::Enrolment(place.0, place.1))),
                Some(seen) => {
                    self.assumes.push(Assumption::Enrolment {
                        sequence: place.0,
                        key: place.1,
                        seen: seen.as_ref().map(|seen| (seen.id, is_active(seen))),
                    });
                    (seen.clone(), 0)
                }
            },
        };
        let mut ended = self.ended.iter().skip(already);
        if let Some(one) = &mut found
            && ended.any(|ended| ended.holds(sequence, &one.person, key))
            && is_active(one)
        {
            one.state = EnrolmentState::Stopped(String::from("by this call"));
        }
        Ok(found)
    }

    /// The id of the run that a start of this call would begin.
    fn next_run(&self, sequence: &str, key: &str) -> Id {
        match self.enrolled.get(&(sequence.to_owned(), key.to_owned())) {
            // What the call itself has begun and ended can begin once more.
            Some((before, _)) => before.id.derive("again"),
            None => self.call.id.derive(&format!("enrolment {sequence} {key}")),
        }
    }

    /// Why somebody who was in the sequence before may not enter now.
    fn barred(&self, sequence: &Sequence, seen: &Enrolment) -> Option<String> {
        let since = time::format_millis(seen.started);
        let active = is_active(seen);
        match sequence.again {
            // Two starts of one call are one: there is nothing yet that could be restarted.
            Again::Restart if active && seen.execution == self.call.id => {
                Some(String::from("this call has started it already"))
            }
            Again::Restart => None,
            _ if active => Some(format!("already in it since {since}")),
            Again::Never => {
                Some(format!("was in it before (started {since}), and it is once only"))
            }
            Again::AfterFinish => None,
            Again::After(pause) => {
                // The person's days, as when it began.
                let zone = Zone::get(&seen.zone).unwrap_or_else(|_| self.world.zone());
                let again = pause.after(time::from_millis(seen.started), &zone);
                (self.call.at < again)
                    .then(|| format!("was in it {since}; again after {}", time::format_time(again)))
            }
        }
    }

    /// Somebody's place in a sequence, without the plan.
    fn enrolment(
        &self,
        sequence: &Sequence,
        to: String,
        key: String,
        person: &Person<'_>,
        context: &Context<'_>,
    ) -> Enrolment {
        let whole_call = matches!(self.call.origin, Origin::Endpoint(_))
            && std::ptr::eq(context.payload(), &raw const self.call.payload);
        Enrolment {
            id: person.enrolment,
            sequence: sequence.name.clone(),
            key,
            person: address::person(&to),
            to,
            zone: person.zone.iana_name().unwrap_or("UTC").to_owned(),
            execution: self.call.id,
            payload: (!whole_call)
                .then(|| serde_json::Value::Object(context.payload().clone()).to_string()),
            started: time::millis(self.call.at),
            rules: sequence.edition.hash.clone(),
            plan: Vec::new(),
            next: 0,
            live: Vec::new(),
            state: EnrolmentState::Active,
            updated: time::millis(self.call.at),
        }
    }

    /// Where the person lives: what `zone=` reads in the payload, or the field `zone` of the
    /// record "contact", or the zone that `zone=` names for everybody, or where the sender is.
    fn person_zone(
        &mut self,
        sequence: &Sequence,
        to: &str,
        context: &Context<'_>,
    ) -> Result<TimeZone, Halt> {
        let (own, shared) = match &sequence.zone {
            Some(template) if template.paths().is_empty() => (None, Some(template)),
            template => (template.as_ref(), None),
        };
        if let Some(zone) = self.written_zone(sequence, own, context)? {
            return Ok(zone);
        }
        let contact = if sequence.contact_zone { self.contact_zone(to)? } else { None };
        if let Some(zone) = contact.and_then(|name| self.known_zone(sequence, &name)) {
            return Ok(zone);
        }
        let shared = self.written_zone(sequence, shared, context)?;
        Ok(shared.unwrap_or_else(|| self.world.zone()))
    }

    fn written_zone(
        &mut self,
        sequence: &Sequence,
        template: Option<&Template>,
        context: &Context<'_>,
    ) -> Result<Option<TimeZone>, Halt> {
        let Some(template) = template else { return Ok(None) };
        let name = text(template, context)?;
        Ok(self.known_zone(sequence, &name))
    }

    fn contact_zone(&mut self, to: &str) -> Result<Option<String>, Halt> {
        let person = address::person(to);
        let is_same = person == to;
        for id in [Some(to), Some(person.as_str()).filter(|_| !is_same)].into_iter().flatten() {
            if let Some(fields) = self.fields_of("contact", id)? {
                return Ok(fields.get("zone").and_then(Value::as_str).map(str::to_owned));
            }
        }
        Ok(None)
    }

    /// The zone of that name; the log says it when there is none, unless nobody named one.
    fn known_zone(&mut self, sequence: &Sequence, name: &str) -> Option<TimeZone> {
        let name = name.trim();
        let found = TimeZone::get(name).ok();
        if found.is_none() && !name.is_empty() {
            let told = format!("`{name}` is no time zone and is left out of account");
            self.log(Level::Warn, &sequence.name, told);
        }
        found
    }

    fn admit(
        &mut self,
        sequence: &Sequence,
        enrolment: Enrolment,
        plan: &[Planned],
        seen: Option<Enrolment>,
    ) {
        let steps = plan.iter().map(|planned| (planned.step.clone(), planned.due)).collect();
        let enrolment = Enrolment { plan: steps, ..enrolment };
        if let Some(seen) = seen.filter(is_active) {
            self.writes.push(Write::Stop {
                sequence: seen.sequence,
                person: seen.person,
                key: Some(seen.key),
                reason: String::from("restarted"),
            });
        }
        for planned in plan {
            let due = time::format_millis(planned.due);
            let moved = planned.moved_from.map(time::format_millis);
            let moved = moved.map(|from| format!(", moved by the window from {from}"));
            let moved = moved.unwrap_or_default();
            let told = format!("scheduled for {} at {due}{moved}", enrolment.to);
            self.log(Level::Info, &planned.step, told);
        }
        if let Some(step) = next_step(self, sequence, &enrolment) {
            let place = (enrolment.sequence.clone(), enrolment.key.clone());
            self.enrolled.insert(place, (enrolment.clone(), self.ended.len()));
            let edition = Arc::clone(&sequence.edition);
            self.writes.push(Write::Edition { sequence: sequence.name.clone(), edition });
            self.writes.push(Write::Enrol { enrolment, step });
        }
    }
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

/// Keys are trimmed, and e-mail addresses are spelt as people are known.
pub(super) fn normalise(key: &str) -> String {
    if key.contains('@') { address::person(key) } else { key.trim().to_owned() }
}
