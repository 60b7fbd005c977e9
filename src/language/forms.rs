//! The forms of texts: whether one is a wait, a zone, an origin, an address, a name, and how to
//! write it where it is not.

use std::str::FromStr as _;

use super::codes;
use super::vocabulary::Type;
use crate::base::diagnostic::{closest, did_you_mean};
use crate::base::text::steers;
use crate::base::{Delay, Zone, time};
use crate::model::rules::{Days, Holiday, Hours};
use crate::model::setting::{FromText, Network, Rate};

/// The methods that endpoints answer.
pub(super) const METHODS: [&str; 5] = ["GET", "POST", "PUT", "PATCH", "DELETE"];

/// Code, message and help of what is wrong with a text.
pub(super) type Fault = Option<(&'static str, String, String)>;

/// What is wrong with a name, and how to mend it.
pub(super) fn name_fault(text: &str, kind: Type) -> Option<String> {
    fault(text, kind).map(|(_, message, help)| format!("{message}; {help}"))
}

/// What is wrong with a text of a kind: code, message and help.
pub(super) fn fault(text: &str, kind: Type) -> Fault {
    let why = |code, message: &str, help: &str| Some((code, message.to_owned(), help.to_owned()));
    match kind.form() {
        Type::Name if text.trim().is_empty() => {
            why(codes::BAD_NAME, "this text is empty", "write something into it")
        }
        Type::Name if text.chars().any(char::is_control) => {
            why(codes::BAD_NAME, "this text goes over several lines", "write it on one line")
        }
        Type::Name if text.chars().any(steers) => why(
            codes::BAD_NAME,
            "this text holds a mark that cannot be seen, which turns round what stands beside it",
            "type it anew",
        ),
        Type::Identifier if !is_identifier(text) => Some((
            codes::BAD_NAME,
            format!("`{text}` cannot be used as a name in guards and tags"),
            String::from("use small letters, digits and `_`, and begin with a letter"),
        )),
        Type::Identifier if matches!(text, "now" | "before") => Some((
            codes::BAD_NAME,
            format!("`{text}` already has a meaning in guards"),
            String::from("choose another name"),
        )),
        Type::Variable if !is_variable(text) => Some((
            codes::BAD_NAME,
            format!("`{text}` cannot be the name of an environment variable"),
            String::from("use capital letters, digits and `_`"),
        )),
        Type::Duration => Delay::parse(text)
            .err()
            .map(|help| (codes::BAD_DURATION, format!("`{text}` is not a wait"), help)),
        Type::Time => time::parse_time(text).err().map(|_| {
            let help = "write the date, the time and Z or an offset: \"2025-12-24T18:00:00Z\"";
            (codes::BAD_TIME, format!("`{text}` is not a moment"), help.to_owned())
        }),
        Type::Choice(words, later) => choice(text, words, later),
        Type::Zone => zone(text),
        Type::Days => Days::parse(text)
            .err()
            .map(|help| (codes::BAD_WINDOW, format!("`{text}` are no days of the week"), help)),
        Type::Hours => Hours::parse(text)
            .err()
            .map(|help| (codes::BAD_WINDOW, format!("`{text}` are no hours of a day"), help)),
        Type::Holiday => Holiday::parse(text)
            .err()
            .map(|help| (codes::BAD_WINDOW, format!("`{text}` is not a date"), help)),
        Type::Rate => Rate::from_text(text)
            .err()
            .map(|help| (codes::BAD_RATE, format!("`{text}` is not a rate"), help)),
        Type::Network => Network::from_text(text)
            .err()
            .map(|help| (codes::BAD_NETWORK, format!("`{text}` is not a network"), help)),
        Type::Email if !is_email(text) => Some((
            codes::BAD_EMAIL,
            format!("`{text}` is not an e-mail address"),
            String::from("write it like hello@example.com"),
        )),
        Type::Mailbox if mailbox(text).is_none() => Some((
            codes::BAD_EMAIL,
            format!("`{text}` is not a sender"),
            String::from("write \"Acme <hello@example.com>\""),
        )),
        Type::Listen if !is_listen(text) => Some((
            codes::BAD_ADDRESS,
            format!("`{text}` is not an address with a port"),
            String::from("write \"127.0.0.1:8080\", or \"0.0.0.0:8080\" for every network"),
        )),
        Type::Origin => origin(text),
        Type::Url => url(text),
        Type::Path => path(text),
        Type::Header if !is_token(text) => Some((
            codes::BAD_ADDRESS,
            format!("`{text}` is not the name of a header"),
            String::from("write it like \"X-API-Key\": letters, digits and `-`"),
        )),
        Type::Methods => text
            .split([' ', ','])
            .filter(|part| !part.is_empty())
            .find_map(|part| choice(part, &METHODS, &[])),
        _ => None,
    }
}

fn choice(text: &str, words: &[&str], later: &[&str]) -> Fault {
    if words.contains(&text) {
        return None;
    }
    if later.contains(&text) {
        return Some((
            codes::COMES_LATER,
            format!("`{text}` comes later: this version does not have it yet"),
            format!("until then use {}", list_or(words)),
        ));
    }
    Some((
        codes::UNKNOWN_CHOICE,
        format!("`{text}` is not one of the words that can stand here"),
        did_you_mean(text, words.iter().copied())
            .unwrap_or_else(|| format!("write {}", list_or(words))),
    ))
}

fn list_or(words: &[&str]) -> String {
    match words {
        [] => String::new(),
        [one] => (*one).to_owned(),
        [first @ .., last] => format!("{} or {last}", first.join(", ")),
    }
}

fn zone(text: &str) -> Fault {
    if Zone::get(text).is_ok() {
        return None;
    }
    Some((
        codes::BAD_ZONE,
        format!("`{text}` is not a time zone"),
        zone_meant(text).map_or_else(
            || String::from("write a zone such as \"Europe/Berlin\" or \"America/New_York\""),
            |guess| format!("did you mean `{guess}`?"),
        ),
    ))
}

/// The zone that is meant by a city, an abbreviation or a misspelt name.
pub(super) fn zone_meant(text: &str) -> Option<String> {
    let known: Vec<String> =
        jiff::tz::db().available().map(|name| name.as_str().to_owned()).collect();
    let city = |name: &&String| {
        name.rsplit('/').next().is_some_and(|city| city.eq_ignore_ascii_case(text))
    };
    known
        .iter()
        .find(city)
        .map(String::as_str)
        .or_else(|| abbreviation(text))
        // Short names lie so near each other that a guess would be a wrong one.
        .or_else(|| closest(text, known.iter().map(String::as_str)).filter(|_| text.len() > 5))
        .map(str::to_owned)
}

/// The zone that people mean by the letters that they put behind a time.
fn abbreviation(text: &str) -> Option<&'static str> {
    Some(match text {
        "ET" | "EDT" => "America/New_York",
        "CT" | "CST" | "CDT" => "America/Chicago",
        "MT" | "MDT" => "America/Denver",
        "PT" | "PST" | "PDT" => "America/Los_Angeles",
        "BST" => "Europe/London",
        "CEST" | "MEZ" | "MESZ" => "Europe/Berlin",
        _ => return None,
    })
}

