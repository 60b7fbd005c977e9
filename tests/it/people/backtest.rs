//! An edit that is tried on recorded calls: what it says to the letter, from a running server,
//! from its folder, and against another folder of rules. And what one call would set off.

use std::path::Path;
use std::sync::Arc;
use std::time::Duration;

use rulerun::model::commit::{Commit, Write};
use serde_json::{Value, json};

use super::{AT, Done, ask, make, run};
use crate::support::server::{TestClock, TestServer, eventually, results, write};

const RULES: &str = r#"
sender "Acme <hello@example.com>" {
    postal-address "1 Main Street"
    time-zone "Europe/Berlin"
}
service "n8n" {
    url "http://127.0.0.1:9"
}
events to="n8n" {
    event "ordered" path="/ordered"
    event "joined" path="/joined"
}
webhooks "shop" {
    path "/shop"
    endpoint "signup" {
        payload {
            email email
            first_name text
        }
        save "contact" id="{{email}}" {
            first_name "{{first_name}}"
        }
        start "welcome"
    }
    endpoint "order" {
        payload {
            email email
            total number
        }
        require "total > 0" else="Nothing was ordered."
        send "ordered" {
            email "{{email}}"
            total "{{total}}"
        }
    }
    endpoint "review" {
        payload {
            email email
        }
        find "contact" id="{{email}}" else="Who is that?"
    }
}
sequence "welcome" to="{{email}}" {
    email "welcome-1" after="5min" subject="Welcome, {{first_name}}"
    email "welcome-2" after="1d" subject="Three things to try" when="len(first_name) > 2"
    email "welcome-3" after="3d" subject="Shall we talk?"
}
"#;

/// A changed delay, two changed conditions, a removed e-mail, an added event and an endpoint
/// that is gone.
fn edited() -> String {
    let changes = [
        ("after=\"1d\"", "after=\"12h\""),
        ("len(first_name) > 2", "len(first_name) > 3"),
        ("    email \"welcome-3\" after=\"3d\" subject=\"Shall we talk?\"\n", ""),
        ("start \"welcome\"\n", "start \"welcome\"\n        send \"joined\"\n"),
        ("total > 0", "total >= 0"),
        ("            total \"{{total}}\"\n", "            amount \"{{total}}\"\n"),
        ("endpoint \"review\"", "endpoint \"reviews\""),
    ];
    changes.iter().fold(RULES.to_owned(), |rules, (from, to)| {
        assert!(rules.contains(from), "{from}");
        rules.replace(from, to)
    })
}

/// A folder with these rules at the same paths, as a colleague would have them.
fn draft(rules: &str) -> tempfile::TempDir {
    let folder = tempfile::tempdir().unwrap();
    write(&folder.path().join("rules/shop.kdl"), rules);
    for name in ["welcome-1", "welcome-2", "welcome-3"] {
        write(&folder.path().join(format!("rules/emails/{name}.md")), "Hello.\n");
    }
    folder
}

async fn post(server: &TestServer, path: &str, body: Value, status: u16) {
    let answer = server.post(path, &body).await;
    assert_eq!(answer.status, status, "{answer:?}");
}

async fn executions(server: &TestServer) -> usize {
    results(&server.get("/api/v1/executions?size=200").await).len()
}

/// A Monday in the shop.
async fn monday(clock: &Arc<TestClock>) -> TestServer {
    let server = make(RULES).on_disk().clock(clock).start().await;
    let (sarah, lee) = ("sarah@example.com", "lee@example.com");
    post(&server, "/shop/signup", json!({ "email": sarah, "first_name": "Sarah" }), 200).await;
    clock.pass(Duration::from_mins(1));
    post(&server, "/shop/signup", json!({ "email": lee, "first_name": "Lee" }), 200).await;
    clock.pass(Duration::from_mins(1));
    post(&server, "/shop/order", json!({ "email": sarah, "total": 0 }), 422).await;
    eventually("the refusal is noted", || async { executions(&server).await == 3 }).await;
    clock.pass(Duration::from_mins(1));
    post(&server, "/shop/order", json!({ "email": sarah, "total": 5 }), 200).await;
    clock.pass(Duration::from_mins(1));
    post(&server, "/shop/review", json!({ "email": lee }), 200).await;
    server
}

/// The output without ids and the time it took, which differ.
fn masked(text: &str) -> String {
    let word = |word: &str| {
        let is_id = word.len() == 22 && word.bytes().all(|byte| byte.is_ascii_alphanumeric());
        if is_id { "ID".to_owned() } else { word.to_owned() }
    };
    let lines = text.lines().map(|line| match line.strip_prefix("Took ") {
        Some(_) => String::from("Took [..]."),
        None => line.split(' ').map(word).collect::<Vec<_>>().join(" "),
    });
    lines.collect::<Vec<_>>().join("\n") + "\n"
}

