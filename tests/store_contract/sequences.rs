//! Sequences: steps that come due, become e-mails, move on, and are stopped.

use rulerun::model::commit::{Commit, Write};
use rulerun::model::queue::{EnrolmentState, ExecutionState, JobState, KILLED, Task, Transition};
use rulerun::store::{Committed, Finish, JobFilter, Store};

use crate::help::*;

crate::on_every_store!(
    an_email_that_is_sent_by_hand_long_after_counts_under_caps,
    a_sequence_runs_step_by_step,
    a_step_that_comes_due_becomes_its_email,
    a_stop_ends_what_is_queued,
    a_stopped_step_cannot_become_an_email,
    an_email_in_flight_is_named_and_never_tried_again,
    a_stop_takes_only_its_person_and_key,
    a_stale_advance_changes_nothing,
    nothing_of_a_stopped_sequence_is_tried_again,
    people_can_skip_a_step,
    an_edit_moves_what_is_left,
    an_edit_may_leave_nothing_or_add_to_what_was_reached,
    a_step_under_a_lease_is_not_planned_anew,
    a_step_that_was_put_off_is_planned_anew,
    a_step_can_be_put_off,
    a_sequence_can_start_again_after_its_end,
    a_kill_ends_in_killed,
    a_kill_holds_while_an_email_is_in_flight,
    enrolments_are_found_by_person,
);

const STEPS: [(&str, i64); 2] = [("hello", NOW), ("more", NOW + DAY)];

async fn ann(store: &dyn Store, sequence: &str) -> rulerun::model::Enrolment {
    store.enrolment(sequence, "ann@example.com").await.unwrap().unwrap()
}

async fn a_sequence_runs_step_by_step(store: &dyn Store) {
    let started = enrolment(1, "welcome", &STEPS);
    accept(store, call(1, vec![enrol(started.clone())])).await;
    let step = claim_one(store, NOW).await;
    assert_eq!(step.job.id, started.job_id("hello"));
    assert!(matches!(&step.job.task, Task::Step { step, .. } if step == "hello"));
    let next = vec![advance(&started, 0, true)];
    assert_eq!(finish_with(store, &step, rendered(&step.job), next).await, Finish::Done);
    assert_eq!(ann(store, "welcome").await.live, [step.job.id]);
    assert!(claim(store, NOW).await.is_empty(), "it stays under its lease");
    assert_eq!(finish(store, &step, Transition::Sent).await, Finish::Done);
    assert_eq!(execution_state(store, 1).await, ExecutionState::Paused);
    check_stats(store).await;

    let step = claim_one(store, NOW + DAY).await;
    finish_with(store, &step, rendered(&step.job), vec![advance(&started, 1, false)]).await;
    assert_eq!(ann(store, "welcome").await.state, EnrolmentState::Active);
    finish(store, &step, Transition::Sent).await;
    assert_eq!(ann(store, "welcome").await.state, EnrolmentState::Finished);
    assert_eq!(execution_state(store, 1).await, ExecutionState::Success);
    check_stats(store).await;
}

async fn a_step_that_comes_due_becomes_its_email(store: &dyn Store) {
    accept(store, call(1, vec![enrol(enrolment(1, "welcome", &STEPS))])).await;
    let step = claim_one(store, NOW).await;
    finish(store, &step, rendered(&step.job)).await;
    // The worker dies: whoever claims it next gets the bytes that were rendered.
    let again = claim_one(store, NOW + 60_000).await;
    assert_eq!(again.job.id, step.job.id);
    assert!(matches!(again.job.task, Task::Event { .. }));
}

async fn a_stop_ends_what_is_queued(store: &dyn Store) {
    accept(store, call(1, vec![enrol(enrolment(1, "welcome", &STEPS))])).await;
    assert!(accept(store, call(2, vec![stop("welcome")])).await.is_empty());
    assert!(claim(store, NOW + 9 * DAY).await.is_empty());
    assert_eq!(ann(store, "welcome").await.state, EnrolmentState::Stopped("booked".into()));
    assert_eq!(execution_state(store, 1).await, ExecutionState::Warning);
    let step = enrolment(1, "welcome", &STEPS).job_id("hello");
    assert_eq!(state(store, step).await, (JobState::Cancelled, Some("stopped: booked".into())));
    let logs = store.logs(id(1)).await.unwrap();
    assert!(logs.last().unwrap().message.contains("booked"));
    check_stats(store).await;
}

