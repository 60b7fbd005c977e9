//! What `examples/christmas.test.kdl` expects, on the pure engine: weeks pass in a moment,
//! and whatever is not expected here must not happen.

use rulerun::store::Store as _;
use serde_json::{Value, json};

use crate::support::simulator::{Happened, Simulator};

const AT: &str = "2025-12-01T10:30:00Z";
const MINUTE: i64 = 60;
const HOUR: i64 = 60 * MINUTE;
const DAY: i64 = 24 * HOUR;

fn happened(expected: &[(i64, &str)]) -> Vec<Happened> {
    expected.iter().map(|(after, what)| (*after, (*what).to_owned())).collect()
}

#[tokio::test]
async fn a_sign_up_creates_a_contact_and_sends_no_email() {
    let mut world = Simulator::campaigns(AT);
    let body = json!({
        "email": "customer@example.com", "first_name": "Sarah", "business_name": "Sarah's Salon",
    });
    assert_eq!(world.post("christmas/signup-handler", &body).await.status, 200);
    assert_eq!(world.run_out().await, []);
    let contact = world.store.record("contact", "customer@example.com").await.unwrap().unwrap();
    assert_eq!(serde_json::from_str::<Value>(&contact.fields).unwrap(), body);
}

#[tokio::test]
async fn no_follow_ups_before_email_1_was_sent() {
    let mut world = Simulator::campaigns(AT);
    let body = world.example("assessment", &json!({ "email_1_status": "failed" }));
    let reply = world.post("christmas/assessment-handler", &body).await;
    assert_eq!(reply.status, 422);
    assert_eq!(reply.body["message"], "Send e-mail #1 first, then call this webhook.");
    assert_eq!(world.run_out().await, []);
}

#[tokio::test]
async fn follow_ups_count_from_email_1_and_not_from_the_call() {
    // The call comes six hours after e-mail #1.
    let mut world = Simulator::campaigns("2025-12-01T16:30:00Z");
    let body = world.example("assessment", &json!({}));
    assert_eq!(world.post("christmas/assessment-handler", &body).await.status, 200);
    let expected = [
        (DAY - 6 * HOUR, "email assessment-2"),
        (3 * DAY - 6 * HOUR, "email assessment-3"),
        (5 * DAY - 6 * HOUR, "email assessment-4"),
        (7 * DAY - 6 * HOUR, "email assessment-5"),
    ];
    assert_eq!(world.run_out().await, happened(&expected));
}

const RECOVERY: [(i64, &str); 3] =
    [(5 * MINUTE, "email noshow-1"), (24 * HOUR, "email noshow-2"), (48 * HOUR, "email noshow-3")];

#[tokio::test]
async fn three_recovery_emails_after_a_missed_call() {
    let mut world = Simulator::campaigns(AT);
    let body = world.example("noshow", &json!({}));
    assert_eq!(world.post("christmas/noshow-recovery-handler", &body).await.status, 200);
    assert_eq!(world.run_out().await, happened(&RECOVERY));
}

#[tokio::test]
async fn the_same_missed_call_does_not_start_twice() {
    let mut world = Simulator::campaigns(AT);
    let body = world.example("noshow", &json!({}));
    for _ in 0..2 {
        assert_eq!(world.post("christmas/noshow-recovery-handler", &body).await.status, 200);
    }
    assert_eq!(world.run_out().await, happened(&RECOVERY));
    assert_eq!(world.post("christmas/noshow-recovery-handler", &body).await.status, 200);
    assert_eq!(world.run_out().await, [], "not even when it is long over");
}

#[tokio::test]
async fn a_maybe_gets_three_emails_in_a_week() {
    let mut world = Simulator::campaigns(AT);
    let body = world.example("postcall", &json!({}));
    world.post("christmas/postcall-maybe-handler", &body).await;
    let expected =
        [(HOUR, "email postcall-1"), (3 * DAY, "email postcall-2"), (7 * DAY, "email postcall-3")];
    assert_eq!(world.run_out().await, happened(&expected));
}

#[tokio::test]
async fn a_payment_ends_the_nurturing_and_starts_the_onboarding() {
    let mut world = Simulator::campaigns(AT);
    for (endpoint, schema) in
        [("noshow-recovery-handler", "noshow"), ("postcall-maybe-handler", "postcall")]
    {
        let body = world.example(schema, &json!({}));
        world.post(&format!("christmas/{endpoint}"), &body).await;
    }
    let body = world.example("onboarding", &json!({ "email": "Customer@Example.com" }));
    assert_eq!(world.post("christmas/onboarding-handler", &body).await.status, 200);
    let expected = [
        (HOUR, "email onboarding-1"),
        (DAY, "email onboarding-2"),
        (3 * DAY, "email onboarding-3"),
    ];
    assert_eq!(world.run_out().await, happened(&expected));
}

#[tokio::test]
async fn an_approved_demo_answers_with_its_lead_and_the_next_step() {
    let mut world = Simulator::campaigns(AT);
    let demo = world.example("demo_completed", &json!({}));
    world.send("demo_completed", &demo).await;
    let approval = world.example("demo_approval", &json!({}));
    let reply = world.post("n8n/demo-approval", &approval).await;
    assert_eq!(reply.status, 200);
    for (field, value) in [
        ("status", json!("approved")),
        ("lead_id", json!(123)),
        ("next_step", json!("video_generation")),
    ] {
        assert_eq!(reply.body[field], value, "{field}");
    }
    assert_eq!(world.run_out().await, happened(&[(0, "event demo_completed to n8n")]));
}

#[tokio::test]
async fn n8n_is_down_three_retries_then_failed() {
    let mut world = Simulator::campaigns(AT);
    world.takes_down("n8n");
    let lead = world.example("lead_scraped", &json!({}));
    world.send("lead_scraped", &lead).await;
    let expected = [
        (0, "event lead_scraped to n8n"),
        (5, "retry lead_scraped to n8n"),
        (35, "retry lead_scraped to n8n"),
        (335, "retry lead_scraped to n8n"),
        (335, "failed lead_scraped"),
    ];
    assert_eq!(world.run_out().await, happened(&expected));
}
