//! The sender, and through which service it sends.

use crate::base::Diagnostic;
use crate::language::codes;
use crate::mail;
use crate::model::rules::{MailKind, RuleSet, Sender, SequenceAction, SequenceStep, Service};
use crate::review::hosts;

/// How addresses begin that nobody reads.
const UNREAD: &[&str] = &["noreply", "no-reply", "no.reply", "donotreply", "do-not-reply"];

pub(super) fn check(rules: &RuleSet) -> Vec<Diagnostic> {
    let mut found = mixed(rules);
    let Some(sender) = rules.sender.as_ref().filter(|_| !rules.sequences.is_empty()) else {
        return found;
    };
    if let Err(why) = mail::sender(sender) {
        let why = why.to_string();
        let why = why.split(": ").next().unwrap_or_default();
        found.push(
            Diagnostic::error(
                codes::EMAIL_FAILS,
                format!("no e-mail can be made: {why}"),
                sender.span,
            )
            .label("this sender")
            .help(
                "write it as hello@your-domain.com: before the @ most mail servers take plain \
                 letters, digits, dots and dashes alone",
            ),
        );
    }
    found.extend(distrusted(sender));
    found
}

/// What mail providers hold against a sender.
fn distrusted(sender: &Sender) -> Vec<Diagnostic> {
    let mut found = Vec::new();
    let mut told = |message: String, help: &str| {
        found.push(
            Diagnostic::warning(codes::SPAM_SENDER, message, sender.span)
                .label("this sender")
                .help(help),
        );
    };
    let domain = |address: &str| address.rsplit('@').next().unwrap_or_default().to_lowercase();
    let own = domain(&sender.address);
    if let Some(name) = sender.name.as_ref().filter(|name| name.contains('@')) {
        told(
            format!("the sender's name `{name}` looks like an address"),
            "fraud hides behind such names, and filters know it: write the name of your business",
        );
    }
    if hosts::is_free(&own) {
        told(
            format!("e-mail in the name of {own} is sent by {own} alone"),
            "mailboxes refuse it from anybody else (DMARC): use an address of your own domain",
        );
    }
    match sender.reply_to.as_deref().map(domain) {
        Some(answers) if hosts::is_free(&answers) && !hosts::is_free(&own) => told(
            format!("answers would go to {answers}, and the e-mail comes from {own}"),
            "filters take that for fraud: let `reply-to` be an address of your own domain",
        ),
        None if UNREAD.iter().any(|word| sender.address.to_lowercase().starts_with(word)) => told(
            format!("nobody can answer {}", sender.address),
            "people who answer are the best sign for mail providers: add reply-to \
             \"you@your-domain.com\", or write from an address that is read",
        ),
        _ => {}
    }
    found
}

/// Of several mail services, one that carries both kinds of e-mail.
fn mixed(rules: &RuleSet) -> Vec<Diagnostic> {
    let mail: Vec<&Service> = rules
        .services
        .values()
        .map(AsRef::as_ref)
        .filter(|service| service.kind.is_mail())
        .collect();
    if mail.len() < 2 {
        return Vec::new();
    }
    mail.into_iter().filter_map(|service| one_mixed(rules, &service.name)).collect()
}

fn one_mixed(rules: &RuleSet, service: &str) -> Option<Diagnostic> {
    let first = |kind: MailKind| first(rules, service, kind);
    let (marketing, owed) = (first(MailKind::Marketing)?, first(MailKind::Transactional)?);
    Some(
        Diagnostic::warning(
            codes::MIXED_MAIL,
            format!("`{service}` sends both marketing and what people are owed"),
            owed.span,
        )
        .label("people wait for this")
        .also(marketing.span, "this is marketing")
        .help(
            "when readers mark marketing as spam, receipts through the same service suffer: \
             send one kind with via= through the other service",
        ),
    )
}

fn first<'a>(rules: &'a RuleSet, service: &str, kind: MailKind) -> Option<&'a SequenceStep> {
    let sequences = rules.sequences.values().filter(|sequence| sequence.kind == kind);
    sequences.flat_map(|sequence| &sequence.steps).find(|step| {
        matches!(&step.action, SequenceAction::Email { via: Some(via), .. } if via == service)
    })
}
