//! The verbs that show what a server remembers, counts and does: at a terminal, in a pipe, and
//! to a program.

use std::io::{BufRead as _, BufReader};
use std::process::{Child, Stdio};
use std::sync::Arc;
use std::time::Duration;

use rulerun::serve::ingress::Ingress;
use rulerun::serve::journal::Kind;
use serde_json::{Value, json};
use tokio::io::{AsyncBufReadExt as _, AsyncWriteExt as _};

use crate::commands::{Done, json, run};
use crate::support::binary::rulerun;
use crate::support::receiver::Receiver;
use crate::support::server::{KEYS, Make, TestServer, eventually, results};

/// A verb with arguments that hold blanks.
fn say(server: &TestServer, arguments: &[&str]) -> Done {
    let mut command = rulerun();
    command.current_dir(server.folder.path()).envs(KEYS).env("RULERUN_URL", server.url(""));
    command.args(arguments);
    Done::of(command)
}

#[tokio::test(flavor = "multi_thread")]
async fn records_are_listed_changed_and_forgotten() {
    let server = Make::campaigns().start().await;
    let names = json(&server, "records");
    let lead = |names: &Value| {
        names["results"].as_array().unwrap().iter().find(|row| row["name"] == "lead").cloned()
    };
    assert_eq!(lead(&names), Some(json!({ "name": "lead", "schema": "lead", "total": 0 })));

    let whole = r#"{"lead_id": 7, "business_name": "Acme Inc", "score": 0.5}"#;
    say(&server, &["records", "set", "lead", "7", "--data", whole]).fine();
    say(&server, &["records", "set", "lead", "7", "--data", r#"{"score": 0.9}"#]).fine();
    let shown = json(&server, "records lead 7");
    assert_eq!(shown["fields"], json!({ "lead_id": 7, "business_name": "Acme Inc", "score": 0.9 }));
    assert_eq!(shown["version"], 2);
    assert_eq!(lead(&json(&server, "records")).unwrap()["total"], 1);
    let table = run(&server, "records lead").fine();
    assert!(table.data.contains("lead_id: 7, business_name: Acme Inc, score: 0.9"), "{table:?}");
    let queued = results(&server.get("/api/v1/queue?event_type=lead_qualified").await);
    assert_eq!(queued.len(), 1, "the rules have seen the change");

    let short = ["records", "set", "lead", "7", "--replace", "--data", r#"{"score": 1}"#];
    let unfit = say(&server, &short);
    assert_eq!(unfit.code, Some(1), "{unfit:?}");
    assert!(unfit.notes.contains("lead_id"), "replacing needs the whole record: {unfit:?}");

    let gone = run(&server, "records delete lead 7").fine();
    assert!(gone.notes.contains("lead 7 is forgotten"), "{gone:?}");
    let missing = run(&server, "records lead 7");
    assert_eq!((missing.code, missing.data.as_str()), (Some(1), ""), "{missing:?}");
    let misspelt = run(&server, "records led");
    assert!(misspelt.notes.contains("Did you mean `lead`?"), "{misspelt:?}");
}

#[tokio::test(flavor = "multi_thread")]
async fn stats_count_calls_deliveries_and_people() {
    let receiver = Receiver::start(&[200, 400]).await;
    let make = Make::campaigns().env("N8N_ENABLED", "true");
    let server = make.env("N8N_WEBHOOK_BASE_URL", &receiver.url()).start().await;
    run(&server, "call noshow-recovery-handler --example").fine();
    say(&server, &["call", "signup-handler", "--data", "{}"]);
    for (sent, failed) in [(1, 0), (1, 1)] {
        run(&server, "send lead_scraped --example").fine();
        eventually("it is delivered", || async {
            let stats = server.get("/api/v1/queue/stats").await.json();
            (stats["sent"].as_i64(), stats["failed"].as_i64()) == (Some(sent), Some(failed))
        })
        .await;
    }
    let rows = |stats: &Value, part: &str| stats[part].as_array().unwrap().clone();
    let row = |stats: &Value, part: &str, key: &str, name: &str| {
        rows(stats, part).into_iter().find(|row| row[key] == name).unwrap_or_default()
    };
    // What was refused is written down without anybody waiting for it.
    let mut stats = json(&server, "stats");
    for _ in 0..100 {
        if row(&stats, "calls", "endpoint", "christmas/signup-handler")["refused"] == 1 {
            break;
        }
        tokio::time::sleep(Duration::from_millis(20)).await;
        stats = json(&server, "stats");
    }
    let call = row(&stats, "calls", "endpoint", "christmas/noshow-recovery-handler");
    assert_eq!((&call["accepted"], &call["refused"]), (&json!(1), &json!(0)), "{stats}");
    let call = row(&stats, "calls", "endpoint", "christmas/signup-handler");
    assert_eq!((&call["accepted"], &call["refused"]), (&json!(0), &json!(1)), "{stats}");
    assert!(call["last_refusal"].as_str().unwrap().contains("`email` is missing"), "{stats}");
    let event = row(&stats, "deliveries", "name", "lead_scraped");
    assert_eq!(
        (&event["sent"], &event["failed"], &event["waiting"]),
        (&json!(1), &json!(1), &json!(0))
    );
    assert!(event["avg_ms"].is_number() && event["avg_retries"] == 0.0, "{event}");
    let email = row(&stats, "deliveries", "name", "noshow-1");
    assert_eq!(email["waiting"], 1, "{stats}");
    let people = row(&stats, "sequences", "sequence", "noshow-recovery");
    assert_eq!((&people["active"], &people["finished"]), (&json!(1), &json!(0)), "{stats}");

    let shown = run(&server, "stats --since 7d").fine();
    for heading in ["CALLS", "DELIVERIES", "SEQUENCES"] {
        assert!(shown.data.lines().any(|line| line.starts_with(heading)), "{shown:?}");
    }
    let wrong = run(&server, "stats --since yesterday");
    assert_eq!((wrong.code, wrong.data.as_str()), (Some(1), ""), "{wrong:?}");
}

/// `rulerun tail`, once the server knows that it follows.
async fn tail(server: &TestServer, arguments: &[&str]) -> Child {
    let before = server.app().journal.followers();
    let mut command = rulerun();
    command.current_dir(server.folder.path()).env("RULERUN_URL", server.url(""));
    command.arg("tail").args(arguments).stdout(Stdio::piped()).stderr(Stdio::piped());
    let child = command.spawn().unwrap();
    eventually("it follows", || async { server.app().journal.followers() > before }).await;
    child
}

/// The next line of a child's output.
fn line(child: &mut Child) -> String {
    let mut byte = BufReader::with_capacity(1, child.stdout.as_mut().unwrap());
    let mut line = String::new();
    byte.read_line(&mut line).unwrap();
    line
}

#[tokio::test(flavor = "multi_thread")]
async fn tail_shows_what_happens_and_ends_with_the_server() {
    let server = Make::campaigns().start().await;
    let mut people = tail(&server, &[]).await;
    let mut program = tail(&server, &["--format", "json"]).await;
    run(&server, "call noshow-recovery-handler --example").fine();
    let (people, program) = tokio::task::spawn_blocking(move || {
        let first = line(&mut people);
        assert!(first.contains("  accepted   200 christmas/noshow-recovery-handler"), "{first}");
        let step = line(&mut people);
        assert!(step.contains("  step         noshow-1: scheduled for "), "{step}");
        let told: Value = serde_json::from_str(&line(&mut program)).unwrap();
        assert_eq!(told["kind"], "accepted");
        assert!(told["timestamp"].as_str().unwrap().ends_with('Z'), "{told}");
        (people, program)
    })
    .await
    .unwrap();

    let began = tokio::time::Instant::now();
    server.server.stop().await;
    assert!(began.elapsed() < Duration::from_secs(5), "followers do not hold the server");
    for child in [people, program] {
        let ended = child.wait_with_output().unwrap();
        let notes = String::from_utf8(ended.stderr).unwrap();
        assert_eq!(ended.status.code(), Some(0), "{notes}");
        assert!(notes.ends_with("The server has stopped.\n"), "{notes}");
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn tail_ends_quietly_with_control_c_and_with_its_reader() {
    let server = Make::campaigns().start().await;
    let child = tail(&server, &[]).await;
    let killed =
        std::process::Command::new("kill").args(["-INT", &child.id().to_string()]).status();
    assert!(killed.unwrap().success());
    let ended = child.wait_with_output().unwrap();
    assert_eq!(ended.status.code(), Some(0), "{ended:?}");

    let mut child = tail(&server, &[]).await;
    drop(child.stdout.take());
    run(&server, "call noshow-recovery-handler --example").fine();
    let ended = tokio::task::spawn_blocking(move || child.wait().unwrap()).await.unwrap();
    assert_eq!(ended.code(), Some(0), "nobody reads any more");
}

#[tokio::test(flavor = "multi_thread")]
async fn so_many_may_follow_and_no_more() {
    let server = Make::campaigns().start().await;
    let held: Vec<_> = (0..16).map(|_| server.app().journal.follow()).collect();
    let refused = server.get("/api/v1/executions/follow").await;
    assert_eq!(refused.status, 503, "{}", refused.text);
    assert!(refused.text.contains("16 others follow already"), "{}", refused.text);
    assert_eq!(server.app().journal.followers(), 16, "whoever is refused does not count");
    drop(held);
    let unknown = server.get("/api/v1/executions/follow?flow=x").await;
    assert_eq!(unknown.status, 400, "{}", unknown.text);
}

#[tokio::test(start_paused = true)]
async fn a_follower_is_served_for_hours_and_told_what_it_missed() {
    let server = Make::campaigns().start().await;
    let ingress = Ingress::new(Arc::clone(server.app()));
    let (mut caller, stream) = tokio::io::duplex(1024);
    let (_stop, stopped) = tokio::sync::watch::channel(false);
    tokio::spawn(ingress.connection(stream, "127.0.0.1:9".parse().unwrap(), stopped));
    caller
        .write_all(b"GET /api/v1/executions/follow HTTP/1.1\r\nhost: localhost\r\n\r\n")
        .await
        .unwrap();
    let mut lines = tokio::io::BufReader::new(caller).lines();
    let mut signs = 0;
    // Two hours with a sign of life every 15 seconds.
    while signs < 480 {
        let line = lines.next_line().await.unwrap().expect("the connection holds");
        signs += u32::from(line == ": still here");
    }
    server.app().journal.say(Kind::Accepted, "200 hello/signup");
    let mut data = async || loop {
        let line = lines.next_line().await.unwrap().expect("the connection holds");
        if let Some(data) = line.strip_prefix("data: ") {
            break serde_json::from_str::<Value>(data).unwrap();
        }
    };
    assert_eq!(data().await["message"], "200 hello/signup");
    for number in 0..3_000 {
        server.app().journal.say(Kind::Accepted, &format!("200 call {number}"));
    }
    let (mut seen, mut missed) = (0, 0);
    while seen + missed < 3_000 {
        let told = data().await;
        missed += told["lines"].as_u64().unwrap_or_default();
        seen += u64::from(told["message"].is_string());
    }
    assert!(missed > 0 && seen >= 1_000, "{seen} seen, {missed} missed");
}

#[tokio::test(flavor = "multi_thread")]
async fn every_verb_that_prints_data_prints_it_for_programs_too() {
    let server = Make::campaigns().start().await;
    let id =
        json(&server, "call noshow-recovery-handler --example")["id"].as_str().unwrap().to_owned();
    json(&server, "send lead_scraped --example");
    std::fs::write(server.folder.path().join("body.json"), "{}").unwrap();
    let sign = "sign --secret-env WEBHOOK_SECRET --scheme github body.json";
    let signature = json(&server, sign)["X-Hub-Signature-256"].as_str().unwrap().to_owned();
    let job = json(&server, "queue")["results"][0]["id"].as_str().unwrap().to_owned();
    for line in [
        "validate",
        "fmt --check",
        "list",
        "urls",
        "executions",
        &format!("executions show {id}"),
        &format!("executions logs {id}"),
        "queue list --status pending",
        &format!("queue show {job}"),
        "queue stats",
        "queue pause",
        "queue resume",
        &format!("queue cancel {job}"),
        "queue retry --status cancelled",
        "queue cleanup",
        "outbox",
        "outbox list",
        "records",
        "records contact",
        "records set contact 1 --data {}",
        "records contact 1",
        "stats",
        "n8n export",
        "backup all.backup",
        "doctor all.backup",
        "restore all.backup --data other",
        "doctor --data other",
        "secret",
        &format!("verify --secret-env WEBHOOK_SECRET -H X-Hub-Signature-256:{signature} body.json"),
    ] {
        json(&server, line);
    }
}
