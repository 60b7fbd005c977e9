//! A job that kills the process. The store counts at how many deaths a job alone was under
//! way; one that reached the limit is not tried again by itself, so that everything else
//! goes on.

use super::Deliver;
use crate::model::queue::{Leased, QUARANTINE_AFTER, Task, Transition};
use crate::serve::settings::Live;

impl Deliver {
    /// Gives such a job up, visibly; answers whether it was one. A sequence goes on with its
    /// next step.
    pub(super) async fn quarantined(&self, live: &Live, leased: &Leased) -> bool {
        if leased.deaths < QUARANTINE_AFTER {
            return false;
        }
        let mut advance = Vec::new();
        if let Task::Step { sequence, key, enrolment, step } = &leased.job.task {
            match self.scene(live, (sequence, key), Some(*enrolment), step).await {
                Ok(Ok(scene)) => advance = self.advance(live, &scene),
                // It ended meanwhile: nothing follows.
                Ok(Err(_)) => {}
                Err(error) => {
                    self.give_back(leased, &error).await;
                    return true;
                }
            }
        }
        let why = format!(
            "quarantined: rulerun died {} times while this alone was under way; find out why, \
             then send it with `rulerun queue retry {}`",
            leased.deaths, leased.job.id
        );
        self.end(&leased.job, leased.lease, Transition::Failed(why), None, advance).await;
        true
    }
}
