//! Looking settings up: a rule set with its `(env)` and `(file)` references becomes a
//! [`Live`] one that can serve. Whatever is missing or does not fit is told with its place;
//! a check whose secret is missing is never skipped, it refuses the start.

use std::collections::BTreeMap;
use std::sync::Arc;
use std::time::Duration;

use crate::base::{Delay, Diagnostic, Secret, SourceMap};
use crate::engine::Outlet;
use crate::language::codes;
use crate::mail::Dkim;
use crate::model::rules::{DkimRule, Endpoint, Feedback, RuleSet, Service, ServiceType};
use crate::model::setting::{Lookup, Network};
use crate::model::{FromText, Setting, Source};
use crate::serve::deliver::address;
use crate::serve::deliver::smtp::Smtp;
use crate::serve::ingress::router::Router;
use crate::signature::Scheme;

/// A rule set with everything that it needs from outside.
#[derive(Debug)]
pub struct Live {
    /// The rules.
    pub rules: Arc<RuleSet>,
    /// The files that they were read from; empty where they came from elsewhere.
    pub sources: Arc<SourceMap>,
    /// Counts the versions that were live in this process, from 1.
    pub revision: u32,
    /// Address and port to listen on.
    pub listen: String,
    /// The outside address, without a trailing slash.
    pub public_url: String,
    /// Networks of trusted proxies.
    pub trusted_proxies: Vec<Network>,
    /// The API's bearer token.
    pub api_token: Option<Secret>,
    /// Folder of the embedded store.
    pub data: String,
    /// Services, by name.
    pub services: BTreeMap<String, Arc<LiveService>>,
    /// What the engine may know of them.
    pub outlets: BTreeMap<String, Outlet>,
    /// Endpoints, in the order of the rules.
    pub endpoints: Vec<Arc<LiveEndpoint>>,
    /// Which address belongs to which endpoint.
    pub router: Router,
}

/// A service with its settings.
pub struct LiveService {
    /// Its rule.
    pub rule: Arc<Service>,
    /// Whether it is switched on.
    pub enabled: bool,
    /// Base address, without a trailing slash.
    pub url: Option<String>,
    /// Bearer token.
    pub token: Option<Secret>,
    /// Notion's database.
    pub database: Option<String>,
    /// Extra headers.
    pub headers: Vec<(String, Secret)>,
    /// Schemes with which requests are signed.
    pub schemes: Vec<Scheme>,
    /// Signing secrets, current first.
    pub secrets: Vec<Secret>,
    /// How e-mails are signed.
    pub dkim: Option<Arc<Dkim>>,
    /// Waits between attempts.
    pub retry: Vec<Delay>,
    /// Deadline of one attempt.
    pub timeout: Duration,
}

impl std::fmt::Debug for LiveService {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        // The address may hold a secret.
        f.debug_struct("LiveService")
            .field("name", &self.rule.name)
            .field("url", &self.url.as_deref().map(address::shown))
            .finish_non_exhaustive()
    }
}

impl LiveService {
    /// Where its e-mail goes; none for what sends no e-mail, or lacks what that needs.
    #[must_use]
    pub fn mail_url(&self) -> Option<&str> {
        let kind = self.rule.kind;
        let set = kind.is_mail() && (self.token.is_some() || !kind.is_mail_provider());
        self.url.as_deref().filter(|_| set)
    }
}

/// An endpoint with its secrets.
#[derive(Debug)]
pub struct LiveEndpoint {
    /// Its rule.
    pub rule: Arc<Endpoint>,
    /// Whether it is switched on.
    pub enabled: bool,
    /// Keys of its address.
    pub keys: Vec<Secret>,
    /// Lists of networks; the caller must be in each.
    pub networks: Vec<Vec<Network>>,
    /// Header names (lower case) with the values of which one must be there.
    pub headers: BTreeMap<String, Vec<Secret>>,
    /// Secrets of each signature rule, in the order of `rule.access.signatures`.
    pub signatures: Vec<Vec<Secret>>,
}

/// Where a mail provider reports, with what proves it.
#[derive(Debug)]
pub struct LiveFeedback {
    /// Its rule.
    pub rule: Arc<Feedback>,
    /// Any of them proves the caller.
    pub secrets: Vec<Secret>,
    /// The topic of SES.
    pub topic: Option<String>,
}

