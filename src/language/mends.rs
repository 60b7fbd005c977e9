//! Mends: what to write in the place of a mistake, in the signs that its place needs. There
//! is one only where nobody could mean anything else.

use super::forms;
use super::tree::{Data, Value};
use super::vocabulary::Type;
use crate::base::diagnostic::only_close;

/// A text in quotation marks; none where it holds signs that would have to be written
/// differently.
pub(super) fn quoted(text: &str) -> Option<String> {
    let plain = |letter: char| !letter.is_control() && !matches!(letter, '"' | '\\');
    text.chars().all(plain).then(|| format!("\"{text}\""))
}

/// A word in the place of a value: without quotation marks where that one has none.
pub(super) fn instead_of(value: &Value, word: &str) -> Option<String> {
    let bare = |letter: char| letter.is_ascii_alphanumeric() || matches!(letter, '-' | '_');
    let stays = value.is_bare()
        && word.starts_with(|letter: char| letter.is_ascii_alphabetic())
        && word.chars().all(bare)
        && !matches!(word, "true" | "false" | "null" | "inf" | "nan");
    if stays { Some(word.to_owned()) } else { quoted(word) }
}

/// The one declared name that a value can mean.
pub(super) fn name<'a>(value: &Value, known: impl IntoIterator<Item = &'a str>) -> Option<String> {
    instead_of(value, only_close(value.text()?, known)?)
}

/// A text within the quotation marks of a value, as its guard or template means it.
pub(super) fn within(source: &str, text: &str) -> Option<String> {
    let special = text.contains(['"', '\\']);
    if special && !source.starts_with('#') {
        // Within plain marks those of the text itself are escaped.
        return (!text.contains('\\')).then(|| text.replace('"', "\\\""));
    }
    (!text.contains("\"#")).then(|| text.to_owned())
}

/// A value of a kind that can be written in one way only.
pub(super) fn of_kind(value: &Value, kind: Type) -> Option<String> {
    let text = match (&value.data, kind) {
        (Data::Text(text), _) => text,
        (Data::Integer(number), Type::Text | Type::Name | Type::Template) => {
            return Some(format!("\"{number}\""));
        }
        _ => return None,
    };
    let mended = match kind {
        Type::Boolean => {
            return match text.as_str() {
                "true" | "yes" | "on" => Some(String::from("#true")),
                "false" | "no" | "off" => Some(String::from("#false")),
                _ => None,
            };
        }
        Type::Whole(..) => return text.parse::<i64>().ok().map(|number| number.to_string()),
        Type::Number => return text.parse::<f64>().is_ok().then(|| text.clone()),
        Type::Choice(words, _) => only_close(text, words.iter().copied())?.to_owned(),
        Type::Zone => forms::zone_meant(text)?,
        Type::Path if !text.starts_with('/') && !text.contains("://") => format!("/{text}"),
        Type::Origin => origin(text)?,
        Type::Methods => methods(text)?,
        _ => return None,
    };
    // Only what is right afterwards is a mend.
    forms::fault(&mended, kind).is_none().then(|| instead_of(value, &mended))?
}

/// Methods in capital letters and with their own spelling.
fn methods(text: &str) -> Option<String> {
    let meant = |part: &str| only_close(part, forms::METHODS).filter(|_| part.len() > 2);
    let all: Option<Vec<&str>> =
        text.split([' ', ',']).filter(|part| !part.is_empty()).map(meant).collect();
    all.map(|all| all.join(" "))
}

/// An origin without the path behind it.
fn origin(text: &str) -> Option<String> {
    let host = text.strip_prefix("https://").or_else(|| text.strip_prefix("http://"))?;
    let length = text.len() - host.len() + host.find('/')?;
    text.get(..length).map(str::to_owned)
}
