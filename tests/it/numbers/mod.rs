//! The numbers of sequences: what is counted, that it is counted once, and how it is told.

mod clicks;
mod killed;

use std::sync::Arc;
use std::time::Duration;

use serde_json::{Value, json};

use crate::support::server::{Make, TestClock, TestServer, eventually, results};
use crate::support::smtp_server::Answer::{HangUp, Say};
use crate::support::smtp_server::{Script, Server};

const RULES: &str = r#"
sender "Acme <hello@acme.test>" {
    postal-address "1 Main Street"
}
service "mail" type="smtp" {
    url (env)"SMTP_URL" optional=#true
    retry "1min" "1min"
}
webhooks "t" {
    path "/t"
    endpoint "start" {
        payload {
            email email
            tier text
        }
        start "s"
    }
    endpoint "cancel" {
        payload {
            email email
        }
        stop "s" for="{{email}}"
    }
    endpoint "paid" {
        payload {
            email email
        }
    }
}
sequence "s" to="{{email}}" {
    once-per "{{email}}" again="after-finish"
    goal "t/paid" for="{{email}}" within="30d"
    email "one" after="0s" subject="One" max-late="2h"
    email "two" after="1h" subject="Two" max-late="2h" when="tier == \"gold\""
}
"#;

async fn server(clock: &Arc<TestClock>, smtp: Option<&Server>) -> TestServer {
    let make = Make::empty().file("rules/t.kdl", RULES).clock(clock);
    let make = match smtp {
        Some(smtp) => make.env("SMTP_URL", &format!("smtp://127.0.0.1:{}", smtp.port)),
        None => make,
    };
    let texts = ["one", "two"].map(|name| format!("rules/emails/{name}.md"));
    texts.iter().fold(make, |make, path| make.file(path, "Hello.\n")).start().await
}

async fn start(server: &TestServer, email: &str, tier: &str) {
    let answer = server.post("/t/start", &json!({ "email": email, "tier": tier })).await;
    assert_eq!(answer.status, 200, "{}", answer.text);
}

pub(crate) async fn stats(server: &TestServer, sequence: &str) -> Value {
    let answer = server.get(&format!("/api/v1/sequences/{sequence}/stats")).await;
    assert_eq!(answer.status, 200, "{}", answer.text);
    answer.json()
}

/// What is not nought of a step, in words.
fn told(stats: &Value, step: &str) -> String {
    let found = stats["steps"].as_array().unwrap().iter().find(|one| one["step"] == step).unwrap();
    let mut told = Vec::new();
    for what in ["scheduled", "sent", "bounced", "clicked", "converted"] {
        if found[what] != 0 {
            told.push(format!("{} {what}", found[what]));
        }
    }
    for (what, because) in [("skipped", "skipped_because"), ("failed", "failed_because")] {
        let reasons = found[because].as_object().unwrap();
        let sum: u64 = reasons.values().filter_map(Value::as_u64).sum();
        assert_eq!(found[what], sum, "{found}");
        told.extend(reasons.iter().map(|(why, count)| format!("{count} {what}: {why}")));
    }
    told.join(", ")
}

async fn becomes(server: &TestServer, step: &str, expected: &str) {
    let so = || async { told(&stats(server, "s").await, step) == expected };
    for _ in 0..250 {
        if so().await {
            return;
        }
        tokio::time::sleep(Duration::from_millis(20)).await;
    }
    panic!("`{step}` is {}, not {expected}", told(&stats(server, "s").await, step));
}

fn people(stats: &Value) -> [u64; 5] {
    let fields = ["entered", "active", "finished", "stopped", "converted"];
    let counts = fields.map(|field| stats[field].as_u64().unwrap());
    assert_eq!(counts[0], counts[1..].iter().sum::<u64>(), "nobody is lost: {stats}");
    counts
}

