//! A backup is one moment of a store that does not stand still, and a file that was cut or
//! altered anywhere is refused.

use std::collections::BTreeSet;
use std::sync::atomic::{AtomicBool, AtomicU32, Ordering};
use std::sync::{Arc, Mutex};

use super::format::{self, Unfit};
use super::{Backup, Contents, check};
use crate::model::commit::{Commit, Finished, NextStep, Write};
use crate::model::queue::{Job, Task, Transition};
use crate::store::kv::{Change, Map, Way};
use crate::store::runner::Runner;
use crate::store::tests::{NOW, call, enrol, id, job, record, stop};
use crate::store::{Claim, Committed, MemoryStore, SledStore, Store, StoreError, doctor, keys};

/// Chance that can be repeated (xorshift).
struct Dice(u64);

impl Dice {
    fn below(&mut self, sides: u64) -> u64 {
        self.0 ^= self.0 << 13;
        self.0 ^= self.0 >> 7;
        self.0 ^= self.0 << 17;
        self.0 % sides
    }
}

/// What a call writes: something of everything, often over what was there.
fn writes(number: u32, dice: &mut Dice) -> Vec<Write> {
    let person = format!("person-{}@example.com", dice.below(20));
    let mut writes = vec![Write::Enqueue(job(number, "noted", None))];
    match dice.below(5) {
        0 => writes.push(enrol(number, &person)),
        1 => writes.push(stop(&person)),
        2 => writes.push(record(&number.to_string(), 1)),
        3 => {
            let id = dice.below(u64::from(number)).to_string();
            writes.push(Write::DeleteRecord { name: "lead".into(), id });
        }
        _ => writes.push(Write::Enqueue(job(number, "ordered", Some("one")))),
    }
    writes
}

/// Calls and delivers until it is told to stop; notes which calls were accepted.
async fn bustle(store: Arc<SledStore>, world: Arc<World>, seed: u64) {
    let mut dice = Dice(seed);
    while !world.stop.load(Ordering::SeqCst) {
        let number = world.numbers.fetch_add(1, Ordering::SeqCst);
        let length = if dice.below(9) == 0 { 40_000 } else { 20 };
        let commit: Commit = call(number, length, writes(number, &mut dice));
        // A start of what has begun already is turned away.
        if let Committed::Done { .. } = store.commit(commit).await.unwrap() {
            world.accepted.lock().unwrap().insert(number);
        }
        let claim = Claim { now: NOW + 5, lease: 60_000, limit: 2, free: vec![], default: 2 };
        for leased in store.claim(claim).await.unwrap().jobs {
            let transition = match dice.below(3) {
                0 => Transition::Retry { due: NOW + 60_000, spend: true },
                _ => Transition::Sent,
            };
            let lease = leased.lease;
            let writes = passed(&leased.job).into_iter().collect();
            let finished = Finished { lease, transition, attempt: None, writes };
            store.finish(vec![finished]).await.unwrap();
        }
    }
}

/// A step that is done or late is passed, as the engine does it.
fn passed(job: &Job) -> Option<Write> {
    let Task::Step { sequence, key, enrolment, step } = &job.task else { return None };
    let (from, step) = match step.as_str() {
        "hello" => (0, Some(NextStep { lane: "mail".into(), priority: 0 })),
        _ => (1, None),
    };
    let (sequence, key, enrolment) = (sequence.clone(), key.clone(), *enrolment);
    Some(Write::Advance { sequence, key, enrolment, from, step })
}

#[derive(Default)]
struct World {
    numbers: AtomicU32,
    stop: AtomicBool,
    accepted: Mutex<BTreeSet<u32>>,
}

/// The rows that a backup says there are.
fn replayed(file: &[u8]) -> (Map, Contents) {
    let mut map = Map::new();
    let mut each = |key: Vec<u8>, change: Change| -> Result<(), Unfit> {
        match change {
            Some(value) => map.insert(key, value),
            None => map.remove(&key),
        };
        Ok(())
    };
    let contents = format::read(&mut &file[..], &mut each).unwrap();
    (map, contents)
}

async fn rows_of(store: &impl Runner) -> Map {
    store
        .walk(|kv, _| kv.scan(keys::FIRST, keys::LAST, Way::Up).collect::<Result<Map, _>>())
        .await
        .unwrap()
}

async fn draw(store: &dyn Store, mut backup: Backup) -> Result<Vec<u8>, StoreError> {
    let mut file = Vec::new();
    while backup.contents().is_none() {
        backup = store.backup(backup).await?;
        file.extend(backup.take());
    }
    Ok(file)
}

