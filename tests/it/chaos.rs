//! A thousand deliveries through a receiver that delays, hangs, drips, breaks off, resets and
//! redirects: none is lost, every attempt ends in time, no service gets more at once than it
//! may, and every attempt carries the same id and bytes. `RULERUN_CHAOS=10000` makes it longer.

use std::collections::HashMap;
use std::sync::{Arc, Mutex};
use std::time::Duration;

use rulerun::store::WebhookLog;
use serde_json::json;
use tokio::io::{AsyncReadExt as _, AsyncWriteExt as _};
use tokio::net::{TcpListener, TcpStream};
use tokio::time::{Instant, sleep};

use crate::support::server::{Make, TestServer};

const RULES: &str = r#"
service "a" type="http" {
    url (env)"BASE"
    timeout "400ms"
    in-flight 24
    retry "50ms" "50ms" "100ms" "100ms" "100ms" "200ms" "200ms" "200ms" "200ms" "200ms" "200ms" "200ms"
}
events to="a" path="/a" { event "ping" }
schema "ping" { number integer }
"#;
const TIMEOUT_MILLIS: u64 = 400;
const IN_FLIGHT: usize = 24;
/// Attempts that the receiver has not noticed yet that they were given up.
const UNNOTICED: usize = 8;
/// How long all of it may take, for a thousand deliveries.
const PATIENCE: Duration = Duration::from_mins(1);

/// What the receiver does with one request.
#[derive(Clone, Copy, Debug)]
enum Mood {
    Fine,
    /// Answers, but so late.
    Late(u64),
    /// Takes the request and says nothing.
    Hangs,
    /// One byte at a time.
    Drips,
    /// Less than announced.
    Truncates,
    /// Resets the connection after so many bytes of its answer.
    Resets(usize),
    Fails,
}

/// What was seen of one delivery.
#[derive(Debug, Default)]
struct Seen {
    body: Vec<u8>,
    attempts: u64,
    /// Whether a good answer was written to its end.
    answered: bool,
    /// Whether it came again after that: the deadline passed before the answer was read.
    doubled: bool,
}

#[derive(Debug, Default)]
struct Chaos {
    seen: Mutex<HashMap<String, Seen>>,
    /// Requests under way now, and most of them at once.
    open: Mutex<(usize, usize)>,
    /// What should never happen.
    wrong: Mutex<Vec<String>>,
}

impl Chaos {
    async fn start() -> (Arc<Self>, String) {
        let chaos = Arc::<Self>::default();
        let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
        let url = format!("http://{}", listener.local_addr().unwrap());
        let shared = Arc::clone(&chaos);
        tokio::spawn(async move {
            while let Ok((stream, _)) = listener.accept().await {
                let chaos = Arc::clone(&shared);
                tokio::spawn(async move { chaos.connection(stream).await });
            }
        });
        (chaos, url)
    }

    async fn connection(&self, mut stream: TcpStream) {
        while let Some((id, body)) = request(&mut stream).await {
            {
                let mut open = self.open.lock().unwrap();
                open.0 += 1;
                open.1 = open.1.max(open.0);
            }
            let mood = self.note(&id, body);
            // Who gives up hangs up: reading notices.
            let mut rest = [0; 16];
            let (mut reader, mut writer) = stream.split();
            let stays = tokio::select! {
                stays = act(mood, &mut writer) => stays,
                _ = reader.read(&mut rest) => false,
            };
            self.open.lock().unwrap().0 -= 1;
            if matches!(mood, Mood::Resets(_)) {
                let _ = stream.set_zero_linger();
            }
            if !stays {
                return;
            }
            self.seen.lock().unwrap().entry(id).or_default().answered = true;
        }
    }

    /// Notes an attempt; answers what is done with it: three in ten deliveries go wrong up to
    /// three times, each in a way of its own.
    fn note(&self, id: &str, body: Vec<u8>) -> Mood {
        let mut seen = self.seen.lock().unwrap();
        let seen = seen.entry(id.to_owned()).or_default();
        let mut wrong = self.wrong.lock().unwrap();
        if seen.attempts > 0 && seen.body != body {
            wrong.push(format!("{id}: other bytes on attempt {}", seen.attempts + 1));
        }
        seen.doubled |= seen.answered;
        seen.body = body;
        seen.attempts += 1;
        let draw = draw(id, 0);
        if draw % 10 >= 3 || seen.attempts > 1 + draw / 10 % 3 {
            return Mood::Fine;
        }
        match self::draw(id, seen.attempts) % 7 {
            0 => Mood::Late(TIMEOUT_MILLIS / 2),
            1 => Mood::Late(TIMEOUT_MILLIS * 5),
            2 => Mood::Hangs,
            3 => Mood::Drips,
            4 => Mood::Truncates,
            5 => Mood::Resets((self::draw(id, 9) % 40).try_into().unwrap()),
            _ => Mood::Fails,
        }
    }
}

/// A number that hangs on the delivery and its attempt alone (FNV-1a).
fn draw(id: &str, attempt: u64) -> u64 {
    let start = 0xcbf2_9ce4_8422_2325 ^ attempt;
    id.bytes().fold(start, |hash, byte| (hash ^ u64::from(byte)).wrapping_mul(0x0100_0000_01b3))
        >> 7
}

const OK: &[u8] = b"HTTP/1.1 200 OK\r\ncontent-length: 12\r\n\r\nthat is fine";

