//! Every word of the rule language in one static table: where it may stand, what it takes,
//! what it means, and an example. The checks of `shape`, "did you mean" and the
//! reference page are driven by it, so that a word exists exactly when it stands here.

mod feedback;
mod rules;
mod settings;
mod testing;

/// Where a word may stand: directly in a file, or within the block of another word.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub enum Place {
    /// Directly in a file.
    File,
    /// In `server`.
    Server,
    /// In `sender`.
    Sender,
    /// In `service`.
    Service,
    /// In `sign` of a service, or `signature` of an access block.
    Secrets,
    /// In `record`.
    Record,
    /// In `webhooks`.
    Webhooks,
    /// In `access`.
    Access,
    /// In `signature`.
    Signature,
    /// In `endpoint`.
    Endpoint,
    /// In `feedback`.
    Feedback,
    /// In `events`.
    Events,
    /// In `event`.
    Event,
    /// In `on-create` and `on-change`.
    Reaction,
    /// In `sequence`.
    Sequence,
    /// In `window`.
    Window,
    /// In `email`.
    Email,
    /// In `variant`.
    Variant,
    /// Directly in a file of tests.
    TestFile,
    /// In `test`.
    Test,
}

impl Place {
    /// How people name the place.
    #[must_use]
    pub fn word(self) -> &'static str {
        match self {
            Self::File => "directly in a file",
            Self::Server => "in `server`",
            Self::Sender => "in `sender`",
            Self::Service => "in `service`",
            Self::Secrets => "in `sign`",
            Self::Record => "in `record`",
            Self::Webhooks => "in `webhooks`",
            Self::Access => "in `access`",
            Self::Signature => "in `signature`",
            Self::Endpoint => "in `endpoint`",
            Self::Feedback => "in `feedback`",
            Self::Events => "in `events`",
            Self::Event => "in `event`",
            Self::Reaction => "in `on-create` and `on-change`",
            Self::Sequence => "in `sequence`",
            Self::Window => "in `window`",
            Self::Email => "in `email`",
            Self::Variant => "in `variant`",
            Self::TestFile => "directly in a file of tests",
            Self::Test => "in `test`",
        }
    }

    /// Whether tests stand there, and no rules.
    #[must_use]
    pub fn is_for_tests(self) -> bool {
        matches!(self, Self::TestFile | Self::Test)
    }
}

/// Kinds of things that have names.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum Thing {
    /// The shape of a payload.
    Schema,
    /// Remembered data.
    Record,
    /// A system that is called.
    Service,
    /// A group of endpoints.
    Webhooks,
    /// An incoming address of a group.
    Endpoint,
    /// An outgoing message.
    Event,
    /// Timed e-mails.
    Sequence,
    /// An e-mail of a sequence.
    Email,
    /// The text of an e-mail: emails/NAME.md beside the rule file.
    Text,
}

impl Thing {
    /// What people call it: the word that declares it, if a word does.
    #[must_use]
    pub fn word(self) -> &'static str {
        match self {
            Self::Schema => "schema",
            Self::Record => "record",
            Self::Service => "service",
            Self::Webhooks => "webhooks",
            Self::Endpoint => "endpoint",
            Self::Event => "event",
            Self::Sequence => "sequence",
            Self::Email => "email",
            Self::Text => "text",
        }
    }
}

