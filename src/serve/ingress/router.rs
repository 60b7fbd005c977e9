//! Which address belongs to which endpoint. Built once per rule set; matching a path
//! allocates nothing.

use std::sync::Arc;

use crate::base::Diagnostic;
use crate::model::rules::Webhooks;
use crate::serve::settings::{LiveEndpoint, LiveFeedback};

/// What a path leads to.
#[derive(Clone, Debug)]
pub enum Route {
    /// An endpoint. `keyed` says that the path's last segment is a key to be checked.
    Endpoint(Arc<LiveEndpoint>),
    /// Where a mail provider reports.
    Feedback(Arc<LiveFeedback>),
    /// The health page of a group.
    Health(Arc<Webhooks>),
}

/// Every address of a rule set.
#[derive(Debug, Default)]
pub struct Router {
    routes: matchit::Router<Route>,
}

/// A path that was found.
#[derive(Debug)]
pub struct Found<'r, 'p> {
    /// What it leads to.
    pub route: &'r Route,
    /// The key at its end, still percent-encoded; none where the address has no key.
    pub key: Option<&'p str>,
}

impl Router {
    /// Builds the router; two endpoints on one address are a diagnostic (the language has
    /// reported them before with both places).
    pub fn build(
        endpoints: &[Arc<LiveEndpoint>],
        groups: &[Arc<Webhooks>],
        feedback: &[Arc<LiveFeedback>],
        faults: &mut Vec<Diagnostic>,
    ) -> Self {
        let mut router = Self::default();
        for endpoint in endpoints {
            let rule = &endpoint.rule;
            for path in spellings(&rule.group) {
                let key = if rule.keys.is_empty() { "" } else { "/{key}" };
                let address = format!("{path}/{}{key}", escape(&rule.name));
                let route = Route::Endpoint(Arc::clone(endpoint));
                if router.routes.insert(address.clone(), route).is_err() {
                    let message = format!("the address {address} is taken twice");
                    faults.push(Diagnostic::error("address-collision", message, rule.span));
                }
            }
        }
        for feedback in feedback {
            let rule = &feedback.rule;
            let route = Route::Feedback(Arc::clone(feedback));
            let address = without_tenant(&rule.path);
            if router.routes.insert(escape(&address), route).is_err() {
                let message = format!("the address {address} is taken twice");
                faults.push(Diagnostic::error("address-collision", message, rule.span));
            }
        }
        for group in groups.iter().filter(|group| group.health.is_some()) {
            for path in spellings(group) {
                // An endpoint called "health" wins; the language warns about it.
                let _ = router
                    .routes
                    .insert(format!("{path}/health"), Route::Health(Arc::clone(group)));
            }
        }
        router
    }

    /// Finds a path, without `/main` (see [`without_tenant`]).
    #[must_use]
    pub fn find<'p>(&self, path: &'p str) -> Option<Found<'_, 'p>> {
        let found = self.routes.at(path).ok()?;
        Some(Found { route: found.value, key: found.params.get("key") })
    }
}

/// `/api/v1/main/x` is another spelling of `/api/v1/x` (Kestra's default tenant).
#[must_use]
pub fn without_tenant(path: &str) -> std::borrow::Cow<'_, str> {
    match path.strip_prefix("/api/v1/main/") {
        Some(rest) => format!("/api/v1/{rest}").into(),
        None => path.into(),
    }
}

/// Every spelling of a group's paths: below `/executions/webhook/` the namespace may be
/// written with dots as well as with slashes.
fn spellings(group: &Webhooks) -> Vec<String> {
    const WEBHOOK: &str = "/executions/webhook/";
    let mut all: Vec<String> = Vec::new();
    for path in &group.paths {
        all.push(escape(path));
        if let Some((head, tail)) = path.split_once(WEBHOOK)
            && tail.contains('/')
        {
            all.push(escape(&format!("{head}{WEBHOOK}{}", tail.replace('/', "."))));
        }
    }
    all.sort();
    all.dedup();
    all
}

/// Braces mean something to the router and nothing in an address.
fn escape(path: &str) -> String {
    path.replace('{', "{{").replace('}', "}}")
}
