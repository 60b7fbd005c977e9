//! Backups of folders, putting them back, and what is refused. How a backup stays one moment
//! of a busy store, and what the doctor finds, is tested beside those parts.

use std::fs::{self, File};
use std::path::{Path, PathBuf};

use rulerun::model::commit::Write;
use rulerun::model::queue::PAUSED_FLAG;
use rulerun::store::{
    Backup, CareError, SledStore, Store, back_up_folder, check_backup, examine_backup,
    examine_folder, is_used, restore,
};

use crate::help::*;

/// A folder in which `store` holds three calls, and a backup of it.
async fn backed_up() -> (tempfile::TempDir, PathBuf, PathBuf) {
    let folder = tempfile::tempdir().unwrap();
    let [store, file] = ["store", "copy"].map(|name| folder.path().join(name));
    let open = on_disk(&store);
    let started = enrolment(1, "welcome", &[("hello", NOW), ("more", NOW + DAY)]);
    accept(&open, call(1, vec![enrol(started), Write::Enqueue(job(1, "ping", "n8n", NOW))])).await;
    accept(&open, call(2, vec![Write::Enqueue(mirror(2, "7"))])).await;
    accept(&open, call(3, vec![])).await;
    drop(open);
    let contents = back_up_folder(&store, NOW, &mut File::create(&file).unwrap()).unwrap();
    assert_eq!((contents.executions, contents.jobs, contents.enrolments), (3, 2, 1));
    (folder, store, file)
}

fn names(folder: &Path) -> Vec<String> {
    let entries = fs::read_dir(folder).unwrap();
    let mut names: Vec<String> =
        entries.map(|entry| entry.unwrap().file_name().into_string().unwrap()).collect();
    names.sort();
    names
}

#[tokio::test]
async fn a_restored_store_goes_on_where_the_backup_was_made() {
    let (folder, _, file) = backed_up().await;
    let new = folder.path().join("elsewhere").join("store");
    let restored = restore(&file, &new, NOW, false, false).unwrap();
    assert_eq!((restored.contents.executions, restored.aside), (3, None));
    let store = on_disk(&new);
    check_stats(&store).await;
    assert_eq!(store.examine(NOW).await.unwrap(), []);
    assert_eq!(claim(&store, NOW).await.len(), 3);
    assert_eq!(store.flag(PAUSED_FLAG).await.unwrap(), None);
}

#[tokio::test]
async fn a_restored_queue_can_be_paused() {
    let (folder, _, file) = backed_up().await;
    let new = folder.path().join("paused");
    restore(&file, &new, NOW, false, true).unwrap();
    let since = on_disk(&new).flag(PAUSED_FLAG).await.unwrap();
    assert_eq!(since.as_deref(), Some("2025-12-01T10:10:00Z"));
}

#[tokio::test]
async fn what_is_there_is_kept_and_only_replaced_when_that_is_said() {
    let (_folder, store, file) = backed_up().await;
    accept(&on_disk(&store), call(4, vec![])).await;
    let error = restore(&file, &store, NOW, false, false).unwrap_err();
    assert!(matches!(error, CareError::Occupied(_)), "{error}");
    let aside = restore(&file, &store, NOW, true, false).unwrap().aside.unwrap();
    assert!(aside.ends_with("store.before-2025-12-01T10-10-00Z"), "{}", aside.display());
    assert!(on_disk(&store).execution(id(4)).await.unwrap().is_none());
    assert!(on_disk(&aside).execution(id(4)).await.unwrap().is_some());
}

#[tokio::test]
async fn what_is_left_of_a_store_is_moved_aside_too() {
    let (_folder, store, file) = backed_up().await;
    fs::remove_file(store.join("db")).unwrap();
    let error = restore(&file, &store, NOW, false, false).unwrap_err();
    assert!(matches!(error, CareError::Occupied(_)), "{error}");
    let aside = restore(&file, &store, NOW, true, false).unwrap().aside.unwrap();
    assert!(names(&aside).contains(&String::from("closed")));
    assert!(on_disk(&store).execution(id(3)).await.unwrap().is_some());
}

