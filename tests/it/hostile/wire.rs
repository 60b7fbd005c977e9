//! Requests that two readers could read differently: framing, lengths, spellings.

use serde_json::json;

use super::*;

#[tokio::test(flavor = "multi_thread")]
async fn a_request_with_two_opinions_of_its_length_smuggles_nothing() {
    let server = start().await;
    let hidden = post("/in/open", &format!("Content-Length: {}\r\n", BODY.len()), BODY);
    let length = hidden.len();
    let chunks = format!("0\r\n\r\n{hidden}");
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
        ("a length in C", format!("Content-Length: 0x{length:x}\r\n"), hidden.clone()),
        ("a length with an exponent", "Content-Length: 0e1\r\n".into(), hidden.clone()),
        ("a length in two words", "Content-Length: 0 1\r\n".into(), hidden.clone()),
        ("no length in the header", "Content-Length:\r\n".into(), hidden.clone()),
        (
            "chunks said twice",
            "Transfer-Encoding: chunked\r\nTransfer-Encoding: chunked\r\n".into(),
            chunks.clone(),
        ),
        (
            "chunks said twice in one line",
            "Transfer-Encoding: chunked, chunked\r\n".into(),
            chunks.clone(),
        ),
        (
            "another coding before the chunks",
            "Transfer-Encoding: gzip, chunked\r\n".into(),
            chunks.clone(),
        ),
        ("chunks with a parameter", "Transfer-Encoding: chunked;q=1\r\n".into(), chunks.clone()),
        ("no coding at all", "Transfer-Encoding: identity\r\n".into(), hidden.clone()),
        ("a coding that is not said", "Transfer-Encoding:\r\n".into(), chunks.clone()),
        ("a vertical tab", "Transfer-Encoding: \u{b}chunked\r\n".into(), chunks.clone()),
        ("a space in the name", "Transfer Encoding: chunked\r\n".into(), chunks.clone()),
        ("a space after the name", "Transfer-Encoding : chunked\r\n".into(), chunks.clone()),
        ("no name", ": x\r\nContent-Length: 0\r\n".into(), hidden.clone()),
        (
            "a lone carriage return",
            format!("X-A: b\rContent-Length: {length}\r\nContent-Length: 0\r\n"),
            hidden.clone(),
        ),
        ("a NUL in a value", "X-A: \0\r\nContent-Length: 0\r\n".into(), hidden.clone()),
        ("a NUL in a name", "X-\0: a\r\nContent-Length: 0\r\n".into(), hidden.clone()),
    ];
    assert!(cases.len() >= 30);
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
async fn an_odd_request_is_one_request_or_none() {
    let server = start().await;
    let length = BODY.len();
    let honest = call("/in/open", "", BODY);
    let chunked = format!("{length:x}\r\n{BODY}\r\n0\r\n");
    for (what, request, answered) in [
        ("bare line feeds", honest.replace("\r\n", "\n"), &["200", "400"][..]),
        (
            "the same length twice",
            call("/in/open", &format!("Content-Length: {length}\r\n"), BODY),
            &["200", "400"],
        ),
        (
            "chunks in capitals",
            post("/in/open", "Transfer-Encoding: CHUNKED\r\n", &format!("{chunked}\r\n")),
            &["200"],
        ),
        (
            "a length after the chunks",
            post(
                "/in/open",
                "Transfer-Encoding: chunked\r\n",
                &format!("{chunked}Content-Length: 999\r\n\r\n"),
            ),
            &["200", "400"],
        ),
        (
            "an underscore",
            call("/in/open", "Transfer_Encoding: chunked\r\n", BODY),
            &["200", "400"],
        ),
        (
            "chunks in HTTP/1.0",
            post("/in/open", "Transfer-Encoding: chunked\r\n", &format!("{chunked}\r\n"))
                .replace("HTTP/1.1", "HTTP/1.0"),
            &["400"],
        ),
        (
            "a whole address",
            honest.replace("/in/open", "http://evil.example.com/in/open"),
            &["200", "400", "404"],
        ),
        ("two spaces", honest.replace("POST ", "POST  "), &["400"]),
        ("a method in small letters", honest.replace("POST", "post"), &["400", "405"]),
        ("HTTP/2 from the start", format!("PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n{honest}"), &["400"]),
        (
            "an upgrade to HTTP/2",
            call(
                "/in/open",
                "Connection: Upgrade, HTTP2-Settings\r\nUpgrade: h2c\r\nHTTP2-Settings: AAMAAABkAAQAAP__\r\n",
                BODY,
            ),
            &["200"],
        ),
        ("a proxy's own line", format!("PROXY TCP4 10.0.0.5 10.0.0.1 1 2\r\n{honest}"), &["400"]),
        ("HTTP/0.9", "GET /in/open?email=a@example.com\r\n\r\n".to_owned(), &["400"]),
        ("HTTP/3", honest.replace("HTTP/1.1", "HTTP/3.0"), &["400"]),
    ] {
        let before = executions(&server).await.as_u64().unwrap();
        let (answer, _) = raw(&server, &request).await;
        let seen: Vec<&str> = answer.split("HTTP/1.").skip(1).map(|rest| &rest[2..5]).collect();
        assert!(
            seen.len() <= 1 && seen.iter().all(|status| answered.contains(status)),
            "{what}: {answer}"
        );
        let after = executions(&server).await.as_u64().unwrap();
        assert_eq!(after - before, u64::from(seen == ["200"]), "{what}: {answer}");
    }
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
