//! The queue: order, places, leases, turns, and what people do to it.

use rulerun::model::commit::{Finished, Write};
use rulerun::model::queue::{AttemptError, ExecutionState, Job, JobState, Transition};
use rulerun::store::{Claim, ClockSet, Finish, JobFilter, Store};

use crate::help::*;

crate::on_every_store!(
    urgent_work_leaves_first_then_older,
    a_full_lane_does_not_hold_up_another,
    a_claim_says_when_the_next_job_is_due,
    the_limit_goes_round_the_lanes,
    a_late_completion_of_an_old_lease_is_refused,
    a_lease_that_is_renewed_does_not_run_out,
    a_released_job_waits_until_its_time,
    a_clock_that_is_set_ahead_hurries_nothing_but_a_step,
    a_clock_that_is_set_back_stalls_nothing_and_hurries_no_step,
    what_is_queued_by_a_clock_that_was_just_set_stays,
    whoever_waits_for_a_turn_goes_along_with_a_clock_that_is_set_back,
    a_failed_attempt_is_tried_again,
    ordered_jobs_go_one_at_a_time,
    mirror_jobs_that_have_not_begun_are_not_doubled,
    people_can_try_again_and_call_off,
    a_job_that_is_being_sent_is_called_off_when_it_fails,
    what_has_happened_is_written_down_though_it_was_called_off,
    the_bell_rings_for_earlier_work,
    settled_waits_for_the_lease_to_end,
    an_execution_ends_with_its_last_job,
);

async fn urgent_work_leaves_first_then_older(store: &dyn Store) {
    for (number, priority, due) in
        [(1, 0, NOW - 5), (2, 0, NOW - 9), (3, 7, NOW), (4, -2, NOW - 50)]
    {
        let job = Job { priority, ..job(number, "ping", "n8n", due) };
        queue(store, number, job).await;
    }
    queue(store, 5, job(5, "later", "n8n", NOW + 1)).await;
    let order: Vec<_> = claim(store, NOW).await.iter().map(|l| l.job.execution).collect();
    assert_eq!(order, [id(3), id(2), id(1), id(4)]);
    assert!(claim(store, NOW).await.is_empty());
    check_stats(store).await;
}

async fn a_full_lane_does_not_hold_up_another(store: &dyn Store) {
    for number in 0..20 {
        queue(store, number, job(number, "ping", "dead", NOW - 100)).await;
    }
    queue(store, 30, job(30, "ping", "healthy", NOW)).await;
    let places = |dead| Claim { free: vec![("dead".into(), dead)], ..claim_at(NOW, 64) };
    let lanes = |jobs: Vec<rulerun::model::Leased>| -> Vec<String> {
        jobs.into_iter().map(|leased| leased.job.lane).collect()
    };
    let first = store.claim(places(2)).await.unwrap();
    assert_eq!(lanes(first.jobs), ["dead", "dead", "healthy"]);
    assert!(first.next_due > Some(NOW), "the full lane is not waited for");
    queue(store, 31, job(31, "ping", "healthy", NOW)).await;
    assert_eq!(lanes(store.claim(places(0)).await.unwrap().jobs), ["healthy"]);
    assert_eq!(store.claim(places(64)).await.unwrap().jobs.len(), 18);
}

async fn a_claim_says_when_the_next_job_is_due(store: &dyn Store) {
    assert_eq!(store.claim(claim_at(NOW, 9)).await.unwrap().next_due, None);
    queue(store, 1, job(1, "ping", "a", NOW + 500)).await;
    queue(store, 2, job(2, "ping", "b", NOW + 300)).await;
    assert_eq!(store.claim(claim_at(NOW, 9)).await.unwrap().next_due, Some(NOW + 300));
    let full = Claim { free: vec![("b".into(), 0)], ..claim_at(NOW, 9) };
    assert_eq!(store.claim(full).await.unwrap().next_due, Some(NOW + 500));
}

