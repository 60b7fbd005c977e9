//! Edits that reach those who are mid-way. When rules go live (at the start and after every
//! reload) they are kept in the store; then each active enrolment of a sequence that says
//! `apply="everyone"` is compared with what the rules say now, and planned anew where that
//! differs, and follows that edition of the sequence from then on. It goes on beside the calls,
//! a few enrolments at a time; each is one write, and whatever a crash cuts off is simply
//! compared again at the next start.

#[cfg(test)]
mod many_tests;
#[cfg(test)]
mod tests;

use std::collections::BTreeMap;
use std::sync::Arc;
use std::time::Duration;

use tokio::sync::{Notify, watch};
use tokio::task::JoinSet;

use super::app::App;
use super::journal::Kind;
use super::people::{self, payload};
use super::settings::Live;
use crate::engine::{self, Change, Started};
use crate::model::commit::Commit;
use crate::model::queue::EnrolmentState;
use crate::store::{Committed, StoreError};

/// Enrolments that are read at a time.
const PART: usize = 500;
/// Enrolments of a sequence that is gone whose steps are counted.
const COUNTED: usize = 50_000;
/// Enrolments that are written at a time.
const AT_ONCE: usize = 16;
/// How often an enrolment is looked at again whose step is being done at this moment.
const TRIES: u32 = 5;
/// How long to wait between two looks.
const BETWEEN: Duration = Duration::from_millis(200);
/// After a trouble with the store it is tried again after so long.
const REST: Duration = Duration::from_secs(5);
/// Calls that were being decided by the rules from before when these went live have ended
/// after so long; what they started is looked at then.
const STRAGGLERS: Duration = Duration::from_mins(1);

/// How many people an edit has reached, and what it did to their steps.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
struct Tally {
    people: usize,
    moved: usize,
    dropped: usize,
    added: usize,
    /// Those whose moments cannot be worked out.
    left_alone: usize,
}

impl Tally {
    fn add(&mut self, other: Self) {
        self.people += other.people;
        self.moved += other.moved;
        self.dropped += other.dropped;
        self.added += other.added;
        self.left_alone += other.left_alone;
    }

    fn of(changes: &[Change]) -> Self {
        let mut tally = Self { people: 1, ..Self::default() };
        for change in changes {
            match change {
                Change::Moved { .. } => tally.moved += 1,
                Change::Dropped { .. } => tally.dropped += 1,
                Change::Added { .. } => tally.added += 1,
            }
        }
        tally
    }
}

impl Tally {
    /// Tells whoever watches the server.
    fn tell(self, app: &App, sequence: &str) {
        let people = |count: usize| match count {
            1 => String::from("1 person"),
            _ => format!("{count} people"),
        };
        if self.people > 0 {
            let parts = [(self.moved, "moved"), (self.dropped, "dropped"), (self.added, "added")];
            let parts: Vec<String> = parts
                .into_iter()
                .filter(|(count, _)| *count > 0)
                .map(|(count, word)| format!("{count} {word}"))
                .collect();
            let parts = if parts.is_empty() {
                String::from("no step moves; its conditions count now")
            } else {
                format!("steps: {}", parts.join(", "))
            };
            let people = people(self.people);
            let text = format!("{sequence}: the edit reached {people} mid-way ({parts})");
            app.journal.say(Kind::Rules, &text);
        }
        if self.left_alone > 0 {
            let text = format!(
                "{sequence}: the edit left {} alone, whose payload does not tell from when to count",
                people(self.left_alone)
            );
            app.journal.say(Kind::Warning, &text);
        }
    }
}

/// Applies what is live whenever `swapped` rings, until `stop` turns true.
pub(super) async fn run(app: Arc<App>, swapped: Arc<Notify>, mut stop: watch::Receiver<bool>) {
    loop {
        let work = async {
            if let Err(error) = tell_gone(&app).await {
                let text = format!("who is mid-way in what is gone cannot be told: {error}");
                app.journal.say(Kind::Warning, &text);
            }
            while let Err(error) = everything(&app).await {
                app.journal.say(Kind::Warning, &format!("the edit waits to be applied: {error}"));
                tokio::time::sleep(REST).await;
            }
            tokio::time::sleep(STRAGGLERS).await;
            while everything(&app).await.is_err() {
                tokio::time::sleep(REST).await;
            }
            // Nothing more to do until other rules are live.
            std::future::pending::<()>().await;
        };
        tokio::select! {
            () = work => {}
            () = swapped.notified() => {}
            _ = stop.wait_for(|stop| *stop) => return,
        }
    }
}

