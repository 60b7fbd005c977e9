//! The five webhooks of the campaign, as the website calls them.

use std::sync::Arc;

use serde_json::{Value, json};

use crate::support::server::{CAMPAIGN, Make, TestServer};

fn assessment(status: &str) -> Value {
    json!({
        "email": "customer@example.com", "first_name": "Test", "business_name": "Test Corp",
        "red_systems": 2, "orange_systems": 1, "yellow_systems": 2, "green_systems": 3,
        "weakest_system_1": "GPS", "revenue_leak_total": 14700,
        "email_1_sent_at": now(), "email_1_status": status,
    })
}

fn noshow() -> Value {
    json!({
        "email": "customer@example.com", "first_name": "Sarah",
        "calendly_event_id": "evt_123abc", "scheduled_time": "2025-12-10T14:00:00Z",
    })
}

fn now() -> String {
    use rulerun::base::Clock as _;
    rulerun::base::time::format_time(rulerun::serve::clock::SystemClock.now())
}

async fn pending(server: &TestServer) -> Vec<Value> {
    let answer = server.get("/api/v1/queue?status=pending").await;
    answer.json()["results"].as_array().cloned().unwrap_or_default()
}

#[tokio::test(flavor = "multi_thread")]
async fn the_documents_sign_up_call_is_answered_as_documented() {
    let server = Make::campaigns().start().await;
    let body = json!({
        "email": "customer@example.com", "first_name": "Test", "business_name": "Test Corp",
    });
    for path in [
        format!("{CAMPAIGN}/signup-handler/signup-webhook-key"),
        "/api/v1/executions/webhook/christmas/signup-handler/signup-webhook-key".to_owned(),
        "/api/v1/main/executions/webhook/christmas/signup-handler/signup-webhook-key".to_owned(),
        "/api/v1/executions/webhook/christmas.handlers/signup-handler/signup-webhook-key"
            .to_owned(),
    ] {
        let answer = server.post(&path, &body).await;
        assert_eq!(answer.status, 200, "{path}: {}", answer.text);
        let json = answer.json();
        assert_eq!(json["state"], "CREATED");
        assert_eq!(json["id"].as_str().map(str::len), Some(22));
    }
    let contact = server.get("/api/v1/records/contact/customer@example.com").await;
    assert_eq!(contact.json()["fields"]["business_name"], "Test Corp", "{}", contact.text);
    assert!(pending(&server).await.is_empty(), "a sign-up sends no e-mail");
}

#[tokio::test(flavor = "multi_thread")]
async fn an_assessment_before_email_1_is_refused_with_the_rules_text_and_starts_nothing() {
    let server = Make::campaigns().start().await;
    let path = format!("{CAMPAIGN}/assessment-handler/assessment-webhook-key");
    let answer = server.post(&path, &assessment("failed")).await;
    assert_eq!(answer.status, 422, "{}", answer.text);
    let json = answer.json();
    assert_eq!(json["message"], "Send e-mail #1 first, then call this webhook.");
    assert_eq!(json["seen"]["email_1_status"], "failed");
    assert!(pending(&server).await.is_empty());
}

