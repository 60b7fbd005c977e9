//! One small story, told by `why` and `schedule` to the letter.

use std::io::Write as _;
use std::process::{Command, Stdio};
use std::time::Duration;

use serde_json::{Value, json};

use super::{AT, RULES, ask, make, run, sign_up};
use crate::support::server::{Make, TestClock, TestServer, eventually, results};
use crate::support::{python, script};

/// Sarah signs up, somebody says too early that she has paid, and her first e-mail goes out.
async fn story() -> (TestServer, std::sync::Arc<TestClock>) {
    let clock = TestClock::at(AT);
    let server = make(RULES).on_disk().clock(&clock).start().await;
    sign_up(&server, "Sarah@example.com", "Sarah").await;
    clock.pass(Duration::from_mins(1));
    let unpaid = json!({ "email": "sarah@example.com", "payment_status": "open" });
    assert_eq!(server.post("/shop/paid", &unpaid).await.status, 422);
    clock.pass(Duration::from_mins(4));
    server.app().store.bell().notify_one();
    eventually("the first e-mail is captured", || async {
        results(&server.get("/api/v1/outbox").await).len() == 1
    })
    .await;
    eventually("the refusal is noted", || async {
        results(&server.get("/api/v1/executions").await).len() == 2
    })
    .await;
    (server, clock)
}

const WHY: &str = "\
sarah@example.com (times in Europe/Berlin)

Mon 1 Dec 2025
  11:30  received   shop/signup, answered 200
  11:30  saved      the record contact Sarah@example.com
  11:30  scheduled  welcome-1 for Mon 1 Dec 2025 11:35
  11:30  scheduled  welcome-2 for Tue 2 Dec 2025 11:30
  11:30  scheduled  welcome-3 for Thu 4 Dec 2025 11:30
  11:31  refused    shop/paid, answered 422: Not paid yet. It needs `payment_status == \"paid\"` and
                    saw payment_status = \"open\"
  11:35  captured   welcome-1 \"Welcome, Sarah\", in the outbox

Still to come
  Tue 2 Dec 2025 11:30   welcome-2 \"Three things to try\"; only when `len(first_name) > 2`; stops
                         when `contact.unsubscribed`
  Thu 4 Dec 2025 11:30   welcome-3 \"Shall we talk?\"; stops when `contact.unsubscribed`
";

#[tokio::test(flavor = "multi_thread")]
async fn a_subject_to_come_is_told_in_the_language_in_which_it_is_sent() {
    let words = "subject=\"Total {{n | number}} at {{on | date}}\"";
    let rules = format!(
        "{}webhooks \"t\" {{\n path \"/t\"\n endpoint \"in\" {{\n payload {{\n email email\n \
         language text\n n integer\n on date\n }}\n start \"bills\"\n start \"fixed\"\n }}\n}}\n\
         sequence \"bills\" to=\"{{{{email}}}}\" locale=\"{{{{language}}}}\" {{\n \
         email \"bill\" after=\"1h\" {words} {{\n locale \"de\" {words}\n }}\n}}\n\
         sequence \"fixed\" to=\"{{{{email}}}}\" locale=\"de\" {{\n \
         email \"own\" after=\"1h\" {words}\n}}\n",
        "sender \"Acme <hello@example.com>\" {\n postal-address \"1 Main Street\"\n}\n",
    );
    let clock = TestClock::at(AT);
    let files = ["bill.md", "bill.de.md", "own.md"];
    let make = files.iter().fold(Make::empty().file("rules/one.kdl", &rules), |make, name| {
        make.file(&format!("rules/emails/{name}"), "Words.\n")
    });
    let server = make.clock(&clock).start().await;
    let body =
        json!({ "email": "a@example.com", "language": "de-CH", "n": 14700, "on": "2026-01-02" });
    assert_eq!(server.post("/t/in", &body).await.status, 200);
    let subjects = |rows: Vec<Value>| {
        let mut all: Vec<String> =
            rows.iter().filter_map(|row| Some(row["subject"].as_str()?.to_owned())).collect();
        all.sort();
        all
    };
    let told = subjects(results(&server.get("/api/v1/schedule").await));
    let expected = ["Total 14.700 at 2. Januar 2026", "Total 14’700 at 2. Januar 2026"];
    assert_eq!(told, expected);
    server.advance(&clock, Duration::from_hours(2)).await;
    eventually("both are captured", || async {
        results(&server.get("/api/v1/outbox").await).len() == 2
    })
    .await;
    assert_eq!(subjects(results(&server.get("/api/v1/outbox").await)), expected);
}

