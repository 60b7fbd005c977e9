//! Reading the rule set for a verb that needs one.

use std::path::PathBuf;
use std::sync::Arc;

use super::Global;
use super::out;
use super::outcome::Failure;
use super::progress;
use crate::base::report;
use crate::base::{Diagnostic, Severity, SourceMap};
use crate::language::is_test_file;
use crate::model::rules::{Endpoint, RuleSet};
use crate::model::{FromText, Lookup, Setting};
use crate::rehearse;
use crate::review;
use crate::serve::settings::Live;
use crate::serve::sources::{self, SourceError};

/// A rule set that was read, good or not.
#[derive(Debug)]
pub(super) struct Loaded {
    /// Every file.
    pub(super) sources: SourceMap,
    /// The rules, unless they have errors.
    pub(super) rules: Option<RuleSet>,
    /// What is wrong.
    pub(super) found: Vec<Diagnostic>,
}

impl Loaded {
    /// Reads the rules below the paths, or below the default ones when there are none.
    pub(super) fn read(paths: &[PathBuf]) -> Result<Self, Failure> {
        let sources = sources::load(paths).map_err(|error| unread(&error))?;
        let (rules, found) = progress::during("reading the rules", |_| review::read(&sources));
        Ok(Self { sources, rules, found })
    }

    /// The same with the tests that belong to these rules. Where they cannot be looked for,
    /// that is said, and the rules are read all the same.
    pub(super) fn with_tests(paths: &[PathBuf]) -> Result<Self, Failure> {
        let mut sources = sources::load(paths).map_err(|error| unread(&error))?;
        let tests = sources::tests_of(paths);
        if let Err(why) = tests.and_then(|tests| sources::add(&mut sources, &tests)) {
            out::note(&format!("not every test was read: {why}"));
        }
        let (rules, found) =
            progress::during("reading the rules", |_| review::read_with_tests(&sources));
        Ok(Self { sources, rules, found })
    }

    /// How many errors and warnings there are.
    pub(super) fn counts(&self) -> (usize, usize) {
        let errors = self.found.iter().filter(|found| found.severity == Severity::Error).count();
        (errors, self.found.len() - errors)
    }

    /// Whether one of the mistakes stands in a test.
    pub(super) fn has_mistaken_tests(&self) -> bool {
        self.found.iter().any(|found| is_test_file(&self.sources.file(found.span.file).path))
    }

    /// Draws every mistake on standard error.
    pub(super) fn show(&self) {
        show(&self.sources, &self.found);
    }

    /// The files with their rules, for verbs that work only with good ones: others are
    /// drawn. Warnings are `validate`'s business.
    pub(super) fn sound(self) -> Result<(SourceMap, RuleSet), Failure> {
        if self.counts().0 > 0 {
            self.show();
            return Err(Failure::Rules);
        }
        Ok((self.sources, self.rules.ok_or(Failure::Rules)?))
    }
}

/// What is told of rules that cannot be read.
pub(super) fn unread(error: &SourceError) -> Failure {
    let help = matches!(error, SourceError::Empty(_)).then(|| {
        String::from(
            "run `rulerun init` to make a small project, or name your rules: `rulerun --rules PATH …`",
        )
    });
    Failure::new(error.to_string()).maybe_help(help)
}

/// Draws mistakes on standard error.
pub(super) fn show(sources: &SourceMap, found: &[Diagnostic]) {
    if !found.is_empty() {
        out::note(report::human(sources, found, out::notes_style()).trim_end());
    }
}

/// The rules of a verb that works only with good ones.
pub(super) fn sound(global: &Global) -> Result<RuleSet, Failure> {
    Ok(Loaded::read(&global.rules)?.sound()?.1)
}

