//! Which letters stand where in rule text, and where a text in quotation marks ends. `lex`
//! asks; what is answered here is what the parser behind it would say.

/// Where a text ends, after its last mark; `from` is the first byte after the opening marks.
pub(super) fn string_end(text: &str, from: usize, hashes: usize, block: bool) -> Option<usize> {
    let marks = format!("{}{}", if block { "\"\"\"" } else { "\"" }, "#".repeat(hashes));
    if block && !text[from..].starts_with(['\n', '\r']) {
        return None;
    }
    let mut at = from;
    while let Some(letter) = text[at..].chars().next() {
        if text[at..].starts_with(&marks) {
            return Some(at + marks.len());
        }
        if is_newline(letter) && !block {
            return None;
        }
        at += letter.len_utf8();
        if letter == '\\' && hashes == 0 {
            let next = text[at..].chars().next()?;
            if next.is_whitespace() {
                at += text[at..].len() - text[at..].trim_start().len();
            } else {
                at += next.len_utf8();
            }
        }
    }
    None
}

/// Whether a letter ends its line.
pub(super) fn is_newline(letter: char) -> bool {
    matches!(letter, '\n' | '\r' | '\u{b}' | '\u{c}' | '\u{85}' | '\u{2028}' | '\u{2029}')
}

/// Whether a letter can be part of a word without quotation marks.
pub(super) fn is_bare(letter: char) -> bool {
    !letter.is_whitespace()
        && !matches!(letter, '{' | '}' | '(' | ')' | '[' | ']' | '/' | '\\' | '"' | '#' | ';' | '=')
}

/// Whether a text may begin right behind a letter.
pub(super) fn may_precede(letter: char) -> bool {
    letter.is_whitespace()
        || matches!(letter, '=' | '(' | ')' | '{' | '}' | ';' | '/' | '-' | '\u{feff}')
}

/// Whether a letter may stand right behind a text.
pub(super) fn may_follow(letter: char) -> bool {
    letter.is_whitespace() || matches!(letter, '=' | ')' | '{' | '}' | ';' | '/' | '\\')
}
