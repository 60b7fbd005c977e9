//! What every part of the running server shares: the live rules, the store, the clock, the
//! journal. And the one way in which anything that came from outside becomes durable work:
//! [`App::accept`].

use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::Duration;

use arc_swap::ArcSwap;
use bytes::Bytes;
use serde_json::Value;

use super::clock::Ids;
use super::ingress::answer;
use super::journal::{Journal, Kind, Voice};
use super::metrics::Metrics;
use super::people::Version;
use super::settings::Live;
use crate::base::{Clock, Id, Moment, SourceMap, Timestamp, time};
use crate::engine::{self, Decided, Decision, Need, Reply, View, Watch, World};
use crate::model::Call;
use crate::model::commit::{Assumption, Commit, IdempotencyKey};
use crate::model::queue::{Execution, LogLine};
use crate::store::{Committed, Store, StoreError};

/// A call is decided again so often at most when others get in between.
const MAX_DECISIONS: usize = 64;
/// How long an answer waits for an e-mail that is being sent to the person it just stopped.
const SETTLE: Duration = Duration::from_secs(10);

/// The most jobs that wait for one service.
const BACKLOG: u64 = 100_000;

/// How the server was started.
#[derive(Clone, Debug)]
pub struct Options {
    /// Waits of sequences pass so many times faster.
    pub speed: u32,
    /// Development: made-up secrets, captured mail.
    pub dev: bool,
    /// Whether retries vary by ±10 %, and people are spread over the opening of a window.
    pub jitter: bool,
    /// The most jobs that may wait for one service; calls that would add to them are asked
    /// to come again.
    pub backlog: u64,
    /// Whether e-mails are made without their HTML: for rehearsals of very many calls.
    pub plain: bool,
    /// Who is told which way decisions go; nobody while a server runs.
    pub watch: Option<Arc<dyn Watch>>,
}

impl Default for Options {
    fn default() -> Self {
        Self { speed: 1, dev: false, jitter: true, backlog: BACKLOG, plain: false, watch: None }
    }
}

/// The state of the rule files.
#[derive(Clone, Debug, Default)]
pub struct RulesState {
    /// Diagnostics (as `validate --format json` prints them) of the last edit that was
    /// refused; empty when the files on disk are live.
    pub problems: Vec<Value>,
    /// When the rules that are live were loaded.
    pub loaded: i64,
}

/// What every part of the server shares.
#[derive(Debug)]
pub struct App {
    /// State.
    pub store: Arc<dyn Store>,
    /// The rules with their settings; take it once per call.
    pub live: ArcSwap<Live>,
    /// The clock.
    pub clock: Arc<dyn Clock>,
    /// What new ids are made from.
    pub ids: Ids,
    /// What happens, for people.
    pub journal: Journal,
    /// What happens, in numbers.
    pub metrics: Metrics,
    /// How the rule files stand.
    pub rules_state: ArcSwap<RulesState>,
    /// How the server was started.
    pub options: Options,
    /// Whether it is shutting down.
    pub draining: AtomicBool,
    /// The state of each service's gate, for `/readyz` and the API; kept by `deliver`.
    pub gates: super::deliver::Gates,
    /// The key of unsubscribe links, once it has been asked for.
    pub unsubscribe_key: tokio::sync::OnceCell<crate::base::Secret>,
    /// The sequences of before that people who are mid-way still follow.
    pub editions: super::people::Editions,
    /// Files of e-mails that wait.
    pub enclosures: super::enclosures::Enclosures,
    /// Held by a call that others got in before, while it is decided again.
    pub contended: tokio::sync::Mutex<()>,
}

/// What became of a call.
#[derive(Debug)]
pub enum Accepted {
    /// Durable; this is its answer, and what it set off, for the journal's next lines (empty
    /// where the journal does not tell single calls).
    Done(Reply, Id, Vec<LogLine>),
    /// A rule refused it.
    Refused(Reply),
    /// It was accepted before; this was its answer.
    Replayed(Reply, Id),
    /// Its idempotency key belongs to another body.
    KeyReused,
    /// Too much waits for this service already; nothing was written.
    Crowded(String),
}

/// On what terms a call is accepted.
struct Terms<'a> {
    /// Where it came from.
    remote: Option<String>,
    /// What has to hold besides what its decision saw.
    assumed: &'a [Assumption],
    /// The most jobs that may wait for one service.
    backlog: Option<u64>,
    /// Whether it goes on by itself, and nobody waits for an answer.
    own: bool,
}

