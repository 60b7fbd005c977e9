//! Damage to a closed store: it starts with everything that it held, or it refuses at once and
//! says which file is damaged and what to do. It never starts with less.

use std::fs::{File, OpenOptions};
use std::os::unix::fs::{FileExt as _, PermissionsExt as _};
use std::path::{Path, PathBuf};
use std::time::{Duration, Instant};

use rulerun::model::commit::Commit;
use rulerun::store::{ExecutionFilter, OpenError, SledStore, Store, StoreError};

use crate::help::*;

/// Executions in the damaged stores, and the bytes of each body: more than one segment of
/// sled's log, written in two lives.
const CALLS: u32 = 240;
const BODY: usize = 60_000;

fn body(number: u32) -> Vec<u8> {
    number.to_be_bytes().iter().copied().cycle().take(BODY).collect()
}

async fn write(store: &SledStore, numbers: std::ops::Range<u32>) {
    for number in numbers {
        let execution = Some((execution(number), body(number).into()));
        accept(store, Commit { execution, ..call(number, vec![]) }).await;
    }
}

/// A store that was closed well.
async fn closed() -> tempfile::TempDir {
    let folder = tempfile::tempdir().unwrap();
    for half in [0..CALLS / 2, CALLS / 2..CALLS] {
        let store = on_disk(folder.path());
        write(&store, half).await;
        store.close().await.unwrap();
    }
    assert!(folder.path().join("closed").exists(), "a clean end is marked");
    folder
}

fn copy(from: &Path) -> tempfile::TempDir {
    let to = tempfile::tempdir().unwrap();
    for entry in std::fs::read_dir(from).unwrap() {
        let entry = entry.unwrap();
        if entry.file_type().unwrap().is_file() && entry.file_name() != "ballast" {
            std::fs::copy(entry.path(), to.path().join(entry.file_name())).unwrap();
        }
    }
    to
}

fn open(folder: &Path) -> Result<SledStore, OpenError> {
    let began = Instant::now();
    let store = SledStore::open(folder, NOW, Box::new(|_| ()));
    // sled gets about four seconds; the rest is for a machine with other work.
    assert!(began.elapsed() < Duration::from_secs(15), "{:?}", began.elapsed());
    store
}

async fn holds_everything(store: &SledStore) {
    reads_right(store).await.unwrap();
}

/// Every call is there as it was written.
///
/// # Errors
/// The store says itself that something cannot be read.
async fn reads_right(store: &SledStore) -> Result<(), StoreError> {
    let page = store.executions(ExecutionFilter::default(), 0, 1).await?;
    assert_eq!(page.total, CALLS as usize);
    for number in 0..CALLS {
        assert_eq!(store.body(id(number)).await?, Some(body(number)), "call {number}");
    }
    Ok(())
}

/// It is refused in words that name the file and what to do; nothing is changed, so the next
/// try is refused as well.
fn is_refused(folder: &Path, file: &str) {
    for _ in 0..2 {
        let error = open(folder).expect_err("it starts");
        let text = error.to_string();
        assert!(matches!(error, OpenError::Damaged(..)), "{text}");
        assert!(text.contains(&format!("`{file}`")), "{text}");
        assert!(text.contains(&folder.display().to_string()), "{text}");
        assert!(text.contains("`rulerun restore FILE --replace`"));
    }
}

fn snapshots(folder: &Path) -> Vec<PathBuf> {
    let entries = std::fs::read_dir(folder).unwrap().map(|entry| entry.unwrap().path());
    entries.filter(|path| path.to_string_lossy().contains("/snap.")).collect()
}

fn db(folder: &Path) -> File {
    OpenOptions::new().read(true).write(true).open(folder.join("db")).unwrap()
}

/// Numbers that look random and are the same in every run.
struct Numbers(u64);

impl Numbers {
    fn below(&mut self, end: u64) -> u64 {
        self.0 = self.0.wrapping_mul(6_364_136_223_846_793_005).wrapping_add(1_442_695_040_888_963);
        (self.0 >> 33) % end
    }
}

fn flip(folder: &Path, seed: u64) {
    let (mut numbers, db) = (Numbers(seed), db(folder));
    let length = db.metadata().unwrap().len();
    for _ in 0..20 {
        let (at, mut byte) = (numbers.below(length), [0]);
        db.read_exact_at(&mut byte, at).unwrap();
        byte[0] ^= 1 << numbers.below(8);
        db.write_all_at(&byte, at).unwrap();
    }
}

#[tokio::test]
async fn what_sled_can_make_again_is_made_again() {
    let whole = closed().await;
    assert!(!snapshots(whole.path()).is_empty());

    let half = copy(whole.path());
    let newest = snapshots(half.path()).pop().unwrap();
    std::fs::write(half.path().join("snap.7FFFFFFFFFFFFFFE.generating"), "").unwrap();
    let bytes = std::fs::read(&newest).unwrap();
    let part = half.path().join("snap.7FFFFFFFFFFFFFFF.generating");
    std::fs::write(part, &bytes[..bytes.len() / 2]).unwrap();
    holds_everything(&open(half.path()).unwrap()).await;

    let bare = copy(whole.path());
    for snapshot in snapshots(bare.path()) {
        std::fs::remove_file(snapshot).unwrap();
    }
    holds_everything(&open(bare.path()).unwrap()).await;

    let loose = copy(whole.path());
    std::fs::remove_file(loose.path().join("conf")).unwrap();
    holds_everything(&open(loose.path()).unwrap()).await;
    // It is whole again.
    holds_everything(&open(loose.path()).unwrap()).await;
}

