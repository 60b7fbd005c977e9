//! Where calls arrive, and which door each of them goes through: a declared endpoint, a health
//! page, a mail provider's report, a link in an e-mail, or the fixed API. What is bounded on
//! the way stands in files of its own: connections and their patience (`connections`, `line`), bodies (`body`), how much
//! goes on at once (`load`), and calls per time (`rate`).

pub mod access;
pub mod answer;
pub mod body;
mod call;
pub mod click;
mod connections;
mod feedback;
pub mod key;
mod line;
mod load;
pub mod rate;
pub mod router;
mod seal;
mod sns;
pub mod unsubscribe;

use std::collections::HashMap;
use std::net::{IpAddr, SocketAddr};
use std::sync::atomic::Ordering;
use std::sync::{Arc, Mutex};
use std::time::Duration;

use http_body_util::Either;
use hyper::body::Incoming;
use hyper::header::{CONNECTION, HeaderValue, TRANSFER_ENCODING};
use hyper::{HeaderMap, Method, Request};
use tower::ServiceExt as _;

use self::answer::{Answer, Spread};
use self::body::Arriving;
use self::call::{Ended, Incall};
use self::feedback::Reported;
use self::load::{Gauge, room_for_bodies};
use self::rate::Rates;
use self::router::Route;
use self::sns::Pages;
use super::api::{self, Peer};
use super::app::App;
use super::deliver::Network;
use super::journal::Kind;
use super::settings::{Live, LiveEndpoint, LiveFeedback};
use crate::base::Secret;
use crate::model::queue::Refusal;

/// How long a call that finds no place waits for its refusal.
const HOLD_BACK: Duration = Duration::from_secs(1);

/// The door.
#[derive(Debug)]
pub struct Ingress {
    app: Arc<App>,
    api: axum::Router,
    rates: Rates,
    /// Calls that are being answered, without those whose body is still arriving.
    calls: Arc<Gauge>,
    /// Bytes of the bodies that are being read, understood and answered.
    bodies: Arc<Gauge>,
    spread: Spread,
    clients: Mutex<HashMap<IpAddr, usize>>,
    /// Pages of Amazon's, for reports of SES.
    pages: Pages,
    /// Compared against for addresses that do not exist, so that they take as long as others.
    nobody: Secret,
}

impl Ingress {
    /// A door to this app.
    #[must_use]
    pub fn new(app: Arc<App>) -> Arc<Self> {
        Self::over(app, Network::Sockets, None)
    }

    /// The same, where pages of mail providers are opened over this network, with more
    /// certificate authorities to trust (PEM).
    #[must_use]
    pub fn over(app: Arc<App>, network: Network, roots: Option<Vec<u8>>) -> Arc<Self> {
        Arc::new(Self {
            pages: Pages::new(network, roots),
            api: api::router(Arc::clone(&app)),
            rates: Rates::default(),
            calls: Arc::default(),
            bodies: Arc::default(),
            spread: Spread::default(),
            clients: Mutex::default(),
            nobody: Secret::new(super::clock::new_secret()),
            app,
        })
    }

    async fn request(&self, request: Request<Incoming>, peer: SocketAddr) -> Answer {
        let live = self.app.live.load_full();
        let mut answer = self.routed(&live, request, peer).await;
        self.spread.finish(&mut answer, self.app.draining.load(Ordering::Relaxed));
        answer
    }

    async fn routed(&self, live: &Live, request: Request<Incoming>, peer: SocketAddr) -> Answer {
        if !is_well_framed(request.headers()) {
            let mut answer = answer::error(400, "Transfer-Encoding must be chunked, said once.");
            answer.headers_mut().insert(CONNECTION, HeaderValue::from_static("close"));
            return answer;
        }
        let path = router::without_tenant(request.uri().path()).into_owned();
        match live.router.find(&path) {
            Some(found) => match found.route {
                Route::Endpoint(endpoint) => {
                    let key = found.key.map(decode);
                    if !opens(endpoint, key.as_deref()) {
                        return self.unknown(peer);
                    }
                    self.endpoint(live, endpoint, peer, request).await
                }
                Route::Feedback(feedback) => {
                    let client =
                        access::client(peer.ip(), request.headers(), &live.trusted_proxies);
                    self.feedback(live, feedback, client, request).await
                }
                Route::Health(group) if request.method() == Method::GET => {
                    answer::json_answer(200, &api::health(&self.app, group))
                }
                Route::Health(_) => answer::wrong_method(&[String::from("GET")]),
            },
            // Who watches over the server must hear that it lives even when it is full.
            None if matches!(&*path, "/livez" | "/readyz") => {
                self.fixed(live, request, &path, peer).await
            }
            None if is_link(&path) || is_fixed(&path) => {
                // An endpoint takes its place once the body is there.
                let Some(_place) = self.calls.take(1, live.rules.server.limits.in_flight) else {
                    self.app.metrics.call("", 503, Duration::ZERO);
                    return self.no_place().await.answer;
                };
                if is_link(&path) {
                    self.link(live, request, &path, peer).await
                } else {
                    self.fixed(live, request, &path, peer).await
                }
            }
            None => {
                let _ = self.nobody.matches(&path);
                self.unknown(peer)
            }
        }
    }

