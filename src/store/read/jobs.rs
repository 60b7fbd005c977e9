//! Reading jobs: one, lists, counts. A job under a lease is shown as being sent, and the next
//! step of an enrolment is shown as a job although it has no row of its own.

use std::collections::BTreeMap;
use std::iter::Peekable;

use super::{Pager, Result, SEEN};
use crate::base::Id;
use crate::model::queue::{Attempt, Job, JobState, PAUSED};
use crate::store::claims::{Claims, Held};
use crate::store::kv::{Kv, Rows, Way};
use crate::store::rows::{self, Counter, Due, StoredJob};
use crate::store::{JobFilter, Page, Stat, keys};

/// A job as it is shown: under a lease it is being sent.
fn shown(claims: &Claims, mut job: Job) -> Job {
    if job.state == JobState::Pending && claims.holds(job.id) {
        job.state = JobState::Sending;
    }
    job
}

/// A job with its attempts.
pub(in crate::store) fn job(
    kv: &dyn Kv,
    claims: &Claims,
    id: Id,
) -> Result<Option<(Job, Vec<Attempt>)>> {
    let stored = match rows::job(kv, id)? {
        None => rows::enrolment_of_step(kv, id)?.and_then(|found| found.step()),
        own => own,
    };
    let Some(stored) = stored else { return Ok(None) };
    let mut attempts = Vec::new();
    for id in &stored.tries {
        attempts.extend(rows::read::<Attempt>(kv, &keys::by_id(keys::ATTEMPT, *id))?);
    }
    Ok(Some((shown(claims, stored.job), attempts)))
}

/// Jobs: what is open by due time, then what has ended, newest first.
pub(in crate::store) fn jobs(
    kv: &dyn Kv,
    claims: &Claims,
    filter: &JobFilter,
    skip: usize,
    take: usize,
) -> Result<Page<Job>> {
    let held: BTreeMap<Id, Held> = claims.all().clone().into_iter().collect();
    let mut pager = Pager::new(skip, take);
    let mut add = |job: Option<Job>| {
        let Some(mut job) = job else { return true };
        let claim = held.get(&job.id);
        if job.state == JobState::Pending && claim.is_some() {
            job.state = JobState::Sending;
        }
        !wanted(filter, &job, claim) || pager.add(job)
    };
    if let Some(execution) = filter.execution {
        let mut found = jobs_of(kv, execution)?;
        found.sort_by_key(|job| match job.state {
            JobState::Pending => (false, job.due, job.id),
            _ => (true, -job.id.millis(), job.id),
        });
        let _ = found.into_iter().all(|job| add(Some(job)));
        return Ok(pager.page);
    }
    let open = matches!(filter.state, None | Some(JobState::Pending | JobState::Sending));
    let ended =
        filter.state.is_none_or(|state| !matches!(state, JobState::Pending | JobState::Sending));
    if filter.state == Some(JobState::Sending) {
        for (id, claim) in &held {
            if !add(rows::due(kv, *id, &claim.due)?.map(|stored| stored.job)) {
                break;
            }
        }
    } else if open && !open_jobs(kv, &mut add)? {
        return Ok(pager.page);
    }
    if ended {
        for row in kv.prefix(&[keys::JOB], Way::Down).take(SEEN) {
            let (key, raw) = row?;
            let stored: StoredJob = rows::decode(kv, &key, &raw)?;
            if stored.job.state != JobState::Pending && !add(Some(stored.job)) {
                break;
            }
        }
    }
    Ok(pager.page)
}

/// Everything in the queue by due time, and then what waits for its turn; false when no
/// more are needed.
fn open_jobs(kv: &dyn Kv, add: &mut dyn FnMut(Option<Job>) -> bool) -> Result<bool> {
    let mut classes = rows::classes(kv, keys::DUE)?;
    classes.extend(rows::classes(kv, keys::HELD)?);
    let mut walks: Vec<_> =
        classes.iter().map(|class| kv.prefix(class, Way::Up).peekable()).collect();
    for _ in 0..SEEN {
        let first = walks.iter_mut().map(due_of).enumerate().min_by_key(|(_, due)| *due);
        let Some(row) = first.and_then(|(first, _)| walks[first].next()) else { break };
        let (key, raw) = row?;
        let entry: Due = rows::decode(kv, &key, &raw)?;
        if !add(rows::due(kv, keys::id_of(&key), &entry)?.map(|stored| stored.job)) {
            return Ok(false);
        }
    }
    for row in kv.prefix(&keys::groups(), Way::Up).take(SEEN) {
        let (key, raw) = row?;
        let parked = raw.last() == Some(&0);
        if parked && !add(rows::job(kv, keys::id_of(&key))?.map(|stored| stored.job)) {
            return Ok(false);
        }
    }
    Ok(true)
}

