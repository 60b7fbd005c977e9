//! Places under caps. They are given out here, in the one order in which everything is
//! written, so that two sequences that are due at the same moment for the same person cannot
//! both find the last place free.

use super::Ledger;
use crate::base::Id;
use crate::model::commit::Write;
use crate::model::queue::{CAPTURED, Fingerprint, Job, JobState, Places, Task};
use crate::store::kv::Batch;
use crate::store::rows;
use crate::store::{StoreError, keys};

/// How long a place is remembered where no cap says it, in milliseconds: a month.
const KEPT: i64 = 31 * 86_400_000;

impl Ledger {
    /// When the first place is free that these writes would take; none when it is free now, or
    /// theirs already.
    pub(super) fn capped(batch: &Batch<'_>, writes: &[Write]) -> Result<Option<i64>, StoreError> {
        for write in writes {
            let Write::TakePlace { who, job, at, limits, .. } = write else { continue };
            let Some(places) = rows::read::<Places>(batch, &keys::places(*who))? else { continue };
            if !places.has(*job)
                && let Some(free) = places.free_from(limits, *at)
            {
                return Ok(Some(free));
            }
        }
        Ok(None)
    }

    /// Gives an e-mail a place.
    pub(super) fn take_place(
        batch: &mut Batch<'_>,
        who: Fingerprint,
        job: Id,
        at: i64,
        keep: i64,
    ) -> Result<(), StoreError> {
        let key = keys::places(who);
        let mut places: Places = rows::read(batch, &key)?.unwrap_or_default();
        places.take(job, keep, at);
        rows::write(batch, key, &places)
    }

    /// An e-mail has ended: from now on its place is only remembered, or it is free again. One
    /// of which nobody knows whether it arrived counts as sent.
    pub(super) fn leave_place(
        batch: &mut Batch<'_>,
        job: &Job,
        now: i64,
    ) -> Result<(), StoreError> {
        let Task::Email(email) = &job.task else { return Ok(()) };
        // A copy for the sender's own mailbox takes no place.
        if !email.marketing || job.is_seed() {
            return Ok(());
        }
        let key = keys::places(Fingerprint::of(&email.to));
        let known = rows::read::<Places>(batch, &key)?;
        // One that is tried again by hand may have outlived the row that it once had a place in.
        let anew = || job.by_hand.then(|| Places { keep: KEPT, ..Places::default() });
        let Some(mut places) = known.or_else(anew) else { return Ok(()) };
        let reason = job.reason.as_deref().unwrap_or_default();
        match job.state {
            JobState::Sent => places.sent(job.id, now),
            JobState::Failed if reason.starts_with("unknown") => places.sent(job.id, now),
            _ if reason == CAPTURED => places.captured(job.id, now),
            _ => places.give_back(job.id),
        }
        rows::write(batch, key, &places)
    }
}
