//! One connection to a mail server, from the greeting to the final dot. Every step has
//! what is left of the attempt's time.

use std::future::Future;
use std::net::SocketAddr;
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::Duration;

use lettre::Address;
use lettre::transport::smtp::Error;
use lettre::transport::smtp::authentication::Mechanism;
use lettre::transport::smtp::client::{AsyncSmtpConnection, AsyncTokioStream};
use lettre::transport::smtp::commands::{Data, Mail, Rcpt, Rset};
use lettre::transport::smtp::extension::ClientId;
use lettre::transport::smtp::response::Response;
use tokio::net::TcpStream;
use tokio::time::{Instant, timeout, timeout_at};

use super::failure::{Failure, Stage};
use super::setting::{Encryption, Server};
use super::tls::Private;
use crate::model::AttemptError;
use crate::model::queue::Email;
use crate::serve::deliver::address;
use crate::serve::deliver::wire::{Network, Wire};

/// Longest wait for one of the server's addresses before the next is tried.
const CONNECT: Duration = Duration::from_secs(10);
/// Longest wait for a farewell.
const FAREWELL: Duration = Duration::from_secs(1);

/// A connection that is encrypted and logged in as far as the settings ask.
pub(super) struct Session {
    connection: AsyncSmtpConnection,
    /// Messages that were begun on it.
    messages: u32,
    /// Whether a refused message has to be cleared away first.
    unfinished: bool,
}

impl Session {
    /// Connects, encrypts, logs in.
    pub(super) async fn open(
        network: &Network,
        server: &Server,
        deadline: Instant,
    ) -> Result<Self, Failure> {
        let hello = ClientId::default();
        let wire = connect(network, server, deadline).await?;
        let stream: Box<dyn AsyncTokioStream> = if server.encryption == Encryption::Implicit {
            Box::new(secure(server, wire, deadline).await?)
        } else {
            Box::new(wire)
        };
        let greeting = AsyncSmtpConnection::connect_with_transport(stream, &hello);
        let mut connection = within(deadline, Stage::Hello, greeting).await?;
        match server.encryption {
            Encryption::Required | Encryption::Opportunistic if connection.can_starttls() => {
                let starttls = connection.starttls(server.tls.starttls(), &hello);
                within(deadline, Stage::Secure, starttls).await?;
            }
            Encryption::Required => {
                return Err(Failure::new(
                    AttemptError::Tls,
                    "the mail server does not offer STARTTLS, and nothing is sent unencrypted: \
                     use smtps://, or ?tls=none if the way to it is private",
                ));
            }
            _ => {}
        }
        if let Some(login) = &server.login {
            if server.encryption != Encryption::Implicit && !connection.is_encrypted() {
                return Err(Failure::new(
                    AttemptError::Login,
                    "the mail server does not offer STARTTLS, and the password is never sent \
                     unencrypted: use smtps://, or leave the login out",
                ));
            }
            let auth = connection.auth(&[Mechanism::Plain, Mechanism::Login], login);
            let answer = within(deadline, Stage::Login, auth).await?;
            expect(Stage::Login, answer, 235..=235)?;
        }
        Ok(Self { connection, messages: 0, unfinished: false })
    }

    /// Names the sender. Nothing of the message is written before this has succeeded.
    pub(super) async fn begin(&mut self, email: &Email, deadline: Instant) -> Result<(), Failure> {
        let from = stored(&email.from)?;
        if self.unfinished {
            let reset = within(deadline, Stage::Sender, self.connection.command(Rset)).await?;
            expect(Stage::Sender, reset, 200..=299)?;
        }
        self.messages += 1;
        self.unfinished = true;
        let mail = self.connection.command(Mail::new(Some(from), Vec::new()));
        expect(Stage::Sender, within(deadline, Stage::Sender, mail).await?, 200..=299)?;
        Ok(())
    }

    /// Names the recipient, transmits the message and waits for the server's last word.
    /// Messages are ASCII (see [`crate::mail`]), so no extension has to be asked for.
    pub(super) async fn finish(
        &mut self,
        email: &Email,
        deadline: Instant,
    ) -> Result<Response, Failure> {
        let to = stored(&email.to)?;
        let rcpt = self.connection.command(Rcpt::new(to, Vec::new()));
        expect(Stage::Recipient, within(deadline, Stage::Recipient, rcpt).await?, 200..=299)?;
        let data = within(deadline, Stage::Data, self.connection.command(Data)).await?;
        expect(Stage::Data, data, 354..=354)?;

        // The transport ends the last line itself.
        let message = email.message.strip_suffix(b"\r\n").unwrap_or(&email.message);
        // It asks for more only when all before is written: then comes the dot.
        let dotted = AtomicBool::new(false);
        let pieces = std::iter::once(message).chain(std::iter::from_fn(|| {
            dotted.store(true, Ordering::Relaxed);
            None
        }));
        let result = timeout_at(deadline, self.connection.message_iter(pieces)).await;
        let stage = if dotted.load(Ordering::Relaxed) { Stage::Answer } else { Stage::Message };
        let answer = match result {
            Ok(Ok(answer)) => answer,
            Ok(Err(fault)) => return Err(Failure::judge(stage, &fault)),
            Err(_) => return Err(Failure::late(stage)),
        };
        let answer = expect(Stage::Answer, answer, 200..=299)?;
        self.unfinished = false;
        Ok(answer)
    }

