//! An account at a mail provider, and what its calls have in common: one JSON request, one
//! JSON answer, and an attempt that says whether the provider may have taken the e-mail
//! although no answer came.

use std::time::Duration;

use bytes::Bytes;
use hyper::Method;
use hyper::header::HeaderValue;
use serde_json::Value;

use super::http::{HttpClient, Outgoing};
use super::reply::{Reply, kept};
use crate::base::{Secret, Timestamp};
use crate::model::queue::Email;
use crate::model::rules::ServiceType;
use crate::model::{AttemptError, Tried};

/// Of a reply this much is read.
const READ_LIMIT: usize = 64 * 1024;
/// Longest sentence of a provider that is repeated, in bytes.
const SAID: usize = 300;

/// An account at a mail provider.
pub struct Account<'a> {
    /// Sends the requests.
    pub client: &'a HttpClient,
    /// Where the provider's API is, without a trailing slash.
    pub url: &'a str,
    /// The secret that opens it.
    pub token: &'a Secret,
    /// Whether a private address other than loopback may be called.
    pub allow_private: bool,
    /// The deadline of one call.
    pub timeout: Duration,
    /// The time, against which a `Retry-After` with a date is measured.
    pub now: Timestamp,
}

impl Account<'_> {
    /// Hands an e-mail to the provider once, under the id of its job. `asked` says whether an
    /// earlier attempt may have arrived: Postmark is then asked for it first, Resend knows by
    /// itself.
    pub async fn send(&self, kind: ServiceType, job: &str, email: &Email, asked: bool) -> Tried {
        match kind {
            ServiceType::Postmark => self.postmark(job, email, asked).await,
            _ => self.resend(job, email).await,
        }
    }

    /// One call: the reply with its JSON, whatever its status, or why there is none.
    pub(super) async fn call(
        &self,
        method: Method,
        path: &str,
        headers: &[(&str, &str)],
        body: &[u8],
    ) -> Result<(Reply, Value), Tried> {
        let mut all = vec![("accept".to_owned(), "application/json".to_owned())];
        if !body.is_empty() {
            all.push(("content-type".to_owned(), "application/json".to_owned()));
        }
        all.extend(headers.iter().map(|(name, value)| ((*name).to_owned(), (*value).to_owned())));
        let request = Outgoing {
            method,
            url: format!("{}{path}", self.url),
            headers: all,
            body: Bytes::copy_from_slice(body),
            timeout: self.timeout,
            allow_private: self.allow_private,
            now: self.now,
        };
        let reply = self.client.fetch(request, READ_LIMIT).await?;
        let json = serde_json::from_slice(&reply.body).unwrap_or_default();
        Ok((reply, json))
    }
}

/// An attempt to hand an e-mail over to which no answer came. Whatever may have arrived is of
/// unknown fate; what never left is not.
pub(super) fn unanswered(tried: Tried) -> Tried {
    if !tried.unanswered {
        return tried;
    }
    let what = tried.message.unwrap_or_default();
    Tried {
        error: Some(AttemptError::Unknown),
        message: Some(format!("{what}; whether the e-mail was taken is not known")),
        ..tried
    }
}

/// An attempt that failed for this reason.
pub(super) fn failed(reply: &Reply, now: Timestamp, error: AttemptError, message: String) -> Tried {
    Tried { error: Some(error), message: Some(message), ..reply.tried(now) }
}

/// What a provider says in one of its fields: on one line, not too long.
pub(super) fn said(json: &Value, field: &str) -> String {
    let text = json[field].as_str().unwrap_or("no reason given");
    kept(text.as_bytes(), SAID)
}

/// A header that holds a whole number.
pub(super) fn number(reply: &Reply, header: &str) -> Option<u64> {
    let value = reply.headers.get(header).map(HeaderValue::to_str)?.ok()?;
    value.trim().parse().ok()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn only_what_may_have_left_is_of_unknown_fate() {
        let broke = Tried {
            error: Some(AttemptError::Connection),
            message: Some(String::from("the connection broke")),
            unanswered: true,
            ..Tried::default()
        };
        let judged = unanswered(broke.clone());
        assert_eq!(judged.error, Some(AttemptError::Unknown));
        assert!(judged.message.unwrap().starts_with("the connection broke; whether"));
        let refused = Tried { unanswered: false, ..broke };
        assert_eq!(unanswered(refused.clone()), refused);
    }
}
