//! The stand-ins for Resend, Postmark and Notion are driven by the vendors' own client
//! libraries. What those libraries understand, send and complain of is what rulerun is held
//! against in the other tests.

use std::process::Command;

use serde_json::{Value, json};

use crate::mirror::COLUMNS;
use crate::providers::{Row, postmark_errors, resend_errors};
use crate::support::notion::Notion;
use crate::support::postmark::{self, Postmark};
use crate::support::resend::Resend;
use crate::support::stand_in::{Said, StandIn, Vendor};
use crate::support::{node_modules, script};

/// What the vendor's library made of the stand-in's answers.
fn driven(modules: &std::path::Path, vendor: &str, url: &str) -> Vec<Value> {
    let output = Command::new("node")
        .arg(script("../node/vendors.cjs"))
        .args([vendor, url])
        .env("NODE_PATH", modules)
        .output()
        .unwrap();
    assert!(output.status.success(), "{}", String::from_utf8_lossy(&output.stderr));
    serde_json::from_slice(&output.stdout).unwrap()
}

#[tokio::test(flavor = "multi_thread")]
async fn resends_own_library_finds_resend() {
    let Some(modules) = node_modules() else { return };
    let stand_in = StandIn::start(Resend::default()).await;
    stand_in.vendor.lock().unwrap().limit = 10;
    let results = driven(&modules, "resend", &stand_in.url);
    let ids: Vec<&Value> = results.iter().map(|result| &result["data"]["id"]).collect();
    assert!(ids[0].is_string(), "{:?}", results[0]);
    assert_eq!(ids[1], ids[0], "the same key and body");
    assert_ne!(ids[4], ids[0], "another key");
    assert_eq!(results[5]["data"]["subject"], "Hi");
    let errors: Vec<_> = results
        .iter()
        .map(|result| &result["error"])
        .filter(|error| !error.is_null())
        .map(|error| (error["statusCode"].as_u64().unwrap(), error["name"].as_str().unwrap()))
        .collect();
    assert_eq!(
        errors,
        [
            (409, "invalid_idempotent_request"),
            (400, "invalid_idempotency_key"),
            (403, "invalid_api_key"),
            (422, "missing_required_field"),
            (403, "validation_error"),
            (422, "validation_error"),
            (429, "rate_limit_exceeded"),
        ]
    );
    assert_eq!(results[0]["remaining"], "9");
    assert_eq!(stand_in.vendor.lock().unwrap().sent.len(), 3);
    let calls = stand_in.calls();
    let body = &calls[0];
    assert!(body.header("user-agent").starts_with("resend-node"), "{body:?}");
    let ours: Value = json!({
        "from": "Acme <a@acme.example>", "to": ["b@shop.example"], "subject": "Hi", "text": "Hi",
        "reply_to": "r@acme.example", "headers": {"List-Unsubscribe": "<https://acme.example/u>"},
        "tags": [{"name": "job", "value": "j-1"}],
    });
    assert_eq!(body.json(), ours, "the shape that rulerun sends, too");
    let enclosed = calls.iter().map(|call| call.json()["attachments"].clone());
    let enclosed: Vec<Value> = enclosed.filter(|files| !files.is_null()).collect();
    let named = json!([
        {
            "filename": "dot.gif", "content": "R0lG", "content_type": "image/gif",
            "content_id": "dot@acme",
        },
        {"filename": "a.pdf", "content": "JVBE", "content_type": "application/pdf"},
    ]);
    assert_eq!(enclosed, [named], "the names of `providers::files_go_along_with_the_json`");
}

