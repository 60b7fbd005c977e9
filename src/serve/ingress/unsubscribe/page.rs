//! The page behind an unsubscribe link: what the person gets now, and buttons to change it.
//! It has no scripts and no foreign parts, and fits a phone.

use bytes::Bytes;
use http_body_util::{Either, Full};
use hyper::header::{CACHE_CONTROL, CONTENT_TYPE, HeaderValue, REFERRER_POLICY};
use hyper::{Response, StatusCode};

use crate::mail::Words;
use crate::model::queue::{Suppression, suppression};
use crate::serve::ingress::answer::Answer;

/// What a person gets.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum State {
    /// Everything.
    Everything,
    /// Everything but this sequence.
    NotThis,
    /// Nothing, because they wanted it so.
    Nothing,
    /// Nothing, and they cannot change it here.
    Barred,
}

impl State {
    /// A rest after soft bounces ends by itself and is nothing that a person would change.
    fn of(entries: &[Suppression], sequence: &str) -> Self {
        let lasting = || entries.iter().filter(|entry| entry.is_lasting());
        if barring(entries).is_some() {
            Self::Barred
        } else if lasting().any(|entry| entry.sequence.is_none()) {
            Self::Nothing
        } else if lasting().any(|entry| entry.covers(sequence)) {
            Self::NotThis
        } else {
            Self::Everything
        }
    }
}

/// What keeps every e-mail from a person, and was not their own word.
fn barring(entries: &[Suppression]) -> Option<&Suppression> {
    let bars = |entry: &&Suppression| {
        entry.sequence.is_none() && entry.is_lasting() && !entry.was_asked_for()
    };
    entries.iter().find(bars)
}

/// The page of a person. `about` names the sequence for them.
pub(super) fn preferences(
    words: &Words,
    person: &str,
    sequence: &str,
    about: &str,
    entries: &[Suppression],
) -> Answer {
    let (person, about) = (escape(person), escape(about));
    let named = |text: &str| text.replacen("{}", &format!("<b>{about}</b>"), 1);
    let these = button("leave", "this", words.stop_these);
    let all = button("leave", "all", words.stop_all);
    let (now, buttons) = match State::of(entries, sequence) {
        State::Everything => (named(words.gets_all), format!("{these}{all}")),
        State::NotThis => {
            (named(words.gets_others), format!("{}{all}", button("join", "this", words.join_these)))
        }
        State::Nothing => (words.gets_none.to_owned(), button("join", "all", words.join_all)),
        State::Barred => {
            let bounced =
                barring(entries).is_some_and(|entry| entry.reason == suppression::BOUNCED);
            let why = if bounced { words.came_back } else { words.taken_off };
            (why.to_owned(), String::new())
        }
    };
    html(200, words, &format!("<p><b>{person}</b> {now}</p>{buttons}"))
}

/// For a link that is not one of ours: the same whatever is wrong with it.
pub(in crate::serve::ingress) fn not_ours(words: &Words) -> Answer {
    html(404, words, &format!("<p>{}</p>", words.no_link))
}

/// For a form that says nothing that we know.
pub(super) fn not_understood(words: &Words) -> Answer {
    html(400, words, &format!("<p>{}</p>", words.not_understood))
}

fn button(name: &str, value: &str, text: &str) -> String {
    format!(
        "<form method=\"post\"><button name=\"{name}\" value=\"{value}\">{text}</button></form>"
    )
}

fn escape(text: &str) -> String {
    text.replace('&', "&amp;").replace('<', "&lt;").replace('>', "&gt;").replace('"', "&quot;")
}

/// A name as people read it: `noshow-recovery` is "Noshow recovery".
pub(super) fn readable(name: &str) -> String {
    let mut letters = name.trim().chars().map(|c| if matches!(c, '-' | '_') { ' ' } else { c });
    let first = letters.next().map(|first| first.to_uppercase().to_string()).unwrap_or_default();
    first.chars().chain(letters).collect()
}

fn html(status: u16, words: &Words, inner: &str) -> Answer {
    let Words { language, title, .. } = words;
    let html = format!(
        "<!doctype html><html lang=\"{language}\"><head><meta charset=\"utf-8\"><meta name=\"viewport\" \
         content=\"width=device-width, initial-scale=1\"><meta name=\"robots\" \
         content=\"noindex\"><title>{title}</title><style>body{{font:1.1em/1.5 \
         sans-serif;max-width:32em;margin:3em auto;padding:0 1em;overflow-wrap:anywhere}}\
         button{{font:inherit;display:block;width:100%;margin:.7em 0;padding:.7em}}</style></head>\
         <body><h1>{title}</h1>{inner}</body></html>"
    );
    let mut answer = Response::new(Either::Left(Full::new(Bytes::from(html))));
    *answer.status_mut() = StatusCode::from_u16(status).unwrap_or_default();
    let headers = answer.headers_mut();
    headers.insert(CONTENT_TYPE, HeaderValue::from_static("text/html; charset=utf-8"));
    headers.insert(CACHE_CONTROL, HeaderValue::from_static("no-store"));
    headers.insert(REFERRER_POLICY, HeaderValue::from_static("no-referrer"));
    headers.insert(
        "content-security-policy",
        HeaderValue::from_static(
            "default-src 'none'; style-src 'unsafe-inline'; form-action 'self'; \
             frame-ancestors 'none'; base-uri 'none'",
        ),
    );
    answer
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::model::queue::Fingerprint;

    fn entry(reason: &str, sequence: Option<&str>) -> Suppression {
        Suppression {
            who: Fingerprint::of("sarah@example.com"),
            reason: reason.into(),
            sequence: sequence.map(str::to_owned),
            note: String::new(),
            at: 0,
        }
    }

    #[test]
    fn the_page_shows_what_is_so() {
        let state = |entries: &[Suppression]| State::of(entries, "welcome");
        assert_eq!(state(&[]), State::Everything);
        assert_eq!(state(&[entry("unsubscribed", Some("other"))]), State::Everything);
        assert_eq!(state(&[entry("unsubscribed", Some("welcome"))]), State::NotThis);
        assert_eq!(state(&[entry("complained", None)]), State::Nothing);
        let both = [entry("unsubscribed", None), entry("bounced", None)];
        assert_eq!(state(&both), State::Barred);
        // Whoever gets none for a week, or got none last week, leaves like everybody else.
        let resting = [entry("soft-bounced", None), entry("unsubscribed", Some("welcome"))];
        assert_eq!(state(&resting[..1]), State::Everything);
        assert_eq!(state(&resting), State::NotThis);
    }

    #[test]
    fn names_are_made_readable_and_nothing_of_them_becomes_html() {
        assert_eq!(readable("noshow-recovery"), "Noshow recovery");
        assert_eq!(readable(""), "");
        assert_eq!(escape("<b>\"&"), "&lt;b&gt;&quot;&amp;");
    }
}
