//! Executions and enrolments, what they have open, and where they are found by person.

use super::{Examination, Flaw, Result, readable};
use crate::model::queue::{EnrolmentState, JobState, Progress};
use crate::store::keys;
use crate::store::kv::{Way, payload};
use crate::store::ledger::progress::{self, Delta, shift};
use crate::store::rows::{self, Due, Head, StoredEnrolment};

impl Examination<'_> {
    /// Every enrolment is found by its person, and an active one has something left to do.
    pub(super) fn enrolments(&mut self) -> Result<()> {
        self.each(keys::ENROLMENT, |found, key, stored: StoredEnrolment| {
            if stored.key() != key {
                found.unreadable(&key);
                return Ok(());
            }
            let one = &stored.enrolment;
            let index = keys::person_enrolment(&one.person, &one.sequence, &one.key);
            if !found.has(&index)? {
                let example = format!("enrolment {} in `{}`", one.id, one.sequence);
                found.add_row(Flaw::NotIndexed, index, &key, example);
            }
            found.open_of(&stored)
        })
    }

    fn open_of(&mut self, stored: &StoredEnrolment) -> Result<()> {
        let one = &stored.enrolment;
        let example = || format!("enrolment {} in `{}`", one.id, one.sequence);
        let mut busy = false;
        for id in &one.live {
            let Some(job) = readable(rows::job(self.kv, *id))? else { continue };
            let open = job.is_some_and(|job| job.job.state == JobState::Pending && job.counted);
            busy |= open;
            if !open {
                self.find(Flaw::LiveOver, || format!("{}, for job {id}", example()));
            }
        }
        if one.state != EnrolmentState::Active {
            return Ok(());
        }
        *self.open.entry(one.execution).or_default() += 1;
        let place = (one.sequence.clone(), one.rules.clone());
        let kept = self.has(&keys::edition(&one.sequence, &one.rules))?;
        *self.followers.entry(place).or_default() += 1;
        // Where no edition was ever kept, the people came before there were any.
        if !kept && self.kv.prefix(&keys::editions(&one.sequence), Way::Up).next().is_some() {
            self.find(Flaw::EditionMissing, example);
        }
        if let Some(step) = stored.step() {
            match readable(rows::job(self.kv, step.job.id))? {
                Some(Some(own)) => busy |= own.job.state == JobState::Pending,
                // Reported as unreadable.
                None => busy = true,
                Some(None) => {
                    busy = true;
                    let kind = (step.job.event_type.clone(), step.job.lane.clone());
                    shift(self.stats.entry(kind).or_default(), None, Some(JobState::Pending));
                    self.count_waiting(&step.job);
                    if !self.has(&step.due_key())? {
                        let due = rows::encode(&Due::Step(stored.key()))?;
                        self.add_row(Flaw::StepNotDue, step.due_key(), &due, example());
                    }
                }
            }
        }
        if !busy {
            self.find(Flaw::Stuck, example);
        }
        Ok(())
    }

    /// Every execution has its body, is found by its person, and counts what it has open.
    pub(super) fn executions(&mut self) -> Result<()> {
        self.each(keys::EXECUTION, |found, key, head: Head| {
            let id = head.execution.id;
            if keys::id_of(&key) != id {
                found.unreadable(&key);
                return Ok(());
            }
            if !head.inline && !found.has(&keys::body(id))? {
                found.find(Flaw::BodyMissing, || format!("execution {id}"));
            }
            if let Some(person) = &head.execution.person {
                let index = keys::person_execution(person, id);
                if !found.has(&index)? {
                    found.add_row(Flaw::NotIndexed, index, &[], format!("execution {id}"));
                }
            }
            let counted = found.open.remove(&id).unwrap_or_default();
            match readable(rows::progress(found.kv, &head))? {
                Some(progress) => found.open_count(&head, progress, counted),
                None => Ok(()),
            }
        })
    }

    fn open_count(&mut self, head: &Head, mut progress: Progress, counted: u32) -> Result<()> {
        let id = head.execution.id;
        let ended = progress.history.last().is_some_and(|(state, _)| state.is_end());
        if progress.open == counted && (ended || counted > 0) {
            return Ok(());
        }
        let says = progress.open;
        self.find(Flaw::OpenCount, || format!("execution {id} says {says}, there are {counted}"));
        progress.open = counted;
        progress::advance(&mut progress, &Delta::default(), self.now);
        self.fixes.begin();
        rows::write(&mut self.fixes, keys::progress(id), &progress)
    }

    /// What is indexed by person is there, and about that person.
    pub(super) fn indexes(&mut self) -> Result<()> {
        let kv = self.kv;
        for row in kv.prefix(&[keys::PERSON_EXECUTION], Way::Up) {
            let (key, _) = row?;
            let id = keys::id_of(&key);
            let Some(head) = readable(rows::head(kv, id))? else { continue };
            let person = head.and_then(|head| head.execution.person);
            if person.is_none_or(|person| keys::person_execution(&person, id) != key) {
                self.drop_row(Flaw::IndexForNothing, key, format!("execution {id}"))?;
            }
        }
        for row in kv.prefix(&[keys::PERSON_ENROLMENT], Way::Up) {
            let (key, raw) = row?;
            let place = readable(payload(kv, &key, &raw))?.flatten().unwrap_or_default();
            let Some(stored) = readable(rows::read::<StoredEnrolment>(kv, &place))? else {
                continue;
            };
            let fits = stored.is_some_and(|StoredEnrolment { enrolment: one, .. }| {
                keys::person_enrolment(&one.person, &one.sequence, &one.key) == key
            });
            if !fits {
                let example = format!("an enrolment (row {})", hex::encode(&key));
                self.drop_row(Flaw::IndexForNothing, key, example)?;
            }
        }
        Ok(())
    }
}
