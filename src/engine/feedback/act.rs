//! What follows from a notice: the suppression list, the person's sequences, the numbers of
//! the step that sent the e-mail, and a line that people can read afterwards.

use bytes::Bytes;
use serde_json::{Value, json};
use sha2::{Digest as _, Sha256};

use super::{Fate, Notice};
use crate::base::{Id, Timestamp, time};
use crate::model::commit::{Assumption, Commit, IdempotencyKey, Write};
use crate::model::queue::{
    Counted, Email, Execution, ExecutionState, Job, Level, LogLine, Tally, Task, suppression,
};
use crate::model::rules::{Feedback, MailKind, RuleSet};

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
    /// The value of the [`counter`]'s flag, if it is set.
    pub before: Option<&'a str>,
    /// The caller, if known.
    pub remote: Option<&'a str>,
}

/// The flag that counts what an address has gathered; none where the first time decides.
/// It does not name the address.
#[must_use]
pub fn counter(rule: &Feedback, notice: &Notice) -> Option<String> {
    let (most, word) = limit(rule, notice.fate)?;
    let hash = hex::encode(&Sha256::digest(&notice.address)[..16]);
    (most > 1).then(|| format!("feedback {word} {hash}"))
}

/// How many of them are too many, and the suppression that follows.
fn limit(rule: &Feedback, fate: Fate) -> Option<(u32, &'static str)> {
    match fate {
        Fate::Delivered => None,
        Fate::HardBounce => Some((rule.limits.hard_bounces, suppression::BOUNCED)),
        Fate::SoftBounce => Some((rule.limits.soft_bounces, suppression::SOFT_BOUNCED)),
        Fate::Complaint => Some((rule.limits.complaints, suppression::COMPLAINED)),
        Fate::Unsubscribed => Some((1, suppression::UNSUBSCRIBED)),
    }
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
    if let Some((most, reason)) = limit(rule, notice.fate) {
        let count = count(rule, notice, facts, &mut commit);
        if most > 0 && count >= most {
            let note = format!("reported by {}", rule.name);
            let note = if notice.why.is_empty() { note } else { format!("{note}: {}", notice.why) };
            let address = notice.address.clone();
            commit.writes.push(Write::Suppress { address, reason: reason.to_owned(), note });
            commit.writes.extend(stops(rules, notice, reason));
            text = format!("{text}; the address is {reason} now");
        } else if most > 0 {
            text = format!("{text}; {count} of {most} after which the address is {reason}");
        }
    }
    let level = if notice.fate == Fate::Delivered { Level::Info } else { Level::Warn };
    let mut told = LogLine { at: now, level, task: None, message: text };
    let mut logs = Vec::new();
    if let Some((job, email)) = sent {
        if !job.is_seed() {
            commit.writes.extend(tally(email, notice.fate));
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
fn sent<'a>(notice: &Notice, job: Option<&'a Job>) -> Option<(&'a Job, &'a Email)> {
    let job = job?;
    match &job.task {
        Task::Email(email) if email.to.to_lowercase() == notice.address => Some((job, email)),
        _ => None,
    }
}

/// How many there are with this one; it is added to the flag where one does not decide.
fn count(rule: &Feedback, notice: &Notice, facts: &Facts<'_>, commit: &mut Commit) -> u32 {
    let Some(name) = counter(rule, notice) else { return 1 };
    let now = commit.now;
    let within = i64::try_from(rule.limits.within.to_duration().as_millis()).unwrap_or(i64::MAX);
    let counts = |at: &i64| notice.fate != Fate::SoftBounce || at.saturating_add(within) > now;
    let before = facts.before.unwrap_or_default().split(' ').filter_map(|at| at.parse().ok());
    let mut times: Vec<i64> = before.filter(counts).collect();
    times.push(now);
    // No limit is above 100.
    let first = times.len().saturating_sub(100);
    let kept: Vec<String> = times[first..].iter().map(i64::to_string).collect();
    commit
        .assumes
        .push(Assumption::Flag { name: name.clone(), seen: facts.before.map(str::to_owned) });
    commit.writes.push(Write::Flag { name, value: Some(kept.join(" ")) });
    u32::try_from(times.len()).unwrap_or(u32::MAX)
}

/// A dead address ends every sequence, a complaint or a farewell those that are marketing.
fn stops<'a>(
    rules: &'a RuleSet,
    notice: &'a Notice,
    reason: &'a str,
) -> impl Iterator<Item = Write> + 'a {
    let ends = move |kind: MailKind| match notice.fate {
        Fate::HardBounce => true,
        Fate::Complaint | Fate::Unsubscribed => kind == MailKind::Marketing,
        Fate::SoftBounce | Fate::Delivered => false,
    };
    let ended = rules.sequences.values().filter(move |sequence| ends(sequence.kind));
    ended.map(move |sequence| Write::Stop {
        sequence: sequence.name.clone(),
        person: notice.address.clone(),
        key: None,
        reason: reason.to_owned(),
    })
}

fn tally(email: &Email, fate: Fate) -> Option<Write> {
    let what = match fate {
        Fate::Delivered => Tally::Delivered,
        Fate::HardBounce => Tally::Bounced,
        Fate::Complaint => Tally::Complained,
        Fate::Unsubscribed => Tally::Unsubscribed,
        Fate::SoftBounce => return None,
    };
    Some(Write::Tally(Counted {
        sequence: email.sequence.clone(),
        step: email.name.clone(),
        variant: email.variant.clone(),
        what,
        reason: None,
    }))
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
