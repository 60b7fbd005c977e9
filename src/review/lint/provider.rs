//! What mail providers do in their own way, and people find out too late.

use crate::base::Diagnostic;
use crate::language::codes;
use crate::mail;
use crate::model::rules::{
    MailKind, RuleSet, Sequence, SequenceAction, SequenceStep, Service, ServiceType,
};

/// The stream of Postmark that every account has for e-mail to many.
const BROADCAST: &str = "broadcast";

pub(super) fn check(rules: &RuleSet) -> Vec<Diagnostic> {
    let services = rules.services.values();
    let found = services.filter_map(|service| match service.kind {
        ServiceType::Postmark => broadcast(rules, service).map(|one| vec![one]),
        ServiceType::Resend => Some(tags(rules, service)),
        _ => None,
    });
    found.flatten().collect()
}

/// E-mails that this service sends.
fn emails<'a>(
    rules: &'a RuleSet,
    service: &'a Service,
) -> impl Iterator<Item = (&'a Sequence, &'a SequenceStep)> {
    let steps = rules
        .sequences
        .values()
        .flat_map(|sequence| sequence.steps.iter().map(move |step| (&**sequence, step)));
    steps.filter(|(_, step)| match &step.action {
        SequenceAction::Email { via, .. } => via.as_deref() == Some(service.name.as_str()),
        SequenceAction::Send { .. } => false,
    })
}

/// Postmark puts a link of its own below everything in a broadcast stream.
fn broadcast(rules: &RuleSet, service: &Service) -> Option<Diagnostic> {
    if service.stream.as_deref() != Some(BROADCAST) {
        return None;
    }
    let (_, step) =
        emails(rules, service).find(|(sequence, _)| sequence.kind == MailKind::Marketing)?;
    Some(
        Diagnostic::warning(
            codes::MAIL_PROVIDER,
            "readers get two links to unsubscribe: Postmark's own and that of rulerun",
            service.span,
        )
        .label("it sends through the stream `broadcast`")
        .also(step.span, "this is marketing")
        .help(
            "who clicks Postmark's link stays in the sequence here, and Postmark drops what \
             follows; ask Postmark's support to let you manage unsubscribes yourself",
        ),
    )
}

/// Resend takes no accents and spaces in the tags by which it reports about an e-mail.
fn tags(rules: &RuleSet, service: &Service) -> Vec<Diagnostic> {
    let odd = emails(rules, service).filter_map(|(sequence, step)| {
        let names = [sequence.name.as_str(), step.name.as_str()];
        let name = names.into_iter().find(|name| !mail::is_resend_tag(name))?;
        Some(
            Diagnostic::warning(
                codes::MAIL_PROVIDER,
                format!("Resend cannot show the name `{name}` in its reports"),
                step.span,
            )
            .label("sent through Resend")
            .help(
                "what does not fit becomes a dash there; use the letters a to z, digits, dashes \
                 and underscores",
            ),
        )
    });
    odd.collect()
}
