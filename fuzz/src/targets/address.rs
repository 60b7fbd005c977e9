//! Addresses that rulerun may call: judged as the list of networks below says, in whichever
//! of its forms an address comes.

use std::net::{IpAddr, Ipv4Addr, Ipv6Addr, SocketAddr};
use std::path::Path;

use rulerun::model::FromText as _;
use rulerun::model::setting::Network;
use rulerun::serve::deliver::address::{AddressKind, admit, classify};

use super::{Target, seeds};

/// The target.
pub const TARGET: Target = Target { name: "address", run, seeds: begin, words: WORDS };

const WORDS: &[&str] = &[
    "127.0.0.1",
    "10.0.0.1",
    "169.254.169.254",
    "::1",
    "::ffff:10.0.0.1",
    "64:ff9b::7f00:1",
    "2002:a00:1::1",
    "fe80::1",
    "fc00::",
    "2001:db8::",
    "100.64.0.1",
    "192.0.0.1",
    "198.18.0.1",
    "240.0.0.1",
    "::",
    ":",
    "\n",
    "ff02::1",
    "2001::1",
    "8.8.8.8",
    "2606:4700::1111",
];

/// What is not to be dialled besides loopback, from the registries of special addresses.
const INSIDE: &str = "0.0.0.0/8, 10.0.0.0/8, 100.64.0.0/10, 169.254.0.0/16, 172.16.0.0/12, \
    192.0.0.0/24, 192.0.2.0/24, 192.88.99.0/24, 192.168.0.0/16, 198.18.0.0/15, 198.51.100.0/24, \
    203.0.113.0/24, 224.0.0.0/4, 240.0.0.0/4, 2001::/23, 2001:db8::/32, 2002::/16, 3fff::/20";

/// One address a line.
fn run(data: &[u8]) {
    let networks = Vec::<Network>::from_text(INSIDE).expect("networks");
    let text = String::from_utf8_lossy(data);
    let mut addresses: Vec<IpAddr> =
        text.lines().take(16).filter_map(|line| line.trim().parse().ok()).collect();
    if let Ok(octets) = <[u8; 4]>::try_from(data) {
        addresses.push(Ipv4Addr::from(octets).into());
    }
    if let Ok(octets) = <[u8; 16]>::try_from(data) {
        addresses.push(Ipv6Addr::from(octets).into());
    }
    let bad = |address: &IpAddr| matches!(classify(*address), AddressKind::Private(_));
    for address in &addresses {
        assert_eq!(classify(*address), expected(*address, &networks).unwrap_or(classify(*address)));
        if expected(*address, &networks).is_none() {
            assert!(bad(address), "{address} may be dialled");
        }
        if let IpAddr::V4(four) = address {
            assert_eq!(classify(*address), classify(four.to_ipv6_mapped().into()), "{address}");
        }
    }
    let dialled: Vec<SocketAddr> =
        addresses.iter().map(|address| SocketAddr::new(*address, 443)).collect();
    for (host, is_ours) in [("shop.example.com", false), ("localhost", true)] {
        let barred = |address: &&IpAddr| match classify(**address) {
            AddressKind::Public => false,
            AddressKind::Loopback => !is_ours,
            AddressKind::Private(_) => true,
        };
        let refused = admit(host, &dialled, false).err();
        let offending = addresses.iter().find(barred);
        assert_eq!(refused.is_some(), offending.is_some(), "{host}: {refused:?}");
        if let (Some(why), Some(address)) = (refused, offending) {
            assert!(why.contains(&address.to_string()), "{why} does not name {address}");
        }
        assert_eq!(admit(host, &dialled, true), Ok(()));
    }
}

/// What an address must be taken for; none where it must not be dialled.
fn expected(address: IpAddr, networks: &[Network]) -> Option<AddressKind> {
    let inner = match address {
        IpAddr::V6(six) if six.segments()[..6] == [0x64, 0xff9b, 0, 0, 0, 0] => {
            let [.., a, b, c, d] = six.octets();
            let inner = Ipv4Addr::new(a, b, c, d);
            if inner.is_loopback() {
                return None;
            }
            IpAddr::V4(inner)
        }
        other => other.to_canonical(),
    };
    if inner.is_loopback() {
        return Some(AddressKind::Loopback);
    }
    let outside = match inner {
        IpAddr::V4(_) => true,
        IpAddr::V6(six) => six.segments()[0] >> 13 == 1,
    };
    let inside = networks.iter().any(|network| network.contains(inner));
    (outside && !inside).then_some(AddressKind::Public)
}

fn begin(root: &Path) -> Vec<Vec<u8>> {
    let addresses = |text: &str| text.split_whitespace().any(|word| word.parse::<IpAddr>().is_ok());
    let found = seeds::quoted(root, "src/serve/deliver/address.rs", addresses);
    let words = found.iter().flat_map(|text| text.split_whitespace());
    let mut lines: Vec<Vec<u8>> = words.map(|word| word.as_bytes().to_vec()).collect();
    lines.push(vec![127, 0, 0, 1]);
    lines.push(Ipv6Addr::LOCALHOST.octets().to_vec());
    lines.push(b"8.8.8.8\n::ffff:10.0.0.1\n2606:4700::1111".to_vec());
    lines
}
