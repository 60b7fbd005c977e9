//! `service`: the systems that rulerun calls, with what is usual for each type.

use std::sync::Arc;

use super::codes;
use super::forms::fault;
use super::reading::Reading;
use super::tree::{Node, Value};
use super::vocabulary::Type;
use crate::base::{Delay, Diagnostic, Secret};
use crate::model::rules::{IN_FLIGHT, MESSAGES_PER_CONNECTION, Service, ServiceType, Sign};
use crate::model::setting::{FromText as _, Rate, Setting};
use crate::signature::Scheme;

/// The deadline of one attempt when a service does not say it.
const TIMEOUT: Delay = Delay { days: 0, millis: 30_000 };

/// Decodes a `service` node.
pub(super) fn service(reading: &mut Reading<'_>, node: &Node) -> Option<Arc<Service>> {
    let name = node.title()?;
    let kind = kind(reading, node, name)?;
    fits(reading, node, kind);
    complete(reading, node, kind);
    callable(reading, node, kind);
    no_deadline(reading, node);
    let headers = node
        .all("header")
        .filter_map(|header| {
            let (name, values) = header.args.split_first()?;
            let given = values.iter().any(|value| value.annotation.is_some());
            Some((name.text()?.to_owned(), reading.setting(header, values, given)))
        })
        .collect();
    let whole = |name: &str| node.child(name).and_then(Node::first).and_then(Value::whole);
    Some(Arc::new(Service {
        name: name.to_owned(),
        kind,
        about: node.child_text("about").map(str::to_owned),
        enabled: reading
            .child_setting(node, "enabled", false)
            .unwrap_or_else(|| Setting::given(true)),
        url: reading.child_setting(node, "url", false).unwrap_or_else(|| usual_url(kind)),
        token: reading.child_setting::<Secret>(node, "token", true).unwrap_or_else(Setting::none),
        database: reading.child_setting(node, "database", false).unwrap_or_else(Setting::none),
        stream: node.child_text("stream").map(str::to_owned),
        headers,
        sign: sign(reading, node, kind),
        retry: reading.child_setting(node, "retry", false).unwrap_or_else(|| usual_retry(kind)),
        timeout: reading
            .child_setting(node, "timeout", false)
            .unwrap_or_else(|| Setting::given(TIMEOUT)),
        rate: node.child_text("rate").and_then(|text| Rate::from_text(text).ok()),
        in_flight: whole("in-flight").unwrap_or(usual_in_flight(kind)),
        messages_per_connection: whole("messages-per-connection")
            .and_then(|number| u32::try_from(number).ok())
            .unwrap_or(MESSAGES_PER_CONNECTION),
        dkim: super::dkim::dkim(reading, node),
        allow_private: node
            .child("allow-private")
            .and_then(Node::first)
            .and_then(Value::boolean)
            .unwrap_or(false),
        resend_unknown: node.child_text("on-unknown") == Some("resend"),
        span: node.title_span(),
    }))
}

/// An address in the file that no service of this type can be called under, however well it is
/// written: the start would refuse it.
fn callable(reading: &mut Reading<'_>, node: &Node, kind: ServiceType) {
    let Some(url) = node.child("url") else { return };
    let plain = url.args.iter().filter(|value| value.annotation.is_none());
    for value in plain.chain(url.prop("default")) {
        // What is wrong for every type has been told.
        let sound = value.text().filter(|text| fault(text, Type::Url).is_none());
        let Some((scheme, rest)) = sound.and_then(|text| text.split_once("://")) else { continue };
        let (schemes, begin) = match kind {
            ServiceType::Smtp => (["smtp", "smtps"], "begin with smtp:// or smtps://"),
            _ => (["http", "https"], "begin with https:// (or http:// on your own machine)"),
        };
        let help = if !schemes.contains(&scheme) {
            begin
        } else if rest.contains(['@', '#']) || !rest.is_ascii() {
            "write it without a user, an `@` or a `#`, and in ASCII letters"
        } else {
            continue;
        };
        let what = "a service of this type cannot be called under this address";
        reading.push(Diagnostic::error(codes::BAD_URL, what, value.span).help(help));
    }
}

/// A deadline that has passed before an attempt begins.
fn no_deadline(reading: &mut Reading<'_>, node: &Node) {
    let Some(value) = node.child("timeout").and_then(Node::first) else { return };
    let wait = value.text().and_then(|text| Delay::parse(text).ok());
    if value.annotation.is_none() && wait.is_some_and(Delay::is_zero) {
        reading.push(
            Diagnostic::error(
                codes::BAD_DURATION,
                "an attempt that may take no time always fails",
                value.span,
            )
            .help("write how long it may take, such as \"30s\""),
        );
    }
}

