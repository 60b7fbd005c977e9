//! Paused sequences. What comes due while its sequence is paused is put aside, out of the
//! way of every claim, with all that it is; when no pause holds it any more it is due again
//! as it was. Whether a pause holds something is asked here, where pauses are written too, so
//! nothing is put aside behind the back of whoever ends the pause.

use super::Ledger;
use crate::model::queue::{Job, PAUSED, pause_flag};
use crate::store::claims::Held;
use crate::store::kv::{Batch, Kv as _, Pair, Way};
use crate::store::rows::{self, Due, StoredJob};
use crate::store::{LetGo, StoreError, keys};

/// What pauses a job.
enum Paused {
    /// Nothing.
    Not,
    /// Its sequence is paused for everybody.
    Sequence,
    /// Its sequence is paused for this person.
    Person,
}

impl Ledger {
    /// Puts a claimed job aside; one whose pause has just ended is due again instead.
    pub(super) fn hold(
        &mut self,
        batch: &mut Batch<'_>,
        mut stored: StoredJob,
        held: &Held,
    ) -> Result<(), StoreError> {
        self.effects.push((stored.job.id, None));
        if matches!(paused(batch, &stored.job)?, Paused::Not) {
            self.touch(&held.key);
            return Ok(());
        }
        batch.delete_small(held.key.clone());
        stored.job.reason = Some(PAUSED.to_owned());
        batch.put_small(stored.due_key(), &rows::encode(&Due::Job)?);
        rows::write(batch, keys::by_id(keys::JOB, stored.job.id), &stored)
    }

    /// Looks at so many of the jobs that are held aside, from a key on, and makes those due
    /// again that no pause holds any more. A sequence that is paused for everybody is one look,
    /// however many of its jobs are held.
    pub(in crate::store) fn let_go(
        &mut self,
        batch: &mut Batch<'_>,
        from: &[u8],
        most: usize,
    ) -> Result<LetGo, StoreError> {
        let (first, end) = ([keys::HELD], keys::end(&[keys::HELD]));
        let mut from = from.max(&first[..]).to_vec();
        let mut moved = 0;
        for _ in 0..most {
            let Some(row) = batch.scan(&from, &end, Way::Up).next().transpose()? else {
                return Ok(LetGo { moved, next: None });
            };
            let (key, _): Pair = row;
            from = [&key[..], &[0]].concat();
            let stored = rows::job(batch, keys::id_of(&key))?;
            let Some(mut stored) = stored.filter(|stored| stored.due_key() == key) else {
                batch.delete_small(key);
                continue;
            };
            match paused(batch, &stored.job)? {
                Paused::Person => {}
                Paused::Sequence => {
                    from = keys::split_due(&key).map_or(from, |(class, _)| keys::end(class));
                }
                Paused::Not => {
                    batch.delete_small(key);
                    stored.job.reason = None;
                    rows::write(batch, keys::by_id(keys::JOB, stored.job.id), &stored)?;
                    self.make_due(batch, stored.due_key(), &Due::Job)?;
                    moved += 1;
                }
            }
        }
        Ok(LetGo { moved, next: Some(from) })
    }
}

/// What pauses a job at this moment.
fn paused(batch: &Batch<'_>, job: &Job) -> Result<Paused, StoreError> {
    let Some((sequence, _)) = &job.enrolment else { return Ok(Paused::Not) };
    let is_set = |person: Option<&str>| -> Result<bool, StoreError> {
        Ok(batch.get(&keys::flag(&pause_flag(sequence, person)))?.is_some())
    };
    Ok(match (is_set(None)?, is_set(Some(&job.target))?) {
        (true, _) => Paused::Sequence,
        (false, true) => Paused::Person,
        (false, false) => Paused::Not,
    })
}
