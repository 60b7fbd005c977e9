//! The real program is killed before, during and after a call to Resend, Postmark and Notion,
//! started again, and nothing is there twice: Resend knows the key again, Postmark is asked
//! for the message, Notion is looked at before a page is made. A mail server cannot be asked:
//! there it is known from a note whether the final dot had left, and what was said to it.
#![allow(clippy::disallowed_methods, reason = "real processes live in real time")]

use std::path::Path;
use std::process::Command;
use std::sync::Arc;
use std::sync::atomic::{AtomicU32, Ordering};
use std::time::Duration;

use serde_json::Value;

use crate::mirror::COLUMNS;
use crate::support::binary::{Running, agent, get, post, until};
use crate::support::notion::{self, Notion};
use crate::support::postmark::{self, Postmark};
use crate::support::resend::{self, Resend};
use crate::support::server::write;
use crate::support::smtp_server::{self, Script, Server};
use crate::support::stand_in::{Moment, StandIn, Watch};

const MOMENTS: [Moment; 3] = [Moment::Before, Moment::During, Moment::After];

const MAIL: &str = r#"
sender "Acme <hello@acme.test>"
service "mail" type="TYPE" {
    url (env)"URL"
    token (env)"TOKEN"
    retry "1s" "1s" "1s"
}
webhooks "t" {
    path "/t"
    endpoint "in" {
        payload {
            email email
        }
        start "owed"
    }
}
sequence "owed" to="{{email}}" kind="transactional" {
    email "owed-1" after="0s" subject="Owed"
}
"#;

const MIRROR: &str = r#"
service "notion" {
    url (env)"URL"
    token (env)"TOKEN"
    database (env)"DATABASE"
    retry "1s" "1s" "1s"
}
webhooks "t" {
    path "/t"
    endpoint "in" {
        payload {
            email email
        }
        save "contact" id="{{email}}" also-in="notion" {
            email "{{email}}"
        }
    }
}
"#;

/// Kills the process of this id at that moment of the first call.
fn hangman(at: Moment) -> (Watch, Arc<AtomicU32>) {
    let victim = Arc::new(AtomicU32::new(0));
    let condemned = Arc::clone(&victim);
    (Arc::new(move |moment| moment == at && kill(&condemned)), victim)
}

/// Kills the process of this id, once; answers whether it did.
fn kill(condemned: &AtomicU32) -> bool {
    let pid = condemned.swap(0, Ordering::SeqCst);
    if pid != 0 {
        Command::new("kill").args(["-s", "KILL", &pid.to_string()]).status().unwrap();
    }
    pid != 0
}

/// Calls the webhook, sees the program die over it, starts it again and waits until all of
/// its work is done.
fn killed_once(folder: &Path, env: &[(&str, &str)], victim: &AtomicU32) {
    let stats = killed_over_it(folder, env, victim, || ());
    assert_eq!(stats["sent"], 1, "{stats}");
}

