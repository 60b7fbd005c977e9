//! Whoever is mid-way stays with the version of the sequence that they began: its conditions
//! and limits judge them whatever the files say later, while texts come live. An edit for
//! everyone moves them, and the time that they have waited counts.

use std::collections::BTreeMap;
use std::time::Duration;

use rulerun::model::queue::EnrolmentState;
use serde_json::{Value, json};

use super::{AT, ask, run, sign_up};
use crate::support::binary::Running;
use crate::support::server::{Make, TestClock, TestServer, eventually, results, write};

/// A sequence of these steps, with words of its own.
fn rules(words: &str, steps: &str) -> String {
    format!(
        r#"
sender "Acme <hello@example.com>" {{
    postal-address "1 Main Street"
}}
webhooks "shop" {{
    path "/shop"
    endpoint "signup" {{
        payload {{
            email email
            first_name text
        }}
        start "welcome"
    }}
}}
sequence "welcome" to="{{{{email}}}}"{words} {{
{steps}
}}
"#
    )
}

const EVERYONE: &str = " apply=\"everyone\"";
const TWO: &str = r#"
    email "one" after="1h" subject="One"
    email "two" after="10d" subject="Two" max-late="2d"
"#;

fn make(rules: &str) -> Make {
    ["one", "two", "three"]
        .iter()
        .fold(Make::empty().file("rules/shop.kdl", rules), |make, name| {
            make.file(&format!("rules/emails/{name}.md"), "Hello.\n")
        })
}

/// Puts other rules in place and waits until they are live.
async fn edit(server: &TestServer, rules: &str) {
    let before = server.app().live.load().rules.hash.clone();
    write(&server.folder.path().join("rules/shop.kdl"), rules);
    eventually("the edit is live", || async { server.app().live.load().rules.hash != before })
        .await;
}

/// What was captured: to whom, which e-mail, under which subject.
async fn captured(server: &TestServer) -> Vec<String> {
    let mails = results(&server.get("/api/v1/outbox?size=200").await);
    let text = |mail: &Value, name: &str| mail[name].as_str().unwrap_or_default().to_owned();
    let mut told: Vec<String> = mails
        .iter()
        .map(|mail| {
            let [to, name, subject] = ["to", "name", "subject"].map(|name| text(mail, name));
            format!("{to} {name} {subject}")
        })
        .collect();
    told.sort();
    told
}

/// When each step that is left of a person is due.
async fn dues(server: &TestServer, person: &str) -> BTreeMap<String, String> {
    let coming = server.get(&format!("/api/v1/schedule?person={person}")).await;
    let text = |value: &Value| value.as_str().unwrap_or_default().to_owned();
    results(&coming).iter().map(|one| (text(&one["event_type"]), text(&one["due"]))).collect()
}

/// Stops a server and starts another one over its data.
async fn restart(server: TestServer, clock: &std::sync::Arc<TestClock>) -> TestServer {
    let folder = server.folder;
    server.server.stop().await;
    Make::within(folder).on_disk().clock(clock).start().await
}

async fn are_over(server: &TestServer, people: usize) {
    eventually("nobody is mid-way any more", || async {
        server.app().store.bell().notify_one();
        let rows = server.app().store.enrolments(None, 0, 99).await.unwrap().rows;
        rows.len() == people && rows.iter().all(|one| one.state != EnrolmentState::Active)
    })
    .await;
}

