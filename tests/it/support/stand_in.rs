//! What the stand-ins of mail providers share: a small HTTP server on a port of its own that
//! notes every call, gives other answers when it is told to, loses answers, and tells at
//! which moment of a call it is, so that a test can kill the caller right then.

use std::collections::BTreeMap;
use std::convert::Infallible;
use std::sync::{Arc, Mutex};
use std::time::Duration;

use bytes::Bytes;
use http_body_util::{BodyExt as _, Full};
use hyper::body::Incoming;
use hyper::service::service_fn;
use hyper::{Request, Response};
use hyper_util::rt::TokioIo;
use serde_json::Value;
use tokio::net::TcpListener;

/// A moment in a call that sends or creates something.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Moment {
    /// It has arrived and nothing was done.
    Before,
    /// It was done and nothing was said.
    During,
    /// The answer has left.
    After,
}

/// Is told the moments of calls; answers whether it has killed the caller.
pub(crate) type Watch = Arc<dyn Fn(Moment) -> bool + Send + Sync>;

/// A call.
#[derive(Clone, Debug)]
pub(crate) struct Asked {
    /// Method, path and query.
    pub(crate) call: String,
    /// Headers, by name in lower case.
    pub(crate) headers: BTreeMap<String, String>,
    /// The body's bytes.
    pub(crate) body: Bytes,
}

impl Asked {
    /// A header, empty where it is missing.
    pub(crate) fn header(&self, name: &str) -> &str {
        self.headers.get(name).map_or("", String::as_str)
    }

    /// The body, null where it is no JSON.
    pub(crate) fn json(&self) -> Value {
        serde_json::from_slice(&self.body).unwrap_or_default()
    }
}

/// An answer.
#[derive(Clone, Debug)]
pub(crate) struct Said {
    pub(crate) status: u16,
    pub(crate) headers: Vec<(&'static str, String)>,
    pub(crate) body: Value,
}

impl Said {
    pub(crate) fn new(status: u16, body: Value) -> Self {
        Self { status, headers: Vec::new(), body }
    }

    pub(crate) fn header(mut self, name: &'static str, value: impl Into<String>) -> Self {
        self.headers.push((name, value.into()));
        self
    }
}

/// A provider's memory and manners.
pub(crate) trait Vendor: Send + 'static {
    /// How a call begins that sends something.
    const SENDS: &'static str;

    /// Answers a call.
    fn answer(&mut self, asked: &Asked) -> Said;
}

/// What the server is told besides.
#[derive(Default)]
pub(crate) struct Orders {
    /// Calls so far.
    pub(crate) asked: Vec<Asked>,
    /// Answers to give instead of the usual ones, each once: how the call begins, the answer.
    pub(crate) instead: Vec<(&'static str, Said)>,
    /// So many calls that send something are done and never answered.
    pub(crate) lose: usize,
    /// Is told the moments of calls that send something.
    pub(crate) watch: Option<Watch>,
}

/// A running stand-in.
pub(crate) struct StandIn<V> {
    /// Where it listens.
    pub(crate) url: String,
    /// What it knows.
    pub(crate) vendor: Arc<Mutex<V>>,
    /// What it is told.
    pub(crate) orders: Arc<Mutex<Orders>>,
}

impl<V: Vendor> StandIn<V> {
    pub(crate) async fn start(vendor: V) -> Self {
        let (vendor, orders) = (Arc::new(Mutex::new(vendor)), Arc::<Mutex<Orders>>::default());
        let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
        let url = format!("http://{}", listener.local_addr().unwrap());
        let shared = (Arc::clone(&vendor), Arc::clone(&orders));
        tokio::spawn(async move {
            while let Ok((stream, _)) = listener.accept().await {
                let (vendor, orders) = shared.clone();
                let service = service_fn(move |request| {
                    answer(Arc::clone(&vendor), Arc::clone(&orders), request)
                });
                tokio::spawn(
                    hyper::server::conn::http1::Builder::new()
                        .serve_connection(TokioIo::new(stream), service),
                );
            }
        });
        Self { url, vendor, orders }
    }

    /// The next call that begins like this gets this answer.
    pub(crate) fn instead(&self, call: &'static str, said: Said) {
        self.orders.lock().unwrap().instead.push((call, said));
    }

    /// The next answer to a call that sends is lost.
    pub(crate) fn lose_one(&self) {
        self.orders.lock().unwrap().lose += 1;
    }

    /// The calls since the last time this was asked.
    pub(crate) fn calls(&self) -> Vec<Asked> {
        std::mem::take(&mut self.orders.lock().unwrap().asked)
    }
}

async fn answer<V: Vendor>(
    vendor: Arc<Mutex<V>>,
    orders: Arc<Mutex<Orders>>,
    request: Request<Incoming>,
) -> Result<Response<Full<Bytes>>, Infallible> {
    let (head, body) = request.into_parts();
    let headers = head.headers.iter();
    let headers = headers
        .map(|(name, value)| (name.to_string(), value.to_str().unwrap_or_default().to_owned()))
        .collect();
    // A caller that was killed in the middle of its call gets no answer.
    let Ok(body) = body.collect().await else { std::future::pending().await };
    let call = format!("{} {}", head.method, head.uri);
    let asked = Asked { call, headers, body: body.to_bytes() };
    let sends = asked.call.starts_with(V::SENDS);
    let watch = orders.lock().unwrap().watch.clone().filter(|_| sends);
    let killed = |moment| watch.as_ref().is_some_and(|watch| watch(moment));
    orders.lock().unwrap().asked.push(asked.clone());
    if killed(Moment::Before) {
        std::future::pending::<()>().await;
    }
    let instead = {
        let mut orders = orders.lock().unwrap();
        let at = orders.instead.iter().position(|(call, _)| asked.call.starts_with(call));
        at.map(|at| orders.instead.remove(at).1)
    };
    let said = instead.unwrap_or_else(|| vendor.lock().unwrap().answer(&asked));
    let lost = {
        let mut orders = orders.lock().unwrap();
        let lost = sends && orders.lose > 0;
        orders.lose -= usize::from(lost);
        lost
    };
    if lost {
        std::future::pending::<()>().await;
    }
    killed(Moment::During);
    if let Some(watch) = watch {
        tokio::spawn(async move {
            tokio::time::sleep(Duration::from_millis(2)).await;
            watch(Moment::After);
        });
    }
    let mut response = Response::builder().status(said.status);
    for (name, value) in said.headers {
        response = response.header(name, value);
    }
    Ok(response.body(Full::from(said.body.to_string())).unwrap())
}
