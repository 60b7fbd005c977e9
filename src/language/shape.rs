//! The walk that holds every node against the vocabulary: unknown and misplaced words,
//! missing and surplus values, unknown properties, values of the wrong kind. What passes
//! here can be read without further questions, apart from names that point elsewhere.

use std::collections::BTreeMap;

use super::tree::{Node, Property, Value};
use super::values;
use super::vocabulary::{self, Argument, Children, Count, Place, Type, Word};
use super::{codes, slips};
use crate::base::diagnostic::{did_you_mean, only_close};
use crate::base::{Diagnostic, Sink};

/// Checks every node of a block.
pub(super) fn check(nodes: &[Node], place: Place, sink: &mut Sink) {
    let mut first: BTreeMap<&str, &Node> = BTreeMap::new();
    for node in nodes {
        let Some(word) = vocabulary::find(&node.name, place) else {
            sink.push(unknown(node, place));
            continue;
        };
        if let Some(instead) = word.later {
            sink.push(
                Diagnostic::error(
                    codes::COMES_LATER,
                    format!("`{}` comes later: this version does not have it yet", word.name),
                    node.name_span,
                )
                .label("not built yet")
                .help(instead),
            );
            continue;
        }
        if word.once
            && place != Place::File
            && let Some(other) = first.get(word.name)
        {
            sink.push(
                Diagnostic::error(
                    codes::DUPLICATE,
                    format!("`{}` stands twice {}", word.name, place.word()),
                    node.name_span,
                )
                .label("once more")
                .also(other.name_span, "first here")
                .help("keep one of them"),
            );
        }
        first.entry(word.name).or_insert(node);
        one(node, word, sink);
    }
}

/// Checks one node against its word.
fn one(node: &Node, word: &Word, sink: &mut Sink) {
    if node.annotation.is_some() {
        sink.push(
            Diagnostic::error(
                codes::WRONG_TYPE,
                format!("nothing may stand in brackets before `{}`", node.name),
                node.name_span,
            )
            .help("`(env)` and `(file)` stand before a value: url (env)\"N8N_URL\""),
        );
    }
    arguments(node, word, sink);
    properties(node, word, sink);
    block(node, word, sink);
}

fn block(node: &Node, word: &Word, sink: &mut Sink) {
    let Some(children) = &node.children else { return };
    match word.children {
        Children::Words(place) => check(children, place, sink),
        Children::Fields => fields(children, sink),
        Children::Values => children.iter().for_each(|child| field_value(child, sink)),
        Children::Anything => {}
        Children::None => sink.push(
            Diagnostic::error(
                codes::MISPLACED,
                format!("`{}` takes no block", node.name),
                children.first().map_or(node.name_span, |child| child.name_span),
            )
            .help(format!("it is written like this: {}", word.example)),
        ),
    }
}

/// Lines of a schema: a name, a type, and what else is known about the field.
fn fields(nodes: &[Node], sink: &mut Sink) {
    let mut first: BTreeMap<&str, &Node> = BTreeMap::new();
    for node in nodes {
        if node.name == "one-of" {
            continue;
        }
        if let Some(other) = first.get(node.name.as_str()) {
            sink.push(doubled_field(node, other));
        }
        first.entry(&node.name).or_insert(node);
        arguments(node, &vocabulary::FIELD, sink);
        properties(node, &vocabulary::FIELD, sink);
        fields(node.nodes(), sink);
    }
}

fn doubled_field(node: &Node, other: &Node) -> Diagnostic {
    Diagnostic::error(
        codes::DUPLICATE,
        format!("the field `{}` stands twice", node.name),
        node.name_span,
    )
    .label("once more")
    .also(other.name_span, "first here")
    .help("keep one of them")
}

/// Lines of a reply, record or event: a name and its value.
fn field_value(node: &Node, sink: &mut Sink) {
    for prop in &node.props {
        sink.push(
            Diagnostic::error(
                codes::UNKNOWN_PROPERTY,
                format!("a value is written without `=` here: `{}`", prop.name),
                prop.name_span,
            )
            .help(format!(
                "write a line of its own in a block: {} {{ {} … }}",
                node.name, prop.name
            )),
        );
    }
    for value in node.args.iter().filter(|value| value.annotation.is_some()) {
        sink.push(
            Diagnostic::error(
                codes::WRONG_TYPE,
                "the environment is not read into a field",
                value.span,
            )
            .help("write a value or a {{tag}}; only settings are looked up"),
        );
    }
    let mut first: BTreeMap<&str, &Node> = BTreeMap::new();
    for child in node.nodes() {
        if let Some(other) = first.get(child.name.as_str()) {
            sink.push(doubled_field(child, other));
        }
        first.entry(&child.name).or_insert(child);
        field_value(child, sink);
    }
    if node.args.is_empty() == node.children.is_none() {
        let (what, help) = if node.args.is_empty() {
            ("has no value", format!("write {} \"value\", or {} #null", node.name, node.name))
        } else {
            ("has a value and a block", String::from("keep one of them"))
        };
        sink.push(
            Diagnostic::error(
                codes::MISSING,
                format!("the field `{}` {what}", node.name),
                node.name_span,
            )
            .help(help),
        );
    }
}

