//! How versions of an e-mail are printed: for people like a letter, for programs as JSON.

use std::fmt::Write as _;
use std::path::PathBuf;
use std::sync::Arc;

use serde_json::{Map, Value, json};

use super::versions::Version;
use crate::cli::out::{self, Ink};
use crate::model::Attachment;
use crate::model::rules::{Sequence, SequenceStep};

/// Who or what starts a version, and with which values, in words.
pub(super) fn about(version: &Version) -> String {
    let email = &version.letter.email;
    let variant = email.variant.as_ref().map(|name| format!("variant {name}, "));
    let variant = variant.unwrap_or_default();
    if version.by.is_empty() {
        return format!("{variant}{}", version.with);
    }
    format!("{variant}started by {}, {}", version.by.join(" or "), version.with)
}

/// What stands above the text: headers, what lists of e-mails show beside the subject, and
/// the files that come along.
pub(super) fn head(version: &Version) -> Vec<(&str, String)> {
    let letter = &version.letter;
    let headers = letter.headers.iter().map(|(name, value)| (name.as_str(), value.clone()));
    let preheader = letter.preheader.iter().map(|words| ("Preheader", words.clone()));
    let size = |bytes: u64| match bytes {
        0..1_024 => format!("{bytes} B"),
        1_024..1_048_576 => format!("{} KB", bytes.div_ceil(1_024)),
        _ => format!("{} MB", bytes.div_ceil(1_048_576)),
    };
    let attached = letter
        .attachments
        .iter()
        .map(|file| ("Attached", format!("{} ({})", file.name, size(file.size))));
    headers.chain(preheader).chain(attached).collect()
}

/// For people: what it is, headers, text.
pub(super) fn human(sequence: &Sequence, step: &SequenceStep, versions: &[Version]) -> String {
    let ink = Ink::for_data();
    let mut text = String::new();
    for version in versions {
        if !text.is_empty() {
            text.push('\n');
        }
        let title = format!("{}/{}, after {}", sequence.name, step.name, step.after);
        let title = out::clean(&title);
        let _ = writeln!(text, "{}", ink.bold(&title));
        let _ = writeln!(text, "{}", ink.dim(&out::clean(&about(version))));
        if let Some(why) = &version.withheld {
            let _ = writeln!(text, "with these values it would not be sent: {}", out::clean(why));
        }
        text.push('\n');
        let head = head(version);
        let widest = head.iter().map(|(name, _)| name.len()).max().unwrap_or_default() + 2;
        for (name, value) in &head {
            let name = format!("{:widest$}", format!("{name}:"));
            let _ = writeln!(text, "{}{}", ink.dim(&name), out::clean(value));
        }
        text.push('\n');
        for line in version.letter.email.text.lines() {
            let _ = writeln!(text, "{}", out::clean(line));
        }
    }
    text
}

/// For programs: every version with everything in it.
pub(super) fn json(
    sequence: &Sequence,
    step: &SequenceStep,
    versions: &[Version],
    written: &[PathBuf],
) -> Value {
    let versions: Vec<Value> = versions
        .iter()
        .map(|version| {
            let headers: Map<String, Value> = version
                .letter
                .headers
                .iter()
                .map(|(name, value)| (name.clone(), json!(value)))
                .collect();
            let email = &version.letter.email;
            let file = |file: &Arc<Attachment>| {
                json!({"name": file.name, "type": file.media, "size": file.size})
            };
            json!({
                "started_by": version.by, "with": version.with, "withheld": version.withheld,
                "to": email.to, "subject": email.subject, "variant": email.variant,
                "headers": headers, "preheader": version.letter.preheader,
                "attachments": version.letter.attachments.iter().map(file).collect::<Value>(),
                "text": email.text, "html": version.letter.html,
            })
        })
        .collect();
    let files: Vec<String> = written.iter().map(|path| path.display().to_string()).collect();
    json!({
        "email": step.name, "sequence": sequence.name, "after": step.after.to_string(),
        "versions": versions, "files": files,
    })
}
