//! Callers: each posts over a connection of its own until it is told to stop or the server
//! is gone. What was answered, refused or left open is kept in the [`Book`].

use std::collections::BTreeMap;
use std::io::{Read as _, Write as _};
use std::net::{SocketAddr, TcpStream};
use std::ops::Range;
use std::sync::atomic::{AtomicBool, AtomicU64, AtomicUsize, Ordering};
use std::sync::{Arc, Mutex, MutexGuard};
use std::thread::JoinHandle;
use std::time::{Duration, Instant};

/// How long an answer may take.
const PATIENCE: Duration = Duration::from_secs(30);

/// An answer.
#[derive(Default)]
pub(crate) struct Reply {
    pub(crate) status: u16,
    /// Its body.
    pub(crate) text: String,
    /// Whether it says when to come again.
    pub(crate) retry_after: bool,
    /// Whether it is the first answer again.
    pub(crate) repeated: bool,
    closes: bool,
}

impl Reply {
    /// Its body as JSON.
    pub(crate) fn json(&self) -> serde_json::Value {
        serde_json::from_str(&self.text).unwrap_or_default()
    }
}

/// Why there is no answer.
#[derive(Debug)]
pub(crate) enum Broken {
    /// Nobody listens: nothing was sent.
    Refused,
    /// The connection ended before the answer did.
    Gone(#[allow(dead_code, reason = "shown where it surprises")] String),
}

/// A connection that is kept, and made again where it was closed.
pub(crate) struct Client {
    address: SocketAddr,
    stream: Option<TcpStream>,
    buffer: Vec<u8>,
}

impl Client {
    pub(crate) fn new(address: SocketAddr) -> Self {
        Self { address, stream: None, buffer: Vec::new() }
    }

    /// Posts JSON.
    pub(crate) fn post(&mut self, path: &str, headers: &str, body: &str) -> Result<Reply, Broken> {
        let head = format!(
            "POST {path} HTTP/1.1\r\nhost: {}\r\ncontent-type: application/json\r\ncontent-length: {}\r\n{headers}\r\n",
            self.address,
            body.len()
        );
        self.send(&[head.as_bytes(), body.as_bytes()].concat())
    }

    /// Reads.
    pub(crate) fn get(&mut self, path: &str) -> Result<Reply, Broken> {
        self.send(format!("GET {path} HTTP/1.1\r\nhost: {}\r\n\r\n", self.address).as_bytes())
    }

    fn send(&mut self, request: &[u8]) -> Result<Reply, Broken> {
        let mut stream = match self.stream.take() {
            Some(stream) => stream,
            None => {
                TcpStream::connect_timeout(&self.address, PATIENCE).map_err(|_| Broken::Refused)?
            }
        };
        let gone = |error: std::io::Error| Broken::Gone(error.to_string());
        stream.set_nodelay(true).map_err(gone)?;
        stream.set_read_timeout(Some(PATIENCE)).map_err(gone)?;
        let sent = stream.write_all(request);
        // Who is refused before the end of a long body still finds the answer.
        let reply = self.read(&mut stream).map_err(gone)?;
        if sent.is_ok() && !reply.closes {
            self.stream = Some(stream);
        }
        Ok(reply)
    }

    fn read(&mut self, stream: &mut TcpStream) -> std::io::Result<Reply> {
        self.buffer.clear();
        let mut chunk = [0; 16 * 1024];
        loop {
            let read = stream.read(&mut chunk)?;
            if read == 0 {
                return Err(std::io::ErrorKind::UnexpectedEof.into());
            }
            self.buffer.extend_from_slice(&chunk[..read]);
            if let Some(reply) = parse(&self.buffer) {
                return Ok(reply);
            }
        }
    }
}

/// The answer, once it is whole.
fn parse(buffer: &[u8]) -> Option<Reply> {
    let mut headers = [httparse::EMPTY_HEADER; 40];
    let mut response = httparse::Response::new(&mut headers);
    let httparse::Status::Complete(head) = response.parse(buffer).ok()? else { return None };
    let header = |name: &str| {
        let found = response.headers.iter().find(|header| header.name.eq_ignore_ascii_case(name));
        found.and_then(|header| std::str::from_utf8(header.value).ok())
    };
    let length: usize = header("content-length").and_then(|text| text.parse().ok()).unwrap_or(0);
    let body = buffer.get(head..head + length)?;
    Some(Reply {
        status: response.code?,
        text: String::from_utf8_lossy(body).into_owned(),
        retry_after: header("retry-after").is_some(),
        repeated: header("idempotent-replay").is_some(),
        closes: header("connection").is_some_and(|value| value.eq_ignore_ascii_case("close")),
    })
}

/// A call that was answered with 2xx.
#[derive(Clone)]
pub(crate) struct Acked {
    /// Its execution.
    pub(crate) id: String,
    /// How long its text is.
    pub(crate) length: usize,
    /// When the call was made.
    pub(crate) sent: Instant,
}

/// What became of all calls.
#[derive(Default)]
pub(crate) struct Pages {
    /// By number.
    pub(crate) acked: BTreeMap<u64, Acked>,
    /// Calls without an answer, with the length of their text.
    pub(crate) open: Vec<(u64, usize)>,
    /// When calls were refused with 429 or 503.
    pub(crate) refused: Vec<Instant>,
    /// How long the slowest refusal took.
    pub(crate) slowest_refusal: Duration,
    /// What must never happen.
    pub(crate) wrong: Vec<String>,
}

/// The book of all calls of a test.
#[derive(Default)]
pub(crate) struct Book {
    next: AtomicU64,
    pages: Mutex<Pages>,
}

impl Book {
    pub(crate) fn pages(&self) -> MutexGuard<'_, Pages> {
        self.pages.lock().unwrap()
    }

