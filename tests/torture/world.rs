//! A server as a process, with rules, a receiver and a book of calls; and the check that
//! nothing acknowledged is lost.

use std::net::SocketAddr;
use std::path::{Path, PathBuf};
use std::process::Command;
use std::sync::Arc;
use std::time::{Duration, Instant};

use crate::binary::{Running, rulerun};
use crate::load::{Book, Client, Load, Plan, Reply, body, key};
use crate::sink::Sink;
use crate::tally::{Job, Tally};

/// Deliveries to the receiver at once.
pub(crate) const IN_FLIGHT: usize = 32;

/// Every call becomes an event for the receiver.
pub(crate) const RULES: &str = r#"
server listen="127.0.0.1:0" {
    limits body=400000
}
service "crm" type="http" {
    url (env)"CRM_URL"
    retry "100ms" "200ms" "500ms" "1s" "2s" "5s" "5s" "5s"
    timeout "10s"
    in-flight 32
}
events to="crm" path="/in" {
    event "noted"
}
webhooks "t" {
    path "/t"
    endpoint "note" {
        payload {
            n integer
            text text optional
        }
        send "noted"
    }
}
"#;

/// How long it may take until nothing more arrives.
const QUIET: Duration = Duration::from_secs(15);

/// Rules, a data folder, a receiver and the book.
pub(crate) struct World {
    /// Where the rules are; the data folder too, unless it was put elsewhere.
    pub(crate) folder: PathBuf,
    /// The data folder.
    pub(crate) data: PathBuf,
    /// Where events go.
    pub(crate) sink: Sink,
    /// All calls.
    pub(crate) book: Arc<Book>,
    /// Calls below this number have been looked for.
    checked: u64,
}

/// A server that listens.
pub(crate) struct Up {
    /// Its process.
    pub(crate) process: Running,
    /// Where it listens.
    pub(crate) address: SocketAddr,
    /// How long its start took.
    pub(crate) opened: Duration,
}

/// A server that did not start.
#[derive(Debug)]
pub(crate) struct Down {
    /// Its exit code; none after a signal.
    pub(crate) code: Option<i32>,
    /// Its last words.
    pub(crate) said: String,
    /// How long it took.
    pub(crate) took: Duration,
}

impl World {
    /// A world in the fault's folder.
    pub(crate) fn new(job: &Job, rules: &str, sink: Sink) -> Self {
        let folder = job.folder.join("world");
        write(&folder.join("rules/t.kdl"), rules);
        Self { data: folder.join("data"), folder, sink, book: Arc::default(), checked: 0 }
    }

    /// The command that serves.
    pub(crate) fn command(&self) -> Command {
        let mut command = rulerun();
        command.current_dir(&self.folder).env("CRM_URL", self.sink.url());
        command.args(["serve", "--listen", "127.0.0.1:0", "--data"]).arg(&self.data);
        command
    }

    /// Starts a server that must come up.
    pub(crate) fn up(&self) -> Up {
        up(self.command())
    }

    /// Sets callers to work.
    pub(crate) fn load(&self, up: &Up, plan: &Plan) -> Load {
        Load::on(up.address, &self.book, plan)
    }

    /// Makes the keyed calls that were left open again, and some that were answered: each
    /// must be one call still.
    pub(crate) fn repeat(&self, up: &Up, tally: &mut Tally) {
        let mut client = Client::new(up.address);
        let open: Vec<_> = self.book.pages().open.drain(..).collect();
        for (n, length) in open {
            if key(n).is_empty() {
                continue;
            }
            match client.post("/t/note", &key(n), &body(n, length)) {
                Ok(reply) if reply.status == 200 => {
                    let id = reply.json()["id"].as_str().unwrap_or_default().to_owned();
                    let acked = crate::load::Acked { id, length, sent: Instant::now() };
                    self.book.pages().acked.insert(n, acked);
                }
                Ok(reply) => tally.wrong(format!("call {n} again: {}", reply.status)),
                Err(error) => tally.wrong(format!("call {n} again: {error:?}")),
            }
        }
        let keyed = |(n, _): &(&u64, _)| !key(**n).is_empty();
        let last: Vec<_> = {
            let pages = self.book.pages();
            pages.acked.iter().rev().filter(keyed).take(5).map(|(n, a)| (*n, a.clone())).collect()
        };
        for (n, acked) in last {
            let reply = client.post("/t/note", &key(n), &body(n, acked.length));
            let same = reply.as_ref().is_ok_and(|reply| {
                reply.status == 200 && reply.repeated && reply.json()["id"] == acked.id.as_str()
            });
            tally.must(same, || format!("the repeated call {n} got another answer"));
        }
    }

