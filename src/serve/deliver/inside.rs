//! A delivery over which rulerun itself fails: a mistake of ours, found by a panic. It is
//! written down as an attempt like any other, so that people see it and it comes to an end.

use std::future::poll_fn;
use std::panic::{AssertUnwindSafe, catch_unwind};
use std::pin::pin;
use std::task::Poll;

use super::Deliver;
use crate::base::text::last_words;
use crate::engine;
use crate::model::queue::{AttemptError, Lease, Transition, Tried};
use crate::serve::journal::{Kind, one_line};
use crate::serve::settings::Live;

/// How long a step rests that can neither be done nor be passed over, in milliseconds.
const REST: i64 = 600_000;

/// What comes of work; its last words if it panics.
pub(super) async fn caught<T>(work: impl Future<Output = T>) -> Result<T, String> {
    let mut work = pin!(work);
    poll_fn(|context| {
        // It is never polled again after a panic, and its locks do not outlive it.
        match catch_unwind(AssertUnwindSafe(|| work.as_mut().poll(context))) {
            Ok(poll) => poll.map(Ok),
            Err(panic) => Poll::Ready(Err(one_line(last_words(&*panic)))),
        }
    })
    .await
}

impl Deliver {
    /// Writes down that rulerun failed over a job; answers the attempt.
    pub(super) async fn failed_inside(
        &self,
        live: &Live,
        lease: Lease,
        why: String,
    ) -> Option<Tried> {
        let found = match self.app.store.job(lease.job).await {
            Ok(found) => found,
            Err(error) => {
                // It is tried again when its lease ends.
                self.app.journal.say(Kind::Warning, &error.to_string());
                None
            }
        };
        let (mut job, _) = found?;
        // Its e-mail has left all the same, which the next round writes down.
        if self.dots.found(&job).is_some() {
            let text = format!("{}: rulerun failed inside: {why}", job.event_type);
            self.app.journal.say(Kind::Warning, &text);
            return None;
        }
        let tried = Tried {
            error: Some(AttemptError::Internal),
            message: Some(format!("rulerun failed inside: {why}")),
            ..Tried::default()
        };
        let _steady = self.steady().await;
        job.attempts += 1;
        let now = self.app.millis();
        let mut transition =
            engine::failed_inside(&job, &tried, self.retries(live, &job, &tried), now);
        let mut writes = Vec::new();
        if !matches!(transition, Transition::Retry { .. }) {
            match caught(self.past(live, &job)).await {
                Ok(Ok(advance)) => writes = advance,
                _ => transition = Transition::Retry { due: now + REST, spend: false },
            }
        }
        let attempt = self.noted(self.app.new_id(), &job, &tried);
        self.end(&job, lease, transition, Some(attempt), writes).await;
        Some(tried)
    }
}
