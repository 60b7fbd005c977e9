//! rulerun against the stand-ins for Resend and Postmark that their own client libraries have
//! proved (`vendors`): what is sent, what becomes of every kind of refusal, limits, and
//! answers that are lost.

use std::sync::Arc;
use std::time::Duration;

use base64::Engine as _;
use rulerun::base::Clock as _;
use rulerun::serve::deliver::gate::LaneState;
use serde_json::{Value, json};

use crate::support::binary::rulerun;
use crate::support::postmark::{self, Postmark};
use crate::support::resend::{self, Resend};
use crate::support::server::{Make, TestClock, TestServer, eventually, results};
use crate::support::stand_in::{Said, StandIn, Vendor};

/// Two webhooks that start one e-mail each; `TYPE` and `MORE` are the service's.
const RULES: &str = r#"
sender "Acme, Inc. <hello@acme.test>" {
    reply-to "answers@acme.test"
    postal-address "1 Main Street, Springfield"
}
service "mail" type="TYPE" {
    url (env)"MAIL_URL"
    token (env)"MAIL_TOKEN" optional=#true
    retry "1min" "5min"
    timeout "1s"
    MORE
}
webhooks "t" {
    path "/t"
    endpoint "news" {
        payload {
            email email
        }
        start "news"
    }
    endpoint "owed" {
        payload {
            email email
        }
        start "owed"
    }
}
sequence "news" to="{{email}}" {
    email "news-1" after="0s" subject="Grüße"
}
sequence "owed" to="{{email}}" kind="transactional" {
    email "owed-1" after="0s" subject="Owed" max-late="7d"
}
"#;

fn rules(kind: &str, url: &str, more: &str) -> Make {
    let token = if kind == "resend" { resend::KEY } else { postmark::TOKEN };
    Make::empty()
        .file("rules/one.kdl", &RULES.replace("TYPE", kind).replace("MORE", more))
        .file("rules/emails/news-1.md", "Some **news**.\n")
        .file("rules/emails/owed-1.md", "Something owed.\n")
        .env("MAIL_URL", url)
        .env("MAIL_TOKEN", token)
}

/// A server whose clock stands until it is turned.
async fn turned(make: Make) -> (TestServer, Arc<TestClock>) {
    let clock = TestClock::at("2025-12-01T10:00:00Z");
    let server = make.clock(&clock).start().await;
    (server, clock)
}

async fn start(server: &TestServer, endpoint: &str, email: &str) {
    let answer = server.post(&format!("/t/{endpoint}"), &json!({"email": email})).await;
    assert_eq!(answer.status, 200, "{}", answer.text);
}

/// The only job, once it is in this state and was tried so often.
async fn job(server: &TestServer, state: &str, attempts: u64) -> Value {
    let path = format!("/api/v1/queue?status={state}");
    let there = || async {
        results(&server.get(&path).await).first().is_some_and(|job| job["attempts"] == attempts)
    };
    for _ in 0..500 {
        if there().await {
            return results(&server.get(&path).await).remove(0);
        }
        tokio::time::sleep(Duration::from_millis(20)).await;
    }
    panic!("not {state} after {attempts}: {}", server.get("/api/v1/queue").await.text);
}

fn lane(server: &TestServer, clock: &TestClock) -> &'static str {
    let states = server.app().gates.states(clock.passing());
    states.iter().find(|(name, _, _)| name == "mail").map_or("none", |(_, state, _)| {
        if let LaneState::Closed = state { "closed" } else { state.word() }
    })
}

