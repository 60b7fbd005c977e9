//! The API as its callers see it: the documents' own calls, the guide's columns, and every
//! way to be refused. The real rule files decide, on the store that lives in memory.
#![allow(
    clippy::expect_used,
    clippy::panic,
    unreachable_pub,
    reason = "a test stops at a surprise"
)]

mod rights;
mod world;

use std::sync::Arc;
use std::sync::atomic::Ordering;

use axum::body::Body;
use axum::http::StatusCode;
use rulerun::serve::api::{health, router};
use rulerun::serve::app::RulesState;
use serde_json::{Value, json};

use world::{NOW, app, app_with, call, get, lead, noshow, request, send, webhook};

#[tokio::test]
async fn the_documents_monitoring_lines_print_something_sensible() {
    let app = app();
    let router = router(Arc::clone(&app));
    let id = webhook(&app, "christmas/noshow-recovery-handler", noshow()).await;

    let list = get(&router, "/api/v1/executions").await.body;
    assert_eq!(list["total"], 1);
    let first = &list["results"][0];
    assert_eq!((&first["id"], &first["flowId"]), (&json!(id), &json!("noshow-recovery-handler")));
    assert!(first["state"]["current"].is_string(), "{first}");

    let one = get(&router, &format!("/api/v1/executions/{id}")).await.body;
    assert_eq!(one["namespace"], "christmas");
    assert_eq!(one["inputs"], noshow());
    assert_eq!(one["state"]["startDate"], NOW);

    let logs = get(&router, &format!("/api/v1/executions/{id}/logs")).await.body;
    assert!(logs.as_array().is_some_and(|lines| !lines.is_empty()), "{logs}");
    assert_eq!(logs[0]["executionId"], json!(id));
    assert_eq!(get(&router, &format!("/api/v1/logs/{id}")).await.body, logs);

    for filter in [
        "flowId=christmas.handlers.noshow-recovery-handler",
        "flowId=noshow-recovery-handler&namespace=christmas/handlers",
        "namespace=christmas.handlers&size=10&page=1&sort=state.startDate:desc",
        "state=CREATED,PAUSED,RUNNING",
        "q=sarah@example.com",
        "startDate=2025-12-01&endDate=2025-12-02",
    ] {
        let found = get(&router, &format!("/api/v1/executions/search?{filter}")).await;
        assert_eq!(found.body["total"], 1, "{filter}: {}", found.text);
    }
    for filter in
        ["flowId=signup-handler", "state=KILLED", "endDate=2025-12-01", "labels=refused:422"]
    {
        let found = get(&router, &format!("/api/v1/executions?{filter}")).await;
        assert_eq!(found.body["total"], 0, "{filter}: {}", found.text);
    }
}

#[tokio::test]
async fn what_cannot_be_answered_is_refused_with_its_reason() {
    let router = router(app());
    for (path, status, part) in [
        ("/api/v1/executions?flowid=x", 400, "Did you mean `flowId`?"),
        ("/api/v1/executions?size=5000", 400, "1 to 1000"),
        ("/api/v1/executions?state=PAUSE", 400, "Did you mean `PAUSED`?"),
        ("/api/v1/executions?sort=id:asc", 400, "newest first"),
        ("/api/v1/executions/nosuchexecutionhere0000", 404, "no execution"),
        ("/api/v1/flows/christmass", 404, "Did you mean `christmas`?"),
        ("/api/v1/flows/christmas/signup-handlr", 404, "Did you mean `signup-handler`?"),
        ("/api/v1/queue?status=sendin", 400, "Did you mean `sending`?"),
        ("/api/v1/queue/x", 404, "no job"),
        ("/api/v1/records/leed", 404, "Did you mean `lead`?"),
        ("/api/v1/records/lead/1", 404, "no lead"),
        ("/api/v1/contacts/nobody@example.com", 404, "Nothing is known"),
        ("/api/v1/sequences?sequence=onbording", 404, "Did you mean `onboarding`?"),
        ("/api/v1/nothing", 404, "Not Found"),
        ("/api/v1/executions/x/follow", 501, "comes later"),
    ] {
        let reply = get(&router, path).await;
        assert_eq!(reply.status.as_u16(), status, "{path}: {}", reply.text);
        let message = reply.body["message"].as_str().unwrap_or_default();
        assert!(message.contains(part), "{path}: {}", reply.text);
        assert_eq!(reply.body["detail"], reply.body["message"]);
    }
    let wrong = call(&router, "DELETE", "/api/v1/flows", Value::Null).await;
    assert_eq!(wrong.status, StatusCode::METHOD_NOT_ALLOWED);
    assert_eq!(wrong.headers["allow"], "GET,HEAD");
    assert!(wrong.body["message"].is_string());
}

