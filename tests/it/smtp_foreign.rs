//! E-mail handed to a mail server that others wrote (aiosmtpd), with STARTTLS, with TLS
//! from the first byte, and with a login.
use std::path::Path;
use std::sync::Arc;
use std::time::Duration;

use crate::support::{SinkTls, SmtpSink, python};
use rulerun::base::source::{SourceMap, Span};
use rulerun::base::time::{Timestamp, Zone};
use rulerun::mail::{Dkim, DkimError, MailRequest, render};
use rulerun::model::queue::Email;
use rulerun::model::rules::{MailKind, Sender};
use rulerun::model::{AttemptError, Content, Tried};
use rulerun::serve::deliver::smtp::Smtp;

const PATIENCE: Duration = Duration::from_secs(30);

fn email(to: &str) -> Email {
    let sender = Sender {
        name: Some("Grüße von Acme".to_owned()),
        address: "hello@acme.example".to_owned(),
        reply_to: Some("sang@acme.example".to_owned()),
        postal_address: Some("Acme Scaling, 1 Main St, Springfield".to_owned()),
        caps: Vec::new(),
        seeds: Vec::new(),
        zone: Zone::UTC,
        span: Span::new(SourceMap::new().add("rules.kdl", ""), 0..0),
    };
    render(&MailRequest {
        sequence: "noshow-recovery",
        name: "noshow-1",
        kind: MailKind::Marketing,
        sender: &sender,
        to,
        subject: "Schöne Grüße 🎄".to_owned(),
        content: Content::markdown("Hi Zoë,\n\n.\n\n[Book](https://acme.example/?a=1&b=2)"),
        unsubscribe_url: Some("https://mail.acme.example/u/1".to_owned()),
        message_id: "0AbC".to_owned(),
        at: "2025-12-01T10:30:00Z".parse::<Timestamp>().unwrap(),
    })
    .unwrap()
}

async fn send(url: &str, root: Option<&Path>, to: &str) -> Tried {
    Smtp::from_url(url, root).unwrap().send(&email(to), PATIENCE).await
}

#[tokio::test]
async fn starttls_and_implicit_tls_with_a_login() {
    let Some(python) = python() else { return };
    for tls in [SinkTls::StartTls, SinkTls::Implicit] {
        let sink = SmtpSink::start(&python, tls);
        let scheme = if tls == SinkTls::Implicit { "smtps" } else { "smtp" };
        let ca = sink.ca();
        for host in ["localhost", "127.0.0.1"] {
            let url = format!("{scheme}://user:pass@{host}:{}", sink.port);
            let tried = send(&url, Some(&ca), "sarah@salon.example").await;
            assert_eq!((tried.error, tried.status), (None, Some(250)), "{tls:?}: {tried:?}");
        }
        let url = format!("{scheme}://user:wrong@127.0.0.1:{}", sink.port);
        let tried = send(&url, Some(&ca), "sarah@salon.example").await;
        assert_eq!((tried.error, tried.status), (Some(AttemptError::Login), Some(535)));

        let url = format!("{scheme}://user:pass@127.0.0.1:{}", sink.port);
        let tried = send(&url, None, "sarah@salon.example").await;
        assert_eq!(tried.error, Some(AttemptError::Tls), "a stranger's certificate: {tried:?}");
        let url = format!("{scheme}://127.0.0.1:{}", sink.port);
        let tried = send(&url, Some(&ca), "sarah@salon.example").await;
        assert_eq!(tried.error, Some(AttemptError::Login), "no login: {tried:?}");
        assert_eq!(sink.messages().len(), 2);
    }
}

