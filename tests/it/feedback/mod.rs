//! What mail providers report, end to end: reports are signed by foreign code, arrive over
//! real sockets, and act on the suppression list, on sequences and on the numbers, once.

mod amazon;
mod once;
mod signer;

use std::sync::Arc;
use std::time::Duration;

use rulerun::base::time;
use rulerun::model::Job;
use rulerun::model::queue::{Tally, Task};
use rulerun::serve::server::StartError;
use rulerun::store::JobFilter;
use serde_json::{Value, json};

use self::signer::Signer;
use crate::support::server::{Answer, Make, TestClock, TestServer, eventually};

const SECRET: &str = "whsec_MfKQ9r8GKYqrTwjUPD8ILPZIo2LaLaSw";
const DAY: Duration = Duration::from_hours(24);

const RULES: &str = r#"
sender "Acme <hello@acme.test>" {
    postal-address "1 Main Street"
}
feedback "resend" path="/hooks/resend" {
    secret (env)"OLD_SECRET"
    secret (env)"RESEND_WEBHOOK_SECRET"
}
feedback "postmark" path="/hooks/postmark" secret=(env)"POSTMARK_WEBHOOK_PASSWORD"
feedback "ses" path="/hooks/ses" topic=(env)"SES_TOPIC"
feedback "crm" type="generic" scheme="body" path="/hooks/crm" secret=(env)"WEBHOOK_SECRET"
feedback "patient" type="postmark" path="/hooks/patient" secret=(env)"POSTMARK_WEBHOOK_PASSWORD" {
    hard-bounces 2
    complaints 0
    soft-bounces 2 within="1d"
}
webhooks "t" {
    path "/t"
    endpoint "start" {
        payload {
            email email
        }
        start "news"
        start "booking"
    }
}
sequence "news" to="{{email}}" {
    email "one" after="0s" subject="One"
    email "two" after="3d" subject="Two"
    email "late" after="12d" subject="Late"
}
sequence "booking" to="{{email}}" kind="transactional" {
    email "three" after="20d" subject="Three"
}
"#;

fn make(clock: &Arc<TestClock>) -> Make {
    let texts = ["one", "two", "late", "three"].iter();
    texts
        .fold(Make::empty().file("rules/t.kdl", RULES), |make, name| {
            make.file(&format!("rules/emails/{name}.md"), "Hello.\n")
        })
        .env("RESEND_WEBHOOK_SECRET", SECRET)
        .env("OLD_SECRET", "whsec_b2xkIHNlY3JldCBvZiBsYXN0IHllYXI=")
        .env("POSTMARK_WEBHOOK_PASSWORD", "postmark-webhook-password")
        .env("SES_TOPIC", amazon::TOPIC)
        .clock(clock)
}

fn clock() -> Arc<TestClock> {
    TestClock::at("2026-03-02T10:00:00Z")
}

/// Starts somebody's sequences and waits for the first e-mail; answers its job.
async fn first_mail(server: &TestServer, email: &str) -> Job {
    let answer = server.post("/t/start", &json!({ "email": email })).await;
    assert_eq!(answer.status, 200, "{}", answer.text);
    let find = || async {
        let filter = JobFilter {
            event_type: Some(String::from("one")),
            target: Some(email.into()),
            ..JobFilter::default()
        };
        let jobs = server.app().store.jobs(filter, 0, 10).await.unwrap().rows;
        jobs.into_iter().find(|job| matches!(job.task, Task::Email(_)))
    };
    eventually("the first e-mail", || async { find().await.is_some() }).await;
    find().await.unwrap()
}

/// Posts a report of Postmark, with its password.
async fn postmark(server: &TestServer, path: &str, body: &Value) -> Answer {
    // `any:postmark-webhook-password`
    let login = "Basic YW55OnBvc3RtYXJrLXdlYmhvb2stcGFzc3dvcmQ=";
    let headers = [("authorization", login), ("content-type", "application/json")];
    server.send("POST", path, &headers, &body.to_string()).await
}

fn bounce(kind: &str, email: &str, number: i64) -> Value {
    json!({
        "RecordType": "Bounce", "Type": kind, "ID": number, "Email": email, "Inactive": false,
        "MessageID": "883953f4-6105-42a2-a16a-77a8eac79483", "Metadata": {},
        "Details": "smtp;550 5.1.1 no such user",
    })
}

/// Why an address gets no e-mail.
async fn reasons(server: &TestServer, email: &str) -> Vec<String> {
    let listed = server.app().store.suppressions(email).await.unwrap();
    listed.into_iter().map(|entry| entry.reason).collect()
}

