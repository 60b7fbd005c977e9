//! How a value is printed: as plain text, and escaped for where it lands.

use std::borrow::Cow;
use std::fmt::Write as _;

use serde_json::Value;

use super::Format;

/// A value as a person reads it: text as it is, whole numbers without `.0`, lists and
/// objects as compact JSON.
pub(super) fn plain(value: &Value) -> Cow<'_, str> {
    match value {
        Value::String(text) => Cow::Borrowed(text),
        Value::Number(number) => {
            let text = number.to_string();
            Cow::Owned(text.strip_suffix(".0").map(str::to_owned).unwrap_or(text))
        }
        other => Cow::Owned(other.to_string()),
    }
}

/// The text as a template of this format prints it.
pub(super) fn printed(text: &str, format: Format) -> Cow<'_, str> {
    match format {
        Format::Text => Cow::Borrowed(text),
        Format::Markdown => Cow::Owned(markdown(text)),
        Format::Html => Cow::Owned(html(text)),
    }
}

/// Escapes a text so that it stays this text in Markdown, in HTML inside Markdown, and as
/// the target of a link.
///
/// Every ASCII punctuation mark becomes a numeric character reference: Markdown never
/// takes one for markup, a browser shows the same character, and unlike a backslash it
/// also holds inside an HTML block or attribute. Line breaks and tabs become spaces,
/// because a value must not begin a new block; and spaces become references too, because
/// they could make an indented code block or a hard line break, and would end the address
/// of a link that the author completes with a name. Other control characters are dropped,
/// and with them those that turn the direction of text.
fn markdown(text: &str) -> String {
    let mut out = String::with_capacity(text.len() + text.len() / 4);
    for c in text.chars().filter(|c| !is_dropped(*c)) {
        match c {
            c if is_blank(c) => {
                out.push_str("&#32;");
            }
            c if c.is_ascii_punctuation() => {
                // Writing to a String does not fail.
                let _ = write!(out, "&#{};", u32::from(c));
            }
            c => out.push(c),
        }
    }
    out
}

/// Escapes a text so that it stays this text in HTML, between elements and in an attribute
/// in quotation marks. What breaks a line becomes a space, as HTML would show it; other
/// control characters are dropped.
fn html(text: &str) -> String {
    let mut out = String::with_capacity(text.len() + text.len() / 8);
    for c in text.chars().filter(|c| !is_dropped(*c)) {
        match c {
            c if is_blank(c) => out.push(' '),
            '&' | '<' | '>' | '"' | '\'' | '`' | '{' | '}' | '=' => {
                // Writing to a String does not fail.
                let _ = write!(out, "&#{};", u32::from(c));
            }
            c => out.push(c),
        }
    }
    out
}

/// Blanks, tabs and all that breaks a line.
fn is_blank(c: char) -> bool {
    matches!(c, ' ' | '\t' | '\n' | '\r' | '\u{b}' | '\u{c}' | '\u{85}' | '\u{2028}' | '\u{2029}')
}

/// Control characters that are no blanks, and those that turn the direction of text.
fn is_dropped(c: char) -> bool {
    matches!(c, '\u{202a}'..='\u{202e}' | '\u{2066}'..='\u{2069}')
        || (c.is_control() && !is_blank(c))
}
