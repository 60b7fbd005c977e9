//! What a lane's gate promises, told in milliseconds.

use std::time::Duration;

use proptest::prelude::*;

use super::{Lane, LaneState, PauseReason};
use crate::model::setting::Rate;
use crate::model::{AttemptError, Tried};

fn failed(error: AttemptError) -> Tried {
    Tried { error: Some(error), ..Tried::default() }
}

fn status(status: u16) -> Tried {
    Tried { status: Some(status), ..failed(AttemptError::Status) }
}

fn attempt(lane: &mut Lane, now: i64, outcome: &Tried) {
    assert!(lane.free(now) > 0, "no room at {now}");
    lane.take(now);
    lane.done(now, outcome);
}

fn fail_ten_times(lane: &mut Lane, now: i64) {
    for _ in 0..10 {
        attempt(lane, now, &failed(AttemptError::Connection));
    }
}

#[test]
fn a_full_lane_waits_for_an_attempt_to_end() {
    let mut lane = Lane::new(2, None);
    lane.take(0);
    assert_eq!((lane.free(0), lane.next_free(0)), (1, Some(0)));
    lane.take(0);
    assert_eq!((lane.free(0), lane.next_free(0)), (0, None));
    lane.done(5, &Tried::default());
    assert_eq!((lane.free(5), lane.in_flight()), (1, 1));
    lane.put_back();
    assert_eq!((lane.free(5), lane.in_flight()), (2, 0));
}

#[test]
fn a_rate_spaces_attempts_evenly() {
    let mut lane = Lane::new(8, Some(Rate { count: 3, per_millis: 1_000 }));
    assert_eq!(lane.free(0), 1);
    lane.take(0);
    assert_eq!((lane.free(333), lane.next_free(0)), (0, Some(334)));
    assert_eq!(lane.free(334), 1);
    assert_eq!(lane.free(99_999), 1, "idle time is not saved up");
}

#[test]
fn a_place_that_was_not_used_gives_its_token_back() {
    let mut lane = Lane::new(8, Some(Rate { count: 1, per_millis: 3_600_000 }));
    lane.take(0);
    assert_eq!(lane.free(1), 0);
    lane.put_back();
    assert_eq!(lane.free(1), 1);
}

#[test]
fn ten_failures_in_a_row_open_the_breaker_and_one_probe_closes_it() {
    let mut lane = Lane::new(8, None);
    fail_ten_times(&mut lane, 1_000);
    assert_eq!(lane.state(1_000), LaneState::Open { until: 6_000 });
    assert_eq!((lane.free(5_999), lane.next_free(1_000)), (0, Some(6_000)));
    assert_eq!((lane.state(6_000), lane.free(6_000)), (LaneState::HalfOpen, 1));
    lane.take(6_000);
    assert_eq!((lane.free(6_000), lane.next_free(6_000)), (0, None));
    lane.done(6_010, &Tried::default());
    assert_eq!((lane.state(6_010), lane.free(6_010)), (LaneState::Closed, 8));
}

#[test]
fn each_failed_probe_doubles_the_wait_up_to_a_minute() {
    let mut lane = Lane::new(8, None);
    fail_ten_times(&mut lane, 0);
    let mut now = 0;
    for wait in [5_000, 10_000, 20_000, 40_000, 60_000, 60_000] {
        assert_eq!(lane.state(now), LaneState::Open { until: now + wait });
        now += wait;
        attempt(&mut lane, now, &failed(AttemptError::Timeout));
    }
}

#[test]
fn late_failures_do_not_prolong_an_open_breaker_and_a_late_success_closes_it() {
    let mut lane = Lane::new(20, None);
    for _ in 0..14 {
        lane.take(0);
    }
    for _ in 0..13 {
        lane.done(100, &failed(AttemptError::Timeout));
    }
    assert_eq!(lane.state(100), LaneState::Open { until: 5_100 });
    lane.done(200, &Tried::default());
    assert_eq!(lane.state(200), LaneState::Closed);
}

#[test]
fn what_a_service_thinks_of_one_job_is_not_its_fault() {
    let mut lane = Lane::new(8, None);
    for _ in 0..9 {
        attempt(&mut lane, 0, &status(503));
    }
    attempt(&mut lane, 0, &status(404));
    for _ in 0..9 {
        attempt(&mut lane, 0, &failed(AttemptError::Dns));
    }
    for error in [AttemptError::Bounce, AttemptError::Deferred, AttemptError::Redirect] {
        attempt(&mut lane, 0, &failed(error));
    }
    assert_eq!(lane.state(0), LaneState::Closed);
}

#[test]
fn our_own_faults_say_nothing_about_the_service() {
    let mut lane = Lane::new(8, None);
    for _ in 0..50 {
        attempt(&mut lane, 0, &failed(AttemptError::Internal));
    }
    assert_eq!(lane.state(0), LaneState::Closed);
}

