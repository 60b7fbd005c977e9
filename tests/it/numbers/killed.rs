//! Numbers while the process is killed: they are what the jobs and people that are kept say.
#![allow(
    clippy::disallowed_methods,
    reason = "real processes live in real time, and are looked at until it is so"
)]

use std::sync::atomic::{AtomicUsize, Ordering};

use rulerun::model::queue::Tally;
use rulerun::store::{SledStore, Store as _};
use serde_json::{Value, json};

use crate::support::binary::{Running, agent, get, post, until};
use crate::support::server::write;

const PEOPLE: usize = 300;

const RULES: &str = r#"
webhooks "t" {
    path "/t"
    endpoint "start" {
        payload {
            email email
            tier text
        }
        start "s"
    }
}
sequence "s" to="{{email}}" {
    once-per "{{email}}"
    email "one" after="0s" subject="One"
    email "two" after="0s" subject="Two" when="tier == \"gold\""
    email "three" after="3d" subject="Three"
}
"#;

fn counts(base: &str) -> Value {
    let (status, text) = get(&agent(), &format!("{base}/api/v1/sequences/s/stats")).unwrap();
    assert_eq!(status, 200, "{text}");
    serde_json::from_str(&text).unwrap()
}

#[test]
fn every_step_is_counted_once_whenever_the_process_is_killed() {
    let folder = tempfile::tempdir().unwrap();
    write(&folder.path().join("rules/t.kdl"), RULES);
    for name in ["one", "two", "three"] {
        write(&folder.path().join(format!("rules/emails/{name}.md")), "Hello.\n");
    }
    let mut server = Running::serve(folder.path(), &[], &["--dev"]);
    let body = |number: usize| {
        let tier = if number.is_multiple_of(3) { "gold" } else { "basic" };
        json!({ "email": format!("p{number}@example.com"), "tier": tier }).to_string()
    };
    let next = AtomicUsize::new(0);
    for round in 1..=4 {
        let base = server.base();
        std::thread::scope(|scope| {
            for _ in 0..8 {
                scope.spawn(|| {
                    let agent = agent();
                    loop {
                        let number = next.fetch_add(1, Ordering::Relaxed) % PEOPLE;
                        if post(&agent, &format!("{base}/t/start"), &body(number)).is_err() {
                            return;
                        }
                    }
                });
            }
            until("some calls", || next.load(Ordering::Relaxed) > 100 * round);
            server.signal("KILL");
        });
        server.end();
        server = Running::serve(folder.path(), &[], &["--dev"]);
    }
    let base = server.base();
    for number in 0..PEOPLE {
        assert_eq!(post(&agent(), &format!("{base}/t/start"), &body(number)).unwrap().0, 200);
    }
    let all = json!(PEOPLE);
    until("everything that is due is done", || {
        let found = counts(&base);
        found["steps"][0]["skipped"] == all && found["steps"][1]["skipped"] == all
    });
    server.signal("TERM");
    server.end();
    let runtime = tokio::runtime::Runtime::new().unwrap();
    let tallies = runtime.block_on(async {
        let path = folder.path().join("data/store");
        let store = SledStore::open(&path, 0, Box::new(|why| panic!("{why}"))).unwrap();
        let tallies = store.tallies(Some("s".to_owned())).await.unwrap();
        store.close().await.unwrap();
        tallies
    });
    let of = |step: &str, what: Tally, why: Option<&str>| {
        let fits = |one: &rulerun::model::queue::Counted| {
            one.step == step && one.what == what && one.reason.as_deref() == why
        };
        tallies.iter().filter(|(one, _)| fits(one)).map(|(_, count)| *count).sum::<u64>()
    };
    let (people, gold) = (PEOPLE as u64, PEOPLE as u64 / 3);
    assert_eq!(of("", Tally::Entered, None), people);
    assert_eq!(of("one", Tally::Skipped, Some("captured")), people);
    assert_eq!(of("two", Tally::Skipped, Some("captured")), gold);
    assert_eq!(of("two", Tally::Skipped, Some("condition not met")), people - gold);
    assert_eq!(of("three", Tally::Waiting, None), people);
    for step in ["one", "two"] {
        assert_eq!(of(step, Tally::Waiting, None), 0, "{step}");
    }
}
