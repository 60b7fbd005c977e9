//! Where people slip when they write a rule file for the first time: words that need
//! quotes, and what to write instead.

use super::codes;

/// A slip in one word.
#[derive(Debug)]
pub(super) struct Bare {
    /// Its code.
    pub(super) code: &'static str,
    /// What is wrong.
    pub(super) message: String,
    /// A few words under the place.
    pub(super) label: &'static str,
    /// How to mend it.
    pub(super) help: String,
    /// What to write instead.
    pub(super) fix: Option<String>,
    /// Whether it goes on to the next blank (`https://…`), past the end of the word itself.
    pub(super) whole: bool,
}

fn quoted(code: &'static str, what: &str, text: &str) -> Bare {
    Bare {
        code,
        message: format!("{what} needs quotation marks"),
        label: "not quoted",
        help: format!("write \"{text}\""),
        fix: Some(format!("\"{text}\"")),
        whole: true,
    }
}

/// What is wrong with a word that stands without quotes; `whole` goes on to the next blank.
pub(super) fn bare(word: &str, whole: &str) -> Option<Bare> {
    if let "true" | "false" | "null" = word {
        return Some(Bare {
            code: codes::BARE_KEYWORD,
            message: format!("`{word}` needs a `#` before it"),
            label: "no `#`",
            help: format!("write #{word}"),
            fix: Some(format!("#{word}")),
            whole: false,
        });
    }
    if operator(word).is_some() {
        return operator(word);
    }
    if word.ends_with(':') && whole[word.len()..].starts_with("//") {
        return Some(quoted(codes::UNQUOTED_URL, "an address", whole));
    }
    if let Some(inner) =
        word.strip_prefix('\'').and_then(|rest| rest.strip_suffix('\'')).filter(|_| word.len() > 1)
    {
        return Some(Bare {
            code: codes::SINGLE_QUOTES,
            message: String::from("texts stand in double quotation marks"),
            label: "single quotation marks",
            help: format!("write \"{inner}\""),
            fix: Some(format!("\"{inner}\"")),
            whole: false,
        });
    }
    if word.starts_with('\'') {
        return Some(Bare {
            code: codes::SINGLE_QUOTES,
            message: String::from("texts stand in double quotation marks"),
            label: "a single quotation mark",
            help: String::from("begin and end the text with `\"`"),
            fix: None,
            whole: false,
        });
    }
    number(word, whole)
}

fn number(word: &str, whole: &str) -> Option<Bare> {
    let digits = word.strip_prefix(['-', '+']).unwrap_or(word);
    if !digits.starts_with(|letter: char| letter.is_ascii_digit()) || is_number(digits) {
        return None;
    }
    let unit = digits.trim_start_matches(|letter: char| letter.is_ascii_digit() || letter == '.');
    let dots = digits.matches('.').count();
    Some(if digits.starts_with("0x") || digits.contains('_') {
        return None;
    } else if dots >= 2 {
        quoted(codes::UNQUOTED_ADDRESS, "an address", whole)
    } else if unit.chars().all(char::is_alphabetic) && !whole.contains('/') {
        quoted(codes::UNQUOTED_DURATION, "a time with its unit", whole)
    } else {
        quoted(codes::UNQUOTED_TEXT, "a text that begins with a digit", whole)
    })
}

fn is_number(digits: &str) -> bool {
    let plain = |text: &str| {
        text.starts_with(|letter: char| letter.is_ascii_digit())
            && text.chars().all(|letter| letter.is_ascii_digit() || letter == '_')
    };
    let (mantissa, exponent) =
        digits.split_once(['e', 'E']).map_or((digits, None), |(m, e)| (m, Some(e)));
    let (whole, fraction) =
        mantissa.split_once('.').map_or((mantissa, None), |(w, f)| (w, Some(f)));
    plain(whole)
        && fraction.is_none_or(plain)
        && exponent.is_none_or(|e| plain(e.strip_prefix(['-', '+']).unwrap_or(e)))
}

/// A comparison outside quotes.
pub(super) fn operator(word: &str) -> Option<Bare> {
    matches!(word, "&&" | "||" | "!" | ">" | "<" | "!=" | ">=" | "<=").then(guard)
}

/// A guard that was written without quotes.
pub(super) fn guard() -> Bare {
    Bare {
        code: codes::UNQUOTED_GUARD,
        message: String::from("a guard needs quotation marks around it"),
        label: "not quoted",
        help: String::from("write the whole condition as #\"status == \"sent\"\"#"),
        fix: None,
        whole: false,
    }
}

/// A path without quotes.
pub(super) fn path(word: &str) -> Option<Bare> {
    Some(quoted(codes::UNQUOTED_TEXT, "a path", word)).filter(|_| word.len() > 1)
}