#[tokio::test]
async fn a_log_that_is_not_as_it_was_left_is_refused() {
    let whole = closed().await;
    let length = whole.path().join("db").metadata().unwrap().len();
    for cut in [1, 2, 17, 512, 4095, 4096, length / 2, length] {
        let folder = copy(whole.path());
        db(folder.path()).set_len(length - cut).unwrap();
        is_refused(folder.path(), "db");
    }
    for seed in 0..10 {
        let folder = copy(whole.path());
        flip(folder.path(), seed);
        is_refused(folder.path(), "db");
    }
    let zeroed = copy(whole.path());
    db(zeroed.path()).write_all_at(&vec![0; 1 << 20], length / 2).unwrap();
    is_refused(zeroed.path(), "db");
    let gone = copy(whole.path());
    std::fs::remove_file(gone.path().join("db")).unwrap();
    is_refused(gone.path(), "db");
    let other = copy(whole.path());
    let fresh = tempfile::tempdir().unwrap();
    drop(on_disk(fresh.path()));
    std::fs::copy(fresh.path().join("db"), other.path().join("db")).unwrap();
    is_refused(other.path(), "db");
}

#[tokio::test]
async fn a_blob_of_an_older_store_that_is_missing_or_cut_is_refused() {
    // Rows are kept so short that sled makes no such files; a store that has one says so.
    let whole = closed().await;
    assert_eq!(std::fs::read_dir(whole.path().join("blobs")).unwrap().count(), 0);
    let mark = whole.path().join("closed");
    let text = std::fs::read_to_string(&mark).unwrap().replace(" 0 0\n", " 1 9\n");
    std::fs::write(&mark, &text).unwrap();
    is_refused(whole.path(), "blobs");
    std::fs::write(whole.path().join("blobs/1"), "12345678").unwrap();
    is_refused(whole.path(), "blobs");
}

#[tokio::test]
async fn after_a_crash_damage_before_the_end_of_the_log_is_found() {
    // Without the mark only what sled reads tells of damage.
    let whole = closed().await;
    std::fs::remove_file(whole.path().join("closed")).unwrap();
    let (mut refused, mut told, mut kept) = (0, 0, 0);
    for at in [0, 4, 777, 1_000_000, 3_000_000, 5_000_000, 7_000_000, 8_000_000] {
        let folder = copy(whole.path());
        db(folder.path()).write_all_at(&[0xA5; 64], at).unwrap();
        match open(folder.path()) {
            Err(_) => {
                is_refused(folder.path(), "db");
                refused += 1;
            }
            // On a busy machine the opening does not wait until all is read; then whoever reads
            // is told, and the scrub ends the process soon. Nobody is shown less.
            Ok(store) => match reads_right(&store).await {
                Ok(()) => kept += 1,
                Err(StoreError::Damaged(_)) => told += 1,
                Err(error) => panic!("{error}"),
            },
        }
    }
    eprintln!(
        "damage after a crash: {refused} refused, {told} told to readers, {kept} with everything"
    );
}

#[tokio::test]
async fn a_store_in_its_first_life_does_not_begin_anew_over_a_damaged_log() {
    let folder = tempfile::tempdir().unwrap();
    let store = on_disk(folder.path());
    write(&store, 0..2).await;
    let left = copy(folder.path());
    // sled finds its first segment by these bytes.
    db(left.path()).write_all_at(&[0xA5; 20], 0).unwrap();
    is_refused(left.path(), "db");
}

#[tokio::test]
async fn a_store_in_its_first_life_does_not_begin_anew_without_its_log() {
    let folder = tempfile::tempdir().unwrap();
    let store = on_disk(folder.path());
    write(&store, 0..2).await;
    let [gone, emptied] = [copy(folder.path()), copy(folder.path())];
    for left in [&gone, &emptied] {
        // Nothing tells of a log but the note of what is under way.
        assert!(!left.path().join("closed").exists() && snapshots(left.path()).is_empty());
    }
    std::fs::remove_file(gone.path().join("db")).unwrap();
    db(emptied.path()).set_len(0).unwrap();
    for left in [gone, emptied] {
        is_refused(left.path(), "db");
    }
}

#[tokio::test]
async fn files_that_may_not_be_read_are_named() {
    let whole = closed().await;
    let file = whole.path().join("db");
    std::fs::set_permissions(&file, std::fs::Permissions::from_mode(0o000)).unwrap();
    if File::open(&file).is_ok() {
        eprintln!("SKIPPED: permissions do not bind this user; a folder stands in for the file");
        std::fs::remove_file(&file).unwrap();
        std::fs::create_dir(&file).unwrap();
    }
    let text = open(whole.path()).unwrap_err().to_string();
    assert!(text.contains("`db`") && text.contains("cannot be used"), "{text}");
}

#[tokio::test]
async fn a_crash_leaves_no_mark_and_loses_nothing() {
    let folder = tempfile::tempdir().unwrap();
    let store = on_disk(folder.path());
    write(&store, 0..CALLS).await;
    assert!(!folder.path().join("closed").exists(), "it is open");
    // What a killed process leaves behind.
    let left = copy(folder.path());
    holds_everything(&open(left.path()).unwrap()).await;
}
