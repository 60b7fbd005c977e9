//! Puts a message together: the envelope, the headers, the parts. Nothing in it is
//! drawn by lot: the boundary between the parts is a digest, the date is handed in.

use std::sync::Arc;

use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use lettre::Address;
use lettre::message::header::{
    ContentDisposition, ContentId, ContentTransferEncoding, ContentType, HeaderName, HeaderValue,
};
use lettre::message::{Body, Mailbox, Message, MultiPart, SinglePart};
use sha2::{Digest as _, Sha256};

use super::{MailError, MailRequest};
use crate::base::address::ascii_domain;
use crate::base::time::Timestamp;
use crate::model::queue::Email;
use crate::model::rules::{MailKind, Sender};
use crate::model::{Attachment, Content};

/// Longest unsubscribe address, so that its header stays on one line.
const LINK_BYTES: usize = 900;

/// Bytes of a subject that one coded word holds, so that its line stays below 78 characters.
const CODED_BYTES: usize = 42;

const TO: HeaderName = HeaderName::new_from_ascii_str("To");
const MESSAGE_ID: HeaderName = HeaderName::new_from_ascii_str("Message-ID");
const LIST_ID: &str = "List-Id";
const LIST_UNSUBSCRIBE: &str = "List-Unsubscribe";
const LIST_UNSUBSCRIBE_POST: &str = "List-Unsubscribe-Post";

/// A text as one line: every run of blanks, line breaks and control characters becomes
/// one space, so that nothing can begin a header of its own.
pub(super) fn one_line(text: &str) -> String {
    text.split(|letter: char| {
        letter.is_whitespace() || letter.is_control() || matches!(letter, '\u{2028}' | '\u{2029}')
    })
    .filter(|word| !word.is_empty())
    .collect::<Vec<_>>()
    .join(" ")
}

/// Who a message is from and for, and the headers of marketing e-mail.
pub(super) struct Envelope {
    pub(super) from: Mailbox,
    pub(super) to: Address,
    pub(super) reply_to: Option<Address>,
    /// Headers with their values, each on one line.
    pub(super) list: Vec<(&'static str, String)>,
}

/// The envelope that a request asks for.
pub(super) fn envelope(request: &MailRequest<'_>) -> Result<Envelope, MailError> {
    let sender = request.sender;
    let (from, reply_to) = senders(sender)?;
    let to = address(request.to).ok_or_else(|| MailError::Recipient(request.to.to_owned()))?;
    let name = sender.name.as_deref().map(one_line).filter(|name| !name.is_empty());
    let mut list = Vec::new();
    if request.kind == MailKind::Marketing {
        list.push((LIST_ID, format!("<{}.{}>", label(request.sequence), from.domain())));
        if let Some(url) = &request.unsubscribe_url {
            let url = link(url).ok_or(MailError::Unsubscribe)?;
            list.push((LIST_UNSUBSCRIBE, format!("<{url}>")));
            list.push((LIST_UNSUBSCRIBE_POST, "List-Unsubscribe=One-Click".to_owned()));
        }
    }
    Ok(Envelope { from: Mailbox::new(name, from), to, reply_to, list })
}

/// The e-mail as it is stored, with these bytes for the wire.
pub(super) fn email(
    request: &MailRequest<'_>,
    envelope: &Envelope,
    subject: String,
    text: String,
    message: Vec<u8>,
) -> Email {
    Email {
        sequence: request.sequence.to_owned(),
        name: request.name.to_owned(),
        variant: request.content.variant.clone(),
        from: envelope.from.email.to_string(),
        to: envelope.to.to_string(),
        subject,
        text,
        marketing: request.kind == MailKind::Marketing,
        message,
        handed: None,
    }
}

/// The finished e-mail.
pub(super) fn compose(
    request: &MailRequest<'_>,
    subject: String,
    text: String,
    html: String,
) -> Result<Email, MailError> {
    let envelope = envelope(request)?;
    let domain = envelope.from.email.domain();
    let message_id = format!("<{}@{domain}>", label(&request.message_id));

    let mut builder = Message::builder()
        .from(envelope.from.clone())
        // Filters hold it against an e-mail with an image when the address stands bare.
        .raw_header(line(TO, format!("<{}>", envelope.to)))
        .date(date(request.at))
        .raw_header(line(MESSAGE_ID, message_id));
    if let Some(reply_to) = envelope.reply_to.clone() {
        builder = builder.reply_to(Mailbox::new(None, reply_to));
    }
    builder = match coded(&subject) {
        Some(coded) => {
            let name = HeaderName::new_from_ascii_str("Subject");
            let value = HeaderValue::dangerous_new_pre_encoded(name, subject.clone(), coded);
            builder.raw_header(value)
        }
        None => builder.subject(subject.clone()),
    };
    for (name, value) in &envelope.list {
        builder = builder.raw_header(line(HeaderName::new_from_ascii_str(name), value.clone()));
    }
    let message = builder
        .multipart(parts(request, text.clone(), html)?)
        .map_err(|fault| MailError::Compose(fault.to_string()))?
        .formatted();
    Ok(email(request, &envelope, subject, text, message))
}

/// The address that e-mails are from, and the one for answers if there is one.
pub(super) fn senders(sender: &Sender) -> Result<(Address, Option<Address>), MailError> {
    let from = address(&sender.address).ok_or(MailError::Sender(sender.address.clone()))?;
    let answers = sender.reply_to.as_ref();
    let answers = answers.map(|text| address(text).ok_or_else(|| MailError::ReplyTo(text.clone())));
    Ok((from, answers.transpose()?))
}

/// The text and the HTML as alternatives, with the images that the HTML shows and the files
/// that come along. Texts are quoted-printable, in which `=_` cannot occur, and files are
/// base64, so nothing can contain a boundary.
fn parts(request: &MailRequest<'_>, text: String, html: String) -> Result<MultiPart, MailError> {
    let digest = hex::encode(Sha256::digest(request.message_id.as_bytes()));
    let boundary = |level: &str| format!("=_{level}{}", &digest[..32]);
    let content = &request.content;
    let images = shown_images(content, &html).into_iter();
    let images: Vec<SinglePart> =
        images.map(|image| file(image, true)).collect::<Result<_, _>>()?;
    let letter = MultiPart::alternative()
        .boundary(boundary(""))
        .singlepart(part(ContentType::TEXT_PLAIN, text)?);
    let html = part(ContentType::TEXT_HTML, html)?;
    let letter = if images.is_empty() {
        letter.singlepart(html)
    } else {
        let page = MultiPart::related().boundary(boundary("r")).singlepart(html);
        letter.multipart(images.into_iter().fold(page, MultiPart::singlepart))
    };
    if content.attachments.is_empty() {
        return Ok(letter);
    }
    let mut whole = MultiPart::mixed().boundary(boundary("m")).multipart(letter);
    for attachment in &content.attachments {
        whole = whole.singlepart(file(attachment, false)?);
    }
    Ok(whole)
}

/// The images that a page shows, each once.
pub(super) fn shown_images<'a>(content: &'a Content, html: &str) -> Vec<&'a Arc<Attachment>> {
    let shown = |image: &&Arc<Attachment>| html.contains(&format!("cid:{}", image.content_id()));
    let mut images: Vec<&Arc<Attachment>> = content.images.iter().filter(shown).collect();
    images.sort_by_key(|image| &image.hash);
    images.dedup_by_key(|image| &image.hash);
    images
}