fn origin(text: &str) -> Fault {
    let rest = text.strip_prefix("https://").or_else(|| text.strip_prefix("http://"));
    let help = match rest {
        _ if text == "*" => String::from("name the web pages that may call, one origin each"),
        None => String::from("begin with https:// (or http:// on your own machine)"),
        Some(host) if host.contains('/') => format!(
            "an origin has no path: write \"{}\"",
            &text[..text.len() - host.len() + host.find('/').unwrap_or(0)]
        ),
        Some(host) if is_host(host) && host.chars().all(|c| !c.is_ascii_uppercase()) => {
            return None;
        }
        Some(_) => {
            String::from("write scheme and host in small letters: \"https://www.example.com\"")
        }
    };
    Some((codes::BAD_ORIGIN, format!("`{text}` is not an origin"), help))
}

fn url(text: &str) -> Fault {
    let Some((scheme, rest)) = text.split_once("://") else {
        return Some((
            codes::BAD_URL,
            format!("`{text}` is not a web address"),
            String::from("begin with https:// (or http://, or smtp:// for mail)"),
        ));
    };
    let host = rest.split(['/', '?', '#']).next().unwrap_or_default();
    if let Some((login, _)) = host.rsplit_once('@').filter(|(login, _)| login.contains(':')) {
        let _ = login;
        return Some((
            codes::SECRET_IN_FILE,
            String::from("a secret does not belong in a rule file: this address holds a password"),
            String::from("write (env)\"NAME\" and set NAME to the whole address"),
        ));
    }
    let host = host.rsplit('@').next().unwrap_or_default();
    (!matches!(scheme, "http" | "https" | "smtp" | "smtps") || !is_host(host)).then(|| {
        (
            codes::BAD_URL,
            format!("`{text}` cannot be called"),
            String::from("write it like \"https://n8n.example.com\""),
        )
    })
}

