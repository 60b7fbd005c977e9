//! `email`: a timed e-mail. Its text stands in a file beside the rule file.

use super::codes;
use super::names::Thing;
use super::reading::Reading;
use super::situation::Situation;
use super::tree::Node;
use super::wordings;
use crate::base::Diagnostic;
use crate::model::rules::SequenceAction;

/// Decodes an `email` of a sequence.
pub(super) fn email(
    reading: &mut Reading<'_>,
    node: &Node,
    sequence: &Node,
    situations: &[&Situation],
) -> Option<SequenceAction> {
    let via = via(reading, node);
    let said = wordings::read(reading, node, sequence, situations);
    said.map(|(subject, body, choice)| SequenceAction::Email { subject, via, body, choice })
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
