//! What `format` means: the four formats that schema types become, and how to write each.

use email_address::{EmailAddress, Options};

use crate::base::time::parse_time;

/// An e-mail address alone: no display name, no `@[127.0.0.1]`, a dot in the domain. What may
/// stand in quotes before the `@` (another `@` among it) is read differently by every program,
/// so nothing may.
pub(super) fn email(text: &str) -> bool {
    let options =
        Options::default().with_required_tld().without_domain_literal().without_display_text();
    !text.chars().any(|c| c.is_control() || c.is_whitespace() || c == '"')
        && EmailAddress::parse_with_options(text, options).is_ok()
}

/// A web address: `http` or `https`, then a host. Other schemes (`javascript:` above all)
/// have no place where a link may come from a stranger.
pub(super) fn web_address(text: &str) -> bool {
    let Some((scheme, rest)) = text.split_once("://") else { return false };
    let host = rest.split(['/', '?', '#']).next().unwrap_or_default();
    (scheme.eq_ignore_ascii_case("http") || scheme.eq_ignore_ascii_case("https"))
        && !host.is_empty()
        && !host.starts_with(':')
        && !text.chars().any(|c| c.is_control() || c.is_whitespace() || "<>\"\\".contains(c))
}

/// A time with an offset.
pub(super) fn time(text: &str) -> bool {
    parse_time(text).is_ok() && text.trim() == text
}

/// A calendar date.
pub(super) fn date(text: &str) -> bool {
    text.len() == 10 && text.parse::<jiff::civil::Date>().is_ok()
}

/// What a format asks for and how to write it, after "must be".
pub(super) fn wanted(format: &str) -> String {
    match format {
        "email" => "an e-mail address, such as \"sarah@example.com\"".to_owned(),
        "uri" => "a web address, such as \"https://example.com/page\"".to_owned(),
        "date-time" => "a time with an offset, such as \"2025-12-01T10:30:00Z\"".to_owned(),
        "date" => "a date, such as \"2025-12-01\"".to_owned(),
        other => format!("of the format `{other}`"),
    }
}
