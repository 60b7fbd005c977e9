//! One report of a mail provider, from its headers to its answer. It passes the same bounds as
//! a call of an endpoint, proves who sends it in the way of its provider, and is written
//! together with everything that follows from it before it is answered. A report that comes
//! again changes nothing; one that means nothing to us is answered with 200, because a
//! provider would only send it again.

use std::net::IpAddr;
use std::sync::Arc;

use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use bytes::Bytes;
use hyper::body::Incoming;
use hyper::header::{AUTHORIZATION, CONTENT_ENCODING, EXPECT, HeaderValue, WWW_AUTHENTICATE};
use hyper::{HeaderMap, Method, Request, StatusCode};
use serde::Deserialize as _;
use serde_json::{Value, json};
use sha2::{Digest as _, Sha256};

use super::Ingress;
use super::answer;
use super::body::Arriving;
use super::call::{Ended, discard, read, unavailable};
use super::load::{room_for_bodies, weight};
use super::sns::Missing;
use crate::base::time;
use crate::engine::feedback;
use crate::model::rules::FeedbackType;
use crate::payload;
use crate::serve::feedback::{Received, take};
use crate::serve::journal::Kind;
use crate::serve::settings::{Live, LiveFeedback};
use crate::signature::{self, Presented, Scheme, sns};

/// How far the time of a signed report may lie from now, in seconds.
const MAX_AGE: i64 = 300;
/// How old a message of SNS may be, in milliseconds: it sends again for an hour.
const MAX_SNS_AGE: i64 = 24 * 3_600_000;

/// A report that is being answered.
pub(super) struct Reported<'a> {
    pub(super) ingress: &'a Ingress,
    pub(super) live: &'a Live,
    pub(super) feedback: &'a Arc<LiveFeedback>,
    pub(super) client: IpAddr,
}

/// A report whose sender is proven.
struct Proven {
    /// What tells it from others, if the proof says it.
    id: Option<String>,
    /// What it says.
    body: Value,
}

