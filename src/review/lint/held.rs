//! What the rules of a sequence do to its own e-mails: caps that hold every one of them back
//! until it is too late, and calls that start a sequence and end it as well.

use std::time::Duration;

use crate::base::{Delay, Diagnostic};
use crate::language::codes;
use crate::model::rules::{
    Action, Again, Cap, CountsFrom, Ending, MailKind, RuleSet, Sequence, SequenceAction,
    SequenceStep, Step, Trigger,
};

/// Seconds of a day.
const DAY: u64 = 86_400;

pub(super) fn check(rules: &RuleSet) -> Vec<Diagnostic> {
    let mut found = Vec::new();
    for sequence in rules.sequences.values() {
        found.extend(sequence.endings.iter().filter_map(|one| ended(rules, sequence, one)));
        // A window moves e-mails closer together or apart: how they meet a cap is not known.
        if sequence.kind == MailKind::Marketing && sequence.window.is_none() {
            let everybody = rules.sender.as_ref().map_or(&[][..], |sender| &sender.caps);
            let caps: Vec<Cap> = everybody.iter().chain(&sequence.caps).copied().collect();
            found.extend(capped(sequence, &caps));
        }
    }
    found
}

/// Follows a person to whom nobody else writes through the e-mails that everybody gets.
fn capped(sequence: &Sequence, caps: &[Cap]) -> Vec<Diagnostic> {
    let mut found = Vec::new();
    let mut sent: Vec<Duration> = Vec::new();
    for (planned, step) in planned(sequence) {
        let is_email = matches!(step.action, SequenceAction::Email { .. });
        if !is_email || step.when.is_some() {
            continue;
        }
        let held = caps.iter().filter_map(|cap| Some((cap, free_from(*cap, &sent, planned)?)));
        match held.max_by_key(|(_, free)| *free) {
            Some((cap, free)) if free > planned + step.max_late.to_duration() => {
                found.push(too_late(step, *cap, free));
            }
            Some((_, free)) => sent.push(free),
            None => sent.push(planned),
        }
    }
    found
}

/// When each step is due after the start, as far as that is known, in the order of time.
fn planned(sequence: &Sequence) -> Vec<(Duration, &SequenceStep)> {
    let mut all = Vec::new();
    let mut before = Some(Duration::ZERO);
    for step in &sequence.steps {
        let planned = match step.counts_from {
            CountsFrom::Sequence => Some(step.after.to_duration()),
            CountsFrom::Previous => before.map(|before| before + step.after.to_duration()),
            CountsFrom::Field(_) => None,
        };
        before = planned;
        all.extend(planned.map(|planned| (planned, step)));
    }
    all.sort_by_key(|(planned, _)| *planned);
    all
}

/// When a cap lets the next e-mail leave, if it holds it back at this moment.
fn free_from(cap: Cap, sent: &[Duration], now: Duration) -> Option<Duration> {
    let first = sent.len().checked_sub(cap.count)?;
    let free = *sent.get(first)? + cap.per.to_duration();
    (free > now).then_some(free)
}

fn too_late(step: &SequenceStep, cap: Cap, free: Duration) -> Diagnostic {
    let free = Delay {
        days: u32::try_from(free.as_secs() / DAY).unwrap_or(u32::MAX),
        millis: free.as_secs() % DAY * 1_000 + u64::from(free.subsec_millis()),
    };
    Diagnostic::warning(
        codes::CAP_SKIPS,
        format!(
            "nobody gets `{}`: cap {} per=\"{}\" makes it too late",
            step.name, cap.count, cap.per
        ),
        step.span,
    )
    .label(format!("after {}, and too late {} after that", step.after, step.max_late))
    .help(format!(
        "the e-mails before it let it leave {free} after the start at the earliest: let more \
         time pass before it, allow more in the cap, or give it a longer max-late"
    ))
}

/// A goal that everybody reaches who calls twice; an end after which the same call lets nobody
/// begin anew. What ends other runs and begins a new one is let pass.
fn ended(rules: &RuleSet, sequence: &Sequence, ending: &Ending) -> Option<Diagnostic> {
    let steps: &[Step] = match &ending.on {
        Trigger::Endpoint(name) => {
            let mut endpoints = rules.endpoints.iter();
            &endpoints.find(|endpoint| endpoint.full_name() == *name)?.steps
        }
        Trigger::Event(name) => &rules.events.get(name)?.steps,
    };
    let starts = |step: &&Step| matches!(&step.action, Action::Start { sequence: name } if *name == sequence.name);
    let start = steps.iter().find(starts)?;
    // Who recommends a friend reaches the goal by the friend's call, not by one of their own.
    if ending.person.paths() != sequence.to.paths() {
        return None;
    }
    let name = ending.on.name();
    let (message, help) = if ending.goal.is_some() {
        (
            format!(
                "`{name}` starts this sequence, and is its goal: who calls twice has reached it"
            ),
            "name the call that says that the person did what the sequence is for; where that is \
             the next call of the same kind, give it an endpoint or an event of its own",
        )
    } else if ending.key.is_some() && matches!(sequence.again, Again::Never | Again::After(_)) {
        (
            format!("`{name}` starts this sequence and ends the same run when it comes again"),
            "name another call, or write again=\"restart\" behind `once-per` and take this line \
             away",
        )
    } else {
        return None;
    };
    let told = Diagnostic::warning(codes::ENDED_BY_START, message, ending.span);
    Some(told.label("the same call").also(start.span, "it starts the sequence here").help(help))
}
