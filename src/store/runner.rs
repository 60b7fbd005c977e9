//! The [`Store`] trait over a ledger: a store only has to say how a request reaches its
//! ledger and how a reader reaches its rows.

use std::sync::Arc;

use tokio::sync::Notify;

use super::care::tap::Tap;
use super::claims::Claims;
use super::kv::{Batch, Kv};
use super::ledger::{Forget, Ledger, Moving, Purge};
use super::rows::StoredEdition;
use super::{
    Answer, Backup, Claim, Claimed, ClockSet, Committed, ExecutionFilter, ExecutionRow, Finding,
    Finish, Following, Forgotten, JobFilter, LetGo, Page, Stat, Store, StoreError, WebhookLog,
    care, doctor, read, rows,
};
use crate::base::{Id, address};
use crate::model::commit::{Commit, Finished};
use crate::model::queue::{
    Attempt, Counted, Enrolment, Fingerprint, Job, Lease, Leased, LogLine, Places, Record, Refusal,
    Suppression,
};
use crate::model::rules::Edition;

/// How requests and readers reach a ledger and its rows.
pub(super) trait Runner: Send + Sync + std::fmt::Debug {
    /// Hands a request to the ledger and answers when what it wrote is durable. It is on its
    /// way at once: dropping the answer does not take it back. `outside` requests are turned
    /// away first when too much waits.
    fn write<T: Send + 'static>(
        &self,
        outside: bool,
        work: impl FnOnce(&mut Ledger, &mut Batch<'_>) -> Result<T, StoreError> + Send + 'static,
    ) -> Answer<'static, T>;

    /// Reads a few rows.
    fn look<T: Send + 'static>(
        &self,
        work: impl FnOnce(&dyn Kv, &Claims) -> Result<T, StoreError>,
    ) -> Answer<'static, T>;

    /// Reads many rows, out of the way of calls.
    fn walk<T: Send + 'static>(
        &self,
        work: impl FnOnce(&dyn Kv, &Claims) -> Result<T, StoreError> + Send + 'static,
    ) -> Answer<'static, T>;

    /// What is under a lease.
    fn claims(&self) -> &Arc<Claims>;
    /// What rings when work may have become due.
    fn alarm(&self) -> &Arc<Notify>;
    /// Where a backup hears of what is written.
    fn tap(&self) -> &Arc<Tap>;
    /// Writes everything out and accepts nothing any more.
    fn shut(&self) -> Answer<'static, ()>;
    /// Why nothing is accepted, if so.
    fn stopped(&self) -> Option<String>;
}

