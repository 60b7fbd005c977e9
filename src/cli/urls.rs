//! `rulerun urls`: the addresses of the endpoints, as variables for the website, as a table
//! for a document, or as `curl` lines to try.

use clap::{Args, ValueEnum};
use serde_json::{Value, json};

use super::environment::Environment;
use super::outcome::{Exit, Outcome};
use super::{Global, out, rules};
use crate::base::Clock as _;
use crate::model::Lookup;
use crate::model::rules::{Endpoint, RuleSet};
use crate::serve::clock::SystemClock;
use crate::serve::curl::{self, ReadyCall};

const EXAMPLES: &str = "\
Examples:
  rulerun urls --format env >> website/.env
  rulerun urls --format curl
  rulerun urls --format markdown

env, curl and json show the keys, because they are part of the addresses: keep the output to
yourself. markdown names them only.";

/// What `urls` is told.
#[derive(Args, Debug)]
#[command(after_help = EXAMPLES)]
pub(super) struct UrlsArgs {
    /// How to print.
    #[arg(long, value_enum, default_value_t)]
    format: Shape,
}

#[derive(Clone, Copy, Debug, Default, ValueEnum)]
enum Shape {
    /// Lines of an .env file, for the endpoints that name a variable.
    #[default]
    Env,
    /// A table.
    Markdown,
    /// A ready call of each endpoint, signed where it wants a signature.
    Curl,
    /// For programs.
    Json,
}

pub(super) fn run(global: &Global, args: &UrlsArgs) -> Outcome {
    let rules = rules::sound(global)?;
    let environment = Environment::load()?;
    let base = rules::public_url(&rules, &environment)?;
    match args.format {
        Shape::Env => env(&rules, &base, &environment)?,
        Shape::Markdown => out::data(&markdown(&rules, &base))?,
        Shape::Curl => calls(&rules, &base, &environment)?,
        Shape::Json => out::json(&as_json(&rules, &base, &environment))?,
    }
    Ok(Exit::Fine)
}

fn env(rules: &RuleSet, base: &str, lookup: &dyn Lookup) -> Result<(), super::Failure> {
    let mut lines = Vec::new();
    let mut missing = Vec::new();
    for endpoint in &rules.endpoints {
        let Some(name) = &endpoint.env else { continue };
        let call = curl::ready(endpoint, base, lookup, Vec::new(), SystemClock.now());
        lines.push(format!("{name}={}", call.url));
        missing.extend(call.missing);
    }
    if lines.is_empty() {
        out::note("no endpoint names a variable with env=; try --format markdown or curl");
        return Ok(());
    }
    // Websites that called Kestra read the server's address from this name.
    if lines.iter().any(|line| line.starts_with("KESTRA_")) {
        lines.insert(0, format!("KESTRA_BASE_URL={base}"));
    }
    out::data(&format!("{}\n", lines.join("\n")))?;
    tell_missing(missing);
    Ok(())
}

fn markdown(rules: &RuleSet, base: &str) -> String {
    let mut lines =
        vec![String::from("| Endpoint | Address | What it does |"), String::from("|---|---|---|")];
    for endpoint in &rules.endpoints {
        let key = endpoint.keys.first().map(|key| format!("<{}>", curl::source_name(key)));
        for path in &endpoint.group.paths {
            let address = curl::address(base, path, &endpoint.name, key.as_deref());
            let about = endpoint.about.as_deref().unwrap_or_default().replace('|', "\\|");
            lines.push(format!("| {} | `{address}` | {about} |", endpoint.full_name()));
        }
    }
    for one in &rules.feedback {
        let about = one.about.as_deref().unwrap_or_default().replace('|', "\\|");
        lines.push(format!("| {} | `{base}{}` | {about} |", one.full_name(), one.path));
    }
    lines.join("\n") + "\n"
}

fn calls(rules: &RuleSet, base: &str, lookup: &dyn Lookup) -> Result<(), super::Failure> {
    let now = SystemClock.now();
    let mut blocks = Vec::new();
    let mut missing = Vec::new();
    for endpoint in &rules.endpoints {
        let body = curl::example(rules, endpoint, now).to_string().into_bytes();
        let call: ReadyCall = curl::ready(endpoint, base, lookup, body, now);
        let about = endpoint.about.as_ref().map(|about| format!(": {about}")).unwrap_or_default();
        blocks.push(format!("# {}{about}\n{}\n", endpoint.full_name(), call.line()));
        missing.extend(call.missing);
    }
    out::data(&blocks.join("\n"))?;
    tell_missing(missing);
    Ok(())
}

fn as_json(rules: &RuleSet, base: &str, lookup: &dyn Lookup) -> Value {
    let row = |endpoint: &Endpoint| {
        let call = curl::ready(endpoint, base, lookup, Vec::new(), SystemClock.now());
        json!({
            "name": endpoint.full_name(), "env": endpoint.env, "method": call.method,
            "url": call.url, "missing": call.missing,
        })
    };
    rules.endpoints.iter().map(|endpoint| row(endpoint)).collect()
}

fn tell_missing(mut names: Vec<String>) {
    names.sort();
    names.dedup();
    if !names.is_empty() {
        let are = if names.len() == 1 { "is" } else { "are" };
        out::note(&format!(
            "{} {are} not set; <NAME> stands where the value belongs",
            names.join(", ")
        ));
    }
}
