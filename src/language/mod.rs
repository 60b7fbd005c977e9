//! Text to rules. [`analyze`] reads every file of a rule set and answers with the compiled
//! [`RuleSet`] and every mistake that it found: it never stops at the first one and never
//! panics, whatever stands in the files.
//!
//! The way of a file: `lex` (what would hurt the parser, and where people slip), `syntax`
//! (the one door to KDL), `tree` (our own nodes with their places), `shape` (each node
//! against the [`vocabulary`]), then one module for each kind of thing. Names are gathered
//! from all files before anything is read in depth, so the order of files never matters.

mod access;
mod addresses;
mod cap;
pub mod codes;
pub mod cursor;
mod dkim;
mod edition;
mod email;
mod email_text;
mod enclosed;
mod ending;
mod feedback;
mod fields;
pub mod format;
mod forms;
mod hints;
pub mod index;
mod json_schema;
mod layout;
mod letters;
mod lex;
mod lints;
mod locales;
mod mends;
pub mod mistakes;
mod names;
mod outgoing;
pub mod paths;
mod reading;
mod schema;
pub mod scope;
mod sequence;
mod service;
mod settings;
mod shape;
mod situation;
mod slips;
mod steps;
mod syntax;
mod testing;
mod tokens;
mod tree;
mod values;
pub mod vocabulary;
mod webhooks;
mod window;
mod wordings;

use std::collections::BTreeMap;
use std::sync::Arc;

use sha2::{Digest as _, Sha256};

use crate::base::{Diagnostic, FileId, Severity, Sink, SourceMap};
use crate::model::rules::{RecordRules, Sequence, Trigger};
use crate::model::{Kind, RuleSet, Scope, Shape};
use names::Thing;
use reading::Reading;
use situation::Situation;
use tree::Node;
use vocabulary::Place;

pub use edition::sequence_of;
pub use testing::tests;

/// Everything that is found out about a rule set, good or not: what an editor asks about
/// while somebody types.
#[derive(Debug)]
pub struct Study {
    /// What could be read of the rules.
    pub rules: RuleSet,
    /// Every mistake.
    pub found: Vec<Diagnostic>,
    /// What each sequence is started with, by every step that starts it.
    pub(crate) starts: BTreeMap<String, Vec<Start>>,
    /// The rule files that could be read.
    files: Files,
    /// The same of the files of tests, once [`Self::read_tests`] has read them.
    tests: Files,
}

/// Files with what stands in them.
type Files = Vec<(FileId, Vec<Node>)>;

/// One way in which a sequence is started.
#[derive(Clone, Debug)]
pub(crate) struct Start {
    /// Who starts it: `christmas/signup-handler`.
    pub(crate) owner: String,
    /// The names that it is started with.
    pub(crate) scope: Scope,
}

impl Study {
    /// Whether a file could be read, if only as if its slips were mended.
    #[must_use]
    pub fn has_read(&self, file: FileId) -> bool {
        self.files.iter().chain(&self.tests).any(|(id, _)| *id == file)
    }
}

/// Reads every file of a rule set: `.kdl` files are rules and schemas, `.md`, `.html`,
/// `.mjml` and `.txt` files texts of e-mails, `.json` files JSON Schemas. The rule set is there unless there is an error.
#[must_use]
pub fn analyze(sources: &SourceMap) -> (Option<RuleSet>, Vec<Diagnostic>) {
    let study = study(sources);
    let complete = study.found.iter().all(|found| found.severity != Severity::Error);
    (complete.then_some(study.rules), study.found)
}

/// Reads every file of a rule set and keeps what was understood beside the mistakes.
#[must_use]
pub fn study(sources: &SourceMap) -> Study {
    let mut reading = Reading::new(sources);
    let files = parse(&mut reading);
    for (_, nodes) in &files {
        shape::check(nodes, Place::File, &mut reading.sink);
        reading.names.gather(nodes, &mut reading.sink);
    }
    for (_, nodes) in &files {
        reading.names.gather_saved(nodes);
    }
    // What a word at the wrong place would have started or stopped is not known.
    reading.lost_sequence = reading.sink.has_any(&[codes::UNKNOWN_WORD, codes::MISPLACED]);
    let top: Vec<&Node> = files.iter().flat_map(|(_, nodes)| nodes).collect();
    let rules = decode(&mut reading, &top);
    note_unread(&mut reading);
    let started = |situation: &Situation| Start {
        owner: situation.label.clone(),
        scope: situation.scope.clone(),
    };
    let starts = std::mem::take(&mut reading.starts)
        .into_iter()
        .map(|(name, starts)| (name, starts.iter().map(started).collect()))
        .collect();
    let found = reading.sink.finish();
    Study { rules, found, starts, files, tests: Vec::new() }
}

