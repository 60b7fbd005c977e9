//! One attempt: the job's bytes go to its service.

use std::borrow::Cow;
use std::sync::Arc;

use bytes::Bytes;
use hyper::{HeaderMap, Method, StatusCode};

use super::Deliver;
use super::account::Account;
use super::address;
use super::dot::FinalDot;
use super::http::Outgoing;
use super::reply::Reply;
use super::wire::Network;
use crate::base::Timestamp;
use crate::engine;
use crate::mail;
use crate::model::queue::{AttemptError, Email, Job, Task, Tried};
use crate::serve::app::object;
use crate::serve::settings::{Live, LiveService};
use crate::signature;

impl Deliver {
    /// Tries once. `asked` says that an earlier attempt at an e-mail may have arrived; what
    /// becomes of its final dot is noted.
    pub(super) async fn send(
        &self,
        live: &Live,
        job: &Job,
        asked: bool,
        dot: &FinalDot<'_>,
    ) -> Tried {
        let Some(service) = live.services.get(&job.lane) else {
            return ours(format!("the rules have no service {}", job.lane));
        };
        if let Network::Told(answer) = &self.transports.network {
            return told(answer(&job.lane), &job.task, self.app.now());
        }
        let tried = match &job.task {
            Task::Event { path, body, .. } => self.event(service, job, path, body).await,
            Task::Email(email) => self.email(live, service, (job, email), asked, dot).await,
            Task::Mirror { record, id } => self.mirror(service, record, id).await,
            Task::Step { .. } => ours(String::from("a step cannot be sent")),
        };
        let hidden = service.url.iter().flat_map(|url| address::hidden(url));
        hidden.fold(tried, without)
    }

    async fn event(&self, service: &LiveService, job: &Job, path: &str, body: &[u8]) -> Tried {
        let Some(base) = &service.url else {
            return ours(format!("the service {} has no address; set its `url`", job.lane));
        };
        let now = self.app.now();
        let id = job.id.to_string();
        let mut headers = vec![
            ("content-type".to_owned(), "application/json".to_owned()),
            ("webhook-id".to_owned(), id.clone()),
        ];
        if let Some(token) = &service.token {
            headers.push(("authorization".to_owned(), format!("Bearer {}", token.expose())));
        }
        headers.extend(
            service.headers.iter().map(|(name, value)| (name.clone(), value.expose().to_owned())),
        );
        for scheme in &service.schemes {
            for (name, value) in
                signature::sign(*scheme, &service.secrets, &id, now.as_second(), body)
            {
                if name != "webhook-id" {
                    headers.push((name.to_owned(), value));
                }
            }
        }
        let outgoing = Outgoing {
            method: Method::POST,
            url: address::below(base, path),
            headers,
            body: Bytes::copy_from_slice(body),
            timeout: service.timeout,
            allow_private: service.rule.allow_private,
            now,
        };
        self.transports.http.send(outgoing).await
    }

    async fn email(
        &self,
        live: &Live,
        service: &LiveService,
        (job, email): (&Job, &Email),
        asked: bool,
        dot: &FinalDot<'_>,
    ) -> Tried {
        let store = &*self.app.store;
        let files = match self.app.enclosures.of(&live.rules, store, &email.message).await {
            Ok(files) => files,
            Err(error) => return ours(error.to_string()),
        };
        let find = |hash: &str| {
            let found = files.iter().find(|(known, _)| known == hash);
            found.map(|(_, file)| Arc::clone(file))
        };
        let email = match mail::complete(&email.message, find) {
            Ok(Cow::Borrowed(_)) => Cow::Borrowed(email),
            Ok(Cow::Owned(message)) => Cow::Owned(Email { message, ..email.clone() }),
            Err(_) => {
                return ours(String::from(
                    "a file that comes with this e-mail is missing in the store; put it back beside \
                     the rules, with the same bytes",
                ));
            }
        };
        let Some(url) = service.mail_url() else {
            return ours(String::from("no mail service is set"));
        };
        let kind = service.rule.kind;
        let made_for = mail::packed_for(&email.message);
        if made_for != kind {
            return ours(format!(
                "this e-mail was made for a service of type {}, and {} is of type {} now; change \
                 `type=` back until it has left, or cancel it with `rulerun queue cancel {}`",
                made_for.word(),
                service.rule.name,
                kind.word(),
                job.id
            ));
        }
        if let (true, Some(token)) = (kind.is_mail_provider(), &service.token) {
            let account = Account {
                client: &self.transports.http,
                url,
                token,
                allow_private: service.rule.allow_private,
                timeout: service.timeout,
                now: self.app.now(),
            };
            return account.send(kind, &job.id.to_string(), &email, asked).await;
        }
        match self.transports.smtp(service, url) {
            Ok(smtp) => smtp.send_noting(&email, service.timeout, Some(dot)).await,
            Err(why) => ours(why),
        }
    }

    async fn mirror(&self, service: &LiveService, record: &str, id: &str) -> Tried {
        let Some(notion) = self.transports.notion(service) else {
            return ours(format!("the service {} has no token or no database", service.rule.name));
        };
        match self.app.store.record(record, id).await {
            Ok(Some(found)) => {
                let fields = object(&found.fields);
                notion.mirror(record, id, &fields, self.app.now(), service.timeout).await
            }
            // Forgotten meanwhile: there is nothing left to mirror.
            Ok(None) => {
                Tried { message: Some(String::from("the record is gone")), ..Tried::default() }
            }
            Err(error) => ours(error.to_string()),
        }
    }
}

/// The attempt without a part of the address that is not shown: some receivers repeat the path
/// in their reply, or redirect to it.
fn without(mut tried: Tried, hidden: &str) -> Tried {
    let shown = if hidden.starts_with('/') { "/…" } else { "…" };
    tried.reply = tried.reply.replace(hidden, shown);
    tried.message = tried.message.map(|message| message.replace(hidden, shown));
    tried
}

/// What a service says that answers everything with this status. A mail server bounces with
/// 550 to 559; with everything else that is no success it asks to try later.
fn told(status: u16, task: &Task, now: Timestamp) -> Tried {
    let reply = Reply {
        status: StatusCode::from_u16(status).unwrap_or(StatusCode::INTERNAL_SERVER_ERROR),
        headers: HeaderMap::new(),
        body: Vec::new(),
        cut: false,
        duration: std::time::Duration::ZERO,
    };
    let mut tried = reply.tried(now);
    if let (Task::Email(_), Some(error)) = (task, &mut tried.error) {
        let bounced = (550..=559).contains(&status);
        *error = if bounced { AttemptError::Bounce } else { AttemptError::Deferred };
    }
    tried
}

/// A failure that is ours: no retry is spent.
fn ours(message: String) -> Tried {
    Tried { error: Some(AttemptError::Internal), message: Some(message), ..Tried::default() }
}

/// Why an e-mail through this lane is captured instead of sent, if so.
pub(super) fn captured(live: &Live, lane: &str, dev: bool) -> Option<&'static str> {
    match live.services.get(lane) {
        None => (lane == engine::OUTBOX).then_some("no mail service is declared"),
        Some(service) if !service.enabled => None,
        Some(service) => match service.mail_url() {
            None => Some("no mail service is set"),
            Some(url) if dev && !crate::serve::checks::is_loopback(url) => {
                Some("--dev sends no e-mail to the outside")
            }
            Some(_) => None,
        },
    }
}
