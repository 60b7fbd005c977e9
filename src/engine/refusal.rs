//! Answers: what a caller gets, and the several ways in which a decision ends early.

use serde_json::{Value, json};

use super::world::Need;
use crate::guard::Guard;
use crate::model::Context;

/// An HTTP answer.
#[derive(Clone, Debug, PartialEq)]
pub struct Reply {
    /// Status.
    pub status: u16,
    /// JSON body; null means an empty body.
    pub body: Value,
}

/// Why a decision stops before its last step.
#[derive(Debug)]
pub(super) enum Halt {
    /// It must see something first.
    Need(Need),
    /// The call is refused with this answer; nothing happens.
    Refuse(Reply),
}

impl Halt {
    /// A refusal with one sentence.
    pub(super) fn refuse(status: u16, text: impl Into<String>) -> Self {
        let text = text.into();
        Self::Refuse(Reply { status, body: json!({ "message": text, "detail": text }) })
    }

    /// A `require` that does not hold: the rule's text, the guard, and what it saw. Status 204
    /// is silent by definition.
    pub(super) fn requirement(
        status: u16,
        otherwise: Option<&str>,
        guard: &Guard,
        context: &Context<'_>,
    ) -> Self {
        if status == 204 {
            return Self::Refuse(Reply { status, body: Value::Null });
        }
        let text = otherwise.map_or_else(
            || format!("This call is refused: it needs {}", guard.source()),
            str::to_owned,
        );
        let seen: serde_json::Map<String, Value> = guard.seen(context).into_iter().collect();
        Self::Refuse(Reply {
            status,
            body: json!({
                "message": text, "detail": text, "guard": guard.source(), "seen": seen,
            }),
        })
    }
}
