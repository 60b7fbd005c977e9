//! Addresses in a text in which a sign stands for every value: where one begins, what ends
//! it at the place where it stands, and whether a value stands where it must not.

use std::ops::Range;

use crate::markup::text_of;

/// Where a value stands, in a text in which nothing else matters of it.
pub(super) const VALUE: char = super::MARK;
/// What ends the name of a website. What is written in Markdown keeps no `\`: it is spelt.
const HOST_ENDS: &str = "/?#\\";
/// As far back, in bytes, as what an address stands in is looked for.
const NEAR: usize = 400;
/// What an address begins with.
const SCHEMES: [&str; 3] = ["https", "http", "mailto"];
/// Attributes of HTML and MJML whose value is an address.
const LEADING: [&str; 5] = ["href", "src", "background", "url", "action"];

/// An address, as far as it says which website it leads to, or who is written to.
pub(super) struct Address {
    /// Where its scheme begins.
    pub(super) start: usize,
    /// Where the name of the website begins, or who is written to.
    host: usize,
    /// Where that ends.
    pub(super) end: usize,
    /// Whether it is a link to write to somebody.
    pub(super) writes: bool,
}

/// An address whose website or reader a value would choose.
pub(super) struct Chosen {
    /// Its bytes.
    pub(super) address: Range<usize>,
    /// Where the value stands.
    pub(super) value: usize,
    /// Whether it is a link to write to somebody.
    pub(super) writes: bool,
}

/// The addresses of a text in order. None begins inside another's host.
pub(super) fn addresses(text: &str) -> impl Iterator<Item = Address> {
    let mut seen = 0;
    text.match_indices(':').filter_map(move |(colon, _)| {
        if colon < seen {
            return None;
        }
        let before = &text[..colon];
        let scheme = SCHEMES.into_iter().find(|word| ends_in(before, word))?;
        let start = colon - scheme.len();
        let writes = scheme == "mailto";
        let place = Place::of(&text[..start]);
        let mut host = colon + 1;
        if !writes {
            host += place.slashes(&text[host..]);
        }
        let end = host + place.length(&text[host..], if writes { "?" } else { HOST_ENDS });
        seen = end;
        Some(Address { start, host, end, writes })
    })
}

/// The first address of which a value chooses where it leads. Of who is written to, a value
/// may be all.
pub(super) fn chosen(text: &str) -> Option<Chosen> {
    let within = addresses(text).find_map(|Address { start, host, end, writes }| {
        let value = host + text[host..end].find(VALUE)?;
        let is_all = writes && end - host == VALUE.len_utf8();
        (!is_all).then_some(Chosen { address: start..end, value, writes })
    });
    within.or_else(|| {
        text.match_indices(VALUE).find_map(|(value, sign)| {
            let (before, after) = (&text[..value], &text[value + sign.len()..]);
            let scheme = SCHEMES.into_iter().find(|word| ends_in(before, word));
            let start = value - scheme.map_or(0, str::len);
            // A value before `://` could be a whole address itself, or a part of `https`.
            let is_chosen = scheme.is_some() || after.starts_with("://");
            let writes = scheme == Some("mailto");
            is_chosen.then_some(Chosen { address: start..value + sign.len(), value, writes })
        })
    })
}

/// Where an address stands, which decides what ends it.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Place {
    /// In an attribute, behind this quotation mark. Browsers drop line breaks and tabs in an
    /// address, and take every other sign for a part of it.
    Attribute(char),
    /// In Markdown between `](` and `)`, or behind `]:`.
    Target,
    /// There between `<` and `>`.
    Angle,
    /// In a text, where mail programs make links of addresses; perhaps behind a `'`.
    Plain { is_quoted: bool },
}

