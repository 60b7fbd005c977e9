//! How fast e-mail leaves over SMTP, as a ratio to lettre's connection pool (the usual way in
//! Rust) to the same server on this machine in the same run. The server takes everything and
//! offers PIPELINING; it answers at once, or after a pause that stands for the way to a relay
//! elsewhere. Each message is a full one, made as a sequence makes it.
//!
//! `cargo bench --bench smtp` prints one line per case: messages per second of both, best of
//! three, and the ratio.
#![expect(clippy::disallowed_methods, reason = "a benchmark measures with the clock")]
#![allow(clippy::print_stdout, clippy::unwrap_used, reason = "a benchmark prints, or fails")]

use std::sync::Arc;
use std::time::{Duration, Instant};

use lettre::transport::smtp::{AsyncSmtpTransport, PoolConfig};
use lettre::{Address, AsyncTransport as _, Tokio1Executor};
use rulerun::base::source::{SourceMap, Span};
use rulerun::base::time::{Timestamp, Zone};
use rulerun::mail::{MailRequest, render};
use rulerun::model::Content;
use rulerun::model::queue::Email;
use rulerun::model::rules::{MailKind, Sender};
use rulerun::serve::deliver::smtp::Smtp;
use tokio::io::{AsyncBufReadExt as _, AsyncWriteExt as _, BufReader};
use tokio::net::{TcpListener, TcpStream};
use tokio::runtime::{Builder, Runtime};
use tokio::task::JoinSet;

/// Connections at once, on both sides.
const CONNECTIONS: usize = 8;
/// Runs of each, of which the best counts.
const RUNS: usize = 3;
/// The deadline of one message.
const PATIENCE: Duration = Duration::from_secs(30);

fn main() {
    // `cargo test --benches` only wants to see that it builds.
    if !std::env::args().any(|argument| argument == "--bench") {
        return;
    }
    for (name, pause, messages) in [
        ("the server is on this machine", Duration::ZERO, 2_000),
        ("each answer takes 20 ms", Duration::from_millis(20), 400),
    ] {
        let sink = Builder::new_multi_thread().worker_threads(1).enable_all().build().unwrap();
        let port = sink.block_on(listen(pause));
        let ours = best(|runtime| runtime.block_on(with_rulerun(port, messages)));
        let theirs = best(|runtime| runtime.block_on(with_lettre(port, messages)));
        let rate = |took: Duration| f64::from(messages) / took.as_secs_f64();
        println!(
            "{name}: {:.0} messages/s, lettre's pool {:.0} messages/s, ratio {:.2}",
            rate(ours),
            rate(theirs),
            rate(ours) / rate(theirs)
        );
        sink.shutdown_background();
    }
}

fn best(run: impl Fn(&Runtime) -> Duration) -> Duration {
    let timed =
        |_| run(&Builder::new_multi_thread().worker_threads(1).enable_all().build().unwrap());
    (0..RUNS).map(timed).min().unwrap()
}

async fn with_rulerun(port: u16, messages: u32) -> Duration {
    let smtp = Smtp::from_url(&format!("smtp://127.0.0.1:{port}?tls=none"), None).unwrap();
    let smtp = Arc::new(smtp.limited(CONNECTIONS, u32::MAX));
    let email = Arc::new(email());
    let began = Instant::now();
    let mut senders = JoinSet::new();
    for sender in 0..CONNECTIONS {
        let (smtp, email) = (Arc::clone(&smtp), Arc::clone(&email));
        senders.spawn(async move {
            for _ in (sender..messages as usize).step_by(CONNECTIONS) {
                let tried = smtp.send(&email, PATIENCE).await;
                assert_eq!(tried.error, None, "{tried:?}");
            }
        });
    }
    senders.join_all().await;
    began.elapsed()
}

async fn with_lettre(port: u16, messages: u32) -> Duration {
    let pool = PoolConfig::new().max_size(u32::try_from(CONNECTIONS).unwrap());
    let transport = AsyncSmtpTransport::<Tokio1Executor>::builder_dangerous("127.0.0.1")
        .port(port)
        .pool_config(pool)
        .build();
    let email = Arc::new(email());
    let parse = |text: &str| text.parse::<Address>().unwrap();
    let (from, to) = (parse(&email.from), parse(&email.to));
    let envelope = lettre::address::Envelope::new(Some(from), vec![to]).unwrap();
    let began = Instant::now();
    let mut senders = JoinSet::new();
    for sender in 0..CONNECTIONS {
        let (transport, email) = (transport.clone(), Arc::clone(&email));
        let envelope = envelope.clone();
        senders.spawn(async move {
            for _ in (sender..messages as usize).step_by(CONNECTIONS) {
                transport.send_raw(&envelope, &email.message).await.unwrap();
            }
        });
    }
    senders.join_all().await;
    began.elapsed()
}

fn email() -> Email {
    let sender = Sender {
        name: Some("Acme".to_owned()),
        address: "hello@acme.example".to_owned(),
        reply_to: None,
        postal_address: Some("Acme, 1 Main St, Springfield".to_owned()),
        caps: Vec::new(),
        seeds: Vec::new(),
        zone: Zone::UTC,
        span: Span::new(SourceMap::new().add("rules.kdl", ""), 0..0),
    };
    render(&MailRequest {
        sequence: "onboarding",
        name: "onboarding-1",
        kind: MailKind::Marketing,
        sender: &sender,
        to: "sarah@salon.example",
        subject: "Your first week".to_owned(),
        content: Content::markdown("Hi Sarah,\n\nhere is what to do first.\n\n".repeat(20)),
        unsubscribe_url: Some("https://mail.acme.example/u/1".to_owned()),
        message_id: "1".to_owned(),
        at: Timestamp::UNIX_EPOCH,
    })
    .unwrap()
}

/// A server that takes everything; answers its port.
async fn listen(pause: Duration) -> u16 {
    let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
    let port = listener.local_addr().unwrap().port();
    tokio::spawn(async move {
        while let Ok((stream, _)) = listener.accept().await {
            tokio::spawn(take(stream, pause));
        }
    });
    port
}

/// Answers what has come, all of it together, after the pause.
async fn take(stream: TcpStream, pause: Duration) -> Option<()> {
    stream.set_nodelay(true).ok()?;
    let mut stream = BufReader::with_capacity(64 * 1024, stream);
    stream.write_all(b"220 sink ESMTP\r\n").await.ok()?;
    let (mut line, mut answers, mut body) = (Vec::new(), Vec::new(), false);
    loop {
        line.clear();
        if stream.read_until(b'\n', &mut line).await.ok()? == 0 {
            return None;
        }
        let answer: &[u8] = match line.get(..4).unwrap_or(&line) {
            _ if body && line != b".\r\n" => continue,
            b"EHLO" => b"250-sink\r\n250 PIPELINING\r\n",
            b"DATA" => b"354 go on\r\n",
            _ => b"250 2.0.0 ok\r\n",
        };
        body = line == b"DATA\r\n";
        answers.extend_from_slice(answer);
        if stream.buffer().is_empty() {
            tokio::time::sleep(pause).await;
            stream.write_all(&answers).await.ok()?;
            answers.clear();
        }
    }
}
