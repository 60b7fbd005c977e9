//! Where in a rule text somebody is typing: within which blocks, behind which word, in which
//! value. It is found from the tokens and not from the tree, because a text that is being
//! typed seldom parses.

use std::ops::Range;

use super::tokens::{Kind, Token, tokens};
use super::vocabulary::{self, Children, Place, Type, Word};

/// A word or text of a line with its place.
#[derive(Clone, Debug, Default)]
pub struct Part {
    /// What stands there, without quotation marks.
    pub text: String,
    /// Where that is.
    pub range: Range<usize>,
    /// The same with its quotation marks.
    pub whole: Range<usize>,
    /// Whether its closing mark is there, if it has an opening one.
    pub closed: bool,
}

impl Part {
    /// Whether it stands in quotation marks.
    #[must_use]
    pub fn quoted(&self) -> bool {
        self.range != self.whole
    }
}

/// A line: a word with its values and properties, as far as they are there.
#[derive(Clone, Debug, Default)]
pub struct Line {
    /// The word that opens it.
    pub word: Part,
    /// Values without a key.
    pub values: Vec<Part>,
    /// Keys with their values.
    pub properties: Vec<(Part, Option<Part>)>,
    /// Whether a `/-` switches it off.
    pub off: bool,
}

impl Line {
    /// The first value, which is the name of most things.
    #[must_use]
    pub fn title(&self) -> Option<&str> {
        self.values.first().map(|part| part.text.as_str())
    }

    /// The value of a key.
    #[must_use]
    pub fn property(&self, key: &str) -> Option<&str> {
        let (_, value) = self.properties.iter().find(|(known, _)| known.text == key)?;
        value.as_ref().map(|value| value.text.as_str())
    }
}

/// An open block.
#[derive(Clone, Debug, Default)]
pub struct Block {
    /// The line that opens it; that of a file is empty.
    pub line: Line,
    /// The lines in it above the cursor.
    pub above: Vec<Line>,
}

/// What stands at the cursor, or could.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub enum At {
    /// The word that opens a line.
    Word,
    /// The value of this number, or a key: nothing is decided yet.
    Entry(usize),
    /// The value of this number, in quotation marks.
    Argument(usize),
    /// This key, with its `=` behind it.
    Key(String),
    /// The value of this key.
    Value(String),
    /// `(env)` or `(file)`.
    Annotation,
    /// A comment, or nothing.
    #[default]
    Comment,
}

/// A place in a rule text.
#[derive(Clone, Debug)]
pub struct Cursor {
    /// What the file holds: rules or tests.
    pub root: Place,
    /// The blocks around it, from the file inwards.
    pub blocks: Vec<Block>,
    /// The line it stands in; its word is empty on an empty line.
    pub line: Line,
    /// What it stands at.
    pub at: At,
    /// The word or text there; empty where none is.
    pub part: Part,
    /// The word in `(…)` before that.
    pub annotation: Option<String>,
}

impl Cursor {
    /// The place of a byte offset in a text that holds rules or tests.
    #[must_use]
    pub fn new(text: &str, offset: usize, root: Place) -> Self {
        let mut reader = Reader { text, offset, ..Reader::default() };
        let tokens = tokens(text);
        for (index, token) in tokens.iter().enumerate() {
            if reader.token(token, tokens.get(index + 1)) {
                break;
            }
        }
        let (at, part, annotation) = reader.found.unwrap_or_default();
        let mut blocks = reader.blocks;
        blocks.push(Block { line: reader.opening, above: reader.above });
        Self { root, blocks, line: reader.line.unwrap_or_default(), at, part, annotation }
    }

    /// What may stand in the block around it.
    #[must_use]
    pub fn children(&self) -> Children {
        self.blocks[1..].iter().fold(Children::Words(self.root), |outer, block| match outer {
            Children::Words(place) => vocabulary::find(&block.line.word.text, place)
                .map_or(Children::Anything, |word| word.children),
            Children::Fields => Children::Fields,
            Children::Values => Children::Values,
            Children::None | Children::Anything => Children::Anything,
        })
    }

