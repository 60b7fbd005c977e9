//! The receiver: notes of every delivery its `webhook-id`, a hash of its bytes and when it
//! came. It can refuse the first tries of each delivery, and hang for a while.

use std::collections::{BTreeMap, HashMap};
use std::convert::Infallible;
use std::hash::{DefaultHasher, Hash as _, Hasher as _};
use std::net::SocketAddr;
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Arc, Mutex, MutexGuard};
use std::time::Instant;

use http_body_util::{BodyExt as _, Full};
use hyper::body::{Bytes, Incoming};
use hyper::service::service_fn;
use hyper::{Request, Response, StatusCode};
use hyper_util::rt::TokioIo;
use tokio::net::TcpListener;

/// A delivery, with all its attempts.
pub(crate) struct Delivery {
    /// The number in its payload.
    pub(crate) n: u64,
    /// When each attempt came.
    pub(crate) tries: Vec<Instant>,
    /// How many of them were taken.
    pub(crate) taken: usize,
    hash: u64,
}

/// All that came.
#[derive(Default)]
pub(crate) struct Came {
    /// By `webhook-id`.
    pub(crate) deliveries: HashMap<String, Delivery>,
    /// The first moment at which the delivery of each number was taken.
    pub(crate) numbers: BTreeMap<u64, Instant>,
    /// What must never happen: one id with two bodies, one number under two ids.
    pub(crate) wrong: Vec<String>,
    ids: HashMap<u64, String>,
}

impl Came {
    /// Attempts that were taken beyond the first of each delivery.
    pub(crate) fn duplicated(&self) -> usize {
        self.deliveries.values().map(|delivery| delivery.taken.saturating_sub(1)).sum()
    }

    /// Notes an attempt; whether it is taken.
    fn take(&mut self, id: &str, body: &[u8], refuses: Refuses) -> bool {
        let n = serde_json::from_slice::<serde_json::Value>(body)
            .ok()
            .and_then(|body| body["n"].as_u64())
            .unwrap_or(u64::MAX);
        let mut hasher = DefaultHasher::new();
        body.hash(&mut hasher);
        let hash = hasher.finish();
        let (known, now) = (self.ids.entry(n).or_insert_with(|| id.to_owned()), Instant::now());
        if known != id {
            self.wrong.push(format!("call {n} was delivered as {known} and as {id}"));
        }
        let delivery = self.deliveries.entry(id.to_owned()).or_insert_with(|| Delivery {
            n,
            tries: Vec::new(),
            taken: 0,
            hash,
        });
        if (delivery.hash, delivery.n) != (hash, n) {
            self.wrong.push(format!("{id} was delivered with two bodies"));
        }
        delivery.tries.push(now);
        let taken = !n.is_multiple_of(refuses.every) || delivery.tries.len() > refuses.tries;
        if taken {
            delivery.taken += 1;
            self.numbers.entry(n).or_insert(now);
        }
        taken
    }
}

/// What is answered with 500.
#[derive(Clone, Copy)]
struct Refuses {
    /// The first tries of a delivery.
    tries: usize,
    /// Of so many deliveries one.
    every: u64,
}

/// A receiver on a port of its own.
pub(crate) struct Sink {
    address: SocketAddr,
    came: Arc<Mutex<Came>>,
    hangs: Arc<AtomicBool>,
    _runtime: tokio::runtime::Runtime,
}

impl Sink {
    /// Takes everything.
    pub(crate) fn start() -> Self {
        Self::refusing(0)
    }

    /// Answers the first tries of each delivery with 500.
    pub(crate) fn refusing(tries: usize) -> Self {
        Self::with(Refuses { tries, every: 1 })
    }

    /// Answers the first try of one delivery in so many with 500.
    pub(crate) fn refusing_one_in(every: u64) -> Self {
        Self::with(Refuses { tries: 1, every })
    }

    fn with(refuses: Refuses) -> Self {
        let runtime = tokio::runtime::Builder::new_multi_thread()
            .worker_threads(1)
            .enable_all()
            .build()
            .unwrap();
        let listener = runtime.block_on(TcpListener::bind("127.0.0.1:0")).unwrap();
        let address = listener.local_addr().unwrap();
        let came = Arc::<Mutex<Came>>::default();
        let hangs = Arc::<AtomicBool>::default();
        runtime.spawn(serve(listener, Arc::clone(&came), Arc::clone(&hangs), refuses));
        Self { address, came, hangs, _runtime: runtime }
    }

    /// Its address.
    pub(crate) fn url(&self) -> String {
        format!("http://{}", self.address)
    }

    /// From now on deliveries get no answer, and are none; or they do again.
    pub(crate) fn hang(&self, hangs: bool) {
        self.hangs.store(hangs, Ordering::Relaxed);
    }

    /// All that came; nothing comes while this is held.
    pub(crate) fn came(&self) -> MutexGuard<'_, Came> {
        self.came.lock().unwrap()
    }
}

async fn serve(
    listener: TcpListener,
    came: Arc<Mutex<Came>>,
    hangs: Arc<AtomicBool>,
    refuses: Refuses,
) {
    while let Ok((stream, _)) = listener.accept().await {
        let _ = stream.set_nodelay(true);
        let (came, hangs) = (Arc::clone(&came), Arc::clone(&hangs));
        tokio::spawn(async move {
            let service = service_fn(move |request| {
                let (came, hangs) = (Arc::clone(&came), Arc::clone(&hangs));
                async move {
                    if hangs.load(Ordering::Relaxed) {
                        // Its sender gives up, or ends.
                        std::future::pending::<()>().await;
                    }
                    Ok::<_, Infallible>(answer(request, &came, refuses).await)
                }
            });
            let _ = hyper::server::conn::http1::Builder::new()
                .serve_connection(TokioIo::new(stream), service)
                .await;
        });
    }
}

async fn answer(
    request: Request<Incoming>,
    came: &Mutex<Came>,
    refuses: Refuses,
) -> Response<Full<Bytes>> {
    let id = request.headers().get("webhook-id").and_then(|id| id.to_str().ok());
    let id = id.unwrap_or("without an id").to_owned();
    let mut answer = Response::new(Full::new(Bytes::from_static(b"{}")));
    // Half a request is none: its sender was killed.
    let Ok(body) = request.into_body().collect().await else { return answer };
    let taken = came.lock().unwrap().take(&id, &body.to_bytes(), refuses);
    if !taken {
        *answer.status_mut() = StatusCode::INTERNAL_SERVER_ERROR;
    }
    answer
}
