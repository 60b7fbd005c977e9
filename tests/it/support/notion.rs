//! A stand-in for Notion that speaks the few calls the mirror makes, in the shapes captured
//! from Notion's own client library. It keeps its pages in memory and notes every call.

use std::convert::Infallible;
use std::sync::{Arc, Mutex};
use std::time::Duration;

use bytes::Bytes;
use http_body_util::{BodyExt as _, Full};
use hyper::body::Incoming;
use hyper::service::service_fn;
use hyper::{Request, Response};
use hyper_util::rt::TokioIo;
use serde_json::{Map, Value, json};
use tokio::net::TcpListener;

use super::stand_in::{Moment, Watch};

/// The database that exists.
pub(crate) const DATABASE: &str = "d0000000000000000000000000000001";
/// Its only data source.
pub(crate) const SOURCE: &str = "50000000-0000-0000-0000-000000000002";
/// The token that is accepted.
pub(crate) const TOKEN: &str = "ntn_stand_in";

/// What the stand-in knows.
#[derive(Default)]
pub(crate) struct World {
    /// Properties of the data source: name and type.
    pub(crate) columns: Vec<(String, String)>,
    /// Pages: id and properties as they were sent.
    pub(crate) pages: Vec<(String, Map<String, Value>)>,
    /// Calls so far: method and path.
    pub(crate) calls: Vec<String>,
    /// Answers to give instead of the usual ones, each once.
    pub(crate) instead: Vec<Instead>,
    /// Creates the page, then says nothing: a reply that is lost.
    pub(crate) lose_reply_of_create: bool,
    /// Is told the moments of calls that create a page.
    pub(crate) watch: Option<Watch>,
}

/// An answer that was asked for.
#[derive(Clone)]
pub(crate) struct Instead {
    /// How the call begins that gets it.
    pub(crate) to: &'static str,
    /// Its status.
    pub(crate) status: u16,
    /// Its `Retry-After`, if any.
    pub(crate) retry_after: Option<u32>,
    /// Its body.
    pub(crate) body: Value,
}

/// A running stand-in.
pub(crate) struct Notion {
    /// Where it listens.
    pub(crate) url: String,
    /// What it knows.
    pub(crate) world: Arc<Mutex<World>>,
}

impl Notion {
    /// Starts one whose database has these columns.
    pub(crate) async fn start(columns: &[(&str, &str)]) -> Self {
        let columns = columns.iter().map(|(n, t)| ((*n).to_owned(), (*t).to_owned())).collect();
        let world = Arc::new(Mutex::new(World { columns, ..World::default() }));
        let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
        let url = format!("http://{}", listener.local_addr().unwrap());
        let shared = Arc::clone(&world);
        tokio::spawn(async move {
            while let Ok((stream, _)) = listener.accept().await {
                let world = Arc::clone(&shared);
                let service = service_fn(move |request| answer(Arc::clone(&world), request));
                tokio::spawn(
                    hyper::server::conn::http1::Builder::new()
                        .serve_connection(TokioIo::new(stream), service),
                );
            }
        });
        Self { url, world }
    }

    /// The calls since the last time this was asked.
    pub(crate) fn calls(&self) -> Vec<String> {
        std::mem::take(&mut self.world.lock().unwrap().calls)
    }
}

