//! What is carried along while a rule set is read: the sources, the mistakes so far, the
//! names that are declared, and what has been decoded already. It also compiles guards
//! and templates, because their mistakes must be mapped to places in files.

use std::collections::{BTreeMap, BTreeSet};
use std::sync::Arc;

use super::names::{Names, Thing};
use super::situation::{Fault, Faults, Situation, told};
use super::tree::{Node, Value};
use super::{codes, mends};
use crate::base::diagnostic::did_you_mean;
use crate::base::{Delay, Diagnostic, FileId, Fix, Sink, SourceMap, Span, Zone};
use crate::guard::{Guard, GuardFault};
use crate::model::rules::{Layout, Needed, QueueRules, Schema, Service, Trigger};
use crate::model::setting::{FromText, Setting, Source};
use crate::model::{Context, Scope};
use crate::template::{Format, Template, TemplateFault};

/// The state of reading one rule set.
pub(super) struct Reading<'a> {
    /// Every file.
    pub(super) sources: &'a SourceMap,
    /// Mistakes so far.
    pub(super) sink: Sink,
    /// The first file that cannot be read: names may be declared there that nobody sees.
    pub(super) unread: Option<Span>,
    /// Whether a name was not found and let pass because of that file.
    pub(super) let_pass: bool,
    /// Whether a step names a sequence that is not there, or may not have been read: another
    /// one may be meant.
    pub(super) lost_sequence: bool,
    /// Names that are declared anywhere.
    pub(super) names: Names<'a>,
    /// Environment names in the order of their first use.
    pub(super) environment: Vec<Needed>,
    /// Files of settings, likewise.
    pub(super) files: Vec<Needed>,
    /// Schemas that are decoded.
    pub(super) schemas: BTreeMap<String, Arc<Schema>>,
    /// Services that are decoded.
    pub(super) services: BTreeMap<String, Arc<Service>>,
    /// The fields of every record that is declared, saved or found.
    pub(super) records: BTreeMap<String, Scope>,
    /// What each sequence is started with, by every step that starts it.
    pub(super) starts: BTreeMap<String, Vec<Situation>>,
    /// The payload of every endpoint and event that is decoded.
    pub(super) triggers: BTreeMap<Trigger, Situation>,
    /// Sequences that some step stops.
    pub(super) stopped: BTreeSet<String>,
    /// The sender's zone.
    pub(super) zone: Zone,
    /// The layout of the e-mails that are read now.
    pub(super) layout: Option<Arc<Layout>>,
    /// Layouts that were read, by path; none for those that cannot be used.
    pub(super) layouts: BTreeMap<String, Option<Arc<Layout>>>,
    /// The texts of e-mails that were read.
    pub(super) texts: BTreeSet<FileId>,
    /// Whether the sender says its zone.
    pub(super) zone_said: bool,
    /// How long finished work is kept.
    pub(super) keep: Delay,
    /// While an edition of a sequence is read that was accepted before.
    pub(super) kept: Option<Kept>,
}

/// What is known of an edition that is read.
#[derive(Default)]
pub(super) struct Kept {
    /// The names in its guards that are points in time.
    pub(super) times: Vec<String>,
    /// Whether this program understands one of its guards no longer.
    pub(super) lost: bool,
}

impl<'a> Reading<'a> {
    /// Nothing read yet.
    pub(super) fn new(sources: &'a SourceMap) -> Self {
        Self {
            sources,
            sink: Sink::new(),
            unread: None,
            let_pass: false,
            lost_sequence: false,
            names: Names::default(),
            environment: Vec::new(),
            files: Vec::new(),
            schemas: BTreeMap::new(),
            services: BTreeMap::new(),
            records: BTreeMap::new(),
            starts: BTreeMap::new(),
            triggers: BTreeMap::new(),
            stopped: BTreeSet::new(),
            zone: Zone::UTC,
            zone_said: false,
            keep: QueueRules::default().keep,
            kept: None,
            layout: None,
            layouts: BTreeMap::new(),
            texts: BTreeSet::new(),
        }
    }

    /// Notes a mistake.
    pub(super) fn push(&mut self, diagnostic: Diagnostic) {
        self.sink.push(diagnostic);
    }

