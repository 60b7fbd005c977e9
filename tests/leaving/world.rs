//! The real app, deliveries and store on a clock that is turned by hand, beside the oracle.
//! After everything that happens the two are compared.

use std::collections::{BTreeMap, BTreeSet};
use std::sync::Arc;
use std::sync::atomic::{AtomicI64, AtomicU16, Ordering};

use bytes::Bytes;
use rulerun::base::{Clock, Id, Secret, SourceMap, Timestamp, time};
use rulerun::language;
use rulerun::model::commit::{Commit, Write};
use rulerun::model::queue::{EnrolmentState, JobState, Tally, pause_flag};
use rulerun::model::{Call, Enrolment, Job, Lookup, Origin};
use rulerun::serve::app::{Accepted, App, Options, object};
use rulerun::serve::clock::Ids;
use rulerun::serve::deliver::{Deliver, Network};
use rulerun::serve::journal::Voice;
use rulerun::serve::people::pauses;
use rulerun::serve::settings::{self, Live};
use rulerun::store::{JobFilter, MemoryStore};
use serde_json::json;

use super::oracle::{Again, DUE, Oracle, Policy, RETRY, State, WITHIN};

const HOUR: i64 = 3_600_000;
const BEGIN: i64 = 1_764_585_000_000;
const STEPS: [&str; 3] = ["s-0", "s-1", "s-2"];

/// Something that happens.
#[derive(Clone, Copy, Debug)]
pub(crate) enum Op {
    Start(u8, u8),
    /// One call that starts the sequence twice.
    Twice(u8, u8),
    /// One call that starts the sequence, stops it, and starts it once more.
    Redo(u8, u8),
    /// The mail server refuses everything for now from here on, or nothing.
    Refuse(bool),
    Cancel(u8, u8),
    Buy(u8, u8),
    Pause(Option<u8>),
    Resume(Option<u8>),
    /// The pause is ended and the process dies before what it held is put back.
    ResumeCut(Option<u8>),
    Pass(i64),
    Crash,
}

#[derive(Debug)]
struct HandClock(AtomicI64);

impl Clock for HandClock {
    fn now(&self) -> Timestamp {
        time::from_millis(self.0.load(Ordering::Relaxed))
    }
}

/// Nothing is set.
struct Nothing;

impl Lookup for Nothing {
    fn env(&self, _: &str) -> Option<String> {
        None
    }

    fn file(&self, _: &str) -> Result<String, String> {
        Err(String::from("no files here"))
    }
}

pub(crate) struct World {
    store: Arc<MemoryStore>,
    app: Arc<App>,
    deliver: Arc<Deliver>,
    clock: Arc<HandClock>,
    /// What the mail server answers.
    answers: Arc<AtomicU16>,
    lives: u8,
    pub(crate) oracle: Oracle,
    /// The ids of the oracle's runs.
    ids: Vec<Id>,
    /// What happened, for whoever reads a failure.
    told: Vec<Op>,
}

