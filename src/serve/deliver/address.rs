//! Which addresses rulerun may call. A rule file (or a name server) could point a service
//! at a machine inside the network, such as a cloud's metadata address, and have rulerun
//! carry requests there. So the address that is about to be dialled is looked at, not the
//! name or its spelling: whatever `http://0x7f.1/` or a name that changes its mind turns
//! into, it is the number behind it that counts.
//!
//! Besides: what a service's `url` may hold, and how much of it may be shown.

use std::net::{IpAddr, Ipv4Addr, Ipv6Addr, SocketAddr};

use hyper::Uri;

/// Stands for what is not shown of an address.
const LEFT_OUT: &str = "…";

/// What kind of place an address is.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum AddressKind {
    /// Anyone's, on the internet.
    Public,
    /// This machine. Always allowed under its own names: n8n often runs next to rulerun.
    Loopback,
    /// Not meant to be reached over the internet, for this reason (a phrase that completes
    /// "it is …").
    Private(&'static str),
}

/// Tells what kind of place an address is. IPv6 addresses that carry an IPv4 address the
/// network would really go to (mapped and NAT64) are judged by the one inside.
#[must_use]
pub fn classify(address: IpAddr) -> AddressKind {
    match address {
        IpAddr::V4(address) => classify_v4(address),
        IpAddr::V6(address) => classify_v6(address),
    }
}

/// Lets the addresses that `host` resolved to through, or says which of them must not be
/// dialled, why, and how to allow it. One bad address refuses them all: otherwise a name that
/// resolves to a public and a private address gets to the private one by failing the first
/// connection. This machine is reached under its own names alone: any other name belongs to
/// somebody, who may have it lead here one day.
///
/// # Errors
/// A sentence that names the first offending address with the reason that [`classify`] gives.
pub fn admit(host: &str, addresses: &[SocketAddr], allow_private: bool) -> Result<(), String> {
    if allow_private {
        return Ok(());
    }
    addresses.iter().try_for_each(|address| {
        let why = match classify(address.ip()) {
            AddressKind::Public => return Ok(()),
            AddressKind::Loopback if means_this_machine(host) => return Ok(()),
            AddressKind::Loopback => "this machine's, and only localhost may lead there",
            AddressKind::Private(why) => why,
        };
        Err(format!(
            "`{host}` is refused: its address {} is {why}; write `allow-private #true` in the \
             service if rulerun may call it",
            address.ip()
        ))
    })
}

/// Whether a host can be nothing but this machine or an address that is written out: no name
/// server is asked for `localhost`, what ends in it, or what ends in a number (`127.0.0.1`,
/// `127.1`, `0x7f.1`), because no domain does.
fn means_this_machine(host: &str) -> bool {
    let last = host.rsplit('.').next().unwrap_or(host);
    let number = |text: &str| !text.is_empty() && text.bytes().all(|byte| byte.is_ascii_digit());
    let hex = last.strip_prefix("0x").or_else(|| last.strip_prefix("0X"));
    last.eq_ignore_ascii_case("localhost")
        || host.parse::<IpAddr>().is_ok()
        || number(last)
        || hex.is_some_and(|digits| digits.bytes().all(|byte| byte.is_ascii_hexdigit()))
}

/// Reads an address that is about to be called over HTTP.
///
/// # Errors
/// What is wrong with it; the address is not repeated, because it may hold a secret.
pub fn read(url: &str) -> Result<Uri, &'static str> {
    let url: Uri = url.parse().map_err(
        |_| "it is not written like one; write one such as https://n8n.example.com/webhook",
    )?;
    let authority = url.authority().map_or("", |authority| authority.as_str());
    if authority.contains('@') {
        return Err("it holds a user or a password before its `@`, which would show up in logs; \
                    send an `Authorization` header instead");
    }
    if !matches!(url.scheme_str(), Some("http" | "https")) || !names_a_place(authority) {
        return Err(
            "an address begins with http:// or https:// and a host, whose port is a number",
        );
    }
    Ok(url)
}

/// Why this cannot be the base of what is called over HTTP, if so, without repeating it. A
/// password that nobody has encoded can hold any of the signs that end a host, so what
/// stands before an `@` anywhere is taken for one.
#[must_use]
pub fn fault(base: &str) -> Option<&'static str> {
    if base.contains(['@', '#']) {
        return Some(
            "it holds an `@` or a `#`: a user and a password do not belong there, so send an \
             `Authorization` header instead; in a path write %40 and %23",
        );
    }
    read(base).err()
}

