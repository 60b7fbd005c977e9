//! Outcomes against the mail server that the authors of postfix test with (`smtp-sink`), which
//! can refuse and drop at every step. Debian has it in the package `postfix`; nothing of it has
//! to be set up or started.

use std::path::PathBuf;
use std::process::{Child, Command, Stdio};
use std::time::Duration;

use rulerun::model::AttemptError::{self, Bounce, Connection, Deferred, Login, Unknown};
use rulerun::serve::deliver::smtp::Smtp;
use serde_json::json;

use crate::smtp::email;
use crate::support::server::{TestClock, eventually, results};

const PATIENCE: Duration = Duration::from_secs(20);

/// The program, or a loud skip. It cannot be had everywhere, so a skip fails nothing.
fn program() -> Option<PathBuf> {
    let places = ["/usr/sbin", "/usr/lib/postfix/sbin", "/usr/local/sbin", "/opt/homebrew/sbin"];
    let found = places.iter().map(|place| PathBuf::from(place).join("smtp-sink"));
    let found = found.into_iter().find(|path| path.exists());
    if found.is_none() {
        eprintln!("SKIPPED: smtp-sink is not installed (Debian: apt-get install postfix)");
    }
    found
}

/// A running sink, with a folder in which every message that came is a file.
struct Sink {
    child: Child,
    folder: tempfile::TempDir,
    port: u16,
}

impl Sink {
    async fn start(program: &PathBuf, options: &[&str]) -> Self {
        use std::os::unix::fs::PermissionsExt as _;
        let folder = tempfile::tempdir().unwrap();
        std::fs::set_permissions(folder.path(), std::fs::Permissions::from_mode(0o777)).unwrap();
        let port = {
            let listener = std::net::TcpListener::bind("127.0.0.1:0").unwrap();
            listener.local_addr().unwrap().port()
        };
        let mut command = Command::new(program);
        // It refuses to be root; whoever else runs this cannot change who it is.
        if is_root() {
            command.args(["-u", "nobody"]);
        }
        let child = command
            .arg("-d")
            .arg(folder.path().join("m."))
            .args(options)
            .args([&format!("127.0.0.1:{port}"), "64"])
            .stdout(Stdio::null())
            .spawn()
            .unwrap();
        for _ in 0..250 {
            if std::net::TcpStream::connect(("127.0.0.1", port)).is_ok() {
                break;
            }
            tokio::time::sleep(Duration::from_millis(20)).await;
        }
        Self { child, folder, port }
    }

    fn url(&self) -> String {
        format!("smtp://127.0.0.1:{}?tls=none", self.port)
    }

    /// How many messages came, whatever it said to them.
    fn messages(&self) -> usize {
        std::fs::read_dir(self.folder.path()).unwrap().count()
    }
}

impl Drop for Sink {
    fn drop(&mut self) {
        // It may have ended by itself; either way it is gone afterwards.
        let _ = self.child.kill();
        let _ = self.child.wait();
    }
}

fn is_root() -> bool {
    let output = Command::new("id").arg("-u").output().unwrap();
    output.stdout == b"0\n"
}

#[tokio::test]
async fn every_outcome_is_judged_by_its_step() {
    let Some(program) = program() else { return };
    let cases: [(&[&str], Option<AttemptError>, usize); 14] = [
        (&[], None, 2),
        // Without pipelining, and without ESMTP at all.
        (&["-p"], None, 2),
        (&["-e"], None, 2),
        (&["-f", "mail"], Some(Login), 0),
        (&["-f", "rcpt"], Some(Bounce), 0),
        (&["-r", "rcpt"], Some(Deferred), 0),
        (&["-f", "data"], Some(Bounce), 0),
        (&["-r", "data"], Some(Deferred), 0),
        (&["-f", "."], Some(Bounce), 2),
        (&["-r", "."], Some(Deferred), 2),
        (&["-q", "mail"], Some(Connection), 0),
        (&["-q", "rcpt"], Some(Connection), 0),
        (&["-q", "data"], Some(Connection), 0),
        (&["-q", "."], Some(Unknown), 2),
    ];
    for (options, error, messages) in cases {
        let sink = Sink::start(&program, options).await;
        let smtp = Smtp::from_url(&sink.url(), None).unwrap();
        for _ in 0..2 {
            let tried = smtp.send(&email(), PATIENCE).await;
            assert_eq!(tried.error, error, "{options:?}: {tried:?}");
        }
        let came = sink.messages();
        assert!(came == messages || error.is_some_and(|e| e != Unknown), "{options:?}: {came}");
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn what_is_dropped_after_the_final_dot_is_held_and_never_sent_twice() {
    let Some(program) = program() else { return };
    let sink = Sink::start(&program, &["-q", "."]).await;
    let clock = TestClock::at("2026-01-05T10:00:00Z");
    let server = crate::sending::one("").env("SMTP_URL", &sink.url()).clock(&clock).start().await;
    server.post("/t/news", &json!({ "email": "sarah@shop.example" })).await;
    let held = || async { results(&server.get("/api/v1/queue?status=failed").await) };
    eventually("it is held", || async { held().await.len() == 1 }).await;
    let job = held().await.remove(0);
    assert!(job["reason"].as_str().unwrap().starts_with("unknown: "), "{job}");
    server.advance(&clock, Duration::from_hours(48)).await;
    assert_eq!(sink.messages(), 1);
}
