//! What a page links to and shows: for those who check it, and for the last look before it
//! leaves, when values stand in it.

use std::ops::Range;

use super::pieces::{Attribute, Piece, Tag, pieces};
use super::plain::{plain, text_of};

/// Where a link of an e-mail may lead.
const LINKS: [&str; 4] = ["http", "https", "mailto", "tel"];
/// Where an image may come from: the web, or the message itself.
const IMAGES: [&str; 3] = ["http", "https", "cid"];

/// A link.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct PageLink {
    /// The words that are clicked.
    pub words: String,
    /// Where it leads.
    pub url: String,
    /// Whether a mail program opens it.
    pub is_safe: bool,
}

/// An image.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Picture {
    /// The words for those who do not see it; none where nothing is said about it, which is
    /// not the same as `alt=""`.
    pub words: Option<String>,
    /// Where it comes from.
    pub url: String,
    /// Whether a mail program fetches it.
    pub is_safe: bool,
    /// Whether its width is said.
    pub has_width: bool,
}

/// What a page shows.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Seen {
    /// Links in order.
    pub links: Vec<PageLink>,
    /// Images in order.
    pub images: Vec<Picture>,
    /// Letters that people read.
    pub letters: usize,
    /// Words that people read.
    pub words: usize,
}

/// Looks at a finished page.
#[must_use]
pub fn see(page: &str) -> Seen {
    let mut seen = Seen::default();
    let mut open: Option<PageLink> = None;
    for piece in pieces(page).all {
        match piece {
            Piece::Text(range) => {
                if let Some(link) = &mut open {
                    link.words.push_str(&text_of(&page[range]));
                }
            }
            Piece::Tag(tag) if tag.is("a") => {
                seen.links.extend(open.take());
                if let Some(href) = tag.get("href").filter(|_| !tag.closes) {
                    let url = text_of(href.value).trim().to_owned();
                    let is_safe = leads_to(&url, &LINKS);
                    open = Some(PageLink { words: String::new(), url, is_safe });
                }
            }
            Piece::Tag(tag) if tag.is("img") => {
                let url = tag.get("src").map(|src| text_of(src.value)).unwrap_or_default();
                let url = url.trim().to_owned();
                let words = tag.get("alt").map(|alt| text_of(alt.value));
                let has_width = tag.get("width").is_some()
                    || tag.get("style").is_some_and(|style| style.value.contains("width"));
                let is_safe = leads_to(&url, &IMAGES);
                seen.images.push(Picture { words, url, is_safe, has_width });
            }
            _ => {}
        }
    }
    seen.links.extend(open);
    let text = plain(page);
    seen.letters = text.chars().filter(|letter| letter.is_alphanumeric()).count();
    seen.words = text.split_whitespace().count();
    seen
}

/// The page with every link and image empty that no mail program may follow. What an author
/// wrote is checked before; this is for addresses that came out of a value.
#[must_use]
pub fn safe_links(page: &str) -> String {
    rewritten(page, |tag, attribute| {
        let schemes: &[&str] = match attribute.name.to_ascii_lowercase().as_str() {
            "href" => &LINKS,
            "src" | "background" => &IMAGES,
            _ => return None,
        };
        let url = text_of(attribute.value);
        let url = url.trim();
        let fine = url.is_empty() || leads_to(url, schemes) || url.starts_with('#');
        (!fine && !tag.is("html")).then(String::new)
    })
}

/// Where HTML or MJML says this address for a link, in order; of an empty one, the whole tag.
#[must_use]
pub fn links_to(source: &str, url: &str) -> Vec<Range<usize>> {
    let mut found = Vec::new();
    for piece in pieces(source).all {
        let Piece::Tag(tag) = piece else { continue };
        let Some(href) = tag.get("href").filter(|_| !tag.closes) else { continue };
        if text_of(href.value).trim() == url {
            found.push(if url.is_empty() { tag.range.clone() } else { href.range.clone() });
        }
    }
    found
}

