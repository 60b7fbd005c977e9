//! `access`: who may call. What a group and an endpoint say is added up: all must hold.

use super::codes;
use super::reading::Reading;
use super::service::secrets;
use super::settings::delay;
use super::tree::{Node, Value};
use crate::base::{Delay, Diagnostic};
use crate::model::rules::{Access, SignatureRule};
use crate::model::setting::{FromText as _, Rate};
use crate::signature::Scheme;

/// How old a timestamp may be when nothing is said.
const MAX_AGE: Delay = Delay { days: 0, millis: 300_000 };

/// Adds what the `access` block of a group or endpoint says.
pub(super) fn add(reading: &mut Reading<'_>, node: &Node, access: &mut Access) {
    for child in node.child("access").map(Node::nodes).unwrap_or_default() {
        match child.name.as_str() {
            "cors" => {
                access.origins.extend(child.args.iter().filter_map(Value::text).map(str::to_owned));
            }
            "ip" => {
                let networks = reading.setting(child, &child.args, false);
                access.networks.push(networks);
            }
            "header" => {
                if let Some((name, values)) = child.args.split_first()
                    && let Some(name) = name.text()
                {
                    let secret = reading.setting(child, values, true);
                    access.headers.push((name.to_owned(), secret));
                }
            }
            "rate" => {
                if let Some(rate) = child.title().and_then(|text| Rate::from_text(text).ok()) {
                    access.rates.push((rate, child.prop_text("per") == Some("ip")));
                }
            }
            "signature" => access.signatures.extend(signature(reading, child)),
            _ => {}
        }
    }
}

fn signature(reading: &mut Reading<'_>, node: &Node) -> Option<SignatureRule> {
    let secrets = secrets(reading, node);
    let scheme = Scheme::from_word(node.prop_text("scheme")?)?;
    let time = node.child("time-header");
    if let Some(time) = time.filter(|_| matches!(scheme, Scheme::Github | Scheme::Stripe)) {
        reading.push(
            Diagnostic::error(
                codes::MISPLACED,
                "this scheme has no time header of its own",
                time.name_span,
            )
            .help("take the line away"),
        );
    }
    Some(SignatureRule {
        scheme,
        secrets,
        max_age: delay(node, "max-age").unwrap_or(MAX_AGE),
        headers: node
            .child("header")
            .map(|header| header.args.iter().filter_map(Value::text).map(str::to_owned).collect())
            .unwrap_or_default(),
        time_header: time.and_then(Node::title).map(str::to_owned),
        time_optional: time
            .and_then(|time| time.prop("optional"))
            .and_then(Value::boolean)
            .unwrap_or(false),
    })
}
