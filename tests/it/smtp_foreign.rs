//! E-mail handed to a mail server that others wrote (aiosmtpd), with STARTTLS, with TLS
//! from the first byte, and with a login.
use std::path::Path;
use std::time::Duration;

use crate::support::{SinkTls, SmtpSink, python};
use rulerun::base::source::{SourceMap, Span};
use rulerun::base::time::{Timestamp, Zone};
use rulerun::mail::{MailRequest, render};
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
    ];
    for (to, error, status) in cases {
        let tried = smtp.send(&email(to), PATIENCE).await;
        assert_eq!((tried.error, tried.status), (error, Some(status)), "{to}: {tried:?}");
    }
    assert_eq!(sink.messages().len(), 2);
}
