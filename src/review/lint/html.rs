//! E-mails in HTML: what nobody sees in them, and plain texts that say less than the page.

use super::Paper;
use crate::base::{Diagnostic, Span};
use crate::language::codes;
use crate::markup;
use crate::model::rules::TextKind;
use crate::model::{Body, Content};

/// The plain text says at least one word in so many of the page's.
const SHARE: usize = 4;
/// In fewer words than that a page says hardly anything.
const FEW: usize = 20;

impl Paper<'_> {
    /// The e-mail as it is written, for those who cannot fill it in.
    pub(super) fn as_written(&self) -> Content {
        let text = self.body.page.as_ref().unwrap_or(&self.body.template).source().to_owned();
        Content::of(match self.body.kind {
            TextKind::Markdown => Body::Markdown(text),
            TextKind::Html | TextKind::Mjml => Body::Html(text),
        })
    }

    /// A text that is there and that nobody sees.
    pub(super) fn hidden(&self) -> Option<Diagnostic> {
        if self.body.kind != TextKind::Html {
            return None;
        }
        let (range, why) = markup::hidden(self.body.template.source())?;
        let told = Diagnostic::warning(
            codes::HIDDEN_TEXT,
            format!("nobody sees this part of the e-mail: {why}"),
            self.span(range),
        );
        Some(told.label("not seen").help(
            "filters take hidden words for a trick: take them away; what lists of e-mails show \
             is written preheader=\"…\"",
        ))
    }

    /// A plain text that says much less than the page.
    pub(super) fn thin(&self, content: &Content) -> Option<Diagnostic> {
        let plain = content.plain.as_deref()?.split_whitespace().count();
        let page = match &content.body {
            Body::Html(page) => markup::see(page).words,
            Body::Markdown(text) => text.split_whitespace().count(),
        };
        let file = self.body.plain.as_ref()?;
        if page < FEW || plain * SHARE >= page {
            return None;
        }
        let source = file.template.source();
        let line = 0..source.find('\n').unwrap_or(source.len());
        let message = format!("this plain text has {plain} words, and the e-mail beside it {page}");
        let told = Diagnostic::warning(codes::THIN_TEXT, message, Span::new(file.file, line));
        Some(told.label("says much less").help(
            "filters compare the two, and some people read only this one: say the same in it, or \
             delete the file, and it is made from the other",
        ))
    }
}