/// The states of somebody's enrolments, by sequence.
async fn states(server: &TestServer, email: &str) -> Vec<String> {
    let found = server.app().store.enrolments_of(email).await.unwrap();
    found.iter().map(|one| format!("{} {:?}", one.sequence, one.state)).collect()
}

async fn tally(server: &TestServer, step: &str, what: Tally) -> u64 {
    let all = server.app().store.tallies(None).await.unwrap();
    let mut found = all.into_iter().filter(|(one, _)| one.step == step && one.what == what);
    found.next().map_or(0, |(_, count)| count)
}

async fn logs(server: &TestServer, job: &Job) -> Vec<String> {
    let lines = server.app().store.logs(job.execution).await.unwrap();
    lines.into_iter().map(|line| line.message).collect()
}

/// A report of Resend about this job.
fn resend(kind: &str, to: &str, job: &str) -> Value {
    json!({
        "type": kind, "created_at": "2026-03-02T10:00:00.000Z",
        "data": {
            "email_id": "56761188-7520-42d8-8898-ff6fc54ce618", "from": "Acme <hello@acme.test>",
            "to": [to], "subject": "One", "tags": { "job": job },
            "bounce": { "type": "Permanent", "subType": "General", "message": "550 no such user" },
        },
    })
}

/// Posts a report with the headers that foreign code has signed, under these names.
async fn signed(
    server: &TestServer,
    signer: &mut Signer,
    prefix: &str,
    id: &str,
    body: &str,
) -> Answer {
    let at = time::millis(server.app().now()) / 1000;
    let signature = signer.standard(SECRET, id, at, body);
    presented(server, prefix, id, at, &signature, body).await
}

async fn presented(
    server: &TestServer,
    prefix: &str,
    id: &str,
    at: i64,
    signature: &str,
    body: &str,
) -> Answer {
    let names = ["id", "timestamp", "signature"].map(|name| format!("{prefix}-{name}"));
    let at = at.to_string();
    let headers = [(&*names[0], id), (&*names[1], &*at), (&*names[2], signature)];
    server.send("POST", "/hooks/resend", &headers, body).await
}

#[tokio::test(flavor = "multi_thread")]
async fn a_bounce_that_resend_reports_ends_everything_once_and_is_told() {
    let Some(mut signer) = Signer::start() else { return };
    let server = make(&clock()).start().await;
    let job = first_mail(&server, "sarah@example.com").await;
    let id = job.id.to_string();
    let delivered = resend("email.delivered", "Sarah@example.com", &id).to_string();
    let answer = signed(&server, &mut signer, "svix", "msg_1", &delivered).await;
    assert_eq!((answer.status, &answer.json()["state"]), (200, &json!("SUCCESS")));
    for (id, prefix) in [("msg_1", "svix"), ("msg_1", "webhook"), ("msg_2", "webhook")] {
        // Sent again, and said again in another report.
        let again = signed(&server, &mut signer, prefix, id, &delivered).await;
        assert_eq!(again.status, 200, "{}", again.text);
        assert_eq!(again.headers.get("idempotent-replay").map(String::as_str), Some("true"));
    }
    assert_eq!(tally(&server, "one", Tally::Delivered).await, 1);
    assert!(reasons(&server, "sarah@example.com").await.is_empty());

    let bounced = resend("email.bounced", "sarah@example.com", &id).to_string();
    for _ in 0..2 {
        let answer = signed(&server, &mut signer, "svix", "msg_3", &bounced).await;
        assert_eq!(answer.status, 200, "{}", answer.text);
    }
    assert_eq!(reasons(&server, "sarah@example.com").await, ["bounced"]);
    assert_eq!(
        states(&server, "sarah@example.com").await,
        ["booking Stopped(\"bounced\")", "news Stopped(\"bounced\")"]
    );
    assert_eq!(tally(&server, "one", Tally::Bounced).await, 1);
    let logs = logs(&server, &job).await;
    let told =
        "hard bounce: Permanent: 550 no such user (reported by resend); the address is bounced now";
    assert_eq!(logs.iter().filter(|line| *line == told).count(), 1, "{logs:?}");
    let why = server.get("/api/v1/contacts/sarah@example.com").await;
    assert!(why.text.contains("reported by resend: Permanent: 550 no such user"), "{}", why.text);
}

#[tokio::test(flavor = "multi_thread")]
async fn a_complaint_ends_marketing_and_leaves_the_booking() {
    let Some(mut signer) = Signer::start() else { return };
    let server = make(&clock()).start().await;
    let job = first_mail(&server, "sarah@example.com").await;
    let body = resend("email.complained", "sarah@example.com", &job.id.to_string()).to_string();
    assert_eq!(signed(&server, &mut signer, "svix", "msg_1", &body).await.status, 200);
    assert_eq!(reasons(&server, "sarah@example.com").await, ["complained"]);
    assert_eq!(
        states(&server, "sarah@example.com").await,
        ["booking Active", "news Stopped(\"complained\")"]
    );
    assert_eq!(tally(&server, "one", Tally::Complained).await, 1);
}

