//! Settings of a rehearsal. Whatever the rules look up in the environment or in files, and
//! have no default for, gets a value that fits the place where it stands: a rehearsal depends
//! on the rules alone.

use std::collections::BTreeMap;

use crate::mail::EXAMPLE_KEY;
use crate::model::rules::{RuleSet, ServiceType};
use crate::model::{Lookup, Setting, Source};

/// Made-up texts by variable and file.
#[derive(Debug, Default)]
pub(super) struct MadeUp(BTreeMap<String, String>);

impl Lookup for MadeUp {
    fn env(&self, name: &str) -> Option<String> {
        self.0.get(name).cloned()
    }

    fn file(&self, path: &str) -> Result<String, String> {
        self.0.get(path).cloned().ok_or_else(|| String::from("a rehearsal reads no files"))
    }
}

impl MadeUp {
    /// Everything that these rules look up.
    pub(super) fn of(rules: &RuleSet) -> Self {
        let mut made = Self::default();
        made.services(rules);
        made.endpoints(rules);
        for feedback in &rules.feedback {
            feedback.secrets.iter().for_each(|secret| made.secret(secret));
            if let Some(topic) = &feedback.topic {
                made.add(topic, "arn:aws:sns:us-east-1:123456789012:rehearsal");
            }
        }
        let server = &rules.server;
        made.add(&server.listen, "127.0.0.1:8080");
        made.add(&server.public_url, "https://rules.example.com");
        for proxies in &server.trusted_proxies {
            made.add(proxies, "127.0.0.1");
        }
        if let Some(token) = &server.api_token {
            made.secret(token);
        }
        made.add(&rules.data, "data");
        made
    }

    fn services(&mut self, rules: &RuleSet) {
        for service in rules.services.values() {
            let scheme = if service.kind == ServiceType::Smtp { "smtp" } else { "https" };
            self.add(&service.url, &format!("{scheme}://{}.example.com", service.name));
            self.add(&service.enabled, "true");
            self.add(&service.database, "rehearsal");
            self.add(&service.retry, "30s");
            self.add(&service.timeout, "30s");
            self.secret(&service.token);
            if let Some(dkim) = &service.dkim {
                self.add(&dkim.key, EXAMPLE_KEY);
            }
            let headers = service.headers.iter().map(|(_, value)| value);
            let signed = service.sign.iter().flat_map(|sign| &sign.secrets);
            headers.chain(signed).for_each(|secret| self.secret(secret));
        }
    }

    fn endpoints(&mut self, rules: &RuleSet) {
        for endpoint in &rules.endpoints {
            self.add(&endpoint.enabled, "true");
            for networks in &endpoint.access.networks {
                self.add(networks, "127.0.0.0/8");
            }
            let headers = endpoint.access.headers.iter().map(|(_, value)| value);
            let signed = endpoint.access.signatures.iter().flat_map(|rule| &rule.secrets);
            endpoint.keys.iter().chain(headers).chain(signed).for_each(|key| self.secret(key));
        }
    }

    /// A secret of its own for each name, so that no two keys are the same.
    fn secret<T>(&mut self, setting: &Setting<T>) {
        for source in &setting.sources {
            let (Source::Env(name) | Source::File(name)) = source;
            self.add(setting, &format!("made-up-{name}"));
        }
    }

    /// A text for the first place where a setting is looked up, unless it has a default.
    fn add<T>(&mut self, setting: &Setting<T>, text: &str) {
        if setting.fallback.is_some() {
            return;
        }
        if let Some(Source::Env(name) | Source::File(name)) = setting.sources.first() {
            self.0.entry(name.clone()).or_insert_with(|| text.to_owned());
        }
    }
}
