//! The campaign's e-mails at a real mail server that others wrote: who gets what, in which
//! order, in which words, and what becomes of it when the server says no.

use std::path::Path;
use std::sync::Arc;
use std::time::Duration;

use serde_json::{Value, json};

use crate::support::server::{CAMPAIGN, Make, TestClock, TestServer, eventually, results};
use crate::support::smtp_server::{self, Script, Server};
use crate::support::{SinkTls, SmtpSink, python};

/// Seven days pass in three seconds.
const SPEED: u32 = 201_600;

/// One webhook that starts one e-mail at once, to a service with a short retry list.
const ONE: &str = r#"
sender "Acme <hello@acme.test>" {
    postal-address "1 Main Street, Springfield"
}
service "mail" type="smtp" {
    url (env)"SMTP_URL" optional=#true
    retry "1min" "5min"
    timeout "5s"
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
    email "news-1" after="0s" subject="News"
}
sequence "owed" to="{{email}}" kind="transactional" {
    email "owed-1" after="0s" subject="Owed"
}
"#;

fn one() -> Make {
    Make::empty()
        .file("rules/one.kdl", ONE)
        .file("rules/emails/news-1.md", "Some news.\n")
        .file("rules/emails/owed-1.md", "Something owed.\n")
}

/// Points the campaign at the sink, over TLS that is checked and with a login.
fn through(sink: &SmtpSink, scheme: &str, mut make: Make) -> Make {
    make.config.roots = Some(sink.ca());
    make.env("SMTP_URL", &format!("{scheme}://user:pass@127.0.0.1:{}", sink.port))
}

/// Calls all four webhooks that start sequences, each for a person of its own.
async fn start_all(server: &TestServer) {
    use rulerun::base::Clock as _;
    let now = rulerun::base::time::format_time(rulerun::serve::clock::SystemClock.now());
    let name = json!({ "first_name": "Zoë", "business_name": "Müller & Söhne" });
    let calls = [
        (
            "assessment-handler/assessment-webhook-key",
            "assessment@shop.example",
            json!({
                "red_systems": 2, "orange_systems": 1, "yellow_systems": 2, "green_systems": 3,
                "weakest_system_1": "GPS", "revenue_leak_total": 14700,
                "email_1_sent_at": now, "email_1_status": "sent",
            }),
        ),
        (
            "noshow-recovery-handler/noshow-webhook-key",
            "noshow@shop.example",
            json!({
                "calendly_event_id": "evt_1", "scheduled_time": "2025-12-10T14:00:00Z",
            }),
        ),
        (
            "postcall-maybe-handler/postcall-webhook-key",
            "postcall@shop.example",
            json!({
                "call_date": "2025-12-08T15:00:00Z", "interest_level": "medium",
            }),
        ),
        (
            "onboarding-handler/onboarding-webhook-key",
            "onboarding@shop.example",
            json!({
                "payment_status": "paid", "payment_date": "2025-12-09T16:30:00Z",
                "package_type": "foundation",
            }),
        ),
    ];
    for (path, email, mut body) in calls {
        let fields = body.as_object_mut().unwrap();
        fields.extend(name.as_object().unwrap().clone());
        fields.insert("email".into(), email.into());
        let answer = server.post(&format!("{CAMPAIGN}/{path}"), &body).await;
        assert_eq!(answer.status, 200, "{}", answer.text);
    }
}

/// The messages to an address, oldest first.
fn to<'a>(messages: &'a [Value], address: &str) -> Vec<&'a Value> {
    messages.iter().filter(|message| message["rcpts"] == json!([address])).collect()
}

fn header<'a>(message: &'a Value, name: &str) -> Option<&'a str> {
    message["headers"][name][0].as_str()
}

fn subjects<'a>(messages: &[&'a Value]) -> Vec<&'a str> {
    messages.iter().filter_map(|message| message["subject"].as_str()).collect()
}

async fn fast_campaign(python: &Path, tls: SinkTls, scheme: &str) -> (SmtpSink, TestServer) {
    let sink = SmtpSink::start(python, tls);
    let mut make = through(&sink, scheme, Make::campaigns());
    make.config.options.speed = SPEED;
    let server = make.start().await;
    (sink, server)
}

