//! A store that takes its time, now and then has no room, and whose answers may come late or
//! (when the process dies meanwhile) never. It also looks at what it hands out.

use std::sync::Arc;
use std::time::Duration;

use rulerun::base::Id;
use rulerun::model::commit::{Commit, Finished};
use rulerun::model::queue::{
    Attempt, Counted, Enrolment, Fingerprint, Job, Lease, Leased, LogLine, Places, Record, Refusal,
    Suppression,
};
use rulerun::model::rules::Edition;
use rulerun::store::{
    Answer, Backup, Claim, Claimed, ClockSet, Committed, ExecutionFilter, ExecutionRow, Finding,
    Finish, Following, Forgotten, JobFilter, LetGo, MemoryStore, Page, Stat, Store, StoreError,
    WebhookLog,
};
use tokio::sync::Notify;

use super::book::Shared;

/// How long it may take at most from when the clock is read until the store is asked.
const READ: i64 = 1_000;

/// The store of one process.
#[derive(Debug)]
pub(crate) struct Slow {
    pub(crate) inner: Arc<MemoryStore>,
    pub(crate) shared: Arc<Shared>,
}

impl Slow {
    /// Lets some time pass, or none.
    async fn idle(&self) {
        let millis = match self.shared.dice.below(8) {
            0 => self.shared.dice.below(40),
            1..=2 => 1,
            _ => return,
        };
        tokio::time::sleep(Duration::from_millis(millis)).await;
    }

    /// Whether there is room.
    fn room(&self) -> Result<(), StoreError> {
        if self.shared.dice.once_in(40) { Err(StoreError::Full) } else { Ok(()) }
    }

    /// What was claimed is due, and nobody has held it under this fence before.
    fn inspect(&self, now: i64, claimed: &Claimed) {
        for leased in &claimed.jobs {
            let (job, fence) = (&leased.job, leased.lease.fence);
            if job.due > now {
                self.shared.broken(&format!("I5: {} was claimed before it was due", job.id));
            }
            let life = self.shared.life();
            let before = {
                let mut book = self.shared.book();
                book.leases.push((leased.lease, life));
                book.fences.insert(job.id, (life, fence)).unwrap_or_default()
            };
            // A new life begins with fences of its own: whoever held the old ones has died.
            if before.0 == life && fence <= before.1 {
                self.shared.broken(&format!("I4: the fence of {} did not grow", job.id));
            }
        }
    }
}

/// Hands a method on, slowly.
macro_rules! slowly {
    ($($name:ident($($arg:ident: $type:ty),*) -> $result:ty;)*) => {
        $(fn $name(&self, $($arg: $type),*) -> Answer<'_, $result> {
            Box::pin(async move {
                self.idle().await;
                let answer = self.inner.$name($($arg),*).await;
                self.idle().await;
                answer
            })
        })*
    };
}

/// Hands a method with texts on, slowly.
macro_rules! slowly_by_text {
    ($($name:ident($($arg:ident),*) -> $result:ty;)*) => {
        $(fn $name(&self, $($arg: &str),*) -> Answer<'_, $result> {
            $(let $arg = $arg.to_owned();)*
            Box::pin(async move {
                self.idle().await;
                let answer = self.inner.$name($(&$arg),*).await;
                self.idle().await;
                answer
            })
        })*
    };
}