#[tokio::test(flavor = "multi_thread")]
async fn an_assessment_schedules_four_emails_from_email_1() {
    let server = Make::campaigns().start().await;
    let path = format!("{CAMPAIGN}/assessment-handler/assessment-webhook-key");
    let body = assessment("sent");
    let answer = server.post(&path, &body).await;
    assert_eq!(answer.status, 200, "{}", answer.text);
    let id = answer.json()["id"].as_str().expect("an id").to_owned();
    let logs = server.get(&format!("/api/v1/executions/{id}/logs")).await.json();
    let scheduled: Vec<&str> = logs
        .as_array()
        .expect("a list")
        .iter()
        .filter(|line| line["message"].as_str().is_some_and(|text| text.starts_with("scheduled")))
        .filter_map(|line| line["taskId"].as_str())
        .collect();
    assert_eq!(scheduled, ["assessment-2", "assessment-3", "assessment-4", "assessment-5"]);
    let enrolment = server
        .app()
        .store
        .enrolment("assessment-followup", "customer@example.com")
        .await
        .expect("a store")
        .expect("an enrolment");
    let base = rulerun::base::time::parse_time(body["email_1_sent_at"].as_str().expect("text"))
        .expect("a time");
    let zone = rulerun::base::Zone::get("America/New_York").expect("a zone");
    for ((_, due), days) in enrolment.plan.iter().zip([1, 3, 5, 7]) {
        let expected = rulerun::base::Delay { days, millis: 0 }.after(base, &zone);
        assert_eq!(*due, rulerun::base::time::millis(expected));
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 4)]
async fn fifty_equal_no_show_calls_at_once_start_one_sequence() {
    let server = Arc::new(Make::campaigns().on_disk().start().await);
    let path = format!("{CAMPAIGN}/noshow-recovery-handler/noshow-webhook-key");
    let mut calls = tokio::task::JoinSet::new();
    for _ in 0..50 {
        let (server, path) = (Arc::clone(&server), path.clone());
        calls.spawn(async move { server.post(&path, &noshow()).await.status });
    }
    while let Some(status) = calls.join_next().await {
        assert_eq!(status.expect("a call"), 200);
    }
    let enrolments = server.app().store.enrolments(None, 0, 100).await.expect("a store");
    assert_eq!(enrolments.rows.len(), 1);
    assert_eq!(pending(&server).await.len(), 1, "one next step");
}

#[tokio::test(flavor = "multi_thread")]
async fn nobody_can_tell_a_wrong_key_from_an_unknown_address() {
    let server = Make::campaigns().start().await;
    let mut texts = std::collections::BTreeSet::new();
    for path in [
        format!("{CAMPAIGN}/signup-handler/wrong"),
        format!("{CAMPAIGN}/signup-handler"),
        format!("{CAMPAIGN}/nothing/signup-webhook-key"),
        "/nowhere".to_owned(),
    ] {
        for method in ["POST", "GET", "OPTIONS", "DELETE"] {
            let answer =
                server.send(method, &path, &[("content-type", "application/json")], "").await;
            assert_eq!(answer.status, 404, "{method} {path}");
            texts.insert(answer.text);
        }
    }
    assert_eq!(texts.len(), 1, "{texts:?}");
}

#[tokio::test(flavor = "multi_thread")]
async fn what_is_not_a_fitting_json_call_gets_a_clear_answer() {
    let server = Make::campaigns().start().await;
    let path = format!("{CAMPAIGN}/signup-handler/signup-webhook-key");
    let json = ("content-type", "application/json");
    let big = format!("{{\"email\":\"{}\"}}", "x".repeat(300 * 1024));
    let deep = format!("{}{}", "[".repeat(200), "]".repeat(200));
    for (headers, body, status) in [
        (vec![], "{}", 415),
        (vec![("content-type", "text/plain")], "{}", 415),
        (vec![json, ("content-encoding", "gzip")], "{}", 415),
        (vec![json], "{", 400),
        (vec![json], "[]", 422),
        (vec![json], "{\"email\":\"a@example.com\",\"email\":\"b@example.com\"}", 400),
        (vec![json], deep.as_str(), 400),
        (vec![json], big.as_str(), 413),
    ] {
        let answer = server.send("POST", &path, &headers, body).await;
        assert_eq!(answer.status, status, "{}", &answer.text);
        assert!(answer.json()["detail"].is_string(), "{}", answer.text);
    }
    let answer = server.send("PUT", &path, &[json], "{}").await;
    assert_eq!((answer.status, answer.headers["allow"].as_str()), (405, "POST"));
    let misfit =
        server.post(&path, &json!({ "emial": "sarah@example.com", "first_name": 7 })).await;
    assert_eq!(misfit.status, 422);
    let problems = misfit.json()["errors"].as_array().expect("problems").clone();
    let paths: Vec<&str> = problems.iter().filter_map(|problem| problem["path"].as_str()).collect();
    assert!(
        paths.contains(&"email")
            && paths.contains(&"first_name")
            && paths.contains(&"business_name"),
        "{problems:?}"
    );
    assert!(misfit.text.contains("emial"), "{}", misfit.text);
}