#[tokio::test]
async fn flows_are_the_endpoints_under_every_name_of_their_namespace() {
    let router = router(app());
    let all = get(&router, "/api/v1/flows").await.body;
    let named = |flow: &&Value| flow["id"] == "signup-handler" && flow["namespace"] == "christmas";
    assert!(all.as_array().expect("an array").iter().any(|flow| named(&flow)), "{all}");
    for path in [
        "christmas/signup-handler",
        "christmas.handlers/signup-handler",
        "christmas/handlers/signup-handler",
    ] {
        let flow = get(&router, &format!("/api/v1/flows/{path}")).await.body;
        assert_eq!(flow["id"], "signup-handler", "{path}: {flow}");
        assert_eq!(flow["disabled"], false);
        assert!(flow["source"].as_str().is_some_and(|source| source.contains("endpoint")));
    }
    for path in ["christmas", "christmas.handlers", "christmas/handlers"] {
        let flows = get(&router, &format!("/api/v1/flows/{path}")).await.body;
        assert_eq!(flows.as_array().map(Vec::len), Some(5), "{path}");
    }
    assert_eq!(get(&router, "/api/v1/flows/search?q=NOSHOW").await.body["total"], 1);
}

#[tokio::test]
async fn an_event_is_queued_once_it_fits_its_schema() {
    let router = router(app());
    let sent = call(&router, "POST", "/api/v1/events/lead_scraped", lead()).await;
    assert_eq!(sent.status, StatusCode::ACCEPTED, "{}", sent.text);
    assert_eq!(sent.body["state"], "CREATED");
    let logged = get(&router, "/api/v1/webhook-logs?direction=incoming").await.body;
    assert_eq!(logged["results"][0]["response_status"], 202, "{logged}");

    let queue = get(&router, "/api/v1/queue?status=pending&event_type=lead_scraped").await.body;
    assert_eq!(queue["total"], 1);
    let job = &queue["results"][0];
    assert_eq!(job["payload"], lead());
    assert_eq!(job["entity_type"], "lead");
    assert_eq!(job["entity_id"], "123");
    assert_eq!(job["webhook_url"], "http://localhost:5678/webhook/lead-scraped");
    assert_eq!((&job["retry_count"], &job["max_retries"]), (&json!(0), &json!(3)));
    assert_eq!((&job["status"], &job["service"]), (&json!("pending"), &json!("n8n")));
    assert_eq!(job["execution_id"], sent.body["id"]);

    let wrong = json!({ "lead_id": "123", "busines_name": "Acme Inc" });
    let refused = call(&router, "POST", "/api/v1/events/lead_scraped", wrong).await;
    assert_eq!(refused.status, StatusCode::UNPROCESSABLE_ENTITY, "{}", refused.text);
    let errors = refused.body["errors"].as_array().expect("every problem");
    assert!(errors.iter().all(|error| error["path"].is_string() && error["message"].is_string()));
    assert!(errors.iter().any(|error| error["path"] == "lead_id"), "{errors:?}");

    let unknown = call(&router, "POST", "/api/v1/events/lead_scrapd", lead()).await;
    assert_eq!(unknown.status, StatusCode::NOT_FOUND);
    assert!(unknown.text.contains("Did you mean `lead_scraped`?"), "{}", unknown.text);
}

#[tokio::test]
async fn an_event_with_an_idempotency_key_is_queued_once() {
    let router = router(app());
    let keyed = |body: Value| {
        request("POST", "/api/v1/events/lead_scraped", &[("idempotency-key", "k1")], Some(body))
    };
    let first = send(&router, keyed(lead())).await;
    let again = send(&router, keyed(lead())).await;
    assert_eq!(again.status, StatusCode::ACCEPTED);
    assert_eq!(again.body["id"], first.body["id"]);
    assert_eq!(again.headers["idempotent-replay"], "true");
    let other = send(&router, keyed(json!({ "lead_id": 5, "business_name": "Other" }))).await;
    assert_eq!(other.status, StatusCode::CONFLICT);
    assert_eq!(get(&router, "/api/v1/queue").await.body["total"], 1);
}