#[tokio::test]
async fn another_program_reads_what_we_wrote() {
    let Some(python) = python() else { return };
    let sink = SmtpSink::start(&python, SinkTls::StartTls);
    let url = format!("smtp://user:pass@127.0.0.1:{}?tls=required", sink.port);
    let tried = send(&url, Some(&sink.ca()), "sarah@salon.example").await;
    assert_eq!(tried.error, None, "{tried:?}");
    let [message] = &sink.messages()[..] else { panic!("one message was sent") };
    let header = |name: &str| message["headers"][name][0].as_str().unwrap().to_owned();
    assert_eq!(message["from"], "hello@acme.example");
    assert_eq!(message["rcpts"][0], "sarah@salon.example");
    assert_eq!(message["subject"], "Schöne Grüße 🎄");
    assert_eq!(header("from"), "Grüße von Acme <hello@acme.example>");
    assert_eq!(header("message-id"), "<0AbC@acme.example>");
    assert_eq!(header("list-unsubscribe"), "<https://mail.acme.example/u/1>");
    assert_eq!(header("list-unsubscribe-post"), "List-Unsubscribe=One-Click");
    assert_eq!(message["text"], email("sarah@salon.example").text);
    let html = message["html"].as_str().unwrap();
    assert!(html.contains("Zoë") && html.contains("https://acme.example/?a=1&amp;b=2"), "{html}");
    assert_eq!((&message["tls"], &message["auth"]), (&true.into(), &true.into()));
}

#[tokio::test]
async fn refusals_of_another_program_are_judged_alike() {
    let Some(python) = python() else { return };
    let sink = SmtpSink::start(&python, SinkTls::StartTls);
    let url = format!("smtp://user:pass@localhost:{}", sink.port);
    let smtp = Smtp::from_url(&url, Some(&sink.ca())).unwrap();
    let cases = [
        ("perm@salon.example", Some(AttemptError::Bounce), 550),
        ("temp@salon.example", Some(AttemptError::Deferred), 451),
        ("temp@salon.example", None, 250),
        ("late@salon.example", Some(AttemptError::Deferred), 451),
        ("late@salon.example", None, 250),
        ("rcpt-421@salon.example", Some(AttemptError::Connection), 421),
        ("rcpt-450@salon.example", Some(AttemptError::Deferred), 450),
        ("rcpt-452@salon.example", Some(AttemptError::Deferred), 452),
        ("rcpt-535@salon.example", Some(AttemptError::Login), 535),
        ("rcpt-551@salon.example", Some(AttemptError::Bounce), 551),
        ("rcpt-554@salon.example", Some(AttemptError::Bounce), 554),
        ("data-421@salon.example", Some(AttemptError::Connection), 421),
        ("data-452@salon.example", Some(AttemptError::Deferred), 452),
        ("data-530@salon.example", Some(AttemptError::Login), 530),
        ("data-552@salon.example", Some(AttemptError::Deferred), 552),
        ("data-554@salon.example", Some(AttemptError::Bounce), 554),
    ];
    for (to, error, status) in cases {
        let tried = smtp.send(&email(to), PATIENCE).await;
        assert_eq!((tried.error, tried.status), (error, Some(status)), "{to}: {tried:?}");
    }
    assert_eq!(sink.messages().len(), 2);
}

/// What `check_dkim.py` prints.
fn dkim_tool(python: &Path, arguments: &[&str], input: &[u8]) -> String {
    use std::io::Write as _;
    let mut child = std::process::Command::new(python)
        .arg(crate::support::script("check_dkim.py"))
        .args(arguments)
        .stdin(std::process::Stdio::piped())
        .stdout(std::process::Stdio::piped())
        .spawn()
        .unwrap();
    child.stdin.take().unwrap().write_all(input).unwrap();
    let output = child.wait_with_output().unwrap();
    assert!(output.status.success(), "{arguments:?}");
    String::from_utf8(output.stdout).unwrap()
}

