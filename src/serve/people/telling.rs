//! What is said of one thing that is to come: what it will say, and everything that may still
//! change it.

use std::collections::HashMap;

use serde_json::{Map, Value, json};

use super::{Editions, at, pauses, payload};
use crate::base::{Id, Zone, time};
use crate::engine::{self, Planned};
use crate::model::queue::{PAUSED, Suppression, Task, suppression};
use crate::model::rules::{MailKind, Sequence, SequenceAction, SequenceStep};
use crate::model::{Context, Enrolment, Job, RuleSet};
use crate::store::{Store, StoreError};

/// One thing that will happen.
pub(super) struct Coming {
    pub(super) due: i64,
    /// A job, or the first step of the enrolment below.
    pub(super) job: Job,
    /// The step's name.
    pub(super) step: String,
    pub(super) enrolment: Option<Enrolment>,
}

/// A sequence and one of its steps, if the rules have them.
pub(super) fn find<'a>(
    rules: &'a RuleSet,
    sequence: &str,
    step: &str,
) -> Option<(&'a Sequence, &'a SequenceStep)> {
    let sequence = rules.sequences.get(sequence)?;
    Some((sequence, sequence.steps.iter().find(|found| found.name == step)?))
}

/// That a step has come due, or an e-mail that was refused, and waits once more, and why.
fn put_off(job: &Job, due: i64) -> Option<String> {
    let why = job.reason.as_deref().filter(|why| *why != PAUSED);
    let untried = job.attempts == 0 || why.is_some();
    let is_put_off = job.due == due && job.planned < due && untried;
    let why = why.map(|why| format!(": {why}")).unwrap_or_default();
    is_put_off.then(|| format!("put off{why}; it was due {}", at(job.planned)))
}

/// Tells what will happen, with what it looked up before.
pub(super) struct Teller<'a> {
    store: &'a dyn Store,
    rules: &'a RuleSet,
    now: i64,
    editions: Editions,
    payloads: HashMap<Id, Map<String, Value>>,
    plans: HashMap<Id, Vec<Planned>>,
    barred: HashMap<String, Vec<Suppression>>,
}

impl<'a> Teller<'a> {
    /// Who has not looked anything up yet.
    pub(super) fn new(store: &'a dyn Store, rules: &'a RuleSet, now: i64) -> Self {
        Self {
            store,
            rules,
            now,
            editions: Editions::default(),
            payloads: HashMap::new(),
            plans: HashMap::new(),
            barred: HashMap::new(),
        }
    }

    /// One thing as an entry of the schedule.
    pub(super) async fn tell(&mut self, one: &Coming) -> Result<Value, StoreError> {
        let Coming { due, job, step, enrolment } = one;
        let sequence = job.enrolment.as_ref().map(|(sequence, _)| sequence);
        let found = sequence.and_then(|sequence| find(self.rules, sequence, step));
        let mut entry = json!({
            "id": job.id.to_string(),
            "due": at(*due),
            "event_type": step,
            "sequence": sequence,
            "to": job.target,
            "service": job.lane,
            "attempts": job.attempts,
            "execution_id": job.execution.to_string(),
            "subject": null,
            "variant": null,
            "when": null,
            "stop_when": null,
            "version": null,
            "note": null,
        });
        let mut notes = Vec::new();
        match (&job.task, found, enrolment) {
            (Task::Email(email), ..) => {
                entry["subject"] = Value::from(email.subject.as_str());
                entry["variant"] = email.variant.clone().into();
                notes.extend(job.expires.and_then(|latest| self.too_late(job, latest)));
                notes.extend(put_off(job, *due));
            }
            (Task::Step { .. }, Some((sequence, step)), Some(one)) => {
                let (subject, variant) = self.subject(one, sequence, step).await?.unzip();
                entry["subject"] = subject.into();
                entry["variant"] = variant.flatten().into();
                let source = |guard: &Option<crate::guard::Guard>| {
                    guard.as_ref().map(|guard| Value::from(guard.source()))
                };
                let followed = self.editions.followed(self.store, self.rules, one).await?;
                let then = followed.as_deref().unwrap_or(sequence);
                let own = then.steps.iter().find(|own| own.name == step.name);
                // A step that the edition does not know is judged as the rules say now.
                let (then, own) = own.map_or((sequence, step), |own| (then, own));
                entry["when"] = source(&own.when).into();
                entry["stop_when"] = source(&then.stop_when).into();
                if followed.is_some() {
                    entry["version"] = self.editions.told(self.store, self.rules, one).await?;
                }
                notes.extend(self.barred(one, sequence, step, *due).await?);
                notes.extend(self.too_late(job, engine::latest(own, job.planned)));
                notes.extend(put_off(job, *due).or_else(|| self.moved(one, then, own, *due)));
            }
            (Task::Step { sequence, .. }, None, _) => {
                notes.push(String::from(if self.rules.sequences.contains_key(sequence) {
                    "will be skipped: the rules no longer have this step"
                } else {
                    "will stop then: the rules no longer have this sequence"
                }));
            }
            _ => {}
        }
        if let Some(sequence) = sequence {
            let pause = pauses::pause_of(self.store, sequence, &job.target).await?;
            notes.extend(pause.map(|pause| pause.note()));
        }
        if !notes.is_empty() {
            entry["note"] = notes.join("; ").into();
        }
        Ok(entry)
    }

