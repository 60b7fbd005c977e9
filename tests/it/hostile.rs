//! Callers who mean no good: raw bytes on a socket, spoofed headers, forged links, text that
//! would draw on a log. Nothing is executed twice or for somebody else, nobody gets in, and the
//! server stays as it was.

use std::time::Duration;

use serde_json::{Value, json};
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
async fn raw_within(server: &TestServer, bytes: &[u8], patience: Duration) -> (String, bool) {
    let mut stream = TcpStream::connect(server.server.address).await.unwrap();
    // The server may close before everything is written.
    let _ = stream.write_all(bytes).await;
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
    raw_within(server, text.as_bytes(), Duration::from_millis(400)).await
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

#[tokio::test(flavor = "multi_thread")]
async fn a_request_with_two_opinions_of_its_length_smuggles_nothing() {
    let server = start().await;
    let hidden = post("/in/open", &format!("Content-Length: {}\r\n", BODY.len()), BODY);
    let length = hidden.len();
    let cases = [
        (
            "length and chunks",
            format!("Content-Length: {}\r\nTransfer-Encoding: chunked\r\n", length + 5),
            format!("0\r\n\r\n{hidden}"),
        ),
        (
            "two lengths",
            format!("Content-Length: 0\r\nContent-Length: {length}\r\n"),
            hidden.clone(),
        ),
        ("a list of lengths", format!("Content-Length: 0, {length}\r\n"), hidden.clone()),
        ("a signed length", "Content-Length: +0\r\n".into(), hidden.clone()),
        ("a negative length", "Content-Length: -1\r\n".into(), hidden.clone()),
        ("an endless length", "Content-Length: 99999999999999999999999\r\n".into(), hidden.clone()),
        (
            "chunks that are not last",
            "Transfer-Encoding: chunked, identity\r\n".into(),
            format!("0\r\n\r\n{hidden}"),
        ),
        (
            "chunks in disguise",
            "Transfer-Encoding: xchunked\r\n".into(),
            format!("0\r\n\r\n{hidden}"),
        ),
        (
            "a folded header",
            format!("X-A: b\r\n Content-Length: 0\r\nContent-Length: {length}\r\n"),
            hidden.clone(),
        ),
        ("a space before the colon", format!("Content-Length : {length}\r\n"), hidden.clone()),
        ("a signed chunk", "Transfer-Encoding: chunked\r\n".into(), format!("+0\r\n\r\n{hidden}")),
        ("a chunk in C", "Transfer-Encoding: chunked\r\n".into(), format!("0x0\r\n\r\n{hidden}")),
        (
            "a chunk too long for a number",
            "Transfer-Encoding: chunked\r\n".into(),
            format!("fffffffffffffffff\r\n{hidden}"),
        ),
        (
            "a chunk without an end",
            "Transfer-Encoding: chunked\r\n".into(),
            format!("1\r\nxx\r\n{hidden}"),
        ),
    ];
    for (what, headers, body) in cases {
        let (answer, _) = raw(&server, &post("/in/open", &headers, &body)).await;
        let seen = statuses(&answer);
        assert!(seen.len() <= 1 && !seen.contains(&"200"), "{what}: {answer}");
        assert_eq!(executions(&server).await, 0, "{what}: {answer}");
    }
    let (answer, _) = raw(&server, &hidden).await;
    assert_eq!(statuses(&answer), ["200"], "an honest call still works: {answer}");
}

#[tokio::test(flavor = "multi_thread")]
async fn a_body_that_was_never_read_is_not_taken_for_the_next_request() {
    let server = start().await;
    let hidden = post("/in/open", &format!("Content-Length: {}\r\n", BODY.len()), BODY);
    for path in ["/in/keyed/wrong-key", "/nowhere", "/in/inside"] {
        let (answer, _) =
            raw(&server, &post(path, &format!("Content-Length: {}\r\n", hidden.len()), &hidden))
                .await;
        assert_eq!(statuses(&answer).len(), 1, "{path}: {answer}");
        // More body than a server would care to throw away.
        let endless = format!("{}{hidden}", "x".repeat(1_000_000));
        let (answer, closed) =
            raw(&server, &post(path, "Content-Length: 999999999\r\n", &endless)).await;
        assert!(statuses(&answer).len() <= 1, "{path}: {answer}");
        assert!(closed, "{path}: the connection is given up");
    }
    assert_eq!(executions(&server).await, 0);
}

#[tokio::test(flavor = "multi_thread")]
async fn an_endless_body_is_cut_off_at_the_limit() {
    let server = start().await;
    let chunk = format!("10000\r\n{}\r\n", "x".repeat(0x10000)).repeat(40);
    let endless = post("/in/open", "Transfer-Encoding: chunked\r\n", &chunk);
    let (answer, closed) = raw_within(&server, endless.as_bytes(), Duration::from_secs(5)).await;
    assert_eq!(statuses(&answer), ["413"], "{answer}");
    assert!(closed);
    let (answer, _) =
        raw(&server, &post("/in/open", "Expect: 100-continue\r\nContent-Length: 300000\r\n", ""))
            .await;
    assert_eq!(statuses(&answer), ["413"], "a body that is announced too large is not asked for");
    let (answer, _) = raw(
        &server,
        &post("/in/keyed/wrong", "Expect: 100-continue\r\nContent-Length: 20\r\n", ""),
    )
    .await;
    assert_eq!(statuses(&answer), ["404"], "nobody without the key is asked for a body");
}

#[tokio::test(flavor = "multi_thread")]
async fn who_dawdles_over_headers_is_shown_out() {
    let server = start().await;
    let slow = ["", "POST /in/open HT", "POST /in/open HTTP/1.1\r\nHost: x\r\nX-"];
    let waits = slow.map(|text| raw_within(&server, text.as_bytes(), Duration::from_secs(12)));
    for (text, (_, closed)) in slow.iter().zip(futures_join(waits).await) {
        assert!(closed, "{text:?} held its connection for more than 12 s");
    }
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

#[tokio::test(flavor = "multi_thread")]
async fn headers_and_addresses_have_an_end() {
    let server = start().await;
    let long = "a".repeat(100_000);
    for request in [
        format!("GET /{long} HTTP/1.1\r\nHost: x\r\n\r\n"),
        post("/in/open", &format!("X-Long: {long}\r\n"), ""),
        post("/in/open", &"X-Many: 1\r\n".repeat(500), ""),
    ] {
        let (answer, closed) = raw(&server, &request).await;
        assert!(
            statuses(&answer).iter().all(|status| ["400", "414", "431"].contains(status)),
            "{answer}"
        );
        assert!(closed);
    }
    assert_eq!(server.post("/in/open", &json!({ "email": "sarah@example.com" })).await.status, 200);
}

#[tokio::test(flavor = "multi_thread")]
async fn another_spelling_of_an_address_opens_no_other_door() {
    let server = start().await;
    let ok = |path: &str| post(path, &format!("Content-Length: {}\r\n", BODY.len()), BODY);
    for path in [
        "/in//open",
        "/in/open/",
        "//in/open",
        "/in/./open",
        "/in/x/../open",
        "/IN/open",
        "/in/open%2f",
        "/in%2fopen",
        "/in/keyed",
        "/in/keyed/",
        "/in/keyed/%00",
        "/in/keyed/signup-webhook-key/",
        "/in/keyed/signup-webhook-key%00",
        "/in/keyed/SIGNUP-WEBHOOK-KEY",
        "/in/keyed/%ff",
        "*",
    ] {
        let (answer, _) = raw(&server, &ok(path)).await;
        assert!(
            statuses(&answer).iter().all(|status| ["404", "400"].contains(status)),
            "{path}: {answer}"
        );
    }
    assert_eq!(executions(&server).await, 0);
    let encoded = ok("/in/keyed/signup%2Dwebhook-key?x=1");
    assert_eq!(statuses(&raw(&server, &encoded).await.0), ["200"]);
}

#[tokio::test(flavor = "multi_thread")]
async fn json_that_two_readers_would_read_differently_is_refused() {
    let server = start().await;
    let json = [("content-type", "application/json")];
    for body in [
        "\u{feff}{\"email\":\"a@example.com\"}",
        r#"{"email":"a@example.com","email":"b@example.com"}"#,
        r#"{"email":"a@example.com","\u0065mail":"b@example.com"}"#,
        r#"{"email":"a@example.com","x":"\ud800"}"#,
        r#"{"email":"a@example.com","x":"\u0000"}"#,
        r#"{"email":"a@example.com","x":1e999}"#,
        r#"{"email":"a@example.com","x":123456789012345678901234567890}"#,
        r#"{"email":"a@example.com"}{"email":"b@example.com"}"#,
        r#"{"email":"a@example.com",}"#,
        r#"{"email":"a@example.com","x":NaN}"#,
        "null",
        "[]",
        "\"x\"",
        "",
    ] {
        let answer = server.send("POST", "/in/open", &json, body).await;
        assert!(matches!(answer.status, 400 | 422), "{body}: {} {}", answer.status, answer.text);
    }
    for query in ["email=a@example.com&email=b@example.com", "email=a@example.com&x=%00"] {
        let answer = server.get(&format!("/in/open?{query}")).await;
        assert_eq!(answer.status, 400, "{query}: {}", answer.text);
    }
    assert_eq!(server.get("/in/open?email=a@example.com").await.status, 200);
}

#[tokio::test(flavor = "multi_thread")]
async fn a_signature_over_nothing_signs_no_query() {
    use hmac::{KeyInit as _, Mac as _};
    let server = start().await;
    let secret = b"your-secure-webhook-secret-here";
    let mac = hmac::Hmac::<sha2::Sha256>::new_from_slice(secret).unwrap();
    let signature = hex::encode(mac.finalize().into_bytes());
    let now = rulerun::base::time::millis(server.app().now()) / 1000;
    let headers = [
        ("x-webhook-signature-256", signature.as_str()),
        ("x-webhook-timestamp", &now.to_string()),
    ];
    let forged = server.send("GET", "/in/signed?email=mallory@example.com", &headers, "").await;
    assert_eq!(forged.status, 400, "{}", forged.text);
    let honest = server.send("GET", "/in/signed", &headers, "").await;
    assert_eq!(honest.status, 200, "{}", honest.text);
}

#[tokio::test(flavor = "multi_thread")]
async fn an_idempotency_key_is_one_short_visible_text() {
    let server = start().await;
    let long = "k".repeat(256);
    let length = format!("Content-Length: {}\r\n", BODY.len());
    for header in [
        "Idempotency-Key:\r\n".to_owned(),
        format!("Idempotency-Key: {long}\r\n"),
        "Idempotency-Key: \u{e9}\r\n".to_owned(),
        "Idempotency-Key: a\r\nIdempotency-Key: b\r\n".to_owned(),
    ] {
        let (answer, _) = raw(&server, &post("/in/open", &format!("{header}{length}"), BODY)).await;
        assert_eq!(statuses(&answer), ["400"], "{header}: {answer}");
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn nobody_talks_himself_into_an_inner_network() {
    let server = start().await;
    for name in ["x-forwarded-for", "forwarded", "x-real-ip", "true-client-ip"] {
        let headers = [("content-type", "application/json"), (name, "10.0.0.5")];
        assert_eq!(server.send("POST", "/in/inside", &headers, "{}").await.status, 403, "{name}");
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn the_api_without_a_token_takes_no_one_for_local_who_is_not() {
    let server = start().await;
    let port = server.server.address.port();
    let ask = |version: &str, headers: String| {
        format!("GET /api/v1/queue/stats HTTP/{version}\r\n{headers}Connection: close\r\n\r\n")
    };
    let host = format!("Host: 127.0.0.1:{port}\r\n");
    for headers in [
        "Host: localhost.evil.example.com\r\n".to_owned(),
        "Host: 127.0.0.1.evil.example.com\r\n".into(),
        format!("Host: 127.0.0.1:{port}@evil.example.com\r\n"),
        "Host: evil.example.com#127.0.0.1\r\n".into(),
        "Host: [::1].evil.example.com\r\n".into(),
        "Host: [::ffff:127.0.0.1]\r\n".into(),
        "Host: 127.1\r\n".into(),
        "Host: 0.0.0.0\r\n".into(),
        "Host: localhost.\r\n".into(),
        String::new(),
        format!("{host}Host: evil.example.com\r\n"),
        format!("{host}Origin: null\r\n"),
        format!("{host}Origin: https://evil.example.com\r\n"),
        format!("{host}Origin: http://127.0.0.1\r\n"),
        format!("{host}X-Forwarded-For: 127.0.0.1\r\n"),
        format!("{host}X-Forwarded-Host: localhost\r\n"),
        format!("{host}Forwarded: for=127.0.0.1\r\n"),
        format!("{host}Via: 1.1 proxy\r\n"),
    ] {
        let (answer, _) = raw(&server, &ask("1.1", headers.clone())).await;
        assert!(
            statuses(&answer).iter().all(|status| ["400", "401", "403"].contains(status)),
            "{headers}: {answer}"
        );
    }
    // What nginx passes on when nobody has told it to say who called.
    let (answer, _) = raw(&server, &ask("1.0", host.clone())).await;
    assert!(answer.starts_with("HTTP/1.0 401"), "{answer}");
    let (answer, _) = raw(&server, &ask("1.1", host)).await;
    assert_eq!(statuses(&answer), ["200"], "{answer}");
}

#[tokio::test(flavor = "multi_thread")]
async fn a_thousand_forged_unsubscribe_links_open_nothing() {
    use base64::Engine as _;
    use base64::engine::general_purpose::URL_SAFE_NO_PAD as BASE64;
    use rulerun::serve::ingress::unsubscribe;
    let server = start().await;
    let keys = futures_join([unsubscribe::key(server.app()), unsubscribe::key(server.app())]).await;
    let keys: Vec<String> = keys.into_iter().map(|key| key.unwrap().expose().to_owned()).collect();
    assert_eq!(keys[0], keys[1], "one key, however many ask for it first");
    let key = rulerun::base::Secret::new(keys[0].clone());
    let real = unsubscribe::link("", &key, "sarah@example.com");
    let (address, token) = real.strip_prefix("/unsubscribe/").unwrap().split_once('.').unwrap();
    let token = BASE64.decode(token).unwrap();
    let mut forged = vec![
        format!("{address}."),
        format!("{address}.{}", BASE64.encode(&token[..19])),
        format!("{}.{}", BASE64.encode("bob@example.com"), BASE64.encode(&token)),
        format!("{}.{}", BASE64.encode("sarah@example.com\0"), BASE64.encode(&token)),
        address.to_owned(),
        String::new(),
    ];
    for number in 0..994_usize {
        let mut other = token.clone();
        other[number % 20] ^= u8::try_from(number / 20 % 255 + 1).unwrap();
        forged.push(format!("{address}.{}", BASE64.encode(other)));
    }
    assert_eq!(forged.len(), 1000);
    for forged in forged.chunks(50) {
        let mut requests = String::new();
        for token in forged {
            requests.push_str("POST /unsubscribe/");
            requests.push_str(token);
            requests.push_str(" HTTP/1.1\r\nHost: x\r\nContent-Length: 0\r\n\r\n");
        }
        let (answer, _) = raw(&server, &requests).await;
        let seen = statuses(&answer);
        assert_eq!(seen.len(), forged.len());
        assert!(seen.iter().all(|status| *status == "404"), "{seen:?}");
    }
    let listed =
        || async { server.app().store.suppressions("sarah@example.com").await.unwrap().len() };
    assert_eq!(listed().await, 0);
    assert_eq!(server.get(&real).await.status, 200);
    assert_eq!(listed().await, 0, "looking is not leaving");
    assert_eq!(server.send("POST", &real, &[], "List-Unsubscribe=One-Click").await.status, 200);
    assert_eq!(listed().await, 1);
}

#[tokio::test(flavor = "multi_thread")]
async fn a_hundred_bombs_at_once_are_refused_and_leave_the_server_well() {
    let server = std::sync::Arc::new(start().await);
    let bomb = format!("{{\"email\":\"a@example.com\",\"x\":[{}{{}}]}}", "{},".repeat(80_000));
    let deep = format!("{{\"x\":{}{}}}", "[".repeat(100_000), "]".repeat(100_000));
    let tasks: Vec<_> = (0..100)
        .map(|number| {
            let server = std::sync::Arc::clone(&server);
            let body = if number % 2 == 0 { bomb.clone() } else { deep.clone() };
            tokio::spawn(async move {
                server
                    .send("POST", "/in/open", &[("content-type", "application/json")], &body)
                    .await
                    .status
            })
        })
        .collect();
    for task in tasks {
        assert!(matches!(task.await.unwrap(), 400 | 413));
    }
    assert_eq!(server.post("/in/open", &json!({ "email": "a@example.com" })).await.status, 200);
}
