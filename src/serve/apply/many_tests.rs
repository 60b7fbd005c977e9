//! An edit for everyone, and very many people: calls are answered meanwhile, and twice the
//! people take twice the time.
#![allow(clippy::print_stdout, reason = "a figure is for whoever reads the test")]
#![allow(clippy::disallowed_methods, reason = "how long an edit takes is measured in real time")]

use std::sync::atomic::AtomicI64;
use std::time::Instant;

use bytes::Bytes;
use serde_json::json;

use super::tests::{BEGIN, Draft, HOUR, HandClock, app, number};
use super::*;
use crate::model::{Call, Origin};
use crate::serve::app::{Accepted, object};
use crate::store::{MemoryStore, SledStore, Store};

/// Longest that a call may take while an edit reaches everybody, in a build for tests.
const ANSWERED: Duration = Duration::from_secs(3);

#[tokio::test(flavor = "multi_thread")]
async fn while_an_edit_reaches_thousands_calls_are_answered() {
    let people = usize::try_from(number("PEOPLE", 1000)).unwrap();
    let folder = tempfile::tempdir().unwrap();
    let store = SledStore::open(folder.path(), BEGIN, Box::new(|_| ())).unwrap();
    let clock = Arc::new(HandClock(AtomicI64::new(BEGIN)));
    let app = app(Arc::new(store), draft(20).live(), &clock, 0);
    fill(&app, people).await;

    app.live.store(draft(30).live());
    let began = Instant::now();
    let applying = tokio::spawn({
        let app = Arc::clone(&app);
        async move { everything(&app).await }
    });
    let (mut calls, mut longest) = (0, Duration::ZERO);
    while !applying.is_finished() {
        let asked = Instant::now();
        sign_up(Arc::clone(&app), format!("new{calls}@example.com")).await;
        longest = longest.max(asked.elapsed());
        calls += 1;
    }
    applying.await.unwrap().unwrap();
    let took = began.elapsed();
    println!("{people} people in {took:?}; {calls} calls meanwhile, the longest {longest:?}");
    assert!(longest < ANSWERED, "a call took {longest:?}");
    assert!(calls > 0);
    let rows = app.store.enrolments(None, 0, people + calls).await.unwrap().rows;
    assert_eq!(rows.len(), people + calls);
    assert!(rows.iter().all(|one| one.plan[1].1 == one.started + 30 * HOUR));
    app.store.close().await.unwrap();
}

fn draft(hours: i64) -> Draft {
    Draft {
        everyone: true,
        steps: vec![("s-0", 1), ("s-1", hours)],
        spared: std::collections::BTreeMap::default(),
    }
}

async fn fill(app: &Arc<App>, people: usize) {
    let mut coming = JoinSet::new();
    for person in 0..people {
        if coming.len() >= 64 {
            coming.join_next().await.unwrap().unwrap();
        }
        coming.spawn(sign_up(Arc::clone(app), format!("p{person}@example.com")));
    }
    while coming.join_next().await.is_some() {}
}

/// How long it takes until an edit has reached so many people.
async fn reaching(store: Arc<dyn Store>, people: usize) -> Duration {
    let clock = Arc::new(HandClock(AtomicI64::new(BEGIN)));
    let app = app(store, draft(20).live(), &clock, 0);
    fill(&app, people).await;
    app.live.store(draft(30).live());
    let began = Instant::now();
    everything(&app).await.unwrap();
    let took = began.elapsed();
    println!("{people} people in {took:?}");
    let following = app.store.midway(None).await.unwrap();
    let edition = app.live.load().rules.sequences["w"].edition.hash.clone();
    let people = u64::try_from(people).unwrap();
    assert_eq!(following.iter().map(|one| one.people).sum::<u64>(), people);
    assert!(following.iter().all(|one| one.edition == edition));
    app.store.close().await.unwrap();
    took
}

#[tokio::test(flavor = "multi_thread")]
async fn twice_the_people_take_twice_the_time() {
    let people = usize::try_from(number("PEOPLE", 3000)).unwrap();
    // A busy machine may spoil one measurement, but not each of three.
    for last in [false, false, true] {
        let few = reaching(Arc::new(MemoryStore::new(BEGIN)), people).await;
        let many = reaching(Arc::new(MemoryStore::new(BEGIN)), 2 * people).await;
        if many < 3 * few {
            return;
        }
        assert!(!last, "{people} people take {few:?}, twice as many {many:?}");
    }
}

async fn sign_up(app: Arc<App>, email: String) {
    let live = app.live.load_full();
    let rule = live.endpoints.iter().find(|known| known.rule.name == "in").unwrap();
    let body = json!({ "email": email, "n": 7 }).to_string();
    let origin = Origin::Endpoint(Arc::clone(&rule.rule));
    let call = Call { id: app.new_id(), at: app.now(), origin, payload: object(&body) };
    let answer = app.accept(&live, &call, Bytes::from(body), Vec::new(), None).await.unwrap();
    assert!(matches!(answer, Accepted::Done(..)), "{answer:?}");
}
