//! Judges what went wrong, by the step at which it did. A refusal before the recipient is
//! named is about our account and must never be held against the person; one afterwards
//! is about this e-mail; silence after the final dot means that nobody knows.

use super::talk::{Answer, Trouble};
use crate::model::AttemptError;

/// A step of the conversation.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub(super) enum Stage {
    /// The name becomes addresses.
    Lookup,
    /// A connection.
    Connect,
    /// `STARTTLS`, or TLS from the first byte.
    Secure,
    /// The greeting and `EHLO`.
    Hello,
    /// `AUTH`.
    Login,
    /// `RSET` and `MAIL FROM`.
    Sender,
    /// `RCPT TO`.
    Recipient,
    /// `DATA`.
    Data,
    /// The message, up to the final dot.
    Message,
    /// The final dot and the server's last word.
    Answer,
}

impl Stage {
    /// The step in words that fit after "while".
    fn doing(self) -> &'static str {
        match self {
            Self::Lookup => "looking up the mail server's name",
            Self::Connect => "connecting to the mail server",
            Self::Secure => "agreeing on encryption with the mail server",
            Self::Hello => "greeting the mail server",
            Self::Login => "logging in to the mail server",
            Self::Sender => "naming the sender",
            Self::Recipient => "naming the recipient",
            Self::Data => "announcing the message",
            Self::Message => "transmitting the message",
            Self::Answer => "waiting for the server's word on the message",
        }
    }
}

/// Why an attempt failed.
#[derive(Debug)]
pub(super) struct Failure {
    /// How far it had come.
    pub(super) stage: Stage,
    pub(super) error: AttemptError,
    /// The code of the server's answer, if it gave one.
    pub(super) status: Option<u16>,
    pub(super) message: String,
    /// The server's own words.
    pub(super) reply: String,
}

impl Failure {
    /// A failure that the server did not put into words.
    pub(super) fn new(stage: Stage, error: AttemptError, message: impl Into<String>) -> Self {
        Self { stage, error, status: None, message: message.into(), reply: String::new() }
    }

    /// The deadline passed.
    pub(super) fn late(stage: Stage) -> Self {
        let error =
            if stage == Stage::Answer { AttemptError::Unknown } else { AttemptError::Timeout };
        Self::new(stage, error, sentence(stage, "the time was up", error))
    }

    /// The connection did not come about, or not its encryption.
    pub(super) fn broken(stage: Stage, fault: &std::io::Error) -> Self {
        let error =
            if stage == Stage::Secure { AttemptError::Tls } else { AttemptError::Connection };
        Self::new(stage, error, sentence(stage, &fault.to_string(), error))
    }

    /// An answer that is polite, but not the one that this step has.
    pub(super) fn out_of_step(stage: Stage, answer: Answer) -> Self {
        let error =
            if stage == Stage::Answer { AttemptError::Unknown } else { AttemptError::Connection };
        Self {
            stage,
            error,
            status: Some(answer.code),
            message: sentence(stage, "the server's answer did not fit the question", error),
            reply: answer.text,
        }
    }

    /// No answer came.
    pub(super) fn judge(stage: Stage, trouble: &Trouble) -> Self {
        let late = |fault: &std::io::Error| fault.kind() == std::io::ErrorKind::TimedOut;
        let error = match (stage, trouble) {
            (Stage::Answer, _) => AttemptError::Unknown,
            (Stage::Secure, _) => AttemptError::Tls,
            (_, Trouble::Broken(fault)) if late(fault) => AttemptError::Timeout,
            _ => AttemptError::Connection,
        };
        Self::new(stage, error, sentence(stage, &trouble.to_string(), error))
    }

    /// The server said no.
    pub(super) fn refused(stage: Stage, answer: Answer) -> Self {
        let Answer { code, text: reply } = answer;
        let error = match (code, stage) {
            (421, _) => AttemptError::Connection,
            (_, Stage::Secure) => AttemptError::Tls,
            _ if stage < Stage::Recipient || is_about_us(code, &reply) => AttemptError::Login,
            // A mailbox that is full or a message that is too large says nothing about whether
            // there is such a person.
            (400..=499 | 552, _) => AttemptError::Deferred,
            _ if is_about_room(&reply) => AttemptError::Deferred,
            _ => AttemptError::Bounce,
        };
        let what = format!("the server answered {code} {}", super::clip(reply.replace('\n', " ")));
        let message = sentence(stage, what.trim_end(), error);
        Self { stage, error, status: Some(code), message, reply }
    }

    /// Whether the server is gone, or says what nobody asked: then no more answers are to be
    /// expected.
    pub(super) fn ends_the_talk(&self) -> bool {
        self.error == AttemptError::Connection
    }

    /// Whether this may be the fault of a connection that was used before and has gone stale
    /// (or carried enough messages, as the server sees it), while nothing of the message was
    /// transmitted: then the same may be tried over a new one without any risk.
    pub(super) fn may_be_stale(&self) -> bool {
        self.stage <= Stage::Sender || (self.stage < Stage::Message && self.ends_the_talk())
    }

    /// Whether the server refused this one e-mail and the connection is in order.
    pub(super) fn is_about_the_email(&self) -> bool {
        matches!(self.error, AttemptError::Bounce | AttemptError::Deferred)
    }
}

/// Refusals after the recipient was named that are about our account or our domain all
/// the same: a missing login (RFC 4954), and SPF, DKIM, DMARC or reverse DNS that do not
/// check out (RFC 7372, RFC 7505, Outlook's 5.7.515).
fn is_about_us(code: u16, reply: &str) -> bool {
    let ours = matches!(code, 530 | 534 | 535 | 538);
    let detail = reply
        .split_whitespace()
        .next()
        .and_then(|word| word.strip_prefix("5.7."))
        .and_then(|detail| detail.parse::<u16>().ok());
    ours || matches!(detail, Some(8 | 9 | 20..=27 | 515))
}

/// Refusals because of a full mailbox or the size of the message (RFC 3463), under whatever code.
fn is_about_room(reply: &str) -> bool {
    matches!(reply.split_whitespace().next(), Some("5.2.2" | "5.2.3" | "5.3.4"))
}

/// What happened, where, and what it means.
fn sentence(stage: Stage, what: &str, error: AttemptError) -> String {
    let outlook = match error {
        AttemptError::Login => "; the mail service needs a look, this is not the recipient's fault",
        AttemptError::Unknown => "; whether the e-mail was taken is not known",
        _ => "",
    };
    format!("while {}: {what}{outlook}", stage.doing())
}
