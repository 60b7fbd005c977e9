//! Where calls arrive: connections, limits, and which door each request goes through: a
//! declared endpoint, a health page, an unsubscribe link, or the fixed API.

pub mod access;
pub mod answer;
mod call;
pub mod rate;
pub mod router;
pub mod unsubscribe;

use std::collections::HashMap;
use std::convert::Infallible;
use std::net::{IpAddr, SocketAddr};
use std::sync::{Arc, Mutex};
use std::time::Duration;

use http_body_util::Either;
use hyper::body::Incoming;
use hyper::server::conn::http1;
use hyper::service::service_fn;
use hyper::{Method, Request};
use hyper_util::rt::{TokioIo, TokioTimer};
use tokio::io::{AsyncRead, AsyncWrite};
use tokio::net::TcpListener;
use tokio::sync::{Semaphore, watch};
use tower::ServiceExt as _;

use self::answer::Answer;
use self::call::Incall;
use self::rate::Rates;
use self::router::Route;
use super::api::{self, Peer};
use super::app::App;
use super::journal::Kind;
use super::settings::LiveEndpoint;
use crate::base::Secret;
use crate::model::queue::Refusal;

/// Connections at once, over all clients.
const MAX_CONNECTIONS: usize = 4096;
/// Headers must have arrived within this time.
const HEADER_TIME: Duration = Duration::from_secs(10);
/// How long accepting pauses when the machine has no more file handles.
const BREATH: Duration = Duration::from_millis(100);

/// The door.
#[derive(Debug)]
pub struct Ingress {
    app: Arc<App>,
    api: axum::Router,
    rates: Rates,
    calls: Semaphore,
    clients: Mutex<HashMap<IpAddr, usize>>,
    /// Compared against for addresses that do not exist, so that they take as long as others.
    nobody: Secret,
}

impl Ingress {
    /// A door to this app.
    #[must_use]
    pub fn new(app: Arc<App>) -> Arc<Self> {
        let calls = app.live.load().rules.server.limits.in_flight;
        Arc::new(Self {
            api: api::router(Arc::clone(&app)),
            rates: Rates::default(),
            calls: Semaphore::new(calls),
            clients: Mutex::default(),
            nobody: Secret::new(super::clock::new_secret()),
            app,
        })
    }

    /// Accepts connections until `stop` turns true, then lets open calls finish.
    pub async fn run(self: Arc<Self>, listener: TcpListener, mut stop: watch::Receiver<bool>) {
        let places = Arc::new(Semaphore::new(MAX_CONNECTIONS));
        loop {
            let accepted = tokio::select! {
                accepted = listener.accept() => accepted,
                _ = stop.wait_for(|stop| *stop) => break,
            };
            match accepted {
                Ok((stream, peer)) => {
                    let Ok(place) = Arc::clone(&places).try_acquire_owned() else { continue };
                    let Some(client) = Client::enter(&self, peer.ip()) else { continue };
                    let ingress = Arc::clone(&self);
                    let stop = stop.clone();
                    // Without it small answers wait for the client's acknowledgement.
                    let _ = stream.set_nodelay(true);
                    tokio::spawn(async move {
                        ingress.connection(stream, peer, stop).await;
                        drop((place, client));
                    });
                }
                Err(_) => tokio::time::sleep(BREATH).await,
            }
        }
        // Every open connection holds a place; all of them back means that all have ended.
        let all = u32::try_from(MAX_CONNECTIONS).unwrap_or(u32::MAX);
        let _ = places.acquire_many(all).await;
    }

    /// Serves one open connection until it ends, or until `stop` turns true and the call under
    /// way is answered. `peer` is who seems to be at its other end.
    pub async fn connection(
        self: Arc<Self>,
        stream: impl AsyncRead + AsyncWrite + Unpin,
        peer: SocketAddr,
        mut stop: watch::Receiver<bool>,
    ) {
        let service = service_fn(|request| {
            let ingress = Arc::clone(&self);
            async move { Ok::<_, Infallible>(ingress.request(request, peer).await) }
        });
        let connection = http1::Builder::new()
            .timer(TokioTimer::new())
            .header_read_timeout(HEADER_TIME)
            .max_buf_size(32 * 1024)
            .pipeline_flush(true)
            .serve_connection(TokioIo::new(stream), service);
        let mut connection = std::pin::pin!(connection);
        tokio::select! {
            biased;
            // How a connection broke is the client's affair.
            _ = connection.as_mut() => return,
            _ = stop.wait_for(|stop| *stop) => connection.as_mut().graceful_shutdown(),
        }
        let _ = connection.await;
    }

