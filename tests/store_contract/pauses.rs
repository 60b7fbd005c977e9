//! Paused sequences and goals, as stores promise them: what is held is out of everybody's way
//! and loses nothing, and what is let go is due as it was.

use rulerun::model::commit::Write;
use rulerun::model::queue::{
    Counted, EnrolmentState, JobState, PAUSED, Tally, Transition, pause_flag,
};
use rulerun::store::{ClockSet, Finish, JobFilter, LetGo, Store};

use crate::help::*;

crate::on_every_store!(
    what_is_held_is_out_of_the_way_and_comes_back_as_it_was,
    a_pause_that_has_just_ended_holds_nothing,
    what_one_pause_lets_go_another_may_hold,
    a_stop_ends_what_is_held,
    a_retry_that_is_held_goes_along_with_a_clock_that_is_set,
    an_edit_plans_what_is_held_anew,
    letting_go_is_done_in_parts,
    what_is_put_off_says_why_until_it_goes_on,
    a_goal_ends_an_enrolment_once_and_counts_for_the_last_step,
    a_goal_counts_for_the_last_email_and_not_for_what_a_service_got,
    a_goal_counts_for_whoever_finished_lately,
);

const STEPS: [(&str, i64); 2] = [("hello", NOW), ("more", NOW + DAY)];

async fn ann(store: &dyn Store) -> rulerun::model::Enrolment {
    store.enrolment("welcome", "ann@example.com").await.unwrap().unwrap()
}

async fn flag(store: &dyn Store, person: Option<&str>, set: bool) {
    let name = pause_flag("welcome", person);
    let value = set.then(|| String::from("2026-01-01T00:00:00Z"));
    accept(store, call(90, vec![Write::Flag { name, value }])).await;
}

/// Everything that may go, in one look.
async fn let_go(store: &dyn Store) -> usize {
    let LetGo { moved, next } = store.let_go(Vec::new(), 100).await.unwrap();
    assert_eq!(next, None);
    moved
}

async fn held(store: &dyn Store) -> usize {
    store.held("welcome", Vec::new(), 100).await.unwrap().0.len()
}

async fn sound(store: &dyn Store) {
    check_stats(store).await;
    let findings = store.examine(NOW).await.unwrap();
    assert!(findings.is_empty(), "{findings:?}");
}

async fn what_is_held_is_out_of_the_way_and_comes_back_as_it_was(store: &dyn Store) {
    accept(store, call(1, vec![enrol(enrolment(1, "welcome", &STEPS))])).await;
    flag(store, None, true).await;
    let step = claim_one(store, NOW + 5).await;
    assert_eq!(finish(store, &step, Transition::Hold).await, Finish::Done);
    let claimed = store.claim(claim_at(NOW + 9 * DAY, 8)).await.unwrap();
    assert!(claimed.jobs.is_empty());
    assert_eq!(claimed.next_due, None, "nobody looks at it again and again");
    assert_eq!(state(store, step.job.id).await, (JobState::Pending, Some(PAUSED.into())));
    let all = store.jobs(JobFilter::default(), 0, 10).await.unwrap().rows;
    assert_eq!(all.len(), 1, "it is listed: {all:?}");
    let stuck = JobFilter { stuck: Some(1), now: NOW + DAY, ..JobFilter::default() };
    assert!(store.jobs(stuck, 0, 10).await.unwrap().rows.is_empty(), "and is not called stuck");
    assert_eq!((held(store).await, let_go(store).await), (1, 0), "it is paused still");
    sound(store).await;

    flag(store, None, false).await;
    assert_eq!(let_go(store).await, 1);
    let again = claim_one(store, NOW + DAY).await;
    assert_eq!(again.job, step.job, "as it was");
    let next = vec![advance(&ann(store).await, 0, true)];
    assert_eq!(finish_with(store, &again, rendered(&again.job), next).await, Finish::Done);
    // The e-mail that it became is held as well while it waits to be tried again.
    let retry = Transition::Retry { due: NOW + DAY + 10, spend: true };
    finish(store, &again, retry).await;
    flag(store, None, true).await;
    let email = claim(store, NOW + DAY + 10).await;
    for leased in &email {
        assert_eq!(finish(store, leased, Transition::Hold).await, Finish::Done);
    }
    assert_eq!((email.len(), held(store).await), (2, 2), "the e-mail and the second step");
    sound(store).await;
    flag(store, None, false).await;
    assert_eq!(let_go(store).await, 2);
    let retries: Vec<u32> =
        claim(store, NOW + DAY + 10).await.iter().map(|leased| leased.job.retries).collect();
    assert_eq!(retries.iter().sum::<u32>(), 1, "what it has spent is not forgotten");
}