async fn a_stopped_step_cannot_become_an_email(store: &dyn Store) {
    accept(store, call(1, vec![enrol(enrolment(1, "welcome", &STEPS))])).await;
    let step = claim_one(store, NOW).await;
    assert!(accept(store, call(2, vec![stop("welcome")])).await.is_empty());
    assert_eq!(finish(store, &step, rendered(&step.job)).await, Finish::Stopped);
    assert_eq!(state(store, step.job.id).await.0, JobState::Cancelled);
    check_stats(store).await;
}

async fn an_email_in_flight_is_named_and_never_tried_again(store: &dyn Store) {
    let started = enrolment(1, "welcome", &STEPS);
    accept(store, call(1, vec![enrol(started.clone())])).await;
    let step = claim_one(store, NOW).await;
    finish_with(store, &step, rendered(&step.job), vec![advance(&started, 0, true)]).await;
    assert_eq!(accept(store, call(2, vec![stop("welcome")])).await, [step.job.id]);
    let retry = Transition::Retry { due: NOW + 5, spend: false };
    assert_eq!(finish(store, &step, retry).await, Finish::Done);
    let (state, reason) = state(store, step.job.id).await;
    assert_eq!((state, reason.as_deref()), (JobState::Cancelled, Some("stopped: booked")));
    assert!(claim(store, NOW + 9 * DAY).await.is_empty());
    assert_eq!(execution_state(store, 1).await, ExecutionState::Warning);
    check_stats(store).await;
}

async fn a_stop_takes_only_its_person_and_key(store: &dyn Store) {
    let mut writes = vec![];
    for (person, key) in [("ann@example.com", "e1"), ("ann@example.com", "e2"), ("bob", "e3")] {
        let mut one = enrolment(1, "reminder", &STEPS);
        (one.id, one.person, one.key) = (id(1).derive(key), person.into(), key.into());
        writes.push(enrol(one));
    }
    accept(store, call(1, writes)).await;
    let one = Write::Stop {
        sequence: "reminder".into(),
        person: "ann@example.com".into(),
        key: Some("e2".into()),
        reason: "moved".into(),
    };
    accept(store, call(2, vec![one])).await;
    let active = || async {
        let all = store.enrolments(Some("reminder".into()), 0, 9).await.unwrap().rows;
        let active = all.into_iter().filter(|one| one.state == EnrolmentState::Active);
        active.map(|one| one.key).collect::<Vec<_>>()
    };
    assert_eq!(active().await, ["e1", "e3"]);
    accept(store, call(3, vec![stop("other"), stop("reminder")])).await;
    assert_eq!(active().await, ["e3"]);
    assert_eq!(claim(store, NOW).await.len(), 1);
}

async fn a_stale_advance_changes_nothing(store: &dyn Store) {
    let started = enrolment(1, "welcome", &STEPS);
    accept(store, call(1, vec![enrol(started.clone())])).await;
    let step = claim_one(store, NOW).await;
    let twice = vec![advance(&started, 0, true), advance(&started, 0, true)];
    finish_with(store, &step, Transition::Cancelled("too late".into()), twice).await;
    assert_eq!(ann(store, "welcome").await.next, 1);
    let other = enrolment(7, "welcome", &STEPS);
    accept(store, call(2, vec![advance(&other, 1, false)])).await;
    assert_eq!(ann(store, "welcome").await.next, 1);
    assert_eq!(claim_one(store, NOW + DAY).await.job.event_type, "more");
}

async fn nothing_of_a_stopped_sequence_is_tried_again(store: &dyn Store) {
    accept(store, call(1, vec![enrol(enrolment(1, "welcome", &STEPS))])).await;
    accept(store, call(2, vec![stop("welcome")])).await;
    let step = enrolment(1, "welcome", &STEPS).job_id("hello");
    assert_eq!(store.retry(vec![step], NOW + 9).await.unwrap(), 0);
    let anew = enrolment(3, "welcome", &STEPS);
    accept(store, call(3, vec![enrol(anew)])).await;
    assert_eq!(store.retry(vec![step], NOW + 9).await.unwrap(), 0);
}

