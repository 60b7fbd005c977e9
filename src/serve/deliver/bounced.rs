//! An e-mail that its mail server gave up on, for good or for now: what follows for the person
//! is the same as when a provider reports it later, and counts together with that.

use super::Deliver;
use crate::base::address;
use crate::engine::feedback::{Event, Fate, counter, follow};
use crate::model::commit::{Commit, Write};
use crate::model::queue::{AttemptError, Job, Level, LogLine, Task, Transition, Tried};
use crate::model::rules::Tolerance;
use crate::serve::journal::Kind;
use crate::serve::settings::Live;
use crate::store::{Committed, StoreError};

/// It is decided again so often at most when others get in between.
const MAX_DECISIONS: usize = 64;

impl Deliver {
    /// What is to be written about the person together with this outcome. What counts only
    /// with others is counted here, before the outcome is written: a crash in between counts
    /// one e-mail twice at most.
    pub(super) async fn came_back(
        &self,
        live: &Live,
        job: &Job,
        tried: &Tried,
        transition: &Transition,
    ) -> Vec<Write> {
        let (Task::Email(email), Transition::Failed(_)) = (&job.task, transition) else {
            return Vec::new();
        };
        let service = live.services.get(&job.lane);
        let takes_all = service.is_some_and(|service| service.rule.kind.is_mail_provider());
        let fate = match tried.error {
            Some(_) if is_about_policy(&tried.reply) => return Vec::new(),
            // A provider that does not even try knows why, and does not say: a mailbox that is
            // gone, a complaint, or somebody's click. It has reported what it was.
            Some(AttemptError::Bounce) if takes_all => Fate::Unsubscribed,
            Some(AttemptError::Bounce) => Fate::HardBounce,
            // A provider that puts us off says nothing about the mailbox.
            Some(AttemptError::Deferred) if !takes_all => Fate::SoftBounce,
            _ => return Vec::new(),
        };
        let address = address::person(&email.to);
        let note = tried.message.as_deref().unwrap_or_default();
        let now = self.app.millis();
        let event = Event { fate, address: &address, note, before: None, now };
        let limits = service
            .map_or_else(Tolerance::default, |service| live.rules.tolerance(service.rule.kind));
        let Some(counter) = counter(limits, fate, &address) else {
            return follow(&live.rules, limits, &event).writes;
        };
        // Seldom needed, so not a part of every attempt.
        match Box::pin(self.count(live, limits, &counter, &event)).await {
            Ok(said) => {
                let (at, task) = (now, Some(job.event_type.clone()));
                let message = format!("{}; {said}", fate.word());
                let line = LogLine { at, level: Level::Warn, task, message };
                vec![Write::Log { execution: job.execution, line }]
            }
            Err(error) => {
                let text = format!("{}: a bounce was not counted: {error}", job.event_type);
                self.app.journal.say(Kind::Warning, &text);
                Vec::new()
            }
        }
    }

    /// Counts what decides only together with others; answers what it comes to.
    async fn count(
        &self,
        live: &Live,
        limits: Tolerance,
        counter: &str,
        event: &Event<'_>,
    ) -> Result<String, StoreError> {
        for _ in 0..MAX_DECISIONS {
            let before = self.app.store.flag(counter).await?;
            let event = Event { before: before.as_deref(), ..*event };
            let follows = follow(&live.rules, limits, &event);
            let (assumes, writes) = (follows.assumes, follows.writes);
            let now = event.now;
            let commit = Commit { now, assumes, writes, own: true, ..Commit::default() };
            if let Committed::Done { .. } = self.app.store.commit(commit).await? {
                return Ok(follows.said);
            }
        }
        Err(StoreError::Full)
    }
}

/// Whether a refusal is about the message, its sender or a policy (codes `x.6` and `x.7` of
/// RFC 3463): it says nothing about the mailbox.
fn is_about_policy(reply: &str) -> bool {
    let code = reply.trim_start();
    ["4.6.", "4.7.", "5.6.", "5.7."].iter().any(|about| code.starts_with(about))
}
