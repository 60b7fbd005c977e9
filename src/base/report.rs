//! How mistakes look: drawn with their source lines for a person, or as JSON for a
//! program. Both are made from the same [`Diagnostic`]s, so they never disagree.

use std::borrow::Cow;
use std::fmt::Write as _;

use miette::{
    GraphicalReportHandler, GraphicalTheme, LabeledSpan, MietteError, MietteSpanContents,
    SourceCode, SourceSpan, SpanContents,
};
use serde_json::{Value, json};

use super::diagnostic::{Diagnostic, Severity};
use super::source::{SourceFile, SourceMap, Span};
use super::text::{clean, clean_lines, steers};

/// After so many mistakes the rest is counted instead of drawn.
const SHOWN: usize = 50;

/// How to draw.
#[derive(Clone, Copy, Debug)]
pub struct Style {
    /// Colour, for terminals that want it.
    pub colour: bool,
    /// Columns of the terminal.
    pub width: usize,
}

/// Every mistake drawn with its lines of source, in the order given.
#[must_use]
pub fn human(sources: &SourceMap, found: &[Diagnostic], style: Style) -> String {
    let theme =
        if style.colour { GraphicalTheme::unicode() } else { GraphicalTheme::unicode_nocolor() };
    let handler =
        GraphicalReportHandler::new_themed(theme).with_width(style.width).with_context_lines(1);
    let mut out = String::new();
    let sources = harmless(sources);
    for (index, diagnostic) in found.iter().take(SHOWN).enumerate() {
        if index > 0 {
            out.push('\n');
        }
        for part in Drawn::of(&sources, diagnostic) {
            if handler.render_report(&mut out, &part).is_err() {
                out.push_str(&part.message);
                out.push('\n');
            }
        }
    }
    if found.len() > SHOWN {
        let _ = writeln!(out, "… and {} more.", found.len() - SHOWN);
    }
    out
}

/// The files without characters that steer a terminal: blanks of the same length stand for
/// them, so that every place stays where it is.
fn harmless(sources: &SourceMap) -> Cow<'_, SourceMap> {
    let steering = |c: char| steers(c) && !matches!(c, '\n' | '\r' | '\t');
    if !sources.iter().any(|(_, file)| file.text.contains(steering)) {
        return Cow::Borrowed(sources);
    }
    let mut shown = SourceMap::new();
    for (_, file) in sources.iter() {
        let blank = |c: char| match c.len_utf8() {
            1 => ' ',
            2 => '\u{a0}',
            _ => '\u{2007}',
        };
        let text = file.text.chars().map(|c| if steering(c) { blank(c) } else { c });
        shown.add(file.path.clone(), text.collect::<String>());
    }
    Cow::Owned(shown)
}

/// One mistake as the JSON object that `validate --format json` prints.
#[must_use]
pub fn json(sources: &SourceMap, diagnostic: &Diagnostic) -> Value {
    let mut value = place(sources, diagnostic.span);
    let related: Vec<Value> = diagnostic
        .related
        .iter()
        .map(|(span, text)| {
            let mut related = place(sources, *span);
            related["message"] = json!(text);
            related
        })
        .collect();
    let fix = diagnostic.fix.as_ref().map(|fix| {
        let mut value = place(sources, fix.span);
        value["text"] = json!(fix.text);
        value
    });
    value["code"] = json!(diagnostic.code);
    value["severity"] = json!(diagnostic.severity.word());
    value["message"] = json!(diagnostic.message);
    value["label"] = json!(diagnostic.label);
    value["help"] = json!(diagnostic.help);
    value["related"] = json!(related);
    value["fix"] = json!(fix);
    value
}

/// One mistake in one line: `file:line:column: severity[code]: message — help`.
#[must_use]
pub fn short(sources: &SourceMap, diagnostic: &Diagnostic) -> String {
    let (line, column) = sources.line_column(diagnostic.span.file, diagnostic.span.start as usize);
    let path = &sources.file(diagnostic.span.file).path;
    format!("{path}:{line}:{column}: {}", in_words(diagnostic))
}

/// What `short` says behind the place.
fn in_words(diagnostic: &Diagnostic) -> String {
    let help = diagnostic.help.as_ref().map(|help| format!(" — {help}")).unwrap_or_default();
    let severity = diagnostic.severity.word();
    let words = format!("{severity}[{}]: {}{help}", diagnostic.code, diagnostic.message);
    // What is quoted from a file may hold a line's end or worse.
    clean(&words)
}

/// One mistake as an annotation that GitHub shows beside the line of a pull request.
#[must_use]
pub fn github(sources: &SourceMap, diagnostic: &Diagnostic) -> String {
    let span = diagnostic.span;
    let (line, column) = sources.line_column(span.file, span.start as usize);
    let (end_line, _) = sources.line_column(span.file, span.end as usize);
    let place = format!(
        "file={},line={line},endLine={end_line},col={column},",
        github_escaped(&sources.file(span.file).path, true)
    );
    let help = diagnostic.help.as_deref();
    github_line(diagnostic.severity, &place, diagnostic.code, &diagnostic.message, help)
}

