//! `rulerun fmt`: puts the lines of a rule file where their blocks say, and touches nothing
//! within a line. Four blanks a level, no blanks at the end of a line, at most one empty line
//! in a row and none at the edges of a block. Comments, quotation marks, numbers as they were
//! written and columns that somebody has aligned stay. The result is read again before it is
//! given out: a text that would mean something else is never written.

use std::fmt::Write as _;

use super::letters::string_end;
use super::syntax;
use super::tree::Node;
use crate::base::{Sink, SourceMap};

/// Blanks for each level of blocks.
const INDENT: usize = 4;

/// Why a text is not formatted.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
pub enum FormatError {
    /// It has mistakes, so nobody can tell what it means.
    #[error("it cannot be read; `rulerun validate` says why")]
    Unreadable,
    /// A fault of the formatter: the text is left as it is.
    #[error("formatting would change what it means, so it was left alone; please report this file")]
    WouldChange,
}

/// The formatted text of a rule file.
///
/// # Errors
/// When the text cannot be read, or the result would not mean the same.
pub fn format(text: &str) -> Result<String, FormatError> {
    let text = text.trim_start_matches('\u{feff}').replace("\r\n", "\n");
    let before = meaning(&text).ok_or(FormatError::Unreadable)?;
    let after = Writer::new(&text).write();
    if meaning(&after).as_ref() == Some(&before) {
        Ok(after)
    } else {
        Err(FormatError::WouldChange)
    }
}

/// Everything about a text that must stay: its nodes without their places, and its comments.
/// None when it has mistakes.
fn meaning(text: &str) -> Option<(String, Vec<String>)> {
    let (mut sources, mut sink) = (SourceMap::new(), Sink::new());
    let file = sources.add("a.kdl", text);
    let nodes = syntax::parse(file, text, &mut sink)?;
    if sink.has_errors() {
        return None;
    }
    let mut all = String::new();
    describe(&nodes, &mut all);
    Some((all, Writer::new(text).comments()))
}

fn describe(nodes: &[Node], into: &mut String) {
    for node in nodes {
        // Writing to a string cannot fail.
        let _ = write!(into, "{:?} {:?}", node.annotation, node.name);
        for value in &node.args {
            let _ = write!(into, " {:?}{:?}", value.annotation, value.data);
        }
        for prop in &node.props {
            let _ =
                write!(into, " {:?}={:?}{:?}", prop.name, prop.value.annotation, prop.value.data);
        }
        if let Some(children) = &node.children {
            into.push_str(" {\n");
            describe(children, into);
            into.push('}');
        }
        into.push('\n');
    }
}

/// A part of a text, as far as lines care.
#[derive(Clone, Copy, PartialEq, Eq)]
enum Piece {
    /// `{`.
    Open,
    /// `}`.
    Close,
    /// `\` at the end of a line: the node goes on below.
    Onward,
    /// `//…`.
    LineComment,
    /// `/*…*/`.
    Comment,
    /// A text; a block is `"""…"""`.
    Text { block: bool },
    /// A line ends.
    Newline,
    /// Anything else.
    Other,
}

/// Reads a text that is known to be whole, piece by piece, and writes it anew.
struct Writer<'t> {
    text: &'t str,
    at: usize,
    out: String,
    depth: usize,
}

impl<'t> Writer<'t> {
    fn new(text: &'t str) -> Self {
        Self { text, at: 0, out: String::with_capacity(text.len() + 64), depth: 0 }
    }

    /// The next piece with its text.
    fn next(&mut self) -> Option<(Piece, &'t str)> {
        let rest = &self.text[self.at..];
        let first = rest.chars().next()?;
        let hashes = rest.bytes().take_while(|byte| *byte == b'#').count();
        let quoted = &rest[hashes..];
        let (piece, length) = if rest.starts_with("//") {
            (Piece::LineComment, rest.find('\n').unwrap_or(rest.len()))
        } else if rest.starts_with("/*") {
            (Piece::Comment, comment_length(rest))
        } else if quoted.starts_with('"') {
            let block = quoted.starts_with("\"\"\"");
            let from = self.at + hashes + if block { 3 } else { 1 };
            let end = string_end(self.text, from, hashes, block).unwrap_or(self.text.len());
            (Piece::Text { block }, end - self.at)
        } else {
            let piece = match first {
                '{' => Piece::Open,
                '}' => Piece::Close,
                '\\' => Piece::Onward,
                '\n' => Piece::Newline,
                _ => Piece::Other,
            };
            (piece, first.len_utf8())
        };
        self.at += length;
        Some((piece, &rest[..length]))
    }

    /// Every comment, each of its lines without the blanks around it.
    fn comments(mut self) -> Vec<String> {
        let mut comments = Vec::new();
        while let Some((piece, text)) = self.next() {
            if matches!(piece, Piece::LineComment | Piece::Comment) {
                comments.extend(text.lines().map(|line| line.trim().to_owned()));
            }
        }
        comments
    }

