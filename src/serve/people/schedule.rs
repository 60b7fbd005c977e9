//! What will be sent when, to whom: every step that is left of every active enrolment, and
//! every delivery that waits, with what may still change it.

use std::collections::HashMap;

use serde_json::{Map, Value, json};

use super::pauses::{self, Pause};
use super::{Editions, at, payload};
use crate::base::{Id, Zone, time};
use crate::engine;
use crate::model::queue::{Suppression, Task, suppression};
use crate::model::rules::{MailKind, Sequence, SequenceAction, SequenceStep};
use crate::model::{Context, Enrolment, Job, JobState, RuleSet};
use crate::store::{JobFilter, Store, StoreError};

/// Pending jobs that a schedule looks at, the earliest first.
const MAX_LOOKED_AT: usize = 5_000;
/// Jobs that are read at a time.
const CHUNK: usize = 1_000;

/// Which part of the schedule.
#[derive(Clone, Debug)]
pub struct Wanted {
    /// Not before, in milliseconds since 1970.
    pub from: i64,
    /// Not after.
    pub to: i64,
    /// Only of this sequence.
    pub sequence: Option<String>,
    /// Only for this person, lower-cased.
    pub person: Option<String>,
    /// So many entries at most.
    pub size: usize,
}

impl Wanted {
    /// Everything, at most so many entries.
    #[must_use]
    pub fn all(size: usize) -> Self {
        Self { from: i64::MIN, to: i64::MAX, sequence: None, person: None, size }
    }
}

/// One thing that will happen.
struct Coming {
    due: i64,
    /// A job, or the first step of the enrolment below.
    job: Job,
    /// The step's name.
    step: String,
    enrolment: Option<Enrolment>,
}

/// The schedule, earliest first: `results`, how many there are (`total`), how many `more` are
/// known, and whether that is all of it (`complete`).
///
/// # Errors
/// The store cannot be read.
pub async fn schedule(
    store: &dyn Store,
    rules: &RuleSet,
    wanted: &Wanted,
) -> Result<Value, StoreError> {
    let (mut coming, mut complete) = match &wanted.person {
        Some(person) => (of_person(store, rules, person).await?, true),
        None => of_all(store, wanted.to).await?,
    };
    coming.retain(|one| {
        let sequence = one.job.enrolment.as_ref().map(|(sequence, _)| sequence);
        (wanted.from..=wanted.to).contains(&one.due)
            && (wanted.sequence.is_none() || wanted.sequence.as_ref() == sequence)
    });
    coming.sort_by(|one, other| (one.due, &one.job.target).cmp(&(other.due, &other.job.target)));
    let more = coming.len().saturating_sub(wanted.size);
    coming.truncate(wanted.size);
    complete &= more == 0;
    let mut teller = Teller {
        store,
        rules,
        editions: Editions::default(),
        payloads: HashMap::new(),
        barred: HashMap::new(),
    };
    let mut results = Vec::with_capacity(coming.len());
    for one in &coming {
        results.push(teller.tell(one).await?);
    }
    Ok(json!({
        "total": results.len(), "results": results, "more": more, "complete": complete,
        "zone": super::zone(rules),
    }))
}

/// What is due until then, and whether that is all of it. A sequence has one pending job, its
/// next step; the steps after it follow from its plan.
async fn of_all(store: &dyn Store, to: i64) -> Result<(Vec<Coming>, bool), StoreError> {
    let filter = JobFilter { state: Some(JobState::Pending), ..JobFilter::default() };
    let mut coming = Vec::new();
    for skip in (0..MAX_LOOKED_AT).step_by(CHUNK) {
        let jobs = store.jobs(filter.clone(), skip, CHUNK).await?.rows;
        let last = jobs.len() < CHUNK || jobs.last().is_some_and(|job| job.due > to);
        for job in jobs.into_iter().filter(|job| job.due <= to) {
            let enrolment = enrolment_of(store, &job).await?;
            coming.extend(later_steps(&job, enrolment.as_ref()));
            coming.push(Coming { due: job.due, step: job.event_type.clone(), job, enrolment });
        }
        if last {
            return Ok((coming, true));
        }
    }
    Ok((coming, false))
}

/// The enrolment whose next step a job is.
async fn enrolment_of(store: &dyn Store, job: &Job) -> Result<Option<Enrolment>, StoreError> {
    let Task::Step { sequence, key, enrolment: id, .. } = &job.task else { return Ok(None) };
    let found = store.enrolment(sequence, key).await?;
    Ok(found.filter(|found| found.id == *id))
}