/// The rules below the paths (below the default ones when there are none) with
/// made-up settings, ready to be rehearsed.
pub(super) fn prepared(paths: &[PathBuf]) -> Result<Arc<Live>, Failure> {
    let mut loaded = Loaded::read(paths)?;
    let (Some(rules), 0) = (loaded.rules.take(), loaded.counts().0) else {
        loaded.show();
        return Err(Failure::Rules);
    };
    prepare(rules, loaded.sources)
}

/// The same of rules that were read already.
pub(super) fn prepare(rules: RuleSet, sources: SourceMap) -> Result<Arc<Live>, Failure> {
    rehearse::prepare(Arc::new(rules)).map_err(|found| {
        Loaded { sources, rules: None, found }.show();
        Failure::Rules
    })
}

/// The rules, if they are here and good; says nothing when they are not.
pub(super) fn quiet(global: &Global) -> Option<RuleSet> {
    Loaded::read(&global.rules).ok()?.rules
}

/// The address that the outside uses, without a trailing slash.
pub(super) fn public_url(rules: &RuleSet, lookup: &dyn Lookup) -> Result<String, Failure> {
    let url = setting(&rules.server.public_url, lookup)?;
    Ok(match url {
        Some(url) => url.trim_end_matches('/').to_owned(),
        None => listen_url(rules, lookup)?,
    })
}

/// The address under which this machine reaches the server that these rules start.
pub(super) fn listen_url(rules: &RuleSet, lookup: &dyn Lookup) -> Result<String, Failure> {
    let listen = setting(&rules.server.listen, lookup)?.unwrap_or_default();
    Ok(match listen.parse::<std::net::SocketAddr>() {
        // "All addresses" is a place to listen on, not one to call.
        Ok(mut address) if address.ip().is_unspecified() => {
            address.set_ip(if address.is_ipv4() {
                std::net::Ipv4Addr::LOCALHOST.into()
            } else {
                std::net::Ipv6Addr::LOCALHOST.into()
            });
            format!("http://{address}")
        }
        _ => format!("http://{listen}"),
    })
}

/// Looks a setting up.
pub(super) fn setting<T: FromText + Clone>(
    setting: &Setting<T>,
    lookup: &dyn Lookup,
) -> Result<Option<T>, Failure> {
    setting.resolve(lookup).map_err(|error| Failure::new(error.message))
}

/// The endpoint of that name: `group/endpoint`, or the endpoint alone where only one group
/// has it.
pub(super) fn endpoint<'a>(rules: &'a RuleSet, name: &str) -> Result<&'a Endpoint, Failure> {
    let fits = |endpoint: &&Endpoint| endpoint.full_name() == name || endpoint.name == name;
    let found: Vec<&Endpoint> = rules.endpoints.iter().map(AsRef::as_ref).filter(fits).collect();
    let exact = found.iter().find(|endpoint| endpoint.full_name() == name);
    match (exact, found.as_slice()) {
        (Some(endpoint), _) | (None, [endpoint]) => Ok(endpoint),
        (None, []) => Err(unknown("endpoint", name, &endpoint_names(rules))),
        (None, several) => {
            let names: Vec<String> = several.iter().map(|found| found.full_name()).collect();
            Err(Failure::new(format!("several endpoints are called `{name}`"))
                .help(format!("say which: {}", names.join(", "))))
        }
    }
}

/// An unknown name, with the closest one or all of them.
pub(super) fn unknown(what: &str, name: &str, known: &[String]) -> Failure {
    let last = |name: &str| name.rsplit('/').next().unwrap_or_default().to_owned();
    let short: Vec<String> = known.iter().map(|name| last(name)).collect();
    let words = known.iter().chain(&short).map(String::as_str);
    let help = crate::base::diagnostic::did_you_mean(name, words)
        .or_else(|| (!known.is_empty()).then(|| format!("the rules declare {}", known.join(", "))));
    Failure::new(format!("there is no {what} `{name}`")).maybe_help(help)
}

fn endpoint_names(rules: &RuleSet) -> Vec<String> {
    rules.endpoints.iter().map(|endpoint| endpoint.full_name()).collect()
}
