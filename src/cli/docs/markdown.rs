//! The little Markdown that a reference needs. What people wrote stays text: it can neither
//! end a cell nor begin a tag.

use crate::base::Delay;
use crate::cli::out;

/// Where other parts of the reference are.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Links {
    /// On this page.
    Page,
    /// On pages of their own.
    Pages,
}

impl Links {
    /// A link to the part about a name.
    pub(super) fn to(self, page: &str, name: &str) -> String {
        let page = if self == Self::Pages { page } else { "" };
        format!("[{}]({page}#{})", text(name), anchor(name))
    }
}

/// The anchor that GitHub and its like give to a heading.
pub(super) fn anchor(heading: &str) -> String {
    let kept = heading.chars().filter(|c| c.is_alphanumeric() || " -_".contains(*c));
    kept.flat_map(char::to_lowercase).map(|c| if c == ' ' { '-' } else { c }).collect()
}

/// A text on one line. An underscore within a word means nothing in Markdown.
pub(super) fn text(text: &str) -> String {
    let line = out::clean(text);
    let mut escaped = String::with_capacity(line.len());
    let mut before = ' ';
    let mut letters = line.chars().peekable();
    while let Some(letter) = letters.next() {
        let within =
            before.is_alphanumeric() && letters.peek().is_some_and(|after| after.is_alphanumeric());
        if "\\`*[]<>|~&".contains(letter)
            || (letter == '_' && !within)
            || (escaped.is_empty() && "#-+=".contains(letter))
            || (".)".contains(letter) && is_number(&escaped))
        {
            escaped.push('\\');
        }
        escaped.push(letter);
        before = letter;
    }
    escaped
}

/// Whether a line so far is a number, which a full stop would make the first of a list.
fn is_number(line: &str) -> bool {
    !line.is_empty() && line.chars().all(|c| c.is_ascii_digit())
}

/// A piece of code on one line, with as many backticks around it as it needs.
pub(super) fn code(text: &str) -> String {
    let line = out::clean(text).split_whitespace().collect::<Vec<_>>().join(" ");
    let longest = line.split(|c| c != '`').map(str::len).max().unwrap_or(0);
    let fence = "`".repeat(longest + 1);
    if longest == 0 { format!("`{line}`") } else { format!("{fence} {line} {fence}") }
}

/// A cell that ends where it should: a bar ends it, within code as well.
fn cell(text: &str) -> String {
    let mut escaped = String::with_capacity(text.len());
    for letter in text.chars() {
        if letter == '|' && !escaped.ends_with('\\') {
            escaped.push('\\');
        }
        escaped.push(letter);
    }
    escaped
}

/// A table. A column in which nothing stands is left out.
pub(super) fn table(headings: &[&str], rows: &[Vec<String>]) -> String {
    let used: Vec<usize> = (0..headings.len())
        .filter(|column| {
            rows.iter().any(|row| row.get(*column).is_some_and(|cell| !cell.is_empty()))
        })
        .collect();
    let line = |cells: Vec<String>| format!("| {} |", cells.join(" | "));
    let mut lines = vec![line(used.iter().map(|column| headings[*column].to_owned()).collect())];
    lines.push(format!("|{}", "---|".repeat(used.len())));
    for row in rows {
        lines.push(line(used.iter().map(|column| cell(&row[*column])).collect()));
    }
    lines.join("\n")
}

/// "5 minutes", "1 hour 30 minutes", "3 days".
pub(super) fn wait(delay: Delay) -> String {
    let mut parts = Vec::new();
    let mut add = |count: u64, unit: &str| {
        if count > 0 {
            parts.push(out::count(usize::try_from(count).unwrap_or(usize::MAX), unit));
        }
    };
    add(delay.days.into(), "day");
    add(delay.millis / 3_600_000, "hour");
    add(delay.millis / 60_000 % 60, "minute");
    add(delay.millis / 1000 % 60, "second");
    add(delay.millis % 1000, "millisecond");
    if parts.is_empty() { String::from("at once") } else { parts.join(" ") }
}

/// "a", "a and b", "a, b and c".
pub(super) fn and(names: &[String]) -> String {
    match names {
        [] => String::new(),
        [one] => one.clone(),
        [most @ .., last] => format!("{} and {last}", most.join(", ")),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn waits_are_read_aloud() {
        for (written, told) in [
            ("5min", "5 minutes"),
            ("24h", "24 hours"),
            ("1d", "1 day"),
            ("1h 30min", "1 hour 30 minutes"),
            ("0s", "at once"),
        ] {
            assert_eq!(Delay::parse(written).map(wait), Ok(told.to_owned()), "{written}");
        }
    }

    #[test]
    fn what_people_wrote_stays_text() {
        assert_eq!(text("<b>a|b</b>\n*c* #1 _x a_b"), r"\<b\>a\|b\</b\> \*c\* #1 \_x a_b");
        assert_eq!(text("# a"), r"\# a");
        assert_eq!(text("- a - b, 1. c"), r"\- a - b, 1. c");
        assert_eq!(text("12. a &lt; ~~b~~"), r"12\. a \&lt; \~\~b\~\~");
        assert_eq!(code("a || b"), "`a || b`");
        let row = [code("a || b"), text("c|d")];
        assert_eq!(
            table(&["A", "B"], &[row.to_vec()]).lines().last(),
            Some(r"| `a \|\| b` | c\|d |")
        );
        assert_eq!(code("a `b` c"), "`` a `b` c ``");
        assert_eq!(anchor("christmas/signup-handler"), "christmassignup-handler");
    }

    #[test]
    fn empty_columns_are_left_out() {
        let rows = [vec!["a".into(), String::new(), "c".into()]];
        assert_eq!(table(&["A", "B", "C"], &rows), "| A | C |\n|---|---|\n| a | c |");
    }
}
