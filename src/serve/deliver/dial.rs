//! Dialling: from a URL to an open connection. The name is resolved here, the addresses are
//! checked, and exactly those addresses are connected to; nobody resolves a second time, so
//! a name server that answers differently the next time gains nothing.

use std::error::Error;
use std::future::Future;
use std::io;
use std::net::SocketAddr;
use std::pin::Pin;
use std::sync::Arc;
use std::task::{Context, Poll};
use std::time::Duration;

use hyper::Uri;
use hyper_rustls::{HttpsConnector, MaybeHttpsStream};
use hyper_util::rt::TokioIo;
use rustls::pki_types::InvalidDnsNameError;
use rustls::{CertificateError, ClientConfig};
use tokio::net::TcpStream;
use tokio::time::{Instant, timeout, timeout_at};
use tower::Service;

use super::address;
use super::wire::{Network, Wire};
use crate::model::AttemptError;

/// How long the name server may take.
const DNS_LIMIT: Duration = Duration::from_secs(2);
/// How long connecting may take, over all addresses of a name.
const TCP_LIMIT: Duration = Duration::from_secs(10);
/// How long resolving, connecting and TLS may take together. A caller's deadline is usually
/// what ends a call; this one ends connections that the pool goes on opening in the
/// background after the caller has found another.
const WHOLE_LIMIT: Duration = Duration::from_secs(15);
/// Addresses of one name that are tried.
const MAX_ADDRESSES: usize = 8;

/// Why there is no connection.
#[derive(Debug, thiserror::Error)]
#[error("{message}")]
pub(super) struct DialError {
    /// The kind of failure.
    pub(super) kind: AttemptError,
    /// The failure as a sentence.
    pub(super) message: String,
}

impl DialError {
    fn new(kind: AttemptError, message: impl Into<String>) -> Self {
        Self { kind, message: message.into() }
    }
}

type Opening<T> = Pin<Box<dyn Future<Output = Result<T, DialError>> + Send>>;

/// Opens plain and TLS connections for hyper's pool.
#[derive(Clone)]
pub(super) struct Dialler {
    https: HttpsConnector<Tcp>,
}

impl Dialler {
    /// A dialler that verifies servers with `tls`; it refuses private addresses unless
    /// `allow_private`.
    pub(super) fn new(network: Network, tls: Arc<ClientConfig>, allow_private: bool) -> Self {
        let tcp = Tcp { network, allow_private, look_up: Arc::new(system) };
        Self { https: HttpsConnector::from((tcp, tls)) }
    }
}

impl Service<Uri> for Dialler {
    type Response = MaybeHttpsStream<TokioIo<Wire>>;
    type Error = DialError;
    type Future = Opening<Self::Response>;

    fn poll_ready(&mut self, _: &mut Context<'_>) -> Poll<Result<(), DialError>> {
        Poll::Ready(Ok(()))
    }

    fn call(&mut self, url: Uri) -> Self::Future {
        let opening = self.https.call(url.clone());
        Box::pin(async move {
            match timeout(WHOLE_LIMIT, opening).await {
                Ok(Ok(stream)) => Ok(stream),
                Ok(Err(error)) => Err(match error.downcast::<DialError>() {
                    Ok(error) => *error,
                    Err(error) => tls_error(&url, error.as_ref()),
                }),
                Err(_) => Err(DialError::new(
                    AttemptError::Timeout,
                    format!(
                        "{} did not finish the TLS handshake within {} s",
                        host(&url),
                        WHOLE_LIMIT.as_secs()
                    ),
                )),
            }
        })
    }
}

/// Opens TCP connections to checked addresses.
#[derive(Clone)]
struct Tcp {
    network: Network,
    allow_private: bool,
    look_up: Arc<LookUp>,
}

/// How a host and a port become addresses.
type LookUp = dyn Fn(String, u16) -> Addresses + Send + Sync;
type Addresses = Pin<Box<dyn Future<Output = io::Result<Vec<SocketAddr>>> + Send>>;

/// Asks the system, which knows every spelling of an address and asks the name servers.
fn system(host: String, port: u16) -> Addresses {
    Box::pin(async move { Ok(tokio::net::lookup_host((host, port)).await?.collect()) })
}

impl Service<Uri> for Tcp {
    type Response = TokioIo<Wire>;
    type Error = DialError;
    type Future = Opening<Self::Response>;

    fn poll_ready(&mut self, _: &mut Context<'_>) -> Poll<Result<(), DialError>> {
        Poll::Ready(Ok(()))
    }

    fn call(&mut self, url: Uri) -> Self::Future {
        let tcp = self.clone();
        Box::pin(async move {
            let wire = match &tcp.network {
                Network::Sockets => {
                    let addresses = tcp.resolve(&url).await?;
                    Wire::Socket(connect(&addresses).await?)
                }
                Network::Simulated(peers) => {
                    let opened = peers(host(&url), port(&url));
                    Wire::Memory(opened.map_err(|error| {
                        let message = format!("no connection to {}: {error}", host(&url));
                        DialError::new(AttemptError::Connection, message)
                    })?)
                }
                Network::Told(_) => {
                    let message = String::from("nothing is sent in a rehearsal");
                    return Err(DialError::new(AttemptError::Internal, message));
                }
            };
            Ok(TokioIo::new(wire))
        })
    }
}

