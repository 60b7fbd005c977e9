//! The way to a mail server: its name becomes addresses, and one of them a connection.

use std::net::SocketAddr;
use std::time::Duration;

use tokio::net::TcpStream;
use tokio::time::{Instant, timeout_at};

use super::failure::{Failure, Stage};
use super::setting::Server;
use crate::model::AttemptError;
use crate::serve::deliver::address;
use crate::serve::deliver::wire::{Network, Wire};

/// Longest wait for one of the server's addresses before the next is tried.
const CONNECT: Duration = Duration::from_secs(10);

/// Connects to the first of the server's addresses that answers.
pub(super) async fn connect(
    network: &Network,
    server: &Server,
    deadline: Instant,
) -> Result<Wire, Failure> {
    let opened = match network {
        Network::Sockets => None,
        Network::Simulated(peers) => Some(peers(&server.host, server.port)),
        Network::Told(_) => Some(Err(std::io::Error::other("nothing is sent in a rehearsal"))),
    };
    if let Some(opened) = opened {
        return opened.map(Wire::Memory).map_err(|fault| Failure::broken(Stage::Connect, &fault));
    }
    let mut last = Failure::late(Stage::Connect);
    for address in look_up(server, deadline).await? {
        let until = deadline.min(Instant::now() + CONNECT);
        match timeout_at(until, TcpStream::connect(address)).await {
            Ok(Ok(socket)) => {
                // Small packets leave at once: the final dot is one, and would wait 40 ms.
                // A socket that cannot do that still works.
                let _ = socket.set_nodelay(true);
                return Ok(Wire::Socket(socket));
            }
            Ok(Err(fault)) => last = Failure::broken(Stage::Connect, &fault),
            Err(_) => last = Failure::late(Stage::Connect),
        }
    }
    Err(last)
}

/// The server's addresses, if all of them may be called. Nobody resolves a second time.
async fn look_up(server: &Server, deadline: Instant) -> Result<Vec<SocketAddr>, Failure> {
    let lookup = tokio::net::lookup_host((server.host.as_str(), server.port));
    let found = timeout_at(deadline, lookup).await.map_err(|_| Failure::late(Stage::Lookup))?;
    let problem = match found.map(Iterator::collect::<Vec<_>>) {
        Ok(addresses) if !addresses.is_empty() => {
            return address::admit(&server.host, &addresses, server.allow_private)
                .map(|()| addresses)
                .map_err(|message| Failure::new(Stage::Lookup, AttemptError::Blocked, message));
        }
        Ok(_) => "it has no address".to_owned(),
        Err(fault) => fault.to_string(),
    };
    let message = format!("the mail server's name {} cannot be looked up: {problem}", server.host);
    Err(Failure::new(Stage::Lookup, AttemptError::Dns, message))
}

/// The name under which we introduce ourselves: this machine's, or a loopback address where
/// it has none that could stand there.
pub(super) fn own_name() -> String {
    let system = rustix::system::uname();
    let name = system.nodename().to_string_lossy();
    let plain = |byte: u8| byte.is_ascii_alphanumeric() || matches!(byte, b'.' | b'-');
    if name.is_empty() || !name.bytes().all(plain) {
        return String::from("[127.0.0.1]");
    }
    name.into_owned()
}