impl App {
    /// What is shared at the start: nothing has happened yet, and ids are made by chance.
    #[must_use]
    pub fn new(
        store: Arc<dyn Store>,
        live: Arc<Live>,
        clock: Arc<dyn Clock>,
        voice: Voice,
        options: Options,
    ) -> Self {
        let rules_state = RulesState { problems: Vec::new(), loaded: time::millis(clock.now()) };
        Self {
            store,
            live: ArcSwap::new(live),
            journal: Journal::new(voice, Arc::clone(&clock)),
            clock,
            ids: Ids::default(),
            metrics: Metrics::default(),
            rules_state: ArcSwap::from_pointee(rules_state),
            options,
            draining: AtomicBool::new(false),
            gates: super::deliver::Gates::default(),
            unsubscribe_key: tokio::sync::OnceCell::default(),
            editions: super::people::Editions::default(),
            enclosures: super::enclosures::Enclosures::default(),
            contended: tokio::sync::Mutex::default(),
        }
    }

    /// Now.
    #[must_use]
    pub fn now(&self) -> Timestamp {
        self.clock.now()
    }

    /// Now, in milliseconds.
    #[must_use]
    pub fn millis(&self) -> i64 {
        time::millis(self.clock.now())
    }

    /// Now, by both clocks.
    #[must_use]
    pub fn moment(&self) -> Moment {
        Moment::of(&*self.clock)
    }

