//! Images that a text shows by the name of a file, and the place in a layout where the text
//! goes.

use std::ops::Range;

use super::links::rewritten;
use super::pieces::{Piece, pieces};
use super::plain::text_of;

/// Attributes that name an image.
const SOURCES: &[&str] = &["src", "background", "background-url"];

/// The page with every image whose name `known` knows in the place that it gives.
#[must_use]
pub fn with_images(page: &str, known: impl Fn(&str) -> Option<String>) -> String {
    rewritten(page, |_, attribute| {
        let name = attribute.name.to_ascii_lowercase();
        let is_image = SOURCES.contains(&name.as_str());
        if is_image { known(text_of(attribute.value).trim()) } else { None }
    })
}

/// The names of files that HTML or MJML shows as images, with their bytes. Those that a value
/// names are not among them: no value picks a file.
#[must_use]
pub fn local_images(source: &str) -> Vec<(String, Range<usize>)> {
    let mut found = Vec::new();
    for piece in pieces(source).all {
        let Piece::Tag(tag) = piece else { continue };
        for attribute in &tag.attributes {
            let name = attribute.name.to_ascii_lowercase();
            let value = text_of(attribute.value);
            if SOURCES.contains(&name.as_str()) && is_file_name(value.trim()) {
                found.push((value.trim().to_owned(), attribute.range.clone()));
            }
        }
    }
    found
}

/// The names of files that Markdown shows as images (`![words](logo.png)`), with their bytes.
#[must_use]
pub fn markdown_images(source: &str) -> Vec<(String, Range<usize>)> {
    let mut found = Vec::new();
    let mut at = 0;
    while let Some(start) = source[at..].find("![").map(|start| at + start + 2) {
        at = start;
        let Some(open) = source[start..].find("](").map(|open| start + open + 2) else { break };
        let rest = &source[open..];
        let target = match rest.strip_prefix('<') {
            Some(inner) => inner.split('>').next().unwrap_or_default(),
            None => rest.split([')', ' ', '\n', '"']).next().unwrap_or_default(),
        };
        let begin = open + usize::from(rest.starts_with('<'));
        if is_file_name(target) {
            found.push((target.to_owned(), begin..begin + target.len()));
        }
    }
    found
}

/// Whether an address is the name of a file: no scheme, no place of a website, no tag.
fn is_file_name(address: &str) -> bool {
    !address.is_empty() && !address.contains([':', '{', '}']) && !address.starts_with(['/', '#'])
}

/// Where a layout says `{{content}}` between elements.
#[must_use]
pub fn content_places(source: &str) -> Vec<Range<usize>> {
    let is_content = |range: &Range<usize>| {
        source[range.clone()].trim_matches(['{', '}', '-']).trim() == "content"
    };
    let places = pieces(source).all.into_iter().filter_map(|piece| match piece {
        Piece::Template(range) if is_content(&range) => Some(range),
        _ => None,
    });
    places.collect()
}
