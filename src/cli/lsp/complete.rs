//! Completion: what may stand where somebody is typing. The place comes from the tokens, so a
//! line that is not finished is no hindrance; the words come from the vocabulary and the names
//! from the rules.

mod names;
mod words;

use std::ops::Range;

use serde_json::{Value, json};

use super::position::Lines;
use super::server::Ask;
use super::values;
use crate::language::cursor::{At, Cursor};
use crate::language::paths::Within;
use crate::language::vocabulary::{Children, Type};

/// Most items of an answer: a person reads a dozen.
const MOST: usize = 1000;

/// What an item is, by the protocol's numbers.
#[derive(Clone, Copy, Debug)]
enum Picture {
    Function = 3,
    Field = 5,
    Variable = 6,
    Property = 10,
    Value = 12,
    Keyword = 14,
    Reference = 18,
}

/// Something to choose.
#[derive(Debug)]
struct Item {
    label: String,
    picture: Picture,
    /// A few words beside it.
    detail: String,
    /// Help, in Markdown.
    help: String,
    /// What is written; the label where nothing else is said.
    text: Option<String>,
    /// The same with places to fill in, for editors that can.
    snippet: Option<String>,
}

impl Item {
    fn new(label: impl Into<String>, picture: Picture, detail: impl Into<String>) -> Self {
        let (label, detail) = (label.into(), detail.into());
        Self { label, picture, detail, help: String::new(), text: None, snippet: None }
    }

    fn help(mut self, help: impl Into<String>) -> Self {
        self.help = help.into();
        self
    }

    fn text(mut self, text: impl Into<String>) -> Self {
        self.text = Some(text.into());
        self
    }

    fn snippet(mut self, text: impl Into<String>) -> Self {
        self.snippet = Some(text.into());
        self
    }
}

/// `textDocument/completion`.
pub(super) fn complete(ask: &Ask<'_>) -> Value {
    let (items, range) = if ask.is_text() {
        let scope = ask.known.study.scope_of_text(&ask.known.sources, &ask.path);
        names::typed(ask, 0..ask.text.len(), Within::Tags, &scope).unwrap_or_default()
    } else {
        in_rules(ask, &ask.cursor())
    };
    let lines = Lines::new(ask.text, ask.client.units);
    let range = lines.range(range);
    let whole = items.len() <= MOST;
    let items: Vec<Value> = items
        .into_iter()
        .take(MOST)
        .enumerate()
        .map(|(number, item)| shown(ask, item, number, &range))
        .collect();
    json!({"isIncomplete": !whole, "items": items})
}

fn shown(ask: &Ask<'_>, item: Item, number: usize, range: &Value) -> Value {
    let snippet = item.snippet.filter(|_| ask.client.snippets);
    let format = if snippet.is_some() { 2 } else { 1 };
    let text = snippet.or(item.text).unwrap_or_else(|| item.label.clone());
    json!({
        "label": item.label,
        "kind": item.picture as u8,
        "detail": item.detail,
        "documentation": {"kind": "markdown", "value": item.help},
        "sortText": format!("{number:04}"),
        "insertTextFormat": format,
        "textEdit": {"range": range, "newText": text},
    })
}

type Items = (Vec<Item>, Range<usize>);

/// What may stand at a place of a rule file, and what it replaces.
fn in_rules(ask: &Ask<'_>, cursor: &Cursor) -> Items {
    let part = cursor.part.range.clone();
    // Up to the cursor, or all of a text that is closed.
    let range = if cursor.part.closed { part.clone() } else { part.start..ask.offset };
    match &cursor.at {
        At::Comment => (Vec::new(), range),
        At::Word => (words::words(ask, cursor), range),
        At::Key(_) => (words::properties(cursor), range),
        At::Annotation => (words::annotations(), range),
        At::Entry(_) => {
            let mut items = value(ask, cursor, cursor.kind());
            items.extend(words::properties(cursor));
            (items, range)
        }
        At::Argument(_) | At::Value(_) => in_value(ask, cursor, range),
    }
}

fn in_value(ask: &Ask<'_>, cursor: &Cursor, range: Range<usize>) -> Items {
    let kind = cursor.kind();
    let study = &ask.known.study;
    if cursor.part.quoted() && cursor.annotation.is_none() {
        let within = match kind {
            Some(Type::Guard) => Some(Within::Guard),
            Some(Type::Template | Type::Path) => Some(Within::Tags),
            _ => None,
        };
        if let Some(within) = within {
            let scope = study.scope(cursor, within == Within::Guard);
            if let Some(typed) = names::typed(ask, cursor.part.range.clone(), within, &scope) {
                return typed;
            }
            if within == Within::Tags {
                return (names::tags(&scope), ask.offset..ask.offset);
            }
            return (Vec::new(), range);
        }
    }
    (value(ask, cursor, kind), range)
}

/// What may stand as a value of a type.
fn value(ask: &Ask<'_>, cursor: &Cursor, kind: Option<Type>) -> Vec<Item> {
    let quoted = cursor.part.quoted();
    let mark = |text: &str| {
        let closing = if cursor.part.closed { "" } else { "\"" };
        if quoted { format!("{text}{closing}") } else { format!("\"{text}\"") }
    };
    if cursor.annotation.as_deref() == Some("env") {
        return names::variables(ask, &mark);
    }
    let Some(kind) = kind else { return Vec::new() };
    let things = |thing, declares| names::things(ask, thing, declares, &cursor.part.text, &mark);
    match kind {
        Type::Declares(thing) => return things(thing, true),
        Type::Refers(thing) => return things(thing, false),
        Type::MayRefer(several) => {
            return several.iter().flat_map(|thing| things(*thing, false)).collect();
        }
        _ => {}
    }
    if matches!(kind, Type::Variable) {
        return names::variables(ask, &mark);
    }
    let mut items: Vec<Item> = values::bare(kind)
        .iter()
        .filter(|_| !quoted)
        .map(|value| Item::new(*value, Picture::Value, ""))
        .collect();
    // Types of fields are written as bare words.
    let fields = cursor.children() == Children::Fields;
    items.extend(values::offered(kind).into_iter().map(|(text, about)| {
        let written = if fields && !quoted { text.clone() } else { mark(&text) };
        let help = values::type_help(&text).filter(|_| fields).unwrap_or_default();
        Item::new(text, Picture::Value, about).help(help).text(written)
    }));
    if words::may_be_looked_up(cursor) && !quoted && cursor.annotation.is_none() {
        items.push(words::looked_up());
    }
    items
}
