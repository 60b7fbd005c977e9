//! The campaign on a simulated clock, without a server: calls are decided by the pure
//! engine, the store keeps what it wrote, and every due job is done in the moment it is due.

use std::collections::{BTreeMap, BTreeSet};
use std::path::Path;
use std::sync::Arc;

use rulerun::base::{Id, time};
use rulerun::engine::{
    self, Decided, Due, Need, Outlet, Reply, Retries, StepDecision, View, World,
};
use rulerun::model::commit::{Finished, NextStep, Write};
use rulerun::model::queue::{
    Attempt, AttemptError, Enrolment, Job, Leased, Task, Transition, Tried,
};
use rulerun::model::rules::RuleSet;
use rulerun::model::{Call, Origin};
use rulerun::serve::app::object;
use rulerun::serve::sources;
use rulerun::store::{Claim, Committed, Finish, MemoryStore, Store as _};
use serde_json::{Map, Value};

use super::server::Env;

/// Something that happened, with how many seconds after the beginning.
pub(crate) type Happened = (i64, String);

/// A world in which time only passes when something is due.
pub(crate) struct Simulator {
    pub(crate) rules: Arc<RuleSet>,
    pub(crate) store: MemoryStore,
    outlets: BTreeMap<String, Outlet>,
    down: BTreeSet<String>,
    began: i64,
    now: i64,
    calls: u8,
    happened: Vec<Happened>,
}

impl Simulator {
    /// The project's own rules, from this moment on.
    pub(crate) fn campaigns(at: &str) -> Self {
        let root = Path::new(env!("CARGO_MANIFEST_DIR"));
        let sources = sources::load(&[root.join("rules"), root.join("schemas")]).unwrap();
        let (rules, found) = rulerun::language::analyze(&sources);
        let rules = Arc::new(rules.unwrap_or_else(|| panic!("{found:?}")));
        let outlet = |name: &String| {
            let ready = name != "notion";
            (name.clone(), Outlet { base: Some(format!("http://{name}")), ready })
        };
        let now = time::millis(at.parse().unwrap());
        Self {
            outlets: rules.services.keys().map(outlet).collect(),
            store: MemoryStore::new(now),
            rules,
            down: BTreeSet::new(),
            began: now,
            now,
            calls: 0,
            happened: Vec::new(),
        }
    }

    /// From now on this service answers 503.
    pub(crate) fn takes_down(&mut self, service: &str) {
        self.down.insert(service.to_owned());
    }

    /// The example of a schema with some fields changed.
    pub(crate) fn example(&self, schema: &str, changes: &Value) -> Value {
        let mut example = self.rules.schemas[schema].example.clone();
        let fields = example.as_object_mut().unwrap();
        fields.extend(changes.as_object().cloned().unwrap_or_default());
        example
    }

    /// Calls an endpoint, named `group/name`.
    pub(crate) async fn post(&mut self, endpoint: &str, body: &Value) -> Reply {
        let found = self.rules.endpoints.iter().find(|found| found.full_name() == endpoint);
        let endpoint = Arc::clone(found.unwrap());
        let problems = endpoint.payload.as_ref().map(|schema| schema.checker.check(body));
        assert!(problems.is_none_or(|found| found.is_empty()), "the payload fits its schema");
        self.call(Origin::Endpoint(endpoint), body).await
    }

    /// Reports an event.
    pub(crate) async fn send(&mut self, event: &str, body: &Value) -> Reply {
        let event = Arc::clone(&self.rules.events[event]);
        self.call(Origin::Event { event, test: false }, body).await
    }

    async fn call(&mut self, origin: Origin, body: &Value) -> Reply {
        self.calls += 1;
        let call = Call {
            id: Id::new(self.now, &[self.calls; 10]),
            at: time::from_millis(self.now),
            origin,
            payload: body.as_object().unwrap().clone(),
        };
        let mut view = View::default();
        let decision = loop {
            match engine::decide(&self.world(), &call, &view) {
                Decided::Done(decision) => break decision,
                Decided::Needs(need) => self.fetch(need, &mut view).await,
            }
        };
        let reply = decision.reply.clone();
        let commit = decision.into_commit(body.to_string().into(), Vec::new());
        let committed = self.store.commit(commit).await.unwrap();
        assert!(matches!(committed, Committed::Done { .. }), "{committed:?}");
        reply
    }

