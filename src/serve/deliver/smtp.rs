//! E-mail leaves over SMTP. The conversation is led step by step, because whose fault a
//! refusal is depends on where it came: before the recipient is named it is about us and
//! the server, afterwards about this one e-mail, and once the final dot is on its way
//! nobody can take the message back.
//!
//! `setting` reads the server's address, `tls` makes the way to it private, `session`
//! talks, `failure` judges.

mod failure;
mod session;
mod setting;
mod tls;

use std::path::Path;
use std::sync::{Mutex, PoisonError};
use std::time::Duration;

use lettre::transport::smtp::response::Response;
use tokio::time::Instant;

use self::failure::Failure;
use self::session::Session;
use self::setting::Server;
pub use self::setting::SmtpSettingError;
use super::wire::Network;
use crate::model::queue::{Email, Tried};

/// Idle connections that are kept.
const PARKED: usize = 8;
/// Messages after which a connection is closed, as large relays ask.
const MESSAGES: u32 = 100;
/// How long an idle connection is trusted.
const IDLE: Duration = Duration::from_secs(30);
/// How much of the server's answer is kept, in bytes.
const REPLY_BYTES: usize = 4096;

/// One SMTP server and the connections to it that wait for their next message. How many
/// messages are sent at once is the caller's decision.
pub struct Smtp {
    network: Network,
    server: Server,
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
        let server = Server::read(url, extra_root)?;
        Ok(Self { network, server, parked: Mutex::new(Vec::new()) })
    }

    /// The same server, at a private address other than loopback if `allow`.
    #[must_use]
    pub fn allow_private(mut self, allow: bool) -> Self {
        self.server.allow_private = allow;
        self
    }

    /// Tries once to hand the e-mail over, and says what came of it. Everything together,
    /// from looking up the name to the server's last word, has `timeout`.
    pub async fn send(&self, email: &Email, timeout: Duration) -> Tried {
        let began = Instant::now();
        let result = self.attempt(email, began + timeout).await;
        let duration = began.elapsed();
        match result {
            Ok(answer) => Tried {
                duration,
                status: Some(answer.code().into()),
                reply: clip(answer.message().collect::<Vec<_>>().join("\n")),
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

    async fn attempt(&self, email: &Email, deadline: Instant) -> Result<Response, Failure> {
        let mut session = self.begin(email, deadline).await?;
        let result = session.finish(email, deadline).await;
        let usable = match &result {
            Ok(_) => true,
            Err(failure) => failure.is_about_the_email(),
        };
        if usable {
            self.park(session).await;
        }
        result
    }

    /// A connection on which the server has taken our sender. A waiting connection that
    /// does not get so far has gone stale, and nothing of the message was written: then
    /// a new one is opened, once.
    async fn begin(&self, email: &Email, deadline: Instant) -> Result<Session, Failure> {
        if let Some(mut session) = self.unpark()
            && session.begin(email, deadline).await.is_ok()
        {
            return Ok(session);
        }
        let mut session = Session::open(&self.network, &self.server, deadline).await?;
        session.begin(email, deadline).await?;
        Ok(session)
    }

    /// The connection that waited least, if any is still fresh.
    fn unpark(&self) -> Option<Session> {
        let mut parked = self.parked.lock().unwrap_or_else(PoisonError::into_inner);
        parked.retain(|(_, since)| since.elapsed() < IDLE);
        parked.pop().map(|(session, _)| session)
    }

    /// Keeps a connection for the next message, or takes leave of it.
    async fn park(&self, session: Session) {
        if session.messages() >= MESSAGES {
            session.quit().await;
            return;
        }
        let mut parked = self.parked.lock().unwrap_or_else(PoisonError::into_inner);
        parked.retain(|(_, since)| since.elapsed() < IDLE);
        if parked.len() < PARKED {
            parked.push((session, Instant::now()));
        }
    }
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