/// The page with its links leading elsewhere, as far as `elsewhere` knows where.
#[must_use]
pub fn redirected(page: &str, elsewhere: impl Fn(&str) -> Option<String>) -> String {
    rewritten(page, |tag, attribute| {
        if !(tag.is("a") || tag.is("area")) || !attribute.name.eq_ignore_ascii_case("href") {
            return None;
        }
        let url = elsewhere(text_of(attribute.value).trim())?;
        Some(url.replace('&', "&amp;").replace('"', "&quot;").replace('\'', "&#39;"))
    })
}

/// The page with other values of attributes.
pub(super) fn rewritten(
    page: &str,
    change: impl Fn(&Tag<'_>, &Attribute<'_>) -> Option<String>,
) -> String {
    let mut out = String::with_capacity(page.len());
    let mut at = 0;
    for piece in pieces(page).all {
        let Piece::Tag(tag) = piece else { continue };
        for attribute in &tag.attributes {
            if let Some(value) = change(&tag, attribute) {
                out.push_str(&page[at..attribute.range.start]);
                out.push_str(&value);
                at = attribute.range.end;
            }
        }
    }
    out.push_str(&page[at..]);
    out
}

/// The text with all that people do not read blanked out, everything else in its place.
#[must_use]
pub fn readable(source: &str) -> String {
    let mut out = String::with_capacity(source.len());
    let blank = |out: &mut String, until: usize| {
        let missing = until.saturating_sub(out.len());
        out.extend(std::iter::repeat_n(' ', missing));
    };
    for piece in pieces(source).all {
        if let Piece::Text(range) | Piece::Template(range) = piece {
            blank(&mut out, range.start);
            out.push_str(&source[range]);
        }
    }
    blank(&mut out, source.len());
    out
}

/// The first element that nobody sees: hidden, or in the colour of what it stands on. Its
/// bytes are those of the tag that hides it. One that stands before all visible text is a
/// preheader, and meant.
#[must_use]
pub fn hidden(page: &str) -> Option<(std::ops::Range<usize>, &'static str)> {
    let mut begun = false;
    let mut in_body = !super::is_document(page);
    let mut preheader = false;
    for piece in pieces(page).all {
        match piece {
            Piece::Text(range) if in_body && !preheader => begun |= !page[range].trim().is_empty(),
            Piece::Template(_) if in_body && !preheader => begun = true,
            Piece::Tag(tag) if tag.is("body") => in_body = true,
            Piece::Tag(tag) if tag.closes => preheader = false,
            Piece::Tag(tag) if is_hidden(&tag) && !begun => preheader = true,
            Piece::Tag(tag) if is_hidden(&tag) => return Some((tag.range, "it is hidden")),
            Piece::Tag(tag) if is_invisible(&tag) => {
                return Some((tag.range, "its letters have the colour of what they stand on"));
            }
            _ => {}
        }
    }
    None
}

/// Whether letters have the colour of the ground on which the same element puts them.
fn is_invisible(tag: &Tag<'_>) -> bool {
    let Some(style) = tag.get("style").map(|style| style.value.to_ascii_lowercase()) else {
        return false;
    };
    let value = |name: &str| {
        let mut rules = style.split(';').filter_map(|rule| rule.split_once(':'));
        rules.find_map(|(key, value)| (key.trim() == name).then(|| value.trim().to_owned()))
    };
    let ground = value("background-color").or_else(|| value("background"));
    ground.is_some() && ground == value("color")
}

/// Whether an element says that it is not to be seen.
pub(super) fn is_hidden(tag: &Tag<'_>) -> bool {
    let style = tag.get("style").map(|style| style.value.to_ascii_lowercase());
    let style: String =
        style.unwrap_or_default().chars().filter(|letter| !letter.is_whitespace()).collect();
    style.contains("display:none") || style.contains("visibility:hidden")
}

/// Whether an address is absolute and of one of these schemes. Anything unusual before the
/// first colon (blanks, control characters) is no scheme.
fn leads_to(address: &str, schemes: &[&str]) -> bool {
    address.split_once(':').is_some_and(|(scheme, rest)| {
        !rest.is_empty() && schemes.iter().any(|known| scheme.eq_ignore_ascii_case(known))
    })
}