#[tokio::test(flavor = "multi_thread")]
async fn all_thirteen_emails_of_the_campaign_arrive_once_and_in_order() {
    let Some(python) = python() else { return };
    let (sink, server) = fast_campaign(&python, SinkTls::StartTls, "smtp").await;
    start_all(&server).await;
    eventually("thirteen e-mails", || async { sink.messages().len() >= 13 }).await;
    eventually("the queue is empty", || async {
        results(&server.get("/api/v1/queue?status=pending").await).is_empty()
            && results(&server.get("/api/v1/queue?status=sending").await).is_empty()
    })
    .await;
    let messages = sink.messages();
    assert_eq!(messages.len(), 13, "each exactly once");
    assert_eq!(
        subjects(&to(&messages, "assessment@shop.example")),
        [
            "Zoë, your GPS is leaking",
            "What $14,700 a year buys",
            "How Müller & Söhne could look in 30 days",
            "Last note about your assessment",
        ]
    );
    assert_eq!(
        subjects(&to(&messages, "noshow@shop.example")),
        ["Sorry we missed you, Zoë", "Shall we find another time?", "One last try, Zoë",]
    );
    assert_eq!(
        subjects(&to(&messages, "postcall@shop.example")),
        ["What we talked about", "A question about Müller & Söhne", "Shall I close your file?",]
    );
    assert_eq!(
        subjects(&to(&messages, "onboarding@shop.example")),
        ["Welcome aboard, Zoë", "Your first task", "How is it going?",]
    );
    let mut ids = std::collections::BTreeSet::new();
    for message in &messages {
        assert_eq!((&message["tls"], &message["auth"]), (&json!(true), &json!(true)));
        assert_eq!(message["from"], "hello@example.com");
        assert_eq!(header(message, "from"), Some("Acme Scaling <hello@example.com>"));
        let (text, html) = (message["text"].as_str().unwrap(), message["html"].as_str().unwrap());
        assert!(text.starts_with("Hi Zoë,\n"), "{text}");
        assert!(html.contains("Hi Zoë,"), "{html}");
        assert!(!text.contains("{{") && !html.contains("{{") && !text.contains("**"), "{text}");
        ids.insert(header(message, "message-id").unwrap().to_owned());
        let marketing = message["rcpts"] != json!(["onboarding@shop.example"]);
        the_footer_fits(message, marketing);
    }
    assert_eq!(ids.len(), 13, "every Message-ID is its own");
    let leak = to(&messages, "assessment@shop.example")[1];
    assert!(leak["text"].as_str().unwrap().contains("Müller & Söhne at about $14,700 a year"));
    assert!(leak["html"].as_str().unwrap().contains("Müller &amp; Söhne"), "{leak}");
    let sent = results(&server.get("/api/v1/queue?status=sent&size=100").await);
    assert_eq!(sent.len(), 13);
    server.server.stop().await;
}

