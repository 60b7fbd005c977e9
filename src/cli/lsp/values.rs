//! What may be written as a value: help for its type, and what to offer.

use crate::language::vocabulary::Type;
use crate::model::{Kind, Shape};

/// Values that people write for a type, for completion; texts without quotation marks.
pub(super) fn offered(kind: Type) -> Vec<(String, &'static str)> {
    let all =
        |values: &[&str], about| values.iter().map(|value| ((*value).to_owned(), about)).collect();
    match kind {
        Type::Choice(values, _) => all(values, ""),
        Type::Duration => all(&["30s", "5min", "1h", "12h", "1d", "3d", "7d", "30d"], "a wait"),
        Type::Rate => all(&["3/s", "14/s", "60/min", "1000/h"], "so many in a time"),
        Type::Days => all(&["mon-fri", "mon-thu", "sat sun"], "days of the week"),
        Type::Hours => all(&["09:00-17:00", "09:00-12:00 13:00-17:00"], "hours of a day"),
        Type::Holiday => all(&["12-25", "01-01", "12-24 to 01-01"], "every year"),
        Type::Methods => all(&["GET", "POST", "PUT", "PATCH", "DELETE"], "a method"),
        Type::Listen => all(&["127.0.0.1:8080", "0.0.0.0:8080"], "address and port"),
        Type::Zone => {
            let zones = jiff::tz::db().available();
            zones.map(|zone| (zone.to_string(), "a time zone")).collect()
        }
        _ => Vec::new(),
    }
}

/// Values that stand without quotation marks.
pub(super) fn bare(kind: Type) -> &'static [&'static str] {
    match kind {
        Type::Boolean => &["#true", "#false"],
        _ => &[],
    }
}

/// What a value of a type looks like, in a sentence.
pub(super) fn help(kind: Type) -> Option<String> {
    Some(match kind.form() {
        Type::Duration => String::from(
            "A wait: a number with `s`, `min`, `h` or `d`, such as `\"5min\"`. A day (`d`) ends at the same clock time, whatever summer time does.",
        ),
        Type::Guard => String::from(
            "A guard: a question about fields that is answered with yes or no, such as `\"score >= 0.7\"`. Texts in it stand in quotation marks, so write the whole between `#\"` and `\"#`.",
        ),
        Type::Template => String::from("A text; `{{field}}` is replaced by what the field holds."),
        Type::Whole(least, most) => format!("A whole number from {least} to {most}."),
        Type::Choice(now, _) => format!("One of {}.", quoted(now)),
        Type::Boolean => String::from("`#true` or `#false`."),
        Type::Zone => String::from("A time zone, such as `\"Europe/Berlin\"`."),
        Type::Days => String::from("Days of the week, such as `\"mon-fri\"` or `\"mon-thu sat\"`."),
        Type::Hours => String::from(
            "From and to, such as `\"09:00-17:00\"`; several stand between blanks. `\"22:00-02:00\"` goes on after midnight.",
        ),
        Type::Holiday => String::from(
            "A date: `\"2026-12-25\"`, `\"12-25\"` for every year, or `\"12-24 to 01-01\"`.",
        ),
        Type::Rate => String::from("So many in a time, such as `\"60/min\"`."),
        Type::Secret => {
            String::from("A secret, which never stands in a rule file: `(env)\"NAME\"`.")
        }
        Type::Origin => {
            String::from("Scheme and host of a web page: `\"https://www.example.com\"`.")
        }
        Type::Methods => String::from("HTTP methods between blanks, such as `\"GET POST\"`."),
        _ => return None,
    })
}

/// What a type of a field takes.
pub(super) fn type_help(word: &str) -> Option<&'static str> {
    Some(match word {
        "text" => "**text** · any text",
        "email" => "**email** · an e-mail address",
        "integer" => "**integer** · a whole number",
        "number" => "**number** · any number",
        "boolean" => "**boolean** · yes or no: `true` or `false` in JSON",
        "time" => "**time** · a moment with its offset, such as `2025-12-01T10:30:00Z`",
        "date" => "**date** · a day, such as `2025-12-01`",
        "url" => "**url** · a web address",
        "list" => "**list** · several values; its block says of what: `{ of text }`",
        "object" => "**object** · fields within; its block lists them",
        "any" => "**any** · anything, unchecked",
        "optional" => "**optional** · the field may be missing",
        _ => return None,
    })
}

/// A type in a few words, behind the name of an argument.
pub(super) fn short(kind: Type) -> String {
    match kind {
        Type::Choice(now, _) => format!(": {}", quoted(now)),
        _ => String::new(),
    }
}

/// What people call the type of a name in scope.
pub(super) fn kind_of(shape: &Shape) -> String {
    let word = match &shape.kind {
        Kind::List(of) => format!("list of {}", of.word()),
        kind => kind.word().to_owned(),
    };
    if shape.optional { format!("{word}, may be missing") } else { word }
}

fn quoted(words: &[&str]) -> String {
    let words: Vec<String> = words.iter().map(|word| format!("`{word}`")).collect();
    words.join(", ")
}
