//! Names of the rule set that may stand at a place: things, environment variables, and the
//! fields that guards and tags may use.

use std::ops::Range;

use super::{Item, Items, Picture};
use crate::cli::lsp::server::Ask;
use crate::cli::lsp::values;
use crate::guard;
use crate::language::paths::{self, Within};
use crate::language::scope::InScope;
use crate::language::vocabulary::Thing;
use crate::model::rules::TextKind;
use crate::model::{Kind, Shape};
use crate::template;

/// Things that may be named here. `typed` is what stands there by now, which a rule set takes
/// for a name as well; `mark` puts what quotation marks are missing.
pub(super) fn things(
    ask: &Ask<'_>,
    thing: Thing,
    declares: bool,
    typed: &str,
    mark: &dyn Fn(&str) -> String,
) -> Vec<Item> {
    let names = ask.known.study.names();
    let declared =
        |thing: Thing| names.iter().filter(move |name| name.declares && name.thing == thing);
    let mut found: Vec<(String, String)> = match (thing, declares) {
        (Thing::Text, _) | (Thing::Email, true) => texts(ask),
        // An event has the schema of its name, so one without an event may be meant.
        (Thing::Event, true) => declared(Thing::Schema)
            .filter(|schema| declared(Thing::Event).all(|event| event.text != schema.text))
            .map(|schema| (schema.text.clone(), String::from("schema")))
            .collect(),
        (_, true) => Vec::new(),
        (Thing::Record, false) => {
            let rules = &ask.known.study.rules;
            rules.records.keys().map(|name| (name.clone(), String::from("record"))).collect()
        }
        (Thing::Service, false) => {
            let services = ask.known.study.rules.services.values();
            services.map(|one| (one.name.clone(), one.about.clone().unwrap_or_default())).collect()
        }
        (Thing::Endpoint, false) => {
            let endpoints = ask.known.study.rules.endpoints.iter();
            endpoints.map(|one| (one.full_name(), one.about.clone().unwrap_or_default())).collect()
        }
        (thing, false) => declared(thing)
            .map(|name| {
                let file = &ask.known.sources.file(name.span.file).path;
                (name.text.clone(), about(ask, thing, &name.text).unwrap_or_else(|| file.clone()))
            })
            .collect(),
    };
    let own = |name: &str| {
        let same = names.iter().filter(|known| known.thing == thing && known.text == name);
        name == typed && same.count() == 1
    };
    found.retain(|(name, _)| !name.is_empty() && !own(name));
    found.sort();
    found.dedup_by(|one, other| one.0 == other.0);
    found
        .into_iter()
        .map(|(name, about)| {
            let text = mark(&name);
            Item::new(name, Picture::Reference, about).text(text)
        })
        .collect()
}

/// What a thing says about itself.
fn about(ask: &Ask<'_>, thing: Thing, name: &str) -> Option<String> {
    let rules = &ask.known.study.rules;
    match thing {
        Thing::Event => rules.events.get(name)?.about.clone(),
        Thing::Schema => {
            let names: Vec<&str> =
                rules.schemas.get(name)?.scope.names.keys().map(String::as_str).collect();
            Some(names.join(", "))
        }
        _ => None,
    }
}

/// The texts in the folder emails beside the file; those without an e-mail first.
fn texts(ask: &Ask<'_>) -> Vec<(String, String)> {
    let folder =
        ask.path.rsplit_once('/').map_or(String::new(), |(folder, _)| format!("{folder}/"));
    let folder = format!("{folder}emails/");
    let files = ask.known.sources.iter();
    files
        .filter_map(|(_, file)| {
            let name = file.path.strip_prefix(&folder)?;
            let (name, ending) = name.rsplit_once('.')?;
            TextKind::ALL.iter().find(|kind| kind.ending() == ending)?;
            Some((name.to_owned(), file.path.clone()))
        })
        .collect()
}

/// Environment names that the rules read.
pub(super) fn variables(ask: &Ask<'_>, mark: &dyn Fn(&str) -> String) -> Vec<Item> {
    let mut names: Vec<&str> =
        ask.known.study.rules.environment.iter().map(|known| known.name.as_str()).collect();
    names.retain(|name| !name.is_empty());
    names.sort_unstable();
    let item = |name: &&str| {
        Item::new(*name, Picture::Variable, "read from the environment").text(mark(name))
    };
    names.iter().map(item).collect()
}

/// The names that may go on what is being typed in a guard or tag, and what they replace;
/// none outside of tags and within texts.
pub(super) fn typed(
    ask: &Ask<'_>,
    within: Range<usize>,
    kind: Within,
    scope: &InScope,
) -> Option<Items> {
    let text = ask.text.get(within.clone())?;
    let at = ask.offset.checked_sub(within.start)?;
    let (parts, start, piped) = paths::typed(text, at, kind)?;
    let rest = &text[at..];
    let word = rest.find(|letter: char| !letter.is_ascii_alphanumeric() && letter != '_');
    let range = within.start + start..ask.offset + word.unwrap_or(rest.len());
    if piped {
        let filter = |name: &&str| Item::new(*name, Picture::Function, "filter");
        return Some((template::FILTERS.iter().map(filter).collect(), range));
    }
    let tail = word.map_or("", |word| &rest[word..]);
    let line = tail.split('\n').next().unwrap_or_default();
    let open = kind == Within::Tags && !line.contains("}}") && !line.contains("%}");
    let is_tag = text[..start].rfind("{{") > text[..start].rfind("{%");
    let close = if open && is_tag { "}}" } else { "" };
    let path = &parts[..parts.len() - 1];
    let mut items: Vec<Item> = fields(scope, path)
        .into_iter()
        .map(|(name, shape)| {
            let text = format!("{name}{close}");
            let help = example(scope, path, &name);
            let kind = if path.is_empty() && scope.records.contains(&name) {
                String::from("record")
            } else {
                values::kind_of(&shape)
            };
            Item::new(name, Picture::Field, kind).help(help).text(text)
        })
        .collect();
    if kind == Within::Guard && path.is_empty() {
        items.extend(guard::FUNCTIONS.iter().map(|(name, how)| {
            Item::new(*name, Picture::Function, *how)
                .text(format!("{name}("))
                .snippet(format!("{name}($1)"))
        }));
    }
    Some((items, range))
}

/// Whole tags, where none is open.
pub(super) fn tags(scope: &InScope) -> Vec<Item> {
    let simple = scope
        .scope
        .names
        .iter()
        .filter(|(_, shape)| !matches!(shape.kind, Kind::Object(_) | Kind::List(_)));
    simple
        .map(|(name, shape)| {
            Item::new(format!("{{{{{name}}}}}"), Picture::Field, values::kind_of(shape))
                .help(example(scope, &[], name))
        })
        .collect()
}

/// The names that exist behind a dotted path.
fn fields(scope: &InScope, path: &[&str]) -> Vec<(String, Shape)> {
    let names = if path.is_empty() {
        scope.scope.names.clone()
    } else {
        match scope.scope.resolve(path).map(|shape| shape.kind) {
            Ok(Kind::Object(fields)) => fields,
            _ => return Vec::new(),
        }
    };
    names.into_iter().collect()
}

/// The example of a field of the payload, in Markdown.
fn example(scope: &InScope, path: &[&str], name: &str) -> String {
    let found = scope.payloads.iter().find_map(|schema| {
        let within = path.iter().try_fold(&schema.example, |value, part| value.get(part))?;
        within.get(name)
    });
    found.map_or(String::new(), |value| format!("For example `{value}`"))
}
