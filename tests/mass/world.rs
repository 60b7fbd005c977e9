//! The server's own parts, put together as `serve` does it, on a store on disk and a clock that
//! is turned when nothing is left to do at its present moment.

use std::cmp::Reverse;
use std::path::Path;
use std::sync::Arc;
use std::time::{Duration, Instant};

use rulerun::model::JobState;
use rulerun::serve::app::{App, Options};
use rulerun::serve::deliver::Deliver;
use rulerun::serve::ingress::Ingress;
use rulerun::serve::journal::Voice;
use rulerun::store::{Claim, JobFilter, SledStore};
use serde_json::json;
use tokio::io::AsyncBufReadExt as _;
use tokio::io::{AsyncReadExt as _, AsyncWriteExt as _, BufReader, DuplexStream, duplex};
use tokio::sync::watch;
use tokio::task::{JoinHandle, JoinSet};

use crate::calendar::{DAY, ZONES};
use crate::clock::HandClock;
use crate::people::{Act, Book, address};
use crate::{mailbox, rules};

/// Calls at once.
const CALLERS: usize = 64;
/// What is old is cleaned away this often, in milliseconds: the server does it every hour.
const CLEANUP: i64 = 3 * DAY;
/// Nothing takes longer than this at one moment.
const PATIENCE: Duration = Duration::from_mins(2);

/// The server, and those who use it.
pub(crate) struct World {
    app: Arc<App>,
    ingress: Arc<Ingress>,
    pub(crate) clock: Arc<HandClock>,
    pub(crate) book: Arc<Book>,
    stop: watch::Sender<bool>,
    deliveries: JoinHandle<()>,
    /// How far the clock leaps.
    leap: i64,
    cleaned: i64,
    /// Calls that were answered.
    pub(crate) calls: u64,
    /// How long the calls took, and cleaning up.
    pub(crate) calling: Duration,
    pub(crate) cleaning: Duration,
}

impl World {
    /// Begins in this folder.
    pub(crate) fn new(folder: &Path, book: Arc<Book>, clock: Arc<HandClock>, leap: i64) -> Self {
        let failed = Box::new(|why: &str| panic!("{why}"));
        let store = SledStore::open(folder, clock.millis(), failed).unwrap();
        let app = Arc::new(App::new(
            Arc::new(store),
            Arc::new(rules::live()),
            clock.clone(),
            Voice::silent(),
            Options { backlog: u64::MAX, ..Options::default() },
        ));
        let network = mailbox::network(&book, &clock);
        let deliver = Deliver::over(network, Arc::clone(&app), None).unwrap();
        let (stop, stopped) = watch::channel(false);
        Self {
            ingress: Ingress::new(Arc::clone(&app)),
            app,
            cleaned: clock.millis(),
            clock,
            book,
            stop,
            deliveries: tokio::spawn(deliver.run(stopped)),
            leap,
            calls: 0,
            calling: Duration::ZERO,
            cleaning: Duration::ZERO,
        }
    }

    /// Goes on to the next moment at which something happens, and does it; false when nothing
    /// ever will.
    pub(crate) async fn next(&mut self) -> bool {
        let due = self.quiet().await;
        let planned = self.book.open().agenda.peek().map(|Reverse((at, ..))| *at);
        let Some(next) = due.into_iter().chain(planned).min() else { return false };
        let now = next.max(self.clock.millis() + self.leap);
        self.act_until(now).await;
        self.turn_to(now).await;
        if now - self.cleaned >= CLEANUP {
            self.clean_up(now).await;
        }
        true
    }

    /// Turns the clock, and never while something is under way: it would be decided at one
    /// moment and arrive at another.
    async fn turn_to(&self, at: i64) {
        self.quiet().await;
        self.clock.turn_to(at);
        self.app.store.bell().notify_one();
    }

    /// Waits until nothing is due or under way; answers when something is due again.
    async fn quiet(&self) -> Option<i64> {
        let store = &self.app.store;
        let began = Instant::now();
        loop {
            let now = self.clock.millis();
            let idle = self.sending().await == 0;
            // A claim of nothing says when the next job is due.
            let nothing = Claim { now, lease: 60_000, limit: 0, free: Vec::new(), default: 1 };
            let next = store.claim(nothing).await.unwrap().next_due;
            if idle && next.is_none_or(|next| next > now) && self.sending().await == 0 {
                return next;
            }
            assert!(began.elapsed() < PATIENCE, "what is due at {now} is not done: {next:?}");
            tokio::time::sleep(Duration::from_millis(1)).await;
            store.bell().notify_one();
        }
    }

