//! One HTTP request and what came of it. Everything that could keep rulerun waiting or fill
//! its memory has an end: one deadline covers the name server, connecting, TLS, the headers
//! and the whole reply; of the reply so much is read and no more. Redirects are reported and
//! never followed, no proxy is taken from the environment, and nothing is decompressed.

use std::error::Error;
use std::sync::Arc;
use std::time::Duration;

use bytes::Bytes;
use http_body_util::{BodyExt as _, Full};
use hyper::header::{self, HeaderMap, HeaderName, HeaderValue};
use hyper::{Method, Request, StatusCode};
use hyper_util::client::legacy::Client;
use hyper_util::rt::{TokioExecutor, TokioTimer};
use rustls::pki_types::CertificateDer;
use rustls::pki_types::pem::PemObject as _;
use tokio::time::{Instant, timeout};

use super::address;
use super::dial::{DialError, Dialler, rustls_cause};
use super::reply::Reply;
use super::wire::Network;
use crate::base::Timestamp;
use crate::model::{AttemptError, Tried};

/// Of a delivery's reply this much is read; then the connection is dropped.
const READ_LIMIT: usize = 64 * 1024;
/// How long an unused connection is kept. Node servers, n8n among them, hang up after 5 s;
/// leaving first avoids sending into a connection that is just being closed.
const IDLE: Duration = Duration::from_secs(4);
/// How we introduce ourselves.
const USER_AGENT: &str = concat!("rulerun/", env!("CARGO_PKG_VERSION"));

/// A request that is about to leave.
#[derive(Clone)]
pub struct Outgoing {
    /// The method.
    pub method: Method,
    /// The whole address, `http://` or `https://`.
    pub url: String,
    /// Headers as they are sent, besides those that the transport sets itself.
    pub headers: Vec<(String, String)>,
    /// The body's exact bytes.
    pub body: Bytes,
    /// The deadline of everything together.
    pub timeout: Duration,
    /// Whether a private address other than loopback may be called.
    pub allow_private: bool,
    /// The time, against which a `Retry-After` with a date is measured.
    pub now: Timestamp,
}

/// Sends requests over pooled connections. Cheap to clone; clones share the connections.
#[derive(Clone)]
pub struct HttpClient {
    /// Refuses private addresses.
    guarded: Pooled,
    /// Calls any address. Its connections are kept apart from the guarded ones, otherwise a
    /// service could be served over one that another service was allowed to open.
    open: Pooled,
}

impl std::fmt::Debug for HttpClient {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str("HttpClient")
    }
}

type Pooled = Client<Dialler, Full<Bytes>>;

impl HttpClient {
    /// A client that trusts the public certificate authorities and, besides those, the
    /// certificates of a PEM file.
    ///
    /// # Errors
    /// A sentence about what is wrong with the PEM text.
    pub fn new(extra_root_pem: Option<Vec<u8>>) -> Result<Self, String> {
        Self::over(&Network::Sockets, extra_root_pem)
    }

    /// The same over this network.
    ///
    /// # Errors
    /// As [`new`](Self::new).
    pub fn over(network: &Network, extra_root_pem: Option<Vec<u8>>) -> Result<Self, String> {
        let mut roots = rustls::RootCertStore::empty();
        roots.extend(webpki_roots::TLS_SERVER_ROOTS.iter().cloned());
        if let Some(pem) = extra_root_pem {
            add_roots(&mut roots, &pem)?;
        }
        let provider = Arc::new(rustls::crypto::ring::default_provider());
        let tls = rustls::ClientConfig::builder_with_provider(provider)
            .with_safe_default_protocol_versions()
            .map_err(|error| format!("TLS cannot be set up: {error}"))?
            .with_root_certificates(roots)
            .with_no_client_auth();
        let tls = Arc::new(tls);
        Ok(Self {
            guarded: pooled(Dialler::new(network.clone(), Arc::clone(&tls), false)),
            open: pooled(Dialler::new(network.clone(), tls, true)),
        })
    }

    /// Delivers: 2xx is success, everything else a failure with its reason.
    pub async fn send(&self, request: Outgoing) -> Tried {
        let now = request.now;
        match self.fetch(request, READ_LIMIT).await {
            Ok(reply) => reply.tried(now),
            Err(tried) => tried,
        }
    }

    /// Sends a request and answers the reply, whatever its status, with at most `cap` bytes
    /// of its body.
    ///
    /// # Errors
    /// What kept the whole reply from arriving, as a finished attempt.
    pub async fn fetch(&self, request: Outgoing, cap: usize) -> Result<Reply, Tried> {
        let started = Instant::now();
        let limit = request.timeout;
        let mut status = None;
        let outcome = timeout(limit, self.exchange(request, cap, &mut status)).await;
        let failure = match outcome {
            Ok(Ok(mut reply)) => {
                reply.duration = started.elapsed();
                return Ok(reply);
            }
            Ok(Err(failure)) => failure,
            Err(_) => {
                let what = if status.is_some() { "the reply did not end" } else { "no answer" };
                let limit = Duration::new(limit.as_secs(), limit.subsec_millis() * 1_000_000);
                Failure::later(AttemptError::Timeout, format!("{what} within {limit:?}"))
            }
        };
        Err(Tried {
            duration: started.elapsed(),
            status: status.map(|status| status.as_u16()),
            error: Some(failure.kind),
            message: Some(failure.message),
            unanswered: failure.unanswered,
            ..Tried::default()
        })
    }

