//! Writing: data to standard output, everything else to standard error. A reader who has
//! seen enough and closed the pipe (`rulerun list | head`) is no fault.

use std::io::{ErrorKind, IsTerminal as _, Write as _};

use serde_json::Value;

use super::environment;
use super::outcome::Failure;
use crate::base::report::Style;
pub(super) use crate::base::text::{clean, clean_lines};

/// The width for people who read a file or a pipe instead of a terminal.
const PAGE: usize = 100;

/// Writes data.
pub(super) fn data(text: &str) -> Result<(), Failure> {
    more(text).map(|_| ())
}

/// Writes one piece of data of many; answers whether somebody still reads.
pub(super) fn more(text: &str) -> Result<bool, Failure> {
    let mut stdout = std::io::stdout().lock();
    match stdout.write_all(text.as_bytes()).and_then(|()| stdout.flush()) {
        Ok(()) => Ok(true),
        Err(error) if error.kind() == ErrorKind::BrokenPipe => Ok(false),
        Err(error) => Err(Failure::io("cannot write the output", &error)),
    }
}

/// Writes data as JSON.
pub(super) fn json(value: &Value) -> Result<(), Failure> {
    data(&format!("{value:#}\n"))
}

/// Writes a line for the person at the terminal, not for the program that reads the data.
pub(super) fn note(line: &str) {
    // There is nobody left to tell when this fails.
    let _ = writeln!(std::io::stderr().lock(), "{line}");
}

/// Columns of the terminal that shows the data; none when a file or a program takes it.
pub(super) fn terminal_width() -> Option<usize> {
    terminal_size::terminal_size_of(std::io::stdout()).map(|(width, _)| usize::from(width.0))
}

/// Columns for running text in the data.
pub(super) fn page_width() -> usize {
    terminal_width().unwrap_or(PAGE).clamp(40, PAGE)
}

/// How mistakes in files are drawn on standard error.
pub(super) fn notes_style() -> Style {
    Style { colour: Ink::for_notes().on, width: notes_width() }
}

/// Columns for the mistakes drawn on standard error.
pub(super) fn notes_width() -> usize {
    terminal_size::terminal_size_of(std::io::stderr())
        .map_or(PAGE, |(width, _)| usize::from(width.0))
        .clamp(40, 120)
}

/// Colours words, or leaves them as they are. Nothing is told by colour alone.
#[derive(Clone, Copy, Debug)]
pub(super) struct Ink {
    /// Whether it colours.
    pub(super) on: bool,
}

impl Ink {
    /// Ink for data: colour on a terminal whose owner did not set `NO_COLOR`.
    pub(super) fn for_data() -> Self {
        Self { on: std::io::stdout().is_terminal() && environment::wants_colour() }
    }

    /// Ink for everything else.
    pub(super) fn for_notes() -> Self {
        Self { on: std::io::stderr().is_terminal() && environment::wants_colour() }
    }

    pub(super) fn bold(self, text: &str) -> String {
        self.wrap("1", text)
    }

    pub(super) fn dim(self, text: &str) -> String {
        self.wrap("2", text)
    }

    pub(super) fn red(self, text: &str) -> String {
        self.wrap("1;31", text)
    }

    pub(super) fn green(self, text: &str) -> String {
        self.wrap("32", text)
    }

    fn wrap(self, code: &str, text: &str) -> String {
        if self.on { format!("\u{1b}[{code}m{text}\u{1b}[0m") } else { text.to_owned() }
    }
}

/// "1 endpoint", "10 endpoints".
pub(super) fn count(number: usize, one: &str) -> String {
    if number == 1 { format!("1 {one}") } else { format!("{number} {one}s") }
}

/// A hash as people tell it apart from another: its first 8 letters.
pub(super) fn short(hash: &str) -> &str {
    hash.get(..8).unwrap_or(hash)
}

/// "1 person", "10 people".
pub(super) fn count_people(number: usize) -> String {
    if number == 1 { String::from("1 person") } else { format!("{number} people") }
}
