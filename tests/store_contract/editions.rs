//! Editions of sequences: kept once, counted as people come and go, and forgotten when nobody
//! has followed them for a while.

use std::sync::Arc;

use rulerun::model::commit::Write;
use rulerun::model::queue::{Enrolment, Transition};
use rulerun::model::rules::Edition;
use rulerun::store::Store;

use crate::help::*;

crate::on_every_store!(
    an_edition_is_kept_once_and_followers_are_counted,
    an_edition_goes_when_nobody_has_followed_it_for_a_while,
    enrolments_are_read_from_behind_a_key_on,
);

fn edition(hash: &str) -> Write {
    let text = format!("sequence \"welcome\" // {hash}");
    let edition = Arc::new(Edition { hash: hash.into(), text });
    Write::Edition { sequence: "welcome".into(), edition }
}

/// Somebody who begins at one of the calls with an edition.
fn person(number: u32, edition: &str, steps: &[(&str, i64)]) -> Enrolment {
    let email = format!("p{number}@example.com");
    Enrolment {
        key: email.clone(),
        person: email.clone(),
        to: email,
        rules: edition.into(),
        ..enrolment(number, "welcome", steps)
    }
}

async fn following(store: &dyn Store) -> Vec<(String, u64)> {
    let rows = store.midway(Some("welcome".into())).await.unwrap();
    assert_eq!(rows, store.midway(None).await.unwrap());
    rows.into_iter().map(|row| (row.edition, row.people)).collect()
}

const STEPS: [(&str, i64); 2] = [("hello", NOW), ("more", NOW + DAY)];

async fn an_edition_is_kept_once_and_followers_are_counted(store: &dyn Store) {
    let (one, two) = (person(1, "r1", &STEPS), person(2, "r2", &STEPS));
    accept(store, call(1, vec![edition("r1"), enrol(one.clone())])).await;
    accept(store, call(2, vec![edition("r1"), edition("r2"), enrol(two.clone())])).await;
    assert_eq!(following(store).await, [("r1".into(), 1), ("r2".into(), 1)]);
    let (kept, since) = store.edition("welcome", "r1").await.unwrap().unwrap();
    assert_eq!((kept.text.as_str(), since), ("sequence \"welcome\" // r1", NOW + 1));
    assert!(store.edition("welcome", "r3").await.unwrap().is_none());
    assert!(store.edition("other", "r1").await.unwrap().is_none());

    // One is moved to the other edition, reaches the end, and is brought back by hand.
    let left = vec![("more".to_owned(), NOW + 2 * DAY)];
    let moved = Write::Replan {
        sequence: "welcome".into(),
        key: one.key.clone(),
        enrolment: one.id,
        from: 0,
        rules: "r2".into(),
        left,
        step: Some(mail()),
    };
    accept(store, call(3, vec![moved])).await;
    assert_eq!(following(store).await, [("r2".into(), 2)]);
    let step = claim_one(store, NOW).await;
    assert_eq!(step.job.id, two.job_id("hello"));
    finish_with(store, &step, rendered(&step.job), vec![advance(&two, 0, true)]).await;
    let failed = Transition::Failed("no".into());
    finish(store, &step, failed).await;
    let steps = claim(store, NOW + 2 * DAY).await;
    for (step, one) in steps.iter().zip([&two, &one]) {
        let from = u32::from(one.id == two.id);
        finish_with(
            store,
            step,
            Transition::Cancelled("x".into()),
            vec![advance(one, from, false)],
        )
        .await;
    }
    assert_eq!(following(store).await, []);
    assert_eq!(store.retry(vec![two.job_id("hello")], NOW + 3 * DAY).await.unwrap(), 1);
    assert_eq!(following(store).await, [("r2".into(), 1)]);
    let writes = vec![Write::Stop {
        sequence: "welcome".into(),
        person: two.person.clone(),
        key: None,
        reason: "booked".into(),
    }];
    accept(store, call(4, writes)).await;
    assert_eq!(following(store).await, []);
    assert_eq!(store.examine(NOW + 3 * DAY).await.unwrap(), []);
}

async fn an_edition_goes_when_nobody_has_followed_it_for_a_while(store: &dyn Store) {
    let one = person(1, "r1", &[("hello", NOW + 90 * DAY)]);
    accept(store, call(1, vec![edition("r0"), edition("r1"), enrol(one.clone())])).await;
    store.purge(NOW + 60 * DAY, NOW + 80 * DAY).await.unwrap();
    assert!(store.edition("welcome", "r0").await.unwrap().is_none(), "nobody ever followed it");
    assert!(store.edition("welcome", "r1").await.unwrap().is_some(), "somebody follows it");
    let step = claim_one(store, NOW + 90 * DAY).await;
    let over = rulerun::model::commit::Finished {
        lease: step.lease,
        transition: Transition::Cancelled("x".into()),
        attempt: None,
        writes: vec![advance(&one, 0, false)],
    };
    store.finish(vec![over]).await.unwrap();
    assert_eq!(following(store).await, []);
    let left = ended(store, &one).await;
    store.purge(left, left + 30 * DAY).await.unwrap();
    assert!(store.edition("welcome", "r1").await.unwrap().is_some(), "not longer ago than that");
    store.purge(left + 1, left + 30 * DAY).await.unwrap();
    assert!(store.edition("welcome", "r1").await.unwrap().is_none());
    assert_eq!(store.examine(NOW + 100 * DAY).await.unwrap(), []);
}

/// When an enrolment changed last.
async fn ended(store: &dyn Store, one: &Enrolment) -> i64 {
    store.enrolment("welcome", &one.key).await.unwrap().unwrap().updated
}

async fn enrolments_are_read_from_behind_a_key_on(store: &dyn Store) {
    for number in 1..=5 {
        accept(store, call(number, vec![enrol(person(number, "r1", &STEPS))])).await;
    }
    let other = enrolment(6, "welcome-back", &STEPS);
    accept(store, call(6, vec![enrol(other)])).await;
    let mut seen = Vec::new();
    let mut after = None;
    loop {
        let rows = store.enrolments_behind("welcome", after, 2).await.unwrap();
        assert!(rows.len() <= 2);
        let Some(last) = rows.last() else { break };
        after = Some(last.key.clone());
        seen.extend(rows.into_iter().map(|one| one.key));
    }
    let all: Vec<String> = (1..=5).map(|number| format!("p{number}@example.com")).collect();
    assert_eq!(seen, all);
    let behind = store.enrolments_behind("welcome", Some("p3".into()), 9).await.unwrap();
    assert_eq!(behind.len(), 3, "the key itself need not be there");
}
