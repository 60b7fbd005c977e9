//! What a template reads, found by walking its syntax tree once: every path with its
//! place, and what the template itself makes sure of around it (`default`, `{% if %}`).
//! Names that the template makes (`for`, `set`, `with`) are not reads.

use std::ops::Range;

use minijinja::Error;
use minijinja::machinery::{ast, parse};

use super::TemplateFault;
use super::render::syntax;
use super::walk::Walker;
use crate::model::Context;

/// One place where a template reads a path.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) struct Read {
    /// The path, part by part; never empty.
    pub(super) path: Vec<String>,
    /// Its bytes in the template.
    pub(super) range: Range<usize>,
    /// How much of the path is surely there, because of an `{% if %}` around it.
    pub(super) covered: usize,
    /// Whether it may be missing here: it has a `default`, or is only asked about.
    pub(super) lenient: bool,
    /// What becomes of it.
    pub(super) used: Used,
}

/// What becomes of a value, as far as not every kind of value is fit for it.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Used {
    /// Anything.
    Freely,
    /// It is multiplied.
    AsFactor,
    /// It is shown by the filter `number`.
    AsNumber,
    /// It is shown by the filter `date`.
    AsDate,
    /// It is shown by the filter `time`.
    AsTime,
}

impl Used {
    /// What the filter of this name makes of a value.
    pub(super) fn by(filter: &str) -> Self {
        match filter {
            "number" => Self::AsNumber,
            "date" => Self::AsDate,
            "time" => Self::AsTime,
            _ => Self::Freely,
        }
    }
}

impl Read {
    /// Whether a value that is needed is not there.
    pub(super) fn lacks(&self, context: &Context<'_>) -> bool {
        !self.lenient && self.covered == 0 && context.path(&self.path).is_none()
    }

    /// The bytes of one part of the path, where it is written plainly.
    pub(super) fn part_range(&self, index: usize) -> Range<usize> {
        let plain = self.path.iter().map(String::len).sum::<usize>() + self.path.len() - 1;
        if plain != self.range.len() || index >= self.path.len() {
            return self.range.clone();
        }
        let before: usize = self.path[..index].iter().map(|part| part.len() + 1).sum();
        let start = self.range.start + before;
        start..start + self.path[index].len()
    }
}

/// What one walk found.
#[derive(Debug, Default)]
pub(super) struct Analysis {
    /// Every read, in the order of the text.
    pub(super) reads: Vec<Read>,
    /// Whether there are no tags at all.
    pub(super) literal: bool,
    /// The path, when the template is exactly one `{{path}}`.
    pub(super) only_path: Option<Vec<String>>,
    /// The text of the expression, when the template is exactly one `{{expression}}`.
    pub(super) only_expression: Option<String>,
}

/// Reads a template.
pub(super) fn analyse(source: &str) -> Result<Analysis, Vec<TemplateFault>> {
    if !["{{", "{%", "{#"].iter().any(|opening| source.contains(opening)) {
        return Ok(Analysis { literal: true, ..Analysis::default() });
    }
    let tree = parse(source, "", syntax()).map_err(|error| vec![syntax_fault(source, &error)])?;
    let ast::Stmt::Template(template) = &tree else { return Ok(Analysis::default()) };
    let mut walker = Walker::default();
    walker.body(&template.children);
    if !walker.faults.is_empty() {
        return Err(walker.faults);
    }
    let mut found = Analysis { reads: walker.reads, ..Analysis::default() };
    if let [ast::Stmt::EmitExpr(only)] = template.children.as_slice() {
        let inner = source
            .strip_prefix("{{")
            .and_then(|rest| rest.strip_suffix("}}"))
            .map(|inner| inner.trim_matches(['-', '+']).trim());
        match (path_of(&only.expr), inner) {
            (Some((path, _)), Some(_)) => found.only_path = Some(path),
            (None, Some(inner)) => found.only_expression = Some(inner.to_owned()),
            _ => {}
        }
    }
    Ok(found)
}

/// A syntax error of minijinja with its place.
pub(super) fn syntax_fault(source: &str, error: &Error) -> TemplateFault {
    if let Some(fault) = printed_quotes(source) {
        return fault;
    }
    let range = error
        .range()
        .filter(|range| source.get(range.clone()).is_some())
        .unwrap_or_else(|| line_of(source, error.line()));
    if let Some(open) = open_block(source)
        && range.end >= source.trim_end().len()
    {
        let word = block_word(&source[open.clone()]);
        return TemplateFault {
            code: "template-syntax",
            message: format!("`{{% {word} %}}` is never closed"),
            range: open,
            help: Some(format!("write {{% end{word} %}} where it ends")),
            fix: None,
        };
    }
    let here = source[range.clone()].trim();
    if here == "}}" && source[..range.start].trim_end().ends_with("{{") {
        return TemplateFault {
            code: "template-syntax",
            message: String::from("this tag is empty"),
            range,
            help: Some(String::from("write the name of a field into it: {{first_name}}")),
            fix: None,
        };
    }
    let (message, help) = in_plain_words(error.detail().unwrap_or_default(), here);
    let fix = (here == "}" && message == NOT_CLOSED).then(|| String::from("}}"));
    TemplateFault { code: "template-syntax", message, range, help: Some(help), fix }
}

