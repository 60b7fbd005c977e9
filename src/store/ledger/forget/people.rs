//! A person's places in sequences, calls and deliveries.

use super::Forget;
use crate::base::Id;
use crate::model::queue::{EnrolmentState, JobState, Task};
use crate::store::kv::{Batch, Kv as _, Pair, Way};
use crate::store::ledger::Ledger;
use crate::store::rows::{self, Head, StoredEnrolment, StoredJob};
use crate::store::{StoreError, keys};

/// Why what waited was given up.
const WHY: &str = "forgotten";

impl Ledger {
    /// Ends a person's place in a sequence and removes it; in another's, the address goes.
    pub(super) fn forget_enrolment(
        &mut self,
        batch: &mut Batch<'_>,
        forget: &mut Forget,
        key: &[u8],
    ) -> Result<(), StoreError> {
        let Some(mut stored) = rows::read::<StoredEnrolment>(batch, key)? else { return Ok(()) };
        let one = &mut stored.enrolment;
        if forget.is_theirs(&one.person) || forget.words.are_in(&one.key) {
            return self.remove_enrolment(batch, forget, stored);
        }
        if forget.words.scrub_some(&mut one.payload) {
            forget.done.mentions += 1;
            rows::write(batch, key.to_vec(), &stored)?;
        }
        Ok(())
    }

    fn remove_enrolment(
        &mut self,
        batch: &mut Batch<'_>,
        forget: &mut Forget,
        stored: StoredEnrolment,
    ) -> Result<(), StoreError> {
        let key = stored.key();
        let one = stored.enrolment.clone();
        if one.state == EnrolmentState::Active {
            let in_flight =
                self.stop(batch, stored, EnrolmentState::Stopped(WHY.to_owned()), forget.now)?;
            if !in_flight.is_empty() {
                forget.done.in_flight.extend(in_flight);
                return Ok(());
            }
        }
        forget.began.insert(one.execution);
        batch.delete_small(keys::person_enrolment(&one.person, &one.sequence, &one.key));
        batch.delete(key)?;
        forget.done.enrolments += 1;
        Ok(())
    }

    /// Removes a person's call with what it began; in another's, the address goes.
    pub(super) fn forget_call(
        &mut self,
        batch: &mut Batch<'_>,
        forget: &mut Forget,
        key: &[u8],
    ) -> Result<(), StoreError> {
        let id = keys::id_of(key);
        let Some(mut head) = rows::head(batch, id)? else { return Ok(()) };
        if head.execution.person.as_ref().is_some_and(|person| forget.is_theirs(person)) {
            for (sequence, key) in &head.enrolled {
                let found = rows::enrolment(batch, sequence, key)?;
                if let Some(stored) = found.filter(|stored| stored.enrolment.execution == id) {
                    self.remove_enrolment(batch, forget, stored)?;
                }
            }
            forget.calls.insert(id);
            forget.done.executions += 1;
            return remove_call(batch, &head, id);
        }
        let body = rows::body(batch, id)?.unwrap_or_default();
        let text = String::from_utf8(body);
        let mut body =
            text.unwrap_or_else(|bytes| String::from_utf8_lossy(bytes.as_bytes()).into());
        let one = &mut head.execution;
        let mut found = forget.words.scrub(&mut one.reply) | forget.words.scrub(&mut body);
        for line in &mut one.logs {
            found |= forget.words.scrub(&mut line.message);
        }
        for (_, value) in &mut one.labels {
            found |= forget.words.scrub(value);
        }
        for (_, key) in &mut head.enrolled {
            found |= forget.words.scrub(key);
        }
        if found {
            forget.done.mentions += 1;
            rows::write_head(batch, head, body.as_bytes(), false)?;
        }
        Ok(())
    }

    /// Gives up and removes a delivery that is about the person.
    pub(super) fn forget_job(
        &mut self,
        batch: &mut Batch<'_>,
        forget: &mut Forget,
        key: &[u8],
        holds: bool,
    ) -> Result<(), StoreError> {
        let id = keys::id_of(key);
        let Some(stored) = rows::job(batch, id)? else { return Ok(()) };
        let execution = &stored.job.execution;
        let copied = stored.job.is_seed() && forget.began.contains(execution);
        let theirs = copied || forget.calls.contains(execution);
        if !(theirs || holds && is_about(forget, &stored)) {
            return Ok(());
        }
        // What others are owed goes to them as it is; when it has, it can be forgotten, too.
        let own = theirs
            || forget.is_theirs(&stored.job.target)
            || stored.job.enrolment.as_ref().is_some_and(|(_, key)| forget.words.are_in(key));
        let mail = matches!(stored.job.task, Task::Email(_) | Task::Step { .. });
        if !own && mail && stored.job.state == JobState::Pending {
            return Ok(());
        }
        if stored.job.state == JobState::Pending {
            if self.held(id).is_some() {
                let marked = StoredJob { cancel: Some(WHY.to_owned()), ..stored };
                rows::write(batch, key.to_vec(), &marked)?;
                forget.done.in_flight.push(id);
                return Ok(());
            }
            self.end(batch, stored, JobState::Cancelled, Some(WHY.to_owned()), forget.now)?;
        }
        let Some(stored) = rows::job(batch, id)? else { return Ok(()) };
        Self::count(batch, &stored.job, Some(stored.job.state), None, |stat| {
            stat.retries = stat.retries.saturating_sub(u64::from(stored.job.retries));
        })?;
        for attempt in &stored.tries {
            batch.delete(keys::by_id(keys::ATTEMPT, *attempt))?;
        }
        batch.delete(key.to_vec())?;
        forget.done.jobs += 1;
        Ok(())
    }
}

/// Removes a call with its body, its progress and its log.
fn remove_call(batch: &mut Batch<'_>, head: &Head, id: Id) -> Result<(), StoreError> {
    let logs: Vec<Pair> =
        batch.prefix(&keys::logs(id), Way::Up).collect::<Result<_, StoreError>>()?;
    for (key, _) in logs {
        batch.delete(key)?;
    }
    if let Some(person) = &head.execution.person {
        batch.delete_small(keys::person_execution(person, id));
    }
    batch.delete(keys::progress(id))?;
    batch.delete(keys::body(id))?;
    batch.delete(keys::by_id(keys::EXECUTION, id))
}

/// Whether what a delivery says or where it goes names the person.
fn is_about(forget: &Forget, stored: &StoredJob) -> bool {
    let job = &stored.job;
    let names = |text: &str| forget.words.are_in(text);
    let task = match &job.task {
        Task::Event { path, body, .. } => names(path) || names(&String::from_utf8_lossy(body)),
        Task::Email(email) => {
            let message = String::from_utf8_lossy(&email.message);
            names(&email.to) || names(&email.subject) || names(&email.text) || names(&message)
        }
        Task::Step { key, .. } => names(key),
        Task::Mirror { id, .. } => names(id),
    };
    let told = [&job.entity_id, &job.order, &job.reason, &job.last_error];
    task || names(&job.target)
        || told.into_iter().flatten().any(|text| names(text))
        || job.enrolment.as_ref().is_some_and(|(_, key)| names(key))
}
