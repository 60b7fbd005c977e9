//! How many attempts a service may get, and when the next. Every service is a lane with a
//! gate of its own, so one that hangs, fails or asks for patience holds up nobody else. A
//! gate weighs four things: attempts in flight, the rate of the rules, a circuit breaker
//! that stops calling a service that keeps failing, and pauses (the service said "later", or
//! our own configuration has to be mended first).
//!
//! Nothing here asks what time it is: times are milliseconds of a clock that nobody sets.

use serde::{Deserialize, Serialize};

use super::bucket::Bucket;
use crate::model::setting::Rate;
use crate::model::{AttemptError, Tried};

/// So many failures in a row open the breaker.
const FAILURES_TO_OPEN: u32 = 10;
/// How long the breaker stays open, first and at most.
const OPEN: (i64, i64) = (5_000, 60_000);
/// How long a lane rests when our own configuration is at fault, first and at most.
const OUR_FAULT: (i64, i64) = (30_000, 600_000);
/// How long a lane rests after a 429 that does not say how long, first and at most.
const LIMITED: (i64, i64) = (1_000, 60_000);

/// Whether a lane lets attempts through, for `/readyz`, the API and the metrics.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum LaneState {
    /// It does (as far as its rate and its cap go).
    Closed,
    /// The service failed too often; no attempts until then.
    Open {
        /// When one attempt is let through to see.
        until: i64,
    },
    /// One attempt is let through (or under way); it decides.
    HalfOpen,
    /// No attempts until then.
    Paused {
        /// When it goes on.
        until: i64,
        /// Why.
        why: PauseReason,
    },
    /// No attempts until a person says so.
    Held(Held),
}

/// Why a lane is paused.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum PauseReason {
    /// The service asked for it, with a 429 or a `Retry-After`.
    Asked,
    /// The service does not accept our credentials.
    Login,
    /// Its address is private and the rules do not allow that.
    Blocked,
}

/// Why a mail service is held until a person resumes it.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum Held {
    /// Too many of its e-mails came back for good.
    Bounces,
    /// Too many people reported its e-mails as spam.
    Complaints,
}

impl LaneState {
    /// The stable word in the API and the metrics.
    #[must_use]
    pub fn word(self) -> &'static str {
        match self {
            Self::Closed => "closed",
            Self::Open { .. } => "open",
            Self::HalfOpen => "half-open",
            Self::Paused { why: PauseReason::Asked, .. } => "paused",
            Self::Paused { why: PauseReason::Login, .. } => "login",
            Self::Paused { why: PauseReason::Blocked, .. } => "blocked",
            Self::Held(Held::Bounces) => "bounces",
            Self::Held(Held::Complaints) => "complaints",
        }
    }
}

/// The gate of one lane.
#[derive(Debug)]
pub struct Lane {
    cap: usize,
    in_flight: usize,
    bucket: Option<Bucket>,
    /// Failures of the service since its last success.
    failures: u32,
    /// When the breaker lets a probe through; none while it is closed.
    probe_at: Option<i64>,
    /// Whether that probe is under way.
    probing: bool,
    paused: Option<(i64, PauseReason)>,
    open_wait: Growing,
    fault_wait: Growing,
    limit_wait: Growing,
}

impl Lane {
    /// A lane with room for `cap` attempts at once (at least 1) and, if the rules set one, a
    /// rate. In no stretch of the rate's period do more attempts begin than it says.
    #[must_use]
    pub fn new(cap: usize, rate: Option<Rate>) -> Self {
        Self {
            cap: cap.max(1),
            in_flight: 0,
            bucket: rate.map(Bucket::new),
            failures: 0,
            probe_at: None,
            probing: false,
            paused: None,
            open_wait: Growing::new(OPEN),
            fault_wait: Growing::new(OUR_FAULT),
            limit_wait: Growing::new(LIMITED),
        }
    }

    /// How many attempts may begin now.
    #[must_use]
    pub fn free(&self, now: i64) -> usize {
        if self.paused.is_some_and(|(until, _)| now < until) {
            return 0;
        }
        let room = self.cap.saturating_sub(self.in_flight);
        let room = match self.probe_at {
            None => room,
            Some(at) if now >= at && !self.probing => room.min(1),
            Some(_) => 0,
        };
        self.bucket.as_ref().map_or(room, |bucket| room.min(bucket.free(now)))
    }

    /// When an attempt may begin: now, or when a pause, the breaker or the rate comes round.
    /// None if only an attempt that ends can make room.
    #[must_use]
    pub fn next_free(&self, now: i64) -> Option<i64> {
        if self.in_flight >= self.cap || self.probing {
            return None;
        }
        let pause = self.paused.map(|(until, _)| until);
        let token = self.bucket.as_ref().map(|bucket| bucket.next(now));
        Some([pause, self.probe_at, token].into_iter().flatten().fold(now, i64::max))
    }

    /// Counts an attempt that begins now. To be called at most [`free`](Self::free) times,
    /// and each followed by one [`done`](Self::done) or [`put_back`](Self::put_back).
    pub fn take(&mut self, now: i64) {
        self.in_flight += 1;
        self.probing |= self.probe_at.is_some_and(|at| now >= at);
        if let Some(bucket) = &mut self.bucket {
            bucket.take(now);
        }
    }

    /// Gives a place back that was taken for nothing: the job was skipped or cancelled
    /// before anything left the house.
    pub fn put_back(&mut self) {
        self.leave();
        if let Some(bucket) = &mut self.bucket {
            bucket.put_back();
        }
    }

