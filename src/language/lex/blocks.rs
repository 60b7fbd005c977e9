//! Where a missing bracket belongs. Counting brackets finds that one is missing and blames the
//! outermost block; how the lines are indented shows which block its author meant to end.

use std::ops::Range;

/// More missing brackets than this are no slip.
const MOST: usize = 3;

/// A block that is opened and not closed where its lines end.
#[derive(Debug, PartialEq, Eq)]
pub(super) struct Unclosed {
    /// Its `{`.
    pub(super) open: usize,
    /// The first line that does not belong to it any more; none at the end of the file.
    pub(super) before: Option<Range<usize>>,
    /// Where the `}` goes.
    pub(super) place: usize,
    /// What to write there.
    pub(super) text: String,
}

/// The blocks that lack their `}`, innermost first; none where the indentation tells nothing.
/// `brackets` are all of the file, in order, and `missing` says how many are known to lack.
pub(super) fn unclosed(text: &str, brackets: &[usize], missing: usize) -> Option<Vec<Unclosed>> {
    if missing > MOST {
        return None;
    }
    let mut open: Vec<usize> = Vec::new();
    let mut found = Vec::new();
    for at in brackets.iter().copied() {
        let line = line_start(text, at);
        let first = text[line..at].trim().is_empty();
        let depth = indent(text, at);
        let closes = text[at..].starts_with('}');
        // A line that stands no deeper than a block's own first line is not within the block.
        let over = |opener: usize| {
            let own = indent(text, opener);
            line > line_start(text, opener)
                && if closes { first && own > depth } else { own >= depth }
        };
        while let Some(opener) = open.last().copied().filter(|opener| over(*opener)) {
            open.pop();
            found.push(ends_before(text, opener, line));
        }
        if closes {
            open.pop()?;
        } else {
            open.push(at);
        }
    }
    found.extend(open.into_iter().rev().map(|opener| ends_with_file(text, opener)));
    (found.len() == missing).then_some(found)
}

fn ends_before(text: &str, open: usize, line: usize) -> Unclosed {
    let end = line + text[line..].find(['\n', '\r']).unwrap_or(text.len() - line);
    let shown = text[line..end].trim();
    let start = end - text[line..end].trim_start().len();
    Unclosed {
        open,
        before: Some(start..start + shown.len()),
        place: line,
        text: format!("{}}}\n", &blanks(text, open)),
    }
}

fn ends_with_file(text: &str, open: usize) -> Unclosed {
    let place = text.trim_end().len();
    Unclosed { open, before: None, place, text: format!("\n{}}}", &blanks(text, open)) }
}

/// Where a `{` is missing, given that one `}` closes nothing: at the end of the only line
/// that is followed by a deeper one without opening a block.
pub(super) fn unopened(text: &str) -> Option<usize> {
    if text.contains("\"\"\"") || text.contains("/*") || text.contains('\t') {
        return None;
    }
    let mut lines = Vec::new();
    let mut at = 0;
    for line in text.split_inclusive('\n') {
        let content = line.trim();
        if !content.is_empty() && !content.starts_with("//") {
            let depth = line.len() - line.trim_start().len();
            lines.push((depth, content, at + line.trim_end().len()));
        }
        at += line.len();
    }
    let mut missing = lines.windows(2).filter(|pair| {
        pair[1].0 > pair[0].0 && !pair[0].1.ends_with(['{', '\\']) && !pair[0].1.contains("//")
    });
    let end = missing.next()?[0].2;
    missing.next().is_none().then_some(end)
}

fn line_start(text: &str, at: usize) -> usize {
    text[..at].rfind('\n').map_or(0, |newline| newline + 1)
}

/// The blanks before the line in which this place is.
fn blanks(text: &str, at: usize) -> &str {
    let line = &text[line_start(text, at)..at];
    &line[..line.len() - line.trim_start().len()]
}

fn indent(text: &str, at: usize) -> usize {
    blanks(text, at).chars().count()
}

#[cfg(test)]
mod tests {
    use super::*;

    fn mended(text: &str, missing: usize) -> Option<String> {
        let brackets: Vec<usize> = text.match_indices(['{', '}']).map(|(at, _)| at).collect();
        let found = unclosed(text, &brackets, missing)?;
        let mut mended = text.to_owned();
        for one in found.iter().rev() {
            mended.insert_str(one.place, &one.text);
        }
        Some(mended)
    }

    #[test]
    fn the_inner_block_is_closed_where_its_lines_end() {
        let text = "a {\n    b {\n        c\n}\nd {\n}\n";
        assert_eq!(mended(text, 1).as_deref(), Some("a {\n    b {\n        c\n    }\n}\nd {\n}\n"));
    }

    #[test]
    fn a_block_ends_before_the_next_one_beside_it() {
        let text = "a {\n    b\nc {\n}\n";
        assert_eq!(mended(text, 1).as_deref(), Some("a {\n    b\n}\nc {\n}\n"));
    }

    #[test]
    fn the_last_block_ends_with_the_file() {
        assert_eq!(
            mended("a {\n  b {\n    c\n", 2).as_deref(),
            Some("a {\n  b {\n    c\n  }\n}\n")
        );
    }

    #[test]
    fn lines_without_order_tell_nothing() {
        assert_eq!(mended("a { b {\n", 1), None);
        assert_eq!(mended("a {\n b {\n  c {\n   d {\n", 4), None);
    }

    #[test]
    fn a_line_with_deeper_ones_below_lacks_its_opening() {
        let text = "a {\n    b \"x\"\n        c\n    }\n}\n";
        assert_eq!(unopened(text), Some(text.find("\n        c").expect("a place")));
        assert_eq!(unopened("a\n}\n"), None);
    }
}
