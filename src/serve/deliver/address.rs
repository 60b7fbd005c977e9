//! Which addresses rulerun may call. A rule file (or a name server) could point a service
//! at a machine inside the network, such as a cloud's metadata address, and have rulerun
//! carry requests there. So the address that is about to be dialled is looked at, not the
//! name or its spelling: whatever `http://0x7f.1/` or a name that changes its mind turns
//! into, it is the number behind it that counts.

use std::net::{IpAddr, Ipv4Addr, Ipv6Addr, SocketAddr};

/// What kind of place an address is.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum AddressKind {
    /// Anyone's, on the internet.
    Public,
    /// This machine. Always allowed: n8n often runs next to rulerun.
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
/// connection.
///
/// # Errors
/// A sentence that names the first offending address with the reason that [`classify`] gives.
pub fn admit(host: &str, addresses: &[SocketAddr], allow_private: bool) -> Result<(), String> {
    if allow_private {
        return Ok(());
    }
    addresses.iter().try_for_each(|address| match classify(address.ip()) {
        AddressKind::Public | AddressKind::Loopback => Ok(()),
        AddressKind::Private(why) => Err(format!(
            "`{host}` is refused: its address {} is {why}; write `allow-private #true` in the \
             service if rulerun may call it",
            address.ip()
        )),
    })
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
    use super::{AddressKind, admit, classify};
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
        assert_eq!(admit("a.example", &[public, here], false), Ok(()));
    }

    proptest! {
        #[test]
        fn an_ipv4_address_is_judged_alike_in_ipv6_clothes(bits: u32) {
            let plain = Ipv4Addr::from_bits(bits);
            prop_assert_eq!(classify(plain.into()), classify(plain.to_ipv6_mapped().into()));
        }
    }
}