impl Reported<'_> {
    /// Answers the report.
    pub(super) async fn answer(&self, request: Request<Incoming>) -> Ended {
        let (parts, body) = request.into_parts();
        let room = room_for_bodies(self.live.rules.server.limits.body);
        let mut body = Arriving::new(body, &self.ingress.bodies, room);
        if let Err(ended) = self.before_body(&parts.method, &parts.headers) {
            return *ended;
        }
        match read(self.live.rules.server.limits.body, &mut body).await {
            Ok(whole) => {
                let mut share = body.into_parts().1;
                let limit = self.live.rules.server.limits.in_flight;
                let Some(_place) = self.ingress.calls.take(1, limit) else {
                    drop((whole, share));
                    return self.ingress.no_place().await;
                };
                if !share.grow(weight(&whole), room) {
                    return Ended::error(503, answer::BUSY);
                }
                self.with_body(&parts.headers, whole).await.unwrap_or_else(|ended| *ended)
            }
            Err(ended) => {
                let late = ended.answer.status() == StatusCode::REQUEST_TIMEOUT;
                if !late && !parts.headers.contains_key(EXPECT) {
                    discard(body.into_parts().0).await;
                }
                *ended
            }
        }
    }

    /// Everything that is known without the body.
    fn before_body(&self, method: &Method, headers: &HeaderMap) -> Result<(), Box<Ended>> {
        if method != Method::POST {
            let answer = answer::wrong_method(&[String::from("POST")]);
            return Err(Box::new(Ended::of(answer, format!("{method} is not answered"))));
        }
        if let Some(trouble) = self.ingress.app.trouble() {
            return Err(Box::new(Ended::error(503, trouble)));
        }
        if headers.contains_key(CONTENT_ENCODING) {
            return Err(denied(415, "Send the body without Content-Encoding."));
        }
        if self.feedback.rule.kind == FeedbackType::Postmark && !self.has_password(headers) {
            let text = "The password is missing or wrong: it belongs into the webhook's address, as in https://postmark:PASSWORD@….";
            let mut ended = Ended::error(401, text);
            let basic = HeaderValue::from_static("Basic");
            ended.answer.headers_mut().insert(WWW_AUTHENTICATE, basic);
            return Err(Box::new(ended));
        }
        Ok(())
    }

    /// Whether the call carries one of the secrets as its password (HTTP Basic); any user name
    /// will do.
    fn has_password(&self, headers: &HeaderMap) -> bool {
        let given = headers.get(AUTHORIZATION).and_then(|value| value.to_str().ok());
        let given = given.and_then(|text| text.split_once(' '));
        let given = given.filter(|(scheme, _)| scheme.eq_ignore_ascii_case("basic"));
        let decoded = given.and_then(|(_, text)| STANDARD.decode(text.trim()).ok());
        let text = decoded.and_then(|bytes| String::from_utf8(bytes).ok()).unwrap_or_default();
        let password = text.split_once(':').map_or("", |(_, password)| password);
        // All are compared, so that time does not tell which one is near.
        let secrets = self.feedback.secrets.iter();
        secrets.fold(false, |fits, secret| fits | secret.matches(password))
    }

    async fn with_body(&self, headers: &HeaderMap, whole: Bytes) -> Result<Ended, Box<Ended>> {
        let proven = match self.feedback.rule.kind {
            FeedbackType::Postmark => Proven { id: None, body: parsed(&whole)? },
            FeedbackType::Resend | FeedbackType::Generic => self.signed(headers, &whole)?,
            FeedbackType::Ses => self.notified(&whole).await?,
        };
        let report = feedback::report(self.feedback.rule.kind, &proven.body);
        if report.notices.is_empty() {
            return Ok(ignored(&report.ignored));
        }
        let of_body = || format!("body:{}", hex::encode(Sha256::digest(&whole)));
        let id = proven.id.or(report.id).unwrap_or_else(of_body);
        let remote = self.client.to_string();
        let received = Received {
            rules: &self.live.rules,
            feedback: &self.feedback.rule,
            id: self.ingress.app.new_id(),
            report: &id,
            body: &whole,
            remote: Some(&remote),
        };
        let taken = take(&self.ingress.app, &received, &report.notices).await;
        let taken = taken.map_err(|error| Box::new(unavailable(&error)))?;
        let told = report.notices.iter();
        let told = told.map(|notice| format!("{}: {}", notice.address, notice.fate.word()));
        let note = told.collect::<Vec<_>>().join(", ");
        let Some(first) = taken else {
            let before = json!({ "message": "This was reported before; nothing has changed." });
            let mut answer = answer::json_answer(200, &before);
            answer.headers_mut().insert("idempotent-replay", HeaderValue::from_static("true"));
            return Ok(Ended { repeated: true, ..Ended::of(answer, note) });
        };
        Ok(Ended::of(answer::json_answer(200, &feedback::reply(first)), note))
    }

    /// Checks a signature that was made with a shared secret.
    fn signed(&self, headers: &HeaderMap, whole: &Bytes) -> Result<Proven, Box<Ended>> {
        let rule = &self.feedback.rule;
        let text = |name: &str| headers.get(name).and_then(|value| value.to_str().ok());
        let named = |part: &str| {
            let prefix = if headers.contains_key("svix-id") { "svix" } else { "webhook" };
            text(&format!("{prefix}-{part}"))
        };
        let presented = match rule.scheme {
            Scheme::Standard => Presented {
                signature: named("signature"),
                timestamp: named("timestamp"),
                id: named("id"),
            },
            _ => Presented {
                signature: text("x-webhook-signature-256"),
                timestamp: text("x-webhook-timestamp"),
                id: None,
            },
        };
        let now = self.ingress.app.now().as_second();
        let secrets = &self.feedback.secrets;
        let held = signature::verify(rule.scheme, secrets, &presented, whole, now, MAX_AGE, false);
        let held = held.map_err(|fault| denied(401, &fault.message))?;
        Ok(Proven { id: Some(held.identity), body: parsed(whole)? })
    }

    /// Checks that a message comes from the one topic, through Amazon. A message about the
    /// subscription itself has its answer here, and is no report.
    async fn notified(&self, whole: &Bytes) -> Result<Proven, Box<Ended>> {
        const RAW: &str = "This is no message of Amazon SNS. Switch `raw message delivery` off for this subscription: without it nothing is signed.";
        let app = &self.ingress.app;
        let body = parsed(whole)?;
        let message = sns::Message::deserialize(&body).map_err(|_| denied(400, RAW))?;
        if self.feedback.topic.as_deref() != Some(&message.topic_arn) {
            return Err(denied(403, "This topic may not report here."));
        }
        let pages = &self.ingress.pages;
        let url = &message.signing_cert_url;
        let certificate = pages.certificate(url, app.now()).await;
        let certificate = certificate.map_err(|missing| self.no_page(&missing, "certificate"))?;
        if !message.is_signed_by(&certificate) {
            return Err(denied(401, "the signature does not match"));
        }
        pages.keep(url, &certificate);
        let sent = time::parse_time(&message.timestamp);
        let sent = sent.map_err(|_| denied(400, "The timestamp cannot be read."))?;
        let age = app.millis().saturating_sub(time::millis(sent));
        if !(-MAX_SNS_AGE..=MAX_SNS_AGE).contains(&age) {
            return Err(denied(401, "the timestamp is too old"));
        }
        match message.kind.as_str() {
            "Notification" => {}
            "SubscriptionConfirmation" => return Err(self.subscribe(&message).await),
            kind => return Err(Box::new(ignored(&format!("nothing follows from {kind:?}")))),
        }
        Ok(Proven { id: Some(format!("sns:{}", message.message_id)), body })
    }

    /// Confirms that this server wants the messages of the topic.
    async fn subscribe(&self, message: &sns::Message) -> Box<Ended> {
        let app = &self.ingress.app;
        let url = message.subscribe_url.as_deref().unwrap_or_default();
        if let Err(missing) = self.ingress.pages.confirm(url, app.now()).await {
            return self.no_page(&missing, "subscription");
        }
        let text = format!("the subscription to {} is confirmed", message.topic_arn);
        app.journal.say(Kind::Rules, &format!("{}: {text}", self.feedback.rule.full_name()));
        let answer = answer::json_answer(200, &json!({ "message": text }));
        Box::new(Ended::of(answer, text))
    }

    fn no_page(&self, missing: &Missing, what: &str) -> Box<Ended> {
        match missing {
            Missing::Foreign => {
                denied(401, &format!("The address of the {what} is not one of Amazon's."))
            }
            Missing::Silent(why) => {
                let name = self.feedback.rule.full_name();
                let text = format!("{name}: the page of the {what} was not opened: {why}");
                self.ingress.app.journal.say(Kind::Warning, &text);
                denied(503, &format!("The page of the {what} cannot be opened at the moment."))
            }
        }
    }
}

fn parsed(body: &[u8]) -> Result<Value, Box<Ended>> {
    payload::parse(body).map_err(|fault| denied(400, &fault.message))
}

fn denied(status: u16, text: &str) -> Box<Ended> {
    Box::new(Ended::error(status, text))
}

/// The answer to a report from which nothing follows.
fn ignored(why: &str) -> Ended {
    let text = format!("ignored: {why}");
    Ended::of(answer::json_answer(200, &json!({ "message": text })), text)
}
