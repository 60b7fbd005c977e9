//! A first look at the raw text, before the parser sees it. It refuses what would hurt the
//! parser (nesting that overflows its stack, switched-off blocks within each other that
//! cost it exponential time), and it finds the spots where people slip and the parser's
//! own words would not help: a missing quote, `5min` without quotes, `true` without `#`.

use std::ops::Range;

use super::codes;
use super::hints::{self, Bare};

/// Deepest nesting of blocks.
const MAX_DEPTH: usize = 32;
/// Deepest nesting of `/* */`.
const MAX_COMMENT_DEPTH: usize = 8;
/// Deepest nesting of switched-off blocks.
const MAX_SLASHDASH: usize = 2;

/// A mistake in the raw text.
#[derive(Debug)]
pub(super) struct Fault {
    /// Its code.
    pub(super) code: &'static str,
    /// What is wrong.
    pub(super) message: String,
    /// Where, in bytes.
    pub(super) range: Range<usize>,
    /// A few words under the place.
    pub(super) label: &'static str,
    /// How to mend it.
    pub(super) help: String,
    /// What to write instead, when that is certain.
    pub(super) fix: Option<String>,
}

/// Every mistake that the first look finds. An empty answer means that the text is safe to
/// parse.
pub(super) fn scan(text: &str) -> Vec<Fault> {
    let mut scanner = Scanner {
        text,
        at: 0,
        open: Vec::new(),
        slashed: Slashed::No,
        fresh: true,
        faults: Vec::new(),
        stop: false,
    };
    scanner.run();
    scanner.faults
}

/// Whether a `/-` waits for the block that it switches off.
#[derive(Clone, Copy, PartialEq, Eq)]
enum Slashed {
    No,
    /// Right after `/-`.
    Fresh,
    /// Within the node that is switched off.
    Node,
}

struct Scanner<'a> {
    text: &'a str,
    at: usize,
    /// Offset of each open `{` and whether it is switched off.
    open: Vec<(usize, bool)>,
    slashed: Slashed,
    /// Whether the next word opens a line.
    fresh: bool,
    faults: Vec<Fault>,
    stop: bool,
}

