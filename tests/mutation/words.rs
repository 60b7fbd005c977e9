//! Every word of a correct file in which a slip can be noticed, with what it is: found by
//! walking the file along the language's own table of words, so that no list of them has to be
//! kept here.

use std::fmt;
use std::ops::Range;

use kdl::{KdlDocument, KdlEntry, KdlNode};
use rulerun::language::is_rule_file;
use rulerun::language::vocabulary::{self, Argument, Children, Place, Type};

/// What a word is.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub(crate) enum Kind {
    /// A word of the language: `endpoint`.
    Word,
    /// The name of a property: `subject`.
    Property,
    /// One of a few values: `"marketing"`.
    Choice,
    /// The type of a field: `integer`.
    FieldType,
    /// Where something of that name is used: `start "welcome"`.
    Name,
    /// Where a name is made: `sequence "welcome"`, a field of a schema.
    Declaration,
    /// A field in a guard.
    GuardField,
    /// A function in a guard.
    Function,
    /// A field in a tag.
    TagField,
    /// A filter, test or word of a block in a tag.
    Filter,
}

impl fmt::Display for Kind {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.pad(match self {
            Self::Word => "word of the language",
            Self::Property => "property",
            Self::Choice => "one of a few values",
            Self::FieldType => "type of a field",
            Self::Name => "name that is used",
            Self::Declaration => "name that is declared",
            Self::GuardField => "field in a guard",
            Self::Function => "function in a guard",
            Self::TagField => "field in a tag",
            Self::Filter => "filter or test in a tag",
        })
    }
}

/// A word at its place.
#[derive(Clone, Debug)]
pub(crate) struct Word {
    pub(crate) kind: Kind,
    pub(crate) range: Range<usize>,
}

/// The words of a file; those of an e-mail's text are in its tags.
pub(crate) fn of(path: &str, text: &str) -> Vec<Word> {
    let mut words = Words { text, found: Vec::new() };
    if is_rule_file(path) {
        let document = KdlDocument::parse_v2(text).unwrap();
        for node in document.nodes() {
            words.node(node, Place::File);
        }
    } else {
        words.tags(0..text.len());
    }
    words.found
}

struct Words<'a> {
    text: &'a str,
    found: Vec<Word>,
}

