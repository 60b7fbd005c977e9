//! What every mistake means to the people who write rules: why it matters, one wrong and one
//! right example. `rulerun explain` and `docs/mistakes.md` are made from this one table, and
//! a test reads every example to see that it is as wrong, or as right, as it says.

mod choice;
mod guards;
mod mail;
mod names;
mod readers;
mod safety;
mod surroundings;
mod testing;
mod timing;
mod values;
mod words;
mod writing;

use crate::base::SourceMap;

/// What is told about one code.
#[derive(Clone, Copy, Debug)]
pub struct Mistake {
    /// The stable word, as in [`super::codes`].
    pub code: &'static str,
    /// Why a marketer should care, as whole sentences.
    pub why: &'static str,
    /// What stands around both examples.
    pub around: Around,
    /// A few lines that have exactly this mistake.
    pub wrong: &'static str,
    /// The same lines without it.
    pub right: &'static str,
}

/// Where the lines of an example stand. What is around them is made up, so that examples
/// are short and whole rule sets all the same.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Around {
    /// They are a whole rule file.
    File,
    /// They are one of two rule files; the other one names the schema `order`.
    OneOfTwo,
    /// The block of a `schema`.
    Schema,
    /// The block of a `webhooks`.
    Webhooks,
    /// The block of an `access`.
    Access,
    /// The block of an `endpoint` whose payload is an order, behind its `payload`.
    Endpoint,
    /// The block of the `service` n8n.
    Service,
    /// The block of a `sequence` that a sign-up starts.
    Sequence,
    /// The text of an e-mail.
    Email,
    /// The text of an e-mail in HTML.
    Html,
    /// The text of an e-mail in MJML.
    Mjml,
    /// The plain text beside an e-mail of 24 words.
    PlainText,
    /// A file of JSON Schema.
    JsonSchema,
    /// The block of a `test`, beside the rules of a shop with one e-mail.
    Test,
    /// The variables of the environment.
    Environment,
}

impl Around {
    /// Where the lines stand, in words that follow "wrong".
    #[must_use]
    pub fn words(self) -> &'static str {
        match self {
            Self::File => "in a rule file",
            Self::OneOfTwo => "in one of two rule files",
            Self::Schema => "in the block of a schema",
            Self::Webhooks => "in the block of webhooks",
            Self::Access => "in an access block",
            Self::Endpoint => "in the block of an endpoint",
            Self::Service => "in the block of a service",
            Self::Sequence => "in the block of a sequence",
            Self::Email => "in the text of an e-mail",
            Self::Html => "in the text of an e-mail in HTML",
            Self::Mjml => "in the text of an e-mail in MJML",
            Self::PlainText => "in the plain text beside an e-mail",
            Self::JsonSchema => "in a JSON Schema file",
            Self::Test => "in the block of a test",
            Self::Environment => "in the environment",
        }
    }

    /// The language that the lines are written in, as code blocks of Markdown name it.
    #[must_use]
    pub fn language(self) -> &'static str {
        match self {
            Self::Email => "markdown",
            Self::Html | Self::Mjml => "html",
            Self::PlainText => "text",
            Self::JsonSchema => "json",
            Self::Environment => "sh",
            _ => "kdl",
        }
    }

    /// The rule set that the lines of an example make with what is around them; none where
    /// they are no part of one.
    #[must_use]
    pub fn sources(self, lines: &str) -> Option<SourceMap> {
        let lines = lines.trim_end();
        let rules = match self {
            Self::Environment => return None,
            Self::File => lines.to_owned(),
            Self::OneOfTwo => filled(surroundings::ENDPOINT, "reply 200"),
            Self::Schema => filled(surroundings::SCHEMA, lines),
            Self::Webhooks => filled(surroundings::WEBHOOKS, lines),
            Self::Access => filled(surroundings::ACCESS, lines),
            Self::Endpoint => surroundings::with_schemas(&filled(surroundings::ENDPOINT, lines)),
            Self::Service => filled(surroundings::SERVICE, lines),
            Self::Sequence => surroundings::with_schemas(&filled(surroundings::SEQUENCE, lines)),
            Self::Email | Self::Html | Self::Mjml | Self::PlainText | Self::Test => {
                surroundings::with_schemas(&filled(surroundings::SEQUENCE, surroundings::STEP))
            }
            Self::JsonSchema => surroundings::JSON_SCHEMA.to_owned(),
        };
        let mut sources = SourceMap::new();
        if self == Self::OneOfTwo {
            sources.add("rules/schemas.kdl", format!("{lines}\n"));
        }
        sources.add("rules/shop.kdl", rules);
        if self == Self::JsonSchema {
            sources.add("rules/order.json", format!("{lines}\n"));
        }
        if self == Self::Test {
            sources.add("rules/shop.test.kdl", filled(surroundings::TEST, lines));
        }
        let (ending, text) = match self {
            Self::Email => ("md", repeated(lines)),
            Self::Html => ("html", format!("{lines}\n")),
            Self::Mjml => ("mjml", format!("{lines}\n")),
            Self::PlainText => ("md", String::from(surroundings::LONG_TEXT)),
            _ => ("md", String::from("Welcome!\n")),
        };
        sources.add(format!("rules/emails/welcome-1.{ending}"), text);
        if self == Self::PlainText {
            sources.add("rules/emails/welcome-1.txt", format!("{lines}\n"));
        }
        sources.add_asset(surroundings::film());
        // A text with a translation, for the examples that are about one.
        if lines.contains("greeting") {
            sources.add("rules/emails/greeting.md", "Welcome!\n");
            sources.add("rules/emails/greeting.de.md", "Willkommen!\n");
        }
        sources.add("rules/emails/welcome-2.md", "One more tip.\n");
        Some(sources)
    }
}

/// Lines in the place that what is around them leaves free.
fn filled(around: &str, lines: &str) -> String {
    let mut text = String::new();
    for line in around.lines() {
        match line.strip_suffix(surroundings::PLACE) {
            Some(blanks) => lines.lines().for_each(|line| text.extend([blanks, line, "\n"])),
            None => text.extend([line, "\n"]),
        }
    }
    text
}

/// The text of an e-mail, in which `(and so on, 30 lines)` stands for so many more lines like
/// the one above it.
fn repeated(lines: &str) -> String {
    let mut text = String::new();
    let mut above = "";
    for line in lines.lines() {
        let more = line.strip_prefix("(and so on, ").and_then(|rest| rest.strip_suffix(" lines)"));
        match more.and_then(|more| more.parse::<usize>().ok()) {
            Some(more) => (0..more).for_each(|_| text.extend([above, "\n"])),
            None => text.extend([line, "\n"]),
        }
        above = line;
    }
    text
}

/// Every mistake, in groups with their titles, in the order of reading.
pub fn groups() -> impl Iterator<Item = (&'static str, &'static [Mistake])> {
    GROUPS.iter().copied()
}

const GROUPS: &[(&str, &[Mistake])] = &[
    ("Signs and quotation marks", writing::MISTAKES),
    ("Words and their places", words::MISTAKES),
    ("Values", values::MISTAKES),
    ("Names, addresses and files", names::MISTAKES),
    ("Fields of payloads and events", names::FIELDS),
    ("Guards", guards::MISTAKES),
    ("Tags in texts", mail::TAGS),
    ("Steps and sequences", mail::MISTAKES),
    ("Windows", timing::MISTAKES),
    ("Variants and languages", choice::MISTAKES),
    ("E-mails as readers and mail providers see them", readers::MISTAKES),
    ("Tests", testing::MISTAKES),
    ("Secrets and the environment", safety::MISTAKES),
];
