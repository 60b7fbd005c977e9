//! Whose fault a failed e-mail is, step by step, against a mail server that follows a
//! script: our account's, the way's, the recipient's, or nobody knows.
use std::sync::Arc;
use std::time::Duration;

use crate::support::smtp_server::Answer::{HangUp, Say, Silence};
use crate::support::smtp_server::{Answer, Script, Server};
use rulerun::base::source::{SourceMap, Span};
use rulerun::base::time::{Timestamp, Zone};
use rulerun::mail::{MailRequest, render};
use rulerun::model::queue::Email;
use rulerun::model::rules::{MailKind, Sender};
use rulerun::model::{AttemptError, Content, Tried};
use rulerun::serve::deliver::smtp::Smtp;

const PATIENCE: Duration = Duration::from_secs(20);
const HASTE: Duration = Duration::from_millis(300);

pub(crate) fn email() -> Email {
    let sender = Sender {
        name: None,
        address: "hello@acme.example".to_owned(),
        reply_to: None,
        postal_address: None,
        caps: Vec::new(),
        seeds: Vec::new(),
        zone: Zone::UTC,
        span: Span::new(SourceMap::new().add("rules.kdl", ""), 0..0),
    };
    render(&MailRequest {
        sequence: "onboarding",
        name: "onboarding-1",
        kind: MailKind::Transactional,
        sender: &sender,
        to: "sarah@salon.example",
        subject: "Welcome".to_owned(),
        content: Content::markdown("Hi\n\n    .\n    ..\n    .x\n"),
        unsubscribe_url: None,
        message_id: "1".to_owned(),
        at: Timestamp::UNIX_EPOCH,
    })
    .unwrap()
}

fn smtp(server: &Server) -> Smtp {
    Smtp::from_url(&format!("smtp://127.0.0.1:{}", server.port), None).unwrap()
}

/// Sends one e-mail to a server with that script.
async fn send(script: Script, timeout: Duration) -> Tried {
    let server = Server::start(vec![script]).await;
    smtp(&server).send(&email(), timeout).await
}

#[tokio::test]
async fn a_message_arrives_as_it_was_stored() {
    let server = Server::start(vec![Script::default()]).await;
    let email = email();
    let tried = smtp(&server).send(&email, PATIENCE).await;
    assert_eq!((tried.error, tried.status), (None, Some(250)), "{tried:?}");
    assert_eq!(tried.reply, "2.0.0 queued as 7");
    assert_eq!(server.messages(), [String::from_utf8(email.message).unwrap()]);
    assert_eq!(server.log()[1..], ["EHLO", "MAIL", "RCPT", "DATA", "message"]);
}

#[tokio::test]
async fn every_refusal_is_judged_by_its_step() {
    use AttemptError::{Bounce, Connection, Deferred, Login};
    let no = Script::default;
    let cases = [
        ("greeting 554", Script { greeting: &[Say("554 5.3.2 go away")], ..no() }, Login, 554),
        ("EHLO 550", Script { ehlo: &[Say("550 5.7.1 who are you")], ..no() }, Login, 550),
        ("MAIL 451", Script { mail: &[Say("451 4.3.0 try later")], ..no() }, Login, 451),
        ("MAIL 550", Script { mail: &[Say("550 5.7.1 bad sender")], ..no() }, Login, 550),
        ("RCPT 450", Script { rcpt: &[Say("450 4.2.1 greylisted")], ..no() }, Deferred, 450),
        ("RCPT 550", Script { rcpt: &[Say("550 5.1.1 no such user")], ..no() }, Bounce, 550),
        ("RCPT 530", Script { rcpt: &[Say("530 5.7.0 log in first")], ..no() }, Login, 530),
        ("DATA 451", Script { data: &[Say("451 4.3.0 busy")], ..no() }, Deferred, 451),
        ("DATA 554", Script { data: &[Say("554 5.5.1 no")], ..no() }, Bounce, 554),
        ("dot 452", Script { dot: &[Say("452 4.2.2 mailbox full")], ..no() }, Deferred, 452),
        ("RCPT 552", Script { rcpt: &[Say("552 5.2.2 over quota")], ..no() }, Deferred, 552),
        ("RCPT 554", Script { rcpt: &[Say("554 5.2.2 mailbox full")], ..no() }, Deferred, 554),
        ("dot 552", Script { dot: &[Say("552 5.3.4 too large")], ..no() }, Deferred, 552),
        ("dot 550", Script { dot: &[Say("550 5.7.1 spam")], ..no() }, Bounce, 550),
        ("dot DMARC", Script { dot: &[Say("550 5.7.26 unauthenticated")], ..no() }, Login, 550),
        ("greeting 421", Script { greeting: &[Say("421 4.3.2 full")], ..no() }, Connection, 421),
        ("MAIL 421", Script { mail: &[Say("421 4.3.2 closing")], ..no() }, Connection, 421),
        ("RCPT 421", Script { rcpt: &[Say("421 4.3.2 closing")], ..no() }, Connection, 421),
        ("dot 421", Script { dot: &[Say("421 4.3.2 closing")], ..no() }, Connection, 421),
        ("DATA 250", Script { data: &[Say("250 2.0.0 what")], ..no() }, Connection, 250),
    ];
    for (name, script, error, status) in cases {
        let tried = send(script, PATIENCE).await;
        assert_eq!((tried.error, tried.status), (Some(error), Some(status)), "{name}: {tried:?}");
        assert!(tried.message.is_some_and(|message| message.starts_with("while ")), "{name}");
        assert!(!tried.reply.is_empty(), "{name}");
    }
}

