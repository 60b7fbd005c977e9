//! Help for what stands under the mouse: a word of the language, a property, a type, a field
//! with its line in the schema, a named thing with the lines that declare it.

use std::fmt::Write as _;

use serde_json::{Value, json};

use super::navigate::Pointed;
use super::server::Ask;
use super::values;
use crate::base::Span;
use crate::guard;
use crate::language::cursor::{At, Cursor};
use crate::language::vocabulary::{Children, Count, Thing, Type, Word};

/// So many lines of a declaration are shown.
const SHOWN: usize = 12;

/// `textDocument/hover`.
pub(super) fn hover(ask: &Ask<'_>) -> Value {
    let told = match ask.pointed() {
        Some(Pointed::Name { thing, text, range, group }) => {
            named(ask, thing, &text, group.as_deref()).map(|told| (told, range))
        }
        Some(Pointed::Path { parts, range, scope })
            if let Some(record) = Ask::record_of(&parts, &scope) =>
        {
            named(ask, Thing::Record, &record, None).map(|told| (told, range))
        }
        Some(Pointed::Path { parts, range, scope }) => {
            let path: Vec<&str> = parts.iter().map(String::as_str).collect();
            let shape = scope.scope.resolve(&path).ok();
            let told = shape.map(|shape| {
                let kind = values::kind_of(&shape);
                let lines = ask.fields(&parts, &scope);
                let lines: String = lines.iter().map(|field| shown(ask, field.line)).collect();
                format!("`{}` · {kind}\n\n{lines}", parts.join("."))
            });
            told.map(|told| (told, range))
        }
        None if ask.is_text() => None,
        None => plain(ask, &ask.cursor()),
    };
    told.map_or(Value::Null, |(told, range)| {
        json!({
            "contents": {"kind": "markdown", "value": told.trim_end()},
            "range": ask.range(range),
        })
    })
}

/// A word, a property, or a value of the language itself.
fn plain(ask: &Ask<'_>, cursor: &Cursor) -> Option<(String, std::ops::Range<usize>)> {
    let range = cursor.part.whole.clone();
    if range.is_empty() {
        return None;
    }
    let told = match &cursor.at {
        At::Word => match cursor.children() {
            Children::Fields => field(ask, cursor),
            _ => of_word(cursor.word()?),
        },
        At::Key(key) => property(cursor.word()?, key)?,
        At::Entry(_) | At::Argument(_) | At::Value(_) => match cursor.kind()? {
            Type::Guard => function(ask, cursor)?,
            Type::Choice(..) if cursor.children() == Children::Fields => {
                values::type_help(&cursor.part.text)?.to_owned()
            }
            kind => values::help(kind)?,
        },
        At::Annotation | At::Comment => return None,
    };
    Some((told, range))
}

/// Everything that the vocabulary says about a word.
pub(super) fn of_word(word: &Word) -> String {
    let mut told = format!("**{}** · {}\n\n```kdl\n{}\n```\n", word.name, word.about, word.example);
    if let Some(instead) = word.later {
        let _ = writeln!(told, "\nComes later; {instead}.");
    }
    for argument in word.arguments {
        let count = match argument.count {
            Count::One => "",
            Count::Maybe => ", may be left out",
            Count::Some => ", one or several",
        };
        let name = argument.name.replace('`', "");
        let _ = writeln!(told, "- *{name}*{}{count}", values::short(argument.kind));
    }
    for property in word.properties.iter().filter(|property| !property.later) {
        let needed = if property.required { " (needed)" } else { "" };
        let _ = writeln!(told, "- `{}=`{needed} {}", property.name, property.about);
    }
    told
}

fn property(word: &Word, key: &str) -> Option<String> {
    if word.takes_fallback() && key == "default" {
        return Some(String::from("`default=` Used when what is looked up is not set."));
    }
    if word.takes_fallback() && key == "optional" {
        return Some(String::from("`optional=` Whether it may stay unset."));
    }
    let property = word.properties.iter().find(|property| property.name == key)?;
    let later = if property.later { " Comes later." } else { "" };
    let help = values::help(property.kind).map_or(String::new(), |help| format!("\n\n{help}"));
    Some(format!("`{key}=` {}{later}{help}", property.about))
}

/// A field of a schema.
fn field(ask: &Ask<'_>, cursor: &Cursor) -> String {
    let kind = cursor.line.title().unwrap_or("field");
    let optional = cursor.line.values.iter().any(|value| value.text == "optional");
    let may = if optional { ", may be missing" } else { "" };
    let say = |key: &str| {
        let (_, value) = cursor.line.properties.iter().find(|(known, _)| known.text == key)?;
        value.as_ref().map(|value| &ask.text[value.whole.clone()])
    };
    let mut told = format!("`{}` · {kind}{may}\n", cursor.line.word.text);
    if let Some(about) = say("about") {
        let _ = writeln!(told, "\n{}", about.trim_matches('"'));
    }
    if let Some(example) = say("example") {
        let _ = writeln!(told, "\nFor example `{example}`");
    }
    told
}

/// A function within a guard.
fn function(ask: &Ask<'_>, cursor: &Cursor) -> Option<String> {
    let guard = &cursor.part.text;
    let at = ask.offset.checked_sub(cursor.part.range.start)?;
    let is_part = |letter: char| letter.is_ascii_alphanumeric() || letter == '_';
    let start = guard.get(..at)?.rfind(|letter| !is_part(letter)).map_or(0, |before| before + 1);
    let rest = guard.get(start..)?;
    let word = &rest[..rest.find(|letter| !is_part(letter)).unwrap_or(rest.len())];
    let (_, how) = guard::FUNCTIONS.iter().find(|(name, _)| *name == word)?;
    Some(format!("```\n{how}\n```"))
}

/// A thing: what it is, what it says about itself, and how often it is used.
fn named(ask: &Ask<'_>, thing: Thing, text: &str, group: Option<&str>) -> Option<String> {
    let names = ask.named(thing, text, group);
    let declared = names.iter().find(|name| name.declares).or(names.first())?;
    let uses = names.iter().filter(|name| !name.declares).count();
    let file = &ask.known.sources.file(declared.span.file).path;
    let uses = match uses {
        0 => String::from("not named anywhere else"),
        1 => String::from("named in 1 other place"),
        uses => format!("named in {uses} other places"),
    };
    let word = thing.word();
    Some(format!("{word} **{text}** · {file}, {uses}\n\n{}", shown(ask, declared.node)))
}

/// The first lines of a place, as a block of KDL without its indentation.
fn shown(ask: &Ask<'_>, span: Span) -> String {
    let file = &ask.known.sources.file(span.file).text;
    let text = ask.known.sources.text(span);
    let before = &file[..span.range().start];
    let indent = before.rsplit('\n').next().map_or(0, |line| line.len() - line.trim_start().len());
    let mut told = String::from("```kdl\n");
    let lines = text.lines().count();
    for line in text.lines().take(SHOWN) {
        let blanks = line.len() - line.trim_start().len();
        let _ = writeln!(told, "{}", &line[blanks.min(indent)..]);
    }
    if lines > SHOWN {
        told.push_str("…\n");
    }
    told.push_str("```\n");
    told
}
