//! A wall clock that was set. Rows say when they are due by the wall clock, so what was queued
//! or put off a moment ago would stall for as long as the clock went back, or leave too early
//! by as much as it went ahead.

use super::Ledger;
use crate::store::kv::{Batch, Kv as _, Way};
use crate::store::rows::{self, Due};
use crate::store::{StoreError, keys};

impl Ledger {
    /// Moves every delivery that waits for time to pass; answers how many. A step of a
    /// sequence is planned for a moment and stays; work under way is due when it ends.
    pub(in crate::store) fn clock_was_set(
        &mut self,
        batch: &mut Batch<'_>,
        by: i64,
        now: i64,
    ) -> Result<usize, StoreError> {
        // What was due before the clock went ahead is due; what was due before it went back
        // is due at once.
        let passed = now.min(now.saturating_sub(by));
        let mut waiting = Vec::new();
        for row in batch.prefix(&[keys::DUE], Way::Up) {
            let (key, raw) = row?;
            let id = keys::id_of(&key);
            let waits = keys::split_due(&key).is_some_and(|(_, due)| due > passed);
            if waits
                && self.held(id).is_none()
                && rows::decode::<Due>(batch, &key, &raw)? == Due::Job
            {
                waiting.push(id);
            }
        }
        let mut moved = 0;
        for id in waiting {
            if let Some(stored) = rows::job(batch, id)? {
                let due = stored.job.due.saturating_add(by).max(now);
                self.postpone(batch, stored, due)?;
                moved += 1;
            }
        }
        Ok(moved)
    }
}
