//! The mistakes of every rule set, as an editor shows them: under their places, each with the
//! other places that matter and with its advice.

use std::collections::BTreeMap;

use serde_json::{Value, json};

use super::position::{Lines, Units};
use super::workspace::{Document, Known, Project, Workspace, address};
use crate::base::{Diagnostic, FileId, Severity, Span};

/// What `publishDiagnostics` says about each file, by address, and what is wrong with files
/// that cannot be read at all.
pub(super) fn of(workspace: &Workspace, units: Units) -> (BTreeMap<String, Value>, String) {
    let mut files = BTreeMap::new();
    let mut trouble = Vec::new();
    for document in workspace.documents.values() {
        let empty = json!({
            "uri": document.uri, "version": document.version, "diagnostics": [],
        });
        files.insert(document.uri.clone(), empty);
    }
    for project in workspace.projects.values() {
        match project.present() {
            Some(Ok(known)) => {
                let drawing = Drawing::new(workspace, project, known, units);
                for found in &known.study.found {
                    drawing.add(found, &mut files);
                }
            }
            Some(Err(why)) => trouble.push(why.clone()),
            None => {}
        }
    }
    (files, trouble.join("\n"))
}

/// One mistake as the editor knows it, without its file.
pub(super) fn diagnostic(found: &Diagnostic, lines: &Lines<'_>) -> Value {
    let advice = found.help.as_ref().map_or(String::new(), |help| format!("\n{help}"));
    json!({
        "range": lines.range(found.span.range()),
        "severity": match found.severity {
            Severity::Error => 1,
            Severity::Warning => 2,
        },
        "code": found.code,
        "source": "rulerun",
        "message": format!("{}{advice}", found.message),
    })
}

/// Turns the places of a rule set into those of the editor, each file's lines counted once.
struct Drawing<'a> {
    lines: BTreeMap<FileId, (String, Option<&'a Document>, Lines<'a>)>,
}

impl<'a> Drawing<'a> {
    fn new(workspace: &'a Workspace, project: &Project, known: &'a Known, units: Units) -> Self {
        let found = &known.study.found;
        let places = found.iter().flat_map(|found| {
            std::iter::once(found.span).chain(found.related.iter().map(|(span, _)| *span))
        });
        let mut lines = BTreeMap::new();
        for id in places.map(|span| span.file) {
            lines.entry(id).or_insert_with(|| {
                let file = known.sources.file(id);
                let path = project.path(&file.path);
                let document = workspace.documents.get(&path);
                (address(&workspace.documents, &path), document, Lines::new(&file.text, units))
            });
        }
        Self { lines }
    }

    fn add(&self, found: &Diagnostic, files: &mut BTreeMap<String, Value>) {
        let Some((uri, document, lines)) = self.lines.get(&found.span.file) else { return };
        let mut one = diagnostic(found, lines);
        let related: Vec<Value> = found
            .related
            .iter()
            .filter_map(|(span, text)| {
                Some(json!({"location": self.place(*span)?, "message": text}))
            })
            .collect();
        if !related.is_empty() {
            one["relatedInformation"] = related.into();
        }
        let file = files.entry(uri.clone()).or_insert_with(|| {
            let mut file = json!({"uri": uri, "diagnostics": []});
            if let Some(document) = document {
                file["version"] = document.version.into();
            }
            file
        });
        if let Some(all) = file["diagnostics"].as_array_mut() {
            all.push(one);
        }
    }

    fn place(&self, span: Span) -> Option<Value> {
        let (uri, _, lines) = self.lines.get(&span.file)?;
        Some(json!({"uri": uri, "range": lines.range(span.range())}))
    }
}