#[tokio::test]
async fn a_lost_connection_is_harmless_before_the_final_dot_and_unknown_after_it() {
    use AttemptError::{Connection, Unknown};
    let ok = Script::default;
    let cases = [
        ("greeting", Script { greeting: &[HangUp], ..ok() }, Connection),
        ("EHLO", Script { ehlo: &[HangUp], ..ok() }, Connection),
        ("MAIL", Script { mail: &[HangUp], ..ok() }, Connection),
        ("RCPT", Script { rcpt: &[HangUp], ..ok() }, Connection),
        ("DATA", Script { data: &[HangUp], ..ok() }, Connection),
        ("dot", Script { dot: &[HangUp], ..ok() }, Unknown),
        ("garbage", Script { rcpt: &[Say("what?")], ..ok() }, Connection),
        ("garbage after the dot", Script { dot: &[Say("what?")], ..ok() }, Unknown),
        ("a question after the dot", Script { dot: &[Say("354 more?")], ..ok() }, Unknown),
    ];
    for (name, script, error) in cases {
        let tried = send(script, PATIENCE).await;
        assert_eq!(tried.error, Some(error), "{name}: {tried:?}");
    }
}

#[tokio::test]
async fn silence_is_harmless_before_the_final_dot_and_unknown_after_it() {
    use AttemptError::{Timeout, Unknown};
    let ok = Script::default;
    let cases = [
        ("greeting", Script { greeting: &[Silence], ..ok() }, Timeout),
        ("EHLO", Script { ehlo: &[Silence], ..ok() }, Timeout),
        ("MAIL", Script { mail: &[Silence], ..ok() }, Timeout),
        ("RCPT", Script { rcpt: &[Silence], ..ok() }, Timeout),
        ("DATA", Script { data: &[Silence], ..ok() }, Timeout),
        ("dot", Script { dot: &[Silence], ..ok() }, Unknown),
    ];
    for (name, script, error) in cases {
        let tried = send(script, HASTE).await;
        assert_eq!(tried.error, Some(error), "{name}: {tried:?}");
        assert!(tried.duration >= HASTE, "{name}");
    }
}

/// A message that does not fit into the sockets' buffers.
fn large() -> Email {
    let mut email = email();
    email.message.extend("a line of a large message\r\n".repeat(800_000).into_bytes());
    email
}

#[tokio::test]
async fn a_message_that_was_cut_off_before_its_dot_did_not_arrive() {
    let listener = std::net::TcpListener::bind("127.0.0.1:0").unwrap();
    let port = listener.local_addr().unwrap().port();
    let thread = std::thread::spawn(move || {
        let mut kept = Vec::new();
        for close in [false, true] {
            let (stream, _) = listener.accept().unwrap();
            talk_up_to_data(&stream);
            if close {
                drop(stream);
            } else {
                kept.push(stream);
            }
        }
        kept
    });
    let smtp = Smtp::from_url(&format!("smtp://127.0.0.1:{port}"), None).unwrap();
    let tried = smtp.send(&large(), Duration::from_secs(1)).await;
    assert_eq!(tried.error, Some(AttemptError::Timeout), "{tried:?}");
    let tried = smtp.send(&large(), PATIENCE).await;
    assert_eq!(tried.error, Some(AttemptError::Connection), "{tried:?}");
    drop(thread.join().unwrap());
}

