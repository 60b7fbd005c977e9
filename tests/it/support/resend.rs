//! A stand-in for Resend: `POST /emails` and `GET /emails/:id` in the shapes of its API and of
//! its own client library, with its required fields, its idempotency keys of 24 hours and its
//! limit of requests.
#![allow(clippy::disallowed_methods, reason = "it lives in real time")]

use std::collections::{BTreeMap, VecDeque};
use std::time::{Duration, Instant};

use serde_json::{Value, json};

use super::stand_in::{Asked, Said, Vendor};

/// The API key that is accepted.
pub(crate) const KEY: &str = "re_stand_in";
/// A domain that nobody has verified.
pub(crate) const UNVERIFIED: &str = "unverified.example";
/// How long a key is remembered.
const REMEMBERS: Duration = Duration::from_hours(24);

/// What the stand-in knows.
pub(crate) struct Resend {
    /// What was sent: id and body.
    pub(crate) sent: Vec<(String, Value)>,
    /// Keys with what was asked, what was answered, and when.
    keys: BTreeMap<String, (Value, Value, Duration)>,
    /// Requests in any second.
    pub(crate) limit: usize,
    recent: VecDeque<Instant>,
    /// So much time has passed for the keys.
    pub(crate) passed: Duration,
}

impl Default for Resend {
    fn default() -> Self {
        Self {
            sent: Vec::new(),
            keys: BTreeMap::new(),
            limit: 1_000,
            recent: VecDeque::new(),
            passed: Duration::ZERO,
        }
    }
}

/// An error as Resend words it.
pub(crate) fn error(status: u16, name: &str, message: &str) -> Said {
    Said::new(status, json!({"statusCode": status, "name": name, "message": message}))
}

impl Vendor for Resend {
    const SENDS: &'static str = "POST /emails";

    fn answer(&mut self, asked: &Asked) -> Said {
        if asked.header("user-agent").is_empty() {
            return error(403, "validation_error", "error code: 1010");
        }
        match asked.header("authorization").strip_prefix("Bearer ") {
            None => return error(401, "missing_api_key", "Missing API key in the header."),
            Some(key) if key != KEY => return error(403, "invalid_api_key", "API key is invalid"),
            Some(_) => {}
        }
        let Some(remaining) = self.take() else {
            let why = "Too many requests. You can only make so many requests per second.";
            return self
                .with_limit(error(429, "rate_limit_exceeded", why).header("retry-after", "1"), 0);
        };
        let said = match asked.call.as_str() {
            "POST /emails" => self.send(asked),
            call => match call.strip_prefix("GET /emails/") {
                Some(id) => self.get(id),
                None => error(404, "not_found", "The requested endpoint does not exist"),
            },
        };
        self.with_limit(said, remaining)
    }
}

impl Resend {
    /// Counts a request; answers how many are left, or none where there are too many.
    fn take(&mut self) -> Option<usize> {
        let now = Instant::now();
        let old = |at: &Instant| now.duration_since(*at) >= Duration::from_secs(1);
        while self.recent.front().is_some_and(old) {
            self.recent.pop_front();
        }
        let remaining = self.limit.checked_sub(self.recent.len() + 1)?;
        self.recent.push_back(now);
        Some(remaining)
    }

    fn with_limit(&self, said: Said, remaining: usize) -> Said {
        said.header("ratelimit-limit", self.limit.to_string())
            .header("ratelimit-remaining", remaining.to_string())
            .header("ratelimit-reset", "1")
    }

    fn get(&self, id: &str) -> Said {
        let Some((_, body)) = self.sent.iter().find(|(known, _)| known == id) else {
            return error(404, "not_found", "Email not found");
        };
        let mut found = body.clone();
        found["object"] = json!("email");
        found["id"] = json!(id);
        found["last_event"] = json!("delivered");
        Said::new(200, found)
    }

    fn send(&mut self, asked: &Asked) -> Said {
        let Ok(body) = serde_json::from_slice::<Value>(&asked.body) else {
            return error(400, "validation_error", "The request body is not valid JSON.");
        };
        let key = asked.header("idempotency-key");
        if key.len() > 256 {
            let why = "The key must be between 1-256 chars.";
            return error(400, "invalid_idempotency_key", why);
        }
        if let Some((before, answer, at)) = self.keys.get(key)
            && self.passed.saturating_sub(*at) < REMEMBERS
        {
            return if *before == body {
                Said::new(200, answer.clone())
            } else {
                let why = "Same idempotency key used with a different request payload.";
                error(409, "invalid_idempotent_request", why)
            };
        }
        if let Some(said) = mistake(&body) {
            return said;
        }
        let id = format!("00000000-0000-4000-8000-{:012}", self.sent.len() + 1);
        let answer = json!({"id": id});
        if !key.is_empty() {
            self.keys.insert(key.to_owned(), (body.clone(), answer.clone(), self.passed));
        }
        self.sent.push((id, body));
        Said::new(200, answer)
    }
}

/// What is wrong with a message, in Resend's words.
fn mistake(body: &Value) -> Option<Said> {
    let filled = |name: &str| body[name].as_str().is_some_and(|text| !text.is_empty());
    for (name, there) in [
        ("from", filled("from")),
        ("to", filled("to") || body["to"].as_array().is_some_and(|to| !to.is_empty())),
        ("subject", filled("subject")),
        ("html", filled("html") || filled("text")),
    ] {
        if !there {
            let why = format!("Missing `{name}` field.");
            return Some(error(422, "missing_required_field", &why));
        }
    }
    if body["to"].as_array().is_some_and(|to| to.len() > 50) {
        return Some(error(422, "validation_error", "The `to` field has too many addresses."));
    }
    let from = body["from"].as_str().unwrap_or_default();
    let address = from.rsplit_once('<').map_or(from, |(_, rest)| rest.trim_end_matches('>'));
    let Some((_, domain)) = address.split_once('@') else {
        let why = "Invalid `from` field. The email address needs to follow the `email@example.com` \
                   or `Name <email@example.com>` format.";
        return Some(error(422, "invalid_from_address", why));
    };
    if domain == UNVERIFIED {
        let why = format!("The {domain} domain is not verified.");
        return Some(error(403, "validation_error", &why));
    }
    let tags = body["tags"].as_array().cloned().unwrap_or_default();
    let fits = |text: &Value| {
        text.as_str().is_some_and(|text| {
            let fits = |byte: u8| byte.is_ascii_alphanumeric() || b"_-".contains(&byte);
            (1..=256).contains(&text.len()) && text.bytes().all(fits)
        })
    };
    (!tags.iter().all(|tag| fits(&tag["name"]) && fits(&tag["value"]))).then(|| {
        let why = "Tags should only contain ASCII letters, numbers, underscores, or dashes.";
        error(422, "validation_error", why)
    })
}
