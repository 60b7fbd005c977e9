//! One history: callers call, services fail, the process dies and comes back, rules change,
//! the clock is set, people pause and mend the queue. In the end everything is well, and
//! everything must come to its end.

use std::sync::Arc;
use std::sync::atomic::Ordering;
use std::time::Duration;

use rulerun::base::Id;
use rulerun::model::commit::{Commit, Finished, Write};
use rulerun::model::queue::{JobState, Lease, PAUSED_FLAG, Transition};
use rulerun::serve::app::{App, Options};
use rulerun::serve::clock::Ids;
use rulerun::serve::deliver::Deliver;
use rulerun::serve::ingress::Ingress;
use rulerun::serve::journal::Voice;
use rulerun::store::{Committed, Finish, Store as _};
use tokio::io::duplex;
use tokio::sync::watch;
use tokio::task::JoinSet;

use super::Outcome;
use super::book::{Delivery, Mood, Shared};
use super::check::{self, Seen};
use super::client::{self, Call};
use super::{peers, rules, slow};

/// Things that happen in one history.
const STEPS: u64 = 40;
const HOUR: i64 = 3_600_000;
const PEOPLE: [&str; 3] = ["ann@example.com", "bob@example.com", "cy@example.com"];

/// One life of the server.
struct Process {
    app: Arc<App>,
    ingress: Arc<Ingress>,
    stop: watch::Sender<bool>,
    tasks: JoinSet<()>,
}

struct World {
    shared: Arc<Shared>,
    process: Process,
    callers: JoinSet<()>,
    revision: u32,
    calls: u64,
}

/// Lives through the history of a seed.
pub(crate) async fn live_through(seed: u64) -> Outcome {
    let shared = Shared::new(seed);
    let process = start(&shared, 0);
    let mut world = World {
        shared: Arc::clone(&shared),
        process,
        callers: JoinSet::new(),
        revision: 0,
        calls: 0,
    };
    for _ in 0..STEPS {
        world.act().await;
        world.wait().await;
        world.look().await;
        if !shared.book().violations.is_empty() {
            break;
        }
    }
    world.settle().await;
    drop(world);
    let book = std::mem::take(&mut *shared.book());
    let deliveries = book.deliveries.values().map(|delivery| delivery.taken);
    let taken: Vec<u32> =
        deliveries.chain(book.letters.values().map(|letter| letter.taken)).collect();
    Outcome {
        acked: book.acked.len(),
        delivered: taken.iter().filter(|taken| **taken > 0).count(),
        duplicated: taken.iter().map(|taken| taken.saturating_sub(1) as usize).sum(),
        trace: book.trace,
        violations: book.violations,
    }
}

/// Begins a life over the rows that are there.
fn start(shared: &Arc<Shared>, revision: u32) -> Process {
    let clock = Arc::clone(&shared.clock);
    let mut secret = [0; 16];
    secret[..4].copy_from_slice(&shared.life().to_be_bytes());
    secret[8..].copy_from_slice(&shared.dice.below(u64::MAX).to_be_bytes());
    let app = Arc::new(App {
        ids: Ids::of(secret),
        ..App::new(
            Arc::new(slow::Slow { inner: shared.store(), shared: Arc::clone(shared) }),
            Arc::new(rules::live(revision)),
            clock,
            Voice::silent(),
            Options::default(),
        )
    });
    let deliver = Deliver::over(peers::network(shared), Arc::clone(&app), None).unwrap();
    let (stop, stopped) = watch::channel(false);
    let mut tasks = JoinSet::new();
    tasks.spawn(deliver.run(stopped));
    Process { ingress: Ingress::new(Arc::clone(&app)), app, stop, tasks }
}

impl World {
    /// Something happens.
    async fn act(&mut self) {
        let dice = &self.shared.dice;
        match dice.below(28) {
            24..=25 => self.join_and_leave().await,
            26..=27 => self.late_completion().await,
            0..=10 => {
                for _ in 0..=dice.below(3) {
                    self.call();
                }
            }
            11..=13 => self.change_mood(),
            14..=15 => self.crash().await,
            16 => self.restart().await,
            17 => self.reload(),
            18 => self.set_clock().await,
            19..=20 => self.pause_or_go_on().await,
            21 => self.retry().await,
            22 => self.cancel().await,
            _ => {}
        }
    }

    /// Time passes: a moment, or half a day.
    async fn wait(&self) {
        let dice = &self.shared.dice;
        let millis = match dice.below(6) {
            0 => 0,
            1..=2 => dice.below(100),
            3 => dice.below(20_000),
            4 => dice.below(15 * 60_000),
            _ => dice.below(14 * 3_600_000),
        };
        tokio::time::sleep(Duration::from_millis(millis)).await;
    }