impl Place {
    /// The place behind this text.
    pub(super) fn of(before: &str) -> Self {
        let near = before.floor_char_boundary(before.len().saturating_sub(NEAR));
        let before = &before[near..];
        // A value may say nothing.
        let opened = before.trim_end_matches(|c: char| c.is_whitespace() || c == VALUE);
        let is_target = |text: &str| text.ends_with("](") || text.ends_with("]:");
        if let Some(quote) = opened.chars().next_back().filter(|c| matches!(c, '"' | '\''))
            && let Some(name) = opened[..opened.len() - 1].trim_end().strip_suffix('=')
            && LEADING.iter().any(|word| ends_in(name.trim_end(), word))
        {
            return Self::Attribute(quote);
        }
        if opened.strip_suffix('<').is_some_and(|opened| is_target(opened.trim_end())) {
            return Self::Angle;
        }
        if is_target(opened) {
            return Self::Target;
        }
        Self::Plain { is_quoted: before.ends_with('\'') }
    }

    /// How far an address goes with which this text begins, which also ends at `stops`.
    pub(super) fn length(self, text: &str, stops: &str) -> usize {
        let (mut at, mut open) = (0, 0_usize);
        while let Some((letter, length)) = self.read(&text[at..]) {
            let is_written = length == letter.len_utf8();
            match letter {
                '(' if is_written => open += 1,
                ')' if is_written && open > 0 => open -= 1,
                '\\' if !matches!(self, Self::Attribute(_)) => {}
                _ if stops.contains(letter) || self.ends(letter, is_written) => break,
                _ => {}
            }
            at += length;
        }
        at
    }

    /// Whether an address ends before this letter, which may be a reference.
    fn ends(self, letter: char, is_written: bool) -> bool {
        match self {
            Self::Attribute(quote) => is_written && letter == quote,
            Self::Angle => is_written && matches!(letter, '>' | '\n'),
            Self::Target => is_written && (letter.is_whitespace() || letter == ')'),
            Self::Plain { is_quoted } => ends_link(letter) || (is_quoted && letter == '\''),
        }
    }

    /// The slashes before a host: browsers take any number of them, whichever way they lean.
    fn slashes(self, text: &str) -> usize {
        let mut at = 0;
        while let Some((letter, length)) = self.read(&text[at..]) {
            let is_dropped = matches!(self, Self::Attribute(_)) && "\t\r\n".contains(letter);
            if !is_dropped && !matches!(letter, '/' | '\\') {
                break;
            }
            at += length;
        }
        at
    }

    /// The next letter as a browser gets it, and its bytes: references are read, and in
    /// Markdown a `\` before a sign only says that the sign means nothing.
    fn read(self, text: &str) -> Option<(char, usize)> {
        let letter = text.chars().next()?;
        if letter == '&'
            && let Some((end, _)) = text.char_indices().take(12).find(|(_, c)| *c == ';')
            && let Some(said) = Some(text_of(&text[..=end])).filter(|said| said.len() < end)
            && let Some(letter) = said.chars().next()
        {
            return Some((letter, end + 1));
        }
        if letter == '\\'
            && !matches!(self, Self::Attribute(_))
            && let Some(escaped) = text[1..].chars().next().filter(char::is_ascii_punctuation)
        {
            return Some((escaped, 2));
        }
        Some((letter, letter.len_utf8()))
    }
}

/// What ends an address in a text for the programs that make links of them.
fn ends_link(letter: char) -> bool {
    letter.is_whitespace()
        || "\"`<>[])|“”„‘’‚«»‹›".contains(letter)
        || matches!(letter, '\u{3000}'..='\u{303f}' | '\u{ff01}'..='\u{ff0c}' | '\u{ff0f}')
        || matches!(letter, '\u{ff1a}'..='\u{ff20}' | '\u{ff3b}'..='\u{ff40}' | '\u{ff5b}'..='\u{ff65}')
}

fn ends_in(text: &str, word: &str) -> bool {
    let end = text.len().checked_sub(word.len()).and_then(|start| text.get(start..));
    end.is_some_and(|end| end.eq_ignore_ascii_case(word))
}