fn kind(reading: &mut Reading<'_>, node: &Node, name: &str) -> Option<ServiceType> {
    let given = node.prop("type");
    let word = match given {
        Some(value) => value.text()?,
        None => name,
    };
    if let Some(kind) = ServiceType::from_word(word) {
        return Some(kind);
    }
    match word {
        // Either the type is wrong, which is told, or it stands in brackets before the word.
        _ if given.is_some() || node.annotation.is_some() => None,
        _ => {
            reading.push(
                Diagnostic::error(
                    codes::MISSING,
                    format!("service `{name}` does not say what it is"),
                    node.title_span(),
                )
                .label("`type=` is missing")
                .help(
                    "add type=\"n8n\", \"http\", \"notion\", \"smtp\", \"resend\" or \"postmark\"",
                ),
            );
            None
        }
    }
}

/// Words that mean nothing for this type of service.
fn fits(reading: &mut Reading<'_>, node: &Node, kind: ServiceType) {
    let foreign: &[&str] = match kind {
        ServiceType::N8n | ServiceType::Http => {
            &["database", "on-unknown", "stream", "messages-per-connection", "dkim"]
        }
        ServiceType::Notion => {
            &["sign", "header", "on-unknown", "stream", "messages-per-connection", "dkim"]
        }
        ServiceType::Smtp => &["sign", "header", "database", "token", "stream"],
        ServiceType::Resend => {
            &["sign", "header", "database", "stream", "messages-per-connection", "dkim"]
        }
        ServiceType::Postmark => &["sign", "header", "database", "messages-per-connection", "dkim"],
    };
    for child in node.nodes().iter().filter(|child| foreign.contains(&child.name.as_str())) {
        reading.push(
            Diagnostic::error(
                codes::MISPLACED,
                format!("`{}` means nothing for a service of this type", child.name),
                child.name_span,
            )
            .help("take it away, or change `type=`"),
        );
    }
}

/// What a service of this type cannot do without.
fn complete(reading: &mut Reading<'_>, node: &Node, kind: ServiceType) {
    let mut lacks = |what: &str, label: &str, help: String| {
        reading.push(
            Diagnostic::error(codes::MISSING, what, node.title_span()).label(label).help(help),
        );
    };
    if kind == ServiceType::Http && node.child("url").is_none() {
        lacks(
            "this service has no address",
            "`url` is missing",
            String::from("write url \"https://…\" in its block"),
        );
    }
    if kind.is_mail_provider() && node.child("token").is_none() {
        let name = match kind {
            ServiceType::Postmark => "POSTMARK_SERVER_TOKEN",
            _ => "RESEND_API_KEY",
        };
        lacks(
            "this mail service has no key to its account",
            "`token` is missing",
            format!("write token (env)\"{name}\" in its block"),
        );
    }
}

fn sign(reading: &mut Reading<'_>, node: &Node, kind: ServiceType) -> Option<Sign> {
    let sign = node.child("sign")?;
    let secrets = secrets(reading, sign);
    let schemes = match sign.prop_text("scheme").and_then(Scheme::from_word) {
        Some(scheme) => vec![scheme],
        None if kind == ServiceType::N8n => vec![Scheme::Body, Scheme::Standard],
        None => vec![Scheme::Standard],
    };
    Some(Sign { schemes, secrets })
}

/// The secrets of `sign` or `signature`: the property first, then the lines of the block.
pub(super) fn secrets(reading: &mut Reading<'_>, node: &Node) -> Vec<Setting<Secret>> {
    let mut secrets = Vec::new();
    if let Some(value) = node.prop("secret") {
        secrets.push(reading.setting(node, std::slice::from_ref(value), true));
    }
    for child in node.all("secret") {
        secrets.push(reading.setting(child, &child.args, true));
    }
    if secrets.is_empty() {
        reading.push(
            Diagnostic::error(
                codes::MISSING,
                format!("`{}` has no secret", node.name),
                node.head(),
            )
            .label("`secret=` is missing")
            .help("write secret=(env)\"NAME\""),
        );
    }
    secrets
}

fn usual_url(kind: ServiceType) -> Setting<String> {
    match kind {
        ServiceType::N8n => Setting::given(String::from("http://localhost:5678")),
        ServiceType::Notion => Setting::given(String::from("https://api.notion.com")),
        ServiceType::Resend => Setting::given(String::from("https://api.resend.com")),
        ServiceType::Postmark => Setting::given(String::from("https://api.postmarkapp.com")),
        ServiceType::Http | ServiceType::Smtp => Setting::none(),
    }
}

/// Resend counts requests (5 a second and team, when nothing else is agreed), so few at once
/// are as fast and are refused less often.
fn usual_in_flight(kind: ServiceType) -> usize {
    match kind {
        ServiceType::Notion => 1,
        ServiceType::Resend => 4,
        _ => IN_FLIGHT,
    }
}

fn usual_retry(kind: ServiceType) -> Setting<Vec<Delay>> {
    let seconds: &[u64] = match kind {
        ServiceType::N8n | ServiceType::Http => &[5, 30, 300],
        ServiceType::Smtp | ServiceType::Resend | ServiceType::Postmark => {
            &[60, 300, 900, 3_600, 14_400]
        }
        ServiceType::Notion => &[5, 30, 300, 3_600],
    };
    Setting::given(
        seconds.iter().map(|seconds| Delay { days: 0, millis: seconds * 1_000 }).collect(),
    )
}
