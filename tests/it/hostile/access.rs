//! Who is let in: addresses behind proxies, the API without a token, browsers of other sites,
//! methods and keys.

use std::collections::HashSet;

use super::*;

#[tokio::test(flavor = "multi_thread")]
async fn twenty_five_callers_talk_themselves_into_no_inner_network() {
    let stranger = start().await;
    // The same rules behind a proxy on this machine, which is on the list of nobody.
    let behind = RULES.replace("trusted-proxies \"10.0.0.0/8\"", "trusted-proxies \"127.0.0.0/8\"");
    let proxied = Make::empty().file("rules/a.kdl", &behind).start().await;
    let out = "203.0.113.9";
    let straight = [
        "X-Forwarded-For: 10.0.0.5",
        "Forwarded: for=10.0.0.5",
        "X-Real-IP: 10.0.0.5",
        "True-Client-IP: 10.0.0.5",
        "CF-Connecting-IP: 10.0.0.5",
        "X-Client-IP: 10.0.0.5",
        "X-Forwarded-For: 10.0.0.5, 10.0.0.6",
        "Client-IP: 10.0.0.5",
    ]
    .map(String::from);
    // What the proxy adds stands last.
    let through = [
        format!("X-Forwarded-For: 10.0.0.5, {out}"),
        format!("X-Forwarded-For: 10.0.0.5\r\nX-Forwarded-For: {out}"),
        format!("X-Forwarded-For: {out}, 127.0.0.1"),
        format!("X-Forwarded-For: 10.0.0.5,{out}:4711"),
        format!("X-Forwarded-For: 10.0.0.5, ::ffff:{out}"),
        String::from("X-Forwarded-For: 10.0.0.5, [2001:db8::1]:80"),
        String::from("X-Forwarded-For: 10.0.0.5, unknown"),
        String::from("X-Forwarded-For: 10.0.0.5,"),
        String::from("X-Forwarded-For: 10.0.0.5, \u{e9}"),
        String::from("X-Forwarded-For: 10.0.0.5 127.0.0.1"),
        String::from("X-Forwarded-For: 10.0.0.0/8"),
        String::from("X-Forwarded-For: 0x0a.0.0.5"),
        String::from("X-Forwarded-For: 167772165"),
        String::from("X-Forwarded-For:"),
        format!("X-Forwarded-For: {out}\r\nForwarded: for=10.0.0.5"),
        format!("X-Forwarded-For: 10.0.0.5\r\nForwarded: for={out}"),
        String::from("X-Forwarded-For: 10.0.0.5\r\nForwarded: for=_hidden"),
        format!("Forwarded: for=10.0.0.5, for={out}"),
        format!("Forwarded: for=\"10.0.0.5, for={out}"),
        format!("Forwarded: for=10.0.0.5;by=10.0.0.1, For=\"{out}:80\";proto=https"),
        String::from("Forwarded: for=10.0.0.5, for=_hidden"),
        String::from("Forwarded: for=10.0.0.5, by=10.0.0.5"),
        String::from("Forwarded: for=10.0.0.5, for=\"[2001:db8:cafe::17]:4711\""),
    ];
    assert!(straight.len() + through.len() >= 25);
    let ask = |header: &String| call("/in/inside", &format!("{header}\r\n"), "{}");
    for (server, headers) in [(&stranger, &straight[..]), (&proxied, &through[..])] {
        let requests: Vec<String> = headers.iter().map(ask).collect();
        let got = burst(server.server.address, &requests).await;
        for (header, got) in headers.iter().zip(got) {
            assert_eq!(got.status, 403, "{header}: {}", got.body);
        }
        assert_eq!(executions(server).await, 0);
    }
    let honest = [
        "X-Forwarded-For: 10.0.0.5",
        "X-Forwarded-For: 203.0.113.9, 10.0.0.5, 127.0.0.1",
        "X-Forwarded-For: 10.0.0.5:4711",
        "Forwarded: for=10.0.0.5",
        "Forwarded: for=203.0.113.9, proto=https;For=\"10.0.0.5:80\"",
        "X-Forwarded-For: 10.0.0.5\r\nForwarded: for=\"10.0.0.5:4711\"",
    ]
    .map(String::from);
    let requests: Vec<String> = honest.iter().map(ask).collect();
    for (header, got) in honest.iter().zip(burst(proxied.server.address, &requests).await) {
        assert_eq!(got.status, 200, "{header}: {}", got.body);
    }
    // Where no address is asked for, a client's own `Forwarded` turns nobody away.
    let both = format!("X-Forwarded-For: {out}\r\nForwarded: for=10.0.0.5\r\n");
    let anybody = call("/in/open", &both, BODY);
    assert_eq!(burst(proxied.server.address, &[anybody]).await[0].status, 200);
}

