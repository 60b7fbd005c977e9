//! What comes due while its sequence is paused is held aside: the first step of somebody new,
//! the next step of somebody mid-way, an e-mail that waits to be tried again.

use super::Deliver;
use crate::model::queue::{Leased, Transition, pause_flag};
use crate::store::StoreError;

impl Deliver {
    /// Holds a claimed job aside if its sequence is paused, for everybody or for its person;
    /// answers whether it was dealt with.
    pub(super) async fn held_aside(&self, leased: &Leased) -> bool {
        match self.is_paused(leased).await {
            Ok(false) => false,
            Ok(true) => {
                self.end(&leased.job, leased.lease, Transition::Hold, None, Vec::new()).await;
                true
            }
            Err(error) => {
                self.give_back(leased, &error).await;
                true
            }
        }
    }

    async fn is_paused(&self, leased: &Leased) -> Result<bool, StoreError> {
        let Some((sequence, _)) = &leased.job.enrolment else { return Ok(false) };
        let store = &self.app.store;
        let person = pause_flag(sequence, Some(&leased.job.target));
        Ok(store.flag(&pause_flag(sequence, None)).await?.is_some()
            || store.flag(&person).await?.is_some())
    }
}
