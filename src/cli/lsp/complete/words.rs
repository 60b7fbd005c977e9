//! The words and properties of the language that may stand at a place.

use std::fmt::Write as _;

use serde_json::Value;

use super::{Item, Picture};
use crate::cli::lsp::hover::of_word;
use crate::cli::lsp::server::Ask;
use crate::cli::lsp::values;
use crate::language::cursor::{At, Cursor, Line};
use crate::language::index;
use crate::language::vocabulary::{self, Argument, Children, Count, Property, Type, Word};
use crate::model::Kind;

/// Words that may open a line here; in a block of values, the fields that it may fill.
pub(super) fn words(ask: &Ask<'_>, cursor: &Cursor) -> Vec<Item> {
    match cursor.children() {
        Children::Words(place) => {
            let there = cursor.blocks.last().map(|block| block.above.as_slice());
            let taken = |word: &Word| {
                let same = |line: &Line| line.word.text == word.name && !line.off;
                word.once && there.unwrap_or_default().iter().any(same)
            };
            vocabulary::at(place)
                .filter(|word| word.later.is_none() && !taken(word))
                .map(|word| {
                    Item::new(word.name, Picture::Keyword, word.about)
                        .help(of_word(word))
                        .snippet(skeleton(word))
                })
                .collect()
        }
        Children::Fields => of_field(cursor),
        Children::Values => fields(ask, cursor),
        Children::None | Children::Anything => Vec::new(),
    }
}

/// Properties that are not there yet.
pub(super) fn properties(cursor: &Cursor) -> Vec<Item> {
    let Some(word) = cursor.word() else { return Vec::new() };
    let own = match &cursor.at {
        At::Key(key) => Some(key.as_str()),
        _ => None,
    };
    let given = |name: &str| {
        own != Some(name) && cursor.line.properties.iter().any(|(key, _)| key.text == name)
    };
    let known = word.properties.iter().filter(|known| !known.later && !given(known.name));
    let mut items: Vec<Item> = known.map(|known| property(known, own.is_some())).collect();
    if word.takes_fallback() {
        let fallbacks = [
            ("default", "Used when what is looked up is not set.", "default=\"$1\""),
            ("optional", "Whether it may stay unset.", "optional=#true"),
        ];
        let missing = fallbacks.into_iter().filter(|(name, ..)| !given(name));
        items.extend(missing.map(|(name, about, snippet)| {
            let item = Item::new(format!("{name}="), Picture::Property, about);
            if own.is_some() { item.text(name) } else { item.snippet(snippet) }
        }));
    }
    items
}

fn property(known: &Property, key_only: bool) -> Item {
    let help = values::help(known.kind).unwrap_or_default();
    let item = Item::new(format!("{}=", known.name), Picture::Property, known.about).help(help);
    if key_only {
        return item.text(known.name);
    }
    item.snippet(format!("{}={}", known.name, hole(known.kind, known.setting, 1)))
}

/// `(env)` and `(file)`.
pub(super) fn annotations() -> Vec<Item> {
    vec![
        Item::new("env", Picture::Keyword, "Looked up in the environment."),
        Item::new("file", Picture::Keyword, "The content of a file."),
    ]
}

/// Whether the value at the cursor may be looked up.
pub(super) fn may_be_looked_up(cursor: &Cursor) -> bool {
    let Some(word) = cursor.word() else { return false };
    match &cursor.at {
        At::Entry(number) | At::Argument(number) => {
            let argument = word.arguments.get(*number).or(word.arguments.last());
            argument.is_some_and(|argument| argument.setting)
        }
        At::Value(key) => word.properties.iter().any(|known| known.name == key && known.setting),
        _ => false,
    }
}

/// A value that is looked up.
pub(super) fn looked_up() -> Item {
    Item::new("(env)\"NAME\"", Picture::Value, "looked up in the environment")
        .text("(env)\"\"")
        .snippet("(env)\"$1\"")
}

/// A word with what it needs, to be filled in.
fn skeleton(word: &Word) -> String {
    let mut text = word.name.to_owned();
    let mut number = 0;
    let needed = |argument: &&Argument| argument.count != Count::Maybe;
    for argument in word.arguments.iter().filter(needed) {
        number += 1;
        let _ = write!(text, " {}", hole(argument.kind, argument.setting, number));
    }
    for property in word.properties.iter().filter(|property| property.required) {
        number += 1;
        let hole = hole(property.kind, property.setting, number);
        let _ = write!(text, " {}={hole}", property.name);
    }
    let has_block = match word.children {
        Children::Words(place) => vocabulary::at(place).any(|word| word.later.is_none()),
        Children::Fields => word.arguments.iter().all(|argument| argument.count == Count::One),
        _ => false,
    };
    if has_block {
        text.push_str(" {\n    $0\n}");
    }
    text
}

/// A place to fill in.
fn hole(kind: Type, setting: bool, number: usize) -> String {
    match kind {
        Type::Secret | Type::HeaderValue if setting => format!("(env)\"${number}\""),
        Type::Whole(..) | Type::Number | Type::Any => format!("${number}"),
        Type::Boolean => format!("${{{number}:#true}}"),
        Type::Guard => format!("#\"${number}\"#"),
        _ => format!("\"${number}\""),
    }
}

/// What may stand in the block of a field.
fn of_field(cursor: &Cursor) -> Vec<Item> {
    let Some(block) = cursor.blocks.last() else { return Vec::new() };
    // The block of a schema or payload holds fields, whose names are free.
    if cursor.blocks.len() < 3 || matches!(block.line.word.text.as_str(), "schema" | "payload") {
        return Vec::new();
    }
    let choices = Item::new("one-of", Picture::Keyword, "The values that the field may have.")
        .snippet("one-of \"$1\"");
    let of = Item::new("of", Picture::Keyword, "What the list holds.");
    match block.line.title() {
        Some("list") => vec![of],
        Some("object") => Vec::new(),
        _ => vec![choices],
    }
}

/// Fields that a block of values may fill, without those that are there.
fn fields(ask: &Ask<'_>, cursor: &Cursor) -> Vec<Item> {
    let Some(block) = cursor.blocks.last() else { return Vec::new() };
    let given = |name: &String| block.above.iter().any(|line| line.word.text == *name);
    let missing = ask.known.study.fillable(cursor).into_iter().filter(|one| !given(&one.name));
    missing
        .map(|field| {
            let value = match (&field.shape.kind, field.example) {
                (Kind::Object(_), _) => String::from("{\n    $0\n}"),
                // A test says values, rules say where they come from.
                _ if !cursor.root.is_for_tests() => format!("\"{{{{${{1:{}}}}}}}\"", field.name),
                (_, Some(example)) => example_hole(&example),
                _ => String::from("$1"),
            };
            let snippet = format!("{} {value}", field.name);
            Item::new(field.name, Picture::Field, values::kind_of(&field.shape)).snippet(snippet)
        })
        .collect()
}

/// A place to fill in where an example stands already.
fn example_hole(example: &Value) -> String {
    let escaped = |text: &str| text.replace('\\', "\\\\").replace('$', "\\$").replace('}', "\\}");
    match example {
        Value::String(text) => format!("\"${{1:{}}}\"", escaped(&index::escaped(text))),
        Value::Bool(_) => format!("${{1:#{example}}}"),
        Value::Number(_) => format!("${{1:{example}}}"),
        _ => String::from("$1"),
    }
}