fn path(text: &str) -> Fault {
    let help = if !text.starts_with('/') {
        format!("begin with a slash: \"/{text}\"")
    } else if text.contains("//") || text.split('/').any(|part| part == ".." || part == ".") {
        String::from("write every part once, without `//`, `.` and `..`")
    } else if text.chars().any(|letter| {
        letter.is_whitespace() || letter.is_control() || matches!(letter, '?' | '#' | '%' | '\\')
    }) {
        String::from("use letters, digits, `-`, `_`, `.` and `/`")
    } else {
        return None;
    };
    Some((codes::BAD_ADDRESS, format!("`{text}` is not a path"), help))
}

/// Name and address of `Name <address>` or a bare address.
pub(super) fn mailbox(text: &str) -> Option<(Option<String>, String)> {
    let (name, address) = match text.trim().strip_suffix('>').and_then(|rest| rest.rsplit_once('<'))
    {
        Some((name, address)) => (name.trim().trim_matches('"').trim(), address.trim()),
        None => ("", text.trim()),
    };
    let fits = is_email(address) && !name.chars().any(|c| c.is_control() || matches!(c, '<' | '>'));
    fits.then(|| (Some(name.to_owned()).filter(|name| !name.is_empty()), address.to_owned()))
}

fn is_email(text: &str) -> bool {
    email_address::EmailAddress::from_str(text)
        .is_ok_and(|address| address.as_str() == address.email() && address.domain().contains('.'))
}

/// Whether a name can be used in guards and tags.
pub(super) fn is_identifier(text: &str) -> bool {
    text.starts_with(|letter: char| letter.is_ascii_alphabetic() || letter == '_')
        && text.chars().all(|letter| letter.is_ascii_alphanumeric() || letter == '_')
}

/// Whether a text can be the name of an environment variable.
pub(super) fn is_variable(text: &str) -> bool {
    is_identifier(text)
}

fn is_token(text: &str) -> bool {
    !text.is_empty()
        && text
            .bytes()
            .all(|byte| byte.is_ascii_alphanumeric() || b"!#$%&'*+-.^_`|~".contains(&byte))
}

fn is_host(text: &str) -> bool {
    let (host, port) = match text.rsplit_once(':') {
        Some((host, port)) if !port.ends_with(']') => (host, Some(port)),
        _ => (text, None),
    };
    let name = host.strip_prefix('[').and_then(|rest| rest.strip_suffix(']'));
    port.is_none_or(|port| port.parse::<u16>().is_ok())
        && name.map_or_else(
            || {
                !host.is_empty()
                    && host.chars().all(|c| c.is_alphanumeric() || matches!(c, '-' | '.' | '_'))
            },
            |address| address.parse::<std::net::Ipv6Addr>().is_ok(),
        )
}

/// Whether a text is an address with a port.
pub(super) fn is_listen(text: &str) -> bool {
    text.parse::<std::net::SocketAddr>().is_ok()
        || text.rsplit_once(':').is_some_and(|(host, port)| {
            is_host(host) && !host.contains(':') && port.parse::<u16>().is_ok()
        })
}

#[cfg(test)]
mod tests {
    use super::*;

    fn code(text: &str, kind: Type) -> &'static str {
        fault(text, kind).map_or("", |(code, _, _)| code)
    }

    #[test]
    fn values_that_people_write_are_taken() {
        for (text, kind) in [
            ("https://www.example.com", Type::Origin),
            ("http://localhost:3000", Type::Origin),
            ("http://localhost:5678", Type::Url),
            ("smtp://localhost:1025", Type::Url),
            ("Acme Scaling <hello@example.com>", Type::Mailbox),
            ("[::1]:8080", Type::Listen),
            ("localhost:8080", Type::Listen),
            ("GET POST", Type::Methods),
            ("/webhook/{{event.slug}}", Type::Path),
            ("America/New_York", Type::Zone),
        ] {
            assert_eq!(code(text, kind), "", "{text}");
        }
    }

    #[test]
    fn values_that_would_not_work_are_refused() {
        for (text, kind, expected) in [
            ("https://www.example.com/", Type::Origin, codes::BAD_ORIGIN),
            ("*", Type::Origin, codes::BAD_ORIGIN),
            ("smtp://me:secret@mail.example.com", Type::Url, codes::SECRET_IN_FILE),
            ("n8n.example.com", Type::Url, codes::BAD_URL),
            ("hello", Type::Path, codes::BAD_ADDRESS),
            ("/a/../b", Type::Path, codes::BAD_ADDRESS),
            ("hello@", Type::Email, codes::BAD_EMAIL),
            ("GET FETCH", Type::Methods, codes::UNKNOWN_CHOICE),
            ("8080", Type::Listen, codes::BAD_ADDRESS),
        ] {
            assert_eq!(code(text, kind), expected, "{text}");
        }
        let (_, _, help) = fault("Berlin", Type::Zone).expect("not a zone");
        assert_eq!(help, "did you mean `Europe/Berlin`?");
    }
}
