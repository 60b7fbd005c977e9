//! From a rendered text to a finished message: Markdown becomes HTML and plain text, both
//! become one RFC 5322 message with the headers that mailbox providers ask for. The same
//! request gives the same bytes each time, because a retry must send what was stored.
//!
//! `markdown` decides what of a text may reach a mailbox, `text` and `layout` draw it
//! twice, `message` puts the envelope, the headers and the parts together, `dkim` signs what
//! leaves, `provider` packs it for services that take JSON, `files` keeps what comes with a
//! message out of the copies that wait, `page` finds the HTML in a message again.

mod contents;
mod dkim;
mod files;
mod layout;
mod markdown;
mod message;
mod page;
mod provider;
mod text;
mod words;

pub use contents::{Contents, Target, contents};
pub use dkim::{Dkim, DkimError, EXAMPLE_KEY};
pub use files::{complete, waits_for};
pub use page::page_of;
pub use provider::{JOB_LABEL, Packing, is_resend_tag, pack_as, packed_for};
pub use words::{Words, words};

use pulldown_cmark::Event;

use crate::base::time::Timestamp;
use crate::markup;
use crate::model::queue::Email;
use crate::model::rules::{MailKind, Sender};
use crate::model::{Body, Content};

/// Longest subject in bytes: a header line may hold no more.
const SUBJECT_BYTES: usize = 900;

/// Everything an e-mail is made of. Templates have been filled in before.
#[derive(Clone, Debug)]
pub struct MailRequest<'a> {
    /// The sequence it belongs to; names the `List-Id` of marketing e-mail.
    pub sequence: &'a str,
    /// The step's name.
    pub name: &'a str,
    /// Whether it carries the means to unsubscribe.
    pub kind: MailKind,
    /// Who it is from.
    pub sender: &'a Sender,
    /// The one recipient: an address without a name.
    pub to: &'a str,
    /// The subject as text.
    pub subject: String,
    /// What it says and brings along. Values from payloads are escaped already.
    pub content: Content,
    /// Where one click unsubscribes this person (`http` or `https`). Only marketing
    /// e-mail uses it; none leaves the link and its headers out.
    pub unsubscribe_url: Option<String>,
    /// The part of the `Message-ID` before the `@`, made from the job's id.
    pub message_id: String,
    /// The `Date` of the message.
    pub at: Timestamp,
}

/// Why no message could be made.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum MailError {
    /// The recipient is not exactly one address.
    #[error(
        "the recipient {0:?} is not one e-mail address: write it as name@example.com, without a \
         display name, with nothing but ASCII before the @"
    )]
    Recipient(String),
    /// The sender's address cannot be used.
    #[error("the sender's address {0:?} is not an e-mail address: mend `sender` in the rules")]
    Sender(String),
    /// The address for answers cannot be used.
    #[error("the address {0:?} is not an e-mail address: mend `reply-to` below `sender`")]
    ReplyTo(String),
    /// Nothing is left of the subject.
    #[error("the subject is empty once its values are filled in: give the values a `default`")]
    SubjectEmpty,
    /// The subject does not fit into a header.
    #[error("the subject has {0} bytes, but a header holds at most {SUBJECT_BYTES}: shorten it")]
    SubjectTooLong(usize),
    /// The unsubscribe address does not fit into a header.
    #[error(
        "the unsubscribe link is not a plain http or https address of at most 900 characters: \
         mend `public-url` below `server`"
    )]
    Unsubscribe,
    /// The layout or the parts did not go together.
    #[error("the message could not be put together: {0}")]
    Compose(String),
}

/// An e-mail as people see it, before it is packed for the wire.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Drawn {
    /// The subject on one line.
    pub subject: String,
    /// The plain text.
    pub text: String,
    /// The whole HTML document.
    pub html: String,
}

/// A subject as it will be shown: on one line.
///
/// # Errors
/// Nothing is left of it, or it does not fit into a header.
pub fn subject(text: &str) -> Result<String, MailError> {
    let subject = message::one_line(text);
    if subject.is_empty() {
        return Err(MailError::SubjectEmpty);
    }
    if subject.len() > SUBJECT_BYTES {
        return Err(MailError::SubjectTooLong(subject.len()));
    }
    Ok(subject)
}

