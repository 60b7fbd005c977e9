//! One connection to a mail server, from the greeting to the final dot. Every step has
//! what is left of the attempt's time. Where the server offers PIPELINING (RFC 2920), the
//! sender, the recipient and the announcement of the message leave in one write; their
//! answers are read in order all the same, so it is always known which step was refused.

use std::future::Future;
use std::time::Duration;

use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use tokio::time::{Instant, timeout, timeout_at};

use super::failure::{Failure, Stage};
use super::reach;
use super::setting::{Encryption, Login, Server};
use super::talk::{Answer, Talk, Trouble};
use crate::model::AttemptError;
use crate::serve::deliver::dot::FinalDot;
use crate::serve::deliver::wire::Network;

/// Longest wait for a farewell.
const FAREWELL: Duration = Duration::from_secs(1);

/// What goes out.
#[derive(Clone, Copy, Debug)]
pub(super) struct Letter<'a> {
    /// The envelope's sender.
    pub(super) from: &'a str,
    /// The envelope's recipient.
    pub(super) to: &'a str,
    /// The message with its headers, in ASCII lines (see [`crate::mail`]), so no extension has
    /// to be asked for.
    pub(super) message: &'a [u8],
    /// Where it is noted what becomes of its final dot.
    pub(super) dot: Option<&'a FinalDot<'a>>,
}

/// A connection that is encrypted and logged in as far as the settings ask.
pub(super) struct Session {
    talk: Talk,
    /// Whether commands may leave together.
    pipelining: bool,
    /// Messages that were begun on it.
    messages: u32,
    /// Whether a refused message has to be cleared away first.
    unfinished: bool,
    /// Whether both sides agree where they are.
    sound: bool,
}

/// What a server offers in its answer to `EHLO`.
#[derive(Debug, Default)]
struct Offers {
    starttls: bool,
    pipelining: bool,
    plain: bool,
    login: bool,
}

impl Offers {
    fn read(answer: &Answer) -> Self {
        let mut offers = Self::default();
        for line in answer.text.lines().skip(1) {
            let line = line.to_ascii_uppercase();
            let mut words = line.split([' ', '=']);
            match words.next() {
                Some("STARTTLS") => offers.starttls = true,
                Some("PIPELINING") => offers.pipelining = true,
                Some("AUTH") => {
                    for word in words {
                        offers.plain |= word == "PLAIN";
                        offers.login |= word == "LOGIN";
                    }
                }
                _ => {}
            }
        }
        offers
    }
}

impl Session {
    /// Connects, encrypts, logs in.
    pub(super) async fn open(
        network: &Network,
        server: &Server,
        deadline: Instant,
    ) -> Result<Self, Failure> {
        let mut talk = Talk::open(reach::connect(network, server, deadline).await?);
        if server.encryption == Encryption::Implicit {
            talk = secure(talk, server, deadline).await?;
        }
        let greeting = within(deadline, Stage::Hello, talk.hear()).await?;
        expect(Stage::Hello, greeting, 200..=299)?;
        let mut offers = hello(&mut talk, deadline).await?;
        match server.encryption {
            Encryption::Required | Encryption::Opportunistic if offers.starttls => {
                ask(&mut talk, deadline, Stage::Secure, "STARTTLS", 220..=220).await?;
                talk = secure(talk, server, deadline).await?;
                offers = hello(&mut talk, deadline).await?;
            }
            Encryption::Required => {
                return Err(Failure::new(
                    Stage::Secure,
                    AttemptError::Tls,
                    "the mail server does not offer STARTTLS, and nothing is sent unencrypted: \
                     use smtps://, or ?tls=none if the way to it is private",
                ));
            }
            _ => {}
        }
        if let Some(login) = &server.login {
            log_in(&mut talk, deadline, login, &offers).await?;
        }
        let pipelining = offers.pipelining;
        Ok(Self { talk, pipelining, messages: 0, unfinished: false, sound: true })
    }

