//! Who goes first when more waits than there are places, and how much may wait.

use rulerun::model::commit::{Commit, Finished, Write};
use rulerun::model::queue::{AttemptError, Job, JobState, Leased, Transition};
use rulerun::store::{Claim, Committed, Finish, Store};

use crate::help::*;

crate::on_every_store!(
    a_first_try_does_not_wait_behind_retries,
    retries_get_every_fourth_place_however_many_first_tries_come,
    retries_alone_get_every_place,
    the_higher_priority_goes_first_of_each_kind,
    what_was_put_off_before_its_first_try_is_done_once,
    what_is_tried_again_by_hand_waits_among_the_retries,
    more_than_the_backlog_is_turned_away_in_that_lane_alone,
    what_leaves_the_queue_makes_room,
    work_whose_time_has_not_come_is_no_backlog,
    a_repeated_call_gets_its_answer_however_much_waits,
);

/// Puts so many jobs that failed once in a lane, due again from `due` on, a millisecond apart.
async fn retries(store: &dyn Store, lane: &str, count: u32, due: i64) {
    let numbers = 100_000..100_000 + count;
    let jobs = numbers.clone().map(|number| Write::Enqueue(job(number, "old", lane, NOW)));
    accept(store, call(1, jobs.collect())).await;
    let claimed = store.claim(places(lane, 100_000)).await.unwrap().jobs;
    assert_eq!(claimed.len(), count as usize);
    let failed = claimed.iter().zip(0_u32..).map(|(leased, number)| Finished {
        lease: leased.lease,
        transition: Transition::Retry { due: due + i64::from(number), spend: true },
        attempt: Some(attempt(&leased.job, NOW + 20, Some(AttemptError::Status))),
        writes: vec![],
    });
    let finished = store.finish(failed.collect()).await.unwrap();
    assert!(finished.iter().all(|one| *one == Finish::Done));
}

/// A claim with so many places in a lane.
fn places(lane: &str, free: usize) -> Claim {
    Claim { free: vec![(lane.into(), free)], ..claim_at(NOW + 60_000, 100_000) }
}

/// Takes so many jobs of lane "n8n" one by one, as a service with one place does.
async fn take(store: &dyn Store, count: usize) -> Vec<Leased> {
    let mut taken = Vec::new();
    for _ in 0..count {
        let mut jobs = store.claim(places("n8n", 1)).await.unwrap().jobs;
        assert_eq!(jobs.len(), 1);
        taken.append(&mut jobs);
    }
    taken
}

fn names(taken: &[Leased]) -> Vec<&str> {
    taken.iter().map(|leased| leased.job.event_type.as_str()).collect()
}

async fn a_first_try_does_not_wait_behind_retries(store: &dyn Store) {
    retries(store, "n8n", 5_000, NOW + 1_000).await;
    assert_eq!(names(&take(store, 3).await), ["old"; 3], "they are all overdue");
    queue(store, 9, job(9, "new", "n8n", NOW + 50_000)).await;
    assert_eq!(names(&take(store, 2).await), ["new", "old"]);
}

async fn retries_get_every_fourth_place_however_many_first_tries_come(store: &dyn Store) {
    retries(store, "n8n", 50, NOW + 1_000).await;
    let new = (10..200).map(|number| Write::Enqueue(job(number, "new", "n8n", NOW)));
    accept(store, call(9, new.collect())).await;
    let one_by_one = take(store, 40).await;
    assert_eq!(names(&one_by_one)[..8], ["new", "new", "new", "old", "new", "new", "new", "old"]);
    assert_eq!(names(&one_by_one).iter().filter(|name| **name == "old").count(), 10);
    let old: Vec<i64> = one_by_one
        .iter()
        .filter_map(|leased| (leased.job.event_type == "old").then_some(leased.job.due))
        .collect();
    assert!(old.is_sorted() && old[0] == NOW + 1_000, "the oldest retry first");
    let together = store.claim(places("n8n", 40)).await.unwrap().jobs;
    assert_eq!(names(&together).iter().filter(|name| **name == "old").count(), 10);
    // Nobody is left out or handed out twice in the end.
    let rest = store.claim(places("n8n", 1_000)).await.unwrap().jobs;
    let mut ids: Vec<_> =
        one_by_one.iter().chain(&together).chain(&rest).map(|leased| leased.job.id).collect();
    ids.sort();
    ids.dedup();
    assert_eq!(ids.len(), 240);
}