#[tokio::test(flavor = "multi_thread")]
async fn forged_changed_and_late_reports_are_refused() {
    let Some(mut signer) = Signer::start() else { return };
    let server = make(&clock()).start().await;
    let now = time::millis(server.app().now()) / 1000;
    let body = resend("email.bounced", "sarah@example.com", "").to_string();
    let good = signer.standard(SECRET, "msg_1", now, &body);
    let stranger =
        signer.standard("whsec_c3RyYW5nZXIgc3RyYW5nZXIgc3RyYW5nZXI=", "msg_1", now, &body);
    let changed = body.replace("sarah", "bob");
    let (early, late) = (now - 301, now + 301);
    let of_early = signer.standard(SECRET, "msg_1", early, &body);
    let of_late = signer.standard(SECRET, "msg_1", late, &body);
    for (what, id, at, signature, body) in [
        ("another key", "msg_1", now, &*stranger, &*body),
        ("another body", "msg_1", now, &good, &changed),
        ("another id", "msg_2", now, &good, &body),
        ("another time", "msg_1", now + 1, &good, &body),
        ("too old", "msg_1", early, &of_early, &body),
        ("too early", "msg_1", late, &of_late, &body),
        ("no signature", "msg_1", now, "", &body),
        ("another version", "msg_1", now, &good.replace("v1,", "v2,"), &body),
    ] {
        let answer = presented(&server, "svix", id, at, signature, body).await;
        assert_eq!(answer.status, 401, "{what}: {}", answer.text);
    }
    for wrong in [None, Some("Basic YW55Og=="), Some("Basic !"), Some("Bearer x"), Some("Basic")] {
        let headers: Vec<_> = wrong.map(|text| ("authorization", text)).into_iter().collect();
        let body = bounce("HardBounce", "sarah@example.com", 1).to_string();
        let answer = server.send("POST", "/hooks/postmark", &headers, &body).await;
        assert_eq!(answer.status, 401, "{wrong:?}: {}", answer.text);
    }
    let unsigned =
        server.post("/hooks/crm", &json!({ "type": "bounce", "email": "a@b.test" })).await;
    assert_eq!(unsigned.status, 401, "{}", unsigned.text);
    assert_eq!(server.get("/hooks/resend").await.status, 405);
    assert!(reasons(&server, "sarah@example.com").await.is_empty());
    assert!(reasons(&server, "bob@example.com").await.is_empty());
    let several = format!("v1a,x {stranger} {good}");
    let answer = presented(&server, "svix", "msg_1", now, &several, &body).await;
    assert_eq!(answer.status, 200, "one of several signatures is enough: {}", answer.text);
}

#[tokio::test(flavor = "multi_thread")]
async fn a_report_about_somebody_else_counts_against_nobodys_email() {
    let server = make(&clock()).start().await;
    let job = first_mail(&server, "sarah@example.com").await;
    let mut body = bounce("HardBounce", "bob@example.com", 1);
    body["Metadata"] = json!({ "job": job.id.to_string() });
    let answer = postmark(&server, "/hooks/postmark", &body).await;
    assert_eq!(answer.status, 200, "{}", answer.text);
    assert_eq!(reasons(&server, "bob@example.com").await, ["bounced"]);
    assert!(reasons(&server, "sarah@example.com").await.is_empty());
    assert_eq!(tally(&server, "one", Tally::Bounced).await, 0);
    assert_eq!(states(&server, "sarah@example.com").await, ["booking Active", "news Active"]);
    assert!(!logs(&server, &job).await.iter().any(|line| line.contains("bounce")));
}

