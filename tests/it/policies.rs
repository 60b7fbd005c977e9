//! When a sequence begins, whom it lets in again, and what is looked at right before a step
//! happens: on a clock that the test turns, with e-mails captured instead of sent.

use std::time::Duration;

use serde_json::{Value, json};

use crate::support::receiver::Receiver;
use crate::support::server::{Answer, CAMPAIGN, Make, TestClock, TestServer, eventually, results};

const HOUR: Duration = Duration::from_hours(1);
const DAY: Duration = Duration::from_hours(24);

/// A rule file with one sequence `s` of these lines, started by `POST /t/start`.
fn with(sequence: &str) -> Make {
    let rules = format!(
        r#"
sender "Acme <hello@acme.test>" {{
    postal-address "1 Main Street"
    time-zone "America/New_York"
}}
webhooks "t" {{
    path "/t"
    endpoint "start" {{
        payload {{
            email email
            since time optional
            order text optional
        }}
        start "s"
    }}
    endpoint "bought" {{
        payload {{
            email email
        }}
        save "contact" id="{{{{email}}}}" {{
            bought #true
        }}
    }}
}}
sequence "s" to="{{{{email}}}}" {sequence}
"#
    );
    Make::empty()
        .file("rules/t.kdl", &rules)
        .file("rules/emails/one.md", "One.\n")
        .file("rules/emails/two.md", "Two.\n")
}

async fn start(server: &TestServer, email: &str) -> Answer {
    let answer = server.post("/t/start", &json!({ "email": email })).await;
    assert_eq!(answer.status, 200, "{}", answer.text);
    answer
}

/// Names of the captured e-mails, oldest first.
async fn captured(server: &TestServer) -> Vec<String> {
    let mut rows = results(&server.get("/api/v1/outbox").await);
    rows.reverse();
    rows.iter().map(|mail| mail["name"].as_str().unwrap_or_default().to_owned()).collect()
}

async fn become_captured(server: &TestServer, names: &[&str]) {
    eventually(&format!("{names:?} are captured"), || async { captured(server).await == names })
        .await;
}

async fn enrolments(server: &TestServer) -> Vec<Value> {
    results(&server.get("/api/v1/sequences").await)
}

async fn log_of(server: &TestServer, answer: &Answer) -> String {
    let id = answer.json()["id"].as_str().expect("an id").to_owned();
    server.get(&format!("/api/v1/executions/{id}/logs")).await.text
}

#[tokio::test(flavor = "multi_thread")]
async fn stop_when_is_looked_at_right_before_each_email() {
    let clock = TestClock::at("2026-01-05T10:00:00Z");
    let make = with(
        r#"{
    stop-when "contact.bought != () && contact.bought"
    email "one" after="1h" subject="One"
    email "two" after="2h" subject="Two"
}"#,
    );
    let server = make.clock(&clock).start().await;
    let started = start(&server, "a@shop.example").await;
    server.advance(&clock, HOUR).await;
    become_captured(&server, &["one"]).await;
    server.post("/t/bought", &json!({ "email": "a@shop.example" })).await;
    server.advance(&clock, HOUR).await;
    eventually("it has ended", || async { enrolments(&server).await[0]["state"] == "stopped" })
        .await;
    assert_eq!(captured(&server).await, ["one"]);
    let log = log_of(&server, &started).await;
    assert!(log.contains("stop-when `contact.bought != () && contact.bought`"), "{log}");
}

#[tokio::test(flavor = "multi_thread")]
async fn what_is_too_late_is_left_out_visibly_and_the_rest_goes_on() {
    let clock = TestClock::at("2026-01-05T10:00:00Z");
    let make = with(
        r#"{
    email "one" after="1h" subject="One" max-late="30min"
    email "two" after="5h" subject="Two"
}"#,
    );
    let server = make.clock(&clock).start().await;
    let started = start(&server, "a@shop.example").await;
    // The machine slept for two hours.
    server.advance(&clock, HOUR * 2).await;
    eventually("one is left out", || async {
        results(&server.get("/api/v1/queue?status=cancelled").await).len() == 1
    })
    .await;
    let log = log_of(&server, &started).await;
    assert!(log.contains("too late: it was due 2026-01-05T11:00:00Z"), "{log}");
    server.advance(&clock, HOUR * 3).await;
    become_captured(&server, &["two"]).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn an_event_may_be_a_timed_step() {
    let receiver = Receiver::start(&[]).await;
    let clock = TestClock::at("2026-01-05T10:00:00Z");
    let make = with(
        r#"{
    email "one" after="1h" subject="One"
    send "nudge" after="2h" {
        who "{{email}}"
    }
}
service "crm" type="http" {
    url (env)"CRM_URL"
}
events to="crm" path="/in" {
    event "nudge"
}
"#,
    );
    let make = make.env("CRM_URL", &receiver.url());
    let server = make.clock(&clock).start().await;
    start(&server, "a@shop.example").await;
    server.advance(&clock, HOUR).await;
    become_captured(&server, &["one"]).await;
    assert!(receiver.seen().is_empty(), "not before its time");
    server.advance(&clock, HOUR).await;
    eventually("the event arrives", || async { receiver.seen().len() == 1 }).await;
    let body: Value = serde_json::from_slice(&receiver.seen()[0].body).expect("JSON");
    assert_eq!(body, json!({ "who": "a@shop.example" }));
    server.advance(&clock, DAY).await;
    assert_eq!(receiver.seen().len(), 1);
    assert_eq!(enrolments(&server).await[0]["state"], "finished");
}

