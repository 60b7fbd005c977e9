//! Takes HTML or MJML apart into texts, tags and comments, each with its bytes. Template
//! tags (`{{…}}`, `{% … %}`) are whole wherever they stand, so that a `<` or a quotation
//! mark in one of them is never taken for markup. It never fails: what is not closed is
//! told, and read as text.

use std::ops::Range;

/// One piece of a text.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) enum Piece<'a> {
    /// What people read.
    Text(Range<usize>),
    /// A template tag between texts.
    Template(Range<usize>),
    /// `<name …>` or `</name>`.
    Tag(Tag<'a>),
    /// What stands in a `style` or `script`.
    Raw(Range<usize>),
    /// `<!-- … -->`.
    Comment(Range<usize>),
    /// `<!DOCTYPE html>` and the like.
    Declaration,
}

/// A tag of HTML.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) struct Tag<'a> {
    /// Its name as it is written.
    pub(super) name: &'a str,
    /// The bytes of the name.
    pub(super) name_range: Range<usize>,
    /// All of it.
    pub(super) range: Range<usize>,
    /// Whether it closes: `</name>`.
    pub(super) closes: bool,
    /// Whether it ends with `/>`.
    pub(super) is_empty: bool,
    /// Its attributes in order.
    pub(super) attributes: Vec<Attribute<'a>>,
    /// Template tags that stand in it outside of quoted values.
    pub(super) bare: Vec<Range<usize>>,
}

/// An attribute of a tag.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) struct Attribute<'a> {
    /// Its name as it is written.
    pub(super) name: &'a str,
    /// The bytes of the name.
    pub(super) name_range: Range<usize>,
    /// Its value as it is written, without quotation marks.
    pub(super) value: &'a str,
    /// The bytes of the value.
    pub(super) range: Range<usize>,
    /// Whether the value stands in quotation marks.
    pub(super) is_quoted: bool,
}

impl Tag<'_> {
    /// Whether it has this name, in any letters.
    pub(super) fn is(&self, name: &str) -> bool {
        self.name.eq_ignore_ascii_case(name)
    }

    /// The value of an attribute.
    pub(super) fn get(&self, name: &str) -> Option<&Attribute<'_>> {
        self.attributes.iter().find(|attribute| attribute.name.eq_ignore_ascii_case(name))
    }
}

/// A text taken apart.
#[derive(Debug, Default)]
pub(super) struct Pieces<'a> {
    /// The pieces in order.
    pub(super) all: Vec<Piece<'a>>,
    /// The beginning of what is never closed.
    pub(super) open: Option<Range<usize>>,
}

/// Takes a text apart.
pub(super) fn pieces(source: &str) -> Pieces<'_> {
    let mut reader = Reader { source, at: 0, out: Pieces::default() };
    while reader.at < source.len() {
        reader.next();
    }
    reader.out
}

/// The template tags of a stretch of text.
pub(super) fn templates(source: &str, within: Range<usize>) -> Vec<Range<usize>> {
    let mut found = Vec::new();
    let mut at = within.start;
    while let Some(open) = source[at..within.end].find('{').map(|open| at + open) {
        match template(source, open).filter(|tag| tag.end <= within.end) {
            Some(tag) => {
                at = tag.end;
                found.push(tag);
            }
            None => at = open + 1,
        }
    }
    found
}

/// The template tag that begins here.
fn template(source: &str, at: usize) -> Option<Range<usize>> {
    let rest = source.get(at..)?;
    let close = [("{{", "}}"), ("{%", "%}"), ("{#", "#}")]
        .into_iter()
        .find(|(open, _)| rest.starts_with(open))?
        .1;
    rest.find(close).map(|end| at..at + end + close.len())
}

struct Reader<'a> {
    source: &'a str,
    at: usize,
    out: Pieces<'a>,
}

