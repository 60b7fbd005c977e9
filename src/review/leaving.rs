//! What must be right before real e-mail leaves this machine. None of it matters while
//! e-mails are captured or go to a mail server next door, so nobody is asked before.

use super::hosts;
use super::lint;
use crate::base::{Diagnostic, Severity, Span};
use crate::language::codes;
use crate::model::rules::{EmailText, MailKind, RuleSet};

/// The mail service through which real e-mail leaves, and what is known of the surroundings.
#[derive(Clone, Copy, Debug)]
pub struct Outside<'a> {
    /// The rules.
    pub rules: &'a RuleSet,
    /// Where the service is declared.
    pub service: Span,
    /// The address of its mail server.
    pub server: &'a str,
    /// The outside address of rulerun.
    pub public_url: &'a str,
}

/// Everything that speaks against letting real e-mail leave.
#[must_use]
pub fn leaving(outside: &Outside<'_>) -> Vec<Diagnostic> {
    let rules = outside.rules;
    let mut found = Vec::new();
    let marketing = rules.sequences.values().any(|one| one.kind == MailKind::Marketing);
    let told = |severity: Severity, message: &str, help: &str| Diagnostic {
        severity,
        ..Diagnostic::error(codes::REAL_MAIL, message, outside.service)
            .label("real e-mail leaves here")
            .help(help)
    };
    if marketing && !outside.public_url.starts_with("https://") {
        found.push(told(
            Severity::Error,
            "unsubscribe links need an https address",
            "set `public-url` (PUBLIC_URL) to the https address under which people reach this server",
        ));
    }
    if outside.server.starts_with("http://") {
        found.push(told(
            Severity::Error,
            "e-mail and the key to the provider's account would leave this machine unencrypted",
            "begin the service's `url` with https://, or take `url` away",
        ));
    }
    if outside.server.contains("tls=none") {
        found.push(told(
            Severity::Warning,
            "e-mail leaves this machine unencrypted",
            "take `tls=none` out of the mail server's address: large providers mark such mail as \
             unsafe, and whoever passes it on can read it",
        ));
    }
    found.extend(sender(rules, marketing, told));
    for sequence in rules.sequences.values() {
        for step in &sequence.steps {
            for said in step.action.wordings() {
                found.extend(example_links(said.body));
            }
        }
    }
    // Several wordings may have a text in common.
    found.sort_by_key(|one| one.span);
    found.dedup();
    found.extend(
        lint::placeholders(rules)
            .into_iter()
            .map(|one| Diagnostic { severity: Severity::Error, ..one }),
    );
    found
}

fn sender(
    rules: &RuleSet,
    marketing: bool,
    told: impl Fn(Severity, &str, &str) -> Diagnostic,
) -> Option<Diagnostic> {
    let (message, help) = match &rules.sender {
        None => {
            ("no `sender` is declared", "add sender \"Name <you@your-domain>\" to your settings")
        }
        Some(sender) if is_example_address(&sender.address) => {
            ("the sender is still an example address", "put your own address into `sender`")
        }
        Some(sender) if marketing && sender.postal_address.is_none() => {
            ("marketing e-mail must show a postal address", "add `postal-address` to `sender`")
        }
        Some(_) => return None,
    };
    Some(told(Severity::Error, message, help))
}

fn is_example_address(address: &str) -> bool {
    address.rsplit_once('@').is_some_and(|(_, domain)| hosts::is_example(domain))
}

/// Links of a text to domains that belong to nobody, each at its place.
fn example_links(body: &EmailText) -> Vec<Diagnostic> {
    let text = body.template.source();
    let mut found = Vec::new();
    for (at, _) in text.match_indices("://") {
        let start = text[..at].rfind(|letter: char| !letter.is_ascii_alphabetic());
        let start = start.map_or(0, |before| next_letter(text, before));
        let end = text[at..]
            .find(|letter: char| letter.is_whitespace() || matches!(letter, ')' | '>' | '"' | ']'));
        let end = end.map_or(text.len(), |length| at + length);
        let Some(url) = text.get(start..end) else { continue };
        if let Some((host, _)) = hosts::host(url).filter(|(host, _)| hosts::is_example(host)) {
            let message = format!("{} still links to {host}", body.path);
            found.push(
                Diagnostic::error(codes::REAL_MAIL, message, Span::new(body.file, start..end))
                    .label("leads nowhere")
                    .help("put your own address into the text before real e-mail leaves"),
            );
        }
    }
    found
}

/// Where the letter behind the one at this place begins.
fn next_letter(text: &str, at: usize) -> usize {
    text[at..].chars().next().map_or(at, |letter| at + letter.len_utf8())
}
