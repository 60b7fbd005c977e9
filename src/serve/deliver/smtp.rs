//! E-mail leaves over SMTP. The conversation is led step by step, because whose fault a
//! refusal is depends on where it came: before the recipient is named it is about us and
//! the server, afterwards about this one e-mail, and once the final dot is on its way
//! nobody can take the message back.
//!
//! `setting` reads the server's address, `reach` gets there, `tls` makes the way private,
//! `talk` reads and writes lines, `session` knows what to say, `failure` judges.

mod failure;
mod reach;
mod session;
mod setting;
mod talk;
mod tls;

use std::borrow::Cow;
use std::path::Path;
use std::sync::{Arc, Mutex, PoisonError};
use std::time::Duration;

use tokio::sync::{OwnedSemaphorePermit, Semaphore};
use tokio::task::JoinSet;
use tokio::time::{Instant, timeout_at};

use self::failure::{Failure, Stage};
use self::session::{Letter, Session};
use self::setting::Server;
pub use self::setting::SmtpSettingError;
use self::talk::Answer;
use super::dot::FinalDot;
use super::wire::Network;
use crate::mail::Dkim;
use crate::model::AttemptError;
use crate::model::queue::{Email, Tried};
use crate::model::rules::{IN_FLIGHT, MESSAGES_PER_CONNECTION};

/// How long an idle connection is trusted.
const IDLE: Duration = Duration::from_secs(30);
/// How much of the server's answer is kept, in bytes.
const REPLY_BYTES: usize = 4096;

/// One SMTP server and the connections to it: never more of them than it was told, and each
/// for so many messages. Idle ones wait for their next message.
pub struct Smtp {
    network: Network,
    server: Server,
    connections: Arc<Semaphore>,
    messages: u32,
    dkim: Option<Arc<Dkim>>,
    parked: Mutex<Vec<(Session, Instant)>>,
}

impl std::fmt::Debug for Smtp {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Smtp").field("server", &self.server).finish_non_exhaustive()
    }
}

impl Smtp {
    /// Reads an address such as `smtps://user:password@mail.example.com:465` or
    /// `smtp://mail.example.com?tls=required` (`required`, `opportunistic`, `none`).
    /// Without `tls`, `smtp://` demands STARTTLS, except on loopback, where it takes it when
    /// it is offered. `extra_root` is a PEM file of authorities to trust besides the usual.
    ///
    /// # Errors
    /// A sentence that says what is wrong with the address or the file, without repeating
    /// the address, because it holds the password.
    pub fn from_url(url: &str, extra_root: Option<&Path>) -> Result<Self, SmtpSettingError> {
        Self::over(Network::Sockets, url, extra_root)
    }

    /// The same over this network.
    ///
    /// # Errors
    /// As [`from_url`](Self::from_url).
    pub fn over(
        network: Network,
        url: &str,
        extra_root: Option<&Path>,
    ) -> Result<Self, SmtpSettingError> {
        Ok(Self {
            network,
            server: Server::read(url, extra_root)?,
            connections: Arc::new(Semaphore::new(IN_FLIGHT)),
            messages: MESSAGES_PER_CONNECTION,
            dkim: None,
            parked: Mutex::new(Vec::new()),
        })
    }

    /// The same server, at a private address other than loopback if `allow`.
    #[must_use]
    pub fn allow_private(mut self, allow: bool) -> Self {
        self.server.allow_private = allow;
        self
    }

    /// The same server with at most so many connections at once (at least 1), each of which is
    /// closed after so many messages.
    #[must_use]
    pub fn limited(mut self, connections: usize, messages: u32) -> Self {
        let connections = connections.clamp(1, Semaphore::MAX_PERMITS);
        self.connections = Arc::new(Semaphore::new(connections));
        self.messages = messages;
        self
    }

    /// The same server; messages are signed with this key.
    #[must_use]
    pub fn signed(mut self, dkim: Option<Arc<Dkim>>) -> Self {
        self.dkim = dkim;
        self
    }

    /// Tries once to hand the e-mail over, and says what came of it. Everything together,
    /// from looking up the name to the server's last word, has `timeout`.
    pub async fn send(&self, email: &Email, timeout: Duration) -> Tried {
        self.send_noting(email, timeout, None).await
    }

    /// The same; what becomes of the final dot is noted.
    pub(super) async fn send_noting(
        &self,
        email: &Email,
        timeout: Duration,
        dot: Option<&FinalDot<'_>>,
    ) -> Tried {
        let began = Instant::now();
        let result = self.attempt(email, began + timeout, dot).await;
        let duration = began.elapsed();
        match result {
            Ok(answer) => Tried {
                duration,
                status: Some(answer.code),
                reply: clip(answer.text),
                ..Tried::default()
            },
            Err(failure) => Tried {
                duration,
                status: failure.status,
                error: Some(failure.error),
                message: Some(failure.message),
                retry_after: None,
                reply: clip(failure.reply),
                unanswered: false,
            },
        }
    }