/// Says who is mid-way in sequences that the rules no longer have, before their next steps are
/// due and stop them: the files may be mended in time.
async fn tell_gone(app: &Arc<App>) -> Result<(), StoreError> {
    let live = app.live.load_full();
    let mut gone = BTreeMap::<String, u64>::new();
    for following in app.store.midway(None).await? {
        if !live.rules.sequences.contains_key(&following.sequence) {
            *gone.entry(following.sequence).or_default() += following.people;
        }
    }
    for (sequence, people) in gone {
        let (steps, all) = steps_left(app, &sequence).await?;
        let steps = match (steps, all) {
            (1, true) => String::from("the step that is left will not be done"),
            (_, true) => format!("the {steps} steps that are left will not be done"),
            (_, false) => format!("more than {steps} steps that are left will not be done"),
        };
        let people =
            if people == 1 { "1 person is".into() } else { format!("{people} people are") };
        let text = format!(
            "{people} mid-way in `{sequence}`, which is gone: {steps}, unless it comes back"
        );
        app.journal.say(Kind::Warning, &text);
    }
    Ok(())
}

/// How many steps those have before them who are mid-way in a sequence, and whether all of
/// them were counted.
async fn steps_left(app: &App, sequence: &str) -> Result<(usize, bool), StoreError> {
    let (mut steps, mut seen, mut after) = (0, 0, None);
    while seen < COUNTED {
        let rows = app.store.enrolments_behind(sequence, after, PART).await?;
        let active = rows.iter().filter(|one| one.state == EnrolmentState::Active);
        steps += active.map(|one| one.plan.len().saturating_sub(one.next as usize)).sum::<usize>();
        seen += rows.len();
        after = rows.last().map(|last| last.key.clone());
        if rows.len() < PART {
            return Ok((steps, true));
        }
    }
    Ok((steps, false))
}

/// Keeps the live rules, and plans anew whomever they reach.
async fn everything(app: &Arc<App>) -> Result<(), StoreError> {
    let live = app.live.load_full();
    people::keep(&*app.store, &app.version(&live), app.millis()).await?;
    let reaching = live.rules.sequences.values().filter(|sequence| sequence.everyone);
    for sequence in reaching {
        let tally = one_sequence(app, &live, &sequence.name).await?;
        tally.tell(app, &sequence.name);
    }
    Ok(())
}

async fn one_sequence(app: &Arc<App>, live: &Arc<Live>, name: &str) -> Result<Tally, StoreError> {
    let mut tally = Tally::default();
    let mut after = None;
    loop {
        let part = people::active(&*app.store, name, after, PART).await?;
        let mut work = JoinSet::new();
        for started in part.people {
            if work.len() >= AT_ONCE {
                tally.add(joined(work.join_next().await)?);
            }
            work.spawn(one_person(Arc::clone(app), Arc::clone(live), started));
        }
        while !work.is_empty() {
            tally.add(joined(work.join_next().await)?);
        }
        after = part.next;
        if after.is_none() {
            return Ok(tally);
        }
    }
}

type Joined = Option<Result<Result<Tally, StoreError>, tokio::task::JoinError>>;

fn joined(done: Joined) -> Result<Tally, StoreError> {
    match done {
        Some(Ok(done)) => done,
        Some(Err(error)) => Err(StoreError::Stopped(error.to_string())),
        None => Ok(Tally::default()),
    }
}

/// Plans one enrolment anew, unless it is as the rules say.
async fn one_person(
    app: Arc<App>,
    live: Arc<Live>,
    mut started: Started,
) -> Result<Tally, StoreError> {
    let world = app.world(&live);
    for _ in 0..TRIES {
        let replan = match engine::replan(&world, &started) {
            Ok(Some(replan)) => replan,
            Ok(None) => return Ok(Tally::default()),
            Err(_) => return Ok(Tally { left_alone: 1, ..Tally::default() }),
        };
        let tally = Tally::of(&replan.changes);
        let now = app.millis();
        let writes = replan.into_writes(&world, &started.enrolment, now);
        match app.store.commit(Commit { now, writes, ..Commit::default() }).await? {
            Committed::Conflict => {}
            _ => return Ok(tally),
        }
        // A step of it is being done at this moment, or it has gone on.
        tokio::time::sleep(BETWEEN).await;
        let one = &started.enrolment;
        let found = app.store.enrolment(&one.sequence, &one.key).await?;
        let active = |found: &crate::model::Enrolment| found.state == EnrolmentState::Active;
        let Some(enrolment) = found.filter(active) else { return Ok(Tally::default()) };
        started = Started { payload: payload(&*app.store, &enrolment).await?, enrolment };
    }
    // It is looked at once more with the stragglers.
    Ok(Tally::default())
}