    /// The name under a value, if something of that name is declared; reports it if not.
    pub(super) fn resolve<'v>(&mut self, thing: Thing, value: &'v Value) -> Option<&'v str> {
        let name = value.text().filter(|name| !name.trim().is_empty())?;
        if self.names.of(thing).contains_key(name) {
            return Some(name);
        }
        if self.unread.is_some() {
            self.let_pass = true;
            return None;
        }
        self.lost_sequence |= thing == Thing::Sequence;
        let known = || self.names.of(thing).keys().copied().take(self.sink.suggested());
        let mend = mends::name(value, known());
        let listed: Vec<&str> = self.names.of(thing).keys().copied().take(12).collect();
        let help = did_you_mean(name, known()).unwrap_or_else(|| {
            if listed.is_empty() {
                format!("declare it: {} \"{name}\" …", thing.word())
            } else {
                format!("declared are: {}", listed.join(", "))
            }
        });
        self.push(
            Diagnostic::error(
                thing.unknown(),
                format!("there is no {} `{name}`", thing.word()),
                value.span,
            )
            .label("not declared anywhere")
            .help(help)
            .mend(mend),
        );
        None
    }

    /// Reads a setting from its values and from the `default=` and `optional=` of its node.
    pub(super) fn setting<T: FromText>(
        &mut self,
        node: &Node,
        values: &[Value],
        secret: bool,
    ) -> Setting<T> {
        let mut plain: Vec<String> = Vec::new();
        let mut sources = Vec::new();
        for value in values {
            let text = match value.json() {
                serde_json::Value::String(text) => text,
                other => other.to_string(),
            };
            match value.annotation.as_deref() {
                Some("env") => sources.push(Source::Env(text)),
                Some("file") => sources.push(Source::File(text)),
                _ => plain.push(text),
            }
        }
        let default = node.prop("default").map(|value| match value.json() {
            serde_json::Value::String(text) => text,
            other => other.to_string(),
        });
        let literal = if plain.is_empty() { default } else { Some(plain.join(",")) };
        let setting = Setting {
            sources,
            fallback: literal.and_then(|text| T::from_text(&text).ok()),
            optional: node.prop("optional").and_then(Value::boolean).unwrap_or(false),
            span: values.first().map(|value| value.span),
        };
        self.remember(&setting, secret);
        setting
    }

    /// Reads a setting that stands in a child, such as `url (env)"N8N_URL"`.
    pub(super) fn child_setting<T: FromText>(
        &mut self,
        node: &Node,
        name: &str,
        secret: bool,
    ) -> Option<Setting<T>> {
        let child = node.child(name)?;
        Some(self.setting(child, &child.args, secret))
    }

    /// Reads a setting that stands in a property, without any fallback.
    pub(super) fn prop_setting<T: FromText>(
        &mut self,
        node: &Node,
        name: &str,
        secret: bool,
    ) -> Option<Setting<T>> {
        let value = node.prop(name)?.clone();
        let bare = Node { props: Vec::new(), ..node.clone() };
        Some(self.setting(&bare, &[value], secret))
    }

    fn remember<T>(&mut self, setting: &Setting<T>, secret: bool) {
        let Some(span) = setting.span else { return };
        let required = setting.is_required() && setting.sources.len() == 1;
        for source in &setting.sources {
            let (all, name) = match source {
                Source::Env(name) => (&mut self.environment, name),
                Source::File(path) => (&mut self.files, path),
            };
            match all.iter_mut().find(|known| known.name == *name) {
                Some(known) => {
                    known.required |= required;
                    known.secret |= secret;
                }
                None => all.push(Needed { name: name.clone(), required, secret, span }),
            }
        }
    }

    /// Compiles a guard and checks it in every situation in which it may be asked.
    pub(super) fn guard(&mut self, value: &Value, situations: &[&Situation]) -> Option<Guard> {
        let text = value.text()?;
        if let Some(kept) = &mut self.kept {
            let guard = Guard::kept(text, &kept.times);
            kept.lost |= guard.is_none();
            return guard;
        }
        if let "true" | "false" = text.trim() {
            self.push(
                Diagnostic::warning(
                    codes::CONSTANT_GUARD,
                    format!("this guard always answers {}", yes_or_no(text)),
                    value.span,
                )
                .label("no field in it")
                .help("compare a field, or take the guard away; `/-` switches a line off"),
            );
        }
        let mut compiled = None;
        let mut faults = Faults::default();
        for situation in situations {
            match Guard::compile(text, &situation.scope) {
                Ok(guard) => {
                    let context = Context::new(&situation.example, self.zone.clone());
                    if let Err(why) = guard.holds(&context) {
                        self.example_fails("guard", &why, value.span, situation);
                    }
                    compiled = compiled.or(Some(guard));
                }
                Err(found) => {
                    for fault in found.into_iter().filter(|_| !situation.unknown) {
                        let GuardFault { code, message, range, help, fix } = fault;
                        let found_first = self.not_found_yet(text.get(range.clone()));
                        let fix = fix.filter(|_| found_first.is_none());
                        let help = found_first.or(help);
                        faults.add(situation, Fault { code, message, range, help, fix });
                    }
                }
            }
        }
        for found in self.in_place(faults, value) {
            self.push(found);
        }
        compiled
    }

    /// Mistakes within a text at their places in the file.
    fn in_place(&self, faults: Faults, value: &Value) -> Vec<Diagnostic> {
        let source = self.sources.text(value.span);
        let mut found = faults.told(|range| value.place(self.sources, range));
        for one in &mut found {
            one.fix = one.fix.take().and_then(|fix| {
                let text = mends::within(source, &fix.text)?;
                // A place that is not known exactly is the whole text.
                (fix.span != value.span).then_some(Fix { text, ..fix })
            });
        }
        found
    }

    /// The help for the name of a record that no step above has looked up.
    fn not_found_yet(&self, word: Option<&str>) -> Option<String> {
        let word = word.filter(|word| self.records.contains_key(*word))?;
        Some(format!("look the record up first: find \"{word}\" id=\"{{{{…}}}}\""))
    }

    /// Compiles the guard in `when=`.
    pub(super) fn when(&mut self, node: &Node, situations: &[&Situation]) -> Option<Guard> {
        self.guard(node.prop("when")?, situations)
    }

    /// Compiles a template and checks it in every situation in which it may be filled.
    /// `keeps_type` says that it fills a field, where a lone tag may be missing.
    pub(super) fn template(
        &mut self,
        value: &Value,
        situations: &[&Situation],
        keeps_type: bool,
    ) -> Option<Template> {
        let text = value.text()?;
        match Template::compile(text, Format::Text) {
            Ok(template) => {
                let faults = check_template(&template, situations, keeps_type);
                let clean = faults.is_empty();
                for found in self.in_place(faults, value) {
                    self.push(found);
                }
                if clean {
                    self.render(&template, situations, keeps_type, value.span);
                }
                Some(template)
            }
            Err(faults) => {
                for fault in faults {
                    let span = value.place(self.sources, &fault.range);
                    self.push(
                        Diagnostic::error(fault.code, fault.message, span).maybe_help(fault.help),
                    );
                }
                None
            }
        }
    }

    /// Fills a template once with each situation's examples.
    pub(super) fn render(
        &mut self,
        template: &Template,
        situations: &[&Situation],
        keeps_type: bool,
        span: Span,
    ) {
        for situation in situations.iter().filter(|situation| !situation.scope.open) {
            let context = Context::new(&situation.example, self.zone.clone());
            let failed = if keeps_type {
                template.value(&context).err()
            } else {
                template.text(&context).err()
            };
            if let Some(why) = failed {
                self.example_fails("text", &why, span, situation);
            }
        }
    }

    fn example_fails(&mut self, what: &str, why: &str, span: Span, situation: &Situation) {
        if situation.scope.open {
            return;
        }
        self.push(
            Diagnostic::warning(
                codes::EXAMPLE_FAILS,
                told(
                    &format!("this {what} fails with the example values: {why}"),
                    std::slice::from_ref(&situation.label),
                ),
                span,
            )
            .help("give the fields an `example=` in the schema, or mend what stands here"),
        );
    }
}

/// Every mistake of a template's tags.
pub(super) fn check_template(
    template: &Template,
    situations: &[&Situation],
    keeps_type: bool,
) -> Faults {
    let mut faults = Faults::default();
    for situation in situations.iter().filter(|situation| !situation.unknown) {
        for fault in template.check(&situation.scope, keeps_type) {
            let TemplateFault { code, message, range, help, fix } = fault;
            faults.add(situation, Fault { code, message, range, help, fix });
        }
    }
    faults
}

fn yes_or_no(text: &str) -> &'static str {
    if text.trim() == "true" { "yes" } else { "no" }
}
