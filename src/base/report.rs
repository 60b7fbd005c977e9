//! How mistakes look: drawn with their source lines for a person, or as JSON for a
//! program. Both are made from the same [`Diagnostic`]s, so they never disagree.

use std::fmt::Write as _;

use miette::{GraphicalReportHandler, GraphicalTheme, LabeledSpan, NamedSource};
use serde_json::{Value, json};

use super::diagnostic::{Diagnostic, Severity};
use super::source::{SourceMap, Span};

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
    for diagnostic in found.iter().take(SHOWN) {
        for part in Drawn::of(sources, diagnostic) {
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
struct Drawn {
    message: String,
    code: Option<&'static str>,
    severity: miette::Severity,
    help: Option<String>,
    labels: Vec<LabeledSpan>,
    source: NamedSource<String>,
}

impl Drawn {
    fn of(sources: &SourceMap, diagnostic: &Diagnostic) -> Vec<Self> {
        let file = sources.file(diagnostic.span.file);
        let severity = match diagnostic.severity {
            Severity::Error => miette::Severity::Error,
            Severity::Warning => miette::Severity::Warning,
        };
        let label = |text: &str, span: Span| {
            LabeledSpan::new_with_span(
                Some(text.to_owned()),
                (span.range().start, span.range().len()),
            )
        };
        let mut labels = vec![label(&diagnostic.label, diagnostic.span)];
        let (near, far): (Vec<_>, Vec<_>) =
            diagnostic.related.iter().partition(|(span, _)| span.file == diagnostic.span.file);
        labels.extend(near.iter().map(|(span, text)| label(text, *span)));
        let mut parts = vec![Self {
            message: diagnostic.message.clone(),
            code: Some(diagnostic.code),
            severity,
            help: diagnostic.help.clone(),
            labels,
            source: NamedSource::new(&file.path, file.text.clone()),
        }];
        parts.extend(far.iter().map(|(span, text)| {
            let file = sources.file(span.file);
            Self {
                message: text.clone(),
                code: None,
                severity: miette::Severity::Advice,
                help: None,
                labels: vec![label("here", *span)],
                source: NamedSource::new(&file.path, file.text.clone()),
            }
        }));
        parts
    }
}

impl std::fmt::Display for Drawn {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str(&self.message)
    }
}

impl std::error::Error for Drawn {}

impl miette::Diagnostic for Drawn {
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
