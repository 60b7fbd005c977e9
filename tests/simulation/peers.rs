//! The other side of every outgoing connection: two web services and a mail server that
//! answer as their mood and the dice say, and look closely at what they get.

use std::io;
use std::sync::Arc;
use std::time::Duration;

use rulerun::base::Id;
use rulerun::model::queue::Task;
use rulerun::serve::deliver::Network;
use rulerun::store::Store as _;
use tokio::io::{AsyncBufReadExt as _, AsyncReadExt as _, AsyncWriteExt as _, BufReader};
use tokio::io::{DuplexStream, duplex};

use super::book::{Mood, Shared};

/// The shortest wait of the rules before a second attempt, less its jitter.
const SHORTEST_WAIT: i64 = 4_500;
/// The longest that a service with short waits may take to be tried again while all is well:
/// its longest wait with jitter, what its gate adds, and others before it.
const LATE: i64 = 15 * 60_000;
/// How much a connection holds that nobody has read.
const PIPE: usize = 16 * 1024;

/// What a web service does with a request.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Does {
    Take,
    TakeSlowly,
    Fail,
    AskForPatience,
    Gone,
    Hang,
    HangUp,
    BreakOff,
    Drip,
}

/// What the mail server does with a message.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Treats {
    Take,
    TakeSlowly,
    RefuseSender,
    DeferRecipient,
    HangUpBeforeData,
    HangUpWithinData,
    TakeAndHangUp,
    TakeAndHang,
    DeferMessage,
}

/// The network of this process.
pub(crate) fn network(shared: &Arc<Shared>) -> Network {
    let (shared, life) = (Arc::clone(shared), shared.life());
    Network::Simulated(Arc::new(move |host: &str, _port| {
        let down = match shared.mood() {
            Mood::Well => false,
            Mood::Shaky => shared.dice.once_in(12),
            Mood::Down => shared.dice.once_in(2),
        };
        if down {
            return Err(io::ErrorKind::ConnectionRefused.into());
        }
        let (ours, theirs) = duplex(PIPE);
        let peer = Peer { shared: Arc::clone(&shared), life };
        match host {
            "mail.example.com" => drop(tokio::spawn(peer.mail(theirs))),
            _ => drop(tokio::spawn(peer.web(theirs))),
        }
        Ok(ours)
    }))
}

struct Peer {
    shared: Arc<Shared>,
    /// The process that has called.
    life: u32,
}

/// A request as it came.
struct Request {
    id: Id,
    body: Vec<u8>,
}

impl Peer {
    async fn pause(&self, most: u64) {
        let millis = self.shared.dice.below(most);
        tokio::time::sleep(Duration::from_millis(millis)).await;
    }

    fn does(&self) -> Does {
        use Does::{AskForPatience, BreakOff, Drip, Fail, Gone, Hang, HangUp, Take, TakeSlowly};
        let dice = &self.shared.dice;
        match self.shared.mood() {
            Mood::Well => dice.pick(&[Take, Take, TakeSlowly]),
            Mood::Shaky if dice.once_in(60) => Gone,
            Mood::Shaky => dice.pick(&[
                Take,
                Take,
                TakeSlowly,
                Fail,
                AskForPatience,
                Hang,
                HangUp,
                BreakOff,
                Drip,
            ]),
            Mood::Down => dice.pick(&[Fail, Hang, HangUp, AskForPatience]),
        }
    }