/// What is held aside of a sequence, from a place on, and where to go on.
pub(in crate::store) fn held(
    kv: &dyn Kv,
    sequence: &str,
    from: &[u8],
    take: usize,
) -> Result<(Vec<Job>, Option<Vec<u8>>)> {
    let all = keys::all_held(sequence);
    let end = keys::end(&all);
    let (mut found, mut last, mut seen) = (Vec::new(), Vec::new(), 0);
    for row in kv.scan(from.max(&all), &end, Way::Up).take(take) {
        let (key, _) = row?;
        let stored = rows::job(kv, keys::id_of(&key))?;
        found.extend(stored.filter(StoredJob::is_held).map(|stored| stored.job));
        last = key;
        seen += 1;
    }
    // A part that is not full was the last.
    let next = (seen == take && seen > 0).then(|| [&last[..], &[0]].concat());
    Ok((found, next))
}

/// When the next job of a walk is due; a walk that fails or has ended comes first or last.
fn due_of(walk: &mut Peekable<Rows<'_>>) -> i64 {
    match walk.peek() {
        None => i64::MAX,
        Some(Err(_)) => i64::MIN,
        Some(Ok((key, _))) => keys::split_due(key).map_or(i64::MIN, |(_, due)| due),
    }
}

/// The jobs of one execution. Their ids carry its time, so only one millisecond is walked.
fn jobs_of(kv: &dyn Kv, execution: Id) -> Result<Vec<Job>> {
    let from = keys::by_id(keys::JOB, Id::floor(execution.millis()));
    let to = keys::by_id(keys::JOB, Id::floor(execution.millis() + 1));
    let mut found = Vec::new();
    for row in kv.scan(&from, &to, Way::Up).take(SEEN) {
        let (key, raw) = row?;
        let stored: StoredJob = rows::decode(kv, &key, &raw)?;
        found.extend((stored.job.execution == execution).then_some(stored.job));
    }
    let enrolled = rows::head(kv, execution)?.map(|head| head.enrolled).unwrap_or_default();
    for (sequence, key) in enrolled {
        let step = rows::enrolment(kv, &sequence, &key)?
            .filter(|stored| stored.enrolment.execution == execution)
            .and_then(|stored| stored.step());
        if let Some(step) = step
            && !found.iter().any(|job| job.id == step.job.id)
        {
            found.push(step.job);
        }
    }
    Ok(found)
}

fn wanted(filter: &JobFilter, job: &Job, claim: Option<&Held>) -> bool {
    let stuck = |for_longer: i64| match (job.state, claim) {
        (JobState::Pending, _) => {
            job.reason.as_deref() != Some(PAUSED) && filter.now - job.due > for_longer
        }
        (JobState::Sending, Some(claim)) => filter.now - claim.since > for_longer,
        _ => false,
    };
    filter.state.is_none_or(|state| state == job.state)
        && filter.event_type.as_ref().is_none_or(|wanted| *wanted == job.event_type)
        && filter.target.as_ref().is_none_or(|part| job.target.contains(part))
        && filter.reason.as_ref().is_none_or(|reason| job.reason.as_ref() == Some(reason))
        && filter.stuck.is_none_or(stuck)
}

/// Counts by event type and lane.
pub(in crate::store) fn stats(
    kv: &dyn Kv,
    claims: &Claims,
) -> Result<Vec<((String, String), Stat)>> {
    let mut stats = BTreeMap::new();
    for row in kv.prefix(&[keys::COUNTER], Way::Up) {
        let (key, raw) = row?;
        let row: Counter = rows::decode(kv, &key, &raw)?;
        stats.insert((row.event_type, row.lane), row.stat);
    }
    for held in claims.all().values() {
        let stat: &mut Stat =
            stats.entry((held.event_type.clone(), held.lane.clone())).or_default();
        let [pending, sending, ..] = &mut stat.counts;
        *pending = pending.saturating_sub(1);
        *sending += 1;
    }
    Ok(stats.into_iter().collect())
}
