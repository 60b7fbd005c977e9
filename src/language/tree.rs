//! A rule file as a tree of nodes with their places: what the rest of the language reads.
//! The tree is our own, so that only [`super::syntax`] knows the parser behind it.

use std::ops::Range;

use crate::base::{FileId, SourceMap, Span};

/// One node: a thing or a step.
#[derive(Clone, Debug)]
pub(super) struct Node {
    /// The word that opens it.
    pub(super) name: String,
    /// Where that word stands.
    pub(super) name_span: Span,
    /// The whole node with its children.
    pub(super) span: Span,
    /// A `(type)` before the word, which no node of this language has.
    pub(super) annotation: Option<String>,
    /// Values without a name.
    pub(super) args: Vec<Value>,
    /// Values with a name.
    pub(super) props: Vec<Property>,
    /// The block, if there is one.
    pub(super) children: Option<Vec<Node>>,
}

/// `key=value`.
#[derive(Clone, Debug)]
pub(super) struct Property {
    /// The key.
    pub(super) name: String,
    /// Where the key stands.
    pub(super) name_span: Span,
    /// The value.
    pub(super) value: Value,
}

/// A value with its place.
#[derive(Clone, Debug)]
pub(super) struct Value {
    /// What it is.
    pub(super) data: Data,
    /// The word in `(…)` before it.
    pub(super) annotation: Option<String>,
    /// Where the value itself stands, without key and annotation.
    pub(super) span: Span,
}

/// The kinds of values that rule files have.
#[derive(Clone, Debug, PartialEq)]
pub(super) enum Data {
    /// A text.
    Text(String),
    /// A whole number.
    Integer(i128),
    /// A number with a fraction.
    Float(f64),
    /// `#true` or `#false`.
    Boolean(bool),
    /// `#null`.
    Null,
}

impl Data {
    /// What people call it.
    pub(super) fn word(&self) -> &'static str {
        match self {
            Self::Text(_) => "a text",
            Self::Integer(_) | Self::Float(_) => "a number",
            Self::Boolean(_) => "yes or no",
            Self::Null => "nothing",
        }
    }
}

impl Value {
    /// The text, if it is one and nothing is looked up for it.
    pub(super) fn text(&self) -> Option<&str> {
        match &self.data {
            Data::Text(text) if self.annotation.is_none() => Some(text),
            _ => None,
        }
    }

    /// Whether it is a word that stands without quotation marks.
    pub(super) fn is_bare(&self) -> bool {
        self.text().is_some_and(|text| text.len() == self.span.range().len())
    }

    /// Yes or no, if it is one.
    pub(super) fn boolean(&self) -> Option<bool> {
        match self.data {
            Data::Boolean(value) => Some(value),
            _ => None,
        }
    }

    /// A whole number that fits `T`.
    pub(super) fn whole<T: TryFrom<i128>>(&self) -> Option<T> {
        match self.data {
            Data::Integer(value) => T::try_from(value).ok(),
            _ => None,
        }
    }

    /// The JSON value that it stands for.
    pub(super) fn json(&self) -> serde_json::Value {
        match &self.data {
            Data::Text(text) => text.clone().into(),
            Data::Integer(value) => i64::try_from(*value).map_or_else(
                |_| u64::try_from(*value).map_or(serde_json::Value::Null, Into::into),
                Into::into,
            ),
            Data::Float(value) => serde_json::Number::from_f64(*value)
                .map_or(serde_json::Value::Null, serde_json::Value::Number),
            Data::Boolean(value) => (*value).into(),
            Data::Null => serde_json::Value::Null,
        }
    }

    /// Where bytes of the text stand in the file: quotes, escapes and the indentation of
    /// `"""` blocks are counted in.
    pub(super) fn place(&self, sources: &SourceMap, range: &Range<usize>) -> Span {
        let Data::Text(text) = &self.data else { return self.span };
        let map = offsets(sources.text(self.span), text);
        let at = |index: usize| map.get(index).copied();
        let end = match range.end.checked_sub(1) {
            Some(last) if range.end > range.start => at(last).map(|offset| offset + 1),
            _ => at(range.start),
        };
        match (at(range.start), end) {
            (Some(start), Some(end)) if start <= end => {
                let base = self.span.start as usize;
                Span::new(self.span.file, base + start..base + end)
            }
            _ => self.span,
        }
    }
}

impl Node {
    /// The first argument.
    pub(super) fn first(&self) -> Option<&Value> {
        self.args.first()
    }

    /// The first argument as a text: the name of most things.
    pub(super) fn title(&self) -> Option<&str> {
        self.first().and_then(Value::text)
    }

    /// The place of the name, or of the word where there is none.
    pub(super) fn title_span(&self) -> Span {
        self.first().map_or(self.name_span, |value| value.span)
    }

    /// A property's value; the last one counts, doubles are reported elsewhere.
    pub(super) fn prop(&self, name: &str) -> Option<&Value> {
        self.props.iter().rev().find(|prop| prop.name == name).map(|prop| &prop.value)
    }

