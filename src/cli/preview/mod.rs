//! `rulerun preview EMAIL`: an e-mail as its readers will get it, filled in with the example
//! of whatever starts its sequence, or with a payload of one's own. It is printed, written to
//! files, shown in a browser, or sent once as a test; nothing of it is remembered.

mod files;
mod page;
mod shown;
mod versions;

use std::path::PathBuf;

use clap::Args;
use serde_json::{Map, Value, json};

use self::versions::{Fields, Version};
use super::environment::Environment;
use super::outcome::{Exit, Failure, Outcome};
use super::{Format, Global, data, out, rules, table};
use crate::engine::Pick;
use crate::model::Lookup;
use crate::model::queue::Email;
use crate::model::rules::{RuleSet, Sequence, SequenceAction, SequenceStep};
use crate::serve::trial;

const EXAMPLES: &str = "\
Examples:
  rulerun preview                                 every e-mail of the rules
  rulerun preview noshow-1                        one of them, with the example of its schema
  rulerun preview noshow-1 --missing              without the fields that may be missing
  rulerun preview noshow-1 --payload sarah.json   with a payload of your own
  rulerun preview noshow-1 --variant b --locale de  another wording of it
  rulerun preview noshow-1 --out mail             as files: .html, .txt and .eml
  rulerun preview --port 8025                     all of them in a browser, as you edit
  rulerun preview noshow-1 --send-to me@example.com";

/// What `preview` is told.
#[derive(Args, Debug)]
#[command(after_help = EXAMPLES)]
pub(super) struct PreviewArgs {
    /// The e-mail's name, or SEQUENCE/NAME; without it, all of them are listed.
    email: Option<String>,
    /// The payload to fill it in with, as JSON in a file; - is the pipe.
    #[arg(long, value_name = "FILE|-")]
    payload: Option<String>,
    /// The variant; `a`, the e-mail itself, when not said.
    #[arg(long, value_name = "NAME", requires = "email")]
    variant: Option<String>,
    /// The language, such as de or de-AT; what the payload says when not said.
    #[arg(long, value_name = "LANGUAGE", requires = "email")]
    locale: Option<String>,
    /// Leave out every field that may be missing.
    #[arg(long, conflicts_with = "payload")]
    missing: bool,
    /// Write the HTML, the text and the whole message into this folder.
    #[arg(long, value_name = "DIR")]
    out: Option<PathBuf>,
    /// Show it in a browser of this machine until Ctrl-C; 0 takes a free port.
    #[arg(long, value_name = "N", conflicts_with_all = ["out", "send_to"])]
    port: Option<u16>,
    /// Send it once to this address, marked as a test.
    #[arg(long, value_name = "ADDRESS", requires = "email", conflicts_with = "out")]
    send_to: Option<String>,
    /// How to print.
    #[arg(long, value_enum, default_value_t)]
    format: Format,
}

impl PreviewArgs {
    /// Which wording of an e-mail is shown.
    fn pick(&self, step: &SequenceStep) -> Result<Pick, Failure> {
        versions::pick(step, self.variant.as_deref(), self.locale.as_deref())
    }

    /// What the e-mails are filled in with.
    fn fields(&self) -> Result<Fields, Failure> {
        Ok(match &self.payload {
            None if self.missing => Fields::Required,
            None => Fields::All,
            Some(name) => Fields::Given(payload(&data::file_or_pipe(name)?)?),
        })
    }
}

pub(super) fn run(global: &Global, args: &PreviewArgs) -> Outcome {
    let fields = args.fields()?;
    if let Some(port) = args.port {
        return page::serve(global, args, &fields, port);
    }
    let rules = rules::sound(global)?;
    let environment = Environment::load()?;
    let Some(name) = &args.email else {
        if args.out.is_some() || args.payload.is_some() || args.missing {
            return Err(Failure::new("which e-mail?").help("`rulerun preview` lists them"));
        }
        return list(&rules, args.format);
    };
    let (sequence, step) = find(&rules, name)?;
    let person = args.send_to.as_deref();
    let url = rules::public_url(&rules, &environment)?;
    let pick = args.pick(step)?;
    let versions = versions::of(&rules, sequence, step, &fields, &url, &pick, person)?;
    if let Some(person) = person {
        return send(&rules, &versions, &environment, person, args.format);
    }
    let written = match &args.out {
        Some(folder) => files::write(folder, &step.name, &versions)?,
        None => Vec::new(),
    };
    match args.format {
        Format::Json => out::json(&shown::json(sequence, step, &versions, &written))?,
        Format::Human => {
            out::data(&shown::human(sequence, step, &versions))?;
            for path in &written {
                out::note(&format!("written: {}", path.display()));
            }
            if written.is_empty() {
                out::note("--out DIR writes the HTML, --port 8025 shows it in a browser");
            }
            let bare = |version: &Version| version.letter.email.text.clone();
            if matches!(fields, Fields::All)
                && versions::of(&rules, sequence, step, &Fields::Required, &url, &pick, None)
                    .is_ok_and(|other| !other.iter().map(bare).eq(versions.iter().map(bare)))
            {
                out::note("--missing shows how it reads without the fields that may be missing");
            }
            if let Some(note) = others(step, args) {
                out::note(&note);
            }
            if rules.sender.is_none() {
                out::note("the rules declare no `sender`: add one before e-mail leaves");
            }
        }
    }
    Ok(Exit::Fine)
}

