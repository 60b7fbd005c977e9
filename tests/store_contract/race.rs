//! Two sequences, their stops and their due steps against each other, in every order that
//! chance comes up with. Whatever the order: never two e-mails for one step, never one after
//! its stop was answered, and none lost.

use std::collections::{HashMap, HashSet};
use std::task::Poll;

use rulerun::base::Id;
use rulerun::model::commit::{Assumption, Commit};
use rulerun::model::queue::{EnrolmentState, Leased, Task, Transition};
use rulerun::store::{Answer, Committed, Finish, MemoryStore, Store};

use crate::help::*;

const SEQUENCES: [&str; 2] = ["welcome", "reminder"];
const STEPS: [(&str, i64); 2] = [("hello", NOW), ("more", NOW + 15)];

/// Chance that can be repeated (splitmix64).
struct Dice(u64);

impl Dice {
    fn below(&mut self, sides: usize) -> usize {
        self.0 = self.0.wrapping_add(0x9e37_79b9_7f4a_7c15);
        let mut z = self.0;
        z = (z ^ (z >> 30)).wrapping_mul(0xbf58_476d_1ce4_e5b9);
        z = (z ^ (z >> 27)).wrapping_mul(0x94d0_49bb_1331_11eb);
        usize::try_from((z ^ (z >> 31)) % sides as u64).unwrap()
    }
}

/// Starts a sequence: looks, decides, commits, and decides again when that was in vain.
#[derive(Default)]
enum Starter {
    #[default]
    Looks,
    /// It saw this (or no) enrolment, which has ended.
    Saw(Option<(Id, bool)>),
}

/// Stops both sequences, and waits until what was in flight has landed.
#[derive(Default)]
struct Stopper<'s> {
    waits: Option<(Answer<'s, ()>, Vec<Id>)>,
}

/// Does what is due, one small step at a time.
#[derive(Default)]
enum Worker {
    #[default]
    Idle,
    Due(Leased),
    Sending(Leased),
    Sent(Leased),
}

struct World<'s> {
    store: &'s dyn Store,
    dice: Dice,
    now: i64,
    calls: u32,
    /// The enrolment of each step's job.
    steps: HashMap<Id, Id>,
    sent: HashSet<Id>,
    /// Enrolments whose stop was answered.
    over: HashSet<Id>,
}

impl<'s> World<'s> {
    async fn start(&mut self, starter: &mut Starter, sequence: &str) {
        let Starter::Saw(seen) = std::mem::take(starter) else {
            let found = self.store.enrolment(sequence, "ann@example.com").await.unwrap();
            let seen = found.map(|one| (one.id, one.state == EnrolmentState::Active));
            if seen.is_none_or(|(_, active)| !active) {
                *starter = Starter::Saw(seen);
            }
            return;
        };
        self.calls += 1;
        let mut started = enrolment(self.calls, sequence, &STEPS);
        for (name, due) in &mut started.plan {
            self.steps.insert(started.id.derive(name), started.id);
            *due += self.now - NOW;
        }
        let key = started.key.clone();
        let assumes = vec![Assumption::Enrolment { sequence: sequence.into(), key, seen }];
        let commit = Commit { assumes, now: self.now, ..call(self.calls, vec![enrol(started)]) };
        let answer = self.store.commit(commit).await.unwrap();
        assert!(matches!(answer, Committed::Done { .. } | Committed::Conflict));
    }

    async fn stop(&mut self, stopper: &mut Stopper<'s>) {
        if let Some((settled, stopped)) = &mut stopper.waits {
            let done = std::future::poll_fn(|context| {
                Poll::Ready(settled.as_mut().poll(context).is_ready())
            });
            if done.await {
                self.over.extend(stopped.iter());
                stopper.waits = None;
            }
            return;
        }
        self.calls += 1;
        let stops = SEQUENCES.map(stop).to_vec();
        let in_flight =
            accept(self.store, Commit { now: self.now, ..call(self.calls, stops) }).await;
        let mut stopped = vec![];
        for sequence in SEQUENCES {
            let found = self.store.enrolment(sequence, "ann@example.com").await.unwrap();
            stopped.extend(found.filter(|one| one.state != EnrolmentState::Finished).map(|one| {
                assert_eq!(one.state, EnrolmentState::Stopped("booked".into()));
                one.id
            }));
        }
        stopper.waits = Some((self.store.settled(in_flight), stopped));
    }

