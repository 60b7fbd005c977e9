//! Deliveries: due jobs are claimed lane by lane, tried, and their outcome is written down.
//! A timer sleeps until the next due job; a bell wakes it when something earlier is queued.
//! Nothing is polled.

pub mod address;
mod attempt;
mod dial;
pub mod gate;
mod gates;
pub mod http;
pub mod notion;
pub mod reply;
mod send;
pub mod smtp;
mod step;
mod transports;

use std::sync::Arc;
use std::time::Duration;

use tokio::sync::{Notify, watch};
use tokio::task::JoinSet;

pub use self::gates::Gates;
use self::transports::Transports;
use super::app::App;
use super::journal::Kind;
use super::settings::Live;
use crate::base::time;
use crate::model::Leased;
use crate::model::queue::PAUSED_FLAG;
use crate::store::Claim;

/// A lease outlives the longest deadline by this much.
const LEASE_SPARE: Duration = Duration::from_secs(5);
/// No lease is shorter than this.
const SHORTEST_LEASE: Duration = Duration::from_secs(15);
/// How long attempts under way may take when the server stops.
const DRAIN: Duration = Duration::from_secs(8);
/// How long the queue rests after the store could not be read.
const REST: Duration = Duration::from_secs(1);

/// Does due jobs.
#[derive(Debug)]
pub struct Deliver {
    app: Arc<App>,
    transports: Transports,
    /// Rings when an attempt has ended and its place is free.
    freed: Notify,
}

impl Deliver {
    /// Deliveries of this app. `roots` are more certificate authorities to trust.
    ///
    /// # Errors
    /// Why TLS cannot be set up.
    pub fn new(app: Arc<App>, roots: Option<std::path::PathBuf>) -> Result<Arc<Self>, String> {
        let transports = Transports::new(roots)?;
        Ok(Arc::new(Self { app, transports, freed: Notify::new() }))
    }

    /// Works until `stop` turns true, then lets attempts under way end.
    pub async fn run(self: Arc<Self>, mut stop: watch::Receiver<bool>) {
        let bell = self.app.store.bell();
        let mut attempts = JoinSet::new();
        while !*stop.borrow() {
            let wait = self.round(&mut attempts).await;
            while attempts.try_join_next().is_some() {}
            tokio::select! {
                () = bell.notified() => {}
                () = self.freed.notified() => {}
                () = tokio::time::sleep(wait) => {}
                _ = stop.wait_for(|stop| *stop) => {}
            }
        }
        let all = async { while attempts.join_next().await.is_some() {} };
        // What is not done by then is tried again at the next start, under the same id.
        let _ = tokio::time::timeout(DRAIN, all).await;
        attempts.abort_all();
    }

    /// Begins every job that is due and has a place; answers how long to sleep.
    async fn round(self: &Arc<Self>, attempts: &mut JoinSet<()>) -> Duration {
        let live = self.app.live.load_full();
        let longest = live.rules.queue.every.to_duration();
        if matches!(self.app.store.flag(PAUSED_FLAG).await, Ok(Some(_))) {
            return longest;
        }
        loop {
            let now = self.app.millis();
            let claim = self.claim(&live, now);
            let limit = claim.limit;
            let claimed = match self.app.store.claim(claim).await {
                Ok(claimed) => claimed,
                Err(error) => {
                    self.app
                        .journal
                        .say(Kind::Warning, &format!("the queue cannot be read: {error}"));
                    return REST;
                }
            };
            let taken = claimed.jobs.len();
            for leased in claimed.jobs {
                self.app.gates.take(&leased.job.lane, now);
                let worker = Arc::clone(self);
                let live = Arc::clone(&live);
                attempts.spawn(async move { worker.one(&live, leased).await });
            }
            if taken < limit {
                let next = [claimed.next_due, self.app.gates.next_free(now)];
                let next = next.into_iter().flatten().filter(|next| *next > now).min();
                let wait = next.map_or(longest, |next| millis(next - now));
                return wait.min(longest);
            }
        }
    }

    fn claim(&self, live: &Live, now: i64) -> Claim {
        let longest =
            live.services.values().map(|service| service.timeout).max().unwrap_or_default();
        let lease = (longest + LEASE_SPARE).max(SHORTEST_LEASE);
        Claim {
            now,
            lease: i64::try_from(lease.as_millis()).unwrap_or(i64::MAX),
            limit: live.rules.queue.batch,
            free: self.app.gates.free(live, now),
            default: gates::OTHER_LANES,
        }
    }

    /// Does one job, from its claim to its outcome.
    async fn one(&self, live: &Live, leased: Leased) {
        let lane = leased.job.lane.clone();
        let tried = self.work(live, leased).await;
        self.app.gates.done(&lane, self.app.millis(), tried.as_ref());
        self.freed.notify_one();
    }
}

fn millis(millis: i64) -> Duration {
    Duration::from_millis(u64::try_from(millis).unwrap_or(0))
}

/// A stored moment, written in full; the journal shortens it for its readers.
fn full(at: i64) -> String {
    time::format_time(time::from_millis(at))
}
