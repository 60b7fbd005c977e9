//! Where links lead: no value chooses it. In `https://example.com{{x}}` a value such as
//! `.example.org` or `@example.org` would, however it is escaped, because mail programs read
//! references before they follow a link. So no value stands between `https://` and the next
//! `/`, `?` or `#` that the author wrote, and none beside an address of the author's behind
//! `mailto:`: not in the template, whichever of its branches are taken and whether the author
//! wrote the address as text or inside a tag (`drafts`), and not in what becomes of it, where
//! loops have put together what stood apart. What is filled in behind `mailto:` is one
//! address, or one part of the question behind it. A link may be a value as a whole: then
//! that value chooses the website, and no other one does.

mod address;
mod drafts;
mod shapes;

#[cfg(test)]
mod tests;

use std::borrow::Cow;
use std::fmt::Write as _;

use self::address::{Place, VALUE, addresses, chosen};
use self::drafts::Found;
use super::TemplateFault;
use crate::markup::text_of;

/// Stands around every value of a text that is being filled in. No value can hold it, because
/// control characters are dropped from them.
pub(super) const MARK: char = '\u{1}';
/// As far back, in bytes, as the beginning of an address is looked for.
const LONGEST: usize = 2_000;

/// What is wrong with the first tag that stands in the host of an address or beside who is
/// written to, if one does.
#[must_use]
pub fn host_from_a_value(source: &str) -> Option<TemplateFault> {
    let Found { address, tag, writes } = drafts::first(source)?;
    let shown = &source[tag.clone()];
    let message = if writes {
        "a value would choose who is written to"
    } else {
        "a value would choose the website that this address leads to"
    };
    let help = if writes {
        format!(
            "write the address out, or let one tag be all of it: mailto:{shown}; a value may \
             also stand behind its ?: mailto:hello@example.com?subject={shown}"
        )
    } else if is_said_by_a_tag(&source[..tag.end], &address) {
        format!("end the website with a / where a tag says it: {address}/")
    } else {
        format!(
            "write the website out, and the tag behind its /: https://example.com/{shown}; an \
             address that is a value as a whole has no https:// before it"
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

/// Whether an address stands inside a tag, or has been put together from some.
fn is_said_by_a_tag(source: &str, address: &str) -> bool {
    let Some(at) = source.rfind(address) else { return true };
    let last =
        |signs: [&str; 2]| signs.into_iter().filter_map(|sign| source[..at].rfind(sign)).max();
    !address.is_empty() && last(["{{", "{%"]) > last(["}}", "%}"])
}

/// A text that is filled in, without the marks around its values.
///
/// # Errors
/// A value stands in the host of an address, or behind `mailto:` and is no address.
pub(super) fn unmarked(filled: &str) -> Result<String, String> {
    let mut text = String::with_capacity(filled.len());
    let mut written = Written::default();
    for (index, part) in filled.split(MARK).enumerate() {
        if index % 2 == 0 {
            text.push_str(part);
            written.text.push_str(part);
        } else {
            text.push_str(&within(&written.text, part)?);
            written.value(part);
        }
    }
    let Some(found) = chosen(&written.text) else { return Ok(text) };
    let shown = written.text[found.address].replace(VALUE, "…");
    Err(if found.writes {
        format!("a value in {shown} would choose who is written to")
    } else {
        format!("a value in {shown} would choose the website that it leads to")
    })
}

/// What is filled in, as far as it matters for where links lead: [`VALUE`] stands for a value.
#[derive(Default)]
struct Written {
    text: String,
    /// Where a website ends that one value said, as the first part of a link.
    site_end: Option<usize>,
}

impl Written {
    /// A link that begins with a value has the address that the value says; the value behind
    /// it must not go on with the name of that website.
    fn value(&mut self, printed: &str) {
        let said = || text_of(printed);
        if self.site_end == Some(self.text.len()) {
            match said().chars().next() {
                Some(first) if "/?#".contains(first) => self.text.push(first),
                Some(_) => self.text.push(VALUE),
                None => {}
            }
            return;
        }
        if !matches!(Place::of(&self.text), Place::Plain { .. }) {
            let said = said();
            let begun = addresses(said.trim()).next().filter(|found| found.start == 0);
            if let Some(begun) = begun
                && (begun.writes || begun.end == said.trim().len())
            {
                self.text.push_str(said.trim());
                self.site_end = Some(self.text.len()).filter(|_| !begun.writes);
                return;
            }
        }
        self.text.push(VALUE);
    }
}

/// A printed value as it may stand behind what is written. Behind `mailto:` it names nobody
/// else: it is one address, or what it says is spelt so that it stays one part of the question.
fn within<'a>(written: &str, value: &'a str) -> Result<Cow<'a, str>, String> {
    let tail = &written[written.floor_char_boundary(written.len().saturating_sub(LONGEST))..];
    let mailto = tail.to_ascii_lowercase().rfind("mailto:").map(|at| tail.split_at(at));
    let Some((before, address)) = mailto else { return Ok(Cow::Borrowed(value)) };
    let begun = &address["mailto:".len()..];
    if Place::of(before).length(begun, "") < begun.len() {
        return Ok(Cow::Borrowed(value));
    }
    let said = text_of(value);
    if begun.contains('?') {
        return Ok(Cow::Owned(encoded(&said)));
    }
    if !begun.is_empty() {
        return Ok(Cow::Borrowed(value));
    }
    let others = |c: char| c.is_whitespace() || ",;?&#%:/\\".contains(c);
    if said.trim().contains(others) {
        return Err(format!("the value behind mailto: is not one e-mail address: {said}"));
    }
    // Blanks around it, as people paste them; Markdown writes them as references.
    let bare = value.trim().trim_start_matches("&#32;").trim_end_matches("&#32;");
    Ok(Cow::Borrowed(bare))
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