impl Scanner<'_> {
    fn rest(&self) -> &str {
        &self.text[self.at..]
    }

    fn fault(&mut self, code: &'static str, message: &str, range: Range<usize>, help: &str) {
        self.faults.push(Fault {
            code,
            message: message.to_owned(),
            range,
            label: "here",
            help: help.to_owned(),
            fix: None,
        });
    }

    /// Whether this line has a mistake of that kind already: one slip is told once.
    fn told_on_line(&self, told: impl Fn(&Fault) -> bool) -> bool {
        let line = self.text[..self.at].rfind('\n').map_or(0, |newline| newline + 1);
        self.faults.iter().rev().take_while(|fault| fault.range.end > line).any(told)
    }

    fn run(&mut self) {
        while let Some(letter) = self.rest().chars().next() {
            if self.stop {
                return;
            }
            match letter {
                '"' => self.string(0),
                '#' => self.hash(),
                '/' => self.slash(),
                '{' => self.brace(),
                '}' => self.close(),
                '=' if self.rest().starts_with("==") => self.operator(2),
                '\n' | '\r' | ';' => {
                    if !self.line_goes_on() {
                        self.fresh = true;
                        if self.slashed == Slashed::Node {
                            self.slashed = Slashed::No;
                        }
                    }
                    self.at += 1;
                }
                letter if is_bare(letter) => self.bare(),
                letter => {
                    if !letter.is_whitespace() && letter != '\u{feff}' {
                        self.touch();
                    }
                    self.at += letter.len_utf8();
                }
            }
        }
        for (offset, _) in std::mem::take(&mut self.open) {
            self.fault(
                codes::SYNTAX,
                "a block is opened and never closed",
                offset..offset + 1,
                "put a `}` where the block ends",
            );
        }
    }

    /// Whether the current line ends in `\`, so that the node goes on below.
    fn line_goes_on(&self) -> bool {
        let before = &self.text[..self.at];
        before[before.rfind('\n').map_or(0, |newline| newline + 1)..].contains('\\')
    }

    fn touch(&mut self) {
        self.fresh = false;
        if self.slashed == Slashed::Fresh {
            self.slashed = Slashed::Node;
        }
    }

    fn brace(&mut self) {
        if self.rest().starts_with("{{") {
            return self.tag();
        }
        if self.fresh {
            self.fault(
                codes::SYNTAX,
                "a `{` stands at the beginning of a line",
                self.at..self.at + 1,
                "put it at the end of the line that it belongs to: schema \"order\" {",
            );
        }
        self.fresh = true;
        let off = self.slashed != Slashed::No;
        self.slashed = Slashed::No;
        self.open.push((self.at, off));
        if self.open.len() > MAX_DEPTH {
            self.fault(
                codes::LIMIT,
                "blocks are nested deeper than 32 levels",
                self.at..self.at + 1,
                "rule files need a handful of levels; is a `}` missing above?",
            );
            self.stop = true;
            self.open.clear();
        } else if self.open.iter().filter(|(_, off)| *off).count() > MAX_SLASHDASH {
            self.fault(
                codes::LIMIT,
                "too many switched-off blocks stand within each other",
                self.at..self.at + 1,
                "one `/-` before the outermost block switches everything within it off",
            );
            self.stop = true;
            self.open.clear();
        }
        self.at += 1;
    }

    /// A `{{tag}}` outside of a text.
    fn tag(&mut self) {
        self.touch();
        let rest = self.rest();
        let line = rest.find(['\n', '\r']).unwrap_or(rest.len());
        let length = rest[..line].find("}}").map_or(line, |end| end + 2);
        let end = self.at + length;
        self.report(Some(&hints::tag(&self.text[self.at..end])), end);
    }

    fn close(&mut self) {
        self.fresh = true;
        if self.open.pop().is_none() {
            self.fault(
                codes::SYNTAX,
                "a `}` closes nothing",
                self.at..self.at + 1,
                "take it away, or look for a missing `{` above",
            );
        }
        self.slashed = Slashed::No;
        self.at += 1;
    }

    fn slash(&mut self) {
        let rest = self.rest();
        if rest.starts_with("//") {
            self.at += rest.find(['\n', '\r']).unwrap_or(rest.len());
        } else if rest.starts_with("/*") {
            self.comment();
        } else if rest.starts_with("/-") {
            self.slashed = Slashed::Fresh;
            self.at += 2;
            // `/-{` switches the block of its line off: no line begins here.
            self.fresh &= !self.rest().trim_start().starts_with('{');
        } else {
            self.touch();
            let end = self.word_end();
            self.report(hints::path(&self.text[self.at..end]).as_ref(), end);
        }
    }

    fn comment(&mut self) {
        let start = self.at;
        let mut depth = 0;
        loop {
            let rest = self.rest();
            if rest.starts_with("/*") {
                depth += 1;
                self.at += 2;
            } else if rest.starts_with("*/") {
                depth -= 1;
                self.at += 2;
            } else if let Some(letter) = rest.chars().next() {
                self.at += letter.len_utf8();
            } else {
                self.fault(
                    codes::SYNTAX,
                    "a comment is opened and never closed",
                    start..start + 2,
                    "put `*/` where the comment ends",
                );
                return;
            }
            if depth == 0 {
                return;
            }
            if depth > MAX_COMMENT_DEPTH {
                self.fault(
                    codes::LIMIT,
                    "comments are nested deeper than 8 levels",
                    self.at - 2..self.at,
                    "is a `*/` missing above?",
                );
                self.stop = true;
                self.open.clear();
                return;
            }
        }
    }

    fn hash(&mut self) {
        let hashes = self.rest().bytes().take_while(|byte| *byte == b'#').count();
        if self.rest()[hashes..].starts_with('"') {
            self.string(hashes);
        } else {
            self.touch();
            let end = self.word_end().max(self.at + hashes);
            let hint = hints::hash(&self.text[self.at..end]);
            let to_line_end = hint.as_ref().is_some_and(|hint| hint.whole);
            self.report(hint.as_ref(), end);
            if to_line_end {
                self.at += self.rest().find(['\n', '\r']).unwrap_or(self.rest().len());
            }
        }
    }

    /// A text: `"…"`, `"""…"""`, and both between hashes.
    fn string(&mut self, hashes: usize) {
        self.touch();
        let start = self.at;
        let glued =
            self.text[..start].chars().next_back().is_some_and(|before| !may_precede(before));
        let body = start + hashes;
        let block = self.text[body..].starts_with("\"\"\"");
        let quotes = if block { 3 } else { 1 };
        let Some(end) = string_end(self.text, body + quotes, hashes, block) else {
            let line = self.text[start..].find(['\n', '\r']).map_or(self.text.len(), |n| start + n);
            if glued && !block && !self.told_on_line(|_| true) {
                self.unopened(start);
                return;
            }
            self.fault(
                codes::SYNTAX,
                "a text has no closing quotation mark",
                start..line.max(start + 1),
                if block {
                    "a text of several lines begins with \"\"\" at the end of a line and ends \
                     with \"\"\" on a line of its own"
                } else {
                    "put a `\"` where the text ends; a text ends on its own line"
                },
            );
            self.at = if block { self.text.len() } else { line.max(start + 1) };
            if block {
                self.stop = true;
                self.open.clear();
            }
            return;
        };
        self.at = end;
        let follows = self.rest().chars().next();
        if self.told_on_line(|fault| fault.code == codes::SYNTAX) {
            return;
        }
        if follows == Some(',') {
            self.fault(
                codes::SYNTAX,
                "a comma stands between two values",
                end..end + 1,
                "take it away: values stand side by side, with a space between them",
            );
        } else if glued {
            self.fault(
                codes::SYNTAX,
                "a quotation mark stands in the middle of a word",
                start..start + 1,
                "put a space before it; a quotation mark that belongs to the text is written \\\"",
            );
        } else if follows.is_some_and(|next| !may_follow(next)) {
            self.fault(
                codes::SYNTAX,
                "the text ends here, and something follows without a space",
                end - 1..end,
                "put a space behind it; a quotation mark that belongs to the text is written \\\"",
            );
        }
    }

    /// A quotation mark that closes a text which none has opened.
    fn unopened(&mut self, mark: usize) {
        let before = &self.text[..mark];
        let start = before
            .char_indices()
            .rev()
            .find(|(_, letter)| may_precede(*letter))
            .map_or(0, |(index, letter)| index + letter.len_utf8());
        self.fault(
            codes::SYNTAX,
            "a text has no opening quotation mark",
            start..mark + 1,
            "put a `\"` where the text begins",
        );
        self.at = mark + 1;
    }

    fn operator(&mut self, length: usize) {
        let range = self.at..self.at + length;
        self.report(Some(&hints::guard()), range.end);
    }

    fn bare(&mut self) {
        let opens = self.fresh && self.slashed != Slashed::Fresh;
        self.touch();
        let start = self.at;
        let end = self.text[start..]
            .find(|letter| !is_bare(letter))
            .map_or(self.text.len(), |length| start + length);
        let word = &self.text[start..end];
        let after = &self.text[end..];
        let long = self.word_end();
        let as_key = after.starts_with('=') && !after.starts_with("==");
        let whole = &self.text[start..long];
        let line = &after[..after.find(['\n', '\r']).unwrap_or(after.len())];
        let assigned = line.trim_start().starts_with('=') && !line.trim_start().starts_with("==");
        if let Some((found, to)) = hints::quotes(&self.text[start..end + line.len()]) {
            return self.report(Some(&found), start + to);
        }
        if after.starts_with('(') {
            let to = line.find(')').map_or(end + line.len(), |close| end + close + 1);
            return self.report(Some(&hints::call(word, &self.text[start..to])), to);
        }
        let found = if opens && assigned {
            Some(hints::assignment(word))
        } else if as_key && hints::operator(word).is_none() {
            None
        } else {
            let slash = after.starts_with('/')
                && !["//", "/*", "/-"].iter().any(|mark| after.starts_with(mark));
            hints::bare(word, whole, opens).or_else(|| slash.then(|| hints::with_slash(whole)))
        };
        self.at = end;
        if let Some(found) = found {
            let to = if found.whole { long } else { end };
            self.at = start;
            self.report(Some(&found), to);
        }
    }

    fn report(&mut self, hint: Option<&Bare>, end: usize) {
        let start = self.at;
        self.at = end.max(start + 1);
        if let Some(hint) = hint
            // Every sign of a guard without quotes says the same.
            && !(hint.code == codes::UNQUOTED_GUARD
                && self.told_on_line(|fault| fault.code == codes::UNQUOTED_GUARD))
        {
            self.faults.push(Fault {
                code: hint.code,
                message: hint.message.clone(),
                range: start..end.max(start + 1),
                label: hint.label,
                help: hint.help.clone(),
                fix: hint.fix.clone(),
            });
        }
    }

    /// Where the run of letters that a person would call a word ends.
    fn word_end(&self) -> usize {
        self.rest()
            .find(|letter: char| {
                letter.is_whitespace() || matches!(letter, '{' | '}' | '"' | ';' | '(' | ')')
            })
            .map_or(self.text.len(), |length| self.at + length)
    }
}

