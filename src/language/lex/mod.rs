//! A first look at the raw text, before the parser sees it. It refuses what would hurt the
//! parser (nesting that overflows its stack, switched-off blocks within each other that
//! cost it exponential time), and it finds the spots where people slip and the parser's
//! own words would not help: a missing quote, `5min` without quotes, `true` without `#`.

mod bare_guard;
mod blocks;
mod mends;
mod texts;

use std::ops::Range;

use super::codes;
use super::hints::{self, Bare};
use super::letters::is_bare;

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
    /// What to write, and in the place of what, when that is certain.
    pub(super) fix: Option<(Range<usize>, String)>,
    /// Another place that matters.
    pub(super) also: Option<(Range<usize>, &'static str)>,
}

/// Every mistake that the first look finds. An empty answer means that the text is safe to
/// parse.
pub(super) fn scan(text: &str) -> Vec<Fault> {
    let mut scanner = Scanner {
        text,
        at: 0,
        open: Vec::new(),
        brackets: Vec::new(),
        slashed: Slashed::No,
        fresh: true,
        faults: Vec::new(),
        stop: false,
        line: Line::default(),
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

/// So many mistakes are looked back over for one that was told on the same line already.
const MAX_LOOK_BACK: usize = 100;
/// What is said about a `}` without its `{`.
const SURPLUS: &str = "a `}` closes nothing";
/// A word that is longer, in bytes, is cut for its hint.
const LONGEST_WORD: usize = 2048;

struct Scanner<'a> {
    text: &'a str,
    at: usize,
    /// Offset of each open `{` and whether it is switched off.
    open: Vec<(usize, bool)>,
    /// Every `{` and `}` so far.
    brackets: Vec<usize>,
    slashed: Slashed,
    /// Whether the next word opens a line.
    fresh: bool,
    faults: Vec<Fault>,
    stop: bool,
    line: Line,
}

/// The line that is being read. It is kept up as the scan goes on: looking for its beginning
/// from every place anew would take for ever on a line of a hundred thousand letters.
#[derive(Default)]
struct Line {
    /// Where it begins.
    start: usize,
    /// Up to where it is known.
    seen: usize,
    /// Whether it holds a `\` up to there.
    backslash: bool,
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
            also: None,
        });
    }

    /// What mends the mistake that was told last.
    fn mend(&mut self, range: Range<usize>, text: impl Into<String>) {
        if let Some(last) = self.faults.last_mut() {
            last.fix = Some((range, text.into()));
        }
    }

    /// Whether this line has a mistake of that kind already: one slip is told once.
    fn told_on_line(&mut self, told: impl Fn(&Fault) -> bool) -> bool {
        self.keep_line();
        let start = self.line.start;
        let last = self.faults.iter().rev().take(MAX_LOOK_BACK);
        last.take_while(|fault| fault.range.end > start).any(told)
    }

    /// Finds out where the line of this place begins.
    fn keep_line(&mut self) {
        let news = self.text.get(self.line.seen..self.at).unwrap_or_default();
        let own = match news.rfind('\n') {
            Some(newline) => {
                self.line.start = self.line.seen + newline + 1;
                self.line.backslash = false;
                &news[newline + 1..]
            }
            None => news,
        };
        self.line.backslash |= own.contains('\\');
        self.line.seen = self.line.seen.max(self.at);
    }

    fn run(&mut self) {
        while let Some(letter) = self.rest().chars().next() {
            if self.stop {
                return;
            }
            match letter {
                '<' | '=' | '>' if self.conflict() => {}
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
        self.end_of_blocks();
    }

    /// A line with which git marks two versions of the same lines; told once.
    fn conflict(&mut self) -> bool {
        const MESSAGE: &str = "git has left two versions of these lines here";
        let line = self.rest().lines().next().unwrap_or_default();
        let fits =
            line == "=======" || ["<<<<<<< ", ">>>>>>> "].iter().any(|m| line.starts_with(m));
        let alone = self.at == 0 || self.text[..self.at].ends_with('\n');
        if !(fits && alone) {
            return false;
        }
        let range = self.at..self.at + line.len();
        self.at = range.end;
        if self.faults.iter().all(|fault| fault.message != MESSAGE) {
            self.fault(
                codes::SYNTAX,
                MESSAGE,
                range,
                "keep one version, and take away the lines that begin with <<<<<<<, ======= and \
                 >>>>>>>",
            );
        }
        true
    }

    /// Whether the current line ends in `\`, so that the node goes on below.
    fn line_goes_on(&mut self) -> bool {
        self.keep_line();
        self.line.backslash
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
            self.mend_lonely_brace();
        }
        self.brackets.push(self.at);
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
        self.brackets.push(self.at);
        if self.open.pop().is_none() {
            self.fault(
                codes::SYNTAX,
                SURPLUS,
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
        // The rest of the line is looked for only where it matters: most words need it not.
        let to_line_end = |text: &str| text.find(['\n', '\r']).unwrap_or(text.len());
        if let Some((found, to)) = hints::quotes(&self.text[start..], to_line_end) {
            return self.report(Some(&found), start + to);
        }
        if let Some((found, to)) = hints::single(&self.text[start..], to_line_end) {
            return self.report(Some(&found), start + to);
        }
        if after.starts_with('(') {
            let line = &after[..to_line_end(after)];
            let to = line.find(')').map_or(end + line.len(), |close| end + close + 1);
            return self.report(Some(&hints::call(word, &self.text[start..to])), to);
        }
        let value = after.trim_start_matches(|c: char| c.is_whitespace() && !"\n\r".contains(c));
        let assigned = value.starts_with('=') && !value.starts_with("==");
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
            self.mend_sign(opens, start, end);
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
            let range = start..end.max(start + 1);
            self.faults.push(Fault {
                code: hint.code,
                message: hint.message.clone(),
                range: range.clone(),
                label: hint.label,
                help: hint.help.clone(),
                fix: hint.fix.clone().map(|text| (range, text)),
                also: None,
            });
            if hint.code == codes::UNQUOTED_GUARD {
                self.whole_guard(start);
            }
        }
    }

    /// Where the run of letters that a person would call a word ends.
    fn word_end(&self) -> usize {
        let mut end = self.at;
        for letter in self.rest().chars() {
            let over = letter.is_whitespace()
                || matches!(letter, '{' | '}' | '"' | ';' | '(' | ')')
                || end - self.at > LONGEST_WORD;
            if over {
                break;
            }
            end += letter.len_utf8();
        }
        end
    }
}
