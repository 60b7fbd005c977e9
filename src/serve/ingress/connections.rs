//! Connections: how many there are at once, in all and of one client, and what becomes of
//! those that are too many. They are told so in a few bytes that need no task of their own.

use std::collections::VecDeque;
use std::convert::Infallible;
use std::net::{IpAddr, SocketAddr};
use std::sync::Arc;
use std::time::Duration;

use hyper::server::conn::http1;
use hyper::service::service_fn;
use hyper_util::rt::TokioIo;
use tokio::io::AsyncWriteExt as _;
use tokio::io::{AsyncRead, AsyncWrite};
use tokio::net::{TcpListener, TcpStream};
use tokio::sync::{Semaphore, watch};
use tokio::time::Instant;

use super::line::{Answering, Calls, Line, PATIENCE};
use super::{Ingress, rate};

/// Connections at once, over all clients, where the machine lends enough file handles.
const MAX_CONNECTIONS: usize = 4096;
/// A head's longest, in bytes.
const HEAD_BYTES: usize = 32 * 1024;
/// How long accepting pauses when the machine has no more file handles.
const BREATH: Duration = Duration::from_millis(100);
/// Refused connections that are kept at once, so that their callers can read why, one for so
/// many that are served; and how long.
const PARTING: usize = 16;
const PARTING_TIME: Duration = Duration::from_millis(500);

impl Ingress {
    /// Accepts connections until `stop` turns true, then lets open calls finish.
    pub async fn run(self: Arc<Self>, listener: TcpListener, mut stop: watch::Receiver<bool>) {
        let most = most_connections();
        let places = Arc::new(Semaphore::new(most));
        let mut parting = Parting { most: most / PARTING + 1, row: VecDeque::new() };
        loop {
            let accepted = tokio::select! {
                accepted = listener.accept() => accepted,
                () = parting.next() => continue,
                _ = stop.wait_for(|stop| *stop) => break,
            };
            let Ok((stream, peer)) = accepted else {
                tokio::time::sleep(BREATH).await;
                continue;
            };
            let Ok(place) = Arc::clone(&places).try_acquire_owned() else {
                let text = "The server has too many connections; please try again.";
                parting.turn_away(stream, self.refusal(503, text)).await;
                continue;
            };
            let Some(client) = Client::enter(&self, peer.ip()) else {
                let text = "Too many connections from this address; close some, or use them again.";
                parting.turn_away(stream, self.refusal(429, text)).await;
                continue;
            };
            let (ingress, stop) = (Arc::clone(&self), stop.clone());
            // Without it small answers wait for the client's acknowledgement.
            let _ = stream.set_nodelay(true);
            tokio::spawn(async move {
                ingress.connection(stream, peer, stop).await;
                drop((place, client));
            });
        }
        // Every open connection holds a place; all of them back means that all have ended.
        let _ = places.acquire_many(u32::try_from(most).unwrap_or(u32::MAX)).await;
    }

    /// Serves one open connection until it ends, or until `stop` turns true and the call under
    /// way is answered. `peer` is who seems to be at its other end.
    pub async fn connection(
        self: Arc<Self>,
        stream: impl AsyncRead + AsyncWrite + Unpin,
        peer: SocketAddr,
        mut stop: watch::Receiver<bool>,
    ) {
        let calls = Arc::<Calls>::default();
        let line = Line::new(stream, Arc::clone(&calls), PATIENCE);
        let service = service_fn(|request| {
            let (ingress, calls) = (Arc::clone(&self), Arc::clone(&calls));
            calls.begin();
            async move {
                let answer = ingress.request(request, peer).await;
                Ok::<_, Infallible>(answer.map(|body| Answering::new(body, calls)))
            }
        });
        let connection = http1::Builder::new()
            // The line keeps the time, because hyper tells no idle line from a slow head.
            .header_read_timeout(None)
            .max_buf_size(HEAD_BYTES)
            .pipeline_flush(true)
            .serve_connection(TokioIo::new(line), service);
        let mut connection = std::pin::pin!(connection);
        tokio::select! {
            biased;
            // How a connection broke is the client's affair.
            _ = connection.as_mut() => return,
            _ = stop.wait_for(|stop| *stop) => connection.as_mut().graceful_shutdown(),
        }
        let _ = connection.await;
    }

