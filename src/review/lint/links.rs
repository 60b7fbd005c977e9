//! Links: those that are left out or open nothing, and those that filters and careful
//! people distrust.

use super::{MOST_TARGETS, Paper};
use crate::base::Diagnostic;
use crate::language::codes;
use crate::mail::{Contents, Target};
use crate::review::hosts;

/// More links than that look like a catalogue.
const MANY: usize = 20;

pub(super) fn check(paper: &Paper<'_>, contents: &Contents, found: &mut Vec<Diagnostic>) {
    for link in contents.links.iter().take(MOST_TARGETS) {
        if let Some((message, help)) = dead(link) {
            let span = place(paper, link);
            let told = Diagnostic::warning(codes::DEAD_LINK, message, span)
                .label("opens nothing")
                .help(help);
            found.push(match completed(&link.url).filter(|_| paper.says(span, &link.url)) {
                Some(url) => told.fix(span, url),
                None => told,
            });
        } else if let Some((message, help)) = suspicious(link) {
            found.push(
                Diagnostic::warning(codes::SUSPICIOUS_LINK, message, place(paper, link))
                    .label("looks dangerous")
                    .help(help),
            );
        }
    }
    if let Some(link) = contents.links.get(MANY) {
        found.push(
            Diagnostic::warning(
                codes::MANY_LINKS,
                format!("this e-mail has {} links", contents.links.len()),
                place(paper, link),
            )
            .label(format!("number {}", MANY + 1))
            .help(
                "spam filters count links, and readers choose best among few: say one thing, or \
                 link to a page with the list",
            ),
        );
    }
}

/// Its address, or its words where the address is too short to be found.
fn place(paper: &Paper<'_>, link: &Target) -> crate::base::Span {
    const FEWEST: usize = 4;
    paper.place(if link.url.len() < FEWEST { &link.words } else { &link.url })
}

/// What is wrong with a link that no click opens, and how it is mended.
fn dead(link: &Target) -> Option<(String, String)> {
    let url = link.url.trim();
    let words = if link.words.trim().is_empty() { "words" } else { link.words.trim() };
    if url.is_empty() || url.starts_with('#') {
        return Some((
            String::from("this link leads nowhere"),
            format!("put the address between the round brackets: [{words}](https://…)"),
        ));
    }
    if link.kept {
        let address = url.strip_prefix("mailto:")?;
        let address = address.split('?').next().unwrap_or_default();
        let good = address.split_once('@').is_some_and(|(user, domain)| {
            !user.is_empty() && domain.contains('.') && !domain.contains(['@', '/'])
        });
        return (!good).then(|| {
            (
                format!("`{address}` is not an e-mail address: no letter would arrive"),
                format!("write [{words}](mailto:you@your-domain.com)"),
            )
        });
    }
    let scheme = url.split_once(':').map(|(scheme, _)| scheme).filter(|scheme| {
        !scheme.contains(['.', '/']) && scheme.starts_with(|first: char| first.is_alphabetic())
    });
    Some(match scheme {
        Some(scheme) => (
            format!("mail programs do not open `{scheme}:`, so this link is left out"),
            String::from("link to an https:// address, to mailto: or to tel:"),
        ),
        None if url.starts_with('/') || !url.contains('.') => (
            String::from("this address is not complete, so the link is left out"),
            format!(
                "an e-mail belongs to no website: write [{words}](https://your-domain.com{}{url})",
                if url.starts_with('/') { "" } else { "/" }
            ),
        ),
        None => (
            format!("`{url}` is not a complete web address, so the link is left out"),
            format!("write [{words}](https://{url})"),
        ),
    })
}

/// An address of which only the `https://` is missing, with it.
fn completed(url: &str) -> Option<String> {
    let host = url.split(['/', '?', '#']).next().unwrap_or_default();
    hosts::shown(host).map(|_| format!("https://{url}"))
}

/// What filters and careful people hold against a link, and how it is mended.
fn suspicious(link: &Target) -> Option<(String, String)> {
    let (host, port) = hosts::host(&link.url)?;
    if hosts::is_example(host) {
        return None;
    }
    let told = |message: String, help: &str| Some((message, help.to_owned()));
    if let Some(shown) = hosts::shown(&link.words)
        && !hosts::are_one_site(shown, host)
    {
        return told(
            format!("this link shows {shown} and leads to {host}"),
            "that is how fraud looks, and filters know it: let the words say what is there, not \
             another address",
        );
    }
    if host.parse::<std::net::IpAddr>().is_ok() {
        return told(
            format!("this link leads to a number, {host}, instead of a name"),
            "senders of spam link to bare numbers: use the name of your website",
        );
    }
    if hosts::is_shortener(host) {
        return told(
            format!("{host} hides where this link leads"),
            "filters block links that hide where they lead: write the full address; readers see \
             your words, not the address",
        );
    }
    if port.is_some_and(|port| !matches!(port, "80" | "443")) {
        return told(
            format!("this link leads to an unusual port of {host}"),
            "filters distrust addresses with a number behind the colon: link to a page without one",
        );
    }
    if link.url.get(..7).is_some_and(|start| start.eq_ignore_ascii_case("http://")) {
        return told(
            String::from("this link is not encrypted"),
            "write https:// in its place: browsers warn of such pages, and filters distrust them",
        );
    }
    None
}
