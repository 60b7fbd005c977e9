//! A bounce is a bounce: said by the mail server at once or reported later, it ends the same
//! sequences, counts together, and counts against the service that has sent the e-mail.

use std::sync::Arc;
use std::time::Duration;

use rulerun::model::Task;
use rulerun::serve::deliver::gate::Held;
use rulerun::store::JobFilter;
use serde_json::json;

use crate::sending::restarted;
use crate::support::server::{Make, TestClock, TestServer, eventually};
use crate::support::smtp_server::Answer::{self, Say};
use crate::support::smtp_server::{Script, Server};

const RULES: &str = r#"
sender "Acme <hello@acme.test>" {
    postal-address "1 Main Street"
}
service "mail" type="smtp" {
    url (env)"SMTP_URL" optional=#true
    retry "1min"
    timeout "5s"
}
feedback "postmark" path="/hooks/postmark" secret=(env)"POSTMARK_WEBHOOK_PASSWORD"
webhooks "t" {
    path "/t"
    endpoint "start" {
        payload {
            email email
        }
        start "news"
        start "offers"
        start "booking"
    }
}
sequence "news" to="{{email}}" {
    email "news-1" after="0s" subject="News"
    email "news-2" after="3d" subject="More"
}
sequence "offers" to="{{email}}" {
    email "offers-1" after="0s" subject="Offers"
    email "offers-2" after="3d" subject="More"
}
sequence "booking" to="{{email}}" kind="transactional" {
    email "booking-1" after="20d" subject="Soon"
}
"#;

fn make(mail: &Server, clock: &Arc<TestClock>) -> Make {
    make_of(RULES, mail, clock)
}

fn make_of(rules: &str, mail: &Server, clock: &Arc<TestClock>) -> Make {
    let texts = ["news-1", "news-2", "offers-1", "offers-2", "booking-1"].iter();
    texts
        .fold(Make::empty().file("rules/t.kdl", rules), |make, name| {
            make.file(&format!("rules/emails/{name}.md"), "Hello.\n")
        })
        .env("SMTP_URL", &format!("smtp://127.0.0.1:{}?tls=none", mail.port))
        .env("POSTMARK_WEBHOOK_PASSWORD", "postmark-webhook-password")
        .clock(clock)
}

fn clock() -> Arc<TestClock> {
    TestClock::at("2026-03-02T10:00:00Z")
}

async fn start(server: &TestServer, email: &str) {
    let answer = server.post("/t/start", &json!({ "email": email })).await;
    assert_eq!(answer.status, 200, "{}", answer.text);
}

/// The e-mails that have been made, with their ids and states.
async fn emails(server: &TestServer) -> Vec<(String, String, String)> {
    let jobs = server.app().store.jobs(JobFilter::default(), 0, 1_000).await.unwrap().rows;
    let emails = jobs.into_iter().filter_map(|job| match &job.task {
        Task::Email(email) => Some((job.id.to_string(), email.to.clone(), job.state.word().into())),
        _ => None,
    });
    emails.collect()
}

async fn count(server: &TestServer, state: &str) -> usize {
    emails(server).await.iter().filter(|(_, _, found)| found == state).count()
}

/// What Postmark reports about an e-mail.
async fn report(server: &TestServer, kind: &str, email: &str, job: &str, number: usize) {
    let body = json!({
        "RecordType": "Bounce", "Type": kind, "ID": number, "Email": email, "Inactive": false,
        "MessageID": "883953f4-6105-42a2-a16a-77a8eac79483", "Metadata": { "job": job },
        "Details": "smtp;550 5.1.1 no such user",
    });
    // `any:postmark-webhook-password`
    let login = "Basic YW55OnBvc3RtYXJrLXdlYmhvb2stcGFzc3dvcmQ=";
    let headers = [("authorization", login), ("content-type", "application/json")];
    let answer = server.send("POST", "/hooks/postmark", &headers, &body.to_string()).await;
    assert_eq!(answer.status, 200, "{}", answer.text);
}

async fn reasons(server: &TestServer, email: &str) -> Vec<String> {
    let listed = server.app().store.suppressions(email).await.unwrap();
    listed.into_iter().map(|entry| entry.reason).collect()
}

