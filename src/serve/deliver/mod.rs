//! Deliveries: due jobs are claimed lane by lane, tried, and their outcome is written down.
//! A timer sleeps until the next due job; a bell wakes it when something earlier is queued.
//! The store is never polled; only the wall clock gets a glance twice a second, because it may
//! be set, and because timers stand still while a machine sleeps.

pub mod account;
pub mod address;
mod attempt;
mod bounced;
mod bucket;
mod dial;
mod dot;
pub mod gate;
mod gates;
mod handover;
pub mod http;
mod inside;
mod kept;
mod late;
pub mod notion;
mod pause;
mod postmark;
mod quarantine;
pub mod reply;
mod reputation;
mod resend;
mod seeds;
mod send;
pub mod smtp;
mod step;
mod time;
mod transports;
mod wire;

use std::collections::HashMap;
use std::sync::{Arc, Mutex, PoisonError};
use std::time::Duration;

use tokio::sync::{Notify, watch};
use tokio::task::JoinSet;

pub use self::dot::FinalDots;
pub use self::gates::Gates;
pub use self::kept::Noted;
pub use self::reputation::{Fate, Reputation};
use self::transports::Transports;
pub use self::wire::{Network, Peers, Told};
use super::app::App;
use super::journal::Kind;
use super::settings::Live;
use crate::base::{Id, Moment};
use crate::model::queue::{Leased, PAUSED_FLAG};
use crate::model::{Job, Lease, Tried};
use crate::store::{Claim, StoreError};

/// A lease outlives the longest deadline by this much.
const LEASE_SPARE: Duration = Duration::from_secs(5);
/// No lease is shorter than this.
const SHORTEST_LEASE: Duration = Duration::from_secs(15);
/// How long attempts under way may take when the server stops.
const DRAIN: Duration = Duration::from_secs(7);
/// How long the queue rests after the store could not be read.
const REST: Duration = Duration::from_secs(1);

/// Does due jobs.
#[derive(Debug)]
pub struct Deliver {
    app: Arc<App>,
    transports: Transports,
    /// Rings when an attempt has ended and its place is free.
    freed: Notify,
    /// The leases of all work under way here. While its worker lives, a lease never runs out,
    /// however long the worker takes and however far the clock jumps.
    running: Mutex<HashMap<Id, Lease>>,
    /// What is known of e-mails whose final dot has left.
    dots: FinalDots,
    /// Whether the wall clock was set.
    watched: time::Watched,
}

/// The place of one job under way. It is given back when this goes, even by a panic.
struct Place {
    deliver: Arc<Deliver>,
    lane: String,
    lease: Lease,
    /// What the service said, if it was called.
    tried: Option<Tried>,
}

/// What a claim took.
struct Taken {
    jobs: Vec<(Leased, Place)>,
    /// Whether there may be more that is due.
    more: bool,
    /// When something is due again, in milliseconds.
    next: Option<i64>,
}

/// What was done at one moment.
#[derive(Debug)]
pub struct Turn {
    /// The jobs, as they were before.
    pub jobs: Vec<Job>,
    /// When the next one is due, in milliseconds since 1970; none when nothing waits.
    pub next: Option<i64>,
}

impl Drop for Place {
    fn drop(&mut self) {
        let Self { deliver, lane, lease, tried } = self;
        let mut running = deliver.running();
        // The job may be under way again already, under a newer lease.
        if running.get(&lease.job).is_some_and(|known| known.fence == lease.fence) {
            running.remove(&lease.job);
        }
        drop(running);
        deliver.app.gates.done(lane, deliver.app.clock.passing(), tried.as_ref());
        deliver.freed.notify_one();
    }
}

impl Deliver {
    /// Deliveries of this app over this network, where no note is taken of final dots. `roots`
    /// are more certificate authorities to trust.
    ///
    /// # Errors
    /// Why TLS cannot be set up.
    pub fn over(
        network: Network,
        app: Arc<App>,
        roots: Option<std::path::PathBuf>,
    ) -> Result<Arc<Self>, String> {
        Self::noting(network, app, roots, FinalDots::default())
    }

    /// The same, with these notes of final dots.
    ///
    /// # Errors
    /// As [`over`](Self::over).
    pub fn noting(
        network: Network,
        app: Arc<App>,
        roots: Option<std::path::PathBuf>,
        dots: FinalDots,
    ) -> Result<Arc<Self>, String> {
        let transports = Transports::new(network, roots)?;
        Ok(Arc::new(Self {
            app,
            transports,
            freed: Notify::new(),
            running: Mutex::default(),
            dots,
            watched: time::Watched::default(),
        }))
    }

    /// Works until `stop` turns true, then lets attempts under way end.
    pub async fn run(self: Arc<Self>, mut stop: watch::Receiver<bool>) {
        let bell = self.app.store.bell();
        let mut attempts = JoinSet::new();
        while !*stop.borrow() {
            let wait = self.round(&mut attempts).await;
            while attempts.try_join_next().is_some() {}
            tokio::select! {
                // In order, so that the same happens again where the same has happened.
                biased;
                _ = stop.wait_for(|stop| *stop) => {}
                () = bell.notified() => {}
                () = self.freed.notified() => {}
                () = self.wait(wait) => {}
            }
        }
        let all = async { while attempts.join_next().await.is_some() {} };
        // What is not done by then is tried again at the next start, under the same id.
        let _ = tokio::time::timeout(DRAIN, all).await;
        attempts.abort_all();
        self.transports.close().await;
    }

