//! Who may read and steer. With an `api-token` in the rules: whoever carries it. Without
//! one: only a program on this machine that talks to a server that only this machine can
//! reach, and never through a proxy, because a proxy makes everybody look local.

use std::sync::Arc;

use axum::extract::{Request, State};
use axum::http::{HeaderMap, StatusCode, Version, header};
use axum::middleware::Next;
use axum::response::{IntoResponse as _, Response};

use super::Peer;
use super::answer::Fault;
use crate::serve::app::App;
use crate::serve::checks;
use crate::serve::settings::Live;

/// Lets a request through to its handler, or answers 401 or 403.
pub(super) async fn guard(State(app): State<Arc<App>>, request: Request, next: Next) -> Response {
    let peer = request.extensions().get::<Peer>().copied();
    match check(&app.live.load(), request.version(), request.headers(), peer) {
        Ok(()) => next.run(request).await,
        Err(fault) => fault.into_response(),
    }
}

fn check(
    live: &Live,
    version: Version,
    headers: &HeaderMap,
    peer: Option<Peer>,
) -> Result<(), Fault> {
    same_origin(headers)?;
    let allowed = match &live.api_token {
        Some(token) => bearer(headers).is_some_and(|given| token.matches(given)),
        // nginx as it comes passes requests on as HTTP/1.0, under our own name and without a
        // word about it; programs on this machine speak HTTP/1.1.
        // Rules that name an outside address have a proxy in front, which may say nothing at all.
        None => {
            version != Version::HTTP_10
                && checks::is_loopback(&live.public_url)
                && is_local(&live.listen, headers, peer)
        }
    };
    if allowed {
        return Ok(());
    }
    let message = match &live.api_token {
        Some(_) => {
            "This call needs the API token: send `Authorization: Bearer TOKEN` with the value of api-token in the server block of the rules."
        }
        None => {
            "Without an api-token in the server block of the rules, this call answers only on the machine itself, on a loopback address and not through a proxy (an outside public-url means that there is one)."
        }
    };
    Err(Fault::new(StatusCode::UNAUTHORIZED, message).with(header::WWW_AUTHENTICATE, "Bearer"))
}

/// A page on another site can make a browser on this machine call us; its requests carry
/// that site's origin.
fn same_origin(headers: &HeaderMap) -> Result<(), Fault> {
    let Some(origin) = headers.get(header::ORIGIN) else { return Ok(()) };
    let origin = origin.to_str().unwrap_or_default();
    let same = host(headers).is_some_and(|host| {
        ["http://", "https://"].iter().any(|scheme| {
            origin.strip_prefix(scheme).is_some_and(|origin| origin.eq_ignore_ascii_case(host))
        })
    });
    if same {
        return Ok(());
    }
    Err(Fault::new(
        StatusCode::FORBIDDEN,
        "This call came from a web page of another site (its Origin differs from Host); call it from a program instead.",
    ))
}

/// The token that was sent, if any.
fn bearer(headers: &HeaderMap) -> Option<&str> {
    let text = headers.get(header::AUTHORIZATION)?.to_str().ok()?;
    let (scheme, token) = text.split_once(' ')?;
    scheme.eq_ignore_ascii_case("bearer").then(|| token.trim())
}

/// The one `Host` that was sent; two of them could mean different things to a proxy and us.
fn host(headers: &HeaderMap) -> Option<&str> {
    let mut given = headers.get_all(header::HOST).iter();
    let host = given.next()?.to_str().ok()?;
    given.next().is_none().then_some(host)
}

/// Whether listener, caller and address are this machine's own, with nobody in between.
fn is_local(listen: &str, headers: &HeaderMap, peer: Option<Peer>) -> bool {
    is_loopback_name(listen)
        && peer.is_some_and(|Peer(address)| address.ip().to_canonical().is_loopback())
        && host(headers).is_some_and(is_loopback_host)
        && !headers.keys().any(|name| is_forwarding(name.as_str()))
}

/// Whether a header says that somebody passed the request on. Names are in lower case.
fn is_forwarding(name: &str) -> bool {
    matches!(name, "forwarded" | "via" | "x-real-ip") || name.starts_with("x-forwarded-")
}