const ONE_EMAIL: &str = "    email \"one\" after=\"1h\" subject=\"One\"\n}";

#[tokio::test(flavor = "multi_thread")]
async fn never_again_means_never_even_after_the_end() {
    let clock = TestClock::at("2026-01-05T10:00:00Z");
    let server = with(&format!("{{\n    once-per \"{{{{email}}}}\"\n{ONE_EMAIL}"));
    let server = server.clock(&clock).start().await;
    start(&server, "a@shop.example").await;
    server.advance(&clock, HOUR).await;
    become_captured(&server, &["one"]).await;
    let again = start(&server, " A@Shop.Example".trim()).await;
    let log = log_of(&server, &again).await;
    assert!(log.contains("it is once only"), "{log}");
    assert_eq!(enrolments(&server).await.len(), 1);
}

#[tokio::test(flavor = "multi_thread")]
async fn without_once_per_a_person_may_come_again_after_the_end() {
    let clock = TestClock::at("2026-01-05T10:00:00Z");
    let server = with(&format!("{{\n{ONE_EMAIL}")).clock(&clock).start().await;
    start(&server, "a@shop.example").await;
    let meanwhile = start(&server, "a@shop.example").await;
    let log = log_of(&server, &meanwhile).await;
    assert!(log.contains("already in it since 2026-01-05T10:00:00Z"), "{log}");
    server.advance(&clock, HOUR).await;
    become_captured(&server, &["one"]).await;
    start(&server, "a@shop.example").await;
    server.advance(&clock, HOUR).await;
    become_captured(&server, &["one", "one"]).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn thirty_days_are_thirty_days() {
    let clock = TestClock::at("2026-01-05T10:00:00Z");
    let server = with(&format!("{{\n    once-per \"{{{{email}}}}\" again=\"30d\"\n{ONE_EMAIL}"));
    let server = server.clock(&clock).start().await;
    start(&server, "a@shop.example").await;
    server.advance(&clock, HOUR).await;
    become_captured(&server, &["one"]).await;
    server.advance(&clock, DAY * 29).await;
    let early = start(&server, "a@shop.example").await;
    let log = log_of(&server, &early).await;
    assert!(log.contains("again after 2026-02-04T10:00:00Z"), "{log}");
    server.advance(&clock, DAY).await;
    start(&server, "a@shop.example").await;
    server.advance(&clock, HOUR).await;
    become_captured(&server, &["one", "one"]).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn restart_ends_the_running_one_and_begins_anew() {
    let clock = TestClock::at("2026-01-05T10:00:00Z");
    let make = with(
        r#"{
    once-per "{{email}}" again="restart"
    email "one" after="1h" subject="One"
    email "two" after="2h" subject="Two"
}"#,
    );
    let server = make.clock(&clock).start().await;
    start(&server, "a@shop.example").await;
    server.advance(&clock, HOUR).await;
    become_captured(&server, &["one"]).await;
    start(&server, "a@shop.example").await;
    server.advance(&clock, HOUR).await;
    become_captured(&server, &["one", "one"]).await;
    server.advance(&clock, HOUR).await;
    become_captured(&server, &["one", "one", "two"]).await;
    server.advance(&clock, DAY).await;
    assert_eq!(captured(&server).await.len(), 3, "the first one's second e-mail is gone");
}

#[tokio::test(flavor = "multi_thread")]
async fn a_time_that_is_none_is_refused_and_starts_nothing() {
    let server = Make::campaigns().start().await;
    for wrong in ["yesterday", "2025-12-01T10:30:00", ""] {
        let body = json!({
            "email": "a@shop.example", "first_name": "A", "business_name": "B",
            "red_systems": 2, "orange_systems": 1, "yellow_systems": 2, "green_systems": 3,
            "weakest_system_1": "GPS", "revenue_leak_total": 1,
            "email_1_sent_at": wrong, "email_1_status": "sent",
        });
        let path = format!("{CAMPAIGN}/assessment-handler/assessment-webhook-key");
        let answer = server.post(&path, &body).await;
        assert_eq!(answer.status, 422, "{wrong:?}: {}", answer.text);
        assert!(answer.text.contains("email_1_sent_at"), "{}", answer.text);
    }
    assert!(enrolments(&server).await.is_empty());
    assert!(results(&server.get("/api/v1/queue").await).is_empty());
}

#[tokio::test(flavor = "multi_thread")]
async fn a_day_is_the_same_local_time_tomorrow_and_24_hours_are_24_hours() {
    // New York puts its clocks forward in the night to 8 March 2026.
    let clock = TestClock::at("2026-03-07T15:00:00Z");
    let make = with(
        r#"{
    email "one" after="1d" subject="One"
    email "two" after="24h" subject="Two"
}"#,
    );
    let server = make.clock(&clock).start().await;
    start(&server, "a@shop.example").await;
    let plan = enrolments(&server).await[0]["plan"].clone();
    assert_eq!(
        plan,
        json!([
            { "step": "one", "due": "2026-03-08T14:00:00Z" },
            { "step": "two", "due": "2026-03-08T15:00:00Z" },
        ])
    );
    server.advance(&clock, Duration::from_hours(23)).await;
    become_captured(&server, &["one"]).await;
    server.advance(&clock, HOUR).await;
    become_captured(&server, &["one", "two"]).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn an_edit_moves_nobody_who_is_mid_way_and_a_mended_text_reaches_everyone() {
    let clock = TestClock::at("2026-01-05T10:00:00Z");
    let make = with(
        r#"{
    email "one" after="1h" subject="One"
    email "two" after="2h" subject="Two"
}"#,
    );
    let server = make.clock(&clock).start().await;
    let started = start(&server, "a@shop.example").await;
    let file = server.folder.path().join("rules/t.kdl");
    let rules = std::fs::read_to_string(&file).expect("the rules");
    let edited = rules
        .replace("email \"one\" after=\"1h\"", "email \"one\" after=\"30min\"")
        .replace("    email \"two\" after=\"2h\" subject=\"Two\"\n", "");
    crate::support::server::write(&server.folder.path().join("rules/emails/one.md"), "Mended.\n");
    crate::support::server::write(&file, &edited);
    eventually("the edit is live", || async {
        let live = server.app().live.load_full();
        let steps = &live.rules.sequences["s"].steps;
        steps.len() == 1 && steps[0].after.to_string() == "30min"
    })
    .await;
    server.advance(&clock, HOUR / 2).await;
    assert!(captured(&server).await.is_empty(), "the old wait still counts");
    server.advance(&clock, HOUR / 2).await;
    become_captured(&server, &["one"]).await;
    let text = results(&server.get("/api/v1/outbox").await)[0]["text"].clone();
    assert!(text.as_str().is_some_and(|text| text.starts_with("Mended.")), "{text}");
    server.advance(&clock, HOUR).await;
    eventually("the step that is gone is skipped", || async {
        log_of(&server, &started).await.contains("the sequence no longer has a step two")
    })
    .await;
    assert_eq!(enrolments(&server).await[0]["state"], "finished");
}

