//! Checks that need to know where rulerun runs and whom it really talks to: a setting that
//! is harmless on a laptop may not leave for the world.

use crate::base::Diagnostic;
use crate::model::rules::{RuleSet, Service};
use crate::model::{Lookup, Setting};
use crate::review::{self, Outside};
use crate::serve::secrets;
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
    if !is_loopback(&live.listen) {
        let mend = match &live.api_token {
            None => Some(
                "no credentials are set. Add `api-token (env)\"RULERUN_API_TOKEN\"` to `server`",
            ),
            Some(token) if secrets::is_short(token) => Some(
                "its api-token has fewer than 16 letters and can be guessed. Set one that \
                 `rulerun secret` has made",
            ),
            Some(_) => None,
        };
        if let Some(mend) = mend {
            return Some(format!(
                "rulerun would listen on {}, where others can reach its API, but {mend}, or listen \
                 on 127.0.0.1.",
                live.listen
            ));
        }
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
    let services = live.services.values().filter(|service| service.enabled);
    let services = services.filter_map(|service| Some((&*service.rule, service.mail_url()?)));
    leaving_through(&live.rules, services, &live.public_url)
}

/// The same before rules are made live: what is set in the environment counts, what is
/// missing there is for the start of the server to say.
#[must_use]
pub fn real_mail_of(rules: &RuleSet, lookup: &dyn Lookup) -> Vec<Diagnostic> {
    let set = |setting: &Setting<String>| setting.resolve(lookup).ok().flatten();
    let urls: Vec<(&Service, String)> = rules
        .services
        .values()
        .filter(|service| !matches!(service.enabled.resolve(lookup), Ok(Some(false))))
        .filter(|service| {
            let token = || service.token.resolve(lookup).ok().flatten();
            !service.kind.is_mail_provider() || token().is_some()
        })
        .filter_map(|service| Some((&**service, set(&service.url)?)))
        .collect();
    let services = urls.iter().map(|(service, url)| (*service, url.as_str()));
    leaving_through(rules, services, &set(&rules.server.public_url).unwrap_or_default())
}

/// What speaks against real mail, if one of these services lets it leave.
fn leaving_through<'a>(
    rules: &RuleSet,
    mut services: impl Iterator<Item = (&'a Service, &'a str)>,
    public_url: &str,
) -> Vec<Diagnostic> {
    let leaves = |(service, url): &(&Service, &str)| service.kind.is_mail() && !is_loopback(url);
    services.find(leaves).map_or_else(Vec::new, |(service, server)| {
        review::leaving(&Outside { rules, service: service.span, server, public_url })
    })
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
