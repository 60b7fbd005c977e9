//! How much a mail service sends, and when it stops: its rate over a restart, its bounces, and
//! e-mails of which nobody knows whether they arrived.

use std::time::Duration;

use rulerun::base::{Timestamp, time};
use serde_json::{Value, json};

use crate::support::binary::rulerun;
use crate::support::server::{Make, TestClock, TestServer, eventually, results};
use crate::support::smtp_server::Answer::{HangUp, Say};
use crate::support::smtp_server::{Script, Server};

/// One webhook that starts one e-mail at once, through a service with these lines.
pub(crate) fn one(lines: &str) -> Make {
    let rules = format!(
        r#"
sender "Acme <hello@acme.test>" {{
    postal-address "1 Main Street, Springfield"
}}
service "mail" type="smtp" {{
    url (env)"SMTP_URL" optional=#true
    retry "1min"
    timeout "5s"
    {lines}
}}
webhooks "t" {{
    path "/t"
    endpoint "news" {{
        payload {{
            email email
        }}
        start "news"
    }}
}}
sequence "news" to="{{{{email}}}}" kind="transactional" {{
    email "news-1" after="0s" subject="News"
}}
"#
    );
    Make::empty().file("rules/one.kdl", &rules).file("rules/emails/news-1.md", "Some news.\n")
}

fn url(mail: &Server) -> String {
    format!("smtp://127.0.0.1:{}?tls=none", mail.port)
}

async fn start(server: &TestServer, numbers: std::ops::Range<usize>) {
    for number in numbers {
        server.post("/t/news", &json!({ "email": format!("p{number}@shop.example") })).await;
    }
}

async fn counts(server: &TestServer) -> Value {
    server.get("/api/v1/queue/stats").await.json()
}

/// Stops a server and starts another one on what it left.
pub(crate) async fn restarted(server: TestServer, make: Make) -> TestServer {
    let TestServer { server, folder } = server;
    server.stop().await;
    again(folder, make).await
}

/// Starts a server on what another one left in this folder.
async fn again(folder: tempfile::TempDir, make: Make) -> TestServer {
    let before = Make { folder, ..make };
    let paths = ["rules", "schemas"].map(|part| before.folder.path().join(part));
    let mut make = before.on_disk();
    make.config.paths = paths.to_vec();
    make.config.data = Some(make.folder.path().join("data"));
    make.start().await
}

#[tokio::test(flavor = "multi_thread")]
async fn a_service_whose_emails_bounce_is_held_over_a_restart_until_a_person_resumes_it() {
    let refusing = Script { rcpt: &[Say("550 5.1.1 no such user")], ..Script::default() };
    let mail = Server::start(vec![refusing]).await;
    let server = one("in-flight 1").env("SMTP_URL", &url(&mail)).on_disk().start().await;
    start(&server, 0..12).await;
    eventually("ten bounce, two wait", || async {
        let counts = counts(&server).await;
        counts["failed"] == 10 && counts["pending"] == 2
    })
    .await;
    let server = restarted(server, one("").env("SMTP_URL", &url(&mail))).await;
    eventually("it is still held", || async {
        server.get("/readyz").await.json()["closed_services"] == json!(["mail"])
    })
    .await;
    start(&server, 12..13).await;
    tokio::time::sleep(Duration::from_millis(200)).await;
    assert_eq!(counts(&server).await["pending"], 3, "nothing is sent");
    let status = server.get("/api/v1/status").await.json();
    let why = status["services"]["mail"]["closed"].as_str().unwrap().to_owned();
    assert!(why.contains("bounced") && why.contains("rulerun queue resume mail"), "{why}");
    let metrics = server.get("/metrics").await.text;
    let line = "rulerun_service_stopped{service=\"mail\",why=\"bounces\"} 1";
    assert!(metrics.contains(line), "{metrics}");

    let resume = |service: &str| format!("/api/v1/queue/resume?service={service}");
    assert_eq!(server.send("POST", &resume("male"), &[], "").await.status, 404);
    assert_eq!(server.send("POST", &resume("mail"), &[], "").await.status, 200);
    eventually("the others are tried", || async { counts(&server).await["failed"] == 13 }).await;
    assert_eq!(server.send("POST", &resume("mail"), &[], "").await.status, 409);
    assert_eq!(server.get("/readyz").await.json()["closed_services"], json!([]));
}

/// When each attempt began, by the server's clock, in milliseconds.
async fn begun(server: &TestServer) -> Vec<i64> {
    let mut begun = Vec::new();
    for job in results(&server.get("/api/v1/queue?status=sent&size=100").await) {
        let path = format!("/api/v1/queue/{}", job["id"].as_str().unwrap());
        for attempt in server.get(&path).await.json()["retry_history"].as_array().unwrap() {
            let at: Timestamp = attempt["attempted_at"].as_str().unwrap().parse().unwrap();
            begun.push(time::millis(at));
        }
    }
    begun.sort_unstable();
    begun
}

