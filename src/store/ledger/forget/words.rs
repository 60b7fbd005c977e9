//! Where an address stands in a text, and the text without it. Only whole addresses count:
//! who is forgotten as `ann@example.com` must not take `joann@example.com` along.

use crate::base::address::ascii_domain;

/// What stands in the place of a forgotten address.
const GONE: &str = "[forgotten]";

/// An address as texts may spell it.
#[derive(Clone, Debug)]
pub(super) struct Words {
    /// In small letters, with both forms of the domain, plain and as links write it.
    spellings: Vec<String>,
}

impl Words {
    /// Of an address in small letters.
    pub(super) fn of(address: &str) -> Self {
        // E-mails and mail servers write the domain in its ASCII form.
        let coded = address.rsplit_once('@').and_then(|(user, domain)| {
            let coded = ascii_domain(domain).filter(|coded| coded != domain)?;
            Some(format!("{user}@{coded}"))
        });
        let mut spellings = Vec::new();
        for written in std::iter::once(address).chain(coded.as_deref()) {
            spellings.extend(["@", "%40", "\\u0040"].map(|at| written.replace('@', at)));
        }
        spellings.retain(|spelling| !spelling.is_empty());
        spellings.dedup();
        Self { spellings }
    }

    /// Whether bytes may hold it: a quick look that finds too much rather than too little.
    pub(super) fn may_be_in(&self, bytes: &[u8]) -> bool {
        self.spellings.iter().any(|spelling| find(bytes, spelling.as_bytes()).is_some())
    }

    /// Whether a text holds it.
    pub(super) fn are_in(&self, text: &str) -> bool {
        self.without(text).is_some()
    }

    /// The text without it; none where it is not in it.
    pub(super) fn without(&self, text: &str) -> Option<String> {
        let mut result: Option<String> = None;
        for spelling in &self.spellings {
            let from = result.as_deref().unwrap_or(text);
            if let Some(cut) = cut(from, spelling) {
                result = Some(cut);
            }
        }
        result
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

/// A text without an address; none where it does not stand in it as a whole.
fn cut(text: &str, address: &str) -> Option<String> {
    let mut result = String::new();
    let (mut kept, mut from) = (0, 0);
    while let Some(found) = find(&text.as_bytes()[from..], address.as_bytes()) {
        let (begin, end) = (from + found, from + found + address.len());
        from = begin + 1;
        let whole = text.is_char_boundary(begin) && text.is_char_boundary(end);
        if whole && stands_alone(&text[..begin], &text[end..]) {
            result.push_str(&text[kept..begin]);
            result.push_str(GONE);
            (kept, from) = (end, end);
        }
    }
    (kept > 0).then(|| result + &text[kept..])
}

/// Whether what stands around an address does not belong to it.
fn stands_alone(before: &str, behind: &str) -> bool {
    let part = |letter: char| letter.is_alphanumeric() || "._+-".contains(letter);
    let mut behind = behind.chars();
    let goes_on = match behind.next() {
        Some('.') => behind.next().is_some_and(char::is_alphanumeric),
        Some(next) => next.is_alphanumeric() || next == '-',
        None => false,
    };
    // What was escaped in JSON or in a link ends before the address: `\n`, `%20`.
    let escaped = before.len() >= 2
        && before.get(before.len() - 2..).is_some_and(|end| matches!(end, "\\n" | "\\t" | "\\r"))
        || before.get(before.len().saturating_sub(3)..).is_some_and(|end| {
            end.starts_with('%') && end[1..].chars().all(|digit| digit.is_ascii_hexdigit())
        });
    !goes_on && (escaped || !before.chars().next_back().is_some_and(part))
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
        assert!(ann.may_be_in(b"\x0fann@example.com") && !ann.may_be_in(b"ann@example"));
    }
}
