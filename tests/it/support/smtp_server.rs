//! A mail server that follows a script: at each step of the conversation it says what it
//! was told, hangs up, or keeps silent. It speaks plain SMTP over a real connection.

use std::sync::{Arc, Mutex};

use tokio::io::{AsyncBufReadExt as _, AsyncWriteExt as _, BufReader};
use tokio::net::{TcpListener, TcpStream};

/// What the server does at a step.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Answer {
    /// Says this; several lines are separated by `\r\n`.
    Say(&'static str),
    /// Closes the connection.
    HangUp,
    /// Says nothing and keeps the connection open.
    Silence,
}

use Answer::Say;

/// The answers of one connection. The first use of a step gets its first answer, the
/// second its second; the last one is repeated.
#[derive(Clone, Debug)]
pub(crate) struct Script {
    pub(crate) greeting: &'static [Answer],
    pub(crate) ehlo: &'static [Answer],
    pub(crate) auth: &'static [Answer],
    pub(crate) rset: &'static [Answer],
    pub(crate) mail: &'static [Answer],
    pub(crate) rcpt: &'static [Answer],
    pub(crate) data: &'static [Answer],
    pub(crate) dot: &'static [Answer],
    /// Whatever is said to `QUIT`, the connection is closed afterwards.
    pub(crate) quit: &'static [Answer],
}

impl Default for Script {
    fn default() -> Self {
        Self {
            greeting: &[Say("220 script ready")],
            ehlo: &[Say("250-script\r\n250 8BITMIME")],
            auth: &[Say("235 2.7.0 welcome")],
            rset: &[Say("250 2.0.0 reset")],
            mail: &[Say("250 2.1.0 sender ok")],
            rcpt: &[Say("250 2.1.5 recipient ok")],
            data: &[Say("354 go on")],
            dot: &[Say("250 2.0.0 queued as 7")],
            quit: &[Say("221 2.0.0 bye")],
        }
    }
}

/// What happened, in order: `connect`, each command as it came, `message`, `gone`.
type Log = Arc<Mutex<Vec<String>>>;

/// Is told what happens right when it does: what the log says, and `answered` when the answer
/// to a message has left.
pub(crate) type Watch = Arc<dyn Fn(&str) + Send + Sync>;

/// A running server. Each connection gets the next script; the last one is repeated.
#[derive(Debug)]
pub(crate) struct Server {
    pub(crate) port: u16,
    log: Log,
    messages: Log,
    together: Log,
}

impl Server {
    /// Listens on a free port of 127.0.0.1 until the runtime ends.
    pub(crate) async fn start(scripts: Vec<Script>) -> Self {
        Self::at(0, scripts).await
    }

    /// The same on this port.
    pub(crate) async fn at(port: u16, scripts: Vec<Script>) -> Self {
        Self::watched(port, scripts, Arc::new(|_| ())).await
    }

    /// The same with somebody who is told what happens.
    pub(crate) async fn watched(port: u16, scripts: Vec<Script>, watch: Watch) -> Self {
        let listener = TcpListener::bind(("127.0.0.1", port)).await.unwrap();
        let port = listener.local_addr().unwrap().port();
        let (log, messages, together) = (Log::default(), Log::default(), Log::default());
        let server = Self {
            port,
            log: Arc::clone(&log),
            messages: Arc::clone(&messages),
            together: Arc::clone(&together),
        };
        tokio::spawn(async move {
            let mut scripts = scripts.into_iter();
            let mut script = scripts.next().unwrap_or_default();
            while let Ok((stream, _)) = listener.accept().await {
                note(&log, "connect");
                let talk = Talk {
                    script: script.clone(),
                    log: Arc::clone(&log),
                    together: Arc::clone(&together),
                    watch: Arc::clone(&watch),
                    said: "",
                    used: [0; 9],
                };
                tokio::spawn(talk.run(stream, Arc::clone(&messages)));
                script = scripts.next().unwrap_or(script);
            }
        });
        server
    }