#[tokio::test(flavor = "multi_thread")]
async fn resend_gets_every_field_and_a_key() {
    let stand_in = StandIn::start(Resend::default()).await;
    let (server, _) = turned(rules("resend", &stand_in.url, "")).await;
    start(&server, "news", "sarah@shop.example").await;
    let job = job(&server, "sent", 1).await;
    let calls = stand_in.calls();
    assert_eq!(calls.len(), 1);
    assert_eq!(calls[0].header("idempotency-key"), job["id"]);
    assert!(calls[0].header("user-agent").starts_with("rulerun/"));
    let mut body = calls[0].json();
    let html = body["html"].take();
    assert!(html.as_str().unwrap().contains("<strong>news</strong>"), "{html}");
    let text = body["text"].take();
    let link =
        text.as_str().unwrap().split_whitespace().find(|word| word.contains("/unsubscribe/"));
    let link = link.unwrap().trim_matches(['<', '>', '(', ')']);
    assert_eq!(
        body,
        json!({
            "from": "\"Acme, Inc.\" <hello@acme.test>",
            "to": ["sarah@shop.example"],
            "subject": "Grüße",
            "text": null,
            "html": null,
            "reply_to": "answers@acme.test",
            "headers": {
                "List-Id": "<news.acme.test>",
                "List-Unsubscribe": format!("<{link}>"),
                "List-Unsubscribe-Post": "List-Unsubscribe=One-Click",
            },
            "tags": [
                {"name": "job", "value": job["id"]},
                {"name": "sequence", "value": "news"},
                {"name": "step", "value": "news-1"},
            ],
        })
    );
}

#[tokio::test(flavor = "multi_thread")]
async fn postmark_gets_every_field_and_its_stream() {
    let stand_in = StandIn::start(Postmark::default()).await;
    let (server, _) = turned(rules("postmark", &stand_in.url, "stream \"broadcast\"")).await;
    start(&server, "owed", "sarah@shop.example").await;
    let job = job(&server, "sent", 1).await;
    let calls = stand_in.calls();
    assert_eq!(calls.len(), 1, "what is new is not looked for");
    let mut body = calls[0].json();
    assert!(body["HtmlBody"].take().as_str().unwrap().contains("Something owed."));
    assert_eq!(
        body,
        json!({
            "From": "\"Acme, Inc.\" <hello@acme.test>",
            "To": "sarah@shop.example",
            "Subject": "Owed",
            "TextBody": "Something owed.\n",
            "HtmlBody": null,
            "ReplyTo": "answers@acme.test",
            "MessageStream": "broadcast",
            "Tag": "owed",
            "Metadata": {"job": job["id"], "sequence": "owed", "step": "owed-1"},
            "TrackOpens": false,
            "TrackLinks": "None",
        })
    );
}