impl Tcp {
    /// Resolves the host of a URL, whatever it looks like, and checks what comes out.
    async fn resolve(&self, url: &Uri) -> Result<Vec<SocketAddr>, DialError> {
        let host = host(url);
        let addresses: Vec<SocketAddr> =
            match timeout(DNS_LIMIT, (self.look_up)(host.to_owned(), port(url))).await {
                Ok(Ok(found)) => found,
                Ok(Err(error)) => {
                    let message = format!("the name `{host}` does not resolve: {error}");
                    return Err(DialError::new(AttemptError::Dns, message));
                }
                Err(_) => {
                    let seconds = DNS_LIMIT.as_secs();
                    let message =
                        format!("the name server did not resolve `{host}` in {seconds} s");
                    return Err(DialError::new(AttemptError::Dns, message));
                }
            };
        if addresses.is_empty() {
            let message = format!("the name `{host}` has no address");
            return Err(DialError::new(AttemptError::Dns, message));
        }
        address::admit(host, &addresses, self.allow_private)
            .map_err(|message| DialError::new(AttemptError::Blocked, message))?;
        Ok(addresses)
    }
}

/// The host as people write it, without the brackets of IPv6.
fn host(url: &Uri) -> &str {
    let host = url.host().unwrap_or_default();
    host.strip_prefix('[').and_then(|host| host.strip_suffix(']')).unwrap_or(host)
}

/// The port, written or usual.
fn port(url: &Uri) -> u16 {
    let usual = if url.scheme_str() == Some("https") { 443 } else { 80 };
    url.port_u16().unwrap_or(usual)
}

/// Connects to the first address that answers. Each gets an equal share of the time that
/// is left, so that a dead one does not use up its neighbour's.
async fn connect(addresses: &[SocketAddr]) -> Result<TcpStream, DialError> {
    let end = Instant::now() + TCP_LIMIT;
    let tried = &addresses[..addresses.len().min(MAX_ADDRESSES)];
    let mut last = DialError::new(AttemptError::Connection, "there is no address to connect to");
    for (waiting, address) in (1..=u32::try_from(tried.len()).unwrap_or(1)).rev().zip(tried) {
        let now = Instant::now();
        let until = now + end.saturating_duration_since(now) / waiting;
        match timeout_at(until, TcpStream::connect(address)).await {
            Ok(Ok(stream)) => {
                // Small requests would otherwise wait for the acknowledgement of the last.
                let _ = stream.set_nodelay(true);
                return Ok(stream);
            }
            Ok(Err(error)) => {
                let message = match error.kind() {
                    io::ErrorKind::ConnectionRefused => {
                        format!("nothing listens at {address}: the connection was refused")
                    }
                    _ => format!("no connection to {address}: {error}"),
                };
                last = DialError::new(AttemptError::Connection, message);
            }
            Err(_) => {
                let message = format!("{address} did not answer the call for a connection");
                last = DialError::new(AttemptError::Timeout, message);
            }
        }
    }
    Err(last)
}

fn tls_error(url: &Uri, error: &(dyn Error + 'static)) -> DialError {
    let host = host(url);
    let why = match rustls_cause(error) {
        Some(rustls::Error::InvalidCertificate(why)) => match why {
            CertificateError::UnknownIssuer => {
                "its certificate was signed by an authority that rulerun does not know"
            }
            CertificateError::Expired | CertificateError::ExpiredContext { .. } => {
                "its certificate has expired"
            }
            CertificateError::NotValidYet | CertificateError::NotValidYetContext { .. } => {
                "its certificate is not valid yet"
            }
            CertificateError::NotValidForName | CertificateError::NotValidForNameContext { .. } => {
                "its certificate is for another name"
            }
            _ => "its certificate cannot be accepted",
        },
        Some(rustls::Error::InvalidMessage(_)) => "it does not speak TLS on this port",
        Some(rustls::Error::AlertReceived(_)) => "it refused the TLS handshake",
        Some(_) => "no common ground for TLS 1.2 or 1.3 was found",
        None if error.is::<InvalidDnsNameError>() => {
            "this spelling of the host cannot stand in a certificate"
        }
        None => "the connection broke during the TLS handshake",
    };
    DialError::new(AttemptError::Tls, format!("no secure connection to `{host}`: {why}"))
}

/// The TLS library's own error inside a chain. An `io::Error` has to be opened by hand: its
/// `source` skips the error it carries.
pub(super) fn rustls_cause<'a>(error: &'a (dyn Error + 'static)) -> Option<&'a rustls::Error> {
    let mut next = Some(error);
    while let Some(error) = next {
        if let Some(found) = error.downcast_ref() {
            return Some(found);
        }
        next = match error.downcast_ref::<io::Error>().and_then(io::Error::get_ref) {
            Some(inner) => Some(inner as &'a (dyn Error + 'static)),
            None => error.source(),
        };
    }
    None
}

#[cfg(test)]
#[path = "dial_tests.rs"]
mod tests;
