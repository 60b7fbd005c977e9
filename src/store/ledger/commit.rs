//! Commits: the same call twice, what was assumed, and the writes.

use std::collections::BTreeMap;

use super::Ledger;
use super::goal::{self, Reached};
use crate::base::Id;
use crate::model::commit::{Assumption, Commit, IdempotencyKey, NextStep, Write};
use crate::model::queue::{
    Enrolment, EnrolmentState, Fingerprint, JobState, KILLED, Level, LogLine, Record, Refusal,
    Suppression, Tally,
};
use crate::store::kv::{Batch, Kv as _, Way};
use crate::store::rows::{self, StoredEnrolment, StoredJob, UsedKey};
use crate::store::{Committed, StoreError, keys};

/// Most refusals of one endpoint that are kept per hour.
const REFUSALS: u32 = 1_000;
/// Most endpoints that refusals are told apart by.
const ENDPOINTS: usize = 10_000;
const HOUR: i64 = 3_600_000;

impl Ledger {
    /// Writes a commit, or says why not.
    pub(in crate::store) fn commit(
        &mut self,
        batch: &mut Batch<'_>,
        commit: Commit,
    ) -> Result<Committed, StoreError> {
        let now = commit.now;
        for key in &commit.keys {
            if let Some(answer) = seen(batch, key, now)? {
                return Ok(answer);
            }
        }
        for assumption in &commit.assumes {
            if !holds(batch, assumption)? {
                return Ok(Committed::Conflict);
            }
        }
        if let Some(most) = commit.backlog
            && let Some(lane) = crowded(batch, &commit.writes, most)?
        {
            return Ok(Committed::Crowded { lane });
        }
        let mut in_flight = Vec::new();
        for write in commit.writes {
            if !self.write(batch, write, now, &mut in_flight)? {
                self.undo(batch);
                return Ok(Committed::Conflict);
            }
        }
        if let Some((execution, body)) = commit.execution {
            for key in &commit.keys {
                let used =
                    UsedKey { execution: execution.id, body: key.body, expires: key.expires };
                batch.put_small(keys::idempotency(&key.endpoint, &key.key), &rows::encode(&used)?);
            }
            self.begin(batch, execution, &body, now)?;
        }
        self.settle(batch, now)?;
        Ok(Committed::Done { in_flight })
    }