    /// All places are taken. The answer waits a moment: whoever is told at once comes back at
    /// once, and with many callers turning them away would take the time in which the others
    /// could be served. They hold nothing meanwhile but their connection, which is counted.
    async fn no_place(&self) -> Ended {
        if !self.app.draining.load(Ordering::Relaxed) {
            tokio::time::sleep(HOLD_BACK).await;
        }
        Ended::error(503, answer::BUSY)
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
        live: &Live,
        endpoint: &Arc<LiveEndpoint>,
        peer: SocketAddr,
        request: Request<Incoming>,
    ) -> Answer {
        let began = tokio::time::Instant::now();
        let (headers, proxies) = (request.headers(), &live.trusted_proxies);
        let client = access::client(peer.ip(), headers, proxies);
        let contested = access::is_contested(peer.ip(), headers, proxies);
        let call = Incall { app: &self.app, live, endpoint, ingress: self, client, contested };
        let ended = call.answer(request).await;
        self.told(endpoint.rule.full_name(), client, began.elapsed(), ended)
    }

    /// A mail provider reports.
    async fn feedback(
        &self,
        live: &Live,
        feedback: &Arc<LiveFeedback>,
        client: IpAddr,
        request: Request<Incoming>,
    ) -> Answer {
        let began = tokio::time::Instant::now();
        let ended = Reported { ingress: self, live, feedback, client }.answer(request).await;
        self.told(feedback.rule.full_name(), client, began.elapsed(), ended)
    }

    /// Tells of a call that was answered: in numbers, to those who watch, and, where it was
    /// turned away, in the log of webhooks.
    fn told(&self, name: String, client: IpAddr, took: Duration, ended: Ended) -> Answer {
        let app = &self.app;
        let status = ended.answer.status().as_u16();
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

    /// What is behind a link in an e-mail: the page and the one click by which people leave,
    /// or a target on the way to which the click is counted.
    async fn link(
        &self,
        live: &Live,
        request: Request<Incoming>,
        path: &str,
        peer: SocketAddr,
    ) -> Answer {
        let client = access::client(peer.ip(), request.headers(), &live.trusted_proxies);
        let clicks = path.starts_with(click::PATH);
        let (name, rate) = if clicks {
            (click::PATH, click::RATE)
        } else {
            (unsubscribe::PATH, unsubscribe::RATE)
        };
        if let Some(wait) = self.rates.take(name, rate, Some(client), self.app.millis()) {
            return answer::too_many("Too many requests; please try again.", wait);
        }
        let (parts, body) = request.into_parts();
        if clicks {
            return click::answer(&self.app, path, &parts.method, &parts.headers).await;
        }
        let room = room_for_bodies(live.rules.server.limits.body);
        let body = Arriving::new(body, &self.bodies, room);
        unsubscribe::answer(&self.app, path, &parts, body).await
    }

    /// The fixed API.
    async fn fixed(
        &self,
        live: &Live,
        request: Request<Incoming>,
        path: &str,
        peer: SocketAddr,
    ) -> Answer {
        let (mut parts, body) = request.into_parts();
        let room = room_for_bodies(live.rules.server.limits.body);
        let body = Arriving::new(body, &self.bodies, room);
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

/// Whether everybody on the way must have understood alike where the body ends: a proxy may
/// read codings before `chunked`, or `chunked` said twice, in another way than we do.
fn is_well_framed(headers: &HeaderMap) -> bool {
    let mut codings = headers.get_all(TRANSFER_ENCODING).iter();
    codings.next().is_none_or(|coding| coding.as_bytes().eq_ignore_ascii_case(b"chunked"))
        && codings.next().is_none()
}

/// Whether the key at the end of an address is one of the endpoint's.
fn opens(endpoint: &LiveEndpoint, key: Option<&str>) -> bool {
    match key {
        None => true,
        // All are compared, so that time does not tell which one is near.
        Some(key) => endpoint.keys.iter().fold(false, |opens, known| opens | known.matches(key)),
    }
}

/// Whether an address stands in e-mails.
fn is_link(path: &str) -> bool {
    path.starts_with(unsubscribe::PATH) || path.starts_with(click::PATH)
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
