//! `email`: a timed e-mail. Its text stands in a file beside the rule file.

use std::sync::Arc;

use super::codes;
use super::email_text::text;
use super::lints;
use super::names::Thing;
use super::reading::Reading;
use super::situation::Situation;
use super::tree::Node;
use crate::base::Diagnostic;
use crate::model::rules::SequenceAction;

/// Decodes an `email` of a sequence.
pub(super) fn email(
    reading: &mut Reading<'_>,
    node: &Node,
    sequence: &str,
    situations: &[&Situation],
) -> Option<SequenceAction> {
    let subject = node.prop("subject");
    if let Some(subject) = subject {
        lints::subject(reading, subject);
    }
    let subject = subject.and_then(|value| reading.template(value, situations, false));
    let via = via(reading, node);
    let body = text(reading, node, sequence, situations);
    Some(SequenceAction::Email { subject: subject?, via, body: Arc::new(body?) })
}

/// The service that sends it: the one that is named, or the only one there is.
fn via(reading: &mut Reading<'_>, node: &Node) -> Option<String> {
    if let Some(value) = node.prop("via") {
        let name = reading.resolve(Thing::Service, value)?;
        let service = reading.services.get(name)?;
        if !service.kind.is_mail() {
            let span = service.span;
            reading.push(
                Diagnostic::error(
                    codes::WRONG_SERVICE,
                    format!("`{name}` does not send e-mail"),
                    value.span,
                )
                .also(span, "declared here")
                .help("name a service of type \"smtp\", \"resend\" or \"postmark\""),
            );
            return None;
        }
        return Some(name.to_owned());
    }
    let mail: Vec<String> = reading
        .services
        .values()
        .filter(|service| service.kind.is_mail())
        .map(|service| service.name.clone())
        .collect();
    if mail.len() > 1 {
        reading.push(
            Diagnostic::error(codes::MISSING, "several services can send this e-mail", node.head())
                .label("`via=` is missing")
                .help(format!("add via=\"{}\" or another of {}", mail[0], mail.join(", "))),
        );
    }
    mail.into_iter().next()
}
