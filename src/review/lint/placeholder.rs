//! Stand-ins that other programs replace and rulerun does not: `[FIRST NAME]`, `*|NAME|*`,
//! `${name}`, `{name}`, `%NAME%`, `<<name>>`, and texts that nobody meant to send.

use std::ops::Range;

use crate::base::{Diagnostic, Span};
use crate::language::codes;

/// The marks around a stand-in.
const MARKS: &[(&str, &str)] =
    &[("*|", "|*"), ("${", "}"), ("<<", ">>"), ("[", "]"), ("{", "}"), ("%", "%")];
/// Words of which one stands in capitals within square brackets, where they mean something.
const WORDS: &[&str] = &[
    "ADDRESS",
    "BUSINESS",
    "CITY",
    "COMPANY",
    "DATE",
    "EMAIL",
    "FIRST",
    "FIRSTNAME",
    "INSERT",
    "LAST",
    "LASTNAME",
    "LINK",
    "NAME",
    "PHONE",
    "PLACEHOLDER",
    "PRODUCT",
    "TBD",
    "TODO",
    "URL",
    "YOUR",
];
/// Words that tell an author to write something, when they come first within square brackets.
const ORDERS: &[&str] = &["add", "insert", "todo", "your"];
/// Those that begin ordinary words in the brackets of subjects: `[Your order] is on its way`.
const ORDINARY: &[&str] = &["add", "your"];
/// So many are told of one text.
const MOST: usize = 20;
/// Longest stand-in, in bytes.
const LONGEST: usize = 60;

/// What is looked through.
#[derive(Clone, Copy, PartialEq, Eq)]
pub(super) enum Part {
    /// A text.
    Text,
    /// A subject, where square brackets often stand around a topic.
    Subject,
}

/// Every stand-in of a part of an e-mail. `known` are the fields that a tag could name.
pub(super) fn find(
    part: Part,
    text: &str,
    known: &[String],
    place: impl Fn(Range<usize>) -> Span,
) -> Vec<Diagnostic> {
    let plain = without_tags(text);
    let mut found = Vec::new();
    let mut from = 0;
    while found.len() < MOST
        && let Some((range, inner)) = next(part, &plain, from)
    {
        from = range.end;
        let span = place(range.clone());
        let written = &plain[range];
        let told = Diagnostic::warning(
            codes::PLACEHOLDER,
            format!("`{written}` is not replaced: readers would see it"),
            span,
        )
        .label("not a tag");
        let name = inner.trim().to_lowercase().replace([' ', '-'], "_");
        let field = known.iter().find(|field| **field == name || field.replace('_', "") == name);
        found.push(match field {
            Some(field) => {
                told.help(format!("write {{{{{field}}}}}")).fix(span, format!("{{{{{field}}}}}"))
            }
            None => told.help(
                "write a tag with the name of a field, such as {{first_name}}, or the words \
                 themselves",
            ),
        });
    }
    if let Some(at) = plain.to_ascii_lowercase().find("lorem ipsum") {
        found.push(
            Diagnostic::warning(
                codes::PLACEHOLDER,
                "this is a text that fills a gap, and nobody meant to send it",
                place(at..at + "lorem ipsum".len()),
            )
            .label("filler")
            .help("write what you want to say"),
        );
    }
    found
}

/// The text with its tags and remarks blanked out, everything else in its place.
fn without_tags(text: &str) -> String {
    let mut plain = text.to_owned();
    for (open, close) in [("{{", "}}"), ("{%", "%}"), ("{#", "#}"), ("<!--", "-->")] {
        let mut from = 0;
        while let Some(start) = plain[from..].find(open).map(|at| from + at) {
            let end = plain[start..].find(close).map_or(plain.len(), |at| start + at + close.len());
            plain.replace_range(start..end, &" ".repeat(end - start));
            from = end;
        }
    }
    plain
}

/// The next stand-in from there on, with what stands between its marks.
fn next(part: Part, text: &str, from: usize) -> Option<(Range<usize>, &str)> {
    let at = text[from..].char_indices().map(|(at, _)| from + at);
    at.flat_map(|at| MARKS.iter().map(move |marks| (at, marks))).find_map(|(at, (open, close))| {
        let inner = text[at..].strip_prefix(open)?;
        // No farther, or a text of opening marks alone would take for ever.
        let near = &inner[..inner.floor_char_boundary(LONGEST + close.len())];
        let inner = &inner[..near.find(close)?];
        let range = at..at + open.len() + inner.len() + close.len();
        let is_gap = is_name(open, inner, &text[range.end..])
            || (*open == "["
                && is_order(part, inner, &text[range.end..])
                && !is_defined(text, inner));
        is_gap.then_some((range, inner))
    })
}

/// Whether words within square brackets tell an author what to write there: `[insert link]`.
fn is_order(part: Part, inner: &str, after: &str) -> bool {
    let mut words = inner.trim().split([' ', ':', '_']);
    let first = words.next().unwrap_or_default().to_lowercase();
    let is_link = after.starts_with(['(', '[', ':']);
    let is_ordinary = part == Part::Subject
        && ORDINARY.contains(&&*first)
        && !words.clone().any(|word| WORDS.contains(&&*word.to_uppercase()));
    !is_link
        && !is_ordinary
        && ORDERS.contains(&&*first)
        && (first == "todo" || words.next().is_some())
}

/// Whether Markdown makes a link of these words, because their address is given elsewhere.
fn is_defined(text: &str, inner: &str) -> bool {
    text.to_lowercase().contains(&format!("[{}]:", inner.to_lowercase()))
}

/// Whether these marks with these words between them stand for something.
fn is_name(open: &str, inner: &str, after: &str) -> bool {
    let name = inner.trim();
    let plain = name.chars().all(|letter| letter.is_alphanumeric() || "_-. ".contains(letter));
    let word = name.starts_with(char::is_alphabetic) && !name.contains("  ");
    let capitals = !name.chars().any(char::is_lowercase);
    match open {
        // Square brackets are Markdown's, unless there is no address behind them.
        "[" => {
            let one_of_them = |word: &str| WORDS.contains(&word);
            let link = after.starts_with(['(', '[', ':']);
            plain && word && capitals && !link && name.split([' ', '_', '-']).any(one_of_them)
        }
        "{" => plain && word && !name.contains(' '),
        "%" => plain && word && capitals && !name.contains(' ') && name.len() >= 3,
        _ => plain && word,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn ordinary_words_in_square_brackets_are_no_orders() {
        let is_told = |part: Part, text: &str| next(part, text, 0).is_some();
        for subject in ["[Add-on] New features", "[Your order] is on its way", "[Add to cart] now"]
        {
            assert!(!is_told(Part::Subject, subject), "{subject}");
        }
        for order in ["[your name], hello", "[insert link]", "[todo: subject]", "[Your order]"] {
            assert!(is_told(Part::Text, order), "{order}");
        }
        assert!(!is_told(Part::Text, "[Add-on] New features"));
        for order in ["[your name], hello", "[insert link]", "[todo: subject]", "[NAME]"] {
            assert!(is_told(Part::Subject, order), "{order}");
        }
    }
}
