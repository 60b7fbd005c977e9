//! What leaves the house and what is made of the answers, against real sockets that behave
//! well, badly and very badly.

use std::future::Future;
use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::time::Duration;

use bytes::Bytes;
use hyper::Method;
use rulerun::model::{AttemptError, Tried};
use rulerun::serve::deliver::http::{HttpClient, Outgoing};
use tokio::io::{AsyncReadExt as _, AsyncWriteExt as _};
use tokio::net::{TcpListener, TcpStream};
use tokio::sync::mpsc;
use tokio::time::Instant;

fn request(url: &str) -> Outgoing {
    Outgoing {
        method: Method::POST,
        url: url.to_owned(),
        headers: vec![(String::from("webhook-id"), String::from("m1"))],
        body: Bytes::from_static(b"{\"a\": 1}"),
        timeout: Duration::from_secs(5),
        allow_private: false,
        now: "2025-12-01T10:00:00Z".parse().unwrap(),
    }
}

fn client() -> HttpClient {
    HttpClient::new(None).unwrap()
}

async fn send(url: &str) -> Tried {
    client().send(request(url)).await
}

async fn send_within(url: &str, timeout: Duration) -> Tried {
    client().send(Outgoing { timeout, ..request(url) }).await
}

/// Listens on loopback and hands each connection over.
async fn listen<F>(serve: impl Fn(TcpStream) -> F + Send + 'static) -> String
where
    F: Future<Output = ()> + Send + 'static,
{
    let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
    let url = format!("http://{}/hook?x=1", listener.local_addr().unwrap());
    tokio::spawn(async move {
        while let Ok((stream, _)) = listener.accept().await {
            tokio::spawn(serve(stream));
        }
    });
    url
}

/// Reads one request with its body; nothing once the caller hangs up.
async fn read_request(stream: &mut TcpStream) -> Option<String> {
    let mut bytes = Vec::new();
    loop {
        if bytes.ends_with(b"{\"a\": 1}") {
            return Some(String::from_utf8(bytes).unwrap());
        }
        if stream.read_buf(&mut bytes).await.ok()? == 0 {
            return None;
        }
    }
}

/// A server that gives this answer to every request, and closes.
async fn answering(answer: &'static [u8]) -> String {
    listen(move |mut stream| async move {
        read_request(&mut stream).await;
        let _ = stream.write_all(answer).await;
    })
    .await
}

#[tokio::test]
async fn a_delivery_carries_exactly_what_was_given() {
    let (seen, mut requests) = mpsc::channel(1);
    let url = listen(move |mut stream| {
        let seen = seen.clone();
        async move {
            let text = read_request(&mut stream).await.unwrap();
            seen.send(text).await.unwrap();
            let answer = b"HTTP/1.1 202 Accepted\r\ncontent-length: 10\r\n\r\nthank\r\nyou";
            stream.write_all(answer).await.unwrap();
        }
    })
    .await;
    let tried = send(&url).await;
    let host = url.strip_prefix("http://").unwrap().strip_suffix("/hook?x=1").unwrap();
    let version = env!("CARGO_PKG_VERSION");
    assert_eq!(
        requests.recv().await.unwrap(),
        format!(
            "POST /hook?x=1 HTTP/1.1\r\nwebhook-id: m1\r\nuser-agent: rulerun/{version}\r\n\
             host: {host}\r\ncontent-length: 8\r\n\r\n{{\"a\": 1}}"
        )
    );
    assert_eq!((tried.error, tried.status), (None, Some(202)));
    assert_eq!(tried.reply, "thank\\r\\nyou");
}

#[tokio::test]
async fn the_deadline_covers_a_body_that_drips() {
    let url = listen(|mut stream| async move {
        read_request(&mut stream).await;
        let _ = stream.write_all(b"HTTP/1.1 200 OK\r\ncontent-length: 9000\r\n\r\n").await;
        while stream.write_all(b".").await.is_ok() {
            tokio::time::sleep(Duration::from_millis(20)).await;
        }
    })
    .await;
    let begun = Instant::now();
    let tried = send_within(&url, Duration::from_millis(300)).await;
    assert!(begun.elapsed() < Duration::from_secs(2));
    assert_eq!((tried.error, tried.status), (Some(AttemptError::Timeout), Some(200)));
    assert_eq!(tried.message.as_deref(), Some("the reply did not end within 300ms"));
}

#[tokio::test]
async fn of_an_endless_body_little_is_read_and_the_connection_is_dropped() {
    let (written, mut total) = mpsc::channel(1);
    let url = listen(move |mut stream| {
        let written = written.clone();
        async move {
            read_request(&mut stream).await;
            let _ = stream.write_all(b"HTTP/1.1 200 OK\r\n\r\n").await;
            let mut sent = 0_u64;
            while stream.write_all(&[b'x'; 16_384]).await.is_ok() {
                sent += 16_384;
            }
            let _ = written.send(sent).await;
        }
    })
    .await;
    let tried = send(&url).await;
    assert_eq!((tried.error, tried.status), (None, Some(200)));
    assert_eq!(tried.reply.len(), 4 * 1024);
    let total = tokio::time::timeout(Duration::from_secs(5), total.recv()).await.unwrap();
    assert!(total.unwrap() < 64 * 1024 * 1024, "the connection was not dropped");
}

#[tokio::test]
async fn a_redirect_is_a_failure_that_names_its_target() {
    let url = answering(
        b"HTTP/1.1 302 Found\r\nlocation: https://b.example.com/hook\r\ncontent-length: 0\r\n\r\n",
    )
    .await;
    let tried = send(&url).await;
    assert_eq!((tried.error, tried.status), (Some(AttemptError::Redirect), Some(302)));
    assert!(tried.message.unwrap().contains("a redirect to https://b.example.com/hook;"));
}

#[tokio::test]
async fn other_statuses_come_back_as_they_are() {
    let url = answering(b"HTTP/1.1 410 Gone\r\ncontent-length: 0\r\n\r\n").await;
    let tried = send(&url).await;
    assert_eq!((tried.error, tried.status), (Some(AttemptError::Status), Some(410)));
    assert_eq!(tried.message.as_deref(), Some("the receiver answered 410 Gone"));
    assert_eq!(tried.retry_after, None);
}

#[tokio::test]
async fn retry_after_is_read_in_both_its_forms_and_capped() {
    for (written, seconds) in [
        ("7", Some(7)),
        ("Mon, 01 Dec 2025 10:02:00 GMT", Some(120)),
        ("Mon, 01 Dec 2025 09:00:00 GMT", Some(0)),
        ("99999999999999999999999", Some(3600)),
        ("soon", None),
        ("-5", None),
    ] {
        let head = format!("HTTP/1.1 429 Slow Down\r\nretry-after: {written}\r\n");
        let answer = format!("{head}content-length: 0\r\n\r\n").leak().as_bytes();
        let tried = send(&answering(answer).await).await;
        assert_eq!(tried.status, Some(429));
        assert_eq!(tried.retry_after, seconds.map(Duration::from_secs), "{written}");
    }
}

#[tokio::test]
async fn a_closed_port_is_a_refused_connection() {
    let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
    let address = listener.local_addr().unwrap();
    drop(listener);
    let tried = send(&format!("http://{address}/")).await;
    assert_eq!((tried.error, tried.status), (Some(AttemptError::Connection), None));
    let expected = format!("nothing listens at {address}: the connection was refused");
    assert_eq!(tried.message, Some(expected));
}

#[tokio::test]
async fn a_server_that_never_answers_is_left_at_the_deadline() {
    let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
    let url = format!("http://{}/", listener.local_addr().unwrap());
    let tried = send_within(&url, Duration::from_millis(200)).await;
    assert_eq!((tried.error, tried.status), (Some(AttemptError::Timeout), None));
    assert_eq!(tried.message.as_deref(), Some("no answer within 200ms"));
    assert!(tried.duration >= Duration::from_millis(200));
}

#[tokio::test]
async fn a_reset_in_the_middle_of_a_reply_is_a_broken_connection() {
    let url = listen(|mut stream| async move {
        read_request(&mut stream).await;
        let _ = stream.write_all(b"HTTP/1.1 200 OK\r\ncontent-length: 9000\r\n\r\nhalf").await;
        tokio::time::sleep(Duration::from_millis(50)).await;
        stream.set_zero_linger().unwrap();
    })
    .await;
    let tried = send(&url).await;
    assert_eq!((tried.error, tried.status), (Some(AttemptError::Connection), Some(200)));
}

#[tokio::test]
async fn hanging_up_without_an_answer_and_answering_nonsense_are_broken_connections() {
    for (answer, expected) in [
        (&b""[..], "closed before the whole reply"),
        (b"220 mail.example.com ESMTP\r\n", "not an HTTP/1.1 reply"),
    ] {
        let tried = send(&answering(answer).await).await;
        assert_eq!(tried.error, Some(AttemptError::Connection));
        assert!(tried.message.as_ref().unwrap().contains(expected), "{tried:?}");
    }
    let url = listen(|mut stream| async move {
        read_request(&mut stream).await;
        let _ = stream.write_all(b"HTTP/1.1 200 OK\r\n").await;
        while stream.write_all(&[b'x'; 1_024]).await.is_ok() {}
    })
    .await;
    let tried = send(&url).await;
    assert_eq!(tried.error, Some(AttemptError::Connection));
    assert_eq!(tried.message.as_deref(), Some("the headers of the reply are too large"));
}

#[tokio::test]
async fn a_name_that_does_not_resolve_is_named() {
    let tried = send("http://nowhere.invalid/").await;
    assert_eq!(tried.error, Some(AttemptError::Dns));
    assert!(tried.message.unwrap().contains("`nowhere.invalid`"));
}

#[tokio::test]
async fn a_private_address_is_refused_before_anything_is_dialled() {
    let begun = Instant::now();
    let tried = send("http://10.0.0.1/").await;
    assert_eq!((tried.error, tried.status), (Some(AttemptError::Blocked), None));
    let message = tried.message.unwrap();
    assert!(message.contains("10.0.0.1") && message.contains("allow-private"), "{message}");
    assert!(begun.elapsed() < Duration::from_secs(1));
}

#[tokio::test]
async fn connections_are_used_again_and_replaced_when_the_server_closed_them() {
    let connections = Arc::new(AtomicUsize::new(0));
    let counter = Arc::clone(&connections);
    let url = listen(move |mut stream| {
        counter.fetch_add(1, Ordering::SeqCst);
        async move {
            for _ in 0..3 {
                if read_request(&mut stream).await.is_none() {
                    return;
                }
                let answer = b"HTTP/1.1 200 OK\r\ncontent-length: 2\r\n\r\nok";
                let _ = stream.write_all(answer).await;
            }
        }
    })
    .await;
    let client = client();
    for expected in [1, 1, 1, 2] {
        assert_eq!(client.send(request(&url)).await.error, None);
        assert_eq!(connections.load(Ordering::SeqCst), expected);
        tokio::time::sleep(Duration::from_millis(50)).await;
    }
}

#[tokio::test]
async fn a_server_that_hangs_holds_up_nobody_else() {
    let hung = TcpListener::bind("127.0.0.1:0").await.unwrap();
    let hung_url = format!("http://{}/", hung.local_addr().unwrap());
    let live_url = answering(b"HTTP/1.1 200 OK\r\ncontent-length: 0\r\n\r\n").await;
    let client = client();
    for _ in 0..50 {
        let (client, request) = (client.clone(), request(&hung_url));
        tokio::spawn(async move { client.send(request).await });
    }
    let begun = Instant::now();
    for _ in 0..20 {
        assert_eq!(client.send(request(&live_url)).await.error, None);
    }
    assert!(begun.elapsed() < Duration::from_secs(2));
}

#[tokio::test]
async fn a_request_that_was_written_is_not_sent_a_second_time() {
    let requests = Arc::new(AtomicUsize::new(0));
    let counter = Arc::clone(&requests);
    let url = listen(move |mut stream| {
        let counter = Arc::clone(&counter);
        async move {
            // The first request of a connection is answered, the second one only taken.
            for answer in [&b"HTTP/1.1 200 OK\r\ncontent-length: 0\r\n\r\n"[..], b""] {
                if read_request(&mut stream).await.is_some() {
                    counter.fetch_add(1, Ordering::SeqCst);
                    let _ = stream.write_all(answer).await;
                }
            }
        }
    })
    .await;
    let client = client();
    assert_eq!(client.send(request(&url)).await.error, None);
    tokio::time::sleep(Duration::from_millis(50)).await;
    assert_eq!(client.send(request(&url)).await.error, Some(AttemptError::Connection));
    assert_eq!(requests.load(Ordering::SeqCst), 2);
}

#[tokio::test]
async fn a_compressed_reply_is_not_decoded() {
    let url = answering(
        b"HTTP/1.1 500 Oops\r\ncontent-encoding: gzip\r\ncontent-length: 4\r\n\r\n\x1f\x8b\x08\x00",
    )
    .await;
    let tried = send(&url).await;
    assert_eq!(tried.error, Some(AttemptError::Status));
    assert_eq!(tried.reply, "(4 bytes, compressed: gzip)");
}

#[tokio::test]
async fn a_request_that_cannot_be_written_is_our_own_fault() {
    for url in ["n8n:5678/x", "/x", "ftp://example.com/", "http://a:b@localhost/", "http:// x/", ""]
    {
        let tried = send(url).await;
        assert_eq!(tried.error, Some(AttemptError::Internal), "{url}");
    }
    for (name, value) in [("Content-Length", "9"), ("X Y", "1"), ("X-Key", "s3cret\r\nX: y")] {
        let headers = vec![(name.to_owned(), value.to_owned())];
        let tried = client().send(Outgoing { headers, ..request("http://127.0.0.1:1/") }).await;
        assert_eq!(tried.error, Some(AttemptError::Internal), "{name}");
        let message = tried.message.unwrap();
        assert!(message.contains(name) && !message.contains("s3cret"), "{message}");
    }
}

#[tokio::test]
async fn a_server_that_does_not_speak_tls_is_told_apart() {
    let url = listen(|mut stream| async move {
        let _ = stream.write_all(b"HTTP/1.1 400 Bad Request\r\n\r\n").await;
        let _ = stream.read(&mut [0; 1024]).await;
    })
    .await;
    let tried = send(&url.replace("http://", "https://")).await;
    assert_eq!(tried.error, Some(AttemptError::Tls));
    assert!(tried.message.unwrap().contains("it does not speak TLS on this port"));
}

/// Answers one call over TLS with a fresh certificate for localhost, and gives the PEM of the
/// authority that signed it.
fn answering_over_tls(folder: &std::path::Path) -> (String, Vec<u8>) {
    use rustls::pki_types::pem::PemObject as _;
    use rustls::pki_types::{CertificateDer, PrivateKeyDer};
    use std::io::{Read as _, Write as _};

    let maker = concat!(env!("CARGO_MANIFEST_DIR"), "/tests/python/make_certs.py");
    let made = std::process::Command::new("python3").arg(maker).arg(folder).status();
    assert!(made.is_ok_and(|status| status.success()), "needs python3 with `cryptography`");
    let chain = CertificateDer::pem_file_iter(folder.join("cert.pem")).unwrap();
    let chain = chain.map(Result::unwrap).collect();
    let key = PrivateKeyDer::from_pem_file(folder.join("key.pem")).unwrap();
    let provider = Arc::new(rustls::crypto::ring::default_provider());
    let config = rustls::ServerConfig::builder_with_provider(provider)
        .with_safe_default_protocol_versions()
        .unwrap()
        .with_no_client_auth()
        .with_single_cert(chain, key)
        .unwrap();
    let config = Arc::new(config);
    let listener = std::net::TcpListener::bind("127.0.0.1:0").unwrap();
    let port = listener.local_addr().unwrap().port();
    std::thread::spawn(move || {
        for stream in listener.incoming().flatten() {
            let session = rustls::ServerConnection::new(Arc::clone(&config)).unwrap();
            let mut tls = rustls::StreamOwned::new(session, stream);
            if tls.read(&mut [0; 1024]).is_ok_and(|read| read > 0) {
                let _ = tls.write_all(b"HTTP/1.1 200 OK\r\ncontent-length: 6\r\n\r\nsecret");
            }
        }
    });
    (format!("https://localhost:{port}/"), std::fs::read(folder.join("ca.pem")).unwrap())
}

#[tokio::test]
async fn a_private_authority_is_trusted_only_when_it_is_given() {
    let folder = tempfile::tempdir().unwrap();
    let (url, authority) = answering_over_tls(folder.path());
    let tried = send(&url).await;
    assert_eq!(tried.error, Some(AttemptError::Tls));
    let message = tried.message.unwrap();
    assert!(message.contains("an authority that rulerun does not know"), "{message}");

    let trusting = HttpClient::new(Some(authority)).unwrap();
    let tried = trusting.send(request(&url)).await;
    assert_eq!((tried.error, tried.reply.as_str()), (None, "secret"), "{tried:?}");

    // Spellings of the same address that the certificate does not name.
    for (spelling, why) in [("0x7f.0x1", "for another name"), ("127.1", "cannot stand in")] {
        let tried = trusting.send(request(&url.replace("localhost", spelling))).await;
        assert_eq!(tried.error, Some(AttemptError::Tls));
        assert!(tried.message.as_ref().unwrap().contains(why), "{tried:?}");
    }
}

#[test]
fn a_damaged_authority_is_refused_at_the_start() {
    for pem in
        ["", "no certificate", "-----BEGIN CERTIFICATE-----\nAAAA\n-----END CERTIFICATE-----\n"]
    {
        let refused = HttpClient::new(Some(pem.as_bytes().to_vec())).err();
        assert!(refused.is_some_and(|why| why.contains("certificate")), "{pem}");
    }
}