#[tokio::test]
async fn the_guides_test_call_skips_the_schema_and_says_so() {
    let router = router(app());
    let body =
        json!({ "event_type": "lead_scraped", "lead_id": 123, "data": { "name": "Test Lead" } });
    let sent = call(&router, "POST", "/api/v1/test/trigger-webhook", body).await;
    assert_eq!(sent.status, StatusCode::ACCEPTED, "{}", sent.text);
    assert!(sent.text.contains("not checked"), "{}", sent.text);
    let payload = json!({ "lead_id": 123, "name": "Test Lead" });
    assert_eq!(get(&router, "/api/v1/queue").await.body["results"][0]["payload"], payload);
    let id = sent.body["id"].as_str().expect("an id");
    let execution = get(&router, &format!("/api/v1/executions/{id}")).await.body;
    assert_eq!(execution["inputs"], payload);
}

#[tokio::test]
async fn a_job_can_be_cancelled_and_tried_again() {
    let router = router(app());
    call(&router, "POST", "/api/v1/events/lead_scraped", lead()).await;
    let job = get(&router, "/api/v1/queue").await.body["results"][0].clone();
    let path = format!("/api/v1/queue/{}", job["id"].as_str().expect("an id"));
    let stats = async || get(&router, "/api/v1/queue/stats").await.body;
    assert_eq!(
        stats().await,
        json!({ "pending": 1, "sending": 0, "sent": 0, "failed": 0, "cancelled": 0, "total": 1 })
    );

    let early = call(&router, "POST", &format!("{path}/retry"), Value::Null).await;
    assert_eq!(early.status, StatusCode::CONFLICT, "a pending job needs no retry");
    assert_eq!(call(&router, "DELETE", &path, Value::Null).await.body["cancelled"], 1);
    assert_eq!(stats().await["cancelled"], 1);
    assert_eq!(call(&router, "DELETE", &path, Value::Null).await.status, StatusCode::CONFLICT);
    assert_eq!(get(&router, &path).await.body["retry_history"], json!([]));

    let groups = get(&router, "/api/v1/queue/stats?by=status,event_type,url").await.body;
    assert_eq!(groups["results"][0]["count"], 1);
    assert_eq!(groups["results"][0]["event_type"], "lead_scraped");

    let all = call(&router, "POST", "/api/v1/queue/retry", Value::Null).await;
    assert_eq!(all.status, StatusCode::BAD_REQUEST, "everything at once must be asked for");
    let failed =
        call(&router, "POST", "/api/v1/queue/retry?event_type=lead_scraped", Value::Null).await;
    assert_eq!(failed.body["retried"], 0, "cancelled jobs are not meant unless said");
    let again = call(&router, "POST", "/api/v1/queue/retry?status=cancelled", Value::Null).await;
    assert_eq!(again.body["retried"], 1, "{}", again.text);
    assert_eq!(stats().await["pending"], 1);
    let cleaned = call(&router, "POST", "/api/v1/queue/cleanup?days=30", Value::Null).await;
    assert_eq!(cleaned.body["removed"], 0);
}

#[tokio::test]
async fn writing_a_record_runs_its_rules() {
    let router = router(app());
    let path = "/api/v1/records/lead/123";
    let made = call(&router, "PUT", path, lead()).await;
    assert_eq!(made.status, StatusCode::OK, "{}", made.text);
    assert_eq!((&made.body["version"], &made.body["fields"]), (&json!(1), &lead()));
    let queued = async |event: &str| {
        get(&router, &format!("/api/v1/queue?event_type={event}")).await.body["total"].clone()
    };
    assert_eq!(queued("lead_scraped").await, 1, "on-create");

    let scored = call(&router, "PATCH", path, json!({ "score": 0.85 })).await;
    assert_eq!(scored.body["fields"]["business_name"], "Acme Inc", "merged: {}", scored.text);
    assert_eq!(queued("lead_qualified").await, 1, "on-change");

    let wrong = call(&router, "PATCH", path, json!({ "score": 7 })).await;
    assert_eq!(wrong.status, StatusCode::UNPROCESSABLE_ENTITY, "the merged record must fit");
    let partial = call(&router, "PUT", path, json!({ "score": 0.5 })).await;
    assert_eq!(partial.status, StatusCode::UNPROCESSABLE_ENTITY, "a whole record must fit");

    assert_eq!(get(&router, "/api/v1/records/lead").await.body["total"], 1);
    let gone = call(&router, "DELETE", path, Value::Null).await;
    assert_eq!((gone.status, gone.text.as_str()), (StatusCode::NO_CONTENT, ""));
    assert_eq!(get(&router, path).await.status, StatusCode::NOT_FOUND);
}

