//! Rehearsals: rules run as the server runs them, with the same code, on a clock that is
//! turned by hand. A [`Rehearsal`] owns an empty store in memory; its services answer what
//! they are told to, no connection is ever opened, the real environment is never read, and
//! the same calls always give the same. Weeks pass in a moment.

mod coverage;
mod happened;
mod judge;
mod made_up;
mod replay;
mod report;

use std::collections::{BTreeMap, HashMap};
use std::sync::atomic::{AtomicI64, Ordering};
use std::sync::{Arc, Mutex, PoisonError};

use bytes::Bytes;
use serde_json::{Map, Value, json};
use tokio::runtime::Runtime;

use crate::base::{Clock, Delay, Diagnostic, Id, Secret, Timestamp, Zone, time};
use crate::engine::{self, Reply, Watch};
use crate::model::queue::Level;
use crate::model::rules::RuleSet;
use crate::model::{Call, Job, JobState, Origin, Task};
use crate::payload::Problem;
use crate::serve::app::{Accepted, App, Options, object};
use crate::serve::clock::Ids;
use crate::serve::deliver::{Deliver, Network};
use crate::serve::ingress::answer;
use crate::serve::journal::Voice;
use crate::serve::people;
use crate::serve::settings::{self, Live};
use crate::store::{MemoryStore, StoreError};

pub use coverage::{Coverage, Missed, Reached};
pub use happened::{Happened, What};
pub use judge::{Fault, Verdict, clock, gap, judge, line};
pub use replay::{Came, Done, Kind, Outcome, replay};

/// Rules that need more jobs than this for every call (and once more) set each other off
/// without end.
const JOBS_PER_CALL: usize = 1_000;

/// Why a rehearsal cannot go on.
#[derive(Debug, thiserror::Error)]
pub enum RehearsalError {
    /// A part of it could not be set up.
    #[error("the rehearsal cannot begin: {0}")]
    Setup(String),
    /// The rules do not have it.
    #[error("the rules have no {0}")]
    Unknown(String),
    /// The rules go on for ever.
    #[error(
        "the rules set each other off without end: more than {JOBS_PER_CALL} deliveries for every call"
    )]
    Endless,
    /// More than it was bounded to.
    #[error("it sets off more than {0} deliveries and is given up; let it call less often")]
    TooMuch(usize),
    /// The store in memory failed.
    #[error(transparent)]
    Store(#[from] StoreError),
}

/// The clock that a rehearsal turns.
#[derive(Debug)]
struct HandClock(AtomicI64);

impl Clock for HandClock {
    fn now(&self) -> Timestamp {
        time::from_millis(self.0.load(Ordering::Relaxed))
    }
}

/// What services answer, by name; the others answer 200.
type Answers = Arc<Mutex<BTreeMap<String, u16>>>;

/// Rules with made-up settings, ready for any number of rehearsals. What has a default keeps
/// it; everything else that the environment would give is made up.
///
/// # Errors
/// Settings that no made-up value fits, as diagnostics of the rule files.
pub fn prepare(rules: Arc<RuleSet>) -> Result<Arc<Live>, Vec<Diagnostic>> {
    let lookup = made_up::MadeUp::of(&rules);
    settings::resolve(rules, &lookup, 1).map(Arc::new)
}

/// Rules on a stage: calls come in, time passes, and what happens is written down. It has a
/// runtime of its own, so it must not be used within an asynchronous task.
#[derive(Debug)]
pub struct Rehearsal {
    runtime: Runtime,
    app: Arc<App>,
    deliver: Arc<Deliver>,
    clock: Arc<HandClock>,
    answers: Answers,
    happened: Vec<Happened>,
    /// Events that a sequence has sent, by their own ids, with the calls that began it.
    timed: HashMap<Id, Id>,
    calls: usize,
    jobs: usize,
    /// Deliveries after which it is given up.
    most: usize,
}

impl Rehearsal {
    /// An empty stage at this moment. `watch` is told which way decisions go.
    ///
    /// # Errors
    /// The machine gives no thread or TLS cannot be set up.
    pub fn new(
        live: &Arc<Live>,
        at: Timestamp,
        watch: Option<Arc<dyn Watch>>,
    ) -> Result<Self, RehearsalError> {
        Self::with(live, at, Options { jitter: false, watch, ..Options::default() })
    }

