//! The text of an e-mail: which file holds it, what its tags read, and the page that HTML
//! and MJML become once, when the rules are read.

use std::ops::Range;
use std::sync::Arc;

use serde_json::json;

use super::codes;
use super::enclosed;
use super::json_schema::beside;
use super::locales;
use super::mends;
use super::reading::{Reading, check_template};
use super::situation::Situation;
use super::tree::{Node, Value};
use crate::base::diagnostic::did_you_mean;
use crate::base::{Diagnostic, FileId, Span};
use crate::markup::{self, Html, MarkupFault, Trouble};
use crate::model::rules::{EmailText, Layout, PlainText, TextKind};
use crate::model::{Kind, Shape};
use crate::template::{self, Format, Template};

/// What every text of an e-mail may print besides the payload, with an example of each.
pub(super) const OWN_NAMES: [(&str, &str); 3] = [
    ("unsubscribe_url", "https://example.com/unsubscribe/preview"),
    ("preferences_url", "https://example.com/unsubscribe/preview"),
    ("postal_address", "1 Main Street, Springfield"),
];

/// The situation with the names that texts of e-mails have.
pub(super) fn with_own_names(mut situation: Situation) -> Situation {
    for (name, example) in OWN_NAMES {
        situation = situation.with(name, Shape::required(Kind::Text), json!(example));
    }
    situation
}

/// Which text is asked for, and what it may print.
#[derive(Clone, Copy)]
pub(super) struct Asked<'a> {
    /// The e-mail, beside whose file the texts stand.
    pub(super) node: &'a Node,
    /// The text's name.
    pub(super) named: &'a Value,
    /// Its language in the form of [`crate::model::rules::locale`]; none is the plain text.
    pub(super) locale: Option<&'a str>,
    /// The language of everybody in the sequence, where the rules write it out.
    pub(super) everybody: Option<&'a str>,
    /// The sequence's name.
    pub(super) sequence: &'a str,
    /// What its tags may read.
    pub(super) situations: &'a [&'a Situation],
}

/// Reads a text of an `email` with the images that it shows. Its subject, what lists show
/// beside that and the files that come along are for the caller to add.
pub(super) fn text(reading: &mut Reading<'_>, asked: Asked<'_>) -> Option<EmailText> {
    let Asked { node, named, .. } = asked;
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
    let known: Vec<Situation> =
        asked.situations.iter().map(|situation| with_own_names((*situation).clone())).collect();
    let situations: Vec<&Situation> = known.iter().collect();
    let (path, file, kind) = find(reading, asked, name)?;
    let reader = Reader { named: named.span, sequence: asked.sequence, situations: &situations };
    let format = match kind {
        TextKind::Markdown => Format::Markdown,
        TextKind::Html | TextKind::Mjml => Format::Html,
    };
    let source = reading.sources.file(file).text.clone();
    let template = reader.template(reading, file, format);
    let language = asked.locale.or(asked.everybody);
    let layout = reading.layout.as_ref().map(|layout| layout.in_language(language));
    let mut images = enclosed::images(reading, node, file, kind);
    let page = match kind {
        TextKind::Markdown => None,
        TextKind::Html | TextKind::Mjml => {
            Some(Arc::new(page(reading, file, kind, &source, layout.as_deref(), &mut images)?))
        }
    };
    if let (TextKind::Markdown, Some(layout)) = (kind, &layout) {
        enclosed::add(&mut images, &layout.images);
    }
    let plain = plain(reading, &path, &reader);
    Some(EmailText {
        path,
        file,
        subject: named.span,
        kind,
        template: Arc::new(template?),
        page,
        plain,
        layout: layout.filter(|_| kind == TextKind::Markdown),
        preheader: None,
        images,
        attachments: Vec::new(),
    })
}

/// What every file of an e-mail is read with.
struct Reader<'a> {
    named: Span,
    sequence: &'a str,
    situations: &'a [&'a Situation],
}

