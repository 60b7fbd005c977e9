//! A stand-in for Postmark: `POST /email` and `GET /messages/outbound` in the shapes of its
//! API and of its own client library, with its required fields, its streams and its list of
//! inactive recipients. As with Postmark, the same message twice is sent twice, and a message
//! is found a moment after it was taken.
#![allow(clippy::disallowed_methods, reason = "it lives in real time")]

use std::time::{Duration, Instant};

use serde_json::{Value, json};

use super::stand_in::{Asked, Said, Vendor};

/// The server token that is accepted.
pub(crate) const TOKEN: &str = "00000000-aaaa-bbbb-cccc-stand-in-000";
/// The address of nobody who has confirmed it.
pub(crate) const UNCONFIRMED: &str = "nobody@unconfirmed.example";
/// The streams that exist.
const STREAMS: [&str; 2] = ["outbound", "broadcast"];

/// What the stand-in knows.
#[derive(Default)]
pub(crate) struct Postmark {
    /// What was sent: id, body and when.
    pub(crate) sent: Vec<(String, Value, Option<Instant>)>,
    /// Addresses that get nothing any more.
    pub(crate) inactive: Vec<String>,
    /// How long it takes until a message can be found.
    pub(crate) lag: Duration,
    /// What messages with such a subject are answered.
    pub(crate) faults: Vec<(&'static str, Said)>,
}

/// An error as Postmark words it.
pub(crate) fn error(status: u16, code: u16, message: &str) -> Said {
    Said::new(status, json!({"ErrorCode": code, "Message": message}))
}

impl Vendor for Postmark {
    const SENDS: &'static str = "POST /email";

    fn answer(&mut self, asked: &Asked) -> Said {
        if asked.header("x-postmark-server-token") != TOKEN {
            let why = "Request does not contain a valid Server token.";
            return error(401, 10, why);
        }
        if !asked.header("accept").contains("application/json") {
            return error(422, 409, "The 'Accept' header must be application/json.");
        }
        match asked.call.split_once('?') {
            None if asked.call == "POST /email" => self.send(asked),
            Some(("GET /messages/outbound", query)) => self.find(query),
            _ => Said::new(404, json!({})),
        }
    }
}

impl Postmark {
    fn send(&mut self, asked: &Asked) -> Said {
        let Ok(body) = serde_json::from_slice::<Value>(&asked.body) else {
            return error(422, 402, "Invalid JSON");
        };
        let fault = self.faults.iter().find(|(subject, _)| body["Subject"] == *subject);
        if let Some(said) = fault.map(|fault| fault.1.clone()).or_else(|| self.mistake(&body)) {
            return said;
        }
        let id = format!("0a129aee-e1cd-480d-b08d-{:012}", self.sent.len() + 1);
        let answer = json!({
            "To": body["To"], "SubmittedAt": "2025-12-01T10:00:00.0000000Z", "MessageID": id,
            "ErrorCode": 0, "Message": "OK",
        });
        self.sent.push((id, body, Some(Instant::now())));
        Said::new(200, answer)
    }

    /// What is wrong with a message, in Postmark's words.
    fn mistake(&self, body: &Value) -> Option<Said> {
        let text = |name: &str| body[name].as_str().unwrap_or_default();
        for name in ["From", "To"] {
            if !text(name).contains('@') {
                let why = format!("Invalid '{name}' address: '{}'.", text(name));
                return Some(error(422, 300, &why));
            }
        }
        if text("HtmlBody").is_empty() && text("TextBody").is_empty() {
            return Some(error(422, 300, "Provide either email TextBody or HtmlBody or both."));
        }
        if text("From").contains(UNCONFIRMED) {
            let why = format!(
                "The 'From' address you supplied ({UNCONFIRMED}) is not a Sender Signature on \
                 your account."
            );
            return Some(error(422, 400, &why));
        }
        let stream = body["MessageStream"].as_str().unwrap_or("outbound");
        if !STREAMS.contains(&stream) {
            let why = format!("The message stream for the provided 'ID' ({stream}) was not found.");
            return Some(error(422, 1_235, &why));
        }
        let metadata = body["Metadata"].as_object().cloned().unwrap_or_default();
        let fits = |(name, value): (&String, &Value)| {
            name.len() <= 20 && value.as_str().is_some_and(|value| value.chars().count() <= 80)
        };
        if !metadata.iter().all(fits) {
            return Some(error(422, 300, "Metadata is too long."));
        }
        self.inactive.iter().any(|address| text("To").contains(address.as_str())).then(|| {
            let why = format!(
                "You tried to send to recipient(s) that have been marked as inactive. Found \
                 inactive addresses: {}. Inactive recipients are ones that have generated a hard \
                 bounce, a spam complaint, or a manual suppression.",
                text("To")
            );
            error(422, 406, &why)
        })
    }

    /// Messages of one stream with these metadata.
    fn find(&self, query: &str) -> Said {
        let pairs: Vec<(&str, &str)> =
            query.split('&').filter_map(|pair| pair.split_once('=')).collect();
        let same = |known: &str, name: &str| known.eq_ignore_ascii_case(name);
        let value = |name: &str| pairs.iter().find(|(known, _)| same(known, name)).map(|it| it.1);
        if value("count").is_none() || value("offset").is_none() {
            return error(422, 700, "Parameters 'count' and 'offset' are required.");
        }
        let stream = value("messageStream").unwrap_or("outbound");
        let wanted: Vec<(&str, &str)> = pairs
            .iter()
            .filter_map(|(name, value)| Some((name.strip_prefix("metadata_")?, *value)))
            .collect();
        let found: Vec<Value> = self
            .sent
            .iter()
            .filter(|(_, _, at)| at.is_none_or(|at| at.elapsed() >= self.lag))
            .filter(|(_, body, _)| {
                body["MessageStream"].as_str().unwrap_or("outbound") == stream
                    && wanted.iter().all(|(name, value)| body["Metadata"][*name] == *value)
            })
            .map(|(id, body, _)| {
                json!({
                    "MessageID": id, "To": [{"Email": body["To"], "Name": ""}], "Status": "Sent",
                    "From": body["From"], "Subject": body["Subject"], "Tag": body["Tag"],
                    "MessageStream": stream, "Metadata": body["Metadata"],
                })
            })
            .collect();
        Said::new(200, json!({"TotalCount": found.len(), "Messages": found}))
    }
}