    /// How many messages were begun on this connection.
    pub(super) fn messages(&self) -> u32 {
        self.messages
    }

    /// Takes leave, briefly.
    pub(super) async fn quit(mut self) {
        // Whatever the server says to that, the connection is closed now.
        let _ = timeout(FAREWELL, self.connection.quit()).await;
    }
}

/// Connects to the first of the server's addresses that answers.
async fn connect(network: &Network, server: &Server, deadline: Instant) -> Result<Wire, Failure> {
    let opened = match network {
        Network::Sockets => None,
        Network::Simulated(peers) => Some(peers(&server.host, server.port)),
        Network::Told(_) => Some(Err(std::io::Error::other("nothing is sent in a rehearsal"))),
    };
    if let Some(opened) = opened {
        return opened.map(Wire::Memory).map_err(|fault| Failure::broken(Stage::Connect, &fault));
    }
    let mut last = Failure::late(Stage::Connect);
    for address in look_up(server, deadline).await? {
        let until = deadline.min(Instant::now() + CONNECT);
        match timeout_at(until, TcpStream::connect(address)).await {
            Ok(Ok(socket)) => {
                // Small packets leave at once: the final dot is one, and would wait 40 ms.
                // A socket that cannot do that still works.
                let _ = socket.set_nodelay(true);
                return Ok(Wire::Socket(socket));
            }
            Ok(Err(fault)) => last = Failure::broken(Stage::Connect, &fault),
            Err(_) => last = Failure::late(Stage::Connect),
        }
    }
    Err(last)
}

/// Agrees on encryption before the first word.
async fn secure(server: &Server, wire: Wire, deadline: Instant) -> Result<Private, Failure> {
    match timeout_at(deadline, server.tls.wrap(wire)).await {
        Ok(result) => result.map_err(|fault| Failure::broken(Stage::Secure, &fault)),
        Err(_) => Err(Failure::late(Stage::Secure)),
    }
}

/// The server's addresses, if all of them may be called. Nobody resolves a second time.
async fn look_up(server: &Server, deadline: Instant) -> Result<Vec<SocketAddr>, Failure> {
    let lookup = tokio::net::lookup_host((server.host.as_str(), server.port));
    let found = timeout_at(deadline, lookup).await.map_err(|_| Failure::late(Stage::Lookup))?;
    let problem = match found.map(Iterator::collect::<Vec<_>>) {
        Ok(addresses) if !addresses.is_empty() => {
            return address::admit(&server.host, &addresses, server.allow_private)
                .map(|()| addresses)
                .map_err(|message| Failure::new(AttemptError::Blocked, message));
        }
        Ok(_) => "it has no address".to_owned(),
        Err(fault) => fault.to_string(),
    };
    let message = format!("the mail server's name {} cannot be looked up: {problem}", server.host);
    Err(Failure::new(AttemptError::Dns, message))
}

/// Lets one step run until the deadline.
async fn within<T>(
    deadline: Instant,
    stage: Stage,
    step: impl Future<Output = Result<T, Error>>,
) -> Result<T, Failure> {
    match timeout_at(deadline, step).await {
        Ok(result) => result.map_err(|fault| Failure::judge(stage, &fault)),
        Err(_) => Err(Failure::late(stage)),
    }
}

/// Insists on the answer that the step has. A stranger who slips answers in before the
/// connection is encrypted shifts them all by one; here that is noticed.
fn expect(
    stage: Stage,
    answer: Response,
    codes: std::ops::RangeInclusive<u16>,
) -> Result<Response, Failure> {
    if codes.contains(&answer.code().into()) {
        Ok(answer)
    } else {
        Err(Failure::out_of_step(stage, &answer))
    }
}

/// An address as it was stored with the e-mail.
fn stored(text: &str) -> Result<Address, Failure> {
    text.parse().map_err(|_| {
        Failure::new(AttemptError::Internal, format!("the stored address {text:?} cannot be used"))
    })
}