impl Words<'_> {
    fn add(&mut self, kind: Kind, range: Range<usize>) {
        if range.len() > 1 {
            self.found.push(Word { kind, range });
        }
    }

    fn node(&mut self, node: &KdlNode, place: Place) {
        let name = node.name().value();
        let word = vocabulary::find(name, place).unwrap();
        self.add(Kind::Word, inner(self.text, node.name().span()));
        let mut arguments = node.entries().iter().filter(|entry| entry.name().is_none());
        for (index, entry) in arguments.by_ref().enumerate() {
            let argument = word.arguments.get(index).or(word.arguments.last()).unwrap();
            self.argument(name, argument, entry);
        }
        for entry in node.entries() {
            let Some(key) = entry.name() else { continue };
            self.add(Kind::Property, inner(self.text, key.span()));
            let known = word.properties.iter().find(|known| known.name == key.value());
            let Some(known) = known else { continue };
            match (name, known.name) {
                ("record", "schema")
                | ("events", "to")
                | ("save", "also-in")
                | ("email", "via" | "template") => self.add(Kind::Name, self.value(entry)),
                _ => self.typed(entry, known.kind),
            }
        }
        let children = node.children().map(KdlDocument::nodes).unwrap_or_default();
        match word.children {
            Children::Words(inner) => children.iter().for_each(|child| self.node(child, inner)),
            Children::Fields => children.iter().for_each(|child| self.field(child)),
            Children::Values => children.iter().for_each(|child| self.filled(child)),
            Children::None | Children::Anything => {}
        }
    }

    fn argument(&mut self, word: &str, argument: &Argument, entry: &KdlEntry) {
        if entry.ty().is_some() {
            return;
        }
        let kind = match word {
            "payload" | "find" | "start" | "stop" | "email" | "send" => Kind::Name,
            "schema" | "service" | "event" | "sequence" => Kind::Declaration,
            _ => return self.typed(entry, argument.kind),
        };
        self.add(kind, self.value(entry));
    }

    /// A line of a schema.
    fn field(&mut self, node: &KdlNode) {
        match node.name().value() {
            "one-of" => return,
            "of" => {}
            _ => self.add(Kind::Declaration, inner(self.text, node.name().span())),
        }
        for entry in node.entries() {
            match entry.name() {
                Some(key) => self.add(Kind::Property, inner(self.text, key.span())),
                None => self.add(Kind::FieldType, self.value(entry)),
            }
        }
        let children = node.children().map(KdlDocument::nodes).unwrap_or_default();
        for child in children {
            self.field(child);
        }
    }

    /// A line of a reply, record or event.
    fn filled(&mut self, node: &KdlNode) {
        for entry in node.entries() {
            self.typed(entry, Type::Template);
        }
        let children = node.children().map(KdlDocument::nodes).unwrap_or_default();
        for child in children {
            self.filled(child);
        }
    }

    fn typed(&mut self, entry: &KdlEntry, kind: Type) {
        let range = self.value(entry);
        match kind {
            Type::Choice(..) => self.add(Kind::Choice, range),
            Type::Methods => {
                let text = &self.text[range.clone()];
                for part in text.split(' ') {
                    let start = range.start + (part.as_ptr() as usize - text.as_ptr() as usize);
                    self.add(Kind::Choice, start..start + part.len());
                }
            }
            Type::Guard => self.guard(range),
            _ => self.tags(range),
        }
    }

    /// The bytes of a value, without its quotation marks.
    fn value(&self, entry: &KdlEntry) -> Range<usize> {
        let end = entry.span().offset() + entry.span().len();
        let length = entry.format().map_or(entry.span().len(), |format| format.value_repr.len());
        inner(self.text, (end - length, length).into())
    }

    fn guard(&mut self, range: Range<usize>) {
        for (name, _, after) in names(self.text, range) {
            let kind = match &self.text[name.clone()] {
                "true" | "false" => continue,
                _ if after == Some('(') => Kind::Function,
                _ => Kind::GuardField,
            };
            self.add(kind, name);
        }
    }

    /// The words in `{{…}}` and `{%…%}`.
    fn tags(&mut self, range: Range<usize>) {
        const BLOCKS: [&str; 7] = ["if", "elif", "else", "endif", "for", "in", "endfor"];
        let mut at = range.start;
        while let Some(open) = self.text[at..range.end].find('{').map(|open| at + open) {
            let close = match self.text.get(open..open + 2) {
                Some("{{") => "}}",
                Some("{%") => "%}",
                _ => {
                    at = open + 1;
                    continue;
                }
            };
            let end = self.text[open..].find(close).map_or(range.end, |end| open + end);
            let mut tested = false;
            for (name, before, _) in names(self.text, open + 2..end) {
                match &self.text[name.clone()] {
                    "is" => tested = true,
                    "and" | "or" | "not" => {}
                    word if BLOCKS.contains(&word) => {}
                    _ if before == Some('|') || tested => {
                        tested = false;
                        self.add(Kind::Filter, name);
                    }
                    _ => self.add(Kind::TagField, name),
                }
            }
            at = end;
        }
    }
}

/// The names in an expression, each with the signs before and after it; what stands in
/// quotation marks is none.
fn names(text: &str, range: Range<usize>) -> Vec<(Range<usize>, Option<char>, Option<char>)> {
    let mut found: Vec<(Range<usize>, Option<char>, Option<char>)> = Vec::new();
    let (mut quote, mut before, mut at) = (None, None, range.start);
    while let Some(letter) = text[at..range.end].chars().next() {
        let start = at;
        at += letter.len_utf8();
        match (quote, letter) {
            (Some(open), _) => quote = Some(open).filter(|open| *open != letter),
            (None, '"' | '\'' | '`') => quote = Some(letter),
            (None, _) if letter.is_ascii_alphabetic() || letter == '_' => {
                let rest = &text[start..range.end];
                let is_part = |letter: char| letter.is_ascii_alphanumeric() || letter == '_';
                at = start + rest.find(|letter| !is_part(letter)).unwrap_or(rest.len());
                let after = text[at..range.end].trim_start().chars().next();
                found.push((start..at, before, after));
            }
            _ => {}
        }
        if !letter.is_whitespace() {
            before = Some(letter);
        }
    }
    found
}

/// A span without quotation marks and the signs around them.
fn inner(text: &str, span: miette::SourceSpan) -> Range<usize> {
    let range = span.offset()..span.offset() + span.len();
    let whole = &text[range.clone()];
    let trimmed = whole.trim_start_matches('#').trim_start_matches('"');
    let start = range.end - trimmed.len();
    let end = start + trimmed.trim_end_matches('#').trim_end_matches('"').len();
    start..end
}