/// Where a text ends, after its last mark; `from` is the first byte after the opening marks.
pub(super) fn string_end(text: &str, from: usize, hashes: usize, block: bool) -> Option<usize> {
    let marks = format!("{}{}", if block { "\"\"\"" } else { "\"" }, "#".repeat(hashes));
    if block && !text[from..].starts_with(['\n', '\r']) {
        return None;
    }
    let mut at = from;
    while let Some(letter) = text[at..].chars().next() {
        if text[at..].starts_with(&marks) {
            return Some(at + marks.len());
        }
        if is_newline(letter) && !block {
            return None;
        }
        at += letter.len_utf8();
        if letter == '\\' && hashes == 0 {
            let next = text[at..].chars().next()?;
            if next.is_whitespace() {
                at += text[at..].len() - text[at..].trim_start().len();
            } else {
                at += next.len_utf8();
            }
        }
    }
    None
}

fn is_newline(letter: char) -> bool {
    matches!(letter, '\n' | '\r' | '\u{b}' | '\u{c}' | '\u{85}' | '\u{2028}' | '\u{2029}')
}

fn is_bare(letter: char) -> bool {
    !letter.is_whitespace()
        && !matches!(letter, '{' | '}' | '(' | ')' | '[' | ']' | '/' | '\\' | '"' | '#' | ';' | '=')
}

fn may_precede(letter: char) -> bool {
    letter.is_whitespace()
        || matches!(letter, '=' | '(' | ')' | '{' | '}' | ';' | '/' | '-' | '\u{feff}')
}

fn may_follow(letter: char) -> bool {
    letter.is_whitespace() || matches!(letter, '=' | ')' | '{' | '}' | ';' | '/' | '\\')
}
