//! Who a caller is behind proxies: an address that no trusted hop vouches for is never
//! believed, however the headers are written.

use std::net::{IpAddr, SocketAddr};
use std::path::Path;

use hyper::HeaderMap;
use hyper::header::HeaderValue;
use rulerun::model::FromText as _;
use rulerun::model::setting::Network;
use rulerun::serve::ingress::access::client;

use super::Target;

/// The target.
pub const TARGET: Target = Target { name: "forwarded", run, seeds: begin, words: WORDS };

const WORDS: &[&str] = &[
    "10.0.0.1",
    "10.255.0.9",
    "203.0.113.9",
    "198.51.100.7",
    "127.0.0.1",
    "::1",
    "[::1]",
    "::ffff:10.0.0.1",
    "2001:db8::1",
    "[2001:db8::1]:8080",
    "203.0.113.9:80",
    ", ",
    ",",
    "unknown",
    "for=",
    "for=\"[::1]\"",
    ";proto=https",
    "_hidden",
    "010.0.0.1",
    "0x7f.1",
    "fe80::1%eth0",
];

/// Networks of the proxies that are believed.
const TRUSTED: &str = "10.0.0.0/8, 127.0.0.1, 2001:db8::/32";

/// The first line is the peer; every further line is one header, `Forwarded` where it begins
/// with `for`, else `X-Forwarded-For`.
fn run(data: &[u8]) {
    let mut lines = data.split(|byte| *byte == b'\n');
    let first = lines.next().unwrap_or_default();
    let Ok(Ok(peer)) = std::str::from_utf8(first).map(str::parse::<IpAddr>) else { return };
    let mut headers = HeaderMap::new();
    // What each of the two headers says; the second only counts without the first.
    let mut hops: [Vec<String>; 2] = Default::default();
    for line in lines.take(32) {
        let Ok(value) = HeaderValue::from_bytes(line) else { continue };
        let forwarded = line.to_ascii_lowercase().starts_with(b"for");
        if let Ok(text) = value.to_str() {
            hops[usize::from(forwarded)].extend(text.split(',').map(address_in));
        }
        headers.append(if forwarded { "forwarded" } else { "x-forwarded-for" }, value);
    }
    let proxies = Vec::<Network>::from_text(TRUSTED).expect("networks");
    let trusted = |address: &IpAddr| proxies.iter().any(|network| network.contains(*address));
    let found = client(peer, &headers, &proxies);

    assert_eq!(client(peer, &headers, &[]), peer.to_canonical(), "nobody is trusted");
    assert_eq!(found, found.to_canonical(), "an address has one form");
    if !trusted(&peer) || found == peer.to_canonical() {
        assert_eq!(found, peer.to_canonical(), "a stranger's headers were believed");
        return;
    }
    // Whoever is named was named by a chain of trusted hops, read from the right.
    let hops = &hops[usize::from(!headers.contains_key("x-forwarded-for"))];
    let chain = hops.iter().rev().map_while(|hop| {
        let bare = hop.trim_matches(['[', ']']).parse::<IpAddr>().ok();
        let address = bare.or_else(|| Some(hop.parse::<SocketAddr>().ok()?.ip()));
        address.map(|address| address.to_canonical())
    });
    let mut vouched = false;
    for address in chain {
        vouched |= address == found;
        if !trusted(&address) {
            break;
        }
    }
    assert!(vouched, "{found} is vouched for by nobody: {peer}, {hops:?}");
}

/// The address in a hop of either header.
fn address_in(hop: &str) -> String {
    let named = hop.split(';').filter_map(|pair| pair.split_once('='));
    let mut named = named.filter(|(name, _)| name.trim().eq_ignore_ascii_case("for"));
    named.next().map_or(hop, |(_, value)| value).trim().trim_matches('"').to_owned()
}

fn begin(_: &Path) -> Vec<Vec<u8>> {
    [
        "198.51.100.7\n10.0.0.5, 203.0.113.9, 10.1.1.1",
        "10.0.0.1\n10.0.0.5, 203.0.113.9, 10.1.1.1",
        "10.0.0.1\njunk, 203.0.113.9",
        "::ffff:10.0.0.1\n203.0.113.9\n10.0.0.9",
        "127.0.0.1\nfor=203.0.113.9;proto=https\n203.0.113.9",
        "2001:db8::1\n[2001:db8::7], [2606:4700::1]",
        "10.0.0.1\n203.0.113.9:4711",
        "10.0.0.1\nfor=203.0.113.9;proto=https, for=\"[2001:db8::7]:80\"",
        "10.0.0.1\n",
    ]
    .map(|text| text.as_bytes().to_vec())
    .to_vec()
}