    /// The word of its line in the vocabulary.
    #[must_use]
    pub fn word(&self) -> Option<&'static Word> {
        match self.children() {
            Children::Words(place) => vocabulary::find(&self.line.word.text, place),
            Children::Fields if self.line.word.text != "one-of" => Some(&vocabulary::FIELD),
            _ => None,
        }
    }

    /// What the value at the cursor must be.
    #[must_use]
    pub fn kind(&self) -> Option<Type> {
        match (&self.at, self.word()) {
            (At::Entry(number) | At::Argument(number), Some(word)) => {
                let argument = word.arguments.get(*number).or_else(|| {
                    word.arguments
                        .last()
                        .filter(|last| last.count == vocabulary::Count::Some || last.setting)
                });
                argument.map(|argument| argument.kind)
            }
            (At::Value(key), Some(word)) => {
                word.properties.iter().find(|known| known.name == key).map(|known| known.kind)
            }
            (At::Entry(_) | At::Argument(_), None) if self.children() == Children::Values => {
                // What a test sends stands there as it is.
                Some(if self.root.is_for_tests() { Type::Any } else { Type::Template })
            }
            _ => None,
        }
    }
}

type Found = (At, Part, Option<String>);

/// Reads tokens up to the end of the line that the cursor stands in.
#[derive(Default)]
struct Reader<'t> {
    text: &'t str,
    offset: usize,
    /// Blocks that are open, without the innermost.
    blocks: Vec<Block>,
    /// The innermost: the line that opened it, and the lines in it so far.
    opening: Line,
    above: Vec<Line>,
    line: Option<Line>,
    off: bool,
    key: Option<Part>,
    annotation: Option<String>,
    round: bool,
    found: Option<Found>,
}

impl Reader<'_> {
    /// Takes one token; answers whether all is known.
    fn token(&mut self, token: &Token, next: Option<&Token>) -> bool {
        if self.found.is_none() && self.offset < token.range.start {
            self.find(self.gap(None), Part::at(self.offset));
        }
        let part = self.part(token);
        if next.is_some_and(|next| next.kind == Kind::Equals) {
            // `key= other=`: the first has no value yet.
            let key = self.key.take().map(|key| (key, None));
            self.line.iter_mut().for_each(|line| line.properties.extend(key.clone()));
        }
        if self.found.is_none() {
            self.look(token, next, &part);
        }
        match &token.kind {
            Kind::End | Kind::Close | Kind::Open => {
                if self.found.is_some() {
                    return true;
                }
                self.edge(&token.kind);
            }
            Kind::Off => self.off = true,
            Kind::OpenRound => self.round = true,
            Kind::CloseRound => self.round = false,
            Kind::Comment => {}
            Kind::Equals => {
                self.key = self.line.as_mut().and_then(|line| line.values.pop());
            }
            Kind::Word | Kind::Text { .. } => self.add(part),
        }
        false
    }

    /// Whether the cursor stands at this token.
    fn look(&mut self, token: &Token, next: Option<&Token>, part: &Part) {
        let (range, offset) = (&token.range, self.offset);
        match &token.kind {
            Kind::Word if range.start <= offset && offset <= range.end => {
                let equals = next.filter(|next| {
                    next.kind == Kind::Equals
                        && next.range.start == range.end
                        && self.line.is_some()
                });
                let at = match equals {
                    Some(_) => At::Key(part.text.clone()),
                    None => self.gap(Some(false)),
                };
                self.find(at, part.clone());
            }
            Kind::Text { inner, .. } if inner.start <= offset && offset <= inner.end => {
                self.find(self.gap(Some(true)), part.clone());
            }
            Kind::Comment if range.start < offset && offset <= range.end => {
                self.find(At::Comment, Part::at(offset));
            }
            // `key=` with nothing behind it yet.
            Kind::End | Kind::Close if offset == range.start => {
                self.find(self.gap(None), Part::at(offset));
            }
            _ => {}
        }
    }

    /// What stands, or could stand, here; `quoted` is told where something does.
    fn gap(&self, quoted: Option<bool>) -> At {
        match (&self.key, &self.line) {
            _ if self.round => At::Annotation,
            (Some(key), _) => At::Value(key.text.clone()),
            (None, None) => At::Word,
            (None, Some(line)) if quoted == Some(true) => At::Argument(line.values.len()),
            (None, Some(line)) => At::Entry(line.values.len()),
        }
    }

    fn find(&mut self, at: At, part: Part) {
        let annotation = if self.round { None } else { self.annotation.clone() };
        self.found = Some((at, part, annotation));
    }

    fn add(&mut self, part: Part) {
        if self.round {
            self.annotation = Some(part.text);
            return;
        }
        self.annotation = None;
        match (&mut self.line, self.key.take()) {
            (Some(line), Some(key)) => line.properties.push((key, Some(part))),
            (Some(line), None) => line.values.push(part),
            (None, _) => {
                let off = std::mem::take(&mut self.off);
                self.line = Some(Line { word: part, off, ..Line::default() });
            }
        }
    }

    /// A line ends, a block begins or ends.
    fn edge(&mut self, kind: &Kind) {
        self.annotation = None;
        self.round = false;
        let line = self.line.take();
        let key = self.key.take();
        let line = line.map(|mut line| {
            line.properties.extend(key.map(|key| (key, None)));
            line
        });
        match kind {
            Kind::Open => {
                let opening = std::mem::replace(&mut self.opening, line.unwrap_or_default());
                let above = std::mem::take(&mut self.above);
                self.blocks.push(Block { line: opening, above });
            }
            Kind::Close => {
                self.above.extend(line);
                if let Some(outer) = self.blocks.pop() {
                    let closed = std::mem::replace(&mut self.opening, outer.line);
                    self.above = outer.above;
                    self.above.push(closed);
                }
            }
            _ => self.above.extend(line),
        }
    }

    fn part(&self, token: &Token) -> Part {
        let (range, closed) = match &token.kind {
            Kind::Text { inner, closed } => (inner.clone(), *closed),
            _ => (token.range.clone(), true),
        };
        let text = self.text.get(range.clone()).unwrap_or_default().to_owned();
        Part { text, range, whole: token.range.clone(), closed }
    }
}

