//! Where an address stands in a text, and the text without it. Only whole addresses count:
//! who is forgotten as `ann@example.com` must not take `joann@example.com` along.

use crate::base::address;

/// What stands in the place of a forgotten address.
const GONE: &str = "[forgotten]";

/// How `@` is written: plain, in links and in JSON.
const AT: [&str; 3] = ["@", "%40", "\\u0040"];
/// A domain has no more letters.
const LONGEST: usize = 255;
/// So many places where a domain may end are tried.
const ENDS: usize = 32;

/// An address as texts may spell it.
#[derive(Clone, Debug)]
pub(super) struct Words {
    /// The address, spelt as the person is known.
    person: String,
    /// What stands before the `@`.
    user: String,
    /// The spellings in small ASCII letters that a quick look finds, with both forms of the
    /// domain, plain and as links write it.
    spellings: Vec<String>,
}

impl Words {
    /// Of an address, spelt as the person is known.
    pub(super) fn of(person: &str) -> Self {
        let mut spellings = Vec::new();
        for written in address::spellings(person) {
            spellings.extend(AT.map(|at| written.replace('@', at)));
        }
        let user = person.rsplit_once('@').map_or("", |(user, _)| user);
        Self { person: person.to_owned(), user: user.to_owned(), spellings }
    }

    /// Whether bytes may hold it: a quick look that finds too much rather than too little.
    pub(super) fn may_be_in(&self, bytes: &[u8]) -> bool {
        self.are_spelt_in(bytes) || has_odd_address(bytes)
    }

    /// Whether bytes hold it, be it as a part of another word. For rows that go as a whole.
    pub(super) fn are_within(&self, bytes: &[u8]) -> bool {
        self.are_spelt_in(bytes) || self.are_in(&String::from_utf8_lossy(bytes))
    }

    fn are_spelt_in(&self, bytes: &[u8]) -> bool {
        self.spellings.iter().any(|spelling| find(bytes, spelling.as_bytes()).is_some())
    }

    /// Whether a text holds it.
    pub(super) fn are_in(&self, text: &str) -> bool {
        self.without(text).is_some()
    }

    /// The text without it; none where it is not in it.
    pub(super) fn without(&self, text: &str) -> Option<String> {
        if !self.may_be_in(text.as_bytes()) {
            return None;
        }
        let letters = letters(text);
        let place = |at: usize| letters.get(at).map_or(text.len(), |(place, _)| *place);
        let (mut result, mut kept) = (String::new(), 0);
        for at in (0..letters.len()).filter(|at| letters[*at].1 == '@') {
            let Some((begin, end)) = self.around(&letters, at) else { continue };
            result.push_str(&text[kept..place(begin)]);
            result.push_str(GONE);
            kept = place(end);
        }
        (kept > 0).then(|| result + &text[kept..])
    }

    /// Where the address around an `@` begins and ends, if it is this one.
    fn around(&self, letters: &[(usize, char)], at: usize) -> Option<(usize, usize)> {
        let is_part = |letter: char| letter.is_alphanumeric() || "._+-".contains(letter);
        let text = |letters: &[(usize, char)]| -> String {
            letters.iter().map(|(_, letter)| *letter).collect()
        };
        // Some capital letters have more than one small one, none has less.
        let first = at.saturating_sub(self.user.chars().count());
        let mut begins = (first..=at).filter(|begin| *begin == 0 || !is_part(letters[begin - 1].1));
        let begin = begins.find(|begin| text(&letters[*begin..at]).to_lowercase() == self.user)?;
        let behind = &letters[at + 1..];
        let is_domain = |letter: char| {
            letter.is_ascii_alphanumeric() || "-.".contains(letter) || !letter.is_ascii()
        };
        let run = behind.iter().take(LONGEST).take_while(|(_, letter)| is_domain(*letter)).count();
        // The nearest end first: behind it, signs that are none of ASCII's may go on for long.
        let mut ends = (1..=run).filter(|end| ends_there(&behind[*end..])).take(ENDS);
        let is_it = |end: &usize| {
            address::person(&format!("{}@{}", self.user, text(&behind[..*end]))) == self.person
        };
        Some((begin, at + 1 + ends.find(is_it)?))
    }

    /// Takes it out of a text; answers whether it was in it.
    pub(super) fn scrub(&self, text: &mut String) -> bool {
        let Some(without) = self.without(text) else { return false };
        *text = without;
        true
    }

    /// The same for a text that may be missing.
    pub(super) fn scrub_some(&self, text: &mut Option<String>) -> bool {
        text.as_mut().is_some_and(|text| self.scrub(text))
    }
}

/// Whether a domain ends where this follows.
fn ends_there(behind: &[(usize, char)]) -> bool {
    let mut letters = behind.iter().map(|(_, letter)| *letter);
    match letters.next() {
        Some('.') => !letters.next().is_some_and(char::is_alphanumeric),
        Some(next) => !next.is_alphanumeric() && next != '-',
        None => true,
    }
}

