//! What comes with an e-mail: files (`attach`) and images that its text shows by name. They
//! stand in the folder emails, beside the texts.

use std::sync::Arc;

use sha2::{Digest as _, Sha256};

use super::codes;
use super::json_schema::beside;
use super::mends;
use super::reading::Reading;
use super::tree::{Node, Value};
use crate::base::diagnostic::did_you_mean;
use crate::base::{Asset, Diagnostic, FileId, Span};
use crate::markup;
use crate::model::Attachment;
use crate::model::rules::{EmailText, TextKind};

/// More than that no provider takes, in bytes.
const MOST: u64 = 10 * 1024 * 1024;
/// More than that takes long to load, and looks odd to filters.
const MUCH: u64 = 2 * 1024 * 1024;

/// The files that an `email` brings along.
pub(super) fn attachments(reading: &mut Reading<'_>, node: &Node) -> Vec<Arc<Attachment>> {
    let mut found: Vec<Arc<Attachment>> = Vec::new();
    for child in node.all("attach") {
        let Some(value) = child.first() else { continue };
        let Some(file) = value.text() else { continue };
        if !stays_inside(file) {
            outside(reading, value, file);
            continue;
        }
        let path = beside(reading.sources, node, &format!("emails/{file}"));
        let Some(asset) = asset(reading, &path) else {
            missing(reading, node, value, &path);
            continue;
        };
        let plain = file.rsplit('/').next().unwrap_or(file);
        let name = child.prop_text("name").unwrap_or(plain).to_owned();
        found.push(Arc::new(Attachment::new(name, asset.hash, asset.size, asset.bytes.as_deref())));
    }
    found
}

/// Says that what leaves with an e-mail is too large: the files that it brings along and the
/// images that it shows, in the heaviest of its wordings.
pub(super) fn weigh<'a>(
    reading: &mut Reading<'_>,
    node: &Node,
    wordings: impl Iterator<Item = &'a EmailText>,
) {
    let weight = |body: &EmailText| -> u64 {
        body.images.iter().chain(&body.attachments).map(|file| file.size).sum()
    };
    let Some(heaviest) = wordings.max_by_key(|body| weight(body)) else { return };
    let total = weight(heaviest);
    let text = &reading.sources.file(heaviest.file).text;
    let line = 0..text.find('\n').unwrap_or(text.len());
    let span = node.all("attach").filter_map(Node::first).last().map(|value| value.span);
    let span = span.unwrap_or_else(|| Span::new(heaviest.file, line));
    let size = format!("{:.1} MB", megabytes(total));
    let help = "put the file on your website and link to it: whoever wants it has it at once";
    if total > MOST {
        let message = format!(
            "the files and images of this e-mail have {size}: no more than 10 MB may leave"
        );
        reading.push(Diagnostic::error(codes::LARGE_ATTACHMENT, message, span).help(help));
    } else if total > MUCH {
        let message = format!("the files and images of this e-mail have {size}");
        reading.push(
            Diagnostic::warning(codes::LARGE_ATTACHMENT, message, span)
                .label("more than 2 MB")
                .help(help),
        );
    }
}

#[allow(clippy::cast_precision_loss, reason = "sizes are for people, and far below 2^52")]
fn megabytes(bytes: u64) -> f64 {
    bytes as f64 / (1024.0 * 1024.0)
}

/// Whether a name leads to a file in the folder emails or below it.
fn stays_inside(name: &str) -> bool {
    !name.contains(['\\', ':']) && name.split('/').all(|part| !matches!(part, "" | "." | ".."))
}

/// Says that a file stands elsewhere: what leaves is only what was put there to leave.
fn outside(reading: &mut Reading<'_>, value: &Value, file: &str) {
    reading.push(
        Diagnostic::error(
            codes::BAD_NAME,
            format!("`{file}` is not a file of the folder emails"),
            value.span,
        )
        .label("leads elsewhere")
        .help("put the file into the folder emails and write its name alone"),
    );
}

fn missing(reading: &mut Reading<'_>, node: &Node, value: &Value, path: &str) {
    let folder = format!("{}/", beside(reading.sources, node, "emails"));
    let known: Vec<String> = reading
        .sources
        .assets()
        .filter_map(|asset| asset.path.strip_prefix(&folder).map(str::to_owned))
        .collect();
    let names = || known.iter().map(String::as_str);
    let name = value.text().unwrap_or_default();
    let help = did_you_mean(name, names()).unwrap_or_else(|| {
        format!("put the file into the folder {}", folder.trim_end_matches('/'))
    });
    let mend = mends::name(value, names());
    reading.push(
        Diagnostic::error(codes::UNKNOWN_FILE, format!("there is no file {path}"), value.span)
            .label("nothing to attach")
            .help(help)
            .mend(mend),
    );
}

/// A file by its path; a text is one too.
fn asset(reading: &Reading<'_>, path: &str) -> Option<Asset> {
    if let Some(asset) = reading.sources.asset(path) {
        return Some(asset.clone());
    }
    let text = &reading.sources.file(reading.sources.find(path)?).text;
    Some(Asset {
        path: path.to_owned(),
        size: text.len() as u64,
        hash: hex::encode(Sha256::digest(text.as_bytes())),
        bytes: Some(text.as_bytes().into()),
    })
}

/// The images that a text shows by name. One that is not there is told for HTML and MJML;
/// for Markdown, whoever reads the e-mail tells it.
pub(super) fn images(
    reading: &mut Reading<'_>,
    node: &Node,
    file: FileId,
    kind: TextKind,
) -> Vec<Arc<Attachment>> {
    let source = reading.sources.file(file).text.clone();
    let names = match kind {
        TextKind::Markdown => markup::markdown_images(&source),
        TextKind::Html | TextKind::Mjml => markup::local_images(&source),
    };
    let mut found: Vec<Arc<Attachment>> = Vec::new();
    for (name, range) in names {
        let path = beside(reading.sources, node, &format!("emails/{name}"));
        match asset(reading, &path).filter(|_| stays_inside(&name)) {
            Some(asset) => {
                let image = Attachment::new(name, asset.hash, asset.size, asset.bytes.as_deref());
                add(&mut found, &[Arc::new(image)]);
            }
            None if kind == TextKind::Markdown => {}
            None => reading.push(
                Diagnostic::error(
                    codes::UNKNOWN_FILE,
                    format!("there is no image {path}"),
                    Span::new(file, range),
                )
                .label("not shown")
                .help("put the file beside this one, or write its whole address: https://…"),
            ),
        }
    }
    found
}

/// Adds images that are not there yet.
pub(super) fn add(images: &mut Vec<Arc<Attachment>>, more: &[Arc<Attachment>]) {
    for image in more {
        if !images.iter().any(|known| known.name == image.name) {
            images.push(Arc::clone(image));
        }
    }
}

/// What the page writes in the place of an image's name.
pub(super) fn content_id(images: &[Arc<Attachment>], name: &str) -> Option<String> {
    let image = images.iter().find(|image| image.name == name)?;
    Some(format!("cid:{}", image.content_id()))
}