    /// A property's text.
    pub(super) fn prop_text(&self, name: &str) -> Option<&str> {
        self.prop(name).and_then(Value::text)
    }

    /// The children, none when there is no block.
    pub(super) fn nodes(&self) -> &[Self] {
        self.children.as_deref().unwrap_or_default()
    }

    /// The first child with this word.
    pub(super) fn child(&self, name: &str) -> Option<&Self> {
        self.nodes().iter().find(|node| node.name == name)
    }

    /// Every child with this word.
    pub(super) fn all<'a>(&'a self, name: &'a str) -> impl Iterator<Item = &'a Self> {
        self.nodes().iter().filter(move |node| node.name == name)
    }

    /// The text of a child's first argument, such as that of `about "…"`.
    pub(super) fn child_text(&self, name: &str) -> Option<&str> {
        self.child(name).and_then(Self::title)
    }

    /// The file it stands in.
    pub(super) fn file(&self) -> FileId {
        self.span.file
    }

    /// The node's first line: what is underlined when the whole thing is meant.
    pub(super) fn head(&self) -> Span {
        let end = self
            .args
            .iter()
            .chain(self.props.iter().map(|prop| &prop.value))
            .map(|value| value.span.end)
            .fold(self.name_span.end, u32::max);
        Span { end, ..self.name_span }
    }
}

/// For each byte of a text's value, its offset in the text as written; one more for the end.
fn offsets(written: &str, value: &str) -> Vec<usize> {
    let hashes = written.bytes().take_while(|byte| *byte == b'#').count();
    let body = &written[hashes..];
    let quotes = if body.starts_with("\"\"\"") { 3 } else { usize::from(body.starts_with('"')) };
    let mut from = hashes + quotes;
    // Where a closing mark is missing, the last letter may be longer than one would have been.
    let to = written.floor_char_boundary(written.len().saturating_sub(hashes + quotes)).max(from);
    let block = quotes == 3;
    let indent = if block {
        from += written[from..].find('\n').map_or(0, |newline| newline + 1);
        written[..to].rfind('\n').map_or("", |newline| &written[newline + 1..to])
    } else {
        ""
    };
    let mut map = Vec::with_capacity(value.len() + 1);
    let mut at = skip_indent(written, from, indent);
    while at < to && map.len() < value.len() {
        let rest = &written[at..to];
        let Some(letter) = rest.chars().next() else { break };
        if block && rest.starts_with("\r\n") {
            // A line ends in one byte in the value, whatever it ends in here.
            at += 1;
        } else if letter == '\\' && hashes == 0 && quotes > 0 {
            let (taken, made) = escape(rest);
            map.extend(std::iter::repeat_n(at, made));
            at += taken;
        } else {
            map.extend(at..at + letter.len_utf8());
            at += letter.len_utf8();
            if letter == '\n' && block {
                at = skip_indent(written, at, indent);
            }
        }
    }
    map.push(at.min(written.len()));
    map
}

fn skip_indent(written: &str, at: usize, indent: &str) -> usize {
    if written[at..].starts_with(indent) { at + indent.len() } else { at }
}

/// How many bytes an escape takes in the file, and how many it makes in the value.
fn escape(rest: &str) -> (usize, usize) {
    let mut letters = rest[1..].chars();
    match letters.next() {
        Some('u') => {
            let length = rest.find('}').map_or(rest.len(), |close| close + 1);
            let made = rest
                .get(3..length - 1)
                .and_then(|digits| u32::from_str_radix(digits, 16).ok())
                .and_then(char::from_u32)
                .map_or(1, char::len_utf8);
            (length, made)
        }
        Some(blank) if blank.is_whitespace() => {
            let blanks = rest[1..].len() - rest[1..].trim_start().len();
            (1 + blanks, 0)
        }
        Some(letter) => (1 + letter.len_utf8(), 1),
        None => (1, 0),
    }
}

#[cfg(test)]
mod tests {
    use super::offsets;

    #[test]
    fn a_text_without_its_closing_mark_has_places_as_well() {
        assert_eq!(offsets("\"\u{fffd}", "\u{fffd}").first(), Some(&1));
    }

    #[test]
    fn a_byte_of_a_value_is_found_where_it_was_written() {
        let at = |written: &str, value: &str, part: &str| {
            let start = offsets(written, value)[value.find(part).expect("part of the value")];
            written[start..].to_owned()
        };
        assert!(at("\"a b\"", "a b", "b").starts_with('b'));
        assert!(at("#\"x == \"s\"\"#", "x == \"s\"", "s").starts_with("s\""));
        assert!(at("\"x\\\"y\\u{e9}z\"", "x\"yéz", "z").starts_with('z'));
        let block = "\"\"\"\n    one\n      two\n    \"\"\"";
        assert!(at(block, "one\n  two", "two").starts_with("two"));
        let windows = "\"\"\"\r\n    one\r\n    two\r\n    \"\"\"";
        assert!(at(windows, "one\ntwo", "two").starts_with("two"));
        assert!(at("word", "word", "rd").starts_with("rd"));
    }
}