#[tokio::test(flavor = "multi_thread")]
async fn each_outcome_of_an_email_is_counted_once_however_often_it_was_tried() {
    let no = Script::default;
    let table = [
        (vec![no()], 0, "1 sent"),
        (vec![Script { rcpt: &[Say("450 4.2.1 later"), Say("250 ok")], ..no() }], 1, "1 sent"),
        (vec![Script { rcpt: &[Say("550 5.1.1 nobody")], ..no() }], 0, "1 bounced"),
        (vec![Script { rcpt: &[Say("450 4.2.1 later")], ..no() }], 2, "1 failed: retries used up"),
        (vec![Script { dot: &[HangUp], ..no() }, no()], 0, "1 failed: unknown"),
    ];
    for (scripts, minutes, expected) in table {
        let clock = TestClock::at("2026-01-05T10:00:00Z");
        let smtp = Server::start(scripts).await;
        let server = server(&clock, Some(&smtp)).await;
        start(&server, "ann@shop.example", "gold").await;
        for minute in 1..=minutes {
            eventually("it is tried", || async { smtp.count("RCPT") >= minute }).await;
            // What the server was told is written down before the clock goes on.
            let waits = || async {
                let jobs = results(&server.get("/api/v1/queue?event_type=one").await);
                jobs.iter().all(|job| job["attempts"] == minute && job["status"] == "pending")
            };
            eventually("it waits", waits).await;
            assert_eq!(told(&stats(&server, "s").await, "one"), "1 scheduled", "{expected}");
            server.advance(&clock, Duration::from_secs(61)).await;
        }
        becomes(&server, "one", expected).await;
        // An address that does not exist ends the sequence.
        let next = if expected == "1 bounced" { "1 skipped: stopped" } else { "1 scheduled" };
        assert_eq!(told(&stats(&server, "s").await, "two"), next, "{expected}");
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn what_a_person_takes_back_is_taken_back_in_the_numbers() {
    for verb in ["settle", "retry"] {
        let clock = TestClock::at("2026-01-05T10:00:00Z");
        let lost = Script { dot: &[HangUp], ..Script::default() };
        let smtp = Server::start(vec![lost, Script::default()]).await;
        let server = server(&clock, Some(&smtp)).await;
        start(&server, "ann@shop.example", "gold").await;
        becomes(&server, "one", "1 failed: unknown").await;
        let job = &results(&server.get("/api/v1/queue?status=failed").await)[0];
        let path = format!("/api/v1/queue/{}/{verb}", job["id"].as_str().unwrap());
        assert_eq!(server.send("POST", &path, &[], "").await.status, 200);
        becomes(&server, "one", "1 sent").await;
        assert_eq!(people(&stats(&server, "s").await), [1, 1, 0, 0, 0]);
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn what_is_left_out_is_counted_with_its_reason() {
    let clock = TestClock::at("2026-01-05T10:00:00Z");
    let smtp = Server::start(vec![Script::default()]).await;
    let server = server(&clock, Some(&smtp)).await;
    for (person, tier) in [
        ("plain", "basic"),
        ("barred", "gold"),
        ("left", "gold"),
        ("buyer", "gold"),
        ("late", "gold"),
        ("hand", "gold"),
    ] {
        start(&server, &format!("{person}@shop.example"), tier).await;
    }
    becomes(&server, "one", "6 sent").await;
    becomes(&server, "two", "6 scheduled").await;
    let to = |person: &str| json!({ "email": format!("{person}@shop.example") });
    assert_eq!(server.post("/t/cancel", &to("left")).await.status, 200);
    assert_eq!(server.post("/t/paid", &to("buyer")).await.status, 200);
    let barred = json!({ "email": "barred@shop.example", "reason": "unsubscribed" });
    let answer = server.post("/api/v1/suppressions", &barred).await;
    assert!(answer.status < 300, "{}", answer.text);
    let due = results(&server.get("/api/v1/queue?status=pending").await);
    let hand = due.iter().find(|job| job["webhook_url"] == "hand@shop.example");
    let hand = hand.unwrap_or_else(|| panic!("{due:?}"))["id"].as_str().unwrap().to_owned();
    assert!(server.send("DELETE", &format!("/api/v1/queue/{hand}"), &[], "").await.status < 300);
    let late = "/api/v1/sequences/s/pause?person=late@shop.example";
    assert_eq!(server.send("POST", late, &[], "").await.status, 200);
    server.advance(&clock, Duration::from_hours(1)).await;
    becomes(
        &server,
        "two",
        "1 scheduled, 1 skipped: cancelled by hand, 1 skipped: condition not met, 1 skipped: goal \
         reached, 1 skipped: stopped, 1 skipped: suppressed",
    )
    .await;
    server.advance(&clock, Duration::from_hours(3)).await;
    let resume = late.replace("pause", "resume");
    assert_eq!(server.send("POST", &resume, &[], "").await.status, 200);
    becomes(
        &server,
        "two",
        "1 skipped: cancelled by hand, 1 skipped: condition not met, 1 skipped: goal reached, \
         1 skipped: stopped, 1 skipped: suppressed, 1 skipped: too late",
    )
    .await;
    let told_of_all = stats(&server, "s").await;
    assert_eq!(told(&told_of_all, "one"), "6 sent, 1 converted");
    assert_eq!(people(&told_of_all), [6, 0, 4, 1, 1]);
    assert_eq!(told_of_all["conversion_rate"], 0.1667);
    // Who has been through it and buys then moves from one column to the other.
    assert_eq!(server.post("/t/paid", &to("plain")).await.status, 200);
    assert_eq!(people(&stats(&server, "s").await), [6, 0, 3, 1, 2]);
    let overview = results(&server.get("/api/v1/sequences/stats").await);
    assert_eq!((overview.len(), &overview[0]["sent"]), (1, &json!(6)));
    assert_eq!(server.get("/api/v1/sequences/nobody/stats").await.status, 404);
    // What was counted outlives those whom it was about.
    let forget = "/api/v1/contacts/plain@shop.example";
    assert_eq!(server.send("DELETE", forget, &[], "").await.status, 200);
    assert_eq!(people(&stats(&server, "s").await), [6, 0, 3, 1, 2]);
}
