//! A crowd that calls one endpoint and costs little itself: one thread and bare sockets. At
//! the peak each caller waits for its answer before it calls again; in an overload every call
//! begins at its moment, whatever became of those before it.

use std::collections::VecDeque;
use std::net::SocketAddr;
use std::sync::{Arc, Mutex};
use std::time::{Duration, Instant};

use tokio::io::{AsyncReadExt as _, AsyncWriteExt as _};
use tokio::net::TcpStream;
use tokio::task::JoinSet;

use crate::load::body;

/// Calls that wait for their answers at once, and so connections of the crowd: far more than a
/// server keeps, which must turn the others away in words.
const MOST: usize = 8_000;
/// How long an answer may take.
const PATIENCE: Duration = Duration::from_secs(10);
/// How often it is looked whose moment has come.
const TICK: Duration = Duration::from_millis(1);
/// Of so many admitted calls one is kept, to be looked for afterwards.
const LOOKED: usize = 100;
/// Length of the text in each call.
const TEXT: usize = 300;

/// What a crowd saw.
#[derive(Default)]
pub(crate) struct Seen {
    /// Answer times of admitted calls, in microseconds.
    pub(crate) admitted: Vec<u32>,
    /// Calls that were turned away, and told when to come again.
    pub(crate) refused: usize,
    /// Those of them whose connection was closed, as it was one too many.
    pub(crate) at_the_door: usize,
    /// Calls that never began, because too many had no answer yet.
    pub(crate) not_begun: usize,
    /// Some of the executions, with their numbers.
    pub(crate) kept: Vec<(u64, String)>,
    /// Calls without an answer, and answers that must not be.
    pub(crate) wrong: Vec<String>,
}

/// So many callers for a while; each calls again as soon as it has its answer. Their numbers
/// begin at `from`.
pub(crate) fn patient(address: SocketAddr, count: usize, time: Duration, from: u64) -> Seen {
    gather(address, async |crowd, open| {
        let end = Instant::now() + time;
        for caller in 0..count as u64 {
            let crowd = Arc::clone(crowd);
            open.spawn(async move {
                let mut n = from + (caller << 24);
                while Instant::now() < end {
                    crowd.call(n).await;
                    n += 1;
                }
            });
        }
    })
}

/// So many calls a second for a while. Their numbers begin at `from`.
pub(crate) fn steady(address: SocketAddr, rate: u64, time: Duration, from: u64) -> Seen {
    gather(address, async |crowd, open| {
        let (began, mut begun) = (Instant::now(), 0);
        while began.elapsed() < time {
            let due = u64::try_from(began.elapsed().as_micros()).unwrap() * rate / 1_000_000;
            for n in begun..due {
                while open.try_join_next().is_some() {}
                if open.len() >= MOST {
                    crowd.seen.lock().unwrap().not_begun += 1;
                    continue;
                }
                let crowd = Arc::clone(crowd);
                open.spawn(async move { crowd.call(from + n).await });
            }
            begun = due;
            tokio::time::sleep(TICK).await;
        }
    })
}

/// Lets calls begin, waits for the last answer, and tells what was seen.
fn gather(address: SocketAddr, begin: impl AsyncFnOnce(&Arc<Crowd>, &mut JoinSet<()>)) -> Seen {
    let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build().unwrap();
    runtime.block_on(async {
        let crowd = Arc::new(Crowd { address, free: Mutex::default(), seen: Mutex::default() });
        let mut open = JoinSet::new();
        begin(&crowd, &mut open).await;
        open.join_all().await;
        std::mem::take(&mut *crowd.seen.lock().unwrap())
    })
}

struct Crowd {
    address: SocketAddr,
    /// Connections over which nothing is said at the moment. The one that has rested longest
    /// is used first, so that none rests until the server closes it.
    free: Mutex<VecDeque<TcpStream>>,
    seen: Mutex<Seen>,
}

impl Crowd {
    /// One call, over a free connection or a fresh one.
    async fn call(&self, n: u64) {
        let sent = Instant::now();
        let free = self.free.lock().unwrap().pop_front();
        let outcome = tokio::time::timeout(PATIENCE, call(self.address, free, n)).await;
        let took = u32::try_from(sent.elapsed().as_micros()).unwrap_or(u32::MAX);
        let mut seen = self.seen.lock().unwrap();
        match outcome.unwrap_or_else(|_| Err(std::io::ErrorKind::TimedOut.into())) {
            Ok(answer) => {
                match (answer.status, answer.retry_after) {
                    (200, _) => {
                        if seen.admitted.len().is_multiple_of(LOOKED) {
                            seen.kept.push((n, answer.id()));
                        }
                        seen.admitted.push(took);
                    }
                    (429 | 503, true) => {
                        seen.refused += 1;
                        seen.at_the_door += usize::from(answer.stream.is_none());
                    }
                    (status, told) => seen.wrong.push(format!("{status}, Retry-After: {told}")),
                }
                self.free.lock().unwrap().extend(answer.stream);
            }
            Err(error) => seen.wrong.push(error.to_string()),
        }
    }
}

struct Answer {
    status: u16,
    /// Whether it says when to come again.
    retry_after: bool,
    text: Vec<u8>,
    /// The connection, unless the server closes it.
    stream: Option<TcpStream>,
}

impl Answer {
    /// The execution.
    fn id(&self) -> String {
        let text = String::from_utf8_lossy(&self.text);
        let id = text.split("\"id\":\"").nth(1).and_then(|rest| rest.split('"').next());
        id.unwrap_or_default().to_owned()
    }
}

async fn call(address: SocketAddr, free: Option<TcpStream>, n: u64) -> std::io::Result<Answer> {
    let mut stream = match free {
        Some(free) => free,
        None => TcpStream::connect(address).await?,
    };
    stream.set_nodelay(true)?;
    let body = body(n, TEXT);
    let request = format!(
        "POST /t/note HTTP/1.1\r\nhost: a\r\ncontent-type: application/json\r\ncontent-length: {}\r\n\r\n{body}",
        body.len()
    );
    stream.write_all(request.as_bytes()).await?;
    let mut text = Vec::with_capacity(1_024);
    loop {
        if stream.read_buf(&mut text).await? == 0 {
            return Err(std::io::ErrorKind::UnexpectedEof.into());
        }
        let mut headers = [httparse::EMPTY_HEADER; 32];
        let mut response = httparse::Response::new(&mut headers);
        let Ok(httparse::Status::Complete(head)) = response.parse(&text) else { continue };
        let header = |name: &str| {
            let found = response.headers.iter().find(|one| one.name.eq_ignore_ascii_case(name));
            found.and_then(|header| std::str::from_utf8(header.value).ok())
        };
        let length: usize =
            header("content-length").and_then(|text| text.parse().ok()).unwrap_or(0);
        if text.len() >= head + length {
            let closes = header("connection").is_some_and(|it| it.eq_ignore_ascii_case("close"));
            let status = response.code.unwrap_or(0);
            let retry_after = header("retry-after").is_some();
            return Ok(Answer { status, retry_after, text, stream: (!closes).then_some(stream) });
        }
    }
}
