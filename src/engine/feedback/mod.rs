//! What mail providers report, and what follows from it. The files beside this one each read
//! the form of one provider into [`Notice`]s; [`act`] says what a notice means for the person,
//! their sequences and the numbers. Nothing here fails: what is not known, or cannot be read,
//! is ignored with a sentence that says why.

mod act;
mod follow;
mod generic;
mod postmark;
mod resend;
mod ses;

#[cfg(test)]
mod tests;

use serde_json::Value;

pub use self::act::{Facts, act, reply, sent};
pub use self::follow::{Event, Follows, counter, follow};
use crate::base::{Id, address, text};
use crate::model::rules::FeedbackType;

/// The most addresses of one report that are looked at: SES lists every recipient of a message.
const MOST: usize = 50;
/// Characters of what a mail server said that are kept.
const WHY: usize = 200;

/// What became of an e-mail.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Fate {
    /// The receiving server took it.
    Delivered,
    /// It came back, and the next one would too.
    HardBounce,
    /// It came back, and the next one may not.
    SoftBounce,
    /// The person reported it as spam.
    Complaint,
    /// The person left the list at the provider.
    Unsubscribed,
}

impl Fate {
    /// What people call it.
    #[must_use]
    pub fn word(self) -> &'static str {
        match self {
            Self::Delivered => "delivered",
            Self::HardBounce => "hard bounce",
            Self::SoftBounce => "soft bounce",
            Self::Complaint => "complaint",
            Self::Unsubscribed => "unsubscribed",
        }
    }
}

/// One thing that a provider reports about one address.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Notice {
    /// What became of it.
    pub fate: Fate,
    /// The address, spelt as the person is known.
    pub address: String,
    /// The job that sent it, if the report names one.
    pub job: Option<Id>,
    /// What the mail server said, on one line; may be empty.
    pub why: String,
}

/// What a report says.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Report {
    /// What it means for each address.
    pub notices: Vec<Notice>,
    /// Why nothing follows from it; empty where there are notices.
    pub ignored: String,
    /// What tells it apart from other reports of this provider, where the body says it.
    pub id: Option<String>,
}

impl Report {
    /// Nothing follows, for this reason.
    fn ignored(why: impl Into<String>) -> Self {
        Self { ignored: line(&why.into()), ..Self::default() }
    }

    /// What it says about these addresses.
    fn about(notices: Vec<Notice>) -> Self {
        if notices.is_empty() {
            return Self::ignored("it names no address that could be read");
        }
        Self { notices, ..Self::default() }
    }
}

/// Reads a report; that of SES stands within a notification of SNS.
#[must_use]
pub fn report(kind: FeedbackType, body: &Value) -> Report {
    match kind {
        FeedbackType::Resend => resend::report(body),
        FeedbackType::Postmark => postmark::report(body),
        FeedbackType::Ses => ses::report(body),
        FeedbackType::Generic => generic::report(body),
    }
}

/// The text at a path of names; empty where there is none.
fn at<'a>(body: &'a Value, path: &[&str]) -> &'a str {
    path.iter().try_fold(body, |value, name| value.get(name)).and_then(Value::as_str).unwrap_or("")
}

/// An address as it is looked up; none where the text is no address.
fn address(text: &str) -> Option<String> {
    let text = text.trim();
    // `Name <address>` is another way to write one.
    let text = match text.rsplit_once('<') {
        Some((_, rest)) => rest.strip_suffix('>')?,
        None => text,
    };
    let (user, domain) = text.rsplit_once('@')?;
    let plain = text.len() <= 254 && !text.contains(|c: char| c.is_whitespace() || c.is_control());
    (plain && !user.is_empty() && !domain.is_empty()).then(|| address::person(text))
}

/// The job that a text names: its id, or a `Message-ID` of ours that begins with it.
fn job(text: &str) -> Option<Id> {
    let text = text.trim().trim_start_matches('<');
    text.split('@').next()?.parse().ok()
}

/// The job that a list of `{name, value}` headers names in its `Message-ID`.
fn job_of_headers(headers: Option<&Value>) -> Option<Id> {
    let headers = headers?.as_array()?.iter().take(100);
    let named = |header: &&Value| at(header, &["name"]).eq_ignore_ascii_case("message-id");
    headers.clone().find(named).and_then(|header| job(at(header, &["value"])))
}

/// A text from outside as one line of bounded length.
fn line(text: &str) -> String {
    let words: Vec<&str> = text.split_whitespace().collect();
    text::clean(&words.join(" ")).chars().take(WHY).collect()
}

/// What the provider calls it and what the mail server said, whichever there is.
fn why<'a>(parts: impl IntoIterator<Item = &'a str>) -> String {
    let parts: Vec<&str> = parts.into_iter().filter(|part| !part.trim().is_empty()).collect();
    line(&parts.join(": "))
}
