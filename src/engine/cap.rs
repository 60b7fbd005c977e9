//! Caps: how many marketing e-mails one person gets in a time, over all sequences. The store
//! looks once more when the step becomes an e-mail, because only there has everything one
//! order; this decides when to come back.

use super::step::{Due, StepDecision};
use super::timing;
use super::world::World;
use crate::base::time;
use crate::model::queue::Limit;
use crate::model::rules::{MailKind, Sequence, SequenceAction, SequenceStep};

/// The place that an e-mail of a sequence takes: the caps that may hold it back, and for how
/// many milliseconds it counts. A sequence without a cap of its own takes places all the same
/// where another has one, because a cap counts the e-mails of all. None where nothing counts
/// it: without any cap, and for what people are owed.
#[must_use]
pub fn place(world: &World<'_>, sequence: &Sequence) -> Option<(Vec<Limit>, i64)> {
    let longest = world.rules.longest_cap?;
    if sequence.kind == MailKind::Transactional {
        return None;
    }
    let everybody = world.rules.sender.as_ref().map_or(&[][..], |sender| &sender.caps);
    let limits = everybody.iter().chain(&sequence.caps).map(|cap| cap.limit(world.speed));
    Some((limits.collect(), longest.limit(world.speed).millis))
}

/// Why an e-mail has to wait for its turn, or comes too late by that. The sequence and the step
/// come twice: as they are now, and as they were when the person began.
pub(super) fn capped(
    world: &World<'_>,
    (sequence, step): (&Sequence, &SequenceStep),
    (its_sequence, its_step): (&Sequence, &SequenceStep),
    due: &Due<'_>,
    latest: i64,
) -> Option<StepDecision> {
    let SequenceAction::Email { .. } = step.action else { return None };
    // What a person asked for by hand goes out; what has its place keeps it.
    if due.forced || due.places.has(due.job) {
        return None;
    }
    let (limits, _) = place(world, sequence)?;
    let free = due.places.free_from(&limits, time::millis(due.now))?;
    // Whose turn comes while the window is closed waits for the next opening.
    let then = Due { now: time::from_millis(free), ..*due };
    let open = timing::closed_until(world, its_sequence, its_step, &then).ok().flatten();
    Some(put_off(open.unwrap_or(free), latest))
}

/// What becomes of an e-mail whose turn comes at this moment and that is too late after that
/// one, both in milliseconds.
pub fn put_off(free: i64, latest: i64) -> StepDecision {
    let at = time::format_millis(free);
    if free > latest {
        let latest = time::format_millis(latest);
        return StepDecision::Skip(format!(
            "capped: the person may get the next e-mail at {at}, and after {latest} it is too late"
        ));
    }
    StepDecision::Later(free, String::from("capped: the person has just got other e-mails"))
}
