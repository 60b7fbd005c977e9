//! What must not stand in the HTML of an e-mail: what mail programs throw away or take for
//! an attack, and tags at places where a value could become more than text.

use std::ops::Range;

use super::pieces::{Attribute, Piece, Pieces, Tag, pieces, templates};
use super::{MarkupFault, Trouble};

/// What is checked.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Html {
    /// A page or a part of one.
    Page,
    /// A part of an MJML file: HTML between MJML's own words.
    WithinMjml,
}

/// Elements that run something, take something in, or bring something from outside.
const REFUSED: &[(&str, &str)] = &[
    ("script", "link to a page that has it"),
    ("form", "link to a page with the form"),
    ("input", "link to a page with the form"),
    ("button", "write a link: <a href=\"https://…\">…</a>"),
    ("select", "link to a page with the form"),
    ("textarea", "link to a page with the form"),
    ("iframe", "link to the page instead"),
    ("frame", "link to the page instead"),
    ("frameset", "link to the page instead"),
    ("object", "show an image that links to it"),
    ("embed", "show an image that links to it"),
    ("applet", "show an image that links to it"),
    ("video", "show an image that links to it"),
    ("audio", "link to it"),
    ("svg", "save it as a PNG and show that with <img>"),
    ("math", "write it as text"),
    ("base", "write whole addresses: https://…"),
    ("noscript", "write what it holds by itself"),
];

/// Attributes in whose values a tag may stand: what they say is text or an address.
const FILLED: &[&str] = &["href", "src", "alt", "title", "aria-label", "lang", "dir"];

/// Attributes that hold an address.
const ADDRESSES: &[&str] = &["href", "src", "background", "background-url", "poster"];

/// What speaks against a piece of HTML.
#[must_use]
pub fn check(source: &str, kind: Html) -> Vec<MarkupFault> {
    let pieces = pieces(source);
    let mut found: Vec<MarkupFault> = unread(source).into_iter().collect();
    found.extend(of(source, &pieces, kind));
    found
}

/// What begins in a text and never ends.
#[must_use]
pub fn unread(source: &str) -> Option<MarkupFault> {
    let open = pieces(source).open?;
    let what = if source[open.start..].starts_with("<!--") { "comment" } else { "tag" };
    let help = match what {
        "comment" => "a comment ends with -->",
        _ => "write > where it ends, and look for a quotation mark that is missing",
    };
    let fault =
        MarkupFault::new(Trouble::Syntax, open, format!("this {what} is never closed"), help);
    Some(fault)
}

/// The same for a text that is taken apart already.
pub(super) fn of(source: &str, pieces: &Pieces<'_>, kind: Html) -> Vec<MarkupFault> {
    let mut found = Vec::new();
    for piece in &pieces.all {
        match piece {
            Piece::Tag(tag) if !tag.closes => {
                element(tag, kind, &mut found);
                for attribute in &tag.attributes {
                    attribute_of(source, tag, attribute, &mut found);
                }
            }
            Piece::Raw(range) => style(source, range, &mut found),
            _ => {}
        }
    }
    found
}

fn element(tag: &Tag<'_>, kind: Html, found: &mut Vec<MarkupFault>) {
    let name = tag.name.to_ascii_lowercase();
    if let Some((_, help)) = REFUSED.iter().find(|(refused, _)| *refused == name) {
        let message = format!("no mail program carries out <{name}>");
        found.push(MarkupFault::new(Trouble::Unsafe, tag.name_range.clone(), message, *help));
    } else if name == "link" {
        found.push(MarkupFault::new(
            Trouble::Unsafe,
            tag.range.clone(),
            "mail programs load no style sheet from outside",
            "write the rules into the page itself: <style>…</style>",
        ));
    } else if name == "meta" && tag.get("http-equiv").is_some_and(|it| !is_content_type(it)) {
        found.push(MarkupFault::new(
            Trouble::Unsafe,
            tag.range.clone(),
            "an e-mail cannot steer the program that shows it",
            "take this <meta> away",
        ));
    } else if name.starts_with("mj-") && kind == Html::Page {
        found.push(MarkupFault::new(
            Trouble::Unknown,
            tag.name_range.clone(),
            format!("<{name}> is MJML, and this file is HTML"),
            "give the file the ending .mjml, and begin it with <mjml>",
        ));
    }
    if let Some(bare) = tag.bare.first() {
        found.push(MarkupFault::new(
            Trouble::Tag,
            bare.clone(),
            "a value within < and > must stand between quotation marks",
            "write it as the whole or a part of an attribute: href=\"{{link}}\"",
        ));
    }
}