fn counts_are_right(map: &Map, contents: &Contents) {
    let count = |kind| map.keys().filter(|key| key[0] == kind).count() as u64;
    assert_eq!(contents.executions, count(keys::EXECUTION));
    assert_eq!(contents.jobs, count(keys::JOB));
    assert_eq!(contents.enrolments, count(keys::ENROLMENT));
    assert_eq!(contents.records, count(keys::RECORD));
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_backup_of_a_busy_store_is_one_moment_of_it() {
    for seed in 1..=50 {
        let folder = tempfile::tempdir().unwrap();
        let open = SledStore::open(folder.path(), NOW, Box::new(|why| panic!("{why}")));
        let (store, world) = (Arc::new(open.unwrap()), Arc::<World>::default());
        let mut dice = Dice(seed * 7_919);
        for _ in 0..20 {
            let number = world.numbers.fetch_add(1, Ordering::SeqCst) + 1;
            store.commit(call(number, 20, writes(number, &mut dice))).await.unwrap();
        }
        world.numbers.store(100, Ordering::SeqCst);
        let callers: Vec<_> = (1..=3)
            .map(|n| tokio::spawn(bustle(Arc::clone(&store), Arc::clone(&world), seed * 31 + n)))
            .collect();
        // Half of the time all is quiet before it ends, so that the end is known to the byte.
        let quiet = (seed % 2 == 0).then(|| dice.below(8));
        let mut callers = Some(callers);
        let slices = usize::try_from(1 + dice.below(40)).unwrap();
        let mut backup = Backup::new(NOW).in_slices_of(slices);
        let (mut file, mut before, mut steps) = (Vec::new(), BTreeSet::new(), 0);
        while backup.contents().is_none() {
            before.clone_from(&world.accepted.lock().unwrap());
            backup = store.backup(backup).await.unwrap();
            file.extend(backup.take());
            steps += 1;
            // Whoever calls faster than slices are drawn would keep this going for ever. What is
            // called after the last slice is no part of the file.
            if backup.contents().is_none() && (quiet == Some(steps) || steps == 60) {
                world.stop.store(true, Ordering::SeqCst);
                for caller in callers.take().into_iter().flatten() {
                    caller.await.unwrap();
                }
            }
        }
        let (map, contents) = replayed(&file);
        if callers.is_none() {
            assert!(map == rows_of(&*store).await, "seed {seed}: not what the store holds");
        }
        for number in before {
            assert!(map.contains_key(&keys::by_id(keys::EXECUTION, id(number))), "seed {seed}");
        }
        let findings = doctor::examine(&map, NOW).unwrap().findings();
        assert_eq!(findings, [], "seed {seed}: half a group");
        counts_are_right(&map, &contents);
        world.stop.store(true, Ordering::SeqCst);
        for caller in callers.into_iter().flatten() {
            caller.await.unwrap();
        }
    }
}

async fn small() -> Vec<u8> {
    let store = MemoryStore::new(NOW);
    let writes = vec![enrol(1, "ann@example.com"), record("7", 1)];
    store.commit(call(1, 20, writes)).await.unwrap();
    draw(&store, Backup::new(NOW)).await.unwrap()
}

#[tokio::test]
async fn a_file_that_is_cut_anywhere_is_refused() {
    let file = small().await;
    assert_eq!(check(&mut &file[..]).unwrap().bytes, file.len() as u64);
    for length in 0..file.len() {
        let unfit = check(&mut &file[..length]).unwrap_err();
        assert!(matches!(unfit, Unfit::Cut(_) | Unfit::Foreign), "{length}: {unfit}");
    }
    let more = [&file[..], b"\n"].concat();
    assert!(matches!(check(&mut &more[..]), Err(Unfit::Altered(_))));
}

#[tokio::test]
async fn a_file_that_is_altered_anywhere_is_refused() {
    let file = small().await;
    for place in 0..file.len() {
        for bit in [1, 0x80] {
            let mut altered = file.clone();
            altered[place] ^= bit;
            assert!(check(&mut &altered[..]).is_err(), "byte {place} of {}", file.len());
        }
    }
}

#[tokio::test]
async fn two_at_once_are_refused_and_an_abandoned_one_is_in_nobodys_way() {
    let store = MemoryStore::new(NOW);
    for number in 1..20 {
        store.commit(call(number, 20, vec![])).await.unwrap();
    }
    let first = store.backup(Backup::new(NOW).in_slices_of(3)).await.unwrap();
    let second = store.backup(Backup::new(NOW)).await.unwrap_err();
    assert!(second.to_string().contains("another one is being made"), "{second}");
    drop(first);
    check(&mut &draw(&store, Backup::new(NOW)).await.unwrap()[..]).unwrap();
}

#[tokio::test]
async fn a_backup_that_does_not_keep_up_fails_and_calls_go_on() {
    let store = MemoryStore::new(NOW);
    for number in 1..20 {
        store.commit(call(number, 20, vec![])).await.unwrap();
    }
    let backup = store.backup(Backup::new(NOW).in_slices_of(3)).await.unwrap();
    for number in 100..240 {
        store.commit(call(number, 256 * 1024, vec![])).await.unwrap();
    }
    let error = store.backup(backup).await.unwrap_err();
    assert!(error.to_string().contains("more slowly than calls change"), "{error}");
    let (map, contents) = replayed(&draw(&store, Backup::new(NOW)).await.unwrap());
    assert_eq!(contents.executions, 159);
    counts_are_right(&map, &contents);
}