    /// Hands a message over and waits for the server's last word on it.
    pub(super) async fn send(
        &mut self,
        letter: Letter<'_>,
        deadline: Instant,
    ) -> Result<Answer, Failure> {
        // Whatever ends this early leaves the other side nobody knows where.
        self.sound = false;
        self.messages += 1;
        self.announce(letter, deadline).await?;
        let body = dotted(letter.message);
        within(deadline, Stage::Message, self.talk.say(&body)).await?;
        // From here on nobody can take it back.
        letter.dot.inspect(|dot| dot.leaves());
        within(deadline, Stage::Answer, self.talk.say(b".\r\n")).await?;
        let answer = within(deadline, Stage::Answer, self.talk.hear()).await?;
        let answer = expect(Stage::Answer, answer, 200..=299);
        match (&answer, letter.dot) {
            (Ok(_), Some(dot)) => dot.is_taken(),
            (Err(failure), Some(dot)) if failure.error != AttemptError::Unknown => dot.is_refused(),
            _ => {}
        }
        let refused = answer.as_ref().is_err_and(Failure::is_about_the_email);
        self.sound = (answer.is_ok() || refused) && !self.talk.is_ahead();
        self.unfinished = refused;
        answer
    }

    /// Names the sender and the recipient and announces the message, in one write or in
    /// several.
    async fn announce(&mut self, letter: Letter<'_>, deadline: Instant) -> Result<(), Failure> {
        let mut commands = Vec::with_capacity(4);
        if self.unfinished {
            commands.push((Stage::Sender, "RSET\r\n".to_owned(), 250..=250));
        }
        commands.push((Stage::Sender, format!("MAIL FROM:<{}>\r\n", letter.from), 200..=299));
        commands.push((Stage::Recipient, format!("RCPT TO:<{}>\r\n", letter.to), 200..=299));
        commands.push((Stage::Data, "DATA\r\n".to_owned(), 354..=354));
        self.unfinished = true;
        let together = if self.pipelining { commands.len() } else { 1 };
        for group in commands.chunks(together) {
            let lines: String = group.iter().map(|(_, line, _)| line.as_str()).collect();
            let first = group.first().map_or(Stage::Sender, |(stage, ..)| *stage);
            within(deadline, first, self.talk.say(lines.as_bytes())).await?;
            let mut refused = None;
            let mut goes_on = false;
            for (stage, _, codes) in group {
                let answer = match within(deadline, *stage, self.talk.hear()).await {
                    Ok(answer) => answer,
                    // A step before said why.
                    Err(failure) => return Err(refused.unwrap_or(failure)),
                };
                goes_on = *stage == Stage::Data && answer.code == 354;
                match expect(*stage, answer, codes.clone()) {
                    Ok(_) => {}
                    // The server takes leave, or the two are out of step.
                    Err(failure) if failure.ends_the_talk() => {
                        return Err(refused.unwrap_or(failure));
                    }
                    Err(failure) => {
                        refused.get_or_insert(failure);
                    }
                }
            }
            if let Some(failure) = refused {
                // Only where the recipient was refused is there nobody whom a dot would reach.
                let for_nobody = failure.stage == Stage::Recipient;
                self.sound = !goes_on || (for_nobody && self.retract(deadline).await);
                return Err(failure);
            }
        }
        Ok(())
    }

    /// The recipient was refused, yet the server waits for the message: it gets none, for
    /// nobody (RFC 2920, 3.1). Whatever it says to that is not about any e-mail.
    async fn retract(&mut self, deadline: Instant) -> bool {
        let dot = async {
            self.talk.say(b".\r\n").await?;
            self.talk.hear().await
        };
        matches!(timeout_at(deadline, dot).await, Ok(Ok(answer)) if answer.code != 421)
    }

    /// How many messages were begun on this connection.
    pub(super) fn messages(&self) -> u32 {
        self.messages
    }

    /// Whether the next message may go over it.
    pub(super) fn is_sound(&self) -> bool {
        self.sound
    }

    /// Takes leave, briefly.
    pub(super) async fn quit(mut self) {
        let farewell = async {
            self.talk.say(b"QUIT\r\n").await?;
            self.talk.hear().await
        };
        // Whatever the server says to that, the connection is closed now.
        let _ = timeout(FAREWELL, farewell).await;
    }
}

/// Introduces us, the old way to a server that does not know the new one.
async fn hello(talk: &mut Talk, deadline: Instant) -> Result<Offers, Failure> {
    let name = reach::own_name();
    within(deadline, Stage::Hello, talk.say(format!("EHLO {name}\r\n").as_bytes())).await?;
    let answer = within(deadline, Stage::Hello, talk.hear()).await?;
    if matches!(answer.code, 500 | 502 | 504) {
        ask(talk, deadline, Stage::Hello, &format!("HELO {name}"), 200..=299).await?;
        return Ok(Offers::default());
    }
    Ok(Offers::read(&expect(Stage::Hello, answer, 200..=299)?))
}

