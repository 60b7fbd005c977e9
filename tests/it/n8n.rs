//! n8n in both directions: what it sends is checked and answered from what is remembered,
//! what it gets is signed, retried and the same on every attempt.

use std::io::Write as _;
use std::process::{Command, Stdio};
use std::time::Duration;

use base64::Engine as _;
use hmac::{Hmac, KeyInit as _, Mac as _};
use rulerun::serve::server::StartError;
use serde_json::{Value, json};
use sha2::Sha256;

use crate::support::receiver::{Received, Receiver};
use crate::support::server::{Answer, Make, TestClock, TestServer, eventually};
use crate::support::{python, script};

const SECRET: &str = "your-n8n-webhook-secret-here";
const APPROVAL: &str = "/api/v1/webhooks/n8n/demo-approval";

/// The guide's signature: hex HMAC-SHA256 of the body.
fn signature(secret: &str, body: &str) -> String {
    let mut mac = Hmac::<Sha256>::new_from_slice(secret.as_bytes()).expect("any key");
    mac.update(body.as_bytes());
    hex::encode(mac.finalize().into_bytes())
}

async fn signed(server: &TestServer, path: &str, header: &str, body: &str) -> Answer {
    let signature = signature(SECRET, body);
    let headers = [("content-type", "application/json"), (header, signature.as_str())];
    server.send("POST", path, &headers, body).await
}

fn demo_completed() -> Value {
    json!({ "demo_site_id": 456, "url": "https://demo.example.com", "lead_id": 123 })
}

#[tokio::test(flavor = "multi_thread")]
async fn an_approval_answers_from_the_remembered_demo() {
    let server = Make::campaigns().start().await;
    let body = r#"{"demo_id": 456, "approved": true}"#;
    let unknown = signed(&server, APPROVAL, "x-n8n-signature", body).await;
    assert_eq!(
        (unknown.status, unknown.json()["detail"].as_str()),
        (404, Some("Demo site not found"))
    );

    let event = server.post("/api/v1/events/demo_completed", &demo_completed()).await;
    assert_eq!(event.status, 202, "{}", event.text);
    let approved = signed(&server, APPROVAL, "x-n8n-signature", body).await;
    assert_eq!(approved.status, 200, "{}", approved.text);
    assert_eq!(
        approved.json(),
        json!({
            "status": "approved", "demo_id": 456, "lead_id": 123, "action": "continue",
            "next_step": "video_generation", "message": "Demo approved, triggering video generation",
        })
    );
    let no = r#"{"demo_id": 456, "approved": false}"#;
    let rejected = signed(&server, APPROVAL, "x-webhook-signature-256", no).await.json();
    assert_eq!(rejected["status"], "rejected");
    assert_eq!(rejected["next_step"], Value::Null);
}

#[tokio::test(flavor = "multi_thread")]
async fn a_wrong_or_missing_signature_or_an_old_time_is_401() {
    let server = Make::campaigns().start().await;
    let body = r#"{"demo_id": 456, "approved": true}"#;
    let json = ("content-type", "application/json");
    let good = signature(SECRET, body);
    for headers in [
        vec![json],
        vec![json, ("x-n8n-signature", "00")],
        vec![json, ("x-n8n-signature", &signature("other", body))],
        vec![json, ("x-n8n-signature", &good), ("x-webhook-timestamp", "1600000000")],
        vec![json, ("x-n8n-signature", &good), ("x-webhook-timestamp", "soon")],
    ] {
        let answer = server.send("POST", APPROVAL, &headers, body).await;
        assert_eq!(answer.status, 401, "{headers:?}: {}", answer.text);
        assert!(!answer.text.contains(&good), "the answer must not help");
    }
    let spaced = r#"{"demo_id":456,"approved":true}"#;
    let answer = server.send("POST", APPROVAL, &[json, ("x-n8n-signature", &good)], spaced).await;
    assert_eq!(answer.status, 401, "the signature is over the raw bytes");
}

