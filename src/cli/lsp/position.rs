//! Places as editors count them: lines from 0 and columns in UTF-16 units, or in bytes where
//! the editor can do that. Everywhere else a place is a byte offset; only here it is turned
//! into the other and back.

use serde_json::{Value, json};

/// What a column counts.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub(super) enum Units {
    /// Bytes.
    Utf8,
    /// What JavaScript counts: two for an emoji.
    #[default]
    Utf16,
}

/// A text with the places at which its lines begin.
#[derive(Debug)]
pub(super) struct Lines<'t> {
    text: &'t str,
    starts: Vec<usize>,
    units: Units,
}

impl<'t> Lines<'t> {
    pub(super) fn new(text: &'t str, units: Units) -> Self {
        let bytes = text.as_bytes();
        let ends = bytes.iter().enumerate().filter(|(at, byte)| match byte {
            b'\n' => true,
            b'\r' => bytes.get(at + 1) != Some(&b'\n'),
            _ => false,
        });
        let starts = std::iter::once(0).chain(ends.map(|(at, _)| at + 1)).collect();
        Self { text, starts, units }
    }

    /// The byte offset of a position; behind the last column is the end of the line.
    pub(super) fn offset(&self, position: &Value) -> Option<usize> {
        let number = |key: &str| usize::try_from(position.get(key)?.as_u64()?).ok();
        let (line, column) = (number("line")?, number("character")?);
        let Some(start) = self.starts.get(line).copied() else { return Some(self.text.len()) };
        let end = self.starts.get(line + 1).copied().unwrap_or(self.text.len());
        let line = self.text[start..end].trim_end_matches(['\n', '\r']);
        let mut left = column;
        for (at, letter) in line.char_indices() {
            let units = self.width(letter);
            if left < units {
                return Some(start + at);
            }
            left -= units;
        }
        Some(start + line.len())
    }

    /// The position of a byte offset.
    pub(super) fn position(&self, offset: usize) -> Value {
        let mut at = offset.min(self.text.len());
        while !self.text.is_char_boundary(at) {
            at -= 1;
        }
        let line = self.starts.partition_point(|start| *start <= at).saturating_sub(1);
        let start = self.starts.get(line).copied().unwrap_or(0);
        let column: usize = self.text[start..at].chars().map(|letter| self.width(letter)).sum();
        json!({"line": line, "character": column})
    }

    /// The range of a stretch of bytes.
    pub(super) fn range(&self, range: std::ops::Range<usize>) -> Value {
        json!({"start": self.position(range.start), "end": self.position(range.end)})
    }

    fn width(&self, letter: char) -> usize {
        match self.units {
            Units::Utf8 => letter.len_utf8(),
            Units::Utf16 => letter.len_utf16(),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_place_is_the_same_after_going_there_and_back() {
        let text = "a 😀é\r\nß{{x}}\rlast";
        for units in [Units::Utf8, Units::Utf16] {
            let lines = Lines::new(text, units);
            for (at, _) in text.char_indices().filter(|(at, _)| !text[*at..].starts_with('\n')) {
                assert_eq!(lines.offset(&lines.position(at)), Some(at), "{units:?} {at}");
            }
        }
        let utf16 = Lines::new(text, Units::Utf16);
        assert_eq!(utf16.position(6), json!({"line": 0, "character": 4}));
        assert_eq!(utf16.offset(&json!({"line": 0, "character": 3})), Some(2), "within the emoji");
        assert_eq!(utf16.offset(&json!({"line": 1, "character": 99})), Some(text.len() - 5));
        assert_eq!(utf16.offset(&json!({"line": 99, "character": 0})), Some(text.len()));
        assert_eq!(utf16.offset(&json!({"line": -1})), None);
    }
}
