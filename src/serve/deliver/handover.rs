//! E-mails on their way to a mail provider. Its answer can be lost, and the process can die
//! while it waits for one, so before an e-mail is handed over for the first time the moment
//! is stored with it. Whether the provider may have it already follows from the attempts
//! since then: one that was refused, or never left, has changed nothing; one without an
//! answer, or none where there should be one, may have arrived. A mail server cannot be
//! asked; there `dot` knows what came of an attempt over which the process died.

use super::{Deliver, postmark, resend};
use crate::model::queue::{Attempt, Email, Job, Leased, Task, Transition};
use crate::model::rules::ServiceType;
use crate::model::{AttemptError, Tried};
use crate::serve::settings::{Live, LiveService};
use crate::store::{Finish, StoreError};

/// So many attempts are listed with a job; older ones are not seen here.
const LISTED: usize = 50;

/// What is to be done with an e-mail now.
pub(super) enum Handover {
    /// Hand it over. `asked`: it may be there already.
    Go {
        /// Whether an earlier attempt may have arrived.
        asked: bool,
    },
    /// Not now, or not at all.
    Wait(Transition),
    /// It has been dealt with.
    Over,
}

impl Deliver {
    /// Finds out what the provider may know of an e-mail. `fresh` says that it was made just
    /// now. What is handed over again after a plain refusal is marked anew.
    pub(super) async fn handover(
        &self,
        live: &Live,
        leased: &mut Leased,
        fresh: bool,
    ) -> Result<Handover, StoreError> {
        let service = live.services.get(&leased.job.lane);
        let service = service.filter(|service| service.rule.kind.is_mail_provider());
        let (Some(service), Task::Email(email)) = (service, &leased.job.task) else {
            return Ok(Handover::Go { asked: false });
        };
        if fresh {
            return Ok(Handover::Go { asked: false });
        }
        // A copy for the sender's own mailbox was made before its time and is not marked yet.
        if let Some(since) = email.handed {
            let found = self.app.store.job(leased.job.id).await?;
            let attempts = found.map_or_else(Vec::new, |job| job.1);
            if may_be_there(since, &attempts) {
                return Ok(self.ask(service, &leased.job, since, &attempts));
            }
        }
        let now = self.app.millis();
        let marked = Email { handed: Some(now), ..email.clone() };
        let job = Job { task: Task::Email(marked), ..leased.job.clone() };
        let mark = Transition::Become(Box::new(job.clone()));
        Ok(match self.end(&job, leased.lease, mark, None, Vec::new()).await {
            Finish::Done => {
                leased.job = job;
                Handover::Go { asked: false }
            }
            // A place under a cap was not asked for.
            Finish::Stale | Finish::Stopped | Finish::Capped(_) => Handover::Over,
        })
    }

    /// Whether the provider can still say what became of an e-mail.
    fn ask(&self, service: &LiveService, job: &Job, since: i64, attempts: &[Attempt]) -> Handover {
        let (remembers, settles) = match service.rule.kind {
            ServiceType::Postmark => (postmark::REMEMBERS, postmark::SETTLES),
            _ => (resend::REMEMBERS, 0),
        };
        let now = self.app.millis();
        let last = attempts.last().map_or(since, |attempt| attempt.id.millis().max(since));
        if now.saturating_sub(last) < settles {
            let due = last.saturating_add(settles);
            return Handover::Wait(Transition::Retry { due, spend: false });
        }
        // Whoever asked for it again by hand, or in the rules, was told.
        let insists = job.by_hand || service.rule.resend_unknown;
        if now.saturating_sub(since) > remembers && !insists {
            let text = "unknown: an earlier attempt may have arrived, and that is so long ago \
                        that the mail provider cannot tell any more; `rulerun queue retry` sends \
                        it again";
            return Handover::Wait(Transition::Failed(text.to_owned()));
        }
        Handover::Go { asked: true }
    }
}

/// Whether an e-mail that was about to be handed over at `since` may have arrived.
fn may_be_there(since: i64, attempts: &[Attempt]) -> bool {
    let mut after = attempts.iter().filter(|attempt| attempt.id.millis() >= since).peekable();
    let open = |attempt: &Attempt| match attempt.error {
        Some(AttemptError::Unknown) => true,
        Some(_) => attempt.status.is_some_and(|status| status >= 500),
        None => false,
    };
    // Without an attempt the process died over it.
    after.peek().is_none() || attempts.len() >= LISTED || after.any(open)
}

/// Whether an attempt of unknown fate may be repeated, because the provider is asked first or
/// knows the e-mail again.
pub(super) fn may_repeat(service: &LiveService, tried: &Tried) -> bool {
    tried.error == Some(AttemptError::Unknown) && service.rule.kind.is_mail_provider()
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::base::Id;

    fn attempt(at: i64, error: Option<AttemptError>, status: Option<u16>) -> Attempt {
        Attempt {
            id: Id::new(at, &[0; 10]),
            job: Id([0; 16]),
            execution: Id([0; 16]),
            event_type: String::new(),
            target: String::new(),
            duration_ms: 0,
            status,
            error,
            message: None,
            reply: String::new(),
        }
    }

    #[test]
    fn an_email_may_be_there_until_every_attempt_since_was_refused() {
        use AttemptError as E;
        let refused = |at| attempt(at, Some(E::Status), Some(429));
        let lost = |at| attempt(at, Some(E::Unknown), None);
        assert!(may_be_there(1_000, &[]), "nothing is known of an attempt that began");
        assert!(may_be_there(1_000, &[refused(500)]), "that was another one");
        assert!(!may_be_there(1_000, &[refused(1_000)]));
        assert!(!may_be_there(1_000, &[lost(500), refused(1_000)]));
        assert!(may_be_there(1_000, &[lost(1_000), refused(2_000)]));
        assert!(may_be_there(1_000, &[attempt(1_000, Some(E::Status), Some(503))]));
        assert!(!may_be_there(1_000, &[attempt(1_000, Some(E::Dns), None)]));
        assert!(may_be_there(1_000, &vec![refused(1_000); LISTED]));
    }
}
