//! What follows for a person when their mailbox gave something back, or they complained or took
//! their leave: the same whether a provider reports it later or the mail server says it at once.

use sha2::{Digest as _, Sha256};

use super::Fate;
use crate::model::commit::{Assumption, Write};
use crate::model::queue::suppression;
use crate::model::rules::{MailKind, RuleSet, Tolerance};

/// What happened to an e-mail to an address.
#[derive(Clone, Copy, Debug)]
pub struct Event<'a> {
    /// What became of it.
    pub fate: Fate,
    /// The address, spelt as the person is known.
    pub address: &'a str,
    /// How it is known, for people.
    pub note: &'a str,
    /// The value of the [`counter`]'s flag, if it is set.
    pub before: Option<&'a str>,
    /// Now, in milliseconds since 1970.
    pub now: i64,
}

/// What is to be written.
#[derive(Clone, Debug, Default)]
pub struct Follows {
    /// What the decision saw.
    pub assumes: Vec<Assumption>,
    /// What it writes.
    pub writes: Vec<Write>,
    /// What it comes to, in words; empty where nothing follows.
    pub said: String,
}

/// The flag that counts what an address has gathered; none where the first time decides.
/// It does not name the address.
#[must_use]
pub fn counter(limits: Tolerance, fate: Fate, address: &str) -> Option<String> {
    let (most, word) = limit(limits, fate)?;
    let hash = hex::encode(&Sha256::digest(address)[..16]);
    (most > 1).then(|| format!("feedback {word} {hash}"))
}

/// How many of them are too many, and the suppression that follows.
fn limit(limits: Tolerance, fate: Fate) -> Option<(u32, &'static str)> {
    match fate {
        Fate::Delivered => None,
        Fate::HardBounce => Some((limits.hard_bounces, suppression::BOUNCED)),
        Fate::SoftBounce => Some((limits.soft_bounces, suppression::SOFT_BOUNCED)),
        Fate::Complaint => Some((limits.complaints, suppression::COMPLAINED)),
        Fate::Unsubscribed => Some((1, suppression::UNSUBSCRIBED)),
    }
}

/// Counts it against these limits; the one that is too many suppresses the address and ends
/// its sequences.
#[must_use]
pub fn follow(rules: &RuleSet, limits: Tolerance, event: &Event<'_>) -> Follows {
    let mut follows = Follows::default();
    let Some((most, reason)) = limit(limits, event.fate) else { return follows };
    let count = count(limits, event, &mut follows);
    if most > 0 && count >= most {
        follows.writes.push(Write::Suppress {
            address: event.address.to_owned(),
            reason: reason.to_owned(),
            note: event.note.to_owned(),
        });
        follows.writes.extend(stops(rules, event, reason));
        follows.said = format!("the address is {reason} now");
    } else if most > 0 {
        follows.said = format!("{count} of {most} after which the address is {reason}");
    }
    follows
}

/// How many there are with this one; it is added to the flag where one does not decide.
fn count(limits: Tolerance, event: &Event<'_>, follows: &mut Follows) -> u32 {
    let Some(name) = counter(limits, event.fate, event.address) else { return 1 };
    let now = event.now;
    let within = i64::try_from(limits.within.to_duration().as_millis()).unwrap_or(i64::MAX);
    let counts = |at: &i64| event.fate != Fate::SoftBounce || at.saturating_add(within) > now;
    let before = event.before.unwrap_or_default().split(' ').filter_map(|at| at.parse().ok());
    let mut times: Vec<i64> = before.filter(counts).collect();
    times.push(now);
    // No limit is above 100.
    let first = times.len().saturating_sub(100);
    let kept: Vec<String> = times[first..].iter().map(i64::to_string).collect();
    let seen = event.before.map(str::to_owned);
    follows.assumes.push(Assumption::Flag { name: name.clone(), seen });
    follows.writes.push(Write::Flag { name, value: Some(kept.join(" ")) });
    u32::try_from(times.len()).unwrap_or(u32::MAX)
}

/// A dead address ends every sequence, a complaint or a farewell those that are marketing.
fn stops<'a>(
    rules: &'a RuleSet,
    event: &'a Event<'_>,
    reason: &'a str,
) -> impl Iterator<Item = Write> + 'a {
    let ends = move |kind: MailKind| match event.fate {
        Fate::HardBounce => true,
        Fate::Complaint | Fate::Unsubscribed => kind == MailKind::Marketing,
        Fate::SoftBounce | Fate::Delivered => false,
    };
    let ended = rules.sequences.values().filter(move |sequence| ends(sequence.kind));
    ended.map(move |sequence| Write::Stop {
        sequence: sequence.name.clone(),
        person: event.address.to_owned(),
        key: None,
        reason: reason.to_owned(),
    })
}
