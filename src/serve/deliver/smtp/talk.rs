//! Lines to and from a mail server. Commands may leave together and their answers come back
//! one by one, in order, however the network cuts them; what a server can make us read is
//! bounded.

use std::io;

use tokio::io::{AsyncRead, AsyncReadExt as _, AsyncWrite, AsyncWriteExt as _};

use super::tls::{Private, Tls};
use crate::serve::deliver::wire::Wire;

/// Longest answer that is read, with all its lines, in bytes.
const LONGEST: usize = 64 * 1024;
/// How much is read at a time, in bytes.
const PIECE: usize = 4096;

/// A server's answer to one command.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) struct Answer {
    /// Its three digits.
    pub(super) code: u16,
    /// The words after them, line by line.
    pub(super) text: String,
}

/// Why no answer was read.
#[derive(Debug, thiserror::Error)]
pub(super) enum Trouble {
    #[error("the server closed the connection")]
    Closed,
    #[error("the server answered something that is not SMTP")]
    Garbled,
    #[error("the server's answer has no end")]
    Endless,
    #[error("{0}")]
    Broken(#[from] io::Error),
}

/// A connection in the open, or a private one.
enum Way {
    Open(Wire),
    Private(Box<Private>),
}

/// What both are.
trait Both: AsyncRead + AsyncWrite + Unpin + Send {}
impl Both for Wire {}
impl Both for Private {}

/// A conversation with a mail server.
pub(super) struct Talk {
    way: Way,
    /// What was read and not yet understood.
    inbox: Vec<u8>,
}

impl Talk {
    /// Over a connection that nobody has encrypted.
    pub(super) fn open(wire: Wire) -> Self {
        Self { way: Way::Open(wire), inbox: Vec::new() }
    }

    /// The same connection, encrypted from here on. What the server said in the open before
    /// and nobody asked for must not be taken for its private words.
    ///
    /// # Errors
    /// There was such a thing, or no agreement was reached.
    pub(super) async fn secured(self, tls: &Tls) -> io::Result<Self> {
        if !self.inbox.is_empty() {
            return Err(io::Error::other("the server spoke on in the open"));
        }
        let way = match self.way {
            Way::Open(wire) => Way::Private(Box::new(tls.wrap(wire).await?)),
            way @ Way::Private(_) => way,
        };
        Ok(Self { way, inbox: Vec::new() })
    }

    /// Whether it is encrypted.
    pub(super) fn is_private(&self) -> bool {
        matches!(self.way, Way::Private(_))
    }

    /// Whether the server said more than it was asked.
    pub(super) fn is_ahead(&self) -> bool {
        !self.inbox.is_empty()
    }

    fn stream(&mut self) -> &mut dyn Both {
        match &mut self.way {
            Way::Open(wire) => wire,
            Way::Private(private) => &mut **private,
        }
    }

    /// Writes all of it, and sees to it that it leaves.
    pub(super) async fn say(&mut self, bytes: &[u8]) -> Result<(), Trouble> {
        let stream = self.stream();
        stream.write_all(bytes).await?;
        Ok(stream.flush().await?)
    }

    /// The server's next answer.
    pub(super) async fn hear(&mut self) -> Result<Answer, Trouble> {
        loop {
            if let Some((answer, used)) = parse(&self.inbox)? {
                self.inbox.drain(..used);
                return Ok(answer);
            }
            if self.inbox.len() > LONGEST {
                return Err(Trouble::Endless);
            }
            let mut piece = [0; PIECE];
            let read = self.stream().read(&mut piece).await?;
            if read == 0 {
                return Err(Trouble::Closed);
            }
            self.inbox.extend_from_slice(&piece[..read]);
        }
    }
}

/// The first whole answer in these bytes, and how many of them it is; none if it has not
/// come to its end.
fn parse(bytes: &[u8]) -> Result<Option<(Answer, usize)>, Trouble> {
    let (mut code, mut text, mut used) = (None, String::new(), 0);
    for line in bytes.split_inclusive(|byte| *byte == b'\n') {
        let Some(words) = line.strip_suffix(b"\n") else { return Ok(None) };
        used += line.len();
        let words = words.strip_suffix(b"\r").unwrap_or(words);
        let (digits, rest) = words.split_at_checked(3).ok_or(Trouble::Garbled)?;
        let digits = std::str::from_utf8(digits).ok().filter(|text| {
            text.starts_with(['2', '3', '4', '5']) && text.bytes().all(|byte| byte.is_ascii_digit())
        });
        let found: u16 = digits.and_then(|text| text.parse().ok()).ok_or(Trouble::Garbled)?;
        if code.is_some_and(|code| code != found) {
            return Err(Trouble::Garbled);
        }
        code = Some(found);
        let (last, rest) = match rest.split_first() {
            None => (true, rest),
            Some((b' ', rest)) => (true, rest),
            Some((b'-', rest)) => (false, rest),
            Some(_) => return Err(Trouble::Garbled),
        };
        if !text.is_empty() {
            text.push('\n');
        }
        text.push_str(&String::from_utf8_lossy(rest));
        if last {
            return Ok(Some((Answer { code: found, text }, used)));
        }
    }
    Ok(None)
}

#[cfg(test)]
mod tests {
    use super::{Answer, LONGEST, Talk, Trouble, parse};
    use crate::serve::deliver::wire::Wire;
    use tokio::io::AsyncWriteExt as _;

    #[test]
    fn several_answers_in_one_packet_are_told_apart() {
        let packet = b"250-first\r\n250 ok\r\n550 5.1.1 no such user\r\n354\r\n25";
        let (first, used) = parse(packet).unwrap().unwrap();
        assert_eq!(first, Answer { code: 250, text: "first\nok".to_owned() });
        let (second, more) = parse(&packet[used..]).unwrap().unwrap();
        assert_eq!((second.code, second.text.as_str()), (550, "5.1.1 no such user"));
        let (third, rest) = parse(&packet[used + more..]).unwrap().unwrap();
        assert_eq!((third.code, third.text.as_str()), (354, ""));
        assert!(parse(&packet[used + more + rest..]).unwrap().is_none(), "the rest is under way");
    }

    #[test]
    fn what_is_no_answer_is_not_taken_for_one() {
        for wrong in ["what?\r\n", "\r\n", "25\r\n", "2500 ok\r\n", "150 ok\r\n", "250_ok\r\n"] {
            assert!(matches!(parse(wrong.as_bytes()), Err(Trouble::Garbled)), "{wrong:?}");
        }
        assert!(matches!(parse(b"250-a\r\n550 b\r\n"), Err(Trouble::Garbled)), "two codes in one");
    }

    #[tokio::test]
    async fn an_answer_without_an_end_is_given_up() {
        let (mine, mut theirs) = tokio::io::duplex(LONGEST);
        let mut talk = Talk::open(Wire::Memory(mine));
        let flood = tokio::spawn(async move {
            while theirs.write_all(b"250-and another thing\r\n").await.is_ok() {}
        });
        assert!(matches!(talk.hear().await, Err(Trouble::Endless)));
        drop(talk);
        flood.await.unwrap();
    }
}