#[tokio::test(flavor = "multi_thread")]
async fn conditions_stay_as_they_were_and_texts_come_live() {
    let clock = TestClock::at(AT);
    let steps = |name: &str, subject: &str| {
        format!(
            "    email \"one\" after=\"1h\" subject=\"{subject}\" when=\"first_name == \\\"{name}\\\"\"\n    \
             email \"two\" after=\"2h\" subject=\"Two\" max-late=\"9d\"\n"
        )
    };
    let server = make(&rules("", &steps("Ann", "One"))).on_disk().clock(&clock).start().await;
    sign_up(&server, "ann@example.com", "Ann").await;
    sign_up(&server, "bob@example.com", "Bob").await;
    // The condition is turned round, the limit is shortened, and the subject is mended.
    let other = steps("Bob", "Mended").replace("9d", "1min");
    edit(&server, &rules("", &other)).await;
    sign_up(&server, "bea@example.com", "Bob").await;

    // Everybody who asks is told by which version Ann is judged.
    let coming = results(&server.get("/api/v1/schedule?person=ann@example.com").await);
    assert_eq!(coming[0]["when"], "first_name == \"Ann\"");
    assert_eq!(coming[0]["subject"], "Mended");
    assert_eq!(coming[0]["version"]["since"], AT);
    let hash = coming[0]["version"]["hash"].as_str().unwrap().to_owned();
    let contact = server.get("/api/v1/contacts/ann@example.com").await.json();
    let version = json!({ "hash": hash, "since": AT, "live": false });
    assert_eq!(contact["enrolments"][0]["version"], version);
    let bea = server.get("/api/v1/contacts/bea@example.com").await.json();
    assert_eq!(bea["enrolments"][0]["version"]["live"], true);
    let told = format!("by the version of Mon 1 Dec 2025 10:30 ({})", &hash[..8]);
    for line in ["why ann@example.com", "schedule --from 2025-12-01 --person ann@example.com"] {
        let said = ask(&server, line).data();
        let said = said.split_whitespace().collect::<Vec<_>>().join(" ");
        assert!(said.contains(&told), "{said}");
    }
    let said = ask(&server, "plan").data();
    assert!(said.contains(&format!("2 people are judged {told}\n")), "{said}");

    // A restart knows the version of before.
    let server = restart(server, &clock).await;
    clock.pass(Duration::from_hours(3));
    are_over(&server, 3).await;
    assert_eq!(
        captured(&server).await,
        [
            "ann@example.com one Mended",
            "ann@example.com two Two",
            "bea@example.com one Mended",
            "bob@example.com two Two",
        ],
        "Bea's second comes too late by the version of now"
    );
    let why = ask(&server, "why bob@example.com").data();
    assert!(why.contains("skipped    one: when `first_name == \"Ann\"`"), "{why}");
    assert_eq!(server.app().store.examine(server.app().millis()).await.unwrap(), []);
}

#[tokio::test(flavor = "multi_thread")]
async fn a_stop_when_that_comes_later_ends_nobody_who_has_begun() {
    let clock = TestClock::at(AT);
    let server = make(&rules("", TWO)).on_disk().clock(&clock).start().await;
    sign_up(&server, "ann@example.com", "Ann").await;
    let steps = format!("    stop-when \"first_name != \\\"\\\"\"\n{TWO}");
    edit(&server, &rules("", &steps)).await;
    sign_up(&server, "bea@example.com", "Bea").await;
    clock.pass(Duration::from_hours(1));
    eventually("Ann gets her first", || async {
        server.app().store.bell().notify_one();
        captured(&server).await == ["ann@example.com one One"]
    })
    .await;
    // For everyone, it ends Ann's sequence too.
    edit(&server, &rules(EVERYONE, &steps)).await;
    eventually("Ann follows it", || async {
        let rows = server.app().store.midway(None).await.unwrap();
        let now = server.app().live.load().rules.sequences["welcome"].edition.hash.clone();
        rows.iter().all(|row| row.edition == now)
    })
    .await;
    clock.pass(Duration::from_hours(10 * 24));
    are_over(&server, 2).await;
    assert_eq!(captured(&server).await, ["ann@example.com one One"]);
}

/// An edit for everyone, two days after Ann's start and an hour after her first e-mail; answers
/// with what is due then.
async fn after_two_days(steps: &str) -> (Vec<String>, BTreeMap<String, String>) {
    let clock = TestClock::at(AT);
    let server = make(&rules("", TWO)).on_disk().clock(&clock).start().await;
    sign_up(&server, "ann@example.com", "Ann").await;
    clock.pass(Duration::from_hours(2 * 24));
    // One day late at the most: the first e-mail is skipped and the second is waited for.
    eventually("the first is over", || async {
        server.app().store.bell().notify_one();
        dues(&server, "ann@example.com").await.len() == 1
    })
    .await;
    edit(&server, &rules(EVERYONE, steps)).await;
    eventually("Ann follows it", || async {
        let rows = server.app().store.midway(None).await.unwrap();
        let now = server.app().live.load().rules.sequences["welcome"].edition.hash.clone();
        server.app().store.bell().notify_one();
        let due = server.app().store.enrolments(None, 0, 9).await.unwrap().rows;
        let waits = due[0].upcoming().is_some_and(|(_, due)| *due > server.app().millis());
        rows.iter().all(|row| row.edition == now) && (waits || rows.is_empty())
    })
    .await;
    (captured(&server).await, dues(&server, "ann@example.com").await)
}

#[tokio::test(flavor = "multi_thread")]
async fn with_a_shortened_wait_those_who_have_waited_long_enough_move_now() {
    let (sent, due) = after_two_days(&TWO.replace("10d", "36h")).await;
    assert_eq!(sent, ["ann@example.com two Two"]);
    assert_eq!(due, BTreeMap::new());
}