    fn write(mut self) -> String {
        // Whether the line above opened a block, or goes on in this one.
        let (mut opened, mut onward) = (true, false);
        let mut empty = false;
        while self.at < self.text.len() {
            self.at += self.text[self.at..].len()
                - self.text[self.at..].trim_start_matches(is_blank).len();
            if self.text[self.at..].starts_with('\n') {
                self.at += 1;
                empty = true;
                continue;
            }
            let closes = self.text[self.at..].starts_with('}');
            if std::mem::take(&mut empty) && !opened && !closes && !onward {
                self.out.push('\n');
            }
            (opened, onward) = self.line(onward);
        }
        self.out
    }

    /// Writes one line, with all of a text or comment that begins in it; answers whether it
    /// ends by opening a block, and whether its node goes on below.
    fn line(&mut self, continues: bool) -> (bool, bool) {
        let leading = self.text[self.at..].chars().take_while(|letter| *letter == '}').count();
        let level = self.depth.saturating_sub(leading) + usize::from(continues);
        let indent = " ".repeat(level * INDENT);
        let mut line = indent.clone();
        let (mut last, mut onward) = (Piece::Other, false);
        while let Some((piece, text)) = self.next() {
            match piece {
                Piece::Newline => break,
                Piece::Open => self.depth += 1,
                Piece::Close => self.depth = self.depth.saturating_sub(1),
                Piece::Onward => onward = true,
                _ => {}
            }
            if matches!(piece, Piece::Text { block: true }) {
                line.push_str(&moved(text, &indent));
            } else {
                line.push_str(text);
            }
            let is_space = piece == Piece::Other && text.chars().all(is_blank);
            if !is_space && !matches!(piece, Piece::LineComment | Piece::Comment) {
                last = piece;
            }
        }
        self.out.push_str(line.trim_end_matches(is_blank));
        self.out.push('\n');
        (last == Piece::Open, onward)
    }
}

/// A text of several lines with its last line, and so all of them, at this indent. What it
/// says stays: its last line's blanks are cut from every line.
fn moved(text: &str, indent: &str) -> String {
    let last = text.rfind('\n').map_or(0, |newline| newline + 1);
    let tail = &text[last..];
    let old = &tail[..tail.len() - tail.trim_start_matches(is_blank).len()];
    let mut lines = text.split('\n');
    let mut out = lines.next().unwrap_or_default().to_owned();
    for line in lines {
        out.push('\n');
        match line.strip_prefix(old) {
            Some(rest) if !rest.trim_matches(is_blank).is_empty() => {
                out.push_str(indent);
                out.push_str(rest);
            }
            // An empty line.
            _ => {}
        }
    }
    out
}

/// How long a comment is, those within it included.
pub(super) fn comment_length(text: &str) -> usize {
    let (mut depth, mut at) = (0_usize, 0);
    while at < text.len() {
        if text[at..].starts_with("/*") {
            depth += 1;
            at += 2;
        } else if text[at..].starts_with("*/") {
            depth -= 1;
            at += 2;
            if depth == 0 {
                return at;
            }
        } else {
            at += text[at..].chars().next().map_or(1, char::len_utf8);
        }
    }
    text.len()
}

/// White space that ends no line.
fn is_blank(letter: char) -> bool {
    letter.is_whitespace() && letter != '\n'
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn lines_stand_where_their_blocks_say_and_nothing_within_them_moves() {
        let text = "\n\nserver listen=\"a\"   {  // here\n limits   body=\"1KiB\"\n\n\n   /* two\n  lines */\n\t\tlimits body=0xff   \n\n  }\n\n\n\nabout {}\n  path \\\n \"/x\"\n a { b; c }\n";
        let formatted = "server listen=\"a\"   {  // here\n    limits   body=\"1KiB\"\n\n    /* two\n  lines */\n    limits body=0xff\n}\n\nabout {}\npath \\\n    \"/x\"\na { b; c }\n";
        assert_eq!(format(text).as_deref(), Ok(formatted));
        assert_eq!(format(formatted).as_deref(), Ok(formatted));
    }

    #[test]
    fn texts_of_several_lines_say_the_same() {
        let text = "a {\nb #\"\"\"\n      // none\n    } \"\"\n\n      x   \n    \"\"\"#\n}\n";
        let formatted =
            "a {\n    b #\"\"\"\n      // none\n    } \"\"\n\n      x   \n    \"\"\"#\n}\n";
        assert_eq!(format(text).as_deref(), Ok(formatted));
        let deeper = format(&format!("z {{\n{text}}}\n")).unwrap();
        assert!(
            deeper.contains("\n          // none\n        } \"\"\n\n          x   \n"),
            "{deeper}"
        );
    }

    #[test]
    fn what_cannot_be_read_is_left_alone() {
        for text in ["a {", "url https://example.com", "a \"b"] {
            assert_eq!(format(text), Err(FormatError::Unreadable), "{text}");
        }
    }
}
