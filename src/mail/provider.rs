//! Messages for mail providers that take JSON over HTTP instead of a finished message: Resend
//! and Postmark put the headers and parts together themselves. As with a mail server, the
//! bytes are made once and are the same on every attempt: Resend compares them.
//!
//! Every message carries labels with its sequence, step, variant and job, which the provider
//! repeats when it reports a bounce or is asked for the message.

use serde_json::{Map, Value, json};

use std::sync::Arc;

use super::files::mark;
use super::message::{Envelope, envelope};
use super::{Drawn, MailError, MailRequest, message};
use crate::model::Attachment;
use crate::model::queue::Email;
use crate::model::rules::{Service, ServiceType};

/// The label that holds the job's id.
pub const JOB_LABEL: &str = "job";
/// The stream of Postmark that a service without `stream` uses.
const USUAL_STREAM: &str = "outbound";
/// Longest value of a label, in characters: Postmark takes no more.
const LABEL: usize = 80;

/// What a service wants to be given.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Packing<'a> {
    /// A finished message (RFC 5322), for a mail server.
    Message,
    /// The body of Resend's `POST /emails`.
    Resend,
    /// The body of Postmark's `POST /email`.
    Postmark {
        /// The message stream.
        stream: &'a str,
    },
}

impl<'a> Packing<'a> {
    /// What this service wants.
    #[must_use]
    pub fn of(service: &'a Service) -> Self {
        match service.kind {
            ServiceType::Resend => Self::Resend,
            ServiceType::Postmark => {
                Self::Postmark { stream: service.stream.as_deref().unwrap_or(USUAL_STREAM) }
            }
            _ => Self::Message,
        }
    }
}

/// The type of service that a stored message was packed for: the rules may have changed since.
#[must_use]
pub fn packed_for(message: &[u8]) -> ServiceType {
    if message.starts_with(b"{\"From\"") {
        ServiceType::Postmark
    } else if message.starts_with(b"{\"from\"") {
        ServiceType::Resend
    } else {
        ServiceType::Smtp
    }
}

/// The finished e-mail for this service.
///
/// # Errors
/// An address that is none, an unusable unsubscribe link.
pub fn pack_as(
    request: &MailRequest<'_>,
    drawn: Drawn,
    packing: Packing<'_>,
) -> Result<Email, MailError> {
    if packing == Packing::Message {
        return super::pack(request, drawn);
    }
    let envelope = envelope(request)?;
    let html = drawn.html;
    let mut email = message::email(request, &envelope, drawn.subject, drawn.text, Vec::new());
    let labels = labels(&email, &request.message_id);
    let mut body = match packing {
        Packing::Postmark { stream } => postmark(&email, &envelope, &html, &labels, stream),
        _ => resend(&email, &envelope, &html, &labels),
    };
    let files = enclosed(request, &html, packing);
    if !files.is_empty() {
        let name = if packing == Packing::Resend { "attachments" } else { "Attachments" };
        body.insert(name.into(), Value::Array(files));
    }
    // The sender stands first, by which `packed_for` knows whose body it is.
    let mut rest = Value::Object(body).to_string();
    for file in request.content.files() {
        // The mark of a waiting file stands as it is: what takes its place needs no escape.
        let mark = mark(&file.hash);
        rest = rest.replace(&json!(mark).to_string(), &format!("\"{mark}\""));
    }
    let name = if packing == Packing::Resend { "from" } else { "From" };
    let from = Value::from(envelope.from.to_string());
    email.message = format!("{{\"{name}\":{from},{}", &rest[1..]).into_bytes();
    Ok(email)
}

/// The images that the page shows, and the files that come along. Their bytes are put in when
/// it leaves.
fn enclosed(request: &MailRequest<'_>, html: &str, packing: Packing<'_>) -> Vec<Value> {
    let images = message::shown_images(&request.content, html).into_iter();
    let images = images.map(|image| (image, Some(image.content_id())));
    let files = request.content.attachments.iter().map(|file| (file, None));
    let described = |(file, shown): (&Arc<Attachment>, Option<String>)| {
        let (name, content) = (message::file_name(file), mark(&file.hash));
        let mut entry = if packing == Packing::Resend {
            json!({"filename": name, "content": content, "content_type": file.media})
        } else {
            json!({"Name": name, "Content": content, "ContentType": file.media})
        };
        match (shown, packing) {
            (None, _) => {}
            (Some(id), Packing::Resend) => entry["content_id"] = Value::from(id),
            (Some(id), _) => entry["ContentID"] = Value::from(format!("cid:{id}")),
        }
        entry
    };
    images.chain(files).map(described).collect()
}

/// What the provider is to repeat to us.
fn labels(email: &Email, job: &str) -> Vec<(&'static str, String)> {
    let all = [
        (JOB_LABEL, Some(job)),
        ("sequence", Some(email.sequence.as_str())),
        ("step", Some(email.name.as_str())),
        ("variant", email.variant.as_deref()),
    ];
    let short = |text: &str| text.chars().take(LABEL).collect();
    all.into_iter().filter_map(|(name, value)| Some((name, short(value?)))).collect()
}

