//! Every name in a rule set with its place: what an editor jumps to, lists and renames. Which
//! value is the name of what stands in the vocabulary; here only the walk over the files is
//! done, when somebody asks.

use std::ops::Range;

use super::paths::{self, Within};
use super::tree::{Node, Value};
use super::vocabulary::{self, Argument, Children, Place, Thing, Type, Word};
use super::{Study, forms, tokens};
use crate::base::{FileId, SourceMap, Span};
use crate::model::rules::Schema;

/// A name at a place.
#[derive(Clone, Debug)]
pub struct Name {
    /// What it names.
    pub thing: Thing,
    /// The name.
    pub text: String,
    /// Where it stands, with its quotation marks.
    pub span: Span,
    /// Whether it is a part of a longer text, and so without marks of its own.
    pub part: bool,
    /// Whether the thing is declared here.
    pub declares: bool,
    /// The whole line with its block.
    pub node: Span,
    /// The group of an endpoint: `hello` of `hello/signup`.
    pub group: Option<String>,
}

/// A name in a guard or a text with `{{tags}}`.
#[derive(Clone, Debug)]
pub struct Mention {
    /// Its dotted parts.
    pub parts: Vec<String>,
    /// Where the first of them stands.
    pub span: Span,
}

/// A line of a file, for the outline of an editor.
#[derive(Clone, Debug)]
pub struct Outline {
    /// The word that opens it.
    pub word: String,
    /// Its name, if it has one.
    pub title: Option<String>,
    /// The name's place, or the word's.
    pub name: Span,
    /// The whole line with its block.
    pub span: Span,
    /// What stands in its block.
    pub children: Vec<Outline>,
}

/// A field of a schema, as it is written.
#[derive(Clone, Copy, Debug)]
pub struct Field {
    /// Its name.
    pub name: Span,
    /// Its line.
    pub line: Span,
}

impl Study {
    /// Every name in the rule files, and in the files of tests once they were read.
    #[must_use]
    pub fn names(&self) -> Vec<Name> {
        let mut names = Vec::new();
        for (files, place) in [(&self.files, Place::File), (&self.tests, Place::TestFile)] {
            for (_, nodes) in files {
                walk(nodes, Children::Words(place), None, &mut |node, word, around| {
                    gather(node, word, around, &mut names);
                });
            }
        }
        schemas_of_events(&mut names);
        names
    }

    /// Every name in guards and tags, those in the texts of e-mails included.
    #[must_use]
    pub fn mentions(&self, sources: &SourceMap) -> Vec<Mention> {
        let mut found = Vec::new();
        for (_, nodes) in &self.files {
            walk(nodes, Children::Words(Place::File), None, &mut |node, word, _| {
                for (value, kind) in typed(node, word) {
                    let within = match kind {
                        Type::Guard => Within::Guard,
                        Type::Template => Within::Tags,
                        _ => continue,
                    };
                    let written = sources.text(value.span);
                    let inner = tokens::inner(written);
                    let at = value.span.start as usize + inner.start;
                    mention(&written[inner], value.span.file, at, within, &mut found);
                }
            });
        }
        for (file, source) in sources.iter().filter(|(_, file)| is_text(&file.path)) {
            mention(&source.text, file, 0, Within::Tags, &mut found);
        }
        found
    }

    /// The lines of a file.
    #[must_use]
    pub fn outline(&self, file: FileId) -> Vec<Outline> {
        self.files
            .iter()
            .chain(&self.tests)
            .filter(|(id, _)| *id == file)
            .flat_map(|(_, nodes)| nodes.iter().map(outline))
            .collect()
    }

    /// Where a field of a schema is written; none for what a JSON Schema file says.
    #[must_use]
    pub fn field(&self, schema: &Schema, path: &[&str]) -> Option<Field> {
        let node = self.node(|node| node.title_span() == schema.span)?;
        field(node.nodes(), path)
    }

    /// Where a field of a record is written: in its schema, or where a step saves it.
    #[must_use]
    pub fn record_field(&self, record: &str, path: &[&str]) -> Option<Field> {
        let declared = self.rules.records.get(record).and_then(|rules| rules.schema.as_deref());
        if let Some(schema) = declared {
            return self.field(schema, path);
        }
        let saved = |node: &Node| {
            node.name == "save"
                && node.title() == Some(record)
                && field(node.nodes(), path).is_some()
        };
        field(self.node(saved)?.nodes(), path)
    }