/// Which other wordings the e-mail has, unless one of them was asked for.
fn others(step: &SequenceStep, args: &PreviewArgs) -> Option<String> {
    let SequenceAction::Email { choice, .. } = &step.action else { return None };
    let shares = choice.shares();
    let variants = shares.iter().map(|(name, weight)| format!("{name} ({weight}%)"));
    let variants = variants.collect::<Vec<_>>().join(", ");
    let mut locales: Vec<&str> = step.action.wordings().filter_map(|said| said.locale).collect();
    locales.sort_unstable();
    locales.dedup();
    let variants = (!shares.is_empty() && args.variant.is_none())
        .then(|| format!("variants: {variants}; --variant NAME shows another one"));
    let locales = (!locales.is_empty() && args.locale.is_none())
        .then(|| format!("languages: {}; --locale LANGUAGE shows one", locales.join(", ")));
    let told: Vec<String> = variants.into_iter().chain(locales).collect();
    (!told.is_empty()).then(|| told.join("\n"))
}

/// A payload: an object, as every call brings one.
fn payload(bytes: &[u8]) -> Result<Map<String, Value>, Failure> {
    match crate::payload::parse(bytes) {
        Ok(Value::Object(fields)) => Ok(fields),
        Ok(_) => Err(Failure::new("the payload is not an object").help("write {\"field\": …}")),
        Err(fault) => Err(Failure::new(format!("the payload cannot be read: {}", fault.message))),
    }
}

/// Every e-mail of the rules, in the order of sequences and steps.
fn emails(rules: &RuleSet) -> impl Iterator<Item = (&Sequence, &SequenceStep)> {
    rules.sequences.values().flat_map(|sequence| {
        let emails = sequence
            .steps
            .iter()
            .filter(|step| matches!(step.action, SequenceAction::Email { .. }));
        emails.map(|step| (&**sequence, step))
    })
}

fn list(rules: &RuleSet, format: Format) -> Outcome {
    let subject = |step: &SequenceStep| match &step.action {
        SequenceAction::Email { subject, .. } => subject.source().to_owned(),
        SequenceAction::Send { .. } => String::new(),
    };
    match format {
        Format::Human => {
            let row = |(sequence, step): (&Sequence, &SequenceStep)| {
                let after = step.after.to_string();
                vec![step.name.clone(), sequence.name.clone(), after, subject(step)]
            };
            let rows: Vec<Vec<String>> = emails(rules).map(row).collect();
            if rows.is_empty() {
                out::note("the rules have no e-mail");
            } else {
                out::data(&table::draw(&["EMAIL", "SEQUENCE", "AFTER", "SUBJECT"], &rows))?;
            }
        }
        Format::Json => {
            let all: Vec<Value> = emails(rules)
                .map(|(sequence, step)| {
                    json!({
                        "email": step.name, "sequence": sequence.name,
                        "after": step.after.to_string(), "subject": subject(step),
                    })
                })
                .collect();
            out::json(&Value::Array(all))?;
        }
    }
    Ok(Exit::Fine)
}

/// The e-mail of that name: the step's, or with its sequence where several have it.
fn find<'a>(rules: &'a RuleSet, name: &str) -> Result<(&'a Sequence, &'a SequenceStep), Failure> {
    let full =
        |(sequence, step): &(&Sequence, &SequenceStep)| format!("{}/{}", sequence.name, step.name);
    let fits = |email: &(&Sequence, &SequenceStep)| email.1.name == name || full(email) == name;
    let found: Vec<_> = emails(rules).filter(fits).collect();
    match found.as_slice() {
        [email] => Ok(*email),
        [] => {
            let names: Vec<String> = emails(rules).map(|(_, step)| step.name.clone()).collect();
            Err(rules::unknown("e-mail", name, &names))
        }
        several => {
            let names: Vec<String> = several.iter().map(full).collect();
            Err(Failure::new(format!("several sequences have an e-mail `{name}`"))
                .help(format!("say which: {}", names.join(", "))))
        }
    }
}

/// Sends the first version once.
fn send(
    rules: &RuleSet,
    versions: &[Version],
    environment: &Environment,
    person: &str,
    format: Format,
) -> Outcome {
    let Some(version) = versions.first() else { return Ok(Exit::Fine) };
    let letter = &version.letter;
    let email: &Email = letter.wire.as_ref().unwrap_or(&letter.email);
    let help = "a mail service is declared like this: service \"mail\" type=\"smtp\" { url \
                (env)\"SMTP_URL\" }, or type=\"resend\" or \"postmark\" with a token";
    let service = version.via.as_ref().and_then(|via| rules.services.get(via));
    let service = service.ok_or_else(|| {
        Failure::new("the rules declare no mail service, so nothing can be sent").help(help)
    })?;
    if rules.sender.is_none() {
        return Err(Failure::new("the rules declare no `sender`, so nothing can be sent")
            .help("add sender \"Name <you@your-domain>\" to your settings"));
    }
    let roots = environment.env("SSL_CERT_FILE").map(PathBuf::from);
    let tried = trial::send(service, environment, roots.as_deref(), email)
        .map_err(|why| Failure::new(format!("{why}, so nothing can be sent")))?;
    if let Some(error) = tried.error {
        let message = tried.message.unwrap_or_else(|| error.word().to_owned());
        return Err(Failure::new(format!("the test was not sent: {message}")));
    }
    let reply = out::clean(tried.reply.trim());
    match format {
        Format::Json => out::json(&json!({
            "to": email.to, "subject": email.subject, "via": service.name,
            "status": tried.status, "reply": reply,
        }))?,
        Format::Human => {
            let subject = out::clean(&email.subject);
            out::note(&format!("sent “{subject}” to {person} through {}", service.name));
            let status = tried.status.map(|status| status.to_string()).unwrap_or_default();
            out::note(&format!("its server answered {status} {reply}"));
            out::note("the link to unsubscribe in it leads nowhere; nothing is remembered");
        }
    }
    Ok(Exit::Fine)
}