    /// Checks every promise, and that nobody has died.
    async fn look(&mut self) {
        while let Some(ended) = self.process.tasks.try_join_next() {
            if let Err(error) = ended
                && error.is_panic()
            {
                self.shared.broken(&format!("a task has failed inside: {error}"));
            }
        }
        while self.callers.try_join_next().is_some() {}
        check::now(&self.shared).await;
    }

    /// Someone joins and leaves while the first e-mail is made, or on its way.
    async fn join_and_leave(&mut self) {
        let dice = &self.shared.dice;
        let person = dice.pick(&PEOPLE);
        let most = dice.pick(&[150, 400, 20_000]);
        let between = Duration::from_millis(dice.below(most));
        if dice.once_in(2) {
            *self.shared.mood.lock().unwrap() = Mood::Shaky;
        }
        for endpoint in ["join", "leave"] {
            self.calls += 1;
            self.make(Call { endpoint, person, number: self.calls, key: None });
            tokio::time::sleep(between).await;
        }
    }

    /// A completion comes whose lease is long over: another has taken the job since, or the
    /// process that held it has died. It must not count.
    async fn late_completion(&self) {
        let store = self.shared.store();
        let seen = Seen::of(&store).await;
        let sending = |id: Id| seen.jobs.get(&id).is_some_and(|job| job.state == JobState::Sending);
        let late: Vec<Lease> = {
            let book = self.shared.book();
            let is_late = |(lease, life): &&(Lease, u32)| {
                let (newest_life, newest) = book.fences[&lease.job];
                newest != lease.fence || (newest_life != *life && *life == self.shared.life())
            };
            book.leases.iter().filter(is_late).map(|(lease, _)| *lease).collect()
        };
        // Best of all while another does the same job.
        let contested: Vec<Lease> =
            late.iter().filter(|lease| sending(lease.job)).copied().collect();
        let from = if contested.is_empty() { late } else { contested };
        if from.is_empty() {
            return;
        }
        let lease = self.shared.dice.pick(&from);
        let transition = Transition::Sent;
        let late = Finished { lease, transition, attempt: None, writes: Vec::new() };
        let answer = store.finish(vec![late]).await.unwrap();
        self.shared.note(&format!("a late completion of {}: {answer:?}", lease.job));
        if answer != [Finish::Stale] {
            self.shared.broken(&format!("I4: a late completion of {} counted", lease.job));
        }
    }

    fn call(&mut self) {
        let dice = &self.shared.dice;
        self.calls += 1;
        let endpoint = dice.pick(&["order", "order", "order", "join", "join", "leave", "count"]);
        let mut call = Call { endpoint, person: dice.pick(&PEOPLE), number: self.calls, key: None };
        if endpoint == "order" && dice.once_in(2) {
            // The same key comes with the same body, or (rarely) with another.
            let key = dice.below(3);
            call.key = Some(format!("key-{key}"));
            call.person = PEOPLE[0];
            call.number = if dice.once_in(10) { self.calls } else { 1_000 + key };
        }
        self.make(call);
    }

    fn make(&mut self, call: Call) {
        let (ours, theirs) = duplex(64 * 1024);
        let ingress = Arc::clone(&self.process.ingress);
        let stopped = self.process.stop.subscribe();
        let peer = ([127, 0, 0, 1], 4_000).into();
        self.process.tasks.spawn(ingress.connection(theirs, peer, stopped));
        self.callers.spawn(client::call(Arc::clone(&self.shared), ours, call));
    }

    fn change_mood(&self) {
        let mood = self.shared.dice.pick(&[Mood::Well, Mood::Shaky, Mood::Shaky, Mood::Down]);
        *self.shared.mood.lock().unwrap() = mood;
        self.shared.note(&format!("the services are {mood:?}"));
    }

    /// The process dies without a word; another one begins.
    async fn crash(&mut self) {
        self.shared.note("crash");
        let unseen = self.unseen_set();
        self.process.tasks.abort_all();
        while self.process.tasks.join_next().await.is_some() {}
        self.begin_anew(unseen).await;
    }

    /// Whether the clock was set so short a time ago that nobody may have seen it.
    fn unseen_set(&self) -> bool {
        self.shared.clock.was_set_within(1_500)
    }

    /// The process is stopped as operators do it; another one begins.
    async fn restart(&mut self) {
        self.shared.note("stop and start");
        let unseen = self.unseen_set();
        self.process.app.draining.store(true, Ordering::Relaxed);
        let _ = self.process.stop.send(true);
        let tasks = &mut self.process.tasks;
        let all = async { while tasks.join_next().await.is_some() {} };
        let _ = tokio::time::timeout(Duration::from_secs(9), all).await;
        self.process.tasks.abort_all();
        while self.process.tasks.join_next().await.is_some() {}
        self.begin_anew(unseen).await;
    }

