//! One gate per lane: how many attempts may begin now, and when the next place opens. A
//! dead, slow or rate-limited service closes its own gate and nobody else's. Gates go by the
//! clock that nobody sets; only what is written down of them, and what people are told, is in
//! the time of the wall.

use std::collections::HashMap;
use std::sync::Mutex;
use std::sync::atomic::AtomicBool;

use super::gate::{Lane, LaneState, PauseReason};
use super::notion::CALLS_PER_MIRROR;
use super::reputation::Reputation;
use crate::base::Moment;
use crate::base::time::format_millis;
use crate::engine::OUTBOX;
use crate::model::Tried;
use crate::model::rules::ServiceType;
use crate::model::setting::Rate;
use crate::serve::settings::Live;

/// Places of lanes that no service has: their jobs only need to be ended.
pub(super) const OTHER_LANES: usize = 16;

/// What a lane's gate was made from.
type Made = (usize, Option<Rate>);

/// The state of every service's gate.
#[derive(Debug, Default)]
pub struct Gates {
    lanes: Mutex<HashMap<String, (Made, Lane)>>,
    /// What was used up of rates before a restart, by lane, in the time of the wall.
    pub(super) used: Mutex<HashMap<String, i64>>,
    /// The last e-mails of every mail service.
    pub(super) reputations: Mutex<HashMap<String, Reputation>>,
    /// Whether what was written down before a restart has been taken up.
    pub(super) restored: AtomicBool,
}

impl Gates {
    /// Free places of every lane of these rules.
    pub fn free(&self, live: &Live, now: Moment) -> Vec<(String, usize)> {
        let Ok(mut lanes) = self.lanes.lock() else { return Vec::new() };
        let services = live.services.values().map(|service| {
            let rule = &service.rule;
            // Notion counts calls, and a mirror makes several.
            let rate = rule.rate.map(|rate| match rule.kind {
                ServiceType::Notion => {
                    Rate { per_millis: rate.per_millis * CALLS_PER_MIRROR, ..rate }
                }
                _ => rate,
            });
            (rule.name.as_str(), (rule.in_flight, rate))
        });
        services
            .chain([(OUTBOX, (OTHER_LANES, None))])
            .map(|(name, made)| {
                let lane = lanes.entry(name.to_owned()).or_insert_with(|| {
                    let used = self.used(name).map(|until| now.in_passing(until));
                    (made, lane_of(made, used, now.passing))
                });
                // A changed rule takes effect once what is under way has ended.
                if lane.0 != made && lane.1.in_flight() == 0 {
                    *lane = (made, lane_of(made, lane.1.used_until(), now.passing));
                }
                let free = if self.held(name).is_some() { 0 } else { lane.1.free(now.passing) };
                (name.to_owned(), free)
            })
            .collect()
    }

    /// What a lane had used up of its rate before a restart.
    fn used(&self, name: &str) -> Option<i64> {
        self.used.lock().ok()?.get(name).copied()
    }

    /// What has to be written down before the attempts that were just taken begin, by lane.
    pub(super) fn keep_ahead(&self, now: Moment) -> Vec<(String, i64)> {
        let Ok(mut lanes) = self.lanes.lock() else { return Vec::new() };
        let keep = |(name, (_, lane)): (&String, &mut (Made, Lane))| {
            lane.keep_ahead().map(|until| (name.clone(), now.on_the_wall(until)))
        };
        lanes.iter_mut().filter_map(keep).collect()
    }

    /// When the next gate opens by itself, in the time of the wall.
    pub fn next_free(&self, now: Moment) -> Option<i64> {
        let lanes = self.lanes.lock().ok()?;
        let next = lanes
            .iter()
            .filter(|(name, (_, lane))| lane.free(now.passing) == 0 && self.held(name).is_none())
            .filter_map(|(_, (_, lane))| lane.next_free(now.passing))
            .min();
        next.map(|next| now.on_the_wall(next))
    }

    /// An attempt begins.
    pub fn take(&self, name: &str, now: i64) {
        self.with(name, |lane| lane.take(now));
    }

    /// An attempt has ended; none means that the service was not called.
    pub fn done(&self, name: &str, now: i64, tried: Option<&Tried>) {
        self.with(name, |lane| match tried {
            Some(tried) => lane.done(now, tried),
            None => lane.put_back(),
        });
    }

    /// What was written down of rates counts for nothing: the clock on the wall was set, or it
    /// could not be written.
    pub fn keep_anew(&self) {
        if let Ok(mut lanes) = self.lanes.lock() {
            lanes.values_mut().for_each(|(_, lane)| lane.keep_anew());
        }
    }

    /// Each lane's state and attempts under way, by name.
    #[must_use]
    pub fn states(&self, now: i64) -> Vec<(String, LaneState, usize)> {
        let Ok(lanes) = self.lanes.lock() else { return Vec::new() };
        let mut states: Vec<_> = lanes
            .iter()
            .map(|(name, (_, lane))| {
                let held = self.held(name).map(LaneState::Held);
                (name.clone(), held.unwrap_or_else(|| lane.state(now)), lane.in_flight())
            })
            .collect();
        states.sort_by(|a, b| a.0.cmp(&b.0));
        states
    }

    /// Services that take no work at the moment, each with why, as a short sentence.
    #[must_use]
    pub fn closed(&self, now: Moment) -> Vec<(String, String)> {
        let states = self.states(now.passing).into_iter();
        let clock = |until| format_millis(now.on_the_wall(until));
        states
            .filter_map(|(name, state, _)| {
                let why = match state {
                    LaneState::Closed => return None,
                    LaneState::Held(held) => held.sentence(&name),
                    LaneState::HalfOpen => {
                        String::from("it failed often; one attempt is let through")
                    }
                    LaneState::Open { until: at } => {
                        format!("it failed often; nothing is sent until {}", clock(at))
                    }
                    LaneState::Paused { until: at, why } => {
                        let why = match why {
                            PauseReason::Asked => "it asked us to wait",
                            PauseReason::Login => "it does not accept our credentials",
                            PauseReason::Blocked => {
                                "its address is private; allow it with allow-private #true"
                            }
                        };
                        format!("{why}; the next attempt is at {}", clock(at))
                    }
                };
                Some((name, why))
            })
            .collect()
    }

    fn with(&self, name: &str, change: impl FnOnce(&mut Lane)) {
        if let Ok(mut lanes) = self.lanes.lock() {
            let lane = lanes
                .entry(name.to_owned())
                .or_insert_with(|| ((OTHER_LANES, None), Lane::new(OTHER_LANES, None)));
            change(&mut lane.1);
        }
    }
}

/// A lane, with what is left of its rate after this was used up.
fn lane_of(made: Made, used: Option<i64>, now: i64) -> Lane {
    let mut lane = Lane::new(made.0, made.1);
    if let Some(used) = used {
        lane.resume(used, now);
    }
    lane
}
