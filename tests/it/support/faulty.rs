//! A store that can be made to fail, around one in memory.

use std::sync::Arc;
use std::sync::atomic::{AtomicBool, AtomicUsize, Ordering};

use rulerun::base::Id;
use rulerun::model::commit::{Commit, Finished};
use rulerun::model::queue::{
    Attempt, Enrolment, Fingerprint, Job, Lease, Leased, LogLine, Places, Record, Refusal,
    Suppression,
};
use rulerun::store::{
    Answer, Claim, Claimed, Committed, ExecutionFilter, ExecutionRow, Finish, Forgotten, JobFilter,
    MemoryStore, Page, Stat, Store, StoreError, WebhookLog,
};
use tokio::sync::Notify;

/// What fails.
#[derive(Debug, Default)]
pub(crate) struct Faults {
    /// So many completions are turned away because the store is full.
    pub(crate) full: AtomicUsize,
    /// So many outcomes of attempts are lost: the disk is away.
    pub(crate) lost: AtomicUsize,
    /// So many outcomes of attempts are lost: we fail inside.
    pub(crate) slips: AtomicUsize,
    /// Nothing is accepted from outside.
    pub(crate) low: AtomicBool,
    /// Flags and suppressions cannot be read.
    pub(crate) blind: AtomicBool,
}

/// The store.
#[derive(Debug)]
pub(crate) struct Faulty {
    pub(crate) inner: MemoryStore,
    pub(crate) faults: Arc<Faults>,
}

fn failed<T: Send + 'static>(error: StoreError) -> Answer<'static, T> {
    Box::pin(std::future::ready(Err(error)))
}

impl Faulty {
    fn is_blind(&self) -> bool {
        self.faults.blind.load(Ordering::SeqCst)
    }
}

/// Hands a method on as it is.
macro_rules! hand_on {
    ($($name:ident($($arg:ident: $type:ty),*) -> $result:ty;)*) => {
        $(fn $name(&self, $($arg: $type),*) -> $result { self.inner.$name($($arg),*) })*
    };
}

impl Store for Faulty {
    fn suppressions(&self, address: &str) -> Answer<'_, Vec<Suppression>> {
        if self.is_blind() {
            return failed(StoreError::Io("the disk is away".into()));
        }
        self.inner.suppressions(address)
    }

    fn flag(&self, name: &str) -> Answer<'_, Option<String>> {
        if self.is_blind() && name.starts_with("gone") {
            return failed(StoreError::Io("the disk is away".into()));
        }
        self.inner.flag(name)
    }

    fn commit(&self, commit: Commit) -> Answer<'_, Committed> {
        if self.faults.low.load(Ordering::SeqCst) && !commit.own {
            return failed(StoreError::NoSpace { free: 9, wanted: 256 });
        }
        self.inner.commit(commit)
    }

    fn finish(&self, finished: Vec<Finished>) -> Answer<'_, Vec<Finish>> {
        let hits = |faults: &AtomicUsize| {
            faults.fetch_update(Ordering::SeqCst, Ordering::SeqCst, |n| n.checked_sub(1)).is_ok()
        };
        if hits(&self.faults.full) {
            return failed(StoreError::Full);
        }
        if finished.iter().any(|one| one.attempt.is_some()) {
            assert!(!hits(&self.faults.slips), "a slip of ours");
            if hits(&self.faults.lost) {
                return failed(StoreError::Io("the disk is away".into()));
            }
        }
        self.inner.finish(finished)
    }

    hand_on! {
        file(hash: &str) -> Answer<'_, Option<Vec<u8>>>;
        enrolments_of(person: &str) -> Answer<'_, Vec<rulerun::model::Enrolment>>;
        suppressions_of(who: Fingerprint) -> Answer<'_, Vec<Suppression>>;
        suppression_list(after: Option<Suppression>, take: usize) -> Answer<'_, Vec<Suppression>>;
        places(address: &str) -> Answer<'_, Places>;
        forget(person: &str, now: i64) -> Answer<'_, Forgotten>;
        record(name: &str, id: &str) -> Answer<'_, Option<Record>>;
        enrolment(sequence: &str, key: &str) -> Answer<'_, Option<Enrolment>>;
        flags(prefix: &str) -> Answer<'_, Vec<(String, String)>>;
        claim(claim: Claim) -> Answer<'_, Claimed>;
        reclaim(jobs: Vec<Id>, now: i64, until: i64) -> Answer<'_, Vec<Leased>>;
        release(leases: Vec<(Lease, i64)>) -> Answer<'_, ()>;
        renew(leases: Vec<Lease>, until: i64) -> Answer<'_, Vec<bool>>;
        settled(jobs: Vec<Id>) -> Answer<'_, ()>;
        bell() -> Arc<Notify>;
        execution(id: Id) -> Answer<'_, Option<ExecutionRow>>;
        body(id: Id) -> Answer<'_, Option<Vec<u8>>>;
        executions(filter: ExecutionFilter, skip: usize, take: usize) -> Answer<'_, Page<ExecutionRow>>;
        logs(execution: Id) -> Answer<'_, Vec<LogLine>>;
        job(id: Id) -> Answer<'_, Option<(Job, Vec<Attempt>)>>;
        jobs(filter: JobFilter, skip: usize, take: usize) -> Answer<'_, Page<Job>>;
        tallies(sequence: Option<String>) -> Answer<'_, Vec<(rulerun::model::queue::Counted, u64)>>;
        stats() -> Answer<'_, Vec<((String, String), Stat)>>;
        webhook_logs(since: i64, take: usize) -> Answer<'_, Vec<WebhookLog>>;
        records(name: &str, skip: usize, take: usize) -> Answer<'_, Page<Record>>;
        enrolments(sequence: Option<String>, skip: usize, take: usize) -> Answer<'_, Page<Enrolment>>;
        enrolments_behind(sequence: &str, after: Option<String>, take: usize) -> Answer<'_, Vec<Enrolment>>;
        edition(sequence: &str, hash: &str) -> Answer<'_, Option<(rulerun::model::rules::Edition, i64)>>;
        midway(sequence: Option<String>) -> Answer<'_, Vec<rulerun::store::Following>>;
        retry(jobs: Vec<Id>, now: i64) -> Answer<'_, usize>;
        settle(jobs: Vec<Id>, now: i64) -> Answer<'_, usize>;
        cancel(jobs: Vec<Id>, reason: &str, now: i64) -> Answer<'_, usize>;
        held(sequence: &str, from: Vec<u8>, take: usize) -> Answer<'_, (Vec<Job>, Option<Vec<u8>>)>;
        let_go(from: Vec<u8>, most: usize) -> Answer<'_, rulerun::store::LetGo>;
        clock_was_set(set: rulerun::store::ClockSet) -> Answer<'_, usize>;
        note_refusals(refusals: Vec<Refusal>) -> ();
        purge(before: i64, now: i64) -> Answer<'_, usize>;
        backup(backup: rulerun::store::Backup) -> Answer<'_, rulerun::store::Backup>;
        examine(now: i64) -> Answer<'_, Vec<rulerun::store::Finding>>;
        close() -> Answer<'_, ()>;
        trouble() -> Option<String>;
    }
}