/// Whether messages can be made that are from this sender.
///
/// # Errors
/// Its address or the one for answers cannot be used.
pub fn sender(sender: &Sender) -> Result<(), MailError> {
    message::senders(sender).map(|_| ())
}

/// Draws the e-mail twice, as HTML and as plain text.
///
/// # Errors
/// An empty or overlong subject.
pub fn draw(request: &MailRequest<'_>) -> Result<Drawn, MailError> {
    let subject = subject(&request.subject)?;
    let content = &request.content;
    let preheader = content.preheader.as_deref().filter(|text| !text.trim().is_empty());
    let (html, text) = match &content.body {
        Body::Markdown(markdown) => {
            let body = markdown::events(markdown, &content.images);
            let own = text::plain(body.iter().cloned());
            let footer = footer(request, &own);
            let page = layout::page(content.layout.as_deref(), &body, &footer)?;
            let below = match &content.layout {
                // The layout may say itself what the footer says.
                Some(_) => self::footer(request, &markup::plain(&page)),
                None => Vec::new(),
            };
            let text = text::plain(body.into_iter().chain(footer));
            (layout::finished(&page, &subject, preheader, &below), text)
        }
        Body::Html(page) => {
            let page = markup::safe_links(page);
            let own = markup::plain(&page);
            let below = footer(request, &own);
            let html = layout::finished(&page, &subject, preheader, &below);
            (html, with_footer(own, below))
        }
    };
    let text = written(request).unwrap_or(text);
    Ok(Drawn { subject, text, html })
}

/// What stands below a text of marketing e-mail, as far as the text does not say it itself.
fn footer(request: &MailRequest<'_>, said: &str) -> Vec<Event<'static>> {
    if request.kind == MailKind::Transactional {
        return Vec::new();
    }
    let postal = request.sender.postal_address.as_deref();
    let lines = |text: &str| message::one_line(text).to_lowercase();
    let told = lines(said);
    let untold = |address: &&str| {
        !address.lines().all(|line| told.contains(lines(line).trim_end_matches(',')))
    };
    let url = request.unsubscribe_url.as_deref().filter(|url| !said.contains(*url));
    let words = words(request.content.locale.as_deref());
    markdown::footer(postal.filter(untold), url, words.unsubscribe)
}

fn with_footer(mut text: String, footer: Vec<Event<'static>>) -> String {
    let below = text::plain(footer.into_iter());
    if !below.is_empty() {
        text.push('\n');
        text.push_str(&below);
    }
    text
}

/// The plain text in its author's words, if there is one.
fn written(request: &MailRequest<'_>) -> Option<String> {
    let text = request.content.plain.as_deref()?.replace("\r\n", "\n");
    let text: String = text
        .chars()
        .filter(|letter| matches!(letter, '\n' | '\t') || !letter.is_control())
        .collect();
    let text = format!("{}\n", text.trim_end());
    let below = footer(request, &text);
    Some(with_footer(text, below))
}

/// Draws the e-mail without its HTML, which takes most of the work: for rehearsals of very
/// many calls, where nobody looks at it.
///
/// # Errors
/// As [`draw`].
pub fn draw_plain(request: &MailRequest<'_>) -> Result<Drawn, MailError> {
    let subject = subject(&request.subject)?;
    let own = || match &request.content.body {
        Body::Markdown(markdown) => {
            let body = markdown::events(markdown, &request.content.images);
            let footer = footer(request, &text::plain(body.iter().cloned()));
            text::plain(body.into_iter().chain(footer))
        }
        Body::Html(page) => {
            let own = markup::plain(page);
            let below = footer(request, &own);
            with_footer(own, below)
        }
    };
    let text = written(request).unwrap_or_else(own);
    Ok(Drawn { subject, text, html: String::new() })
}

/// Makes the message.
///
/// # Errors
/// An address that is none, an empty or overlong subject, an unusable unsubscribe link.
pub fn render(request: &MailRequest<'_>) -> Result<Email, MailError> {
    pack(request, draw(request)?)
}

/// Packs what was drawn for the wire, with the headers of its request.
///
/// # Errors
/// An address that is none, an unusable unsubscribe link.
pub fn pack(request: &MailRequest<'_>, drawn: Drawn) -> Result<Email, MailError> {
    message::compose(request, drawn.subject, drawn.text, drawn.html)
}

#[cfg(test)]
mod tests;