#[tokio::test(flavor = "multi_thread")]
async fn soft_bounces_keep_marketing_away_for_a_week_and_no_longer() {
    let clock = clock();
    let server = make(&clock).start().await;
    first_mail(&server, "sarah@example.com").await;
    let soft = |number| bounce("SoftBounce", "sarah@example.com", number);
    for (number, expected) in [(1, 0), (1, 0), (2, 0), (3, 1)] {
        let answer = postmark(&server, "/hooks/postmark", &soft(number)).await;
        assert_eq!(answer.status, 200, "{}", answer.text);
        let found = reasons(&server, "sarah@example.com").await;
        assert_eq!(found, vec!["soft-bounced"; expected], "number {number}");
    }
    assert_eq!(states(&server, "sarah@example.com").await, ["booking Active", "news Active"]);
    for (passed, step, expected) in [
        (3, "two", "suppressed: too many e-mails to the address came back lately"),
        (9, "late", "captured"),
    ] {
        clock.pass(DAY * passed);
        server.app().store.bell().notify_one();
        let reason = || async {
            let filter = JobFilter { event_type: Some(step.into()), ..JobFilter::default() };
            let rows = server.app().store.jobs(filter, 0, 1).await.unwrap().rows;
            rows.into_iter().next().and_then(|job| job.reason)
        };
        eventually(step, || async { reason().await.is_some() }).await;
        assert_eq!(reason().await.as_deref(), Some(expected), "{step}");
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn how_much_is_too_much_stands_in_the_rules() {
    let clock = clock();
    let server = make(&clock).start().await;
    let report = async |kind: &str, number| {
        let answer =
            postmark(&server, "/hooks/patient", &bounce(kind, "sarah@example.com", number)).await;
        assert_eq!(answer.status, 200, "{}", answer.text);
        reasons(&server, "sarah@example.com").await
    };
    assert!(report("SpamComplaint", 1).await.is_empty(), "0 is never");
    assert!(report("SoftBounce", 2).await.is_empty());
    clock.pass(DAY);
    assert!(report("SoftBounce", 3).await.is_empty(), "the first is a day ago");
    clock.pass(Duration::from_mins(24 * 60 - 1));
    assert_eq!(report("SoftBounce", 4).await, ["soft-bounced"]);
    assert_eq!(report("HardBounce", 5).await, ["soft-bounced"]);
    clock.pass(DAY * 300);
    assert_eq!(report("HardBounce", 6).await, ["bounced", "soft-bounced"], "however long ago");
}

#[tokio::test(flavor = "multi_thread")]
async fn what_means_nothing_is_answered_and_nothing_follows() {
    let server = make(&clock()).start().await;
    for body in [
        json!({ "RecordType": "Open", "Recipient": "sarah@example.com" }),
        json!({ "RecordType": "SomethingNew" }),
        json!({ "RecordType": "Bounce", "Type": "HardBounce" }),
        json!({}),
        json!([1, 2, {}]),
        json!("text"),
    ] {
        let answer = postmark(&server, "/hooks/postmark", &body).await;
        assert_eq!(answer.status, 200, "{body}: {}", answer.text);
        let message = answer.json()["message"].as_str().unwrap_or_default().to_owned();
        assert!(message.starts_with("ignored: "), "{message}");
    }
    let login = "Basic YW55OnBvc3RtYXJrLXdlYmhvb2stcGFzc3dvcmQ=";
    let broken = server.send("POST", "/hooks/postmark", &[("authorization", login)], "{").await;
    assert_eq!(broken.status, 400, "{}", broken.text);
    let large = format!("\"{}\"", "x".repeat(300_000));
    let large = server.send("POST", "/hooks/postmark", &[("authorization", login)], &large).await;
    assert_eq!(large.status, 413, "{}", large.text);
    let executions = server.get("/api/v1/executions?namespace=feedback").await;
    assert_eq!(executions.json()["total"], 0, "{}", executions.text);
}

#[tokio::test(flavor = "multi_thread")]
async fn without_its_secret_nothing_starts() {
    for name in ["RESEND_WEBHOOK_SECRET", "POSTMARK_WEBHOOK_PASSWORD", "SES_TOPIC"] {
        match make(&clock()).env(name, "").try_start().await {
            Err(StartError::Rules(_, found)) => {
                assert!(found.iter().any(|one| one.message.contains(name)), "{found:?}");
            }
            Err(other) => panic!("{name}: {other}"),
            Ok(_) => panic!("it started without {name}"),
        }
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn bounces_that_are_reported_at_once_are_each_counted() {
    let server = make(&clock()).start().await;
    let report = async |number: i64| {
        let body = bounce("SoftBounce", &format!("p{}@example.com", number / 3), number);
        let answer = postmark(&server, "/hooks/postmark", &body).await;
        assert_eq!(answer.status, 200, "{}", answer.text);
    };
    // Three for each of ten people, all at the same time.
    let reports = (3..33).map(report);
    all_at_once(reports).await;
    for person in 1..11 {
        let found = reasons(&server, &format!("p{person}@example.com")).await;
        assert_eq!(found, ["soft-bounced"], "person {person}");
    }
}

/// Waits for all of them at once.
async fn all_at_once<F: Future<Output = ()>>(futures: impl Iterator<Item = F>) {
    let mut futures: Vec<_> = futures.map(Box::pin).collect();
    std::future::poll_fn(|context| {
        futures.retain_mut(|one| one.as_mut().poll(context).is_pending());
        if futures.is_empty() { std::task::Poll::Ready(()) } else { std::task::Poll::Pending }
    })
    .await;
}
