//! `rulerun preview`: what it shows is what the server sends, its page is for this machine
//! alone, and a test that it sends arrives marked and leaves no trace.

use std::io::{BufRead as _, BufReader, Read as _, Write as _};
use std::net::TcpStream;
use std::path::Path;
use std::process::{Child, Command, Output, Stdio};

use serde_json::Value;

use crate::support::binary::{Running, agent, get, post, until};
use crate::support::{SinkTls, SmtpSink, python};

fn preview(arguments: &[&str], environment: &[(&str, &str)]) -> Output {
    command(arguments).envs(environment.iter().copied()).output().unwrap()
}

fn command(arguments: &[&str]) -> Command {
    let mut command = Command::new(env!("CARGO_BIN_EXE_rulerun"));
    command.env_clear().current_dir(env!("CARGO_MANIFEST_DIR")).stdin(Stdio::null());
    command.arg("preview").args(arguments);
    command
}

fn said(output: &Output) -> String {
    String::from_utf8_lossy(&output.stderr).into_owned()
}

/// The text of an e-mail without the line of the link to unsubscribe.
fn without_link(text: &str) -> String {
    text.lines().filter(|line| !line.starts_with("Unsubscribe")).collect::<Vec<_>>().join("\n")
}

#[test]
fn what_it_shows_is_what_the_server_makes() {
    let folder = tempfile::tempdir().unwrap();
    let rules = Path::new(env!("CARGO_MANIFEST_DIR")).join("examples/hello.kdl");
    let rules = rules.to_str().unwrap();
    let mut server = Running::serve(folder.path(), &[], &["--dev", "--speed", "3000", rules]);
    let base = server.base();
    let agent = agent();
    let signup = format!("{base}/hello/signup");
    post(&agent, &signup, r#"{"email": "sarah@example.com"}"#).unwrap();
    let outbox = || -> Vec<Value> {
        let (_, body) = get(&agent, &format!("{base}/api/v1/outbox")).unwrap();
        let body: Value = serde_json::from_str(&body).unwrap();
        body["results"].as_array().cloned().unwrap_or_default()
    };
    until("the first e-mail is captured", || !outbox().is_empty());
    let captured = outbox().into_iter().find(|mail| mail["name"] == "welcome-1").unwrap();
    let output = preview(&["--rules", rules, "welcome-1", "--format", "json"], &[]);
    let shown: Value = serde_json::from_slice(&output.stdout).unwrap();
    let version = &shown["versions"][0];
    for name in ["to", "subject"] {
        assert_eq!(version[name], captured[name], "{name}");
    }
    let text = |value: &Value| without_link(value["text"].as_str().unwrap());
    assert_eq!(text(version), text(&captured));
}

#[test]
fn a_test_arrives_marked_and_leaves_no_trace() {
    let Some(python) = python() else { return };
    let sink = SmtpSink::start(&python, SinkTls::StartTls);
    let url = format!("smtp://user:pass@127.0.0.1:{}?tls=required", sink.port);
    let ca = sink.ca();
    let environment = [("SMTP_URL", url.as_str()), ("SSL_CERT_FILE", ca.to_str().unwrap())];
    let folder = tempfile::tempdir().unwrap();
    let project = Path::new(env!("CARGO_MANIFEST_DIR"));
    let output = command(&["noshow-1", "--send-to", "me@salon.example"])
        .arg("--rules")
        .arg(project.join("rules"))
        .arg("--rules")
        .arg(project.join("schemas"))
        .current_dir(folder.path())
        .envs(environment)
        .output()
        .unwrap();
    assert!(output.status.success(), "{}", said(&output));
    let left = std::fs::read_dir(folder.path()).unwrap().count();
    assert_eq!(left, 0, "no store is opened, and nothing is written");
    let [message] = &sink.messages()[..] else { panic!("one message was sent") };
    assert_eq!(message["rcpts"], serde_json::json!(["me@salon.example"]));
    assert_eq!(message["subject"], "[Test] Sorry we missed you, Sarah");
    assert_eq!(
        message["headers"]["list-unsubscribe"][0],
        "<http://localhost:8080/unsubscribe/preview>"
    );
    assert!(message["text"].as_str().unwrap().starts_with("Hi Sarah,"));

    let wrong = url.replace(":pass@", ":wrong@");
    let environment = [("SMTP_URL", wrong.as_str()), ("SSL_CERT_FILE", ca.to_str().unwrap())];
    let refused = preview(&["noshow-1", "--send-to", "me@salon.example"], &environment);
    assert_eq!(refused.status.code(), Some(2));
    assert!(said(&refused).contains("the test was not sent: while logging in"));
    assert!(!said(&refused).contains("wrong@"), "{}", said(&refused));
    assert_eq!(sink.messages().len(), 1);
}

#[test]
fn nothing_is_sent_where_nobody_would_send_it() {
    let to = ["--send-to", "me@salon.example"];
    let unset = preview(&[&["noshow-1"][..], &to].concat(), &[]);
    assert_eq!(unset.status.code(), Some(2));
    assert!(
        said(&unset).contains("`mail` has no address: SMTP_URL is not set"),
        "{}",
        said(&unset)
    );
    let hello = ["--rules", "examples/hello.kdl", "welcome-1"];
    let undeclared = preview(&[&hello[..], &to].concat(), &[]);
    assert!(said(&undeclared).contains("declare no mail service"), "{}", said(&undeclared));
    let odd = preview(
        &["noshow-1", "--send-to", "Me <me@salon.example>"],
        &[("SMTP_URL", "smtp://127.0.0.1:9")],
    );
    assert!(said(&odd).contains("is not one e-mail address"), "{}", said(&odd));
}

/// A page server, which ends with the test.
struct Page {
    child: Child,
    address: String,
}

impl Page {
    fn open(arguments: &[&str]) -> Self {
        let mut child = command(arguments).stderr(Stdio::piped()).spawn().unwrap();
        let mut line = String::new();
        BufReader::new(child.stderr.take().unwrap()).read_line(&mut line).unwrap();
        let address = line.strip_prefix("http://").and_then(|rest| rest.split(' ').next());
        let address = address.unwrap_or_else(|| panic!("it said {line}")).to_owned();
        Self { child, address }
    }

    fn ask(&self, request: &str) -> String {
        let mut stream = TcpStream::connect(&self.address).unwrap();
        stream.write_all(request.replace("HERE", &self.address).as_bytes()).unwrap();
        let mut answer = String::new();
        stream.read_to_string(&mut answer).unwrap();
        answer
    }

    fn get(&self, path: &str) -> String {
        self.ask(&format!("GET {path} HTTP/1.1\r\nHost: HERE\r\n\r\n"))
    }
}

impl Drop for Page {
    fn drop(&mut self) {
        let _ = self.child.kill();
        let _ = self.child.wait();
    }
}

#[test]
fn the_page_shows_every_email_to_this_machine_alone() {
    let page = Page::open(&["--port", "0"]);
    let index = page.get("/");
    assert!(index.contains("href=\"/noshow-recovery/noshow-1\""), "{index}");
    let one = page.get("/assessment-followup/assessment-4");
    assert!(one.starts_with("HTTP/1.1 200 ") && one.contains("we turn to Money."), "{one}");
    assert!(one.contains("<iframe sandbox") && one.contains("&lt;!DOCTYPE html&gt;"), "{one}");
    let bare = page.get("/assessment-followup/assessment-4?missing");
    assert!(bare.contains("we turn to your second system."), "{bare}");
    assert!(page.get("/etc/passwd").starts_with("HTTP/1.1 404 "));
    let stranger = page.ask("GET / HTTP/1.1\r\nHost: evil.example\r\n\r\n");
    assert!(stranger.starts_with("HTTP/1.1 403 "), "{stranger}");
    let posted = page.ask("POST / HTTP/1.1\r\nHost: HERE\r\n\r\n");
    assert!(posted.starts_with("HTTP/1.1 405 "), "{posted}");
    let long = format!("GET / HTTP/1.1\r\nHost: HERE\r\nX: {}\r\n\r\n", "x".repeat(9000));
    assert!(page.ask(&long).starts_with("HTTP/1.1 431 "));
}
