//! Tables and lists of facts for people. On a terminal a table fits its width; in a file or
//! a pipe nothing is cut off, so that a search finds it.

use serde_json::Value;
use unicode_width::{UnicodeWidthChar as _, UnicodeWidthStr};

use super::out::{self, Ink};
use crate::base::time;

/// Narrowest column when a table is squeezed.
const NARROW: usize = 12;
/// Columns that running text has at least, however narrow the terminal.
const NARROW_TEXT: usize = 20;
const GAP: usize = 2;

/// A table: the first row holds its headings.
pub(super) fn draw(headings: &[&str], rows: &[Vec<String>]) -> String {
    draw_in(out::terminal_width(), headings, rows)
}

/// The same for a terminal of so many columns. Long cells are shortened; where even that
/// leaves nothing to read, each row becomes a list of its cells.
fn draw_in(terminal: Option<usize>, headings: &[&str], rows: &[Vec<String>]) -> String {
    let rows: Vec<Vec<String>> =
        rows.iter().map(|row| row.iter().map(|cell| out::clean(cell)).collect()).collect();
    let mut widths: Vec<usize> = headings.iter().map(|heading| heading.width()).collect();
    for row in &rows {
        for (most, cell) in widths.iter_mut().zip(row) {
            *most = (*most).max(cell.width());
        }
    }
    if let Some(terminal) = terminal
        && !squeeze(&mut widths, terminal)
    {
        return stacked(headings, &rows, terminal);
    }
    let ink = Ink::for_data();
    let mut text = line(headings.iter().copied(), &widths, |cell| ink.dim(cell));
    for row in &rows {
        text.push_str(&line(row.iter().map(String::as_str), &widths, str::to_owned));
    }
    text
}

/// Takes from the widest column until the table fits; answers whether it does. The first
/// column names the row, so that others give way before it.
fn squeeze(widths: &mut [usize], terminal: usize) -> bool {
    let gaps = GAP * widths.len().saturating_sub(1);
    while widths.iter().sum::<usize>() + gaps > terminal {
        let widest = widths.iter_mut().skip(1).max().filter(|widest| **widest > NARROW);
        match widest {
            Some(widest) => *widest -= 1,
            None => return false,
        }
    }
    true
}

/// Each row as lines of a heading and a cell, with an empty line between rows.
fn stacked(headings: &[&str], rows: &[Vec<String>], terminal: usize) -> String {
    let title = headings.iter().map(|heading| heading.width()).max().unwrap_or_default();
    let room = terminal.saturating_sub(title + GAP).max(NARROW);
    let ink = Ink::for_data();
    let block = |row: &Vec<String>| {
        let cells = headings.iter().zip(row).filter(|(_, cell)| !cell.is_empty());
        let lines = cells.map(|(heading, cell)| {
            format!(
                "{}{}{}\n",
                ink.dim(&fit(heading, title)),
                " ".repeat(GAP),
                fit(cell, room).trim_end()
            )
        });
        lines.collect::<String>()
    };
    rows.iter().map(block).collect::<Vec<_>>().join("\n")
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
    let mut kept = text.to_owned();
    if text.width() > width {
        kept.clear();
        let mut room = width.saturating_sub(1);
        for c in text.chars() {
            let Some(left) = room.checked_sub(c.width().unwrap_or(0)) else { break };
            room = left;
            kept.push(c);
        }
        kept.push('…');
    }
    let pad = width.saturating_sub(kept.width());
    kept.push_str(&" ".repeat(pad));
    kept
}