/// Marketing carries what the law and the big mailboxes ask for, transactional does not.
fn the_footer_fits(message: &Value, marketing: bool) {
    let (text, html) = (message["text"].as_str().unwrap(), message["html"].as_str().unwrap());
    let listed = header(message, "list-unsubscribe");
    assert_eq!(listed.is_some(), marketing, "{message}");
    assert_eq!(header(message, "list-id").is_some(), marketing);
    assert_eq!(text.contains("1 Main Street, Springfield"), marketing, "{text}");
    assert_eq!(html.contains("1 Main Street, Springfield"), marketing);
    let one_click = header(message, "list-unsubscribe-post");
    assert_eq!(one_click, marketing.then_some("List-Unsubscribe=One-Click"));
    if let Some(listed) = listed {
        let link = listed.trim_matches(['<', '>']);
        assert!(link.starts_with("http://localhost:8080/unsubscribe/"), "{link}");
        assert!(text.contains(link) && html.contains(link), "the link is visible");
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn tls_from_the_first_byte_serves_as_well() {
    let Some(python) = python() else { return };
    let sink = SmtpSink::start(&python, SinkTls::Implicit);
    let server = through(&sink, "smtps", one()).start().await;
    server.post("/t/news", &json!({ "email": "sarah@shop.example" })).await;
    eventually("it arrives", || async { sink.messages().len() == 1 }).await;
    assert_eq!(sink.messages()[0]["subject"], "News");
    assert_eq!(sink.messages()[0]["tls"], true);
}

#[tokio::test(flavor = "multi_thread")]
async fn one_click_in_the_email_ends_the_rest_and_looking_at_the_link_does_not() {
    let Some(python) = python() else { return };
    let sink = SmtpSink::start(&python, SinkTls::StartTls);
    let clock = TestClock::at("2026-01-05T10:00:00Z");
    let server = through(&sink, "smtp", Make::campaigns()).clock(&clock).start().await;
    start_noshow(&server, "sarah@shop.example").await;
    server.advance(&clock, Duration::from_mins(5)).await;
    eventually("the first arrives", || async { sink.messages().len() == 1 }).await;
    let messages = sink.messages();
    let link = header(&messages[0], "list-unsubscribe").unwrap().trim_matches(['<', '>']);
    let path = link.strip_prefix("http://localhost:8080").unwrap();

    let looked = server.get(path).await;
    assert_eq!(looked.status, 200);
    assert!(looked.text.contains("sarah@shop.example"), "{}", looked.text);
    server.advance(&clock, Duration::from_hours(24)).await;
    eventually("the second arrives", || async { sink.messages().len() == 2 }).await;

    let form = [("content-type", "application/x-www-form-urlencoded")];
    let clicked = server.send("POST", path, &form, "List-Unsubscribe=One-Click").await;
    assert_eq!(clicked.status, 200, "{}", clicked.text);
    let person = server.get("/api/v1/contacts/sarah@shop.example").await.json();
    assert_eq!(person["suppressions"][0]["reason"], "unsubscribed", "{person}");
    server.advance(&clock, Duration::from_hours(24)).await;
    eventually("the third is left out", || async {
        reasons(&server, "cancelled").await == ["suppressed: the address is unsubscribed"]
    })
    .await;
    assert_eq!(sink.messages().len(), 2);
}

async fn start_noshow(server: &TestServer, email: &str) {
    let body = json!({
        "email": email, "first_name": "Sarah", "calendly_event_id": email,
        "scheduled_time": "2025-12-10T14:00:00Z",
    });
    let path = format!("{CAMPAIGN}/noshow-recovery-handler/noshow-webhook-key");
    let answer = server.post(&path, &body).await;
    assert_eq!(answer.status, 200, "{}", answer.text);
}

/// Why the jobs in this state ended so.
async fn reasons(server: &TestServer, state: &str) -> Vec<String> {
    results(&server.get(&format!("/api/v1/queue?status={state}")).await)
        .iter()
        .map(|job| job["reason"].as_str().unwrap_or_default().to_owned())
        .collect()
}

#[tokio::test(flavor = "multi_thread")]
async fn a_bounce_fails_and_the_address_gets_nothing_more() {
    let Some(python) = python() else { return };
    let sink = SmtpSink::start(&python, SinkTls::StartTls);
    let server = through(&sink, "smtp", one()).start().await;
    let person = json!({ "email": "perm@shop.example" });
    server.post("/t/news", &person).await;
    eventually("it bounces", || async { reasons(&server, "failed").await.len() == 1 }).await;
    let why = reasons(&server, "failed").await.remove(0);
    assert!(why.starts_with("bounced: ") && why.contains("No such user"), "{why}");
    let known = server.get("/api/v1/contacts/perm@shop.example").await.json();
    assert_eq!(known["suppressions"][0]["reason"], "bounced", "{known}");
    server.post("/t/owed", &person).await;
    eventually("even what is owed is not sent", || async {
        reasons(&server, "cancelled").await == ["suppressed: the address is bounced"]
    })
    .await;
    assert_eq!(sink.messages(), Vec::<Value>::new());
}

#[tokio::test(flavor = "multi_thread")]
async fn an_address_that_says_later_gets_it_later_and_once() {
    let Some(python) = python() else { return };
    let sink = SmtpSink::start(&python, SinkTls::StartTls);
    let clock = TestClock::at("2026-01-05T10:00:00Z");
    let server = through(&sink, "smtp", one()).clock(&clock).start().await;
    for person in ["temp@shop.example", "late@shop.example"] {
        server.post("/t/news", &json!({ "email": person })).await;
    }
    eventually("both wait for their retry", || async {
        let jobs = results(&server.get("/api/v1/queue?status=pending").await);
        jobs.len() == 2 && jobs.iter().all(|job| job["retry_count"] == 1)
    })
    .await;
    assert!(sink.messages().is_empty());
    server.advance(&clock, Duration::from_secs(59)).await;
    assert!(sink.messages().is_empty(), "not before its minute is over");
    server.advance(&clock, Duration::from_secs(1)).await;
    eventually("both arrive", || async { sink.messages().len() == 2 }).await;
    server.advance(&clock, Duration::from_hours(2)).await;
    assert_eq!(sink.messages().len(), 2);
    let known = server.get("/api/v1/contacts/temp@shop.example").await.json();
    assert_eq!(known["suppressions"], json!([]));
}

#[tokio::test(flavor = "multi_thread")]
async fn a_mail_server_that_is_down_costs_no_retry_and_gets_everything_when_it_is_back() {
    let gone = std::net::TcpListener::bind("127.0.0.1:0").unwrap();
    let port = gone.local_addr().unwrap().port();
    drop(gone);
    let clock = TestClock::at("2026-01-05T10:00:00Z");
    let url = format!("smtp://127.0.0.1:{port}?tls=none");
    let server = one().env("SMTP_URL", &url).clock(&clock).start().await;
    for number in 0..12 {
        server.post("/t/news", &json!({ "email": format!("p{number}@shop.example") })).await;
    }
    eventually("the service is closed", || async {
        server.get("/api/v1/status").await.json()["services"]["mail"]["accepting"] == false
    })
    .await;
    let ready = server.get("/readyz").await;
    assert_eq!((ready.status, &ready.json()["closed_services"]), (200, &json!(["mail"])));

    let mail = Server::at(port, vec![Script::default()]).await;
    eventually("all are sent", || async {
        server.advance(&clock, Duration::from_secs(31)).await;
        mail.messages().len() == 12
    })
    .await;
    eventually("and known to be", || async {
        let jobs = results(&server.get("/api/v1/queue?status=sent").await);
        jobs.len() == 12 && jobs.iter().all(|job| job["retry_count"] == 0)
    })
    .await;
    assert_eq!(server.get("/readyz").await.json()["closed_services"], json!([]));
}

#[tokio::test(flavor = "multi_thread")]
async fn a_wrong_password_is_our_fault_and_nobody_bounces() {
    let Some(python) = python() else { return };
    let sink = SmtpSink::start(&python, SinkTls::StartTls);
    let clock = TestClock::at("2026-01-05T10:00:00Z");
    let url = format!("smtp://user:sesame@127.0.0.1:{}", sink.port);
    let wrong = through(&sink, "smtp", one()).env("SMTP_URL", &url);
    let server = wrong.on_disk().clock(&clock).start().await;
    server.post("/t/news", &json!({ "email": "sarah@shop.example" })).await;
    eventually("the service is closed", || async {
        let status = server.get("/api/v1/status").await.json();
        let why = status["services"]["mail"]["closed"].as_str().unwrap_or_default().to_owned();
        why.contains("it does not accept our credentials")
    })
    .await;
    let jobs = results(&server.get("/api/v1/queue?status=pending").await);
    assert_eq!((&jobs[0]["retry_count"], &jobs[0]["attempts"]), (&json!(0), &json!(1)));
    let known = server.get("/api/v1/contacts/sarah@shop.example").await.json();
    assert_eq!(known["suppressions"], json!([]));
    for path in ["/api/v1/status", "/api/v1/queue", "/readyz"] {
        assert!(!server.get(path).await.text.contains("sesame"), "{path} shows the password");
    }
    let TestServer { server, folder } = server;
    server.stop().await;

    let server = through(&sink, "smtp", Make::within(folder)).on_disk().clock(&clock).start().await;
    server.advance(&clock, Duration::from_secs(31)).await;
    eventually("it goes out with the right one", || async { sink.messages().len() == 1 }).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn an_email_of_which_nobody_knows_whether_it_arrived_is_held_and_not_sent_twice() {
    let vanishing = Script { dot: &[smtp_server::Answer::HangUp], ..Script::default() };
    let mail = Server::start(vec![vanishing, Script::default()]).await;
    let clock = TestClock::at("2026-01-05T10:00:00Z");
    let url = format!("smtp://127.0.0.1:{}?tls=none", mail.port);
    let server = one().env("SMTP_URL", &url).clock(&clock).start().await;
    server.post("/t/news", &json!({ "email": "sarah@shop.example" })).await;
    eventually("it is held", || async { reasons(&server, "failed").await.len() == 1 }).await;
    let why = reasons(&server, "failed").await.remove(0);
    assert!(why.starts_with("unknown: "), "{why}");
    server.advance(&clock, Duration::from_hours(10)).await;
    assert_eq!(mail.messages().len(), 1);

    let id = results(&server.get("/api/v1/queue?status=failed").await)[0]["id"].clone();
    let path = format!("/api/v1/queue/{}/retry", id.as_str().unwrap());
    assert_eq!(server.send("POST", &path, &[], "").await.status, 200);
    eventually("a person may send it again", || async { mail.messages().len() == 2 }).await;
    assert_eq!(mail.messages()[0], mail.messages()[1], "the same message, the same id");
}

#[tokio::test(flavor = "multi_thread")]
async fn without_a_mail_server_everything_is_captured_and_stays_captured() {
    let server = one().on_disk().start().await;
    server.post("/t/news", &json!({ "email": "sarah@shop.example" })).await;
    eventually("it is captured", || async {
        results(&server.get("/api/v1/outbox").await).len() == 1
    })
    .await;
    let mail = &results(&server.get("/api/v1/outbox").await)[0];
    assert_eq!((&mail["to"], &mail["subject"]), (&json!("sarah@shop.example"), &json!("News")));
    assert!(
        results(&server.get("/api/v1/queue?status=sent").await).is_empty(),
        "never called sent"
    );
    let TestServer { server, folder } = server;
    server.stop().await;

    let sink = Server::start(vec![Script::default()]).await;
    let url = format!("smtp://127.0.0.1:{}?tls=none", sink.port);
    let server = Make::within(folder).env("SMTP_URL", &url).on_disk().start().await;
    server.post("/t/owed", &json!({ "email": "bob@shop.example" })).await;
    eventually("new mail is sent", || async { sink.messages().len() == 1 }).await;
    assert!(sink.messages()[0].contains("bob@shop.example"));
    assert_eq!(results(&server.get("/api/v1/outbox").await).len(), 1, "the old one is still there");
}

#[tokio::test(flavor = "multi_thread", worker_threads = 4)]
async fn a_hundred_first_emails_at_once_have_links_that_all_work() {
    let server = Arc::new(one().start().await);
    let mut calls = tokio::task::JoinSet::new();
    for number in 0..100 {
        let server = Arc::clone(&server);
        calls.spawn(async move {
            server.post("/t/news", &json!({ "email": format!("p{number}@shop.example") })).await
        });
    }
    while let Some(answer) = calls.join_next().await {
        assert_eq!(answer.unwrap().status, 200);
    }
    eventually("all are captured", || async {
        server.get("/api/v1/outbox?size=200").await.json()["total"] == 100
    })
    .await;
    for mail in results(&server.get("/api/v1/outbox?size=200").await) {
        let text = mail["text"].as_str().unwrap();
        let at = text.find("/unsubscribe/").expect("a link");
        let path = text[at..].split_whitespace().next().unwrap().trim_end_matches(')');
        assert_eq!(server.get(path).await.status, 200, "{path}");
    }
}