async fn answer(
    world: Arc<Mutex<World>>,
    request: Request<Incoming>,
) -> Result<Response<Full<Bytes>>, Infallible> {
    let (head, body) = request.into_parts();
    // A caller that was killed in the middle of its call gets no answer.
    let Ok(body) = body.collect().await else { std::future::pending().await };
    let body = body.to_bytes();
    let header = |name: &str| head.headers.get(name).map_or("", |value| value.to_str().unwrap());
    let call = format!("{} {}", head.method, head.uri);
    let watch = world.lock().unwrap().watch.clone().filter(|_| call == "POST /v1/pages");
    let killed = |moment| watch.as_ref().is_some_and(|watch| watch(moment));
    world.lock().unwrap().calls.push(call.clone());
    if killed(Moment::Before) {
        std::future::pending::<()>().await;
    }
    let (status, retry_after, value, lost) = {
        let mut world = world.lock().unwrap();
        if header("authorization") != format!("Bearer {TOKEN}") {
            (401, None, error(401, "unauthorized", "API token is invalid."), false)
        } else if header("notion-version") != "2025-09-03" {
            (400, None, error(400, "missing_version", "Notion-Version header"), false)
        } else if let Some(at) = world.instead.iter().position(|it| call.starts_with(it.to)) {
            let Instead { status, retry_after, body, .. } = world.instead.remove(at);
            (status, retry_after, body, false)
        } else {
            let lost = call == "POST /v1/pages" && world.lose_reply_of_create;
            let (status, value) = world.answer(&call, &body);
            (status, None, value, lost)
        }
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
    let mut response = Response::builder().status(status);
    if let Some(seconds) = retry_after {
        response = response.header("retry-after", seconds);
    }
    Ok(response.body(Full::from(value.to_string())).unwrap())
}

/// An error as Notion words it.
pub(crate) fn error(status: u16, code: &str, message: &str) -> Value {
    json!({"object": "error", "status": status, "code": code, "message": message, "request_id": "r"})
}

impl World {
    fn answer(&mut self, call: &str, body: &[u8]) -> (u16, Value) {
        let body: Value = serde_json::from_slice(body).unwrap_or_default();
        if call == format!("GET /v1/databases/{DATABASE}") {
            let source = json!([{"id": SOURCE, "name": "Contacts"}]);
            return (200, json!({"object": "database", "id": DATABASE, "data_sources": source}));
        }
        if call == format!("GET /v1/data_sources/{SOURCE}") {
            let properties: Map<String, Value> = self
                .columns
                .iter()
                .map(|(name, kind)| {
                    (name.clone(), json!({"id": "x", "name": name, "type": kind, kind: {}}))
                })
                .collect();
            return (200, json!({"object": "data_source", "id": SOURCE, "properties": properties}));
        }
        if call == format!("POST /v1/data_sources/{SOURCE}/query") {
            return self.query(&body);
        }
        if call == "POST /v1/pages" {
            assert_eq!(body["parent"], json!({"type": "data_source_id", "data_source_id": SOURCE}));
            let id = format!("page-{}", self.pages.len() + 1);
            self.pages.push((id.clone(), Map::new()));
            let answer = self.write(&id, &body);
            if answer.0 != 200 {
                self.pages.pop();
            }
            return answer;
        }
        if let Some(id) = call.strip_prefix("PATCH /v1/pages/") {
            return self.write(id, &body);
        }
        let message = "Could not find object. Make sure it is shared.";
        (404, error(404, "object_not_found", message))
    }

    fn query(&self, body: &Value) -> (u16, Value) {
        assert_eq!(body["page_size"], 1);
        let name = body["filter"]["property"].as_str().unwrap();
        let Some((_, kind)) = self.columns.iter().find(|(column, _)| column == name) else {
            let message = format!("Could not find property with name or id: {name}");
            return (400, error(400, "validation_error", &message));
        };
        let wanted = &body["filter"][kind]["equals"];
        let found = self.pages.iter().find(|(_, properties)| {
            properties.get(name).is_some_and(|value| {
                &value[kind] == wanted || &value[kind][0]["text"]["content"] == wanted
            })
        });
        let results: Vec<Value> =
            found.into_iter().map(|(id, _)| json!({"object": "page", "id": id})).collect();
        (200, json!({"object": "list", "results": results, "has_more": false, "next_cursor": null}))
    }

    fn write(&mut self, id: &str, body: &Value) -> (u16, Value) {
        let Some((_, page)) = self.pages.iter_mut().find(|(page, _)| page == id) else {
            return (404, error(404, "object_not_found", "Could not find page"));
        };
        for (name, value) in body["properties"].as_object().unwrap() {
            let fits = self
                .columns
                .iter()
                .any(|(column, kind)| column == name && value.get(kind).is_some());
            if !fits {
                let message = format!("{name} is not a property that exists.");
                return (400, error(400, "validation_error", &message));
            }
            page.insert(name.clone(), value.clone());
        }
        (200, json!({"object": "page", "id": id, "url": "https://www.notion.so/x"}))
    }
}
