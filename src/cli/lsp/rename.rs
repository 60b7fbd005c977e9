//! Renaming: every place that names a thing is changed at once, in all files, or nothing is.
//! The result is read before it is given out: an edit that would break the rules is refused.

use std::collections::{BTreeMap, BTreeSet};
use std::path::{Path, PathBuf};

use serde_json::{Value, json};

use super::navigate::Pointed;
use super::position::Lines;
use super::server::Ask;
use super::wire::Fault;
use super::workspace::is_rules;
use crate::base::{Diagnostic, FileId, Severity, SourceMap, Span};
use crate::language::index::{self, Name};
use crate::language::vocabulary::Thing;
use crate::review;

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
    together(ask, &renamed)?;
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
    let (things, file) = together(ask, &renamed)?;
    for thing in &things {
        refuse(ask, *thing, new, renamed.group.as_deref())?;
    }
    let mut edits: Vec<(Span, String)> = Vec::new();
    for thing in things {
        for name in ask.named(thing, &renamed.text, renamed.group.as_deref()) {
            let bare = !ask.known.sources.text(name.span).ends_with(['"', '#']);
            let text = if name.part { index::escaped(new) } else { index::quoted(new, bare) };
            edits.push((name.span, text));
        }
    }
    if renamed.thing == Thing::Record {
        let mentions = ask.mentioned(&renamed.text);
        edits.extend(mentions.into_iter().map(|span| (span, new.to_owned())));
    }
    edits.sort();
    edits.dedup();
    let file = file.map(|old| {
        let ending = old.extension().and_then(|ending| ending.to_str()).unwrap_or("md").to_owned();
        (old.with_file_name(format!("{new}.{ending}")), old)
    });
    let file = match &file {
        Some((to, _)) if ask.known.sources.find(&to.to_string_lossy()).is_some() => {
            return Err(Fault::failed(format!("there is a text {} already", to.display())));
        }
        Some((to, from)) => Some((from.as_path(), to.as_path())),
        None => None,
    };
    still_sound(ask, &edits, file)?;
    Ok(workspace_edit(ask, &edits, file))
}

/// The thing at the cursor, if it can be renamed.
fn pointed(ask: &Ask<'_>) -> Result<Renamed, Fault> {
    let unread = ask.project.present().and_then(|now| now.as_ref().ok()).is_none_or(|now| {
        now.sources
            .iter()
            .any(|(id, file)| is_rules(Path::new(&file.path)) && !now.study.has_read(id))
    });
    if unread {
        let why = "a file of rules or tests cannot be read at this moment, so names in it would be missed; mend it first";
        return Err(Fault::failed(why));
    }
    match ask.pointed() {
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

/// The thing, and what has its name because it must: an event and its schema go together,
/// and so do an e-mail and its text, which is a file.
fn together(ask: &Ask<'_>, renamed: &Renamed) -> Result<(Vec<Thing>, Option<PathBuf>), Fault> {
    let declared = |thing| ask.named(thing, &renamed.text, None).iter().any(|name| name.declares);
    match renamed.thing {
        Thing::Event | Thing::Schema if declared(Thing::Event) && declared(Thing::Schema) => {
            Ok((vec![Thing::Event, Thing::Schema], None))
        }
        Thing::Email | Thing::Text => with_text(ask, renamed),
        thing => Ok((vec![thing], None)),
    }
}

/// An e-mail or a text with what must have the same name. An e-mail whose text has a name of
/// its own is renamed alone.
fn with_text(ask: &Ask<'_>, renamed: &Renamed) -> Result<(Vec<Thing>, Option<PathBuf>), Fault> {
    let name = &renamed.text;
    let emails = ask.named(Thing::Email, name, None);
    let texts = ask.known.study.texts(&ask.known.sources);
    let same = |path: &str| Path::new(path).file_stem().is_some_and(|stem| stem == name.as_str());
    let own = texts.iter().any(|(_, path, email)| {
        same(path) && emails.iter().any(|name| name.declares && name.span == *email)
    });
    if renamed.thing == Thing::Email && !own {
        return Ok((vec![Thing::Email], None));
    }
    let files: BTreeSet<&String> =
        texts.iter().map(|(_, path, _)| path).filter(|path| same(path)).collect();
    if !ask.client.renames || files.len() > 1 {
        return Err(Fault::failed(format!(
            "an e-mail's name is the name of its file: rename emails/{name}.md, then the name here"
        )));
    }
    let things = if own { vec![Thing::Email, Thing::Text] } else { vec![Thing::Text] };
    let there = files.into_iter().find(|path| ask.known.sources.find(path).is_some());
    Ok((things, there.map(PathBuf::from)))
}

/// Refuses a name that is none, or that something else has.
fn refuse(ask: &Ask<'_>, thing: Thing, new: &str, group: Option<&str>) -> Result<(), Fault> {
    if let Some(why) = index::name_fault(thing, new) {
        return Err(Fault::failed(why));
    }
    let taken = |name: &Name| name.declares || thing == Thing::Record;
    if ask.named(thing, new, group).iter().any(taken) {
        return Err(Fault::failed(format!("there is a {} `{new}` already", thing.word())));
    }
    Ok(())
}

/// Reads the rules as they would be, and refuses what brings a new mistake.
fn still_sound(
    ask: &Ask<'_>,
    edits: &[(Span, String)],
    renamed: Option<(&Path, &Path)>,
) -> Result<(), Fault> {
    let mut sources = SourceMap::with_assets_of(&ask.known.sources);
    for (id, file) in ask.known.sources.iter() {
        let mut text = file.text.clone();
        for (span, new) in edits.iter().rev().filter(|(span, _)| span.file == id) {
            text.replace_range(span.range(), new);
        }
        let path = renamed.filter(|(from, _)| *from == Path::new(&file.path));
        let path = path.map_or(file.path.clone(), |(_, to)| to.to_string_lossy().into_owned());
        sources.add(path, text);
    }
    let errors = |found: &[Diagnostic]| {
        found.iter().filter(|found| found.severity == Severity::Error).count()
    };
    let found = review::study(&sources).found;
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

/// Edits of several files and the renaming of one, for the editor.
fn workspace_edit(
    ask: &Ask<'_>,
    edits: &[(Span, String)],
    renamed: Option<(&Path, &Path)>,
) -> Value {
    let mut files: BTreeMap<FileId, Vec<Value>> = BTreeMap::new();
    for (span, new) in edits {
        let lines = Lines::new(&ask.known.sources.file(span.file).text, ask.client.units);
        let edit = json!({"range": lines.range(span.range()), "newText": new});
        files.entry(span.file).or_default().push(edit);
    }
    let files = files.into_iter().map(|(id, edits)| (&ask.known.sources.file(id).path, edits));
    let Some((from, to)) = renamed else {
        let changes = files.map(|(path, edits)| (ask.address(path), Value::from(edits)));
        return json!({"changes": changes.collect::<serde_json::Map<String, Value>>()});
    };
    let changes = files.map(|(path, edits)| {
        let open = ask.documents.get(&ask.project.path(path));
        let version = open.map(|document| document.version);
        json!({"textDocument": {"uri": ask.address(path), "version": version}, "edits": edits})
    });
    let address = |path: &Path| ask.address(&path.to_string_lossy());
    let file = json!({"kind": "rename", "oldUri": address(from), "newUri": address(to)});
    json!({"documentChanges": changes.chain([file]).collect::<Vec<Value>>()})
}