#[tokio::test]
async fn a_killed_execution_sends_nothing_more() {
    let app = app();
    let router = router(Arc::clone(&app));
    let id = webhook(&app, "christmas/noshow-recovery-handler", noshow()).await;
    let path = format!("/api/v1/executions/{id}/kill");
    let killed = call(&router, "DELETE", &path, Value::Null).await;
    assert_eq!(killed.status, StatusCode::ACCEPTED, "{}", killed.text);
    assert_eq!(killed.body["state"]["current"], "KILLED");
    assert_eq!(get(&router, "/api/v1/schedule").await.body["total"], 0);
    assert_eq!(get(&router, "/api/v1/sequences").await.body["results"][0]["state"], "stopped");
    let again = call(&router, "DELETE", &path, Value::Null).await;
    assert_eq!(again.status, StatusCode::ACCEPTED, "killing twice is fine, as in Kestra");
    let strict = format!("{path}?isOnKillCascade=false");
    assert_eq!(call(&router, "DELETE", &strict, Value::Null).await.status, StatusCode::CONFLICT);
}

#[tokio::test]
async fn a_person_and_what_is_to_come_can_be_looked_up() {
    let app = app();
    let router = router(Arc::clone(&app));
    webhook(&app, "christmas/noshow-recovery-handler", noshow()).await;

    let contact = get(&router, "/api/v1/contacts/SARAH%40example.com").await.body;
    assert_eq!(contact["email"], "sarah@example.com");
    assert_eq!(contact["enrolments"][0]["sequence"], "noshow-recovery", "{contact}");
    assert_eq!(contact["suppressions"], json!([]));

    let timeline = get(&router, "/api/v1/contacts/sarah@example.com/timeline").await.body;
    let entries = timeline["results"].as_array().expect("entries");
    assert_eq!(entries[0]["kind"], "received", "{timeline}");
    assert!(entries.iter().any(|entry| entry["kind"] == "scheduled"), "{timeline}");

    let due = |schedule: &Value| -> Vec<String> {
        let entries = schedule["results"].as_array().expect("entries");
        entries.iter().map(|entry| entry["due"].as_str().unwrap_or_default().to_owned()).collect()
    };
    let all = get(&router, "/api/v1/schedule").await.body;
    assert_eq!(due(&all), ["2025-12-01T10:35:00Z", "2025-12-02T10:30:00Z", "2025-12-03T10:30:00Z"]);
    let second = get(&router, "/api/v1/schedule?from=2025-12-02&to=2025-12-03").await.body;
    assert_eq!(due(&second), ["2025-12-02T10:30:00Z"]);

    let enrolled = get(&router, "/api/v1/sequences?sequence=noshow-recovery").await.body;
    assert_eq!(enrolled["results"][0]["next"]["step"], "noshow-1");
    assert_eq!(get(&router, "/api/v1/outbox").await.body["total"], 0);
}

#[tokio::test]
async fn readiness_tells_what_keeps_calls_away_and_what_only_looks_bad() {
    let app = app();
    let router = router(Arc::clone(&app));
    let ready = get(&router, "/readyz").await;
    assert_eq!((ready.status, &ready.body["rules"]), (StatusCode::OK, &json!("live")));

    call(&router, "POST", "/api/v1/queue/pause", Value::Null).await;
    let paused = get(&router, "/readyz").await;
    assert_eq!((paused.status, &paused.body["queue"]), (StatusCode::OK, &json!("paused")));
    call(&router, "POST", "/api/v1/queue/resume", Value::Null).await;
    assert_eq!(get(&router, "/readyz").await.body["queue"], "running");

    let problems = vec![json!({ "code": "unknown-word" }); 3];
    app.rules_state.store(Arc::new(RulesState { problems, loaded: 0 }));
    let stale = get(&router, "/readyz").await;
    assert_eq!(
        (stale.status, &stale.body["rules"]),
        (StatusCode::OK, &json!("stale (3 problems)"))
    );
    assert_eq!(
        get(&router, "/api/v1/status").await.body["rules"]["problems"][0]["code"],
        "unknown-word"
    );

    app.draining.store(true, Ordering::Relaxed);
    let draining = get(&router, "/readyz").await;
    assert_eq!(draining.status, StatusCode::SERVICE_UNAVAILABLE);
    assert_eq!(draining.body["reasons"], json!(["shutting down"]));
    assert_eq!(get(&router, "/livez").await.status, StatusCode::OK);
}

