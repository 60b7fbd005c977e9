//! HTML read aloud: the plain text of a page, with the address of each link behind its
//! words. Tables that only lay a page out leave no trace; lists keep their marks. What is
//! hidden is not read.

use super::links::is_hidden;
use super::pieces::{Piece, Tag, pieces};
use crate::base::text::{ends_in_address, goes_on};

/// Elements that begin a line of their own.
const BLOCKS: &[&str] = &[
    "p",
    "div",
    "h1",
    "h2",
    "h3",
    "h4",
    "h5",
    "h6",
    "ul",
    "ol",
    "table",
    "tr",
    "blockquote",
    "pre",
    "hr",
    "section",
    "article",
    "header",
    "footer",
    "center",
    "body",
];
/// Those that keep a distance to what is around them.
const APART: &[&str] =
    &["p", "h1", "h2", "h3", "h4", "h5", "h6", "ul", "ol", "blockquote", "pre", "table", "hr"];
/// Elements whose text nobody reads.
const SILENT: &[&str] = &["head", "title", "style", "script"];
/// Elements that have no end.
const VOID: &[&str] = &["br", "hr", "img", "meta", "input", "link", "col", "wbr", "area", "base"];

/// The plain text of a finished page.
#[must_use]
pub fn plain(page: &str) -> String {
    let mut writer = Writer::default();
    for piece in pieces(page).all {
        match piece {
            Piece::Text(range) => writer.text(&text_of(&page[range])),
            // In a finished page they are what somebody typed.
            Piece::Template(range) => writer.text(&page[range]),
            Piece::Tag(tag) if tag.closes => writer.close(&tag),
            Piece::Tag(tag) => writer.open(&tag),
            Piece::Raw(_) | Piece::Comment(_) | Piece::Declaration => {}
        }
    }
    writer.finish()
}

#[derive(Default)]
struct Writer {
    out: String,
    line: String,
    /// Empty lines that belong before the next line.
    gap: bool,
    /// Names of open elements below one that is not read, itself first.
    silent: Vec<String>,
    /// The open link: where it leads and where its words begin.
    link: Option<(String, usize)>,
    /// For each open list the number of its next item.
    lists: Vec<Option<usize>>,
    verbatim: usize,
    /// Whether the line ends in an address that what follows must not go on with: in the page
    /// it ended there.
    apart: bool,
}

impl Writer {
    fn text(&mut self, text: &str) {
        if !self.silent.is_empty() {
            return;
        }
        for letter in text.chars() {
            let blank = matches!(letter, ' ' | '\t' | '\n' | '\r' | '\u{c}');
            match letter {
                '\n' if self.verbatim > 0 => self.end_line(),
                _ if blank && self.verbatim == 0 => {
                    if !self.line.is_empty() && !self.line.ends_with(' ') {
                        self.line.push(' ');
                    }
                }
                '\u{a0}' => self.line.push(' '),
                // Marks that break a word or hold it together, and those that fill a preheader.
                '\u{ad}' | '\u{200b}'..='\u{200d}' | '\u{34f}' | '\u{feff}' => {}
                letter if letter.is_control() && letter != '\t' => {}
                letter => {
                    if self.apart && goes_on(letter) {
                        self.line.extend((!self.line.ends_with(' ')).then_some(' '));
                        self.apart = false;
                    }
                    self.line.push(letter);
                }
            }
        }
    }

    fn open(&mut self, tag: &Tag<'_>) {
        let name = tag.name.to_ascii_lowercase();
        let has_end = !tag.is_empty && !VOID.contains(&name.as_str());
        if !self.silent.is_empty() || SILENT.contains(&name.as_str()) || is_hidden(tag) {
            if has_end {
                self.silent.push(name);
            }
            return;
        }
        self.block(&name);
        match name.as_str() {
            "br" => self.end_line(),
            "hr" => {
                self.line.push_str("----------");
                self.block("hr");
            }
            "img" => {
                let words = tag.get("alt").map(|alt| text_of(alt.value)).unwrap_or_default();
                self.text(&words);
            }
            "a" => {
                let url = tag.get("href").map(|href| text_of(href.value)).unwrap_or_default();
                self.link = Some((url.trim().to_owned(), self.line.len()));
            }
            "td" | "th" if !self.line.is_empty() && !self.line.ends_with(' ') => {
                self.line.push(' ');
            }
            "ul" => self.lists.push(None),
            "ol" => self.lists.push(Some(1)),
            "li" => {
                self.end_line();
                let depth = "  ".repeat(self.lists.len().saturating_sub(1));
                let mark = match self.lists.last_mut() {
                    Some(Some(number)) => {
                        *number += 1;
                        format!("{depth}{}. ", *number - 1)
                    }
                    _ => format!("{depth}- "),
                };
                self.line.push_str(&mark);
            }
            "pre" => self.verbatim += 1,
            _ => {}
        }
    }