#[tokio::test(flavor = "multi_thread")]
async fn in_no_second_more_leave_than_the_rate_says_not_even_around_a_restart() {
    let mail = Server::start(vec![Script::default()]).await;
    let clock = TestClock::at("2026-01-05T10:00:00Z");
    let make = || one("rate \"5/s\"").env("SMTP_URL", &url(&mail)).clock(&clock);
    let mut server = make().on_disk().start().await;
    start(&server, 0..14).await;
    for turn in 0.. {
        assert!(turn < 200, "{} have left", mail.messages().len());
        if mail.messages().len() >= 14 && counts(&server).await["sent"] == 14 {
            break;
        }
        // It is restarted in the middle, and then once more.
        if turn == 3 || turn == 9 {
            server = restarted(server, make()).await;
        }
        server.advance(&clock, Duration::from_millis(100)).await;
        eventually("nothing is under way", || async { counts(&server).await["sending"] == 0 })
            .await;
    }
    let begun = begun(&server).await;
    assert_eq!(begun.len(), 14);
    for (index, first) in begun.iter().enumerate() {
        let within = begun[index..].iter().take_while(|at| **at < first + 1_000).count();
        assert!(within <= 5, "{within} within a second of {first}: {begun:?}");
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn an_email_of_unknown_fate_is_settled_by_hand_and_counts_as_sent() {
    let mail = Server::start(vec![Script { dot: &[HangUp], ..Script::default() }]).await;
    let make = || one("").env("SMTP_URL", &url(&mail));
    let server = make().on_disk().start().await;
    start(&server, 0..1).await;
    eventually("it is held", || async { counts(&server).await["failed"] == 1 }).await;
    let TestServer { server, folder } = server;
    server.stop().await;
    let data = folder.path().join("data");
    let doctor = rulerun().arg("doctor").arg("--data").arg(data).output().unwrap();
    let said = String::from_utf8(doctor.stdout).unwrap();
    assert!(said.contains("\n1 e-mail of unknown fate waits for a decision"), "{said}");
    assert_eq!(doctor.status.code(), Some(0), "the store is sound");
    let server = again(folder, make()).await;
    let id = results(&server.get("/api/v1/queue?status=failed").await)[0]["id"].clone();
    let path = format!("/api/v1/queue/{}/settle", id.as_str().unwrap());
    let execution =
        || async { server.get("/api/v1/executions").await.json()["results"][0].clone() };
    assert_eq!(execution().await["state"]["current"], "FAILED");
    assert_eq!(server.send("POST", &path, &[], "").await.status, 200);
    let now = counts(&server).await;
    assert_eq!((&now["failed"], &now["sent"]), (&json!(0), &json!(1)));
    assert_eq!(execution().await["state"]["current"], "SUCCESS");
    assert_eq!(server.send("POST", &path, &[], "").await.status, 409, "once is enough");
    assert_eq!(mail.messages().len(), 1);
}

#[tokio::test]
async fn a_bad_dkim_key_refuses_the_start_and_is_not_repeated() {
    use rulerun::serve::server::StartError;
    let lines = "dkim domain=\"acme.test\" selector=\"mail\" key=(env)\"DKIM_KEY\"";
    let started = one(lines).env("DKIM_KEY", "my hunter2").try_start().await;
    let Err(StartError::Rules(_, found)) = started else { panic!("it starts") };
    let told = format!("{found:?}");
    assert!(
        told.contains("the DKIM key of `mail` cannot be used: it is not a private key"),
        "{told}"
    );
    assert!(!told.contains("hunter2"), "{told}");
}

#[tokio::test]
async fn a_dkim_key_that_is_missing_is_told_as_a_file() {
    use rulerun::serve::server::StartError;
    let lines = "dkim domain=\"acme.test\" selector=\"mail\" key=(file)\"no-such/dkim.pem\"";
    let Err(StartError::Rules(_, found)) = one(lines).try_start().await else {
        panic!("it starts")
    };
    let [found] = found.as_slice() else { panic!("{found:?}") };
    assert!(found.message.starts_with("cannot read no-such/dkim.pem: "), "{found:?}");
    let help = found.help.as_deref().unwrap();
    assert!(help.starts_with("put the file there") && !help.contains("environment"), "{help}");
}

#[test]
fn a_rehearsal_and_development_need_no_dkim_key() {
    use crate::support::binary::{Running, rulerun};
    let lines = "dkim domain=\"acme.test\" selector=\"mail\" key=(file)\"dkim.pem\"\n    messages-per-connection 5";
    let make = one(lines).file(
        "rules/one.test.kdl",
        r#"
test "the news leave" {
    post "t/news" {
        email "sarah@shop.example"
    }
    expect email="news-1" after="0s"
}
"#,
    );
    let folder = make.folder.path();
    let tested = rulerun().current_dir(folder).args(["test", "rules"]).output().unwrap();
    assert!(tested.status.success(), "{tested:?}");
    drop(Running::serve(folder, &[], &["--dev"]));
}

#[tokio::test(flavor = "multi_thread")]
async fn the_mail_server_is_taken_leave_of_when_the_service_changes_and_at_the_end() {
    let mail = Server::start(vec![Script::default()]).await;
    let server = one("").env("SMTP_URL", &url(&mail)).start().await;
    start(&server, 0..1).await;
    eventually("it is sent", || async { mail.messages().len() == 1 }).await;
    assert_eq!((mail.count("connect"), mail.count("QUIT")), (1, 0), "it waits for the next one");
    let path = server.folder.path().join("rules/one.kdl");
    let rules = std::fs::read_to_string(&path).unwrap();
    std::fs::write(&path, rules.replace("retry", "in-flight 3\n    retry")).unwrap();
    let changed = || async { server.app().live.load().services["mail"].rule.in_flight == 3 };
    eventually("the service is another", changed).await;
    start(&server, 1..2).await;
    eventually("the old connection is closed", || async { mail.count("QUIT") == 1 }).await;
    eventually("the second is sent", || async { mail.messages().len() == 2 }).await;
    let TestServer { server, folder: _folder } = server;
    server.stop().await;
    assert_eq!((mail.count("connect"), mail.count("QUIT")), (2, 2));
}