fn unknown(node: &Node, place: Place) -> Diagnostic {
    if node.name == "test" && place == Place::File {
        return Diagnostic::error(
            codes::MISPLACED,
            "a test does not stand among the rules",
            node.name_span,
        )
        .help("move it into a file whose name ends in .test.kdl");
    }
    if place == Place::TestFile && vocabulary::find(&node.name, Place::File).is_some() {
        return Diagnostic::error(
            codes::MISPLACED,
            "rules do not stand among the tests",
            node.name_span,
        )
        .help("move this into a file whose name does not end in .test.kdl");
    }
    let elsewhere: Vec<&str> = vocabulary::all()
        .filter(|word| word.name == node.name)
        .flat_map(|word| word.places)
        .filter(|other| other.is_for_tests() == place.is_for_tests())
        .map(|place| place.word())
        .collect();
    if !elsewhere.is_empty() {
        return Diagnostic::error(
            codes::MISPLACED,
            format!("`{}` does not stand {}", node.name, place.word()),
            node.name_span,
        )
        .label("not here")
        .help(format!("it stands {}", elsewhere.join(" or ")));
    }
    let words = || vocabulary::at(place).map(|word| word.name);
    let listed =
        || format!("{} may stand: {}", place.word(), words().collect::<Vec<_>>().join(", "));
    let mut found = Diagnostic::error(
        codes::UNKNOWN_WORD,
        format!("`{}` is not a word of the rule language", node.name),
        node.name_span,
    )
    .label("unknown")
    .help(did_you_mean(&node.name, words()).unwrap_or_else(listed));
    if let Some(guess) = only_close(&node.name, words()) {
        found = found.fix(node.name_span, guess);
    }
    found
}

fn arguments(node: &Node, word: &Word, sink: &mut Sink) {
    let mut rest = node.args.as_slice();
    for argument in word.arguments {
        let taken = match argument.count {
            Count::Some => rest.len(),
            Count::One if argument.setting => rest.len(),
            Count::One | Count::Maybe => rest.len().min(1),
        };
        let (mine, others) = rest.split_at(taken);
        rest = others;
        if mine.is_empty() && argument.count != Count::Maybe {
            sink.push(
                Diagnostic::error(
                    codes::MISSING,
                    format!("`{}` needs {}", node.name, with_article(argument.name)),
                    node.name_span,
                )
                .label("nothing follows")
                .help(format!("write it like this: {}", first_line(word.example))),
            );
        }
        if argument.setting {
            setting(node, argument, mine, sink);
        } else {
            for value in mine {
                plain(value, argument.kind, sink);
            }
        }
    }
    if let Some(surplus) = rest.first() {
        if let Some(found) = slips::surplus(node, word, rest) {
            sink.push(found);
            return;
        }
        sink.push(
            Diagnostic::error(
                codes::TOO_MANY,
                format!("`{}` does not take this value", node.name),
                surplus.span,
            )
            .label("one too many")
            .help(format!("write it like this: {}", first_line(word.example))),
        );
    }
}

/// Whether a property that is missing stands there without its `=`.
fn lacks_equals(node: &Node, name: &str) -> bool {
    node.args.iter().any(|value| value.is_bare() && value.text() == Some(name))
}

/// The values of a setting: places to look it up, or values as they are.
fn setting(node: &Node, argument: &Argument, given: &[Value], sink: &mut Sink) {
    let plain_count = given.iter().filter(|value| value.annotation.is_none()).count();
    if argument.count == Count::One && plain_count > 1
        || plain_count > 0 && plain_count < given.len()
    {
        let surplus = given.iter().rev().find(|value| value.annotation.is_none());
        sink.push(
            Diagnostic::error(
                codes::TOO_MANY,
                format!("`{}` takes one {}", node.name, argument.name),
                surplus.map_or(node.name_span, |value| value.span),
            )
            .label("one too many")
            .help("a value that is used when nothing is set is written default=\"…\""),
        );
    }
    for value in given {
        looked_up(node, value, argument.kind, sink);
    }
}

/// A value that may be looked up.
fn looked_up(node: &Node, value: &Value, kind: Type, sink: &mut Sink) {
    match value.annotation.as_deref() {
        None => {
            if let Some(name) = values::shell_variable(value) {
                sink.push(values::looks_up(value, name));
            } else if matches!(kind, Type::HeaderValue) {
                values::header_value(node, value, sink);
            } else {
                values::check(value, kind, sink);
            }
        }
        Some("env") => values::variable(value, sink),
        Some("file") => values::check_as(value, Type::Name, sink),
        Some(other) => sink.push(
            Diagnostic::error(
                codes::WRONG_TYPE,
                format!("`({other})` is not a place where values are looked up"),
                value.span,
            )
            .help("write (env)\"NAME\" or (file)\"/run/secrets/name\""),
        ),
    }
}

