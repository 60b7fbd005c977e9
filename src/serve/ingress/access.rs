//! Who may call: addresses, headers, signatures. Every check that stands in the rules must
//! hold; an error names the check and never what was expected.

use std::net::IpAddr;

use hyper::HeaderMap;

use crate::model::rules::SignatureRule;
use crate::model::setting::Network;
use crate::serve::settings::LiveEndpoint;
use crate::signature::{self, Presented, Scheme, Verified};

/// Why a call may not come in.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Denied {
    /// 401 or 403.
    pub status: u16,
    /// For the caller.
    pub message: String,
}

/// Signatures that held, each with its rule.
pub type Proofs<'a> = Vec<(&'a SignatureRule, Verified)>;

/// The header in which most proxies say whom they pass a call on for.
const BY_MOST: &str = "x-forwarded-for";
/// The one of RFC 7239.
const BY_RFC: &str = "forwarded";

/// The address of the caller: the peer's, or what trusted proxies say, from the right. They say
/// it in `X-Forwarded-For`; only where that is missing, in `Forwarded` (RFC 7239).
#[must_use]
pub fn client(peer: IpAddr, headers: &HeaderMap, proxies: &[Network]) -> IpAddr {
    let header = if headers.contains_key(BY_MOST) { BY_MOST } else { BY_RFC };
    client_in(header, peer, headers, proxies)
}

/// Whether trusted proxies name one caller in `X-Forwarded-For` and another in `Forwarded`: one
/// of the two came from outside and was passed on unseen, and nobody can tell which. A
/// `Forwarded` that names nobody, as `proto=https` alone, contradicts nothing.
#[must_use]
pub fn is_contested(peer: IpAddr, headers: &HeaderMap, proxies: &[Network]) -> bool {
    let client = |header| client_in(header, peer, headers, proxies);
    headers.contains_key(BY_MOST)
        && hops(BY_RFC, headers).iter().any(Option::is_some)
        && client(BY_MOST) != client(BY_RFC)
}

/// The caller as one of the headers tells it.
fn client_in(header: &str, peer: IpAddr, headers: &HeaderMap, proxies: &[Network]) -> IpAddr {
    let trusted = |address: IpAddr| proxies.iter().any(|network| network.contains(address));
    let mut client = peer.to_canonical();
    if !trusted(client) {
        return client;
    }
    for hop in hops(header, headers).into_iter().rev() {
        // What cannot be read cannot be trusted: the last known hop stays.
        let Some(address) = hop.and_then(hop_address) else { break };
        client = address.to_canonical();
        if !trusted(client) {
            break;
        }
    }
    client
}

/// Everybody who passed the call on, as written, the nearest last; none for one that cannot be
/// read.
fn hops<'a>(header: &str, headers: &'a HeaderMap) -> Vec<Option<&'a str>> {
    let lines = headers.get_all(header).iter().map(|line| line.to_str().ok());
    let parts = lines.flat_map(|line| match line {
        Some(line) => line.split(',').map(Some).collect(),
        None => vec![None],
    });
    let bare = header == BY_MOST;
    parts.map(|hop| if bare { hop } else { hop.and_then(passed_for) }).collect()
}

/// Whom a hop of a `Forwarded` header passed the call on for.
fn passed_for(hop: &str) -> Option<&str> {
    let mut pairs = hop.split(';').filter_map(|pair| pair.split_once('='));
    pairs.find(|(name, _)| name.trim().eq_ignore_ascii_case("for")).map(|(_, value)| value)
}

/// An address, bare, in quotes or brackets, with or without a port.
fn hop_address(text: &str) -> Option<IpAddr> {
    let text = text.trim().trim_matches('"');
    text.trim_matches(['[', ']'])
        .parse()
        .ok()
        .or_else(|| Some(text.parse::<std::net::SocketAddr>().ok()?.ip()))
}

/// Checks the address, which may be [contested](is_contested), and the headers: what can be
/// known before the body is read.
///
/// # Errors
/// The first check that does not hold.
pub fn check_caller(
    endpoint: &LiveEndpoint,
    client: IpAddr,
    contested: bool,
    headers: &HeaderMap,
) -> Result<(), Denied> {
    if contested && !endpoint.networks.is_empty() {
        let message = String::from("X-Forwarded-For and Forwarded name different callers.");
        return Err(Denied { status: 403, message });
    }
    for networks in &endpoint.networks {
        if !networks.iter().any(|network| network.contains(client)) {
            let message = String::from("This address may not call this endpoint.");
            return Err(Denied { status: 403, message });
        }
    }
    for (name, secrets) in &endpoint.headers {
        let given = headers.get(name).and_then(|value| value.to_str().ok()).unwrap_or_default();
        // Every secret is compared, so that time tells nothing about which one is near.
        let fits = secrets.iter().fold(false, |fits, secret| fits | secret.matches(given));
        if !fits {
            let what = if headers.contains_key(name) { "Invalid" } else { "Missing" };
            return Err(Denied { status: 401, message: format!("{what} header: {name}") });
        }
    }
    Ok(())
}

