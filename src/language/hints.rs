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

fn slip(message: &str, label: &'static str, help: String) -> Bare {
    Bare { code: codes::SYNTAX, message: message.to_owned(), label, help, fix: None, whole: false }
}

/// A `{{tag}}` without quotes.
pub(super) fn tag(text: &str) -> Bare {
    quoted(codes::UNQUOTED_TEXT, "a tag", text)
}

/// `word=` at the beginning of a line.
pub(super) fn assignment(word: &str) -> Bare {
    slip(
        &format!("no `=` stands after `{word}`, which opens its line"),
        "opens the line",
        format!("write {word} and its value with a space between them"),
    )
}

/// `word(…)`: a look-up that is turned around, or a guard without quotes.
pub(super) fn call(word: &str, whole: &str) -> Bare {
    if !matches!(word, "env" | "file") {
        return guard();
    }
    let name = whole[word.len()..].trim_matches(['(', ')', '"', '\'', ' ']);
    let mended = format!("({word})\"{name}\"");
    Bare {
        fix: Some(mended.clone()),
        ..slip(
            &format!("the brackets stand around `{word}`, not around the name"),
            "turned around",
            format!("write {mended}"),
        )
    }
}

/// What follows a `#` that opens no text: the values `#true`, `#false` and `#null`, and
/// nothing else.
pub(super) fn hash(word: &str) -> Option<Bare> {
    let name = word.trim_start_matches('#');
    match name {
        "true" | "false" | "null" | "inf" | "-inf" | "nan" => None,
        "True" | "TRUE" | "yes" | "on" => Some(keyword(word, "#true")),
        "False" | "FALSE" | "no" | "off" => Some(keyword(word, "#false")),
        "" => Some(Bare {
            // A remark as other languages have it.
            fix: Some(String::from("//")).filter(|_| word == "#"),
            whole: true,
            ..slip("a `#` means nothing here", "here", String::from("a remark begins with `//`"))
        }),
        _ => Some(Bare {
            whole: true,
            ..slip(
                "a `#` means nothing here",
                "here",
                String::from("a remark begins with `//`; a text stands in quotation marks"),
            )
        }),
    }
}

fn keyword(word: &str, mended: &str) -> Bare {
    Bare {
        code: codes::BARE_KEYWORD,
        message: format!("`{word}` is not a value"),
        label: "unknown",
        help: format!("write {mended}"),
        fix: Some(mended.to_owned()),
        whole: false,
    }
}

/// Quotation marks as they are printed, which a word processor puts in: what is wrong, and
/// how many bytes it takes. `line_end` tells where the line of a text ends.
pub(super) fn quotes(text: &str, line_end: impl Fn(&str) -> usize) -> Option<(Bare, usize)> {
    const MARKS: &[char] = &['“', '”', '„', '«', '»', '‚', '‘', '’'];
    if !text.starts_with(MARKS) {
        return None;
    }
    let line = &text[..line_end(text)];
    let open = line.chars().next().map_or(0, char::len_utf8);
    let close = line[open..].find(MARKS).map(|close| open + close);
    let inner = close.map(|close| &line[open..close]);
    let length =
        close.map_or(open, |close| close + line[close..].chars().next().map_or(0, char::len_utf8));
    let mended = inner.map(|inner| format!("\"{inner}\""));
    let found = Bare {
        code: codes::PRINTED_QUOTES,
        message: String::from("these quotation marks are made for print"),
        label: "not plain",
        help: mended.as_ref().map_or_else(
            || String::from("begin and end the text with a plain `\"`"),
            |mended| format!("write {mended}"),
        ),
        fix: mended,
        whole: false,
    };
    Some((found, length))
}

/// A text of several words in single quotation marks: what is wrong, and how many bytes it
/// takes. An apostrophe within it ends no word, and so not the text.
pub(super) fn single(text: &str, line_end: impl Fn(&str) -> usize) -> Option<(Bare, usize)> {
    let rest = text.strip_prefix('\'')?;
    let line = &rest[..line_end(rest)];
    let close = line.match_indices('\'').map(|(at, _)| at).find(|at| {
        line[at + 1..]
            .chars()
            .next()
            .is_none_or(|next| next.is_whitespace() || "{;}".contains(next))
    })?;
    let inner = &line[..close];
    if !inner.contains(' ') || inner.contains(['"', '\\']) {
        return None;
    }
    let mended = format!("\"{inner}\"");
    let found = Bare {
        code: codes::SINGLE_QUOTES,
        message: String::from("texts stand in double quotation marks"),
        label: "single quotation marks",
        help: format!("write {mended}"),
        fix: Some(mended),
        whole: false,
    };
    Some((found, close + 2))
}

/// What is wrong with a word that stands without quotes; `whole` goes on to the next blank.
/// `opens` says that it opens its line.
pub(super) fn bare(word: &str, whole: &str, opens: bool) -> Option<Bare> {
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
    if let Some(name) = word.strip_suffix(':').filter(|name| !name.is_empty()) {
        return Some(slip(
            "a colon means nothing here",
            "with a colon",
            if opens {
                format!("write {name} and its value with a space between them")
            } else {
                format!("write {name}=\"…\"")
            },
        ));
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
    if let Some((before, after)) = digits.split_once(',')
        && is_number(before)
        && is_number(after)
    {
        let mended = word.replacen(',', ".", 1);
        let help = format!("write {mended}");
        let slip = slip("a number has a point, not a comma", "with a comma", help);
        return Some(Bare { fix: Some(mended), ..slip });
    }
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
        help: String::from("put #\" before it and \"# behind it: require #\"status == \"sent\"\"#"),
        fix: None,
        whole: false,
    }
}

/// A text without quotes that goes on behind a slash.
pub(super) fn with_slash(whole: &str) -> Bare {
    quoted(codes::UNQUOTED_TEXT, "a text with a slash", whole)
}

/// A path without quotes.
pub(super) fn path(word: &str) -> Option<Bare> {
    Some(quoted(codes::UNQUOTED_TEXT, "a path", word)).filter(|_| word.len() > 1)
}
