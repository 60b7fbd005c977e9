//! What follows from a notice: the suppression list, the person's sequences, the numbers of
//! the step that sent the e-mail, and a line that people can read afterwards.

use bytes::Bytes;
use serde_json::{Value, json};

use super::follow::{Event, Follows, follow};
use super::{Fate, Notice};
use crate::base::{Id, Timestamp, address, time};
use crate::model::commit::{Commit, IdempotencyKey, Write};
use crate::model::queue::{
    Counted, Email, Execution, ExecutionState, Job, Level, LogLine, Tally, Task,
};
use crate::model::rules::{Feedback, RuleSet};

/// How long a report that comes again is known, in milliseconds.
const KEY_BINDS: i64 = 30 * 86_400_000;

/// What is known when a notice is acted upon.
#[derive(Clone, Copy, Debug)]
pub struct Facts<'a> {
    /// The id of the execution that it becomes.
    pub id: Id,
    /// Now.
    pub now: Timestamp,
    /// What tells the report from others of its provider.
    pub report: &'a str,
    /// Its raw body.
    pub body: &'a Bytes,
    /// The job that the notice names, if it is known.
    pub job: Option<&'a Job>,
    /// The value of the [`counter`](super::counter)'s flag, if it is set.
    pub before: Option<&'a str>,
    /// The caller, if known.
    pub remote: Option<&'a str>,
}

/// What a notice means, with everything that follows from it.
#[must_use]
pub fn act(rules: &RuleSet, rule: &Feedback, notice: &Notice, facts: &Facts<'_>) -> Commit {
    let now = time::millis(facts.now);
    let mut commit = Commit { now, ..Commit::default() };
    let sent = sent(notice, facts.job);
    let mut text = notice.fate.word().to_owned();
    if !notice.why.is_empty() {
        text = format!("{text}: {}", notice.why);
    }
    text = format!("{text} (reported by {})", rule.name);
    let note = format!("reported by {}", rule.name);
    let note = if notice.why.is_empty() { note } else { format!("{note}: {}", notice.why) };
    let (fate, address, before) = (notice.fate, &notice.address, facts.before);
    let event = Event { fate, address, note: &note, before, now };
    let follows = match sent {
        // Nobody's e-mail but the sender's own: it says nothing about a person.
        Some((job, _)) if job.is_seed() => Follows {
            said: String::from("it was a copy for a mailbox of the sender, so nothing follows"),
            ..Follows::default()
        },
        _ => follow(rules, rule.limits, &event),
    };
    (commit.assumes, commit.writes) = (follows.assumes, follows.writes);
    if !follows.said.is_empty() {
        text = format!("{text}; {}", follows.said);
    }
    let level = if notice.fate == Fate::Delivered { Level::Info } else { Level::Warn };
    let mut told = LogLine { at: now, level, task: None, message: text };
    let mut logs = Vec::new();
    if let Some((job, email)) = sent {
        if !job.is_seed() {
            commit.writes.extend(tally(job.id, email, notice.fate));
        }
        told.task = Some(email.name.clone());
        commit.writes.push(Write::Log { execution: job.execution, line: told });
    } else {
        told.message = format!("{}: {}", notice.address, told.message);
        logs.push(told);
    }
    commit.keys = keys(rule, notice, facts, sent.map(|(job, _)| job.id), now);
    let execution = execution(rules, rule, notice, facts, logs);
    commit.execution = Some((execution, facts.body.clone()));
    commit
}

/// What makes another report the same as this one: that it is sent again, or that it says the
/// same about the same e-mail.
fn keys(
    rule: &Feedback,
    notice: &Notice,
    facts: &Facts<'_>,
    job: Option<Id>,
    now: i64,
) -> Vec<IdempotencyKey> {
    let fate = notice.fate.word();
    let key = |endpoint: String, key: String| IdempotencyKey {
        endpoint,
        key,
        // A report that is sent again may be worded anew.
        body: [0; 32],
        expires: now.saturating_add(KEY_BINDS),
    };
    let mut keys =
        vec![key(rule.full_name(), format!("{} {} {fate}", facts.report, notice.address))];
    keys.extend(job.map(|job| key(String::from("feedback"), format!("{job} {fate}"))));
    keys
}

/// The e-mail that is meant: one to this very address. Whoever reports about another one is
/// mistaken, or lies.
#[must_use]
pub fn sent<'a>(notice: &Notice, job: Option<&'a Job>) -> Option<(&'a Job, &'a Email)> {
    let job = job?;
    match &job.task {
        Task::Email(email) if address::person(&email.to) == notice.address => Some((job, email)),
        _ => None,
    }
}

/// Counts it for the step, once for each e-mail: what bounced at once may be reported again.
fn tally(job: Id, email: &Email, fate: Fate) -> Option<Write> {
    let what = match fate {
        Fate::Delivered => Tally::Delivered,
        Fate::HardBounce => Tally::Bounced,
        Fate::Complaint => Tally::Complained,
        Fate::Unsubscribed => Tally::Unsubscribed,
        Fate::SoftBounce => return None,
    };
    let counted = Counted {
        sequence: email.sequence.clone(),
        step: email.name.clone(),
        variant: email.variant.clone(),
        what,
        reason: None,
    };
    Some(Write::TallyOnce { job, counted })
}

/// The answer to a report that became this execution.
#[must_use]
pub fn reply(id: Id) -> Value {
    json!({ "id": id.to_string(), "state": ExecutionState::Success.word() })
}

fn execution(
    rules: &RuleSet,
    rule: &Feedback,
    notice: &Notice,
    facts: &Facts<'_>,
    logs: Vec<LogLine>,
) -> Execution {
    Execution {
        id: facts.id,
        namespace: String::from("feedback"),
        flow: rule.name.clone(),
        at: time::millis(facts.now),
        rules: rules.hash.clone(),
        person: Some(notice.address.clone()),
        labels: vec![(String::from("feedback"), notice.fate.word().replace(' ', "-"))],
        reply_status: 200,
        reply: reply(facts.id).to_string(),
        logs,
        state: ExecutionState::Success,
        remote: facts.remote.map(str::to_owned),
    }
}
