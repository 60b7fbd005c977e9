//! Which connections come about, whatever an address looks like and a name server says.

use std::collections::VecDeque;
use std::net::SocketAddr;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::sync::{Arc, Mutex};

use hyper_util::rt::TokioIo;

use super::{AttemptError, Network, Tcp, Wire, connect, system};

/// What may never be dialled, in every spelling that gets as far as a connection.
const PRIVATE: [&str; 73] = [
    // RFC 1918, plain, hexadecimal, octal, in one number and with parts left out
    "10.0.0.1",
    "10.255.255.255",
    "0xa.1",
    "0x0a.0.0.1",
    "0xa000001",
    "0xA.0X0.0x0.1",
    "167772161",
    "012.0.0.1",
    "01200000001",
    "10.1",
    "10.0.1",
    "172.16.0.1",
    "172.31.255.254",
    "172.1048577",
    "0xac100001",
    "192.168.0.1",
    "192.168.257",
    "3232235521",
    "0xc0.0xa8.0.1",
    "0300.0250.0.1",
    // the address at which clouds hand out credentials
    "169.254.169.254",
    "0xA9FEA9FE",
    "2852039166",
    "169.254.43518",
    "0251.0376.0251.0376",
    // this network, carriers, protocols, documentation, benchmarks, multicast, class E
    "0",
    "00",
    "0x0",
    "0.0.0.0",
    "0.1.2.3",
    "100.64.1",
    "0x64400001",
    "100.127.255.254",
    "192.0.0.8",
    "192.0.2.1",
    "198.51.100.7",
    "203.0.113.9",
    "192.88.99.1",
    "198.18.1",
    "198.19.255.254",
    "224.1",
    "0xe0000001",
    "240.0.0.1",
    "255.255.255.255",
    "0xffffffff",
    "4294967295",
    // IPv6: unspecified, unique local, link-local, site-local, multicast, discard
    "[::]",
    "[fd00::1]",
    "[fc00::1]",
    "[fe80::1]",
    "[fec0::1]",
    "[ff02::1]",
    "[100::1]",
    // IPv6 with an IPv4 address inside: compatible, mapped, NAT64, 6to4, Teredo
    "[::10.0.0.1]",
    "[::ffff:10.0.0.1]",
    "[::ffff:a00:1]",
    "[0:0:0:0:0:ffff:10.0.0.1]",
    "[::ffff:a9fe:a9fe]",
    "[::ffff:0:10.0.0.1]",
    "[::127.0.0.1]",
    "[64:ff9b::a00:1]",
    "[64:ff9b::10.0.0.1]",
    "[64:ff9b::127.0.0.1]",
    "[64:ff9b:1::1]",
    "[2002:a00:1::]",
    "[2002:7f00:1::]",
    "[2001:0:a00:1::]",
    // segment routing, documentation, protocols, and what nobody hands out
    "[5f00::1]",
    "[2001:db8::1]",
    "[3fff::1]",
    "[2001:2::1]",
    "[4000::1]",
    "[8000::1]",
];

/// This machine, however it is written: `allow-private` need not be said for it.
const LOOPBACK: [&str; 9] = [
    "127.0.0.1",
    "127.1",
    "0x7f.1",
    "0177.0.0.1",
    "2130706433",
    "017700000001",
    "[::1]",
    "[::ffff:127.0.0.1]",
    "localhost",
];

/// Spellings that are no address, or not one that a rule may hold. Whatever the system makes
/// of them, it is no connection.
const NONSENSE: [&str; 9] = [
    "10.0.0.1.",
    "169.254.169.254.",
    "10.0.0.1.invalid",
    "0x7f.0.0.1.invalid",
    "10.0.0.256",
    "1.2.3.4.5",
    "0xa.0xa.0xa.0xa.0xa",
    "-1",
    "[fe80::1%25eth0]",
];

/// Spellings that no URL may hold at all.
const NO_URL: [&str; 4] = [
    "\u{ff11}\u{ff10}.0.0.1",
    "\u{2460}\u{2461}\u{2466}.\u{24ea}.\u{24ea}.\u{2460}",
    "10\u{3002}0\u{3002}0\u{3002}1",
    "10.0.0.1 ",
];

fn tcp(allow_private: bool) -> Tcp {
    Tcp { network: Network::Sockets, allow_private, look_up: Arc::new(system) }
}

async fn verdict(host: &str, allow_private: bool) -> Result<Vec<SocketAddr>, AttemptError> {
    let url = format!("http://{host}/").parse().unwrap();
    tcp(allow_private).resolve(&url).await.map_err(|error| error.kind)
}

/// Whether every one of these addresses is this machine's.
fn all_here(addresses: &[SocketAddr]) -> bool {
    addresses.iter().all(|address| address.ip().to_canonical().is_loopback())
}

