//! What an e-mail is made of, for those who check it: links, images, and HTML that will be
//! shown as the text it is.

use pulldown_cmark::{Event, LinkType, Parser, Tag, TagEnd};

use super::markdown::{is_comment, is_safe_image, is_safe_link};

/// A link or an image.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Target {
    /// The words that are clicked, or that stand in for the image.
    pub words: String,
    /// Where it leads.
    pub url: String,
    /// Whether it is kept: what no mail program could open safely is left out.
    pub kept: bool,
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

/// Takes a rendered Markdown text apart.
#[must_use]
pub fn contents(markdown: &str) -> Contents {
    let mut found = Contents::default();
    let (mut link, mut image): (Option<Target>, Option<Target>) = (None, None);
    let mut block = String::new();
    for event in Parser::new(markdown) {
        match event {
            Event::Start(Tag::Link { link_type, dest_url, .. }) => {
                let kept = is_safe_link(link_type, &dest_url);
                let scheme = if link_type == LinkType::Email { "mailto:" } else { "" };
                let url = format!("{scheme}{dest_url}");
                link = Some(Target { words: String::new(), url, kept });
            }
            Event::Start(Tag::Image { dest_url, .. }) => {
                let kept = is_safe_image(&dest_url);
                image = Some(Target { words: String::new(), url: dest_url.into_string(), kept });
            }
            Event::End(TagEnd::Link) => found.links.extend(link.take()),
            Event::End(TagEnd::Image) => found.images.extend(image.take()),
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