/// The letters of a text, each with the byte at which it begins. One that was escaped for JSON
/// or for a link is the one that it stands for.
fn letters(text: &str) -> Vec<(usize, char)> {
    let mut letters = Vec::with_capacity(text.len());
    let mut at = 0;
    while let Some(plain) = text[at..].chars().next() {
        let escaped = match plain {
            '\\' => of_json(&text[at..]),
            '%' => of_link(&text.as_bytes()[at..]),
            _ => None,
        };
        let (letter, length) = escaped.unwrap_or((plain, plain.len_utf8()));
        letters.push((at, letter));
        at += length;
    }
    letters
}

/// The letter that an escape of JSON stands for, and how many bytes the escape has.
fn of_json(text: &str) -> Option<(char, usize)> {
    match text.as_bytes().get(1)? {
        b'u' => {
            let code = u32::from_str_radix(text.get(2..6)?, 16).ok()?;
            Some((char::from_u32(code)?, 6))
        }
        b'n' | b'r' | b't' => Some((' ', 2)),
        other => other.is_ascii_punctuation().then(|| (char::from(*other), 2)),
    }
}

/// The letter that escapes of a link stand for, and how many bytes the escapes have.
fn of_link(text: &[u8]) -> Option<(char, usize)> {
    let byte = |escape: &[u8]| {
        let digits = std::str::from_utf8(escape.strip_prefix(b"%")?).ok()?;
        u8::from_str_radix(digits, 16).ok()
    };
    let mut bytes = Vec::new();
    for escape in text.chunks_exact(3).take(4) {
        bytes.push(byte(escape)?);
        if let Ok(letter) = std::str::from_utf8(&bytes) {
            return Some((letter.chars().next()?, bytes.len() * 3));
        }
    }
    None
}

/// Whether bytes hold an address with a letter that is escaped or none of ASCII's: what it is
/// in small letters, and whose, only the whole text tells.
fn has_odd_address(bytes: &[u8]) -> bool {
    let is_odd = |byte: &u8| !byte.is_ascii() || b"%\\".contains(byte);
    let is_part =
        |byte: &&u8| is_odd(byte) || byte.is_ascii_alphanumeric() || b"._+-".contains(byte);
    AT.iter().any(|at| {
        let at = at.as_bytes();
        bytes.windows(at.len()).enumerate().any(|(place, found)| {
            found.eq_ignore_ascii_case(at)
                && (bytes[..place].iter().rev().take_while(is_part).any(is_odd)
                    || bytes[place + at.len()..].iter().take_while(is_part).any(is_odd))
        })
    })
}

/// Where a word of small letters begins in bytes of any.
fn find(bytes: &[u8], word: &[u8]) -> Option<usize> {
    let first = *word.first()?;
    let last = bytes.len().checked_sub(word.len())?;
    (0..=last).find(|at| {
        bytes[*at].to_ascii_lowercase() == first
            && bytes[*at..*at + word.len()].eq_ignore_ascii_case(word)
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_address_is_found_however_it_is_spelt_and_only_as_a_whole() {
        let ann = Words::of("ann@example.com");
        for (text, without) in [
            ("to Ann@Example.com: sent", "to [forgotten]: sent"),
            ("<ann@example.com>.", "<[forgotten]>."),
            ("it is ann@example.com.", "it is [forgotten]."),
            ("?to=ann%40example.com&x=%20ann@example.com", "?to=[forgotten]&x=%20[forgotten]"),
            ("ann@example.com,ann@example.com", "[forgotten],[forgotten]"),
            ("{\"a\":\"x\\nann@example.com\"}", "{\"a\":\"x\\n[forgotten]\"}"),
        ] {
            assert_eq!(ann.without(text).as_deref(), Some(without), "{text}");
        }
        for other in ["joann@example.com", "ann@example.community", "ann@example.com.au", "é", ""]
        {
            assert_eq!(ann.without(other), None, "{other}");
        }
        let own = Words::of("ann@müller.example");
        for text in
            ["to ann@müller.example", "to Ann@xn--mller-kva.example", "ann%40müller.example"]
        {
            assert!(own.are_in(text), "{text}");
        }
        for text in [
            "Ann@MÜLLER.example",
            "ann@mu\u{308}ller.example",
            "an：ANN@müller。example。",
            "ann%40M%C3%9CLLER.example",
            "{\"to\":\"Ann\\u0040M\\u00dcLLER.example\"}",
        ] {
            assert!(own.may_be_in(text.as_bytes()) && own.are_in(text), "{text}");
        }
        for other in ["joann@MÜLLER.example", "ann@MÜLLER.example.com", "ann@MÜLLERS.example"] {
            assert!(!own.are_in(other), "{other}");
        }
        let wide = Words::of("zoé@gmail.example");
        assert_eq!(wide.without("a ZOÉ@ｇmail.example!").as_deref(), Some("a [forgotten]!"));
        assert!(ann.may_be_in(b"\x0fann@example.com") && !ann.may_be_in(b"ann@example"));
    }
}
