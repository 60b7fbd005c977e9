//! A job that kills the process. The store counts at how many deaths a job alone was under
//! way; one that reached the limit is not tried again by itself, so that everything else
//! goes on.

use super::Deliver;
use crate::model::commit::Write;
use crate::model::queue::{Job, Leased, QUARANTINE_AFTER, Task, Transition};
use crate::serve::settings::Live;
use crate::store::StoreError;

impl Deliver {
    /// Gives such a job up, visibly; answers whether it was one. A sequence goes on with its
    /// next step.
    pub(super) async fn quarantined(&self, live: &Live, leased: &Leased) -> bool {
        if leased.deaths < QUARANTINE_AFTER {
            return false;
        }
        let advance = match self.past(live, &leased.job).await {
            Ok(advance) => advance,
            Err(error) => {
                self.give_back(leased, &error).await;
                return true;
            }
        };
        let why = format!(
            "quarantined: rulerun died {} times while this alone was under way; find out why, \
             then send it with `rulerun queue retry {}`",
            leased.deaths, leased.job.id
        );
        self.end(&leased.job, leased.lease, Transition::Failed(why), None, advance).await;
        true
    }

    /// What goes on when a job is given up: the next step of its sequence, if it is one.
    ///
    /// # Errors
    /// The store cannot be read.
    pub(super) async fn past(&self, live: &Live, job: &Job) -> Result<Vec<Write>, StoreError> {
        let Task::Step { sequence, key, enrolment, step } = &job.task else {
            return Ok(Vec::new());
        };
        // If it ended meanwhile nothing follows.
        let scene = self.scene(live, (sequence, key), Some(*enrolment), step).await?;
        Ok(scene.map(|scene| self.advance(live, &scene)).unwrap_or_default())
    }
}
