//! JSON that two readers would read differently, or that is small to send and large to keep.

use serde_json::json;

use super::*;

/// 200 for what is understood, 400 or 422 for what is not.
#[tokio::test(flavor = "multi_thread")]
async fn forty_bodies_are_read_in_one_way_or_not_at_all() {
    let server = start().await;
    let with = |value: &str| format!("{{\"email\":\"a@example.com\",\"x\":{value}}}");
    let nested = |levels: usize| with(&format!("{}{}", "[".repeat(levels), "]".repeat(levels)));
    let cases: Vec<(&str, String, bool)> = vec![
        ("plain", with("1"), true),
        ("white space", format!(" \n\t{}\r\n", with("1")), true),
        ("a byte order mark", format!("\u{feff}{}", with("1")), false),
        ("a name twice", r#"{"email":"a@example.com","email":"b@example.com"}"#.into(), false),
        (
            "a name twice, once escaped",
            r#"{"email":"a@example.com","\u0065mail":"b@example.com"}"#.into(),
            false,
        ),
        ("a name twice, deep", with(r#"[{"a":{"b":1,"b":2}}]"#), false),
        ("one name in two letters", with(r#"{"a":1,"A":2}"#), true),
        ("half a pair", with(r#""\ud800""#), false),
        ("the other half", with(r#""\udc00""#), false),
        ("a whole pair", with(r#""\ud83d\ude00""#), true),
        ("NUL", with(r#""\u0000""#), false),
        ("NUL in a name", with(r#"{"\u0000":1}"#), false),
        ("a line break in a text", with("\"a\nb\""), false),
        ("an unknown escape", with(r#""\x41""#), false),
        ("single quotes", with("'a'"), false),
        ("no quotes", with("a"), false),
        ("a number too large", with("1e999"), false),
        ("a number just not too large", with("1e308"), true),
        ("65 bits", with("18446744073709551616"), false),
        ("64 bits", with("9223372036854775807"), true),
        ("30 digits", with("123456789012345678901234567890"), false),
        ("a minus and 64 bits", with("-9223372036854775809"), false),
        ("a leading zero", with("007"), false),
        ("a plus", with("+1"), false),
        ("hex", with("0x10"), false),
        ("a dot alone", with("1."), false),
        ("NaN", with("NaN"), false),
        ("Infinity", with("-Infinity"), false),
        ("two values", r#"{"email":"a@example.com"}{"email":"b@example.com"}"#.into(), false),
        ("a second line", "{\"email\":\"a@example.com\"}\n{}".into(), false),
        ("a comma too many", r#"{"email":"a@example.com",}"#.into(), false),
        ("a comment", r#"{"email":"a@example.com"/**/}"#.into(), false),
        ("cut off", r#"{"email":"a@example.com""#.into(), false),
        ("null", "null".into(), false),
        ("a list", "[]".into(), false),
        ("a text", "\"x\"".into(), false),
        ("nothing", String::new(), false),
        ("a form", "email=a@example.com".into(), false),
        ("31 levels", nested(31), true),
        ("33 levels", nested(33), false),
        ("100,000 levels", nested(100_000), false),
        ("a name of 4 KiB", with(&format!("{{\"{}\":1}}", "k".repeat(4096))), true),
        ("a longer one", with(&format!("{{\"{}\":1}}", "k".repeat(4097))), false),
        ("9,900 values", with(&format!("[{}1]", "1,".repeat(9_900))), true),
        ("10,100 values", with(&format!("[{}1]", "1,".repeat(10_100))), false),
        ("80,000 empty objects", with(&format!("[{}{{}}]", "{},".repeat(80_000))), false),
    ];
    assert!(cases.len() >= 40);
    let requests: Vec<String> =
        cases.iter().map(|(_, body, _)| call("/in/open", "", body)).collect();
    for ((what, _, understood), got) in
        cases.iter().zip(burst(server.server.address, &requests).await)
    {
        let right = if *understood { got.status == 200 } else { matches!(got.status, 400 | 422) };
        assert!(right, "{what}: {} {}", got.status, got.body);
    }
    let understood = cases.iter().filter(|(.., understood)| *understood).count();
    assert_eq!(executions(&server).await, understood);
    let not_utf8 = [&b"POST /in/open HTTP/1.1\r\nHost: x\r\nContent-Type: application/json\r\nContent-Length: 5\r\n\r\n"[..], b"{\"\xff\"}"].concat();
    let (answer, _) = raw_to(server.server.address, &not_utf8, Duration::from_millis(400)).await;
    assert_eq!(statuses(&answer), ["400"]);
    for query in ["email=a@example.com&email=b@example.com", "email=a@example.com&x=%00"] {
        let answer = server.get(&format!("/in/open?{query}")).await;
        assert_eq!(answer.status, 400, "{query}: {}", answer.text);
    }
    assert_eq!(server.get("/in/open?email=a@example.com").await.status, 200);
}

#[tokio::test(flavor = "multi_thread")]
async fn an_integer_that_has_lost_digits_is_refused_with_its_bounds() {
    const RULES: &str = r#"
webhooks "g" {
    path "/in"
    endpoint "count" { payload { n integer; ns list { of integer }; any number optional } }
}
"#;
    let server = Make::empty().file("rules/a.kdl", RULES).start().await;
    let cases = [
        ("1", true),
        ("-9223372036854775808", true),
        ("9223372036854775807", true),
        ("9007199254740993", true),
        ("9007199254740991.0", true),
        ("1e3", true),
        ("9223372036854775808", false),
        ("18446744073709551615", false),
        ("1e30", false),
        ("1e308", false),
        ("-1e19", false),
        ("9007199254740992.0", false),
        ("9007199254740993.0", false),
        ("9.007199254740993e15", false),
        ("1.5", false),
    ];
    let bodies = cases.iter().flat_map(|(value, _)| {
        [format!("{{\"n\":{value},\"ns\":[]}}"), format!("{{\"n\":1,\"ns\":[{value}]}}")]
    });
    let requests: Vec<String> = bodies.map(|body| call("/in/count", "", &body)).collect();
    let got = burst(server.server.address, &requests).await;
    for (number, got) in got.iter().enumerate() {
        let (value, fits) = cases[number / 2];
        assert_eq!(got.status, if fits { 200 } else { 422 }, "{value}: {}", got.body);
        let told = ["` must be a whole number", "9223372036854775807", "as text"];
        let all = told.iter().all(|told| got.body.contains(told));
        assert!(fits || value == "1.5" || all, "{value}: {}", got.body);
    }
    let number = call("/in/count", "", r#"{"n":1,"ns":[],"any":18446744073709551615}"#);
    assert_eq!(burst(server.server.address, &[number]).await[0].status, 200);
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