/// An annotation; `place` is empty or ends with a comma.
#[must_use]
pub fn github_line(
    severity: Severity,
    place: &str,
    code: &str,
    message: &str,
    help: Option<&str>,
) -> String {
    let help = help.map(|help| format!("\nhelp: {help}")).unwrap_or_default();
    let text = github_escaped(&format!("{message}{help}"), false);
    format!("::{} {place}title={}::{text}", severity.word(), github_escaped(code, true))
}

/// A text that ends neither the annotation nor, in a property, the property.
fn github_escaped(text: &str, property: bool) -> String {
    let text = text.replace('%', "%25").replace('\r', "%0D").replace('\n', "%0A");
    if property { text.replace(':', "%3A").replace(',', "%2C") } else { text }
}

fn place(sources: &SourceMap, span: Span) -> Value {
    let (line, column) = sources.line_column(span.file, span.start as usize);
    let (end_line, end_column) = sources.line_column(span.file, span.end as usize);
    json!({
        "file": sources.file(span.file).path,
        "line": line, "column": column, "end_line": end_line, "end_column": end_column,
    })
}

/// What miette draws: one file's part of a diagnostic. A mistake whose second place lies
/// in another file is drawn in two parts, because a drawing shows one file.
#[derive(Debug)]
struct Drawn<'a> {
    message: String,
    code: Option<&'static str>,
    severity: miette::Severity,
    help: Option<String>,
    labels: Vec<LabeledSpan>,
    source: Excerpt<'a>,
}

impl<'a> Drawn<'a> {
    fn of(sources: &'a SourceMap, diagnostic: &Diagnostic) -> Vec<Self> {
        let file = sources.file(diagnostic.span.file);
        let severity = match diagnostic.severity {
            Severity::Error => miette::Severity::Error,
            Severity::Warning => miette::Severity::Warning,
        };
        let label = |text: &str, span: Span| {
            LabeledSpan::new_with_span(Some(clean(text)), (span.range().start, span.range().len()))
        };
        let mut labels = vec![label(&diagnostic.label, diagnostic.span)];
        let (near, far): (Vec<_>, Vec<_>) =
            diagnostic.related.iter().partition(|(span, _)| span.file == diagnostic.span.file);
        labels.extend(near.iter().map(|(span, text)| label(text, *span)));
        let mut parts = vec![Self {
            message: clean_lines(&diagnostic.message),
            code: Some(diagnostic.code),
            severity,
            help: diagnostic.help.as_deref().map(clean_lines),
            labels,
            source: Excerpt(file),
        }];
        parts.extend(far.iter().map(|(span, text)| {
            let file = sources.file(span.file);
            Self {
                message: clean_lines(text),
                code: None,
                severity: miette::Severity::Advice,
                help: None,
                labels: vec![label("here", *span)],
                source: Excerpt(file),
            }
        }));
        parts
    }
}

/// A file of which miette shows a few lines. Its columns count characters, as those of the
/// JSON form do, and only the lines around a place are looked at.
#[derive(Debug)]
struct Excerpt<'a>(&'a SourceFile);

impl SourceCode for Excerpt<'_> {
    fn read_span<'a>(
        &'a self,
        span: &SourceSpan,
        before: usize,
        after: usize,
    ) -> Result<Box<dyn SpanContents<'a> + 'a>, MietteError> {
        let text = self.0.text.as_str();
        let whole = || text.get(span.offset()..span.offset() + span.len());
        let mut end = span.offset() + whole().ok_or(MietteError::OutOfBounds)?.len();
        let line_start = |at: usize| text[..at].rfind('\n').map_or(0, |newline| newline + 1);
        let mut start = span.offset();
        let mut column = text[line_start(start)..start].chars().count();
        if before > 0 {
            start = line_start(start);
            column = 0;
            for _ in 0..before {
                start = line_start(start.saturating_sub(1));
            }
        }
        // A place that ends with its line belongs to that line alone.
        let lines = if after == 0 { 0 } else { after + 1 };
        for index in 0..lines {
            if index > 0 || !text[..end].ends_with('\n') || span.is_empty() {
                end += text[end..].find('\n').map_or(text.len() - end, |newline| newline + 1);
            }
        }
        let shown = &text[start..end];
        Ok(Box::new(MietteSpanContents::new_named(
            self.0.path.clone(),
            shown.as_bytes(),
            (start, shown.len()).into(),
            text[..start].matches('\n').count(),
            column,
            shown.lines().count(),
        )))
    }
}

impl std::fmt::Display for Drawn<'_> {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str(&self.message)
    }
}

impl std::error::Error for Drawn<'_> {}

impl miette::Diagnostic for Drawn<'_> {
    fn code<'a>(&'a self) -> Option<Box<dyn std::fmt::Display + 'a>> {
        self.code.map(|code| Box::new(code) as Box<dyn std::fmt::Display>)
    }
    fn severity(&self) -> Option<miette::Severity> {
        Some(self.severity)
    }
    fn help<'a>(&'a self) -> Option<Box<dyn std::fmt::Display + 'a>> {
        self.help.as_ref().map(|help| Box::new(help) as Box<dyn std::fmt::Display>)
    }
    fn source_code(&self) -> Option<&dyn miette::SourceCode> {
        Some(&self.source)
    }
    fn labels(&self) -> Option<Box<dyn Iterator<Item = LabeledSpan> + '_>> {
        Some(Box::new(self.labels.iter().cloned()))
    }
}