/// Says what a server says until the message comes, and reads none of it.
fn talk_up_to_data(stream: &std::net::TcpStream) {
    use std::io::{BufRead as _, BufReader, Write as _};
    let mut writer = stream;
    writer.write_all(b"220 ready\r\n").unwrap();
    for line in BufReader::with_capacity(1, stream).lines() {
        let line = line.unwrap();
        writer.write_all(if line == "DATA" { b"354 go\r\n" } else { b"250 ok\r\n" }).unwrap();
        if line == "DATA" {
            return;
        }
    }
}

#[tokio::test]
async fn a_server_that_is_not_there_is_a_connection_problem_and_an_unknown_name_is_dns() {
    let port = {
        let listener = std::net::TcpListener::bind("127.0.0.1:0").unwrap();
        listener.local_addr().unwrap().port()
    };
    let smtp = Smtp::from_url(&format!("smtp://127.0.0.1:{port}"), None).unwrap();
    let tried = smtp.send(&email(), PATIENCE).await;
    assert_eq!(tried.error, Some(AttemptError::Connection), "{tried:?}");

    let smtp = Smtp::from_url("smtp://mail.invalid:25", None).unwrap();
    let tried = smtp.send(&email(), PATIENCE).await;
    assert_eq!(tried.error, Some(AttemptError::Dns), "{tried:?}");
    assert!(tried.message.unwrap().contains("mail.invalid"));
}

#[tokio::test]
async fn nothing_private_travels_in_the_open() {
    let server = Server::start(vec![Script {
        ehlo: &[Say("250-script\r\n250 AUTH PLAIN LOGIN")],
        ..Script::default()
    }])
    .await;
    let url = format!("smtp://user:hunter2@127.0.0.1:{}", server.port);
    let tried = Smtp::from_url(&url, None).unwrap().send(&email(), PATIENCE).await;
    assert_eq!(tried.error, Some(AttemptError::Login), "{tried:?}");
    assert!(!format!("{tried:?}").contains("hunter2"));
    assert_eq!(server.count("AUTH"), 0);

    let url = format!("smtp://127.0.0.1:{}?tls=required", server.port);
    let tried = Smtp::from_url(&url, None).unwrap().send(&email(), PATIENCE).await;
    assert_eq!(tried.error, Some(AttemptError::Tls), "{tried:?}");
    assert_eq!(server.count("MAIL"), 0);

    let url = format!("smtps://127.0.0.1:{}", server.port);
    let tried = Smtp::from_url(&url, None).unwrap().send(&email(), PATIENCE).await;
    assert_eq!(tried.error, Some(AttemptError::Tls), "{tried:?}");
}

#[tokio::test]
async fn a_connection_is_used_again() {
    let server = Server::start(vec![Script::default()]).await;
    let smtp = smtp(&server);
    for _ in 0..150 {
        assert_eq!(smtp.send(&email(), PATIENCE).await.error, None);
    }
    assert_eq!(server.count("connect"), 2, "one hundred messages per connection");
    assert_eq!(server.count("QUIT"), 1);
    assert_eq!(server.messages().len(), 150);
}

#[tokio::test]
async fn a_refused_message_is_cleared_away_before_the_next() {
    let rcpt = &[Say("550 5.1.1 no such user"), Say("250 2.1.5 ok")];
    let server = Server::start(vec![Script { rcpt, ..Script::default() }]).await;
    let smtp = smtp(&server);
    assert_eq!(smtp.send(&email(), PATIENCE).await.error, Some(AttemptError::Bounce));
    assert_eq!(smtp.send(&email(), PATIENCE).await.error, None);
    assert_eq!(
        server.log(),
        ["connect", "EHLO", "MAIL", "RCPT", "RSET", "MAIL", "RCPT", "DATA", "message"]
    );
}

#[tokio::test]
async fn a_connection_that_went_stale_is_replaced_without_a_word() {
    let stale: [&'static [_]; 3] = [
        &[Say("250 ok"), HangUp],
        &[Say("250 ok"), Say("421 4.4.2 idle too long")],
        &[Say("250 ok"), Say("451 4.7.0 enough for one connection")],
    ];
    for mail in stale {
        let server = Server::start(vec![Script { mail, ..Script::default() }]).await;
        let smtp = smtp(&server);
        for _ in 0..2 {
            assert_eq!(smtp.send(&email(), PATIENCE).await.error, None, "{mail:?}");
        }
        assert_eq!((server.count("connect"), server.messages().len()), (2, 2), "{mail:?}");
    }
}

