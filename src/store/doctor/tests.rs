//! Each disagreement is planted in a busy little store, found, and mended: after that every
//! row is as it was.

use std::sync::Arc;

use super::{Flaw, examine};
use crate::model::Lease;
use crate::model::commit::{Finished, Write};
use crate::model::queue::{JobState, Transition};
use crate::store::claims::Claims;
use crate::store::kv::{Batch, Map, Pair};
use crate::store::ledger::Ledger;
use crate::store::rows::{self, Counter, Followers, StoredEdition, StoredEnrolment, StoredJob};
use crate::store::tests::{NOW, call, enrol, id, job, record};
use crate::store::{Claim, StoreError, keys};

/// Does one request and writes what it changed.
fn run<T>(
    ledger: &mut Ledger,
    map: &mut Map,
    work: impl FnOnce(&mut Ledger, &mut Batch<'_>) -> Result<T, StoreError>,
) -> T {
    let mut batch = Batch::over(map);
    let result = ledger.run(&mut batch, work).unwrap();
    let changes = batch.into_changes();
    for (key, change) in changes {
        apply(map, key, change);
    }
    result
}

fn apply(map: &mut Map, key: Vec<u8>, change: Option<Vec<u8>>) {
    match change {
        Some(value) => map.insert(key, value),
        None => map.remove(&key),
    };
}

/// Something of every kind: a long body, jobs that are sent, waiting, in line and postponed,
/// two enrolments of which one has gone a step, records.
fn busy() -> Map {
    let (mut map, claims) = (Map::new(), Arc::<Claims>::default());
    let mut ledger = Ledger::new(claims, Arc::default(), NOW);
    let mut names = ["first", "second", "third"];
    // The one that comes first has its turn, and so leads its line.
    names.sort_by_key(|name| id(1).derive(name));
    let ordered = names.map(|name| Write::Enqueue(job(1, name, Some("lead 7"))));
    let mut writes = vec![Write::Enqueue(job(1, "ping", None)), record("7", 1)];
    writes.extend(ordered);
    run(&mut ledger, &mut map, |ledger, batch| ledger.commit(batch, call(1, 50_000, writes)));
    let started = vec![enrol(2, "ann@example.com"), enrol(3, "bob@example.com")];
    for (number, write) in (2..).zip(started) {
        let commit = call(number, 10, vec![write]);
        run(&mut ledger, &mut map, |ledger, batch| ledger.commit(batch, commit));
    }
    let claim = Claim { now: NOW + 5, lease: 60_000, limit: 9, free: vec![], default: 9 };
    let claimed = run(&mut ledger, &mut map, |ledger, batch| ledger.claim(batch, &claim));
    for leased in claimed.jobs {
        let transition = match leased.job.event_type.as_str() {
            "ping" => Transition::Sent,
            "hello" if leased.job.execution == id(2) => {
                Transition::Retry { due: NOW + 9_000, spend: true }
            }
            _ => continue,
        };
        let lease: Lease = leased.lease;
        let finished = vec![Finished { lease, transition, attempt: None, writes: vec![] }];
        run(&mut ledger, &mut map, |ledger, batch| ledger.finish(batch, finished));
    }
    map
}

fn flaws(map: &Map) -> Vec<Flaw> {
    examine(map, NOW).unwrap().findings().iter().map(|finding| finding.flaw).collect()
}

/// Mends until nothing more can be.
fn mended(mut map: Map) -> Map {
    for _ in 0..4 {
        let fixes = examine(&map, NOW).unwrap().into_fixes();
        for (key, change) in fixes {
            apply(&mut map, key, change);
        }
    }
    map
}

/// The first row of a kind.
fn first(map: &Map, kind: u8) -> Pair {
    let (key, value) = map.range(vec![kind]..keys::end(&[kind])).next().expect("such a row");
    (key.clone(), value.clone())
}

fn edit<T: serde::Serialize + serde::de::DeserializeOwned>(
    map: &mut Map,
    key: Vec<u8>,
    change: impl FnOnce(&mut T),
) {
    let mut row: T = rows::read(map, &key).unwrap().expect("such a row");
    change(&mut row);
    let mut batch = Batch::over(map);
    rows::write(&mut batch, key, &row).unwrap();
    let changes = batch.into_changes();
    for (key, change) in changes {
        apply(map, key, change);
    }
}

#[track_caller]
fn is_found_and_mended(flaw: Flaw, plant: impl FnOnce(&mut Map)) {
    let before = busy();
    let mut map = before.clone();
    plant(&mut map);
    assert!(flaws(&map).contains(&flaw), "{flaw:?} is not among {:?}", flaws(&map));
    let after = mended(map);
    assert_eq!(flaws(&after), []);
    assert!(after == before, "mending {flaw:?} has changed something else");
}

#[track_caller]
fn is_only_found(flaw: Flaw, plant: impl FnOnce(&mut Map)) {
    let mut map = busy();
    plant(&mut map);
    assert!(flaws(&map).contains(&flaw), "{flaw:?} is not among {:?}", flaws(&map));
    assert!(flaws(&mended(map)).contains(&flaw), "nobody can know what belongs there");
}

fn due_of(name: &str) -> Vec<u8> {
    keys::due("n8n", false, 0, NOW, id(1).derive(name))
}

#[test]
fn a_store_that_works_has_no_findings() {
    assert_eq!(flaws(&busy()), []);
    assert_eq!(flaws(&Map::new()), []);
}

#[test]
fn whatever_row_is_lost_is_noticed_or_was_not_needed() {
    let before = busy();
    for key in before.keys() {
        // Nothing else says that these are or were there.
        let alone = [keys::RECORD, keys::IDEMPOTENCY, keys::LOG, keys::ATTEMPT, keys::TALLY];
        if alone.contains(&key[0]) {
            continue;
        }
        // The recount knows only what is counted, and an execution's beginning says the rest.
        let ended = key[0] == keys::PROGRESS;
        let mut map = before.clone();
        map.remove(key);
        assert!(ended || !flaws(&map).is_empty(), "{} {}", keys::kind(key), hex::encode(key));
    }
}

#[test]
fn a_file_that_an_email_names_is_there() {
    is_only_found(Flaw::FileMissing, |map| {
        let (key, _) = first(map, keys::JOB);
        let mut batch = Batch::over(map);
        batch.put_small(keys::file_of("abc", keys::id_of(&key)), &[]);
        for (key, change) in batch.into_changes() {
            apply(map, key, change);
        }
    });
}

#[test]
fn a_version_that_people_follow_is_there() {
    // Where none was ever kept, people came before there were any.
    assert_eq!(flaws(&busy()), []);
    is_only_found(Flaw::EditionMissing, |map| {
        let other = StoredEdition { text: String::new(), since: NOW };
        let mut batch = Batch::over(map);
        rows::write(&mut batch, keys::edition("welcome", "r0"), &other).unwrap();
        for (key, change) in batch.into_changes() {
            apply(map, key, change);
        }
    });
    is_found_and_mended(Flaw::Counter, |map| {
        let key = first(map, keys::FOLLOWERS).0;
        edit(map, key, |followers: &mut Followers| followers.people += 1);
    });
}

#[test]
fn what_waits_is_due_again() {
    is_found_and_mended(Flaw::NotDue, |map| {
        let (leader, _) = first(map, keys::GROUP);
        map.remove(&keys::due("n8n", false, 0, NOW, keys::id_of(&leader)))
            .expect("it has its turn");
    });
    // Ann's first step was postponed and so is a job; Bob's is nothing but a due row.
    let step = |number, due| {
        keys::due("mail", false, 0, due, id(number).derive("welcome").derive("hello"))
    };
    is_found_and_mended(Flaw::NotDue, |map| drop(map.remove(&step(2, NOW + 9_000))));
    is_found_and_mended(Flaw::StepNotDue, |map| drop(map.remove(&step(3, NOW))));
}

#[test]
fn what_is_over_is_not_due() {
    is_found_and_mended(Flaw::DueForNothing, |map| {
        let (_, due) = first(map, keys::DUE);
        map.insert(due_of("ping"), due);
    });
    is_found_and_mended(Flaw::DueForNothing, |map| {
        let (_, due) = first(map, keys::DUE);
        map.insert(keys::due("n8n", false, 0, NOW, id(77)), due);
    });
}

#[test]
fn a_line_has_its_turn() {
    let group = keys::group("n8n", "order lead 7");
    let place = |name: &str| keys::in_group(&group, id(1).derive(name));
    is_found_and_mended(Flaw::NoTurn, |map| {
        let (key, _) = first(map, keys::GROUP);
        map.insert(key.clone(), vec![1, 0]);
        map.remove(&keys::due("n8n", false, 0, NOW, keys::id_of(&key)));
    });
    is_found_and_mended(Flaw::NotInLine, |map| {
        let parked = map.iter().find(|(key, value)| key[0] == keys::GROUP && value[..] == [1, 0]);
        let parked = parked.expect("one that waits").0.clone();
        map.remove(&parked);
    });
    is_found_and_mended(Flaw::LineForNothing, |map| {
        map.insert(place("ping"), vec![1, 0]);
    });
}

#[test]
fn counters_are_recounted() {
    is_found_and_mended(Flaw::Counter, |map| {
        let (key, _) = first(map, keys::COUNTER);
        edit(map, key, |row: &mut Counter| row.stat.counts[JobState::Sent as usize] += 3);
    });
    is_found_and_mended(Flaw::Counter, |map| {
        let (key, _) = first(map, keys::BACKLOG);
        edit(map, key, |waiting: &mut u64| *waiting += 1);
    });
    is_found_and_mended(Flaw::OpenCount, |map| {
        edit(map, keys::progress(id(1)), |row: &mut crate::model::queue::Progress| row.open += 1);
    });
}

#[test]
fn indexes_agree_with_their_rows() {
    for kind in [keys::PERSON_EXECUTION, keys::PERSON_ENROLMENT] {
        is_found_and_mended(Flaw::NotIndexed, |map| {
            let (key, _) = first(map, kind);
            map.remove(&key);
        });
    }
    is_found_and_mended(Flaw::IndexForNothing, |map| {
        map.insert(keys::person_execution("eve@example.com", id(1)), vec![1]);
        let index = keys::person_enrolment("eve@example.com", "welcome", "eve@example.com");
        map.insert(index, first(map, keys::PERSON_ENROLMENT).1);
    });
}

#[test]
fn leftovers_are_removed() {
    is_found_and_mended(Flaw::Leftover, |map| {
        map.insert(keys::body(id(77)), vec![1, b'{', b'}']);
        let (key, _) = first(map, keys::BODY);
        map.insert(keys::chunk(&key, 99), vec![0; 9]);
    });
}

#[test]
fn what_nobody_can_know_is_only_reported() {
    is_only_found(Flaw::Unreadable, |map| {
        let (key, _) = first(map, keys::JOB);
        map.insert(key, vec![1, 0xff]);
    });
    is_only_found(Flaw::Unreadable, |map| {
        let (key, _) = first(map, keys::CHUNK);
        map.remove(&key);
    });
    is_only_found(Flaw::Unknown, |map| drop(map.insert(b"Z".to_vec(), vec![1])));
    is_only_found(Flaw::BodyMissing, |map| drop(map.remove(&keys::body(id(1)))));
    is_only_found(Flaw::CallMissing, |map| {
        map.remove(&keys::by_id(keys::EXECUTION, id(3)));
    });
    is_only_found(Flaw::LiveOver, |map| {
        let (key, _) = first(map, keys::ENROLMENT);
        edit(map, key, |row: &mut StoredEnrolment| row.enrolment.live.push(id(1).derive("ping")));
    });
    is_only_found(Flaw::Stuck, |map| {
        let step = id(2).derive("welcome").derive("hello");
        edit(map, keys::by_id(keys::JOB, step), |row: &mut StoredJob| {
            row.job.state = JobState::Cancelled;
        });
    });
}