#[track_caller]
fn differs(done: &Done) -> String {
    assert_eq!(done.code, Some(1), "{done:?}");
    masked(&done.data)
}

const REPORT: &str = "\
5 calls since Sat 1 Nov 2025: 0 alike, 2 answered differently, 3 events more, 3 e-mails fewer, \
1 e-mail at another time, 1 event with other contents

answer 422 \"Nothing was ordered.\" → 200 (1 call)
  CALL                    ENDPOINT    PERSON             WHEN (Europe/Berlin)
  ID  shop/order  sarah@example.com  Mon 1 Dec 2025 11:32

shop/review is gone: the rules no longer have it (1 call)
  CALL                    ENDPOINT     PERSON           WHEN (Europe/Berlin)
  ID  shop/review  lee@example.com  Mon 1 Dec 2025 11:34

event joined to n8n is sent as well (2 calls)
  CALL                    ENDPOINT     PERSON             WHEN (Europe/Berlin)
  ID  shop/signup  sarah@example.com  Mon 1 Dec 2025 11:30
  ID  shop/signup  lee@example.com    Mon 1 Dec 2025 11:31

event ordered to n8n is sent as well (1 call)
  CALL                    ENDPOINT    PERSON             WHEN (Europe/Berlin)
  ID  shop/order  sarah@example.com  Mon 1 Dec 2025 11:32

e-mail welcome-2 is not sent any more (1 call)
  CALL                    ENDPOINT     PERSON           WHEN (Europe/Berlin)  NOTE
  ID  shop/signup  lee@example.com  Mon 1 Dec 2025 11:31  when `len(first_name) > 3`, with \
first_name = \"Lee\"

e-mail welcome-3 is not sent any more (2 calls)
  CALL                    ENDPOINT     PERSON             WHEN (Europe/Berlin)
  ID  shop/signup  sarah@example.com  Mon 1 Dec 2025 11:30
  ID  shop/signup  lee@example.com    Mon 1 Dec 2025 11:31

e-mail welcome-2 comes 12h earlier (1 call)
  CALL                    ENDPOINT     PERSON             WHEN (Europe/Berlin)  NOTE
  ID  shop/signup  sarah@example.com  Mon 1 Dec 2025 11:30  Tue 2 Dec 2025 11:30 → Mon 1 Dec 2025 23:30

event ordered to n8n has other fields: + amount, - total (1 call)
  CALL                    ENDPOINT    PERSON             WHEN (Europe/Berlin)
  ID  shop/order  sarah@example.com  Mon 1 Dec 2025 11:33

Took [..].
";

#[tokio::test(flavor = "multi_thread")]
async fn a_backtest_says_what_would_have_been_different() {
    let clock = TestClock::at(AT);
    let server = monday(&clock).await;
    let same = ask(&server, "backtest --since 2025-11-01").data();
    assert_eq!(masked(&same), "5 calls since Sat 1 Nov 2025: all alike\n\nTook [..].\n");

    let folder = draft(&edited());
    let url = server.url("");
    let line = "backtest rules --since 2025-11-01";
    let told = run(folder.path(), Some(&url), line);
    assert_eq!(differs(&told), REPORT);
    assert_eq!(told.notes, "");

    let all = run(folder.path(), Some(&url), &format!("{line} --format json"));
    let all: Value = serde_json::from_str(&all.data).unwrap();
    assert_eq!(all["calls"], 5);
    assert_eq!(all["alike"], 0);
    assert_eq!(all["differences"].as_array().unwrap().len(), 10, "{all:#}");
    // Values of payloads are told nowhere.
    let orders = all["differences"].as_array().unwrap().iter();
    let orders = orders.filter(|one| one["kind"] == "event" && one["change"] == "changed");
    let whats: Vec<&Value> = orders.map(|one| &one["what"]).collect();
    assert_eq!(whats, ["event ordered to n8n has other fields: + amount, - total"]);

    let few = run(folder.path(), Some(&url), &format!("{line} --limit 2 --examples 0"));
    assert!(few.data.starts_with("2 calls since Sat 1 Nov 2025: 0 alike"), "{few:?}");
    assert!(few.notes.contains("these are the newest 2, from Mon 1 Dec 2025 11:33 on"), "{few:?}");

    // A running server holds its folder.
    let data = server.folder.path().join("data");
    let from_folder = format!("{line} --data {}", data.display());
    let busy = run(folder.path(), None, &from_folder);
    assert_eq!(busy.code, Some(2), "{busy:?}");
    assert!(busy.notes.contains("leave --data out"), "{busy:?}");

    // The folder says the same, and so does another folder of rules in the place of those
    // that ran.
    let kept = server.folder;
    server.server.stop().await;
    assert_eq!(differs(&run(folder.path(), None, &from_folder)), REPORT);
    let yesterday = draft(RULES);
    let against = format!("{from_folder} --against {}", yesterday.path().display());
    assert_eq!(differs(&run(folder.path(), None, &against)), REPORT);
    let against = format!("{from_folder} --against {}", folder.path().display());
    let same = run(folder.path(), None, &against);
    assert!(same.data.starts_with("5 calls since Sat 1 Nov 2025: all alike\n"), "{same:?}");
    assert!(same.notes.contains("2 calls got another answer when they came"), "{same:?}");
    drop(kept);
}