#[tokio::test]
async fn a_connection_whose_message_is_unknown_is_not_used_again_nor_is_the_message_repeated() {
    let server =
        Server::start(vec![Script { dot: &[Silence], ..Script::default() }, Script::default()])
            .await;
    let smtp = smtp(&server);
    assert_eq!(smtp.send(&email(), HASTE).await.error, Some(AttemptError::Unknown));
    assert_eq!((server.count("connect"), server.messages().len()), (1, 1));
    assert_eq!(smtp.send(&email(), PATIENCE).await.error, None);
    assert_eq!((server.count("connect"), server.messages().len()), (2, 2));
}

#[tokio::test]
async fn there_are_never_more_connections_than_was_said_and_each_takes_only_its_messages() {
    let server = Server::start(vec![Script::default()]).await;
    let smtp = Arc::new(smtp(&server).limited(3, 10));
    for _ in 0..2 {
        let sends: Vec<_> = (0..20)
            .map(|_| {
                let smtp = Arc::clone(&smtp);
                tokio::spawn(async move { smtp.send(&email(), PATIENCE).await })
            })
            .collect();
        for tried in sends {
            assert_eq!(tried.await.unwrap().error, None);
        }
    }
    assert_eq!(server.messages().len(), 40);
    let connected = server.count("connect");
    assert!((4..=6).contains(&connected), "{connected}: ten messages each, three at once");
    let mut open = 0_i32;
    for event in server.log() {
        open += i32::from(event == "connect") - i32::from(event == "QUIT");
        assert!(open <= 3, "{:?}", server.log());
    }
}

#[tokio::test]
async fn what_came_of_a_message_is_told_before_the_farewell_that_follows_it() {
    let slow = Script { quit: &[Silence], ..Script::default() };
    let server = Server::start(vec![slow, Script::default()]).await;
    let smtp = smtp(&server).limited(1, 1);
    assert_eq!(smtp.send(&email(), PATIENCE).await.error, None);
    // The connection that takes leave still has the only place.
    assert_eq!(smtp.send(&email(), HASTE).await.error, Some(AttemptError::Timeout));
    assert_eq!(smtp.send(&email(), PATIENCE).await.error, None);
    assert_eq!((server.count("connect"), server.messages().len()), (2, 2));
}

/// A server that takes several commands in one write.
const PIPELINING: &[Answer] = &[Say("250-script\r\n250-PIPELINING\r\n250 8BITMIME")];

#[tokio::test]
async fn a_server_that_offers_pipelining_gets_all_commands_in_one_write() {
    let server = Server::start(vec![Script { ehlo: PIPELINING, ..Script::default() }]).await;
    let smtp = smtp(&server);
    for _ in 0..2 {
        assert_eq!(smtp.send(&email(), PATIENCE).await.error, None);
    }
    assert_eq!(server.log()[2..6], ["MAIL", "RCPT", "DATA", "message"]);
    assert_eq!(server.together(), ["EHLO", "MAIL RCPT DATA", "MAIL RCPT DATA"]);

    let server = Server::start(vec![Script::default()]).await;
    assert_eq!(self::smtp(&server).send(&email(), PATIENCE).await.error, None);
    assert_eq!(server.together(), ["EHLO", "MAIL", "RCPT", "DATA"], "it offers nothing");
}

