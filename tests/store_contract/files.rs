//! Files that e-mails name: kept once, and for as long as a job is there that names them.

use std::sync::Arc;

use rulerun::model::commit::Write;
use rulerun::model::queue::Transition;
use rulerun::store::Store;

use crate::help::*;

crate::on_every_store!(
    a_file_is_kept_once_however_many_emails_name_it,
    a_file_goes_with_the_last_job_that_names_it,
);

fn file(number: u32, name: &str, text: &str) -> Write {
    let job = job(number, name, "n8n", NOW).id;
    Write::File { job, hash: "abc".into(), coded: Arc::from(text) }
}

async fn kept(store: &dyn Store) -> Option<usize> {
    store.file("abc").await.unwrap().map(|bytes| bytes.len())
}

async fn a_file_is_kept_once_however_many_emails_name_it(store: &dyn Store) {
    assert_eq!(kept(store).await, None);
    let long: String =
        (0..700_000_u32).map(|number| char::from(b'a' + (number % 26) as u8)).collect();
    let ping = |number| Write::Enqueue(job(number, "ping", "n8n", NOW));
    accept(store, call(1, vec![ping(1), file(1, "ping", &long)])).await;
    assert_eq!(store.file("abc").await.unwrap().unwrap(), long.as_bytes());
    accept(store, call(2, vec![ping(2), file(2, "ping", "never looked at: the hash is known")]))
        .await;
    assert_eq!(kept(store).await, Some(long.len()));
    assert_eq!(store.file("ab").await.unwrap(), None);
    assert_eq!(store.examine(NOW).await.unwrap(), []);
}

async fn a_file_goes_with_the_last_job_that_names_it(store: &dyn Store) {
    let long = "x".repeat(100_000);
    for number in 1..=2 {
        let ping = Write::Enqueue(job(number, "ping", "n8n", NOW + i64::from(number) * 20 * DAY));
        accept(store, call(number, vec![ping, file(number, "ping", &long)])).await;
    }
    let first = claim_one(store, NOW + 20 * DAY).await;
    finish(store, &first, Transition::Sent).await;
    store.purge(NOW + 39 * DAY, NOW + 39 * DAY).await.unwrap();
    assert!(store.job(first.job.id).await.unwrap().is_none());
    assert_eq!(kept(store).await, Some(long.len()), "one waits that names it");
    let second = claim_one(store, NOW + 40 * DAY).await;
    finish(store, &second, Transition::Sent).await;
    store.purge(NOW + 90 * DAY, NOW + 90 * DAY).await.unwrap();
    assert_eq!(kept(store).await, None);
    assert_eq!(store.examine(NOW + 90 * DAY).await.unwrap(), []);
}
