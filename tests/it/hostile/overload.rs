//! Too much at once: every refusal says when to come again, and nobody is refused for longer
//! than he is too much.

use std::collections::BTreeSet;

use serde_json::json;

use super::*;
use crate::support::server::{eventually, write};

fn rules(limits: &str) -> String {
    format!(
        r#"
server listen="127.0.0.1:8080" {{ limits {limits} }}
events to="n8n" path="/hook" {{ event "ping" }}
service "n8n" {{ url "http://127.0.0.1:9" }}
webhooks "g" {{
    path "/in"
    endpoint "open" {{ payload {{ email email }} }}
    endpoint "rated" {{ access {{ rate "5/h"; signature scheme="github" secret=(env)"WEBHOOK_SECRET" }} }}
}}
"#
    )
}

fn wait(got: &Got) -> u64 {
    got.header("retry-after").unwrap_or_else(|| panic!("no Retry-After: {got:?}")).parse().unwrap()
}

#[tokio::test(flavor = "multi_thread")]
async fn beyond_a_rate_nothing_else_is_looked_at() {
    let server = Make::empty().file("rules/a.kdl", &rules("body=1000")).start().await;
    let forged = call("/in/rated", "X-Hub-Signature-256: sha256=00\r\n", "{}");
    let got = burst(server.server.address, &vec![forged; 15]).await;
    let seen: Vec<u16> = got.iter().map(|got| got.status).collect();
    assert_eq!(seen, [vec![401; 5], vec![429; 10]].concat());
    let waits: BTreeSet<u64> = got[5..].iter().map(wait).collect();
    // A call every 12 minutes; nobody is told to come earlier, and not all at once.
    assert!(waits.iter().all(|wait| (715..=725).contains(wait)), "{waits:?}");
    assert!(waits.len() >= 5, "{waits:?}");
}

#[tokio::test(flavor = "multi_thread")]
async fn beyond_the_calls_at_once_there_is_a_503_until_an_edit_allows_more() {
    let server = Make::empty().file("rules/a.kdl", &rules("in-flight=1")).start().await;
    let address = server.server.address;
    // A call of the API counts while its body arrives.
    let mut open = TcpStream::connect(address).await.unwrap();
    let head = post("/api/v1/events/ping", "Content-Length: 10\r\n", "{")
        .replace("Host: x", "Host: localhost");
    open.write_all(head.as_bytes()).await.unwrap();
    let ask = async || burst(address, &[call("/in/open", "", BODY)]).await.remove(0);
    eventually("the place is taken", || async { ask().await.status == 503 }).await;
    let mut waits = BTreeSet::new();
    for _ in 0..3 {
        let began = tokio::time::Instant::now();
        let got = ask().await;
        assert_eq!(got.status, 503);
        assert!(began.elapsed() >= Duration::from_secs(1), "it is held back");
        waits.insert(wait(&got));
    }
    assert!(waits.len() > 1 && waits.iter().all(|wait| (1..=5).contains(wait)), "{waits:?}");
    write(&server.folder.path().join("rules/a.kdl"), &rules("in-flight=2"));
    server.server.reload();
    eventually("two calls at once are allowed", || async { ask().await.status == 200 }).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn who_sends_his_body_slowly_takes_no_place_from_others() {
    let server = Make::empty().file("rules/a.kdl", &rules("in-flight=1")).start().await;
    let address = server.server.address;
    let request = call("/in/open", "", BODY);
    let (most, rest) = request.as_bytes().split_at(request.len() - 1);
    let mut slow = Vec::new();
    for _ in 0..50 {
        let mut stream = TcpStream::connect(address).await.unwrap();
        stream.write_all(most).await.unwrap();
        slow.push(stream);
    }
    let got = burst(address, &vec![request.clone(); 20]).await;
    assert!(got.iter().all(|got| got.status == 200), "{got:?}");
    for mut stream in slow {
        stream.write_all(rest).await.unwrap();
        let mut piece = [0; 1024];
        let length = stream.read(&mut piece).await.unwrap();
        let answer = String::from_utf8_lossy(&piece[..length]);
        assert!(answer.starts_with("HTTP/1.1 200"), "{answer}");
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn one_client_has_so_many_connections_and_the_next_is_told_why() {
    let server = Make::empty().file("rules/a.kdl", &rules("per-client=3")).start().await;
    let address = server.server.address;
    let request = call("/in/open", "", BODY);
    let mut open = Vec::new();
    for _ in 0..3 {
        open.push(TcpStream::connect(address).await.unwrap());
    }
    let (answer, closed) = raw_to(address, request.as_bytes(), Duration::from_secs(2)).await;
    assert_eq!(statuses(&answer), ["429"], "{answer}");
    assert!(closed && answer.contains("\r\nRetry-After: "), "{answer}");
    let (_, body) = answer.split_once("\r\n\r\n").unwrap();
    let body: Value = serde_json::from_str(body).unwrap();
    assert!(body["message"].as_str().unwrap().starts_with("Too many connections"), "{body}");
    // Somebody else is served meanwhile.
    let socket = tokio::net::TcpSocket::new_v4().unwrap();
    socket.bind("127.0.0.2:0".parse().unwrap()).unwrap();
    let mut other = socket.connect(address).await.unwrap();
    other.write_all(request.as_bytes()).await.unwrap();
    let (answer, _) = read_until_closed(&mut other, Duration::from_millis(400)).await;
    assert_eq!(statuses(&answer), ["200"], "{answer}");
    drop(open);
    eventually("the places are free again", || async {
        let (answer, _) = raw(&server, &request).await;
        statuses(&answer) == ["200"]
    })
    .await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_server_that_stops_sends_callers_away_politely() {
    let server = Make::empty().file("rules/a.kdl", &rules("body=1000")).start().await;
    let address = server.server.address;
    let mut kept = TcpStream::connect(address).await.unwrap();
    let request = call("/in/open", "", BODY);
    kept.write_all(request.as_bytes()).await.unwrap();
    let (answer, closed) = read_until_closed(&mut kept, Duration::from_millis(300)).await;
    assert!(statuses(&answer) == ["200"] && !closed, "{answer}");
    server.app().draining.store(true, std::sync::atomic::Ordering::Relaxed);
    kept.write_all(request.as_bytes()).await.unwrap();
    let (answer, closed) = read_until_closed(&mut kept, Duration::from_secs(2)).await;
    let told = answer.to_lowercase();
    assert_eq!(statuses(&answer), ["503"], "{answer}");
    assert!(
        closed && told.contains("connection: close") && told.contains("retry-after: "),
        "{answer}"
    );
    let ready = server.get("/readyz").await;
    assert_eq!(ready.status, 503);
    assert!(ready.headers.contains_key("retry-after"), "{ready:?}");
    assert_eq!(server.get("/livez").await.status, 200);
}

#[tokio::test(flavor = "multi_thread")]
async fn a_store_that_takes_nothing_is_a_503_with_a_time_on_every_door() {
    let server = Make::empty().file("rules/a.kdl", &rules("body=1000")).start().await;
    server.app().store.close().await.unwrap();
    for (path, body) in [
        ("/in/open", json!({ "email": "a@example.com" })),
        ("/api/v1/events/ping", json!({})),
        ("/unsubscribe/x", json!({})),
    ] {
        let answer = server.post(path, &body).await;
        assert_eq!(answer.status, 503, "{path}: {}", answer.text);
        let wait: u64 = answer.headers["retry-after"].parse().unwrap();
        assert!((1..=5).contains(&wait), "{path}");
    }
}
