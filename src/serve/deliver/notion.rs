//! Mirrors records to a Notion database: one page per record, found again before every
//! write. Notion knows no idempotency keys, so an attempt never creates before it has
//! looked; that also holds after a timeout, when the page may already be there.

mod property;

use std::sync::{Arc, Mutex, PoisonError};
use std::time::Duration;

use bytes::Bytes;
use hyper::Method;
use serde_json::{Map, Value, json};
use tokio::time::Instant;

use self::property::{Layout, Page};
use super::http::{HttpClient, Outgoing};
use super::reply::Reply;
use crate::base::{Secret, Timestamp};
use crate::model::{AttemptError, Tried};

/// Where Notion's API is.
pub const DEFAULT_URL: &str = "https://api.notion.com";
/// Calls to Notion per mirrored record: a look and a write. Notion counts calls, so a rate
/// for it has to be divided by this before it becomes a rate of attempts.
pub const CALLS_PER_MIRROR: u64 = 2;

/// The version of the API that is spoken.
const VERSION: &str = "2025-09-03";
/// Of a reply this much is read.
const READ_LIMIT: usize = 1024 * 1024;
/// How long the description of a database is believed.
const LAYOUT_LIFETIME: Duration = Duration::from_mins(10);

/// A database that records are mirrored to.
pub struct Notion {
    client: HttpClient,
    base_url: String,
    token: Secret,
    database: String,
    allow_private: bool,
    layout: Mutex<Option<(Instant, Arc<Layout>)>>,
}

impl std::fmt::Debug for Notion {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Notion").field("database", &self.database).finish_non_exhaustive()
    }
}

/// What the calls of one attempt share.
struct Attempt {
    end: Instant,
    now: Timestamp,
}

impl Notion {
    /// A mirror to `database`, the id of a database or of one of its data sources. `base_url`
    /// is [`DEFAULT_URL`] outside tests; `allow_private` is the service's setting.
    #[must_use]
    pub fn new(
        client: HttpClient,
        base_url: &str,
        token: Secret,
        database: String,
        allow_private: bool,
    ) -> Self {
        Self {
            client,
            base_url: base_url.trim_end_matches('/').to_owned(),
            token,
            database,
            allow_private,
            layout: Mutex::new(None),
        }
    }

    /// Brings the record's page up to date, or makes it. `timeout` covers all calls
    /// together; `now` is what a `Retry-After` is measured from.
    ///
    /// A refused token and a database that the integration may not see come back as
    /// [`AttemptError::Login`]: our configuration, and no reason to give a record up. A
    /// conflict (409) is [`AttemptError::Deferred`]: the same write works a moment later.
    pub async fn mirror(
        &self,
        record: &str,
        id: &str,
        fields: &Map<String, Value>,
        now: Timestamp,
        timeout: Duration,
    ) -> Tried {
        let started = Instant::now();
        let attempt = Attempt { end: started + timeout.min(Duration::from_hours(1)), now };
        let outcome = self.upsert(&attempt, record, id, fields).await;
        let (Ok(tried) | Err(tried)) = outcome;
        Tried { duration: started.elapsed(), ..tried }
    }

    async fn upsert(
        &self,
        attempt: &Attempt,
        record: &str,
        id: &str,
        fields: &Map<String, Value>,
    ) -> Result<Tried, Tried> {
        let known = self.known_layout();
        let was_known = known.is_some();
        let layout = match known {
            Some(layout) => layout,
            None => self.look_up_layout(attempt).await?,
        };
        let outcome = self.write(attempt, &layout, &layout.page(id, fields)).await;
        let outcome = match outcome {
            Err(tried) if matches!(tried.status, Some(400 | 404)) => {
                // Perhaps someone renamed a property or moved the database.
                *self.layout.lock().unwrap_or_else(PoisonError::into_inner) = None;
                if !was_known {
                    return Err(tried);
                }
                let layout = self.look_up_layout(attempt).await?;
                self.write(attempt, &layout, &layout.page(id, fields)).await
            }
            outcome => outcome,
        };
        let written = outcome?;
        Ok(Tried {
            message: Some(format!("{record} {id}: {}", written.message.unwrap_or_default())),
            ..written
        })
    }

    /// Finds the page and updates it, or creates it.
    async fn write(&self, attempt: &Attempt, layout: &Layout, page: &Page) -> Result<Tried, Tried> {
        let query = format!("/v1/data_sources/{}/query", layout.source);
        let body = json!({"filter": page.filter, "page_size": 1});
        let (_, found) = self.call(attempt, Method::POST, &query, Some(&body)).await?;
        let (did, (reply, written)) = if let Some(known) = found["results"][0]["id"].as_str() {
            let path = format!("/v1/pages/{}", checked_id(known)?);
            let body = json!({ "properties": page.properties });
            ("updated", self.call(attempt, Method::PATCH, &path, Some(&body)).await?)
        } else {
            let mut properties = page.properties.clone();
            properties.extend(page.at_first.clone());
            let body = json!({
                "parent": {"type": "data_source_id", "data_source_id": layout.source},
                "properties": properties,
            });
            ("created", self.call(attempt, Method::POST, "/v1/pages", Some(&body)).await?)
        };
        let mut note = format!("page {} {did}", written["id"].as_str().unwrap_or("(no id)"));
        if !page.misfits.is_empty() {
            note.push_str("; left out: ");
            note.push_str(&page.misfits.join(", "));
        }
        Ok(Tried { message: Some(note), ..reply.tried(attempt.now) })
    }

