//! `server`, `store`, `queue` and `sender`: what stands once in a rule set.

use super::cap;
use super::codes;
use super::forms;
use super::reading::Reading;
use super::tree::{Node, Value};
use crate::base::{Delay, Diagnostic, Zone};
use crate::model::rules::{Limits, QueueRules, Sender, Server};
use crate::model::setting::Setting;

/// Where rulerun listens when no file says it.
const LISTEN: &str = "127.0.0.1:8080";
/// The address of links when no file says it.
const PUBLIC_URL: &str = "http://localhost:8080";
/// The folder of the store when no file says it.
const DATA: &str = "data";

/// What `server` says, or the defaults.
pub(super) fn server(reading: &mut Reading<'_>, node: Option<&Node>) -> Server {
    let listen = || Setting::given(String::from(LISTEN));
    let public_url = || Setting::given(String::from(PUBLIC_URL));
    let Some(node) = node else {
        return Server {
            listen: listen(),
            public_url: public_url(),
            trusted_proxies: Vec::new(),
            api_token: None,
            limits: Limits::default(),
        };
    };
    let limit = |name: &str| {
        node.child("limits").and_then(|limits| limits.prop(name)).and_then(Value::whole)
    };
    let usual = Limits::default();
    Server {
        listen: node
            .prop("listen")
            .map_or_else(listen, |value| reading.setting(node, std::slice::from_ref(value), false)),
        public_url: reading.child_setting(node, "public-url", false).unwrap_or_else(public_url),
        trusted_proxies: node
            .all("trusted-proxies")
            .map(|child| reading.setting(child, &child.args, false))
            .collect(),
        api_token: reading.child_setting(node, "api-token", true),
        limits: Limits {
            body: limit("body").unwrap_or(usual.body),
            in_flight: limit("in-flight").unwrap_or(usual.in_flight),
            per_client: limit("per-client").unwrap_or(usual.per_client),
        },
    }
}

/// The folder of the store.
pub(super) fn store(reading: &mut Reading<'_>, node: Option<&Node>) -> Setting<String> {
    node.and_then(|node| {
        let value = node.prop("path")?;
        Some(reading.setting(node, std::slice::from_ref(value), false))
    })
    .unwrap_or_else(|| Setting::given(String::from(DATA)))
}

/// How the queue works.
pub(super) fn queue(node: Option<&Node>) -> QueueRules {
    let usual = QueueRules::default();
    let Some(node) = node else { return usual };
    QueueRules {
        batch: node.prop("batch").and_then(Value::whole).unwrap_or(usual.batch),
        every: delay(node, "every").unwrap_or(usual.every),
        keep: delay(node, "keep").unwrap_or(usual.keep),
    }
}

/// Who sends e-mail.
pub(super) fn sender(reading: &mut Reading<'_>, node: Option<&Node>) -> Option<Sender> {
    let node = node?;
    let (name, address) = forms::mailbox(node.title()?)?;
    let text = |name: &str| node.child_text(name).map(str::to_owned);
    let caps = cap::caps(reading, node);
    Some(Sender {
        name,
        address,
        reply_to: text("reply-to"),
        postal_address: text("postal-address"),
        caps,
        seeds: seeds(reading, node),
        zone: node
            .child_text("time-zone")
            .and_then(|zone| Zone::get(zone).ok())
            .unwrap_or(Zone::UTC),
        span: node.name_span,
    })
}

/// The sender's own mailboxes, each once.
fn seeds(reading: &mut Reading<'_>, node: &Node) -> Vec<String> {
    let mut seeds: Vec<String> = Vec::new();
    for value in node.all("seeds").flat_map(|child| &child.args) {
        let Some(address) = value.text() else { continue };
        if seeds.iter().any(|known| known.eq_ignore_ascii_case(address)) {
            reading.push(
                Diagnostic::error(
                    codes::DUPLICATE,
                    format!("{address} would get two copies"),
                    value.span,
                )
                .label("once more")
                .help("name each mailbox once"),
            );
            continue;
        }
        seeds.push(address.to_owned());
    }
    seeds
}

/// A wait in a property; one that cannot be read is reported elsewhere.
pub(super) fn delay(node: &Node, name: &str) -> Option<Delay> {
    Delay::parse(node.prop_text(name)?).ok()
}
