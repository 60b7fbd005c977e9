//! Calls that are ready to be made: the address, headers, signature and example body that
//! an endpoint wants. `rulerun urls --format curl` and `rulerun serve --dev` print them as
//! `curl` lines, `rulerun call` makes them.

use std::collections::BTreeSet;

use serde_json::Value;

use crate::base::{Secret, Timestamp};
use crate::model::rules::{Action, CountsFrom, Endpoint, RuleSet, SignatureRule};
use crate::model::{Lookup, Setting, Source};
use crate::signature::{self, Scheme};

/// A call that only needs to be made.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct ReadyCall {
    /// The first method that the endpoint answers, POST where it does.
    pub method: String,
    /// Address with key.
    pub url: String,
    /// Headers, signature included.
    pub headers: Vec<(String, String)>,
    /// The body; none for a GET.
    pub body: Option<Vec<u8>>,
    /// Environment names of secrets that are not set; `<NAME>` stands in their places.
    pub missing: Vec<String>,
}

/// Makes a call of an endpoint ready, signed for the moment `now`. `base` is the server's
/// address without a trailing slash.
#[must_use]
pub fn ready(
    endpoint: &Endpoint,
    base: &str,
    lookup: &dyn Lookup,
    body: Vec<u8>,
    now: Timestamp,
) -> ReadyCall {
    let mut missing = Vec::new();
    let mut secret = |settings: &[Setting<Secret>]| {
        current(settings, lookup).map_err(|name| {
            missing.push(name.clone());
            format!("<{name}>")
        })
    };
    let key = (!endpoint.keys.is_empty()).then(|| match secret(&endpoint.keys) {
        Ok(key) => escape(key.expose()),
        Err(shown) => shown,
    });
    let path = endpoint.group.paths.first().map_or("", String::as_str);
    let url = address(base, path, &endpoint.name, key.as_deref());
    let method = method(endpoint);
    let body = (method != "GET").then_some(body);
    let mut headers = Vec::new();
    if body.is_some() {
        headers.push((String::from("Content-Type"), String::from("application/json")));
    }
    let mut named = BTreeSet::new();
    for (name, value) in &endpoint.access.headers {
        // Several values of one header rotate; the first one is current.
        if named.insert(name.to_ascii_lowercase()) {
            let value = match secret(std::slice::from_ref(value)) {
                Ok(value) => value.expose().to_owned(),
                Err(shown) => shown,
            };
            headers.push((name.clone(), value));
        }
    }
    for rule in &endpoint.access.signatures {
        let body = body.as_deref().unwrap_or_default();
        match secret(&rule.secrets) {
            Ok(signer) => headers.extend(signed(rule, &signer, body, now)),
            Err(shown) => headers.push((signature_header(rule), shown)),
        }
    }
    ReadyCall { method, url, headers, body, missing }
}

/// An example body for an endpoint: its schema's example, with the present in the fields
/// from which its sequences count, so that no e-mail of it is too late.
#[must_use]
pub fn example(rules: &RuleSet, endpoint: &Endpoint, now: Timestamp) -> Value {
    let Some(schema) = &endpoint.payload else { return Value::Object(serde_json::Map::new()) };
    let mut example = schema.example.clone();
    let present = Value::String(now.strftime("%Y-%m-%dT%H:%M:%SZ").to_string());
    for path in counted_from(rules, endpoint) {
        let pointer = format!("/{}", path.replace('.', "/"));
        if let Some(field) = example.pointer_mut(&pointer).filter(|field| field.is_string()) {
            *field = present.clone();
        }
    }
    example
}

/// The payload fields from which the sequences that an endpoint starts count.
#[must_use]
pub fn counted_from(rules: &RuleSet, endpoint: &Endpoint) -> BTreeSet<String> {
    let mut paths = BTreeSet::new();
    for step in &endpoint.steps {
        let Action::Start { sequence } = &step.action else { continue };
        let Some(sequence) = rules.sequences.get(sequence) else { continue };
        let steps = sequence.steps.iter().filter_map(|step| match &step.counts_from {
            CountsFrom::Field(field) => Some(field),
            _ => None,
        });
        for template in sequence.counts_from.iter().chain(steps) {
            paths.extend(template.paths().iter().cloned());
        }
    }
    paths
}

/// `BASE/PATH/ENDPOINT` or, with a key (escaped already), `BASE/PATH/ENDPOINT/KEY`.
#[must_use]
pub fn address(base: &str, path: &str, endpoint: &str, key: Option<&str>) -> String {
    let key = key.map(|key| format!("/{key}")).unwrap_or_default();
    format!("{base}{path}/{endpoint}{key}")
}

/// The current secret of several that rotate, or the name of the variable that would hold
/// it.
///
/// # Errors
/// The name: the secret is set nowhere.
pub fn current(settings: &[Setting<Secret>], lookup: &dyn Lookup) -> Result<Secret, String> {
    settings
        .iter()
        .find_map(|setting| setting.resolve(lookup).ok().flatten())
        .ok_or_else(|| settings.first().map_or_else(|| String::from("SECRET"), source_name))
}