/// The line of that number, counted from 1, or everything.
fn line_of(source: &str, number: Option<usize>) -> Range<usize> {
    let before = number.and_then(|number| number.checked_sub(1)).unwrap_or(usize::MAX);
    let mut lines = source.split_inclusive('\n');
    let start: usize = lines.by_ref().take(before).map(str::len).sum();
    lines.next().map_or(0..source.len(), |line| start..start + line.trim_end().len())
}

/// A tag with quotation marks as word processors and mail programs put them.
fn printed_quotes(source: &str) -> Option<TemplateFault> {
    const PRINTED: [char; 9] = ['“', '”', '„', '‟', '‘', '’', '‚', '«', '»'];
    let mut at = 0;
    while let Some(start) = source[at..].find(['{']).map(|start| at + start) {
        at = start + 1;
        let close = match source[at..].chars().next() {
            Some('{') => "}}",
            Some('%') => "%}",
            _ => continue,
        };
        let Some(end) = source[start..].find(close).map(|end| start + end + 2) else { break };
        let tag = &source[start..end];
        at = end;
        if !tag.contains(PRINTED) || tag.contains('\n') {
            continue;
        }
        let plain = tag.replace(PRINTED, "'");
        let certain = !tag.contains(['\'', '"']) && plain.matches('\'').count() == 2;
        return Some(TemplateFault {
            code: "template-syntax",
            message: String::from("the quotation marks in this tag are made for print"),
            range: start..end,
            help: Some(format!("write plain ones: {plain}")),
            fix: certain.then_some(plain),
        });
    }
    None
}

/// What is said about a tag without its end.
const NOT_CLOSED: &str = "this tag is not closed";

/// What is wrong with a tag and how to mend it: the parser's own words name its tokens.
fn in_plain_words(detail: &str, here: &str) -> (String, String) {
    let tag = "a tag is written {{name}}, {{name | default('…')}} or {% if name %}…{% endif %}";
    let told = |message: String, help: &str| (message, help.to_owned());
    let wants_end = detail.contains("expected end of");
    if let Some(word) = detail.strip_prefix("unknown statement ") {
        let help = "write {% if name %}…{% endif %} or {% for one in list %}…{% endfor %}";
        let closes = word.starts_with("end");
        let what = if closes { "closes nothing that is open" } else { "opens no block" };
        return told(format!("`{word}` {what}"), help);
    }
    if wants_end && (here.is_empty() || here.starts_with('}') || detail.contains("end of input")) {
        return told(NOT_CLOSED.to_owned(), "a tag ends with two brackets: {{first_name}}");
    }
    if wants_end {
        let help = "a tag holds one name, without blanks; what changes how it is shown follows \
                    behind a bar: {{first_name | upper}}";
        return told(format!("`{here}` is one thing too many in this tag"), help);
    }
    if detail.starts_with("unexpected end of") {
        return told(String::from("this tag ends too early"), tag);
    }
    told(String::from("this tag cannot be read from here on"), tag)
}

/// The last block that is opened and never closed.
fn open_block(source: &str) -> Option<Range<usize>> {
    let mut open: Vec<Range<usize>> = Vec::new();
    let mut at = 0;
    while let Some(start) = source[at..].find("{%").map(|start| at + start) {
        let end = source[start..].find("%}").map(|end| start + end + 2)?;
        let word = block_word(&source[start..end]);
        if word.starts_with("end") {
            open.pop();
        } else if matches!(word, "if" | "for" | "with") {
            open.push(start..end);
        }
        at = end;
    }
    open.pop()
}

/// The word that opens a block.
fn block_word(block: &str) -> &str {
    let inner = block.trim_start_matches(['{', '%', '-', '+']).trim_start();
    inner.split(|letter: char| !letter.is_alphanumeric()).next().unwrap_or_default()
}

/// The path that an expression is, with its bytes.
pub(super) fn path_of(expr: &ast::Expr<'_>) -> Option<(Vec<String>, Range<usize>)> {
    let end = expr.span().end_offset as usize;
    match expr {
        ast::Expr::Var(var) => {
            let start = var.span().start_offset as usize;
            Some((vec![var.id.to_owned()], start..end))
        }
        ast::Expr::GetAttr(attr) => {
            let (mut path, range) = path_of(&attr.expr)?;
            path.push(attr.name.to_owned());
            Some((path, range.start..end.max(range.end)))
        }
        ast::Expr::GetItem(item) => {
            let ast::Expr::Const(key) = &item.subscript_expr else { return None };
            let (mut path, range) = path_of(&item.expr)?;
            path.push(key.value.as_str()?.to_owned());
            Some((path, range.start..end.max(range.end)))
        }
        _ => None,
    }
}