#[tokio::test(flavor = "multi_thread")]
async fn the_same_signed_report_counts_once_unless_it_may_repeat() {
    let server = Make::campaigns().start().await;
    server.post("/api/v1/events/demo_completed", &demo_completed()).await;
    let body = r#"{"demo_id": 456, "approved": true}"#;
    let first = signed(&server, APPROVAL, "x-n8n-signature", body).await;
    let again = signed(&server, APPROVAL, "x-n8n-signature", body).await;
    assert!(!first.headers.contains_key("idempotent-replay"));
    assert_eq!(again.headers["idempotent-replay"], "true");
    let status = r#"{"workflow_id": "w", "current_step": "demo"}"#;
    let path = "/api/v1/webhooks/n8n/workflow-status";
    signed(&server, path, "x-n8n-signature", status).await;
    let again = signed(&server, path, "x-n8n-signature", status).await;
    assert_eq!(again.status, 200);
    assert!(!again.headers.contains_key("idempotent-replay"));
}

#[tokio::test(flavor = "multi_thread")]
async fn a_repeated_call_gets_its_first_answer_even_where_it_would_be_refused_now() {
    let server = Make::campaigns().start().await;
    server.post("/api/v1/events/demo_completed", &demo_completed()).await;
    let body = r#"{"demo_id": 456, "approved": true}"#;
    let first = signed(&server, APPROVAL, "x-n8n-signature", body).await;
    assert_eq!(first.status, 200, "{}", first.text);
    let gone = server.send("DELETE", "/api/v1/records/demo/456", &[], "").await;
    assert_eq!(gone.status, 204, "{}", gone.text);
    let again = signed(&server, APPROVAL, "x-n8n-signature", body).await;
    assert_eq!((again.status, again.text), (200, first.text));
    assert_eq!(again.headers["idempotent-replay"], "true");
    let other = r#"{"demo_id": 456, "approved": false}"#;
    let refused = signed(&server, APPROVAL, "x-n8n-signature", other).await;
    assert_eq!(refused.status, 404, "a call that is new is still refused");
    let refused = signed(&server, APPROVAL, "x-n8n-signature", other).await;
    assert_eq!(refused.status, 404, "and a refusal binds no key");
}

#[tokio::test(flavor = "multi_thread")]
async fn a_server_whose_check_has_no_secret_does_not_start() {
    let refused = Make::campaigns().env("N8N_WEBHOOK_SECRET", "").try_start().await;
    let Err(StartError::Rules(_, found)) = refused else { panic!("it started") };
    assert!(found.iter().any(
        |found| found.code == "missing-setting" && found.message.contains("N8N_WEBHOOK_SECRET")
    ));
}

