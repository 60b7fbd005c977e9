//! HTML and MJML as authors of e-mails write them, with `{{tags}}` in them. Everything that
//! can be done once is done when the rules are read: what mail programs never carry out is
//! found and told with its place (`check`, `mjml`), MJML becomes HTML, and style sheets are
//! written into the elements that they are about (`page`). What is left is HTML with the
//! same tags at the same places, ready to be filled in for each person. `pieces` takes a
//! text apart, `plain` reads a finished page aloud as plain text, `links` looks at what it
//! links to.

mod check;
mod images;
mod links;
mod mjml;
mod mjml_words;
mod page;
mod pieces;
mod plain;
mod protect;

#[cfg(test)]
mod tests;

use std::ops::Range;

pub use check::{Html, check, unread};
pub use images::{content_places, local_images, markdown_images, with_images};
pub use links::{PageLink, Picture, Seen, hidden, links_to, readable, redirected, safe_links, see};
pub use mjml::{compile as mjml, dead_buttons};
pub use page::{BARE, CONTENT, FOOTER, compose, inline, is_document, within_body};
pub use plain::{plain, text_of};

/// A mistake in HTML or MJML, with the bytes of its own text that it is about.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct MarkupFault {
    /// What it is.
    pub what: Trouble,
    /// What is wrong.
    pub message: String,
    /// Where, in bytes of the text.
    pub range: Range<usize>,
    /// How to mend it.
    pub help: String,
    /// What to write in that range instead, when that is certain.
    pub fix: Option<String>,
}

/// What kind of mistake it is.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Trouble {
    /// It cannot be read as it is.
    Syntax,
    /// Mail programs throw it away, or take the e-mail for an attack.
    Unsafe,
    /// A tag at a place where a value could become more than text.
    Tag,
    /// A word or attribute that MJML does not have.
    Unknown,
    /// Readers would not see what is meant; the e-mail can be sent all the same.
    Doubtful,
}

impl MarkupFault {
    fn new(
        what: Trouble,
        range: Range<usize>,
        message: impl Into<String>,
        help: impl Into<String>,
    ) -> Self {
        Self { what, message: message.into(), range, help: help.into(), fix: None }
    }

    /// Whether the e-mail cannot be sent like that.
    #[must_use]
    pub fn is_error(&self) -> bool {
        self.what != Trouble::Doubtful
    }
}
