//! `feedback`: the addresses at which mail providers report what became of e-mails.

use std::collections::BTreeMap;
use std::sync::Arc;

use super::codes;
use super::reading::Reading;
use super::service::secrets;
use super::settings::delay;
use super::tree::{Node, Value};
use crate::base::{Diagnostic, Span};
use crate::model::rules::{Endpoint, Feedback, FeedbackType, Tolerance};
use crate::model::setting::Setting;
use crate::signature::Scheme;

/// Decodes every `feedback` node.
pub(super) fn all<'a>(
    reading: &mut Reading<'_>,
    nodes: impl Iterator<Item = &'a Node>,
    endpoints: &[Arc<Endpoint>],
) -> Vec<Arc<Feedback>> {
    let mut names: BTreeMap<&str, Span> = BTreeMap::new();
    let mut all = Vec::new();
    for node in nodes {
        let Some(name) = node.title() else { continue };
        if let Some(first) = names.insert(name, node.title_span()) {
            reading.push(
                Diagnostic::error(
                    codes::DUPLICATE,
                    format!("feedback `{name}` is declared twice"),
                    node.title_span(),
                )
                .label("declared again")
                .also(first, "first declared here")
                .help("give one of them another name, and say type= there"),
            );
        }
        let full_name = format!("feedback/{name}");
        if let Some(other) = endpoints.iter().find(|one| one.full_name() == full_name) {
            reading.push(
                Diagnostic::error(
                    codes::DUPLICATE,
                    format!("an endpoint is called `{full_name}` already"),
                    node.title_span(),
                )
                .label("declared again")
                .also(other.span, "first declared here")
                .help("give one of them another name"),
            );
        }
        all.extend(feedback(reading, node, name).map(Arc::new));
    }
    all
}

fn feedback(reading: &mut Reading<'_>, node: &Node, name: &str) -> Option<Feedback> {
    if !super::addresses::is_segment(name) {
        reading.push(
            Diagnostic::error(
                codes::BAD_NAME,
                format!("`{name}` cannot be the name of feedback"),
                node.title_span(),
            )
            .help("use letters, digits, `-` and `_`"),
        );
    }
    let kind = kind(reading, node, name)?;
    fits(reading, node, kind);
    let ses = kind == FeedbackType::Ses;
    let secrets = if ses { Vec::new() } else { secrets(reading, node) };
    let topic = ses.then(|| topic(reading, node)).flatten();
    let path = node.prop_text("path")?.trim_matches('/');
    Some(Feedback {
        name: name.to_owned(),
        kind,
        path: format!("/{path}"),
        about: node.child_text("about").map(str::to_owned),
        secrets,
        scheme: node.prop_text("scheme").and_then(Scheme::from_word).unwrap_or(Scheme::Standard),
        topic,
        limits: limits(node),
        span: node.title_span(),
    })
}

fn kind(reading: &mut Reading<'_>, node: &Node, name: &str) -> Option<FeedbackType> {
    if let Some(given) = node.prop("type") {
        // A word that is none of them has been told.
        return given.text().and_then(FeedbackType::from_word);
    }
    let kind = FeedbackType::from_word(name);
    if kind.is_none() {
        reading.push(
            Diagnostic::error(
                codes::MISSING,
                format!("feedback `{name}` does not say who reports"),
                node.title_span(),
            )
            .label("`type=` is missing")
            .help("add type=\"resend\", \"postmark\", \"ses\" or \"generic\""),
        );
    }
    kind
}

/// Properties that mean nothing for this type.
fn fits(reading: &mut Reading<'_>, node: &Node, kind: FeedbackType) {
    let foreign: &[(&str, &str)] = match kind {
        FeedbackType::Resend | FeedbackType::Postmark => &[
            ("topic", "only Amazon SES reports through a topic; take it away"),
            ("scheme", "this provider always proves itself in its own way; take it away"),
        ],
        FeedbackType::Ses => &[
            ("secret", "Amazon signs with its own key, so there is none; take it away"),
            ("scheme", "Amazon always signs in its own way; take it away"),
        ],
        FeedbackType::Generic => {
            &[("topic", "only Amazon SES reports through a topic; take it away")]
        }
    };
    for (word, help) in foreign {
        let place = node.prop(word).map(|value| value.span);
        let place = place.or_else(|| node.child(word).map(|child| child.name_span));
        if let Some(place) = place {
            reading.push(
                Diagnostic::error(
                    codes::MISPLACED,
                    format!("`{word}` means nothing for feedback from {}", kind.word()),
                    place,
                )
                .help(*help),
            );
        }
    }
}

/// The topic that SES reports through: without it anybody with an Amazon account could report.
fn topic(reading: &mut Reading<'_>, node: &Node) -> Option<Setting<String>> {
    let Some(value) = node.prop("topic") else {
        reading.push(
            Diagnostic::error(
                codes::MISSING,
                "feedback from ses does not say from which topic",
                node.title_span(),
            )
            .label("`topic=` is missing")
            .help("write topic=(env)\"SES_TOPIC\", or the topic's ARN itself"),
        );
        return None;
    };
    let written = value.text().filter(|_| value.annotation.is_none());
    if written.is_some_and(|arn| !arn.starts_with("arn:")) {
        reading.push(
            Diagnostic::error(codes::WRONG_TYPE, "this is not the ARN of a topic", value.span)
                .help("copy it from Amazon SNS; it looks like arn:aws:sns:REGION:NUMBER:NAME"),
        );
    }
    reading.prop_setting(node, "topic", false)
}

fn limits(node: &Node) -> Tolerance {
    let usual = Tolerance::default();
    let number = |word: &str, usual: u32| {
        node.child(word).and_then(Node::first).and_then(Value::whole).unwrap_or(usual)
    };
    let soft = node.child("soft-bounces");
    Tolerance {
        hard_bounces: number("hard-bounces", usual.hard_bounces),
        complaints: number("complaints", usual.complaints),
        soft_bounces: number("soft-bounces", usual.soft_bounces),
        within: soft.and_then(|soft| delay(soft, "within")).unwrap_or(usual.within),
    }
}
