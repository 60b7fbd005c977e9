//! What is odd about the environment in which rules are to run, told by `rulerun
//! validate`: variables that people set and nothing reads.

use serde_json::{Value, json};

use super::environment::Environment;
use super::{out, table};
use crate::base::{Severity, report};
use crate::language::codes;
use crate::model::Lookup;
use crate::model::rules::RuleSet;

/// Variables of the n8n guide that say what rules say here, with where they say it. Who
/// sets them expects something, so silence would be wrong.
const GUIDE: &[(&str, &str)] = &[
    ("WEBHOOK_QUEUE_ENABLED", "the queue is always on; `enabled` of a service switches that off"),
    ("WEBHOOK_QUEUE_BATCH_SIZE", "write queue batch=10 in the rules"),
    ("WEBHOOK_QUEUE_PROCESSING_INTERVAL", "write queue every=\"5s\" in the rules"),
    (
        "WEBHOOK_MAX_RETRIES",
        "write retry \"5s\" \"30s\" \"5min\" in the service: three waits are three retries",
    ),
    (
        "WEBHOOK_RETRY_DELAYS",
        "write retry \"5s\" \"30s\" \"5min\" in the service, or retry (env)\"WEBHOOK_RETRY_DELAYS\"",
    ),
    ("WEBHOOK_TIMEOUT_SECONDS", "write timeout \"30s\" in the service"),
];

/// A warning about the environment, which has no place in any file.
#[derive(Debug)]
pub(super) struct Remark {
    code: &'static str,
    message: String,
    help: &'static str,
}

impl Remark {
    /// For people, in the form of the mistakes in files.
    pub(super) fn human(&self) -> String {
        let width = out::notes_width();
        let message = table::hanging("  ⚠ ", &self.message, width);
        let help = table::hanging("  help: ", self.help, width);
        format!("{}\n\n{message}{help}", self.code)
    }

    /// In one line, in the form of the mistakes in files.
    pub(super) fn short(&self) -> String {
        format!("environment: warning[{}]: {} — {}", self.code, self.message, self.help)
    }

    /// For GitHub, beside no file.
    pub(super) fn github(&self) -> String {
        report::github_line(Severity::Warning, "", self.code, &self.message, Some(self.help))
    }

    /// For programs: as the mistakes in files, with no place.
    pub(super) fn json(&self) -> Value {
        json!({
            "file": null, "line": null, "column": null, "end_line": null, "end_column": null,
            "code": self.code, "severity": Severity::Warning.word(), "message": self.message,
            "label": "", "help": self.help, "related": [], "fix": null,
        })
    }
}

/// The variables of the guide that are set and that no rule reads.
pub(super) fn without_effect(rules: &RuleSet, environment: &Environment) -> Vec<Remark> {
    let read = |name: &str| rules.environment.iter().any(|known| known.name == name);
    GUIDE
        .iter()
        .filter(|(name, _)| environment.env(name).is_some() && !read(name))
        .map(|(name, help)| Remark {
            code: codes::NO_EFFECT,
            message: format!("{name} is set and has no effect: no rule reads it"),
            help,
        })
        .collect()
}