    async fn request(&self, request: Request<Incoming>, peer: SocketAddr) -> Answer {
        let Ok(_place) = self.calls.try_acquire() else {
            return answer::busy(503, "The server is busy; please try again.");
        };
        let live = self.app.live.load_full();
        let path = router::without_tenant(request.uri().path()).into_owned();
        match live.router.find(&path) {
            Some(found) => match found.route {
                Route::Endpoint(endpoint) => {
                    let key = found.key.map(decode);
                    if !opens(endpoint, key.as_deref()) {
                        return self.unknown(peer);
                    }
                    let client =
                        access::client(peer.ip(), request.headers(), &live.trusted_proxies);
                    self.endpoint(&live, endpoint, client, request).await
                }
                Route::Health(group) if request.method() == Method::GET => {
                    answer::json_answer(200, &api::health(&self.app, group))
                }
                Route::Health(_) => answer::wrong_method(&[String::from("GET")]),
            },
            None if path.starts_with(unsubscribe::PATH) => {
                unsubscribe::answer(&self.app, &path, request).await
            }
            None if is_fixed(&path) => self.fixed(request, &path, peer).await,
            None => {
                let _ = self.nobody.matches(&path);
                self.unknown(peer)
            }
        }
    }

    /// An address that does not exist, or a wrong key: nobody can tell which.
    fn unknown(&self, peer: SocketAddr) -> Answer {
        self.app.metrics.call("", 404, Duration::ZERO);
        self.app
            .journal
            .say(Kind::Refused, &format!("404 unknown address or wrong key, from {}", peer.ip()));
        answer::not_found()
    }

    async fn endpoint(
        &self,
        live: &super::settings::Live,
        endpoint: &Arc<LiveEndpoint>,
        client: IpAddr,
        request: Request<Incoming>,
    ) -> Answer {
        let began = tokio::time::Instant::now();
        let app = &self.app;
        let call = Incall { app, live, endpoint, rates: &self.rates, client };
        let ended = call.answer(request).await;
        let (status, took) = (ended.answer.status().as_u16(), began.elapsed());
        let name = endpoint.rule.full_name();
        app.metrics.call(&name, status, took);
        let kind = match status {
            _ if ended.repeated => Kind::Repeated,
            200..=299 => Kind::Accepted,
            _ => Kind::Refused,
        };
        if app.journal.hears(kind) {
            app.journal.say(kind, &format!("{status} {name}  {}", ended.note));
            app.journal.steps(&ended.set_off);
        }
        // What a rule refused is an execution already; what was turned away is noted here.
        if !ended.by_rule && status >= 400 && app.metrics.may_note_refusal(&name, app.millis()) {
            app.store.note_refusals(vec![Refusal {
                id: app.new_id(),
                endpoint: name,
                status,
                message: super::journal::one_line(&ended.note),
                duration_ms: u64::try_from(took.as_millis()).unwrap_or(u64::MAX),
                remote: Some(client.to_string()),
            }]);
        }
        ended.answer
    }

    /// The fixed API.
    async fn fixed(&self, request: Request<Incoming>, path: &str, peer: SocketAddr) -> Answer {
        let (mut parts, body) = request.into_parts();
        let query = parts.uri.query().map(|query| format!("?{query}")).unwrap_or_default();
        if let Ok(uri) = format!("{path}{query}").parse() {
            parts.uri = uri;
        }
        parts.extensions.insert(Peer(peer));
        let request = Request::from_parts(parts, axum::body::Body::new(body));
        match self.api.clone().oneshot(request).await {
            Ok(answer) => answer.map(Either::Right),
            Err(never) => match never {},
        }
    }
}

/// Whether the key at the end of an address is one of the endpoint's.
fn opens(endpoint: &LiveEndpoint, key: Option<&str>) -> bool {
    match key {
        None => true,
        // All are compared, so that time does not tell which one is near.
        Some(key) => endpoint.keys.iter().fold(false, |opens, known| opens | known.matches(key)),
    }
}

/// Addresses of the API and the probes. Below the two webhook prefixes there are endpoints
/// alone, so what is not found there must look like every other unknown address.
fn is_fixed(path: &str) -> bool {
    const ENDPOINTS: [&str; 2] = ["/api/v1/executions/webhook/", "/api/v1/webhooks/"];
    let is_api = path.starts_with("/api/v1/") && !ENDPOINTS.iter().any(|at| path.starts_with(at));
    is_api || matches!(path, "/livez" | "/readyz" | "/metrics")
}

/// A path segment without percent escapes; what is not UTF-8 then fits no key.
fn decode(segment: &str) -> String {
    let mut bytes = Vec::with_capacity(segment.len());
    let mut rest = segment.as_bytes();
    while let Some((first, tail)) = rest.split_first() {
        let hex = |byte: u8| char::from(byte).to_digit(16);
        match (first, tail) {
            (b'%', [high, low, after @ ..]) if hex(*high).is_some() && hex(*low).is_some() => {
                let value = hex(*high).unwrap_or(0) * 16 + hex(*low).unwrap_or(0);
                bytes.push(u8::try_from(value).unwrap_or(b'?'));
                rest = after;
            }
            _ => {
                bytes.push(*first);
                rest = tail;
            }
        }
    }
    String::from_utf8_lossy(&bytes).into_owned()
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
        let is_proxy =
            live.trusted_proxies.iter().any(|network| network.contains(address.to_canonical()));
        let limit = if is_proxy { usize::MAX } else { live.rules.server.limits.per_client };
        let mut clients = ingress.clients.lock().ok()?;
        let open = clients.entry(address).or_default();
        if *open >= limit {
            return None;
        }
        *open += 1;
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