#[tokio::test(flavor = "multi_thread")]
async fn a_browser_may_ask_before_it_calls() {
    let server = Make::campaigns().start().await;
    let path = format!("{CAMPAIGN}/signup-handler/signup-webhook-key");
    let asked = server.send("OPTIONS", &path, &[("origin", "https://www.example.com")], "").await;
    assert_eq!(asked.status, 204);
    assert_eq!(asked.headers["access-control-allow-origin"], "https://www.example.com");
    assert_eq!(asked.headers["access-control-allow-methods"], "POST");
    let stranger =
        server.send("OPTIONS", &path, &[("origin", "https://evil.example.com")], "").await;
    assert!(!stranger.headers.contains_key("access-control-allow-origin"));
    let total = server.get("/api/v1/executions").await.json()["total"].clone();
    assert_eq!(total, 0, "nothing ran");
}

#[tokio::test(flavor = "multi_thread")]
async fn the_same_idempotency_key_gets_the_first_answer_again() {
    let server = Make::campaigns().start().await;
    let path = format!("{CAMPAIGN}/signup-handler/signup-webhook-key");
    let headers = [("content-type", "application/json"), ("idempotency-key", "k1")];
    let body =
        json!({ "email": "a@example.com", "first_name": "A", "business_name": "B" }).to_string();
    let first = server.send("POST", &path, &headers, &body).await;
    let again = server.send("POST", &path, &headers, &body).await;
    assert_eq!(first.text, again.text);
    assert_eq!(again.headers["idempotent-replay"], "true");
    let other = server.send("POST", &path, &headers, &body.replace("\"A\"", "\"C\"")).await;
    assert_eq!(other.status, 409);
}

#[tokio::test(flavor = "multi_thread")]
async fn a_payment_ends_the_nurturing() {
    let server = Make::campaigns().start().await;
    server.post(&format!("{CAMPAIGN}/noshow-recovery-handler/noshow-webhook-key"), &noshow()).await;
    assert_eq!(pending(&server).await.len(), 1);
    let paid = json!({
        "email": "Customer@example.com", "first_name": "Sarah", "business_name": "Sarah's Salon",
        "payment_status": "paid", "payment_date": "2025-12-09T16:30:00Z", "package_type": "foundation",
    });
    let answer =
        server.post(&format!("{CAMPAIGN}/onboarding-handler/onboarding-webhook-key"), &paid).await;
    assert_eq!(answer.status, 200, "{}", answer.text);
    let left = pending(&server).await;
    assert_eq!(left.len(), 1, "{left:?}");
    assert_eq!(left[0]["event_type"], "onboarding-1");
}

#[tokio::test(flavor = "multi_thread")]
async fn the_documents_jq_lines_print_something_sensible() {
    let server = Make::campaigns().start().await;
    server.post(&format!("{CAMPAIGN}/noshow-recovery-handler/noshow-webhook-key"), &noshow()).await;
    // curl …/executions | jq '.results[] | {id, flowId, state}'
    let listed = server.get("/api/v1/executions").await.json();
    let execution = &listed["results"][0];
    assert_eq!(execution["flowId"], "noshow-recovery-handler");
    assert_eq!(execution["namespace"], "christmas");
    assert!(execution["state"]["current"].is_string());
    // curl …/executions?flowId=christmas.handlers.… | jq '.results[0].id'
    let id = execution["id"].as_str().expect("an id");
    let one = server.get("/api/v1/executions?flowId=christmas.noshow-recovery-handler").await;
    assert_eq!(one.json()["results"][0]["id"], id);
    assert_eq!(server.get(&format!("/api/v1/executions/{id}")).await.json()["id"], id);
    // curl …/logs | jq '.[]'
    assert!(
        server.get(&format!("/api/v1/executions/{id}/logs")).await.json()[0]["message"].is_string()
    );
    // curl …/flows | jq '.[] | {id, namespace}'
    let flows = server.get("/api/v1/flows").await.json();
    assert!(
        flows
            .as_array()
            .expect("a list")
            .iter()
            .any(|flow| { flow["id"] == "signup-handler" && flow["namespace"] == "christmas" })
    );
    assert_eq!(server.get("/api/v1/flows/christmas.handlers/signup-handler").await.status, 200);
}
