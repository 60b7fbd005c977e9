//! Rule files that are edited while calls come in. Two fields of every answer come from the
//! same place of the rules and must always agree; no call may fail.
#![allow(
    clippy::disallowed_methods,
    reason = "real processes and files live in real time, and are looked at until it is so"
)]

use std::collections::BTreeMap;
use std::path::{Path, PathBuf};
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Arc, Mutex};
use std::time::{Duration, Instant};

use serde_json::{Value, json};

use crate::support::binary::{Running, agent, get, post};
use crate::support::server::{Make, TestServer, copy, eventually, results, write};

/// The rules say which version they are, at both ends of the answer.
fn rules(version: &str) -> String {
    format!(
        r#"
sender "Acme <hello@acme.test>" {{
    postal-address "1 Main Street"
}}
webhooks "t" {{
    path "/t"
    endpoint "ping" {{
        payload "ping"
        reply {{
            first "{version}"
            filler "{}"
            last "{version}"
        }}
    }}
    endpoint "start" {{
        payload "ping"
        start "s"
    }}
}}
sequence "s" to="{{{{email}}}}" {{
    email "one" after="0s" subject="One"
}}
"#,
        "x".repeat(2000)
    )
}

const SCHEMA: &str = "schema \"ping\" {\n    email email example=\"a@shop.example\"\n}\n";
const OTHER: &str = "webhooks \"more\" {\n    path \"/more\"\n    endpoint \"pong\" {\n        reply {\n            ok #true\n        }\n    }\n}\n";

fn make() -> Make {
    Make::empty()
        .file("rules/t.kdl", &rules("v0"))
        .file("rules/emails/one.md", "Text zero.\n")
        .file("schemas/ping.kdl", SCHEMA)
}

/// Calls `POST /t/ping` about 200 times a second and looks at every answer.
struct Load {
    stop: Arc<AtomicBool>,
    seen: Arc<Mutex<Seen>>,
    thread: Option<std::thread::JoinHandle<()>>,
}

#[derive(Debug, Default)]
struct Seen {
    /// When each version answered first.
    first: BTreeMap<String, Instant>,
    calls: usize,
    wrong: Vec<String>,
}

