//! Reading: one row, and pages of many. Readers look at what is committed and at the claims;
//! they hold nothing up. Lists walk lazily and count at most [`COUNTED`] matches.

mod jobs;

pub(super) use self::jobs::{held, job, jobs, stats};
use super::claims::Claims;
use super::kv::{Kv, Way, payload};
use super::rows::{self, Followers, Head, StoredEnrolment};
use super::{ExecutionFilter, ExecutionRow, Following, Page, StoreError, WebhookLog, keys};
use crate::base::Id;
use crate::model::queue::{
    Counted, Execution, ExecutionState, Fingerprint, LogLine, Record, Refusal, Suppression,
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

/// Enrolments of a sequence by key, from just behind a key on.
pub(super) fn enrolments_behind(
    kv: &dyn Kv,
    sequence: &str,
    after: Option<&str>,
    take: usize,
) -> Result<Vec<crate::model::Enrolment>> {
    let all = keys::sequence(sequence);
    // No key is the beginning of another, so this lies right behind it.
    let from = after.map(|after| [&keys::enrolment(sequence, after)[..], &[0]].concat());
    let mut found = Vec::new();
    for row in kv.scan(from.as_ref().unwrap_or(&all), &keys::end(&all), Way::Up).take(take) {
        let (key, raw) = row?;
        found.push(rows::decode::<StoredEnrolment>(kv, &key, &raw)?.enrolment);
    }
    Ok(found)
}

/// How many are mid-way by each edition, of one sequence or all.
pub(super) fn midway(kv: &dyn Kv, sequence: Option<&str>) -> Result<Vec<Following>> {
    let prefix = sequence.map_or_else(|| vec![keys::FOLLOWERS], keys::all_followers);
    let mut found = Vec::new();
    for row in kv.prefix(&prefix, Way::Up).take(COUNTED) {
        let (key, raw) = row?;
        let Followers { sequence, edition, people, .. } = rows::decode(kv, &key, &raw)?;
        if people > 0 {
            found.push(Following { sequence, edition, people });
        }
    }
    Ok(found)
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
pub(super) fn suppressions(kv: &dyn Kv, who: Fingerprint) -> Result<Vec<Suppression>> {
    Ok(list(kv, &keys::suppressions(who), 0, COUNTED)?.rows)
}

/// The suppression list from behind an entry on.
pub(super) fn suppression_list(
    kv: &dyn Kv,
    after: Option<&Suppression>,
    take: usize,
) -> Result<Vec<Suppression>> {
    let from = match after {
        Some(entry) => [&keys::suppression(entry)[..], &[0]].concat(),
        None => vec![keys::SUPPRESSION],
    };
    let rows = kv.scan(&from, &keys::end(&[keys::SUPPRESSION]), Way::Up).take(take);
    rows.map(|row| row.and_then(|(key, raw)| rows::decode(kv, &key, &raw))).collect()
}

/// What was counted, of one sequence or all.
pub(super) fn tallies(kv: &dyn Kv, sequence: Option<&str>) -> Result<Vec<(Counted, u64)>> {
    let prefix = sequence.map_or_else(|| vec![keys::TALLY], keys::tallies);
    let mut tallies = Vec::new();
    for row in kv.prefix(&prefix, Way::Up).take(COUNTED) {
        let (key, raw) = row?;
        tallies.push(rows::decode(kv, &key, &raw)?);
    }
    Ok(tallies)
}

/// What was kept of a file.
pub(super) fn file(kv: &dyn Kv, key: &[u8]) -> Result<Option<Vec<u8>>> {
    let Some(raw) = kv.get(key)? else { return Ok(None) };
    match payload(kv, key, &raw)? {
        Some(file) => Ok(Some(file)),
        None => Err(rows::unreadable(key)),
    }
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
