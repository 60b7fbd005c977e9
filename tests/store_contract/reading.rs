//! Reading back and forgetting: lists, logs, flags, suppressions, refusals, purge.

use rulerun::model::commit::{Commit, Finished, Write};
use rulerun::model::queue::{
    AttemptError, Counted, ExecutionState, Job, JobState, Level, LogLine, Record, Refusal, Tally,
    Transition,
};
use rulerun::store::{Committed, ExecutionFilter, JobFilter, Store, WebhookLog};

use crate::help::*;

crate::on_every_store!(
    executions_are_listed_newest_first,
    jobs_are_listed_pending_first,
    stuck_jobs_are_found,
    calls_refusals_and_attempts_are_one_list,
    refusals_cannot_fill_the_disk,
    records_flags_and_suppressions_are_kept,
    tallies_add_up,
    a_purge_takes_what_is_over_and_leaves_the_rest,
    a_closed_store_refuses,
);

async fn executions_are_listed_newest_first(store: &dyn Store) {
    for number in 1..=5 {
        accept(store, call(number, vec![])).await;
    }
    let mut other = call(6, vec![Write::Enqueue(job(6, "ping", "n8n", NOW + DAY))]);
    if let Some((execution, _)) = &mut other.execution {
        execution.person = Some("bob@example.com".into());
        execution.labels = vec![("refused".into(), "true".into())];
    }
    accept(store, other).await;
    let ids = |filter: ExecutionFilter, skip, take| async move {
        let page = store.executions(filter, skip, take).await.unwrap();
        let ids: Vec<_> = page.rows.into_iter().map(|row| row.execution.id).collect();
        (ids, page.total)
    };
    let any = ExecutionFilter::default;
    assert_eq!(ids(any(), 1, 2).await, (vec![id(5), id(4)], 6));
    let ann = ExecutionFilter { person: Some("ann@example.com".into()), ..any() };
    assert_eq!(ids(ann, 0, 1).await, (vec![id(5)], 5));
    let bob = ExecutionFilter { text: Some("bob@".into()), ..any() };
    assert_eq!(ids(bob, 0, 9).await, (vec![id(6)], 1));
    let states = vec![ExecutionState::Paused];
    assert_eq!(ids(ExecutionFilter { states, ..any() }, 0, 9).await, (vec![id(6)], 1));
    let labels = vec![("refused".into(), "true".into())];
    assert_eq!(ids(ExecutionFilter { labels, ..any() }, 0, 9).await, (vec![id(6)], 1));
    let window = ExecutionFilter { since: Some(NOW + 2), until: Some(NOW + 4), ..any() };
    assert_eq!(ids(window, 0, 9).await, (vec![id(3), id(2)], 2));
    let nothing = ExecutionFilter { flow: Some("other".into()), ..any() };
    assert_eq!(ids(nothing, 0, 9).await, (vec![], 0));
}

async fn jobs_are_listed_pending_first(store: &dyn Store) {
    queue(store, 1, job(1, "a", "n8n", NOW)).await;
    let leased = claim_one(store, NOW).await;
    finish(store, &leased, Transition::Failed("gone".into())).await;
    queue(store, 2, job(2, "b", "n8n", NOW + 50)).await;
    queue(store, 3, Job { priority: 9, ..job(3, "c", "n8n", NOW + 70) }).await;
    queue(store, 4, job(4, "d", "mail", NOW + 60)).await;
    accept(store, call(5, vec![enrol(enrolment(5, "welcome", &[("e", NOW + 55)]))])).await;
    let names = |filter: JobFilter| async move {
        let page = store.jobs(filter, 0, 9).await.unwrap();
        page.rows.into_iter().map(|job| job.event_type).collect::<String>()
    };
    assert_eq!(names(JobFilter::default()).await, "bedca");
    let failed = JobFilter { state: Some(JobState::Failed), ..JobFilter::default() };
    assert_eq!(names(failed).await, "a");
    let reason = JobFilter { reason: Some("gone".into()), ..JobFilter::default() };
    assert_eq!(names(reason).await, "a");
    let target = JobFilter { target: Some("mail.".into()), ..JobFilter::default() };
    assert_eq!(names(target).await, "d");
    claim(store, NOW + 52).await;
    let sending = JobFilter { state: Some(JobState::Sending), ..JobFilter::default() };
    assert_eq!(names(sending).await, "b");
    check_stats(store).await;
}

