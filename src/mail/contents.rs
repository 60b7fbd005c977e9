//! What an e-mail is made of, for those who check it: links, images, and HTML that will be
//! shown as the text it is.

use std::sync::Arc;

use pulldown_cmark::{Event, LinkType, Parser, Tag, TagEnd};

use super::markdown::{is_comment, is_safe_image, is_safe_link};
use crate::markup;
use crate::model::{Attachment, Body, Content};

/// A link or an image.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Target {
    /// The words that are clicked, or that stand in for the image.
    pub words: String,
    /// Where it leads.
    pub url: String,
    /// Whether it is kept: what no mail program could open safely is left out.
    pub kept: bool,
    /// Whether it is an image about which nothing is said.
    pub is_silent: bool,
}

/// The parts of an e-mail's text, in their order.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Contents {
    /// Links.
    pub links: Vec<Target>,
    /// Images.
    pub images: Vec<Target>,
    /// Raw HTML, piece by piece; comments are not in it.
    pub html: Vec<String>,
    /// Letters that people read, without the words of images.
    pub letters: usize,
}

/// Takes an e-mail that is filled in apart.
#[must_use]
pub fn contents(content: &Content) -> Contents {
    match &content.body {
        Body::Markdown(text) => of_markdown(text, &content.images),
        Body::Html(page) => of_page(page),
    }
}

fn of_page(page: &str) -> Contents {
    let seen = markup::see(page);
    let link = |link: markup::PageLink| Target {
        words: link.words,
        url: link.url,
        kept: link.is_safe,
        is_silent: false,
    };
    let image = |image: markup::Picture| Target {
        is_silent: image.words.is_none(),
        words: image.words.unwrap_or_default(),
        url: image.url,
        kept: image.is_safe,
    };
    Contents {
        links: seen.links.into_iter().map(link).collect(),
        images: seen.images.into_iter().map(image).collect(),
        html: Vec::new(),
        letters: seen.letters,
    }
}

fn of_markdown(markdown: &str, images: &[Arc<Attachment>]) -> Contents {
    let mut found = Contents::default();
    let (mut link, mut image): (Option<Target>, Option<Target>) = (None, None);
    let mut block = String::new();
    for event in Parser::new(markdown) {
        match event {
            Event::Start(Tag::Link { link_type, dest_url, .. }) => {
                let kept = is_safe_link(link_type, &dest_url);
                let scheme = if link_type == LinkType::Email { "mailto:" } else { "" };
                let url = format!("{scheme}{dest_url}");
                link = Some(Target { url, kept, ..Target::default() });
            }
            Event::Start(Tag::Image { dest_url, .. }) => {
                let enclosed = images.iter().any(|image| *image.name == *dest_url);
                let kept = enclosed || is_safe_image(&dest_url);
                image = Some(Target { url: dest_url.into_string(), kept, ..Target::default() });
            }
            Event::End(TagEnd::Link) => found.links.extend(link.take()),
            Event::End(TagEnd::Image) => found.images.extend(image.take().map(|image| {
                let is_silent = image.words.trim().is_empty();
                Target { is_silent, ..image }
            })),
            Event::Text(text) | Event::Code(text) => {
                if let Some(image) = &mut image {
                    image.words.push_str(&text);
                } else {
                    found.letters += text.chars().filter(|letter| letter.is_alphanumeric()).count();
                }
                if let Some(link) = &mut link {
                    link.words.push_str(&text);
                }
            }
            Event::Html(line) => block.push_str(&line),
            Event::End(TagEnd::HtmlBlock) => {
                let block = std::mem::take(&mut block);
                found.html.extend(shown(&block));
            }
            Event::InlineHtml(tag) => found.html.extend(shown(&tag)),
            _ => {}
        }
    }
    found
}

/// HTML that will be shown as text; none for a comment, which vanishes.
fn shown(html: &str) -> Option<String> {
    Some(html.trim()).filter(|html| !html.is_empty() && !is_comment(html)).map(str::to_owned)
}