/// Looks everything up.
///
/// # Errors
/// Every setting that is missing or does not fit, as diagnostics of the rule files.
pub fn resolve(
    rules: Arc<RuleSet>,
    lookup: &dyn Lookup,
    revision: u32,
) -> Result<Live, Vec<Diagnostic>> {
    let mut desk = Desk { lookup, faults: Vec::new() };
    let services: BTreeMap<String, Arc<LiveService>> = rules
        .services
        .iter()
        .map(|(name, rule)| (name.clone(), Arc::new(desk.service(rule))))
        .collect();
    let endpoints: Vec<_> =
        rules.endpoints.iter().map(|rule| Arc::new(desk.endpoint(rule))).collect();
    let feedback: Vec<_> =
        rules.feedback.iter().map(|rule| Arc::new(desk.feedback(rule))).collect();
    let outlets = services.iter().map(|(name, service)| (name.clone(), outlet(service))).collect();
    let listen = desk.get(&rules.server.listen).unwrap_or_default();
    let public_url = desk
        .get(&rules.server.public_url)
        .map_or_else(|| format!("http://{listen}"), |url| url.trim_end_matches('/').to_owned());
    let trusted_proxies = desk.all(&rules.server.trusted_proxies).into_iter().flatten().collect();
    let api_token = rules.server.api_token.as_ref().and_then(|token| desk.get(token));
    let router = Router::build(&endpoints, &rules.webhooks, &feedback, &mut desk.faults);
    let data = desk.get(&rules.data).unwrap_or_else(|| String::from("data"));
    // A setting of a whole group is looked up for each of its endpoints.
    desk.faults.dedup();
    if desk.faults.is_empty() {
        Ok(Live {
            rules,
            sources: Arc::default(),
            revision,
            listen,
            public_url,
            trusted_proxies,
            api_token,
            data,
            services,
            outlets,
            endpoints,
            router,
        })
    } else {
        Err(desk.faults)
    }
}

/// What signs the e-mails of a mail service.
///
/// # Errors
/// Why the key cannot be used.
pub fn signer(service: &Service, rule: &DkimRule, key: &Secret) -> Result<Arc<Dkim>, String> {
    let name = &service.name;
    Dkim::new(&rule.domain, &rule.selector, key.expose())
        .map(Arc::new)
        .map_err(|why| format!("the DKIM key of `{name}` cannot be used: {why}"))
}

/// Addresses of services that are set to what cannot be called, before rules are made live;
/// what is missing is for the start of the server to say.
#[must_use]
pub fn bad_addresses(rules: &RuleSet, lookup: &dyn Lookup) -> Vec<Diagnostic> {
    let mut desk = Desk { lookup, faults: Vec::new() };
    for rule in rules.services.values() {
        desk.url(rule);
    }
    desk.faults.retain(|fault| fault.code == codes::BAD_URL);
    desk.faults
}

/// What the engine may know of a service.
fn outlet(service: &LiveService) -> Outlet {
    let ready = match service.rule.kind {
        ServiceType::Notion => service.token.is_some() && service.database.is_some(),
        kind if kind.is_mail() => service.mail_url().is_some(),
        _ => service.url.is_some(),
    };
    Outlet { base: service.url.as_deref().map(address::shown), ready }
}

/// What to do about a setting that is read from these places.
fn mend(sources: &[Source]) -> &'static str {
    if sources.iter().any(|source| matches!(source, Source::File(_))) {
        "put the file there, readable for the account that runs rulerun; a path counts from the \
         folder in which rulerun is started, and `rulerun validate` says which files are missing"
    } else {
        "set it in the environment or in .env; `rulerun validate` lists every name, `rulerun \
         secret` makes a key, and `rulerun serve --dev` makes missing ones by itself"
    }
}

/// Looks up one setting after the other and gathers what is wrong.
struct Desk<'a> {
    lookup: &'a dyn Lookup,
    faults: Vec<Diagnostic>,
}

