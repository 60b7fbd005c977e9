//! The verbs that talk to a running server, as a person and as a program use them.

use std::process::Command;

use serde_json::Value;

use crate::support::binary::rulerun;
use crate::support::receiver::Receiver;
use crate::support::server::{KEYS, Make, TestServer, eventually, results};

/// What a command came to.
#[derive(Debug)]
pub(crate) struct Done {
    pub(crate) code: Option<i32>,
    pub(crate) data: String,
    pub(crate) notes: String,
}

impl Done {
    pub(crate) fn of(mut command: Command) -> Self {
        let output = command.output().unwrap();
        let text = |bytes: Vec<u8>| String::from_utf8(bytes).unwrap();
        Self { code: output.status.code(), data: text(output.stdout), notes: text(output.stderr) }
    }

    #[track_caller]
    pub(crate) fn fine(self) -> Self {
        assert_eq!(self.code, Some(0), "{self:?}");
        assert!(!self.notes.contains("panicked"), "{self:?}");
        self
    }

    #[track_caller]
    pub(crate) fn json(self) -> Value {
        let done = self.fine();
        serde_json::from_str(&done.data).unwrap_or_else(|_| panic!("not JSON: {done:?}"))
    }
}

/// Runs a verb in the server's folder, with the server's keys.
pub(crate) fn run(server: &TestServer, line: &str) -> Done {
    let mut command = rulerun();
    command.current_dir(server.folder.path()).envs(KEYS).env("RULERUN_URL", server.url(""));
    command.args(line.split_whitespace());
    Done::of(command)
}

pub(crate) fn json(server: &TestServer, line: &str) -> Value {
    run(server, &format!("{line} --format json")).json()
}

#[tokio::test(flavor = "multi_thread")]
async fn an_example_call_is_made_listed_shown_and_explained() {
    let server = Make::campaigns().start().await;
    let called = run(&server, "call noshow-recovery-handler --example").fine();
    assert!(called.notes.contains("christmas/noshow-recovery-handler answered 200"), "{called:?}");
    let id =
        serde_json::from_str::<Value>(&called.data).unwrap()["id"].as_str().unwrap().to_owned();

    let listed = run(&server, "executions list").fine();
    assert!(listed.data.contains(&id), "{listed:?}");
    assert!(listed.data.contains("christmas/noshow-recovery-handler"), "{listed:?}");
    let listed = json(&server, "executions list --flow christmas/noshow-recovery-handler");
    assert_eq!(listed["results"][0]["id"], id.as_str());
    let none = run(&server, "executions list --flow signup-handler").fine();
    assert_eq!(none.data, "");
    assert!(none.notes.contains("no executions"), "{none:?}");

    let shown = run(&server, &format!("executions show {id}")).fine();
    assert!(shown.data.contains("noshow-recovery-handler"), "{shown:?}");
    assert_eq!(json(&server, &format!("executions show {id}"))["id"], id.as_str());

    let logs = run(&server, &format!("executions logs {id}")).fine();
    for step in ["noshow-1", "noshow-2", "noshow-3"] {
        assert!(logs.data.contains(&format!("{step}: scheduled for ")), "{logs:?}");
    }
    assert_eq!(json(&server, &format!("executions logs {id}")).as_array().unwrap().len(), 3);
    let unknown = run(&server, "executions show 0000000000000000000000");
    assert_eq!(unknown.code, Some(1), "{unknown:?}");
    assert_eq!(unknown.notes, "There is no execution `0000000000000000000000`.\n");
}