async fn a_retry_that_is_held_goes_along_with_a_clock_that_is_set(store: &dyn Store) {
    accept(store, call(1, vec![enrol(enrolment(1, "welcome", &STEPS))])).await;
    let step = claim_one(store, NOW).await;
    let next = vec![advance(&ann(store).await, 0, true)];
    finish_with(store, &step, rendered(&step.job), next).await;
    finish(store, &step, Transition::Retry { due: NOW + DAY, spend: true }).await;
    flag(store, None, true).await;
    for leased in claim(store, NOW + DAY).await {
        assert_eq!(finish(store, &leased, Transition::Hold).await, Finish::Done);
    }
    assert_eq!(held(store).await, 2, "the e-mail and the second step");
    let now = NOW + DAY - 3 * DAY;
    let set = ClockSet { by: -3 * DAY, since: now - 1_000, now, latecomers: None };
    assert_eq!(store.clock_was_set(set).await.unwrap(), 1, "the step waits for its moment");
    sound(store).await;
    flag(store, None, false).await;
    assert_eq!(let_go(store).await, 2);
    assert_eq!(claim_one(store, now).await.job.id, step.job.id);
}

async fn a_pause_that_has_just_ended_holds_nothing(store: &dyn Store) {
    accept(store, call(1, vec![enrol(enrolment(1, "welcome", &STEPS))])).await;
    // The worker saw the pause, and it ended before the worker said so.
    let step = claim_one(store, NOW).await;
    assert_eq!(finish(store, &step, Transition::Hold).await, Finish::Done);
    assert_eq!(held(store).await, 0);
    assert_eq!(claim_one(store, NOW).await.job, step.job);
    sound(store).await;
}

async fn what_one_pause_lets_go_another_may_hold(store: &dyn Store) {
    accept(store, call(1, vec![enrol(enrolment(1, "welcome", &STEPS))])).await;
    flag(store, None, true).await;
    flag(store, Some("Ann@example.com"), true).await;
    let step = claim_one(store, NOW).await;
    finish(store, &step, Transition::Hold).await;
    flag(store, None, false).await;
    assert_eq!(let_go(store).await, 0, "she is paused by herself");
    flag(store, Some("ann@example.com"), false).await;
    assert_eq!(let_go(store).await, 1);
    claim_one(store, NOW).await;
}

async fn a_stop_ends_what_is_held(store: &dyn Store) {
    accept(store, call(1, vec![enrol(enrolment(1, "welcome", &STEPS))])).await;
    flag(store, None, true).await;
    let step = claim_one(store, NOW).await;
    finish(store, &step, Transition::Hold).await;
    assert!(accept(store, call(2, vec![stop("welcome")])).await.is_empty());
    assert_eq!(held(store).await, 0);
    flag(store, None, false).await;
    assert_eq!(let_go(store).await, 0);
    assert_eq!(state(store, step.job.id).await.0, JobState::Cancelled);
    assert!(claim(store, NOW + 9 * DAY).await.is_empty());
    sound(store).await;
}

async fn an_edit_plans_what_is_held_anew(store: &dyn Store) {
    let started = enrolment(1, "welcome", &STEPS);
    accept(store, call(1, vec![enrol(started.clone())])).await;
    flag(store, None, true).await;
    finish(store, &claim_one(store, NOW).await, Transition::Hold).await;
    let replan = Write::Replan {
        sequence: "welcome".into(),
        key: started.key.clone(),
        enrolment: started.id,
        from: 0,
        rules: "r1".into(),
        left: vec![("hello".into(), NOW + 7)],
        step: Some(mail()),
    };
    accept(store, call(2, vec![replan])).await;
    assert_eq!(held(store).await, 0);
    finish(store, &claim_one(store, NOW + 7).await, Transition::Hold).await;
    assert_eq!(held(store).await, 1, "it is held at its new time");
    sound(store).await;
}

async fn letting_go_is_done_in_parts(store: &dyn Store) {
    for number in 1..=7 {
        let mut one = enrolment(number, "welcome", &STEPS);
        (one.key, one.person) = (format!("k{number}"), format!("p{number}@example.com"));
        one.to.clone_from(&one.person);
        accept(store, call(number, vec![enrol(one)])).await;
    }
    flag(store, None, true).await;
    for leased in claim(store, NOW).await {
        finish(store, &leased, Transition::Hold).await;
    }
    assert_eq!(held(store).await, 7);
    flag(store, Some("p3@example.com"), true).await;
    flag(store, None, false).await;
    let (mut from, mut parts) = (Some(Vec::new()), Vec::new());
    while let Some(place) = from {
        let LetGo { moved, next } = store.let_go(place, 3).await.unwrap();
        parts.push(moved);
        from = next;
    }
    assert_eq!(parts, [2, 3, 1]);
    assert_eq!((held(store).await, claim(store, NOW).await.len()), (1, 6));
    sound(store).await;
}

