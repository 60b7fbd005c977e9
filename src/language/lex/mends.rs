//! Slips with one mend: what the scanner writes in their place.

use super::{SURPLUS, Scanner, bare_guard, blocks};
use crate::language::codes;

impl Scanner<'_> {
    /// Blocks that are still open at the end, and a `}` that closes nothing.
    pub(super) fn end_of_blocks(&mut self) {
        const MESSAGE: &str = "a block is opened and never closed";
        const HELP: &str = "put a `}` where the block ends";
        let surplus: Vec<usize> =
            (0..self.faults.len()).filter(|at| self.faults[*at].message == SURPLUS).collect();
        if let ([fault], Some(end)) = (surplus.as_slice(), blocks::unopened(self.text)) {
            let fault = &mut self.faults[*fault];
            fault.fix = Some((end..end, String::from(" {")));
            fault.also = Some((fault.range.clone(), "this `}` has no `{`"));
            fault.range = self.text[..end].char_indices().next_back().map_or(0, |(at, _)| at)..end;
            fault.label = "no `{` behind this";
            fault.message = String::from("a block is closed and never opened");
            fault.help = String::from("put a `{` at the end of the line that opens the block");
        }
        let open = std::mem::take(&mut self.open);
        let by_lines = || blocks::unclosed(self.text, &self.brackets, open.len());
        let Some(found) = surplus.is_empty().then(by_lines).flatten() else {
            for (offset, _) in open {
                self.fault(codes::SYNTAX, MESSAGE, offset..offset + 1, HELP);
            }
            return;
        };
        for one in found {
            self.fault(codes::SYNTAX, MESSAGE, one.open..one.open + 1, HELP);
            self.mend(one.place..one.place, one.text);
            if let Some(last) = self.faults.last_mut() {
                last.label = "opened here";
                last.also = one.before.map(|line| (line, "its `}` is missing before this"));
            }
        }
    }

    /// Draws a `{` to the end of the line above, unless that one has ended otherwise.
    pub(super) fn mend_lonely_brace(&mut self) {
        let above = self.text[..self.at].trim_end();
        let line = above.rsplit('\n').next().unwrap_or_default();
        let ended = line.is_empty() || line.ends_with(['{', '}', ';']);
        if !ended && !line.contains("//") && !line.contains("*/") {
            self.mend(above.len()..self.at, " ");
        }
    }

    /// Takes the whole guard that this sign belongs to for one mistake, where it is plain
    /// from where to where it goes.
    pub(super) fn whole_guard(&mut self, sign: usize) {
        self.keep_line();
        let Some((range, text)) = bare_guard::whole(self.text, self.line.start, sign) else {
            return;
        };
        let Some(mut fault) = self.faults.pop() else { return };
        // Slips within it are its own.
        self.faults.retain(|other| other.range.end <= range.start);
        fault.help = format!("write {text}");
        fault.range = range.clone();
        self.at = range.end.max(self.at);
        fault.fix = Some((range, text));
        self.faults.push(fault);
    }

    /// The mend of a word with a sign that means nothing there: `total = number`, `id: 3`,
    /// `after: "1d"`.
    pub(super) fn mend_sign(&mut self, opens: bool, start: usize, end: usize) {
        let last = self.faults.last();
        let told = |code| last.is_some_and(|one| one.range.start == start && one.code == code);
        if !told(codes::SYNTAX) {
            return;
        }
        let colon = self.text[start..end].ends_with(':');
        let rest = &self.text[end..];
        let value = rest.trim_start_matches([' ', '\t']);
        let value = if colon { value } else { value.strip_prefix('=').unwrap_or(value) };
        let value = value.trim_start_matches([' ', '\t']);
        let to = self.text.len() - value.len();
        if value.starts_with(['\n', '\r', '{']) || value.is_empty() {
            return;
        }
        match (colon, opens) {
            (true, true) => self.mend(end - 1..to, " "),
            (true, false) => self.mend(end - 1..to, "="),
            (false, _) => self.mend(end..to, " "),
        }
    }
}
