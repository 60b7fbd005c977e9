//! Guards without quotation marks: where such a guard begins and ends, as its author means it.

use std::ops::Range;

/// Words whose value is a guard.
const BEFORE: [&str; 2] = ["require", "stop-when"];
/// The property whose value is a guard.
const PROPERTY: &str = " when=";

/// The guard that is around a sign of it, and what to write instead; none where its beginning
/// or its end is not plain.
pub(super) fn whole(text: &str, line_start: usize, sign: usize) -> Option<(Range<usize>, String)> {
    let length = text[line_start..].find(['\n', '\r']).unwrap_or(text.len() - line_start);
    let line = text.get(line_start..line_start + length)?;
    let sign = sign.checked_sub(line_start)?;
    let start = begins(line, sign)?;
    let guard = line[start..ends(line, start)].trim_end();
    let plain = !guard.contains([';', '{', '}', '\\']) && !guard.contains("\"#");
    (plain && start + guard.len() > sign).then(|| {
        let at = line_start + start;
        (at..at + guard.len(), format!("#\"{guard}\"#"))
    })
}

/// Where the guard begins: behind `when=`, or behind the word that opens the line.
fn begins(line: &str, sign: usize) -> Option<usize> {
    if let Some(found) = line.get(..sign)?.rfind(PROPERTY) {
        let start = found + PROPERTY.len();
        return (!line[start..].starts_with(['"', '#'])).then_some(start);
    }
    let indent = line.len() - line.trim_start().len();
    let word = BEFORE.iter().find(|word| {
        line[indent..].strip_prefix(**word).is_some_and(|rest| rest.starts_with(' '))
    })?;
    let behind = indent + word.len();
    let start = behind + (line[behind..].len() - line[behind..].trim_start().len());
    (start <= sign).then_some(start)
}

/// Where it ends: before the next property, the block, a remark, or with its line.
fn ends(line: &str, start: usize) -> usize {
    let rest = &line[start..];
    let stops = rest.match_indices(' ').map(|(at, _)| at).find(|at| {
        let next = &rest[at + 1..];
        next.starts_with('{')
            || next.starts_with("//")
            || next.starts_with("/*")
            || is_property(next)
    });
    start + stops.unwrap_or(rest.len())
}

/// Whether `name=…` stands here, which `name == …` is not.
fn is_property(text: &str) -> bool {
    let name = text.find(|c: char| !c.is_ascii_lowercase() && c != '-').unwrap_or(text.len());
    name > 0 && text[name..].starts_with('=') && !text[name..].starts_with("==")
}

#[cfg(test)]
mod tests {
    use super::whole;

    fn mended(line: &str) -> Option<String> {
        let sign = ["==", ">", "&&", "("].iter().filter_map(|sign| line.find(sign)).min()?;
        let (range, text) = whole(line, 0, sign)?;
        Some(format!("{}{text}{}", &line[..range.start], &line[range.end..]))
    }

    #[test]
    fn a_guard_goes_from_its_word_to_the_next_property() {
        for (line, expected) in [
            ("  require total > 3", "  require #\"total > 3\"#"),
            (
                "  require state == \"new\" else=\"no\" // yes",
                "  require #\"state == \"new\"\"# else=\"no\" // yes",
            ),
            ("reply 200 when=a > 3 && b {", "reply 200 when=#\"a > 3 && b\"# {"),
            ("stop-when len(tags) > 3", "stop-when #\"len(tags) > 3\"#"),
        ] {
            assert_eq!(mended(line).as_deref(), Some(expected), "{line}");
        }
    }

    #[test]
    fn signs_elsewhere_are_no_guard() {
        assert_eq!(mended("about a > b"), None);
        assert_eq!(mended("require \\ == 3"), None);
    }
}