async fn the_limit_goes_round_the_lanes(store: &dyn Store) {
    for number in 0..6 {
        let lane = if number < 4 { "a" } else { "b" };
        queue(store, number, job(number, "ping", lane, NOW)).await;
    }
    let first = store.claim(claim_at(NOW, 2)).await.unwrap();
    assert!(first.jobs.iter().all(|leased| leased.job.lane == "a"));
    assert_eq!(first.next_due, Some(NOW), "there is more");
    let second = store.claim(claim_at(NOW, 2)).await.unwrap();
    assert!(second.jobs.iter().all(|leased| leased.job.lane == "b"));
}

async fn a_late_completion_of_an_old_lease_is_refused(store: &dyn Store) {
    let job = queue(store, 1, job(1, "ping", "n8n", NOW)).await;
    let first = claim_one(store, NOW).await;
    assert!(claim(store, NOW + 59_999).await.is_empty());
    let second = claim_one(store, NOW + 60_000).await;
    assert!(second.lease.fence > first.lease.fence);
    assert_eq!(finish(store, &first, Transition::Sent).await, Finish::Stale);
    assert_eq!(state(store, job).await.0, JobState::Sending);
    assert_eq!(finish(store, &second, Transition::Sent).await, Finish::Done);
    assert_eq!(finish(store, &second, Transition::Sent).await, Finish::Stale);
    assert_eq!(state(store, job).await, (JobState::Sent, None));
}

async fn a_lease_that_is_renewed_does_not_run_out(store: &dyn Store) {
    queue(store, 1, job(1, "ping", "n8n", NOW)).await;
    let leased = claim_one(store, NOW).await;
    assert_eq!(store.renew(vec![leased.lease], NOW + 120_000).await.unwrap(), [true]);
    assert!(claim(store, NOW + 60_000).await.is_empty());
    let again = claim_one(store, NOW + 120_000).await;
    let held = store.renew(vec![leased.lease, again.lease], NOW + 180_000).await.unwrap();
    assert_eq!(held, [false, true]);
}

async fn a_released_job_waits_until_its_time(store: &dyn Store) {
    let job = queue(store, 1, job(1, "ping", "n8n", NOW)).await;
    let leased = claim_one(store, NOW).await;
    store.release(vec![(leased.lease, NOW)]).await.unwrap();
    assert_eq!(state(store, job).await.0, JobState::Pending);
    let leased = claim_one(store, NOW).await;
    store.release(vec![(leased.lease, NOW + 500)]).await.unwrap();
    assert!(claim(store, NOW + 499).await.is_empty());
    let leased = claim_one(store, NOW + 500).await;
    assert_eq!((leased.job.attempts, leased.job.retries), (0, 0));
    check_stats(store).await;
}

const HOUR: i64 = 3_600_000;

/// The clock was set, and was right a second ago.
fn set(by: i64, now: i64) -> ClockSet {
    ClockSet { by, since: now - 1_000, now, latecomers: None }
}

async fn a_clock_that_is_set_back_stalls_nothing_and_hurries_no_step(store: &dyn Store) {
    let ping = queue(store, 1, job(1, "ping", "n8n", NOW)).await;
    accept(store, call(2, vec![enrol(enrolment(2, "welcome", &[("hello", NOW + 6_000)]))])).await;
    let leased = claim_one(store, NOW).await;
    let transition = Transition::Retry { due: NOW + 5_000, spend: true };
    let finished = Finished { lease: leased.lease, transition, attempt: None, writes: vec![] };
    assert_eq!(store.finish(vec![finished]).await.unwrap(), [Finish::Done]);
    // A second after the attempt the clock says an hour less.
    let now = NOW + 1_000 - HOUR;
    assert_eq!(store.clock_was_set(set(-HOUR, now)).await.unwrap(), 1);
    assert!(claim(store, now + 3_999).await.is_empty());
    let again = claim_one(store, now + 4_000).await;
    assert_eq!((again.job.id, again.job.retries), (ping, 1));
    // What is under way is left alone.
    assert_eq!(store.clock_was_set(set(-HOUR, now)).await.unwrap(), 0);
    assert!(claim(store, NOW + 5_999).await.iter().all(|leased| leased.job.id == ping));
    check_stats(store).await;
}