/// The name under which a person knows a setting.
#[must_use]
pub fn source_name(setting: &Setting<Secret>) -> String {
    match setting.sources.first() {
        Some(Source::Env(name) | Source::File(name)) => name.clone(),
        None => String::from("SECRET"),
    }
}

/// The method that an endpoint is called with: POST where it answers that.
#[must_use]
pub fn method(endpoint: &Endpoint) -> String {
    let methods = &endpoint.methods;
    let post = methods.is_empty() || methods.iter().any(|method| method == "POST");
    if post { String::from("POST") } else { methods[0].clone() }
}

/// The header in which a rule looks for the signature.
fn signature_header(rule: &SignatureRule) -> String {
    let own = match rule.scheme {
        Scheme::Body | Scheme::Timestamped => "X-Webhook-Signature-256",
        Scheme::Standard => "webhook-signature",
        Scheme::Github => "X-Hub-Signature-256",
        Scheme::Stripe => "Stripe-Signature",
    };
    rule.headers.first().cloned().unwrap_or_else(|| own.to_owned())
}

/// The headers of a signature, under the names that the rule listens to. A time that
/// nothing signs and nobody needs is left out, so that a printed line stays good.
fn signed(
    rule: &SignatureRule,
    secret: &Secret,
    body: &[u8],
    now: Timestamp,
) -> Vec<(String, String)> {
    let id = format!("msg_{}", super::clock::new_id(now));
    let secrets = std::slice::from_ref(secret);
    let headers = signature::sign(rule.scheme, secrets, &id, now.as_second(), body);
    let body_alone = rule.scheme == Scheme::Body;
    headers
        .into_iter()
        .filter_map(|(name, value)| {
            let lower = name.to_ascii_lowercase();
            if lower.contains("signature") {
                return Some((signature_header(rule), value));
            }
            let own = if lower.contains("timestamp") {
                if body_alone && rule.time_optional {
                    return None;
                }
                rule.time_header.as_ref()
            } else {
                None
            };
            Some((own.cloned().unwrap_or_else(|| name.to_owned()), value))
        })
        .collect()
}

impl ReadyCall {
    /// The call as a `curl` command for a POSIX shell.
    #[must_use]
    pub fn line(&self) -> String {
        let mut parts = vec![format!("curl -X {} {}", self.method, quote(&self.url))];
        for (name, value) in &self.headers {
            parts.push(format!("-H {}", always_quote(&format!("{name}: {value}"))));
        }
        if let Some(body) = &self.body {
            parts.push(format!("-d {}", always_quote(&String::from_utf8_lossy(body))));
        }
        parts.join(" \\\n  ")
    }
}

/// A text as one word of a POSIX shell.
#[must_use]
pub fn quote(text: &str) -> String {
    let plain = |c: char| c.is_ascii_alphanumeric() || "/:._-~%+,@=".contains(c);
    if !text.is_empty() && text.chars().all(plain) { text.to_owned() } else { always_quote(text) }
}

/// Between single quotes nothing is special but the quote itself, which stands outside.
fn always_quote(text: &str) -> String {
    format!("'{}'", text.replace('\'', r"'\''"))
}

/// A text as one segment of an address, or one value of its query.
#[must_use]
pub fn escape(text: &str) -> String {
    let mut escaped = String::with_capacity(text.len());
    for byte in text.bytes() {
        if byte.is_ascii_alphanumeric() || b"-._~".contains(&byte) {
            escaped.push(char::from(byte));
        } else {
            escaped.push('%');
            escaped.push_str(&hex::encode_upper([byte]));
        }
    }
    escaped
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_line_survives_the_shell() {
        let call = ReadyCall {
            method: String::from("POST"),
            url: address("http://localhost:8080", "/hooks", "signup", Some(&escape("k/1"))),
            headers: vec![(String::from("Content-Type"), String::from("application/json"))],
            body: Some(br#"{"shop":"Sarah's $HOME"}"#.to_vec()),
            missing: Vec::new(),
        };
        assert_eq!(
            call.line(),
            "curl -X POST http://localhost:8080/hooks/signup/k%2F1 \\\n  \
             -H 'Content-Type: application/json' \\\n  \
             -d '{\"shop\":\"Sarah'\\''s $HOME\"}'"
        );
    }

    #[test]
    fn only_what_a_shell_would_read_is_quoted() {
        assert_eq!(quote("http://localhost/a-b"), "http://localhost/a-b");
        assert_eq!(quote("http://localhost/<KEY>"), "'http://localhost/<KEY>'");
        assert_eq!(quote(""), "''");
    }

    #[test]
    fn an_address_escapes_what_would_change_it() {
        assert_eq!(escape("a b/ü?"), "a%20b%2F%C3%BC%3F");
    }
}
