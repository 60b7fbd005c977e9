//! What stands at a place, where it is declared, and where else it is named.

use std::ops::Range;
use std::path::Path;

use serde_json::{Value, json};

use super::position::Lines;
use super::server::Ask;
use super::workspace::{address, is_rules};
use crate::base::Span;
use crate::language::cursor::{At, Cursor};
use crate::language::index::{self, Field, Name};
use crate::language::paths::{self, Within};
use crate::language::scope::InScope;
use crate::language::vocabulary::{Thing, Type};
use crate::language::{is_test_file, root_of};

/// What stands at a place.
#[derive(Debug)]
pub(super) enum Pointed {
    /// The name of a thing, with its quotation marks.
    Name { thing: Thing, text: String, range: Range<usize>, group: Option<String> },
    /// A field or record in a guard or tag: its dotted parts up to the cursor.
    Path { parts: Vec<String>, range: Range<usize>, scope: InScope },
}

impl Ask<'_> {
    /// Whether the file is the text of an e-mail.
    pub(super) fn is_text(&self) -> bool {
        !is_rules(Path::new(&self.path))
    }

    /// The place in the file of rules or tests.
    pub(super) fn cursor(&self) -> Cursor {
        Cursor::new(self.text, self.offset, root_of(&self.path))
    }

    /// The range of a stretch of the open file.
    pub(super) fn range(&self, range: Range<usize>) -> Value {
        Lines::new(self.text, self.client.units).range(range)
    }

    /// The address of a file of the rule set.
    pub(super) fn address(&self, path: &str) -> String {
        address(self.documents, &self.project.path(path))
    }

    /// A place of the rule set, for the editor.
    pub(super) fn location(&self, span: Span) -> Value {
        let file = self.known.sources.file(span.file);
        let lines = Lines::new(&file.text, self.client.units);
        json!({"uri": self.address(&file.path), "range": lines.range(span.range())})
    }

    /// What stands at the place, if it is a name of any kind.
    pub(super) fn pointed(&self) -> Option<Pointed> {
        if self.is_text() {
            let scope = self.known.study.scope_of_text(&self.known.sources, &self.path);
            return self.path_at(0..self.text.len(), Within::Tags, scope);
        }
        let cursor = self.cursor();
        if matches!(cursor.at, At::Word | At::Key(_) | At::Comment | At::Annotation) {
            return None;
        }
        match cursor.kind()? {
            Type::Refers(Thing::Endpoint) => self.in_full_name(&cursor),
            Type::MayRefer(things) => {
                let text = cursor.part.text;
                let thing = things.iter().copied().find(|thing| self.is_there(*thing, &text))?;
                Some(Pointed::Name { thing, text, range: cursor.part.whole, group: None })
            }
            Type::Declares(thing) | Type::Refers(thing) if !cursor.part.whole.is_empty() => {
                let group = cursor.blocks.last().and_then(|block| block.line.title());
                let group = group.filter(|_| thing == Thing::Endpoint).map(str::to_owned);
                let range = cursor.part.whole.clone();
                Some(Pointed::Name { thing, text: cursor.part.text, range, group })
            }
            Type::Guard => {
                let scope = self.known.study.scope(&cursor, true);
                self.path_at(cursor.part.range, Within::Guard, scope)
            }
            Type::Template | Type::Path => {
                let scope = self.known.study.scope(&cursor, false);
                self.path_at(cursor.part.range, Within::Tags, scope)
            }
            _ => None,
        }
    }

    /// The group or the endpoint of `hello/signup`, whichever the place is in.
    fn in_full_name(&self, cursor: &Cursor) -> Option<Pointed> {
        let Range { start, end } = cursor.part.range;
        let (group, endpoint) = index::group_and_endpoint(&cursor.part.text)?;
        let slash = start + group.len();
        let (thing, text, range, group) = if self.offset <= slash {
            (Thing::Webhooks, group, start..slash, None)
        } else {
            (Thing::Endpoint, endpoint, slash + 1..end, Some(group.to_owned()))
        };
        Some(Pointed::Name { thing, text: text.to_owned(), range, group })
    }

    /// Whether the rules have a thing of this name.
    fn is_there(&self, thing: Thing, text: &str) -> bool {
        thing == Thing::Record && self.known.study.rules.records.contains_key(text)
            || self.named(thing, text, None).iter().any(|name| name.declares)
    }

    fn path_at(&self, within: Range<usize>, kind: Within, scope: InScope) -> Option<Pointed> {
        let text = self.text.get(within.clone())?;
        let at = self.offset.checked_sub(within.start)?;
        let names = paths::names(text, kind);
        let (parts, range) = names.iter().find_map(|path| path.up_to(text, at))?;
        let range = within.start + range.start..within.start + range.end;
        let parts = parts.into_iter().map(str::to_owned).collect();
        Some(Pointed::Path { parts, range, scope })
    }

    /// Where a field in a guard or tag is written.
    pub(super) fn fields(&self, parts: &[String], scope: &InScope) -> Vec<Field> {
        let study = &self.known.study;
        let path: Vec<&str> = parts.iter().map(String::as_str).collect();
        let Some((first, rest)) = path.split_first() else { return Vec::new() };
        if *first == "before" {
            let record = scope.records.first();
            return record
                .and_then(|record| study.record_field(record, rest))
                .into_iter()
                .collect();
        }
        if !rest.is_empty() && scope.records.iter().any(|record| record == first) {
            return study.record_field(first, rest).into_iter().collect();
        }
        let mut found: Vec<Field> =
            scope.payloads.iter().filter_map(|schema| study.field(schema, &path)).collect();
        found.sort_by_key(|field| field.name);
        found.dedup_by_key(|field| field.name);
        found
    }

    /// Every place at which a thing is named.
    pub(super) fn named(&self, thing: Thing, text: &str, group: Option<&str>) -> Vec<Name> {
        let mut names = self.known.study.names();
        names.retain(|name| {
            let same = name.thing == thing && name.text == text;
            same && (group.is_none() || name.group.as_deref() == group)
        });
        names
    }

    /// Every place in guards and tags at which a record is named.
    pub(super) fn mentioned(&self, record: &str) -> Vec<Span> {
        let Self { known, .. } = self;
        let mentions = known.study.mentions(&known.sources);
        let named = mentions.into_iter().filter(|mention| mention.parts[0] == record);
        named
            .map(|mention| mention.span)
            .filter(|span| {
                let file = known.sources.file(span.file);
                if !is_rules(Path::new(&file.path)) {
                    return false;
                }
                let cursor = Cursor::new(&file.text, span.start as usize, root_of(&file.path));
                let guard = matches!(cursor.kind(), Some(Type::Guard));
                known.study.scope(&cursor, guard).records.iter().any(|one| one == record)
            })
            .collect()
    }

    /// The record of a name that stands in a guard or tag.
    pub(super) fn record_of(parts: &[String], scope: &InScope) -> Option<String> {
        match parts {
            [one] => scope.records.iter().find(|record| *record == one).cloned(),
            _ => None,
        }
    }
}

