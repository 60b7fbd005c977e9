//! Foreign texts: what may be shown of them on a terminal and in a file of lines.

use std::any::Any;

/// Whether a character steers what shows it instead of being shown: controls, line
/// separators, and the marks that turn the direction of writing.
#[must_use]
pub fn steers(c: char) -> bool {
    c.is_control()
        || matches!(c, '\u{200e}' | '\u{200f}' | '\u{2028}'..='\u{202e}' | '\u{2066}'..='\u{2069}')
}

/// The text with a blank for every character that [`steers`]: it stays on its line, and can
/// neither repaint a terminal nor turn round what stands beside it.
#[must_use]
pub fn clean(text: &str) -> String {
    text.chars().map(|c| if steers(c) { ' ' } else { c }).collect()
}

/// The same for a text of several lines, which stay lines.
#[must_use]
pub fn clean_lines(text: &str) -> String {
    text.split('\n').map(clean).collect::<Vec<_>>().join("\n")
}

/// Whether a text ends within a web address, which a mail program would make a link of.
#[must_use]
pub fn ends_in_address(text: &str) -> bool {
    let word = text.rsplit(char::is_whitespace).next().unwrap_or_default();
    word.contains("://") && !word.ends_with(')')
}

/// Whether a letter may go on with a web address, also behind a mark of punctuation.
#[must_use]
pub fn goes_on(letter: char) -> bool {
    letter.is_alphanumeric() || "@:-_%&=~#?/\\+".contains(letter)
}

/// What a panic says.
#[must_use]
pub fn last_words(panic: &(dyn Any + Send)) -> &str {
    let text = panic.downcast_ref::<&str>().copied();
    text.or_else(|| panic.downcast_ref::<String>().map(String::as_str))
        .unwrap_or("it does not say why")
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn nothing_steers_a_terminal() {
        assert_eq!(
            clean("a\u{1b}[2J\u{9b}b\u{7f}\u{202e}c\u{2066}\u{2028}d\ne"),
            "a [2J b  c  d e"
        );
        assert_eq!(clean_lines("a\r\nb\u{1b}"), "a \nb ");
        assert_eq!(clean("Grüße, 東京 🎄"), "Grüße, 東京 🎄");
    }
}
