//! Resend: `POST /emails` with an `Idempotency-Key` made from the job's id. For 24 hours Resend
//! answers the same key and the same bytes with what it answered first and sends nothing
//! again, so an attempt whose answer was lost is simply repeated.

use hyper::Method;
use serde_json::Value;

use super::account::{Account, failed, number, said, unanswered};
use super::reply::Reply;
use crate::base::Timestamp;
use crate::model::queue::Email;
use crate::model::{AttemptError, Tried};

/// How long Resend remembers a key, in milliseconds, less an hour for clocks that differ.
pub(super) const REMEMBERS: i64 = 23 * 3_600_000;
/// The longest wait that `ratelimit-reset` can ask for, in seconds.
const LONGEST_RESET: u64 = 60;

impl Account<'_> {
    /// Hands an e-mail to Resend.
    pub(super) async fn resend(&self, job: &str, email: &Email) -> Tried {
        let bearer = format!("Bearer {}", self.token.expose());
        let headers = [("authorization", bearer.as_str()), ("idempotency-key", job)];
        let (reply, json) = match self.call(Method::POST, "/emails", &headers, &email.message).await
        {
            Ok(answered) => answered,
            Err(tried) => return unanswered(tried),
        };
        if reply.status.is_success() {
            let id = json["id"].as_str().unwrap_or("(no id)");
            return Tried {
                message: Some(format!("Resend took it as {id}")),
                retry_after: used_up(&reply),
                ..reply.tried(self.now)
            };
        }
        refused(&reply, &json, self.now)
    }
}

/// How long the limit is used up by what was just answered.
fn used_up(reply: &Reply) -> Option<std::time::Duration> {
    let spent = number(reply, "ratelimit-remaining")? == 0;
    let reset = number(reply, "ratelimit-reset").filter(|_| spent)?;
    Some(std::time::Duration::from_secs(reset.min(LONGEST_RESET)))
}

/// What an answer other than success means.
fn refused(reply: &Reply, json: &Value, now: Timestamp) -> Tried {
    use AttemptError as E;
    let status = reply.status.as_u16();
    if (300..400).contains(&status) {
        return reply.tried(now);
    }
    let name = json["name"].as_str().unwrap_or_default();
    let what = said(json, "message");
    let (error, message) = match (status, name) {
        (_, "daily_quota_exceeded" | "monthly_quota_exceeded") => (
            E::Login,
            format!("the quota at Resend is used up ({what}); raise it, or wait until it is new"),
        ),
        (429, _) => (E::Status, format!("Resend is asked too often ({what})")),
        (_, "concurrent_idempotent_requests" | "resource_locked") => {
            (E::Deferred, format!("Resend is still busy with this e-mail ({what})"))
        }
        (_, "invalid_from_address") | (403, "validation_error") => (
            E::Login,
            format!(
                "Resend does not let this sender send ({what}); verify the domain of `sender` at \
                 Resend"
            ),
        ),
        (401 | 403, _) => (
            E::Login,
            format!(
                "Resend refused the token ({what}); set the service's `token` to an API key that \
                 may send"
            ),
        ),
        (404 | 405, _) => (
            E::Login,
            format!("there is no Resend at this address ({what}); take the service's `url` away"),
        ),
        _ => (E::Status, format!("Resend answered {status} {name}: {what}")),
    };
    let tried = failed(reply, now, error, message);
    let wait = tried.retry_after.or_else(|| used_up(reply)).filter(|_| status == 429);
    Tried { retry_after: wait.or(tried.retry_after), ..tried }
}
