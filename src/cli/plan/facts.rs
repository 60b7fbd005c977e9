//! What there is to say of each thing that rules declare, as labels and values that can be
//! compared. Settings are told by where they are looked up; a secret's value never is.

use std::collections::BTreeMap;
use std::fmt::{Display, Write as _};

use serde_json::Value;

use crate::base::Delay;
use crate::guard::Guard;
use crate::model::rules::{
    Action, Again, Choice, CountsFrom, EmailText, Ending, Endpoint, Event, Fill, MailKind,
    RecordRules, RuleSet, Schema, Sequence, SequenceAction, SequenceStep, Service, ServiceType,
    Step, Window, Wording,
};
use crate::model::setting::Rate;
use crate::model::{Setting, Shape, Source};
use crate::template::Template;

/// What is said of one thing.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub(super) struct Facts {
    /// Labels with their values.
    pub(super) said: Vec<(String, String)>,
    /// Its steps, in order.
    pub(super) steps: Vec<String>,
}

impl Facts {
    /// Adds a value; what is said several times becomes one list.
    fn say(&mut self, label: &str, value: impl Into<String>) {
        let value = value.into();
        if value.is_empty() {
            return;
        }
        match self.said.iter_mut().find(|(known, _)| known == label) {
            Some((_, list)) => {
                list.push_str("; ");
                list.push_str(&value);
            }
            None => self.said.push((label.to_owned(), value)),
        }
    }

    /// What is said under a label.
    pub(super) fn get(&self, label: &str) -> Option<&str> {
        self.said.iter().find(|(known, _)| known == label).map(|(_, value)| value.as_str())
    }

    fn maybe(&mut self, label: &str, value: Option<impl Into<String>>) {
        if let Some(value) = value {
            self.say(label, value);
        }
    }
}