    fn with(live: &Arc<Live>, at: Timestamp, options: Options) -> Result<Self, RehearsalError> {
        let runtime = tokio::runtime::Builder::new_current_thread()
            .enable_time()
            .build()
            .map_err(|why| RehearsalError::Setup(why.to_string()))?;
        let now = time::millis(at);
        let clock = Arc::new(HandClock(AtomicI64::new(now)));
        let answers = Answers::default();
        let told = Arc::clone(&answers);
        let network = Network::Told(Arc::new(move |service: &str| {
            let told = told.lock().unwrap_or_else(PoisonError::into_inner);
            told.get(service).copied().unwrap_or(200)
        }));
        // No link of a rehearsal is ever followed, so its key need not be secret.
        let key = Secret::new(String::from("a rehearsal"));
        let app = Arc::new(App {
            ids: Ids::of([0; 16]),
            unsubscribe_key: tokio::sync::OnceCell::new_with(Some(key)),
            ..App::new(
                Arc::new(MemoryStore::new(now)),
                Arc::clone(live),
                Arc::<HandClock>::clone(&clock),
                Voice::silent(),
                options,
            )
        });
        let deliver =
            Deliver::over(network, Arc::clone(&app), None).map_err(RehearsalError::Setup)?;
        let (happened, timed, calls, jobs) = (Vec::new(), HashMap::new(), 0, 0);
        let most = usize::MAX;
        Ok(Self { runtime, app, deliver, clock, answers, happened, timed, calls, jobs, most })
    }

    /// Gives it up after so many deliveries, each attempt counted.
    #[must_use]
    pub fn at_most(self, deliveries: usize) -> Self {
        Self { most: deliveries, ..self }
    }

    /// Now, in milliseconds since 1970.
    #[must_use]
    pub fn now(&self) -> i64 {
        self.app.millis()
    }

    /// The zone in which these rules count days: the sender's.
    #[must_use]
    pub fn zone(&self) -> Zone {
        self.app.world(&self.app.live.load_full()).zone()
    }

    /// Everything that has happened, oldest first.
    #[must_use]
    pub fn happened(&self) -> &[Happened] {
        &self.happened
    }

    /// From now on a service answers everything with this status.
    pub fn answers(&self, service: &str, status: u16) {
        let mut answers = self.answers.lock().unwrap_or_else(PoisonError::into_inner);
        answers.insert(service.to_owned(), status);
    }

    /// Calls an endpoint, named `group/endpoint`, and does what is due at once. Neither key nor
    /// signature is asked for; the payload is checked as that of every call.
    ///
    /// # Errors
    /// There is no such endpoint, or the rehearsal cannot go on.
    pub fn post(
        &mut self,
        endpoint: &str,
        body: Map<String, Value>,
    ) -> Result<Reply, RehearsalError> {
        self.post_as(self.app.new_id(), endpoint, body)
    }

    /// The same call under an id of its own.
    fn post_as(
        &mut self,
        id: Id,
        endpoint: &str,
        body: Map<String, Value>,
    ) -> Result<Reply, RehearsalError> {
        let live = self.app.live.load_full();
        let known = live.endpoints.iter().find(|known| known.rule.full_name() == endpoint);
        let known =
            known.ok_or_else(|| RehearsalError::Unknown(format!("endpoint `{endpoint}`")))?;
        let name = format!("post {endpoint}");
        if !known.enabled {
            return Ok(self.turned_away(id, name, 409, said("This endpoint is switched off.")));
        }
        let problems =
            known.rule.payload.as_ref().map(|schema| schema.checker.check(&whole(&body)));
        self.checked(id, name, problems, Origin::Endpoint(Arc::clone(&known.rule)), body)
    }

    /// Reports an event, as the backend does, and does what is due at once.
    ///
    /// # Errors
    /// There is no such event, or the rehearsal cannot go on.
    pub fn send(&mut self, event: &str, body: Map<String, Value>) -> Result<Reply, RehearsalError> {
        self.send_as(self.app.new_id(), event, body)
    }

