//! The hosts of web addresses, and what is known about some of them: which belong to nobody,
//! which hide where they lead, and which give mailboxes to everybody.

/// Services that hide where a link leads; mail providers block many of them.
const SHORTENERS: &[&str] = &[
    "bit.ly",
    "buff.ly",
    "cutt.ly",
    "goo.gl",
    "is.gd",
    "lnkd.in",
    "ow.ly",
    "rb.gy",
    "rebrand.ly",
    "shorturl.at",
    "t.co",
    "t.ly",
    "tiny.cc",
    "tinyurl.com",
];
/// Providers of mailboxes for everybody. Their rules let nobody else send in their name.
const FREE: &[&str] = &[
    "aol.com",
    "gmail.com",
    "gmx.at",
    "gmx.com",
    "gmx.de",
    "gmx.net",
    "googlemail.com",
    "hotmail.com",
    "icloud.com",
    "live.com",
    "mail.com",
    "mail.ru",
    "me.com",
    "outlook.com",
    "proton.me",
    "protonmail.com",
    "t-online.de",
    "web.de",
    "yahoo.co.uk",
    "yahoo.com",
    "yahoo.de",
    "yandex.com",
    "yandex.ru",
    "zoho.com",
];
/// Domains that belong to nobody, for examples and tests.
const EXAMPLES: &[&str] = &["example.com", "example.net", "example.org", "localhost"];
/// Endings that belong to nobody.
const EXAMPLE_ENDINGS: &[&str] = &["test", "example", "invalid", "localhost"];

/// The host of a web address, and its port where one is written.
pub(super) fn host(url: &str) -> Option<(&str, Option<&str>)> {
    let (scheme, rest) = url.split_once("://")?;
    if !scheme.chars().all(|letter| letter.is_ascii_alphanumeric()) {
        return None;
    }
    let authority = &rest[..rest.find(['/', '?', '#']).unwrap_or(rest.len())];
    let authority = authority.rsplit_once('@').map_or(authority, |(_, host)| host);
    if let Some(v6) = authority.strip_prefix('[') {
        let (host, rest) = v6.split_once(']')?;
        return Some((host, rest.strip_prefix(':')));
    }
    Some(authority.rsplit_once(':').map_or((authority, None), |(host, port)| (host, Some(port))))
}

/// Whether a host is one of these domains or lies below one.
fn is_below(host: &str, domains: &[&str]) -> bool {
    let host = host.to_ascii_lowercase();
    domains.iter().any(|domain| {
        host.strip_suffix(domain).is_some_and(|rest| rest.is_empty() || rest.ends_with('.'))
    })
}

/// Whether a host hides where its links lead.
pub(super) fn is_shortener(host: &str) -> bool {
    is_below(host, SHORTENERS)
}

/// Whether a domain gives mailboxes to everybody.
pub(super) fn is_free(domain: &str) -> bool {
    is_below(domain, FREE)
}

/// Whether a host belongs to nobody, or is this machine.
pub(super) fn is_example(host: &str) -> bool {
    let ending = host.rsplit('.').next().unwrap_or_default().to_ascii_lowercase();
    is_below(host, EXAMPLES)
        || EXAMPLE_ENDINGS.contains(&ending.as_str())
        || host.parse::<std::net::IpAddr>().is_ok_and(|address| address.is_loopback())
}

/// Whether two hosts are one site: the same, or one below the other.
pub(super) fn are_one_site(one: &str, other: &str) -> bool {
    let bare = |host: &str| host.to_ascii_lowercase().trim_start_matches("www.").to_owned();
    let (one, other) = (bare(one), bare(other));
    is_below(&one, &[&other]) || is_below(&other, &[&one])
}

/// The host that the words of a link show, where they look like an address.
pub(super) fn shown(words: &str) -> Option<&str> {
    const ENDINGS: &[&str] = &[
        "app", "at", "au", "biz", "ca", "ch", "co", "com", "de", "dev", "es", "eu", "fr", "info",
        "io", "it", "jp", "net", "nl", "org", "uk", "us",
    ];
    let words = words.trim();
    if words.contains(char::is_whitespace) || words.contains('@') {
        return None;
    }
    if let Some((host, _)) = host(words) {
        return Some(host);
    }
    let end = words.find(['/', '?', '#', ':']).unwrap_or(words.len());
    let name = &words[..end];
    let ending = name.rsplit_once('.')?.1.to_ascii_lowercase();
    ENDINGS.contains(&ending.as_str()).then_some(name)
}
