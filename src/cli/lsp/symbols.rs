//! The outline of a file: its blocks and lines, each by its word and name.

use serde_json::{Value, json};

use super::position::Lines;
use super::server::Ask;
use crate::language::index::Outline;

/// `textDocument/documentSymbol`.
pub(super) fn symbols(ask: &Ask<'_>) -> Value {
    let Some(file) = ask.known.sources.find(&ask.path) else { return json!([]) };
    let lines = Lines::new(&ask.known.sources.file(file).text, ask.client.units);
    let outline = ask.known.study.outline(file);
    outline.iter().map(|line| symbol(line, &lines)).collect()
}

fn symbol(line: &Outline, lines: &Lines<'_>) -> Value {
    let name = line.title.as_deref().filter(|title| !title.trim().is_empty());
    json!({
        "name": name.unwrap_or(&line.word),
        "detail": name.map(|_| line.word.as_str()),
        "kind": kind(&line.word),
        "range": lines.range(line.span.range()),
        "selectionRange": lines.range(line.name.range()),
        "children": line.children.iter().map(|child| symbol(child, lines)).collect::<Value>(),
    })
}

/// The picture that stands before it.
fn kind(word: &str) -> u8 {
    const NAMESPACE: u8 = 3;
    const CLASS: u8 = 5;
    const FUNCTION: u8 = 12;
    const PROPERTY: u8 = 7;
    const STRUCT: u8 = 23;
    const EVENT: u8 = 24;
    match word {
        "webhooks" | "events" => NAMESPACE,
        "endpoint" | "test" => FUNCTION,
        "schema" | "record" => STRUCT,
        "sequence" | "service" => CLASS,
        "event" | "email" => EVENT,
        _ => PROPERTY,
    }
}
