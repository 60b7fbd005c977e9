//! Tests of rules: `*.test.kdl` files become [`Test`]s, every name in them looked up in the
//! rules that they are about. They are no part of the rule set itself.

use std::collections::BTreeMap;
use std::sync::Arc;

use serde_json::{Map, Value as Json};

use super::codes;
use super::shape;
use super::syntax;
use super::tree::{Node, Value};
use super::vocabulary::Place;
use super::{Files, Study};
use crate::base::diagnostic::did_you_mean;
use crate::base::{Delay, Diagnostic, Severity, Sink, SourceMap, Span, Timestamp, time};
use crate::model::rules::{RuleSet, SequenceAction};
use crate::model::test::{Expectation, Expected, Test, TestAction, TestStep};
use crate::model::{Kind, Shape};

/// When a test begins that does not say it: a Monday morning that suits the times in the
/// shipped examples.
const BEGINS: &str = "2025-12-01T10:30:00Z";

/// The kinds of `expect`, each with the other properties that it takes and whether it takes
/// a block.
const KINDS: [(&str, &[&str], bool); 7] = [
    ("reply", &[], true),
    ("email", &["after", "to", "subject", "variant"], false),
    ("event", &["after", "to"], true),
    ("save", &["id"], true),
    ("retry", &["after"], false),
    ("failed", &["after"], false),
    ("skipped", &["after"], false),
];

/// What a block of fields fills.
#[derive(Clone, Copy)]
struct Filled {
    /// What declares its fields, for messages.
    by: &'static str,
    /// Advice on a field that is not declared.
    otherwise: &'static str,
}

const CALL: Filled = Filled { by: "the schema", otherwise: "it is passed on as it is" };
const SAVED: Filled = Filled { by: "the record", otherwise: "it is saved as it is" };
const EXPECTED_CALL: Filled = Filled {
    by: "the schema",
    otherwise: "take it away, or add it to the schema if it is there after all",
};
const EXPECTED_RECORD: Filled = Filled {
    by: "the record",
    otherwise: "take it away, or `save` it in a rule if it is there after all",
};

/// Reads the tests in every `*.test.kdl` file of the map, against the rules that they are
/// about. A test with a mistake is left out; warnings leave it in.
#[must_use]
pub fn tests(sources: &SourceMap, rules: &RuleSet) -> (Vec<Test>, Vec<Diagnostic>) {
    let (files, mut found) = parse(sources);
    let (tests, more) = decode(&files, rules);
    found.extend(more);
    found.sort_by_key(|found| found.span);
    (tests, found)
}

impl Study {
    /// Reads the files of tests as well: [`Self::names`] knows what they name from now on. The
    /// answer are their mistakes. While the rules have errors, tests are read only as far as
    /// they stand for themselves.
    #[must_use]
    pub fn read_tests(&mut self, sources: &SourceMap) -> Vec<Diagnostic> {
        let (files, mut found) = parse(sources);
        if self.found.iter().all(|found| found.severity != Severity::Error) {
            found.extend(decode(&files, &self.rules).1);
        }
        self.tests = files;
        found
    }
}

/// Every file of tests that can be read, and what is wrong with the others.
fn parse(sources: &SourceMap) -> (Files, Vec<Diagnostic>) {
    let mut sink = Sink::new();
    let files = sources.iter().filter(|(_, file)| super::is_test_file(&file.path));
    let files =
        files.filter_map(|(id, file)| Some((id, syntax::parse(id, &file.text, &mut sink)?)));
    (files.collect(), sink.finish())
}

fn decode(files: &Files, rules: &RuleSet) -> (Vec<Test>, Vec<Diagnostic>) {
    let mut found = Vec::new();
    let mut tests = Vec::new();
    for (_, nodes) in files {
        let mut first: BTreeMap<&str, Span> = BTreeMap::new();
        for node in nodes {
            let mut own = Sink::new();
            shape::check(std::slice::from_ref(node), Place::TestFile, &mut own);
            let mut desk = Desk { rules, sink: own };
            let test = (node.name == "test").then(|| desk.test(node)).flatten();
            if let Some(name) = node.title() {
                let span = node.title_span();
                if *first.entry(name).or_insert(span) != span {
                    desk.sink.push(twice(name, span, first[name]));
                }
            }
            if !desk.sink.has_errors() {
                tests.extend(test);
            }
            found.extend(desk.sink.finish());
        }
    }
    (tests, found)
}

fn twice(name: &str, span: Span, first: Span) -> Diagnostic {
    Diagnostic::error(codes::DUPLICATE, format!("two tests are called `{name}`"), span)
        .label("once more")
        .also(first, "first here")
        .help("give one of them another name")
}

