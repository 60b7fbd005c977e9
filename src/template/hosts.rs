//! Where links lead: no value chooses it. In `https://example.com{{x}}` a value such as
//! `.example.org` or `@example.org` would, however it is escaped, because mail programs read
//! references before they follow a link. So no value stands between `https://` and the next
//! `/`, `?` or `#` that the author wrote: not in the template, and not in what becomes of it,
//! where blocks and trimmed blanks have put together what stood apart.

use std::ops::Range;

use super::TemplateFault;

/// Stands around every value of a text that is being filled in. No value can hold it, because
/// control characters are dropped from them.
pub(super) const MARK: char = '\u{1}';

/// What is wrong with the first tag that stands in the host of an address, if one does.
#[must_use]
pub fn host_from_a_value(source: &str) -> Option<TemplateFault> {
    let (_, range) = find(source)?;
    let help = format!(
        "write the website out, and the tag behind its /: https://example.com/{}; an address that \
         is a value as a whole has no https:// before it",
        &source[range.clone()],
    );
    Some(TemplateFault {
        code: "template-forbidden",
        message: String::from("a value would choose the website that this address leads to"),
        range,
        help: Some(help),
        fix: None,
    })
}

/// A text that is filled in, without the marks around its values.
///
/// # Errors
/// A value stands in the host of an address.
pub(super) fn unmarked(filled: &str) -> Result<String, String> {
    let mut text = String::with_capacity(filled.len());
    let mut written = String::with_capacity(filled.len());
    for (index, part) in filled.split(MARK).enumerate() {
        text.push_str(part);
        written.push_str(if index % 2 == 0 { part } else { "{{}}" });
    }
    match find(&written) {
        Some((address, _)) => Err(format!(
            "a value stands right behind {address} and would choose the website that it leads to"
        )),
        None => Ok(text),
    }
}

/// The first address with a tag in its host: what stands before the tag, and the tag's bytes.
fn find(source: &str) -> Option<(&str, Range<usize>)> {
    source.match_indices(':').find_map(|(colon, _)| {
        let scheme = ["https", "http"].into_iter().find(|scheme| {
            let start = colon.checked_sub(scheme.len());
            let before = start.and_then(|start| source.get(start..colon));
            before.is_some_and(|before| before.eq_ignore_ascii_case(scheme))
        })?;
        let tag = tag_in_host(source, colon + 1)?;
        Some((&source[colon - scheme.len()..tag.start], tag))
    })
}

/// The first tag that prints something before the host that begins here has ended. Browsers
/// read `https:` with any number of slashes behind it.
fn tag_in_host(source: &str, begin: usize) -> Option<Range<usize>> {
    let rest = &source[begin..];
    let mut at = begin + rest.len() - rest.trim_start_matches(['/', '\\']).len();
    loop {
        let rest = &source[at..];
        if rest.starts_with("{{") {
            let end = rest.find("}}").map_or(source.len(), |end| at + end + 2);
            return Some(at..end);
        }
        let block =
            [("{%", "%}"), ("{#", "#}")].into_iter().find(|(open, _)| rest.starts_with(open));
        let letter = rest.chars().next().filter(|letter| !ends_host(*letter))?;
        at += match block {
            Some((_, close)) => rest.find(close)? + close.len(),
            None => letter.len_utf8(),
        };
    }
}

/// Whether the host of an address, or the address itself, ends here.
fn ends_host(letter: char) -> bool {
    letter.is_whitespace() || "/?#\\\"'`<>()[]".contains(letter)
}
