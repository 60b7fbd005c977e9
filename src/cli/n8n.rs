//! `rulerun n8n export`: workflows that n8n imports as they are. One for every event that goes
//! to n8n, which lets only deliveries pass that rulerun has signed; and one for every endpoint
//! that n8n calls, which signs the call. Secrets stay where they are: the workflows name the
//! environment variables that n8n must have.

mod code;
mod workflows;

use std::collections::BTreeSet;
use std::path::PathBuf;

use clap::{Args, Subcommand, ValueHint};
use serde_json::{Value, json};

use super::environment::Environment;
use super::outcome::{Exit, Failure, Outcome};
use super::{Format, Global, files, out, rules, table};
use crate::model::rules::{Endpoint, Event, RuleSet, Service, ServiceType};

const EXAMPLES: &str = "\
Examples:
  rulerun n8n export                             every workflow, in the folder n8n
  rulerun n8n export --out workflows
  n8n import:workflow --separate --input=n8n     the same files, into n8n

The files are replaced by every export: copy a workflow in n8n before you build on it, or let
it call one of yours. No secret is written into them.";

/// What `n8n` is told.
#[derive(Args, Debug)]
#[command(after_help = EXAMPLES)]
pub(super) struct N8nArgs {
    #[command(subcommand)]
    action: Action,
}

#[derive(Debug, Subcommand)]
enum Action {
    /// Write workflows that verify our signature, and that call back signed.
    Export(ExportArgs),
}

#[derive(Args, Debug)]
#[command(after_help = EXAMPLES)]
struct ExportArgs {
    /// The folder, which is made if it is not there.
    #[arg(long, value_name = "DIR", default_value = "n8n", value_hint = ValueHint::DirPath)]
    out: PathBuf,
    /// How to print.
    #[arg(long, value_enum, default_value_t)]
    format: Format,
}

/// A workflow and the file that it goes into.
struct Exported {
    file: String,
    /// What it is for.
    what: String,
    /// Variables that n8n must have.
    variables: BTreeSet<String>,
    workflow: Value,
}

pub(super) fn run(global: &Global, args: &N8nArgs) -> Outcome {
    let Action::Export(args) = &args.action;
    let rules = rules::sound(global)?;
    let base = rules::public_url(&rules, &Environment::load()?)?;
    let all = exported(&rules, &base);
    if all.is_empty() {
        return Err(Failure::new("the rules have nothing to do with n8n").help(
            "a workflow is made for each event of a service of type n8n that signs, and for each endpoint in a group of that service's name",
        ));
    }
    files::folder(&args.out)?;
    for one in &all {
        let path = args.out.join(&one.file);
        files::write(&path, format!("{:#}\n", one.workflow))?;
    }
    print(args, &all)?;
    Ok(Exit::Fine)
}

fn exported(rules: &RuleSet, base: &str) -> Vec<Exported> {
    let mut all = Vec::new();
    let services = || rules.services.values().filter(|service| service.kind == ServiceType::N8n);
    let is_called =
        |endpoint: &&Endpoint| services().any(|service| service.name == endpoint.group.name);
    let named = |name: &str| {
        let called = rules.endpoints.iter().map(|endpoint| &**endpoint).filter(is_called);
        called.filter(|endpoint| endpoint.name == name).count()
    };
    for service in services() {
        let events = rules.events.values().filter(|event| event.service == service.name);
        match &service.sign {
            Some(sign) => all.extend(events.map(|event| receiver(event, service, sign))),
            None if events.count() > 0 => out::note(&format!(
                "the service `{}` signs nothing, so n8n could not tell who calls: no workflow is made for its events",
                service.name
            )),
            None => {}
        }
        let endpoints =
            rules.endpoints.iter().filter(|endpoint| endpoint.group.name == service.name);
        all.extend(endpoints.map(|endpoint| callback(endpoint, base, named(&endpoint.name) > 1)));
    }
    all
}

/// The name of a file for something of that name. Events may be called whatever people like;
/// what is no plain letter is a dash, and a few digits keep such names apart.
fn file(kind: &str, name: &str) -> String {
    let plain = |c: char| if c.is_ascii_alphanumeric() || "-_".contains(c) { c } else { '-' };
    let slug: String = name.chars().map(plain).take(100).collect();
    let apart =
        if slug == name { String::new() } else { format!("-{}", &workflows::hash(name)[..6]) };
    format!("{kind}-{slug}{apart}.json")
}

/// The workflow that takes an event.
fn receiver(event: &Event, service: &Service, sign: &crate::model::rules::Sign) -> Exported {
    // n8n itself puts this before the path of an active workflow.
    let path = event.path.strip_prefix("/webhook/").unwrap_or_else(|| {
        out::note(&format!(
            "`{}` goes to {}{}, and n8n answers below /webhook/ alone: check the path of the workflow",
            event.name, service.name, event.path
        ));
        event.path.trim_start_matches('/')
    });
    let variables = code::variables(&sign.secrets);
    let script = code::verify(&event.name, &sign.schemes, &variables);
    Exported {
        file: file("event", &event.name),
        what: format!("takes the event {}", event.name),
        workflow: workflows::receiver(event, path, &script),
        variables: variables.into_iter().collect(),
    }
}

/// The workflow that calls an endpoint; `shared` when another one has the same name.
fn callback(endpoint: &Endpoint, base: &str, shared: bool) -> Exported {
    let mut variables: BTreeSet<String> = BTreeSet::from([String::from(workflows::BASE)]);
    let full_name = endpoint.full_name();
    let access = &endpoint.access;
    let keys = &endpoint.keys;
    variables.extend(code::variables(keys.get(..1).unwrap_or_default()));
    for (_, secret) in &access.headers {
        variables.extend(code::variables(std::slice::from_ref(secret)));
    }
    for rule in &access.signatures {
        variables.extend(code::variables(&rule.secrets));
    }
    Exported {
        file: file("callback", if shared { &full_name } else { &endpoint.name }),
        what: format!("calls {full_name}, signed"),
        workflow: workflows::callback(endpoint, base, &code::sign(endpoint)),
        variables,
    }
}

fn print(args: &ExportArgs, all: &[Exported]) -> Result<(), Failure> {
    let path = |one: &Exported| args.out.join(&one.file).display().to_string();
    let variables: BTreeSet<&String> = all.iter().flat_map(|one| &one.variables).collect();
    if args.format == Format::Json {
        let rows = all.iter().map(|one| {
            json!({ "file": path(one), "name": one.workflow["name"], "variables": one.variables })
        });
        return out::json(&json!({
            "workflows": rows.collect::<Vec<_>>(), "variables": variables,
        }));
    }
    let rows: Vec<Vec<String>> = all.iter().map(|one| vec![path(one), one.what.clone()]).collect();
    out::data(&table::draw(&["FILE", "WHAT IT DOES"], &rows))?;
    let variables: Vec<String> = variables.into_iter().cloned().collect();
    let names = table::wrap(&variables, out::notes_width() - 2);
    out::note(&format!(
        "\nImport them with `n8n import:workflow --separate --input={}`.\n\
         n8n needs these variables, with the same values as here:\n  {}\n\
         and, so that their code may run:\n  \
         NODE_FUNCTION_ALLOW_BUILTIN=crypto\n  N8N_BLOCK_ENV_ACCESS_IN_NODE=false",
        args.out.display(),
        names.join("\n  "),
    ));
    Ok(())
}