    fn known_layout(&self) -> Option<Arc<Layout>> {
        let known = self.layout.lock().unwrap_or_else(PoisonError::into_inner);
        known
            .as_ref()
            .filter(|(since, _)| since.elapsed() < LAYOUT_LIFETIME)
            .map(|(_, layout)| Arc::clone(layout))
    }

    /// Asks Notion what the database looks like, and remembers it.
    async fn look_up_layout(&self, attempt: &Attempt) -> Result<Arc<Layout>, Tried> {
        let database = checked_id(&self.database)?;
        let path = format!("/v1/databases/{database}");
        let source = match self.call(attempt, Method::GET, &path, None).await {
            Ok((_, described)) => match described["data_sources"][0]["id"].as_str() {
                Some(source) => checked_id(source)?.to_owned(),
                None => return Err(ours("the Notion database has no data source")),
            },
            // Then the id may be that of a data source already.
            Err(tried) if tried.status == Some(404) => database.to_owned(),
            Err(tried) => return Err(tried),
        };
        let path = format!("/v1/data_sources/{source}");
        let (_, described) = match self.call(attempt, Method::GET, &path, None).await {
            Err(tried) if tried.status == Some(404) => {
                return Err(Tried { error: Some(AttemptError::Login), ..tried });
            }
            outcome => outcome?,
        };
        let layout = Arc::new(Layout::read(source, &described).map_err(|why| ours(&why))?);
        let mut known = self.layout.lock().unwrap_or_else(PoisonError::into_inner);
        *known = Some((Instant::now(), Arc::clone(&layout)));
        Ok(layout)
    }

    /// One call to the API: the reply and its JSON, or what went wrong.
    async fn call(
        &self,
        attempt: &Attempt,
        method: Method,
        path: &str,
        body: Option<&Value>,
    ) -> Result<(Reply, Value), Tried> {
        let header = |name: &str, value: String| (name.to_owned(), value);
        let request = Outgoing {
            method,
            url: format!("{}{path}", self.base_url),
            headers: vec![
                header("Authorization", format!("Bearer {}", self.token.expose())),
                header("Notion-Version", VERSION.to_owned()),
                header("Content-Type", String::from("application/json")),
            ],
            body: body.map_or_else(Bytes::new, |body| Bytes::from(body.to_string())),
            timeout: attempt.end.saturating_duration_since(Instant::now()),
            allow_private: self.allow_private,
            now: attempt.now,
        };
        let reply = self.client.fetch(request, READ_LIMIT).await?;
        if !reply.status.is_success() {
            return Err(refused(&reply, attempt.now));
        }
        match serde_json::from_slice(&reply.body) {
            Ok(json) => Ok((reply, json)),
            Err(_) => Err(Tried {
                error: Some(AttemptError::Connection),
                message: Some(String::from("Notion answered with something that is not JSON")),
                ..reply.tried(attempt.now)
            }),
        }
    }
}

/// What an answer other than success means.
fn refused(reply: &Reply, now: Timestamp) -> Tried {
    let tried = reply.tried(now);
    let said: Value = serde_json::from_slice(&reply.body).unwrap_or_default();
    let code = said["code"].as_str().unwrap_or("no code");
    // Notion's sentences are short; what is longer stands in the reply.
    let text: String =
        said["message"].as_str().unwrap_or("no message").escape_debug().take(500).collect();
    let (error, message) = match reply.status.as_u16() {
        300..=399 => return tried,
        401 | 403 => (
            AttemptError::Login,
            format!(
                "Notion refused the token ({code}: {text}); set the service's `token` to the \
                 secret of an integration that may read, insert and update content"
            ),
        ),
        404 => (
            AttemptError::Status,
            format!(
                "Notion does not know this id, or does not show it to the integration ({text}); \
                 share the database with the integration and check the service's `database`"
            ),
        ),
        409 => (AttemptError::Deferred, format!("Notion was busy with this page ({text})")),
        status => (AttemptError::Status, format!("Notion answered {status} {code}: {text}")),
    };
    Tried { error: Some(error), message: Some(message), ..tried }
}

/// Our configuration is at fault, and nothing was sent.
fn ours(message: &str) -> Tried {
    Tried {
        error: Some(AttemptError::Login),
        message: Some(message.to_owned()),
        ..Tried::default()
    }
}

/// Lets an id through that can stand in a path.
fn checked_id(id: &str) -> Result<&str, Tried> {
    let fits = |character: char| character.is_ascii_alphanumeric() || character == '-';
    if !id.is_empty() && id.len() <= 64 && id.chars().all(fits) {
        Ok(id)
    } else {
        Err(ours(
            "the id of the Notion database is not one: `database` takes the 32 letters and \
             digits in the database's address, before the `?`",
        ))
    }
}