async fn people_can_skip_a_step(store: &dyn Store) {
    let started = enrolment(1, "welcome", &STEPS);
    accept(store, call(1, vec![enrol(started.clone())])).await;
    let hello = started.job_id("hello");
    assert_eq!(state(store, hello).await.0, JobState::Pending);
    assert_eq!(store.cancel(vec![hello], "by hand", NOW).await.unwrap(), 1);
    assert!(claim(store, NOW).await.is_empty());
    assert_eq!(state(store, hello).await, (JobState::Cancelled, Some("by hand".into())));
    assert_eq!(ann(store, "welcome").await.next, 1);
    // And change their mind.
    assert_eq!(store.retry(vec![hello], NOW + 9).await.unwrap(), 1);
    let step = claim_one(store, NOW + 9).await;
    let stale = vec![advance(&started, 0, true)];
    assert_eq!(finish_with(store, &step, rendered(&step.job), stale).await, Finish::Done);
    finish(store, &step, Transition::Sent).await;
    assert_eq!(ann(store, "welcome").await.next, 1);
    assert_eq!(claim(store, NOW + DAY).await.len(), 1);
    check_stats(store).await;
}

async fn a_step_can_be_put_off(store: &dyn Store) {
    accept(store, call(1, vec![enrol(enrolment(1, "welcome", &STEPS))])).await;
    let step = claim_one(store, NOW).await;
    store.release(vec![(step.lease, NOW + 70)]).await.unwrap();
    assert!(claim(store, NOW + 69).await.is_empty());
    let step = claim_one(store, NOW + 70).await;
    finish(store, &step, Transition::Retry { due: NOW + 90, spend: false }).await;
    let filter = JobFilter { execution: Some(id(1)), ..JobFilter::default() };
    assert_eq!(store.jobs(filter, 0, 9).await.unwrap().rows[0].due, NOW + 90);
    accept(store, call(2, vec![stop("welcome")])).await;
    assert!(claim(store, NOW + 9 * DAY).await.is_empty());
    assert_eq!(execution_state(store, 1).await, ExecutionState::Warning);
    check_stats(store).await;
}

async fn a_sequence_can_start_again_after_its_end(store: &dyn Store) {
    accept(store, call(1, vec![enrol(enrolment(1, "welcome", &STEPS))])).await;
    let old = claim_one(store, NOW).await;
    accept(store, call(2, vec![stop("welcome"), enrol(enrolment(2, "welcome", &STEPS))])).await;
    assert_eq!(finish(store, &old, rendered(&old.job)).await, Finish::Stopped);
    let new = claim_one(store, NOW).await;
    assert_eq!(new.job.execution, id(2));
    assert_eq!(finish(store, &new, rendered(&new.job)).await, Finish::Done);
    check_stats(store).await;
}

fn kill(sequence: &str) -> Write {
    match stop(sequence) {
        Write::Stop { sequence, person, key, .. } => {
            Write::Stop { sequence, person, key, reason: KILLED.into() }
        }
        other => other,
    }
}

async fn a_kill_ends_in_killed(store: &dyn Store) {
    let ping = job(1, "ping", "n8n", NOW + DAY);
    let ping_id = ping.id;
    let writes = vec![enrol(enrolment(1, "welcome", &STEPS)), Write::Enqueue(ping)];
    accept(store, call(1, writes)).await;
    accept(store, call(2, vec![kill("welcome")])).await;
    assert_eq!(store.cancel(vec![ping_id], KILLED, NOW + 5).await.unwrap(), 1);
    assert_eq!(execution_state(store, 1).await, ExecutionState::Killed);
    let history = store.execution(id(1)).await.unwrap().unwrap().progress.history;
    let killed = history.iter().filter(|(state, _)| *state == ExecutionState::Killed);
    assert_eq!(killed.count(), 1);
    assert!(claim(store, NOW + 9 * DAY).await.is_empty());
    // A job that a person queues again takes the execution up again.
    assert_eq!(store.retry(vec![ping_id], NOW + 9).await.unwrap(), 1);
    assert_eq!(execution_state(store, 1).await, ExecutionState::Paused);
    let again = claim_one(store, NOW + 9).await;
    finish(store, &again, Transition::Sent).await;
    assert_eq!(execution_state(store, 1).await, ExecutionState::Warning);
    check_stats(store).await;
}

