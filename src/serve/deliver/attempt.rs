//! From a claimed job to its written outcome. What must be looked at right before an
//! attempt (switched off, stopped, suppressed, too late, gone) is looked at here, each time.

use super::{Deliver, full};
use crate::engine::{self, Retries};
use crate::model::commit::{Finished, Write};
use crate::model::queue::{
    Attempt, CAPTURED, Job, Lease, Leased, Level, LogLine, Task, Transition, Tried,
};
use crate::serve::journal::{Kind, one_line};
use crate::serve::settings::Live;
use crate::store::Finish;

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
        let leased = if matches!(leased.job.task, Task::Step { .. }) {
            match self.step(live, leased).await {
                Before::Go(leased) => *leased,
                Before::Over => return None,
            }
        } else {
            leased
        };
        let Leased { mut job, lease } = leased;
        if let Some(transition) = self.obstacle(live, &job).await {
            self.end(&job, lease, transition, None, Vec::new()).await;
            return None;
        }
        if job.attempts > 0
            && let Some(why) = self.unwanted(live, &job).await
        {
            self.end(&job, lease, Transition::Cancelled(why), None, Vec::new()).await;
            return None;
        }
        job.attempts += 1;
        let id = self.app.new_id();
        let tried = self.send(live, &job).await;
        let service = live.services.get(&job.lane);
        let retries = Retries {
            waits: service.map_or(&[][..], |service| &service.retry),
            jitter: self.app.options.jitter,
            resend_unknown: service.is_some_and(|service| service.rule.resend_unknown),
        };
        let (transition, writes) = engine::outcome(&job, &tried, retries, self.app.millis());
        let attempt = Attempt {
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
        };
        let outcome = tried.error.map_or("sent", crate::model::AttemptError::word);
        self.app.metrics.attempt(&job.lane, outcome);
        self.end(&job, lease, transition, Some(attempt), writes).await;
        Some(tried)
    }

    /// Why a job must not be tried now, if so.
    async fn obstacle(&self, live: &Live, job: &Job) -> Option<Transition> {
        let now = self.app.millis();
        let cancelled = |why: String| Some(Transition::Cancelled(why));
        if let Some(expires) = job.expires
            && now > expires
        {
            return cancelled(format!("too late: it could not be sent by {}", full(expires)));
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
            Task::Event { .. } => {
                let gone = self.app.store.flag(&engine::gone_flag(job)).await.ok().flatten()?;
                Some(Transition::Failed(format!("gone: {gone}")))
            }
            Task::Email(email) => {
                let address = email.to.to_lowercase();
                let listed = self.app.store.suppressions(&address).await.ok()?;
                let barred =
                    listed.iter().find(|entry| email.marketing || entry.reason == "bounced")?;
                cancelled(format!("suppressed: the address is {}", barred.reason))
            }
            Task::Step { .. } | Task::Mirror { .. } => None,
        }
    }

    /// Writes an outcome down, with a line in the execution's log, and tells it.
    pub(super) async fn end(
        &self,
        job: &Job,
        lease: Lease,
        transition: Transition,
        attempt: Option<Attempt>,
        mut writes: Vec<Write>,
    ) -> Finish {
        let (kind, text) = words(job, &transition, attempt.as_ref());
        let level = match kind {
            Kind::Failed => Level::Error,
            Kind::Retry | Kind::Skipped => Level::Warn,
            _ => Level::Info,
        };
        if !matches!(transition, Transition::Become(_)) {
            let message = one_line(&text);
            let task = Some(job.event_type.clone());
            let line = LogLine { at: self.app.millis(), level, task, message };
            writes.push(Write::Log { execution: job.execution, line });
            if kind != Kind::Captured {
                self.app.journal.say(kind, &format!("{}: {text}", job.event_type));
            }
        }
        let finished = Finished { lease, transition, attempt, writes };
        match self.app.store.finish(vec![finished]).await {
            Ok(finishes) => finishes.first().copied().unwrap_or(Finish::Stale),
            Err(error) => {
                let text = format!("{}: the outcome could not be stored: {error}", job.event_type);
                self.app.journal.say(Kind::Warning, &text);
                Finish::Stale
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
            (Kind::Retry, format!("to {target}{status}: {why}; again at {}", full(*due)))
        }
        Transition::Failed(why) => (Kind::Failed, format!("to {target}: {why}")),
        Transition::Cancelled(why) if why == CAPTURED => {
            (Kind::Captured, format!("to {target}: kept in the outbox, not sent"))
        }
        Transition::Cancelled(why) => (Kind::Skipped, format!("to {target}: {why}")),
        Transition::Become(_) => (Kind::Step, String::new()),
    }
}
