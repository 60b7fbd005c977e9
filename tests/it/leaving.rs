//! What ends a sequence and what makes it stand still, on a real server and in tests of rules.

use std::sync::Arc;
use std::time::Duration;

use rulerun::base::SourceMap;
use rulerun::language;
use rulerun::rehearse;
use serde_json::{Value, json};

use crate::support::server::{Make, TestClock, TestServer, eventually, results};

const HOUR: Duration = Duration::from_hours(1);

const RULES: &str = r#"
sender "Acme <hello@acme.test>" {
    postal-address "1 Main Street"
}
service "mail" type="smtp" {
    url (env)"SMTP_URL" optional=#true
    retry "1h" "1h"
}
service "crm" type="http" {
    url "http://127.0.0.1:9"
}
schema "visit" {
    email email example="ann@shop.example"
    visit text example="v1"
}
schema "paid" {
    buyer email example="ann@shop.example"
}
events to="crm" path="/paid" {
    event "paid"
}
webhooks "t" {
    path "/t"
    endpoint "start" {
        payload "visit"
        start "s"
    }
    endpoint "cancel" {
        payload "visit"
        require "visit != \"v9\""
    }
    endpoint "again" {
        payload "visit"
        start "s"
    }
    endpoint "forget" {
        payload "visit"
        save "contact" id="{{email}}" {
            gone #true
        }
    }
    endpoint "import" {
        payload "visit"
        send "paid" {
            buyer "{{email}}"
        }
    }
}
sequence "s" to="{{email}}" {
    once-per "{{visit}}" again="after-finish"
    stop-on "t/cancel" for="{{email}}" key="{{visit}}"
    stop-on "t/again" for="{{email}}"
    stop-when "contact.gone != () && contact.gone"
    goal event="paid" for="{{buyer}}" within="2h"
    email "one" after="1h" subject="One" max-late="2h"
    email "two" after="5h" subject="Two" max-late="2h"
    email "three" after="9h" subject="Three" max-late="2h"
}
sequence "billing" to="{{email}}" kind="transactional" {
    send "paid" after="3h" {
        buyer "{{email}}"
    }
}
"#;

const TEXTS: [&str; 3] = ["one", "two", "three"];

/// What is wrong with a test of the rules above, as sentences.
fn faults(test: &str) -> Vec<String> {
    let mut sources = SourceMap::new();
    // Somewhere to send to, so that an e-mail is not captured at once.
    let there = RULES.replace("(env)\"SMTP_URL\" optional=#true", "\"smtp://127.0.0.1:2525\"");
    sources.add("rules/t.kdl", there);
    for name in TEXTS {
        sources.add(format!("rules/emails/{name}.md"), "Hello.\n");
    }
    sources.add("t.test.kdl", format!("test \"t\" {{\n{test}\n}}\n"));
    let (rules, found) = language::analyze(&sources);
    let rules = Arc::new(rules.unwrap_or_else(|| panic!("{found:?}")));
    let (tests, found) = language::tests(&sources, &rules);
    assert!(found.is_empty(), "{found:?}");
    let live = rehearse::prepare(rules).unwrap();
    let verdict = rehearse::judge(&live, &tests[0], None).unwrap();
    verdict.faults.into_iter().map(|fault| fault.message).collect()
}

fn happens(test: &str) {
    let faults = faults(test);
    assert!(faults.is_empty(), "{faults:?}\n{test}");
}

#[test]
fn a_call_ends_the_run_that_it_names_and_no_other() {
    happens(
        r#"post "t/start" example="visit" { visit "v1"; }
        expect email="one" after="1h"
        advance "10min"
        post "t/start" example="visit" { visit "v2"; }
        expect email="one" after="1h"
        advance "2h"
        post "t/cancel" example="visit" { visit "v1"; }
        expect email="two" after="3h"
        expect email="three" after="7h""#,
    );
}

#[test]
fn a_call_that_is_refused_ends_nothing() {
    happens(
        r#"post "t/start" example="visit" { visit "v9"; }
        expect email="one" after="1h"
        advance "2h"
        post "t/cancel" example="visit" { visit "v9"; }
        expect reply=422
        expect email="two" after="3h"
        expect email="three" after="7h""#,
    );
}

#[test]
fn a_call_that_ends_and_starts_the_same_sequence_begins_it_anew() {
    happens(
        r#"post "t/start" example="visit"
        expect email="one" after="1h"
        advance "2h"
        post "t/again" example="visit"
        expect email="one" after="1h"
        expect email="two" after="5h"
        expect email="three" after="9h""#,
    );
}

#[test]
fn an_event_is_a_goal_whoever_sends_it() {
    // A step of a webhook, and the API (as the backend reports it).
    for sent in [r#"post "t/import" example="visit""#, r#"send "paid" example="paid""#] {
        happens(&format!(
            r#"post "t/start" example="visit"
            expect email="one" after="1h"
            advance "2h"
            {sent}
            expect event="paid""#
        ));
    }
}

#[test]
fn an_email_that_waits_to_be_tried_again_is_asked_once_more_and_ends_its_sequence() {
    // Nothing is left over that would be left out later, visibly and in vain.
    happens(
        r#"service "mail" answers=451
        post "t/start" example="visit"
        advance "1h 30min"
        expect email="one" after="1h"
        post "t/forget" example="visit"
        expect save="contact"
        service "mail" answers=200
        expect skipped="one" after="30min"
        expect nothing"#,
    );
}

async fn server(make: Make, clock: &Arc<TestClock>) -> TestServer {
    let make = make.file("rules/t.kdl", RULES).clock(clock).on_disk();
    let texts = TEXTS.iter().map(|name| format!("rules/emails/{name}.md"));
    texts.fold(make, |make, path| make.file(&path, "Hello.\n")).start().await
}

