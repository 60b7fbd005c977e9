//! Backups of the real program: made while it is called, put back elsewhere, looked at, and
//! refused where they would do harm.
#![allow(
    clippy::disallowed_methods,
    reason = "real processes and files live in real time, and are looked at until it is so"
)]

use std::collections::{BTreeMap, BTreeSet};
use std::os::unix::fs::PermissionsExt as _;
use std::path::Path;
use std::process::Command;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::sync::{Arc, Mutex};

use serde_json::Value;

use crate::support::binary::{Running, agent, get, post, rulerun, until};
use crate::support::receiver::Receiver;
use crate::support::server::folder;

const CALLS: usize = 200;

/// Runs a verb; answers its exit code, its data and its notes.
fn run(folder: &Path, url: &str, line: &str) -> (Option<i32>, String, String) {
    let mut command: Command = rulerun();
    command.current_dir(folder).env("CRM_URL", url).args(line.split_whitespace());
    let output = command.output().unwrap();
    let text = |bytes: Vec<u8>| String::from_utf8(bytes).unwrap();
    (output.status.code(), text(output.stdout), text(output.stderr))
}

/// The numbers that have arrived, each with the ids under which it came.
fn arrived(receiver: &Receiver) -> BTreeMap<u64, BTreeSet<String>> {
    let mut numbers: BTreeMap<u64, BTreeSet<String>> = BTreeMap::new();
    for request in receiver.seen() {
        let body: Value = serde_json::from_slice(&request.body).unwrap();
        let ids = numbers.entry(body["n"].as_u64().unwrap()).or_default();
        ids.insert(request.headers["webhook-id"].clone());
    }
    numbers
}

#[tokio::test(flavor = "multi_thread")]
async fn what_was_accepted_before_a_backup_is_in_it_and_is_delivered_after_a_restore() {
    let receiver = Receiver::start(&[]).await;
    let (here, there) = (folder(), folder());
    // Nothing listens there: everything waits, and is delivered only after the restore.
    let nowhere = "http://127.0.0.1:9";
    let mut server = Running::serve(here.path(), &[("CRM_URL", nowhere)], &["--data", "data"]);
    let base = server.base();
    let answered = Arc::new(Mutex::new(BTreeMap::new()));
    let numbers = Arc::new(AtomicUsize::new(0));
    let callers: Vec<_> = (0..4)
        .map(|_| {
            let url = format!("{base}/t/note");
            let (answered, numbers) = (Arc::clone(&answered), Arc::clone(&numbers));
            std::thread::spawn(move || {
                let agent = agent();
                loop {
                    let n = numbers.fetch_add(1, Ordering::SeqCst);
                    if n >= CALLS {
                        return;
                    }
                    let (status, text) = post(&agent, &url, &format!("{{\"n\":{n}}}")).unwrap();
                    assert_eq!(status, 200, "{text}");
                    let body: Value = serde_json::from_str(&text).unwrap();
                    let id = body["id"].as_str().unwrap().to_owned();
                    answered.lock().unwrap().insert(n as u64, id);
                }
            })
        })
        .collect();
    until("half of the calls are answered", || answered.lock().unwrap().len() > CALLS / 2);
    let before = answered.lock().unwrap().clone();
    let (code, data, notes) =
        run(here.path(), nowhere, &format!("backup kept.backup --server {base}"));
    assert_eq!(code, Some(0), "{data}{notes}");
    assert!(data.starts_with("kept.backup holds ") && data.contains(" executions"), "{data}");
    for caller in callers {
        caller.join().unwrap();
    }
    let file = here.path().join("kept.backup");
    assert_eq!(file.metadata().unwrap().permissions().mode() & 0o777, 0o600, "private");
    let (code, data, notes) = run(here.path(), nowhere, "restore kept.backup --data data");
    assert_eq!((code, data.as_str()), (Some(2), ""), "{notes}");
    assert!(notes.contains("already holds a store"), "{notes}");
    let (code, _, notes) = run(here.path(), nowhere, "doctor --data data");
    assert_eq!(code, Some(2), "{notes}");
    assert!(notes.contains("in use by a running server"), "{notes}");
    server.signal("KILL");
    server.end();

    let (code, data, notes) = run(here.path(), nowhere, "doctor kept.backup");
    assert_eq!(
        (code, data.as_str()),
        (Some(0), "kept.backup is sound: all rows agree\n"),
        "{notes}"
    );
    let line = format!("restore {} --data data", file.display());
    let (code, data, notes) = run(there.path(), nowhere, &line);
    assert_eq!(code, Some(0), "{notes}");
    assert!(data.starts_with("data/store now holds "), "{data}");
    assert!(notes.contains("will be sent again"), "{notes}");

    let url = receiver.url();
    let mut server = Running::serve(there.path(), &[("CRM_URL", &url)], &["--data", "data"]);
    let base = server.base();
    for id in before.values() {
        let found = get(&agent(), &format!("{base}/api/v1/executions/{id}")).unwrap();
        assert_eq!(found.0, 200, "{id}: {}", found.1);
    }
    until("everything in the backup is delivered", || {
        let arrived = arrived(&receiver);
        before.keys().all(|n| arrived.contains_key(n))
    });
    assert!(arrived(&receiver).values().all(|ids| ids.len() == 1), "one call, one event");
}

#[tokio::test(flavor = "multi_thread")]
async fn a_stopped_server_is_backed_up_from_its_folder_and_a_paused_restore_sends_nothing() {
    let receiver = Receiver::start(&[]).await;
    let (here, there, url) = (folder(), folder(), receiver.url());
    let mut server =
        Running::serve(here.path(), &[("CRM_URL", "http://127.0.0.1:9")], &["--data", "data"]);
    let call = format!("{}/t/note", server.base());
    assert_eq!(post(&agent(), &call, "{\"n\":1}").unwrap().0, 200);
    server.signal("TERM");
    server.end();
    let (code, data, notes) = run(here.path(), &url, "backup kept.backup --format json");
    assert_eq!(code, Some(0), "{notes}");
    let shape: Value = serde_json::from_str(&data).unwrap();
    assert_eq!((&shape["executions"], &shape["jobs"]), (&1.into(), &1.into()), "{shape}");
    let file = here.path().join("kept.backup");
    let line = format!("restore {} --paused", file.display());
    let (code, _, notes) = run(there.path(), &url, &line);
    assert_eq!(code, Some(0), "{notes}");
    assert!(notes.contains("The queue is paused"), "{notes}");

    let mut server = Running::serve(there.path(), &[("CRM_URL", &url)], &[]);
    let base = server.base();
    std::thread::sleep(std::time::Duration::from_millis(300));
    assert_eq!(arrived(&receiver).len(), 0, "paused");
    let (code, ..) = run(there.path(), &url, &format!("queue resume --server {base}"));
    assert_eq!(code, Some(0));
    until("it is sent once it may be", || arrived(&receiver).len() == 1);
}

#[test]
fn a_backup_that_cannot_be_made_leaves_the_old_one_alone() {
    let folder = folder();
    let file = folder.path().join("kept.backup");
    std::fs::write(&file, "the old one").unwrap();
    let line = "backup kept.backup --server http://127.0.0.1:9";
    let (code, data, notes) = run(folder.path(), "http://127.0.0.1:9", line);
    assert_eq!((code, data.as_str()), (Some(2), ""), "{notes}");
    assert!(notes.contains("no rulerun answers"), "{notes}");
    assert_eq!(std::fs::read_to_string(&file).unwrap(), "the old one");
    assert!(!folder.path().join("kept.backup.part").exists());
}