async fn stuck_jobs_are_found(store: &dyn Store) {
    for number in 1..=2 {
        queue(store, number, job(number, "ping", "n8n", NOW)).await;
    }
    store.claim(claim_at(NOW + 100, 1)).await.unwrap();
    let stuck = |now| JobFilter { stuck: Some(500), now, ..JobFilter::default() };
    let count = |filter| async { store.jobs(filter, 0, 9).await.unwrap().total };
    assert_eq!(count(stuck(NOW + 500)).await, 0);
    assert_eq!(count(stuck(NOW + 501)).await, 1);
    assert_eq!(count(stuck(NOW + 601)).await, 2);
}

fn refusal(number: u32) -> Refusal {
    Refusal {
        id: id(number),
        endpoint: "website/booking".into(),
        status: 401,
        message: "the signature does not match".into(),
        duration_ms: 1,
        remote: None,
    }
}

async fn calls_refusals_and_attempts_are_one_list(store: &dyn Store) {
    queue(store, 1, job(1, "ping", "n8n", NOW)).await;
    store.note_refusals(vec![refusal(2)]);
    let leased = claim_one(store, NOW).await;
    let failed = attempt(&leased.job, NOW + 90, Some(AttemptError::Status));
    let transition = Transition::Failed("refused".into());
    let attempt = Some(failed);
    let finished = Finished { lease: leased.lease, transition, attempt, writes: vec![] };
    store.finish(vec![finished]).await.unwrap();
    let kinds = |since, take| async move {
        let lines = store.webhook_logs(since, take).await.unwrap();
        let kind = |line: &WebhookLog| match line {
            WebhookLog::Accepted(_) => 'c',
            WebhookLog::Refused(_) => 'r',
            WebhookLog::Attempt(_) => 'a',
        };
        lines.iter().map(kind).collect::<String>()
    };
    assert_eq!(kinds(NOW, 9).await, "arc");
    assert_eq!(kinds(NOW + 2, 9).await, "ar");
    assert_eq!(kinds(NOW, 1).await, "a");
}

async fn refusals_cannot_fill_the_disk(store: &dyn Store) {
    store.note_refusals((0..1_500).map(refusal).collect());
    let lines = store.webhook_logs(0, 10_000).await.unwrap();
    // The store on disk may not have written them yet: a commit comes after them.
    accept(store, call(9_000, vec![])).await;
    assert!(lines.len() <= 1_000);
    assert_eq!(store.webhook_logs(0, 10_000).await.unwrap().len(), 1_001);
}

async fn tallies_add_up(store: &dyn Store) {
    let counted = |sequence: &str, variant: Option<&str>, what| Counted {
        sequence: sequence.to_owned(),
        step: "hello".to_owned(),
        variant: variant.map(str::to_owned),
        what,
        reason: None,
    };
    let (plain, sent) = (counted("welcome", None, Tally::Sent), counted("news", None, Tally::Sent));
    let other = counted("welcome", Some("b"), Tally::Clicked);
    let all = [&plain, &sent, &plain, &other].map(|one| Write::Tally(one.clone()));
    accept(store, call(1, all.to_vec())).await;
    let of = store.tallies(Some("welcome".to_owned())).await.unwrap();
    assert_eq!(of, [(plain, 2), (other, 1)]);
    assert_eq!(store.tallies(None).await.unwrap().len(), 3);
}

