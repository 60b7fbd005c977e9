//! One e-mail sent to see it arrive: through the mail service of the rules with its real
//! settings, but past the queue and the store, so that nothing is remembered of it.

use std::path::Path;
use std::time::Duration;

use crate::base::Delay;
use crate::model::queue::Email;
use crate::model::rules::Service;
use crate::model::{Lookup, Tried};
use crate::serve::deliver::smtp::Smtp;

/// How long the mail server may take where the rules do not say it.
const TIMEOUT: Duration = Duration::from_secs(30);

/// Hands an e-mail to a mail service once, and says what came of it. `roots` is a PEM file of
/// authorities to trust besides the usual.
///
/// # Errors
/// A sentence that says why there is nobody to hand it to: the service is switched off, or
/// its address is not set or cannot be used.
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
    let Some(url) = service.url.resolve(lookup).map_err(|fault| fault.message)? else {
        let names: Vec<&str> = service.url.env_names().collect();
        return Err(if names.is_empty() {
            format!("the mail service `{name}` has no `url`")
        } else {
            format!("the mail service `{name}` has no address: {} is not set", names.join(" or "))
        });
    };
    let timeout = service.timeout.resolve(lookup).map_err(|fault| fault.message)?;
    let timeout = timeout.map_or(TIMEOUT, Delay::to_duration);
    let smtp = Smtp::from_url(&url, roots).map_err(|fault| fault.to_string())?;
    let smtp = smtp.allow_private(service.allow_private);
    let runtime = tokio::runtime::Builder::new_current_thread()
        .enable_all()
        .build()
        .map_err(|fault| format!("cannot start: {fault}"))?;
    Ok(runtime.block_on(smtp.send(email, timeout)))
}