    /// Applies one write; false when the world has moved on and it does not fit any more.
    pub(super) fn write(
        &mut self,
        batch: &mut Batch<'_>,
        write: Write,
        now: i64,
        in_flight: &mut Vec<Id>,
    ) -> Result<bool, StoreError> {
        match write {
            Write::Record(record) => return put_record(batch, &record),
            Write::DeleteRecord { name, id } => batch.delete(keys::record(&name, &id))?,
            Write::Enrol { enrolment, step } => return self.enrol(batch, enrolment, step, now),
            Write::Advance { sequence, key, enrolment, from, step } => {
                if let Some(stored) = rows::enrolment(batch, &sequence, &key)?
                    && stored.enrolment.id == enrolment
                {
                    self.advance(batch, stored, from, step, now)?;
                }
            }
            Write::Edition { sequence, edition } => {
                Self::keep_edition(batch, &sequence, &edition, now)?;
            }
            Write::Replan { sequence, key, enrolment, from, rules, left, step } => {
                let found = rows::enrolment(batch, &sequence, &key)?;
                let Some(stored) = found.filter(|stored| stored.enrolment.id == enrolment) else {
                    return Ok(false);
                };
                return self.replan(batch, stored, (from, rules, left), step, now);
            }
            Write::Stop { sequence, person, key, reason } => {
                let active = |one: &Enrolment| one.state == EnrolmentState::Active;
                let found = enrolments_of(batch, &sequence, &person, key.as_deref(), active)?;
                for stored in found {
                    let state = EnrolmentState::Stopped(reason.clone());
                    in_flight.extend(self.stop(batch, stored, state, now)?);
                }
            }
            Write::Convert { sequence, person, key, reason, since } => {
                let reached = Reached {
                    sequence: &sequence,
                    person: &person,
                    key: key.as_deref(),
                    reason: &reason,
                    since,
                };
                in_flight.extend(self.convert(batch, &reached, now)?);
            }
            Write::Enqueue(job) => {
                if rows::job(batch, job.id)?.is_none() {
                    self.enqueue(batch, &StoredJob::new(job))?;
                }
            }
            Write::Mirror(job) => {
                let stored = StoredJob::new(job);
                let waits = match stored.group() {
                    Some(group) => self.waits_in(batch, &group)?,
                    None => false,
                };
                if !waits && rows::job(batch, stored.job.id)?.is_none() {
                    self.enqueue(batch, &stored)?;
                }
            }
            Write::Log { execution, line } => self.log(batch, execution, &line)?,
            Write::File { job, hash, coded } => {
                let key = keys::file(&hash);
                if batch.get(&key)?.is_none() {
                    batch.put_new(key, coded.as_bytes());
                }
                batch.put_small(keys::file_of(&hash, job), &[]);
            }
            Write::Suppress { address, reason, note } => {
                let who = Fingerprint::of(&address);
                suppress(batch, &Suppression { who, reason, sequence: None, note, at: now }, now)?;
            }
            Write::Suppression(entry) => suppress(batch, &entry, now)?,
            Write::Unsuppress { who, reason, sequence } => {
                batch.delete(keys::unsuppressed(who, &reason, sequence.as_deref()))?;
            }
            Write::TakePlace { who, job, at, keep, limits: _ } => {
                Self::take_place(batch, who, job, at, keep)?;
            }
            Write::Tally(counted) => Self::tally(batch, counted, 1)?,
            Write::TallyOnce { job, counted } => Self::tally_once(batch, job, counted)?,
            Write::Flag { name, value: Some(value) } => {
                rows::write(batch, keys::flag(&name), &value)?;
            }
            Write::Flag { name, value: None } => batch.delete(keys::flag(&name))?,
        }
        Ok(true)
    }

    /// Notes calls that were turned away, so many per endpoint and hour.
    pub(in crate::store) fn refuse(
        &mut self,
        batch: &mut Batch<'_>,
        refusals: &[Refusal],
    ) -> Result<(), StoreError> {
        for refusal in refusals {
            let hour = refusal.id.millis() / HOUR;
            if self.refusals.0 != hour {
                self.refusals = (hour, std::collections::HashMap::new());
            }
            let known = self.refusals.1.contains_key(&refusal.endpoint);
            let endpoint = if known || self.refusals.1.len() < ENDPOINTS {
                refusal.endpoint.clone()
            } else {
                String::new()
            };
            let count = self.refusals.1.entry(endpoint).or_default();
            if *count < REFUSALS {
                *count += 1;
                rows::write(batch, keys::by_id(keys::REFUSAL, refusal.id), refusal)?;
            }
        }
        Ok(())
    }

    pub(super) fn log(
        &mut self,
        batch: &mut Batch<'_>,
        execution: Id,
        line: &LogLine,
    ) -> Result<(), StoreError> {
        self.lines += 1;
        rows::write(batch, keys::log(execution, line.at, self.lines), line)
    }