/// What a value must be.
#[derive(Clone, Copy, Debug)]
pub enum Type {
    /// Any text.
    Text,
    /// A name: not empty, on one line.
    Name,
    /// A name that guards can use: letters, digits and `_`.
    Identifier,
    /// The name under which a thing is declared here.
    Declares(Thing),
    /// The name of a thing that is declared elsewhere.
    Refers(Thing),
    /// The name of a thing of one of these kinds; it may also be a text that names none.
    MayRefer(&'static [Thing]),
    /// `#true` or `#false`.
    Boolean,
    /// A whole number in a range.
    Whole(i64, i64),
    /// Any number.
    Number,
    /// A wait such as `"5min"`.
    Duration,
    /// A moment with its offset.
    Time,
    /// An expression that answers yes or no.
    Guard,
    /// A text with `{{tags}}`.
    Template,
    /// One of a few words; the second list comes later.
    Choice(&'static [&'static str], &'static [&'static str]),
    /// An IANA time zone.
    Zone,
    /// Days of the week.
    Days,
    /// Hours of a day.
    Hours,
    /// A date, in one year or in every year.
    Holiday,
    /// So many in a time.
    Rate,
    /// An e-mail address.
    Email,
    /// `Name <address>`.
    Mailbox,
    /// An address and port to listen on.
    Listen,
    /// A web address (or `smtp://` for mail).
    Url,
    /// Scheme and host, as browsers send it.
    Origin,
    /// A network or a single address.
    Network,
    /// A path that begins with `/`.
    Path,
    /// The name of an HTTP header.
    Header,
    /// HTTP methods between blanks.
    Methods,
    /// The name of an environment variable.
    Variable,
    /// A value as it is: any type.
    Any,
    /// A secret, which is always looked up.
    Secret,
    /// A secret, or a plain value for a header that holds none.
    HeaderValue,
}

impl Type {
    /// What its text must look like: names of things are names, or identifiers where guards
    /// use them.
    #[must_use]
    pub fn form(self) -> Self {
        match self {
            Self::Declares(Thing::Record) | Self::Refers(Thing::Record) => Self::Identifier,
            Self::Declares(_) | Self::Refers(_) | Self::MayRefer(_) => Self::Name,
            other => other,
        }
    }
}

/// How many values an argument takes.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Count {
    /// Exactly one.
    One,
    /// One or none.
    Maybe,
    /// At least one, all that follow.
    Some,
}

/// A value that stands after a word.
#[derive(Clone, Copy, Debug)]
pub struct Argument {
    /// What it is, for messages: `name`, `address`.
    pub name: &'static str,
    /// What it must be.
    pub kind: Type,
    /// How many.
    pub count: Count,
    /// Whether it may be looked up: `(env)"NAME"`, with fallbacks.
    pub setting: bool,
}

/// A `key=value` that a word takes.
#[derive(Clone, Copy, Debug)]
pub struct Property {
    /// The key.
    pub name: &'static str,
    /// What the value must be.
    pub kind: Type,
    /// Whether the word needs it.
    pub required: bool,
    /// Whether it may be looked up.
    pub setting: bool,
    /// Whether it is not built yet.
    pub later: bool,
    /// What it says.
    pub about: &'static str,
}

/// What may stand in the block after a word.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Children {
    /// No block.
    None,
    /// Words of this place.
    Words(Place),
    /// Fields of a schema: a name and a type on each line.
    Fields,
    /// Fields with values: a name and a value on each line.
    Values,
    /// A block that nobody looks into, of a word that comes later.
    Anything,
}

/// One word of the language.
#[derive(Clone, Copy, Debug)]
pub struct Word {
    /// The word.
    pub name: &'static str,
    /// Where it may stand.
    pub places: &'static [Place],
    /// What it means, in one sentence.
    pub about: &'static str,
    /// How it looks.
    pub example: &'static str,
    /// Values after it.
    pub arguments: &'static [Argument],
    /// Its properties.
    pub properties: &'static [Property],
    /// Its block.
    pub children: Children,
    /// Whether it may stand once only at its place.
    pub once: bool,
    /// What is there until it is built; none for what is.
    pub later: Option<&'static str>,
}

impl Word {
    pub(super) const fn new(
        name: &'static str,
        places: &'static [Place],
        about: &'static str,
        example: &'static str,
    ) -> Self {
        Self {
            name,
            places,
            about,
            example,
            arguments: &[],
            properties: &[],
            children: Children::None,
            once: false,
            later: None,
        }
    }

    const fn args(mut self, arguments: &'static [Argument]) -> Self {
        self.arguments = arguments;
        self
    }

    const fn props(mut self, properties: &'static [Property]) -> Self {
        self.properties = properties;
        self
    }

