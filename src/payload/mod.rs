//! Payloads: reading JSON within bounds, and checking it against a schema. Both answer in
//! the words of the person who sent the body or wrote the schema: which field, what is
//! wrong with it, and what would be right.

mod check;
mod explain;
mod formats;
mod parse;
mod publish;
mod whole;

#[cfg(test)]
mod tests;

use serde_json::Value;

use crate::model::{Kind, Scope};

/// Why a body is not a payload.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct ParseFault {
    /// What is wrong and where.
    pub message: String,
}

/// One problem of a payload.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Problem {
    /// The field, dotted, with list places as `[0]`; empty for the whole payload.
    pub path: String,
    /// What is wrong, in the marketer's words, with "did you mean" for misspelt names.
    pub message: String,
}

/// Reads a JSON body: at most 32 levels and 10,000 values, names of at most 4 KiB, no
/// doubled names, no NUL, no whole number beyond 64 bits.
///
/// # Errors
/// The first thing that is wrong, with its line and column.
pub fn parse(body: &[u8]) -> Result<Value, ParseFault> {
    parse::read(body)
}

/// A value as rules see it: a field that is null counts as missing. In a list a null keeps its
/// place.
#[must_use]
pub fn without_nulls(value: &Value) -> Value {
    check::without_nulls(value)
}

/// A JSON Schema as other programs are given it: what our checker demands of an e-mail or web
/// address beyond the standard's `format` is added as a pattern. What stays ours alone are the
/// bounds of [`parse`], and that a letter beyond ASCII in an address must be one.
#[must_use]
pub fn published(schema: &Value) -> Value {
    publish::published(schema)
}

/// The JSON Schema of an object with these fields, for what has no schema of its own.
#[must_use]
pub fn described(scope: &Scope) -> Value {
    publish::described(scope)
}

/// The JSON Schema of a value of this kind.
#[must_use]
pub fn kind(kind: &Kind) -> Value {
    publish::kind(kind)
}

/// A compiled schema.
#[derive(Debug)]
pub struct Checker {
    inner: check::Compiled,
}

impl Checker {
    /// Compiles a JSON Schema (2020-12). No reference leaves the document, patterns run in
    /// linear time, `format` is checked, and a number of type `integer` has kept its digits.
    ///
    /// # Errors
    /// What is wrong with the schema.
    pub fn compile(schema: &Value) -> Result<Self, String> {
        check::Compiled::new(schema).map(|inner| Self { inner })
    }

    /// Every problem of a payload; none means that it fits. A null field counts as
    /// missing, unless the schema takes nulls there.
    #[must_use]
    pub fn check(&self, payload: &Value) -> Vec<Problem> {
        self.inner.check(payload)
    }
}
