//! Templates: text with `{{tags}}`.
use std::ops::Range;

use serde_json::Value;

use crate::model::{Context, Scope};

/// What a template becomes, which decides how values are escaped.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Format {
    /// Plain text (subjects, ids, fields): nothing is escaped.
    Text,
    /// Markdown: every value is escaped so that it stays text.
    Markdown,
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
}

/// A compiled template.
#[derive(Debug)]
pub struct Template {
    source: String,
}

impl Template {
    /// Compiles a template.
    ///
    /// # Errors
    /// Syntax mistakes, unknown filters.
    pub fn compile(source: &str, format: Format) -> Result<Self, Vec<TemplateFault>> {
        let _ = format;
        Ok(Self { source: source.to_owned() })
    }

    /// Checks every tag against the names in scope. `keeps_type` says that the template
    /// fills a field: one that is exactly one tag may be an optional without `default`.
    #[must_use]
    pub fn check(&self, scope: &Scope, keeps_type: bool) -> Vec<TemplateFault> {
        let _ = (scope, keeps_type);
        Vec::new()
    }

    /// The text as written.
    #[must_use]
    pub fn source(&self) -> &str {
        &self.source
    }

    /// The dotted paths that its tags read.
    #[must_use]
    pub fn paths(&self) -> &[String] {
        &[]
    }

    /// The value: exactly one tag keeps its type and may be missing; everything else is text.
    ///
    /// # Errors
    /// A missing value in a text, too much work or output.
    pub fn value(&self, context: &Context<'_>) -> Result<Option<Value>, String> {
        let _ = context;
        Err(String::new())
    }

    /// The text.
    ///
    /// # Errors
    /// A missing value, too much work or output.
    pub fn text(&self, context: &Context<'_>) -> Result<String, String> {
        let _ = context;
        Err(String::new())
    }
}
