//! Secrets stay secret: planted in every place that takes one, looked for in every answer.

use std::io::{BufRead as _, BufReader, Read as _, Write as _};
use std::net::{TcpListener, TcpStream};
use std::time::Duration;

use rulerun::serve::server::StartError;
use serde_json::json;

use crate::support::binary::rulerun;
use crate::support::server::{Make, write};

/// Where a receiver listens that knows no address, and repeats the one that was asked for in
/// its answer, as many do.
fn echo() -> String {
    let listener = TcpListener::bind("127.0.0.1:0").unwrap();
    let place = listener.local_addr().unwrap().to_string();
    std::thread::spawn(move || {
        for stream in listener.incoming().flatten() {
            let _ = answer_with_its_path(&stream);
        }
    });
    place
}

fn answer_with_its_path(mut stream: &TcpStream) -> std::io::Result<()> {
    let mut reader = BufReader::new(stream);
    let (mut asked, mut length) = (String::new(), 0);
    reader.read_line(&mut asked)?;
    for line in reader.by_ref().lines().map_while(Result::ok).take_while(|line| !line.is_empty()) {
        let given = line.to_ascii_lowercase();
        let given = given.strip_prefix("content-length: ").and_then(|given| given.parse().ok());
        length = given.unwrap_or(length);
    }
    // What is not read would be answered with a broken connection.
    reader.read_exact(&mut vec![0; length])?;
    let body = format!("Cannot POST {}", asked.split(' ').nth(1).unwrap_or_default());
    let head = "HTTP/1.1 404 Not Found\r\nConnection: close\r\nContent-Length:";
    stream.write_all(format!("{head} {}\r\n\r\n{body}", body.len()).as_bytes())
}

#[tokio::test(flavor = "multi_thread")]
async fn twenty_planted_secrets_are_found_nowhere() {
    const RULES: &str = r#"
server listen="127.0.0.1:8080" { api-token (env)"SECRET_0" }
sender "Acme <hello@example.com>"
service "n8n" {
    url (env)"URL"
    token (env)"SECRET_1"
    header "X-N8N-API-KEY" (env)"SECRET_2"
    sign scheme="body" { secret (env)"SECRET_3"; secret (env)"SECRET_4" }
    retry "1s"
}
service "notion" { url (env)"URL"; token (env)"SECRET_5"; database "d"; timeout "1s" }
service "mail" type="smtp" { url (env)"MAIL" }
events to="n8n" path="/hook" { event "ping" }
webhooks "in" {
    path "/in"
    endpoint "a" { key (env)"SECRET_8"; key (env)"SECRET_9"; save "contact" id="x" also-in="notion" { a "b" }; send "ping" }
    endpoint "b" { access { header "X-API-Key" (env)"SECRET_10" (env)"SECRET_11" } }
    endpoint "c" { access { signature scheme="standard" secret=(env)"SECRET_12" } }
    endpoint "d" { access { signature scheme="github" secret=(env)"SECRET_13" } }
    endpoint "e" { payload { email email }; start "news" }
    health "in"
}
sequence "news" to="{{email}}" kind="transactional" { email "news-1" after="0s" subject="News" }
"#;
    let secret = |number: usize| format!("planted-{number}-9f8e7d6c5b4a");
    let mut make = Make::empty()
        .env("URL", &format!("http://{}/hooks/{}?token={}", echo(), secret(6), secret(7)))
        .env("MAIL", &format!("smtp://{}:{}@127.0.0.1:9", secret(14), secret(15)))
        .file("rules/a.kdl", RULES)
        .file("rules/emails/news-1.md", "Hello\n");
    for number in 0..20 {
        make = make.env(&format!("SECRET_{number}"), &secret(number));
    }
    let server = make.start().await;
    let bearer = format!("Bearer {}", secret(0));
    let json = ("content-type", "application/json");
    let mut told = Vec::new();
    // Right and nearly right keys, signatures and tokens.
    for (path, name, value) in [
        (format!("/in/a/{}", secret(8)), "x-a", secret(16)),
        (format!("/in/a/{}x", secret(8)), "x-a", secret(16)),
        ("/in/b".into(), "x-api-key", secret(10)),
        ("/in/b".into(), "x-api-key", secret(11)),
        ("/in/c".into(), "webhook-signature", secret(17)),
        ("/in/d".into(), "x-hub-signature-256", secret(18)),
        ("/in/e".into(), "x-a", secret(19)),
    ] {
        let body = r#"{"email":"sarah@example.com"}"#;
        told.push(server.send("POST", &path, &[json, (name, &value)], body).await);
    }
    let accepted = told.iter().filter(|answer| answer.status == 200).count();
    assert_eq!(accepted, 3, "{told:?}");
    tokio::time::sleep(Duration::from_millis(500)).await;
    for path in [
        "/metrics",
        "/readyz",
        "/in/health",
        "/api/v1/status",
        "/api/v1/executions",
        "/api/v1/queue",
        "/api/v1/queue/stats?by=url,service",
        "/api/v1/webhook-logs",
        "/api/v1/queue?status=pending",
        "/api/v1/flows",
        "/api/v1/outbox",
        "/api/v1/records/contact",
        "/api/v1/sequences",
        "/api/v1/rules",
        "/api/v1/calls",
        "/api/v1/schedule",
        "/api/v1/contacts/sarah@example.com/timeline",
    ] {
        let answer = server.send("GET", path, &[("authorization", &bearer)], "").await;
        assert_eq!(answer.status, 200, "{path}: {}", answer.text);
        told.push(answer);
        told.push(server.send("GET", path, &[("authorization", &format!("{bearer}x"))], "").await);
    }
    told.push(server.post("/nowhere/x", &json!({})).await);
    for answer in &told {
        for number in 0..20 {
            let held = format!("{} {:?}", answer.text, answer.headers).contains(&secret(number));
            assert!(!held, "secret {number} in {}", answer.text);
        }
    }
    let debug = format!("{:?}", server.app().live.load());
    assert!(
        (0..20).all(|number| !debug.contains(&secret(number))),
        "not even in a debugger's words"
    );
}