async fn start(server: &TestServer, email: &str, visit: &str) {
    let answer = server.post("/t/start", &json!({ "email": email, "visit": visit })).await;
    assert_eq!(answer.status, 200, "{}", answer.text);
}

/// Names and receivers of the captured e-mails, sorted.
async fn captured(server: &TestServer) -> Vec<String> {
    let rows = results(&server.get("/api/v1/outbox").await);
    let text = |mail: &Value, name: &str| mail[name].as_str().unwrap_or_default().to_owned();
    let mut all: Vec<String> =
        rows.iter().map(|mail| format!("{} {}", text(mail, "name"), text(mail, "to"))).collect();
    all.sort();
    all
}

async fn act(server: &TestServer, path: &str) -> Value {
    let answer = server.post(&format!("/api/v1/sequences/{path}"), &Value::Null).await;
    assert_eq!(answer.status, 200, "{}", answer.text);
    answer.json()
}

async fn held(server: &TestServer, count: usize) {
    eventually(&format!("{count} are held"), || async {
        let rows = results(&server.get("/api/v1/queue?status=pending").await);
        rows.iter().filter(|job| job["reason"] == "paused").count() == count
    })
    .await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_pause_outlives_the_server_and_its_end_says_what_it_held() {
    let clock = TestClock::at("2026-01-05T10:00:00Z");
    let first = server(Make::empty(), &clock).await;
    start(&first, "ann@shop.example", "v1").await;
    let paused = act(&first, "s/pause").await;
    assert_eq!(paused["paused_at"], "2026-01-05T10:00:00Z");
    start(&first, "bob@shop.example", "v2").await;
    first.advance(&clock, HOUR * 2).await;
    held(&first, 2).await;

    let TestServer { server: running, folder } = first;
    running.stop().await;
    let second = server(Make::within(folder), &clock).await;
    start(&second, "cy@shop.example", "v3").await;
    second.advance(&clock, HOUR * 2).await;
    held(&second, 3).await;
    assert_eq!(captured(&second).await, Vec::<String>::new());
    let listed = results(&second.get("/api/v1/sequences/paused").await);
    assert_eq!(
        listed,
        [json!({
            "sequence": "s", "person": null, "paused_at": "2026-01-05T10:00:00Z",
            "held": 3, "too_late": 2,
        })]
    );
    let schedule = results(&second.get("/api/v1/schedule").await);
    let late = "will be skipped: it is too late after 2026-01-05T13:00:00Z; ";
    let notes: Vec<(&Value, &Value)> =
        schedule.iter().map(|due| (&due["event_type"], &due["note"])).collect();
    let paused = "waits: the sequence is paused";
    let held = (json!("one"), json!(format!("{late}{paused}")));
    assert_eq!(notes[..2], [(&held.0, &held.1), (&held.0, &held.1)], "{schedule:?}");
    assert!(
        notes.len() == 9 && notes[2..].iter().all(|(_, note)| **note == paused),
        "{schedule:?}"
    );

    let resumed = act(&second, "s/resume").await;
    assert_eq!((&resumed["held"], &resumed["too_late"]), (&json!(3), &json!(2)));
    eventually("the one in time goes", || async {
        captured(&second).await == ["one cy@shop.example"]
    })
    .await;
    second.advance(&clock, HOUR).await;
    eventually("the others go on", || async {
        captured(&second).await
            == ["one cy@shop.example", "two ann@shop.example", "two bob@shop.example"]
    })
    .await;
}

#[tokio::test(flavor = "multi_thread")]
async fn one_person_can_be_paused_and_a_slip_of_the_keyboard_pauses_nobody() {
    let clock = TestClock::at("2026-01-05T10:00:00Z");
    let server = server(Make::empty(), &clock).await;
    start(&server, "ann@shop.example", "v1").await;
    start(&server, "bob@shop.example", "v2").await;
    act(&server, "s/pause?person=Ann@shop.example").await;
    server.advance(&clock, HOUR).await;
    held(&server, 1).await;
    eventually("bob gets his", || async { captured(&server).await == ["one bob@shop.example"] })
        .await;
    for path in ["nobody/pause", "s/pause?person=eve@shop.example", "billing/resume?person=x@y.z"] {
        let answer = server.post(&format!("/api/v1/sequences/{path}"), &Value::Null).await;
        assert_eq!(answer.status, 404, "{path}: {}", answer.text);
    }
    act(&server, "s/resume?person=ann@shop.example").await;
    eventually("ann gets hers", || async { captured(&server).await.len() == 2 }).await;
    assert_eq!(act(&server, "s/resume").await["paused_at"], Value::Null);
}

#[tokio::test(flavor = "multi_thread")]
async fn a_conversion_is_shown_with_the_email_that_made_it() {
    let clock = TestClock::at("2026-01-05T10:00:00Z");
    let server = server(Make::empty(), &clock).await;
    start(&server, "ann@shop.example", "v1").await;
    server.advance(&clock, HOUR).await;
    eventually("one is captured", || async { captured(&server).await.len() == 1 }).await;
    let sent = json!({ "email": "Ann@shop.example", "visit": "v7" });
    assert_eq!(server.post("/t/import", &sent).await.status, 200);
    let one = &results(&server.get("/api/v1/sequences?sequence=s").await)[0];
    assert_eq!(
        (&one["state"], &one["reason"], &one["converted_by"]),
        (&json!("converted"), &json!("goal reached: paid"), &json!("one"))
    );
    let story = server.get("/api/v1/contacts/ann@shop.example/timeline").await.text;
    assert!(
        story.contains("the sequence `s` was converted by `one`: goal reached: paid"),
        "{story}"
    );
    server.advance(&clock, HOUR * 24).await;
    assert_eq!(captured(&server).await.len(), 1);
}
