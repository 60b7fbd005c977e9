//! Jobs that were under way when the process died. The death is made by closing the store
//! and putting its note of what was under way back as it was.

use std::path::Path;

use rulerun::base::Id;
use rulerun::model::commit::Write;
use rulerun::model::queue::{JobState, Leased, QUARANTINE_AFTER, Transition};
use rulerun::store::{SledStore, Store};

use crate::help::*;

/// Ends the store as if its process had been killed, and opens it again.
async fn die(folder: &Path, store: SledStore) -> SledStore {
    let note = folder.join("in-flight");
    let left = std::fs::read(&note).unwrap();
    store.close().await.unwrap();
    drop(store);
    std::fs::write(&note, left).unwrap();
    on_disk(folder)
}

fn ids(leased: &[Leased]) -> Vec<Id> {
    leased.iter().map(|leased| leased.job.id).collect()
}

#[tokio::test]
async fn who_was_there_at_two_deaths_runs_alone_and_is_cleared_by_living_through_it() {
    let folder = tempfile::tempdir().unwrap();
    let mut store = on_disk(folder.path());
    let (one, two) = (job(1, "ping", "n8n", NOW), job(2, "ping", "crm", NOW));
    let suspects = [one.id, two.id];
    for (number, job) in [(1, one), (2, two)] {
        queue(&store, number, job).await;
    }
    for _ in 0..2 {
        let mut taken = ids(&claim(&store, NOW).await);
        taken.sort();
        assert_eq!(taken, suspects, "one death is no reason to suspect anybody");
        store = die(folder.path(), store).await;
    }
    queue(&store, 3, job(3, "ping", "n8n", NOW - 5)).await;
    for _ in suspects {
        let alone = claim_one(&store, NOW).await;
        assert!(suspects.contains(&alone.job.id) && alone.deaths == 0);
        assert!(claim(&store, NOW).await.is_empty(), "nothing runs beside a suspect");
        assert_eq!(finish(&store, &alone, Transition::Sent).await, rulerun::store::Finish::Done);
    }
    assert_eq!(ids(&claim(&store, NOW).await), [id(3).derive("ping")]);
    let store = die(folder.path(), store).await;
    queue(&store, 4, job(4, "ping", "n8n", NOW)).await;
    assert_eq!(claim(&store, NOW).await.len(), 2, "all is as before");
    check_stats(&store).await;
}

#[tokio::test]
async fn every_death_that_a_job_meets_alone_is_counted_until_somebody_sends_it_again() {
    let folder = tempfile::tempdir().unwrap();
    let mut store = on_disk(folder.path());
    let poison = queue(&store, 1, job(1, "ping", "n8n", NOW)).await;
    for deaths in 0..QUARANTINE_AFTER {
        assert_eq!(claim_one(&store, NOW).await.deaths, deaths);
        store = die(folder.path(), store).await;
    }
    queue(&store, 2, job(2, "ping", "crm", NOW)).await;
    let given_up = claim_one(&store, NOW).await;
    assert_eq!((given_up.job.id, given_up.deaths), (poison, QUARANTINE_AFTER));
    finish(&store, &given_up, Transition::Failed("quarantined".into())).await;
    assert_eq!(claim(&store, NOW).await.len(), 1, "the others go on");
    assert_eq!(store.retry(vec![poison], NOW).await.unwrap(), 1);
    assert_eq!(claim_one(&store, NOW).await.deaths, 0);
}

#[tokio::test]
async fn a_suspect_whose_service_takes_nothing_holds_up_nobody() {
    let folder = tempfile::tempdir().unwrap();
    let mut store = on_disk(folder.path());
    queue(&store, 1, job(1, "ping", "n8n", NOW)).await;
    for _ in 0..2 {
        claim_one(&store, NOW).await;
        store = die(folder.path(), store).await;
    }
    queue(&store, 2, job(2, "ping", "crm", NOW)).await;
    let closed = rulerun::store::Claim { free: vec![("n8n".into(), 0)], ..claim_at(NOW, 64) };
    let jobs = store.claim(closed).await.unwrap().jobs;
    assert_eq!(ids(&jobs), [id(2).derive("ping")]);
    // When it opens again, what is under way ends first.
    assert!(claim(&store, NOW).await.is_empty());
    finish(&store, &jobs[0], Transition::Sent).await;
    assert_eq!(ids(&claim(&store, NOW).await), [id(1).derive("ping")]);
}

#[tokio::test]
async fn a_suspect_that_became_an_email_or_was_called_off_leaves_nothing_behind() {
    let folder = tempfile::tempdir().unwrap();
    let mut store = on_disk(folder.path());
    accept(&store, call(1, vec![enrol(enrolment(1, "welcome", &[("hello", NOW)]))])).await;
    let gone = queue(&store, 2, job(2, "ping", "crm", NOW)).await;
    for _ in 0..2 {
        assert_eq!(claim(&store, NOW).await.len(), 2);
        store = die(folder.path(), store).await;
    }
    assert_eq!(store.cancel(vec![gone], "by hand", NOW).await.unwrap(), 1);
    let step = claim_one(&store, NOW).await;
    let next = Write::Advance {
        sequence: "welcome".into(),
        key: "ann@example.com".into(),
        enrolment: id(1).derive("welcome"),
        from: 0,
        step: None,
    };
    finish_with(&store, &step, rendered(&step.job), vec![next]).await;
    // It dies as an e-mail now: the same job, alone.
    let store = die(folder.path(), store).await;
    let email = claim_one(&store, NOW).await;
    assert_eq!((email.job.id, email.deaths), (step.job.id, 1));
    finish(&store, &email, Transition::Sent).await;
    let store = die(folder.path(), store).await;
    assert!(claim(&store, NOW).await.is_empty());
    assert_eq!(state(&store, step.job.id).await.0, JobState::Sent);
}
