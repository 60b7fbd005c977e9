//! Entering and leaving a sequence, under every policy and in every order: people start again,
//! cancel, reach the goal, sequences are paused and resumed, processes die, and after each of
//! it the real server agrees with an oracle that knows nothing but lists and hours.
#![allow(
    clippy::unwrap_used,
    clippy::expect_used,
    reason = "an example that cannot go on has failed"
)]

mod oracle;
mod world;

use oracle::{Again, Policy, State};
use proptest::prelude::*;
use world::{Op, World};

fn policy() -> impl Strategy<Value = Policy> {
    let again = prop_oneof![
        Just(Again::Never),
        Just(Again::AfterFinish),
        Just(Again::Hours(7)),
        Just(Again::Restart),
    ];
    let max_late = prop_oneof![Just(2), Just(1000)];
    (again, any::<bool>(), any::<bool>(), max_late).prop_map(
        |(again, per_order, keyed, max_late)| Policy { again, per_order, keyed, max_late },
    )
}

fn op() -> impl Strategy<Value = Op> {
    let whom = || proptest::option::weighted(0.6, 0..2_u8);
    prop_oneof![
        6 => (0..2_u8, 0..3_u8).prop_map(|(person, order)| Op::Start(person, order)),
        1 => (0..2_u8, 0..3_u8).prop_map(|(person, order)| Op::Twice(person, order)),
        2 => (0..2_u8, 0..3_u8).prop_map(|(person, order)| Op::Redo(person, order)),
        2 => any::<bool>().prop_map(Op::Refuse),
        2 => (0..2_u8, 0..3_u8).prop_map(|(person, order)| Op::Cancel(person, order)),
        2 => (0..2_u8, 0..3_u8).prop_map(|(person, order)| Op::Buy(person, order)),
        2 => whom().prop_map(Op::Pause),
        3 => whom().prop_map(Op::Resume),
        1 => whom().prop_map(Op::ResumeCut),
        6 => (0..7_i64).prop_map(Op::Pass),
        1 => Just(Op::Crash),
    ]
}

fn live_through(policy: Policy, ops: &[Op]) -> World {
    let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build().unwrap();
    runtime.block_on(async {
        let mut world = World::new(policy);
        for op in ops {
            world.act(*op).await;
        }
        world.examine().await;
        world
    })
}

proptest! {
    #![proptest_config(ProptestConfig { cases: 160, failure_persistence: None, ..ProptestConfig::default() })]

    #[test]
    fn one_run_per_key_nothing_after_its_end_and_no_step_twice(
        policy in policy(),
        ops in proptest::collection::vec(op(), 1..24),
    ) {
        live_through(policy, &ops);
    }
}

const RESTART: Policy =
    Policy { again: Again::Restart, per_order: false, keyed: false, max_late: 1000 };

/// Mautic left the events of both runs scheduled (mautic/mautic#9797).
#[test]
fn whoever_restarts_mid_way_has_one_run_and_gets_each_step_once() {
    let ops = [Op::Start(0, 0), Op::Pass(2), Op::Start(0, 0), Op::Pass(24)];
    let world = live_through(RESTART, &ops);
    let [first, second] = &world.oracle.runs[..] else { panic!("{:?}", world.oracle.runs) };
    assert_eq!((first.state, &first.sent[..]), (State::Stopped, &[0][..]));
    assert_eq!((second.state, &second.sent[..]), (State::Finished, &[0, 1, 2][..]));
}

/// In Mautic nobody who had left came in again, although restarts were allowed
/// (mautic/mautic#16075); with restarts switched off, people got the same e-mail twice (#7881).
#[test]
fn whoever_was_stopped_comes_in_again_exactly_where_the_policy_says_so() {
    let ops = [Op::Start(0, 0), Op::Pass(2), Op::Cancel(0, 0), Op::Pass(9), Op::Start(0, 0)];
    for (again, runs) in
        [(Again::Never, 1), (Again::AfterFinish, 2), (Again::Hours(7), 2), (Again::Hours(48), 1)]
    {
        let world = live_through(Policy { again, ..RESTART }, &ops);
        assert_eq!(world.oracle.runs.len(), runs, "{again:?}");
    }
    assert_eq!(live_through(RESTART, &ops).oracle.runs.len(), 2);
}

