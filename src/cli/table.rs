//! Tables and lists of facts for people. On a terminal a table fits its width; in a file or
//! a pipe nothing is cut off, so that a search finds it.

use serde_json::Value;

use super::out::{self, Ink};
use crate::base::time;

/// Narrowest column when a table is squeezed.
const NARROW: usize = 8;
const GAP: usize = 2;

/// A table: the first row holds its headings.
pub(super) fn draw(headings: &[&str], rows: &[Vec<String>]) -> String {
    let rows: Vec<Vec<String>> =
        rows.iter().map(|row| row.iter().map(|cell| out::clean(cell)).collect()).collect();
    let width = |text: &str| text.chars().count();
    let mut widths: Vec<usize> = headings.iter().map(|heading| width(heading)).collect();
    for row in &rows {
        for (most, cell) in widths.iter_mut().zip(row) {
            *most = (*most).max(width(cell));
        }
    }
    if let Some(terminal) = out::terminal_width() {
        squeeze(&mut widths, terminal);
    }
    let ink = Ink::for_data();
    let mut text = line(headings.iter().copied(), &widths, |cell| ink.dim(cell));
    for row in &rows {
        text.push_str(&line(row.iter().map(String::as_str), &widths, str::to_owned));
    }
    text
}

/// Takes from the widest column until the table fits.
fn squeeze(widths: &mut [usize], terminal: usize) {
    let gaps = GAP * widths.len().saturating_sub(1);
    while widths.iter().sum::<usize>() + gaps > terminal {
        match widths.iter_mut().max() {
            Some(widest) if *widest > NARROW => *widest -= 1,
            _ => return,
        }
    }
}

fn line<'a>(
    cells: impl Iterator<Item = &'a str>,
    widths: &[usize],
    paint: impl Fn(&str) -> String,
) -> String {
    let padded: Vec<String> = cells.zip(widths).map(|(cell, width)| fit(cell, *width)).collect();
    format!("{}\n", paint(padded.join(&" ".repeat(GAP)).trim_end()))
}

/// The text in exactly that many columns.
fn fit(text: &str, width: usize) -> String {
    if text.chars().count() <= width {
        return format!("{text:width$}");
    }
    let kept: String = text.chars().take(width.saturating_sub(1)).collect();
    format!("{kept}…")
}

/// The fields of a JSON object, one a line with aligned values; what has fields of its own
/// follows as indented JSON.
pub(super) fn facts(value: &Value) -> String {
    let Value::Object(fields) = value else { return format!("{value:#}\n") };
    let names = fields.keys().map(|name| name.chars().count()).max().unwrap_or_default();
    let ink = Ink::for_data();
    let mut text = String::new();
    for (name, value) in fields {
        let shown = match value {
            Value::Object(_) | Value::Array(_) => {
                format!("{value:#}").replace('\n', &format!("\n{}", " ".repeat(names + GAP)))
            }
            _ => cell(value),
        };
        let pad = " ".repeat(names + GAP - name.chars().count());
        text.push_str(format!("{}{pad}{shown}", ink.dim(name)).trim_end());
        text.push('\n');
    }
    text
}

/// A scalar as people read it; null is nothing.
pub(super) fn cell(value: &Value) -> String {
    match value {
        Value::Null => String::new(),
        Value::String(text) => out::clean(text),
        other => other.to_string(),
    }
}

/// A point in time to the second, in UTC; what is none stays as it is.
pub(super) fn moment(value: &Value) -> String {
    let text = cell(value);
    time::parse_time(&text).map_or(text, |at| at.strftime("%Y-%m-%d %H:%M:%SZ").to_string())
}

/// Names separated by commas, in lines of at most `width` columns.
pub(super) fn wrap(names: &[String], width: usize) -> Vec<String> {
    let mut lines: Vec<String> = Vec::new();
    for (index, name) in names.iter().enumerate() {
        let comma = if index + 1 < names.len() { "," } else { "" };
        match lines.last_mut() {
            Some(line) if line.chars().count() + name.chars().count() + 2 <= width => {
                *line = format!("{line} {name}{comma}");
            }
            _ => lines.push(format!("{name}{comma}")),
        }
    }
    lines
}

/// Running text in lines of at most `width` columns; a longer word has a line of its own.
pub(super) fn paragraph(text: &str, width: usize) -> Vec<String> {
    let mut lines: Vec<String> = Vec::new();
    for word in text.split_whitespace() {
        match lines.last_mut() {
            Some(line) if line.chars().count() + word.chars().count() < width => {
                line.extend([" ", word]);
            }
            _ => lines.push(word.to_owned()),
        }
    }
    lines
}

#[cfg(test)]
mod tests {
    use super::*;
    use serde_json::json;

    #[test]
    fn a_table_aligns_its_columns() {
        let rows = [vec!["a".into(), "long value".into()], vec!["bcd".into(), "x\u{1b}[2J".into()]];
        assert_eq!(draw(&["ID", "WHAT"], &rows), "ID   WHAT\na    long value\nbcd  x [2J\n");
    }

    #[test]
    fn the_widest_column_gives_way_first() {
        let mut widths = [4, 40, 10];
        squeeze(&mut widths, 40);
        assert_eq!(widths, [4, 22, 10]);
        assert_eq!(fit("abcdef", 4), "abc…");
    }

    #[test]
    fn facts_are_read_line_by_line() {
        let text = facts(&json!({"id": "x", "much": {"a": 1}, "none": null}));
        assert_eq!(text, "id    x\nmuch  {\n        \"a\": 1\n      }\nnone\n");
    }

    #[test]
    fn running_text_wraps_between_words() {
        assert_eq!(paragraph("a wait needs  a unit", 8), ["a wait", "needs a", "unit"]);
        assert_eq!(paragraph("incomprehensible", 8), ["incomprehensible"]);
    }

    #[test]
    fn long_lists_wrap() {
        let names = ["one", "two", "three"].map(String::from);
        assert_eq!(wrap(&names, 9), ["one, two,", "three"]);
    }
}
