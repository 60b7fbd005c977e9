//! `layout="NAME"`: a page of one's own around the texts of e-mails, in `emails/NAME.html`, and
//! in other languages in `emails/NAME.de.html`.

use std::collections::BTreeMap;
use std::sync::Arc;

use super::codes;
use super::email_text::{tell, with_own_names};
use super::enclosed;
use super::json_schema::beside;
use super::locales;
use super::mends;
use super::reading::{Reading, check_template};
use super::situation::Situation;
use super::tree::{Node, Value};
use crate::base::diagnostic::did_you_mean;
use crate::base::{Diagnostic, FileId, Span};
use crate::markup::{self, Html, MarkupFault};
use crate::model::rules::{Layout, TextKind};
use crate::template::{Format, Template};

/// Notes the layout of what comes next: that of this node, else the one given.
pub(super) fn choose(
    reading: &mut Reading<'_>,
    node: Option<&Node>,
    otherwise: Option<Arc<Layout>>,
) {
    let own = node.and_then(|node| Some((node, node.prop("layout")?)));
    reading.layout = match own {
        Some((node, value)) => layout(reading, node, value),
        None => otherwise,
    };
}

fn layout(reading: &mut Reading<'_>, node: &Node, value: &Value) -> Option<Arc<Layout>> {
    let name = value.text()?;
    let path = beside(reading.sources, node, &format!("emails/{name}.html"));
    let Some(file) = reading.sources.find(&path) else {
        missing(reading, node, value, name, &path);
        return None;
    };
    if let Some(known) = reading.layouts.get(&path) {
        return known.clone();
    }
    let made = in_all_languages(reading, node, name, (file, &path)).map(Arc::new);
    reading.layouts.insert(path, made.clone());
    made
}

/// A layout with those of its name in other languages.
fn in_all_languages(
    reading: &mut Reading<'_>,
    node: &Node,
    name: &str,
    (file, path): (FileId, &str),
) -> Option<Layout> {
    reading.texts.insert(file);
    let mut layout = read(reading, node, file, path);
    for (language, path, file, kind) in locales::texts(reading.sources, node, name) {
        let Some(language) = language.filter(|_| kind == TextKind::Html) else { continue };
        reading.texts.insert(file);
        let other = read(reading, node, file, &path).map(Arc::new);
        if let (Some(layout), Some(other)) = (&mut layout, other) {
            layout.others.insert(language, other);
        }
    }
    layout
}

fn missing(reading: &mut Reading<'_>, node: &Node, value: &Value, name: &str, path: &str) {
    let folder = format!("{}/", beside(reading.sources, node, "emails"));
    let of = |path: &str| path.strip_prefix(&folder)?.strip_suffix(".html").map(str::to_owned);
    let known: Vec<String> =
        reading.sources.iter().filter_map(|(_, file)| of(&file.path)).collect();
    let names = || known.iter().map(String::as_str);
    let help = did_you_mean(name, names())
        .unwrap_or_else(|| format!("create {path}: a page of HTML with {{{{content}}}} in it"));
    let mend = mends::name(value, names());
    reading.push(
        Diagnostic::error(codes::UNKNOWN_FILE, format!("there is no layout {path}"), value.span)
            .label("no such file")
            .help(help)
            .mend(mend),
    );
}

fn read(reading: &mut Reading<'_>, node: &Node, file: FileId, path: &str) -> Option<Layout> {
    let source = reading.sources.file(file).text.clone();
    let faults = markup::check(&source, Html::Page);
    let broken = faults.iter().any(MarkupFault::is_error);
    tell(reading, file, faults);
    let images = enclosed::images(reading, node, file, TextKind::Html);
    let mut own = with_own_names(Situation::of_schema(None, Span::new(file, 0..0)));
    own.instead = Some(String::from(
        "a layout is for everybody: it has {{content}}, {{unsubscribe_url}}, \
         {{preferences_url}} and {{postal_address}}",
    ));
    let line = 0..source.find('\n').unwrap_or(source.len());
    let places = markup::content_places(&source);
    let [place] = places.as_slice() else {
        let (code, message) = match places.get(1) {
            None => (codes::MISSING, "this layout has no place for the text"),
            Some(_) => (codes::DUPLICATE, "this layout has two places for the text"),
        };
        let span = Span::new(file, places.get(1).cloned().unwrap_or(line));
        reading.push(
            Diagnostic::error(code, message, span)
                .help("write {{content}} once, between two elements, where the text goes"),
        );
        return None;
    };
    // A mark as long as the tag keeps every place where it is.
    let blank = " ".repeat(place.len());
    let marked = |mark: &str| format!("{}{mark}{}", &source[..place.start], &source[place.end..]);
    match Template::compile(&marked(&blank), Format::Html) {
        Ok(template) => {
            let faults = check_template(&template, &[&own], false);
            for found in faults.told(|range| Span::new(file, range.clone())) {
                reading.push(found);
            }
        }
        Err(faults) => {
            for fault in faults {
                let span = Span::new(file, fault.range.clone());
                reading.push(
                    Diagnostic::error(fault.code, fault.message, span).maybe_help(fault.help),
                );
            }
            return None;
        }
    }
    if broken {
        return None;
    }
    let page =
        markup::with_images(&marked(markup::CONTENT), |name| enclosed::content_id(&images, name));
    let page = Template::compile(&page.replace("\r\n", "\n"), Format::Html).ok()?;
    Some(Layout { path: path.to_owned(), page, others: BTreeMap::new(), images })
}