fn plain(value: &Value, kind: Type, sink: &mut Sink) {
    if let Some(annotation) = &value.annotation {
        sink.push(
            Diagnostic::error(
                codes::WRONG_TYPE,
                format!("`({annotation})` cannot stand here: only settings are looked up"),
                value.span,
            )
            .help("write the value itself; services, keys and the server can be looked up"),
        );
    } else {
        values::check(value, kind, sink);
    }
}

fn properties(node: &Node, word: &Word, sink: &mut Sink) {
    let mut first: BTreeMap<&str, &Property> = BTreeMap::new();
    let joined = slips::second_line(node).map_or(u32::MAX, |value| value.span.start);
    for prop in node.props.iter().filter(|prop| prop.name_span.start < joined) {
        if let Some(other) = first.get(prop.name.as_str()) {
            sink.push(
                Diagnostic::error(
                    codes::DUPLICATE,
                    format!("`{}=` stands twice", prop.name),
                    prop.name_span,
                )
                .label("once more")
                .also(other.name_span, "first here")
                .help("keep one of them"),
            );
        }
        first.entry(&prop.name).or_insert(prop);
        property(node, word, prop, sink);
    }
    for missing in word.properties.iter().filter(|known| known.required) {
        if node.prop(missing.name).is_none() && !lacks_equals(node, missing.name) {
            sink.push(
                Diagnostic::error(
                    codes::MISSING,
                    format!("`{}` needs `{}=`", node.name, missing.name),
                    node.head(),
                )
                .label(format!("`{}=` is missing", missing.name))
                .help(format!("write it like this: {}", first_line(word.example))),
            );
        }
    }
}

fn has_later_choice(node: &Node, word: &Word) -> bool {
    word.arguments.iter().zip(&node.args).any(|(argument, value)| {
        matches!(argument.kind, Type::Choice(_, later)
            if value.text().is_some_and(|text| later.contains(&text)))
    })
}

fn property(node: &Node, word: &Word, prop: &Property, sink: &mut Sink) {
    let known = word.properties.iter().find(|known| known.name == prop.name);
    match known {
        // One mistake: what comes later brings its properties along.
        Some(known) if known.later && has_later_choice(node, word) => {}
        Some(known) if known.later => sink.push(
            Diagnostic::error(
                codes::COMES_LATER,
                format!("`{}=` comes later: this version does not have it yet", known.name),
                prop.name_span,
            )
            .label("not built yet")
            .help("take it away until then"),
        ),
        Some(known) if known.setting => looked_up(node, &prop.value, known.kind, sink),
        Some(known) => plain(&prop.value, known.kind, sink),
        None if word.takes_fallback() && prop.name == "optional" => {
            plain(&prop.value, Type::Boolean, sink);
        }
        None if word.takes_fallback() && prop.name == "default" => {
            let kind = word.arguments.iter().find(|argument| argument.setting);
            values::fallback(node, &prop.value, kind.map_or(Type::Text, |found| found.kind), sink);
        }
        None => {
            let mut names: Vec<&str> = word.properties.iter().map(|known| known.name).collect();
            if word.takes_fallback() {
                names.extend(["default", "optional"]);
            }
            let free = free(node, &names);
            let meant = only_close(&prop.name, free.iter().copied()).map(str::to_owned);
            sink.push(
                Diagnostic::error(
                    codes::UNKNOWN_PROPERTY,
                    format!("`{}` has no `{}=`", node.name, prop.name),
                    prop.name_span,
                )
                .label("unknown")
                .help(did_you_mean(&prop.name, free.iter().copied()).unwrap_or_else(|| {
                    if names.is_empty() {
                        format!("`{}` takes no properties", node.name)
                    } else {
                        format!("it has: {}", names.join(", "))
                    }
                }))
                .mend(meant),
            );
        }
    }
}

/// The properties that do not stand there yet: a misspelt one is meant for one of these.
fn free<'a>(node: &Node, names: &[&'a str]) -> Vec<&'a str> {
    let is_given = |name: &str| node.props.iter().any(|prop| prop.name == name);
    names.iter().copied().filter(|name| !is_given(name)).collect()
}

/// "a name", "an address".
pub(super) fn with_article(noun: &str) -> String {
    let vowel = noun.starts_with(['a', 'e', 'i', 'o', 'u']);
    format!("{} {noun}", if vowel { "an" } else { "a" })
}

fn first_line(example: &str) -> &str {
    example.lines().next().unwrap_or(example).trim_end_matches([' ', '{'])
}