    fn enrol(
        &mut self,
        batch: &mut Batch<'_>,
        enrolment: Enrolment,
        step: NextStep,
        now: i64,
    ) -> Result<bool, StoreError> {
        let (sequence, key) = (enrolment.sequence.clone(), enrolment.key.clone());
        if let Some(StoredEnrolment { enrolment: old, .. }) =
            rows::enrolment(batch, &sequence, &key)?
        {
            if old.id == enrolment.id {
                return Ok(true);
            }
            if old.state == EnrolmentState::Active {
                return Ok(false);
            }
            if old.person != enrolment.person {
                batch.delete_small(keys::person_enrolment(&old.person, &sequence, &key));
            }
        }
        let index = keys::person_enrolment(&enrolment.person, &sequence, &key);
        batch.put_small(index, &keys::enrolment(&sequence, &key));
        let delta = self.delta(enrolment.execution);
        delta.opened(enrolment.upcoming().map(|(_, due)| *due));
        delta.enrolled.push((sequence, key));
        Self::follows(batch, &enrolment, true, now)?;
        Self::tally_people(batch, &enrolment.sequence, Tally::Entered, 1)?;
        let stored = StoredEnrolment::new(enrolment, step);
        self.queue_step(batch, &stored)?;
        self.write_enrolment(batch, stored, now)?;
        Ok(true)
    }

    /// Moves an enrolment past the step `from`, if that is its next one.
    pub(super) fn advance(
        &mut self,
        batch: &mut Batch<'_>,
        stored: StoredEnrolment,
        from: u32,
        next: Option<NextStep>,
        now: i64,
    ) -> Result<(), StoreError> {
        if stored.enrolment.next != from {
            return Ok(());
        }
        let Some(step) = stored.step() else { return Ok(()) };
        if rows::job(batch, step.job.id)?.is_none() {
            self.end(batch, step, JobState::Cancelled, Some("skipped".into()), now)?;
        }
        let mut enrolment = stored.enrolment;
        enrolment.next = match next {
            Some(_) => from + 1,
            None => u32::try_from(enrolment.plan.len()).unwrap_or(u32::MAX),
        };
        let next = next.unwrap_or(NextStep { lane: String::new(), priority: 0 });
        let stored = StoredEnrolment::new(enrolment, next);
        self.queue_step(batch, &stored)?;
        self.write_enrolment(batch, stored, now)
    }

    /// Ends an enrolment early; answers which of its jobs are being sent at this moment.
    pub(super) fn stop(
        &mut self,
        batch: &mut Batch<'_>,
        stored: StoredEnrolment,
        state: EnrolmentState,
        now: i64,
    ) -> Result<Vec<Id>, StoreError> {
        let reason = state.ended_by().unwrap_or_default();
        let why = format!("stopped: {reason}");
        let killed = reason == KILLED;
        let message = goal::ended(&stored.enrolment.sequence, &state);
        let step = stored.step();
        let what = match &state {
            EnrolmentState::Converted { .. } => Tally::Converted,
            _ => Tally::Stopped,
        };
        Self::tally_people(batch, &stored.enrolment.sequence, what, 1)?;
        let mut enrolment = stored.enrolment.clone();
        enrolment.state = state;
        let (execution, live) = (enrolment.execution, enrolment.live.clone());
        Self::follows(batch, &enrolment, false, now)?;
        let line = LogLine {
            at: now,
            level: Level::Info,
            task: Some(enrolment.sequence.clone()),
            message,
        };
        self.write_enrolment(batch, StoredEnrolment { enrolment, ..stored }, now)?;
        let delta = self.delta(execution);
        delta.open -= 1;
        delta.killed |= killed;
        self.log(batch, execution, &line)?;

        let mut in_flight = Vec::new();
        if let Some(step) = step
            && !live.contains(&step.job.id)
        {
            let step = rows::job(batch, step.job.id)?.unwrap_or(step);
            if step.job.state == JobState::Pending {
                // Even under a lease: it cannot become an e-mail any more.
                self.end(batch, step, JobState::Cancelled, Some(why.clone()), now)?;
            }
        }
        for id in live {
            let Some(mut job) = rows::job(batch, id)? else { continue };
            if self.held(id).is_some() && !job.is_step() {
                job.cancel = Some(why.clone());
                rows::write(batch, keys::by_id(keys::JOB, id), &job)?;
                in_flight.push(id);
            } else if job.job.state == JobState::Pending {
                self.end(batch, job, JobState::Cancelled, Some(why.clone()), now)?;
            }
        }
        Ok(in_flight)
    }
}

