//! Warnings: what is legal and probably wrong.

use std::collections::{BTreeMap, BTreeSet};

use super::codes;
use super::locales;
use super::reading::Reading;
use super::tree::{Node, Value};
use crate::base::Diagnostic;
use crate::model::rules::{Endpoint, MailKind, SequenceAction, SequenceStep, Server, chain};

/// From so many e-mails on, a marketing sequence needs a way to end early.
const MANY: usize = 3;

/// So many emoji are a decoration; more look like advertising.
const PICTURES: usize = 2;

/// A subject that mail providers and people take for spam.
pub(super) fn subject(reading: &mut Reading<'_>, value: &Value) {
    let Some(text) = value.text() else { return };
    let plain = without_tags(text);
    let letters: Vec<char> = plain.chars().filter(|letter| letter.is_alphabetic()).collect();
    let lower = plain.trim_start().to_lowercase();
    let why = if ["re:", "fwd:", "fw:", "aw:"].iter().any(|prefix| lower.starts_with(prefix)) {
        "it pretends to answer or forward something"
    } else if letters.len() >= 8 && letters.iter().all(|letter| letter.is_uppercase()) {
        "it is written in capital letters"
    } else if plain.contains("!!") {
        "it has several exclamation marks"
    } else if plain.contains("$$$") {
        "it has several currency signs"
    } else if plain.chars().filter(|letter| is_picture(*letter)).count() > PICTURES {
        "it has more than two little pictures"
    } else {
        return;
    };
    reading.push(
        Diagnostic::warning(
            codes::SPAM_SUBJECT,
            format!("this subject looks like spam: {why}"),
            value.span,
        )
        .help("write it as you would write to one person"),
    );
}

/// Whether a letter is an emoji; what only joins or colours them does not count.
fn is_picture(letter: char) -> bool {
    matches!(letter, '\u{1f000}'..='\u{1f3fa}' | '\u{1f400}'..='\u{1faff}' | '\u{2600}'..='\u{27bf}')
}

fn without_tags(text: &str) -> String {
    let mut plain = String::new();
    let mut rest = text;
    while let Some((before, after)) = rest.split_once("{{") {
        plain.push_str(before);
        rest = after.split_once("}}").map_or("", |(_, after)| after);
    }
    plain.push_str(rest);
    plain
}

/// A long marketing sequence that nothing ends goes on to people who have bought already.
pub(super) fn sequence(
    reading: &mut Reading<'_>,
    node: &Node,
    kind: MailKind,
    steps: &[SequenceStep],
) {
    let name = node.title().unwrap_or_default();
    let ends = ["stop-when", "stop-on", "goal"];
    let stopped =
        reading.stopped.contains(name) || ends.iter().any(|word| node.child(word).is_some());
    if kind == MailKind::Transactional
        || steps.len() < MANY
        || stopped
        || reading.unread.is_some()
        || reading.lost_sequence
    {
        return;
    }
    reading.push(
        Diagnostic::warning(
            codes::NEVER_STOPPED,
            format!("nothing ends the marketing sequence `{name}` early"),
            node.title_span(),
        )
        .label(format!("{} steps, whatever happens", steps.len()))
        .help(format!(
            "write stop \"{name}\" for=\"{{{{email}}}}\" where somebody becomes a customer, or \
             `stop-on`, `goal` or `stop-when` in the sequence"
        )),
    );
}

/// E-mails that are not in every language of their sequence: who reads them in one would get
/// some of them in another.
pub(super) fn languages(reading: &mut Reading<'_>, steps: &[SequenceStep]) {
    // What no text is written in is a slip, and told where it stands.
    let known = locales::all(reading.sources);
    let spoken = |step: &SequenceStep| -> BTreeSet<String> {
        let languages = step.action.wordings().filter_map(|said| said.locale);
        languages.filter(|language| known.contains(*language)).map(str::to_owned).collect()
    };
    let all: Vec<(&SequenceStep, BTreeSet<String>)> = steps
        .iter()
        .filter(|step| matches!(step.action, SequenceAction::Email { .. }))
        .map(|step| (step, spoken(step)))
        .collect();
    for (step, own) in &all {
        let lacks = |language: &&String| !chain(language).any(|language| own.contains(language));
        let mut missing: BTreeMap<&String, &SequenceStep> = BTreeMap::new();
        for (other, languages) in &all {
            languages.iter().filter(lacks).for_each(|one| {
                missing.entry(one).or_insert(other);
            });
        }
        let Some((first, other)) = missing.first_key_value() else { continue };
        let (name, named) = (&step.name, missing.keys().map(|one| format!("`{one}`")));
        let named = named.collect::<Vec<_>>().join(" and ");
        reading.push(
            Diagnostic::warning(
                codes::HALF_TRANSLATED,
                format!("`{name}` is not there in {named}, and other e-mails of its sequence are"),
                step.span,
            )
            .label("in the plain language for everybody")
            .also(other.span, format!("in `{first}` as well"))
            .help(format!(
                "write its text emails/{name}.{first}.md, and locale \"{first}\" subject=\"…\" in \
                 its block"
            )),
        );
    }
}

/// An endpoint that anybody on the network may call.
pub(super) fn endpoints(
    reading: &mut Reading<'_>,
    server: &Server,
    endpoints: &[std::sync::Arc<Endpoint>],
) {
    let Some(listen) = server.listen.fallback.as_deref() else { return };
    if is_loopback(listen) || !super::forms::is_listen(listen) {
        return;
    }
    for endpoint in endpoints {
        let access = &endpoint.access;
        if endpoint.keys.is_empty() && access.signatures.is_empty() && access.headers.is_empty() {
            let found = Diagnostic::warning(
                codes::UNSIGNED_ENDPOINT,
                format!("anybody can call `{}`: rulerun listens on {listen}", endpoint.full_name()),
                endpoint.span,
            )
            .label("no key, signature or header")
            .help("add key=(env)\"NAME\", or a `signature` in its `access` block");
            reading.push(found);
        }
    }
}

fn is_loopback(listen: &str) -> bool {
    let host = listen.rsplit_once(':').map_or(listen, |(host, _)| host).trim_matches(['[', ']']);
    host == "localhost"
        || host.parse::<std::net::IpAddr>().is_ok_and(|address| address.is_loopback())
}
