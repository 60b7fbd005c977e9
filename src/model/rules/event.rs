//! Outgoing events.

use std::sync::Arc;

use serde_json::{Value, json};

use super::{Schema, Step};
use crate::base::Span;
use crate::template::Template;

/// `event`: an outgoing message.
#[derive(Debug)]
pub struct Event {
    /// Its name.
    pub name: String,
    /// The service it goes to.
    pub service: String,
    /// The path on that service, after the event's own name is filled in.
    pub path: String,
    /// What it is about (`lead`), for the queue's columns.
    pub entity: Option<String>,
    /// The id of what it is about.
    pub id: Option<Template>,
    /// Higher leaves first.
    pub priority: i64,
    /// What it is, for people.
    pub about: Option<String>,
    /// Whether the body is wrapped in `{"event","timestamp","data"}`.
    pub enveloped: bool,
    /// One at a time per value of this, in order.
    pub ordered_by: Option<Template>,
    /// The schema that has its name.
    pub schema: Option<Arc<Schema>>,
    /// Steps that happen when it is queued.
    pub steps: Vec<Step>,
    /// Where it is written.
    pub span: Span,
}

impl Event {
    /// The JSON Schema of its payload; without a schema any object is one.
    #[must_use]
    pub fn published(&self) -> Value {
        self.schema
            .as_ref()
            .map_or_else(|| json!({ "type": "object" }), |schema| schema.published())
    }
}
