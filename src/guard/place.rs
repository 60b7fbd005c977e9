//! Where the parts of a guard stand in its text. Rhai tells the line and character where
//! a part begins; the bytes up to its end are found in the text itself.

use std::ops::Range;

use rhai::{Expr, Position};

/// The byte offset of a position.
pub(super) fn offset(source: &str, position: Position) -> usize {
    let Some(line) = position.line() else { return source.len() };
    let start: usize = source.split_inclusive('\n').take(line - 1).map(str::len).sum();
    let column = position.position().unwrap_or(1) - 1;
    let rest = source.get(start..).unwrap_or_default();
    start + rest.chars().take(column).map(char::len_utf8).sum::<usize>()
}

/// A range that surely is one of the text, between characters. Rhai counts a lone carriage
/// return otherwise than a text does, so that a place behind one may lie too far.
pub(super) fn within(source: &str, range: &Range<usize>) -> Range<usize> {
    let floor = |at: usize| {
        (0..=at.min(source.len())).rev().find(|at| source.is_char_boundary(*at)).unwrap_or(0)
    };
    let end = floor(range.end);
    floor(range.start).min(end)..end
}

/// The word, literal or bracketed part that begins at an offset.
pub(super) fn token(source: &str, start: usize) -> Range<usize> {
    let rest = source.get(start..).unwrap_or_default();
    let Some(first) = rest.chars().next() else {
        // At the end of the text, its last word or sign is shown.
        let text = source.trim_end();
        let sign = text.char_indices().next_back().map_or(0, |(index, _)| index);
        let word = text.trim_end_matches(word_character).len();
        return word.min(sign)..text.len();
    };
    let length = match first {
        '"' | '`' | '\'' => quoted(rest, first),
        '(' | '[' | '{' => bracketed(rest),
        c if word_character(c) => {
            let decimal = c.is_ascii_digit();
            rest.find(|c| !(word_character(c) || (decimal && c == '.'))).unwrap_or(rest.len())
        }
        c if "=!<>&|".contains(c) => rest.find(|c| !"=!<>&|".contains(c)).unwrap_or(rest.len()),
        c => c.len_utf8(),
    };
    start..start + length
}

/// The bytes of an expression.
pub(super) fn range(source: &str, expr: &Expr) -> Range<usize> {
    match expr {
        Expr::And(all, _) | Expr::Or(all, _) | Expr::Coalesce(all, _) => {
            match (all.first(), all.last()) {
                (Some(first), Some(last)) => range(source, first).start..range(source, last).end,
                _ => 0..source.len(),
            }
        }
        Expr::Dot(both, ..) => range(source, &both.lhs).start..range(source, &both.rhs).end,
        Expr::Index(both, ..) => {
            let end = range(source, &both.rhs).end;
            let close = source.get(end..).and_then(|rest| rest.find(']'));
            range(source, &both.lhs).start..close.map_or(end, |close| end + close + 1)
        }
        Expr::FnCall(call, position) | Expr::MethodCall(call, position) => {
            if call.is_operator_call() {
                let start = offset(source, *position);
                return match call.args.as_slice() {
                    [only] => start..range(source, only).end.max(start),
                    [first, .., last] => range(source, first).start..range(source, last).end,
                    [] => token(source, start),
                };
            }
            call_range(source, offset(source, *position))
        }
        other => token(source, offset(source, other.position())),
    }
}

/// The name and the arguments of a call that begins at an offset.
fn call_range(source: &str, start: usize) -> Range<usize> {
    let name = token(source, start);
    let rest = source.get(name.end..).unwrap_or_default();
    let blank = rest.len() - rest.trim_start().len();
    if rest[blank..].starts_with('(') {
        return start..name.end + blank + bracketed(&rest[blank..]);
    }
    name
}

/// The text with `now` as the first argument of the calls that begin at these offsets.
pub(super) fn with_now(source: &str, calls: &[usize]) -> String {
    let mut out = source.to_owned();
    let mut calls = calls.to_vec();
    calls.sort_unstable();
    for start in calls.into_iter().rev() {
        if let Some(bracket) = out.get(start..).and_then(|rest| rest.find('(')) {
            out.insert_str(start + bracket + 1, "now, ");
        }
    }
    out
}

fn word_character(c: char) -> bool {
    c.is_alphanumeric() || c == '_'
}

/// The length of a quoted text with its quotes.
pub(super) fn quoted(rest: &str, quote: char) -> usize {
    let mut escaped = false;
    for (index, c) in rest.char_indices().skip(1) {
        match c {
            _ if escaped => escaped = false,
            '\\' if quote != '`' => escaped = true,
            c if c == quote => return index + c.len_utf8(),
            _ => {}
        }
    }
    rest.len()
}

/// The length of what stands between two matching brackets, with them.
fn bracketed(rest: &str) -> usize {
    let mut depth = 0_usize;
    let mut at = 0;
    while let Some(c) = rest[at..].chars().next() {
        match c {
            '"' | '`' => {
                at += quoted(&rest[at..], c);
                continue;
            }
            '(' | '[' | '{' => depth += 1,
            ')' | ']' | '}' => depth = depth.saturating_sub(1),
            _ => {}
        }
        at += c.len_utf8();
        if depth == 0 {
            return at;
        }
    }
    rest.len()
}
