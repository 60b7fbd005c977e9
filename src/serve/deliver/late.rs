//! Attempts that have happened and of which nothing is written down, because the process was
//! killed over them or failed: what is known of their e-mails' final dots is made up for here,
//! before anything else is done. No pause holds that up, and whoever called such a job off
//! meanwhile came too late.

use super::Deliver;
use super::dot::Dot;
use super::inside::caught;
use crate::base::{Id, Moment};
use crate::model::queue::Leased;
use crate::serve::journal::Kind;
use crate::serve::settings::Live;
use crate::store::{Finish, StoreError};

impl Deliver {
    /// Writes down what came of every attempt of which only its final dot is known.
    ///
    /// # Errors
    /// The store does not work.
    pub async fn make_up(&self) -> Result<(), StoreError> {
        let live = self.app.live.load_full();
        self.make_up_at(&live, self.app.moment()).await
    }

    pub(super) async fn make_up_at(&self, live: &Live, now: Moment) -> Result<(), StoreError> {
        match self.dots.all() {
            begun if begun.is_empty() => Ok(()),
            // Rarely needed, and large: it lies apart.
            begun => Box::pin(self.make_up_for(live, now, begun)).await,
        }
    }

    async fn make_up_for(
        &self,
        live: &Live,
        now: Moment,
        mut begun: Vec<Id>,
    ) -> Result<(), StoreError> {
        // Before anything is counted.
        self.app.gates.remember(&*self.app.store).await?;
        // One of which a newer attempt is under way is known better by it.
        begun.retain(|id| !self.running().contains_key(id));
        let until = now.wall.saturating_add(self.claim(live, now).lease);
        let taken = self.app.store.reclaim(begun.clone(), now.wall, until).await?;
        begun.retain(|id| !taken.iter().any(|leased| leased.job.id == *id));
        let mut back = Vec::new();
        for leased in taken {
            if let Some(dot) = self.dots.found(&leased.job) {
                self.write_down(live, leased, dot).await;
            } else {
                begun.push(leased.job.id);
                back.push((leased.lease, now.wall));
            }
        }
        // Of these the outcome was written down after all.
        for id in begun {
            self.dots.forget(id);
        }
        if back.is_empty() { Ok(()) } else { self.app.store.release(back).await }
    }

    async fn write_down(&self, live: &Live, leased: Leased, dot: Dot) {
        let Leased { job, lease, .. } = leased;
        let tried = dot.tried();
        let outcome = self.outcome(live, job.clone(), lease, self.app.new_id(), &tried);
        let ended = match caught(outcome).await {
            Ok(ended) => ended,
            Err(why) => {
                let text = format!("{}: rulerun failed inside: {why}", job.event_type);
                self.app.journal.say(Kind::Warning, &text);
                self.end(&job, lease, dot.end(), None, Vec::new()).await
            }
        };
        if ended == Finish::Done {
            self.dots.forget(job.id);
        }
    }
}
