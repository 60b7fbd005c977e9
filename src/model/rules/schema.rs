//! Shapes of payloads, and what happens when remembered data changes.

use std::sync::Arc;

use serde_json::Value;

use super::Step;
use crate::base::Span;
use crate::guard::Guard;
use crate::model::Scope;
use crate::payload::{self, Checker};

/// `schema`: the shape of a payload.
#[derive(Debug)]
pub struct Schema {
    /// Its name; empty for one written inside a `payload` step.
    pub name: String,
    /// The fields with their types, for guards and tags.
    pub scope: Scope,
    /// The JSON Schema (2020-12) that it stands for.
    pub json: Value,
    /// The compiled check.
    pub checker: Checker,
    /// A payload made of the examples; fields without one are made up from their type,
    /// optional fields without one are left out.
    pub example: Value,
    /// Where it is written.
    pub span: Span,
}

impl Schema {
    /// The JSON Schema as other programs are given it.
    #[must_use]
    pub fn published(&self) -> Value {
        payload::published(&self.json)
    }
}

/// `record`: what happens when remembered data changes.
#[derive(Debug, Default)]
pub struct RecordRules {
    /// Its name.
    pub name: String,
    /// The shape that `PUT` and `PATCH` are checked against.
    pub schema: Option<Arc<Schema>>,
    /// The fields that guards and tags may use, each of them optional unless the schema says
    /// otherwise.
    pub scope: Scope,
    /// Steps of `on-create`.
    pub on_create: Vec<Step>,
    /// Each `on-change` with its guard and steps.
    pub on_change: Vec<(Option<Guard>, Vec<Step>)>,
}

impl RecordRules {
    /// The JSON Schema of its fields; without a schema of its own, of what the rules save.
    #[must_use]
    pub fn published(&self) -> Value {
        match &self.schema {
            Some(schema) => schema.published(),
            None => payload::described(&self.scope),
        }
    }
}
