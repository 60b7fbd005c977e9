//! Receivers that behave as badly as receivers can: whatever they answer, and however, an
//! attempt ends in time, keeps little, follows nobody, and says what was wrong.

use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::time::Duration;

use bytes::Bytes;
use hyper::Method;
use rulerun::model::{AttemptError, Tried};
use rulerun::serve::deliver::http::{HttpClient, Outgoing};
use rulerun::serve::deliver::smtp::Smtp;
use serde_json::json;
use tokio::io::{AsyncReadExt as _, AsyncWriteExt as _};
use tokio::net::{TcpListener, TcpStream};
use tokio::time::Instant;

use crate::support::binary::{Running, agent, post, until};
use crate::support::receiver::Receiver;
use crate::support::server::{Make, TestClock, eventually, results, write};

const TIMEOUT: Duration = Duration::from_millis(400);
/// How much later than its deadline an attempt may end, on a machine that does other things.
const GRACE: Duration = Duration::from_secs(1);

async fn send(client: &HttpClient, url: &str) -> Tried {
    let outgoing = Outgoing {
        method: Method::POST,
        url: url.to_owned(),
        headers: Vec::new(),
        body: Bytes::from_static(b"{}"),
        timeout: TIMEOUT,
        allow_private: false,
        now: "2025-12-01T10:00:00Z".parse().unwrap(),
    };
    let begun = Instant::now();
    let tried = client.send(outgoing).await;
    assert!(begun.elapsed() < TIMEOUT + GRACE, "it took {:?}: {tried:?}", begun.elapsed());
    assert!(tried.reply.len() <= 4 * 1024, "{} bytes were kept", tried.reply.len());
    tried
}