#[tokio::test(flavor = "multi_thread")]
async fn an_email_that_could_not_leave_in_time_is_left_out() {
    let gone = std::net::TcpListener::bind("127.0.0.1:0").expect("a port");
    let url = format!("smtp://{}", gone.local_addr().expect("an address"));
    drop(gone);
    let clock = TestClock::at("2026-01-05T10:00:00Z");
    let make = with(
        r#"{
    email "one" after="1h" subject="One" max-late="30min"
}
service "mail" type="smtp" {
    url (env)"SMTP_URL"
}
"#,
    );
    let server = make.env("SMTP_URL", &url).clock(&clock).start().await;
    let started = start(&server, "a@shop.example").await;
    server.advance(&clock, HOUR).await;
    eventually("it fails to leave", || async {
        log_of(&server, &started).await.contains("; again ")
    })
    .await;
    server.advance(&clock, HOUR / 2).await;
    server.advance(&clock, Duration::from_secs(31)).await;
    eventually("it is left out", || async {
        let jobs = results(&server.get("/api/v1/queue?status=cancelled").await);
        jobs.len() == 1 && jobs[0]["reason"].as_str().is_some_and(|why| why.starts_with("too late"))
    })
    .await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_day_until_again_is_a_day_where_the_person_lives() {
    // Berlin puts its clocks forward in the night to 29 March 2026, New York did so before.
    let clock = TestClock::at("2026-03-28T12:00:00Z");
    let zone = "zone=\"Europe/Berlin\"";
    let make =
        with(&format!("{zone} {{\n    once-per \"{{{{email}}}}\" again=\"1d\"\n{ONE_EMAIL}"));
    let server = make.clock(&clock).start().await;
    start(&server, "a@shop.example").await;
    server.advance(&clock, HOUR).await;
    become_captured(&server, &["one"]).await;
    server.advance(&clock, Duration::from_mins(22 * 60 - 1)).await;
    let early = start(&server, "a@shop.example").await;
    let log = log_of(&server, &early).await;
    assert!(log.contains("again after 2026-03-29T11:00:00Z"), "{log}");
    server.advance(&clock, HOUR / 60).await;
    start(&server, "a@shop.example").await;
    server.advance(&clock, HOUR).await;
    become_captured(&server, &["one", "one"]).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn whoever_unsubscribes_ends_a_sequence_that_says_so() {
    let clock = TestClock::at("2026-01-05T10:00:00Z");
    let make = with(
        r#"{
    stop-when "contact.unsubscribed"
    email "one" after="1h" subject="One"
    email "two" after="2h" subject="Two"
}"#,
    );
    let server = make.clock(&clock).start().await;
    start(&server, "a@shop.example").await;
    start(&server, "b@shop.example").await;
    server.advance(&clock, HOUR).await;
    become_captured(&server, &["one", "one"]).await;
    let left = json!({ "email": "a@shop.example", "reason": "unsubscribed" });
    let answer = server.post("/api/v1/suppressions", &left).await;
    assert!(answer.status < 300, "{}", answer.text);
    server.advance(&clock, HOUR).await;
    become_captured(&server, &["one", "one", "two"]).await;
    let mut ends: Vec<(Value, Value)> = enrolments(&server)
        .await
        .into_iter()
        .map(|mut one| (one["state"].take(), one["reason"].take()))
        .collect();
    ends.sort_by_key(|(state, _)| state.to_string());
    assert_eq!(ends[0], (json!("finished"), Value::Null));
    assert_eq!(ends[1].0, "stopped");
    let why = ends[1].1.as_str().unwrap();
    assert_eq!(why, "stop-when `contact.unsubscribed`, with contact.unsubscribed = true");
}