#[tokio::test(flavor = "multi_thread")]
async fn with_a_shortened_wait_the_others_wait_for_the_rest_of_it() {
    let (sent, due) = after_two_days(&TWO.replace("10d", "5d")).await;
    assert_eq!(sent, [""; 0]);
    assert_eq!(due["two"], "2025-12-06T10:30:00Z", "five days from the start, not from the edit");
}

#[tokio::test(flavor = "multi_thread")]
async fn with_a_lengthened_wait_everybody_waits_on() {
    let (sent, due) = after_two_days(&TWO.replace("10d", "20d")).await;
    assert_eq!(sent, [""; 0]);
    assert_eq!(due["two"], "2025-12-21T10:30:00Z");
}

#[tokio::test(flavor = "multi_thread")]
async fn with_a_wait_that_is_gone_everybody_moves_now() {
    let steps = TWO.replace(" after=\"10d\"", "").replace("after=\"1h\"", "after=\"0s\"");
    let (sent, due) = after_two_days(&steps).await;
    assert_eq!(sent, ["ann@example.com two Two"]);
    assert_eq!(due, BTreeMap::new());
}

#[tokio::test(flavor = "multi_thread")]
async fn a_step_that_is_gone_is_skipped_with_a_sentence() {
    let clock = TestClock::at(AT);
    let server = make(&rules("", TWO)).on_disk().clock(&clock).start().await;
    sign_up(&server, "ann@example.com", "Ann").await;
    // Its text goes with it.
    edit(&server, &rules("", "    email \"two\" after=\"10d\" subject=\"Two\"\n")).await;
    std::fs::remove_file(server.folder.path().join("rules/emails/one.md")).unwrap();
    let why = ask(&server, "why ann@example.com").data();
    assert!(why.contains("will be skipped: the rules no longer have this step"), "{why}");
    clock.pass(Duration::from_hours(2));
    eventually("it is skipped", || async {
        server.app().store.bell().notify_one();
        let why = ask(&server, "why ann@example.com").data();
        why.contains("skipped    one: the sequence no longer has a step one")
    })
    .await;
    clock.pass(Duration::from_hours(10 * 24));
    are_over(&server, 1).await;
    assert_eq!(captured(&server).await, ["ann@example.com two Two"]);
}

#[tokio::test(flavor = "multi_thread")]
async fn a_backup_holds_the_versions_that_people_follow() {
    let clock = TestClock::at(AT);
    let when = |name: &str| {
        TWO.replace("=\"One\"", &format!("=\"One\" when=\"first_name == \\\"{name}\\\"\""))
    };
    let server = make(&rules("", &when("Ann"))).on_disk().clock(&clock).start().await;
    sign_up(&server, "ann@example.com", "Ann").await;
    edit(&server, &rules("", &when("Bob"))).await;
    let here = server.folder;
    server.server.stop().await;
    let there = make(&rules("", &when("Bob"))).start().await;
    let folder = there.folder;
    there.server.stop().await;
    let backup = here.path().join("kept.backup");
    let line = format!("backup {} --data data", backup.display());
    assert_eq!(run(here.path(), None, &line).code, Some(0));
    let line = format!("restore {} --data data", backup.display());
    assert_eq!(run(folder.path(), None, &line).code, Some(0));
    let server = Make::within(folder).on_disk().clock(&clock).start().await;
    clock.pass(Duration::from_hours(1));
    eventually("Ann gets what she began with", || async {
        server.app().store.bell().notify_one();
        captured(&server).await == ["ann@example.com one One"]
    })
    .await;
}

/// The journal says who is mid-way in a sequence that goes, while it can still be put back.
#[tokio::test(flavor = "multi_thread")]
async fn who_is_mid_way_in_a_sequence_that_is_gone_is_said_before_they_lose_it() {
    let server = make(&rules("", TWO)).on_disk().start().await;
    for person in ["ann", "bea", "cem"] {
        sign_up(&server, &format!("{person}@example.com"), "Pat").await;
    }
    let folder = server.folder;
    server.server.stop().await;
    let all = rules("", TWO);
    let (head, _) = all.split_once("sequence \"welcome\"").unwrap();
    write(&folder.path().join("rules/shop.kdl"), &head.replace("start \"welcome\"", ""));
    let mut running = Running::serve(folder.path(), &[], &[]);
    running.base();
    let told = "3 people are mid-way in `welcome`, which is gone: the 6 steps that are left will \
                not be done, unless it comes back";
    crate::support::binary::until("it is said", || running.said().contains(told));
}
