//! How often one person is written to: e-mails that come too close together, and the same
//! subject twice. What has a condition of its own may be one of two ways, so it is let pass.

use std::time::Duration;

use crate::base::{Delay, Diagnostic};
use crate::language::codes;
use crate::model::rules::{
    Action, CountsFrom, MailKind, RuleSet, Sequence, SequenceAction, SequenceStep, Step,
};
use crate::template::Template;

/// Two e-mails within this time feel like pressure.
const NEAR: Duration = Duration::from_hours(12);
const HELP: &str = "who gets two within half a day marks them as spam sooner: leave a day between \
                    them, or make them one";

pub(super) fn check(rules: &RuleSet) -> Vec<Diagnostic> {
    let mut found = Vec::new();
    for sequence in rules.sequences.values() {
        found.extend(subjects(sequence));
        if sequence.kind == MailKind::Marketing {
            found.extend(within(sequence));
        }
    }
    for endpoint in &rules.endpoints {
        found.extend(between(rules, &endpoint.steps));
    }
    for event in rules.events.values() {
        found.extend(between(rules, &event.steps));
    }
    found
}

/// The e-mails of a sequence that everybody gets, with their subjects.
fn emails(sequence: &Sequence) -> impl Iterator<Item = (&SequenceStep, &Template)> {
    sequence.steps.iter().filter(|step| step.when.is_none()).filter_map(|step| match &step.action {
        SequenceAction::Email { subject, .. } => Some((step, &**subject)),
        SequenceAction::Send { .. } => None,
    })
}

fn subjects(sequence: &Sequence) -> Vec<Diagnostic> {
    let mut found = Vec::new();
    let emails: Vec<_> = emails(sequence).collect();
    for (index, (step, subject)) in emails.iter().enumerate() {
        let same = |other: &str| other.trim().eq_ignore_ascii_case(subject.source().trim());
        let first = emails[..index].iter().find(|(_, other)| same(other.source()));
        let SequenceAction::Email { body, .. } = &step.action else { continue };
        if let Some((first, _)) = first {
            found.push(
                Diagnostic::warning(
                    codes::SAME_SUBJECT,
                    format!("`{}` has the same subject as `{}`", step.name, first.name),
                    body.subject,
                )
                .label("once more")
                .also(first.span, "first here")
                .help(
                    "mail programs fold them into one, and it looks as if the same came twice: \
                     say what is new",
                ),
            );
        }
    }
    found
}

/// Neighbours within one sequence.
fn within(sequence: &Sequence) -> Vec<Diagnostic> {
    let mut found = Vec::new();
    let steps: Vec<&SequenceStep> = emails(sequence).map(|(step, _)| step).collect();
    for pair in steps.windows(2) {
        let [first, second] = pair else { continue };
        let gap = match (&first.counts_from, &second.counts_from) {
            (_, CountsFrom::Previous) => Some(second.after.to_duration()),
            (CountsFrom::Sequence, CountsFrom::Sequence) => Some(apart(first.after, second.after)),
            (CountsFrom::Field(one), CountsFrom::Field(two)) if one.source() == two.source() => {
                Some(apart(first.after, second.after))
            }
            _ => None,
        };
        if gap.is_some_and(|gap| gap < NEAR) {
            found.push(
                Diagnostic::warning(
                    codes::CROWDED_SEQUENCE,
                    format!("`{}` comes within 12 hours of `{}`", second.name, first.name),
                    second.span,
                )
                .label(format!("after {}", second.after))
                .also(first.span, format!("after {}", first.after))
                .help(HELP),
            );
        }
    }
    found
}

/// Sequences that one call starts together.
fn between(rules: &RuleSet, steps: &[Step]) -> Vec<Diagnostic> {
    let mut begun: Vec<&Sequence> = Vec::new();
    let mut found = Vec::new();
    for step in steps.iter().filter(|step| step.when.is_none()) {
        let Action::Start { sequence } = &step.action else { continue };
        let Some(sequence) = rules.sequences.get(sequence) else { continue };
        if sequence.kind != MailKind::Marketing || sequence.counts_from.is_some() {
            continue;
        }
        let near = begun.iter().find_map(|other| nearest(other, sequence));
        if let Some((one, two)) = near {
            found.push(
                Diagnostic::warning(
                    codes::CROWDED_SEQUENCE,
                    format!(
                        "one call starts both, and `{}` comes within 12 hours of `{}`",
                        two.name, one.name
                    ),
                    two.span,
                )
                .label(format!("after {}", two.after))
                .also(one.span, format!("after {}", one.after))
                .also(step.span, "started together here")
                .help(HELP),
            );
        }
        begun.push(sequence);
    }
    found
}

/// An e-mail of each that come close together, counted from the start of both.
fn nearest<'a>(
    one: &'a Sequence,
    two: &'a Sequence,
) -> Option<(&'a SequenceStep, &'a SequenceStep)> {
    let counted = |sequence: &'a Sequence| {
        let steps = emails(sequence).map(|(step, _)| step);
        steps.filter(|step| matches!(step.counts_from, CountsFrom::Sequence)).collect::<Vec<_>>()
    };
    let (firsts, seconds) = (counted(one), counted(two));
    firsts.iter().find_map(|first| {
        let near = seconds.iter().find(|second| apart(first.after, second.after) < NEAR);
        near.map(|second| (*first, *second))
    })
}

fn apart(one: Delay, other: Delay) -> Duration {
    one.to_duration().abs_diff(other.to_duration())
}
