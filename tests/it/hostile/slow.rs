//! Callers who take their time: heads, bodies and connections that are never finished.
#![allow(
    clippy::disallowed_methods,
    reason = "the limit of open files is the machine's, and CI decides what a smaller test means"
)]
#![allow(clippy::print_stderr, reason = "figures for people; a smaller test must not look whole")]

use std::io::Write as _;

use tokio::time::Instant;

use super::*;
use crate::support::binary::{Running, rulerun, until};
use crate::support::server::write;

const PATIENT: &str = r#"
server listen="127.0.0.1:8080" { limits per-client=20000 }
webhooks "g" { path "/in"; endpoint "open" { payload { email email } } }
"#;

/// What may come on top of twice as long, because the machine does other things: of the median,
/// and of the 99th percentile.
const NOISE: (Duration, Duration) = (Duration::from_millis(30), Duration::from_millis(250));

/// How many files this process may open.
fn open_files() -> usize {
    let limits = std::fs::read_to_string("/proc/self/limits").unwrap();
    let line = limits.lines().find_map(|line| line.strip_prefix("Max open files")).unwrap();
    line.split_whitespace().next().unwrap().parse().unwrap_or(usize::MAX)
}

/// Connections to hold: as many as wanted where this process may open so many files. Fewer are
/// told even where the words of a test that passes are kept back, and fail where `CI` is `true`.
fn as_many(wanted: usize) -> usize {
    let possible = open_files().saturating_sub(400).min(wanted);
    if possible < wanted {
        let why = format!("only {possible} of {wanted} connections: `ulimit -n` allows no more");
        assert_ne!(std::env::var("CI").as_deref(), Ok("true"), "{why}");
        let _ = writeln!(std::io::stderr(), "SMALLER: slow heads: {why}");
    }
    possible
}

/// The median and the 99th percentile.
fn median_and_p99(mut times: Vec<Duration>) -> (Duration, Duration) {
    times.sort();
    (times[times.len() / 2], times[times.len() * 99 / 100])
}

/// The real program where it may open so many files.
fn program(folder: &std::path::Path, files: usize) -> (Running, SocketAddr) {
    write(&folder.join("rules/a.kdl"), PATIENT);
    let mut command = std::process::Command::new("sh");
    let program = rulerun().get_program().to_owned();
    command
        .env_clear()
        .current_dir(folder)
        .args(["-c", &format!("ulimit -n {files} && exec \"$0\" \"$@\"")])
        .arg(program)
        .args(["serve", "--listen", "127.0.0.1:0", "--data", "data"])
        .stdin(std::process::Stdio::null());
    let mut server = Running::start(command);
    let address = server.base().strip_prefix("http://").unwrap().parse().unwrap();
    (server, address)
}

#[tokio::test(flavor = "multi_thread")]
async fn two_thousand_slow_heads_are_shown_out_while_others_are_served() {
    let folder = tempfile::tempdir().unwrap();
    let count = as_many(2_000);
    let (_server, address) = program(folder.path(), open_files().min(8_000));
    let honest = async || {
        let began = Instant::now();
        let got = burst(address, &[call("/in/open", "", BODY)]).await;
        assert_eq!(got[0].status, 200, "{}", got[0].body);
        began.elapsed()
    };
    let mut before = Vec::new();
    for _ in 0..100 {
        before.push(honest().await);
    }
    let began = Instant::now();
    let mut slow = Vec::new();
    for number in 0..count {
        // One after the other, so that none waits in the system's own queue.
        let mut stream = TcpStream::connect(address).await.unwrap();
        let opened = Instant::now();
        slow.push(tokio::spawn(async move {
            let head = "POST /in/open HTTP/1.1\r\nHost: x\r\nX-Slow: ";
            let _ = stream.write_all(&head.as_bytes()[..number % head.len()]).await;
            let (mut read, mut write) = stream.split();
            let mut answer = Vec::new();
            // One letter a second keeps nobody in.
            let trickle = async {
                loop {
                    tokio::time::sleep(Duration::from_secs(1)).await;
                    let _ = write.write_all(if number % head.len() < 5 { b"" } else { b"a" }).await;
                }
            };
            tokio::select! {
                _ = read.read_to_end(&mut answer) => {}
                () = trickle => {}
            }
            opened.elapsed()
        }));
    }
    let mut during = Vec::new();
    while began.elapsed() < Duration::from_secs(9) {
        during.push(honest().await);
        tokio::time::sleep(Duration::from_millis(50)).await;
    }
    let mut longest = Duration::ZERO;
    for slow in slow {
        let took = tokio::time::timeout(Duration::from_secs(20), slow).await;
        longest = longest.max(took.expect("it is shown out").unwrap());
    }
    let (before, during) = (median_and_p99(before), median_and_p99(during));
    eprintln!(
        "{count} slow heads: closed within {longest:?}; an honest call took {before:?} before, {during:?} meanwhile (median, p99)"
    );
    assert!(longest < Duration::from_secs(12), "{longest:?}");
    // The machine has other work too: what must not happen is that honest calls wait for places.
    assert!(during.0 < before.0 * 2 + NOISE.0, "{before:?}, {during:?}");
    assert!(during.1 < before.1 * 2 + NOISE.1, "{before:?}, {during:?}");
}