#[tokio::test]
async fn no_spelling_of_a_private_address_gets_as_far_as_a_connection() {
    for host in PRIVATE {
        assert_eq!(verdict(host, false).await, Err(AttemptError::Blocked), "{host}");
    }
    for host in LOOPBACK {
        let found = verdict(host, false).await.unwrap();
        assert!(!found.is_empty() && all_here(&found), "{host}: {found:?}");
    }
    for host in NONSENSE {
        let found = verdict(host, false).await.unwrap_err();
        assert!(matches!(found, AttemptError::Blocked | AttemptError::Dns), "{host}: {found:?}");
    }
    for host in NO_URL {
        assert!(format!("http://{host}/").parse::<hyper::Uri>().is_err(), "{host}");
    }
}

#[tokio::test]
async fn private_addresses_pass_where_the_service_allows_them() {
    let found = verdict("10.0.0.1:5678", true).await.unwrap();
    assert_eq!(found, ["10.0.0.1:5678".parse().unwrap()]);
}

/// A name server that gives these answers in turn, and counts how often it was asked.
fn scripted(answers: &[&[SocketAddr]]) -> (Tcp, Arc<AtomicUsize>) {
    let asked = Arc::new(AtomicUsize::new(0));
    let count = Arc::clone(&asked);
    let answers: VecDeque<Vec<SocketAddr>> = answers.iter().map(|one| one.to_vec()).collect();
    let answers = Mutex::new(answers);
    let look_up = move |_: String, _: u16| -> super::Addresses {
        count.fetch_add(1, Ordering::SeqCst);
        let answer = answers.lock().unwrap().pop_front().unwrap_or_default();
        Box::pin(std::future::ready(Ok(answer)))
    };
    let tcp = Tcp { network: Network::Sockets, allow_private: false, look_up: Arc::new(look_up) };
    (tcp, asked)
}

/// A listener on loopback: where it is, and how many connections came.
async fn listener() -> (SocketAddr, Arc<AtomicUsize>) {
    let listener = tokio::net::TcpListener::bind("127.0.0.1:0").await.unwrap();
    let address = listener.local_addr().unwrap();
    let connections = Arc::new(AtomicUsize::new(0));
    let count = Arc::clone(&connections);
    tokio::spawn(async move {
        while listener.accept().await.is_ok() {
            count.fetch_add(1, Ordering::SeqCst);
        }
    });
    (address, connections)
}

#[tokio::test]
async fn a_name_that_changes_its_mind_is_asked_once_and_gains_nothing() {
    let (here, _) = listener().await;
    let inside: SocketAddr = "169.254.169.254:80".parse().unwrap();
    let (mut tcp, asked) = scripted(&[&[here], &[inside], &[here]]);
    let url: hyper::Uri = "http://rebinding.localhost/".parse().unwrap();

    let first = tower::Service::call(&mut tcp, url.clone()).await;
    assert_eq!(address_of(&first.unwrap()), here, "what was checked is dialled");
    assert_eq!(asked.load(Ordering::SeqCst), 1, "nobody asks between the check and the call");
    let second = tower::Service::call(&mut tcp, url.clone()).await;
    assert_eq!(second.map(|_| ()).unwrap_err().kind, AttemptError::Blocked);
    assert!(tower::Service::call(&mut tcp, url).await.is_ok());
    assert_eq!(asked.load(Ordering::SeqCst), 3);
}

#[tokio::test]
async fn a_public_name_that_moves_to_this_machine_reaches_nobody_here() {
    let (here, connections) = listener().await;
    for name in ["rebinding.example.com", "localhost.example.com", "127.0.0.1.example.com"] {
        let (mut tcp, _) = scripted(&[&[here], &[here]]);
        let url: hyper::Uri = format!("http://{name}/").parse().unwrap();
        let dialled = tower::Service::call(&mut tcp, url.clone()).await;
        assert_eq!(dialled.map(|_| ()).unwrap_err().kind, AttemptError::Blocked, "{name}");
        // A service that says so may: names of this machine's own differ from place to place.
        tcp.allow_private = true;
        assert!(tower::Service::call(&mut tcp, url).await.is_ok(), "{name}");
    }
    tokio::time::sleep(std::time::Duration::from_millis(50)).await;
    assert_eq!(connections.load(Ordering::SeqCst), 3);
}

#[tokio::test]
async fn of_a_set_of_addresses_with_a_private_one_none_is_dialled() {
    let (here, connections) = listener().await;
    for inside in ["10.0.0.1:80", "[fe80::1]:80", "[64:ff9b::a00:1]:80"] {
        let inside: SocketAddr = inside.parse().unwrap();
        for set in [[here, inside], [inside, here]] {
            let (mut tcp, _) = scripted(&[&set]);
            let url = "http://both.localhost/".parse().unwrap();
            let dialled = tower::Service::call(&mut tcp, url).await;
            assert_eq!(dialled.map(|_| ()).unwrap_err().kind, AttemptError::Blocked, "{set:?}");
        }
    }
    // A connection of our own comes after any that was made before it.
    connect(&[here]).await.unwrap();
    tokio::time::sleep(std::time::Duration::from_millis(50)).await;
    assert_eq!(connections.load(Ordering::SeqCst), 1);
}

/// Where a connection leads.
fn address_of(wire: &TokioIo<Wire>) -> SocketAddr {
    match wire.inner() {
        Wire::Socket(socket) => socket.peer_addr().unwrap(),
        Wire::Memory(_) => panic!("nothing is simulated here"),
    }
}