/// An address as it may be shown: scheme, host and port. The rest may be the secret of a hook,
/// and so may everything in what is no address.
#[must_use]
pub fn shown(url: &str) -> String {
    let schemes = ["http", "https", "smtp", "smtps"];
    let Some((scheme, rest)) = url.split_once("://").filter(|(scheme, _)| schemes.contains(scheme))
    else {
        return String::from(if url.is_empty() { "" } else { LEFT_OUT });
    };
    let mail = scheme.starts_with("smtp");
    // A mail server's login ends at the last `@`; elsewhere none may stand.
    let rest = match rest.rsplit_once('@') {
        Some((_, rest)) if mail => rest,
        Some(_) => LEFT_OUT,
        None => rest,
    };
    let (place, more) = rest.split_at(rest.find(['/', '?', '#']).unwrap_or(rest.len()));
    if !names_a_place(place) {
        return format!("{scheme}://{LEFT_OUT}");
    }
    let whole = mail || more.trim_matches('/').is_empty();
    format!("{scheme}://{place}{}", if whole { "" } else { "/…" })
}

/// The address of a path below a base address. What stands behind the `?` of the base, such as
/// `?token=…`, stays behind it.
#[must_use]
pub fn below(base: &str, path: &str) -> String {
    let (place, query) = base.split_at(base.find('?').unwrap_or(base.len()));
    format!("{}{path}{query}", place.trim_end_matches('/'))
}

/// What of a base address is not shown: its path, such as `/services/T00/B00/x`, and what is
/// asked behind it.
pub fn hidden(base: &str) -> impl Iterator<Item = &str> {
    let rest = base.split_once("://").map_or(base, |(_, rest)| rest);
    let parts = rest.find(['/', '?']).map_or("", |start| &rest[start..]);
    parts.split('?').filter(|part| part.len() > 1)
}

/// Whether this is a host, with or without a port that is a number.
fn names_a_place(text: &str) -> bool {
    let plain = |byte: u8| byte.is_ascii_alphanumeric() || b".-_:[]".contains(&byte);
    let port = match text.rsplit_once(':') {
        Some((host, port)) if !port.ends_with(']') => {
            !host.is_empty() && port.parse::<u16>().is_ok()
        }
        _ => !text.is_empty(),
    };
    port && text.bytes().all(plain)
}

fn classify_v4(address: Ipv4Addr) -> AddressKind {
    use AddressKind::{Loopback, Private, Public};
    match address.octets() {
        [127, ..] => Loopback,
        [0, ..] => Private("an unspecified address (0.0.0.0/8)"),
        [10, ..] | [172, 16..=31, ..] | [192, 168, ..] => Private("a private address (RFC 1918)"),
        [100, 64..=127, ..] => Private("a carrier's internal address (100.64.0.0/10)"),
        [169, 254, ..] => Private("a link-local address (169.254.0.0/16)"),
        [192, 0, 0, _] => Private("a protocol assignment (192.0.0.0/24)"),
        [192, 0, 2, _] | [198, 51, 100, _] | [203, 0, 113, _] => {
            Private("an address for documentation")
        }
        [192, 88, 99, _] => Private("a 6to4 relay (192.88.99.0/24)"),
        [198, 18..=19, ..] => Private("an address for benchmarks (198.18.0.0/15)"),
        [224..=239, ..] => Private("a multicast address"),
        [255, 255, 255, 255] => Private("the broadcast address"),
        [240..=255, ..] => Private("a reserved address (240.0.0.0/4)"),
        _ => Public,
    }
}

