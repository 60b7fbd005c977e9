//! A rule text as a row of tokens, for whoever must know where somebody is typing: an editor
//! asks in the middle of a word, when nothing parses yet. Nothing is refused here; a text
//! without its closing mark simply goes on to the end of its line.

use std::ops::Range;

use super::letters::{is_bare, is_newline, string_end};

/// What a token is.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) enum Kind {
    /// A word, number or `#true` without quotation marks.
    Word,
    /// A text; the range is what stands between its marks.
    Text { inner: Range<usize>, closed: bool },
    /// `=`.
    Equals,
    /// `{`.
    Open,
    /// `}`.
    Close,
    /// `(`.
    OpenRound,
    /// `)`.
    CloseRound,
    /// The end of a line, or `;`.
    End,
    /// `/-`.
    Off,
    /// `//…` or `/*…*/`.
    Comment,
}

/// A token with its place.
#[derive(Clone, Debug)]
pub(super) struct Token {
    pub(super) kind: Kind,
    pub(super) range: Range<usize>,
}

/// Every token of a text, with an end behind the last.
pub(super) fn tokens(text: &str) -> Vec<Token> {
    let mut tokens = Vec::new();
    let mut at = 0;
    while let Some(letter) = text[at..].chars().next() {
        let (kind, end) = next(text, at, letter);
        if let Some(kind) = kind {
            tokens.push(Token { kind, range: at..end });
        }
        at = end;
    }
    tokens.push(Token { kind: Kind::End, range: at..at });
    tokens
}

/// The token at a place, or none for blanks, and where it ends.
fn next(text: &str, at: usize, letter: char) -> (Option<Kind>, usize) {
    let rest = &text[at..];
    let one = at + letter.len_utf8();
    let hashes = rest.bytes().take_while(|byte| *byte == b'#').count();
    if rest[hashes..].starts_with('"') {
        return quoted(text, at, hashes);
    }
    match letter {
        '=' => (Some(Kind::Equals), one),
        '{' if rest.starts_with("{{") => {
            let line = line_end(rest);
            (Some(Kind::Word), at + rest[..line].find("}}").map_or(line, |end| end + 2))
        }
        '{' => (Some(Kind::Open), one),
        '}' => (Some(Kind::Close), one),
        '(' => (Some(Kind::OpenRound), one),
        ')' => (Some(Kind::CloseRound), one),
        ';' => (Some(Kind::End), one),
        '\\' => {
            // The line goes on below.
            let blanks = rest[1..].len() - rest[1..].trim_start().len();
            (None, one + blanks)
        }
        '/' if rest.starts_with("//") => (Some(Kind::Comment), at + line_end(rest)),
        '/' if rest.starts_with("/*") => {
            (Some(Kind::Comment), at + super::format::comment_length(rest))
        }
        '/' if rest.starts_with("/-") => (Some(Kind::Off), at + 2),
        _ if is_newline(letter) => (Some(Kind::End), one),
        _ if letter.is_whitespace() || letter == '\u{feff}' => (None, one),
        _ => {
            let word = rest[letter.len_utf8()..]
                .find(|letter| !is_bare(letter) && !matches!(letter, '/' | '#' | '[' | ']'))
                .map_or(rest.len(), |length| length + letter.len_utf8());
            (Some(Kind::Word), at + word)
        }
    }
}

fn quoted(text: &str, at: usize, hashes: usize) -> (Option<Kind>, usize) {
    let body = at + hashes;
    let block = text[body..].starts_with("\"\"\"");
    let quotes = if block { 3 } else { 1 };
    let from = body + quotes;
    if let Some(end) = string_end(text, from, hashes, block) {
        let inner = from..end - quotes - hashes;
        return (Some(Kind::Text { inner, closed: true }), end);
    }
    let end = if block { text.len() } else { from + line_end(&text[from..]) };
    (Some(Kind::Text { inner: from..end, closed: false }), end)
}

fn line_end(rest: &str) -> usize {
    rest.find(is_newline).unwrap_or(rest.len())
}

/// What stands between the marks of a value as it is written; all of it when it has none.
pub(super) fn inner(written: &str) -> Range<usize> {
    match next(written, 0, written.chars().next().unwrap_or(' ')) {
        (Some(Kind::Text { inner, .. }), _) => inner,
        _ => 0..written.len(),
    }
}