#[tokio::test(flavor = "multi_thread")]
async fn postmarks_own_library_finds_postmark() {
    let Some(modules) = node_modules() else { return };
    let stand_in = StandIn::start(Postmark::default()).await;
    stand_in.vendor.lock().unwrap().inactive.push("gone@shop.example".to_owned());
    stand_in.vendor.lock().unwrap().faults = vec![
        ("Limited", postmark::error(429, 429, "Too many requests.")),
        ("Broken", postmark::error(500, 500, "Internal Server Error")),
    ];
    let results = driven(&modules, "postmark", &stand_in.url);
    let count = |result: &Value| result["ok"]["Messages"].as_array().map(Vec::len);
    assert_eq!(results[0]["ok"]["Message"], "OK", "{:?}", results[0]);
    assert_eq!(results[0]["ok"]["ErrorCode"], 0);
    assert_eq!((count(&results[1]), count(&results[2])), (Some(1), Some(0)));
    assert_eq!(results[1]["ok"]["Messages"][0]["MessageID"], results[0]["ok"]["MessageID"]);
    assert_eq!((count(&results[4]), count(&results[5])), (Some(0), Some(1)), "by stream");
    let errors: Vec<_> = results
        .iter()
        .map(|result| &result["error"])
        .filter(|error| !error.is_null())
        .map(|error| (error["name"].as_str().unwrap(), error["code"].as_u64().unwrap()))
        .collect();
    assert_eq!(
        errors,
        [
            ("InvalidAPIKeyError", 10),
            ("InvalidEmailRequestError", 300),
            ("ApiInputError", 400),
            ("InactiveRecipientsError", 406),
            ("ApiInputError", 1_235),
            ("RateLimitExceededError", 429),
            ("InternalServerError", 500),
        ]
    );
    assert_eq!(results[9]["error"]["recipients"], json!(["gone@shop.example"]));
    let enclosed = stand_in.calls().into_iter().filter(|call| !call.body.is_empty());
    let enclosed = enclosed.map(|call| call.json()["Attachments"].clone());
    let enclosed: Vec<Value> = enclosed.filter(|files| !files.is_null()).collect();
    let named = json!([
        {
            "Name": "dot.gif", "Content": "R0lG", "ContentType": "image/gif",
            "ContentID": "cid:dot@acme",
        },
        {"Name": "a.pdf", "Content": "JVBE", "ContentType": "application/pdf", "ContentID": null},
    ]);
    assert_eq!(enclosed, [named], "the names of `providers::files_go_along_with_the_json`");
}

#[tokio::test(flavor = "multi_thread")]
async fn notions_own_library_finds_notion() {
    let Some(modules) = node_modules() else { return };
    let stand_in = Notion::start(COLUMNS).await;
    let results = driven(&modules, "notion", &stand_in.url);
    assert_eq!(results[0]["ok"]["object"], "database", "{:?}", results[0]);
    assert_eq!(results[1]["ok"]["properties"]["Email"]["type"], "email");
    let found = |result: &Value| result["ok"]["results"].as_array().unwrap().len();
    assert_eq!(found(&results[2]), 0);
    assert_eq!(results[3]["ok"]["object"], "page");
    assert_eq!(results[4]["ok"]["results"][0]["id"], results[3]["ok"]["id"]);
    assert_eq!(results[5]["ok"]["id"], results[3]["ok"]["id"]);
    let codes: Vec<_> = results[6..9].iter().map(|result| &result["error"]["code"]).collect();
    assert_eq!(codes, ["unauthorized", "object_not_found", "validation_error"]);
    assert_eq!(found(&results[9]), 1);
    assert_eq!(stand_in.world.lock().unwrap().pages.len(), 1);
}

/// Every answer of a table is given to the vendor's library; what it makes of each.
async fn understood<V: Vendor>(
    modules: &std::path::Path,
    vendor: V,
    called: &str,
    table: Vec<Row>,
) -> Vec<(Said, Value)> {
    let stand_in = StandIn::start(vendor).await;
    let answers: Vec<Said> = table.into_iter().map(|row| row.0).collect();
    for said in &answers {
        stand_in.instead(V::SENDS, said.clone());
    }
    let results = driven(modules, &format!("{called}:{}", answers.len()), &stand_in.url);
    assert_eq!(results.len(), answers.len());
    answers.into_iter().zip(results).collect()
}

#[tokio::test(flavor = "multi_thread")]
async fn the_vendors_own_libraries_understand_every_error_that_rulerun_is_shown() {
    let Some(modules) = node_modules() else { return };
    for (said, result) in understood(&modules, Resend::default(), "resend", resend_errors()).await {
        let error = &result["error"];
        assert!(result["data"].is_null(), "{said:?}: {result}");
        // Something in between that answers without a word of its own leads the library astray.
        if !said.body.is_null() {
            assert_eq!(error["name"], said.body["name"], "{said:?}: {result}");
            assert_eq!(error["statusCode"], said.status, "{said:?}: {result}");
            assert_eq!(error["message"], said.body["message"], "{said:?}: {result}");
        }
    }
    for (said, result) in
        understood(&modules, Postmark::default(), "postmark", postmark_errors()).await
    {
        let error = &result["error"];
        if said.status == 200 {
            // The library takes it for a success; who reads on sees that it is none.
            assert_eq!(result["ok"]["ErrorCode"], said.body["ErrorCode"], "{said:?}: {result}");
        } else if said.body.is_null() {
            assert!(!error.is_null(), "{said:?}: {result}");
        } else {
            assert_eq!(error["statusCode"], said.status, "{said:?}: {result}");
            assert_eq!(error["code"], said.body["ErrorCode"], "{said:?}: {result}");
        }
    }
}