    /// Looks for every call that was acknowledged since the last time: it must be readable,
    /// with its own payload. Answers how many are not, and notes it.
    pub(crate) fn look(&mut self, up: &Up, tally: &mut Tally) -> usize {
        let fresh: Vec<(u64, String)> = {
            let pages = self.book.pages();
            pages.acked.range(self.checked..).map(|(n, acked)| (*n, acked.id.clone())).collect()
        };
        // A call with a lower number may still be answered later: look at it again then.
        self.checked = fresh.last().map_or(self.checked, |(n, _)| n.saturating_sub(1_000));
        let address = up.address;
        let shares: Vec<_> = fresh.chunks(fresh.len() / 4 + 1).map(<[_]>::to_vec).collect();
        let threads: Vec<_> = shares
            .into_iter()
            .map(|share| std::thread::spawn(move || missing(address, &share)))
            .collect();
        let missing: Vec<u64> =
            threads.into_iter().flat_map(|thread| thread.join().unwrap()).collect();
        if let Some(first) = missing.first() {
            tally.wrong(format!(
                "{} executions cannot be read, such as call {first}",
                missing.len()
            ));
        }
        missing.len()
    }

    /// Waits until every acknowledged call has arrived; answers how many never do.
    pub(crate) fn arrive(&self) -> usize {
        let mut since = Instant::now();
        let mut last = usize::MAX;
        loop {
            let acked: Vec<u64> = self.book.pages().acked.keys().copied().collect();
            let came = self.sink.came();
            let missing = acked.iter().filter(|n| !came.numbers.contains_key(n)).count();
            drop(came);
            if missing == 0 {
                return 0;
            }
            if missing != last {
                (last, since) = (missing, Instant::now());
            }
            if since.elapsed() > QUIET {
                return missing;
            }
            std::thread::sleep(Duration::from_millis(100));
        }
    }

    /// Everything at the end: readable, arrived, and twice only with the same id and bytes.
    pub(crate) fn settle(&mut self, up: &Up, tally: &mut Tally) {
        self.checked = 0;
        let unreadable = self.look(up, tally);
        let absent = self.arrive();
        tally.must(absent == 0, || format!("{absent} events never arrived"));
        tally.lost += unreadable.max(absent);
        tally.acked += self.book.acked();
        let mut came = self.sink.came();
        tally.duplicated += came.duplicated();
        for wrong in came.wrong.drain(..) {
            tally.wrong(wrong);
        }
        drop(came);
        for wrong in self.book.pages().wrong.drain(..) {
            tally.wrong(wrong);
        }
    }
}

/// Calls whose execution cannot be read, or is another's.
fn missing(address: SocketAddr, calls: &[(u64, String)]) -> Vec<u64> {
    let mut client = Client::new(address);
    let mut missing = Vec::new();
    for (n, id) in calls {
        let reply = client.get(&format!("/api/v1/executions/{id}"));
        let found = reply.is_ok_and(|reply| {
            reply.status == 200 && reply.json()["inputs"]["n"].as_u64() == Some(*n)
        });
        if !found {
            missing.push(*n);
        }
    }
    missing
}

/// Starts a server that must come up.
pub(crate) fn up(command: Command) -> Up {
    start(command).unwrap_or_else(|down| panic!("the server does not start: {down:?}"))
}

/// Starts a server and waits until it listens or has ended.
pub(crate) fn start(command: Command) -> Result<Up, Down> {
    let began = Instant::now();
    let mut process = Running::start(command);
    loop {
        if process.said().contains(" at http://") {
            let opened = began.elapsed();
            let base = process.base();
            let address = base.strip_prefix("http://").unwrap().parse().unwrap();
            return Ok(Up { process, address, opened });
        }
        if !process.runs() {
            let took = began.elapsed();
            let (status, said, _) = process.end();
            return Err(Down { code: status.code(), said, took });
        }
        assert!(began.elapsed() < Duration::from_secs(30), "no word: {}", process.said());
        std::thread::sleep(Duration::from_millis(2));
    }
}

impl Up {
    /// Kills it at once.
    pub(crate) fn kill(mut self) {
        self.process.signal("KILL");
        self.process.end();
    }

    /// Asks it to stop; answers its exit code and how long that took.
    pub(crate) fn stop(mut self) -> (Option<i32>, Duration) {
        self.process.signal("TERM");
        let (status, _, took) = self.process.end();
        (status.code(), took)
    }

    /// Stops its time; it does nothing until it is killed or continued.
    pub(crate) fn freeze(&self) {
        self.process.signal("STOP");
        let threads = format!("/proc/{}/task", self.process.pid());
        let is_stopped = |thread: std::io::Result<std::fs::DirEntry>| {
            let stat =
                thread.and_then(|thread| std::fs::read_to_string(thread.path().join("stat")));
            stat.is_ok_and(|stat| {
                stat.rsplit(") ").next().is_some_and(|rest| rest.starts_with('T'))
            })
        };
        crate::binary::until("all its threads stand still", || {
            std::fs::read_dir(&threads).unwrap().all(is_stopped)
        });
    }

    /// One answer; its status is 0 when there is none.
    pub(crate) fn get(&self, path: &str) -> Reply {
        Client::new(self.address).get(path).unwrap_or_default()
    }
}

/// Writes a file and the folders above it.
pub(crate) fn write(path: &Path, text: &str) {
    std::fs::create_dir_all(path.parent().unwrap()).unwrap();
    std::fs::write(path, text).unwrap();
}

/// Milliseconds, for a figure.
pub(crate) fn ms(time: Duration) -> u128 {
    time.as_millis()
}