/// What becomes of an e-mail whose first attempt is answered like this: its state, whether a
/// retry was spent, what is said, and how the service stands afterwards.
type Row = (Said, &'static str, bool, &'static str, &'static str);

async fn judged<V: Vendor>(kind: &str, vendor: fn() -> V, table: Vec<Row>) {
    let rows = table.into_iter().map(|(said, state, spent, words, gate)| async move {
        let stand_in = StandIn::start(vendor()).await;
        let about = format!("{} {}", said.status, said.body);
        stand_in.instead(V::SENDS, said);
        let (server, clock) = turned(rules(kind, &stand_in.url, "")).await;
        start(&server, "owed", "sarah@shop.example").await;
        let job = job(&server, state, 1).await;
        let why = format!("{} {}", job["reason"], job["last_error"]);
        assert!(why.contains(words), "{about}: {why}");
        let stored = server.app().store.job(job["id"].as_str().unwrap().parse().unwrap()).await;
        let retries = stored.unwrap().unwrap().0.retries;
        assert_eq!(retries, u32::from(spent), "{about}: {why}");
        assert_eq!(lane(&server, &clock), gate, "{about}");
        let barred = server.app().store.suppressions("sarah@shop.example").await.unwrap();
        assert_eq!(!barred.is_empty(), why.contains("bounced"), "{about}");
        // Whatever it was, it passes, and the e-mail leaves once.
        if state == "pending" {
            for _ in 0..3 {
                server.advance(&clock, Duration::from_mins(1)).await;
            }
            let id = job["id"].as_str().unwrap();
            let sent = || async {
                server.get(&format!("/api/v1/queue/{id}")).await.json()["status"] == "sent"
            };
            eventually("it is sent after all", sent).await;
        }
    });
    for row in rows {
        row.await;
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn every_error_of_resend_has_its_outcome() {
    let told = |status, name| resend::error(status, name, "Because.");
    let limited = told(429, "rate_limit_exceeded").header("retry-after", "2");
    judged(
        "resend",
        Resend::default,
        vec![
            (
                told(400, "validation_error"),
                "failed",
                false,
                "refused: Resend answered 400",
                "closed",
            ),
            (told(422, "missing_required_field"), "failed", false, "refused: ", "closed"),
            (told(422, "invalid_parameter"), "failed", false, "refused: ", "closed"),
            (told(422, "invalid_attachment"), "failed", false, "refused: ", "closed"),
            (told(409, "invalid_idempotent_request"), "failed", false, "refused: ", "closed"),
            (told(409, "concurrent_idempotent_requests"), "pending", true, "still busy", "closed"),
            (told(401, "missing_api_key"), "pending", false, "refused the token", "login"),
            (told(401, "restricted_api_key"), "pending", false, "refused the token", "login"),
            (told(403, "invalid_api_key"), "pending", false, "refused the token", "login"),
            (told(403, "suspended_api_key"), "pending", false, "refused the token", "login"),
            (told(403, "validation_error"), "pending", false, "verify the domain", "login"),
            (told(422, "invalid_from_address"), "pending", false, "verify the domain", "login"),
            (told(404, "not_found"), "pending", false, "no Resend at this address", "login"),
            (told(429, "daily_quota_exceeded"), "pending", false, "quota", "login"),
            (told(429, "monthly_quota_exceeded"), "pending", false, "quota", "login"),
            (limited, "pending", false, "too often", "paused"),
            (told(429, "rate_limit_exceeded"), "pending", false, "too often", "paused"),
            (told(500, "application_error"), "pending", true, "Resend answered 500", "closed"),
            (Said::new(503, Value::Null), "pending", true, "Resend answered 503", "closed"),
        ],
    )
    .await;
}

#[tokio::test(flavor = "multi_thread")]
async fn every_error_of_postmark_has_its_outcome() {
    let told = |code| postmark::error(422, code, "Because.");
    let sender = postmark::error(422, 300, "Invalid 'From' address: 'x'.");
    let in_a_success = postmark::error(200, 406, "You tried to send to an inactive address.");
    judged(
        "postmark",
        Postmark::default,
        vec![
            (told(300), "failed", false, "refused: Postmark answered 422, code 300", "closed"),
            (sender, "pending", false, "the addresses of `sender`", "login"),
            (told(400), "pending", false, "confirm the address", "login"),
            (told(401), "pending", false, "confirm the address", "login"),
            (told(402), "failed", false, "refused: ", "closed"),
            (told(405), "pending", false, "may not send now", "login"),
            (told(406), "failed", false, "bounced: Postmark does not send", "closed"),
            (in_a_success, "failed", false, "bounced: Postmark does not send", "closed"),
            (told(411), "failed", false, "refused: ", "closed"),
            (told(412), "pending", false, "may not send now", "login"),
            (told(413), "pending", false, "may not send now", "login"),
            (told(1_235), "pending", false, "mend `stream`", "login"),
            (postmark::error(401, 10, "No."), "pending", false, "refused the token", "login"),
            (postmark::error(413, 0, "Large."), "failed", false, "refused: ", "closed"),
            (postmark::error(429, 429, "Slow."), "pending", false, "too often", "paused"),
            (postmark::error(500, 500, "Oh."), "pending", true, "Postmark answered 500", "closed"),
            (Said::new(503, Value::Null), "pending", true, "Postmark answered 503", "closed"),
            (Said::new(404, Value::Null), "pending", false, "no Postmark at this address", "login"),
        ],
    )
    .await;
}

#[tokio::test(flavor = "multi_thread")]
async fn resends_headers_set_the_pace_before_it_has_to_refuse() {
    let stand_in = StandIn::start(Resend::default()).await;
    stand_in.vendor.lock().unwrap().limit = 5;
    let server = rules("resend", &stand_in.url, "in-flight 1").start().await;
    for number in 0..12 {
        start(&server, "owed", &format!("p{number}@shop.example")).await;
    }
    let sent = || async { stand_in.vendor.lock().unwrap().sent.len() == 12 };
    eventually("all are sent", sent).await;
    assert_eq!(stand_in.calls().len(), 12, "none was refused");
}

#[tokio::test(flavor = "multi_thread")]
async fn a_lost_answer_of_resend_is_asked_for_with_the_same_key_and_bytes() {
    let stand_in = StandIn::start(Resend::default()).await;
    let (server, clock) = turned(rules("resend", &stand_in.url, "")).await;
    stand_in.lose_one();
    start(&server, "owed", "sarah@shop.example").await;
    let waiting = job(&server, "pending", 1).await;
    assert!(waiting["last_error"].as_str().unwrap().contains("not known"), "{waiting}");
    // The text may change meanwhile.
    let text = server.folder.path().join("rules/emails/owed-1.md");
    std::fs::write(text, "Something else.\n").unwrap();
    server.advance(&clock, Duration::from_mins(1)).await;
    job(&server, "sent", 2).await;
    let calls = stand_in.calls();
    assert_eq!(calls.len(), 2);
    assert_eq!(calls[0].body, calls[1].body);
    assert_eq!(calls[0].header("idempotency-key"), calls[1].header("idempotency-key"));
    assert_eq!(stand_in.vendor.lock().unwrap().sent.len(), 1);
}

#[tokio::test(flavor = "multi_thread")]
async fn what_resend_has_forgotten_is_held_until_somebody_decides() {
    let stand_in = StandIn::start(Resend::default()).await;
    let (server, clock) = turned(rules("resend", &stand_in.url, "")).await;
    stand_in.lose_one();
    start(&server, "owed", "sarah@shop.example").await;
    let id = job(&server, "pending", 1).await["id"].as_str().unwrap().to_owned();
    server.post("/api/v1/queue/pause", &json!({})).await;
    stand_in.vendor.lock().unwrap().passed += Duration::from_hours(25);
    clock.pass(Duration::from_mins(1));
    server.advance(&clock, Duration::from_hours(25)).await;
    server.post("/api/v1/queue/resume", &json!({})).await;
    let held = job(&server, "failed", 1).await;
    assert!(held["reason"].as_str().unwrap().starts_with("unknown: "), "{held}");
    assert_eq!(stand_in.vendor.lock().unwrap().sent.len(), 1, "not sent again by itself");
    let again = server.post(&format!("/api/v1/queue/{id}/retry"), &json!({})).await;
    assert_eq!(again.status, 200, "{}", again.text);
    job(&server, "sent", 2).await;
    assert_eq!(stand_in.vendor.lock().unwrap().sent.len(), 2, "somebody has decided");
}

#[tokio::test(flavor = "multi_thread")]
async fn a_lost_answer_of_postmark_is_looked_up_and_never_sent_again() {
    let stand_in = StandIn::start(Postmark::default()).await;
    let (server, clock) = turned(rules("postmark", &stand_in.url, "")).await;
    stand_in.lose_one();
    start(&server, "owed", "sarah@shop.example").await;
    job(&server, "pending", 1).await;
    // As long as Postmark cannot say, nothing is sent.
    stand_in.instead("GET /messages/outbound", postmark::error(500, 500, "Oh."));
    server.advance(&clock, Duration::from_mins(1)).await;
    let unsure = job(&server, "pending", 2).await;
    assert!(unsure["last_error"].as_str().unwrap().contains("cannot be asked"), "{unsure}");
    server.advance(&clock, Duration::from_mins(5)).await;
    job(&server, "sent", 3).await;
    let calls: Vec<String> = stand_in.calls().into_iter().map(|asked| asked.call).collect();
    let look = format!(
        "GET /messages/outbound?count=1&offset=0&messageStream=outbound&metadata_job={}",
        unsure["id"].as_str().unwrap()
    );
    assert_eq!(calls, ["POST /email", &look, &look]);
    assert_eq!(stand_in.vendor.lock().unwrap().sent.len(), 1);
}

#[tokio::test(flavor = "multi_thread")]
async fn what_postmark_does_not_have_is_sent() {
    let stand_in = StandIn::start(Postmark::default()).await;
    let (server, clock) = turned(rules("postmark", &stand_in.url, "")).await;
    stand_in.instead("POST /email", postmark::error(503, 0, "Oh."));
    start(&server, "owed", "sarah@shop.example").await;
    job(&server, "pending", 1).await;
    server.advance(&clock, Duration::from_mins(1)).await;
    job(&server, "sent", 2).await;
    let calls: Vec<String> = stand_in.calls().into_iter().map(|asked| asked.call).collect();
    assert_eq!(calls.len(), 3, "{calls:?}");
    assert!(calls[1].starts_with("GET "), "after a 503 it may have it");
    assert_eq!(stand_in.vendor.lock().unwrap().sent.len(), 1);
}

#[tokio::test(flavor = "multi_thread")]
async fn without_a_token_nothing_leaves() {
    let stand_in = StandIn::start(Resend::default()).await;
    let (server, _) = turned(rules("resend", &stand_in.url, "").env("MAIL_TOKEN", "")).await;
    start(&server, "owed", "sarah@shop.example").await;
    let kept = job(&server, "cancelled", 0).await;
    assert!(kept.to_string().contains("captured"), "{kept}");
    assert!(stand_in.calls().is_empty());
}

#[tokio::test(flavor = "multi_thread")]
async fn a_test_by_hand_goes_through_the_provider_and_is_remembered_nowhere() {
    let stand_in = StandIn::start(Postmark::default()).await;
    let make = rules("postmark", &stand_in.url, "");
    let mut command = rulerun();
    command.current_dir(make.folder.path()).args(["preview", "news-1"]);
    command.args(["--send-to", "me@shop.example"]);
    command.env("MAIL_URL", &stand_in.url).env("MAIL_TOKEN", postmark::TOKEN);
    let output = command.output().unwrap();
    let said = String::from_utf8(output.stderr).unwrap();
    assert!(output.status.success(), "{said}");
    assert!(said.contains("to me@shop.example through mail"), "{said}");
    let sent = stand_in.vendor.lock().unwrap().sent.clone();
    assert_eq!(sent.len(), 1);
    assert_eq!(sent[0].1["Subject"], "[Test] Grüße");
    assert_eq!(sent[0].1["To"], "me@shop.example");
}

#[test]
fn a_rehearsal_sends_through_the_provider_as_through_any_mail_service() {
    let make = rules("resend", "https://resend.example.com", "").file(
        "rules/t.test.kdl",
        r#"
test "what is owed arrives" {
    post "t/owed" {
        email "sarah@shop.example"
    }
    expect reply=200
    expect email="owed-1"
}
test "an address that does not exist" {
    service "mail" answers=550
    post "t/owed" {
        email "sarah@shop.example"
    }
    expect reply=200
    expect email="owed-1"
    expect failed="owed-1"
}
"#,
    );
    let output = rulerun().current_dir(make.folder.path()).arg("test").output().unwrap();
    let said = String::from_utf8_lossy(&output.stdout) + String::from_utf8_lossy(&output.stderr);
    assert!(output.status.success(), "{said}");
}

#[tokio::test(flavor = "multi_thread")]
async fn an_email_that_was_made_for_another_kind_of_service_waits() {
    let stand_in = StandIn::start(Resend::default()).await;
    let (server, clock) = turned(rules("resend", &stand_in.url, "")).await;
    stand_in.instead("POST /emails", resend::error(429, "rate_limit_exceeded", "Slow."));
    start(&server, "owed", "sarah@shop.example").await;
    job(&server, "pending", 1).await;
    let path = server.folder.path().join("rules/one.kdl");
    let text = std::fs::read_to_string(&path).unwrap();
    std::fs::write(&path, text.replace("type=\"resend\"", "type=\"postmark\"")).unwrap();
    server.server.reload();
    let live = || async { server.app().live.load().revision == 2 };
    eventually("the new rules count", live).await;
    server.advance(&clock, Duration::from_mins(1)).await;
    let waiting = job(&server, "pending", 2).await;
    let why = waiting["last_error"].as_str().unwrap();
    assert!(why.contains("made for a service of type resend"), "{why}");
    assert!(stand_in.vendor.lock().unwrap().sent.is_empty());
}

/// The same e-mail with an image that is shown and a file, as each provider names them.
#[tokio::test(flavor = "multi_thread")]
async fn files_go_along_with_the_json() {
    let of_resend = StandIn::start(Resend::default()).await;
    let of_postmark = StandIn::start(Postmark::default()).await;
    let to_resend = rules("resend", &of_resend.url, "");
    let to_postmark = rules("postmark", &of_postmark.url, "");
    let mut servers = Vec::new();
    for make in [to_resend, to_postmark] {
        let path = make.folder.path().join("rules/one.kdl");
        let text = std::fs::read_to_string(&path).unwrap();
        let with = "max-late=\"7d\" {\n        attach \"guide.pdf\" name=\"Führer.pdf\"\n    }";
        let make = make
            .file("rules/one.kdl", &text.replace("max-late=\"7d\"", with))
            .file("rules/emails/guide.pdf", &"%PDF a guide ".repeat(100))
            .file("rules/emails/dot.gif", "GIF89a one dot")
            .file("rules/emails/owed-1.md", "Something owed. ![A dot](dot.gif)\n");
        let (server, _) = turned(make).await;
        start(&server, "owed", "sarah@shop.example").await;
        job(&server, "sent", 1).await;
        servers.push(server);
    }
    let read = |coded: &Value| {
        let coded = coded.as_str().unwrap();
        let bytes = base64::engine::general_purpose::STANDARD.decode(coded).unwrap();
        String::from_utf8(bytes).unwrap()
    };
    let mut resend = of_resend.calls()[0].json();
    let html = resend["html"].as_str().unwrap().to_owned();
    let shown = html.split("cid:").nth(1).unwrap().split('"').next().unwrap().to_owned();
    let bytes: Vec<String> = resend["attachments"]
        .as_array_mut()
        .unwrap()
        .iter_mut()
        .map(|file| read(&file["content"].take()))
        .collect();
    assert_eq!(bytes, [String::from("GIF89a one dot"), "%PDF a guide ".repeat(100)]);
    assert_eq!(
        resend["attachments"],
        json!([
            {
                "filename": "dot.gif", "content": null, "content_type": "image/gif",
                "content_id": shown,
            },
            {"filename": "Führer.pdf", "content": null, "content_type": "application/pdf"},
        ])
    );
    let mut postmark = of_postmark.calls()[0].json();
    let html = postmark["HtmlBody"].as_str().unwrap().to_owned();
    assert!(html.contains(&format!("cid:{shown}")), "{html}");
    let again: Vec<String> = postmark["Attachments"]
        .as_array_mut()
        .unwrap()
        .iter_mut()
        .map(|file| read(&file["Content"].take()))
        .collect();
    assert_eq!(again, bytes);
    assert_eq!(
        postmark["Attachments"],
        json!([
            {
                "Name": "dot.gif", "Content": null, "ContentType": "image/gif",
                "ContentID": format!("cid:{shown}"),
            },
            {"Name": "Führer.pdf", "Content": null, "ContentType": "application/pdf"},
        ])
    );
}
