//! Who may call an endpoint, in OpenAPI's words: each header with a key and each signature is
//! a security scheme. Several checks must hold together; of several names of one header any
//! will do.

use serde_json::{Map, Value, json};

use super::{Document, identifier};
use crate::model::rules::{Endpoint, SignatureRule};
use crate::serve::curl;
use crate::serve::ingress::access::{signature_headers, time_header};
use crate::signature::Scheme;

/// Declares the schemes of an endpoint and answers what a call needs: any of the list, and of
/// it everything. An empty one needs nothing.
pub(super) fn of(endpoint: &Endpoint, document: &mut Document) -> Value {
    let mut needs: Vec<Map<String, Value>> = vec![Map::new()];
    let mut both = |names: &[String]| {
        needs = needs
            .iter()
            .flat_map(|need| {
                names.iter().map(|name| {
                    let mut need = need.clone();
                    need.insert(name.clone(), json!([]));
                    need
                })
            })
            .collect();
    };
    for (header, secret) in &endpoint.access.headers {
        let name = identifier(&format!("header.{header}"));
        let about = format!("The value of {}.", curl::source_name(secret));
        document.security.entry(name.clone()).or_insert_with(|| api_key(header, &about));
        both(&[name]);
    }
    for rule in &endpoint.access.signatures {
        let names: Vec<String> = signature_headers(rule)
            .iter()
            .map(|header| {
                let name = identifier(&format!("signature.{}.{header}", rule.scheme.word()));
                let about = about(rule);
                document.security.entry(name.clone()).or_insert_with(|| api_key(header, &about));
                name
            })
            .collect();
        both(&names);
    }
    if needs.len() == 1 && needs[0].is_empty() { json!([]) } else { json!(needs) }
}

fn api_key(header: &str, about: &str) -> Value {
    json!({ "type": "apiKey", "in": "header", "name": header, "description": about })
}

/// The headers that go with the signatures of an endpoint.
pub(super) fn headers(endpoint: &Endpoint) -> Vec<Value> {
    let mut told: Vec<Value> = Vec::new();
    let mut add = |name: &str, about: &str, required: bool, schema: Value| {
        if !told.iter().any(|known| known["name"] == name) {
            told.push(json!({
                "name": name, "in": "header", "required": required, "description": about,
                "schema": schema,
            }));
        }
    };
    for rule in &endpoint.access.signatures {
        let seconds = json!({ "type": "string", "pattern": "^[0-9]{10}$" });
        if rule.scheme == Scheme::Standard {
            let about = "An id that stays the same when the call is repeated.";
            add("webhook-id", about, true, json!({ "type": "string", "minLength": 1 }));
        }
        if !matches!(rule.scheme, Scheme::Github | Scheme::Stripe) {
            let about = "When the call is made, in seconds since 1970.";
            add(time_header(rule), about, !rule.time_optional, seconds);
        }
    }
    told
}

/// How a signature is made.
fn about(rule: &SignatureRule) -> String {
    let secrets: Vec<String> = rule.secrets.iter().map(curl::source_name).collect();
    let secret = secrets.join(" or ");
    let time = time_header(rule);
    let age = rule.max_age;
    match rule.scheme {
        Scheme::Body => format!(
            "The HMAC-SHA256 of the raw body with the secret {secret}, in hexadecimal digits. A time in `{time}` may be at most {age} off."
        ),
        Scheme::Timestamped => format!(
            "The HMAC-SHA256 of `TIME.BODY` with the secret {secret}, in hexadecimal digits; TIME is the value of `{time}`, at most {age} off."
        ),
        Scheme::Standard => format!(
            "Standard Webhooks: `v1,` and the HMAC-SHA256 of `ID.TIME.BODY` with the secret {secret} in base64; ID and TIME are the values of `webhook-id` and `{time}`, the time at most {age} off."
        ),
        Scheme::Github => format!(
            "As GitHub signs: `sha256=` and the HMAC-SHA256 of the raw body with the secret {secret}, in hexadecimal digits."
        ),
        Scheme::Stripe => format!(
            "As Stripe signs: `t=TIME,v1=` and the HMAC-SHA256 of `TIME.BODY` with the secret {secret}, in hexadecimal digits; at most {age} off."
        ),
    }
}