#[tokio::test]
async fn a_refusal_among_pipelined_commands_is_judged_by_its_own_step() {
    use AttemptError::{Bounce, Connection, Deferred, Login};
    let no = || Script { ehlo: PIPELINING, ..Script::default() };
    let cases = [
        // The server goes on as if nothing were wrong, and gets an empty message for nobody.
        ("MAIL 550", Script { mail: &[Say("550 5.7.1 bad sender")], ..no() }, Login, 550),
        ("RCPT 450", Script { rcpt: &[Say("450 4.2.1 greylisted")], ..no() }, Deferred, 450),
        ("RCPT 550", Script { rcpt: &[Say("550 5.1.1 no such user")], ..no() }, Bounce, 550),
        // The server refuses what follows, too; what it said first counts.
        (
            "RCPT 550, DATA 503",
            Script {
                rcpt: &[Say("550 5.1.1 no such user")],
                data: &[Say("503 5.5.1 no valid recipients")],
                ..no()
            },
            Bounce,
            550,
        ),
        (
            "MAIL 451, RCPT 503, DATA 503",
            Script {
                mail: &[Say("451 4.3.0 try later")],
                rcpt: &[Say("503 5.5.1 who is it from")],
                data: &[Say("503 5.5.1 no valid recipients")],
                ..no()
            },
            Login,
            451,
        ),
        ("DATA 451", Script { data: &[Say("451 4.3.0 busy")], ..no() }, Deferred, 451),
        ("MAIL 421", Script { mail: &[Say("421 4.3.2 closing")], ..no() }, Connection, 421),
        (
            "RCPT 550, then gone",
            Script { rcpt: &[Say("550 5.1.1 no such user")], data: &[HangUp], ..no() },
            Bounce,
            550,
        ),
    ];
    for (name, script, error, status) in cases {
        let server = Server::start(vec![script]).await;
        let tried = smtp(&server).send(&email(), PATIENCE).await;
        assert_eq!((tried.error, tried.status), (Some(error), Some(status)), "{name}: {tried:?}");
        let texts = server.messages();
        assert!(texts.iter().all(String::is_empty), "{name}: {texts:?} went to nobody");
    }
}

#[tokio::test]
async fn after_a_refused_recipient_the_next_message_begins_afresh_in_the_same_write() {
    for data in [&[Say("354 go on")][..], &[Say("503 5.5.1 nobody"), Say("354 go on")][..]] {
        let rcpt = &[Say("550 5.1.1 no such user"), Say("250 2.1.5 ok")];
        let script = Script { ehlo: PIPELINING, rcpt, data, ..Script::default() };
        let server = Server::start(vec![script]).await;
        let smtp = smtp(&server);
        assert_eq!(smtp.send(&email(), PATIENCE).await.error, Some(AttemptError::Bounce));
        assert_eq!(smtp.send(&email(), PATIENCE).await.error, None);
        assert_eq!(server.count("connect"), 1);
        assert_eq!(
            server.together(),
            ["EHLO", "MAIL RCPT DATA", "RSET MAIL RCPT DATA"],
            "the reset rides along"
        );
        assert_eq!(server.messages().iter().filter(|text| !text.is_empty()).count(), 1);
    }
}

#[tokio::test]
async fn a_connection_that_has_carried_enough_is_replaced_and_the_message_goes_at_once() {
    for ehlo in [PIPELINING, &[Say("250 script")]] {
        let close: [Script; 3] = [
            Script {
                mail: &[Say("250 ok"), Say("421 4.7.0 too many messages")],
                ..Script::default()
            },
            Script { rcpt: &[Say("250 ok"), Say("421 4.7.0 no more")], ..Script::default() },
            Script { data: &[Say("354 go on"), HangUp], ..Script::default() },
        ];
        for script in close {
            let script = Script { ehlo, ..script };
            let server = Server::start(vec![script]).await;
            let smtp = smtp(&server);
            for _ in 0..2 {
                let tried = smtp.send(&email(), PATIENCE).await;
                assert_eq!(tried.error, None, "{tried:?}");
            }
            let texts = server.messages();
            assert_eq!((server.count("connect"), texts.len()), (2, 2), "{ehlo:?}");
        }
    }
}

#[tokio::test]
async fn what_is_lost_after_the_body_is_never_repeated_by_itself() {
    let dot = &[Say("250 2.0.0 ok"), HangUp];
    let server = Server::start(vec![Script { ehlo: PIPELINING, dot, ..Script::default() }]).await;
    let smtp = smtp(&server);
    assert_eq!(smtp.send(&email(), PATIENCE).await.error, None);
    assert_eq!(smtp.send(&email(), PATIENCE).await.error, Some(AttemptError::Unknown));
    assert_eq!((server.count("connect"), server.messages().len()), (1, 2));
}

#[tokio::test]
async fn an_old_server_is_greeted_the_old_way() {
    let script = Script { ehlo: &[Say("502 5.5.1 what is EHLO?")], ..Script::default() };
    let server = Server::start(vec![script]).await;
    assert_eq!(smtp(&server).send(&email(), PATIENCE).await.error, None);
    assert_eq!(server.log()[1..4], ["EHLO", "HELO", "MAIL"]);
}