    async fn work(&mut self, worker: Worker) -> Worker {
        match worker {
            Worker::Idle => {
                let mut claimed = self.store.claim(claim_at(self.now, 1)).await.unwrap().jobs;
                claimed.pop().map_or(Worker::Idle, |leased| match leased.job.task {
                    Task::Step { .. } => Worker::Due(leased),
                    _ => Worker::Sending(leased),
                })
            }
            Worker::Due(leased) => {
                let (sequence, key) = leased.job.enrolment.clone().unwrap();
                let found = self.store.enrolment(&sequence, &key).await.unwrap().unwrap();
                let from = found.next;
                let next = vec![advance(&found, from, from == 0)];
                match finish_with(self.store, &leased, rendered(&leased.job), next).await {
                    Finish::Done => Worker::Sending(leased),
                    Finish::Stopped => Worker::Idle,
                    Finish::Stale | Finish::Capped(_) => panic!("nobody else can hold it"),
                }
            }
            Worker::Sending(leased) if self.dice.below(4) == 0 => {
                let retry = Transition::Retry { due: self.now + 3, spend: true };
                assert_eq!(finish(self.store, &leased, retry).await, Finish::Done);
                Worker::Idle
            }
            Worker::Sending(leased) => {
                assert!(self.sent.insert(leased.job.id), "two e-mails for one step");
                let enrolment = self.steps[&leased.job.id];
                assert!(!self.over.contains(&enrolment), "an e-mail after its stop");
                Worker::Sent(leased)
            }
            Worker::Sent(leased) => {
                assert_eq!(finish(self.store, &leased, Transition::Sent).await, Finish::Done);
                Worker::Idle
            }
        }
    }
}

async fn interleave(store: &dyn Store, seed: u64) {
    let mut world = World {
        store,
        dice: Dice(seed),
        now: NOW,
        calls: 0,
        steps: HashMap::new(),
        sent: HashSet::new(),
        over: HashSet::new(),
    };
    let (mut starters, mut stopper) = ([Starter::Looks, Starter::Looks], Stopper::default());
    let mut workers = [Worker::Idle, Worker::Idle];
    for _ in 0..36 {
        world.now += 1;
        match world.dice.below(9) {
            actor @ 0..=1 => world.start(&mut starters[actor], SEQUENCES[actor]).await,
            2 => world.stop(&mut stopper).await,
            // Half of the time, so that a start is not stopped before anything is due.
            actor => {
                let worker = &mut workers[actor % 2];
                *worker = world.work(std::mem::take(worker)).await;
            }
        }
    }
    // What is under way is done, and so is everything that comes due.
    for round in 0..40 {
        world.now += 5;
        let worker = &mut workers[round % 2];
        *worker = world.work(std::mem::take(worker)).await;
    }
    let claimed = store.claim(claim_at(world.now + DAY, 9)).await.unwrap().jobs;
    assert!(claimed.is_empty(), "work was left: {claimed:?}");
    for sequence in SEQUENCES {
        if let Some(one) = store.enrolment(sequence, "ann@example.com").await.unwrap() {
            assert_ne!(one.state, EnrolmentState::Active, "{one:?}");
            if one.state == EnrolmentState::Finished {
                assert!(one.plan.iter().all(|(name, _)| world.sent.contains(&one.job_id(name))));
            }
        }
    }
    check_stats(store).await;
    assert_eq!(store.examine(world.now).await.unwrap(), [], "rows that do not agree");
}

/// Says which seed it was when an interleaving fails.
struct Seed(u64);

impl Drop for Seed {
    #[expect(clippy::print_stderr, reason = "without the seed a failure cannot be repeated")]
    fn drop(&mut self) {
        if std::thread::panicking() {
            eprintln!("the seed was {}", self.0);
        }
    }
}

#[tokio::test]
async fn no_order_sends_twice_or_after_a_stop() {
    for seed in 0..10_000 {
        let _seed = Seed(seed);
        interleave(&MemoryStore::new(NOW), seed).await;
    }
}

#[tokio::test]
async fn no_order_does_so_on_disk() {
    for seed in 0..200 {
        let _seed = Seed(seed);
        let folder = tempfile::tempdir().unwrap();
        interleave(&on_disk(folder.path()), seed).await;
    }
}