    /// The same event under an id of its own.
    fn send_as(
        &mut self,
        call: Id,
        event: &str,
        body: Map<String, Value>,
    ) -> Result<Reply, RehearsalError> {
        let live = self.app.live.load_full();
        let known = live.rules.events.get(event).map(Arc::clone);
        let known = known.ok_or_else(|| RehearsalError::Unknown(format!("event `{event}`")))?;
        let problems = known.schema.as_ref().map(|schema| schema.checker.check(&whole(&body)));
        let origin = Origin::Event { event: known };
        self.checked(call, format!("send {event}"), problems, origin, body)
    }

    /// Merges fields into a record, as the backend does, and does what is due at once.
    ///
    /// # Errors
    /// There is no such record, or the rehearsal cannot go on.
    pub fn save(
        &mut self,
        record: &str,
        id: &str,
        fields: Map<String, Value>,
    ) -> Result<Reply, RehearsalError> {
        self.save_as(self.app.new_id(), record, id, fields)
    }

    /// The same write under an id of its own.
    fn save_as(
        &mut self,
        call: Id,
        record: &str,
        id: &str,
        fields: Map<String, Value>,
    ) -> Result<Reply, RehearsalError> {
        let live = self.app.live.load_full();
        let known = live.rules.records.get(record);
        let known = known.ok_or_else(|| RehearsalError::Unknown(format!("record `{record}`")))?;
        let before = self.runtime.block_on(self.app.store.record(record, id))?;
        let mut after = before.map(|record| object(&record.fields)).unwrap_or_default();
        after.extend(fields.clone());
        let problems = known.schema.as_ref().map(|schema| schema.checker.check(&whole(&after)));
        let origin = Origin::Record { name: record.to_owned(), id: id.to_owned(), merge: true };
        self.checked(call, format!("save {record} {id}"), problems, origin, fields)
    }

    /// Lets so much time pass, and does what comes due meanwhile.
    ///
    /// # Errors
    /// The rehearsal cannot go on.
    pub fn advance(&mut self, by: Delay) -> Result<(), RehearsalError> {
        let until = by.after(self.app.now(), &self.zone());
        self.work(Some(time::millis(until)))
    }

    /// Lets time pass until nothing is due any more.
    ///
    /// # Errors
    /// The rehearsal cannot go on.
    pub fn run_out(&mut self) -> Result<(), RehearsalError> {
        self.work(None)
    }

    fn checked(
        &mut self,
        id: Id,
        name: String,
        problems: Option<Vec<Problem>>,
        origin: Origin,
        body: Map<String, Value>,
    ) -> Result<Reply, RehearsalError> {
        if let Some(problems) = problems.filter(|problems| !problems.is_empty()) {
            return Ok(self.turned_away(id, name, 422, answer::misfit_body(&problems)));
        }
        self.call(id, name, origin, body)
    }

    fn turned_away(&mut self, id: Id, name: String, status: u16, body: Value) -> Reply {
        self.calls += 1;
        let reply = Reply { status, body };
        self.note(id, What::Reply { call: name, reply: reply.clone() });
        reply
    }

    /// Decides a call, makes it durable and does what is due at once.
    fn call(
        &mut self,
        id: Id,
        name: String,
        origin: Origin,
        payload: Map<String, Value>,
    ) -> Result<Reply, RehearsalError> {
        self.calls += 1;
        let live = self.app.live.load_full();
        let call = Call { id, at: self.app.now(), origin, payload };
        let body = Bytes::from(whole(&call.payload).to_string());
        let accepted = self.runtime.block_on(async {
            let accepted = self.app.accept(&live, &call, body, Vec::new(), None).await;
            // A refused call is written down beside its answer.
            tokio::task::yield_now().await;
            accepted
        })?;
        let reply = match accepted {
            Accepted::Done(reply, ..) | Accepted::Refused(reply) | Accepted::Replayed(reply, _) => {
                reply
            }
            Accepted::KeyReused => Reply { status: 409, body: Value::Null },
            Accepted::Crowded(service) => {
                let text = format!("Too much waits for {service}.");
                Reply { status: 503, body: said(&text) }
            }
        };
        self.note(id, What::Reply { call: name, reply: reply.clone() });
        self.set_off(&call)?;
        self.work(Some(self.now()))?;
        Ok(reply)
    }