impl Desk<'_> {
    fn get<T: FromText + Clone>(&mut self, setting: &Setting<T>) -> Option<T> {
        match setting.resolve(self.lookup) {
            Ok(value) => value,
            Err(error) => {
                if let Some(span) = error.span {
                    self.faults.push(
                        Diagnostic::error(codes::MISSING_SETTING, error.message, span)
                            .label("needed here")
                            .help(mend(&setting.sources)),
                    );
                }
                None
            }
        }
    }

    fn all<T: FromText + Clone>(&mut self, settings: &[Setting<T>]) -> Vec<T> {
        settings.iter().filter_map(|setting| self.get(setting)).collect()
    }

    /// An `ip` check. One whose list is not set is never skipped, even where it says
    /// `optional=#true`: it refuses the start.
    fn networks(&mut self, list: &Setting<Vec<Network>>) -> Vec<Network> {
        let before = self.faults.len();
        let networks = self.get(list).unwrap_or_default();
        if let (true, Some(span)) = (networks.is_empty() && self.faults.len() == before, list.span)
        {
            let names: Vec<&str> = list.env_names().collect();
            let message = format!("{} is not set", names.join(" or "));
            self.faults.push(
                Diagnostic::error(codes::MISSING_SETTING, message, span)
                    .label("needed here")
                    .help("set it, or take the `ip` line out: a check is never skipped"),
            );
        }
        networks
    }

    fn service(&mut self, rule: &Arc<Service>) -> LiveService {
        let headers = rule.headers.iter();
        let headers = headers
            .filter_map(|(name, value)| self.get(value).map(|value| (name.clone(), value)))
            .collect();
        let enabled = self.get(&rule.enabled).unwrap_or(true);
        // A service that is switched off needs no secrets.
        let secrets = match &rule.sign {
            Some(sign) if enabled => self.all(&sign.secrets),
            _ => Vec::new(),
        };
        LiveService {
            enabled,
            url: self.url(rule),
            token: self.get(&rule.token),
            database: self.get(&rule.database),
            headers,
            schemes: rule.sign.as_ref().map(|sign| sign.schemes.clone()).unwrap_or_default(),
            secrets,
            dkim: if enabled { self.dkim(rule) } else { None },
            retry: self.get(&rule.retry).unwrap_or_default(),
            timeout: self.timeout(rule),
            rule: Arc::clone(rule),
        }
    }

    /// The base address of a service, without a trailing slash. One that cannot be called
    /// refuses the start: each attempt would fail, and its secrets would be seen.
    fn url(&mut self, rule: &Service) -> Option<String> {
        let url = self.get(&rule.url)?;
        let (why, such) = match rule.kind {
            ServiceType::Smtp => (
                Smtp::from_url(&url, None).err().map(|why| why.to_string()),
                "smtps://user:password@mail.example.com:465",
            ),
            _ => (address::fault(&url).map(str::to_owned), "https://n8n.example.com"),
        };
        let Some(why) = why else {
            // A slash behind a `?` is part of what is asked.
            let url = if url.contains('?') { &url } else { url.trim_end_matches('/') };
            return Some(url.to_owned());
        };
        let names: Vec<&str> = rule.url.env_names().collect();
        let set = if names.is_empty() { String::from("url") } else { names.join(" or ") };
        self.faults.push(
            Diagnostic::error(
                codes::BAD_URL,
                format!("{set}: the address of `{}` cannot be used: {why}", rule.name),
                rule.url.span.unwrap_or(rule.span),
            )
            .label("looked up here")
            .help(format!("write an address such as {such}")),
        );
        None
    }

    /// The signature of a mail service, whose key must be one.
    fn dkim(&mut self, rule: &Service) -> Option<Arc<Dkim>> {
        let dkim = rule.dkim.as_ref()?;
        let key = self.get(&dkim.key)?;
        match signer(rule, dkim, &key) {
            Ok(made) => Some(made),
            Err(why) => {
                let span = dkim.key.span.unwrap_or(dkim.span);
                let found = Diagnostic::error(codes::MISSING_SETTING, why, span);
                self.faults.push(found.label("this key").help(
                    "make one with `openssl genpkey -algorithm RSA -pkeyopt rsa_keygen_bits:2048 \
                     -out dkim.pem`",
                ));
                None
            }
        }
    }

    /// The deadline of a service, which must leave some time.
    fn timeout(&mut self, rule: &Service) -> Duration {
        // What cannot be read has been told.
        let Some(timeout) = self.get(&rule.timeout) else { return Duration::ZERO };
        if timeout.is_zero() {
            let message = format!("the timeout of `{}` leaves no time for an attempt", rule.name);
            self.faults.push(
                Diagnostic::error(
                    codes::BAD_DURATION,
                    message,
                    rule.timeout.span.unwrap_or(rule.span),
                )
                .help("set how long an attempt may take, such as 30s"),
            );
        }
        timeout.to_duration()
    }

    fn feedback(&mut self, rule: &Arc<Feedback>) -> LiveFeedback {
        LiveFeedback {
            secrets: self.all(&rule.secrets),
            topic: rule.topic.as_ref().and_then(|topic| self.get(topic)),
            rule: Arc::clone(rule),
        }
    }

    fn endpoint(&mut self, rule: &Arc<Endpoint>) -> LiveEndpoint {
        let mut headers: BTreeMap<String, Vec<Secret>> = BTreeMap::new();
        for (name, value) in &rule.access.headers {
            headers.entry(name.to_ascii_lowercase()).or_default().extend(self.get(value));
        }
        LiveEndpoint {
            enabled: self.get(&rule.enabled).unwrap_or(true),
            keys: self.all(&rule.keys),
            networks: rule.access.networks.iter().map(|list| self.networks(list)).collect(),
            headers,
            signatures: rule
                .access
                .signatures
                .iter()
                .map(|signature| self.all(&signature.secrets))
                .collect(),
            rule: Arc::clone(rule),
        }
    }
}
