//! Hides template tags from programs that read HTML: each becomes a word that means nothing
//! to them, and is put back afterwards.

use std::ops::Range;

use super::pieces::{Piece, Pieces, Tag, templates};

/// Whether a table begins with its rows. A browser puts them into a `tbody`, and that must
/// begin before a `{% for %}` around the first of them.
fn begins_rows(tag: &Tag<'_>, behind: &[Piece<'_>]) -> bool {
    let next = behind.iter().find_map(|piece| match piece {
        Piece::Tag(tag) => Some(tag),
        _ => None,
    });
    tag.is("table") && !tag.closes && next.is_some_and(|next| next.is("tr") && !next.closes)
}

/// A text whose template tags are hidden, and what they were.
pub(super) struct Protected {
    /// The text.
    pub(super) text: String,
    prefix: String,
    tags: Vec<(String, Range<usize>)>,
}

impl Protected {
    /// Hides the tags. With `blocks_as_comments`, `{% … %}` between texts becomes a comment:
    /// a browser moves any other text out of a table.
    pub(super) fn new(source: &str, pieces: &Pieces<'_>, blocks_as_comments: bool) -> Self {
        let mut number = 0;
        let mut prefix = String::from("rrtag");
        while source.contains(&prefix) {
            number += 1;
            prefix = format!("rrtag{number}x");
        }
        let mut hidden = Self { text: String::new(), prefix, tags: Vec::new() };
        let mut at = 0;
        let mut in_title = false;
        for (index, piece) in pieces.all.iter().enumerate() {
            match piece {
                Piece::Template(range) => {
                    hidden.text.push_str(&source[at..range.start]);
                    let is_block = !source[range.clone()].starts_with("{{");
                    hidden.hide(source, range, blocks_as_comments && is_block && !in_title);
                    at = range.end;
                }
                Piece::Tag(tag) => {
                    in_title = tag.is("title") && !tag.closes;
                    at = hidden.within(source, at, tag.range.clone());
                    if blocks_as_comments && begins_rows(tag, &pieces.all[index + 1..]) {
                        hidden.text.push_str(&source[at..tag.range.end]);
                        hidden.text.push_str("<tbody>");
                        at = tag.range.end;
                    }
                }
                Piece::Comment(range) | Piece::Raw(range) | Piece::Text(range) => {
                    at = hidden.within(source, at, range.clone());
                }
                Piece::Declaration => {}
            }
        }
        hidden.text.push_str(&source[at..]);
        hidden
    }

    /// Hides the tags within a stretch, and answers how far the text has been copied.
    fn within(&mut self, source: &str, mut at: usize, range: Range<usize>) -> usize {
        for tag in templates(source, range) {
            self.text.push_str(&source[at..tag.start]);
            self.hide(source, &tag, false);
            at = tag.end;
        }
        at
    }

    fn hide(&mut self, source: &str, tag: &Range<usize>, as_comment: bool) {
        let word = format!("{}{}z", self.prefix, self.tags.len());
        let word = if as_comment { format!("<!--{word}-->") } else { word };
        self.text.push_str(&word);
        self.tags.push((source[tag.clone()].to_owned(), tag.clone()));
    }

    /// Puts the tags back into what became of the text.
    ///
    /// # Errors
    /// The bytes of the first tag that is no longer there.
    pub(super) fn restore(&self, text: &str) -> Result<String, Range<usize>> {
        let mut out = String::with_capacity(text.len());
        let mut seen = vec![false; self.tags.len()];
        let mut rest = text;
        while let Some(start) = rest.find(&self.prefix) {
            let after = &rest[start + self.prefix.len()..];
            let digits = after.find('z').unwrap_or(0);
            let index = after[..digits].parse::<usize>().unwrap_or(usize::MAX);
            let Some((tag, _)) = self.tags.get(index) else {
                out.push_str(&rest[..start + self.prefix.len()]);
                rest = after;
                continue;
            };
            seen[index] = true;
            let before = &rest[..start];
            let after = &after[digits + 1..];
            let as_comment = before.strip_suffix("<!--").zip(after.strip_prefix("-->"));
            let (before, after) = as_comment.unwrap_or((before, after));
            out.push_str(before);
            rest = after;
            out.push_str(tag);
        }
        out.push_str(rest);
        match seen.iter().position(|seen| !seen) {
            Some(lost) => Err(self.tags[lost].1.clone()),
            None => Ok(out),
        }
    }
}
