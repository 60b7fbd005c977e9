//! Whole pages: a text in its layout, with its style sheet written into the elements. Mail
//! programs throw style sheets away; what only a style sheet can say (`@media`) stays in
//! one, for those that read it.

use std::ops::Range;
use std::sync::LazyLock;

use css_inline::{CSSInliner, InlineOptions};

use super::pieces::{Piece, Tag, pieces};
use super::protect::Protected;
use super::{MarkupFault, Trouble};

/// Stands in a layout for the text of the e-mail. No value can write it: in values `<` is
/// escaped.
pub const CONTENT: &str = "<!--rulerun:content-->";
/// Stands where the footer goes.
pub const FOOTER: &str = "<!--rulerun:footer-->";

/// A page around HTML that brings none: what the layout of Markdown looks like, so that
/// e-mails written either way look alike.
pub const BARE: &str = include_str!("bare.html");

static INLINER: LazyLock<CSSInliner<'static>> = LazyLock::new(|| {
    InlineOptions {
        load_remote_stylesheets: false,
        keep_at_rules: true,
        ..InlineOptions::default()
    }
    .build()
});

/// Whether a text is a whole page, which needs no layout.
#[must_use]
pub fn is_document(source: &str) -> bool {
    pieces(source).all.iter().any(|piece| match piece {
        Piece::Tag(tag) => tag.is("html") || tag.is("body"),
        _ => false,
    })
}

/// The HTML of an e-mail in its layout, its styles in place and its tags where they were.
/// A whole page stays by itself.
///
/// # Errors
/// What cannot be read, at its place in `source`; nothing else in it is at fault then.
pub fn compose(source: &str, layout: &str) -> Result<String, MarkupFault> {
    if is_document(source) {
        return finished(source);
    }
    let page = layout.replace(CONTENT, source);
    let before = layout.find(CONTENT).unwrap_or_default();
    finished(&page).map_err(|fault| {
        let own = |at: usize| at.saturating_sub(before).min(source.len());
        MarkupFault { range: own(fault.range.start)..own(fault.range.end), ..fault }
    })
}

/// A page with its styles in place.
fn finished(page: &str) -> Result<String, MarkupFault> {
    // As many bytes are left, so that places stay right.
    let page = page.replace("\r\n", " \n");
    let hidden = Protected::new(&page, &pieces(&page), true);
    let inlined = inline(&hidden.text).map_err(|why| {
        let help = "look at the style sheet: rulerun cannot write it into the page";
        MarkupFault::new(Trouble::Syntax, 0..0, format!("this page cannot be read: {why}"), help)
    })?;
    hidden.restore(&inlined).map_err(lost)
}

/// A tag that did not come through.
pub(super) fn lost(range: Range<usize>) -> MarkupFault {
    MarkupFault::new(
        Trouble::Tag,
        range,
        "this tag stands where nothing is shown, and is lost",
        "move it into the text, or between two elements",
    )
}

/// Writes the style sheets of a page into its elements.
///
/// # Errors
/// Why that cannot be done, in words.
pub fn inline(page: &str) -> Result<String, String> {
    INLINER.inline(page).map(|page| without_bare_marks(&page)).map_err(|fault| fault.to_string())
}

/// The page with every `<` and `>` within an attribute written as a reference. The inliner
/// leaves them as they are, which is allowed, and which careless mail programs take for tags.
fn without_bare_marks(page: &str) -> String {
    let mut out = String::with_capacity(page.len());
    let mut at = 0;
    for piece in pieces(page).all {
        let Piece::Tag(tag) = piece else { continue };
        for attribute in &tag.attributes {
            if attribute.value.contains(['<', '>']) {
                out.push_str(&page[at..attribute.range.start]);
                out.push_str(&attribute.value.replace('<', "&lt;").replace('>', "&gt;"));
                at = attribute.range.end;
            }
        }
    }
    out.push_str(&page[at..]);
    out
}

/// The page with something right after its `<body>` and something at its end (where the
/// footer is marked, else before `</body>`).
#[must_use]
pub fn within_body(page: &str, first: &str, last: &str) -> String {
    let mut begin = 0;
    let mut end = page.len();
    for piece in pieces(page).all {
        match piece {
            Piece::Tag(Tag { closes: false, range, name, .. })
                if name.eq_ignore_ascii_case("body") && begin == 0 =>
            {
                begin = range.end;
            }
            Piece::Tag(Tag { closes: true, range, name, .. })
                if name.eq_ignore_ascii_case("body") =>
            {
                end = range.start;
            }
            _ => {}
        }
    }
    let (head, body, tail) =
        (&page[..begin], &page[begin..end.max(begin)], &page[end.max(begin)..]);
    let body = match body.split_once(FOOTER) {
        Some((before, after)) => format!("{before}{last}{after}"),
        None => format!("{body}{last}"),
    };
    format!("{head}{first}{body}{tail}")
}