async fn states(server: &TestServer, email: &str) -> Vec<String> {
    let found = server.app().store.enrolments_of(email).await.unwrap();
    found.iter().map(|one| format!("{} {:?}", one.sequence, one.state)).collect()
}

#[tokio::test(flavor = "multi_thread")]
async fn what_the_mail_server_refuses_for_good_ends_every_sequence_at_once() {
    let refusing = Script { rcpt: &[Say("550 5.1.1 no such user")], ..Script::default() };
    let mail = Server::start(vec![refusing]).await;
    let server = make(&mail, &clock()).start().await;
    start(&server, "Sarah@example.com").await;
    let over = ["booking", "news", "offers"].map(|name| format!("{name} Stopped(\"bounced\")"));
    eventually("everything is over", || async {
        states(&server, "sarah@example.com").await == over
    })
    .await;
    assert_eq!(reasons(&server, "sarah@example.com").await, ["bounced"]);
}

#[tokio::test(flavor = "multi_thread")]
async fn full_mailboxes_count_over_smtp_and_by_report_together() {
    let answers: [(&str, &'static [Answer]); 2] =
        [("452", &[Say("452 4.2.2 mailbox full")]), ("552", &[Say("552 5.2.2 mailbox full")])];
    for (refusal, rcpt) in answers {
        let full = Script { rcpt, ..Script::default() };
        let mail = Server::start(vec![full]).await;
        let clock = clock();
        let server = make(&mail, &clock).start().await;
        report(&server, "SoftBounce", "sarah@example.com", "", 1).await;
        start(&server, "sarah@example.com").await;
        eventually("both are refused once", || async {
            mail.log().iter().filter(|line| line.starts_with("RCPT")).count() == 2
                && count(&server, "pending").await == 2
        })
        .await;
        assert!(reasons(&server, "sarah@example.com").await.is_empty(), "{refusal}: not yet");
        server.advance(&clock, Duration::from_mins(2)).await;
        eventually("both are given up", || async { count(&server, "failed").await == 2 }).await;
        assert_eq!(reasons(&server, "sarah@example.com").await, ["soft-bounced"], "{refusal}");
        let active = ["booking Active", "news Active", "offers Active"];
        assert_eq!(states(&server, "sarah@example.com").await, active, "{refusal}");
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn reported_bounces_hold_the_service_that_sent_the_emails_each_once_and_over_a_restart() {
    let mail = Server::start(vec![Script::default()]).await;
    let clock = clock();
    let server = make(&mail, &clock).on_disk().start().await;
    for number in 0..6 {
        start(&server, &format!("p{number}@example.com")).await;
    }
    eventually("all are sent", || async { count(&server, "sent").await == 12 }).await;
    let held = |server: &TestServer| server.app().gates.held("mail");
    for (number, (job, email, _)) in emails(&server).await.into_iter().take(10).enumerate() {
        assert_eq!(held(&server), None, "after {number}");
        // A report of nobody's e-mail, and the same one again.
        report(&server, "HardBounce", "stranger@example.com", &job, 100 + number).await;
        report(&server, "HardBounce", &email, &job, number).await;
        report(&server, "HardBounce", &email, &job, number).await;
    }
    assert_eq!(held(&server), Some(Held::Bounces));
    let server = restarted(server, make(&mail, &clock)).await;
    eventually("it is known again", || async { held(&server) == Some(Held::Bounces) }).await;
    let stats = server.get("/api/v1/queue/stats").await;
    assert!(stats.text.contains("more than 5 % of its last e-mails bounced"), "{}", stats.text);
}

/// Two e-mails to Sarah are given up after this refusal of each; one soft bounce was reported
/// before. What follows for her.
async fn after_two(rules: &str, rcpt: &'static [Answer]) -> (Vec<String>, Vec<String>) {
    let mail = Server::start(vec![Script { rcpt, ..Script::default() }]).await;
    let clock = clock();
    let server = make_of(rules, &mail, &clock).start().await;
    report(&server, "SoftBounce", "sarah@example.com", "", 1).await;
    start(&server, "sarah@example.com").await;
    eventually("both are tried", || async {
        count(&server, "failed").await + count(&server, "pending").await == 2
            && mail.log().iter().filter(|line| line.starts_with("RCPT")).count() == 2
    })
    .await;
    server.advance(&clock, Duration::from_mins(2)).await;
    eventually("both are given up", || async { count(&server, "failed").await == 2 }).await;
    (reasons(&server, "sarah@example.com").await, states(&server, "sarah@example.com").await)
}

#[tokio::test(flavor = "multi_thread")]
async fn a_policy_or_a_throttle_says_nothing_about_the_mailbox() {
    let active = ["booking Active", "news Active", "offers Active"].map(str::to_owned).to_vec();
    let refusals: [&'static [Answer]; 4] = [
        &[Say("550 5.7.1 blocked by policy")],
        &[Say("554 5.6.0 message refused")],
        &[Say("451 4.7.1 you send too fast")],
        &[Say("450 4.6.0 not now")],
    ];
    for rcpt in refusals {
        let (reasons, states) = after_two(RULES, rcpt).await;
        assert_eq!((reasons, states), (Vec::new(), active.clone()), "{rcpt:?}");
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn what_the_mail_server_says_counts_against_the_limits_of_the_feedback_block() {
    let named = "secret=(env)\"POSTMARK_WEBHOOK_PASSWORD\"";
    let with = |limits: &str| RULES.replace(named, &format!("{named} {{\n    {limits}\n}}"));
    let full: &'static [Answer] = &[Say("452 4.2.2 mailbox full")];
    let gone: &'static [Answer] = &[Say("550 5.1.1 no such user")];
    let none = Vec::<String>::new;
    for (limits, rcpt, expected) in [
        ("soft-bounces 3 within=\"7d\"", full, vec![String::from("soft-bounced")]),
        ("soft-bounces 4 within=\"7d\"", full, none()),
        ("hard-bounces 3", gone, none()),
        ("hard-bounces 2", gone, vec![String::from("bounced")]),
    ] {
        let (reasons, _) = after_two(&with(limits), rcpt).await;
        assert_eq!(reasons, expected, "{limits}");
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn a_second_series_of_soft_bounces_rests_the_address_once_more() {
    let mail = Server::start(vec![Script::default()]).await;
    let clock = clock();
    let server = make(&mail, &clock).start().await;
    let series = |first: usize| {
        let server = &server;
        async move {
            for number in first..first + 3 {
                report(server, "SoftBounce", "sarah@example.com", "", number).await;
            }
            let listed = server.app().store.suppressions("sarah@example.com").await.unwrap();
            assert_eq!(listed.len(), 1, "{listed:?}");
            assert!(!listed[0].is_over(server.app().millis()), "{listed:?}");
            listed[0].at
        }
    };
    let first = series(1).await;
    assert_eq!(series(10).await, first, "it rests already");
    server.advance(&clock, Duration::from_hours(8 * 24)).await;
    assert!(series(20).await > first, "it begins anew");
}

#[tokio::test(flavor = "multi_thread")]
async fn what_is_reported_of_copies_for_the_sender_touches_nobody() {
    let mail = Server::start(vec![Script::default()]).await;
    let clock = clock();
    let seeds: Vec<String> = (0..12).map(|number| format!("\"qa{number}@acme.test\"")).collect();
    let address = "postal-address \"1 Main Street\"";
    let rules = RULES.replace(address, &format!("{address}\n    seeds {}", seeds.join(" ")));
    let server = make_of(&rules, &mail, &clock).start().await;
    // One of the sender's own mailboxes reads the news as well.
    start(&server, "qa0@acme.test").await;
    eventually("all are sent", || async { count(&server, "sent").await == 26 }).await;
    let jobs = server.app().store.jobs(JobFilter::default(), 0, 1_000).await.unwrap().rows;
    for (number, job) in jobs.iter().filter(|job| job.is_seed()).enumerate() {
        assert!(job.event_type.starts_with("seed "), "not counted among the e-mails: {job:?}");
        report(&server, "HardBounce", &job.target, &job.id.to_string(), number).await;
    }
    assert_eq!(server.app().gates.held("mail"), None);
    for number in 0..12 {
        let listed = reasons(&server, &format!("qa{number}@acme.test")).await;
        assert_eq!(listed, Vec::<String>::new());
    }
    let active = ["booking Active", "news Active", "offers Active"];
    assert_eq!(states(&server, "qa0@acme.test").await, active);
    let log = server.get("/api/v1/contacts/qa0@acme.test/timeline").await.text;
    assert!(log.contains("it was a copy for a mailbox of the sender"), "{log}");
}