/// Puts an entry on the suppression list. The first one stays, for when it began matters,
/// until it is over.
fn suppress(batch: &mut Batch<'_>, entry: &Suppression, now: i64) -> Result<(), StoreError> {
    let key = keys::suppression(entry);
    let before: Option<Suppression> = rows::read(batch, &key)?;
    if before.is_none_or(|before| before.is_over(now)) {
        rows::write(batch, key, entry)?;
    }
    Ok(())
}

/// What a call gets that was made before.
fn seen(
    batch: &Batch<'_>,
    key: &IdempotencyKey,
    now: i64,
) -> Result<Option<Committed>, StoreError> {
    let used: Option<UsedKey> = rows::read(batch, &keys::idempotency(&key.endpoint, &key.key))?;
    let Some(used) = used.filter(|used| used.expires > now) else { return Ok(None) };
    if used.body != key.body {
        return Ok(Some(Committed::KeyReused));
    }
    // Where the first call has been forgotten its answer has too; it still is not done twice.
    let first = rows::head(batch, used.execution)?;
    Ok(Some(
        first.map_or(Committed::KeyReused, |first| Committed::Replayed(Box::new(first.execution))),
    ))
}

/// The lane in which more than `most` would wait with these writes, if there is one.
fn crowded(batch: &Batch<'_>, writes: &[Write], most: u64) -> Result<Option<String>, StoreError> {
    let mut more = BTreeMap::<&str, u64>::new();
    for write in writes {
        let lane = match write {
            Write::Enqueue(job) | Write::Mirror(job) => &job.lane,
            Write::Enrol { enrolment, step } if enrolment.is_due_at_once() => &step.lane,
            _ => continue,
        };
        *more.entry(lane).or_default() += 1;
    }
    for (lane, more) in more {
        if rows::backlog(batch, lane)?.saturating_add(more) > most {
            return Ok(Some(lane.to_owned()));
        }
    }
    Ok(None)
}

fn holds(batch: &Batch<'_>, assumption: &Assumption) -> Result<bool, StoreError> {
    Ok(match assumption {
        Assumption::Record { name, id, version } => record_version(batch, name, id)? == *version,
        Assumption::Enrolment { sequence, key, seen } => {
            let current = rows::enrolment(batch, sequence, key)?.map(|stored| stored.enrolment);
            current.map(|current| (current.id, current.state == EnrolmentState::Active)) == *seen
        }
        Assumption::Flag { name, seen } => rows::read::<String>(batch, &keys::flag(name))? == *seen,
    })
}

fn record_version(batch: &Batch<'_>, name: &str, id: &str) -> Result<u64, StoreError> {
    let record: Option<Record> = rows::read(batch, &keys::record(name, id))?;
    Ok(record.map_or(0, |record| record.version))
}

fn put_record(batch: &mut Batch<'_>, record: &Record) -> Result<bool, StoreError> {
    if record_version(batch, &record.name, &record.id)? + 1 != record.version {
        return Ok(false);
    }
    rows::write(batch, keys::record(&record.name, &record.id), record)?;
    Ok(true)
}

/// A person's enrolments in a sequence that are wanted.
pub(super) fn enrolments_of(
    batch: &Batch<'_>,
    sequence: &str,
    person: &str,
    only: Option<&str>,
    is_wanted: impl Fn(&Enrolment) -> bool,
) -> Result<Vec<StoredEnrolment>, StoreError> {
    let mut found = Vec::new();
    let only = only.map(|key| keys::enrolment(sequence, key));
    for row in batch.prefix(&keys::person_sequence(person, sequence), Way::Up) {
        let key = row?.1.split_off(1);
        if only.as_ref().is_some_and(|only| *only != key) {
            continue;
        }
        let stored: Option<StoredEnrolment> = rows::read(batch, &key)?;
        found
            .extend(stored.filter(|stored| {
                stored.enrolment.person == person && is_wanted(&stored.enrolment)
            }));
    }
    Ok(found)
}