/// Answers; whether the whole of a good answer was written.
async fn act(mood: Mood, stream: &mut (impl tokio::io::AsyncWrite + Unpin)) -> bool {
    match mood {
        Mood::Fine => stream.write_all(OK).await.is_ok(),
        Mood::Late(millis) => {
            sleep(Duration::from_millis(millis)).await;
            stream.write_all(OK).await.is_ok()
        }
        Mood::Hangs => std::future::pending().await,
        Mood::Drips => {
            for byte in OK {
                if stream.write_all(&[*byte]).await.is_err() {
                    return false;
                }
                sleep(Duration::from_millis(TIMEOUT_MILLIS / 4)).await;
            }
            true
        }
        Mood::Truncates => {
            let _ = stream.write_all(&OK[..OK.len() - 3]).await;
            false
        }
        Mood::Resets(bytes) => {
            let _ = stream.write_all(&OK[..bytes]).await;
            false
        }
        Mood::Fails => {
            let _ = stream
                .write_all(b"HTTP/1.1 503 Later\r\ncontent-length: 0\r\nconnection: close\r\n\r\n")
                .await;
            false
        }
    }
}

/// One request: its `webhook-id` and its body.
async fn request(stream: &mut TcpStream) -> Option<(String, Vec<u8>)> {
    let mut bytes = Vec::new();
    loop {
        if let Some(end) = bytes.windows(4).position(|four| four == b"\r\n\r\n") {
            let head = String::from_utf8(bytes[..end].to_vec()).unwrap();
            let value = |name: &str| {
                let mut lines = head.lines().filter_map(|line| line.split_once(": "));
                Some(lines.find(|(found, _)| *found == name)?.1.to_owned())
            };
            let length: usize = value("content-length")?.parse().unwrap();
            if bytes.len() >= end + 4 + length {
                return Some((value("webhook-id")?, bytes[end + 4..].to_vec()));
            }
        }
        if stream.read_buf(&mut bytes).await.ok()? == 0 {
            return None;
        }
    }
}

#[allow(clippy::disallowed_methods, reason = "tests are told by the environment")]
fn deliveries() -> usize {
    std::env::var("RULERUN_CHAOS").ok().and_then(|count| count.parse().ok()).unwrap_or(1_000)
}

#[tokio::test(flavor = "multi_thread")]
async fn a_thousand_deliveries_through_chaos_all_arrive_unchanged_and_in_time() {
    let count = deliveries();
    let (chaos, url) = Chaos::start().await;
    let make = Make::empty().env("BASE", &url).file("rules/t.kdl", RULES);
    let server = make.start().await;
    let begun = Instant::now();
    queue(&server, count).await;
    let mut most_by_gate = 0;
    loop {
        let at_once = server.app().gates.states(server.app().clock.passing());
        most_by_gate =
            at_once.iter().map(|(_, _, at_once)| *at_once).fold(most_by_gate, usize::max);
        let [_, _, sent, failed, cancelled] = counts(&server).await;
        assert_eq!((failed, cancelled), (0, 0), "lost");
        if sent == count as u64 {
            break;
        }
        let patience = PATIENCE * u32::try_from(count.div_ceil(1_000)).unwrap();
        assert!(begun.elapsed() < patience, "{sent} of {count} sent");
        sleep(Duration::from_millis(10)).await;
    }
    let logs = server.app().store.webhook_logs(0, 100 * count).await.unwrap();
    let attempts: Vec<u64> = logs
        .iter()
        .filter_map(|log| match log {
            WebhookLog::Attempt(attempt) => Some(attempt.duration_ms),
            _ => None,
        })
        .collect();
    let longest = attempts.iter().max().copied().unwrap_or_default();
    let (_, most) = *chaos.open.lock().unwrap();
    let seen = chaos.seen.lock().unwrap();
    let again = seen.values().filter(|seen| seen.attempts > 1).count();
    let doubled = seen.values().filter(|seen| seen.doubled).count();
    eprintln!(
        "chaos: cases={count} acked={count} lost={} duplicated={doubled} skipped=0; {} attempts, {again} \
         deliveries tried again, longest attempt {longest} ms, at most {most} at once, in {:?}",
        count - seen.len(),
        attempts.len(),
        begun.elapsed()
    );
    assert_eq!(*chaos.wrong.lock().unwrap(), Vec::<String>::new());
    assert_eq!(seen.len(), count);
    assert!(again > count / 10, "there was chaos");
    assert!(doubled <= count / 50, "{doubled} came again although they were answered");
    assert!(longest <= TIMEOUT_MILLIS + 1_000, "an attempt took {longest} ms");
    assert!(most_by_gate <= IN_FLIGHT, "{most_by_gate} at once");
    assert!(most <= IN_FLIGHT + UNNOTICED, "{most} at once as the receiver sees it");
}

/// Makes so many deliveries durable; the first are sent meanwhile.
async fn queue(server: &TestServer, count: usize) {
    for number in 0..count {
        let answer = server.post("/api/v1/events/ping", &json!({ "number": number })).await;
        assert_eq!(answer.status, 202, "{}", answer.text);
    }
}

async fn counts(server: &TestServer) -> [u64; 5] {
    let mut all = [0; 5];
    for (_, stat) in server.app().store.stats().await.unwrap() {
        for (sum, count) in all.iter_mut().zip(stat.counts) {
            *sum += count;
        }
    }
    all
}
