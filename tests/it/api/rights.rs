//! Who gets in: every call of the whole document, one by one.

use axum::http::StatusCode;
use rulerun::serve::api::{openapi, router};
use serde_json::json;

use super::world::{app, app_with, request, send};

/// What is answered to everybody: whether the server lives and is ready.
const OPEN: [&str; 2] = ["/livez", "/readyz"];

/// Every fixed call: its method and an address of it.
fn calls() -> Vec<(String, String)> {
    let live = app().live.load_full();
    let document = openapi::document(&live.rules, "http://localhost:8080");
    let mut calls = Vec::new();
    let webhooks: Vec<&String> =
        live.rules.endpoints.iter().flat_map(|endpoint| &endpoint.group.paths).collect();
    for (path, methods) in document["paths"].as_object().expect("paths") {
        if webhooks.iter().any(|hook| path.starts_with(hook.as_str()))
            || path.contains("unsubscribe")
        {
            continue;
        }
        let address: Vec<&str> =
            path.split('/').map(|part| if part.starts_with('{') { "x" } else { part }).collect();
        for method in methods.as_object().expect("methods").keys() {
            if ["get", "post", "put", "patch", "delete"].contains(&method.as_str()) {
                calls.push((method.to_uppercase(), address.join("/")));
            }
        }
    }
    calls
}

#[tokio::test]
async fn every_call_but_the_open_ones_wants_the_token() {
    let closed = router(app_with(Some("the token")));
    let calls = calls();
    let newer = [
        "/api/v1/rules",
        "/api/v1/executions/follow",
        "/api/v1/contacts/x/timeline",
        "/api/v1/schedule",
        "/api/v1/outbox/x",
        "/api/v1/suppressions",
        "/api/v1/suppressions/x",
        "/api/v1/sequences/x/active",
        "/api/v1/openapi.json",
    ];
    for path in newer {
        assert!(calls.iter().any(|(_, known)| known == path), "{path} is in {calls:?}");
    }
    let body = || Some(json!({}));
    for (method, path) in &calls {
        for headers in [
            &[][..],
            &[("authorization", "Bearer another")],
            &[("authorization", "Basic the token")],
        ] {
            let made = request(method, path, headers, body().filter(|_| method != "GET"));
            let status = send(&closed, made).await.status;
            if OPEN.contains(&path.as_str()) {
                assert_eq!(status, StatusCode::OK, "{method} {path}");
            } else {
                assert_eq!(status, StatusCode::UNAUTHORIZED, "{method} {path} with {headers:?}");
            }
        }
    }
    assert!(calls.len() > 40, "only {} calls", calls.len());
}

#[tokio::test]
async fn without_a_token_no_call_is_answered_to_another_machine_or_page() {
    let open = router(app());
    for (method, path) in calls().iter().filter(|(_, path)| !OPEN.contains(&path.as_str())) {
        let body = || Some(json!({})).filter(|_| method != "GET");
        for headers in [("x-forwarded-for", "10.0.0.5"), ("host", "evil.example.com")] {
            let status = send(&open, request(method, path, &[headers], body())).await.status;
            assert_eq!(status, StatusCode::UNAUTHORIZED, "{method} {path} with {headers:?}");
        }
        if method != "GET" {
            let page = [("origin", "https://evil.example.com")];
            let status = send(&open, request(method, path, &page, body())).await.status;
            assert_eq!(status, StatusCode::FORBIDDEN, "{method} {path}");
        }
    }
}

#[tokio::test]
async fn no_call_shows_a_secret() {
    let app = app_with(Some("the token"));
    let router = router(std::sync::Arc::clone(&app));
    let token = [("authorization", "Bearer the token")];
    for (_, path) in
        calls().iter().filter(|(method, path)| method == "GET" && !path.ends_with("/follow"))
    {
        let reply = send(&router, request("GET", path, &token, None)).await;
        // Every made-up secret of this world begins so.
        assert!(!reply.text.contains("a long enough value for"), "{path} shows a secret");
        assert!(!reply.text.contains("the token"), "{path} shows the token");
    }
}
