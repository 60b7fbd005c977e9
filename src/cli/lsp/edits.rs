//! Edits that the editor offers: formatting, and the mends that mistakes carry.

use serde_json::{Value, json};

use super::mistakes;
use super::position::Lines;
use super::server::Ask;
use super::wire::Fault;
use crate::base::diagnostic::Fix;
use crate::language::format::format as formatted;

/// `textDocument/formatting`. What cannot be read stays as it is; the mistakes say why.
pub(super) fn format(ask: &Ask<'_>) -> Value {
    if ask.is_text() {
        return json!([]);
    }
    match formatted(ask.text) {
        Ok(text) if text != ask.text => {
            json!([{"range": ask.range(0..ask.text.len()), "newText": text}])
        }
        _ => json!([]),
    }
}

/// `textDocument/codeAction`.
pub(super) fn fixes(ask: &Ask<'_>, params: &Value) -> Result<Value, Fault> {
    let lines = Lines::new(ask.text, ask.client.units);
    let edge = |key: &str| {
        let position = params.get("range").and_then(|range| range.get(key));
        position.and_then(|position| lines.offset(position))
    };
    let (Some(start), Some(end)) = (edge("start"), edge("end")) else {
        return Err(Fault::new(Fault::PARAMS, "this is no range"));
    };
    let Some(Ok(now)) = ask.project.present() else { return Ok(json!([])) };
    let file = now.sources.find(&ask.path);
    let here = now.study.found.iter().filter(|found| Some(found.span.file) == file);
    let touched = here.filter(|found| {
        let place = found.span.range();
        place.start <= end && start <= place.end
    });
    let actions = touched.filter_map(|found| {
        let fix = found.fix.as_ref().filter(|fix| Some(fix.span.file) == file)?;
        let address = ask.address(&ask.path);
        let edit = json!({"range": lines.range(fix.span.range()), "newText": fix.text});
        Some(json!({
            "title": title(fix),
            "kind": "quickfix",
            "isPreferred": true,
            "diagnostics": [mistakes::diagnostic(found, &lines)],
            "edit": {"changes": {address: [edit]}},
        }))
    });
    Ok(actions.collect())
}

/// What a mend does, in a few words.
fn title(fix: &Fix) -> String {
    let text: String = fix.text.split_whitespace().collect::<Vec<_>>().join(" ");
    if text.is_empty() { String::from("Take it away") } else { format!("Write {text}") }
}