/// Whether a path names a rule file; `.test.kdl` files are for tests of rules.
#[must_use]
pub fn is_rule_file(path: &str) -> bool {
    has_ending(path, "kdl") && !is_test_file(path)
}

/// Whether a path names a file of tests.
#[must_use]
pub fn is_test_file(path: &str) -> bool {
    path.ends_with(".test.kdl")
}

/// Where the words of a file stand that are in no block: among rules or among tests.
#[must_use]
pub fn root_of(path: &str) -> Place {
    if is_test_file(path) { Place::TestFile } else { Place::File }
}

/// Whether a path has an ending; endings are written in small letters.
fn has_ending(path: &str, ending: &str) -> bool {
    path.rsplit_once('.').is_some_and(|(_, found)| found == ending)
}

/// Parses every rule file; the ones that cannot be read, even with their slips mended, are
/// left out.
fn parse(reading: &mut Reading<'_>) -> Files {
    let mut files = Vec::new();
    for (id, file) in reading.sources.iter() {
        if !is_rule_file(&file.path) {
            continue;
        }
        let mut own = Sink::new();
        let nodes = syntax::parse(id, &file.text, &mut own);
        let mut slips = own.finish();
        if nodes.is_none()
            && let Some(last) = slips.last_mut()
        {
            reading.unread = reading.unread.or(Some(last.span));
            let help = last.help.take().unwrap_or_else(|| String::from("mend it"));
            last.help = Some(format!("{help}; the rest of this file is checked after that"));
        }
        for found in slips {
            reading.push(found);
        }
        files.extend(nodes.map(|nodes| (id, nodes)));
    }
    files
}

fn decode(reading: &mut Reading<'_>, top: &[&Node]) -> RuleSet {
    let all = |word: &'static str| top.iter().copied().filter(move |node| node.name == word);
    let one = |word: &'static str| all(word).next();

    let server = settings::server(reading, one("server"));
    let data = settings::store(reading, one("store"));
    let queue = settings::queue(one("queue"));
    reading.keep = queue.keep;
    let sender = settings::sender(reading, one("sender"));
    if let Some(sender) = &sender {
        reading.zone = sender.zone.clone();
        reading.zone_said = one("sender").is_some_and(|node| node.child("time-zone").is_some());
    }
    layout::choose(reading, one("sender"), None);
    for node in all("schema") {
        if let Some(schema) = schema::schema(reading, node) {
            reading.schemas.entry(schema.name.clone()).or_insert(schema);
        }
    }
    for node in all("service") {
        if let Some(service) = service::service(reading, node) {
            reading.services.entry(service.name.clone()).or_insert(service);
        }
    }
    records_of(reading, top);

    let mut webhooks = Vec::new();
    let mut endpoints = Vec::new();
    for node in all("webhooks") {
        if let Some((group, own)) = webhooks::webhooks(reading, node) {
            webhooks.push(group);
            endpoints.extend(own);
        }
    }
    let feedback = feedback::all(reading, all("feedback"), &endpoints);
    let mut events = BTreeMap::new();
    for node in all("events") {
        for event in outgoing::events(reading, node) {
            events.entry(event.name.clone()).or_insert(event);
        }
    }
    let records = records(reading, top);
    let mut sequences = BTreeMap::new();
    for node in all("sequence") {
        if let Some(sequence) = sequence::sequence(reading, node) {
            sequences.entry(sequence.name.clone()).or_insert(sequence);
        }
    }
    locales::unused(reading);
    addresses::check(reading, &webhooks, &endpoints, &feedback);
    lints::endpoints(reading, &server, &endpoints);
    dkim::alignment(reading, sender.as_ref());
    let caps = sender.iter().flat_map(|sender| &sender.caps);
    let caps = caps.chain(sequences.values().flat_map(|sequence| &sequence.caps));
    let longest_cap = caps.copied().max_by_key(|cap| cap.per.to_duration());
    RuleSet {
        hash: hash(reading.sources),
        server,
        data,
        queue,
        sender,
        services: reading.services.clone(),
        schemas: reading.schemas.clone(),
        records,
        webhooks,
        endpoints,
        feedback,
        events,
        endings: endings_of(&sequences),
        longest_cap,
        sequences,
        environment: reading.environment.clone(),
        files: reading.files.clone(),
    }
}

