//! MJML becomes HTML. The compiler is forgiving where it should not be: an element or an
//! attribute that it does not know vanishes without a word. So a file is held against the
//! words of MJML first, and every slip is told with its place. Template tags go through
//! unchanged: they stand in the HTML where they stood in the MJML.

use std::ops::Range;

use mrml::prelude::parser::{Error, ParserOptions};
use mrml::prelude::render::RenderOptions;

use super::check::{self, Html};
use super::mjml_words::{ELEMENTS, Element, Inside, find};
use super::page::lost;
use super::pieces::{Piece, Pieces, Tag, pieces};
use super::protect::Protected;
use super::{MarkupFault, Trouble};
use crate::base::diagnostic::{did_you_mean, only_close};

/// Attributes of MJML's own elements in which a tag may stand.
const FILLED: &[&str] = &["href", "src", "alt", "title"];

/// The HTML of an MJML file, with the same template tags in it, and every slip with its place;
/// no HTML where one of them is an error.
#[must_use]
pub fn compile(source: &str) -> (Option<String>, Vec<MarkupFault>) {
    let taken = pieces(source);
    let mut found: Vec<MarkupFault> = check::unread(source).into_iter().collect();
    Walk { source, found: &mut found, open: Vec::new(), skipped: None }.walk(&taken);
    // Attributes of MJML that are none of HTML's were told above.
    found.extend(check::of(source, &html_of(pieces(source)), Html::WithinMjml));
    found.sort_by_key(|fault| (fault.range.start, fault.range.end));
    found.dedup_by(|one, other| one.range == other.range);
    if found.iter().any(MarkupFault::is_error) {
        return (None, found);
    }
    match html(source, &taken) {
        Ok(page) => (Some(page), found),
        Err(fault) => (None, vec![fault]),
    }
}

/// The HTML of a file in which no slip was found.
fn html(source: &str, taken: &Pieces<'_>) -> Result<String, MarkupFault> {
    // The compiler stumbles over the line ends of Windows: as many bytes are left, so that
    // its places stay right.
    let hidden = Protected::new(source, taken, false);
    let text = hidden.text.replace("\r\n", " \n");
    let text = text.trim_end();
    let options = RenderOptions { fonts: std::collections::HashMap::new(), ..Default::default() };
    let page = mrml::parse_with_options(text, &ParserOptions::default())
        .map_err(|fault| unreadable(source, &fault, hidden.text == source))?
        .element
        .render(&options)
        .map_err(|fault| whole(source, &fault.to_string()))?;
    hidden.restore(&page).map_err(lost)
}

/// The buttons of an MJML file that lead nowhere. Where `mj-attributes` gives an address, none
/// does.
#[must_use]
pub fn dead_buttons(source: &str) -> Vec<Range<usize>> {
    let mut found = Vec::new();
    let mut in_attributes = false;
    for piece in pieces(source).all {
        let Piece::Tag(tag) = piece else { continue };
        if tag.is("mj-attributes") {
            in_attributes = !tag.closes && !tag.is_empty;
        } else if in_attributes && tag.get("href").is_some() {
            return Vec::new();
        } else if tag.is("mj-button") && !tag.closes && !in_attributes && tag.get("href").is_none()
        {
            found.push(tag.range.clone());
        }
    }
    found
}

/// What the compiler says, at its place where that is known.
fn unreadable(source: &str, fault: &Error, same: bool) -> MarkupFault {
    let place = match fault {
        Error::UnexpectedElement { position, .. }
        | Error::UnexpectedToken { position, .. }
        | Error::MissingAttribute { position, .. }
        | Error::InvalidAttribute { position, .. }
        | Error::InvalidFormat { position, .. } => Some(position.start..position.end),
        _ => None,
    };
    let known = |range: &Range<usize>| same && source.get(range.clone()).is_some();
    match place.filter(known) {
        Some(range) => MarkupFault::new(
            Trouble::Syntax,
            range,
            "MJML cannot be read from here on",
            "look for an element that is not closed, or closed twice, right before it",
        ),
        None => whole(source, "look for an element that is not closed, or closed twice"),
    }
}

fn whole(source: &str, help: &str) -> MarkupFault {
    let line = source.find('\n').unwrap_or(source.len());
    MarkupFault::new(Trouble::Syntax, 0..line, "this MJML cannot be read", help)
}

