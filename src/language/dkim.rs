//! `dkim`: how e-mails through a mail service are signed, and whether that domain is the one
//! that people see as the sender.

use super::codes;
use super::reading::Reading;
use super::tree::Node;
use crate::base::{Diagnostic, Secret};
use crate::model::Setting;
use crate::model::rules::{DkimRule, Sender};

/// Decodes the `dkim` of a service.
pub(super) fn dkim(reading: &mut Reading<'_>, service: &Node) -> Option<DkimRule> {
    let node = service.child("dkim")?;
    let key = reading.prop_setting::<Secret>(node, "key", true);
    if key.is_none() {
        reading.push(
            Diagnostic::error(codes::MISSING, "`dkim` has no key", node.head())
                .label("`key=` is missing")
                .help("write key=(file)\"dkim.pem\", or key=(env)\"NAME\""),
        );
    }
    Some(DkimRule {
        domain: node.prop_text("domain")?.to_owned(),
        selector: node.prop_text("selector")?.to_owned(),
        key: key.unwrap_or_else(Setting::none),
        span: node.head(),
    })
}

/// Mailbox providers ask that the domain that signs is the one of the sender's address.
pub(super) fn alignment(reading: &mut Reading<'_>, sender: Option<&Sender>) {
    let Some((_, domain)) = sender.and_then(|sender| sender.address.rsplit_once('@')) else {
        return;
    };
    let services: Vec<_> = reading.services.values().cloned().collect();
    for dkim in services.iter().filter_map(|service| service.dkim.as_ref()) {
        if is_aligned(&dkim.domain.to_ascii_lowercase(), &domain.to_ascii_lowercase()) {
            continue;
        }
        let found = Diagnostic::warning(
            codes::DKIM_NOT_ALIGNED,
            format!("e-mails are from {domain}, but signed by {}", dkim.domain),
            dkim.span,
        )
        .label("another domain")
        .help(format!("sign with a key of {domain}, or write a sender address of {}", dkim.domain));
        reading.push(found);
    }
}

/// Whether both belong to one owner: one lies within the other, or they share what is not
/// just an ending such as `co.uk`.
fn is_aligned(one: &str, other: &str) -> bool {
    let within = |inner: &str, outer: &str| {
        inner == outer || inner.strip_suffix(outer).is_some_and(|rest| rest.ends_with('.'))
    };
    let owner = |name: &str| {
        let mut labels: Vec<&str> = name.rsplit('.').collect();
        let short = labels.get(1).is_some_and(|label| label.len() <= 3);
        labels.truncate(if short { 3 } else { 2 });
        labels.join(".")
    };
    within(one, other) || within(other, one) || owner(one) == owner(other)
}

#[cfg(test)]
mod tests {
    use super::is_aligned;

    #[test]
    fn domains_of_one_owner_are_aligned() {
        for (one, other, aligned) in [
            ("example.com", "example.com", true),
            ("example.com", "mail.example.com", true),
            ("news.example.com", "mail.example.com", true),
            ("example.com", "example.org", false),
            ("notexample.com", "example.com", false),
            ("salon.co.uk", "acme.co.uk", false),
            ("mail.acme.co.uk", "acme.co.uk", true),
            ("a.acme.co.uk", "b.acme.co.uk", true),
        ] {
            assert_eq!(is_aligned(one, other), aligned, "{one} {other}");
        }
    }
}