/// Shows who we are.
async fn log_in(
    talk: &mut Talk,
    deadline: Instant,
    login: &Login,
    offers: &Offers,
) -> Result<(), Failure> {
    let refuse = |why: &str| Err(Failure::new(Stage::Login, AttemptError::Login, why));
    if !talk.is_private() {
        return refuse(
            "the mail server does not offer STARTTLS, and the password is never sent unencrypted: \
             use smtps://, or leave the login out",
        );
    }
    let (user, password) = (&login.user, login.password.expose());
    if offers.plain {
        let proof = STANDARD.encode(format!("\0{user}\0{password}"));
        let line = format!("AUTH PLAIN {proof}");
        ask(talk, deadline, Stage::Login, &line, 235..=235).await?;
    } else if offers.login {
        ask(talk, deadline, Stage::Login, "AUTH LOGIN", 334..=334).await?;
        ask(talk, deadline, Stage::Login, &STANDARD.encode(user), 334..=334).await?;
        ask(talk, deadline, Stage::Login, &STANDARD.encode(password), 235..=235).await?;
    } else {
        return refuse(
            "the mail server offers no login with a user and a password (AUTH PLAIN or LOGIN): \
             leave the login out of its address, or ask its operator",
        );
    }
    Ok(())
}

/// Agrees on encryption.
async fn secure(talk: Talk, server: &Server, deadline: Instant) -> Result<Talk, Failure> {
    match timeout_at(deadline, talk.secured(&server.tls)).await {
        Ok(result) => result.map_err(|fault| Failure::broken(Stage::Secure, &fault)),
        Err(_) => Err(Failure::late(Stage::Secure)),
    }
}

/// One command and its answer.
async fn ask(
    talk: &mut Talk,
    deadline: Instant,
    stage: Stage,
    line: &str,
    codes: std::ops::RangeInclusive<u16>,
) -> Result<Answer, Failure> {
    within(deadline, stage, talk.say(format!("{line}\r\n").as_bytes())).await?;
    expect(stage, within(deadline, stage, talk.hear()).await?, codes)
}

/// Lets one step run until the deadline.
async fn within<T>(
    deadline: Instant,
    stage: Stage,
    step: impl Future<Output = Result<T, Trouble>>,
) -> Result<T, Failure> {
    match timeout_at(deadline, step).await {
        Ok(result) => result.map_err(|trouble| Failure::judge(stage, &trouble)),
        Err(_) => Err(Failure::late(stage)),
    }
}

/// Insists on the answer that the step has. A stranger who slips answers in shifts them all
/// by one; here that is noticed.
fn expect(
    stage: Stage,
    answer: Answer,
    codes: std::ops::RangeInclusive<u16>,
) -> Result<Answer, Failure> {
    match answer.code {
        code if codes.contains(&code) => Ok(answer),
        400.. => Err(Failure::refused(stage, answer)),
        _ => Err(Failure::out_of_step(stage, answer)),
    }
}

/// The message as it is transmitted, up to its final dot: a line that begins with a dot gets
/// another, and the last line is ended.
fn dotted(message: &[u8]) -> Vec<u8> {
    let mut text = Vec::with_capacity(message.len() + message.len() / 64 + 2);
    for line in message.split_inclusive(|byte| *byte == b'\n') {
        if line.starts_with(b".") {
            text.push(b'.');
        }
        text.extend_from_slice(line);
    }
    if !text.ends_with(b"\r\n") {
        text.extend_from_slice(b"\r\n");
    }
    text
}

#[cfg(test)]
mod tests {
    use super::{Answer, Offers, dotted};

    #[test]
    fn dots_at_the_beginning_of_lines_are_doubled_and_the_last_line_is_ended() {
        for (message, sent) in [
            ("a\r\n", "a\r\n"),
            ("a", "a\r\n"),
            ("", "\r\n"),
            (".\r\n..\r\n.x\r\n", "..\r\n...\r\n..x\r\n"),
            ("a.b\r\n", "a.b\r\n"),
        ] {
            assert_eq!(String::from_utf8(dotted(message.as_bytes())).unwrap(), sent);
        }
    }

    #[test]
    fn offers_are_read_however_they_are_written() {
        let text = "mail.example.com\n8BITMIME\nauth=LOGIN\nStartTLS\nPIPELINING".to_owned();
        let offers = Offers::read(&Answer { code: 250, text });
        assert!(offers.starttls && offers.pipelining && offers.login && !offers.plain);
    }
}
