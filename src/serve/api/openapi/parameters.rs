//! Parameters of the fixed API, as JSON Schemas.

use serde_json::{Value, json};

use super::words::{id, word};
use crate::model::JobState;
use crate::model::queue::ExecutionState;
use crate::serve::api::parameters::{Holds, Parameter};

/// A span that begins now and lies behind: `24h`, `30min`.
const SPAN: &str = "^([1-9][0-9]{0,2}(s|min|h|d))?$";

/// A parameter after the question mark.
pub(super) fn query(parameter: &Parameter) -> Value {
    let (schema, list) = schema(parameter.holds);
    let mut told = json!({
        "name": parameter.name, "in": "query", "required": false, "allowEmptyValue": true,
        "description": parameter.about, "schema": schema,
    });
    if list {
        told["style"] = json!("form");
        told["explode"] = json!(false);
    }
    told
}

/// What may stand in it, and whether it is a list with commas.
fn schema(holds: Holds) -> (Value, bool) {
    let listed = |item: Value| (json!({ "type": "array", "items": item, "minItems": 1 }), true);
    let moment = || {
        vec![json!({ "format": "date-time" }), json!({ "format": "date" }), json!({ "const": "" })]
    };
    let schema = match holds {
        Holds::Text => json!({ "type": "string" }),
        Holds::Id => id(),
        Holds::Number(least, most, default) => {
            let mut number = json!({ "type": "integer", "minimum": least, "maximum": most });
            if let Some(default) = default {
                number["default"] = json!(default);
            }
            number
        }
        Holds::Moment => json!({ "type": "string", "anyOf": moment() }),
        Holds::MomentOrSpan => {
            let mut either = moment();
            either.push(json!({ "pattern": SPAN }));
            json!({ "type": "string", "anyOf": either })
        }
        Holds::Span => {
            json!({ "type": "string", "pattern": "^(true|[0-9]{1,3}(s|min|h|d)?)?$" })
        }
        Holds::Flag => json!({ "type": "boolean" }),
        Holds::Word(words) => word(words.iter().copied()),
        Holds::Words(words) => return listed(word(words.iter().copied())),
        Holds::JobState => word(JobState::ALL.map(JobState::word)),
        Holds::ExecutionStates => {
            return listed(word(ExecutionState::ALL.map(ExecutionState::word)));
        }
        Holds::Status => json!({ "type": "string", "pattern": "^([1-5][0-9]{2}|[1-5]xx)?$" }),
        Holds::Labels => return listed(json!({ "type": "string", "pattern": "^[^:,]+:[^,]+$" })),
    };
    (schema, false)
}

/// The parameters within an address.
pub(super) fn of_path(path: &str) -> Vec<Value> {
    let names = path.split('{').skip(1).filter_map(|rest| rest.split('}').next());
    names
        .map(|name| {
            let about = match name {
                "id" => "Its id.",
                "email" => "The person's address.",
                "who" => "The address, or its SHA-256.",
                "namespace" => "The group of endpoints; `.` and `/` mean the same in it.",
                "flow" => "The endpoint's name.",
                _ => "The last part of the address.",
            };
            json!({
                "name": name, "in": "path", "required": true, "description": about,
                "schema": { "type": "string", "minLength": 1 },
            })
        })
        .collect()
}