#[tokio::test(flavor = "multi_thread")]
async fn what_was_remembered_before_is_there_when_a_backtest_begins() {
    let clock = TestClock::at(AT);
    let server = monday(&clock).await;
    clock.pass(Duration::from_hours(240));
    post(&server, "/shop/review", json!({ "email": "lee@example.com" }), 200).await;
    post(&server, "/shop/review", json!({ "email": "nobody@example.com" }), 404).await;
    eventually("the refusal is noted", || async { executions(&server).await == 7 }).await;
    let same = ask(&server, "backtest --since 2025-12-05");
    assert_eq!(same.notes, "", "{same:?}");
    assert_eq!(masked(&same.data()), "2 calls since Fri 5 Dec 2025: all alike\n\nTook [..].\n");

    // What has changed since is not known as it was.
    clock.pass(Duration::from_mins(1));
    let again = json!({ "email": "lee@example.com", "first_name": "Leander" });
    post(&server, "/shop/signup", again, 200).await;
    let same = ask(&server, "backtest --since 2025-12-05");
    assert!(same.notes.starts_with("1 call got another answer when it came"), "{same:?}");
    assert!(same.data.starts_with("3 calls since Fri 5 Dec 2025: all alike\n"), "{same:?}");
}

#[tokio::test(flavor = "multi_thread")]
async fn without_the_old_rules_what_was_written_down_is_compared() {
    let clock = TestClock::at(AT);
    let server = monday(&clock).await;
    for (mails, hours) in [(2, 1), (4, 24), (6, 48)] {
        clock.pass(Duration::from_hours(hours));
        eventually("everybody has the next e-mail", || async {
            server.app().store.bell().notify_one();
            results(&server.get("/api/v1/outbox").await).len() == mails
        })
        .await;
    }
    let forget = Write::Flag { name: String::from("rules"), value: None };
    let commit = Commit { now: server.app().millis(), writes: vec![forget], ..Commit::default() };
    server.app().store.commit(commit).await.unwrap();
    let kept = server.folder;
    server.server.stop().await;
    let line = format!("backtest --since 2025-11-01 --data {}", kept.path().join("data").display());
    let same = run(kept.path(), None, &line);
    assert!(same.notes.starts_with("what ran then is not known"), "{same:?}");
    assert_eq!(masked(&same.data()), "5 calls since Sat 1 Nov 2025: all alike\n\nTook [..].\n");
    let folder = draft(&edited());
    let line = format!("backtest rules {}", line.strip_prefix("backtest ").unwrap());
    let told = run(folder.path(), None, &line);
    assert!(
        differs(&told).starts_with(
            "5 calls since Sat 1 Nov 2025: 1 alike, 2 answered differently, 3 e-mails fewer, \
             1 e-mail at another time\n"
        ),
        "{told:?}"
    );
}