/// The name under which readers see a file.
pub(super) fn file_name(file: &Attachment) -> String {
    one_line(file.name.rsplit('/').next().unwrap_or_default())
}

/// A file that comes along, or an image that the HTML shows. Its bytes are put in when it
/// leaves.
fn file(file: &Attachment, inline: bool) -> Result<SinglePart, MailError> {
    let kind = ContentType::parse(file.media)
        .map_err(|_| MailError::Compose(format!("the kind of {} is unknown", file.name)))?;
    let name = file_name(file);
    let mark = super::files::mark(&file.hash).into_bytes();
    let body = Body::dangerous_pre_encoded(mark, ContentTransferEncoding::Base64);
    let part = SinglePart::builder().header(kind);
    let part = if inline {
        part.header(ContentDisposition::inline_with_name(&name))
            .header(ContentId::from(format!("<{}>", file.content_id())))
    } else {
        part.header(ContentDisposition::attachment(&name))
    };
    Ok(part.body(body))
}

fn part(kind: ContentType, text: String) -> Result<SinglePart, MailError> {
    let body = Body::new_with_encoding(text, ContentTransferEncoding::QuotedPrintable)
        .map_err(|_| MailError::Compose("a part could not be encoded".to_owned()))?;
    Ok(SinglePart::builder().header(kind).body(body))
}

/// An address that every mail server takes: ASCII throughout, a domain in other letters
/// in its ASCII form, nothing in quotes.
fn address(text: &str) -> Option<Address> {
    let (user, domain) = text.rsplit_once('@')?;
    let plain = |byte: u8| byte.is_ascii_graphic() && byte != b'"';
    if !user.bytes().all(plain) || text.len() > 254 {
        return None;
    }
    if domain.is_ascii() {
        return Address::new(user, domain).ok();
    }
    Address::new(user, ascii_domain(domain)?).ok()
}

/// The date as the message's header holds it: not before 1970.
fn date(at: Timestamp) -> std::time::SystemTime {
    at.max(Timestamp::UNIX_EPOCH).into()
}

/// A name as one label of a `Message-ID` or `List-Id`: letters, digits and dashes.
fn label(name: &str) -> String {
    name.chars().map(|c| if c.is_ascii_alphanumeric() { c } else { '-' }).collect()
}

/// An address that may stand in a header between angle brackets.
fn link(url: &str) -> Option<&str> {
    let web = url.starts_with("https://") || url.starts_with("http://");
    let plain = url.bytes().all(|byte| byte.is_ascii_graphic() && !matches!(byte, b'<' | b'>'));
    (web && plain && url.len() <= LINK_BYTES).then_some(url)
}

/// A subject that holds what looks like coded text (`=?utf-8?q?…?=`) as coded text itself:
/// otherwise mail programs would show what it decodes to and not what was written. None where
/// the usual way serves.
fn coded(subject: &str) -> Option<String> {
    if !subject.contains("=?") {
        return None;
    }
    let mut words = Vec::new();
    let mut rest = subject;
    while !rest.is_empty() {
        let (word, behind) = rest.split_at(rest.floor_char_boundary(CODED_BYTES));
        words.push(format!("=?utf-8?b?{}?=", STANDARD.encode(word)));
        rest = behind;
    }
    Some(words.join("\r\n "))
}

/// A header on one line of its own, for values without blanks: folding them would break
/// what relays and readers make of them.
fn line(name: HeaderName, value: String) -> HeaderValue {
    HeaderValue::dangerous_new_pre_encoded(name, value.clone(), value)
}
