//! Guards: expressions that answer yes or no, such as `email_1_status == "sent"`. They
//! are Rhai expressions with a closed list of functions, and they are checked when the
//! rules are read: every name, every function, every comparison, every value that may be
//! missing. What passes can be answered for any payload that fits its schema.

mod calls;
mod engine;
mod functions;
mod lint;
mod names;
mod place;
mod syntax;
mod types;
mod values;

#[cfg(test)]
mod tests;

use std::ops::Range;

use rhai::AST;
use serde_json::Value;

use crate::model::{Context, Scope};

/// Every function that a guard may call: its name and how it is called.
pub const FUNCTIONS: &[(&str, &str)] = functions::FUNCTIONS;

/// A mistake in a guard, with the bytes of the guard's own text that it is about.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct GuardFault {
    /// A stable code such as `guard-unknown-name`.
    pub code: &'static str,
    /// What is wrong.
    pub message: String,
    /// Where, in bytes of the guard's text.
    pub range: Range<usize>,
    /// How to mend it.
    pub help: Option<String>,
    /// What to write in that range instead, when that is certain.
    pub fix: Option<String>,
}

/// A compiled guard.
pub struct Guard {
    source: String,
    ast: AST,
    uses: values::Uses,
}

impl std::fmt::Debug for Guard {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        write!(f, "Guard({:?})", self.source)
    }
}

impl Guard {
    /// Compiles a guard and checks every name, function and comparison against the scope.
    /// `now` is always a name in scope.
    ///
    /// # Errors
    /// Every mistake found. The codes are `guard-syntax`, `guard-too-deep`, `guard-empty`,
    /// `guard-unknown-name`, `guard-unknown-function`, `guard-arguments`, `guard-types`,
    /// `guard-optional`, `guard-not-yes-no`.
    pub fn compile(source: &str, scope: &Scope) -> Result<Self, Vec<GuardFault>> {
        Self::checked(source, scope).map_err(|mut faults| {
            for fault in &mut faults {
                fault.range = place::within(source, &fault.range);
            }
            faults
        })
    }

    fn checked(source: &str, scope: &Scope) -> Result<Self, Vec<GuardFault>> {
        syntax::look_over(source, scope)?;
        let ast = engine::compile(source).map_err(|error| vec![syntax::fault(source, &error)])?;
        let found = lint::lint(source, &ast, scope)?;
        Self::made(source, ast, found).map_err(|error| vec![syntax::fault(source, &error)])
    }

    /// Compiles a guard that was accepted before exactly as it was then, without the scope of
    /// then. Of that only one thing matters: which of its paths are times, as
    /// [`times`](Self::times) told them. None when this program does not understand it.
    #[must_use]
    pub fn kept(source: &str, times: &[String]) -> Option<Self> {
        let ast = engine::compile(source).ok()?;
        let mut found = lint::names(source, &ast);
        for used in &mut found.paths {
            let path = used.path.join(".");
            used.is_time = path == "now" || times.contains(&path);
        }
        Self::made(source, ast, found).ok()
    }

    fn made(source: &str, ast: AST, found: lint::Found) -> Result<Self, rhai::ParseError> {
        // The functions of time need the present; it is handed to them as an argument.
        let ast = if found.clock_calls.is_empty() {
            ast
        } else {
            engine::compile(&place::with_now(source, &found.clock_calls))?
        };
        let uses = values::Uses::new(found.paths, !found.clock_calls.is_empty());
        Ok(Self { source: source.to_owned(), ast, uses })
    }

    /// Its paths that are points in time, with dots between their parts.
    pub fn times(&self) -> impl Iterator<Item = String> {
        self.uses.times()
    }

    /// The text as written.
    #[must_use]
    pub fn source(&self) -> &str {
        &self.source
    }

    /// Whether it holds. A guard that cannot be answered counts as an error, never as yes.
    ///
    /// # Errors
    /// Why it could not be answered, for logs.
    pub fn holds(&self, context: &Context<'_>) -> Result<bool, String> {
        engine::answer(&self.ast, &mut self.uses.scope(context))
    }

    /// The names it uses with the values that it saw, for refusals and logs; a missing
    /// value is null.
    #[must_use]
    pub fn seen(&self, context: &Context<'_>) -> Vec<(String, Value)> {
        self.uses.seen(context)
    }
}