    async fn attempt(
        &self,
        email: &Email,
        deadline: Instant,
        dot: Option<&FinalDot<'_>>,
    ) -> Result<Answer, Failure> {
        let message = match &self.dkim {
            Some(dkim) => Cow::Owned(dkim.sign(&email.message)),
            None => Cow::Borrowed(&email.message[..]),
        };
        let (from, to) = (stored(&email.from)?, stored(&email.to)?);
        let letter = Letter { from, to, message: &message, dot };
        let place = timeout_at(deadline, Arc::clone(&self.connections).acquire_owned()).await;
        let Ok(Ok(place)) = place else { return Err(Failure::late(Stage::Connect)) };
        // A connection that waited may have gone stale: then a new one is opened, once.
        if let Some(mut session) = self.unpark() {
            let result = session.send(letter, deadline).await;
            if !result.as_ref().is_err_and(Failure::may_be_stale) {
                self.park(session, place);
                return result;
            }
        }
        let mut session = Session::open(&self.network, &self.server, deadline).await?;
        let result = session.send(letter, deadline).await;
        self.park(session, place);
        result
    }

    /// Takes leave of every connection that waits. Those under way are not touched.
    pub async fn close(&self) {
        let parked =
            std::mem::take(&mut *self.parked.lock().unwrap_or_else(PoisonError::into_inner));
        let mut leaving = JoinSet::new();
        for (session, _) in parked {
            leaving.spawn(session.quit());
        }
        while leaving.join_next().await.is_some() {}
    }

    /// The connection that waited least, if any is still fresh.
    fn unpark(&self) -> Option<Session> {
        let mut parked = self.parked.lock().unwrap_or_else(PoisonError::into_inner);
        parked.retain(|(_, since)| since.elapsed() < IDLE);
        parked.pop().map(|(session, _)| session)
    }

    /// Keeps a connection for the next message, or takes leave of it, in its place, while what
    /// came of the message is written down already. One on which the two sides may not agree
    /// where they are is closed without a word.
    fn park(&self, session: Session, place: OwnedSemaphorePermit) {
        if !session.is_sound() {
            return;
        }
        if session.messages() >= self.messages {
            tokio::spawn(async move {
                session.quit().await;
                drop(place);
            });
            return;
        }
        let mut parked = self.parked.lock().unwrap_or_else(PoisonError::into_inner);
        parked.retain(|(_, since)| since.elapsed() < IDLE);
        parked.push((session, Instant::now()));
    }
}

/// An address as it was stored with the e-mail. It must not be able to say anything else to
/// the server.
fn stored(address: &str) -> Result<&str, Failure> {
    let plain = |byte: u8| byte.is_ascii_graphic() && !matches!(byte, b'<' | b'>');
    if address.contains('@') && address.bytes().all(plain) {
        return Ok(address);
    }
    let message = format!("the stored address {address:?} cannot be used");
    Err(Failure::new(Stage::Lookup, AttemptError::Internal, message))
}

/// The beginning of a text, cut between characters.
fn clip(mut text: String) -> String {
    let end = (0..=REPLY_BYTES.min(text.len())).rev().find(|at| text.is_char_boundary(*at));
    text.truncate(end.unwrap_or(0));
    text
}

#[cfg(test)]
mod tests {
    use std::io::{BufRead as _, BufReader, Write as _};
    use std::net::TcpListener;
    use std::sync::Arc;
    use std::sync::atomic::{AtomicUsize, Ordering};
    use std::time::Duration;

    use super::{IDLE, Smtp, clip};
    use crate::model::queue::Email;

    /// A server that agrees to everything; answers its port and counts its connections.
    fn agreeable() -> (u16, Arc<AtomicUsize>) {
        let listener = TcpListener::bind("127.0.0.1:0").unwrap();
        let port = listener.local_addr().unwrap().port();
        let connections = Arc::new(AtomicUsize::new(0));
        let count = Arc::clone(&connections);
        std::thread::spawn(move || {
            for stream in listener.incoming().map_while(Result::ok) {
                count.fetch_add(1, Ordering::Relaxed);
                std::thread::spawn(move || {
                    let mut writer = &stream;
                    writer.write_all(b"220 ready\r\n").unwrap();
                    let mut body = false;
                    for line in BufReader::new(&stream).lines().map_while(Result::ok) {
                        body = line == "DATA" || (body && line != ".");
                        let answer = match (line.as_str(), body) {
                            ("DATA", _) => "354 go on\r\n",
                            (_, true) => continue,
                            _ => "250 ok\r\n",
                        };
                        writer.write_all(answer.as_bytes()).unwrap();
                    }
                });
            }
        });
        (port, connections)
    }

    #[tokio::test]
    async fn a_connection_that_was_idle_for_too_long_is_not_trusted() {
        let (port, connections) = agreeable();
        let smtp = Smtp::from_url(&format!("smtp://127.0.0.1:{port}"), None).unwrap();
        let email = Email {
            sequence: "a".to_owned(),
            name: "a-1".to_owned(),
            variant: None,
            from: "a@acme.example".to_owned(),
            to: "b@acme.example".to_owned(),
            subject: "Hi".to_owned(),
            text: "Hi\n".to_owned(),
            marketing: false,
            message: b"Subject: Hi\r\n\r\nHi\r\n".to_vec(),
            handed: None,
        };
        let send = || smtp.send(&email, Duration::from_secs(20));
        assert_eq!(send().await.error, None);
        assert_eq!(send().await.error, None);
        assert_eq!(connections.load(Ordering::Relaxed), 1);
        for (_, since) in smtp.parked.lock().unwrap().iter_mut() {
            *since -= IDLE;
        }
        assert_eq!(send().await.error, None);
        assert_eq!(connections.load(Ordering::Relaxed), 2);
    }

    #[test]
    fn a_reply_is_cut_between_characters() {
        assert_eq!(clip("short".to_owned()), "short");
        assert_eq!(clip(format!("x{}", "ü".repeat(4096))).len(), 4095);
    }
}