impl Store for Slow {
    fn commit(&self, commit: Commit) -> Answer<'_, Committed> {
        Box::pin(async move {
            self.idle().await;
            self.room()?;
            let answer = self.inner.commit(commit).await;
            self.idle().await;
            answer
        })
    }

    fn claim(&self, claim: Claim) -> Answer<'_, Claimed> {
        Box::pin(async move {
            let now = claim.now;
            let clock = &self.shared.clock;
            let off = (clock.millis() - now).abs();
            if off > READ && !clock.was_set_within(READ) {
                self.shared.broken("I5: a claim goes by another time than the clock shows");
            }
            self.idle().await;
            self.room()?;
            let claimed = self.inner.claim(claim).await?;
            self.inspect(now, &claimed);
            self.idle().await;
            Ok(claimed)
        })
    }

    fn finish(&self, finished: Vec<Finished>) -> Answer<'_, Vec<Finish>> {
        Box::pin(async move {
            self.idle().await;
            self.room()?;
            let answer = self.inner.finish(finished).await;
            self.idle().await;
            answer
        })
    }

    slowly! {
        reclaim(jobs: Vec<Id>, now: i64, until: i64) -> Vec<Leased>;
        release(leases: Vec<(Lease, i64)>) -> ();
        renew(leases: Vec<Lease>, until: i64) -> Vec<bool>;
        execution(id: Id) -> Option<ExecutionRow>;
        body(id: Id) -> Option<Vec<u8>>;
        executions(filter: ExecutionFilter, skip: usize, take: usize) -> Page<ExecutionRow>;
        logs(execution: Id) -> Vec<LogLine>;
        job(id: Id) -> Option<(Job, Vec<Attempt>)>;
        jobs(filter: JobFilter, skip: usize, take: usize) -> Page<Job>;
        stats() -> Vec<((String, String), Stat)>;
        tallies(sequence: Option<String>) -> Vec<(Counted, u64)>;
        webhook_logs(since: i64, take: usize) -> Vec<WebhookLog>;
        enrolments(sequence: Option<String>, skip: usize, take: usize) -> Page<Enrolment>;
        midway(sequence: Option<String>) -> Vec<Following>;
        retry(jobs: Vec<Id>, now: i64) -> usize;
        settle(jobs: Vec<Id>, now: i64) -> usize;
        clock_was_set(set: ClockSet) -> usize;
        backup(backup: Backup) -> Backup;
        examine(now: i64) -> Vec<Finding>;
        purge(before: i64, now: i64) -> usize;
        settled(jobs: Vec<Id>) -> ();
        suppressions_of(who: Fingerprint) -> Vec<Suppression>;
        suppression_list(after: Option<Suppression>, take: usize) -> Vec<Suppression>;
        close() -> ();
    }

    slowly_by_text! {
        record(name, id) -> Option<Record>;
        enrolment(sequence, key) -> Option<Enrolment>;
        suppressions(address) -> Vec<Suppression>;
        places(address) -> Places;
        flag(name) -> Option<String>;
        file(hash) -> Option<Vec<u8>>;
        flags(prefix) -> Vec<(String, String)>;
        enrolments_of(person) -> Vec<Enrolment>;
    }

    fn enrolments_behind(
        &self,
        sequence: &str,
        after: Option<String>,
        take: usize,
    ) -> Answer<'_, Vec<Enrolment>> {
        self.inner.enrolments_behind(sequence, after, take)
    }

    fn edition(&self, sequence: &str, hash: &str) -> Answer<'_, Option<(Edition, i64)>> {
        self.inner.edition(sequence, hash)
    }

    fn records(&self, name: &str, skip: usize, take: usize) -> Answer<'_, Page<Record>> {
        self.inner.records(name, skip, take)
    }

    fn cancel(&self, jobs: Vec<Id>, reason: &str, now: i64) -> Answer<'_, usize> {
        self.inner.cancel(jobs, reason, now)
    }

    fn held(
        &self,
        sequence: &str,
        from: Vec<u8>,
        take: usize,
    ) -> Answer<'_, (Vec<Job>, Option<Vec<u8>>)> {
        self.inner.held(sequence, from, take)
    }

    fn let_go(&self, from: Vec<u8>, most: usize) -> Answer<'_, LetGo> {
        self.inner.let_go(from, most)
    }

    fn forget(&self, person: &str, now: i64) -> Answer<'_, Forgotten> {
        self.inner.forget(person, now)
    }

    fn bell(&self) -> Arc<Notify> {
        self.inner.bell()
    }

    fn note_refusals(&self, refusals: Vec<Refusal>) {
        self.inner.note_refusals(refusals);
    }

    fn trouble(&self) -> Option<String> {
        self.inner.trouble()
    }
}
