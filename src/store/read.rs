//! Reading: one row, and pages of many. Readers look at what is committed and at the claims;
//! they hold nothing up. Lists walk lazily and count at most [`COUNTED`] matches.

use std::collections::BTreeMap;
use std::iter::Peekable;

use super::claims::{Claims, Held};
use super::kv::{Kv, Rows, Way};
use super::rows::{self, Counter, Due, Head, StoredEnrolment, StoredJob};
use super::{
    ExecutionFilter, ExecutionRow, JobFilter, Page, Stat, StoreError, Suppression, WebhookLog, keys,
};
use crate::base::Id;
use crate::model::queue::{
    Attempt, Execution, ExecutionState, Job, JobState, LogLine, Record, Refusal,
};

type Result<T> = std::result::Result<T, StoreError>;

/// Most matches that a list counts.
const COUNTED: usize = 10_000;
/// Most rows that a list looks at. What lies further back is found by asking for less time.
const SEEN: usize = 200_000;

/// Gathers one page.
struct Pager<T> {
    skip: usize,
    take: usize,
    page: Page<T>,
}

impl<T> Pager<T> {
    fn new(skip: usize, take: usize) -> Self {
        Self { skip, take, page: Page { rows: Vec::new(), total: 0 } }
    }

    /// Adds a match; false when no more are needed.
    fn add(&mut self, row: T) -> bool {
        if self.page.total >= self.skip && self.page.rows.len() < self.take {
            self.page.rows.push(row);
        }
        self.page.total += 1;
        self.page.total < COUNTED.max(self.skip.saturating_add(self.take))
    }
}

/// An execution with its progress: `Running` while a job of it is in flight.
fn execution_row(kv: &dyn Kv, claims: &Claims, head: Head) -> Result<ExecutionRow> {
    let mut progress = rows::progress(kv, &head)?;
    let id = head.execution.id;
    let ended = progress.history.last().is_some_and(|(state, _)| state.is_end());
    let all = claims.all();
    let since = all.values().filter(|held| held.execution == id).map(|held| held.since).min();
    if let Some(since) = since.filter(|_| !ended) {
        progress.history.push((ExecutionState::Running, since));
    }
    Ok(ExecutionRow { execution: head.execution, progress })
}

/// An execution.
pub(super) fn execution(kv: &dyn Kv, claims: &Claims, id: Id) -> Result<Option<ExecutionRow>> {
    rows::head(kv, id)?.map(|head| execution_row(kv, claims, head)).transpose()
}

/// Executions, newest first.
pub(super) fn executions(
    kv: &dyn Kv,
    claims: &Claims,
    filter: &ExecutionFilter,
    skip: usize,
    take: usize,
) -> Result<Page<ExecutionRow>> {
    let prefix = match &filter.person {
        Some(person) => keys::person_executions(person),
        None => vec![keys::EXECUTION],
    };
    let bound = |at: i64| [&prefix[..], &Id::floor(at).0].concat();
    let from = filter.since.map_or_else(|| prefix.clone(), bound);
    let to = filter.until.map_or_else(|| keys::end(&prefix), bound);
    let mut pager = Pager::new(skip, take);
    for row in kv.scan(&from, &to, Way::Down).take(SEEN) {
        let (key, raw) = row?;
        let head = match filter.person {
            Some(_) => rows::head(kv, keys::id_of(&key))?,
            None => Some(rows::decode(kv, &key, &raw)?),
        };
        let Some(head) = head.filter(|head| fits(filter, &head.execution)) else { continue };
        let row = execution_row(kv, claims, head)?;
        let state = row.progress.history.last().map(|(state, _)| *state);
        let state_fits =
            filter.states.is_empty() || state.is_some_and(|state| filter.states.contains(&state));
        if state_fits && !pager.add(row) {
            break;
        }
    }
    Ok(pager.page)
}

fn fits(filter: &ExecutionFilter, execution: &Execution) -> bool {
    let same = |wanted: &Option<String>, is: &str| wanted.as_deref().is_none_or(|w| w == is);
    let text = filter.text.as_deref().unwrap_or_default();
    let person = execution.person.as_deref().unwrap_or_default();
    same(&filter.namespace, &execution.namespace)
        && same(&filter.flow, &execution.flow)
        && filter.labels.iter().all(|label| execution.labels.contains(label))
        && (text.is_empty()
            || [execution.namespace.as_str(), execution.flow.as_str(), person]
                .iter()
                .any(|part| part.contains(text))
            || execution.id.to_string().contains(text))
}

/// An execution's log: what the decision said, then what happened.
pub(super) fn logs(kv: &dyn Kv, id: Id) -> Result<Vec<LogLine>> {
    let mut lines = rows::head(kv, id)?.map(|head| head.execution.logs).unwrap_or_default();
    for row in kv.prefix(&keys::logs(id), Way::Up).take(COUNTED) {
        let (key, raw) = row?;
        lines.push(rows::decode(kv, &key, &raw)?);
    }
    Ok(lines)
}

