//! Edits: what `plan` says of them, and what becomes of those who are mid-way.

use std::collections::BTreeMap;
use std::time::Duration;

use rulerun::model::queue::EnrolmentState;
use serde_json::Value;

use super::{AT, RULES, ask, make, run, sign_up};
use crate::support::binary::{Running, agent, get};
use crate::support::server::{Make, TestClock, TestServer, eventually, results, write};

/// The rules with one text in the place of another.
fn edited(changes: &[(&str, &str)]) -> String {
    changes.iter().fold(RULES.to_owned(), |rules, (from, to)| {
        assert!(rules.contains(from), "{from}");
        rules.replace(from, to)
    })
}

const EVERYONE: (&str, &str) = (
    "sequence \"welcome\" to=\"{{email}}\" {",
    "sequence \"welcome\" to=\"{{email}}\" apply=\"everyone\" {",
);
/// The second e-mail comes sooner.
const SOONER: (&str, &str) = ("\"welcome-2\" after=\"1d\"", "\"welcome-2\" after=\"12h\"");
/// The third goes.
const GONE: (&str, &str) =
    ("    email \"welcome-3\" after=\"3d\" subject=\"Shall we talk?\"\n", "");
/// One comes in front.
const FIRST: (&str, &str) = (
    "    email \"welcome-1\"",
    "    email \"welcome-0\" after=\"1min\" subject=\"Hello\"\n    email \"welcome-1\"",
);

/// A server on which Sarah and Lee are mid-way.
async fn two(clock: &std::sync::Arc<TestClock>) -> TestServer {
    let server = make(RULES).on_disk().clock(clock).start().await;
    sign_up(&server, "sarah@example.com", "Sarah").await;
    clock.pass(Duration::from_mins(5));
    server.app().store.bell().notify_one();
    eventually("Sarah has her first e-mail", || async {
        results(&server.get("/api/v1/outbox").await).len() == 1
    })
    .await;
    sign_up(&server, "lee@example.com", "Lee").await;
    server
}

const PLAN: &str = "\
The edit changes 3 things
  ~ endpoint shop/paid
      - require `payment_status == \"paid\"` else \"Not paid yet.\"
      + require `payment_status == \"paid\"` else \"Please pay first.\"
  ~ schema signup
      ~ field first_name: text → text, optional
  ~ sequence welcome
      ~ email welcome-1: subject: Welcome, {{first_name}} → Welcome
      ~ email welcome-2: after: 1d → 12h
      - email welcome-2: when: len(first_name) > 2
      ~ email welcome-2: its text, rules/emails/welcome-2.md
      - email welcome-3 after 3d \"Shall we talk?\"

In welcome (times in Europe/Berlin)
  2 people are mid-way: 1 waits for welcome-1, 1 waits for welcome-2
  When this goes live:
    the new subject of welcome-1 counts for 1 person
    the new text of welcome-2 goes to 2 people
    welcome-3 is gone: it is skipped for 2 people when it is due
  They keep the times and conditions that they began with: nothing moves until apply=\"everyone\".
  With it, this would change 4 steps (2 moved, 2 dropped) for 2 people:
    lee@example.com  welcome-2 from Tue 2 Dec 2025 11:35 to Mon 1 Dec 2025 23:35
    lee@example.com  welcome-3 dropped, was due Thu 4 Dec 2025 11:35
    sarah@example.com  welcome-2 from Tue 2 Dec 2025 11:30 to Mon 1 Dec 2025 23:30
    sarah@example.com  welcome-3 dropped, was due Thu 4 Dec 2025 11:30

Nobody else is in the middle of a sequence.
";

#[tokio::test(flavor = "multi_thread")]
async fn a_plan_says_what_an_edit_changes_and_for_whom() {
    let clock = TestClock::at(AT);
    let server = two(&clock).await;
    let same = ask(&server, "plan").data();
    assert!(same.starts_with("The files say what runs: nothing changes.\n"), "{same}");
    assert!(same.contains("Nothing changes for 2 people in the middle of welcome."), "{same}");

    let draft = edited(&[
        SOONER,
        GONE,
        ("Not paid yet.", "Please pay first."),
        ("first_name text", "first_name text optional"),
        ("Welcome, {{first_name}}", "Welcome"),
        (" when=\"len(first_name) > 2\"", ""),
    ]);
    // The same files at the same paths below another folder, as a colleague would have them.
    let folder = tempfile::tempdir().unwrap();
    write(&folder.path().join("rules/shop.kdl"), &draft);
    for (name, text) in [("welcome-1", "Hello.\n"), ("welcome-2", "Hello again.\n")] {
        write(&folder.path().join(format!("rules/emails/{name}.md")), text);
    }
    let url = server.url("");
    let here = |line: &str| run(folder.path(), Some(&url), line);
    assert_eq!(here("plan rules").data(), PLAN);
    let told = here("plan rules --format json").json();
    assert_eq!(told["sequences"][0]["moved"], 2);
    assert_eq!(told["sequences"][0]["applies"], false);
    assert_eq!(told["changes"][2]["what"], "sequence");

    // Nothing of that has happened, and the folder says the same.
    let due = || async { dues(&server, "lee@example.com").await["welcome-2"].clone() };
    assert_eq!(due().await, "2025-12-02T10:35:00Z");
    let data = server.folder;
    server.server.stop().await;
    let line = format!("plan rules --data {}", data.path().join("data").display());
    assert_eq!(run(folder.path(), None, &line).data(), PLAN);

    write(&folder.path().join("rules/shop.kdl"), "sequence \"welcome\" {\n");
    let broken = run(folder.path(), None, &line);
    assert_eq!((broken.code, broken.data.as_str()), (Some(1), ""), "{broken:?}");
}