#[tokio::test(flavor = "multi_thread")]
async fn fifty_odd_content_types_are_refused_before_the_body_is_understood() {
    let server = start().await;
    let odd = [
        "text/plain",
        "text/json",
        "text/x-json",
        "text/html",
        "text/javascript",
        "text/xml",
        "application/x-www-form-urlencoded",
        "multipart/form-data; boundary=x",
        "multipart/mixed",
        "multipart/form-data",
        "application/xml",
        "application/soap+xml",
        "application/pdf",
        "application/octet-stream",
        "application/x-json",
        "application/jsonp",
        "application/json5",
        "application/jsonlines",
        "application/json-seq",
        "application/x-ndjson",
        "application/yaml",
        "application/javascript",
        "application/ecmascript",
        "application/msgpack",
        "application/cbor",
        "application/grpc+proto",
        "application/zip",
        "application/gzip",
        "application",
        "application/",
        "/json",
        "json",
        "*/*",
        "application/*",
        "application/+json",
        "application/a b+json",
        "application/a/b+json",
        "application//json",
        "application/json/",
        "application /json",
        "application/ json",
        "application/json,text/plain",
        "text/plain, application/json",
        "application/json application/json",
        "application\\json",
        "image/svg+json",
        "text/vnd.api+json",
        "application/json\u{a0}",
        "\"application/json\"",
        "application/json+",
        "application/vnd.api+json+xml",
        "application/jsonx",
        "x; application/json",
        "",
    ];
    assert!(odd.len() >= 50);
    let length = BODY.len();
    let ask = |lines: String| {
        format!(
            "POST /in/open HTTP/1.1\r\nHost: x\r\nContent-Length: {length}\r\n{lines}\r\n{BODY}"
        )
    };
    let mut requests: Vec<String> =
        odd.iter().map(|kind| ask(format!("Content-Type: {kind}\r\n"))).collect();
    requests.push(ask(String::new()));
    requests.push(ask("Content-Type: application/json\r\nContent-Type: text/plain\r\n".into()));
    requests.push(ask("Content-Type: text/plain\r\nContent-Type: application/json\r\n".into()));
    for (request, got) in requests.iter().zip(burst(server.server.address, &requests).await) {
        assert_eq!(got.status, 415, "{request}: {}", got.body);
    }
    assert_eq!(executions(&server).await, 0);
    let fine =
        ["application/json", "Application/JSON; charset=utf-8", "application/cloudevents+json"];
    let requests: Vec<String> =
        fine.iter().map(|kind| ask(format!("Content-Type: {kind}\r\n"))).collect();
    let got = burst(server.server.address, &requests).await;
    assert!(got.iter().all(|got| got.status == 200), "{got:?}");
}

