//! The wall clock is set while something happens: a call that comes right after that, and an
//! attempt that was under way meanwhile, go by the clock as it is then. Ten years are what a
//! machine without a clock of its own may be set by.

use std::sync::Arc;
use std::time::Duration;

use rulerun::base::{Clock as _, time::millis};
use rulerun::serve::deliver::gate::{LaneState, PauseReason};
use rulerun::store::JobFilter;
use serde_json::json;

use crate::support::receiver::Receiver;
use crate::support::server::{Make, TestClock, TestServer, eventually};

const RULES: &str = r#"
service "n8n" { url (env)"N8N_BASE_URL"; retry "5s" }
events to="n8n" path="/hook" { event "ping" }
schema "ping" { n integer }
webhooks "in" {
    path "/in"
    endpoint "ping" { payload { n integer; }; send "ping" }
}
"#;

/// In seconds: an hour back, and ten years ahead.
const JUMPS: [i64; 2] = [-3_600, 10 * 365 * 24 * 3_600];

/// Longer than it takes until somebody looks at the clock.
const LOOKED: Duration = Duration::from_millis(1_300);

async fn start(receiver: &Receiver, clock: &Arc<TestClock>) -> TestServer {
    let make = Make::empty().env("N8N_BASE_URL", &receiver.url()).file("rules/a.kdl", RULES);
    make.clock(clock).start().await
}

async fn ping(server: &TestServer) {
    let answer = server.post("/in/ping", &json!({"n": 1})).await;
    assert_eq!(answer.status, 200, "{}", answer.text);
}

async fn sent(server: &TestServer) -> u64 {
    server.app().store.stats().await.unwrap().iter().map(|(_, stat)| stat.counts[2]).sum()
}

#[tokio::test(flavor = "multi_thread")]
async fn a_call_right_after_the_clock_was_set_is_delivered_at_once() {
    for jump in JUMPS {
        let clock = TestClock::at("2026-01-05T12:00:00Z");
        let receiver = Receiver::start(&[]).await;
        let server = start(&receiver, &clock).await;
        ping(&server).await;
        eventually("the first", || async { sent(&server).await == 1 }).await;
        clock.set(jump);
        ping(&server).await;
        eventually("the second", || async { sent(&server).await == 2 }).await;
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn an_attempt_that_ends_after_the_clock_was_set_is_retried_in_its_own_time() {
    for jump in JUMPS {
        let clock = TestClock::at("2026-01-05T12:00:00Z");
        let receiver = Receiver::start(&[429]).await;
        let server = start(&receiver, &clock).await;
        let (set, seen) = (Arc::clone(&clock), std::sync::Once::new());
        receiver.on_request(move |_| seen.call_once(|| set.set(jump)));
        ping(&server).await;
        let job = || async {
            let jobs = server.app().store.jobs(JobFilter::default(), 0, 1).await.unwrap();
            jobs.rows.into_iter().next().unwrap()
        };
        eventually("its outcome", || async { job().await.retries == 1 }).await;
        tokio::time::sleep(LOOKED).await;
        assert_eq!(receiver.seen().len(), 1, "tried too early");
        let (due, now) = (job().await.due, millis(clock.now()));
        assert!((4_500..=5_500).contains(&(due - now)), "by {jump}: due in {} ms", due - now);
        let until = clock.passing() + 1_000;
        let lane = server.app().gates.states(clock.passing()).remove(0);
        assert_eq!(lane.1, LaneState::Paused { until, why: PauseReason::Asked }, "by {jump}");
        // Nor when latecomers are looked for.
        server.advance(&clock, Duration::from_millis(1_500)).await;
        tokio::time::sleep(LOOKED).await;
        assert_eq!(receiver.seen().len(), 1, "tried too early, by {jump}");
        server.advance(&clock, Duration::from_millis(4_500)).await;
        eventually("the second attempt", || async { sent(&server).await == 1 }).await;
    }
}