    /// That it will be left out when it is looked at, because it is too late already.
    fn too_late(&self, job: &Job, latest: i64) -> Option<String> {
        let too_late = self.now > latest && !job.by_hand;
        too_late.then(|| format!("will be skipped: it is too late after {}", at(latest)))
    }

    /// What the window has done to the moment of a step: told where the rules of now would
    /// plan it for the same moment.
    fn moved(
        &mut self,
        one: &Enrolment,
        sequence: &Sequence,
        step: &SequenceStep,
        due: i64,
    ) -> Option<String> {
        sequence.window.as_ref()?;
        if !self.plans.contains_key(&one.id) {
            let payload = self.payloads.get(&one.id)?.clone();
            let started = engine::Started { enrolment: one.clone(), payload };
            let plan = engine::planned(&engine::World::alone(self.rules, 1), &started);
            self.plans.insert(one.id, plan.unwrap_or_default());
        }
        let plan = self.plans.get(&one.id)?;
        let planned = plan.iter().find(|planned| planned.step == step.name)?;
        let from = planned.moved_from.filter(|_| planned.due == due)?;
        Some(format!("moved by the window from {}", at(from)))
    }

    /// The subject as the person will read it, if nothing changes, and the variant.
    async fn subject(
        &mut self,
        one: &Enrolment,
        sequence: &Sequence,
        step: &SequenceStep,
    ) -> Result<Option<(String, Option<String>)>, StoreError> {
        if !self.payloads.contains_key(&one.id) {
            let payload = payload(self.store, one).await?;
            self.payloads.insert(one.id, payload);
        }
        let empty = Map::new();
        let payload = self.payloads.get(&one.id).unwrap_or(&empty);
        let zone = Zone::get(&one.zone).unwrap_or(Zone::UTC);
        let mut context = Context::new(payload, zone);
        context.set("now", Value::String(time::format_millis(one.started)));
        let said = engine::said(sequence, step, &one.person, &context, None);
        Ok(said.map(|(said, locale)| {
            let context = engine::spoken(sequence, said, locale.as_deref(), &context);
            let subject = said.subject.text(&context);
            let subject = subject.unwrap_or_else(|_| said.subject.source().to_owned());
            (subject, said.variant.map(str::to_owned))
        }))
    }

    /// Why it will be left out although it is planned.
    async fn barred(
        &mut self,
        one: &Enrolment,
        sequence: &Sequence,
        step: &SequenceStep,
        due: i64,
    ) -> Result<Option<String>, StoreError> {
        let SequenceAction::Email { .. } = step.action else { return Ok(None) };
        if !self.barred.contains_key(&one.person) {
            let found = self.store.suppressions(&one.person).await?;
            self.barred.insert(one.person.clone(), found);
        }
        let entries = self.barred.get(&one.person).into_iter().flatten();
        let mut counting = entries.filter(|entry| {
            entry.covers(&sequence.name)
                && !entry.is_over(due)
                && (sequence.kind == MailKind::Marketing || entry.reason == suppression::BOUNCED)
        });
        let told = |reason: &str| format!("will be skipped: {}", suppression::because(reason));
        Ok(counting.next().map(|entry| told(&entry.reason)))
    }
}
