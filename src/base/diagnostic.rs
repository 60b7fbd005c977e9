//! A mistake in a rule file, as data: what is wrong, where, and how to mend it. The same
//! value is shown on a terminal, as JSON, and by an editor (see [`crate::base::report`]).

use super::source::Span;

/// How bad it is.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub enum Severity {
    /// The rule set is refused.
    Error,
    /// Legal and probably wrong.
    Warning,
}

impl Severity {
    /// The word that JSON and terminals print.
    #[must_use]
    pub fn word(self) -> &'static str {
        match self {
            Self::Error => "error",
            Self::Warning => "warning",
        }
    }
}

/// A change of the text that mends the mistake, when there is exactly one.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Fix {
    /// What to replace.
    pub span: Span,
    /// With what.
    pub text: String,
}

/// One mistake, told in the words of the person who wrote the file.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Diagnostic {
    /// A stable word such as `unknown-word`.
    pub code: &'static str,
    /// Error or warning.
    pub severity: Severity,
    /// What is wrong, as one sentence without a full stop.
    pub message: String,
    /// Where.
    pub span: Span,
    /// A few words under the place.
    pub label: String,
    /// Other places that matter, such as "first declared here".
    pub related: Vec<(Span, String)>,
    /// How to mend it.
    pub help: Option<String>,
    /// The mend as a change of the text.
    pub fix: Option<Fix>,
}

impl Diagnostic {
    /// A mistake that refuses the rule set.
    #[must_use]
    pub fn error(code: &'static str, message: impl Into<String>, span: Span) -> Self {
        Self {
            code,
            severity: Severity::Error,
            message: message.into(),
            span,
            label: String::from("here"),
            related: Vec::new(),
            help: None,
            fix: None,
        }
    }

    /// Something legal and probably wrong.
    #[must_use]
    pub fn warning(code: &'static str, message: impl Into<String>, span: Span) -> Self {
        Self { severity: Severity::Warning, ..Self::error(code, message, span) }
    }

    /// The words under the place.
    #[must_use]
    pub fn label(mut self, text: impl Into<String>) -> Self {
        self.label = text.into();
        self
    }

    /// How to mend it.
    #[must_use]
    pub fn help(mut self, text: impl Into<String>) -> Self {
        self.help = Some(text.into());
        self
    }

    /// How to mend it, where there may be no advice.
    #[must_use]
    pub fn maybe_help(mut self, text: Option<String>) -> Self {
        self.help = text.or(self.help);
        self
    }

    /// Another place that matters.
    #[must_use]
    pub fn also(mut self, span: Span, text: impl Into<String>) -> Self {
        self.related.push((span, text.into()));
        self
    }

    /// The text that mends it at its own place, where one does.
    #[must_use]
    pub fn mend(self, text: Option<String>) -> Self {
        let span = self.span;
        match text {
            Some(text) => self.fix(span, text),
            None => self,
        }
    }

    /// The change that mends it.
    #[must_use]
    pub fn fix(mut self, span: Span, text: impl Into<String>) -> Self {
        self.fix = Some(Fix { span, text: text.into() });
        self
    }
}

/// Collects mistakes while a rule set is read: a broken part never hides its siblings.
#[derive(Debug, Default)]
pub struct Sink {
    found: Vec<Diagnostic>,
}

impl Sink {
    /// An empty sink.
    #[must_use]
    pub fn new() -> Self {
        Self::default()
    }

    /// Notes one mistake.
    pub fn push(&mut self, diagnostic: Diagnostic) {
        self.found.push(diagnostic);
    }

    /// Whether anything found so far refuses the rule set.
    #[must_use]
    pub fn has_errors(&self) -> bool {
        self.found.iter().any(|found| found.severity == Severity::Error)
    }

    /// Whether one of these codes was found so far.
    #[must_use]
    pub fn has_any(&self, codes: &[&str]) -> bool {
        self.found.iter().any(|found| codes.contains(&found.code))
    }

    /// How many names are worth comparing with a misspelt one: all of them, until so many
    /// mistakes are found that most will not be shown.
    #[must_use]
    pub fn suggested(&self) -> usize {
        const HELPED: usize = 100;
        if self.found.len() < HELPED { usize::MAX } else { 0 }
    }

