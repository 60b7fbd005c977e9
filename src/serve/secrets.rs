//! Secrets that keep nobody out: those that can be guessed, and those whose file everybody on
//! the machine can read. They are told by `rulerun validate`, at the start and after every
//! edit; the API's token alone is refused, where others can reach it.

use std::collections::BTreeSet;

use crate::base::{Diagnostic, Secret, Span};
use crate::language::codes;
use crate::model::rules::RuleSet;
use crate::model::setting::Source;
use crate::model::{Lookup, Setting};

/// A secret of fewer letters can be tried out.
const SHORTEST: usize = 16;
/// A secret of fewer different letters can be guessed.
const FEWEST_LETTERS: usize = 6;

/// A name of fewer letters is in many a secret by chance.
const SHORTEST_NAME: usize = 4;

/// A secret of the rules.
struct Kept<'a> {
    setting: &'a Setting<Secret>,
    /// Whose it is, after "the": "key of `shop/order`".
    what: String,
    /// Where it belongs to, if it has no place of its own.
    span: Span,
    /// Whether it proves somebody to us or us to somebody: then people choose it. What another
    /// service hands out is as it is.
    chosen: bool,
    /// A name that it may not hold.
    name: &'a str,
}

/// Warnings about secrets that keep nobody out. The secrets are never shown.
#[must_use]
pub fn weak(rules: &RuleSet, lookup: &dyn Lookup) -> Vec<Diagnostic> {
    let mut found: Vec<Diagnostic> = Vec::new();
    for kept in all(rules) {
        let span = kept.setting.span.unwrap_or(kept.span);
        let value = kept.setting.resolve(lookup).ok().flatten().filter(|_| kept.chosen);
        let guessed = value.and_then(|secret| weakness(&secret, kept.name));
        let guessed = guessed.map(|why| {
            let message = format!("the {} can be guessed: {why}", kept.what);
            (message, "`rulerun secret` makes one that nobody can guess".to_owned())
        });
        let files = kept.setting.sources.iter().filter_map(|source| match source {
            Source::File(path) if lookup.is_open(path) => Some(path),
            _ => None,
        });
        let open = files.map(|path| {
            let message = format!("the {} can be read by everybody on this machine", kept.what);
            (message, format!("take that right away: chmod o-rwx {path}"))
        });
        for (message, help) in guessed.into_iter().chain(open) {
            let told =
                Diagnostic::warning(codes::WEAK_KEY, message, span).label("its value").help(help);
            // What stands at a group belongs to each of its endpoints.
            if !found.iter().any(|known| known.span == span && known.help == told.help) {
                found.push(told);
            }
        }
    }
    found
}

/// Whether a secret is so short that it can be tried out.
#[must_use]
pub fn is_short(secret: &Secret) -> bool {
    secret.expose().chars().count() < SHORTEST
}

/// Every secret of the rules.
fn all(rules: &RuleSet) -> Vec<Kept<'_>> {
    let mut all = Vec::new();
    let mut add = |setting, what: String, span, chosen, name| {
        all.push(Kept { setting, what, span, chosen, name });
    };
    for endpoint in &rules.endpoints {
        let (full, span) = (endpoint.full_name(), endpoint.span);
        for key in &endpoint.keys {
            add(key, format!("key of `{full}`"), span, true, endpoint.name.as_str());
        }
        for (header, value) in &endpoint.access.headers {
            add(value, format!("value of `{header}` for `{full}`"), span, true, "");
        }
        for secret in endpoint.access.signatures.iter().flat_map(|rule| &rule.secrets) {
            add(secret, format!("signature secret of `{full}`"), span, true, "");
        }
    }
    for one in &rules.feedback {
        for secret in &one.secrets {
            add(secret, format!("secret of `{}`", one.name), one.span, true, "");
        }
    }
    for service in rules.services.values() {
        let (name, span) = (&service.name, service.span);
        for secret in service.sign.iter().flat_map(|sign| &sign.secrets) {
            add(secret, format!("signature secret of `{name}`"), span, true, "");
        }
        add(&service.token, format!("token of `{name}`"), span, false, "");
        for (header, value) in &service.headers {
            add(value, format!("value of `{header}` for `{name}`"), span, false, "");
        }
        if let Some(dkim) = &service.dkim {
            add(&dkim.key, format!("DKIM key of `{name}`"), dkim.span, false, "");
        }
    }
    if let Some(token) = &rules.server.api_token
        && let Some(span) = token.span
    {
        add(token, String::from("api-token"), span, true, "");
    }
    all
}

/// Why a secret is none.
fn weakness(secret: &Secret, name: &str) -> Option<&'static str> {
    let text = secret.expose();
    let letters: BTreeSet<char> = text.chars().collect();
    if is_short(secret) {
        Some("it is shorter than 16 letters")
    } else if letters.len() < FEWEST_LETTERS {
        Some("it repeats a few letters")
    } else if name.chars().count() >= SHORTEST_NAME
        && text.to_lowercase().contains(&name.to_lowercase())
    {
        Some("it holds the name of the endpoint")
    } else {
        None
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_short_name_is_in_many_a_secret_by_chance_and_a_longer_one_is_not() {
        let secret = Secret::new("k3rJ9xQ2mVbA7Tz5wsignup8");
        assert_eq!(weakness(&secret, "signup"), Some("it holds the name of the endpoint"));
        for name in ["", "a", "k3r", "order"] {
            assert_eq!(weakness(&secret, name), None, "{name}");
        }
    }
}
