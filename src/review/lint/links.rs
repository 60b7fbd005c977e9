//! Links: those that are left out or open nothing, and those that filters and careful
//! people distrust.

use super::{MOST_TARGETS, Paper};
use crate::base::{Diagnostic, Span};
use crate::language::codes;
use crate::mail::{Contents, Target};
use crate::markup;
use crate::model::rules::TextKind;
use crate::review::hosts;

/// More links than that look like a catalogue.
const MANY: usize = 20;

pub(super) fn check(paper: &Paper<'_>, contents: &Contents, found: &mut Vec<Diagnostic>) {
    for (index, link) in contents.links.iter().enumerate().take(MOST_TARGETS) {
        if let Some((message, help)) = dead(link, paper.body.kind) {
            let before = contents.links[..index].iter().filter(|one| one.url == link.url);
            let span = written(paper, link, before.count()).unwrap_or_else(|| place(paper, link));
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
    buttons(paper, found);
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

/// The link of HTML or MJML that leads there, by its number among those that do.
fn written(paper: &Paper<'_>, link: &Target, number: usize) -> Option<Span> {
    if paper.body.kind == TextKind::Markdown {
        return None;
    }
    let mut same = markup::links_to(paper.body.template.source(), &link.url);
    same.truncate(number + 1);
    same.pop().map(|range| paper.span(range))
}

/// A button of MJML that says no address becomes a coloured box.
fn buttons(paper: &Paper<'_>, found: &mut Vec<Diagnostic>) {
    if paper.body.kind != TextKind::Mjml {
        return;
    }
    for range in markup::dead_buttons(paper.body.template.source()) {
        found.push(
            Diagnostic::warning(codes::DEAD_LINK, "this button leads nowhere", paper.span(range))
                .label("opens nothing")
                .help("write where it leads: <mj-button href=\"https://…\">"),
        );
    }
}

/// Its address, or its words where the address is too short to be found.
fn place(paper: &Paper<'_>, link: &Target) -> Span {
    const FEWEST: usize = 4;
    paper.place(if link.url.len() < FEWEST { &link.words } else { &link.url })
}

/// What is wrong with a link that no click opens, and how it is mended.
fn dead(link: &Target, kind: TextKind) -> Option<(String, String)> {
    let url = link.url.trim();
    let words = if link.words.trim().is_empty() { "words" } else { link.words.trim() };
    let leading_to = |url: &str| match kind {
        TextKind::Markdown => format!("[{words}]({url})"),
        TextKind::Html | TextKind::Mjml => format!("href=\"{url}\""),
    };
    if url.is_empty() || url.starts_with('#') {
        let place = match kind {
            TextKind::Markdown => "put the address between the round brackets",
            TextKind::Html | TextKind::Mjml => "write where it leads",
        };
        let help = format!("{place}: {}", leading_to("https://…"));
        return Some((String::from("this link leads nowhere"), help));
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
                format!("write {}", leading_to("mailto:you@your-domain.com")),
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
                "an e-mail belongs to no website: write {}",
                leading_to(&format!("https://your-domain.com/{}", url.trim_start_matches('/')))
            ),
        ),
        None => (
            format!("`{url}` is not a complete web address, so the link is left out"),
            format!("write {}", leading_to(&format!("https://{url}"))),
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
