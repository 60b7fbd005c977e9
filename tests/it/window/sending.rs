//! What a running server does when a step comes due and its window is closed: after an outage,
//! after an attempt that failed, for people of other zones, and when time is made to run.

use std::time::Duration;

use serde_json::{Value, json};

use crate::support::server::{Answer, Make, TestClock, TestServer, eventually, results};
use crate::support::smtp_server::{Answer::Say, Script, Server};

const HOUR: Duration = Duration::from_hours(1);

/// A rule file with one sequence `s` of these lines, started by `POST /t/start`.
fn with(sequence: &str) -> Make {
    with_zone("{{time_zone | default('')}}", sequence)
}

/// The same, with this `zone=`.
fn with_zone(zone: &str, sequence: &str) -> Make {
    let rules = format!(
        r#"
sender "Acme <hello@acme.test>" {{
    postal-address "1 Main Street"
    time-zone "Europe/Berlin"
}}
service "mail" type="smtp" {{
    url (env)"SMTP_URL" optional=#true
    retry "5min"
    timeout "5s"
}}
webhooks "t" {{
    path "/t"
    endpoint "start" {{
        payload {{ email email; time_zone text optional; }}
        start "s"
    }}
    endpoint "moved" {{
        payload {{ email email; city text; }}
        save "contact" id="{{{{email}}}}" {{ zone "{{{{city}}}}"; }}
    }}
}}
sequence "s" to="{{{{email}}}}" zone="{zone}" {{
    window days="mon-fri" hours="09:00-17:00"
    {sequence}
}}
"#
    );
    Make::empty().file("rules/t.kdl", &rules).file("rules/emails/one.md", "One.\n")
}

/// Friday 9 January 2026, 16:00 in Berlin, when an e-mail of `after="30min"` is begun.
const FRIDAY: &str = "2026-01-09T15:00:00Z";
const MONDAY: &str = "2026-01-12T08:00:00Z";

async fn start(server: &TestServer, payload: Value) -> Answer {
    let answer = server.post("/t/start", &payload).await;
    assert_eq!(answer.status, 200, "{}", answer.text);
    answer
}

async fn jobs(server: &TestServer) -> Vec<Value> {
    results(&server.get("/api/v1/queue").await)
}

async fn schedule(server: &TestServer) -> Vec<Value> {
    results(&server.get("/api/v1/schedule").await)
}

async fn captured(server: &TestServer) -> usize {
    results(&server.get("/api/v1/outbox").await).len()
}

async fn log_of(server: &TestServer, answer: &Answer) -> String {
    let id = answer.json()["id"].as_str().unwrap().to_owned();
    server.get(&format!("/api/v1/executions/{id}/logs")).await.text
}