#[test]
fn one_call_that_starts_twice_starts_once() {
    let ops = [Op::Start(0, 0), Op::Pass(2), Op::Twice(0, 0), Op::Twice(1, 0), Op::Pass(24)];
    let world = live_through(RESTART, &ops);
    let states: Vec<State> = world.oracle.runs.iter().map(|run| run.state).collect();
    assert_eq!(states, [State::Stopped, State::Finished, State::Finished]);
    assert!(world.oracle.runs[1..].iter().all(|run| run.sent == [0, 1, 2]));
}

#[test]
fn one_call_can_begin_end_and_begin_the_same_run() {
    let ops = [Op::Redo(0, 0), Op::Pass(24), Op::Redo(0, 0), Op::Pass(24)];
    for (again, runs) in [(Again::Never, 1), (Again::AfterFinish, 4), (Again::Restart, 4)] {
        let world = live_through(Policy { again, ..RESTART }, &ops);
        let runs_of = &world.oracle.runs;
        assert_eq!(runs_of.len(), runs, "{again:?}");
        let sent = runs_of.iter().filter(|run| run.sent == [0, 1, 2]).count();
        assert_eq!(sent, runs / 2, "{again:?}");
    }
}

#[test]
fn an_email_that_waits_for_another_attempt_goes_with_its_run() {
    let refused = [Op::Refuse(true), Op::Start(0, 0), Op::Pass(2)];
    for end in [Op::Cancel(0, 0), Op::Buy(0, 0), Op::Start(0, 0)] {
        let ops = refused.into_iter().chain([end, Op::Refuse(false), Op::Pass(24)]);
        let world = live_through(RESTART, &ops.collect::<Vec<_>>());
        let first = &world.oracle.runs[0];
        assert_eq!((&first.sent[..], first.tries[0]), (&[][..], 1), "{end:?}");
    }
    // A pause holds it up, and lets it go where it is not too late by then.
    for (max_late, sent) in [(1000, &[0, 1, 2][..]), (2, &[1, 2])] {
        let held =
            [Op::Pause(None), Op::Pass(3), Op::Refuse(false), Op::Resume(None), Op::Pass(24)];
        let ops: Vec<Op> = refused.into_iter().chain(held).collect();
        let world = live_through(Policy { max_late, ..RESTART }, &ops);
        assert_eq!(world.oracle.runs[0].sent, sent);
    }
}

#[test]
fn cancelling_one_order_ends_only_that_run() {
    let policy = Policy { again: Again::Never, per_order: true, keyed: true, max_late: 1000 };
    let ops = [Op::Start(0, 1), Op::Start(0, 2), Op::Pass(2), Op::Cancel(0, 1), Op::Pass(24)];
    let world = live_through(policy, &ops);
    let states: Vec<State> = world.oracle.runs.iter().map(|run| run.state).collect();
    assert_eq!(states, [State::Stopped, State::Finished]);
}

#[test]
fn the_last_email_can_convert_for_a_while_and_only_once() {
    let ops = |wait| [Op::Start(0, 0), Op::Pass(9), Op::Pass(wait), Op::Buy(0, 0), Op::Buy(0, 0)];
    assert_eq!(live_through(RESTART, &ops(10)).oracle.conversions, [0, 0, 1]);
    assert_eq!(live_through(RESTART, &ops(11)).oracle.conversions, [0, 0, 0]);
}

#[test]
fn a_pause_holds_everything_and_what_is_too_late_afterwards_is_left_out() {
    let strict = Policy { max_late: 2, ..RESTART };
    let ops = [
        Op::Start(0, 0),
        Op::Pause(None),
        Op::Start(1, 0),
        Op::Crash,
        Op::Pass(6),
        Op::Resume(None),
        Op::Pass(24),
    ];
    let world = live_through(strict, &ops);
    for run in &world.oracle.runs {
        assert_eq!(run.sent, [1, 2], "the first step was due 5 hours before the pause ended");
    }
}
