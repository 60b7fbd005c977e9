//! Calls that were not made by who they seem to come from, or are sent again by somebody who
//! has seen them.

use std::collections::HashMap;
use std::fmt::Write as _;

use rulerun::base::{Secret, time};
use rulerun::signature::{Scheme, sign};

use super::*;
use crate::support::server::{TestClock, eventually, write};

const SECRET: &str = "your-secure-webhook-secret-here";

const SIGNED: &str = r#"
webhooks "g" {
    path "/in"
    endpoint "body" { access { signature scheme="body" secret=(env)"WEBHOOK_SECRET" } }
    endpoint "timestamped" { access { signature scheme="timestamped" secret=(env)"WEBHOOK_SECRET" } }
    endpoint "standard" { access { signature scheme="standard" secret=(env)"WEBHOOK_SECRET" } }
    endpoint "github" { access { signature scheme="github" secret=(env)"WEBHOOK_SECRET" } }
    endpoint "stripe" { access { signature scheme="stripe" secret=(env)"WEBHOOK_SECRET" } }
}
"#;

const SCHEMES: [(Scheme, &str); 5] = [
    (Scheme::Body, "body"),
    (Scheme::Timestamped, "timestamped"),
    (Scheme::Standard, "standard"),
    (Scheme::Github, "github"),
    (Scheme::Stripe, "stripe"),
];

/// The lines that sign a body at that time, in seconds.
fn signed(scheme: Scheme, id: &str, at: i64, body: &str) -> String {
    let lines = sign(scheme, &[Secret::new(SECRET)], id, at, body.as_bytes());
    let mut text = String::new();
    for (name, value) in lines {
        write!(text, "{name}: {value}\r\n").unwrap();
    }
    if scheme == Scheme::Body && !text.to_lowercase().contains("timestamp") {
        write!(text, "X-Webhook-Timestamp: {at}\r\n").unwrap();
    }
    text
}

fn seconds(server: &TestServer) -> i64 {
    time::millis(server.app().now()) / 1000
}

#[tokio::test(flavor = "multi_thread")]
async fn a_thousand_changed_bytes_and_every_other_spelling_are_refused() {
    let server = Make::empty().file("rules/a.kdl", SIGNED).start().await;
    let body =
        r#"{"email": "sarah@example.com", "amount": 100, "items": [1, 2], "note": "caf\u00e9"}"#;
    let (mut tried, now) = (0, seconds(&server));
    for (scheme, name) in SCHEMES {
        let path = format!("/in/{name}");
        let lines = signed(scheme, "msg_1", now, body);
        let mut requests: Vec<String> = (0..200)
            .map(|number| {
                let mut bytes = body.as_bytes().to_vec();
                // Any of seven bits of any byte; the text stays ASCII.
                bytes[number % body.len()] ^= 1 << (number / body.len() % 7);
                call(&path, &lines, std::str::from_utf8(&bytes).unwrap())
            })
            .collect();
        for other in [
            body.replace(": ", ":"),
            body.replace(", ", ","),
            format!("{body} "),
            format!(" {body}"),
            format!("{body}\n"),
            body.replace("\"amount\": 100, ", "").replace('}', ", \"amount\": 100}"),
            body.replace("100", "100.0"),
            body.replace("\\u00e9", "\\u00E9"),
            body.replace("sarah", "s\\u0061rah"),
            String::new(),
        ] {
            requests.push(call(&path, &lines, &other));
        }
        tried += requests.len();
        let got = burst(server.server.address, &requests).await;
        assert!(got.iter().all(|got| got.status == 401), "{name}: {got:?}");
        let honest = burst(server.server.address, &[call(&path, &lines, body)]).await;
        assert_eq!(honest[0].status, 200, "{name}: {}", honest[0].body);
    }
    assert!(tried >= 1_000, "{tried}");
    assert_eq!(executions(&server).await, 5);
}

