//! Serving a rule set for a trial: made-up settings, the real app and deliveries on a store in
//! memory, receivers that take everything, and a clock that only passes when nothing else can
//! happen. Every endpoint, event and record gets its schema's examples; then all that is due
//! in the next weeks is done. What fails inside is a mistake that `validate` let pass.

use std::collections::BTreeSet;
use std::sync::Arc;
use std::sync::atomic::{AtomicI64, Ordering};
use std::time::Duration;

use bytes::Bytes;
use rulerun::base::{Clock, Timestamp, time};
use rulerun::model::queue::{CAPTURED, Job, JobState};
use rulerun::model::rules::{RuleSet, Schema};
use rulerun::model::{Call, Lookup, Origin, Scope};
use rulerun::serve::app::{Accepted, App, Options};
use rulerun::serve::clock::Ids;
use rulerun::serve::deliver::{Deliver, Network};
use rulerun::serve::journal::Voice;
use rulerun::serve::settings;
use rulerun::store::{JobFilter, MemoryStore};
use serde_json::{Map, Value};
use tokio::io::{AsyncBufReadExt as _, AsyncReadExt as _, AsyncWriteExt as _, BufReader};
use tokio::io::{DuplexStream, duplex};
use tokio::sync::watch;
use tokio::time::Instant;

/// When the trial begins: the moment of most examples, so that what counts from them is due.
const BEGINNING: i64 = 1_764_585_060_000;

/// So often the clock is set to what is due next; no sequence has as many steps.
const ROUNDS: usize = 40;

/// Serves the rules and tells everything that failed inside.
pub(crate) fn serve(rules: RuleSet) -> Vec<String> {
    let runtime = tokio::runtime::Builder::new_current_thread()
        .enable_time()
        .start_paused(true)
        .build()
        .unwrap();
    runtime.block_on(try_out(Arc::new(rules)))
}

/// A value for every name.
struct MadeUp {
    plain: BTreeSet<String>,
}

impl Lookup for MadeUp {
    fn env(&self, name: &str) -> Option<String> {
        (!self.plain.contains(name)).then(|| String::from("4f1e3c9a7b2d58604f1e3c9a7b2d5860"))
    }

    fn file(&self, _: &str) -> Result<String, String> {
        Ok(String::from("4f1e3c9a7b2d58604f1e3c9a7b2d5860"))
    }
}

/// A clock that is set ahead where nothing would happen for long.
#[derive(Debug)]
struct TrialClock {
    began: Instant,
    ahead: AtomicI64,
}

impl TrialClock {
    fn millis(&self) -> i64 {
        BEGINNING + self.passing() + self.ahead.load(Ordering::Relaxed)
    }
}

impl Clock for TrialClock {
    fn now(&self) -> Timestamp {
        time::from_millis(self.millis())
    }

    fn passing(&self) -> i64 {
        i64::try_from(self.began.elapsed().as_millis()).unwrap()
    }
}

async fn try_out(rules: Arc<RuleSet>) -> Vec<String> {
    // Secrets are made up; every other setting has a default, or is missed in earnest.
    let plain = rules.environment.iter().filter(|name| !(name.required && name.secret));
    let made_up = MadeUp { plain: plain.map(|name| name.name.clone()).collect() };
    let live = match settings::resolve(Arc::clone(&rules), &made_up, 1) {
        Ok(live) => live,
        Err(found) => {
            // A required setting that is no secret has to be given by a person.
            let open = |text: &str| text.ends_with(" is not set");
            let told = found.into_iter().map(|found| found.message);
            return told
                .filter(|text| !open(text))
                .map(|text| format!("setting: {text}"))
                .collect();
        }
    };
    let clock = Arc::new(TrialClock { began: Instant::now(), ahead: AtomicI64::new(0) });
    let app = Arc::new(App {
        ids: Ids::of([7; 16]),
        ..App::new(
            Arc::new(MemoryStore::new(BEGINNING)),
            Arc::new(live),
            clock.clone(),
            Voice::silent(),
            Options::default(),
        )
    });
    let network = Network::Simulated(Arc::new(|host: &str, _| {
        let (ours, theirs) = duplex(64 * 1024);
        if host.starts_with("mail") {
            tokio::spawn(mail(BufReader::new(theirs)));
        } else {
            tokio::spawn(web(BufReader::new(theirs)));
        }
        Ok(ours)
    }));
    let deliver = Deliver::over(network, Arc::clone(&app), None).unwrap();
    let (stop, stopped) = watch::channel(false);
    let working = tokio::spawn(deliver.run(stopped));
    let mut failed = Vec::new();
    calls(&app, &rules, &mut failed).await;
    let jobs = run_out(&app, &clock).await;
    failed.extend(jobs.iter().filter_map(inside));
    let _ = stop.send(true);
    if working.await.is_err() {
        failed.push(String::from("the deliveries have ended by themselves"));
    }
    failed
}

