//! What of a Markdown text may reach a mailbox. Raw HTML is shown as the text it is,
//! comments vanish, links keep only addresses that a mail program can safely open, and
//! nesting is bounded. What comes out is drawn twice, as HTML and as plain text, so the
//! two parts of a message always say the same.

use std::sync::Arc;

use pulldown_cmark::{CowStr, Event, LinkType, Parser, Tag, TagEnd};

use crate::model::Attachment;

/// Lists in quotes in lists: deeper than this, only the text is kept.
const DEPTH: usize = 24;

/// Where a link may lead.
const LINKS: [&str; 4] = ["http", "https", "mailto", "tel"];
/// Where an image may come from.
const IMAGES: [&str; 3] = ["http", "https", "cid"];

/// The safe part of a text as a balanced stream of events. An image that comes with the
/// e-mail is shown from there.
pub(super) fn events(markdown: &str, images: &[Arc<Attachment>]) -> Vec<Event<'static>> {
    let markdown: String = markdown
        .replace("\r\n", "\n")
        .chars()
        .filter(|letter| matches!(letter, '\n' | '\t') || !letter.is_control())
        .collect();
    let mut filter = Filter::default();
    for event in Parser::new(&markdown) {
        filter.take(enclosed(event, images).into_static());
    }
    filter.out
}

/// An image by the name of its file becomes one by the name of its part. Nothing else that is
/// written so is one.
fn enclosed<'a>(event: Event<'a>, images: &[Arc<Attachment>]) -> Event<'a> {
    let Event::Start(Tag::Image { link_type, dest_url, title, id }) = event else { return event };
    let image = images.iter().find(|image| *image.name == *dest_url);
    let dest_url = match image {
        Some(image) => format!("cid:{}", image.content_id()).into(),
        None if dest_url.starts_with("cid:") => CowStr::Borrowed(""),
        None => dest_url,
    };
    Event::Start(Tag::Image { link_type, dest_url, title, id })
}

/// The footer of marketing e-mail: the postal address and the visible link with its words.
pub(super) fn footer(
    postal: Option<&str>,
    unsubscribe: Option<&str>,
    words: &'static str,
) -> Vec<Event<'static>> {
    let mut out = Vec::new();
    let lines: Vec<String> = postal.map_or_else(Vec::new, |address| {
        address.lines().map(super::message::one_line).filter(|line| !line.is_empty()).collect()
    });
    if lines.is_empty() && unsubscribe.is_none() {
        return out;
    }
    out.push(Event::Rule);
    if !lines.is_empty() {
        out.push(Event::Start(Tag::Paragraph));
        for (index, line) in lines.into_iter().enumerate() {
            if index > 0 {
                out.push(Event::HardBreak);
            }
            out.push(Event::Text(line.into()));
        }
        out.push(Event::End(TagEnd::Paragraph));
    }
    if let Some(url) = unsubscribe {
        out.push(Event::Start(Tag::Paragraph));
        out.push(Event::Start(Tag::Link {
            link_type: LinkType::Inline,
            dest_url: url.to_owned().into(),
            title: CowStr::Borrowed(""),
            id: CowStr::Borrowed(""),
        }));
        out.push(Event::Text(CowStr::Borrowed(words)));
        out.push(Event::End(TagEnd::Link));
        out.push(Event::End(TagEnd::Paragraph));
    }
    out
}

/// Walks a stream and keeps what may stay.
#[derive(Default)]
struct Filter {
    out: Vec<Event<'static>>,
    /// For each open tag, whether it was kept: its end is treated alike.
    open: Vec<bool>,
    /// The lines of the block of raw HTML that is being read.
    html: String,
}

impl Filter {
    fn take(&mut self, event: Event<'static>) {
        match event {
            Event::Start(tag) => {
                let keep = match &tag {
                    Tag::Link { link_type, dest_url, .. } => is_safe_link(*link_type, dest_url),
                    Tag::Image { dest_url, .. } => is_safe_image(dest_url),
                    Tag::HtmlBlock => false,
                    _ => self.open.len() < DEPTH,
                };
                self.open.push(keep);
                if keep {
                    self.out.push(Event::Start(tag));
                }
            }
            Event::End(TagEnd::HtmlBlock) => {
                self.open.pop();
                self.raw_block();
            }
            Event::End(tag) => {
                if self.open.pop() == Some(true) {
                    self.out.push(Event::End(tag));
                }
            }
            Event::Html(line) => self.html.push_str(&line),
            Event::InlineHtml(tag) if is_comment(&tag) => {}
            Event::InlineHtml(tag) => self.out.push(Event::Text(tag)),
            other => self.out.push(other),
        }
    }

    /// A block of raw HTML has ended: a comment is for the author, anything else is shown.
    fn raw_block(&mut self) {
        let html = std::mem::take(&mut self.html);
        let html = html.trim();
        if !html.is_empty() && !is_comment(html) {
            self.out.push(Event::Start(Tag::Paragraph));
            self.out.push(Event::Text(html.to_owned().into()));
            self.out.push(Event::End(TagEnd::Paragraph));
        }
    }
}

/// Whether a mail program can safely open a link. An address in angle brackets
/// (`<hello@example.com>`) has no scheme; `mailto:` is put before it when it is drawn.
pub(super) fn is_safe_link(kind: LinkType, address: &str) -> bool {
    kind == LinkType::Email || leads_to(address, &LINKS)
}

/// Whether a mail program can safely fetch an image.
pub(super) fn is_safe_image(address: &str) -> bool {
    leads_to(address, &IMAGES)
}

pub(super) fn is_comment(html: &str) -> bool {
    html.starts_with("<!--") && html.ends_with("-->")
}

/// Whether an address is absolute and of one of these schemes. Anything unusual before
/// the first colon (blanks, control characters) is no scheme.
fn leads_to(address: &str, schemes: &[&str]) -> bool {
    address.split_once(':').is_some_and(|(scheme, rest)| {
        !rest.is_empty() && schemes.iter().any(|known| scheme.eq_ignore_ascii_case(known))
    })
}
