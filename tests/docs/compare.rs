//! Whether an output is the one on the page, with wildcards, and without what differs from
//! run to run.

/// Whether the output is what the page shows.
pub(crate) fn fits(shown: &str, output: &str) -> bool {
    let (shown, output) = (steady(shown), steady(output));
    if is_json(&shown) {
        let tight = |text: &str| text.chars().filter(|c| !c.is_whitespace()).collect::<Vec<_>>();
        let shown = tight(&shown.replace("[..]", "\u{1}").replace("...", "\u{1}"));
        return glob(&shown, &tight(&output), |c| *c == '\u{1}', |a, b| a == b);
    }
    let lines = |text: &str| {
        text.trim_end().lines().map(|line| line.trim_end().to_owned()).collect::<Vec<_>>()
    };
    glob(&lines(&shown), &lines(&output), |line| line == "...", |a, b| line_fits(a, b))
}

fn is_json(text: &str) -> bool {
    let text = text.trim_start();
    text.starts_with('{') || text.starts_with("[{") || text.starts_with("[\n")
}

fn line_fits(shown: &str, line: &str) -> bool {
    let shown: Vec<char> = shown.replace("[..]", "\u{1}").chars().collect();
    glob(&shown, &line.chars().collect::<Vec<_>>(), |c| *c == '\u{1}', |a, b| a == b)
}

/// Whether a list fits a pattern in which some items stand for any number of items.
fn glob<T>(
    pattern: &[T],
    items: &[T],
    is_any: impl Fn(&T) -> bool,
    same: impl Fn(&T, &T) -> bool,
) -> bool {
    let (mut p, mut i) = (0, 0);
    // Where to go on when a guess at the last wildcard was wrong.
    let mut back: Option<(usize, usize)> = None;
    while i < items.len() {
        if pattern.get(p).is_some_and(&is_any) {
            back = Some((p + 1, i));
            p += 1;
        } else if pattern.get(p).is_some_and(|shown| same(shown, &items[i])) {
            p += 1;
            i += 1;
        } else if let Some((after, from)) = back {
            back = Some((after, from + 1));
            p = after;
            i = from + 1;
        } else {
            return false;
        }
    }
    pattern[p..].iter().all(is_any)
}

/// The text with ids, keys, dates and times replaced: `0` stands for a digit in a shape.
fn steady(text: &str) -> String {
    let mut steady = String::with_capacity(text.len());
    let mut rest = text;
    while let Some(first) = rest.chars().next() {
        let word = rest.find(|c: char| !c.is_ascii_alphanumeric()).unwrap_or(rest.len());
        let taken =
            if let Some(length) = ["0000-00-00", "00:00:00"].iter().find_map(|s| shape(rest, s)) {
                steady.push_str("<moment>");
                let fraction = rest[length..].strip_prefix('.').map_or(0, |digits| {
                    1 + digits.find(|c: char| !c.is_ascii_digit()).unwrap_or(digits.len())
                });
                length + fraction
            } else if word == 64 && rest[..word].bytes().all(|byte| byte.is_ascii_hexdigit()) {
                steady.push_str("<hex>");
                word
            } else if word == 22 && rest[..word].bytes().any(|byte| byte.is_ascii_digit()) {
                steady.push_str("<id>");
                word
            } else {
                let length = if word == 0 { first.len_utf8() } else { whole(rest, word) };
                steady.push_str(&rest[..length]);
                length
            };
        rest = &rest[taken..];
    }
    steady
}

/// The length of a shape at the beginning of a text.
fn shape(text: &str, shape: &str) -> Option<usize> {
    let fits = |(digit, given): (u8, u8)| {
        if digit == b'0' { given.is_ascii_digit() } else { digit == given }
    };
    (text.len() >= shape.len() && shape.bytes().zip(text.bytes()).all(fits)).then_some(shape.len())
}

/// How much of a word is taken at once: a date may end in `T` and go on with a time.
fn whole(text: &str, word: usize) -> usize {
    if text.starts_with('T') && shape(&text[1..], "00:00:00").is_some() { 1 } else { word }
}

#[test]
fn wildcards_stand_for_what_differs() {
    assert!(fits("a [..] c\n...\nend", "a b c\nx\ny\nend\n"));
    assert!(!fits("a [..] c", "a b d"));
    assert!(fits("12:00:01  step", "23:59:59  step"));
    assert!(fits("at 2026-11-22T00:14:36.595Z", "at 2027-01-01T10:00:00.1Z"));
    assert!(fits(
        r#"{"id": "0351i6epvoVvxuT3p5f7Wf", ...}"#,
        r#"{"id":"1351i6epvoVvxuT3p5f7Wg","x":1}"#
    ));
    assert!(!fits(r#"{"state": "CREATED"}"#, r#"{"state":"FAILED"}"#));
}