async fn a_clock_that_is_set_ahead_hurries_nothing_but_a_step(store: &dyn Store) {
    queue(store, 1, job(1, "ping", "n8n", NOW)).await;
    queue(store, 2, job(2, "ping", "crm", NOW)).await;
    accept(store, call(3, vec![enrol(enrolment(3, "welcome", &[("hello", NOW + 6_000)]))])).await;
    let closed = rulerun::store::Claim { free: vec![("crm".into(), 0)], ..claim_at(NOW, 64) };
    let first = store.claim(closed).await.unwrap().jobs.remove(0);
    finish(store, &first, Transition::Retry { due: NOW + 5_000, spend: true }).await;
    // A second later the clock says an hour more: what was due stays due, a retry waits on.
    let now = NOW + 1_000 + HOUR;
    assert_eq!(store.clock_was_set(set(HOUR, now)).await.unwrap(), 1);
    let due = claim(store, now + 3_999).await;
    let mut lanes: Vec<_> = due.iter().map(|leased| leased.job.lane.as_str()).collect();
    lanes.sort_unstable();
    assert_eq!(lanes, ["crm", "mail"]);
    assert_eq!(claim_one(store, now + 4_000).await.job.id, first.job.id);
    check_stats(store).await;
}

async fn what_is_queued_by_a_clock_that_was_just_set_stays(store: &dyn Store) {
    for (number, by) in [(1, HOUR), (2, -HOUR), (3, 87_600 * HOUR), (4, -87_600 * HOUR)] {
        // It was set half a second ago; the call came after that.
        let now = NOW + by;
        let fresh = job(number, "ping", "n8n", now - 400);
        let fresh = Job { updated: now - 400, due: now + 2_000, ..fresh };
        let id = queue(store, number, fresh).await;
        assert_eq!(store.clock_was_set(set(by, now)).await.unwrap(), 0, "by {by}");
        let leased = claim(store, now + 2_000).await;
        assert_eq!(leased.len(), 1, "by {by}");
        assert_eq!(leased[0].job.id, id);
        finish(store, &leased[0], Transition::Sent).await;
    }
    check_stats(store).await;
}

async fn whoever_waits_for_a_turn_goes_along_with_a_clock_that_is_set_back(store: &dyn Store) {
    for number in 1..=2 {
        let ordered = Job { order: Some("l1".into()), ..job(number, "ping", "n8n", NOW) };
        queue(store, number, ordered).await;
    }
    let first = claim_one(store, NOW).await;
    let now = NOW + 1_000 - HOUR;
    assert_eq!(store.clock_was_set(set(-HOUR, now)).await.unwrap(), 1);
    finish(store, &first, Transition::Sent).await;
    assert_eq!(claim_one(store, now).await.job.execution, id(2));
    check_stats(store).await;
}

async fn a_failed_attempt_is_tried_again(store: &dyn Store) {
    let id = queue(store, 1, job(1, "ping", "n8n", NOW)).await;
    let leased = claim_one(store, NOW).await;
    let failed = attempt(&leased.job, NOW + 30, Some(AttemptError::Status));
    let transition = Transition::Retry { due: NOW + 5_000, spend: true };
    let finished =
        Finished { lease: leased.lease, transition, attempt: Some(failed), writes: vec![] };
    assert_eq!(store.finish(vec![finished]).await.unwrap(), [Finish::Done]);
    assert_eq!(execution_state(store, 1).await, ExecutionState::Created);
    let again = claim_one(store, NOW + 5_000).await;
    assert_eq!((again.job.retries, again.job.attempts), (1, 1));
    assert_eq!(again.job.last_error.as_deref(), Some("status"));
    assert_eq!(execution_state(store, 1).await, ExecutionState::Running);
    finish(store, &again, Transition::Failed("retries used up".into())).await;
    let (job, attempts) = store.job(id).await.unwrap().unwrap();
    assert_eq!(job.reason.as_deref(), Some("retries used up"));
    assert_eq!(attempts.len(), 1);
    assert_eq!(attempts[0].status, Some(500));
    let stats = store.stats().await.unwrap();
    assert_eq!((stats[0].1.retries, stats[0].1.max_retries), (1, 1));
    assert_eq!(stats[0].1.last_error.as_deref(), Some("status"));
}