/// When each step that is left of a person is due.
async fn dues(server: &TestServer, person: &str) -> BTreeMap<String, String> {
    let coming = server.get(&format!("/api/v1/schedule?person={person}")).await;
    let text = |value: &Value| value.as_str().unwrap_or_default().to_owned();
    results(&coming).iter().map(|one| (text(&one["event_type"]), text(&one["due"]))).collect()
}

/// How often each e-mail was captured, over all people.
async fn captured(server: &TestServer) -> BTreeMap<String, usize> {
    let mut counts = BTreeMap::new();
    for mail in results(&server.get("/api/v1/outbox?size=200").await) {
        let name = format!("{} {}", mail["to"].as_str().unwrap(), mail["name"].as_str().unwrap());
        *counts.entry(name).or_default() += 1;
    }
    counts
}

/// Everybody's plan.
async fn plans(server: &TestServer) -> Vec<(String, Vec<(String, i64)>)> {
    let rows = server.app().store.enrolments(None, 0, 9).await.unwrap().rows;
    rows.into_iter().map(|one| (one.person, one.plan)).collect()
}

#[tokio::test(flavor = "multi_thread")]
async fn an_edit_for_everyone_moves_drops_and_adds_and_does_nothing_twice() {
    let clock = TestClock::at(AT);
    let server = two(&clock).await;
    let file = server.folder.path().join("rules/shop.kdl");
    // An edit for new starts alone moves nobody.
    write(&file, &edited(&[SOONER]));
    eventually("the edit is live", || async {
        server.get("/api/v1/rules").await.text.contains("12h")
    })
    .await;
    assert_eq!(dues(&server, "lee@example.com").await["welcome-2"], "2025-12-02T10:35:00Z");

    write(&file, &edited(&[EVERYONE, SOONER, GONE, FIRST]));
    eventually("both are moved", || async {
        dues(&server, "lee@example.com").await.get("welcome-2").map(String::as_str)
            == Some("2025-12-01T22:35:00Z")
            && dues(&server, "sarah@example.com").await.get("welcome-2").map(String::as_str)
                == Some("2025-12-01T22:30:00Z")
    })
    .await;
    let lee = dues(&server, "lee@example.com").await;
    assert_eq!(lee.keys().collect::<Vec<_>>(), ["welcome-0", "welcome-1", "welcome-2"]);
    let why = ask(&server, "why lee@example.com").data();
    for line in [
        "edited     welcome-0 added by an edit, due Mon 1 Dec 2025 11:36\n",
        "edited     welcome-2 moved from Tue 2 Dec 2025 11:35 to Mon 1 Dec 2025 23:35 by an edit\n",
        "edited     welcome-3 dropped by an edit; it was due Thu 4 Dec 2025 11:35\n",
    ] {
        assert!(why.contains(line), "{line}{why}");
    }

    // A restart finds nothing to do; Sarah's first e-mail is not sent again.
    eventually("Sarah's new first step, long due, is sent", || async {
        captured(&server).await.contains_key("sarah@example.com welcome-0")
    })
    .await;
    let before = plans(&server).await;
    let folder = server.folder;
    server.server.stop().await;
    let server = Make::within(folder).on_disk().clock(&clock).start().await;
    clock.pass(Duration::from_hours(13));
    server.app().store.bell().notify_one();
    eventually("everything that is left was sent", || async { captured(&server).await.len() == 6 })
        .await;
    let counts = captured(&server).await;
    assert!(counts.values().all(|count| *count == 1), "{counts:?}");
    assert!(!counts.keys().any(|name| name.ends_with("welcome-3")), "{counts:?}");
    assert_eq!(plans(&server).await, before, "planned once, and not again at the start");
    let rows = server.app().store.enrolments(None, 0, 9).await.unwrap().rows;
    assert!(rows.iter().all(|one| one.state == EnrolmentState::Finished), "{rows:?}");
    assert_eq!(server.app().store.examine(server.app().millis()).await.unwrap().len(), 0);
}