const SCHEDULE: &str = "\
WHEN (Europe/Berlin)  TO                 STEP       SUBJECT              NOTE
Tue 2 Dec 2025 11:30  Sarah@example.com  welcome-2  Three things to try  only when `len(first_name) > 2`; stops when `contact.unsubscribed`
Thu 4 Dec 2025 11:30  Sarah@example.com  welcome-3  Shall we talk?       stops when `contact.unsubscribed`
";

#[tokio::test(flavor = "multi_thread")]
async fn the_story_is_told_by_the_server_and_by_its_folder_alike() {
    let (server, _clock) = story().await;
    assert_eq!(ask(&server, "why Sarah@Example.com").data(), WHY);
    let days = "schedule --from 2025-12-02 --to 2025-12-05";
    assert_eq!(ask(&server, days).data(), SCHEDULE);
    let told = ask(&server, "why sarah@example.com --format json").json();
    let in_use = ask(&server, "why sarah@example.com --data data");
    assert_eq!(in_use.code, Some(2));
    assert!(in_use.notes.contains("in use by a running server"), "{in_use:?}");

    let folder = server.folder;
    server.server.stop().await;
    for _ in 0..2 {
        let from_folder = |line: &str| run(folder.path(), None, &format!("{line} --data data"));
        assert_eq!(from_folder("why sarah@example.com").data(), WHY);
        assert_eq!(from_folder(days).data(), SCHEDULE);
        assert_eq!(from_folder("why sarah@example.com --format json").json(), told);
        assert!(from_folder("doctor").data().contains("is sound"));
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn a_payment_a_skip_and_a_suppression_are_told_with_their_reasons() {
    let (server, clock) = story().await;
    sign_up(&server, "al@example.com", "Al").await;
    let paid = json!({ "email": "sarah@example.com", "payment_status": "paid" });
    assert_eq!(server.post("/shop/paid", &paid).await.status, 200);
    server.advance(&clock, Duration::from_mins(5)).await;
    server.advance(&clock, Duration::from_hours(24)).await;
    eventually("the second e-mail is left out", || async {
        ask(&server, "why al@example.com").data().contains("skipped")
    })
    .await;
    let why = ask(&server, "why al@example.com").data();
    let skipped = "skipped    welcome-2: when `len(first_name) > 2`, with first_name = \"Al\"";
    assert!(why.contains(skipped), "{why}");
    let why = ask(&server, "why sarah@example.com").data();
    assert!(why.contains("11:35  stopped    the sequence welcome, by shop/paid\n"), "{why}");
    assert!(why.contains("stopped    welcome-2, by shop/paid\n"), "{why}");
    assert!(why.ends_with("\nStill to come\n  nothing\n"), "{why}");

    let rarely = json!({ "email": "al@example.com", "times": 2 });
    assert_eq!(server.post("/shop/opened", &rarely).await.status, 204);
    eventually("the silent refusal is noted", || async {
        let why = ask(&server, "why al@example.com").data();
        why.contains("refused    without a word: it needs `times > 3` and saw times = 2\n")
    })
    .await;

    let suppress = rulerun::model::commit::Write::Suppress {
        address: "al@example.com".into(),
        reason: "unsubscribed".into(),
        note: "by the link in an e-mail".into(),
    };
    let commit = rulerun::model::commit::Commit {
        now: server.app().millis(),
        writes: vec![suppress],
        ..Default::default()
    };
    server.app().store.commit(commit).await.unwrap();
    let why = ask(&server, "why al@example.com").data();
    assert!(why.contains("the address is unsubscribed (by the link in an e-mail)"), "{why}");
    assert!(why.contains("will be skipped: the address is unsubscribed"), "{why}");
}

#[tokio::test(flavor = "multi_thread")]
async fn whoever_is_not_known_is_told_with_what_was_looked_at() {
    let (server, _clock) = story().await;
    let nobody = ask(&server, "why nobody@example.com");
    assert_eq!((nobody.code, nobody.data.as_str()), (Some(1), ""));
    for looked_at in ["no call has named", "no sequence", "suppression list"] {
        assert!(nobody.notes.contains(looked_at), "{nobody:?}");
    }
    let nothing = ask(&server, "schedule --person nobody@example.com");
    assert_eq!((nothing.code, nothing.data.as_str()), (Some(0), ""));
    assert!(nothing.notes.contains("for nobody@example.com"), "{nothing:?}");
    let misspelt = ask(&server, "schedule --sequence welcom");
    assert_eq!(misspelt.code, Some(1));
    assert!(misspelt.notes.contains("Did you mean `welcome`?"), "{misspelt:?}");
    let missing = run(server.folder.path(), None, "why a@example.com --data nowhere");
    assert_eq!(missing.code, Some(2));
    assert!(missing.notes.contains("holds no store"), "{missing:?}");
    let when = ask(&server, "schedule --from someday");
    assert_eq!(when.code, Some(2));
    assert!(when.notes.contains("neither a day nor a moment"), "{when:?}");
}

#[tokio::test(flavor = "multi_thread")]
async fn a_long_schedule_says_how_much_more_there_is() {
    let (server, _clock) = story().await;
    for number in 0..5 {
        sign_up(&server, &format!("p{number}@example.com"), "Pat").await;
    }
    let some = ask(&server, "schedule --limit 3");
    assert_eq!(some.data.lines().count(), 4, "{some:?}");
    assert!(some.notes.contains("14 more are due"), "{some:?}");
    let own = ask(&server, "schedule --person P3@example.com --format json").json();
    assert_eq!(
        (&own["total"], &own["more"], &own["complete"]),
        (&3.into(), &0.into(), &true.into())
    );
    assert_eq!(own["results"][0]["subject"], "Welcome, Pat");
    let none = ask(&server, "schedule --from 2025-12-03 --to 2025-12-04 --format json").json();
    assert_eq!(none["results"], json!([]));
}

#[tokio::test(flavor = "multi_thread")]
async fn another_program_reads_the_calendar() {
    let Some(python) = python() else { return };
    let (server, _clock) = story().await;
    let long = "A name, with signs; and \"quotes\" \\ and ümläuts that make a line far too long \
                for one line of a calendar";
    sign_up(&server, "long@example.com", long).await;
    let events = || {
        let calendar = ask(&server, "schedule --format ics").data();
        let mut reader = Command::new(&python)
            .arg(script("read_calendar.py"))
            .stdin(Stdio::piped())
            .stdout(Stdio::piped())
            .spawn()
            .unwrap();
        reader.stdin.take().unwrap().write_all(calendar.as_bytes()).unwrap();
        let output = reader.wait_with_output().unwrap();
        assert!(output.status.success(), "{calendar}");
        serde_json::from_slice::<Vec<Value>>(&output.stdout).unwrap()
    };
    let first = events();
    assert_eq!(first.len(), 5);
    let long = first.iter().find(|event| event["summary"] == "welcome-1 to long@example.com");
    let described = long.unwrap()["description"].as_str().unwrap();
    assert!(
        described.starts_with("Welcome, A name, with signs; and \"quotes\" \\ and"),
        "{long:?}"
    );
    assert!(described.ends_with("\nstops when `contact.unsubscribed`"), "{long:?}");
    assert_eq!(first[1]["start"], "2025-12-02T10:30:00+00:00");
    let ids = |events: &[Value]| events.iter().map(|one| one["uid"].clone()).collect::<Vec<_>>();
    let (ids, again) = (ids(&first), ids(&events()));
    assert_eq!(ids, again, "the same e-mail has the same id");
    assert_eq!(ids.iter().collect::<std::collections::HashSet<_>>().len(), 5);
}
