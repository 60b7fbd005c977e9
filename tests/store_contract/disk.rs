//! What only the store on disk can promise: it is all still there.

use rulerun::model::commit::{Commit, Write};
use rulerun::model::queue::JobState;
use rulerun::store::{Committed, ExecutionFilter, OpenError, SledStore, Store};

use crate::help::*;

#[tokio::test]
async fn everything_is_still_there_but_the_claims() {
    let folder = tempfile::tempdir().unwrap();
    let store = on_disk(folder.path());
    let started = enrolment(1, "welcome", &[("hello", NOW), ("more", NOW + DAY)]);
    let writes = vec![enrol(started), Write::Enqueue(job(1, "ping", "n8n", NOW))];
    let keys = vec![key("a", 1, NOW + DAY)];
    accept(&store, Commit { keys: keys.clone(), ..call(1, writes) }).await;
    let before = claim(&store, NOW).await;
    assert_eq!(before.len(), 2);
    store.close().await.unwrap();
    drop(store);

    let store = SledStore::open(folder.path(), NOW + 5, Box::new(|_| ())).unwrap();
    check_stats(&store).await;
    assert_eq!(store.body(id(1)).await.unwrap().as_deref(), Some(&b"{}"[..]));
    let again = store.commit(Commit { keys, ..call(2, vec![]) }).await.unwrap();
    assert!(matches!(again, Committed::Replayed(first) if first.id == id(1)));
    assert_eq!(state(&store, before[0].job.id).await.0, JobState::Pending);
    let after = claim(&store, NOW).await;
    assert_eq!(after.len(), 2);
    assert!(after[0].lease.fence > before[1].lease.fence);
}

#[tokio::test]
async fn what_was_on_its_way_is_written_when_it_closes() {
    let folder = tempfile::tempdir().unwrap();
    let store = on_disk(folder.path());
    // Not waited for.
    for number in 1..=500 {
        drop(store.commit(call(number, vec![])));
    }
    drop(store);
    let store = on_disk(folder.path());
    assert!(store.execution(id(500)).await.unwrap().is_some());
}

#[tokio::test]
async fn many_callers_share_one_sync() {
    let folder = tempfile::tempdir().unwrap();
    let store = std::sync::Arc::new(on_disk(folder.path()));
    let callers: Vec<_> = (0..64)
        .map(|caller| {
            let store = std::sync::Arc::clone(&store);
            tokio::spawn(async move {
                for turn in 0..5 {
                    accept(&*store, call(caller * 5 + turn, vec![])).await;
                }
            })
        })
        .collect();
    for caller in callers {
        caller.await.unwrap();
    }
    assert_eq!(store.executions(ExecutionFilter::default(), 0, 1).await.unwrap().total, 320);
}

#[test]
fn a_snapshot_that_a_crash_left_half_written_does_no_harm() {
    let folder = tempfile::tempdir().unwrap();
    drop(on_disk(folder.path()));
    let half = folder.path().join("snap.00000000000000FF.generating");
    std::fs::write(&half, b"").unwrap();
    drop(on_disk(folder.path()));
    assert!(!half.exists());
}

#[test]
fn a_folder_in_use_says_so() {
    let folder = tempfile::tempdir().unwrap();
    let _first = on_disk(folder.path());
    let error = SledStore::open(folder.path(), NOW, Box::new(|_| ())).unwrap_err();
    assert!(matches!(error, OpenError::InUse(_)));
    assert!(error.to_string().contains("another process"));
}

#[cfg(unix)]
#[test]
fn nobody_else_may_look_into_a_new_folder() {
    use std::os::unix::fs::PermissionsExt as _;
    let folder = tempfile::tempdir().unwrap();
    let store = folder.path().join("new").join("store");
    drop(on_disk(&store));
    assert_eq!(store.metadata().unwrap().permissions().mode() & 0o777, 0o700);
}