#[tokio::test(flavor = "multi_thread")]
async fn what_an_outage_held_up_until_the_window_closed_waits_for_the_next_opening() {
    let clock = TestClock::at(FRIDAY);
    let make = with("email \"one\" after=\"30min\" subject=\"One\"");
    let server = make.clock(&clock).start().await;
    let started = start(&server, json!({ "email": "ann@shop.example" })).await;
    assert_eq!(schedule(&server).await[0]["due"], "2026-01-09T15:30:00Z");
    // Nothing was looked at for two hours.
    server.advance(&clock, 2 * HOUR).await;
    eventually("it is put off", || async { schedule(&server).await[0]["due"] == MONDAY }).await;
    let coming = schedule(&server).await;
    assert_eq!(coming[0]["note"], "put off: the window is closed; it was due 2026-01-09T15:30:00Z");
    let log = log_of(&server, &started).await;
    assert!(log.contains(&format!("waits until {MONDAY}: the window is closed")), "{log}");
    server.advance(&clock, 62 * HOUR).await;
    assert_eq!(captured(&server).await, 0, "not before Monday at nine");
    server.advance(&clock, HOUR).await;
    eventually("it is sent", || async { captured(&server).await == 1 }).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn what_would_be_too_late_at_the_next_opening_is_skipped_and_says_so() {
    let clock = TestClock::at(FRIDAY);
    let make = with("email \"one\" after=\"30min\" max-late=\"2h\" subject=\"One\"");
    let server = make.clock(&clock).start().await;
    start(&server, json!({ "email": "ann@shop.example" })).await;
    server.advance(&clock, HOUR + HOUR / 2).await;
    eventually("it is left out", || async { jobs(&server).await[0]["status"] == "cancelled" })
        .await;
    let job = jobs(&server).await.remove(0);
    let text = job.to_string();
    assert!(
        text.contains(
            "too late: it was due 2026-01-09T15:30:00Z and may be 2h late, and its window opens \
             again at 2026-01-12T08:00:00Z"
        ),
        "{text}"
    );
    // Somebody who asks for it by hand does not wait for Monday.
    let id = job["id"].as_str().unwrap();
    let retried = server.post(&format!("/api/v1/queue/{id}/retry"), &json!({})).await;
    assert_eq!(retried.status, 200, "{}", retried.text);
    eventually("it is sent", || async { captured(&server).await == 1 }).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_retry_that_falls_outside_the_window_waits_and_the_email_is_sent_once() {
    let busy = Script {
        rcpt: &[Say("451 4.7.1 greylisted"), Say("250 2.1.5 recipient ok")],
        ..Script::default()
    };
    let mail = Server::start(vec![busy, Script::default()]).await;
    let url = format!("smtp://127.0.0.1:{}?tls=none", mail.port);
    let clock = TestClock::at(FRIDAY);
    let make = with("email \"one\" after=\"58min\" subject=\"One\"").env("SMTP_URL", &url);
    let server = make.clock(&clock).start().await;
    start(&server, json!({ "email": "ann@shop.example" })).await;
    server.advance(&clock, Duration::from_mins(58)).await;
    eventually("the first attempt has failed", || async {
        jobs(&server).await[0]["retry_count"] == 1
    })
    .await;
    server.advance(&clock, Duration::from_mins(6)).await;
    eventually("it waits for Monday", || async { schedule(&server).await[0]["due"] == MONDAY })
        .await;
    let note = schedule(&server).await[0]["note"].clone();
    assert_eq!(note, "put off: the window is closed; it was due 2026-01-09T15:58:00Z");
    assert!(mail.messages().is_empty());
    server.advance(&clock, 64 * HOUR).await;
    eventually("it is sent", || async { mail.messages().len() == 1 }).await;
    eventually("and told so", || async { jobs(&server).await[0]["status"] == "sent" }).await;
    assert_eq!(mail.messages().len(), 1, "{:?}", mail.log());
}

/// To whom something goes, and when.
async fn dues(server: &TestServer) -> Vec<(String, String)> {
    let text = |one: &Value, name: &str| one[name].as_str().unwrap().to_owned();
    let coming = schedule(server).await;
    let mut due: Vec<_> = coming.iter().map(|one| (text(one, "to"), text(one, "due"))).collect();
    due.sort();
    due
}

#[tokio::test(flavor = "multi_thread")]
async fn a_zone_that_is_written_for_everybody_comes_after_the_contacts_own() {
    let clock = TestClock::at("2026-01-10T12:00:00Z");
    let make = with_zone("Asia/Tokyo", "email \"one\" after=\"5min\" subject=\"One\"");
    let server = make.clock(&clock).start().await;
    let moved = json!({ "email": "contact@shop.example", "city": "America/New_York" });
    assert_eq!(server.post("/t/moved", &moved).await.status, 200);
    for email in ["contact@shop.example", "nobody@shop.example"] {
        start(&server, json!({ "email": email })).await;
    }
    let expected = [
        ("contact@shop.example", "2026-01-12T14:00:00Z"),
        ("nobody@shop.example", "2026-01-12T00:00:00Z"),
    ];
    assert_eq!(dues(&server).await, expected.map(|(to, due)| (to.to_owned(), due.to_owned())));
}

#[tokio::test(flavor = "multi_thread")]
async fn the_payload_says_where_a_person_lives_then_the_contact_then_the_sender() {
    // Saturday; every e-mail waits for Monday at nine where the person lives.
    let clock = TestClock::at("2026-01-10T12:00:00Z");
    let make = with("email \"one\" after=\"5min\" subject=\"One\"");
    let server = make.clock(&clock).start().await;
    for (email, city) in
        [("contact@shop.example", "Asia/Tokyo"), ("both@shop.example", "Asia/Tokyo")]
    {
        let answer = server.post("/t/moved", &json!({ "email": email, "city": city })).await;
        assert_eq!(answer.status, 200, "{}", answer.text);
    }
    start(&server, json!({ "email": "nobody@shop.example" })).await;
    start(&server, json!({ "email": "Contact@shop.example" })).await;
    let both = json!({ "email": "both@shop.example", "time_zone": "America/New_York" });
    start(&server, both).await;
    let odd = json!({ "email": "odd@shop.example", "time_zone": "Mars/Olympus" });
    let odd = start(&server, odd).await;
    let due = dues(&server).await;
    let expected = [
        ("Contact@shop.example", "2026-01-12T00:00:00Z"),
        ("both@shop.example", "2026-01-12T14:00:00Z"),
        ("nobody@shop.example", MONDAY),
        ("odd@shop.example", MONDAY),
    ];
    let due: Vec<(&str, &str)> = due.iter().map(|(to, due)| (&**to, &**due)).collect();
    assert_eq!(due, expected);
    let log = log_of(&server, &odd).await;
    assert!(log.contains("`Mars/Olympus` is no time zone"), "{log}");
    assert!(log.contains("moved by the window from 2026-01-10T12:05:00Z"), "{log}");
}

#[tokio::test(flavor = "multi_thread")]
async fn time_that_is_made_to_run_keeps_windows() {
    // A day passes in 24 s: five minutes in 83 ms, and Saturday to Monday in 46 s.
    let clock = TestClock::at("2026-01-10T14:00:00Z");
    let mut make = with("email \"one\" after=\"5min\" subject=\"One\"");
    make.config.options.speed = 3600;
    let server = make.clock(&clock).start().await;
    start(&server, json!({ "email": "ann@shop.example" })).await;
    // From Saturday 15:00 to Monday 9:00 in Berlin are 42 hours.
    assert_eq!(schedule(&server).await[0]["due"], "2026-01-10T14:00:42Z");
    server.advance(&clock, Duration::from_secs(41)).await;
    assert_eq!(captured(&server).await, 0);
    server.advance(&clock, Duration::from_secs(1)).await;
    eventually("it is sent", || async { captured(&server).await == 1 }).await;
}