impl<R: Runner> Store for R {
    fn commit(&self, commit: Commit) -> Answer<'_, Committed> {
        self.write(!commit.own, |ledger, batch| ledger.commit(batch, commit))
    }

    fn record(&self, name: &str, id: &str) -> Answer<'_, Option<Record>> {
        self.look(|kv, _| rows::read(kv, &super::keys::record(name, id)))
    }

    fn enrolment(&self, sequence: &str, key: &str) -> Answer<'_, Option<Enrolment>> {
        self.look(|kv, _| Ok(rows::enrolment(kv, sequence, key)?.map(|stored| stored.enrolment)))
    }

    fn suppressions(&self, address: &str) -> Answer<'_, Vec<Suppression>> {
        self.suppressions_of(Fingerprint::of(address))
    }

    fn suppressions_of(&self, who: Fingerprint) -> Answer<'_, Vec<Suppression>> {
        self.look(|kv, _| read::suppressions(kv, who))
    }

    fn suppression_list(
        &self,
        after: Option<Suppression>,
        take: usize,
    ) -> Answer<'_, Vec<Suppression>> {
        self.walk(move |kv, _| read::suppression_list(kv, after.as_ref(), take))
    }

    fn places(&self, address: &str) -> Answer<'_, Places> {
        let key = super::keys::places(Fingerprint::of(address));
        self.look(|kv, _| Ok(rows::read(kv, &key)?.unwrap_or_default()))
    }

    fn flag(&self, name: &str) -> Answer<'_, Option<String>> {
        self.look(|kv, _| rows::read(kv, &super::keys::flag(name)))
    }

    fn flags(&self, prefix: &str) -> Answer<'_, Vec<(String, String)>> {
        self.look(|kv, _| read::flags(kv, prefix))
    }

    fn file(&self, hash: &str) -> Answer<'_, Option<Vec<u8>>> {
        let key = super::keys::file(hash);
        self.walk(move |kv, _| read::file(kv, &key))
    }

    fn claim(&self, claim: Claim) -> Answer<'_, Claimed> {
        self.write(false, move |ledger, batch| ledger.claim(batch, &claim))
    }

    fn reclaim(&self, jobs: Vec<Id>, now: i64, until: i64) -> Answer<'_, Vec<Leased>> {
        self.write(false, move |ledger, batch| ledger.reclaim(batch, &jobs, now, until))
    }

    fn finish(&self, finished: Vec<Finished>) -> Answer<'_, Vec<Finish>> {
        self.write(false, |ledger, batch| ledger.finish(batch, finished))
    }

    fn release(&self, leases: Vec<(Lease, i64)>) -> Answer<'_, ()> {
        self.write(false, move |ledger, batch| ledger.release(batch, &leases))
    }

    fn renew(&self, leases: Vec<Lease>, until: i64) -> Answer<'_, Vec<bool>> {
        self.write(false, move |ledger, _| Ok(ledger.renew(&leases, until)))
    }

    fn settled(&self, jobs: Vec<Id>) -> Answer<'_, ()> {
        let claims = Arc::clone(self.claims());
        Box::pin(async move {
            claims.settled(&jobs).await;
            Ok(())
        })
    }

    fn bell(&self) -> Arc<Notify> {
        Arc::clone(self.alarm())
    }

    fn execution(&self, id: Id) -> Answer<'_, Option<ExecutionRow>> {
        self.look(|kv, claims| read::execution(kv, claims, id))
    }

    fn body(&self, id: Id) -> Answer<'_, Option<Vec<u8>>> {
        self.look(|kv, _| rows::body(kv, id))
    }

    fn executions(
        &self,
        filter: ExecutionFilter,
        skip: usize,
        take: usize,
    ) -> Answer<'_, Page<ExecutionRow>> {
        self.walk(move |kv, claims| read::executions(kv, claims, &filter, skip, take))
    }

    fn logs(&self, execution: Id) -> Answer<'_, Vec<LogLine>> {
        self.walk(move |kv, _| read::logs(kv, execution))
    }

    fn job(&self, id: Id) -> Answer<'_, Option<(Job, Vec<Attempt>)>> {
        self.walk(move |kv, claims| read::job(kv, claims, id))
    }

    fn jobs(&self, filter: JobFilter, skip: usize, take: usize) -> Answer<'_, Page<Job>> {
        self.walk(move |kv, claims| read::jobs(kv, claims, &filter, skip, take))
    }

    fn stats(&self) -> Answer<'_, Vec<((String, String), Stat)>> {
        self.walk(read::stats)
    }

    fn tallies(&self, sequence: Option<String>) -> Answer<'_, Vec<(Counted, u64)>> {
        self.walk(move |kv, _| read::tallies(kv, sequence.as_deref()))
    }

    fn webhook_logs(&self, since: i64, take: usize) -> Answer<'_, Vec<WebhookLog>> {
        self.walk(move |kv, _| read::webhook_logs(kv, since, take))
    }

    fn records(&self, name: &str, skip: usize, take: usize) -> Answer<'_, Page<Record>> {
        let name = name.to_owned();
        self.walk(move |kv, _| read::records(kv, &name, skip, take))
    }

    fn enrolments(
        &self,
        sequence: Option<String>,
        skip: usize,
        take: usize,
    ) -> Answer<'_, Page<Enrolment>> {
        self.walk(move |kv, _| read::enrolments(kv, sequence.as_deref(), skip, take))
    }

    fn enrolments_behind(
        &self,
        sequence: &str,
        after: Option<String>,
        take: usize,
    ) -> Answer<'_, Vec<Enrolment>> {
        let sequence = sequence.to_owned();
        self.walk(move |kv, _| read::enrolments_behind(kv, &sequence, after.as_deref(), take))
    }

    fn edition(&self, sequence: &str, hash: &str) -> Answer<'_, Option<(Edition, i64)>> {
        self.look(|kv, _| {
            let found: Option<StoredEdition> =
                rows::read(kv, &super::keys::edition(sequence, hash))?;
            Ok(found
                .map(|found| (Edition { hash: hash.to_owned(), text: found.text }, found.since)))
        })
    }

    fn midway(&self, sequence: Option<String>) -> Answer<'_, Vec<Following>> {
        self.walk(move |kv, _| read::midway(kv, sequence.as_deref()))
    }

    fn enrolments_of(&self, person: &str) -> Answer<'_, Vec<Enrolment>> {
        let person = person.to_owned();
        self.walk(move |kv, _| read::enrolments_of(kv, &person))
    }

    fn retry(&self, jobs: Vec<Id>, now: i64) -> Answer<'_, usize> {
        self.write(false, move |ledger, batch| ledger.retry(batch, &jobs, now))
    }

    fn settle(&self, jobs: Vec<Id>, now: i64) -> Answer<'_, usize> {
        self.write(false, move |ledger, batch| ledger.settle_unknown(batch, &jobs, now))
    }

    fn cancel(&self, jobs: Vec<Id>, reason: &str, now: i64) -> Answer<'_, usize> {
        let reason = reason.to_owned();
        self.write(false, move |ledger, batch| ledger.cancel(batch, &jobs, &reason, now))
    }

    fn held(
        &self,
        sequence: &str,
        from: Vec<u8>,
        take: usize,
    ) -> Answer<'_, (Vec<Job>, Option<Vec<u8>>)> {
        let sequence = sequence.to_owned();
        self.walk(move |kv, _| read::held(kv, &sequence, &from, take))
    }

    fn let_go(&self, from: Vec<u8>, most: usize) -> Answer<'_, LetGo> {
        self.write(false, move |ledger, batch| ledger.let_go(batch, &from, most))
    }

    fn clock_was_set(&self, set: ClockSet) -> Answer<'_, usize> {
        Box::pin(async move {
            let mut moving = Moving::new(set);
            loop {
                let last;
                let step = self.write(false, |ledger, batch| ledger.clock_was_set(batch, moving));
                (moving, last) = step.await?;
                if last {
                    return Ok(moving.moved);
                }
            }
        })
    }

    fn note_refusals(&self, refusals: Vec<Refusal>) {
        drop(self.write(true, move |ledger, batch| ledger.refuse(batch, &refusals)));
    }

    fn purge(&self, before: i64, now: i64) -> Answer<'_, usize> {
        Box::pin(async move {
            let mut purge = Purge::new(before, now);
            loop {
                let step = self.write(false, |_, batch| Ledger::purge(batch, purge));
                let last;
                (purge, last) = step.await?;
                if last {
                    return Ok(purge.gone);
                }
            }
        })
    }

    fn forget(&self, person: &str, now: i64) -> Answer<'_, Forgotten> {
        let person = address::person(person);
        Box::pin(async move {
            let mut forget = Forget::new(person, now);
            loop {
                let last;
                let step = self.write(false, |ledger, batch| ledger.forget(batch, forget));
                (forget, last) = step.await?;
                if last {
                    return Ok(forget.done);
                }
            }
        })
    }

    fn backup(&self, backup: Backup) -> Answer<'_, Backup> {
        Box::pin(care::backup::next(self, backup))
    }

    fn examine(&self, now: i64) -> Answer<'_, Vec<Finding>> {
        self.walk(move |kv, _| Ok(doctor::examine(kv, now)?.findings()))
    }

    fn close(&self) -> Answer<'_, ()> {
        self.shut()
    }

    fn trouble(&self) -> Option<String> {
        self.stopped()
    }
}
