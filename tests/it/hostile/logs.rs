//! Lines that callers would like to write, and secrets that no line may hold.

use std::fmt::Write as _;

use serde_json::json;

use crate::support::binary::{Running, agent, until};
use crate::support::server::write;

#[test]
fn fifty_payloads_write_one_line_each() {
    const OPEN: &str = r#"
webhooks "g" {
    path "/in"
    endpoint "open" {
        payload closed=#true { email email; name text }
        save "guest" id="{{name}}" { mail "{{email}}" }
    }
}
"#;
    let folder = tempfile::tempdir().unwrap();
    write(&folder.path().join("rules/a.kdl"), OPEN);
    let mut server = Running::serve(folder.path(), &[], &["--dev"]);
    let base = server.base();
    until("the greeting is complete", || server.said().contains("Ctrl-C stops"));
    let greeting = server.said().len();
    let forged = "12:00:00  accepted   200 g/open  forged";
    let breaks = [
        "\n",
        "\r",
        "\r\n",
        "\n\r",
        "\u{b}",
        "\u{c}",
        "\u{85}",
        "\u{2028}",
        "\u{2029}",
        "\u{1b}[2J",
        "\u{1b}[1A\u{1b}[2K",
        "\u{9b}2J",
        "\u{1b}]0;title\u{7}",
        "\u{8}\u{8}",
        "\u{7f}",
        "\u{202e}",
        "\u{2066}",
        "\u{1b}c",
        "\t\n\t",
        "\u{1b}[31m\n",
        "%0a",
        "%0d%0a",
        "\\n",
        "\\r\\n",
        "\u{1}",
    ];
    let agent = agent();
    let mut calls = 0;
    for text in breaks {
        // In the id of a record, which a step tells, and in the name of a field, which a refusal
        // repeats.
        for (payload, status) in [
            (json!({ "email": "a@example.com", "name": format!("x{text}{forged}") }), 200),
            (json!({ "email": "a@example.com", format!("n{text}{forged}"): 1 }), 422),
        ] {
            let answer = agent
                .post(format!("{base}/in/open"))
                .content_type("application/json")
                .send(payload.to_string())
                .unwrap();
            assert_eq!(answer.status().as_u16(), status, "{payload}");
            calls += 1;
        }
    }
    assert!(calls >= 50);
    // Each text is told whole, in a line of its own: were it not, nothing would be tried here.
    let told = |said: &str| said[greeting..].matches(forged).count();
    until("every text is told", || told(&server.said()) >= calls);
    let said = server.said();
    assert_eq!(told(&said), calls, "{said}");
    let said = &said[greeting..];
    assert_eq!(said.lines().filter(|line| line.contains(forged)).count(), calls, "{said}");
    for line in said.lines() {
        let time = line
            .get(..8)
            .is_some_and(|time| time.bytes().filter(|byte| *byte == b':').count() == 2);
        assert!(time && !line.starts_with(forged), "{line:?}");
        assert!(!line.chars().any(char::is_control), "{line:?}");
        assert!(!line.contains(['\u{2028}', '\u{2029}', '\u{202e}', '\u{2066}']), "{line:?}");
    }
}

#[test]
fn no_planted_secret_is_told_while_calls_are_made() {
    const RULES: &str = r#"
server listen="127.0.0.1:8080" { api-token (env)"SECRET_0" }
service "n8n" {
    url (env)"URL"
    token (env)"SECRET_1"
    header "X-N8N-API-KEY" (env)"SECRET_2"
    sign scheme="body" { secret (env)"SECRET_3" }
    retry "100ms"
}
events to="n8n" path="/hook" { event "ping" }
webhooks "in" {
    path "/in"
    endpoint "a" key=(env)"SECRET_6" { send "ping" }
    endpoint "b" { access { header "X-API-Key" (env)"SECRET_7" } }
    endpoint "c" { access { signature scheme="standard" secret=(env)"SECRET_8" } }
}
"#;
    let secret = |number: usize| format!("planted-{number}-9f8e7d6c5b4a");
    let folder = tempfile::tempdir().unwrap();
    write(&folder.path().join("rules/a.kdl"), RULES);
    let names: Vec<String> = (0..20).map(|number| format!("SECRET_{number}")).collect();
    let values: Vec<String> = (0..20).map(secret).collect();
    let url = format!("http://127.0.0.1:9/{}?token={}", secret(4), secret(5));
    let mut env: Vec<(&str, &str)> = vec![("URL", &url)];
    env.extend(names.iter().zip(&values).map(|(name, value)| (name.as_str(), value.as_str())));
    let mut server = Running::serve(folder.path(), &env, &["--dev"]);
    let base = server.base();
    until("the greeting is complete", || server.said().contains("Ctrl-C stops"));
    // The greeting for development prints lines that are ready to be called, with their keys.
    let greeting = server.said().len();
    let agent = agent();
    let mut told = String::new();
    for (path, name, value) in [
        (format!("/in/a/{}", secret(6)), "x-a", secret(9)),
        (format!("/in/a/{}x", secret(6)), "x-a", secret(10)),
        (format!("/in/{}", secret(11)), "x-a", secret(12)),
        ("/in/b".into(), "x-api-key", secret(7)),
        ("/in/b".into(), "x-api-key", format!("{}x", secret(7))),
        ("/in/c".into(), "webhook-signature", secret(13)),
        (format!("/in/b?token={}", secret(14)), "referer", format!("http://x/{}", secret(15))),
        ("/api/v1/status".into(), "authorization", format!("Bearer {}", secret(16))),
        (format!("/unsubscribe/{}", secret(17)), "cookie", secret(18)),
    ] {
        let mut answer = agent
            .post(format!("{base}{path}"))
            .content_type("application/json")
            .header(name, &value)
            .header("user-agent", secret(19))
            .send("{}")
            .unwrap();
        write!(told, "{:?}", answer.headers()).unwrap();
        told.push_str(&answer.body_mut().read_to_string().unwrap());
    }
    until("the delivery has failed", || server.said()[greeting..].contains("  retry "));
    told.push_str(&server.said()[greeting..]);
    for number in 0..20 {
        assert!(!told.contains(&secret(number)), "secret {number} in {told}");
    }
}