#[tokio::test(flavor = "multi_thread")]
async fn a_start_warns_of_secrets_that_can_be_guessed() {
    const RULES: &str = r#"
webhooks "in" {
    path "/in"
    endpoint "a" { access { signature scheme="body" secret=(env)"WEAK" } }
    endpoint "b" { access { header "X-Key" (env)"WEBHOOK_SECRET" } }
}
"#;
    let server = Make::empty().file("rules/a.kdl", RULES).env("WEAK", "hunter2").start().await;
    let told: Vec<&str> = server.server.warnings.iter().map(|one| one.message.as_str()).collect();
    assert_eq!(
        told,
        ["the signature secret of `in/a` can be guessed: it is shorter than 16 letters"]
    );
}

#[tokio::test(flavor = "multi_thread")]
async fn an_address_that_cannot_be_called_refuses_the_start_and_is_not_repeated() {
    let rules = |kind: &str| format!("service \"hook\"{kind} {{ url (env)\"URL\" }}\n");
    for (kind, url) in [
        ("", "http://bob:hunter two@127.0.0.1:9"),
        ("", "http://bob:hunter#two@127.0.0.1:9"),
        ("", "http://bob:1/hunter-two@127.0.0.1:9"),
        ("", "http://bob:hunter-two@127.0.0.1:9/x"),
        ("", "http://bob:hunter-two"),
        ("", "hunter://two"),
        ("", "hunter-two"),
        (" type=\"smtp\"", "smtp://bob:hunter%two@127.0.0.1:9"),
        (" type=\"smtp\"", "https://hunter-two"),
    ] {
        let kind = if kind.is_empty() { " type=\"http\"" } else { kind };
        let made = Make::empty().file("rules/a.kdl", &rules(kind)).env("URL", url);
        let Err(StartError::Rules(sources, found)) = made.try_start().await else {
            panic!("started with {url}");
        };
        let style = rulerun::base::report::Style { colour: false, width: 100 };
        let told = rulerun::base::report::human(&sources, &found, style);
        assert!(told.contains("bad-url") && told.contains("URL: the address of `hook`"), "{told}");
        assert!(!told.contains("hunter") && !told.contains("two"), "{told}");
    }
}

#[test]
fn lists_and_refusals_of_the_program_show_no_secret_of_an_address() {
    const RULES: &str = "service \"n8n\" { url (env)\"URL\" }\n\
        events to=\"n8n\" path=\"/hook\" { event \"ping\" }\n";
    let folder = tempfile::tempdir().unwrap();
    write(&folder.path().join("rules/a.kdl"), RULES);
    for (url, shown) in [
        ("https://hooks.example.com/hunter/2?token=two", "https://hooks.example.com/…"),
        ("http://bob:hunter#two@hooks.example.com", "http://…"),
    ] {
        let told = |args: &[&str]| {
            let output = rulerun().current_dir(folder.path()).env("URL", url).args(args).output();
            let output = output.unwrap();
            let told = String::from_utf8([output.stdout, output.stderr].concat()).unwrap();
            assert!(!told.contains("hunter") && !told.contains("two"), "{args:?}: {told}");
            told
        };
        let listed = told(&["list"]);
        assert_eq!(listed.matches(shown).count(), 2, "its service and its event: {listed}");
        assert!(told(&["list", "--format", "json"]).contains(shown));
        let validated = told(&["validate"]);
        assert_eq!(validated.contains("cannot be used"), url.contains('#'), "{validated}");
        if url.contains('#') {
            assert!(told(&["serve", "--listen", "127.0.0.1:0"]).contains("cannot be used"));
        }
    }
}