    /// The first node, at any depth, of which something is so.
    fn node(&self, is: impl Fn(&Node) -> bool) -> Option<&Node> {
        fn within<'n>(nodes: &'n [Node], is: &dyn Fn(&Node) -> bool) -> Option<&'n Node> {
            nodes.iter().find_map(
                |node| {
                    if is(node) { Some(node) } else { within(node.nodes(), is) }
                },
            )
        }
        self.files.iter().find_map(|(_, nodes)| within(nodes, &is))
    }

    /// The text that each e-mail of a sequence is sent with: the sequence's name, the path of
    /// the text, and the e-mail's place.
    #[must_use]
    pub fn texts(&self, sources: &SourceMap) -> Vec<(String, String, Span)> {
        let mut texts = Vec::new();
        for sequence in self.files.iter().flat_map(|(_, nodes)| nodes) {
            for email in sequence.all("email").filter(|_| sequence.name == "sequence") {
                let named = email.prop("template").or(email.first());
                if let (Some(name), Some(of)) = (named.and_then(Value::text), sequence.title()) {
                    let folder = super::json_schema::beside(sources, email, "emails");
                    let path = text_path(sources, &folder, name);
                    texts.push((of.to_owned(), path, email.title_span()));
                }
            }
        }
        texts
    }
}

/// Whether a path names the text of an e-mail.
fn is_text(path: &str) -> bool {
    ["md", "html", "mjml"].iter().any(|ending| super::has_ending(path, ending))
}

/// The path of a text in a folder, in whichever way it is written; where there is none, where
/// it would stand.
#[must_use]
pub fn text_path(sources: &SourceMap, folder: &str, name: &str) -> String {
    let path = |ending: &str| format!("{folder}/{name}.{ending}");
    let mut there = ["md", "html", "mjml"].into_iter().map(path);
    there.find(|path| sources.find(path).is_some()).unwrap_or_else(|| path("md"))
}

/// An event uses the schema that has its name.
fn schemas_of_events(names: &mut Vec<Name>) {
    let used: Vec<Name> = names
        .iter()
        .filter(|name| name.thing == Thing::Event && name.declares)
        .filter(|name| {
            let same = |other: &&Name| other.thing == Thing::Schema && other.declares;
            names.iter().filter(same).any(|schema| schema.text == name.text)
        })
        .map(|name| Name { thing: Thing::Schema, declares: false, ..name.clone() })
        .collect();
    names.extend(used);
}

/// What is wrong with a name that somebody wants to give to a thing.
#[must_use]
pub fn name_fault(thing: Thing, name: &str) -> Option<String> {
    let fault = forms::name_fault(name, Type::Declares(thing));
    if fault.is_none() && thing == Thing::Endpoint && !super::addresses::is_segment(name) {
        return Some(format!("`{name}` cannot be part of an address"));
    }
    let is_file = matches!(thing, Thing::Email | Thing::Text);
    if is_file && (name.contains(['/', '\\']) || name.starts_with('.')) {
        return Some(format!("`{name}` cannot be the name of an e-mail: a file is called so"));
    }
    fault
}

/// The group and the endpoint of a full name: `hello/signup`.
#[must_use]
pub fn group_and_endpoint(name: &str) -> Option<(&str, &str)> {
    name.rsplit_once('/')
}

/// A name as it is written in a rule file; one that stands without quotation marks stays so
/// where it can.
#[must_use]
pub fn quoted(name: &str, bare: bool) -> String {
    if bare && forms::is_identifier(name) && !matches!(name, "true" | "false" | "null") {
        return name.to_owned();
    }
    format!("\"{}\"", escaped(name))
}

/// A name as it is written between quotation marks.
#[must_use]
pub fn escaped(name: &str) -> String {
    name.replace('\\', "\\\\").replace('"', "\\\"")
}