/// `textDocument/definition`.
pub(super) fn definition(ask: &Ask<'_>) -> Value {
    let places: Vec<Value> = match ask.pointed() {
        None => Vec::new(),
        Some(Pointed::Path { parts, scope, .. }) => {
            if let Some(record) = Ask::record_of(&parts, &scope) {
                declarations(ask, Thing::Record, &record, None)
            } else {
                let fields = ask.fields(&parts, &scope);
                fields.iter().map(|field| ask.location(field.name)).collect()
            }
        }
        Some(Pointed::Name { thing: thing @ (Thing::Email | Thing::Text), text, .. })
            if !is_test_file(&ask.path) =>
        {
            text_of(ask, thing, &text)
        }
        Some(Pointed::Name { thing, text, group, range }) => {
            let places = declarations(ask, thing, &text, group.as_deref());
            let own = ask.range(range);
            let here = places.len() == 1 && places[0]["range"] == own;
            // An event leads on to the schema that has its name.
            let schema = declarations(ask, Thing::Schema, &text, None);
            if thing == Thing::Event && here && !schema.is_empty() { schema } else { places }
        }
    };
    places.into()
}

/// Where a thing is declared. A record that no `record` declares is, by the first step that
/// saves it.
fn declarations(ask: &Ask<'_>, thing: Thing, text: &str, group: Option<&str>) -> Vec<Value> {
    let names = ask.named(thing, text, group);
    let mut declared: Vec<&Name> = names.iter().filter(|name| name.declares).collect();
    if declared.is_empty() && thing == Thing::Record {
        declared.extend(names.first());
    }
    declared.iter().map(|name| ask.location(name.span)).collect()
}

/// The file with the text of an e-mail.
fn text_of(ask: &Ask<'_>, thing: Thing, name: &str) -> Vec<Value> {
    let start = json!({"line": 0, "character": 0});
    let line = ask.cursor().line;
    let other = line.property("template").filter(|_| thing == Thing::Email);
    let name = other.unwrap_or(name);
    let folder =
        ask.path.rsplit_once('/').map_or(String::new(), |(folder, _)| format!("{folder}/"));
    let path = index::text_path(&ask.known.sources, &format!("{folder}emails"), name);
    let found = ask.known.sources.find(&path).map(|_| {
        json!({
            "uri": ask.address(&path),
            "range": {"start": start, "end": start},
        })
    });
    found.into_iter().collect()
}

/// `textDocument/references`.
pub(super) fn references(ask: &Ask<'_>, params: &Value) -> Value {
    let declared = params.pointer("/context/includeDeclaration").and_then(Value::as_bool);
    let (thing, text, group) = match ask.pointed() {
        Some(Pointed::Name { thing, text, group, .. }) => (thing, text, group),
        Some(Pointed::Path { parts, scope, .. }) => match Ask::record_of(&parts, &scope) {
            Some(record) => (Thing::Record, record, None),
            None => return json!([]),
        },
        None => return json!([]),
    };
    let names = ask.named(thing, &text, group.as_deref());
    let wanted = names.iter().filter(|name| declared != Some(false) || !name.declares);
    let mut spans: Vec<Span> = wanted.map(|name| name.span).collect();
    if thing == Thing::Record {
        spans.extend(ask.mentioned(&text));
    }
    spans.sort();
    spans.into_iter().map(|span| ask.location(span)).collect()
}
