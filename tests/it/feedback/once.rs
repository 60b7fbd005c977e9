//! Reports while the process is killed: what was answered is kept, what is sent again changes
//! nothing, and each is counted once.
#![allow(
    clippy::disallowed_methods,
    reason = "real processes live in real time, and are looked at until it is so"
)]

use std::collections::BTreeSet;
use std::sync::atomic::{AtomicUsize, Ordering};

use rulerun::base::Secret;
use rulerun::model::queue::Tally;
use rulerun::signature::{Scheme, sign};
use rulerun::store::{SledStore, Store as _};
use serde_json::{Value, json};

use crate::support::binary::{Running, agent, get, post, until};
use crate::support::server::write;

const PEOPLE: usize = 200;
const SECRET: &str = "your-secure-webhook-secret-here";

const RULES: &str = r#"
feedback "mail" type="generic" path="/hooks/mail" secret=(env)"WEBHOOK_SECRET"
webhooks "t" {
    path "/t"
    endpoint "start" {
        payload {
            email email
        }
        start "news"
    }
}
sequence "news" to="{{email}}" {
    email "one" after="0s" subject="One"
    email "two" after="3d" subject="Two"
}
"#;

/// Reports a bounce; answers the status, none when the server is gone.
fn report(agent: &ureq::Agent, base: &str, number: usize, job: &str) -> Option<u16> {
    let body = json!({
        "type": "bounce", "hard": true, "email": format!("p{number}@example.com"), "job": job,
    });
    let body = body.to_string();
    let now = std::time::SystemTime::now().duration_since(std::time::UNIX_EPOCH).unwrap();
    let now = i64::try_from(now.as_secs()).unwrap();
    let id = format!("msg_{number}");
    let mut request = agent.post(format!("{base}/hooks/mail"));
    for (name, value) in sign(Scheme::Standard, &[Secret::new(SECRET)], &id, now, body.as_bytes()) {
        request = request.header(name, value);
    }
    request.send(body).ok().map(|answer| answer.status().as_u16())
}

/// The jobs of the first e-mails, by the number of the person.
fn jobs(base: &str) -> Vec<String> {
    let mut jobs = vec![String::new(); PEOPLE];
    let (status, text) = get(&agent(), &format!("{base}/api/v1/outbox?size=200")).unwrap();
    assert_eq!(status, 200, "{text}");
    let found: Value = serde_json::from_str(&text).unwrap();
    for mail in found["results"].as_array().into_iter().flatten() {
        let to = mail["to"].as_str().unwrap();
        let number: usize = to[1..].split('@').next().unwrap().parse().unwrap();
        jobs[number] = mail["id"].as_str().map(str::to_owned).unwrap();
    }
    jobs
}

#[test]
fn each_report_counts_once_whenever_the_process_is_killed() {
    let folder = tempfile::tempdir().unwrap();
    write(&folder.path().join("rules/t.kdl"), RULES);
    for name in ["one", "two"] {
        write(&folder.path().join(format!("rules/emails/{name}.md")), "Hello.\n");
    }
    let env = [("WEBHOOK_SECRET", SECRET)];
    let serve = || Running::serve(folder.path(), &env, &["--dev"]);
    let mut server = serve();
    let base = server.base();
    for number in 0..PEOPLE {
        let body = json!({ "email": format!("p{number}@example.com") }).to_string();
        assert_eq!(post(&agent(), &format!("{base}/t/start"), &body).unwrap().0, 200);
    }
    until("every first e-mail", || jobs(&base).iter().all(|job| !job.is_empty()));
    let jobs = jobs(&base);
    // Three times all of them at once, and the process is killed while they arrive.
    for round in 0..3 {
        let base = server.base();
        let answered = AtomicUsize::new(0);
        std::thread::scope(|scope| {
            for worker in 0..8 {
                let (jobs, base, answered) = (&jobs, &base, &answered);
                scope.spawn(move || {
                    let agent = agent();
                    for number in (worker..PEOPLE).step_by(8) {
                        match report(&agent, base, number, &jobs[number]) {
                            Some(status) => assert_eq!(status, 200),
                            None => return,
                        }
                        answered.fetch_add(1, Ordering::Relaxed);
                    }
                });
            }
            until("some reports", || answered.load(Ordering::Relaxed) > 40 * (round + 1));
            server.signal("KILL");
        });
        server.end();
        server = serve();
    }
    let base = server.base();
    for (number, job) in jobs.iter().enumerate() {
        assert_eq!(report(&agent(), &base, number, job), Some(200), "number {number}");
    }
    server.signal("TERM");
    server.end();
    let runtime = tokio::runtime::Runtime::new().unwrap();
    runtime.block_on(async {
        let store =
            SledStore::open(&folder.path().join("data/store"), 0, Box::new(|why| panic!("{why}")));
        let store = store.unwrap();
        let tallies = store.tallies(None).await.unwrap();
        let bounced = tallies.iter().filter(|(counted, _)| counted.what == Tally::Bounced);
        let bounced: Vec<u64> = bounced.map(|(_, count)| *count).collect();
        assert_eq!(bounced, [PEOPLE as u64], "each is counted once");
        let mut stopped = BTreeSet::new();
        for number in 0..PEOPLE {
            let person = format!("p{number}@example.com");
            assert_eq!(store.suppressions(&person).await.unwrap().len(), 1, "{person}");
            for one in store.enrolments_of(&person).await.unwrap() {
                stopped.insert(format!("{:?}", one.state));
            }
        }
        assert_eq!(stopped.into_iter().collect::<Vec<_>>(), ["Stopped(\"bounced\")"]);
        store.close().await.unwrap();
    });
}