type Kind = (&'static str, fn(&RuleSet) -> BTreeMap<String, Facts>);

/// Every kind of thing but sequences, with what is said of each of it.
pub(super) const KINDS: [Kind; 6] = [
    ("endpoint", |rules| {
        let one = |one: &std::sync::Arc<Endpoint>| (one.full_name(), endpoint(one));
        rules.endpoints.iter().map(one).collect()
    }),
    ("event", |rules| all(&rules.events, |one| event(one))),
    ("schema", |rules| all(&rules.schemas, |one| schema(one))),
    ("record", |rules| all(&rules.records, |one| record(one))),
    ("service", |rules| all(&rules.services, |one| service(one))),
    ("settings", |rules| BTreeMap::from([(String::new(), settings(rules))])),
];

fn all<T>(things: &BTreeMap<String, T>, facts: impl Fn(&T) -> Facts) -> BTreeMap<String, Facts> {
    things.iter().map(|(name, one)| (name.clone(), facts(one))).collect()
}

fn endpoint(one: &Endpoint) -> Facts {
    let mut facts = Facts::default();
    facts.say("addresses", one.group.paths.join(", "));
    facts.say("methods", one.methods.join(" "));
    facts.maybe("about", one.about.clone());
    facts.say("enabled", shown(&one.enabled));
    facts.say("key", one.keys.iter().map(hidden).collect::<Vec<_>>().join(", "));
    facts.say("repeats", if one.repeats { "allow" } else { "refuse" });
    if let Some(schema) = &one.payload {
        if schema.name.is_empty() {
            facts.said.extend(fields(schema));
        } else {
            facts.say("payload", schema.name.clone());
        }
    }
    let access = &one.access;
    facts.say("cors", access.origins.join(", "));
    for list in &access.networks {
        let given = list.fallback.iter().flatten().map(|network| network.0.to_string());
        facts.say("ip", origins(&list.sources, given.collect::<Vec<_>>().join(", ")));
    }
    for (name, value) in &access.headers {
        facts.say(&format!("header {name}"), hidden(value));
    }
    for signature in &access.signatures {
        let secrets: Vec<String> = signature.secrets.iter().map(hidden).collect();
        let scheme = signature.scheme.word();
        facts.say(
            "signature",
            format!("{scheme}, {}, at most {} old", secrets.join(", "), signature.max_age),
        );
    }
    for (limit, per_client) in &access.rates {
        facts.say("rate", format!("{}{}", rate(limit), if *per_client { " per ip" } else { "" }));
    }
    facts.steps = steps(&one.steps);
    facts
}

fn event(one: &Event) -> Facts {
    let mut facts = Facts::default();
    facts.say("to", one.service.clone());
    facts.say("path", one.path.clone());
    facts.maybe("about", one.about.clone());
    facts.maybe("entity", one.entity.clone());
    facts.maybe("id", source(one.id.as_ref()));
    facts.say("priority", one.priority.to_string());
    facts.say("envelope", if one.enveloped { "event" } else { "flat" });
    facts.maybe("ordered-by", source(one.ordered_by.as_ref()));
    facts.steps = steps(&one.steps);
    facts
}

fn schema(one: &Schema) -> Facts {
    let mut said = fields(one);
    if one.scope.open && said.is_empty() {
        // A JSON Schema that cannot be seen through.
        said.push((String::from("JSON Schema"), one.json.to_string()));
    }
    Facts { said, steps: Vec::new() }
}

fn fields(one: &Schema) -> Vec<(String, String)> {
    let mut said = Vec::new();
    walk(&one.scope.names, &one.json, "", &mut said);
    said
}

/// The keywords of JSON Schema that limit a value, and the words of rule files for them.
const LIMITS: [(&str, &str); 9] = [
    ("minimum", "min"),
    ("maximum", "max"),
    ("minLength", "min-length"),
    ("maxLength", "max-length"),
    ("minItems", "min-length"),
    ("maxItems", "max-length"),
    ("pattern", "pattern"),
    ("enum", "one-of"),
    ("default", "default"),
];

fn walk(
    names: &BTreeMap<String, Shape>,
    json: &Value,
    within: &str,
    said: &mut Vec<(String, String)>,
) {
    for (name, shape) in names {
        let path = format!("{within}{name}");
        let rule = &json["properties"][name];
        let format = rule["format"].as_str().filter(|_| shape.kind.word() == "text");
        let mut value = format.unwrap_or(shape.kind.word()).replace("uri", "url");
        if shape.optional {
            value.push_str(", optional");
        }
        for (keyword, word) in LIMITS {
            if let Some(limit) = rule.get(keyword) {
                let _ = write!(value, ", {word} {limit}");
            }
        }
        said.push((format!("field {path}"), value));
        if let crate::model::Kind::Object(fields) = &shape.kind {
            walk(fields, rule, &format!("{path}."), said);
        }
    }
}

fn record(one: &RecordRules) -> Facts {
    let mut facts = Facts::default();
    facts.maybe("schema", one.schema.as_ref().map(|schema| schema.name.clone()));
    facts.steps = steps(&one.on_create).into_iter().map(|s| format!("on-create: {s}")).collect();
    for (guard, own) in &one.on_change {
        let when = guard.as_ref().map(|guard| format!(" when `{}`", guard.source()));
        let when = when.unwrap_or_default();
        facts.steps.extend(steps(own).into_iter().map(|step| format!("on-change{when}: {step}")));
    }
    facts
}

fn service(one: &Service) -> Facts {
    let mut facts = Facts::default();
    facts.say("type", one.kind.word());
    facts.maybe("about", one.about.clone());
    facts.say("enabled", shown(&one.enabled));
    let url = one.url.fallback.clone().unwrap_or_default();
    facts.say("url", origins(&one.url.sources, url));
    facts.say("token", hidden(&one.token));
    facts.say("database", shown(&one.database));
    for (name, value) in &one.headers {
        facts.say(&format!("header {name}"), hidden(value));
    }
    if let Some(sign) = &one.sign {
        facts.say("sign", sign.secrets.iter().map(hidden).collect::<Vec<_>>().join(", "));
        let schemes: Vec<String> =
            sign.schemes.iter().map(|scheme| format!("{scheme:?}").to_lowercase()).collect();
        facts.say("scheme", schemes.join(", "));
    }
    let waits = one.retry.fallback.iter().flatten().map(Delay::to_string);
    facts.say("retry", origins(&one.retry.sources, waits.collect::<Vec<_>>().join(", ")));
    facts.say("timeout", shown(&one.timeout));
    facts.maybe("rate", one.rate.as_ref().map(rate));
    facts.say("in-flight", one.in_flight.to_string());
    if one.kind == ServiceType::Smtp {
        facts.say("messages-per-connection", one.messages_per_connection.to_string());
    }
    if let Some(dkim) = &one.dkim {
        facts.say("dkim", format!("{} of {}, {}", dkim.selector, dkim.domain, hidden(&dkim.key)));
    }
    facts.say("allow-private", yes_no(one.allow_private));
    facts.say("on-unknown", if one.resend_unknown { "resend" } else { "hold" });
    facts
}

fn settings(rules: &RuleSet) -> Facts {
    let mut facts = Facts::default();
    if let Some(sender) = &rules.sender {
        let name = sender.name.as_ref().map(|name| format!("{name} ")).unwrap_or_default();
        facts.say("sender", format!("{name}<{}>", sender.address));
        facts.maybe("reply-to", sender.reply_to.clone());
        facts.maybe("postal-address", sender.postal_address.clone());
        facts.maybe("time-zone", sender.zone.iana_name());
    }
    facts.say("listen", shown(&rules.server.listen));
    facts.say("public-url", shown(&rules.server.public_url));
    facts.maybe("api-token", rules.server.api_token.as_ref().map(hidden));
    facts.say("data folder", shown(&rules.data));
    facts.say("queue keep", rules.queue.keep.to_string());
    facts
}

/// What is said of a sequence besides its steps.
pub(super) fn sequence(one: &Sequence) -> Facts {
    let mut facts = Facts::default();
    facts.say("to", one.to.source());
    facts.say(
        "kind",
        match one.kind {
            MailKind::Marketing => "marketing",
            MailKind::Transactional => "transactional",
        },
    );
    facts.maybe("zone", source(one.zone.as_ref()));
    facts.maybe("locale", source(one.locale.as_ref()));
    facts.maybe("window", one.window.as_ref().map(Window::to_string));
    facts.maybe("counts-from", source(one.counts_from.as_ref()));
    facts.maybe("once-per", source(one.once_per.as_ref()));
    facts.say(
        "again",
        match one.again {
            Again::Never => String::from("never"),
            Again::AfterFinish => String::from("after-finish"),
            Again::After(pause) => pause.to_string(),
            Again::Restart => String::from("restart"),
        },
    );
    facts.maybe("stop-when", one.stop_when.as_ref().map(Guard::source));
    for ending in &one.endings {
        facts.say(ending.word(), ended_by(ending));
    }
    facts.say("apply", if one.everyone { "everyone" } else { "new" });
    facts
}

/// What ends a sequence, as the rules say it.
fn ended_by(one: &Ending) -> String {
    let mut told = format!("{} for={}", one.on.source(), one.person.source());
    if let Some(key) = &one.key {
        let _ = write!(told, " key={}", key.source());
    }
    if let Some(within) = &one.goal {
        let _ = write!(told, " within={within}");
    }
    told
}

/// What is said of a step of a sequence besides an e-mail's text.
pub(super) fn step(one: &SequenceStep) -> Facts {
    let mut facts = Facts::default();
    facts.say("after", one.after.to_string());
    match &one.counts_from {
        CountsFrom::Sequence => {}
        CountsFrom::Previous => facts.say("counts-from", "previous"),
        CountsFrom::Field(template) => facts.say("counts-from", template.source()),
    }
    facts.maybe("when", one.when.as_ref().map(Guard::source));
    facts.say("max-late", one.max_late.to_string());
    facts.maybe("window", one.any_time.then_some("any"));
    match &one.action {
        SequenceAction::Email { subject, via, choice, .. } => {
            facts.say("subject", subject.source());
            self::choice(&mut facts, choice);
            facts.maybe("via", via.clone());
        }
        SequenceAction::Send { fields, .. } => facts.maybe("fields", fields.as_deref().map(filled)),
    }
    facts
}

/// All that an e-mail says and brings along.
pub(super) fn said(text: &EmailText) -> Vec<&str> {
    let files = text.images.iter().chain(&text.attachments);
    let templates = [Some(&*text.template), text.page.as_deref(), text.preheader.as_deref()];
    let more = [
        text.plain.as_ref().map(|plain| &plain.template),
        text.layout.as_ref().map(|layout| &layout.page),
    ];
    let written = templates.into_iter().chain(more).map(|one| one.map_or("", |one| one.source()));
    written.chain(files.map(|file| file.hash.as_str())).collect()
}

/// The variants of an e-mail, and its subjects besides the first one.
fn choice(facts: &mut Facts, choice: &Choice) {
    let shares: Vec<String> =
        choice.shares().iter().map(|(name, weight)| format!("{name} {weight}")).collect();
    facts.maybe("variants", (!shares.is_empty()).then(|| shares.join(", ")));
    let subject = |wording: &Wording| {
        let names = [wording.variant.as_deref(), wording.locale.as_deref()];
        let names: Vec<&str> = names.into_iter().flatten().collect();
        format!("{} \"{}\"", names.join(" "), wording.subject.source())
    };
    let subjects: Vec<String> = choice.wordings.iter().map(subject).collect();
    facts.maybe("other subjects", (!subjects.is_empty()).then(|| subjects.join(", ")));
}

fn steps(steps: &[Step]) -> Vec<String> {
    steps.iter().map(doing).collect()
}

/// One step as a line.
fn doing(step: &Step) -> String {
    let mut text = match &step.action {
        Action::Require { guard, otherwise, status } => {
            let otherwise = otherwise.as_ref().map(|text| format!(" else \"{text}\""));
            let status = if *status == 422 { String::new() } else { format!(" status {status}") };
            format!("require `{}`{}{status}", guard.source(), otherwise.unwrap_or_default())
        }
        Action::Find { record, id, otherwise } => {
            let otherwise = otherwise.as_ref().map(|text| format!(" else \"{text}\""));
            format!("find {record} {}{}", id.source(), otherwise.unwrap_or_default())
        }
        Action::Save { record, id, also_in, fields } => {
            let also = also_in.as_ref().map(|service| format!(", also in {service}"));
            let also = also.unwrap_or_default();
            format!("save {record} {}: {}{also}", id.source(), filled(fields))
        }
        Action::Start { sequence } => format!("start {sequence}"),
        Action::Stop { sequences, person } => {
            format!("stop {} for {}", sequences.join(", "), person.source())
        }
        Action::Send { event, fields } => {
            let fields = fields.as_ref().map(|fields| format!(": {}", filled(fields)));
            format!("send {event}{}", fields.unwrap_or_default())
        }
        Action::Reply { status, fields } => format!("reply {status}: {}", filled(fields)),
    };
    if let Some(guard) = &step.when {
        let _ = write!(text, ", when `{}`", guard.source());
    }
    text
}

/// `email {{email}}, name {{first_name}}`.
fn filled(fields: &[(String, Fill)]) -> String {
    let one = |(name, value): &(String, Fill)| format!("{name} {}", fill(value));
    fields.iter().map(one).collect::<Vec<_>>().join(", ")
}

fn fill(value: &Fill) -> String {
    match value {
        Fill::Constant(value) => value.to_string(),
        Fill::Tag(template) => template.source().to_owned(),
        Fill::Object(fields) => format!("{{ {} }}", filled(fields)),
        Fill::List(items) => items.iter().map(fill).collect::<Vec<_>>().join(" "),
    }
}

fn source(template: Option<&Template>) -> Option<&str> {
    template.map(Template::source)
}

fn rate(rate: &Rate) -> String {
    let per = Delay { days: 0, millis: rate.per_millis };
    format!("{} in {per}", rate.count)
}

fn yes_no(yes: bool) -> &'static str {
    if yes { "yes" } else { "no" }
}

/// Where a setting is looked up, and what stands there otherwise.
fn origins(sources: &[Source], otherwise: String) -> String {
    let mut parts: Vec<String> = sources
        .iter()
        .map(|source| match source {
            Source::Env(name) => format!("(env){name}"),
            Source::File(path) => format!("(file){path}"),
        })
        .collect();
    parts.extend((!otherwise.is_empty()).then_some(otherwise));
    parts.join(" or ")
}

fn shown<T: Display>(setting: &Setting<T>) -> String {
    origins(
        &setting.sources,
        setting.fallback.as_ref().map(ToString::to_string).unwrap_or_default(),
    )
}

/// The same of a secret: never its value.
fn hidden<T>(setting: &Setting<T>) -> String {
    let written = setting.fallback.as_ref().map(|_| String::from("written in the file"));
    origins(&setting.sources, written.unwrap_or_default())
}