fn resend(
    email: &Email,
    envelope: &Envelope,
    html: &str,
    labels: &[(&'static str, String)],
) -> Map<String, Value> {
    let tags: Vec<Value> = labels
        .iter()
        .map(|(name, value)| json!({"name": name, "value": resend_tag(value)}))
        .collect();
    let headers: Map<String, Value> =
        envelope.list.iter().map(|(name, value)| ((*name).to_owned(), json!(value))).collect();
    let mut body = Map::new();
    body.insert("to".into(), json!([email.to]));
    body.insert("subject".into(), json!(email.subject));
    body.insert("text".into(), json!(email.text));
    if !html.is_empty() {
        body.insert("html".into(), json!(html));
    }
    if let Some(reply_to) = &envelope.reply_to {
        body.insert("reply_to".into(), json!(reply_to.to_string()));
    }
    if !headers.is_empty() {
        body.insert("headers".into(), Value::Object(headers));
    }
    body.insert("tags".into(), Value::Array(tags));
    body
}

fn postmark(
    email: &Email,
    envelope: &Envelope,
    html: &str,
    labels: &[(&'static str, String)],
    stream: &str,
) -> Map<String, Value> {
    let metadata: Map<String, Value> =
        labels.iter().map(|(name, value)| ((*name).to_owned(), json!(value))).collect();
    let headers: Vec<Value> =
        envelope.list.iter().map(|(name, value)| json!({"Name": name, "Value": value})).collect();
    let mut body = Map::new();
    body.insert("To".into(), json!(email.to));
    body.insert("Subject".into(), json!(email.subject));
    body.insert("TextBody".into(), json!(email.text));
    if !html.is_empty() {
        body.insert("HtmlBody".into(), json!(html));
    }
    if let Some(reply_to) = &envelope.reply_to {
        body.insert("ReplyTo".into(), json!(reply_to.to_string()));
    }
    if !headers.is_empty() {
        body.insert("Headers".into(), Value::Array(headers));
    }
    body.insert("MessageStream".into(), json!(stream));
    body.insert("Tag".into(), json!(email.sequence));
    body.insert("Metadata".into(), Value::Object(metadata));
    // Nothing is tracked that nobody asked for, whatever the account is set to.
    body.insert("TrackOpens".into(), json!(false));
    body.insert("TrackLinks".into(), json!("None"));
    body
}

/// Whether Resend takes a text as the value of a tag.
#[must_use]
pub fn is_resend_tag(text: &str) -> bool {
    !text.is_empty() && text == resend_tag(text)
}

/// A text as Resend takes it in a tag: letters without accents, digits, dashes and
/// underscores.
fn resend_tag(text: &str) -> String {
    let fits = |letter: char| letter.is_ascii_alphanumeric() || matches!(letter, '-' | '_');
    text.chars().map(|letter| if fits(letter) { letter } else { '-' }).collect()
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::base::source::{SourceMap, Span};
    use crate::base::time::Zone;
    use crate::mail::{draw, pack};
    use crate::model::rules::{MailKind, Sender};

    fn packed(packing: Packing<'_>, sequence: &str) -> Email {
        let sender = Sender {
            name: Some("Müller \"Söhne\", Inc.".to_owned()),
            address: "hello@acme.example".to_owned(),
            reply_to: None,
            postal_address: None,
            caps: Vec::new(),
            seeds: Vec::new(),
            zone: Zone::UTC,
            span: Span::new(SourceMap::new().add("rules.kdl", ""), 0..0),
        };
        let request = MailRequest {
            sequence,
            name: "hello",
            kind: MailKind::Transactional,
            sender: &sender,
            to: "sarah@salon.example",
            subject: "Hi\r\nBcc: all@salon.example".to_owned(),
            content: crate::model::Content::markdown("Hi **Sarah**\n"),
            unsubscribe_url: None,
            message_id: "0AbC9".to_owned(),
            at: "2025-12-01T10:30:00Z".parse().unwrap(),
        };
        let drawn = draw(&request).unwrap();
        if packing == Packing::Message {
            return pack(&request, drawn).unwrap();
        }
        pack_as(&request, drawn, packing).unwrap()
    }

    #[test]
    fn the_bytes_say_for_whom_they_are_and_are_the_same_each_time() {
        for (packing, kind) in [
            (Packing::Message, ServiceType::Smtp),
            (Packing::Resend, ServiceType::Resend),
            (Packing::Postmark { stream: "outbound" }, ServiceType::Postmark),
        ] {
            let email = packed(packing, "news");
            assert_eq!(packed_for(&email.message), kind);
            assert_eq!(email, packed(packing, "news"));
        }
    }

    #[test]
    fn names_become_labels_that_the_provider_takes() {
        let odd = "grüße an alle ".repeat(10);
        let body: Value = serde_json::from_slice(&packed(Packing::Resend, &odd).message).unwrap();
        let tag = body["tags"][1]["value"].as_str().unwrap();
        assert!(tag.starts_with("gr--e-an-alle-") && tag.len() == LABEL, "{tag}");
        assert!(is_resend_tag(tag) && !is_resend_tag(&odd) && !is_resend_tag(""));
        let packing = Packing::Postmark { stream: "outbound" };
        let body: Value = serde_json::from_slice(&packed(packing, &odd).message).unwrap();
        let kept = body["Metadata"]["sequence"].as_str().unwrap();
        assert!(odd.starts_with(kept) && kept.chars().count() == LABEL, "{kept}");
    }

    #[test]
    fn nothing_gets_out_of_its_field() {
        let body: Value = serde_json::from_slice(&packed(Packing::Resend, "a").message).unwrap();
        assert_eq!(body["subject"], "Hi Bcc: all@salon.example");
        assert_eq!(body["from"], "\"Müller \\\"Söhne\\\", Inc.\" <hello@acme.example>");
        assert_eq!(body.get("headers"), None);
        assert_eq!(body.get("reply_to"), None);
    }
}