#[tokio::test(flavor = "multi_thread")]
async fn a_cap_of_a_sequence_counts_every_marketing_email_and_holds_back_only_its_own() {
    let clock = TestClock::at("2026-01-05T10:00:00Z");
    let make = with(
        r#"{
    cap 1 per="12h"
    email "one" after="1h" subject="One"
    email "two" after="3h" subject="Two"
}
sequence "free" to="{{email}}" {
    email "three" after="2h" subject="Three"
}
webhooks "f" {
    path "/f"
    endpoint "start" {
        payload {
            email email
        }
        start "free"
    }
}"#,
    );
    let server = make.file("rules/emails/three.md", "Three.\n").clock(&clock).start().await;
    start(&server, "a@shop.example").await;
    let answer = server.post("/f/start", &json!({ "email": "a@shop.example" })).await;
    assert_eq!(answer.status, 200, "{}", answer.text);
    server.advance(&clock, HOUR).await;
    become_captured(&server, &["one"]).await;
    server.advance(&clock, HOUR).await;
    // The other sequence has no cap of its own.
    become_captured(&server, &["one", "three"]).await;
    server.advance(&clock, HOUR).await;
    eventually("the second is put off", || async {
        let coming = results(&server.get("/api/v1/schedule").await);
        coming.len() == 1 && coming[0]["due"] == "2026-01-06T00:00:00Z"
    })
    .await;
    let coming = results(&server.get("/api/v1/schedule").await);
    let why =
        "put off: capped: the person has just got other e-mails; it was due 2026-01-05T13:00:00Z";
    assert_eq!(coming[0]["note"], why);
    server.advance(&clock, Duration::from_secs(11 * 3600 - 1)).await;
    assert_eq!(captured(&server).await.len(), 2, "twelve hours after the other one's, too");
    server.advance(&clock, HOUR / 3600).await;
    become_captured(&server, &["one", "three", "two"]).await;
}