async fn records_flags_and_suppressions_are_kept(store: &dyn Store) {
    let record = |id: &str| Record {
        name: "lead".into(),
        id: id.into(),
        fields: "{}".into(),
        version: 1,
        updated: NOW,
    };
    let long = "x".repeat(40_000);
    let suppress = |reason: &str| Write::Suppress {
        address: "ann@example.com".into(),
        reason: reason.into(),
        note: "by link".into(),
    };
    let flag = |name: &str, value: Option<&str>| Write::Flag {
        name: name.into(),
        value: value.map(str::to_owned),
    };
    let writes = vec![
        Write::Record(record("b")),
        Write::Record(record("a")),
        Write::Record(record(&long)),
        suppress("bounced"),
        suppress("unsubscribed"),
        flag("paused", Some("yes")),
        flag("pause", Some("no")),
        flag("other", Some("1")),
    ];
    accept(store, call(1, writes)).await;
    let page = store.records("lead", 0, 2).await.unwrap();
    assert_eq!((page.rows[0].id.as_str(), page.rows[1].id.as_str(), page.total), ("a", "b", 3));
    assert_eq!(store.record("lead", &long).await.unwrap().unwrap().id, long);
    let reasons = store.suppressions("ann@example.com").await.unwrap();
    assert_eq!(
        reasons.iter().map(|s| &s.reason[..]).collect::<Vec<_>>(),
        ["bounced", "unsubscribed"]
    );
    assert_eq!(reasons[0].at, NOW + 1);
    assert_eq!(store.flags("pause").await.unwrap().len(), 2);
    accept(store, call(2, vec![flag("paused", None)])).await;
    assert_eq!(store.flag("paused").await.unwrap(), None);
    assert_eq!(store.flag("pause").await.unwrap().as_deref(), Some("no"));
}

async fn a_purge_takes_what_is_over_and_leaves_the_rest(store: &dyn Store) {
    let line = LogLine { at: NOW, level: Level::Info, task: None, message: "hi".into() };
    let log = Write::Log { execution: id(1), line };
    let writes = vec![Write::Enqueue(job(1, "ping", "n8n", NOW)), log];
    let keys = vec![key("old", 1, NOW + DAY), key("young", 1, NOW + 90 * DAY)];
    accept(store, Commit { keys, ..call(1, writes) }).await;
    let leased = claim_one(store, NOW).await;
    let sent = attempt(&leased.job, NOW + 90, None);
    let (lease, attempt) = (leased.lease, Some(sent));
    let finished = Finished { lease, transition: Transition::Sent, attempt, writes: vec![] };
    store.finish(vec![finished]).await.unwrap();
    store.note_refusals(vec![refusal(2)]);
    let waiting = queue(store, 3, job(3, "later", "n8n", NOW + 60 * DAY)).await;
    accept(store, call(4, vec![enrol(enrolment(4, "welcome", &[("hello", NOW)]))])).await;
    accept(store, call(5, vec![stop("welcome")])).await;

    assert_eq!(store.purge(NOW, NOW).await.unwrap(), 0);
    assert_eq!(store.purge(NOW + DAY, NOW + DAY).await.unwrap(), 0, "repeats still get an answer");
    let gone = store.purge(NOW + 10 * DAY, NOW + 40 * DAY).await.unwrap();
    assert_eq!(gone, 5, "three executions, a job and a step");
    assert!(store.execution(id(1)).await.unwrap().is_none());
    assert!(store.body(id(1)).await.unwrap().is_none());
    assert!(store.logs(id(1)).await.unwrap().is_empty());
    assert!(store.job(leased.job.id).await.unwrap().is_none());
    let again = Commit { keys: vec![key("young", 1, NOW + 99 * DAY)], ..call(9, vec![]) };
    let again = store.commit(Commit { now: NOW + 40 * DAY, ..again }).await.unwrap();
    assert!(matches!(again, Committed::KeyReused), "its answer is forgotten, not its key");
    assert_eq!(state(store, waiting).await.0, JobState::Pending);
    assert!(store.execution(id(3)).await.unwrap().is_some());
    assert_eq!(store.webhook_logs(0, 99).await.unwrap().len(), 1, "only the open execution");
    assert!(store.enrolment("welcome", "ann@example.com").await.unwrap().is_some());
    let person =
        ExecutionFilter { person: Some("ann@example.com".into()), ..ExecutionFilter::default() };
    assert_eq!(store.executions(person, 0, 9).await.unwrap().total, 1);
    check_stats(store).await;
}

async fn a_closed_store_refuses(store: &dyn Store) {
    assert!(store.trouble().is_none());
    store.close().await.unwrap();
    assert!(store.trouble().is_some());
    assert!(store.commit(call(1, vec![])).await.is_err());
}