async fn ordered_jobs_go_one_at_a_time(store: &dyn Store) {
    let ordered = |number| Job { order: Some("l1".into()), ..job(number, "ping", "n8n", NOW) };
    let mut ids = vec![];
    for number in 1..=4 {
        ids.push(queue(store, number, ordered(number)).await);
    }
    queue(store, 9, Job { order: Some("l2".into()), ..job(9, "ping", "n8n", NOW) }).await;
    let first = claim(store, NOW).await;
    assert_eq!(first.iter().map(|l| l.job.execution).collect::<Vec<_>>(), [id(1), id(9)]);
    check_stats(store).await;
    // A retry keeps its turn; whoever waits behind can be called off.
    finish(store, &first[0], Transition::Retry { due: NOW + 50, spend: true }).await;
    assert!(claim(store, NOW + 49).await.is_empty());
    assert_eq!(store.cancel(vec![ids[1]], "by hand", NOW).await.unwrap(), 1);
    let again = claim_one(store, NOW + 50).await;
    finish(store, &again, Transition::Failed("gone".into())).await;
    let third = claim_one(store, NOW + 50).await;
    assert_eq!(third.job.id, ids[2]);
    finish(store, &third, Transition::Sent).await;
    assert_eq!(claim_one(store, NOW + 50).await.job.id, ids[3]);
    // One that failed and is tried again waits like any other.
    assert_eq!(store.retry(vec![ids[0]], NOW + 60).await.unwrap(), 1);
    assert!(claim(store, NOW + 60).await.is_empty());
    check_stats(store).await;
}

async fn mirror_jobs_that_have_not_begun_are_not_doubled(store: &dyn Store) {
    for number in 1..=3 {
        accept(store, call(number, vec![Write::Mirror(mirror(number, "l1"))])).await;
    }
    accept(store, call(4, vec![Write::Mirror(mirror(4, "l2"))])).await;
    let begun = claim(store, NOW).await;
    assert_eq!(begun.len(), 2, "one per record");
    // The first has read the record already: a change needs another job, but only one.
    for number in 5..=7 {
        accept(store, call(number, vec![Write::Mirror(mirror(number, "l1"))])).await;
    }
    assert!(claim(store, NOW).await.is_empty(), "one at a time");
    finish(store, &begun[0], Transition::Sent).await;
    let last = claim_one(store, NOW).await;
    assert_eq!(last.job.execution, id(5));
    finish(store, &last, Transition::Sent).await;
    assert!(claim(store, NOW).await.is_empty());
    assert_eq!(execution_state(store, 6).await, ExecutionState::Success);
}

async fn people_can_try_again_and_call_off(store: &dyn Store) {
    let expiring = Job { expires: Some(NOW + 10), ..job(1, "ping", "n8n", NOW) };
    let id = queue(store, 1, expiring).await;
    let leased = claim_one(store, NOW).await;
    finish(store, &leased, Transition::Failed("gone".into())).await;
    assert_eq!(execution_state(store, 1).await, ExecutionState::Failed);
    assert_eq!(store.retry(vec![id, id], NOW + 99).await.unwrap(), 1);
    assert_eq!(execution_state(store, 1).await, ExecutionState::Paused);
    let again = claim_one(store, NOW + 99).await;
    assert_eq!((again.job.expires, again.job.retries, again.job.reason), (None, 0, None));
    store.release(vec![(again.lease, NOW)]).await.unwrap();
    assert_eq!(store.cancel(vec![id], "by hand", NOW + 100).await.unwrap(), 1);
    assert_eq!(state(store, id).await, (JobState::Cancelled, Some("by hand".into())));
    assert_eq!(execution_state(store, 1).await, ExecutionState::Warning);
    assert!(claim(store, NOW + 100).await.is_empty());
    check_stats(store).await;
}

async fn a_job_that_is_being_sent_is_called_off_when_it_fails(store: &dyn Store) {
    let id = queue(store, 1, job(1, "ping", "n8n", NOW)).await;
    let leased = claim_one(store, NOW).await;
    assert_eq!(store.cancel(vec![id], "by hand", NOW).await.unwrap(), 0);
    let retry = Transition::Retry { due: NOW + 5, spend: true };
    assert_eq!(finish(store, &leased, retry).await, Finish::Done);
    assert_eq!(state(store, id).await, (JobState::Cancelled, Some("by hand".into())));
    assert!(claim(store, NOW + 5).await.is_empty());
}