fn rules(policy: Policy) -> Arc<Live> {
    let again = match policy.again {
        Again::Never => String::from("never"),
        Again::AfterFinish => String::from("after-finish"),
        Again::Hours(hours) => format!("{hours}h"),
        Again::Restart => String::from("restart"),
    };
    let once = if policy.per_order { "{{order}}" } else { "{{email}}" };
    let key = if policy.keyed { format!(" key=\"{once}\"") } else { String::new() };
    let mut text = format!(
        r#"
sender "Acme <hello@example.com>" {{
    postal-address "1 Main Street"
}}
service "mail" type="smtp" {{
    url "smtp://127.0.0.1:2525"
    retry "{RETRY}h" "{RETRY}h"
}}
service "crm" type="http" {{
    url "http://127.0.0.1:9"
}}
schema "visit" {{
    email email
    order text
}}
schema "bought" {{
    email email
    order text
}}
events to="crm" path="/e" {{
    event "bought"
}}
webhooks "t" {{
    path "/t"
    endpoint "start" {{
        payload "visit"
        start "s"
    }}
    endpoint "twice" {{
        payload "visit"
        start "s"
        start "s"
    }}
    endpoint "redo" {{
        payload "visit"
        start "s"
        stop "s" for="{{{{email}}}}"
        start "s"
    }}
    endpoint "cancel" {{
        payload "visit"
    }}
    endpoint "buy" {{
        payload "visit"
        send "bought"
    }}
}}
sequence "s" to="{{{{email}}}}" kind="transactional" {{
    once-per "{once}" again="{again}"
    stop-on "t/cancel" for="{{{{email}}}}"{key}
    goal event="bought" for="{{{{email}}}}"{key} within="{WITHIN}h"
"#
    );
    for (name, due) in STEPS.iter().zip(DUE) {
        let late = policy.max_late;
        let line = format!(
            "    email \"{name}\" after=\"{due}h\" max-late=\"{late}h\" subject=\"{name}\"\n"
        );
        text.push_str(&line);
    }
    text.push_str("}\n");
    let mut sources = SourceMap::new();
    sources.add("rules/a.kdl", text.clone());
    for name in STEPS {
        sources.add(format!("rules/emails/{name}.md"), "Hello.\n");
    }
    let (rules, found) = language::analyze(&sources);
    let rules = rules.unwrap_or_else(|| panic!("{found:?}\n{text}"));
    Arc::new(settings::resolve(Arc::new(rules), &Nothing, 1).unwrap())
}

fn app(store: Arc<MemoryStore>, live: Arc<Live>, clock: &Arc<HandClock>, life: u8) -> Arc<App> {
    let clock: Arc<dyn Clock> = Arc::<HandClock>::clone(clock);
    Arc::new(App {
        ids: Ids::of([life; 16]),
        unsubscribe_key: tokio::sync::OnceCell::new_with(Some(Secret::new(String::from("x")))),
        ..App::new(
            store,
            live,
            clock,
            Voice::silent(),
            Options { jitter: false, plain: true, ..Options::default() },
        )
    })
}

fn deliver(app: &Arc<App>, answers: &Arc<AtomicU16>) -> Arc<Deliver> {
    let answers = Arc::clone(answers);
    let told = move |lane: &str| match lane {
        "mail" => answers.load(Ordering::Relaxed),
        _ => 200,
    };
    Deliver::over(Network::Told(Arc::new(told)), Arc::clone(app), None).unwrap()
}

/// Addresses are written differently from call to call; they are the same person's.
fn address(person: u8) -> String {
    format!(" P{person}@Example.com ").trim().to_owned()
}

impl World {
    pub(crate) fn new(policy: Policy) -> Self {
        let clock = Arc::new(HandClock(AtomicI64::new(BEGIN)));
        let store = Arc::new(MemoryStore::new(BEGIN));
        let app = app(Arc::clone(&store), rules(policy), &clock, 0);
        let answers = Arc::new(AtomicU16::new(200));
        let (deliver, oracle) = (deliver(&app, &answers), Oracle::new(policy));
        let (ids, told) = (Vec::new(), Vec::new());
        Self { store, app, deliver, clock, answers, lives: 0, oracle, ids, told }
    }

    /// Lets something happen to both, and compares them.
    pub(crate) async fn act(&mut self, op: Op) {
        self.told.push(op);
        match op {
            Op::Start(person, order) => {
                self.call("start", person, order).await;
                self.oracle.start(person, order);
                self.learn_ids(person, order).await;
            }
            Op::Twice(person, order) => {
                self.call("twice", person, order).await;
                self.oracle.start(person, order);
                self.learn_ids(person, order).await;
            }
            Op::Redo(person, order) => {
                self.call("redo", person, order).await;
                self.oracle.start(person, order);
                self.oracle.stop_all(person);
                self.oracle.start(person, order);
                self.learn_ids(person, order).await;
            }
            Op::Refuse(refuses) => {
                self.answers.store(if refuses { 451 } else { 200 }, Ordering::Relaxed);
                self.oracle.refuses = refuses;
            }
            Op::Cancel(person, order) => {
                self.call("cancel", person, order).await;
                self.oracle.cancel(person, order);
            }
            Op::Buy(person, order) => {
                self.call("buy", person, order).await;
                self.oracle.buy(person, order);
            }
            Op::Pause(person) => {
                let whom = person.map(address);
                let now = self.app.millis();
                pauses::pause(&*self.app.store, "s", whom.as_deref(), now).await.unwrap();
                self.oracle.pause(person);
            }
            Op::Resume(person) => {
                let whom = person.map(address);
                let now = self.app.millis();
                pauses::resume(&*self.app.store, "s", whom.as_deref(), now).await.unwrap();
                self.oracle.resume(person);
            }
            Op::ResumeCut(person) => {
                let name = pause_flag("s", person.map(address).as_deref());
                let writes = vec![Write::Flag { name, value: None }];
                let now = self.app.millis();
                self.app.store.commit(Commit { now, writes, ..Commit::default() }).await.unwrap();
                self.crash().await;
                self.oracle.resume(person);
            }
            Op::Pass(hours) => {
                self.work(self.app.millis() + hours * HOUR).await;
                self.oracle.pass(hours);
            }
            Op::Crash => self.crash().await,
        }
        self.work(self.app.millis()).await;
        self.compare().await;
    }

    /// The id of the newest run that a call has begun. One that the same call has ended again
    /// is nowhere to be found, and needs no id: nothing of it was ever due.
    async fn learn_ids(&mut self, person: u8, order: u8) {
        let new = self.oracle.runs.len() - self.ids.len();
        if new > 0 {
            let key = self.key(self.oracle.key(person, order));
            let found = self.app.store.enrolment("s", &key).await.unwrap();
            self.ids.resize(self.ids.len() + new - 1, Id([0; 16]));
            self.ids.push(found.expect("somebody was let in").id);
        }
    }

    fn key(&self, key: u8) -> String {
        let per_order = self.oracle.key(0, 1) == 1;
        if per_order { format!("o{key}") } else { address(key).to_lowercase() }
    }

    async fn call(&mut self, endpoint: &str, person: u8, order: u8) {
        let live = self.app.live.load_full();
        let rule = live.endpoints.iter().find(|known| known.rule.name == endpoint).unwrap();
        let body = json!({ "email": address(person), "order": format!("o{order}") }).to_string();
        let payload = object(&body);
        let origin = Origin::Endpoint(Arc::clone(&rule.rule));
        let call = Call { id: self.app.new_id(), at: self.app.now(), origin, payload };
        let answer = self.app.accept(&live, &call, Bytes::from(body), Vec::new(), None).await;
        assert!(matches!(answer, Ok(Accepted::Done(..))), "{answer:?}");
    }

    /// The process dies and another one begins over the same rows, as a server does.
    async fn crash(&mut self) {
        self.lives += 1;
        let live = self.app.live.load_full();
        self.store = Arc::new(self.store.reopened(self.app.millis()));
        self.app = app(Arc::clone(&self.store), live, &self.clock, self.lives);
        self.deliver = deliver(&self.app, &self.answers);
        pauses::let_go(&*self.app.store).await.unwrap();
    }

    /// Does what is due until then, moment by moment.
    async fn work(&mut self, until: i64) {
        loop {
            let turn = self.deliver.catch_up().await.unwrap();
            if !turn.jobs.is_empty() {
                continue;
            }
            match turn.next.filter(|next| *next <= until) {
                Some(next) => self.clock.0.store(next, Ordering::Relaxed),
                None => break,
            }
        }
        self.clock.0.store(until, Ordering::Relaxed);
    }

    async fn jobs(&self, state: JobState) -> Vec<Job> {
        let filter = JobFilter { state: Some(state), ..JobFilter::default() };
        let rows = self.app.store.jobs(filter, 0, 10_000).await.unwrap().rows;
        rows.into_iter().filter(|job| job.lane == "mail").collect()
    }

    async fn compare(&self) {
        let told = &self.told;
        let enrolments = self.app.store.enrolments(None, 0, 1000).await.unwrap().rows;
        let by_id: BTreeMap<Id, &Enrolment> = enrolments.iter().map(|one| (one.id, one)).collect();
        let mut sent = BTreeMap::new();
        let mut waiting = BTreeSet::new();
        for run in &self.oracle.runs {
            let id = self.ids[run.number];
            sent.extend(run.sent.iter().map(|step| (id.derive(STEPS[*step]), run.tries[*step])));
            let newest = self.oracle.newest(self.oracle.key(run.person, run.order)).unwrap();
            if newest.number != run.number {
                assert_ne!(run.state, State::Active, "two runs of one key: {told:?}");
                continue;
            }
            if run.state == State::Active {
                waiting.extend(run.left().map(|step| id.derive(STEPS[step])));
            }
            let one = by_id.get(&id).unwrap_or_else(|| panic!("run {run:?} is gone: {told:?}"));
            let state = match &one.state {
                EnrolmentState::Active => State::Active,
                EnrolmentState::Finished => State::Finished,
                EnrolmentState::Stopped(_) => State::Stopped,
                EnrolmentState::Converted { step, .. } => {
                    let last = run.sent.iter().max().map(|step| STEPS[*step].to_owned());
                    assert_eq!(*step, last, "it converted by another step: {told:?}");
                    State::Converted
                }
            };
            assert_eq!(state, run.state, "{run:?}: {told:?}");
        }
        let jobs = self.jobs(JobState::Sent).await;
        let really: BTreeMap<Id, usize> =
            jobs.iter().map(|job| (job.id, job.attempts as usize)).collect();
        assert_eq!(really, sent, "what was sent, and after how many attempts: {told:?}");
        let pending: BTreeSet<Id> =
            self.jobs(JobState::Pending).await.iter().map(|job| job.id).collect();
        assert_eq!(pending, waiting, "what waits: {told:?}");
        let mut conversions = [0; 3];
        for (counted, count) in self.app.store.tallies(Some(String::from("s"))).await.unwrap() {
            if counted.what == Tally::Converted && !counted.step.is_empty() {
                let step = STEPS.iter().position(|step| *step == counted.step).unwrap();
                conversions[step] += count;
            }
        }
        assert_eq!(conversions, self.oracle.conversions, "{told:?}");
    }

    /// Whatever happened, the store is sound in the end.
    pub(crate) async fn examine(&self) {
        let findings = self.app.store.examine(self.app.millis()).await.unwrap();
        assert!(findings.is_empty(), "{findings:?}: {:?}", self.told);
    }
}