impl Load {
    fn on(base: &str) -> Self {
        let (stop, seen) =
            (Arc::new(AtomicBool::new(false)), Arc::new(Mutex::new(Seen::default())));
        let (stopped, noted, url) =
            (Arc::clone(&stop), Arc::clone(&seen), format!("{base}/t/ping"));
        let thread = std::thread::spawn(move || {
            let agent = agent();
            while !stopped.load(Ordering::Relaxed) {
                let answer = post(&agent, &url, r#"{"email":"a@shop.example"}"#);
                noted.lock().unwrap().look(answer);
                std::thread::sleep(Duration::from_millis(4));
            }
        });
        Self { stop, seen, thread: Some(thread) }
    }

    /// How long after a moment this version answered first.
    async fn live(&self, version: &str, since: Instant) -> Duration {
        eventually(&format!("{version} is live"), || async {
            self.seen.lock().unwrap().first.contains_key(version)
        })
        .await;
        self.seen.lock().unwrap().first[version].saturating_duration_since(since)
    }

    /// Ends, and says how many calls there were, all of them answered well.
    fn end(mut self) -> usize {
        self.stop.store(true, Ordering::Relaxed);
        self.thread.take().unwrap().join().unwrap();
        let seen = self.seen.lock().unwrap();
        assert!(
            seen.wrong.is_empty(),
            "{} of {} calls: {:?}",
            seen.wrong.len(),
            seen.calls,
            seen.wrong.first()
        );
        seen.calls
    }
}

impl Seen {
    fn look(&mut self, answer: Result<(u16, String), ureq::Error>) {
        self.calls += 1;
        match answer {
            Ok((200, text)) => {
                let body: Value = serde_json::from_str(&text).unwrap();
                if body["first"] == body["last"] {
                    let version = body["first"].as_str().unwrap().to_owned();
                    self.first.entry(version).or_insert_with(Instant::now);
                } else {
                    self.wrong.push(text);
                }
            }
            other => self.wrong.push(format!("{other:?}")),
        }
    }
}

/// A good edit has to be live this soon; a loaded machine gets a little more.
#[allow(clippy::print_stderr, reason = "a figure for people")]
fn soon(what: &str, took: Duration) {
    eprintln!("{what}: live after {} ms", took.as_millis());
    if took > Duration::from_millis(300) {
        eprintln!("WARNING: {what} took longer than 300 ms");
    }
    assert!(took < Duration::from_secs(1), "{what}: {took:?}");
}

fn base(server: &TestServer) -> String {
    server.url("")
}

fn path(server: &TestServer, name: &str) -> PathBuf {
    server.folder.path().join(name)
}

async fn hash(server: &TestServer) -> String {
    server.get("/api/v1/status").await.json()["rules"]["hash"].as_str().unwrap().to_owned()
}

async fn another_hash(server: &TestServer, before: &str) -> String {
    eventually("another version is live", || async { hash(server).await != before }).await;
    hash(server).await
}

/// Saves as most editors do: a new file takes the old one's name.
fn save_by_rename(path: &Path, text: &str) {
    let temporary = path.with_file_name(".saving");
    write(&temporary, text);
    std::fs::rename(temporary, path).unwrap();
}

/// Saves as slowly as a network does: empty, then half of it, then the rest.
fn save_in_halves(path: &Path, text: &str) {
    use std::io::Write as _;
    let (first, rest) = text.split_at(text.len() / 2);
    let mut file = std::fs::File::create(path).unwrap();
    std::thread::sleep(Duration::from_millis(20));
    file.write_all(first.as_bytes()).unwrap();
    std::thread::sleep(Duration::from_millis(20));
    file.write_all(rest.as_bytes()).unwrap();
}

/// Saves as careful editors do: the old file becomes a backup first.
fn save_with_backup(path: &Path, text: &str) {
    let backup = path.with_extension("kdl~");
    std::fs::rename(path, &backup).unwrap();
    std::thread::sleep(Duration::from_millis(5));
    write(path, text);
    std::fs::remove_file(backup).unwrap();
}

/// A way to put a text into a file.
type Save = fn(&Path, &str);

#[tokio::test(flavor = "multi_thread")]
async fn every_kind_of_save_is_live_soon_and_no_call_notices() {
    let server = make().start().await;
    let load = Load::on(&base(&server));
    load.live("v0", Instant::now()).await;
    let file = path(&server, "rules/t.kdl");
    let ways: [(&str, Save); 4] = [
        ("in place", write),
        ("by rename", save_by_rename),
        ("in halves", save_in_halves),
        ("with a backup", save_with_backup),
    ];
    for round in 1..=5 {
        for (way, save) in ways {
            let version = format!("{way} {round}");
            save(&file, &rules(&version));
            let written = Instant::now();
            soon(&version, load.live(&version, written).await);
        }
    }
    let calls = load.end();
    assert!(calls > 200, "{calls}");
    assert_eq!(server.get("/readyz").await.json()["rules"], "live");
}

#[tokio::test(flavor = "multi_thread")]
async fn an_edit_right_after_the_start_is_not_missed() {
    for version in ["v1", "v2", "v3", "v4", "v5"] {
        let server = make().start().await;
        write(&path(&server, "rules/t.kdl"), &rules(version));
        let body = json!({ "email": "a@shop.example" });
        eventually("it is live", || async {
            server.post("/t/ping", &body).await.json()["first"] == version
        })
        .await;
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn files_may_come_go_and_change_their_names() {
    let server = make().start().await;
    let load = Load::on(&base(&server));
    let pong = || async { server.post("/more/pong", &json!({})).await.status };
    assert_eq!(pong().await, 404);

    write(&path(&server, "rules/more.kdl"), OTHER);
    eventually("the new file is live", || async { pong().await == 200 }).await;
    std::fs::create_dir(path(&server, "rules/deeper")).unwrap();
    let before = hash(&server).await;
    std::fs::rename(path(&server, "rules/more.kdl"), path(&server, "rules/deeper/pong.kdl"))
        .unwrap();
    let before = another_hash(&server, &before).await;
    assert_eq!(pong().await, 200, "it has only moved");
    write(&path(&server, "rules/deeper/pong.kdl"), &OTHER.replace("/more", "/most"));
    another_hash(&server, &before).await;
    assert_eq!(server.post("/most/pong", &json!({})).await.status, 200);
    std::fs::remove_dir_all(path(&server, "rules/deeper")).unwrap();
    eventually("what is deleted is gone", || async {
        server.post("/most/pong", &json!({})).await.status == 404
    })
    .await;

    let before = hash(&server).await;
    let wider = SCHEMA.replace("}\n", "    note text optional max-length=3\n}\n");
    write(&path(&server, "schemas/ping.kdl"), &wider);
    another_hash(&server, &before).await;
    let long = json!({ "email": "a@shop.example", "note": "too long" });
    assert_eq!(server.post("/t/ping", &long).await.status, 422);

    let before = hash(&server).await;
    write(&path(&server, "rules/emails/one.md"), "Text one.\n");
    another_hash(&server, &before).await;
    server.post("/t/start", &json!({ "email": "a@shop.example" })).await;
    eventually("an e-mail is captured", || async {
        results(&server.get("/api/v1/outbox").await).len() == 1
    })
    .await;
    let outbox = server.get("/api/v1/outbox").await.text;
    assert!(outbox.contains("Text one."), "{outbox}");
    load.end();
}

#[tokio::test(flavor = "multi_thread")]
async fn a_bad_edit_changes_nothing_and_shows_until_it_is_mended() {
    let server = make().start().await;
    let load = Load::on(&base(&server));
    let file = path(&server, "rules/t.kdl");
    let good = hash(&server).await;
    write(&file, &rules("v1").replace("start \"s\"", "strat \"s\""));
    eventually("it is shown", || async { server.get("/readyz").await.json()["rules"] != "live" })
        .await;
    assert_eq!(server.get("/readyz").await.status, 200, "calls are still welcome");
    let status = server.get("/api/v1/status").await.json();
    let problem = &status["rules"]["problems"][0];
    assert!(problem["message"].as_str().unwrap().contains("strat"), "{problem}");
    assert!(problem.to_string().contains("t.kdl"), "{problem}");
    assert_eq!(hash(&server).await, good);

    write(&file, &rules("v2"));
    let written = Instant::now();
    soon("the mended file", load.live("v2", written).await);
    assert_eq!(server.get("/readyz").await.json()["rules"], "live");
    assert!(!load.seen.lock().unwrap().first.contains_key("v1"), "the bad edit never answered");
    load.end();
}

fn link(target: &str, at: &Path) {
    let temporary = at.with_file_name("..new");
    std::os::unix::fs::symlink(target, &temporary).unwrap();
    std::fs::rename(temporary, at).unwrap();
}

/// The rules folder is a link to a link to a version.
#[tokio::test(flavor = "multi_thread")]
async fn a_folder_that_is_a_link_may_be_swapped() {
    let make = make();
    let root = make.folder.path().to_owned();
    for version in ["v1", "v2", "v3"] {
        copy(&root.join("rules"), &root.join(version));
        write(&root.join(version).join("t.kdl"), &rules(version));
    }
    std::fs::remove_dir_all(root.join("rules")).unwrap();
    link("v1", &root.join("..data"));
    link("..data", &root.join("rules"));
    swapped(&make.start().await, &root.join("..data")).await;
}

/// As Kubernetes mounts a `ConfigMap`: each file is a link through `..data`.
#[tokio::test(flavor = "multi_thread")]
async fn a_config_map_may_be_swapped() {
    let make = make();
    let folder = make.folder.path().join("rules");
    for version in ["v1", "v2", "v3"] {
        write(&folder.join(format!("..{version}")).join("t.kdl"), &rules(version));
    }
    std::fs::remove_file(folder.join("t.kdl")).unwrap();
    link("..v1", &folder.join("..data"));
    link("..data/t.kdl", &folder.join("t.kdl"));
    let server = make.start().await;
    let load = Load::on(&base(&server));
    load.live("v1", Instant::now()).await;
    for version in ["v2", "v3"] {
        link(&format!("..{version}"), &folder.join("..data"));
        let written = Instant::now();
        soon(&format!("ConfigMap {version}"), load.live(version, written).await);
    }
    load.end();
}

async fn swapped(server: &TestServer, data: &Path) {
    let load = Load::on(&base(server));
    load.live("v1", Instant::now()).await;
    for version in ["v2", "v3"] {
        link(version, data);
        let written = Instant::now();
        soon(&format!("link to {version}"), load.live(version, written).await);
    }
    // An edit inside what the link leads to now.
    write(&server.folder.path().join("v3/t.kdl"), &rules("v4"));
    let written = Instant::now();
    soon("edit behind the link", load.live("v4", written).await);
    load.end();
}

#[test]
fn a_mistake_is_told_once_and_a_hangup_reads_the_files_again() {
    let folder = tempfile::tempdir().unwrap();
    let file = folder.path().join("rules/t.kdl");
    write(&file, &rules("v0"));
    write(&folder.path().join("rules/emails/one.md"), "Text.\n");
    write(&folder.path().join("schemas/ping.kdl"), SCHEMA);
    let mut server = Running::serve(folder.path(), &[], &["--data", "data"]);
    let base = server.base();
    let agent = agent();
    let rules_word = || {
        let (_, text) = get(&agent, &format!("{base}/readyz")).unwrap();
        serde_json::from_str::<Value>(&text).unwrap()["rules"].clone()
    };
    let bad = rules("v1").replace("start \"s\"", "strat \"s\"");
    for _ in 0..3 {
        write(&file, &bad);
        crate::support::binary::until("it is noticed", || rules_word() != "live");
        server.signal("HUP");
        std::thread::sleep(Duration::from_millis(150));
    }
    let told = server.said().matches("the edit is not used").count();
    assert_eq!(told, 1, "{}", server.said());
    assert!(server.said().contains("strat"), "{}", server.said());
    write(&file, &rules("v2"));
    server.signal("HUP");
    crate::support::binary::until("it is live", || rules_word() == "live");
    let (status, text) =
        post(&agent, &format!("{base}/t/ping"), r#"{"email":"a@shop.example"}"#).unwrap();
    assert_eq!(status, 200);
    assert!(text.contains("\"first\":\"v2\""), "{text}");
    server.signal("TERM");
    let (status, said, _) = server.end();
    assert_eq!(status.code(), Some(0), "{said}");
}