    /// A web service.
    async fn web(self, stream: DuplexStream) {
        let mut stream = BufReader::new(stream);
        while let Some(request) = read_request(&mut stream).await {
            let id = request.id;
            self.arrived(request).await;
            let does = self.does();
            self.shared.note(&format!("shop: {id} {does:?}"));
            self.pause(if does == Does::TakeSlowly { 9_000 } else { 200 }).await;
            match does {
                Does::Take | Does::TakeSlowly | Does::Gone => {}
                Does::AskForPatience => self.failed(id, 120_000),
                _ => self.failed(id, SHORTEST_WAIT),
            }
            let answer = match does {
                Does::Take | Does::TakeSlowly => "HTTP/1.1 200 OK\r\ncontent-length: 2\r\n\r\nok",
                Does::Fail => "HTTP/1.1 500 Oh\r\ncontent-length: 0\r\n\r\n",
                Does::Gone => "HTTP/1.1 410 Gone\r\ncontent-length: 0\r\n\r\n",
                Does::AskForPatience => {
                    "HTTP/1.1 429 Later\r\nretry-after: 120\r\ncontent-length: 0\r\n\r\n"
                }
                Does::BreakOff => "HTTP/1.1 200 OK\r\ncontent-length: 20\r\n\r\nok",
                Does::Drip => "HTTP/1.1 200 OK\r\ncontent-length: 100\r\n\r\n",
                Does::HangUp => return,
                Does::Hang => std::future::pending().await,
            };
            if stream.get_mut().write_all(answer.as_bytes()).await.is_err() {
                return;
            }
            match does {
                Does::Take | Does::TakeSlowly => self.taken(id),
                Does::BreakOff => return,
                Does::Drip => {
                    while stream.get_mut().write_all(b".").await.is_ok() {
                        tokio::time::sleep(Duration::from_secs(3)).await;
                    }
                    return;
                }
                _ => {}
            }
        }
    }

    /// Looks at a delivery: is it known, is it due, is it the same as before.
    async fn arrived(&self, request: Request) {
        let Request { id, body } = request;
        let (now, dead) = (self.shared.clock.elapsed(), self.life != self.shared.life());
        let stored = self.shared.store().job(id).await.unwrap();
        let well = *self.shared.well.lock().unwrap();
        let (mut wrong, mut is_quick, mut attempts) = (Vec::new(), false, 0);
        match stored {
            None => wrong.push(format!("{id} was delivered and nobody queued it")),
            Some((job, _)) => {
                is_quick = job.lane == "shop";
                attempts = job.attempts;
                if !matches!(&job.task, Task::Event { body: stored, .. } if *stored == body) {
                    wrong.push(format!("{id} arrived with other bytes than were stored"));
                }
            }
        }
        {
            let mut book = self.shared.book();
            let delivery = book.deliveries.entry(id).or_default();
            delivery.seen += 1;
            delivery.excused += u32::from(dead);
            if delivery.seen > 1 && delivery.body != body {
                wrong.push(format!("{id} arrived with other bytes than before"));
            }
            if now < delivery.not_before && !dead {
                wrong.push(format!("I5: {id} was tried again too early"));
            }
            if let (Some(well), Some(failed)) = (well, delivery.failed)
                && now > well.max(failed) + LATE
                && is_quick
            {
                wrong.push(format!("I5: {id} was tried again too late"));
            }
            delivery.body = body;
            delivery.attempts = attempts;
        }
        for text in wrong {
            self.shared.broken(&text);
        }
    }

    /// An attempt has failed: the next is due after a wait, or after what it asked for.
    fn failed(&self, id: Id, wait: i64) {
        if self.life != self.shared.life() {
            return;
        }
        let now = self.shared.clock.elapsed();
        let mut book = self.shared.book();
        let delivery = book.deliveries.entry(id).or_default();
        delivery.not_before = now + wait;
        delivery.failed = Some(now);
    }

    fn taken(&self, id: Id) {
        let mut book = self.shared.book();
        let delivery = book.deliveries.entry(id).or_default();
        delivery.taken += 1;
        delivery.failed = None;
    }

    fn treats(&self) -> Treats {
        use Treats::{
            DeferMessage, DeferRecipient, HangUpBeforeData, HangUpWithinData, RefuseSender, Take,
            TakeAndHang, TakeAndHangUp, TakeSlowly,
        };
        let dice = &self.shared.dice;
        match self.shared.mood() {
            Mood::Well => dice.pick(&[Take, Take, TakeSlowly]),
            Mood::Shaky => dice.pick(&[
                Take,
                Take,
                TakeSlowly,
                RefuseSender,
                DeferRecipient,
                HangUpBeforeData,
                HangUpWithinData,
                TakeAndHangUp,
                TakeAndHang,
                DeferMessage,
            ]),
            Mood::Down => dice.pick(&[RefuseSender, HangUpBeforeData, HangUpWithinData]),
        }
    }

    /// A mail server.
    async fn mail(self, stream: DuplexStream) {
        // How a conversation breaks off is part of the play.
        let _ = self.talk(BufReader::new(stream)).await;
    }