    /// The next process cannot know that the clock was set if this one has not seen it.
    async fn begin_anew(&mut self, unseen: bool) {
        self.shared.life.fetch_add(1, Ordering::Relaxed);
        self.excuse().await;
        if unseen {
            self.shared.book().deliveries.values_mut().for_each(Delivery::comes_when_it_will);
        }
        let before = self.shared.store();
        let fresh = Arc::new(before.reopened(self.shared.clock.millis()));
        *self.shared.store.lock().unwrap() = fresh;
        self.process = start(&self.shared, self.revision);
    }

    /// What was under way when the process died may come again.
    async fn excuse(&self) {
        let seen = Seen::of(&self.shared.store()).await;
        let mut book = self.shared.book();
        for (id, delivery) in &mut book.deliveries {
            let known = seen.jobs.get(id).map_or(0, |job| job.attempts);
            let swallowed = delivery.seen.saturating_sub(known);
            delivery.excused = delivery.excused.max(swallowed);
            // Of some attempts nothing gets there, so that they are no measure of the last one.
            if known <= delivery.attempts {
                delivery.comes_when_it_will();
            }
        }
        for (id, letter) in &mut book.letters {
            let open = [JobState::Pending, JobState::Sending];
            if seen.jobs.get(id).is_some_and(|job| open.contains(&job.state)) {
                letter.excused = letter.taken;
            }
        }
    }

    fn reload(&mut self) {
        self.revision += 1;
        self.shared.note(&format!("rules: revision {}", self.revision));
        self.process.app.live.store(Arc::new(rules::live(self.revision)));
        self.process.app.store.bell().notify_one();
    }

    /// Sets the clock, mostly while something is under way.
    async fn set_clock(&mut self) {
        self.call();
        tokio::time::sleep(Duration::from_millis(self.shared.dice.below(250))).await;
        let by = if self.shared.dice.once_in(2) { -HOUR } else { HOUR };
        self.shared.note(&format!("the clock is set by {by} ms"));
        self.shared.clock.jump(by);
        // Before anybody has looked at the clock.
        if self.shared.dice.once_in(2) {
            self.call();
        }
    }

    async fn pause_or_go_on(&self) {
        let store = self.shared.store();
        let paused = store.flag(PAUSED_FLAG).await.unwrap().is_some();
        self.pause(!paused).await;
    }

    async fn pause(&self, pause: bool) {
        let store = self.shared.store();
        self.shared.note(if pause { "sending is paused" } else { "sending goes on" });
        let value = pause.then(|| String::from("now"));
        let write = Write::Flag { name: PAUSED_FLAG.to_owned(), value };
        let now = self.shared.clock.millis();
        let commit = Commit { now, writes: vec![write], ..Commit::default() };
        let committed = store.commit(commit).await.unwrap();
        assert!(matches!(committed, Committed::Done { .. }));
        store.bell().notify_one();
    }

    /// Someone tries a job again that has failed or was cancelled.
    async fn retry(&self) {
        let ended = [JobState::Failed, JobState::Cancelled];
        let Some(id) = self.some_job(&ended).await else { return };
        let store = self.shared.store();
        let count = store.retry(vec![id], self.shared.clock.millis()).await.unwrap();
        self.shared.note(&format!("{id} is tried again by hand: {count}"));
        let mut book = self.shared.book();
        if let Some(delivery) = book.deliveries.get_mut(&id) {
            delivery.comes_when_it_will();
        }
        if let Some(letter) = book.letters.get_mut(&id) {
            letter.excused = letter.taken;
        }
    }

    /// Someone calls a job off.
    async fn cancel(&self) {
        let open = [JobState::Pending, JobState::Sending];
        let Some(id) = self.some_job(&open).await else { return };
        let store = self.shared.store();
        let now = self.shared.clock.millis();
        let count = store.cancel(vec![id], "called off", now).await.unwrap();
        self.shared.note(&format!("{id} is called off: {count}"));
    }

    async fn some_job(&self, states: &[JobState]) -> Option<Id> {
        let seen = Seen::of(&self.shared.store()).await;
        let found: Vec<Id> = seen
            .jobs
            .values()
            .filter(|job| states.contains(&job.state))
            .map(|job| job.id)
            .collect();
        (!found.is_empty()).then(|| self.shared.dice.pick(&found))
    }

    /// Everything is well, and time passes until nothing is left to do.
    async fn settle(&mut self) {
        if !self.shared.book().violations.is_empty() {
            return;
        }
        *self.shared.mood.lock().unwrap() = Mood::Well;
        self.pause(false).await;
        self.shared.note("all is well from now on");
        *self.shared.well.lock().unwrap() = Some(self.shared.clock.elapsed());
        for _ in 0..40 {
            tokio::time::sleep(Duration::from_hours(12)).await;
            self.look().await;
            if Seen::of(&self.shared.store()).await.is_quiet() && self.callers.is_empty() {
                break;
            }
        }
        check::finally(&self.shared).await;
    }
}
