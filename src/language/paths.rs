//! The names that a guard or a text with `{{tags}}` mentions, found letter by letter: also in
//! one that does not compile at this moment. What is found may be a word that means something
//! else there (`if`, `is`); whoever asks knows which names there are.

use std::ops::Range;

/// Where names stand in a text.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Within {
    /// Anywhere: it is a guard.
    Guard,
    /// Between `{{` and `}}` or `{%` and `%}`.
    Tags,
}

/// A dotted name such as `lead.score`: its parts with their places in the text.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Path {
    /// Each part.
    pub parts: Vec<Range<usize>>,
}

impl Path {
    /// The parts up to the one that holds an offset, and the place of that one.
    #[must_use]
    pub fn up_to<'t>(&self, text: &'t str, offset: usize) -> Option<(Vec<&'t str>, Range<usize>)> {
        let last = self.parts.iter().position(|part| part.start <= offset && offset <= part.end)?;
        let parts = self.parts[..=last].iter().map(|part| &text[part.clone()]).collect();
        Some((parts, self.parts[last].clone()))
    }
}

/// Every name in a text.
#[must_use]
pub fn names(text: &str, within: Within) -> Vec<Path> {
    let mut found = Vec::new();
    match within {
        Within::Guard => scan(text, 0..text.len(), within, &mut found),
        Within::Tags => {
            let mut at = 0;
            while let Some((open, close)) = next_tag(text, at) {
                scan(text, open..close, within, &mut found);
                at = close;
            }
        }
    }
    found
}

/// Where names stood in `text` before an offset are being typed: the parts so far, the last
/// of which may be empty, where that one begins, and whether it follows a `|`. None outside
/// of tags, and within quotation marks.
#[must_use]
pub fn typed(text: &str, offset: usize, within: Within) -> Option<(Vec<&str>, usize, bool)> {
    let before = text.get(..offset)?;
    let from = match within {
        Within::Guard => 0,
        Within::Tags => {
            let open = before.rfind("{{").max(before.rfind("{%"))? + 2;
            if before[open..].contains("}}") || before[open..].contains("%}") {
                return None;
            }
            open
        }
    };
    let expression = &before[from..];
    let mut quote = None;
    for letter in expression.chars() {
        match quote {
            None if matches!(letter, '"' | '\'') => quote = Some(letter),
            Some(mark) if mark == letter => quote = None,
            _ => {}
        }
    }
    if quote.is_some() {
        return None;
    }
    let start = expression
        .rfind(|letter: char| !is_part(letter) && letter != '.')
        .map_or(0, |at| at + expression[at..].chars().next().map_or(1, char::len_utf8));
    let path = &expression[start..];
    if path.starts_with(|letter: char| letter.is_ascii_digit()) {
        return None;
    }
    let parts: Vec<&str> = path.split('.').collect();
    let last = from + start + path.rfind('.').map_or(0, |dot| dot + 1);
    let piped = within == Within::Tags && expression[..start].trim_end().ends_with('|');
    Some((parts, last, piped))
}

/// What stands between the marks of the first tag from a place on.
fn next_tag(text: &str, from: usize) -> Option<(usize, usize)> {
    let open = text[from..]
        .match_indices('{')
        .map(|(at, _)| from + at)
        .find(|at| text[*at..].starts_with("{{") || text[*at..].starts_with("{%"))?
        + 2;
    let mark = if text[..open].ends_with("{%") { "%}" } else { "}}" };
    let close = text[open..].find(mark).map_or(text.len(), |length| open + length);
    Some((open, close))
}

fn scan(text: &str, range: Range<usize>, within: Within, found: &mut Vec<Path>) {
    let mut at = range.start;
    let mut before = ' ';
    while at < range.end {
        let Some(letter) = text[at..].chars().next() else { return };
        if matches!(letter, '"' | '\'') {
            let length = text[at + 1..range.end].find(letter);
            at = length.map_or(range.end, |length| at + length + 2);
            before = letter;
        } else if is_part(letter) {
            let path = path(text, at, range.end);
            let end = path.parts.last().map_or(at + 1, |part| part.end);
            let called = text[end..range.end].trim_start().starts_with('(');
            let filter = within == Within::Tags && before == '|';
            if !letter.is_ascii_digit() && before != '.' && !called && !filter {
                found.push(path);
            }
            at = end;
            before = 'a';
        } else {
            if !letter.is_whitespace() {
                before = letter;
            }
            at += letter.len_utf8();
        }
    }
}

/// The dotted name that begins at a place.
fn path(text: &str, from: usize, to: usize) -> Path {
    let mut parts = Vec::new();
    let mut at = from;
    loop {
        let rest = &text[at..to];
        let length = rest.find(|letter| !is_part(letter)).unwrap_or(rest.len());
        if length == 0 {
            break;
        }
        parts.push(at..at + length);
        at += length;
        if !text[at..to].starts_with('.') {
            break;
        }
        at += 1;
    }
    Path { parts }
}

fn is_part(letter: char) -> bool {
    letter.is_ascii_alphanumeric() || letter == '_'
}

#[cfg(test)]
mod tests {
    use super::*;

    fn found(text: &str, within: Within) -> Vec<String> {
        let path = |path: &Path| {
            let parts: Vec<&str> = path.parts.iter().map(|part| &text[part.clone()]).collect();
            parts.join(".")
        };
        names(text, within).iter().map(path).collect()
    }

    #[test]
    fn names_are_found_and_texts_functions_and_filters_are_not() {
        let guard = r#"lead.score >= 0.7 && status == "lead" && one_of(kind, 'a')"#;
        assert_eq!(found(guard, Within::Guard), ["lead.score", "status", "kind"]);
        let text = "Hi {{ name | default(\"name\") | upper }}, name {{demo.lead_id}} {{ open";
        assert_eq!(found(text, Within::Tags), ["name", "demo.lead_id", "open"]);
    }

    #[test]
    fn a_name_that_is_being_typed_is_known_up_to_there() {
        let at = |text: &str, within| {
            typed(text, text.len(), within).map(|(parts, at, piped)| (parts.join("."), at, piped))
        };
        assert_eq!(at("Hi {{first", Within::Tags), Some(("first".into(), 5, false)));
        assert_eq!(at("{{ lead.sc", Within::Tags), Some(("lead.sc".into(), 8, false)));
        assert_eq!(at("{{ a | nu", Within::Tags), Some(("nu".into(), 7, true)));
        assert_eq!(at("{{a}} b", Within::Tags), None);
        assert_eq!(at("a == \"x", Within::Guard), None);
        assert_eq!(at("é && ", Within::Guard), Some((String::new(), 6, false)));
    }
}
