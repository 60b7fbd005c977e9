//! Callers who mean no good: raw bytes on a socket, spoofed headers, forged links, text that
//! would draw on a log, and too much of everything. Nothing is executed twice or for somebody
//! else, nobody gets in, and the server stays as it was. Each file is one subject, and most
//! tests say how many cases they try.

mod access;
mod bodies;
mod forged;
mod json;
mod logs;
mod memory;
mod overload;
mod slow;
mod timing;
mod wire;

use std::net::SocketAddr;
use std::time::Duration;

use serde_json::Value;
use tokio::io::{AsyncReadExt as _, AsyncWriteExt as _};
use tokio::net::TcpStream;

use crate::support::server::{Make, TestServer};

const RULES: &str = r#"
server listen="127.0.0.1:8080" {
    trusted-proxies "10.0.0.0/8"
}
webhooks "g" {
    path "/in"
    endpoint "open" methods="GET POST" { payload { email email } }
    endpoint "keyed" key=(env)"SIGNUP_WEBHOOK_KEY" { payload { email email } }
    endpoint "inside" { access { ip "10.0.0.0/8" } }
    endpoint "signed" methods="GET POST" {
        access { signature scheme="body" secret=(env)"WEBHOOK_SECRET" }
    }
}
"#;

const BODY: &str = r#"{"email":"sarah@example.com"}"#;

async fn start() -> TestServer {
    Make::empty().file("rules/a.kdl", RULES).start().await
}

/// Sends bytes and reads until the server closes the connection, at most so long. Answers what
/// came and whether it was closed.
async fn raw_to(address: SocketAddr, bytes: &[u8], patience: Duration) -> (String, bool) {
    let mut stream = TcpStream::connect(address).await.unwrap();
    // The server may close before everything is written.
    let _ = stream.write_all(bytes).await;
    read_until_closed(&mut stream, patience).await
}

/// Reads until the server closes the connection, at most so long.
async fn read_until_closed(stream: &mut TcpStream, patience: Duration) -> (String, bool) {
    let mut answer = Vec::new();
    let mut closed = false;
    let _ = tokio::time::timeout(patience, async {
        let mut piece = [0; 4096];
        loop {
            match stream.read(&mut piece).await {
                Ok(0) | Err(_) => break,
                Ok(length) => answer.extend_from_slice(&piece[..length]),
            }
        }
        closed = true;
    })
    .await;
    (String::from_utf8_lossy(&answer).into_owned(), closed)
}

async fn raw(server: &TestServer, text: &str) -> (String, bool) {
    raw_to(server.server.address, text.as_bytes(), Duration::from_millis(400)).await
}

/// Sends requests one after the other on one connection; answers what each got.
async fn burst(address: SocketAddr, requests: &[String]) -> Vec<Got> {
    let mut text = requests.concat();
    text.push_str("GET /livez HTTP/1.1\r\nHost: x\r\nConnection: close\r\n\r\n");
    let mut stream = TcpStream::connect(address).await.unwrap();
    let (mut read, mut write) = stream.split();
    let mut answer = Vec::new();
    let send = async {
        let _ = write.write_all(text.as_bytes()).await;
    };
    let receive = tokio::time::timeout(Duration::from_secs(30), read.read_to_end(&mut answer));
    let ((), received) = tokio::join!(send, receive);
    received.expect("answers within 30 s").unwrap();
    let answer = String::from_utf8(answer).unwrap();
    let got = answer.split("HTTP/1.1 ").skip(1).map(|one| {
        let (head, body) = one.split_once("\r\n\r\n").unwrap();
        let (status, headers) = head.split_once("\r\n").unwrap();
        let undated = |line: &&str| !line.to_ascii_lowercase().starts_with("date:");
        let headers: Vec<&str> = headers.lines().filter(undated).collect();
        Got {
            status: status[..3].parse().unwrap(),
            headers: headers.join("\n"),
            body: body.to_owned(),
        }
    });
    let mut got: Vec<Got> = got.collect();
    got.pop();
    assert_eq!(got.len(), requests.len(), "one answer for each request");
    got
}

/// One answer of a [`burst`]; its headers are without the date.
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
struct Got {
    status: u16,
    headers: String,
    body: String,
}

impl Got {
    fn header(&self, name: &str) -> Option<&str> {
        let mut lines = self.headers.lines().filter_map(|line| line.split_once(": "));
        lines.find(|(known, _)| known.eq_ignore_ascii_case(name)).map(|(_, value)| value)
    }
}

fn statuses(answer: &str) -> Vec<&str> {
    answer.split("HTTP/1.1 ").skip(1).map(|rest| rest.split(' ').next().unwrap_or("")).collect()
}

async fn executions(server: &TestServer) -> Value {
    server.get("/api/v1/executions").await.json()["total"].clone()
}

fn post(path: &str, headers: &str, body: &str) -> String {
    format!(
        "POST {path} HTTP/1.1\r\nHost: x\r\nContent-Type: application/json\r\n{headers}\r\n{body}"
    )
}

/// A call with its length.
fn call(path: &str, headers: &str, body: &str) -> String {
    post(path, &format!("{headers}Content-Length: {}\r\n", body.len()), body)
}

/// All of these at once.
async fn futures_join<F: Future + Send, const N: usize>(all: [F; N]) -> Vec<F::Output> {
    let mut all: Vec<_> = all.into_iter().map(Box::pin).collect();
    let mut done: Vec<Option<F::Output>> = (0..N).map(|_| None).collect();
    std::future::poll_fn(move |context| {
        for (future, slot) in all.iter_mut().zip(&mut done) {
            if slot.is_none()
                && let std::task::Poll::Ready(output) = future.as_mut().poll(context)
            {
                *slot = Some(output);
            }
        }
        if done.iter().all(Option::is_some) {
            return std::task::Poll::Ready(done.iter_mut().filter_map(Option::take).collect());
        }
        std::task::Poll::Pending
    })
    .await
}