    fn world(&self) -> World<'_> {
        World { rules: &self.rules, outlets: &self.outlets, speed: 1 }
    }

    async fn fetch(&self, need: Need, view: &mut View) {
        match need {
            Need::Record(name, id) => {
                let record = self.store.record(&name, &id).await.unwrap();
                let seen = record.map(|record| (object(&record.fields), record.version));
                view.records.insert((name, id), seen);
            }
            Need::Enrolment(sequence, key) => {
                let seen = self.store.enrolment(&sequence, &key).await.unwrap();
                view.enrolments.insert((sequence, key), seen);
            }
        }
    }

    /// Lets time pass until nothing is due any more; answers everything that happened.
    pub(crate) async fn run_out(&mut self) -> Vec<Happened> {
        loop {
            let claim =
                Claim { now: self.now, lease: 60_000, limit: 10, free: Vec::new(), default: 10 };
            let claimed = self.store.claim(claim).await.unwrap();
            for leased in &claimed.jobs {
                self.job(leased).await;
            }
            if claimed.jobs.is_empty() {
                match claimed.next_due {
                    Some(next) if next > self.now => self.now = next,
                    _ => return std::mem::take(&mut self.happened),
                }
            }
        }
    }

    fn note(&mut self, what: String) {
        self.happened.push(((self.now - self.began) / 1000, what));
    }

    async fn job(&mut self, leased: &Leased) {
        let job = &leased.job;
        let finished = match &job.task {
            Task::Step { sequence, key, step, .. } => {
                let found = self.store.enrolment(sequence, key).await.unwrap().unwrap();
                let transition = self.step(job, &found, step).await;
                let writes = vec![self.advance(&found)];
                Finished { lease: leased.lease, transition, attempt: None, writes }
            }
            _ => self.attempt(leased),
        };
        assert_eq!(self.store.finish(vec![finished]).await.unwrap(), [Finish::Done]);
    }

    async fn step(&mut self, job: &Job, enrolment: &Enrolment, step: &str) -> Transition {
        let payload = match &enrolment.payload {
            Some(payload) => object(payload),
            None => self.body(enrolment.execution).await,
        };
        let contact = self.store.record("contact", &enrolment.person).await.unwrap();
        let contact = contact.map(|record| object(&record.fields));
        let listed = self.store.suppressions(&enrolment.person).await.unwrap();
        let suppressed: Vec<String> = listed.into_iter().map(|entry| entry.reason).collect();
        let due = Due {
            enrolment,
            step,
            planned: job.planned,
            payload: &payload,
            contact: contact.as_ref(),
            suppressed: &suppressed,
            forced: false,
            now: time::from_millis(self.now),
        };
        match engine::step(&self.world(), &due) {
            StepDecision::Email { .. } => {
                self.note(format!("email {step}"));
                Transition::Sent
            }
            StepDecision::Skip(why) | StepDecision::Stop(why) => Transition::Cancelled(why),
            StepDecision::Event(..) => Transition::Failed(String::from("the campaign has none")),
        }
    }

    async fn body(&self, execution: Id) -> Map<String, Value> {
        let body = self.store.body(execution).await.unwrap().unwrap();
        object(&String::from_utf8(body).unwrap())
    }

    fn advance(&self, enrolment: &Enrolment) -> Write {
        let step = enrolment.plan.get(enrolment.next as usize + 1).map(|(name, _)| {
            let sequence = &self.rules.sequences[&enrolment.sequence];
            let step = sequence.steps.iter().find(|step| step.name == *name).unwrap();
            let (lane, priority) = self.world().lane(step);
            NextStep { lane, priority }
        });
        Write::Advance {
            sequence: enrolment.sequence.clone(),
            key: enrolment.key.clone(),
            enrolment: enrolment.id,
            from: enrolment.next,
            step,
        }
    }

    /// A delivery: its service is up, or says 503.
    fn attempt(&mut self, leased: &Leased) -> Finished {
        let mut job = leased.job.clone();
        let first = if job.attempts == 0 { "event" } else { "retry" };
        self.note(format!("{first} {} to {}", job.event_type, job.lane));
        job.attempts += 1;
        let down = self.down.contains(&job.lane);
        let tried = Tried {
            status: Some(if down { 503 } else { 200 }),
            error: down.then_some(AttemptError::Status),
            ..Tried::default()
        };
        let waits = self.rules.services[&job.lane].retry.resolve(&Env::default()).unwrap();
        let waits = waits.unwrap_or_default();
        let retries = Retries { waits: &waits, jitter: false, resend_unknown: false };
        let (transition, writes) = engine::outcome(&job, &tried, retries, self.now);
        if matches!(transition, Transition::Failed(_)) {
            self.note(format!("failed {}", job.event_type));
        }
        let attempt = Attempt {
            id: job.id.derive(&format!("attempt {}", job.attempts)),
            job: job.id,
            execution: job.execution,
            event_type: job.event_type.clone(),
            target: job.target.clone(),
            duration_ms: 0,
            status: tried.status,
            error: tried.error,
            message: None,
            reply: String::new(),
        };
        Finished { lease: leased.lease, transition, attempt: Some(attempt), writes }
    }
}
