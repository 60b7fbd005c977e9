//! The ways out: one HTTP client for all, one mail connection pool per mail service, one
//! mirror per Notion service. They are kept over reloads while their settings stay.

use std::collections::HashMap;
use std::path::PathBuf;
use std::sync::{Arc, Mutex};

use tokio::task::JoinSet;

use super::http::HttpClient;
use super::notion::{self, Notion};
use super::smtp::Smtp;
use super::wire::Network;
use crate::base::Secret;
use crate::mail::Dkim;
use crate::serve::settings::LiveService;

/// What a mirror is made from: address, token, database, private addresses.
type MirrorMade = (String, Secret, String, bool);

/// What a mail server's connections are made from: address, private addresses, connections at
/// once, messages over each, signature.
type SmtpMade = (String, bool, usize, u32, Option<Arc<Dkim>>);

/// The ways out.
#[derive(Debug)]
pub(super) struct Transports {
    pub(super) http: HttpClient,
    pub(super) network: Network,
    roots: Option<PathBuf>,
    smtp: Mutex<HashMap<String, (SmtpMade, Arc<Smtp>)>>,
    notion: Mutex<HashMap<String, (MirrorMade, Arc<Notion>)>>,
}

impl Transports {
    pub(super) fn new(network: Network, roots: Option<PathBuf>) -> Result<Self, String> {
        let pem = roots
            .as_ref()
            .map(|path| {
                std::fs::read(path).map_err(|why| format!("cannot read {}: {why}", path.display()))
            })
            .transpose()?;
        Ok(Self {
            http: HttpClient::over(&network, pem)?,
            network,
            roots,
            smtp: Mutex::default(),
            notion: Mutex::default(),
        })
    }

    /// The mail server of a service.
    pub(super) fn smtp(&self, service: &LiveService, url: &str) -> Result<Arc<Smtp>, String> {
        let mut known = self.smtp.lock().map_err(|_| String::from("a mail task has failed"))?;
        let name = &service.rule.name;
        let rule = &service.rule;
        let made = (
            url.to_owned(),
            rule.allow_private,
            rule.in_flight,
            rule.messages_per_connection,
            service.dkim.clone(),
        );
        if let Some((before, smtp)) = known.get(name)
            && *before == made
        {
            return Ok(Arc::clone(smtp));
        }
        let smtp = Smtp::over(self.network.clone(), url, self.roots.as_deref());
        let smtp = smtp.map_err(|error| error.to_string())?.allow_private(made.1);
        let smtp = Arc::new(smtp.limited(made.2, made.3).signed(made.4.clone()));
        if let Some((_, before)) = known.insert(name.clone(), (made, Arc::clone(&smtp))) {
            tokio::spawn(async move { before.close().await });
        }
        Ok(smtp)
    }

    /// Takes leave of the mail servers.
    pub(super) async fn close(&self) {
        let known = self.smtp.lock().map(|mut known| std::mem::take(&mut *known));
        let mut leaving = JoinSet::new();
        for (_, smtp) in known.unwrap_or_default().into_values() {
            leaving.spawn(async move { smtp.close().await });
        }
        while leaving.join_next().await.is_some() {}
    }

    /// The mirror of a service; none without its token and database.
    pub(super) fn notion(&self, service: &LiveService) -> Option<Arc<Notion>> {
        let made = (
            service.url.clone().unwrap_or_else(|| notion::DEFAULT_URL.to_owned()),
            service.token.clone()?,
            service.database.clone()?,
            service.rule.allow_private,
        );
        let mut known = self.notion.lock().ok()?;
        if let Some((before, notion)) = known.get(&service.rule.name)
            && *before == made
        {
            return Some(Arc::clone(notion));
        }
        let (url, token, database, private) = made.clone();
        let notion = Arc::new(Notion::new(self.http.clone(), &url, token, database, private));
        known.insert(service.rule.name.clone(), (made, Arc::clone(&notion)));
        Some(notion)
    }
}
