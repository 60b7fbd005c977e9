//! Guards and templates in the middle of a decision: what cannot be answered refuses the
//! call, with a sentence that says why.

use serde_json::{Map, Value};

use super::refusal::Halt;
use crate::guard::Guard;
use crate::model::Context;
use crate::model::rules::Fill;
use crate::template::Template;

/// Whether a guard holds; one that cannot be answered refuses the call, never passes it.
pub(super) fn holds(guard: &Guard, context: &Context<'_>) -> Result<bool, Halt> {
    guard.holds(context).map_err(|why| {
        Halt::refuse(422, format!("The rule `{}` could not be answered: {why}", guard.source()))
    })
}

/// A template as text; a value that is missing refuses the call.
pub(super) fn text(template: &Template, context: &Context<'_>) -> Result<String, Halt> {
    template.text(context).map(|text| text.trim().to_owned()).map_err(|why| Halt::refuse(422, why))
}

/// Fields as JSON; a missing optional leaves its key out.
pub(super) fn fill_all(
    fields: &[(String, Fill)],
    context: &Context<'_>,
) -> Result<Map<String, Value>, Halt> {
    let mut map = Map::new();
    for (name, value) in fields {
        if let Some(value) = fill(value, context)? {
            map.insert(name.clone(), value);
        }
    }
    Ok(map)
}

fn fill(value: &Fill, context: &Context<'_>) -> Result<Option<Value>, Halt> {
    Ok(match value {
        Fill::Constant(value) => Some(value.clone()),
        Fill::Tag(template) => template.value(context).map_err(|why| Halt::refuse(422, why))?,
        Fill::Object(fields) => Some(Value::Object(fill_all(fields, context)?)),
        Fill::List(items) => {
            let mut list = Vec::with_capacity(items.len());
            for item in items {
                list.extend(fill(item, context)?);
            }
            Some(Value::Array(list))
        }
    })
}