    /// Calls that were answered with 2xx so far.
    pub(crate) fn acked(&self) -> usize {
        self.pages().acked.len()
    }
}

/// Every so many calls one carries an idempotency key.
const KEYED: u64 = 5;

/// The header with the key of a call, if it has one.
pub(crate) fn key(n: u64) -> String {
    if n.is_multiple_of(KEYED) { format!("idempotency-key: call-{n}\r\n") } else { String::new() }
}

/// The body of a call: always the same for a number and a length.
pub(crate) fn body(n: u64, length: usize) -> String {
    let letters: String = (0..26).map(|at| char::from(b'a' + ((n + at) % 26) as u8)).collect();
    let mut text = letters.repeat(length / 26 + 1);
    text.truncate(length);
    format!("{{\"n\":{n},\"text\":\"{text}\"}}")
}

/// How callers call.
#[derive(Clone)]
pub(crate) struct Plan {
    /// How many at once.
    pub(crate) callers: usize,
    /// They rest so long after each answer.
    pub(crate) rest: Duration,
    /// The length of the text in each call.
    pub(crate) length: Range<usize>,
    /// No more calls than this together.
    pub(crate) most: usize,
    /// Where.
    pub(crate) path: &'static str,
}

impl Plan {
    /// Small calls to `/t/note`.
    pub(crate) fn small(callers: usize, rest: Duration) -> Self {
        Self { callers, rest, length: 0..200, most: usize::MAX, path: "/t/note" }
    }
}

/// Callers at work.
pub(crate) struct Load {
    stop: Arc<AtomicBool>,
    open: Arc<AtomicUsize>,
    callers: Vec<JoinHandle<()>>,
}

impl Load {
    /// Begins to call.
    pub(crate) fn on(address: SocketAddr, book: &Arc<Book>, plan: &Plan) -> Self {
        let stop = Arc::new(AtomicBool::new(false));
        let left = Arc::new(AtomicUsize::new(plan.most));
        let open = Arc::<AtomicUsize>::default();
        let callers = (0..plan.callers)
            .map(|_| {
                let mut caller = Caller {
                    client: Client::new(address),
                    book: Arc::clone(book),
                    open: Arc::clone(&open),
                    plan: plan.clone(),
                };
                let (stop, left) = (Arc::clone(&stop), Arc::clone(&left));
                std::thread::spawn(move || {
                    let take = |left: usize| left.checked_sub(1);
                    while !stop.load(Ordering::Relaxed)
                        && left.fetch_update(Ordering::Relaxed, Ordering::Relaxed, take).is_ok()
                        && caller.call()
                    {
                        std::thread::sleep(caller.plan.rest);
                    }
                })
            })
            .collect();
        Self { stop, open, callers }
    }

    /// Calls that have no answer yet at this moment.
    pub(crate) fn open(&self) -> usize {
        self.open.load(Ordering::Relaxed)
    }

    /// Lets every open call end.
    pub(crate) fn end(self) {
        self.stop.store(true, Ordering::Relaxed);
        for caller in self.callers {
            caller.join().unwrap();
        }
    }
}

struct Caller {
    client: Client,
    book: Arc<Book>,
    open: Arc<AtomicUsize>,
    plan: Plan,
}

impl Caller {
    /// Calls once; false when nobody listens any more.
    fn call(&mut self) -> bool {
        let n = self.book.next.fetch_add(1, Ordering::Relaxed);
        let range = &self.plan.length;
        let spread = n.wrapping_mul(0x9e37_79b9_7f4a_7c15) >> 33;
        let length = range.start + spread as usize % (range.end - range.start).max(1);
        let sent = Instant::now();
        let body = body(n, length);
        self.open.fetch_add(1, Ordering::Relaxed);
        let answer = self.client.post(self.plan.path, &key(n), &body);
        self.open.fetch_sub(1, Ordering::Relaxed);
        let mut pages = self.book.pages();
        match answer {
            Ok(reply) if reply.status == 200 => {
                let id = reply.json()["id"].as_str().unwrap_or_default().to_owned();
                pages.acked.insert(n, Acked { id, length, sent });
            }
            Ok(reply) if matches!(reply.status, 429 | 503) => {
                pages.refused.push(Instant::now());
                pages.slowest_refusal = pages.slowest_refusal.max(sent.elapsed());
                if !reply.retry_after {
                    pages.wrong.push(format!("{} without Retry-After", reply.status));
                }
                drop(pages);
                std::thread::sleep(Duration::from_millis(10));
            }
            Ok(reply) => pages.wrong.push(format!("call {n}: {} {}", reply.status, reply.text)),
            Err(Broken::Refused) => return false,
            Err(Broken::Gone(_)) => pages.open.push((n, length)),
        }
        true
    }
}
