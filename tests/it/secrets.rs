//! Secrets stay secret: planted in every place that takes one, looked for in every answer.

use std::time::Duration;

use serde_json::json;

use crate::support::server::Make;

#[tokio::test(flavor = "multi_thread")]
async fn twenty_planted_secrets_are_found_nowhere() {
    const RULES: &str = r#"
server listen="127.0.0.1:8080" { api-token (env)"SECRET_0" }
sender "Acme <hello@example.com>"
service "n8n" {
    url (env)"URL"
    token (env)"SECRET_1"
    header "X-N8N-API-KEY" (env)"SECRET_2"
    sign scheme="body" { secret (env)"SECRET_3"; secret (env)"SECRET_4" }
    retry "1s"
}
service "notion" { url (env)"URL"; token (env)"SECRET_5"; database "d"; timeout "1s" }
service "mail" type="smtp" { url (env)"MAIL" }
events to="n8n" path="/hook" { event "ping" }
webhooks "in" {
    path "/in"
    endpoint "a" { key (env)"SECRET_8"; key (env)"SECRET_9"; save "contact" id="x" also-in="notion" { a "b" }; send "ping" }
    endpoint "b" { access { header "X-API-Key" (env)"SECRET_10" (env)"SECRET_11" } }
    endpoint "c" { access { signature scheme="standard" secret=(env)"SECRET_12" } }
    endpoint "d" { access { signature scheme="github" secret=(env)"SECRET_13" } }
    endpoint "e" { payload { email email }; start "news" }
    health "in"
}
sequence "news" to="{{email}}" kind="transactional" { email "news-1" after="0s" subject="News" }
"#;
    let secret = |number: usize| format!("planted-{number}-9f8e7d6c5b4a");
    let mut make = Make::empty()
        .env("URL", &format!("http://{}:{}@127.0.0.1:9/{}", secret(6), secret(7), "x"))
        .env("MAIL", &format!("smtp://{}:{}@127.0.0.1:9", secret(14), secret(15)))
        .file("rules/a.kdl", RULES)
        .file("rules/emails/news-1.md", "Hello\n");
    for number in 0..20 {
        make = make.env(&format!("SECRET_{number}"), &secret(number));
    }
    let server = make.start().await;
    let bearer = format!("Bearer {}", secret(0));
    let json = ("content-type", "application/json");
    let mut told = Vec::new();
    // Right and nearly right keys, signatures and tokens.
    for (path, name, value) in [
        (format!("/in/a/{}", secret(8)), "x-a", secret(16)),
        (format!("/in/a/{}x", secret(8)), "x-a", secret(16)),
        ("/in/b".into(), "x-api-key", secret(10)),
        ("/in/b".into(), "x-api-key", secret(11)),
        ("/in/c".into(), "webhook-signature", secret(17)),
        ("/in/d".into(), "x-hub-signature-256", secret(18)),
        ("/in/e".into(), "x-a", secret(19)),
    ] {
        let body = r#"{"email":"sarah@example.com"}"#;
        told.push(server.send("POST", &path, &[json, (name, &value)], body).await);
    }
    let accepted = told.iter().filter(|answer| answer.status == 200).count();
    assert_eq!(accepted, 3, "{told:?}");
    tokio::time::sleep(Duration::from_millis(500)).await;
    for path in [
        "/metrics",
        "/readyz",
        "/in/health",
        "/api/v1/status",
        "/api/v1/executions",
        "/api/v1/queue",
        "/api/v1/queue/stats?by=url,service",
        "/api/v1/webhook-logs",
        "/api/v1/flows",
        "/api/v1/outbox",
        "/api/v1/records/contact",
        "/api/v1/sequences",
        "/api/v1/rules",
        "/api/v1/calls",
        "/api/v1/schedule",
        "/api/v1/contacts/sarah@example.com/timeline",
    ] {
        let answer = server.send("GET", path, &[("authorization", &bearer)], "").await;
        assert_eq!(answer.status, 200, "{path}: {}", answer.text);
        told.push(answer);
        told.push(server.send("GET", path, &[("authorization", &format!("{bearer}x"))], "").await);
    }
    told.push(server.post("/nowhere/x", &json!({})).await);
    for answer in &told {
        for number in 0..20 {
            let held = format!("{} {:?}", answer.text, answer.headers).contains(&secret(number));
            assert!(!held, "secret {number} in {}", answer.text);
        }
    }
    let debug = format!("{:?}", server.app().live.load().endpoints);
    assert!(
        (0..20).all(|number| !debug.contains(&secret(number))),
        "not even in a debugger's words"
    );
}