impl Reader<'_> {
    /// Compiles a file and tries it with the examples.
    fn template(
        &self,
        reading: &mut Reading<'_>,
        file: FileId,
        format: Format,
    ) -> Option<Template> {
        let source = reading.sources.file(file).text.clone();
        let place = |range: &Range<usize>| Span::new(file, range.clone());
        // Mail programs make links of the addresses in a plain text too.
        let made = Template::compile(&source, format).and_then(|template| {
            template::host_from_a_value(&source).map_or(Ok(template), |fault| Err(vec![fault]))
        });
        match made {
            Ok(template) => {
                let faults = check_template(&template, self.situations, false);
                let clean = faults.is_empty();
                for diagnostic in faults.told(place) {
                    let used = format!("used by {}", self.sequence);
                    reading.push(diagnostic.also(self.named, used));
                }
                if clean {
                    let first = Span::new(file, 0..source.find('\n').unwrap_or(source.len()));
                    reading.render(&template, self.situations, false, first);
                }
                Some(template)
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
}

/// The file of that name, in whichever way it is written.
fn find(
    reading: &mut Reading<'_>,
    asked: Asked<'_>,
    name: &str,
) -> Option<(String, FileId, TextKind)> {
    let Asked { node, named, .. } = asked;
    let mut found = locales::texts(reading.sources, node, name);
    found.retain(|(locale, ..)| locale.as_deref() == asked.locale);
    if let [first, second, ..] = found.as_slice() {
        reading.push(
            Diagnostic::error(
                codes::DUPLICATE,
                format!("the e-mail `{name}` has two texts: {} and {}", first.1, second.1),
                named.span,
            )
            .label("which of them?")
            .help("delete or rename the one that is not meant"),
        );
        reading.texts.extend(found.iter().map(|(_, _, file, _)| *file));
        return None;
    }
    let Some((_, path, file, kind)) = found.pop() else {
        missing(reading, node, named, name);
        return None;
    };
    reading.texts.insert(file);
    Some((path, file, kind))
}

fn missing(reading: &mut Reading<'_>, node: &Node, named: &Value, name: &str) {
    let path = beside(reading.sources, node, &format!("emails/{name}.md"));
    let folder = beside(reading.sources, node, "emails/");
    let text = |path: &str| -> Option<String> {
        let name = path.strip_prefix(&folder)?.strip_prefix('/')?;
        let (name, ending) = name.rsplit_once('.')?;
        TextKind::ALL.iter().any(|kind| kind.ending() == ending).then(|| name.to_owned())
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

/// The page that is filled in for each person.
fn page(
    reading: &mut Reading<'_>,
    file: FileId,
    kind: TextKind,
    source: &str,
    layout: Option<&Layout>,
    images: &mut Vec<Arc<crate::model::Attachment>>,
) -> Option<Template> {
    let made = if kind == TextKind::Mjml {
        let (made, faults) = markup::mjml(source);
        tell(reading, file, faults);
        Ok(made?)
    } else {
        let faults = markup::check(source, Html::Page);
        let broken = faults.iter().any(MarkupFault::is_error);
        tell(reading, file, faults);
        if broken {
            return None;
        }
        let around = layout.filter(|_| !markup::is_document(source));
        if let Some(around) = around {
            enclosed::add(images, &around.images);
        }
        let around = around.map_or(markup::BARE, |layout| layout.page.source());
        markup::compose(source, around)
    };
    let page = match made {
        Ok(page) => page,
        Err(fault) => {
            tell(reading, file, vec![fault]);
            return None;
        }
    };
    let page = markup::with_images(&page, |name| enclosed::content_id(images, name));
    match Template::compile(&page, Format::Html) {
        Ok(page) => Some(page),
        Err(faults) => {
            // The tags of the text itself are told at their places.
            if Template::compile(source, Format::Html).is_ok()
                && let Some(fault) = faults.into_iter().next()
            {
                let line = source.find('\n').unwrap_or(source.len());
                reading.push(
                    Diagnostic::error(codes::HTML_SYNTAX, fault.message, Span::new(file, 0..line))
                        .help("put {% … %} around whole elements"),
                );
            }
            None
        }
    }
}

/// Tells what is wrong with HTML or MJML.
pub(super) fn tell(reading: &mut Reading<'_>, file: FileId, faults: Vec<MarkupFault>) {
    for fault in faults {
        let code = match fault.what {
            Trouble::Syntax => codes::HTML_SYNTAX,
            Trouble::Unsafe | Trouble::Doubtful => codes::UNSAFE_HTML,
            Trouble::Tag => codes::TEMPLATE_FORBIDDEN,
            Trouble::Unknown => codes::UNKNOWN_MJML,
        };
        let span = Span::new(file, fault.range.clone());
        let told = if fault.is_error() {
            Diagnostic::error(code, fault.message, span)
        } else {
            Diagnostic::warning(code, fault.message, span)
        };
        reading.push(told.help(fault.help).mend(fault.fix));
    }
}

/// The plain text in its author's words beside a text, if there is one.
fn plain(reading: &mut Reading<'_>, path: &str, reader: &Reader<'_>) -> Option<Arc<PlainText>> {
    let (name, _) = path.rsplit_once('.')?;
    let path = format!("{name}.txt");
    let file = reading.sources.find(&path)?;
    reading.texts.insert(file);
    let template = reader.template(reading, file, Format::Text)?;
    Some(Arc::new(PlainText { path, file, template }))
}