    async fn sending(&self) -> usize {
        let filter = JobFilter { state: Some(JobState::Sending), ..JobFilter::default() };
        self.app.store.jobs(filter, 0, 1).await.unwrap().total
    }

    /// Does what people do up to this moment, a few of them at once.
    async fn act_until(&mut self, until: i64) {
        let began = Instant::now();
        loop {
            let mut acts = Vec::new();
            {
                let mut book = self.book.open();
                while acts.len() < CALLERS
                    && book.agenda.peek().is_some_and(|Reverse((at, ..))| *at <= until)
                {
                    acts.extend(book.agenda.pop());
                }
            }
            let Some(Reverse((last, ..))) = acts.last() else { break };
            self.turn_to(*last).await;
            let mut calls = JoinSet::new();
            for Reverse((_, who, act)) in acts {
                let (ours, theirs) = duplex(16 * 1024);
                let [_, a, b, c] = u32::try_from(who).unwrap().to_be_bytes();
                let peer = ([10, a, b, c], 4_000).into();
                let ingress = Arc::clone(&self.ingress);
                drop(tokio::spawn(ingress.connection(theirs, peer, self.stop.subscribe())));
                let (book, clock) = (Arc::clone(&self.book), Arc::clone(&self.clock));
                calls.spawn(async move { call(&book, &clock, ours, who, act).await });
                self.calls += 1;
            }
            while let Some(ended) = calls.join_next().await {
                ended.unwrap();
            }
        }
        self.calling += began.elapsed();
    }

    /// Removes finished work that is older than the rules say.
    async fn clean_up(&mut self, now: i64) {
        let began = Instant::now();
        let keep = self.app.live.load().rules.queue.keep.to_duration().as_millis();
        self.app.store.purge(now - i64::try_from(keep).unwrap(), now).await.unwrap();
        self.cleaned = now;
        self.cleaning += began.elapsed();
    }

    /// What is still open, by state; then ends everything.
    pub(crate) async fn close(self) -> Vec<String> {
        let stats = self.app.store.stats().await.unwrap();
        let open = stats.iter().filter(|(_, stat)| stat.counts[0] + stat.counts[1] > 0);
        let open = open.map(|((name, _), stat)| format!("{name}: {:?}", stat.counts)).collect();
        self.stop.send(true).unwrap();
        self.deliveries.await.unwrap();
        self.app.store.close().await.unwrap();
        open
    }
}

/// Makes a call over a connection of its own and notes what its answer promises.
async fn call(book: &Book, clock: &HandClock, stream: DuplexStream, who: usize, act: Act) {
    let person = book.open().people[who];
    let (path, kind, body) = match &act {
        Act::Signup => {
            let body = json!({
                "email": address(who), "name": format!("Person {who}"),
                "time_zone": ZONES[person.zone], "interested": person.interested,
            });
            (String::from("/school/signup"), "application/json", body.to_string())
        }
        Act::Leave => {
            let body = json!({ "email": address(who) });
            (String::from("/school/leave"), "application/json", body.to_string())
        }
        Act::Unsubscribe(token) => (
            format!("/unsubscribe/{token}"),
            "application/x-www-form-urlencoded",
            String::from("List-Unsubscribe=One-Click"),
        ),
    };
    let request = format!(
        "POST {path} HTTP/1.1\r\nhost: a\r\ncontent-type: {kind}\r\ncontent-length: {}\r\n\
         connection: close\r\n\r\n{body}",
        body.len()
    );
    let status = answer(stream, &request).await;
    let mut book = book.open();
    if status.as_deref() != Some("200") {
        return book.broken(format!("{act:?} of {who} was answered with {status:?}"));
    }
    let person = &mut book.people[who];
    match act {
        Act::Signup => person.began = clock.millis(),
        Act::Leave | Act::Unsubscribe(_) => person.gone = clock.millis(),
    }
}

/// The status of the answer to a request.
async fn answer(stream: DuplexStream, request: &str) -> Option<String> {
    let mut stream = BufReader::new(stream);
    stream.get_mut().write_all(request.as_bytes()).await.ok()?;
    let mut line = String::new();
    stream.read_line(&mut line).await.ok()?;
    stream.read_to_end(&mut Vec::new()).await.ok()?;
    line.split(' ').nth(1).map(str::to_owned)
}
