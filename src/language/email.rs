//! `email`: a timed e-mail. Its text stands in a Markdown file beside the rule file.

use std::ops::Range;
use std::sync::Arc;

use super::json_schema::beside;
use super::lints;
use super::names::Thing;
use super::reading::{Reading, check_template};
use super::situation::Situation;
use super::tree::{Node, Value};
use super::{codes, mends};
use crate::base::diagnostic::did_you_mean;
use crate::base::{Diagnostic, Span};
use crate::model::rules::{EmailText, SequenceAction};
use crate::template::{Format, Template};

/// Decodes an `email` of a sequence.
pub(super) fn email(
    reading: &mut Reading<'_>,
    node: &Node,
    sequence: &str,
    situations: &[&Situation],
) -> Option<SequenceAction> {
    let subject = node.prop("subject");
    if let Some(subject) = subject {
        lints::subject(reading, subject);
    }
    let subject = subject.and_then(|value| reading.template(value, situations, false));
    let via = via(reading, node);
    let body = text(reading, node, sequence, situations);
    Some(SequenceAction::Email { subject: subject?, via, body: Arc::new(body?) })
}

/// The service that sends it: the one that is named, or the only one there is.
fn via(reading: &mut Reading<'_>, node: &Node) -> Option<String> {
    if let Some(value) = node.prop("via") {
        let name = reading.resolve(Thing::Service, value)?;
        let service = reading.services.get(name)?;
        if !service.kind.is_mail() {
            let span = service.span;
            reading.push(
                Diagnostic::error(
                    codes::WRONG_SERVICE,
                    format!("`{name}` does not send e-mail"),
                    value.span,
                )
                .also(span, "declared here")
                .help("name a service of type \"smtp\", \"resend\" or \"postmark\""),
            );
            return None;
        }
        return Some(name.to_owned());
    }
    let mail: Vec<String> = reading
        .services
        .values()
        .filter(|service| service.kind.is_mail())
        .map(|service| service.name.clone())
        .collect();
    if mail.len() > 1 {
        reading.push(
            Diagnostic::error(codes::MISSING, "several services can send this e-mail", node.head())
                .label("`via=` is missing")
                .help(format!("add via=\"{}\" or another of {}", mail[0], mail.join(", "))),
        );
    }
    mail.into_iter().next()
}

fn text(
    reading: &mut Reading<'_>,
    node: &Node,
    sequence: &str,
    situations: &[&Situation],
) -> Option<EmailText> {
    let named = node.prop("template").or(node.first())?;
    let name = named.text()?;
    if name.contains(['/', '\\']) {
        reading.push(
            Diagnostic::error(
                codes::BAD_NAME,
                format!("`{name}` cannot be the name of an e-mail"),
                named.span,
            )
            .help("write the file's name alone; it stands in the folder emails"),
        );
        return None;
    }
    let path = beside(reading.sources, node, &format!("emails/{name}.md"));
    let Some(file) = reading.sources.find(&path) else {
        missing(reading, node, named, name, &path);
        return None;
    };
    let source = reading.sources.file(file).text.clone();
    let place = |range: &Range<usize>| Span::new(file, range.clone());
    match Template::compile(&source, Format::Markdown) {
        Ok(template) => {
            let faults = check_template(&template, situations, false);
            let clean = faults.is_empty();
            for diagnostic in faults.told(place) {
                let used = format!("used by {sequence}");
                reading.push(diagnostic.also(named.span, used));
            }
            if clean {
                reading.render(
                    &template,
                    situations,
                    false,
                    Span::new(file, 0..first_line(&source)),
                );
            }
            let subject = node.prop("subject").map_or(named.span, |subject| subject.span);
            Some(EmailText { path, file, subject, template })
        }
        Err(faults) => {
            for fault in faults {
                reading.push(
                    Diagnostic::error(fault.code, fault.message, place(&fault.range))
                        .maybe_help(fault.help),
                );
            }
            None
        }
    }
}

fn first_line(text: &str) -> usize {
    text.find('\n').unwrap_or(text.len())
}

fn missing(reading: &mut Reading<'_>, node: &Node, named: &Value, name: &str, path: &str) {
    let stem = path.trim_end_matches(".md");
    if let Some(other) = ["html", "mjml"]
        .iter()
        .find(|ending| reading.sources.find(&format!("{stem}.{ending}")).is_some())
    {
        reading.push(
            Diagnostic::error(
                codes::COMES_LATER,
                format!("e-mails in .{other} come later: this version reads .md only"),
                named.span,
            )
            .help(format!("write {path}")),
        );
        return;
    }
    let folder = beside(reading.sources, node, "emails/");
    let text = |path: &str| -> Option<String> {
        Some(path.strip_prefix(&folder)?.strip_prefix('/')?.strip_suffix(".md")?.to_owned())
    };
    let known: Vec<String> =
        reading.sources.iter().filter_map(|(_, file)| text(&file.path)).collect();
    // A text that no e-mail has yet is meant rather than one that another e-mail has.
    let free = || known.iter().map(String::as_str).filter(|text| !reading.names.uses_text(text));
    let mend = mends::name(named, free());
    let help = did_you_mean(name, free())
        .unwrap_or_else(|| format!("create {path} with the text of the e-mail, in Markdown"));
    reading.push(
        Diagnostic::error(
            codes::UNKNOWN_FILE,
            format!("the e-mail `{name}` has no text: there is no file {path}"),
            named.span,
        )
        .label("no such text")
        .help(help)
        .mend(mend),
    );
}
