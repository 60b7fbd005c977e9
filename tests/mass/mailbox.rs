//! The mail server behind which everybody has their mailbox. It speaks SMTP over a connection
//! within this process and looks at each e-mail as it comes.

use std::cmp::Reverse;
use std::io;
use std::sync::Arc;

use rulerun::serve::deliver::Network;
use tokio::io::{AsyncBufReadExt as _, AsyncWriteExt as _, BufReader, DuplexStream, duplex};

use crate::calendar::DAY;
use crate::clock::HandClock;
use crate::people::{Act, Book, Fate, whose};
use crate::rules::STEPS;

/// How much a connection holds that nobody has read.
const PIPE: usize = 64 * 1024;
/// The longest line that is read.
const LINE: usize = 64 * 1024;

/// A network in which there is nothing but this mail server.
pub(crate) fn network(book: &Arc<Book>, clock: &Arc<HandClock>) -> Network {
    let (book, clock) = (Arc::clone(book), Arc::clone(clock));
    Network::Simulated(Arc::new(move |_host: &str, _port| {
        let (ours, theirs) = duplex(PIPE);
        let mailbox = Mailbox { book: Arc::clone(&book), clock: Arc::clone(&clock) };
        drop(tokio::spawn(async move {
            // The other side may hang up whenever it likes.
            let _ = mailbox.talk(BufReader::with_capacity(PIPE, theirs)).await;
        }));
        Ok(ours)
    }))
}

struct Mailbox {
    book: Arc<Book>,
    clock: Arc<HandClock>,
}

impl Mailbox {
    async fn talk(&self, mut stream: BufReader<DuplexStream>) -> io::Result<()> {
        stream.write_all(b"220 ready\r\n").await?;
        let (mut line, mut to) = (Vec::new(), None);
        loop {
            line.clear();
            if stream.read_until(b'\n', &mut line).await? == 0 || line.len() > LINE {
                return Ok(());
            }
            let text = String::from_utf8_lossy(&line);
            let verb = text.split([' ', ':', '\r']).next().unwrap_or_default();
            let answer = match verb {
                "EHLO" => "250-mail.example.com\r\n250 PIPELINING",
                "MAIL" | "RSET" => {
                    to = None;
                    "250 ok"
                }
                "RCPT" => {
                    to = self.takes(&text);
                    if to.is_some() { "250 ok" } else { "550 5.1.1 no such user" }
                }
                "DATA" if to.is_none() => "503 for whom?",
                "DATA" => {
                    stream.write_all(b"354 go on\r\n").await?;
                    let message = read_message(&mut stream).await?;
                    self.letter(to.take(), &message);
                    "250 ok"
                }
                _ => return stream.write_all(b"221 bye\r\n").await,
            };
            stream.write_all(format!("{answer}\r\n").as_bytes()).await?;
        }
    }

    /// Whose mailbox it is; none where there is none (any more).
    fn takes(&self, line: &str) -> Option<usize> {
        let now = self.clock.millis();
        let address = line.split(['<', '>']).nth(1)?;
        let mut book = self.book.open();
        let Some(who) = whose(address).filter(|who| *who < book.people.len()) else {
            book.broken(format!("an e-mail to {address}, who never signed up"));
            return None;
        };
        let person = book.people[who];
        // What was on its way at the same moment may still come after an unsubscribe or a
        // bounce; after the answer to a stop, not even that.
        let late = if person.fate == Fate::Stops { now >= person.gone } else { now > person.gone };
        if late {
            book.broken(format!("an e-mail to {who} after the end: {person:?}"));
        }
        match person.fate {
            Fate::Bounces(after) if person.count() >= after => {
                book.people[who].gone = person.gone.min(now);
                book.bounces += 1;
                None
            }
            _ => Some(who),
        }
    }

    /// Looks at an e-mail that is taken.
    fn letter(&self, who: Option<usize>, message: &str) {
        let now = self.clock.millis();
        let subject = header(message, "Subject");
        let step = STEPS.iter().position(|(name, _)| Some(*name) == subject.as_deref());
        let mut book = self.book.open();
        let (Some(who), Some(step)) = (who, step) else {
            return book.broken(format!("an e-mail that nobody wrote: {message}"));
        };
        book.came(who, step, now);
        if book.people[who].fate != Fate::Unsubscribes(step) {
            return;
        }
        match token(message) {
            Some(token) => {
                let at = now + 1 + self.book.dice.millis(3 * DAY);
                book.agenda.push(Reverse((at, who, Act::Unsubscribe(token))));
            }
            None => book.broken(format!("no link to unsubscribe: {message}")),
        }
    }
}

/// A header of a message, its lines joined.
fn header(message: &str, name: &str) -> Option<String> {
    let (head, _) = message.split_once("\r\n\r\n")?;
    let head = head.replace("\r\n ", " ");
    let found = head.lines().filter_map(|line| line.split_once(": ")).find(|(is, _)| *is == name);
    found.map(|(_, value)| value.to_owned())
}

/// What stands behind the address in the link to unsubscribe.
fn token(message: &str) -> Option<String> {
    let link = header(message, "List-Unsubscribe")?;
    let (_, rest) = link.split_once("/unsubscribe/")?;
    Some(rest.split('>').next()?.to_owned())
}

/// Reads up to the final dot.
async fn read_message(stream: &mut BufReader<DuplexStream>) -> io::Result<String> {
    let mut message = Vec::with_capacity(8 * 1024);
    loop {
        if stream.read_until(b'\n', &mut message).await? == 0 {
            return Err(io::ErrorKind::UnexpectedEof.into());
        }
        if message.ends_with(b"\r\n.\r\n") {
            message.truncate(message.len() - 3);
            return String::from_utf8(message).map_err(io::Error::other);
        }
    }
}