    /// Everything found, by file and place, each mistake once.
    #[must_use]
    pub fn finish(mut self) -> Vec<Diagnostic> {
        self.found.sort_by_key(|found| (found.span, found.severity, found.code));
        self.found.dedup();
        self.found
    }
}

/// The candidate that a reader most likely meant, by edit distance; none when all are far. Of
/// several that are equally near, the one wins from which a finger slips most easily, and then
/// the first.
#[must_use]
pub fn closest<'a>(word: &str, candidates: impl IntoIterator<Item = &'a str>) -> Option<&'a str> {
    let word = word.to_lowercase();
    let length = word.chars().count();
    candidates
        .into_iter()
        .filter_map(|candidate| {
            let own = candidate.chars().count();
            let limit = (length.max(own) / 3).max(1);
            // Lengths that differ by more than the limit cannot be near: most end here.
            if length.abs_diff(own) > limit {
                return None;
            }
            let meant = candidate.to_lowercase();
            let distance = strsim::osa_distance(&word, &meant);
            (distance <= limit && distance < own)
                .then(|| ((distance, slip(&word, &meant)), candidate))
        })
        .min_by_key(|(rank, _)| *rank)
        .map(|(_, candidate)| candidate)
}

/// The closest candidate if no other one is as close: then it may be written without asking.
#[must_use]
pub fn only_close<'a>(
    word: &str,
    candidates: impl IntoIterator<Item = &'a str>,
) -> Option<&'a str> {
    let candidates: Vec<&str> = candidates.into_iter().collect();
    let first = closest(word, candidates.iter().copied())?;
    let distance = |other: &str| strsim::osa_distance(&word.to_lowercase(), &other.to_lowercase());
    let second = closest(word, candidates.into_iter().filter(|other| *other != first));
    second.is_none_or(|second| distance(second) > distance(first)).then_some(first)
}

/// How seldom this slip happens: letters in another order (0), a letter too few or too many or
/// one from the next key (1), anything else (2).
fn slip(word: &str, meant: &str) -> u8 {
    let sorted = |text: &str| {
        let mut letters: Vec<char> = text.chars().collect();
        letters.sort_unstable();
        letters
    };
    if sorted(word) == sorted(meant) {
        return 0;
    }
    let near = |(one, other): (char, char)| one == other || are_beside(one, other);
    let same_length = word.chars().count() == meant.chars().count();
    if same_length && !word.chars().zip(meant.chars()).all(near) { 2 } else { 1 }
}

/// Whether two keys are neighbours in a row of a keyboard.
fn are_beside(one: char, other: char) -> bool {
    const ROWS: [&str; 4] = ["1234567890", "qwertyuiop", "asdfghjkl", "zxcvbnm"];
    ROWS.iter().any(|row| {
        row.find(one).zip(row.find(other)).is_some_and(|(one, other)| one.abs_diff(other) == 1)
    })
}

/// "did you mean `x`?" for the closest candidate.
#[must_use]
pub fn did_you_mean<'a>(
    word: &str,
    candidates: impl IntoIterator<Item = &'a str>,
) -> Option<String> {
    closest(word, candidates).map(|found| format!("did you mean `{found}`?"))
}

#[cfg(test)]
mod tests {
    use super::{closest, only_close};

    #[test]
    fn a_typo_finds_its_word_and_a_stranger_finds_none() {
        assert_eq!(closest("emial", ["email", "text"]), Some("email"));
        assert_eq!(closest("emial_1_status", ["email", "email_1_status"]), Some("email_1_status"));
        assert_eq!(closest("post", ["GET", "POST"]), Some("POST"));
        assert_eq!(closest("banana", ["email", "text"]), None);
    }

    #[test]
    fn of_two_words_that_are_as_near_none_is_written_without_asking() {
        assert_eq!(only_close("emial", ["email", "text"]), Some("email"));
        assert_eq!(only_close("step-4", ["step-1", "step-2"]), None);
        assert_eq!(only_close("banana", ["email", "text"]), None);
    }

    #[test]
    fn of_several_near_words_the_likeliest_slip_wins() {
        // Left out before mistaken, the next key before a far one, swapped before all.
        assert_eq!(closest("tite", ["time", "title"]), Some("title"));
        assert_eq!(closest("dats", ["data", "days"]), Some("data"));
        assert_eq!(closest("fro", ["fry", "for"]), Some("for"));
        assert_eq!(closest("noshow-", ["noshow-2", "noshow-1"]), Some("noshow-2"));
    }
}
