//! Texts in quotation marks, closed or not.

use super::Scanner;
use crate::language::codes;
use crate::language::letters::{may_follow, may_precede, string_end};

impl Scanner<'_> {
    /// A text: `"…"`, `"""…"""`, and both between hashes.
    pub(super) fn string(&mut self, hashes: usize) {
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
            if !block && hashes == 0 && self.broken_text(start, line) {
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
            self.mend_end(start, line, block);
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
            let next = self.text[end + 1..].chars().next();
            self.mend(
                end..end + 1,
                if next.is_some_and(|c| !c.is_whitespace()) { " " } else { "" },
            );
        } else if glued {
            self.fault(
                codes::SYNTAX,
                "a quotation mark stands in the middle of a word",
                start..start + 1,
                "put a space before it; a quotation mark that belongs to the text is written \\\"",
            );
            if follows.is_none_or(may_follow) {
                self.mend(start..start, " ");
            }
        } else if follows.is_some_and(|next| !may_follow(next))
            && (hashes > 0 || block || !(self.swallowed(start, end) || self.quoting_guard(start)))
        {
            self.followed(end);
        }
    }

    /// A text with something right behind it, which is often a quotation mark of its own.
    fn followed(&mut self, end: usize) {
        self.fault(
            codes::SYNTAX,
            "the text ends at this quotation mark, and something follows without a space",
            end - 1..end,
            "write \\\" where the mark belongs to the text, or put a space behind it",
        );
        let rest = &self.text[end..];
        let name = rest.find(|c: char| !c.is_ascii_lowercase() && c != '-').unwrap_or(0);
        if name > 0 && rest[name..].starts_with("=\"") {
            self.mend(end..end, " ");
        }
    }

    /// A text whose end is missing, so that it has taken in the property behind it:
    /// `subject="Hello after="1d"`.
    fn swallowed(&mut self, start: usize, end: usize) -> bool {
        let Some(inner) = self.text[start..end - 1].strip_suffix('=') else { return false };
        let name = inner.trim_end_matches(|c: char| c.is_ascii_lowercase() || c == '-').len();
        let before = inner[..name.min(inner.len())].trim_end();
        if name == inner.len() || !inner[..name].ends_with(' ') || before.len() < 2 {
            return false;
        }
        let to = start + before.len();
        self.fault(
            codes::SYNTAX,
            "a text has no closing quotation mark",
            start..to,
            "put a `\"` where the text ends; a text ends on its own line",
        );
        self.mend(to..to, "\"");
        self.at = to;
        true
    }

    /// A guard that holds texts of its own: `require "state == "new""`.
    fn quoting_guard(&mut self, start: usize) -> bool {
        let before = self.text[..start].trim_end_matches(' ');
        if !["require", "stop-when", "when="].iter().any(|word| before.ends_with(word)) {
            return false;
        }
        let line = self.text[start..].find(['\n', '\r']).map_or(self.text.len(), |n| start + n);
        let ends =
            |at: &usize| self.text[at + 2..line].chars().next().is_none_or(char::is_whitespace);
        let marks = self.text[start..line].match_indices("\"\"").map(|(at, _)| start + at);
        let Some(last) = marks.filter(|at| *at > start).find(ends) else { return false };
        let guard = &self.text[start + 1..=last];
        if guard.contains(['\\', '#']) {
            return false;
        }
        let text = format!("#\"{guard}\"#");
        self.fault(
            codes::SYNTAX,
            "a guard with quotation marks in it needs a `#` on both sides",
            start..last + 2,
            &format!("write {text}"),
        );
        self.mend(start..last + 2, text);
        self.at = last + 2;
        true
    }

    /// A text that goes on below: it is closed on the next line, by a mark that would open
    /// nothing there.
    fn broken_text(&mut self, start: usize, line: usize) -> bool {
        let below = &self.text[line..];
        let indent = below.len() - below.trim_start().len();
        let next = &below[indent..];
        let next = &next[..next.find(['\n', '\r']).unwrap_or(next.len())];
        let Some(mark) = next.find('"').filter(|_| next.matches('"').count() % 2 == 1) else {
            return false;
        };
        let inside = next[..mark].chars().next_back().is_some_and(|before| !may_precede(before));
        if !inside || next[..mark].contains(['=', '{', '}', '\\', '#']) {
            return false;
        }
        self.fault(
            codes::SYNTAX,
            "a text goes on behind the end of its line",
            start..line,
            "join both lines: a text ends on its own line",
        );
        let blanks = self.text[start..line].len() - self.text[start..line].trim_end().len();
        self.mend(line - blanks..line + indent, " ");
        self.at = line + indent + mark + 1;
        true
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
        if before[..start].ends_with('=') {
            self.mend(start..start, "\"");
        }
        self.at = mark + 1;
    }

    /// Closes a text at the end of its line, where nothing else can stand behind it.
    fn mend_end(&mut self, start: usize, line: usize, block: bool) {
        let shown = self.text[start..line].trim_end();
        let inner = shown.trim_end_matches('{').trim_end();
        let words = inner.trim_start_matches(['#', '"']);
        if !block
            && !words.is_empty()
            && !words.contains(['"', '=', ';', '\\', '{', '}', '#'])
            && !words.contains("//")
        {
            let end = start + inner.len();
            self.mend(end..end, "\"");
        }
    }
}