/// Reads one test.
struct Desk<'a> {
    rules: &'a RuleSet,
    sink: Sink,
}

impl Desk<'_> {
    fn test(&mut self, node: &Node) -> Option<Test> {
        let mut steps = Vec::new();
        let (mut called, mut expects) = (false, false);
        for child in node.nodes() {
            match child.name.as_str() {
                "post" | "send" | "save" => called = true,
                "at" if called || !steps.is_empty() => self.late(child),
                "expect" if !called => self.early(child),
                _ => {}
            }
            expects |= child.name == "expect";
            let action = self.action(child);
            steps.extend(action.map(|action| TestStep { action, span: child.head() }));
        }
        if !expects {
            self.sink.push(
                Diagnostic::error(codes::NO_EXPECTATION, "this test expects nothing", node.head())
                    .label("no `expect` in its block")
                    .help("say what must happen: expect reply=200, or expect nothing"),
            );
        }
        let begins = node.child_text("at").unwrap_or(BEGINS);
        let at: Timestamp = time::parse_time(begins).ok()?;
        Some(Test { name: node.title()?.to_owned(), at, steps, span: node.title_span() })
    }

    fn late(&mut self, node: &Node) {
        self.sink.push(
            Diagnostic::error(
                codes::STEP_ORDER,
                "`at` is the first line of a test",
                node.name_span,
            )
            .label("comes too late")
            .help("move it up; `advance` lets time pass later on"),
        );
    }

    fn early(&mut self, node: &Node) {
        self.sink.push(
            Diagnostic::error(codes::STEP_ORDER, "nothing has been called yet", node.name_span)
                .label("comes too early")
                .help("move it below the `post`, `send` or `save` that it is about"),
        );
    }

    fn action(&mut self, node: &Node) -> Option<TestAction> {
        match node.name.as_str() {
            "post" => self.post(node),
            "send" => self.send(node),
            "save" => self.save(node),
            "advance" => Delay::parse(node.title()?).ok().map(TestAction::Advance),
            "service" => {
                let name = self.service(node.first()?)?;
                Some(TestAction::Service { name, answers: node.prop("answers")?.whole()? })
            }
            "expect" => self.expect(node).map(TestAction::Expect),
            _ => None,
        }
    }

    fn post(&mut self, node: &Node) -> Option<TestAction> {
        let body = self.body(node);
        let value = node.first()?;
        let name = value.text()?;
        if let Some(found) = self.rules.feedback.iter().find(|one| one.full_name() == name) {
            return Some(TestAction::Report { feedback: Arc::clone(found), body: body? });
        }
        let found = self.rules.endpoints.iter().find(|endpoint| endpoint.full_name() == name);
        let Some(endpoint) = found.map(Arc::clone) else {
            let names: Vec<String> =
                self.rules.endpoints.iter().map(|endpoint| endpoint.full_name()).collect();
            // Whoever leaves the group out means the endpoint that has this name.
            let short = names.iter().find(|full| full.rsplit('/').next() == Some(name));
            let guess = short.map(String::as_str);
            self.unknown(codes::UNKNOWN_ENDPOINT, "endpoint", value, &names, guess);
            return None;
        };
        if let Some(schema) = endpoint.payload.as_ref().filter(|schema| !schema.scope.open) {
            self.fields(node.nodes(), &schema.scope.names, CALL);
        }
        Some(TestAction::Post { endpoint, body: body? })
    }

    fn send(&mut self, node: &Node) -> Option<TestAction> {
        let body = self.body(node);
        let event = self.event(node.first()?)?;
        let event = Arc::clone(self.rules.events.get(&event)?);
        if let Some(schema) = event.schema.as_ref().filter(|schema| !schema.scope.open) {
            self.fields(node.nodes(), &schema.scope.names, CALL);
        }
        Some(TestAction::Send { body: body?, event })
    }

    fn save(&mut self, node: &Node) -> Option<TestAction> {
        let fields = self.body(node);
        let record = self.record(node.first()?)?;
        self.record_fields(&record, node, SAVED);
        let id = node.prop_text("id")?.to_owned();
        Some(TestAction::Save { record, id, fields: fields? })
    }

    /// The example with the fields of the block laid over it.
    fn body(&mut self, node: &Node) -> Option<Map<String, Json>> {
        let mut body = match node.prop("example") {
            None => Map::new(),
            Some(value) => {
                let name = value.text()?;
                let Some(schema) = self.rules.schemas.get(name).filter(|_| !name.is_empty()) else {
                    let names = names(self.rules.schemas.keys().filter(|name| !name.is_empty()));
                    self.unknown(codes::UNKNOWN_SCHEMA, "schema", value, &names, None);
                    return None;
                };
                schema.example.as_object().cloned().unwrap_or_default()
            }
        };
        lay_over(&mut body, node.nodes());
        Some(body)
    }

    fn expect(&mut self, node: &Node) -> Option<Expectation> {
        let given: Vec<&str> =
            KINDS.iter().map(|(kind, ..)| *kind).filter(|kind| node.prop(kind).is_some()).collect();
        let nothing = node.title() == Some("nothing");
        let after = node.prop_text("after").and_then(|text| Delay::parse(text).ok());
        match (given.as_slice(), nothing) {
            ([], true) => {
                self.only(node, "nothing", &["before"], false);
                let before = node.prop_text("before").and_then(|text| Delay::parse(text).ok());
                Some(Expectation { what: Expected::Nothing(before), after: None })
            }
            ([kind], false) => {
                let (_, props, block) = KINDS.into_iter().find(|(known, ..)| known == kind)?;
                self.only(node, kind, props, block);
                let what = self.expected(node, kind)?;
                Some(Expectation { what, after })
            }
            ([], false) => {
                let known: Vec<String> =
                    KINDS.iter().map(|(kind, ..)| format!("{kind}=")).collect();
                self.sink.push(
                    Diagnostic::error(codes::MISSING, "this line expects nothing", node.name_span)
                        .label("what must happen?")
                        .help(format!("write one of {} or the word nothing", known.join(", "))),
                );
                None
            }
            _ => {
                self.sink.push(
                    Diagnostic::error(
                        codes::TOO_MANY,
                        "this line expects several things at once",
                        node.head(),
                    )
                    .label("one too many")
                    .help("write an `expect` line for each of them"),
                );
                None
            }
        }
    }

    /// Reports what has no meaning for this kind of `expect`.
    fn only(&mut self, node: &Node, kind: &str, props: &[&str], block: bool) {
        let known = ["after", "to", "subject", "variant", "id", "before"];
        for prop in &node.props {
            let name = prop.name.as_str();
            if known.contains(&name) && !props.contains(&name) {
                let help = if props.is_empty() {
                    String::from("take it away")
                } else {
                    let props: Vec<String> = props.iter().map(|prop| format!("{prop}=")).collect();
                    format!("it goes with {}", props.join(", "))
                };
                self.sink.push(
                    Diagnostic::error(
                        codes::UNKNOWN_PROPERTY,
                        format!("`{name}=` means nothing with `{kind}`"),
                        prop.name_span,
                    )
                    .help(help),
                );
            }
        }
        if let Some(field) = node.nodes().first().filter(|_| !block) {
            self.sink.push(
                Diagnostic::error(
                    codes::MISPLACED,
                    format!("`{kind}` is compared with no fields"),
                    field.name_span,
                )
                .help("only `reply=`, `event=` and `save=` have a block of fields"),
            );
        }
    }

    fn expected(&mut self, node: &Node, kind: &str) -> Option<Expected> {
        let value = node.prop(kind)?;
        let text = |name: &str| node.prop_text(name).map(str::to_owned);
        let mut fields = Map::new();
        lay_over(&mut fields, node.nodes());
        Some(match kind {
            "reply" => Expected::Reply { status: value.whole()?, fields },
            "email" => Expected::Email {
                name: self.email(value)?,
                to: text("to"),
                subject: text("subject"),
                variant: text("variant"),
            },
            "event" => {
                if let Some(service) = node.prop("to") {
                    self.service(service);
                }
                let name = self.event(value)?;
                let schema = self.rules.events.get(&name).and_then(|event| event.schema.as_ref());
                if let Some(schema) = schema.filter(|schema| !schema.scope.open) {
                    self.fields(node.nodes(), &schema.scope.names, EXPECTED_CALL);
                }
                Expected::Event { name, to: text("to"), fields }
            }
            "save" => {
                let record = self.record(value)?;
                self.record_fields(&record, node, EXPECTED_RECORD);
                Expected::Save { record, id: text("id"), fields }
            }
            "retry" => Expected::Retry(self.delivery(value, false)?),
            "failed" => Expected::Failed(self.delivery(value, false)?),
            _ => Expected::Skipped(self.delivery(value, true)?),
        })
    }

    fn service(&mut self, value: &Value) -> Option<String> {
        let names = names(self.rules.services.keys());
        self.known(codes::UNKNOWN_SERVICE, "service", value, &names)
    }

    fn event(&mut self, value: &Value) -> Option<String> {
        let names = names(self.rules.events.keys());
        self.known(codes::UNKNOWN_EVENT, "event", value, &names)
    }

    fn record(&mut self, value: &Value) -> Option<String> {
        let names = names(self.rules.records.keys());
        self.known(codes::UNKNOWN_RECORD, "record", value, &names)
    }

    fn email(&mut self, value: &Value) -> Option<String> {
        let names = self.emails();
        self.known(codes::UNKNOWN_EMAIL, "e-mail", value, &names)
    }

    /// An e-mail, an event or a mirrored record; sequences too where they may be meant.
    fn delivery(&mut self, value: &Value, sequences: bool) -> Option<String> {
        let mut names = self.emails();
        names.extend(self.rules.events.keys().chain(self.rules.records.keys()).cloned());
        if sequences {
            names.extend(self.rules.sequences.keys().cloned());
        }
        self.known(codes::UNKNOWN_EMAIL, "e-mail or event", value, &names)
    }

    fn emails(&self) -> Vec<String> {
        let steps = self.rules.sequences.values().flat_map(|sequence| &sequence.steps);
        steps
            .filter(|step| matches!(step.action, SequenceAction::Email { .. }))
            .map(|step| step.name.clone())
            .collect()
    }

    /// The name, if it is one of those.
    fn known(
        &mut self,
        code: &'static str,
        noun: &str,
        value: &Value,
        names: &[String],
    ) -> Option<String> {
        let name = value.text()?;
        if names.iter().any(|known| known == name) {
            return Some(name.to_owned());
        }
        self.unknown(code, noun, value, names, None);
        None
    }

    fn unknown(
        &mut self,
        code: &'static str,
        noun: &str,
        value: &Value,
        names: &[String],
        guess: Option<&str>,
    ) {
        let name = value.text().unwrap_or_default();
        let guess = match guess {
            Some(guess) => Some(format!("did you mean `{guess}`?")),
            None => did_you_mean(name, names.iter().map(String::as_str)),
        };
        let listed: Vec<&str> = names.iter().map(String::as_str).take(12).collect();
        let help = match guess {
            Some(guess) => guess,
            None if listed.is_empty() => format!("the rules declare no {noun}"),
            None => format!("declared are: {}", listed.join(", ")),
        };
        self.sink.push(
            Diagnostic::error(code, format!("there is no {noun} `{name}`"), value.span)
                .label("the rules do not have it")
                .help(help),
        );
    }

    fn record_fields(&mut self, record: &str, node: &Node, filled: Filled) {
        if let Some(rules) = self.rules.records.get(record).filter(|rules| !rules.scope.open) {
            self.fields(node.nodes(), &rules.scope.names, filled);
        }
    }

    /// Reports fields that the schema does not know. Calls may bring such fields, so only one
    /// that looks like another's name is an error.
    fn fields(&mut self, nodes: &[Node], known: &BTreeMap<String, Shape>, filled: Filled) {
        for node in nodes {
            if let Some(shape) = known.get(&node.name) {
                if let (Kind::Object(fields), Some(children)) = (&shape.kind, &node.children) {
                    self.fields(children, fields, filled);
                }
                continue;
            }
            let message = format!("{} has no field `{}`", filled.by, node.name);
            let guess = did_you_mean(&node.name, known.keys().map(String::as_str));
            let found = match guess {
                Some(_) => Diagnostic::error(codes::UNKNOWN_FIELD, message, node.name_span),
                None => Diagnostic::warning(codes::UNKNOWN_FIELD, message, node.name_span),
            };
            let help = guess.unwrap_or_else(|| filled.otherwise.to_owned());
            self.sink.push(found.label("unknown").help(help));
        }
    }
}

fn names<'n>(names: impl Iterator<Item = &'n String>) -> Vec<String> {
    names.cloned().collect()
}

/// Lays the fields of a block over a payload; blocks within it go into the objects there.
fn lay_over(body: &mut Map<String, Json>, nodes: &[Node]) {
    for node in nodes {
        if let Some(children) = &node.children {
            let mut inner = match body.get(&node.name) {
                Some(Json::Object(inner)) => inner.clone(),
                _ => Map::new(),
            };
            lay_over(&mut inner, children);
            body.insert(node.name.clone(), Json::Object(inner));
        } else {
            let value = match node.args.as_slice() {
                [one] => one.json(),
                several => several.iter().map(Value::json).collect(),
            };
            body.insert(node.name.clone(), value);
        }
    }
}