/// The steps that follow a pending step.
fn later_steps(job: &Job, enrolment: Option<&Enrolment>) -> Vec<Coming> {
    let Some(one) =
        enrolment.filter(|one| one.upcoming().is_some_and(|(step, _)| one.job_id(step) == job.id))
    else {
        return Vec::new();
    };
    let following = one.plan.iter().skip(one.next as usize + 1);
    let coming = following.map(|(step, due)| Coming {
        due: *due,
        job: Job { id: one.job_id(step), attempts: 0, ..job.clone() },
        step: step.clone(),
        enrolment: Some(one.clone()),
    });
    coming.collect()
}

/// What is to come for one person, found by the enrolments.
async fn of_person(
    store: &dyn Store,
    rules: &RuleSet,
    person: &str,
) -> Result<Vec<Coming>, StoreError> {
    let mut coming = Vec::new();
    for one in store.enrolments_of(person).await? {
        let mut ids = one.live.clone();
        let next = one.upcoming().map(|(step, _)| one.job_id(step));
        ids.extend(next);
        for id in ids {
            let Some((job, _)) = store.job(id).await? else { continue };
            if !matches!(job.state, JobState::Pending | JobState::Sending) {
                continue;
            }
            if Some(id) == next {
                coming.extend(later_steps(&job, Some(&one)).into_iter().map(|mut later| {
                    later.job.lane = lane(rules, &one, &later.step);
                    later
                }));
            }
            let enrolment = Some(one.clone());
            coming.push(Coming { due: job.due, step: job.event_type.clone(), job, enrolment });
        }
    }
    Ok(coming)
}

/// The service that a later step goes to.
fn lane(rules: &RuleSet, one: &Enrolment, step: &str) -> String {
    let world = engine::World::alone(rules, 1);
    let found = find(rules, &one.sequence, step);
    found.map_or_else(|| engine::OUTBOX.to_owned(), |(_, step)| world.lane(step).0)
}

fn find<'a>(
    rules: &'a RuleSet,
    sequence: &str,
    step: &str,
) -> Option<(&'a Sequence, &'a SequenceStep)> {
    let sequence = rules.sequences.get(sequence)?;
    Some((sequence, sequence.steps.iter().find(|found| found.name == step)?))
}

/// That a step has come due and waits once more, because its window was closed by then.
fn put_off(job: &Job, due: i64) -> Option<String> {
    let is_put_off = job.due == due && job.planned < due && job.attempts == 0;
    is_put_off.then(|| format!("put off; it was due {}", at(job.planned)))
}

/// Tells what will happen, with what it looked up before.
struct Teller<'a> {
    store: &'a dyn Store,
    rules: &'a RuleSet,
    editions: Editions,
    payloads: HashMap<Id, Map<String, Value>>,
    barred: HashMap<String, Vec<Suppression>>,
}

impl Teller<'_> {
    async fn tell(&mut self, one: &Coming) -> Result<Value, StoreError> {
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
        match (&job.task, found, enrolment) {
            (Task::Email(email), ..) => {
                entry["subject"] = Value::from(email.subject.as_str());
                entry["variant"] = email.variant.clone().into();
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
                let barred = self.barred(one, sequence, step, *due).await?;
                let moved = put_off(job, *due).or_else(|| self.moved(one, then, own, *due));
                entry["note"] = barred.or(moved).into();
            }
            (Task::Step { sequence, .. }, None, _) => {
                entry["note"] = if self.rules.sequences.contains_key(sequence) {
                    "will be skipped: the rules no longer have this step".into()
                } else {
                    "will stop then: the rules no longer have this sequence".into()
                };
            }
            _ => {}
        }
        if let (true, Some(sequence)) = (entry["note"].is_null(), sequence)
            && let Some(pause) = self.pause(sequence, &job.target).await?
        {
            entry["note"] = pause.note().into();
        }
        Ok(entry)
    }

    /// What the window has done to the moment of a step: told where the rules of now would
    /// plan it for the same moment.
    fn moved(
        &self,
        one: &Enrolment,
        sequence: &Sequence,
        step: &SequenceStep,
        due: i64,
    ) -> Option<String> {
        sequence.window.as_ref()?;
        let payload = self.payloads.get(&one.id)?.clone();
        let started = engine::Started { enrolment: one.clone(), payload };
        let plan = engine::planned(&engine::World::alone(self.rules, 1), &started).ok()?;
        let planned = plan.into_iter().find(|planned| planned.step == step.name)?;
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
        Ok(said.map(|(said, _)| {
            let subject = said.subject.text(&context);
            let subject = subject.unwrap_or_else(|_| said.subject.source().to_owned());
            (subject, said.variant.map(str::to_owned))
        }))
    }

    /// The pause that holds it up.
    async fn pause(&self, sequence: &str, person: &str) -> Result<Option<Pause>, StoreError> {
        pauses::pause_of(self.store, sequence, person).await
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