    /// The exchange itself, without an end of its own; `status` is set as soon as the
    /// headers of the reply are there.
    async fn exchange(
        &self,
        request: Outgoing,
        cap: usize,
        status: &mut Option<StatusCode>,
    ) -> Result<Reply, Failure> {
        let pool = if request.allow_private { &self.open } else { &self.guarded };
        let response = pool.request(build(request)?).await.map_err(|error| Failure::of(&error))?;
        let (head, mut incoming) = response.into_parts();
        *status = Some(head.status);
        let mut body = Vec::new();
        let mut cut = false;
        while let Some(frame) = incoming.frame().await {
            let frame = frame.map_err(|error| Failure::of(&error))?;
            let Ok(data) = frame.into_data() else { continue };
            let room = cap - body.len();
            body.extend_from_slice(&data[..data.len().min(room)]);
            if data.len() > room {
                // Dropping a body that goes on closes its connection.
                cut = true;
                break;
            }
        }
        Ok(Reply {
            status: head.status,
            headers: head.headers,
            body,
            cut,
            duration: Duration::ZERO,
        })
    }
}

/// Hyper sends an unanswered request a second time only where it was still waiting for a
/// pooled connection that turned out to be closed, that is, before the connection had taken
/// it up and a byte could have been written (`TrySendError::take_message`). That is safe for
/// POST and spares a failed attempt after every idle time, so it stays on. A connection that
/// breaks later is an error here, and the same delivery id tells the receiver of the repeat.
fn pooled(dialler: Dialler) -> Pooled {
    Client::builder(TokioExecutor::new())
        .timer(TokioTimer::new())
        .pool_timer(TokioTimer::new())
        .pool_idle_timeout(IDLE)
        .pool_max_idle_per_host(32)
        .retry_canceled_requests(true)
        .set_host(true)
        .http1_max_buf_size(READ_LIMIT)
        .build(dialler)
}

fn add_roots(roots: &mut rustls::RootCertStore, pem: &[u8]) -> Result<(), String> {
    const HOW: &str = "the extra certificate authority must be a PEM file with at least one \
                       `-----BEGIN CERTIFICATE-----` block";
    let mut added = 0;
    for certificate in CertificateDer::pem_slice_iter(pem) {
        let certificate = certificate.map_err(|error| format!("{HOW}: {error}"))?;
        roots.add(certificate).map_err(|_| {
            format!("certificate {} of the extra certificate authority is damaged", added + 1)
        })?;
        added += 1;
    }
    if added == 0 { Err(String::from(HOW)) } else { Ok(()) }
}

/// Turns what is asked into what is sent.
fn build(request: Outgoing) -> Result<Request<Full<Bytes>>, Failure> {
    let wrong = |message: String| Failure::new(AttemptError::Internal, message);
    // The address is not repeated: a secret may stand in it.
    let url = address::read(&request.url)
        .map_err(|why| wrong(format!("the address of the service cannot be called: {why}")))?;
    let mut headers = HeaderMap::new();
    for (name, value) in &request.headers {
        let refused = |why: &str| wrong(format!("the header `{name}` cannot be sent: {why}"));
        let key = HeaderName::try_from(name.as_str())
            .map_err(|_| refused("its name has characters that a header may not have"))?;
        if is_ours(&key) {
            return Err(refused("rulerun sets it itself; leave it out"));
        }
        let value = HeaderValue::try_from(value.as_str())
            .map_err(|_| refused("its value has a line break or another control character"))?;
        headers.append(key, value);
    }
    headers.entry(header::USER_AGENT).or_insert(HeaderValue::from_static(USER_AGENT));
    let mut built = Request::new(Full::new(request.body));
    *built.method_mut() = request.method;
    *built.uri_mut() = url;
    *built.headers_mut() = headers;
    Ok(built)
}

/// Headers that say how the message is framed: a second opinion on that is how requests are
/// smuggled.
fn is_ours(name: &HeaderName) -> bool {
    [
        header::CONTENT_LENGTH,
        header::TRANSFER_ENCODING,
        header::CONNECTION,
        header::UPGRADE,
        header::TE,
        header::TRAILER,
        header::EXPECT,
    ]
    .contains(name)
}

/// Why there is no whole reply.
struct Failure {
    kind: AttemptError,
    message: String,
    /// Whether the request may have left.
    unanswered: bool,
}

impl Failure {
    fn new(kind: AttemptError, message: impl Into<String>) -> Self {
        Self { kind, message: message.into(), unanswered: false }
    }

    /// A failure after the request may have left.
    fn later(kind: AttemptError, message: impl Into<String>) -> Self {
        Self { unanswered: true, ..Self::new(kind, message) }
    }

    /// Finds the cause in a chain of errors and says it for people.
    fn of(error: &(dyn Error + 'static)) -> Self {
        let broken = |message: &str| Self::later(AttemptError::Connection, message);
        if let Some(dial) = cause::<DialError>(error) {
            return Self::new(dial.kind, &dial.message);
        }
        if rustls_cause(error).is_some() {
            return Self::later(AttemptError::Tls, "the secure connection broke off");
        }
        match cause::<hyper::Error>(error) {
            Some(http) if http.is_parse_too_large() => {
                broken("the headers of the reply are too large")
            }
            Some(http) if http.is_parse() => broken("what came back is not an HTTP/1.1 reply"),
            Some(http) if http.is_incomplete_message() => {
                broken("the connection was closed before the whole reply had come")
            }
            _ => match cause::<std::io::Error>(error) {
                Some(io) => broken(&format!("the connection broke: {io}")),
                None => broken("the connection broke before the whole reply had come"),
            },
        }
    }
}

/// The first error of a type in a chain.
fn cause<'a, E: Error + 'static>(error: &'a (dyn Error + 'static)) -> Option<&'a E> {
    let mut next = Some(error);
    while let Some(error) = next {
        if let Some(found) = error.downcast_ref() {
            return Some(found);
        }
        next = error.source();
    }
    None
}