impl<'a> Reader<'a> {
    fn rest(&self) -> &'a str {
        &self.source[self.at..]
    }

    fn next(&mut self) {
        let rest = self.rest();
        if let Some(tag) = template(self.source, self.at) {
            self.at = tag.end;
            self.out.all.push(Piece::Template(tag));
        } else if let Some(inner) = rest.strip_prefix("<!--") {
            self.until(inner, 4, "-->", Piece::Comment);
        } else if rest.starts_with("<!") || rest.starts_with("<?") {
            self.until(&rest[2..], 2, ">", |_| Piece::Declaration);
        } else if begins_tag(rest) {
            match self.tag() {
                Some(tag) => {
                    let raw = !tag.closes
                        && !tag.is_empty
                        && (tag.is("style") || tag.is("script") || tag.is("mj-style"));
                    let name = tag.name;
                    self.out.all.push(Piece::Tag(tag));
                    if raw {
                        self.raw(name);
                    }
                }
                None => self.never_closed(),
            }
        } else {
            self.text();
        }
    }

    /// A piece that goes up to a closing mark.
    fn until(
        &mut self,
        inner: &str,
        skip: usize,
        close: &str,
        piece: impl Fn(Range<usize>) -> Piece<'a>,
    ) {
        match inner.find(close) {
            Some(end) => {
                let start = self.at + skip;
                self.at = start + end + close.len();
                self.out.all.push(piece(start..start + end));
            }
            None => self.never_closed(),
        }
    }

    /// What begins here has no end: the mark itself is text.
    fn never_closed(&mut self) {
        let end = self.at + 1;
        self.out.open.get_or_insert(self.at..end);
        self.out.all.push(Piece::Text(self.at..end));
        self.at = end;
    }

    /// Everything up to the tag that closes `name`.
    fn raw(&mut self, name: &str) {
        let rest = self.rest();
        let close = format!("</{}", name.to_ascii_lowercase());
        let end = rest.to_ascii_lowercase().find(&close).unwrap_or(rest.len());
        if end == rest.len() {
            self.out.open.get_or_insert(self.at..self.at);
        }
        self.out.all.push(Piece::Raw(self.at..self.at + end));
        self.at += end;
    }

    fn text(&mut self) {
        let start = self.at;
        let mut letters = self.rest().char_indices().skip(1);
        let end = letters.find(|(at, letter)| {
            let here = start + at;
            match letter {
                '<' => {
                    let rest = &self.source[here..];
                    rest.starts_with("<!") || rest.starts_with("<?") || begins_tag(rest)
                }
                '{' => template(self.source, here).is_some(),
                _ => false,
            }
        });
        self.at = end.map_or(self.source.len(), |(at, _)| start + at);
        self.out.all.push(Piece::Text(start..self.at));
    }

    /// The tag that begins here, unless it is never closed.
    fn tag(&mut self) -> Option<Tag<'a>> {
        let start = self.at;
        let closes = self.rest().starts_with("</");
        let name_start = start + 1 + usize::from(closes);
        let length = self.source[name_start..]
            .find(|c: char| c.is_whitespace() || matches!(c, '>' | '/' | '{' | '<'))?;
        let name_range = name_start..name_start + length;
        let mut tag = Tag {
            name: &self.source[name_range.clone()],
            name_range,
            range: start..start,
            closes,
            is_empty: false,
            attributes: Vec::new(),
            bare: Vec::new(),
        };
        let mut at = name_start + length;
        loop {
            let rest = self.source.get(at..)?;
            let first = rest.chars().next()?;
            if first.is_whitespace() {
                at += first.len_utf8();
            } else if first == '>' {
                at += 1;
                break;
            } else if first == '/' {
                tag.is_empty = rest.starts_with("/>");
                at += 1;
            } else if let Some(bare) = template(self.source, at) {
                at = bare.end;
                tag.bare.push(bare);
            } else {
                at = self.attribute(at, &mut tag)?;
            }
        }
        tag.range = start..at;
        self.at = at;
        Some(tag)
    }

    /// Reads an attribute and answers where it ends.
    fn attribute(&self, start: usize, tag: &mut Tag<'a>) -> Option<usize> {
        let rest = &self.source[start..];
        let length = rest.char_indices().skip(1).find(|(at, c)| {
            c.is_whitespace()
                || matches!(c, '=' | '>' | '/')
                || (*c == '{' && template(self.source, start + at).is_some())
        })?;
        let name_range = start..start + length.0;
        let after = self.source[name_range.end..].trim_start();
        let mut at = self.source.len() - after.len();
        let mut attribute = Attribute {
            name: &self.source[name_range.clone()],
            range: name_range.end..name_range.end,
            name_range,
            value: "",
            is_quoted: true,
        };
        if let Some(value) = after.strip_prefix('=') {
            at = self.source.len() - value.trim_start().len();
            let quote = self.source[at..].chars().next()?;
            attribute.is_quoted = matches!(quote, '"' | '\'');
            let begin = if attribute.is_quoted { at + 1 } else { at };
            let end = self.value_end(begin, attribute.is_quoted.then_some(quote))?;
            attribute.range = begin..end;
            attribute.value = &self.source[begin..end];
            at = if attribute.is_quoted { end + 1 } else { end };
            if !attribute.is_quoted {
                tag.bare.extend(templates(self.source, begin..end));
            }
        } else {
            at = at.min(attribute.range.end.max(start + length.0));
        }
        tag.attributes.push(attribute);
        Some(at)
    }

    /// Where a value ends: at its quotation mark, or at the next blank.
    fn value_end(&self, mut at: usize, quote: Option<char>) -> Option<usize> {
        loop {
            let letter = self.source.get(at..)?.chars().next()?;
            if let Some(tag) = template(self.source, at) {
                at = tag.end;
                continue;
            }
            let ends = match quote {
                Some(quote) => letter == quote,
                None => letter.is_whitespace() || letter == '>',
            };
            if ends {
                return Some(at);
            }
            at += letter.len_utf8();
        }
    }
}

/// Whether a tag of HTML begins here: a `<` before anything but a letter is a `<`.
fn begins_tag(rest: &str) -> bool {
    let name = rest.strip_prefix("</").or(rest.strip_prefix('<'));
    name.is_some_and(|name| name.starts_with(|letter: char| letter.is_ascii_alphabetic()))
}