#[test]
fn a_429_slows_the_whole_service() {
    let mut lane = Lane::new(8, None);
    let asked = Tried { retry_after: Some(Duration::from_secs(7)), ..status(429) };
    attempt(&mut lane, 0, &asked);
    let paused = LaneState::Paused { until: 7_000, why: PauseReason::Asked };
    assert_eq!((lane.state(0), lane.free(6_999), lane.next_free(0)), (paused, 0, Some(7_000)));
    assert_eq!(lane.state(7_000), LaneState::Closed);
    attempt(&mut lane, 7_000, &status(429));
    assert_eq!(lane.next_free(7_000), Some(8_000), "without a Retry-After: one second");
    attempt(&mut lane, 8_000, &status(429));
    assert_eq!(lane.next_free(8_000), Some(10_000), "then two");
}

#[test]
fn a_shorter_pause_never_cuts_a_longer_one() {
    let mut lane = Lane::new(8, None);
    lane.take(0);
    lane.take(0);
    lane.done(0, &Tried { retry_after: Some(Duration::from_mins(1)), ..status(503) });
    lane.done(0, &Tried { retry_after: Some(Duration::from_secs(1)), ..status(503) });
    assert_eq!(lane.next_free(0), Some(60_000));
}

#[test]
fn a_refused_login_pauses_the_lane_and_doubles_once_per_round() {
    let mut lane = Lane::new(4, None);
    let mut now = 0;
    for wait in [30_000, 60_000, 120_000, 240_000, 480_000, 600_000, 600_000] {
        for _ in 0..4 {
            lane.take(now);
        }
        for _ in 0..4 {
            lane.done(now, &failed(AttemptError::Login));
        }
        let paused = LaneState::Paused { until: now + wait, why: PauseReason::Login };
        assert_eq!(lane.state(now), paused);
        now += wait;
    }
    attempt(&mut lane, now, &Tried::default());
    attempt(&mut lane, now, &failed(AttemptError::Blocked));
    assert_eq!(lane.next_free(now), Some(now + 30_000));
    assert_eq!(lane.state(now).word(), "blocked");
}

fn outcomes() -> impl Strategy<Value = Tried> {
    prop_oneof![
        6 => Just(Tried::default()),
        2 => Just(failed(AttemptError::Timeout)),
        1 => Just(status(429)),
        1 => Just(status(404)),
        1 => Just(failed(AttemptError::Login)),
        1 => (0_u64..5).prop_map(|s| Tried {
            retry_after: Some(Duration::from_secs(s)),
            ..status(503)
        }),
    ]
}

proptest! {
    #![proptest_config(ProptestConfig { cases: 200, ..ProptestConfig::default() })]

    #[test]
    fn never_over_the_cap_and_never_over_the_rate(
        cap in 1_usize..12,
        count in 1_u32..400,
        per_millis in prop::sample::select(vec![100_u64, 1_000, 60_000]),
        script in prop::collection::vec((0_i64..400, 0_usize..20, outcomes()), 1..300),
    ) {
        let mut lane = Lane::new(cap, Some(Rate { count, per_millis }));
        let mut now = 1_764_583_800_000;
        let mut begun: Vec<i64> = Vec::new();
        for (step, ends, outcome) in script {
            now += step;
            for _ in 0..ends.min(lane.in_flight()) {
                lane.done(now, &outcome);
            }
            let next = lane.next_free(now);
            prop_assert_eq!(lane.free(now) > 0, next == Some(now));
            if let Some(later) = next.filter(|next| *next > now) {
                prop_assert_eq!(lane.free(later - 1), 0);
                prop_assert!(lane.free(later) > 0, "promised room at {} and had none", later);
            }
            while lane.free(now) > 0 {
                lane.take(now);
                begun.push(now);
            }
            prop_assert!(lane.in_flight() <= cap);
        }
        let period = i64::try_from(per_millis).unwrap();
        for (index, start) in begun.iter().enumerate() {
            let within = begun[index..].iter().take_while(|at| **at < start + period).count();
            prop_assert!(within <= count as usize, "{} in a period of {}", within, count);
        }
    }

    #[test]
    fn a_lane_that_is_always_asked_comes_close_to_its_rate(count in 1_u32..500) {
        let mut lane = Lane::new(1_000, Some(Rate { count, per_millis: 1_000 }));
        let mut begun = 0_u32;
        for now in 0..10_000 {
            while lane.free(now) > 0 {
                lane.take(now);
                lane.done(now, &Tried::default());
                begun += 1;
            }
        }
        prop_assert!(f64::from(begun) >= f64::from(count) * 10.0 * 0.94, "{begun} of {count}/s");
    }
}