#[tokio::test(flavor = "multi_thread")]
async fn what_a_sequence_sends_belongs_to_the_call_that_began_it() {
    let timed = "    send \"joined\" after=\"2h\"\n}\nrecord \"lead\" {\n    on-create {\n        \
                 send \"ordered\"\n    }\n}\n";
    let rules = format!("{}{timed}", RULES.trim_end().strip_suffix('}').unwrap());
    let clock = TestClock::at(AT);
    let server = make(&rules).on_disk().clock(&clock).start().await;
    let sarah = json!({ "email": "sarah@example.com", "first_name": "Sarah" });
    post(&server, "/shop/signup", sarah, 200).await;
    post(&server, "/api/v1/events/ordered", json!({ "total": 7 }), 202).await;
    let lead = [("content-type", "application/json")];
    let put = server.send("PUT", "/api/v1/records/lead/7", &lead, "{\"total\": 7}").await;
    assert_eq!(put.status, 200, "{put:?}");
    clock.pass(Duration::from_hours(2));
    eventually("the sequence has sent its event", || async {
        server.app().store.bell().notify_one();
        executions(&server).await == 4
    })
    .await;

    // What the sequence has sent is no call of its own.
    let line = "--since 2025-11-01 --examples 1";
    let same = ask(&server, &format!("backtest {line}"));
    assert_eq!(same.notes, "", "{same:?}");
    assert!(same.data.starts_with("3 calls since Sat 1 Nov 2025: all alike\n"), "{same:?}");
    let later = rules.replace("after=\"2h\"", "after=\"3h\"").replace("on-create", "on-change");
    let told = run(draft(&later).path(), Some(&server.url("")), &format!("backtest rules {line}"));
    assert_eq!(
        differs(&told),
        "3 calls since Sat 1 Nov 2025: 1 alike, 1 event fewer, 1 event at another time\n\n\
         event ordered to n8n is not sent any more (1 call)\n  \
         CALL                    ENDPOINT      PERSON  WHEN (Europe/Berlin)\n  \
         ID  records/lead          Mon 1 Dec 2025 11:30\n\n\
         event joined to n8n comes 1h later (1 call)\n  \
         CALL                    ENDPOINT     PERSON             WHEN (Europe/Berlin)  NOTE\n  \
         ID  shop/signup  sarah@example.com  Mon 1 Dec 2025 11:30  \
         Mon 1 Dec 2025 13:30 → Mon 1 Dec 2025 14:30\n\nTook [..].\n"
    );
}

const ONE_CALL: &str = "\
Tue 23 Dec 2025 18:00  post shop/signup → 200

WHEN (Europe/Berlin)   AFTER  TO              STEP       SUBJECT         NOTE
Tue 23 Dec 2025 18:05  5min   al@example.com  welcome-1  Welcome, Al
Wed 24 Dec 2025 18:00  24h    al@example.com  welcome-2                  skipped: when \
`len(first_name) > 2`, with first_name = \"Al\"
Fri 26 Dec 2025 18:00  3d     al@example.com  welcome-3  Shall we talk?
";

/// Runs a verb with a payload.
fn would(folder: &Path, line: &str, payload: &Value) -> Done {
    write(&folder.join("payload.json"), &payload.to_string());
    run(folder, None, &format!("schedule {line} --data @payload.json"))
}

#[test]
fn a_schedule_of_one_call_says_what_it_would_set_off() {
    let folder = draft(RULES);
    let al = json!({ "email": "al@example.com", "first_name": "Al" });
    let line = "--call shop/signup --at 2025-12-23T17:00:00Z";
    assert_eq!(would(folder.path(), line, &al).data(), ONE_CALL);
    let told = would(folder.path(), &format!("{line} --format json"), &al).json();
    assert_eq!(told["answer"]["status"], 200);
    assert_eq!(told["results"][1]["skipped"], true);
    let calendar = would(folder.path(), &format!("{line} --format ics"), &al).data();
    assert_eq!(calendar.matches("BEGIN:VEVENT").count(), 2, "{calendar}");

    let order = json!({ "email": "al@example.com", "total": 0 });
    let refused = would(folder.path(), "--call order --at 2025-12-23T17:00:00Z", &order);
    assert_eq!(refused.code, Some(1), "{refused:?}");
    assert_eq!(refused.data, "Tue 23 Dec 2025 18:00  post shop/order → 422 Nothing was ordered.\n");
    let event = would(folder.path(), "--event ordered --at 2025-12-23T17:00:00Z", &order).data();
    assert!(event.contains("Tue 23 Dec 2025 18:00  at once  n8n  ordered\n"), "{event}");
    for (line, told) in [
        ("schedule --call signup", "the call has no payload"),
        ("schedule --call signin --example", "did you mean `signup`?"),
        ("schedule --example", "it is not said what is called"),
        ("schedule --call signup --example --days 3", "cannot be used with"),
        ("schedule --call signup --example --at tomorrow", "--at `tomorrow` is not a time"),
        ("backtest --since tomorrow", "--since `tomorrow` is neither a length of time nor a day"),
    ] {
        let done = run(folder.path(), Some("http://127.0.0.1:9"), line);
        assert_eq!(done.code, Some(2), "{line}: {done:?}");
        assert!(done.notes.contains(told), "{line}: {done:?}");
    }
}