    /// Begins every job that is due and has a place; answers how long to sleep.
    async fn round(self: &Arc<Self>, attempts: &mut JoinSet<()>) -> Duration {
        let live = self.app.live.load_full();
        let longest = live.rules.queue.every.to_duration();
        match self.begin_due(&live, attempts).await {
            Ok(wait) => wait.min(longest),
            Err(error) => {
                self.app.journal.say(Kind::Warning, &format!("deliveries wait a moment: {error}"));
                REST
            }
        }
    }

    async fn begin_due(
        self: &Arc<Self>,
        live: &Arc<Live>,
        attempts: &mut JoinSet<()>,
    ) -> Result<Duration, StoreError> {
        let now = self.mind_the_clock().await?;
        self.mind_latecomers().await?;
        self.make_up_at(live, now).await?;
        self.app.gates.remember(&*self.app.store).await?;
        if self.app.store.flag(PAUSED_FLAG).await?.is_some() {
            return Ok(Duration::MAX);
        }
        loop {
            let now = self.mind_the_clock().await?;
            self.make_up_at(live, now).await?;
            let taken = self.take(live, now).await?;
            for (leased, place) in taken.jobs {
                let live = Arc::clone(live);
                let worker = Arc::clone(self);
                attempts.spawn(async move { worker.one(&live, leased, place).await });
            }
            if !taken.more {
                return Ok(taken.next.map_or(Duration::MAX, |next| millis(next - now.wall)));
            }
        }
    }

    /// Does what is due at this moment, one job after the other, so that the same always
    /// happens in the same order: for rehearsals. One batch at a time; ask again until no job
    /// was due.
    ///
    /// # Errors
    /// The store cannot be read.
    pub async fn catch_up(self: &Arc<Self>) -> Result<Turn, StoreError> {
        let live = self.app.live.load_full();
        self.app.gates.remember(&*self.app.store).await?;
        let taken = self.take(&live, self.app.moment()).await?;
        let mut jobs = Vec::with_capacity(taken.jobs.len());
        for (leased, place) in taken.jobs {
            jobs.push(leased.job.clone());
            self.one(&live, leased, place).await;
        }
        Ok(Turn { jobs, next: taken.next })
    }

    /// Claims what is due and has a place.
    async fn take(self: &Arc<Self>, live: &Live, now: Moment) -> Result<Taken, StoreError> {
        let claim = self.claim(live, now);
        let limit = claim.limit;
        self.keep_leases(now.wall, claim.lease).await?;
        let claimed = self.app.store.claim(claim).await?;
        let placed = |leased: Leased| {
            let place = self.place(&leased, now);
            (leased, place)
        };
        let jobs: Vec<_> = claimed.jobs.into_iter().map(placed).collect();
        if let Err(error) = self.keep_rates(now).await {
            // Nothing of it has begun: it is handed back, not left to its leases.
            let again = now.wall.saturating_add(1_000);
            let leases = jobs.iter().map(|(leased, _)| (leased.lease, again)).collect();
            let _ = self.app.store.release(leases).await;
            return Err(error);
        }
        let next = [claimed.next_due, self.app.gates.next_free(now)];
        Ok(Taken {
            more: jobs.len() >= limit,
            next: next.into_iter().flatten().filter(|next| *next > now.wall).min(),
            jobs,
        })
    }

    /// Prolongs the leases of work under way that would end before long. It comes before
    /// every claim, so that no claim hands out again what is being sent at this moment.
    async fn keep_leases(&self, now: i64, length: i64) -> Result<(), StoreError> {
        let ending = |lease: &&Lease| lease.until.saturating_sub(now) < length / 2;
        let leases: Vec<Lease> = self.running().values().filter(ending).copied().collect();
        if leases.is_empty() {
            return Ok(());
        }
        let until = now.saturating_add(length);
        self.app.store.renew(leases.clone(), until).await?;
        let mut running = self.running();
        for lease in leases {
            running.entry(lease.job).and_modify(|known| known.until = until);
        }
        Ok(())
    }

    fn place(self: &Arc<Self>, leased: &Leased, now: Moment) -> Place {
        let (lane, lease) = (leased.job.lane.clone(), leased.lease);
        self.app.gates.take(&lane, now.passing);
        self.running().insert(lease.job, lease);
        Place { deliver: Arc::clone(self), lane, lease, tried: None }
    }

    fn running(&self) -> std::sync::MutexGuard<'_, HashMap<Id, Lease>> {
        self.running.lock().unwrap_or_else(PoisonError::into_inner)
    }

    fn claim(&self, live: &Live, now: Moment) -> Claim {
        let longest =
            live.services.values().map(|service| service.timeout).max().unwrap_or_default();
        let lease = (longest + LEASE_SPARE).max(SHORTEST_LEASE);
        Claim {
            now: now.wall,
            lease: i64::try_from(lease.as_millis()).unwrap_or(i64::MAX),
            limit: live.rules.queue.batch,
            free: self.app.gates.free(live, now),
            default: gates::OTHER_LANES,
        }
    }

    /// Does one job, from its claim to its outcome.
    async fn one(&self, live: &Live, leased: Leased, mut place: Place) {
        place.tried = match inside::caught(Box::pin(self.work(live, leased))).await {
            Ok(tried) => tried,
            Err(why) => self.failed_inside(live, place.lease, why).await,
        };
    }
}

fn millis(millis: i64) -> Duration {
    Duration::from_millis(u64::try_from(millis).unwrap_or(0))
}
