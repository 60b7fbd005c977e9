//! What will be sent when, to whom: every step that is left of every active enrolment, and
//! every delivery that waits, with what may still change it.

use serde_json::{Value, json};

use super::telling::{Coming, Teller, find};
use crate::engine;
use crate::model::queue::Task;
use crate::model::{Enrolment, Job, JobState, RuleSet};
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
    /// Only for this person, spelt as they are known.
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

/// The schedule as it is `now`, earliest first: `results`, how many there are (`total`), how
/// many `more` are known, and whether that is all of it (`complete`).
///
/// # Errors
/// The store cannot be read.
pub async fn schedule(
    store: &dyn Store,
    rules: &RuleSet,
    wanted: &Wanted,
    now: i64,
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
    let mut teller = Teller::new(store, rules, now);
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
        job: Job {
            id: one.job_id(step),
            planned: *due,
            due: *due,
            by_hand: false,
            reason: None,
            attempts: 0,
            ..job.clone()
        },
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
