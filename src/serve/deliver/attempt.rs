//! From a claimed job to its written outcome. What must be looked at right before an
//! attempt (switched off, stopped, suppressed, too late, gone) is looked at here, each time.

use super::Deliver;
use super::handover::{Handover, may_repeat};
use super::send::captured;
use crate::base::Id;
use crate::base::time::format_millis;
use crate::engine::{self, Retries};
use crate::model::commit::{Finished, Write};
use crate::model::queue::{
    Attempt, CAPTURED, Job, Lease, Leased, Level, LogLine, Task, Transition, Tried, suppression,
};
use crate::serve::journal::{Kind, one_line};
use crate::serve::settings::Live;
use crate::store::{Finish, StoreError};

/// How long a full store is left alone before an outcome is offered to it again.
const STORE_FULL: std::time::Duration = std::time::Duration::from_millis(50);

/// What is known about a job right before it would be tried.
pub(super) enum Before {
    /// Try it.
    Go(Box<Leased>),
    /// It has been dealt with; nothing is to be tried.
    Over,
}

impl Deliver {
    /// Does a claimed job; answers what the service said, if it was called.
    pub(super) async fn work(&self, live: &Live, leased: Leased) -> Option<Tried> {
        let steady = self.steady().await;
        let (leased, asked) = self.make_ready(live, leased).await?;
        drop(steady);
        Some(self.attempt(live, leased, asked).await)
    }

    /// Decides a claimed job; answers what is to be tried, if anything, and whether an earlier
    /// attempt may have arrived.
    async fn make_ready(&self, live: &Live, leased: Leased) -> Option<(Leased, bool)> {
        if self.quarantined(live, &leased).await || self.held_aside(&leased).await {
            return None;
        }
        let is_step = matches!(leased.job.task, Task::Step { .. });
        let leased = if is_step {
            match self.step(live, leased).await {
                Before::Go(leased) => *leased,
                Before::Over => return None,
            }
        } else {
            leased
        };
        // A step was decided just now; what was decided earlier is looked at once more.
        let obstacle = match self.obstacle(live, &leased.job).await {
            Ok(None) if !is_step => self.unwanted(live, &leased.job).await,
            found => found.map(|found| found.map(|transition| (transition, Vec::new()))),
        };
        match obstacle {
            Ok(None) => {}
            Ok(Some((transition, writes))) => {
                self.end(&leased.job, leased.lease, transition, None, writes).await;
                return None;
            }
            // Who cannot be looked up on the list of those who want no mail gets none now.
            Err(error) => {
                self.give_back(&leased, &error).await;
                return None;
            }
        }
        let mut leased = leased;
        match self.handover(live, &mut leased, is_step).await {
            Ok(Handover::Go { asked }) => return Some((leased, asked)),
            Ok(Handover::Wait(transition)) => {
                self.end(&leased.job, leased.lease, transition, None, Vec::new()).await;
            }
            Ok(Handover::Over) => {}
            Err(error) => self.give_back(&leased, &error).await,
        }
        None
    }

    /// One attempt and its written outcome. `asked` says that an earlier one may have arrived.
    async fn attempt(&self, live: &Live, leased: Leased, asked: bool) -> Tried {
        let Leased { job, lease, .. } = leased;
        let id = self.app.new_id();
        let dot = self.dots.of(&job);
        let tried = self.send(live, &job, asked, &dot).await;
        if self.outcome(live, job, lease, id, &tried).await == Finish::Done {
            dot.settle();
        }
        tried
    }

    /// Writes down what came of an attempt, and everything that follows from it.
    pub(super) async fn outcome(
        &self,
        live: &Live,
        mut job: Job,
        lease: Lease,
        id: Id,
        tried: &Tried,
    ) -> Finish {
        job.attempts += 1;
        let _steady = self.steady().await;
        let retries = self.retries(live, &job, tried);
        let (transition, mut writes) = engine::outcome(&job, tried, retries, self.app.millis());
        if !job.is_seed() {
            writes.extend(self.judge_mail(&job, tried));
            writes.extend(self.came_back(live, &job, tried, &transition).await);
        }
        let attempt = self.noted(id, &job, tried);
        self.end(&job, lease, transition, Some(attempt), writes).await
    }

