//! Accepting calls: the same call twice, what a decision assumed, records, bodies.

use bytes::Bytes;
use rulerun::model::commit::{Assumption, Commit, Write};
use rulerun::model::queue::{ExecutionState, JobState, Record};
use rulerun::store::{Committed, Store};

use crate::help::*;

crate::on_every_store!(
    a_call_is_kept_with_its_body,
    the_same_call_gets_the_first_answer,
    a_key_binds_until_it_expires,
    of_fifty_equal_calls_one_is_accepted,
    a_record_that_moved_on_is_a_conflict,
    of_two_starts_one_is_a_conflict,
    a_conflict_writes_nothing,
    long_bodies_and_jobs_are_kept_whole,
    a_call_that_leaves_nothing_is_done,
);

fn keyed(number: u32, value: &str, body: u8) -> Commit {
    Commit { keys: vec![key(value, body, NOW + DAY)], ..call(number, vec![]) }
}

fn record(version: u64, fields: &str) -> Record {
    let fields = fields.into();
    Record { name: "lead".into(), id: "l1".into(), fields, version, updated: NOW }
}

async fn a_call_is_kept_with_its_body(store: &dyn Store) {
    accept(store, call(1, vec![])).await;
    let row = store.execution(id(1)).await.unwrap().unwrap();
    assert_eq!(row.execution.flow, "booking");
    assert_eq!(store.body(id(1)).await.unwrap().as_deref(), Some(&b"{}"[..]));
    assert!(store.execution(id(2)).await.unwrap().is_none());
    assert!(store.body(id(2)).await.unwrap().is_none());
}

async fn the_same_call_gets_the_first_answer(store: &dyn Store) {
    accept(store, keyed(1, "a", 1)).await;
    let Committed::Replayed(first) = store.commit(keyed(2, "a", 1)).await.unwrap() else {
        panic!("it was taken for a new call");
    };
    assert_eq!(first.id, id(1));
    assert!(store.execution(id(2)).await.unwrap().is_none());
    assert!(matches!(store.commit(keyed(3, "a", 2)).await.unwrap(), Committed::KeyReused));
    accept(store, keyed(4, "b", 2)).await;
}

async fn a_key_binds_until_it_expires(store: &dyn Store) {
    accept(store, keyed(1, "a", 1)).await;
    let later = |now| Commit { now, keys: vec![key("a", 2, now + DAY)], ..call(2, vec![]) };
    assert!(matches!(store.commit(later(NOW + DAY - 1)).await.unwrap(), Committed::KeyReused));
    accept(store, later(NOW + DAY)).await;
}

async fn of_fifty_equal_calls_one_is_accepted(store: &dyn Store) {
    let answers: Vec<_> = (1..=50).map(|number| store.commit(keyed(number, "a", 1))).collect();
    let (mut accepted, mut replayed) = (0, 0);
    for answer in answers {
        match answer.await.unwrap() {
            Committed::Done { .. } => accepted += 1,
            Committed::Replayed(first) => {
                assert_eq!(first.id, id(1));
                replayed += 1;
            }
            other => panic!("{other:?}"),
        }
    }
    assert_eq!((accepted, replayed), (1, 49));
}

async fn a_record_that_moved_on_is_a_conflict(store: &dyn Store) {
    let seen = |version| Assumption::Record { name: "lead".into(), id: "l1".into(), version };
    let save = |number, version, fields| Commit {
        assumes: vec![seen(version)],
        ..call(number, vec![Write::Record(record(version + 1, fields))])
    };
    accept(store, save(1, 0, "{\"a\":1}")).await;
    assert!(matches!(store.commit(save(2, 0, "{\"a\":2}")).await.unwrap(), Committed::Conflict));
    accept(store, save(3, 1, "{\"a\":3}")).await;
    let kept = store.record("lead", "l1").await.unwrap().unwrap();
    assert_eq!((kept.version, kept.fields.as_str()), (2, "{\"a\":3}"));
    let delete = Write::DeleteRecord { name: "lead".into(), id: "l1".into() };
    accept(store, call(4, vec![delete])).await;
    assert!(store.record("lead", "l1").await.unwrap().is_none());
}

async fn of_two_starts_one_is_a_conflict(store: &dyn Store) {
    let start = |number| {
        let seen = Assumption::Enrolment {
            sequence: "welcome".into(),
            key: "ann@example.com".into(),
            seen: None,
        };
        let started = enrol(enrolment(number, "welcome", &[("hello", NOW)]));
        Commit { assumes: vec![seen], ..call(number, vec![started]) }
    };
    let (first, second) = (store.commit(start(1)), store.commit(start(2)));
    assert!(matches!(first.await.unwrap(), Committed::Done { .. }));
    assert!(matches!(second.await.unwrap(), Committed::Conflict));
    // Even one that assumed nothing does not replace an active enrolment.
    let blind = Commit { assumes: vec![], ..start(3) };
    assert!(matches!(store.commit(blind).await.unwrap(), Committed::Conflict));
    assert_eq!(claim(store, NOW).await.len(), 1);
}

async fn a_conflict_writes_nothing(store: &dyn Store) {
    let writes = vec![
        Write::Enqueue(job(1, "ping", "n8n", NOW)),
        Write::Record(record(1, "{}")),
        Write::Record(record(7, "{}")),
    ];
    let commit = Commit { keys: vec![key("a", 1, NOW + DAY)], ..call(1, writes) };
    assert!(matches!(store.commit(commit).await.unwrap(), Committed::Conflict));
    assert!(store.execution(id(1)).await.unwrap().is_none());
    assert!(store.record("lead", "l1").await.unwrap().is_none());
    assert!(claim(store, NOW).await.is_empty());
    accept(store, keyed(2, "a", 2)).await;
    check_stats(store).await;
}

async fn long_bodies_and_jobs_are_kept_whole(store: &dyn Store) {
    let body: Vec<u8> = (0..300 * 1024_u32).map(|n| n.to_le_bytes()[1]).collect();
    let mut long = job(1, "ping", "n8n", NOW);
    let task = rulerun::model::Task::Event {
        event: "ping".into(),
        path: "/".into(),
        body: body[..40 * 1024].to_vec(),
    };
    long.task = task.clone();
    let execution = Some((execution(1), Bytes::from(body.clone())));
    accept(store, Commit { execution, ..call(1, vec![Write::Enqueue(long)]) }).await;
    assert_eq!(store.body(id(1)).await.unwrap(), Some(body));
    assert_eq!(claim_one(store, NOW).await.job.task, task);
}

async fn a_call_that_leaves_nothing_is_done(store: &dyn Store) {
    accept(store, call(1, vec![])).await;
    assert_eq!(execution_state(store, 1).await, ExecutionState::Success);
    accept(store, call(2, vec![Write::Enqueue(job(2, "ping", "n8n", NOW))])).await;
    assert_eq!(execution_state(store, 2).await, ExecutionState::Created);
    let later = job(3, "later", "n8n", NOW + DAY);
    let later_id = queue(store, 3, later).await;
    assert_eq!(execution_state(store, 3).await, ExecutionState::Paused);
    assert_eq!(state(store, later_id).await.0, JobState::Pending);
}