/// A job as it is shown: under a lease it is being sent.
fn shown(claims: &Claims, mut job: Job) -> Job {
    if job.state == JobState::Pending && claims.holds(job.id) {
        job.state = JobState::Sending;
    }
    job
}

/// A job with its attempts.
pub(super) fn job(kv: &dyn Kv, claims: &Claims, id: Id) -> Result<Option<(Job, Vec<Attempt>)>> {
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
pub(super) fn jobs(
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
    let classes = rows::classes(kv)?;
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
        (JobState::Pending, _) => filter.now - job.due > for_longer,
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
pub(super) fn stats(kv: &dyn Kv, claims: &Claims) -> Result<Vec<((String, String), Stat)>> {
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

/// Calls and attempts since then, newest first.
pub(super) fn webhook_logs(kv: &dyn Kv, since: i64, take: usize) -> Result<Vec<WebhookLog>> {
    let mut lines: Vec<(Id, WebhookLog)> = Vec::new();
    for kind in [keys::EXECUTION, keys::REFUSAL, keys::ATTEMPT] {
        let from = keys::by_id(kind, Id::floor(since));
        for row in kv.scan(&from, &keys::end(&[kind]), Way::Down).take(take.min(COUNTED)) {
            let (key, raw) = row?;
            let line = match kind {
                keys::EXECUTION => {
                    WebhookLog::Accepted(Box::new(rows::decode::<Head>(kv, &key, &raw)?.execution))
                }
                keys::REFUSAL => WebhookLog::Refused(rows::decode::<Refusal>(kv, &key, &raw)?),
                _ => WebhookLog::Attempt(rows::decode(kv, &key, &raw)?),
            };
            lines.push((keys::id_of(&key), line));
        }
    }
    lines.sort_by_key(|(id, _)| std::cmp::Reverse(*id));
    lines.truncate(take);
    Ok(lines.into_iter().map(|(_, line)| line).collect())
}

/// Records of a name, by id.
pub(super) fn records(kv: &dyn Kv, name: &str, skip: usize, take: usize) -> Result<Page<Record>> {
    list(kv, &keys::records(name), skip, take)
}

/// Enrolments, by sequence and key.
pub(super) fn enrolments(
    kv: &dyn Kv,
    sequence: Option<&str>,
    skip: usize,
    take: usize,
) -> Result<Page<crate::model::Enrolment>> {
    let prefix = sequence.map_or_else(|| vec![keys::ENROLMENT], keys::sequence);
    let page: Page<StoredEnrolment> = list(kv, &prefix, skip, take)?;
    let rows = page.rows.into_iter().map(|stored| stored.enrolment).collect();
    Ok(Page { rows, total: page.total })
}

/// A person's enrolments, by sequence and key. The index may be a moment behind a row that
/// is being replaced, so each row is asked whom it is about.
pub(super) fn enrolments_of(kv: &dyn Kv, person: &str) -> Result<Vec<crate::model::Enrolment>> {
    let mut found = Vec::new();
    for row in kv.prefix(&keys::person_enrolments(person), Way::Up).take(COUNTED) {
        let key = row?.1.split_off(1);
        let stored: Option<StoredEnrolment> = rows::read(kv, &key)?;
        let enrolment = stored.map(|stored| stored.enrolment);
        found.extend(enrolment.filter(|enrolment| enrolment.person == person));
    }
    Ok(found)
}

/// Everything below a prefix, in order of the keys.
fn list<T: serde::de::DeserializeOwned>(
    kv: &dyn Kv,
    prefix: &[u8],
    skip: usize,
    take: usize,
) -> Result<Page<T>> {
    let mut pager = Pager::new(skip, take);
    for row in kv.prefix(prefix, Way::Up) {
        if !pager.add(row?) {
            break;
        }
    }
    let Page { rows, total } = pager.page;
    let rows = rows.iter().map(|(key, raw)| rows::decode(kv, key, raw)).collect::<Result<_>>()?;
    Ok(Page { rows, total })
}

/// Everything that an address is suppressed for.
pub(super) fn suppressions(kv: &dyn Kv, address: &str) -> Result<Vec<Suppression>> {
    Ok(list(kv, &keys::suppressions(address), 0, COUNTED)?.rows)
}

/// Flags whose name begins so.
pub(super) fn flags(kv: &dyn Kv, prefix: &str) -> Result<Vec<(String, String)>> {
    let mut flags = Vec::new();
    for row in kv.prefix(&keys::flag(prefix), Way::Up).take(COUNTED) {
        let (key, raw) = row?;
        let name = String::from_utf8_lossy(&key[1..]).into_owned();
        flags.push((name, rows::decode(kv, &key, &raw)?));
    }
    Ok(flags)
}
