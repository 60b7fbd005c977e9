//! A disk that fills up under load: calls are refused in time and in words, nothing that was
//! answered is lost, and as soon as there is room again everything goes on by itself. And a
//! disk that fails, or has lost what it held: the program says so in its own words and ends.
#![allow(
    clippy::disallowed_methods,
    reason = "real processes and files live in real time, and CI decides what a skip means"
)]

use std::collections::BTreeMap;
use std::io::Write as _;
use std::path::Path;
use std::process::Command;
use std::sync::{Arc, Mutex};
use std::time::{Duration, Instant};

use serde_json::Value;

use crate::support::binary::{Running, agent, get, until};
use crate::support::receiver::Receiver;
use crate::support::server::write;

/// Calls with a body of some length, each with an event for the receiver.
const RULES: &str = r#"
service "crm" type="http" {
    url (env)"CRM_URL"
    retry "100ms" "100ms" "100ms" "100ms" "100ms" "100ms" "100ms" "100ms"
}
events to="crm" path="/in" {
    event "noted"
}
webhooks "t" {
    path "/t"
    endpoint "note" {
        payload {
            n integer
            text text max-length=40000
        }
        send "noted"
    }
}
"#;

/// A small disk of its own.
struct Disk(tempfile::TempDir);

impl Disk {
    /// None where this user may not mount.
    fn new(mib: u32) -> Option<Self> {
        let disk = Self(tempfile::tempdir().unwrap());
        let size = format!("size={mib}m");
        let mounted = Command::new("mount")
            .args(["-t", "tmpfs", "-o", &size, "tmpfs"])
            .arg(disk.path())
            .output();
        if mounted.is_ok_and(|output| output.status.success()) {
            return Some(disk);
        }
        assert_ne!(std::env::var("CI").as_deref(), Ok("true"), "no small disk can be mounted");
        eprintln!("SKIPPED: a full disk (this user may not mount a small one)");
        None
    }

    fn path(&self) -> &Path {
        self.0.path()
    }

    fn grow(&self, mib: u32) {
        let options = format!("remount,size={mib}m");
        let grown = Command::new("mount").args(["-o", &options]).arg(self.path()).status().unwrap();
        assert!(grown.success());
    }

    /// Writes until not one byte more fits.
    fn fill(&self) {
        let mut file = std::fs::File::create(self.path().join("others")).unwrap();
        for length in [1 << 20, 4096, 1] {
            while file.write_all(&vec![1; length]).is_ok() {}
        }
    }
}

impl Drop for Disk {
    fn drop(&mut self) {
        // A process may still have a file open; then it goes when that one does.
        let _ = Command::new("umount").arg("-l").arg(self.path()).status();
    }
}

/// What a call was answered: status, `Retry-After`, text.
type Said = (u16, Option<String>, String);

fn call(agent: &ureq::Agent, base: &str, n: usize) -> Result<Said, ureq::Error> {
    let body = format!("{{\"n\":{n},\"text\":\"{}\"}}", "x".repeat(20_000));
    let request = agent.post(format!("{base}/t/note")).content_type("application/json");
    let mut answer = request.send(&body)?;
    let after = answer.headers().get("retry-after").map(|value| value.to_str().unwrap().to_owned());
    Ok((answer.status().as_u16(), after, answer.body_mut().read_to_string()?))
}

/// Calls that were answered 200: their numbers with their executions.
type Answered = Arc<Mutex<BTreeMap<usize, String>>>;

/// Eight callers at once, each until it is refused; answers the refusals, and how long each
/// took.
fn fill_with_calls(base: &str, answered: &Answered) -> Vec<(Said, Duration)> {
    let callers: Vec<_> = (0..8)
        .map(|caller| {
            let (base, answered) = (base.to_owned(), Arc::clone(answered));
            std::thread::spawn(move || {
                let agent = agent();
                for turn in 0..2_000 {
                    let (n, began) = (turn * 8 + caller, Instant::now());
                    let said = call(&agent, &base, n).unwrap();
                    if said.0 != 200 {
                        return (said, began.elapsed());
                    }
                    let body: Value = serde_json::from_str(&said.2).unwrap();
                    answered.lock().unwrap().insert(n, body["id"].as_str().unwrap().to_owned());
                }
                panic!("the disk does not fill");
            })
        })
        .collect();
    callers.into_iter().map(|caller| caller.join().unwrap()).collect()
}

fn nothing_is_lost(base: &str, answered: &Answered, receiver: &Receiver) {
    let (agent, answered) = (agent(), answered.lock().unwrap().clone());
    for (n, id) in &answered {
        let (status, text) = get(&agent, &format!("{base}/api/v1/executions/{id}")).unwrap();
        assert_eq!(status, 200, "call {n}: {text}");
    }
    until("every event arrives", || {
        let arrived: std::collections::BTreeSet<u64> = receiver
            .seen()
            .iter()
            .map(|request| serde_json::from_slice::<Value>(&request.body).unwrap())
            .map(|body| body["n"].as_u64().unwrap())
            .collect();
        answered.keys().all(|n| arrived.contains(&(*n as u64)))
    });
}

fn accepts_within_5_s(base: &str) -> Duration {
    let (agent, began) = (agent(), Instant::now());
    until("it accepts again", || call(&agent, base, 999_999).unwrap().0 == 200);
    assert!(began.elapsed() < Duration::from_secs(5), "{:?}", began.elapsed());
    began.elapsed()
}