fn classify_v6(address: Ipv6Addr) -> AddressKind {
    use AddressKind::{Loopback, Private, Public};
    if let Some(inner) = address.to_ipv4_mapped() {
        return classify_v4(inner);
    }
    match address.segments() {
        [0, 0, 0, 0, 0, 0, 0, 0] => Private("the unspecified address (::)"),
        [0, 0, 0, 0, 0, 0, 0, 1] => Loopback,
        [0, 0, 0, 0, 0, 0, ..] => Private("an IPv4-compatible address (::/96)"),
        [0x64, 0xff9b, 0, 0, 0, 0, high, low] => {
            let bits = u32::from(high) << 16 | u32::from(low);
            match classify_v4(Ipv4Addr::from_bits(bits)) {
                Loopback => Private("a loopback address behind NAT64"),
                kind => kind,
            }
        }
        [0x64, 0xff9b, 1, ..] => Private("a network's own NAT64 address (64:ff9b:1::/48)"),
        [0x0100..=0x01ff, ..] => Private("a discard address (100::/8)"),
        [0x2001, 0, ..] => Private("a Teredo tunnel (2001::/32)"),
        [0x2001, 0x0db8, ..] | [0x3fff, 0x0000..=0x0fff, ..] => {
            Private("an address for documentation")
        }
        [0x2001, 0x0001..=0x01ff, ..] => Private("a protocol assignment (2001::/23)"),
        [0x2002, ..] => Private("a 6to4 tunnel (2002::/16)"),
        [0x2000..=0x3fff, ..] => Public,
        [0x5f00, ..] => Private("a segment-routing address (5f00::/16)"),
        [0xfc00..=0xfdff, ..] => Private("a private address (unique local, fc00::/7)"),
        [0xfe80..=0xfebf, ..] => Private("a link-local address (fe80::/10)"),
        [0xfec0..=0xfeff, ..] => Private("a site-local address (fec0::/10)"),
        [0xff00..=0xffff, ..] => Private("a multicast address"),
        // Public addresses are handed out from 2000::/3 alone.
        _ => Private("outside the space of public addresses (2000::/3)"),
    }
}

#[cfg(test)]
mod tests {
    use super::{AddressKind, admit, below, classify, fault, hidden, shown};
    use proptest::prelude::*;
    use std::net::Ipv4Addr;

    fn kind(text: &str) -> AddressKind {
        classify(text.parse().unwrap())
    }

    #[test]
    fn addresses_inside_a_network_are_private() {
        let private = "0.0.0.0 0.1.2.3 10.0.0.1 10.255.255.255 172.16.0.1 172.31.255.255 \
            192.168.0.1 100.64.0.1 100.127.255.255 169.254.169.254 192.0.0.8 192.0.2.1 \
            198.51.100.7 203.0.113.9 192.88.99.1 198.18.0.1 198.19.255.255 224.0.0.1 \
            239.255.255.255 240.0.0.1 255.255.255.254 255.255.255.255 :: ::7f00:1 ::10.0.0.1 \
            ::ffff:10.0.0.1 ::ffff:169.254.169.254 ::ffff:0.0.0.0 64:ff9b::10.0.0.1 \
            64:ff9b::127.0.0.1 64:ff9b:1::8.8.8.8 100::1 2001::1 2001:2::1 2001:10::1 2001:20::1 \
            2001:db8::1 3fff::1 2002:a00:1::1 2002:808:808::1 5f00::1 fc00::1 fd12:3456::1 \
            fe80::1 febf::1 fec0::1 ff02::1 4000::1 ::ffff:0:127.0.0.1 8000::1";
        for text in private.split_whitespace() {
            assert!(matches!(kind(text), AddressKind::Private(_)), "{text}: {:?}", kind(text));
        }
    }

    #[test]
    fn this_machine_is_loopback_in_all_its_forms() {
        for text in ["127.0.0.1", "127.255.255.254", "::1", "::ffff:127.0.0.1"] {
            assert_eq!(kind(text), AddressKind::Loopback, "{text}");
        }
    }

    #[test]
    fn neighbours_of_private_ranges_are_public() {
        let public = "1.1.1.1 9.255.255.255 11.0.0.0 100.63.255.255 100.128.0.0 126.0.0.1 \
            128.0.0.1 169.253.0.1 172.15.0.1 172.32.0.1 192.0.1.1 192.167.0.1 198.17.0.1 \
            198.20.0.1 223.255.255.255 ::ffff:8.8.8.8 64:ff9b::8.8.8.8 2001:200::1 \
            2001:4860:4860::8888 2606:4700:4700::1111 2a00:1450::1 3fff:1000::1";
        for text in public.split_whitespace() {
            assert_eq!(kind(text), AddressKind::Public, "{text}");
        }
    }