/// Whether an address to listen on can be reached from this machine alone.
fn is_loopback_name(listen: &str) -> bool {
    listen.parse::<std::net::SocketAddr>().map_or_else(
        |_| listen.rsplit_once(':').is_some_and(|(name, _)| name.eq_ignore_ascii_case("localhost")),
        |address| address.ip().to_canonical().is_loopback(),
    )
}

/// Whether a `Host` is one of the three names of this machine, with or without a port. Any
/// other name, even one that resolves to loopback, may belong to a web page.
fn is_loopback_host(host: &str) -> bool {
    ["localhost", "127.0.0.1", "[::1]"].into_iter().any(|name| {
        let rest = host.get(..name.len()).filter(|start| start.eq_ignore_ascii_case(name));
        rest.is_some_and(|_| match host[name.len()..].strip_prefix(':') {
            Some(port) => port.parse::<u16>().is_ok(),
            None => host.len() == name.len(),
        })
    })
}

#[cfg(test)]
mod tests {
    use super::*;
    use axum::http::{HeaderName, HeaderValue};

    fn headers(list: &[(&'static str, &'static str)]) -> HeaderMap {
        list.iter()
            .map(|(name, value)| (HeaderName::from_static(name), HeaderValue::from_static(value)))
            .collect()
    }

    fn peer(address: &str) -> Peer {
        Peer(address.parse().expect("an address"))
    }

    #[test]
    fn without_a_token_only_this_machine_itself_gets_in() {
        let local = |listen: &str, host, from: &str| {
            is_local(listen, &headers(&[("host", host)]), Some(peer(from)))
        };
        assert!(local("127.0.0.1:8080", "localhost:8080", "127.0.0.1:5000"));
        assert!(local("[::1]:8080", "[::1]:8080", "[::1]:5000"));
        assert!(local("localhost:8080", "127.0.0.1", "[::ffff:127.0.0.1]:5000"));
        assert!(!local("0.0.0.0:8080", "localhost:8080", "127.0.0.1:5000"), "open listener");
        assert!(!local("127.0.0.1:8080", "localhost:8080", "10.0.0.5:5000"), "far peer");
        assert!(
            !local("127.0.0.1:8080", "rebound.example.com:8080", "127.0.0.1:5000"),
            "rebinding"
        );
    }

    #[test]
    fn a_host_must_be_exactly_one_of_the_three_local_names() {
        for host in ["localhost", "LOCALHOST:80", "127.0.0.1:8080", "[::1]", "[::1]:8080"] {
            assert!(is_loopback_host(host), "{host}");
        }
        for host in [
            "",
            "localhost.example.com",
            "127.0.0.1.example.com",
            "localhost:",
            "localhost:80a",
            "127.0.0.2",
            "é",
            "[::1]x",
        ] {
            assert!(!is_loopback_host(host), "{host}");
        }
    }

    #[test]
    fn a_proxy_in_front_never_opens_the_api() {
        for name in ["forwarded", "x-forwarded-for", "x-forwarded-host", "x-real-ip", "via"] {
            let headers = headers(&[("host", "localhost"), (name, "x")]);
            assert!(!is_local("127.0.0.1:1", &headers, Some(peer("127.0.0.1:2"))), "{name}");
        }
        let nobody = headers(&[("host", "localhost")]);
        assert!(!is_local("127.0.0.1:1", &nobody, None), "an unknown peer is not local");
    }

    #[test]
    fn a_web_page_of_another_site_is_refused() {
        let same = |origin| {
            same_origin(&headers(&[("host", "localhost:8080"), ("origin", origin)])).is_ok()
        };
        assert!(same("http://localhost:8080"));
        for origin in ["https://evil.example.com", "null", "http://localhost:3000", ""] {
            assert!(!same(origin), "{origin}");
        }
        assert!(same_origin(&headers(&[("host", "localhost")])).is_ok(), "curl sends no origin");
    }

    #[test]
    fn the_token_is_read_from_a_bearer_header_alone() {
        assert_eq!(bearer(&headers(&[("authorization", "Bearer abc")])), Some("abc"));
        assert_eq!(bearer(&headers(&[("authorization", "bearer abc")])), Some("abc"));
        assert_eq!(bearer(&headers(&[("authorization", "Basic abc")])), None);
        assert_eq!(bearer(&headers(&[])), None);
    }
}