#[tokio::test(flavor = "multi_thread")]
async fn a_thousand_replays_over_a_restart_make_one_execution_each() {
    let clock = TestClock::at("2026-03-01T12:00:00Z");
    let server = Make::empty().file("rules/a.kdl", SIGNED).on_disk().clock(&clock).start().await;
    let now = seconds(&server);
    let mut calls: Vec<String> = SCHEMES
        .iter()
        .flat_map(|(scheme, name)| {
            [1, 2].map(|number| {
                let body = format!("{{\"n\": {number}}}");
                call(
                    &format!("/in/{name}"),
                    &signed(*scheme, &format!("msg_{number}"), now, &body),
                    &body,
                )
            })
        })
        .collect();
    let keyed = "Idempotency-Key: one\r\n";
    calls.push(call("/in/body", &format!("{keyed}{}", signed(Scheme::Body, "", now, BODY)), BODY));
    let mut first: HashMap<usize, String> = HashMap::new();
    let mut server = server;
    let mut replays = 0;
    for _ in 0..2 {
        for _ in 0..46 {
            let got = burst(server.server.address, &calls).await;
            for (number, got) in got.into_iter().enumerate() {
                assert_eq!(got.status, 200, "{}: {}", calls[number], got.body);
                let known = first.entry(number).or_insert_with(|| got.body.clone());
                assert_eq!(*known, got.body, "the first answer again");
                replays += 1;
            }
        }
        let TestServer { server: running, folder } = server;
        running.stop().await;
        server = Make::within(folder).on_disk().clock(&clock).start().await;
    }
    assert!(replays >= 1_000, "{replays}");
    // Headers that nobody has signed make no new call of one that was seen.
    for (number, seen) in calls.iter().enumerate() {
        let altered = |line: &str| seen.replacen("\r\n\r\n", &format!("\r\n{line}\r\n\r\n"), 1);
        let bare = seen.replace("Idempotency-Key: one\r\n", "");
        let later = bare.replace(
            &format!("X-Webhook-Timestamp: {now}\r\n"),
            &format!("X-Webhook-Timestamp: {}\r\n", now + 7),
        );
        let keyed = format!("Idempotency-Key: fresh-{number}");
        let requests = [altered("X-Trace: 1"), later, bare]
            .into_iter()
            .chain((!seen.contains("Idempotency-Key")).then(|| altered(&keyed)));
        let requests: Vec<String> = requests.collect();
        for (request, got) in requests.iter().zip(burst(server.server.address, &requests).await) {
            let known = got.status == 200 && got.body == first[&number];
            assert!(known || matches!(got.status, 401 | 409), "{request}: {got:?}");
        }
    }
    assert_eq!(executions(&server).await, calls.len());
    // Long after, and long before, a signature that tells its time is worth nothing.
    for (jump, what) in [(301, "old"), (-602, "future")] {
        clock.set(jump);
        let timed: Vec<String> =
            calls.iter().filter(|call| !call.contains("/in/github")).cloned().collect();
        let got = burst(server.server.address, &timed).await;
        assert!(got.iter().all(|got| got.status == 401), "{what}: {got:?}");
    }
    assert_eq!(executions(&server).await, calls.len());
}

