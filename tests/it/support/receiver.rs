//! A webhook receiver: keeps every request and answers what it was told to.

use std::collections::BTreeMap;
use std::convert::Infallible;
use std::sync::{Arc, Mutex};

use http_body_util::{BodyExt as _, Full};
use hyper::body::{Bytes, Incoming};
use hyper::service::service_fn;
use hyper::{Request, Response, StatusCode};
use hyper_util::rt::TokioIo;
use tokio::net::TcpListener;

/// A request that arrived.
#[derive(Clone, Debug)]
pub(crate) struct Received {
    pub(crate) path: String,
    pub(crate) headers: BTreeMap<String, String>,
    pub(crate) body: Vec<u8>,
}

type Hook = Box<dyn Fn(&Received) + Send>;

#[derive(Default)]
struct Inner {
    seen: Vec<Received>,
    script: Vec<u16>,
    hook: Option<Hook>,
}

impl std::fmt::Debug for Inner {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Inner").field("seen", &self.seen.len()).finish_non_exhaustive()
    }
}

/// A receiver on a port of its own.
#[derive(Clone, Debug)]
pub(crate) struct Receiver {
    pub(crate) port: u16,
    inner: Arc<Mutex<Inner>>,
}

impl Receiver {
    /// Answers with these statuses in turn, then with 200.
    pub(crate) async fn start(script: &[u16]) -> Self {
        let listener = TcpListener::bind("127.0.0.1:0").await.expect("a port");
        let port = listener.local_addr().expect("an address").port();
        let inner = Arc::new(Mutex::new(Inner { script: script.to_vec(), ..Inner::default() }));
        let shared = Arc::clone(&inner);
        tokio::spawn(async move {
            while let Ok((stream, _)) = listener.accept().await {
                let inner = Arc::clone(&shared);
                tokio::spawn(async move {
                    let service = service_fn(move |request| {
                        let inner = Arc::clone(&inner);
                        async move { Ok::<_, Infallible>(take(request, &inner).await) }
                    });
                    let _ = hyper::server::conn::http1::Builder::new()
                        .serve_connection(TokioIo::new(stream), service)
                        .await;
                });
            }
        });
        Self { port, inner }
    }

    /// Everything that arrived, oldest first.
    pub(crate) fn seen(&self) -> Vec<Received> {
        self.inner.lock().expect("a lock").seen.clone()
    }

    /// Does this with every request that arrives, before it is answered.
    pub(crate) fn on_request(&self, hook: impl Fn(&Received) + Send + 'static) {
        self.inner.lock().expect("a lock").hook = Some(Box::new(hook));
    }

    /// Its address.
    pub(crate) fn url(&self) -> String {
        format!("http://127.0.0.1:{}", self.port)
    }
}

async fn take(request: Request<Incoming>, inner: &Mutex<Inner>) -> Response<Full<Bytes>> {
    let path = request.uri().path().to_owned();
    let headers = request
        .headers()
        .iter()
        .map(|(name, value)| (name.to_string(), value.to_str().unwrap_or_default().to_owned()))
        .collect();
    let body = request.into_body().collect().await.expect("a body").to_bytes().to_vec();
    let mut inner = inner.lock().expect("a lock");
    let received = Received { path, headers, body };
    if let Some(hook) = &inner.hook {
        hook(&received);
    }
    inner.seen.push(received);
    let status = if inner.script.is_empty() { 200 } else { inner.script.remove(0) };
    let mut answer = Response::new(Full::new(Bytes::from_static(b"{\"ok\":true}")));
    *answer.status_mut() = StatusCode::from_u16(status).expect("a status");
    answer
}