#[tokio::test]
async fn another_program_finds_the_signature_valid_and_notices_every_change() {
    let Some(python) = python() else { return };
    let sink = SmtpSink::start(&python, SinkTls::StartTls);
    let url = format!("smtp://user:pass@127.0.0.1:{}", sink.port);
    for kind in ["rsa", "ed25519"] {
        let pem = dkim_tool(&python, &["make", kind], b"");
        let dkim = Arc::new(Dkim::new("acme.example", "mail", &pem).unwrap());
        let (name, text) = dkim.record();
        assert_eq!(name, "mail._domainkey.acme.example");
        let smtp = Smtp::from_url(&url, Some(&sink.ca())).unwrap().signed(Some(dkim));
        for _ in 0..2 {
            let tried = smtp.send(&email("sarah@salon.example"), PATIENCE).await;
            assert_eq!(tried.error, None, "{tried:?}");
        }
        let sent: Vec<String> = sink
            .messages()
            .iter()
            .rev()
            .take(2)
            .map(|message| message["raw"].as_str().unwrap().to_owned())
            .collect();
        assert_eq!(sent[0], sent[1], "{kind}: a retry sends the same bytes");
        let verify = |message: &str| {
            dkim_tool(&python, &["verify", &name, &text], message.as_bytes()).trim().to_owned()
        };
        assert_eq!(verify(&sent[0]), "valid", "{kind}: {}", sent[0]);
        let (head, _) = sent[0].split_once("\r\n\r\n").unwrap();
        assert!(head.contains("list-unsubscribe:"), "RFC 8058 wants it signed: {head}");
        assert!(head.contains("list-unsubscribe-post;"), "RFC 8058 wants it signed: {head}");
        // A relay may wrap and trim; nobody may change what is said.
        let wrapped = sent[0].replace("Content-Type: multipart", "Content-Type:\r\n  multipart");
        assert_eq!(verify(&wrapped), "valid", "{kind}");
        for (what, to) in [
            ("https://acme.example/", "https://evil.example/"),
            ("Subject: ", "Subject: No "),
            ("To: <sarah@", "To: <bob@"),
            ("List-Unsubscribe: <https://mail.acme.example", "List-Unsubscribe: <https://evil"),
            ("List-Unsubscribe-Post: List", "List-Unsubscribe-Post: Lost"),
            ("From: ", "From: evil@acme.example\r\nFrom: "),
            ("Reply-To: ", "Reply-To: evil@evil.example\r\nReply-To: "),
        ] {
            let changed = sent[0].replacen(what, to, 1);
            assert_ne!(changed, sent[0], "{what} occurs");
            assert_eq!(verify(&changed), "invalid", "{kind}: {what} became {to}");
        }
    }
}

#[test]
fn a_key_that_cannot_sign_is_refused_with_its_reason() {
    let Some(python) = python() else { return };
    let short = dkim_tool(&python, &["make", "rsa1024"], b"");
    let good = dkim_tool(&python, &["make", "ed25519"], b"");
    let broken = good.replace("-----BEGIN PRIVATE KEY-----\nMC", "-----BEGIN PRIVATE KEY-----\nMD");
    let cases = [
        (short.as_str(), DkimError::Key),
        (&broken, DkimError::Key),
        ("hello", DkimError::Pem),
        ("", DkimError::Pem),
        ("-----BEGIN PRIVATE KEY-----\n!\n-----END PRIVATE KEY-----\n", DkimError::Pem),
        ("-----BEGIN PUBLIC KEY-----\nAAAA\n-----END PUBLIC KEY-----\n", DkimError::Public),
        (
            "-----BEGIN ENCRYPTED PRIVATE KEY-----\nAAAA\n-----END ENCRYPTED PRIVATE KEY-----\n",
            DkimError::Locked,
        ),
        ("-----BEGIN EC PRIVATE KEY-----\nAAAA\n-----END EC PRIVATE KEY-----\n", DkimError::Key),
    ];
    for (pem, why) in cases {
        assert_eq!(Dkim::new("acme.example", "mail", pem).unwrap_err(), why, "{pem}");
    }
    assert_eq!(Dkim::new("acme", "mail", &good).unwrap_err(), DkimError::Domain);
    assert_eq!(Dkim::new("acme.example", "my mail", &good).unwrap_err(), DkimError::Selector);
    let on_one_line = good.trim().replace('\n', "\\n");
    assert!(Dkim::new("acme.example", "mail", &on_one_line).is_ok(), "as a variable holds it");
}
