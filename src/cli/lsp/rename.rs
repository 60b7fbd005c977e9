//! Renaming: every place that names a thing is changed at once, in all files, or nothing is.
//! The result is read before it is given out: an edit that would break the rules is refused.

use std::collections::BTreeMap;

use serde_json::{Value, json};

use super::navigate::Pointed;
use super::position::Lines;
use super::server::Ask;
use super::wire::Fault;
use crate::base::{Diagnostic, FileId, Severity, SourceMap, Span};
use crate::language::vocabulary::Thing;
use crate::language::{self, index};

/// What is renamed.
struct Renamed {
    thing: Thing,
    text: String,
    group: Option<String>,
    range: Value,
}

/// `textDocument/prepareRename`.
pub(super) fn prepare(ask: &Ask<'_>) -> Result<Value, Fault> {
    let renamed = pointed(ask)?;
    Ok(json!({"range": renamed.range, "placeholder": renamed.text}))
}

/// `textDocument/rename`.
pub(super) fn rename(ask: &Ask<'_>, params: &Value) -> Result<Value, Fault> {
    let Some(new) = params.get("newName").and_then(Value::as_str) else {
        return Err(Fault::new(Fault::PARAMS, "the new name is missing"));
    };
    let renamed = pointed(ask)?;
    if new == renamed.text {
        return Ok(Value::Null);
    }
    let things = with_schema(ask, &renamed);
    for thing in &things {
        refuse(ask, *thing, new, renamed.group.as_deref())?;
    }
    let mut edits: Vec<(Span, String)> = Vec::new();
    for thing in things {
        for name in ask.named(thing, &renamed.text, renamed.group.as_deref()) {
            let bare = !ask.known.sources.text(name.span).ends_with(['"', '#']);
            edits.push((name.span, index::quoted(new, bare)));
        }
    }
    if renamed.thing == Thing::Record {
        let mentions = ask.mentioned(&renamed.text);
        edits.extend(mentions.into_iter().map(|span| (span, new.to_owned())));
    }
    edits.sort();
    edits.dedup();
    still_sound(ask, &edits)?;
    Ok(workspace_edit(ask, &edits))
}

/// The thing at the cursor, if it can be renamed.
fn pointed(ask: &Ask<'_>) -> Result<Renamed, Fault> {
    let unread = ask.project.present().and_then(|now| now.as_ref().ok()).is_none_or(|now| {
        now.sources
            .iter()
            .any(|(id, file)| language::is_rule_file(&file.path) && !now.study.has_read(id))
    });
    if unread {
        let why = "a rule file cannot be read at this moment, so names in it would be missed; mend it first";
        return Err(Fault::failed(why));
    }
    match ask.pointed() {
        Some(Pointed::Name { thing: Thing::Email | Thing::Text, text, .. }) => {
            Err(Fault::failed(format!(
                "an e-mail's name is the name of its file: rename emails/{text}.md, then the name here"
            )))
        }
        Some(Pointed::Name { thing, text, group, range }) => {
            if ask.named(thing, &text, group.as_deref()).is_empty() {
                return Err(Fault::failed(format!("there is no {} `{text}`", thing.word())));
            }
            Ok(Renamed { thing, text, group, range: ask.range(range) })
        }
        Some(Pointed::Path { parts, range, scope }) => match Ask::record_of(&parts, &scope) {
            Some(text) => {
                Ok(Renamed { thing: Thing::Record, text, group: None, range: ask.range(range) })
            }
            None => Err(Fault::failed(
                "a field is named by whoever sends it, so it is not renamed here; change the schema, and the mistakes show the rest",
            )),
        },
        None => Err(Fault::failed("no name that is declared in the rules stands here")),
    }
}

/// The thing, and what has its name because it must: an event and its schema go together.
fn with_schema(ask: &Ask<'_>, renamed: &Renamed) -> Vec<Thing> {
    let declared = |thing| ask.named(thing, &renamed.text, None).iter().any(|name| name.declares);
    match renamed.thing {
        Thing::Event | Thing::Schema if declared(Thing::Event) && declared(Thing::Schema) => {
            vec![Thing::Event, Thing::Schema]
        }
        thing => vec![thing],
    }
}

/// Refuses a name that is none, or that something else has.
fn refuse(ask: &Ask<'_>, thing: Thing, new: &str, group: Option<&str>) -> Result<(), Fault> {
    if let Some(why) = index::name_fault(thing, new) {
        return Err(Fault::failed(why));
    }
    if !ask.named(thing, new, group).is_empty() {
        return Err(Fault::failed(format!("there is a {} `{new}` already", thing.word())));
    }
    Ok(())
}

/// Reads the rules as they would be, and refuses what brings a new mistake.
fn still_sound(ask: &Ask<'_>, edits: &[(Span, String)]) -> Result<(), Fault> {
    let mut sources = SourceMap::new();
    for (id, file) in ask.known.sources.iter() {
        let mut text = file.text.clone();
        for (span, new) in edits.iter().rev().filter(|(span, _)| span.file == id) {
            text.replace_range(span.range(), new);
        }
        sources.add(file.path.clone(), text);
    }
    let errors = |found: &[Diagnostic]| {
        found.iter().filter(|found| found.severity == Severity::Error).count()
    };
    let (_, found) = language::analyze(&sources);
    if errors(&found) <= errors(&ask.known.study.found) {
        return Ok(());
    }
    let known =
        |one: &Diagnostic| ask.known.study.found.iter().any(|old| old.message == one.message);
    let new = found.iter().find(|one| one.severity == Severity::Error && !known(one));
    Err(Fault::failed(new.map_or_else(
        || String::from("the rules would have more mistakes than before"),
        |new| format!("that would break the rules: {}", new.message),
    )))
}

/// Edits of several files, for the editor.
fn workspace_edit(ask: &Ask<'_>, edits: &[(Span, String)]) -> Value {
    let mut files: BTreeMap<FileId, Vec<Value>> = BTreeMap::new();
    for (span, new) in edits {
        let lines = Lines::new(&ask.known.sources.file(span.file).text, ask.client.units);
        let edit = json!({"range": lines.range(span.range()), "newText": new});
        files.entry(span.file).or_default().push(edit);
    }
    let changes: serde_json::Map<String, Value> = files
        .into_iter()
        .map(|(id, edits)| (ask.address(&ask.known.sources.file(id).path), edits.into()))
        .collect();
    json!({"changes": changes})
}