/// Checks every signature over the raw body.
///
/// # Errors
/// The first signature that does not hold.
pub fn check_signatures<'a>(
    endpoint: &'a LiveEndpoint,
    headers: &HeaderMap,
    body: &[u8],
    now_seconds: i64,
) -> Result<Proofs<'a>, Denied> {
    let rules = endpoint.rule.access.signatures.iter().zip(&endpoint.signatures);
    rules
        .map(|(rule, secrets)| {
            let text = |name: &str| headers.get(name).and_then(|value| value.to_str().ok());
            let presented = Presented {
                signature: signature_headers(rule).iter().find_map(|name| text(name)),
                timestamp: text(time_header(rule)),
                id: text("webhook-id"),
            };
            let max_age = i64::try_from(rule.max_age.to_duration().as_secs()).unwrap_or(i64::MAX);
            signature::verify(
                rule.scheme,
                secrets,
                &presented,
                body,
                now_seconds,
                max_age,
                rule.time_optional,
            )
            .map(|verified| (rule, verified))
            .map_err(|fault| Denied { status: 401, message: fault.message })
        })
        .collect()
}

/// The names under which a rule looks for the signature.
#[must_use]
pub fn signature_headers(rule: &SignatureRule) -> Vec<&str> {
    if !rule.headers.is_empty() {
        return rule.headers.iter().map(String::as_str).collect();
    }
    vec![match rule.scheme {
        Scheme::Body | Scheme::Timestamped => "x-webhook-signature-256",
        Scheme::Standard => "webhook-signature",
        Scheme::Github => "x-hub-signature-256",
        Scheme::Stripe => "stripe-signature",
    }]
}

/// The name under which a rule looks for the time. The schemes of GitHub and Stripe have no
/// such header of their own.
#[must_use]
pub fn time_header(rule: &SignatureRule) -> &str {
    rule.time_header.as_deref().unwrap_or(match rule.scheme {
        Scheme::Standard => "webhook-timestamp",
        _ => "x-webhook-timestamp",
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    fn forwarded(text: &'static str) -> HeaderMap {
        let mut headers = HeaderMap::new();
        headers.insert("x-forwarded-for", text.parse().expect("a header"));
        headers
    }

    #[test]
    fn only_two_headers_that_name_callers_can_contradict_each_other() {
        use crate::model::FromText as _;
        let proxies = [Network::from_text("10.0.0.0/8").expect("a network")];
        let peer: IpAddr = "10.0.0.1".parse().expect("an address");
        for (text, contested) in [
            ("proto=https;host=example.com", false),
            ("for=198.51.100.7;proto=https", false),
            ("for=203.0.113.9;proto=https", true),
            ("proto=https, For=\"203.0.113.9:4711\"", true),
            ("for=_hidden", true),
        ] {
            let mut headers = forwarded("198.51.100.7");
            headers.insert(BY_RFC, text.parse().expect("a header"));
            assert_eq!(is_contested(peer, &headers, &proxies), contested, "{text}");
        }
    }

    #[test]
    fn only_a_trusted_proxy_is_believed_and_only_from_the_right() {
        use crate::model::FromText as _;
        let proxies = [Network::from_text("10.0.0.0/8").expect("a network")];
        let ip = |text: &str| text.parse::<IpAddr>().expect("an address");
        let spoofed = forwarded("10.0.0.5, 203.0.113.9, 10.1.1.1");
        assert_eq!(client(ip("198.51.100.7"), &spoofed, &proxies), ip("198.51.100.7"));
        assert_eq!(client(ip("10.0.0.1"), &spoofed, &proxies), ip("203.0.113.9"));
        assert_eq!(
            client(ip("10.0.0.1"), &forwarded("junk, 203.0.113.9"), &proxies),
            ip("203.0.113.9")
        );
        assert_eq!(
            client(ip("::ffff:10.0.0.1"), &forwarded("203.0.113.9"), &proxies),
            ip("203.0.113.9")
        );
    }
}