    #[test]
    fn one_private_address_refuses_all() {
        let [public, private, here] =
            ["8.8.8.8:80", "10.0.0.1:80", "127.0.0.1:80"].map(|text| text.parse().unwrap());
        let refused = admit("a.example", &[public, private], false).unwrap_err();
        assert!(refused.contains("`a.example`") && refused.contains("10.0.0.1"), "{refused}");
        assert!(refused.contains("allow-private"), "{refused}");
        assert_eq!(admit("a.example", &[public, private], true), Ok(()));
        assert_eq!(admit("localhost", &[here], false), Ok(()));
    }

    #[test]
    fn only_this_machines_own_names_lead_to_it() {
        let here = ["127.0.0.1:80".parse().unwrap(), "[::1]:80".parse().unwrap()];
        for own in
            ["localhost", "LocalHost", "n8n.localhost", "127.0.0.1", "127.1", "0x7f.1", "::1"]
        {
            assert_eq!(admit(own, &here, false), Ok(()), "{own}");
        }
        for other in ["rebinding.example.com", "localhost.example.com", "notlocalhost", "0xyz", ""]
        {
            let refused = admit(other, &here, false).unwrap_err();
            assert!(refused.contains("allow-private"), "{refused}");
            assert_eq!(admit(other, &here, true), Ok(()), "{other}");
        }
    }

    #[test]
    fn a_path_stands_before_what_the_base_asks() {
        for (base, whole) in [
            ("https://n8n.example.com", "https://n8n.example.com/in"),
            ("https://n8n.example.com/webhook", "https://n8n.example.com/webhook/in"),
            ("https://n8n.example.com?key=a/b", "https://n8n.example.com/in?key=a/b"),
            ("https://n8n.example.com/webhook/?key=a", "https://n8n.example.com/webhook/in?key=a"),
        ] {
            assert_eq!(below(base, "/in"), whole);
        }
    }

    #[test]
    fn of_an_address_nothing_is_shown_that_may_be_a_secret() {
        for (url, seen) in [
            ("http://localhost:5678", "http://localhost:5678"),
            ("https://hooks.example.com/", "https://hooks.example.com"),
            ("https://hooks.example.com/services/hunter2", "https://hooks.example.com/…"),
            ("https://hooks.example.com?token=hunter2", "https://hooks.example.com/…"),
            ("http://[::1]:5678/hunter2", "http://[::1]:5678/…"),
            ("http://bob:hunter2@n8n:5678/a@b?c", "http://…"),
            ("http://bob:hun ter2@host", "http://…"),
            ("http://bob:hun#ter2@host", "http://…"),
            ("http://bob:hun/ter2@host", "http://…"),
            ("http://bob:hunter2", "http://…"),
            ("http://hunter 2/", "http://…"),
            ("hunter2://host", "…"),
            ("hunter2", "…"),
            (
                "smtp://user:hun@ter2#?/@mail.example.com:587/x?tls=none",
                "smtp://mail.example.com:587",
            ),
            ("smtp://hunter 2", "smtp://…"),
            ("", ""),
        ] {
            assert_eq!(shown(url), seen, "{url}");
        }
        let parts = |base| hidden(base).collect::<Vec<_>>();
        assert_eq!(parts("https://hooks.example.com/a/b?key=c"), ["/a/b", "key=c"]);
        assert_eq!(parts("https://hooks.example.com?key=c"), ["key=c"]);
        assert!(parts("https://hooks.example.com/").is_empty());
    }

    #[test]
    fn a_base_that_cannot_be_called_is_told_without_repeating_it() {
        for base in
            ["http://localhost:5678", "https://n8n.example.com/webhook?token=x", "http://[::1]"]
        {
            assert_eq!(fault(base), None, "{base}");
        }
        for base in [
            "http://bob:hunter2@host",
            "http://bob:hun ter2@host",
            "http://bob:hun#ter2@host",
            "http://bob:1/hunter2@host",
            "http://bob:hunter2",
            "http://hunter2:/",
            "ftp://hunter2",
            "hunter2",
            "http://",
        ] {
            let why = fault(base).unwrap();
            assert!(!why.contains("hun") && !why.contains("ter2"), "{why}");
        }
    }

    proptest! {
        #[test]
        fn an_ipv4_address_is_judged_alike_in_ipv6_clothes(bits: u32) {
            let plain = Ipv4Addr::from_bits(bits);
            prop_assert_eq!(classify(plain.into()), classify(plain.to_ipv6_mapped().into()));
        }
    }
}
