//! A small load generator over keep-alive connections, and the servers that it is compared
//! with and delivers to.

use std::collections::BTreeMap;
use std::convert::Infallible;
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};
use std::time::{Duration, Instant};

use http_body_util::{BodyExt as _, Collected, Full};
use hyper::body::{Bytes, Incoming};
use hyper::service::service_fn;
use hyper::{Method, Request, Response};
use hyper_util::rt::TokioIo;
use tokio::io::{AsyncReadExt as _, AsyncWriteExt as _};
use tokio::net::{TcpListener, TcpStream};

type Body = Arc<dyn Fn(u64) -> String + Send + Sync>;

/// Where to send, over how many connections.
#[derive(Clone)]
pub(crate) struct Load {
    pub(crate) port: u16,
    pub(crate) path: String,
    pub(crate) connections: usize,
}

/// What came back.
#[derive(Default)]
pub(crate) struct Measured {
    pub(crate) answers: u64,
    pub(crate) took: Duration,
    pub(crate) statuses: BTreeMap<u16, u64>,
    micros: Vec<u32>,
}

impl Measured {
    pub(crate) fn rate(&self) -> f64 {
        self.answers as f64 / self.took.as_secs_f64()
    }

    fn add(&mut self, part: Self) {
        self.answers += part.answers;
        self.micros.extend(part.micros);
        for (status, count) in part.statuses {
            *self.statuses.entry(status).or_default() += count;
        }
    }

    /// A percentile in milliseconds.
    pub(crate) fn percentile(&self, share: f64) -> f64 {
        let index = ((self.micros.len().max(1) - 1) as f64 * share) as usize;
        self.micros.get(index).map_or(0.0, |micros| f64::from(*micros) / 1000.0)
    }
}

impl Load {
    /// Sends for a while; `body` makes the body of the n-th request.
    pub(crate) fn run(
        &self,
        time: Duration,
        body: impl Fn(u64) -> String + Send + Sync + 'static,
    ) -> Measured {
        self.send(u64::MAX, time, &(Arc::new(body) as Body))
    }

    /// Sends so many requests; answers how many were answered with 200.
    pub(crate) fn run_count(
        &self,
        count: u64,
        body: impl Fn(u64) -> String + Send + Sync + 'static,
    ) -> u64 {
        let measured = self.send(count, Duration::from_mins(2), &(Arc::new(body) as Body));
        measured.statuses.get(&200).copied().unwrap_or(0)
    }

    fn send(&self, count: u64, time: Duration, body: &Body) -> Measured {
        let runtime =
            tokio::runtime::Builder::new_current_thread().enable_all().build().expect("a runtime");
        let next = Arc::new(AtomicU64::new(0));
        let began = Instant::now();
        let mut total = runtime.block_on(async {
            let mut clients = tokio::task::JoinSet::new();
            for _ in 0..self.connections {
                let (load, next, body) = (self.clone(), Arc::clone(&next), Arc::clone(body));
                clients.spawn(async move { load.client(&next, count, began + time, &body).await });
            }
            let mut total = Measured::default();
            while let Some(part) = clients.join_next().await {
                total.add(part.expect("a client"));
            }
            total
        });
        total.took = began.elapsed();
        total.micros.sort_unstable();
        total
    }

    async fn client(&self, next: &AtomicU64, count: u64, end: Instant, body: &Body) -> Measured {
        let mut measured = Measured::default();
        let mut stream = TcpStream::connect(("127.0.0.1", self.port)).await.expect("a connection");
        stream.set_nodelay(true).expect("nodelay");
        let mut buffer = Vec::with_capacity(16 * 1024);
        while Instant::now() < end {
            let number = next.fetch_add(1, Ordering::Relaxed);
            if number >= count {
                break;
            }
            let body = body(number);
            let request = format!(
                "POST {} HTTP/1.1\r\nhost: 127.0.0.1\r\ncontent-type: application/json\r\ncontent-length: {}\r\n\r\n{body}",
                self.path,
                body.len()
            );
            let began = Instant::now();
            stream.write_all(request.as_bytes()).await.expect("sent");
            let status = answer(&mut stream, &mut buffer).await;
            measured.micros.push(u32::try_from(began.elapsed().as_micros()).unwrap_or(u32::MAX));
            measured.answers += 1;
            *measured.statuses.entry(status).or_default() += 1;
        }
        measured
    }
}

/// Reads one answer and says its status.
async fn answer(stream: &mut TcpStream, buffer: &mut Vec<u8>) -> u16 {
    buffer.clear();
    loop {
        assert!(stream.read_buf(buffer).await.expect("an answer") > 0, "the server hung up");
        let mut headers = [httparse::EMPTY_HEADER; 32];
        let mut response = httparse::Response::new(&mut headers);
        if let Ok(httparse::Status::Complete(head)) = response.parse(buffer) {
            let length = response
                .headers
                .iter()
                .find(|header| header.name.eq_ignore_ascii_case("content-length"))
                .and_then(|header| std::str::from_utf8(header.value).ok()?.parse::<usize>().ok())
                .unwrap_or(0);
            if buffer.len() >= head + length {
                return response.code.unwrap_or(0);
            }
        }
    }
}

/// Runs as a server: `echo` answers the body, `sink` counts and answers 200.
pub(crate) fn serve(kind: &str) {
    let echo = kind == "echo";
    let count = Arc::new(AtomicU64::new(0));
    let runtime = tokio::runtime::Builder::new_multi_thread()
        .worker_threads(2)
        .enable_all()
        .build()
        .expect("a runtime");
    runtime.block_on(async move {
        let listener = TcpListener::bind("127.0.0.1:0").await.expect("a port");
        println!("{}", listener.local_addr().expect("an address").port());
        loop {
            let (stream, _) = listener.accept().await.expect("a connection");
            stream.set_nodelay(true).expect("nodelay");
            let count = Arc::clone(&count);
            tokio::spawn(async move {
                let service = service_fn(move |request: Request<Incoming>| {
                    let count = Arc::clone(&count);
                    async move { Ok::<_, Infallible>(one(request, echo, &count).await) }
                });
                let _ = hyper::server::conn::http1::Builder::new()
                    .pipeline_flush(true)
                    .serve_connection(TokioIo::new(stream), service)
                    .await;
            });
        }
    });
}

async fn one(request: Request<Incoming>, echo: bool, count: &AtomicU64) -> Response<Full<Bytes>> {
    if request.method() == Method::GET {
        return Response::new(Full::new(Bytes::from(count.load(Ordering::SeqCst).to_string())));
    }
    let body = request.into_body().collect().await.map(Collected::to_bytes).unwrap_or_default();
    count.fetch_add(1, Ordering::SeqCst);
    Response::new(Full::new(if echo { body } else { Bytes::from_static(b"ok") }))
}