/// Calls `visit` for every node that the vocabulary knows, and for lines of fields, with the
/// node around it.
fn walk(
    nodes: &[Node],
    children: Children,
    around: Option<&Node>,
    visit: &mut impl FnMut(&Node, Option<&'static Word>, Option<&Node>),
) {
    for node in nodes {
        let word = match children {
            Children::Words(place) => match vocabulary::find(&node.name, place) {
                Some(word) => Some(word),
                None => continue,
            },
            Children::Values => None,
            Children::Fields | Children::None | Children::Anything => return,
        };
        visit(node, word, around);
        let children = word.map_or(Children::Values, |word| word.children);
        walk(node.nodes(), children, Some(node), visit);
    }
}

/// Every value of a node with what it must be.
fn typed<'n>(node: &'n Node, word: Option<&'static Word>) -> Vec<(&'n Value, Type)> {
    let Some(word) = word else {
        return node.args.iter().map(|value| (value, Type::Template)).collect();
    };
    let kind = |number: usize| {
        let argument = word.arguments.get(number).or(word.arguments.last());
        argument.map(|argument: &Argument| argument.kind)
    };
    let values = node.args.iter().enumerate();
    let values = values.filter_map(|(number, value)| Some((value, kind(number)?)));
    let props = node.props.iter().filter_map(|prop| {
        let known = word.properties.iter().find(|known| known.name == prop.name)?;
        Some((&prop.value, known.kind))
    });
    values.chain(props).collect()
}

fn gather(node: &Node, word: Option<&'static Word>, around: Option<&Node>, names: &mut Vec<Name>) {
    for (value, kind) in typed(node, word) {
        let Some(text) = value.text() else { continue };
        let name = |thing| Name {
            thing,
            text: text.to_owned(),
            span: value.span,
            part: false,
            declares: false,
            node: node.span,
            group: None,
        };
        match kind {
            Type::Declares(thing) => {
                let group = around.and_then(Node::title).filter(|_| thing == Thing::Endpoint);
                let group = group.map(str::to_owned);
                names.push(Name { declares: true, group, ..name(thing) });
            }
            Type::Refers(Thing::Endpoint) => {
                names.extend(parts_of_full_name(&name(Thing::Endpoint)).into_iter().flatten());
            }
            Type::Refers(thing) => names.push(name(thing)),
            Type::MayRefer(things) => names.extend(things.iter().map(|thing| name(*thing))),
            _ => {}
        }
    }
}

/// The group and the endpoint that a full name holds, each at its place. One with escaped
/// letters is passed over, because its places are not known.
fn parts_of_full_name(name: &Name) -> Option<[Name; 2]> {
    let (group, endpoint) = group_and_endpoint(&name.text)?;
    let Range { start, end } = name.span.range();
    if end - start != name.text.len() + "\"\"".len() {
        return None;
    }
    let slash = start + 1 + group.len();
    let part = |thing, text: &str, range, group| Name {
        thing,
        text: text.to_owned(),
        span: Span::new(name.span.file, range),
        part: true,
        group,
        ..name.clone()
    };
    Some([
        part(Thing::Webhooks, group, start + 1..slash, None),
        part(Thing::Endpoint, endpoint, slash + 1..end - 1, Some(group.to_owned())),
    ])
}

fn mention(text: &str, file: FileId, at: usize, within: Within, found: &mut Vec<Mention>) {
    for path in paths::names(text, within) {
        let parts = path.parts.iter().map(|part| text[part.clone()].to_owned()).collect();
        let Some(Range { start, end }) = path.parts.first().cloned() else { continue };
        found.push(Mention { parts, span: Span::new(file, at + start..at + end) });
    }
}

fn outline(node: &Node) -> Outline {
    Outline {
        word: node.name.clone(),
        title: node.title().map(str::to_owned),
        name: node.title_span(),
        span: node.span,
        children: node.nodes().iter().map(outline).collect(),
    }
}

fn field(nodes: &[Node], path: &[&str]) -> Option<Field> {
    let (first, rest) = path.split_first()?;
    let node = nodes.iter().find(|node| node.name == *first)?;
    match rest {
        [] => Some(Field { name: node.name_span, line: node.span }),
        rest => field(node.nodes(), rest),
    }
}
