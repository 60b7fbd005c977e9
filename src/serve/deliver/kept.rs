//! What gates remember over a restart: how much of its rate a lane has used up, and a mail
//! service's last e-mails with whether it is held. Both are small rows that are written
//! rarely.

use std::sync::PoisonError;
use std::sync::atomic::Ordering;

use super::gate::Held;
use super::reputation::{Fate, Reputation};
use super::{Deliver, Gates};
use crate::base::Moment;
use crate::model::commit::{Commit, Write};
use crate::model::queue::{AttemptError, Job, Task, Tried};
use crate::serve::app::App;
use crate::serve::journal::Kind;
use crate::store::{Store, StoreError};

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

    /// What counting this e-mail would write, without counting it: for who does not know yet
    /// whether it counts.
    #[must_use]
    pub fn foresee(&self, service: &str, fate: Fate) -> Option<Write> {
        let known = self.reputations.lock().unwrap_or_else(PoisonError::into_inner);
        let mut reputation = known.get(service).cloned().unwrap_or_default();
        reputation.note(fate).then(|| row(service, &reputation))
    }

    /// Why this service is held, if so.
    #[must_use]
    pub fn held(&self, service: &str) -> Option<Held> {
        let known = self.reputations.lock().unwrap_or_else(PoisonError::into_inner);
        known.get(service).and_then(|reputation| reputation.held)
    }

    /// Every service that is held, by name, and why.
    #[must_use]
    pub fn all_held(&self) -> Vec<(String, Held)> {
        let known = self.reputations.lock().unwrap_or_else(PoisonError::into_inner);
        let held = known.iter().filter_map(|(name, one)| Some((name.clone(), one.held?)));
        let mut held: Vec<_> = held.collect();
        held.sort_unstable_by(|a, b| a.0.cmp(&b.0));
        held
    }

    /// Lets a held service send again and counts from nothing; answers what is to be written,
    /// none where it was not held.
    pub fn release(&self, service: &str) -> Option<Write> {
        let mut known = self.reputations.lock().unwrap_or_else(PoisonError::into_inner);
        let reputation = known.get_mut(service).filter(|found| found.held.is_some())?;
        *reputation = Reputation::default();
        Some(row(service, reputation))
    }

    /// Takes up what was written down before a restart, once. It comes before everything that
    /// is counted.
    ///
    /// # Errors
    /// The store cannot be read.
    pub async fn remember(&self, store: &dyn Store) -> Result<(), StoreError> {
        if !self.restored.load(Ordering::Acquire) {
            let rates = store.flags(RATE).await?;
            let reputations = store.flags(REPUTATION).await?;
            self.restore(&rates, &reputations);
            self.restored.store(true, Ordering::Release);
        }
        Ok(())
    }

    fn restore(&self, rates: &[(String, String)], reputations: &[(String, String)]) {
        let mut used = self.used.lock().unwrap_or_else(PoisonError::into_inner);
        // Whoever came first may have counted something already.
        for (name, at) in rates {
            if let (Some(name), Ok(at)) = (name.strip_prefix(RATE), at.parse()) {
                used.entry(name.to_owned()).or_insert(at);
            }
        }
        let mut known = self.reputations.lock().unwrap_or_else(PoisonError::into_inner);
        for (name, text) in reputations {
            // A row that cannot be read is one of another version: nothing is known.
            if let (Some(name), Ok(found)) =
                (name.strip_prefix(REPUTATION), serde_json::from_str(text))
            {
                known.entry(name.to_owned()).or_insert(found);
            }
        }
    }
}

/// The row of a reputation.
fn row(service: &str, reputation: &Reputation) -> Write {
    let value = serde_json::to_string(reputation).ok();
    Write::Flag { name: format!("{REPUTATION}{service}"), value }
}

impl Deliver {
    /// Writes down how much of their rates lanes have used up with the attempts that are about
    /// to begin, where that is more than what is written.
    pub(super) async fn keep_rates(&self, now: Moment) -> Result<(), StoreError> {
        let used = self.app.gates.keep_ahead(now).into_iter();
        let writes: Vec<_> = used
            .map(|(lane, until)| Write::Flag {
                name: format!("{RATE}{lane}"),
                value: Some(until.to_string()),
            })
            .collect();
        if !writes.is_empty() {
            let commit = Commit { now: now.wall, writes, own: true, ..Commit::default() };
            if let Err(error) = self.app.store.commit(commit).await {
                self.app.gates.keep_anew();
                return Err(error);
            }
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
        self.app.judge(&job.lane, fate)
    }
}

impl App {
    /// Counts what became of an e-mail of this mail service, and tells it when that holds the
    /// service; answers what is to be written.
    pub fn judge(&self, service: &str, fate: Fate) -> Option<Write> {
        let noted = self.gates.note(service, fate);
        if let Some(held) = noted.held {
            let text = format!("{service}: {}", held.sentence(service));
            self.journal.say(Kind::Warning, &text);
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