#[tokio::test]
async fn the_health_page_has_the_guides_shape() {
    let app = app();
    let live = app.live.load_full();
    let group = live.rules.webhooks.iter().find(|group| group.name == "n8n").expect("n8n");
    assert_eq!(
        health(&app, group),
        json!({
            "status": "healthy", "service": "webhook-responses", "timestamp": NOW,
            "webhook_config": {
                "enabled": true, "base_url": "http://localhost:5678", "security_enabled": true,
            },
        })
    );
}

#[tokio::test]
async fn only_this_machine_or_the_token_gets_in() {
    let open = router(app());
    let proxied = request("GET", "/api/v1/queue", &[("x-forwarded-for", "10.0.0.5")], None);
    let refused = send(&open, proxied).await;
    assert_eq!(refused.status, StatusCode::UNAUTHORIZED);
    assert_eq!(refused.headers["www-authenticate"], "Bearer");
    assert!(refused.body["detail"].is_string());
    let rebound = request("GET", "/metrics", &[("host", "evil.example.com")], None);
    assert_eq!(send(&open, rebound).await.status, StatusCode::UNAUTHORIZED);
    let page = [("origin", "https://evil.example.com")];
    let written = request("PUT", "/api/v1/records/lead/1", &page, Some(lead()));
    assert_eq!(send(&open, written).await.status, StatusCode::FORBIDDEN);

    let closed = router(app_with(Some("the token")));
    assert_eq!(get(&closed, "/api/v1/queue").await.status, StatusCode::UNAUTHORIZED);
    for (token, status) in [("Bearer the token", 200), ("Bearer another", 401), ("Basic x", 401)] {
        let headers = [("authorization", token), ("host", "rulerun.example.com")];
        let reply = send(&closed, request("GET", "/api/v1/queue", &headers, None)).await;
        assert_eq!(reply.status.as_u16(), status, "{token}");
    }
    assert_eq!(get(&closed, "/livez").await.status, StatusCode::OK);
    assert_eq!(get(&closed, "/readyz").await.status, StatusCode::OK);
}

#[tokio::test]
async fn a_body_that_is_no_small_json_object_is_refused() {
    let router = router(app());
    let post = |body: String| {
        let mut made = request("POST", "/api/v1/events/lead_scraped", &[], None);
        *made.body_mut() = Body::from(body);
        made
    };
    for (body, status) in [
        (String::from("{"), 400),
        (String::new(), 400),
        (String::from("[1]"), 400),
        (String::from("{\"lead_id\":1,\"lead_id\":2}"), 400),
        (format!("{{\"x\":\"{}\"}}", "y".repeat(300 * 1024)), 413),
    ] {
        let reply = send(&router, post(body)).await;
        assert_eq!(reply.status.as_u16(), status, "{}", reply.text);
    }
}

#[tokio::test]
async fn numbers_and_logs_are_there_for_monitoring() {
    let app = app();
    let router = router(Arc::clone(&app));
    call(&router, "POST", "/api/v1/events/lead_scraped", lead()).await;
    let metrics = get(&router, "/metrics").await.text;
    let line =
        "rulerun_queue_jobs{service=\"n8n\",event_type=\"lead_scraped\",state=\"pending\"} 1";
    assert!(metrics.contains(line), "{metrics}");
    assert!(metrics.ends_with("# EOF\n") && metrics.matches("# EOF").count() == 1, "{metrics}");

    webhook(&app, "christmas/noshow-recovery-handler", noshow()).await;
    let path =
        "/api/v1/webhook-logs?direction=incoming&event_type=noshow-recovery-handler&status=2xx";
    let logs = get(&router, path).await.body;
    assert_eq!(logs["results"][0]["url"], "christmas/noshow-recovery-handler", "{logs}");
    let by = "/api/v1/webhook-logs?by=direction,event_type,response_status";
    let groups = get(&router, by).await.body;
    assert_eq!(groups["results"][0]["count"], 1, "{groups}");
    assert!(groups["results"][0]["avg_duration_ms"].is_null(), "{groups}");
}
