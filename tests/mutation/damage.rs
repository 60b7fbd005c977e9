//! Small ways in which a file is broken: those of people who type, of editors, and of
//! whatever carries a file from one machine to another.

use std::collections::BTreeSet;

use super::dice::Dice;
use super::words::{Kind, Word};

/// One way in which a file was broken.
#[derive(Debug)]
pub(crate) struct Damage {
    /// In words.
    pub(crate) what: String,
    /// The file as it is now; none when it is gone.
    pub(crate) text: Option<String>,
    /// The word that was misspelt, where that is all: its kind, as it was, as it is.
    pub(crate) typo: Option<(Kind, String, String)>,
}

/// Letters beside each other on a keyboard, by rows.
const ROWS: [&str; 3] = ["qwertyuiop", "asdfghjkl", "zxcvbnm"];

/// Breaks a file: every other time by a slip in one of its words.
pub(crate) fn damage(dice: &Dice, text: &str, words: &[Word]) -> Damage {
    if !words.is_empty() && dice.once_in(2) {
        // Every kind of word as often as any other, however often it stands there.
        let kinds: BTreeSet<Kind> = words.iter().map(|word| word.kind).collect();
        let kind = dice.pick(&Vec::from_iter(kinds));
        let all: Vec<&Word> = words.iter().filter(|word| word.kind == kind).collect();
        let word = dice.pick(&all);
        if let Some(found) = typo(dice, text, word) {
            return found;
        }
    }
    let (what, text) = match dice.below(22) {
        0 => remove_one(dice, text, '"'),
        1 => insert(dice, text, "\""),
        2 => remove_one(dice, text, '{'),
        3 => remove_one(dice, text, '}'),
        4 => insert(dice, text, "{"),
        5 => insert(dice, text, "}"),
        6 => swap_types(dice, text),
        7 => without_line(dice, text),
        8 => doubled_line(dice, text),
        9 => doubled_block(dice, text),
        10 => numbers(dice, text),
        11 => case(dice, text),
        12 => insert(dice, text, "\t"),
        13 => (String::from("line endings of Windows"), text.replace('\n', "\r\n")),
        14 => (String::from("a byte order mark"), format!("\u{feff}{text}")),
        15 => blank(dice, text, "\u{a0}"),
        16 => halved(dice, text),
        17 => printed(dice, text),
        18 => blank(dice, text, ""),
        19 => moved_line(dice, text),
        20 => anything(dice, text),
        _ => return Damage { what: String::from("the file is gone"), text: None, typo: None },
    };
    Damage { what, text: Some(text), typo: None }
}

/// One slip in a word: two letters swapped, one left out, doubled, or mistaken for another.
pub(crate) fn typo(dice: &Dice, text: &str, word: &Word) -> Option<Damage> {
    let old = &text[word.range.clone()];
    let letters: Vec<char> = old.chars().collect();
    let places: Vec<usize> = (0..letters.len()).filter(|at| letters[*at].is_alphabetic()).collect();
    if places.is_empty() {
        return None;
    }
    let at = places[at_most(dice, places.len())];
    let mut new = letters.clone();
    match dice.below(4) {
        0 if at + 1 < new.len() => new.swap(at, at + 1),
        1 => drop(new.remove(at)),
        2 => new.insert(at, letters[at]),
        _ => new[at] = neighbour(dice, letters[at]),
    }
    let new: String = new.into_iter().collect();
    if new == old || new.is_empty() {
        return None;
    }
    let (before, after) = (&text[..word.range.start], &text[word.range.end..]);
    Some(Damage {
        what: format!("`{old}` ({}) is written `{new}`", word.kind),
        text: Some(format!("{before}{new}{after}")),
        typo: Some((word.kind, old.to_owned(), new)),
    })
}

/// A key beside that of a letter.
fn neighbour(dice: &Dice, letter: char) -> char {
    let small = letter.to_ascii_lowercase();
    let Some(row) = ROWS.iter().find(|row| row.contains(small)) else { return 'x' };
    let at = row.find(small).unwrap();
    let other = if at == 0 || (at + 1 < row.len() && dice.once_in(2)) { at + 1 } else { at - 1 };
    let found = row.as_bytes()[other] as char;
    if letter.is_ascii_uppercase() { found.to_ascii_uppercase() } else { found }
}

fn at_most(dice: &Dice, count: usize) -> usize {
    usize::try_from(dice.below(count.max(1) as u64)).unwrap()
}

/// A place between two characters.
fn place(dice: &Dice, text: &str) -> usize {
    let mut at = at_most(dice, text.len() + 1);
    while !text.is_char_boundary(at) {
        at -= 1;
    }
    at
}

fn insert(dice: &Dice, text: &str, what: &str) -> (String, String) {
    let at = place(dice, text);
    (format!("{what:?} is put in at byte {at}"), format!("{}{what}{}", &text[..at], &text[at..]))
}

/// The byte of one of the places where something stands.
fn one_of(dice: &Dice, text: &str, what: &str) -> Option<usize> {
    let places: Vec<usize> = text.match_indices(what).map(|(at, _)| at).collect();
    (!places.is_empty()).then(|| places[at_most(dice, places.len())])
}

fn remove_one(dice: &Dice, text: &str, what: char) -> (String, String) {
    let Some(at) = one_of(dice, text, &what.to_string()) else { return anything(dice, text) };
    let rest = &text[at + what.len_utf8()..];
    (format!("{what:?} is taken away at byte {at}"), format!("{}{rest}", &text[..at]))
}