#[tokio::test]
async fn a_restore_that_was_cut_off_between_its_moves_does_not_start_empty() {
    let (folder, store, file) = backed_up().await;
    restore(&file, &store, NOW, true, false).unwrap();
    // The old store is aside, and the new one not yet in its place.
    let unpacked = folder.path().join("store.restoring");
    fs::rename(&store, &unpacked).unwrap();
    for _ in 0..2 {
        let refused = SledStore::open(&store, NOW, Box::new(|_| ())).unwrap_err().to_string();
        for words in ["holds no store", "`rulerun restore` was cut off", "store.restoring"] {
            assert!(refused.contains(words), "{refused}");
        }
    }
    restore(&file, &store, NOW, false, false).unwrap();
    assert!(!unpacked.exists());
    assert!(on_disk(&store).execution(id(3)).await.unwrap().is_some());
}

#[tokio::test]
async fn nothing_is_done_to_a_folder_that_a_server_uses() {
    let (folder, store, file) = backed_up().await;
    let open = on_disk(&store);
    assert!(is_used(&store).unwrap());
    let refused = [
        restore(&file, &store, NOW, true, false).err(),
        examine_folder(&store, NOW, true).err(),
        back_up_folder(&store, NOW, &mut Vec::new()).err(),
    ];
    for error in refused {
        assert!(matches!(error, Some(CareError::InUse(_))), "{error:?}");
    }
    assert_eq!(names(folder.path()), ["copy", "store"]);
    drop(open);
    assert!(!is_used(&store).unwrap());
}

#[tokio::test]
async fn a_damaged_backup_changes_nothing() {
    let (folder, store, file) = backed_up().await;
    let whole = fs::read(&file).unwrap();
    fs::write(&file, &whole[..whole.len() - 1]).unwrap();
    let error = restore(&file, &store, NOW, true, false).unwrap_err().to_string();
    assert!(error.contains("copy cannot be used: it was cut off after"), "{error}");
    let mut altered = whole;
    altered[300] ^= 1;
    fs::write(&file, &altered).unwrap();
    assert!(matches!(examine_backup(&file, NOW), Err(CareError::Unfit(..))));
    assert!(matches!(restore(&file, &store, NOW, true, false), Err(CareError::Unfit(..))));
    fs::write(&file, "a letter").unwrap();
    let error = restore(&file, &store, NOW, true, false).unwrap_err().to_string();
    assert!(error.contains("not a backup made by `rulerun backup`"), "{error}");
    assert_eq!(names(folder.path()), ["copy", "store"]);
    assert!(on_disk(&store).execution(id(3)).await.unwrap().is_some());
}

#[tokio::test]
async fn a_folder_without_a_store_is_said_to_be_none_and_gets_none() {
    let folder = tempfile::tempdir().unwrap();
    let none = folder.path().join("store");
    assert!(matches!(examine_folder(&none, NOW, true), Err(CareError::Missing(_))));
    assert!(matches!(back_up_folder(&none, NOW, &mut Vec::new()), Err(CareError::Missing(_))));
    assert_eq!(names(folder.path()), [""; 0]);
}

#[tokio::test]
async fn a_healthy_store_and_its_backup_are_sound() {
    let (folder, store, file) = backed_up().await;
    let examined = examine_folder(&store, NOW, true).unwrap();
    assert_eq!((examined.found, examined.left), (vec![], vec![]));
    let (contents, examined) = examine_backup(&file, NOW).unwrap();
    assert_eq!((contents.executions, examined.found), (3, vec![]));
    assert_eq!(names(folder.path()), ["copy", "store"], "nothing stays behind");
}

#[tokio::test]
async fn a_restore_that_was_interrupted_is_done_again() {
    let (folder, _, file) = backed_up().await;
    let new = folder.path().join("new");
    fs::create_dir(folder.path().join("new.restoring")).unwrap();
    fs::write(folder.path().join("new.restoring").join("db"), "half").unwrap();
    restore(&file, &new, NOW, false, false).unwrap();
    assert!(on_disk(&new).execution(id(3)).await.unwrap().is_some());
}

crate::on_every_store!(a_backup_of_a_running_store_is_whole);

async fn a_backup_of_a_running_store_is_whole(store: &dyn Store) {
    for number in 1..=50 {
        queue(store, number, job(number, "ping", "n8n", NOW)).await;
    }
    let (mut backup, mut file) = (Backup::new(NOW), Vec::new());
    while backup.contents().is_none() {
        backup = store.backup(backup).await.unwrap();
        file.extend(backup.take());
    }
    let contents = check_backup(&mut &file[..]).unwrap();
    assert_eq!((contents.executions, contents.jobs), (50, 50));
    assert_eq!(Some(contents), backup.contents());
    assert_eq!(contents.bytes, file.len() as u64);
}