impl Part {
    fn at(offset: usize) -> Self {
        Self { range: offset..offset, whole: offset..offset, closed: true, ..Self::default() }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// The cursor at the `|` of a text.
    fn at(text: &str) -> Cursor {
        let place = text.find('|').expect("a cursor");
        Cursor::new(&text.replacen('|', "", 1), place, Place::File)
    }

    #[test]
    fn a_place_is_known_in_lines_that_are_not_finished() {
        for (text, wanted) in [
            ("|", At::Word),
            ("end|", At::Word),
            ("a {\n    |\n}", At::Word),
            ("a |", At::Entry(0)),
            ("a \"|", At::Argument(0)),
            ("a \"x\" |", At::Entry(1)),
            ("a \"x\" k|", At::Entry(1)),
            ("a k|=\"v\"", At::Key(String::from("k"))),
            ("a k=|", At::Value(String::from("k"))),
            ("a k=\"v|\" {", At::Value(String::from("k"))),
            ("a k=(env)\"|\"", At::Value(String::from("k"))),
            ("a (|", At::Annotation),
            ("a // \"|\"", At::Comment),
            ("a \"\"\"\n  b|", At::Argument(0)),
        ] {
            assert_eq!(at(text).at, wanted, "{text}");
        }
        let cursor =
            at("b { c }\nwebhooks \"w\" {\n  /-path \"/p\"\n  endpoint \"e\" key=| env=\"E\"");
        let words: Vec<&str> =
            cursor.blocks.iter().map(|block| block.line.word.text.as_str()).collect();
        assert_eq!(words, ["", "webhooks"]);
        assert!(cursor.blocks[1].above[0].off);
        assert_eq!(cursor.line.title(), Some("e"));
        assert_eq!(cursor.line.properties.len(), 2, "what follows the cursor counts too");
        assert!(matches!(cursor.kind(), Some(Type::Secret)));
    }

    #[test]
    fn no_place_in_no_text_is_too_odd() {
        let odd = [
            "}}}{{{ = == \"\"\"\n\"#\"##\"é\\",
            "a=(\"b)=c {\n/* /* */ d /-{ \\\n ;;; #\"x\"#\"y",
            "\u{feff}é\"{{ü|\"=ß(\r\n}\u{2028}\\ z",
        ];
        for text in odd {
            for (offset, _) in text.char_indices() {
                let cursor = Cursor::new(text, offset, Place::File);
                assert!(text.get(cursor.part.whole.clone()).is_some());
                let _ = (cursor.kind(), cursor.children());
            }
        }
    }
}
