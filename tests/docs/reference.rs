//! The reference of the words in `docs/language.md`: the part between two marks is written
//! from the table that the program itself reads rules with.

use std::fmt::Write as _;
use std::fs;

use rulerun::language::vocabulary::{self, Argument, Children, Count, Place, Property, Type, Word};

use super::pages;

const BEGIN: &str =
    "<!-- Written by `UPDATE=1 cargo test --test docs`; edit src/language/vocabulary. -->\n";
const END: &str = "<!-- The words end here. -->\n";

/// The places, in the order of the page.
const PLACES: [Place; 20] = [
    Place::File,
    Place::Webhooks,
    Place::Access,
    Place::Signature,
    Place::Endpoint,
    Place::Feedback,
    Place::Events,
    Place::Event,
    Place::Record,
    Place::Reaction,
    Place::Sequence,
    Place::Window,
    Place::Email,
    Place::Variant,
    Place::Server,
    Place::Sender,
    Place::Service,
    Place::Secrets,
    Place::TestFile,
    Place::Test,
];

/// Compares the page with the table, or writes it anew.
pub(crate) fn check() {
    let path = pages::root().join("docs/language.md");
    let page = fs::read_to_string(&path).expect("the page");
    let (before, rest) = page.split_once(BEGIN).expect("the first mark");
    let (written, after) = rest.split_once(END).expect("the second mark");
    for kind in vocabulary::FIELD_TYPES {
        assert!(before.contains(&format!("`{kind}`")), "the page does not explain the type {kind}");
    }
    let fresh = reference();
    #[expect(clippy::disallowed_methods, reason = "the person who runs the tests decides")]
    if std::env::var_os("UPDATE").is_some() {
        fs::write(&path, [before, BEGIN, &fresh, END, after].concat()).expect("a writable page");
    } else {
        assert!(written == fresh, "docs/language.md is stale: UPDATE=1 cargo test --test docs");
    }
}

fn reference() -> String {
    let known: usize = PLACES.iter().map(|place| vocabulary::at(*place).count()).sum();
    let places: usize = vocabulary::all().map(|word| word.places.len()).sum();
    assert_eq!(known, places, "a place is missing from the page");
    let mut text = String::new();
    for place in PLACES {
        section(&mut text, place);
    }
    text.push_str("\n## A field of a schema\n");
    describe(&mut text, &vocabulary::FIELD);
    text
}

fn section(text: &mut String, place: Place) {
    let title = place.word();
    let _ = write!(text, "\n## {}{}\n", title[..1].to_uppercase(), &title[1..]);
    let is_home = |word: &&Word| home(word) == place;
    let mut others = Vec::new();
    for word in vocabulary::at(place) {
        if is_home(&word) { describe(text, word) } else { others.push(word) }
    }
    if !others.is_empty() {
        let names: Vec<String> = others
            .iter()
            .map(|word| {
                format!("`{}` (see [{}](#{}))", word.name, home(word).word(), anchor(home(word)))
            })
            .collect();
        let _ = write!(text, "\nAlso: {}.\n", names.join(", "));
    }
}

/// The place at which a word is described: the first of the page at which it may stand.
fn home(word: &Word) -> Place {
    *PLACES.iter().find(|place| word.places.contains(place)).expect("a place")
}

fn anchor(place: Place) -> String {
    place.word().replace('`', "").replace(' ', "-")
}

fn describe(text: &mut String, word: &Word) {
    let _ = write!(text, "\n### {}\n\n{}", word.name, word.about);
    if word.once {
        text.push_str(" Once only.");
    }
    if let Some(instead) = word.later {
        let _ = write!(text, " **Comes later**; {instead}.");
    }
    let _ = write!(text, "\n\n```kdl fragment\n{}\n```\n", word.example);
    let mut lines: Vec<String> = word.arguments.iter().map(argument).collect();
    lines.extend(word.properties.iter().map(property));
    lines.extend(block(word).map(|block| format!("- In its block: {block}")));
    if !lines.is_empty() {
        let _ = write!(text, "\n{}\n", lines.join("\n"));
    }
}

fn argument(argument: &Argument) -> String {
    let count = match argument.count {
        Count::One => "",
        Count::Maybe => ", may be left out",
        Count::Some => ", one or several",
    };
    let found = if argument.setting { ", may be looked up" } else { "" };
    format!("- *{}*: {}{count}{found}", argument.name.replace('`', ""), kind(argument.kind))
}

fn property(property: &Property) -> String {
    if property.later {
        return format!("- `{}=` comes later", property.name);
    }
    let needed = if property.required { ", needed" } else { "" };
    let found = if property.setting { ", may be looked up" } else { "" };
    format!("- `{}=` {}{needed}{found}. {}", property.name, kind(property.kind), property.about)
}

fn block(word: &Word) -> Option<String> {
    match word.children {
        Children::None | Children::Anything => None,
        Children::Words(place) => {
            let words = vocabulary::at(place).map(|word| format!("`{}`", word.name));
            let words: Vec<String> = words.collect();
            (!words.is_empty())
                .then(|| format!("{} ([more](#{}))", words.join(", "), anchor(place)))
        }
        Children::Fields => Some(String::from("[fields](#fields), one on each line")),
        Children::Values if word.places.iter().all(|place| place.is_for_tests()) => {
            Some(String::from("a name and a value on each line"))
        }
        Children::Values => {
            Some(String::from("a name and a value on each line; a value may be a `{{tag}}`"))
        }
    }
}

fn kind(kind: Type) -> String {
    let plain = match kind.form() {
        Type::Whole(min, max) => return format!("a whole number from {min} to {max}"),
        Type::Choice(now, later) => {
            let words: Vec<String> = now.iter().map(|word| format!("`{word}`")).collect();
            let mut text = words.join(", ");
            if !later.is_empty() {
                let words: Vec<String> = later.iter().map(|word| format!("`{word}`")).collect();
                let _ = write!(text, " ({} later)", words.join(", "));
            }
            return text;
        }
        Type::Text => "a text",
        Type::Name | Type::Declares(_) | Type::Refers(_) | Type::MayRefer(_) => "a name",
        Type::Identifier => "a name of letters, digits and `_`",
        Type::Boolean => "`#true` or `#false`",
        Type::Number => "a number",
        Type::Duration => "a wait such as `\"5min\"`",
        Type::Time => "a moment such as `\"2025-12-24T18:00:00Z\"`",
        Type::Guard => "a guard",
        Type::Template => "a text with `{{tags}}`",
        Type::Zone => "a time zone such as `\"Europe/Berlin\"`",
        Type::Rate => "so many in a time, such as `\"60/min\"`",
        Type::Email => "an e-mail address",
        Type::Mailbox => "`\"Name <address>\"`",
        Type::Listen => "an address and a port",
        Type::Url => "a web address (`smtp://` or `smtps://` for mail)",
        Type::Origin => "scheme and host, such as `\"https://www.example.com\"`",
        Type::Network => "an IP address or a network such as `\"10.0.0.0/8\"`",
        Type::Path => "a path that begins with `/`",
        Type::Header => "the name of a header",
        Type::Methods => "HTTP methods between blanks, such as `\"GET POST\"`",
        Type::Variable => "the name of an environment variable",
        Type::Any => "a value of any type",
        Type::Secret => "a secret, always looked up",
        Type::HeaderValue => "a secret, or a plain text",
        Type::Days => "days such as `\"mon-fri\"`",
        Type::Hours => "hours such as `\"09:00-17:00\"`",
        Type::Holiday => "a date such as `\"12-25\"`",
    };
    plain.to_owned()
}