fn goal(since: i64) -> Write {
    Write::Convert {
        sequence: "welcome".into(),
        person: "ann@example.com".into(),
        key: None,
        reason: "goal reached: booked".into(),
        since,
    }
}

async fn conversions(store: &dyn Store) -> Vec<(Counted, u64)> {
    let all = store.tallies(Some("welcome".into())).await.unwrap();
    all.into_iter().filter(|(counted, _)| counted.what == Tally::Converted).collect()
}

fn converted(step: Option<&str>) -> EnrolmentState {
    let step = step.map(str::to_owned);
    EnrolmentState::Converted { reason: "goal reached: booked".into(), step }
}

async fn what_is_put_off_says_why_until_it_goes_on(store: &dyn Store) {
    let started = enrolment(1, "welcome", &STEPS);
    accept(store, call(1, vec![enrol(started.clone())])).await;
    let step = claim_one(store, NOW).await;
    let why = String::from("the window is closed");
    finish(store, &step, Transition::Later { due: NOW + 5, why: why.clone() }).await;
    assert_eq!(state(store, step.job.id).await, (JobState::Pending, Some(why)));
    assert!(claim(store, NOW + 4).await.is_empty());
    let step = claim_one(store, NOW + 5).await;
    assert_eq!((step.job.planned, step.job.retries), (NOW, 0));
    finish_with(store, &step, mailed(&step.job), vec![advance(&started, 0, true)]).await;
    assert_eq!(state(store, step.job.id).await, (JobState::Sending, None));
    sound(store).await;
}

async fn a_goal_ends_an_enrolment_once_and_counts_for_the_last_step(store: &dyn Store) {
    let started = enrolment(1, "welcome", &STEPS);
    accept(store, call(1, vec![enrol(started.clone())])).await;
    let step = claim_one(store, NOW).await;
    finish_with(store, &step, mailed(&step.job), vec![advance(&started, 0, true)]).await;
    finish(store, &step, Transition::Sent).await;
    accept(store, call(2, vec![goal(NOW), goal(NOW)])).await;
    accept(store, call(3, vec![goal(NOW)])).await;
    assert_eq!(ann(store).await.state, converted(Some("hello")));
    let counted = Counted {
        sequence: "welcome".into(),
        step: "hello".into(),
        variant: None,
        what: Tally::Converted,
        reason: None,
    };
    let whole = Counted::whole("welcome", Tally::Converted);
    assert_eq!(conversions(store).await, [(whole.clone(), 1), (counted.clone(), 1)]);
    assert!(claim(store, NOW + 9 * DAY).await.is_empty());
    assert_eq!(store.retry(vec![started.job_id("more")], NOW).await.unwrap(), 0);
    sound(store).await;

    // Before the first step there is nothing that it could count for.
    let second = enrolment(4, "welcome", &STEPS);
    accept(store, call(4, vec![enrol(second)])).await;
    accept(store, call(5, vec![goal(NOW)])).await;
    assert_eq!(ann(store).await.state, converted(None));
    assert_eq!(conversions(store).await, [(whole, 2), (counted, 1)]);
}

async fn a_goal_counts_for_the_last_email_and_not_for_what_a_service_got(store: &dyn Store) {
    let started = enrolment(1, "welcome", &STEPS);
    accept(store, call(1, vec![enrol(started.clone())])).await;
    let step = claim_one(store, NOW).await;
    finish_with(store, &step, mailed(&step.job), vec![advance(&started, 0, true)]).await;
    finish(store, &step, Transition::Sent).await;
    let step = claim_one(store, NOW + DAY).await;
    finish_with(store, &step, rendered(&step.job), vec![advance(&started, 1, false)]).await;
    finish(store, &step, Transition::Sent).await;
    accept(store, call(2, vec![goal(NOW)])).await;
    assert_eq!(ann(store).await.state, converted(Some("hello")));
}

async fn a_goal_counts_for_whoever_finished_lately(store: &dyn Store) {
    let started = enrolment(1, "welcome", &STEPS[..1]);
    accept(store, call(1, vec![enrol(started.clone())])).await;
    let step = claim_one(store, NOW).await;
    finish_with(store, &step, mailed(&step.job), vec![advance(&started, 0, false)]).await;
    finish(store, &step, Transition::Sent).await;
    assert_eq!(ann(store).await.state, EnrolmentState::Finished);
    accept(store, call(2, vec![goal(NOW + 1)])).await;
    assert_eq!(ann(store).await.state, EnrolmentState::Finished, "too long ago");
    accept(store, call(3, vec![goal(NOW)])).await;
    accept(store, call(4, vec![goal(NOW)])).await;
    assert_eq!(ann(store).await.state, converted(Some("hello")));
    assert_eq!(conversions(store).await[0].1, 1);
    sound(store).await;
}
