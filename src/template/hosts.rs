//! Where links lead: no value chooses it. In `https://example.com{{x}}` a value such as
//! `.example.org` or `@example.org` would, however it is escaped, because mail programs read
//! references before they follow a link. So no value stands between `https://` and the next
//! `/`, `?` or `#` that the author wrote, and none beside an address of the author's behind
//! `mailto:`: not in the template, and not in what becomes of it, where blocks and trimmed
//! blanks have put together what stood apart. What is filled in behind `mailto:` is one
//! address, or one part of the question behind it.

use std::borrow::Cow;
use std::fmt::Write as _;
use std::ops::Range;

use super::TemplateFault;

/// Stands around every value of a text that is being filled in. No value can hold it, because
/// control characters are dropped from them.
pub(super) const MARK: char = '\u{1}';
/// Where a value stood, in a text in which nothing else matters of it.
const VALUE: &str = "{{}}";
/// As far back, in bytes, as the beginning of an address is looked for.
const LONGEST: usize = 2_000;

/// An address whose end a value would choose.
struct Chosen<'a> {
    /// As far as the author wrote it.
    address: &'a str,
    /// The bytes of the first tag in it.
    tag: Range<usize>,
    /// Whether it is a link to write to somebody.
    writes: bool,
}

/// What is wrong with the first tag that stands in the host of an address or beside who is
/// written to, if one does.
#[must_use]
pub fn host_from_a_value(source: &str) -> Option<TemplateFault> {
    let Chosen { tag, writes, .. } = find(source)?;
    let shown = &source[tag.clone()];
    let (message, help) = if writes {
        (
            "a value would choose who is written to",
            format!(
                "write the address out, or let one tag be all of it: mailto:{shown}; a value may \
                 also stand behind its ?: mailto:hello@example.com?subject={shown}"
            ),
        )
    } else {
        (
            "a value would choose the website that this address leads to",
            format!(
                "write the website out, and the tag behind its /: https://example.com/{shown}; an \
                 address that is a value as a whole has no https:// before it"
            ),
        )
    };
    Some(TemplateFault {
        code: "template-forbidden",
        message: String::from(message),
        range: tag,
        help: Some(help),
        fix: None,
    })
}

/// A text that is filled in, without the marks around its values.
///
/// # Errors
/// A value stands in the host of an address, or behind `mailto:` and is no address.
pub(super) fn unmarked(filled: &str) -> Result<String, String> {
    let mut text = String::with_capacity(filled.len());
    let mut written = String::with_capacity(filled.len());
    for (index, part) in filled.split(MARK).enumerate() {
        if index % 2 == 0 {
            text.push_str(part);
            written.push_str(part);
        } else {
            text.push_str(&within(&written, part)?);
            written.push_str(VALUE);
        }
    }
    match find(&written) {
        Some(Chosen { address, writes: true, .. }) => {
            Err(format!("a value stands beside {address} and would choose who is written to"))
        }
        Some(Chosen { address, .. }) => Err(format!(
            "a value stands right behind {address} and would choose the website that it leads to"
        )),
        None => Ok(text),
    }
}

/// A printed value as it may stand behind what is written. Behind `mailto:` it names nobody
/// else: it is one address, or what it says is spelt so that it stays one part of the question.
fn within<'a>(written: &str, value: &'a str) -> Result<Cow<'a, str>, String> {
    let tail = &written[written.floor_char_boundary(written.len().saturating_sub(LONGEST))..];
    let ends = ['\n', '"', '\'', '`', '<', '>', '(', ')', '[', ']'];
    let line = tail.rsplit(ends).next().unwrap_or_default();
    let mailto = line.to_ascii_lowercase().rfind("mailto:");
    let Some(begun) = mailto.map(|at| &line[at + "mailto:".len()..]) else {
        return Ok(Cow::Borrowed(value));
    };
    let said = unescaped(value);
    if begun.contains('?') {
        return Ok(Cow::Owned(encoded(&said)));
    }
    let others = |c: char| c.is_whitespace() || ",;?&#%:/\\".contains(c);
    if begun.is_empty() && said.contains(others) {
        return Err(format!("the value behind mailto: is not one e-mail address: {said}"));
    }
    Ok(Cow::Borrowed(value))
}

/// What a printed value says: the references that printing makes of punctuation are read.
fn unescaped(value: &str) -> String {
    let mut text = String::with_capacity(value.len());
    let mut parts = value.split("&#");
    text.push_str(parts.next().unwrap_or_default());
    for part in parts {
        let read = part.split_once(';').and_then(|(number, rest)| {
            let letter = char::from_u32(number.parse().ok()?)?;
            Some((letter, rest))
        });
        match read {
            Some((letter, rest)) => {
                text.push(letter);
                text.push_str(rest);
            }
            None => text.push_str(part),
        }
    }
    text
}

/// A text as a part of an address (RFC 3986): all but letters, digits, `-` and `.`, spelt.
fn encoded(text: &str) -> String {
    let mut spelt = String::with_capacity(text.len());
    for byte in text.bytes() {
        if byte.is_ascii_alphanumeric() || b"-.".contains(&byte) {
            spelt.push(char::from(byte));
        } else {
            // Writing to a String does not fail.
            let _ = write!(spelt, "%{byte:02X}");
        }
    }
    spelt
}

/// The first address that a tag would complete.
fn find(source: &str) -> Option<Chosen<'_>> {
    source.match_indices(':').find_map(|(colon, _)| {
        let before = &source[..colon];
        let scheme = ["https", "http", "mailto"].into_iter().find(|word| ends_in(before, word))?;
        let writes = scheme == "mailto";
        let tag = tag_within(source, colon + 1, writes)?;
        Some(Chosen { address: &source[colon - scheme.len()..tag.start], tag, writes })
    })
}

fn ends_in(text: &str, word: &str) -> bool {
    let end = text.len().checked_sub(word.len()).and_then(|start| text.get(start..));
    end.is_some_and(|end| end.eq_ignore_ascii_case(word))
}

/// The first tag that prints something before the host that begins here has ended; of who is
/// written to, only one that is not all of it. Browsers read `https:` with any number of
/// slashes behind it.
fn tag_within(source: &str, begin: usize, writes: bool) -> Option<Range<usize>> {
    let rest = &source[begin..];
    let mut at = begin;
    if !writes {
        at += rest.len() - rest.trim_start_matches(['/', '\\']).len();
    }
    let (mut first, mut others) = (None, false);
    while let Some(letter) = source[at..].chars().next() {
        let rest = &source[at..];
        let block =
            [("{%", "%}"), ("{#", "#}")].into_iter().find(|(open, _)| rest.starts_with(open));
        if rest.starts_with("{{") {
            let end = rest.find("}}").map_or(source.len(), |end| at + end + 2);
            others |= first.is_some();
            first = first.or(Some(at..end));
            at = end;
        } else if let Some((_, close)) = block {
            at += rest.find(close)? + close.len();
        } else if ends_host(letter) {
            break;
        } else {
            others = true;
            at += letter.len_utf8();
        }
        if !writes && first.is_some() {
            return first;
        }
    }
    first.filter(|_| others)
}

/// Whether the host of an address, or the address itself, ends here.
fn ends_host(letter: char) -> bool {
    letter.is_whitespace() || "/?#\\\"'`<>()[]".contains(letter)
}