#[tokio::test(flavor = "multi_thread")]
async fn a_disk_that_fills_up_refuses_in_time_and_loses_nothing() {
    let Some(disk) = Disk::new(64) else { return };
    let receiver = Receiver::start(&[]).await;
    let folder = tempfile::tempdir().unwrap();
    write(&folder.path().join("rules/t.kdl"), RULES);
    let (url, data) = (receiver.url(), disk.path().join("data"));
    let env = [("CRM_URL", url.as_str())];
    let serve = || Running::serve(folder.path(), &env, &["--data", data.to_str().unwrap()]);
    let mut server = serve();
    let base = server.base();

    let answered = Answered::default();
    let refusals = fill_with_calls(&base, &answered);
    let taken = answered.lock().unwrap().len();
    assert!(taken > 100, "{taken}");
    for ((status, after, text), took) in &refusals {
        assert_eq!(*status, 503, "{text}");
        assert!(after.as_deref().is_some_and(|after| after.parse::<u32>().is_ok()), "{after:?}");
        assert!(text.contains("cannot store this at the moment"), "{text}");
        assert!(*took < Duration::from_secs(2), "{took:?}");
    }
    let began = Instant::now();
    assert_eq!(call(&agent(), &base, 0).unwrap().0, 503);
    assert!(began.elapsed() < Duration::from_millis(100), "{:?}", began.elapsed());
    let (status, text) = get(&agent(), &format!("{base}/readyz")).unwrap();
    assert_eq!(status, 503, "{text}");
    assert!(text.contains("too little space on the disk") && text.contains("MiB"), "{text}");
    assert_eq!(get(&agent(), &format!("{base}/livez")).unwrap().0, 200);
    assert!(server.said().contains("calls are refused"), "{}", server.said());
    nothing_is_lost(&base, &answered, &receiver);

    disk.grow(128);
    let took = accepts_within_5_s(&base);
    assert_eq!(get(&agent(), &format!("{base}/readyz")).unwrap().0, 200);
    assert!(server.said().contains("calls are accepted again"), "{}", server.said());

    // Killed while others have filled the disk to its last byte.
    disk.fill();
    assert_eq!(call(&agent(), &base, 0).unwrap().0, 503);
    for _ in 0..2 {
        server.signal("KILL");
        server.end();
        disk.fill();
        server = serve();
    }
    let base = server.base();
    assert_eq!(call(&agent(), &base, 0).unwrap().0, 503);
    assert_eq!(get(&agent(), &format!("{base}/livez")).unwrap().0, 200);
    nothing_is_lost(&base, &answered, &receiver);

    std::fs::remove_file(disk.path().join("others")).unwrap();
    let again = accepts_within_5_s(&base);
    until("the reserve is laid again", || data.join("store/ballast").exists());
    server.signal("TERM");
    let (status, said, _) = server.end();
    assert_eq!(status.code(), Some(0), "{said}");
    eprintln!("full disk: acked={taken} lost=0; accepts again after {took:?} and {again:?}");
}

/// A disk that fails while the program runs: the first write that fails is the end.
#[tokio::test(flavor = "multi_thread")]
async fn a_write_that_fails_ends_with_74_and_says_what_to_do() {
    let Some(disk) = Disk::new(64) else { return };
    let receiver = Receiver::start(&[503; 2_000]).await;
    let folder = tempfile::tempdir().unwrap();
    write(&folder.path().join("rules/t.kdl"), RULES);
    let (url, data) = (receiver.url(), disk.path().join("data"));
    let env = [("CRM_URL", url.as_str())];
    let mut server = Running::serve(folder.path(), &env, &["--data", data.to_str().unwrap()]);
    let base = server.base();
    for n in 0..20 {
        assert_eq!(call(&agent(), &base, n).unwrap().0, 200);
    }
    // The house's own work goes on (here: retries), until nothing fits any more.
    disk.fill();
    let (status, said, _) = server.end();
    assert_eq!(status.code(), Some(74), "{said}");
    assert!(said.contains(data.to_str().unwrap()) && said.contains("start again"), "{said}");
    assert!(!said.contains("panicked"), "{said}");
}

#[test]
fn a_damaged_folder_is_refused_in_words() {
    let folder = tempfile::tempdir().unwrap();
    write(&folder.path().join("rules/t.kdl"), RULES);
    let env = [("CRM_URL", "http://127.0.0.1:9")];
    let mut server = Running::serve(folder.path(), &env, &["--data", "data"]);
    let base = server.base();
    for n in 0..20 {
        assert_eq!(call(&agent(), &base, n).unwrap().0, 200);
    }
    server.signal("TERM");
    server.end();
    let store = folder.path().join("data/store");
    let bytes = std::fs::read(store.join("db")).unwrap();
    let refusal = || {
        let began = Instant::now();
        let (status, said, _) = Running::serve(folder.path(), &env, &["--data", "data"]).end();
        assert_eq!(status.code(), Some(2), "{said}");
        assert!(began.elapsed() < Duration::from_secs(5), "{:?}", began.elapsed());
        assert!(said.contains("data/store is damaged") && said.contains("`db`"), "{said}");
        assert!(said.contains("`rulerun restore FILE --replace`"), "{said}");
        assert!(!said.contains("panicked") && !said.contains("sled"), "{said}");
    };
    std::fs::write(store.join("db"), &bytes[..bytes.len() - 1]).unwrap();
    refusal();
    // A second opening writes a snapshot; after a crash sled itself stumbles over what is
    // missing below it, and panics.
    std::fs::write(store.join("db"), &bytes).unwrap();
    let mut server = Running::serve(folder.path(), &env, &["--data", "data"]);
    server.base();
    server.signal("KILL");
    server.end();
    assert!(!store.join("closed").exists(), "it was killed");
    let mut bytes = std::fs::read(store.join("db")).unwrap();
    bytes[100..200_000].fill(0xA5);
    std::fs::write(store.join("db"), &bytes).unwrap();
    refusal();
}