    const fn block(mut self, children: Children) -> Self {
        self.children = children;
        self
    }

    const fn once(mut self) -> Self {
        self.once = true;
        self
    }

    const fn later(mut self, instead: &'static str) -> Self {
        self.later = Some(instead);
        self.children = Children::Anything;
        self
    }

    /// Whether its value may be looked up with `default=` and `optional=` behind it.
    #[must_use]
    pub fn takes_setting(&self) -> bool {
        self.arguments.iter().any(|argument| argument.setting)
    }

    /// Whether `default=` and `optional=` may stand behind it: for keys of incoming calls
    /// they may not, a check is never skipped.
    #[must_use]
    pub fn takes_fallback(&self) -> bool {
        self.takes_setting()
            && !(self.name == "key"
                || self.name == "secret"
                || self.name == "header" && self.places.contains(&Place::Access))
    }
}

const fn arg(name: &'static str, kind: Type) -> Argument {
    Argument { name, kind, count: Count::One, setting: false }
}

const fn maybe(name: &'static str, kind: Type) -> Argument {
    Argument { name, kind, count: Count::Maybe, setting: false }
}

const fn some(name: &'static str, kind: Type) -> Argument {
    Argument { name, kind, count: Count::Some, setting: false }
}

/// A value that may be looked up: one, with further sources as fallbacks.
const fn set(name: &'static str, kind: Type) -> Argument {
    Argument { name, kind, count: Count::One, setting: true }
}

/// Several values, or a source that holds them between commas.
const fn set_some(name: &'static str, kind: Type) -> Argument {
    Argument { name, kind, count: Count::Some, setting: true }
}

const fn prop(name: &'static str, kind: Type, about: &'static str) -> Property {
    Property { name, kind, required: false, setting: false, later: false, about }
}

const fn must(name: &'static str, kind: Type, about: &'static str) -> Property {
    Property { required: true, ..prop(name, kind, about) }
}

const fn prop_set(name: &'static str, kind: Type, about: &'static str) -> Property {
    Property { setting: true, ..prop(name, kind, about) }
}

const fn prop_later(name: &'static str, about: &'static str) -> Property {
    Property { later: true, ..prop(name, Type::Any, about) }
}

/// Every word.
pub fn all() -> impl Iterator<Item = &'static Word> {
    settings::WORDS.iter().chain(rules::WORDS).chain(feedback::WORDS).chain(testing::WORDS)
}

/// The word at a place.
#[must_use]
pub fn find(name: &str, place: Place) -> Option<&'static Word> {
    all().find(|word| word.name == name && word.places.contains(&place))
}

/// Every word that may stand at a place.
pub fn at(place: Place) -> impl Iterator<Item = &'static Word> {
    all().filter(move |word| word.places.contains(&place))
}

/// A field of a schema, which has any name; in a `list`, `of` is such a line as well.
pub const FIELD: Word = rules::FIELD;

/// The types of fields.
pub const FIELD_TYPES: &[&str] = rules::FIELD_TYPES;

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_word_is_explained_and_stands_once_at_each_place() {
        let mut seen = std::collections::BTreeSet::new();
        for word in all() {
            assert!(!word.about.is_empty() && !word.example.is_empty(), "{}", word.name);
            for place in word.places {
                assert!(seen.insert((*place, word.name)), "{} {}", word.name, place.word());
            }
        }
    }

    #[test]
    fn every_example_passes_its_own_check() {
        for word in all().filter(|word| word.later.is_none()) {
            let mut sources = crate::base::SourceMap::new();
            let file = sources.add("example.kdl", word.example);
            let mut sink = crate::base::Sink::new();
            let nodes = super::super::syntax::parse(file, word.example, &mut sink);
            for place in word.places {
                super::super::shape::check(nodes.as_deref().unwrap_or_default(), *place, &mut sink);
            }
            let found = sink.finish();
            assert!(found.is_empty(), "{}: {found:?}", word.example);
        }
    }
}
