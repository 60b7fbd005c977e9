//! The text of an e-mail: the file that it stands in, and all that goes with it.

use std::collections::BTreeMap;
use std::sync::Arc;

use super::chain;
use crate::base::{FileId, Span};
use crate::model::content::Attachment;
use crate::template::Template;

/// How a text is written.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum TextKind {
    /// Markdown: `NAME.md`.
    Markdown,
    /// HTML: `NAME.html`.
    Html,
    /// MJML: `NAME.mjml`.
    Mjml,
}

impl TextKind {
    /// Every kind.
    pub const ALL: [Self; 3] = [Self::Markdown, Self::Html, Self::Mjml];

    /// The ending of its files.
    #[must_use]
    pub fn ending(self) -> &'static str {
        match self {
            Self::Markdown => "md",
            Self::Html => "html",
            Self::Mjml => "mjml",
        }
    }
}

/// The text of an e-mail, and where it and its subject are written.
#[derive(Clone, Debug)]
pub struct EmailText {
    /// The file it stands in.
    pub path: String,
    /// The same file among the sources.
    pub file: FileId,
    /// Where the subject stands.
    pub subject: Span,
    /// How it is written.
    pub kind: TextKind,
    /// The text as it is written.
    pub template: Arc<Template>,
    /// The whole page that is filled in, made of the text and its layout; none for Markdown,
    /// which is filled in as it is written.
    pub page: Option<Arc<Template>>,
    /// The plain text in its author's words; none draws it from the text.
    pub plain: Option<Arc<PlainText>>,
    /// The page around Markdown; none is the built-in one.
    pub layout: Option<Arc<Layout>>,
    /// What a list of e-mails shows beside the subject.
    pub preheader: Option<Arc<Template>>,
    /// Images that the text or its layout shows and that come with it.
    pub images: Vec<Arc<Attachment>>,
    /// Files that come with it.
    pub attachments: Vec<Arc<Attachment>>,
}

/// A plain text in its author's words: `NAME.txt`.
#[derive(Debug)]
pub struct PlainText {
    /// The file it stands in.
    pub path: String,
    /// The same file among the sources.
    pub file: FileId,
    /// The text.
    pub template: Template,
}

/// A page for the texts of several e-mails (`layout=`).
#[derive(Debug)]
pub struct Layout {
    /// The file it stands in.
    pub path: String,
    /// The page with a mark ([`crate::markup::CONTENT`]) where the text goes.
    pub page: Template,
    /// The same in other languages: `NAME.de.html`.
    pub others: BTreeMap<String, Arc<Layout>>,
    /// Images that it shows and that come with each e-mail.
    pub images: Vec<Arc<Attachment>>,
}

impl Layout {
    /// The layout of a text in a language, or the nearest to it that there is.
    #[must_use]
    pub fn in_language(self: &Arc<Self>, locale: Option<&str>) -> Arc<Self> {
        let other = locale.into_iter().flat_map(chain).find_map(|one| self.others.get(one));
        Arc::clone(other.unwrap_or(self))
    }
}