#[tokio::test(flavor = "multi_thread")]
async fn an_ip_check_without_its_list_is_never_skipped() {
    let rules = r#"
webhooks "in" {
    path "/in"
    access { ip (env)"OFFICE" optional=#true }
    endpoint "a" { payload { n integer } }
}
"#;
    let refused = Make::empty().file("rules/a.kdl", rules).try_start().await;
    let Err(StartError::Rules(_, found)) = refused else { panic!("it started") };
    assert!(found.iter().any(|found| found.message == "OFFICE is not set"), "{found:?}");
    let server = Make::empty().file("rules/a.kdl", rules).env("OFFICE", "10.0.0.0/8").start().await;
    assert_eq!(server.post("/in/a", &json!({ "n": 1 })).await.status, 403);
}

#[tokio::test(flavor = "multi_thread")]
async fn the_health_page_has_the_guides_shape() {
    let server = Make::campaigns().env("N8N_ENABLED", "true").start().await;
    let health = server.get("/api/v1/webhooks/n8n/health").await;
    assert_eq!(health.status, 200);
    let json = health.json();
    assert_eq!(json["status"], "healthy");
    assert_eq!(json["service"], "webhook-responses");
    assert_eq!(json["webhook_config"]["enabled"], true);
    assert_eq!(json["webhook_config"]["base_url"], "http://localhost:5678");
    assert_eq!(json["webhook_config"]["security_enabled"], true);
}

async fn with_receiver(receiver: &Receiver, make: Make) -> TestServer {
    make.env("N8N_ENABLED", "true").env("N8N_WEBHOOK_BASE_URL", &receiver.url()).start().await
}

#[tokio::test(flavor = "multi_thread")]
async fn a_delivery_verifies_with_foreign_libraries() {
    let Some(python) = python() else { return };
    let secret = format!("whsec_{}", base64::engine::general_purpose::STANDARD.encode([7; 24]));
    let receiver = Receiver::start(&[]).await;
    let server = with_receiver(&receiver, Make::campaigns().env("WEBHOOK_SECRET", &secret)).await;
    let lead = json!({ "lead_id": 123, "business_name": "Müller & Söhne" });
    assert_eq!(server.post("/api/v1/events/lead_scraped", &lead).await.status, 202);
    eventually("the delivery arrives", || async { receiver.seen().len() == 1 }).await;
    let request = receiver.seen().remove(0);
    assert_eq!(request.path, "/webhook/lead-scraped");
    assert_eq!(serde_json::from_slice::<Value>(&request.body).expect("JSON"), lead);
    for checker in ["verify_standard.py", "verify_guide.py"] {
        assert_eq!(verify(&python, checker, &secret, &request), "ok", "{checker}");
        let mut forged = request.clone();
        forged.body.push(b' ');
        assert!(verify(&python, checker, &secret, &forged).starts_with("bad"), "{checker}");
    }
}

/// Asks one of the Python checkers about a request.
fn verify(python: &std::path::Path, checker: &str, secret: &str, request: &Received) -> String {
    let body = base64::engine::general_purpose::STANDARD.encode(&request.body);
    let line = json!({ "secret": secret, "headers": request.headers, "body": body }).to_string();
    let mut child = Command::new(python)
        .arg(script(checker))
        .stdin(Stdio::piped())
        .stdout(Stdio::piped())
        .spawn()
        .expect("Python");
    let mut stdin = child.stdin.take().expect("its input");
    writeln!(stdin, "{line}").expect("written");
    drop(stdin);
    let output = child.wait_with_output().expect("an answer");
    String::from_utf8_lossy(&output.stdout).trim().to_owned()
}

#[tokio::test(flavor = "multi_thread")]
async fn three_failures_are_retried_with_the_same_bytes_then_a_person_sends_it() {
    let clock = TestClock::at("2026-01-05T12:00:00Z");
    let receiver = Receiver::start(&[503, 503, 503, 503]).await;
    let server = with_receiver(&receiver, Make::campaigns().clock(&clock)).await;
    let lead = json!({ "lead_id": 123, "business_name": "Acme Inc" });
    let queued = server.post("/api/v1/events/lead_scraped", &lead).await.json();
    for (attempts, wait) in [(1, 5), (2, 30), (3, 300)] {
        eventually("an attempt", || async { receiver.seen().len() == attempts }).await;
        // What came back is written down before the clock goes on.
        let waits = || async {
            let job = server.get("/api/v1/queue").await.json()["results"][0].clone();
            job["status"] == "pending" && job["attempts"] == attempts
        };
        eventually("it waits", waits).await;
        server.advance(&clock, Duration::from_secs(wait - 1)).await;
        assert_eq!(receiver.seen().len(), attempts, "not before {wait} s");
        server.advance(&clock, Duration::from_secs(1)).await;
    }
    eventually("the last attempt", || async { receiver.seen().len() == 4 }).await;
    let failed = || async {
        let listed = server.get("/api/v1/queue?status=failed").await.json();
        listed["total"] == 1
    };
    eventually("it has failed", failed).await;
    let job = server.get("/api/v1/queue?status=failed").await.json()["results"][0].clone();
    assert_eq!(job["retry_count"], 3);
    assert_eq!(job["event_type"], "lead_scraped");
    let id = job["id"].as_str().expect("an id").to_owned();
    assert!(queued["id"].is_string());

    let retried = server.send("POST", &format!("/api/v1/queue/{id}/retry"), &[], "").await;
    assert_eq!(retried.status, 200, "{}", retried.text);
    eventually("it is delivered", || async { receiver.seen().len() == 5 }).await;
    let seen = receiver.seen();
    assert!(seen.iter().all(|request| request.body == seen[0].body));
    assert!(seen.iter().all(|request| request.headers["webhook-id"] == id));
    let stats = || async { server.get("/api/v1/queue/stats").await.json()["sent"] == 1 };
    eventually("the counts agree", stats).await;
    let shown = server.get(&format!("/api/v1/queue/{id}")).await.json();
    assert_eq!(shown["retry_history"].as_array().map(Vec::len), Some(5), "{shown}");
}

#[tokio::test(flavor = "multi_thread")]
async fn gone_stops_an_event_and_a_plain_refusal_is_final() {
    let receiver = Receiver::start(&[410, 400]).await;
    let server = with_receiver(&receiver, Make::campaigns()).await;
    let lead = json!({ "lead_id": 1, "business_name": "Acme Inc" });
    server.post("/api/v1/events/lead_scraped", &lead).await;
    eventually("the 410", || async { receiver.seen().len() == 1 }).await;
    let failures = |count: u64| {
        let server = &server;
        move || async move { server.get("/api/v1/queue/stats").await.json()["failed"] == count }
    };
    eventually("it has failed", failures(1)).await;
    server
        .post("/api/v1/events/lead_scraped", &json!({ "lead_id": 2, "business_name": "B" }))
        .await;
    eventually("the next one fails unsent", failures(2)).await;
    assert_eq!(receiver.seen().len(), 1);
    server.post("/api/v1/events/lead_responded", &json!({ "lead_id": 1, "message": "Yes" })).await;
    eventually("another event still goes, and 400 is final", failures(3)).await;
    assert_eq!(receiver.seen().len(), 2);
}

#[tokio::test(flavor = "multi_thread")]
async fn a_lead_that_becomes_good_enough_is_reported_once() {
    let receiver = Receiver::start(&[]).await;
    let server = with_receiver(&receiver, Make::campaigns()).await;
    let json = [("content-type", "application/json")];
    let put = |score: f64| {
        json!({ "lead_id": 5, "business_name": "Acme Inc", "score": score }).to_string()
    };
    for score in [0.5, 0.8, 0.9] {
        let answer = server.send("PUT", "/api/v1/records/lead/5", &json, &put(score)).await;
        assert_eq!(answer.status, 200, "{}", answer.text);
    }
    eventually("both events", || async { receiver.seen().len() == 2 }).await;
    tokio::time::sleep(Duration::from_millis(200)).await;
    let mut paths: Vec<String> = receiver.seen().into_iter().map(|request| request.path).collect();
    paths.sort();
    assert_eq!(paths, ["/webhook/lead-qualified", "/webhook/lead-scraped"]);
}

#[tokio::test(flavor = "multi_thread")]
async fn the_guides_trigger_sends_any_event_unchecked() {
    let receiver = Receiver::start(&[]).await;
    let server = with_receiver(&receiver, Make::campaigns()).await;
    let body =
        json!({ "event_type": "lead_scraped", "lead_id": 123, "data": { "name": "Test Lead" } });
    let answer = server.post("/api/v1/test/trigger-webhook", &body).await;
    assert!((200..300).contains(&answer.status), "{}", answer.text);
    eventually("it arrives", || async { receiver.seen().len() == 1 }).await;
    let sent: Value = serde_json::from_slice(&receiver.seen()[0].body).expect("JSON");
    assert_eq!(sent["name"], "Test Lead");
    let wrong = server.post("/api/v1/events/lead_scraped", &json!({ "lead_id": "x" })).await;
    assert_eq!(wrong.status, 422, "{}", wrong.text);
}