    /// The whole answer to a connection that is too many.
    fn refusal(&self, status: u16, text: &str) -> String {
        self.app.metrics.call("", status, Duration::ZERO);
        let reason = if status == 429 { "Too Many Requests" } else { "Service Unavailable" };
        let wait = self.spread.seconds(1);
        let body = super::answer::error_text(text);
        let length = body.len();
        format!(
            "HTTP/1.1 {status} {reason}\r\nContent-Type: application/json\r\nRetry-After: {wait}\r\n\
             Connection: close\r\nContent-Length: {length}\r\n\r\n{body}"
        )
    }
}

/// So many connections may be open: a quarter of the process's file handles is left for
/// deliveries, the store and the rule files.
fn most_connections() -> usize {
    let limits = std::fs::read_to_string("/proc/self/limits").unwrap_or_default();
    open_files(&limits).map_or(MAX_CONNECTIONS, |files| (files / 4 * 3).clamp(1, MAX_CONNECTIONS))
}

/// The soft limit of open files in Linux's table of limits; none where it is not told or
/// unlimited.
fn open_files(limits: &str) -> Option<usize> {
    let line = limits.lines().find_map(|line| line.strip_prefix("Max open files"))?;
    line.split_whitespace().next()?.parse().ok()
}

/// Refused connections that are kept until their callers can have read why: closing at once
/// would throw the answer away together with what the caller is still sending.
#[derive(Debug)]
struct Parting {
    most: usize,
    row: VecDeque<(Instant, TcpStream)>,
}

impl Parting {
    /// Says why, and keeps the connection for a moment.
    async fn turn_away(&mut self, mut stream: TcpStream, answer: String) {
        // A new connection has room for a few bytes; whoever has none gets no words.
        let _ = stream.try_write(answer.as_bytes());
        // Nothing is waited for: this only tells the system that no more will be written.
        let _ = stream.shutdown().await;
        if self.row.len() >= self.most
            && let Some((_, oldest)) = self.row.pop_front()
        {
            let_go(&oldest);
        }
        self.row.push_back((Instant::now() + PARTING_TIME, stream));
    }

    /// Closes the oldest connection when its time has come; never ends when there is none.
    async fn next(&mut self) {
        let Some((until, _)) = self.row.front() else { return std::future::pending().await };
        tokio::time::sleep_until(*until).await;
        if let Some((_, oldest)) = self.row.pop_front() {
            let_go(&oldest);
        }
    }
}

/// Reads what has arrived meanwhile, so that closing does not take the answer back.
fn let_go(stream: &TcpStream) {
    let mut bin = [0; 4096];
    for _ in 0..16 {
        if !matches!(stream.try_read(&mut bin), Ok(1..)) {
            return;
        }
    }
}

/// A client's connection, counted while it is open.
struct Client {
    ingress: Arc<Ingress>,
    address: IpAddr,
}

impl Client {
    fn enter(ingress: &Arc<Ingress>, address: IpAddr) -> Option<Self> {
        let live = ingress.app.live.load();
        // Behind a proxy that is trusted there are many clients.
        let is_proxy = live.trusted_proxies.iter().any(|network| network.contains(address));
        let limit = if is_proxy { usize::MAX } else { live.rules.server.limits.per_client };
        let address = rate::subnet(address.to_canonical());
        let mut clients = ingress.clients.lock().ok()?;
        let open = clients.get(&address).copied().unwrap_or(0);
        if open >= limit {
            return None;
        }
        clients.insert(address, open + 1);
        Some(Self { ingress: Arc::clone(ingress), address })
    }
}

impl Drop for Client {
    fn drop(&mut self) {
        if let Ok(mut clients) = self.ingress.clients.lock()
            && let Some(open) = clients.get_mut(&self.address)
        {
            *open -= 1;
            if *open == 0 {
                clients.remove(&self.address);
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_number_of_file_handles_is_read_from_the_systems_table() {
        let table = "Limit                     Soft Limit           Hard Limit           Units     \n\
                     Max processes             127123               127123               processes \n\
                     Max open files            1024                 524288               files     \n";
        assert_eq!(open_files(table), Some(1024));
        assert_eq!(open_files(&table.replace("1024  ", "unlimited")), None);
        assert_eq!(open_files(""), None);
    }
}
