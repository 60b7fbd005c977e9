//! Five times as many callers as the server can serve, none of which waits for the others:
//! it goes on serving nearly as many as at its peak, and turns the rest away politely. The
//! callers have a core of their own where there are two.

use std::fmt::Write as _;
use std::net::SocketAddr;
use std::time::{Duration, Instant};

use tokio::io::{AsyncReadExt as _, AsyncWriteExt as _};
use tokio::net::TcpStream;
use tokio::task::JoinSet;

use crate::load::{Client, body};
use crate::sink::Sink;
use crate::tally::{Job, Tally, percentile};
use crate::world::{Up, World};

/// Each call is stored and remembers this many records, so that it costs the server far more
/// than it costs its caller: the callers must never be what is overrun.
const RECORDS: usize = 16;

fn rules() -> String {
    let mut rules = String::from(RULES);
    for at in 0..RECORDS {
        let _ = writeln!(rules, "        save \"r{at}\" id=\"{{{{n}}}}\" {{ n \"{{{{n}}}}\"; }}");
    }
    rules + "    }\n}\n"
}

/// The rules up to the steps of their endpoint.
const RULES: &str = r#"
server listen="127.0.0.1:0" {
    limits per-client=4000 in-flight=96
}
webhooks "t" {
    path "/t"
    endpoint "note" {
        payload { n integer; text text optional; }
"#;

/// Callers at the peak; each waits for its answer, and all of them find a place.
const CALLERS: u32 = 96;
/// So many times as many come in the overload.
const TIMES: u32 = 5;
/// Goodput must be this share of the peak, in percent.
const GOODPUT: u64 = 90;
/// The server's memory, in KiB.
const MEMORY: u64 = 256 * 1_024;
/// Admitted calls are answered by then (p99).
const ADMITTED: Duration = Duration::from_millis(250);
/// Of so many admitted calls one is looked for afterwards.
const LOOKED: usize = 100;
/// Length of the text in each call.
const TEXT: usize = 300;

/// How often it is measured at most.
const MEASURED: u64 = 3;

/// What callers saw.
#[derive(Default)]
struct Seen {
    /// Answer times of admitted calls, in microseconds.
    admitted: Vec<u32>,
    /// Calls that were turned away.
    refused: usize,
    /// Some of the executions, with their numbers.
    kept: Vec<(u64, String)>,
    wrong: Vec<String>,
}

impl Seen {
    fn add(&mut self, other: Self) {
        self.admitted.extend(other.admitted);
        self.kept.extend(other.kept);
        self.wrong.extend(other.wrong);
        self.refused += other.refused;
    }

    /// Calls admitted in a second.
    fn rate(&self, time: Duration) -> u64 {
        self.admitted.len() as u64 / time.as_secs().max(1)
    }
}

pub(crate) fn run(job: &Job) -> Tally {
    let mut tally = Tally::default();
    let world = World::new(job, &rules(), Sink::start());
    // Whatever else the machine does in one of these minutes would count against the server:
    // a measurement that is not good enough is made again, twice at most.
    for measured in 1..=MEASURED {
        let up = world.up();
        if tally.cases == 0 {
            tally.figure("own_cores", core_each(&up));
        }
        let flood = Flood::measure(job, &up, measured << 44);
        tally.cases += 1;
        tally.acked += flood.all().map(|seen| seen.admitted.len()).sum::<usize>();
        tally.lost += lost(&up, flood.all().flat_map(|seen| &seen.kept));
        for wrong in flood.all().flat_map(|seen| &seen.wrong) {
            tally.wrong(wrong);
        }
        flood.tell(&mut tally);
        up.kill();
        if cfg!(debug_assertions) || flood.is_good() {
            return tally;
        }
        if measured == MEASURED {
            tally.wrong(format!("goodput falls to {} % of the peak", flood.share()));
        }
    }
    tally
}

/// What was seen before, within and after an overload.
struct Flood {
    before: Seen,
    within: Seen,
    after: Seen,
    /// How long each took.
    times: [Duration; 3],
    /// The most memory that the server had, in KiB.
    memory: u64,
}

impl Flood {
    /// Callers at their peak, five times as many, and as many as before; their numbers begin
    /// at `from`.
    fn measure(job: &Job, up: &Up, from: u64) -> Self {
        // The first second warms up.
        let _ = callers(up.address, CALLERS, None, Duration::from_secs(1), from);
        let (calm, flooded) = (job.seconds(4, 15), job.seconds(5, 60));
        let before = callers(up.address, CALLERS, None, calm, from + (1 << 40));
        let rate = u32::try_from(before.rate(calm).max(1)).unwrap();
        let pace = Duration::from_secs(u64::from(CALLERS)) / rate;
        let within = callers(up.address, CALLERS * TIMES, Some(pace), flooded, from + (2 << 40));
        let after = callers(up.address, CALLERS, None, calm, from + (3 << 40));
        let times = [calm, flooded, calm];
        Self { before, within, after, times, memory: resident(up) }
    }

    fn all(&self) -> impl Iterator<Item = &Seen> {
        [&self.before, &self.within, &self.after].into_iter()
    }

    /// Admitted calls in a second: before, within and after.
    fn rates(&self) -> [u64; 3] {
        let [calm, flooded, _] = self.times;
        [self.before.rate(calm), self.within.rate(flooded), self.after.rate(calm)]
    }

    /// Goodput in percent of the peak. A store that has grown by a hundred thousand calls is
    /// slower for everybody: the peak in the middle of the flood lies between the one before
    /// it and the one behind it.
    fn share(&self) -> u64 {
        let [before, rate, after] = self.rates();
        rate * 100 / u64::midpoint(before, after).max(1)
    }

    /// How long an admitted call takes (p99).
    fn p99(&self) -> Duration {
        let mut admitted = self.within.admitted.clone();
        Duration::from_micros(percentile(&mut admitted, 99).into())
    }

    fn is_good(&self) -> bool {
        self.share() >= GOODPUT && self.p99() <= ADMITTED
    }

    fn tell(&self, tally: &mut Tally) {
        let [before, rate, after] = self.rates();
        let offered = self.within.admitted.len() + self.within.refused;
        tally.figure("peak_before_per_s", before);
        tally.figure("peak_after_per_s", after);
        tally.figure("offered_per_s", offered as u64 / self.times[1].as_secs());
        tally.figure("goodput_per_s", rate);
        tally.figure("goodput_percent", self.share());
        tally.figure("refused", self.within.refused);
        tally.figure("p99_admitted_ms", self.p99().as_millis());
        tally.figure("rss_mib", self.memory / 1_024);
        let memory = self.memory;
        tally.must(memory <= MEMORY, || format!("it takes {} MiB of memory", memory / 1_024));
    }
}

/// Gives the server a core and its callers another, so that callers who are many do not take
/// from the server what it should serve them with. Where that cannot be, they share.
fn core_each(up: &Up) -> bool {
    let pin = |core: &str, pid: u32| {
        let mut taskset = std::process::Command::new("taskset");
        let pinned = taskset.args(["-a", "-c", "-p", core, &pid.to_string()]).output();
        pinned.is_ok_and(|output| output.status.success())
    };
    pin("0", up.process.pid()) && pin("1", std::process::id())
}

/// Looks for some of the executions.
fn lost<'a>(up: &Up, kept: impl Iterator<Item = &'a (u64, String)>) -> usize {
    let mut client = Client::new(up.address);
    let mut is_missing = |(n, id): &&(u64, String)| {
        let reply = client.get(&format!("/api/v1/executions/{id}"));
        !reply.is_ok_and(|reply| reply.json()["inputs"]["n"] == *n)
    };
    kept.filter(|call| is_missing(call)).count()
}

/// Its memory, in KiB.
fn resident(up: &Up) -> u64 {
    let status = std::fs::read_to_string(format!("/proc/{}/status", up.process.pid())).unwrap();
    let line = status.lines().find_map(|line| line.strip_prefix("VmHWM:")).unwrap();
    line.trim().trim_end_matches(" kB").parse().unwrap()
}

/// Callers at once for a while: each calls again when it has its answer, or at its own pace
/// whatever the answer was. Their numbers begin at `from`.
fn callers(
    address: SocketAddr,
    count: u32,
    pace: Option<Duration>,
    time: Duration,
    from: u64,
) -> Seen {
    let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build().unwrap();
    runtime.block_on(async {
        let end = Instant::now() + time;
        let mut callers = JoinSet::new();
        for caller in 0..count {
            let from = from + (u64::from(caller) << 24);
            let first = pace.unwrap_or_default() * caller / CALLERS;
            callers.spawn(async move { one(address, pace, first, end, from).await });
        }
        let mut seen = Seen::default();
        while let Some(other) = callers.join_next().await {
            seen.add(other.unwrap());
        }
        seen
    })
}

async fn one(
    address: SocketAddr,
    pace: Option<Duration>,
    first: Duration,
    end: Instant,
    from: u64,
) -> Seen {
    let mut seen = Seen::default();
    let mut next = tokio::time::Instant::now() + first;
    let mut stream = None;
    let mut buffer = Vec::with_capacity(1_024);
    let mut n = from;
    while Instant::now() < end {
        if let Some(pace) = pace {
            tokio::time::sleep_until(next).await;
            next += pace;
        }
        let sent = Instant::now();
        let call = call(address, &mut stream, &mut buffer, n);
        let outcome = tokio::time::timeout(Duration::from_secs(10), call).await;
        match outcome.unwrap_or_else(|_| Err(std::io::ErrorKind::TimedOut.into())) {
            Ok((200, _)) => {
                let took = sent.elapsed().as_micros();
                seen.admitted.push(u32::try_from(took).unwrap_or(u32::MAX));
                if seen.admitted.len() % LOOKED == 1 {
                    let text = String::from_utf8_lossy(&buffer);
                    let id = text.split("\"id\":\"").nth(1).and_then(|rest| rest.split('"').next());
                    seen.kept.push((n, id.unwrap_or_default().to_owned()));
                }
            }
            Ok((429 | 503, true)) => seen.refused += 1,
            Ok((status, retry_after)) => {
                seen.wrong.push(format!("{status}, Retry-After: {retry_after}"));
            }
            Err(error) => {
                stream = None;
                seen.wrong.push(error.to_string());
            }
        }
        n += 1;
    }
    seen
}

/// One call; its status, and whether it says when to come again.
async fn call(
    address: SocketAddr,
    stream: &mut Option<TcpStream>,
    buffer: &mut Vec<u8>,
    n: u64,
) -> std::io::Result<(u16, bool)> {
    let open = match stream.take() {
        Some(open) => open,
        None => TcpStream::connect(address).await?,
    };
    let open = stream.insert(open);
    open.set_nodelay(true)?;
    let body = body(n, TEXT);
    let request = format!(
        "POST /t/note HTTP/1.1\r\nhost: a\r\ncontent-type: application/json\r\ncontent-length: {}\r\n\r\n{body}",
        body.len()
    );
    open.write_all(request.as_bytes()).await?;
    buffer.clear();
    loop {
        if open.read_buf(buffer).await? == 0 {
            return Err(std::io::ErrorKind::UnexpectedEof.into());
        }
        let mut headers = [httparse::EMPTY_HEADER; 32];
        let mut response = httparse::Response::new(&mut headers);
        let Ok(httparse::Status::Complete(head)) = response.parse(buffer) else { continue };
        let header = |name: &str| {
            let found = response.headers.iter().find(|one| one.name.eq_ignore_ascii_case(name));
            found.and_then(|header| std::str::from_utf8(header.value).ok())
        };
        let length: usize =
            header("content-length").and_then(|text| text.parse().ok()).unwrap_or(0);
        if buffer.len() >= head + length {
            let outcome = (response.code.unwrap_or(0), header("retry-after").is_some());
            if header("connection").is_some_and(|value| value.eq_ignore_ascii_case("close")) {
                *stream = None;
            }
            return Ok(outcome);
        }
    }
}
