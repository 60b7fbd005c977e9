//! The addresses of endpoints: which are the same, and which rulerun needs for itself.

use std::collections::{BTreeMap, BTreeSet};
use std::sync::Arc;

use super::codes;
use super::reading::Reading;
use crate::base::{Diagnostic, Span};
use crate::model::rules::{Endpoint, Feedback, Webhooks};

/// Fixed addresses below `/api/v1/`.
const API: &[&str] = &[
    "executions",
    "flows",
    "status",
    "queue",
    "webhook-logs",
    "events",
    "records",
    "outbox",
    "test",
    "logs",
    "contacts",
    "sequences",
    "schedule",
    "openapi.json",
];
/// Fixed addresses of the whole server.
const ROOT: &[&str] = &["livez", "readyz", "metrics", "unsubscribe", "c"];

/// Whether a name can stand between two slashes.
pub(super) fn is_segment(name: &str) -> bool {
    !name.is_empty()
        && name
            .chars()
            .all(|letter| letter.is_ascii_alphanumeric() || matches!(letter, '-' | '_' | '.' | '~'))
        && name.chars().any(|letter| letter != '.')
}

/// Checks every address against the others and against those of rulerun itself.
pub(super) fn check(
    reading: &mut Reading<'_>,
    groups: &[Arc<Webhooks>],
    endpoints: &[Arc<Endpoint>],
    feedback: &[Arc<Feedback>],
) {
    let mut taken: BTreeMap<String, (String, Span)> = BTreeMap::new();
    let mut told: BTreeSet<(Span, Span)> = BTreeSet::new();
    let health = groups.iter().filter(|group| group.health.is_some()).flat_map(|group| {
        group
            .paths
            .iter()
            .map(|path| (path, "health", group.span, format!("health of {}", group.name)))
    });
    let called = endpoints.iter().flat_map(|endpoint| {
        let paths = endpoint.group.paths.iter();
        paths.map(|path| (path, endpoint.name.as_str(), endpoint.span, endpoint.full_name()))
    });
    let reported = feedback.iter().filter_map(|feedback| {
        let (path, name) = feedback.path.rsplit_once('/')?;
        Some((path, name, feedback.span, feedback.full_name()))
    });
    let declared = health.chain(called);
    let declared = declared.map(|(path, name, span, owner)| (path.as_str(), name, span, owner));
    for (path, name, span, owner) in declared.chain(reported) {
        let address = canonical(path, name);
        reserved(reading, &address, span);
        match taken.get(&address) {
            // Groups with several paths meet at each of them; that is one mistake.
            Some((_, first)) if told.contains(&(*first, span)) => {}
            Some((other, first)) if *first != span && *other == owner => {
                told.insert((*first, span));
                reading.push(
                    Diagnostic::error(
                        codes::DUPLICATE,
                        format!("the endpoint `{owner}` is declared twice"),
                        span,
                    )
                    .label("declared again")
                    .also(*first, "first declared here")
                    .help("give one of them another name; a second key is a `key` line within"),
                );
            }
            Some((other, first)) if *first != span || *other != owner => {
                told.insert((*first, span));
                reading.push(
                    Diagnostic::error(
                        codes::ADDRESS_TAKEN,
                        format!("`{owner}` and `{other}` have the same address {address}"),
                        span,
                    )
                    .label("same address")
                    .also(*first, "already taken here")
                    .help("give one of them another name or path; a key does not tell them apart"),
                );
            }
            Some(_) => same_path_twice(reading, groups, path, &address),
            None => {
                taken.insert(address, (owner, span));
            }
        }
    }
}

/// Two paths of one group that are the same address after all.
fn same_path_twice(reading: &mut Reading<'_>, groups: &[Arc<Webhooks>], path: &str, address: &str) {
    let Some(group) = groups.iter().find(|group| group.paths.iter().any(|own| own == path)) else {
        return;
    };
    reading.push(
        Diagnostic::error(
            codes::ADDRESS_TAKEN,
            format!("two paths of `{}` lead to the same address {address}", group.name),
            group.span,
        )
        .label("stands twice")
        .help("take one of the paths away; dots and slashes mean the same in it"),
    );
}

fn reserved(reading: &mut Reading<'_>, address: &str, span: Span) {
    let mut parts = address.trim_start_matches('/').split('/');
    let first = parts.next().unwrap_or_default();
    let fixed = if first == "api" && parts.next() == Some("v1") {
        let word = parts.next().unwrap_or_default();
        API.contains(&word) && !(word == "executions" && parts.next() == Some("webhook"))
    } else {
        ROOT.contains(&first)
    };
    if fixed {
        reading.push(
            Diagnostic::error(
                codes::ADDRESS_RESERVED,
                format!("the address {address} belongs to rulerun's own API"),
                span,
            )
            .label("reserved")
            .help("use a path such as \"/api/v1/webhooks/NAME\" or \"/NAME\""),
        );
    }
}

/// One way to write an address: aliases are taken out, and dots of a namespace are slashes.
fn canonical(path: &str, name: &str) -> String {
    let path = path
        .strip_prefix("/api/v1/main/")
        .map_or_else(|| path.to_owned(), |rest| format!("/api/v1/{rest}"));
    let path = match path.split_once("/executions/webhook/") {
        Some((before, tail)) => format!("{before}/executions/webhook/{}", tail.replace('.', "/")),
        None => path,
    };
    format!("{path}/{name}")
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn dots_and_slashes_of_a_namespace_are_one_address() {
        let slashes = canonical("/api/v1/executions/webhook/christmas/handlers", "a");
        assert_eq!(canonical("/api/v1/main/executions/webhook/christmas.handlers", "a"), slashes);
        assert_ne!(
            canonical("/api/v1/webhooks/n8n.x", "a"),
            canonical("/api/v1/webhooks/n8n/x", "a")
        );
    }
}