async fn retries_alone_get_every_place(store: &dyn Store) {
    retries(store, "n8n", 20, NOW + 1_000).await;
    assert_eq!(names(&store.claim(places("n8n", 8)).await.unwrap().jobs), ["old"; 8]);
}

async fn the_higher_priority_goes_first_of_each_kind(store: &dyn Store) {
    retries(store, "n8n", 20, NOW + 1_000).await;
    for (number, name, priority) in [(10, "low", -3), (11, "usual", 0), (12, "high", 7)] {
        queue(store, number, Job { priority, ..job(number, name, "n8n", NOW) }).await;
    }
    assert_eq!(names(&take(store, 4).await), ["high", "usual", "low", "old"]);
}

async fn what_was_put_off_before_its_first_try_is_done_once(store: &dyn Store) {
    let id = queue(store, 1, job(1, "ping", "n8n", NOW)).await;
    let leased = claim_one(store, NOW).await;
    store.release(vec![(leased.lease, NOW + 100)]).await.unwrap();
    let mut now = NOW + 100;
    for _ in 0..2 {
        let leased = claim_one(store, now).await;
        let failed = Finished {
            lease: leased.lease,
            transition: Transition::Retry { due: now + 1_000, spend: true },
            attempt: Some(attempt(&leased.job, now + 20, Some(AttemptError::Status))),
            writes: vec![],
        };
        assert_eq!(store.finish(vec![failed]).await.unwrap(), [Finish::Done]);
        now += 1_000;
    }
    let leased = claim_one(store, now).await;
    let sent = Finished {
        lease: leased.lease,
        transition: Transition::Sent,
        attempt: Some(attempt(&leased.job, now + 20, None)),
        writes: vec![],
    };
    assert_eq!(store.finish(vec![sent]).await.unwrap(), [Finish::Done]);
    assert!(claim(store, now + DAY).await.is_empty(), "no row of it is left behind");
    assert_eq!(state(store, id).await.0, JobState::Sent);
    check_stats(store).await;
}

async fn what_is_tried_again_by_hand_waits_among_the_retries(store: &dyn Store) {
    let old = queue(store, 1, job(1, "old", "n8n", NOW)).await;
    let leased = claim_one(store, NOW).await;
    finish(store, &leased, Transition::Failed("refused".into())).await;
    assert_eq!(store.retry(vec![old], NOW + 10).await.unwrap(), 1);
    queue(store, 2, job(2, "new", "n8n", NOW + 20)).await;
    assert_eq!(names(&take(store, 2).await), ["new", "old"]);
    assert!(claim(store, NOW + 1_000).await.is_empty());
}

/// A call that may queue one job in a lane where at most three wait.
async fn limited(store: &dyn Store, number: u32, lane: &str) -> Committed {
    let writes = vec![Write::Enqueue(job(number, "ping", lane, NOW))];
    store.commit(Commit { backlog: Some(3), ..call(number, writes) }).await.unwrap()
}

async fn is_full(store: &dyn Store, number: u32, full: &str) -> bool {
    matches!(limited(store, number, full).await, Committed::Crowded { lane } if lane == full)
}

async fn more_than_the_backlog_is_turned_away_in_that_lane_alone(store: &dyn Store) {
    for number in 1..=3 {
        assert!(!is_full(store, number, "n8n").await);
    }
    assert!(is_full(store, 4, "n8n").await);
    assert!(store.execution(id(4)).await.unwrap().is_none(), "nothing of it was written");
    assert!(!is_full(store, 5, "other").await);
    let both = ["other", "n8n"].map(|lane| Write::Enqueue(job(6, lane, lane, NOW)));
    let both = Commit { backlog: Some(3), ..call(6, both.to_vec()) };
    assert!(matches!(store.commit(both).await.unwrap(), Committed::Crowded { .. }));
    let many = (7..12).map(|number| Write::Enqueue(job(number, "ping", "third", NOW))).collect();
    let many = Commit { backlog: Some(3), ..call(7, many) };
    assert!(matches!(store.commit(many).await.unwrap(), Committed::Crowded { .. }));
    // What goes on by itself is never turned away.
    queue(store, 13, job(13, "ping", "n8n", NOW)).await;
    check_stats(store).await;
}

