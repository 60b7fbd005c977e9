//! The scripts of the exported workflows' Code nodes: two files of JavaScript, with what the
//! rules say filled in as JSON. No secret is filled in, only the name of its variable.

use serde_json::{Value, json};

use crate::base::Secret;
use crate::model::rules::{Endpoint, SignatureRule};
use crate::model::{Setting, Source};
use crate::serve::ingress::access;
use crate::signature::Scheme;

const VERIFY: &str = include_str!("verify.js");
const SIGN: &str = include_str!("sign.js");

/// The variable for a secret that the rules read from elsewhere than the environment.
const NAMELESS: &str = "RULERUN_SECRET";

/// The variables that hold these secrets, the current one first.
pub(super) fn variables(secrets: &[Setting<Secret>]) -> Vec<String> {
    let mut names: Vec<String> = Vec::new();
    for secret in secrets {
        let found = secret.sources.iter().filter_map(|source| match source {
            Source::Env(name) => Some(name.clone()),
            Source::File(_) => None,
        });
        names.extend(found);
    }
    if names.is_empty() && !secrets.is_empty() {
        names.push(NAMELESS.to_owned());
    }
    names.dedup();
    names
}

/// A variable as n8n's expressions and scripts read it.
pub(super) fn env(name: &str) -> String {
    let plain = name.chars().all(|c| c.is_ascii_alphanumeric() || c == '_')
        && !name.starts_with(|c: char| c.is_ascii_digit());
    if plain { format!("$env.{name}") } else { format!("$env[{}]", json!(name)) }
}

/// The first of these variables that is set.
pub(super) fn first(names: &[String]) -> String {
    names.iter().map(|name| env(name)).collect::<Vec<_>>().join(" || ")
}

/// The script that lets only signed deliveries of an event pass.
pub(super) fn verify(event: &str, schemes: &[Scheme], variables: &[String]) -> String {
    let secrets: Vec<String> = variables.iter().map(|name| env(name)).collect();
    let schemes: Vec<&str> = schemes.iter().map(|scheme| scheme.word()).collect();
    filled(
        VERIFY,
        &[
            ("event", script(&json!(event))),
            ("schemes", json!(schemes).to_string()),
            ("variables", script(&json!(variables.join(" or ")))),
            ("secrets", secrets.join(", ")),
        ],
    )
}

/// The script that signs a call of an endpoint.
pub(super) fn sign(endpoint: &Endpoint) -> String {
    let example = endpoint.payload.as_ref().map_or_else(|| json!({}), |s| s.example.clone());
    let signatures: Vec<String> = endpoint.access.signatures.iter().map(signature).collect();
    filled(
        SIGN,
        &[
            ("endpoint", script(&json!(endpoint.full_name()))),
            ("example", script(&example)),
            ("signatures", signatures.concat()),
        ],
    )
}

/// A template with a text in the place of each `/*name*/`. What is filled in is not looked at
/// again: a name of the rules may look like a place itself.
fn filled(template: &str, parts: &[(&str, String)]) -> String {
    let mut script = String::with_capacity(template.len());
    let mut rest = template;
    while let Some((before, behind)) = rest.split_once("/*") {
        script.push_str(before);
        let part = parts
            .iter()
            .find_map(|(name, part)| Some((part, behind.strip_prefix(name)?.strip_prefix("*/")?)));
        if let Some((part, behind)) = part {
            script.push_str(part);
            rest = behind;
        } else {
            script.push_str("/*");
            rest = behind;
        }
    }
    script + rest
}

/// JSON as a script has it: without the separators that end a line of JavaScript, where it may
/// stand in a comment.
fn script(value: &Value) -> String {
    format!("{value:#}").replace('\u{2028}', "\\u2028").replace('\u{2029}', "\\u2029")
}

fn signature(rule: &SignatureRule) -> String {
    let names = variables(&rule.secrets);
    let header = access::signature_headers(rule).first().copied().unwrap_or_default();
    let headers = json!({ "signature": header, "time": access::time_header(rule) });
    format!(
        "\n  {{ scheme: '{}', names: {headers}, secret: {}, variable: {} }},\n",
        rule.scheme.word(),
        first(&names),
        json!(names.join(" or ")),
    )
}

/// The headers that a signed call of an endpoint carries.
pub(super) fn signed_headers(endpoint: &Endpoint) -> Vec<String> {
    let mut names: Vec<String> = Vec::new();
    for rule in &endpoint.access.signatures {
        let header = access::signature_headers(rule).first().copied().unwrap_or_default();
        let time = access::time_header(rule);
        let of_rule: &[&str] = match rule.scheme {
            Scheme::Body | Scheme::Timestamped => &[header, time],
            Scheme::Standard => &["webhook-id", time, header],
            Scheme::Github | Scheme::Stripe => &[header],
        };
        for name in of_rule {
            if !names.iter().any(|known| known == name) {
                names.push((*name).to_owned());
            }
        }
    }
    names
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_variable_cannot_break_out_of_the_script() {
        assert_eq!(env("WEBHOOK_SECRET"), "$env.WEBHOOK_SECRET");
        assert_eq!(env("a\"]; x"), r#"$env["a\"]; x"]"#);
        let script = verify("it's", &[Scheme::Body], &[String::from("A"), String::from("B")]);
        assert!(script.contains(r#"const EVENT = "it's";"#), "{script}");
        assert!(script.contains("[$env.A, $env.B]") && script.contains(r#"["body"]"#), "{script}");
        assert!(!script.contains("/*"), "everything is filled in: {script}");
        // A name that looks like a place is a name all the same, also where lines end in it.
        let script = verify("/*secrets*/ \u{2028}x", &[Scheme::Body], &[String::from("A")]);
        assert!(script.contains(r#"const EVENT = "/*secrets*/ \u2028x";"#), "{script}");
    }

    #[test]
    fn a_secret_from_a_file_gets_a_name_of_its_own() {
        let setting = |sources| Setting { sources, fallback: None, optional: false, span: None };
        let file = setting(vec![Source::File(String::from("/run/secrets/x"))]);
        let named = setting(vec![Source::Env(String::from("NEW")), Source::Env("OLD".into())]);
        assert_eq!(variables(&[file]), [NAMELESS]);
        assert_eq!(first(&variables(&[named])), "$env.NEW || $env.OLD");
        assert!(variables(&[]).is_empty());
        assert!(variables(&[Setting::given(Secret::new("s3cret"))]) == [NAMELESS]);
    }
}