/// Lets everything happen that is due, and then what is due next, until nothing is; tells all
/// that there was to do.
async fn run_out(app: &App, clock: &TrialClock) -> Vec<Job> {
    let mut jobs = Vec::new();
    for _ in 0..ROUNDS {
        // As long as the deliveries may take to see that the clock was set, and to try once.
        tokio::time::sleep(Duration::from_secs(3)).await;
        jobs = app.store.jobs(JobFilter::default(), 0, 100_000).await.unwrap().rows;
        let open = jobs.iter().filter(|job| job.state == JobState::Pending);
        let soon = i64::MAX - 10 * BEGINNING;
        let Some(next) = open.map(|job| job.due).min().filter(|due| *due < soon) else {
            break;
        };
        clock.ahead.fetch_add((next - clock.millis()).max(0), Ordering::Relaxed);
    }
    jobs
}

/// What failed inside with a job, if anything. What a service refused, what was skipped by a
/// rule, and what was captured has worked.
fn inside(job: &Job) -> Option<String> {
    let told = job.reason.as_deref().or(job.last_error.as_deref()).unwrap_or_default();
    let broken = match job.state {
        JobState::Failed => true,
        JobState::Cancelled => told != CAPTURED && told.contains("could not be"),
        JobState::Sent | JobState::Pending | JobState::Sending => told.contains("inside"),
    };
    broken.then(|| format!("{} {:?}: {told}", job.event_type, job.state))
}

/// Calls everything that can be called.
async fn calls(app: &App, rules: &RuleSet, failed: &mut Vec<String>) {
    for event in rules.events.values() {
        for payload in payloads(event.schema.as_deref()) {
            let origin = Origin::Event { event: Arc::clone(event) };
            call(app, &event.name, origin, payload, failed).await;
        }
    }
    for (name, record) in &rules.records {
        for payload in payloads(record.schema.as_deref()) {
            for id in ["1", "2"] {
                let origin = Origin::Record { name: name.clone(), id: id.to_owned(), merge: false };
                call(app, name, origin, payload.clone(), failed).await;
            }
        }
    }
    for endpoint in &rules.endpoints {
        for payload in payloads(endpoint.payload.as_deref()) {
            let origin = Origin::Endpoint(Arc::clone(endpoint));
            call(app, &endpoint.full_name(), origin, payload, failed).await;
        }
    }
}

/// The example of a schema, and the same without what is optional.
fn payloads(schema: Option<&Schema>) -> Vec<Map<String, Value>> {
    let Some(schema) = schema else { return vec![Map::new()] };
    let Value::Object(whole) = schema.example.clone() else { return Vec::new() };
    let least = needed(&whole, &schema.scope);
    let mut all = vec![whole, least];
    all.retain(|payload| schema.checker.check(&Value::Object(payload.clone())).is_empty());
    all
}

fn needed(payload: &Map<String, Value>, scope: &Scope) -> Map<String, Value> {
    let is_needed = |name: &String| scope.names.get(name).is_some_and(|shape| !shape.optional);
    payload
        .iter()
        .filter(|(name, _)| is_needed(name))
        .map(|(name, value)| (name.clone(), value.clone()))
        .collect()
}

async fn call(
    app: &App,
    name: &str,
    origin: Origin,
    payload: Map<String, Value>,
    failed: &mut Vec<String>,
) {
    let body = Bytes::from(Value::Object(payload.clone()).to_string());
    let call = Call { id: app.new_id(), at: app.now(), origin, payload };
    match app.accept(&app.live.load(), &call, body.clone(), Vec::new(), None).await {
        // A `require` names its guard or says nothing, and what was not found is not found.
        Ok(Accepted::Refused(reply))
            if reply.status == 422 && reply.body.get("guard").is_none() =>
        {
            let payload = String::from_utf8_lossy(&body).into_owned();
            failed.push(format!("{name}: {} (called with {payload})", reply.body["message"]));
        }
        Ok(Accepted::Done(..) | Accepted::Refused(_)) => {}
        other => failed.push(format!("{name}: {other:?}")),
    }
}

/// A web service that takes everything.
async fn web(mut stream: BufReader<DuplexStream>) {
    loop {
        let mut length = 0;
        loop {
            let mut line = String::new();
            if !matches!(stream.read_line(&mut line).await, Ok(1..)) {
                return;
            }
            if let Some(value) = line.to_ascii_lowercase().strip_prefix("content-length: ") {
                length = value.trim().parse().unwrap();
            }
            if line == "\r\n" {
                break;
            }
        }
        let mut body = vec![0; length];
        let answer = b"HTTP/1.1 200 OK\r\ncontent-length: 2\r\n\r\n{}";
        if stream.read_exact(&mut body).await.is_err() || stream.write_all(answer).await.is_err() {
            return;
        }
    }
}

/// A mail server that takes everything.
async fn mail(mut stream: BufReader<DuplexStream>) {
    let mut answer = "220 ready";
    let mut within = false;
    while stream.write_all(format!("{answer}\r\n").as_bytes()).await.is_ok() {
        let mut line = String::new();
        loop {
            line.clear();
            if !matches!(stream.read_line(&mut line).await, Ok(1..)) {
                return;
            }
            if !within || line == ".\r\n" {
                break;
            }
        }
        within = !within && line.starts_with("DATA");
        answer = if within { "354 go on" } else { "250 ok" };
    }
}