    /// How a job is tried again after this attempt.
    pub(super) fn retries<'a>(&self, live: &'a Live, job: &Job, tried: &Tried) -> Retries<'a> {
        let service = live.services.get(&job.lane);
        Retries {
            waits: service.map_or(&[][..], |service| &service.retry),
            jitter: self.app.options.jitter,
            resend_unknown: service
                .is_some_and(|service| service.rule.resend_unknown || may_repeat(service, tried)),
        }
    }

    /// An attempt as it is written down; it is counted, too.
    pub(super) fn noted(&self, id: Id, job: &Job, tried: &Tried) -> Attempt {
        let outcome = tried.error.map_or("sent", crate::model::AttemptError::word);
        self.app.metrics.attempt(&job.lane, outcome);
        Attempt {
            id,
            job: job.id,
            execution: job.execution,
            event_type: job.event_type.clone(),
            target: job.target.clone(),
            duration_ms: u64::try_from(tried.duration.as_millis()).unwrap_or(u64::MAX),
            status: tried.status,
            error: tried.error,
            message: tried.message.clone(),
            reply: tried.reply.clone(),
        }
    }

    /// Why a job must not be tried now, if so.
    ///
    /// # Errors
    /// The store cannot say; then nothing may be sent.
    async fn obstacle(&self, live: &Live, job: &Job) -> Result<Option<Transition>, StoreError> {
        let now = self.app.millis();
        let cancelled = |why: String| Ok(Some(Transition::Cancelled(why)));
        if let Some(expires) = job.expires
            && now > expires
        {
            return cancelled(format!(
                "too late: it could not be sent by {}",
                format_millis(expires)
            ));
        }
        match live.services.get(&job.lane) {
            None if job.lane == engine::OUTBOX => {}
            None => return cancelled(format!("the rules no longer have a service {}", job.lane)),
            Some(service) if !service.enabled => {
                return cancelled(format!("the service {} is switched off", job.lane));
            }
            Some(_) => {}
        }
        match &job.task {
            // Whoever tries again by hand knows better.
            Task::Event { .. } if !job.by_hand => {
                let gone = self.app.store.flag(&engine::gone_flag(job)).await?;
                Ok(gone.map(|gone| Transition::Failed(format!("gone: {gone}"))))
            }
            // An e-mail from before mail was switched off, or one that was captured.
            Task::Email(_) if captured(live, &job.lane, self.app.options.dev).is_some() => {
                cancelled(CAPTURED.to_owned())
            }
            // The sender's own mailboxes get what they are to look at.
            Task::Email(_) if job.is_seed() => Ok(None),
            Task::Email(email) => {
                let listed = self.app.store.suppressions(&email.to).await?;
                let barred = listed.iter().find(|entry| {
                    entry.covers(&email.sequence)
                        && !entry.is_over(now)
                        && (email.marketing || entry.reason == suppression::BOUNCED)
                });
                Ok(barred.map(|barred| {
                    let why = suppression::because(&barred.reason);
                    Transition::Cancelled(format!("suppressed: {why}"))
                }))
            }
            Task::Event { .. } | Task::Step { .. } | Task::Mirror { .. } => Ok(None),
        }
    }

    /// Writes an outcome down, with a line in the execution's log, and tells it.
    pub(super) async fn end(
        &self,
        job: &Job,
        lease: Lease,
        transition: Transition,
        attempt: Option<Attempt>,
        writes: Vec<Write>,
    ) -> Finish {
        let told = words(job, &transition, attempt.as_ref());
        self.finish(job, Finished { lease, transition, attempt, writes }, told).await
    }

    /// Puts a step off, for this reason: it has not been tried.
    pub(super) async fn put_off(&self, job: &Job, lease: Lease, due: i64, why: &str) {
        let transition = Transition::Later { due, why: why.to_owned() };
        self.end(job, lease, transition, None, Vec::new()).await;
    }

    async fn finish(
        &self,
        job: &Job,
        mut finished: Finished,
        (kind, text): (Kind, String),
    ) -> Finish {
        let level = match kind {
            Kind::Failed => Level::Error,
            Kind::Retry | Kind::Skipped => Level::Warn,
            _ => Level::Info,
        };
        if !matches!(finished.transition, Transition::Become(_)) {
            let message = one_line(&text);
            let task = Some(job.event_type.clone());
            let line = LogLine { at: self.app.millis(), level, task, message };
            finished.writes.push(Write::Log { execution: job.execution, line });
            if kind != Kind::Captured {
                self.app.journal.say(kind, &format!("{}: {text}", job.event_type));
            }
        }
        loop {
            match self.app.store.finish(vec![finished.clone()]).await {
                Ok(finishes) => return finishes.first().copied().unwrap_or(Finish::Stale),
                // What has been sent and is not written down would be sent again. The claim is
                // renewed meanwhile, so this goes on until there is room.
                Err(StoreError::Full) => tokio::time::sleep(STORE_FULL).await,
                Err(error) => {
                    let text =
                        format!("{}: the outcome could not be stored: {error}", job.event_type);
                    self.app.journal.say(Kind::Warning, &text);
                    return Finish::Stale;
                }
            }
        }
    }
}

/// An outcome for people.
fn words(job: &Job, transition: &Transition, attempt: Option<&Attempt>) -> (Kind, String) {
    let target = &job.target;
    let status = attempt.and_then(|attempt| attempt.status);
    let status = status.map(|status| format!(" ({status})")).unwrap_or_default();
    match transition {
        Transition::Sent => (Kind::Sent, format!("to {target}{status}")),
        Transition::Retry { due, .. } => {
            let why = attempt.and_then(|attempt| attempt.message.as_deref()).unwrap_or("failed");
            (Kind::Retry, format!("to {target}{status}: {why}; again at {}", format_millis(*due)))
        }
        Transition::Later { due, why } => {
            (Kind::Retry, format!("to {target}: waits until {}: {why}", format_millis(*due)))
        }
        Transition::Failed(why) => (Kind::Failed, format!("to {target}: {why}")),
        Transition::Cancelled(why) if why == CAPTURED => {
            (Kind::Captured, format!("to {target}: kept in the outbox, not sent"))
        }
        Transition::Cancelled(why) => (Kind::Skipped, format!("to {target}: {why}")),
        Transition::Hold => (Kind::Step, format!("to {target}: held, the sequence is paused")),
        Transition::Become(_) => (Kind::Step, String::new()),
    }
}