    async fn talk(&self, mut stream: BufReader<DuplexStream>) -> io::Result<()> {
        stream.write_all(b"220 ready\r\n").await?;
        let (mut treats, mut began) = (Treats::Take, 0);
        loop {
            let mut line = String::new();
            if stream.read_line(&mut line).await? == 0 {
                return Ok(());
            }
            let verb = line.split([' ', ':', '\r']).next().unwrap_or_default();
            let answer = match verb {
                "EHLO" => "250-mail.example.com\r\n250 8BITMIME",
                "MAIL" => {
                    treats = self.treats();
                    began = self.shared.clock.elapsed();
                    if treats == Treats::RefuseSender { "451 not now" } else { "250 ok" }
                }
                "RCPT" if treats == Treats::DeferRecipient => "450 mailbox busy",
                "RCPT" | "RSET" => "250 ok",
                "DATA" if treats == Treats::HangUpBeforeData => return Ok(()),
                "DATA" => {
                    stream.write_all(b"354 go on\r\n").await?;
                    if treats == Treats::HangUpWithinData {
                        self.pause(50).await;
                        return Ok(());
                    }
                    let message = read_message(&mut stream).await?;
                    let slowly = matches!(treats, Treats::TakeSlowly | Treats::DeferMessage);
                    self.pause(if slowly { 15_000 } else { 300 }).await;
                    if treats == Treats::DeferMessage {
                        self.shared.note("mail: defers a message");
                        "451 try again later"
                    } else {
                        self.letter(&message, treats, began);
                        match treats {
                            Treats::TakeAndHangUp => return Ok(()),
                            Treats::TakeAndHang => std::future::pending().await,
                            _ => "250 queued",
                        }
                    }
                }
                _ => return stream.write_all(b"221 bye\r\n").await,
            };
            self.pause(30).await;
            stream.write_all(format!("{answer}\r\n").as_bytes()).await?;
        }
    }

    /// Looks at a message that was taken.
    fn letter(&self, message: &str, treats: Treats, began: i64) {
        let id = message.lines().find_map(|line| line.strip_prefix("Message-ID: <"));
        let id = id.and_then(|id| id.split('@').next()).and_then(|id| id.parse::<Id>().ok());
        let Some(id) = id else { return self.shared.broken("an e-mail without its id") };
        self.shared.note(&format!("mail: {id} {treats:?}"));
        let dead = self.life != self.shared.life();
        let mut wrong = Vec::new();
        {
            let mut book = self.shared.book();
            let letter = book.letters.entry(id).or_default();
            letter.taken += 1;
            letter.excused += u32::from(dead);
            if letter.taken > 1 + letter.excused {
                wrong.push(format!("the e-mail {id} was sent twice"));
            }
            if letter.taken > 1 && letter.message != message {
                wrong.push(format!("the e-mail {id} came with other words than before"));
            }
            if letter.over.is_some_and(|over| began > over) {
                wrong.push(format!("the e-mail {id} was begun after its stop was answered"));
            }
            message.clone_into(&mut letter.message);
        }
        for text in wrong {
            self.shared.broken(&text);
        }
    }
}

/// Reads a whole request; none when the connection ends before.
async fn read_request(stream: &mut BufReader<DuplexStream>) -> Option<Request> {
    let (mut id, mut length) = (None, 0);
    loop {
        let mut line = String::new();
        if !matches!(stream.read_line(&mut line).await, Ok(1..)) {
            return None;
        }
        let line = line.trim_end();
        if line.is_empty() {
            break;
        }
        let (name, value) = line.split_once(": ").unwrap_or_default();
        match name {
            "webhook-id" => id = value.parse().ok(),
            "content-length" => length = value.parse().unwrap(),
            _ => {}
        }
    }
    let mut body = vec![0; length];
    stream.read_exact(&mut body).await.ok()?;
    Some(Request { id: id?, body })
}

/// Reads up to the final dot.
async fn read_message(stream: &mut BufReader<DuplexStream>) -> io::Result<String> {
    let mut message = String::new();
    loop {
        let mut line = String::new();
        if stream.read_line(&mut line).await? == 0 {
            return Err(io::ErrorKind::UnexpectedEof.into());
        }
        if line == ".\r\n" {
            return Ok(message);
        }
        message.push_str(&line);
    }
}
