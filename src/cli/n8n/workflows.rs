//! Workflows in n8n's import format. Ids are made of names, so an export changes only where
//! the rules have changed, and a second import replaces the first.

use serde_json::{Map, Value, json};
use sha2::{Digest as _, Sha256};

use super::code;
use crate::model::rules::{Endpoint, Event};
use crate::serve::curl;

/// The variable in which n8n finds rulerun.
pub(super) const BASE: &str = "RULERUN_URL";

/// A node of a workflow.
struct Node {
    name: &'static str,
    kind: &'static str,
    version: f64,
    parameters: Value,
    /// Fields beside the parameters.
    more: Value,
}

impl Node {
    fn new(name: &'static str, kind: &'static str, version: f64, parameters: Value) -> Self {
        Self { name, kind, version, parameters, more: json!({}) }
    }

    fn json(&self, workflow: &str, place: usize) -> Value {
        let mut node = json!({
            "id": uuid(&format!("{workflow}/{}", self.name)),
            "name": self.name,
            "type": format!("n8n-nodes-base.{}", self.kind),
            "typeVersion": self.version,
            "position": [240 * place, 300],
            "parameters": self.parameters,
        });
        if let (Value::Object(node), Value::Object(more)) = (&mut node, &self.more) {
            node.extend(more.clone());
        }
        node
    }
}

/// Takes an event: verifies, answers at once, and goes on where the answer was good.
pub(super) fn receiver(event: &Event, path: &str, script: &str) -> Value {
    let name = format!("rulerun event {}", event.name);
    let hook = json!({
        "httpMethod": "POST", "path": path, "responseMode": "responseNode",
        "options": { "rawBody": true },
    });
    let answer = json!({
        "respondWith": "json",
        "responseBody": "={{ JSON.stringify($json.answer) }}",
        "options": { "responseCode": "={{ $json.status }}" },
    });
    let signed = json!({
        "conditions": {
            "options": { "caseSensitive": true, "leftValue": "", "typeValidation": "strict", "version": 2 },
            "combinator": "and",
            "conditions": [{
                "id": uuid(&format!("{name}/condition")),
                "leftValue": "={{ $('Verify').item.json.verified }}", "rightValue": "",
                "operator": { "type": "boolean", "operation": "true", "singleValue": true },
            }],
        },
        "options": {},
    });
    let mut webhook = Node::new("Webhook", "webhook", 2.0, hook);
    webhook.more = json!({ "webhookId": uuid(&format!("{name}/webhook")) });
    let nodes = [
        webhook,
        Node::new("Verify", "code", 2.0, json!({ "jsCode": script })),
        Node::new("Answer", "respondToWebhook", 1.1, answer),
        Node::new("Signed?", "if", 2.2, signed),
        Node::new("Your steps begin here", "noOp", 1.0, json!({})),
    ];
    workflow(&name, &nodes, &[(0, 1), (1, 2), (2, 3), (3, 4)])
}

/// Calls an endpoint: signs what comes in from another workflow (or the example), and sends
/// the very bytes that were signed.
pub(super) fn callback(endpoint: &Endpoint, base: &str, script: &str) -> Value {
    let name = format!("rulerun callback {}", endpoint.full_name());
    let mut send = Node::new("Call rulerun", "httpRequest", 4.2, request(endpoint, base));
    // The same bytes again within seconds are the same call, which counts once.
    send.more = json!({ "retryOnFail": true, "maxTries": 3, "waitBetweenTries": 5000 });
    let nodes = [
        Node::new(
            "When called",
            "executeWorkflowTrigger",
            1.1,
            json!({ "inputSource": "passthrough" }),
        ),
        Node::new("When tried out", "manualTrigger", 1.0, json!({})),
        Node::new("Sign", "code", 2.0, json!({ "jsCode": script })),
        send,
    ];
    workflow(&name, &nodes, &[(0, 2), (1, 2), (2, 3)])
}

fn request(endpoint: &Endpoint, base: &str) -> Value {
    let key = code::variables(endpoint.keys.get(..1).unwrap_or_default());
    let key =
        (!key.is_empty()).then(|| format!("{{{{ encodeURIComponent({}) }}}}", code::first(&key)));
    let path = endpoint.group.paths.first().map_or("", String::as_str);
    let host = format!("{{{{ {} || {} }}}}", code::env(BASE), json!(base));
    let mut headers: Vec<Value> = Vec::new();
    for (name, secret) in &endpoint.access.headers {
        // Several values of one header rotate; the first one is current.
        if headers.iter().any(|known| known["name"] == name.as_str()) {
            continue;
        }
        let names = code::variables(std::slice::from_ref(secret));
        headers
            .push(json!({ "name": name, "value": format!("={{{{ {} }}}}", code::first(&names)) }));
    }
    for name in code::signed_headers(endpoint) {
        let value = format!("={{{{ $json.headers[{}] }}}}", json!(name));
        headers.push(json!({ "name": name, "value": value }));
    }
    let mut request = json!({
        "method": curl::method(endpoint),
        "url": format!("={}", curl::address(&host, path, &endpoint.name, key.as_deref())),
        "sendHeaders": true,
        "headerParameters": { "parameters": headers },
        "options": {},
    });
    if request["method"] != "GET" {
        request["sendBody"] = json!(true);
        request["contentType"] = json!("raw");
        request["rawContentType"] = json!("application/json");
        request["body"] = json!("={{ $json.body }}");
    }
    request
}

/// A workflow of these nodes, each arrow from one to another.
fn workflow(name: &str, nodes: &[Node], arrows: &[(usize, usize)]) -> Value {
    let mut connections = Map::new();
    for (from, to) in arrows {
        let to = json!({ "node": nodes[*to].name, "type": "main", "index": 0 });
        connections.insert(nodes[*from].name.to_owned(), json!({ "main": [[to]] }));
    }
    json!({
        "id": hash(name)[..16],
        "name": name,
        "active": false,
        "nodes": nodes.iter().enumerate().map(|(place, node)| node.json(name, place)).collect::<Vec<_>>(),
        "connections": connections,
        "settings": { "executionOrder": "v1" },
        "pinData": {},
    })
}

/// A name as 64 hexadecimal digits.
pub(super) fn hash(name: &str) -> String {
    hex::encode(Sha256::digest(name.as_bytes()))
}

/// A name in the form of a UUID.
fn uuid(name: &str) -> String {
    let hash = hash(name);
    format!(
        "{}-{}-4{}-8{}-{}",
        &hash[..8],
        &hash[8..12],
        &hash[13..16],
        &hash[17..20],
        &hash[20..32]
    )
}
