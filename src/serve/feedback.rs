//! What a mail provider has reported becomes durable here: each address of a report is one
//! execution, written together with everything that follows from it. A report that comes again
//! changes nothing.

use bytes::Bytes;

use super::app::App;
use super::deliver::Fate as Counts;
use crate::base::Id;
use crate::engine::feedback::{Facts, Fate, Notice, act, counter, sent};
use crate::model::Job;
use crate::model::queue::JobState;
use crate::model::rules::{Feedback, RuleSet};
use crate::store::{Committed, StoreError};

/// A notice is decided again so often at most when others get in between.
const MAX_DECISIONS: usize = 64;

/// A report whose sender is proven.
#[derive(Clone, Copy, Debug)]
pub struct Received<'a> {
    /// The rules that are live.
    pub rules: &'a RuleSet,
    /// Where it arrived.
    pub feedback: &'a Feedback,
    /// The id of its first execution.
    pub id: Id,
    /// What tells it from others of this provider.
    pub report: &'a str,
    /// Its raw body.
    pub body: &'a Bytes,
    /// Who sent it, if known.
    pub remote: Option<&'a str>,
}

/// Writes down what a report says; answers the first execution that is new, none where all of
/// it was written before.
///
/// # Errors
/// The store is busy, stopped or broken. What is written by then is known when the report
/// comes again.
pub async fn take(
    app: &App,
    received: &Received<'_>,
    notices: &[Notice],
) -> Result<Option<Id>, StoreError> {
    let mut first = None;
    for (number, notice) in notices.iter().enumerate() {
        let id = match number {
            0 => received.id,
            _ => received.id.derive(&notice.address),
        };
        if write(app, received, notice, id).await? {
            first = first.or(Some(id));
        }
    }
    Ok(first)
}

/// Writes one notice; false where it was written before.
async fn write(
    app: &App,
    received: &Received<'_>,
    notice: &Notice,
    id: Id,
) -> Result<bool, StoreError> {
    let job = match notice.job {
        Some(job) => app.store.job(job).await?.map(|(job, _)| job),
        None => None,
    };
    let counter = counter(received.feedback.limits, notice.fate, &notice.address);
    let counts = counts(app, notice, job.as_ref());
    app.gates.remember(&*app.store).await?;
    for _ in 0..MAX_DECISIONS {
        let before = match &counter {
            Some(name) => app.store.flag(name).await?,
            None => None,
        };
        let facts = Facts {
            id,
            now: app.now(),
            report: received.report,
            body: received.body,
            job: job.as_ref(),
            before: before.as_deref(),
            remote: received.remote,
        };
        let mut commit = act(received.rules, received.feedback, notice, &facts);
        if let Some((service, fate)) = counts {
            commit.writes.extend(app.gates.foresee(service, fate));
        }
        match app.store.commit(commit).await? {
            Committed::Done { .. } => {
                if let Some((service, fate)) = counts {
                    app.judge(service, fate);
                }
                return Ok(true);
            }
            Committed::Replayed(_) | Committed::KeyReused => return Ok(false),
            Committed::Conflict | Committed::Crowded { .. } => {}
        }
    }
    Err(StoreError::Full)
}

/// The mail service against which a notice counts, and as what: the one that has sent the
/// e-mail. What its server refused at once was counted then, and copies for the sender's own
/// mailboxes are not counted as sent.
fn counts<'a>(app: &App, notice: &Notice, job: Option<&'a Job>) -> Option<(&'a str, Counts)> {
    let (job, _) = sent(notice, job)?;
    let fate = match notice.fate {
        Fate::HardBounce => Counts::Bounced,
        Fate::Complaint => Counts::Complained,
        Fate::Delivered | Fate::SoftBounce | Fate::Unsubscribed => return None,
    };
    let is_known = app.live.load().services.contains_key(&job.lane);
    let counts = is_known && !job.is_seed() && job.state != JobState::Failed;
    counts.then_some((&job.lane, fate))
}