async fn a_kill_holds_while_an_email_is_in_flight(store: &dyn Store) {
    for (number, end) in
        [(1, Transition::Sent), (3, Transition::Retry { due: NOW + DAY, spend: true })]
    {
        let ping = queue(store, number, job(number, "ping", "n8n", NOW)).await;
        let leased = claim_one(store, NOW).await;
        assert_eq!(store.cancel(vec![ping], KILLED, NOW + 5).await.unwrap(), 0);
        assert_eq!(execution_state(store, number).await, ExecutionState::Killed);
        finish(store, &leased, end).await;
        assert_eq!(execution_state(store, number).await, ExecutionState::Killed);
        assert!(claim(store, NOW + 9 * DAY).await.is_empty());
    }
    check_stats(store).await;
}

async fn enrolments_are_found_by_person(store: &dyn Store) {
    let mut writes = vec![];
    for (sequence, person) in [
        ("welcome", "ann@example.com"),
        ("reminder", "ann@example.com"),
        ("welcome", "ann@example.company"),
    ] {
        let mut one = enrolment(1, sequence, &STEPS);
        one.id = id(1).derive(&format!("{sequence} {person}"));
        (one.person, one.key) = (person.into(), person.into());
        writes.push(enrol(one));
    }
    accept(store, call(1, writes)).await;
    accept(store, call(2, vec![stop("reminder")])).await;
    let found = store.enrolments_of("ann@example.com").await.unwrap();
    let told: Vec<_> =
        found.iter().map(|one| (&one.sequence[..], one.state == EnrolmentState::Active)).collect();
    assert_eq!(told, [("reminder", false), ("welcome", true)]);
    assert!(store.enrolments_of("bob@example.com").await.unwrap().is_empty());
}

/// What is left of an enrolment from step `from` on.
fn replan(one: &rulerun::model::Enrolment, from: u32, left: &[(&str, i64)]) -> Write {
    Write::Replan {
        sequence: one.sequence.clone(),
        key: one.key.clone(),
        enrolment: one.id,
        from,
        rules: "r2".into(),
        left: left.iter().map(|(name, due)| ((*name).into(), *due)).collect(),
        step: (!left.is_empty()).then(mail),
    }
}

async fn planned(store: &dyn Store, write: Write) -> bool {
    let commit = Commit { now: NOW + 5, writes: vec![write], ..Commit::default() };
    match store.commit(commit).await.unwrap() {
        Committed::Done { in_flight } => in_flight.is_empty(),
        Committed::Conflict => false,
        other => panic!("{other:?}"),
    }
}

async fn an_edit_moves_what_is_left(store: &dyn Store) {
    let one = enrolment(1, "welcome", &[("hello", NOW + DAY), ("more", NOW + 2 * DAY)]);
    accept(store, call(1, vec![enrol(one.clone())])).await;
    assert!(planned(store, replan(&one, 0, &[("new", NOW + 9), ("hello", NOW + 7 * DAY)])).await);
    assert!(planned(store, replan(&one, 0, &[("new", NOW + 9), ("hello", NOW + 7 * DAY)])).await);
    check_stats(store).await;
    let step = claim_one(store, NOW + DAY).await;
    assert_eq!(step.job.id, one.job_id("new"));
    finish_with(store, &step, rendered(&step.job), vec![advance(&one, 0, true)]).await;
    finish(store, &step, Transition::Sent).await;
    assert!(!planned(store, replan(&one, 0, &[])).await, "that step is behind");
    assert!(claim(store, NOW + 6 * DAY).await.is_empty());
    let step = claim_one(store, NOW + 7 * DAY).await;
    assert_eq!((step.job.id, step.job.planned), (one.job_id("hello"), NOW + 7 * DAY));
    finish_with(store, &step, rendered(&step.job), vec![advance(&one, 1, false)]).await;
    finish(store, &step, Transition::Sent).await;
    assert_eq!(ann(store, "welcome").await.state, EnrolmentState::Finished);
    assert_eq!(execution_state(store, 1).await, ExecutionState::Success);
    assert!(!planned(store, replan(&one, 2, &[("late", NOW)])).await, "it is finished");
    check_stats(store).await;
}

