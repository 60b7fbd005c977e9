//! One person, however the domain of their address is spelt: in its own letters, as people
//! type it, or in the ASCII form that mail servers know.

use std::sync::Arc;
use std::time::Duration;

use rulerun::model::{JobState, Task};
use rulerun::store::JobFilter;
use serde_json::{Value, json};

use crate::support::server::{Make, TestClock, TestServer, eventually, results};
use crate::support::smtp_server::Answer::Say;
use crate::support::smtp_server::{Script, Server};

const RULES: &str = r#"
sender "Acme <hello@acme.test>" {
    postal-address "1 Main Street"
    cap 1 per="12h"
}
service "mail" type="smtp" {
    url (env)"SMTP_URL" optional=#true
}
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
    endpoint "ask" {
        payload {
            email email
        }
        start "tips"
    }
}
sequence "news" to="{{email}}" {
    email "news-1" after="0s" subject="News" max-late="3d"
}
sequence "offers" to="{{email}}" {
    email "offers-1" after="0s" subject="Offers" max-late="3d"
}
sequence "tips" to="{{email}}" {
    email "tips-1" after="0s" subject="Tips" max-late="3d"
}
sequence "booking" to="{{email}}" kind="transactional" {
    email "booking-1" after="20d" subject="Soon"
}
"#;

const TYPED: &str = "Sarah@Müller.example";
const CODED: &str = "sarah@xn--mller-kva.example";

async fn server(mail: Option<&Server>) -> (TestServer, Arc<TestClock>) {
    let clock = TestClock::at("2026-01-05T10:00:00Z");
    let make = Make::empty().file("rules/t.kdl", RULES).clock(&clock);
    let make = match mail {
        Some(mail) => make.env("SMTP_URL", &format!("smtp://127.0.0.1:{}?tls=none", mail.port)),
        None => make,
    };
    let texts = ["news-1", "offers-1", "tips-1", "booking-1"].iter();
    let make = texts
        .fold(make, |make, name| make.file(&format!("rules/emails/{name}.md"), "Some words.\n"));
    (make.start().await, clock)
}

async fn call(server: &TestServer, endpoint: &str, email: &str) {
    let answer = server.post(&format!("/t/{endpoint}"), &json!({ "email": email })).await;
    assert_eq!(answer.status, 200, "{}", answer.text);
}

async fn captured(server: &TestServer) -> Vec<Value> {
    results(&server.get("/api/v1/outbox").await)
}

async fn states(server: &TestServer) -> Vec<String> {
    let found = server.app().store.enrolments_of("sarah@müller.example").await.unwrap();
    found.iter().map(|one| format!("{} {:?}", one.sequence, one.state)).collect()
}

#[tokio::test(flavor = "multi_thread")]
async fn a_cap_gives_the_next_email_when_the_last_one_has_left() {
    let (server, clock) = server(None).await;
    call(&server, "start", TYPED).await;
    eventually("one goes out", || async { captured(&server).await.len() == 1 }).await;
    server.advance(&clock, Duration::from_hours(12)).await;
    eventually("then the other", || async { captured(&server).await.len() == 2 }).await;
    let places = server.app().store.places(CODED).await.unwrap();
    let limits = [rulerun::model::queue::Limit { count: 1, millis: 12 * 3_600_000 }];
    let free = places.free_from(&limits, server.app().millis() + 13 * 3_600_000);
    assert_eq!(free, None, "nobody is locked out for ever");
    // Whoever comes again under the other spelling begins the same runs anew.
    call(&server, "start", CODED).await;
    assert_eq!(states(&server).await.len(), 3);
    for spelt in [CODED, "Sarah@m%C3%BCller.example"] {
        let known = server.get(&format!("/api/v1/contacts/{spelt}")).await.json();
        assert_eq!(known["enrolments"].as_array().map(Vec::len), Some(3), "{known}");
        let coming = results(&server.get(&format!("/api/v1/schedule?person={spelt}")).await);
        assert_eq!(coming.len(), 3, "{coming:?}");
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn whoever_left_stays_away_under_the_other_spelling_and_can_be_forgotten_by_it() {
    let (server, _clock) = server(None).await;
    call(&server, "start", TYPED).await;
    eventually("one goes out", || async { captured(&server).await.len() == 1 }).await;
    let text = captured(&server).await[0]["text"].as_str().unwrap().to_owned();
    let at = text.find("/unsubscribe/").expect("a link");
    let link = text[at..].split([' ', '\n', ')', '>']).next().unwrap();
    let form = [("content-type", "application/x-www-form-urlencoded")];
    let left = server.send("POST", link, &form, "List-Unsubscribe=One-Click").await;
    assert_eq!(left.status, 200, "{}", left.text);
    call(&server, "ask", CODED).await;
    eventually("it is left out", || async {
        let rows = results(&server.get("/api/v1/queue?event_type=tips-1").await);
        rows.iter().any(|job| job["reason"] == "suppressed: the address is unsubscribed")
    })
    .await;
    let gone = server.send("DELETE", &format!("/api/v1/contacts/{CODED}"), &[], "").await;
    assert_eq!(gone.status, 200, "{}", gone.text);
    let jobs = server.app().store.jobs(JobFilter::default(), 0, 100).await.unwrap().rows;
    assert_eq!(jobs, [], "what was written to either spelling is gone");
}

#[tokio::test(flavor = "multi_thread")]
async fn a_bounce_ends_the_runs_and_stays_known() {
    let refusing = Script { rcpt: &[Say("550 5.1.1 no such user")], ..Script::default() };
    let mail = Server::start(vec![refusing]).await;
    let (server, _clock) = server(Some(&mail)).await;
    call(&server, "start", TYPED).await;
    eventually("it is over", || async {
        states(&server).await[0] == "booking Stopped(\"bounced\")"
    })
    .await;
    for spelt in [TYPED, CODED] {
        let listed = server.app().store.suppressions(spelt).await.unwrap();
        assert_eq!(listed.len(), 1, "{spelt}: {listed:?}");
    }
    let failed = JobFilter { state: Some(JobState::Failed), ..JobFilter::default() };
    let failed = server.app().store.jobs(failed, 0, 10).await.unwrap().rows;
    let to = failed.iter().map(|job| match &job.task {
        Task::Email(email) => email.to.as_str(),
        _ => "",
    });
    assert!(to.clone().count() > 0 && to.clone().all(|to| to == "Sarah@xn--mller-kva.example"));
}