    fn close(&mut self, tag: &Tag<'_>) {
        let name = tag.name.to_ascii_lowercase();
        if !self.silent.is_empty() {
            if let Some(at) = self.silent.iter().rposition(|open| *open == name) {
                self.silent.truncate(at);
            }
            return;
        }
        match name.as_str() {
            "a" => self.address(),
            "ul" | "ol" => {
                self.lists.pop();
            }
            "li" => self.end_line(),
            "pre" => self.verbatim = self.verbatim.saturating_sub(1),
            _ => {}
        }
        self.apart = ends_in_address(&self.line);
        self.block(&name);
    }

    fn block(&mut self, name: &str) {
        if BLOCKS.contains(&name) {
            self.end_line();
        }
        // A list within a list stays close to it.
        self.gap |= APART.contains(&name) && self.lists.is_empty();
    }

    /// Writes where a link leads, unless its words say so.
    fn address(&mut self) {
        let Some((url, begin)) = self.link.take() else { return };
        let shown = url.strip_prefix("mailto:").or(url.strip_prefix("tel:")).unwrap_or(&url);
        let words = self.line.get(begin.min(self.line.len())..).unwrap_or_default().trim();
        if shown.is_empty() || words == shown || shown.starts_with('#') {
            return;
        }
        if words.is_empty() {
            self.line.push_str(shown);
        } else {
            self.line.truncate(self.line.trim_end().len());
            self.line.extend([" (", shown, ")"]);
        }
    }

    fn end_line(&mut self) {
        let line = std::mem::take(&mut self.line);
        let line = line.trim_end();
        if line.trim().is_empty() {
            return;
        }
        if self.gap && !self.out.is_empty() {
            self.out.push('\n');
        }
        self.gap = false;
        self.out.push_str(line);
        self.out.push('\n');
        // A link that goes over several lines has its words in more than this one.
        if let Some((_, begin)) = &mut self.link {
            *begin = 0;
        }
    }

    fn finish(mut self) -> String {
        self.end_line();
        self.out
    }
}

/// A text of HTML with its references (`&amp;`, `&#33;`) written out.
#[must_use]
pub fn text_of(html: &str) -> String {
    let mut out = String::with_capacity(html.len());
    let mut rest = html;
    while let Some(at) = rest.find('&') {
        out.push_str(&rest[..at]);
        rest = &rest[at..];
        let end = rest.char_indices().take(12).find(|(_, letter)| *letter == ';');
        let letter = end.and_then(|(end, _)| Some((reference(&rest[1..end])?, end)));
        if let Some((letter, end)) = letter {
            out.push(letter);
            rest = &rest[end + 1..];
        } else {
            out.push('&');
            rest = &rest[1..];
        }
    }
    out.push_str(rest);
    out
}

fn reference(name: &str) -> Option<char> {
    if let Some(number) = name.strip_prefix('#') {
        let code = match number.strip_prefix(['x', 'X']) {
            Some(hex) => u32::from_str_radix(hex, 16).ok()?,
            None => number.parse().ok()?,
        };
        return char::from_u32(code);
    }
    Some(match name {
        "amp" => '&',
        "lt" => '<',
        "gt" => '>',
        "quot" => '"',
        "apos" => '\'',
        "nbsp" => '\u{a0}',
        "copy" => '©',
        "reg" => '®',
        "trade" => '™',
        "euro" => '€',
        "pound" => '£',
        "hellip" => '…',
        "ndash" => '–',
        "mdash" => '—',
        "lsquo" => '‘',
        "rsquo" => '’',
        "ldquo" => '“',
        "rdquo" => '”',
        "laquo" => '«',
        "raquo" => '»',
        "bull" => '•',
        "middot" => '·',
        "rarr" => '→',
        "larr" => '←',
        "shy" => '\u{ad}',
        "zwnj" => '\u{200c}',
        "zwj" => '\u{200d}',
        "times" => '×',
        "deg" => '°',
        "auml" => 'ä',
        "ouml" => 'ö',
        "uuml" => 'ü',
        "Auml" => 'Ä',
        "Ouml" => 'Ö',
        "Uuml" => 'Ü',
        "szlig" => 'ß',
        "eacute" => 'é',
        "egrave" => 'è',
        "agrave" => 'à',
        "ccedil" => 'ç',
        "ntilde" => 'ñ',
        _ => return None,
    })
}