async fn an_edit_may_leave_nothing_or_add_to_what_was_reached(store: &dyn Store) {
    let one = enrolment(1, "welcome", &STEPS);
    accept(store, call(1, vec![enrol(one.clone())])).await;
    let step = claim_one(store, NOW).await;
    finish_with(store, &step, rendered(&step.job), vec![advance(&one, 0, true)]).await;
    // The first e-mail is on its way; everything behind it goes, and something comes again.
    assert!(planned(store, replan(&one, 1, &[])).await);
    assert_eq!(ann(store, "welcome").await.state, EnrolmentState::Active);
    assert!(planned(store, replan(&one, 1, &[("again", NOW + DAY)])).await);
    finish(store, &step, Transition::Sent).await;
    assert_eq!(execution_state(store, 1).await, ExecutionState::Paused);
    assert!(planned(store, replan(&one, 1, &[])).await);
    assert_eq!(ann(store, "welcome").await.state, EnrolmentState::Finished);
    assert_eq!(execution_state(store, 1).await, ExecutionState::Success);
    assert!(claim(store, NOW + 9 * DAY).await.is_empty());
    assert_eq!(store.examine(NOW + DAY).await.unwrap().len(), 0);
    check_stats(store).await;
}

async fn a_step_under_a_lease_is_not_planned_anew(store: &dyn Store) {
    let one = enrolment(1, "welcome", &STEPS);
    accept(store, call(1, vec![enrol(one.clone())])).await;
    let step = claim_one(store, NOW).await;
    assert!(!planned(store, replan(&one, 0, &[("hello", NOW + DAY)])).await);
    assert_eq!(ann(store, "welcome").await.plan[0].1, NOW);
    finish_with(store, &step, rendered(&step.job), vec![advance(&one, 0, true)]).await;
    assert_eq!(finish(store, &step, Transition::Sent).await, Finish::Done);
    assert!(planned(store, replan(&one, 1, &[("more", NOW + 3 * DAY)])).await);
    assert!(claim(store, NOW + 2 * DAY).await.is_empty());
    check_stats(store).await;
}

async fn a_step_that_was_put_off_is_planned_anew(store: &dyn Store) {
    let one = enrolment(1, "welcome", &STEPS);
    accept(store, call(1, vec![enrol(one.clone())])).await;
    let step = claim_one(store, NOW).await;
    store.release(vec![(step.lease, NOW + 900)]).await.unwrap();
    assert!(planned(store, replan(&one, 0, &[("hello", NOW + DAY)])).await);
    assert!(claim(store, NOW + 1000).await.is_empty());
    let step = claim_one(store, NOW + DAY).await;
    assert_eq!((step.job.id, step.job.due), (one.job_id("hello"), NOW + DAY));
    assert_eq!(store.examine(NOW + DAY).await.unwrap().len(), 0);
    check_stats(store).await;
}

async fn an_email_that_is_sent_by_hand_long_after_counts_under_caps(store: &dyn Store) {
    accept(store, call(1, vec![enrol(enrolment(1, "welcome", &STEPS))])).await;
    let step = claim_one(store, NOW).await;
    let Transition::Become(mut email) = mailed(&step.job) else { unreachable!() };
    let Task::Email(letter) = &mut email.task else { unreachable!() };
    letter.marketing = true;
    assert_eq!(finish(store, &step, Transition::Become(email)).await, Finish::Done);
    finish(store, &step, Transition::Failed("refused".into())).await;
    assert_eq!(store.places(&step.job.target).await.unwrap().taken, []);
    store.retry(vec![step.job.id], NOW + DAY).await.unwrap();
    let again = claim_one(store, NOW + DAY).await;
    finish(store, &again, Transition::Sent).await;
    let taken = store.places(&step.job.target).await.unwrap().taken;
    assert_eq!(
        taken.iter().map(|place| (place.job, place.at)).collect::<Vec<_>>(),
        [(step.job.id, NOW + DAY)]
    );
}