/// Only what is HTML: MJML's own elements are checked by their own list.
fn html_of(mut pieces: Pieces<'_>) -> Pieces<'_> {
    pieces.all.retain(|piece| match piece {
        Piece::Tag(tag) => find(&tag.name.to_ascii_lowercase()).is_none(),
        _ => true,
    });
    pieces
}

/// Goes through a file and holds it against the words of MJML.
struct Walk<'a, 'f> {
    source: &'a str,
    found: &'f mut Vec<MarkupFault>,
    /// MJML's elements that are open.
    open: Vec<(&'static Element, Range<usize>)>,
    /// The unknown element that is open: what stands in it is not judged.
    skipped: Option<String>,
}

impl<'a> Walk<'a, '_> {
    fn walk(mut self, pieces: &Pieces<'a>) {
        for piece in &pieces.all {
            if let Some(name) = &self.skipped {
                let ends = matches!(piece, Piece::Tag(tag) if tag.closes && tag.is(name));
                self.skipped = self.skipped.take().filter(|_| !ends);
                continue;
            }
            match piece {
                Piece::Tag(tag) if tag.closes => self.close(tag),
                Piece::Tag(tag) => self.element(tag),
                Piece::Text(range) if !self.source[range.clone()].trim().is_empty() => {
                    self.text(range);
                }
                Piece::Template(range) => self.template(range),
                _ => {}
            }
        }
        if let Some((element, range)) = self.open.first() {
            let message = format!("<{}> is never closed", element.name);
            let help = format!("write </{}> where it ends", element.name);
            self.say(Trouble::Syntax, range.clone(), message, help);
        } else if !has_root(pieces) {
            let end = self.source.find('\n').unwrap_or(self.source.len());
            let help = "an MJML file is written <mjml><mj-body>…</mj-body></mjml>";
            self.say(Trouble::Syntax, 0..end, "there is no <mjml> in this file", help);
        }
    }

    fn say(
        &mut self,
        what: Trouble,
        range: Range<usize>,
        message: impl Into<String>,
        help: impl Into<String>,
    ) {
        self.found.push(MarkupFault::new(what, range, message, help));
    }

    /// What may stand here.
    fn inside(&self) -> Inside {
        self.open.last().map_or(Inside::Elements(&["mjml"]), |(element, _)| element.inside)
    }

    fn in_attributes(&self) -> bool {
        self.open.iter().any(|(element, _)| element.name == "mj-attributes")
    }

    fn element(&mut self, tag: &Tag<'a>) {
        let name = tag.name.to_ascii_lowercase();
        let known = find(&name);
        if self.inside() == Inside::Html {
            if let Some(element) = known.filter(|element| element.name != "mj-style") {
                let around = self.open.last().map_or("", |(around, _)| around.name);
                let message = format!("<{}> cannot stand in <{around}>", element.name);
                let help = format!("close <{around}> before it");
                self.say(Trouble::Unknown, tag.name_range.clone(), message, help);
            }
            return;
        }
        let Some(element) = known else {
            self.unknown(tag, &name);
            let close = format!("</{}", tag.name);
            let has_end = !tag.is_empty && self.source[tag.range.end..].contains(&close);
            self.skipped = has_end.then_some(name);
            return;
        };
        if let Inside::Elements(allowed) = self.inside()
            && !self.in_attributes()
            && !allowed.contains(&element.name)
        {
            let around = self.open.last().map_or("a file", |(around, _)| around.name);
            let message = format!("<{name}> cannot stand directly in {around}");
            let help = if allowed.is_empty() {
                format!("close {around} before it")
            } else {
                format!("what may stand there: {}", allowed.join(", "))
            };
            self.say(Trouble::Unknown, tag.name_range.clone(), message, help);
        }
        self.attributes(tag, element);
        if !tag.is_empty {
            self.open.push((element, tag.range.clone()));
        }
    }

    fn unknown(&mut self, tag: &Tag<'_>, name: &str) {
        let range = tag.name_range.clone();
        if name == "mj-include" || name == "mj-font" {
            let what = if name == "mj-font" { "style sheet" } else { "file" };
            let message = format!("an e-mail brings no {what} from elsewhere");
            let help = match name {
                "mj-font" => "name fonts that every machine has: font-family=\"Arial, sans-serif\"",
                _ => "write what the file says into this one",
            };
            self.say(Trouble::Unsafe, range, message, help);
            return;
        }
        let names = || ELEMENTS.iter().map(|element| element.name);
        let help = did_you_mean(name, names())
            .unwrap_or_else(|| String::from("HTML stands in <mj-text>, <mj-table> or <mj-raw>"));
        let fix = only_close(name, names()).map(str::to_owned);
        let message = format!("MJML has no <{}>: it would vanish", tag.name);
        let fault = MarkupFault::new(Trouble::Unknown, range, message, help);
        // The closing tag would have to be mended with it.
        self.found.push(MarkupFault { fix: fix.filter(|_| tag.is_empty), ..fault });
    }

    fn attributes(&mut self, tag: &Tag<'_>, element: &Element) {
        for attribute in &tag.attributes {
            let name = attribute.name;
            if self.in_attributes() {
                continue;
            }
            if !element.all().any(|known| known == name) {
                let help = did_you_mean(name, element.all()).unwrap_or_else(|| {
                    let known: Vec<&str> = element.all().take(8).collect();
                    format!("it has {} and others", known.join(", "))
                });
                let message = format!("<{}> has no `{name}`: it would vanish", element.name);
                let fault =
                    MarkupFault::new(Trouble::Unknown, attribute.name_range.clone(), message, help);
                let fix = only_close(name, element.all()).map(str::to_owned);
                self.found.push(MarkupFault { fix, ..fault });
            }
            let filled = super::pieces::templates(self.source, attribute.range.clone());
            if let Some(first) = filled.first().filter(|_| !FILLED.contains(&name)) {
                let message = format!("no value may stand in `{name}`");
                let help = format!("values may stand in {} and in texts", FILLED.join(", "));
                self.say(Trouble::Tag, first.clone(), message, help);
            }
            if name.ends_with("src") || name.ends_with("url") || name == "href" {
                let lower = attribute.value.trim_start().to_ascii_lowercase();
                if ["javascript:", "vbscript:", "data:", "file:"]
                    .iter()
                    .any(|it| lower.starts_with(it))
                {
                    let message = "mail programs do not open this address";
                    let help = "link to an https:// address; an image may also be the name of a \
                                file beside this one";
                    self.say(Trouble::Unsafe, attribute.range.clone(), message, help);
                }
            }
        }
        if let Some(bare) = tag.bare.first() {
            let help = "write it as the whole or a part of an attribute: href=\"{{link}}\"";
            let message = "a value within < and > must stand between quotation marks";
            self.say(Trouble::Tag, bare.clone(), message, help);
        }
    }

    fn close(&mut self, tag: &Tag<'_>) {
        let name = tag.name.to_ascii_lowercase();
        let Some(element) = find(&name) else { return };
        match self.open.last() {
            Some((open, _)) if open.name == element.name => {
                self.open.pop();
            }
            Some((open, _)) if self.open.iter().any(|(one, _)| one.name == element.name) => {
                let message = format!("<{}> is not closed before </{name}>", open.name);
                let help = format!("write </{}> before it", open.name);
                self.say(Trouble::Syntax, tag.range.clone(), message, help);
                while self.open.pop().is_some_and(|(one, _)| one.name != element.name) {}
            }
            _ => {
                let message = format!("</{name}> closes nothing that is open");
                self.say(Trouble::Syntax, tag.range.clone(), message, "take it away");
            }
        }
    }

    /// A text where MJML takes only its own elements.
    fn text(&mut self, range: &Range<usize>) {
        if self.inside() != Inside::Html {
            let text = &self.source[range.clone()];
            let start = range.start + (text.len() - text.trim_start().len());
            let end = start + text.trim().lines().next().map_or(0, str::len);
            let help = "write it into <mj-text>…</mj-text>";
            self.say(Trouble::Unknown, start..end, "this text would vanish", help);
        }
    }

    fn template(&mut self, range: &Range<usize>) {
        if self.inside() == Inside::Html {
            return;
        }
        let is_block = !self.source[range.clone()].starts_with("{{");
        let help = if is_block {
            format!("write <mj-raw>{}</mj-raw>", &self.source[range.clone()])
        } else {
            String::from("write it into <mj-text>…</mj-text>")
        };
        self.say(Trouble::Tag, range.clone(), "this tag would vanish", help);
    }
}

fn has_root(pieces: &Pieces<'_>) -> bool {
    pieces.all.iter().any(|piece| matches!(piece, Piece::Tag(tag) if tag.is("mjml")))
}