/// The fields of a JSON object, one a line with aligned values; what has fields of its own
/// follows as indented JSON.
pub(super) fn facts(value: &Value) -> String {
    let Value::Object(fields) = value else { return out::clean_lines(&format!("{value:#}\n")) };
    let names = fields.keys().map(|name| name.chars().count()).max().unwrap_or_default();
    let ink = Ink::for_data();
    let mut text = String::new();
    for (name, value) in fields {
        let shown = match value {
            Value::Object(_) | Value::Array(_) => {
                let lines = out::clean_lines(&format!("{value:#}"));
                lines.replace('\n', &format!("\n{}", " ".repeat(names + GAP)))
            }
            _ => cell(value),
        };
        let pad = " ".repeat(names + GAP - name.chars().count());
        let name = ink.dim(&out::clean(name));
        text.push_str(format!("{name}{pad}{shown}").trim_end());
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

/// Running text behind a lead; further lines begin where the text does.
pub(super) fn hanging(lead: &str, text: &str, width: usize) -> String {
    let indent = lead.chars().count();
    let lines = paragraph(text, width.saturating_sub(indent).max(NARROW_TEXT));
    format!("{lead}{}\n", lines.join(&format!("\n{}", " ".repeat(indent))))
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
        assert!(squeeze(&mut widths, 40));
        assert_eq!(widths, [4, 22, 10]);
        assert_eq!(fit("abcdef", 4), "abc…");
    }

    /// A queue as it comes: ids to copy, a subject with wide signs, a long reason.
    fn queue() -> Vec<Vec<String>> {
        let why = "retries used up: n8n answered 503, the service is not available at the moment";
        let row = ["0351i8xVxfB9N1f0ytBSOO", "noshow-recovery/noshow-1", "🎄 お知らせ lead 123"];
        let rest = ["failed", "3/3", "2026-11-22 00:14:36Z", why];
        vec![row.into_iter().chain(rest).map(String::from).collect(); 2]
    }

    const QUEUE: [&str; 7] = ["ID", "EVENT", "ABOUT", "STATUS", "RETRIES", "NEXT ATTEMPT", "WHY"];

    #[test]
    fn no_line_is_wider_than_the_terminal_and_every_id_is_whole() {
        for width in [40, 60, 80, 100, 120, 200] {
            let text = draw_in(Some(width), &QUEUE, &queue());
            let widest = text.lines().map(UnicodeWidthStr::width).max();
            assert!(widest <= Some(width), "{width}: {text}");
            assert_eq!(text.matches("0351i8xVxfB9N1f0ytBSOO").count(), 2, "{width}: {text}");
        }
        let whole = draw_in(None, &QUEUE, &queue());
        assert!(whole.contains("at the moment") && !whole.contains('…'), "{whole}");
    }

    #[test]
    fn a_terminal_that_is_too_narrow_for_columns_gets_lists() {
        let text = draw_in(Some(40), &QUEUE, &queue());
        let first: Vec<&str> = text.lines().take(4).collect();
        assert_eq!(first[0], "ID            0351i8xVxfB9N1f0ytBSOO");
        assert_eq!(first[3], "STATUS        failed");
        assert!(text.contains("WHY           retries used up: n8n answ…\n"), "{text}");
    }

    #[test]
    fn facts_are_read_line_by_line() {
        let text = facts(&json!({"id": "x", "much": {"a": 1}, "none": null}));
        assert_eq!(text, "id    x\nmuch  {\n        \"a\": 1\n      }\nnone\n");
        let sharp = facts(&json!({"a\u{1b}": {"b\u{9b}2J": "\u{202e}c"}}));
        assert_eq!(sharp, "a   {\n      \"b 2J\": \" c\"\n    }\n");
    }

    #[test]
    fn running_text_wraps_between_words() {
        assert_eq!(paragraph("a wait needs  a unit", 8), ["a wait", "needs a", "unit"]);
        assert_eq!(paragraph("incomprehensible", 8), ["incomprehensible"]);
    }

    #[test]
    fn text_behind_a_lead_goes_on_below_itself() {
        let text = hanging("  sent  ", "an e-mail about many things", 28);
        assert_eq!(text, "  sent  an e-mail about many\n        things\n");
    }

    #[test]
    fn long_lists_wrap() {
        let names = ["one", "two", "three"].map(String::from);
        assert_eq!(wrap(&names, 9), ["one, two,", "three"]);
    }
}
