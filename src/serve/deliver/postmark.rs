//! Postmark: `POST /email`. Postmark knows no idempotency key, so before an e-mail that may
//! have arrived is handed over again, Postmark is asked for a message with the job's id in
//! its metadata; while it cannot say, nothing is sent.

use hyper::Method;
use serde_json::Value;

use super::account::{Account, failed, said, unanswered};
use super::reply::Reply;
use crate::base::Timestamp;
use crate::mail::JOB_LABEL;
use crate::model::queue::Email;
use crate::model::{AttemptError, Tried};

/// How long Postmark can be asked for a message, in milliseconds, less a day: 45 days are
/// kept unless a longer time is paid for.
pub(super) const REMEMBERS: i64 = 44 * 86_400_000;
/// How long it may take until a message that was taken is found, in milliseconds.
pub(super) const SETTLES: i64 = 10_000;

impl Account<'_> {
    /// Hands an e-mail to Postmark, unless it has it already.
    pub(super) async fn postmark(&self, job: &str, email: &Email, asked: bool) -> Tried {
        if asked && let Some(tried) = self.looked_up(job, email).await {
            return tried;
        }
        let headers = [("x-postmark-server-token", self.token.expose())];
        let (reply, json) = match self.call(Method::POST, "/email", &headers, &email.message).await
        {
            Ok(answered) => answered,
            Err(tried) => return unanswered(tried),
        };
        if reply.status.is_success() && json["ErrorCode"].as_u64().unwrap_or(0) == 0 {
            let id = json["MessageID"].as_str().unwrap_or("(no id)");
            return Tried {
                message: Some(format!("Postmark took it as {id}")),
                ..reply.tried(self.now)
            };
        }
        refused(&reply, &json, self.now)
    }

    /// Asks for the message of an earlier attempt. None when it is not there.
    async fn looked_up(&self, job: &str, email: &Email) -> Option<Tried> {
        let body: Value = serde_json::from_slice(&email.message).unwrap_or_default();
        // Without it Postmark looks among the messages of its usual stream alone.
        let stream = body["MessageStream"].as_str().unwrap_or("outbound");
        let stream = escaped(stream);
        let path = format!(
            "/messages/outbound?count=1&offset=0&messageStream={stream}&metadata_{JOB_LABEL}={job}"
        );
        let headers = [("x-postmark-server-token", self.token.expose())];
        let unsure = |tried: Tried, why: &str| Tried {
            error: Some(AttemptError::Unknown),
            message: Some(format!(
                "whether Postmark took this e-mail earlier is not known, and it cannot be asked: \
                 {why}; nothing was sent now"
            )),
            ..tried
        };
        let (reply, json) = match self.call(Method::GET, &path, &headers, &[]).await {
            Ok(answered) => answered,
            Err(tried) => {
                let why = tried.message.clone().unwrap_or_default();
                return Some(unsure(tried, &why));
            }
        };
        let found = json["Messages"].as_array().filter(|_| reply.status.is_success());
        let Some(found) = found else {
            let why = format!("it answered {} ({})", reply.status.as_u16(), said(&json, "Message"));
            return Some(unsure(reply.tried(self.now), &why));
        };
        let ours = |message: &&Value| message["Metadata"][JOB_LABEL] == job;
        let id = found.iter().find(ours)?["MessageID"].as_str().unwrap_or("(no id)");
        Some(Tried {
            message: Some(format!("Postmark had taken it before, as {id}")),
            ..reply.tried(self.now)
        })
    }
}

/// A text as one value of a query.
fn escaped(text: &str) -> String {
    let escape = |byte: u8| {
        if byte.is_ascii_alphanumeric() || matches!(byte, b'-' | b'_') {
            char::from(byte).to_string()
        } else {
            format!("%{byte:02X}")
        }
    };
    text.bytes().map(escape).collect()
}

/// What an answer other than success means. Most refusals are 422 with a code of their own.
fn refused(reply: &Reply, json: &Value, now: Timestamp) -> Tried {
    use AttemptError as E;
    let status = reply.status.as_u16();
    if (300..400).contains(&status) {
        return reply.tried(now);
    }
    let code = json["ErrorCode"].as_u64().unwrap_or(0);
    let what = said(json, "Message");
    let about_sender = what.contains("'From'") || what.contains("'ReplyTo'");
    let (error, message) = match (status, code) {
        (429, _) => (E::Status, format!("Postmark is asked too often ({what})")),
        (500.., _) => (E::Status, format!("Postmark answered {status}: {what}")),
        (_, 406) => (E::Bounce, format!("Postmark does not send to this address ({what})")),
        (401 | 403, _) | (_, 10) => (
            E::Login,
            format!(
                "Postmark refused the token ({what}); set the service's `token` to the API token \
                 of a server"
            ),
        ),
        (_, 400 | 401) => (
            E::Login,
            format!(
                "Postmark does not let this sender send ({what}); confirm the address or the \
                 domain of `sender` at Postmark"
            ),
        ),
        (_, 300) if about_sender => {
            (E::Login, format!("Postmark does not take the addresses of `sender` ({what})"))
        }
        (_, 405 | 412 | 413) => {
            (E::Login, format!("the account at Postmark may not send now ({what})"))
        }
        // 12xx: the stream does not exist, is archived, or is for incoming mail.
        (_, 1_200..1_300) => {
            (E::Login, format!("Postmark cannot use the message stream ({what}); mend `stream`"))
        }
        (404 | 405, _) => (
            E::Login,
            format!("there is no Postmark at this address ({what}); take the service's `url` away"),
        ),
        _ => (E::Status, format!("Postmark answered {status}, code {code}: {what}")),
    };
    // A body with a code is a refusal, whatever the status says.
    let tried = failed(reply, now, error, message);
    let shown = if reply.status.is_success() { Some(422) } else { tried.status };
    Tried { status: shown, ..tried }
}