/// What calls and events end, so that no call has to look for it.
fn endings_of(
    sequences: &BTreeMap<String, Arc<Sequence>>,
) -> BTreeMap<Trigger, Vec<(Arc<Sequence>, usize)>> {
    let mut endings: BTreeMap<_, Vec<_>> = BTreeMap::new();
    for sequence in sequences.values() {
        for (number, ending) in sequence.endings.iter().enumerate() {
            let ended = endings.entry(ending.on.clone()).or_default();
            ended.push((Arc::clone(sequence), number));
        }
    }
    endings
}

/// The fields of every record: from its schema, or the union of what rules save.
fn records_of(reading: &mut Reading<'_>, top: &[&Node]) {
    let names: Vec<String> =
        reading.names.of(Thing::Record).keys().map(|name| (*name).to_owned()).collect();
    for name in names {
        reading.records.insert(name, Scope::default());
    }
    for node in top {
        match node.name.as_str() {
            "webhooks" => {
                for endpoint in node.all("endpoint") {
                    let scope = webhooks::payload(reading, endpoint).situation.scope;
                    saved(reading, endpoint.nodes(), &scope);
                }
            }
            "events" => {
                for event in node.all("event") {
                    let schema = event.title().and_then(|name| reading.schemas.get(name));
                    let scope = schema.map(|schema| schema.scope.clone()).unwrap_or_default();
                    saved(reading, event.nodes(), &scope);
                }
            }
            "record" => {
                for reaction in node.nodes() {
                    saved(reading, reaction.nodes(), &Scope::default());
                }
            }
            _ => {}
        }
    }
    for node in top.iter().filter(|node| node.name == "record") {
        let (Some(name), Some(schema)) = (node.title(), node.prop("schema")) else { continue };
        let known = reading.resolve(Thing::Schema, schema).map(str::to_owned);
        let scope = known
            .and_then(|schema| reading.schemas.get(&schema))
            .map_or_else(|| Scope { open: true, ..Scope::default() }, |found| found.scope.clone());
        reading.records.insert(name.to_owned(), scope);
    }
}

/// Adds what the `save` steps of a block remember.
fn saved(reading: &mut Reading<'_>, nodes: &[Node], scope: &Scope) {
    let scope = scope.clone().with("now", Shape::required(Kind::Time));
    for node in nodes.iter().filter(|node| node.name == "save") {
        let Some(name) = node.title() else { continue };
        let record = reading.records.entry(name.to_owned()).or_default();
        fields::merge_kinds(record, node.nodes(), &scope);
    }
}

/// Every record: those with reactions, and those that rules only save and find.
fn records(reading: &mut Reading<'_>, top: &[&Node]) -> BTreeMap<String, Arc<RecordRules>> {
    let mut records = BTreeMap::new();
    for node in top.iter().filter(|node| node.name == "record") {
        if let Some(rules) = outgoing::record(reading, node) {
            records.entry(rules.name.clone()).or_insert_with(|| Arc::new(rules));
        }
    }
    for (name, scope) in &reading.records {
        records.entry(name.clone()).or_insert_with(|| {
            Arc::new(RecordRules {
                name: name.clone(),
                scope: scope.clone(),
                ..RecordRules::default()
            })
        });
    }
    records
}

/// Says once that names were let pass, because a file that may declare them is unread.
fn note_unread(reading: &mut Reading<'_>) {
    if let Some(span) = reading.unread.filter(|_| reading.let_pass) {
        reading.push(
            Diagnostic::warning(
                codes::NOT_ALL_CHECKED,
                "names that may be declared in this file were not looked for",
                span,
            )
            .label("not read")
            .help("mend the file first, then check again"),
        );
    }
}

/// A hash over every path and text, and every file that comes with an e-mail.
fn hash(sources: &SourceMap) -> String {
    let mut hash = Sha256::new();
    for (_, file) in sources.iter().filter(|(_, file)| !is_test_file(&file.path)) {
        for part in [&file.path, &file.text] {
            hash.update(part.len().to_be_bytes());
            hash.update(part.as_bytes());
        }
    }
    for asset in sources.assets().filter(|asset| !asset.hash.is_empty()) {
        for part in [&asset.path, &asset.hash] {
            hash.update(part.len().to_be_bytes());
            hash.update(part.as_bytes());
        }
    }
    hex::encode(&hash.finalize()[..8])
}