    /// What happened so far, one word per event.
    pub(crate) fn log(&self) -> Vec<String> {
        self.log.lock().unwrap().clone()
    }

    /// The commands that came together in one write each, between blanks.
    pub(crate) fn together(&self) -> Vec<String> {
        self.together.lock().unwrap().clone()
    }

    /// How often this happened.
    pub(crate) fn count(&self, event: &str) -> usize {
        self.log().iter().filter(|found| *found == event).count()
    }

    /// The messages as they came, with the dots before lines taken off.
    pub(crate) fn messages(&self) -> Vec<String> {
        self.messages.lock().unwrap().clone()
    }
}

fn note(log: &Log, event: &str) {
    log.lock().unwrap().push(event.to_owned());
}

fn note_together(together: &Log, verb: &str, more: bool) {
    let mut together = together.lock().unwrap();
    match together.last_mut().filter(|_| more) {
        Some(write) => *write = format!("{write} {verb}"),
        None => together.push(verb.to_owned()),
    }
}

struct Talk {
    script: Script,
    log: Log,
    together: Log,
    watch: Watch,
    /// The last answer.
    said: &'static str,
    used: [usize; 9],
}

impl Talk {
    async fn run(mut self, stream: TcpStream, messages: Log) {
        let mut stream = BufReader::new(stream);
        let mut open = self.answer(&mut stream, "GREETING").await;
        while open {
            self.said = "";
            let mut line = String::new();
            let more = !stream.buffer().is_empty();
            if !matches!(stream.read_line(&mut line).await, Ok(1..)) {
                break;
            }
            let verb = line.split([' ', '\r']).next().unwrap_or_default().to_ascii_uppercase();
            note(&self.log, &verb);
            (self.watch)(&verb);
            note_together(&self.together, &verb, more);
            open = self.answer(&mut stream, &verb).await;
            if open && self.said.starts_with("354") {
                let Some(message) = read_message(&mut stream).await else { break };
                messages.lock().unwrap().push(message);
                note(&self.log, "message");
                (self.watch)("message");
                open = self.answer(&mut stream, ".").await;
                (self.watch)("answered");
            }
        }
        note(&self.log, "gone");
    }

    /// Plays the answer; false when the connection is to be closed.
    async fn answer(&mut self, stream: &mut BufReader<TcpStream>, step: &str) -> bool {
        let (index, answers) = match step {
            "GREETING" => (0, self.script.greeting),
            "EHLO" => (1, self.script.ehlo),
            "HELO" => return stream.write_all(b"250 script\r\n").await.is_ok(),
            "AUTH" => (2, self.script.auth),
            "RSET" => (3, self.script.rset),
            "MAIL" => (4, self.script.mail),
            "RCPT" => (5, self.script.rcpt),
            "DATA" => (6, self.script.data),
            "." => (7, self.script.dot),
            _ => (8, self.script.quit),
        };
        let answer = answers.get(self.used[index]).or(answers.last()).copied();
        self.used[index] += 1;
        self.said = if let Some(Say(text)) = answer { text } else { "" };
        match answer {
            Some(Say(text)) => {
                let said = stream.write_all(format!("{text}\r\n").as_bytes()).await.is_ok();
                said && index != 8
            }
            Some(Answer::HangUp) | None => false,
            Some(Answer::Silence) => std::future::pending().await,
        }
    }
}

/// Reads up to the final dot; nothing when the connection ends before.
async fn read_message(stream: &mut BufReader<TcpStream>) -> Option<String> {
    let mut message = String::new();
    loop {
        let mut line = String::new();
        if !matches!(stream.read_line(&mut line).await, Ok(1..)) {
            return None;
        }
        if line == ".\r\n" {
            return Some(message);
        }
        message.push_str(line.strip_prefix('.').unwrap_or(&line));
    }
}