#[tokio::test(flavor = "multi_thread")]
async fn who_dawdles_is_shown_out_and_who_is_idle_may_stay_longer() {
    let server = start().await;
    let address = server.server.address;
    let slow = ["", "POST /in/open HT", "POST /in/open HTTP/1.1\r\nHost: x\r\nX-"];
    let heads = slow.map(|text| raw_to(address, text.as_bytes(), Duration::from_secs(13)));
    let body = post("/in/open", "Content-Length: 5000\r\n", "{");
    let body = raw_to(address, body.as_bytes(), Duration::from_secs(13));
    let api = post("/api/v1/test/trigger-webhook", "Content-Length: 5000\r\n", "{")
        .replace("Host: x", "Host: localhost");
    let api = raw_to(address, api.as_bytes(), Duration::from_secs(13));
    let idle = async {
        let mut stream = TcpStream::connect(address).await.unwrap();
        let request = call("/in/open", "", BODY);
        for wait in [0, 12] {
            tokio::time::sleep(Duration::from_secs(wait)).await;
            stream.write_all(request.as_bytes()).await.unwrap();
            let mut piece = [0; 1024];
            let length = stream.read(&mut piece).await.unwrap();
            assert!(piece[..length].starts_with(b"HTTP/1.1 200"), "after {wait} s");
        }
    };
    let (heads, body, api, ()) = tokio::join!(futures_join(heads), body, api, idle);
    for (text, (_, closed)) in slow.iter().zip(heads) {
        assert!(closed, "{text:?} held its connection for more than 13 s");
    }
    for (what, (answer, closed)) in [("endpoint", body), ("API", api)] {
        assert_eq!(statuses(&answer), ["408"], "{what}: {answer}");
        assert!(closed, "{what}");
    }
    assert_eq!(executions(&server).await, 2);
}

#[tokio::test(flavor = "multi_thread")]
async fn ten_thousand_connections_to_a_program_with_few_file_handles_leave_it_well() {
    let folder = tempfile::tempdir().unwrap();
    let (mut server, address) = program(folder.path(), 256);
    let mut old = TcpStream::connect(address).await.unwrap();
    let mut honest = async || {
        old.write_all(call("/in/open", "", BODY).as_bytes()).await.unwrap();
        let mut piece = [0; 1024];
        let length = old.read(&mut piece).await.unwrap();
        assert!(piece[..length].starts_with(b"HTTP/1.1 200"));
    };
    honest().await;
    let (mut held, mut told) = (Vec::new(), 0);
    for round in 0..100 {
        for number in 0..100 {
            let opened = TcpStream::connect(address);
            let opened = tokio::time::timeout(Duration::from_secs(5), opened).await;
            let Ok(Ok(mut stream)) = opened else {
                panic!("connection {number} of round {round} was not taken");
            };
            if held.len() < 250 {
                held.push(stream);
                continue;
            }
            let (answer, closed) = read_until_closed(&mut stream, Duration::from_secs(2)).await;
            assert!(closed, "{answer}");
            told += usize::from(answer.contains(" 503 ") && answer.contains("Retry-After: "));
        }
        honest().await;
    }
    honest().await;
    assert!(server.runs(), "{}", server.said());
    eprintln!("10,000 connections, 256 file handles: {told} were told to come again");
    assert!(told >= 9_500, "{told}");
    drop(held);
    until("new callers are served", || {
        let url = format!("http://{address}/livez");
        crate::support::binary::get(&crate::support::binary::agent(), &url)
            .is_ok_and(|(status, _)| status == 200)
    });
    assert!(!server.said().contains("panicked"), "{}", server.said());
}