#[tokio::test(flavor = "multi_thread")]
async fn a_call_that_is_refused_says_why_and_ends_with_1() {
    let server = Make::campaigns().start().await;
    let mut command = rulerun();
    command.current_dir(server.folder.path()).envs(KEYS).env("RULERUN_URL", server.url(""));
    command.args(["call", "christmas/signup-handler", "--data", r#"{"email":"x"}"#]);
    let refused = Done::of(command);
    assert_eq!(refused.code, Some(1), "{refused:?}");
    assert!(refused.notes.contains("answered 422"), "{refused:?}");
    assert!(refused.data.contains("first_name"), "{refused:?}");
}

#[tokio::test(flavor = "multi_thread")]
async fn the_queue_is_shown_counted_and_steered() {
    let receiver = Receiver::start(&[400]).await;
    let make = Make::campaigns().env("N8N_ENABLED", "true");
    let server = make.env("N8N_WEBHOOK_BASE_URL", &receiver.url()).start().await;
    let sent = run(&server, "send lead_scraped --example").fine();
    assert!(sent.notes.contains("lead_scraped is queued"), "{sent:?}");
    eventually("it is refused for good", || async {
        results(&server.get("/api/v1/queue?status=failed").await).len() == 1
    })
    .await;

    let listed = run(&server, "queue list --status failed").fine();
    assert!(listed.data.contains("lead_scraped") && listed.data.contains("lead 123"), "{listed:?}");
    let job = json(&server, "queue list --status failed")["results"][0].clone();
    let id = job["id"].as_str().unwrap();
    let shown = run(&server, &format!("queue show {id}")).fine();
    assert!(shown.data.contains("400"), "{shown:?}");
    assert_eq!(json(&server, &format!("queue show {id}"))["id"], id);
    assert_eq!(json(&server, "queue stats")["failed"], 1);
    assert!(run(&server, "queue stats").fine().data.contains("failed"));

    run(&server, "queue pause").fine();
    run(&server, &format!("queue retry {id}")).fine();
    assert_eq!(json(&server, "queue stats")["pending"], 1, "paused: it waits");
    assert_eq!(receiver.seen().len(), 1);
    run(&server, "queue resume").fine();
    eventually("it is delivered", || async { receiver.seen().len() == 2 }).await;
    eventually("it is known to be", || async {
        server.get("/api/v1/queue/stats").await.json()["sent"] == 1
    })
    .await;

    run(&server, "call noshow-recovery-handler --example").fine();
    let waiting = json(&server, "queue list --status pending")["results"][0].clone();
    let id = waiting["id"].as_str().unwrap();
    run(&server, &format!("queue cancel {id}")).fine();
    let cancelled = json(&server, &format!("queue show {id}"));
    assert_eq!(cancelled["status"], "cancelled", "{cancelled}");
    let none = run(&server, "queue retry --status failed").fine();
    assert!(none.data.contains('0'), "{none:?}");
    let cleaned = json(&server, "queue cleanup --days 30");
    assert_eq!(cleaned["removed"], 0, "everything is younger");
}

#[tokio::test(flavor = "multi_thread")]
async fn captured_emails_can_be_read() {
    let mut make = Make::campaigns();
    make.config.options.speed = 1_000_000;
    let server = make.start().await;
    let empty = run(&server, "outbox").fine();
    assert!(empty.notes.contains("the outbox is empty"), "{empty:?}");
    run(&server, "call noshow-recovery-handler --example").fine();
    eventually("all are captured", || async {
        results(&server.get("/api/v1/outbox").await).len() == 3
    })
    .await;
    let listed = run(&server, "outbox list").fine();
    assert!(listed.data.contains("Sorry we missed you, Sarah"), "{listed:?}");
    let mails = json(&server, "outbox list");
    let subjects: Vec<&str> = mails["results"]
        .as_array()
        .unwrap()
        .iter()
        .map(|mail| mail["subject"].as_str().unwrap())
        .collect();
    let newest_first =
        ["One last try, Sarah", "Shall we find another time?", "Sorry we missed you, Sarah"];
    assert_eq!(subjects, newest_first);
    let id = mails["results"][2]["id"].as_str().unwrap();
    let letter = run(&server, &format!("outbox show {id}")).fine();
    assert!(letter.data.contains("Subject: Sorry we missed you, Sarah"), "{letter:?}");
    assert!(letter.data.contains("Hi Sarah,"), "{letter:?}");
    let whole = json(&server, &format!("outbox show {id}"));
    assert_eq!(whole["id"], id);
    let page = run(&server, &format!("outbox show {id} --html")).fine().data;
    assert_eq!(whole["html"], page);
    assert!(page.starts_with("<!DOCTYPE html>") && page.contains(">Hi Sarah,</p>"), "{page}");
    for none in ["0000000000000000000000", "x"] {
        let missing = run(&server, &format!("outbox show {none} --html"));
        assert_eq!(missing.code, Some(1), "{missing:?}");
        assert!(
            missing.notes.contains(&format!("no e-mail `{none}` in the outbox")),
            "{missing:?}"
        );
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn without_a_server_every_verb_says_how_to_get_one() {
    let gone = std::net::TcpListener::bind("127.0.0.1:0").unwrap();
    let url = format!("http://{}", gone.local_addr().unwrap());
    drop(gone);
    let make = Make::campaigns();
    for line in [
        "call signup-handler --example",
        "send lead_scraped --example",
        "executions",
        "executions logs 0000000000000000000000",
        "queue list",
        "queue stats",
        "queue pause",
        "outbox",
    ] {
        let mut command = rulerun();
        command.current_dir(make.folder.path()).envs(KEYS);
        command.args(line.split_whitespace()).args(["--server", &url]);
        let done = Done::of(command);
        assert_eq!(done.code, Some(2), "{line}: {done:?}");
        assert_eq!(done.data, "", "{line}");
        assert!(done.notes.contains(&format!("no rulerun answers at {url}")), "{line}: {done:?}");
        assert!(done.notes.contains("start it with `rulerun serve`"), "{line}: {done:?}");
    }
}
