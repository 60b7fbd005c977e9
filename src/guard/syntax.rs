//! Mistakes of writing, in plain words. What people bring along from other languages
//! (`and`, `=`, single quotes) is looked for first, because it can be told exactly and all
//! at once; what Rhai's parser says of the rest is translated.

use std::ops::Range;

use rhai::{LexError, ParseError, ParseErrorType};

use super::GuardFault;
use super::place::{offset, quoted, token};
use crate::model::Scope;

/// Longest guard, in bytes.
const MAX_LENGTH: usize = 4096;

/// Quotation marks that word processors put in.
const PRINTED: &[char] = &['“', '”', '„', '‘', '’', '«', '»'];

/// Looks a guard over before it is parsed.
pub(super) fn look_over(source: &str, scope: &Scope) -> Result<(), Vec<GuardFault>> {
    if source.trim().is_empty() {
        return Err(vec![GuardFault {
            code: "guard-empty",
            message: "the guard is empty".to_owned(),
            range: 0..source.len(),
            help: Some(
                "write a condition, such as `status == \"sent\"`, or leave the guard out"
                    .to_owned(),
            ),
            fix: None,
        }]);
    }
    if source.len() > MAX_LENGTH {
        return Err(vec![too_deep(0..source.len())]);
    }
    let mut found = Vec::new();
    let mut at = 0;
    while let Some(c) = source[at..].chars().next() {
        let rest = &source[at..];
        let length = match c {
            '"' | '`' => quoted(rest, c),
            '\'' => {
                let length = quoted(rest, c);
                found.push(single_quotes(rest, at..at + length));
                length
            }
            _ if PRINTED.contains(&c) => {
                let inner = rest[c.len_utf8()..].find(PRINTED).map(|end| c.len_utf8() + end);
                let close = |end: usize| rest[end..].chars().next().map_or(0, char::len_utf8);
                let length = inner.map_or(c.len_utf8(), |end| end + close(end));
                let help = "write plain double quotes: \"…\"";
                let fault = mistake("these quotes are made for print", at..at + length, help);
                let text = inner.and_then(|end| rest.get(c.len_utf8()..end));
                found.push(match text.filter(|text| !text.contains(['"', '\\'])) {
                    Some(text) => mended(fault, &format!("\"{text}\"")),
                    None => fault,
                });
                length
            }
            _ if rest.starts_with("{{") => {
                let length = rest.find("}}").map_or(rest.len(), |end| end + 2);
                let name = rest[2..length].trim_end_matches('}').trim();
                let help = format!("write the name of the field alone: {name}");
                let fault = mistake("a guard takes no {{tags}}", at..at + length, &help);
                let is_name = !name.is_empty()
                    && name.chars().all(|c| c.is_ascii_alphanumeric() || matches!(c, '_' | '.'));
                found.push(if is_name { mended(fault, name) } else { fault });
                length
            }
            _ if rest.starts_with("//") => rest.find('\n').unwrap_or(rest.len()),
            _ => {
                let range = token(source, at);
                let word = &source[range.clone()];
                if let Some(fault) = foreign(word, range.clone(), scope) {
                    found.push(fault);
                }
                // Brackets are entered, everything else is stepped over.
                if "([{".contains(c) { c.len_utf8() } else { range.len().max(1) }
            }
        };
        at += length;
    }
    if found.is_empty() { Ok(()) } else { Err(found) }
}

fn single_quotes(rest: &str, range: Range<usize>) -> GuardFault {
    let inner = rest[1..range.len()].trim_end_matches('\'');
    let help =
        format!("write \"{inner}\", with the guard between #\" and \"#, or `{inner}` in backticks");
    let found = mistake("texts stand in double quotes", range, &help);
    // Backticks need no other signs around the guard.
    if inner.contains(['`', '"', '\\']) { found } else { mended(found, &format!("`{inner}`")) }
}

/// Words and signs of other languages.
fn foreign(word: &str, range: Range<usize>, scope: &Scope) -> Option<GuardFault> {
    if scope.names.contains_key(word) {
        return None;
    }
    let (is, instead) = match word {
        "and" | "AND" | "&" => (word, "&&"),
        "or" | "OR" | "|" => (word, "||"),
        "not" | "NOT" => (word, "!"),
        "=" | "===" => (word, "=="),
        "<>" | "!==" => (word, "!="),
        "=>" => (word, ">="),
        "=<" => (word, "<="),
        "null" | "nil" | "none" | "None" | "undefined" => {
            let help = "a missing value is written (), as in `score != ()`";
            let found = mistake(&format!("`{word}` is not a value here"), range, help);
            return Some(mended(found, "()"));
        }
        _ => return None,
    };
    let what = if is == "=" {
        "a single `=` does not compare".to_owned()
    } else {
        format!("`{is}` is not known here")
    };
    Some(mended(mistake(&what, range, &format!("write `{instead}`")), instead))
}

fn mistake(message: &str, range: Range<usize>, help: &str) -> GuardFault {
    GuardFault {
        code: "guard-syntax",
        message: message.to_owned(),
        range,
        help: Some(help.to_owned()),
        fix: None,
    }
}

/// A mistake for which there is one right text.
fn mended(fault: GuardFault, text: &str) -> GuardFault {
    GuardFault { fix: Some(text.to_owned()), ..fault }
}

fn too_deep(range: Range<usize>) -> GuardFault {
    GuardFault {
        code: "guard-too-deep",
        message: "the guard is too long or nested too deeply".to_owned(),
        range,
        help: Some(
            "split the guard: several `require` steps, or `when` on several steps".to_owned(),
        ),
        fix: None,
    }
}

/// What Rhai's parser found, in plain words.
pub(super) fn fault(source: &str, error: &ParseError) -> GuardFault {
    let range = token(source, offset(source, error.1));
    let word = source.get(range.clone()).unwrap_or_default();
    let (message, help) = match &*error.0 {
        ParseErrorType::ExprTooDeep => return too_deep(0..source.len()),
        ParseErrorType::UnexpectedEOF => (
            "the guard ends too early".to_owned(),
            Some("something must follow: a field, a number, or a text in quotes"),
        ),
        ParseErrorType::BadInput(LexError::UnterminatedString) => {
            ("this text is not closed".to_owned(), Some("put a closing \" after it"))
        }
        ParseErrorType::BadInput(LexError::MalformedEscapeSequence(text)) => {
            (format!("`{text}` is not an escape that is known"), Some("write \\\\ for a backslash"))
        }
        ParseErrorType::BadInput(LexError::MalformedNumber(text)) => {
            (format!("`{text}` is not a number"), None)
        }
        ParseErrorType::MissingToken(missing, _) if missing == "{" || missing == "(" => {
            (format!("`{word}` cannot stand here"), None)
        }
        ParseErrorType::MissingToken(missing, _) => {
            (format!("`{missing}` is missing after this"), Some("every bracket needs its partner"))
        }
        ParseErrorType::ExprExpected(_) | ParseErrorType::MissingSymbol(_) => (
            "a value is missing here".to_owned(),
            Some("write a field, a number, or a text in quotes"),
        ),
        ParseErrorType::AssignmentToInvalidLHS(_) | ParseErrorType::AssignmentToConstant(_) => {
            ("a guard asks and changes nothing".to_owned(), Some("write `==` to compare"))
        }
        _ => (
            format!("`{word}` cannot stand here"),
            Some("a guard is one condition, such as `status == \"sent\" && score >= 0.7`"),
        ),
    };
    GuardFault { code: "guard-syntax", message, range, help: help.map(str::to_owned), fix: None }
}
