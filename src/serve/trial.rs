//! One e-mail sent to see it arrive: through the mail service of the rules with its real
//! settings, but past the queue and the store, so that nothing is remembered of it.

use std::path::Path;
use std::sync::Arc;
use std::time::Duration;

use crate::base::{Clock as _, Delay};
use crate::mail::Dkim;
use crate::model::queue::Email;
use crate::model::rules::Service;
use crate::model::{FromText, Lookup, Setting, Tried};
use crate::serve::clock::{SystemClock, new_id};
use crate::serve::deliver::account::Account;
use crate::serve::deliver::http::HttpClient;
use crate::serve::deliver::smtp::Smtp;
use crate::serve::settings;

/// How long the mail server may take where the rules do not say it.
const TIMEOUT: Duration = Duration::from_secs(30);

/// Hands an e-mail to a mail service once, and says what came of it. `roots` is a PEM file of
/// authorities to trust besides the usual.
///
/// # Errors
/// A sentence that says why there is nobody to hand it to: the service is switched off, or
/// its address or its key is not set or cannot be used.
pub fn send(
    service: &Service,
    lookup: &dyn Lookup,
    roots: Option<&Path>,
    email: &Email,
) -> Result<Tried, String> {
    let name = &service.name;
    if service.enabled.resolve(lookup).map_err(|fault| fault.message)? == Some(false) {
        return Err(format!("the mail service `{name}` is switched off"));
    }
    let url = set(service, "url", &service.url, lookup)?;
    let timeout = service.timeout.resolve(lookup).map_err(|fault| fault.message)?;
    let timeout = timeout.map_or(TIMEOUT, Delay::to_duration);
    let runtime = tokio::runtime::Builder::new_current_thread()
        .enable_all()
        .build()
        .map_err(|fault| format!("cannot start: {fault}"))?;
    if service.kind.is_mail_provider() {
        let token = set(service, "token", &service.token, lookup)?;
        let read = |path: &Path| {
            std::fs::read(path).map_err(|why| format!("cannot read {}: {why}", path.display()))
        };
        let now = SystemClock.now();
        let account = Account {
            client: &HttpClient::new(roots.map(read).transpose()?)?,
            url: url.trim_end_matches('/'),
            token: &token,
            allow_private: service.allow_private,
            timeout,
            now,
        };
        let id = new_id(now).to_string();
        return Ok(runtime.block_on(account.send(service.kind, &id, email, false)));
    }
    let smtp = Smtp::from_url(&url, roots).map_err(|fault| fault.to_string())?;
    let smtp = smtp.allow_private(service.allow_private).signed(dkim(service, lookup)?);
    Ok(runtime.block_on(smtp.send(email, timeout)))
}

/// What signs the e-mail, as it signs those that the server sends.
fn dkim(service: &Service, lookup: &dyn Lookup) -> Result<Option<Arc<Dkim>>, String> {
    let Some(rule) = &service.dkim else { return Ok(None) };
    let key = rule.key.resolve(lookup).map_err(|fault| fault.message)?;
    key.map(|key| settings::signer(service, rule, &key)).transpose()
}

/// A setting that a mail service cannot do without.
fn set<T: FromText + Clone>(
    service: &Service,
    word: &str,
    setting: &Setting<T>,
    lookup: &dyn Lookup,
) -> Result<T, String> {
    let name = &service.name;
    let what = if word == "url" { "address" } else { word };
    setting.resolve(lookup).map_err(|fault| fault.message)?.ok_or_else(|| {
        let names: Vec<&str> = setting.env_names().collect();
        if names.is_empty() {
            format!("the mail service `{name}` has no `{word}`")
        } else {
            format!("the mail service `{name}` has no {what}: {} is not set", names.join(" or "))
        }
    })
}