async fn what_leaves_the_queue_makes_room(store: &dyn Store) {
    for number in 1..=3 {
        limited(store, number, "n8n").await;
    }
    let jobs = claim(store, NOW + 10).await;
    assert!(is_full(store, 4, "n8n").await, "what is being sent has not left");
    let again = Transition::Retry { due: NOW + 500, spend: true };
    finish(store, &jobs[0], again).await;
    assert!(is_full(store, 4, "n8n").await, "nor has what is tried again");
    finish(store, &jobs[1], Transition::Sent).await;
    assert!(!is_full(store, 4, "n8n").await);
    assert!(is_full(store, 5, "n8n").await);
    finish(store, &jobs[2], Transition::Failed("refused".into())).await;
    assert!(!is_full(store, 5, "n8n").await);
    store.retry(vec![jobs[2].job.id], NOW + 20).await.unwrap();
    store.cancel(vec![jobs[0].job.id], "by hand", NOW + 20).await.unwrap();
    assert!(is_full(store, 6, "n8n").await, "one came back and one went");
}

async fn work_whose_time_has_not_come_is_no_backlog(store: &dyn Store) {
    let enrolled = |number: u32, due: i64| {
        let key = format!("p{number}@example.com");
        let started = enrolment(number, "welcome", &[("first", due), ("second", NOW + DAY)]);
        let started = rulerun::model::Enrolment { key: key.clone(), person: key, ..started };
        Commit { backlog: Some(3), ..call(number, vec![enrol(started)]) }
    };
    for number in 1..=20 {
        accept(store, enrolled(number, NOW + 5_000)).await;
    }
    for number in 21..=23 {
        accept(store, enrolled(number, NOW)).await;
    }
    let full = store.commit(enrolled(24, NOW)).await.unwrap();
    assert!(matches!(full, Committed::Crowded { lane } if lane == "mail"), "due at once");
    accept(store, enrolled(25, NOW + 5_000)).await;

    let first = claim(store, NOW).await.remove(0);
    let step = first.job.clone();
    assert_eq!(finish(store, &first, rendered(&step)).await, Finish::Done);
    assert!(is_full(store, 30, "mail").await, "an e-mail is work as its step was");
    assert_eq!(finish(store, &first, Transition::Sent).await, Finish::Done);
    assert!(!is_full(store, 30, "mail").await);
}

async fn a_repeated_call_gets_its_answer_however_much_waits(store: &dyn Store) {
    let keyed = |number: u32| {
        let writes = vec![Write::Enqueue(job(number, "ping", "n8n", NOW))];
        Commit { keys: vec![key("a", 1, NOW + DAY)], backlog: Some(1), ..call(number, writes) }
    };
    accept(store, keyed(1)).await;
    let other =
        Commit { backlog: Some(1), ..call(2, vec![Write::Enqueue(job(2, "b", "n8n", NOW))]) };
    assert!(matches!(store.commit(other).await.unwrap(), Committed::Crowded { .. }));
    let again = store.commit(keyed(4)).await.unwrap();
    assert!(matches!(again, Committed::Replayed(first) if first.id == id(1)));
}

#[tokio::test]
async fn the_backlog_is_known_after_a_restart() {
    let folder = tempfile::tempdir().unwrap();
    let store = on_disk(folder.path());
    for number in 1..=3 {
        limited(&store, number, "n8n").await;
    }
    store.close().await.unwrap();
    drop(store);
    let store = on_disk(folder.path());
    assert!(is_full(&store, 4, "n8n").await);
    assert!(!is_full(&store, 4, "other").await);
}
