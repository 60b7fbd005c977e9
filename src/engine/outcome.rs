//! What becomes of a job after an attempt: the whole retry state machine. Whose fault a
//! failure was decides whether it spends a retry.

use sha2::{Digest as _, Sha256};

use crate::base::Delay;
use crate::model::commit::Write;
use crate::model::queue::{AttemptError, Job, Task, Transition, Tried, UNKNOWN};

/// How long a job waits after a failure that is nobody's retry to spend.
const OUR_FAULT_WAIT: i64 = 30_000;

/// How a service retries.
#[derive(Clone, Copy, Debug)]
pub struct Retries<'a> {
    /// N waits are N retries.
    pub waits: &'a [Delay],
    /// Whether waits vary by ±10 %, so that jobs that failed together come back apart.
    pub jitter: bool,
    /// Whether an e-mail of unknown fate is tried again instead of held: because the rules say
    /// so, or because the service can be asked about it.
    pub resend_unknown: bool,
}

/// Decides what becomes of a job that was tried, and what else is to be written.
#[must_use]
pub fn outcome(
    job: &Job,
    tried: &Tried,
    retries: Retries<'_>,
    now: i64,
) -> (Transition, Vec<Write>) {
    let Some(error) = tried.error else { return (Transition::Sent, after_success(job)) };
    let message = tried.message.clone().unwrap_or_else(|| error.word().to_owned());
    let fail = |text: String| Transition::Failed(text);
    let transition = match (error, &job.task) {
        (AttemptError::Blocked | AttemptError::Login | AttemptError::Internal, _) => {
            wait(job, tried, retries, now, None)
        }
        (
            AttemptError::Dns
            | AttemptError::Connection
            | AttemptError::Tls
            | AttemptError::Timeout,
            Task::Email(_),
        ) => wait(job, tried, retries, now, None),
        // A mail provider that is overrun says nothing about this e-mail.
        (AttemptError::Status, Task::Email(_)) if tried.status == Some(429) => {
            wait(job, tried, retries, now, None)
        }
        (AttemptError::Unknown, _) if retries.resend_unknown => {
            again(job, tried, retries, now, &message)
        }
        (AttemptError::Unknown, _) => fail(format!("{UNKNOWN}{message}")),
        (AttemptError::Bounce, Task::Email(_)) => fail(format!("bounced: {message}")),
        (AttemptError::Status, _) if tried.status == Some(410) => {
            let flag = Write::Flag { name: gone_flag(job), value: Some(message.clone()) };
            return (fail(format!("gone: {message}")), vec![flag]);
        }
        (AttemptError::Status, _) if !is_passing(tried.status, &job.task) => {
            fail(format!("refused: {message}"))
        }
        (AttemptError::Redirect | AttemptError::Bounce, _) => fail(format!("refused: {message}")),
        _ => again(job, tried, retries, now, &message),
    };
    (transition, Vec::new())
}

/// Decides what becomes of a job over which rulerun itself has failed: unlike other faults of
/// ours this spends a retry, because nobody can mend it while it goes on.
#[must_use]
pub fn failed_inside(job: &Job, tried: &Tried, retries: Retries<'_>, now: i64) -> Transition {
    let message = tried.message.as_deref().unwrap_or("rulerun failed inside");
    again(job, tried, retries, now, message)
}

/// An address that takes a delivery which someone tried again by hand is not gone any more.
fn after_success(job: &Job) -> Vec<Write> {
    match job.task {
        Task::Event { .. } if job.by_hand => {
            vec![Write::Flag { name: gone_flag(job), value: None }]
        }
        _ => Vec::new(),
    }
}

/// The flag that stops an event for an address that answered 410 Gone.
#[must_use]
pub fn gone_flag(job: &Job) -> String {
    format!("gone {} {}", job.event_type, job.target)
}

/// Statuses that may be different next time. n8n answers 404 while it starts; Notion answers
/// 409 when two writes meet.
fn is_passing(status: Option<u16>, task: &Task) -> bool {
    match status {
        None | Some(404 | 408 | 425 | 429 | 500..=599) => true,
        Some(409) => matches!(task, Task::Mirror { .. }),
        Some(_) => false,
    }
}

/// Spends a retry, or gives up when none is left.
fn again(job: &Job, tried: &Tried, retries: Retries<'_>, now: i64, message: &str) -> Transition {
    match retries.waits.get(job.retries as usize) {
        Some(delay) => wait(job, tried, retries, now, Some(*delay)),
        None if tried.error == Some(AttemptError::Unknown) => {
            Transition::Failed(format!("unknown: {message}"))
        }
        None => Transition::Failed(format!("retries used up: {message}")),
    }
}

/// Waits, with jitter, and never less than the receiver asked for.
fn wait(
    job: &Job,
    tried: &Tried,
    retries: Retries<'_>,
    now: i64,
    delay: Option<Delay>,
) -> Transition {
    let base = delay.map_or(OUR_FAULT_WAIT, |delay| millis(delay.to_duration()));
    let varied = if retries.jitter { base + base * jitter_percent(job) / 100 } else { base };
    let floor = tried.retry_after.map_or(0, millis);
    let due = now.saturating_add(varied.max(floor));
    match job.expires {
        Some(expires) if due > expires => {
            let why = tried.message.as_deref().unwrap_or("it failed");
            Transition::Cancelled(format!("too late after a failure: {why}"))
        }
        _ => Transition::Retry { due, spend: delay.is_some() },
    }
}

fn millis(duration: std::time::Duration) -> i64 {
    i64::try_from(duration.as_millis()).unwrap_or(i64::MAX)
}

/// -10 to 10, from the job and its attempt alone.
fn jitter_percent(job: &Job) -> i64 {
    let mut hash = Sha256::new();
    hash.update(job.id.0);
    hash.update(job.attempts.to_be_bytes());
    i64::from(hash.finalize()[0]) % 21 - 10
}

#[cfg(test)]
mod tests {
    use std::time::Duration;

    use super::*;
    use crate::base::Id;

    /// When a job with this id is tried again after a 429 that asked for `wait`.
    fn due_after(id: u8, wait: Option<u64>) -> i64 {
        let task = Task::Event { event: "ping".into(), path: "/".into(), body: Vec::new() };
        let job = Job::new(Id([id; 16]), Id([0; 16]), "n8n".into(), task, 0);
        let tried = Tried {
            status: Some(429),
            error: Some(AttemptError::Status),
            retry_after: wait.map(Duration::from_secs),
            ..Tried::default()
        };
        let waits = [Delay::parse("60s").unwrap()];
        let retries = Retries { waits: &waits, jitter: true, resend_unknown: false };
        match outcome(&job, &tried, retries, 0).0 {
            Transition::Retry { due, spend: true } => due,
            other => panic!("{other:?}"),
        }
    }

    #[test]
    fn jitter_varies_a_wait_and_never_undercuts_what_the_receiver_asked_for() {
        let varied: Vec<i64> = (0..=255).map(|id| due_after(id, None)).collect();
        assert_eq!((varied.iter().min(), varied.iter().max()), (Some(&54_000), Some(&66_000)));
        for id in 0..=255 {
            assert_eq!(
                due_after(id, Some(1)),
                due_after(id, None),
                "a shorter wait changes nothing"
            );
            assert!(due_after(id, Some(60)) >= 60_000, "not even by jitter");
            assert_eq!(due_after(id, Some(3_600)), 3_600_000);
        }
    }
}