#[tokio::test(flavor = "multi_thread")]
async fn what_an_edit_moves_too_far_back_is_skipped_and_says_so() {
    let clock = TestClock::at(AT);
    let server = two(&clock).await;
    server.advance(&clock, Duration::from_mins(5)).await;
    eventually("Lee has his first e-mail", || async { captured(&server).await.len() == 2 }).await;
    server.advance(&clock, Duration::from_hours(26)).await;
    eventually("both have their second e-mail", || async { captured(&server).await.len() == 4 })
        .await;
    let max_late = ("after=\"3d\" subject", "after=\"6h\" max-late=\"1h\" subject");
    write(&server.folder.path().join("rules/shop.kdl"), &edited(&[EVERYONE, max_late]));
    eventually("the third is left out", || async {
        ask(&server, "why lee@example.com").data().contains("skipped    welcome-3: too late")
    })
    .await;
    assert_eq!(captured(&server).await.len(), 4);
    let why = ask(&server, "why lee@example.com").data();
    assert!(why.contains("moved from Thu 4 Dec 2025 11:35 to Mon 1 Dec 2025 17:35"), "{why}");
    assert!(why.ends_with("Still to come\n  nothing\n"), "{why}");
}

/// The server dies while an edit is being applied: the next one goes on, and nobody is moved
/// twice.
#[tokio::test(flavor = "multi_thread")]
#[allow(clippy::disallowed_methods, reason = "a process is cut off in real time")]
async fn an_edit_that_a_crash_cuts_off_is_simply_applied_again() {
    const PEOPLE: usize = 60;
    let server = make(RULES).on_disk().start().await;
    for number in 0..PEOPLE {
        sign_up(&server, &format!("p{number}@example.com"), "Pat").await;
    }
    let folder = server.folder;
    server.server.stop().await;
    let later = ("\"welcome-2\" after=\"1d\"", "\"welcome-2\" after=\"2d\"");
    write(&folder.path().join("rules/shop.kdl"), &edited(&[EVERYONE, later]));
    for round in 0..3_u64 {
        let mut running = Running::serve(folder.path(), &[], &[]);
        running.base();
        std::thread::sleep(Duration::from_millis(round * 15));
        running.signal("KILL");
        running.end();
    }
    let mut running = Running::serve(folder.path(), &[], &[]);
    let base = running.base();
    let agent = agent();
    let active = || {
        let url = format!("{base}/api/v1/sequences/welcome/active");
        let (_, text) = get(&agent, &url).unwrap();
        serde_json::from_str::<Value>(&text).unwrap()["results"].as_array().unwrap().clone()
    };
    let is_moved = |one: &Value| {
        let at = |text: &Value| text.as_str().unwrap().parse::<jiff::Timestamp>().unwrap();
        let due = at(&one["plan"][1]["due"]);
        due.duration_since(at(&one["started_at"])).as_hours() >= 47
    };
    crate::support::binary::until("everybody is moved", || active().iter().all(is_moved));
    assert_eq!(active().len(), PEOPLE);
    for one in active() {
        let id = one["execution_id"].as_str().unwrap();
        let (_, logs) = get(&agent, &format!("{base}/api/v1/executions/{id}/logs")).unwrap();
        assert_eq!(logs.matches("by an edit").count(), 1, "{logs}");
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn whoever_cannot_be_planned_anew_keeps_their_plan() {
    let clock = TestClock::at(AT);
    let server = two(&clock).await;
    let before = dues(&server, "lee@example.com").await;
    // The new moment to count from is in no payload of before.
    let draft = edited(&[
        (
            "to=\"{{email}}\" {\n    stop-when",
            "to=\"{{email}}\" apply=\"everyone\" counts-from=\"{{seen_at}}\" {\n    stop-when",
        ),
        ("first_name text", "first_name text\n    seen_at time"),
        SOONER,
    ]);
    let folder = tempfile::tempdir().unwrap();
    write(&folder.path().join("rules/shop.kdl"), &draft);
    for name in ["welcome-1", "welcome-2", "welcome-3"] {
        write(&folder.path().join(format!("rules/emails/{name}.md")), "Hello.\n");
    }
    let plan = run(folder.path(), Some(&server.url("")), "plan rules").data();
    assert!(plan.contains("+ counts-from: {{seen_at}}"), "{plan}");
    assert!(plan.contains("2 people keep their plan whatever the rules say"), "{plan}");

    write(&server.folder.path().join("rules/shop.kdl"), &draft);
    eventually("the edit is live", || async {
        server.get("/api/v1/rules").await.text.contains("seen_at")
    })
    .await;
    // Whoever comes from now on is planned by it, and is moved by the next edit.
    let body = serde_json::json!({
        "email": "kim@example.com", "first_name": "Kim", "seen_at": "2025-12-03T08:00:00Z",
    });
    assert_eq!(server.post("/shop/signup", &body).await.status, 200);
    let kim = dues(&server, "kim@example.com").await;
    assert_eq!(kim["welcome-3"], "2025-12-06T08:00:00Z");
    let later = draft.replace("after=\"3d\"", "after=\"5d\"");
    write(&server.folder.path().join("rules/shop.kdl"), &later);
    eventually("Kim is moved", || async {
        dues(&server, "kim@example.com").await["welcome-3"] == "2025-12-08T08:00:00Z"
    })
    .await;
    assert_eq!(dues(&server, "lee@example.com").await, before);
}
