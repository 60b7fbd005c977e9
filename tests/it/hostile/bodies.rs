//! Bodies: too large, endless, compressed, slow.

use super::*;

#[tokio::test(flavor = "multi_thread")]
async fn an_endless_body_is_cut_off_at_the_limit() {
    let server = start().await;
    let chunk = format!("10000\r\n{}\r\n", "x".repeat(0x10000)).repeat(40);
    let endless = post("/in/open", "Transfer-Encoding: chunked\r\n", &chunk);
    let (answer, closed) =
        raw_to(server.server.address, endless.as_bytes(), Duration::from_secs(5)).await;
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
async fn a_stream_without_an_end_is_given_up_after_the_limit_and_what_is_thrown_away() {
    let server = start().await;
    let mut stream = TcpStream::connect(server.server.address).await.unwrap();
    let head = post("/in/open", "Transfer-Encoding: chunked\r\n", "");
    stream.write_all(head.as_bytes()).await.unwrap();
    let chunk = format!("10000\r\n{}\r\n", "x".repeat(0x10000));
    let (mut read, mut write) = stream.split();
    let mut answer = Vec::new();
    let mut sent = 0;
    let sending = async {
        while write.write_all(chunk.as_bytes()).await.is_ok() {
            sent += chunk.len();
        }
    };
    let both = async { tokio::join!(sending, read.read_to_end(&mut answer)) };
    tokio::time::timeout(Duration::from_secs(5), both).await.expect("an end").1.unwrap();
    let answer = String::from_utf8_lossy(&answer);
    assert_eq!(statuses(&answer), ["413"], "{answer}");
    // 256 KiB are kept; 4 MiB are thrown away, so that the caller sees why; the rest is what the
    // system keeps between the two.
    assert!(sent < 16 * 1024 * 1024, "{sent} bytes were taken");
}

#[tokio::test(flavor = "multi_thread")]
async fn no_compressed_body_is_unpacked() {
    let server = start().await;
    for coding in
        ["gzip", "x-gzip", "deflate", "br", "zstd", "compress", "identity", "gzip, gzip", ""]
    {
        let request = call("/in/open", &format!("Content-Encoding: {coding}\r\n"), BODY);
        let got = burst(server.server.address, &[request]).await.remove(0);
        assert_eq!(got.status, 415, "{coding}: {}", got.body);
    }
    assert_eq!(executions(&server).await, 0);
}

#[tokio::test(flavor = "multi_thread")]
async fn what_is_too_much_memory_for_all_bodies_is_refused_until_there_is_room() {
    const LARGE: usize = 15 * 1024 * 1024;
    let rules = RULES.replacen(
        "server listen=\"127.0.0.1:8080\" {",
        "server listen=\"127.0.0.1:8080\" { limits body=15728640\n",
        1,
    );
    let server = Make::empty().file("rules/a.kdl", &rules).start().await;
    let body = format!("{{\"email\":\"a@example.com\",\"x\":\"{}\"}}", "x".repeat(LARGE - 64));
    let request = call("/in/open", "", &body);
    let (almost, _) = request.as_bytes().split_at(request.len() - 1);
    let mut held = Vec::new();
    let mut refused = (String::new(), false);
    // On a busy machine what was sent may not have been read yet, or those who are slow may be
    // given up before the next one comes: then all of them come once more.
    for _ in 0..30 {
        if held.len() < 4 {
            let mut stream = TcpStream::connect(server.server.address).await.unwrap();
            stream.write_all(almost).await.unwrap();
            held.push(stream);
            continue;
        }
        refused = raw_to(server.server.address, request.as_bytes(), Duration::from_secs(5)).await;
        if statuses(&refused.0) == ["503"] {
            break;
        }
        tokio::time::sleep(Duration::from_millis(100)).await;
        held.retain(is_open);
    }
    assert_eq!(statuses(&refused.0), ["503"], "{}", refused.0);
    assert!(refused.0.to_lowercase().contains("retry-after: "), "{}", refused.0);
    let small = burst(server.server.address, &[call("/in/open", "", BODY)]).await.remove(0);
    assert_eq!(small.status, 200, "a small one still fits: {}", small.body);
    // The last that came may have been refused as well, while the one above still took room.
    let mut answer = String::new();
    while let Some(mut one) = held.pop().filter(|_| statuses(&answer) != ["200"]) {
        let _ = one.write_all(b"}").await;
        answer = read_until_closed(&mut one, Duration::from_secs(2)).await.0;
    }
    assert_eq!(statuses(&answer), ["200"], "one that had room is answered");
    drop(held);
    let (answer, _) =
        raw_to(server.server.address, request.as_bytes(), Duration::from_secs(3)).await;
    assert_eq!(statuses(&answer), ["200"], "and there is room again");
}

/// Whether the server still waits for more.
fn is_open(stream: &TcpStream) -> bool {
    let answered = stream.try_read(&mut [0; 1]);
    answered.is_err_and(|why| why.kind() == std::io::ErrorKind::WouldBlock)
}