    /// Why no call can be accepted at the moment, in words for the caller.
    #[must_use]
    pub fn trouble(&self) -> Option<&'static str> {
        if self.draining.load(Ordering::Relaxed) {
            return Some("The server is stopping; please try again in a moment.");
        }
        self.store_trouble().map(|_| answer::CANNOT_STORE)
    }

    /// Why the store accepts no call at the moment. The journal tells when that changes.
    #[must_use]
    pub fn store_trouble(&self) -> Option<String> {
        let trouble = self.store.trouble();
        if self.metrics.store_accepts(trouble.is_none()) {
            let text = match &trouble {
                Some(trouble) => format!("calls are refused: {trouble}"),
                None => String::from("calls are accepted again"),
            };
            self.journal.say(Kind::Warning, &text);
        }
        trouble
    }

    /// A new id.
    #[must_use]
    pub fn new_id(&self) -> Id {
        self.ids.next(self.clock.now())
    }

    /// What decisions see of these rules.
    #[must_use]
    pub fn world<'a>(&'a self, live: &'a Live) -> World<'a> {
        World {
            rules: &live.rules,
            outlets: &live.outlets,
            speed: self.options.speed,
            spread: self.options.jitter,
            watch: self.options.watch.as_deref(),
        }
    }

    /// The text of these rules, and how they are run.
    #[must_use]
    pub fn version(&self, live: &Live) -> Version {
        Version {
            hash: live.rules.hash.clone(),
            speed: self.options.speed,
            sources: SourceMap::clone(&live.sources),
        }
    }

    /// Decides a call and makes it durable; decides again when something that it saw has
    /// changed meanwhile. The answer is given only after the commit.
    ///
    /// # Errors
    /// The store is busy, stopped or broken; then nothing was accepted.
    pub async fn accept(
        &self,
        live: &Live,
        call: &Call,
        body: Bytes,
        keys: Vec<IdempotencyKey>,
        remote: Option<String>,
    ) -> Result<Accepted, StoreError> {
        let terms = Terms { remote, assumed: &[], backlog: Some(self.options.backlog), own: false };
        self.accept_on(terms, live, call, body, keys).await
    }

    /// The same for what was accepted before and goes on by itself, as long as something
    /// holds that the call itself does not show. However much waits, it is not turned away.
    ///
    /// # Errors
    /// As [`accept`](Self::accept); busy as well when an assumption does not hold any more.
    pub async fn accept_while(
        &self,
        live: &Live,
        call: &Call,
        body: Bytes,
        keys: Vec<IdempotencyKey>,
        assumed: &[Assumption],
    ) -> Result<Accepted, StoreError> {
        let terms = Terms { remote: None, assumed, backlog: None, own: true };
        self.accept_on(terms, live, call, body, keys).await
    }

    async fn accept_on(
        &self,
        terms: Terms<'_>,
        live: &Live,
        call: &Call,
        body: Bytes,
        keys: Vec<IdempotencyKey>,
    ) -> Result<Accepted, StoreError> {
        let world = self.world(live);
        // Calls that are in each other's way take turns; otherwise of a crowd all but one would
        // be decided in vain, round after round.
        let mut turn = None;
        for _ in 0..MAX_DECISIONS {
            let mut decision = self.decide(&world, call).await?;
            decision.execution.remote.clone_from(&terms.remote);
            let reply = decision.reply.clone();
            if decision.refused {
                if let Some(before) = self.known(time::millis(call.at), keys).await? {
                    return Ok(before);
                }
                self.note_refused(decision, body);
                return Ok(Accepted::Refused(reply));
            }
            decision.assumes.extend_from_slice(terms.assumed);
            let told = self.journal.hears(Kind::Step);
            let set_off = if told { decision.execution.logs.clone() } else { Vec::new() };
            let mut commit = decision.into_commit(body.clone(), keys.clone());
            (commit.backlog, commit.own) = (terms.backlog, terms.own);
            match self.store.commit(commit).await? {
                Committed::Done { in_flight } => {
                    drop(turn);
                    // What goes on by itself promises nobody that nothing leaves any more, and
                    // holds what those need who are waited for.
                    if !terms.own {
                        self.settle(in_flight).await;
                    }
                    return Ok(Accepted::Done(reply, call.id, set_off));
                }
                Committed::Replayed(execution) => {
                    let id = execution.id;
                    return Ok(Accepted::Replayed(first_answer(&execution), id));
                }
                Committed::KeyReused => return Ok(Accepted::KeyReused),
                Committed::Crowded { lane } => {
                    self.metrics.crowded(&lane, self.millis());
                    return Ok(Accepted::Crowded(lane));
                }
                Committed::Conflict if turn.is_none() => turn = Some(self.contended.lock().await),
                Committed::Conflict => {}
            }
        }
        Err(StoreError::Full)
    }

    /// Waits for these as far as they are under way, so that nothing leaves after an answer
    /// that says it will not. A hanging mail server does not hold the caller for ever.
    pub async fn settle(&self, in_flight: Vec<Id>) {
        if !in_flight.is_empty() {
            let _ = tokio::time::timeout(SETTLE, self.store.settled(in_flight)).await;
        }
    }

    /// What a call with these keys got that would be refused now and was accepted before: the
    /// world or the rules may have moved on since, but its first answer stands. A commit of
    /// keys alone asks and writes nothing.
    ///
    /// # Errors
    /// The store is busy, stopped or broken.
    pub async fn known(
        &self,
        now: i64,
        keys: Vec<IdempotencyKey>,
    ) -> Result<Option<Accepted>, StoreError> {
        if keys.is_empty() {
            return Ok(None);
        }
        let asked = Commit { now, keys, ..Commit::default() };
        Ok(match self.store.commit(asked).await? {
            Committed::Replayed(first) => Some(Accepted::Replayed(first_answer(&first), first.id)),
            Committed::KeyReused => Some(Accepted::KeyReused),
            Committed::Done { .. } | Committed::Conflict | Committed::Crowded { .. } => None,
        })
    }

    /// Decides a call, fetching what the decision asks for.
    async fn decide(&self, world: &World<'_>, call: &Call) -> Result<Decision, StoreError> {
        let mut view = View::default();
        loop {
            match engine::decide(world, call, &view) {
                Decided::Done(decision) => return Ok(*decision),
                Decided::Needs(need) => self.fetch(need, &mut view).await?,
            }
        }
    }

    async fn fetch(&self, need: Need, view: &mut View) -> Result<(), StoreError> {
        match need {
            Need::Record(name, id) => {
                let record = self.store.record(&name, &id).await?;
                let seen = record.map(|record| (object(&record.fields), record.version));
                view.records.insert((name, id), seen);
            }
            Need::Enrolment(sequence, key) => {
                let seen = self.store.enrolment(&sequence, &key).await?;
                view.enrolments.insert((sequence, key), seen);
            }
        }
        Ok(())
    }

    /// Keeps a refused call in the list of executions, without making the caller wait.
    fn note_refused(&self, decision: Decision, body: Bytes) {
        let execution = &decision.execution;
        let endpoint = format!("{}/{}", execution.namespace, execution.flow);
        if !self.metrics.may_note_refusal(&endpoint, self.millis()) {
            return;
        }
        let store = Arc::clone(&self.store);
        tokio::spawn(async move {
            // A refusal that is lost under pressure is no loss to anyone.
            let _ = store.commit(decision.into_commit(body, Vec::new())).await;
        });
    }
}

/// The answer that an execution was given.
fn first_answer(execution: &Execution) -> Reply {
    Reply {
        status: execution.reply_status,
        body: serde_json::from_str(&execution.reply).unwrap_or(Value::Null),
    }
}

/// A JSON object from a stored text; anything else reads as empty.
#[must_use]
pub fn object(text: &str) -> serde_json::Map<String, Value> {
    match serde_json::from_str(text) {
        Ok(Value::Object(map)) => map,
        _ => serde_json::Map::new(),
    }
}
