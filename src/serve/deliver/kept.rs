//! What gates remember over a restart: how much of its rate a lane has used up, and a mail
//! service's last e-mails with whether it is held. Both are small rows that are written
//! rarely.

use std::sync::PoisonError;
use std::sync::atomic::Ordering;

use super::gate::Held;
use super::reputation::{Fate, Reputation};
use super::{Deliver, Gates};
use crate::model::commit::{Commit, Write};
use crate::model::queue::{AttemptError, Job, Task, Tried};
use crate::serve::journal::Kind;
use crate::store::StoreError;

/// Flags of rates begin so; the lane's name follows.
const RATE: &str = "rate ";
/// Flags of reputations begin so; the service's name follows.
const REPUTATION: &str = "reputation ";

/// What came of counting an e-mail.
#[derive(Debug, Default)]
pub struct Noted {
    /// What is to be written with it, if anything.
    pub write: Option<Write>,
    /// Why the service is held from now on, if this was the one that decided it.
    pub held: Option<Held>,
}

impl Gates {
    /// Counts what became of an e-mail of this mail service: its mail server's answer, or a
    /// bounce or complaint that was reported later.
    pub fn note(&self, service: &str, fate: Fate) -> Noted {
        let mut known = self.reputations.lock().unwrap_or_else(PoisonError::into_inner);
        let reputation = known.entry(service.to_owned()).or_default();
        let before = reputation.held;
        let keep = reputation.note(fate);
        Noted {
            write: keep.then(|| row(service, reputation)),
            held: reputation.held.filter(|_| before.is_none()),
        }
    }

    /// Why this service is held, if so.
    #[must_use]
    pub fn held(&self, service: &str) -> Option<Held> {
        let known = self.reputations.lock().unwrap_or_else(PoisonError::into_inner);
        known.get(service).and_then(|reputation| reputation.held)
    }

    /// Lets a held service send again and counts from nothing; answers what is to be written,
    /// none where it was not held.
    pub fn release(&self, service: &str) -> Option<Write> {
        let mut known = self.reputations.lock().unwrap_or_else(PoisonError::into_inner);
        let reputation = known.get_mut(service).filter(|found| found.held.is_some())?;
        *reputation = Reputation::default();
        Some(row(service, reputation))
    }

    /// Takes up what was written down before a restart.
    fn restore(&self, rates: &[(String, String)], reputations: &[(String, String)]) {
        let mut used = self.used.lock().unwrap_or_else(PoisonError::into_inner);
        used.extend(rates.iter().filter_map(|(name, at)| {
            Some((name.strip_prefix(RATE)?.to_owned(), at.parse::<i64>().ok()?))
        }));
        let mut known = self.reputations.lock().unwrap_or_else(PoisonError::into_inner);
        known.extend(reputations.iter().filter_map(|(name, text)| {
            let name = name.strip_prefix(REPUTATION)?;
            // A row that cannot be read is one of another version: nothing is known.
            Some((name.to_owned(), serde_json::from_str(text).ok()?))
        }));
    }
}

/// The row of a reputation.
fn row(service: &str, reputation: &Reputation) -> Write {
    let value = serde_json::to_string(reputation).ok();
    Write::Flag { name: format!("{REPUTATION}{service}"), value }
}

impl Deliver {
    /// Takes up what was written down before a restart, once.
    pub(super) async fn remember(&self) -> Result<(), StoreError> {
        if !self.app.gates.restored.load(Ordering::Relaxed) {
            let rates = self.app.store.flags(RATE).await?;
            let reputations = self.app.store.flags(REPUTATION).await?;
            self.app.gates.restore(&rates, &reputations);
            self.app.gates.restored.store(true, Ordering::Relaxed);
        }
        Ok(())
    }

    /// Writes down how much of their rates lanes have used up with the attempts that are about
    /// to begin, where that is more than what is written.
    pub(super) async fn keep_rates(&self, now: i64) -> Result<(), StoreError> {
        let used = self.app.gates.keep_ahead().into_iter();
        let writes: Vec<_> = used
            .map(|(lane, until)| Write::Flag {
                name: format!("{RATE}{lane}"),
                value: Some(until.to_string()),
            })
            .collect();
        if !writes.is_empty() {
            self.app.store.commit(Commit { now, writes, ..Commit::default() }).await?;
        }
        Ok(())
    }

    /// Counts what a mail server said to an e-mail; answers what is to be written with it.
    pub(super) fn judge_mail(&self, job: &Job, tried: &Tried) -> Option<Write> {
        let fate = match (&job.task, tried.error) {
            (Task::Email(_), None) => Fate::Taken,
            (Task::Email(_), Some(AttemptError::Bounce)) => Fate::Refused,
            _ => return None,
        };
        let noted = self.app.gates.note(&job.lane, fate);
        if let Some(held) = noted.held {
            let text = format!("{}: {}", job.lane, held.sentence(&job.lane));
            self.app.journal.say(Kind::Warning, &text);
        }
        noted.write
    }
}

impl Held {
    /// Why nothing is sent through this service, and what to do.
    #[must_use]
    pub fn sentence(self, service: &str) -> String {
        let why = match self {
            Self::Bounces => "more than 5 % of its last e-mails bounced",
            Self::Complaints => "more than 0.3 % of its last e-mails were reported as spam",
        };
        format!(
            "{why}, so nothing is sent; find out why, then let it send again with `rulerun queue \
             resume {service}`"
        )
    }
}