#[tokio::test(flavor = "multi_thread")]
async fn two_hundred_equal_calls_at_once_are_one() {
    let server = Make::empty().file("rules/a.kdl", RULES).on_disk().start().await;
    let request = call("/in/open", "Idempotency-Key: once\r\n", BODY);
    let address = server.server.address;
    let tasks: Vec<_> = (0..200)
        .map(|_| {
            let request = request.clone();
            tokio::spawn(async move { burst(address, &[request]).await.remove(0) })
        })
        .collect();
    let mut ids = std::collections::HashSet::new();
    for task in tasks {
        let got = task.await.unwrap();
        assert_eq!(got.status, 200, "{}", got.body);
        ids.insert(got.body);
    }
    assert_eq!(ids.len(), 1, "{ids:?}");
    assert_eq!(executions(&server).await, 1);
    let other = call("/in/open", "Idempotency-Key: once\r\n", r#"{"email":"bob@example.com"}"#);
    assert_eq!(burst(address, &[other]).await[0].status, 409);
}

#[tokio::test(flavor = "multi_thread")]
async fn a_key_belongs_to_what_the_call_says_wherever_it_says_it() {
    let rules =
        RULES.replace("methods=\"GET POST\" { payload", "methods=\"GET DELETE POST\" { payload");
    let server = Make::empty().file("rules/a.kdl", &rules).start().await;
    let ask = |method: &str, query: &str| {
        format!("{method} /in/open{query} HTTP/1.1\r\nHost: x\r\nIdempotency-Key: {method}\r\n\r\n")
    };
    for method in ["GET", "DELETE"] {
        let sarah = ask(method, "?email=sarah@example.com");
        let bob = ask(method, "?email=bob@example.com");
        let got = burst(server.server.address, &[sarah.clone(), bob, sarah]).await;
        let statuses: Vec<u16> = got.iter().map(|got| got.status).collect();
        assert_eq!(statuses, [200, 409, 200], "{method}: {got:?}");
        assert_eq!(got[2].header("idempotent-replay"), Some("true"));
        assert_eq!(got[0].body, got[2].body);
    }
    // A query beside a body says nothing.
    let post = |query: &str| call(&format!("/in/open{query}"), "Idempotency-Key: p\r\n", BODY);
    let got = burst(server.server.address, &[post("?a=1"), post("?a=2")]).await;
    assert_eq!((got[0].status, &got[0].body), (200, &got[1].body));
    assert_eq!(executions(&server).await, 3);
}

#[tokio::test(flavor = "multi_thread")]
async fn two_equal_signed_calls_under_different_keys_are_refused_loudly_or_allowed() {
    let rules = format!(
        "{}{}",
        SIGNED.trim_end().trim_end_matches('}'),
        "    endpoint \"reports\" repeats=\"allow\" { access { signature scheme=\"body\" \
         secret=(env)\"WEBHOOK_SECRET\" } }\n}\n"
    );
    let clock = TestClock::at("2026-03-01T12:00:00Z");
    let server = Make::empty().file("rules/a.kdl", &rules).clock(&clock).start().await;
    let ask = |path: &str, key: &str| {
        let key =
            if key.is_empty() { String::new() } else { format!("Idempotency-Key: {key}\r\n") };
        let lines = signed(Scheme::Body, "", seconds(&server), BODY);
        call(path, &format!("{key}{lines}"), BODY)
    };
    let all = ["a", "a", "b", ""].map(|key| ask("/in/body", key));
    let got = burst(server.server.address, &all).await;
    let statuses: Vec<u16> = got.iter().map(|got| got.status).collect();
    // Without any key the same signature means the same call.
    assert_eq!(statuses, [200, 200, 409, 200], "{got:?}");
    assert_eq!((got[3].header("idempotent-replay"), &got[3].body), (Some("true"), &got[0].body));
    assert!(got[2].body.contains("under another key"), "{}", got[2].body);
    let all = ["a", "b", ""].map(|key| ask("/in/reports", key));
    let got = burst(server.server.address, &all).await;
    assert!(got.iter().all(|got| got.status == 200), "{got:?}");
    assert_eq!(executions(&server).await, 1 + 3);
    // Its age over, the same words are a call of their own again.
    clock.set(301);
    let got = burst(server.server.address, &[ask("/in/body", "b"), ask("/in/body", "a")]).await;
    assert_eq!((got[0].status, got[1].status), (200, 200), "{got:?}");
    assert_eq!(executions(&server).await, 1 + 3 + 1, "a key of its own binds for a day");
}

#[tokio::test(flavor = "multi_thread")]
async fn a_repeated_call_gets_its_first_answer_where_its_schema_has_become_narrower() {
    let server = start().await;
    let before = call("/in/open", "Idempotency-Key: k\r\n", BODY);
    let unkeyed = call("/in/open", "", BODY);
    let first = burst(server.server.address, &[before.clone(), unkeyed.clone()]).await;
    assert_eq!((first[0].status, first[1].status), (200, 200));
    let narrower = RULES.replacen("email email }", "email email; phone text }", 1);
    write(&server.folder.path().join("rules/a.kdl"), &narrower);
    server.server.reload();
    eventually("the schema is narrower", || async {
        burst(server.server.address, std::slice::from_ref(&unkeyed)).await[0].status == 422
    })
    .await;
    let again = burst(server.server.address, &[before]).await.remove(0);
    assert_eq!((again.status, &again.body), (200, &first[0].body));
    assert_eq!(again.header("idempotent-replay"), Some("true"));
    let new = call("/in/open", "Idempotency-Key: new\r\n", BODY);
    assert_eq!(burst(server.server.address, &[new]).await[0].status, 422);
}

#[tokio::test(flavor = "multi_thread")]
async fn so_does_an_event_that_was_reported_before_its_schema_became_narrower() {
    let rules = |fields: &str| {
        format!(
            "service \"n8n\" {{ url \"http://127.0.0.1:9\" }}\n\
             events to=\"n8n\" path=\"/hook\" {{ event \"ping\" }}\n\
             schema \"ping\" {{ {fields} }}\n"
        )
    };
    let server = Make::empty().file("rules/a.kdl", &rules("email email")).start().await;
    let path = "/api/v1/events/ping";
    let keyed = [("content-type", "application/json"), ("idempotency-key", "k")];
    let first = server.send("POST", path, &keyed, BODY).await;
    assert_eq!(first.status, 202, "{}", first.text);
    write(&server.folder.path().join("rules/a.kdl"), &rules("email email; phone text"));
    server.server.reload();
    eventually("the schema is narrower", || async {
        server.send("POST", path, &keyed[..1], BODY).await.status == 422
    })
    .await;
    let again = server.send("POST", path, &keyed, BODY).await;
    assert_eq!((again.status, again.text), (202, first.text));
    assert_eq!(again.headers["idempotent-replay"], "true");
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
        let event = post("/api/v1/events/ping", &format!("{header}{length}"), BODY);
        let (answer, _) = raw(&server, &event.replace("Host: x", "Host: localhost")).await;
        assert_eq!(statuses(&answer), ["400"], "{header}: {answer}");
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn a_thousand_forged_unsubscribe_links_open_nothing() {
    use base64::Engine as _;
    use base64::engine::general_purpose::URL_SAFE_NO_PAD as BASE64;
    use rulerun::serve::ingress::unsubscribe::{self, Token};
    let server = start().await;
    let keys = futures_join([unsubscribe::key(server.app()), unsubscribe::key(server.app())]).await;
    let keys: Vec<String> = keys.into_iter().map(|key| key.unwrap().expose().to_owned()).collect();
    assert_eq!(keys[0], keys[1], "one key, however many ask for it first");
    let key = Secret::new(keys[0].clone());
    let token = |person: &str, key: &Secret| {
        let job = rulerun::base::Id([7; 16]);
        let token = Token { job, sequence: "news".into(), person: person.into() };
        token.seal(key)
    };
    let real = format!("/unsubscribe/{}", token("sarah@example.com", &key));
    let ours = BASE64.decode(token("sarah@example.com", &key)).unwrap();
    let theirs = BASE64.decode(token("peter@example.com", &key)).unwrap();
    let mut forged = vec![
        String::new(),
        BASE64.encode("sarah@example.com"),
        // As links looked at first: the address and a signature.
        format!("{}.{}", BASE64.encode("sarah@example.com"), BASE64.encode([7; 20])),
        BASE64.encode([&[1], &ours[1..]].concat()),
        token("sarah@example.com", &Secret::new("another key")),
        format!("{}=", BASE64.encode(&ours)),
        format!("{}/", BASE64.encode(&ours)),
        "A".repeat(3000),
    ];
    forged.extend((1..ours.len()).map(|end| BASE64.encode(&ours[..end])));
    let halves = (1..ours.len()).map(|at| [&ours[..at], &theirs[at..]].concat());
    forged.extend(
        halves.filter(|mixed| *mixed != ours && *mixed != theirs).map(|m| BASE64.encode(m)),
    );
    for bit in 0.. {
        if forged.len() == 1000 {
            break;
        }
        let mut other = ours.clone();
        other[bit % ours.len()] ^= u8::try_from(bit / ours.len() + 1).unwrap();
        forged.push(BASE64.encode(other));
    }
    let mut answers = std::collections::BTreeSet::new();
    for (round, forged) in forged.chunks(50).enumerate() {
        let method = if round % 2 == 0 { "POST" } else { "GET" };
        let mut requests = String::new();
        for token in forged {
            let length = "Host: x\r\nContent-Length: 0";
            write!(requests, "{method} /unsubscribe/{token} HTTP/1.1\r\n{length}\r\n\r\n").unwrap();
        }
        let (answer, _) = raw(&server, &requests).await;
        let seen: Vec<&str> = answer.split("HTTP/1.1 ").skip(1).collect();
        assert_eq!(seen.len(), forged.len());
        let undated = |answer: &&str| {
            let lines = answer.lines().filter(|line| !line.to_lowercase().starts_with("date:"));
            lines.collect::<Vec<_>>().join("\n")
        };
        answers.extend(seen.iter().map(undated));
    }
    assert_eq!(answers.len(), 1, "one answer to all of them: {answers:?}");
    assert!(answers.iter().all(|answer| answer.starts_with("404 ")), "{answers:?}");
    let listed =
        || async { server.app().store.suppressions("sarah@example.com").await.unwrap().len() };
    assert_eq!(listed().await, 0);
    assert_eq!(server.get(&real).await.status, 200);
    assert_eq!(listed().await, 0, "looking is not leaving");
    assert_eq!(server.send("POST", &real, &[], "List-Unsubscribe=One-Click").await.status, 200);
    assert_eq!(listed().await, 1);
}
