//! `rulerun preview`: what it shows is what the server sends, its page is for this machine
//! alone, and a test that it sends arrives marked and leaves no trace.

use std::io::{BufRead as _, BufReader, Read as _, Write as _};
use std::net::TcpStream;
use std::path::Path;
use std::process::{Child, Command, Output, Stdio};

use base64::Engine as _;
use rulerun::mail::EXAMPLE_KEY;
use serde_json::Value;

use crate::support::binary::{Running, agent, get, post, until};
use crate::support::postmark::{self, Postmark};
use crate::support::resend::{self, Resend};
use crate::support::smtp_server::{Script, Server};
use crate::support::stand_in::StandIn;
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

/// Rules with one e-mail that shows an image and brings a file, through a service that is
/// told so; and what `preview` says when it sends a test of it.
fn tested(service: &str, environment: &[(&str, &str)]) -> Output {
    let folder = project(service);
    command(&["hello", "--send-to", "me@salon.example"])
        .current_dir(folder.path())
        .envs(environment.iter().copied())
        .output()
        .unwrap()
}

fn project(service: &str) -> tempfile::TempDir {
    let rules = format!(
        "service \"mail\" {service}\nsender \"Acme <hello@acme.test>\"\n{}",
        r#"webhooks "t" {
    path "/t"
    endpoint "signup" {
        payload { email email; }
        start "s"
    }
}
sequence "s" to="{{email}}" kind="transactional" {
    email "hello" subject="Hi" preheader="For {{email}} <alone>" {
        attach "guide.pdf" name="Our guide.pdf"
    }
}
"#
    );
    let folder = tempfile::tempdir().unwrap();
    std::fs::create_dir_all(folder.path().join("rules/emails")).unwrap();
    for (name, text) in [
        ("t.kdl", rules.as_str()),
        ("emails/hello.md", "Hi ![A dot](dot.gif)\n"),
        ("emails/dot.gif", "GIF89a one dot"),
        ("emails/guide.pdf", "%PDF the guide"),
        ("../dkim.pem", EXAMPLE_KEY),
        ("../bad.pem", "my hunter2"),
    ] {
        std::fs::write(folder.path().join("rules").join(name), text).unwrap();
    }
    folder
}

#[test]
fn it_shows_the_preheader_and_the_files_that_come_along() {
    let folder = project("type=\"smtp\" { url (env)\"SMTP_URL\" optional=#true; }");
    let shown = |arguments: &[&str]| {
        let output = command(arguments).current_dir(folder.path()).output().unwrap();
        String::from_utf8(output.stdout).unwrap()
    };
    let human = shown(&["hello"]);
    assert!(human.contains("Preheader:  For sarah@example.com <alone>\n"), "{human}");
    assert!(human.contains("Attached:   Our guide.pdf (14 B)\n\nHi"), "{human}");
    let json: Value = serde_json::from_str(&shown(&["hello", "--format", "json"])).unwrap();
    let version = &json["versions"][0];
    assert_eq!(version["preheader"], "For sarah@example.com <alone>");
    let file = serde_json::json!({"name": "Our guide.pdf", "type": "application/pdf", "size": 14});
    assert_eq!(version["attachments"], serde_json::json!([file]));
    let rules = folder.path().join("rules");
    let page = Page::open(&["hello", "--port", "0", "--rules", rules.to_str().unwrap()]).get("/");
    assert!(page.contains("Preheader<td>For sarah@example.com &lt;alone&gt;</tr>"), "{page}");
    assert!(page.contains("Attached<td>Our guide.pdf (14 B)</tr>"), "{page}");
}

#[tokio::test(flavor = "multi_thread")]
async fn a_test_through_a_provider_brings_its_files() {
    let (resend, postmark) =
        (StandIn::start(Resend::default()).await, StandIn::start(Postmark::default()).await);
    for (kind, url, token) in
        [("resend", &resend.url, resend::KEY), ("postmark", &postmark.url, postmark::TOKEN)]
    {
        let service =
            format!("type=\"{kind}\" {{ url (env)\"MAIL_URL\"; token (env)\"MAIL_TOKEN\"; }}");
        let output = tested(&service, &[("MAIL_URL", url), ("MAIL_TOKEN", token)]);
        assert!(output.status.success(), "{kind}: {}", said(&output));
    }
    let (ours, theirs) = (resend.calls()[0].json(), postmark.calls()[0].json());
    let names = |files: &Value, name: &str, content: &str| -> Vec<(String, String)> {
        let text = |file: &Value, field: &str| file[field].as_str().unwrap().to_owned();
        let files = files.as_array().unwrap().iter();
        files.map(|file| (text(file, name), text(file, content))).collect()
    };
    let coded = |text: &str| base64::engine::general_purpose::STANDARD.encode(text);
    let expected = [("dot.gif", "GIF89a one dot"), ("Our guide.pdf", "%PDF the guide")]
        .map(|(name, text)| (name.to_owned(), coded(text)));
    assert_eq!(names(&ours["attachments"], "filename", "content"), expected);
    assert_eq!(names(&theirs["Attachments"], "Name", "Content"), expected);
}

#[tokio::test(flavor = "multi_thread")]
async fn a_test_is_signed_as_the_server_signs() {
    let mail = Server::start(vec![Script::default()]).await;
    let url = format!("smtp://127.0.0.1:{}", mail.port);
    let service = |key: &str| {
        format!(
            "type=\"smtp\" {{ url (env)\"SMTP_URL\"; dkim domain=\"acme.test\" selector=\"mail\" \
             key=(file)\"{key}\"; }}"
        )
    };
    let output = tested(&service("dkim.pem"), &[("SMTP_URL", &url)]);
    assert!(output.status.success(), "{}", said(&output));
    let messages = mail.messages();
    let [message] = messages.as_slice() else { panic!("one message was sent") };
    assert!(message.starts_with("DKIM-Signature:"), "{message}");
    assert!(message.contains("d=acme.test;") && message.contains("s=mail;"), "{message}");
    for (key, why) in [("none.pem", "cannot read none.pem"), ("bad.pem", "it is not a private key")]
    {
        let output = tested(&service(key), &[("SMTP_URL", &url)]);
        assert_eq!(output.status.code(), Some(2), "{}", said(&output));
        assert!(
            said(&output).contains(why) && !said(&output).contains("hunter2"),
            "{}",
            said(&output)
        );
    }
    assert_eq!(mail.messages().len(), 1);
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
