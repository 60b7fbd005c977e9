//! Templates: text with `{{tags}}`. A template is read once: what is pure text or exactly
//! one `{{path}}` is answered directly, everything else is run by minijinja within bounds
//! of work and size. Every name that a tag reads is known with its place, so that it can
//! be checked against what is in scope before any call arrives.

mod check;
mod conditions;
mod escape;
mod filters;
mod growth;
mod hosts;
mod languages;
mod names;
mod reads;
mod render;
mod walk;

#[cfg(test)]
mod tests;

use std::ops::Range;

use serde_json::Value;

use crate::model::{Context, Scope};

pub use hosts::host_from_a_value;

/// The filters that may follow `|` in a tag, our own first.
pub const FILTERS: &[&str] = names::FILTERS;

/// What a template becomes, which decides how values are escaped.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Format {
    /// Plain text (subjects, ids, fields): nothing is escaped.
    Text,
    /// Markdown: every value is escaped so that it stays text.
    Markdown,
    /// HTML, between elements and in values of attributes that stand in quotation marks.
    Html,
}

/// A mistake in a template, with the bytes of its own text that it is about.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct TemplateFault {
    /// A stable code such as `unknown-field`.
    pub code: &'static str,
    /// What is wrong.
    pub message: String,
    /// Where, in bytes of the template's text.
    pub range: Range<usize>,
    /// How to mend it.
    pub help: Option<String>,
    /// What to write in that range instead, when that is certain.
    pub fix: Option<String>,
}

/// A compiled template.
#[derive(Debug)]
pub struct Template {
    source: String,
    format: Format,
    reads: Vec<reads::Read>,
    paths: Vec<String>,
    form: render::Form,
}

impl Template {
    /// Compiles a template.
    ///
    /// # Errors
    /// Syntax mistakes, unknown filters, tests and functions, and what would let a value
    /// through unescaped or into the host of a link. The codes are `template-syntax`,
    /// `unknown-filter`, `template-forbidden`.
    pub fn compile(source: &str, format: Format) -> Result<Self, Vec<TemplateFault>> {
        let found = reads::analyse(source)?;
        if format != Format::Text
            && let Some(fault) = host_from_a_value(source)
        {
            return Err(vec![fault]);
        }
        let form = render::Form::new(source, format, &found)?;
        let mut paths: Vec<String> = found.reads.iter().map(|read| read.path.join(".")).collect();
        paths.sort();
        paths.dedup();
        Ok(Self { source: source.to_owned(), format, reads: found.reads, paths, form })
    }

    /// Checks every tag against the names in scope. `keeps_type` says that the template
    /// fills a field: one that is exactly one tag may be an optional without `default`.
    /// The codes are `unknown-field`, `optional-without-default`, `template-type`.
    #[must_use]
    pub fn check(&self, scope: &Scope, keeps_type: bool) -> Vec<TemplateFault> {
        let may_miss = keeps_type && self.form.is_one_tag();
        let mut faults = check::with_minus(&self.source, &self.reads, scope);
        let told: Vec<Range<usize>> = faults.iter().map(|fault| fault.range.clone()).collect();
        let untold = self
            .reads
            .iter()
            .filter(|read| !told.iter().any(|one| one.contains(&read.range.start)));
        faults.extend(untold.filter_map(|read| check::read(read, scope, may_miss)));
        faults
    }

    /// The text as written.
    #[must_use]
    pub fn source(&self) -> &str {
        &self.source
    }

    /// The dotted paths that its tags read, sorted, each once.
    #[must_use]
    pub fn paths(&self) -> &[String] {
        &self.paths
    }

    /// The value: exactly one tag keeps its type and may be missing; everything else is
    /// text. A value that keeps its type is not escaped, whatever the format.
    ///
    /// # Errors
    /// A missing value in a text, too much work or output.
    pub fn value(&self, context: &Context<'_>) -> Result<Option<Value>, String> {
        match &self.form {
            render::Form::Literal => Ok(Some(Value::from(self.source.as_str()))),
            render::Form::Path(path) => Ok(context.path(path).cloned()),
            render::Form::Tag { environment, expression } => {
                if self.reads.iter().any(|read| read.lacks(context)) {
                    return Ok(None);
                }
                render::evaluate(environment, expression, &self.reads, context)
            }
            render::Form::Mixed(_) => self.text(context).map(Value::from).map(Some),
        }
    }

    /// The text.
    ///
    /// # Errors
    /// A missing value, too much work or output.
    pub fn text(&self, context: &Context<'_>) -> Result<String, String> {
        match &self.form {
            render::Form::Literal => Ok(self.source.clone()),
            render::Form::Path(path) => {
                let value =
                    context.path(path).ok_or_else(|| format!("`{}` is missing", path.join(".")))?;
                render::bounded(escape::printed(&escape::plain(value), self.format).into_owned())
            }
            render::Form::Tag { environment, .. } | render::Form::Mixed(environment) => {
                let text = render::text(environment, &self.reads, context)?;
                if self.format == Format::Text { Ok(text) } else { hosts::unmarked(&text) }
            }
        }
    }
}