#[tokio::test(flavor = "multi_thread")]
async fn twelve_preflights_are_answered_and_run_nothing() {
    let rules = r#"
webhooks "g" {
    path "/in"
    endpoint "listed" key=(env)"SIGNUP_WEBHOOK_KEY" {
        access { cors "https://www.example.com" "http://localhost:3000"; header "X-API-Key" (env)"WEBHOOK_SECRET" }
    }
    endpoint "closed"
}
"#;
    let server = Make::empty().file("rules/a.kdl", rules).start().await;
    let listed = "/in/listed/signup-webhook-key";
    let ask = |path: &str, origin: &str| {
        format!(
            "OPTIONS {path} HTTP/1.1\r\nHost: x\r\nOrigin: {origin}\r\n\
             Access-Control-Request-Method: POST\r\nContent-Length: 0\r\n\r\n"
        )
    };
    let cases = [
        (listed, "https://www.example.com", 204, true),
        (listed, "http://localhost:3000", 204, true),
        (listed, "https://www.example.com.evil.example.net", 204, false),
        (listed, "https://evil.example.net", 204, false),
        (listed, "http://www.example.com", 204, false),
        (listed, "https://WWW.example.com", 204, false),
        (listed, "https://www.example.com:8443", 204, false),
        (listed, "https://www.example.com/", 204, false),
        (listed, "null", 204, false),
        (listed, "*", 204, false),
        ("/in/closed", "https://www.example.com", 204, false),
        ("/in/listed/wrong-key", "https://www.example.com", 404, false),
    ];
    assert_eq!(cases.len(), 12);
    let requests: Vec<String> = cases.iter().map(|(path, origin, ..)| ask(path, origin)).collect();
    let got = burst(server.server.address, &requests).await;
    for ((path, origin, status, allowed), got) in cases.iter().zip(got) {
        assert_eq!(got.status, *status, "{path} {origin}");
        let named = got.header("access-control-allow-origin");
        assert_eq!(named, allowed.then_some(*origin), "{path} {origin}");
        assert_eq!(got.header("access-control-max-age"), allowed.then_some("600"));
        assert_eq!(got.header("access-control-allow-credentials"), None);
        if *path == listed {
            assert_eq!(got.header("vary"), Some("Origin"), "{origin}");
        }
    }
    assert_eq!(executions(&server).await, 0);
}

#[tokio::test(flavor = "multi_thread")]
async fn a_method_that_is_not_declared_runs_nothing_on_any_endpoint() {
    let server = Make::campaigns().start().await;
    let live = server.app().live.load_full();
    let mut requests = Vec::new();
    for endpoint in &live.endpoints {
        let key = endpoint.keys.first().map(|key| format!("/{}", key.expose())).unwrap_or_default();
        let path = format!("{}/{}{key}", endpoint.rule.group.paths[0], endpoint.rule.name);
        for method in ["GET", "PUT", "PATCH", "DELETE", "TRACE", "PROPFIND", "BREW"] {
            if !endpoint.rule.methods.iter().any(|declared| declared == method) {
                requests.push(call(&path, "", BODY).replacen("POST", method, 1));
            }
        }
    }
    assert!(requests.len() >= 60, "{}", requests.len());
    for (request, got) in requests.iter().zip(burst(server.server.address, &requests).await) {
        assert_eq!(got.status, 405, "{request}: {}", got.body);
        assert_eq!(got.header("allow"), Some("POST"), "{request}");
    }
    assert_eq!(executions(&server).await, 0);
}

#[tokio::test(flavor = "multi_thread")]
async fn an_unknown_address_and_a_wrong_key_take_equally_long() {
    let server = start().await;
    let time = async |path: &str| {
        let requests = vec![call(path, "", BODY); 50];
        let began = tokio::time::Instant::now();
        let got: HashSet<Got> = burst(server.server.address, &requests).await.into_iter().collect();
        assert_eq!(got.len(), 1, "{got:?}");
        (began.elapsed(), got)
    };
    let mut seen: Vec<f64> = Vec::new();
    // Other work on the machine only ever adds time, so the quicker quarter is compared; and it
    // disturbs now the one, now the other, while a difference of ours has the same sign in each
    // of five rounds.
    for _ in 0..5 {
        let (mut unknown, mut wrong, mut answers) = (Vec::new(), Vec::new(), HashSet::new());
        for _ in 0..40 {
            for (path, times) in [
                ("/in/nobody/signup-webhook-kex", &mut unknown),
                ("/in/keyed/signup-webhook-kex", &mut wrong),
            ] {
                let (took, got) = time(path).await;
                times.push(took);
                answers.extend(got);
            }
        }
        assert_eq!(answers.len(), 1, "{answers:?}");
        unknown.sort();
        wrong.sort();
        let ratio = wrong[10].as_secs_f64() / unknown[10].as_secs_f64();
        seen.push(ratio);
        if (0.9..=1.1).contains(&ratio) || (ratio > 1.0) != (seen[0] > 1.0) {
            return;
        }
    }
    panic!("they differ by more than a tenth, in every round: {seen:?}");
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