async fn what_has_happened_is_written_down_though_it_was_called_off(store: &dyn Store) {
    let [sent, waits, over] = [(1, NOW), (2, NOW + DAY), (3, NOW)].map(|(number, due)| {
        let job = job(number, "ping", "n8n", due);
        async move { queue(store, number, job).await }
    });
    let (sent, waits, over) = (sent.await, waits.await, over.await);
    let [lost, done] = claim(store, NOW).await.try_into().unwrap();
    assert_eq!((lost.job.id, done.job.id), (sent, over));
    finish(store, &done, Transition::Sent).await;
    // Its worker has gone, and somebody calls it off.
    assert_eq!(store.cancel(vec![sent], "by hand", NOW).await.unwrap(), 0);
    let taken = store.reclaim(vec![sent, waits, over, id(77)], NOW, NOW + 100).await.unwrap();
    let ids: Vec<_> = taken.iter().map(|leased| leased.job.id).collect();
    assert_eq!(ids, [sent, waits], "due or not, but nothing that is over");
    assert_eq!(finish(store, &lost, Transition::Cancelled("late".into())).await, Finish::Stale);
    for leased in &taken {
        assert_eq!(finish(store, leased, Transition::Sent).await, Finish::Done);
    }
    assert_eq!(state(store, sent).await, (JobState::Sent, None));
    assert!(claim(store, NOW + DAY).await.is_empty());
    check_stats(store).await;
}

async fn the_bell_rings_for_earlier_work(store: &dyn Store) {
    let bell = store.bell();
    let rang = || async {
        let quiet = std::time::Duration::from_millis(50);
        tokio::time::timeout(quiet, bell.notified()).await.is_ok()
    };
    store.claim(claim_at(NOW, 9)).await.unwrap();
    queue(store, 1, job(1, "ping", "n8n", NOW + 500)).await;
    assert!(rang().await, "the last claim knew of nothing");
    store.claim(claim_at(NOW, 9)).await.unwrap();
    queue(store, 2, job(2, "ping", "n8n", NOW + 900)).await;
    assert!(!rang().await, "it is later than what the claim said");
    queue(store, 3, job(3, "ping", "n8n", NOW + 100)).await;
    assert!(rang().await);
    let leased = claim_one(store, NOW + 100).await;
    store.release(vec![(leased.lease, NOW)]).await.unwrap();
    assert!(rang().await, "it is free again");
}

async fn settled_waits_for_the_lease_to_end(store: &dyn Store) {
    let id = queue(store, 1, job(1, "ping", "n8n", NOW)).await;
    store.settled(vec![id]).await.unwrap();
    let leased = claim_one(store, NOW).await;
    let mut settled = store.settled(vec![id]);
    tokio::select! {
        biased;
        _ = &mut settled => panic!("it is being sent"),
        () = tokio::task::yield_now() => {}
    }
    finish(store, &leased, Transition::Sent).await;
    settled.await.unwrap();
}

async fn an_execution_ends_with_its_last_job(store: &dyn Store) {
    let jobs = ["a", "b", "c"].map(|name| job(1, name, "n8n", NOW));
    accept(store, call(1, jobs.map(Write::Enqueue).to_vec())).await;
    let leased = claim(store, NOW).await;
    finish(store, &leased[0], Transition::Sent).await;
    finish(store, &leased[1], Transition::Cancelled("too late".into())).await;
    assert_eq!(execution_state(store, 1).await, ExecutionState::Running);
    finish(store, &leased[2], Transition::Sent).await;
    assert_eq!(execution_state(store, 1).await, ExecutionState::Warning);
    let progress = store.execution(id(1)).await.unwrap().unwrap().progress;
    assert_eq!((progress.open, progress.done, progress.cancelled), (0, 2, 1));
    let filter = JobFilter { execution: Some(id(1)), ..JobFilter::default() };
    assert_eq!(store.jobs(filter, 0, 9).await.unwrap().total, 3);
}