/// A blank becomes something else, or nothing.
fn blank(dice: &Dice, text: &str, with: &str) -> (String, String) {
    let Some(at) = one_of(dice, text, " ") else { return anything(dice, text) };
    let changed = format!("{}{with}{}", &text[..at], &text[at + 1..]);
    (format!("the blank at byte {at} becomes {with:?}"), changed)
}

/// The type of a field, or another value that stands bare, becomes one of another type.
fn swap_types(dice: &Dice, text: &str) -> (String, String) {
    const TYPES: [&str; 9] =
        ["text", "email", "integer", "number", "boolean", "time", "date", "list", "object"];
    let old = dice.pick(&TYPES);
    let new = dice.pick(&TYPES);
    let Some(at) = one_of(dice, text, &format!(" {old}")) else { return anything(dice, text) };
    let rest = &text[at + 1 + old.len()..];
    (format!("{old} becomes {new} at byte {at}"), format!("{} {new}{rest}", &text[..at]))
}

fn lines(text: &str) -> Vec<&str> {
    text.split_inclusive('\n').collect()
}

fn without_line(dice: &Dice, text: &str) -> (String, String) {
    let mut all = lines(text);
    let at = at_most(dice, all.len());
    let gone = all.remove(at).trim();
    (format!("line {} is gone: {gone}", at + 1), all.concat())
}

fn doubled_line(dice: &Dice, text: &str) -> (String, String) {
    let mut all = lines(text);
    let at = at_most(dice, all.len());
    all.insert(at, all[at]);
    (format!("line {} stands twice", at + 1), all.concat())
}

fn moved_line(dice: &Dice, text: &str) -> (String, String) {
    let mut all = lines(text);
    let from = at_most(dice, all.len());
    let line = all.remove(from);
    let to = at_most(dice, all.len() + 1);
    all.insert(to, line);
    (format!("line {} is moved to {}", from + 1, to + 1), all.concat())
}

/// A block with all that is in it stands twice.
fn doubled_block(dice: &Dice, text: &str) -> (String, String) {
    let all = lines(text);
    let opens: Vec<usize> =
        (0..all.len()).filter(|at| all[*at].trim_end().ends_with('{')).collect();
    if opens.is_empty() {
        return doubled_line(dice, text);
    }
    let open = opens[at_most(dice, opens.len())];
    let indent = |line: &str| line.len() - line.trim_start().len();
    let ends = |line: &&str| line.trim() == "}" && indent(line) == indent(all[open]);
    let close = all[open..].iter().position(ends).map_or(all.len() - 1, |at| open + at);
    let changed = [&all[..=close], &all[open..]].concat().concat();
    (format!("lines {} to {} stand twice", open + 1, close + 1), changed)
}

/// A number, or the number of a wait, becomes another.
fn numbers(dice: &Dice, text: &str) -> (String, String) {
    let digits: Vec<usize> = text
        .char_indices()
        .filter(|(at, letter)| {
            letter.is_ascii_digit()
                && !text[..*at].ends_with(|before: char| before.is_alphanumeric())
        })
        .map(|(at, _)| at)
        .collect();
    if digits.is_empty() {
        return anything(dice, text);
    }
    let at = digits[at_most(dice, digits.len())];
    let rest = text[at..].trim_start_matches(|letter: char| letter.is_ascii_digit());
    let new =
        dice.pick(&["0", "1", "-1", "07", "99", "1000000", "99999999999999999999", "1.5", ""]);
    (format!("the number at byte {at} becomes {new:?}"), format!("{}{new}{rest}", &text[..at]))
}

/// A word in capitals, or with one at its beginning.
fn case(dice: &Dice, text: &str) -> (String, String) {
    let start = place(dice, text);
    let Some(from) = text[start..].find(|letter: char| letter.is_ascii_lowercase()) else {
        return anything(dice, text);
    };
    let start = start + from;
    let rest = &text[start..];
    let length = rest.find(|letter: char| !letter.is_ascii_lowercase()).unwrap_or(rest.len());
    let word = &rest[..length];
    let new = if dice.once_in(2) {
        word.to_ascii_uppercase()
    } else {
        format!("{}{}", word[..1].to_ascii_uppercase(), &word[1..])
    };
    let changed = format!("{}{new}{}", &text[..start], &rest[length..]);
    (format!("`{word}` becomes `{new}` at byte {start}"), changed)
}

fn halved(dice: &Dice, text: &str) -> (String, String) {
    let at = place(dice, text);
    if dice.once_in(2) {
        (format!("cut off at byte {at}"), text[..at].to_owned())
    } else {
        (format!("begins at byte {at}"), text[at..].to_owned())
    }
}

/// A text in the quotation marks of a word processor.
fn printed(dice: &Dice, text: &str) -> (String, String) {
    let Some(open) = one_of(dice, text, "\"") else { return anything(dice, text) };
    let rest = &text[open + 1..];
    let (inner, after) = rest.split_once('"').unwrap_or((rest, ""));
    let (left, right) = dice.pick(&[("“", "”"), ("„", "“"), ("«", "»"), ("'", "'"), ("`", "`")]);
    let changed = format!("{}{left}{inner}{right}{after}", &text[..open]);
    (format!("{left}{right} around the text at byte {open}"), changed)
}

/// A few bytes of what has a meaning somewhere.
fn anything(dice: &Dice, text: &str) -> (String, String) {
    let what = dice.pick(&[
        "/-", "//", "/*", "*/", "#", "#\"", "\"#", "\"\"\"", "\\", "(env)", "(file)", "=", ";",
        "{{", "}}", "{%", "%}", "{#", "|", "\u{85}", "\0", "é", "\n", "#true", "#null", "'",
        "\\u{", "and", "if=", "&&", "$", "()", "[", "0x", "-", "…",
    ]);
    insert(dice, text, what)
}