    /// Counts an attempt that has ended, and learns from it. A success at any time closes
    /// the breaker. While it is open, late failures of attempts from before add nothing.
    pub fn done(&mut self, now: i64, outcome: &Tried) {
        self.leave();
        match Verdict::of(outcome) {
            Verdict::Alive => {
                self.failures = 0;
                self.probe_at = None;
                self.open_wait.reset();
                self.fault_wait.reset();
                self.limit_wait.reset();
            }
            Verdict::Fault => self.fail(now),
            Verdict::Limited => {
                self.fail(now);
                if outcome.retry_after.is_none() {
                    let until = now.saturating_add(self.limit_wait.next());
                    self.pause(now, until, PauseReason::Asked);
                }
            }
            Verdict::Ours(why) => {
                // Attempts that began together fail together; that is one failure.
                if self.paused.is_none_or(|(until, held)| now >= until || held != why) {
                    let until = now.saturating_add(self.fault_wait.next());
                    self.pause(now, until, why);
                }
            }
            Verdict::Silent => {}
        }
        let status = outcome.status.unwrap_or(0);
        // One that has taken this and says that its limit is reached is not asked at once.
        let heard = outcome.error.is_none() || status == 429 || status >= 500;
        if let Some(wait) = outcome.retry_after.filter(|_| heard) {
            let wait = i64::try_from(wait.as_millis()).unwrap_or(i64::MAX);
            self.pause(now, now.saturating_add(wait), PauseReason::Asked);
        }
    }

    /// Goes on with what a lane of the same name had used up of its rate: before a restart, or
    /// before the rules changed. `full_at` is what [`used_until`](Self::used_until) or
    /// [`keep_ahead`](Self::keep_ahead) said.
    pub fn resume(&mut self, full_at: i64, now: i64) {
        if let Some(bucket) = &mut self.bucket {
            bucket.resume(full_at, now);
        }
    }

    /// When what was used up of the rate will have come back, in milliseconds; none without a
    /// rate.
    #[must_use]
    pub fn used_until(&self) -> Option<i64> {
        self.bucket.as_ref().map(Bucket::full_at)
    }

    /// What has to be durable before the attempts that were just taken begin, if anything: a
    /// moment for [`resume`](Self::resume) after a restart, some way ahead of what is used up,
    /// so that one write serves for a while.
    pub fn keep_ahead(&mut self) -> Option<i64> {
        self.bucket.as_mut().and_then(Bucket::keep_ahead)
    }

    /// What was made durable of the rate does not count any more.
    pub fn keep_anew(&mut self) {
        if let Some(bucket) = &mut self.bucket {
            bucket.keep_anew();
        }
    }

    /// Where the lane stands.
    #[must_use]
    pub fn state(&self, now: i64) -> LaneState {
        match (self.paused, self.probe_at) {
            (Some((until, why)), _) if now < until => LaneState::Paused { until, why },
            (_, None) => LaneState::Closed,
            (_, Some(until)) if now < until => LaneState::Open { until },
            (_, Some(_)) => LaneState::HalfOpen,
        }
    }

    /// Attempts under way.
    #[must_use]
    pub fn in_flight(&self) -> usize {
        self.in_flight
    }

    fn leave(&mut self) {
        self.in_flight = self.in_flight.saturating_sub(1);
        self.probing = false;
    }

    fn fail(&mut self, now: i64) {
        self.failures = self.failures.saturating_add(1);
        let opens = match self.probe_at {
            None => self.failures >= FAILURES_TO_OPEN,
            Some(at) => now >= at,
        };
        if opens {
            self.probe_at = Some(now.saturating_add(self.open_wait.next()));
        }
    }

    /// Pauses until then, or longer where a longer pause stands.
    fn pause(&mut self, now: i64, until: i64, why: PauseReason) {
        if until > now && self.paused.is_none_or(|(held, _)| held < until) {
            self.paused = Some((until, why));
        }
    }
}

/// What an attempt says about the service.
enum Verdict {
    /// It is there and works, whatever it thinks of this one job.
    Alive,
    /// It is not there, or broken.
    Fault,
    /// It is there and overrun.
    Limited,
    /// Our configuration is at fault, and so would be the next attempt.
    Ours(PauseReason),
    /// Nothing.
    Silent,
}

impl Verdict {
    fn of(outcome: &Tried) -> Self {
        use AttemptError as E;
        match outcome.error {
            None | Some(E::Redirect | E::Bounce | E::Deferred) => Self::Alive,
            Some(E::Status) => match outcome.status {
                Some(429) => Self::Limited,
                Some(500..) => Self::Fault,
                _ => Self::Alive,
            },
            Some(E::Dns | E::Connection | E::Tls | E::Timeout | E::Unknown) => Self::Fault,
            Some(E::Login) => Self::Ours(PauseReason::Login),
            Some(E::Blocked) => Self::Ours(PauseReason::Blocked),
            Some(E::Internal) => Self::Silent,
        }
    }
}

/// A wait that doubles each time.
#[derive(Debug)]
struct Growing {
    first: i64,
    most: i64,
    wait: i64,
}

impl Growing {
    fn new((first, most): (i64, i64)) -> Self {
        Self { first, most, wait: first }
    }

    fn next(&mut self) -> i64 {
        let wait = self.wait;
        self.wait = wait.saturating_mul(2).min(self.most);
        wait
    }

    fn reset(&mut self) {
        self.wait = self.first;
    }
}

#[cfg(test)]
#[path = "gate_tests.rs"]
mod tests;
