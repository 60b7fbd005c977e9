//! Texts in other languages: `emails/NAME.de.md` beside `emails/NAME.md`. A language is
//! compared without regard to case, `_` and `-`.

use std::collections::BTreeSet;

use super::codes;
use super::json_schema::beside;
use super::reading::Reading;
use super::tree::{Node, Value};
use crate::base::diagnostic::did_you_mean;
use crate::base::{Diagnostic, FileId, SourceMap, Span};
use crate::model::rules::{TextKind, locale};

/// Says that a text is the name of no language.
pub(super) fn no_language(value: &Value) -> Diagnostic {
    let written = value.text().unwrap_or_default();
    Diagnostic::error(
        codes::UNKNOWN_LOCALE,
        format!("`{written}` does not name a language"),
        value.span,
    )
    .help("write it like \"de\", or \"de-AT\" for the German of Austria")
}

/// A text of an e-mail: its language, path and kind.
pub(super) type Text = (Option<String>, String, FileId, TextKind);

/// Every text of that name in whatever language, in the order of kinds.
pub(super) fn texts(sources: &SourceMap, node: &Node, name: &str) -> Vec<Text> {
    let stem = beside(sources, node, &format!("emails/{name}"));
    let mut found = Vec::new();
    for kind in TextKind::ALL {
        for (file, source) in sources.iter() {
            let ending = || source.path.strip_prefix(&stem)?.strip_suffix(kind.ending());
            let language = match ending() {
                Some(".") => Some(None),
                Some(part) => of_part(part).map(Some),
                None => None,
            };
            found.extend(language.map(|locale| (locale, source.path.clone(), file, kind)));
        }
    }
    found
}

/// The language between the dots of `.de.`.
fn of_part(part: &str) -> Option<String> {
    let part = part.strip_prefix('.')?.strip_suffix('.')?;
    locale(part).filter(|_| !part.contains('.'))
}

/// A text in a language: the file's path without that and the ending, and the language.
fn in_language(path: &str) -> Option<(&str, String)> {
    let (folder, _) = path.rsplit_once('/')?;
    let (stem, ending) = path.rsplit_once('.')?;
    let known = ending == "txt" || TextKind::ALL.iter().any(|kind| kind.ending() == ending);
    let (text, language) = stem.rsplit_once('.')?;
    let is_there = known && folder.rsplit('/').next() == Some("emails") && !text.ends_with('/');
    locale(language).filter(|_| is_there).map(|language| (text, language))
}

/// Every language in which some text of the rule set is written.
pub(super) fn all(sources: &SourceMap) -> BTreeSet<String> {
    sources.iter().filter_map(|(_, file)| in_language(&file.path)).map(|found| found.1).collect()
}

/// Tells which texts in other languages nobody will ever get.
pub(super) fn unused(reading: &mut Reading<'_>) {
    if reading.unread.is_some() || reading.sink.has_any(&[codes::UNKNOWN_FILE, codes::BAD_NAME]) {
        return;
    }
    let sources = reading.sources;
    let used: BTreeSet<&str> =
        reading.texts.iter().map(|file| sources.file(*file).path.as_str()).collect();
    let mut found = Vec::new();
    for (file, source) in sources.iter() {
        let Some((text, language)) = in_language(&source.path) else { continue };
        // Two letters are a language; more of them are as often a remark: `NAME.old.md`.
        let is_language = language.split('-').next().is_some_and(|first| first.len() == 2);
        if !is_language || reading.texts.contains(&file) {
            continue;
        }
        let plain = |path: &&str| path.rsplit_once('.').is_some_and(|(stem, _)| stem == text);
        let help = if used.iter().any(plain)
            && source.path.rsplit_once('.').is_some_and(|(_, kind)| kind == "txt")
        {
            format!("it stands beside no text of its language; write {text}.{language}.md")
        } else if used.iter().any(plain) {
            String::from("write locale=\"{{language}}\" behind the sequence that sends it")
        } else {
            let name = |path: &&'_ str| path.rsplit('/').next().map(str::to_owned);
            let stems: Vec<String> = used
                .iter()
                .filter_map(name)
                .filter_map(|name| Some(name.split_once('.')?.0.to_owned()))
                .collect();
            let own = text.rsplit('/').next().unwrap_or_default();
            let known = did_you_mean(own, stems.iter().map(String::as_str));
            known.unwrap_or_else(|| format!("no e-mail has the text `{own}`"))
        };
        let line = source.text.find('\n').unwrap_or(source.text.len());
        found.push(
            Diagnostic::warning(
                codes::UNUSED_TEXT,
                format!("nobody gets {}", source.path),
                Span::new(file, 0..line),
            )
            .label("this text is not used")
            .help(help),
        );
    }
    for one in found {
        reading.push(one);
    }
}
