//! Checks that need to know where rulerun runs and whom it really talks to: a setting that
//! is harmless on a laptop may not leave for the world.

use crate::base::Diagnostic;
use crate::model::rules::{MailKind, SequenceAction, ServiceType};
use crate::serve::settings::{Live, LiveService};

/// Whether an address of the form `host:port` or a URL is on this machine.
#[must_use]
pub fn is_loopback(address: &str) -> bool {
    let rest = address.split_once("://").map_or(address, |(_, rest)| rest);
    let rest = rest.split(['/', '?']).next().unwrap_or(rest);
    let rest = rest.rsplit_once('@').map_or(rest, |(_, host)| host);
    let host = match rest.strip_prefix('[') {
        Some(v6) => v6.split(']').next().unwrap_or(v6),
        None => rest.rsplit_once(':').map_or(rest, |(host, _)| host),
    };
    host == "localhost"
        || host
            .parse::<std::net::IpAddr>()
            .is_ok_and(|address| address.to_canonical().is_loopback())
}

/// Why nobody should be served with these settings, if so. `fast` means that waits are
/// shortened and real messages would leave at the wrong times.
#[must_use]
pub fn unsafe_to_serve(live: &Live, fast: bool) -> Option<String> {
    if !is_loopback(&live.listen) && live.api_token.is_none() {
        return Some(format!(
            "rulerun would listen on {}, where others can reach its API, but no credentials are set. \
             Add `api-token (env)\"RULERUN_API_TOKEN\"` to `server`, or listen on 127.0.0.1.",
            live.listen
        ));
    }
    let far = far_services(live);
    (fast && !far.is_empty()).then(|| {
        format!(
            "--speed would send real messages through {} at the wrong times. Point the service at this \
             machine, use --dev, or say --yes-really-send.",
            far.join(", ")
        )
    })
}

/// What real mail needs: asked only when a mail service elsewhere is set.
#[must_use]
pub fn real_mail(live: &Live) -> Vec<Diagnostic> {
    let mut found = Vec::new();
    let Some(mail) = live.services.values().find(|service| sends_real_mail(service)) else {
        return found;
    };
    let place = mail.rule.span;
    let mut error = |message: &str, help: &str| {
        found.push(
            Diagnostic::error("real-mail", message, place)
                .label("real e-mail leaves here")
                .help(help),
        );
    };
    let marketing =
        live.rules.sequences.values().any(|sequence| sequence.kind == MailKind::Marketing);
    if marketing && !live.public_url.starts_with("https://") {
        error(
            "unsubscribe links need an https address",
            "set `public-url` (PUBLIC_URL) to the https address under which people reach this server",
        );
    }
    match &live.rules.sender {
        None => error(
            "no `sender` is declared",
            "add sender \"Name <you@your-domain>\" to your settings",
        ),
        Some(sender) if sender.address.ends_with("@example.com") => {
            error("the sender is still an example address", "put your own address into `sender`");
        }
        Some(sender) if marketing && sender.postal_address.is_none() => {
            error(
                "marketing e-mail must show a postal address",
                "add `postal-address` to `sender`",
            );
        }
        Some(_) => {}
    }
    found.extend(example_links(live));
    found
}

fn sends_real_mail(service: &LiveService) -> bool {
    service.rule.kind == ServiceType::Smtp
        && service.enabled
        && service.url.as_deref().is_some_and(|url| !is_loopback(url))
}

/// Links that still lead to example.com.
fn example_links(live: &Live) -> Vec<Diagnostic> {
    let mut found = Vec::new();
    for sequence in live.rules.sequences.values() {
        for step in &sequence.steps {
            if let SequenceAction::Email { body, .. } = &step.action
                && body.template.source().contains("example.com")
            {
                let message = format!("{} still links to example.com", body.path);
                found.push(
                    Diagnostic::error("real-mail", message, step.span)
                        .label("this e-mail")
                        .help("put your own address into the text before real e-mail leaves"),
                );
            }
        }
    }
    found
}

/// Services that are not on this machine, for `--speed`. One that lacks what it needs, such
/// as a mirror without a token, gets no work and is no danger.
#[must_use]
pub fn far_services(live: &Live) -> Vec<&str> {
    let ready = |name: &str| live.outlets.get(name).is_some_and(|outlet| outlet.ready);
    let far = |service: &&std::sync::Arc<LiveService>| {
        service.enabled
            && ready(&service.rule.name)
            && service.url.as_deref().is_some_and(|url| !is_loopback(url))
    };
    live.services.values().filter(far).map(|service| service.rule.name.as_str()).collect()
}

#[cfg(test)]
mod tests {
    use super::is_loopback;

    #[test]
    fn only_this_machine_is_loopback() {
        for here in [
            "127.0.0.1:8080",
            "localhost:25",
            "[::1]:80",
            "smtp://u:p@localhost:2525?tls=none",
            "http://127.9.9.9/x",
        ] {
            assert!(is_loopback(here), "{here}");
        }
        for far in [
            "0.0.0.0:80",
            "localhost.example.com:80",
            "smtp://localhost@mail.example.com:25",
            "10.0.0.1:80",
            "[::]:80",
        ] {
            assert!(!is_loopback(far), "{far}");
        }
    }
}