    /// Notes what an accepted call has written, and whom it did not let into a sequence.
    fn set_off(&mut self, call: &Call) -> Result<(), RehearsalError> {
        let row = self.runtime.block_on(self.app.store.execution(call.id))?;
        for line in row.map(|row| row.execution.logs).unwrap_or_default() {
            if let Some((name, id)) = engine::remembered(&line) {
                let record = self.runtime.block_on(self.app.store.record(name, id))?;
                let fields = record.map(|record| object(&record.fields)).unwrap_or_default();
                self.note(
                    call.id,
                    What::Saved { record: name.to_owned(), id: id.to_owned(), fields },
                );
            } else if let (Level::Warn, Some(sequence)) = (line.level, &line.task) {
                let name = sequence.clone();
                self.note(call.id, What::Skipped { name, to: None, why: line.message });
            }
        }
        Ok(())
    }

    /// Does what is due, moment by moment, until then or until nothing waits.
    fn work(&mut self, until: Option<i64>) -> Result<(), RehearsalError> {
        loop {
            let turn = self.runtime.block_on(self.deliver.catch_up())?;
            self.jobs += turn.jobs.len();
            if self.jobs > JOBS_PER_CALL * (self.calls + 1) {
                return Err(RehearsalError::Endless);
            }
            if self.jobs > self.most {
                return Err(RehearsalError::TooMuch(self.most));
            }
            for job in &turn.jobs {
                self.done(job)?;
            }
            if !turn.jobs.is_empty() {
                continue;
            }
            match turn.next.filter(|next| until.is_none_or(|until| *next <= until)) {
                Some(next) => self.clock.0.store(next, Ordering::Relaxed),
                None => break,
            }
        }
        if let Some(until) = until {
            self.clock.0.store(until, Ordering::Relaxed);
        }
        Ok(())
    }

    /// Notes what became of a job that was due.
    fn done(&mut self, before: &Job) -> Result<(), RehearsalError> {
        if let Some((after, _)) = self.runtime.block_on(self.app.store.job(before.id))? {
            let call = self.timed.get(&after.execution).copied().unwrap_or(after.execution);
            if let (Task::Step { .. }, JobState::Sent) = (&after.task, after.state) {
                self.timed.insert(engine::timed_event(after.id), call);
            }
            let moved_from = self.moved_from(&after)?;
            // Copies for the sender are not what the rules are about.
            for what in happened::of(before, &after).into_iter().filter(|_| !after.is_seed()) {
                let (at, planned) = (self.now(), after.planned);
                self.happened.push(Happened { at, planned, moved_from, call, what });
            }
        }
        Ok(())
    }

    fn note(&mut self, call: Id, what: What) {
        let at = self.now();
        self.happened.push(Happened { at, planned: at, moved_from: None, call, what });
    }

    /// When a step of a sequence would have been due without its window, if that moved it.
    fn moved_from(&self, job: &Job) -> Result<Option<i64>, RehearsalError> {
        let Some((sequence, key)) = &job.enrolment else { return Ok(None) };
        let live = self.app.live.load_full();
        let has_window =
            live.rules.sequences.get(sequence).is_some_and(|found| found.window.is_some());
        if !has_window {
            return Ok(None);
        }
        let store = &*self.app.store;
        let found = self.runtime.block_on(async {
            let Some(enrolment) = store.enrolment(sequence, key).await? else { return Ok(None) };
            let payload = people::payload(store, &enrolment).await?;
            Ok::<_, StoreError>(Some(engine::Started { enrolment, payload }))
        })?;
        let plan = found.and_then(|started| engine::planned(&self.app.world(&live), &started).ok());
        let mut steps = plan.unwrap_or_default().into_iter();
        let step = steps.find(|step| step.step == job.event_type && step.due == job.planned);
        Ok(step.and_then(|step| step.moved_from))
    }
}

/// The body of an answer that says one sentence.
fn said(text: &str) -> Value {
    json!({ "message": text, "detail": text })
}

fn whole(payload: &Map<String, Value>) -> Value {
    Value::Object(payload.clone())
}