/// A receiver that reads the head of one request per connection and then does this.
async fn receiver<F>(act: impl Fn(TcpStream) -> F + Send + 'static) -> String
where
    F: Future<Output = ()> + Send + 'static,
{
    let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
    let url = format!("http://{}/hook", listener.local_addr().unwrap());
    tokio::spawn(async move {
        while let Ok((mut stream, _)) = listener.accept().await {
            let mut head = [0; 4096];
            if stream.read(&mut head).await.is_ok() {
                tokio::spawn(act(stream));
            }
        }
    });
    url
}

/// Writes the beginning and then the rest over and over, until the caller hangs up.
async fn endlessly(mut stream: TcpStream, beginning: &[u8], rest: Vec<u8>) {
    let _ = stream.write_all(beginning).await;
    while stream.write_all(&rest).await.is_ok() {}
}

#[tokio::test]
async fn a_redirect_is_told_and_never_followed_wherever_it_leads() {
    let visits = Arc::new(AtomicUsize::new(0));
    let count = Arc::clone(&visits);
    let elsewhere = receiver(move |_| {
        count.fetch_add(1, Ordering::SeqCst);
        async {}
    })
    .await;
    let client = HttpClient::new(None).unwrap();
    let targets = [
        &elsewhere,
        "http://169.254.169.254/latest/meta-data/",
        "http://10.0.0.1/",
        "//evil.example.com/x",
        "/elsewhere",
        "file:///etc/passwd",
        "https://user:pass@evil.example.com/",
    ];
    for status in [300, 301, 302, 303, 307, 308] {
        for target in targets {
            let head = format!("HTTP/1.1 {status} Moved\r\nlocation: {target}\r\n");
            let answer: Arc<str> = format!("{head}content-length: 0\r\n\r\n").into();
            let url = receiver(move |mut stream| {
                let answer = Arc::clone(&answer);
                async move { stream.write_all(answer.as_bytes()).await.unwrap() }
            })
            .await;
            let tried = send(&client, &url).await;
            assert_eq!((tried.error, tried.status), (Some(AttemptError::Redirect), Some(status)));
            let message = tried.message.unwrap();
            assert!(message.contains(&format!("a redirect to {target};")), "{message}");
        }
    }
    assert_eq!(visits.load(Ordering::SeqCst), 0);
}

#[tokio::test]
async fn what_never_ends_is_left_at_the_deadline_or_when_enough_was_read() {
    let client = HttpClient::new(None).unwrap();
    let early = b"HTTP/1.1 103 Early Hints\r\nlink: </a>\r\n\r\n".to_vec();
    let url = receiver(move |stream| endlessly(stream, b"", early.clone())).await;
    assert_eq!(send(&client, &url).await.error, Some(AttemptError::Timeout), "a flood of 1xx");

    let header = b"x-long: yyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyy\r\n".to_vec();
    let url =
        receiver(move |stream| endlessly(stream, b"HTTP/1.1 200 OK\r\n", header.clone())).await;
    let tried = send(&client, &url).await;
    assert_eq!(tried.error, Some(AttemptError::Connection), "endless headers: {tried:?}");

    let url = receiver(|mut stream| async move {
        let _ = stream.write_all(b"HTTP/1.1 200 OK\r\n").await;
        while stream.write_all(b"x").await.is_ok() {
            tokio::time::sleep(Duration::from_millis(30)).await;
        }
    })
    .await;
    assert_eq!(send(&client, &url).await.error, Some(AttemptError::Timeout), "a dripping head");

    let chunk = format!("1000\r\n{}\r\n", "x".repeat(4096)).into_bytes();
    let url = receiver(move |stream| {
        let head = b"HTTP/1.1 200 OK\r\ntransfer-encoding: chunked\r\n\r\n";
        endlessly(stream, head, chunk.clone())
    })
    .await;
    let tried = send(&client, &url).await;
    assert_eq!((tried.error, tried.status), (None, Some(200)), "endless chunks: {tried:?}");

    let bomb = b"HTTP/1.1 200 OK\r\ncontent-encoding: gzip\r\ncontent-length: 1073741824\r\n\r\n";
    let url = receiver(|stream| endlessly(stream, bomb, vec![0x1f; 16 * 1024])).await;
    let tried = send(&client, &url).await;
    assert_eq!(tried.error, None);
    assert_eq!(tried.reply, "(65536 bytes or more, compressed: gzip)", "it is never unpacked");
}

#[tokio::test]
async fn a_reply_that_breaks_off_anywhere_is_a_broken_connection() {
    const REPLY: &[u8] =
        b"HTTP/1.1 200 OK\r\ncontent-type: text/plain\r\ncontent-length: 20\r\n\r\nonly half of i";
    let client = HttpClient::new(None).unwrap();
    for bytes in [0, 1, 9, 15, 17, 30, 60, REPLY.len()] {
        for reset in [false, true] {
            let url = receiver(move |mut stream| async move {
                let _ = stream.write_all(&REPLY[..bytes]).await;
                tokio::time::sleep(Duration::from_millis(20)).await;
                if reset {
                    stream.set_zero_linger().unwrap();
                }
            })
            .await;
            let tried = send(&client, &url).await;
            assert_eq!(tried.error, Some(AttemptError::Connection), "{bytes} bytes: {tried:?}");
        }
    }
    for nonsense in [
        &b"HTTP/1.1 200 OK\r\ncontent-length: 5\r\ncontent-length: 6\r\n\r\nhello!"[..],
        b"HTTP/1.1 200 OK\r\ncontent-length: -1\r\n\r\nhello",
        b"HTTP/1.1 200 OK\r\ntransfer-encoding: chunked\r\n\r\nzz\r\nhello\r\n0\r\n\r\n",
        b"HTTP/1.1 200 OK\r\ntransfer-encoding: chunked\r\n\r\nffffffffffffffffff\r\nhello\r\n",
        b"HTTP/9.9 200 OK\r\n\r\n",
        b"HTTP/1.1 20000 OK\r\n\r\n",
        b"HTTP/1.1 200 OK\r\nbad header\r\n\r\n",
        b"\0\0\0\0\0\0\0\0\r\n\r\n",
    ] {
        let url =
            receiver(move |mut stream| async move { drop(stream.write_all(nonsense).await) }).await;
        let tried = send(&client, &url).await;
        let shown = String::from_utf8_lossy(nonsense);
        assert_eq!(tried.error, Some(AttemptError::Connection), "{shown}: {tried:?}");
    }
}

#[tokio::test]
async fn a_second_answer_to_one_request_is_never_taken_for_the_answer_to_the_next() {
    let url = receiver(|mut stream| async move {
        let reply = |text: &str| format!("HTTP/1.1 200 OK\r\ncontent-length: 5\r\n\r\n{text}");
        let both = [reply("first"), reply("stale")].concat();
        let _ = stream.write_all(both.as_bytes()).await;
        let _ = stream.read(&mut [0; 4096]).await;
    })
    .await;
    let client = HttpClient::new(None).unwrap();
    for _ in 0..5 {
        let tried = send(&client, &url).await;
        assert_ne!(tried.reply, "stale", "{tried:?}");
    }
}

#[tokio::test]
async fn a_mail_server_at_a_private_address_is_refused_like_any_other_service() {
    let mail = rulerun::model::queue::Email {
        sequence: "a".to_owned(),
        variant: None,
        name: "a-1".to_owned(),
        from: "a@example.com".to_owned(),
        to: "b@example.com".to_owned(),
        subject: "Hi".to_owned(),
        text: "Hi\n".to_owned(),
        marketing: false,
        message: b"Subject: Hi\r\n\r\nHi\r\n".to_vec(),
        handed: None,
    };
    for host in [
        "10.0.0.1",
        "169.254.169.254",
        "[fd00::1]",
        "[::ffff:10.0.0.1]",
        "0.0.0.0",
        "0xa000001",
        "167772161",
        "10.1",
        "0251.0376.0251.0376",
        "192.168.1",
    ] {
        // Of some spellings the reader of the setting says already that they name no server.
        let Ok(smtp) = Smtp::from_url(&format!("smtp://{host}:25?tls=none"), None) else {
            assert!(!host.starts_with('[') && host.parse::<std::net::IpAddr>().is_err(), "{host}");
            continue;
        };
        let tried = smtp.send(&mail, TIMEOUT).await;
        assert_eq!(tried.error, Some(AttemptError::Blocked), "{host}: {tried:?}");
        assert!(tried.message.unwrap().contains("allow-private"), "{host}");
    }
    let allowed = Smtp::from_url("smtp://0.0.0.0:1?tls=none", None).unwrap().allow_private(true);
    assert_ne!(allowed.send(&mail, TIMEOUT).await.error, Some(AttemptError::Blocked));
}

const RULES: &str = r#"
service "n8n" { url (env)"BASE"; retry "1s" "1s"; timeout "5s"; in-flight 1 }
service "other" type="http" { url (env)"OTHER"; retry "1s"; timeout "5s" }
events to="n8n" path="/hook" { event "ping"; event "pong" }
events to="other" path="/hook" { event "elsewhere" }
schema "ping" { kind text }
schema "pong" { kind text }
schema "elsewhere" { kind text }
"#;

#[tokio::test(flavor = "multi_thread")]
async fn a_429_slows_its_service_and_not_only_the_job_and_no_other_service() {
    let clock = TestClock::at("2026-01-05T10:00:00Z");
    let limited = Limited::start("20").await;
    let other = Receiver::start(&[]).await;
    let make = Make::empty().file("rules/t.kdl", RULES).clock(&clock);
    let server = make.env("BASE", &limited.url).env("OTHER", &other.url()).start().await;
    for event in ["ping", "pong", "ping", "pong", "elsewhere"] {
        let path = format!("/api/v1/events/{event}");
        assert_eq!(server.post(&path, &json!({ "kind": "x" })).await.status, 202);
    }
    eventually("the other service gets its own", || async { other.seen().len() == 1 }).await;
    eventually("the first is told to wait", || async { limited.count() == 1 }).await;
    eventually("and it is known", || async {
        server.get("/readyz").await.json()["closed_services"] == json!(["n8n"])
    })
    .await;
    // The retry would come after a second; the service asked for twenty.
    server.advance(&clock, Duration::from_millis(19_900)).await;
    assert_eq!(limited.count(), 1, "nothing is sent to it, of no event");
    server.advance(&clock, Duration::from_millis(200)).await;
    eventually("everything arrives", || async {
        server.advance(&clock, Duration::from_secs(1)).await;
        results(&server.get("/api/v1/queue?status=sent").await).len() == 5
    })
    .await;
    assert_eq!(limited.count(), 5, "four jobs, and the one attempt that was refused");
}

/// A receiver that answers its first request with 429 and this `Retry-After`, then 200.
struct Limited {
    url: String,
    count: Arc<AtomicUsize>,
}

impl Limited {
    async fn start(retry_after: &'static str) -> Self {
        let count = Arc::new(AtomicUsize::new(0));
        let counter = Arc::clone(&count);
        let url = receiver(move |mut stream| {
            let first = counter.fetch_add(1, Ordering::SeqCst) == 0;
            async move {
                let head = if first { "429 Slow Down" } else { "200 OK" };
                let head = format!("HTTP/1.1 {head}\r\nretry-after: {retry_after}\r\n");
                let answer = format!("{head}connection: close\r\ncontent-length: 0\r\n\r\n");
                let _ = stream.write_all(answer.as_bytes()).await;
            }
        })
        .await;
        Self { url: url.trim_end_matches("/hook").to_owned(), count }
    }

    fn count(&self) -> usize {
        self.count.load(Ordering::SeqCst)
    }
}

/// The memory that a process holds, in KiB.
fn memory(pid: u32) -> Option<u64> {
    let status = std::fs::read_to_string(format!("/proc/{pid}/status")).ok()?;
    let line = status.lines().find_map(|line| line.strip_prefix("VmRSS:"))?;
    line.split_whitespace().next()?.parse().ok()
}

#[tokio::test(flavor = "multi_thread")]
async fn replies_of_a_gigabyte_cost_no_memory() {
    let gigabyte = b"HTTP/1.1 200 OK\r\ncontent-length: 1073741824\r\n\r\n";
    let received = Arc::new(AtomicUsize::new(0));
    let count = Arc::clone(&received);
    let url = receiver(move |stream| {
        count.fetch_add(1, Ordering::SeqCst);
        endlessly(stream, gigabyte, vec![b'x'; 64 * 1024])
    })
    .await;
    let folder = tempfile::tempdir().unwrap();
    write(&folder.path().join("rules/t.kdl"), RULES);
    let base = url.trim_end_matches("/hook").to_owned();
    let grown = tokio::task::spawn_blocking(move || {
        let env = [("BASE", base.as_str()), ("OTHER", base.as_str())];
        let mut program = Running::serve(folder.path(), &env, &[]);
        let (address, agent) = (program.base(), agent());
        let send = |so_far: usize, more: usize| {
            for _ in 0..more {
                let event = format!("{address}/api/v1/events/ping");
                let (status, text) = post(&agent, &event, r#"{"kind":"x"}"#).unwrap();
                assert_eq!(status, 202, "{text}");
            }
            until("they are sent", || received.load(Ordering::SeqCst) == so_far + more);
        };
        // What grows with the first deliveries has grown by then.
        send(0, 100);
        let before = memory(program.id());
        send(100, 10);
        memory(program.id()).zip(before).map(|(after, before)| after.saturating_sub(before))
    })
    .await
    .unwrap();
    match grown {
        Some(grown) => {
            eprintln!("10 replies of 1 GB: {grown} KiB");
            assert!(grown < 1024, "10 replies cost {grown} KiB");
        }
        None => eprintln!("skipped: the memory of a process is not told here (no /proc)"),
    }
}