/// The same with something that is done while it is dead; answers how the work ended.
fn killed_over_it(
    folder: &Path,
    env: &[(&str, &str)],
    victim: &AtomicU32,
    dead: impl FnOnce(),
) -> Value {
    let mut server = Running::serve(folder, env, &["--data", "data"]);
    let base = server.base();
    victim.store(server.id(), Ordering::SeqCst);
    // The answer may not get out any more; the call was accepted before anything left.
    drop(post(&agent(), &format!("{base}/t/in"), r#"{"email": "sarah@shop.example"}"#));
    until("it is killed", || !server.runs());
    dead();
    let mut server = Running::serve(folder, env, &["--data", "data"]);
    let base = server.base();
    let mut stats = Value::Null;
    until("its work is done", || {
        let asked = get(&agent(), &format!("{base}/api/v1/queue/stats"));
        stats = asked.map_or(Value::Null, |(_, text)| serde_json::from_str(&text).unwrap());
        stats["pending"] == 0 && stats["sending"] == 0
    });
    stats
}

fn mail(kind: &str) -> tempfile::TempDir {
    let folder = tempfile::tempdir().unwrap();
    write(&folder.path().join("rules/t.kdl"), &MAIL.replace("TYPE", kind));
    write(&folder.path().join("rules/emails/owed-1.md"), "Something owed.\n");
    folder
}

#[tokio::test(flavor = "multi_thread")]
async fn resend_sends_once_whenever_we_are_killed() {
    for moment in MOMENTS {
        let stand_in = StandIn::start(Resend::default()).await;
        let (watch, victim) = hangman(moment);
        stand_in.orders.lock().unwrap().watch = Some(watch);
        let folder = mail("resend");
        killed_once(folder.path(), &[("URL", &stand_in.url), ("TOKEN", resend::KEY)], &victim);
        let calls = stand_in.calls();
        assert_eq!(stand_in.vendor.lock().unwrap().sent.len(), 1, "{moment:?}: {calls:?}");
        assert!(calls.windows(2).all(|two| two[0].body == two[1].body), "{moment:?}: {calls:?}");
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 4)]
async fn postmark_sends_once_whenever_we_are_killed() {
    // Each waits until Postmark would surely find the message, so they wait together.
    let rounds = MOMENTS.map(|moment| async move {
        let stand_in = StandIn::start(Postmark::default()).await;
        stand_in.vendor.lock().unwrap().lag = Duration::from_secs(3);
        let (watch, victim) = hangman(moment);
        stand_in.orders.lock().unwrap().watch = Some(watch);
        let url = stand_in.url.clone();
        let done = tokio::task::spawn_blocking(move || {
            let folder = mail("postmark");
            killed_once(folder.path(), &[("URL", &url), ("TOKEN", postmark::TOKEN)], &victim);
        });
        done.await.unwrap();
        let calls: Vec<_> = stand_in.calls().into_iter().map(|asked| asked.call).collect();
        assert_eq!(stand_in.vendor.lock().unwrap().sent.len(), 1, "{moment:?}: {calls:?}");
        assert!(moment == Moment::After || calls[1].starts_with("GET "), "{moment:?}: {calls:?}");
    });
    let tasks: Vec<_> = rounds.into_iter().map(tokio::spawn).collect();
    for task in tasks {
        task.await.unwrap();
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn notion_has_one_page_whenever_we_are_killed() {
    for moment in MOMENTS {
        let stand_in = Notion::start(COLUMNS).await;
        let (watch, victim) = hangman(moment);
        stand_in.world.lock().unwrap().watch = Some(watch);
        let folder = tempfile::tempdir().unwrap();
        write(&folder.path().join("rules/t.kdl"), MIRROR);
        let env = [
            ("URL", stand_in.url.as_str()),
            ("TOKEN", notion::TOKEN),
            ("DATABASE", notion::DATABASE),
        ];
        killed_once(folder.path(), &env, &victim);
        assert_eq!(stand_in.world.lock().unwrap().pages.len(), 1, "{moment:?}");
    }
}

/// A mail server over which the program is killed at this event; how its work ended after that,
/// how many messages arrived, and the folder.
async fn over_a_mail_server(event: &'static str, dead: fn(&Path)) -> (Value, usize) {
    let victim = Arc::new(AtomicU32::new(0));
    let condemned = Arc::clone(&victim);
    let watch: smtp_server::Watch = Arc::new(move |happens: &str| {
        if happens == event {
            // What was said gets there before.
            std::thread::sleep(Duration::from_millis(if event == "answered" { 2 } else { 0 }));
            kill(&condemned);
        }
    });
    let server = Server::watched(0, vec![Script::default()], watch).await;
    let url = format!("smtp://127.0.0.1:{}", server.port);
    let stats = tokio::task::spawn_blocking(move || {
        let folder = mail("smtp");
        let rules = MAIL.replace("TYPE", "smtp").replace("    token (env)\"TOKEN\"\n", "");
        write(&folder.path().join("rules/t.kdl"), &rules);
        killed_over_it(folder.path(), &[("URL", &url)], &victim, || dead(folder.path()))
    });
    (stats.await.unwrap(), server.messages().len())
}

#[tokio::test(flavor = "multi_thread")]
async fn a_mail_server_gets_an_email_once_whenever_we_are_killed() {
    let (stats, messages) = over_a_mail_server("DATA", |_| ()).await;
    assert_eq!((&stats["sent"], messages), (&1.into(), 1), "the dot had not left: {stats}");

    let (stats, messages) = over_a_mail_server("message", |_| ()).await;
    assert_eq!((&stats["failed"], messages), (&1.into(), 1), "held as unknown: {stats}");

    // The word may have been read, written down, or neither.
    let (stats, messages) = over_a_mail_server("answered", |_| ()).await;
    let ended = stats["sent"].as_u64().unwrap() + stats["failed"].as_u64().unwrap();
    assert_eq!((ended, messages), (1, 1), "{stats}");
}

#[tokio::test(flavor = "multi_thread")]
async fn an_email_that_was_taken_right_before_we_were_killed_counts_as_sent() {
    // As if the server's word had been heard at the very last moment.
    let heard = |folder: &Path| {
        let file = folder.join("data/final-dots");
        let mut notes = std::fs::read(&file).unwrap();
        assert_eq!(notes[20], 1, "the dot had left");
        notes[20] = 2;
        std::fs::write(&file, notes).unwrap();
    };
    let (stats, messages) = over_a_mail_server("message", heard).await;
    assert_eq!((&stats["sent"], messages), (&1.into(), 1), "{stats}");
}