fn is_content_type(attribute: &Attribute<'_>) -> bool {
    ["content-type", "x-ua-compatible"].iter().any(|it| attribute.value.eq_ignore_ascii_case(it))
}

fn attribute_of(
    source: &str,
    tag: &Tag<'_>,
    attribute: &Attribute<'_>,
    found: &mut Vec<MarkupFault>,
) {
    let name = attribute.name.to_ascii_lowercase();
    if name.starts_with("on") {
        found.push(MarkupFault::new(
            Trouble::Unsafe,
            attribute.name_range.clone(),
            format!("no mail program carries out `{name}`"),
            "take it away: nothing runs in an e-mail",
        ));
        return;
    }
    if matches!(name.as_str(), "srcset" | "ping" | "formaction" | "action" | "xlink:href") {
        found.push(MarkupFault::new(
            Trouble::Unsafe,
            attribute.name_range.clone(),
            format!("`{name}` means nothing in an e-mail"),
            "take it away",
        ));
        return;
    }
    let filled = templates(source, attribute.range.clone());
    if let Some(first) = filled.first()
        && attribute.is_quoted
        && name != "style"
        && !FILLED.contains(&name.as_str())
    {
        found.push(MarkupFault::new(
            Trouble::Tag,
            first.clone(),
            format!("no value may stand in `{name}`"),
            format!("values may stand in {} and between elements", FILLED[..4].join(", ")),
        ));
    }
    if ADDRESSES.contains(&name.as_str()) && !attribute.value.trim_start().starts_with('{') {
        address(tag, attribute, found);
    }
    if name == "style" {
        style(source, &attribute.range, found);
    }
}

/// An address that is written out, at least its beginning.
fn address(tag: &Tag<'_>, attribute: &Attribute<'_>, found: &mut Vec<MarkupFault>) {
    let value = attribute.value.trim();
    let Some((scheme, _)) = value.split_once(':') else { return };
    let scheme = scheme.to_ascii_lowercase();
    let (message, help) = match scheme.as_str() {
        "data" => (
            String::from("an image that is written into the page is not shown by most programs"),
            "put the file beside this one and write its name: src=\"logo.png\"",
        ),
        "javascript" | "vbscript" | "file" => (
            format!("mail programs do not open `{scheme}:`"),
            "link to an https:// address, to mailto: or to tel:",
        ),
        _ => return,
    };
    let what = if tag.is("img") || scheme != "data" { Trouble::Unsafe } else { return };
    found.push(MarkupFault::new(what, attribute.range.clone(), message, help));
}

/// A style sheet, or the styles of one element.
fn style(source: &str, range: &Range<usize>, found: &mut Vec<MarkupFault>) {
    let text = source[range.clone()].to_ascii_lowercase();
    if let Some(first) = templates(source, range.clone()).first() {
        found.push(MarkupFault::new(
            Trouble::Tag,
            first.clone(),
            "no value may stand in styles",
            "values may stand in href, src, alt, title and between elements",
        ));
    }
    let told = [
        ("@import", "mail programs load no style sheet from outside", true),
        ("expression(", "no mail program carries this out", true),
        ("position:fixed", "mail programs ignore `position: fixed`", false),
        ("position: fixed", "mail programs ignore `position: fixed`", false),
    ];
    for (mark, message, is_unsafe) in told {
        if let Some(at) = text.find(mark) {
            let at = range.start + at;
            let what = if is_unsafe { Trouble::Unsafe } else { Trouble::Doubtful };
            let place = at..at + mark.len();
            found.push(MarkupFault::new(what, place, message, "take it away"));
        }
    }
}
